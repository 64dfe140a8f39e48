"""Resources and files: listings, upload, download, deletion."""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from lxml import etree
from sqlalchemy import Connection, func, select
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, NotAcceptable, NotFound
from werkzeug.formparser import MultiPartParser
from werkzeug.http import http_date, parse_date
from werkzeug.wrappers import Response

from ..documents import write_xml
from ..structure import level
from . import archives
from .auth import rights
from .calls import Call, text
from .files import Staged, check_path
from .history import Event
from .locate import Place, find, find_many, kind_of, need_on
from .represent import CAT
from .routes import Route, Step
from .store import file, now, resource, touch
from .tables import Table
from .writer import Writer

__all__ = [
    'Held',
    'delete_files',
    'delete_resource',
    'download',
    'files_of',
    'get_resource',
    'put_files',
    'put_resource',
    'received',
    'resource_table',
    'uri_of',
]

RESOURCE_COLUMNS = level('resources').columns
FILE_COLUMNS = level('files').columns
BLOCK = 2**20
"""Bytes read from a file at once when it is sent."""
_TYPES = {
    'bmp': 'image/bmp', 'gif': 'image/gif', 'html': 'text/html', 'jpg': 'image/jpeg', 'jpeg': 'image/jpeg', 'pdf': 'application/pdf',
    'png': 'image/png', 'svg': 'image/svg+xml', 'tiff': 'image/tiff', 'txt': 'text/plain', 'xml': 'text/xml',
}  # fmt: skip
_FORCED = frozenset({'html', 'xml', 'svg'})
_SIDES = {'resources': '', 'in_resources': 'in', 'out_resources': 'out'}
_CATEGORY = {'scan': 'scans', 'reconstruction': 'reconstructions', 'assessor': 'assessors'}


@dataclass
class Held:
    """A file, the resource it is in and the item that holds it."""

    file: Any
    resource: Any
    place: Place
    path: Path


# -- finding


def split(route: Route) -> tuple[Sequence[Step], Step, Step | None]:
    """The steps of the holder, the resource's step and, on a route of files, theirs."""
    steps = route.steps
    if steps[-1].level.plural == 'files':
        return steps[:-2], steps[-2], steps[-1]
    return steps[:-1], steps[-1], None


def _resources(connection: Connection, holder: Any, step: Step, every_side: bool = False) -> list[Any]:
    """Resources of an item on the side of a step, all or those it names by label or number."""
    query = select(resource).where(resource.c.item == holder.pk).order_by(resource.c.pk)
    side = _SIDES[step.level.plural]
    if not (every_side and side == ''):
        query = query.where(resource.c.side == side)
    rows = list(connection.execute(query))
    if step.id is None:
        return rows
    names = [step.id] if any(row.label == step.id for row in rows) else step.id.split(',')
    return [row for row in rows if row.label in names or str(row.pk) in names]


def uri_of(place: Place, row: Any) -> str:
    """The URI of a resource in the scope its item was asked in, with IDs and the resource's number, as XNAT answers it."""
    rows, parts = place.rows, ['/data']
    if place.project:
        parts += ['projects', quote(place.project, safe='')]
    for name in ('subject', 'experiment', 'scan', 'reconstruction', 'assessor'):
        if name in rows:
            parts += [f'{name}s', quote(rows[name].id, safe='')]
    return '/'.join([*parts, *([row.side] if row.side else []), 'resources', str(row.pk)])


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
            found = _resources(connection, one.row, step, every_side=one is not place)
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


def files_of(call: Call, connection: Connection, route: Route, *, find_places: Any = find_many) -> list[Held]:
    """The files that a route names, after the filters of the query."""
    steps, step, _ = split(route)
    found: list[Held] = []
    named = False
    for place in find_places(connection, call.caller, steps):
        for row in _resources(connection, place.row, step, every_side=True):
            named = True
            folder = call.archive.files.resource_folder(connection, row, place.row)
            query = select(file).where(file.c.resource == row.pk).order_by(file.c.path)
            found += [Held(one, row, place, call.archive.files.file_path(folder, one.path)) for one in connection.execute(query)]
    if step.id is not None and not named:
        raise NotFound(f'Unable to find the specified resource: {step.id}')
    return [one for one in found if _wanted(call, one)]


def _wanted(call: Call, held: Held) -> bool:
    """The filters file_content and file_format; ``NULL`` is a file without content, but no file is without format to it."""
    contents, formats = call.all('file_content'), call.all('file_format')
    content = held.file.content
    return (not contents or content in contents or (not content and 'NULL' in contents)) and (not formats or held.file.format in formats)


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
    return f'{uri_of(held.place, held.resource)}/files/{quote(held.file.path)}'


# -- reading


def download(call: Call, connection: Connection, route: Route) -> Response | Table:
    """A file's bytes, an archive of several, or their table."""
    asked = route.last.id
    held = files_of(call, connection, route)
    if asked is not None:
        found = _select(held, asked)
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
    if _is_archive(call):
        if not held:
            raise NotFound('Unable to find any files.')
        return archives.send(call, held)
    return file_table(call, held)


