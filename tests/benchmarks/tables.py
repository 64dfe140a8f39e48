"""Long tables: this library and Python's csv module, on stored responses.

::

    python -m tests.benchmarks.tables [--rows 100000,1000000] [--rounds N] [--rst FILE]

A process of its own serves a prepared listing of sessions, as JSON and as CSV. Each reader is a
process, too. Its time is the best of some rounds in several turns, after a round that is not
counted; its memory is its peak above that after a table of a hundred rows.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import io
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyxnat
from pyxnat.tables.table import JsonTable, iter_csv

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, '-m', 'tests.benchmarks.tables']
COLUMNS = ['ID', 'label', 'project', 'date', 'xsiType', 'subject_ID']
ROUNDS, TURNS = 3, 3
FEW = 100
WIDTHS = 32, 8, 8, 7, 7
HEAD = ' '.join(
    [
        f'{"reader":32}',
        *(
            f'{name:>{width}}'
            for name, width in zip(('rows', 'seconds', 'to csv', 'MiB'), WIDTHS[1:], strict=True)
        ),
    ]
)
"""Columns of the printed table; *to csv* is the ratio of the time to that of the csv module, *MiB*
the peak memory above that after a small table."""
PATH = '/data/projects/{}/experiments'
"""Project whose ID has the number of rows."""


class Figure(NamedTuple):
    """Result of one reader for one table."""

    reader: str
    rows: int
    seconds: float
    cpu_s: float
    grown_mib: float
    """Peak memory above that after a small table."""


# -- the server ------------------------------------------------------------------------------------


def sessions(count: int) -> Iterator[dict[str, str]]:
    """Return the rows of a listing in XNAT's form, with six columns requested."""
    for number in range(count):
        identity = f'XNAT_E{number:07}'
        yield {
            'ID': identity,
            'project': str(count),
            'date': f'20{number % 20:02}-0{1 + number % 9}-1{number % 10}',
            'xsiType': 'xnat:mrSessionData',
            'label': f'S{number // 2:07}_MR{1 + number % 2}',
            'insert_date': '2020-01-02 03:04:05.0',
            'subject_ID': f'XNAT_S{number // 2:07}',
            'URI': f'/data/experiments/{identity}',
        }


def as_json(count: int) -> bytes:
    rows = ','.join(json.dumps(row, separators=(',', ':')) for row in sessions(count))
    return f'{{"ResultSet":{{"Result":[{rows}],"totalRecords":"{count}"}}}}'.encode()


def as_csv(count: int) -> bytes:
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    rows = sessions(count)
    first = next(rows)
    writer.writerows([[*first], [*first.values()]])
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


def serve(counts: list[int]) -> None:
    """Serve the prepared responses from memory; print the port when all is ready."""
    bodies = {
        (PATH.format(count), kind): make(count)
        for count in counts
        for kind, make in (('json', as_json), ('csv', as_csv))
    }
    listener = socket.create_server(('127.0.0.1', 0))
    print(listener.getsockname()[1], flush=True)

    def answer(connection: socket.socket) -> None:
        with connection, connection.makefile('rb') as file:
            while request := file.readline().decode().split():
                while file.readline().strip():
                    pass
                path, _, query = request[1].partition('?')
                body = bodies.get((path, 'csv' if 'format=csv' in query else 'json'), b'')
                connection.sendall(
                    'HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=A; Path=/\r\nContent-Length: '
                    f'{len(body)}\r\n\r\n'.encode()
                    + body
                )

    while True:
        threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()


