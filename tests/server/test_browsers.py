"""Tests of browsers: requests of other sites' pages, cookies, and headers of responses."""

from __future__ import annotations

import http.client
import re
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import Server, serve
from pyxnat.server.app import ROUTES
from pyxnat.server.http.router import Access, Route
from tests.support.plain import FORM, Answer

from .conftest import PASSWORDS, Client
from .test_slow_clients import certificate

__all__ = ['certificate']  # the fixture

FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0'
AGENTS = ['', 'python-requests/2.31', 'XNATDesktopClient Mozilla', FIREFOX]
NUMBERS = count(1)

FOREIGN: dict[str, dict[str, str]] = {
    'origin': {'Origin': 'https://evil.example'},
    'origin with our name in it': {'Origin': 'http://127.0.0.1.evil.example'},
    'origin of another port': {'Origin': 'http://127.0.0.1:1'},
    'origin of a sandbox': {'Origin': 'null'},
    'origin that is none': {'Origin': 'http://[::1'},
    'empty origin': {'Origin': ''},
    'cross-site': {'Sec-Fetch-Site': 'cross-site'},
    'same-site': {'Sec-Fetch-Site': 'same-site'},
    'unknown': {'Sec-Fetch-Site': 'other'},
    'upper case': {'Sec-Fetch-Site': 'Cross-Site'},
    'both': {'Sec-Fetch-Site': 'cross-site', 'Origin': 'https://evil.example'},
    'their origin as host': {'Sec-Fetch-Site': 'cross-site', 'Origin': 'HERE'},
}
OWN: dict[str, dict[str, str]] = {
    'no header': {},
    'origin': {'Origin': 'HERE'},
    'same-origin': {'Sec-Fetch-Site': 'same-origin'},
    'typed': {'Sec-Fetch-Site': 'none'},
    'behind a proxy with another name': {
        'Sec-Fetch-Site': 'same-origin',
        'Origin': 'https://xnat.example',
    },
}
WRITES: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    'put': ('PUT', '/data/projects/P/subjects/NEW', None, {}),
    'post a document': ('POST', '/data/projects/P/subjects', b'<x/>', {'Content-Type': 'text/xml'}),
    'post a form': ('POST', '/data/projects/P/subjects/NEW?req_format=form', 'group=g', FORM),
    'tunnel': ('POST', '/data/projects/P/subjects/NEW?method=PUT', None, {}),
    'tunnelled delete': ('POST', '/data/projects/P/subjects/S1?method=DELETE', None, {}),
    'delete': ('DELETE', '/data/projects/P/subjects/S1', None, {}),
    'REST': ('PUT', '/REST/projects/P/subjects/NEW', None, {}),
    'archive': ('PUT', '/data/archive/projects/P/subjects/NEW', None, {}),
    'slash': ('PUT', '/data/projects/P/subjects/NEW/', None, {}),
    'xapi': ('PUT', '/xapi/users/owner/enabled/false', None, {}),
    'search': ('POST', '/data/search', b'<x/>', {'Content-Type': 'text/xml'}),
    'service': ('POST', '/data/services/refresh/catalog?resource=/archive/projects/P', None, {}),
    'logout': ('DELETE', '/data/JSESSION', None, {}),
    'user cache': ('PUT', '/data/user/cache/resources/R', None, {}),
    'token by get': ('GET', '/data/services/tokens/issue', None, {}),
    'token by head': ('HEAD', '/data/services/tokens/issue', None, {}),
    'token by post': ('POST', '/data/services/tokens/issue?method=GET', None, {}),
    'token by REST': ('GET', '/REST/services/tokens/issue/', None, {}),
    'no token any more': ('GET', '/data/services/tokens/invalidate/x', None, {}),
}


def send(server: Server, write: str, login: dict[str, str], **headers: str) -> Answer:
    """Send a write with the headers of a browser."""
    method, path, body, more = WRITES[write]
    here = f'http://{server.host}:{server.port}'
    own = {name: value.replace('HERE', here) for name, value in headers.items()}
    client = Client(server)
    try:
        return client(
            method, path.replace('NEW', f'N{next(NUMBERS)}'), body, {**more, **login, **own}
        )
    finally:
        client.close()


