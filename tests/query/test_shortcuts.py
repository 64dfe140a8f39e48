"""Tests of short cuts for several elements at once: their requests and results. No server."""

from __future__ import annotations

from typing import Any

import pytest

from pyxnat.errors import UnexpectedAnswer
from pyxnat.model import uris
from pyxnat.query.paths import Path, parse
from pyxnat.query.plan import (
    SHORT_CUTS,
    Found,
    KeepWhereAny,
    ListDerivedFiles,
    ListFiles,
    ListLevel,
    ListOwnFiles,
    ListScansTogether,
    Stage,
    explain,
    first_requests,
    plan,
    plans,
)
from pyxnat.tables.table import Row


def tail(text: str, levels: int) -> Path:
    (path,) = parse(text).paths
    return path[-levels:]


def session(number: int, above: str = '/data/projects/P/subjects/S') -> Found:
    return Found(
        f'{above}/experiments/E{number}',
        {'ID': f'E{number}', 'label': f'L{number}', 'project': 'P'},
        True,
        {},
        'experiments',
    )


def file_row(experiment: str, path: str, scan: str = '') -> Row:
    holder = (
        f'/data/experiments/{experiment}/scans/{scan}'
        if scan
        else f'/data/experiments/{experiment}'
    )
    return {
        'Name': path.rpartition('/')[2],
        'URI': f'{holder}/resources/7/files/{uris.quote_path(path)}',
        'cat_ID': '7',
        'collection': 'R',
    }


FILES = tail('/experiments/*/scans/*/resources/*/files/*', 3)
OWN_FILES = tail('/experiments/*/resources/*/files/*', 2)
SCANS = tail('/experiments/*/scans/*', 1)


def test_lists_have_at_most_fifty_ids_and_a_limited_length() -> None:
    stage = ListFiles(FILES)
    units = list(stage.batches([session(number) for number in range(120)]))
    assert [len(unit) for unit in units] == [50, 50, 20]
    long = [
        Found('/data/experiments/x', {'ID': f'{number:0200}'}, True, {}, 'experiments')
        for number in range(30)
    ]
    units = list(stage.batches(long))
    assert [found for unit in units for found in unit] == long
    assert all(len(stage.batch_requests(unit)[0]) < 2100 for unit in units)


def test_files_of_several_sessions_are_requested_by_id_and_returned_in_order() -> None:
    stage = ListFiles(FILES)
    unit = [session(2), session(1), session(3)]
    assert stage.batch_requests(unit) == ('/data/experiments/E2,E1,E3/scans/ALL/files',)
    table = [file_row('E1', 'a', '1'), file_row('E2', 'b/c d', '1'), file_row('E1', 'd', '2')]
    second, first, third = stage.batch_rows(unit, [table])
    assert [found.uri for found in second or ()] == [
        '/data/projects/P/subjects/S/experiments/E2/scans/1/resources/7/files/b/c%20d'
    ]
    assert [found.row['path'] for found in first or ()] == ['a', 'd'] and third == []
    assert [found.row['URI'] for found in first or ()] == [found.uri for found in first or ()]


def test_the_same_session_in_two_projects_is_requested_once_and_returned_twice() -> None:
    stage = ListFiles(FILES)
    unit = [session(1), session(1, '/data/projects/Q/subjects/S')]
    assert stage.batch_requests(unit) == ('/data/experiments/E1/scans/ALL/files',)
    first, second = stage.batch_rows(unit, [[file_row('E1', 'a', '1')]])
    assert (
        first
        and second
        and first[0].uri.startswith('/data/projects/P/')
        and second[0].uri.startswith('/data/projects/Q/')
    )


@pytest.mark.parametrize('row', [file_row('E9', 'a', '1'), file_row('E1,E2', 'a', '1')])
def test_a_file_of_another_element_makes_the_short_cut_fail(row: Row) -> None:
    with pytest.raises(UnexpectedAnswer):
        ListFiles(FILES).batch_rows([session(1), session(2)], [[row]])


