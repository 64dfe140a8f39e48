"""``/services/dicomdump``: what the header of an image in the archive or the prearchive says (fact 6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Response

from ..db.store import Connection
from ..errors import BadRequest, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route
from ..items.find_files import files_of
from ..items.uris import ItemPath, archived_parts, parse
from ..prearchive.sessions import images_of, scans_of
from ..prearchive.waiting import image_paths
from ..storage.dicom_headers import NotDicom, dump
from ..table import Table
from .prearchive import find_waiting

__all__ = ['ROUTES']

_COLUMNS = ('tag1', 'tag2', 'vr', 'value', 'desc')
_WAITING = re.compile(r'(?:/data)?/prearchive/projects/([^/]+)/([^/]+)/([^/]+)(?:/scans/([^/]+)(?:/resources/DICOM/files/(.+))?)?/?$')
_FIRST = {'DICOM': 0, 'secondary': 1}
_MOST_TRIED = 20
"""Files of other kinds that may lie before the first image."""


def _answer(call: Call) -> Response:
    """The table of the elements of the first image of a session, scan or resource, or of the file that ``src`` names."""
    source = call.get('src')
    if not source:
        raise BadRequest('Name what to read: src=/archive/projects/P/subjects/S/experiments/E/scans/N')
    with call.archive.store.read() as connection:
        waiting = _WAITING.match(source)
        paths = _waiting(call, connection, *waiting.groups('')) if waiting else _archived(call, connection, source)
        for _, path in zip(range(_MOST_TRIED), paths, strict=False):
            try:
                return table_response(call, Table(_COLUMNS, list(dump(path, call.all('field')))))
            except NotDicom:
                continue
    raise NotFound(f'There is no DICOM file at {source}.')


def _archived(call: Call, connection: Connection, source: str) -> Iterator[Path]:
    parts = archived_parts(source)
    route = _route(parts)
    names = route.names if route and not route.tail and route.last.id else ('',)
    more = {'experiments': ['scans', 'ALL', 'files'], 'scans': ['files'], 'resources': ['files'], 'files': []}.get(names[-1].rpartition('_')[2])
    route = _route([*parts, *more]) if more is not None else None
    if route is None:
        raise BadRequest(f'{source!r} is no session, scan or resource.')
    held = files_of(call, connection, route, strict=call.is_head)
    if names[-1] == 'files':
        held = [one for one in held if one.file.path == route.last.id]
    held.sort(key=lambda one: _FIRST.get(one.resource.label or '', 2))
    yield from (one.path for one in held)


def _route(parts: list[str]) -> ItemPath | None:
    """The levels of a path. Here scans can also be told below ``projects/P/experiments/E``, where XNAT's other routes have none."""
    route = parse(parts)
    if route is None or route.names != ('projects', 'experiments') or not route.tail:
        return route
    below = parse([parts[2], *parts[3:]])
    return ItemPath((*route.steps, *below.steps[1:]), below.tail) if below is not None else None


def _waiting(call: Call, connection: Connection, project: str, timestamp: str, folder: str, scan: str, name: str) -> Iterator[Path]:
    row: Any = find_waiting(connection, call.caller, project, timestamp, folder)
    for one in scans_of(connection, row.pk):
        if scan in ('', one.id):
            home = images_of(call.archive.files, row, one.id)
            yield from (call.archive.files.file_path(home, path) for path in image_paths(connection, one.pk, name, _MOST_TRIED))


ROUTES = (Route('GET', '/data/services/dicomdump', _answer, 'List the DICOM elements of the first image in `src`.'),)
