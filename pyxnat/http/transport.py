"""Transport: sends all requests to a server.

`Transport.stream` returns a response before its body is read; `Transport.request` reads the body,
for small responses. Both use the login session, retry, follow redirects, check status and content,
and record the request.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from copy import copy
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from .. import errors
from ..cache import Cache, is_write
from ..files.disk import http_time
from ..model.uris import as_sent
from ..patterns import pattern
from ..version import __version__
from .body import Body, Payload
from .connection import (
    NETWORK_EXCEPTIONS,
    Answer,
    Http,
    Stream,
    Timeouts,
    is_lasting,
    network_error,
    response_error,
)
from .context_path import may_be_elsewhere, other_root
from .folder import Folder, FolderHttp
from .progress import progress_bar
from .proxies import connection_type, proxy_for
from .redirects import MOST_REDIRECTS, REDIRECTS, Origin, Target, target_of
from .session import EXPIRATION_COOKIE, Session, Ticket
from .thread_connections import ThreadConnections
from .tracing import Record, Trace
from .validation import ANY, KINDS, PART, Fault, Kind, find_fault, is_plainly_right, kind_of

__all__ = ['BACKOFF_S', 'BUSY', 'MAX_RETRY_AFTER_S', 'Transport']

log = logging.getLogger('pyxnat.http')

BUSY = frozenset({429, 502, 503, 504})
"""Statuses of a busy server, for which requests are retried."""

BACKOFF_S = 0.2
"""Pause before the first retry in seconds; doubled for each further one.

