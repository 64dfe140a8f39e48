"""Tests of mirrors of a site without checksums: its listings have sizes of files, no digests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve

from .test_pull import pulled
from .test_push import pushed

PLACES = [
    'subjects/S/experiments/E/scans/1/resources/NIFTI/files/T1.nii.gz',
    'subjects/S/experiments/E/assessors/A/out_resources/DATA/files/o.txt',
]


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve an archive without checksums."""
    with serve(tmp_path_factory.mktemp('archive'), durable=False) as running:
        with pyxnat.Interface(running.url, running.user, running.password) as xnat:
            checksums(xnat, 'false')
        yield running


def checksums(xnat: pyxnat.Interface, value: str) -> None:
    body = f'{{"checksums": {value}}}'.encode()
    xnat.connection.request('/xapi/siteConfig', 'POST', body, {'content-type': 'application/json'})


def read(side: pyxnat.Interface, path: str, tmp_path: Path) -> bytes:
    return Path(side.select(path).get(str(tmp_path / 'read'))).read_bytes()


@pytest.mark.parametrize('there', ['nothing', 'field', 'file', 'other size'])
@pytest.mark.parametrize('more', [0, 1])
@pytest.mark.parametrize('place', PLACES)
@pytest.mark.sample(8)
def test_a_file_that_keeps_its_size_is_a_change_of_the_folder(
    place: str, more: int, there: str, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    path = f'/projects/{P}/{place}'
    before = read(xnat, path, tmp_path)
    mine = b'm' * (len(before) + more)
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}')
        mirror.local.select(path).put(mine, overwrite=True)
        assert len(mirror.status().ahead) == 1
        if there == 'field':
            xnat.select(f'/projects/{P}/subjects/S').attrs.set('group', 'new')
        elif there == 'file':
            xnat.select(path).parent().file('new.txt').put(b'new')
        elif there == 'other size':
            xnat.select(path).put(before * 2, overwrite=True)
        assert len(pulled(mirror).conflicts) == (there == 'other size')
        assert read(mirror.local, path, tmp_path) == mine
        mirror.resolve(mirror.conflicts(), 'local')
        assert pushed(mirror) == ['send']
        assert read(xnat, path, tmp_path) == mine
        assert mirror.status() == ([], [], []) and pushed(mirror) == [] == pulled(mirror).ok


@pytest.mark.sample(2)
@pytest.mark.parametrize('place', PLACES)
def test_checksums_may_begin_and_end(
    place: str, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    path = f'/projects/{P}/{place}'
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}')
        for number, value in enumerate(['true', 'false', 'true']):
            checksums(xnat, value)
            xnat.select(path).put(b'there' * (number + 2), overwrite=True)
            xnat.select(path).parent().file(f'{number}.txt').put(b'new')
            assert pulled(mirror).conflicts == []
            assert read(mirror.local, path, tmp_path) == b'there' * (number + 2)
            mirror.local.select(path).put(b'folder' * (number + 2), overwrite=True)
            assert pushed(mirror) == ['send']
            assert read(xnat, path, tmp_path) == b'folder' * (number + 2)
            assert mirror.status() == ([], [], [])
    checksums(xnat, 'false')


@pytest.mark.sample(2)
@pytest.mark.parametrize('files', ['all', 'lazy'])
def test_what_is_unchanged_stays_so(
    files: str, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}', files=files)
        for place in PLACES:
            path = f'/projects/{P}/{place}'
            assert read(mirror.local, path, tmp_path) == read(xnat, path, tmp_path)
        assert mirror.status() == ([], [], []) and pushed(mirror) == []
        xnat.select(f'/projects/{P}/subjects/S').attrs.set('group', 'new')
        assert pulled(mirror).conflicts == [] == pushed(mirror)
        xnat.select(path).delete()
        pulled(mirror)
        assert not mirror.local.select(path).exists()
        assert mirror.status() == ([], [], [])
