"""Tests of the prearchive and of imports of real DICOM files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.resources.imported import ARCHIVED
from pyxnat.resources.prearchive import PrearchiveSession
from tests.support.dicoms import changed, content, members, tarred, zipped
from tests.support.faults import FaultProxy, says


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Write a study of two files into a folder."""
    first = changed(
        'MR_small.dcm', PatientID='P1', PatientName='Doe^Jane', SeriesNumber='3', InstanceNumber='1'
    )
    second = changed(
        'MR_small.dcm',
        PatientID='P1',
        PatientName='Doe^Jane',
        SeriesNumber='3',
        InstanceNumber='2',
        SOPInstanceUID='1.2.3.4.5',
    )
    return written(tmp_path / 'images', {'series 3/a.dcm': first, 'series 3/sub/b.dcm': second})


@pytest.fixture
def waiting(project: Any, images: Path) -> PrearchiveSession:
    """Create a session of one scan with two files in the prearchive of a new project."""
    [imported] = project.import_dicom(images, 'S1', 'S1_MR', dest='prearchive')
    assert isinstance(imported.element, PrearchiveSession)
    return imported.element


# -- imports ---------------------------------------------------------------------------------------


def test_a_folder_is_archived_in_one_request(
    xnat: pyxnat.Interface, project: Any, images: Path
) -> None:
    with xnat.trace() as trace:
        [imported] = project.import_dicom(images, 'S1', 'S1_MR', dest='archive')
    assert [record.method for record in trace] == ['POST']
    assert (imported.status, imported.ok) == (
        ARCHIVED,
        True,
    ) and imported.uri == imported.element._uri
    session = project.subject('S1').experiment('S1_MR')
    assert imported.element == session and session.exists()
    assert session.scans().get() == ['3'] and sorted(
        session.scan('3').resource('DICOM').files().get()
    ) == ['a.dcm', 'b.dcm']


@pytest.mark.parametrize('ending', ['zip', 'tar.gz', 'files', 'file'])
def test_all_kinds_of_sources_can_be_sent(
    project: Any, images: Path, tmp_path: Path, ending: str
) -> None:
    files = {
        path.relative_to(images).as_posix(): path.read_bytes() for path in images.rglob('*.dcm')
    }
    source: Any = tmp_path / f'images.{ending}'
    if ending in ('zip', 'tar.gz'):
        source.write_bytes(zipped(files) if ending == 'zip' else tarred(files))
    else:
        source = sorted(images.rglob('*.dcm'))
        source = str(source[0]) if ending == 'file' else source
    [imported] = project.import_dicom(source, 'S1', 'S1_MR', dest='archive')
    assert len(imported.element.scan('3').resource('DICOM').files()) == (
        1 if ending == 'file' else 2
    )


def test_the_headers_give_names_that_are_not_given(
    xnat: pyxnat.Interface, project: Any, images: Path
) -> None:
    [imported] = xnat.manage.import_dicom(str(images), project.id(), dest='archive')
    assert imported.element.parent().label() == 'Doe_Jane' and imported.element.label() == 'P1'


def test_the_setting_of_the_project_is_the_default(project: Any, images: Path) -> None:
    project.set_prearchive_code(0)
    [imported] = project.import_dicom(images, 'S1', 'S1_MR')
    assert (imported.status, imported.ok) == ('READY', True)
    imported.element.delete()
    project.set_prearchive_code(4)
    assert project.import_dicom(images, 'S1', 'S1_MR')[0].status == ARCHIVED


def test_several_studies_are_several_sessions(project: Any, tmp_path: Path) -> None:
    folder = written(
        tmp_path / 'two', {'a/1.dcm': content('MR_small.dcm'), 'b/1.dcm': content('CT_small.dcm')}
    )
    imported = project.import_dicom(folder, dest='prearchive')
    assert len(imported) == 2 and {one.status for one in imported} == {'READY'}
    assert sorted(one.uri for one in imported) == sorted(
        session._uri for session in project._intf.manage.prearchive.sessions(project.id())
    )


def test_an_already_archived_session_is_a_conflict(project: Any, images: Path) -> None:
    project.import_dicom(images, 'S1', 'S1_MR', dest='archive')
    with pytest.raises(pyxnat.errors.DuplicateError, match="overwrite='append'"):
        project.import_dicom(images, 'S1', 'S1_MR', dest='archive')


