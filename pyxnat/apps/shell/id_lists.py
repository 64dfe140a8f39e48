"""Lists of IDs as web pages and spreadsheets export them, and their results.

The results are written beside them. A list has one ID or label a line, or is a table with a column
of them. Nothing here makes a request.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import InvalidArgument
from ...files.disk import publish

__all__ = ['RESULTS', 'IdList', 'read_id_list']

RESULTS = ('status', 'files', 'bytes', 'message')
"""Columns added to the rows."""

_NAMES = (
    'session_id',
    'xnat_id',
    'experiment_id',
    'mr_session_id',
    'id',
    'session',
    'experiment',
    'mr_id',
    'session_label',
    'label',
    'experiments',
    'sessions',
    'accession',
    'xnat_session_id',
)
"""Headers of the column of IDs, in the order of precedence, in lower case with ``_``."""
_ENCODINGS = ('utf-8-sig', 'utf-16', 'latin-1')


class IdList(NamedTuple):
    """The rows of a list."""

    path: Path
    header: list[str]
    """Empty if the list has none."""
    rows: list[list[str]]
    column: int
    """Place of the column of IDs."""
    delimiter: str

    @property
    def names(self) -> list[str]:
        """The IDs or labels, one for each row; empty for an empty cell."""
        return [row[self.column].strip() if self.column < len(row) else '' for row in self.rows]

    def project(self, row: int) -> str:
        """Return the project that a row names, or the empty text."""
        lower = [name.strip().lower() for name in self.header]
        if 'project' not in lower:
            return ''
        place = lower.index('project')
        cells = self.rows[row]
        return cells[place].strip() if place < len(cells) else ''

    def write(self, path: Path, results: Sequence[Sequence[str]]) -> None:
        """Write the rows with their results, as UTF-8; the file is replaced at once.

        Parameters
        ----------
        path : Path
            File to write.
        results : sequence of sequence of str
            `RESULTS` of each row; rows without results are written without.
        """
        width = max([len(self.header), *(len(row) for row in self.rows)], default=0)
        text = io.StringIO(newline='')
        writer = csv.writer(text, delimiter=self.delimiter)
        header = self.header or [
            'id' if place == self.column else f'column{place + 1}' for place in range(width)
        ]
        writer.writerow([*header, *[''] * (width - len(header)), *RESULTS])
        for number, row in enumerate(self.rows):
            result = results[number] if number < len(results) else [''] * len(RESULTS)
            writer.writerow([*row, *[''] * (width - len(row)), *result])
        with publish(path) as file:
            file.write(text.getvalue().encode())


def read_id_list(path: Path, column: str = '') -> IdList:
    """Read a list of IDs.

    Parameters
    ----------
    path : Path
        Text or CSV file: UTF-8 with or without BOM, UTF-16, or Latin-1; separated by commas,
        semicolons or tabs; with or without a header.
    column : str
        Header or number, from 1, of the column of IDs. Default: found by its name, else the first.

    Raises
    ------
    InvalidArgument
        The file is empty, or has no such column.
    """
    text = _decoded(path)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise InvalidArgument(f'{path} is empty', remedy='Write one ID a line.')
    delimiter = max(',;\t', key=lines[0].count) if any(char in lines[0] for char in ',;\t') else ','
    rows = [
        row
        for row in csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        if any(cell.strip() for cell in row)
    ]
    place = _known_column(rows[0])
    if column:
        return IdList(path, *_with_column(path, rows, column), delimiter)
    if place is None:
        return IdList(path, [], rows, 0, delimiter)
    return IdList(path, rows[0], rows[1:], place, delimiter)


def _with_column(
    path: Path, rows: list[list[str]], column: str
) -> tuple[list[str], list[list[str]], int]:
    """Return header, rows and place for a column that was named."""
    lower = [cell.strip().lower() for cell in rows[0]]
    if column.lower() in lower:
        return rows[0], rows[1:], lower.index(column.lower())
    if column.isdecimal() and 0 < int(column) <= len(rows[0]):
        has_header = _known_column(rows[0]) is not None
        return (rows[0], rows[1:], int(column) - 1) if has_header else ([], rows, int(column) - 1)
    raise InvalidArgument(
        f'{path} has no column {column!r}', remedy=f'Its columns are: {", ".join(rows[0])}.'
    )


def _known_column(header: Sequence[str]) -> int | None:
    lower = [cell.strip().lower().replace(' ', '_') for cell in header]
    return next((lower.index(name) for name in _NAMES if name in lower), None)


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    encodings = _ENCODINGS if content[:2] in (b'\xff\xfe', b'\xfe\xff') else _ENCODINGS[::2]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InvalidArgument(f'{path} is no text', remedy='Save it as CSV in UTF-8.')
