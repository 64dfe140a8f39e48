"""A folder that cannot be read, not even by root."""

from __future__ import annotations

import os
from pathlib import Path

_NAME, _DEPTH = 'd' * 200, 25


def make_unreadable(folder: Path) -> None:
    """Make folders below a folder until their paths are longer than the system takes."""
    folder.mkdir(parents=True, exist_ok=True)
    above = os.open(folder, os.O_RDONLY)
    for _ in range(_DEPTH):
        os.mkdir(_NAME, dir_fd=above)
        below = os.open(_NAME, os.O_RDONLY, dir_fd=above)
        os.close(above)
        above = below
    os.close(above)
