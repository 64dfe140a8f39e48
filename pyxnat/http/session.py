"""One login session of a server, shared by threads, forked children and pickles.

XNAT opens a session for the first request with credentials and names it in a cookie. Every later request should ride on that cookie: each one
that carries a password instead opens another session, and the number of sessions is limited. So whoever is first logs in while the others wait,
and when the session dies, one of those who notice renews it.
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

__all__ = ['Credentials', 'Session', 'Ticket', 'known_session']

_SESSION_COOKIE = 'JSESSIONID'
_NOT_SENT_BACK = {'SESSION_EXPIRATION_TIME'}
_ALIAS = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', re.IGNORECASE)


class Credentials(NamedTuple):
    """A login and its secret; the secret shows in no text."""

    login: str
    secret: str
    provider: str | None = None

    def __repr__(self) -> str:
        return f'Credentials(login={self.login!r}, secret=…, provider={self.provider!r})'

    @property
    def needs_login_service(self) -> bool:
        """Whether Basic authentication cannot carry them: it knows no provider, and XNAT splits its text at every colon."""
        return self.provider is not None or ':' in self.secret or ':' in self.login

    @property
    def is_token(self) -> bool:
        """Whether they are alias and secret of a token, which stands for an account of another name."""
        return _ALIAS.fullmatch(self.login) is not None

    def form(self) -> dict[str, str]:
        """Fields of the login service."""
        return {'username': self.login, 'password': self.secret, **({'provider': self.provider} if self.provider else {})}

    def basic(self) -> str:
        """Value of the ``Authorization`` header."""
        return 'Basic ' + base64.b64encode(f'{self.login}:{self.secret}'.encode()).decode('ascii')


class Ticket(NamedTuple):
    """What one attempt of one request carries, and what it has to settle."""

    headers: dict[str, str]
    generation: int
    opens: bool
    """The attempt logs in: its holder has the session's lock until it settles."""
    needs_login_service: bool = False
    """The login has to be made by itself, before the request."""


_KNOWN: weakref.WeakValueDictionary[tuple[str, str], Session] = weakref.WeakValueDictionary()
_ALL: weakref.WeakSet[Session] = weakref.WeakSet()


def known_session(server: str, login: str) -> Session | None:
    """The session of this process (opened, unpickled or inherited by fork) for a server and login."""
    return _KNOWN.get((server, login))


class Session:
    """The session of one login on one server.

    Parameters
    ----------
    server : str
        URL of the server.
    credentials : Credentials, optional
        Without them the server is asked as a guest, or on the cookies given.
    login : str
        Name of the login when there are no credentials; empty for a guest.
    cookies : mapping, optional
        Cookies of a session that somebody else opened, and will close.
    find_credentials : callable, optional
        Asked for credentials when such a session has died.
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
        self._generation = 0
        self._stateless = False
        self.is_accepted = False
        """Whether the server has answered this login, or pickled session, since it was opened."""
        self._owner: int | None = None
        _ALL.add(self)
        if self.login:
            _KNOWN[server, self.login] = self

    def __repr__(self) -> str:
        return f'<Session of {self.login or "guest"} on {self.server}{", open" if self.is_open else ""}>'

    @property
    def is_open(self) -> bool:
        """Whether there is a session cookie."""
        return _SESSION_COOKIE in self._cookies

    @property
    def is_ours(self) -> bool:
        """Whether this process opened the session, so that it is the one to close it."""
        return self.is_open and self._owner == os.getpid()

    def cookies(self) -> dict[str, str]:
        """A copy of the cookies."""
        return dict(self._cookies)

    def add_cookies(self, cookies: Mapping[str, str]) -> None:
        """Take cookies from elsewhere, such as a session opened by another program."""
        with self._lock:
            self._cookies.update(cookies)

    def ticket(self) -> Ticket:
        """What the next attempt carries. Waits while another thread logs in; whoever gets a ticket must `settle` it."""
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
        """Take the cookies of a login that this process made."""
        with self._lock:
            self._adopt(_parse_cookies(set_cookies))

    def ticket_headers(self) -> dict[str, str]:
        """What a request carries now."""
        with self._lock:
            return self._headers()

    def _headers(self) -> dict[str, str]:
        headers = {}
        if self._cookies:
            headers['cookie'] = '; '.join(f'{name}={value}' for name, value in self._cookies.items())
        if self._stateless and self.credentials:
            headers['authorization'] = self.credentials.basic()
        return headers

    def settle(self, ticket: Ticket, status: int | None, set_cookies: list[str]) -> bool:
        """Take what an answer says about the session; `status` is `None` where no answer came.

        Returns
        -------
        bool
            Whether the attempt is worth repeating because the session it rode on had died.
        """
        try:
            with self._lock:
                died = self._settle(ticket, status, _parse_cookies(set_cookies))
                self.is_accepted = not died and (self.is_accepted if status is None else status != 401)
                return died
        finally:
            if ticket.opens:
                self._lock.release()

    def _settle(self, ticket: Ticket, status: int | None, cookies: dict[str, str]) -> bool:
        new = cookies.get(_SESSION_COOKIE)
        if ticket.opens:
            if status is not None and status != 401:
                self._adopt(cookies)
                self._stateless = not self.is_open
            return False
        rode_on_session = _SESSION_COOKIE in ticket.headers.get('cookie', '')
        replaced = new is not None and f'{_SESSION_COOKIE}={new}' not in ticket.headers.get('cookie', '')
        if rode_on_session and (status == 401 or replaced):
            return self.expire(ticket.generation)
        if status != 401:
            self._adopt(cookies)
        return False

    def _adopt(self, cookies: dict[str, str]) -> None:
        if _SESSION_COOKIE in cookies:
            self._owner = os.getpid()
        self._cookies.update(cookies)

    def expire(self, generation: int) -> bool:
        """Forget a session that died, unless that happened already; whether a new one can be opened."""
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
            self._owner = None
            self.is_accepted = False

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.RLock()


def _parse_cookies(headers: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in headers:
        cookie: SimpleCookie = SimpleCookie()
        try:
            cookie.load(header)
        except CookieError:
            continue  # a cookie of some gateway that is not well formed cannot be sent back either
        for name, morsel in cookie.items():
            if morsel.value and name not in _NOT_SENT_BACK:
                found[name] = morsel.value
    return found


def _after_fork() -> None:
    for session in list(_ALL):
        session.after_fork()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_after_fork)
