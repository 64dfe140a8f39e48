"""Streaming CSV: read and write tables of any length, one row at a time.

All cells are strings, and a missing value is the empty string.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Union

import six

from ..errors import UnexpectedAnswer
from ..model.rows import ListedRow

__all__ = [
    'CsvDest',
    'CsvSource',
    'Row',
    'cell_text',
    'csv_to_json',
    'header_and_rows',
    'iter_csv',
    'open_dest',
    'open_source',
    'parse_csv',
    'texts',
    'unfinished',
    'write_csv',
]

_LONGEST_CELL = 2**31 - 1
_PIECE = 2**16

Row = dict[str, str]
"""Column -> cell."""

CsvSource = Union[str, 'os.PathLike[str]', IO[str], IO[bytes], Iterable[bytes]]
"""CSV as a path, an open file, or chunks of bytes such as a response."""


CsvDest = Union[str, 'os.PathLike[str]', IO[str]]
"""Destination of a table: a path, or a text file open for writing."""


def parse_csv(lines: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a CSV table.

    XNAT 1.4 to 1.6 quotes all strings, 1.7 and later only where needed; both are accepted.

    Raises
    ------
    UnexpectedAnswer
        A row and the header differ in length, or the text is no CSV.
    """
    _, rows = header_and_rows(lines)
    yield from rows


def header_and_rows(lines: Iterable[str]) -> tuple[list[str], Iterator[Row]]:
    """Return the header of CSV text and an iterator over its rows."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(lines)
    header = _next(reader) or []

    def rows() -> Iterator[Row]:
        while (cells := _next(reader)) is not None:
            if cells and len(cells) != len(header):
                raise UnexpectedAnswer(
                    f'row {reader.line_num} of the table has {len(cells)} cells, the header '
                    f'{len(header)}'
                )
            if cells:
                yield ListedRow(zip(header, cells, strict=True))

    return header, rows()


def _next(reader: Any) -> list[str] | None:
    """Return the next row; `None` at the end."""
    try:
        cells: list[str] | None = next(reader, None)
    except csv.Error as error:  # such as a lone CR outside of quotes
        raise UnexpectedAnswer(
            f'line {reader.line_num} of the table is no CSV ({error})',
            remedy='Request the table as JSON, or correct the file.',
        ) from error
    return cells


def csv_to_json(csv_str: str | bytes) -> list[Row]:
    """Return the rows of a CSV table."""
    return list(parse_csv(io.StringIO(six.ensure_text(csv_str), newline='')))


def iter_csv(source: CsvSource) -> Iterator[Row]:
    """Yield the rows of a CSV table of any length, one at a time.

    Parameters
    ----------
    source : path, file or iterable of bytes
        Text in UTF-8. An open file is not closed.

    Raises
    ------
    UnexpectedAnswer
        A row and the header differ in length.
    """
    with open_source(source) as lines:
        yield from parse_csv(lines)


def write_csv(
    dest: CsvDest,
    rows: Iterable[Mapping[str, Any]],
    columns: Iterable[str] = (),
    delimiter: str = ',',
) -> int:
    """Write rows as CSV with a header, one at a time.

    A list is written as JSON. :func:`iter_csv` reads all text back unchanged, line breaks included.

    Parameters
    ----------
    dest : path or file
        The file at a path is replaced once all rows are written, so that it is complete or absent.
        An open file is not closed.
    rows : iterable of mapping
        Rows of any number; only one is held at a time.
    columns : iterable of str, optional
        By default those of the first row. A row's missing cells are empty.
    delimiter : str
        Character between the cells.

    Returns
    -------
    int
        The number of rows.

    Examples
    --------
    ::

        write_csv('sessions.csv', xnat.select('/experiments').rows(['label', 'project', 'date']))
    """
    rows = iter(rows)
    first = list(islice(rows, 1))
    names = list(columns) or [name for row in first for name in row]
    count = 0
    with open_dest(dest) as file:
        plain = csv.writer(file, delimiter=delimiter, lineterminator='\n')
        quoted = csv.writer(file, delimiter=delimiter, lineterminator='\n', quoting=csv.QUOTE_ALL)
        for cells in chain(
            [names],
            ([cell_text(row.get(name, '')) for name in names] for row in chain(first, rows)),
        ):
            returns = '\r' in ''.join(
                cells
            )  # csv does not quote them, and readers would end the row there
            (quoted if returns else plain).writerow(cells)
            count += 1
    return count - 1


def cell_text(cell: Any) -> str:
    """Return a cell as a string."""
    if isinstance(cell, str):
        return cell
    return json.dumps(cell) if isinstance(cell, (list, dict)) else str(cell)


@contextmanager
def open_dest(dest: CsvDest) -> Iterator[IO[str]]:
    """Open a destination for writing; a path is replaced when complete."""
    if not isinstance(dest, (str, os.PathLike)):
        yield dest
        return
    target = Path(dest).expanduser()
    if target.is_symlink() or (target.exists() and not target.is_file()):  # such as /dev/stdout
        with target.open('w', encoding='utf-8', newline='') as file:
            yield file
        return
    with unfinished(target) as part, part.open('w', encoding='utf-8', newline='') as file:
        yield file


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """Yield a path beside another.

    The new file takes its place when the block succeeds.
    """
    part = target.with_name(f'.{target.name}.{os.getpid()}.part')
    try:
        yield part
        part.replace(target)
    except BaseException:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)
        raise


@contextmanager
def open_source(source: CsvSource) -> Iterator[Iterator[str]]:
    """Yield the lines of a CSV source."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, 'rb') as file:
            yield _lines(_pieces(file))
    else:
        yield _lines(_pieces(source) if hasattr(source, 'readline') else source)


def _pieces(file: Any) -> Iterator[Any]:
    while piece := file.read(_PIECE):
        yield piece


def _lines(pieces: Iterable[bytes] | Iterable[str]) -> Iterator[str]:
    """Join chunks and split them into lines with their ends.

    Line breaks within cells are left to :mod:`csv`.
    """
    begun: list[str] = []
    for text in texts(pieces):
        *lines, rest = text.split('\n')
        for line in lines:
            yield ''.join([*begun, line, '\n'])
            begun.clear()
        begun.append(rest)
    yield from filter(None, [''.join(begun)])


def texts(pieces: Iterable[bytes] | Iterable[str]) -> Iterator[str]:
    """Decode UTF-8 from chunks of bytes of any size.

    Raises
    ------
    UnexpectedAnswer
        The bytes are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder('utf-8-sig')()
    try:
        for piece in pieces:
            yield piece if isinstance(piece, str) else decoder.decode(piece)
        yield decoder.decode(b'', final=True)
    except UnicodeDecodeError as error:
        raise UnexpectedAnswer(f'the table is not in UTF-8: {error}') from error
