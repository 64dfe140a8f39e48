"""Tests that files are on disk before their upload is answered, as far as a program can see."""

from __future__ import annotations

import errno
import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from sqlalchemy import select

from pyxnat.server import Server, serve
from pyxnat.server.__main__ import _parser
from pyxnat.server.db.store import file, task
from pyxnat.server.storage.syncing import InMemory, OnDisk

from .conftest import Client

E = '/data/projects/P/subjects/S/experiments/E'


class Recording(OnDisk):
    """Write to disk, and record each call with the rows that are committed then."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self.files: list[int] = []
        """Bytes of each file."""
        self.written: list[tuple[set[Path], int, int]] = []
        """Folders, relative to the archive, with the committed rows of files and tasks."""

    def start(self, descriptor: int) -> Future[None] | None:
        self.files.append(os.fstat(descriptor).st_size)
        return super().start(descriptor)

    def folders(self, paths: Iterable[Path]) -> None:
        wanted = list(paths)
        super().folders(wanted)
        with self._server.archive.store.read() as connection:
            rows = len(connection.execute(select(file)).all())
            tasks = len(connection.execute(select(task)).all())
        names = [path.relative_to(self._server.archive.folder) for path in wanted]
        assert len(set(names)) == len(names)
        if names:
            self.written.append((set(names), rows, tasks))


class Failing(OnDisk):
    """A disk that reports an error when folders, or the content of files, are written."""

    def __init__(self, content: bool) -> None:
        super().__init__()
        self._content = content

    def start(self, descriptor: int) -> Future[None] | None:
        found = super().start(descriptor)
        if not self._content:
            return found
        failed: Future[None] = Future()
        failed.set_exception(OSError(errno.EIO, 'Input/output error'))
        return failed

    def folders(self, paths: Iterable[Path]) -> None:
        raise OSError(errno.EIO, 'Input/output error')


@pytest.fixture(scope='module')
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp('durable'), password='p') as running:
        client = Client(running, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        client.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')
        client.ok('PUT', f'{E}/resources/OLD/files/old?inbody=true', b'old')
        client.close()
        yield running


@pytest.fixture
def seen(durable: Server) -> Iterator[Recording]:
    before = durable.archive.files.sync
    durable.archive.files.sync = found = Recording(durable)
    yield found
    durable.archive.files.sync = before
    found.close()


@pytest.fixture
def client(durable: Server) -> Iterator[Client]:
    found = Client(durable, 'admin', 'p')
    yield found
    found.close()


def rows(server: Server) -> int:
    with server.archive.store.read() as connection:
        return len(connection.execute(select(file)).all())


def zipped(count: int, folders: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w') as target:
        for number in range(count):
            target.writestr(f'd{number % folders}/{number}', b'x' * 10)
    return packed.getvalue()


def test_content_and_new_folders_are_written_before_the_commit(
    durable: Server, seen: Recording, client: Client
) -> None:
    before = rows(durable)
    client.ok('PUT', f'{E}/scans/7?xsiType=xnat:mrScanData')
    client.ok('PUT', f'{E}/scans/7/resources/R/files/a/f?inbody=true', b'12345')
    assert seen.files == [5]
    home = Path('archive/P/arc001/E')
    new = ['SCANS/7/R/a', 'SCANS/7/R', 'SCANS/7', 'SCANS', '.']
    assert seen.written == [({home / name for name in new}, before, 0)]
    assert rows(durable) == before + 1


@pytest.mark.parametrize('count', [40, 100])
def test_a_zip_is_written_once_for_each_folder(
    durable: Server, seen: Recording, client: Client, count: int
) -> None:
    """Many files are bundled in the staging folder, and take their place in one rename."""
    before = rows(durable)
    path = f'{E}/resources/ZIP{count}/files/z.zip?inbody=true&extract=true'
    client.ok('PUT', path, zipped(count, 4))
    written = [name for names, _, _ in seen.written for name in names]
    names = [name.name for name in written]
    assert [names.count(f'd{number}') for number in range(4)] == [1, 1, 1, 1]
    assert Path('archive/P/arc001/E/RESOURCES') in written
    assert len(written) == 6
    assert {(count, tasks) for _, count, tasks in seen.written} == {(before, 0)}
    assert seen.files.count(10) == count


def test_a_replaced_file_is_kept_on_disk_before_the_commit(
    durable: Server, seen: Recording, client: Client
) -> None:
    client.ok('PUT', f'{E}/resources/KEPT/files/f?inbody=true', b'1')
    durable.archive.prefer('maintainFileHistory', True)
    seen.written.clear()
    client.ok('PUT', f'{E}/resources/KEPT/files/f?inbody=true&overwrite=true', b'2')
    durable.archive.prefer('maintainFileHistory', False)
    ((folders, _, _),) = seen.written
    (kept,) = (durable.archive.folder / 'history').rglob('f')
    above = kept.relative_to(durable.archive.folder).parents
    assert {*above} <= folders | {Path('.')}
    assert Path('archive/P/arc001/E/RESOURCES/KEPT') in folders


def test_a_renamed_session_is_written_before_its_task_is_forgotten(
    durable: Server, seen: Recording, client: Client
) -> None:
    session = client.ok('PUT', f'{E}2?xsiType=xnat:mrSessionData')
    client.ok('PUT', f'{E}2/resources/R/files/f?inbody=true', b'1')
    seen.written.clear()
    client.ok('PUT', f'{E}2?label=NEW')
    assert [(folders, tasks) for folders, _, tasks in seen.written] == [
        ({Path('archive/P/arc001')}, 1)
    ]
    client.delete(f'/data/experiments/{session}')


def test_a_file_of_the_user_cache_is_written(seen: Recording, client: Client) -> None:
    path = '/data/user/cache/resources/C/files'
    client.ok('PUT', f'{path}/f?inbody=true', b'12')
    client.ok('PUT', f'{path}/sub/f?inbody=true', b'123')
    assert seen.files == [2, 3]
    assert Path('cache/admin/C') in seen.written[0][0]
    assert Path('cache/admin/C/sub') in seen.written[1][0]


@pytest.mark.parametrize('content', [True, False], ids=['content', 'folder'])
@pytest.mark.parametrize('name', ['OLD/files/old', 'NEW/files/new'], ids=['replaced', 'new'])
def test_an_upload_that_cannot_be_written_is_an_error_and_changes_nothing(
    durable: Server, client: Client, name: str, content: bool
) -> None:
    before, count = durable.archive.files.sync, rows(durable)
    durable.archive.files.sync = Failing(content)
    path = f'{E}/resources/{name}'
    assert client.put(f'{path}?inbody=true&overwrite=true', b'new').status >= 500
    durable.archive.files.sync = before
    assert rows(durable) == count
    assert client.get(path).body == b'old' if 'OLD' in name else client.get(path).status == 404
    assert not list(durable.archive.files.staging.iterdir())


def synchronous(server: Server) -> int:
    with server.archive.store.read() as connection:
        return int(connection.exec_driver_sql('PRAGMA synchronous').scalar_one())


def test_an_archive_is_durable_by_default(durable: Server, tmp_path: Path) -> None:
    assert isinstance(durable.archive.files.sync, OnDisk)
    assert synchronous(durable) == 2
    with serve(tmp_path / 'fast', password='p', durable=False) as server:
        assert isinstance(server.archive.files.sync, InMemory)
        assert synchronous(server) == 0
    assert _parser().parse_args(['DIR']).fast is False
    assert _parser().parse_args(['DIR', '--fast']).fast is True
