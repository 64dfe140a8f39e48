"""Tests of collections: lazy, requested only as far as iterated, and never changed."""

from __future__ import annotations

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.query.plan import SHORT_CUTS


@pytest.fixture(scope='module')
def study(server):
    """Create two subjects with two sessions each, scans, resources and files.

    A third subject is shared into the project.
    """
    with pyxnat.Interface(server.url, server.user, server.password) as xnat:
        project = xnat.select.project('STUDY').create()
        for subject in ('A1', 'A2'):
            for session in ('MR', 'PT'):
                kind = 'mr' if session == 'MR' else 'pet'
                experiment = (
                    project.subject(subject)
                    .experiment(f'{subject}_{session}')
                    .create(experiments=f'xnat:{kind}SessionData')
                )
                for number in ('1', '2'):
                    scan = experiment.scan(number).create(
                        scans=f'xnat:{kind}ScanData', type='T1' if number == '1' else 'T2'
                    )
                    scan.resource('NIFTI').file(f'{subject}_{session}_{number}.img').put(b'image')
                experiment.resource('NOTES').file('read/me.txt').put(b'note')
        other = xnat.select.project('ELSEWHERE').create()
        guest = other.subject('G1').create()
        other.subject('G1').experiment('G1_MR').create()
        xnat._exec(f'{guest._uri}/projects/STUDY?label=A3', 'PUT')
        xnat._exec(f'{guest._uri}/experiments/G1_MR/projects/STUDY?label=A3_MR', 'PUT')
        yield project._urn


def files_by_walking(xnat, project):
    return sorted(
        file.label()
        for subject in xnat.select.project(project).subjects()
        for experiment in subject.experiments()
        for scan in experiment.scans()
        for resource in scan.resources()
        for file in resource.files()
    )


@pytest.mark.parametrize(
    ('singular', 'names', 'above'),
    [
        ('subject', ['A1', 'A3', 'G1', 'NOPE'], ['/projects/*', '/projects/ST*']),
        ('experiment', ['A1_MR', 'A3_MR'], ['/projects/*', '/projects/STUDY/subjects/*']),
        ('scan', ['1', '2', '9'], ['/projects/STUDY/subjects/A*/experiments/*']),
        ('resource', ['NIFTI', 'NOPE'], ['/projects/STUDY/subjects/*/experiments/*/scans/*']),
        ('file', ['read/me.txt', 'me.txt'], ['/projects/STUDY/experiments/*/resources/*']),
    ],
)
def test_a_collection_has_the_children_of_one_name(xnat, study, singular, names, above):
    for path in above:
        selection = xnat.select(path)
        for name in names:
            named = getattr(selection, singular)(name)
            every = [getattr(element, singular)(name) for element in selection]
            assert type(named) is type(getattr(selection, f'{singular}s')())
            assert len(list(named)) == len([one for one in every if one.exists()])


def test_the_children_of_one_name_have_children(xnat, study):
    scans = xnat.select.project('STUDY').subjects('A*').experiments('*').scans()
    files = scans.resource('NIFTI').files()
    assert files.get() and sorted(files.get()) == files_by_walking(xnat, 'STUDY')
    assert xnat.select.projects('ST*').subject('A1').experiment('A1_MR').scan('2').get() == ['2']


def test_equal_spellings_give_equal_objects(xnat, study):
    spellings = [
        '/projects/STUDY/subjects',
        '/project/STUDY/subject/*',
        '/data/projects/STUDY/subjects/',
        '/REST/archive/project/STUDY/subjects/*',
    ]
    collections = {xnat.select(spelling) for spelling in spellings}
    assert len(collections) == 1
    assert collections == {xnat.select.project('STUDY').subjects()}


def test_names_are_returned_as_ids_labels_elements_and_tuples(xnat, study):
    subjects = xnat.select('/projects/STUDY/subjects')
    assert sorted(subjects.get('label')) == ['A1', 'A2', 'A3']
    assert all(
        name.startswith('XNAT_S') for name in subjects.get()
    ) and subjects.fetchall() == subjects.get('id')
    assert sorted(element.label() for element in subjects.get('obj')) == ['A1', 'A2', 'A3']
    assert dict(subjects.get('label', 'id')) == {
        element.label(): element.id() for element in subjects
    }


def test_wildcards_match_ids_and_labels(xnat, study):
    assert sorted(xnat.select('/projects/STUDY/subjects/A?').get('label')) == ['A1', 'A2', 'A3']
    assert xnat.select('/projects/STUDY/subjects/*1').get('label').count('A1') == 1
    assert len(xnat.select('/projects/STUDY/subjects/XNAT_S*')) == 3
    assert sorted(xnat.select('/projects/STUDY/subjects/*/experiments/*_PT').get('label')) == [
        'A1_PT',
        'A2_PT',
    ]
    assert xnat.select('/projects/STUDY/subjects/[A]1*').get() == []


