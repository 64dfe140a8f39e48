"""``/xapi/users``: users and their sessions."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ..db.access import GUEST, Caller, hash_password
from ..db.guards import Guard
from ..db.passwords import same_password
from ..db.store import Connection
from ..db.users import (
    add_user,
    address_holders,
    all_users,
    change_user,
    find_user,
    is_last_administrator,
    own_user,
    shown_user,
)
from ..errors import BadRequest, Conflict, Forbidden, NotFound, WrongCredentials
from ..http.request import Call, text
from ..http.router import Access, Route, answer_as, guarded
from .json_body import json_body

__all__ = ['ROUTES', 'need_user', 'save_user']

_LOGIN = re.compile(r'[A-Za-z0-9_][A-Za-z0-9_.@-]*')
_EMAIL = re.compile(r'[^@\s<>"]+@[^@\s<>"]+')
_NAME = re.compile(r'[^<>"]*')
_COLUMNS = {
    'firstName': 'firstname',
    'lastName': 'lastname',
    'email': 'email',
    'enabled': 'enabled',
    'verified': 'verified',
}
"""Properties of a user to columns."""


def _described(call: Call, row: Any) -> dict[str, Any]:
    """Return a user as JSON without secrets, as ``secured`` says."""
    properties = {name: getattr(row, column) for name, column in _COLUMNS.items()}
    return {
        'id': row.pk,
        'username': row.login,
        **properties,
        'secured': True,
        'lastModified': row.modified,
    }


def _profiled(call: Call, row: Any) -> dict[str, Any]:
    """Return a user as JSON, with the last login if there was one."""
    login = call.archive.sessions.last_login.get(row.login)
    return {**_described(call, row), **({'lastSuccessfulLogin': login} if login else {})}


def need_user(connection: Connection, username: str) -> Any:
    """Return the row of a user.

    Parameters
    ----------
    connection : Connection
        The database.
    username : str
        The login.

    Raises
    ------
    NotFound
        If there is no such user.
    """
    row = find_user(connection, username)
    if row is None:
        raise NotFound(f'Unable to find the specified user: {username}')
    return row


# -- reading


def _may_list(call: Call, username: str = '') -> None:
    if (
        not call.caller.admin
        and username != call.caller.login
        and call.archive.preferences.flag('restrictUserListAccessToAdmins')
    ):
        raise Forbidden('Only administrators may list the users of this site.')


def _rows(call: Call) -> list[Any]:
    _may_list(call)
    with call.archive.store.read() as connection:
        return list(all_users(connection, call.caller))


def _logins(call: Call) -> list[str]:
    return [row.login for row in _rows(call)]


def _profiles(call: Call) -> list[dict[str, Any]]:
    return [_profiled(call, row) for row in _rows(call)]


def _current(call: Call) -> list[dict[str, Any]]:
    """Return the users who may log in or have an open session."""
    here = call.archive.sessions.by_login()
    return [_profiled(call, row) for row in _rows(call) if row.enabled or row.login in here]


def _profile(call: Call, username: str = '') -> dict[str, Any]:
    _may_list(call, username or call.caller.login)
    with call.archive.store.read() as connection:
        return _profiled(call, _need_shown(call, connection, username or call.caller.login))


def _need_shown(call: Call, connection: Connection, username: str) -> Any:
    """Return a user as the caller may see it."""
    return shown_user(connection, call.caller, need_user(connection, username).login)


def _get(call: Call, username: str) -> dict[str, Any]:
    with call.archive.store.read() as connection:
        return _described(call, _need_shown(call, connection, username))


def _flag(name: str) -> Callable[..., bool]:
    return lambda call, username: bool(_get(call, username)[name])


# -- changing


def _post(call: Call) -> Response:
    """Create a user; without a password it cannot log in."""
    wanted = json_body(call)
    username = wanted.get('username')
    wrong = [name for name, pattern in _PATTERNS.items() if not _fits(pattern, wanted.get(name))]
    if not _fits(_LOGIN, username) or username == GUEST.login:
        wrong.insert(0, 'username')
    if wrong:
        raise BadRequest(f'Missing or not allowed: {", ".join(wrong)}.')
    values = _columns({'enabled': True, 'verified': True, **wanted})
    with call.archive.store.write() as connection:
        if find_user(connection, str(username)) is not None:
            raise Conflict(f'There is a user {username} already.')
        _need_free_address(connection, values, str(username))
        add_user(connection, str(username), {**values, 'email_verified': True})
        row = need_user(connection, str(username))
    made = _described(call, row)
    del made['lastModified']
    return answer_as(made, 201)


def _need_free_address(connection: Connection, values: Mapping[str, Any], login: str) -> None:
    holders = address_holders(connection, values.get('email') or '')
    if any(row.login != login for row in holders):
        raise Conflict(f'Another user has the address {values["email"]}.')


_PATTERNS = {'email': _EMAIL, 'firstName': _NAME, 'lastName': _NAME}


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and bool(value) and pattern.fullmatch(value) is not None


def _columns(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns to write for properties that are not blank.

    `BadRequest` for an invalid value.
    """
    values: dict[str, Any] = {'modified': int(time.time() * 1000)}
    for name, column in _COLUMNS.items():
        value = wanted.get(name)
        if value is None or value == '':
            continue
        if name in _PATTERNS and not _fits(_PATTERNS[name], value):
            raise BadRequest(f'{value!r} cannot be the {name} of a user.')
        if name not in _PATTERNS and not isinstance(value, bool):
            raise BadRequest(f'{name} must be true or false, not {value!r}.')
        values[column] = value
    if wanted.get('password'):
        values['password'] = hash_password(str(wanted['password']))
    return values


