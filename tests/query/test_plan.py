"""Tests of plans: stages as functions of rows, on an archive that is a few tables in this file."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import ProgrammingError, UnexpectedAnswer
from pyxnat.model import uris
from pyxnat.model.levels import chains, level
from pyxnat.query.paths import Path, chain_of, parse, read
from pyxnat.query.plan import (
    SHORT_CUTS,
    Conditions,
    Found,
    ListFiles,
    ListLevel,
    ListNamed,
    ListOfAll,
    ListSessions,
    Name,
    Rebase,
    Stage,
    answerable,
    explain,
    names_of,
    plan,
    plan_below,
)
from pyxnat.tables.table import Row

Ask = Callable[[str], list[Row]]
ALL_SHORT_CUTS = frozenset(SHORT_CUTS)
SEVERAL = frozenset(
    name for name, short_cut in SHORT_CUTS.items() if short_cut.stage.batch_size > 1
)
"""Short cuts that request several elements at once."""


def path_of(text: str) -> Path:
    (path,) = parse(text).paths
    return path


def walk(stages: tuple[Stage, ...], ask: Ask, at: Found | None = None) -> list[Found]:
    """Return the result of a plan, where `ask` returns the rows of a URI."""
    at = at or Found(uris.ENTRY)
    if not stages:
        return [at]
    found = stages[0].rows(at, [ask(uri) for uri in stages[0].requests(at)])
    return [last for one in found for last in walk(stages[1:], ask, one)]


def select(
    text: str, ask: Ask, conditions: Conditions | None = None, without: frozenset[str] = frozenset()
) -> list[str]:
    return [found.uri for found in walk(plan(path_of(text), conditions, without), ask)]


# -- an archive ------------------------------------------------------------------------------------

# P has the subjects S1 (its own), S2 (shared from Q, where it has another label) and S3 (no
# sessions). Of the experiments listed for P, E1 and E2 are of S1, E3 of S2, and E9 was shared into
# P without its subject S9.
SUBJECTS = [
    {'ID': 'S1', 'project': 'P', 'label': 'one', 'URI': '/data/subjects/S1'},
    {'ID': 'S2', 'project': 'Q', 'label': 'two_in_P', 'URI': '/data/subjects/S2'},
    {'ID': 'S3', 'project': 'P', 'label': 'three', 'URI': '/data/subjects/S3'},
]
EXPERIMENTS = [
    {'ID': 'E1', 'label': 'one_MR', 'subject_ID': 'S1', 'xsiType': 'xnat:mrSessionData'},
    {'ID': 'E3', 'label': 'two_MR', 'subject_ID': 'S2', 'xsiType': 'xnat:mrSessionData'},
    {'ID': 'E2', 'label': 'one_PET', 'subject_ID': 'S1', 'xsiType': 'xnat:petSessionData'},
    {'ID': 'E9', 'label': 'guest_MR', 'subject_ID': 'S9', 'xsiType': 'xnat:mrSessionData'},
]


def archive(uri: str) -> list[Row]:
    """Return the rows of a listing: subjects and experiments of P and of each subject."""
    path, _, query = uri.partition('?')
    match uris.segments(path):
        case ['projects']:
            return [{'ID': 'P'}, {'ID': 'EMPTY'}]
        case ['projects', 'P', 'subjects']:
            return SUBJECTS
        case ['projects', 'P', 'experiments']:
            return [row if 'subject_ID' in query else without_subject(row) for row in EXPERIMENTS]
        case ['projects', 'P', 'subjects', subject, 'experiments']:
            return [without_subject(row) for row in EXPERIMENTS if row['subject_ID'] == subject]
        case ['projects', 'EMPTY', 'subjects' | 'experiments']:
            return []
    raise AssertionError(f'nothing asks for {uri}')


def without_subject(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != 'subject_ID'}


SESSIONS = '/projects/P/subjects/*/experiments/*'
FOUND = [
    '/data/projects/P/subjects/S1/experiments/E1',
    '/data/projects/P/subjects/S1/experiments/E2',
    '/data/projects/P/subjects/S2/experiments/E3',
]


def test_the_sessions_of_a_project_are_those_of_its_subjects() -> None:
    assert select(SESSIONS, archive) == FOUND


def test_a_session_shared_without_its_subject_is_found_only_below_the_project() -> None:
    assert not any('E9' in uri for uri in select(SESSIONS, archive))
    assert '/data/projects/P/experiments/E9' in select('/projects/P/experiments/*', archive)


@pytest.mark.parametrize(
    'text',
    [
        SESSIONS,
        '/projects/*/subjects/*/experiments/*',
        '/projects/P/subjects/two*/experiments/*',
        '/projects/P/subjects/S?/experiments/*_MR',
        '/projects/P/subjects/*/experiments/E2',
        '/projects/P/subjects/*/experiments/one_PET',
        '/projects/P/subjects/none*/experiments/*',
        '/projects/EMPTY/subjects/*/experiments/*',
    ],
)
@pytest.mark.parametrize(
    'ids', [None, {'S1', 'S9'}, {'S2'}, set()], ids=lambda ids: str(ids and sorted(ids))
)
def test_the_short_cut_to_sessions_finds_what_the_walk_finds(
    text: str, ids: set[str] | None
) -> None:
    conditions = {'subjects': frozenset(ids)} if ids is not None else {}
    short, long = plan(path_of(text), conditions), plan(path_of(text), conditions, ALL_SHORT_CUTS)
    kinds = (ListSessions, ListOfAll)
    assert any(isinstance(stage, kinds) for stage in short) and not any(
        isinstance(stage, kinds) for stage in long
    )
    assert [found.uri for found in walk(short, archive)] == [
        found.uri for found in walk(long, archive)
    ]


def test_the_short_cut_takes_two_requests() -> None:
    asked: list[str] = []
    select(SESSIONS, lambda uri: asked.append(uri) or archive(uri))  # type: ignore[func-returns-value]
    assert [uri.partition('?')[0] for uri in asked] == [
        '/data/projects/P/subjects',
        '/data/projects/P/experiments',
    ]


def test_conditions_on_experiments_filter_experiments() -> None:
    for without in (frozenset[str](), ALL_SHORT_CUTS):
        assert (
            select(SESSIONS, archive, {'experiments': frozenset({'E2', 'E9'})}, without)
            == FOUND[1:2]
        )


def test_both_conditions_hold_together() -> None:
    both = {'subjects': frozenset({'S1'}), 'experiments': frozenset({'E2', 'E3'})}
    assert (
        select(SESSIONS, archive, both)
        == select(SESSIONS, archive, both, ALL_SHORT_CUTS)
        == FOUND[1:2]
    )


def test_conditions_on_subjects_filter_experiments_if_the_path_has_no_subjects() -> None:
    found = select('/projects/P/experiments/*', archive, {'subjects': frozenset({'S2', 'S9'})})
    assert found == ['/data/projects/P/experiments/E3', '/data/projects/P/experiments/E9']


def test_conditions_also_filter_a_literal_name() -> None:
    assert (
        select('/projects/P/subjects/S1/experiments/*', archive, {'subjects': frozenset({'S2'})})
        == []
    )
    assert (
        select('/projects/P/subjects/one/experiments/*', archive, {'subjects': frozenset({'S1'})})
        == FOUND[:2]
    )


def test_a_refused_short_cut_is_walked_with_its_conditions() -> None:
    conditions = {'subjects': frozenset({'S2'})}
    stages = plan(path_of(SESSIONS), conditions)
    refused = next(stage for stage in stages if isinstance(stage, ListSessions))
    instead = plan_below('/data/projects/P', refused)
    assert [type(stage) for stage in instead] == [ListLevel, ListLevel]
    assert [found.uri for found in walk(instead, archive, Found('/data/projects/P'))] == FOUND[2:]


ids = st.sampled_from(['A', 'B', 'C', 'D'])


@given(
    st.sets(ids),
    st.lists(st.tuples(ids, ids), unique_by=lambda pair: pair[0]),
    st.none() | st.sets(ids),
    st.none() | st.sets(ids),
)
def test_the_short_cut_finds_what_the_walk_finds_in_any_project(
    subjects: set[str],
    owners: list[tuple[str, str]],
    some_subjects: set[str] | None,
    some_experiments: set[str] | None,
) -> None:
    def ask(uri: str) -> list[Row]:
        parts = uris.segments(uri)
        if parts[-1] == 'subjects':
            return [{'ID': subject, 'label': subject.lower()} for subject in sorted(subjects)]
        below = parts[3] if 'subjects' in parts else None
        return [
            {'ID': f'E{one}', 'label': one, 'subject_ID': owner}
            for one, owner in owners
            if below in (None, owner)
        ]

    conditions = {
        'subjects': some_subjects,
        'experiments': some_experiments and {f'E{one}' for one in some_experiments},
    }
    wanted = {name: frozenset(ids) for name, ids in conditions.items() if ids is not None}
    assert select(SESSIONS, ask, wanted) == select(SESSIONS, ask, wanted, ALL_SHORT_CUTS)


# -- files of scans --------------------------------------------------------------------------------

SCAN_FILES = {
    ('1', '11', 'NIFTI'): ['a.img', 'a.hdr', 'sub dir/a.txt'],
    ('1', '12', 'DICOM'): ['1.dcm'],
    ('2', '21', 'NIFTI'): ['b.img', 'files/b'],
    ('odd %', '31', ''): ['c'],
}


def file_row(base: str, scan: str, number: str, label: str, path: str) -> Row:
    uri = f'{base}/scans/{uris.quote(scan)}/resources/{number}/files/{uris.quote_path(path)}'
    return {
        'Name': path.rpartition('/')[2],
        'Size': '1',
        'URI': uri,
        'collection': label,
        'cat_ID': number,
    }


def scans(uri: str) -> list[Row]:
    """Return the rows of a listing below session E: scans, their resources, and files."""
    base = '/data/experiments/E'
    match uris.segments(uri)[2:]:
        case ['scans']:
            return [{'ID': scan} for scan in dict.fromkeys(scan for scan, _, _ in SCAN_FILES)]
        case ['scans', scan, 'resources']:
            return [
                {'xnat_abstractresource_id': number, 'label': label}
                for one, number, label in SCAN_FILES
                if one == scan
            ]
        case ['scans', 'ALL', *_, 'files'] as parts:
            wanted = parts[3] if len(parts) > 3 else None
            return [
                file_row(base, *key, path)
                for key, paths in SCAN_FILES.items()
                if wanted in (None, *key[1:])
                for path in paths
            ]
        case ['scans', scan, 'resources', resource, 'files']:
            return [
                file_row(base, *key, path)
                for key, paths in SCAN_FILES.items()
                if key[0] == scan and resource in key[1:]
                for path in paths
            ]
    raise AssertionError(f'nothing asks for {uri}')


@pytest.mark.parametrize(
    'text',
    [
        '/experiments/E/scans/*/resources/*/files/*',
        '/experiments/E/scans/*/resources/NI*/files/*.img',
        '/experiments/E/scans/?/resources/*/files/*',
        '/experiments/E/scans/*/resources/*/files/sub dir/a.txt',
        '/experiments/E/scans/odd*/files',
        '/experiments/E//files',
    ],
)
def test_the_short_cut_to_files_finds_what_the_walk_finds(text: str) -> None:
    (path,) = [path for path in parse(text).paths if 'scans' in chain_of(path)]
    short, long = plan(path), plan(path, without=ALL_SHORT_CUTS)
    assert any(isinstance(stage, ListFiles) for stage in short) and not any(
        isinstance(stage, ListFiles) for stage in long
    )
    found = [found.uri for found in walk(short, scans)]
    assert found == [found.uri for found in walk(long, scans)] != []


def test_a_literal_resource_is_requested_by_its_name_and_keeps_it() -> None:
    stages = plan(path_of('/experiments/E/scans/*/resources/NIFTI/files'))
    assert stages[1].requests(Found('/data/experiments/E')) == (
        '/data/experiments/E/scans/ALL/resources/NIFTI/files',
    )
    found = [uris.segments(found.uri) for found in walk(stages, scans)]
    assert {(parts[3], parts[5]) for parts in found} == {('1', 'NIFTI'), ('2', 'NIFTI')}


def test_rows_of_files_have_their_path() -> None:
    rows = [
        found.row
        for found in walk(
            plan(path_of('/experiments/E/scans/2/files'), without=ALL_SHORT_CUTS), scans
        )
    ]
    assert [row['path'] for row in rows] == ['b.img', 'files/b']
    rows = [found.row for found in walk(plan(path_of('/experiments/E/scans/*/files')), scans)]
    assert [row['path'] for row in rows] == [
        path for paths in SCAN_FILES.values() for path in paths
    ]


def test_a_project_can_have_the_name_scans() -> None:
    base = '/data/projects/scans/subjects/S/experiments/E'
    stage = ListFiles(path_of('/experiments/E/scans/*/resources/*/files/*')[1:])
    (found,) = stage.rows(Found(base), [[file_row(base, '7', '11', 'NIFTI', 'a')]])
    assert found.uri == f'{base}/scans/7/resources/11/files/a'


# -- the walk --------------------------------------------------------------------------------------


def rows_for_all(uri: str) -> list[Row]:
    """An archive with one element, X, at each level."""
    path, _, query = uri.partition('?')
    parts = uris.segments(path)
    if parts[-1] == 'files':
        holder = path.removesuffix('/files').replace('/ALL', '/X')
        file = (
            f'{holder}/files/X'
            if parts[-3].endswith('resources')
            else f'{holder}/resources/X/files/X'
        )
        return [{'URI': file, 'Name': 'X', 'cat_ID': 'X', 'collection': 'X'}]
    asked = {name.lower(): 'X' for name in query.split(',') if '/' in name}
    return [
        {
            'ID': 'X',
            'label': 'X',
            'xnat_abstractresource_id': 'X',
            'subject_ID': 'X',
            'project': 'X',
            **asked,
        }
    ]


def listed(uri: str) -> tuple[str, ...]:
    """Return the levels of a listing's URI."""
    above = uri.partition('?')[0].replace('/ALL', '/X')
    if above.endswith('/files') and not above.split('/')[-3].endswith('resources'):
        above = f'{above.removesuffix("/files")}/resources/X/files'
    parent, _, last = above.rpartition('/')
    if parent.endswith(('/in', '/out')):
        parent, _, direction = parent.rpartition('/')
        last = f'{direction}_{last}'
    return (*(chain_of(read(parent)) if parent != '/data' else ()), last)


