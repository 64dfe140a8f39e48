"""Write marker: one file per server and login, shared by all processes."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files.disk import publish
from .freshness import Moment

__all__ = ['Stamp']

log = logging.getLogger('pyxnat.cache')

_BYTES = 16
_EXISTING = os.O_WRONLY | getattr(os, 'O_BINARY', 0) | getattr(os, 'O_NOFOLLOW', 0)
_WRITTEN: dict[str, float] = {}
"""Server -> monotonic time of this process's last write to it."""


class Stamp:
    """Per-login write marker; invalidates cached responses.

    A write through the library changes the marker before and after. A cached response is used only
    if the marker is still the one of its request. Markers are compared for equality, so no clock
    matters.

    Parameters
    ----------
    path : Path
        The file; created with the first write.
    server : str
        URL of the server. Within a process, a write by any login, with any cache folder,
        invalidates.
    """

    def __init__(self, path: Path, server: str) -> None:
        self.path = path
        self._server = server
        self._unwritten = 0

    def covers(self, moment: Moment) -> bool:
        """Whether this process has written nothing since a moment."""
        return _WRITTEN.get(self._server, -math.inf) < moment.monotonic

    def read(self) -> str:
        """Return the marker; empty before the first write."""
        try:
            return (
                f'{self.path.read_bytes().hex()}:{self.path.stat().st_mtime_ns}+{self._unwritten}'
            )
        except (FileNotFoundError, NotADirectoryError):
            return f'+{self._unwritten}' if self._unwritten else ''

    def change(self) -> None:
        """Invalidate all cached responses, for all processes.

        If the folder is not writable, only for this process.
        """
        _WRITTEN[self._server] = time.monotonic()
        try:
            if not self._overwrite():
                with publish(self.path, mode=0o600, private=True) as file:
                    file.write(os.urandom(_BYTES))
        except OSError as error:
            self._unwritten += 1
            self._touch(error)

    def _overwrite(self) -> bool:
        """Change the marker in its file; return whether there is one that can be written.

        A new file in its place would take ten times as long. Others may read a mixture of old and
        new bytes, which equals no marker of a stored response.
        """
        try:
            file = os.open(self.path, _EXISTING)
        except OSError:
            return False
        try:
            os.write(file, os.urandom(_BYTES))
        finally:
            os.close(file)
        return True

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the marker before and after a write.

        Responses received during the write are invalid after it.
        """
        self.change()
        try:
            yield
        finally:
            self.change()

    def _touch(self, error: OSError) -> None:
        """Change the time of the file: possible even on a full disk."""
        try:
            os.utime(self.path)
        except OSError:
            if self._unwritten > 1:
                return  # already logged
            log.warning(
                'the cache %s is not writable (%s): other processes may use outdated responses',
                self.path.parent,
                error,
            )
