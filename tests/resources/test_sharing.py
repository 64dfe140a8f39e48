"""Tests of elements in several projects, renamed, moved, and with ambiguous names."""

from __future__ import annotations

import pickle

import pytest

from pyxnat import errors


@pytest.fixture
def other(xnat, project):
    return xnat.select.project(f'{project._urn}_OTHER').create()


def test_a_shared_subject_has_its_label_in_the_other_project(project, other):
    subject = project.subject('S1').create()
    subject.share(other._urn, label='T1')
    assert other.subjects().get('label') == ['T1'] and other.subject('T1').id() == subject.id()
    assert subject.shares().get() == [project._urn, other._urn]
    subject.unshare(other._urn)
    assert other.subjects().get() == [] and subject.shares().get() == [project._urn]


def test_shares_are_lazy_can_be_filtered_and_chained(xnat, project, other):
    subject = project.subject('S1').create()
    subject.share(other._urn)
    with xnat.trace() as trace:
        shares = subject.shares('*_OTHER')
    assert trace.requests == 0
    with xnat.trace() as trace:
        assert [found._urn for found in shares] == [other._urn]
    assert trace.requests == 1
    assert subject.shares('*_OTHER').subjects().get('label') == ['S1']


def test_sharing_takes_one_request_and_one_for_the_id(xnat, project, other):
    project.subject('S1').create()
    with xnat.trace() as trace:
        project.subject('S1').share(other._urn)
    assert [record.method for record in trace] == ['GET', 'PUT']
    assert (
        'format=json' in [*trace][-1].uri and 'label=S1' in [*trace][-1].uri
    )  # without a label it would have none there


def test_sharing_twice_or_into_the_own_project_is_harmless(xnat, project, other):
    subject = project.subject('S1').create()
    subject.share(other._urn)
    with pytest.raises(errors.DuplicateError):
        subject.share(other._urn)
    with xnat.trace() as trace:
        subject.share(project._urn)
    assert trace.requests == 0
    with pytest.raises(errors.NotFoundError):
        subject.share('NOPE')


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
@pytest.mark.parametrize('through', ['own', 'other'])
def test_unsharing_from_the_own_project_is_refused_before_it_is_sent(
    xnat, project, other, level, through
):
    subject, element = shared(project, other, level)
    if through == 'other':
        element = {
            'subject': other.subject('SX'),
            'experiment': other.subject('SX').experiment('EX'),
            'assessor': other.subject('SX').experiment('EX').assessor('AX'),
        }[level]
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match=f'{project._urn} owns .*delete'),
    ):
        element.unshare(project._urn)
    assert {record.method for record in trace} == {'GET'} and trace.requests <= (
        3 if level == 'assessor' else 2
    )
    assert element.exists(consistent=True) and subject.exists(consistent=True)
    element.unshare(other._urn)
    assert (
        element.shares().get() == [project._urn]
        if through == 'own'
        else not element.exists(consistent=True)
    )


def shared(project, other, level):
    """Share a subject S, its session E and its assessor A into another project as SX, EX and AX.

    Returns the subject, and the element of a level.
    """
    subject = project.subject('S').create()
    session = subject.experiment('E').create()
    assessor = session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    elements = {'subject': subject, 'experiment': session, 'assessor': assessor}
    for element, label in zip(elements.values(), ('SX', 'EX', 'AX'), strict=True):
        element.share(other._urn, label)
    return subject, elements[level]


def test_an_element_that_is_not_shared_is_not_unshared(xnat, project, other):
    subject = project.subject('S1').create()
    with xnat.trace() as trace:
        subject.unshare(other._urn)
    assert [record.method for record in trace] == ['GET'] and subject.exists()


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
@pytest.mark.parametrize('label', [None, 'OTHER', 'with blank'])
def test_a_shared_element_is_found_by_its_new_label(xnat, project, other, level, label):
    session = project.subject('S').create().experiment('E').create()
    assessor = session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    element = {'subject': project.subject('S'), 'experiment': session, 'assessor': assessor}[level]
    with xnat.trace() as trace:
        element.share(other._urn, label)
    assert [record.method for record in trace if record.method != 'GET'] == [
        'PUT'
    ] and trace.requests <= (3 if level == 'assessor' else 2)
    rows = xnat._get_json(f'{element.uri_of_shares()}')
    assert [(row['ID'], row['label']) for row in rows] == [
        (project._urn, element.label()),
        (other._urn, label or element.label()),
    ]
    with pytest.raises(errors.DuplicateError, match='Already assigned'):
        element.share(other._urn, label)


def test_a_used_label_is_an_error_that_names_it(project, other):
    other.subject('S1').create()
    with pytest.raises(errors.DuplicateError, match='already in use.*S1'):
        project.subject('S1').create().share(other._urn)


