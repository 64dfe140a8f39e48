"""Tests of projects of a folder that no pull has compared."""

from __future__ import annotations

from pathlib import Path

import pyxnat

from .test_names import is_equal
from .test_pull import pulled


def test_a_project_that_was_created_here_is_named(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    name = f'{P}_MINE'
    mirror.local.select.project(name).create()
    mirror.local.select.project(name).subject('MINE').create(gender='female')
    assert mirror.status().ahead == [f'projects/{name}']
    for report in (mirror.push(), mirror.pull()):
        [note] = report.notes
        assert name in note and f"pull('/projects/{name}')" in note
    xnat.select.project(name).create()
    mirror.pull(f'/projects/{name}')
    mirror.resolve(mirror.conflicts(), 'remote')
    pulled(mirror)
    assert mirror.push().notes == [] and xnat.select.project(name).subject('MINE').exists()
    assert is_equal(mirror, xnat, name)


def test_the_changes_of_a_folder_whose_state_is_lost_are_named(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    mirror.local.select.project(P).subject('S').attrs.set('group', 'mine')
    folder = mirror.folder
    mirror.close()
    for path in (folder / 'mirror').glob('state.sqlite*'):
        path.unlink()
    with pyxnat.Mirror(folder, remote=xnat) as again:
        assert again.status().ahead == [f'projects/{P}']
        assert P in again.push().notes[0] and P in again.pull().notes[0]
        assert again.pull(f'/projects/{P}').conflicts


def test_a_pull_of_nothing_says_so(tmp_path: Path, xnat: pyxnat.Interface) -> None:
    with pyxnat.Mirror(tmp_path / 'empty', remote=xnat) as mirror:
        for report in (mirror.pull(), mirror.push()):
            assert 'nothing was pulled yet' in report.notes[0]
