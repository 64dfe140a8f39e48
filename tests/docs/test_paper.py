"""The examples of the paper (Schwartz et al. 2012, Front. Neuroinform. 6:12), on an archive.

Characters that were lost in typesetting are restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve

#         project             subject gender    age at each MR session
PEOPLE = [
    ('CENTRAL_OASIS_CS', 'OAS1_0001', 'female', (74,)),
    ('CENTRAL_OASIS_CS', 'OAS1_0002', 'male', (81, 83)),
    ('MY_PROJECT', 'SUBJ', 'female', (85, 14)),
    ('ANOTHER', 'A1', 'female', (90,)),
]


@pytest.fixture(scope='module')
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(tmp_path_factory.mktemp('paper'), users={'user': 'secret'}) as server:
        with pyxnat.Interface(
            server.url, server.user, server.password, tmp_path_factory.mktemp('cache')
        ) as interface:
            for project, label, gender, ages in PEOPLE:
                subject = (
                    interface.select.project(project).create().subject(label).create(gender=gender)
                )
                for number, age in enumerate(ages):
                    session = subject.experiment(f'{label}_MR{number}').create(
                        **{'xnat:mrSessionData/age': age}
                    )
                    for name in (f'{label}.img', f'{label}.hdr'):
                        session.scan('1').resource('T1').file(name).put(b'image')
        yield server


@pytest.fixture
def interface(archive: Any, tmp_path: Any) -> Iterator[pyxnat.Interface]:
    with pyxnat.Interface(archive.url, archive.user, archive.password, tmp_path) as connection:
        yield connection


# -- 3.1.1 object mapper ---------------------------------------------------------------------------


def test_select_gives_ids_of_a_collection_and_an_element_by_its_name(
    interface: pyxnat.Interface,
) -> None:
    assert sorted(interface.select('/projects').get()) == [
        'ANOTHER',
        'CENTRAL_OASIS_CS',
        'MY_PROJECT',
    ]
    assert interface.select('/project/PROJID').exists() is False


def test_elements_are_created_and_deleted_and_projects_have_permissions(
    interface: pyxnat.Interface,
) -> None:
    p = interface.select('/project/PROJID')
    p.create()
    p.set_accessibility('private')
    assert p.exists() and p.accessibility() == 'private' and p.users() == [interface._user]
    p.delete()
    assert not p.exists()


def test_a_loop_over_the_subjects_of_all_projects_requests_one_project_at_a_time(
    interface: pyxnat.Interface,
) -> None:
    s = interface.select('/projects/*/subjects')
    with interface.trace() as trace:
        subject = next(iter(s))
    assert subject.label() in ('A1', 'OAS1_0001', 'OAS1_0002', 'SUBJ') and trace.requests == 2
    assert sorted(subject.label() for subject in s) == ['A1', 'OAS1_0001', 'OAS1_0002', 'SUBJ']


def test_several_spellings_give_all_files_of_a_subject_in_any_project(
    interface: pyxnat.Interface,
) -> None:
    paths = [
        '/projects/*/subjects/SUBJ/experiments/*//files',
        '/projects/*/subject/SUBJ//experiments//files',
        '//subjects/SUBJ/experiments//files',
    ]
    chained = interface.select.projects().subjects('SUBJ').experiments().scans().resources().files()
    selections = [*map(interface.select, paths), chained]
    found = [
        sorted(file._uri.partition('/experiments/')[2] for file in selection)
        for selection in selections
    ]
    assert len(found[0]) == 4 and all(one == found[0] for one in found)


# -- 3.1.2 search integration ----------------------------------------------------------------------

ROW = 'xnat:mrSessionData'
COLUMNS = [
    'xnat:mrSessionData/SESSION_ID',
    'xnat:subjectData/SUBJECT_LABEL',
    'xnat:mrSessionData/AGE',
]
CRITERIA = [
    ('xnat:mrSessionData/AGE', '>', '80'),
    [
        ('xnat:mrSessionData/PROJECT', '=', 'MY_PROJECT'),
        ('xnat:mrSessionData/PROJECT', '=', 'CENTRAL_OASIS_CS'),
        'OR',
    ],
    'AND',
]


def test_a_search_gives_a_table(interface: pyxnat.Interface) -> None:
    table = interface.select(ROW, COLUMNS).where(CRITERIA)
    assert table.headers() == ['session_id', 'xnat_subjectdata_subject_label', 'age']
    assert sorted(float(age) for age in table['age']) == [81, 83, 85]


def test_the_same_criteria_choose_subjects_as_objects(
    interface: pyxnat.Interface,
) -> None:
    found = interface.select('//experiments').where(CRITERIA)
    assert sorted(found.get('label')) == ['OAS1_0002_MR0', 'OAS1_0002_MR1', 'SUBJ_MR0', 'SUBJ_MR1']
    assert {type(experiment).__name__ for experiment in found} == {'Experiment'}


# -- 3.3 database management -----------------------------------------------------------------------


def test_a_search_is_saved_shared_and_used(
    interface: pyxnat.Interface, archive: Any, tmp_path: Any
) -> None:
    users = ['user']
    criteria = [('xnat:subjectData/GENDER', '=', 'male'), 'AND']
    interface.manage.search.save('search_name', ROW, COLUMNS, criteria, users)
    assert interface.manage.search.get('search_name')['xnat_subjectdata_subject_label'] == [
        'OAS1_0002',
        'OAS1_0002',
    ]
    with pyxnat.Interface(archive.url, 'user', 'secret', tmp_path / 'other') as colleague:
        assert colleague.manage.search.saved() == ['search_name']
        assert colleague.manage.search.get('search_name', 'query')['constraints'] == criteria
    interface.manage.search.delete('search_name')


def test_a_template_is_saved_and_used(interface: pyxnat.Interface) -> None:
    users = ['user']
    criteria = [('xnat:subjectData/GENDER', '=', 'gender'), 'AND']
    interface.manage.search.save_template('template_name', ROW, COLUMNS, criteria, users)
    assert len(interface.manage.search.use_template('template_name', {'gender': 'male'})) == 2
    assert (
        len(interface.select(ROW, COLUMNS).where(template=('template_name', {'gender': 'female'})))
        == 4
    )
    interface.manage.search.delete_template('template_name')


# -- appendix --------------------------------------------------------------------------------------


def test_images_of_those_over_80_come_in_pairs(interface: pyxnat.Interface) -> None:
    """Run the part of the script without its pool of processes, which ``make demo`` runs."""
    query = '/projects/CENTRAL_OASIS_CS/subjects/*/experiments/*/scans/*/resources/*/files'
    filter_ = [('xnat:mrSessionData/AGE', '>', '80'), 'AND']
    images: dict[str, list[Any]] = {}
    for f in interface.select(query).where(filter_):
        images.setdefault(f.label().split('.')[0], []).append(f)
    assert {name: len(files) for name, files in images.items()} == {'OAS1_0002': 4}
    assert {open(f.get(), 'rb').read() for f in images['OAS1_0002']} == {b'image'}


# -- 3.2 database introspection --------------------------------------------------------------------


def test_data_types_and_values_in_use_are_explored(interface: pyxnat.Interface) -> None:
    assert 'xnat:mrSessionData' in interface.inspect.datatypes()
    assert 'xnat:mrSessionData/AGE' in interface.inspect.datatypes('xnat:mrSessionData')
    values = interface.inspect.field_values('xnat:mrSessionData/AGE')
    assert [float(age) for age in values] == [14, 74, 81, 83, 85, 90]


def test_values_from_introspection_can_be_used_in_queries(interface: pyxnat.Interface) -> None:
    age = 'xnat:mrSessionData/AGE'
    for value in interface.inspect.field_values(age):
        assert interface.select('//experiments').where([(age, '=', value), 'AND']).get()


def test_the_structure_of_levels_is_known_without_requests(interface: pyxnat.Interface) -> None:
    with interface.trace() as trace:
        tree = str(interface.inspect.structure())
    assert len(trace) == 0 and all(
        level in tree
        for level in (
            'PROJECTS',
            'SUBJECTS',
            'EXPERIMENTS',
            'ASSESSORS',
            'SCANS',
            'RESOURCES',
            'FILES',
        )
    )


# -- 3.3 database management: users, projects, pipelines; section 4: the prearchive ----------------


@pytest.mark.parametrize('role', ['owner', 'member', 'collaborator'])
def test_owners_add_users_and_set_who_may_see_a_project(
    interface: pyxnat.Interface, role: str
) -> None:
    project = interface.manage.project('MY_PROJECT')
    assert 'user' in interface.manage.users()
    project.add_user('user', role)
    assert project.user_role('user') == role and 'user' in project.users()
    for accessibility in ('private', 'public', 'protected'):
        project.set_accessibility(accessibility)
        assert project.accessibility() == accessibility
    project.remove_user('user')
    assert 'user' not in project.users()


def test_the_pipelines_of_a_project_are_listed(interface: pyxnat.Interface) -> None:
    assert interface.select.project('MY_PROJECT').pipelines.aliases() == {}


def test_the_prearchive_is_used_like_the_archive(interface: pyxnat.Interface) -> None:
    assert (
        interface.select('/prearchive').get()
        == interface.select('/prearchive/projects/MY_PROJECT/*/*').get()
        == []
    )
