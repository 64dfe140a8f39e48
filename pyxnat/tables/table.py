"""Tables of listings and searches, held in memory.

XNAT sends tables as JSON (:mod:`pyxnat.tables.json_stream`) or CSV
(:mod:`pyxnat.tables.csv_stream`). All cells are strings, and a missing value is the empty string.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Union, overload

from ..errors import printable
from ..model.kinds import Kind
from ..model.wildcards import matches
from ..patterns import pattern
from .arrow import Typed, write_parquet
from .csv_stream import (
    CsvDest,
    CsvSource,
    Row,
    cell_text,
    csv_to_json,
    header_and_rows,
    iter_csv,
    open_dest,
    open_source,
    parse_csv,
    texts,
    write_csv,
)

__all__ = [
    'CsvDest',
    'CsvSource',
    'JsonTable',
    'Row',
    'csv_to_json',
    'html_table',
    'iter_csv',
    'parse_csv',
    'texts',
    'write_csv',
]

_MOST_ROWS = 50
_MOST_COLUMNS = 20
_WIDEST = 40
"""Limits of a displayed table: rows, columns, characters of a cell."""
_TOGETHER = 1000
_NUMBER = pattern(r'-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?')
"""A numeric cell; excludes labels such as ``007`` and numbers beyond the precision of a float."""
_DATE = pattern(r'[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)?')

_Kinds = Union[Mapping[str, Kind], Callable[[], Mapping[str, Kind]]]


class JsonTable:
    """Immutable table of a search or listing; methods return new tables.

    Parameters
    ----------
    jdata : list of dict
        The rows.
    order_by : sequence of str, optional
        Columns to put first; the others follow in the order of the rows.
    kinds : mapping or callable, optional
        Name -> kind of the values of a column, for Arrow; other columns are text. A callable that
        returns it is called when the kinds are needed.

    Attributes
    ----------
    data : list of dict
        The rows.
    """

    def __init__(
        self,
        jdata: Iterable[Row],
        order_by: Iterable[str] = (),
        kinds: _Kinds | None = None,
    ) -> None:
        self.data: list[Row] = list(jdata)
        self._kinds: _Kinds = kinds or {}
        alike = len({*map(len, self.data)}) <= 1
        there = dict.fromkeys(chain.from_iterable(self.data[:1] if alike else self.data))
        first = [name for name in dict.fromkeys(order_by) if not self.data or name in there]
        self.order_by = list(dict.fromkeys([*first, *there]))

    @classmethod
    def from_csv(cls, source: CsvSource) -> JsonTable:
        """Read a table from CSV, such as a file written by `dump_csv`.

        :func:`iter_csv` needs less memory.
        """
        with open_source(source) as lines:
            header, rows = header_and_rows(lines)
            return cls(rows, header)

    def headers(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.order_by)

    def has_header(self, name: str) -> bool:
        """Whether there is such a column; names are case-sensitive."""
        return name in self.order_by

    def get(self, col: str, val_pattern: str = '*', always_list: bool = False) -> Any:
        """Return the values of a column.

        Parameters
        ----------
        col : str
            Name of the column.
        val_pattern : str
            Keep only values that match this pattern (``*``, ``?``).
        always_list : bool
            Return a list even for a table of one row, whose value is returned bare by default as in
            earlier versions.

        Raises
        ------
        KeyError
            There is no such column.
        """
        self._need([col])
        values = [
            value
            for value in (row.get(col, '') for row in self.data)
            if val_pattern == '*' or matches(val_pattern, str(value))
        ]
        return values[0] if len(self.data) == len(values) == 1 and not always_list else values

    def join(self, join_column: str, *tables: JsonTable) -> JsonTable:
        """Add the columns of other tables where the rows agree in one column.

        A row without a match in every table is dropped; of several matches the first counts. If
        columns share a name, the last table's cell is kept.

        Parameters
        ----------
        join_column : str
            Column that all tables have.
        tables : JsonTable
            Tables to join.

        Raises
        ------
        KeyError
            A table lacks the column.
        """
        indexes = [
            {row[join_column]: row for row in reversed(table.data)}
            for table in (table._with(join_column) for table in tables)
        ]
        rows = [
            {
                **row,
                **{
                    name: value
                    for index in indexes
                    for name, value in index[row[join_column]].items()
                },
            }
            for row in self._with(join_column)
            if all(row[join_column] in index for index in indexes)
        ]
        both = (self, *tables)
        return JsonTable(
            rows,
            self.order_by,
            lambda: {name: kind for table in both for name, kind in table.kinds.items()},
        )

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Kinds of the columns."""
        if callable(self._kinds):
            self._kinds = self._kinds()
        return self._kinds

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_kinds': self.kinds}

    def _with(self, column: str) -> JsonTable:
        self._need([column] if self.data else ())
        return self

    def select(self, columns: Iterable[str]) -> JsonTable:
        """Return a table of only these columns, in this order."""
        wanted = list(columns)
        self._need(wanted)
        return JsonTable(
            ({name: row.get(name, '') for name in wanted} for row in self.data),
            wanted,
            self._kinds,
        )

    def sort(self, *columns: str, reverse: bool = False) -> JsonTable:
        """Return a table sorted by columns, the first one most significant.

        Numbers sort by value and before text; empty cells are last, also in reverse order.

        Parameters
        ----------
        columns : str
            Names of the columns.
        reverse : bool
            Whether to sort in descending order.

        Raises
        ------
        KeyError
            There is no such column.
        """
        self._need(columns if self.data else ())
        rows = self.data
        for name in reversed(columns):
            rows = sorted(rows, key=lambda row: _place(row.get(name, '')), reverse=reverse)
            rows = [
                *(row for row in rows if row.get(name, '') != ''),
                *(row for row in rows if row.get(name, '') == ''),
            ]
        return JsonTable(rows, self.order_by, self._kinds)

    def where(self, *values: str, **columns: str) -> JsonTable:
        """Return the rows that match all patterns (``*``, ``?``).

        Parameters
        ----------
        values : str
            Each must match some cell of the row, or the name of a column.
        columns : str
            Each must match the cell of the row in the column of that name.

        Raises
        ------
        KeyError
            There is no such column.
        """
        self._need(columns if self.data else ())
        return self._filtered(lambda row: _fits(row, values, columns))

    def where_not(self, *values: str, **columns: str) -> JsonTable:
        """Return the rows that `where` drops.

        Parameters
        ----------
        values, columns : str
            As in `where`.

        Raises
        ------
        KeyError
            There is no such column.
        """
        self._need(columns if self.data else ())
        return self._filtered(lambda row: not _fits(row, values, columns))

    def _need(self, columns: Iterable[str]) -> None:
        missing = [name for name in columns if not self.has_header(name)]
        if missing and (self.data or self.order_by):  # an empty table accepts any column name
            raise KeyError(
                f'no column {", ".join(map(repr, missing))}; there are: '
                f'{", ".join(self.order_by) or "none"}'
            )

    def _filtered(self, keep: Callable[[Row], bool]) -> JsonTable:
        return JsonTable((row for row in self.data if keep(row)), self.order_by, self._kinds)

    def items(self) -> list[tuple[str, ...]]:
        """Return the rows as tuples."""
        return [tuple(row.get(name, '') for name in self.order_by) for row in self.data]

    def as_list(self) -> list[list[str]]:
        """Return the header and the rows, as lists."""
        return [self.headers(), *(list(row) for row in self.items())]

    def dumps_json(self) -> str:
        """Return the rows as JSON text."""
        return json.dumps(self.data)

    def dump_json(self, dest: CsvDest) -> None:
        """Write the rows as JSON to an open file or a path."""
        with open_dest(dest) as file:
            file.write('[')
            for start in range(0, len(self.data), _TOGETHER):
                file.write(
                    (', ' if start else '') + json.dumps(self.data[start : start + _TOGETHER])[1:-1]
                )
            file.write(']')

    def dumps_csv(self, delimiter: str = ',') -> str:
        """Return the table as CSV text with a header."""
        text = io.StringIO(newline='')
        write_csv(text, self.data, self.order_by, delimiter)
        return text.getvalue()

    def dump_csv(self, dest: CsvDest, delimiter: str = ',') -> None:
        """Write the table as CSV with a header; see :func:`write_csv`.

        Parameters
        ----------
        dest : path or file
            A file at a path is replaced; an open file is not closed.
        delimiter : str
            Character between the cells.
        """
        write_csv(dest, self.data, self.order_by, delimiter)

    def to_pandas(self, convert: bool = False) -> Any:
        """Convert the table to a :class:`pandas.DataFrame`.

        Parameters
        ----------
        convert : bool
            By default every cell stays text. Otherwise a column in which all cells are numbers or
            all are dates is converted, with NaN or NaT for empty cells; labels that look like
            numbers (``007``) stay text. ``pandas.to_numeric(frame['age'])`` converts one column.

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError('to_pandas needs pandas: pip install pyxnat[pandas]') from error
        frame = pandas.DataFrame(
            {name: [row.get(name, '') for row in self.data] for name in self.order_by},
            columns=self.order_by,
        )
        for name in self.order_by if convert else ():
            cells = [cell for cell in frame[name] if cell != '']
            if _all_are(_NUMBER, cells):
                frame[name] = pandas.to_numeric(frame[name].where(frame[name] != ''))
            elif _all_are(_DATE, cells):
                frame[name] = pandas.to_datetime(
                    frame[name].where(frame[name] != ''), format='ISO8601'
                )
        return frame

    def to_arrow(self, *, unfit: str = 'error', as_text: Iterable[str] = ()) -> Any:
        """Convert the table to a :class:`pyarrow.Table`, with the types of its fields.

        Parameters
        ----------
        unfit : {'error', 'null'}
            How to treat a value that is not of the type of its column.
        as_text : iterable of str, optional
            Columns to keep as text.

        Raises
        ------
        DataError
            A value is not of the type of its column.
        ImportError
            pyarrow is not installed (extra ``arrow``).

        Notes
        -----
        ``polars.DataFrame(table)``, ``duckdb`` and others read the table itself in the same way.
        :meth:`pyxnat.resources.typed.ToArrow.to_arrow` lists the types. Here, columns of types that
        not every XNAT has are text.
        """
        return self._typed(unfit, as_text).reader().read_all()

    def to_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        partition_by: Iterable[str] = (),
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> int:
        """Write the table to Parquet, and return the number of rows.

        Parameters
        ----------
        path, partition_by
            As of :meth:`pyxnat.resources.typed.ToArrow.to_parquet`.
        unfit, as_text : optional
            As in `to_arrow`.
        """
        return write_parquet(self._typed(unfit, as_text).reader(), path, partition_by)

    def _typed(self, unfit: str, as_text: Iterable[str]) -> Typed:
        return Typed(lambda: self.data, self.order_by, self.kinds, unfit=unfit, as_text=as_text)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the table as a stream of Arrow's C interface, for programs that read it."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

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
            return JsonTable(self.data[key], self.order_by, self._kinds)
        return self.data[key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JsonTable) and (self.data, self.order_by) == (
            other.data,
            other.order_by,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f'<JsonTable {len(self)} rows, {len(self.order_by)} columns: '
            f'{", ".join(islice(self.order_by, _MOST_COLUMNS))}{self._more_columns}>'
        )

    @property
    def _more_columns(self) -> str:
        return ', …' if len(self.order_by) > _MOST_COLUMNS else ''

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        """Return the displayed columns and rows, with long cells shortened."""
        names = self.order_by[:_MOST_COLUMNS]
        return names, [
            [_cut(str(row.get(name, ''))) for name in names] for row in self.data[:_MOST_ROWS]
        ]

    def _rest(self) -> str:
        """Return a note with the total size if not all is displayed."""
        hidden = len(self) > _MOST_ROWS or len(self.order_by) > _MOST_COLUMNS
        return f'{len(self)} rows, {len(self.order_by)} columns in all' if hidden else ''

    def _repr_html_(self) -> str:
        """Return the first rows and columns as HTML, for a notebook."""
        names, rows = self._shown()
        rest = self._rest()
        return html_table([dict(zip(names, row, strict=True)) for row in rows], names) + (
            f'<p>{rest}.</p>' if rest else ''
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the first rows and columns in IPython."""
        printer.text(str(self))

    def __str__(self) -> str:
        if not self.order_by:
            return repr(self)
        names, rows = self._shown()
        shown = [list(map(_cut, names)), *rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = [
            '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in shown
        ]
        return '\n'.join([*lines, *filter(None, [self._rest() and f'… {self._rest()}'])])


def _place(cell: Any) -> tuple[int, float, str]:
    """Return the sort key of a cell."""
    text = cell_text(cell)
    return (0, float(text), '') if _NUMBER.fullmatch(text) else (1, 0.0, text)


def _all_are(kind: re.Pattern[str], cells: Sequence[Any]) -> bool:
    """Whether there are cells and all match a pattern."""
    return bool(cells) and all(isinstance(cell, str) and kind.fullmatch(cell) for cell in cells)


def _cut(text: str) -> str:
    line = printable(' '.join(text.split()))
    return line if len(line) <= _WIDEST else f'{line[: _WIDEST - 1]}…'


def html_table(rows: Sequence[Row], columns: Iterable[str] = ()) -> str:
    """Return rows as an HTML table, with all text escaped.

    Parameters
    ----------
    rows : sequence of dict
        The rows.
    columns : iterable of str, optional
        By default all columns of the rows.
    """
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in names)
    body = ''.join(
        '<tr>' + ''.join(f'<td>{html.escape(row.get(name, ""))}</td>' for name in names) + '</tr>'
        for row in rows
    )
    return f'<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _fits(row: Row, values: tuple[str, ...], columns: dict[str, str]) -> bool:
    somewhere = all(
        any(matches(str(value), str(text)) for text in (*row, *row.values())) for value in values
    )
    return somewhere and all(
        matches(str(pattern), str(row.get(name, ''))) for name, pattern in columns.items()
    )
