"""The forty idioms of user scripts (shared/spec/consumers.md, section 3), by number.

Some are in the tests of the packages that use them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import Interface


def test_idiom_2_a_cache_folder_by_name(server: Any, P: str, tmp_path: Path) -> None:
    with Interface(
        server=server.url, user=server.user, password=server.password, cachedir=str(tmp_path / 'c')
    ) as central:
        file = central.select(
            f'/projects/{P}/subjects/S/experiments/E/scans/1/resources/NIFTI/files/T1.nii.gz'
        )
        assert file.get().startswith(str(tmp_path / 'c'))


def test_idioms_6_to_9_select(xnat: Interface, P: str) -> None:
    assert xnat.select.project(P).exists()
    assert xnat.select(f'/project/{P}/subject/S/experiment/E') == xnat.select(
        f'/projects/{P}/subjects/S/experiments/E'
    )
    assert (
        xnat.select(f'/projects/{P}/subjects/*').get('label')
        == xnat.select(f'/projects/{P}/subjects').get('label')
        == ['S']
    )
    assert P in xnat.select('/projects').get() and P in xnat.select.projects().get()


def test_idioms_10_to_18_walk(xnat: Interface, P: str) -> None:
    project = xnat.select.project(P)
    for subject in project.subjects():
        assert subject.label() == 'S'
    (accession_id,) = project.subjects().get()
    assert accession_id != 'S' and project.subjects().get('label') == ['S']
    assert (
        [one.label() for one in project.subjects().get('')]
        == [one.label() for one in project.subjects().get('obj')]
        == ['S']
    )
    assert project.subject('S').exists() and project.subject(accession_id).exists()
    experiment = project.subject('S').experiment('E')
    assert (
        experiment.exists()
        and project.experiment('E').exists()
        and project.experiment(experiment.id()).exists()
    )
    assert [one.label() for one in project.subject('S').experiments()] == ['E']
    assert (
        len(list(experiment.scans())) == 1
        and bool(experiment.scans())
        and not experiment.reconstructions()
    )
    files = experiment.scan('1').resource('NIFTI').files()
    assert len(list(files)) == 2 and files[0].exists()
    assert experiment.scan('1').resource('NIFTI').file('sub/dir/x.json').exists()


def test_idioms_21_and_22_create(xnat: Interface, P: str) -> None:
    new = xnat.select.project(f'{P}_N')
    assert not new.exists() and new.create().exists()
    subject = new.subject('S1').create()
    experiment = subject.experiment('E1').create(
        **{'experiments': 'xnat:mrSessionData', 'xnat:mrSessionData/date': '2019-05-06'}
    )
    assert experiment.attrs.get('date') == '2019-05-06'
    experiment.scan('1').create(
        scans='xnat:mrScanData', **{'xnat:mrScanData/parameters/flip': '8', 'note': 'x=1&y'}
    )
    experiment.scan('2').create(xsiType='xnat:mrScanData', type='T2', quality='usable')
    assert (
        experiment.scan('1').attrs.get('note') == 'x=1&y'
        and experiment.scan('2').attrs.get('type') == 'T2'
    )
    assert experiment.resource('R').create().exists()


def test_idioms_23_to_28_files(
    xnat: Interface, P: str, local: Callable[..., str], tmp_path: Path
) -> None:
    resource = xnat.select.project(P).resource('FILES')
    resource.file('a.txt').insert(local())
    resource.file('a.txt').insert(local(content=b'other'), overwrite=True)
    resource.file('b.txt').put(src=local(), format='TXT', content='text', tags='t', overwrite=False)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('z/one.txt', '1')
    resource.put_zip(local('a.zip', archive.getvalue()), extract=True)
    folder = tmp_path / 'folder'
    (folder / 'deep').mkdir(parents=True)
    (folder / 'deep' / 'two.txt').write_text('2')
    resource.put_dir(str(folder), overwrite=True, extract=True)
    other = xnat.select.project(P).resource('OTHER')
    other.put_dir(
        str(folder),
        format='HDF5',
        label='OTHER',
        content='x',
        **{'xsi:type': 'xnat:resourceCatalog'},
    )
    assert sorted(resource.files().get()) == [
        'a.txt',
        'b.txt',
        'deep/two.txt',
        'z/one.txt',
    ] and other.files().get() == ['deep/two.txt']
    (tmp_path / 'out').mkdir()
    resource.get(str(tmp_path / 'out'), extract=True)
    assert (tmp_path / 'out' / 'FILES' / 'deep' / 'two.txt').read_text() == '2'
    assert resource.get(str(tmp_path / 'out')) == str(tmp_path / 'out' / 'FILES.zip')
    file = resource.file('a.txt')
    assert (
        file.get(str(tmp_path / 'a.txt'))
        == file.get_copy(str(tmp_path / 'a.txt'))
        == str(tmp_path / 'a.txt')
    )
    assert Path(file.get()).read_bytes() == b'other'


def test_idiom_28_a_second_argument_of_file_get(xnat: Interface, P: str, tmp_path: Path) -> None:
    file = xnat.select(
        f'/projects/{P}/subjects/S/experiments/E/scans/1/resources/NIFTI/files/T1.nii.gz'
    )
    assert file.get(str(tmp_path / 'x'), False)


def test_idioms_29_to_34_attributes(xnat: Interface, P: str) -> None:
    project = xnat.select.project(P)
    project.attrs.mset(
        {'xnat:projectData/PI/firstname': 'Eva', 'xnat:projectData/PI/lastname': 'Meier'}
    )
    project.attrs.set('xnat:projectData/PI/lastname', 'Müller')
    assert project.attrs.get('xnat:projectData/PI/lastname') == 'Müller'
    experiment = project.subject('S').experiment('E')
    assert (experiment.label(), isinstance(experiment.get(), bytes)) == ('E', True)
    experiment.attrs.mset(
        {'xnat:experimentData/date': '2018-01-01', 'xnat:experimentData/note': 'a,b'}
    )
    assert experiment.attrs.mget(['xnat:experimentData/date', 'xnat:experimentData/note']) == [
        '2018-01-01',
        'a,b',
    ]
    experiment.delete()
    project.subject('S').delete()
    assert project.subjects().get() == []


FIELD = 'xnat:subjectData/SUBJECT_LABEL'


@pytest.mark.parametrize(
    'where',
    [
        lambda mine: [(FIELD, '=', 'S'), mine, 'AND'],
        lambda mine: [(FIELD, 'LIKE', 'S%'), mine, 'AND'],
        lambda mine: [(FIELD, 'LIKE', 'S*'), mine, 'and'],
        lambda mine: [(FIELD, '=', 'S'), 'AND', mine],
        lambda mine: [[(FIELD, '=', 'S'), 'OR', (FIELD, '=', 'x')], mine],
        lambda mine: [mine],
        lambda mine: [mine, 'AND'],
        lambda mine: [(FIELD, '>=', 'S'), (FIELD, '<', 'T'), mine, 'AND'],
        lambda mine: f'{FIELD} = S AND {mine[0]} = {mine[2]}',
        lambda mine: f"{FIELD} = 'S' {mine[0]} = '{mine[2]}' AND",
    ],
)
def test_idiom_35_searches(xnat: Interface, P: str, where: Callable[[Any], Any]) -> None:
    mine = ('xnat:subjectData/PROJECT', '=', P)
    table = xnat.select('xnat:subjectData', [FIELD, 'xnat:subjectData/PROJECT']).where(where(mine))
    assert table.items() == [('S', P)]


def test_idiom_36_tables(xnat: Interface, P: str) -> None:
    columns = ['xnat:mrSessionData/SESSION_ID', 'xnat:mrSessionData/PROJECT']
    table = xnat.select('xnat:mrSessionData', columns).where(
        [('xnat:mrSessionData/PROJECT', '=', P)]
    )
    for row in table:
        assert row.get('session_id') == row['session_id']
    assert (
        len(table) == 1
        and table['project'] == P
        and table.items()[0][1] == P
        and table.data == list(table)
    )
    assert table.get('project', always_list=True) == [P]


def test_idiom_38_inspection(xnat: Interface) -> None:
    assert 'xnat:mrSessionData' in xnat.inspect.datatypes()
    assert 'xnat:subjectData/GENDER_TEXT' in xnat.inspect.datatypes('xnat:subjectData')


def test_idiom_39_plain_requests(xnat: Interface, P: str) -> None:
    answer = xnat.get(f'/data/projects/{P}/subjects', params={'format': 'csv'}, timeout=30)
    assert answer.ok and answer.text.splitlines()[0].startswith('ID,')
    assert (
        xnat.put(f'/data/projects/{P}/subjects/X').status_code in (200, 201)
        and xnat.delete(f'/data/projects/{P}/subjects/X').ok
    )
    assert xnat.head(f'/data/projects/{P}').ok and xnat.post(
        '/xapi/nope', json={'a': 1}
    ).status_code in (404, 405)


def test_idiom_40_share_download_and_trigger(xnat: Interface, P: str, tmp_path: Path) -> None:
    other = xnat.select.project(f'{P}_S').create()
    experiment = xnat.select.project(P).subject('S').experiment('E')
    assert experiment.scans().download(dest_dir=str(tmp_path), type='ALL', extract=True)
    assert any(path.name == 'T1.nii.gz' for path in tmp_path.rglob('*'))
    experiment.trigger_pipelines()
    experiment.fix_scan_types()
    experiment.pull_data_from_headers()
    xnat.select.project(P).subject('S').share(other.id(), primary=True)
    assert other.subjects().get('label') == ['S']


def test_the_package_has_a_version() -> None:
    assert pyxnat.__version__
