"""Tests of requests as bytes: framing, heads and random bytes.

A request that is not valid gets a refusal and the end of the connection, never a 500 and no wait.
"""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyxnat.server import Server, serve
from pyxnat.server.web.heads import HeadError, parse
from tests.conftest import DEEP
from tests.support.plain import Client

BASIC = b'Authorization: Basic ' + base64.b64encode(b'admin:secret')
HEAD = b'GET /data/projects HTTP/1.1\r\nHost: x\r\n'
PUT = b'PUT /data/projects/P/resources/R/files/f?inbody=true&overwrite=true HTTP/1.1\r\nHost: x\r\n'


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp('archive'), password='secret') as running:
        Client(running, 'admin', 'secret').ok('PUT', '/data/projects/P')
        yield running


def answer(server: Server, data: bytes, ends: bool = False) -> bytes:
    """Send bytes; return what comes until the server closes.

    Parameters
    ----------
    server : Server
        The server.
    data : bytes
        What to send.
    ends : bool
        Whether the client ends its half of the connection.
    """
    found = b''
    address = server.host, server.port
    with socket.create_connection(address, 10) as one, suppress(ConnectionError):
        one.sendall(data)
        if ends:
            one.shutdown(socket.SHUT_WR)
        while piece := one.recv(2**16):
            found += piece
    return found


def statuses(found: bytes) -> list[int]:
    """Return the statuses of responses."""
    return [int(one) for one in re.findall(rb'HTTP/1\.1 (\d{3}) ', found)]


