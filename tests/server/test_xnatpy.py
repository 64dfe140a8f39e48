"""Tests with xnatpy, an independent client, unmodified, over a real socket.

They show that the archive answers like XNAT, independently of this project's own client.
"""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import Server, serve
from tests.support.dicoms import OTHER_STUDY, STUDY, STUDY_UID, members, zipped

xnat = pytest.importorskip('xnat', reason='xnatpy is in the extra "test"')

NUMBERS = itertools.count(1)
FILES = {'a.txt': b'hello', 'x/1.bin': bytes(100), 'héllo (1).txt': b'bonjour'}


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(
        tmp_path_factory.mktemp('archive'), password='secret', users={'joe': 'j'}
    ) as running:
        yield running


@pytest.fixture(scope='module')
def session(server: Server) -> Iterator[Any]:
    """Return one connection for the module: it reads all schemas and makes classes of them."""
    with xnat.connect(
        server.url, user='admin', password='secret', loglevel='ERROR', default_timeout=20
    ) as connection:
        yield connection


@pytest.fixture
def filled(session: Any) -> Any:
    """Create a project with xnatpy: subject S, session E, scans 1 and 2, files in a resource."""
    classes, identity = session.classes, f'P{next(NUMBERS)}'
    project = classes.ProjectData(parent=session, id_=identity, name=f'Title of {identity}')
    subject = classes.SubjectData(parent=project, label='S')
    experiment = classes.MrSessionData(parent=subject, label='E')
    scan = classes.MrScanData(parent=experiment, id='1', type='T1')
    classes.MrScanData(parent=experiment, id='2', type='T2')
    resource = scan.create_resource('NIFTI')
    for name, content in FILES.items():
        resource.upload_data(content, name, verbose=False)
    session.clearcache()
    return session.projects[identity]


@pytest.fixture
def experiment(filled: Any) -> Any:
    return filled.subjects['S'].experiments['E']


@pytest.fixture
def resource(experiment: Any) -> Any:
    return experiment.scans['1'].resources['NIFTI']


def below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


# -- connecting


def test_it_connects_without_a_refusal(server: Server, session: Any) -> None:
    # requests that it sends to every server: the front page (a redirect to the login), and the
    # version as in XNAT 1.6
    expected = {('/', 302), ('/data/version', 404), ('/data/uptime', 404), ('/data/buildInfo', 404)}
    before = len(server.requests)
    with xnat.connect(server.url, user='admin', password='secret', loglevel='ERROR'):
        pass
    new = list(server.requests)[before:]
    assert {(path, status) for _, path, status in new if status >= 300} <= expected
    assert session.xnat_version == session.xnat_build_info['version']
    assert session.session_expiration_time[1] == 900.0
    assert float(session.xnat_uptime['seconds']) > 0


def test_a_wrong_password_is_refused(server: Server) -> None:
    with pytest.raises(xnat.exceptions.XNATLoginFailedError):
        xnat.connect(server.url, user='admin', password='wrong', loglevel='CRITICAL')


def test_a_token_logs_in(server: Server, session: Any) -> None:
    issued = session.services.issue_token()
    with xnat.connect(
        server.url, user=issued.alias, password=issued.secret, loglevel='ERROR', no_parse_model=True
    ) as other:
        assert other.get('/xapi/users/username').text == 'admin'


def test_classes_come_from_the_schemas(session: Any) -> None:
    classes = session.classes
    assert issubclass(classes.MrSessionData, classes.ImageSessionData) and issubclass(
        classes.SubjectData, classes.XNATObject
    )
    assert {'xnat:mrSessionData', 'xnat:subjectData'} <= set(session.inspect.datatypes())
    assert 'xnat:mrSessionData/SESSION_ID' in session.inspect.datafields('xnat:mrSessionData')


# -- listings


