"""Tests of copies whose labels exist at the destination, were changed, or belong to others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.copying import copy_items
from tests.support.faults import Exchange, FaultProxy
from tests.support.plain import Client

MR = 'xnat:mrSessionData'


def fill(project: Any, gender: str, *labels: str) -> Any:
    """Create subjects of a gender, each with a session with a file."""
    for label in labels:
        subject = project.subject(label).create(gender=gender)
        session = subject.experiment(f'{project.id()}_{label}').create(experiments=MR)
        session.resource('R').file('a.txt').put(label.encode())
    return project


@pytest.fixture
def study(project: Any) -> Any:
    """Return a project of two women."""
    return fill(project, 'female', 'S1', 'S2')


@pytest.fixture
def other(study: Any) -> Any:
    """Return a project of two men, with a label of the first one."""
    return fill(study.host.select.project(f'{study.id()}_Q').create(), 'male', 'S1', 'S3')


@pytest.fixture
def target(dest: pyxnat.Interface, study: Any) -> Any:
    """Return an empty project of the other archive."""
    return dest.select.project(f'{study.id()}_C').create()


def sessions_of(project: Any) -> dict[str, list[str]]:
    """Label of each subject -> labels of its sessions."""
    return {one.label(): sorted(one.experiments().get('label')) for one in project.subjects()}


@pytest.mark.sample(3)
@pytest.mark.parametrize('level', ['subjects', 'experiments', 'project'])
def test_a_person_whom_the_cache_hides_is_another_one(
    study: Any, target: Any, other_server: Any, level: str
) -> None:
    target.host.cache.expiration = 3600
    assert target.subjects().rows(['ID', 'label']) and target.subjects().get() == []
    client = Client(other_server, other_server.user, other_server.password)
    client.ok('PUT', f'/data/projects/{target.path_name}/subjects/S1?handedness=left')
    client.close()
    source = study if level == 'project' else getattr(study, level)()
    report = copy_items(source, target)
    assert (len(report.ok), len(report.failed)) == (1, 1)
    assert target.subject('S1').attrs.get('gender') == ''


@pytest.mark.parametrize('merge', [False, True])
@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('path', ['', '/experiments', '/*/experiments'])
@pytest.mark.sample(12)
def test_two_persons_of_one_label_are_not_merged(
    study: Any, other: Any, target: Any, path: str, merge: bool, overwrite: bool
) -> None:
    selected = study.host.select(f'/projects/{study.id()}*/subjects{path.removeprefix("/*")}')
    if path == '/*/experiments':
        selected = study.host.select(f'/projects/{study.id()}*/experiments')
    report = copy_items(selected, target, merge=merge, overwrite=overwrite)
    assert len(report.failed) == len(report.ok) == 2
    assert all('S1 would' in str(failure) for failure in report.failed)
    assert sessions_of(target) == {'S2': [f'{study.id()}_S2'], 'S3': [f'{other.id()}_S3']}


@pytest.mark.parametrize('level', ['subjects', 'experiments', 'project'])
@pytest.mark.parametrize('gender', ['male', ''])
@pytest.mark.sample(3)
def test_a_person_who_is_there_is_another_one_unless_said(
    study: Any, target: Any, tmp_path: Path, level: str, gender: str
) -> None:
    there = target.subject('S1').create(yob='1930', **({'gender': gender} if gender else {}))
    there.experiment('OWN').create(experiments=MR)
    source = study if level == 'project' else getattr(study, level)()
    for number in range(2):  # a second run with the state knows no more
        report = copy_items(source, target, state=tmp_path / 'state')
        assert (len(report.ok), len(report.failed)) == (1 - number, 1)
        assert 'merge=True' in str(report.failed[0])
    assert sessions_of(target) == {'S1': ['OWN'], 'S2': [f'{study.id()}_S2']}
    assert there.attrs.get('gender') == gender
    report = copy_items(source, target, merge=True, state=tmp_path / 'state')
    assert len(report.failed) == bool(gender)
    assert sessions_of(target)['S1'] == ['OWN', *([f'{study.id()}_S1'] if not gender else [])]
    report = copy_items(source, target, merge=True, overwrite=True, state=tmp_path / 'state')
    assert not report.failed
    assert sessions_of(target)['S1'] == ['OWN', f'{study.id()}_S1']


@pytest.mark.parametrize('level', ['subjects', 'experiments', 'project'])
@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.sample(6)
def test_a_person_created_by_another_copy_meanwhile_is_another_one(
    study: Any,
    other: Any,
    target: Any,
    other_server: Any,
    tmp_path: Path,
    level: str,
    jobs: int,
) -> None:
    source = study if level == 'project' else getattr(study, level)()

    def copy_another(exchange: Exchange) -> None:
        answer = exchange.forward()
        copy_items(other, target).check()
        exchange.client.sendall(answer)

    with FaultProxy(other_server.url) as proxy:
        proxy.applies = lambda method, uri: method == 'GET' and '/subjects?' in uri
        proxy.faults = [copy_another]
        login = (other_server.user, other_server.password)
        with pyxnat.Interface(proxy.url, *login, tmp_path / 'proxied') as interface:
            copy = interface.select.project(target.path_name)
            report = copy_items(source, copy, jobs=jobs)
        assert proxy.faults == []
    assert (len(report.ok), len(report.failed)) == (1, 1)
    assert 'merge=True' in str(report.failed[0])
    assert sessions_of(target) == {
        'S1': [f'{other.id()}_S1'],
        'S2': [f'{study.id()}_S2'],
        'S3': [f'{other.id()}_S3'],
    }
    assert target.subject('S1').attrs.get('gender') == 'male'


@pytest.mark.parametrize('gender', ['male', 'female', ''])
@pytest.mark.parametrize('level', ['subjects', 'experiments', 'project'])
@pytest.mark.sample(9)
def test_a_person_who_took_the_place_of_a_copy_is_another_one(
    study: Any, target: Any, tmp_path: Path, level: str, gender: str
) -> None:
    source = study if level == 'project' else getattr(study, level)()
    copy_items(source, target, state=tmp_path / 'state').check()
    target.subject('S1').delete()
    target.subject('S1').create(**({'gender': gender} if gender else {})).experiment('OWN').create(
        experiments=MR
    )
    report = copy_items(source, target, state=tmp_path / 'state')
    assert (len(report.failed), len(report.skipped)) == (1, 1)
    assert 'merge=True' in str(report.failed[0])
    assert sessions_of(target)['S1'] == ['OWN']
    assert target.subject('S1').attrs.get('gender') == gender


@pytest.mark.sample(3)
@pytest.mark.parametrize('gender', ['male', 'female', ''])
def test_copies_of_two_projects_into_one_keep_persons_apart(
    study: Any, target: Any, tmp_path: Path, gender: str
) -> None:
    other = study.host.select.project(f'{study.id()}_Q').create()
    other.subject('S1').create(**({'gender': gender} if gender else {})).experiment('EQ').create(
        experiments=MR
    )
    copy_items(study, target, state=tmp_path / 'one').check()
    report = copy_items(other.experiments(), target, state=tmp_path / 'two')
    assert (report.ok, len(report.failed)) == ([], 1)
    assert sessions_of(target)['S1'] == [f'{study.id()}_S1']


@pytest.mark.sample(2)
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_new_person_of_an_old_label_is_another_one(
    study: Any, target: Any, tmp_path: Path, overwrite: bool
) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    study.subject('S1').delete()
    study.subject('S1').create(gender='female').experiment('NEW').create(experiments=MR)
    report = copy_items(study, target, state=tmp_path / 'state', merge=True, overwrite=overwrite)
    assert len(report.failed) == 1 and 'is the copy of' in str(report.failed[0])
    assert sessions_of(target)['S1'] == [f'{study.id()}_S1']


@pytest.mark.parametrize('where', ['source', 'destination'])
@pytest.mark.parametrize('level', ['subject', 'session'])
@pytest.mark.parametrize('selected', ['project', 'subjects', 'experiments'])
@pytest.mark.sample(12)
def test_a_renamed_item_is_no_new_one(
    study: Any, target: Any, tmp_path: Path, where: str, level: str, selected: str
) -> None:
    source = study if selected == 'project' else getattr(study, selected)()
    copy_items(source, target, state=tmp_path / 'state').check()
    ids = {label: target.subject(label).id() for label in ('S1', 'S2')}
    person = (study if where == 'source' else target).subject('S1')
    renamed = person if level == 'subject' else person.experiment(f'{study.id()}_S1')
    renamed.rename('NEW')
    report = copy_items(source, target, state=tmp_path / 'state', again=True)
    assert (len(report.ok), len(report.failed)) == (1, 1)
    assert 'NEW' in str(report.failed[0]) and 'S1' in str(report.failed[0])
    assert sorted(one.id() for one in target.subjects()) == sorted(ids.values())
    copy_items(source, target, state=tmp_path / 'state', again=True, overwrite=True).check()
    assert sessions_of(target) == sessions_of(study)
    assert sorted(one.id() for one in target.subjects()) == sorted(ids.values())
    assert len(target.experiments().get()) == 2


def test_a_renamed_item_does_not_take_the_label_of_another(
    study: Any, target: Any, tmp_path: Path
) -> None:
    copy_items(study, target, state=tmp_path / 'state').check()
    before = {one.id(): one.experiments().get('label') for one in target.subjects()}
    study.subject('S1').rename('TEMPORARY')
    study.subject('S2').rename('S1')
    study.subject('TEMPORARY').rename('S2')
    report = copy_items(study, target, state=tmp_path / 'state', overwrite=True, again=True)
    assert len(report.failed) == 2
    assert all('at the destination, not' in str(failure) for failure in report.failed)
    assert {one.id(): one.experiments().get('label') for one in target.subjects()} == before


@pytest.mark.sample(2)
@pytest.mark.parametrize('selected', ['project', 'experiments'])
def test_a_moved_session_is_moved(study: Any, target: Any, tmp_path: Path, selected: str) -> None:
    source = study if selected == 'project' else study.experiments()
    copy_items(source, target, state=tmp_path / 'state').check()
    label = f'{study.id()}_S1'
    identity = target.experiment(label).id()
    study.subject('S2').experiment(label).create(experiments=MR, move=True)
    report = copy_items(source, target, state=tmp_path / 'state', again=True)
    assert len(report.failed) == 1 and 'belongs to subject' in str(report.failed[0])
    assert sessions_of(target)['S1'] == [label]
    copy_items(source, target, state=tmp_path / 'state', again=True, overwrite=True).check()
    assert sessions_of(target) == sessions_of(study)
    assert target.experiment(label).id() == identity


def test_a_session_of_another_person_is_not_moved(study: Any, target: Any) -> None:
    label = f'{study.id()}_S1'
    target.subject('X').create().experiment(label).create(experiments=MR)
    report = copy_items(study, target, overwrite=True, merge=True)
    assert len(report.failed) == 1 and 'belongs to subject' in str(report.failed[0])
    assert sessions_of(target)['X'] == [label]
    assert sessions_of(target)['S2'] == [f'{study.id()}_S2']


@pytest.mark.parametrize('state', ['known', 'unknown'])
@pytest.mark.parametrize('subject_label', ['S1', 'R_S1'])
@pytest.mark.parametrize('session_label', [None, 'same', 'R_E1'])
@pytest.mark.parametrize('owner_first', [True, False])
@pytest.mark.sample(12)
def test_a_project_with_shared_items_is_copied(
    study: Any,
    dest: pyxnat.Interface,
    tmp_path: Path,
    owner_first: bool,
    session_label: str | None,
    subject_label: str,
    state: str,
) -> None:
    guest = fill(study.host.select.project(f'{study.id()}_R').create(), 'male', 'R9')
    person, session = study.subject('S1'), study.experiment(f'{study.id()}_S1')
    person.share(guest.id(), subject_label)
    if session_label:
        session.share(guest.id(), session.label() if session_label == 'same' else session_label)
    copies = [dest.select.project(one.id()) for one in (study, guest)]
    if owner_first:
        if state == 'known':
            copies[1].create()  # the first copy shares into it
        copy_items(study, copies[0]).check()
        report = copy_items(guest, copies[1])
        assert len(report.failed) == 1 and 'merge=True' in str(report.failed[0])
    folder = tmp_path / 'state'
    report = copy_items(guest, copies[1], state=folder, merge=owner_first).check()
    assert sessions_of(copies[1]) == sessions_of(guest)
    assert bool(report.notes) is not owner_first
    owners = {one.label(): one.attrs.get('project') for one in copies[1].subjects()}
    assert owners == {
        'R9': guest.id(),
        subject_label: study.id() if owner_first else guest.id(),
    }
    again = copy_items(guest, copies[1], state=folder, again=True).check()
    assert (len(again.ok), again.files) == (2, 0)


@pytest.mark.parametrize('owner', ['there', 'missing'])
@pytest.mark.parametrize('selected', ['project', 'experiments'])
@pytest.mark.sample(4)
def test_a_session_that_is_shared_without_its_subject_shows_nothing_of_it(
    study: Any, dest: pyxnat.Interface, tmp_path: Path, owner: str, selected: str
) -> None:
    guest = study.host.select.project(f'{study.id()}_R').create()
    study.experiment(f'{study.id()}_S1').share(guest.id(), 'R_E1')
    copy = dest.select.project(guest.id()).create()
    if owner == 'there':
        copy_items(study, dest.select.project(study.id())).check()
    source = guest if selected == 'project' else guest.experiments()
    copy_items(source, copy, state=tmp_path / 'state', merge=owner == 'there').check()
    assert copy.experiments().get('label') == ['R_E1']
    assert copy.subjects().get('label') == ([] if owner == 'there' else ['S1'])
    if owner == 'missing':
        assert copy.subject('S1').attrs.get('gender') == ''
    copy_items(source, copy, state=tmp_path / 'state', again=True).check()


def test_a_session_that_another_project_owns_is_no_part_of_a_subject(
    study: Any, target: Any
) -> None:
    guest = study.host.select.project(f'{study.id()}_R').create()
    person = study.subject('S1')
    person.share(guest.id(), 'S1')
    guest.subject('S1').experiment('ELSEWHERE').create(experiments=MR)
    copy_items(study, target).check()
    assert sessions_of(target)['S1'] == [f'{study.id()}_S1']


@pytest.mark.sample(2)
@pytest.mark.parametrize('first', ['project', 'sessions'])
def test_sessions_and_projects_give_a_shared_subject_the_same_label(
    study: Any, target: Any, first: str
) -> None:
    guest = study.host.select.project(f'{study.id()}_R').create()
    study.subject('S1').share(guest.id(), 'R_S1')
    study.experiment(f'{study.id()}_S1').share(guest.id(), 'R_E1')
    sources = [guest, guest.experiments()]
    for source in sources if first == 'project' else sources[::-1]:
        copy_items(source, target, merge=True).check()
    assert sessions_of(target) == {'R_S1': ['R_E1']}


@pytest.mark.parametrize(
    ('clear', 'note'),
    [
        (lambda person, session: person.attrs.set('group', None), 'group'),
        (lambda person, session: session.delete(), 'experiments/'),
        (lambda person, session: session.scan('1').delete(), 'scans/1'),
        (lambda person, session: session.scan('1').resource('D').delete(), 'resources/D'),
        (lambda person, session: session.resource('R').file('a.txt').delete(), '1 files in'),
        (lambda person, session: session.attrs.set('note', None), 'note'),
    ],
)
@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.sample(12)
def test_what_the_destination_has_alone_is_noted_and_stays(
    study: Any, target: Any, tmp_path: Path, clear: Any, note: str, overwrite: bool
) -> None:
    person = study.subject('S1')
    session = person.experiment(f'{study.id()}_S1')
    session.attrs.set('note', 'text')
    person.attrs.set('group', 'g')
    session.scan('1').create(type='T1').resource('D').file('d.dcm').put(b'd')
    session.resource('R').file('b.txt').put(b'b')
    assert copy_items(study, target, state=tmp_path / 'state').check().notes == []
    clear(person, session)
    report = copy_items(study, target, state=tmp_path / 'state', overwrite=overwrite).check()
    assert len(report.ok) == len(report.notes) == 1
    assert 'at the destination alone' in report.notes[0] and note in report.notes[0]


@pytest.mark.parametrize('selected', ['project', 'subjects', 'experiments'])
@pytest.mark.parametrize('is_there', [True, False])
@pytest.mark.sample(6)
def test_a_unit_that_the_source_has_no_more_is_noted_while_its_copy_is_there(
    study: Any, target: Any, tmp_path: Path, selected: str, is_there: bool
) -> None:
    session = study.experiment(f'{study.id()}_S1')
    guest = study.host.select.project(f'{study.id()}_R').create()
    guest.subject('R1').create().experiment('R_E1').create(experiments=MR)
    guest.experiment('R_E1').share(study.id(), 'R_E1')  # without its subject
    source = study if selected == 'project' else getattr(study, selected)()
    report = copy_items(source, target, state=tmp_path / 'state').check()
    assert not [note for note in report.notes if 'alone' in note]
    assert copy_items(source, target, state=tmp_path / 'state').check().notes == []
    gone, level, name = (
        (session, 'experiments', session.label())
        if selected == 'experiments'
        else (study.subject('S1'), 'subjects', 'S1')
    )
    gone.delete()
    if not is_there:
        getattr(target, level[:-1])(name).delete()
    report = copy_items(source, target, state=tmp_path / 'state').check()
    assert report.notes == [f'{level}/{name} is at the destination alone'] * is_there


def test_a_refused_subject_is_not_claimed(
    study: Any, target: Any, other_server: Any, tmp_path: Path
) -> None:
    other_server.add_user(f'reader_{study.id().lower()}', 'secret')
    target.add_user(f'reader_{study.id().lower()}', 'collaborator')
    with pyxnat.Interface(
        other_server.url, f'reader_{study.id().lower()}', 'secret', tmp_path / 'reader'
    ) as reader:
        copy = reader.select.project(target.path_name)
        report = copy_items(study.subjects(), copy, state=tmp_path / 'state')
        assert len(report.failed) == 2 and report.bytes == 0
    target.subject('S1').create()
    report = copy_items(study.subjects(), target, state=tmp_path / 'state')
    assert len(report.failed) == 1 and isinstance(report.failed[0].error, errors.DuplicateError)
