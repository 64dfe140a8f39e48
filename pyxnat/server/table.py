"""A table as the archive answers it: columns, rows, and their description. No format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ['BATCH', 'Table', 'cell']

BATCH = 500
"""Rows that are held at once."""


@dataclass
class Table:
    """Columns, rows and what is told about them."""

    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    meta: dict[str, Any] = field(default_factory=dict)
    """Members beside the rows: title, totalRecords, rootElementName."""
    described: list[dict[str, Any]] | None = None
    """The ``Columns`` member of JSON, where there is one."""
    count: bool = True
    """Whether totalRecords is told."""
    ordered: bool = False
    """Whether the rows come in the order that the request's ``sortBy`` asks for."""
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What XML tells of columns, by their names."""

    def sorted(self, keys: Sequence[str], descending: bool) -> Table:
        """The table sorted in memory by columns, numbers as numbers; a column that is not there is passed over, as in XNAT."""
        lower = [name.lower() for name in self.columns]
        places = [lower.index(key.lower()) for key in keys if key.lower() in lower]
        rows = sorted(self.rows, key=lambda row: [_sort_key(row[place]) for place in places], reverse=descending)
        return replace(self, rows=rows)


def _sort_key(value: Any) -> tuple[int, float, str]:
    text = cell(value)
    try:
        return (1, float(text), '')
    except ValueError:
        return (2, 0.0, text) if text else (0, 0.0, '')


def cell(value: Any) -> str:
    """A value as the text of a cell."""
    if value is None:
        return ''
    if isinstance(value, bool):
        return '1' if value else '0'
    return value if isinstance(value, str) else str(value)