def test_a_literal_name_below_a_wildcard_selects_existing_elements(xnat, study):
    assert len(xnat.select('/projects/STUDY/subjects/*/experiments/A1_MR')) == 1
    assert sorted(
        xnat.select('/projects/STUDY/subjects/*/experiments/*/scans/1/resources/NIFTI/files').get()
    ) == [f'{name}_1.img' for name in ('A1_MR', 'A1_PT', 'A2_MR', 'A2_PT')]
    assert (
        xnat.select('/projects/STUDY/subjects/*/experiments/*/scans/1/resources/NOPE/files').get()
        == []
    )


def test_double_slashes_follow_every_route(xnat, study):
    everything = sorted(xnat.select('/projects/STUDY//files').get())
    assert everything == sorted(['read/me.txt'] * 4 + files_by_walking(xnat, 'STUDY'))
    assert len(xnat.select('/projects/STUDY//scans')) == 8
    assert sorted(xnat.select('/projects/STUDY//scans//files').get()) == files_by_walking(
        xnat, 'STUDY'
    )


def test_a_chain_of_objects_equals_the_path(xnat, study):
    chained = (
        xnat.select.projects('STUDY')
        .subjects('A*')
        .experiments()
        .scans('1')
        .resources()
        .files('*.img')
    )
    by_path = xnat.select(
        '/projects/STUDY/subjects/A*/experiments/*/scans/1/resources/*/files/*.img'
    )
    assert sorted(chained.get()) == sorted(by_path.get()) and len(chained) == 4


def test_sessions_of_a_project_take_two_requests_for_any_number_of_subjects(xnat, study):
    with xnat.trace() as trace:
        found = xnat.select('/projects/STUDY/subjects/*/experiments/*').get('id', 'label', 'obj')
        assert sorted(label for _, label, _ in found) == [
            'A1_MR',
            'A1_PT',
            'A2_MR',
            'A2_PT',
            'A3_MR',
        ]
        assert {element.datatype() for _, _, element in found} == {
            'xnat:mrSessionData',
            'xnat:petSessionData',
        }
    assert trace.requests == 2, trace


def test_files_of_the_scans_of_several_sessions_take_one_request(xnat, study):
    with xnat.trace() as trace:
        assert (
            len(xnat.select('/projects/STUDY/subjects/*/experiments/*/scans/*/resources/*/files'))
            == 8
        )
    assert trace.requests == 2 + 1, trace


def test_short_cuts_give_the_results_of_the_walk(xnat, study):
    paths = [
        '/projects/STUDY/subjects/*/experiments/*',
        '/projects/*/subjects/A*/experiments/*MR',
        '/projects/STUDY//scans//files',
    ]
    short = [
        sorted((e._uri, e.id(), e.label(), e.datatype()) for e in xnat.select(path))
        for path in paths
    ]
    xnat.walker.without = frozenset(SHORT_CUTS)
    assert [
        sorted((e._uri, e.id(), e.label(), e.datatype()) for e in xnat.select(path))
        for path in paths
    ] == short


def test_a_shared_item_has_its_label_in_the_project_it_is_shared_into(xnat, study):
    (session,) = xnat.select('/projects/STUDY/subjects/A3/experiments')
    (same,) = xnat.select('/projects/ELSEWHERE/subjects/G1/experiments')
    assert (session.id(), session.label(), same.label()) == (same.id(), 'A3_MR', 'G1_MR')


def test_first_makes_only_the_needed_requests(xnat, study):
    looks = {
        'first': lambda c: c.first(),
        'bool': bool,
        'index': lambda c: c[0],
        'some': lambda c: c.fetchmany(1),
        'loop': lambda c: next(iter(c)),
    }
    xnat.cache.expiration = 60
    for name, look in looks.items():
        with xnat.trace() as trace:
            look(xnat.select('/projects/STUDY/subjects/*/experiments/*/scans'))
        # The shared session has no scans and may come first; a loop prefetches one listing more.
        assert trace.requests <= (5 if name == 'loop' else 4), trace
        xnat.cache.clear()


def test_indices_slices_and_membership(xnat, study):
    subjects = xnat.select('/projects/STUDY/subjects')
    everyone = subjects.get('obj')
    assert (
        subjects[1] == everyone[1]
        and subjects[-1] == everyone[-1]
        and subjects[:2] == everyone[:2]
        and subjects[::-1] == everyone[::-1]
    )
    assert (
        len(subjects) == 3 and bool(subjects) and not xnat.select('/projects/STUDY/subjects/NOPE*')
    )
    assert (
        'A1' in subjects
        and everyone[0] in subjects
        and everyone[0].id() in subjects
        and 'NOPE' not in subjects
    )
    with pytest.raises(IndexError):
        subjects[3]


