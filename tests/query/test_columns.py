"""Tests of columns of tables, without a server: their levels, their requests, the joined rows."""

from __future__ import annotations

import pytest

from pyxnat.errors import ProgrammingError
from pyxnat.query.paths import parse
from pyxnat.query.plan import (
    Column,
    Found,
    JoinSubjects,
    ListLevel,
    ListSessions,
    columns_of,
    plan,
    wanted_columns,
)
from pyxnat.tables.table import Row


def columns(text: str, *names: str) -> list[tuple[str, str]]:
    return [(column.level, column.requested) for column in columns_of(parse(text).paths, names)]


@pytest.mark.parametrize(
    ('text', 'name', 'expected'),
    [
        ('/projects/P/experiments/*', 'date', ('experiments', 'date')),
        ('/projects/P/experiments/*', 'age', ('subjects', 'age')),
        ('/projects/P/experiments/*', 'label', ('experiments', 'label')),
        ('/projects/P/experiments/*', 'project', ('experiments', 'project')),
        ('/projects/P/experiments/*', 'subject/label', ('subjects', 'label')),
        ('/projects/P/experiments/*', 'subjects/label', ('subjects', 'label')),
        ('/projects/P/experiments/*', 'project/name', ('projects', 'name')),
        ('/projects/P/experiments/*', 'name', ('projects', 'name')),
        (
            '/projects/P/experiments/*',
            'xnat:subjectData/group',
            ('subjects', 'xnat:subjectData/group'),
        ),
        (
            '/projects/P/experiments/*',
            'subject/xnat:subjectData/group',
            ('subjects', 'xnat:subjectData/group'),
        ),
        (
            '/projects/P/experiments/*',
            'xnat:mrSessionData/fieldStrength',
            ('experiments', 'xnat:mrSessionData/fieldStrength'),
        ),
        (
            '/projects/P/experiments/*',
            'my:sessionThings/field',
            ('experiments', 'my:sessionThings/field'),
        ),
        (
            '/projects/P//assessors',
            'xnat:mrSessionData/fieldStrength',
            ('experiments', 'xnat:mrSessionData/fieldStrength'),
        ),
        (
            '/projects/P//assessors',
            'xnat:qcManualAssessorData/pass',
            ('assessors', 'xnat:qcManualAssessorData/pass'),
        ),
        ('/projects/P//scans', 'type', ('scans', 'type')),
        ('/projects/P//scans', 'handedness', ('subjects', 'handedness')),
        ('/projects/P//files', 'Size', ('files', 'Size')),
        ('/projects/P//files', 'path', ('files', 'path')),
        ('/projects/P//files', 'scan/quality', ('scans', 'quality')),
        ('/projects/P//files', 'resource/label', ('resources', 'label')),
        ('/projects/*', 'keywords', ('projects', 'keywords')),
    ],
)
def test_a_name_belongs_to_the_elements_or_to_the_nearest_level_above(
    text: str, name: str, expected: tuple[str, str]
) -> None:
    assert columns(text, name) == [expected]


@pytest.mark.parametrize(
    ('text', 'name'),
    [
        ('/projects/P/experiments/*', 'Label'),
        ('/projects/P/experiments/*', 'scan/type'),
        ('/projects/P/experiments/*', 'subject/nope'),
        ('/projects/P/experiments/*', 'xnat:mrScanData/frames'),
        ('/projects/*', 'age'),
        ('/projects/*', 'xnat:subjectData/group'),
        ('/projects/P/subjects/*', ''),
        ('/projects/P/subjects/*', 'subject/'),
    ],
)
def test_an_unknown_column_is_an_error_that_names_it(text: str, name: str) -> None:
    with pytest.raises(ProgrammingError, match=f'{name!r}.*Columns of'):
        columns(text, name)


def test_a_single_name_is_not_split_into_letters() -> None:
    with pytest.raises(
        ProgrammingError, match=r"'label' is one name, not a list of names. Pass \['label'\]"
    ):
        columns_of(parse('/projects/P/experiments/*').paths, 'label')


def test_a_column_is_requested_once_and_from_the_levels_of_its_route() -> None:
    routes = parse('/projects/P//files').paths
    found = columns_of(routes, ['path', 'scan/type', 'subject/age', 'path'])
    assert [column.name for column in found] == ['path', 'scan/type', 'subject/age']
    wanted = [wanted_columns(found, route) for route in routes]
    assert (
        {} in wanted
        and {'scans': ('type',), 'subjects': ('age',)} in wanted
        and {'subjects': ('age',)} in wanted
    )


def test_full_paths_come_back_in_lower_case() -> None:
    assert Column('a', 'subjects', 'xnat:subjectData/group').key == 'xnat:subjectdata/group'
    assert Column('a', 'experiments', 'fieldStrength').key == 'fieldStrength'


# -- requests