def _is_archive(call: Call) -> bool:
    return call.get('format').lower() in archives.FORMATS


def _select(held: list[Held], asked: str) -> list[Held]:
    """Files by path; else below a folder with a trailing ``/``; by pattern with a trailing ``*``."""
    exact = [one for one in held if one.file.path == asked]
    if exact:
        return exact
    if asked.endswith('/'):
        return [one for one in held if one.file.path.startswith(asked)]
    if asked.endswith('*'):
        return [one for one in held if fnmatch.fnmatchcase(one.file.path, asked)]
    return []


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


def get_resource(call: Call, connection: Connection, route: Route) -> Response:
    """The catalogue of a resource as XML."""
    steps, step, _ = split(route)
    place = find(connection, call.caller, steps, inside=True)
    row = _only(connection, place, step)
    root = etree.Element(f'{{{CAT}}}Catalog', nsmap={'cat': CAT}, ID=row.label or str(row.pk))
    entries = etree.SubElement(root, f'{{{CAT}}}entries')
    for one in connection.execute(select(file).where(file.c.resource == row.pk).order_by(file.c.path)):
        values = {'URI': one.path, 'ID': one.path, 'name': one.path.rpartition('/')[2], 'cachePath': one.path, 'format': one.format,
                  'content': one.content, 'description': one.description, 'createdBy': one.insert_user, 'createdTime': one.insert_date,
                  'digest': one.digest}  # fmt: skip
        entry = etree.SubElement(entries, f'{{{CAT}}}entry', {name: value for name, value in values.items() if value})
        meta = etree.SubElement(entry, f'{{{CAT}}}metaFields')
        for name, value in (('RELATIVE_PATH', one.path), ('SIZE', str(one.size))):
            etree.SubElement(meta, f'{{{CAT}}}metaField', name=name).text = value
    return Response(write_xml(root), mimetype='text/xml')


def _only(connection: Connection, place: Place, step: Step) -> Any:
    rows = _resources(connection, place.row, step)
    if not rows:
        raise NotFound(f'Unable to find the specified resource: {step.id}')
    return rows[0]


# -- writing


def put_resource(call: Call, route: Route) -> Response:
    """Create a resource: 200 when new, 409 when its label is taken."""
    steps, step, _ = split(route)
    if route.tail:
        raise BadRequest('A resource has no sub-path but files.')
    label = step.id or call.get('label')
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, steps, 'PUT', inside=True)
        need_on(connection, call.caller, place.row, 'edit')
        _check_resource_label(label)
        if _resources(connection, place.row, Step(step.level, label)):
            raise Conflict(f'There is a resource {label} already.')
        row = _new_resource(call, connection, place.row, step, label)
    if step.id is None:
        uri = uri_of(place, row)
        return Response(uri, mimetype='text/plain', headers={'Location': uri})
    return text()


def _check_resource_label(label: str) -> None:
    if label.isdigit():
        raise Forbidden('The label of a resource cannot be a number.')
    if not label or "'" in label or len(label) > 255 or any(ord(char) < 32 or char in '/\\' for char in label) or label in ('.', '..'):
        raise BadRequest(f'{label!r} cannot be the label of a resource.')


def _new_resource(call: Call, connection: Connection, holder: Any, step: Step, label: str | None) -> Any:
    values = {name: call.get(name) or None for name in ('format', 'content', 'description', 'tags')}
    side = _SIDES[step.level.plural]
    query = resource.insert().values(item=holder.pk, side=side, label=label, insert_date=now(), insert_user=call.caller.login, **values)
    touch(connection, holder.pk)
    return connection.execute(query.returning(resource)).one()


def put_files(call: Call, route: Route) -> Response:
    """Store the body's files. One that is there already is left alone and named in ``{"duplicates": [...]}``, with status 200.

    XNAT answers 200 and stores nothing to a caller without edit right; here that is a 403 unless the archive was opened to do as XNAT does.
    """
    steps, step, last = split(route)
    with call.archive.store.read() as connection:  # before the body is read: what is refused need not be sent
        place = find(connection, call.caller, steps, 'PUT', inside=True)
        if call.archive.silent_refusals and 'edit' not in rights(connection, call.caller, place.owner, kind_of(connection, place.row)):
            return text()
        need_on(connection, call.caller, place.row, 'edit')
        if step.id is not None and not _resources(connection, place.row, step):
            _check_resource_label(step.id)
    staged: list[tuple[str, Staged]] = []
    try:
        for one in received(call, (last.id if last else None) or ''):
            staged.append(one)  # one by one: what came before a failure is discarded too
        if not staged:
            raise BadRequest('The request holds no file.')
        duplicates = _store(call, steps, step, staged)
    finally:
        call.archive.files.discard(one for _, one in staged)
    if duplicates:
        return text(json.dumps({'duplicates': duplicates}), mimetype='text/html')
    return text()


