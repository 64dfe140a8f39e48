"""Cursor of the Python database API (PEP 249) over a collection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..errors import InterfaceError

__all__ = ['Cursor']


class Cursor:
    """Fetches the elements of a collection once, one after the other.

    Attributes
    ----------
    arraysize : int
        Default number of elements of `fetchmany`; 1.
    description : tuple
        One column: the element.
    """

    description = (('element', None, None, None, None, None, None),)

    def __init__(self, collection: Iterable[Any]) -> None:
        self.arraysize = 1
        self._elements: Iterator[Any] | None = iter(collection)
        self._count = 0
        self._ended = False

    @property
    def rowcount(self) -> int:
        """The number of elements; -1 until the last was fetched."""
        return self._count if self._ended else -1

    def _open(self) -> Iterator[Any]:
        if self._elements is None:
            raise InterfaceError('the cursor is closed')
        return self._elements

    def fetchone(self) -> Any:
        """Return the next element; None after the last."""
        found = self.fetchmany(1)
        return found[0] if found else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next `size` elements, fewer at the end."""
        wanted = self.arraysize if size is None else size
        found = list(islice(self._open(), wanted))
        self._count += len(found)
        self._ended = self._ended or len(found) < wanted
        return found

    def fetchall(self) -> list[Any]:
        """Return the remaining elements."""
        found = list(self._open())
        self._count += len(found)
        self._ended = True
        return found

    def close(self) -> None:
        """Close the cursor: fetching raises an error from now on."""
        self._elements = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        found = self.fetchone()
        if found is None:
            raise StopIteration
        return found

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