def asked_by(path: Path, without: frozenset[str]) -> list[tuple[str, ...]]:
    asked: list[str] = []
    found = walk(plan(path, without=without), lambda uri: asked.append(uri) or rows_for_all(uri))  # type: ignore[func-returns-value]
    assert len(found) == 1
    return [listed(uri) for uri in asked]


def everything(chain: tuple[str, ...]) -> Path:
    return path_of(''.join(f'/{level(plural).segment}' for plural in chain))


@pytest.mark.parametrize('chain', chains(), ids='/'.join)
@pytest.mark.parametrize('without', [frozenset[str](), ALL_SHORT_CUTS], ids=['short', 'walk'])
def test_every_listing_of_a_plan_is_a_route_of_xnat(
    chain: tuple[str, ...], without: frozenset[str]
) -> None:
    assert set(asked_by(everything(chain), without)) <= set(chains())


@pytest.mark.parametrize(
    'below', ['scans', 'assessors', 'reconstructions', 'scans/1/resources', 'assessors/A/out/files']
)
def test_levels_without_a_route_below_a_projects_experiments_are_listed_below_the_site(
    below: str,
) -> None:
    path = path_of(f'/projects/P/experiments/*/{below}')
    stages = plan(path)
    assert [type(stage) for stage in stages[:3]] == [Name, ListLevel, Rebase]
    assert set(asked_by(path, ALL_SHORT_CUTS)) <= set(chains())
    assert all(found.uri.startswith('/data/experiments/X/') for found in walk(stages, rows_for_all))


