"""Login by session cookie, HTTP Basic or as a guest; the login page."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

from ..db.access import GUEST, parse_basic
from ..db.guards import Guard
from ..errors import BareRefusal, Forbidden, InternalServerError, Unauthorized
from ..http.error_pages import plain_page
from ..http.request import Call
from ..http.router import Access, Route, guarded

__all__ = ['ROUTES', 'admit', 'check_origin', 'is_browser', 'to_login_page']

_LOGIN_PAGE = 'app/template/Login.vm'
_DATA = frozenset({'xapi', 'data', 'REST', 'fs'})
"""First segments of API paths; the others are pages."""
_BROWSERS = re.compile('MSIE|Mozilla|AppleWebKit|Opera')
_PORTS = {'http': 80, 'https': 443}


def is_browser(call: Call) -> bool:
    """Whether the User-Agent is a browser; XNAT's desktop client is not."""
    agent = call.request.headers.get('User-Agent', '')
    return bool(_BROWSERS.search(agent)) and 'XNATDesktopClient' not in agent


def to_login_page(call: Call) -> NoReturn:
    """Redirect a browser to the login page."""
    raise BareRefusal(302, f'{call.request.root_path}/{_LOGIN_PAGE}')


def admit(call: Call, base: str, writes: bool = False) -> None:
    """Set the user of a request, or refuse it.

    The user is that of the session cookie, else of HTTP Basic, which opens a session. Without both
    it is a guest, if the site admits guests.

    Parameters
    ----------
    call : Call
        The request.
    base : str
        First segment of the path. Only below ``data``, ``xapi``, ``REST`` and ``fs`` a program gets
        401; else it is redirected to the login page.
    writes : bool
        Whether the request changes data: then a browser needs the token of its session.

    Raises
    ------
    Unauthorized
        For missing or wrong credentials.
    """
    archive = call.archive
    key = call.request.cookies.get('JSESSIONID', '')
    header = call.request.headers.get('Authorization', '')
    caller = archive.sessions.caller(key) if key else None
    login = parse_basic(header) if header.partition(' ')[2].strip() else None
    if caller is not None and (login is None or login[0] == caller.login):
        call.caller, call.session = caller, key
    elif login is not None:
        call.caller = archive.users.check(*login, address=call.address)
        if (
            caller is not None and caller.login == call.caller.login
        ):  # a token's alias, in a session of its user
            call.session = key
        else:
            archive.sessions.close(key)
            _open(call)
    elif not archive.require_login and not key:
        call.caller = GUEST
        _open(call)
    else:
        _refuse(call, base, key)
    if writes:
        _check_token(call)


def _refuse(call: Call, base: str, key: str) -> NoReturn:
    """Refuse a request without a login; count the session ID if it was guessed."""
    if key and not call.archive.sessions.was_issued(key):
        call.archive.users.tries.guessed(key, call.address)
    if is_browser(call) or base not in _DATA:
        to_login_page(call)
    raise Unauthorized


def _open(call: Call) -> None:
    call.session = call.archive.sessions.open(call.caller)
    call.cookies.append(('JSESSIONID', call.session))


def _check_token(call: Call) -> None:
    """Require the session's CSRF token for writes by a browser.

    A foreign page can make a browser send requests but does not know the token. It counts only in
    the query.
    """
    if not is_browser(call) or not call.archive.preferences.flag('enableCsrfToken'):
        return
    if call.get('XNAT_CSRF') != call.archive.sessions.token(call.session):
        raise InternalServerError(
            'A browser needs the XNAT_CSRF token of its session to write; GET '
            '/data/JSESSION?CSRF=true returns it.'
        )


def check_origin(call: Call) -> None:
    """Refuse a write that a page of another site sent.

    Browsers add the session cookie, or a cached login, to requests of any page. They say where a
    request comes from, and a page cannot change that. Programs do not send these headers.

    Raises
    ------
    Forbidden
        For another origin, whatever the User-Agent, and also with the session's token.
    """
    headers = call.request.headers
    site, origin = headers.get('Sec-Fetch-Site'), headers.get('Origin')
    if site is not None:
        is_foreign = site.lower() not in ('same-origin', 'none')
    else:
        is_foreign = origin is not None and not _is_here(origin, call.request.host)
    if is_foreign:
        raise Forbidden(
            f'A page of {origin or "another site"} may not change data here. Behind a proxy, it '
            'must pass on the Host header.'
        )


def _is_here(origin: str, host: str) -> bool:
    """Whether an origin has the host and port of a request, whatever the scheme."""
    try:
        there = urlsplit(origin)
        here = urlsplit(f'{there.scheme}://{host}')
        usual = _PORTS.get(there.scheme)
        places = [(one.hostname, one.port or usual) for one in (there, here)]
    except ValueError:
        return False
    return there.hostname is not None and places[0] == places[1]


# -- pages


def _login_page(call: Call) -> Response:
    form = (
        '<form name="form1" method="post" action="/data/services/auth"><input '
        'name="username"><input type="password" name="password"></form>'
    )
    return plain_page('Log in', 'Log in', f'{form}<p>Or log in with HTTP Basic.</p>')


def _front_page(call: Call) -> Response:
    """Return the front page, with which clients test a login."""
    return plain_page('XNAT', 'An XNAT-compatible archive. Its REST API is below /data.')


ROUTES = guarded(
    Guard.NOTHING,
    (
        Route('GET POST', '/', _front_page, 'Return the front page.'),
        Route(
            'GET POST', f'/{_LOGIN_PAGE}', _login_page, 'Show the form to log in.', Access.PUBLIC
        ),
    ),
)
