"""Tests of --check, --repair and --backup."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import serve
from pyxnat.server.__main__ import main
from pyxnat.server.upkeep.checking import check
from tests.support.dicoms import members, zipped
from tests.support.unreadable import make_unreadable
from tests.support.waiting import wait_until

from .conftest import Client

E = '/data/projects/P/subjects/S/experiments/E'
FILE = 'archive/P/arc001/E/RESOURCES/DATA/one.txt'


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a closed archive with items, files and a session to be archived."""
    folder = tmp_path_factory.mktemp('made') / 'archive'
    with serve(folder, password='p', users={'ann': 'a'}, durable=False) as server:
        client = Client(server, 'admin', 'p')
        for path in ('/data/projects/P', '/data/projects/P/users/Members/ann', '/data/projects/Q'):
            client.ok('PUT', path)
        client.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')
        client.ok('PUT', f'{E}/scans/1?xsiType=xnat:mrScanData')
        client.ok('PUT', f'{E}/resources/DATA/files/one.txt?inbody=true', b'one')
        client.ok('PUT', f'{E}/scans/1/resources/R/files/a/two.txt?inbody=true', b'two')
        client.ok('PUT', '/data/projects/P/subjects/S/projects/Q')
        client.ok(
            'POST',
            '/data/services/import?inbody=true&dest=/prearchive/projects/P',
            zipped(members()),
        )
        client.ok('PUT', '/data/user/cache/resources/C/files/f?inbody=true', b'cached')
        client.close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the archive."""
    shutil.copytree(made, tmp_path / 'archive')
    return tmp_path / 'archive'


def sql(statement: str) -> Callable[[Path], None]:
    """Return a damage that runs a statement."""

    def run(folder: Path) -> None:
        with closing(sqlite3.connect(folder / 'archive.sqlite')) as connection, connection:
            connection.execute(statement)

    return run


def write(name: str, content: bytes) -> Callable[[Path], None]:
    """Return a damage that writes a file."""

    def run(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return run


def zeros(folder: Path) -> None:
    content = bytearray((folder / 'archive.sqlite').read_bytes())
    content[4096:-4096] = bytes(len(content) - 8192)
    (folder / 'archive.sqlite').write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], Any], str, bool]] = {
    'file removed': (lambda folder: (folder / FILE).unlink(), 'missing file', True),
    'file replaced by a folder': (
        lambda folder: ((folder / FILE).unlink(), (folder / FILE).mkdir()),
        'missing file',
        True,
    ),
    'file cut': (write(FILE, b'o'), 'size differs', True),
    'bits changed': (write(FILE, b'onf'), 'digest differs', True),
    'file added': (write('archive/P/x/new', b'x'), 'file without a row', True),
    'image added': (write('prearchive/P/1/W/SCANS/1/new', b'x'), 'file without a row', True),
    'image removed': (
        lambda folder: next((folder / 'prearchive').rglob('DICOM/*')).unlink(),
        'missing file',
        True,
    ),
    'row added': (
        sql(
            'INSERT INTO file (resource, path, size, digest, mtime_ns, insert_date, insert_user) '
            "SELECT resource, 'no', 1, 'd', 1, 'd', 'u' FROM file LIMIT 1"
        ),
        'missing file',
        True,
    ),
    'row removed': (sql("DELETE FROM file WHERE path = 'one.txt'"), 'file without a row', True),
    'session removed': (sql("DELETE FROM item WHERE label = 'E'"), 'dangling row', True),
    'project removed': (sql("DELETE FROM item WHERE id = 'Q'"), 'dangling row', True),
    'user removed': (sql("DELETE FROM user WHERE login = 'ann'"), 'dangling row', True),
    'favorite of nothing': (
        sql("INSERT INTO favorite VALUES ('ann', 'Project', 'NO')"),
        'dangling row',
        True,
    ),
    'session without a parent': (
        sql("UPDATE item SET parent = NULL WHERE label = 'E'"),
        'dangling row',
        True,
    ),
    'labels alike': (
        sql(
            'INSERT INTO item (level, xsi_type, id, label, project, parent, status, insert_date, '
            "insert_user, last_modified, fields) SELECT level, xsi_type, 'OTHER', label, project, "
            "parent, status, insert_date, insert_user, last_modified, '{}' FROM item "
            "WHERE label = 'S'"
        ),
        'duplicate',
        False,
    ),
    'work left': (
        sql("INSERT INTO task (source, target) VALUES ('archive/no', NULL)"),
        'unfinished work',
        True,
    ),
    'upload left': (write('staging/abc', b'x'), 'unfinished upload', True),
    'folder unreadable': (
        lambda folder: make_unreadable(folder / 'archive/P/arc001/deep'),
        'unreadable folder',
        False,
    ),
    'folder of the prearchive unreadable': (
        lambda folder: make_unreadable(folder / 'prearchive/P/deep'),
        'unreadable folder',
        False,
    ),
    'pages lost': (zeros, 'damaged database', False),
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run the command with JSON; return the status and the report."""
    capsys.readouterr()
    status = main([*arguments, '--format', 'json'])
    return status, json.loads(capsys.readouterr().out)


