"""How a file gets to XNAT under the name it is to have: in the body of a request for its path, as the file of a form, or in a zip to be unpacked.

XNAT decodes the path of an upload only where it holds ``%20`` or ``%2B``, and stores other encoded characters as they are; it takes no empty
body, and none of unknown length. A form carries names without folders, a zip all of them.
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

__all__ = ['Carried', 'carried', 'check_names']

_BINARY = {'content-type': 'application/octet-stream'}


class Carried(NamedTuple):
    """A request that stores a file."""

    uri: str
    payload: Payload
    headers: Mapping[str, str]
    is_plain: bool
    """Whether the name goes in the path, and the content in the body; if not, it is worth seeing what became of them."""
    size: int
    """Bytes of the file."""


def check_names(paths: Iterator[str] | list[str], uri: str) -> None:
    """`DataError` for names of files that XNAT would not give back: an encoded ``%`` or ``;`` never reaches it."""
    for path in paths:
        if wrong := uris.why_unreachable(path):
            what = f'{path!r} cannot be the name of a file: XNAT cannot be asked for one with {wrong}'
            raise errors.DataError(what, uri=uri, remedy='Rename it, or put it into an archive.')


@contextmanager
def carried(resource: str, path: str, payload: Payload, about: Mapping[str, Any]) -> Iterator[Carried]:
    """What to send for a file of a resource.

    Parameters
    ----------
    resource : str
        Its URI.
    about : mapping
        Query parameters of the upload.
    """
    check_names([path], resource)
    with _measured(payload) as body:
        size = body.length or 0
        if size and uris.is_carried(path):
            yield Carried(_uri(resource, path, {'inbody': True, **about}), body, _BINARY, True, size)
        elif uris.is_carried(path) or ('/' not in path and '"' not in path):
            form = Form(body, 'file' if uris.is_carried(path) else path)
            at = path if uris.is_carried(path) else ''
            yield Carried(_uri(resource, at, about), form, {'content-type': form.content_type}, False, size)
        else:
            with _zipped(path, body) as packed:
                yield Carried(_uri(resource, 'upload.zip', {'inbody': True, **about, 'extract': True}), packed, _BINARY, False, size)


@contextmanager
def _measured(payload: Payload) -> Iterator[Payload]:
    """A body of known length: one that is not is written to a file first."""
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
        with zipfile.ZipFile(file, 'w', zipfile.ZIP_STORED) as archive, archive.open(path, 'w', force_zip64=True) as member:
            payload.write_to(member)
        file.seek(0)
        yield Payload(file)
