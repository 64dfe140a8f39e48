"""Tables: what listings and searches answer with.

XNAT sends tables as JSON (:mod:`pyxnat.tables.json_stream`) or CSV. Every cell is text there, a missing value the empty text; they stay so here.
:func:`iter_csv` reads CSV of any length, holding one row at a time; :class:`JsonTable` has all rows in memory.
"""

from __future__ import annotations

import codecs
import csv
import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Union, overload

import six

from ..errors import UnexpectedAnswer
from ..model.wildcards import matches

__all__ = ['CsvDest', 'CsvSource', 'JsonTable', 'Row', 'csv_to_json', 'html_table', 'iter_csv', 'parse_csv', 'texts', 'write_csv']

_MOST_ROWS = 50
_MOST_COLUMNS = 20
_WIDEST = 40
"""How much of a table is shown: rows, columns, characters of a cell."""
_LONGEST_CELL = 2**31 - 1
_TOGETHER = 1000
_NUMBER = re.compile(r'-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?')
"""A cell that is a number, and no label that looks like one: ``007``, or more digits than a number can have."""
_DATE = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)?')
_PIECE = 2**16

Row = dict[str, str]
"""One row: column -> text."""

CsvSource = Union[str, 'os.PathLike[str]', IO[str], IO[bytes], Iterable[bytes]]
"""Where CSV comes from: a path, an open file, or pieces of bytes as they come, such as an answer of the server's."""


CsvDest = Union[str, 'os.PathLike[str]', IO[str]]
"""Where a table is written to: a path, or a file that is open for text."""


def parse_csv(lines: Iterable[str]) -> Iterator[Row]:
    """The rows of a CSV table, as they come: all strings quoted (XNAT 1.4 to 1.6) or only where needed (1.7 and later).

    Raises
    ------
    UnexpectedAnswer
        When a row has not as many cells as the header.
    """
    _, rows = _header_and_rows(lines)
    yield from rows


def _header_and_rows(lines: Iterable[str]) -> tuple[list[str], Iterator[Row]]:
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(lines)
    header = next(reader, [])

    def rows() -> Iterator[Row]:
        for cells in reader:
            if cells and len(cells) != len(header):
                raise UnexpectedAnswer(f'row {reader.line_num} of the table has {len(cells)} cells, its header {len(header)}')
            if cells:
                yield dict(zip(header, cells, strict=True))

    return header, rows()


def csv_to_json(text: str | bytes) -> list[Row]:
    """The rows of a CSV table."""
    return list(parse_csv(io.StringIO(six.ensure_text(text), newline='')))


def iter_csv(source: CsvSource) -> Iterator[Row]:
    """The rows of a CSV table of any length, one at a time.

    Parameters
    ----------
    source : path, file or iterable of bytes
        In UTF-8. A file that is given open stays open.

    Raises
    ------
    UnexpectedAnswer
        When a row has not as many cells as the header.
    """
    with _opened(source) as lines:
        yield from parse_csv(lines)


def write_csv(dest: CsvDest, rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = (), delimiter: str = ',') -> int:
    """Write rows of any number as CSV, with a header, holding one at a time; how many.

    A list of values is written as JSON. Every text comes back as it was from :func:`iter_csv`, line breaks too.

    Parameters
    ----------
    dest : path or file
        The file of a path takes its place when all is written, so it is complete or not there. An open file stays open.
    columns : iterable of str, optional
        By default those of the first row. What a row does not have is empty.

    Examples
    --------
    ::

        write_csv('sessions.csv', xnat.select('/experiments').rows(['label', 'project', 'date']))
    """
    rows = iter(rows)
    first = list(islice(rows, 1))
    names = list(columns) or [name for row in first for name in row]
    count = 0
    with _written(dest) as file:
        plain = csv.writer(file, delimiter=delimiter, lineterminator='\n')
        quoted = csv.writer(file, delimiter=delimiter, lineterminator='\n', quoting=csv.QUOTE_ALL)
        for cells in chain([names], ([_plain(row.get(name, '')) for name in names] for row in chain(first, rows))):
            returns = '\r' in ''.join(cells)  # csv would leave them bare, and readers would end the row there
            (quoted if returns else plain).writerow(cells)
            count += 1
    return count - 1


