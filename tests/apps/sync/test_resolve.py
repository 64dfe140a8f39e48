"""Tests of conflicts of a mirror that are resolved for both versions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

from .test_pull import MR, pulled
from .test_push import equal, pushed


def session(project: Any) -> Any:
    return project.subject('S').experiment('E')


NOTES: dict[str, tuple[Callable[[Any], Any], str]] = {
    'subject': (lambda project: project.subject('S'), 'group'),
    'experiment': (session, f'{MR}/note'),
    'scan': (lambda project: session(project).scan('1'), 'note'),
    'assessor': (lambda project: session(project).assessor('A'), 'note'),
}
"""Item of both sides, and a field of it."""


def test_the_version_of_the_folder_is_kept_beside_that_of_the_server(
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    for find, field in NOTES.values():
        find(here).attrs.set(field, 'local')
        find(there).attrs.set(field, 'remote')
    mirror.pull()
    mirror.resolve(mirror.conflicts(), 'both')
    assert mirror.conflicts() == []
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    for level, (find, field) in NOTES.items():
        first = find(there)
        second = getattr(first.parent(), level)(f'{first.path_name}_local')
        assert [one.attrs.get(field) for one in (first, second)] == ['remote', 'local']


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
@pytest.mark.sample(2)
def test_items_created_on_both_sides_are_both_kept(
    level: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    for project, text in ((there, 'remote'), (here, 'local')):
        if level == 'subject':
            project.subject('NEW').create(group=text)
        elif level == 'experiment':
            project.subject('S').experiment('NEW').create(experiments=MR, **{f'{MR}/note': text})
        else:
            qc = 'xnat:qcManualAssessorData'
            session(project).assessor('NEW').create(
                assessors=qc, **{f'{qc}/pass': '1', 'note': text}
            )
    mirror.pull()
    [conflict] = mirror.conflicts()
    assert conflict.key.endswith(f's/{conflict.id}')
    mirror.resolve(conflict.id, 'both')
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    found = xnat.select(f'/projects/{there.id()}//{level}s').get('label')
    assert {'NEW', 'NEW_local'} <= set(found)


def test_the_servers_version_of_a_file_is_kept_until_it_is_resolved(
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    for project, content in ((there, b'there'), (here, b'here!!!')):
        for name in ('sub/T1.nii.gz', 'b.txt'):
            session(project).resource('R').file(name).put(content, overwrite=True)
    mirror.pull()
    conflicts = mirror.conflicts()
    assert [mirror.their_file(one).read_bytes() for one in conflicts] == [b'there', b'there']
    session(there).resource('R').file('b.txt').delete()
    with pytest.raises(errors.DataError, match='no conflict'):
        mirror.resolve([conflicts[0], 'files/none'], 'both')
    assert len(mirror.conflicts()) == 2, 'nothing was resolved'
    mirror.resolve(conflicts, 'both')
    with pytest.raises(errors.DataError, match='no version'):
        mirror.their_file(conflicts[0])
    mirror.pull()
    mirror.resolve(mirror.conflicts(), 'both')
    pulled(mirror)
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    files = {
        file.label(): Path(file.get()).read_bytes() for file in session(there).resource('R').files()
    }
    assert files['sub/T1.nii.gz'] == b'there' and files['sub/T1_local.nii.gz'] == b'here!!!'


@pytest.mark.parametrize('deleted', ['here', 'there'])
@pytest.mark.sample(2)
def test_of_a_deletion_and_a_change_the_change_is_kept(
    deleted: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    gone, kept = (here, there) if deleted == 'here' else (there, here)
    session(gone).scan('1').delete()
    session(kept).scan('1').attrs.set('note', 'kept')
    mirror.pull()
    for _ in range(3):  # its files were deleted, too
        mirror.resolve(mirror.conflicts(), 'both')
        mirror.pull()
        mirror.push(delete=True)
    assert equal(mirror, xnat, there.id())
    assert session(there).scan('1').attrs.get('note') == 'kept'


@pytest.mark.parametrize('deleted', ['subject', 'experiment'])
@pytest.mark.parametrize('changed', ['experiment', 'scan', 'assessor'])
@pytest.mark.sample(6)
def test_the_servers_version_comes_back_with_the_items_above_it(
    deleted: str,
    changed: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    find, field = NOTES[changed]
    NOTES[deleted][0](here).delete()
    find(there).attrs.set(field, 'kept')
    mirror.pull()
    mirror.resolve(mirror.conflicts(), 'remote')
    mirror.pull()
    assert find(here).attrs.get(field) == 'kept'
    mirror.resolve(mirror.conflicts(), 'remote')  # of files that were deleted, too
    pulled(mirror)
    mirror.push(delete=True)
    assert equal(mirror, xnat, there.id())


def test_a_project_is_not_kept_twice(
    mirror: pyxnat.Mirror,
    here: Any,
    there: Any,
) -> None:
    here.attrs.set('description', 'local')
    there.attrs.set('description', 'remote')
    mirror.pull()
    with pytest.raises(errors.DataError, match='not kept twice'):
        mirror.resolve(mirror.conflicts(), 'both')
    assert len(mirror.conflicts()) == 1
    mirror.resolve(mirror.conflicts(), 'local')
    pushed(mirror)
    assert there.attrs.get('description') == 'local'
