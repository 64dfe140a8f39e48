"""Tests of ``xnat://``: fsspec's own suites over a served archive, and what they do not test."""

from __future__ import annotations

import itertools
import pickle
import runpy
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.tests.abstract import AbstractFixtures
from fsspec.tests.abstract.copy import AbstractCopyTests
from fsspec.tests.abstract.get import AbstractGetTests
from fsspec.tests.abstract.open import AbstractOpenTests
from fsspec.tests.abstract.pipe import AbstractPipeTests
from fsspec.tests.abstract.put import AbstractPutTests

import pyxnat
from pyxnat.apps.file_system import XnatFileSystem
from pyxnat.apps.file_system.addresses import Address
from tests.support.archive import EXAMPLES
from tests.support.plain import image as dicom_image

NUMBERS = itertools.count(1)
register = pytest.fixture(scope='module', autouse=True)


@register
def registered() -> None:
    """Register the protocol, which the entry point does in an installed package."""
    fsspec.register_implementation('xnat', XnatFileSystem, clobber=True)


@pytest.fixture
def system(xnat: pyxnat.Interface) -> XnatFileSystem:
    return XnatFileSystem(interface=xnat, skip_instance_cache=True)


@pytest.mark.sample(3)
class Contract(AbstractFixtures):
    """Fixtures of fsspec's suites: a resource of a scan."""

    @pytest.fixture
    def fs(self, system: XnatFileSystem) -> XnatFileSystem:
        return system

    @pytest.fixture
    def fs_path(self, scan: Any) -> str:
        names = [step.name for step in scan.resource('R').create().steps]
        return '/'.join(names)

    @pytest.fixture
    def fs_join(self) -> Any:
        return lambda *names: '/'.join(names)

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestCopy(Contract, AbstractCopyTests):
    pass


class TestGet(Contract, AbstractGetTests):
    pass


class TestPut(Contract, AbstractPutTests):
    pass


class TestOpen(Contract, AbstractOpenTests):
    pass


class TestPipe(Contract, AbstractPipeTests):
    pass


@pytest.fixture
def session(project: Any) -> Any:
    """Return a session with files of all its holders, in a subject and project with files."""
    subject = project.subject('S').create()
    project.resource('NOTES').file('a/p.txt').put(b'project')
    subject.resource('FORMS').file('s.txt').put(b'subject')
    session = subject.experiment('E').create(experiments='xnat:mrSessionData')
    session.resource('LOGS').file('e.txt').put(b'session')
    session.scan('1').create(type='T1')
    session.scan('1').resource('NIFTI').file('deep/T1.nii').put(b'image')
    session.scan('2').create(type='empty')
    session.assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    session.assessor('QC').out_resource('OUT').file('q.txt').put(b'assessor')
    session.reconstruction(f'R_{project.id()}').out_resource('OUT').file('r.txt').put(b'recon')
    return session


FILES = {
    'NOTES/a/p.txt': b'project',
    'S/FORMS/s.txt': b'subject',
    'S/E/LOGS/e.txt': b'session',
    'S/E/1/NIFTI/deep/T1.nii': b'image',
    'S/E/QC/OUT/q.txt': b'assessor',
    'S/E/{R}/OUT/r.txt': b'recon',
}


@pytest.fixture
def files(session: Any) -> dict[str, bytes]:
    """Return path -> content of all files of the project."""
    project = session.parent().parent().id()
    return {f'{project}/{path.format(R=f"R_{project}")}': each for path, each in FILES.items()}


def test_every_file_has_the_path_of_a_download(
    system: XnatFileSystem, session: Any, files: dict[str, bytes], tmp_path: Path
) -> None:
    project = session.parent().parent()
    assert system.find(project.id()) == sorted(files)
    assert system.cat(project.id(), recursive=True) == files
    project.download(tmp_path / 'down')
    for path, content in files.items():
        assert (tmp_path / 'down' / path).read_bytes() == content
        assert system.info(path)['size'] == len(content)
        assert system.cat_file(path) == content
        assert system.open(path).read() == content
        assert system.isfile(path) and not system.isdir(path)