@pytest.mark.parametrize(
    'text',
    [
        '/subjects/X/experiments',
        '/subjects/*/experiments',
        '/subjects/*/experiments/*/scans',
        '/subjects/X/experiments/X/files',
    ],
)
def test_experiments_of_a_subject_of_the_site_are_listed_below_its_project(
    text: str,
) -> None:
    assert set(asked_by(path_of(text), frozenset())) <= set(chains())
    assert all(
        found.uri.startswith('/data/projects/X/subjects/X/experiments/X')
        for found in walk(plan(path_of(text)), rows_for_all)
    )


def test_resources_of_a_projects_experiments_have_a_route_of_their_own() -> None:
    assert not any(
        isinstance(stage, Rebase) for stage in plan(path_of('/projects/P/experiments/*/resources'))
    )


def test_literal_names_on_the_way_take_one_stage_and_no_request() -> None:
    stages = plan(path_of('/projects/P/subjects/S1/resources'))
    assert [type(stage) for stage in stages] == [Name, ListLevel]
    assert stages[0].requests(Found('/data')) == ()
    found = walk(stages[:1], rows_for_all)
    assert [one.uri for one in found] == ['/data/projects/P/subjects/S1'] and not found[0].guessed


@pytest.mark.parametrize('name', ['S 1', 'é', 'a:b', 'a,b', 'a+b'])
@pytest.mark.parametrize(
    'path',
    [
        '/projects/P/subjects/{}/resources',
        '/projects/P/subjects/{}/experiments/E/scans',
        '/experiments/E/assessors/{}/files',
    ],
)
def test_a_label_that_must_be_quoted_is_looked_up(name: str, path: str) -> None:
    """XNAT compares labels with paths as they were sent."""
    stages = plan(path_of(path.format(name)))
    assert [type(stage) for stage in stages if stage.steps[0].name == name] == [ListNamed]
    assert not any(
        isinstance(stage, ListNamed) for stage in plan(path_of(path.format('S_1.a~b-c')))
    )


