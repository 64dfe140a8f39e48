"""Where tests write, so that they do not wait for a disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

IN_MEMORY = Path('/dev/shm')
ROOM_BYTES = 2**31


def quick_folder() -> Path | None:
    """A folder in memory, where the system has one with room: what is written for a test need not
    outlast a power cut."""
    return (
        IN_MEMORY
        if IN_MEMORY.is_dir()
        and os.access(IN_MEMORY, os.W_OK)
        and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES
        else None
    )