Each pause is varied by up to half, so that many clients do not retry at the same time.
"""

MAX_RETRY_AFTER_S = 60.0
"""Longest pause for a ``Retry-After`` header, in seconds."""

_RENEWALS = 3
"""Most logins for one request, whose session expires each time."""

_LOGIN_SERVICE = '/data/services/auth'
_SESSION = '/data/JSESSION'
_ELSEWHERE = pattern(r'(^|/)(\.|%2e){1,2}(/|\Z)', re.IGNORECASE)
"""A segment ``.`` or ``..`` of a path, also if encoded."""
_SECONDS = pattern(r'[0-9]{1,9}')
_SECRET_HEADERS = frozenset({'authorization', 'cookie'})


class _Call(NamedTuple):
    """A request, which may take several attempts."""

    method: str
    uri: str
    payload: Payload
    headers: dict[str, str]
    timeouts: Timeouts
    kind: Kind
    target: Target | None = None
    """Target of a redirect that is followed."""

    @property
    def may_repeat(self) -> bool:
        return self.payload.may_repeat(self.method)


class Transport:
    """Client of one server, with a kept-alive connection per thread.

    Parameters
    ----------
    session : Session
        Login session of the requests.
    cache : Cache
        Marked at each write; while it is offline, no request is sent.
    verify : bool or str
        Whether certificates are checked; a `str` is the path of a CA bundle (PEM).
    proxy : str, optional
        URL of a proxy; by default ``http_proxy``, ``https_proxy`` and ``no_proxy`` of the
        environment decide.
    timeouts : Timeouts
        Seconds for connecting, and between two bytes.
    retries : int
        Number of retries if the connection breaks or the server is busy. GET, HEAD, DELETE, and
        PUT of a body that can be rewound are retried; other requests only if no byte was sent.
    cert : pair of str, optional
        Files (PEM) of the client's certificate and key.
    folder : Folder, optional
        For a server of the scheme ``file``.
    """

    def __init__(
        self,
        session: Session,
        cache: Cache,
        *,
        verify: bool | str = True,
        proxy: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = 4,
        cert: tuple[str, str] | None = None,
        folder: Folder | None = None,
    ) -> None:
        self.folder = folder
        self.session = session
        self.cache = cache
        self.cert = cert
        self.server = session.server
        self.verify = verify
        self.proxy = proxy
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        self.headers: dict[str, str] = {'user-agent': f'pyxnat/{__version__}'}
        self._connections = ThreadConnections()
        self._connection_type = connection_type(
            self.server.partition(':')[0], proxy_for(self.server, proxy)
        )
        self._traces: tuple[Trace, ...] = ()
        self._has_worked = False

    def __repr__(self) -> str:
        return f'<Transport to {self.server}>'

    def twin(self) -> Transport:
        """Return a transport with the same session and its own connections.

        It is for a response that is read while the same thread sends other requests.
        """
        other = copy(self)
        other._connections = ThreadConnections()
        return other

    def request(
        self,
        method: str,
        uri: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: Any = None,
        kind: Kind | None = None,
    ) -> Answer:
        """Send a request and return the response with its body.

        Parameters
        ----------
        method : str
            HTTP method, in any case.
        uri : str
            Encoded, below the server's URL; the leading slash may be missing.
        body : Body, optional
            Body of the request.
        headers : mapping, optional
            Headers of the request.
        timeout : float or pair, optional
            Seconds, in place of the Interface's timeouts.
        kind : Kind, optional
            The responses that are right; by default those of `kind_of`.

        Raises
        ------
        DatabaseError
            The response does not fit the request (`find_fault`); by
            :data:`pyxnat.errors.STATUS_TABLE` and :data:`pyxnat.http.connection.EXCEPTIONS`.
        """
        call = self._call(method, uri, body, headers, timeout, kind)
        attempt = 1
        while True:
            stream = self._ask(call, attempt)
            try:
                with self._reading(stream):
                    return Answer(stream.status, stream.reason, stream.headers, stream.read())
            except errors.NetworkError as error:
                is_timeout = isinstance(error, errors.NetworkTimeout)  # costs its time each time
                if is_timeout or not call.may_repeat or attempt > self.retries:
                    raise
            self.pause(attempt)
            attempt += 1

    @contextmanager
    def stream(
        self,
        method: str,
        uri: str,
        body: Body | Payload = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: Any = None,
        kind: Kind | None = None,
    ) -> Iterator[Stream]:
        """Send a request and yield the response before its body is read.

        Parameters
        ----------
        method, uri, body, headers, timeout, kind
            As for `request`.

        Raises
        ------
        DatabaseError
            As for `request`.
        """
        call = self._call(method, uri, body, headers, timeout, kind)
        stream = self._ask(call, 1)
        with self._reading(stream):
            yield stream

    def _call(
        self,
        method: str,
        uri: str,
        body: Body | Payload,
        headers: Mapping[str, str] | None,
        timeout: Any,
        kind: Kind | None,
    ) -> _Call:
        payload = body if isinstance(body, Payload) else Payload(body)
        timeouts = self.timeouts if timeout is None else Timeouts.of(timeout)
        plain = {'accept-encoding': 'identity', **self.headers}
        for name, value in headers.items() if headers else ():
            plain[name.lower()] = value
        if payload.length is not None and not payload.is_empty and 'content-length' not in plain:
            plain['content-length'] = str(payload.length)
        method, uri = method.upper(), self.relative(uri)
        return _Call(method, uri, payload, plain, timeouts, kind or kind_of(method, uri))

    def relative(self, uri: str) -> str:
        """Return a URI relative to the server, with a leading slash.

        Raises
        ------
        ProgrammingError
            The URI belongs to another server, or has a segment ``.`` or ``..``.
        """
        uri = uri.removeprefix(self.server)
        if '://' in uri.partition('?')[0]:
            raise errors.ProgrammingError(
                'the URI belongs to another server', uri=uri, remedy=f'Use a URI of {self.server}.'
            )
        uri = uri if uri.startswith('/') else f'/{uri}'
        if _ELSEWHERE.search(uri.partition('?')[0]):
            raise errors.ProgrammingError(
                'the URI has a segment "." or ".."', uri=uri, remedy='No name can be "." or "..".'
            )
        return uri

    def _ask(self, call: _Call, attempt: int) -> Stream:
        """Send a request, with retries, and mark the cache if it is a write.

        Attempts are counted from `attempt`.
        """
        if self.cache.is_offline:
            raise errors.OfflineError(
                'no request is sent while the cache is offline',
                uri=self.server + call.uri,
                method=call.method,
                remedy='Set interface.cache.mode to "online".',
            )
        with self.cache.stamp.changing() if is_write(call.method, call.uri) else nullcontext():
            if call.payload.is_small:
                return self._attempts(call, attempt)
            with progress_bar(call.payload.length, name=call.uri) as bar:
                call.payload.watch = bar.update
                return self._attempts(call, attempt)

    def _attempts(self, call: _Call, attempt: int) -> Stream:
        renewed, led = 0, 0
        while True:
            ends = self.session.ends
            got = self._attempt(call, attempt)
            if isinstance(got, Exception):
                if (
                    is_lasting(got)
                    or attempt > self.retries
                    or not (call.may_repeat or call.payload.untouched)
                ):
                    raise network_error(got, call.method, self.server + call.uri) from got
                self.pause(attempt)
            elif got.session == 'expired' and call.payload.rewinds and renewed < _RENEWALS:
                renewed += ends == self.session.ends  # not if this process ended it
                self._discard(got)
                continue
            elif got.session and 200 <= got.status < 300 and got.fault is None:
                self._discard(got)
                raise _not_the_login(call, got, self.session.login)
            elif got.status in BUSY and attempt <= self.retries and call.may_repeat:
                self._discard(got)
                self.pause(attempt, got.headers.get('retry-after'))
            elif (
                got.status in REDIRECTS
                and (target := self._target(call, got)) is not None
                and led < MOST_REDIRECTS
            ):
                led += 1
                call = call._replace(target=target)
                self._discard(got)
                continue
            else:
                return self._checked(call, got)
            attempt += 1

    def _target(self, call: _Call, got: Stream) -> Target | None:
        if got.status in call.kind.statuses:
            return None
        try:
            return target_of(
                call.method,
                got.uri,
                got.status,
                got.headers.get('location', ''),
                rewinds=call.payload.rewinds,
                origin=Origin(call.uri, self.session.has_login, call.kind.is_of_files),
            )
        except errors.DatabaseError:
            self._discard(got)
            raise

    def _attempt_elsewhere(self, call: _Call, attempt: int) -> Stream | Exception:
        """Send a request to another server, without session and cookies."""
        url = call.target.url if call.target else ''
        record = Record(
            call.method, url.partition('?')[0], attempt
        )  # queries of storage services are signed
        try:
            return self._send(call, {}, record)
        except NETWORK_EXCEPTIONS as error:
            self._connections.drop()
            self.note(record)
            return error

    def _attempt(self, call: _Call, attempt: int) -> Stream | Exception:
        """Send a request once; return its response or network exception."""
        if call.target is not None and not call.target.trusted:
            return self._attempt_elsewhere(call, attempt)
        record = Record(call.method, call.uri, attempt)
        ticket = self.session.ticket()
        stream = None
        state = ''
        try:
            if ticket.needs_login_service:
                self._log_in(ticket)
            stream = self._send(call, ticket.headers, record)
            fault = stream.fault
        except errors.OfflineError:  # of a mirror that fetches a file: nothing to repeat
            self._connections.drop()
            raise
        except NETWORK_EXCEPTIONS as error:
            self._connections.drop()
            return error
        except BaseException:
            self._connections.drop()
            raise
        finally:
            if record.status is None:
                self.note(record)
            state = self.session.settle(
                ticket, stream.status if stream else None, stream.set_cookies if stream else []
            )
        is_login_page = fault is not None and fault.error is errors.AuthenticationError
        if is_login_page and not ticket.opens and not state:
            state = 'expired' if self.session.expire(ticket.generation) else ''
        stream.session = state
        return stream

    def _send(self, call: _Call, session_headers: dict[str, str], record: Record) -> Stream:
        http = self._connections.mine(self._connect)
        started = time.monotonic()
        http.timeouts = call.timeouts
        url, headers, connection = (
            self.server + as_sent(call.uri),
            {**call.headers, **session_headers},
            self._connection_type,
        )
        if call.target is not None:
            url, connection = (
                call.target.url,
                connection_type(
                    call.target.url.partition(':')[0], proxy_for(call.target.url, self.proxy)
                ),
            )
            headers = (
                headers
                if call.target.trusted
                else {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
            )
        try:
            body: Any = call.payload
            response, _ = http.request(url, call.method, body, headers, connection_type=connection)
        finally:
            record.sent = call.payload.sent
            record.ms = (time.monotonic() - started) * 1000
        record.status = response.status
        assert http.raw is not None
        stream = Stream(call.method, url, response, http.raw, record)
        stream.fault = self._fault_of(call, stream)
        return stream

    def _connect(self) -> Http | FolderHttp:
        """Return a new connection, which is opened by its first request."""
        if self.folder is not None:
            return FolderHttp(self.folder, self.timeouts)
        ca_certs = os.path.expanduser(self.verify) if isinstance(self.verify, str) else None
        http = Http(
            self.timeouts,
            disable_ssl_certificate_validation=self.verify is False,
            proxy_info=None,
            ca_certs=ca_certs,
        )
        if self.cert is not None:
            certificate, key = self.cert
            # httplib2 shows it to servers of this name and port alone
            http.add_certificate(key, certificate, urlsplit(self.server).netloc)
        return http

    def _fault_of(self, call: _Call, stream: Stream) -> Fault | None:
        """Return why a response does not fit its request; reads the begin of its body."""
        kind, status, headers = call.kind, stream.status, stream.headers
        if status not in kind.statuses:
            return find_fault(kind, status, headers, b'')
        if kind is ANY or kind is PART:
            return None
        first = stream.peek()
        is_foreign = (
            self.session.is_marked
            and EXPIRATION_COOKIE not in headers.get('set-cookie', '')
            and call.target is None
            and not call.uri.startswith('/xapi/')
        )
        if not is_foreign and is_plainly_right(kind, headers, first):
            return None
        return find_fault(kind, status, headers, stream.begin(), stream.page, is_foreign=is_foreign)

    def _log_in(self, ticket: Ticket) -> None:
        """Open the session through the login service.

        For credentials that Basic authentication cannot transmit.
        """
        body = Payload(
            urlencode(self.session.credentials.form() if self.session.credentials else {})
        )
        headers = {
            **self.headers,
            'content-type': 'application/x-www-form-urlencoded',
            'content-length': str(body.length),
        }
        call = _Call('PUT', _LOGIN_SERVICE, body, headers, self.timeouts, KINDS['login'])
        stream = self._send(call, {}, Record(call.method, call.uri))
        with self._reading(stream):
            self._checked(call, stream)
            session_id = stream.read().decode('ascii', 'replace').strip()
        self.session.adopt([f'JSESSIONID={session_id}', *stream.set_cookies])
        ticket.headers.update(self.session.ticket_headers())
        if not self.session.is_open:
            raise errors.UnexpectedAnswer(
                'the login service opened no session',
                uri=stream.uri,
                method=call.method,
                status=stream.status,
                remedy='Check the URL of the server, and provider=.',
            )

    def _checked(self, call: _Call, stream: Stream) -> Stream:
        """Return a response if the caller accepts its status; else raise."""
        if stream.fault is None:
            self._has_worked = True
            return stream
        with self._reading(stream):
            begin = stream.peek()
            error = response_error(stream)
        error.attempts = stream.record.attempt
        if stream.status in (401, 403) and not self.session.login:
            error.remedy = (
                'A guest may not do this here: log in, with user and password or a token.'
            )
        elif (
            call.method == 'GET'
            and not self._has_worked
            and may_be_elsewhere(stream.status, begin, error)
        ):
            error.remedy = other_root(self, stream.headers.get('location', '')) or error.remedy
        raise error

    @contextmanager
    def _reading(self, stream: Stream) -> Iterator[None]:
        """Record the time in which a body is read.

        A connection with an unread rest of the body is closed.
        """
        started = time.monotonic()
        try:
            yield
        finally:
            stream.record.ms += (time.monotonic() - started) * 1000
            self.note(stream.record)
            if not stream.is_finished:
                self._connections.drop()

    def _discard(self, stream: Stream) -> None:
        with self._reading(stream):
            b''.join(islice(stream, 4))

    def pause(self, attempt: int, retry_after: str | None = None) -> None:
        """Sleep before a retry.

        Parameters
        ----------
        attempt : int
            Number of the attempt that failed; the pause doubles with each.
        retry_after : str, optional
            ``Retry-After`` header; a longer pause than the usual one is respected up to 60 s.
        """
        pause_s = BACKOFF_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        least_s = _seconds(retry_after)
        time.sleep(
            min(max(pause_s, least_s), MAX_RETRY_AFTER_S) if least_s is not None else pause_s
        )

    def note(self, record: Record) -> None:
        """Add the record of a request to the log and to all traces."""
        log.debug('%s', record)
        for trace in self._traces:
            trace.add(record)

    @contextmanager
    def trace(self, path: str | os.PathLike[str] | None = None) -> Iterator[Trace]:
        """Record the requests of all threads while the block runs.

        With `path`, a line of JSON for each is appended to a file.
        """
        with open(path, 'a', encoding='utf-8') if path is not None else nullcontext() as file:
            trace = Trace(file)
            self._traces = (*self._traces, trace)
            try:
                yield trace
            finally:
                self._traces = tuple(other for other in self._traces if other is not trace)

    def open_session(self) -> None:
        """Open a session if there is none. One request, or none.

        None for a guest, and while the cache is offline.
        """
        if self.session.credentials and not self.session.is_open and not self.cache.is_offline:
            self.request('GET', _SESSION)

    def close_session(self, timeout: Any = None, request: bool = True) -> None:
        """End the session and close the connections. One request, or none.

        A session that another process opened is not ended on the server. Requests of other threads
        are completed; a later one opens another session. If nothing listens at the server's port
        any more, the session has ended with the server.

        Parameters
        ----------
        timeout : float or pair, optional
            Seconds, in place of the Interface's timeouts.
        request : bool
            Whether to end the session on the server, too.
        """
        try:
            if request and self.session.is_ours and not self.cache.is_offline:
                call = self._call('DELETE', _SESSION, None, None, timeout, ANY)
                got = self._attempt(call, 1)
                if isinstance(got, Exception) and not is_lasting(got):
                    got = self._attempt(call, 2)  # the server had closed the connection
                if isinstance(got, Exception) and not self._is_gone(got):
                    raise network_error(got, 'DELETE', self.server + _SESSION) from got
                if isinstance(got, Stream):
                    self._discard(got)
        finally:
            self.session.forget()
            self._connections.close()
            if self.folder is not None:
                self.folder.close()

    def _is_gone(self, error: Exception) -> bool:
        """Whether the server has ended, and the session with it.

        Nothing listens at its port.
        """
        is_gone = isinstance(error, ConnectionRefusedError)
        if is_gone:
            log.debug('the session on %s ended with the server', self.server)
        return is_gone

    @property
    def is_used_here(self) -> bool:
        """Whether the calling thread has sent requests."""
        return self._connections.has_mine()

    def close_connections(self) -> None:
        """Close the connections of all threads.

        The session stays open, and a later request opens a new connection.
        """
        self._connections.close()

    def abort(self, threads: Iterable[threading.Thread]) -> None:
        """Make the current and all later requests of threads fail at once."""
        self._connections.abort(threads)


def _not_the_login(call: _Call, stream: Stream, login: str) -> errors.AuthenticationError:
    """Return the error for a response that belongs to a guest."""
    return errors.AuthenticationError(
        f'the server answers a guest, and not {login or "the session that was given"}: the session '
        'has ended',
        uri=stream.uri,
        method=call.method,
        status=stream.status,
        remedy='Log in again; a token may have expired.',
    )


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a ``Retry-After`` header: a number, or a date."""
    if retry_after and _SECONDS.fullmatch(retry_after.strip()):
        return float(retry_after)
    date = http_time(retry_after)
    return date - time.time() if date is not None else None
