"""Result of applying a spreadsheet, row by row."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import publish
from .diff import Cell

__all__ = ['STATUSES', 'SheetReport', 'SheetResult']

STATUSES = ('failed', 'conflict', 'refused', 'to change', 'changed', 'done before')
"""Statuses of edited cells. The status of a row is the first of these among its cells'."""
_OF_CELL = {'conflict': 'conflict', 'refused': 'refused', 'same': 'done before'}
_SHOWN = 30
_COLUMNS = ('row', 'URI', 'label', 'status', 'message')


class SheetResult(NamedTuple):
    """Result of one row."""

    place: str
    """Number of the row in the sheet."""
    uri: str
    label: str
    cells: list[Cell]
    """The edited cells."""
    problem: str
    """Why the row was not applied; empty if it was."""
    is_sent: bool
    """Whether the changes of its cells were sent."""

    @property
    def statuses(self) -> list[str]:
        """One of `STATUSES` for each edited cell.

        One for a row that was refused as a whole.
        """
        if self.problem and not self.is_sent:
            return ['refused']
        sent = 'failed' if self.problem else 'changed' if self.is_sent else 'to change'
        return [_OF_CELL.get(cell.status, sent) for cell in self.cells]

    @property
    def status(self) -> str:
        """The first of `STATUSES` that one of its cells has.

        ``unchanged`` without edited cells.
        """
        return min(self.statuses, key=STATUSES.index, default='unchanged')

    @property
    def message(self) -> str:
        """The problem, conflicts and refused cells; empty if there are none."""
        wrong = [str(cell) for cell in self.cells if cell.status in ('conflict', 'refused')]
        return '; '.join(filter(None, [self.problem, *wrong]))


class SheetReport:
    """Results of all rows of a sheet.

    Attributes
    ----------
    rows : list of SheetResult
        A result for each row, in the order of the sheet.
    notes : list of str
        Columns that were ignored, cells that a spreadsheet program has rewritten.
    is_dry_run : bool
        Whether nothing was sent.
    """

    def __init__(self, rows: list[SheetResult], notes: list[str], is_dry_run: bool) -> None:
        self.rows = rows
        self.notes = notes
        self.is_dry_run = is_dry_run

    def with_status(self, *statuses: str) -> list[SheetResult]:
        """Return the rows of some of the `STATUSES`, or those that are ``unchanged``."""
        return [row for row in self.rows if row.status in statuses]

    def cells(self, *statuses: str) -> Iterator[tuple[SheetResult, Cell]]:
        """Yield the edited cells with their rows.

        Parameters
        ----------
        *statuses : str
            ``change``, ``conflict``, ``refused`` or ``same``; default: all.
        """
        for row in self.rows:
            for cell in row.cells:
                if not statuses or cell.status in statuses:
                    yield row, cell

    @property
    def conflicts(self) -> list[tuple[SheetResult, Cell]]:
        """Cells whose value on the server changed since the export; they are not sent."""
        return list(self.cells('conflict'))

    @property
    def is_complete(self) -> bool:
        """Whether every edited cell is on the server, or would be after a dry run."""
        return not self.with_status('failed', 'conflict', 'refused')

    def check(self) -> SheetReport:
        """Return the report if every edited cell was applied.

        Raises
        ------
        IntegrityError
            There are conflicts.
        DataError
            Rows failed or were refused.
        """
        wrong = self.with_status('failed', 'conflict', 'refused')
        if wrong:
            kind = errors.IntegrityError if self.conflicts else errors.DataError
            raise kind(
                f'{len(wrong)} of {len(self.rows)} rows were not applied',
                remedy=f'row {wrong[0].place} {wrong[0].label}: {wrong[0].message}',
            )
        return self

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the results of all rows as CSV; a file at the path is replaced."""
        text = io.StringIO(newline='')
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        for row in self.rows:
            writer.writerow([row.place, row.uri, row.label, row.status, row.message])
        with publish(Path(path).expanduser()) as file:
            file.write(text.getvalue().encode('utf-8-sig'))

    def __repr__(self) -> str:
        return f'<{type(self).__name__}: {self.summary()}>'

    def summary(self) -> str:
        """Return the number of rows, and that of the edited cells of each status."""
        count = Counter(status for row in self.rows for status in row.statuses)
        texts = [f'{count[status]} {status}' for status in reversed(STATUSES) if count[status]]
        return f'{len(self.rows)} rows; cells: {", ".join(texts) or "none edited"}'

    def __str__(self) -> str:
        lines = [self.summary()]
        shown = [row for row in self.rows if {*row.statuses} - {'done before'}]
        for row in shown[:_SHOWN]:
            head = f'  row {row.place} {row.label} ({row.status})'
            texts = [row.problem, *(str(cell) for cell in row.cells if cell.status != 'same')]
            lines += [f'{head}: {text}' for text in texts if text]
        if len(shown) > _SHOWN:
            lines.append(f'  … and {len(shown) - _SHOWN} more in .rows')
        return errors.printable('\n'.join([*lines, *self.notes]))