def test_a_collection_is_not_unshared_from_its_own_project(xnat, project, other):
    for name in ('S1', 'S2'):
        project.subject(name).create()
    project.subjects().share(other._urn)
    other.subject('OWN').create()
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match=' owns '):
        other.subjects().unshare(other._urn)  # one of them is its own project
    assert {record.method for record in trace} == {'GET'}
    assert sorted(other.subjects().get('label')) == ['OWN', 'S1', 'S2']
    project.subjects().unshare(other._urn)
    assert other.subjects().get('label') == ['OWN']


def test_unsharing_a_subject_unshares_its_sessions(project, other):
    session = project.subject('S').create().experiment('E').create()
    project.subject('S').share(other._urn)
    session.share(other._urn)
    other.subject('S').experiment('NEW').create()
    project.subject('S').unshare(other._urn)
    assert other.experiments().get() == [] and project.experiments().get('label') == ['E']


def test_moving_changes_the_owner(project, other):
    subject = project.subject('S1').create()
    subject.experiment('E1').create()
    subject.share(other._urn, primary=True)
    assert other.subject('S1').exists()
    assert project.experiments().get('label') == ['E1']  # sessions stay in their project
    assert other.subject('S1').attrs.get('project') == other._urn


def test_experiments_and_assessors_can_be_shared(project, other):
    session = project.subject('S1').experiment('E1').create()
    assessor = session.assessor('A1').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    project.subject('S1').share(other._urn)
    session.share(other._urn, label='F1')
    assert other.subject('S1').experiments().get('label') == ['F1']
    assert assessor.shares().get() == [project._urn]
    assessor.share(other._urn)
    assert assessor.shares().get() == [project._urn, other._urn]


def test_deleting_below_a_project_it_is_shared_into_unshares_it(project, other):
    project.subject('S1').create().share(other._urn)
    other.subject('S1').delete()
    assert not other.subject('S1').exists() and project.subject('S1').exists()


def test_collections_can_be_shared(project, other):
    for name in ('S1', 'S2'):
        project.subject(name).create()
    assert list(project.subjects().sharing()) == []
    project.subjects('S1').share(other._urn)
    assert [subject.label() for subject in project.subjects().sharing([other._urn])] == ['S1']
    assert [subject.label() for subject in project.subjects().sharing()] == ['S1']
    project.subjects('S1').unshare(other._urn)
    assert list(project.subjects().sharing(other._urn)) == []


@pytest.mark.parametrize('chosen', [(), ('S1',), ('S1', 'S3')])
def test_shared_elements_are_a_collection(xnat, project, other, chosen):
    for name in ('S1', 'S2', 'S3'):
        project.subject(name).create(gender='male' if name == 'S1' else 'female')
        project.subject(name).experiment(f'E{name}').create()
    for name in chosen:
        project.subject(name).share(other._urn)
    shared = project.subjects().sharing([other._urn])
    with xnat.trace() as trace:
        assert sorted(shared.get('label')) == list(chosen) and len(shared) == len(chosen)
        assert bool(shared) == bool(chosen)
    assert not trace.requests
    assert sorted(shared.experiments().get('label')) == [f'E{name}' for name in chosen]
    assert sorted(shared.table(['label']).get('label', always_list=True)) == list(chosen)
    male = shared.where([('xnat:subjectData/GENDER_TEXT', '=', 'M'), 'AND'])
    assert male.get('label') == list(chosen[:1])
    assert sorted(pickle.loads(pickle.dumps(shared)).get('label')) == list(chosen)


def test_renaming_keeps_the_files(project, tmp_path):
    session = project.subject('S1').experiment('E1').create()
    session.resource('R').file('f').put(b'content')
    session.rename('E2')
    assert session.label() == 'E2' and not project.subject('S1').experiment('E1').exists()
    assert (
        open(project.subject('S1').experiment('E2').resource('R').file('f').get()).read()
        == 'content'
    )
    project.subject('S1').experiment('E3').create()
    with pytest.raises(errors.DuplicateError):
        session.rename('E3')


def test_a_name_that_is_an_id_and_the_label_of_another_element_is_an_error(project):
    first = project.subject('S1').create()
    second = project.subject('S2').create()
    second.rename(first.id())
    ambiguous = project.subject(first.id())
    assert ambiguous.label() == 'S1'  # reading finds the ID first, like the server
    for act in (
        ambiguous.delete,
        lambda: project.subject(first.id()).attrs.set('group', 'x'),
        lambda: project.subject(first.id()).rename('S9'),
    ):
        with pytest.raises(
            errors.ProgrammingError, match=rf'is ambiguous: {first.id()} \(S1\) and {second.id()}'
        ):
            act()
    project.subject('S1').attrs.set('group', 'mine')
    assert project.subject('S1').attrs.get('group') == 'mine'
    assert {subject.id(): subject.attrs.get('group') for subject in project.subjects()} == {
        first.id(): 'mine',
        second.id(): '',
    }