def test_projects_lead_to_files(session: Any, filled: Any) -> None:
    assert session.projects[f'Title of {filled.id}'].id == filled.id
    walked = [
        (subject.label, experiment.label, scan.id, resource.label, file.path)
        for subject in filled.subjects.values()
        for experiment in subject.experiments.values()
        for scan in experiment.scans.values()
        for resource in scan.resources.values()
        for file in resource.files.values()
    ]
    assert sorted(walked) == sorted(('S', 'E', '1', 'NIFTI', name) for name in FILES), (
        'XNAT lists paths as they are'
    )
    assert [one.label for one in session.subjects.values() if one.project == filled.id] == ['S']
    identity = filled.experiments['E'].id
    assert session.experiments.filter(project=filled.id, label='E').data == {
        identity: session.experiments[identity]
    }
    assert [row.label for row in filled.experiments.tabulate(('label', 'project'))] == ['E']


def test_attributes_of_every_level(filled: Any, experiment: Any, resource: Any) -> None:
    assert (experiment.project, experiment.subject.label) == (filled.id, 'S')
    assert experiment.id.startswith('XNAT_E') and experiment.subject_id.startswith('XNAT_S')
    scan = experiment.scans['1']
    assert (scan.id, scan.type, scan.quality, experiment.scans['T2'].id) == ('1', 'T1', None, '2')
    assert (resource.label, resource.file_count, resource.file_size) == (
        'NIFTI',
        3,
        sum(map(len, FILES.values())),
    )
    file = resource.files['a.txt']
    assert (file.path, int(file.size), file.digest) == (
        'a.txt',
        5,
        '5d41402abc4b2a76b9719d911017c592',
    )


def test_setting_fields(session: Any, filled: Any, experiment: Any) -> None:
    subject, scan = filled.subjects['S'], experiment.scans['1']
    filled.description, experiment.date, experiment.time = (
        'about "it" & <more>',
        date(2020, 1, 2),
        time(10, 11, 12),
    )
    subject.demographics.gender = 'female'
    subject.demographics.age = 81
    subject.fields['score'] = 'ünï'
    scan.quality, scan.parameters.tr = 'usable', 2.5
    filled.mset({'PI/firstname': 'Marie', 'PI/lastname': 'Curie'})
    session.clearcache()
    project = session.projects[filled.id]
    subject, experiment = project.subjects['S'], project.experiments['E']
    assert project.description == 'about &quot;it&quot; &amp; &lt;more&gt;', (
        'XNAT escapes what a query tells'
    )
    assert (experiment.date, experiment.time) == (date(2020, 1, 2), time(10, 11, 12))
    assert (subject.demographics.gender, subject.demographics.age, subject.fields['score']) == (
        'female',
        81,
        'ünï',
    )
    assert (experiment.scans['1'].quality, experiment.scans['1'].parameters.tr) == ('usable', 2.5)
    assert project.pi.lastname == 'Curie'
    session.clearcache()


def test_lists_of_the_site(session: Any, filled: Any) -> None:
    assert 'T1' in [row['type'] for row in session.scan_types] and session.scanners == []
    assert {'admin', 'joe'} <= {user.login for user in session.users.values()}


# -- files


def test_reading_files(resource: Any, tmp_path: Path) -> None:
    for name, content in FILES.items():
        with resource.files[name].open() as stream:
            assert stream.read() == content
    resource.files['a.txt'].download(str(tmp_path / 'a'), verbose=False)
    assert (tmp_path / 'a').read_bytes() == b'hello'


@pytest.mark.parametrize('method', ['per_file', 'tar_file', 'tgz_file', 'tar_memory', 'tgz_memory'])
def test_uploading_a_folder(experiment: Any, tmp_path: Path, method: str) -> None:
    source = tmp_path / 'source'
    for name in FILES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(FILES[name])
    resource = experiment.scans['2'].create_resource(method, data_dir=str(source), method=method)
    assert {file.path: int(file.size) for file in resource.files.values()} == {
        name: len(content) for name, content in FILES.items()
    }
    resource.delete()
    assert method not in experiment.scans['2'].resources


