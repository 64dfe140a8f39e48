"""Time the same jobs with the commands of pyxnat, xnatctl and xnatpy, each in a new process.

::

    python -m tests.benchmarks.commands [--rows 1000,10000] [--files 300] [--rounds 3] [--rst FILE]

All commands ask one served archive, through a proxy that counts requests and bytes. With --rst the
table of ``docs/howto/shell.rst`` is written.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyxnat

from .running import Far, Server, archive, far

__all__ = ['PROGRAMS', 'Figure', 'Job', 'jobs', 'measure', 'table']

BIN = Path(sys.executable).parent
PROGRAMS: dict[str, list[str]] = {
    'pyxnat': [sys.executable, '-m', 'pyxnat.apps.shell'],
    'xnatctl 0.6': [str(BIN / 'xnatctl')],
    'xnatpy 0.8': [str(BIN / 'xnat')],
}


class Job(NamedTuple):
    """A job, and the arguments of each program for it; a program that lacks it is left out."""

    title: str
    commands: dict[str, str]
    keeps: bool = False
    """Whether the folder of the run before stays."""


class Figure(NamedTuple):
    """One job done by one program."""

    job: str
    program: str
    seconds: float
    """Of the fastest round, from the start of the process to its end."""
    requests: int
    bytes: int
    """Received and sent bodies."""


GET = {
    'pyxnat': 'get SMALL/S/E {dest}',
    'xnatctl 0.6': 'session download -P SMALL -E E --out {dest} --extract',
    'xnatpy 0.8': 'download experiments SMALL E {dest}',
}
PUT = {
    'pyxnat': 'put {source} /projects/SMALL/resources/NEW{number}',
    'xnatctl 0.6': 'resource upload -P SMALL NEW{number} {source}',
}


def jobs(rows: Sequence[int]) -> list[Job]:
    """Return the jobs, with a listing for each number of rows."""
    listings = [
        Job(
            f'list {count:,} subjects',
            {
                'pyxnat': f'ls ROWS{count}',
                'xnatctl 0.6': f'subject list -P ROWS{count} -o tsv',
                'xnatpy 0.8': f'list subjects --project ROWS{count}',
            },
        )
        for count in rows
    ]
    return [
        Job('version', dict.fromkeys(PROGRAMS, '--version')),
        *listings,
        Job('get a session', GET),
        Job('get it again', GET, keeps=True),
        Job('put a folder', PUT),
    ]


def fill(server: Server, rows: Sequence[int], files: int, source: Path) -> None:
    """Create the projects of the jobs, and the folder to put."""
    source.mkdir()
    for number in range(files):
        (source / f'{number:04}.bin').write_bytes(number.to_bytes(4, 'big') * 2500)
    with pyxnat.Interface(*server, source.parent / 'cache') as interface:
        for count in rows:
            project = interface.select.project(f'ROWS{count}').create()
            labels = [{'label': f'SUBJECT_{number:05}'} for number in range(count)]
            project.subjects().insert(labels, jobs=8).check()
        scan = interface.select.project('SMALL').create().subject('S').experiment('E').scan('1')
        scan.resource('DATA').put_dir(source)


def measure(rows: Sequence[int], files: int, rounds: int) -> Iterator[Figure]:
    """Yield the figures of all jobs and programs, each the best of several rounds.

    Parameters
    ----------
    rows : sequence of int
        Numbers of subjects of the projects to list.
    files : int
        Number of files of the session, and of the folder to put.
    rounds : int
        Rounds of which the fastest counts.
    """
    with tempfile.TemporaryDirectory(prefix='commands') as name:
        folder = Path(name)
        with archive(folder) as server, far(server) as proxy:
            fill(server, rows, files, folder / 'source')
            for job in jobs(rows):
                for program, words in job.commands.items():
                    yield _best(job, program, words, rounds, folder, server, proxy)


def _best(
    job: Job, program: str, words: str, rounds: int, folder: Path, server: Server, proxy: Far
) -> Figure:
    dest, found = folder / f'dest {program}'.replace(' ', '_'), []
    for number in range(rounds):
        if not job.keeps:
            shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(exist_ok=True)
        arguments = words.format(
            dest=dest, source=folder / 'source', number=f'{number}{program[:6]}'
        )
        proxy.counts()
        begin = time.perf_counter()
        done = subprocess.run(
            [*PROGRAMS[program], *arguments.split()],
            env=_environment(folder, server, proxy),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, counts = time.perf_counter() - begin, proxy.counts()
        if done.returncode:
            raise RuntimeError(f'{program} {arguments}: {done.stderr[-2000:]}')
        found.append((seconds, counts['requests'], counts['sent'] + counts['received']))
    return Figure(job.title, program, *min(found))


def _environment(folder: Path, server: Server, proxy: Far) -> dict[str, str]:
    """Return the login, as each program takes it, and a home of its own."""
    _, user, password = server
    host = proxy.url.split('//')[1].partition(':')[0]
    netrc = folder / 'netrc'
    netrc.write_text(f'machine {host} login {user} password {password}\n', encoding='ascii')
    netrc.chmod(0o600)
    return {
        **os.environ,
        'HOME': str(folder),
        'NETRC': str(netrc),
        'PYXNAT_CACHEDIR': str(folder / 'cache'),
        'XNAT_HOST': proxy.url,
        'XNAT_URL': proxy.url,
        'XNAT_USER': user,
        'XNAT_PASS': password,
    }


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as a table of reStructuredText."""
    by_job: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        by_job.setdefault(figure.job, {})[figure.program] = figure
    lines = ['.. csv-table::', f'   :header: job, {", ".join(PROGRAMS)}', '   :delim: |', '']
    for job, found in by_job.items():
        cells = [_cell(found.get(program)) for program in PROGRAMS]
        lines.append(f'   {job} | {" | ".join(cells)}')
    return '\n'.join(lines) + '\n'


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return '(no such verb)'
    requests = f'{figure.requests} request{"s" if figure.requests != 1 else ""}'
    return f'{figure.seconds:.2f} s' + (f', {requests}' if figure.requests else '')


def main() -> int:
    """Measure, print, and write the table."""
    parser = argparse.ArgumentParser('python -m tests.benchmarks.commands')
    parser.add_argument('--rows', default='1000,10000')
    parser.add_argument('--files', type=int, default=300)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--rst', type=Path)
    chosen = parser.parse_args()
    figures = []
    rows = [int(count) for count in chosen.rows.split(',')]
    for figure in measure(rows, chosen.files, chosen.rounds):
        print(
            f'{figure.job:22} {figure.program:12} {figure.seconds:7.3f} s '
            f'{figure.requests:5} requests {figure.bytes:10} bytes',
            flush=True,
        )
        figures.append(figure)
    if chosen.rst:
        chosen.rst.write_text(table(figures), encoding='utf-8')
    return 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # also ends the server and the proxy
    sys.exit(main())
