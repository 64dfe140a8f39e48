"""Trace ten everyday calls: functions and modules of pyxnat passed, requests made.

Threads of the archive start before the tracer and are not counted. Each call gets a new Interface
and cache folder; connecting, loading the manager and creating the object of the call do not count.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pyxnat
from pyxnat.server import serve

PACKAGE = str(Path(pyxnat.__file__).parent)
SERVER = str(Path(PACKAGE, 'server'))
ONCE = str(Path(PACKAGE, 'patterns.py'))
"""Runs with the first use of an expression in a process, so it depends on the earlier calls."""
_LONG_AGO = 1_600_000_000


class Walk(NamedTuple):
    """One traced call."""

    name: str
    calls: int
    modules: int
    requests: int


class _Tracer:
    """Counts the calls of functions of the client."""

    def __init__(self) -> None:
        self.calls = 0
        self.modules: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event == 'call' and name.startswith(PACKAGE) and not name.startswith((SERVER, ONCE)):
            self.calls += 1
            self.modules.add(name)


@contextmanager
def traced() -> Iterator[_Tracer]:
    """Count the calls in all threads during the block.

    Garbage is collected before it: the end of an earlier `Interface` is not counted.
    """
    tracer = _Tracer()
    gc.collect()
    gc.disable()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    try:
        yield tracer
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        gc.enable()


def _new_scan(xnat: pyxnat.Interface) -> Any:
    return xnat.select('/projects/P/subjects/S/experiments/E/scans/9')


def _file(xnat: pyxnat.Interface, name: str = 'a.txt') -> Any:
    return xnat.select('/projects/P/subjects/S/experiments/E/resources/R/files/' + name)


WALKS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    'select(path).get()': (
        lambda xnat: xnat,
        lambda xnat: xnat.select('/projects/P/subjects').get(),
    ),
    'where': (
        lambda xnat: xnat.select('/projects/P/subjects'),
        lambda subjects: subjects.where(
            [('xnat:subjectData/SUBJECT_ID', 'LIKE', '%'), 'AND']
        ).get(),
    ),
    'attrs.get': (
        lambda xnat: xnat.select('/projects/P/subjects/S'),
        lambda subject: subject.attrs.get('gender'),
    ),
    'attrs.set': (
        lambda xnat: xnat.select('/projects/P/subjects/S'),
        lambda subject: subject.attrs.set('gender', 'male'),
    ),
    'file.get': (_file, lambda file: file.get()),
    'file.get again': (lambda xnat: [_file(xnat), _file(xnat).get()][0], lambda file: file.get()),
    'file.put': (lambda xnat: _file(xnat, 'b.txt'), lambda file: file.put(b'text', overwrite=True)),
    'create': (_new_scan, lambda scan: scan.create()),
    'download': (
        lambda xnat: xnat.select('/projects/P/subjects/S/experiments/E'),
        lambda session: session.download(tempfile.mkdtemp()),
    ),
    'search': (
        lambda xnat: xnat,
        lambda xnat: xnat.select('xnat:subjectData', ['xnat:subjectData/SUBJECT_ID']).all(),
    ),
    'table': (
        lambda xnat: xnat.select('/projects/P/subjects'),
        lambda subjects: subjects.table(['gender']),
    ),
}
"""Name -> function that creates its object, and the call."""


def _fill(xnat: pyxnat.Interface) -> None:
    session = xnat.select.project('P').create().subject('S').create(gender='female').experiment('E')
    session.create(experiments='xnat:mrSessionData')
    session.scan('1').create(scans='xnat:mrScanData', type='T1')
    session.resource('R').file('a.txt').put(b'text')


def trace_all() -> list[Walk]:
    """Trace all calls, each in the state of the project that the previous ones left."""
    found = []
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder, 'archive')) as server:
        with pyxnat.Interface(server.url, server.user, server.password, Path(folder, 'c')) as xnat:
            _fill(xnat)
        for path in Path(folder, 'archive').rglob('a.txt'):
            os.utime(path, (_LONG_AGO, _LONG_AGO))  # its date proves the content, as of most files
        for number, (name, (prepare, call)) in enumerate(WALKS.items()):
            cache = Path(folder, f'cache-{number}')
            with pyxnat.Interface(server.url, server.user, server.password, cache) as xnat:
                xnat.cache.expiration = 60  # a slow machine sends the same requests
                xnat.manage.callback  # noqa: B018 - loads the manager
                subject = prepare(xnat)
                with xnat.trace() as trace, traced() as tracer:
                    call(subject)
                found.append(Walk(name, tracer.calls, len(tracer.modules), len(trace)))
    return found
