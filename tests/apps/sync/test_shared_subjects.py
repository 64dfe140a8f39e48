"""Tests of subjects that a mirrored project shows, and that another project owns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat

from .test_below_shared import own
from .test_pull import MR, content, pulled
from .test_push import pushed
from .test_shares import items, shared

LEVELS = ('subjects', 'subjects/*/experiments', 'experiments', 'subjects/*/experiments/*/scans')


@pytest.fixture
def other(xnat: pyxnat.Interface, there: Any) -> str:
    """Return the ID of a project Q, which shows subject S of P, with a session of its own there.

    P has another subject and a file, which Q does not show; Q has a subject of its own, too.
    """
    name = f'{there.id()}_2'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    for item, label in zip(items(there), ('S_IN_Q', None, 'A_IN_Q'), strict=True):
        item.share(name, label)
    session = own(xnat, name).create(experiments=MR, **{f'{MR}/note': 'pulled'})
    session.resource('R').file('r.txt').put(b'r')
    there.subject('HIDDEN').create()
    there.resource('R').file('large.txt').put(b'of P alone')
    xnat.select.project(name).subject('T').create(group='of Q')
    return name


@pytest.fixture
def alone(tmp_path: Path, xnat: pyxnat.Interface, other: str) -> Iterator[pyxnat.Mirror]:
    """Return a mirror of Q alone."""
    with pyxnat.Mirror(tmp_path / 'alone', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{other}')
        yield mirror


def equal(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, other: str) -> bool:
    """Whether Q shows the same on both sides, which know that they are equal."""
    assert shared(mirror.local, other) == shared(xnat, other)
    assert content(mirror.local, other) == content(xnat, other)
    for level in LEVELS:
        sides = [
            sorted(side.select(f'/projects/{other}/{level}').get('id', 'label'))
            for side in (mirror.local, xnat)
        ]
        assert sides[0] == sides[1]
    assert mirror.status() == ([], [], [])
    return True


def test_a_project_shows_the_same_subjects_as_at_the_server(
    alone: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    assert equal(alone, xnat, other)
    owner = alone.local.select.project(P)
    assert owner.subjects().get('label') == ['S'] and owner.resources().get() == []
    path = 'experiment/E/scan/1/resource/NIFTI/file/T1.nii.gz'
    for project in (P, other):
        subject = 'S' if project == P else 'S_IN_Q'
        file = f'/project/{project}/subject/{subject}/{path}'
        assert Path(alone.local.select(file).get()).read_bytes() == (
            Path(xnat.select(file).get()).read_bytes()
        )
    with xnat.trace() as trace:
        report = pulled(alone)
    assert len(trace) == 4 + 3, 'two listings of its owner, and its operations'
    assert (report.ok, report.notes) == ([], [])


@pytest.mark.sample(2)
@pytest.mark.parametrize('side', ['here', 'there'])
def test_changes_of_such_subjects_are_pulled_and_sent(
    side: str, alone: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    project = (alone.local if side == 'here' else xnat).select.project(P)
    project.subject('S').attrs.set('group', 'changed')
    project.subject('S').experiment('E').scan('1').resource('NIFTI').file('new.txt').put(b'new')
    project.subject('S').experiment('E').scan('3').create(type='T2')
    own(project.host, other).attrs.set(f'{MR}/note', 'changed')
    if side == 'here':
        assert sorted(pushed(alone)) == ['change', 'change', 'create', 'send']
    else:
        assert alone.status().behind
        pulled(alone)
    assert equal(alone, xnat, other)
    assert sorted(xnat.select.project(P).subjects().get('label')) == ['HIDDEN', 'S']


def test_the_owner_is_pulled_later_as_a_whole(
    alone: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    alone.local.select.project(P).subject('NEW').create()
    pulled(alone, f'/projects/{P}')
    pushed(alone)
    assert equal(alone, xnat, other) and content(alone.local, P) == content(xnat, P)
    pulled(alone)
    with xnat.trace() as trace:
        assert pulled(alone).ok == []
    assert len(trace) == 8, 'four for each project'
    pulled(alone, f'/projects/{other}')
    assert content(alone.local, P) == content(xnat, P)


def test_subjects_stay_when_they_are_not_shared_any_more(
    alone: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, other: str
) -> None:
    own(xnat, other).delete()
    subject = xnat.select.project(P).subject('S')
    subject.unshare(other)
    subject.attrs.set('group', 'afterwards')
    pulled(alone)
    assert equal(alone, xnat, other)
    kept = alone.local.select.project(P).subject('S')
    assert kept.attrs.get('group') == 'afterwards' and kept.experiment('E').exists()


@pytest.mark.sample(4)
@pytest.mark.parametrize(
    ('pattern', 'labels'), [('S*', ['S']), ('T', []), ('*', ['S']), ('NONE*', [])]
)
def test_a_selection_brings_only_its_subjects(
    pattern: str,
    labels: list[str],
    xnat: pyxnat.Interface,
    P: str,
    other: str,
    tmp_path: Path,
) -> None:
    with pyxnat.Mirror(tmp_path / 'some', remote=xnat) as mirror:
        path = f'/projects/{other}/subjects/{pattern}'
        planned = mirror.pull(path, dry_run=True).ok
        assert sorted(pulled(mirror, path).ok) == sorted(planned)
        owner = mirror.local.select.project(P)
        assert (owner.subjects().get('label') if owner.exists() else []) == labels
        assert pulled(mirror).ok == []


@pytest.mark.parametrize('first', ['none', 'lazy', 'R', 'all'])
@pytest.mark.sample(4)
def test_files_are_those_of_the_last_selection(
    first: str, xnat: pyxnat.Interface, P: str, other: str, tmp_path: Path
) -> None:
    with pyxnat.Mirror(tmp_path / 'some', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{other}', files=first)
        local = mirror.local.select.project(P)
        files = local.subject('S').experiment('E').scan('1').resource('NIFTI').files()
        assert bool(files.get()) == (first in ('lazy', 'all'))
        assert pulled(mirror).ok == []
        pulled(mirror, f'/projects/{other}', files='all')
        assert files.get() and equal(mirror, xnat, other)


def test_an_assessor_that_is_shared_without_its_session_is_pulled(
    xnat: pyxnat.Interface, P: str, there: Any, tmp_path: Path
) -> None:
    name = f'{P}_4'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    there.subject('HIDDEN').create()
    session = there.subject('S').experiment('E')
    assessor = xnat.select(f'/experiments/{session.id()}/assessors/{session.assessor("A").id()}')
    assessor.share(name, 'A_IN_Q')
    with pyxnat.Mirror(tmp_path / 'some', remote=xnat) as mirror:
        planned = mirror.pull(f'/projects/{name}', dry_run=True)
        assert planned.failed == []
        assert pulled(mirror, f'/projects/{name}').notes == []
        assert shared(mirror.local, name) == shared(xnat, name)
        assert mirror.local.select.project(P).subjects().get('label') == ['S']
        with xnat.trace() as trace:
            assert pulled(mirror).ok == []
        assert len(trace) == 4 + 3, 'two listings of its owner, and its operations'
        assessor.attrs.set('note', 'changed')
        pulled(mirror)
        assert equal(mirror, xnat, name)


@pytest.mark.sample(2)
@pytest.mark.parametrize('is_owner', [False, True])
def test_an_assessor_whose_session_cannot_be_read_is_named(
    is_owner: bool, server: Any, xnat: pyxnat.Interface, P: str, there: Any, tmp_path: Path
) -> None:
    server.add_user('reader', 'secret')
    name = f'{P}_5'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    identity = there.subject('S').experiment('E').assessor('A').id()
    there.subject('S').experiment('E').assessor('A').share(name, 'A_IN_Q', primary=is_owner)
    for project in (P, name):
        xnat.put(f'/data/projects/{project}/accessibility/private').raise_for_status()
    xnat.select.project(name).add_user('reader', 'member')
    with (
        pyxnat.Interface(server.url, 'reader', 'secret') as reader,
        pyxnat.Mirror(tmp_path / 'some', remote=reader) as mirror,
    ):
        for _ in range(2):
            [note] = pulled(mirror, f'/projects/{name}').notes
            assert identity in note and name in note


def test_two_projects_show_the_same_subject_with_different_files(
    xnat: pyxnat.Interface, P: str, other: str, there: Any, tmp_path: Path
) -> None:
    xnat.put(f'/data/projects/{P}_3').raise_for_status()
    there.subject('S').experiment('E').share(f'{P}_3', 'E_ALONE')
    with pyxnat.Mirror(tmp_path / 'some', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{other}', files='none')
        pulled(mirror, f'/projects/{P}_3')
        for _ in range(2):
            pulled(mirror)
            for project in (other, f'{P}_3'):
                assert shared(mirror.local, project) == shared(xnat, project)
        assert pulled(mirror).ok == []


def test_a_project_that_cannot_be_read_is_named(
    server: Any, xnat: pyxnat.Interface, P: str, other: str, tmp_path: Path
) -> None:
    server.add_user('member', 'secret')
    for project in (P, other):
        xnat.put(f'/data/projects/{project}/accessibility/private').raise_for_status()
    xnat.select.project(other).add_user('member', 'member')
    with (
        pyxnat.Interface(server.url, 'member', 'secret') as member,
        pyxnat.Mirror(tmp_path / 'some', remote=member) as mirror,
    ):
        [note] = pulled(mirror, f'/projects/{other}').notes
        assert note.startswith(f'1 subjects of {P}, which are shared into {other}')
        assert f'{P} cannot be read' in note
        assert mirror.local.select.project(other).subjects().get('label') == ['T']
        xnat.select.project(P).add_user('member', 'collaborator')
        assert pulled(mirror).notes == []
        assert equal(mirror, member, other)
        xnat.select.project(P).remove_user('member')
        [note] = pulled(mirror).notes
        assert note.endswith('what was pulled of it stays as it was')
        assert mirror.status() == ([], [], [])
        mirror.local.select.project(other).subject('T').attrs.set('group', 'changed')
        assert pushed(mirror) == ['change']
        mirror.local.select.project(P).subject('S').attrs.set('group', 'refused')
        report = mirror.push()
        assert [key for key, _ in report.failed] == [f'projects/{P}']
        assert mirror.local.select.project(P).subject('S').attrs.get('group') == 'refused'
