"""Files that the command keeps between runs: staged copies and logs.

They are in ``pyxnat`` below ``$XDG_STATE_HOME`` or ``~/.local/state``; only their owner can read
them.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ['staging_folder', 'state_folder']


def state_folder(name: str) -> Path:
    """Return a folder of the command's state, created if missing."""
    home = os.environ.get('XDG_STATE_HOME') or Path.home() / '.local' / 'state'
    folder = Path(home, 'pyxnat', name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def staging_folder(source: str, dest: str, kind: str = 'copies') -> Path:
    """Return the folder of a copy, created if missing; the same copy finds it again.

    Parameters
    ----------
    source, dest : str
        URLs of both elements; each pair has a folder of its own.
    kind : str
        ``copies`` or ``imports``.
    """
    key = hashlib.blake2b(f'{source}\n{dest}'.encode(), digest_size=8).hexdigest()
    folder = state_folder(kind) / key
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder
