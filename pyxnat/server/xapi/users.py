"""``/xapi/users``: users, their sessions, site roles and project groups."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from ..db.access import ANY, GUEST, Caller, hash_password, rights
from ..db.groups import groups_of, remove_member, set_member
from ..db.rows import items_of_level
from ..db.store import Connection, fields_of, get_setting, put_setting
from ..db.users import (
    add_user,
    administrators,
    all_users,
    change_user,
    delete_tokens_of,
    find_user,
    is_last_administrator,
)
from ..errors import BadRequest, Conflict, Forbidden, NotFound, Refusal
from ..http.request import Call, text
from ..http.router import Access, Route, answer_as
from ..items.locate import find_project
from ..routes.groups import key_of
from .json_body import json_body

__all__ = ['ROUTES']

ADMINISTRATOR = 'Administrator'
MORE_ROLES = ('DataManager', 'SiteUser')
"""Roles of the site that have no effect on rights here."""
_ROLE = 'role:'
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


def _row(connection: Connection, username: str) -> Any:
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
        return list(all_users(connection))


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
        return _profiled(call, _row(connection, username or call.caller.login))


def _get(call: Call, username: str) -> dict[str, Any]:
    with call.archive.store.read() as connection:
        return _described(call, _row(connection, username))


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
        add_user(connection, str(username), values)
        row = _row(connection, str(username))
    made = _described(call, row)
    del made['lastModified']
    return answer_as(made, 201)


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

    Administrators may change their names, too.
    """
    wanted, own = json_body(call), call.caller.login
    if call.caller.admin:
        return _put(call, own)
    with call.archive.store.read() as connection:
        known = _row(connection, own).password
    if wanted.get('password') and not check_password_hash(
        known, str(wanted.get('currentPassword') or '')
    ):
        raise BadRequest('Current password needed to update password')
    return _changed(call, own, {name: wanted.get(name) for name in ('email', 'password')})


def _changed(call: Call, username: str, wanted: Mapping[str, Any]) -> Any:
    """Change a user and return it; 304 if nothing changes."""
    values = _columns(wanted)
    with call.archive.store.write() as connection:
        row = _row(connection, username)
        if all(getattr(row, name) == value for name, value in values.items() if name != 'modified'):
            return Response(status=304)
        _save(call, connection, row, values)
        return _described(call, _row(connection, username))


def _save(call: Call, connection: Connection, row: Any, values: Mapping[str, Any]) -> None:
    """Write columns of a user.

    A user who can no longer log in loses its tokens and sessions. `Conflict` for the last
    administrator, who must stay one.
    """
    after = {'enabled': row.enabled, 'verified': row.verified, 'admin': row.admin, **values}
    lasting = after['enabled'] and after['verified'] and after['admin']
    if row.admin and not lasting and is_last_administrator(connection, row.pk):
        raise Conflict(f'{row.login} is the last administrator.')
    change_user(connection, row.pk, values)
    if after['enabled'] and after['verified']:
        call.archive.sessions.change(Caller(row.login, bool(after['admin']), row.pk))
    else:
        delete_tokens_of(connection, row.login)
        _close(call, row.login)


def _set_flag(name: str) -> Callable[..., None]:
    def put(call: Call, username: str, flag: str) -> None:
        if flag.lower() not in ('true', 'false'):
            raise BadRequest(f'{flag!r} is neither true nor false.')
        with call.archive.store.write() as connection:
            _save(call, connection, _row(connection, username), {name: flag.lower() == 'true'})

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


# -- roles of the site and groups of projects


def _roles(call: Call, username: str) -> list[str]:
    with call.archive.store.read() as connection:
        _row(connection, username)
    return [name for name, logins in _role_map(call).items() if username in logins]


def _role_map(call: Call) -> dict[str, list[str]]:
    with call.archive.store.read() as connection:
        logins = [row.login for row in administrators(connection)]
        given = {
            name: json.loads(get_setting(connection, _ROLE + name, '[]')) for name in MORE_ROLES
        }
    first = logins[:1]
    held = {'DataManager': first, 'SiteUser': [*first, GUEST.login]}
    return {
        ADMINISTRATOR: sorted(logins),
        **{name: sorted({*held[name], *given[name]}) for name in MORE_ROLES},
    }


def _role_members(call: Call, name: str) -> list[str]:
    return _role_map(call).get(name, [])


def _set_role(admin: bool) -> Callable[..., None]:
    def change(call: Call, username: str, name: str) -> None:
        if name not in (ADMINISTRATOR, *MORE_ROLES):
            raise BadRequest(
                f'There is no role {name}; there are {", ".join((ADMINISTRATOR, *MORE_ROLES))}.'
            )
        with call.archive.store.write() as connection:
            if name != ADMINISTRATOR:
                _give_role(connection, _row(connection, username).login, name, admin)
                return
            _save(call, connection, _row(connection, username), {'admin': admin})

    return change


def _give_role(connection: Connection, login: str, name: str, given: bool) -> None:
    """Store or remove a role without rights."""
    logins = set(json.loads(get_setting(connection, _ROLE + name, '[]')))
    put_setting(
        connection,
        _ROLE + name,
        json.dumps(sorted(logins | {login} if given else logins - {login})),
    )


def _groups(call: Call, username: str) -> list[str]:
    return [f'{project}_{name}' for project, name in _projects_of(call, username).items()]


def _projects_of(call: Call, username: str) -> dict[str, str]:
    """Return the projects of a user and the groups there."""
    with call.archive.store.read() as connection:
        _row(connection, username)
        return groups_of(connection, username)


