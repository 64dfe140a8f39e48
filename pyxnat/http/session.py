"""Login session on a server, shared by threads, forked children and pickles.

XNAT opens a session for the first request with credentials and returns its ID in a cookie. Each
request with a password instead of the cookie opens another session, and their number is limited.
So the first thread logs in while the others wait, and when the session expires, one thread renews
it.
"""

from __future__ import annotations

import base64
import os
import re
import threading
import weakref
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

from ..patterns import pattern

__all__ = ['EXPIRATION_COOKIE', 'Credentials', 'Session', 'Ticket', 'known_session']

_SESSION_COOKIE = 'JSESSIONID'
EXPIRATION_COOKIE = 'SESSION_EXPIRATION_TIME'
"""Cookie that XNAT sets with each response."""
_VALUE = pattern(r'[!-:<-~]+')
"""Value of a cookie that can be sent back: visible ASCII without a semicolon.

A value in quotes may hold an escaped line break, with which no request can be sent.
"""
_ALIAS = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE)


class Credentials(NamedTuple):
    """A login and its secret; ``repr`` hides the secret."""

    login: str
    secret: str
    provider: str | None = None

    def __repr__(self) -> str:
        return f'Credentials(login={self.login!r}, secret=…, provider={self.provider!r})'

    @property
    def needs_login_service(self) -> bool:
        """Whether Basic authentication cannot transmit them.

        It has no provider, and XNAT splits the decoded text at every colon.
        """
        return self.provider is not None or ':' in self.secret or ':' in self.login

    @property
    def is_token(self) -> bool:
        """Whether they are alias and secret of a token, not of the account."""
        return _ALIAS.fullmatch(self.login) is not None

    def form(self) -> dict[str, str]:
        """Return the form fields for the login service."""
        return {
            'username': self.login,
            'password': self.secret,
            **({'provider': self.provider} if self.provider else {}),
        }

    def basic(self) -> str:
        """Return the value of the ``Authorization`` header."""
        return 'Basic ' + base64.b64encode(f'{self.login}:{self.secret}'.encode()).decode('ascii')


class Ticket(NamedTuple):
    """Session headers of one attempt of a request.

    The thread that obtained a ticket must pass it to `Session.settle`.
    """

    headers: dict[str, str]
    generation: int
    """Number of sessions that have expired before."""
    opens: bool
    """The attempt logs in; the thread holds the session's lock until it settles."""
    needs_login_service: bool = False
    """The login takes a separate request, before the first one."""


_KNOWN: weakref.WeakValueDictionary[tuple[str, str], Session] = weakref.WeakValueDictionary()
_ALL: weakref.WeakSet[Session] = weakref.WeakSet()


def known_session(server: str, login: str) -> Session | None:
    """Return the session of this process for a server and login, or `None`.

    Opened, unpickled or inherited by fork.

    Parameters
    ----------
    server : str
        URL of the server.
    login : str
        Name of the login.
    """
    return _KNOWN.get((server, login))