def test_a_literal_name_at_the_end_is_looked_up() -> None:
    rows = [{'ID': 'S1', 'label': 'one'}, {'ID': 'S2', 'label': 'two'}]
    for name in ('S2', 'two'):
        assert select(f'/projects/P/subjects/{name}', lambda uri: rows) == [
            '/data/projects/P/subjects/S2'
        ]
    assert select('/projects/P/subjects/three', lambda uri: rows) == []


def test_a_literal_name_below_a_wildcard_is_guessed() -> None:
    stages = plan(path_of('/projects/*/subjects/S/resources'))
    assert all(found.guessed for found in walk(stages, rows_for_all))
    assert not walk(
        plan(path_of('/projects/P/subjects/S')), lambda uri: [{'ID': 'S', 'label': 'S'}]
    )[0].guessed


def test_rows_are_matched_by_id_and_by_label() -> None:
    rows = [{'ID': 'XNAT_1', 'label': 'alpha'}, {'ID': 'XNAT_2', 'label': 'beta'}]
    assert select('/projects/P/subjects/XNAT*', lambda uri: rows) == [
        f'/data/projects/P/subjects/XNAT_{n}' for n in (1, 2)
    ]
    assert select('/projects/P/subjects/a*', lambda uri: rows) == [
        '/data/projects/P/subjects/XNAT_1'
    ]
    assert select('/projects/P/subjects/A*', lambda uri: rows) == []


