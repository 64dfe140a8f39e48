"""Tests of sessions below a subject that another project shares into theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat

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