def test_files_that_are_not_dicom_are_refused_or_skipped(project: Any, images: Path) -> None:
    (images / 'notes.txt').write_text('no image')
    with pytest.raises(pyxnat.errors.ProgrammingError, match='ignore_unparsable=True'):
        project.import_dicom(images, 'S1', 'S1_MR', dest='archive')
    [imported] = project.import_dicom(images, 'S1', 'S1_MR', dest='archive', ignore_unparsable=True)
    assert len(imported.element.scan('3').resource('DICOM').files()) == 2


def test_a_missing_file_is_an_error_before_any_request(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    (tmp_path / 'empty').mkdir()
    with xnat.trace() as trace:
        for source in (tmp_path / 'nothing', tmp_path / 'empty', [], [tmp_path / 'nothing.dcm']):
            with pytest.raises(pyxnat.errors.DataError):
                project.import_dicom(source)
        for wrong in ({'overwrite': 'yes'}, {'dest': 'somewhere'}):
            with pytest.raises(pyxnat.errors.ProgrammingError, match='Use one of'):
                project.import_dicom(tmp_path, **wrong)
    assert len(trace) == 0


def test_a_missing_project_is_an_error(xnat: pyxnat.Interface, images: Path) -> None:
    with pytest.raises(pyxnat.errors.NotFoundError):
        xnat.manage.import_dicom(images, 'NOBODYS')


def test_an_import_that_could_not_be_sent_is_reported_as_not_sent(images: Path) -> None:
    nobody = pyxnat.Interface('http://127.0.0.1:1', 'me', 'x', retries=0)
    with pytest.raises(pyxnat.errors.NetworkError) as caught:
        nobody.manage.import_dicom(images, 'P')
    assert 'taken it' not in str(caught.value)


def test_additional_parameters_are_passed_on(
    xnat: pyxnat.Interface, project: Any, images: Path
) -> None:
    [imported] = project.import_dicom(images, dest='prearchive', wait=False, SOURCE='scanner 2')
    assert imported.element.attributes()['SOURCE'] == 'scanner 2'


# -- the prearchive: selecting ---------------------------------------------------------------------


def test_selecting_makes_no_request(xnat: pyxnat.Interface) -> None:
    with xnat.trace() as trace:
        session = xnat.select('/prearchive/projects/P/20240131_120000123/S01_MR')
        assert repr(session) == '<PrearchiveSession Object> S01_MR' and session.triple == (
            'P',
            '20240131_120000123',
            'S01_MR',
        )
        assert (
            session == xnat.select('/data/prearchive/project/P/20240131_120000123/S01_MR/')
            and len({session, session}) == 1
        )
        assert (
            repr(xnat.select('/prearchive'))
            == repr(xnat.select('/prearchive/projects'))
            == '<PrearchiveSessions /prearchive/projects/*/*/*>'
        )
        assert (
            xnat.select('/prearchive/projects/P/*/S*')
            == xnat.select('/prearchive/projects/P/*/S*')
            != xnat.select('/prearchive/projects/P')
        )
        file = xnat.select(
            '/prearchive/projects/P/20240131_120000123/S01_MR/scans/1/resources/DICOM/files/a/b '
            'c.dcm'
        )
        assert (
            file._uri.endswith('/scans/1/resources/DICOM/files/a/b%20c.dcm')
            and file.id() == 'a/b c.dcm'
        )
        scans = xnat.select('/prearchive/projects/P/*/S01_MR/scans')
        assert (
            repr(scans.resources('D*'))
            == '<PrearchiveCollection /prearchive/projects/P/*/S01_MR/scans/*/resources/D*>'
        )
        twin = pickle.loads(pickle.dumps(scans))
        assert twin == scans
    assert [record.uri for record in trace if 'prearchive' in record.uri] == []


@pytest.mark.parametrize(
    ('path', 'says'),
    [
        ('/prearchive/subjects', 'only projects are allowed'),
        ('/prearchive/projects/P/T/S/assessors', "'assessors' is no level"),
    ],
)
def test_an_invalid_path_is_an_error_that_names_the_part(
    xnat: pyxnat.Interface, path: str, says: str
) -> None:
    with pytest.raises(pyxnat.errors.ProgrammingError, match=says):
        xnat.select(path)
    with pytest.raises(pyxnat.errors.ProgrammingError, match='has no scans'):
        list(xnat.select('/prearchive/projects/P/T/S/scans/1/scans'))


def test_sessions_are_listed_in_one_request(
    xnat: pyxnat.Interface, waiting: PrearchiveSession
) -> None:
    project, timestamp, name = waiting.triple
    for path in (
        '',
        f'/projects/{project}',
        f'/projects/{project}/{timestamp}',
        f'/projects/*/*/{name}',
        f'/projects/{project[:-1]}?/*/S1*',
    ):
        with xnat.trace() as trace:
            assert waiting in xnat.select(f'/prearchive{path}')
        assert len(trace) == 1
    assert xnat.select(f'/prearchive/projects/{project}/*/nobody*').get() == []
    sessions = xnat.select(f'/prearchive/projects/{project}')
    assert (sessions.get(), sessions.get('label'), len(sessions), sessions['S1_MR']) == (
        ['S1_MR'],
        ['S1_MR'],
        1,
        waiting,
    )


def test_a_session_has_its_attributes(xnat: pyxnat.Interface, waiting: PrearchiveSession) -> None:
    assert waiting.exists() and waiting.status() == 'READY'
    with xnat.trace() as trace:
        assert (waiting.subject(), waiting.name(), waiting.label(), waiting.id()) == (
            'S1',
            'S1_MR',
            'S1_MR',
            'S1_MR',
        )
    assert len(trace) == 0
    assert waiting.attributes()['tag'] and b'<xnat:MRSession' in waiting.get() and waiting.log()
    assert not xnat.select(
        f'/prearchive/projects/{waiting.project()}/20240131_120000123/NOBODY'
    ).exists()


def test_scans_resources_files(xnat: pyxnat.Interface, waiting: PrearchiveSession) -> None:
    assert waiting.scans().get() == ['3'] and waiting.scans('4').get() == []
    scan = waiting.scan('3')
    assert scan.exists() and not waiting.scan('4').exists() and waiting.scans().first() == scan
    assert waiting.scans().first().datatype() == 'xnat:mrScanData'
    assert waiting.resources().first() == scan.resource('DICOM') == scan.resources()['DICOM']
    assert (
        scan.resource('DICOM').exists() and scan.resource('DICOM').attributes()['file_count'] == '2'
    )
    names = ['a.dcm', 'b.dcm']
    assert (
        sorted(waiting.files().get())
        == sorted(scan.files().get())
        == sorted(scan.resource('DICOM').files().get())
        == names
    )
    assert xnat.select(f'{waiting.path}//files/a*').get() == ['a.dcm']
    assert (
        xnat.select(f'{waiting.path}/scans/*/resources/*/files').get()
        == waiting.scans().resources().files().get()
    )


def test_files_are_downloaded_as_from_the_archive(
    waiting: PrearchiveSession, images: Path, tmp_path: Path
) -> None:
    image = (images / 'series 3' / 'a.dcm').read_bytes()
    file = waiting.scan('3').resource('DICOM').file('a.dcm')
    assert file.exists() and file.size() == str(len(image)) and file.attributes()['Name'] == 'a.dcm'
    assert (
        Path(file.get()).read_bytes() == Path(file.get(tmp_path / 'mine.dcm')).read_bytes() == image
    )
    missing = waiting.scan('3').resource('DICOM').file('nothing.dcm')
    assert not missing.exists()
    with pytest.raises(pyxnat.errors.NotFoundError):
        missing.get()


def test_a_session_is_downloaded_completely(waiting: PrearchiveSession, tmp_path: Path) -> None:
    assert waiting.download(tmp_path / 'zip') == str(tmp_path / 'zip' / 'S1_MR.zip')
    paths = waiting.download(tmp_path / 'files', extract=True)
    assert sorted(Path(path).name for path in paths) == ['a.dcm', 'b.dcm'] and all(
        Path(path).is_file() for path in paths
    )


# -- the prearchive: actions -----------------------------------------------------------------------


def test_a_session_is_archived(
    xnat: pyxnat.Interface, project: Any, waiting: PrearchiveSession
) -> None:
    with xnat.trace() as trace:
        session = waiting.archive()
    assert len(trace) == 1
    assert (
        session == project.subject('S1').experiment('S1_MR')
        and session.exists()
        and not waiting.exists()
    )
    with pytest.raises(pyxnat.errors.NotFoundError):
        waiting.status()
    assert waiting.wait() == ''


def test_a_session_can_be_archived_under_other_names(
    xnat: pyxnat.Interface, project: Any, waiting: PrearchiveSession
) -> None:
    other = xnat.select.project(f'{project.id()}_OTHER').create()
    assert waiting.archive(other.id(), 'S9', 'S9_MR') == other.subject('S9').experiment('S9_MR')
    assert other.subject('S9').experiment('S9_MR').exists() and project.experiments().get() == []


def test_a_session_of_the_archive_is_not_overwritten_by_default(
    project: Any, images: Path, waiting: PrearchiveSession
) -> None:
    waiting.archive()
    [again] = project.import_dicom(images, 'S1', 'S1_MR', dest='prearchive')
    with pytest.raises(pyxnat.errors.DuplicateError, match="overwrite='append'"):
        again.element.archive()
    assert again.element.status() == 'CONFLICT' and again.element.exists()
    assert again.element.archive(overwrite='delete').scans().get() == ['3']


@pytest.mark.parametrize('through', ['session', 'manage'])
def test_a_session_of_the_archive_is_replaced_with_everything_below(
    through: str, xnat: pyxnat.Interface, project: Any, images: Path, waiting: PrearchiveSession
) -> None:
    xnat.cache.expiration = 0
    first = waiting.archive()
    first.scan('77').create()
    first.resource('NOTES').file('old.txt').put(b'old')
    for overwrite, scans in (('delete', ['3', '77']), ('replace', ['3'])):
        [again] = project.import_dicom(images, 'S1', 'S1_MR', dest='prearchive')
        if through == 'session':
            again.element.archive(overwrite=overwrite)
        else:
            xnat.manage.prearchive.archive(again.element, overwrite=overwrite)
        session = project.subject('S1').experiment('S1_MR')
        assert sorted(session.scans().get()) == scans
        assert session.resources().get('label') == (['NOTES'] if overwrite == 'delete' else [])
    assert len(session.scans().resources().files().get()) == 2


def test_a_session_is_archived_with_replace_if_there_is_none(waiting: PrearchiveSession) -> None:
    assert waiting.archive(overwrite='replace').exists()


@pytest.mark.parametrize('status', [400, 403, 409, 500])
def test_the_existing_session_stays_if_the_new_one_cannot_be_archived(
    status: int, server: Any, project: Any, images: Path, tmp_path: Path
) -> None:
    with (
        FaultProxy(server.url) as proxy,
        pyxnat.Interface(proxy.url, server.user, server.password, tmp_path / 'other') as xnat,
    ):
        project = xnat.select.project(project.id())
        [first] = project.import_dicom(images, 'S1', 'S1_MR', dest='archive')
        accession_id = first.element.id()
        [again] = project.import_dicom(images, 'S1', 'S1_MR', dest='prearchive')
        xnat.cache.expiration = 0
        proxy.applies = lambda method, uri: 'services/archive' in uri
        proxy.faults = [says(status)] * 9
        with pytest.raises(pyxnat.errors.DatabaseError):
            again.element.archive(overwrite='replace')
        sessions = project.experiments()
        assert sessions.get() == [accession_id] and sessions.get('label') == ['S1_MR']
        assert len(sessions.scans().resources().files().get()) == 2 and again.element.exists()
        proxy.faults = []
        assert again.element.archive(overwrite='replace').id() != accession_id
        assert project.experiments().get('label') == ['S1_MR']


@pytest.mark.parametrize('owner', ['subject', 'project'])
def test_a_session_of_another_owner_is_not_replaced(
    owner: str, xnat: pyxnat.Interface, project: Any, waiting: PrearchiveSession
) -> None:
    xnat.cache.expiration = 0
    home = project if owner == 'subject' else xnat.select.project(f'{project.id()}_O').create()
    kept = home.subject('KEPT').experiment('S1_MR' if owner == 'subject' else 'OTHER').create()
    if owner == 'project':
        home.subject('KEPT').share(project.id(), 'S1')
        kept.share(project.id(), 'S1_MR')
    with (
        xnat.trace() as trace,
        pytest.raises(pyxnat.errors.IntegrityError, match=f'belongs to {owner}'),
    ):
        waiting.archive(overwrite='replace')
    assert {record.method for record in trace} == {'GET'}
    assert kept.exists() and waiting.exists()


def test_an_import_tells_how_to_replace_a_session(
    xnat: pyxnat.Interface, project: Any, images: Path
) -> None:
    with (
        xnat.trace() as trace,
        pytest.raises(pyxnat.errors.ProgrammingError, match='prearchive.*archive'),
    ):
        project.import_dicom(images, 'S1', 'S1_MR', dest='archive', overwrite='replace')
    assert trace.requests == 0


def test_overwrite_has_four_values(waiting: PrearchiveSession) -> None:
    with pytest.raises(pyxnat.errors.ProgrammingError, match='append'):
        waiting.archive(overwrite='yes')


def test_a_session_without_a_project_needs_one(
    xnat: pyxnat.Interface, project: Any, images: Path
) -> None:
    [imported] = xnat.manage.import_dicom(images, dest='prearchive')
    session = imported.element
    assert session.project() == 'Unassigned'
    with xnat.trace() as trace, pytest.raises(pyxnat.errors.ProgrammingError, match='move'):
        session.archive()
    assert len(trace) == 0
    assert session.move(project.id()).archive().exists()


def test_a_session_is_moved(
    xnat: pyxnat.Interface, project: Any, waiting: PrearchiveSession
) -> None:
    other = xnat.select.project(f'{project.id()}_OTHER').create()
    moved = waiting.move(other.id())
    assert (
        moved.triple == (other.id(), *waiting.triple[1:])
        and moved.status() == 'READY'
        and not waiting.exists()
    )
    with pytest.raises(pyxnat.errors.NotFoundError):
        moved.move('NOBODYS')


def test_a_session_is_rebuilt_reset_and_deleted(
    xnat: pyxnat.Interface, waiting: PrearchiveSession
) -> None:
    assert waiting.rebuild() == 'READY'
    waiting.reset()
    assert waiting.wait() == 'READY'
    waiting.delete()
    assert not waiting.exists()
    for gone in (waiting.delete, waiting.rebuild):
        with pytest.raises(pyxnat.errors.NotFoundError):
            gone()


def test_waiting_has_a_limit(xnat: pyxnat.Interface, project: Any, images: Path) -> None:
    [name] = list(images.rglob('a.dcm'))
    uri = f'/data/services/import?import-handler=gradual-DICOM&inbody=true&project={project.id()}'
    xnat.post(uri, data=name.read_bytes()).raise_for_status()
    session = xnat.select(f'/prearchive/projects/{project.id()}').first()
    assert session.status() == 'RECEIVING'
    with pytest.raises(pyxnat.errors.NetworkTimeout, match='still RECEIVING after 0.1 s'):
        session.wait(0.1)


# -- methods of 1.6 --------------------------------------------------------------------------------


def test_the_methods_of_the_manager(
    xnat: pyxnat.Interface, project: Any, waiting: PrearchiveSession
) -> None:
    prearchive = xnat.manage.prearchive
    triple = list(waiting.triple)
    assert triple in prearchive.get() and prearchive.status(triple) == 'READY'
    assert prearchive.get_uri(triple) == waiting._uri
    assert prearchive.get_scans(triple) == ['3'] and prearchive.get_resources(triple, '3') == [
        'DICOM'
    ]
    assert sorted(prearchive.get_files(triple, '3', 'DICOM')) == ['a.dcm', 'b.dcm']
    assert prearchive.table(project.id()).get('folderName') == 'S1_MR'
    assert prearchive.rebuild(triple) == prearchive.rebuild([triple]) == ['READY']
    prearchive.reset(triple)
    other = xnat.select.project(f'{project.id()}_OTHER').create()
    [moved] = prearchive.move([prearchive.get_uri(triple)], other.id())
    assert moved.project() == other.id()
    [back] = prearchive.move(moved, project.id())
    assert back == waiting
    [session] = prearchive.archive(waiting)
    assert session.exists()


@pytest.mark.parametrize('wrong', ['S1_MR', ['P', 'S1_MR'], 'a/b'])
def test_an_invalid_triple_is_an_error(xnat: pyxnat.Interface, wrong: Any) -> None:
    with pytest.raises(pyxnat.errors.ProgrammingError, match='project, timestamp, folder'):
        xnat.manage.prearchive.status(wrong)


def test_a_session_is_deleted_by_its_uri(
    xnat: pyxnat.Interface, waiting: PrearchiveSession
) -> None:
    xnat.manage.prearchive.delete(f'/prearchive/projects/{"/".join(waiting.triple)}')
    assert not waiting.exists()


def test_a_whole_study_of_pydicom_is_imported(project: Any, tmp_path: Path) -> None:
    folder = written(tmp_path / 'study', members())
    imported = project.import_dicom(folder, dest='archive')
    assert all(one.status == ARCHIVED for one in imported)
    listed = [name for one in imported for name in one.element.scans().resources().files().get()]
    assert len(listed) == len(members())