def test_cursor_methods(xnat, study):
    subjects = xnat.select('/projects/STUDY/subjects')
    assert subjects.fetchone() == subjects.first() and len(subjects.fetchmany(2)) == 2
    assert xnat.select('/projects/STUDY/subjects/NOPE*').first() is None


def test_a_missing_literal_name_is_an_error_when_the_level_below_is_listed(xnat, study):
    with pytest.raises(errors.NotFoundError):
        xnat.select('/projects/NOPE/subjects').get()
    with pytest.raises(errors.NotFoundError):
        xnat.select('/projects/STUDY/subjects/NOPE/experiments').get()
    with pytest.raises(errors.NotFoundError, match="'NOPE' is not listed"):
        xnat.select('/projects/STUDY/experiments/NOPE/scans').get()
    for path in (
        '/projects/NOPE/experiments',
        '/projects/NOPE/subjects/*/experiments',
        '/projects/STUDY/subjects/NOPE/experiments',
    ):
        with pytest.raises(errors.NotFoundError):
            xnat.select(path).table(['label', 'project/name', 'subject/age'])
    elsewhere = xnat.select('/projects/STUDY/subjects/A1/experiments').where(
        [('xnat:subjectData/SUBJECT_LABEL', '=', 'A2')]
    )
    assert elsewhere.get() == []  # it exists, and is not one of those
    assert xnat.select('/projects/*/subjects/NOPE/experiments').get() == []


def test_protected_projects_are_skipped_below_a_wildcard_and_an_error_by_name(
    server, xnat, tmp_path
):
    import pyxnat

    for name, access in (('OPEN', 'public'), ('GUARDED', 'protected'), ('HIDDEN', 'private')):
        xnat.select.project(name).create(accessibility=access)
        xnat.select.project(name).subject(f'{name}_S').create()
    server.add_user('outsider', 'secret')
    with pyxnat.Interface(server.url, 'outsider', 'secret', tmp_path / 'outsider') as outsider:
        assert {'OPEN', 'GUARDED'} <= set(
            outsider.select.projects().get()
        ) and 'HIDDEN' not in outsider.select.projects().get()
        assert outsider.select('/projects/*/subjects').get('label').count('OPEN_S') == 1
        assert 'GUARDED_S' not in outsider.select('/projects/*/subjects').get('label')
        with pytest.raises((errors.PermissionDenied, errors.NotFoundError)):
            outsider.select('/projects/GUARDED/subjects').get()
        assert outsider.select('/projects/GUARDED/subjects/GUARDED_S').exists() is False
        assert outsider.select('/projects/HIDDEN').exists() is False


def test_selections_of_the_whole_site(xnat, study):
    (session,) = (
        xnat.select('/projects/STUDY/subjects/A1/experiments/A1_MR/').parent().experiments('A1_MR')
    )
    assert xnat.select.experiment(session.id()).label() == 'A1_MR'
    assert session.id() in xnat.select('/experiments').get()
    assert sorted(xnat.select.experiment(session.id()).scans().get()) == ['1', '2']


def test_explain_makes_no_request_and_lists_the_requests(xnat, study):
    with xnat.trace() as trace:
        said = xnat.select('/projects/STUDY/subjects/*/experiments/*/scans').explain()
    assert trace.requests == 0
    assert 'GET /data/projects/STUDY/subjects' in said and 'scans' in said


def test_explain_lists_a_request_of_several_paths_once(xnat, study):
    lines = xnat.select('/projects/STUDY/subjects/A1//files').explain().splitlines()
    sessions = [
        line
        for line in lines
        if line.startswith('  GET /data/projects/STUDY/subjects/A1/experiments   ')
    ]
    assert (
        len(sessions) > 2
        and [line for line in sessions if not line.endswith('(requested above)')] == sessions[:1]
    )


@pytest.mark.parametrize('path', [None, 5, ['/projects']])
def test_a_path_must_be_text(xnat, path):
    with pytest.raises(errors.ProgrammingError, match='is text'):
        xnat.select(path)


def test_the_error_of_an_invalid_path_names_the_part(xnat):
    with pytest.raises(errors.ProgrammingError, match="'scans': not below projects"):
        xnat.select('/projects/P/scans')


def test_a_literal_project_that_may_not_be_seen_is_always_an_error(server, project, tmp_path):
    project.subject('S').create()
    project.set_accessibility('private')
    server.add_user('nobody_else', 'secret')
    with pyxnat.Interface(server.url, 'nobody_else', 'secret', tmp_path / 'other') as other:
        for columns in (['label'], ['label', 'project/name']):
            with pytest.raises((errors.NotFoundError, errors.PermissionDenied)):
                other.select(f'/projects/{project.id()}/subjects').table(columns)
