"""Proxy between client and archive that damages responses as networks and gateways do."""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import time
from collections.abc import Callable
from http.client import HTTPConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.support.scripted import Listening, read_request
from tests.support.waiting import GENEROUS_S

LOGIN_PAGE = (
    b'<!DOCTYPE html><html><body><form><input name="j_username"><input '
    b'type="password"></form></body></html>'
)


class Exchange(NamedTuple):
    """A request that arrived, and functions to answer it."""

    client: socket.socket
    method: str
    uri: str
    headers: dict[str, str]
    body: bytes
    forward: Callable[[], bytes]
    """Forward the request; return the response as raw bytes."""


Fault = Callable[[Exchange], None]
"""Send bytes in place of the proxy; returning closes the connection."""


def reset(exchange: Exchange) -> None:
    """Reset the connection before the archive gets the request."""
    exchange.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def reset_after(exchange: Exchange) -> None:
    """Forward the request, and reset the connection before the response."""
    exchange.forward()
    reset(exchange)


def stall(exchange: Exchange) -> None:
    """Send no response."""
    _until_it_hangs_up(exchange.client)


def stall_after(exchange: Exchange) -> None:
    """Send half of the response, then nothing."""
    answer = exchange.forward()
    exchange.client.sendall(answer[: len(answer) - 3])
    _until_it_hangs_up(exchange.client)


def _until_it_hangs_up(client: socket.socket) -> None:
    client.settimeout(2 * GENEROUS_S)
    while client.recv(2**16):
        pass


def drip(exchange: Exchange) -> None:
    """Send the response in small pieces."""
    answer = exchange.forward()
    step = max(1, len(answer) // 60)
    for start in range(0, len(answer), step):
        exchange.client.sendall(answer[start : start + step])
        time.sleep(0.001)


def cut(at: Callable[[int], int]) -> Fault:
    """Truncate the response at a byte that is computed from its length."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer[: at(len(answer))])

    return fault


def wrong_length(more: int) -> Fault:
    """Announce a length that is wrong by some bytes."""

    def fault(exchange: Exchange) -> None:
        head, _, body = exchange.forward().partition(b'\r\n\r\n')
        kept = [
            line
            for line in head.split(b'\r\n')
            if not line.lower().startswith((b'content-length', b'transfer-encoding'))
        ]
        exchange.client.sendall(
            b'\r\n'.join([*kept, b'Content-Length: %d' % max(len(body) + more, 0), b'', body])
        )

    return fault


def says(status: int, body: bytes = b'', *headers: str) -> Fault:
    """Send an error response of a gateway."""

    def fault(exchange: Exchange) -> None:
        head = [
            f'HTTP/1.1 {status} Said',
            f'Content-Length: {len(body)}',
            'Connection: close',
            *headers,
        ]
        exchange.client.sendall('\r\n'.join([*head, '', '']).encode() + body)

    return fault


def answers_with(status: int) -> Fault:
    """The archive does what it was asked, and its answer gets another status on its way."""

    def fault(exchange: Exchange) -> None:
        _, _, rest = exchange.forward().partition(b'\r\n')
        exchange.client.sendall(b'HTTP/1.1 %d Said\r\n' % status + rest)

    return fault


def raw_head(*lines: bytes) -> Fault:
    """The head has other lines in place of its length."""

    def fault(exchange: Exchange) -> None:
        exchange.client.sendall(b'\r\n'.join([b'HTTP/1.1 200 Said', *lines, b'', b'hello world']))

    return fault


def after(interim: bytes) -> Fault:
    """The answer comes after an interim one."""

    def fault(exchange: Exchange) -> None:
        exchange.client.sendall(interim + exchange.forward())

    return fault


def done_but(status: int) -> Fault:
    """The archive does what it was asked, and a gateway answers in its place."""

    def fault(exchange: Exchange) -> None:
        exchange.forward()
        says(status, b'<html>bad gateway</html>')(exchange)

    return fault


def redirect_loop(exchange: Exchange) -> None:
    """Redirect to the same URL, forever."""
    says(302, b'', f'Location: {exchange.uri}')(exchange)


def bomb(exchange: Exchange) -> None:
    """Send a small compressed body that expands to a large one."""
    packed = gzip.compress(bytes(2**21), 9)
    says(200, packed, 'Content-Encoding: gzip', 'Content-Type: application/json')(exchange)


def garbage(exchange: Exchange) -> None:
    """Send a wrong body with valid headers."""
    says(200, b'PK\x03\x04' + bytes(range(256)) * 8)(exchange)


class FaultProxy(Listening):
    """Proxy of a server; each entry of `faults` damages one request, in order. Later requests are
    unchanged.

    Attributes
    ----------
    writes : list of str
        Method and URI of the writes that reached the archive.
    seen : list of str
        Method and URI of all requests.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._host = urlsplit(target).netloc
        self._tls = tls
        self.faults: list[Fault] = []
        self.applies: Callable[[str, str], bool] = lambda method, uri: True
        self.writes: list[str] = []
        self.seen: list[str] = []
        self.url = f'{"https" if tls else "http"}://{self.address}'

    def _serve(self, connection: socket.socket, number: int) -> None:
        client = (
            connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)
        )
        with client, client.makefile('rb') as file:
            while self._answer(client, file):
                pass

    def _answer(self, client: socket.socket, file) -> bool:
        found = read_request(file)
        if found is None:
            return False
        method, uri, headers, body = found
        with self._lock:
            self.seen.append(f'{method} {uri}')
            fault = self.faults.pop(0) if self.faults and self.applies(method, uri) else None
        exchange = Exchange(
            client, method, uri, headers, body, lambda: self._forwarded(method, uri, headers, body)
        )
        if fault is not None:
            fault(exchange._replace(forward=lambda: _last(exchange.forward())))
            return False
        client.sendall(exchange.forward())
        return True

    def _forwarded(self, method: str, uri: str, headers: dict[str, str], body: bytes) -> bytes:
        connection = HTTPConnection(self._host, timeout=30)
        try:
            connection.request(method, uri, body or None, {**headers, 'connection': 'close'})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if (
            method not in ('GET', 'HEAD')
            and not uri.startswith(('/data/search?', '/data/JSESSION'))
            and answer.status < 400
        ):
            with self._lock:
                self.writes.append(f'{method} {uri}')
        skipped = ('content-length', 'transfer-encoding', 'connection')
        head = [
            f'HTTP/1.1 {answer.status} {answer.reason}',
            *(f'{k}: {v}' for k, v in answer.getheaders() if k.lower() not in skipped),
        ]
        length = answer.getheader('content-length') if method == 'HEAD' else len(content)
        return (
            '\r\n'.join([*head, f'Content-Length: {length or 0}', '', '']).encode('latin-1')
            + content
        )


def _last(answer: bytes) -> bytes:
    """Let a response say that its connection ends, or the next request could meet its end."""
    first, _, rest = answer.partition(b'\r\n')
    return first + b'\r\nConnection: close\r\n' + rest
