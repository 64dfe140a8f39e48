"""``make bench``: this library, pyxnat 1.6.4 and curl, in one run, on one archive.

::

    python -m tests.benchmarks [--bytes N] [--files N] [--rounds N] [--without-old]

Each figure is the best of some rounds, each round in a process of its own. The archive runs in another. pyxnat 1.6.4 is installed, from its source
distribution, into a virtual environment below ``.bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyxnat
from tests.benchmarks.clients import SCAN

ROOT = Path(__file__).parents[2]
OLD = ROOT / '.bench' / 'pyxnat-1.6.4'
PASSWORD = 'benchmark'


class Figure(NamedTuple):
    """What one client took for one task."""

    seconds: float
    over_import_mib: float | None = None
    """Peak memory above that after connecting."""


Server = tuple[str, str, str]
Client = Callable[[str, Server, Path], Figure]


def python(executable: str) -> Client:
    """A client written in Python, by the interpreter that has it."""

    def run(task: str, server: Server, folder: Path) -> Figure:
        environment = {**os.environ, 'PYXNAT_CACHEDIR': str(folder / 'cache')}
        environment.pop('PYTHONPATH', None)
        if executable == sys.executable:
            environment['PYTHONPATH'] = str(ROOT)
        script = str(Path(__file__).with_name('clients.py'))
        done = subprocess.run([executable, script, task, *server, str(folder)], capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise RuntimeError(done.stderr)
        said = json.loads(done.stdout.splitlines()[-1])
        if done.stderr.startswith('{'):
            print(f'  {task}: {done.stderr.strip()}')
        return Figure(said['seconds'], (said['peak_kib'] - said['imported_kib']) / 1024)

    return run


def curl(task: str, server: Server, folder: Path) -> Figure:
    """curl, for the tasks that it can do in one request."""
    url, user, password = server
    login = ['curl', '-sfS', '-u', f'{user}:{password}']
    words = {
        'big_down': [*login, '-o', str(folder / 'down.bin'), f'{url}/data{SCAN}/resources/BIG/files/big.bin'],
        'big_up': [*login, '-T', str(folder / 'up.bin'), f'{url}/data{SCAN}/resources/UP/files/{folder.name}.bin?inbody=true&overwrite=true'],
        'small_down': [*login, '-o', str(folder / 'small.zip'), f'{url}/data{SCAN}/resources/SMALL/files?format=zip'],
    }[task]
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return Figure(time.perf_counter() - started)


def old_python() -> str:
    """The interpreter of the environment that has pyxnat 1.6.4; made where it is missing."""
    executable = OLD / ('Scripts' if os.name == 'nt' else 'bin') / 'python'
    if not executable.exists():
        subprocess.run([sys.executable, '-m', 'venv', str(OLD)], check=True)
        subprocess.run([str(executable), '-m', 'pip', 'install', '--quiet', '--no-binary', 'pyxnat', 'pyxnat==1.6.4'], check=True)
    return str(executable)


@contextmanager
def archive(folder: Path) -> Iterator[Server]:
    """A served archive in a process of its own."""
    (folder / 'password').write_text(PASSWORD, encoding='ascii')
    words = [sys.executable, '-m', 'pyxnat.server', str(folder / 'archive'), '--password-file', str(folder / 'password'), '--port', '0']
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as serving:
        try:
            assert serving.stdout is not None
            url = next(found[0] for line in serving.stdout if (found := re.search(r'http://[\w.:]+', line)))
            yield url, 'admin', PASSWORD
        finally:
            serving.terminate()


def fill(server: Server, folder: Path, size: int, files: int) -> None:
    """One big file, and many small ones."""
    with pyxnat.Interface(*server, folder / 'cache') as interface:
        scan = interface.select(SCAN).create()
        small = folder / 'small_up'
        small.mkdir()
        for number in range(files):
            (small / f'{number:05}.dcm').write_bytes(os.urandom(4096))
        scan.resource('SMALL').put_dir(small)
        with (folder / 'up.bin').open('wb') as file:
            for _ in range(size // 2**20):
                file.write(os.urandom(2**20))
        scan.resource('BIG').file('big.bin').put(folder / 'up.bin')


def measure(client: Client, task: str, server: Server, folder: Path, rounds: int) -> Figure:
    """The best of some rounds, each in a folder of its own."""
    best: Figure | None = None
    for number in range(rounds):
        place = folder / f'{task}_{id(client)}_{number}'
        place.mkdir()
        for name in ('up.bin', 'small_up'):
            (place / name).symlink_to(folder / name)
        figure = client(task, server, place)
        best = figure if best is None or figure.seconds < best.seconds else best
        shutil.rmtree(place)
    assert best is not None
    return best


def main() -> int:
    """Run all of it, and print a table."""
    parser = argparse.ArgumentParser('python -m tests.benchmarks')
    parser.add_argument('--bytes', type=int, default=2**30, help='of the big file (default 1 GiB)')
    parser.add_argument('--files', type=int, default=2000, help='number of small ones, 4 KiB each')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--without-old', action='store_true', help='leave pyxnat 1.6.4 out')
    chosen = parser.parse_args()
    clients: dict[str, Client] = {'curl': curl, 'pyxnat 2': python(sys.executable)}
    if not chosen.without_old:
        clients['pyxnat 1.6.4'] = python(old_python())
    with tempfile.TemporaryDirectory() as name, archive(Path(name)) as server:
        folder = Path(name)
        fill(server, folder, chosen.bytes, chosen.files)
        print(f'{"task":12} {"client":14} {"seconds":>9} {"to curl":>8} {"MiB over import":>16}')
        for task in ('big_down', 'big_up', 'small_down', 'small_up', 'hits'):
            reference = None
            for label, client in clients.items():
                if (label == 'curl' and task in ('small_up', 'hits')) or (label == 'pyxnat 1.6.4' and task == 'hits'):
                    continue
                figure = measure(client, task, server, folder, chosen.rounds)
                reference = figure.seconds if label == 'curl' else reference
                ratio = f'{figure.seconds / reference:.2f}' if reference else ''
                memory = '' if figure.over_import_mib is None else f'{figure.over_import_mib:.1f}'
                print(f'{task:12} {label:14} {figure.seconds:9.2f} {ratio:>8} {memory:>16}', flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
