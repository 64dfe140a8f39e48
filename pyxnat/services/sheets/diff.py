"""Three-way comparison of a spreadsheet.

Exported values, edited cells, present values. Nothing here makes a request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...errors import ProgrammingError
from ...patterns import pattern
from ...tables.sheet import KEY, Sheet, SheetRow

__all__ = [
    'Cell',
    'Checker',
    'Checkers',
    'RowDiff',
    'compare',
    'edited_columns',
    'edited_uris',
    'looks_rewritten',
]


class Cell(NamedTuple):
    """A cell that was edited."""

    column: str
    exported: str
    """Value at the export."""
    present: str
    """Value on the server."""
    edited: str
    """Value in the spreadsheet; empty to clear the field."""
    status: str
    """``change``, ``conflict``, ``refused`` or ``same`` (the server has the edited value)."""
    message: str = ''

    def __str__(self) -> str:
        if self.status == 'conflict':
            return (
                f'{self.column}: exported {self.exported!r}, since changed to {self.present!r} on '
                f'the server and to {self.edited!r} in the sheet'
            )
        if self.status == 'refused':
            return f'{self.column}: {self.message}'
        return f'{self.column}: {self.present!r} -> {self.edited!r}'


class RowDiff(NamedTuple):
    """The comparison of a row."""

    row: SheetRow
    cells: list[Cell]
    """The edited cells."""
    problem: str = ''
    """Why the row as a whole is not applied."""
    rewritten: int = 0
    """Number of cells that look rewritten by a spreadsheet program, and count as unchanged."""

    @property
    def uri(self) -> str:
        """URI of the element; empty if the row has none."""
        return self.row.cells.get(KEY, '')

    @property
    def changes(self) -> list[Cell]:
        """The cells to send."""
        return [cell for cell in self.cells if cell.status == 'change']


class Checker(NamedTuple):
    """Values that one field of one data type can hold."""

    check: Callable[[str], str]
    """Returns a text as the server stores it, the empty text to clear the field. Raises
    `ProgrammingError`.
    """
    normal: Callable[[str], object]
    """Returns a value that is equal for texts of the same meaning, such as ``3`` and ``3.0``."""
    kind: str = 'string'
    """Kind of its values, as of :class:`pyxnat.model.schemas.Field`."""

    def is_same(self, one: str, other: str) -> bool:
        """Whether two texts mean the same value.

        Parameters
        ----------
        one, other : str
            The texts, either of which may be empty.
        """
        return one == other or (bool(one and other) and self.normal(one) == self.normal(other))


Checkers = Callable[[str, str], Checker]
"""Returns the checker of a column, for the element of a URI."""


def edited_columns(sheet: Sheet) -> list[str]:
    """Return the columns with edited cells, among those that were exported."""
    return [
        name
        for name in sheet.columns
        if any(
            row.exported is None
            or name in row.unreadable
            or row.cells[name] != row.exported.get(name, row.cells[name])
            for row in sheet.rows
        )
    ]


def edited_uris(sheet: Sheet, columns: Sequence[str]) -> list[str]:
    """Return the URIs of rows with edited cells.

    Parameters
    ----------
    sheet : Sheet
        The edited sheet.
    columns : sequence of str
        The columns to look at.
    """
    return [
        row.cells[KEY]
        for row in sheet.rows
        if any(
            name in row.unreadable or row.cells[name] != (row.exported or {}).get(name)
            for name in columns
        )
    ]


def compare(
    sheet: Sheet,
    present: Mapping[str, Mapping[str, str]],
    checkers: Checkers,
    columns: Sequence[str],
    may_be_rewritten: bool = False,
) -> list[RowDiff]:
    """Compare each row of a sheet with its exported and its present values.

    Parameters
    ----------
    sheet : Sheet
        The edited sheet.
    present : mapping
        Present values by URI and column.
    checkers : callable
        Checkers of the fields.
    columns : sequence of str
        Columns to compare.
    may_be_rewritten : bool
        Whether spreadsheet programs rewrite cells of the file's format: ``007`` as ``7``.
    """
    count = Counter(row.cells.get(KEY, '') for row in sheet.rows)
    found = []
    for row in sheet.rows:
        uri = row.cells.get(KEY, '')
        problem = (
            f'it has no {KEY}; new elements are created by insert()'
            if not uri
            else f'{count[uri]} rows have its {KEY}'
            if count[uri] > 1
            else ''
        )
        if problem:
            found.append(RowDiff(row, [], problem))
            continue
        found.append(_compare_row(row, present.get(uri), checkers, columns, may_be_rewritten))
    return found


def _compare_row(
    row: SheetRow,
    present: Mapping[str, str] | None,
    checkers: Checkers,
    columns: Iterable[str],
    may_be_rewritten: bool,
) -> RowDiff:
    cells, rewritten = [], 0
    for name in columns:
        if name in row.unreadable:
            cells.append(Cell(name, '', '', '', 'refused', f'the cell has {row.unreadable[name]}'))
            continue
        edited, exported = row.cells[name], (row.exported or {}).get(name)
        if edited == exported or (exported is None and row.exported is not None):
            continue
        if present is None:
            return RowDiff(row, [], 'there is no such element, or this login may not read it')
        checker = checkers(row.cells[KEY], name)
        if exported is not None and checker.is_same(edited, exported):
            continue
        if exported and may_be_rewritten and looks_rewritten(exported, edited, checker.kind):
            rewritten += 1
            continue
        cell = _compare_cell(name, exported, present.get(name, ''), edited, checker)
        if exported is not None or cell.status != 'same':
            cells.append(cell)
    return RowDiff(row, cells, '', rewritten)


def _compare_cell(
    name: str, exported: str | None, present: str, edited: str, checker: Checker
) -> Cell:
    if checker.is_same(edited, present):
        return Cell(name, exported or '', present, edited, 'same')
    try:
        value = checker.check(edited)
    except ProgrammingError as error:
        return Cell(name, exported or '', present, edited, 'refused', str(error))
    if checker.is_same(value, present):
        return Cell(name, exported or '', present, edited, 'same')
    if exported is None:
        problem = 'the exported value is unknown, so either side may have changed it'
        return Cell(name, '', present, edited, 'refused', problem)
    status = 'change' if checker.is_same(exported, present) else 'conflict'
    return Cell(name, exported, present, value, status)


_DAY = pattern(r'(\d{4})-(\d\d)-(\d\d)(?:[T ].*)?')
_LOCAL_DAY = pattern(
    r'(\d{1,4})[./ -](\d{1,2})[./ -](\d{1,4})(?: [\d:., ]+(?:[AP]M)?)?', re.IGNORECASE
)
"""A day, with or without a time, in the notation of some country."""


def looks_rewritten(exported: str, edited: str, kind: str) -> bool:
    """Whether a spreadsheet program makes one text of another, without a person.

    Programs write numbers and dates in their own way: ``007`` as ``7``, ``3.5`` as ``3,5``, ``1E5``
    as ``100000`` or ``1.00E+05``, ``2020-01-31`` as ``31/01/2020`` or ``1/31/20``, ``true`` as
    ``TRUE``.

    Parameters
    ----------
    exported : str
        The text in the file.
    edited : str
        The text in the file that came back.
    kind : str
        Kind of the field.

    Examples
    --------
    >>> looks_rewritten('007', '7', 'string'), looks_rewritten('2020-01-31', '31.01.20', 'date')
    (True, True)
    >>> looks_rewritten('007', '8', 'string'), looks_rewritten('2020-01-31', '01.02.2020', 'date')
    (False, False)
    """
    if exported.lower() == edited.lower() and exported.lower() in ('true', 'false'):
        return True
    day, local = _DAY.fullmatch(exported), _LOCAL_DAY.fullmatch(edited)
    if day is not None and local is not None and not _DAY.fullmatch(edited):
        year, *rest = day.groups()
        parts = sorted(part.zfill(2) for part in local.groups())
        return parts in (sorted([year, *rest]), sorted([year[2:], *rest]))
    try:
        before, after = float(exported), float(edited.replace(',', '.'))
    except ValueError:
        return False
    if 'e' not in edited.lower() or kind in ('integer', 'float'):
        return before == after
    digits = len(re.sub(r'[eE].*|\D', '', edited))
    return float(f'{before:.{max(digits - 1, 0)}e}') == after
