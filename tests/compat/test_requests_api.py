"""Tests of the plain requests: ``interface.get/put/post/delete/head`` with the arguments of
requests."""

from __future__ import annotations

import io
import pickle
import shutil
import socket
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.compat import requests_errors
from pyxnat.compat.multipart import Multipart, Part
from tests.support.handled import serve_handler


class _Echo(BaseHTTPRequestHandler):
    """Handler that returns its request, or the response that the path names."""

    protocol_version = 'HTTP/1.1'
    seen: list[dict[str, Any]] = []

    def _answer(self) -> None:
        body = self._body()
        kept = body if len(body) < 100_000 else body[:20] + body[-20:]
        self.seen.append(
            {
                'method': self.command,
                'path': self.path,
                'headers': dict(self.headers),
                'body': kept,
                'length': len(body),
            }
        )
        status, _, rest = self.path.lstrip('/').partition('/')
        code = int(status) if status.isdigit() else 200
        big = b'z' * 40_000_000 if rest == 'big' else b''
        self.send_response(code, 'Because' if code >= 400 else None)
        if 300 <= code < 400:
            self.send_header(
                'Location', '/200/there' if rest != 'away' else 'http://other.invalid/'
            )
        text = (
            big
            or ('ä {"a": [1]}\nline2\r\nline3' if rest == 'text' else '{"a": [1, "ü"]}').encode()
        )
        self.send_header('Content-Type', 'application/json;charset=UTF-8')
        self.send_header('X-Mixed-Case', 'Yes')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer

    def _body(self) -> bytes:
        if self.headers.get('Transfer-Encoding') == 'chunked':
            body = b''
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get('Content-Length') or 0))

    def log_message(self, *_: Any) -> None:
        """Discard log messages."""


@pytest.fixture
def echo() -> Iterator[tuple[pyxnat.Interface, list[dict[str, Any]]]]:
    """Return a guest's connection to a server that echoes requests, and the received requests."""
    _Echo.seen = []
    with serve_handler(_Echo) as url:
        yield pyxnat.Interface(url, anonymous=True, retries=0), _Echo.seen


Echoed = tuple[pyxnat.Interface, list[dict[str, Any]]]


# -- responses -------------------------------------------------------------------------------------


def test_a_response_has_the_attributes_of_one_of_requests(echo: Echoed) -> None:
    interface, _ = echo
    answer = interface.get('/200/x')
    assert answer.ok and bool(answer) and answer.status_code == 200 and answer.reason == 'OK'
    assert (
        answer.json() == {'a': [1, 'ü']}
        and answer.text == '{"a": [1, "ü"]}'
        and answer.content == answer.text.encode()
    )
    assert (
        answer.headers['content-TYPE']
        == answer.headers['Content-Type']
        == 'application/json;charset=UTF-8'
    )
    assert 'x-mixed-case' in answer.headers and answer.headers.get('nope') is None
    assert answer.url == f'{interface._server}/200/x' and answer.encoding == 'UTF-8'
    assert repr(answer) == '<Response [200]>'
    answer.raise_for_status()
    answer.close()
    assert answer.content


@pytest.mark.parametrize('status', [400, 401, 403, 404, 409, 500])
def test_no_status_is_an_error_before_raise_for_status(echo: Echoed, status: int) -> None:
    answer = echo[0].get(f'/{status}/x')
    assert (answer.ok, answer.status_code, answer.reason) == (False, status, 'Because')
    with pytest.raises(errors.DatabaseError, match=str(status)) as raised:
        answer.raise_for_status()
    assert isinstance(raised.value, requests.HTTPError) and raised.value.status == status


@pytest.mark.parametrize('method', ['get', 'put', 'post', 'delete', 'head'])
def test_each_method_is_sent(echo: Echoed, method: str) -> None:
    answer = getattr(echo[0], method)('/200/x')
    assert (answer.status_code, echo[1][0]['method'], echo[1][0]['path']) == (
        200,
        method.upper(),
        '/200/x',
    )
    assert bool(answer.content) == (method != 'head')


