"""Tests of sessions below a subject that another project shares into theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

from .test_pull import MR, pulled
from .test_push import equal, pushed


@pytest.fixture
def other(xnat: pyxnat.Interface, there: Any) -> str:
    """Return the ID of a second project, with a session OWN of its own below subject S of P."""
    name = f'{there.id()}_2'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    there.subject('S').share(name, 'S_IN_Q')
    session = own(xnat, name).create(experiments=MR, **{f'{MR}/note': 'pulled'})
    session.scan('1').create(type='T1').resource('NIFTI').file('a.nii').put(b'a', format='NIFTI')
    session.resource('R').file('r.txt').put(b'r')
    return name


@pytest.fixture
def both(mirror: pyxnat.Mirror, other: str) -> pyxnat.Mirror:
    """Return a mirror of both projects."""
    pulled(mirror)
    pulled(mirror, f'/projects/{other}')
    return mirror


def own(side: pyxnat.Interface, project: str) -> Any:
    """Return the session of the second project."""
    return side.select.project(project).subject('S_IN_Q').experiment('OWN')


@pytest.mark.parametrize('first', ['owner', 'other'])
def test_such_sessions_are_pulled_where_both_projects_are_mirrored(
    first: str, xnat: pyxnat.Interface, P: str, other: str, tmp_path: Path
) -> None:
    order = [P, other] if first == 'owner' else [other, P]
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as mirror:
        for project in order:
            pulled(mirror, f'/projects/{project}')
        session, there = own(mirror.local, other), own(xnat, other)
        assert session.id() == there.id() and session.attrs.get('project') == other
        assert session.resources().files().get() == ['r.txt']
        assert Path(session.scan('1').resource('NIFTI').file('a.nii').get()).read_bytes() == b'a'
        assert equal(mirror, xnat, P) and equal(mirror, xnat, other)
        report = pulled(mirror)
        assert (report.ok, report.notes) == ([], [])


@pytest.mark.sample(2)
@pytest.mark.parametrize('side', ['here', 'there'])
def test_changes_of_fields_and_files_are_sent_and_pulled(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    session = own(both.local if side == 'here' else xnat, other)
    session.attrs.set(f'{MR}/note', 'changed')
    session.scan('2').create(type='T2').resource('NIFTI').file('b.nii').put(b'b')
    session.scan('1').resource('NIFTI').file('a.nii').put(b'A', overwrite=True)
    session.resource('R').file('r.txt').delete()
    if side == 'here':
        assert sorted(pushed(both, delete=True)) == ['change', 'create', 'remove', 'send', 'send']
    else:
        assert both.status().behind
        pulled(both)
    assert equal(both, xnat, P) and own(xnat, other).attrs.get('note') == 'changed'


def test_a_mirror_of_the_subject_alone_leaves_them_alone(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, P: str, other: str
) -> None:
    pulled(mirror)
    assert here.subject('S').experiments().get('label') == ['E']
    here.subject('S').attrs.set('group', 'mine')
    assert pushed(mirror, delete=True) == ['change']
    assert own(xnat, other).exists()
    here.subject('S').delete()
    report = mirror.push(delete=True, max_delete=1)
    assert 'belongs to project' in str(report.failed[0].error) and own(xnat, other).exists()


def test_one_that_the_folder_created_renamed_and_deleted(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    new = both.local.select.project(other).subject('S_IN_Q').experiment('NEW')
    new.create(experiments=MR, **{f'{MR}/note': 'new'})
    new.scan('1').create(type='T1').resource('NIFTI').file('n.nii').put(b'n')
    assert pushed(both) == ['create', 'create', 'send']
    assert equal(both, xnat, P) and own(xnat, other).exists()
    there = xnat.select.project(other).subject('S_IN_Q').experiment('NEW')
    assert there.attrs.get('project') == other and there.attrs.get('note') == 'new'
    both.local.select.project(other).subject('S_IN_Q').experiment('NEW').attrs.set('label', 'N2')
    own(both.local, other).delete()
    assert pushed(both) == ['change'] and own(xnat, other).exists()
    assert pushed(both, delete=True) == ['delete']
    assert equal(both, xnat, P)
    assert sorted(xnat.select.project(other).experiments().get('label')) == ['N2']


def test_those_of_the_server_that_were_renamed_and_deleted(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    subject = xnat.select.project(other).subject('S_IN_Q')
    own(xnat, other).attrs.set('label', 'RENAMED')
    subject.experiment('OWN').create(experiments=MR)
    pulled(both)
    assert equal(both, xnat, P)
    subject.experiment('RENAMED').delete()
    pulled(both)
    assert equal(both, xnat, P)
    assert both.local.select.project(other).experiments().get('label') == ['OWN']


@pytest.mark.parametrize('side', ['here', 'there'])
def test_a_subject_is_deleted_after_them(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    leading = both.local if side == 'here' else xnat
    own(leading, other).delete()
    leading.select.project(P).subject('S').delete()
    if side == 'here':
        assert pushed(both, delete=True, max_delete=1) == ['delete', 'delete']
    else:
        pulled(both, max_delete=1)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    assert xnat.select.project(other).experiments().get() == []


@pytest.mark.parametrize('side', ['here', 'there'])
def test_the_share_of_their_subject_ends_with_them(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    leading = both.local if side == 'here' else xnat
    leading.select.project(P).subject('S').unshare(other)
    assert leading.select.project(other).experiments().get() == []
    if side == 'here':
        assert pushed(both) == []
        assert pushed(both, delete=True) == ['delete', 'change']
    else:
        pulled(both)
    assert equal(both, xnat, P) and equal(both, xnat, other)


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('what', ['field', 'file', 'new file'])
@pytest.mark.parametrize('ended', ['here', 'there'])
def test_one_that_was_changed_where_the_other_side_ended_the_share_is_a_conflict(
    ended: str,
    what: str,
    take: Any,
    both: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    P: str,
    other: str,
) -> None:
    sides = {'here': both.local, 'there': xnat}
    session = own(sides['there' if ended == 'here' else 'here'], other)
    if what == 'field':
        session.attrs.set(f'{MR}/note', 'changed')
    else:
        file = session.resource('R').file('r.txt' if what == 'file' else 'new.txt')
        file.put(b'changed', overwrite=True)
    sides[ended].select.project(P).subject('S').unshare(other)
    assert both.status().ahead and both.status().behind
    report = both.pull()
    assert both.local.select(f'/experiments/{session.id()}').exists() == (ended == 'there')
    if what == 'field' or ended == 'there':
        assert [one.key.partition('/')[0] for one in report.conflicts][:1] == ['experiments']
    assert report.conflicts
    for _ in range(3):
        both.resolve(both.conflicts(), take)
        both.pull()
        both.push(delete=True)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    is_kept = take == 'both' or (take == 'local') == (ended == 'there')
    labels = xnat.select.project(other).experiments().get('label')
    assert labels == (['OWN'] if is_kept else [])


@pytest.mark.parametrize('side', ['here', 'there'])
def test_moves_between_subjects_and_projects(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    leading = both.local if side == 'here' else xnat
    identity = own(leading, other).id()
    steps = [
        lambda: leading.select.project(other).subject('T').create(),
        lambda: move(leading, other, 'T', 'OWN'),
        lambda: move(leading, other, 'S_IN_Q', 'OWN'),
        lambda: own(leading, other).share(P, primary=True),
        lambda: leading.select(f'/experiments/{identity}').share(other, 'OWN', primary=True),
    ]
    for step in steps:
        step()
        if side == 'here':
            pushed(both)
        else:
            pulled(both)
        assert equal(both, xnat, P) and equal(both, xnat, other)
        assert sorted(xnat.select(f'/experiments/{identity}//files').get()) == ['a.nii', 'r.txt']


def move(side: pyxnat.Interface, project: str, subject: str, session: str) -> None:
    uri = f'/data/projects/{project}/subjects/{subject}/experiments/{session}?xsiType={MR}'
    side.put(uri).raise_for_status()


def test_a_conflict_of_one_is_resolved(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    for side, text in ((both.local, 'mine'), (xnat, 'theirs')):
        own(side, other).attrs.set(f'{MR}/note', text)
        own(side, other).resource('R').file('r.txt').put(text.encode(), overwrite=True)
    assert len(both.pull().conflicts) == 2
    both.resolve(both.conflicts(), 'both')
    pulled(both)
    pushed(both)
    assert equal(both, xnat, P)
    labels = xnat.select.project(other).experiments().get('label')
    assert sorted(labels) == ['OWN', 'OWN_local']
    assert own(xnat, other).resource('R').files().get() == ['r.txt', 'r_local.txt']


def test_a_file_of_one_that_was_replaced_by_one_of_the_same_size_is_found(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    own(xnat, other).resource('R').file('r.txt').put(b'R', overwrite=True)
    [behind] = both.status().behind
    assert behind.startswith('subjects/')
    assert pulled(both).ok == [behind]
    assert equal(both, xnat, P)


@pytest.mark.parametrize('take', ['local', 'remote'])
def test_a_new_one_there_is_a_conflict_where_the_folder_ended_the_share(
    take: Any, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    both.local.select.project(P).subject('S').unshare(other)
    new = xnat.select.project(other).subject('S_IN_Q').experiment('NEW')
    new.create(experiments=MR).scan('1').create(type='T1')
    report = both.push(delete=True)
    assert 'sessions of its own' in str(report.failed[0].error) and new.exists()
    for _ in range(2):
        both.pull()
        both.resolve(both.conflicts(), take)
        both.pull()
        both.push(delete=True)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    labels = xnat.select.project(other).experiments().get('label')
    assert labels == (['NEW'] if take == 'remote' else [])


def test_one_of_a_project_that_cannot_be_read_any_more_is_kept(
    server: Any, xnat: pyxnat.Interface, there: Any, P: str, other: str, tmp_path: Path
) -> None:
    server.add_user('reader', 'secret')
    for project in (P, other):
        xnat.put(f'/data/projects/{project}/accessibility/private').raise_for_status()
        xnat.select.project(project).add_user('reader', 'collaborator')
    with (
        pyxnat.Interface(server.url, 'reader', 'secret') as reader,
        pyxnat.Mirror(tmp_path / 'copy', remote=reader) as mirror,
    ):
        for project in (P, other):
            pulled(mirror, f'/projects/{project}')
        xnat.select.project(other).remove_user('reader')
        there.subject('S').attrs.set('group', 'moves the mark')
        assert pulled(mirror, f'/projects/{P}').deleted == []
        assert own(mirror.local, other).resources().files().get() == ['r.txt']
        assert mirror.status(ask_remote=False) == ([], [], [])
        xnat.select.project(other).add_user('reader', 'collaborator')
        own(xnat, other).attrs.set(f'{MR}/note', 'changed')
        pulled(mirror)
        assert own(mirror.local, other).attrs.get('note') == 'changed'
        assert equal(mirror, xnat, P)


def test_lazy_files_of_one_are_fetched(
    xnat: pyxnat.Interface, P: str, other: str, tmp_path: Path
) -> None:
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as mirror:
        for project in (P, other):
            pulled(mirror, f'/projects/{project}', files='lazy')
        for file in (
            own(mirror.local, other).resource('R').file('r.txt'),
            own(mirror.local, other).scan('1').resource('NIFTI').file('a.nii'),
        ):
            with xnat.trace() as trace:
                assert Path(file.get()).read_bytes() == file.label()[:1].encode()
            assert len(trace) > 0
        assert equal(mirror, xnat, P)


@pytest.mark.parametrize('side', ['here', 'there'])
def test_the_project_takes_over_the_subject(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    leading = both.local if side == 'here' else xnat
    subject = leading.select.project(P).subject('S')
    for session in subject.experiments():
        session.share(other, primary=True)
    subject.share(other, primary=True)
    if side == 'here':
        both.push().check()
    else:
        pulled(both, max_delete=1)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    project = xnat.select.project(other)
    assert sorted(project.subject('S').experiments().get('label')) == ['E', 'OWN']


@pytest.mark.parametrize('change', ['ended', 'renamed'])
def test_a_share_that_was_changed_here_is_needed_where_a_session_was_handed_over(
    change: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    own(xnat, other).delete()
    pulled(both)
    here.subject('S').unshare(other)
    if change == 'renamed':
        here.subject('S').share(other, 'RENAMED')
    there.subject('S').experiment('E').share(other, primary=True)
    [conflict] = both.pull().conflicts
    assert 'sessions need it' in conflict.reason
    assert 'sessions of its own' in str(both.push(delete=True).failed[0].error)
    with pytest.raises(errors.DataError, match='is needed'):
        both.resolve(conflict, 'local')
    both.resolve(conflict, 'both')
    pulled(both)
    assert equal(both, xnat, there.id()) and equal(both, xnat, other)
    assert xnat.select.project(other).experiments().get('label') == ['E']
    assert 'S_IN_Q' in both.local.select.project(other).subjects().get('label')


def test_one_below_a_subject_that_the_folder_deleted_is_a_conflict(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str, there: Any
) -> None:
    there.subject('T').create().share(other, 'T_IN_Q')
    pulled(both)
    both.local.select.project(P).subject('T').delete()
    new = xnat.select.project(other).subject('T_IN_Q').experiment('NEW')
    new.create(experiments=MR, **{f'{MR}/note': 'there'})
    [conflict] = both.pull(max_delete=1).conflicts
    assert conflict.key == f'experiments/{new.id()}'
    both.resolve(conflict, 'remote')
    pulled(both)
    pushed(both)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    found = both.local.select.project(other).subject('T_IN_Q').experiment('NEW')
    assert found.attrs.get('note') == 'there'


@pytest.mark.sample(2)
@pytest.mark.parametrize('side', ['here', 'there'])
def test_one_moves_below_a_subject_that_its_project_does_not_share(
    side: str, both: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str, there: Any
) -> None:
    subject = there.subject('T').create().id()
    pulled(both)
    session = own(xnat, other).id()
    leading = both.local if side == 'here' else xnat
    leading.put(f'/data/experiments/{session}?subject_ID={subject}').raise_for_status()
    if side == 'here':
        assert pushed(both) == ['change']
    else:
        pulled(both)
    assert equal(both, xnat, P) and equal(both, xnat, other)
    for host in (both.local, xnat):
        assert host.select(f'/experiments/{session}').attrs.get('subject_ID') == subject