def _plain(cell: Any) -> str:
    """A cell as one text."""
    if isinstance(cell, str):
        return cell
    return json.dumps(cell) if isinstance(cell, (list, dict)) else str(cell)


@contextmanager
def _written(dest: CsvDest) -> Iterator[IO[str]]:
    """A file to write to; that of a path is there when it is complete."""
    if not isinstance(dest, (str, os.PathLike)):
        yield dest
        return
    target = Path(dest).expanduser()
    if target.is_symlink() or (target.exists() and not target.is_file()):  # such as /dev/stdout
        with target.open('w', encoding='utf-8', newline='') as file:
            yield file
        return
    part = target.with_name(f'.{target.name}.{os.getpid()}.part')
    try:
        with part.open('w', encoding='utf-8', newline='') as file:
            yield file
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _opened(source: CsvSource) -> Iterator[Iterator[str]]:
    """The lines of CSV from wherever it comes."""
    if isinstance(source, (str, os.PathLike)):
        with open(source, 'rb') as file:
            yield _lines(_pieces(file))
    else:
        yield _lines(_pieces(source) if hasattr(source, 'readline') else source)


def _pieces(file: Any) -> Iterator[Any]:
    while piece := file.read(_PIECE):
        yield piece


def _lines(pieces: Iterable[bytes] | Iterable[str]) -> Iterator[str]:
    """Lines with their ends, of pieces that end anywhere; :mod:`csv` itself puts lines of one cell together."""
    begun: list[str] = []
    for text in texts(pieces):
        *lines, rest = text.split('\n')
        for line in lines:
            yield ''.join([*begun, line, '\n'])
            begun.clear()
        begun.append(rest)
    yield from filter(None, [''.join(begun)])


def texts(pieces: Iterable[bytes] | Iterable[str]) -> Iterator[str]:
    """Text in UTF-8, of pieces of bytes that end anywhere.

    Raises
    ------
    UnexpectedAnswer
        It is something else.
    """
    decoder = codecs.getincrementaldecoder('utf-8-sig')()
    try:
        for piece in pieces:
            yield piece if isinstance(piece, str) else decoder.decode(piece)
        yield decoder.decode(b'', final=True)
    except UnicodeDecodeError as error:
        raise UnexpectedAnswer(f'the table is not in UTF-8: {error}') from error


