"""``/xapi/archive``: downloads of chosen parts of sessions, which are prepared first, and the refreshing of catalogues."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ..errors import Forbidden, InternalServerError, NotFound, Refusal, UnsupportedMediaType
from ..http.request import Call
from ..http.responses import send
from ..http.router import Access, Route
from ..items.chosen_parts import ORDER, entries_of, parts_of, sessions_of, write_catalogue
from ..items.find_files import files_in
from ..items.zip_tar import pack_named
from ..jobs.refresh_files import OPTIONS, refresh
from .json_body import json_body

__all__ = ['ROUTES']


class _Download(NamedTuple):
    """What was asked for, by whom."""

    login: str
    asked: dict[str, Any]

    @property
    def options(self) -> list[str]:
        return self.asked.get('options') or []


def _prepare(call: Call) -> Response:
    """Keep what is wanted under an ID; within a second all have the same, and the last counts, as on XNAT."""
    body, status = _prepared(call)
    return Response(body, status, mimetype='text/plain' if status == 204 else 'application/xml')


def _prepared(call: Call) -> tuple[str, int]:
    asked = json_body(call)
    if 'projectIds' not in asked:
        raise InternalServerError('There was an error in the request: name the projects in projectIds.')
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
        size = sum(one.file.size for part in parts for one in files_in(connection, part.kept))
    return {'size': str(size), 'id': name, 'resourcesOfUnknownSize': '0'}


def _found(call: Call, name: str) -> _Download:
    download: _Download | None = call.archive.downloads.get(name)
    if download is None:
        raise NotFound(f'There is no download {name}.')
    if download.login != call.caller.login:
        raise Forbidden
    return download


def _zip(call: Call, name: str) -> Response:
    """The files of a download; those of scans without their folders, unless it is simplified. Where two get one name XNAT's zip ends."""
    download = _found(call, name)
    with call.archive.store.read() as connection:
        found = reversed([*parts_of(call, connection, download.asked)])
        parts = sorted(found, key=lambda part: ORDER.index(part.group))
        entries = list(entries_of(connection, parts, 'simplified' in download.options))
    return send(pack_named(name, entries))


def _catalogue(call: Call, name: str) -> Response:
    download = _found(call, name)
    with call.archive.store.read() as connection:
        parts = list(parts_of(call, connection, download.asked))
        sessions = list(sessions_of(call, connection, download.asked))
    body = write_catalogue(name, download.options, sessions, parts)
    headers = {'Content-Disposition': f'attachment; filename="{name}.xml"'}
    return Response(body, mimetype='application/xml', headers=headers)


def _bare(call: Call, name: str) -> Response:
    raise UnsupportedMediaType('Ask for its zip or its xml.')


def _refresh(call: Call, operations: str = '') -> None:
    """Refresh the catalogues of the resources, or of all that the items have, that the body lists."""
    options = {name.lower() for name in operations.split(',') if name}
    if not options <= {'append', 'checksum', 'delete', 'populatestats'}:
        raise InternalServerError(f'There was an error in the request: there is no operation {operations}.')
    try:
        refresh(call, [str(uri) for uri in json_body(call, list)], options or OPTIONS)
    except Refusal as error:
        raise InternalServerError(f'There was an error in the request: {error.description}') from error


ROUTES = (
    Route('POST', '/xapi/archive/download', _prepare, 'Prepare a download of sessions, and return its name.', Access.LOGIN),
    Route('POST', '/xapi/archive/downloadwithsize', _prepare_with_size, 'Prepare a download, and return its name and size.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}', _bare, 'Say that a download is there.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/zip', _zip, 'Return a prepared download as a zip.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/test', _zip, 'Return the same zip.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/xml', _catalogue, 'Return the catalogue of a prepared download.', Access.LOGIN),
    Route('PUT', '/xapi/archive/catalogs/refresh', _refresh, 'Make rows and digests of resources agree with the files on disk.', Access.LOGIN),
    Route('PUT', '/xapi/archive/catalogs/refresh/{operations}', _refresh, 'Do some of that.', Access.LOGIN),
)
