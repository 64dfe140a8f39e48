"""Report of a bulk operation: successes, skipped items, failures."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

from ... import errors

__all__ = ['Failure', 'Report']

_SHOWN = 10
_UNITS = ('bytes', 'kB', 'MB', 'GB', 'TB')


class Failure(NamedTuple):
    """An item of a bulk operation that failed."""

    what: str
    """Path of a file below the folder, or URI of an element."""
    error: BaseException
    """Cause."""

    def __str__(self) -> str:
        return errors.printable(f'{self.what}: {self.error}')


class Report:
    """Results of a bulk operation, which goes on after failures.

    Parameters
    ----------
    doing : str
        Past participle of the operation: ``downloaded``.
    where : str
        Destination, with its preposition.

    Attributes
    ----------
    ok : list of str
        Successes, in no order: paths of files below the folder, URIs of elements.
    created : list of str
        URIs of elements that an upload created, before it sent the files.
    skipped : list of str
        Items that existed already, unchanged.
    notes : list of str
        Items that were left out, for reasons that are no failures.
    failed : list of Failure
        Failures.
    bytes : int
        Bytes of content transferred.
    seconds : float
        Duration.
    """

    def __init__(self, doing: str, where: str = '') -> None:
        self.ok: list[str] = []
        self.created: list[str] = []
        self.notes: list[str] = []
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

    def add_success(self, item: str, size: int = 0) -> None:
        """Record a success.

        Parameters
        ----------
        item : str
            Path or URI.
        size : int
            Bytes transferred.
        """
        with self._lock:
            self.ok.append(item)
            self.bytes += size

    def add_created(self, uri: str) -> None:
        """Record an element that was created."""
        with self._lock:
            self.created.append(uri)

    def add_note(self, note: str) -> None:
        """Record a sentence about something left out."""
        with self._lock:
            self.notes.append(note)

    def add_skipped(self, item: str) -> None:
        """Record an item that existed already."""
        with self._lock:
            self.skipped.append(item)

    def add_failure(self, item: str, error: BaseException) -> None:
        """Record a failure.

        Parameters
        ----------
        item : str
            Path or URI.
        error : BaseException
            Its cause.
        """
        with self._lock:
            self.failed.append(Failure(item, error))

    def finish(self) -> Report:
        """Set the duration, and return the report."""
        self.seconds = time.monotonic() - self._started
        return self

    def check(self) -> Report:
        """Return the report if nothing failed.

        Raises
        ------
        DataError
            If an item failed; the cause is the first failure.
        """
        if self.failed:
            raise errors.DataError(
                f'{len(self.failed)} of {self._count} failed', remedy=str(self.failed[0])
            ) from self.failed[0].error
        return self

    @property
    def _count(self) -> int:
        return len(self.ok) + len(self.skipped) + len(self.failed)

    def __repr__(self) -> str:
        return (
            f'<{type(self).__name__}: {len(self.ok)} {self._doing}, {len(self.skipped)} skipped, '
            f'{len(self.failed)} failed>'
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show in IPython what print shows."""
        printer.text(str(self))

    def __str__(self) -> str:
        where = f' {self._where}' if self._where else ''
        moved = f' ({_readable(self.bytes)})' if self.bytes else ''
        created = f', {len(self.created)} elements created' if self.created else ''
        lines = [
            f'{len(self.ok)} {self._doing}{where}{moved} in {self.seconds:.1f} s, '
            f'{len(self.skipped)} there already, {len(self.failed)} failed{created}'
        ]
        lines += [f'  {failure}' for failure in self.failed[:_SHOWN]]
        if len(self.failed) > _SHOWN:
            lines.append(f'  … and {len(self.failed) - _SHOWN} more in .failed')
        lines += [f'  {note}' for note in self.notes[:_SHOWN]]
        if len(self.notes) > _SHOWN:
            lines.append(f'  … and {len(self.notes) - _SHOWN} more in .notes')
        return errors.printable('\n'.join(lines))


def _readable(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f'{size:.0f} {unit}' if unit == 'bytes' else f'{size:.1f} {unit}'
        size /= 1000
    return f'{size:.1f} {_UNITS[-1]}'