def test_chunks_have_the_requested_size(echo: Echoed) -> None:
    with echo[0].get('/200/text', stream=True) as answer:
        pieces = list(answer.iter_content(5))
    assert {len(piece) for piece in pieces[:-1]} == {5} and b''.join(
        pieces
    ) == 'ä {"a": [1]}\nline2\r\nline3'.encode()
    assert list(echo[0].get('/200/text').iter_lines(decode_unicode=True)) == [
        'ä {"a": [1]}',
        'line2',
        'line3',
    ]


def test_a_streamed_response_is_never_whole_in_memory(echo: Echoed) -> None:
    with echo[0].get('/200/big', stream=True) as answer:
        tracemalloc.start()
        received = sum(len(piece) for piece in answer.iter_content(64 * 1024))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (
        received == 40_000_000 and peak < 50_000_000
    )  # the server in this process holds 40 MB of it


def test_other_requests_work_while_a_response_is_read(echo: Echoed) -> None:
    with echo[0].get('/200/big', stream=True) as answer:
        pieces = answer.iter_content(1000)
        next(pieces)
        assert echo[0].get('/200/x').ok and echo[0].get('/200/y', stream=True).json() == {
            'a': [1, 'ü']
        }
        assert 1000 + sum(map(len, pieces)) == 40_000_000


def test_a_streamed_body_can_be_read_only_once(echo: Echoed) -> None:
    answer = echo[0].get('/200/x', stream=True)
    list(answer.iter_content(10))
    with pytest.raises(RuntimeError, match='read in pieces'):
        _ = answer.content
    closed = echo[0].get('/200/x', stream=True)
    closed.close()
    with pytest.raises(RuntimeError, match='closed'):
        _ = closed.content


# -- requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('uri', 'params', 'path'),
    [
        ('/200/a b', None, '/200/a%20b'),
        ('/200/a%20b', None, '/200/a%20b'),
        ('/200/100%', None, '/200/100%25'),
        ('200/x', {'a': 'b&c=d'}, '/200/x?a=b%26c%3Dd'),
        ('/200/x?q=1', {'a': [1, 2], 'none': None}, '/200/x?q=1&a=1&a=2'),
        ('/200/x', 'raw=1&b', '/200/x?raw=1&b'),
        ('/200/x', [('a', 'ü'), ('b', True)], '/200/x?a=%C3%BC&b=true'),
        ('/200/x', {}, '/200/x'),
    ],
)
def test_uris_and_parameters_are_encoded(echo: Echoed, uri: str, params: Any, path: str) -> None:
    assert echo[0].get(uri, params=params).ok
    assert echo[1][0]['path'] == path


def test_a_full_url_of_the_server_is_accepted_and_one_of_another_is_refused(echo: Echoed) -> None:
    assert echo[0].get(f'{echo[0]._server}/200/x').ok
    with pytest.raises(errors.ProgrammingError, match='another server'):
        echo[0].get('http://example.org/data')


@pytest.mark.parametrize(
    ('options', 'body', 'content_type'),
    [
        ({'data': 'täxt'}, 'täxt'.encode(), None),
        ({'data': b'bytes'}, b'bytes', None),
        (
            {'data': {'a': 'x y', 'b': ['1', '2'], 'c': None}},
            b'a=x+y&b=1&b=2',
            'application/x-www-form-urlencoded',
        ),
        ({'data': [('a', '1'), ('a', '2')]}, b'a=1&a=2', 'application/x-www-form-urlencoded'),
        ({'json': {'a': 'ü'}}, b'{"a": "\\u00fc"}', 'application/json'),
        ({'json': []}, b'[]', 'application/json'),
        ({'data': io.BytesIO(b'open file')}, b'open file', None),
        ({'data': iter([b'pie', b'ces'])}, b'pieces', None),
        ({'data': b'<a/>', 'headers': {'Content-Type': 'text/xml'}}, b'<a/>', 'text/xml'),
        ({}, b'', None),
    ],
)
def test_bodies_are_sent(
    echo: Echoed, options: dict[str, Any], body: bytes, content_type: str | None
) -> None:
    assert echo[0].post('/200/x', **options).ok
    seen = echo[1][0]
    assert (
        seen['body'],
        {name.lower(): value for name, value in seen['headers'].items()}.get('content-type'),
    ) == (body, content_type)


