"""Creation of resources, upload and deletion of files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from werkzeug.formparser import MultiPartParser
from werkzeug.wrappers import Response

from ...model.levels import level
from ..context import FILES, OwnFiles
from ..db.access import rights
from ..db.store import Connection, touch
from ..db.values import unless_null
from ..errors import (
    BadRequest,
    Conflict,
    Forbidden,
    InternalServerError,
    NotFound,
    PreconditionFailed,
)
from ..http.request import MAX_FORM, Call, named_fields, text
from ..http.responses import made_at
from ..http.router import answer_as
from ..items.find_files import files_of, resources_at, side_of, split
from ..items.history import Event
from ..items.holders import holder_of, need_project
from ..items.locate import Place, kind_of, need_on
from ..items.resources import (
    NewFile,
    add_resource,
    changes_statistics,
    delete_file,
    find_files,
    labelled_resources,
    mark_counted,
    put_on_side,
    write_file_rows,
)
from ..items.unpacking import unpack
from ..items.uris import ItemPath, Step
from ..items.writer import Writer
from ..jobs import change_feed
from ..storage.bundles import bundled
from ..storage.file_area import UNFETCHED, Staged, Unfetched, check_path, pieces_of

__all__ = [
    'delete_files',
    'delete_resource',
    'put_files',
    'put_resource',
    'received',
    'store_files',
]

_WINDOWS = re.compile(r'(?:[A-Za-z]:|\\)\\(?:.*\\)?', re.DOTALL)
"""Folder of a whole path on Windows, which old browsers send."""
MAX_PARTS = 10_000
"""Most parts of a form with files."""
MAX_LABEL = 99
"""Longest label of a resource. XNAT accepts 65 characters and refuses 100."""


# -- writing


def put_resource(call: Call, path: ItemPath) -> Response:
    """Create a resource: 200 if new, 409 if its label is taken.

    Assessors and reconstructions get it on the ``out`` side, whatever the path.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        Path of the resource.

    Raises
    ------
    BadRequest
        For a sub-path or an invalid label.
    Conflict
        If the label is taken.
    """
    steps, step, _ = split(path)
    if path.tail:
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
        row = row or _new_resource(
            call, connection, place.row, side_of(place.row, 'resources'), label
        )
        change_feed.note(call, connection, place.row, change_feed.CREATED_RESOURCE)
    return made_at(call, row.pk) if step.id is None else text()


def _nameless(connection: Connection, holder: Any) -> Any:
    """Return the only resource without label of a scan or reconstruction."""
    return (
        (labelled_resources(connection, holder, '') or [None])[0]
        if level(holder.level).is_part
        else None
    )


def _label(name: str) -> str:
    """Return the label for a new resource: the first of a list, if not ``NULL``."""
    first = re.split(r'\s*,\s*', name)[0]
    return unless_null(first) or ''


def _check_resource_label(label: str) -> None:
    if label.isdigit():
        raise NotFound(f'There is no resource {label}, and a number cannot be the label of one.')
    if (
        not label
        or len(label) > MAX_LABEL
        or any(ord(char) < 32 or char in '/\\' for char in label)
        or label in ('.', '..')
    ):
        raise BadRequest(f'{label!r} cannot be the label of a resource.')


def _check_unlocked(place: Place) -> None:
    """Raise `Forbidden` if an item above a resource is locked."""
    locked = next((row for row in place.rows.values() if row.status == 'locked'), None)
    if locked is not None:
        raise Forbidden(f'{locked.id} is locked.')


def _new_resource(
    call: Call, connection: Connection, holder: Any, side: str, label: str | None
) -> Any:
    values = {name: call.get(name) or None for name in ('format', 'content', 'description', 'tags')}
    return add_resource(connection, holder, side, label, call.caller.login, values)


def put_files(call: Call, path: ItemPath) -> Response:
    """Store the files of the body.

    Existing files are kept and listed in ``{"duplicates": [...]}``, with status 200, unless
    ``overwrite=true``. Without the edit right the status is 403; with the option `silent_refusals`
    of the archive it is 200 and nothing is stored, as in XNAT.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        Path of the resource or file.

    Raises
    ------
    BadRequest
        If the request has no file.
    Forbidden
        Without the right to edit the item.
    """
    own = _own_files(call)
    steps, step, last = split(_relabelled(path, own))
    with call.archive.store.read() as connection:  # refuse before the body is read
        place = holder_of(connection, call.caller, steps)
        if call.archive.silent_refusals and 'edit' not in rights(
            connection, call.caller, place.owner, kind_of(connection, place.row)
        ):
            return answer_as(None)  # without a type, unlike the response to a stored file
        need_on(connection, call.caller, place.row, 'edit')
        label = _label(step.id) if step.id is not None else ''
        rows = labelled_resources(connection, place.row, label) if label else []
        if label and not rows:
            _check_resource_label(label)
        if own is not None:  # now, and again in the transaction: taken files would be lost
            paths = [path for path, *_ in own.files]
            _check_unchanged(own, find_files(connection, rows[0].pk, paths) if rows else {})
    staged: list[tuple[str, Staged]] = []
    try:
        name = (last.id if last else None) or ''
        for one in _sent(call, name) if own is None else _taken(call, own):
            staged.append(
                one
            )  # one by one, so that after a failure the earlier ones are discarded, too
        if not staged and own is None:
            raise BadRequest('The request holds no file.')
        duplicates = store_files(call, steps, step, staged)
        if call.has('reference') and call.flag('delete') and not duplicates:
            _remove_sources(call)
    finally:
        call.archive.files.discard(one for _, one in staged)
    if duplicates:
        return text(
            json.dumps({'duplicates': duplicates}, separators=(',', ':')), mimetype='text/html'
        )
    return text()


def _own_files(call: Call) -> OwnFiles | None:
    """Return the files that the owner's program named, in its own process."""
    found: OwnFiles | None = call.request.environ.get(FILES)
    return found


