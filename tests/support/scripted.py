"""A server that sends scripted responses: wrong, late, truncated or repeated."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pyxnat.http.session import _ALL
from tests.support.waiting import GENEROUS_S

if TYPE_CHECKING:
    from typing import Self


@dataclass
class Request:
    """A request that arrived."""

    method: str
    uri: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Number of its connection, from 1."""


@dataclass
class Reply:
    """A response, and the behaviour after it."""

    status: int = 200
    body: bytes = b''
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """Announced length, if it is wrong."""
    close: bool = False
    """Close the connection without announcing it."""
    silent: bool = False
    """Close without a response."""


def table(*rows: dict[str, str]) -> bytes:
    """Return a JSON table of XNAT."""
    import json

    return json.dumps(
        {'ResultSet': {'Result': list(rows), 'totalRecords': str(len(rows))}}
    ).encode()


def read_request(file) -> tuple[str, str, dict[str, str], bytes] | None:
    """Return method, URI, headers (names in lower case) and body; None at the end of a
    connection."""
    start = file.readline().decode('latin-1').split()
    if len(start) < 3:
        return None
    headers = {}
    while (line := file.readline().strip()) != b'':
        name, _, value = line.decode('latin-1').partition(':')
        headers[name.lower()] = value.strip()
    return start[0], start[1], headers, file.read(int(headers.get('content-length', 0)))


class Listening:
    """Accepts connections at a port of its own, and serves each in a thread.

    After its end nothing listens there, and no connection is served.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._is_over = False
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.address = f'127.0.0.1:{self._listener.getsockname()[1]}'

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over = True
        socket.create_connection(
            self._listener.getsockname(), GENEROUS_S
        ).close()  # closing alone does not wake a thread that waits for a connection
        self._accepting.join()
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):  # the thread has ended
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for session in list(_ALL):
            if urlsplit(session.server).netloc == self.address:
                session.forget()  # the next server on this port must not send to these clients

    @property
    def connections(self) -> int:
        """Number of opened connections."""
        return len(self._open)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._is_over:
                connection.close()
                return
            self._open.append(connection)
            threading.Thread(
                target=self._serve_until_it_goes, args=(connection, len(self._open)), daemon=True
            ).start()

    def _serve_until_it_goes(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):  # the client closed the connection, which is allowed
            self._serve(connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        raise NotImplementedError


class ScriptedServer(Listening):
    """Answers each request with the result of `script`; stores all requests."""

    def __init__(self, script: Callable[[Request], Reply]) -> None:
        super().__init__()
        self.script = script
        self.requests: list[Request] = []
        self.closed = 0
        """Number of connections that it has closed."""
        self.url = f'http://{self.address}'

    def count(self, method: str) -> int:
        """Return the number of requests with a method."""
        return sum(request.method == method for request in self.requests)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, connection.makefile('rb') as file:
            while self._answer(connection, file, number):
                pass
        with self._lock:
            self.closed += 1

    def _answer(self, connection: socket.socket, file, number: int) -> bool:
        found = read_request(file)
        if found is None:
            return False
        request = Request(*found, number)
        with self._lock:
            self.requests.append(request)
        reply = self.script(request)
        if reply.silent:
            return False
        announced = len(reply.body) if reply.length is None else reply.length
        head = [
            f'HTTP/1.1 {reply.status} Said',
            f'Content-Length: {announced}',
            *(f'{name}: {value}' for name, value in reply.headers.items()),
        ]
        connection.sendall(
            '\r\n'.join([*head, '', '']).encode()
            + (b'' if request.method == 'HEAD' else reply.body)
        )
        return not reply.close