@pytest.mark.parametrize('missing', ['ID', 'label'])
def test_a_listing_without_its_columns_is_an_error_that_names_them(missing: str) -> None:
    row = {'ID': 'S', 'label': 'S', 'URI': '/data/subjects/S'}
    del row[missing]
    with pytest.raises(UnexpectedAnswer, match=missing):
        select('/projects/P/subjects', lambda uri: [row])


@pytest.mark.parametrize('missing', ['URI', 'cat_ID', 'collection'])
def test_a_listing_of_files_without_its_columns_is_an_error_that_names_them(missing: str) -> None:
    row = file_row('/data/experiments/E', '1', '11', 'NIFTI', 'a')
    del row[missing]
    with pytest.raises(UnexpectedAnswer, match=missing):
        select('/experiments/E/scans/*/resources/*/files/*', lambda uri: [row])


def test_the_name_of_a_file_is_its_path_in_the_resource() -> None:
    row = {'Name': 'a.txt', 'URI': '/data/experiments/E/resources/1/files/x/a.txt'}
    assert names_of('files', row) == ('x/a.txt', 'x/a.txt')
    assert names_of('scans', {'ID': '4', 'type': 'T1'}) == ('4', '4')
    assert names_of('resources', {'xnat_abstractresource_id': '12', 'label': 'NIFTI'}) == (
        '12',
        'NIFTI',
    )