def _check_unchanged(own: OwnFiles | None, there: Mapping[str, Any]) -> None:
    """Refuse to write over files that differ from those the owner's program compared."""
    for path, version in own.compared.items() if own is not None else ():
        row = there.get(path.rstrip('/'))
        if version != ('' if row is None else row.digest.lower() or str(row.size)):
            raise PreconditionFailed(f'Another program has changed {path}.')


def _relabelled(path: ItemPath, own: OwnFiles | None) -> ItemPath:
    """Return a path with the label of the resource that the owner's program named."""
    if own is None:
        return path
    steps = (step._replace(id=own.label) if step.level.is_resource else step for step in path.steps)
    return path._replace(steps=tuple(steps))


def _taken(call: Call, own: OwnFiles) -> Iterator[tuple[str, Staged]]:
    """Yield the paths and staged files of the owner's program."""
    for path, source, size, digest in own.files:
        staged = (
            Unfetched(call.archive.files.staging / 'unfetched', size, digest)
            if source is None
            else call.archive.files.take(source, size, digest)
        )
        yield check_path(path), staged


def _sent(call: Call, path: str) -> Iterator[tuple[str, Staged]]:
    _check_length(call)
    return _referenced(call, path) if call.has('reference') else received(call, path)


def _sources(call: Call) -> Iterator[Path]:
    """Yield the files and folders of ``reference``, which must be in the inbox.

    `Forbidden` for other folders, and for users who are not administrators.
    """
    if not call.caller.admin:
        raise Forbidden('Only administrators can import files from the server.')
    inbox = call.archive.files.inbox.resolve()
    for name in (call.get('reference'),):  # XNAT, too, takes a list for one name
        path = Path(name).resolve()
        if inbox not in path.parents:
            raise Forbidden(f'{name} is not in the inbox of the archive, {inbox}.')
        if not path.exists():
            raise NotFound(f'Unable to find {name}.')
        yield path


def _referenced(call: Call, path: str) -> Iterator[tuple[str, Staged]]:
    """Yield staged files of the server; those of a folder keep their paths."""
    for source in _sources(call):
        found = (
            [source]
            if source.is_file()
            else sorted(one for one in source.rglob('*') if one.is_file() and not one.is_symlink())
        )
        for one in found:
            name = one.name if source.is_file() else one.relative_to(source).as_posix()
            target = (
                path + name
                if not path or path.endswith('/')
                else path
                if source.is_file()
                else f'{path}/{name}'
            )
            yield check_path(target), call.archive.files.stage(pieces_of(one))


def _remove_sources(call: Call) -> None:
    for source in _sources(call):
        if source.is_dir():
            shutil.rmtree(source)
        else:
            source.unlink()


