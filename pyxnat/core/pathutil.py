"""Functions on local paths of pyxnat 1.x."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['ensure_dir_exists', 'find_files']


def find_files(src: str | os.PathLike[str]) -> list[str]:
    """Return the paths of all files below a folder, those of linked folders included.

    A link to a folder above is not followed.

    Raises
    ------
    OSError
        The folder, or one below, does not exist or cannot be read.
    """
    found: list[str] = []
    waiting: list[tuple[str, frozenset[tuple[int, int]]]] = [(os.fspath(src), frozenset())]
    while waiting:
        folder, above = waiting.pop()
        status = Path(folder).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    waiting.append((entry.path, above | {identity}))
                else:
                    found.append(entry.path)
    return found


def ensure_dir_exists(dir_path: str | os.PathLike[str]) -> bool:
    """Create a folder if it is missing, and return whether it is one."""
    Path(dir_path).mkdir(parents=True, exist_ok=True)
    return True