class JsonTable:
    """The rows of a search or listing, in their order, with their columns in theirs. Never changes; every method gives a new table.

    Parameters
    ----------
    data : list of dict
        The rows.
    order_by : sequence of str, optional
        Columns to put first; the others follow as they come in the rows.

    Attributes
    ----------
    data : list of dict
        The rows.
    """

    def __init__(self, data: Iterable[Row], order_by: Iterable[str] = ()) -> None:
        self.data: list[Row] = list(data)
        alike = len({*map(len, self.data)}) <= 1
        there = dict.fromkeys(chain.from_iterable(self.data[:1] if alike else self.data))
        first = [name for name in dict.fromkeys(order_by) if not self.data or name in there]
        self.order_by = list(dict.fromkeys([*first, *there]))

    @classmethod
    def from_csv(cls, source: CsvSource) -> JsonTable:
        """The table of a file that `dump_csv` wrote, or of other CSV: a path, an open file or pieces of bytes. :func:`iter_csv` takes less memory."""
        with _opened(source) as lines:
            header, rows = _header_and_rows(lines)
            return cls(rows, header)

    def headers(self) -> list[str]:
        """Names of the columns."""
        return list(self.order_by)

    def has_header(self, header: str) -> bool:
        """Whether there is such a column; upper and lower case differ."""
        return header in self.order_by

    def get(self, column: str, val_pattern: str = '*', always_list: bool = False) -> Any:
        """The values of a column.

        Parameters
        ----------
        val_pattern : str
            Gives only the values that match (``*``, ``?``).
        always_list : bool
            A table of one row gives the value itself otherwise, as it always did.

        Raises
        ------
        KeyError
            When there is no such column.
        """
        self._need([column])
        values = [value for value in (row.get(column, '') for row in self.data) if val_pattern == '*' or matches(val_pattern, str(value))]
        return values[0] if len(self.data) == len(values) == 1 and not always_list else values

    def join(self, join_column: str, *tables: JsonTable) -> JsonTable:
        """The table with the columns of others beside its own, where the rows agree in one column.

        A row that another table has no match for is left out; of several matches there, the first counts. Columns of the same name are taken
        from the last table.
        """
        indexes = [{row[join_column]: row for row in reversed(table.data)} for table in (table._with(join_column) for table in tables)]
        rows = [
            {**row, **{name: value for index in indexes for name, value in index[row[join_column]].items()}}
            for row in self._with(join_column)
            if all(row[join_column] in index for index in indexes)
        ]
        return JsonTable(rows, self.order_by)

    def _with(self, column: str) -> JsonTable:
        self._need([column] if self.data else ())
        return self

    def select(self, columns: Iterable[str]) -> JsonTable:
        """The table with these columns alone, in this order."""
        wanted = list(columns)
        self._need(wanted)
        return JsonTable(({name: row.get(name, '') for name in wanted} for row in self.data), wanted)

    def sort(self, *columns: str, reverse: bool = False) -> JsonTable:
        """The table in the order of some columns, the first of them above all: numbers by size and before texts, empty cells last in any case.

        Raises
        ------
        KeyError
            When there is no such column.
        """
        self._need(columns if self.data else ())
        rows = self.data
        for name in reversed(columns):
            rows = sorted(rows, key=lambda row: _place(row.get(name, '')), reverse=reverse)
            rows = [*(row for row in rows if row.get(name, '') != ''), *(row for row in rows if row.get(name, '') == '')]
        return JsonTable(rows, self.order_by)

    def where(self, *values: str, **columns: str) -> JsonTable:
        """The rows in which every given pattern (``*``, ``?``) is that of some cell or column name, and every named column matches its own.

        Raises
        ------
        KeyError
            When there is no such column.
        """
        self._need(columns if self.data else ())
        return self._filtered(lambda row: _fits(row, values, columns))

    def where_not(self, *values: str, **columns: str) -> JsonTable:
        """The rows that `where` leaves out."""
        self._need(columns if self.data else ())
        return self._filtered(lambda row: not _fits(row, values, columns))

    def _need(self, columns: Iterable[str]) -> None:
        missing = [name for name in columns if not self.has_header(name)]
        if missing and (self.data or self.order_by):  # a table of nothing has no columns to be wrong about
            raise KeyError(f'no column {", ".join(map(repr, missing))}; there are: {", ".join(self.order_by) or "none"}')

    def _filtered(self, keep: Callable[[Row], bool]) -> JsonTable:
        return JsonTable((row for row in self.data if keep(row)), self.order_by)

    def items(self) -> list[tuple[str, ...]]:
        """The rows as tuples."""
        return [tuple(row.get(name, '') for name in self.order_by) for row in self.data]

    def as_list(self) -> list[list[str]]:
        """The header and the rows, as lists."""
        return [self.headers(), *(list(row) for row in self.items())]

    def dumps_json(self) -> str:
        """The rows as JSON text."""
        return json.dumps(self.data)

    def dump_json(self, dest: CsvDest) -> None:
        """Write the rows as JSON to an open file or a path."""
        with _written(dest) as file:
            file.write('[')
            for start in range(0, len(self.data), _TOGETHER):
                file.write((', ' if start else '') + json.dumps(self.data[start : start + _TOGETHER])[1:-1])
            file.write(']')

    def dumps_csv(self, delimiter: str = ',') -> str:
        """The table as CSV text, with its header."""
        text = io.StringIO(newline='')
        write_csv(text, self.data, self.order_by, delimiter)
        return text.getvalue()

    def dump_csv(self, dest: CsvDest, delimiter: str = ',') -> None:
        """Write the table as CSV to an open file or a path, as :func:`write_csv` does rows that are not held."""
        write_csv(dest, self.data, self.order_by, delimiter)

    def to_pandas(self, convert: bool = False) -> Any:
        """The table as a :class:`pandas.DataFrame`.

        Parameters
        ----------
        convert : bool
            By default every cell is text as it came. Else a column in which all cells are numbers, or all are dates, has such, and NaN or NaT for
            empty ones; labels that only look like numbers (``007``) stay text. ``pandas.to_numeric(frame['age'])`` does it for one column.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_pandas needs pandas: pip install pyxnat[pandas]') from error
        frame = pandas.DataFrame({name: [row.get(name, '') for row in self.data] for name in self.order_by}, columns=self.order_by)
        for name in self.order_by if convert else ():
            cells = [cell for cell in frame[name] if cell != '']
            if _all_are(_NUMBER, cells):
                frame[name] = pandas.to_numeric(frame[name].where(frame[name] != ''))
            elif _all_are(_DATE, cells):
                frame[name] = pandas.to_datetime(frame[name].where(frame[name] != ''), format='ISO8601')
        return frame

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.data)

    @overload
    def __getitem__(self, key: int) -> Row: ...
    @overload
    def __getitem__(self, key: slice | list[str]) -> JsonTable: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...

    def __getitem__(self, key: Union[int, slice, str, list[str]]) -> Any:
        if isinstance(key, str):
            return self.get(key)
        if isinstance(key, list):
            return self.select(key)
        if isinstance(key, slice):
            return JsonTable(self.data[key], self.order_by)
        return self.data[key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonTable) and (self.data, self.order_by) == (other.data, other.order_by)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f'<JsonTable {len(self)} rows, {len(self.order_by)} columns: {", ".join(islice(self.order_by, _MOST_COLUMNS))}{self._more_columns}>'

    @property
    def _more_columns(self) -> str:
        return ', …' if len(self.order_by) > _MOST_COLUMNS else ''

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        """The first columns and rows, for a person to look at: cells on one line, long ones cut."""
        names = self.order_by[:_MOST_COLUMNS]
        return names, [[_cut(str(row.get(name, ''))) for name in names] for row in self.data[:_MOST_ROWS]]

    def _rest(self) -> str:
        """How much there is, where not all is shown."""
        hidden = len(self) > _MOST_ROWS or len(self.order_by) > _MOST_COLUMNS
        return f'{len(self)} rows, {len(self.order_by)} columns in all' if hidden else ''

    def _repr_html_(self) -> str:
        """The first rows and columns, for a notebook."""
        names, rows = self._shown()
        rest = self._rest()
        return html_table([dict(zip(names, row, strict=True)) for row in rows], names) + (f'<p>{rest}.</p>' if rest else '')

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython prints: the first rows and columns."""
        printer.text(str(self))

    def __str__(self) -> str:
        if not self.order_by:
            return repr(self)
        names, rows = self._shown()
        shown = [list(map(_cut, names)), *rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
        return '\n'.join([*lines, *filter(None, [self._rest() and f'… {self._rest()}'])])


def _place(cell: Any) -> tuple[int, float, str]:
    """Where a cell stands in order."""
    text = _plain(cell)
    return (0, float(text), '') if _NUMBER.fullmatch(text) else (1, 0.0, text)


def _all_are(kind: re.Pattern[str], cells: Sequence[Any]) -> bool:
    """Whether there are cells, and all are of a kind."""
    return bool(cells) and all(isinstance(cell, str) and kind.fullmatch(cell) for cell in cells)


def _cut(text: str) -> str:
    line = ' '.join(text.split())
    return line if len(line) <= _WIDEST else f'{line[: _WIDEST - 1]}…'


def html_table(rows: Sequence[Row], columns: Iterable[str] = ()) -> str:
    """Rows as an HTML table; whatever a server put into them is escaped."""
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in names)
    body = ''.join('<tr>' + ''.join(f'<td>{html.escape(row.get(name, ""))}</td>' for name in names) + '</tr>' for row in rows)
    return f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _fits(row: Row, values: tuple[str, ...], columns: dict[str, str]) -> bool:
    somewhere = all(any(matches(str(value), str(text)) for text in (*row, *row.values())) for value in values)
    return somewhere and all(matches(str(pattern), str(row.get(name, ''))) for name, pattern in columns.items())
