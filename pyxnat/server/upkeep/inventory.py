"""Files that an archive has by its rows, with the places where they belong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, select

from ..db.migrations import VERSION, migrate, version_of
from ..db.store import arrival, arrival_file, arrival_scan, file, item, open_engine, resource
from ..prearchive.sessions import images_of
from ..storage.file_area import UNFETCHED, FileArea

__all__ = ['DATABASE', 'Stored', 'files_below', 'is_unfetched', 'opened', 'stored_files']

DATABASE = 'archive.sqlite'


class Stored(NamedTuple):
    """Row of a file in the archive or prearchive."""

    path: Path
    table: Table
    row: Any


@contextmanager
def opened(folder: Path) -> Iterator[Engine]:
    """Open the database of an archive that may be served at the same time.

    Raises
    ------
    FileNotFoundError
        If the folder has no archive.
    ArchiveTooNew
        If a later version of pyxnat wrote it.
    ValueError
        If an earlier version did, and it was not migrated yet.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise FileNotFoundError(f'{folder} has no archive: {DATABASE} is missing.')
    version = version_of(path)
    if version > VERSION:
        migrate(path)  # refuses
    if version < VERSION:
        raise ValueError(
            f'{folder} is of version {version}, and this pyxnat needs version {VERSION}: start the '
            'server once, which migrates it.'
        )
    engine = open_engine(path)
    try:
        yield engine
    finally:
        engine.dispose()


def files_below(folder: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Yield the files below a folder, by name within each folder.

    None if it is missing.

    Parameters
    ----------
    folder : Path
        The folder.
    on_error : callable
        Called with the error of each folder that cannot be read, which is its ``filename``.
    """

    def report(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # that folder is gone since
            on_error(error)

    for above, folders, names in os.walk(folder, onerror=report):
        folders.sort()
        yield from (Path(above, name) for name in sorted(names))


def is_unfetched(one: Stored) -> bool:
    """Whether a file of a mirror is listed without content."""
    return one.table is file and one.row.mtime_ns == UNFETCHED


def stored_files(connection: Connection, area: FileArea) -> Iterator[Stored]:
    """Yield all files by their rows. Rows that refer to nothing are left out.

    Parameters
    ----------
    connection : Connection
        The database.
    area : FileArea
        Folders of the archive.
    """
    yield from _of_resources(connection, area)
    yield from _of_prearchive(connection, area)


def _of_resources(connection: Connection, area: FileArea) -> Iterator[Stored]:
    items = {row.pk: row for row in connection.execute(select(item))}
    homes: dict[int, Path] = {}
    for row in connection.execute(select(resource)):
        holder = items.get(row.item)
        if holder is not None and _has_parents(holder, items):
            home = area.folder_of(holder, items.get)
            homes[row.pk] = area.resource_below(home, row, holder)
    for row in connection.execute(select(file)):
        if row.resource in homes:
            yield Stored(area.file_path(homes[row.resource], row.path), file, row)


def _has_parents(row: Any, items: dict[int, Any]) -> bool:
    while row.level != 'project':
        if row.parent not in items:
            return False
        row = items[row.parent]
    return True


def _of_prearchive(connection: Connection, area: FileArea) -> Iterator[Stored]:
    sessions = {row.pk: row for row in connection.execute(select(arrival))}
    homes = {
        row.pk: images_of(area, sessions[row.arrival], row.id)
        for row in connection.execute(select(arrival_scan))
        if row.arrival in sessions
    }
    for row in connection.execute(select(arrival_file)):
        if row.scan in homes:
            yield Stored(area.file_path(homes[row.scan], row.path), arrival_file, row)
