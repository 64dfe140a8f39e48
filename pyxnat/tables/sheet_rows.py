"""A row of a spreadsheet."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ['HIDDEN', 'KEY', 'SheetRow']

KEY = 'URI'
"""Column that tells which row is which."""
HIDDEN = '_pyxnat'
"""Name of the hidden sheet, or of the column, with the exported values."""


class SheetRow(NamedTuple):
    """A row of a spreadsheet, as texts."""

    place: str
    """Its number, as spreadsheet programs count, the header included."""
    cells: dict[str, str]
    exported: dict[str, str] | None = None
    """The values that were exported; `None` if they are unknown."""
    unreadable: dict[str, str] = {}
    """Columns whose cells have no value, such as ``#REF!``, with the reason."""