def received(call: Call, path: str) -> Iterator[tuple[str, Staged]]:
    """Paths and staged bodies of a request: parts of a form, a raw body, or what is in an archive that is to be unpacked."""
    area = call.archive.files
    multipart = call.mimetype == 'multipart/form-data'
    if multipart and call.flag('inbody'):
        raise NotAcceptable('A multipart body is not a file in the body.')
    if multipart:
        parts = _multipart(call, path)
    elif call.has_body:
        parts = iter([(check_path(path) if not call.flag('extract') else path, area.stage(call.pieces()))])
    else:
        raise BadRequest('The request holds no file.')
    for name, staged in parts:
        if not call.flag('extract'):
            yield name, staged
            continue
        try:
            yield from archives.unpack(area, staged, name if path == '' else path)
        finally:
            area.discard([staged])


def _multipart(call: Call, path: str) -> Iterator[tuple[str, Staged]]:
    """The files of a form, each written to staging as it comes; a part's own name counts where the URI has none."""
    area = call.archive.files
    made: list[IO[bytes]] = []

    def stream(*_args: Any, **_more: Any) -> IO[bytes]:
        made.append(area.staging_file())
        return made[-1]

    boundary = call.request.mimetype_params.get('boundary', '').encode('ascii', 'replace')
    try:
        told, parts = MultiPartParser(stream_factory=stream, buffer_size=2**18).parse(call.stream, boundary, call.request.content_length)
        call.query += list(told.items(multi=True))  # fields beside the files count like the query
        for _, part in parts.items(multi=True):
            name = (part.filename or '').replace('\\', '/').rpartition('/')[2]
            yield check_path(path + name if not path or path.endswith('/') else path), area.adopt(part.stream)
    except ValueError as error:
        raise BadRequest(f'The form cannot be read: {error}') from error
    finally:
        area.drop(made)


def _store(call: Call, steps: Sequence[Step], step: Step, staged: list[tuple[str, Staged]]) -> list[str]:
    """Place staged bodies and write their rows in one transaction; paths of those that were there already."""
    area = call.archive.files
    duplicates = []
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, steps, 'PUT', inside=True)
        need_on(connection, call.caller, place.row, 'edit')
        rows = _resources(connection, place.row, step) if step.id else []
        if not step.id:
            rows = [row for row in _resources(connection, place.row, step) if row.label is None]
        row = rows[0] if rows else _new_resource(call, connection, place.row, step, step.id)
        folder = area.resource_folder(connection, row, place.row)
        fresh: dict[str, tuple[Staged, int | None]] = {}
        for path, one in staged:
            known = connection.scalar(select(file.c.pk).where(file.c.resource == row.pk, file.c.path == path))
            if path in fresh or (known is not None and not call.flag('overwrite')):
                duplicates.append(path)
                continue
            fresh[path] = (one, known)
        if fresh:
            touch(connection, place.row.pk)
        area.check_room(folder, fresh)  # for all of them, before the first is moved to its place
        for path, (one, known) in fresh.items():
            _write_row(call, connection, row, path, one, known, area.place(one, area.file_path(folder, path)))
    return duplicates


def _write_row(call: Call, connection: Connection, row: Any, path: str, staged: Staged, known: int | None, mtime_ns: int) -> None:
    values = {'size': staged.size, 'digest': staged.digest, 'mtime_ns': mtime_ns, 'insert_date': now(), 'insert_user': call.caller.login}
    told = {name: call.get(name) for name in ('format', 'content', 'description', 'tags') if call.has(name)}
    if known is None:
        connection.execute(file.insert().values(resource=row.pk, path=path, **values, **told))
    else:
        connection.execute(file.update().where(file.c.pk == known).values(**values, **told))


# -- deleting


def delete_resource(call: Call, route: Route) -> Response:
    """Delete a resource and its files; XNAT answers 200 also where the label is unknown."""
    steps, step, _ = split(route)
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, steps, 'DELETE', inside=True)
        need_on(connection, call.caller, place.row, 'delete')
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        for row in _resources(connection, place.row, step)[:1]:
            writer.delete_resource(row, place.row)
    return text()


def delete_files(call: Call, route: Route) -> Response:
    """Delete files by path, folder or pattern; the delete right is needed, which members have not."""
    asked = route.last.id
    if asked is None or split(route)[1].id is None:
        raise BadRequest('Name the resource and the file to delete.')
    with call.archive.store.write() as connection:
        held = files_of(call, connection, route)
        for row in {one.place.row.pk: one.place.row for one in held}.values():
            need_on(connection, call.caller, row, 'delete')
        found = _select(held, asked)
        if not found and call.flag('accept-not-found'):
            return text(status=204)
        if not found:
            steps, _, _ = split(route)
            need_on(connection, call.caller, find(connection, call.caller, steps, inside=True).row, 'delete')
            raise NotFound('No matched files.')
        for pk in {one.place.row.pk for one in found}:
            touch(connection, pk)
        for one in found:
            connection.execute(file.delete().where(file.c.pk == one.file.pk))
            call.archive.store.later(connection, call.archive.files.relative(one.path), None)
    return text()
