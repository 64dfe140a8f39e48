"""Tests of the command: ports in use, lost passwords, and messages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import pyxnat
from pyxnat.server import serve
from pyxnat.server.__main__ import main

from .conftest import Client

ROOT = str(Path(pyxnat.__file__).parents[1])


@pytest.fixture(autouse=True)
def _no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('PYXNAT_SERVER_PASSWORD', raising=False)


@pytest.fixture
def busy() -> Iterator[int]:
    """Return a port in use."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        yield int(listening.getsockname()[1])


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[list[str], SimpleNamespace]]:
    """Run the command; yield its first lines and its address, then stop it."""
    command = [sys.executable, '-m', 'pyxnat.server', str(folder), '--port', '0', *options]
    with subprocess.Popen(
        command,
        env={**os.environ, 'PYTHONPATH': ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith('Serving'):
                break
        port = int(lines[-1].split('127.0.0.1:')[1].split()[0]) if lines else 0
        address = SimpleNamespace(host='127.0.0.1', port=port, stderr='')
        try:
            yield lines, address
        finally:
            process.send_signal(signal.SIGTERM)
            address.stderr = process.communicate(timeout=60)[1]


def status(server: object, login: str, word: str) -> int:
    client = Client(server, login, word)  # type: ignore[arg-type]
    try:
        return client.get('/data/projects').status
    finally:
        client.close()


# -- a port in use


def test_the_first_start_on_a_busy_port_leaves_nothing(
    tmp_path: Path, busy: int, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / 'new/archive'
    assert main([str(folder), '--port', str(busy)]) == 1
    shown = capsys.readouterr()
    assert f'cannot listen on 127.0.0.1:{busy}' in shown.err and shown.out == ''
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):
        serve(folder, port=busy)
    assert list(tmp_path.iterdir()) == []


def test_a_start_on_a_busy_port_changes_no_password(tmp_path: Path, busy: int) -> None:
    with serve(tmp_path, password='old'):
        pass
    before = (tmp_path / 'archive.sqlite').read_bytes()
    (tmp_path / 'word').write_text('new')
    assert main([str(tmp_path), '--port', str(busy), '--password-file', f'{tmp_path}/word']) == 1
    with pytest.raises(OSError):
        serve(tmp_path, port=busy, password='new')
    with pytest.raises(OSError):
        serve(tmp_path, port=busy)
    assert (tmp_path / 'archive.sqlite').read_bytes() == before


@pytest.mark.parametrize('login', ['', 'a:b', 'guest'])
def test_a_wrong_login_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], login: str
) -> None:
    folder = tmp_path / 'new'
    assert main([str(folder), '--port', '0', '--user', login]) == 1
    assert 'cannot be a login' in capsys.readouterr().err
    for wrong in ({'user': login}, {'users': {login: 'x'}}):
        with pytest.raises(ValueError, match='cannot be a login'):
            serve(folder, **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_after_a_refused_start_the_port_is_free(tmp_path: Path) -> None:
    """An archive that cannot be opened holds no port."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        port = listening.getsockname()[1]
    (tmp_path / 'archive.sqlite').write_bytes(b'no database' * 100)
    for _ in range(2):
        with pytest.raises(Exception, match='not a database'):
            serve(tmp_path, port=port)
    socket.create_server(('127.0.0.1', port)).close()


# -- a lost password


def reset(folder: Path, *options: str) -> int:
    return main([str(folder), '--reset-password', *options])


def test_a_lost_password_is_reset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(tmp_path, password='lost', users={'ann': 'ann'}) as server:
        client = Client(server, 'admin', 'lost')
        token = client.get('/data/services/tokens/issue').json
        client.close()
    assert reset(tmp_path, 'admin') == 0
    shown = capsys.readouterr().out
    word = shown.split('password: ')[1].split()[0]
    assert shown.startswith('User: admin') and 'shown only once' in shown
    with running(tmp_path) as (_, server):
        assert [status(server, 'admin', one) for one in ('lost', word)] == [401, 200]
        assert status(server, token['alias'], token['secret']) == 401
        assert status(server, 'ann', 'ann') == 200
    assert f'{tmp_path} --reset-password admin' in server.stderr, 'where one looks for it'


@pytest.mark.parametrize('way', ['file', 'environment'])
def test_a_password_is_reset_to_a_given_one(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    folder = tmp_path / 'a'
    with serve(folder, password='lost', users={'ann': 'old'}):
        pass
    (tmp_path / 'word').write_text('given-word\n')
    if way == 'environment':
        monkeypatch.setenv('PYXNAT_SERVER_PASSWORD', 'given-word')
    options = ['--password-file', str(tmp_path / 'word')] if way == 'file' else []
    assert reset(folder, 'ann', *options) == 0
    assert 'given-word' not in ''.join(capsys.readouterr())
    with serve(folder, password='lost') as server:
        assert [status(server, 'ann', one) for one in ('old', 'given-word')] == [401, 200]


def test_a_reset_that_cannot_be_done_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / 'a'
    assert reset(folder, 'admin') == 1 and 'there is no archive' in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with serve(folder, password='word', users={'ann': 'ann'}) as server:
        before = (folder / 'archive.sqlite').read_bytes()
        assert reset(folder, 'admin') == 1
        shown = capsys.readouterr()
        assert 'served by another process; stop' in shown.err and shown.out == ''
        assert status(server, 'admin', 'word') == 200
        server.archive.users.add('off', 'off')
    before = (folder / 'archive.sqlite').read_bytes()
    for login in ('nobody', 'guest', '', 'a:b'):
        assert reset(folder, login) == 1
        shown = capsys.readouterr()
        assert shown.out == '' and ('no user nobody' in shown.err or 'cannot be' in shown.err)
    assert (folder / 'archive.sqlite').read_bytes() == before


def test_a_reset_says_that_the_user_is_disabled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(tmp_path, password='word', users={'ann': 'ann'}) as server:
        client = Client(server, 'admin', 'word')
        client.ok('PUT', '/xapi/users/ann/enabled/false')
        client.close()
    assert reset(tmp_path, 'ann') == 0 and 'ann is disabled' in capsys.readouterr().err


def test_a_start_that_was_killed_before_it_had_a_user_makes_a_password(tmp_path: Path) -> None:
    with serve(tmp_path, password='word') as server, server.archive.store.write() as connection:
        connection.exec_driver_sql('DELETE FROM user')
    with running(tmp_path) as (lines, server):  # type: ignore[assignment]
        word = lines[0].split('password: ')[1].split()[0]
        assert status(server, 'admin', word) == 200
