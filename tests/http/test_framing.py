"""Responses whose head or body does not end where it says: an error, in time, and never a part of
one response or the response to another request."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.http import framing, transport
from tests.support.scripted import Listening, read_request, table
from tests.support.waiting import GENEROUS_S

BODY = table({'ID': 'RIGHT'})
OTHER = table({'ID': 'WRONG'})
OK = b'HTTP/1.1 200 OK\r\nSet-Cookie: JSESSIONID=A1\r\n'


def with_length(body: bytes = BODY) -> bytes:
    return OK + b'Content-Length: %d\r\n\r\n' % len(body) + body


def chunked(*lines: bytes) -> bytes:
    return OK + b'Transfer-Encoding: chunked\r\n\r\n' + b''.join(lines)


class RawServer(Listening):
    """Sends the same bytes to each request; `send` may do it slowly."""

    def __init__(self, send: Callable[[socket.socket, str], None]) -> None:
        super().__init__()
        self.send = send
        self.url = f'http://{self.address}'
        self.count = 0

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile('rb') as file:
            while (found := read_request(file)) is not None:
                self.count += 1
                self.send(connection, found[1])


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.001)


def connect(server: RawServer, folder: Path) -> pyxnat.Interface:
    interface = pyxnat.Interface(
        server.url, 'me', 'secret', folder, timeout=(GENEROUS_S, 0.5), retries=1
    )
    interface.cache.expiration = 0
    return interface


def answers(raw: bytes) -> Callable[[socket.socket, str], None]:
    return lambda connection, uri: connection.sendall(raw)


ZEROS = b'0' * 5000
HEADS = {
    'length twice': b'Content-Length: 5\r\nContent-Length: 5\r\n',
    'length twice, other': b'Content-Length: 5\r\nContent-Length: 6\r\n',
    'length in a list': b'Content-Length: 5, 5\r\n',
    'length with a plus': b'Content-Length: +5\r\n',
    'length with a minus': b'Content-Length: -5\r\n',
    'length with an underscore': b'Content-Length: 1_0\r\n',
    'length in base 16': b'Content-Length: 0x5\r\n',
    'length with superscript digits': b'Content-Length: \xb2\r\n',
    'length in Arabic digits': 'Content-Length: ٥\r\n'.encode(),
    'length of 5000 digits': b'Content-Length: ' + ZEROS + b'5\r\n',
    'length of many digits': b'Content-Length: ' + b'9' * 30 + b'\r\n',
    'no length in it': b'Content-Length:\r\n',
    'length with a fraction': b'Content-Length: 5.0\r\n',
    'length and chunks': b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
    'chunks twice': b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n',
    'compressed chunks': b'Transfer-Encoding: gzip, chunked\r\n',
    'unknown coding': b'Transfer-Encoding: xchunked\r\n',
    'identity': b'Transfer-Encoding: identity\r\n',
    'a line that is no header': b'nonsense\r\nContent-Length: 5\r\n',
    'a name with a blank': b'Content-Length : 5\r\n',
    'a continued first line': b' x: y\r\nContent-Length: 5\r\n',
    'a lone CR': b'X: a\rContent-Length: 5\r\n',
    'NUL': b'X: a\0b\r\nContent-Length: 5\r\n',
}


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('is_slow', [False, True])
def test_a_head_that_may_mean_two_lengths_is_an_error(
    name: str, is_slow: bool, tmp_path: Path
) -> None:
    raw = b'HTTP/1.1 200 OK\r\n' + HEADS[name] + b'\r\n' + BODY

    def send(connection: socket.socket, uri: str) -> None:
        if is_slow:  # the head comes in two pieces
            connection.sendall(raw[:20])
            time.sleep(0.01)
            connection.sendall(raw[20:])
        else:
            connection.sendall(raw)

    with RawServer(send) as server:
        interface = connect(server, tmp_path / 'cache')
        with pytest.raises(errors.NetworkError) as caught:
            interface._get_json('/data/projects')
        assert caught.value.uri and caught.value.remedy
        with pytest.raises(errors.NetworkError):
            interface.select('/projects/P/resources/R/files/f').get(tmp_path / 'place')
        assert not (tmp_path / 'place').exists()


CHUNKS = {
    'negative': [b'-5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'plus': [b'+5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'underscore': [b'0_5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    '0x': [b'0x5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'no number': [b'zz\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'empty': [b'\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'blank first': [b' 5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    '5000 digits': [ZEROS + b'5\r\n', BODY[:5], b'\r\n0\r\n\r\n'],
    'too small': [b'5\r\n', BODY, b'\r\n0\r\n\r\n'],
    'too large': [b'%x\r\n' % (len(BODY) + 9), BODY, b'\r\n0\r\n\r\n'],
    'too small by two': [b'%x\r\n' % (len(BODY) - 2), BODY, b'0\r\n\r\n'],
    'no end': [b'%x\r\n' % len(BODY), BODY],
    'a line without end': [b'5' * 70000],
    'endless trailers': [b'%x\r\n' % len(BODY), BODY, b'\r\n0\r\n', b'X: y\r\n' * 500],
    'excess': [b'%x\r\n' % len(BODY), BODY, b'\r\n0\r\n\r\n', with_length(OTHER)],
}


@pytest.mark.parametrize('name', CHUNKS)
def test_chunks_that_do_not_add_up_are_an_error(name: str, tmp_path: Path) -> None:
    def send(connection: socket.socket, uri: str) -> None:
        connection.sendall(chunked(*CHUNKS[name]))
        if name in ('no end', 'too large', 'a line without end'):
            connection.shutdown(socket.SHUT_RDWR)

    with RawServer(send) as server:
        interface = connect(server, tmp_path / 'cache')
        for _ in range(2):
            with pytest.raises(errors.NetworkError):
                interface._get_json('/data/projects')
        with pytest.raises(errors.NetworkError):
            interface.select('/projects/P/resources/R/files/f').get(tmp_path / 'place')
        assert not (tmp_path / 'place').exists()


@pytest.mark.parametrize(
    'lines',
    [
        [b'%x\r\n' % len(BODY), BODY, b'\r\n0\r\n\r\n'],
        [b'%X;name=value\r\n' % len(BODY), BODY, b'\r\n0\r\n\r\n'],
        [b'000%x \r\n' % len(BODY), BODY, b'\r\n000\r\nX: y\r\n\r\n'],
        [b''.join(b'1\r\n%c\r\n' % byte for byte in BODY), b'0\r\n\r\n'],
        [b'%x;%s\r\n' % (len(BODY), b'x' * 300), BODY, b'\r\n0\r\n\r\n'],
    ],
)
def test_chunks_that_are_right_are_read(lines: list[bytes], tmp_path: Path) -> None:
    with RawServer(answers(chunked(*lines))) as server:
        interface = connect(server, tmp_path)
        for _ in range(3):
            assert interface._get_json('/data/projects') == [{'ID': 'RIGHT'}]
        assert server.connections == 1


@pytest.mark.parametrize('status', [100, 102, 103, 199])
@pytest.mark.parametrize('times', [1, 3])
def test_interim_responses_are_no_responses(status: int, times: int, tmp_path: Path) -> None:
    interim = b'HTTP/1.1 %d Wait\r\nLink: </a.css>; rel=preload\r\n\r\n' % status
    number = iter(range(100))

    def send(connection: socket.socket, uri: str) -> None:
        body = table({'ID': str(next(number))})
        connection.sendall(interim * times + with_length(body))

    with RawServer(send) as server:
        interface = connect(server, tmp_path)
        for expected in range(4):
            assert interface._get_json('/data/projects') == [{'ID': str(expected)}]


@pytest.mark.parametrize('is_late', [False, True])
def test_a_second_response_is_never_that_of_the_next_request(is_late: bool, tmp_path: Path) -> None:
    is_sent = threading.Event()

    def send(connection: socket.socket, uri: str) -> None:
        is_sent.clear()
        name = 'A' if 'projects/A' in uri else 'B'
        connection.sendall(with_length(table({'ID': name})))
        if is_late:
            time.sleep(0.01)
        try:
            connection.sendall(with_length(table({'ID': name})))
        finally:
            is_sent.set()

    with RawServer(send) as server:
        interface = connect(server, tmp_path)
        for name in 'ABAB':
            try:
                rows = interface._get_json(f'/data/projects/{name}/subjects')
            except errors.NetworkError:
                continue
            assert rows == [{'ID': name}]
            assert is_sent.wait(60)


def endless(piece: bytes) -> Callable[[socket.socket, str], None]:
    def send(connection: socket.socket, uri: str) -> None:
        while True:
            connection.sendall(piece)
            time.sleep(0.0005)

    return send


def dripping(begin: bytes, piece: bytes) -> Callable[[socket.socket, str], None]:
    def send(connection: socket.socket, uri: str) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(piece)
            time.sleep(0.05)

    return send


SLOW = {
    'interim responses': endless(b'HTTP/1.1 100 Continue\r\n\r\n'),
    'interim responses, slowly': dripping(b'', b'HTTP/1.1 102 Wait\r\n\r\n'),
    'headers': endless(b'HTTP/1.1 200 OK\r\n' + b'X: y\r\n' * 20),
    'headers, slowly': dripping(b'HTTP/1.1 200 OK\r\n', b'X: y\r\n'),
    'a byte at a time': dripping(b'HTTP/1.1 200 OK\r\nX: ', b'y'),
    'a byte at a time in the first line': dripping(b'H', b'T'),
    'headers of an interim response': dripping(b'HTTP/1.1 100 Wait\r\n', b'X: y\r\n'),
    'trailers': dripping(chunked(b'0\r\n'), b'X: y\r\n'),
    'a byte at a time in a trailer': dripping(chunked(b'0\r\nX: '), b'y'),
    'the size of a chunk': dripping(chunked(b''), b'0'),
    'another protocol': endless(b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
}


@pytest.mark.parametrize('name', SLOW)
def test_a_head_that_does_not_end_is_an_error_in_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framing, 'HEAD_S', 0.3)
    with RawServer(SLOW[name]) as server:
        interface = connect(server, tmp_path / 'cache')
        started = time.monotonic()
        with pytest.raises(errors.NetworkError):
            interface._get_json('/data/projects')
        with pytest.raises(errors.NetworkError):
            interface.select('/projects/P/resources/R/files/f').get(tmp_path / 'place')
        with pytest.raises(errors.NetworkError):
            interface._exec('/data/projects/P', 'DELETE')
        assert time.monotonic() - started < GENEROUS_S
        assert not (tmp_path / 'place').exists()


def test_a_head_that_comes_slowly_but_in_time_is_read(tmp_path: Path) -> None:
    def send(connection: socket.socket, uri: str) -> None:
        raw = b'HTTP/1.1 103 Early\r\nX: y\r\n\r\n' + with_length()
        for start in range(0, len(raw), 3):
            connection.sendall(raw[start : start + 3])
            time.sleep(0.0005)

    with RawServer(send) as server:
        assert connect(server, tmp_path)._get_json('/data/projects') == [{'ID': 'RIGHT'}]


class Received:
    """A socket that has received bytes."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._received))  # type: ignore[arg-type]


