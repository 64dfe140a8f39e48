"""The mark of the last write: one small file for a server and login, seen by every process that shares the cache."""

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
_WRITTEN: dict[str, float] = {}
"""Server -> when this process last wrote to it, by the monotonic clock."""


class Stamp:
    """What an answer was given under. A write through the library changes it before and after; answers from before are not given again.

    It is compared, not ordered, so no clock has a say.

    Parameters
    ----------
    path : Path
        The file; it is made with the first write.
    server : str
        What is written to: within a process, a write by any login, with whatever cache folder, counts.
    """

    def __init__(self, path: Path, server: str) -> None:
        self.path = path
        self._server = server
        self._unwritten = 0

    def covers(self, moment: Moment) -> bool:
        """Whether nothing was written by this process since a moment."""
        return _WRITTEN.get(self._server, -math.inf) < moment.monotonic

    def read(self) -> str:
        """The mark as it stands; empty before the first write."""
        try:
            return f'{self.path.read_bytes().hex()}:{self.path.stat().st_mtime_ns}+{self._unwritten}'
        except (FileNotFoundError, NotADirectoryError):
            return f'+{self._unwritten}' if self._unwritten else ''

    def change(self) -> None:
        """Make what was answered so far count as old, for all processes; where the folder cannot be written, for this one."""
        _WRITTEN[self._server] = time.monotonic()
        try:
            with publish(self.path, mode=0o600, private=True) as file:
                file.write(os.urandom(_BYTES))
        except OSError as error:
            self._unwritten += 1
            self._touch(error)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around a write: what is asked while it is under way is old when it is done."""
        self.change()
        try:
            yield
        finally:
            self.change()

    def _touch(self, error: OSError) -> None:
        """A full disk has no room for a new file, but time for the old one."""
        try:
            os.utime(self.path)
        except OSError:
            if self._unwritten > 1:
                return  # it was said
            log.warning('the cache %s cannot be written (%s): other processes may be given what this one changes', self.path.parent, error)
