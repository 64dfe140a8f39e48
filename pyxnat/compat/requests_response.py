"""Responses with the interface of the requests library."""

from __future__ import annotations

import io
import json as jsonlib
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import six

from .. import errors
from ..files.disk import CHUNK
from ..http.connection import Stream
from ..http.redirects import REDIRECTS
from .requests_errors import also_of_requests, network_errors

__all__ = ['Asked', 'Headers', 'Response', 'SetCookies']


class Headers(MutableMapping[str, str]):
    """Headers, names in any case: a view of a dict with lower-case keys."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __setitem__(self, name: str, value: Any) -> None:
        self._headers[name.lower()] = six.ensure_text(value)

    def __delitem__(self, name: str) -> None:
        del self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(
            ['-'.join(part.capitalize() for part in name.split('-')) for name in self._headers]
        )

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        shown = {
            name: '…' if name.lower() in ('set-cookie', 'cookie', 'authorization') else value
            for name, value in self.items()
        }
        return repr(shown)


class Asked:
    """The request of a response: what ``requests.PreparedRequest`` shows of it.

    Attributes
    ----------
    method : str
        HTTP method.
    url : str
        Full URL.
    headers : Headers
        Headers that the caller gave.
    body : object
        Body as it was given.
    """

    def __init__(self, method: str, url: str) -> None:
        self.method = method
        self.url = url
        self.headers = Headers({})
        self.body: Any = None

    def __repr__(self) -> str:
        return f'<PreparedRequest [{self.method}]>'


class SetCookies(dict[str, str]):
    """Cookies that a response sets; ``repr`` hides their values."""

    def read(self, headers: list[str]) -> None:
        """Add the cookies of ``Set-Cookie`` headers."""
        for header in headers:
            name, found, value = header.partition(';')[0].partition('=')
            if found:
                self[name.strip()] = value.strip()

    def get_dict(self) -> dict[str, str]:
        """Return a copy as a dict."""
        return dict(self)

    def __repr__(self) -> str:
        return f'<cookies: {", ".join(self) or "none"}>'


class _Raw(io.RawIOBase):
    """Body of a response as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b'')

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return their number, 0 at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b''))
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