def ambient(server: Server, kind: str) -> dict[str, str]:
    """Return what a browser adds to requests by itself."""
    admin = Client(server, 'admin', server.password)
    key = admin.get('/data/JSESSION').text
    basic = {'Authorization': admin.headers['Authorization']}
    admin.close()
    return {'cookie': {'Cookie': f'JSESSIONID={key}'}, 'basic': basic}[kind]


@pytest.mark.parametrize('kind', ['cookie', 'basic'])
@pytest.mark.parametrize('agent', AGENTS)
@pytest.mark.parametrize('headers', FOREIGN.values(), ids=list(FOREIGN))
def test_writes_of_a_foreign_page_are_refused(
    server: Server, filled: dict[str, str], headers: dict[str, str], agent: str, kind: str
) -> None:
    found = send(server, 'put', ambient(server, kind), **{'User-Agent': agent}, **headers)
    assert found.status == 403 and 'may not change data here' in found.text


@pytest.mark.parametrize('write', WRITES)
@pytest.mark.parametrize('kind', ['cookie', 'basic'])
def test_no_route_writes_for_a_foreign_page(
    server: Server,
    filled: dict[str, str],
    admin: Client,
    version: Callable[[], int],
    kind: str,
    write: str,
) -> None:
    login = ambient(server, kind)
    before = version()
    for headers in ({'Origin': 'https://evil.example'}, {'Sec-Fetch-Site': 'cross-site'}):
        assert send(server, write, login, **headers).status == 403
    assert version() == before and admin.get('/data/JSESSION').status == 200
    if kind == 'cookie':
        assert Client(server).get('/data/JSESSION', **login).status == 200, 'not logged out'


@pytest.fixture
def version(folder: Path) -> Iterator[Callable[[], int]]:
    """Return a function whose value changes with every change of the database."""
    database = sqlite3.connect(folder / 'archive.sqlite')
    yield lambda: int(database.execute('PRAGMA data_version').fetchone()[0])
    database.close()


@pytest.mark.parametrize('headers', OWN.values(), ids=list(OWN))
@pytest.mark.parametrize('kind', ['cookie', 'basic'])
def test_own_pages_and_programs_write(
    server: Server, filled: dict[str, str], headers: dict[str, str], kind: str
) -> None:
    login = ambient(server, kind)
    for agent in AGENTS[:-1]:
        assert send(server, 'put', login, **{'User-Agent': agent}, **headers).status == 201
        assert send(server, 'token by get', login, **{'User-Agent': agent}, **headers).status == 200


@pytest.mark.parametrize('write', [name for name in WRITES if name != 'logout'])
@pytest.mark.parametrize('kind', ['cookie', 'basic'])
def test_a_browser_needs_the_token_of_its_session(
    server: Server, filled: dict[str, str], version: Callable[[], int], kind: str, write: str
) -> None:
    """Also for the GETs that write, and for old browsers that send no Origin."""
    login, agent = ambient(server, kind), {'User-Agent': FIREFOX}
    before = version()
    for headers in OWN.values():
        assert send(server, write, login, **agent, **headers).status == 500
    assert version() == before


def test_the_token_of_a_session_lets_a_browser_write(
    server: Server, filled: dict[str, str]
) -> None:
    login, agent = ambient(server, 'cookie'), {'User-Agent': FIREFOX}
    client = Client(server, headers={**login, **agent})
    token = client.get('/data/JSESSION?CSRF=true').text.partition('; XNAT_CSRF=')[2]
    more = f'XNAT_CSRF={token}'
    assert client.put(f'/data/projects/P/subjects/T1?{more}', Origin='null').status == 403
    assert client.put(f'/data/projects/P/subjects/T1?{more}').status == 201
    assert client.get(f'/data/services/tokens/issue?{more}').status == 200
    server.archive.prefer('enableCsrfToken', False)
    assert client.put('/data/projects/P/subjects/T2').status == 201
    assert client.put('/data/projects/P/subjects/T3', Origin='null').status == 403
    server.archive.prefer('enableCsrfToken', True)
    client.close()


