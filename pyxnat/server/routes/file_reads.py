"""Listings and downloads of resources and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from werkzeug.http import http_date, parse_date
from werkzeug.wrappers import Response

from ...model.levels import level, parts_of_session
from ..db.store import Connection
from ..errors import BadRequest, NotFound, NotSupported
from ..http.request import Call, text
from ..http.responses import send
from ..items import zip_tar
from ..items.catalogues import catalogue_of_files
from ..items.files_below import fetch_missing
from ..items.find_files import Held, Kept, chosen, file_uri, files_of, kept_at
from ..items.resources import count_files
from ..items.uris import ItemPath
from ..table import Table

__all__ = ['download', 'resource_table']

RESOURCE_COLUMNS = level('resources').columns
FILE_COLUMNS = level('files').columns
BLOCK = 2**20
"""Bytes per read of a file that is sent."""


# -- listing


def resource_table(call: Call, connection: Connection, path: ItemPath) -> Table:
    """Return the resources of an element.

    With ``all=true`` also those of a session's scans, reconstructions and assessors.

    Parameters
    ----------
    call : Call
        The request.
    connection : Connection
        The database.
    path : ItemPath
        Path of the resources.
    """
    rows = [
        _resource_row(connection, kept)
        for kept in kept_at(call, connection, path, strict=call.is_head)
    ]
    return Table(RESOURCE_COLUMNS, rows, {'title': 'Resources'})


def _resource_row(connection: Connection, kept: Kept) -> tuple[Any, ...]:
    row, holder = kept.row, kept.place.row
    count, size = count_files(connection, row.pk)
    facts = level(holder.level)
    described = kept.described if facts.is_part or not kept.among_all else ''
    identity = (
        holder.id
        if facts in parts_of_session() or (holder.level == 'experiment' and not kept.among_all)
        else ''
    )
    was_filled = bool(count or row.counted)  # else the statistics are those of its document, if any
    numbers = (count, size or 0) if was_filled else (row.told_count, row.told_size)
    return (
        row.pk,
        row.label,
        'xnat:resourceCatalog',
        facts.category,
        identity,
        described,
        *numbers,
        row.tags,
        row.content,
        row.format,
    )


def file_table(call: Call, held: list[Held]) -> Table:
    """Return the table of files.

    ``locator=absolutePath`` or ``projectPath`` gives their places on disk instead of their URI.

    Parameters
    ----------
    call : Call
        The request.
    held : list[Held]
        The files.
    """
    columns = list(FILE_COLUMNS)
    locator = call.get('locator')
    if locator in ('absolutePath', 'projectPath'):
        columns[columns.index('URI')] = locator
    rows = [
        (
            one.file.path.rstrip('/').rpartition('/')[2],
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
    return Table(columns, rows, {'title': 'Files'}, [{'key': 'URI', 'serverRoot': ''}], count=False)


def _locate(call: Call, held: Held, locator: str) -> str:
    if locator == 'absolutePath':
        return str(held.path)
    if locator == 'projectPath':
        return held.path.relative_to(call.archive.files.root).as_posix().partition('/')[2]
    return file_uri(held)


# -- reading


def download(call: Call, connection: Connection, path: ItemPath) -> Response | Table:
    """Return a file, an archive of several files, or a table of them.

    Parameters
    ----------
    call : Call
        The request.
    connection : Connection
        The database.
    path : ItemPath
        Path of the files.

    Raises
    ------
    NotFound
        If there is no such file, unless ``accept-not-found=true`` (204).
    """
    asked = path.last.id
    if asked is None:
        return _several(call, files_of(call, connection, path, strict=call.is_head))
    held = files_of(
        call, connection, path, path=asked, strict=call.is_head
    )  # fast for a single file among many
    if not held:
        held = files_of(call, connection, path, strict=call.is_head)
        fetch_missing(call.archive, [one for one in held if asked.startswith(f'{one.file.path}/')])
        if inside := _entry_of(held, asked):
            return send(zip_tar.unpack_entry(*inside))
        held = chosen(held, asked, recursive=call.get('recursive').lower() not in ('false', '0'))
    if not held and not asked.endswith('/'):
        return _nothing(call)
    if asked.endswith('/') and [one.file.path for one in held] != [asked]:
        return _several(call, held)
    fetch_missing(call.archive, held[:1])
    if call.flag('listContents') and zip_tar.is_zip(held[0].path):
        return zip_tar.contents(held[0].path)
    return _single(call, held[0])


def _nothing(call: Call) -> Response:
    if call.flag('accept-not-found'):
        return text(status=204)
    raise NotFound('Unable to find file.')


def _single(call: Call, held: Held) -> Response:
    """Return a file, or an archive of it if requested, unless it is one."""
    is_packed = call.get('format').lower() == 'zip' and held.path.suffix.lower() == '.zip'
    if not held.path.is_file():
        return _nothing(call)
    return (
        send(zip_tar.pack_one(call, held))
        if _is_archive(call) and not is_packed
        else _send(call, held)
    )


def _several(call: Call, held: list[Held]) -> Response | Table:
    if call.get('index').isdigit():
        place = int(call.get('index'))
        fetch_missing(call.archive, held[place : place + 1])
        return _send(call, held[place]) if place < len(held) else _nothing(call)
    if _is_archive(call):
        return send(zip_tar.pack(call, held))
    return (
        send(catalogue_of_files(call, held, call.request.root_url))
        if call.get('format').lower() == 'xcat'
        else file_table(call, held)
    )


def _is_archive(call: Call) -> bool:
    return call.get('format').lower() in zip_tar.FORMATS


def _entry_of(held: list[Held], asked: str) -> tuple[Path, str] | None:
    """Return the stored zip and the entry in it that ``x.zip/entry`` names.

    As in XNAT, there is no ``!`` before the slash.
    """
    for one in held:
        if one.file.path.lower().endswith('.zip') and asked.startswith(one.file.path + '/'):
            return one.path, asked[len(one.file.path) + 1 :]
    return None


_CACHING = 'private, no-store, must-revalidate'
"""XNAT says ``must-revalidate`` alone. Clients with a store of their own still revalidate."""


def _send(call: Call, held: Held) -> Response:
    """Return a stored file, or a range of it.

    Only these responses support If-Modified-Since.
    """
    try:
        source = held.path.open('rb', buffering=0)
    except FileNotFoundError as error:
        raise NotFound('Unable to find file.') from error
    name = held.path.name
    state = os.fstat(source.fileno())  # of the opened file, which may be replaced at any time
    if _is_unchanged(call, state.st_mtime):
        source.close()
        return Response(status=304, headers={'Cache-Control': _CACHING})
    headers = {
        'Last-Modified': http_date(state.st_mtime),
        'Cache-Control': _CACHING,
        'Accept-Ranges': 'bytes',
        'Content-Disposition': f'attachment; filename{_file_name(name)};',
    }
    try:
        begin, end = _range(call, state.st_size)
    except BaseException:
        source.close()
        raise
    status = 200
    if call.request.headers.get('Range', '').startswith('bytes='):
        status = 206
        headers['Content-Range'] = f'bytes {begin}-{end - 1}/{state.st_size}'
    headers['Content-Length'] = str(max(end - begin, 0))
    response = Response(
        _blocks(source, begin, end),
        status,
        content_type=zip_tar.type_of(name),
        headers=headers,
        direct_passthrough=True,
    )
    response.call_on_close(source.close)
    return response


def _is_unchanged(call: Call, modified: float) -> bool:
    """Whether a file is not newer than If-Modified-Since.

    A time in the future is ignored.
    """
    since = parse_date(call.request.headers.get('If-Modified-Since'))
    now = datetime.now(timezone.utc)
    return (
        since is not None
        and since <= now
        and datetime.fromtimestamp(int(modified), timezone.utc) <= since
    )


def _file_name(name: str) -> str:
    """Return a name as the parameter of Content-Disposition.

    It is in quotes, as in XNAT, and encoded if a header cannot contain it.
    """
    return (
        f'="{name}"'
        if name.isascii() and name.isprintable() and '"' not in name
        else f"*=UTF-8''{quote(name)}"
    )


def _range(call: Call, size: int) -> tuple[int, int]:
    """Return the first byte of the requested range, and the one after its end.

    A range beyond the end of the file is empty; as in XNAT, its status is still 206.
    """
    asked = call.request.headers.get('Range', '')
    if not asked.startswith('bytes='):
        return 0, size
    if ',' in asked:
        raise NotSupported('Only one range per request is supported.')
    first, _, last = asked.removeprefix('bytes=').strip().partition('-')
    if not (first or last) or not (first or '0').isdigit() or not (last or '0').isdigit():
        raise BadRequest(f'{asked!r} is not a range.')
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _blocks(source: IO[bytes], begin: int, end: int) -> Iterator[bytes]:
    with source:
        source.seek(begin)
        left = end - begin
        while left > 0 and (piece := source.read(min(BLOCK, left))):
            left -= len(piece)
            yield piece