def test_a_literal_resource_is_requested_by_its_name() -> None:
    for name, asked in (
        ('R_1', '/resources/R_1'),
        ('R 1', ''),
    ):  # a name that XNAT stores in another form is looked up among all
        stage = ListOwnFiles(tail(f'/experiments/*/resources/{name}/files/*', 2))
        assert stage.batch_requests([session(1), session(2)]) == (
            f'/data/experiments/E1,E2{asked}/files',
        )


def test_files_are_listed_by_session_if_more_of_the_scans_is_needed() -> None:
    assert (
        ListFiles(FILES).batch_size,
        ListFiles(FILES, None, {'scans': ('type',)}).batch_size,
    ) == (50, 1)


def test_files_of_experiments_of_a_project_are_requested_below_the_site() -> None:
    assert ListOwnFiles(OWN_FILES).requests(session(1, '/data/projects/P')) == (
        '/data/experiments/E1/files',
    )


DERIVED = tail('/experiments/*/assessors/*/resources/*/files/*', 3)


def derived_row(
    resource: str, direction: str = '', above: str = '/data/experiments/E1/assessors/A1'
) -> Row:
    return {
        'Name': 'f',
        'URI': f'{above}{direction}/resources/{resource}/files/f',
        'cat_ID': resource,
        'collection': 'R',
    }


def test_files_of_all_assessors_are_those_of_their_listed_resources() -> None:
    stage, at = ListDerivedFiles(DERIVED), session(1)
    assert stage.requests(at) == (
        f'{at.uri}/assessors/ALL/files',
        f'{at.uri}/assessors/ALL/resources',
    )
    rows = [
        derived_row('1'),
        derived_row('2', '/out'),
        derived_row('9', above='/data/projects/P/subjects/S'),
    ]  # the last one: if there is no assessor
    own, mixed = ([{'xnat_abstractresource_id': resource}] for resource in '12')
    assert [found.uri for found in stage.rows(at, [rows, own])] == [
        f'{at.uri}/assessors/A1/resources/1/files/f'
    ]
    assert [found.uri for found in stage.rows(at, [rows, mixed])] == [
        f'{at.uri}/assessors/A1/resources/2/files/f'
    ]
    with pytest.raises(UnexpectedAnswer):
        list(stage.rows(at, [[derived_row('1', above='/data/experiments/E1')], own]))


@pytest.mark.parametrize(
    ('text', 'asked'),
    [
        ('in/resources/*', 'in/files'),
        ('out/resources/R', 'out/resources/R/files'),
        ('resources/R', 'resources/R/files'),
    ],
)
def test_both_sides_of_assessors_with_a_literal_resource_take_one_listing(
    text: str, asked: str
) -> None:
    stage, at = ListDerivedFiles(tail(f'/experiments/*/assessors/*/{text}/files/*', 3)), session(1)
    assert stage.requests(at) == (f'{at.uri}/assessors/ALL/{asked}',)


def scan_row(experiment: str, name: str, kind: str = 'T1') -> Row:
    base = 'xnat:imagesessiondata/scans/scan'
    names = ['quality', 'note', 'series_description']
    cells = {
        'id': name,
        'xnat_imagescandata_id': f'{experiment}.{name}',
        'type': kind,
        'extension_item/element_name': 'xnat:mrScanData',
        **dict.fromkeys(names, ''),
    }
    return {'ID': experiment, **{f'{base}/{path}': value for path, value in cells.items()}}