# -- conditions ------------------------------------------------------------------------------------

SUBJECT, EXPERIMENT = {'subjects': frozenset({'S'})}, {'experiments': frozenset({'E'})}


@pytest.mark.parametrize(
    ('text', 'conditions'),
    [('/projects', SUBJECT), ('/projects/P/files', SUBJECT), ('/projects/P/subjects', EXPERIMENT)],
)
def test_conditions_on_a_level_that_no_path_has_are_an_error(
    text: str, conditions: Conditions
) -> None:
    with pytest.raises(ProgrammingError, match='where') as caught:
        answerable(parse(text).paths, conditions)
    assert caught.value.remedy


def test_routes_that_conditions_cannot_filter_are_dropped() -> None:
    routes = parse('/projects/P//files').paths
    kept = answerable(routes, SUBJECT)
    assert set(routes) - set(kept) == {path_of('/projects/P/files')}
    assert all('experiments' in chain_of(route) for route in answerable(routes, EXPERIMENT))
    assert answerable(routes, {}) == routes


# -- explanations ----------------------------------------------------------------------------------


def explained(text: str, without: frozenset[str] = SEVERAL) -> list[str]:
    path = path_of(text)
    return [
        line.partition('   (')[0].strip()
        for line in explain(path, plan(path, without=without)).splitlines()
    ]


def test_known_requests_are_explained_literally_and_later_ones_as_templates() -> None:
    assert explained('/projects/P/subjects/*/resources/*') == [
        '/projects/P/subjects/*/resources/*',
        'GET /data/projects/P/subjects',
        'GET /data/projects/P/subjects/{ID}/resources',
    ]


def test_an_explanation_names_the_bound_and_the_assumption() -> None:
    path = path_of(SESSIONS)
    text = explain(path, plan(path))
    assert '(2' in text and ListSessions.assumption in text
    path = path_of('/projects/*/subjects')
    assert '1 per element of projects' in explain(path, plan(path, without=SEVERAL))


def test_every_short_cut_names_its_assumption() -> None:
    assert all(short_cut.stage.assumption for short_cut in SHORT_CUTS.values())


def test_an_explanation_includes_the_part_of_a_plan_below_the_site() -> None:
    assert explained('/projects/P/experiments/*/scans')[1:] == [
        'GET /data/projects/P/experiments',
        'GET /data/experiments/{ID}/scans',
    ]
    assert explained('/subjects/S/experiments')[1:] == [
        'GET /data/subjects',
        'GET /data/projects/{project}/subjects/{ID}/experiments',
    ]


@pytest.mark.parametrize('chain', chains(), ids='/'.join)
def test_the_explained_requests_are_the_sent_ones(chain: tuple[str, ...]) -> None:
    path = everything(chain)
    asked: list[str] = []
    walk(plan(path, without=SEVERAL), lambda uri: asked.append(uri) or rows_for_all(uri))  # type: ignore[func-returns-value]
    lines = explained(''.join(f'/{level(plural).segment}' for plural in chain))[1:]
    assert [line.removeprefix('GET ').replace('{ID}', 'X') for line in lines] == asked
