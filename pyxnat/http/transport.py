"""The one door to the network.

`Transport.stream` sends a request and gives its answer before the body is read; `Transport.request` reads it whole, for answers that are small.
Below both: the login session, the retries, the checks of status and content, and the record of what was asked.
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
from urllib.parse import urlencode
from weakref import WeakSet

from .. import errors
from ..cache import Cache, is_write
from ..files.disk import http_time
from ..model.uris import as_sent
from ..version import __version__
from .body import Body, Payload
from .connection import NETWORK_EXCEPTIONS, Answer, Http, Stream, Timeouts, is_lasting, is_login_page, is_no_data, network_error, page_error
from .proxies import connection_type, proxy_for
from .redirects import MOST_REDIRECTS, REDIRECTS, Target, target_of
from .session import Session, Ticket
from .tracing import Record, Trace

__all__ = ['BACKOFF_S', 'BUSY', 'MAX_RETRY_AFTER_S', 'Transport']

log = logging.getLogger('pyxnat.http')

BUSY = frozenset({429, 502, 503, 504})
"""Statuses that say: not now."""

BACKOFF_S = 0.2
"""Pause before the first repeat; doubled for each further one, and varied by half so that many clients do not come back together."""

MAX_RETRY_AFTER_S = 60.0
"""Longest pause that a server's ``Retry-After`` is granted."""

_LOGIN_SERVICE = '/data/services/auth'
_SESSION = '/data/JSESSION'
_ELSEWHERE = re.compile(r'(^|/)(\.|%2e){1,2}(/|\Z)', re.IGNORECASE)
"""A segment of a path that means another place."""
_SECRET_HEADERS = frozenset({'authorization', 'cookie'})


class _Call(NamedTuple):
    """One request, whatever number of attempts it takes."""

    method: str
    uri: str
    payload: Payload
    headers: dict[str, str]
    timeouts: Timeouts
    accept_pages: bool = False
    accept_status: frozenset[int] = frozenset()
    target: Target | None = None
    """Where a redirect led."""

    def accepts(self, status: int) -> bool:
        return 200 <= status < 300 or status in self.accept_status

    @property
    def may_repeat(self) -> bool:
        return self.payload.may_repeat(self.method)