def received(call: Call, path: str, folder: bool = False) -> Iterator[tuple[str, Staged]]:
    """Yield the paths and staged files of a request.

    They are the parts of a form, the raw body, or the members of an archive that is to be
    extracted.

    Parameters
    ----------
    call : Call
        The request.
    path : str
        Path of the file. XNAT uses it as the name of every part, even if it ends in a slash.
    folder : bool
        Whether the names of parts are appended to the path.

    Raises
    ------
    BadRequest
        For an empty body or one that cannot be read.
    """
    area = call.archive.files
    if call.mimetype == 'multipart/form-data':
        if call.flag('inbody'):
            raise BadRequest('A multipart body cannot be sent with inbody=true.')
        parts = _multipart(call, path, folder)
    elif call.has_body:
        parts = iter(
            [(check_path(path) if not call.flag('extract') else path, area.stage(call.pieces()))]
        )
    else:
        raise BadRequest('You tried to send a file, but there is none: the body is empty.')
    for name, staged in parts:
        if not call.flag('extract'):
            yield name, staged
            continue
        try:
            yield from unpack(area, staged)
        finally:
            area.discard([staged])


def _check_length(call: Call) -> None:
    """Refuse a body of unknown length unless it is a zip or form."""
    is_known = not call.has_body or call.request.environ.get('CONTENT_LENGTH')
    if (
        call.flag('inbody')
        and not is_known
        and call.mimetype not in ('application/zip', 'multipart/form-data')
    ):
        raise InternalServerError(
            'A file in the body needs a Content-Length; its size is not known.'
        )


def _multipart(call: Call, path: str, folder: bool) -> Iterator[tuple[str, Staged]]:
    """Yield the files of a form, each written to staging on arrival.

    The name of a part is used if the URI has none.
    """
    area = call.archive.files
    made: list[IO[bytes]] = []

    def stream(*_args: Any, **_more: Any) -> IO[bytes]:
        made.append(area.staging_file())
        return made[-1]

    boundary = call.request.mimetype_params.get('boundary', '').encode('ascii', 'replace')
    try:
        fields, parts = MultiPartParser(
            stream_factory=stream,
            buffer_size=2**18,
            max_form_memory_size=MAX_FORM,
            max_form_parts=MAX_PARTS,
        ).parse(call.stream, boundary, call.request.content_length)
        call.query += named_fields(fields)  # fields of the form count like the query
        for _, part in parts.items(multi=True):
            if 'filename*=' in part.headers.get('Content-Disposition', ''):
                continue  # XNAT sees no name in such a part
            name = _WINDOWS.sub('', part.filename or '').rpartition('/')[2]
            yield (
                check_path(path + name if not path or (folder and path.endswith('/')) else path),
                area.adopt(part.stream),
            )
    except ValueError as error:
        raise BadRequest(f'The form cannot be read: {error}') from error
    finally:
        area.drop(made)


def store_files(
    call: Call, steps: Sequence[Step], step: Step, staged: list[tuple[str, Staged]]
) -> list[str]:
    """Store staged files and their rows in one transaction.

    Parameters
    ----------
    call : Call
        The request.
    steps : Sequence[Step]
        Levels of the item.
    step : Step
        Level of the resource.
    staged : list[tuple[str, Staged]]
        Paths and staged files.

    Returns
    -------
    list[str]
        The paths of existing files, which are kept unless ``overwrite=true``.
    """
    area, own = call.archive.files, _own_files(call)
    duplicates = []
    given = _columns(call)
    with bundled(area, staged) as bundle, call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_on(connection, call.caller, place.row, 'edit')
        _check_unlocked(place)
        row = _resource_for(call, connection, place.row, step)
        if own is not None:  # XNAT finds it by its label, on any side
            row = put_on_side(connection, row, side_of(place.row, step.level.plural))
        folder = area.resource_folder(connection, row, place.row)
        fresh: dict[str, tuple[Staged, int | None]] = {}
        there = find_files(connection, row.pk, [path for path, _ in staged])
        _check_unchanged(own, there)
        for path, one in staged:
            if path == f'{row.label}_catalog.xml':
                raise BadRequest(
                    f'XNAT cannot catalog {path}: it keeps its own catalogue under that name.'
                )
            before = there.get(path.rstrip('/'))
            known = None if before is None else before.pk
            is_there = known is not None or (
                path.endswith('/') and area.file_path(folder, path).is_dir()
            )
            if own is not None and before is not None:
                area.rescue(area.file_path(folder, path), before.size)
            if path in fresh or (is_there and not (call.flag('overwrite') and known is not None)):
                duplicates.append(path)
                continue
            fresh[path] = (one, known)
        if fresh:
            if changes_statistics(connection, fresh):
                touch(connection, place.row.pk)
            mark_counted(connection, row.pk)
            change_feed.note(call, connection, place.row, change_feed.UPLOADED_FILE)
        if bundle is not None and bundle.fits(fresh, folder):
            times = bundle.place(folder)
        else:
            times = _place(call, connection, folder, fresh)
        files = [
            NewFile(path, known, {**_facts(call, one), 'mtime_ns': times[path], **given})
            for path, (one, known) in fresh.items()
        ]
        write_file_rows(connection, row.pk, call.caller.login, files)
    return duplicates


