"""The calls of real packages and scripts, unmodified (shared/spec/consumers.md), on the embedded
archive."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyxnat.core.errors import DatabaseError, DataError
from pyxnat.core.resources import File, Project, Scan

from pyxnat import Interface

T1 = b'\0' * 2000


# -- dax -------------------------------------------------------------------------------------------

SUBJECTS = (
    '/REST/projects/%s/subjects?columns=ID,project,label,URI,last_modified,src,handedness,gender,'
    'yob,dob'
)
SESSIONS = (
    '/REST/projects/%s/subjects/%s/experiments?columns=ID,URI,label,subject_label,project,xsiType,'
    'date,last_modified,'
    'xnat:imagesessiondata/scans/scan/id,xnat:imagesessiondata/scans/scan/type'
)


def test_dax_lists_by_get_json(xnat: Interface, P: str) -> None:
    (subject,) = xnat._get_json(SUBJECTS % P)
    assert (subject['label'], subject['handedness'], subject['gender'], subject['project']) == (
        'S',
        'right',
        'female',
        P,
    )
    assert {
        row['xsiType'] for row in xnat._get_json(f'/REST/projects/{P}/experiments?columns=xsiType')
    } == {'xnat:mrSessionData'}
    (scan,) = xnat._get_json(SESSIONS % (P, 'S'))
    assert (scan['label'], scan['subject_label'], scan['xnat:imagesessiondata/scans/scan/id']) == (
        'E',
        'S',
        '1',
    )
    uri = (
        f'/REST/archive/experiments?project={P}&xsiType=xnat:imageSessionData&columns=ID,label,'
        'subject_label'
    )
    assert [row['label'] for row in xnat._get_json(uri)] == ['E']
    assert (
        json.loads(xnat._exec(f'/data/projects/{P}/subjects', 'GET'))['ResultSet']['Result'][0][
            'label'
        ]
        == 'S'
    )


@pytest.mark.parametrize(
    ('path', 'name', 'exists'),
    [
        ('/projects/%s', 'Project', True),
        ('/projects/%s/subjects/S', 'Subject', True),
        ('/projects/%s/subjects/S/experiments/E', 'Experiment', True),
        ('/projects/%s/subjects/S/experiments/E/scans/1', 'Scan', True),
        ('/projects/%s/subjects/S/experiments/E/scans/1/resources/NIFTI', 'Resource', True),
        ('/projects/%s/subjects/S/experiments/E/assessors/A', 'Assessor', True),
        (
            '/projects/%s/subjects/S/experiments/E/assessors/A/out/resources/DATA',
            'Out_Resource',
            True,
        ),
        ('/projects/%s/subjects/S/experiment/E', 'Experiment', True),
        ('/data/projects/%s/resources/R/files/F', 'File', False),
        (
            '/projects/%s/subjects/S/experiments/E/scans/1/resources/NIFTI/files/sub/dir/x.json',
            'File',
            True,
        ),
    ],
)
def test_dax_selects_one_item_by_plural_names(
    xnat: Interface, P: str, path: str, name: str, exists: bool
) -> None:
    found = xnat.select(path % P)
    assert (type(found).__name__, found.exists()) == (name, exists)


def test_dax_selects_collections(xnat: Interface, P: str) -> None:
    assert P in xnat.select('/project/').get()
    resources = xnat.select(f'/projects/{P}/subjects/S/experiments/E/assessor/A/resources')
    assert resources.get('label') == ['DATA']  # a resource without a side is below out
    assert [
        one.label()
        for one in xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1/resources').get(
            'obj'
        )
    ] == ['NIFTI']


def test_dax_uploads_session_and_scan_in_one_call(xnat: Interface, P: str) -> None:
    scan = xnat.select(f'/project/{P}/subject/S2/experiment/E2/scan/7')
    scan.insert(
        scans='xnat:mrScanData',
        type='T2',
        series_description='T2w',
        quality='questionable',
        note='n',
        experiments='xnat:petSessionData',
        **{'xnat:experimentData/date': '2021-03-04'},
    )
    assert scan.attrs.mget(['type', 'series_description', 'quality', 'note']) == [
        'T2',
        'T2w',
        'questionable',
        'n',
    ]
    assert (
        scan.parent().datatype() == 'xnat:petSessionData'
        and scan.parent().attrs.get('date') == '2021-03-04'
    )


def test_dax_reads_and_writes_attributes(xnat: Interface, P: str) -> None:
    subject = xnat.select(f'/projects/{P}/subjects/S')
    age = 'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/age'
    subject.attrs.set(age, '42')
    assert subject.attrs.get(age).startswith('42')
    subject.attrs.mset({'xnat:subjectData/group': 'g1', 'xnat:subjectData/src': 'x & y'})
    assert subject.attrs.mget(['xnat:subjectData/group', 'xnat:subjectData/src']) == ['g1', 'x & y']
    scan = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
    scan.attrs.set('quality', 'unusable')
    assert scan.attrs.get('quality') == 'unusable' and scan.attrs.mget({'type'}) == ['T1']


def test_dax_walks_an_assessor(xnat: Interface, P: str) -> None:
    assessor = xnat.select(f'/projects/{P}/subjects/S/experiments/E/assessors/A')
    assert (assessor.label(), assessor.parent().label(), assessor.parent().parent().label()) == (
        'A',
        'E',
        'S',
    )
    assert assessor._intf is xnat and assessor._intf.select(f'/projects/{P}').exists()
    assert [resource.label() for resource in assessor.out_resources().fetchall('obj')] == ['DATA']
    assert (
        assessor.create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        ).datatype()
        == 'xnat:qcManualAssessorData'
    )


def test_dax_handles_files(
    xnat: Interface, P: str, local: Callable[..., str], tmp_path: Path
) -> None:
    resource = xnat.select(f'/projects/{P}/subjects/S/experiments/E/assessors/A/out/resources/NEW')
    resource.file('a.txt').put(
        local(), 'TXT', 'CONTENT', overwrite=True, params={'event_reason': 'because'}
    )
    (file,) = resource.files().get('path')
    assert file._urn == file.label() == 'a.txt' == resource.files()[
        0
    ].label() and resource.files().get() == ['a.txt']
    about = file.attributes()
    assert (about['file_format'], about['file_content'], about['file_tags'], about['Size']) == (
        'TXT',
        'CONTENT',
        '',
        '5',
    ) and file.size() == '5'
    assert (
        file.get(str(tmp_path / 'got.txt')) == str(tmp_path / 'got.txt')
        and (tmp_path / 'got.txt').read_bytes() == b'local'
    )
    assert [one._urn for one in resource.files().fetchall('obj')] == ['a.txt']
    file.delete()
    assert not file.exists() and resource.files().get() == []


def test_dax_uploads_json_text_as_content(xnat: Interface, P: str) -> None:
    file = xnat.select(f'/projects/{P}/resources/R/files/F.json')
    file.put(src='{"a": [1, 2]}')
    assert json.loads(Path(file.get()).read_text()) == {'a': [1, 2]}


def test_dax_downloads_a_resource_as_a_zip_with_its_label(
    xnat: Interface, P: str, tmp_path: Path
) -> None:
    resource = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1/resources/NIFTI')
    path = resource.get(str(tmp_path), extract=False)
    assert path == str(tmp_path / 'NIFTI.zip')
    with zipfile.ZipFile(path) as archive:
        assert {name.rpartition('/')[2] for name in archive.namelist()} >= {'T1.nii.gz', 'x.json'}
    copy = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1/resources/COPY')
    copy.put_zip(path, overwrite=True, extract=True)
    assert sorted(os.path.basename(name) for name in copy.files().get()) == ['T1.nii.gz', 'x.json']


def test_dax_mirrors_a_resource_by_its_zip(xnat: Interface, P: str, tmp_path: Path) -> None:
    scan = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
    scan.resource('COPY').put_zip(scan.resource('NIFTI').get(str(tmp_path)), extract=True)
    assert sorted(scan.resource('COPY').files().get()) == sorted(
        scan.resource('NIFTI').files().get()
    )


def test_dax_mirrors_with_documents(xnat: Interface, P: str, local: Callable[..., str]) -> None:
    original = xnat.select(f'/projects/{P}/subjects/S')
    root = ElementTree.fromstring(original.get())
    for name in ('ID', 'project', 'label'):
        root.attrib.pop(name, None)
    for child in list(root):
        if child.tag.endswith(('experiments', 'sharing', 'resources')):
            root.remove(child)
    copy = xnat.select(f'/projects/{P}/subjects/COPY')
    copy.create(xml=local('subject.xml', ElementTree.tostring(root)), allowDataDeletion=False)
    assert (
        copy.attrs.mget(['gender', 'handedness']) == ['female', 'right']
        and copy.id() != original.id()
    )


def test_dax_shares_by_attributes(xnat: Interface, P: str) -> None:
    other = xnat.select.project(f'{P}_X').create()
    subject = xnat.select(f'/projects/{P}/subjects/S')
    subject.insert(
        subjects='xnat:subjectData',
        **{
            'xnat:subjectData/sharing/share/project': other.id(),
            'xnat:subjectData/sharing/share/label': 'S_shared',
        },
    )
    assert [row['label'] for row in xnat._get_json(f'/data/projects/{other.id()}/subjects')] == [
        'S_shared'
    ]


def test_dax_uses_the_response_of_put(xnat: Interface, P: str) -> None:
    assert (
        xnat.put(f'/data/projects/{P}/subjects/BYPUT').ok
        and not xnat.put('/data/projects/NOPE/subjects/S/experiments/E').ok
    )
    assert xnat.select(f'/projects/{P}/subjects/BYPUT').exists()


# -- copyxnat --------------------------------------------------------------------------------------


def test_copyxnat_explores_the_archive(server: Any, P: str) -> None:
    interface = Interface(
        server=server.url, user=server.user, password=server.password, verify=not False
    )
    assert P in interface.inspect.project_values()
    assert 'xnat:subjectData' in interface.inspect.datatypes()
    assert [row['label'] for row in interface._get_json(f'/REST/projects/{P}/experiments')] == ['E']
    interface._exec(uri=f'/data/projects/{P}/subjects', method='GET')
    assert interface._exec('xapi/siteConfig/archivePath', 'GET').decode('utf-8')
    interface.close_jsession()


def test_copyxnat_reads_names_of_projects(xnat: Interface, P: str) -> None:
    columns = ['xnat:projectData/ID', 'xnat:projectData/name', 'xnat:projectData/secondary_ID']
    rows = {
        row['id']: (row['name_csv'], row['secondary_id'])
        for row in xnat.select('xnat:projectData', columns).all()
    }
    assert rows[P] == (P, P)


def test_copyxnat_copies_an_item(xnat: Interface, P: str, tmp_path: Path) -> None:
    scan = xnat.select(f'/project/{P}').subject('S').experiment('E').scan('1')
    assert (scan.datatype(), scan.label() or scan.id()) == ('xnat:mrScanData', '1')
    assert ElementTree.XML(scan.get()).tag == '{http://nrg.wustl.edu/xnat}MRScan'
    session = scan.parent()
    session.attrs.set('UID', '1.2.3')
    assert session.attrs.get('UID') == '1.2.3'
    (resource,) = scan.resources()
    about = resource.attributes()
    assert {'content', 'format', 'tags'} <= set(about)
    target = session.scan('1').resource('COPY')
    target.create(params={'content': 'c', 'format': 'f', 'tags': 't', 'event_reason': ''})
    assert [target.attributes()[name] for name in ('content', 'format', 'tags')] == ['c', 'f', 't']
    zipped = resource.get(str(tmp_path), extract=False)
    target.put_zip(zip_location=zipped, extract=True, overwrite=False)
    for file in resource.files().fetchall('obj'):
        about = file.attributes()
        assert {'file_content', 'file_format', 'file_tags', 'Size'} <= set(about)
        place = file.get(str(tmp_path / 'one'))
        target.file(f'again/{os.path.basename(file.label())}').put(
            place, content=None, format=None, tags=None, overwrite=True
        )
    assert len(target.files()) == 4
    for name in ('in_resources', 'out_resources'):
        assert isinstance([one.label() for one in getattr(session.assessor('A'), name)()], list)
    for name in ('scans', 'assessors', 'reconstructions', 'resources'):
        assert isinstance([one.label() or one.id() for one in getattr(session, name)()], list)


# -- xnat-dashboards -------------------------------------------------------------------------------


def test_dashboards_reads_projects_and_subjects(xnat: Interface, P: str) -> None:
    (row,) = [row for row in xnat.select('xnat:projectData').all().data if row['id'] == P]
    assert {
        'insert_date',
        'insert_user',
        'id',
        'name',
        'project_access',
        'project_owners',
        'proj_mr_count',
    } <= set(row)
    rows = xnat.get(
        '/data/subjects', params={'columns': 'ID,project,handedness,age,gender'}
    ).json()['ResultSet']['Result']
    (row,) = [row for row in rows if row['project'] == P]
    assert set(row) == {'gender', 'handedness', 'project', 'ID', 'URI', 'age'}


def test_dashboards_reads_experiments_and_scans(xnat: Interface, P: str) -> None:
    (row,) = [
        row
        for row in xnat.array.experiments(columns=['subject_ID', 'date']).data
        if row['project'] == P
    ]
    assert {'subject_ID', 'ID', 'project', 'date', 'xsiType', 'URI'} <= set(row)
    assert (row['date'], row['xsiType']) == ('2020-01-02', 'xnat:mrSessionData')
    (scan,) = [
        one
        for one in xnat.array.scans(
            columns=['xnat:imageScanData/quality', 'xnat:imageScanData/type']
        ).data
        if one['project'] == P
    ]
    wanted = {
        'xnat:imagesessiondata/subject_id',
        'ID',
        'project',
        'xsiType',
        'xnat:imagescandata/id',
        'URI',
    }
    assert wanted | {'xnat:imagescandata/quality', 'xnat:imagescandata/type'} <= set(scan)
    resources = xnat.get('{}/{}'.format(row['URI'], 'resources')).json()['ResultSet']['Result']
    assert [one['label'] for one in resources] == ['BBRC_VALIDATOR'] and resources[0][
        'xnat_abstractresource_id'
    ]


def test_dashboards_finds_exactly_the_keys_of_a_real_server(xnat: Interface, P: str) -> None:
    row = xnat.array.experiments(columns=['subject_ID', 'date']).data[0]
    assert set(row) == {
        'xnat:subjectassessordata/id',
        'subject_ID',
        'ID',
        'project',
        'date',
        'xsiType',
        'URI',
    }
    scan = xnat.array.scans(columns=['xnat:imageScanData/quality', 'xnat:imageScanData/type']).data[
        0
    ]
    known = {
        'session_ID',
        'xnat:imagesessiondata/subject_id',
        'ID',
        'project',
        'xsiType',
        'xnat:imagescandata/id',
        'URI',
    }
    assert set(scan) == known | {'xnat:imagescandata/quality', 'xnat:imagescandata/type'}


def test_dashboards_reads_validators_from_the_repr_of_files(xnat: Interface, P: str) -> None:
    experiment = xnat.select(f'/projects/{P}/subjects/S/experiments/E').id()
    resource = xnat.select.experiment(experiment).resource('BBRC_VALIDATOR')
    (file,) = list(resource.files('*.json'))
    assert str(file).split('>')[1].split('_')[0].strip(' ') == 'ArchivingValidator'
    assert json.loads(resource._intf.get(file._uri).text) == {'version': '1'}
    assert (xnat._server.startswith('http'), xnat._verify) == (True, True)


# -- bbrc-bx, bbrc-validator -----------------------------------------------------------------------


def test_bx_starts_from_an_accession_id(xnat: Interface, P: str, tmp_path: Path) -> None:
    columns = ['subject_label', 'label', 'project']
    table = xnat.array.experiments(
        project_id=P, experiment_type='xnat:mrSessionData', columns=columns
    )
    row = table.data[0]
    assert [one['label'] for one in table] == ['E']
    assert (
        xnat.array.experiments(experiment_id=row['ID'], columns=columns).data[0]['subject_label']
        == 'S'
    )
    (scan_row,) = xnat.array.scans(
        experiment_id=row['ID'], columns=['xnat:imageScanData/type']
    ).data
    assert scan_row['xnat:imagescandata/id'] == '1'
    experiment = xnat.select.experiment(row['ID'])
    assert (
        experiment.exists()
        and experiment.resource('BBRC_VALIDATOR').exists()
        and not experiment.resource('NOPE').exists()
    )
    for scan in experiment.scans():
        assert (scan.label(), scan.attrs.get('type'), scan.attrs.get('quality')) == (
            '1',
            'T1',
            'usable',
        )
        scan.resource('NIFTI').get(dest_dir=str(tmp_path), extract=True)
    assert (tmp_path / 'NIFTI' / 'T1.nii.gz').read_bytes() == T1
    assert (tmp_path / 'NIFTI' / 'sub' / 'dir' / 'x.json').exists()


def test_bx_finds_files_by_pattern(xnat: Interface, P: str, tmp_path: Path) -> None:
    scan = xnat.select.project(P).subject('S').experiment('E').scan('1')
    resource = scan.resource('NIFTI')
    file = resource.files('*x.json')[0]
    assert file.id() == 'sub/dir/x.json' and xnat.get(file._uri).content == b'{"a": 1}'
    assert (
        resource.files('*.nii.gz').get() == ['T1.nii.gz'] and list(resource.files('*nope*')) == []
    )
    assert (
        resource.file('sub/dir/x.json').get(dest=str(tmp_path / 'x.json'))
        and (tmp_path / 'x.json').read_bytes() == b'{"a": 1}'
    )
    assert resource.file('sub/dir/x.json').get(str(tmp_path / 'y.json'))
    with pytest.raises(DataError):
        resource.file('sub/dir/missing.json').get(str(tmp_path / 'z.json'))
    with pytest.raises((IndexError, StopIteration)):
        resource.files('*nope*')[0]


def test_lcmodel_expects_stop_iteration(xnat: Interface, P: str) -> None:
    with pytest.raises(StopIteration):
        xnat.select.project(P).subject('S').experiment('E').scan('1').resource('NIFTI').files(
            '*nope*'
        )[0]


def test_validator_uses_a_session_of_its_own(xnat: Interface, server: Any, P: str) -> None:
    xnat.select.projects().get()
    guest = Interface(server=server.url, verify=False, anonymous=True)
    guest._http.cookies.update({'JSESSIONID': xnat._jsession})
    experiment = guest.select(f'/projects/{P}/subjects/S/experiments/E')
    file = experiment.scan('1').resource('NIFTI').files().first()
    assert (
        guest._anonymous
        and guest._user in ('', None)
        and file.attributes()['URI']
        and file.attributes()['Name']
    )
    assert guest._get_head(file._uri)['Last-Modified'] and file.last_modified()


# -- garjus, qixnat --------------------------------------------------------------------------------


def test_garjus_handles_resources(
    xnat: Interface, P: str, tmp_path: Path, local: Callable[..., str]
) -> None:
    scan = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
    resource = scan.resource('NIFTI')
    found = resource.get(str(tmp_path), extract=True)
    assert all(os.path.exists(path) for path in found) and len(found) == 2
    resource.file('new.txt').put(local(), overwrite=True)
    assert resource.parent().resource('NIFTI').file('new.txt').exists()
    with xnat.get(resource.file('T1.nii.gz')._uri, stream=True) as answer:
        assert b''.join(answer.iter_content(512)) == T1


@pytest.mark.parametrize(('size', 'told'), [(4, '4.00 B'), (3 * 1024, '3.00 KB')])
def test_garjus_reads_the_number_of_files_from_the_repr(
    xnat: Interface, P: str, size: int, told: str
) -> None:
    scan = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
    label = f'COUNTED{size}'
    for number in (1, 2):
        scan.resource(label).file(f'{number}.bin').put(bytes(size // 2))
    (resource,) = (one for one in scan.resources().fetchall('obj') if one.label() == label)
    assert int(str(resource).split('(')[1].split(' files')[0]) == 2
    assert (
        str(resource)
        == repr(resource)
        == f'<Resource Object> {resource.id()} `{label}` (2 files {told})'
    )
    assert str(scan.resource(label)) == str(resource), 'one request'
    assert repr(scan.resource(label)) == f'<Resource Object> {label}', 'no request'
    scan.resource(label).delete()


def test_garjus_requests_a_token(xnat: Interface) -> None:
    assert json.loads(xnat._exec('/data/services/tokens/issue', 'GET'))['alias']


def test_qixnat_checks_the_types_of_objects(xnat: Interface, P: str) -> None:
    project = xnat.select.project(P)
    chain = [project, project.subject('S'), project.subject('S').experiment('E')]
    chain += [
        chain[-1].scan('1'),
        chain[-1].assessor('A'),
        chain[-1].reconstruction('R'),
        chain[-1].scan('1').resource('NIFTI'),
    ]
    chain.append(chain[-1].file('T1.nii.gz'))
    names = [
        'project',
        'subject',
        'experiment',
        'scan',
        'assessor',
        'reconstruction',
        'resource',
        'file',
    ]
    assert [one.__class__.__name__.lower() for one in chain] == names
    assert (
        isinstance(project, Project) and isinstance(chain[3], Scan) and isinstance(chain[-1], File)
    )
    assert not project.parent() and chain[-1].parent().parent() == chain[3]
    assert (
        all(callable(getattr(chain[2], name)) for name in chain[2].children())
        and 'scans' in chain[2].children()
    )
    assert os.path.exists(chain[-1].get_copy())


def test_qixnat_creates_the_parents_of_a_scan(xnat: Interface, P: str) -> None:
    scan = xnat.select.project(P).subject('NEW').experiment('NEW_1').scan('3')
    scan.create(
        experiments='xnat:mrSessionData',
        scans='xnat:mrScanData',
        **{'xnat:mrScanData/series_description': 'd'},
    )
    assert scan.exists() and scan.attrs.get('xnat:mrScanData/series_description') == 'd'
    with pytest.raises(DatabaseError):
        xnat.select.project(P).subject('bad label!').create()
