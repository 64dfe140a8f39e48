"""Tests of the transport: requests, retries, and wrong responses."""

from __future__ import annotations

import gc
import logging
import pickle
import socket
import threading
import time
import weakref
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import pytest

import pyxnat
from pyxnat import errors
from tests.support.scripted import Reply, Request, ScriptedServer, table
from tests.support.waiting import GENEROUS_S, wait_until

LOGIN_PAGE = (
    b'<!DOCTYPE html><html><body><form><input name="j_username"><input '
    b'type="password"></form></body></html>'
)
PAGE = (
    b'\n <HTML><head><title>Portal</title></head><body>Welcome to the hotel network</body></html>'
)


def connect(server: ScriptedServer, **options) -> pyxnat.Interface:
    interface = pyxnat.Interface(server.url, 'me', 'secret', **options)
    interface.cache.expiration = 0  # no response comes from the cache
    return interface


def with_session(reply: Reply) -> Reply:
    return Reply(
        reply.status,
        reply.body,
        {'Set-Cookie': 'JSESSIONID=A1; Path=/; HttpOnly', **reply.headers},
        reply.length,
        reply.close,
    )


def asks(interface: pyxnat.Interface):
    """Return the two calls that must never take an error for an empty result."""
    return [
        lambda: list(interface.select.projects()),
        interface.select.project('P').exists,
        interface.select('/projects/P/subjects/S').exists,
    ]


def test_constructors_and_repr_make_no_request():
    with ScriptedServer(lambda request: Reply(500)) as server:
        interface = connect(server)
        selection = interface.select('/projects/*/subjects/*//files')
        assert repr(interface) and repr(selection) and repr(interface.select.project('P'))
        assert selection == interface.select('/projects/*/subjects/*//files')
        interface.disconnect()
        assert server.connections == 0


def test_an_unreachable_server_is_an_error():
    with socket.create_server(('127.0.0.1', 0)) as listener:
        port = listener.getsockname()[1]
    interface = pyxnat.Interface(f'http://127.0.0.1:{port}', 'me', 'secret')
    for ask in asks(interface):
        with pytest.raises(
            errors.NetworkError, match=rf'http://127\.0\.0\.1:{port}/.*Check the URL'
        ) as caught:
            ask()
        assert isinstance(caught.value, ConnectionError)
        assert caught.value.status is None


def test_a_wrong_password_is_an_error(server):
    interface = pyxnat.Interface(server.url, server.user, 'wrong')
    for ask in asks(interface):
        with pytest.raises(
            errors.AuthenticationError, match=rf'{server.url}.*401.*Check user and password'
        ):
            ask()


@pytest.mark.parametrize(
    ('page', 'error'), [(PAGE, errors.UnexpectedAnswer), (LOGIN_PAGE, errors.AuthenticationError)]
)
def test_an_html_page_with_status_200_is_an_error(page, error):
    with ScriptedServer(
        lambda request: with_session(Reply(200, page, {'Content-Type': 'application/json'}))
    ) as server:
        for ask in asks(connect(server)):
            with pytest.raises(error, match=rf'{server.url}.*200.*Check'):
                ask()


def test_an_html_page_in_place_of_a_file_leaves_nothing(tmp_path):
    with ScriptedServer(lambda request: with_session(Reply(200, LOGIN_PAGE))) as server:
        file = connect(server, cachedir=tmp_path / 'cache').select(
            '/projects/P/resources/R/files/head.nii'
        )
        with pytest.raises(errors.AuthenticationError):
            file.get()
        with pytest.raises(errors.AuthenticationError):
            file.get(tmp_path / 'head.nii')
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