def test_an_existing_file_is_kept_without_overwrite(experiment: Any) -> None:
    resource = experiment.create_resource('KEPT')
    resource.upload_data(b'one', 'f')
    resource.upload_data(b'two', 'f')
    assert resource.files['f'].open().read() == b'one'
    resource.upload_data(b'three', 'f', overwrite=True)
    resource.clearcache()
    assert resource.files['f'].open().read() == b'three'
    resource.files['f'].delete()
    resource.clearcache()
    assert len(resource.files) == 0


def test_files_added_on_the_disk_are_listed_after_a_refresh(
    session: Any, server: Server, experiment: Any
) -> None:
    resource = experiment.create_resource('BY_HAND')
    resource.upload_data(b'one', 'sent')
    (sent,) = server.archive.files.root.rglob('BY_HAND/sent')
    sent.with_name('put').write_bytes(b'by hand')
    session.services.refresh_catalog(resource, append=True)
    resource.clearcache()
    assert {file.path: int(file.size) for file in resource.files.values()} == {'sent': 3, 'put': 7}
    sent.unlink()
    session.services.refresh_catalog(resource, delete=True)
    resource.clearcache()
    assert [file.path for file in resource.files.values()] == ['put']
    session.delete(resource.uri)


def test_downloading_a_session(experiment: Any, tmp_path: Path) -> None:
    expected = {
        f'E/scans/1-T1/resources/NIFTI/files/{name}': content for name, content in FILES.items()
    }
    experiment.download(str(tmp_path / 'e.zip'), verbose=False)
    with zipfile.ZipFile(tmp_path / 'e.zip') as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == expected
    for level, above in ((experiment.scans['1'], ''), (experiment, ''), (experiment.subject, 'S/')):
        folder = tmp_path / f'down{len(above)}{type(level).__name__}'
        folder.mkdir()
        level.download_dir(str(folder), verbose=False)
        assert below(folder) == {above + name: content for name, content in expected.items()}


# -- searching


def test_searching(session: Any, filled: Any) -> None:
    sessions = session.classes.MrSessionData
    query = (
        sessions.query()
        .view(sessions.label, sessions.PROJECT)
        .filter((sessions.project == filled.id) & sessions.label.like('E%'))
    )
    (row,) = query.tabulate_dict()
    assert (row['xnat_col_mrsessiondatalabel'], row['project'], row['quarantine_status']) == (
        'E',
        filled.id,
        'active',
    )
    (row,) = json.loads(query.tabulate_json())['ResultSet']['Result']
    assert row['xnat_col_mrsessiondatalabel'] == 'E'
    nothing = sessions.query().view(sessions.label).filter(sessions.label == 'no such label')
    assert nothing.tabulate_csv().splitlines()[1:] == []
    assert filled.id in [project.id for project in session.classes.ProjectData.query().all()]


# -- sharing, rights, deleting


def test_sharing(session: Any, experiment: Any) -> None:
    name = f'P{next(NUMBERS)}'
    other = session.classes.ProjectData(parent=session, id_=name, name=f'Title of {name}')
    experiment.subject.share(name)
    experiment.share(name)
    assert [one.label for one in other.subjects.values()] == ['S']
    assert [one.label for one in other.experiments.values()] == ['E']
    experiment.clearcache()
    assert [one.project for one in experiment.sharing] == [name]


def test_rights_in_a_project(session: Any, filled: Any) -> None:
    filled.set_access('joe', 'member')
    session.clearcache()
    project = session.projects[filled.id]
    assert {user.login: user.access_level for user in project.users.values()} == {
        'admin': 'Owners',
        'joe': 'Members',
    }
    assert project.access_level == 'Owners'


