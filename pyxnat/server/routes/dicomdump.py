"""``/services/dicomdump``: header of an image in the archive or prearchive.

The format is fact 6.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.store import Connection
from ..errors import BadRequest, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.files_below import fetch_missing
from ..items.find_files import files_of
from ..items.uris import ItemPath, archived_parts, parse
from ..prearchive.sessions import images_of, scans_of
from ..prearchive.waiting import image_paths
from ..storage.dicom_headers import NotDicom, dump
from ..table import Table
from .prearchive import find_waiting

__all__ = ['ROUTES']

_COLUMNS = ('tag1', 'tag2', 'vr', 'value', 'desc')
_WAITING = re.compile(
    r'(?:/data)?/prearchive/projects/([^/]+)/([^/]+)/([^/]+)(?:/scans/([^/]+)(?:/resources/DICOM/'
    r'files/(.+))?)?/?$'
)
_FIRST = {'DICOM': 0, 'secondary': 1}
_MOST_TRIED = 20
"""Files that are tried until one is DICOM."""


def _dump_header(call: Call) -> Response:
    """Return the DICOM elements of the first image in ``src`` as a table.

    ``src`` is a session, scan, resource or file.
    """
    source = call.get('src')
    if not source:
        raise BadRequest(
            'Name the source: src=/archive/projects/P/subjects/S/experiments/E/scans/N'
        )
    with call.archive.store.read() as connection:
        waiting = _WAITING.match(source)
        paths = (
            _waiting(call, connection, *waiting.groups(''))
            if waiting
            else _archived(call, connection, source)
        )
        for _, path in zip(range(_MOST_TRIED), paths, strict=False):
            try:
                return table_response(call, Table(_COLUMNS, list(dump(path, call.all('field')))))
            except NotDicom:
                continue
    raise NotFound(f'There is no DICOM file at {source}.')


def _archived(call: Call, connection: Connection, source: str) -> Iterator[Path]:
    parts = archived_parts(source)
    path = _path_of(parts)
    names = path.names if path and not path.tail and path.last.id else ('',)
    more = {
        'experiments': ['scans', 'ALL', 'files'],
        'scans': ['files'],
        'resources': ['files'],
        'files': [],
    }.get(names[-1].rpartition('_')[2])
    path = _path_of([*parts, *more]) if more is not None else None
    if path is None:
        raise BadRequest(f'{source!r} is not a session, scan or resource.')
    held = files_of(call, connection, path, strict=call.is_head)
    if names[-1] == 'files':
        held = [one for one in held if one.file.path == path.last.id]
    held.sort(key=lambda one: _FIRST.get(one.resource.label or '', 2))
    for one in held:
        fetch_missing(call.archive, [one])
        yield one.path


def _path_of(parts: list[str]) -> ItemPath | None:
    """Return the levels of a path.

    Only here may scans follow ``projects/P/experiments/E``; XNAT's other routes have none there.
    """
    path = parse(parts)
    if path is None or path.names != ('projects', 'experiments') or not path.tail:
        return path
    below = parse([parts[2], *parts[3:]])
    return ItemPath((*path.steps, *below.steps[1:]), below.tail) if below is not None else None


def _waiting(
    call: Call,
    connection: Connection,
    project: str,
    timestamp: str,
    folder: str,
    scan: str,
    name: str,
) -> Iterator[Path]:
    row: Any = find_waiting(connection, call.caller, project, timestamp, folder)
    for scan_row in scans_of(connection, row.pk):
        if scan in ('', scan_row.id):
            home = images_of(call.archive.files, row, scan_row.id)
            yield from (
                call.archive.files.file_path(home, path)
                for path in image_paths(connection, scan_row.pk, name, _MOST_TRIED)
            )


ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'GET',
            '/data/services/dicomdump',
            _dump_header,
            'List the DICOM elements of the first image in `src`.',
        ),
    ),
)
