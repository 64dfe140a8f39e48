"""Plain requests with the interface of the requests library.

``interface.get``, ``put``, ``post``, ``delete`` and ``head`` check neither status nor content type,
as scripts written for pyxnat 1.x expect; a server that cannot be reached is still an error. Bodies
are streamed in both directions: ``files=`` is sent from the open files, and with ``stream=True`` a
response is read only as far as it is used.
"""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import six

from .. import errors
from ..files.disk import CHUNK
from ..http.body import Body
from ..http.connection import Stream
from ..http.redirects import MOST_REDIRECTS, REDIRECTS
from ..http.transport import Transport
from ..model import uris
from .multipart import Multipart, parts

__all__ = ['Connection', 'Headers', 'Response', 'also_of_requests', 'request']

_ANY_STATUS = frozenset(range(100, 600))


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
    """

    def __init__(
        self,
        method: str,
        url: str,
        status: int,
        reason: str,
        headers: Mapping[str, str],
        history: list[Response],
    ) -> None:
        self.method = method
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
        self._content: bytes | None = None
        self._stream: Stream | None = None
        self._opened = ExitStack()

    @classmethod
    def _of(cls, stream: Stream, opened: ExitStack, history: list[Response]) -> Response:
        """Create a response from an open stream."""
        response = cls(
            stream.method, stream.uri, stream.status, stream.reason, stream.headers, history
        )
        response._stream, response._opened = stream, opened
        return response

    @classmethod
    def _refused(cls, method: str, error: errors.DatabaseError) -> Response:
        """Create a response from the error of a refused login."""
        response = cls(method, error.uri or '', error.status or 0, error.message, {}, [])
        response._content = error.message.encode()
        return response

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
            with self._opened, _network_errors():
                self._content = self._unread().read()
            self._stream = None
        return self._content

    def _unread(self) -> Stream:
        if self._stream is None:
            raise RuntimeError('the response was closed, or read in pieces, before')
        return self._stream

    @property
    def encoding(self) -> str:
        """Character set of the ``Content-Type`` header; UTF-8 by default."""
        named = re.search(r'charset="?([\w-]+)', self.headers.get('content-type', ''))
        return named.group(1) if named else 'utf-8'

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
        with self._opened, _network_errors():
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
        )

    def close(self) -> None:
        """Release the connection; an unread rest of the body is lost."""
        self._stream = None
        self._opened.close()


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


def request(
    transport: Transport,
    method: str,
    uri: str,
    *,
    params: Any = None,
    data: Any = None,
    json: Any = None,
    files: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: Any = None,
    stream: bool = False,
    allow_redirects: bool = True,
) -> Response:
    """Send a request, with the arguments of ``requests.request``.

    Parameters
    ----------
    transport : Transport
        Sends the request.
    method : str
        HTTP method.
    uri : str
        Below the server's URL; characters that a URI cannot hold are encoded.
    params : dict, list of pairs or str, optional
        Query parameters; a value may be a list, and a name with the value `None` is left out.
    data : dict, list of pairs, str, bytes, open file or iterable of bytes, optional
        Form or body.
    json : object, optional
        Body, sent as JSON.
    files : dict or list of pairs, optional
        Parts of a multipart form: an open file, bytes or text, or a tuple of file name, content
        and optionally content type and headers.
    headers : mapping, optional
        Headers of the request.
    timeout : float or pair, optional
        Seconds, in place of the Interface's timeouts.
    stream : bool
        Whether to read the response only as it is used. Close it then, or read it to its end.
    allow_redirects : bool
        Whether to follow redirects on the same server, up to ten. A redirect to another server is
        never followed, since the login would be sent there.
    """
    query = _query(uri, params)
    body, sent = _body(data, json, files)
    sent.update(
        {
            name.lower(): six.ensure_text(value)
            for name, value in (headers or {}).items()
            if value is not None
        }
    )
    history: list[Response] = []
    if stream:
        transport = transport.twin()  # the thread may send other requests before the body is read
    while True:
        response = _ask(
            transport, method, query, body, {'headers': sent, 'timeout': timeout}, history
        )
        target = (
            _target(transport, response)
            if allow_redirects and len(history) < MOST_REDIRECTS
            else None
        )
        if target is None:
            break
        history = [*history, response]
        if response.status_code == 303 or (response.status_code in (301, 302) and method != 'HEAD'):
            method, body, sent = (
                'GET',
                None,
                {name: value for name, value in sent.items() if not name.startswith('content-')},
            )
        query = target
        response.close()
    if stream:
        response._opened.callback(transport.close_connections)
    else:
        _ = response.content
    return response


def _ask(
    transport: Transport,
    method: str,
    uri: str,
    body: Body,
    options: dict[str, Any],
    history: list[Response],
) -> Response:
    """Send one request and return the response, unread."""
    with ExitStack() as stack, _network_errors():
        try:
            answer = transport.stream(
                method, uri, body, accept_pages=True, accept_status=_ANY_STATUS, **options
            )
            return Response._of(stack.enter_context(answer), stack.pop_all(), history)
        except errors.AuthenticationError as error:
            return Response._refused(method, error)


@contextmanager
def _network_errors() -> Iterator[None]:
    try:
        yield
    except errors.NetworkError as error:
        also = also_of_requests(error)
        if also is error:
            raise
        raise also from error


def _target(transport: Transport, response: Response) -> str | None:
    if not response.is_redirect:
        return None
    target = urljoin(response.url, response.headers['location'])
    return (
        target
        if target.startswith((f'{transport.server}/', f'{transport.server}?'))
        or target == transport.server
        else None
    )


def _query(uri: str, params: Any) -> str:
    """Encode a URI as typed by a person, and add query parameters."""
    uri = re.sub(r'%(?![0-9A-Fa-f]{2})', '%25', six.ensure_text(uri))
    uri = quote(uri, safe="!#$%&'()*+,/:;=?@[]~")
    if isinstance(params, (str, bytes)):
        return f'{uri}{"&" if "?" in uri else "?"}{six.ensure_text(params)}' if params else uri
    pairs = params.items() if isinstance(params, Mapping) else (params or ())
    listed = [
        (name, value if isinstance(value, (list, tuple, set)) else [value]) for name, value in pairs
    ]
    return uris.with_query(uri, [(name, value) for name, values in listed for value in values])


def _body(data: Any, json_value: Any, files: Any) -> tuple[Body, dict[str, str]]:
    if files:
        multipart = Multipart([*parts(data), *parts(files, True)])
        return multipart.body(), {'content-type': multipart.content_type}
    if data is None and json_value is not None:
        return jsonlib.dumps(json_value), {'content-type': 'application/json'}
    if isinstance(data, Mapping) or (
        isinstance(data, (list, tuple)) and all(isinstance(pair, tuple) for pair in data)
    ):
        pairs = data.items() if isinstance(data, Mapping) else data
        return urlencode(
            [(name, value) for name, value in pairs if value is not None], doseq=True
        ), {'content-type': 'application/x-www-form-urlencoded'}
    return data, {}


class Connection:
    """Replacement for the ``requests.Session`` of pyxnat 1.x, at ``_http``.

    It has its cookies, headers and HTTP methods.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.headers = Headers(transport.headers)
        """Sent with every request."""
        self.cookies = _Cookies(transport)

    def __repr__(self) -> str:
        return f'<Connection to {self._transport.server}>'

    @property
    def verify(self) -> bool | str:
        """Whether certificates are checked."""
        return self._transport.verify

    def request(self, method: str, url: str, **options: Any) -> Response:
        """Send a request to this server.

        Parameters
        ----------
        method : str
            HTTP method, in any case.
        url : str
            URL, or a URI below the server's.
        **options
            Keyword arguments of :func:`request`.
        """
        return request(self._transport, method.upper(), url, **options)

    def get(self, url: str, **options: Any) -> Response:
        """Send a GET request; options as for :func:`request`."""
        return self.request('GET', url, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> Response:
        """Send a PUT request.

        Parameters
        ----------
        url : str
            URL, or a URI below the server's.
        data : optional
            Form or body, as for :func:`request`.
        **options
            Other keyword arguments of :func:`request`.
        """
        return self.request('PUT', url, data=data, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Send a POST request.

        Parameters
        ----------
        url : str
            URL, or a URI below the server's.
        data : optional
            Form or body, as for :func:`request`.
        json : object, optional
            Body, sent as JSON.
        **options
            Other keyword arguments of :func:`request`.
        """
        return self.request('POST', url, data=data, json=json, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """Send a DELETE request; options as for :func:`request`."""
        return self.request('DELETE', url, **options)

    def head(self, url: str, **options: Any) -> Response:
        """Send a HEAD request; redirects are not followed by default."""
        return self.request('HEAD', url, **{'allow_redirects': False, **options})

    def close(self) -> None:
        """Close the connections; the session on the server stays open."""
        self._transport.close_connections()


class _Cookies(MutableMapping[str, str]):
    """Cookies sent with every request."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __getitem__(self, name: str) -> str:
        return self._transport.session.cookies()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._transport.session.add_cookies({name: value})

    def __delitem__(self, name: str) -> None:
        kept = {
            other: value
            for other, value in self._transport.session.cookies().items()
            if other != name
        }
        if len(kept) == len(self):
            raise KeyError(name)
        self._transport.session.forget()
        self._transport.session.add_cookies(kept)

    def __iter__(self) -> Iterator[str]:
        return iter(self._transport.session.cookies())

    def __len__(self) -> int:
        return len(self._transport.session.cookies())

    def __repr__(self) -> str:
        return f'<cookies: {", ".join(self) or "none"}>'

    def get_dict(self) -> dict[str, str]:
        """Return a copy as a dict."""
        return self._transport.session.cookies()


_NAMES: tuple[tuple[type[errors.DatabaseError], str], ...] = (
    (errors.NetworkTimeout, 'Timeout'),
    (errors.NetworkError, 'ConnectionError'),
)
_CLASSES: dict[tuple[type[Any], str], type[Any]] = {}
"""Classes created by `also_of_requests`, by the library's class and the name in requests."""


def also_of_requests(error: errors.DatabaseError, name: str = '') -> errors.DatabaseError:
    """Return the error as one that is an exception of requests as well.

    Programs written for pyxnat 1.x catch ``requests.Timeout``, ``requests.ConnectionError`` or
    ``requests.HTTPError``. ``except`` looks only at base classes, so the returned error derives
    from the library's class and that of requests. If the program has not loaded requests, which is
    not imported here, the error itself is returned. Pickling yields the plain error.

    Parameters
    ----------
    error : DatabaseError
        Error of the library.
    name : str
        Class of requests; by default chosen by the type of the error.
    """
    requests = sys.modules.get('requests.exceptions')
    name = name or next((theirs for ours, theirs in _NAMES if isinstance(error, ours)), '')
    if requests is None or not name:
        return error
    ours, theirs = type(error), getattr(requests, name)
    if (ours, name) not in _CLASSES:
        members = {'__module__': ours.__module__, '__doc__': ours.__doc__, '__reduce__': _reduce}
        _CLASSES[ours, name] = type(ours.__name__, (ours, theirs), members)
    combined: errors.DatabaseError = _CLASSES[ours, name](
        error.message, uri=error.uri, method=error.method, status=error.status, remedy=error.remedy
    )
    return combined


def _reduce(error: Any) -> Any:
    plain = type(error).__mro__[1]
    return plain(
        error.message, uri=error.uri, method=error.method, status=error.status, remedy=error.remedy
    ).__reduce__()
