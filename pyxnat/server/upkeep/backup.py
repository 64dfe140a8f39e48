"""Consistent copy of an archive, also while it is served.

A file of the archive never changes in place: an upload that replaces it renames another one to its
place. So the copy first links all files. Then it takes the write lock of the database, with which
no file is moved, links again those that have changed, and copies the database; writers wait only
for that. The links are packed afterwards.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

from ..db.schema import task
from ..db.store import connect_to_write
from ..private_files import create_file, make_folder, open_private, tighten
from ..storage.file_area import FileArea
from .inventory import DATABASE, files_below, is_unfetched, opened, stored_files

__all__ = ['CannotBackUp', 'backup']

_MODES = {'.gz': 'gz', '.tgz': 'gz', '.xz': 'xz', '.bz2': 'bz2'}
_OTHERS = ('inbox', 'history', 'recovered', 'cache', 'mirror/schemas', 'mirror/conflicts')
"""Folders of files without rows."""
_STATE = 'mirror/state.sqlite'
"""Database of a mirror, if the archive is one."""
TRIES, WAIT_S = 50, 0.1
"""How often, and how many seconds apart, work that follows a commit is waited for."""


class CannotBackUp(RuntimeError):
    """Rows and files of the archive do not agree, or a folder cannot be read."""


class _Link(NamedTuple):
    """A file as it was when it was linked."""

    place: Path
    inode: int
    size: int
    mtime_ns: int


def backup(folder: Path, target: Path) -> int:
    """Write a copy of an archive to a tar file, and return the number of its files.

    Unpacked into an empty folder, it is an archive.

    Parameters
    ----------
    folder : Path
        Folder of the archive, which may be served.
    target : Path
        The tar file; compressed if it ends in ``.gz``, ``.tgz``, ``.xz`` or ``.bz2``.

    Raises
    ------
    FileExistsError
        If the tar file exists.
    CannotBackUp
        If files are missing, or a folder cannot be read.
    """
    if target.exists():
        raise FileExistsError(f'{target} exists already; name another file.')
    with opened(folder) as engine, _links(FileArea(folder)) as links:
        snapshot = _Snapshot(FileArea(folder), links)
        snapshot.link_all(engine)
        snapshot.complete(engine)
        part = target.with_name(f'{target.name}.part')
        try:
            _pack(snapshot, folder, part, _MODES.get(target.suffix, ''))
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    return len(snapshot.linked)


@contextmanager
def _links(area: FileArea) -> Iterator[Path]:
    """Create a folder for links, on the file system of the archive.

    It is removed at the end.
    """
    folder = area.staging / f'backup-{uuid.uuid4().hex}'
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Snapshot:
    """Links to the files of one state of an archive, and a copy of its database."""

    def __init__(self, area: FileArea, links: Path) -> None:
        self._area = area
        self._links = links
        self.linked: dict[str, _Link] = {}
        """By path relative to the archive."""
        self.database = links / DATABASE
        self.state = links / 'state.sqlite'

    def link_all(self, engine: Engine) -> None:
        """Link the files of all rows that are there, without a lock."""
        with engine.connect() as connection:
            wanted = self._wanted(connection)
        for name in wanted:
            self._link(name)

    def complete(self, engine: Engine) -> None:
        """Link the files that changed since, and copy the database, with the write lock."""
        for _ in range(TRIES):
            with (
                connect_to_write(engine) as connection,
                connection.begin(),
            ):
                if connection.execute(select(task)).first() is None:
                    wrong = self._compare(self._wanted(connection))
                    if wrong:
                        raise CannotBackUp(
                            f'{len(wrong)} files are missing or differ, like {wrong[0]}: run '
                            '--check, then --repair.'
                        )
                    self._copy_database()
                    self._copy_state()
                    return
            time.sleep(WAIT_S)
        raise CannotBackUp('Folders wait to be moved: start the server once, which does it.')

    def _wanted(self, connection: Connection) -> dict[str, int]:
        return {
            self._area.relative(one.path): one.row.size
            for one in stored_files(connection, self._area)
            if not is_unfetched(one)
        }

    def _compare(self, wanted: dict[str, int]) -> list[str]:
        """Make the links those of the wanted files; return the files that cannot be."""
        for name in [name for name in self.linked if name not in wanted]:
            self.linked.pop(name).place.unlink()
        wrong = []
        for name, size in wanted.items():
            if name not in self.linked or not self._is_same(name):
                self._link(name)
            if name not in self.linked or self.linked[name].size != size:
                wrong.append(name)
        return wrong

    def _is_same(self, name: str) -> bool:
        link = self.linked[name]
        try:
            state = (self._area.folder / name).stat()
        except FileNotFoundError:
            return False
        return (state.st_ino, state.st_size, state.st_mtime_ns) == link[1:]

    def _link(self, name: str) -> None:
        """Link a file, replacing an earlier link; none if it is not there."""
        earlier = self.linked.pop(name, None)
        if earlier is not None:
            earlier.place.unlink()
        source, place = self._area.folder / name, self._links / uuid.uuid4().hex
        try:
            state = source.stat()
            try:
                os.link(source, place)
            except FileNotFoundError:
                raise
            except OSError:  # no hard links on this file system
                shutil.copy2(source, place)
                tighten(place)
        except (FileNotFoundError, NotADirectoryError):
            return
        self.linked[name] = _Link(place, state.st_ino, state.st_size, state.st_mtime_ns)

    def _copy_database(self) -> None:
        """Copy the database as one of an archive that was closed."""
        create_file(self.database)
        with (
            closing(sqlite3.connect(self._area.folder / DATABASE)) as source,
            closing(sqlite3.connect(self.database)) as copy,
        ):
            source.backup(copy)
            copy.execute('PRAGMA journal_mode = DELETE')
            copy.execute("UPDATE setting SET value = '0' WHERE name = 'open'")
            copy.execute("DELETE FROM setting WHERE name LIKE 'open %'")
            copy.commit()

    def _copy_state(self) -> None:
        """Copy the state of a mirror.

        It may be older than the archive: a pull compares both.
        """
        source_path = self._area.folder / _STATE
        if not source_path.is_file():
            return
        create_file(self.state)
        with (
            closing(sqlite3.connect(source_path)) as source,
            closing(sqlite3.connect(self.state)) as copy,
        ):
            source.backup(copy)
            copy.execute('PRAGMA journal_mode = DELETE')


def _pack(snapshot: _Snapshot, folder: Path, target: Path, compression: str) -> None:
    with open_private(target, 'xb') as stream:
        with tarfile.open(  # type: ignore[call-overload]
            fileobj=stream, mode=f'w:{compression}', format=tarfile.PAX_FORMAT
        ) as tar:
            tar.add(snapshot.database, DATABASE)
            if snapshot.state.is_file():
                tar.add(snapshot.state, _STATE)
            for name, link in sorted(snapshot.linked.items()):
                tar.add(link.place, name)
            for path in _others(folder):
                tar.add(path, path.relative_to(folder).as_posix(), recursive=False)
        stream.flush()
        os.fsync(stream.fileno())


def _others(folder: Path) -> Iterator[Path]:
    """Yield the files that have no rows."""
    for name in _OTHERS:
        yield from (path for path in files_below(folder / name, _refuse) if path.is_file())


def _refuse(error: OSError) -> None:
    raise CannotBackUp(f'{error.filename} cannot be read: {error.strerror}') from error