def test_a_foreign_page_cannot_log_a_browser_in(server: Server) -> None:
    """Else the user would work in the account of the attacker."""
    client = Client(server)
    for headers in FOREIGN.values():
        found = client.post(
            '/data/services/auth', 'username=outsider&password=x', **{**FORM, **headers}
        )
        assert found.status == 403 and 'JSESSIONID' not in str(found.headers)
    assert client.post('/data/services/auth', 'username=outsider&password=x', **FORM).status == 200
    client.close()


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'OPTIONS'])
def test_links_of_other_sites_can_be_followed(
    server: Server, filled: dict[str, str], method: str
) -> None:
    client = Client(server, headers=ambient(server, 'cookie'))
    headers = {'User-Agent': FIREFOX, 'Sec-Fetch-Site': 'cross-site'}
    assert client(method, '/data/projects/P?format=json', headers=headers).status == 200
    client.close()


# -- GETs that write


GETS = [route for route in ROUTES if 'GET' in route.methods.split()]
NAMES = {
    'project': 'P', 'projects': 'P', 'subject': 'S1', 'experiment': 'M1', 'scan': '1',
    'assessor': 'A1', 'reconstruction': 'R1', 'resource': 'DATA', 'out_resource': 'OUT',
    'username': 'owner', 'types': 'xnat:mrSessionData', 'tool': 'tool', 'name': 'x', 'other': 'Q',
    'group': 'Members', 'logins': 'member', 'kind': 'Project',
}  # fmt: skip


def paths(route: Route) -> Iterator[str]:
    """Yield paths of a route: without its optional parts, and with values for them."""
    for pattern in route.patterns()[:4]:
        bare = re.sub(r'/\{\w*[?*]\}', '', pattern)
        for one in (bare, re.sub(r'\{\*\}', '', re.sub(r'([?*])\}', '}', pattern))):
            yield re.sub(r'\{(\w+)!?\}', lambda found: NAMES.get(found.group(1), '1'), one)


def test_other_gets_write_nothing(
    server: Server, filled: dict[str, str], version: Callable[[], int]
) -> None:
    """Cookies go with links of other sites, so a GET that writes has to be marked as such."""
    wrote: list[str] = []
    client = Client(server, headers=ambient(server, 'cookie'))
    client.put('/data/projects/P/config/tool/x', b'{}')
    before = version()
    statuses = []
    for route in GETS:
        for path in dict.fromkeys(paths(route)):
            if route.writes:
                continue
            for query in ('', '?event_reason=x&req_format=form&a=b', '?format=json&action=delete'):
                statuses.append(client.get(path + query).status)
                if (after := version()) != before:
                    wrote.append(path + query)
                    before = after
    assert wrote == []
    assert statuses.count(200) > len(statuses) / 3
    client.close()


def test_the_gets_that_write_are_marked() -> None:
    assert sorted(route.pattern for route in ROUTES if route.writes) == [
        '/data/services/tokens/invalidate/{more*}',
        '/data/services/tokens/issue/{more*}',
    ]


# -- cookies and headers


PAGES = [
    '/',
    '/app/template/Login.vm',
    '/data/projects',
    '/data/projects/P?format=json',
    '/data/projects/P/resources/DATA/files/a/one.txt',
    '/data/projects/P/resources/DATA/files?format=zip',
    '/data/projects/P/subjects/S1?format=xml',
    '/data/nothing',
    '/data/projects/NONE',
    '/data/JSESSION',
    '/xapi/users',
    '/xapi/users/nobody',
    '/xapi/siteConfig',
    '/nothing',
    '/data/a%25b',
]


@pytest.mark.parametrize('path', PAGES)
@pytest.mark.parametrize('by', ['admin', 'outsider', 'nobody'])
def test_private_data_are_kept_in_no_cache(
    server: Server,
    client_of: Callable[[str | None], Client],
    filled: dict[str, str],
    path: str,
    by: str,
) -> None:
    client = client_of(None if by == 'nobody' else by)
    for method in ('GET', 'HEAD', 'OPTIONS', 'PUT'):
        found = client(method, path)
        assert found.headers.get_all('X-Content-Type-Options') == ['nosniff']
        assert len(found.headers.get_all('Cache-Control') or []) == 1
        assert found.headers['Cache-Control'].startswith('private, no-store')


