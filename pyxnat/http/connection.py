"""One request on one connection, and its response as a stream.

httplib2 is used without its retries, redirects and cache, and without reading bodies.
"""

from __future__ import annotations

import http.client
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple
from weakref import WeakSet

import httplib2

from .. import errors
from ..files.disk import CHUNK
from .body import Payload
from .encodings import coding_of, decompress, decompress_begin, is_known
from .framing import Response
from .pages import MOST_OF_A_PAGE, begins_page, has_login_form
from .proxies import ProxyUnreachableError
from .tracing import Record
from .validation import Fault
from .wsgi import LocalResponse

__all__ = [
    'EXCEPTIONS',
    'MAX_IDLE_S',
    'NETWORK_EXCEPTIONS',
    'Answer',
    'Http',
    'Stream',
    'Timeouts',
    'is_lasting',
    'network_error',
    'response_error',
]

MAX_IDLE_S = 3.0
"""Longest idle time of a connection for a request that must not be retried, in seconds.

Servers close idle connections.
"""

_CLOSE_WAIT_S = 0.002
"""Seconds after a response in which such a request waits for the server to close the connection.

A server that closes connections after each response does so at once. A connection that was used a
second time belongs to another kind of server.
"""

_Selector = getattr(selectors, 'PollSelector', selectors.SelectSelector)
"""One system call, where epoll takes four."""

_HEADERS = {'user-agent', 'accept-encoding'}
"""Headers that httplib2 adds if they are missing."""

_INFLATED_BYTES = 2**30
"""Default limit for the decompressed size of a body (1 GiB)."""


_PEEKED = 1024
"""Bytes of a body that are read to decide its kind."""


class Timeouts(NamedTuple):
    """Timeouts in seconds; `None` waits forever."""

    connect_s: float | None = 10.0
    read_s: float | None = 300.0

    @classmethod
    def of(cls, value: Any) -> Timeouts:
        """Create from one number for both, or a pair of connect and read."""
        if isinstance(value, (tuple, list)):
            connect_s, read_s = value
            return cls(connect_s, read_s)
        return cls(value, value)


class Answer(NamedTuple):
    """A response with its body."""

    status: int
    reason: str
    headers: dict[str, str]
    """Headers; names in lower case."""
    body: bytes