def test_every_folder_is_listed_with_its_elements(
    system: XnatFileSystem, session: Any, files: dict[str, bytes]
) -> None:
    project = session.parent().parent().id()
    folders = {
        project: ['NOTES', 'S'],
        f'{project}/S': ['E', 'FORMS'],
        f'{project}/S/E': sorted(['1', '2', 'LOGS', 'QC', f'R_{project}']),
        f'{project}/S/E/1': ['NIFTI'],
        f'{project}/S/E/2': [],
        f'{project}/S/E/1/NIFTI': ['deep'],
        f'{project}/S/E/1/NIFTI/deep': ['T1.nii'],
        f'{project}/S/E/QC': ['OUT'],
        f'{project}/NOTES': ['a'],
        f'{project}/NOTES/a': ['p.txt'],
        f'{project}/S/FORMS': ['s.txt'],
    }
    assert project in system.ls('', detail=False)
    for folder, names in folders.items():
        assert system.ls(folder, detail=False) == [f'{folder}/{name}' for name in names]
        assert system.isdir(folder), folder
        assert system.info(folder) == {'name': folder, 'type': 'directory', 'size': 0}


@pytest.mark.parametrize(
    'path',
    [
        '{P}/NO',
        '{P}/S/NO',
        '{P}/S/E/NO',
        '{P}/S/E/1/NO',
        '{P}/S/E/1/NIFTI/no.nii',
        '{P}/S/E/1/NIFTI/deep/T1.nii/x',
        '{P}/S/NO/1/NIFTI/deep/T1.nii',
        '{P}/NOTES/a/p.txt/x',
        '{P}/S/FORMS/no',
        'NO_SUCH_PROJECT',
        'NO_SUCH_PROJECT/S/E',
    ],
)
def test_what_is_not_there_is_not_found(system: XnatFileSystem, session: Any, path: str) -> None:
    path = path.format(P=session.parent().parent().id())
    assert not system.exists(path)
    assert system.find(path) == []
    for read in (system.info, system.ls, system.open, system.cat_file, system.checksum):
        with pytest.raises(FileNotFoundError):
            read(path)


def test_a_wrong_login_is_not_a_missing_file(server: Any, tmp_path: Path) -> None:
    wrong = XnatFileSystem(
        server.url,
        user='admin',
        password='wrong',
        cachedir=tmp_path / 'c',
        skip_instance_cache=True,
    )
    for ask in (wrong.exists, wrong.isdir, wrong.isfile, wrong.ls, wrong.info):
        with pytest.raises(pyxnat.errors.AuthenticationError):
            ask('P/S')


@pytest.mark.parametrize(
    ('ask', 'most'),
    [
        (lambda fs, session: fs.find(session), 3),
        (lambda fs, session: fs.glob(f'{session}/*/NIFTI/**/*.nii'), 3),
        (lambda fs, session: fs.info(f'{session}/1/NIFTI/deep/T1.nii'), 1),
        (lambda fs, session: fs.cat_file(f'{session}/1/NIFTI/deep/T1.nii'), 2),
        (lambda fs, session: fs.pipe_file(f'{session}/1/NIFTI/new.nii', b'x'), 5),
    ],
)
def test_few_requests_are_made(
    system: XnatFileSystem, scan: Any, xnat: pyxnat.Interface, ask: Any, most: int
) -> None:
    file = scan.resource('NIFTI').file('deep/T1.nii').put(b'image')
    path = '/'.join(step.name for step in file.steps[:3])
    xnat.cache.clear()
    with xnat.trace() as trace:
        ask(system, path)
    assert trace.requests <= most, trace


@pytest.mark.parametrize(
    ('start', 'end'),
    [(None, None), (0, 5), (-10, None), (100, 100), (5, -5), (1_999_990, 3_000_000)],
)
def test_parts_of_files_are_fetched(
    system: XnatFileSystem, scan: Any, xnat: pyxnat.Interface, start: Any, end: Any
) -> None:
    content = bytes(range(250)) * 8000
    file = scan.resource('BIG').file('b.bin').put(content)
    path = '/'.join(step.name for step in file.steps)
    xnat.cache.clear()
    with xnat.trace() as trace:
        assert system.cat_file(path, start, end) == content[start:end]
    if (start, end) not in ((None, None), (5, -5)):
        assert sum(record.received for record in trace) < 10_000
    assert system.cat_ranges([path] * 2, [0, 1], [4, 5]) == [content[0:4], content[1:5]]
    assert system.read_block(path, 10, 20) == content[10:30]
    assert system.head(path, 7) == content[:7]
    assert system.tail(path, 7) == content[-7:]


