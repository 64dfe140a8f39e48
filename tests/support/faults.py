"""A proxy between client and archive that does to answers what networks and gateways do to them."""

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
    """A request that arrived, and how to answer it."""

    client: socket.socket
    method: str
    uri: str
    headers: dict[str, str]
    body: bytes
    forward: Callable[[], bytes]
    """Asks the archive; the answer as it would go over the wire."""


Fault = Callable[[Exchange], None]
"""Answers in place of the proxy; returning closes the connection."""


def reset(exchange: Exchange) -> None:
    """The connection is reset before the archive was asked."""
    exchange.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def reset_after(exchange: Exchange) -> None:
    """The archive did what it was asked, and the connection is reset before its answer."""
    exchange.forward()
    reset(exchange)


def stall(exchange: Exchange) -> None:
    """No answer comes."""
    _until_it_hangs_up(exchange.client)


def stall_after(exchange: Exchange) -> None:
    """Half of the answer comes, then nothing."""
    answer = exchange.forward()
    exchange.client.sendall(answer[: len(answer) - 3])
    _until_it_hangs_up(exchange.client)


def _until_it_hangs_up(client: socket.socket) -> None:
    client.settimeout(2 * GENEROUS_S)
    while client.recv(2**16):
        pass


def drip(exchange: Exchange) -> None:
    """The answer comes in small pieces."""
    answer = exchange.forward()
    step = max(1, len(answer) // 60)
    for start in range(0, len(answer), step):
        exchange.client.sendall(answer[start : start + step])
        time.sleep(0.001)


def cut(at: Callable[[int], int]) -> Fault:
    """The answer ends early, at a byte that is told by its length."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer[: at(len(answer))])

    return fault


def wrong_length(more: int) -> Fault:
    """The announced length is wrong by some bytes."""

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
    """An answer of a gateway's own."""

    def fault(exchange: Exchange) -> None:
        head = [
            f'HTTP/1.1 {status} Said',
            f'Content-Length: {len(body)}',
            'Connection: close',
            *headers,
        ]
        exchange.client.sendall('\r\n'.join([*head, '', '']).encode() + body)

    return fault


def redirect_loop(exchange: Exchange) -> None:
    """The server sends to where it was asked, for ever."""
    says(302, b'', f'Location: {exchange.uri}')(exchange)


def bomb(exchange: Exchange) -> None:
    """A small compressed body that hides a large one."""
    packed = gzip.compress(bytes(2**21), 9)
    says(200, packed, 'Content-Encoding: gzip', 'Content-Type: application/json')(exchange)


def garbage(exchange: Exchange) -> None:
    """A body that is nothing of what was asked for, with everything else in order."""
    says(200, b'PK\x03\x04' + bytes(range(256)) * 8)(exchange)


class FaultProxy(Listening):
    """Stands before a server; each entry of `faults` befalls one request, in order, and then
    nothing more does.

    Attributes
    ----------
    writes : list of str
        Method and URI of what reached the archive and may have changed it.
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
            fault(exchange)
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
