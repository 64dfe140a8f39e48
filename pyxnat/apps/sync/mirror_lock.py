"""Lock of a mirror: one pull, push or resolution of a folder at a time.

It is a lock of SQLite, on an empty file of its own, like those of the archive: alike on all
systems, and released when a process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ... import errors

__all__ = ['is_damage', 'locked']


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether an error shows that a file is none of SQLite's, or of others.

    A file of others has other tables.
    """
    if isinstance(error, sqlite3.OperationalError):  # or a lock, or a full disk
        return any(words in str(error) for words in ('no such', 'no column', ' columns but '))
    return type(error) is sqlite3.DatabaseError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a mirror alone while the block runs.

    Parameters
    ----------
    folder : Path
        Folder ``mirror``.

    Raises
    ------
    BusyError
        Another program, or another thread, has it. It is not waited for: a pull may take hours.
    DataError
        The file of the lock is damaged.
    """
    path = folder / 'lock.sqlite'
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute('BEGIN EXCLUSIVE')
        except sqlite3.OperationalError as error:
            if 'locked' not in str(error):
                raise
            raise errors.BusyError(
                f'{folder.parent} is being pulled or pushed by another program',
                remedy='Try again when it has ended.',
            ) from error
        except sqlite3.DatabaseError as error:
            raise errors.DataError(
                f'{path} is damaged: {error}', remedy='Delete it: it has no data.'
            ) from error
        yield
