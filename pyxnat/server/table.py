"""Table of a response: columns, rows and metadata, independent of the format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ['BATCH', 'Table', 'cell']

BATCH = 500
"""Rows that are held in memory at once."""


@dataclass
class Table:
    """Columns, rows and metadata of a response."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
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

    def sorted(self, keys: Sequence[str], descending: bool) -> Table:
        """Return the table sorted in memory, numbers as numbers.

        Keys that are not columns are ignored, as in XNAT.

        Parameters
        ----------
        keys : Sequence[str]
            Names of columns, whatever their case.
        descending : bool
            Whether the largest values come first.
        """
        lower = [name.lower() for name in self.columns]
        places = [lower.index(key.lower()) for key in keys if key.lower() in lower]
        rows = sorted(
            self.rows,
            key=lambda row: [_sort_key(row[place]) for place in places],
            reverse=descending,
        )
        return replace(self, rows=rows)


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
