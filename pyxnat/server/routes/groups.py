"""``/projects/P/users`` and ``/projects/P/groups``: users of a project.

Every project has owners, members and collaborators. It may also have groups of its own, with rights
by data type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from werkzeug.wrappers import Response

from ..db.groups import (
    delete_group,
    group_numbers,
    members,
    need_groups,
    own_groups,
    remove_member,
    save_group,
    set_member,
    sizes,
)
from ..db.guards import Guard
from ..db.invitations import invite, user_to_add
from ..db.store import Connection
from ..db.types import Model
from ..db.users import address_holders, administrators, login_by_name
from ..errors import BadRequest, Conflict, Forbidden, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Access, Route, guarded
from ..items.xml import write_element
from ..table import Table
from .project_scope import project_of

__all__ = ['ROUTES', 'key_of', 'titles']

TITLES = {'owner': 'Owners', 'member': 'Members', 'collaborator': 'Collaborators'}
_GRANTED = re.compile(r'(?P<type>.+)_(?P=type)/(?:project|ID)$')
_ADDRESS = re.compile(r'[^@\s<>"]+@[^@\s<>"]+')
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9 .-]*')
ALL_DATA = 'ALL_DATA_ADMIN'
"""Group with all rights on all projects: here the administrators."""
XDAT = 'http://nrg.wustl.edu/security'


def titles(connection: Connection, project: str) -> dict[str, str]:
    """Return the display names of a project's groups by key.

    A key is the end of the group's ID.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    return TITLES | own_groups(connection, project)


def key_of(connection: Connection, project: str, name: str) -> str:
    """Return the key of a group.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    name : str
        ID of the group, its key or its display name.

    Raises
    ------
    NotFound
        If there is no such group.
    """
    for key, title in titles(connection, project).items():
        if name in (key, title, f'{project}_{key}'):
            return key
    raise NotFound(f'Unable to find the specified group: {name}')


# -- users


def _users(call: Call, project: str, first: str = '', **names: str) -> Response:
    """Return the users of a project; with ``true`` also disabled ones."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        restricted = call.archive.preferences.flag('restrictUserListAccessToAdmins')
        need_groups(connection, call.caller, row.id, change=restricted)
        return _user_table(call, connection, row.id, everybody=first == 'true')


def _change_users(call: Call, project: str, group: str, logins: str) -> Response:
    """Add users to a group or remove them, and return the table of users.

    The header ``X-Invitation`` has the address and the link of each invitation: no mail is sent.
    """
    links = []
    with call.archive.store.write() as connection:
        row = project_of(call, connection)
        need_groups(connection, call.caller, row.id, change=True)
        key = key_of(connection, row.id, group)
        for name in map(str.strip, logins.split(',')):
            if call.method == 'PUT' and '@' in name:
                links += _invite(call, connection, row.id, key, name)
            _change_role(call, connection, row.id, key, name)
        response = _user_table(call, connection, row.id)
    for link in links:
        response.headers.add('X-Invitation', link)
    return response


def _change_role(call: Call, connection: Connection, project: str, group: str, name: str) -> None:
    login = login_by_name(connection, name)
    if login is not None:  # XNAT ignores unknown logins and addresses of users
        change = set_member if call.method == 'PUT' else remove_member
        change(connection, project, login, group)


def _invite(
    call: Call, connection: Connection, project: str, group: str, address: str
) -> list[str]:
    """Invite an address that no user has, and return the link after the address.

    `Conflict` for a name that is the login of one user and the address of another.
    """
    login = login_by_name(connection, address)
    if login is not None:
        if any(row.login != login for row in address_holders(connection, address)):
            raise Conflict(f'{address} is the login of one user and the address of another.')
        return []
    if not _ADDRESS.fullmatch(address) or user_to_add(connection, address) is not None:
        return []
    secret = invite(connection, call.caller.login, project, group, address)
    return [f'{quote(address, safe="@+")} /data/pars/{secret}']


def _user_table(
    call: Call, connection: Connection, project: str, everybody: bool = False
) -> Response:
    names = titles(connection, project)
    rows = [
        (f'{project}_{row.role}', names.get(row.role, row.role), *row[1:])
        for row in members(connection, call.caller, project, everybody)
    ]
    if call.flag('includeAllDataAccess'):
        seen = {row[2] for row in rows}
        admins = [
            row
            for row in administrators(connection, call.caller)
            if row.enabled and row.login not in seen
        ]
        rows += [
            (ALL_DATA, 'All Data Administration', row.login, row.firstname, row.lastname, row.email)
            for row in admins
        ]
    columns = ['GROUP_ID', 'displayname', 'login', 'firstname', 'lastname', 'email']
    return table_response(call, Table(columns, rows, {'title': 'Projects'}))


# -- groups


def _get(call: Call, project: str, name: str) -> Response:
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        need_groups(connection, call.caller, row.id)
        if name:
            key = key_of(connection, row.id, name)
            return _item(call, row.id, key, titles(connection, row.id)[key])
        return _table(call, connection, row.id)


def _table(call: Call, connection: Connection, project: str) -> Response:
    counts, numbers = sizes(connection, project), group_numbers(connection, project)
    names = sorted(titles(connection, project).items(), key=lambda pair: pair[1], reverse=True)
    rows = [
        (f'{project}_{key}', title, project, numbers[key], counts.get(key, 0))
        for key, title in names
    ]
    return table_response(
        call,
        Table(
            ['id', 'displayname', 'tag', 'xdat_usergroup_id', 'users'], rows, {'title': 'Projects'}
        ),
        default='xml',
    )


def _item(call: Call, project: str, key: str, title: str) -> Response:
    """Return a group as the item ``xdat:userGroup``."""
    fields = {'ID': f'{project}_{key}', 'displayName': title, 'tag': project}
    if call.get('format').lower() == 'json':
        meta = {'create_event_id': 0, 'xsi:type': 'xdat:userGroup', 'isHistory': False}
        found = {'items': [{'children': [], 'meta': meta, 'data_fields': fields}]}
        return Response(json.dumps(found), content_type='application/json')
    return Response(write_element('xdat', XDAT, 'UserGroup', fields), content_type='text/xml')


def _post(call: Call, project: str, name: str) -> Response:
    """Change an existing group; as in XNAT, POST creates none."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        need_groups(connection, call.caller, row.id)
        if not name:
            raise NotFound('Name the group.')
        key_of(connection, row.id, name)
    return _put(call, project, name)


