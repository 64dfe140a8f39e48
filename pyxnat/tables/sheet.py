"""Spreadsheets that go out and come back.

Rows of text, with the values that were exported. A row is known by its cell in the column ``URI``.
The exported values stand in a hidden sheet of an XLSX file, and in the last column of a CSV file,
in each row: so they come along when rows are sorted, removed or copied, and a file by the side
cannot be lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, ProgrammingError
from .sheet_csv import read_csv_sheet, write_csv_sheet
from .sheet_rows import HIDDEN, KEY, SheetRow
from .sheet_xlsx import read_xlsx_sheet, write_xlsx_sheet

__all__ = [
    'HIDDEN',
    'KEY',
    'SUFFIXES',
    'Sheet',
    'SheetRow',
    'check_suffix',
    'exported',
    'read_sheet',
]

SUFFIXES = ('.csv', '.xlsx')
"""Formats of spreadsheets."""


class Sheet(NamedTuple):
    """A spreadsheet."""

    columns: list[str]
    """Names of the visible columns."""
    rows: list[SheetRow]
    origin: dict[str, str]
    """Server and selection that it was exported from."""

    def content(self, suffix: str, editable: Sequence[str] = ()) -> bytes:
        """Return the file's content.

        Parameters
        ----------
        suffix : str
            One of `SUFFIXES`.
        editable : sequence of str
            Columns that can be changed; XLSX shows the others in grey.

        Raises
        ------
        DataError
            XLSX cannot hold a cell.
        ImportError
            openpyxl is not installed.
        """
        if suffix == '.xlsx':
            return write_xlsx_sheet(self.columns, self.rows, self.origin, editable)
        return write_csv_sheet(self.columns, self.rows, self.origin)


def exported(
    columns: Iterable[str], rows: Iterable[Mapping[str, str]], origin: Mapping[str, str]
) -> Sheet:
    """Return the sheet of rows whose values are those of the server.

    Parameters
    ----------
    columns : iterable of str
        Names of the columns; `KEY` is among them.
    rows : iterable of mapping
        Texts by column.
    origin : mapping
        Server and selection.
    """
    names = list(columns)
    texts = [{name: row[name] for name in names} for row in rows]
    made = [SheetRow(str(number), cells, dict(cells)) for number, cells in enumerate(texts, 2)]
    return Sheet(names, made, dict(origin))


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a spreadsheet's path in lower case.

    Raises
    ------
    ProgrammingError
        It is none of `SUFFIXES`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ProgrammingError(
            f'{Path(path).name!r} is no spreadsheet', remedy=f'Use {" or ".join(SUFFIXES)}.'
        )
    return suffix


def read_sheet(path: str | os.PathLike[str]) -> Sheet:
    """Read a spreadsheet that was exported and edited.

    Columns and rows may have moved, and be missing or new.

    Parameters
    ----------
    path : path
        CSV or XLSX file.

    Raises
    ------
    DataError
        The file cannot be read, or was not exported by `Sheet`.
    ImportError
        openpyxl is not installed.
    """
    file = Path(path).expanduser()
    read = read_xlsx_sheet if check_suffix(file) == '.xlsx' else read_csv_sheet
    columns, rows, origins = read(file)
    if KEY not in columns:
        raise DataError(
            f'{file}: there is no column {KEY!r}',
            remedy='It tells which row is which. Export again, and keep it.',
        )
    if len(origins) > 1:
        remedy = 'Apply the rows of each by themselves.'
        raise DataError(f'{file}: its rows come from several exports', remedy=remedy)
    if not origins:
        raise DataError(
            f'{file}: the exported values are missing',
            remedy=f'They are in the hidden sheet {HIDDEN} of XLSX, which is lost if that is saved '
            f'as CSV, and in the column {HIDDEN} of CSV. Keep them.',
        )
    return Sheet(columns, rows, origins[0])