def test_an_error_has_the_message_of_the_server():
    page = (
        b'<html><head><title>Status</title></head><body><h3>The subject label is '
        b'taken</h3><p>more</p></body></html>'
    )
    with ScriptedServer(lambda request: with_session(Reply(409, page))) as server:
        with pytest.raises(
            errors.DuplicateError, match='409: The subject label is taken'
        ) as caught:
            connect(server)._exec('/data/projects/P', 'PUT')
        assert (caught.value.status, caught.value.method, caught.value.uri) == (
            409,
            'PUT',
            f'{server.url}/data/projects/P',
        )


@pytest.mark.parametrize('method', ['PUT', 'POST'])
def test_a_write_on_a_closed_kept_alive_connection_is_sent_once(method):
    with ScriptedServer(lambda request: with_session(Reply(200, table(), close=True))) as server:
        interface = connect(server)
        interface._exec('/data/projects')
        for is_closed in (False, True, False, False):
            if is_closed or method == 'POST':  # one under way is not sent again
                wait_until(lambda: server.closed == server.connections, 'the end of the connection')
            interface._exec('/data/services/x', method, b'<x/>')
        assert [request.body for request in server.requests[1:]] == [b'<x/>'] * 4


def test_a_post_that_may_have_arrived_is_not_repeated():
    with ScriptedServer(
        lambda request: (
            Reply(silent=True) if request.method == 'POST' else with_session(Reply(200, table()))
        )
    ) as server:
        interface = connect(server)
        interface._exec('/data/projects')
        with pytest.raises(errors.NetworkError):
            interface._exec('/data/search', 'POST', b'<x/>')
        assert server.count('POST') == 1


def test_a_put_is_repeated_completely_after_a_dropped_connection(tmp_path):
    (tmp_path / 'body').write_bytes(b'x' * 100_000)
    replies = iter([Reply(silent=True), Reply(200)])
    with ScriptedServer(
        lambda request: (
            with_session(Reply(200, table())) if request.method == 'GET' else next(replies, Reply())
        )
    ) as server:
        interface = connect(server)
        interface._exec('/data/projects')
        with (tmp_path / 'body').open('rb') as body:
            interface._exec('/data/projects/P/resources/R/files/f', 'PUT', body)
        assert [len(request.body) for request in server.requests if request.method == 'PUT'] == [
            100_000,
            100_000,
        ]


def test_a_busy_server_is_retried_except_for_post():
    replies = iter([Reply(503, headers={'Retry-After': '0'}), Reply(502), Reply(200, table())])
    with ScriptedServer(lambda request: with_session(next(replies, Reply(503)))) as server:
        interface = connect(server)
        assert interface._get_json('/data/projects') == []
        assert len(server.requests) == 3
        with pytest.raises(errors.BusyError):
            interface._exec('/data/search', 'POST', b'<x/>')
        assert server.count('POST') == 1


def test_waiting_for_a_response_has_a_limit():
    released = threading.Event()

    def script(request: Request) -> Reply:
        released.wait(2 * GENEROUS_S)
        return Reply(200)

    with ScriptedServer(script) as server:
        started = time.monotonic()
        with pytest.raises(errors.NetworkTimeout) as caught:
            connect(server, timeout=(5, 0.2))._exec('/data/projects')
        assert isinstance(caught.value, TimeoutError)
        assert time.monotonic() - started < GENEROUS_S
        released.set()


def test_a_truncated_response_is_requested_again_and_then_an_error():
    replies = iter([Reply(200, table()[:20], length=500, close=True)])
    with ScriptedServer(lambda request: with_session(next(replies, Reply(200, table())))) as server:
        assert connect(server)._get_json('/data/projects') == []
    with ScriptedServer(
        lambda request: with_session(Reply(200, table()[:20], length=500, close=True))
    ) as server:
        with pytest.raises(errors.TransferError, match='20 of 500 bytes'):
            connect(server, retries=1)._get_json('/data/projects')
        assert len(server.requests) == 2


