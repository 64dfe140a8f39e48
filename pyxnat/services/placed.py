"""Local files that one Interface has downloaded.

None replaces another of the same name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from .. import errors

__all__ = ['Placed']

_MOST = 100_000
"""Files remembered; the oldest are forgotten first."""

_Identity = tuple[int, int, int]
"""Device, inode and time of change: another file at the same place has another."""


class Placed:
    """Sources of downloaded files, by the identity of the file on disk.

    Identities show equal names on any disk, whether or not it distinguishes ``a`` from ``A``. A
    file that was moved, changed or removed since is forgotten.
    """

    def __init__(self) -> None:
        self._sources: dict[_Identity, str] = {}
        self._lock = threading.Lock()

    def check(self, paths: Iterable[Path], source: str, is_equal: Callable[[Path], bool]) -> None:
        """Check that places are free, or have files of the same source or content.

        One item has several URIs, so that files of equal content may be replaced.

        Parameters
        ----------
        paths : iterable of Path
            Files that will be written.
        source : str
            URI that they come from.
        is_equal : callable
            Returns whether the file at a place has the content that will be written.

        Raises
        ------
        DataError
            A place has a file that was downloaded from another URI.
        """
        for path in paths:
            other = self._source_of(path)
            if other and other != source and not is_equal(path):
                raise errors.DataError(
                    f'{path} was downloaded from {other}, and would be replaced by {source}',
                    remedy='Give another folder for each, or the path of a file; download() with '
                    'a layout= keeps them apart.',
                )

    def add(self, paths: Iterable[Path], source: str) -> None:
        """Remember files that were written.

        Parameters
        ----------
        paths : iterable of Path
            The files.
        source : str
            URI that they come from.
        """
        with self._lock:
            for path in paths:
                self._sources[_identity(path)] = source
            while len(self._sources) > _MOST:
                del self._sources[next(iter(self._sources))]

    def _source_of(self, path: Path) -> str:
        try:
            identity = _identity(path)
        except OSError:
            return ''
        with self._lock:
            return self._sources.get(identity, '')


def _identity(path: Path) -> _Identity:
    known = path.stat()
    return known.st_dev, known.st_ino, known.st_mtime_ns
