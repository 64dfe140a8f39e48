"""Plain requests with the interface of the requests library.

``interface.get``, ``put``, ``post``, ``delete`` and ``head`` check neither status nor content type,
as scripts written for pyxnat 1.x expect; a server that cannot be reached is still an error. Bodies
are streamed in both directions: ``files=`` is sent from the open files, and with ``stream=True`` a
response is read only as far as it is used.
"""

from __future__ import annotations

import json as jsonlib
import re
import time
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urljoin

import six

from .. import errors
from ..http.body import Body
from ..http.pages import MOST_OF_A_PAGE, begins_page
from ..http.redirects import MOST_REDIRECTS
from ..http.transport import Transport
from ..http.validation import ANY
from ..model import uris
from .multipart import Multipart, parts
from .requests_errors import network_errors
from .requests_response import Asked, Headers, Response
from .session_settings import check_settings, proxies_of

__all__ = ['Connection', 'request']


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
    hooks: Mapping[str, Any] | None = None,
    **settings: Any,
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
    hooks : mapping, optional
        ``response``: a function, or a list of them, that takes the response, and may return another
        one in its place.
    **settings
        ``verify``, ``auth``, ``cert``, ``proxies`` and ``cookies``, which must be those of the
        Interface (`check_settings`).
    """
    check_settings(transport, **settings)
    body, sent = _body(data, json, files)
    sent.update(
        {
            name.lower(): six.ensure_text(value)
            for name, value in (headers or {}).items()
            if value is not None
        }
    )
    wanted = _Request(method, _query(uri, params), body, sent)
    history: list[Response] = []
    if stream:
        transport = transport.twin()  # the thread may send other requests before the body is read
    while True:
        response = _send(transport, wanted, timeout, history)
        may_follow = allow_redirects and len(history) < MOST_REDIRECTS
        target = _target(transport, response) if may_follow else None
        if target is None:
            break
        history = [*history, response]
        wanted = wanted.redirected(response.status_code, target)
        response.close()
    if stream:
        response.when_closed(transport.close_connections)
    else:
        _ = response.content
    hook = (hooks or {}).get('response') or []
    for function in hook if isinstance(hook, (list, tuple)) else [hook]:
        response = function(response) or response
    return response


class _Request(NamedTuple):
    """A request to send."""

    method: str
    uri: str
    body: Body
    headers: dict[str, str]

    def redirected(self, status: int, target: str) -> _Request:
        """Return the request after a redirect.

        It may be a GET without a body.

        Parameters
        ----------
        status : int
            Status of the redirect.
        target : str
            URL to request.
        """
        if status == 303 or (status in (301, 302) and self.method != 'HEAD'):
            kept = {
                name: value
                for name, value in self.headers.items()
                if not name.startswith('content-')
            }
            return _Request('GET', target, None, kept)
        return self._replace(uri=target)


def _send(
    transport: Transport, wanted: _Request, timeout: Any, history: list[Response]
) -> Response:
    """Send one request and return the response, unread."""
    asked = Asked(wanted.method, urljoin(f'{transport.server}/', wanted.uri.lstrip('/')))
    asked.headers.update(wanted.headers)
    asked.body = wanted.body
    started = time.monotonic()
    with ExitStack() as stack, network_errors(asked):
        try:
            stream = stack.enter_context(
                transport.stream(
                    wanted.method,
                    wanted.uri,
                    wanted.body,
                    wanted.headers,
                    timeout=timeout,
                    kind=ANY,
                )
            )
        except errors.AuthenticationError as error:
            page = error.message.encode()
            return Response(asked, error.uri or '', error.status or 0, error.message, {}, [], page)
        response = Response(
            asked,
            stream.uri,
            stream.status,
            stream.reason,
            stream.headers,
            history,
            stream,
            stack.pop_all(),
        )
        response.elapsed = timedelta(seconds=time.monotonic() - started)
        response.cookies.read(stream.set_cookies)
        return response


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
        """Whether certificates are checked. It can be set to the value that it has."""
        return self._transport.verify

    @verify.setter
    def verify(self, verify: bool | str) -> None:
        check_settings(self._transport, verify=verify)

    @property
    def auth(self) -> Any:
        """Cannot be read: passwords are in no attribute.

        It can be set to the login that it has.
        """
        raise errors.ProgrammingError(
            'the password of an Interface is in no attribute', remedy='Keep your own.'
        )

    @auth.setter
    def auth(self, auth: Any) -> None:
        check_settings(self._transport, auth=auth)

    @property
    def proxies(self) -> dict[str, str]:
        """Scheme -> URL of the proxy; a change has no effect."""
        return proxies_of(self._transport)

    @proxies.setter
    def proxies(self, proxies: Mapping[str, str]) -> None:
        check_settings(self._transport, proxies=proxies)

    def mount(self, prefix: str, adapter: Any) -> None:
        """Do nothing but warn: an Interface has no adapters.

        Parameters
        ----------
        prefix, adapter
            As for ``requests.Session.mount``.
        """
        warnings.warn(
            f'mount({prefix!r}, …) has no effect: give retries= and timeout= to the Interface',
            stacklevel=2,
        )

    def execute(
        self, uri: str, method: str, body: Any, headers: Mapping[str, str] | None, **options: Any
    ) -> bytes:
        """Send a request with options of requests; return the body of the response.

        Parameters
        ----------
        uri, method, body, headers
            As for ``Interface._exec``.
        **options
            Keyword arguments of :func:`request`.

        Raises
        ------
        DatabaseError
            The status is 400 or more, or the response is an HTML page.
        """
        sent = {'params' if method.upper() == 'GET' else 'data': body, **options}
        response = self.request(method, uri, headers=headers, **sent)
        response.raise_for_status()
        content = response.content
        if begins_page(content[:MOST_OF_A_PAGE]):
            raise errors.UnexpectedAnswer(
                'an HTML page', uri=response.url, method=method, remedy='Check the URI.'
            )
        return content

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