class Response:
    """A response with the interface of ``requests.Response``.

    Attributes
    ----------
    status_code : int
        Status.
    reason : str
        Reason phrase of the status.
    headers : Headers
        Headers of the response.
    url : str
        Full URL of the request; after redirects, of the last one.
    method : str
        Method of the request.
    history : list of Response
        Redirects that were followed.
    request : Asked
        The request, without login and session.
    elapsed : timedelta
        Time until the head of the response came.
    cookies : SetCookies
        Cookies that it sets.
    next : None
        No redirect is left to follow by hand.
    """

    def __init__(
        self,
        asked: Asked,
        url: str,
        status: int,
        reason: str,
        headers: Mapping[str, str],
        history: list[Response],
        body: Stream | bytes,
        opened: ExitStack | None = None,
    ) -> None:
        self.request = asked
        self.method = asked.method
        self.elapsed = timedelta()
        self.cookies = SetCookies()
        self.next = None
        self.url = url
        self.status_code = status
        self.reason = reason
        self.headers = Headers(
            {
                name: value
                for name, value in headers.items()
                if name not in ('status', 'content-location')
            }
        )
        self.history = history
        self._content = body if isinstance(body, bytes) else None
        self._stream = None if isinstance(body, bytes) else body
        self._opened = opened or ExitStack()
        self._encoding = ''
        self._raw: io.RawIOBase | io.BytesIO | None = None

    def __repr__(self) -> str:
        return f'<Response [{self.status_code}]>'

    def __bool__(self) -> bool:
        return self.ok

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status_code < 400

    @property
    def is_redirect(self) -> bool:
        """Whether the response is a redirect."""
        return self.status_code in REDIRECTS and 'location' in self.headers

    @property
    def content(self) -> bytes:
        """Body as bytes, decompressed."""
        if self._content is None:
            with self._opened, network_errors(self.request):
                self._content = self._unread().read()
            self._stream = None
        return self._content

    def _unread(self) -> Stream:
        if self._stream is None:
            raise RuntimeError('the response was closed, or read in pieces, before')
        return self._stream

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content(128)

    @property
    def raw(self) -> io.RawIOBase | io.BytesIO:
        """Body as a file, as it is sent."""
        if self._raw is None:
            content = self._content
            self._raw = _Raw(self._pieces()) if content is None else io.BytesIO(content)
        return self._raw

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """Links of the ``Link`` header, by their relation."""
        found = {}
        for url, rest in re.findall(r'<([^>]*)>([^<]*)', self.headers.get('link', '')):
            values = dict(re.findall(r'(\w+)\s*=\s*"?([^";,]*)"?', rest))
            found[values.get('rel', url)] = {'url': url, **values}
        return found

    @property
    def apparent_encoding(self) -> str:
        """UTF-8 if the body is that, otherwise ISO-8859-1."""
        try:
            self.content.decode('utf-8')
        except UnicodeDecodeError:
            return 'ISO-8859-1'
        return 'utf-8'

    @property
    def encoding(self) -> str:
        """Character set of the ``Content-Type`` header; UTF-8 by default. It can be set."""
        if self._encoding:
            return self._encoding
        named = re.search(r'charset="?([\w-]+)', self.headers.get('content-type', ''))
        return named.group(1) if named else 'utf-8'

    @encoding.setter
    def encoding(self, encoding: str | None) -> None:
        self._encoding = encoding or ''

    @property
    def text(self) -> str:
        """Body as text; bytes that cannot be decoded become U+FFFD."""
        try:
            return self.content.decode(self.encoding, 'replace')
        except LookupError:
            return self.content.decode('utf-8', 'replace')

    def json(self, **options: Any) -> Any:
        """Parse the body as JSON, with options of :func:`json.loads`."""
        return jsonlib.loads(self.content, **options)

    def iter_content(
        self, chunk_size: int | None = 1, decode_unicode: bool = False
    ) -> Iterator[Any]:
        """Yield the body in pieces, without holding it in memory.

        A compressed body is an exception: it is decompressed in memory.

        Parameters
        ----------
        chunk_size : int or None
            Bytes of a piece; the last may be shorter. `None` yields pieces as they arrive.
        decode_unicode : bool
            Whether to yield text.
        """
        pieces = (
            iter([self.content])
            if self._content is not None or 'content-encoding' in self.headers
            else self._pieces()
        )
        for piece in _rechunked(pieces, chunk_size):
            yield piece.decode(self.encoding, 'replace') if decode_unicode else piece

    def _pieces(self) -> Iterator[bytes]:
        with self._opened, network_errors(self.request):
            yield from self._unread()
        self._stream = None

    def iter_lines(self, chunk_size: int = 512, decode_unicode: bool = False) -> Iterator[Any]:
        """Yield the lines of the body, without line ends.

        Parameters
        ----------
        chunk_size : int
            Bytes read at once; at least 256 KiB are.
        decode_unicode : bool
            Whether to yield text.
        """
        rest = b''
        for piece in self.iter_content(max(chunk_size, CHUNK)):
            *lines, rest = (rest + piece).split(b'\n')
            yield from (self._line(line, decode_unicode) for line in lines)
        if rest:
            yield self._line(rest, decode_unicode)

    def _line(self, line: bytes, decode: bool) -> Any:
        line = line.removesuffix(b'\r')
        return line.decode(self.encoding, 'replace') if decode else line

    def raise_for_status(self) -> None:
        """Raise an error if the status is 400 or more.

        The error is one of this library; if requests is loaded, also a ``requests.HTTPError``.
        """
        if self.status_code < 400:
            return
        message = errors.server_message(
            self.content if self._content is not None or self._stream else b'', self.reason
        )
        raise also_of_requests(
            errors.from_status(self.status_code, message, method=self.method, uri=self.url),
            'HTTPError',
            request=self.request,
            response=self,
        )

    def close(self) -> None:
        """Release the connection; an unread rest of the body is lost."""
        self._stream = None
        self._opened.close()

    def when_closed(self, action: Callable[[], object]) -> None:
        """Call a function when the response is closed, or read to its end."""
        self._opened.callback(action)


def _rechunked(pieces: Iterator[bytes], size: int | None) -> Iterator[bytes]:
    if size is None:
        yield from pieces
        return
    rest = bytearray()
    for piece in pieces:
        rest += piece
        full = len(rest) - len(rest) % size
        yield from (bytes(rest[start : start + size]) for start in range(0, full, size))
        del rest[:full]
    if rest:
        yield bytes(rest)
