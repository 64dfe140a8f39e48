"""What changes resources and files: creation, uploads, deletion."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from werkzeug.formparser import MultiPartParser
from werkzeug.wrappers import Response

from ..db.access import rights
from ..db.store import Connection, touch
from ..db.values import unless_null
from ..errors import BadRequest, Conflict, Forbidden, InternalServerError, NotFound
from ..http.request import Call, text
from ..http.responses import made_at
from ..items import zip_tar
from ..items.find_files import files_of, resources_at, side_of, split
from ..items.history import Event
from ..items.holders import holder_of, need_project
from ..items.locate import Place, kind_of, need_on
from ..items.resources import (
    add_resource,
    changes_statistics,
    delete_file,
    find_file,
    labelled_resources,
    mark_counted,
    put_file,
)
from ..items.uris import ItemPath, Step
from ..items.writer import Writer
from ..jobs import change_feed
from ..storage.file_area import Staged, check_path, pieces_of

__all__ = ['delete_files', 'delete_resource', 'put_files', 'put_resource', 'received', 'store_files']

MAX_LABEL = 99
"""Characters of the label of a resource: 65 are known to be taken, 100 to be refused."""


# -- writing


def put_resource(call: Call, route: ItemPath) -> Response:
    """Create a resource: 200 when new, 409 when its label is taken. Of an assessor or reconstruction, on the ``out`` side, whatever the path."""
    steps, step, _ = split(route)
    if route.tail:
        raise BadRequest('A resource has no sub-path but files.')
    label = (_label(step.id) if step.id is not None else '') or None
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_on(connection, call.caller, place.row, 'edit')
        if label is not None:
            _check_resource_label(label)
            if labelled_resources(connection, place.row, label):
                raise Conflict('Specified resource already exists.')
        row = _nameless(connection, place.row) if label is None else None
        row = row or _new_resource(call, connection, place.row, side_of(place.row, 'resources'), label)
        change_feed.note(call, connection, place.row, change_feed.CREATED_RESOURCE)
    return made_at(call, row.pk) if step.id is None else text()


def _nameless(connection: Connection, holder: Any) -> Any:
    """The resource without label of a scan or reconstruction, which has at most one."""
    return (labelled_resources(connection, holder, '') or [None])[0] if holder.level in ('scan', 'reconstruction') else None


def _label(name: str) -> str:
    """The label that a resource gets: the first of a list; ``NULL`` is none."""
    first = re.split(r'\s*,\s*', name)[0]
    return unless_null(first) or ''


def _check_resource_label(label: str) -> None:
    if label.isdigit():
        raise NotFound(f'There is no resource {label}, and a number cannot be the label of one.')
    if not label or len(label) > MAX_LABEL or any(ord(char) < 32 or char in '/\\' for char in label) or label in ('.', '..'):
        raise BadRequest(f'{label!r} cannot be the label of a resource.')


def _check_unlocked(place: Place) -> None:
    """`Forbidden` where an item on the way to a resource is locked."""
    locked = next((row for row in place.rows.values() if row.status == 'locked'), None)
    if locked is not None:
        raise Forbidden(f'{locked.id} is locked.')


def _new_resource(call: Call, connection: Connection, holder: Any, side: str, label: str | None) -> Any:
    values = {name: call.get(name) or None for name in ('format', 'content', 'description', 'tags')}
    return add_resource(connection, holder, side, label, call.caller.login, values)


def put_files(call: Call, route: ItemPath) -> Response:
    """Store the body's files. One that is there already is left alone and named in ``{"duplicates": [...]}``, with status 200.

    XNAT answers 200 and stores nothing to a caller without edit right; here that is a 403 unless the archive was opened to do as XNAT does.
    """
    steps, step, last = split(route)
    with call.archive.store.read() as connection:  # before the body is read: what is refused need not be sent
        place = holder_of(connection, call.caller, steps)
        if call.archive.silent_refusals and 'edit' not in rights(connection, call.caller, place.owner, kind_of(connection, place.row)):
            return text()
        need_on(connection, call.caller, place.row, 'edit')
        label = _label(step.id) if step.id is not None else ''
        if label and not labelled_resources(connection, place.row, label):
            _check_resource_label(label)
    staged: list[tuple[str, Staged]] = []
    try:
        path = (last.id if last else None) or ''
        _check_length(call)
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
        return text(json.dumps({'duplicates': duplicates}, separators=(',', ':')), mimetype='text/html')
    return text()


def _sources(call: Call) -> Iterator[Path]:
    """The files and folders on the server that ``reference`` names: what lies in the archive's inbox, for administrators."""
    if not call.caller.admin:
        raise Forbidden('Only administrators take in files that lie on the server.')
    inbox = call.archive.files.inbox.resolve()
    for name in (call.get('reference'),):  # a list is one name to XNAT, too
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


def received(call: Call, path: str, folder: bool = False) -> Iterator[tuple[str, Staged]]:
    """Paths and staged bodies of a request: parts of a form, a raw body, or what is in an archive that is to be unpacked.

    With `folder` the names of parts come behind the path; XNAT takes a path in the archive for the name of every part, even where it ends
    in a slash.
    """
    area = call.archive.files
    if call.mimetype == 'multipart/form-data':
        if call.flag('inbody'):
            raise BadRequest('A multipart body is not a file in the body.')
        parts = _multipart(call, path, folder)
    elif call.has_body:
        parts = iter([(check_path(path) if not call.flag('extract') else path, area.stage(call.pieces()))])
    else:
        raise BadRequest('You tried to send a file, but there is none: the body is empty.')
    for name, staged in parts:
        if not call.flag('extract'):
            yield name, staged
            continue
        try:
            yield from zip_tar.unpack(area, staged)
        finally:
            area.discard([staged])


