"""Requests and tools that meet files that a mirror lists without content."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.server import serve
from pyxnat.server.__main__ import main
from pyxnat.server.upkeep.checking import check

from .test_pull import pulled

CONTENT = b'content of a file'
JSON = {'content-type': 'application/json'}
ZIPS = [
    'experiments/E/scans/1/resources/R/files?format=zip',
    'experiments/E/scans/ALL/files?format=zip',
    'XAR',
    'DIR?format=zip',
    'prepared download',
]


@pytest.fixture
def study(tmp_path: Path, xnat: pyxnat.Interface, P: str) -> Iterator[Any]:
    """Return the session of a mirror whose files are listed alone."""
    scan = xnat.select.project(P).subject('S').experiment('E').scan('1')
    scan.resource('R').file('a.txt').put(CONTENT)
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror:
        pulled(mirror, f'/projects/{P}', files='lazy')
        yield mirror


def zip_of(xnat: pyxnat.Interface, project: str, place: str) -> bytes:
    """Return a zip that a request makes."""
    session = xnat.select.project(project).subject('S').experiment('E')
    if place.startswith(('XAR', 'DIR')):
        return xnat.connection.request(f'/data/experiments/{session.id()}/{place}')
    if place != 'prepared download':
        return xnat.connection.request(f'/data/projects/{project}/subjects/S/{place}')
    wanted = {
        'projectIds': [project],
        'sessions': [f'{project}:S:E:{session.id()}'],
        'scan_types': [session.scan('1').attrs.get('type')],
        'scan_formats': ['R'],
        'options': ['simplified'],
    }
    body = json.dumps(wanted).encode()
    name = xnat.connection.request('/xapi/archive/download', 'POST', body, JSON).decode()
    return xnat.connection.request(f'/xapi/archive/download/{name}/zip')


@pytest.mark.sample(5)
@pytest.mark.parametrize('place', ZIPS)
def test_zips_have_the_content_of_lazy_files(study: pyxnat.Mirror, P: str, place: str) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_of(study.local, P, place))) as archive:
        assert archive.testzip() is None
        (name,) = (name for name in archive.namelist() if name.endswith('a.txt'))
        assert archive.read(name) == CONTENT


def test_lazy_files_are_no_damage(
    study: pyxnat.Mirror, P: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refresh = '/data/services/refresh/catalog?options=delete,checksum,append&resource='
    session = f'/archive/projects/{P}/subjects/S/experiments/E/scans/1'
    study.local.connection.request(f'{refresh}{session}', 'POST')
    study.close()
    folder = str(tmp_path / 'study')
    for option in ('--check', '--repair'):
        assert main([folder, option]) == 0
        assert 'no findings' in capsys.readouterr().out
    assert main([folder, '--backup', str(tmp_path / 'copy.tar')]) == 0
    with tarfile.open(tmp_path / 'copy.tar') as archive:
        archive.extractall(tmp_path / 'copy', filter='data')
    assert check(tmp_path / 'copy', deep=True).findings == []
    with pyxnat.Mirror(tmp_path / 'copy') as mirror:
        assert mirror.server
        assert mirror.status(ask_remote=False).ahead == []
    with pyxnat.open(tmp_path / 'copy') as copy:
        scan = copy.select.project(P).subject('S').experiment('E').scan('1')
        (file,) = scan.resource('R').files()
        assert file.size() == str(len(CONTENT))


def test_a_server_of_the_folder_says_who_can_fetch_its_files(
    study: pyxnat.Mirror, P: str, tmp_path: Path
) -> None:
    study.close()
    with (
        serve(tmp_path / 'study', users={'reader': 'p'}, password='p', durable=False) as server,
        pyxnat.Interface(server.url, 'admin', 'p', tmp_path / 'cache') as xnat,
    ):
        for place in (*ZIPS, 'experiments/E/scans/1/resources/R/files/a.txt'):
            with pytest.raises(errors.NotFoundError, match=r'its owner can pull it: mirror\.pull'):
                zip_of(xnat, P, place)
