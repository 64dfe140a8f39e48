"""Shared code of the programs of all clients.

A program connects, reports that it is ready, waits for the start signal, runs one task and reports
the measurement. It may import no other module of this project, because it runs with the interpreter
and the packages of its client.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECTS = [f'{letter}_BENCH' for letter in 'ABCDE']
SUBJECT, SESSION = 'A00', 'A00_E0'
"""Subjects of the first project that have files and are shared into the second."""
ASKED = PROJECTS[2]
"""Project for the tasks about a single project."""
HOLDER, HOLDERS_SUBJECT, HOLDERS_PROJECT = 'B00_E0', 'B00', PROJECTS[1]
TRANSFERS = f'/projects/{HOLDERS_PROJECT}/subjects/{HOLDERS_SUBJECT}/experiments/{HOLDER}'
"""Session with the resources that are uploaded and downloaded."""
NEW = PROJECTS[1]
"""Project for new subjects."""
PARALLEL = 8
"""Files at a time, for clients that need a number."""
FIELDS = ['ID', 'date', 'time', 'note']
"""All types of sessions."""


def peak_mib() -> float:
    """Return the peak memory of this process, from Linux's own record; 0 on other systems.

    getrusage also counts the memory of the parent before exec.
    """
    status = Path('/proc/self/status')
    found = re.search(r'VmHWM:\s+(\d+)', status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


def cpu_s() -> float:
    """Return the processor seconds of this process and of the processes that it waited for."""
    return sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def people(folder: Path, count: int) -> list[dict[str, str]]:
    """Return the table of new subjects, whose labels begin with the name of the folder."""
    return [
        {
            'label': f'{folder.name}_{number:03}',
            'gender': 'female' if number % 2 else 'male',
            'yob': str(1950 + number),
        }
        for number in range(count)
    ]


def run(
    connect: Callable[[str, str, str], Any],
    tasks: dict[str, Any],
    begin: Callable[[Any], Any] = id,
    peak: Callable[[], float] = peak_mib,
) -> None:
    """Run the program of a client: ``PROGRAM TASK COUNT URL USER PASSWORD FOLDER SOURCES``.

    A task is a function of that name in the program: with the connection, the working folder, the
    folder of files to upload, and the number of items. It returns the rows that it found, or None
    if files or the content of the archive show the result. A client that connects with its first
    request sends a small request in ``begin``, so that no task includes the login.
    """
    task, count, url, user, password, folder, sources = sys.argv[1:]
    if task != 'connect' and task not in tasks:
        print('none', flush=True)
        return
    connection = connect(url, user, password)
    print('connected', flush=True)
    if task != 'connect':
        begin(connection)
        _told('ready')
        cpu, started = cpu_s(), time.perf_counter()
        rows = tasks[task](connection, Path(folder), Path(sources), int(count))
        said = {
            'seconds': time.perf_counter() - started,
            'cpu_s': cpu_s() - cpu,
            'peak_mib': peak(),
        }
        _told(json.dumps({**said, 'rows': [[str(value) for value in row] for row in rows or ()]}))
    else:
        _told(json.dumps({'cpu_s': cpu_s(), 'peak_mib': peak()}))


def _told(words: str) -> None:
    """Report the state of this program, and wait for the signal to go on."""
    print(words, flush=True)
    sys.stdin.readline()