def test_schemas_may_be_cached(server: Server) -> None:
    client = Client(server, 'admin', server.password)
    found = client.get('/schemas/xnat/xnat.xsd')
    assert (found.headers['Cache-Control'], found.status) == ('private', 200)
    assert found.headers['X-Content-Type-Options'] == 'nosniff'
    assert client.get('/schemas/none.xsd').headers['Cache-Control'] == 'private, no-store'
    client.close()


def test_files_are_still_revalidated(server: Server, filled: dict[str, str], admin: Client) -> None:
    path = '/data/projects/P/resources/DATA/files/a/one.txt'
    modified = admin.get(path).headers['Last-Modified']
    found = admin.get(path, **{'If-Modified-Since': modified})
    assert (found.status, found.headers['Cache-Control']) == (
        304, 'private, no-store, must-revalidate'
    )  # fmt: skip


def cookies(found: Answer) -> dict[str, set[str]]:
    """Return the attributes of the cookies of a response."""
    every = {}
    for header in found.headers.get_all('Set-Cookie') or []:
        name, *attributes = re.split(r'; ?', header)
        every[name.partition('=')[0]] = {one.lower() for one in attributes}
    return every


LOGIN = {'Content-Type': FORM['Content-Type']}


@pytest.mark.parametrize('context', ['', '/xnat'])
@pytest.mark.parametrize('trusted', [False, True])
@pytest.mark.parametrize('scheme', ['', 'http', 'https'])
def test_cookies(tmp_path: Path, context: str, trusted: bool, scheme: str) -> None:
    secure = {'secure'} if trusted and scheme == 'https' else set()
    forwarded = {'X-Forwarded-Proto': scheme} if scheme else {}
    with serve(tmp_path, password='secret', context=context, trust_proxy=trusted) as server:
        client = Client(server, 'admin', 'secret', forwarded)
        path = f'path={context or "/"}'
        both = {path, 'samesite=lax', *secure}
        found = client.get(f'{context}/data/projects')
        every = {'JSESSIONID': {'httponly', *both}, 'SESSION_EXPIRATION_TIME': both}
        assert cookies(found) == every
        form = client.post(
            f'{context}/data/services/auth', 'username=admin&password=secret', **LOGIN
        )
        assert cookies(form) == every
        assert cookies(client.get(f'{context}/data/nothing'))['SESSION_EXPIRATION_TIME'] == both
        client.close()


def test_cookies_behind_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serve(tmp_path, password='secret', certificate=cert, key=key) as server:
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection(server.host, server.port, context=context)
        connection.request('PUT', '/data/services/auth', 'username=admin&password=secret', LOGIN)
        found = Answer(connection.getresponse())
        connection.close()
    both = {'path=/', 'samesite=lax', 'secure'}
    every = {'JSESSIONID': {'httponly', *both}, 'SESSION_EXPIRATION_TIME': both}
    assert (found.status, cookies(found)) == (200, every)


@pytest.mark.parametrize('trusted', [False, True])
def test_addresses_of_a_trusted_proxy_are_counted_separately(tmp_path: Path, trusted: bool) -> None:
    with serve(tmp_path, password='secret', users=PASSWORDS, trust_proxy=trusted) as server:
        server.archive.users.tries.clock = lambda: 0.0
        for number in range(10):
            client = Client(server, f'u{number}', 'x', {'X-Forwarded-For': '1.1.1.1, 192.0.2.1'})
            assert client.get('/data/projects').status == 401
            client.close()
        statuses = []
        for address in ('192.0.2.1', '1.1.1.1'):
            client = Client(server, 'owner', 'o', {'X-Forwarded-For': address})
            statuses.append(client.get('/data/projects').status)
            client.close()
        assert statuses == ([429, 200] if trusted else [429, 429])


def test_public_routes_have_no_session_of_their_own() -> None:
    """`Access.PUBLIC` skips the login, so no such route may use the caller."""
    assert {route.pattern for route in ROUTES if route.access is Access.PUBLIC} == {
        '/app/template/Login.vm',
        '/data/services/auth/{*}',
    }
