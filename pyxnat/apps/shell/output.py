"""Output of the command.

For people on a terminal, complete and plain for programs. Data go to standard output, all else to
standard error. Control characters of a server's text are replaced by their codes.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

import click

from ...errors import printable
from .options import respell

__all__ = ['FORMATS', 'Output', 'size_text']

FORMATS = ('human', 'json', 'jsonl', 'tsv', 'csv', 'quiet')
_STEPS = ('B', 'KB', 'MB', 'GB', 'TB', 'PB')


class Output:
    """Writes rows and texts in one of `FORMATS`.

    Parameters
    ----------
    format : str
        ``human`` is a table on a terminal, and tab-separated rows without a header elsewhere;
        ``quiet`` is the first column alone.
    colour : bool
        Whether tables may have colours.
    out, err : file
        Default: standard output and standard error.
    """

    def __init__(
        self,
        format: str = 'human',  # noqa: A002 - the option's name
        colour: bool = True,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.format = format
        self.colour = colour
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads the output."""
        return self.format == 'human' and self._out.isatty()

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        """Write rows, and return their number.

        Rows are written as they come, but for tables on a terminal and JSON.

        Parameters
        ----------
        rows : iterable of mapping
            Values by column; missing ones are empty.
        columns : sequence of str
            Columns in their order; the first is the name.
        """
        write = {
            'json': self._json,
            'jsonl': self._json_lines,
            'csv': self._separated,
            'tsv': self._separated,
            'quiet': self._names,
        }.get(self.format, self._table if self.is_terminal else self._plain)
        return write(rows, columns)

    def _json(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        found = [{name: row.get(name, '') for name in columns} for row in rows]
        self._print(json.dumps(found, indent=2, ensure_ascii=False))
        return len(found)

    def _json_lines(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        count = 0
        for row in rows:
            self._print(
                json.dumps({name: row.get(name, '') for name in columns}, ensure_ascii=False)
            )
            count += 1
        return count

    def _separated(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        """Write CSV or TSV with a header."""
        buffer = io.StringIO()
        writer = csv.writer(
            buffer, delimiter='\t' if self.format == 'tsv' else ',', lineterminator='\n'
        )
        count = 0
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_text(row.get(name, '')) for name in columns])
            count += 1
            self._out.write(buffer.getvalue())
            buffer.seek(0)
            buffer.truncate()
        self._out.write(buffer.getvalue())
        return count

    def _plain(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        count = 0
        for row in rows:
            self._print('\t'.join(_flat(row.get(name, '')) for name in columns))
            count += 1
        return count

    def _names(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        return self._plain(rows, columns[:1])

    def _table(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style='bold')
        for name in columns:
            table.add_column(name, overflow='fold')
        count = 0
        for row in rows:
            table.add_row(*(printable(_text(row.get(name, ''))) for name in columns))
            count += 1
        console = Console(
            file=self._out, no_color=not self.colour, markup=False, highlight=False, emoji=False
        )
        console.print(table)
        return count

    def fields(self, values: Mapping[str, Any]) -> None:
        """Write one record: names and values, one a line, or an object."""
        if self.format == 'json':
            self._print(json.dumps(dict(values), indent=2, ensure_ascii=False))
        elif self.format in ('jsonl', 'csv', 'tsv'):
            self.rows([values], list(values))
        elif self.format == 'quiet':
            self._print(_flat(next(iter(values.values()), '')))
        else:
            width = max((len(name) for name in values), default=0) if self.is_terminal else 0
            for name, value in values.items():
                gap = ' ' * (width - len(name) + 2) if width else '\t'
                self._print(f'{name}{gap}{_flat(value)}')

    def text(self, text: str) -> None:
        """Write a text as it is, but for control characters."""
        self._print(printable(text))

    def bytes(self, piece: bytes) -> None:
        """Write bytes unchanged."""
        self._out.flush()
        self._out.buffer.write(piece)
        self._out.buffer.flush()

    def file(self, path: str) -> None:
        """Write the content of a local file unchanged."""
        with open(path, 'rb') as file:
            while piece := file.read(2**18):
                self.bytes(piece)

    def note(self, text: str) -> None:
        """Write a message to standard error, unless the format is ``quiet``."""
        if self.format != 'quiet':
            self.error(text)

    def error(self, text: str) -> None:
        """Write a message to standard error, in any format.

        It names options of the present verb as they are typed.
        """
        context = click.get_current_context(silent=True)
        parameters = context.command.params if context is not None else []
        self._err.write(f'{respell(printable(text), parameters)}\n')

    def _print(self, text: str) -> None:
        self._out.write(f'{text}\n')


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ', '.join(map(str, value))
    return '' if value is None else str(value)


def _flat(value: Any) -> str:
    """Return a value without line breaks and tabs."""
    return printable(' '.join(_text(value).split('\n')).replace('\t', ' '))


def size_text(size: float) -> str:
    """Return a number of bytes for people, in powers of 1,000.

    >>> size_text(0), size_text(1234567)
    ('0 B', '1.2 MB')
    """
    step = 0
    while size >= 1000 and step < len(_STEPS) - 1:
        size, step = size / 1000, step + 1
    return f'{size:.1f} {_STEPS[step]}' if step else f'{int(size)} B'