def test_a_truncated_file_leaves_nothing(tmp_path):
    with ScriptedServer(
        lambda request: with_session(Reply(200, b'x' * 1000, length=5000, close=True))
    ) as server:
        file = connect(server, cachedir=tmp_path / 'cache', retries=0).select(
            '/projects/P/resources/R/files/head.nii'
        )
        with pytest.raises(errors.TransferError):
            file.get()
        with pytest.raises(errors.TransferError):
            file.get(tmp_path / 'head.nii')
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == []


def test_threads_that_start_together_log_in_once():
    def script(request: Request) -> Reply:
        time.sleep(0.05)
        return (
            with_session(Reply(200, table()))
            if 'authorization' in request.headers
            else Reply(200, table())
        )

    with ScriptedServer(script) as server:
        interface = connect(server)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: interface._get_json('/data/projects'), range(16)))
        assert sum('authorization' in request.headers for request in server.requests) == 1
        assert len(server.requests) == 16
        assert all(
            'JSESSIONID=A1' in request.headers.get('cookie', '') for request in server.requests[1:]
        )
        assert all(request.uri == '/data/projects?format=json' for request in server.requests)


def test_a_thread_reuses_the_connection_of_an_ended_thread():
    with ScriptedServer(lambda request: with_session(Reply(200, table()))) as server:
        interface = connect(server)
        for _ in range(3):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(interface._get_json, '/data/projects').result()
        assert (len(server.requests), server.connections) == (3, 1)


def test_a_connection_with_an_unread_response_is_not_reused():
    with ScriptedServer(
        lambda request: with_session(Reply(200, request.uri.encode() * 50_000))
    ) as server:
        transport = connect(server)._transport
        opened = transport.stream('GET', '/data/first')
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(opened.__enter__).result()
        with ThreadPoolExecutor(1) as pool:
            assert (
                pool.submit(transport.request, 'GET', '/data/second').result().body
                == b'/data/second' * 50_000
            )
        assert stream.read() == b'/data/first' * 50_000
        assert server.connections == 2


def test_an_expired_session_is_renewed_once_for_all_threads():
    valid = {'A1'}
    issued = iter(['A1', 'B2', 'C3', 'D4'])

    def script(request: Request) -> Reply:
        if 'authorization' in request.headers:
            name = next(issued)
            valid.add(name)
            return Reply(200, table(), {'Set-Cookie': f'JSESSIONID={name}; Path=/'})
        name = request.headers['cookie'].partition('=')[2]
        return Reply(200, table()) if name in valid else Reply(401, b'<html>please log in</html>')

    with ScriptedServer(script) as server:
        interface = connect(server)
        interface._get_json('/data/projects')
        valid.clear()
        with ThreadPoolExecutor(8) as pool:
            assert (
                list(pool.map(lambda _: interface._get_json('/data/projects'), range(16)))
                == [[]] * 16
            )
        assert sum('authorization' in request.headers for request in server.requests) == 2


def test_a_session_that_became_a_guest_session_is_renewed():
    def script(request: Request) -> Reply:
        if 'authorization' in request.headers:
            return Reply(200, table({'ID': 'P'}), {'Set-Cookie': 'JSESSIONID=mine; Path=/'})
        if 'JSESSIONID=mine' in request.headers.get('cookie', '') and server.count('GET') != 2:
            return Reply(200, table({'ID': 'P'}))
        return Reply(200, table(), {'Set-Cookie': 'JSESSIONID=guest; Path=/'})

    with ScriptedServer(script) as server:
        interface = connect(server)
        assert [interface._get_json('/data/projects') for _ in range(3)] == [[{'ID': 'P'}]] * 3


def test_a_provider_or_a_colon_uses_the_login_service():
    def script(request: Request) -> Reply:
        if request.uri == '/data/services/auth':
            return Reply(200, b'S9', {'Set-Cookie': 'JSESSIONID=S9; Path=/'})
        return Reply(200 if 'S9' in request.headers.get('cookie', '') else 401, table())

    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, 'me', 'se:cr&et', provider='ldap')
        interface.cache.expiration = 0
        interface._get_json('/data/projects')
        interface._get_json('/data/projects')
        assert server.requests[0].uri == '/data/services/auth'
        assert server.requests[0].body == b'username=me&password=se%3Acr%26et&provider=ldap'
        assert len(server.requests) == 3
        assert not any('authorization' in request.headers for request in server.requests)


