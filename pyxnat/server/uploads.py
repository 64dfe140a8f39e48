"""What changes resources and files: creation, uploads, deletion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, select
from werkzeug.exceptions import BadRequest, Conflict, Forbidden, NotAcceptable, NotFound
from werkzeug.formparser import MultiPartParser
from werkzeug.wrappers import Response

from . import archives, events
from .auth import rights
from .calls import Call, text
from .catalogues import divided
from .files import Staged, check_path, pieces_of
from .history import Event
from .holdings import SIDES, chosen, files_of, resources_at, split, uri_of
from .locate import Place, find, kind_of, need_on
from .routes import Route, Step
from .store import file, now, resource, touch
from .writer import Writer

__all__ = ['delete_files', 'delete_resource', 'put_files', 'put_resource', 'received', 'store_files']


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
        if resources_at(connection, place.row, Step(step.level, label)):
            raise Conflict(f'There is a resource {label} already.')
        row = _new_resource(call, connection, place.row, step, label)
        events.note(call, connection, place.row, events.CREATED_RESOURCE)
    if step.id is None:
        uri = uri_of(place, row)
        return Response(uri, mimetype='text/plain', headers={'Location': uri})
    return text()


def _check_resource_label(label: str) -> None:
    if label.isdigit():
        raise Forbidden('The label of a resource cannot be a number.')
    if not label or "'" in label or len(label) > 255 or any(ord(char) < 32 or char in '/\\' for char in label) or label in ('.', '..'):
        raise BadRequest(f'{label!r} cannot be the label of a resource.')


def _check_unlocked(place: Place) -> None:
    """`Forbidden` where an item on the way to a resource is locked."""
    locked = next((row for row in place.rows.values() if row.status == 'locked'), None)
    if locked is not None:
        raise Forbidden(f'{locked.id} is locked.')


def _new_resource(call: Call, connection: Connection, holder: Any, step: Step, label: str | None) -> Any:
    values = {name: call.get(name) or None for name in ('format', 'content', 'description', 'tags')}
    side = SIDES[step.level.plural]
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
        if step.id is not None and not resources_at(connection, place.row, step):
            _check_resource_label(step.id)
    staged: list[tuple[str, Staged]] = []
    try:
        path = (last.id if last else None) or ''
        for one in _referenced(call, path) if call.has('reference') else received(call, path):
            staged.append(one)  # one by one: what came before a failure is discarded too
        if not staged:
            raise BadRequest('The request holds no file.')
        duplicates = store_files(call, steps, step, staged)
        if call.has('reference') and call.flag('delete') and not duplicates:
            _remove_sources(call)
    finally:
        call.archive.files.discard(one for _, one in staged)
    if duplicates:
        return text(json.dumps({'duplicates': duplicates}), mimetype='text/html')
    return text()


def _sources(call: Call) -> Iterator[Path]:
    """The files and folders on the server that ``reference`` names: what lies in the archive's inbox, for administrators."""
    if not call.caller.admin:
        raise Forbidden('Only administrators take in files that lie on the server.')
    inbox = call.archive.files.inbox.resolve()
    for name in call.get('reference').split(','):
        path = Path(name).resolve()
        if inbox not in path.parents:
            raise Forbidden(f'{name} is not in the inbox of the archive, {inbox}.')
        if not path.exists():
            raise NotFound(f'Unable to find {name}.')
        yield path


def _referenced(call: Call, path: str) -> Iterator[tuple[str, Staged]]:
    """Files that lie on the server, staged; what is in a folder keeps its path there."""
    for source in _sources(call):
        found = [source] if source.is_file() else sorted(one for one in source.rglob('*') if one.is_file() and not one.is_symlink())
        for one in found:
            name = one.name if source.is_file() else one.relative_to(source).as_posix()
            target = path + name if not path or path.endswith('/') else path if source.is_file() else f'{path}/{name}'
            yield check_path(target), call.archive.files.stage(pieces_of(one))


def _remove_sources(call: Call) -> None:
    for source in _sources(call):
        if source.is_dir():
            shutil.rmtree(source)
        else:
            source.unlink()


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


def store_files(call: Call, steps: Sequence[Step], step: Step, staged: list[tuple[str, Staged]]) -> list[str]:
    """Place staged bodies and write their rows in one transaction; paths of those that were there already, unless ``overwrite=true``."""
    area = call.archive.files
    duplicates = []
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, steps, 'PUT', inside=True)
        need_on(connection, call.caller, place.row, 'edit')
        _check_unlocked(place)
        rows = resources_at(connection, place.row, step) if step.id else []
        if not step.id:
            rows = [row for row in resources_at(connection, place.row, step) if row.label is None]
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
            events.note(call, connection, place.row, events.UPLOADED_FILE)
        area.check_room(folder, fresh)  # for all of them, before the first is moved to its place
        for path, (one, known) in fresh.items():
            target = area.file_path(folder, path)
            if known is not None and call.archive.preferences.flag('maintainFileHistory'):
                area.keep(target)
            _write_row(call, connection, row, path, one, known, area.place(one, target))
    return duplicates


def _write_row(call: Call, connection: Connection, row: Any, path: str, staged: Staged, known: int | None, mtime_ns: int) -> None:
    digest = staged.digest if call.archive.preferences.flag('checksums') else ''
    values: dict[str, Any] = {'size': staged.size, 'digest': digest, 'mtime_ns': mtime_ns}
    told: dict[str, Any] = {name: call.get(name) for name in ('format', 'content', 'description') if call.has(name)}
    if call.has('tags'):
        words, named = divided(call.get('tags'))
        told.update(tags=','.join(words), meta=json.dumps(named, ensure_ascii=False) if named else None)
    if known is None:
        made = {'insert_date': now(), 'insert_user': call.caller.login}
        connection.execute(file.insert().values(resource=row.pk, path=path, **values, **told, **made))
    else:
        connection.execute(file.update().where(file.c.pk == known).values(**values, **told, modified_date=now()))


# -- deleting


def delete_resource(call: Call, route: Route) -> Response:
    """Delete a resource and its files; XNAT answers 200 also where the label is unknown."""
    steps, step, _ = split(route)
    with call.archive.store.write() as connection:
        place = find(connection, call.caller, steps, 'DELETE', inside=True)
        need_on(connection, call.caller, place.row, 'delete')
        _check_unlocked(place)
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        for row in resources_at(connection, place.row, step)[:1]:
            writer.delete_resource(row, place.row)
            events.note(call, connection, place.row, events.REMOVED_RESOURCE)
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
        for one in held[:1]:
            _check_unlocked(one.place)
        found = chosen(held, asked)
        if not found and call.flag('accept-not-found'):
            return text(status=204)
        if not found:
            steps, _, _ = split(route)
            need_on(connection, call.caller, find(connection, call.caller, steps, inside=True).row, 'delete')
            raise NotFound('No matched files.')
        for row in {one.place.row.pk: one.place.row for one in found}.values():
            touch(connection, row.pk)
            events.note(call, connection, row, events.REMOVED_FILE)
        for one in found:
            if call.archive.preferences.flag('maintainFileHistory'):
                call.archive.files.keep(one.path)
            connection.execute(file.delete().where(file.c.pk == one.file.pk))
            call.archive.store.later(connection, call.archive.files.relative(one.path), None)
    return text()