def _put(call: Call, username: str) -> Any:
    wanted = json_body(call)
    if wanted.get('username') not in (None, '', username):
        raise BadRequest('The username of the user must be that of the path.')
    return _changed(call, username, wanted)


def _update(call: Call) -> Any:
    """Change the caller's own e-mail address and password.

    Both need the present password. Administrators may change their names, too.
    """
    wanted, own = json_body(call), call.caller.login
    with call.archive.store.read() as connection:
        row = own_user(connection, call.caller)
    if call.caller.admin:
        return _put(call, own)
    changed = [
        name
        for name, known in (('password', None), ('email', row.email))
        if wanted.get(name) and wanted[name] != known
    ]
    if changed:
        try:
            call.archive.users.check(own, str(wanted.get('currentPassword') or ''), call.address)
        except WrongCredentials:
            raise BadRequest(f'Current password needed to update {changed[0]}') from None
    return _changed(call, own, {name: wanted.get(name) for name in ('email', 'password')})


def _changed(call: Call, username: str, wanted: Mapping[str, Any]) -> Any:
    """Change a user and return it; 304 if nothing changes."""
    values = _columns(wanted)
    if 'password' in values:
        with call.archive.store.read() as connection:
            before = need_user(connection, username).password
        if same_password(before, str(wanted['password'])):
            values['password'] = before
    with call.archive.store.write() as connection:
        row = need_user(connection, username)
        if 'email' in values:  # an administrator knows whose address it is
            is_known = values['email'] == row.email and row.email_verified
            values['email_verified'] = call.caller.admin or bool(is_known)
        if 'password' not in values and all(
            getattr(row, name) == value for name, value in values.items() if name != 'modified'
        ):
            return Response(status=304)
        _need_free_address(connection, values, row.login)
        save_user(call, connection, row, values)
        return _described(call, need_user(connection, username))


def save_user(call: Call, connection: Connection, row: Any, values: Mapping[str, Any]) -> None:
    """Write columns of a user.

    A user who can no longer log in, or has another password, loses its tokens and sessions. A
    session in which users change their own password stays open.

    Parameters
    ----------
    call : Call
        The request.
    connection : Connection
        The database.
    row
        The user.
    values : Mapping[str, Any]
        Columns to write.

    Raises
    ------
    Conflict
        If the user is the last administrator, and would be none.
    """
    after = {'enabled': row.enabled, 'verified': row.verified, 'admin': row.admin, **values}
    lasting = after['enabled'] and after['verified'] and after['admin']
    if row.admin and not lasting and is_last_administrator(connection, row.pk):
        raise Conflict(f'{row.login} is the last administrator.')
    change_user(connection, row.pk, values)
    may_log_in = after['enabled'] and after['verified']
    if not may_log_in:
        call.archive.users.end_logins(connection, row.login)
    elif values.get('password', row.password) != row.password:
        kept = call.session if row.login == call.caller.login else ''
        call.archive.users.end_logins(connection, row.login, kept)
    if may_log_in:
        call.archive.sessions.change(Caller(row.login, bool(after['admin']), row.pk))


