"""Logins, sessions and rights."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from pyxnat.server.auth import GUEST, Caller, Sessions

from .conftest import Client

ClientOf = Callable[[str | None], Client]


@pytest.fixture(autouse=True)
def _projects(admin: Client, filled: dict[str, str]) -> None:
    for access in ('private', 'protected', 'public'):
        if admin.get(f'/data/projects/{access}?format=json').status == 200:
            continue
        admin.ok('PUT', f'/data/projects/{access}?accessibility={access}')
        admin.ok('PUT', f'/data/projects/{access}/subjects/S/experiments/E?xsiType=xnat:mrSessionData')
        admin.ok('PUT', f'/data/projects/{access}/resources/R/files/f?inbody=true', b'x')
        for role in ('owner', 'member', 'collaborator'):
            admin.ok('PUT', f'/data/projects/{access}/users/{role}/{role}')


def test_1_2_wrong_credentials(server: Server) -> None:
    for login, password in (('admin', 'wrong'), ('nobody', 'x'), ('admin', 'se:cret'), (None, None)):
        client = Client(server, login, password)
        for method in ('GET', 'PUT', 'POST', 'DELETE'):
            answer = client(method, '/data/projects/P', b'x' if method in ('PUT', 'POST') else None)
            assert answer.status == 401
            assert answer.headers['WWW-Authenticate'].startswith('Basic realm=')
            assert 'secret' not in answer.text
        client.close()


def test_1_3_sessions(server: Server, admin: Client) -> None:
    cookie = admin.get('/data/JSESSION')
    key = cookie.text
    assert f'JSESSIONID={key}' in cookie.headers['Set-Cookie']
    assert 'HttpOnly' in cookie.headers['Set-Cookie']
    client = Client(server)
    headers = {'Cookie': f'JSESSIONID={key}'}
    assert client('GET', '/data/JSESSION', headers=headers).text == key
    assert client('GET', '/data/auth', headers=headers).text == "User 'admin' is logged in"
    assert client('GET', '/data/JSESSION?CSRF=true', headers=headers).text.startswith(f'{key}; XNAT_CSRF=')
    assert client('DELETE', '/data/JSESSION', headers=headers).status == 200
    assert client('GET', '/data/projects', headers=headers).status == 401
    client.close()


def test_1_3_services_auth(server: Server) -> None:
    client = Client(server)
    form = {'Content-Type': 'application/x-www-form-urlencoded'}
    key = client('PUT', '/data/services/auth', 'username=admin&password=secret', form).text
    assert client('GET', '/data/projects', headers={'Cookie': f'JSESSIONID={key}'}).status == 200
    answer = client('POST', '/data/services/auth', 'username=admin&password=wrong', form)
    assert (answer.status, 'Authentication failed' in answer.text) == (401, True)
    client.close()


def test_1_4_the_expiration_cookie(admin: Client) -> None:
    cookies = admin.get('/data/projects').headers.get_all('Set-Cookie')
    found = next(one for one in cookies if one.startswith('SESSION_EXPIRATION_TIME='))
    assert re.fullmatch(r'"\d{13},900000"', found.partition('=')[2].partition(';')[0])


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
    ('member', 'private', 200, 200, 200, 201, 200, 200, 403),
    ('collaborator', 'private', 200, 200, 200, 403, 403, 403, 403),
    ('outsider', 'private', 404, 404, 404, 404, 404, 404, 404),
    ('outsider', 'protected', 200, 403, 403, 403, 403, 403, 403),
    ('outsider', 'public', 200, 200, 200, 403, 403, 403, 403),
]


@pytest.mark.parametrize('row', MATRIX, ids=lambda row: '-'.join(map(str, row[:2])))
def test_1_7_who_may_do_what(client_of: ClientOf, admin: Client, row: tuple[str, str, int, int, int, int, int, int, int]) -> None:
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
    assert client.delete(f'{base}/subjects/doomed_{caller}').status == delete
    admin.put(f'{base}/resources/R/files/doomed?inbody=true&overwrite=true', b'x')
    assert client.delete(f'{base}/resources/R/files/doomed').status == delete


def test_5_3_what_an_outsider_sees(client_of: ClientOf) -> None:
    outsider = client_of('outsider')
    shown = {row['ID'] for row in outsider.get('/data/projects').rows}
    assert {'protected', 'public'} <= shown and 'private' not in shown
    assert {row['project'] for row in outsider.get('/data/subjects').rows} == {'public'}
    assert {row['project'] for row in outsider.get('/data/experiments').rows} == {'public'}
    assert [row['id'] for row in client_of('owner').get('/data/projects?owner=true').rows] == ['private', 'protected', 'public']


def test_5_2_accessibility_and_users(client_of: ClientOf, admin: Client) -> None:
    owner, member = client_of('owner'), client_of('member')
    assert owner.get('/data/projects/private/accessibility').text == 'private'
    assert member.put('/data/projects/private/accessibility/public').status == 403
    assert owner.put('/data/projects/private/accessibility/nonsense').status == 400
    assert owner.put('/data/projects/private/accessibility/protected').text == 'protected'
    assert owner.put('/data/projects/private/accessibility/private').text == 'private'
    assert client_of('outsider').get('/data/projects/private/accessibility').status == 404
    rows = owner.get('/data/projects/private/users').rows
    assert ('private_member', 'Members', 'member') in [(row['GROUP_ID'], row['displayname'], row['login']) for row in rows]
    assert member.put('/data/projects/private/users/owner/member').status == 403
    assert owner.put('/data/projects/private/users/private_member/outsider').status == 200
    assert client_of('outsider').get('/data/projects/private?format=json').status == 200
    assert owner.delete('/data/projects/private/users/member/outsider').status == 200
    assert client_of('outsider').get('/data/projects/private?format=json').status == 404
    assert owner.put('/data/projects/private/users/member/nobody').status == 404


def test_a_creator_owns_the_project(client_of: ClientOf) -> None:
    assert client_of('outsider').put('/data/projects/mine').status == 200
    assert client_of('outsider').get('/data/projects/mine/accessibility').text == 'protected'
    assert client_of('outsider').delete('/data/projects/mine').status == 200


def test_guests(tmp_path: Path) -> None:
    assert GUEST.guest
    with serve(tmp_path, password='p', require_login=False) as server:
        admin, guest = Client(server, 'admin', 'p'), Client(server)
        admin.ok('PUT', '/data/projects/open?accessibility=public')
        admin.ok('PUT', '/data/projects/closed?accessibility=private')
        assert [row['ID'] for row in guest.get('/data/projects').rows] == ['open']
        assert guest.put('/data/projects/x').status == 403
        assert guest.put('/data/projects/open/subjects/S').status == 403
        assert guest.get('/data/projects/closed?format=json').status == 404
        assert guest.get('/data/JSESSION').status == 200
        admin.close()
        guest.close()


def test_version(server: Server, admin: Client) -> None:
    answer = admin.get('/xapi/siteConfig/buildInfo')
    assert answer.headers['Content-Type'].startswith('application/json')
    assert '"version"' in answer.text
    assert admin.get('/xapi/users/username').text == 'admin'


def test_a_refused_upload_leaves_the_connection_usable(server: Server) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for _ in range(3):
        connection.request('PUT', '/data/projects/P/resources/R/files/f?inbody=true', bytes(2_000_000))
        answer = connection.getresponse()
        assert answer.status == 401
        assert b'Log in' in answer.read()
    connection.close()


def test_what_is_not_shared_stays_hidden(client_of: ClientOf, admin: Client) -> None:
    """A subject shared into a project does not take its sessions along; a shared session takes its scans."""
    admin.ok('PUT', '/data/projects/away?accessibility=private')
    admin.ok('PUT', '/data/projects/away/users/member/outsider')
    admin.put('/data/projects/private/subjects/T/experiments/T1?xsiType=xnat:mrSessionData')
    admin.put('/data/projects/private/subjects/T/experiments/T1/scans/1?xsiType=xnat:mrScanData')
    admin.put('/data/projects/private/subjects/T/experiments/T1/scans/1/resources/R/files/f?inbody=true', b'x')
    admin.ok('PUT', '/data/projects/private/subjects/T/projects/away')
    outsider, base = client_of('outsider'), '/data/projects/away/subjects/T/experiments/T1'
    assert outsider.get('/data/projects/away/subjects/T?format=json').status == 200
    assert b'experiments/experiment' not in outsider.get('/data/projects/away/subjects/T?format=json').body
    assert outsider.get(base + '?format=json').status == 404
    assert outsider.get(base + '/scans/1/resources/R/files/f').status == 404
    admin.ok('PUT', '/data/projects/private/experiments/T1/projects/away')
    assert outsider.get(base + '/scans/1/resources/R/files/f').body == b'x'
    assert b'scans/scan' in outsider.get(base + '?format=json').body
    assert outsider.put(base + '?note=x').status == 403
    assert outsider.get('/data/projects/private/subjects/T?format=json').status == 404
