"""What the programs of all peers share: they connect, say so, wait to be told to go on, do one
task, and say what it took.

A program may import nothing of this project but this module, since it runs with the interpreter and
the packages of its client.
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
"""In the first project; they have files, and are shared into the second."""
ASKED = PROJECTS[2]
"""What is asked of one project is asked of this one."""
HOLDER, HOLDERS_SUBJECT, HOLDERS_PROJECT = 'B00_E0', 'B00', PROJECTS[1]
TRANSFERS = f'/projects/{HOLDERS_PROJECT}/subjects/{HOLDERS_SUBJECT}/experiments/{HOLDER}'
"""The session with the resources that are sent and fetched."""
NEW = PROJECTS[1]
"""Where new subjects go."""
PARALLEL = 8
"""Files at a time, for clients that have to be told how many."""
FIELDS = ['ID', 'date', 'time', 'note']
"""Of all types of sessions."""


def peak_mib() -> float:
    """Most memory that this process has had, as Linux says of itself (getrusage counts what the
    parent had before exec); 0 elsewhere."""
    status = Path('/proc/self/status')
    found = re.search(r'VmHWM:\s+(\d+)', status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0.0


def cpu_s() -> float:
    """Processor seconds of this process and of those it waited for."""
    return sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )


def people(folder: Path, count: int) -> list[dict[str, str]]:
    """The table of new subjects, whose labels begin with the name of the folder."""
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
    """Be the program of a peer: ``PROGRAM TASK COUNT URL USER PASSWORD FOLDER SOURCES``.

    A task is a function of that name in the program: of the connection, the folder to work in, that
    of the files to send, and how many things are asked for. It gives the rows that it found, or
    nothing where files, or what is in the archive afterwards, say whether it is right. A client
    that connects with its first question asks a small one to ``begin``, so that no task pays for
    the login.
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
    """Say where this program is, and wait to be told to go on."""
    print(words, flush=True)
    sys.stdin.readline()
