"""Tests of mirrors with damaged files of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

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
