"""Tests of folders whose archive is older than the state of the mirror."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors

from .test_pull import content, pulled
from .test_push import pushed


def copied(source: Path, target: Path, kept: str) -> None:
    """Replace what a folder has by what another one has, but for one name."""
    target.mkdir(exist_ok=True)
    for path in [path for path in target.iterdir() if path.name != kept]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in source.iterdir():
        if path.name != kept:
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, target / path.name)


@pytest.fixture
def backup(mirror: pyxnat.Mirror, there: Any, tmp_path: Path) -> Path:
    """Return a copy of the folder; the server has changed since, and was pulled."""
    there.subject('GONE').create()
    pulled(mirror)
    mirror.close()
    copied(mirror.folder, tmp_path / 'backup', 'mirror')
    session = there.subject('S').experiment('E')
    there.subject('S').attrs.set('group', 'new')
    session.scan('5').create(type='T5')
    session.scan('1').resource('NIFTI').file('T1.nii.gz').put(b'new', overwrite=True)
    there.subject('NEW').create()
    return tmp_path / 'backup'


@pytest.mark.sample(2)
@pytest.mark.parametrize('made', ['pull', 'push'])
def test_an_archive_restored_without_the_state_sends_nothing_old(
    made: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str, backup: Path
) -> None:
    with pyxnat.Mirror(mirror.folder, remote=xnat) as before:
        if made == 'push':
            before.local.select.project(P).subject('S').attrs.set('src', 'mine')
            pushed(before)
        pulled(before)
    wanted = content(xnat, P)
    copied(backup, mirror.folder, 'mirror')
    with pyxnat.Mirror(mirror.folder, remote=xnat) as again:
        for options in ({}, {'delete': True}, {'dry_run': True}):
            with pytest.raises(errors.DataError, match='is older than its mirror/state.sqlite'):
                again.push(**options)
        report = again.pull()
        assert report.failed == [] and 'as if restored without it' in report.notes[0]
        assert report.conflicts
        again.push(delete=True)
        assert content(xnat, P) == wanted
        again.resolve(again.conflicts(), 'remote')
        assert pulled(again).notes == []
        assert content(again.local, P) == wanted
        assert again.status() == ([], [], [])


def test_a_whole_copy_and_an_older_state_are_compared_as_ever(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, P: str, tmp_path: Path
) -> None:
    mirror.close()
    copied(mirror.folder, tmp_path / 'whole', '')
    there.subject('S').attrs.set('group', 'new')
    with pyxnat.Mirror(mirror.folder, remote=xnat) as one:
        pulled(one)
    copies = {'src': (mirror.folder, 'mirror'), 'handedness': (tmp_path / 'whole', '')}
    for field, (source, kept) in copies.items():
        target = tmp_path / field
        copied(tmp_path / 'whole', target, '')
        copied(source, target, kept)
        with pyxnat.Mirror(target, remote=xnat) as again:
            again.local.select.project(P).subject('S').attrs.set(field, 'left')
            assert pulled(again).conflicts == []
            assert pushed(again) == ['change']
            assert content(again.local, P) == content(xnat, P)
