"""Tests of inserting many subjects and sessions from a table, with a request for each."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http.tracing import Trace

PEOPLE = [{'label': f'S{number}', 'gender': 'female', 'yob': 1980 + number} for number in range(6)]


@pytest.fixture
def subjects(project: Any, xnat: pyxnat.Interface) -> Any:
    xnat.cache.expiration = 0
    return project.subjects()


def writes(trace: Trace) -> list[str]:
    return [record.uri for record in trace if record.method != 'GET']


def table_of(project: Any) -> dict[str, tuple[str, str]]:
    rows = project._intf._get_json(f'{project._uri}/subjects?columns=label,gender,yob')
    return {row['label']: (row['gender'], row['yob']) for row in rows}


def test_a_subject_takes_one_request(subjects: Any, project: Any, xnat: pyxnat.Interface) -> None:
    with xnat.trace() as trace:
        report = subjects.insert(PEOPLE)
    assert report.is_complete and len(report.ok) == 6
    assert len(writes(trace)) == 6 and trace.requests == 7
    assert table_of(project) == {
        f'S{number}': ('female', str(1980 + number)) for number in range(6)
    }


def test_existing_subjects_are_kept_or_updated_as_the_argument_says(
    subjects: Any, project: Any, xnat: pyxnat.Interface
) -> None:
    subjects.insert(PEOPLE[:4])
    changed = [{**row, 'gender': 'male'} for row in PEOPLE]
    with xnat.trace() as trace, pytest.raises(errors.DuplicateError, match='4 exist already'):
        subjects.insert(changed, existing='error')
    assert writes(trace) == []
    with xnat.trace() as trace:
        report = subjects.insert(changed)
    assert (len(report.ok), len(report.skipped)) == (2, 4) and len(writes(trace)) == 2
    assert [gender for gender, _ in table_of(project).values()].count('male') == 2
    assert len(subjects.insert(changed, existing='update').ok) == 6
    assert {gender for gender, _ in table_of(project).values()} == {'male'}


def test_sessions_are_inserted_with_their_subjects(project: Any, xnat: pyxnat.Interface) -> None:
    xnat.cache.expiration = 0
    project.subject('S1').create()
    rows = [
        {'subject': 'S1', 'label': 'S1_MR', 'date': datetime.date(2020, 1, 2)},
        {'subject': 'S1', 'label': 'S1_PET', 'xsiType': 'xnat:petSessionData'},
        {'subject': 'S2', 'label': 'S2_MR', 'date': '2021-01-02'},
        {'subject': 'S2', 'label': 'S2_MR2', 'date': ''},
    ]
    sessions = project.subjects().experiments()
    with xnat.trace() as trace:
        assert sessions.insert(rows).is_complete
    assert len(writes(trace)) == 4  # the server creates S2 with its first session
    found = {one.label(): (one.datatype(), one.attrs.get('date')) for one in sessions}
    assert (
        found['S1_MR'] == ('xnat:mrSessionData', '2020-01-02')
        and found['S1_PET'][0] == 'xnat:petSessionData'
        and len(found) == 4
    )
    report = sessions.insert(
        [{'subject': 'S1', 'label': 'S1_PET', 'date': '2022-02-02'}], existing='update'
    )
    assert (
        len(report.ok) == 1
        and project.subject('S1').experiment('S1_PET').datatype() == 'xnat:petSessionData'
    )
    assert len(sessions.insert(rows).skipped) == 4


def test_scans_of_a_session_can_come_from_a_table(project: Any) -> None:
    session = project.subject('S').experiment('E').create()
    assert (
        session.scans().insert([{'ID': '1', 'type': 'T1'}, {'scan': '2', 'type': 'T2'}]).is_complete
    )
    assert {one.id(): one.attrs.get('type') for one in session.scans()} == {'1': 'T1', '2': 'T2'}


@pytest.mark.parametrize('is_there', [True, False])
def test_scans_of_one_session_are_sent_in_one_document_with_it(
    is_there: bool, project: Any, xnat: pyxnat.Interface
) -> None:
    xnat.cache.expiration = 0
    if is_there:
        project.subject('S').experiment('E').create(experiments='xnat:petSessionData', note='old')
    rows = [
        {
            'subject': 'S',
            'experiment': 'E',
            'scan': str(number),
            'type': f'T{number} & <more>',
            'xsiType': 'xnat:petScanData',
        }
        for number in range(7)
    ]
    with xnat.trace() as trace:
        assert len(project.subjects().experiments().scans().insert(rows).ok) == 7
    assert len(writes(trace)) == 1
    session = project.subject('S').experiment('E')
    assert (session.datatype(), session.attrs.get('note')) == (
        ('xnat:petSessionData', 'old') if is_there else ('xnat:mrSessionData', '')
    )
    assert {one.id(): (one.datatype(), one.attrs.get('type')) for one in session.scans()} == {
        row['scan']: ('xnat:petScanData', row['type']) for row in rows
    }


def test_one_invalid_scan_does_not_stop_the_others(project: Any) -> None:
    rows = [
        {
            'subject': 'S',
            'experiment': 'E',
            'scan': str(number),
            'frames': 'none' if number == 1 else '7',
        }
        for number in range(3)
    ]
    report = project.subjects().experiments().scans().insert(rows)
    assert len(report.ok) == 2 and [failure.what[-1] for failure in report.failed] == ['1']


def test_a_csv_file_and_a_data_frame_are_tables(
    subjects: Any, project: Any, tmp_path: Path
) -> None:
    pandas = pytest.importorskip('pandas')
    path = tmp_path / 'people.csv'
    path.write_text('\ufefflabel,gender,yob\nC1,female,1990\n"C2",,1991\n', encoding='utf-8')
    assert subjects.insert(path).is_complete
    frame = pandas.DataFrame(
        {
            'label': ['F1', 'F2'],
            'gender': ['male', None],
            'dob': pandas.to_datetime(['1990-05-06', None]),
        }
    )
    assert subjects.insert(frame).is_complete
    assert {name: gender for name, (gender, _) in table_of(project).items()} == {
        'C1': 'female',
        'C2': '',
        'F1': 'male',
        'F2': '',
    }
    assert subjects['F1'].attrs.get('dob') == '1990-05-06'


def test_a_refused_row_fails_and_the_others_are_inserted(subjects: Any, project: Any) -> None:
    report = subjects.insert(
        [
            {'label': 'GOOD'},
            {'label': 'not a label'},
            {'label': 'ALSO_GOOD', 'project': project.id(), 'yob': 1990.0},
        ]
    )
    assert set(table_of(project).items()) == {('GOOD', ('', '')), ('ALSO_GOOD', ('', '1990'))}
    assert [failure.what.rpartition('/')[2] for failure in report.failed] == ['not%20a%20label']


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([{'gender': 'male'}], 'row 1 names no subject'),
        ([{'label': 'A'}, {'label': 'A'}], 'rows 1 and 2'),
        (
            [{'label': 'A', 'experiment': 'E'}],
            'row 1: the column experiment names nothing above a subject',
        ),
        ([{'subject': 'A', 'label': 'B'}], 'row 1: label is B, but the element is A'),
        ([{'label': 'A', 'project': 'ANOTHER'}], 'row 1: project is ANOTHER, but'),
        (
            [{'label': 'A'}, {'label': 'B', 'nothing_like_it': '1'}],
            "'nothing_like_it' is no short name",
        ),
        ([{'label': 'A', 'insert_date': '2020-01-02'}], 'read-only'),
        ({'label': 'A', 'gender': 'male'}, 'rows of the table are not mappings'),
        (['label', 'gender'], 'rows of the table are not mappings'),
    ],
)
def test_a_missing_column_is_an_error_before_any_request(
    rows: Any, message: str, subjects: Any, xnat: pyxnat.Interface
) -> None:
    with (
        xnat.trace() as trace,
        pytest.raises((errors.DataError, errors.ProgrammingError), match=message),
    ):
        subjects.insert(rows)
    assert trace.requests == 0


def test_a_table_needs_a_destination(project: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='where to insert'):
        project.subjects().where([('xnat:subjectData/GENDER', '=', 'male')]).insert(PEOPLE)
    with pytest.raises(errors.ProgrammingError, match='perhaps'):
        project.subjects().insert(PEOPLE, existing='perhaps')
    with pytest.raises(errors.DataError, match='does not fit'):
        project.subjects('S*').insert([{'label': 'T1'}])


@pytest.mark.parametrize(
    ('header', 'name'),
    [
        ('Label,GENDER,Yob', 'label'),
        ('SUBJECT,gender,yob', 'subject'),
        ('LABEL;Gender;YOB', 'capitals'),
        (' label ,gender , yob', 'blanks'),
    ],
)
def test_names_of_columns_are_found_whatever_their_case(
    header: str, name: str, subjects: Any, project: Any, tmp_path: Path
) -> None:
    path = tmp_path / f'{name}.csv'
    row = ';'.join(('A1', 'female', '1990')) if ';' in header else 'A1,female,1990'
    path.write_text(f'{header}\n{row}\n', encoding='utf-8')
    assert subjects.insert(path).is_complete
    assert table_of(project) == {'A1': ('female', '1990')}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'label,gender\nA,female\nB,male,3\n', r'row 2 \(line 3\) has 3 cells'),
        (b'label,gender,gender\nA,female,male\n', 'more than once'),
        (b'label,Label\nA,B\n', r'row 1 \(line 2\) has two columns for label'),
        ('label,group\nA,Zürich\n'.encode('cp1252'), 'line 2 is not UTF-8'),
        (b'gender\nfemale\n', r'row 1 \(line 2\) names no subject'),
        (b'label,gender\n\nA,female\nA,male\n', r'rows 1 \(line 3\) and 2 \(line 4\) are both'),
        (b'', 'is empty'),
    ],
)
def test_a_damaged_csv_file_is_an_error_before_any_request(
    content: bytes, message: str, subjects: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    path = tmp_path / 'people.csv'
    path.write_bytes(content)
    with xnat.trace() as trace, pytest.raises(errors.DataError, match=message):
        subjects.insert(path)
    assert trace.requests == 0


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ([{'label': 'A'}, {'label': 'B', None: ['5']}], r"row 2: \['5'\] is for no column"),
        ([{'label': 'A', 'group': ['x', 'y']}], 'row 1: .* is for the column group'),
        ([{'label': 'A', 'group': {'x'}}], 'row 1: .* is for the column group'),
        ([{'label': 'A', 'group': 'x', 'group ': 'y'}], 'row 1 has two columns of one name'),
    ],
)
def test_cells_without_a_place_are_an_error_before_any_request(
    rows: Any, message: str, subjects: Any, xnat: pyxnat.Interface
) -> None:
    with xnat.trace() as trace, pytest.raises(errors.DataError, match=message):
        subjects.insert(rows)
    assert trace.requests == 0


def test_a_data_frame_loses_no_column_and_may_lack_values(subjects: Any, project: Any) -> None:
    pandas = pytest.importorskip('pandas')
    twice = pandas.DataFrame([['A', 'male', 'female']], columns=['label', 'gender', 'gender'])
    with pytest.raises(errors.DataError, match='gender more than once'):
        subjects.insert(twice)
    frame = pandas.DataFrame(
        {'Label': ['A', 'B'], 'yob': pandas.array([1990, pandas.NA], dtype='Int64')}
    )
    assert subjects.insert(frame).is_complete
    assert table_of(project) == {'A': ('', '1990'), 'B': ('', '')}