class Transport:
    """Sends requests to one server, over a connection per thread that is kept alive.

    Parameters
    ----------
    session : Session
        The login session that requests ride on.
    cache : Cache
        Is told of writes; while it is offline nothing is asked.
    verify : bool or str
        Whether certificates are checked; a `str` is the path of a CA bundle (PEM).
    proxy : str, optional
        URL of a proxy; by default ``http_proxy``, ``https_proxy`` and ``no_proxy`` of the environment.
    timeouts : Timeouts
        Seconds for connecting, and between two bytes.
    retries : int
        How often a request is repeated when the connection breaks or the server is busy: GET, HEAD, DELETE, and PUT of a body that can be read
        again; of other requests only those of which no byte was sent.
    cert : pair of str, optional
        Files (PEM) of the client's certificate and of its key.
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
    ) -> None:
        self.session = session
        self.cache = cache
        self.cert = cert
        self.server = session.server
        self.verify = verify
        self.proxy = proxy
        self.timeouts = timeouts or Timeouts()
        self.retries = retries
        self.headers: dict[str, str] = {'user-agent': f'pyxnat/{__version__}'}
        self._connections = _Connections()
        self._connection_type = connection_type(self.server.partition(':')[0], proxy_for(self.server, proxy))
        self._traces: tuple[Trace, ...] = ()

    def __repr__(self) -> str:
        return f'<Transport to {self.server}>'

    def twin(self) -> Transport:
        """Another on the same session, with connections of its own: for an answer that is read while others are asked for."""
        other = copy(self)
        other._connections = _Connections()
        return other

    def request(
        self,
        method: str,
        uri: str,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: Any = None,
        accept_pages: bool = False,
        accept_status: frozenset[int] = frozenset(),
    ) -> Answer:
        """Ask, and read the whole answer.

        Parameters
        ----------
        uri : str
            Encoded, below the server's URL; a leading slash may be missing.
        timeout : float or pair, optional
            Seconds, in place of the Interface's timeouts.
        accept_pages : bool
            Whether an HTML page is a proper answer.
        accept_status : frozenset of int
            Statuses besides 2xx that are proper answers.

        Raises
        ------
        DatabaseError
            By :data:`pyxnat.errors.STATUS_TABLE` and :data:`pyxnat.http.connection.EXCEPTIONS`.
        """
        call = self._call(method, uri, body, headers, timeout, accept_pages, accept_status)
        attempt = 1
        while True:
            stream = self._ask(call, attempt)
            try:
                with self._reading(stream):
                    return Answer(stream.status, stream.reason, stream.headers, stream.read())
            except errors.NetworkError:
                if not call.may_repeat or attempt > self.retries:
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
        accept_pages: bool = False,
        accept_status: frozenset[int] = frozenset(),
    ) -> Iterator[Stream]:
        """Ask, and give the answer before its body is read. Parameters and errors are those of `request`."""
        call = self._call(method, uri, body, headers, timeout, accept_pages, accept_status)
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
        accept_pages: bool,
        accept_status: frozenset[int],
    ) -> _Call:
        payload = body if isinstance(body, Payload) else Payload(body)
        timeouts = self.timeouts if timeout is None else Timeouts.of(timeout)
        plain = {'accept-encoding': 'identity', **self.headers}
        for name, value in headers.items() if headers else ():
            plain[name.lower()] = value
        if payload.length is not None and not payload.is_empty and 'content-length' not in plain:
            plain['content-length'] = str(payload.length)
        return _Call(method.upper(), self.relative(uri), payload, plain, timeouts, accept_pages, accept_status)

    def relative(self, uri: str) -> str:
        """A URI below the server, encoded, with a slash before it.

        Raises
        ------
        ProgrammingError
            It belongs to another server, or leads out of this one.
        """
        uri = uri.removeprefix(self.server)
        if '://' in uri.partition('?')[0]:
            raise errors.ProgrammingError('the URI belongs to another server', uri=uri, remedy=f'This Interface asks {self.server} alone.')
        uri = uri if uri.startswith('/') else f'/{uri}'
        if _ELSEWHERE.search(uri.partition('?')[0]):
            raise errors.ProgrammingError('the URI has a part that means another place', uri=uri, remedy='No name can be "." or "..".')
        return uri

    def _ask(self, call: _Call, attempt: int) -> Stream:
        """An answer worth looking at; the first attempt is number `attempt`. Whatever it may change is made known to the cache."""
        if self.cache.is_offline:
            what = 'nothing is asked while the cache is offline'
            raise errors.OfflineError(what, uri=self.server + call.uri, method=call.method, remedy='Set interface.cache.mode to "online".')
        with self.cache.stamp.changing() if is_write(call.method, call.uri) else nullcontext():
            return self._attempts(call, attempt)

    def _attempts(self, call: _Call, attempt: int) -> Stream:
        renewed, led = False, 0
        while True:
            got = self._attempt(call, attempt)
            if isinstance(got, Exception):
                if is_lasting(got) or attempt > self.retries or not (call.may_repeat or call.payload.untouched):
                    raise network_error(got, call.method, self.server + call.uri) from got
                self.pause(attempt)
            elif got.session_died and not renewed and call.payload.rewinds:
                renewed = True
                self._discard(got)
                continue
            elif got.status in BUSY and attempt <= self.retries and call.may_repeat:
                self._discard(got)
                self.pause(attempt, got.headers.get('retry-after'))
            elif got.status in REDIRECTS and (target := self._target(call, got)) is not None and led < MOST_REDIRECTS:
                led += 1
                call = call._replace(target=target)
                self._discard(got)
                continue
            else:
                return self._checked(call, got)
            attempt += 1

    def _target(self, call: _Call, got: Stream) -> Target | None:
        if call.accepts(got.status):
            return None
        try:
            return target_of(call.method, got.uri, got.status, got.headers.get('location', ''), rewinds=call.payload.rewinds)
        except errors.DatabaseError:
            self._discard(got)
            raise

    def _attempt_elsewhere(self, call: _Call, attempt: int) -> Stream | Exception:
        """One request to another server, which is shown nothing of the login."""
        url = call.target.url if call.target else ''
        record = Record(call.method, url.partition('?')[0], attempt)  # queries of storage services are signed
        try:
            return self._send(call, {}, record)
        except NETWORK_EXCEPTIONS as error:
            self._connections.drop()
            self.note(record)
            return error

    def _attempt(self, call: _Call, attempt: int) -> Stream | Exception:
        """One request on the wire: its answer, or what broke."""
        if call.target is not None and not call.target.trusted:
            return self._attempt_elsewhere(call, attempt)
        record = Record(call.method, call.uri, attempt)
        ticket = self.session.ticket()
        stream = None
        died = False
        try:
            if ticket.needs_login_service:
                self._log_in(ticket)
            stream = self._send(call, ticket.headers, record)
            page = not call.accept_pages and call.accepts(stream.status) and stream.is_page and is_login_page(stream)
        except NETWORK_EXCEPTIONS as error:
            self._connections.drop()
            return error
        except BaseException:
            self._connections.drop()
            raise
        finally:
            if record.status is None:
                self.note(record)
            died = self.session.settle(ticket, stream.status if stream else None, stream.set_cookies if stream else [])
        stream.session_died = died or (page and not ticket.opens and self.session.expire(ticket.generation))
        return stream

    def _send(self, call: _Call, session_headers: dict[str, str], record: Record) -> Stream:
        http = self._connections.mine(self)
        started = time.monotonic()
        http.timeouts = call.timeouts
        url, headers, connection = self.server + as_sent(call.uri), {**call.headers, **session_headers}, self._connection_type
        if call.target is not None:
            url, connection = call.target.url, connection_type(call.target.url.partition(':')[0], proxy_for(call.target.url, self.proxy))
            headers = headers if call.target.trusted else {name: value for name, value in headers.items() if name not in _SECRET_HEADERS}
        try:
            body: Any = call.payload
            response, _ = http.request(url, call.method, body, headers, connection_type=connection)
        finally:
            record.sent = call.payload.sent
            record.ms = (time.monotonic() - started) * 1000
        record.status = response.status
        assert http.raw is not None
        return Stream(call.method, url, response, http.raw, record)

    def _log_in(self, ticket: Ticket) -> None:
        """Open the session through the login service, for credentials that Basic authentication cannot carry."""
        body = Payload(urlencode(self.session.credentials.form() if self.session.credentials else {}))
        headers = {**self.headers, 'content-type': 'application/x-www-form-urlencoded', 'content-length': str(body.length)}
        call = _Call('PUT', _LOGIN_SERVICE, body, headers, self.timeouts)
        stream = self._send(call, {}, Record(call.method, call.uri))
        with self._reading(stream):
            self._checked(call, stream)
            session_id = stream.read().decode('ascii', 'replace').strip()
        cookies = stream.set_cookies or [f'JSESSIONID={session_id}']
        self.session.adopt(cookies)
        ticket.headers.update(self.session.ticket_headers())

    def _checked(self, call: _Call, stream: Stream) -> Stream:
        """The answer, if it is one that the caller can use; else its error."""
        if call.accepts(stream.status):
            if call.accept_pages or not stream.is_page or not is_no_data(stream):
                return stream
            with self._reading(stream):
                raise page_error(stream)
        with self._reading(stream):
            message = errors.server_message(b''.join(islice(stream, 4)), stream.reason)
        error = errors.from_status(stream.status, message, method=call.method, uri=stream.uri)
        if stream.status == 401 and not self.session.login:
            error.remedy = 'The site is not open to guests: log in, with user and password or a token.'
        raise error

    @contextmanager
    def _reading(self, stream: Stream) -> Iterator[None]:
        """While the body is read: its time is recorded, and a connection with an unread rest is not used again."""
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
        """Wait before another attempt: longer each time, or as long as the server asks for."""
        pause_s = BACKOFF_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        asked_s = _seconds(retry_after)
        time.sleep(min(max(pause_s, asked_s), MAX_RETRY_AFTER_S) if asked_s is not None else pause_s)

    def note(self, record: Record) -> None:
        """Tell log and traces of a request that has ended, or was answered from the cache."""
        log.debug('%s', record)
        for trace in self._traces:
            trace.add(record)

    @contextmanager
    def trace(self, path: str | os.PathLike[str] | None = None) -> Iterator[Trace]:
        """Record the requests of all threads while the block runs, in a file as well, if one is named."""
        with open(path, 'a', encoding='utf-8') if path is not None else nullcontext() as file:
            trace = Trace(file)
            self._traces = (*self._traces, trace)
            try:
                yield trace
            finally:
                self._traces = tuple(other for other in self._traces if other is not trace)

    def open_session(self) -> None:
        """Make sure that a login has a session; one request if it had none, and none while the cache is offline."""
        if self.session.credentials and not self.session.is_open and not self.cache.is_offline:
            self.request('GET', _SESSION)

    def close_session(self, timeout: Any = None) -> None:
        """End the session on the server, if this process opened it, and close the connections. One request, or none."""
        try:
            if self.session.is_ours and not self.cache.is_offline:
                call = self._call('DELETE', _SESSION, None, None, timeout, True, frozenset())
                got = self._attempt(call, 1)
                if isinstance(got, Exception) and not is_lasting(got):
                    got = self._attempt(call, 2)  # the connection had been closed meanwhile
                if isinstance(got, Exception):
                    raise network_error(got, 'DELETE', self.server + _SESSION) from got
                self._discard(got)
        finally:
            self.session.forget()
            self._connections.close()

    def close_connections(self) -> None:
        """Close the connections of all threads; the session stays, and a later request connects anew."""
        self._connections.close()

    def abort(self, threads: Iterable[threading.Thread]) -> None:
        """Let what some threads wait for fail at once, and whatever they ask for after it: they are to end."""
        self._connections.abort(threads)


class _Aborted(Exception):
    """The thread is to end, and asks for nothing more."""


class _Connections:
    """The kept-alive connection of each thread; a thread inherits that of one which has ended, and a forked child starts with none."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._of: dict[threading.Thread, Http] = {}
        self._broken: WeakSet[threading.Thread] = WeakSet()

    def mine(self, transport: Transport) -> Http:
        """The calling thread's connection."""
        if self._pid != os.getpid():
            self.__init__()  # type: ignore[misc]
        mine = threading.current_thread()
        if mine in self._broken:
            raise _Aborted
        http = self._of.get(mine)
        if http is None:
            with self._lock:
                http = self._of[mine] = (self._inherited() if self._of else None) or self._new(transport)
        return http

    def _inherited(self) -> Http | None:
        """That of a thread which has ended; not one whose answer another thread may be reading."""
        for thread in list(self._of):
            if thread.is_alive():
                continue
            http = self._of.pop(thread)
            if http.raw is None or http.raw.isclosed():
                return http
        return None

    @staticmethod
    def _new(transport: Transport) -> Http:
        verify = transport.verify
        ca_certs = os.path.expanduser(verify) if isinstance(verify, str) else None
        http = Http(transport.timeouts, disable_ssl_certificate_validation=verify is False, proxy_info=None, ca_certs=ca_certs)
        if transport.cert is not None:
            certificate, key = transport.cert
            http.add_certificate(key, certificate, '')
        return http

    def drop(self) -> None:
        """Close the calling thread's connection; the next request opens another."""
        http = self._of.get(threading.current_thread())
        if http is not None:
            http.close()

    def abort(self, threads: Iterable[threading.Thread]) -> None:
        """End what some threads wait for, and give them no connection any more."""
        for thread in threads:
            self._broken.add(thread)
            http = self._of.get(thread)
            if http is not None:
                http.abort()

    def close(self) -> None:
        """Close those of all threads."""
        for http in list(self._of.values()):
            http.close()


def _seconds(retry_after: str | None) -> float | None:
    """What ``Retry-After`` asks for: it is a number of seconds, or a date."""
    if retry_after and retry_after.strip().isdigit():
        return float(retry_after)
    date = http_time(retry_after)
    return date - time.time() if date is not None else None
