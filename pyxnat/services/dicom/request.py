"""The request that imports a zip or tar: ``POST /data/services/import``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ... import errors
from ...http.body import Payload
from ...model import uris
from ...resources.host import Host
from ...resources.prearchive import path_of_session

__all__ = ['SERVICE', 'import_archive']

SERVICE = f'{uris.ENTRY}/services/import'
_TYPES = {'.zip': 'application/zip', '.tar': 'application/x-tar'}
_PACKED_TAR = 'application/x-gtar'
_ZIP = 'application/zip'


def import_archive(
    interface: Host,
    body: Path | IO[bytes],
    query: Mapping[str, Any],
    timeout_s: float,
    *,
    may_be_empty: bool = False,
) -> list[str]:
    """Send an archive, and return the paths of the sessions that its files are in.

    One request, without retries. The server responds after it has read and sorted all files.

    Parameters
    ----------
    interface : Interface
        The Interface that it makes its requests with.
    body : Path or file
        A zip, tar or tar.gz, whose kind its name tells; or an open zip.
    query : mapping
        Parameters of the importer.
    timeout_s : float
        Seconds to wait for the response.
    may_be_empty : bool
        Whether the response may name no session.

    Raises
    ------
    NetworkTimeout
        The server did not respond in time; it may still be working.
    UnexpectedAnswer
        The response is no list of sessions.
    """
    headers = {'content-type': _media_type(body)}
    timeout = (interface.connection.transport.timeouts.connect_s, timeout_s)
    payload = Payload(body)
    uri = uris.with_query(SERVICE, {'inbody': True, **query})
    try:
        with interface.connection.stream('POST', uri, payload, headers, timeout=timeout) as stream:
            response = stream.read().decode('utf-8', 'replace')
    except errors.NetworkError as error:
        if not payload.untouched:
            error.remedy = (
                'The server may have taken it all the same: look at manage.prearchive.get() '
                'and the project before you send it again.'
            )
        raise
    except errors.ProgrammingError as error:
        if error.status == 400:
            error.remedy = (
                'Skip files that are not DICOM with ignore_unparsable=True; earlier files may '
                'be in the prearchive.'
            )
        raise
    paths = [path_of_session(line) for line in response.split('\n') if line.strip()]
    if not paths and not may_be_empty:
        raise errors.UnexpectedAnswer(
            'the response names no session',
            uri=interface.connection.server + SERVICE,
            method='POST',
            remedy='Look at manage.prearchive.get() and the project before you send it again.',
        )
    return paths


def _media_type(body: Path | IO[bytes]) -> str:
    """Return the type of an archive; XNAT does not look into the body."""
    if not isinstance(body, Path):
        return _ZIP
    return _TYPES.get(body.suffix.lower(), _PACKED_TAR)
