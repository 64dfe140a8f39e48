"""What became of many files or elements: what was done, what was there already, what failed and why."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from ... import errors

__all__ = ['Failure', 'Report']

_SHOWN = 10
_UNITS = ('bytes', 'kB', 'MB', 'GB', 'TB')


class Failure(NamedTuple):
    """One thing that could not be done."""

    what: str
    """URI, or path on this computer."""
    error: BaseException
    """Why."""

    def __str__(self) -> str:
        return f'{self.what}: {self.error}'


class Report:
    """What became of each part of a large undertaking. Failures are collected here; the rest is done all the same.

    Parameters
    ----------
    doing : str
        What it was, as a participle: ``downloaded``.
    where : str
        To or from where.

    Attributes
    ----------
    ok : list of str
        What was done: paths below the folder of files, URIs of elements. In no order.
    skipped : list of str
        What was there already, as it should be.
    failed : list of Failure
        What could not be done.
    bytes : int
        Bytes of content that were moved.
    seconds : float
        How long it took.
    """

    def __init__(self, doing: str, where: str = '') -> None:
        self.ok: list[str] = []
        self.skipped: list[str] = []
        self.failed: list[Failure] = []
        self.bytes = 0
        self.seconds = 0.0
        self._doing, self._where = doing, where
        self._started = time.monotonic()
        self._lock = threading.Lock()

    @property
    def is_complete(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    def did(self, what: str, size: int = 0) -> None:
        """Note that something was done."""
        with self._lock:
            self.ok.append(what)
            self.bytes += size

    def skip(self, what: str) -> None:
        """Note that something was there already."""
        with self._lock:
            self.skipped.append(what)

    def fail(self, what: str, error: BaseException) -> None:
        """Note that something could not be done."""
        with self._lock:
            self.failed.append(Failure(what, error))

    def end(self) -> Report:
        """Stop the clock; itself."""
        self.seconds = time.monotonic() - self._started
        return self

    def check(self) -> Report:
        """Itself, if nothing failed.

        Raises
        ------
        DataError
            Something did; its cause is the first failure.
        """
        if self.failed:
            raise errors.DataError(f'{len(self.failed)} of {self._count} failed', remedy=str(self.failed[0])) from self.failed[0].error
        return self

    @property
    def _count(self) -> int:
        return len(self.ok) + len(self.skipped) + len(self.failed)

    def __repr__(self) -> str:
        return f'<{type(self).__name__}: {len(self.ok)} {self._doing}, {len(self.skipped)} skipped, {len(self.failed)} failed>'

    def __str__(self) -> str:
        where = f' {self._where}' if self._where else ''
        moved = f' ({_readable(self.bytes)})' if self.bytes else ''
        lines = [f'{len(self.ok)} {self._doing}{where}{moved} in {self.seconds:.1f} s, {len(self.skipped)} there already, {len(self.failed)} failed']
        lines += [f'  {failure}' for failure in self.failed[:_SHOWN]]
        if len(self.failed) > _SHOWN:
            lines.append(f'  … and {len(self.failed) - _SHOWN} more in .failed')
        return '\n'.join(lines)


def _readable(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'
        size /= 1000
    return f'{size:.1f} {_UNITS[-1]}'
