"""Routes of sessions and users below ``/data``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.wrappers import Response

from .calls import Call, text
from .respond import table_response
from .store import user
from .tables import Table

__all__ = ['find', 'login']

Handler = Callable[[Call], Response]


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data``; None where it is none of these."""
    plain = [part for part in parts if part]
    if plain[:1] == ['user'] and plain[1:2] != ['cache']:
        return _user
    return _ROOT.get(plain[0]) if len(plain) == 1 else None


def _allow(call: Call, *methods: str) -> None:
    if call.method not in methods:
        raise MethodNotAllowed([*methods, *(['HEAD'] if 'GET' in methods else [])])


# -- sessions


def login(call: Call) -> Response:
    """``services/auth``: credentials in a form open a session. The one route that needs no login."""
    _allow(call, 'PUT', 'POST')
    form = dict(call.form()) if call.has_body else {}
    name = form.get('username') or form.get('j_username') or ''
    password = form.get('password') or form.get('j_password') or ''
    try:
        caller = call.archive.users.check(name, password)
    except Unauthorized as error:
        raise Unauthorized('Authentication failed.') from error
    key = call.archive.sessions.open(caller)
    call.cookies.append(('JSESSIONID', key))
    return text(key)


def _jsession(call: Call) -> Response:
    _allow(call, 'GET', 'POST', 'DELETE')
    if call.method == 'DELETE':
        call.archive.sessions.close(call.session)
        return text()
    return text(call.session + _csrf(call))


def _csrf(call: Call) -> str:
    return f'; XNAT_CSRF={call.archive.sessions.token(call.session)}' if call.flag('CSRF') else ''


def _auth(call: Call) -> Response:
    _allow(call, 'GET', 'PUT', 'POST')
    return text(f"User '{call.caller.login}' is logged in{_csrf(call)}")


# -- users


def _users(call: Call) -> Response:
    """``users``: the table of users that can log in."""
    _allow(call, 'GET')
    if call.caller.guest:
        raise Forbidden('A guest cannot list users.')
    if not call.caller.admin and call.archive.preferences.flag('restrictUserListAccessToAdmins'):
        raise Forbidden('Only an administrator can list users.')
    query = select(user.c.pk, user.c.login, user.c.firstname, user.c.lastname, user.c.email).where(user.c.enabled).order_by(user.c.lastname)
    with call.archive.store.read() as connection:
        rows = connection.execute(query).all()
    return table_response(call, Table(['xdat_user_id', 'login', 'firstname', 'lastname', 'email'], rows, {'title': 'Projects'}))


def _user(call: Call) -> Response:
    """``user``: all logins, for administrators; ``user/U``, ``user/U/roles`` and ``user/U/sessions`` for them and for U."""
    _allow(call, 'GET')
    rest = [part for part in call.parts if part][1:]
    name = rest[0] if rest else ''
    if not call.caller.admin and (not name or name != call.caller.login):
        raise Forbidden('Only an administrator can look at other users.')
    with call.archive.store.read() as connection:
        rows = {row.login: row for row in connection.execute(select(user).order_by(user.c.login))}
    if name and name not in rows:
        raise NotFound(f'Unable to find the specified user: {name}')
    if rest[1:] == ['sessions']:
        return text(str(call.archive.sessions.count(name)))
    answers: dict[str, Callable[[], Any]] = {
        '': lambda: _profile(rows[name]) if name else list(rows),
        'roles': lambda: ['Administrator'] if rows[name].admin else [],
    }
    if '/'.join(rest[1:]) not in answers:
        raise NotFound(f'There is nothing at {"/".join(call.parts)}.')
    return Response(json.dumps(answers['/'.join(rest[1:])]()), mimetype='application/json')


def _profile(row: Any) -> dict[str, Any]:
    named = {'id': row.pk, 'login': row.login, 'username': row.login, 'firstname': row.firstname, 'lastname': row.lastname, 'email': row.email}
    return {**named, 'enabled': bool(row.enabled), 'verified': True}


_ROOT: dict[str, Handler] = {'JSESSION': _jsession, 'auth': _auth, 'users': _users}
