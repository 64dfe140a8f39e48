"""Routes of sessions and users below ``/data``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from werkzeug.wrappers import Response

from ..db.store import user
from ..errors import Forbidden, MethodNotAllowed, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..table import Table

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
    caller = call.archive.users.check(name, password)
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
    """``user``: all logins; ``user/U``, ``user/U/roles`` and ``user/U/sessions``: one, whatever else follows it. For administrators."""
    _allow(call, 'GET')
    rest = [part for part in call.parts if part][1:]
    name, what = ([*rest, ''])[0], ([*rest, '', ''])[1]
    if not call.caller.admin:
        raise NotFound('There is nothing for you here.') if what == 'roles' else Forbidden('Only an administrator can look at users.')
    with call.archive.store.read() as connection:
        rows = {row.login: row for row in connection.execute(select(user).order_by(user.c.login))}
    if name and name not in rows:
        raise NotFound(f'Unable to find the specified user: {name}')
    if not name:
        return text(json.dumps(list(rows), separators=(',', ':')))
    if what == 'sessions':
        return Response(json.dumps({name: call.archive.sessions.count(name)}, separators=(',', ':')), headers={'Content-Type': ''})
    if what == 'roles':
        return table_response(call, Table(['role'], [(one,) for one in (['Administrator'] if rows[name].admin else [])]), default='html')
    return text(json.dumps(_profile(rows[name])))


def _profile(row: Any) -> dict[str, Any]:
    """A user as XNAT tells it here: flags are words."""
    named = {'login': row.login, 'email': row.email, 'firstname': row.firstname, 'lastname': row.lastname}
    flags = {name: str(bool(getattr(row, name))).lower() for name in ('enabled', 'verified')}
    return {**named, **flags, 'userAuths': [{'authId': row.login, 'method': 'localdb'}]}


_ROOT: dict[str, Handler] = {'JSESSION': _jsession, 'auth': _auth, 'users': _users}
