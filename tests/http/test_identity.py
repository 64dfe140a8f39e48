"""The login that was given is the login that is served, or there is an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from pyxnat.http.redirects import MOST_REDIRECTS
from pyxnat.server import serve
from tests.support.scripted import Reply, Request, ScriptedServer, table

PUBLIC, OWN = table({'ID': 'PUBLIC'}), table({'ID': 'PUBLIC'}, {'ID': 'OWN'})
GUEST = {'Set-Cookie': 'JSESSIONID=guest; Path=/'}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.001)


def guests(request: Request) -> Reply:
    """A site that is open to guests, at the URL that another one leads to."""
    return Reply(200, PUBLIC, GUEST)


def leading_to(url: str, status: int = 302) -> Callable[[Request], Reply]:
    return lambda request: Reply(status, b'', {'Location': f'{url}{request.uri}'})


READS: dict[str, Callable[[pyxnat.Interface, Path], Any]] = {
    'listing': lambda interface, folder: interface._get_json('/data/projects'),
    'collection': lambda interface, folder: list(interface.select.projects()),
    'exists': lambda interface, folder: interface.select.project('OWN').exists(),
    'document': lambda interface, folder: interface.select.project('OWN').get(),
    'search': lambda interface, folder: interface.select('/projects/P/subjects').where(
        [('xnat:subjectData/ID', '=', '1')]
    ).get(),
    'file': lambda interface, folder: interface.select('/projects/P/resources/R/files/f').get(
        folder / 'place'
    ),
    'cached file': lambda interface, folder: interface.select(
        '/projects/P/resources/R/files/f'
    ).get(),
    'zip': lambda interface, folder: interface.select('/projects/P/resources/R').get(folder),
    'login': lambda interface, folder: interface.connection.transport.open_session(),
    'whoami': lambda interface, folder: interface.whoami(),
}  # fmt: skip


@pytest.mark.parametrize('read', READS)
@pytest.mark.parametrize('password', ['right', 'wrong'])
@pytest.mark.parametrize('context', ['', '/xnat'])
def test_another_url_of_the_site_is_named_and_never_makes_a_guest(
    read: str, password: str, context: str, tmp_path: Path
) -> None:
    with (
        ScriptedServer(guests) as other,
        ScriptedServer(leading_to(f'{other.url}{context}')) as server,
    ):
        interface = pyxnat.Interface(server.url, 'me', password, tmp_path / 'cache')
        with pytest.raises(errors.UnexpectedAnswer) as caught:
            READS[read](interface, tmp_path)
        if read != 'search':
            assert f'Give {other.url}{context} as the URL' in str(caught.value)
        assert other.requests == []
        assert not (tmp_path / 'place').exists()


@pytest.mark.parametrize('status', [301, 302, 303, 307, 308])
@pytest.mark.parametrize('given', ['provider', 'token', 'password'])
def test_it_does_not_matter_how_the_login_is_given(status: int, given: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        'provider': {'user': 'me', 'password': 'x', 'provider': 'ldap'},
        'token': {'token': ('01234567-0123-0123-0123-0123456789ab', 'secret')},
        'password': {'user': 'me', 'password': 'x'},
    }[given]
    with (
        ScriptedServer(guests) as other,
        ScriptedServer(leading_to(other.url, status)) as server,
    ):
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, **options)
        with pytest.raises(errors.UnexpectedAnswer):
            interface._get_json('/data/projects')
        assert other.requests == []


def test_a_guest_may_be_led_to_another_url(tmp_path: Path) -> None:
    with ScriptedServer(guests) as other, ScriptedServer(leading_to(other.url)) as server:
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, anonymous=True)
        assert interface._get_json('/data/projects') == [{'ID': 'PUBLIC'}]


@pytest.mark.parametrize(
    'location',
    ['http://127.0.0.1:99999/data/projects', 'http://[::1', 'http://[::1/x', 'http://a:b/x',
     'http://127.0.0.1:-1/', '//[', 'http://[x]/', 'ftp://x/', 'http:///x', 'javascript:alert(1)',
     'http://\x7f/', '\u00e9', 'http://xn--/', 'http://127.0.0.1:0/x', '\\\\x\\y'],
)  # fmt: skip
@pytest.mark.parametrize('is_guest', [True, False])
def test_a_redirect_to_what_is_no_url_is_an_error(
    location: str, is_guest: bool, tmp_path: Path
) -> None:
    login = {'anonymous': True} if is_guest else {'user': 'me', 'password': 'x'}

    def script(request: Request) -> Reply:
        return Reply(302, b'', {'Location': location.encode().decode('latin-1')})

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, retries=0, **login)
        with pytest.raises(errors.DatabaseError) as caught:
            interface._get_json('/data/projects')
        assert caught.value.uri and caught.value.remedy
        assert len(server.requests) <= MOST_REDIRECTS + 2  # one looks for another context path


# -- sessions --------------------------------------------------------------------------------------


class Site:
    """A site that is open to guests; `valid` are its sessions and its password."""

    def __init__(self) -> None:
        self.valid = {'A1'}
        self.takes_password = True

    def __call__(self, request: Request) -> Reply:
        if 'authorization' in request.headers or request.uri == '/data/services/auth':
            if not self.takes_password:
                return Reply(401, b'<html><h3>Login attempt failed</h3></html>')
            self.valid.add('A2')
            return Reply(200, b'A2' if 'auth' in request.uri else OWN,
                         {'Set-Cookie': 'JSESSIONID=A2; Path=/'})  # fmt: skip
        cookie = request.headers.get('cookie', '').removeprefix('JSESSIONID=')
        return Reply(200, OWN) if cookie in self.valid else Reply(200, PUBLIC, GUEST)


@pytest.mark.parametrize('given', ['provider', 'token', 'password'])
def test_a_guest_session_in_place_of_the_login_is_replaced_or_an_error(
    given: str, tmp_path: Path
) -> None:
    site = Site()
    options: dict[str, Any] = {
        'provider': {'user': 'me', 'password': 'x', 'provider': 'ldap'},
        'token': {'token': ('01234567-0123-0123-0123-0123456789ab', 'secret')},
        'password': {'user': 'me', 'password': 'x'},
    }[given]
    with ScriptedServer(site) as server:
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, **options)
        interface.cache.expiration = 0

        def rows() -> int:
            return len(interface.connection.transport.request('GET', '/data/x').body)

        assert rows() == len(OWN)
        site.valid.clear()
        assert rows() == len(OWN)
        site.valid.clear()
        site.takes_password = False  # the token has expired, or the password was changed
        for _ in range(2):
            with pytest.raises(errors.AuthenticationError):
                rows()


def test_a_session_that_was_given_and_is_gone_is_an_error(tmp_path: Path) -> None:
    site = Site()
    with ScriptedServer(site) as server:
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, anonymous=True)
        interface.connection.transport.session.add_cookies({'JSESSIONID': 'A1'})
        interface.cache.expiration = 0
        assert len(interface._get_json('/data/projects')) == 2
        site.valid.clear()
        for _ in range(2):
            with pytest.raises(errors.AuthenticationError, match='guest'):
                interface._get_json('/data/projects')


def test_a_guest_may_get_another_session(tmp_path: Path) -> None:
    count = iter(range(100))

    def script(request: Request) -> Reply:
        return Reply(200, PUBLIC, {'Set-Cookie': f'JSESSIONID=G{next(count)}; Path=/'})

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, cachedir=tmp_path, anonymous=True)
        interface.cache.expiration = 0
        for _ in range(3):
            assert interface._get_json('/data/projects') == [{'ID': 'PUBLIC'}]


@pytest.mark.parametrize(
    'reply',
    [Reply(200), Reply(200, b'<html>portal</html>'), Reply(202, b'A2'), Reply(200, b'\0\1'),
     Reply(302, b'', {'Location': '/portal'}), Reply(204), Reply(200, b'a b\r\nc')],
)  # fmt: skip
def test_a_login_service_that_opens_no_session_is_an_error(reply: Reply, tmp_path: Path) -> None:
    def script(request: Request) -> Reply:
        return reply if request.uri == '/data/services/auth' else Reply(200, PUBLIC, GUEST)

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, 'me', 'x', tmp_path, provider='ldap')
        with pytest.raises(errors.OperationalError):
            interface._get_json('/data/projects')
        assert {request.uri for request in server.requests} == {'/data/services/auth'}


def test_a_login_service_may_tell_its_session_in_the_body_alone(tmp_path: Path) -> None:
    def script(request: Request) -> Reply:
        if request.uri == '/data/services/auth':
            return Reply(200, b'A2', {'Set-Cookie': 'SESSION_EXPIRATION_TIME="1,2"; Path=/'})
        return Reply(200, OWN if 'A2' in request.headers.get('cookie', '') else PUBLIC)

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, 'me', 'x', tmp_path, provider='ldap')
        assert len(interface._get_json('/data/projects')) == 2


def test_a_session_that_does_not_outlive_its_login_is_an_error(tmp_path: Path) -> None:
    def script(request: Request) -> Reply:
        if request.uri == '/data/services/auth':
            return Reply(200, b'A2', {'Set-Cookie': 'JSESSIONID=A2; Path=/'})
        return Reply(200, PUBLIC, GUEST)

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, 'me', 'x', tmp_path, provider='ldap')
        with pytest.raises(errors.AuthenticationError, match='guest'):
            interface._get_json('/data/projects')


def test_on_an_open_archive_a_wrong_login_is_no_guest(tmp_path: Path) -> None:
    with serve(tmp_path / 'open', require_login=False) as server:
        with pyxnat.Interface(server.url, server.user, server.password) as interface:
            token = interface.manage.tokens.issue()
            interface.manage.tokens.revoke(token.alias)
        for options in (
            {'user': server.user, 'password': 'wrong'},
            {'user': 'nobody', 'password': 'x'},
            {'user': server.user, 'password': 'wrong', 'provider': 'localdb'},
            {'token': token},
        ):
            with pytest.raises(errors.AuthenticationError):
                pyxnat.Interface(server.url, cachedir=tmp_path / 'c', **options)._get_json(
                    '/data/projects'
                )
