"""What a server was seen to do: beliefs about it that were compared with the plain way once."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from .disk import private_folder, publish, safe_name

__all__ = ['Beliefs']

log = logging.getLogger('pyxnat.cache')

_DAY_S = 24 * 3600.0
_REMEMBERED_S = {b'yes': 30 * _DAY_S, b'no': 30 * _DAY_S, b'cannot tell': _DAY_S}
"""A server may be another after an upgrade, and hold other things tomorrow."""

_MEANT = {b'yes': True, b'no': False, b'cannot tell': False}


class Beliefs:
    """Whether beliefs about one server hold, for all logins and processes that share the cache; for thirty days.

    Parameters
    ----------
    folder : Path
        Made with the first.
    own : Path, optional
        The same for what is a matter of one login; by default there is no such.
    """

    def __init__(self, folder: Path, own: Path | None = None) -> None:
        self.folder = folder
        self.own = own or folder
        self._seen: dict[Path, bytes] = {}

    def __repr__(self) -> str:
        return f'<Beliefs {self.folder}>'

    def holds(self, name: str) -> bool | None:
        """Whether a belief holds; `None` where that was not seen."""
        seen = [_MEANT[word] for word in map(self._word, self._places(name)) if word is not None]
        return seen[0] if seen else None

    def _places(self, name: str) -> list[Path]:
        """Where it is kept, if it is: the login's own first."""
        return list(dict.fromkeys([self.own / safe_name(name), self.folder / safe_name(name)]))

    def _word(self, path: Path) -> bytes | None:
        """What was seen, if that counts still."""
        try:
            age_s, word = time.time() - path.stat().st_mtime, path.read_bytes()
        except OSError:  # not there, or not readable: then this process's own memory counts
            return self._seen.get(path)
        return word if age_s < _REMEMBERED_S.get(word, 0) else None

    def remember(self, name: str, holds: bool | None, *, own: bool = False) -> None:
        """Keep what was seen.

        Parameters
        ----------
        holds : bool or None
            `None` where nothing that is there could tell: counts as a no for a day.
        own : bool, optional
            For this login alone; by default for all.
        """
        path = (self.own if own else self.folder) / safe_name(name)
        word = {True: b'yes', False: b'no', None: b'cannot tell'}[holds]
        self._seen[path] = word
        try:
            private_folder(path.parent)
            with publish(path, mode=0o600) as file:
                file.write(word)
        except OSError as error:
            log.warning('%s cannot be written (%s): what the server does is looked at by each process', path.parent, error)

    def forget(self, name: str) -> None:
        """Look at the server again."""
        for path in self._places(name):
            self._seen.pop(path, None)
            path.unlink(missing_ok=True)