@contextmanager
def serving(counts: list[int]) -> Iterator[int]:
    """Return the port of a server of tables with this number of rows."""
    with subprocess.Popen(
        [*PROGRAM, 'serve', *map(str, counts)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


# -- the readers -----------------------------------------------------------------------------------


class Reader:
    """Reads tables from the server, each time with a new request unless it is offline."""

    def __init__(self, port: int, folder: str) -> None:
        self._port = port
        self._folder = folder
        self._interface = pyxnat.Interface(f'http://127.0.0.1:{port}', 'me', 'secret', folder)
        self._interface.cache.expiration = 0

    def _fetched(self, count: int) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection('127.0.0.1', self._port)
        connection.request('GET', f'{PATH.format(count)}?format=csv')
        yield connection.getresponse()
        connection.close()

    def csv_module(self, count: int) -> int:
        """Read CSV with csv.DictReader, row by row."""
        return sum(
            sum(1 for _ in csv.DictReader(io.TextIOWrapper(answer, 'utf-8', newline='')))
            for answer in self._fetched(count)
        )

    def csv_held(self, count: int) -> int:
        """Read the same rows into a list."""
        return sum(
            len(list(csv.DictReader(io.TextIOWrapper(answer, 'utf-8', newline=''))))
            for answer in self._fetched(count)
        )

    def csv_read(self, count: int) -> int:
        """Read the same bytes with pyxnat's CSV parser."""
        return sum(sum(1 for _ in iter_csv(answer)) for answer in self._fetched(count))

    def _selection(self, count: int) -> Any:
        return self._interface.select(f'/projects/{count}/experiments')

    def rows(self, count: int) -> int:
        """Read the rows of a table one at a time."""
        return sum(1 for _ in self._selection(count).rows(COLUMNS))

    def offline(self, count: int) -> int:
        """Read the same rows from the cache."""
        if self._interface.cache.mode == 'online':
            self.rows(count)
        self._interface.cache.mode = 'offline'
        try:
            return self.rows(count)
        finally:
            self._interface.cache.mode = 'online' if count == FEW else 'offline'

    def elements(self, count: int) -> int:
        """Read the same rows as elements."""
        return sum(1 for _ in self._selection(count)._fetch('all'))

    def table(self, count: int) -> int:
        """Read a table that is held in memory."""
        table: JsonTable = self._selection(count).table(COLUMNS)
        return len(table)

    def close(self) -> None:
        self._interface.cache.mode = 'online'
        self._interface.disconnect()


READERS = {
    'csv.DictReader, row by row': Reader.csv_module,
    'iter_csv, row by row': Reader.csv_read,
    'rows of a selection': Reader.rows,
    'rows from the cache': Reader.offline,
    'csv.DictReader, as a list': Reader.csv_held,
    'table, in memory': Reader.table,
    'elements': Reader.elements,
}
"""Name -> function. The others are compared with the first."""


def peak_kib() -> int:
    """Return the peak memory of this process in KiB, from Linux's own record.

    getrusage also counts the memory of the parent before exec.
    """
    status = Path('/proc/self/status')
    if status.exists():
        return int(re.search(r'VmHWM:\s+(\d+)', status.read_text())[1])  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
        2**10 if sys.platform == 'darwin' else 1
    )


def read(name: str, port: int, count: int, rounds: int) -> None:
    """Run one reader in this process and print the result as JSON."""
    ask: Callable[[Reader, int], int] = READERS[name]
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(port, folder)
        assert ask(reader, FEW) == FEW
        before, took = peak_kib(), []
        for _ in range(rounds + 1):
            started, cpu = time.perf_counter(), time.process_time()
            assert ask(reader, count) == count
            took.append((time.perf_counter() - started, time.process_time() - cpu))
        reader.close()
    seconds, cpu_s = map(min, zip(*took[1:], strict=True))
    print(json.dumps([name, count, seconds, cpu_s, (peak_kib() - before) / 1024]))


def measure(
    counts: list[int], rounds: int = ROUNDS, names: tuple[str, ...] = tuple(READERS), turns: int = 1
) -> Iterator[Figure]:
    """Return the results of the readers for tables with this number of rows.

    They take turns, because other programs may use the machine, and the best turn counts.
    """
    with serving([FEW, *counts]) as port:
        for count in counts:
            taken = [[_read(name, port, count, rounds) for name in names] for _ in range(turns)]
            for several in zip(*taken, strict=True):
                yield min(several, key=lambda figure: figure.seconds)


def _read(name: str, port: int, count: int, rounds: int) -> Figure:
    words = [*PROGRAM, 'read', name, *map(str, (port, count, rounds))]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return Figure(*json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    """Measure all readers, and print a table."""
    parser = argparse.ArgumentParser('python -m tests.benchmarks.tables')
    parser.add_argument('--rows', default='100000,1000000', help='numbers of rows of the tables')
    parser.add_argument('--rounds', type=int, default=ROUNDS)
    parser.add_argument('--rst', type=Path, help='file of the table for the documentation')
    chosen = parser.parse_args()
    lines, first = [], None
    print(HEAD)
    for figure in measure(
        [int(count) for count in chosen.rows.split(',')], chosen.rounds, turns=TURNS
    ):
        first = figure if figure.reader == next(iter(READERS)) else first
        assert first is not None
        line = (
            f'{figure.reader:32} {figure.rows:8} {figure.seconds:8.3f} '
            f'{figure.seconds / first.seconds:7.2f} {figure.grown_mib:7.1f}'
        )
        print(line, flush=True)
        lines.append(line)
    if chosen.rst:
        rule = ' '.join('=' * width for width in WIDTHS)
        head = '.. Written by python -m tests.benchmarks.tables --rst. Do not edit.'
        chosen.rst.write_text(
            '\n'.join([head, '', rule, HEAD, rule, *lines, rule, '']), encoding='utf-8'
        )
    return 0


if __name__ == '__main__':
    if sys.argv[1:2] == ['serve']:
        serve([int(count) for count in sys.argv[2:]])
    elif sys.argv[1:2] == ['read']:
        read(sys.argv[2], *map(int, sys.argv[3:]))
    else:
        sys.exit(main())
