"""Login by session cookie, HTTP Basic or as a guest; the login page."""

from __future__ import annotations

import re
from typing import NoReturn

from werkzeug.wrappers import Response

from ..db.access import GUEST, parse_basic
from ..errors import BareRefusal, InternalServerError, Unauthorized
from ..http.error_pages import plain_page
from ..http.request import Call
from ..http.router import Access, Route

__all__ = ['ROUTES', 'admit', 'is_browser', 'to_login_page']

_LOGIN_PAGE = 'app/template/Login.vm'
_DATA = frozenset({'xapi', 'data', 'REST', 'fs'})
"""First segments of API paths; the others are pages."""
_BROWSERS = re.compile('MSIE|Mozilla|AppleWebKit|Opera')
_WRITES = frozenset({'POST', 'PUT', 'DELETE'})


def is_browser(call: Call) -> bool:
    """Whether the User-Agent is a browser; XNAT's desktop client is not."""
    agent = call.request.headers.get('User-Agent', '')
    return bool(_BROWSERS.search(agent)) and 'XNATDesktopClient' not in agent


def to_login_page(call: Call) -> NoReturn:
    """Redirect a browser to the login page."""
    raise BareRefusal(302, f'{call.request.root_path}/{_LOGIN_PAGE}')


def admit(call: Call, base: str) -> None:
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
    if (
        call.method not in _WRITES
        or not is_browser(call)
        or not call.archive.preferences.flag('enableCsrfToken')
    ):
        return
    if call.get('XNAT_CSRF') != call.archive.sessions.token(call.session):
        raise InternalServerError(
            'A browser needs the XNAT_CSRF token of its session to write; GET '
            '/data/JSESSION?CSRF=true returns it.'
        )


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


ROUTES = (
    Route('GET POST', '/', _front_page, 'Return the front page.'),
    Route('GET POST', f'/{_LOGIN_PAGE}', _login_page, 'Show the form to log in.', Access.PUBLIC),
)
