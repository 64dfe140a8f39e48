"""Locks on the folder of an archive.

A server has it alone, local processes share it. They are SQLite's locks, on empty files of their
own: alike on all systems, and released when a process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ServiceUnavailable
from ..private_files import create_file

__all__ = ['PRESENCE', 'ArchiveBusy', 'FolderLock', 'Turns', 'folder_lock']

PRESENCE = 'serving.json'
"""File that a server writes, see :mod:`pyxnat.server.presence`."""
AT_ONCE_S = 0.2
"""Seconds to wait for another process that is just opening or closing the archive."""
OPENING_S = 30.0
"""Seconds to wait for another local process that repairs the archive."""
TURN_S = 60.0
"""Seconds to wait for the write of another local process."""


class ArchiveBusy(RuntimeError):
    """Another process has this archive."""


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    create_file(path)
    return sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)


class FolderLock:
    """Lock on the folder of an archive, until it is closed or the process ends.

    Parameters
    ----------
    folder : Path
        The folder.
    shared : bool
        Whether other processes may share it. The first one still has it alone, until `share`.

    Attributes
    ----------
    is_alone : bool
        Whether no other process has the archive.

    Raises
    ------
    ArchiveBusy
        If a server has the folder; without `shared` also if local processes do.
    """

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self._folder = folder
        self._connection = _connect(folder / 'serving.lock', AT_ONCE_S)
        try:
            self.is_alone = self._begin('BEGIN EXCLUSIVE')
            if self.is_alone:
                (folder / PRESENCE).unlink(missing_ok=True)  # of a server that was killed
            else:
                is_served = not self._is_shared(0 if not shared else OPENING_S)
                if is_served or not shared:
                    raise ArchiveBusy(_why_busy(folder, is_served))
        except BaseException:
            self._connection.close()
            raise

    def _begin(self, statement: str) -> bool:
        try:
            self._connection.execute(statement)
        except sqlite3.OperationalError as error:
            if 'locked' not in str(error):
                raise
            return False
        return True

    def _is_shared(self, wait_s: float) -> bool:
        """Share the folder, if there is no server; a file of the server ends the wait."""
        end = time.monotonic() + wait_s
        while True:
            self._connection.execute('BEGIN')
            if self._begin('SELECT count(*) FROM sqlite_master'):
                return True
            self._connection.execute('ROLLBACK')
            if time.monotonic() > end or (self._folder / PRESENCE).exists():
                return False

    def share(self) -> None:
        """Let other processes share the folder.

        Raises
        ------
        ArchiveBusy
            If a server was faster.
        """
        if self.is_alone:
            self._connection.execute('COMMIT')
            self.is_alone = False
            if not self._is_shared(OPENING_S):
                raise ArchiveBusy(_why_busy(self._folder, True))

    def close(self) -> None:
        """Release the folder."""
        self._connection.close()


def _why_busy(folder: Path, is_served: bool) -> str:
    if is_served:
        return f'{folder} is being served by another process; stop that process first'
    return (
        f'{folder} is open in another process, without a server; close it there first: '
        'Interface.disconnect()'
    )


def folder_lock(folder: Path) -> FolderLock:
    """Lock a folder for this process alone.

    Raises
    ------
    ArchiveBusy
        If another process has it.
    """
    return FolderLock(folder)


class Turns:
    """Turns of the local processes that share an archive.

    One of them writes at a time.

    Parameters
    ----------
    folder : Path
        Folder of the archive.
    """

    def __init__(self, folder: Path) -> None:
        self._connection = _connect(folder / 'writing.lock', TURN_S)
        self._witness = folder / 'writing'
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Wait for the turn; yield whether the process before died while it had it.

        Raises
        ------
        ServiceUnavailable
            If another process writes for longer than a minute.
        """
        with self._lock:
            try:
                self._connection.execute('BEGIN EXCLUSIVE')
            except sqlite3.OperationalError as error:
                if 'locked' not in str(error):
                    raise
                raise ServiceUnavailable('Another process writes to this archive.') from error
            was_left = self._witness.exists()
            try:
                self._witness.touch(mode=0o600)
                yield was_left
                was_left = False
            finally:
                if not was_left:  # else the repair failed, and the next one tries it again
                    self._witness.unlink(missing_ok=True)
                self._connection.execute('COMMIT')

    def close(self) -> None:
        """Close the file of the lock."""
        self._connection.close()