def test_renaming_and_deleting(session: Any) -> None:
    classes = session.classes
    project = classes.ProjectData(parent=session, id_='GOING', name='Going')
    subject = classes.SubjectData(parent=project, label='OLD')
    experiment = classes.PetSessionData(parent=subject, label='OLD_PET')
    experiment.label = 'NEW_PET'
    session.clearcache()
    experiment = session.projects['GOING'].experiments['NEW_PET']
    assert experiment.id.startswith('XNAT_E')
    assessor = classes.QcAssessmentData(parent=experiment, label='QC')
    assert [one.label for one in experiment.assessors.values()] == ['QC']
    for one in (
        assessor,
        experiment,
        session.projects['GOING'].subjects['OLD'],
        session.projects['GOING'],
    ):
        one.delete()
    assert 'GOING' not in session.projects


# -- DICOM


@pytest.fixture
def waiting(session: Any, filled: Any) -> Any:
    """Create a session in the prearchive."""
    return session.services.import_(
        data=io.BytesIO(zipped(members(STUDY))),
        project=filled.id,
        destination='/prearchive',
        content_type='application/zip',
    )


def test_the_prearchive(session: Any, filled: Any, waiting: Any, tmp_path: Path) -> None:
    (found,) = session.prearchive.find(project=filled.id)
    assert (
        found.uri == waiting.uri
        and found.status == 'READY'
        and found.subject == 'Doe_Peter'
        and found.tag == STUDY_UID
    )
    assert found.scan_date == date(2003, 5, 5) and isinstance(found.uploaded.year, int)
    assert [scan.id for scan in found.scans] == ['1', '2', '700']
    (header,) = [
        row
        for row in found.scans['1'].dicom_dump(fields=['00081030', 'Modality'])
        if row['desc'] == 'Modality'
    ]
    assert header['value'] == found.scans['1'].read_dicom().Modality == 'MR'
    found.rebuild()
    found.download(str(tmp_path / 'w.zip'))
    with zipfile.ZipFile(tmp_path / 'w.zip') as archive:
        assert sum(name.endswith('.dcm') or 'DICOM' in name for name in archive.namelist()) >= len(
            STUDY
        )
    found.delete()
    assert session.prearchive.sessions(project=filled.id) == []


def test_archiving_from_the_prearchive(session: Any, filled: Any, waiting: Any) -> None:
    archived = waiting.archive(project=filled.id, subject='DICOM_S', experiment='DICOM_E')
    assert (archived.label, archived.subject.label, archived.modality, archived.date) == (
        'DICOM_E',
        'DICOM_S',
        'MR',
        date(2003, 5, 5),
    )
    assert {scan.id: scan.series_description for scan in archived.scans.values()}[
        '1'
    ] == 'FAST LOCALIZER'
    assert archived.scans['1'].read_dicom().PatientID == '98890234'
    assert {row['value'] for row in archived.scans['1'].dicom_dump(fields=['PatientID'])} == {
        '98890234'
    }
    assert session.prearchive.sessions(project=filled.id) == []


def test_moving_in_the_prearchive(session: Any, filled: Any, waiting: Any) -> None:
    name = f'P{next(NUMBERS)}'
    session.classes.ProjectData(parent=session, id_=name, name=f'Title of {name}')
    label = waiting.label
    waiting.move(name)
    (moved,) = session.prearchive.sessions(project=name)
    assert moved.label == label and session.prearchive.sessions(project=filled.id) == []
    moved.delete()


def test_importing_into_the_archive(session: Any, filled: Any) -> None:
    body = zipped(members(OTHER_STUDY))

    def send(**more: Any) -> Any:
        return session.services.import_(
            data=body,
            project=filled.id,
            subject='DIRECT',
            experiment='DIRECT_E',
            content_type='application/zip',
            **more,
        )

    imported = send()
    assert imported.label == 'DIRECT_E' and {scan.id for scan in imported.scans.values()} == {
        '1',
        '2',
    }
    with pytest.raises(xnat.exceptions.XNATUploadError, match='409'):
        send(overwrite='none')
    assert send(overwrite='delete').label == 'DIRECT_E'
