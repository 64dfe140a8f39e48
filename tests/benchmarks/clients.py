"""What each client is made to do, as programs of their own: run by the benchmarks in fresh processes, so that memory and time are theirs alone.

Each takes the name of a task, the URL, user and password of an archive, and a folder; it prints seconds and peak memory as JSON.
"""

from __future__ import annotations

import json
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyxnat

SCAN = '/projects/BENCH/subjects/S/experiments/E/scans/1'


def peak_kib() -> int:
    """Most memory that this process has had, in KiB; what Linux says of itself, since getrusage counts what the parent had before exec."""
    status = Path('/proc/self/status')
    if status.exists():
        return int(re.search(r'VmHWM:\s+(\d+)', status.read_text())[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def big_down(interface: pyxnat.Interface, folder: Path) -> None:
    interface.select(f'{SCAN}/resources/BIG/files/big.bin').get(str(folder / 'down.bin'))


def big_up(interface: pyxnat.Interface, folder: Path) -> None:
    interface.select(f'{SCAN}/resources/UP/files/{folder.name}.bin').put(str(folder / 'up.bin'), overwrite=True)


def small_down(interface: pyxnat.Interface, folder: Path) -> None:
    interface.select(f'{SCAN}/resources/SMALL').get(str(folder / 'small'), extract=True)


def small_up(interface: pyxnat.Interface, folder: Path) -> None:
    interface.select(f'{SCAN}/resources/SMALL_{folder.name}').put_dir(str(folder / 'small_up'), overwrite=True)


def hits(interface: pyxnat.Interface, folder: Path) -> None:
    interface.cache.expiration = None
    uri = '/data/projects/BENCH/subjects/S/experiments/E/scans?format=json'
    size = len(interface._exec(uri))
    times = []
    for _ in range(10_000):
        started = time.perf_counter()
        interface._exec(uri)
        times.append(time.perf_counter() - started)
    print(json.dumps({'bytes': size, 'median_ms': round(statistics.median(times) * 1000, 4)}), file=sys.stderr)


TASKS: dict[str, Callable[[pyxnat.Interface, Path], None]] = {
    'big_down': big_down,
    'big_up': big_up,
    'small_down': small_down,
    'small_up': small_up,
    'hits': hits,
}


def main(task: str, url: str, user: str, password: str, folder: str) -> None:
    """Do one task."""
    place = Path(folder)
    (place / 'small').mkdir(exist_ok=True)
    interface = pyxnat.Interface(url, user, password)
    interface.select.project('BENCH').exists()
    imported = peak_kib()
    started = time.perf_counter()
    TASKS[task](interface, place)
    seconds = time.perf_counter() - started
    interface.disconnect()
    print(json.dumps({'seconds': seconds, 'imported_kib': imported, 'peak_kib': peak_kib()}))


if __name__ == '__main__':
    main(*sys.argv[1:])