class Stream:
    """A response with an unread body; valid within its ``with`` block."""

    def __init__(
        self,
        method: str,
        uri: str,
        response: httplib2.Response,
        raw: http.client.HTTPResponse | LocalResponse,
        record: Record,
    ) -> None:
        self.method = method
        self.uri = uri
        self.status: int = response.status
        self.reason: str = raw.reason
        self.headers: dict[str, str] = dict(response)
        self._raw = raw
        self.record = record
        self.session = ''
        """``expired`` if the request should be retried in a new session; ``lost`` if it cannot."""
        self.most_bytes = _INFLATED_BYTES
        """Limit for the decompressed size of the body, in bytes."""
        self._first: bytes | None = None
        self._is_broken = False
        self.fault: Fault | None = None
        """Why it is no response to its request."""

    @property
    def length(self) -> int | None:
        """``Content-Length`` in bytes; `None` if unknown."""
        text = self.headers.get('content-length', '')
        if self.method == 'HEAD' or 'transfer-encoding' in self.headers or not text.isdigit():
            return None
        return int(text)

    @cached_property
    def page(self) -> str:
        """``login`` for an HTML page with a login form, ``page`` for any other, or empty.

        Also empty for a table as HTML, with which XNAT answers requests that share an item.
        """
        least, start = _PEEKED, self.begin()
        is_page = begins_page(start)
        while is_page is None and least < MOST_OF_A_PAGE and len(self.peek(least)) >= least:
            least *= 4
            start = self.begin(least)
            is_page = begins_page(start)
        if not (begins_page(start + b'>') if is_page is None else is_page):
            return ''
        if b'class="x_rs_t"' in start:
            return ''
        return 'login' if has_login_form(self.begin(MOST_OF_A_PAGE)) else 'page'

    def begin(self, least: int = 1024) -> bytes:
        """Return the decompressed begin of the body, from at least `least` bytes."""
        first = self.peek(least)
        if self.is_encoded:
            return decompress_begin(first, MOST_OF_A_PAGE) or first
        return first

    @property
    def is_encoded(self) -> bool:
        """Whether a coding of the body is declared."""
        return 'content-encoding' in self.headers and coding_of(self.headers) != ''

    def peek(self, least: int = 1024) -> bytes:
        """Return at least `least` bytes, or all; they are not consumed."""
        if self._first is None:
            self._first = self._read(1024)
        while (
            len(self._first) < least
            and not self._raw.isclosed()
            and (piece := self._read(least - len(self._first)))
        ):
            self._first += piece
        return self._first

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in pieces, decompressed.

        Some gateways compress even though requests do not allow it.

        Raises
        ------
        TransferError
            As `as_sent`; also if the compressed data is damaged, or larger than `most_bytes`.
        """
        is_plain = 'content-encoding' not in self.headers or not self.is_encoded
        return self.as_sent() if is_plain else self._inflated()

    def as_sent(self) -> Iterator[bytes]:
        """Yield the body as it was sent, in pieces of at most 256 KiB.

        Raises
        ------
        TransferError
            The connection ended before the announced length or within a chunk, or more than the
            announced length arrived.
        """
        first, self._first = self.peek() if self._first is None else self._first, b''
        if first:
            yield first
        while not self._raw.isclosed() and (piece := self._read(CHUNK)):
            yield piece
        length = self.length
        if length is not None and self.record.received < length:
            raise self._cut(f'{self.record.received} of {length} bytes came')
        if getattr(self._raw, 'has_excess', False):
            raise self._cut(f'more than the announced {length or self.record.received} bytes came')

    @property
    def set_cookies(self) -> list[str]:
        """``Set-Cookie`` headers, one by one."""
        return self._raw.msg.get_all('set-cookie') or []

    def _read(self, size: int) -> bytes:
        try:
            piece = self._raw.read(size)
        except http.client.IncompleteRead as error:
            self._is_broken = True
            raise self._cut('the connection ended in the middle') from error
        except (OSError, http.client.HTTPException) as error:
            self._is_broken = True
            raise network_error(error, self.method, self.uri) from error
        self.record.received += len(piece)
        return piece

    def _cut(self, detail: str) -> errors.TransferError:
        message = f'the response is incomplete: {detail}'
        return errors.TransferError(
            message, uri=self.uri, method=self.method, status=self.status, remedy='Try again.'
        )

    def read(self) -> bytes:
        """Return the whole body."""
        return b''.join(self)

    def _inflated(self) -> Iterator[bytes]:
        coding = coding_of(self.headers)
        if not is_known(coding):
            raise self._cut(f'it is compressed with {coding[:40]!r}, which nobody asked for')
        count = 0
        try:
            for inflated in decompress(self.as_sent(), CHUNK):
                count += len(inflated)
                if count > self.most_bytes:
                    raise self._cut(f'it decompresses to more than {self.most_bytes} bytes')
                yield inflated
        except ValueError as error:
            raise self._cut(str(error)) from error

    @property
    def is_finished(self) -> bool:
        """Whether the body was read to its end and the connection is free."""
        return self._raw.isclosed() and not (
            self._is_broken or getattr(self._raw, 'has_excess', False)
        )


class Http(httplib2.Http):
    """httplib2 client that sends a request once and leaves the body unread."""

    def __init__(self, timeouts: Timeouts, **options: Any) -> None:
        super().__init__(cache=None, timeout=timeouts.connect_s, **options)
        self.follow_redirects = False
        self.timeouts = timeouts
        self.last_used = 0.0
        self._kept: WeakSet[http.client.HTTPConnection] = WeakSet()
        """Connections that the server has kept open after a response."""
        self.raw: http.client.HTTPResponse | None = None
        """Last response; its body may be unread."""
        self._sending = threading.Lock()
        self._is_outdated = False

    def close_idle(self) -> None:
        """Close the connections.

        If another thread uses them, its next request does so.
        """
        if not self._sending.acquire(blocking=False):
            self._is_outdated = True
            return
        try:
            if self.raw is None or self.raw.isclosed():
                self.close()
            else:
                self._is_outdated = True
        finally:
            self._sending.release()

    def abort(self) -> None:
        """Make the request of another thread fail at once."""
        raw_file: Any = getattr(self.raw, 'fp', None)
        for sock in [
            *(conn.sock for conn in list(self.connections.values())),
            getattr(getattr(raw_file, 'raw', None), '_sock', None),
        ]:
            if sock is not None:
                with suppress(OSError):  # already closed
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def request(  # type: ignore[override]
        self,
        uri: str,
        method: str,
        body: Any,
        headers: dict[str, str],
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """Send a request once.

        httplib2 takes the first one of a connection. For each it encodes the URI character by
        character, and looks for caches, logins and redirects, which are never its own here: as much
        code as all the rest, so later ones do without.

        Parameters
        ----------
        uri : str
            The whole URL.
        method : str
            HTTP method.
        body : Payload
            Body of the request.
        headers : dict
            Its headers.
        connection_type : type, optional
            Class of a new connection.
        """
        scheme, _, rest = uri.partition('://')
        authority, slash, target = rest.partition('/')
        conn = self.connections.get(f'{scheme}:{authority}')
        is_plain = slash and target.isascii() and target.isprintable() and '#' not in target
        if conn is None or not is_plain or ' ' in target or not headers.keys() >= _HEADERS:
            found: tuple[httplib2.Response, bytes] = super().request(
                uri, method, body, headers, connection_type=connection_type
            )
            return found
        return self._conn_request(conn, slash + target, method, body, headers)

    def _conn_request(
        self,
        conn: http.client.HTTPConnection,
        request_uri: str,
        method: str,
        body: Payload,
        headers: dict[str, str],
    ) -> tuple[httplib2.Response, bytes]:
        with self._sending:
            was_open = self._ready(conn, body.may_repeat(method))
            with suppress(BrokenPipeError, ConnectionResetError):
                # A server may refuse an upload before it has read all of it; then its response can
                # be read. If there is none, reading it raises.
                conn.request(method, request_uri, body.open(), headers)
            conn.response_class = Response
            raw = conn.getresponse()
            self.last_used = time.monotonic()
            if was_open:
                self._kept.add(conn)
            response = httplib2.Response(raw)
            self.raw = raw
            return response, b''

    def _ready(self, conn: http.client.HTTPConnection, repeatable: bool) -> bool:
        """Open the connection if it is not; return whether it was."""
        now = time.monotonic()
        idle_s, ended_s = now - self.last_used, now - getattr(self.raw, 'ended', now)
        wait_s = 0 if repeatable or conn in self._kept else max(0.0, _CLOSE_WAIT_S - ended_s)
        if self._is_outdated:
            self._is_outdated = False
            conn.close()
        if conn.sock is not None and (
            (not repeatable and idle_s > MAX_IDLE_S) or _is_stale(conn.sock, wait_s)
        ):
            conn.close()
        was_open = conn.sock is not None
        if not was_open:
            self._kept.discard(conn)
            conn.timeout = self.timeouts.connect_s
            conn.blocksize = CHUNK
            conn.connect()
        conn.sock.settimeout(self.timeouts.read_s)
        return was_open


def _is_stale(sock: socket.socket, wait_s: float) -> bool:
    """Return whether an idle connection is readable: closed or out of sync."""
    with _Selector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(timeout=wait_s))


class _Refusal(NamedTuple):
    """A row of the table of exceptions below HTTP."""

    exception: type[BaseException]
    error: type[errors.DatabaseError]
    message: str
    remedy: str


_RESTART = 'Try again; if it happens again, the server or a gateway closes connections.'
EXCEPTIONS: tuple[_Refusal, ...] = (
    _Refusal(
        ssl.SSLCertVerificationError,
        errors.NetworkError,
        'its certificate cannot be trusted',
        'Give verify= the CA bundle of the site.',
    ),
    _Refusal(
        ssl.SSLError,
        errors.NetworkError,
        'no secure connection',
        'Check that the URL is right about https.',
    ),
    _Refusal(
        ProxyUnreachableError,
        errors.NetworkError,
        'the proxy does not answer',
        'Correct the proxy, or leave it out: no_proxy of the environment lists exceptions.',
    ),
    _Refusal(
        TimeoutError,
        errors.NetworkTimeout,
        'no answer in time',
        'Try again, or allow more with timeout=(connect, read) in seconds.',
    ),
    _Refusal(
        ConnectionRefusedError,
        errors.NetworkError,
        'nothing answers there',
        'Check the URL and its port, and that the server runs.',
    ),
    _Refusal(
        socket.gaierror,
        errors.NetworkError,
        'the host is not known',
        'Check the URL of the server and the network.',
    ),
    _Refusal(
        httplib2.ServerNotFoundError,
        errors.NetworkError,
        'the host is not known',
        'Check the URL of the server and the network.',
    ),
    _Refusal(ConnectionError, errors.NetworkError, 'the connection broke', _RESTART),
    _Refusal(http.client.HTTPException, errors.NetworkError, 'the answer is not HTTP', _RESTART),
    _Refusal(
        httplib2.HttpLib2Error,
        errors.NetworkError,
        'the request failed',
        'Check the URL and the proxy.',
    ),
    _Refusal(
        UnicodeError, errors.NetworkError, 'the host is not a name', 'Check the URL of the server.'
    ),
    _Refusal(
        OSError,
        errors.NetworkError,
        'no connection',
        'Check the URL of the server and the network.',
    ),
)
"""Exceptions of sockets, TLS, http.client and httplib2 -> errors of the library.