def facts_of(kind: type[HTTPResponse], received: bytes, method: str) -> object:
    """Return all that the head of a response says, and a body without chunks; or the class of the
    error."""
    response = kind(Received(received), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
    except HTTPException as error:
        return type(error) if kind is HTTPResponse else HTTPException
    return (
        (response.status, response.code, response.reason, response.version),
        (response.headers.items(), response.headers.get_all('set-cookie')),
        (response.chunked, response.length, response.will_close),
        b'' if response.chunked else response.read(),
    )


STATUS_LINES = """\
HTTP/1.1 200 OK
HTTP/1.1 200
HTTP/1.1 404 Not  Found\x20
HTTP/1.1 204\x20
HTTP/1.1 304 Not Modified
HTTP/1.1 503 Caf\xe9
HTTP/1.1 999 X
HTTP/1.0 200 OK
HTTP/1.2 200 OK"""
HEADER_LINES = """\
Content-Length: 4
content-length:2\x20
Transfer-Encoding: Chunked
Connection: Close
Connection: keep-alive
Set-Cookie: a=b; Path=/
Set-Cookie:\tc="d:e"\x20\x20
X:
X: \x0b \x85 y
 continued
no header
a b: c
X : y"""


@given(
    st.sampled_from(STATUS_LINES.split('\n')),
    st.lists(st.sampled_from(HEADER_LINES.split('\n')), max_size=5),
    st.sampled_from(['GET', 'HEAD']),
)
def test_a_plain_head_says_what_http_client_reads(
    status: str, headers: list[str], method: str
) -> None:
    head = '\r\n'.join([status, *headers, '', '']).encode('iso-8859-1')
    received = head + b'ok  '
    ours = facts_of(framing.Response, received, method)
    if ours is not HTTPException:  # its own rules are stricter
        assert ours == facts_of(HTTPResponse, received, method)
