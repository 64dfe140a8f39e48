"""``/xapi/archive``: prepared downloads of session parts, catalogue refresh."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ..db.guards import Guard, record
from ..errors import Forbidden, InternalServerError, NotFound, Refusal, UnsupportedMediaType
from ..http.request import Call
from ..http.responses import send
from ..http.router import Access, Route, guarded
from ..items.chosen_parts import ORDER, entries_of, parts_of, sessions_of, write_catalogue
from ..items.files_below import fetch_missing
from ..items.find_files import files_in
from ..items.zip_tar import pack_named
from ..jobs.refresh_files import OPTIONS, refresh
from .json_body import json_body

__all__ = ['ROUTES']


class _Download(NamedTuple):
    """Prepared download: its user and the request's JSON."""

    login: str
    asked: dict[str, Any]

    @property
    def options(self) -> list[str]:
        return self.asked.get('options') or []


def _prepare(call: Call) -> Response:
    """Store the request under an ID, from the user and the current second.

    As in XNAT, requests of one second share an ID, and the last one wins.
    """
    body, status = _prepared(call)
    return Response(body, status, mimetype='text/plain' if status == 204 else 'application/xml')


def _prepared(call: Call) -> tuple[str, int]:
    asked = json_body(call)
    if 'projectIds' not in asked:
        raise InternalServerError(
            'There was an error in the request: name the projects in projectIds.'
        )
    download = _Download(call.caller.login, asked)
    with call.archive.store.read() as connection:
        sessions = list(sessions_of(call, connection, asked))
    if not sessions:
        return '', 204
    name = f'{call.caller.login}-{time.strftime("%Y%m%d_%H%M%S")}'
    call.archive.downloads[name] = download
    return name, 200


def _prepare_with_size(call: Call) -> Any:
    name, status = _prepared(call)
    if status == 204:
        return None
    with call.archive.store.read() as connection:
        parts = list(parts_of(call, connection, call.archive.downloads[name].asked))
        size = sum(held.file.size for part in parts for held in files_in(connection, part.kept))
    return {'size': str(size), 'id': name, 'resourcesOfUnknownSize': '0'}


def find_download(call: Call, name: str) -> _Download:
    """Return a prepared download of the caller.

    Parameters
    ----------
    call : Call
        The request.
    name : str
        ID of the download.

    Raises
    ------
    NotFound
        If there is none.
    Forbidden
        For a download of another user.
    """
    record(Guard.DOWNLOAD)
    download: _Download | None = call.archive.downloads.get(name)
    if download is None:
        raise NotFound(f'There is no download {name}.')
    if download.login != call.caller.login:
        raise Forbidden('This download is of another user.')
    return download


def _zip(call: Call, name: str) -> Response:
    """Return the files of a download as a zip.

    Files of scans have no folders, unless the download is simplified. XNAT's zip breaks off where
    two files have one name.
    """
    download = find_download(call, name)
    with call.archive.store.read() as connection:
        found = reversed([*parts_of(call, connection, download.asked)])
        parts = sorted(found, key=lambda part: ORDER.index(part.group))
        fetch_missing(
            call.archive, (one for part in parts for one in files_in(connection, part.kept))
        )
        entries = list(entries_of(connection, parts, 'simplified' in download.options))
    return send(pack_named(name, entries))


def _catalogue(call: Call, name: str) -> Response:
    download = find_download(call, name)
    with call.archive.store.read() as connection:
        parts = list(parts_of(call, connection, download.asked))
        sessions = list(sessions_of(call, connection, download.asked))
    body = write_catalogue(name, download.options, sessions, parts)
    headers = {'Content-Disposition': f'attachment; filename="{name}.xml"'}
    return Response(body, mimetype='application/xml', headers=headers)


def _bare(call: Call, name: str) -> Response:
    raise UnsupportedMediaType('Request its zip or its xml.')


def _refresh(call: Call, operations: str = '') -> None:
    """Refresh the catalogues of the resources or items in the body."""
    options = {name.lower() for name in operations.split(',') if name}
    if not options <= {'append', 'checksum', 'delete', 'populatestats'}:
        raise InternalServerError(
            f'There was an error in the request: there is no operation {operations}.'
        )
    try:
        refresh(call, [str(uri) for uri in json_body(call, list)], options or OPTIONS)
    except Refusal as error:
        raise InternalServerError(
            f'There was an error in the request: {error.description}'
        ) from error


ROUTES = guarded(
    Guard.DOWNLOAD,
    (
        Route(
            'POST',
            '/xapi/archive/download',
            _prepare,
            'Prepare a download of sessions, and return its name.',
            Access.LOGIN,
            guard=Guard.ITEM,
        ),
        Route(
            'POST',
            '/xapi/archive/downloadwithsize',
            _prepare_with_size,
            'Prepare a download, and return its name and size.',
            Access.LOGIN,
            guard=Guard.ITEM,
        ),
        Route(
            'GET',
            '/xapi/archive/download/{name}',
            _bare,
            'Refuse: only the zip and the xml of a download can be fetched.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/archive/download/{name}/zip',
            _zip,
            'Return a prepared download as a zip.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/archive/download/{name}/test',
            _zip,
            'Return a prepared download as a zip, too.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/archive/download/{name}/xml',
            _catalogue,
            'Return the catalogue of a prepared download.',
            Access.LOGIN,
        ),
        Route(
            'PUT',
            '/xapi/archive/catalogs/refresh',
            _refresh,
            'Update rows and digests of resources to match the files.',
            Access.LOGIN,
            guard=Guard.ITEM,
        ),
        Route(
            'PUT',
            '/xapi/archive/catalogs/refresh/{operations}',
            _refresh,
            'Do one or more of `append`, `checksum`, `delete`.',
            Access.LOGIN,
            guard=Guard.ITEM,
        ),
    ),
)