def _access(call: Call, username: str = '') -> list[dict[str, str]]:
    """Return the projects of a user with its groups; without public projects."""
    held = _projects_of(call, username or call.caller.login) if not call.caller.guest else {}
    with call.archive.store.read() as connection:
        rows = [row for row in items_of_level(connection, 'project') if row.id in held]
    found = []
    for row in rows:
        values = fields_of(row)
        texts = {
            'ID': row.id,
            'URI': f'/data/projects/{row.id}',
            'group_id': f'{row.id}_{held[row.id]}',
            'role': f'{held[row.id]}s'.capitalize(),
        }
        found.append(
            {
                **texts,
                **{name: values.get(name, '') for name in ('name', 'secondary_ID', 'description')},
            }
        )
    return sorted(found, key=lambda project: project['secondary_ID'])


def _editable(call: Call) -> list[str]:
    """Return the IDs of the projects that the caller may edit."""
    with call.archive.store.read() as connection:
        every = sorted(row.id for row in items_of_level(connection, 'project'))
        return [name for name in every if 'edit' in rights(connection, call.caller, name, ANY)]


def _set_group(add: bool) -> Callable[..., None]:
    def change(call: Call, username: str, group: str) -> None:
        project, _, name = group.rpartition('_')
        with call.archive.store.write() as connection:
            row = find_project(connection, project)
            owner = row is not None and 'delete' in rights(connection, call.caller, row.id)
            if not owner and (add or username != call.caller.login) and not call.caller.admin:
                raise Forbidden(f'Only an owner of {project} may change the members of {group}.')
            _row(connection, username)
            if row is None:
                raise NotFound(f'There is no group {group}.')
            name = key_of(connection, row.id, name)
            (set_member if add else remove_member)(connection, row.id, username, name)

    return change


def _each(change: Callable[..., None], argument: str) -> Callable[..., Response]:
    """Return a handler that applies another one to each name in a JSON list.

    Its status is 200, or 202 with the names that failed.
    """

    def handle(call: Call, username: str) -> Response:
        names: Iterable[Any] = json_body(call, list)
        with call.archive.store.read() as connection:
            _row(connection, username)
        failed = [
            name
            for name in names
            if not _went_well(change, call, {'username': username, argument: str(name)})
        ]
        return answer_as(failed, 202 if failed else 200)

    return handle


def _went_well(change: Callable[..., None], call: Call, names: Mapping[str, str]) -> bool:
    try:
        change(call, **names)
    except Refusal:
        return False
    return True


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


ROUTES = (
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
    ),
    Route(
        'GET', '/xapi/users/projects', _editable, 'List the projects that the caller may change.'
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
        '/xapi/access/projects',
        _access,
        'List the projects that the caller belongs to, with the groups.',
    ),
    Route(
        'GET',
        '/xapi/access/{username}/projects',
        _access,
        'List the projects that a user belongs to, with the groups.',
        Access.ADMIN,
    ),
    Route(
        'GET', '/xapi/users/authProviders', lambda call: [_PROVIDER], 'List how users can log in.'
    ),
    Route(
        'GET',
        '/xapi/users/authDetails/{username}',
        _login_methods,
        'Return how a user logs in.',
        Access.SELF,
    ),
    Route('GET', '/xapi/users/active', _active, 'List the open sessions by login.', Access.ADMIN),
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
    Route(
        'GET', '/xapi/users/rolemap', _role_map, 'List the users by role of the site.', Access.ADMIN
    ),
    Route(
        'GET',
        '/xapi/users/roles',
        lambda call: [*reversed(MORE_ROLES), ADMINISTRATOR],
        'List the roles of the site.',
        Access.ADMIN,
    ),
    Route(
        'GET',
        '/xapi/users/roles/{name}',
        _role_members,
        'List the users that have a role.',
        Access.ADMIN,
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
    Route('GET', '/xapi/users/{username}/roles', _roles, 'List the roles of a user.', Access.SELF),
    Route(
        'PUT',
        '/xapi/users/{username}/roles',
        _each(_set_role(True), 'name'),
        'Give a user roles.',
        Access.ADMIN,
    ),
    Route(
        'DELETE',
        '/xapi/users/{username}/roles',
        _each(_set_role(False), 'name'),
        'Take roles from a user.',
        Access.ADMIN,
    ),
    Route(
        'PUT',
        '/xapi/users/{username}/roles/{name}',
        _set_role(True),
        'Give a user a role.',
        Access.ADMIN,
    ),
    Route(
        'DELETE',
        '/xapi/users/{username}/roles/{name}',
        _set_role(False),
        'Take a role from a user.',
        Access.ADMIN,
    ),
    Route(
        'GET',
        '/xapi/users/{username}/projects',
        _projects_of,
        'Return the projects of a user, with the groups.',
        Access.SELF,
    ),
    Route(
        'GET', '/xapi/users/{username}/groups', _groups, 'List the groups of a user.', Access.SELF
    ),
    Route(
        'PUT',
        '/xapi/users/{username}/groups',
        _each(_set_group(True), 'group'),
        'Add a user to groups.',
        Access.LOGIN,
    ),
    Route(
        'DELETE',
        '/xapi/users/{username}/groups',
        _each(_set_group(False), 'group'),
        'Take a user out of groups.',
        Access.SELF,
    ),
    Route(
        'PUT',
        '/xapi/users/{username}/groups/{group}',
        _set_group(True),
        'Add a user to a group.',
        Access.LOGIN,
    ),
    Route(
        'DELETE',
        '/xapi/users/{username}/groups/{group}',
        _set_group(False),
        'Take a user out of a group.',
        Access.SELF,
    ),
)
