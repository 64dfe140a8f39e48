"""Tables as Arrow and Parquet. Needs the extra ``arrow``.

Cells that XNAT sends as text become values of their kind: int64, float64, bool, date32, time64[us],
timestamp[us] without a time zone (XNAT writes the clock of its server), or lists of these. An empty
cell is null, in columns of text, too. A number with the fraction 0 is whole.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from ..errors import DataError, ProgrammingError
from ..model.kinds import TEXT, Kind
from ..patterns import pattern
from .csv_stream import Row, cell_text, unfinished

__all__ = ['Typed', 'write_parquet']

_TOGETHER = 2_000
"""Rows that are converted at once."""
_GROUP = 25
"""Batches in a row group of a Parquet file."""
_MOST_PARTITIONS = 100_000
_TYPES = {
    'integer': 'int64',
    'float': 'float64',
    'boolean': 'bool',
    'date': 'date32',
    'time': 'time64[us]',
    'dateTime': 'timestamp[us]',
}
"""Kind -> name of its Arrow type; any other is a string."""
_ZEROS = {
    'integer': pattern(r'\A(-?[0-9]+)[.]0+\Z'),
    'date': pattern(r'\A([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]00:00:00([.]0+)?\Z'),
}
"""Kind -> texts that are of the kind without their zeros: ``42.0``, a day at 0:00."""
_SOME_DAY = '1970-01-01 '
"""Arrow reads no times, but times of a day."""


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError('Arrow needs pyarrow: pip install pyxnat[arrow]') from error
    return pyarrow


class Typed:
    """Rows with the kinds of their columns, which Arrow reads in batches of 2,000.

    Parameters
    ----------
    rows : callable
        Returns an iterable of the rows; called when the first batch is read.
    columns : sequence of str
        Names of the columns.
    kinds : mapping
        Name -> kind; other columns are text.
    unfit : {'error', 'null'}
        How to treat a value that is not of the kind of its column.
    as_text : iterable of str
        Columns to keep as text.

    Raises
    ------
    ImportError
        pyarrow is not installed.
    ProgrammingError
        An option is not known.
    """

    def __init__(
        self,
        rows: Callable[[], Iterable[Row]],
        columns: Sequence[str],
        kinds: Mapping[str, Kind],
        *,
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> None:
        if unfit not in ('error', 'null'):
            raise ProgrammingError(f'unfit={unfit!r}', remedy="Use 'error' or 'null'.")
        texts = [as_text] if isinstance(as_text, str) else list(as_text)
        unknown = [name for name in texts if name not in columns]
        if unknown:
            raise ProgrammingError(
                f'as_text: there is no column {unknown[0]!r}',
                remedy=f'There are: {", ".join(columns)}.',
            )
        self._arrow = _pyarrow()
        self._rows = rows
        self._kinds = {name: TEXT if name in texts else kinds.get(name, TEXT) for name in columns}
        self._unfit_is_null = unfit == 'null'

    @property
    def schema(self) -> Any:
        """The :class:`pyarrow.Schema`."""
        arrow = self._arrow
        return arrow.schema(
            [
                (name, arrow.list_(self._type(kind)) if kind.is_list else self._type(kind))
                for name, kind in self._kinds.items()
            ]
        )

    def _type(self, kind: Kind) -> Any:
        return self._arrow.type_for_alias(_TYPES.get(kind.name, 'string'))

    def reader(self) -> Any:
        """Return a :class:`pyarrow.RecordBatchReader`, which can be read once."""
        return self._arrow.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        rows, schema, start = iter(self._rows()), self.schema, 0
        while some := list(islice(rows, _TOGETHER)):
            arrays = [
                self._array(name, kind, [row.get(name, '') for row in some], start)
                for name, kind in self._kinds.items()
            ]
            yield self._arrow.RecordBatch.from_arrays(arrays, schema=schema)
            start += len(some)

    def _array(self, name: str, kind: Kind, cells: list[Any], start: int) -> Any:
        """Return the array of a column.

        Parameters
        ----------
        name : str
            Name of the column.
        kind : Kind
            Its kind.
        cells : list
            Its cells.
        start : int
            Number of the first row, for errors.
        """
        if not kind.is_list:
            numbers = range(start, start + len(cells))
            return self._values(name, kind, list(map(_text, cells)), numbers)
        lists = [_list(cell) for cell in cells]
        flat = [_text(value) for values in lists for value in values or ()]
        numbers_of = [start + at for at, values in enumerate(lists) for _ in values or ()]
        values = iter(self._values(name, kind, flat, numbers_of).to_pylist())
        made = [None if one is None else list(islice(values, len(one))) for one in lists]
        return self._arrow.array(made, self._arrow.list_(self._type(kind)))

    def _values(
        self, name: str, kind: Kind, texts: list[str | None], numbers: Sequence[int]
    ) -> Any:
        target = self._type(kind)
        try:
            return self._cast(kind, texts, target)
        except self._arrow.ArrowInvalid:
            checked = map(self._checked, [name] * len(texts), [kind] * len(texts), texts, numbers)
            return self._cast(kind, list(checked), target)

    def _checked(self, name: str, kind: Kind, text: str | None, number: int) -> str | None:
        """Return a text that is of a kind, or else `None`, or raise an error."""
        try:
            self._cast(kind, [text], self._type(kind))
        except self._arrow.ArrowInvalid as error:
            if self._unfit_is_null:
                return None
            raise DataError(
                f'{name}: {text!r:.60} in row {number} is no {kind.name}',
                remedy=f"as_text=[{name!r}] keeps the column as text, unfit='null' leaves such "
                'values out.',
            ) from error
        return text

    def _strings(self, texts: list[str | None]) -> Any:
        """Return an array of texts; `pyarrow.array` would import pandas."""
        buffer, pieces = self._arrow.py_buffer, [text.encode() if text else b'' for text in texts]
        ends = array('i', accumulate(map(len, pieces), initial=0))
        bits = ''.join(['0' if text is None else '1' for text in reversed(texts)])
        is_there = int(bits or '0', 2).to_bytes((len(texts) + 7) // 8, 'little')
        return self._arrow.StringArray.from_buffers(
            len(texts), buffer(ends), buffer(b''.join(pieces)), buffer(is_there)
        )

    def _cast(self, kind: Kind, texts: list[str | None], target: Any) -> Any:
        """Return texts as values.

        Raises
        ------
        pyarrow.ArrowInvalid
            A text is not of the kind.
        """
        if kind.name == 'time':
            texts = [text and _SOME_DAY + text for text in texts]
            moments = self._strings(texts)
            return moments.cast(self._arrow.timestamp('us')).cast(target)
        array = self._strings(texts)
        try:
            return array.cast(target)
        except self._arrow.ArrowInvalid:
            if kind.name not in _ZEROS:
                raise
        texts = [text and _ZEROS[kind.name].sub(r'\1', text) for text in texts]
        return self._strings(texts).cast(target)


def _text(cell: Any) -> str | None:
    """Return the text of a cell; `None` for an empty one."""
    return None if cell is None or cell == '' else cell_text(cell)


def _list(cell: Any) -> list[Any] | None:
    """Return the values of a cell, of which XNAT sends a single one without a list."""
    if isinstance(cell, list):
        return cell
    return None if cell is None or cell == '' else [cell]


def write_parquet(
    reader: Any, path: str | os.PathLike[str], partition_by: Iterable[str] = ()
) -> int:
    """Write a table to a Parquet file, or to a folder of them.

    Parameters
    ----------
    reader : pyarrow.RecordBatchReader
        The table.
    path : path
        The file, which is replaced; or the folder, which must be new or empty. Neither appears
        before it is complete.
    partition_by : iterable of str
        Columns whose values are folders, outermost first: ``project=P/…``.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    ProgrammingError
        There is no such column, or the folder has something in it.
    """
    target = Path(path).expanduser()
    keys = [partition_by] if isinstance(partition_by, str) else list(partition_by)
    unknown = [name for name in keys if name not in reader.schema.names]
    if unknown:
        raise ProgrammingError(
            f'partition_by: there is no column {unknown[0]!r}',
            remedy=f'There are: {", ".join(reader.schema.names)}.',
        )
    return _write_folder(reader, target, keys) if keys else _write_file(reader, target)


def _write_file(reader: Any, target: Path) -> int:
    from pyarrow import Table
    from pyarrow.parquet import ParquetWriter

    count, batches = 0, iter(reader)
    with unfinished(target) as part, ParquetWriter(part, reader.schema) as writer:
        while group := list(islice(batches, _GROUP)):
            table = Table.from_batches(group, reader.schema)
            writer.write_table(table)
            count += table.num_rows
    return count


def _write_folder(reader: Any, target: Path, keys: list[str]) -> int:
    from pyarrow import RecordBatchReader
    from pyarrow.dataset import write_dataset

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProgrammingError(
            f'{target} is there already', remedy='Give a new or an empty folder.'
        )
    counts: list[int] = []

    def counted() -> Iterator[Any]:
        for batch in reader:
            counts.append(batch.num_rows)
            yield batch

    with unfinished(target) as part:
        write_dataset(
            RecordBatchReader.from_batches(reader.schema, counted()),
            part,
            format='parquet',
            partitioning=keys,
            partitioning_flavor='hive',
            max_partitions=_MOST_PARTITIONS,
            use_threads=False,
        )
        if target.exists():
            target.rmdir()
    return sum(counts)