def requests(text: str, *names: str) -> list[str]:
    (path,) = parse(text).paths
    stages = plan(path, columns=wanted_columns(columns_of([path], names), path))
    return [
        uri
        for stage in stages
        if stage.has_requests
        for uri in stage.requests(Found('/data/projects/P/experiments/E', {'subject_ID': 'S'}))
    ]


def test_common_columns_come_with_the_listing_and_others_with_a_listing_of_their_type() -> None:
    uri = '/data/projects/P/experiments/E/experiments'
    own = 'ID,project,date,xsiType,label,insert_date'
    assert requests('/projects/P/experiments/*', 'label', 'date') == [uri]
    assert requests('/projects/P/experiments/*', 'note', 'xnat:experimentData/time') == [
        f'{uri}?columns={own},note,xnat:experimentData/time'
    ]
    assert requests(
        '/projects/P/experiments/*',
        'fieldStrength',
        'xnat:mrSessionData/coil',
        'xnat:petSessionData/tracer/name',
    ) == [
        uri,
        f'{uri}?xsiType=xnat:mrSessionData&columns=ID,fieldStrength,xnat:mrSessionData/coil',
        f'{uri}?xsiType=xnat:petSessionData&columns=ID,xnat:petSessionData/tracer/name',
    ]


def test_a_name_of_two_types_is_requested_from_both() -> None:
    asked = requests('/projects/P/experiments/*', 'stabilization')
    assert [uri.partition('xsiType=')[2].partition('&')[0] for uri in asked[1:]] == [
        'xnat:petSessionData',
        'xnat:mrSessionData',
    ]


def test_a_literal_name_above_is_looked_up_if_a_column_of_it_is_requested() -> None:
    assert requests('/projects/P/subjects/S/resources/*', 'label') == [
        '/data/projects/P/experiments/E/resources'
    ]
    assert len(requests('/projects/P/subjects/S/resources/*', 'subject/age')) == 2


def test_subjects_are_joined_to_experiments_whose_path_skips_them() -> None:
    (path,) = parse('/projects/P/experiments/*').paths
    wanted = wanted_columns(columns_of([path], ['age']), path)
    stages = plan(path, columns=wanted)
    assert [type(stage) for stage in stages[1:]] == [ListLevel, JoinSubjects]
    assert 'subject_ID' in stages[1].requests(Found('/data/projects/P'))[0]
    (path,) = parse('/projects/P/subjects/*/experiments/*').paths
    assert [type(stage) for stage in plan(path, columns=wanted)[1:]] == [ListSessions]


# -- joined responses


def session(number: int, **more: str) -> Row:
    return {
        'ID': f'E{number}',
        'label': f'L{number}',
        'subject_ID': f'S{number}',
        'xsiType': 'xnat:mrSessionData',
        **more,
    }


def test_responses_are_joined_by_id() -> None:
    step = parse('/projects/P/experiments/*').paths[0][1:]
    stage = ListLevel(
        step, None, {'experiments': ('note', 'fieldStrength', 'xnat:mrSessionData/scans/scan/type')}
    )
    typed = {'xnat:mrsessiondata/scans/scan/type': 'T1', 'fieldStrength': '3.0'}
    tables: list[list[Row]] = [
        [session(1, note='a'), session(2, note='')],
        [
            {'ID': 'E1', **typed},
            {'ID': 'E1', **typed, 'xnat:mrsessiondata/scans/scan/type': 'T2'},
            {'ID': 'E9', **typed},
        ],
    ]
    first, second = stage.rows(Found('/data/projects/P'), tables)
    assert (
        first.row['note'],
        first.row['fieldStrength'],
        first.row['xnat:mrsessiondata/scans/scan/type'],
    ) == ('a', '3.0', ['T1', 'T2'])
    assert (second.row['fieldStrength'], second.row['xnat:mrsessiondata/scans/scan/type']) == (
        '',
        '',
    )


def test_a_missing_column_is_an_error_that_names_it() -> None:
    step = parse('/projects/P/experiments/*').paths[0][1:]
    stage = ListLevel(step, None, {'experiments': ('visit', 'coil')})
    with pytest.raises(ProgrammingError, match='visit'):
        list(stage.rows(Found('/data/projects/P'), [[session(1)], []]))
    with pytest.raises(ProgrammingError, match='coil'):
        list(stage.rows(Found('/data/projects/P'), [[session(1, visit='1')], [{'ID': 'E1'}]]))
    assert list(stage.rows(Found('/data/projects/P'), [[], []])) == []


def test_subjects_are_requested_with_the_experiments_and_by_their_ids() -> None:
    join = JoinSubjects((), None, {'subjects': ('age',)})
    beside, named = join.beside('/data/projects/P'), join.named(['S0', 'S2'])
    assert beside[0].startswith('/data/projects/P/subjects?columns=') and named[0].startswith(
        '/data/subjects?ID=S0,S2&columns='
    )
    assert beside[0].endswith(',age') and named[0].endswith(',age')
    row = {'ID': 'S1', 'age': '9'}
    assert [*join.subjects([[row]])] == [('S1', row)]
