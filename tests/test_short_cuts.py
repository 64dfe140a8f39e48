"""Short cuts that ask for several elements at once: what they ask, and how answers come apart again. No server."""

from __future__ import annotations

import pytest

from pyxnat import uris
from pyxnat.errors import UnexpectedAnswer
from pyxnat.paths import Path, parse
from pyxnat.plan import (
    SHORT_CUTS,
    Found,
    ListDerivedFiles,
    ListDerivedFilesWhereAny,
    ListFilesTogether,
    ListIfAny,
    ListLevel,
    ListOwnFiles,
    ListOwnFilesTogether,
    ListScansTogether,
    ListWhereAny,
    Stage,
    explain,
    first_requests,
    plan,
    plans,
)
from pyxnat.tables import Row


def tail(text: str, levels: int) -> Path:
    (path,) = parse(text).paths
    return path[-levels:]


def session(number: int, above: str = '/data/projects/P/subjects/S') -> Found:
    return Found(f'{above}/experiments/E{number}', {'ID': f'E{number}', 'label': f'L{number}', 'project': 'P'}, True, {}, 'experiments')


def file_row(experiment: str, path: str, scan: str = '') -> Row:
    holder = f'/data/experiments/{experiment}/scans/{scan}' if scan else f'/data/experiments/{experiment}'
    return {'Name': path.rpartition('/')[2], 'URI': f'{holder}/resources/7/files/{uris.quote_path(path)}', 'cat_ID': '7', 'collection': 'R'}


FILES = tail('/experiments/*/scans/*/resources/*/files/*', 3)
OWN_FILES = tail('/experiments/*/resources/*/files/*', 2)
SCANS = tail('/experiments/*/scans/*', 1)


def test_lists_have_fifty_ids_at_most_and_a_bounded_length() -> None:
    stage = ListFilesTogether(FILES)
    units = list(stage.units([session(number) for number in range(120)]))
    assert [len(unit) for unit in units] == [50, 50, 20]
    long = [Found('/data/experiments/x', {'ID': f'{number:0200}'}, True, {}, 'experiments') for number in range(30)]
    units = list(stage.units(long))
    assert [found for unit in units for found in unit] == long
    assert all(len(stage.together(unit)[0]) < 2100 for unit in units)


def test_files_of_several_sessions_are_asked_for_by_their_ids_and_come_apart_in_order() -> None:
    stage = ListFilesTogether(FILES)
    unit = [session(2), session(1), session(3)]
    assert stage.together(unit) == ('/data/experiments/E2,E1,E3/scans/ALL/files',)
    table = [file_row('E1', 'a', '1'), file_row('E2', 'b/c d', '1'), file_row('E1', 'd', '2')]
    second, first, third = stage.apart(unit, [table])
    assert [found.uri for found in second or ()] == ['/data/projects/P/subjects/S/experiments/E2/scans/1/resources/7/files/b/c%20d']
    assert [found.row['path'] for found in first or ()] == ['a', 'd'] and third == []
    assert [found.row['URI'] for found in first or ()] == [found.uri for found in first or ()]


def test_the_same_session_in_two_projects_is_named_once_and_found_twice() -> None:
    stage = ListFilesTogether(FILES)
    unit = [session(1), session(1, '/data/projects/Q/subjects/S')]
    assert stage.together(unit) == ('/data/experiments/E1/scans/ALL/files',)
    first, second = stage.apart(unit, [[file_row('E1', 'a', '1')]])
    assert first and second and first[0].uri.startswith('/data/projects/P/') and second[0].uri.startswith('/data/projects/Q/')


@pytest.mark.parametrize('row', [file_row('E9', 'a', '1'), file_row('E1,E2', 'a', '1')])
def test_a_file_of_something_else_is_not_believed(row: Row) -> None:
    with pytest.raises(UnexpectedAnswer):
        ListFilesTogether(FILES).apart([session(1), session(2)], [[row]])


def test_subjects_are_listed_in_their_project_and_a_literal_resource_by_its_name() -> None:
    subjects = [Found(f'/data/projects/P/subjects/S{number}', {'ID': f'S{number}'}, True, {}, 'subjects') for number in range(2)]
    assert ListOwnFilesTogether(OWN_FILES).together(subjects) == ('/data/projects/P/subjects/S0,S1/files',)
    stage = ListOwnFilesTogether(tail('/experiments/*/resources/R 1/files/*', 2))
    assert stage.together([session(1), session(2)]) == ('/data/experiments/E1,E2/resources/R%201/files',)


