"""Tests of items that one side deleted, and below which the other one changed something."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import pyxnat

from .test_push import equal, pushed

pytestmark = pytest.mark.sample(7)

LEVELS: dict[str, Callable[[Any], Any]] = {
    'session': lambda session: session,
    'scan': lambda session: session.scan('1'),
}
CHANGES: dict[str, Callable[[Any], object]] = {
    'field': lambda session: session.scan('1').attrs.set('note', 'mine'),
    'file': lambda session: file_of(session, 'T1.nii.gz').put(b'mine', overwrite=True),
    'new file': lambda session: file_of(session, 'new.txt').put(b'mine'),
}


def file_of(session: Any, name: str) -> Any:
    return session.scan('1').resource('NIFTI').file(name)


def names_below(session: Any) -> set[str]:
    """Return the URIs below a session, of scans, assessors and files, without their numbers."""
    start = f'/experiments/{session.id()}'
    if not session.exists():
        return set()
    paths = ('/scans/*', '/assessors/*', '//files')
    found = [one.uri for path in paths for one in session.host.select(start + path)]
    return {
        re.sub(r'XNAT_E\d+|/resources/\d+', '', uri.partition(session.id())[2]) for uri in found
    }


@pytest.mark.parametrize('take', ['local', 'remote', 'both'])
@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('deleted', [*LEVELS, 'subject'])
def test_what_the_server_deleted_stays_whole_until_it_is_decided(
    deleted: str,
    change: str,
    take: Any,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    session = here.subject('S').experiment('E')
    find = LEVELS.get(deleted, lambda session: session.parent())
    find(there.subject('S').experiment('E')).delete()
    CHANGES[change](session)
    before = names_below(session)
    report = mirror.pull(max_delete=1)
    assert [one.ours['@label'] for one in report.conflicts if one.kind == 'item']
    assert names_below(session) == before
    mirror.resolve(mirror.conflicts(), take)
    assert mirror.conflicts() == []
    mirror.pull().check()
    pushed(mirror)
    assert equal(mirror, xnat, there.id())
    now = here.subject('S').experiment('E')
    if take == 'remote':
        assert not find(now).exists()
    else:
        assert names_below(now) == before


@pytest.mark.parametrize('deleted', LEVELS)
def test_a_new_file_of_an_item_that_the_server_deleted_is_not_sent(
    deleted: str, mirror: pyxnat.Mirror, here: Any, there: Any
) -> None:
    session = here.subject('S').experiment('E')
    LEVELS[deleted](there.subject('S').experiment('E')).delete()
    CHANGES['new file'](session)
    before = names_below(session)
    [failed] = mirror.push(delete=True).failed
    assert 'the server has deleted its item' in str(failed.error)
    assert not LEVELS[deleted](there.subject('S').experiment('E')).exists()
    assert names_below(session) == before
    assert mirror.pull().conflicts


@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('deleted', LEVELS)
def test_what_the_folder_deleted_comes_back_whole_if_the_server_is_right(
    deleted: str,
    change: str,
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    here: Any,
    there: Any,
) -> None:
    session = there.subject('S').experiment('E')
    LEVELS[deleted](here.subject('S').experiment('E')).delete()
    CHANGES[change](session)
    before = names_below(session)
    assert mirror.pull().conflicts
    for _ in range(2):
        mirror.resolve(mirror.conflicts(), 'remote')
        mirror.pull()
    assert mirror.conflicts() == []
    if change == 'field' and deleted == 'scan':
        assert names_below(here.subject('S').experiment('E')) == before
    pushed(mirror, delete=True)
    assert equal(mirror, xnat, there.id())
    assert file_of(session, 'T1.nii.gz').exists() or change != 'file'
