"""Tests of the client for the responses of a real XNAT that scripts often get wrong.

The order is that of the measured table. tests/replay checks the same responses of the archive
against recordings.
"""

from __future__ import annotations

import glob
from collections.abc import Callable
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.archive import new_project
from tests.support.plain import Client

MR, PET, QC = 'xnat:mrSessionData', 'xnat:petSessionData', 'xnat:qcManualAssessorData'
SPECIAL = [
    'a & b',
    '<b>',
    'x > y',
    'say "so"',
    "it's",
    'a &amp; b',
    'ü é ß',
    'two\nlines',
    'p;q#r?s=t%20u+v',
    '日本 🧠',
]


@pytest.fixture
def plain(server: Any) -> Client:
    """Return a connection without the library, for requests that the library does not send."""
    return Client(server, server.user, server.password)


@pytest.fixture
def other(xnat: pyxnat.Interface, project: Any) -> Any:
    return xnat.select.project(f'{project.id()}_Q').create()


@pytest.fixture
def study(project: Any) -> Any:
    """Return a new project, as `fill` fills it."""
    fill(project)
    return project


@pytest.fixture(scope='module')
def kept(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_project(server, tmp_path_factory.mktemp('cache'), 'AS_MEASURED', fill)


@pytest.fixture
def common(xnat: pyxnat.Interface, kept: str) -> Any:
    """Return one project for all tests that create and remove nothing in it."""
    return xnat.select.project(kept)


def fill(project: Any) -> None:
    """Create subjects S1 and S2.

    S1 has the sessions M (MR) and T (PET); M has a scan 1, an assessor A and a reconstruction; all
    have files.
    """
    s1 = project.subject('S1').create(gender='female')
    project.subject('S2').create()
    m = s1.experiment('M').create(experiments=MR, date='2020-01-31')
    s1.experiment('T').create(experiments=PET)
    scan = m.scan('1').create(scans='xnat:mrScanData', type='T1')
    assessor = m.assessor('A').create(assessors=QC, **{f'{QC}/pass': '1'})
    reconstruction = m.reconstruction(f'R_{project.id()}').create()
    for holder in (project, s1, m, scan):
        holder.resource('DATA').file(f'{holder.level.singular}.txt').put(
            holder.level.singular.encode()
        )
    assessor.out_resource('OUT').file('o.txt').put(b'assessor')
    reconstruction.out_resource('OUT').file('r.txt').put(b'reconstruction')


def items(study: Any) -> dict[str, Any]:
    """Return an element of each level that has fields."""
    session = study.subject('S1').experiment('M')
    return {
        'project': study,
        'subject': study.subject('S1'),
        'experiment': session,
        'assessor': session.assessor('A'),
        'scan': session.scan('1'),
    }


# -- 1 unsharing an item from its own project would delete it


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
@pytest.mark.parametrize('by_id', [False, True])
def test_nothing_is_unshared_from_its_own_project(
    xnat: pyxnat.Interface, study: Any, level: str, by_id: bool
) -> None:
    item = items(study)[level]
    if by_id and level != 'assessor':
        item = xnat.select(f'/{level}s/{item.id()}')
    with xnat.trace() as trace, pytest.raises(errors.DatabaseError, match=str(study.id())):
        item.unshare(study.id())
    assert 'DELETE' not in [record.method for record in trace]
    assert items(study)[level].exists(consistent=True)


# -- 2 a PUT of a session below another subject would move it


WRITES: dict[str, Callable[[Any], object]] = {
    'create': lambda session: session.create(experiments=MR),
    'create without a type': lambda session: session.create(),
    'a field': lambda session: session.attrs.set('note', 'x'),
    'a scan': lambda session: session.scan('9').create(),
    'a file': lambda session: session.resource('NEW').file('f.txt').put(b'x'),
    'a file of a scan': lambda session: session.scan('1').resource('NEW').file('f.txt').put(b'x'),
}


@pytest.mark.parametrize('write', WRITES.values(), ids=WRITES)
def test_a_session_is_not_moved_by_writing_below_another_subject(
    study: Any, write: Callable[[Any], object]
) -> None:
    with pytest.raises(errors.DatabaseError, match='S1'):
        write(study.subject('S2').experiment('M'))
    assert sorted(study.subject('S1').experiments().get('label')) == ['M', 'T']
    assert study.subject('S2').experiments().get() == []


# -- 3 below a name that does not exist, XNAT returns the files of the subject


MISSING = [
    'experiments/NOPE/resources',
    'experiments/NOPE/resources/DATA/files',
    'experiments/NOPE/scans/1/resources/DATA/files',
    'experiments/M/scans/NOPE/resources',
    'experiments/M/scans/NOPE/resources/DATA/files',
    'experiments/M/assessors/NOPE/out/resources',
    'experiments/M/assessors/NOPE/out/resources/DATA/files',
    'experiments/M/reconstructions/NOPE/out/resources',
]


@pytest.mark.parametrize('path', MISSING)
def test_an_element_that_does_not_exist_does_not_have_the_files_of_its_subject(
    xnat: pyxnat.Interface, common: Any, path: str
) -> None:
    try:
        found = xnat.select(f'/projects/{common.id()}/subjects/S1/{path}').get()
    except errors.NotFoundError:
        found = []
    assert found == []


@pytest.mark.parametrize(
    'path',
    [
        'experiments/NOPE',
        'experiments/NOPE/scans/1',
        'experiments/M/scans/NOPE',
        'experiments/M/assessors/NOPE',
        'experiments/M/reconstructions/NOPE',
    ],
)
def test_files_and_resources_below_an_unknown_name_do_not_exist(
    xnat: pyxnat.Interface, common: Any, path: str, tmp_path: Any
) -> None:
    item = xnat.select(f'/projects/{common.id()}/subjects/S1/{path}')
    resource = (
        item.resource('DATA')
        if 'assessors' not in path and 'reconstructions' not in path
        else item.out_resource('DATA')
    )
    assert not item.exists() and not resource.exists() and not resource.file('subject.txt').exists()
    for get in (
        resource.file('subject.txt').get,
        lambda: resource.get(tmp_path),
        lambda: item.download(tmp_path),
    ):
        with pytest.raises(errors.NotFoundError):
            get()


# -- 4 an empty response is not a table


@pytest.mark.parametrize(
    'query',
    [
        'date=2020-01-01',
        'limit=abc',
        'columns=ID,xnat:mrSessionData/nonsense&xsiType=xnat:mrSessionData',
    ],
)
def test_an_empty_response_is_not_a_table(xnat: pyxnat.Interface, common: Any, query: str) -> None:
    with pytest.raises(errors.DatabaseError):
        xnat._get_json(f'/data/projects/{common.id()}/experiments?{query}')


# -- 5 assessors have each resource once


def test_files_of_assessors_and_reconstructions_are_listed_once(
    xnat: pyxnat.Interface, common: Any, tmp_path: Any
) -> None:
    found = xnat.select(f'/projects/{common.id()}/subjects/S1//files').get()
    assert sorted(found) == sorted(['subject.txt', 'experiment.txt', 'scan.txt', 'o.txt', 'r.txt'])
    assert len(common.subject('S1').experiment('M').assessor('A').out_resources().get()) == 1


@pytest.mark.parametrize('level', ['project', 'subject', 'experiment', 'assessor'])
def test_files_of_assessors_can_be_downloaded(common: Any, level: str, tmp_path: Any) -> None:
    items(common)[level].download(tmp_path)
    bodies = [path.read_bytes() for path in tmp_path.rglob('*.txt')]
    assert bodies.count(b'assessor') == 1


# -- 6, 7, 8 fields


@pytest.mark.parametrize(
    'path',
    ['/projects/{p}/subjects/S1/experiments/M', '/projects/{p}/experiments/M', '/experiments/{id}'],
)
def test_fields_of_a_session_can_be_set_however_it_was_selected(
    xnat: pyxnat.Interface, study: Any, path: str
) -> None:
    identity = items(study)['experiment'].id()
    session = xnat.select(path.format(p=study.id(), id=identity))
    session.attrs.set('note', 'one')
    session.attrs.mset({'note': 'two', f'{MR}/coil': 'head', 'date': '2021-02-03'})
    again = items(study)['experiment']
    assert again.attrs.mget(['note', f'{MR}/coil', 'date']) == ['two', 'head', '2021-02-03']
    assert again.id() == identity and again.label() == 'M'


FIELDS = {
    'project': 'description',
    'subject': 'group',
    'experiment': 'note',
    'assessor': 'note',
    'scan': 'note',
}


@pytest.mark.sample(3)
@pytest.mark.parametrize('level', FIELDS)
@pytest.mark.parametrize('text', SPECIAL)
def test_texts_are_stored_unchanged(common: Any, plain: Client, level: str, text: str) -> None:
    items(common)[level].attrs.set(FIELDS[level], text)
    assert (
        items(common)[level].attrs.get(FIELDS[level]).split() == text.split()
    )  # tables show line breaks as blanks
    uri = items(common)[level]._uri
    stored = plain.item(uri)['data_fields'][FIELDS[level]]
    assert stored.split() == text.split()


@pytest.mark.parametrize('text', SPECIAL)
def test_texts_at_creation_are_stored_unchanged(project: Any, text: str) -> None:
    project.subject('S').create(group=text)
    assert project.subject('S').attrs.get('group').split() == text.split()


@pytest.mark.parametrize('empty', ['', None])
@pytest.mark.parametrize('level', FIELDS)
def test_clearing_a_field_clears_it_or_is_an_error(common: Any, level: str, empty: Any) -> None:
    item = items(common)[level]
    item.attrs.set(FIELDS[level], 'before')
    try:
        item.attrs.set(FIELDS[level], empty)
    except errors.DatabaseError:
        assert item.attrs.get(FIELDS[level]) == 'before'
    else:
        assert items(common)[level].attrs.get(FIELDS[level]) == ''


def test_an_unknown_field_is_an_error_and_no_other_field_is_lost(study: Any) -> None:
    subject = study.subject('S1')
    with pytest.raises(errors.ProgrammingError, match='nonsense'):
        subject.attrs.mset({'group': 'g', 'xnat:subjectData/nonsense': '1'})
    with pytest.raises(errors.ProgrammingError, match='nonsense'):
        study.subject('S3').create(group='g', **{'xnat:subjectData/nonsense': '1'})


# -- 9, 10 sharing


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
@pytest.mark.parametrize('label', [None, 'THERE'])
def test_a_shared_item_has_its_label_in_the_other_project(
    xnat: pyxnat.Interface, study: Any, other: Any, level: str, label: str | None
) -> None:
    item = items(study)[level]
    if level == 'assessor':
        items(study)['experiment'].share(other.id())
    item.share(other.id(), label=label)
    assert sorted(item.shares().get()) == sorted([study.id(), other.id()])
    if level != 'assessor':
        there = getattr(xnat.select.project(other.id()), level)(label or item.label())
        assert there.exists() and there.id() == item.id()
    item.unshare(other.id())
    assert item.exists(consistent=True) and item.shares().get() == [study.id()]


# -- 11, 12, 17 columns


@pytest.mark.parametrize(
    ('level', 'path'),
    [
        ('subject', 'xnat:subjectData/group'),
        ('subject', 'group'),
        ('subject', 'gender'),
        ('subject', 'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender'),
        ('experiment', 'xnat:experimentData/date'),
        ('experiment', f'{MR}/date'),
        ('experiment', 'date'),
        ('experiment', 'xnat:imageSessionData/label'),
        ('experiment', f'{MR}/fieldStrength'),
        ('experiment', 'fieldStrength'),
        ('project', 'xnat:projectData/PI/lastname'),
        ('project', 'pi_lastname'),
        ('scan', 'xnat:imageScanData/type'),
        ('scan', 'xnat:mrScanData/parameters/tr'),
        ('assessor', f'{QC}/pass'),
    ],
)
def test_columns_are_found_by_both_of_their_keys(common: Any, level: str, path: str) -> None:
    item = items(common)[level]
    assert isinstance(item.attrs.get(path), str)
    assert item.attrs.mget(['ID', path])[0] == item.id()


def test_a_column_of_one_type_does_not_hide_elements_of_others(
    xnat: pyxnat.Interface, study: Any
) -> None:
    items(study)['experiment'].attrs.set('fieldStrength', '3.0')
    for column in ('fieldStrength', f'{MR}/fieldStrength'):
        table = xnat.select(f'/projects/{study.id()}/experiments').table(
            ['ID', 'label', 'xsiType', column]
        )
        assert {row['label']: row[column] for row in table} == {'M': '3.0', 'T': ''}


def test_a_session_is_found_by_its_id_alone(
    xnat: pyxnat.Interface, common: Any, tmp_path: Any
) -> None:
    session = xnat.select.experiment(items(common)['experiment'].id())
    assert session.attrs.mget(['label', 'subject_label', 'date']) == ['M', 'S1', '2020-01-31']
    session.download(tmp_path)
    assert {path.read_bytes() for path in tmp_path.rglob('*.txt')} == {
        b'experiment',
        b'scan',
        b'assessor',
        b'reconstruction',
    }


# -- 13, 14, 15, 16 names


def test_types_are_requested_by_their_name(xnat: pyxnat.Interface) -> None:
    assert f'{MR}/AGE' in xnat.inspect.datatypes(MR, '*')
    assert (
        xnat.select(MR, [f'{MR}/LABEL', f'{MR}/DATE']).where([(f'{MR}/PROJECT', '=', 'NOPE')])
        is not None
    )


@pytest.mark.sample(3)
@pytest.mark.parametrize('name', ['a%b', 'a;b', 'a b', 'ü', 'a:b', 'a.b', "a'b", 'a+b', 'a&b'])
@pytest.mark.parametrize('level', ['subject', 'experiment', 'scan'])
def test_names_that_xnat_does_not_accept_are_refused_before_a_request(
    xnat: pyxnat.Interface, common: Any, level: str, name: str
) -> None:
    makes = {
        'subject': common.subject,
        'experiment': common.subject('S1').experiment,
        'scan': common.subject('S1').experiment('M').scan,
    }
    with xnat.trace() as trace, pytest.raises(errors.DatabaseError) as caught:
        makes[level](name).create()
    assert 'PUT' not in [record.method for record in trace]
    assert next(char for char in name if not char.isascii() or not char.isalnum()) in str(
        caught.value
    )


def test_resource_labels_with_blanks_are_refused_at_creation_but_found(
    study: Any, plain: Client
) -> None:
    session = study.subject('S1').experiment('M')
    plain.ok('PUT', f'{session._uri}/resources/old%20res/files/f.txt?inbody=true', b'old')
    assert 'old res' in session.resources().get('label')
    assert (
        session.resource('old res').exists() and session.resource('old res').file('f.txt').exists()
    )
    with open(session.resource('old res').file('f.txt').get(), 'rb') as file:
        assert file.read() == b'old'
    with pytest.raises(errors.DatabaseError, match='my res'):
        session.resource('my res').create()


NAMES = [
    'a b.txt',
    'ü é.txt',
    'a+b.txt',
    'a%b.txt',
    'a(b).txt',
    "a'b.txt",
    'a,b.txt',
    'a&b.txt',
    'a#b?.txt',
    'a[b].txt',
    'a=b;c.txt',
    'd/e f/g.txt',
]


@pytest.mark.sample(2)
@pytest.mark.parametrize('name', NAMES)
def test_files_keep_their_names_and_their_bytes(study: Any, name: str, tmp_path: Any) -> None:
    resource = study.subject('S1').experiment('M').resource('NAMES')
    try:
        resource.file(name).put(name.encode())
    except errors.DataError as error:
        assert set(name) & set('%;') and f"'{next(char for char in name if char in '%;')}'" in str(
            error
        )
        return
    [row] = [
        dict(found)
        for found in study.subject('S1')
        .experiment('M')
        .resource('NAMES')
        .files()
        .table(['Name', 'URI'])
    ]
    assert row['Name'] == name.rpartition('/')[2]
    assert resource.file(name).exists()
    with open(resource.file(name).get(), 'rb') as file:
        assert file.read() == name.encode()
    study.subject('S1').experiment('M').download(tmp_path)
    assert name.encode() in {path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    assert list(tmp_path.rglob(glob.escape(name.rpartition('/')[2])))


# -- 18, 19, 25 missing parents


@pytest.mark.parametrize(
    'above', ['', '/subjects/S', '/subjects/S/experiments/E', '/subjects/S/experiments/E/scans/1']
)
def test_missing_parents_are_created(xnat: pyxnat.Interface, project: Any, above: str) -> None:
    if above:
        xnat.select(f'/projects/{project.id()}{above}').create()
        made = xnat.select(f'/projects/{project.id()}/subjects/S2/experiments/E2/scans/7').create()
        assert made.exists()
    new = xnat.select(f'/projects/{project.id()}_NEW/subjects/S/experiments/E/scans/1').create()
    assert new.exists() and xnat.select.project(f'{project.id()}_NEW').exists()


@pytest.mark.parametrize(
    'path',
    [
        'NOPE',
        'NOPE/subjects/S',
        'NOPE/subjects/S/experiments/E',
        'NOPE/subjects/S/experiments/E/scans/1',
        'NOPE/experiments/E/scans/1/resources/R/files/f',
    ],
)
def test_nothing_exists_below_a_project_that_does_not(xnat: pyxnat.Interface, path: str) -> None:
    assert xnat.select(f'/projects/{path}').exists() is False


def test_a_reconstruction_does_not_move_to_another_session(study: Any) -> None:
    name = f'R_{study.id()}'
    with pytest.raises(errors.DatabaseError):
        study.subject('S1').experiment('T').reconstruction(name).create()
    assert study.subject('S1').experiment('M').reconstructions().get() == [name]


# -- 20, 21 uploads


def test_bodies_of_unknown_length_and_empty_bodies_are_sent(study: Any) -> None:
    resource = study.subject('S1').experiment('M').resource('UP')
    resource.file('stream.bin').put(part for part in (b'one', b'two'))
    resource.file('empty.txt').put(b'')
    sizes = {row['Name']: row['Size'] for row in resource.files().table(['Name', 'Size'])}
    assert sizes == {'stream.bin': '6', 'empty.txt': '0'}


# -- 22, 27 searches


def test_the_age_of_subjects_is_not_a_display_field(xnat: pyxnat.Interface, common: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='demographics'):
        xnat.select('xnat:subjectData', ['xnat:subjectData/SUBJECT_ID']).where(
            [('xnat:subjectData/AGE', '>', '1'), 'AND']
        )


@pytest.mark.parametrize(('wanted', 'found'), [(['S1', 'S2'], 2), (['S1'], 1), (['NOPE'], 0)])
def test_lists_in_criteria_work(
    xnat: pyxnat.Interface, common: Any, wanted: list[str], found: int
) -> None:
    table = xnat.select('xnat:subjectData', ['xnat:subjectData/SUBJECT_LABEL']).where(
        [
            ('xnat:subjectData/SUBJECT_LABEL', 'IN', wanted),
            ('xnat:subjectData/PROJECT', '=', common.id()),
            'AND',
        ]
    )
    assert len(table) == found


# -- 23, 24 scans


@pytest.mark.parametrize(
    'columns', [['type'], ['quality', 'series_description'], ['xnat:mrScanData/parameters/tr']]
)
def test_scans_can_have_any_columns(study: Any, columns: list[str]) -> None:
    study.subject('S1').experiment('M').scan('2').create(scans='xnat:mrScanData', type='T2')
    table = study.subject('S1').experiment('M').scans().table(columns)
    assert len(table) == 2 and set(columns) <= set(table.headers())


# -- 29 to 32, 34


def test_a_refused_login_does_not_show_the_name_of_the_web_server(
    server: Any, tmp_path: Any
) -> None:
    with pytest.raises(errors.AuthenticationError) as caught:
        pyxnat.Interface(server.url, server.user, 'wrong', tmp_path).select.projects().get()
    assert 'Tomcat' not in str(caught.value)


@pytest.mark.parametrize('name', ['smoker', 'cups a day', 'a=b', 'a/b', "d'e", 'ü', 'a.b', 'a@b'])
def test_custom_variables_can_have_any_name(common: Any, name: str) -> None:
    subject = common.subject('S1')
    subject.attrs.set('xnat:subjectData/fields/field[name=first]/field', 'keep')
    subject.attrs.set(f'xnat:subjectData/fields/field[name={name}]/field', 'yes & no')
    document = subject.get().decode()
    assert 'keep' in document and 'yes &amp; no' in document
    assert subject.attrs.get(f'xnat:subjectData/fields/field[name={name}]/field') == 'yes & no'


def test_a_manual_qc_needs_its_pass_field(study: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='pass'):
        study.subject('S1').experiment('M').assessor('B').create(assessors=QC)


@pytest.mark.parametrize('date', ['2020-02-30', '31.01.2020', '2020-13-01', 'yesterday'])
def test_invalid_dates_are_refused(common: Any, date: str) -> None:
    with pytest.raises(errors.ProgrammingError, match='date'):
        common.subject('S1').experiment('M').attrs.set('date', date)
    assert common.subject('S1').experiment('M').attrs.get('date') == '2020-01-31'


def test_a_resource_found_below_several_scans_belongs_to_its_scan(
    xnat: pyxnat.Interface, project: Any
) -> None:
    session = project.subject('S').experiment('E')
    for scan in '123':
        session.scan(scan).create(type='T1')
    session.scan('2').resource('NIFTI').file('2.nii').put(b'x')
    for below in (
        'experiments/*/scans/*/resources/NIFTI/files',
        '/files',
        'subjects/S/experiments/*/scans/*/resources/*/files',
    ):
        [found] = xnat.select(f'/projects/{project.id()}/{below}').get('obj')
        assert '/scans/2/' in found._uri  # XNAT's listing says /scans/1,2,3/