def test_files_of_experiments_of_a_project_are_asked_for_below_the_server() -> None:
    assert ListOwnFiles(OWN_FILES).requests(session(1, '/data/projects/P')) == ('/data/experiments/E1/files',)


DERIVED = tail('/experiments/*/assessors/*/resources/*/files/*', 3)


def derived_row(resource: str, direction: str = '', above: str = '/data/experiments/E1/assessors/A1') -> Row:
    return {'Name': 'f', 'URI': f'{above}{direction}/resources/{resource}/files/f', 'cat_ID': resource, 'collection': 'R'}


def test_files_of_all_assessors_are_those_of_the_resources_that_are_listed_as_theirs() -> None:
    stage, at = ListDerivedFiles(DERIVED), session(1)
    assert stage.requests(at) == (f'{at.uri}/assessors/ALL/files', f'{at.uri}/assessors/ALL/resources')
    rows = [derived_row('1'), derived_row('2', '/out'), derived_row('9', above='/data/projects/P/subjects/S')]  # the last: where there is no assessor
    own, mixed = ([{'xnat_abstractresource_id': resource}] for resource in '12')
    assert [found.uri for found in stage.rows(at, [rows, own])] == [f'{at.uri}/assessors/A1/resources/1/files/f']
    assert [found.uri for found in stage.rows(at, [rows, mixed])] == [f'{at.uri}/assessors/A1/resources/2/files/f']
    with pytest.raises(UnexpectedAnswer):
        list(stage.rows(at, [[derived_row('1', above='/data/experiments/E1')], own]))


@pytest.mark.parametrize(
    ('text', 'asked'), [('in/resources/*', 'in/files'), ('out/resources/R', 'out/resources/R/files'), ('resources/R', 'resources/R/files')]
)
def test_what_went_in_or_came_out_and_a_literal_resource_are_one_listing(text: str, asked: str) -> None:
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


def test_scans_of_a_project_belong_to_the_sessions_that_were_walked() -> None:
    stage = ListScansTogether(SCANS)
    unit = [session(1), session(2), session(3)]
    assert stage.together(unit)[0].startswith('/data/projects/P/experiments?xsiType=xnat:imageSessionData&columns=ID,')
    first, second, third = stage.apart(unit, [[scan_row('E1', '1'), scan_row('E1', '2', 'T2'), scan_row('E9', '1'), scan_row('E3', '')]])
    assert [found.uri for found in first or ()] == [f'/data/projects/P/subjects/S/experiments/E1/scans/{name}' for name in '12']
    assert first and first[1].row['type'] == 'T2' and first[1].row['xsiType'] == 'xnat:mrScanData'
    assert second is None and third == []  # not spoken of: to be asked by itself; spoken of: it has none


def test_sessions_that_have_any_are_asked_and_those_not_spoken_of() -> None:
    stage = ListWhereAny(tail('/experiments/*/assessors/*', 1))
    unit = [session(1), session(2), session(3)]
    (uri,) = stage.together(unit)
    assert uri == '/data/projects/P/subjects/S/experiments?xsiType=xnat:imageSessionData&columns=ID,xnat:imageSessionData/assessors/assessor/ID'
    key = 'xnat:imagesessiondata/assessors/assessor/id'
    table = [{'ID': 'E1', key: ''}, {'ID': 'E2', key: 'A'}, {'ID': 'E2', key: ''}]
    assert stage.apart(unit, [table]) == [[], None, None]
    elsewhere = session(4, '/data/projects/P/subjects/T')
    assert stage.together([*unit, elsewhere])[0].startswith('/data/projects/P/experiments?')
    assert stage.together([session(1, '/data')._replace(uri='/data/experiments/E1')])[0].startswith('/data/projects/P/experiments?')


LOOK = 'xsiType=xnat:imageSessionData&columns=ID,label,' + ','.join(
    f'xnat:imageSessionData/{path}/ID' for path in ('assessors/assessor', 'reconstructions/reconstructedImage')
)


