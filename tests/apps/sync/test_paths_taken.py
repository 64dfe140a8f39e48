"""Tests of paths that are a file on one side, and a folder on the other."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat.apps.sync.decisions import PATH_TAKEN

from .test_pull import pulled
from .test_push import equal, pushed

SHAPES = [
    (['a'], ['a/b']),
    (['a/b', 'a/c d/e'], ['a']),
    (['x/y', 'same'], ['x/y/z.nii.gz', 'x/y/u/v', 'same']),
]
"""Files before, and those that one side has instead."""
HOLDERS = {
    'project': lambda project: project,
    'subject': lambda project: project.subject('S'),
    'scan': lambda project: project.subject('S').experiment('E').scan('1'),
}


def replace(holder: Any, files: list[str], text: str) -> None:
    """Give a resource other files; it is deleted and created again."""
    resource = holder.resource('R')
    if resource.exists():
        resource.delete()
    for name in files:
        resource.file(name).put(f'{text} {name}'.encode())


def texts(holder: Any) -> dict[str, str]:
    """Return the content of each file of the resource, by path."""
    rows = holder.resource('R').files()
    return {file.row['path']: file.host.connection.request(file.uri).decode() for file in rows}


def as_put(files: list[str], text: str) -> dict[str, str]:
    return {name: f'{text} {name}' for name in files}


@pytest.mark.parametrize('holder', HOLDERS)
@pytest.mark.parametrize(('before', 'after'), SHAPES, ids=str)
@pytest.mark.parametrize('files', ['all', 'lazy', 'R'])
@pytest.mark.sample(14)
def test_they_are_taken_if_the_folder_was_not_changed(
    files: str,
    before: list[str],
    after: list[str],
    holder: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    find = HOLDERS[holder]
    replace(find(there), before, 'old')
    pulled(mirror, f'/projects/{there.id()}', files=files)
    replace(find(there), after, 'new')
    pulled(mirror)
    assert mirror.conflicts() == []
    assert texts(find(here)) == as_put(after, 'new')
    assert files == 'R' or equal(mirror, xnat, there.id())


@pytest.mark.parametrize('holder', HOLDERS)
@pytest.mark.parametrize(('before', 'after'), SHAPES, ids=str)
@pytest.mark.sample(9)
def test_they_are_sent_if_the_server_was_not_changed(
    before: list[str],
    after: list[str],
    holder: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    find = HOLDERS[holder]
    replace(find(there), before, 'old')
    pulled(mirror)
    replace(find(here), after, 'new')
    report = mirror.push()
    failed = [str(one) for one in report.failed]
    assert failed and all('delete=True' in one for one in failed)
    assert texts(find(there)) == as_put(before, 'old') | {
        name: text for name, text in as_put(after, 'new').items() if name in before
    }
    pulled(mirror)
    pushed(mirror, delete=True)
    assert equal(mirror, xnat, there.id())
    assert texts(find(there)) == as_put(after, 'new')


@pytest.mark.parametrize('first', ['pull', 'push'])
@pytest.mark.parametrize('base', ['theirs', 'ours', 'none', 'lost'])
@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize(('ours', 'theirs'), SHAPES, ids=str)
@pytest.mark.sample(32)
def test_changes_of_both_sides_are_a_conflict_that_can_be_ended(
    ours: list[str],
    theirs: list[str],
    take: Any,
    base: str,
    first: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    ours, theirs = ([name for name in some if name != 'same'] for some in (ours, theirs))
    sides = [HOLDERS['scan'](one) for one in (here, there)]
    if base in ('ours', 'theirs'):
        replace(sides[1], ours if base == 'ours' else theirs, 'old')
        pulled(mirror)
    for side, files, text in zip(sides, (ours, theirs), ('mine', 'theirs'), strict=True):
        replace(side, files, text)
    if first == 'push':
        mirror.push(delete=True)
    if base == 'lost':
        mirror._state.forget(f'subjects/{there.subject("S").id()}')
    mirror.pull()
    assert texts(sides[0]) == as_put(ours, 'mine')
    assert texts(sides[1]) == as_put(theirs, 'theirs')
    conflicts = mirror.conflicts()
    assert {one.reason for one in conflicts} == {PATH_TAKEN}
    for one in conflicts:
        assert mirror.their_file(one).read_text().startswith('theirs ')
    mirror.resolve(conflicts, take)
    pulled(mirror)
    assert mirror.conflicts() == []
    pushed(mirror, delete=True)
    assert equal(mirror, xnat, there.id())
    found = texts(sides[1])
    if take == 'local':
        assert found == as_put(ours, 'mine')
        return
    kept = {name: text for name, text in found.items() if name not in theirs}
    assert found == as_put(theirs, 'theirs') | kept
    assert sorted(kept.values()) == (sorted(as_put(ours, 'mine').values()) * (take == 'both'))
    assert all('_local' in name for name in kept)


def test_a_file_that_was_changed_after_the_conflict_stays(
    mirror: pyxnat.Mirror, here: Any, there: Any
) -> None:
    replace(there.subject('S'), ['a'], 'theirs')
    replace(here.subject('S'), ['a/b'], 'mine')
    mirror.pull()
    here.subject('S').resource('R').file('a/c').put(b'later')
    with pytest.raises(pyxnat.errors.DataError, match='changed since'):
        mirror.resolve(mirror.conflicts(), 'remote')
    mirror.pull()
    mirror.resolve(mirror.conflicts(), 'both')
    pulled(mirror)
    assert texts(here.subject('S')) == {
        'a': 'theirs a',
        'a_local/b': 'mine a/b',
        'a_local/c': 'later',
    }