@pytest.mark.parametrize('table', [list, tuple], ids=['short', 'long'])
def test_scans_of_a_project_belong_to_the_walked_sessions(table: type[Any]) -> None:
    rows = [
        scan_row('E1', '1'),
        scan_row('E9', '1'),
        scan_row('E1', '2', 'T2'),  # apart from the other of its session
        scan_row('E3', ''),
    ]
    stage = ListScansTogether(SCANS)
    unit = [session(1), session(2), session(3)]
    assert stage.batch_requests(unit)[0].startswith(
        '/data/projects/P/experiments?xsiType=xnat:imageSessionData&columns=ID,'
    )
    first, second, third = [
        part if part is None else list(part) for part in stage.batch_rows(unit, [table(rows)])
    ]
    assert [found.uri for found in first or ()] == [
        f'/data/projects/P/subjects/S/experiments/E1/scans/{name}' for name in '12'
    ]
    assert first and first[1].row['type'] == 'T2' and first[1].row['xsiType'] == 'xnat:mrScanData'
    assert (
        second is None and third == []
    )  # not in the listing: requested by itself; in the listing: it has none


LOOK = 'xsiType=xnat:imageSessionData&columns=ID,label,' + ','.join(
    f'xnat:imageSessionData/{path}/ID'
    for path in ('assessors/assessor', 'reconstructions/reconstructedImage')
)


def any_row(identity: str, label: str, assessor: str = '', reconstruction: str = '') -> Row:
    path = 'xnat:imagesessiondata/{}/id'.format
    return {
        'ID': identity,
        'label': label,
        path('assessors/assessor'): assessor,
        path('reconstructions/reconstructedimage'): reconstruction,
    }


def test_one_listing_shows_which_sessions_have_assessors_or_reconstructions() -> None:
    assessors, reconstructions = (KeepWhereAny(level) for level in ('assessors', 'reconstructions'))
    unit = [session(1), session(2), session(3)]
    assert (
        assessors.batch_requests(unit)
        == reconstructions.batch_requests(unit)
        == (f'/data/projects/P/subjects/S/experiments?{LOOK}',)
    )
    table = [any_row('E1', 'L1'), any_row('E2', 'L2', 'A'), any_row('E2', 'L2', '', 'R')]
    assert (
        assessors.batch_rows(unit, [table])
        == reconstructions.batch_rows(unit, [table])
        == [[], [unit[1]], [unit[2]]]
    )  # the last one is not in the listing
    assert reconstructions.batch_rows(unit[1:2], [[any_row('E2', 'L2', 'A')]]) == [[]]
    elsewhere = session(4, '/data/projects/P/subjects/T')
    assert assessors.batch_requests([*unit, elsewhere]) == (f'/data/projects/P/experiments?{LOOK}',)
    assert assessors.batch_requests([session(1, '/data')]) == (
        f'/data/projects/P/experiments?{LOOK}',
    )


def test_a_session_by_name_is_looked_up_by_id_and_label() -> None:
    stage = KeepWhereAny('assessors', for_one=True)
    named, by_id = (
        Found('/data/projects/P/subjects/S/experiments/L1'),
        Found('/data/experiments/E1'),
    )
    assert stage.requests(named) == (f'/data/projects/P/subjects/S/experiments?{LOOK}',)
    assert stage.requests(by_id) == (f'/data/experiments?ID=E1&{LOOK}',)
    table = [
        any_row('E1', 'L1', assessor='A1'),
        any_row('E1', 'L1', assessor='A2'),
        any_row('E2', 'L2'),
    ]
    for name, kept in (('E1', True), ('L1', True), ('E2', False), ('L2', False), ('E3', True)):
        at = Found(f'/data/projects/P/subjects/S/experiments/{name}')
        assert list(stage.rows(at, [table])) == ([at] if kept else [])
    mixed = [any_row('E1', 'E2', assessor='A1'), any_row('E2', 'L2')]
    at = Found('/data/projects/P/subjects/S/experiments/E2')
    assert list(stage.rows(at, [mixed])) == [at]


