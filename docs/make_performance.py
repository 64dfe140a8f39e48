"""Write the tables and the plot of ``docs/performance.rst`` from the figures of ``make bench``.

::

    python docs/make_performance.py            # write the files beside bench.json
    python docs/make_performance.py --losses   # print the losses; nothing is written

Nothing is measured here: ``python -m tests.benchmarks --json`` writes
``docs/performance/bench.json``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).with_name('performance')
BENCH, TABLES, LOSSES, PLOT = (
    FOLDER / name for name in ('bench.json', 'tables.inc', 'losses.inc', 'plot.svg')
)
OURS, CURL = 'pyxnat 2', 'curl'
SLOWER, THAN_CURL = 1.1, 1.2
"""Factors above which a result is a loss: compared with the fastest other client, and with curl for
downloads of many files."""
MANY_FILES = ('download', 'many', 'single', 'middling')
COLOURS = ('#c1272d', '#e9a23b', '#2b6cb0', '#2f855a', '#555555')

HEAD = '.. Written by docs/make_performance.py from performance/bench.json. Do not edit.'

Row = dict[str, Any]


class Bench(NamedTuple):
    """Measured figures."""

    machine: dict[str, Any]
    titles: dict[str, str]
    rows: list[Row]
    digest: str

    @classmethod
    def read(cls, path: Path = BENCH) -> Bench:
        """Read the file of figures."""
        text = path.read_bytes()
        found = json.loads(text)
        return cls(
            found['machine'], found['tasks'], found['rows'], hashlib.sha256(text).hexdigest()
        )

    @property
    def clients(self) -> list[str]:
        """Names of the clients, in the order of the file."""
        return list(dict.fromkeys(row['client'] for row in self.rows))

    @property
    def delays(self) -> list[int]:
        """Latencies in milliseconds, ascending."""
        return sorted({row['delay_ms'] for row in self.rows})

    def at(self, task: str, delay_ms: int) -> dict[str, Row]:
        """Return the rows of a task, by client."""
        return {
            row['client']: row
            for row in self.rows
            if (row['task'], row['delay_ms']) == (task, delay_ms)
        }


def is_right(row: Row) -> bool:
    """Whether the client found all items and no others."""
    return row['found'] == row['asked'] and not row['wrong']


# -- tables


def tables(bench: Bench) -> str:
    """Return all tables as reStructuredText."""
    near = bench.delays[0]
    parts = [HEAD, questions(bench)]
    parts.append(table(bench, near, 'Requests', _requests, best=lambda row: row['requests']))
    for delay in bench.delays:
        parts.append(
            table(bench, delay, f'Seconds at {delay} ms', _seconds, best=lambda row: row['seconds'])
        )
    parts.append(
        table(bench, near, 'Bytes, both ways', lambda row: _bytes(row['sent'] + row['received']))
    )
    parts.append(
        table(
            bench,
            near,
            'Peak memory of the process, MiB',
            lambda row: f'{row["peak_mib"]:.0f}' if row['peak_mib'] else '?',
        )
    )
    parts.append(
        table(
            bench,
            near,
            'Processor seconds of the client at 0 ms',
            lambda row: f'{row["cpu_s"]:.2f}',
        )
    )
    return '\n\n'.join(parts) + '\n'


def questions(bench: Bench) -> str:
    """Return the table of tasks, with the number of items."""
    lines = [
        '.. csv-table:: Tasks',
        '   :class: performance',
        f'   :header: {_quoted(["task", "content", "items"])}',
        '',
    ]
    for task, title in bench.titles.items():
        asked = next(row['asked'] for row in bench.rows if row['task'] == task)
        lines.append(f'   {_quoted([f"``{task}``", title, str(asked) if asked else ""])}')
    return '\n'.join(lines)


def table(
    bench: Bench,
    delay: int,
    title: str,
    cell: Callable[[Row], str],
    best: Callable[[Row], float] | None = None,
) -> str:
    """Return one figure of all clients at one latency.

    The lowest of the right results is bold.
    """
    lines = [
        f'.. csv-table:: {title}',
        '   :class: performance',
        f'   :header: {_quoted(["task", *bench.clients])}',
        '',
    ]
    for task in bench.titles:
        rows = bench.at(task, delay)
        if not rows:
            continue
        least = (
            min((best(row) for row in rows.values() if is_right(row)), default=None)
            if best is not None
            else None
        )
        cells = [_cell(rows.get(client), cell, best, least) for client in bench.clients]
        lines.append(f'   {_quoted([f"``{task}``", *cells])}')
    return '\n'.join(lines)


def _cell(
    row: Row | None,
    cell: Callable[[Row], str],
    best: Callable[[Row], float] | None,
    least: float | None,
) -> str:
    if row is None:
        return '–'
    if not is_right(row):
        return f'{cell(row)} †'
    return f'**{cell(row)}**' if best is not None and best(row) == least else cell(row)


def _requests(row: Row) -> str:
    first = row['first_requests']
    return (
        str(row['requests']) if first == row['requests'] else f'{row["requests"]} (first {first})'
    )


def _seconds(row: Row) -> str:
    return f'> {row["seconds"]:.0f}' if row['is_reckoned'] else f'{row["seconds"]:.3f}'


def _bytes(number: int) -> str:
    for unit, size in (('GB', 10**9), ('MB', 10**6), ('kB', 10**3)):
        if number >= size:
            return f'{number / size:.1f} {unit}'
    return f'{number} B'


def _quoted(cells: Iterable[str]) -> str:
    return ', '.join(f'"{cell}"' for cell in cells)


# -- losses


def losses(bench: Bench) -> Iterator[str]:
    """Yield the losses: more requests than another client, or slower than the fastest one.

    With latency, only a client with more requests counts.
    """
    for row in bench.rows:
        if row['client'] == OURS and row['task'] != 'connect':
            others = bench.at(row['task'], row['delay_ms'])
            right = [
                other
                for name, other in others.items()
                if name not in (OURS, CURL) and is_right(other)
            ]
            yield from _lost(row, right)
            if (
                CURL in others
                and row['task'] in MANY_FILES
                and row['seconds'] > THAN_CURL * others[CURL]['seconds']
            ):
                yield f'{_name(row)}: {_against(row, others[CURL])}'


def listed(bench: Bench) -> str:
    """Return the losses as reStructuredText."""
    lines = [f'* {line}' for line in losses(bench)] or ['None in this run.']
    return '\n'.join([HEAD, '', *lines, ''])


def _lost(row: Row, others: list[Row]) -> Iterator[str]:
    if not is_right(row):
        yield f'{_name(row)}: wrong, {row["found"]} of {row["asked"]} found, {row["wrong"]} others'
    for other in others:
        fewer = other['requests'] < row['requests']
        slower = row['seconds'] > (1 if row['delay_ms'] else SLOWER) * other['seconds']
        if fewer and not row['delay_ms']:
            yield f'{_name(row)}: {row["requests"]} requests, {other["client"]} {other["requests"]}'
        if slower and (not row['delay_ms'] or other['requests'] > row['requests']):
            yield f'{_name(row)}: {_against(row, other)}'


def _name(row: Row) -> str:
    return f'{row["task"]} at {row["delay_ms"]} ms'


def _against(row: Row, other: Row) -> str:
    return (
        f'{row["seconds"]:.3f} s ({row["cpu_s"]:.3f} s CPU), {other["client"]} '
        f'{other["seconds"]:.3f} s ({other["cpu_s"]:.3f} s CPU):'
        f' {row["seconds"] / other["seconds"]:.2f}x'
    )


# -- the plot


def plot(bench: Bench, path: Path) -> None:
    """Plot requests, and seconds at each latency: a line for each task, a mark for each client."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams['svg.hashsalt'] = 'pyxnat'  # the same figures give the same file
    mpl.rcParams['svg.fonttype'] = 'none'
    tasks = [task for task in bench.titles if task != 'hits']
    panels: list[tuple[str, int, str]] = [('requests', bench.delays[0], 'requests')]
    panels += [('seconds', delay, f'seconds at {delay} ms') for delay in bench.delays]
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(8.5, rows * (0.22 * len(tasks) + 0.7)), layout='constrained')
    grid = figure.subplots(rows, 2, sharey=True, squeeze=False).flat
    for axes, (what, delay, title) in zip(grid, panels, strict=False):
        for client, colour in zip(bench.clients, COLOURS, strict=False):
            at = [(number, bench.at(task, delay).get(client)) for number, task in enumerate(tasks)]
            points = [
                (row[what], number)
                for number, row in at
                if row is not None and is_right(row) and row[what]
            ]
            size = 60 if client == OURS else 30
            axes.scatter(
                *zip(*points, strict=True),
                s=size,
                color=colour,
                label=client,
                zorder=3 if client == OURS else 2,
                alpha=0.85,
            )
        axes.set_xscale('log')
        axes.set_title(title, fontsize=10)
        axes.grid(visible=True, linewidth=0.4, alpha=0.6)
    axes.set_yticks(range(len(tasks)), tasks)
    axes.invert_yaxis()
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc='outside upper center',
        ncols=len(bench.clients),
        frameon=False,
    )
    figure.savefig(path, format='svg', metadata={'Date': None, 'Description': bench.digest})


def main() -> int:
    """Write the files, or print the losses."""
    parser = argparse.ArgumentParser('docs/make_performance.py')
    parser.add_argument('--losses', action='store_true', help='print the losses')
    parser.add_argument('--json', type=Path, default=BENCH)
    chosen = parser.parse_args()
    bench = Bench.read(chosen.json)
    if chosen.losses:
        sys.stdout.writelines(f'{line}\n' for line in losses(bench))
    else:
        TABLES.write_text(tables(bench), encoding='utf-8')
        LOSSES.write_text(listed(bench), encoding='utf-8')
        plot(bench, PLOT)
    return 0


if __name__ == '__main__':
    sys.exit(main())
