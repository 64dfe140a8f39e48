"""Tests of spreadsheets: out, edited as a person does, and back; conflicts, refusals, requests."""

from __future__ import annotations

import datetime
import itertools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP
from tests.support.faults import FaultProxy, reset, says
from tests.support.spreadsheet import Grid, edit, grid_of, set_cell

_numbers = itertools.count(1)
SMOKER = 'xnat:subjectData/fields/field[name=smoker]/field'
_TYPES = {
    'projects': 'xnat:projectData',
    'subjects': 'xnat:subjectData',
    'experiments': 'xnat:mrSessionData',
    'scans': 'xnat:mrScanData',
    'assessors': 'xnat:qcManualAssessorData',
}
MARK = 'SESSION_EXPIRATION_TIME="1,900000"; Path=/'
"""Cookie of every response of XNAT."""
each_format = pytest.mark.parametrize('suffix', ['.csv', '.xlsx'])


@pytest.fixture(scope='module')
def xnat(server: Any, tmp_path_factory: Any) -> Iterator[pyxnat.Interface]:
    """Return a connection whose cached responses stay fresh: applying must not use them."""
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path_factory.mktemp('cache')
    ) as interface:
        interface.cache.expiration = 60
        yield interface


@pytest.fixture(scope='module')
def other(server: Any, tmp_path_factory: Any) -> Iterator[pyxnat.Interface]:
    """Return the connection of a colleague, with a cache of its own."""
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path_factory.mktemp('other')
    ) as interface:
        yield interface


@pytest.fixture
def project(xnat: pyxnat.Interface) -> Any:
    """Return a project of three subjects with an MR session each, and a form for subjects."""
    project = xnat.select.project(f'SHEET_{next(_numbers)}').create()
    for number in (1, 2, 3):
        subject = project.subject(f'S{number}').create(group='g', gender='female', yob=1990)
        subject.experiment(f'S{number}_MR').create(
            experiments='xnat:mrSessionData', date='2020-01-02', note='old'
        )
    return project


def values(collection: Any, column: str) -> dict[str, Any]:
    return dict(collection.table(['label', column]).items())


@each_format
def test_edited_cells_are_sent_and_nothing_else(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path, suffix: str
) -> None:
    sessions, path = project.experiments(), tmp_path / f'sessions{suffix}'
    columns = ['label', 'date', 'note', 'fieldStrength', 'subject/gender']
    assert sessions.to_sheet(path, columns) == 3
    assert grid_of(path)[0][:6] == ['URI', *columns]

    def change(grid: Grid) -> None:
        set_cell(grid, 'S1_MR', 'note', '=new "é"\nline')
        set_cell(grid, 'S1_MR', 'date', '')
        set_cell(grid, 'S2_MR', 'fieldStrength', '3')

    edit(path, change)
    with xnat.trace() as trace:
        planned = project.apply_sheet(path, dry_run=True)
    assert Counter(row.status for row in planned.rows) == {'to change': 2, 'unchanged': 1}
    assert {request.method for request in trace} == {'GET'}
    with xnat.trace() as trace:
        report = project.apply_sheet(path)
    assert Counter(row.status for row in report.rows) == {'changed': 2, 'unchanged': 1}
    assert Counter(request.method for request in trace)['PUT'] == 2
    assert len(trace) <= 6, 'two tables of two listings, and a PUT for each session'
    assert values(sessions, 'note') == {
        'S1_MR': '=new "é"\nline',
        'S2_MR': 'old',
        'S3_MR': 'old',
    }
    assert values(sessions, 'date')['S1_MR'] == ''
    assert values(sessions, 'fieldStrength')['S2_MR'] == '3'
    with xnat.trace() as trace:
        again = project.apply_sheet(path)
    assert Counter(row.status for row in again.rows) == {'done before': 2, 'unchanged': 1}
    assert 'PUT' not in [request.method for request in trace]


