"""Resources and files: what there is, and downloads. What changes them is in `uploads`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from sqlalchemy import Connection, func, select
from werkzeug.exceptions import NotFound
from werkzeug.http import http_date, parse_date
from werkzeug.wrappers import Response

from ..structure import level
from . import archives
from .calls import Call, text
from .catalogues import catalogue_of_files
from .holdings import Held, chosen, file_uri, files_of, resources_at, split
from .locate import Place, find_many
from .routes import Route, Step
from .store import file
from .tables import Table

__all__ = ['download', 'resource_table']

RESOURCE_COLUMNS = level('resources').columns
FILE_COLUMNS = level('files').columns
BLOCK = 2**20
"""Bytes read from a file at once when it is sent."""
_TYPES = {
    'bmp': 'image/bmp', 'gif': 'image/gif', 'html': 'text/html', 'jpg': 'image/jpeg', 'jpeg': 'image/jpeg', 'pdf': 'application/pdf',
    'png': 'image/png', 'svg': 'image/svg+xml', 'tiff': 'image/tiff', 'txt': 'text/plain', 'xml': 'text/xml',
}  # fmt: skip
_FORCED = frozenset({'html', 'xml', 'svg'})
_CATEGORY = {'scan': 'scans', 'reconstruction': 'reconstructions', 'assessor': 'assessors'}


# -- listing


def resource_table(call: Call, connection: Connection, route: Route) -> Table:
    """The resources of an element; with ``all=true`` also those of a session's scans, reconstructions and assessors."""
    steps, step, _ = split(route)
    rows: list[tuple[Any, ...]] = []
    for place in find_many(connection, call.caller, steps):
        places = [place]
        if call.flag('all') and place.row.level == 'experiment':
            places += _parts(connection, call, steps, place)
        for one in places:
            found = resources_at(connection, one.row, step, every_side=one is not place)
            rows += [_resource_row(connection, one.row, row) for row in found]
    return Table(RESOURCE_COLUMNS, rows, {'title': 'Resources'})


def _parts(connection: Connection, call: Call, steps: Sequence[Step], place: Place) -> list[Place]:
    found: list[Place] = []
    for name in ('scans', 'reconstructions', 'assessors'):
        try:
            found += find_many(connection, call.caller, [*steps, Step(level(name), 'ALL')])
        except NotFound:
            continue
    return [one for one in found if one.rows['experiment'].pk == place.row.pk]


def _resource_row(connection: Connection, holder: Any, row: Any) -> tuple[Any, ...]:
    count, size = connection.execute(select(func.count(), func.sum(file.c.size)).where(file.c.resource == row.pk)).one()
    category = _CATEGORY.get(holder.level, 'resources')
    described = json.loads(holder.fields).get('type', '') if category in ('scans', 'reconstructions') else ''
    if category == 'assessors':
        described = holder.xsi_type
    return (row.pk, row.label, 'xnat:resourceCatalog', category, holder.id, described, count, size or 0, row.tags, row.content, row.format)


def file_table(call: Call, held: list[Held]) -> Table:
    """The table of files; ``locator=absolutePath`` or ``projectPath`` tells where they lie in place of their URI."""
    columns = list(FILE_COLUMNS)
    locator = call.get('locator')
    if locator in ('absolutePath', 'projectPath'):
        columns[columns.index('URI')] = locator
    rows = [
        (
            one.file.path.rpartition('/')[2],
            one.file.size,
            _locate(call, one, locator),
            one.resource.label,
            one.file.tags,
            one.file.format,
            one.file.content,
            one.resource.pk,
            one.file.digest,
        )
        for one in held
    ]
    described = [{'key': name, **({'serverRoot': ''} if name == 'URI' else {})} for name in columns]
    return Table(columns, rows, {'title': 'Files'}, described, count=False)


def _locate(call: Call, held: Held, locator: str) -> str:
    if locator == 'absolutePath':
        return str(held.path)
    if locator == 'projectPath':
        return held.path.relative_to(call.archive.files.root).as_posix().partition('/')[2]
    return file_uri(held)


# -- reading


def download(call: Call, connection: Connection, route: Route) -> Response | Table:
    """A file's bytes, an archive of several, or their table."""
    asked = route.last.id
    held = files_of(call, connection, route, path=asked)  # one of very many is found without reading them all
    if asked is not None:
        held = held or files_of(call, connection, route)
        found = chosen(held, asked)
        if not found and (inside := _entry_of(held, asked)):
            return archives.send_entry(*inside)
        if found and call.flag('listContents') and archives.is_zip(found[0].path):
            return archives.contents(found[0].path)
        if not found:
            if call.flag('accept-not-found'):
                return text(status=204)
            raise NotFound('Unable to find file.')
        if asked[-1] not in '/*' or found[0].file.path == asked:
            wrap = _is_archive(call) and not (call.get('format').lower() == 'zip' and archives.is_zip(found[0].path))
            return archives.send(call, found[:1]) if wrap else _send(call, found[0])
        held = found
    if call.get('index').isdigit():
        place = int(call.get('index'))
        if place >= len(held):
            raise NotFound('Unable to find file.')
        return _send(call, held[place])
    if _is_archive(call) or call.get('format').lower() == 'xcat':
        if not held:
            raise NotFound('Unable to find any files.')
        return archives.send(call, held) if _is_archive(call) else catalogue_of_files(call, held)
    return file_table(call, held)


def _is_archive(call: Call) -> bool:
    return call.get('format').lower() in archives.FORMATS


def _entry_of(held: list[Held], asked: str) -> tuple[Path, str] | None:
    """The stored zip and the entry in it that ``x.zip!/entry`` or ``x.zip/entry`` names."""
    for one in held:
        for mark in ('!/', '/'):
            if one.file.path.lower().endswith('.zip') and asked.startswith(one.file.path + mark):
                return one.path, asked[len(one.file.path) + len(mark) :]
    return None


def _send(call: Call, held: Held) -> Response:
    """A stored file. Only these answers can be asked for again with If-Modified-Since."""
    try:
        source = held.path.open('rb', buffering=0)
    except FileNotFoundError as error:
        raise NotFound('Unable to find file.') from error
    name = held.file.path.rpartition('/')[2]
    extension = name.rpartition('.')[2].lower()
    state = os.fstat(source.fileno())  # of the opened file: another may take its place at any time
    modified = state.st_mtime
    headers = {'Last-Modified': http_date(modified), 'Cache-Control': 'must-revalidate'}
    since = parse_date(call.request.headers.get('If-Modified-Since'))
    if since is not None and datetime.fromtimestamp(int(modified), timezone.utc) <= since:
        source.close()
        return Response(status=304, headers=headers)
    headers['Content-Length'] = str(state.st_size)
    if extension in _FORCED and not call.archive.preferences.flag('allowHtmlResourceRendering'):
        headers['Content-Disposition'] = f"attachment; filename*=UTF-8''{quote(name)}"
    response = Response(_blocks(source), mimetype=_TYPES.get(extension, 'application/octet-stream'), headers=headers, direct_passthrough=True)
    response.call_on_close(source.close)
    return response


def _blocks(source: IO[bytes]) -> Iterator[bytes]:
    with source:
        while piece := source.read(BLOCK):
            yield piece