@pytest.mark.parametrize(
    'line',
    [
        b'Content-Length: -1',
        b'Content-Length: +5',
        b'Content-Length: 1_0',
        b'Content-Length: 5, 5',
        b'Content-Length: 0x5',
        b'Content-Length: ',
        b'Content-Length: 5 5',
        b'Content-Length: \xb2',
        b'Content-Length: ' + b'9' * 30,
        b'Content-Length: 5\r\nContent-Length: 5',
        b'Content-Length: 5\r\nContent-Length: 6',
        b'Content-Length: 5\r\nTransfer-Encoding: chunked',
        b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
        b'Transfer-Encoding: chunked\r\nContent-Length: 0',
        b'Content-Length : 5',
        b'Content-Length\t: 5',
        b' Content-Length: 5',
        b'X: a\r\n b',
        b'X: a\r\n\tb',
        b'X: a\x00b',
        b'X: a\rb',
        b'X: a\nContent-Length: 5',
        b'X\x00: a',
        b'X Y: a',
        b'X',
        b': a',
        b'X: a\x7f',
        b'X\xe9: a',
        b'Host: y',
        b'Authorization: Basic eDp5\r\nAuthorization: Basic eDp6',
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(server: Server, line: bytes) -> None:
    for head in (HEAD, PUT):
        found = answer(server, head + line + b'\r\n' + BASIC + b'\r\n\r\nhello' + HEAD + b'\r\n')
        assert statuses(found) == [400], found[:300]


@pytest.mark.parametrize(
    ('line', 'status'),
    [
        (b'GET /data/projects HTTP/1.1 ', 400),
        (b'GET  /data/projects HTTP/1.1', 400),
        (b'GET /data/projects', 400),
        (b'GET /data/projects HTTP/1', 400),
        (b'GET /data/projects HTTP/1.1x', 400),
        (b'GET /data/projects HTTP/2.0', 505),
        (b'GET /data/projects http/1.1', 400),
        (b'get /data/projects HTTP/1.1', 400),
        (b'GET data/projects HTTP/1.1', 400),
        (b'GET http://x/data/projects HTTP/1.1', 400),
        (b'GET /data/\x00 HTTP/1.1', 400),
        (b'GET /data/a\tb HTTP/1.1', 400),
        (b'GET /data#x HTTP/1.1', 400),
        (b'CONNECT x:80 HTTP/1.1', 405),
        (b'G\xe9T / HTTP/1.1', 400),
        (b'', 400),
        (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc', 400),
        (b'SSH-2.0-x', 400),
    ],
)
def test_request_lines(server: Server, line: bytes, status: int) -> None:
    found = answer(server, line + b'\r\nHost: x\r\n\r\n')
    assert statuses(found) == [status], found


@pytest.mark.parametrize(
    'body',
    [
        b'-5\r\nhello\r\n0\r\n\r\n',
        b'+5\r\nhello\r\n0\r\n\r\n',
        b'5_0\r\nhello\r\n0\r\n\r\n',
        b'0x5\r\nhello\r\n0\r\n\r\n',
        b' 5\r\nhello\r\n0\r\n\r\n',
        b'\r\nhello\r\n0\r\n\r\n',
        b'5\nhello\r\n0\r\n\r\n',
        b'5\r\nhello0\r\n\r\n',
        b'5\r\nhelloXX0\r\n\r\n',
        b'5;a\x00b\r\nhello\r\n0\r\n\r\n',
        b'g\r\nhello\r\n0\r\n\r\n',
        b'ffffffffffffffffff\r\nhello\r\n0\r\n\r\n',
        b'5;' + b'x' * 2000,
        b'5;' + b'x' * 10**6,
        (b'1;' + b'x' * 900 + b'\r\nh\r\n') * 100,
        b'5\r\nhello\r\n0\r\nX y\r\n\r\n',
        b'5\r\nhello\r\n0\r\n' + b'X: y\r\n' * 10_000,
        b'5\r\nhello\r\n0\r\n' + b'X' * 10**6,
    ],
)
def test_chunks_that_are_malformed_are_refused(server: Server, body: bytes) -> None:
    head = PUT.replace(b'?inbody', b'?extract=true&inbody') + BASIC
    head += b'\r\nTransfer-Encoding: chunked\r\nContent-Type: application/zip\r\n\r\n'
    found = answer(server, head + body)
    assert statuses(found) == [400] and b'Connection: close' in found
    assert list((server.archive.folder / 'staging').iterdir()) == []


def test_chunks_with_extensions_and_trailers_are_read(server: Server) -> None:
    head = PUT + BASIC + b'\r\nTransfer-Encoding: Chunked\r\nContent-Type: application/zip\r\n\r\n'
    body = b'5;a="b"\r\nhello\r\n00A\r\n, and more\r\n0;x\r\nDigest: y\r\n\r\n'
    found = answer(server, head + body + HEAD + BASIC + b'\r\nConnection: close\r\n\r\n')
    assert statuses(found) == [200, 200]
    stored = Client(server, 'admin', 'secret').get('/data/projects/P/resources/R/files/f')
    assert stored.body == b'hello, and more'


def test_headers_with_underscores_are_not_those_with_hyphens(server: Server) -> None:
    found = answer(server, PUT + BASIC + b'\r\nContent_Length: 5\r\nConnection: close\r\n\r\nhello')
    assert statuses(found) == [400], 'there is no body'
    head = parse(b'GET / HTTP/1.1\r\nX-A: 1\r\nX_A: 2\r\nx-a: 3\r\nCookie: a\r\nCookie: b\r\n\r\n')
    assert head.headers == {b'X-A': b'1, 3', b'Cookie': b'a; b'}


def test_large_heads_are_refused_at_once(server: Server) -> None:
    for size, status in ((8000, 401), (8300, 414), (10**6, 414)):
        line = b'GET /data/projects?x=' + b'y' * size
        assert statuses(answer(server, line + b' HTTP/1.1\r\nConnection: close\r\n\r\n'))[0] in (
            status,
            400,
        )
        if status == 414:
            assert statuses(answer(server, line)) == [414], 'before it ends'
    for size, status in ((60_000, 401), (66_000, 431), (10**6, 431)):
        head = HEAD + b'Connection: close\r\nX: ' + b'y' * size
        assert statuses(answer(server, head + b'\r\n\r\n')) == [status]
        if status == 431:
            assert statuses(answer(server, head)) == [431]
    assert statuses(answer(server, HEAD + b'X: y\r\n' * 20_000)) == [431]


def forms() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield a name, a media type and a body."""
    part = b'--b\r\n%s\r\n\r\nvalue\r\n--b--\r\n'
    kind = b'multipart/form-data; boundary=b'
    for name, line in {
        'no name': b'Content-Disposition: form-data',
        'file without a name': b'Content-Disposition: form-data; filename="x"',
        'no disposition': b'X: y',
        'empty name': b'Content-Disposition: form-data; name=""',
        'not a form': b'Content-Disposition: attachment',
        'odd charset': b'Content-Disposition: form-data; name="a"\r\nContent-Type: x/x; charset=no',
        'surrogates': b'Content-Disposition: form-data; name="\xed\xa0\x80"',
        'NUL': b'Content-Disposition: form-data; name="a\x00"; filename="b\x00"',
        'long line': b'Content-Disposition: form-data; name="' + b'x' * 10**5 + b'"',
    }.items():
        yield name, kind, part % line
    yield 'no boundary', b'multipart/form-data', part % b'X: y'
    yield 'no parts', kind, b''
    yield 'cut', kind, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nval'
    yield 'many parts', kind, (part[:-4] % b'Content-Disposition: form-data; name="a"') * 3000
    yield 'bytes', b'application/x-www-form-urlencoded', bytes(range(256))
    yield (
        'surrogates in a form',
        b'application/x-www-form-urlencoded',
        b'username=%ED%A0%80&password=%00',
    )
    yield 'many fields', b'application/x-www-form-urlencoded', b'a&' * 11_000


FORMS = list(forms())


@pytest.mark.parametrize(
    ('kind', 'body'), [one[1:] for one in FORMS], ids=[one[0] for one in FORMS]
)
@pytest.mark.parametrize(
    'path',
    [
        b'/data/services/auth',
        b'/data/projects/P/resources/R/files/x?overwrite=true',
        b'/data/projects/P/subjects/S?req_format=form',
        b'/data/search',
        b'/data/services/import',
        b'/data/projects/P/config/t/f',
        b'/data/prearchive',
        b'/xapi/siteConfig',
        b'/data/user/cache/resources/c/files/f',
        b'/data/services/mail/send',
        b'/data/workflows',
    ],
)
def test_malformed_forms_are_no_failure(
    server: Server, path: bytes, kind: bytes, body: bytes
) -> None:
    for method in (b'POST', b'PUT'):
        head = method + b' ' + path + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' + BASIC
        head += b'\r\nContent-Type: ' + kind + b'\r\nContent-Length: %d\r\n\r\n' % len(body)
        (status,) = statuses(answer(server, head + body))
        assert status != 500, (status, path, kind)


JSON = {
    'deep list': b'[' * 100_000,
    'deep whole list': b'[' * 900 + b']' * 900,
    'deep object': b'{"a":' * 5_000,
    'deep whole object': b'{"username":' + b'{"a":' * 300 + b'1' + b'}' * 301,
    'NaN': b'{"a": NaN}',
    'Infinity': b'{"a": -Infinity}',
    'too large': b'{"a": 1e999}',
    'long number': b'{"a": ' + b'9' * 10_000 + b'}',
    'surrogate': b'{"username": "\\ud800", "a": "\\udc00"}',
    'surrogate as a name': b'{"\\ud800": 1}',
    'raw surrogate': b'{"a": "\xed\xa0\x80"}',
    'not UTF-8': b'{"a": "\xff"}',
    'UTF-16': '{"a": 1}'.encode('utf-16'),
    'empty': b'',
    'nothing': b'null',
    'text': b'"x"',
    'list': b'[{"a": 1}, null, [[]]]',
}
PAIR = b'{"a": "\\ud83d\\ude00"}'


@pytest.mark.parametrize('body', JSON.values(), ids=list(JSON))
@pytest.mark.parametrize(
    ('method', 'path'),
    [
        ('POST', '/xapi/users'),
        ('PUT', '/xapi/users/admin'),
        ('POST', '/xapi/siteConfig'),
        ('PUT', '/data/projects/P/config/t/f'),
        ('PUT', '/data/services/features'),
        ('PUT', '/xapi/custom-fields/projects/P/fields'),
        ('PUT', '/xapi/customforms'),
        ('PUT', '/xapi/users/admin/roles'),
        ('POST', '/xapi/archive/downloadwithsize'),
    ],
)
def test_odd_json_is_no_failure(server: Server, method: str, path: str, body: bytes) -> None:
    client = Client(server, 'admin', 'secret', {'Content-Type': 'application/json'})
    got = client(method, path, body)
    assert got.status < 500, got.body
    client.close()


def test_deep_json_and_numbers_without_a_value_are_refused(server: Server) -> None:
    client = Client(server, 'admin', 'secret', {'Content-Type': 'application/json'})
    path = '/xapi/custom-fields/projects/P/fields'
    for name, body in JSON.items():
        if name not in ('nothing', 'text', 'list'):
            assert client('PUT', path, body).status == 400, name
    assert client('PUT', path, PAIR).status == 200
    assert client.get(path).json == {'a': '😀'}
    assert client('PUT', path, b'[' * 5 * 2**20).status == 413
    client.close()


@pytest.mark.parametrize(
    'code', ['%ED%A0%80', '%FF', '%C3', '%00', '%01', '%7F', '%EF%BF%BF', '%0A']
)
def test_odd_characters_in_paths_and_queries_are_no_failure(server: Server, code: str) -> None:
    client = Client(server, 'admin', 'secret')
    for path in (
        f'/data/projects/{code}',
        f'/data/projects/P/subjects/{code}',
        f'/data/projects/P/subjects/S?note={code}',
        f'/data/projects/P/subjects/S?xnat:subjectData/fields/field%5Bname%3Dx%5D/field={code}',
        f'/data/projects/P/resources/R/files/{code}?inbody=true&overwrite=true',
        f'/data/projects/P/resources/R/files/{code}x?inbody=true&overwrite=true&description={code}',
        f'/data/projects?ID={code}&columns={code}',
        f'/data/{code}',
        f'/data/projects/P/subjects/S?format={code}',
        f'/data/config/{code}/{code}',
        f'/data/projects/P/pars/{code}',
        f'/xapi/users/{code}',
        f'/data/prearchive/projects/{code}/{code}/{code}',
    ):
        for method in ('GET', 'PUT', 'POST', 'DELETE'):
            got = client(method, path, b'x')
            assert got.status != 500 or method == 'GET' or b'server failed' not in got.body, path
            assert b'see its log' not in got.body, (method, path)
    client.ok('PUT', '/data/projects/P/subjects/S?gender=male')
    for shape in ('xml', 'json', 'html', 'csv'):
        got = client.get(f'/data/projects/P/subjects/S?format={shape}')
        assert b'see its log' not in got.body
        assert b'see its log' not in client.get(f'/data/projects/P/subjects?format={shape}').body
    client.close()


VALID = [
    HEAD + b'Connection: close\r\n\r\n',
    HEAD + BASIC + b'\r\nConnection: close\r\n\r\n',
    PUT + BASIC + b'\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
    PUT
    + BASIC
    + b'\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    b'POST /data/services/auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: '
    b'application/x-www-form-urlencoded\r\nContent-Length: 30\r\n\r\n'
    b'username=admin&password=secret',
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid request with some bytes removed, replaced or inserted."""
    data = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        width = draw(st.integers(0, 3))
        data[at : at + width] = draw(
            st.sampled_from([b'', b'\r\n', b'\n', b'\x00', b'-1', b': ', b' ', b'%', b'\xff', b';'])
            | st.binary(max_size=4)
        )
    return bytes(data)


@settings(
    max_examples=2000 if DEEP else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.binary(max_size=300) | mutated())
def test_any_bytes_get_a_refusal_or_an_answer(server: Server, data: bytes) -> None:
    found = answer(server, data, ends=True)
    assert b'see its log' not in found and not {502, 503} & {*statuses(found)}, found
    assert statuses(answer(server, VALID[0])) == [401]


@settings(max_examples=2000 if DEEP else 150, deadline=None)
@given(data=st.binary(max_size=200) | mutated())
def test_a_head_is_parsed_or_refused(data: bytes) -> None:
    head, end, _ = data.partition(b'\r\n\r\n')
    try:
        found = parse(head + (end or b'\r\n\r\n'))
    except HeadError as error:
        assert 400 <= error.status <= 505
    else:
        assert found.target.isascii() or found.target
        assert not (found.length and found.is_chunked)
        for name, value in found.headers.items():
            assert not re.search(rb'[\x00\r\n]', name + value) and b'_' not in name
