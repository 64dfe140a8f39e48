"""Lock of a folder that one run at a time may change.

It is a lock of SQLite, on an empty file of its own: alike on all systems, and released when a
process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import BusyError, DataError

__all__ = ['LOCK', 'locked']

LOCK = 'lock.sqlite'
"""Name of the file."""


@contextmanager
def locked(folder: Path, problem: str) -> Iterator[None]:
    """Have a folder alone while the block runs.

    Parameters
    ----------
    folder : Path
        The folder, which exists.
    problem : str
        Message of the error.

    Raises
    ------
    BusyError
        Another program, or another thread, has it. It is not waited for: a run may take hours.
    DataError
        The file of the lock is damaged.
    """
    path = folder / LOCK
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute('BEGIN EXCLUSIVE')
        except sqlite3.OperationalError as error:
            if 'locked' not in str(error):
                raise
            raise BusyError(problem, remedy='Try again when it has ended.') from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f'{path} is damaged: {error}', remedy='Delete it: it has no data.'
            ) from error
        yield
