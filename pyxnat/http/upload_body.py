"""Upload requests: as a body, as the file of a form, or in a zip to extract.

XNAT decodes the path of an upload only if it contains ``%20`` or ``%2B``, and stores other encoded
characters as they are. It accepts neither an empty body nor one of unknown length. A form can hold
any name without a folder, a zip any name.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from .. import errors
from ..model import uris
from .body import Form, Payload

__all__ = ['FileUpload', 'check_names', 'file_upload']

_BINARY = {'content-type': 'application/octet-stream'}


class FileUpload(NamedTuple):
    """A request that stores a file."""

    uri: str
    payload: Payload
    headers: Mapping[str, str]
    is_plain: bool
    """Whether the name is in the path and the content is the body.

    If not, the caller should check the name and size that the server stored.
    """
    content: Payload
    """The file itself."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.content.length or 0


def check_names(paths: Iterator[str] | list[str], uri: str) -> None:
    """Check that XNAT can return files of the given names.

    A URI with an encoded ``%`` or ``;`` never reaches XNAT.

    Parameters
    ----------
    paths : iterable of str
        Names of files, with their folders.
    uri : str
        URI to report in the error.

    Raises
    ------
    DataError
        XNAT would store the file, but never return it.
    """
    for path in paths:
        if wrong := uris.why_unreachable(path):
            raise errors.DataError(
                f'{path!r} cannot be the name of a file: XNAT does not return files with {wrong}',
                uri=uri,
                remedy='Rename it, or put it into an archive.',
            )


@contextmanager
def file_upload(
    resource: str, path: str, payload: Payload, about: Mapping[str, Any]
) -> Iterator[FileUpload]:
    """Prepare the request that uploads a file to a resource.

    A temporary file holds the body while the block runs, if its length is unknown or it is zipped.

    Parameters
    ----------
    resource : str
        URI of the resource.
    path : str
        Name of the file below the resource.
    payload : Payload
        Content of the file.
    about : mapping
        Query parameters of the upload.

    Raises
    ------
    DataError
        XNAT would not return a file of this name.
    """
    check_names([path], resource)
    with _measured(payload) as body:
        size = body.length or 0
        if size and uris.is_carried(path):
            yield FileUpload(
                _uri(resource, path, {'inbody': True, **about}), body, _BINARY, True, body
            )
        elif uris.is_carried(path) or ('/' not in path and '"' not in path):
            form = Form(body, 'file' if uris.is_carried(path) else path)
            at = path if uris.is_carried(path) else ''
            yield FileUpload(
                _uri(resource, at, about), form, {'content-type': form.content_type}, False, body
            )
        else:
            with _zipped(path, body) as packed:
                yield FileUpload(
                    _uri(resource, 'upload.zip', {'inbody': True, **about, 'extract': True}),
                    packed,
                    _BINARY,
                    False,
                    body,
                )


@contextmanager
def _measured(payload: Payload) -> Iterator[Payload]:
    """Yield a body of known length, spooled to a temporary file if needed."""
    if payload.length is not None:
        yield payload
        return
    with tempfile.TemporaryFile() as spool:
        yield payload.spool(spool)


def _uri(resource: str, path: str, about: Mapping[str, Any]) -> str:
    return uris.with_query(uris.join(resource, 'files', uris.quote_path(path)), about)


@contextmanager
def _zipped(path: str, payload: Payload) -> Iterator[Payload]:
    with tempfile.TemporaryFile() as file:
        with (
            zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as archive,
            archive.open(path, 'w', force_zip64=True) as member,
        ):
            payload.write_to(member)
        file.seek(0)
        yield Payload(file)
