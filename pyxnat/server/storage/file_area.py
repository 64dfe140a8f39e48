"""Files of an archive, in readable folders.

A body is written to ``staging`` on the same file system while its MD5 is computed, and then renamed
to its place inside the transaction that writes its row, so a partial file is never visible. A crash
between rename and commit is repaired at the next start.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from ...model.levels import level, parts_of_session
from ..db.rows import delete_row, file_rows, item_row, resources_with_holders, update_row
from ..db.store import Connection, Table, file
from ..disk_names import safe_name
from ..errors import BadRequest
from ..private_files import make_folder, open_private, tighten
from .syncing import InMemory, Sync
from .zip_directory import MAX_ENTRIES

__all__ = [
    'UNFETCHED',
    'FileArea',
    'Staged',
    'Unfetched',
    'check_path',
    'md5_of',
    'pieces_of',
    'safe_name',
]

_log = logging.getLogger(__name__)
MAX_NAME = 255
"""Bytes of one name in a path: the limit of common file systems."""


UNFETCHED = -1
"""``mtime_ns`` of a file without content: another server has it, which a mirror fetches it from."""


@dataclass
class Staged:
    """Complete body in the staging folder."""

    path: Path
    size: int
    digest: str
    written: Future[None] | None = None
    """Done when the content is on disk; None if nobody waits for that."""


class Unfetched(Staged):
    """File that is listed without content."""


def check_path(path: str) -> str:
    """Return the checked path of a file in its resource.

    A trailing slash is kept: XNAT accepts it as part of a name.

    Raises
    ------
    BadRequest
        For a path that is absolute, leaves the resource, or cannot be stored.
    """
    steps = path.split('/')
    if path.startswith('/') or '..' in steps or any(ord(char) < 32 for char in path):
        raise BadRequest(f'{path!r} is not a path inside the resource.')
    if '\\' in path:
        raise BadRequest(f'{path!r} contains a backslash; folders are separated by slashes.')
    steps = [step for step in steps if step not in ('', '.')]
    if not steps:
        raise BadRequest('The file has no name.')
    if (
        any(len(step.encode('utf-8', 'surrogatepass')) > MAX_NAME for step in steps)
        or len(path) > 2048
    ):
        raise BadRequest(f'A name in the path is longer than {MAX_NAME} bytes.')
    return '/'.join(steps) + '/' * path.endswith('/')


class FileArea:
    """Folders of one archive.

    Parameters
    ----------
    folder : Path
        Folder of the archive; subfolders are created.
    sync : Sync
        When files are written to disk.
    """

    def __init__(self, folder: Path, sync: Sync | None = None) -> None:
        self.folder = folder
        self.sync: Sync = sync or InMemory()
        self.root = folder / 'archive'
        self.prearchive = folder / 'prearchive'
        self.staging = folder / 'staging'
        self.inbox = folder / 'inbox'
        self.history = folder / 'history'
        self.recovered = folder / 'recovered'
        self.max_entries = MAX_ENTRIES
        """Most entries of an uploaded archive."""
        self._placed: list[tuple[Path, Path | None]] = []
        self._unwritten: list[Future[None]] = []
        self._changed: set[Path] = set()
        make_folder(self.root)
        make_folder(self.prearchive)
        make_folder(self.staging)

    # -- folders of items and resources

    def item_folder(self, connection: Connection, row: Any) -> Path:
        """Return the folder of an item.

        That of a scan is ``<project>/arc001/<session>/SCANS/<scan>``.

        Parameters
        ----------
        connection : Connection
            The database.
        row : Any
            Row of the item.
        """
        return self.folder_of(row, partial(item_row, connection))

    def folder_of(self, row: Any, find: Callable[[int | None], Any]) -> Path:
        """Return the folder of an item, as `item_folder` does.

        Parameters
        ----------
        row : Any
            Row of the item.
        find : Callable[[int | None], Any]
            Finds an item by its key.
        """
        facts = level(row.level)
        if row.level == 'project':
            return self.root / safe_name(row.id)
        if facts in parts_of_session():
            above = self.folder_of(find(row.parent), find)
            return above / facts.disk_folder / safe_name(row.id)
        folder = self.root / safe_name(row.project) / facts.disk_folder
        return folder / safe_name(row.label or row.id)

    def resource_folder(self, connection: Connection, row: Any, holder: Any) -> Path:
        """Return the folder of a resource.

        A resource without a label has its number as folder name. Only assessors have a folder per
        side.

        Parameters
        ----------
        connection : Connection
            The database.
        row : Any
            Row of the resource.
        holder : Any
            Row of its item.
        """
        return self.resource_below(self.item_folder(connection, holder), row, holder)

    @staticmethod
    def resource_below(home: Path, row: Any, holder: Any) -> Path:
        """Return the folder of a resource, as `resource_folder` does.

        Parameters
        ----------
        home : Path
            Folder of its item.
        row : Any
            Row of the resource.
        holder : Any
            Row of its item.
        """
        name = row.folder or (safe_name(row.label) if row.label else str(row.pk))
        facts = level(holder.level)
        group = row.side or 'out' if facts.has_side_folders else facts.resources_folder
        return home / group / name

    @staticmethod
    def file_path(folder: Path, path: str) -> Path:
        """Return the path of a file on disk.

        Parameters
        ----------
        folder : Path
            Folder of the resource.
        path : str
            Path in the resource.
        """
        return folder.joinpath(*(_file_name(step) for step in path.split('/') if step))

    # -- uploads

    def stage(self, pieces: Iterable[bytes]) -> Staged:
        """Write a body to the staging folder; removed if reading it fails."""
        path = self.staging / uuid.uuid4().hex
        digest, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with open_private(path, 'wb', 0) as target:
                for piece in pieces:
                    digest.update(piece)
                    target.write(piece)
                    size += len(piece)
                written = self.sync.start(target.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Staged(path, size, digest.hexdigest(), written)

    def staging_file(self) -> IO[bytes]:
        """Open a new file in the staging folder, for `adopt`."""
        return open_private(self.staging / uuid.uuid4().hex, 'w+b')

    def adopt(self, stream: IO[bytes]) -> Staged:
        """Close a file of `staging_file` and return it as a staged body."""
        stream.seek(0)
        digest = md5_of(stream)
        size = stream.tell()
        stream.flush()
        written = self.sync.start(stream.fileno())
        stream.close()
        return Staged(Path(stream.name), size, digest, written)

    def take(self, path: Path, size: int, digest: str) -> Staged:
        """Move a file of this file system to the staging folder.

        Parameters
        ----------
        path : Path
            The file.
        size : int
            Its bytes.
        digest : str
            Its MD5, which the caller has checked.
        """
        target = self.staging / uuid.uuid4().hex
        os.replace(path, target)
        tighten(target)
        with target.open('rb') as file:
            written = self.sync.start(file.fileno())
        return Staged(target, size, digest, written)

    def check_room(self, folder: Path, paths: Iterable[str]) -> None:
        """Check that files and folders do not conflict at some paths.

        Parameters
        ----------
        folder : Path
            Folder of the resource.
        paths : Iterable[str]
            Paths in the resource to be written.

        Raises
        ------
        BadRequest
            If a path is a folder, or a file is where it needs a folder.
        """
        wanted = {str(self.file_path(folder, path)): path for path in paths}
        free = {str(folder)}
        is_new = not folder.exists()
        for target, path in wanted.items():
            above = target.rpartition(os.sep)[0]
            while above not in free:
                if above in wanted or Path(above).is_file():
                    raise BadRequest(f'{path!r} conflicts with another file or folder.')
                free.add(above)
                above = above.rpartition(os.sep)[0]
            if not is_new and Path(target).is_dir():
                raise BadRequest(f'{path!r} conflicts with another file or folder.')

    def drop(self, streams: Iterable[IO[bytes]]) -> None:
        """Remove files of `staging_file` that were not adopted: open ones."""
        for stream in streams:
            if not stream.closed:
                stream.close()
                Path(stream.name).unlink(missing_ok=True)

    def place(self, staged: Staged, target: Path) -> int:
        """Move a staged body to its place, replacing an older file.

        For use in a transaction: `finish` is called before its commit, and `settle` restores the
        older file after a rollback.

        Parameters
        ----------
        staged : Staged
            The body.
        target : Path
            Its place.

        Returns
        -------
        int
            Modification time in nanoseconds.

        Raises
        ------
        BadRequest
            If a folder is there, or a file where a folder is needed.
        """
        try:
            self._changed |= self._create(target.parent)
            self._placed.append((target, self._set_aside(target)))
            os.replace(staged.path, target)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise BadRequest(f'{target.name!r} conflicts with another file or folder.') from error
        if staged.written is not None:
            self._unwritten.append(staged.written)
        return target.stat().st_mtime_ns

    def place_folder(self, source: Path, target: Path) -> None:
        """Move a folder of staged files that are on disk to its place, where nothing is.

        For use in a transaction; `settle` removes it after a rollback.

        Parameters
        ----------
        source : Path
            The folder.
        target : Path
            Its place.
        """
        self._changed |= self._create(target.parent)
        self._placed.append((target, None))
        os.replace(source, target)

    def _create(self, folder: Path) -> set[Path]:
        """Create a folder; return it and those above it that have a new entry."""
        changed, above = {folder}, folder
        while not above.exists() and above != self.folder:
            above = above.parent
            changed.add(above)
        make_folder(folder)
        return changed

    def finish(self) -> None:
        """Wait until the placed files and their folders are on disk: before the commit."""
        unwritten, self._unwritten = self._unwritten, []
        changed, self._changed = self._changed, set()
        for one in unwritten:
            one.result()
        self.sync.folders(changed)

    def publish(self, staged: Staged, target: Path) -> None:
        """Move a staged body to a place that has no row, and wait until it is on disk.

        Parameters
        ----------
        staged : Staged
            The body.
        target : Path
            Its place; a file there is replaced.
        """
        changed = self._create(target.parent)
        if staged.written is not None:
            staged.written.result()
        os.replace(staged.path, target)
        self.sync.folders(changed)

    def _set_aside(self, target: Path) -> Path | None:
        """Link or copy a file to the staging folder before it is replaced."""
        if not target.is_file():
            return None
        aside = self.staging / uuid.uuid4().hex
        _link(target, aside)
        return aside

    def settle(self, done: bool) -> None:
        """End a transaction: drop replaced files, or restore them."""
        placed, self._placed = self._placed, []
        self._unwritten, self._changed = [], set()
        for target, aside in reversed(placed):
            if done and aside is not None:
                aside.unlink(missing_ok=True)
            elif aside is not None:
                os.replace(aside, target)
            elif not done:
                self.remove([target])

    def keep(self, target: Path) -> None:
        """Copy a file to the history folder before it is replaced or removed.

        The folder there is named by the current time.
        """
        if target.is_file():
            place = (
                self.history
                / target.parent.relative_to(self.root)
                / f'{datetime.now():%Y%m%d_%H%M%S_%f}'
                / target.name
            )
            self._changed |= self._create(place.parent)
            _link(target, place)

    def rescue(self, target: Path, size: int) -> None:
        """Copy a file that is not that of its row to ``recovered``.

        Before it is replaced.

        Parameters
        ----------
        target : Path
            The file; nothing if it is missing.
        size : int
            Bytes of the file that the row describes.
        """
        if target.is_file() and target.stat().st_size != size:
            place = self._recovered(target)
            _log.warning('%s has another size than its row: copied to %s', target, place)
            _link(target, place)

    def discard(self, staged: Iterable[Staged]) -> None:
        """Remove staged bodies that were not placed."""
        for one in staged:
            one.path.unlink(missing_ok=True)

    # -- removing and moving

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files or folders, and parent folders that become empty."""
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            self._prune(path.parent)

    def relative(self, path: Path) -> str:
        """Return a path relative to the archive folder, as in the task table.

        The archive's folder may be moved.
        """
        return path.relative_to(self.folder).as_posix()

    def perform(self, source: str, target: str | None) -> None:
        """Rename a folder or file if it exists, or remove it.

        Parameters
        ----------
        source : str
            Path relative to the archive's folder.
        target : str | None
            New path relative to the archive's folder; None to remove the source.
        """
        path = self.folder / source
        if target is None:
            self.remove([path])
        elif path.exists() and source != target:
            changed = self._create((self.folder / target).parent)
            os.replace(path, self.folder / target)
            self.sync.folders(changed | {path.parent})
            self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        while (
            {self.root, self.prearchive} & {*folder.parents}
            and folder.is_dir()
            and not any(folder.iterdir())
        ):
            folder.rmdir()
            folder = folder.parent

    # -- repair

    def clear_staging(self) -> None:
        """Remove staged files of an earlier process."""
        for path in self.staging.iterdir():
            if path.is_dir():  # links of a backup that was killed
                shutil.rmtree(path)
            else:
                path.unlink()

    def reconcile_all(self, connection: Connection) -> None:
        """Reconcile files and rows of all resources after a crash."""
        expected: dict[Path, Any] = {}
        for one, folder in self._resources(connection):
            for row in file_rows(connection, one.pk):
                expected[self.file_path(folder, row.path)] = row
        self.reconcile(connection, self.root, file, expected)

    def _resources(self, connection: Connection) -> Iterator[tuple[Any, Path]]:
        for one, holder in resources_with_holders(connection):
            yield one, self.resource_folder(connection, one, holder)

    def reconcile(
        self, connection: Connection, root: Path, table: Table, expected: Mapping[Path, Any]
    ) -> None:
        """Reconcile the files below a folder with their rows.

        Files without a row are moved to ``recovered``; rows without a file are deleted; a changed
        file gets a new digest in its row.

        Parameters
        ----------
        connection : Connection
            Write transaction.
        root : Path
            The folder.
        table : Table
            Table of the rows.
        expected : Mapping[Path, Any]
            Rows of the table by the path of their file.
        """
        for path in [path for path in root.rglob('*') if path.is_file() and path not in expected]:
            self.recover(path)
        for path, row in expected.items():
            self._repair(connection, table, path, row)

    def recover(self, path: Path) -> None:
        """Move a file without a row to ``recovered``: it may be a lost upload."""
        target = self._recovered(path)
        _log.warning('%s has no row: moved to %s', path, target)
        os.replace(path, target)
        self._prune(path.parent)

    def _recovered(self, path: Path) -> Path:
        """Return a free place for a file in ``recovered``, in a folder that exists."""
        base = self.root if self.root in path.parents else self.folder
        target = self.recovered / path.relative_to(base)
        if target.exists():  # of an earlier crash
            target = target.with_name(f'{target.name}.{uuid.uuid4().hex}')
        make_folder(target.parent)
        return target

    def _repair(self, connection: Connection, table: Table, path: Path, row: Any) -> None:
        if row.mtime_ns == UNFETCHED:
            return
        if not path.is_file():
            _log.warning('%s is missing: its row is removed', path)
            delete_row(connection, table, row.pk)
        elif (path.stat().st_size, path.stat().st_mtime_ns) != (row.size, row.mtime_ns):
            with path.open('rb') as source:
                digest = md5_of(source)
            state = path.stat()
            update_row(
                connection,
                table,
                row.pk,
                size=state.st_size,
                mtime_ns=state.st_mtime_ns,
                digest=digest,
            )


def pieces_of(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces of 1 MiB."""
    with path.open('rb') as source:
        while piece := source.read(2**20):
            yield piece


def _link(source: Path, target: Path) -> None:
    """Link a file to a second place, or copy it."""
    try:
        os.link(source, target)
    except OSError:  # no hard links on this file system
        shutil.copy2(source, target)
        tighten(target)


def _file_name(step: str) -> str:
    """Return a name for a file: as it is, but made safe on Windows."""
    return step if os.name != 'nt' else safe_name(step)


def md5_of(source: IO[bytes]) -> str:
    """Return the MD5 of an open file, in hexadecimal."""
    digest = hashlib.md5(usedforsecurity=False)
    while piece := source.read(2**20):
        digest.update(piece)
    return digest.hexdigest()