@each_format
def test_an_untouched_sheet_makes_no_request(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f'subjects{suffix}'
    project.subjects().to_sheet(path)
    edit(path, lambda grid: grid[:1] + grid[:0:-1])
    with xnat.trace() as trace:
        report = project.apply_sheet(path)
    assert (len(trace), report.is_complete) == (0, True)
    assert {row.status for row in report.rows} == {'unchanged'}


@each_format
def test_changes_of_others_are_conflicts_and_stay(
    xnat: pyxnat.Interface, other: pyxnat.Interface, project: Any, tmp_path: Path, suffix: str
) -> None:
    path, subjects = tmp_path / f'subjects{suffix}', project.subjects()
    subjects.to_sheet(path, ['label', 'group', 'yob'])
    list(subjects.rows(['label', 'group']))  # now cached
    theirs = other.select(f'/projects/{project.id()}')
    theirs.subject('S1').attrs.set('group', 'theirs')
    theirs.subject('S2').attrs.set('group', 'same')
    theirs.subject('S3').attrs.set('yob', 1991)

    def change(grid: Grid) -> None:
        set_cell(grid, 'S1', 'group', 'mine')
        set_cell(grid, 'S1', 'yob', '1980')
        set_cell(grid, 'S2', 'group', 'same')
        set_cell(grid, 'S3', 'group', 'mine')

    edit(path, change)
    report = project.apply_sheet(path)
    assert {row.label: row.status for row in report.rows} == {
        'S1': 'conflict',
        'S2': 'done before',
        'S3': 'changed',
    }
    ((row, cell),) = report.conflicts
    assert (row.label, cell.exported, cell.present, cell.edited) == ('S1', 'g', 'theirs', 'mine')
    assert values(subjects, 'group') == {'S1': 'theirs', 'S2': 'same', 'S3': 'mine'}
    assert values(subjects, 'yob') == {'S1': '1980', 'S2': '1990', 'S3': '1991'}
    with pytest.raises(errors.IntegrityError, match='theirs'):
        report.check()
    assert 'conflict' in str(report) and not report.is_complete


@each_format
def test_rows_and_columns_may_move_go_and_come(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f'subjects{suffix}'
    project.subjects().to_sheet(path, ['label', 'group', 'yob', 'src'])

    def change(grid: Grid) -> Grid:
        set_cell(grid, 'S3', 'group', 'moved')
        kept = [row for row in grid if row[grid[0].index('label')] != 'S1']
        gone = grid[0].index('src')
        turned = [[*row[gone + 1 :], *reversed(row[:gone])] for row in kept]
        turned = [turned[0], *reversed(turned[1:])]
        return [[*row, 'seen by me' if number else 'my notes'] for number, row in enumerate(turned)]

    edit(path, change)
    report = project.apply_sheet(path)
    assert {row.label: row.status for row in report.rows} == {'S2': 'unchanged', 'S3': 'changed'}
    assert "'my notes' was not exported" in str(report)
    assert values(project.subjects(), 'group') == {'S1': 'g', 'S2': 'g', 'S3': 'moved'}


@pytest.mark.parametrize(
    ('column', 'text', 'problem'),
    [
        ('yob', 'nineteen', 'is no integer'),
        ('date', '2020-02-30', 'is no date'),
        ('date', '31.12.2021', 'is no date'),
        ('gender', '', 'cannot be cleared'),
        ('gender', 'perhaps', 'is no choice'),
        ('height', '1,75', 'is no float'),
        ('label', 'other', 'read-only'),
        ('ID', 'XNAT_S1', 'read-only'),
        ('insert_date', '2020-01-01', 'read-only'),
        ('project', 'P', 'read-only'),
        ('xnat:subjectData/ID', 'X', 'read-only'),
        ('project/name', 'name', 'read-only'),
    ],
)
def test_values_that_do_not_fit_are_refused_before_anything_is_sent(
    xnat: pyxnat.Interface,
    project: Any,
    tmp_path: Path,
    column: str,
    text: str,
    problem: str,
) -> None:
    level = project.experiments() if column == 'date' else project.subjects()
    path = tmp_path / 'sheet.csv'
    level.to_sheet(path, dict.fromkeys(['label', column]))
    edit(path, lambda grid: grid[2].__setitem__(grid[0].index(column), text))
    with xnat.trace() as trace:
        report = project.apply_sheet(path)
    (refused,) = report.with_status('refused')
    assert problem in refused.message
    assert 'PUT' not in [request.method for request in trace]
    with pytest.raises(errors.DataError, match='were not applied'):
        report.check()


def test_rows_without_an_element_are_refused(project: Any, tmp_path: Path) -> None:
    path = tmp_path / 'subjects.csv'
    project.subjects().to_sheet(path, ['label', 'group'])

    def change(grid: Grid) -> None:
        uri = grid[0].index('URI')
        for row in grid[1:]:
            row[grid[0].index('group')] = 'x'
        grid.append(list(grid[1]))  # a copied row
        grid.append(['', 'S4', 'x', ''])  # a new one
        grid.append(['/data/subjects/XNAT_S99999', 'S5', 'x', ''])
        grid[3][-1] = ''  # no exported values
        assert uri == 0

    edit(path, change)
    report = project.apply_sheet(path)
    by_place = {row.place: row for row in report.rows}
    assert '2 rows have its URI' in by_place['2'].message == by_place['5'].message
    assert by_place['3'].status == 'changed'
    assert 'the exported value is unknown' in by_place['4'].message
    assert 'insert()' in by_place['6'].message
    assert 'no such element' in by_place['7'].message
    assert len(report.with_status('refused')) == 5


def test_a_sheet_of_another_place_is_refused(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    path = tmp_path / 'subjects.csv'
    project.subjects().to_sheet(path, ['label'])
    elsewhere = xnat.select.project(f'SHEET_{next(_numbers)}').create()
    for target in (elsewhere, project.experiments()):
        with pytest.raises(errors.ProgrammingError, match='was exported from'):
            target.apply_sheet(path)
    text = path.read_text('utf-8-sig')
    path.write_text(text.replace(xnat.connection.server, 'https://xnat.example.org'))
    with pytest.raises(errors.ProgrammingError, match='xnat.example.org'):
        project.apply_sheet(path)
    for content, problem in (
        (text.replace('URI', 'where'), "no column 'URI'"),
        ('URI,label\n/data/subjects/X,S\n', 'exported values are missing'),
    ):
        path.write_text(content)
        with pytest.raises(errors.DataError, match=problem):
            project.apply_sheet(path)
    with pytest.raises(errors.ProgrammingError, match=r'\.csv or \.xlsx'):
        project.subjects().to_sheet(tmp_path / 'sheet.ods')
    with pytest.raises(errors.ProgrammingError, match='cannot be in a spreadsheet'):
        project.resources().to_sheet(path)


@pytest.mark.parametrize(
    ('level', 'column', 'value'),
    [
        ('projects', 'description', 'text'),
        ('subjects', 'group', 'text'),
        ('experiments', 'note', 'text'),
        ('scans', 'quality', 'questionable'),
        ('assessors', 'note', 'text'),
    ],
)
def test_every_level_can_be_a_sheet(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path, level: str, column: str, value: str
) -> None:
    session = project.subject('S1').experiment('S1_MR')
    session.scan('1').create(type='T1')
    session.assessor('QC').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    xnat.manage.forms.create(
        f'Of {project.id()}',
        _TYPES[level],
        {'n': 'number'},
        [project.id()],
    )
    form = f'form:Of {project.id()}/n'
    below = {'scans': '/subjects/*/experiments/*/scans', 'assessors': '/experiments/*/assessors'}
    place = (
        '/projects'
        if level == 'projects'
        else f'/projects/{project.id()}{below.get(level, f"/{level}")}'
    )
    collection = xnat.select(place)
    path = tmp_path / 'sheet.csv'
    collection.to_sheet(path, ['ID', column, form])
    name = {'projects': project.id(), 'scans': '1'}.get(level)

    def change(grid: Grid) -> None:
        row = next(row for row in grid[1:] if name in (None, row[1]))
        row[2], row[3] = value, '3.50'

    edit(path, change)
    report = collection.apply_sheet(path).check()
    assert [len(row.cells) for row in report.with_status('changed')] == [2], str(report)
    found = collection.table(['ID', column, form]).items()
    assert (value, 3.5) in [row[1:] for row in found]


def test_custom_variables_take_a_document_for_each_edited_row(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    path = tmp_path / 'subjects.csv'
    project.subject('S1').attrs.set(SMOKER, 'no')
    project.subjects().to_sheet(path, ['label', SMOKER])
    edit(path, lambda grid: set_cell(grid, 'S1', SMOKER, ''))
    edit(path, lambda grid: set_cell(grid, 'S2', SMOKER, 'yes & more'))
    with xnat.trace() as trace:
        report = project.apply_sheet(path).check()
    assert len(report.with_status('changed')) == 2
    assert len(trace) == 2 + 2 + 2 + 2, 'two listings, two documents before and after, two PUTs'
    found = [row[1] for row in sorted(project.subjects().mget(['label', SMOKER]))]
    assert found == ['', 'yes & more', '']


def test_shared_sessions_are_changed_at_their_owner(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path
) -> None:
    guest = xnat.select.project(f'SHEET_{next(_numbers)}').create()
    project.experiment('S1_MR').share(guest.id(), label='VISITOR')
    path = tmp_path / 'shared.xlsx'
    guest.experiments().to_sheet(path, ['label', 'note'])
    edit(path, lambda grid: set_cell(grid, 'VISITOR', 'note', 'by the guest'))
    assert guest.apply_sheet(path).check().rows[0].label == 'VISITOR'
    assert values(project.experiments(), 'note')['S1_MR'] == 'by the guest'
    assert values(guest.experiments(), 'note') == {'VISITOR': 'by the guest'}


def test_the_variables_of_a_level_above_are_read_only(project: Any, tmp_path: Path) -> None:
    path = tmp_path / 'sessions.csv'
    project.subject('S1').attrs.set(SMOKER, 'no')
    project.experiments().to_sheet(path, ['label', SMOKER])
    assert grid_of(path)[1][:3][1:] == ['S1_MR', 'no']
    edit(path, lambda grid: set_cell(grid, 'S1_MR', SMOKER, 'yes'))
    report = project.apply_sheet(path)
    assert 'is no field of xnat:mrSessionData' in report.with_status('refused')[0].message


@pytest.mark.parametrize(
    'path',
    ['/projects/*/experiments', '/experiments', '/projects/{}/subjects/S1/experiments/*/scans'],
)
def test_any_selection_can_be_a_sheet(
    xnat: pyxnat.Interface, project: Any, tmp_path: Path, path: str
) -> None:
    guest = xnat.select.project(f'SHEET_{next(_numbers)}').create()
    project.experiment('S1_MR').share(guest.id())
    project.subject('S1').experiment('S1_MR').scan('1').create(type='T1', note='old')
    file = tmp_path / 'any.csv'
    collection = xnat.select(path.format(project.id()))
    collection.to_sheet(file, ['ID', 'note'])
    uris = [row[0] for row in grid_of(file)[1:]]
    assert len(set(uris)) == len(uris), 'a shared session once'
    own = f'/data/experiments/{project.experiment("S1_MR").id()}'
    uri = f'{own}/scans/1' if 'scans' in path else own

    def change(grid: Grid) -> None:
        next(row for row in grid if row[0] == uri)[2] = 'new'

    edit(file, change)
    report = collection.apply_sheet(file).check()
    assert [row.uri for row in report.with_status('changed')] == [uri]
    assert xnat.select(uri.removeprefix('/data')).attrs.get('note') == 'new'


def test_cells_of_a_spreadsheet_program_are_understood(project: Any, tmp_path: Path) -> None:
    path, sessions = tmp_path / 'sessions.xlsx', project.experiments()
    sessions.to_sheet(path, ['label', 'date', 'note', 'fieldStrength'])

    def change(grid: Grid) -> None:
        set_cell(grid, 'S1_MR', 'date', datetime.datetime(2021, 3, 4))
        set_cell(grid, 'S1_MR', 'fieldStrength', 3)
        set_cell(grid, 'S2_MR', 'date', datetime.date(2020, 1, 2))
        set_cell(grid, 'S2_MR', 'note', 7.0)

    edit(path, change)
    book = openpyxl.load_workbook(path)
    row = next(row for row in book.worksheets[0].iter_rows() if row[1].value == 'S3_MR')
    row[2].value, row[3].value = '=TODAY()', '#REF!'
    row[3].data_type = 'e'
    book.save(path)
    report = project.apply_sheet(path)
    assert {row.label: row.status for row in report.rows} == {
        'S1_MR': 'changed',
        'S2_MR': 'changed',
        'S3_MR': 'refused',
    }
    assert values(sessions, 'date') == {
        'S1_MR': '2021-03-04',
        'S2_MR': '2020-01-02',
        'S3_MR': '2020-01-02',
    }
    assert values(sessions, 'note') == {'S1_MR': 'old', 'S2_MR': '7', 'S3_MR': 'old'}
    refused = report.with_status('refused')[0].message
    assert 'no program has computed' in refused and '#REF!' in refused


def test_a_csv_that_a_program_rewrote_changes_nothing(project: Any, tmp_path: Path) -> None:
    subjects, path = project.subjects(), tmp_path / 'subjects.csv'
    project.subject('S1').attrs.set('group', '007')
    project.subject('S2').attrs.set('group', '1E5')
    subjects.to_sheet(path, ['label', 'group', 'yob', 'insert_date'])

    def change(grid: Grid) -> None:
        set_cell(grid, 'S1', 'group', '7')
        set_cell(grid, 'S2', 'group', '1.00E+05')
        set_cell(grid, 'S3', 'group', 'edited')
        for row in grid[1:]:
            day = datetime.date.fromisoformat(row[4][:10])
            row[4] = f'{day:%d.%m.%Y}'

    edit(path, change)
    report = project.apply_sheet(path).check()
    assert values(subjects, 'group') == {'S1': '007', 'S2': '1E5', 'S3': 'edited'}
    assert '5 cells look rewritten' in str(report)


def test_statuses_are_written_beside(project: Any, tmp_path: Path) -> None:
    path = tmp_path / 'subjects.csv'
    project.subjects().to_sheet(path, ['label', 'group'])
    edit(path, lambda grid: set_cell(grid, 'S2', 'group', 'x'))
    project.apply_sheet(path).write(tmp_path / 'status.csv')
    grid = grid_of(tmp_path / 'status.csv')
    assert grid[0] == ['row', 'URI', 'label', 'status', 'message']
    assert {row[2]: row[3] for row in grid[1:]} == {
        'S1': 'unchanged',
        'S2': 'changed',
        'S3': 'unchanged',
    }


@pytest.fixture
def proxied(server: Any, tmp_path: Path) -> Iterator[tuple[FaultProxy, Any]]:
    """Return a proxy that can damage requests, and a project of four subjects through it."""
    with (
        FaultProxy(server.url) as proxy,
        pyxnat.Interface(
            proxy.url, server.user, server.password, tmp_path / 'cache', retries=0
        ) as interface,
    ):
        project = interface.select.project(f'SHEET_{next(_numbers)}').create()
        for number in range(4):
            project.subject(f'S{number}').create(group='g')
        yield proxy, project


def _all_groups(grid: Grid) -> None:
    for row in grid[1:]:
        row[grid[0].index('group')] = 'x'


def test_an_interrupted_apply_is_completed_by_another(
    proxied: tuple[FaultProxy, Any], tmp_path: Path
) -> None:
    proxy, project = proxied
    path = tmp_path / 'subjects.csv'
    project.subjects().to_sheet(path, ['label', 'group'])
    edit(path, _all_groups)
    proxy.applies = lambda method, uri: method == 'PUT' and len(proxy.writes) > writes + 1
    writes, proxy.faults = len(proxy.writes), [reset] * 9
    report = project.apply_sheet(path, jobs=1)
    assert Counter(row.status for row in report.rows) == {'changed': 2, 'failed': 2}
    proxy.faults.clear()
    report = project.apply_sheet(path).check()
    assert Counter(row.status for row in report.rows) == {'done before': 2, 'changed': 2}
    assert set(values(project.subjects(), 'group').values()) == {'x'}


def test_a_refused_request_is_the_failure_of_its_row(
    proxied: tuple[FaultProxy, Any], tmp_path: Path
) -> None:
    proxy, project = proxied
    path = tmp_path / 'subjects.csv'
    project.subjects().to_sheet(path, ['label', 'group'])
    edit(path, _all_groups)
    proxy.applies, proxy.faults = lambda method, uri: method == 'PUT', [says(403, b'no')]
    report = project.apply_sheet(path, jobs=1)
    assert [row.status for row in report.rows] == ['failed', 'changed', 'changed', 'changed']
    assert '403' in report.rows[0].message
    proxy.faults = [says(200, b'XNAT_S1', f'Set-Cookie: {MARK}')]  # does nothing
    report = project.apply_sheet(path)
    assert 'did not store group' in report.rows[0].message
    assert project.apply_sheet(path).check().rows[0].status == 'changed'


COUNT = 1000 if DEEP else 60


def test_many_sessions_take_the_requests_that_the_changes_need(
    xnat: pyxnat.Interface, other: pyxnat.Interface, tmp_path: Path
) -> None:
    project = xnat.select.project(f'SHEET_{next(_numbers)}').create()
    rows = [
        {
            'subject': 'S',
            'label': f'E{number}',
            'xsiType': 'xnat:mrSessionData',
            'note': f'n{number}',
        }
        for number in range(COUNT)
    ]
    project.subjects().experiments().insert(rows)
    path = tmp_path / 'sessions.xlsx'
    assert project.experiments().to_sheet(path, ['label', 'note', 'date']) == COUNT
    theirs = other.select(f'/projects/{project.id()}/experiments')
    for label in ('E0', 'E1', 'E2'):
        theirs[label].attrs.set('note', 'theirs')

    def change(grid: Grid) -> None:
        for number in range(50):
            set_cell(grid, f'E{number}', 'note', f'mine {number}')

    edit(path, change)
    with xnat.trace() as trace:
        report = project.apply_sheet(path)
    assert Counter(row.status for row in report.rows) == {
        'conflict': 3,
        'changed': 47,
        'unchanged': COUNT - 50,
    }
    assert Counter(request.method for request in trace) == {'PUT': 47, 'GET': 2}
    notes = values(project.experiments(), 'note')
    assert notes == {
        f'E{number}': 'theirs' if number < 3 else f'mine {number}' if number < 50 else f'n{number}'
        for number in range(COUNT)
    }


TEXTS = st.sampled_from(['', 'a', 'b', '=1+1', "'=x", '-', 'é "q", ;', 'a\nb', '007', ' x', '1E5'])
LABELS = ('S1', 'S2', 'S3')
EDITS = st.dictionaries(
    st.tuples(st.sampled_from(LABELS), st.sampled_from(['group', 'src'])), TEXTS
)


@settings(max_examples=40 if DEEP else 6)
@given(
    before=EDITS,
    mine=EDITS,
    theirs=EDITS,
    seed=st.integers(0, 99),
    suffix=st.sampled_from(['.csv', '.xlsx']),
)
def test_any_edits_are_applied_as_by_hand(
    sheet_project: Any, before: Any, mine: Any, theirs: Any, seed: int, suffix: str
) -> None:
    project, folder = sheet_project
    cells = [(label, column) for label in LABELS for column in ('group', 'src')]
    start = {cell: before.get(cell, '') for cell in cells}
    _put(project, start)
    path = folder / f'sheet{suffix}'
    project.subjects().to_sheet(path, ['label', 'group', 'src'])
    exported = dict(_read(project))
    _put(project, theirs)
    present = dict(_read(project))

    def change(grid: Grid) -> Grid:
        for (label, column), value in mine.items():
            set_cell(grid, label, column, _typed(value, suffix))
        body = grid[1:]
        random.Random(seed).shuffle(body)
        return [grid[0], *body]

    edit(path, change)
    report = project.apply_sheet(path)
    expected = dict(present)
    conflicts = set()
    for cell, value in mine.items():
        if value == exported[cell] or value == present[cell]:
            continue
        if suffix == '.csv' and _is_number(value) and _is_number(exported[cell]):
            continue
        if present[cell] == exported[cell]:
            expected[cell] = value
        else:
            conflicts.add(cell)
    assert {(row.label, cell.column) for row, cell in report.conflicts} == conflicts
    assert dict(_read(project)) == expected


@pytest.fixture(scope='module')
def sheet_project(xnat: pyxnat.Interface, tmp_path_factory: Any) -> Any:
    project = xnat.select.project('SHEET_ANY').create()
    for label in LABELS:
        project.subject(label).create()
    return project, tmp_path_factory.mktemp('sheets')


def _typed(value: str, suffix: str) -> str:
    """Return a text as a person types it into CSV: a formula after an apostrophe."""
    is_formula = suffix == '.csv' and value.lstrip("'").startswith(('=', '-'))
    return f"'{value}" if is_formula else value


def _is_number(text: str) -> bool:
    return text in ('007', '1E5')


def _put(project: Any, cells: Any) -> None:
    for (label, column), value in cells.items():
        project.subject(label).attrs.set(column, value)


def _read(project: Any) -> Any:
    for label, group, src in project.subjects().table(['label', 'group', 'src']).items():
        yield (label, 'group'), group
        yield (label, 'src'), src
