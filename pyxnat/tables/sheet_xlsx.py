"""Spreadsheets as XLSX.

Every cell is a text, so that no program rewrites IDs and dates.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..patterns import pattern
from .sheet_rows import HIDDEN, KEY, SheetRow

__all__ = ['read_xlsx_sheet', 'write_xlsx_sheet']

_LONGEST = 32767
"""Characters that a cell can have."""
_TEXT = '@'
_CODE = pattern(r'_x([0-9A-Fa-f]{4})_')
_WIDEST = 60


def write_xlsx_sheet(
    columns: Sequence[str],
    rows: Iterable[SheetRow],
    origin: Mapping[str, str],
    editable: Sequence[str] = (),
) -> bytes:
    """Return an XLSX file, with the exported values in a hidden sheet.

    Parameters
    ----------
    columns : sequence of str
        Names of the columns.
    rows : iterable of SheetRow
        The rows.
    origin : mapping
        Server and selection.
    editable : sequence of str
        Columns that can be changed; the others are grey.

    Raises
    ------
    DataError
        A text is too long for a cell, or has control characters.
    ImportError
        openpyxl is not installed.
    """
    openpyxl = _openpyxl()
    book = openpyxl.Workbook()
    shown, hidden = book.active, book.create_sheet(HIDDEN)
    shown.title = 'sheet'
    hidden.sheet_state = 'hidden'
    _write_row(hidden, 1, [text for pair in origin.items() for text in pair])
    _write_row(hidden, 2, columns)
    _write_row(shown, 1, columns)
    widths = [len(name) for name in columns]
    for number, row in enumerate(rows, 2):
        texts = [row.cells[name] for name in columns]
        _write_row(shown, number, texts)
        _write_row(hidden, number + 1, [(row.exported or {}).get(name, '') for name in columns])
        widths = [max(pair) for pair in zip(widths, map(len, texts), strict=True)]
    _decorate(openpyxl, shown, columns, widths, editable)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _openpyxl() -> Any:
    try:
        import openpyxl  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise ImportError(
            "openpyxl is missing: pip install 'pyxnat[xlsx]', or use CSV", name='openpyxl'
        ) from error
    return openpyxl


def _write_row(sheet: Any, number: int, texts: Sequence[str]) -> None:
    """Write a row of texts, also of those that look like formulas or numbers."""
    for place, text in enumerate(texts, 1):
        cell = sheet.cell(number, place)
        cell.number_format = _TEXT
        if text:
            if len(text) > _LONGEST or any(ord(char) < 32 and char not in '\t\n' for char in text):
                raise DataError(
                    f'row {number}: XLSX cannot hold {text[:40]!r}',
                    remedy='It is too long, or has control characters. Export as CSV.',
                )
            cell.value = _CODE.sub(r'_x005F_x\1_', text)
            cell.data_type = 's'


def _decorate(
    openpyxl: Any,
    sheet: Any,
    columns: Sequence[str],
    widths: Sequence[int],
    editable: Sequence[str],
) -> None:
    """Mark the header and the columns that cannot be changed."""
    styles = openpyxl.styles
    grey = styles.Font(color='808080')
    for place, (name, width) in enumerate(zip(columns, widths, strict=True), 1):
        letter = openpyxl.utils.get_column_letter(place)
        sheet.column_dimensions[letter].width = min(width, _WIDEST) + 2
        if name not in editable:
            for (cell,) in sheet.iter_rows(min_row=2, min_col=place, max_col=place):
                cell.font = grey
        sheet.cell(1, place).font = styles.Font(bold=True)
    sheet.freeze_panes = 'A2'
    sheet.auto_filter.ref = sheet.dimensions


def read_xlsx_sheet(path: Path) -> tuple[list[str], list[SheetRow], list[dict[str, str]]]:
    """Return columns, rows and origin of an XLSX file.

    Raises
    ------
    DataError
        The file is no XLSX, or its header has a name twice.
    ImportError
        openpyxl is not installed.
    """
    openpyxl = _openpyxl()
    try:
        book = openpyxl.load_workbook(path)
    except (openpyxl.utils.exceptions.InvalidFileException, zipfile.BadZipFile, KeyError) as error:
        raise DataError(f'{path} is no XLSX file', remedy='Save it as .xlsx or .csv.') from error
    shown = [sheet for sheet in book.worksheets if sheet.title != HIDDEN]
    sheet = next((one for one in shown if KEY in _header(one)), shown[0] if shown else None)
    if sheet is None:
        return [], [], []
    header = _header(sheet)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(
            f'{path}: the header has {", ".join(twice)} more than once',
            remedy='Rename or remove all but one of each.',
        )
    origins, exported = _hidden(book[HIDDEN]) if HIDDEN in book.sheetnames else ([], {})
    results = _Results(openpyxl, path, sheet.title)
    rows = []
    for number, line in enumerate(sheet.iter_rows(min_row=2), 2):
        cells, unreadable = {}, {}
        for name, cell in zip(header, line, strict=False):
            if name:
                cells[name], problem = _text(cell, results)
                if problem:
                    unreadable[name] = problem
        if any(cells.values()) or unreadable:
            full = {name: cells.get(name, '') for name in header if name}
            rows.append(SheetRow(str(number), full, exported.get(full.get(KEY, '')), unreadable))
    return [name for name in header if name], rows, origins


def _header(sheet: Any) -> list[str]:
    first = next(sheet.iter_rows(min_row=1, max_row=1), ())
    return ['' if cell.value is None else _decoded(str(cell.value)).strip() for cell in first]


def _hidden(sheet: Any) -> tuple[list[dict[str, str]], dict[str, dict[str, str]]]:
    """Return the origin, and the exported values by URI."""
    lines = [
        ['' if value is None else _decoded(str(value)) for value in line]
        for line in sheet.iter_rows(values_only=True)
    ]
    if len(lines) < 2 or KEY not in lines[1]:
        return [], {}
    first = [text for text in lines[0] if text]
    origin = dict(zip(first[::2], first[1::2], strict=False))
    columns = [name for name in lines[1] if name]
    rows = [dict(zip(columns, line, strict=False)) for line in lines[2:]]
    return [origin], {row[KEY]: row for row in rows}


class _Results:
    """Values of formulas, as the program that saved the file computed them."""

    def __init__(self, openpyxl: Any, path: Path, title: str) -> None:
        self._openpyxl, self._path, self._title = openpyxl, path, title
        self._sheet: Any = None

    def value(self, place: str) -> Any:
        if self._sheet is None:
            self._sheet = self._openpyxl.load_workbook(self._path, data_only=True)[self._title]
        return self._sheet[place]


def _text(cell: Any, results: _Results) -> tuple[str, str]:
    """Return the text of a cell, and why it has none."""
    if cell.data_type == 'f':
        cell = results.value(cell.coordinate)
        if cell.value is None:
            return '', 'a formula that no program has computed'
    if cell.data_type == 'e':
        return '', f'the error {cell.value}'
    return _as_text(cell.value), ''


def _as_text(value: Any) -> str:
    if value is None:
        return ''
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        is_day = value.time() == datetime.time()
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return _decoded(str(value)) if isinstance(value, str) else str(value)


def _decoded(text: str) -> str:
    """Return a text without the codes that XLSX has for some characters."""
    return _CODE.sub(lambda found: chr(int(found.group(1), 16)), text)
