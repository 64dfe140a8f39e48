"""CSV files of any program: encoding, delimiter and line ends are recognized.

A file that cannot be read without doubt is an error, which names the line.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from ..patterns import pattern
from .csv_stream import Row

__all__ = ['NumberedRow', 'read_csv_file']

_DELIMITERS = {',': 'commas', ';': 'semicolons', '\t': 'tabs', '|': 'vertical bars'}
_BOMS = {  # that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF8: 'utf-8-sig',
    codecs.BOM_UTF32_LE: 'utf-32',
    codecs.BOM_UTF32_BE: 'utf-32',
    codecs.BOM_UTF16_LE: 'utf-16',
    codecs.BOM_UTF16_BE: 'utf-16',
}
_SEP_LINE = pattern(r'"?sep=([,;\t|])"?(?:\r\n|\r|\n)', re.IGNORECASE)
"""First line with which Excel tells the delimiter."""
_LONGEST_CELL = 2**31 - 1


class NumberedRow(NamedTuple):
    """A row of a CSV file."""

    place: str
    """Its number without the header, and its line in the file: ``2 (line 3)``."""
    cells: Row


class _Record(NamedTuple):
    """The cells of a record, and the line of the file on which it ends."""

    line: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(cell.strip() for cell in self.cells)


def read_csv_file(path: str | os.PathLike[str]) -> list[NumberedRow]:
    """Return the rows of a CSV file with a header, without blank ones.

    Parameters
    ----------
    path : path
        The file: UTF-8, or UTF-16 or UTF-32 with a byte order mark; cells separated by commas,
        semicolons, tabs or vertical bars; lines that end in LF, CR LF or CR.

    Returns
    -------
    list of NumberedRow

    Raises
    ------
    DataError
        The file has another encoding, a NUL, no header, an empty or repeated name in the header, a
        quote that is not closed, a row that is not as long as the header, or more than one
        delimiter with which it could be read.
    """
    file = Path(path).expanduser()
    text = _decode(file.read_bytes(), file)
    hint = _SEP_LINE.match(text)
    records = _records(text, hint.group(1) if hint else '', file)
    if hint:
        records = records[1:]
    if not records:
        raise _error(file, 'it is empty', 'The first line names the columns.')
    header = [name.strip() for name in records[0].cells]
    rows = [record for record in records[1:] if not record.is_blank]
    for number, record in enumerate(rows, 1):
        if len(record.cells) != len(header):
            raise _error(
                file,
                f'row {number} (line {record.line}) has {len(record.cells)} cells, '
                f'the header {len(header)}',
                'Put values that contain the delimiter, such as 3,5, between double quotes, or '
                'give the row its missing cells.',
            )
    _check_header(file, header, rows)
    return [
        NumberedRow(
            f'{number} (line {record.line})',
            {name: cell for name, cell in zip(header, record.cells, strict=True) if name},
        )
        for number, record in enumerate(rows, 1)
    ]


def _error(file: Path, problem: str, remedy: str) -> DataError:
    return DataError(f'{file}: {problem}', remedy=remedy)


def _decode(content: bytes, file: Path) -> str:
    encoding = next((name for bom, name in _BOMS.items() if content.startswith(bom)), 'utf-8')
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise _error(
            file,
            f'line {line} is not {encoding.removesuffix("-sig").upper()} '
            f'(byte 0x{content[error.start]:02x})',
            'Save it as UTF-8, or open it with its encoding and pass the rows: '
            "list(csv.DictReader(open(path, encoding='latin-1'))).",
        ) from error
    if '\x00' in text:
        line = text.count('\n', 0, text.index('\x00')) + 1
        remedy = 'Save it as UTF-8: it is no text, or UTF-16 without a byte order mark.'
        raise _error(file, f'line {line} has a NUL character', remedy)
    return text


def _records(text: str, delimiter: str, file: Path) -> list[_Record]:
    """Return the records.

    Without a delimiter, with the one that fits header and rows.
    """
    if delimiter:
        return _split(text, delimiter, file)
    header = _first_line(text)
    candidates = [char for char in _DELIMITERS if char in header]
    if len(candidates) < 2:
        return _split(text, (candidates or [','])[0], file)
    readings = {}
    for char in candidates:
        try:
            records = _split(text, char, file)
        except DataError:
            continue
        if records and len(records[0].cells) > 1:
            readings[char] = records
    fitting = [char for char, records in readings.items() if _is_even(records)]
    if len(fitting) > 1:
        names = ' and '.join(_DELIMITERS[char] for char in fitting)
        remedy = 'Put the names of the columns between double quotes.'
        raise _error(file, f'its cells could be separated by {names}', remedy)
    if fitting:
        return readings[fitting[0]]
    if readings:
        return max(readings.values(), key=lambda records: len(records[0].cells))
    return _split(text, candidates[0], file)


def _first_line(text: str) -> str:
    """Return the first line that is not blank."""
    return re.split(r'[\r\n]', text.lstrip('\r\n'), maxsplit=1)[0]


def _is_even(records: list[_Record]) -> bool:
    """Whether all rows have the length of the header."""
    return len({len(record.cells) for record in records if not record.is_blank}) == 1


def _split(text: str, delimiter: str, file: Path) -> list[_Record]:
    """Parse CSV text; blank lines before the header are left out."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter, strict=True)
    records: list[_Record] = []
    try:
        for cells in reader:
            record = _Record(reader.line_num, cells)
            if records or not record.is_blank:
                records.append(record)
    except csv.Error as error:
        raise _error(
            file,
            f'line {reader.line_num} is no CSV ({error})',
            'Close each double quote, and double those within a cell: "5"" tall".',
        ) from error
    return records


def _check_header(file: Path, header: list[str], rows: list[_Record]) -> None:
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        names = ', '.join(map(repr, twice))
        remedy = 'Rename or remove all but one of each.'
        raise _error(file, f'the header has {names} more than once', remedy)
    for place, name in enumerate(header):
        filled = '' if name else next((row.cells[place] for row in rows if row.cells[place]), '')
        if filled:
            remedy = 'Name the column in the header, or remove it.'
            raise _error(file, f'column {place + 1} has no name, but {filled!r} in it', remedy)
