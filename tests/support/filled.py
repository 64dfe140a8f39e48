"""Archives of several sizes with similar content, to count requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

import pyxnat
from pyxnat.server import Server, serve
from pyxnat.server.db.store import item
from tests.conftest import DEEP
from tests.support.loading import Loader, loading

__all__ = ['SIZES', 'Size', 'cost', 'filled', 'size', 'xnat']


class Size(NamedTuple):
    """Number of projects, of subjects in each, and of sessions of each."""

    projects: int
    subjects: int
    sessions: int

    @property
    def in_all(self) -> int:
        """Number of sessions of the archive."""
        return self.projects * self.subjects * self.sessions


SIZES = [Size(2, 3, 2), Size(5, 20, 2), Size(10, 100, 4) if DEEP else Size(6, 40, 4)]
"""The last size has more sessions in a project than one request names."""


def _load_subject(
    loader: Loader, project: str, above: int, number: int, at: int, sessions: int
) -> None:
    """Return a subject with its sessions, each with two scans; the last one is a PET session."""
    label = f'S{number}'
    subject = loader.add(
        'xnat:subjectData',
        f'XNAT_S{at + 1:05}',
        above,
        project=project,
        label=label,
        fields={'demographics/age': str(20 + len(label))},
    )
    for count in range(sessions):
        modality, more = ('mr', {'fieldStrength': '3.0'}) if count < sessions - 1 else ('pet', {})
        name, fields = f'XNAT_E{at * sessions + count + 1:05}', {'date': '2020-01-02', **more}
        session = loader.add(
            f'xnat:{modality}SessionData',
            name,
            subject,
            project=project,
            label=f'{label}_{count}',
            fields=fields,
        )
        for scan, kind in (('1', 'T1'), ('2', 'T2')):
            loader.add(
                f'xnat:{modality}ScanData',
                scan,
                session,
                project=project,
                fields={'type': kind, 'quality': 'usable'},
            )


def fill(server: Server, xnat: pyxnat.Interface, size: Size) -> None:
    """Fill an archive.

    Projects and files are sent as requests; subjects, sessions and scans are written into the
    tables, because requests would take minutes.
    """
    for number in range(size.projects):
        xnat.select.project(f'P{number}').create()
    with server.archive.store.read() as connection:
        numbers: dict[str, int] = dict(connection.execute(select(item.c.id, item.c.pk)).all())
    with loading(server.archive) as loader:
        for at in range(size.projects * size.subjects):
            project, number = f'P{at // size.subjects}', at % size.subjects
            _load_subject(loader, project, numbers[project], number, at, size.sessions)
    for session in xnat.select('/projects/P0/subjects/S0/experiments'):
        session.resource('NOTES').file('note.txt').put(b'note')
        for scan in session.scans():
            scan.resource('NIFTI').file('image.nii').put(b'image')


@pytest.fixture(scope='module', params=SIZES, ids=lambda size: 'x'.join(map(str, size)))
def filled(request: Any, tmp_path_factory: Any) -> Iterator[tuple[Any, Size]]:
    """Serve an archive of one size."""
    with serve(tmp_path_factory.mktemp('archive'), durable=False) as server:
        with pyxnat.Interface(
            server.url, server.user, server.password, tmp_path_factory.mktemp('cache')
        ) as interface:
            fill(server, interface, request.param)
        yield server, request.param


@pytest.fixture
def size(filled: tuple[Any, Size]) -> Size:
    return filled[1]


@pytest.fixture
def xnat(filled: tuple[Any, Size], tmp_path: Any) -> Iterator[pyxnat.Interface]:
    """Return a connection without cached responses, with a separate cache folder."""
    server, _ = filled
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'cache'
    ) as interface:
        interface.cache.expiration = 0
        yield interface


def cost(xnat: pyxnat.Interface, question: Callable[[], Any]) -> tuple[int, Any]:
    """Return the number of requests of a call, and its result."""
    with xnat.trace() as trace:
        answer = question()
    return trace.requests, answer
