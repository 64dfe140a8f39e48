"""Downloads of single files that no request can name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

import pyxnat
from pyxnat import errors

NAMES = ['50%.txt', 'a%20b.txt', 'sub/a%2Bb c.txt', 'a;b.txt']


@pytest.fixture
def stored(xnat: pyxnat.Interface, P: str) -> pyxnat.Interface:
    """Return a project whose resource R has files that came in a zip."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, 'w') as archive:
        for name in (*NAMES, 'plain.txt'):
            archive.writestr(name, f'content of {name}')
    uri = f'/data/projects/{P}/resources/R/files/z.zip?extract=true&inbody=true'
    headers = {'content-type': 'application/octet-stream'}
    xnat.connection.request(uri, 'PUT', body.getvalue(), headers)
    return xnat


@pytest.mark.sample(2)
@pytest.mark.parametrize('name', NAMES)
def test_a_file_that_no_request_can_name_is_in_the_zip_of_its_resource(
    stored: pyxnat.Interface, P: str, tmp_path: Path, name: str
) -> None:
    resource = stored.select.project(P).resource('R')
    content = f'content of {name}'
    with stored.trace() as trace:
        assert Path(resource.file(name).get()).read_text() == content
    assert sum('format=zip' in call.uri for call in trace) == 1
    listed = next(file for file in resource.files() if file.path_name == name)
    assert Path(listed.get(tmp_path / 'copy')).read_text() == content
    with stored.trace() as trace:
        assert Path(listed.get()).read_text() == content
    assert not any('format=zip' in call.uri for call in trace), 'it is in the cache'


def test_such_a_file_that_does_not_exist(stored: pyxnat.Interface, P: str, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFoundError, match='no such file'):
        stored.select.project(P).resource('R').file('no%.txt').get(tmp_path)


def test_such_files_are_mirrored_and_pushes_of_new_ones_name_the_remedy(
    stored: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    with pyxnat.Mirror(tmp_path / 'study', remote=stored) as mirror:
        mirror.pull(f'/projects/{P}').check()
        resource = mirror.local.select.project(P).resource('R')
        assert Path(resource.file(NAMES[0]).get()).read_text() == f'content of {NAMES[0]}'
        new = tmp_path / 'study' / 'mirror' / 'new'
        new.write_bytes(b'new')
        folder = mirror.local.connection.transport.folder
        assert folder is not None
        place = f'/data/projects/{P}/resources'
        content = 'new%.txt', new, 3, '22af645d1859cb5ca6da0c484f1f37ea'
        folder.put_files(place, 'R', [content], {}, {})
        assert len(mirror.status().ahead) == 1
        ((_, error),) = mirror.push().failed
        assert 'Rename it' in str(error)
