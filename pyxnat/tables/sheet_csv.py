"""Spreadsheets as CSV, safe for spreadsheet programs.

A text that such a program would take for a formula gets an apostrophe, which is removed when the
file is read: ``'=1+1``. Files of any program can be read (:mod:`.csv_file`).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..patterns import pattern
from .csv_file import read_csv_file
from .sheet_rows import HIDDEN, SheetRow

__all__ = ['read_csv_sheet', 'write_csv_sheet']

_FORMULA = pattern(r"'*[=+\-@\t\r]", re.DOTALL)
"""Beginning of a text that is taken for a formula, or was with apostrophes."""
_NUMBER = pattern(r'[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?')
_ESCAPED = pattern(r"'+[=+\-@\t\r]", re.DOTALL)


def write_csv_sheet(
    columns: Sequence[str], rows: Iterable[SheetRow], origin: Mapping[str, str]
) -> bytes:
    """Return a CSV file in UTF-8, with the byte order mark that Excel needs.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    rows : iterable of SheetRow
        The rows.
    origin : mapping
        Server and selection; each row has them.
    """
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow([*columns, HIDDEN])
    for row in rows:
        hidden = json.dumps({**origin, 'exported': row.exported}, ensure_ascii=False)
        writer.writerow([*(_escaped(row.cells[name]) for name in columns), hidden])
    return text.getvalue().encode('utf-8-sig')


def read_csv_sheet(path: Path) -> tuple[list[str], list[SheetRow], list[dict[str, str]]]:
    """Return columns, rows, and the different origins of the rows of a CSV file.

    Raises
    ------
    DataError
        The file is no CSV.
    """
    found = read_csv_file(path)
    columns = [name for name in (found[0].cells if found else ()) if name != HIDDEN]
    origins: list[dict[str, str]] = []
    rows = []
    for number, row in enumerate(found, 2):
        origin, exported = _hidden(row.cells.get(HIDDEN, ''))
        if origin and origin not in origins:
            origins.append(origin)
        cells = {name: _plain(row.cells[name]) for name in columns}
        rows.append(SheetRow(str(number), cells, exported))
    return columns, rows, origins


def _hidden(text: str) -> tuple[dict[str, str], dict[str, str] | None]:
    """Return the origin and the exported values of a row, as far as they can be read."""
    try:
        found = json.loads(text)
        exported = found.pop('exported')
        return found, {str(name): str(value) for name, value in exported.items()}
    except (ValueError, KeyError, AttributeError):
        return {}, None


def _escaped(text: str) -> str:
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def _plain(text: str) -> str:
    return text[1:] if _ESCAPED.match(text) else text
