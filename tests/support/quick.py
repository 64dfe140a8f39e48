"""Folder of temporary files of tests, in memory to avoid waiting for a disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

IN_MEMORY = Path('/dev/shm')
ROOM_BYTES = 2**31


def quick_folder() -> Path | None:
    """Return a folder in memory, if the system has one with room."""
    return (
        IN_MEMORY
        if IN_MEMORY.is_dir()
        and os.access(IN_MEMORY, os.W_OK)
        and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES
        else None
    )