def test_an_archive_agrees_while_it_is_served_and_afterwards(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        status, report = run(capsys, str(folder), '--check', '--deep')
        assert (status, report['findings'], report['files']) == (0, [], 8)
        with serve(folder, password='p', durable=False):
            assert run(capsys, str(folder), '--check', '--deep')[0] == 0
    assert main([str(folder), '--check']) == 0
    assert capsys.readouterr().out.endswith('8 files: no findings\n')


@pytest.mark.parametrize('name', DAMAGES, ids=[name.replace(' ', '-') for name in DAMAGES])
def test_a_damage_is_found(folder: Path, name: str) -> None:
    damage, kind, _ = DAMAGES[name]
    damage(folder)
    assert kind in {one.kind for one in check(folder, deep=True).findings}


@pytest.mark.parametrize('part', range(3))
@pytest.mark.sample(2)
def test_damages_are_mended(folder: Path, part: int, capsys: pytest.CaptureFixture[str]) -> None:
    mendable = [damage for damage, _, is_mended in DAMAGES.values() if is_mended]
    for damage in mendable[part::3]:
        damage(folder)
    status, found = run(capsys, str(folder), '--check', '--deep')
    assert status == 1
    status, done = run(capsys, str(folder), '--repair', '--deep')
    assert (status, done['findings'], done['mended']) == (0, [], found['findings'])
    status, after = run(capsys, str(folder), '--check', '--deep')
    assert (status, after['findings']) == (0, [])
    with serve(folder, password='p', durable=False) as server:
        client = Client(server, 'admin', 'p')
        client.ok('GET', '/data/projects/P/experiments?format=json')
        client.close()


@pytest.mark.parametrize('name', [name for name, (_, _, mends) in DAMAGES.items() if not mends])
def test_a_damage_that_cannot_be_mended_is_reported(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGES[name][0](folder)
    status, done = run(capsys, str(folder), '--repair')
    assert (status, done['mended'], [one['kind'] for one in done['findings']]) == (
        1,
        [],
        [DAMAGES[name][1]],
    )


def test_what_repair_takes_out_is_kept(folder: Path) -> None:
    (folder / 'archive/P/x').mkdir()
    (folder / 'archive/P/x/new').write_bytes(b'found')
    (folder / FILE).unlink()
    assert main([str(folder), '--repair']) == 0
    assert (folder / 'recovered/P/x/new').read_bytes() == b'found'
    rows = json.loads(next((folder / 'recovered').glob('rows-*.json')).read_text())
    assert [(one['table'], one['row']['path']) for one in rows] == [('file', 'one.txt')]


def test_only_a_deep_check_reads_files(folder: Path) -> None:
    (folder / FILE).write_bytes(b'onf')
    assert check(folder).findings == []
    assert [one.kind for one in check(folder, deep=True).findings] == ['digest differs']


def test_repair_is_refused_while_the_archive_is_served(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(folder, password='p', durable=False):
        assert main([str(folder), '--repair']) == 1
        assert 'served by another process' in capsys.readouterr().err
        (folder / 'archive/P/new').write_bytes(b'x')
        assert run(capsys, str(folder), '--check')[0] == 1


@pytest.mark.parametrize('option', [['--check'], ['--repair'], ['--backup', 'x.tar']], ids=' '.join)
def test_a_folder_without_an_archive_of_this_version_is_refused(
    folder: Path,
    tmp_path: Path,
    option: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path / 'none'), *option]) == 1
    assert 'has no archive' in capsys.readouterr().err
    assert not (tmp_path / 'none').exists()
    for version, text in ((0, 'start the server once'), (99, 'Install the pyxnat')):
        sql(f'PRAGMA user_version = {version}')(folder)
        assert main([str(folder), *option]) == 1
        assert text in capsys.readouterr().err
    assert not (tmp_path / 'x.tar').exists()


# -- backup


def unpacked(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as tar:
        tar.extractall(folder)
    return folder


@pytest.mark.parametrize('name', ['b.tar', 'b.tar.gz', 'b.tar.xz'])
def test_a_backup_is_an_archive_with_the_same_files(
    folder: Path, tmp_path: Path, name: str
) -> None:
    assert main([str(folder), '--backup', str(tmp_path / name)]) == 0
    copy = unpacked(tmp_path / name, tmp_path / 'copy')
    assert check(copy, deep=True).findings == []
    left_out = {'searches.sqlite', 'serving.lock', 'archive.sqlite'}
    files = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and path.name not in left_out
    }
    assert {path: (copy / path).read_bytes() for path in files} == files
    with serve(copy, password='p', durable=False) as server:
        client = Client(server, 'admin', 'p')
        assert client.get(f'{E}/resources/DATA/files/one.txt').body == b'one'
        assert not server.archive.was_crashed
        client.close()
    assert not list((folder / 'staging').iterdir())


def test_a_backup_replaces_no_file_and_needs_all_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'b.tar').touch()
    assert main([str(folder), '--backup', str(tmp_path / 'b.tar')]) == 1
    assert 'exists already' in capsys.readouterr().err
    (folder / FILE).unlink()
    assert main([str(folder), '--backup', str(tmp_path / 'c.tar')]) == 1
    assert f'like {FILE}' in capsys.readouterr().err
    assert not list(tmp_path.glob('c.tar*'))
    assert not list((folder / 'staging').iterdir())


