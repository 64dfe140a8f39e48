"""What the programs of all peers share: they connect, say so, wait to be told to go on, do one task, and say what it took."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECTS = [f'BENCH{number}' for number in range(5)]
SUBJECT, SESSION = 'S00', 'S00_E0'


def peak_kib() -> int:
    """Most memory that this process has had, in KiB, as Linux says; 0 elsewhere."""
    status = Path('/proc/self/status')
    found = re.search(r'VmHWM:\s+(\d+)', status.read_text()) if status.exists() else None
    return int(found[1]) if found else 0


def run(connect: Callable[[str, str, str], Any], tasks: dict[str, Any]) -> None:
    """Be the program of a peer: ``PROGRAM TASK URL USER PASSWORD FOLDER``.

    A task is a function of that name in the program: of the connection and a folder, to the number of things that it found or moved.
    """
    task, url, user, password, folder = sys.argv[1:]
    if task not in tasks:
        print('none', flush=True)
        return
    connection = connect(url, user, password)
    before = peak_kib()
    print('ready', flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    found = tasks[task](connection, Path(folder))
    print(json.dumps({'seconds': time.perf_counter() - started, 'found': found, 'mib': (peak_kib() - before) / 1024}), flush=True)
    sys.stdin.readline()