class Session:
    """The session of one login on one server.

    Parameters
    ----------
    server : str
        URL of the server.
    credentials : Credentials, optional
        Without them, requests are made with `cookies`, or as a guest.
    login : str
        Name of the login if there are no credentials; empty for a guest.
    cookies : mapping, optional
        Cookies of a session opened elsewhere; it is not closed by this one.
    find_credentials : callable, optional
        Called for credentials when such a session has expired.
    """

    def __init__(
        self,
        server: str,
        credentials: Credentials | None = None,
        *,
        login: str = '',
        cookies: Mapping[str, str] | None = None,
        find_credentials: Callable[[], Credentials | None] | None = None,
    ) -> None:
        self.server = server
        self.credentials = credentials
        self.login = credentials.login if credentials else login
        self._find_credentials = find_credentials
        self._lock = threading.RLock()
        self._cookies: dict[str, str] = dict(cookies or {})
        self._given = self._cookies.get(_SESSION_COOKIE, '')
        self._generation = 0
        self.ends = 0
        """Number of times that this process has ended the session."""
        self._stateless = False
        self.is_accepted = False
        """Whether the server has accepted this login or session since it was opened here."""
        self.is_marked = False
        """Whether the server sets the cookie that XNAT sets with every response of a session."""
        self._owner: int | None = None
        _ALL.add(self)
        if self.login:
            _KNOWN[server, self.login] = self

    def __repr__(self) -> str:
        return (
            f'<Session of {self.login or "guest"} on '
            f'{self.server}{", open" if self.is_open else ""}>'
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a session cookie."""
        return _SESSION_COOKIE in self._cookies

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the session, and so should close it."""
        return self.is_open and self._owner == os.getpid()

    def cookies(self) -> dict[str, str]:
        """Return a copy of the cookies."""
        return dict(self._cookies)

    def add_cookies(self, cookies: Mapping[str, str]) -> None:
        """Add cookies, for example of a session opened by another program."""
        with self._lock:
            self._cookies.update(cookies)
            self._given = cookies.get(_SESSION_COOKIE, self._given)

    @property
    def has_login(self) -> bool:
        """Whether a login or the session of one was given.

        Responses to a guest are wrong.
        """
        return bool(self.login or self._given)

    def ticket(self) -> Ticket:
        """Return a ticket for the next attempt; wait for a login under way.

        The caller must `settle` it.
        """
        self._lock.acquire()
        if self.is_open or self.credentials is None or self._stateless:
            ticket = Ticket(self._headers(), self._generation, False)
            self._lock.release()
            return ticket
        headers, by_service = self._headers(), self.credentials.needs_login_service
        if not by_service:
            headers['authorization'] = self.credentials.basic()
        return Ticket(headers, self._generation, True, by_service)

    def adopt(self, set_cookies: list[str]) -> None:
        """Add the ``Set-Cookie`` headers of a login by this process."""
        with self._lock:
            self._adopt(_parse_cookies(set_cookies))

    def ticket_headers(self) -> dict[str, str]:
        """Return the headers of the current session."""
        with self._lock:
            return self._headers()

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._cookies:
            headers['cookie'] = '; '.join(map('='.join, self._cookies.items()))
        if self._stateless and self.credentials:
            headers['authorization'] = self.credentials.basic()
        return headers

    def settle(self, ticket: Ticket, status: int | None, set_cookies: list[str]) -> str:
        """Update the session from a response; release the lock of the ticket.

        Parameters
        ----------
        ticket : Ticket
            Ticket of the attempt.
        status : int or None
            Status of the response; `None` if the attempt failed without one.
        set_cookies : list of str
            ``Set-Cookie`` headers of the response.

        Returns
        -------
        str
            Empty if all is well; ``expired`` if the session of the ticket had expired and the
            request should be retried; ``lost`` if no new session can be opened.
        """
        try:
            with self._lock:
                self.is_marked = self.is_marked or EXPIRATION_COOKIE in ''.join(set_cookies)
                state = self._settle(ticket, status, _parse_cookies(set_cookies))
                self.is_accepted = not state and (
                    self.is_accepted if status is None else status != 401
                )
                return state
        finally:
            if ticket.opens:
                self._lock.release()

    def _settle(self, ticket: Ticket, status: int | None, cookies: dict[str, str]) -> str:
        new, sent = cookies.get(_SESSION_COOKIE), ticket.headers.get('cookie', '')
        had_session = _SESSION_COOKIE in sent
        replaced = had_session and new is not None and f'{_SESSION_COOKIE}={new}' not in sent
        if ticket.opens:
            if replaced and ticket.needs_login_service:  # opened a moment ago
                self._cookies.pop(_SESSION_COOKIE, None)
                return 'lost'
            if status is not None and status != 401:
                self._adopt(cookies)
                is_final = status < 500 and status != 429
                self._stateless = is_final and not self.is_open
            return ''
        if had_session and (status == 401 or replaced):
            if self.expire(ticket.generation):
                return 'expired'
            if self.has_login:
                return 'lost'
        if status != 401:
            self._adopt(cookies)
        return ''

    def _adopt(self, cookies: dict[str, str]) -> None:
        if _SESSION_COOKIE in cookies:
            self._owner = os.getpid()
        self._cookies.update(cookies)

    def expire(self, generation: int) -> bool:
        """Drop an expired session; return whether a new one can be opened.

        Nothing is dropped if another thread has done so since `generation`.
        """
        with self._lock:
            if self.credentials is None and self._find_credentials is not None:
                self.credentials = self._find_credentials()
            if generation == self._generation and self.credentials:
                self._cookies.pop(_SESSION_COOKIE, None)
                self._generation += 1
            return self.credentials is not None

    def forget(self) -> None:
        """Drop all cookies."""
        with self._lock:
            self._cookies.clear()
            self._generation += 1  # a request under way may not drop the next session
            self.ends += 1
            self._owner = None
            self.is_accepted = False

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may hold."""
        self._lock = threading.RLock()


def _parse_cookies(headers: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in headers:
        cookie: SimpleCookie = SimpleCookie()
        try:
            cookie.load(header)
        except CookieError:
            continue  # malformed, from a gateway: it could not be sent back either
        for name, morsel in cookie.items():
            if _VALUE.fullmatch(morsel.value) and name != EXPIRATION_COOKIE:
                found[name] = morsel.value
    return found


def _after_fork() -> None:
    for session in list(_ALL):
        session.after_fork()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_after_fork)
