"""``/data/users``, ``/data/user`` and login sessions."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.users import active_users, all_users
from ..errors import Forbidden, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Access, Route, guarded
from ..table import Table

__all__ = ['ROUTES']


# -- sessions


def _login(call: Call) -> Response:
    """Open a session for the credentials in a form."""
    form = dict(call.form()) if call.has_body else {}
    name = form.get('username') or form.get('j_username') or ''
    password = form.get('password') or form.get('j_password') or ''
    caller = call.archive.users.check(name, password, call.address)
    key = call.archive.sessions.open(caller)
    call.cookies.append(('JSESSIONID', key))
    return text(key)


def _jsession(call: Call) -> Response:
    return text(call.session + _csrf(call))


def _logout(call: Call) -> Response:
    call.archive.sessions.close(call.session)
    return text()


def _csrf(call: Call) -> str:
    return f'; XNAT_CSRF={call.archive.sessions.token(call.session)}' if call.flag('CSRF') else ''


def _auth(call: Call) -> Response:
    return text(f"User '{call.caller.login}' is logged in{_csrf(call)}")


# -- users


def _users(call: Call) -> Response:
    """Return the table of users who can log in."""
    if not call.caller.admin and call.archive.preferences.flag('restrictUserListAccessToAdmins'):
        raise Forbidden('Only an administrator can list users.')
    with call.archive.store.read() as connection:
        rows = active_users(connection, call.caller)
    return table_response(
        call,
        Table(
            ['xdat_user_id', 'login', 'firstname', 'lastname', 'email'], rows, {'title': 'Projects'}
        ),
    )


def _user(call: Call, name: str, part: str) -> Response:
    """Return all logins, or one user, its roles or its number of sessions.

    They are ``user``, ``user/U``, ``user/U/roles`` and ``user/U/sessions``, for administrators.
    """
    if not call.caller.admin:
        raise (
            NotFound('Only an administrator can look at roles.')
            if part == 'roles'
            else Forbidden('Only an administrator can look at users.')
        )
    with call.archive.store.read() as connection:
        rows = {row.login: row for row in all_users(connection, call.caller)}
    if name and name not in rows:
        raise NotFound(f'Unable to find the specified user: {name}')
    if not name:
        return text(json.dumps(list(rows), separators=(',', ':')))
    if part == 'sessions':
        return Response(
            json.dumps({name: call.archive.sessions.count(name)}, separators=(',', ':')),
            headers={'Content-Type': ''},
        )
    if part == 'roles':
        return table_response(
            call,
            Table(['role'], [(one,) for one in (['Administrator'] if rows[name].admin else [])]),
            default='html',
        )
    return text(json.dumps(_profile(rows[name])))


def _profile(row: Any) -> dict[str, Any]:
    """Return a user as XNAT does here: with flags as text."""
    named = {
        'login': row.login,
        'email': row.email,
        'firstname': row.firstname,
        'lastname': row.lastname,
    }
    flags = {name: str(bool(getattr(row, name))).lower() for name in ('enabled', 'verified')}
    return {**named, **flags, 'userAuths': [{'authId': row.login, 'method': 'localdb'}]}


ROUTES = guarded(
    Guard.USER,
    (
        Route(
            'PUT POST',
            '/data/services/auth/{*}',
            _login,
            'Open a session for the `username` and `password` of a form.',
            Access.PUBLIC,
            guard=Guard.NOTHING,
        ),
        Route(
            'GET POST',
            '/data/JSESSION',
            _jsession,
            'Return the key of the session; with `CSRF=true` also its token.',
            guard=Guard.NOTHING,
        ),
        Route('DELETE', '/data/JSESSION', _logout, 'Close the session.', guard=Guard.NOTHING),
        Route(
            'GET PUT POST',
            '/data/auth',
            _auth,
            'Name the user who is logged in.',
            guard=Guard.NOTHING,
        ),
        Route('GET', '/data/users', _users, 'List the users.', Access.LOGIN),
        Route(
            'GET',
            '/data/user/{name?}/{part?}/{*}',
            _user,
            'List all logins; describe one user, or list its `roles` or count its `sessions`.',
        ),
    ),
)