def _set_flag(name: str) -> Callable[..., None]:
    def put(call: Call, username: str, flag: str) -> None:
        if flag.lower() not in ('true', 'false'):
            raise BadRequest(f'{flag!r} is neither true nor false.')
        with call.archive.store.write() as connection:
            save_user(
                call, connection, need_user(connection, username), {name: flag.lower() == 'true'}
            )

    return put


# -- sessions


def _active(call: Call) -> dict[str, Any]:
    return {
        login: {'sessions': keys, 'count': len(keys)}
        for login, keys in call.archive.sessions.by_login().items()
    }


def _sessions(call: Call, username: str) -> Any:
    _get(call, username)
    return call.archive.sessions.by_login().get(username) or Response(status=304)


def _end_sessions(call: Call, username: str) -> Any:
    """Close a user's sessions and return their IDs.

    The caller's own session is closed, too, but not returned.
    """
    _get(call, username)
    closed = _close(call, username)
    return [key for key in closed if key != call.session] if closed else Response(status=304)


def _close(call: Call, login: str) -> list[str]:
    keys = call.archive.sessions.by_login().get(login, [])
    for key in keys:
        call.archive.sessions.close(key)
    return keys


_PROVIDER = {'providerId': 'localdb', 'name': 'Database', 'authMethod': 'localdb'}


def _login_methods(call: Call, username: str) -> list[dict[str, Any]]:
    _get(call, username)
    login = call.archive.sessions.last_login.get(username)
    method = {
        'authMethod': _PROVIDER['authMethod'],
        'authMethodId': _PROVIDER['providerId'],
        'authUser': username,
        'xdatUsername': username,
    }
    return [
        {
            **method,
            'failedLoginAttempts': 0,
            'lastLoginAttempt': login,
            'lastSuccessfulLogin': login,
        }
    ]


ROUTES = guarded(
    Guard.USER,
    (
        Route('GET', '/xapi/users', _logins, 'List all logins.', Access.LOGIN),
        Route('POST', '/xapi/users', _post, 'Create a user.', Access.ADMIN),
        Route(
            'GET',
            '/xapi/users/profiles',
            _profiles,
            'List all users with their names and addresses.',
            Access.LOGIN,
        ),
        Route('GET', '/xapi/users/profile', _profile, "Return the caller's profile.", Access.LOGIN),
        Route(
            'GET',
            '/xapi/users/profile/{username}',
            _profile,
            'Return the profile of a user.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/users/current',
            _current,
            'List the users that may log in or are logged in.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/users/username',
            lambda call: text(call.caller.login),
            "Return the caller's login.",
            Access.LOGIN,
            guard=Guard.NOTHING,
        ),
        Route(
            'PUT',
            '/xapi/users/update',
            _update,
            "Change the caller's own address and password.",
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/xapi/users/authProviders',
            lambda call: [_PROVIDER],
            'List how users can log in.',
            guard=Guard.NOTHING,
        ),
        Route(
            'GET',
            '/xapi/users/authDetails/{username}',
            _login_methods,
            'Return how a user logs in.',
            Access.SELF,
        ),
        Route(
            'GET', '/xapi/users/active', _active, 'List the open sessions by login.', Access.ADMIN
        ),
        Route(
            'GET',
            '/xapi/users/active/{username}',
            _sessions,
            'List the open sessions of a user.',
            Access.SELF,
        ),
        Route(
            'DELETE',
            '/xapi/users/active/{username}',
            _end_sessions,
            'Close the sessions of a user.',
            Access.SELF,
        ),
        Route('GET', '/xapi/users/{username}', _get, 'Return a user.', Access.SELF),
        Route('PUT', '/xapi/users/{username}', _put, 'Change a user.', Access.ADMIN),
        *(
            route
            for name in ('enabled', 'verified')
            for route in (
                Route(
                    'GET',
                    f'/xapi/users/{{username}}/{name}',
                    _flag(name),
                    f'Say whether a user is {name}.',
                    Access.SELF,
                ),
                Route(
                    'PUT',
                    f'/xapi/users/{{username}}/{name}/{{flag}}',
                    _set_flag(name),
                    f'Set whether a user is {name}.',
                    Access.ADMIN,
                ),
            )
        ),
    ),
)
