"""Tests of files of a folder whose content was lost or damaged on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat

from .test_pull import content, pulled
from .test_pulled_files import LEVELS
from .test_push import equal

DAMAGES = {
    'removed': lambda path: path.unlink(),
    'cut': lambda path: path.write_bytes(path.read_bytes()[:-1]),
    'empty': lambda path: path.write_bytes(b''),
    'edited': lambda path: path.write_bytes(path.read_bytes() + b' edited'),
}


@pytest.fixture
def filled(xnat: pyxnat.Interface, P: str) -> str:
    """Return the ID of a project with a file on each level."""
    for place in LEVELS:
        xnat.select(f'/projects/{P}/{place}').put(place.encode())
    return P


def on_disk(mirror: pyxnat.Mirror, file: Any) -> Path:
    """Return the place of a file on the disk of the folder."""
    content, name = Path(file.get()).read_bytes(), Path(file.row.get('path', file.path_name)).name
    [path] = [
        one
        for one in (mirror.folder / 'archive').rglob(name)
        if one.is_file() and one.read_bytes() == content
    ]
    return path


@pytest.mark.parametrize('damage', DAMAGES)
@pytest.mark.parametrize('files', ['all', 'lazy', 'R'])
@pytest.mark.sample(12)
def test_they_are_fetched_again(
    files: str, damage: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, filled: str
) -> None:
    pulled(mirror, f'/projects/{filled}', files=files)
    kept = {}
    for place in LEVELS:
        file = mirror.local.select(f'/projects/{filled}/{place}')
        path = on_disk(mirror, file)
        DAMAGES[damage](path)
        kept[place] = path.read_bytes() if path.exists() else b''
    assert pulled(mirror).notes == []
    notes = pulled(mirror, check='files').notes
    assert [note.partition(': ')[0] for note in notes] == sorted(
        [f'projects/{filled}', f'subjects/{xnat.select.project(filled).subject("S").id()}']
    )
    assert all('missing on the disk, or of another size' in note for note in notes)
    for place in LEVELS:
        file = mirror.local.select(f'/projects/{filled}/{place}')
        assert Path(file.get()).read_bytes() == place.encode()
        assert files == 'lazy' or on_disk(mirror, file).exists()
    saved = [one.read_bytes() for one in (mirror.folder / 'recovered').rglob('*') if one.is_file()]
    assert sorted(saved) == sorted(kept.values() if damage != 'removed' else [])
    assert pulled(mirror, check='files').notes == []
    assert mirror.status() == ([], [], [])
    assert content(mirror.local, filled) == content(xnat, filled)


@pytest.mark.parametrize('change', ['here', 'there', 'deleted there', 'tags there'])
@pytest.mark.sample(4)
def test_those_that_one_side_changed_are_decided_as_before(
    change: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, filled: str, here: Any, there: Any
) -> None:
    pulled(mirror)
    file, other = (one.subject('S').resource('R').file('a b.txt') for one in (here, there))
    if change == 'here':
        file.put(b'mine', overwrite=True)
    path = on_disk(mirror, file)
    path.unlink()
    if change == 'deleted there':
        other.delete()
    elif change != 'here':
        text = b'new' if change == 'there' else LEVELS[1].encode()
        other.put(text, overwrite=True, tags='t')
    report = pulled(mirror, check='files')
    if change == 'here':
        [note] = report.notes
        assert 'the server has other versions' in note and 'a%20b.txt' in note
        file.put(b'mine again', overwrite=True)
        mirror.push().check()
    assert bool(report.notes) == (change in ('here', 'tags there'))
    assert equal(mirror, xnat, filled)
    assert change == 'deleted there' or path.exists()


def test_a_file_that_was_edited_on_the_disk_is_kept_when_the_server_replaces_it(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, filled: str
) -> None:
    pulled(mirror)
    place = f'/projects/{filled}/{LEVELS[1]}'
    on_disk(mirror, mirror.local.select(place)).write_bytes(b'edited, not through the archive')
    xnat.select(place).put(b'new', overwrite=True)
    pulled(mirror)
    assert Path(mirror.local.select(place).get()).read_bytes() == b'new'
    [saved] = [one for one in (mirror.folder / 'recovered').rglob('*') if one.is_file()]
    assert saved.read_bytes() == b'edited, not through the archive'
