"""Tests of several processes that have the archive of one folder open, and of their ends."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve
from pyxnat.server.upkeep.checking import check
from tests.conftest import DEEP

pytestmark = pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork')
ROOT = Path(__file__).parents[2]

PROCESSES = """
    import os, signal, sys
    import pyxnat

    def start(work, *arguments):
        pid = os.fork()
        if not pid:
            work(*arguments)
            sys.exit(0)
        return pid

    def kill_at_commit(name):
        'Die after a file took its place, before its row is written.'
        state = []
        def seen(event, arguments):
            if event == 'os.rename' and str(arguments[1]).endswith(name):
                state.append(name)
            elif state and event == 'open':
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(seen)

    folder = sys.argv[1]
    """


def run(code: str, *arguments: object) -> str:
    """Run a program after `PROCESSES` and return what it prints."""
    program = textwrap.dedent(PROCESSES) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, '-c', program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def marks(folder: Path) -> list[Any]:
    with sqlite3.connect(folder / 'archive.sqlite') as connection:
        return connection.execute(
            "SELECT name, value FROM setting WHERE name LIKE 'open%'"
        ).fetchall()


def test_processes_write_at_once(tmp_path: Path) -> None:
    code = """
        def work(number, count):
            with pyxnat.open(folder) as study:
                project = study.select.project('P')
                for at in range(count):
                    subject = project.subject(f'S{number}-{at}').create(gender='male')
                    subject.resource('R').file('a.txt').put(f'{number}-{at}'.encode())
                    project.resource('SHARED').file(f'{number}-{at}.txt').put(b'x')
                project.attrs.set('description', str(number))
                assert len(project.subjects().get()) >= count

        with pyxnat.open(folder, create=True) as study:
            study.select.project('P').create()
        count = int(sys.argv[2])
        children = [start(work, number, count) for number in range(2)]
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
        """
    count = 40 if DEEP else 2
    run(code, tmp_path / 'study', count)
    with pyxnat.open(tmp_path / 'study') as study:
        project = study.select.project('P')
        subjects = project.subjects()
        assert len(subjects.get()) == 2 * count == len(set(subjects.get()))
        assert len(project.resource('SHARED').files().get()) == 2 * count
        for subject in subjects:
            path = subject.resource('R').file('a.txt').get()
            assert Path(path).read_bytes().decode() == subject.label()[1:]
    assert check(tmp_path / 'study', deep=True).findings == []
    assert '1' not in [value for _, value in marks(tmp_path / 'study')], 'not closed'


@pytest.mark.sample(2)
@pytest.mark.parametrize('name', ['a.txt', 'new.txt'], ids=['replaced', 'new'])
def test_others_repair_what_a_killed_writer_left(tmp_path: Path, name: str) -> None:
    code = """
        def work():
            with pyxnat.open(folder) as study:
                kill_at_commit(sys.argv[2])
                study.select.project('P').resource('R').file(sys.argv[2]).put(
                    b'after', overwrite=True)

        pyxnat.open(folder, create=True).disconnect()
        study = pyxnat.open(folder)
        files = study.select.project('P').create().resource('R')
        files.file('a.txt').put(b'before')
        assert os.waitpid(start(work), 0)[1] == signal.SIGKILL
        assert os.path.exists(f'{folder}/writing')
        study.select.project('P').subject('S').create()
        assert not os.path.exists(f'{folder}/writing')
        study.cache.expiration = 0
        for file in files.files():
            print(file.id(), file.attributes()['digest'], open(file.get()).read())
        study.disconnect()
        """
    lines = run(code, tmp_path / 'study', name).splitlines()
    content = b'after' if name == 'a.txt' else b'before'
    assert lines == [f'a.txt {hashlib.md5(content).hexdigest()} {content.decode()}']
    report = check(tmp_path / 'study', deep=True)
    assert {one.kind for one in report.findings} <= {'unfinished upload'}, report.as_text()
    left = [value for _, value in marks(tmp_path / 'study')]
    assert left.count('1') == 1, 'of the killed process'
    pyxnat.open(tmp_path / 'study').disconnect()
    assert check(tmp_path / 'study', deep=True).findings == []
    assert '1' not in [value for _, value in marks(tmp_path / 'study')]


def test_reading_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / 'study'
    with pyxnat.open(folder, create=True) as study:
        study.select.project('P').create()
    before = (folder / 'archive.sqlite').read_bytes()
    with pyxnat.open(folder) as study:
        assert study.select.projects().get() == ['P']
    assert (folder / 'archive.sqlite').read_bytes() == before


def test_a_folder_of_a_killed_server_is_repaired(tmp_path: Path) -> None:
    code = """
        from pyxnat.server import serve

        def work():
            server = serve(folder)
            with pyxnat.Interface(server.url, 'admin', server.password) as study:
                kill_at_commit('a.txt')
                study.select.project('P').create().resource('R').file('a.txt').put(b'lost')

        assert os.waitpid(start(work), 0)[1] == signal.SIGKILL
        assert os.path.exists(f'{folder}/serving.json')
        with pyxnat.open(folder) as study:
            assert not os.path.exists(f'{folder}/serving.json')
            print(study.select.project('P').resource('R').files().get())
        """
    assert run(code, tmp_path / 'study').split() == ['[]']
    assert check(tmp_path / 'study', deep=True).findings == []
    assert len([*(tmp_path / 'study' / 'recovered').rglob('a.txt')]) == 1
    with serve(tmp_path / 'study', durable=False):
        pass
