"""What a server was seen to do: beliefs about it that were compared with the plain way once."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from .disk import private_folder, publish, safe_name

__all__ = ['Beliefs']

log = logging.getLogger('pyxnat.cache')

_REMEMBERED_S = 30 * 24 * 3600.0
"""A server may be another after an upgrade."""


class Beliefs:
    """Whether beliefs about one server hold, for all logins and processes that share the cache; for thirty days.

    Parameters
    ----------
    folder : Path
        Made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f'<Beliefs {self.folder}>'

    def holds(self, name: str) -> bool | None:
        """Whether a belief holds; `None` where that was not seen."""
        path = self.folder / safe_name(name)
        try:
            if time.time() - path.stat().st_mtime < _REMEMBERED_S:
                return path.read_bytes() == b'yes'
        except OSError:  # not there, or not readable: then this process's own memory counts
            return self._seen.get(name)
        return None

    def remember(self, name: str, holds: bool) -> None:
        """Keep what was seen."""
        self._seen[name] = holds
        try:
            private_folder(self.folder)
            with publish(self.folder / safe_name(name), mode=0o600) as file:
                file.write(b'yes' if holds else b'no')
        except OSError as error:
            log.warning('%s cannot be written (%s): what the server does is looked at by each process', self.folder, error)

    def forget(self, name: str) -> None:
        """Look at the server again."""
        self._seen.pop(name, None)
        (self.folder / safe_name(name)).unlink(missing_ok=True)