def test_subjects_without_resources_are_skipped() -> None:
    stage = KeepWhereAny('resources')
    unit = [
        Found(f'/data/projects/P/subjects/S{number}', {'ID': f'S{number}'}, True, {}, 'subjects')
        for number in range(4)
    ]
    path = 'xnat:subjectData/resources/resource'
    columns = f'ID,label,{path}/label,{path}/xnat_abstractResource_id'
    assert stage.batch_requests(unit) == (f'/data/projects/P/subjects?columns={columns}',)
    cells = [('S0', '', ''), ('S1', 'R', '1'), ('S2', '', '2')]
    table = [
        dict(
            zip(
                columns.lower().replace('id,', 'ID,', 1).split(','),
                [name, name, *rest],
                strict=True,
            )
        )
        for name, *rest in cells
    ]
    assert stage.batch_rows(unit, [table]) == [[], *([found] for found in unit[1:])]
    assert stage.requests(unit[0]) == () and list(stage.rows(unit[0], [])) == unit[:1]


def test_nothing_is_skipped_if_the_first_listing_is_refused() -> None:
    (stage,) = KeepWhereAny('assessors', for_one=True).fallback()
    assert (stage.requests(session(1)), stage.rows(session(1), [])) == ((), [session(1)])
    assert [type(stage) for stage in ListFiles(FILES).fallback()] == [KeepWhereAny, ListFiles]


def stages_below(
    path: str, levels: tuple[str, ...], without: frozenset[str] = frozenset()
) -> list[tuple[Stage, ...]]:
    routes = [parse(f'{path}/{level}/*/out/resources/*/files/*').paths[0] for level in levels]
    return plans(routes, {}, without, [{}] * len(routes))


def looks(stages: tuple[Stage, ...]) -> list[str]:
    return [stage.plural for stage in stages if isinstance(stage, KeepWhereAny)]


def test_the_first_listing_is_requested_for_one_session_if_both_levels_are_needed() -> None:
    both, off = ('assessors', 'reconstructions'), frozenset({'elements that have any'})
    for path in (
        '/projects/P/subjects/S/experiments/E',
        '/experiments/E',
        '/projects/P/experiments/E',
    ):
        assert [looks(stages) for stages in stages_below(path, both)] == [[level] for level in both]
        assert [looks(stages) for stages in stages_below(path, both[:1])] == [[]]
        assert [looks(stages) for stages in stages_below(path, both, off)] == [[], []]
        assert {type(stages[-1]) for stages in stages_below(path, both)} == {ListDerivedFiles}
        walked = stages_below(path, both, frozenset({'files of derived data'}))
        assert [looks(stages) for stages in walked] == [[level] for level in both] and {
            type(stages[-2]) for stages in walked
        } == {ListLevel}
    assert [looks(stages) for stages in stages_below('/projects/P/experiments/*', both)] == [
        [level] for level in both
    ]
    (one, other) = (
        first_requests(stages)
        for stages in stages_below('/projects/P/subjects/S/experiments/E', both)
    )
    assert one == other == (f'/data/projects/P/subjects/S/experiments?{LOOK}',)


def test_columns_that_contradict_each_other_make_the_short_cut_fail() -> None:
    crossed = [scan_row('E1', name, kind) for name in '12' for kind in ('T1', 'T2')]
    with pytest.raises(UnexpectedAnswer, match='twice'):
        ListScansTogether(SCANS).batch_rows([session(1)], [crossed])


