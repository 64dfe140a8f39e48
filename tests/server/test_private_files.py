"""Tests of the rights of folders and files: only the owner can read them, whatever the umask."""

from __future__ import annotations

import ast
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyxnat.server
from pyxnat.server import Server, serve
from pyxnat.server.__main__ import main
from pyxnat.server.private_files import create_file, make_folder, open_private, tighten
from tests.support.plain import XML, Client, image, zipped

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='has no such modes')

UMASKS = [0o000, 0o002, 0o022, 0o077]
BASE = '/data/projects/P/subjects/S/experiments/E'
SEARCH = (
    b'<xdat:search xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>'
    b'xnat:subjectData</xdat:root_element_name><xdat:search_field><xdat:element_name>'
    b'xnat:subjectData</xdat:element_name><xdat:field_ID>SUBJECT_ID</xdat:field_ID>'
    b'</xdat:search_field></xdat:search>'
)


@pytest.fixture(params=UMASKS, ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Return the folder, and files and folders below, that others have any right to."""
    every = [folder, *folder.rglob('*')]
    return [str(path) for path in every if stat.S_IMODE(path.stat().st_mode) & 0o077]


def use(server: Server, folder: Path) -> None:
    """Make the server write each kind of file."""
    admin = Client(server, 'admin', 'secret')
    server.archive.prefer('maintainFileHistory', True)
    admin.ok('PUT', '/data/projects/P')
    admin.ok('PUT', '/data/projects/P/subjects/S')
    admin.ok('PUT', f'{BASE}?xsiType=xnat:mrSessionData')
    files = f'{BASE}/resources/R/files'
    for word in (b'one', b'two'):
        admin.ok('PUT', f'{files}/deep/er/a.txt?inbody=true&overwrite=true', word)
    admin.ok('PUT', f'{files}/z.zip?inbody=true&extract=true', zipped({'b/c.txt': b'c'}))
    many = zipped({f'd{number}/f': b'x' for number in range(60)})
    admin.ok('PUT', f'{BASE}/resources/MANY/files/m.zip?inbody=true&extract=true', many)
    admin.ok('PUT', '/data/user/cache/resources/C')
    admin.ok('PUT', '/data/user/cache/resources/C/files/d/e.txt?inbody=true', b'e')
    admin.ok('POST', '/data/services/import?import-handler=SI&project=P&inbody=true&'
             'dest=/prearchive', zipped({'i.dcm': image()}))  # fmt: skip
    assert admin.post('/data/search?format=json&cache=true', SEARCH, **XML).status == 200
    admin.ok('PUT', f'{BASE}?label=RENAMED')
    (folder / 'inbox').mkdir(exist_ok=True)
    (folder / 'inbox/given').write_bytes(b'given')
    (folder / 'inbox/given').chmod(0o644)
    path = (folder / 'inbox/given').resolve()
    admin.ok('PUT', f'/data/projects/P/resources/R/files/given?reference={path}')
    admin.ok('DELETE', '/data/projects/P/resources/R/files/given')
    admin.close()


def test_nobody_else_can_read_the_archive(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / 'above/archive'
    with serve(folder, password='secret') as server:
        use(server, folder)
        inbox = {str(folder / 'inbox'), str(folder / 'inbox/given')}
        assert set(open_to_others(tmp_path / 'above')) <= inbox
        names = {path.name for path in folder.iterdir()}
        assert {'archive.sqlite', 'searches.sqlite', 'history', 'prearchive', 'staging'} <= names
        assert list((folder / 'history').rglob('a.txt')) and list(folder.rglob('*.dcm'))
        with server.archive.store.write() as connection:
            connection.exec_driver_sql('UPDATE setting SET value = value')
            assert set(open_to_others(folder)) <= inbox, 'the journal'
    assert set(open_to_others(folder)) <= inbox


def test_lost_files_are_recovered_privately(tmp_path: Path, umask: int) -> None:
    with serve(tmp_path / 'a', password='secret') as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
    lost = tmp_path / 'a/archive/P/lost/file'
    lost.parent.mkdir(parents=True, mode=0o700)
    lost.write_bytes(b'lost')
    lost.chmod(0o600)
    archive = pyxnat.server.serve(tmp_path / 'a', password='secret')
    with archive.archive.store.write() as connection:
        archive.archive.files.reconcile_all(connection)
    archive.stop()
    assert (tmp_path / 'a/recovered/P/lost/file').read_bytes() == b'lost'
    assert open_to_others(tmp_path / 'a/recovered') == []


def test_an_open_archive_of_an_earlier_version_is_tightened(tmp_path: Path) -> None:
    folder = tmp_path / 'a'
    with serve(folder, password='secret'):
        pass
    loose = [
        folder,
        *(folder / name for name in ('archive.sqlite', 'searches.sqlite', 'serving.lock')),
    ]
    for path in loose:
        path.chmod(0o2775 if path is folder else 0o664)
    with serve(folder, password='secret') as server:
        assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in loose] == [0] * 4
        assert folder.stat().st_mode & stat.S_ISGID
        use(server, folder)


def test_a_folder_of_another_user_is_served_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)

    def refuse(self: Path, mode: int) -> None:
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(Path, 'chmod', refuse)
    with serve(tmp_path, password='secret') as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
    assert 'belongs to another user' in caplog.text


def test_folders_and_files_one_by_one(tmp_path: Path, umask: int) -> None:
    make_folder(tmp_path / 'a/b/c')
    make_folder(tmp_path / 'a/b/c')
    with open_private(tmp_path / 'a/f', 'wb') as file:
        file.write(b'x')
    with open_private(tmp_path / 'a/g', 'w+b', 0) as file:
        file.write(b'y')
        file.seek(0)
        assert file.read() == b'y'
    create_file(tmp_path / 'a/h')
    (tmp_path / 'a/h').write_bytes(b'kept')
    create_file(tmp_path / 'a/h')
    assert open_to_others(tmp_path / 'a') == [] and (tmp_path / 'a/h').read_bytes() == b'kept'
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / 'a/f/below')
    (tmp_path / 'a/f').chmod(0o644)
    tighten(tmp_path / 'a/f')
    assert open_to_others(tmp_path / 'a') == []


WRITERS = {'mkdir', 'makedirs', 'write_bytes', 'write_text', 'mkstemp', 'mkdtemp'}


def test_files_are_created_in_one_place() -> None:
    """Every file and folder of the server is created with its mode."""
    found = []
    for path in sorted(Path(pyxnat.server.__file__).parent.rglob('*.py')):
        if path.name == 'private_files.py':
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.Call):
                continue
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, 'id', '')
            )
            modes = [one.value for one in (*node.args, *(key.value for key in node.keywords))
                     if isinstance(one, ast.Constant) and isinstance(one.value, str)]  # fmt: skip
            is_write = name == 'open' and any(
                set(mode) & set('wax') and len(mode) < 4 for mode in modes
            )
            if name in WRITERS or is_write:
                found.append(f'{path.name}:{ast.unparse(node)[:60]}')
    # the last writes a member of a zip
    assert [one for one in found if not one.startswith('zip_tar.py:target.open(')] == []


def test_backups_and_repairs_are_private(tmp_path: Path, umask: int) -> None:
    """A backup has all data and the hashes of passwords."""
    folder, target = tmp_path / 'a', tmp_path / 'backup.tar'
    with serve(folder, password='secret') as server:
        use(server, folder)
        shutil.rmtree(folder / 'inbox')
        assert main([str(folder), '--backup', str(target)]) == 0
    assert open_to_others(target) == []
    with tarfile.open(target) as tar:
        assert [one.name for one in tar if one.isfile() and one.mode & 0o077] == []
    (next((folder / 'archive').rglob('c.txt'))).unlink()
    assert main([str(folder), '--repair']) == 0
    assert open_to_others(folder) == [] and list((folder / 'recovered').glob('rows-*.json'))
