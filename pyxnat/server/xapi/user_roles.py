"""``/xapi/users``: roles of users on the site, and their groups in projects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from ..db.access import ANY, GUEST, rights
from ..db.groups import groups_of, need_move, remove_member, set_member
from ..db.guards import Guard, record
from ..db.rows import items_of_level
from ..db.store import Connection, fields_of, get_setting, put_setting
from ..db.users import administrators
from ..errors import BadRequest, NotFound, Refusal
from ..http.request import Call
from ..http.router import Access, Route, answer_as, guarded
from ..items.locate import find_project
from ..routes.groups import key_of
from .json_body import json_body
from .users import need_user, save_user

__all__ = ['ROUTES']

ADMINISTRATOR = 'Administrator'
MORE_ROLES = ('DataManager', 'SiteUser')
"""Roles of the site that have no effect on rights here."""
_ROLE = 'role:'


# -- roles of the site and groups of projects


def _roles(call: Call, username: str) -> list[str]:
    with call.archive.store.read() as connection:
        need_user(connection, username)
    return [name for name, logins in _role_map(call).items() if username in logins]


def _role_map(call: Call) -> dict[str, list[str]]:
    with call.archive.store.read() as connection:
        logins = [row.login for row in administrators(connection, call.caller)]
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
                _give_role(connection, need_user(connection, username).login, name, admin)
                return
            save_user(call, connection, need_user(connection, username), {'admin': admin})

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
        need_user(connection, username)
        return groups_of(connection, username)


def _access(call: Call, username: str = '') -> list[dict[str, str]]:
    """Return the projects of a user with its groups; without public projects."""
    record(Guard.GROUP)
    held = _projects_of(call, username or call.caller.login) if not call.caller.guest else {}
    with call.archive.store.read() as connection:
        rows = [row for row in items_of_level(connection, 'project') if row.id in held]
    projects = []
    for row in rows:
        values = fields_of(row)
        texts = {
            'ID': row.id,
            'URI': f'/data/projects/{row.id}',
            'group_id': f'{row.id}_{held[row.id]}',
            'role': f'{held[row.id]}s'.capitalize(),
        }
        projects.append(
            {
                **texts,
                **{name: values.get(name, '') for name in ('name', 'secondary_ID', 'description')},
            }
        )
    return sorted(projects, key=lambda project: project['secondary_ID'])


def _editable(call: Call) -> list[str]:
    """Return the IDs of the projects that the caller may edit."""
    with call.archive.store.read() as connection:
        record(Guard.ITEM)  # there may be no project
        every = sorted(row.id for row in items_of_level(connection, 'project'))
        return [name for name in every if 'edit' in rights(connection, call.caller, name, ANY)]


def _set_group(add: bool) -> Callable[..., None]:
    def change(call: Call, username: str, group: str) -> None:
        project, _, name = group.rpartition('_')
        with call.archive.store.write() as connection:
            row = find_project(connection, project)
            need_move(connection, call.caller, row.id if row else project, username, add)
            need_user(connection, username)
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
            need_user(connection, username)
            record(Guard.GROUP)  # `change` checks each; the list may be empty
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


ROUTES = guarded(
    Guard.GROUP,
    (
        Route(
            'GET',
            '/xapi/users/projects',
            _editable,
            'List the projects that the caller may change.',
            guard=Guard.ITEM,
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
            'GET',
            '/xapi/users/rolemap',
            _role_map,
            'List the users by role of the site.',
            Access.ADMIN,
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
        Route(
            'GET', '/xapi/users/{username}/roles', _roles, 'List the roles of a user.', Access.SELF
        ),
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
            'GET',
            '/xapi/users/{username}/groups',
            _groups,
            'List the groups of a user.',
            Access.SELF,
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
    ),
)