The first row that matches applies.
"""

NETWORK_EXCEPTIONS = (OSError, http.client.HTTPException, httplib2.HttpLib2Error, UnicodeError)
"""All exceptions that a connection raises."""

_WRONG_NAME = (
    'The certificate is for another name: use the name of the server that it has in '
    'https://…, not an address or an alias.'
)
_CERTIFICATE_REMEDIES = {
    9: 'The certificate is not valid yet: check the date and time of this machine.',
    10: 'The certificate has expired: the administrators of the server must renew it; check the '
    'date of this machine.',
    62: _WRONG_NAME,
    64: _WRONG_NAME,
}
"""OpenSSL's code of a failed check -> remedy; for all others the bundle is missing."""

_LASTING = (
    ConnectionRefusedError,
    ProxyUnreachableError,
    UnicodeError,
    socket.gaierror,
    httplib2.ServerNotFoundError,
    ssl.SSLError,
    TimeoutError,
)


def is_lasting(error: BaseException) -> bool:
    """Return whether an immediate retry is pointless.

    No server at the address, an untrusted certificate, or a timeout.
    """
    return isinstance(error, _LASTING) or (
        isinstance(error, errors.DatabaseError) and not isinstance(error, errors.NetworkError)
    )


def network_error(error: BaseException, method: str, uri: str) -> errors.DatabaseError:
    """Convert an exception of a connection into an error of the library.

    Parameters
    ----------
    error : BaseException
        One of `NETWORK_EXCEPTIONS`, or a `DatabaseError`, which is returned unchanged.
    method : str
        Method of the request.
    uri : str
        URL of the request.
    """
    if isinstance(error, errors.DatabaseError):
        return error
    row = next(row for row in EXCEPTIONS if isinstance(error, row.exception))
    remedy = row.remedy
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = _CERTIFICATE_REMEDIES.get(getattr(error, 'verify_code', 0), remedy)
    return row.error(
        f'{row.message} ({error or type(error).__name__})', method=method, uri=uri, remedy=remedy
    )


def response_error(stream: Stream) -> errors.DatabaseError:
    """Return the error for a response that does not fit its request.

    Some of the body is read for the server's own words.
    """
    fault, status = stream.fault, stream.status
    if fault is None or not (200 <= status < 300 or status == 304):
        message = errors.server_message(b''.join(islice(stream, 4)), stream.reason)
        return errors.from_status(status, message, method=stream.method, uri=stream.uri)
    message = fault.message
    if fault.is_page:
        detail = errors.server_message(b''.join(islice(stream, 4)))[:120]
        message = f'{message} ({detail})' if detail else message
    return fault.error(
        message, method=stream.method, uri=stream.uri, status=status, remedy=fault.remedy
    )
