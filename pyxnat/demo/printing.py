"""Text of the demo: titles, tables, criteria, costs."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..http.tracing import Trace
    from ..interface import Interface

__all__ = [
    'Cost',
    'explain',
    'in_megabytes',
    'indented',
    'measured',
    'relative',
    'say',
    'table',
    'title',
]

_WIDTH = 95


class Cost:
    """Requests and seconds of a block of code."""

    trace: Trace
    seconds = 0.0

    def __str__(self) -> str:
        plural = '' if self.trace.requests == 1 else 's'
        return f'{self.trace.requests} request{plural}, {self.seconds:.1f} s'


@contextmanager
def measured(interface: Interface) -> Iterator[Cost]:
    """Count the requests of a block, and measure its time."""
    cost, started = Cost(), time.perf_counter()
    with interface.trace() as cost.trace:
        yield cost
    cost.seconds = time.perf_counter() - started


def title(text: str) -> None:
    """Print the title of a chapter."""
    say(f'\n{text}\n{"-" * len(text)}')


def say(*lines: str) -> None:
    """Print lines at once; an empty one without arguments."""
    print('\n'.join(lines), flush=True)


def explain(text: str) -> None:
    """Print a paragraph, broken into lines."""
    say(textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False))


def table(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows in aligned columns, numbers to the right."""
    if rows:
        cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        numeric = [
            all(_is_number(cell) for cell in column[1:]) for column in zip(*cells, strict=True)
        ]
        for line in cells:
            columns = zip(line, widths, numeric, strict=True)
            aligned = (
                cell.rjust(width) if right else cell.ljust(width) for cell, width, right in columns
            )
            say(f'  {"  ".join(aligned)}'.rstrip())


def _is_number(cell: str) -> bool:
    return cell.replace('.', '').isdigit() or cell in ('', '-')


def in_megabytes(count: int) -> str:
    """Return a number of bytes as text."""
    return f'{count / 1e6:.1f} MB'


def indented(criteria: Sequence[Any], depth: int = 4) -> str:
    """Return criteria as text, one per line, with nested lists indented.

    Parameters
    ----------
    criteria : sequence
        Criteria as `where` takes them.
    depth : int
        Number of blanks before the outer bracket.
    """
    pad = ' ' * depth
    lines = [
        indented(item, depth + 1).strip() if isinstance(item, list) else repr(item)
        for item in criteria
    ]
    return pad + '[' + (',\n ' + pad).join(lines) + ']'


def relative(path: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
