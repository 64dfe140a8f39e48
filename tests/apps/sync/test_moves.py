"""Tests of moves and renames, which keep the ID of an item, on both sides of a mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.remote_side import RemoteSide

from .test_pull import MR, pulled
from .test_push import equal, pushed


def move(project: Any, session: str, subject: str) -> None:
    """Move a session to another subject."""
    uri = f'/data/projects/{project.id()}/subjects/{subject}/experiments/{session}'
    project.host.put(f'{uri}?xsiType={MR}').raise_for_status()


def test_a_session_that_was_moved_in_the_folder_is_moved_at_the_server(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    session = here.subject('S').experiment('E')
    before = session.id()
    here.subject('NEW').create(group='new')
    session.scan('1').attrs.set('note', 'changed before')
    session.scan('1').resource('NIFTI').file('T1.nii.gz').put(b'other', overwrite=True)
    move(here, 'E', 'NEW')
    moved = here.subject('NEW').experiment('E')
    moved.attrs.set(f'{MR}/note', 'changed after')
    moved.attrs.set('label', 'E_MOVED')
    with xnat.trace() as trace:
        steps = pushed(mirror, delete=True)
    assert sorted(steps) == ['change', 'change', 'create', 'send']
    assert 'DELETE' not in [record.method for record in trace]
    assert equal(mirror, xnat, there.id())
    found = there.subject('NEW').experiment('E_MOVED')
    assert found.id() == before and found.attrs.get(f'{MR}/note') == 'changed after'


def test_a_subject_is_deleted_after_its_sessions_have_left_it(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    before = here.subject('S').experiment('E').id()
    here.subject('A_NEW').create()
    move(here, 'E', 'A_NEW')
    here.subject('S').delete()
    assert sorted(pushed(mirror, delete=True)) == ['change', 'create', 'delete']
    assert equal(mirror, xnat, there.id())
    assert there.subject('A_NEW').experiment('E').id() == before


def test_a_move_and_changes_of_the_other_side_merge(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    here.subject('S').experiment('E').attrs.set(f'{MR}/note', 'mine')
    resource = here.subject('S').experiment('E').scan('1').resource('NIFTI')
    resource.file('T1.nii.gz').put(b'mine', overwrite=True)
    move(there, 'E', 'T')
    there.subject('T').experiment('E').scan('1').attrs.set('note', 'theirs')
    assert pulled(mirror).conflicts == []
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    session = there.subject('T').experiment('E')
    assert session.attrs.get(f'{MR}/note') == 'mine'
    assert session.scan('1').attrs.get('note') == 'theirs'
    file = session.scan('1').resource('NIFTI').file('T1.nii.gz')
    assert Path(file.get()).read_bytes() == b'mine'


@pytest.mark.parametrize('first', ['pull', 'push'])
@pytest.mark.parametrize('moved', ['here', 'there'])
@pytest.mark.sample(4)
def test_a_move_and_a_new_label_of_the_other_side_merge(
    moved: str, first: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    identity = there.subject('S').experiment('E').id()
    one, other = (here, there) if moved == 'here' else (there, here)
    move(one, 'E', 'T')
    one.subject('T').experiment('E').attrs.set(f'{MR}/note', 'of the one that moved')
    other.subject('S').experiment('E').attrs.set('label', 'E_NEW')
    if first == 'push':
        pushed(mirror)
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    session = there.subject('T').experiment('E_NEW')
    assert session.id() == identity and session.attrs.get('note') == 'of the one that moved'


@pytest.mark.parametrize('take', ['local', 'remote'])
@pytest.mark.sample(2)
def test_moves_of_both_sides_are_a_conflict(
    take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    for name in ('T', 'U'):
        there.subject(name).create()
    pulled(mirror)
    move(there, 'E', 'T')
    move(here, 'E', 'U')
    mirror.push(delete=True)
    mirror.pull()
    assert there.subject('T').experiment('E').exists()
    assert mirror.local.select.project(there.id()).subject('U').experiments().get('label') == ['E']
    assert [one.reason for one in mirror.conflicts()] == ['changed on both sides']
    mirror.resolve(mirror.conflicts(), take)
    pulled(mirror)
    pushed(mirror)
    pulled(mirror)
    assert equal(mirror, xnat, there.id())
    owner = there.subject('U' if take == 'local' else 'T')
    assert owner.experiments().get('label') == ['E']


def test_labels_are_free_when_they_are_given(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('S').experiment('E2').create(experiments=MR)
    there.subject('S2').create()
    pulled(mirror)
    before = {key: there.subject('S').experiment(key).id() for key in ('E', 'E2')}
    here.subject('S').experiment('E2').attrs.set('label', 'E3')
    here.subject('S').experiment('E').attrs.set('label', 'E2')
    here.subject('S').experiment('E').create(experiments=MR)
    here.subject('S2').attrs.set('label', 'S3')
    here.subject('S').attrs.set('label', 'S2')
    here.subject('S').create(group='another')
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    found = {key: there.subject('S2').experiment(key).id() for key in ('E', 'E2', 'E3')}
    assert (found['E2'], found['E3']) == (before['E'], before['E2'])
    assert there.subject('S').attrs.get('group') == 'another'


@pytest.mark.sample(2)
@pytest.mark.parametrize('take', ['local', 'remote'])
def test_a_conflict_of_a_session_that_was_moved_at_the_server_is_resolved(
    take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    here.subject('S').experiment('E').attrs.set(f'{MR}/note', 'here')
    there.subject('S').experiment('E').attrs.set(f'{MR}/note', 'there')
    move(there, 'E', 'T')
    assert mirror.pull().conflicts
    mirror.resolve(mirror.conflicts(), take)
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    subject, note = ('S', 'here') if take == 'local' else ('T', 'there')
    assert there.subject(subject).experiment('E').attrs.get('note') == note


@pytest.mark.sample(2)
@pytest.mark.parametrize('take', ['local', 'remote'])
def test_a_decision_on_a_session_that_was_moved_in_the_folder_is_carried_out(
    take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    session = here.subject('S').experiment('E')
    session.attrs.set(f'{MR}/note', 'here')
    move(here, 'E', 'T')
    there.subject('S').experiment('E').attrs.set(f'{MR}/note', 'there')
    there.subject('T').attrs.set('group', 'there')
    assert mirror.pull().conflicts
    assert mirror.push().conflicts
    mirror.resolve(mirror.conflicts(), take)
    if take == 'remote':
        pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    assert mirror.status() == ([], [], [])
    subject, note = ('T', 'here') if take == 'local' else ('S', 'there')
    assert there.subject(subject).experiment('E').attrs.get('note') == note


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('delete', [False, True])
@pytest.mark.sample(6)
def test_a_session_that_went_below_a_subject_which_the_folder_deleted_is_decided(
    delete: bool, take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    here.subject('T').delete()
    move(there, 'E', 'T')
    assert [one.key.partition('/')[0] for one in mirror.pull().conflicts] == ['experiments']
    mirror.resolve(mirror.conflicts(), take)
    pushed(mirror, delete=delete)
    if take == 'local':
        assert there.subject('S').experiment('E').exists(), 'nothing else of S was changed here'
    for _ in range(2):
        mirror.pull()
        mirror.resolve(mirror.conflicts(), take)
        pushed(mirror, delete=True)
    assert equal(mirror, xnat, there.id())
    owner = 'S' if take == 'local' else 'T'
    assert there.subject(owner).experiment('E').scan('1').exists()
    assert there.subject('T').exists() == (take != 'local')


@pytest.mark.sample(3)
@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
def test_an_item_whose_label_was_taken_gets_its_new_one_however_its_conflict_ends(
    take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    identity = there.subject('S').id()
    there.subject('S').attrs.set('label', 'S9')
    there.subject('T').attrs.set('label', 'S')
    here.subject('T').attrs.set('src', 'mine')
    pushed(mirror)  # brings T with its label, before S has its own
    assert here.subject(identity).label() == identity
    here.subject(identity).attrs.set('group', 'mine')
    there.subject('S9').attrs.set('group', 'theirs')
    assert [one.key for one in mirror.pull().conflicts] == [f'subjects/{identity}']
    mirror.resolve(mirror.conflicts(), take)
    pulled(mirror)
    assert here.subject(identity).label() == 'S9'
    pushed(mirror)
    assert equal(mirror, xnat, there.id())


@pytest.mark.parametrize('level', ['subject', 'session'])
@pytest.mark.sample(2)
def test_an_item_that_is_deleted_and_put_back_keeps_its_id(
    level: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    subject = here.subject('S')
    item, field = (subject, 'group') if level == 'subject' else (subject.experiment('E'), 'note')
    before = item.id()
    item.delete()
    same = {'gender': 'female', 'handedness': 'right'}  # XNAT clears no gender
    item.create(**(same if level == 'subject' else {'experiments': MR}), **{field: 'put back'})
    mirror.push(delete=True)
    pulled(mirror)
    mirror.push(delete=True)
    assert equal(mirror, xnat, there.id())
    again = there.subject('S') if level == 'subject' else there.subject('S').experiment('E')
    assert again.id() == before and again.attrs.get(field) == 'put back'


def test_a_label_that_the_server_gave_meanwhile_is_a_conflict(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    here.subject('S').experiment('X').create(experiments=MR, note='mine')
    there.subject('T').experiment('X').create(experiments=MR, note='theirs')
    before = there.subject('T').experiment('X').id()
    mirror.push()
    [conflict] = mirror.conflicts()
    assert there.subject('T').experiment('X').attrs.mget(['ID', 'note']) == [before, 'theirs']
    mirror.resolve(conflict, 'both')
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    assert there.subject('S').experiment('X_local').attrs.get('note') == 'mine'


@pytest.mark.sample(2)
@pytest.mark.parametrize('first', ['the old project', 'the new project'])
def test_a_subject_that_went_to_another_project_takes_changes_of_the_folder_along(
    first: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, P: str
) -> None:
    there.subject('T').create()
    xnat.put(f'/data/projects/{P}_2').raise_for_status()
    for project in (P, f'{P}_2'):
        pulled(mirror, f'/projects/{project}')
    here.subject('S').attrs.set('group', 'mine')
    there.subject('S').experiment('E').share(f'{P}_2', primary=True)  # its sessions first
    there.subject('S').share(f'{P}_2', primary=True)
    order = [P, f'{P}_2'] if first == 'the old project' else [f'{P}_2', P]
    bytes_pulled = sum(pulled(mirror, f'/projects/{project}').bytes for project in order)
    assert bytes_pulled == 0, 'its files are not fetched again'
    assert pushed(mirror, delete=True) == ['change']
    assert equal(mirror, xnat, P) and equal(mirror, xnat, f'{P}_2')
    moved = xnat.select.project(f'{P}_2').subject('S')
    assert moved.attrs.get('group') == 'mine'


@pytest.mark.parametrize('end', ['deleted', 'deleted with its subject', 'unshared'])
@pytest.mark.parametrize('side', ['here', 'there'])
@pytest.mark.sample(2)
def test_a_session_that_was_moved_and_then_deleted_is_deleted(
    side: str, end: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    """Marks of a subject do not change when a session leaves it."""
    other = f'{P}_2'
    xnat.put(f'/data/projects/{other}').raise_for_status()
    xnat.put(f'/data/projects/{other}/subjects/T/experiments/F?xsiType={MR}').raise_for_status()
    home = other if end == 'deleted with its subject' else P
    xnat.select.project(home).subject('NEW').create()
    for project in (P, other):
        pulled(mirror, f'/projects/{project}')
    changed = mirror.local if side == 'here' else xnat
    subject = changed.select.project(home).subject('NEW')
    if home == P:
        subject.share(other)
    uri = f'/data/projects/{other}/subjects/{subject.id()}/experiments/F?xsiType={MR}'
    session = changed.put(uri)
    session.raise_for_status()
    if end == 'deleted':
        changed.select.experiment(session.text.strip()).delete()
    elif end == 'unshared':
        subject.unshare(other)  # with the sessions of the other project
    else:
        subject.delete()
    pushed(mirror, delete=True)
    mirror.pull(max_delete=1).check()
    assert equal(mirror, xnat, P) and equal(mirror, xnat, other)
    assert not xnat.select.project(other).experiments().get('label')


@pytest.mark.parametrize('side', ['here', 'there'])
def test_an_assessor_that_was_moved_and_then_deleted_is_deleted(
    side: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, there: Any
) -> None:
    there.subject('T').experiment('F').create(experiments=MR)
    pulled(mirror)
    changed = mirror.local if side == 'here' else xnat
    project = changed.select.project(P)
    identity = project.subject('S').experiment('E').assessor('A').id()
    changed.put(
        f'/data/projects/{P}/subjects/T/experiments/F/assessors/A?xsiType=xnat:qcManualAssessorData'
    ).raise_for_status()
    assert project.subject('T').experiment('F').assessor('A').id() == identity
    project.subject('T').experiment('F').assessor('A').delete()
    pushed(mirror, delete=True)
    mirror.pull(max_delete=1).check()
    assert equal(mirror, xnat, P)
    assert not there.subject('S').experiment('E').assessors().get('label')


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('first', ['pull', 'push'])
@pytest.mark.sample(6)
def test_a_subject_that_the_folder_deleted_and_the_server_moved_is_decided(
    first: str, take: Any, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    other = f'{there.id()}_2'
    xnat.put(f'/data/projects/{other}').raise_for_status()
    there.subject('T').create()
    for project in (there.id(), other):
        pulled(mirror, f'/projects/{project}')
    identity = there.subject('S').id()
    there.subject('S').experiment('E').share(other, primary=True)  # its sessions first
    there.subject('S').share(other, primary=True)
    here.subject('S').delete()
    if first == 'push':
        assert pushed(mirror, delete=True) == [], 'it is no deletion in the other project'
    mirror.pull(max_delete=1).check()
    assert f'subjects/{identity}' in [one.key for one in mirror.conflicts()]
    mirror.push(delete=True)
    assert xnat.select.project(other).subject('S').exists(), 'nobody has decided yet'
    mirror.resolve(f'subjects/{identity}', take)
    pulled(mirror)
    pushed(mirror, delete=True)
    assert equal(mirror, xnat, there.id()) and equal(mirror, xnat, other)
    assert xnat.select.project(other).subject('S').exists() == (take != 'local')
    assert not mirror.conflicts()


def test_a_subject_is_moved_to_another_project_of_the_mirror(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, P: str
) -> None:
    xnat.put(f'/data/projects/{P}_2').raise_for_status()
    pulled(mirror, f'/projects/{P}_2')
    before = here.subject('S').id()
    here.subject('S').experiment('E').share(f'{P}_2', primary=True)
    here.subject('S').share(f'{P}_2', primary=True)
    mirror.local.select.project(f'{P}_2').subject('S').attrs.set('group', 'mine')
    assert [step.fields for step in mirror.push(dry_run=True, delete=True).steps] == [('@parent',)]
    assert pushed(mirror, delete=True) == ['change', 'change']
    pulled(mirror)
    assert equal(mirror, xnat, P) and equal(mirror, xnat, f'{P}_2')
    assert xnat.select.project(f'{P}_2').subject('S').id() == before


def test_a_session_is_deleted_that_moved_to_a_subject_that_neither_side_has(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    pulled(mirror)
    here.subject('T').delete()
    move(there, 'E', 'T')
    assert mirror.pull().conflicts
    there.subject('T').delete()
    mirror.pull(max_delete=1)
    assert mirror.status() == ([], [], [])
    assert equal(mirror, xnat, there.id())
    assert not here.subject('S').experiment('E').exists()


@pytest.mark.parametrize('who', ['new', 'renamed'])
@pytest.mark.parametrize('take', ['both', 'remote'])
@pytest.mark.parametrize('level', ['subject', 'session'])
@pytest.mark.sample(7)
def test_a_label_that_is_of_another_item_there_is_a_conflict(
    level: str,
    take: str,
    who: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    there.subject('T').experiment('T1').create(experiments=MR)
    there.subject('U').experiment('U1').create(experiments=MR)
    pulled(mirror)
    find = {
        'subject': lambda side, name: side.subject(name),
        'session': lambda side, name: side.subject(name[0]).experiment(f'{name}1'),
    }[level]
    label = find(there, 'X').path_name
    if who == 'new' and level == 'session':
        here.subject('U').experiment(label).create(experiments=MR)
    elif who == 'new':
        here.subject(label).experiment('MINE').create(experiments=MR)
    else:
        find(here, 'U').attrs.set('label', label)
    find(there, 'T').scan('1').create() if level == 'session' else None
    find(there, 'T').attrs.set('label', label)
    mirror.pull()
    [conflict] = mirror.conflicts()
    assert 'that of another item there' in conflict.reason
    assert mirror.push().failed and [one.key for one in mirror.conflicts()] == [conflict.key]
    with pytest.raises(errors.DataError, match='label of another item'):
        mirror.resolve(conflict, 'local')
    mirror.resolve(conflict, take)
    pulled(mirror)
    pushed(mirror)
    pulled(mirror)
    assert equal(mirror, xnat, there.id())
    rows = there.subjects() if level == 'subject' else there.experiments()
    labels = rows.get('label')
    assert label in labels and (f'{label}_local' in labels) == (take == 'both')


@pytest.mark.parametrize('count', [2, 3])
@pytest.mark.parametrize('kind', ['subjects', 'sessions', 'sessions of others'])
@pytest.mark.sample(6)
def test_labels_that_change_places_in_the_folder_take_one_push(
    kind: str,
    count: int,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
    monkeypatch: Any,
) -> None:
    for number in range(count):
        subject = 'S0' if kind == 'sessions' else f'S{number}'
        there.subject(subject).experiment(f'E{number}').create(experiments=MR)
    pulled(mirror)
    level, start = ('subjects', 'S') if kind == 'subjects' else ('experiments', 'E')
    items = {one.label(): one.id() for one in getattr(here, level)()}
    labels = [f'{start}{number}' for number in range(count)]
    turned = dict(zip(labels, labels[1:] + labels[:1], strict=True))
    for label in labels:
        mirror.local.put(f'/data/{level}/{items[label]}?label=TMP_{label}').raise_for_status()
    for label, after in turned.items():
        mirror.local.put(f'/data/{level}/{items[label]}?label={after}').raise_for_status()
    rename = RemoteSide.rename

    def dying(self: Any, part: Any, label: str) -> None:
        rename(self, part, label)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RemoteSide, 'rename', dying)
        mirror.push()
    pulled(mirror)
    assert mirror.conflicts() == []
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    now = {one.label(): one.id() for one in getattr(there, level)()}
    assert {after: items[label] for label, after in turned.items()}.items() <= now.items()


def test_a_new_session_goes_to_its_subject_whatever_label_that_has_at_the_server(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    subjects = len(there.subjects().get())
    subject = here.subject('S')
    subject.experiment('NEW').create(experiments=MR, **{f'{MR}/note': 'new'})
    subject.experiment('NEW').scan('1').create(type='T1')
    there.subject('S').attrs.set('label', 'RENAMED')
    pushed(mirror)
    assert len(there.subjects().get()) == subjects
    assert there.subject('RENAMED').experiment('NEW').scan('1').exists()


def test_a_session_stays_until_its_new_subject_can_have_its_label(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    there.subject('T').create()
    move(there, 'E', 'T')
    there.subject('S').attrs.set('group', 'changed')
    here.subject('S').attrs.set('label', 'T')
    here.subject('T').experiment('E').attrs.set(f'{MR}/note', 'mine')
    mirror.pull()
    assert here.subject('T').experiment('E').exists()
    mirror.resolve(mirror.conflicts(), 'both')
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    assert there.subject('T').experiment('E').attrs.get(f'{MR}/note') == 'mine'


def test_a_session_that_moved_in_the_folder_keeps_its_id_alone(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    session = here.subject('S').experiment('E').id()
    here.subject('T').create()
    move(here, 'E', 'T')
    here.experiment(session).attrs.set('label', 'MOVED')
    here.subject('S').experiment('E').create(experiments=MR, **{f'{MR}/note': 'another'})
    there.subject('S').attrs.set('group', 'changed')
    mirror.pull()
    assert here.experiments().get('id').count(session) == 1
    assert here.subject('T').experiment('MOVED').id() == session


def test_an_id_of_another_item_is_refused(mirror: pyxnat.Mirror, here: Any) -> None:
    here.subject('NEW').create()
    folder = mirror.local.connection.transport.folder
    assert folder is not None
    with pytest.raises(errors.DuplicateError, match='already'):
        folder.change_id(here.subject('NEW').id(), here.subject('S').id())


@pytest.mark.parametrize('side', ['here', 'there'])
@pytest.mark.sample(4)
def test_new_items_are_put_below_the_right_one_whatever_has_its_label_now(
    side: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any
) -> None:
    one, other = (here, there) if side == 'here' else (there, here)
    for project, label, before in ((one, 'S9', 'S'), (one, 'E9', 'E')):
        item = project.subject('S') if before == 'S' else project.subject('S9').experiment('E')
        item.attrs.set('label', label)
    one.subject('S').experiment('E').create(experiments=MR)
    session = other.subject('S').experiment('E')
    session.scan('2').create(type='T2').resource('R').file('2.txt').put(b'2')
    session.assessor('B').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    other.subject('S').experiment('MORE').create(experiments=MR)
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    assert sorted(there.subject('S9').experiments().get('label')) == ['E9', 'MORE']
    assert there.subject('S').experiment('E').scans().get() == []
    assert sorted(there.subject('S9').experiment('E9').scans().get()) == ['1', '2']