def test_a_server_without_sessions_gets_the_password_with_each_request():
    with ScriptedServer(
        lambda request: Reply(200 if 'authorization' in request.headers else 401, table())
    ) as server:
        interface = connect(server)
        with ThreadPoolExecutor(4) as pool:
            assert (
                list(pool.map(lambda _: interface._get_json('/data/projects'), range(8)))
                == [[]] * 8
            )


def test_ending_a_session_tolerates_a_closed_connection():
    with ScriptedServer(
        lambda request: with_session(Reply(200, table(), close=request.method == 'GET'))
    ) as server:
        interface = connect(server)
        interface._get_json('/data/projects')
        interface.disconnect()
        assert server.count('DELETE') == 1


def test_cookies_of_a_gateway_are_kept():
    reply = Reply(
        200, table(), {'Set-Cookie': 'AWSALB=x9; Expires=Wed, 01 Jan 2031 00:00:00 GMT; Path=/'}
    )
    with ScriptedServer(
        lambda request: reply if server.requests[1:] else with_session(Reply(200, table()))
    ) as server:
        interface = connect(server)
        for _ in range(3):
            interface._get_json('/data/projects')
        assert server.requests[2].headers['cookie'] == 'JSESSIONID=A1; AWSALB=x9'


def test_an_upload_that_is_refused_early_shows_the_reason(server, project):
    interface = pyxnat.Interface(server.url, server.user, 'wrong')
    with pytest.raises(errors.AuthenticationError):
        interface.select(f'{project._uri}/resources/R/files/f').put(b'x' * 5_000_000)


def test_many_requests_use_one_connection():
    with ScriptedServer(lambda request: with_session(Reply(200, table()))) as server:
        interface = connect(server)
        for _ in range(5):
            interface._get_json('/data/projects')
        assert server.connections == 1


def test_disconnecting_ends_the_session_once(server):
    interface = pyxnat.Interface(server.url, server.user, server.password)
    interface.select.projects().get()
    before = len(server.requests)
    interface.disconnect()
    interface.disconnect()
    assert [entry[:2] for entry in list(server.requests)[before:]] == [('DELETE', '/data/JSESSION')]


def test_a_deleted_interface_ends_its_session(server):
    interface = pyxnat.Interface(server.url, server.user, server.password)
    interface.select.projects().get()
    cookie, known = interface._transport.session.cookies()['JSESSIONID'], weakref.ref(interface)
    cache = interface.cache
    assert server.archive.sessions.caller(cookie) is not None
    del interface
    gc.collect()
    assert known() is None and server.archive.sessions.caller(cookie) is None
    assert cache.folder.name == server.user, 'the cache goes on'


def test_requests_are_counted_and_logged_without_secrets(server, caplog):
    with (
        caplog.at_level(logging.DEBUG, 'pyxnat'),
        pyxnat.Interface(server.url, server.user, server.password) as interface,
    ):
        with interface.trace() as trace:
            interface.select.projects().get()
        assert trace.requests == 1
        assert next(iter(trace)).uri == '/data/projects?format=json'
        assert '/data/projects' in str(trace)
        cookie = interface._transport.session.cookies()['JSESSIONID']
    assert '/data/projects' in caplog.text
    assert server.password not in caplog.text and cookie not in caplog.text


