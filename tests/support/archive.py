"""Fixtures: an embedded archive on a real socket, connections to it, and projects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve

EXAMPLES = Path(__file__).parents[2] / 'examples'
_numbers = itertools.count(1)


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve one archive for the tests of a file, which use projects of their own."""
    with serve(tmp_path_factory.mktemp('archive'), durable=False) as running:
        yield running


@pytest.fixture
def xnat(server: Any, tmp_path: Any) -> Iterator[pyxnat.Interface]:
    """Return the administrator's connection, with a separate cache.

    Responses stay fresh on a slow machine.
    """
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'cache'
    ) as interface:
        interface.cache.expiration = 60
        yield interface


@pytest.fixture(scope='module')
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Serve a second archive for the tests of a file, to copy to."""
    with serve(tmp_path_factory.mktemp('other'), durable=False) as running:
        yield running


@pytest.fixture
def dest(other_server: Any, tmp_path: Path) -> Iterator[pyxnat.Interface]:
    """Return the administrator's connection to the second archive; its responses are not kept."""
    with pyxnat.Interface(
        other_server.url, other_server.user, other_server.password, tmp_path / 'dest'
    ) as interface:
        interface.cache.expiration = 0
        yield interface


@pytest.fixture
def login(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put server and login into the environment, where programs look for them."""
    for name, value in (('HOST', server.url), ('USER', server.user), ('PASS', server.password)):
        monkeypatch.setenv(f'XNAT_{name}', value)


@pytest.fixture
def project(xnat: pyxnat.Interface) -> Any:
    """Create a new project, in one request without the checks of `create`."""
    name = f'TEST_{next(_numbers):03}'
    xnat.put(f'/data/projects/{name}').raise_for_status()
    return xnat.select.project(name)


def new_project(server: Any, cachedir: Path, name: str, fill: Callable[[Any], object]) -> str:
    """Create and fill a project that the tests of a module share; return its ID.

    Parameters
    ----------
    server : Server
        The archive.
    cachedir : Path
        Folder of the cache, for this call.
    name : str
        ID of the project.
    fill : Callable[[Project], object]
        Creates what is in it.
    """
    with pyxnat.Interface(server.url, server.user, server.password, cachedir) as interface:
        project = interface.select.project(name).create()
        fill(project)
        return str(project.id())


def put_each(xnat: pyxnat.Interface, base: str, bodies: Mapping[str, bytes | None]) -> None:
    """Send PUT requests in order, without the checks of the library's methods.

    Parameters
    ----------
    xnat : pyxnat.Interface
        The connection.
    base : str
        First part of all paths, below ``/data``.
    bodies : Mapping[str, bytes or None]
        Rest of the path, with its query -> body.
    """
    for path, body in bodies.items():
        xnat.put(f'/data{base}{path}', data=body).raise_for_status()


@pytest.fixture
def scan(project: Any) -> Any:
    """Create a new MR scan in a new project: subject S1, session S1_MR, scan 1."""
    return project.subject('S1').experiment('S1_MR').scan('1').create(type='T1')


_IN_P = {
    '?gender=female&handedness=right': None,
    '/experiments/E?xsiType=xnat:mrSessionData&xnat:mrSessionData/date=2020-01-02': None,
    '/experiments/E/scans/1?xsiType=xnat:mrScanData&type=T1&quality=usable'
    '&series_description=MPRAGE': None,
    '/experiments/E/scans/1/resources/NIFTI/files/T1.nii.gz?inbody=true&format=NIFTI&content=T1'
    '&tags=a': bytes(2000),
    '/experiments/E/scans/1/resources/NIFTI/files/sub/dir/x.json?inbody=true': b'{"a": 1}',
    '/experiments/E/assessors/A?xsiType=xnat:qcManualAssessorData'
    '&xnat:qcManualAssessorData/pass=1': None,
    '/experiments/E/assessors/A/out/resources/DATA/files/o.txt?inbody=true': b'out',
    '/experiments/E/resources/BBRC_VALIDATOR/files/ArchivingValidator_1.json?inbody=true': (
        b'{"version": "1"}'
    ),
    '/experiments/E/resources/BBRC_VALIDATOR/files/ArchivingValidator_1.pdf?inbody=true': b'%PDF',
}
"""Path below the subject -> body of a PUT."""


@pytest.fixture
def P(xnat: pyxnat.Interface, project: Any) -> str:
    """Return the ID of a project with one subject S, its session E with scan 1 and an assessor A.

    All of them have files.
    """
    put_each(xnat, f'/projects/{project.id()}/subjects/S', _IN_P)
    return str(project.id())


@pytest.fixture
def local(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a local file and returns its path."""

    def make(name: str = 'local.txt', content: bytes = b'local') -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return make
