"""Functions on local paths of pyxnat 1.x."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ['ensure_dir_exists', 'find_files']


def find_files(src: str | os.PathLike[str]) -> list[str]:
    """Return the paths of all files below a folder, those of linked folders included."""
    return [
        str(Path(folder) / name)
        for folder, _, names in os.walk(src, followlinks=True)
        for name in names
    ]


def ensure_dir_exists(dir_path: str | os.PathLike[str]) -> bool:
    """Create a folder if it is missing, and return whether it is one."""
    Path(dir_path).mkdir(parents=True, exist_ok=True)
    return True
