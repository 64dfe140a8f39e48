"""Tests of archives of earlier versions: migrated, interrupted, and refused if they are newer."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import ArchiveTooNew, serve
from pyxnat.server.__main__ import main
from pyxnat.server.db.migrations import STEPS, VERSION, Step, create, migrate, version_of
from pyxnat.server.db.store import Store, open_engine
from pyxnat.server.storage.file_area import FileArea
from tests.server.archives.make import request, seen

ARCHIVES = sorted((Path(__file__).parent / 'archives').glob('*.tar.xz'))
NAMES = [path.name.partition('.')[0] for path in ARCHIVES]


class Interrupted(Exception):
    """The process ends here."""


@pytest.fixture(params=ARCHIVES, ids=NAMES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with the archive of an earlier version."""
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path / 'old')
    return tmp_path / 'old'


@pytest.fixture
def oldest(tmp_path: Path) -> Path:
    """Return a folder with the archive that differs most: folders and tables."""
    with tarfile.open(next(path for path in ARCHIVES if 'fda8d7b' in path.name)) as tar:
        tar.extractall(tmp_path / 'old')
    return tmp_path / 'old'


def tables(path: Path) -> dict[str, Any]:
    """Describe the tables, indexes and triggers of a database, whatever the order of columns."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: _table(connection, name, sql) if kind == 'table' else ' '.join(sql.split())
            for kind, name, sql in rows
        }


def _table(connection: sqlite3.Connection, name: str, sql: str) -> Any:
    indexes = {
        tuple(row[2] for row in connection.execute(f'PRAGMA index_info("{index[1]}")')): index[2]
        for index in connection.execute(f'PRAGMA index_list("{name}")').fetchall()
    }
    references = connection.execute(f'PRAGMA foreign_key_list("{name}")').fetchall()
    columns = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
    return {
        'columns': sorted(row[1:] for row in columns),
        'references': sorted(row[2:] for row in references),
        'indexes': indexes,
        'counts': 'AUTOINCREMENT' in sql,
    }


def expected(folder: Path) -> dict[str, Any]:
    """Take the answers of the old server from its folder."""
    found: dict[str, Any] = json.loads((folder / 'expected.json').read_text())
    (folder / 'expected.json').unlink()
    return {path: answer for path, answer in found.items() if answer[:1] not in ([404], [500])}


def differences(folder: Path, wanted: dict[str, Any]) -> list[str]:
    """Serve a folder and return the requests with other answers than before."""
    with serve(folder, password='p') as server:
        return [path for path, answer in wanted.items() if seen(server.port, path) != answer]


@pytest.fixture(scope='module')
def new(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the tables of a new archive."""
    path = tmp_path_factory.mktemp('new') / 'archive.sqlite'
    engine = open_engine(path)
    create(engine)
    engine.dispose()
    return tables(path)


def numbers(path: Path) -> dict[str, int]:
    """Return the last automatic number of each table."""
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute('SELECT name, seq FROM sqlite_sequence'))


@pytest.mark.sample(2)
def test_an_archive_of_each_earlier_version_is_migrated(old: Path, new: dict[str, Any]) -> None:
    wanted, before = expected(old), numbers(old / 'archive.sqlite')
    migrate(old / 'archive.sqlite')
    migrated, after = tables(old / 'archive.sqlite'), numbers(old / 'archive.sqlite')
    assert {name: migrated.get(name) for name in new} == new
    assert version_of(old / 'archive.sqlite') == VERSION
    assert {name: after[name] for name in before} == before
    assert len(wanted) > 4
    assert differences(old, wanted) == []
    assert not (old / 'recovered').exists()


@pytest.mark.parametrize('number', range(len(STEPS)), ids=str)
def test_a_migration_that_is_interrupted_at_any_step_continues(oldest: Path, number: int) -> None:
    def interrupted(connection: sqlite3.Connection) -> None:
        STEPS[number].run(connection)
        raise Interrupted

    wanted = expected(oldest)
    with pytest.raises(Interrupted):
        migrate(oldest / 'archive.sqlite', [*STEPS[:number], Step('interrupted', interrupted)])
    assert version_of(oldest / 'archive.sqlite') == number
    assert differences(oldest, wanted) == []


@pytest.mark.parametrize('count', [0, 1, 4, 7, 8])
def test_moves_of_files_that_are_interrupted_continue(oldest: Path, count: int) -> None:
    wanted, area, moves = expected(oldest), FileArea(oldest), iter(range(count))

    def perform(source: str, target: str | None) -> None:
        area.perform(source, target)
        if next(moves, None) is None:
            raise Interrupted

    store = Store(oldest)
    store.perform = perform
    try:
        store.resume()
    except Interrupted:
        assert count < 8
    store.close()
    assert differences(oldest, wanted) == []
    assert not (oldest / 'archive/.moving').exists()


@pytest.fixture
def newer(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of an archive that a later version wrote."""
    with serve(tmp_path / 'new', password='p'):
        pass
    with closing(sqlite3.connect(tmp_path / 'new/archive.sqlite')) as connection:
        connection.execute(f'PRAGMA user_version = {VERSION + 3}')
    yield tmp_path / 'new'


def test_an_archive_of_a_later_version_is_refused_and_left_as_it_is(
    newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (newer / 'archive.sqlite').read_bytes()
    with pytest.raises(ArchiveTooNew, match=rf'version {VERSION + 3}.* up to {VERSION}\. Install'):
        serve(newer, password='p')
    assert main([str(newer), '--port', '0']) == 1
    assert f'version {VERSION + 3}' in capsys.readouterr().err
    assert (newer / 'archive.sqlite').read_bytes() == before


def test_an_archive_that_was_interrupted_while_it_was_created_is_created(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / 'archive.sqlite').close()
    (tmp_path / 'archive.sqlite').touch()
    with serve(tmp_path, password='p') as server:
        assert seen(server.port, '/data/projects?format=json&columns=ID') == []


def test_a_copy_of_the_folder_is_an_archive(oldest: Path, tmp_path: Path) -> None:
    wanted = expected(oldest)
    assert differences(oldest, wanted) == []
    shutil.copytree(oldest, tmp_path / 'copy')
    assert differences(tmp_path / 'copy', wanted) == []


def test_ids_of_items_that_were_deleted_before_the_migration_are_not_given(tmp_path: Path) -> None:
    with tarfile.open(next(path for path in ARCHIVES if path.name.startswith('v2-'))) as tar:
        tar.extractall(tmp_path)
    with serve(tmp_path, password='p') as server:
        status, body = request(server.port, 'PUT', '/data/projects/P/subjects/NEW')
    assert (status, body) == (201, b'XNAT_S00003')  # S00002 was deleted


def test_users_of_an_earlier_version_log_in(oldest: Path) -> None:
    with serve(oldest, password='p') as server:
        status, body = request(server.port, 'GET', '/data/projects?format=json', user='ann')
    assert (status, b'"P"' in body) == (200, True)


def test_each_version_has_an_archive() -> None:
    """``CONTRIBUTING.rst`` says how to make it. Nothing wrote version 1."""
    versions = {int(name[1:].partition('-')[0]) for name in NAMES}
    assert versions >= {*range(VERSION)} - {1}