def _check_length(call: Call) -> None:
    """A body of unknown length is taken only for a zip."""
    is_known = not call.has_body or call.request.environ.get('CONTENT_LENGTH')
    if call.flag('inbody') and not is_known and call.mimetype not in ('application/zip', 'multipart/form-data'):
        raise InternalServerError('A file in the body needs a Content-Length; its size is not known.')


def _multipart(call: Call, path: str, folder: bool) -> Iterator[tuple[str, Staged]]:
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
            if 'filename*=' in part.headers.get('Content-Disposition', ''):
                continue  # such a part has no name for XNAT
            name = (part.filename or '').replace('\\', '/').rpartition('/')[2]
            yield check_path(path + name if not path or (folder and path.endswith('/')) else path), area.adopt(part.stream)
    except ValueError as error:
        raise BadRequest(f'The form cannot be read: {error}') from error
    finally:
        area.drop(made)


def store_files(call: Call, steps: Sequence[Step], step: Step, staged: list[tuple[str, Staged]]) -> list[str]:
    """Place staged bodies and write their rows in one transaction; paths of those that were there already, unless ``overwrite=true``."""
    area = call.archive.files
    duplicates = []
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_on(connection, call.caller, place.row, 'edit')
        _check_unlocked(place)
        row = _resource_for(call, connection, place.row, step)
        folder = area.resource_folder(connection, row, place.row)
        fresh: dict[str, tuple[Staged, int | None]] = {}
        for path, one in staged:
            _check_name(row, path)
            known = find_file(connection, row.pk, (path, f'{path}/', path.rstrip('/')))
            is_there = known is not None or (path.endswith('/') and area.file_path(folder, path).is_dir())
            if path in fresh or (is_there and not (call.flag('overwrite') and known is not None)):
                duplicates.append(path)
                continue
            fresh[path] = (one, known)
        if fresh:
            if changes_statistics(connection, fresh):
                touch(connection, place.row.pk)
            mark_counted(connection, row.pk)
            change_feed.note(call, connection, place.row, change_feed.UPLOADED_FILE)
        area.check_room(folder, fresh)  # for all of them, before the first is moved to its place
        for path, (one, known) in fresh.items():
            target = area.file_path(folder, path)
            if known is not None and call.archive.preferences.flag('maintainFileHistory'):
                area.keep(target)
            _write_row(call, connection, row, path, one, known, area.place(one, target))
    return duplicates


def _resource_for(call: Call, connection: Connection, holder: Any, step: Step) -> Any:
    """The resource that an upload goes to, made where it is not there."""
    if step.id is None:
        rows = [row for row in resources_at(connection, holder, step) if row.label is None]
    else:
        rows = labelled_resources(connection, holder, _label(step.id))
    label = (_label(step.id) if step.id is not None else '') or None
    return rows[0] if rows else _new_resource(call, connection, holder, side_of(holder, step.level.plural), label)


def _check_name(row: Any, path: str) -> None:
    if path == f'{row.label}_catalog.xml':
        raise BadRequest(f'XNAT cannot catalog {path}: it keeps its own catalogue under that name.')


def _write_row(call: Call, connection: Connection, row: Any, path: str, staged: Staged, known: int | None, mtime_ns: int) -> None:
    digest = staged.digest if call.archive.preferences.flag('checksums') else ''
    values: dict[str, Any] = {'size': staged.size, 'digest': digest, 'mtime_ns': mtime_ns}
    values |= {name: call.get(name) for name in ('format', 'content', 'description', 'tags') if call.has(name)}
    put_file(connection, row.pk, path, known, call.caller.login, values)


# -- deleting


def delete_resource(call: Call, route: ItemPath) -> Response:
    """Delete a resource and its files; XNAT answers 200 also where the label is unknown."""
    steps, step, _ = split(route)
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_on(connection, call.caller, place.row, 'delete')
        _check_unlocked(place)
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        for row in resources_at(connection, place.row, step):
            writer.delete_resource(row, place.row)
            change_feed.note(call, connection, place.row, change_feed.REMOVED_RESOURCE)
    return text()


def delete_files(call: Call, route: ItemPath) -> Response:
    """Delete all files whose path begins as was asked, or with a trailing ``*``; the delete right is needed, which members have not.

    So a folder goes with all that is in it, and ``a.txt`` takes ``a.txt.bak`` along: XNAT compares no more than that.
    """
    asked = route.last.id
    steps, step, _ = split(route)
    if asked is None or step.id is None:
        raise BadRequest('Name the resource and the file to delete.')
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_project(place)
        need_on(connection, call.caller, place.row, 'delete')
        _check_unlocked(place)
        held = files_of(call, connection, route)
        found = [one for one in held if one.file.path.startswith(asked.removesuffix('*'))]
        if not found and call.flag('accept-not-found'):
            return text(status=204)
        if not found:
            raise NotFound('No matched files')
        touch(connection, place.row.pk)
        change_feed.note(call, connection, place.row, change_feed.REMOVED_FILE)
        for one in found:
            if call.archive.preferences.flag('maintainFileHistory'):
                call.archive.files.keep(one.path)
            delete_file(connection, one.file.pk)
            call.archive.store.later(connection, call.archive.files.relative(one.path), None)
    return text()