@pytest.mark.filterwarnings('ignore:.*not https')
def test_plain_http_is_sent_through_a_proxy(monkeypatch):
    with ScriptedServer(lambda request: with_session(Reply(200, table()))) as proxy:
        port = proxy.url.rpartition(':')[2]
        interface = pyxnat.Interface(
            'http://xnat.example.org/xnat',
            'me',
            'secret',
            proxy=f'http://us%40er:pa%3Ass@127.0.0.1:{port}',
        )
        assert interface._get_json('/data/projects') == []
        assert proxy.requests[0].uri == 'http://xnat.example.org/xnat/data/projects?format=json'
        assert proxy.requests[0].headers['host'] == 'xnat.example.org'
        assert (
            b64decode(proxy.requests[0].headers['proxy-authorization'].partition(' ')[2])
            == b'us@er:pa:ss'
        )
        assert 'pa:ss' not in repr(interface._transport) and b'pa%3Ass' not in pickle.dumps(
            interface
        )
        monkeypatch.setenv('http_proxy', proxy.url)
        pyxnat.Interface('http://other.example.org', 'me', 'secret')._get_json('/data/projects')
        assert proxy.requests[-1].uri.startswith('http://other.example.org/')
        monkeypatch.setenv('no_proxy', 'localhost,.example.org')
        with pytest.raises(errors.NetworkError):
            pyxnat.Interface(
                'http://other.example.org', 'me', 'secret', timeout=(0.5, 1), retries=0
            )._get_json('/data/projects')


def test_https_uses_a_tunnel():
    with ScriptedServer(lambda request: Reply(403, b'not for you', close=True)) as proxy:
        interface = pyxnat.Interface(
            'https://xnat.example.org', 'me', 'secret', proxy=proxy.url, retries=0
        )
        with pytest.raises(errors.NetworkError, match='403'):
            interface._get_json('/data/projects')
        assert [(request.method, request.uri) for request in proxy.requests] == [
            ('CONNECT', 'xnat.example.org:443')
        ]
        assert 'authorization' not in proxy.requests[0].headers


def test_a_uri_of_another_server_is_refused(xnat):
    with pytest.raises(errors.ProgrammingError, match='another server'):
        xnat._exec('https://elsewhere.example.org/data/projects')


@pytest.mark.parametrize('part', ['.', '..', '%2e', '.%2E', '%2E%2e'])
@pytest.mark.parametrize(
    'uri', ['/data/{}/projects', '/data/projects/{}', '/data/projects/{}?format=json', '{}']
)
def test_a_uri_with_dot_segments_is_refused(xnat, uri, part):
    with pytest.raises(errors.ProgrammingError, match='part that means|segment'):
        xnat._transport.relative(uri.format(part))


@pytest.mark.parametrize(
    'uri', ['/data/projects/...', '/data/.a/b..', '/data/%2e%2e%2e', '/data/projects?a=/../b']
)
def test_dots_within_a_segment_are_kept(xnat, uri):
    assert xnat._transport.relative(uri) == uri


@pytest.mark.parametrize('server', ['http://xnat.invalid', 'https://xnat.invalid:8443/xnat'])
@pytest.mark.parametrize('source', ['proxy=', 'variable', 'VARIABLE'])
@pytest.mark.parametrize('proxy', ['http://me:hidden@127.0.0.1:9', 'http://no-such-host.invalid'])
def test_a_proxy_that_does_not_answer_is_named_with_its_source(
    monkeypatch: pytest.MonkeyPatch, server: str, source: str, proxy: str
) -> None:
    scheme = server.partition(':')[0]
    name = f'{scheme}_proxy' if source.islower() else f'{scheme}_PROXY'.upper()
    if source != 'proxy=':
        monkeypatch.setenv(name, proxy)
    interface = pyxnat.Interface(
        server, 'u', 'p', proxy=proxy if source == 'proxy=' else None, retries=3
    )
    with pytest.raises(errors.NetworkError, match='the proxy does not answer') as caught:
        interface.select.projects().get()
    text = str(caught.value)
    where = proxy.rpartition('@')[2].rpartition('/')[2]
    assert where in text and f'from {source if source == "proxy=" else name}' in text
    assert 'hidden' not in text and 'that the server runs' not in text
