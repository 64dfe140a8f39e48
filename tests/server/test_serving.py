"""Tests of the server as a process: start and stop, one for each folder, connections, crashes."""

from __future__ import annotations

import gc
import hashlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest

import pyxnat
from pyxnat.server import ArchiveBusy, serve
from pyxnat.server.web.limits import Limits
from tests.support.waiting import quickest_s, wait_until

from .conftest import Client

ROOT = str(Path(pyxnat.__file__).parents[1])


def test_start_and_stop_are_fast(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        Client(server, 'admin', 'p').ok('PUT', '/data/projects/P')
    assert any(max(start_and_stop(tmp_path)) < 1 for _ in range(10)), (
        'other work on the machine makes some turns slow, but not all'
    )


def test_an_archive_is_in_memory_only_until_its_server_stops(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        Client(server, 'admin', 'p').ok('PUT', '/data/projects/P')
        archive = weakref.ref(server.archive)
    del server
    wait_until(lambda: gc.collect() >= 0 and archive() is None, 'the archive to be forgotten')


def start_and_stop(folder: Path) -> tuple[float, float]:
    """Return the seconds that a server takes to start, and to stop with connected clients."""
    start = time.perf_counter()
    server = serve(folder, password='p')
    started = time.perf_counter()
    idle = [Client(server, 'admin', 'p') for _ in range(20)]
    assert all(client.get('/data/projects').rows[0]['ID'] == 'P' for client in idle)
    stopping = time.perf_counter()
    server.stop()
    stopped = time.perf_counter()
    with pytest.raises((OSError, http.client.HTTPException)):
        idle[0].get('/data/projects')
    return started - start, stopped - stopping


def test_only_one_process_serves_a_folder(tmp_path: Path) -> None:
    with serve(tmp_path), pytest.raises(ArchiveBusy, match='served by another process'):
        serve(tmp_path)
    with serve(tmp_path):
        pass


def test_an_idle_connection_is_kept_for_two_minutes(tmp_path: Path) -> None:
    assert Limits().idle_s == 120
    with serve(tmp_path, password='p', limits=Limits(idle_s=0.3)) as server:
        client = Client(server, 'admin', 'p')
        assert client.get('/data/JSESSION').status == 200
        with socket.create_connection((server.host, server.port)) as raw:
            raw.sendall(b'HEAD /data/version HTTP/1.1\r\nHost: x\r\n\r\n')
            raw.settimeout(5)
            assert raw.recv(2**16).startswith(b'HTTP/1.1 401')
            assert raw.recv(2**16) == b''


def test_idle_connections_hold_no_thread(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        clients = [Client(server, 'admin', 'p') for _ in range(64)]
        start = time.perf_counter()
        for _ in range(3):
            assert all(client.get('/data/JSESSION').status == 200 for client in clients)
        assert time.perf_counter() - start < Limits().idle_s / 2, 'nobody waits until another goes'
        for client in clients:
            client.close()


def test_the_server_records_requests(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        Client(server, 'admin', 'p').get('/data/projects?format=csv')
        assert server.requests == [('GET', '/data/projects?format=csv', 200)]
        server.clear_requests()
        assert server.requests == []
        server.add_user('new', 'n')
        assert Client(server, 'new', 'n').get('/data/projects').status == 200


def test_small_responses_are_not_delayed(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        for _ in range(10):  # the first ones are acknowledged at once in any case
            client.get('/data/JSESSION')
        assert quickest_s(lambda: client.get('/data/JSESSION'), 0.02, times=100) < 0.02


def test_parallel_writers_and_readers(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        Client(server, 'admin', 'p').ok('PUT', '/data/projects/P')
        wrong: list[object] = []

        def work(number: int) -> None:
            client = Client(server, 'admin', 'p')
            for turn in range(6):
                label = f'S{number}_{turn}'
                answers = [
                    client.put(f'/data/projects/P/subjects/{label}'),
                    client.put(
                        f'/data/projects/P/resources/R/files/{label}?inbody=true', label.encode()
                    ),
                    client.get('/data/projects/P/subjects'),
                    client.get(f'/data/projects/P/resources/R/files/{label}'),
                ]
                wrong.extend(answer.status for answer in answers if answer.status not in (200, 201))
                if answers[-1].text != label:
                    wrong.append(label)
            client.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        rows = Client(server, 'admin', 'p').get('/data/projects/P/subjects').rows
        assert len({row['ID'] for row in rows}) == len({row['label'] for row in rows}) == 48


def test_a_broken_upload_leaves_nothing(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        key = client.get('/data/JSESSION').text
        with socket.create_connection((server.host, server.port)) as raw:
            head = (
                'PUT /data/projects/P/resources/R/files/f?inbody=true HTTP/1.1\r\nHost: '
                f'x\r\nCookie: JSESSIONID={key}\r\n'
            )
            raw.sendall(f'{head}Content-Length: 100000\r\n\r\n'.encode() + b'half')
            wait_until(lambda: list((tmp_path / 'staging').iterdir()), 'the upload to begin')
        wait_until(
            lambda: not list((tmp_path / 'staging').iterdir()), 'the upload to be cleared away'
        )
        assert client.get('/data/projects/P/resources').rows == []


def test_after_a_crash_files_and_rows_agree(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        for name in ('kept', 'lost', 'changed'):
            client.ok('PUT', f'/data/projects/P/resources/R/files/{name}?inbody=true', b'body')
        # as a killed process leaves it
        server.archive.close = lambda: server.archive.store.close()  # type: ignore[method-assign]
    folder = tmp_path / 'archive/P/resources/R'
    (folder / 'lost').unlink()
    (folder / 'changed').write_bytes(b'other body')
    (folder / 'stray').write_bytes(b'no row')
    (tmp_path / 'staging/half').write_bytes(b'half')
    with serve(tmp_path, password='p') as server:
        rows = {
            row['Name']: row
            for row in Client(server, 'admin', 'p').get('/data/projects/P/resources/R/files').rows
        }
    assert set(rows) == {'kept', 'changed'}
    assert rows['changed']['digest'] == hashlib.md5(b'other body').hexdigest()
    assert not (folder / 'stray').exists() and not (tmp_path / 'staging/half').exists()


def run(folder: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, '-m', 'pyxnat.server', str(folder), '--port', '0', *options]
    clean = {name: value for name, value in os.environ.items() if name != 'PYXNAT_SERVER_PASSWORD'}
    return subprocess.Popen(
        command,
        env={**clean, 'PYTHONPATH': ROOT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_lines(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith('Serving'):
            break
    return lines


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.skipif(os.name == 'nt', reason='sends SIGTERM')
def test_the_command(tmp_path: Path) -> None:
    process = run(tmp_path / 'a')
    lines = first_lines(process)
    password = lines[0].split('password: ')[1].split()[0]
    assert 'http://127.0.0.1:' in lines[-1]
    second = run(tmp_path / 'a')
    assert 'served by another process' in second.communicate(timeout=60)[1]
    assert second.returncode == 1
    assert stop(process) == 0
    process = run(tmp_path / 'a')
    lines = first_lines(process)
    assert len(lines) == 1 and password not in lines[0]
    port = int(lines[0].split('127.0.0.1:')[1].split()[0])

    class Here:
        host = '127.0.0.1'

    Here.port = port  # type: ignore[attr-defined]
    assert Client(Here, 'admin', password).get('/data/projects').status == 200  # type: ignore[arg-type]
    assert stop(process) == 0
    process = run(tmp_path / 'b', '--host', '0.0.0.0', '--insecure', PYXNAT_SERVER_PASSWORD='given')
    lines = first_lines(process)
    assert 'given' not in ''.join(lines)
    process.send_signal(signal.SIGTERM)
    assert 'can be reached from other machines' in process.communicate(timeout=60)[1]


def test_the_database_holds_no_password(tmp_path: Path) -> None:
    with serve(tmp_path, password='very-secret-word'):
        pass
    assert b'very-secret-word' not in (tmp_path / 'archive.sqlite').read_bytes()
