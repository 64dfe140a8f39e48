"""Folders and files that only the archive's user can read, whatever the umask.

The mode is given when a file is created, since the umask belongs to the whole process. Windows has
no such modes: there the rights of the folder above apply.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import IO, Any

__all__ = ['create_file', 'make_folder', 'open_private', 'tighten']

_log = logging.getLogger(__name__)
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_folder(path: Path) -> None:
    """Create a folder, and those above that are missing.

    One that exists is left as it is.
    """
    if path.is_dir():
        return
    missing = [one for one in (path, *path.parents) if not one.is_dir()]
    for one in reversed(missing):
        one.mkdir(mode=stat.S_IRWXU, exist_ok=True)


def open_private(path: Path, mode: str, buffering: int = -1) -> IO[Any]:
    """Open a file for writing; if it is new, only its owner can read it.

    Parameters
    ----------
    path : Path
        The file.
    mode : str
        Mode of :func:`open`.
    buffering : int
        Size of the buffer; 0 for none.
    """
    return open(path, mode, buffering, opener=_open)  # the caller closes it


def _open(path: str, flags: int) -> int:
    return os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)


def create_file(path: Path) -> None:
    """Create an empty file for a database, unless it exists, and `tighten` it.

    SQLite gives its journals the mode of the database.
    """
    os.close(_open(str(path), os.O_RDWR | os.O_CREAT))
    tighten(path)


def tighten(path: Path) -> None:
    """Take the rights of other users from a file or folder of an earlier version."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == 'nt' or not mode & _OTHERS:
        return
    try:
        path.chmod(mode & ~_OTHERS)
    except PermissionError:
        _log.warning('%s belongs to another user: other users may be able to read it', path)
