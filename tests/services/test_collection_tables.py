"""Tests of tables of collections: columns of elements and of levels above, shared items, all
types."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.tables.table import JsonTable

AGE = 'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/age'


@pytest.fixture(scope='module')
def xnat(server: Any, tmp_path_factory: Any) -> Iterator[pyxnat.Interface]:
    """Create the project OWN with an MR session, a PET session and an assessor.

    The MR session is also in GUEST, under another label and without its subject.
    """
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path_factory.mktemp('cache')
    ) as interface:
        interface.select.project('GUEST').create()
        subject = (
            interface.select.project('OWN')
            .create(name='The owner')
            .subject('S')
            .create(age=42, gender='female')
        )
        mr = subject.experiment('MR').create(
            experiments='xnat:mrSessionData',
            **{'xnat:mrSessionData/fieldStrength': '3.0', 'note': 'seen'},
        )
        for scan, kind in (('1', 'T1'), ('2', 'T2')):
            mr.scan(scan).create(
                type=kind, quality='usable', **{'xnat:mrScanData/parameters/tr': '2.0'}
            )
        mr.scan('1').resource('NIFTI').file('a b.nii').put(b'image')
        mr.assessor('QC').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        )
        subject.experiment('PET').create(
            experiments='xnat:petSessionData', **{'xnat:petSessionData/tracer/name': 'FDG'}
        )
        mr.share('GUEST', label='VISITOR')
        yield interface


def rows(table: JsonTable) -> list[tuple[Any, ...]]:
    return table.items()


def test_columns_of_elements_and_of_levels_above_are_in_one_row(xnat: pyxnat.Interface) -> None:
    names = [
        'label',
        'project',
        'project/name',
        'subject/label',
        'age',
        'note',
        'fieldStrength',
        'xnat:petSessionData/tracer/name',
    ]
    for path in (
        '/projects/OWN/experiments',
        '/projects/OWN/subjects/*/experiments',
        '/projects/OWN/subjects/S/experiments',
    ):
        table = xnat.select(path).table(names)
        assert table.headers() == names
        assert sorted(rows(table)) == [
            ('MR', 'OWN', 'The owner', 'S', '42', 'seen', '3.0', ''),
            ('PET', 'OWN', 'The owner', 'S', '42', '', '', 'FDG'),
        ]


def test_a_shared_session_has_the_label_of_the_project_and_the_age_of_its_subject(
    xnat: pyxnat.Interface,
) -> None:
    table = xnat.select('/projects/GUEST/experiments').table(
        ['label', 'project', 'subject/age', AGE]
    )
    assert rows(table) == [('VISITOR', 'GUEST', '42', '42')]


def test_columns_have_the_requested_order(xnat: pyxnat.Interface) -> None:
    names = ['age', 'note', 'project/name', 'label', 'subject/label', 'xsiType']
    sessions = xnat.select('/projects/OWN/experiments')
    assert [list(row) for row in sessions.rows(names)] == [names] * 2
    assert ['42', 'seen', 'The owner', 'MR', 'S', 'xnat:mrSessionData'] in sessions.mget(names)
    assert (
        sessions.mget(['subject/age']) == [['42'], ['42']]
        and sessions.mget(['project/name']) == [['The owner']] * 2
    )


def test_subjects_of_shared_sessions_are_requested_by_id_fifty_at_once(
    xnat: pyxnat.Interface,
) -> None:
    host = xnat.select.project('HOST').create()
    home = xnat.select.project('HOME').create()
    for number in range(60):
        owner = home if number % 4 else host
        session = (
            owner.subject(f'S{number:02}')
            .create(age=number)
            .experiment(f'E{number:02}')
            .create(experiments='xnat:mrSessionData')
        )
        if owner is home:
            session.share('HOST')
    xnat.cache.expiration = 0
    with xnat.trace() as trace:
        table = xnat.select('/projects/HOST/experiments').table(['label', 'subject/age'])
    assert sorted(rows(table)) == [(f'E{number:02}', f'{number}') for number in range(60)]
    assert trace.requests == 3
    with xnat.trace() as trace:
        assert (
            len(xnat.select('/projects/HOST/experiments/NONE*').table(['label', 'subject/age']))
            == 0
        )
    assert trace.requests == 1
    xnat.cache.expiration = 1.0


def test_a_repeated_path_gives_a_list(xnat: pyxnat.Interface) -> None:
    path = 'xnat:mrSessionData/scans/scan/type'
    table = xnat.select('/projects/OWN/experiments').table(['label', path])
    assert sorted((label, sorted(types)) for label, types in rows(table)) == [
        ('MR', ['T1', 'T2']),
        ('PET', []),
    ]
    session = next(
        one
        for one in xnat.select('/projects/OWN/experiments').with_columns(path)
        if one.label() == 'MR'
    )
    assert sorted(session.attrs.get(path)) == ['T1', 'T2'] and session.attrs.get(
        path
    ) == xnat.select(f'/experiments/{session.id()}').attrs.get(path)


def test_tables_of_scans_assessors_resources_and_files(xnat: pyxnat.Interface) -> None:
    scans = xnat.select('/projects/OWN//scans').table(
        ['experiment/label', 'ID', 'type', 'gender', 'xnat:mrScanData/parameters/tr']
    )
    assert sorted(row[:4] for row in rows(scans)) == [
        ('MR', '1', 'T1', 'female'),
        ('MR', '2', 'T2', 'female'),
    ]
    assert {float(tr) for tr in scans.get('xnat:mrScanData/parameters/tr')} == {2.0}
    assessors = xnat.select('/projects/OWN//assessors').table(
        ['label', 'xsiType', 'experiment/note']
    )
    assert rows(assessors) == [('QC', 'xnat:qcManualAssessorData', 'seen')]
    resources = xnat.select('/projects/OWN//scans/1/resources').table(['label', 'scan/quality'])
    assert rows(resources) == [('NIFTI', 'usable')]
    files = xnat.select('/projects/OWN//files').table(
        ['path', 'Size', 'resource/label', 'scan/type', 'subject/age']
    )
    assert rows(files) == [('a b.nii', '5', 'NIFTI', 'T1', '42')]


def test_without_names_a_table_has_the_columns_of_the_listing(xnat: pyxnat.Interface) -> None:
    table = xnat.select('/projects/OWN/subjects').table()
    assert table.headers() == ['ID', 'label', 'project', 'insert_date', 'insert_user']
    assert [row['label'] for row in xnat.select('/projects/OWN/subjects').rows()] == ['S']
    assert xnat.select('/projects/OWN//files').table().get('path') == 'a b.nii'


def test_an_empty_table_has_its_columns(xnat: pyxnat.Interface) -> None:
    table = xnat.select('/projects/OWN/subjects/NOBODY*').table(['label', 'age'])
    assert len(table) == 0 and table.headers() == ['label', 'age']
    assert xnat.select('/projects/OWN/subjects/NOBODY*').mget(['label']) == []


def test_values_have_the_requested_order_and_equal_those_of_attrs(xnat: pyxnat.Interface) -> None:
    sessions = xnat.select('/projects/OWN/experiments')
    values = sessions.mget(['note', 'label'])
    assert values == [session.attrs.mget(['note', 'label']) for session in sessions] and sorted(
        values
    ) == [['', 'PET'], ['seen', 'MR']]


@pytest.mark.parametrize(
    ('name', 'named', 'error'),
    [
        ('colour', "'colour'", errors.ProgrammingError),
        ('scan/type', "'scan/type'", errors.ProgrammingError),
        (
            'xnat:mrSessionData/colour',
            'colour',
            errors.DataError,
        ),  # a query that fails inside XNAT, which returns an empty body
        ('xnat:subjectData/colour', 'colour', errors.InternalError),
    ],
)
def test_an_unknown_column_is_an_error_that_names_it(
    xnat: pyxnat.Interface, name: str, named: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=named):
        xnat.select('/projects/OWN/experiments').table(['label', name])


@pytest.mark.parametrize(
    ('names', 'remedy'),
    [
        ('label', r"Pass \['label'\]"),
        (['Label'], "'label'"),
        (['subject/Age'], "'age'"),
        (['subject/shoe'], 'Columns of subjects: .* handedness'),
        (['scan/shoe'], 'Columns of experiments'),
    ],
)
def test_the_error_of_an_unknown_column_suggests_others(
    xnat: pyxnat.Interface, names: Any, remedy: str
) -> None:
    sessions = xnat.select('/projects/OWN/experiments')
    for ask in (sessions.table, sessions.rows, sessions.mget):
        with pytest.raises(errors.ProgrammingError, match=remedy):
            ask(names)


def test_columns_are_part_of_a_collection(xnat: pyxnat.Interface) -> None:
    sessions = xnat.select('/projects/OWN/experiments')
    knowing = sessions.with_columns('note', 'age')
    assert knowing != sessions and knowing == sessions.with_columns('note').with_columns('age')
    assert 'age' in knowing.explain() and 'age' not in sessions.explain()
    again = pickle.loads(pickle.dumps(knowing))
    assert again._columns == ('note', 'age') and again.table().headers() == ['note', 'age']
    kept = knowing.where([('xnat:mrSessionData/LABEL', '=', 'MR')], level='experiment')
    assert rows(kept.table()) == [('seen', '42')]


def test_get_accepts_datatype(xnat: pyxnat.Interface) -> None:
    assert sorted(xnat.select('/projects/OWN/experiments').get('label', 'datatype')) == [
        ('MR', 'xnat:mrSessionData'),
        ('PET', 'xnat:petSessionData'),
    ]
