"""``make bench``: run the same tasks with every client of XNAT, at latencies of 0, 20 and 100 ms.

::

    python -m tests.benchmarks [--delays 0,20,100] [--rounds N] [--tasks a,b]
        [--clients a,b] [--tiny] [--json FILE]

It prints each figure when it is measured. ``docs/make_performance.py`` makes tables and a plot from
the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyxnat

from .filling import TINY, Size, fill
from .running import Client, Row, Runner, archive, clients, far
from .tasks import TASKS, Task


def bench(
    size: Size, tasks: Sequence[Task], who: Sequence[Client], delays: Sequence[int], rounds: int
) -> Iterator[Row]:
    """Fill an archive, and run each task with each client at each latency."""
    with (
        tempfile.TemporaryDirectory(prefix='bench') as name,
        archive(Path(name)) as server,
        far(server) as proxy,
    ):
        folder = Path(name)
        with pyxnat.Interface(*server, folder / 'cache') as interface:
            interface.cache.expiration = 0
            runner = Runner(
                interface, server, proxy, fill(interface, folder / 'sources', size), folder
            )
            for delay in delays:
                asked = [task for task in tasks if task.is_far or not delay]
                yield from runner.rows(asked, who, delay, 1 if delay else rounds)


def machine() -> dict[str, Any]:
    """Return the class of the machine, as far as it matters for the figures."""
    return {
        'processors': os.cpu_count(),
        'system': platform.system(),
        'python': platform.python_version(),
    }


def shown(row: Row) -> str:
    """Return a line for the terminal."""
    found = '' if row.is_right else f'  WRONG: {row.found} of {row.asked}, {row.wrong} others'
    return (
        f'{row.task:14} {row.client:13} {row.delay_ms:4} ms {row.requests:5} '
        f'({row.first_requests}) requests {row.sent:11} up {row.received:11} down'
        f' {row.seconds:8.3f} s {row.cpu_s:7.3f} s CPU {row.peak_mib:6.1f} MiB{found}'
    )


def main() -> int:
    """Run the chosen tasks and clients."""
    parser = argparse.ArgumentParser('python -m tests.benchmarks')
    parser.add_argument('--delays', default='0,20,100', help='milliseconds')
    parser.add_argument(
        '--rounds',
        type=int,
        default=2,
        help='timed rounds of an archive at no distance; of others there is one',
    )
    parser.add_argument('--tasks', help='only these')
    parser.add_argument(
        '--clients', default='', help='only those whose names begin like one of these'
    )
    parser.add_argument('--tiny', action='store_true', help='on a tiny archive')
    parser.add_argument('--json', type=Path)
    chosen = parser.parse_args()
    who = clients(tuple(chosen.clients.split(',')), alone=not chosen.tiny)
    tasks = [task for task in TASKS if not chosen.tasks or task.name in chosen.tasks.split(',')]
    rows = []
    for row in bench(
        TINY if chosen.tiny else Size(),
        tasks,
        who,
        [int(delay) for delay in chosen.delays.split(',')],
        chosen.rounds,
    ):
        print(shown(row), flush=True)
        rows.append(row._asdict())
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(
            json.dumps(
                {
                    'machine': machine(),
                    'tasks': {task.name: task.title for task in tasks},
                    'rows': rows,
                },
                indent=1,
            )
            + '\n',
            encoding='utf-8',
        )
    return 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # also ends the processes that it started
    sys.exit(main())
