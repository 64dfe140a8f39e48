"""Fixtures: a served archive, clients of its users, and a filled project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from tests.support.plain import Answer, Client, allow_many_sessions

__all__ = ['Answer', 'Client', 'allow_many_sessions']

PASSWORDS = {'owner': 'o', 'member': 'm', 'collaborator': 'c', 'outsider': 'x'}


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(
        tmp_path_factory.mktemp('archive'), password='secret', users=PASSWORDS, durable=False
    ) as running:
        allow_many_sessions(running)
        yield running


def clients(server: Server) -> Iterator[Callable[[str | None], Client]]:
    """Yield a function from a login to a client of a server; close all clients afterwards."""
    made: list[Client] = []

    def make(login: str | None) -> Client:
        word = server.password if login == server.user else PASSWORDS.get(login or '')
        made.append(Client(server, login, word))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope='module')
def client_of(server: Server) -> Iterator[Callable[[str | None], Client]]:
    yield from clients(server)


@pytest.fixture(scope='module')
def admin(client_of: Callable[[str | None], Client], server: Server) -> Client:
    return client_of(server.user)


@pytest.fixture(scope='module')
def folder(server: Server) -> Path:
    return server.archive.folder


@pytest.fixture(scope='module')
def filled(admin: Client) -> dict[str, str]:
    """Create a project with items of all levels; return their IDs by label.

    It has two subjects, three sessions, scans, a reconstruction, an assessor and files.
    """
    ids: dict[str, str] = {}
    admin.ok('PUT', '/data/projects/P?description=a%20study')
    admin.ok('PUT', '/data/projects/Q')
    ids['S1'] = admin.ok(
        'PUT', '/data/projects/P/subjects/S1?gender=female&age=81&handedness=left&group=control'
    )
    ids['S2'] = admin.ok('PUT', '/data/projects/P/subjects/S2?gender=male&dob=1950-06-30')
    base = '/data/projects/P/subjects'
    ids['M1'] = admin.ok(
        'PUT',
        f'{base}/S1/experiments/M1?xsiType=xnat:mrSessionData&date=2020-01-31&xnat:mrSessionData/'
        'age=79',
    )
    ids['M2'] = admin.ok(
        'PUT',
        f'{base}/S1/experiments/M2?xsiType=xnat:mrSessionData&date=2023-02-19&fieldStrength=3.0&'
        'xnat:mrSessionData/age=82',
    )
    ids['T1'] = admin.ok(
        'PUT',
        f'{base}/S2/experiments/T1?xsiType=xnat:petSessionData&date=2021-05-05&tracer_name=FDG',
    )
    scan = f'{base}/S1/experiments/M1/scans'
    admin.ok(
        'PUT',
        f'{scan}/1?xsiType=xnat:mrScanData&type=T1%20w&quality=usable&xnat:mrScanData/parameters/'
        'tr=2.3',
    )
    admin.ok('PUT', f'{scan}/2?xsiType=xnat:mrScanData&type=T2&quality=questionable')
    admin.ok('PUT', f'{base}/S1/experiments/M1/reconstructions/R1?type=bias')
    ids['A1'] = admin.ok(
        'PUT',
        f'{base}/S1/experiments/M1/assessors/A1?xsiType=xnat:qcManualAssessorData&'
        'xnat:qcManualAssessorData/pass=1',
    )
    for holder in (f'{scan}/1', f'{base}/S1/experiments/M1', f'{base}/S1', '/data/projects/P'):
        admin.ok(
            'PUT',
            f'{holder}/resources/DATA/files/a/one.txt?inbody=true&format=TEXT&content=notes',
            b'one',
        )
    admin.ok(
        'PUT',
        f'{base}/S1/experiments/M1/assessors/A1/out/resources/OUT/files/two.nii.gz?inbody=true',
        b'two',
    )
    return ids