def test_files_are_sent_as_a_form(echo: Echoed, tmp_path: Path) -> None:
    path = tmp_path / 'ä.txt'
    path.write_bytes(b'from disk')
    with path.open('rb') as file:
        files = {
            'one': file,
            'two': ('b.bin', b'bytes', 'application/x'),
            'three': ('c"\n.txt', 'text', None, {'X-A': 'b'}),
        }
        assert echo[0].post('/200/x', data={'field': 'value'}, files=files).ok
    seen = echo[1][0]
    boundary = seen['headers']['content-type'].partition('boundary=')[2].encode()
    parts = seen['body'].split(b'--' + boundary)
    assert parts[1] == b'\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    head = '\r\nContent-Disposition: form-data; name="one"; filename="ä.txt"\r\n\r\n'
    assert parts[2] == f'{head}from disk\r\n'.encode()
    assert parts[3].endswith(b'filename="b.bin"\r\nContent-Type: application/x\r\n\r\nbytes\r\n')
    assert b'filename="c%22%0A.txt"\r\nX-A: b\r\n\r\ntext' in parts[4]
    assert parts[5] == b'--\r\n' and 'content-length' in {name.lower() for name in seen['headers']}


def test_files_are_streamed(echo: Echoed, tmp_path: Path) -> None:
    path = tmp_path / 'big'
    with path.open('wb') as file:
        file.truncate(30_000_000)
    with path.open('rb') as file:
        multipart = Multipart([Part('f', 'big', file)])
        body: Any = multipart.body()
        tracemalloc.start()
        sizes = [len(piece) for piece in iter(lambda: body.read(256 * 1024), b'')]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(sizes) > 30_000_000 and peak < 2_000_000
        file.seek(0)
        assert echo[0].put('/200/x', files={'f': file}).ok
    assert echo[1][0]['length'] == sum(sizes) - len('big') + len('big')


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 5), st.booleans()), max_size=6),
    st.integers(1, 70),
)
def test_a_form_can_be_read_twice_and_has_the_announced_length(
    files: list[tuple[bytes, int, bool]], size: int
) -> None:
    def opened(content: bytes, skip: int, as_file: bool) -> Any:
        if not as_file:
            return content
        file = io.BytesIO(content)
        file.seek(min(skip, len(content)))
        return file

    multipart = Multipart([Part('f', 'name', opened(*one)) for one in files])
    body: Any = multipart.body()
    first = b''.join(iter(lambda: body.read(size), b''))
    assert body.seek(0, io.SEEK_END) == len(first)
    body.seek(0)
    assert b''.join(iter(lambda: body.read(size + 1), b'')) == first
    for content, skip, as_file in files:
        assert (content[min(skip, len(content)) :] if as_file else content) in first


def test_a_pipe_can_be_a_file_of_a_form(echo: Echoed) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.left = [b'one', b'two']

        def read(self, size: int = -1) -> bytes:
            return self.left.pop(0) if self.left else b''

    assert echo[0].post('/200/x', files={'f': ('p', Pipe())}).ok
    assert b'onetwo' in echo[1][0]['body']


@pytest.mark.parametrize('end', ['\r\n', '\n', '\r'])
def test_a_line_break_in_a_header_of_a_part_is_refused(end: str) -> None:
    for part in (
        Part('f', 'n', b'', f'text/plain{end}X: y'),
        Part('f', 'n', b'', headers={'X': f'1{end}Y: 2'}),
    ):
        with pytest.raises(errors.InvalidArgument, match='line break') as refused:
            Multipart([part])
        assert refused.value.remedy


