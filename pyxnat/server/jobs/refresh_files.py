"""Refresh of resources: update rows to match the files on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ...model.levels import level, listed_levels
from ..context import Context
from ..db.guards import Guard, record
from ..db.rows import file_rows, resources_of
from ..db.store import file, item, now, resource, touch
from ..errors import BadRequest
from ..items.find_files import resources_at, split
from ..items.locate import find, need_on
from ..items.uris import ItemPath, archived_parts, parse
from ..storage.file_area import UNFETCHED, check_path, md5_of
from . import change_feed

__all__ = ['OPTIONS', 'refresh']

OPTIONS = ('append', 'checksum', 'delete', 'populateStats')


class _Seen(NamedTuple):
    """File on disk."""

    size: int
    mtime_ns: int
    digest: str


class _Kept(NamedTuple):
    """Resource and the folder of its files."""

    row: Any
    holder: Any
    folder: Path


def refresh(context: Context, uris: Iterable[str], asked: Iterable[str] = OPTIONS) -> None:
    """Update the rows of resources to match the files on disk.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    uris : Iterable[str]
        URIs of resources, or of items with resources.
    asked : Iterable[str]
        Some of `OPTIONS`, in any case.

    Raises
    ------
    BadRequest
        For a URI of something else.
    """
    record(Guard.ITEM)  # `_asked` finds and needs each item; there may be none
    wanted = {name.lower() for name in asked}
    with context.archive.store.read() as connection:
        found = [(uri, *_asked(context, connection, uri)) for uri in uris]
    for uri, row, resources in found:
        for kept in resources:
            _refresh(context, kept, wanted)
        with context.archive.store.write() as connection:
            change_feed.refreshed(context, connection, row, uri)


def _asked(context: Context, connection: Connection, uri: str) -> tuple[Any, list[_Kept]]:
    """Return the item of a URI, and the resources that the URI names."""
    parts = archived_parts(uri)
    path = parse(parts)
    if path is None or path.tail or path.last.id is None or path.last.level.is_file:
        raise BadRequest(f'{uri!r} is not an item or resource of the archive.')
    is_one = path.last.level.is_resource
    steps = split(path)[0] if is_one else path.steps
    row = find(connection, context.caller, steps, inside=True).row
    need_on(connection, context.caller, row, 'edit')
    rows = _named(connection, row, path) if is_one else _resources_below(connection, row)
    return row, [
        _Kept(one, holder, context.archive.files.resource_folder(connection, one, holder))
        for one, holder in rows
    ]


def _resources_below(connection: Connection, row: Any) -> list[tuple[Any, Any]]:
    holders = _with_parts(connection, row)
    return [(row, holder) for holder in holders for row in resources_of(connection, holder.pk)]


def _named(connection: Connection, holder: Any, path: ItemPath) -> list[tuple[Any, Any]]:
    return [
        (one, holder) for one in resources_at(connection, holder, split(path)[1])
    ]  # a missing resource is no error, as in XNAT


def _with_parts(connection: Connection, row: Any) -> Sequence[Any]:
    """Return an item, and the parts of a session."""
    if level(row.level) not in listed_levels('experiments'):
        return [row]
    return [
        row,
        *connection.execute(
            select(item).where(item.c.parent == row.pk, item.c.project == row.project)
        ),
    ]


def _refresh(context: Context, kept: _Kept, asked: set[str]) -> None:
    """Read the files, then write the changes that still apply.

    The files are read first, so that other writers do not wait meanwhile.
    """
    archive = context.archive
    with archive.store.read() as connection:
        known = _known(connection, kept)
    changed = dict(_disk(kept, known, asked))
    with archive.store.write() as connection:
        if connection.scalar(select(resource.c.pk).where(resource.c.pk == kept.row.pk)) is None:
            return
        known = _known(connection, kept)
        touched = False
        for path, seen in changed.items():
            values = seen._asdict()
            here = archive.files.file_path(kept.folder, path)
            if not here.is_file() or (here.stat().st_size, here.stat().st_mtime_ns) != (
                seen.size,
                seen.mtime_ns,
            ):
                continue  # replaced meanwhile; that request wrote its row
            if path in known:
                connection.execute(
                    file.update().where(file.c.pk == known[path].pk).values(**values)
                )
            else:
                inserted = {'insert_date': now(), 'insert_user': context.caller.login}
                connection.execute(
                    file.insert().values(resource=kept.row.pk, path=path, **values, **inserted)
                )
            touched = True
        gone = [
            row.pk
            for path, row in known.items()
            if 'delete' in asked
            and row.mtime_ns != UNFETCHED
            and not archive.files.file_path(kept.folder, path).is_file()
        ]
        for pk in gone:
            connection.execute(file.delete().where(file.c.pk == pk))
        if touched or gone:
            touch(connection, kept.holder.pk)


def _known(connection: Connection, kept: _Kept) -> dict[str, Any]:
    return {row.path: row for row in file_rows(connection, kept.row.pk)}


def _disk(kept: _Kept, known: dict[str, Any], asked: set[str]) -> Iterator[tuple[str, _Seen]]:
    """Yield new and changed files on disk, as far as the options require."""
    for path in sorted(kept.folder.rglob('*')) if kept.folder.is_dir() else ():
        if path.is_symlink() or not path.is_file():
            continue
        name = path.relative_to(kept.folder).as_posix()
        row, state = known.get(name), path.stat()
        if row is None and ('append' not in asked or not _is_name(name)):
            continue
        if row is not None and 'checksum' not in asked:
            continue
        with path.open('rb') as stream:
            seen = _Seen(state.st_size, state.st_mtime_ns, md5_of(stream))
        if row is None or seen != (row.size, row.mtime_ns, row.digest):
            yield name, seen


def _is_name(name: str) -> bool:
    try:
        return check_path(name) == name
    except BadRequest:
        return False
