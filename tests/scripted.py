"""A server that says and does exactly what a test tells it to: wrong, late, cut or twice."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    uri: str
    headers: dict[str, str]
    body: bytes
    connection: int
    """Number of the connection it came on, from 1."""


@dataclass
class Reply:
    """What to answer, and how to behave after it."""

    status: int = 200
    body: bytes = b''
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """Announced length, where it is a lie."""
    close: bool = False
    """Close the connection without a word of it."""
    silent: bool = False
    """Close without any answer."""


def table(*rows: dict[str, str]) -> bytes:
    """A JSON table of XNAT."""
    import json

    return json.dumps({'ResultSet': {'Result': list(rows), 'totalRecords': str(len(rows))}}).encode()


def read_request(file) -> tuple[str, str, dict[str, str], bytes] | None:
    """Method, URI, headers (names in lower case) and body of the next request; `None` at the end of a connection."""
    start = file.readline().decode('latin-1').split()
    if len(start) < 3:
        return None
    headers = {}
    while (line := file.readline().strip()) != b'':
        name, _, value = line.decode('latin-1').partition(':')
        headers[name.lower()] = value.strip()
    return start[0], start[1], headers, file.read(int(headers.get('content-length', 0)))


class ScriptedServer:
    """Answers each request with what `script` makes of it; remembers all of them."""

    def __init__(self, script: Callable[[Request], Reply]) -> None:
        self.script = script
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._connections = 0
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._open: list[socket.socket] = []
        self.url = f'http://127.0.0.1:{self._listener.getsockname()[1]}'

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._connections

    def count(self, method: str) -> int:
        """How many requests of a method arrived."""
        return sum(request.method == method for request in self.requests)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
                self._open.append(connection)
                number = self._connections
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with connection, connection.makefile('rb') as file:
                while self._answer(connection, file, number):
                    pass
        except OSError:
            return  # the client went away, which is its right

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
        head = [f'HTTP/1.1 {reply.status} Said', f'Content-Length: {announced}', *(f'{name}: {value}' for name, value in reply.headers.items())]
        connection.sendall('\r\n'.join([*head, '', '']).encode() + (b'' if request.method == 'HEAD' else reply.body))
        return not reply.close