def test_an_unknown_option_is_an_error(echo: Echoed) -> None:
    with pytest.raises(TypeError, match='nonsense'):
        echo[0].get('/200/x', nonsense=True)


# -- redirects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('method', 'status', 'then'),
    [
        ('GET', 301, 'GET'),
        ('GET', 307, 'GET'),
        ('POST', 302, 'GET'),
        ('PUT', 303, 'GET'),
        ('PUT', 307, 'PUT'),
        ('POST', 308, 'POST'),
    ],
)
def test_redirects_are_followed_as_in_requests(
    echo: Echoed, method: str, status: int, then: str
) -> None:
    answer = getattr(echo[0], method.lower())(
        f'/{status}/x', **({} if method == 'GET' else {'data': b'body'})
    )
    assert answer.status_code == 200 and answer.url.endswith('/200/there')
    assert [one.status_code for one in answer.history] == [status]
    assert (echo[1][1]['method'], echo[1][1]['body']) == (then, b'' if then == 'GET' else b'body')


def test_redirects_can_be_switched_off_and_are_off_for_head(echo: Echoed) -> None:
    assert echo[0].get('/302/x', allow_redirects=False).status_code == 302
    assert echo[0].head('/302/x').status_code == 302
    assert echo[0].head('/302/x', allow_redirects=True).status_code == 200


def test_a_redirect_to_another_server_is_not_followed(echo: Echoed) -> None:
    answer = echo[0].get('/302/away')
    assert (
        answer.status_code == 302
        and answer.is_redirect
        and answer.headers['location'] == 'http://other.invalid/'
    )
    assert len(echo[1]) == 1


# -- errors of the network -------------------------------------------------------------------------


