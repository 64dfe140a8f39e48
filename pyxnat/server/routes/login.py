"""Who may come in: by session, by Basic, as a guest; and what browsers are told that a program is not."""

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
"""First segments of paths that programs ask for; the others are pages."""
_BROWSERS = re.compile('MSIE|Mozilla|AppleWebKit|Opera')
_WRITES = frozenset({'POST', 'PUT', 'DELETE'})


def is_browser(call: Call) -> bool:
    """Whether a person's browser asks, by its User-Agent; XNAT's desktop client is none."""
    agent = call.request.headers.get('User-Agent', '')
    return bool(_BROWSERS.search(agent)) and 'XNATDesktopClient' not in agent


def to_login_page(call: Call) -> NoReturn:
    """Send a browser to the page where people log in."""
    raise BareRefusal(302, f'{call.request.root_path}/{_LOGIN_PAGE}')


def admit(call: Call, base: str) -> None:
    """Find out who asks: by session cookie, else by Basic, which opens a session; else a guest where the site lets them in."""
    archive = call.archive
    key = call.request.cookies.get('JSESSIONID', '')
    header = call.request.headers.get('Authorization', '')
    caller = archive.sessions.caller(key) if key else None
    login = parse_basic(header) if header.partition(' ')[2].strip() else None
    if caller is not None and (login is None or login[0] == caller.login):
        call.caller, call.session = caller, key
    elif login is not None:
        call.caller = archive.users.check(*login)
        if caller is not None and caller.login == call.caller.login:  # a token's alias, in a session of its user
            call.session = key
        else:
            archive.sessions.close(key)
            _open(call)
    elif not archive.require_login and not key:
        call.caller = GUEST
        _open(call)
    elif is_browser(call) or base not in _DATA:
        to_login_page(call)
    else:
        raise Unauthorized
    _check_token(call)


def _open(call: Call) -> None:
    call.session = call.archive.sessions.open(call.caller)
    call.cookies.append(('JSESSIONID', call.session))


def _check_token(call: Call) -> None:
    """A page elsewhere could have a browser write; it cannot know the session's token, which counts in the query alone."""
    if call.method not in _WRITES or not is_browser(call) or not call.archive.preferences.flag('enableCsrfToken'):
        return
    if call.get('XNAT_CSRF') != call.archive.sessions.token(call.session):
        raise InternalServerError('A browser needs the XNAT_CSRF token of its session to write; GET /data/JSESSION?CSRF=true tells it.')


# -- pages


def _login_page(call: Call) -> Response:
    form = '<form name="form1" method="post" action="/data/services/auth"><input name="username"><input type="password" name="password"></form>'
    return plain_page('Log in', 'Log in', f'{form}<p>Or log in with HTTP Basic.</p>')


def _front_page(call: Call) -> Response:
    """The page that clients ask for to see whether a login is right."""
    return plain_page('XNAT', 'An XNAT-compatible archive. Its REST API is below /data.')


ROUTES = (
    Route('GET POST', '/', _front_page, 'Say what this server is.'),
    Route('GET POST', f'/{_LOGIN_PAGE}', _login_page, 'Show the form to log in.', Access.PUBLIC),
)