@pytest.mark.parametrize('name', ['inbox', 'history/P', 'recovered', 'cache/users/1'])
def test_a_backup_leaves_no_unreadable_folder_out(
    folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_unreadable(folder / name / 'deep')
    assert main([str(folder), '--backup', str(tmp_path / 'b.tar')]) == 1
    error = capsys.readouterr().err
    assert f'{folder / name}/deep/' in error and 'cannot be read: ' in error
    assert not list(tmp_path.glob('b.tar*'))


class Writer(threading.Thread):
    """Replace, add, rename and delete files until it is stopped."""

    def __init__(self, server: Any, number: int) -> None:
        super().__init__()
        self._client = Client(server, 'admin', 'p')
        self._number = number
        self._stopped = threading.Event()
        self.rounds = 0
        self.wrong: list[int] = []

    def run(self) -> None:
        session = f'/data/projects/P/subjects/S/experiments/W{self._number}'
        while not self._stopped.is_set():
            files = f'{session}/scans/1/resources/R/files'
            for method, path, body in (
                ('PUT', f'{session}?xsiType=xnat:mrSessionData', b''),
                ('PUT', f'{session}/scans/1?xsiType=xnat:mrScanData', b''),
                ('PUT', f'{files}/a?inbody=true', b'1' * 1000),
                ('PUT', f'{files}/a?inbody=true&overwrite=true', bytes(self.rounds % 999 + 1)),
                ('PUT', f'{session}?label=X{self._number}', b''),
                ('PUT', f'{E}/resources/K{self._number}/files/{self.rounds}?inbody=true', b'k'),
                ('DELETE', f'{session.replace("/W", "/X")}?removeFiles=true', b''),
            ):
                status = self._client(method, path, body).status
                if status not in (200, 201):
                    self.wrong.append(status)
            self.rounds += 1
        self._client.close()

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@pytest.fixture
def writers(folder: Path) -> Iterator[list[Writer]]:
    with serve(folder, password='p', durable=False) as server:
        found = [Writer(server, number) for number in range(4)]
        for one in found:
            one.start()
        yield found
        for one in found:
            one.stop()


def test_a_backup_while_four_clients_write_is_consistent(
    folder: Path, tmp_path: Path, writers: list[Writer]
) -> None:
    for number in range(3):
        rounds = [one.rounds for one in writers]
        wait_until(
            lambda rounds=rounds: all(
                one.rounds > before for one, before in zip(writers, rounds, strict=True)
            ),
            'each client to have written',
        )
        before = [one.rounds for one in writers]
        path = tmp_path / f'{number}.tar'
        assert main([str(folder), '--backup', str(path)]) == 0
        copy = unpacked(path, tmp_path / f'copy{number}')
        assert check(copy, deep=True).findings == []
        for one, rounds_before in zip(range(4), before, strict=True):
            kept = copy / f'archive/P/arc001/E/RESOURCES/K{one}'
            assert len(list(kept.iterdir())) >= rounds_before
    assert main([str(folder), '--check', '--deep']) == 0
    assert [one.wrong for one in writers] == [[], [], [], []]
