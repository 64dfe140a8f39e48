"""The same tasks with every client of XNAT, on one archive that is 0, 20 and 100 ms away: requests, bytes, seconds, memory.

::

    python -m tests.benchmarks.far [--delays 0,20,100] [--rounds N] [--tasks a,b] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyxnat
from tests.benchmarks.__main__ import ROOT, Server, archive, old_python
from tests.benchmarks.peers.common import PROJECTS

PEERS = Path(__file__).with_name('peers')
TASKS = ('connect', 'sessions', 'table', 'mget', 'scans', 'files', 'put', 'create', 'download', 'again', 'many')
MANY = 1000


class Row(NamedTuple):
    """What one client took for one task at one distance."""

    task: str
    client: str
    delay_ms: int
    requests: int
    received: int
    seconds: float
    mib: float
    found: int


class Far:
    """The proxy before an archive."""

    def __init__(self, url: str) -> None:
        self.url = url

    def counts(self) -> dict[str, int]:
        """What it has seen since last asked."""
        return self._ask('count')

    def delay(self, milliseconds: int) -> None:
        """Make the archive as far away."""
        self._ask(f'delay/{milliseconds}')

    def _ask(self, words: str) -> Any:
        with urllib.request.urlopen(f'{self.url}/!{words}', timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def far(server: Server) -> Iterator[Far]:
    """A proxy in a process of its own."""
    words = [sys.executable, '-m', 'tests.benchmarks.latency', server[0]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield Far(process.stdout.readline().strip())
        finally:
            process.terminate()


def fill(server: Server, folder: Path) -> None:
    """Five projects of twenty subjects with two sessions of two scans; files in one subject, and many in one resource."""
    with pyxnat.Interface(*server, folder / 'filling') as interface:
        for name in PROJECTS:
            project = interface.select.project(name).create()
            for number in range(20):
                subject = project.subject(f'S{number:02}').create(gender='female' if number % 2 else 'male', age=str(20 + number))
                for visit in range(2):
                    session = subject.experiment(f'S{number:02}_E{visit}').create(
                        date=f'2020-01-{visit + 1:02}', scanner='Trio', age=str(30 + number)
                    )
                    for scan in ('1', '2'):
                        session.scan(scan).create(type='T1', quality='usable')
        project = interface.select.project(PROJECTS[0])
        for visit in range(2):
            for scan in ('1', '2'):
                resource = project.subject('S00').experiment(f'S00_E{visit}').scan(scan).resource('DICOM')
                for number in range(6):
                    resource.file(f'{visit}{scan}{number}.dcm').put(os.urandom(20_000))
        many = folder / 'many'
        many.mkdir()
        for number in range(MANY):
            (many / f'{number:04}.dcm').write_bytes(os.urandom(4096))
        project.resource('MANY').put_dir(many)


def measure(program: list[str], task: str, server: Server, proxy: Far, folder: Path) -> tuple[Row, Row] | None:
    """Connecting, and the task; nothing where the client has no such task."""
    environment = {**os.environ, 'PYXNAT_CACHEDIR': str(folder / 'cache')}
    if program[0] == sys.executable:
        environment['PYTHONPATH'] = str(ROOT)
    else:
        environment.pop('PYTHONPATH', None)
    name = Path(program[1]).stem
    proxy.counts()
    words = [*program, task if task != 'connect' else 'sessions', proxy.url, server[1], server[2], str(folder)]
    started = time.perf_counter()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None and process.stdin is not None
        if process.stdout.readline().strip() != 'ready':
            return None
        connected, counts = time.perf_counter() - started, proxy.counts()
        process.stdin.write('go\n')
        process.stdin.flush()
        said = json.loads(process.stdout.readline())
        done = proxy.counts()
        process.stdin.write('end\n')
        process.stdin.flush()
    connecting = Row('connect', name, 0, counts['requests'], counts['received'], connected, 0.0, 0)
    return connecting, Row(task, name, 0, done['requests'], done['received'], said['seconds'], said['mib'], said['found'])


def best(program: list[str], task: str, server: Server, proxy: Far, folder: Path, rounds: int) -> Row | None:
    """The quickest of some rounds, each in a folder of its own; ``again`` downloads into the folder of the round before."""
    found: list[Row] = []
    for number in range(rounds):
        place = folder / f'{Path(program[1]).stem}_{task}_{number}_{time.monotonic_ns()}'
        place.mkdir()
        (place / 'one.txt').write_text('one file')
        if task == 'again' and measure(program, 'download', server, proxy, place) is None:
            return None
        rows = measure(program, task, server, proxy, place)
        shutil.rmtree(place)
        if rows is None:
            return None
        found.append(rows[0] if task == 'connect' else rows[1])
    return min(found, key=lambda row: row.seconds)


def main() -> int:
    """Run all of it; the table goes to the terminal, and as JSON to a file."""
    parser = argparse.ArgumentParser('python -m tests.benchmarks.far')
    parser.add_argument('--delays', default='0,20,100', help='milliseconds')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--tasks', default=','.join(TASKS))
    parser.add_argument('--json', type=Path)
    chosen = parser.parse_args()
    programs = {
        'ours': [sys.executable, str(PEERS / 'ours.py')],
        'old': [old_python(), str(PEERS / 'old.py')],
        'xnatpy': [sys.executable, str(PEERS / 'xnatpy.py')],
    }
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, archive(Path(name)) as server:
        folder = Path(name)
        fill(server, folder)
        with far(server) as proxy:
            for delay in map(int, chosen.delays.split(',')):
                for task in chosen.tasks.split(','):
                    for program in programs.values():
                        proxy.delay(delay)
                        row = best(program, task, server, proxy, folder, chosen.rounds if delay < 100 else 1)
                        if row is not None:
                            rows.append(row._replace(delay_ms=delay))
                            print(f'{task:10} {row.client:8} {delay:4} ms {row.requests:5} requests {row.received:10} bytes {row.seconds:8.2f} s'
                                  f' {row.mib:6.1f} MiB  {row.found}', flush=True)  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps([row._asdict() for row in rows], indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main())