def any_row(identity: str, label: str, assessor: str = '', reconstruction: str = '') -> Row:
    path = 'xnat:imagesessiondata/{}/id'.format
    return {'ID': identity, 'label': label, path('assessors/assessor'): assessor, path('reconstructions/reconstructedimage'): reconstruction}


def test_one_look_tells_what_one_session_has_of_assessors_and_reconstructions() -> None:
    assessors, reconstructions = (ListIfAny(tail(f'/experiments/*/{level}/*', 1)) for level in ('assessors', 'reconstructions'))
    named, by_id = Found('/data/projects/P/subjects/S/experiments/L1'), Found('/data/experiments/E1')
    assert assessors.requests(named) == reconstructions.requests(named) == (f'/data/projects/P/subjects/S/experiments?{LOOK}',)
    assert assessors.requests(by_id) == (f'/data/experiments?ID=E1&{LOOK}',)
    table = [any_row('E1', 'L1', assessor='A1'), any_row('E1', 'L1', assessor='A2'), any_row('E2', 'L2', 'A3', 'R1')]
    for at in (named, by_id):
        assert (assessors.apart([at], [table]), reconstructions.apart([at], [table])) == ([None], [[]])
    assert assessors.apart([Found('/data/experiments/E3')], [table]) == [None]  # not spoken of: it is no image session, or not to be seen
    mixed = [any_row('E1', 'E2', assessor='A1'), any_row('E2', 'L2')]
    assert assessors.apart([Found('/data/projects/P/subjects/S/experiments/E2')], [mixed]) == [[]]  # an ID goes before a label


def stages_below(path: str, levels: tuple[str, ...], without: frozenset[str] = frozenset()) -> list[tuple[Stage, ...]]:
    routes = [parse(f'{path}/{level}/*/out/resources/*/files/*').paths[0] for level in levels]
    return plans(routes, {}, without, [{}] * len(routes))


def test_looking_first_is_for_one_session_of_which_both_are_wanted() -> None:
    both = ('assessors', 'reconstructions')
    for path in ('/projects/P/subjects/S/experiments/E', '/experiments/E', '/projects/P/experiments/E'):
        assert all(any(isinstance(stage, ListIfAny) for stage in stages) for stages in stages_below(path, both))
        assert {type(stages[-1]) for stages in stages_below(path, both[:1])} == {ListDerivedFiles}
        assert {type(stages[-1]) for stages in stages_below(path, both, frozenset({'sessions that have any'}))} == {ListDerivedFiles}
        off = frozenset({'derived files of a session'})
        assert {type(stages[-2]) for stages in stages_below(path, both, off)} == {ListIfAny}
        assert {type(stages[-2]) for stages in stages_below(path, both, off | {'sessions that have any'})} == {ListLevel}
    assert {type(stages[-1]) for stages in stages_below('/projects/P/experiments/*', both)} == {ListDerivedFilesWhereAny}
    (one, other) = (first_requests(stages) for stages in stages_below('/projects/P/subjects/S/experiments/E', both))
    assert one == other == (f'/data/projects/P/subjects/S/experiments?{LOOK}',)


def test_columns_that_do_not_stay_together_are_not_believed() -> None:
    crossed = [scan_row('E1', name, kind) for name in '12' for kind in ('T1', 'T2')]
    with pytest.raises(UnexpectedAnswer, match='twice'):
        ListScansTogether(SCANS).apart([session(1)], [crossed])


def test_what_could_not_have_been_wrong_proves_nothing() -> None:
    stage = ListScansTogether(SCANS)
    one, two = (stage.apart([session(1)], [rows])[0] or [] for rows in ([scan_row('E1', '1')], [scan_row('E1', '1'), scan_row('E1', '2')]))
    assert not stage.proves([one, []], []) and stage.proves([one, two], [])
    assert stage.is_harmless([one, None, []]) and not stage.is_harmless([one, two])  # nothing could be mixed up
    files = ListFilesTogether(FILES)
    some = files.apart([session(1)], [[file_row('E1', 'a', '1')]])[0] or []
    assert not files.proves([some, []], []) and files.proves([some, some], [])


