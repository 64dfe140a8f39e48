"""Tests of inputs and outputs of assessors and reconstructions, whose labels XNAT shares."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

PAIRS = [
    ('in_resource', 'out_resource'),
    ('in_resource', 'resource'),
    ('out_resource', 'in_resource'),
    ('resource', 'in_resource'),
]
"""The resource that is written to, and the one that has the label."""


@pytest.fixture(params=['assessor', 'reconstruction'])
def holder(request: pytest.FixtureRequest, scan: Any, P: str) -> Any:
    return getattr(scan.parent(), request.param)(f'H_{P}').create()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / 'd').mkdir()
    (tmp_path / 'd' / 'q.txt').write_bytes(b'NEW')
    with zipfile.ZipFile(tmp_path / 'd.zip', 'w') as packed:
        packed.writestr('q.txt', b'NEW')
    return tmp_path


WRITES: dict[str, Callable[[Any, Path], Any]] = {
    'file': lambda one, at: one.file('q.txt').put(b'NEW', overwrite=True),
    'another file': lambda one, at: one.file('other.txt').put(b'NEW'),
    'files': lambda one, at: one.put([at / 'd' / 'q.txt'], overwrite=True),
    'folder': lambda one, at: one.put_dir(at / 'd', overwrite=True),
    'zip': lambda one, at: one.put_zip(at / 'd.zip', overwrite=True),
    'create': lambda one, at: one.create(),
    'delete': lambda one, at: one.delete(),
}


def contents(holder: Any) -> dict[tuple[str, str], list[str]]:
    sides = ('in_resources', 'out_resources')
    return {
        (side, one.label()): sorted(one.files().get())
        for side in sides
        for one in getattr(holder, side)()
    }


@pytest.mark.parametrize('write', WRITES)
@pytest.mark.parametrize(('to', 'used'), PAIRS)
@pytest.mark.sample(3)
def test_a_write_does_not_reach_the_resource_of_the_other_side(
    holder: Any, folder: Path, to: str, used: str, write: str
) -> None:
    getattr(holder, used)('QC').file('q.txt').put(b'OLD')
    before = contents(holder)
    with pytest.raises(errors.DuplicateError, match='is used in'):
        WRITES[write](getattr(holder, to)('QC'), folder)
    assert contents(holder) == before
    assert Path(getattr(holder, used)('QC').file('q.txt').get()).read_bytes() == b'OLD'
    report = getattr(holder, to)('QC').upload(folder / 'd', overwrite=True)
    assert not report.is_complete and contents(holder) == before


def test_a_label_is_free_for_the_other_side_once_it_is_deleted(holder: Any) -> None:
    for to in ('in_resource', 'out_resource', 'in_resource', 'resource'):
        getattr(holder, to)('QC').file('q.txt').put(to.encode())
        (found,) = contents(holder)
        assert found == ('in_resources' if to == 'in_resource' else 'out_resources', 'QC')
        getattr(holder, to)('QC').delete()


@pytest.mark.parametrize('is_new', [False, True])
def test_a_created_input_exists_with_its_first_file(
    holder: Any, folder: Path, is_new: bool
) -> None:
    if is_new:
        holder.delete()
    resource = holder.in_resource('IN')
    with pytest.warns(UserWarning, match='with its first file'):
        assert resource.create() is resource
    assert holder.exists() and not resource.exists() and not holder.out_resources()
    resource.put_zip(folder / 'd.zip')
    assert contents(holder) == {('in_resources', 'IN'): ['q.txt']}


def test_one_listing_a_side_serves_many_writes(xnat: pyxnat.Interface, holder: Any) -> None:
    holder.in_resource('FIRST').file('f').put(b'1')

    def requests(write: Callable[[], Any]) -> list[str]:
        with xnat.trace() as trace:
            write()
        return [one.uri for one in trace if one.method == 'GET' and '/out/resources?' in one.uri]

    for number in range(3):
        put = holder.in_resource(f'IN{number}').file
        assert requests(lambda put=put: [put(name).put(b'1') for name in 'abc']) == []
    (listed,) = holder.in_resources('IN0')
    assert requests(lambda: listed.file('d').put(b'1')) == []


def test_resources_without_sides_need_no_lookup(xnat: pyxnat.Interface, scan: Any) -> None:
    with warnings.catch_warnings(), xnat.trace() as trace:
        warnings.simplefilter('error')
        for holder in (scan, scan.parent(), scan.parent().parent()):
            holder.resource('R').create()
            holder.resource('R').file('f').put(b'1')
    assert not [one for one in trace if 'in/resources' in one.uri or 'out/resources' in one.uri]


def test_a_lost_race_for_a_label_is_named_as_such(server: Any, holder: Any, folder: Path) -> None:
    holder.in_resource('FIRST').file('f').put(b'1')  # lists the outputs
    with pyxnat.Interface(server.url, server.user, server.password) as other:
        other.select(f'{holder.uri}/out/resources/QC').file('q.txt').put(b'OLD')
    with pytest.raises(errors.DuplicateError, match='is used in out'):
        holder.in_resource('QC').put_zip(folder / 'd.zip', overwrite=True)
