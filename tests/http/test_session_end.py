"""Tests of the end of sessions: dropped Interfaces, stalled servers, working threads."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.conftest import DEEP
from tests.support.scripted import Reply, Request, ScriptedServer, table
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
COOKIE = {'Set-Cookie': 'JSESSIONID=A1; Path=/'}


def ended(server: ScriptedServer) -> list[str]:
    return [request.method for request in server.requests if request.method == 'DELETE']


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda request: Reply(200, table({'ID': 'P'}), COOKIE)) as running:
        yield running


class _Own(pyxnat.Interface):
    def _exec(self, *arguments: Any, **options: Any) -> bytes:
        return super()._exec(*arguments, **options)


USES: dict[str, Callable[[Any], Any]] = {
    'listing': lambda interface: interface.select.projects().get(),
    'first': lambda interface: interface.select.projects().first(),
    'iterator': lambda interface: next(iter(interface.select.projects())),
    'callback': lambda interface: (
        interface.manage.register_callback(lambda collection, element: interface),
        list(interface.select.projects()),
    ),
    'threads': lambda interface: list(
        ThreadPoolExecutor(3).map(lambda _: interface.get('/data/projects').text, range(9))
    ),
    'trace': lambda interface: (
        interface.trace().__enter__().requests or interface.select.projects().get()
    ),
}


@pytest.mark.parametrize('cls', [pyxnat.Interface, _Own])
@pytest.mark.parametrize('use', USES)
def test_a_dropped_interface_is_collected_and_its_session_ended(
    scripted: ScriptedServer, tmp_path: Path, cls: type[pyxnat.Interface], use: str
) -> None:
    interface = cls(scripted.url, 'me', 'secret', tmp_path)
    USES[use](interface)
    dropped, transport = weakref.ref(interface), weakref.ref(interface.connection.transport)
    del interface
    gc.collect()
    assert dropped() is None and transport() is None and ended(scripted) == ['DELETE']


def test_interfaces_in_a_loop_leave_no_sockets(scripted: ScriptedServer, tmp_path: Path) -> None:
    def sockets() -> int:
        folder = Path('/proc/self/fd')
        if not folder.is_dir():
            pytest.skip('no list of open files')
        links = [os.readlink(path) for path in folder.iterdir() if path.is_symlink()]
        return sum(link.startswith('socket:') for link in links)

    pyxnat.Interface(scripted.url, 'me', 'secret', tmp_path).select.projects().get()
    gc.collect()
    before = sockets()
    for _ in range(10):
        pyxnat.Interface(scripted.url, 'me', 'secret', tmp_path).select.projects().get()
    gc.collect()
    assert len(ended(scripted)) == 11
    wait_until(lambda: sockets() <= before + 2, 'the server to close its ends, too')


SCRIPT = """
import sys, pyxnat
kept = [pyxnat.Interface(sys.argv[1], f'u{n}', 'x', sys.argv[2]) for n in range(4)]
for interface in kept:
    interface.get('/data/projects').text
print('used', flush=True)
"""


@pytest.mark.parametrize('way', ['silent', 'refused'])
def test_a_stalled_server_is_waited_for_once_at_exit(tmp_path: Path, way: str) -> None:
    def answer(request: Request) -> Reply:
        is_end = request.method == 'DELETE'
        return Reply(200, b'', COOKIE, silent=is_end and way == 'silent', close=is_end)

    with ScriptedServer(answer) as running:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, '-c', SCRIPT, running.url, str(tmp_path)],
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == 'used\n' and time.monotonic() - began < 14
        assert done.stderr.count('was not ended') == (1 if way == 'silent' else 0)


def test_disconnecting_beside_working_threads_is_safe(server: Any, tmp_path: Path) -> None:
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path) as interface:
        project = interface.select.project('BESIDE').create()
        stop = time.monotonic() + (3 if DEEP else 1)
        failures: list[BaseException] = []

        def work(number: int) -> int:
            count = 0
            while time.monotonic() < stop:
                try:
                    file = project.resource(f'R{number}').file(f'{count}')
                    file.put(b'%d' % count)
                    assert interface.get(file.uri).content == b'%d' % count
                    count += 1
                except BaseException as error:
                    failures.append(error)
                    raise
            return count

        def disconnect() -> None:
            while time.monotonic() < stop:
                interface.disconnect()
                time.sleep(0.01)

        closing = threading.Thread(target=disconnect)
        with ThreadPoolExecutor(4) as pool:
            results = [pool.submit(work, number) for number in range(4)]
            closing.start()
            counts = [result.result() for result in results]
        closing.join()
        assert failures == [] and all(counts)
        for number, count in enumerate(counts):
            assert len(project.resource(f'R{number}').files()) == count
        project.delete()


GONE = """
import gc, sys, threading
import pyxnat
from pyxnat.server import serve

server = serve(sys.argv[1] + '/archive')
kept = [
    pyxnat.Interface(server.url, server.user, server.password, f'{sys.argv[1]}/{n}')
    for n in range(3)
]
for interface in kept:
    interface.get('/data/projects').text
way = sys.argv[2]
if way == 'block':
    with kept[0]:
        server.stop()
server.stop() if way not in ('block', 'open') else None
if way == 'disconnect':
    for interface in kept:
        interface.disconnect()
        interface.disconnect()
if way == 'dropped':
    del kept, interface
    gc.collect()
print('done', flush=True)
"""


@pytest.mark.parametrize('way', ['exit', 'block', 'disconnect', 'dropped', 'open'])
@pytest.mark.sample(2)
def test_a_server_that_ends_first_ends_its_sessions_quietly(tmp_path: Path, way: str) -> None:
    done = subprocess.run(
        [sys.executable, '-c', GONE, str(tmp_path), way],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, 'done\n', '')


def test_a_proxy_that_is_gone_is_told(tmp_path: Path) -> None:
    """The server may be there, and the session open."""
    with ScriptedServer(lambda request: Reply(200, table({'ID': 'P'}), COOKIE)) as proxy:
        interface = pyxnat.Interface(
            'http://xnat.example', 'me', 'secret', tmp_path, proxy=proxy.url
        )
        assert interface.get('/data/projects').text
    with pytest.raises(pyxnat.errors.NetworkError):
        interface.disconnect()


def test_other_failures_of_the_end_are_told(tmp_path: Path) -> None:
    with ScriptedServer(
        lambda request: Reply(200, table(), COOKIE, silent=request.method == 'DELETE')
    ) as running:
        interface = pyxnat.Interface(running.url, 'me', 'secret', tmp_path)
        assert interface.get('/data/projects').text
        with pytest.raises(pyxnat.errors.NetworkError):
            interface.disconnect()


def test_the_collector_does_not_wait_in_a_thread_that_has_to_answer(tmp_path: Path) -> None:
    """Of a server in this process."""
    collected, is_over = threading.Event(), threading.Event()

    def answer(request: Request) -> Reply:
        if request.method == 'DELETE':
            assert collected.wait(30)
            is_over.set()
        return Reply(200, table({'ID': 'P'}), COOKIE)

    def collect() -> None:
        gc.collect()
        collected.set()

    with ScriptedServer(answer) as running:
        interface = pyxnat.Interface(running.url, 'me', 'secret', tmp_path)
        interface.select.projects().get()
        gc.disable()
        try:
            del interface
            thread = threading.Thread(target=collect)
            thread.start()
            thread.join(3)
            assert collected.is_set() and is_over.wait(30)
        finally:
            gc.enable()
        assert ended(running) == ['DELETE']