TAKEN = {
    '/projects/*/subjects/*': ['subjects of all projects'],
    '/projects/*/experiments/*_MR': ['experiments of all projects'],
    '/projects/*/subjects/*/experiments/*/scans/*': ['sessions of all projects', 'scans of all projects'],
    '/projects/P*/subjects/*/experiments/*/scans/*': ['sessions of a project', 'scans of a project'],
    '/projects/P/subjects/*/experiments/*': ['sessions of a project'],
    '/projects/P/subjects/*/experiments/*/scans/*/resources/*/files/*': ['sessions of a project', 'files of several sessions'],
    '/experiments/E/scans/*/resources/*/files/*': ['files of a session'],
    '/projects/P/experiments/*/resources/R/files/*': ['files of several elements'],
    '/projects/P/subjects/*/resources/*/files/*': ['files of several elements'],
    '/projects/P/resources/*/files/*': ['files of an element'],
    '/projects/P/experiments/*/scans/*': ['scans of a project'],
    '/projects/P/subjects/*/experiments/*/reconstructions/*': ['sessions of a project', 'sessions that have any'],
    '/projects/P/subjects/S/experiments/*/assessors/*': ['sessions that have any'],
    '/experiments/E/assessors/*/out/resources/*/files/*': ['derived files of a session'],
    '/experiments/E/assessors/A*/out/resources/*/files/*': ['files of an element'],
    '/projects/P/subjects/S/experiments/*/assessors/*/resources/*/files/*': ['derived files of sessions that have any'],
    '/projects/P/subjects/S/experiments/*/scans/*': [],
    '/projects/P/experiments/*/scans/1': [],
    '/experiments/*/scans/*': [],
    '/experiments/E/scans/*': [],
}


@pytest.mark.parametrize('text', TAKEN)
def test_which_short_cuts_are_taken_and_that_each_can_be_switched_off(text: str) -> None:
    (path,) = parse(text).paths
    names = {short_cut.stage: name for name, short_cut in SHORT_CUTS.items()}
    assert [names[type(stage)] for stage in plan(path) if type(stage) in names] == TAKEN[text]
    for name in TAKEN[text]:
        assert name not in [names.get(type(stage)) for stage in plan(path, without=frozenset({name}))]
    assert all(type(stage) not in names for stage in plan(path, without=frozenset(SHORT_CUTS)))


def test_an_explanation_says_what_is_compared_first() -> None:
    (path,) = parse('/projects/P/experiments/*/scans/*/resources/*/files/*').paths
    text = explain(path, plan(path))
    assert 'GET /data/experiments/{ID},{ID}…/scans/ALL/files   (1 per 50 elements of experiments; ' in text and 'compared with' in text


def test_an_explanation_names_what_is_asked_of_some_alone() -> None:
    (path,) = parse('/projects/P/subjects/*/experiments/*/assessors/*').paths
    first, second = [line.split()[1] for line in explain(path, plan(path)).splitlines()[-2:]]
    assert first.startswith('/data/projects/P/experiments?xsiType=') and second == '/data/projects/P/subjects/{ID}/experiments/{ID}/assessors'


def test_an_explanation_of_all_projects_names_the_listings_of_the_site() -> None:
    (path,) = parse('/projects/*/subjects/*/experiments/*/scans/*').paths
    assert [line.split()[1].partition('?')[0] for line in explain(path, plan(path)).splitlines()[1:]] == [
        '/data/projects', '/data/subjects', '/data/experiments', '/data/experiments',
    ]  # fmt: skip
    (path,) = parse('/projects/P*/subjects/*/experiments/*/scans/*').paths
    assert explain(path, plan(path)).splitlines()[-1].split()[1].startswith('/data/projects/{ID}/experiments?')


def test_an_explanation_of_derived_files_names_the_look_and_what_follows() -> None:
    (path,) = parse('/projects/P/subjects/*/experiments/*/assessors/*/resources/*/files/*').paths
    look, files, resources = explain(path, plan(path)).splitlines()[-3:]
    assert 'assessors/assessor/ID   (1 per project; ' in look
    assert 'GET /data/experiments/{ID},{ID}…/assessors/ALL/files   (1 per 50 elements of experiments that have any; ' in files
    assert '/assessors/ALL/resources ' in resources
