"""Requests to a WSGI application in this process, with bodies streamed both ways."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPMessage
from typing import Any
from urllib.parse import unquote_to_bytes

import httplib2

from .body import Payload

__all__ = ['Application', 'LocalResponse', 'call']

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""

_NO_BODY = frozenset({204, 304})


class LocalResponse:
    """Response of an application, with the methods of HTTPResponse used here.

    Parameters
    ----------
    status : int
        HTTP status.
    headers : iterable of pairs
        Names and values.
    pieces : iterable of bytes
        The body; its ``close`` is called at the end.
    """

    reason = ''
    has_excess = False

    def __init__(
        self,
        status: int,
        headers: Iterable[tuple[str, str]],
        pieces: Iterable[bytes],
    ) -> None:
        self.status = status
        self.msg = HTTPMessage()
        for name, value in headers:
            self.msg[name] = value
        self._source: Any = pieces
        self._pieces: Iterator[bytes] = iter(pieces)
        self._closing: list[Callable[[], None]] = []
        self._left = b''
        self._is_open = True
        self._is_aborted = False

    def headers(self) -> httplib2.Response:
        """Return status and headers as httplib2 does: a dict, names in lower case."""
        found: dict[str, str] = {}
        for name, value in self.msg.items():
            name = name.lower()
            found[name] = f'{found[name]}, {value}' if name in found else value
        return httplib2.Response({**found, 'status': str(self.status)})

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; none only at the end."""
        if self._is_aborted:
            raise ConnectionAbortedError('the request was given up')
        while not self._left and self._is_open:
            piece = next(self._pieces, None)
            if piece is None:
                self.close()
            else:
                self._left = piece
        piece, self._left = self._left[:size], self._left[size:]
        return piece

    def read_all(self) -> bytes:
        """Return the whole body."""
        return b''.join(iter(lambda: self.read(2**20), b''))

    def isclosed(self) -> bool:
        """Whether the body was read to its end."""
        return not self._is_open

    def close(self) -> None:
        """Let the application release what the body needs."""
        if self._is_open:
            self._is_open = False
            close = getattr(self._source, 'close', None)
            if close is not None:
                close()
            for function in self._closing:
                function()

    def on_close(self, function: Callable[[], None]) -> None:
        """Call a function at the end of the body, or now if that is past."""
        if self._is_open:
            self._closing.append(function)
        else:
            function()

    def abort(self) -> None:
        """Make the thread that reads the body fail."""
        self._is_aborted = True


class _Input(io.RawIOBase):
    """Body of a request as the application reads it.

    An error of the program that sends it is kept: the application would answer it with a status.
    """

    def __init__(self, payload: Payload) -> None:
        self._pieces = payload.open_pieces()
        self._left = b''
        self.error: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the number of bytes, 0 at the end."""
        try:
            while not self._left:
                self._left = next(self._pieces)
        except StopIteration:
            return 0
        except BaseException as error:
            self.error = error
            raise
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def call(
    application: Application,
    uri: str,
    method: str,
    payload: Payload,
    headers: Mapping[str, str],
) -> LocalResponse:
    """Send a request to an application, in this thread.

    Parameters
    ----------
    application : callable
        The application.
    uri : str
        Path and query, encoded.
    method : str
        HTTP method.
    payload : Payload
        Body of the request.
    headers : mapping
        Its headers.
    """
    body = _Input(payload)
    begun: list[tuple[str, list[tuple[str, str]]]] = []
    environ = _environ(uri, method, payload, headers)
    environ['wsgi.input'] = io.BufferedReader(body)
    try:
        pieces = application(environ, lambda status, found, *_: begun.append((status, found)))
    finally:
        if body.error is not None:
            raise body.error
    status, found = begun[0]
    code = int(status[:3])
    response = LocalResponse(code, found, pieces)
    if method == 'HEAD' or code in _NO_BODY:
        response.close()
    return response


def _environ(uri: str, method: str, payload: Payload, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = uri.partition('?')
    environ: dict[str, Any] = {
        'REQUEST_METHOD': method,
        'SCRIPT_NAME': '',
        'PATH_INFO': unquote_to_bytes(path).decode('latin-1'),
        'QUERY_STRING': query,
        'REQUEST_URI': uri,
        'SERVER_NAME': 'localhost',
        'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1',
        'REMOTE_ADDR': '127.0.0.1',
        'wsgi.version': (1, 0),
        'wsgi.url_scheme': 'http',
        'wsgi.errors': sys.stderr,
        'wsgi.multithread': True,
        'wsgi.multiprocess': True,
        'wsgi.run_once': False,
        'HTTP_HOST': 'localhost',
    }
    for name, value in headers.items():
        environ[f'HTTP_{name.upper().replace("-", "_")}'] = value
    for name in ('CONTENT_TYPE', 'CONTENT_LENGTH'):
        with suppress(KeyError):
            environ[name] = environ.pop(f'HTTP_{name}')
    if payload.is_chunked:
        environ.update({'HTTP_TRANSFER_ENCODING': 'chunked', 'wsgi.input_terminated': True})
    return environ