@pytest.fixture
def silent() -> Iterator[str]:
    """Start a server that accepts connections and never answers."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        yield f'http://127.0.0.1:{listening.getsockname()[1]}'


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return an address in use, where nothing listens."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        yield f'http://127.0.0.1:{taken.getsockname()[1]}'


def test_a_timeout_is_the_timeout_error_of_both_libraries(silent: str) -> None:
    interface = pyxnat.Interface(silent, anonymous=True, retries=0)
    for ask in (
        lambda: interface.get('/data', timeout=0.2),
        lambda: interface._exec('/data', timeout=0.2),
    ):
        with pytest.raises(requests.Timeout) as raised:
            ask()
        assert isinstance(
            raised.value, (errors.NetworkTimeout, TimeoutError)
        ) and 'timeout=' in str(raised.value)
        assert not isinstance(raised.value, requests.ConnectionError)


def test_an_unreachable_server_is_the_connection_error_of_both_libraries(nobody: str) -> None:
    interface = pyxnat.Interface(nobody, anonymous=True, retries=0)
    for ask in (
        lambda: interface.get('/data'),
        lambda: interface._exec('/data'),
        lambda: interface._get_json('/data/projects'),
    ):
        with pytest.raises(requests.ConnectionError) as raised:
            ask()
        assert (
            isinstance(raised.value, errors.NetworkError)
            and raised.value.uri
            and raised.value.remedy
        )


def test_errors_are_plain_if_requests_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    error = errors.NetworkTimeout('late', uri='u')
    assert isinstance(requests_errors.also_of_requests(error), requests.Timeout)
    monkeypatch.delitem(__import__('sys').modules, 'requests.exceptions')
    assert requests_errors.also_of_requests(error) is error


def test_an_error_of_both_libraries_is_pickled_as_a_plain_error() -> None:
    error = requests_errors.also_of_requests(
        errors.NetworkTimeout('late', uri='u', method='GET', remedy='wait')
    )
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is errors.NetworkTimeout and str(back) == str(error) and back.uri == 'u'


# -- the replacement of requests.Session -----------------------------------------------------------


def test_headers_and_cookies_are_sent_with_every_request(echo: Echoed) -> None:
    interface, seen = echo
    interface._http.headers.update({'X-Me': 'you'})
    interface._http.cookies.update({'JSESSIONID': 'abc', 'other': '1'})
    assert interface.get('/200/x').ok and interface._exec('/200/y')
    assert [one['headers']['x-me'] for one in seen] == ['you', 'you']
    assert seen[0]['headers']['cookie'] == 'JSESSIONID=abc; other=1'
    assert interface._http.cookies.get('JSESSIONID') == interface._jsession == 'abc'
    assert interface._http.cookies.get('nope') is None and interface._http.cookies.get_dict() == {
        'JSESSIONID': 'abc',
        'other': '1',
    }
    del interface._http.cookies['JSESSIONID']
    assert list(interface._http.cookies) == ['other'] and interface._jsession == ''
    with pytest.raises(KeyError):
        del interface._http.cookies['nope']


def test_it_has_the_methods_with_full_urls(echo: Echoed) -> None:
    http = echo[0]._http
    assert (
        http.get(f'{echo[0]._server}/200/x').ok
        and http.post('/200/x', json={}).ok
        and http.put('/200/x', b'').ok
    )
    assert http.delete('/200/x').ok and http.head('/302/x').status_code == 302
    http.close()
    assert http.get('/200/x').ok


def test_secrets_are_not_shown(server: Any) -> None:
    interface = pyxnat.Interface(server.url, server.user, server.password)
    answer = interface.get('/data/projects')
    secrets = [server.password, interface._jsession]
    things = (
        interface,
        answer,
        answer.headers,
        interface._http,
        interface._http.cookies,
        interface._transport,
        vars(interface),
    )
    shown = [repr(one) for one in things]
    assert interface._jsession and not [
        text for text in shown for secret in secrets if secret in text
    ]
    assert not hasattr(interface, '_pwd')
    interface.disconnect()


# -- settings, and the rest of a response ----------------------------------------------------------


@pytest.mark.parametrize(
    'options',
    [
        {'verify': True},
        {'verify': None},
        {'auth': None},
        {'cookies': {}},
        {'proxies': {}},
        {'proxies': {'ftp': 'http://p:1'}},
        {'cert': None, 'hooks': None},
        {'hooks': {'response': []}},
    ],
    ids=str,
)
def test_settings_of_the_interface_can_be_given_again(
    echo: Echoed, options: dict[str, Any]
) -> None:
    interface, _ = echo
    for send in (interface.get, interface.put, interface._http.get, interface._http.delete):
        assert send('/200/x', **options).ok
    assert b'"a"' in interface._exec('/200/x', 'GET', **options)


@pytest.mark.parametrize(
    ('options', 'argument'),
    [
        ({'verify': '/no/bundle.pem'}, 'verify='),
        ({'auth': ('ann', 'secret')}, 'user='),
        ({'auth': requests.auth.HTTPBasicAuth('ann', 'secret')}, 'user='),
        ({'cert': ('a.pem', 'a.key')}, 'cert='),
        ({'proxies': {'http': 'http://proxy.invalid:1'}}, 'proxy='),
        ({'cookies': {'JSESSIONID': 'X'}}, 'cookies.update'),
    ],
    ids=['verify', 'auth', 'auth object', 'cert', 'proxies', 'cookies'],
)
def test_other_settings_name_the_argument_that_has_them(
    echo: Echoed, options: dict[str, Any], argument: str
) -> None:
    interface, seen = echo
    for send in (interface.get, interface.post, interface._http.get, interface._exec):
        with pytest.raises(errors.ProgrammingError) as caught:
            send('/200/x', **options)
        assert argument in str(caught.value) and 'secret' not in str(caught.value)
    assert seen == []


def test_an_unverified_request_is_a_warning(echo: Echoed) -> None:
    interface, _ = echo
    for send in (interface.get, interface._exec):
        with pytest.warns(UserWarning, match='give it to the Interface'):
            send('/200/x', verify=False)
    with pytest.warns(UserWarning, match='give it to the Interface'):
        interface._verify = False
    with pytest.warns(UserWarning, match='retries='):
        interface._http.mount('https://', requests.adapters.HTTPAdapter(max_retries=3))
    interface._http.verify = True
    assert interface._http.proxies == {}


def test_a_hook_sees_and_replaces_the_response(echo: Echoed) -> None:
    interface, _ = echo
    seen: list[int] = []
    interface.get('/404/x', hooks={'response': lambda one: seen.append(one.status_code)})
    assert interface.get('/200/x', hooks={'response': [lambda one: one.text]}) == '{"a": [1, "ü"]}'
    assert seen == [404]


@pytest.mark.parametrize('stream', [False, True])
@pytest.mark.parametrize('size', [1, 7, 100_000])
def test_a_response_is_read_as_a_file(echo: Echoed, stream: bool, size: int) -> None:
    interface, _ = echo
    copied = io.BytesIO()
    with interface.get('/200/big', stream=stream) as response:
        if size < 10:
            copied.write(response.raw.read(size))
        shutil.copyfileobj(response.raw, copied, max(size, 1000))
    assert copied.getvalue() == b'z' * 40_000_000


def test_the_rest_of_a_response(echo: Echoed) -> None:
    interface, _ = echo
    response = interface.put('/200/x', data=b'sent', headers={'X-A': 'b'})
    assert 0 < response.elapsed.total_seconds() < 60 and response.next is None
    assert response.request.method == 'PUT' and response.request.url == response.url
    assert response.request.headers['x-a'] == 'b' and response.request.body == b'sent'
    assert response.links == {} and response.apparent_encoding == 'utf-8'
    assert b''.join(response) == response.content and response.cookies.get_dict() == {}
    response.encoding = 'latin-1'
    assert response.text == response.content.decode('latin-1')
    response.headers['link'] = '<http://a/2>; rel="next", <http://a/9>; rel=last'
    assert {name: link['url'] for name, link in response.links.items()} == {
        'next': 'http://a/2',
        'last': 'http://a/9',
    }


@pytest.mark.parametrize('status', [400, 401, 404, 500])
def test_an_error_of_a_status_has_its_response(echo: Echoed, status: int) -> None:
    interface, _ = echo
    response = interface.get(f'/{status}/x')
    with pytest.raises(requests.HTTPError) as caught:
        response.raise_for_status()
    assert caught.value.response is response and caught.value.request is response.request
    assert caught.value.response.status_code == status
    assert type(pickle.loads(pickle.dumps(caught.value))) in type(caught.value).__mro__
    with pytest.raises(requests.HTTPError) as caught:
        interface._exec(f'/{status}/x', 'GET', allow_redirects=True)
    assert caught.value.response.status_code == status


def test_an_error_of_the_network_has_its_request() -> None:
    interface = pyxnat.Interface('http://127.0.0.1:9', anonymous=True, retries=0)
    with pytest.raises(requests.ConnectionError) as caught:
        interface.get('/data/projects')
    assert caught.value.response is None
    assert caught.value.request.url == 'http://127.0.0.1:9/data/projects'
    with pytest.raises(requests.ConnectionError) as caught:
        interface._exec('/data/projects')
    assert caught.value.response is None


def test_exec_takes_the_options_of_requests(echo: Echoed) -> None:
    interface, seen = echo
    interface._exec('/200/x', 'PUT', files={'file': ('a.txt', io.BytesIO(b'content'))})
    assert b'content' in seen[-1]['body'] and b'a.txt' in seen[-1]['body']
    assert interface._exec('/200/x', 'GET', {'a': 'b'}, stream=True, expiration=0)
    assert seen[-1]['path'] == '/200/x?a=b'
    assert interface._exec('/302/x', 'GET', allow_redirects=True)
    with pytest.raises(TypeError):
        interface._exec('/200/x', 'GET', nonsense=True)
