"""Tests of mirrors with damaged files of their own, and of unusable arguments."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.push_plan import PushPlan
from pyxnat.apps.sync.state import State
from tests.conftest import ROOT

from .test_pull import content


def _garbage(path: Path) -> None:
    path.write_bytes(b'garbage' * 1000)


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] or b'x')


def _other_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for table in ('thing', 'unit'):
            connection.execute(f'DROP TABLE IF EXISTS {table}')
        connection.execute('CREATE TABLE thing (a)')
        connection.commit()


Damage = Callable[[Path], None]


def closed(mirror: pyxnat.Mirror) -> Path:
    """Close a mirror; return its folder, in which all is in the databases themselves."""
    mirror.close()
    for path in (*mirror.folder.glob('*.sqlite'), *mirror.folder.glob('mirror/*.sqlite')):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')
            connection.execute('PRAGMA journal_mode = DELETE')
    return mirror.folder


@pytest.mark.sample(3)
@pytest.mark.parametrize('damage', [_garbage, _half, _other_tables])
def test_a_damaged_state_names_the_remedy_which_loses_nothing(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, P: str, damage: Damage
) -> None:
    here.subject('S').attrs.set('group', 'mine')
    state = closed(mirror) / 'mirror' / 'state.sqlite'
    damage(state)
    with (
        pytest.raises(errors.DataError, match='state.sqlite is damaged.*Delete it'),
        pyxnat.Mirror(mirror.folder, remote=xnat) as again,
    ):
        again.pull()
    state.unlink()
    with pyxnat.Mirror(mirror.folder, remote=xnat) as again:
        assert again.pull(f'/projects/{P}').failed == []
        assert again.local.select.project(P).subject('S').attrs.get('group') == 'mine'
        again.resolve(again.conflicts(), 'local')
        again.push().check()
        assert content(again.local, P) == content(xnat, P)


def test_a_damaged_lock_names_the_remedy(mirror: pyxnat.Mirror) -> None:
    lock = mirror.folder / 'mirror' / 'lock.sqlite'
    _garbage(lock)
    with pytest.raises(errors.DataError, match='lock.sqlite is damaged.*Delete it'):
        mirror.pull()
    lock.unlink()
    assert mirror.pull().failed == []


FULL = """
import resource, sys
from pathlib import Path
from pyxnat.apps.sync.state import State, Unit
state = State(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(10_000):
        state.put(Unit(f'{number}', 'P', 'S', 'S'), {'item': {'a': {'b': 'c' * 1000}}}, [])
except OSError as error:
    print(type(error).__name__, error.filename)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
print(len(State(Path(sys.argv[1])).units()) > 10)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='limits the size of files')
def test_a_full_disk_is_an_error_of_the_system(tmp_path: Path) -> None:
    program = [sys.executable, '-c', FULL, str(tmp_path / 'mirror')]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ['OSError', str(tmp_path / 'mirror' / 'state.sqlite'), 'True']


def test_a_state_that_another_program_writes_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, connect = State(tmp_path), sqlite3.connect
    monkeypatch.setattr(sqlite3, 'connect', lambda path, **_: connect(path, timeout=0))
    with closing(connect(tmp_path / 'state.sqlite')) as other:
        other.execute('BEGIN IMMEDIATE')
        with pytest.raises(errors.BusyError, match='state.sqlite is being written'):
            state.tell(server='http://x')


@pytest.mark.sample(2)
@pytest.mark.parametrize('damage', [_garbage, _half])
def test_a_damaged_archive_names_the_check(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, damage: Damage
) -> None:
    damage(closed(mirror) / 'archive.sqlite')
    for opening in (pyxnat.open, lambda path: pyxnat.Mirror(path, remote=xnat)):
        with pytest.raises(errors.ConfigurationError, match='--check'):
            opened = opening(mirror.folder)
            getattr(opened, 'local', opened).select('/projects').get()


@pytest.mark.parametrize('place', ['file', 'file/below'])
def test_a_file_is_no_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / 'file').write_text('x')
    for opening in (pyxnat.Mirror, lambda path: pyxnat.open(path, create=True)):
        with pytest.raises(errors.ConfigurationError, match='is a file'):
            opening(tmp_path / place)


CALLS: list[Callable[[pyxnat.Mirror], object]] = [
    lambda mirror: mirror.pull(jobs=0),
    lambda mirror: mirror.pull(jobs='4'),  # type: ignore[arg-type]
    lambda mirror: mirror.pull(max_delete='x'),  # type: ignore[arg-type]
    lambda mirror: mirror.pull(Path('/projects/P')),  # type: ignore[arg-type]
    lambda mirror: mirror.pull('/projects/P', files=5),  # type: ignore[arg-type]
    lambda mirror: mirror.push({}),  # type: ignore[arg-type]
    lambda mirror: mirror.push(max_delete=None),  # type: ignore[arg-type]
    lambda mirror: mirror.resolve(5, 'local'),  # type: ignore[arg-type]
    lambda mirror: mirror.resolve([5], 'local'),  # type: ignore[list-item]
    lambda mirror: pyxnat.Mirror(mirror.folder, remote='http://x'),  # type: ignore[arg-type]
    lambda mirror: mirror.move_to('http://x'),  # type: ignore[arg-type]
]


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.sample(3)
def test_unusable_arguments_are_errors_of_the_library(
    mirror: pyxnat.Mirror, call: Callable[[pyxnat.Mirror], object]
) -> None:
    with pytest.raises(errors.ProgrammingError):
        call(mirror)
    assert mirror.status() == ([], [], [])


@pytest.mark.parametrize(
    'change',
    [{'marks': []}, {'marks': {'a': 1}}, {'steps': [1]}, {'version': 99}, {'version': None}, None],
)
def test_other_files_are_no_plans(tmp_path: Path, change: dict[str, Any] | None) -> None:
    PushPlan([], {}).save(tmp_path / 'plan')
    whole = json.loads((tmp_path / 'plan').read_bytes())
    assert PushPlan.load(tmp_path / 'plan') == PushPlan([], {})
    if change is not None:
        (tmp_path / 'other').write_text(json.dumps({**whole, **change}))
    with pytest.raises(errors.DataError, match='no plan'):
        PushPlan.load(tmp_path / 'other')