SESSIONS, LOOKS, SITE = 'sessions of a project', 'elements that have any', 'levels of all projects'
TAKEN = {
    '/projects/*/subjects/*': [SITE],
    '/projects/*/experiments/*_MR': [SITE],
    '/projects/*/subjects/*/experiments/*/scans/*': [SITE, 'scans of all projects'],
    '/projects/P*/subjects/*/experiments/*/scans/*': [SESSIONS, 'scans of a project'],
    '/projects/P/subjects/*/experiments/*': [SESSIONS],
    '/projects/P/subjects/*/experiments/*/scans/*/resources/*/files/*': [
        SESSIONS,
        'files of scans',
    ],
    '/experiments/E/scans/*/resources/*/files/*': ['files of scans'],
    '/projects/P/experiments/*/resources/R/files/*': ['files of an element'],
    '/projects/P/subjects/*/resources/*/files/*': [LOOKS, 'files of an element'],
    '/subjects/*/resources/*/files/*': ['files of an element'],
    '/projects/P/resources/*/files/*': ['files of an element'],
    '/projects/P/experiments/*/scans/*': ['scans of a project'],
    '/projects/P/subjects/*/experiments/*/reconstructions/*': [SESSIONS, LOOKS],
    '/projects/P/subjects/S/experiments/*/assessors/*': [LOOKS],
    '/experiments/E/assessors/*/out/resources/*/files/*': ['files of derived data'],
    '/experiments/*/assessors/*/out/resources/*/files/*': ['files of derived data'],
    '/experiments/E/assessors/A*/out/resources/*/files/*': ['files of an element'],
    '/projects/P/subjects/S/experiments/*/assessors/*/resources/*/files/*': [
        LOOKS,
        'files of derived data',
    ],
    '/projects/P/subjects/S/experiments/*/scans/*': [],
    '/projects/P/experiments/*/scans/1': [],
    '/experiments/*/scans/*': [],
    '/experiments/E/scans/*': [],
}


@pytest.mark.parametrize('text', TAKEN)
def test_which_short_cuts_are_used_and_each_can_be_switched_off(text: str) -> None:
    (path,) = parse(text).paths
    names = {short_cut.stage: name for name, short_cut in SHORT_CUTS.items()}
    assert [names[type(stage)] for stage in plan(path) if type(stage) in names] == TAKEN[text]
    for name in TAKEN[text]:
        assert name not in [
            names.get(type(stage)) for stage in plan(path, without=frozenset({name}))
        ]
    assert all(type(stage) not in names for stage in plan(path, without=frozenset(SHORT_CUTS)))


SEVERAL = {
    '/projects/P/experiments/*/resources/*/files/*': 50,
    '/projects/P/experiments/E/resources/*/files/*': 1,
    '/projects/P/subjects/*/resources/*/files/*': 1,
    '/projects/P/subjects/*/experiments/*/scans/*/resources/*/files/*': 50,
    '/projects/P/subjects/*/experiments/*/scans/1/resources/*/files/*': 1,
    '/projects/*/resources/*/files/*': 1,
}


@pytest.mark.parametrize('text', SEVERAL)
def test_files_are_requested_together_only_for_experiments(text: str) -> None:
    (path,) = parse(text).paths
    assert plan(path)[-1].batch_size == SEVERAL[text]


def test_an_explanation_names_requests_for_single_elements() -> None:
    (path,) = parse('/projects/P/subjects/*/experiments/*/assessors/*').paths
    first, second = [line.split()[1] for line in explain(path, plan(path)).splitlines()[-2:]]
    assert (
        first.startswith('/data/projects/P/experiments?xsiType=')
        and second == '/data/projects/P/subjects/{ID}/experiments/{ID}/assessors'
    )


def test_an_explanation_of_all_projects_names_the_listings_of_the_site() -> None:
    (path,) = parse('/projects/*/subjects/*/experiments/*/scans/*').paths
    assert [
        line.split()[1].partition('?')[0] for line in explain(path, plan(path)).splitlines()[1:]
    ] == [
        '/data/projects',
        '/data/subjects',
        '/data/experiments',
        '/data/experiments',
    ]
    (path,) = parse('/projects/P*/subjects/*/experiments/*/scans/*').paths
    assert (
        explain(path, plan(path))
        .splitlines()[-1]
        .split()[1]
        .startswith('/data/projects/{ID}/experiments?')
    )


def test_an_explanation_of_derived_files_names_the_first_listing_and_its_consequence() -> None:
    (path,) = parse('/projects/P/subjects/*/experiments/*/assessors/*/resources/*/files/*').paths
    look, files, resources = explain(path, plan(path)).splitlines()[-3:]
    assert 'assessors/assessor/ID,' in look and '(1 per project; ' in look
    assert (
        'GET /data/experiments/{ID},{ID}…/assessors/ALL/files   (1 per 50 elements of experiments; '
        in files
    )
    assert '/assessors/ALL/resources ' in resources
