"""Table of a response: columns, rows and metadata, independent of the format."""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

__all__ = ['BATCH', 'RUN', 'Table', 'cell']

BATCH = 500
"""Rows that are held in memory at once."""
RUN = 2_000
"""Rows that are sorted in memory; more are sorted in parts, on the disk."""
_PIECE = 40
"""Rows of each part that are read at once."""
Row = Sequence[Any]


@dataclass
class Table:
    """Columns, rows and metadata of a response."""

    columns: Sequence[str]
    rows: Iterable[Row]
    meta: dict[str, Any] = field(default_factory=dict)
    """Members beside the rows: title, totalRecords, rootElementName."""
    described: list[dict[str, Any]] | None = None
    """The ``Columns`` member of JSON; None for none."""
    count: bool = True
    """Whether the response has totalRecords."""
    ordered: bool = False
    """Whether the rows are already sorted by the ``sortBy`` of the request."""
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """XML attributes of columns, by column name."""

    def sorted(self, keys: Sequence[str], descending: bool, folder: str) -> Table:
        """Return the table, sorted when its rows are read, numbers as numbers.

        Keys that are not columns are ignored, as in XNAT.

        Parameters
        ----------
        keys : Sequence[str]
            Names of columns, whatever their case.
        descending : bool
            Whether the largest values come first.
        folder : str
            Folder of the temporary file of many rows.
        """
        lower = [name.lower() for name in self.columns]
        places = [lower.index(key.lower()) for key in keys if key.lower() in lower]

        def key(row: Row) -> list[tuple[int, float, str]]:
            return [_sort_key(row[place]) for place in places]

        return replace(self, rows=_sorted(self.rows, key, descending, folder))


def _sorted(
    rows: Iterable[Row], key: Callable[[Row], Any], descending: bool, folder: str
) -> Iterator[Row]:
    """Sort runs of rows, and merge these from a temporary file if there are several."""
    left = iter(rows)
    runs = iter(lambda: sorted(islice(left, RUN), key=key, reverse=descending), [])
    first = next(runs, [])
    if len(first) < RUN:
        yield from first
        return
    with tempfile.TemporaryFile(dir=folder) as file:
        begins = [_write_run(file, run) for run in chain([first], runs)]
        each = (_read_run(file, begin) for begin in begins)
        yield from heapq.merge(*each, key=key, reverse=descending)


def _write_run(file: Any, run: Sequence[Row]) -> int:
    """Append a run to a file, in pieces and an empty one; return where it begins."""
    begin: int = file.tell()
    for number in range(0, len(run), _PIECE):
        pickle.dump([tuple(row) for row in run[number : number + _PIECE]], file)
    pickle.dump([], file)
    return begin


def _read_run(file: Any, place: int) -> Iterator[Row]:
    """Yield the rows of a run, with others reading from the same file meanwhile."""
    while True:
        file.seek(place)
        piece = pickle.load(file)
        place = file.tell()
        if not piece:
            return
        yield from piece


def _sort_key(value: Any) -> tuple[int, float, str]:
    text = cell(value)
    try:
        return (1, float(text), '')
    except ValueError:
        return (2, 0.0, text) if text else (0, 0.0, '')


def cell(value: Any) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return ''
    if isinstance(value, bool):
        return '1' if value else '0'
    return value if isinstance(value, str) else str(value)
