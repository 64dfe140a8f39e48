"""Tests of subjects and sessions that projects share, on both sides of a mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

from .test_losses import between
from .test_pull import MR, pulled
from .test_push import equal, pushed

QC = 'xnat:qcManualAssessorData'


@pytest.fixture
def other(xnat: pyxnat.Interface, P: str) -> str:
    """Return the ID of a second project of the server."""
    xnat.put(f'/data/projects/{P}_2').raise_for_status()
    return f'{P}_2'


@pytest.fixture
def both(mirror: pyxnat.Mirror, other: str) -> pyxnat.Mirror:
    """Return a mirror of both projects."""
    pulled(mirror, f'/projects/{other}')
    return mirror


def session(project: Any) -> Any:
    return project.subject('S').experiment('E')


def items(project: Any) -> list[Any]:
    return [project.subject('S'), session(project), session(project).assessor('A')]


def shared(side: pyxnat.Interface, project: str) -> Any:
    """Return the IDs and labels that a project shows of other projects, and its own."""
    rows = {
        level: sorted(
            (row['ID'], row['label'])
            for row in side.connection.rows(
                f'/data/projects/{project}/{level}?columns=ID,label&format=json'
            )
        )
        for level in ('subjects', 'experiments')
    }
    found = [side.select(f'/projects/{project}/subjects/*/experiments/*/assessors')]
    return rows, [sorted(one.get('label')) for one in found]


@pytest.mark.sample(3)
@pytest.mark.parametrize('first', ['owner', 'other'])
def test_shares_are_pulled_where_both_projects_are_mirrored(
    first: str, xnat: pyxnat.Interface, there: Any, P: str, other: str, tmp_path: Path
) -> None:
    for item, label in zip(items(there), ('S_THERE', None, 'A_THERE'), strict=True):
        item.share(other, label)
    with pyxnat.Mirror(tmp_path / 'copy', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P if first == "owner" else other}')
        pulled(mirror, f'/projects/{other if first == "owner" else P}')
        assert pulled(mirror).notes == []
        with xnat.trace() as trace:
            pulled(mirror)
        assert len(trace) == 8, 'four for each project'
        for project in (P, other):
            assert shared(mirror.local, project) == shared(xnat, project)
            assert equal(mirror, xnat, project)
        assert mirror.push(delete=True).ok == []


def test_shares_of_the_folder_are_sent_changed_and_ended(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    for item, label in zip(items(here), ('S_HERE', 'E_HERE', None), strict=True):
        item.share(other, label)
    new = here.subject('NEW').create()
    new.share(other, 'NEW_HERE')
    plan = both.push(dry_run=True)
    assert [step.fields for step in plan.steps if step.action == 'change'] == [
        (f'@share {other}',)
    ] * 3
    assert pushed(both) == ['change', 'change', 'change', 'create']
    assert shared(both.local, other) == shared(xnat, other)
    assert equal(both, xnat, there.id())
    here.subject('S').unshare(other)
    here.subject('S').share(other, 'S_AGAIN')
    session(here).share(other, 'E_HERE')
    session(here).assessor('A').share(other)
    assert pushed(both) == ['change']
    assert shared(both.local, other) == shared(xnat, other)
    assert equal(both, xnat, there.id())
    here.subject('S').unshare(other)
    assert pushed(both) == [] and other in there.subject('S').shares().get()
    assert pulled(both).conflicts == [] and other not in here.subject('S').shares().get()
    assert pushed(both, delete=True) == ['change', 'change', 'change']
    assert shared(both.local, other) == shared(xnat, other)
    assert equal(both, xnat, there.id())


def test_a_share_that_the_server_made_meanwhile_outlives_that_of_its_subject(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    here.subject('S').share(other)
    pushed(both)
    here.subject('S').unshare(other)
    session(there).share(other, 'NEW')
    assert pushed(both, delete=True) == ['change']
    assert other not in there.subject('S').shares().get()
    assert [label for _, label in shared(both.local, other)[0]['experiments']] == ['NEW']
    assert equal(both, xnat, there.id())


def test_shares_of_both_sides_merge_by_project(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, P: str, other: str
) -> None:
    xnat.put(f'/data/projects/{P}_3').raise_for_status()
    pulled(both, f'/projects/{P}_3')
    here.subject('S').share(other)
    there.subject('S').share(f'{P}_3')
    session(here).share(other, 'MINE')
    session(there).share(other, 'THEIRS')
    session(there).attrs.set('note', 'goes with the item')
    assert len(both.pull().conflicts) == 1
    pushed(both)
    assert sorted(here.subject('S').shares().get()) == sorted(there.subject('S').shares().get())
    both.resolve(both.conflicts(), 'local')
    pulled(both)
    pushed(both)
    assert equal(both, xnat, P)
    assert ('E', 'MINE') in [('E', label) for _, label in shared(xnat, other)[0]['experiments']]


def test_shares_into_projects_that_the_folder_does_not_have_are_left_alone(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    there.subject('S').share(other)
    pulled(mirror)
    here.subject('S').attrs.set('group', 'mine')
    session(here).attrs.set('note', 'mine')
    assert pushed(mirror, delete=True) == ['change', 'change']
    assert other in there.subject('S').shares().get()
    pulled(mirror, f'/projects/{other}')
    assert other in here.subject('S').shares().get()
    mirror.local.select.project(other).delete()
    assert mirror.status(ask_remote=False).ahead == [f'projects/{other}']


@pytest.mark.parametrize('written', ['nothing', 'session', 'field'])
def test_a_share_is_not_ended_where_that_would_delete_new_work_of_others(
    both: pyxnat.Mirror, here: Any, there: Any, other: str, xnat: pyxnat.Interface, written: str
) -> None:
    there.subject('S').share(other)
    own = xnat.select.project(other).subject('S').experiment('OWN')
    if written != 'session':
        own.create(experiments=MR)
    pulled(both)
    here.subject('S').unshare(other)  # deletes the sessions below it in the folder
    if written == 'session':
        own.create(experiments=MR)
    elif written == 'field':
        own.attrs.set('note', 'new')
    report = both.push(delete=True)
    if written == 'nothing':
        assert not report.failed
    else:
        assert 'sessions of its own' in str(report.failed[0].error)
    assert own.exists() == (written != 'nothing')
    assert (other in there.subject('S').shares().get()) == (written != 'nothing')


def test_a_label_that_another_item_of_the_project_has_fails_alone(
    both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    xnat.select.project(other).subject('TAKEN').create()
    here.subject('S').share(other, 'TAKEN')
    here.subject('S').attrs.set('group', 'mine')
    report = both.push()
    assert [type(one.error) for one in report.failed] == [errors.DuplicateError]
    assert there.subject('S').attrs.get('group') == 'mine'
    assert [row[1] for row in shared(xnat, other)[0]['subjects']] == ['TAKEN']


def test_a_share_is_not_ended_in_a_project_that_owns_the_item_by_now(
    both: pyxnat.Mirror, here: Any, there: Any, other: str, monkeypatch: Any
) -> None:
    identity = session(here).id()
    session(there).share(other)
    pulled(both)
    session(here).unshare(other)
    between(monkeypatch, 'unshare', lambda: session(there).share(other, primary=True))
    report = both.push(delete=True)
    assert 'owns it by now' in str(report.failed[0].error)
    assert there.host.select(f'/experiments/{identity}').exists()


@pytest.mark.parametrize('take', ['both', 'remote'])
@pytest.mark.sample(6)
def test_a_new_item_whose_label_in_another_project_is_taken_is_kept(
    take: Any, both: pyxnat.Mirror, xnat: pyxnat.Interface, here: Any, there: Any, other: str
) -> None:
    xnat.select.project(other).subject('TAKEN').create()
    here.subject('NEW').create().share(other, 'TAKEN')
    [conflict] = both.pull().conflicts
    assert conflict.ours == {f'@share {other}': 'TAKEN'}
    both.resolve(conflict, take)
    pulled(both)
    pushed(both)
    assert equal(both, xnat, there.id()) and there.subject('NEW').exists()
    labels = [row[1] for row in shared(xnat, other)[0]['subjects']]
    assert sorted(labels) == (['TAKEN', 'TAKEN_local'] if take == 'both' else ['TAKEN'])