class TestAddresses:
    @pytest.mark.parametrize(
        ('url', 'server', 'path'),
        [
            ('xnat://h.org/P/S', 'https://h.org', 'P/S'),
            ('xnat://h.org:8443/P', 'https://h.org:8443', 'P'),
            ('xnat://127.0.0.1:80/P', 'http://127.0.0.1:80', 'P'),
            ('xnat://localhost:8080/P//S/', 'http://localhost:8080', 'P/S'),
            ('xnat://h.org/ctx/data/projects/P/subjects/S', 'https://h.org/ctx', 'P/S'),
            (
                'xnat://h.org/data/archive/projects/P/subjects/S/experiments/E/scans/1'
                '/resources/R/files/a%20b/c',
                'https://h.org',
                'P/S/E/1/R/a b/c',
            ),
            (
                'xnat://h.org/data/projects/P/subjects/S/experiments/E/assessors/A/out/resources/R',
                'https://h.org',
                'P/S/E/A/R',
            ),
            ('xnat://h.org/data/P', 'https://h.org', 'data/P'),
            ('xnat://site.org/xnat/P/S', 'https://site.org/xnat', 'P/S'),
            ('xnat://site.org/P/S', 'https://site.org', 'P/S'),
            ('P/S/a%20b', '', 'P/S/a%20b'),
            ('/P/S', '', 'P/S'),
            ('xnat://h.org', 'https://h.org', ''),
            ('', '', ''),
        ],
    )
    def test_urls(self, url: str, server: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('XNAT_HOST', 'https://site.org/xnat/')
        assert (Address.parse(url).server, Address.parse(url).path) == (server, path)

    @pytest.mark.parametrize(
        'url', ['P/../Q', 'xnat://h/./P', '/data/experiments/E', '/data/projects/P/nonsense/x']
    )
    def test_wrong_paths_are_refused(self, url: str) -> None:
        with pytest.raises(pyxnat.errors.InvalidArgument):
            Address.parse(url)


def test_urls_open_by_the_environment(
    server: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XNAT_USER', server.user)
    monkeypatch.setenv('XNAT_PASS', server.password)
    url = f'xnat://{server.url.partition("//")[2]}/{session.parent().parent().id()}/S/E/LOGS/e.txt'
    with fsspec.open(url) as file:
        assert file.read() == b'session'
    with fsspec.open(f'filecache::{url}') as file:
        assert file.read() == b'session'
    system, path = fsspec.url_to_fs(url)
    assert system.unstrip_protocol(path) == url
    copy = pickle.loads(pickle.dumps(system))
    assert copy.cat(path) == b'session'
    assert copy.interface is system.interface


def test_pickles_and_json_have_no_secret(server: Any, xnat: pyxnat.Interface) -> None:
    for system in (
        XnatFileSystem(
            server.url, user=server.user, password=server.password, skip_instance_cache=True
        ),
        XnatFileSystem(interface=xnat, skip_instance_cache=True),
    ):
        texts = [pickle.dumps(system), system.to_json().encode(), repr(system).encode()]
        assert not any(server.password.encode() in text for text in texts)
        assert not any(b'JSESSIONID' in text for text in texts)
        assert system.storage_options.get('server', server.url) == server.url


def test_a_changed_file_has_another_key(system: XnatFileSystem, session: Any) -> None:
    path = f'{session.parent().parent().id()}/S/E/LOGS/e.txt'
    before = system.ukey(path), system.checksum(path), system.info(path)['md5']
    system.pipe_file(path, b'SESSION')
    assert system.cat_file(path) == b'SESSION'
    assert all(
        new != old
        for new, old in zip(
            (system.ukey(path), system.checksum(path), system.info(path)['md5']),
            before,
            strict=True,
        )
    )
    assert system.modified(path).tzinfo is not None


def test_a_transaction_sends_all_or_nothing(system: XnatFileSystem, session: Any) -> None:
    folder = f'{session.parent().parent().id()}/S/E/1/NIFTI'
    with pytest.raises(ZeroDivisionError), system.transaction:
        system.pipe_file(f'{folder}/a', b'a')
        1 / 0  # noqa: B018
    assert system.ls(folder, detail=False) == [f'{folder}/deep']
    with system.transaction:
        system.pipe_file(f'{folder}/a', b'a')
        assert not system.exists(f'{folder}/a')
        system.pipe_file(f'{folder}/b', b'b')
    assert system.ls(folder, detail=False) == [f'{folder}/{name}' for name in ('a', 'b', 'deep')]


@pytest.mark.parametrize('mode', ['ab', 'r+b', 'wb+'])
def test_a_file_is_not_changed_in_place(system: XnatFileSystem, mode: str) -> None:
    with pytest.raises(pyxnat.errors.InvalidArgument, match=f'mode {mode!r}'.replace('+', r'\+')):
        system.open('P/S/E/1/NIFTI/x', mode, block_size=None)


class TestSafety:
    @pytest.mark.parametrize('path', ['', '/S', '/S/E', '/S/E/1', '/S/E/QC'])
    def test_elements_are_not_deleted(
        self, system: XnatFileSystem, session: Any, files: dict[str, bytes], path: str
    ) -> None:
        project = session.parent().parent().id()
        with pytest.raises(PermissionError, match='has to be deleted with pyxnat'):
            system.rm(f'{project}{path}', recursive=True)
        with pytest.raises(OSError):
            system.rmdir(f'{project}{path}')
        assert system.find(project) == sorted(files)

    def test_a_resource_is_deleted_with_its_files_alone(
        self, system: XnatFileSystem, session: Any, files: dict[str, bytes]
    ) -> None:
        project = session.parent().parent().id()
        system.rm(f'{project}/S/E/1/NIFTI', recursive=True)
        assert system.ls(f'{project}/S/E/1') == []
        assert system.find(project) == sorted(set(files) - {f'{project}/S/E/1/NIFTI/deep/T1.nii'})

    @pytest.mark.parametrize('path', ['/S/TYPO/1/NIFTI/x', '/S/TYPO/x', '/TYPO/x', '/S/E/TYPO/R/x'])
    def test_a_wrong_name_creates_nothing(
        self, system: XnatFileSystem, session: Any, files: dict[str, bytes], path: str
    ) -> None:
        project = session.parent().parent().id()
        with pytest.raises(FileNotFoundError, match='mkdir'):
            system.pipe_file(f'{project}{path}', b'x')
        assert system.find(project) == sorted(files)

    def test_a_new_resource_is_created_by_mkdir_or_in_an_element_of_a_session(
        self, system: XnatFileSystem, session: Any
    ) -> None:
        project = session.parent().parent().id()
        for path in ('NEW', 'S/NEW', 'S/E/NEW', 'S/E/2/NEW', 'S/E/QC/NEW'):
            system.mkdir(f'{project}/{path}')
            system.pipe_file(f'{project}/{path}/x/y', b'1')
            assert system.cat_file(f'{project}/{path}/x/y') == b'1'
            with pytest.raises(FileExistsError):
                system.mkdir(f'{project}/{path}')
        for path in ('S/E/OWN/x', 'S/E/2/OWN/x'):
            system.pipe_file(f'{project}/{path}', b'2')
            assert system.cat_file(f'{project}/{path}') == b'2'

    def test_files_whose_names_begin_alike_are_deleted_one_by_one(
        self, system: XnatFileSystem, session: Any
    ) -> None:
        folder = f'{session.parent().parent().id()}/S/E/1/NIFTI'
        for name in ('a', 'ab', 'abc', 'b'):
            system.pipe_file(f'{folder}/x/{name}', b'1')
        system.rm([f'{folder}/x/{name}' for name in ('a', 'ab', 'abc')])
        assert system.find(folder) == [f'{folder}/deep/T1.nii', f'{folder}/x/b']

    def test_a_failed_upload_is_an_error_and_leaves_the_old_file(
        self, server: Any, session: Any, tmp_path: Path, xnat: pyxnat.Interface
    ) -> None:
        server.add_user('reader', 'secret')
        session.parent().parent().add_user('reader', 'collaborator')
        reader = XnatFileSystem(
            server.url,
            user='reader',
            password='secret',
            cachedir=tmp_path / 'r',
            skip_instance_cache=True,
        )
        path = f'{session.parent().parent().id()}/S/E/LOGS/e.txt'
        assert reader.cat_file(path) == b'session'
        with pytest.raises(PermissionError):
            reader.pipe_file(path, b'changed')
        assert reader.cat_file(path) == b'session'


class TestPrograms:
    @pytest.fixture
    def url(self, server: Any, session: Any, login: None) -> str:
        """Return the URL of a folder."""
        host = server.url.partition('//')[2]
        return f'xnat://{host}/{session.parent().parent().id()}/S/E/LOGS'

    def test_pandas_by_its_url(self, url: str) -> None:
        pandas = pytest.importorskip('pandas')
        pandas.DataFrame({'a': [1, 2]}).to_csv(f'{url}/u.csv', index=False)
        assert list(pandas.read_csv(f'{url}/u.csv')['a']) == [1, 2]

    def test_pydicom(self, url: str) -> None:
        pydicom = pytest.importorskip('pydicom')
        with fsspec.open(f'{url}/i.dcm', 'wb') as file:
            file.write(dicom_image(PatientID='P7'))
        with fsspec.open(f'{url}/i.dcm') as file:
            assert pydicom.dcmread(file, stop_before_pixels=True).PatientID == 'P7'

    def test_zarr_in_a_zip(self, url: str, tmp_path: Path) -> None:
        zarr = pytest.importorskip('zarr')
        store = zarr.storage.ZipStore(tmp_path / 'z.zip', mode='w')
        zarr.open_array(store, mode='w', shape=(4, 4), chunks=(2, 2), dtype='int16')[:] = 7
        store.close()
        with fsspec.open(f'{url}/array.zip', 'wb') as file:
            file.write((tmp_path / 'z.zip').read_bytes())
        mapper = fsspec.get_mapper(f'zip::{url}/array.zip')
        array = zarr.open_array(mapper, mode='r')
        assert array.shape == (4, 4) and int(array[:].sum()) == 16 * 7

    def test_pandas(self, system: XnatFileSystem, session: Any) -> None:
        pandas = pytest.importorskip('pandas')
        path = f'{session.parent().parent().id()}/S/E/LOGS/t.csv'
        with system.open(path, 'w') as file:
            pandas.DataFrame({'a': [1, 2]}).to_csv(file, index=False)
        with system.open(path) as file:
            assert list(pandas.read_csv(file)['a']) == [1, 2]

    def test_dask_bytes(self, server: Any, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        read_bytes = pytest.importorskip('dask.bytes').read_bytes
        monkeypatch.setenv('XNAT_USER', server.user)
        monkeypatch.setenv('XNAT_PASS', server.password)
        host = server.url.partition('//')[2]
        path = f'xnat://{host}/{session.parent().parent().id()}/S/E/LOGS/*.txt'
        _, blocks = read_bytes(path, blocksize=3, sample=False)
        assert b''.join(block.compute(scheduler='sync') for block in blocks[0]) == b'session'

    def test_nibabel(self, system: XnatFileSystem, session: Any, tmp_path: Path) -> None:
        nibabel = pytest.importorskip('nibabel')
        numpy = pytest.importorskip('numpy')
        image = nibabel.Nifti1Image(numpy.ones((2, 2, 2), 'int16'), numpy.eye(4))
        path = f'{session.parent().parent().id()}/S/E/1/NIFTI/i.nii'
        with system.open(path, 'wb') as file:
            file.write(image.to_bytes())
        with system.open(path) as file:
            assert nibabel.Nifti1Image.from_stream(file).shape == (2, 2, 2)

    def test_the_example(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        nibabel = pytest.importorskip('nibabel')
        numpy = pytest.importorskip('numpy')
        image = nibabel.Nifti1Image(numpy.ones((2, 3, 4), 'int16'), numpy.eye(4))
        for name, compression in (('i.nii', None), ('j.nii.gz', 'gzip')):
            with fsspec.open(f'{url}/{name}', 'wb', compression=compression) as file:
                file.write(image.to_bytes())
        main = runpy.run_path(str(EXAMPLES / 'read_by_url.py'))['main']
        assert main(f'{url}/*.nii*') == 0
        assert capsys.readouterr().out.count('\t(2, 3, 4)\tint16\n') == 2

    def test_zip(self, system: XnatFileSystem, session: Any, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / 'z.zip', 'w') as archive:
            archive.writestr('in/a.txt', b'zipped')
        path = f'{session.parent().parent().id()}/S/E/LOGS/z.zip'
        system.put(str(tmp_path / 'z.zip'), path)
        inner = fsspec.filesystem('zip', fo=system.open(path))
        assert inner.cat('in/a.txt') == b'zipped'
