"""Answers of pyxnat 1.6 that scripts rely on: types, names, orders and errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.model.short_names import short_names

# -- tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['experiments', 'mrsessions'])
@pytest.mark.parametrize(
    'name', ['subject_id', 'subject_ID', 'SUBJECT_LABEL', 'Date', 'xsitype', 'ID', 'label']
)
def test_a_short_name_in_any_case_is_a_column_of_an_array(
    xnat: pyxnat.Interface, P: str, kind: str, name: str
) -> None:
    session = xnat.select.project(P).experiment('E')
    (row,) = getattr(xnat.array, kind)(project_id=P, columns=[name]).data
    spelled = next(short for short in short_names('experiment') if short.lower() == name.lower())
    assert row[name] == session.attrs.get(spelled) != ''


def test_an_unknown_column_of_an_array_is_an_error(xnat: pyxnat.Interface, P: str) -> None:
    with pytest.raises(errors.ProgrammingError, match='no column nope'):
        xnat.array.experiments(project_id=P, columns=['nope'])


@pytest.mark.parametrize('constraints', [{}, {'label': 'E'}])
@pytest.mark.parametrize('columns', [[], ['label'], ['label', 'date'], ['date', 'label', 'note']])
@pytest.mark.parametrize('name', ['experiments', 'mrsessions', 'scans', 'mrscans'])
def test_columns_of_an_array_are_in_the_order_in_which_1_6_requested_them(
    xnat: pyxnat.Interface, project: Any, name: str, columns: list[str], constraints: dict[str, str]
) -> None:
    session = project.subject('S').experiment('E').create(date='2020-01-11', note='n')
    session.scan('1').create()
    kind, scan = {
        'experiments': ('xnat:subjectAssessorData', []),
        'mrsessions': ('xnat:mrSessionData', []),
        'scans': ('xnat:imageSessionData', ['xnat:imageScanData/ID']),
        'mrscans': ('xnat:mrSessionData', ['xnat:mrScanData/ID']),
    }[name]
    asked = ['ID', 'project', f'{kind}/subject_id', *scan, *constraints, *columns]
    uri = f'/data/experiments?xsiType={kind}&project={project.id()}&columns={",".join(asked)}'
    old = xnat.get(uri).json()
    table = getattr(xnat.array, name)(project.id(), columns=columns, constraints=constraints)
    (row,) = old['ResultSet']['Result']
    assert table.headers() == list(row) and table.items() == [tuple(row.values())]


@pytest.mark.parametrize(
    'kind', ['xnat:ctSessionData', 'xnat:petSessionData', 'xnat:mrSessionData']
)
def test_experiments_of_any_type_are_searched(
    xnat: pyxnat.Interface, project: Any, kind: str
) -> None:
    project.subject('S').experiment('E').create(experiments=kind)
    (row,) = xnat.array.search_experiments(project_id=project.id(), subject_label='S')
    assert row['project'] == project.id()
    (row,) = xnat.array.search_experiments(project.id(), columns=[f'{kind}/LABEL'])
    assert list(row.values()) == ['E']


def test_experiments_of_several_types_are_in_one_table(
    xnat: pyxnat.Interface, project: Any
) -> None:
    for number, kind in enumerate(('xnat:ctSessionData', 'xnat:mrSessionData')):
        project.subject('S').experiment(f'E{number}').create(experiments=kind)
    table = xnat.array.search_experiments(project_id=project.id(), subject_label='S')
    assert len(table) == 2 and all(list(row) == table.headers() for row in table)
    assert len(xnat.array.search_experiments(project.id(), subject_label='nobody')) == 0


@pytest.mark.parametrize('operator', ['ilike', 'ILIKE', 'like', 'LIKE'])
@pytest.mark.parametrize('value', ['RIGHT', 'ri%', 'Ri*'])
def test_ilike_is_like(xnat: pyxnat.Interface, P: str, operator: str, value: str) -> None:
    search = xnat.select('xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL'])
    mine = ('xnat:subjectData/PROJECT', '=', P)
    hand = 'xnat:subjectData/HANDEDNESS'
    assert len(search.where([mine, (hand, operator, value), 'AND'])) == 1
    assert len(search.where([mine, (hand, f'NOT {operator}', value), 'AND'])) == 0


def test_types_and_fields_are_in_the_order_of_the_server(xnat: pyxnat.Interface) -> None:
    types = [row['ELEMENT_NAME'] for row in xnat._get_json('/data/search/elements')]
    assert xnat.inspect.datatypes() == types != sorted(types)
    rows = xnat._get_json('/data/search/elements/xnat:subjectData')
    fields = xnat.inspect.datatypes('xnat:subjectData')
    order = [f'xnat:subjectData/{row["FIELD_ID"]}' for row in rows]
    assert fields == [field for field in order if field in fields] != sorted(fields)


# -- elements --------------------------------------------------------------------------------------


def test_all_parameters_are_returned_without_names(scan: Any) -> None:
    assert scan.get_params() == []
    scan.set_param('TE', '30')
    scan.set_param('TR', '2000')
    assert dict(zip(scan.params(), scan.get_params(), strict=True)) == {'TE': '30', 'TR': '2000'}
    assert scan.get_params(['TR', 'nope']) == ['2000', None]
    with pytest.raises(errors.ProgrammingError, match='list of names'):
        scan.get_params('TR')


def test_names_of_fields_include_the_paths_of_the_type(xnat: pyxnat.Interface, P: str) -> None:
    session = xnat.select.project(P).subject('S').experiment('E')
    for element, path in (
        (session, 'xnat:mrSessionData/date'),
        (session, 'xnat:mrSessionData/fieldStrength'),
        (session.scan('1'), 'xnat:mrScanData/quality'),
        (session.assessor('A'), 'xnat:qcManualAssessorData/pass'),
        (session.parent(), 'xnat:subjectData/src'),
    ):
        names = element.attrs()
        assert path in names and names == sorted(set(names))
        element.attrs.get(path)


@pytest.mark.parametrize('use_label', [True, False])
def test_a_session_is_created_with_or_without_use_label(project: Any, use_label: bool) -> None:
    session = project.subject('S').experiment('E').create(use_label=use_label)
    assert session.label() == 'E' and session.id() != 'E'


def test_the_callback_is_an_attribute_of_the_interface(xnat: pyxnat.Interface, P: str) -> None:
    seen: list[str] = []
    assert xnat._callback is None
    xnat._callback = lambda collection, element: seen.append(element.label())
    list(xnat.select.project(P).subjects())
    assert seen == ['S'] and xnat.manage.callback is xnat._callback
    xnat.manage.unregister_callback()
    assert xnat._callback is None and xnat._interactive is False and xnat._proxy_url is None


# -- summaries -------------------------------------------------------------------------------------


def test_str_is_the_summary_and_repr_makes_no_request(xnat: pyxnat.Interface, P: str) -> None:
    project = xnat.select.project(P)
    session = project.subject('S').experiment('E')
    subject_id, session_id = project.subject('S').id(), session.id()
    base = f'{xnat._server}/data/projects/{P}'
    about = f'{base}/subjects/S/experiments/E'
    created = session.attrs.get('insert_date')
    expected = {
        project: f'<Project Object> {P} `{P}` (protected) 1 subject 1 MR experiment (owner: admin)',
        project.subject('S'): f'<Subject Object> {subject_id} `S` (project: {P}) '
        f'(Gender: F - Handedness: R) 1 experiment {base}/subjects/S?format=html',
        session: f'<Experiment Object> {session_id} `E` (subject: {subject_id} `S`) (project: {P}) '
        f'1 scan 1 resource (created on {created}) {about}?format=html',
        session.scan('1'): f'<Scan Object> 1 (`T1`  frames) usable {about}/scans/1?format=html',
        session.assessor('A'): '<Assessor Object> A',
        session.resource('BBRC_VALIDATOR').file('x'): '<File Object> x',
    }
    for element, text in expected.items():
        with xnat.trace() as trace:
            short = repr(element)
        assert not trace.requests and short == f'<{type(element).__name__} Object> {element._urn}'
        assert str(element).startswith(text) and f'{element}' == str(element)
    resource = xnat.select.project(P).subject('S').experiment('E').scan('1').resource('NIFTI')
    with xnat.trace() as trace:
        assert repr(resource) == '<Resource Object> NIFTI'
    assert not trace.requests and str(resource).endswith('`NIFTI` (2 files 1.96 KB)')


@pytest.mark.parametrize('level', ['project', 'subject', 'experiment', 'scan', 'resource'])
def test_the_summary_of_a_missing_element_is_its_repr(xnat: pyxnat.Interface, level: str) -> None:
    element: Any = xnat.select.project('NOPE')
    for name in ('subject', 'experiment', 'scan', 'resource'):
        if element.level.singular == level:
            break
        element = getattr(element, name)('NOPE')
    assert str(element) == repr(element)


def test_the_summary_without_the_server_is_the_repr(tmp_path: Path) -> None:
    gone = pyxnat.Interface('http://127.0.0.1:9', 'me', 'x', tmp_path, retries=0)
    assert str(gone.select.project('P')) == '<Project Object> P'


# -- files -----------------------------------------------------------------------------------------


def test_the_path_of_a_local_file_can_be_bytes(scan: Any, local: Any, tmp_path: Path) -> None:
    path = os.fsencode(local('ä b.txt', b'content'))
    resource = scan.resource('R')
    resource.file('one.txt').put(path)
    resource.put([path])
    resource.put(path, overwrite=True)
    found = {file.id(): Path(file.get()).read_bytes() for file in resource.files()}
    assert found == {'one.txt': b'content', 'ä b.txt': b'content'}
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'x').write_bytes(b'x')
    resource.put_dir(os.fsencode(tmp_path / 'folder'))
    assert Path(resource.file('x').get()).read_bytes() == b'x'


@pytest.mark.parametrize(
    'content', [b'/no/such/file', b'relative', b'/', b'', b'/etc\x00', b'/tmp\n', b'x' * 5000]
)
def test_other_bytes_are_content(scan: Any, content: bytes) -> None:
    file = scan.resource('R').file('f').put(content)
    assert Path(file.get()).read_bytes() == content


@pytest.mark.parametrize(
    ('types', 'name'),
    [('ALL', 'ALL'), ('T1', 'T1'), (' T1 , T2 ', 'T1_T2'), ('T1,,T1', 'T1'), ('1', '1')],
)
def test_a_zip_of_scans_has_the_names_above_and_the_types(
    scan: Any, tmp_path: Path, types: str, name: str
) -> None:
    scan.resource('R').file('f').put(b'x')
    project = scan.steps[0].name
    session = scan.parent()
    for scans in (
        session.scans(),
        session.host.select(f'/projects/{project}/experiments/S1_MR/scans'),
        session.host.select.experiment(session.id()).scans(),
    ):
        path = scans.download(tmp_path, type=types)
        assert path == str(tmp_path / f'{project}_S1_S1_MR_scans_{name}.zip')


@pytest.mark.parametrize('level', ['scans', 'assessors', 'reconstructions'])
def test_errors_of_downloads_are_those_of_python(scan: Any, tmp_path: Path, level: str) -> None:
    below = getattr(scan.parent(), level)()
    for which in ('ALL', 'T9'):
        with pytest.raises(LookupError):
            below.download(tmp_path, type=which)
    for which in ('ALL,T1', '', ','):
        with pytest.raises(ValueError, match='list of IDs or types'):
            below.download(tmp_path, type=which)
    (tmp_path / 'x.zip').write_bytes(b'')
    with pytest.raises(EnvironmentError, match='already exists'):
        below.download(tmp_path, name='x', safe=True)


@pytest.mark.parametrize('kind', ['resource', 'out_resource', 'in_resource'])
@pytest.mark.parametrize(
    'holder',
    [
        '/projects/{}',
        '/projects/{}/subjects/S',
        '/projects/{}/subjects/S/experiments/E',
        '/projects/{}/experiments/E',
        '/projects/{}/subjects/S/experiments/E/scans/1',
        '/projects/{}/experiments/E/scans/1',
        '/projects/{}/subjects/S/experiments/E/assessors/A',
    ],
)
def test_a_missing_resource_has_no_files_and_a_missing_holder_is_an_error(
    xnat: pyxnat.Interface, P: str, holder: str, kind: str
) -> None:
    element = xnat.select(holder.format(P))
    if not hasattr(element, kind):
        pytest.skip('no such level')
    files = getattr(element, kind)('NOPE').files()
    assert (list(files), len(files), files.get(), files.first()) == ([], 0, [], None)
    assert files.table().data == [] and not files
    missing = xnat.select(f'{holder.format(P).rpartition("/")[0]}/NOPE')
    for below in (getattr(missing, kind)('NOPE').files(), getattr(missing, f'{kind}s')()):
        for ask in (list, len, bool, lambda one: one.get(), lambda one: one.table()):
            with pytest.raises(errors.NotFoundError):
                ask(below)


def test_a_wildcard_above_skips_the_check(xnat: pyxnat.Interface, P: str) -> None:
    assert list(xnat.select(f'/projects/{P}/subjects/S/experiments/*/resources/NOPE/files')) == []
    assert list(xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/9*//files')) == []
