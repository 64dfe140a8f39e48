"""Who may come in: by session, by Basic, as a guest; and what browsers are told that a program is not."""

from __future__ import annotations

import re
from typing import NoReturn

from werkzeug.exceptions import HTTPException, InternalServerError, Unauthorized
from werkzeug.wrappers import Response

from .auth import GUEST, parse_basic
from .calls import Call

__all__ = ['LOGIN_PAGE', 'admit', 'is_browser', 'to_login_page']

LOGIN_PAGE = 'app/template/Login.vm'
_DATA = frozenset({'xapi', 'data', 'REST', 'fs'})
"""First segments of paths that programs ask for; the others are pages."""
_BROWSERS = re.compile('MSIE|Mozilla|AppleWebKit|Opera')
_WRITES = frozenset({'POST', 'PUT', 'DELETE'})


def is_browser(call: Call) -> bool:
    """Whether a person's browser asks, by its User-Agent; XNAT's desktop client is none."""
    agent = call.request.headers.get('User-Agent', '')
    return bool(_BROWSERS.search(agent)) and 'XNATDesktopClient' not in agent


def to_login_page(call: Call, status: int = 302) -> NoReturn:
    """Send a browser to the page where people log in."""
    raise HTTPException(response=Response(status=status, headers={'Location': f'{call.request.root_path}/{LOGIN_PAGE}'}))


def admit(call: Call, base: str) -> None:
    """Find out who asks: by session cookie, else by Basic, which opens a session; else a guest where the site lets them in."""
    archive = call.archive
    key = call.request.cookies.get('JSESSIONID', '')
    header = call.request.headers.get('Authorization', '')
    caller = archive.sessions.caller(key) if key else None
    login = parse_basic(header) if header else None
    if caller is not None and (login is None or login[0] == caller.login):
        call.caller, call.session = caller, key
        _check_token(call)
    elif login is not None:
        archive.sessions.close(key)
        call.caller = archive.users.check(*login)
        _open(call)
    elif not archive.require_login and not key:
        call.caller = GUEST
        _open(call)
    elif is_browser(call) or base not in _DATA:
        to_login_page(call)
    else:
        raise Unauthorized('Log in: the site is not open to guests.' if not key else 'The session is over; log in again.')


def _open(call: Call) -> None:
    call.session = call.archive.sessions.open(call.caller)
    call.cookies.append(('JSESSIONID', call.session))


def _check_token(call: Call) -> None:
    """A page elsewhere could have a browser write in an open session; it cannot know the session's token."""
    if call.method not in _WRITES or not is_browser(call) or not call.archive.preferences.flag('enableCsrfToken'):
        return
    given = call.get('XNAT_CSRF')
    if not given and call.mimetype == 'application/x-www-form-urlencoded':
        given = dict(call.form()).get('XNAT_CSRF', '')
    if given != call.archive.sessions.token(call.session):
        raise InternalServerError('A browser needs the XNAT_CSRF token of its session to write; GET /data/JSESSION?CSRF=true tells it.')