def _place(
    call: Call, connection: Connection, folder: Path, fresh: Mapping[str, tuple[Staged, int | None]]
) -> dict[str, int]:
    """Move staged files to their places one by one.

    Return their times of modification.
    """
    area = call.archive.files
    area.check_room(folder, fresh)  # for all files, before the first is moved
    keeps = call.archive.preferences.flag('maintainFileHistory')
    times = {}
    for path, (one, known) in fresh.items():
        target = area.file_path(folder, path)
        if known is not None and keeps:
            area.keep(target)
        if isinstance(one, Unfetched):
            call.archive.store.later(connection, area.relative(target), None)
            times[path] = UNFETCHED
        else:
            times[path] = area.place(one, target)
    return times


def _resource_for(call: Call, connection: Connection, holder: Any, step: Step) -> Any:
    """Return the resource of an upload; create it if missing."""
    if step.id is None:
        rows = [row for row in resources_at(connection, holder, step) if row.label is None]
    else:
        rows = labelled_resources(connection, holder, _label(step.id))
    label = (_label(step.id) if step.id is not None else '') or None
    return (
        rows[0]
        if rows
        else _new_resource(call, connection, holder, side_of(holder, step.level.plural), label)
    )


def _columns(call: Call) -> dict[str, str]:
    """Return the columns that the request sets for all its files."""
    return {
        name: call.get(name)
        for name in ('format', 'content', 'description', 'tags')
        if call.has(name)
    }


def _facts(call: Call, staged: Staged) -> dict[str, Any]:
    digest = staged.digest if call.archive.preferences.flag('checksums') else ''
    return {'size': staged.size, 'digest': digest}


# -- deleting


def delete_resource(call: Call, path: ItemPath) -> Response:
    """Delete a resource and its files.

    The status is 200 also for an unknown label, as in XNAT.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        Path of the resource.
    """
    steps, step, _ = split(path)
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_on(connection, call.caller, place.row, 'delete')
        _check_unlocked(place)
        writer = Writer(call.archive, connection, call.caller, Event.of(call))
        for row in resources_at(connection, place.row, step):
            writer.delete_resource(row, place.row)
            change_feed.note(call, connection, place.row, change_feed.REMOVED_RESOURCE)
    return text()


def delete_files(call: Call, path: ItemPath) -> Response:
    """Delete all files whose path begins with that of the request.

    A folder is deleted with its contents, and ``a.txt`` also deletes ``a.txt.bak``: XNAT compares
    only the beginning, with or without a trailing ``*``. The delete right is required, which
    members do not have.

    Parameters
    ----------
    call : Call
        The request.
    path : ItemPath
        Path of the files.

    Raises
    ------
    NotFound
        If there is none, unless ``accept-not-found=true`` (204).
    """
    own = _own_files(call)
    path = _relabelled(path, own)
    asked = path.last.id
    steps, step, _ = split(path)
    if own is None and (asked is None or step.id is None):
        raise BadRequest('Name the resource and the file to delete.')
    with call.archive.store.write() as connection:
        place = holder_of(connection, call.caller, steps)
        need_project(place)
        need_on(connection, call.caller, place.row, 'delete')
        _check_unlocked(place)
        held = files_of(call, connection, path)
        found = [one for one in held if _is_named(one.file.path, asked or '', own)]
        _check_unchanged(own, {one.file.path.rstrip('/'): one.file for one in found})
        if not found and call.flag('accept-not-found'):
            return text(status=204)
        if not found:
            raise NotFound('No matched files')
        touch(connection, place.row.pk)
        change_feed.note(call, connection, place.row, change_feed.REMOVED_FILE)
        for one in found:
            if own is not None:
                call.archive.files.rescue(one.path, one.file.size)
            if call.archive.preferences.flag('maintainFileHistory'):
                call.archive.files.keep(one.path)
            delete_file(connection, one.file.pk)
            call.archive.store.later(connection, call.archive.files.relative(one.path), None)
    return text()


def _is_named(path: str, asked: str, own: OwnFiles | None) -> bool:
    """Whether a deletion names a file.

    By the beginning of its path, or exactly in the owner's program.
    """
    if own is None:
        return path.startswith(asked.removesuffix('*'))
    return any(path == name for name, *_ in own.files)
