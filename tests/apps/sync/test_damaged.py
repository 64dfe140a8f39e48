"""Tests of mirrors with damaged files of their own, and of unusable arguments."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.push_plan import PushPlan

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