def _put(call: Call, project: str, name: str) -> Response:
    """Create or change a group.

    The ID of a new one is ``P_<display name without blanks>``, whatever the path.
    """
    settings = dict(call.query)
    if call.has_body:
        settings |= dict(call.form())
    title = settings.get('xdat:userGroup/displayname', '')
    with call.archive.store.write() as connection:
        row = project_of(call, connection)
        need_groups(connection, call.caller, row.id, change=True)
        if not title:
            raise BadRequest('Display name is required.')
        if not _NAME.fullmatch(title):
            raise BadRequest(
                f'{title!r} cannot be the name of a group: use letters, digits, blanks, "." and '
                '"-".'
            )
        key = next(
            (known for known, other in titles(connection, row.id).items() if other == title),
            title.replace(' ', ''),
        )
        rights = _granted(call.archive.model, row.id, settings)
        _save(connection, row.id, key, title, rights)
        return _table(call, connection, row.id)


def _save(
    connection: Connection, project: str, key: str, title: str, rights: Mapping[str, set[str]]
) -> None:
    if key in TITLES or title in TITLES.values():
        raise Forbidden('The default groups of a project cannot be changed.')
    if not re.fullmatch(r'[A-Za-z0-9.-]+( [A-Za-z0-9.-]+)*', key):
        raise BadRequest(f'{key!r} cannot end the ID of a group.')
    save_group(connection, project, key, title, rights)


def _granted(model: Model, project: str, settings: Mapping[str, str]) -> dict[str, set[str]]:
    """Return the rights by data type.

    They are in parameters ``<type>_<type>/project_<P>_R``, ``_E`` and ``_D``; rights to edit or
    delete imply that to read.
    """
    found: dict[str, set[str]] = {}
    for name, value in settings.items():
        rest, _, right = name.rpartition('_')
        if (
            right not in ('R', 'E', 'D')
            or not rest.endswith(f'_{project}')
            or value.lower() in ('false', '0')
        ):
            continue
        granted = _GRANTED.match(rest.removesuffix(f'_{project}'))
        kind = model.name(granted['type']) if granted is not None else None
        if kind is None:
            raise BadRequest(f'{name} names no data type of this archive.')
        found.setdefault(kind, set()).add(right if kind != 'xnat:projectData' else 'R')
    return found


def _delete(call: Call, project: str, name: str) -> Response:
    with call.archive.store.write() as connection:
        row = project_of(call, connection)
        key = key_of(connection, row.id, name) if name else ''
        if not name:
            raise NotFound('Name the group.')
        if key in TITLES:
            raise Forbidden('The default groups of a project cannot be deleted.')
        need_groups(connection, call.caller, row.id, change=True)
        delete_group(connection, row.id, key)
        return _table(call, connection, row.id)


_USERS, _GROUPS = '/data/projects/{project}/users', '/data/projects/{project}/groups/{name?}/{*}'
ROUTES = guarded(
    Guard.GROUP,
    (
        Route(
            'GET',
            f'{_USERS}/{{first?}}',
            _users,
            'List the users of a project; below `true` also those who are disabled.',
            guard=Guard.GROUP | Guard.USER,
        ),
        Route(
            'GET',
            f'{_USERS}/{{group}}/{{logins}}/{{*}}',
            _users,
            'List the users of a project.',
            guard=Guard.GROUP | Guard.USER,
        ),
        Route(
            'PUT',
            f'{_USERS}/{{group}}/{{logins}}/{{*}}',
            _change_users,
            'Add users to a group; an unknown address is invited.',
            Access.LOGIN,
            guard=Guard.GROUP | Guard.USER,
        ),
        Route(
            'DELETE',
            f'{_USERS}/{{group}}/{{logins}}/{{*}}',
            _change_users,
            'Take users out of a group.',
            Access.LOGIN,
            guard=Guard.GROUP | Guard.USER,
        ),
        Route('GET', _GROUPS, _get, 'List the groups of a project, or return one.'),
        Route('POST', _GROUPS, _post, 'Change a group.'),
        Route(
            'PUT',
            _GROUPS,
            _put,
            'Create or change a group by `xdat:userGroup/displayname` and rights.',
        ),
        Route('DELETE', _GROUPS, _delete, 'Delete a group.'),
    ),
)
