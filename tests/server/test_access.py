"""Tests of logins, sessions and rights."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from pyxnat.server.db.caller import Caller
from pyxnat.server.db.sessions import Sessions

from .conftest import Client

ClientOf = Callable[[str | None], Client]


@pytest.fixture(autouse=True)
def _projects(admin: Client, filled: dict[str, str]) -> None:
    for access in ('private', 'protected', 'public'):
        if admin.get(f'/data/projects/{access}?format=json').status == 200:
            continue
        admin.ok('PUT', f'/data/projects/{access}?accessibility={access}')
        admin.ok(
            'PUT', f'/data/projects/{access}/subjects/S/experiments/E?xsiType=xnat:mrSessionData'
        )
        admin.ok('PUT', f'/data/projects/{access}/resources/R/files/f?inbody=true', b'x')
        for role in ('owner', 'member', 'collaborator'):
            admin.ok('PUT', f'/data/projects/{access}/users/{role}/{role}')


def test_idle_sessions_end() -> None:
    clock = [0.0]
    sessions = Sessions(60, lambda: clock[0])
    key = sessions.open(Caller('a'))
    clock[0] = 50
    assert sessions.caller(key) == Caller('a')
    clock[0] = 105
    assert sessions.caller(key) == Caller('a') and sessions.count() == 1
    clock[0] = 170
    assert sessions.caller(key) is None and sessions.count('a') == 0


MATRIX = [
    # caller, project, read item, list subjects, read file, create, edit, upload, delete
    ('owner', 'private', 200, 200, 200, 201, 200, 200, 200),
    ('member', 'private', 200, 200, 200, 201, 200, 403, 403),
    ('collaborator', 'private', 200, 200, 200, 403, 403, 403, 403),
    ('outsider', 'private', 404, 404, 404, 422, 422, 404, 404),
    ('outsider', 'protected', 200, 403, 200, 403, 403, 403, 403),
    ('outsider', 'public', 200, 200, 200, 403, 403, 403, 403),
]


@pytest.mark.parametrize('row', MATRIX, ids=lambda row: '-'.join(map(str, row[:2])))
def test_1_7_who_may_do_what(
    client_of: ClientOf, admin: Client, row: tuple[str, str, int, int, int, int, int, int, int]
) -> None:
    caller, project, read, listed, file, create, edit, upload, delete = row
    client, base = client_of(caller), f'/data/projects/{project}'
    admin.delete(f'{base}/subjects/new_{caller}')
    assert client.get(f'{base}?format=json').status == read
    assert client.get(f'{base}/subjects').status == listed
    assert client.get(f'{base}/resources/R/files/f').status == file
    assert client.put(f'{base}/subjects/new_{caller}').status == create
    assert client.put(f'{base}/subjects/S?group=g').status == edit
    assert client.put(f'{base}/resources/R/files/{caller}?inbody=true', b'x').status == upload
    admin.put(f'{base}/subjects/doomed_{caller}')
    hidden = (caller, project) == (
        'outsider',
        'protected',
    )  # items in it do not exist for a caller who may not read it
    assert client.delete(f'{base}/subjects/doomed_{caller}').status == (404 if hidden else delete)
    admin.put(f'{base}/resources/R/files/doomed?inbody=true&overwrite=true', b'x')
    assert client.delete(f'{base}/resources/R/files/doomed').status == delete


def test_a_refused_upload_leaves_the_connection_usable(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(3):
        connection.request(
            'PUT', '/data/projects/P/resources/R/files/f?inbody=true', bytes(2_000_000)
        )
        answer = connection.getresponse()
        assert answer.status == 401
        assert b'Unauthorized' in answer.read()
    connection.close()


def test_items_of_a_shared_subject_that_are_not_shared_stay_hidden(
    client_of: ClientOf, admin: Client
) -> None:
    """A subject shared into a project does not bring its sessions along; a shared session brings
    its scans."""
    admin.ok('PUT', '/data/projects/away?accessibility=private')
    admin.ok('PUT', '/data/projects/away/users/member/outsider')
    admin.put('/data/projects/private/subjects/T/experiments/T1?xsiType=xnat:mrSessionData')
    admin.put('/data/projects/private/subjects/T/experiments/T1/scans/1?xsiType=xnat:mrScanData')
    admin.put(
        '/data/projects/private/subjects/T/experiments/T1/scans/1/resources/R/files/f?inbody=true',
        b'x',
    )
    admin.ok('PUT', '/data/projects/private/subjects/T/projects/away?label=T')
    outsider, base = client_of('outsider'), '/data/projects/away/subjects/T/experiments/T1'
    assert outsider.get('/data/projects/away/subjects/T?format=json').status == 200
    assert (
        b'experiments/experiment'
        not in outsider.get('/data/projects/away/subjects/T?format=json').body
    )
    assert outsider.get(base + '?format=json').status == 404
    assert outsider.get(base + '/scans/1/resources/R/files/f').status == 404
    admin.ok('PUT', '/data/projects/private/experiments/T1/projects/away?label=T1')
    assert outsider.get(base + '/scans/1/resources/R/files/f').body == b'x'
    assert b'scans/scan' in outsider.get(base + '?format=json').body
    assert outsider.put(base + '?note=x').status == 403
    assert outsider.get('/data/projects/private/subjects/T?format=json').status == 404


def test_a_user_without_any_readable_project_lists_no_subjects(tmp_path: Path) -> None:
    with serve(tmp_path, password='word', users={'new': 'new'}) as server:
        admin, new = Client(server, 'admin', 'word'), Client(server, 'new', 'new')
        for path in ('', '/subjects/S'):
            admin.ok('PUT', f'/data/projects/CLOSED{path}')
        assert (new.get('/data/subjects').status, new.get('/data/experiments').rows) == (500, [])
        admin.ok('PUT', '/data/projects/CLOSED/accessibility/public')
        assert [row['label'] for row in new.get('/data/subjects').rows] == ['S']
        admin.close()
        new.close()
