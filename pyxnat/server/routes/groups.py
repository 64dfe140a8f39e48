"""``/projects/P/users`` and ``/projects/P/groups``: who may use a project, and as what.

Every project has owners, members and collaborators; it may have groups of its own besides, whose rights are told data type by data type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from lxml import etree
from sqlalchemy import Connection, func, select
from werkzeug.wrappers import Response

from ...model.xml import write_xml
from ..db.access import ROLES
from ..db.store import group_right, role, user, user_group
from ..db.types import Model
from ..errors import BadRequest, Forbidden, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Access, Route
from ..items.locate import need
from ..table import Table
from .invitations import invite
from .project_scope import project_of

__all__ = ['ROUTES', 'key_of', 'titles']

TITLES = {'owner': 'Owners', 'member': 'Members', 'collaborator': 'Collaborators'}
_GRANTED = re.compile(r'(?P<type>.+)_(?P=type)/(?:project|ID)$')
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9 .-]*')
ALL_DATA = 'ALL_DATA_ADMIN'
"""The group of those who may do everything everywhere: here the administrators."""
XDAT = 'http://nrg.wustl.edu/security'


def titles(connection: Connection, project: str) -> dict[str, str]:
    """The groups of a project: key, which is the end of the group's ID, to display name."""
    own = connection.execute(select(user_group.c.key, user_group.c.displayname).where(user_group.c.project == project).order_by(user_group.c.pk))
    return TITLES | {row.key: row.displayname for row in own}


def key_of(connection: Connection, project: str, name: str) -> str:
    """The key of a group that is named by its ID, by the end of that, or by its display name; `NotFound` where there is none."""
    for key, title in titles(connection, project).items():
        if name in (key, title, f'{project}_{key}'):
            return key
    raise NotFound(f'Unable to find the specified group: {name}')


# -- users


def _users(call: Call, project: str, first: str = '', **names: str) -> Response:
    """``/projects/P/users``: the table of users, with ``true`` behind it also of those who are disabled."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        if call.archive.preferences.flag('restrictUserListAccessToAdmins'):
            need(connection, call.caller, row.id, 'delete')
        return _user_table(call, connection, row.id, everybody=first == 'true')


def _change_users(call: Call, project: str, group: str, logins: str) -> Response:
    """Add users to a group, or take them out of it, and return the table of users."""
    with call.archive.store.write() as connection:
        row = project_of(call, connection, 'delete')
        key = key_of(connection, row.id, group)
        for name in logins.split(','):
            _change_role(call, connection, row.id, key, name.strip())
        return _user_table(call, connection, row.id)


def _change_role(call: Call, connection: Connection, project: str, group: str, name: str) -> None:
    add = call.method == 'PUT'
    login = connection.scalar(select(user.c.login).where(user.c.login == name))
    if login is None and name.isdecimal():
        login = connection.scalar(select(user.c.login).where(user.c.pk == int(name)))
    if login is None:
        known = connection.scalar(select(user.c.login).where(func.lower(user.c.email) == name.lower()))
        if add and '@' in name and known is None:
            invite(connection, call.caller.login, project, group, name)
        return  # of whom it does not know, and of addresses of users, XNAT says nothing
    gone = role.delete().where(role.c.project == project, role.c.login == login)
    connection.execute(gone if add else gone.where(role.c.role == group))
    if add:
        connection.execute(role.insert().values(project=project, login=login, role=group))


def _user_table(call: Call, connection: Connection, project: str, everybody: bool = False) -> Response:
    query = select(role.c.role, user.c.login, user.c.firstname, user.c.lastname, user.c.email).select_from(
        role.join(user, user.c.login == role.c.login)
    )
    query = query.where(role.c.project == project).order_by(user.c.login)
    if not everybody:
        query = query.where(user.c.enabled)
    names = titles(connection, project)
    rows = [(f'{project}_{row.role}', names.get(row.role, row.role), *row[1:]) for row in connection.execute(query)]
    if call.flag('includeAllDataAccess'):
        seen = {row[2] for row in rows}
        admins = connection.execute(select(user.c.login, user.c.firstname, user.c.lastname, user.c.email).where(user.c.admin, user.c.enabled))
        rows += [(ALL_DATA, 'All Data Administration', *row) for row in admins if row.login not in seen]
    columns = ['GROUP_ID', 'displayname', 'login', 'firstname', 'lastname', 'email']
    return table_response(call, Table(columns, rows, {'title': 'Projects'}))


# -- groups


def _get(call: Call, project: str, name: str) -> Response:
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        if name:
            key = key_of(connection, row.id, name)
            return _item(call, row.id, key, titles(connection, row.id)[key])
        return _table(call, connection, row.id)


def _table(call: Call, connection: Connection, project: str) -> Response:
    counted = select(role.c.role, func.count().label('n')).where(role.c.project == project).group_by(role.c.role)
    counts = {row.role: row.n for row in connection.execute(counted)}
    numbers = {name: number for number, name in enumerate(ROLES, 1)}
    for row in connection.execute(select(user_group).where(user_group.c.project == project)):
        numbers[row.key] = len(ROLES) + row.pk
    names = sorted(titles(connection, project).items(), key=lambda pair: pair[1], reverse=True)
    rows = [(f'{project}_{key}', title, project, numbers[key], counts.get(key, 0)) for key, title in names]
    return table_response(call, Table(['id', 'displayname', 'tag', 'xdat_usergroup_id', 'users'], rows, {'title': 'Projects'}), default='xml')


def _item(call: Call, project: str, key: str, title: str) -> Response:
    """A group as the item ``xdat:userGroup``."""
    fields = {'ID': f'{project}_{key}', 'displayName': title, 'tag': project}
    if call.get('format').lower() == 'json':
        meta = {'create_event_id': 0, 'xsi:type': 'xdat:userGroup', 'isHistory': False}
        found = {'items': [{'children': [], 'meta': meta, 'data_fields': fields}]}
        return Response(json.dumps(found), content_type='application/json')
    root = etree.Element(f'{{{XDAT}}}UserGroup', fields, nsmap={'xdat': XDAT})
    return Response(write_xml(root), content_type='text/xml')


def _post(call: Call, project: str, name: str) -> Response:
    """Change a group that is there; XNAT makes none so."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        if not name:
            raise NotFound('Name the group.')
        key_of(connection, row.id, name)
    return _put(call, project, name)


def _put(call: Call, project: str, name: str) -> Response:
    """Make or change a group: a new one has the ID ``P_<display name without blanks>``, whatever the path says."""
    told = dict(call.query)
    if call.has_body:
        told |= dict(call.form())
    title = told.get('xdat:userGroup/displayname', '')
    with call.archive.store.write() as connection:
        row = project_of(call, connection, 'delete')
        if not title:
            raise BadRequest('Display name is required.')
        if not _NAME.fullmatch(title):
            raise BadRequest(f'{title!r} cannot be the name of a group: use letters, digits, blanks, "." and "-".')
        key = next((known for known, other in titles(connection, row.id).items() if other == title), title.replace(' ', ''))
        rights = _granted(call.archive.model, row.id, told)
        _save(connection, row.id, key, title, rights)
        return _table(call, connection, row.id)


def _save(connection: Connection, project: str, key: str, title: str, rights: Mapping[str, set[str]]) -> None:
    if key in TITLES or title in TITLES.values():
        raise Forbidden('The groups that a project begins with cannot be changed.')
    if not re.fullmatch(r'[A-Za-z0-9.-]+( [A-Za-z0-9.-]+)*', key):
        raise BadRequest(f'{key!r} cannot end the ID of a group.')
    same = (user_group.c.project == project) & (user_group.c.key == key)
    if connection.execute(user_group.update().where(same).values(displayname=title)).rowcount == 0:
        connection.execute(user_group.insert().values(project=project, key=key, displayname=title))
    connection.execute(group_right.delete().where(group_right.c.project == project, group_right.c.key == key))
    for kind, held in rights.items():
        values = {'read': True, 'edit': 'E' in held, 'delete': 'D' in held}
        connection.execute(group_right.insert().values(project=project, key=key, xsi_type=kind, **values))


def _granted(model: Model, project: str, told: Mapping[str, str]) -> dict[str, set[str]]:
    """The rights by data type in parameters ``<type>_<type>/project_<P>_R``, ``_E``, ``_D``; who edits or deletes reads, too."""
    found: dict[str, set[str]] = {}
    for name, value in told.items():
        rest, _, right = name.rpartition('_')
        if right not in ('R', 'E', 'D') or not rest.endswith(f'_{project}') or value.lower() in ('false', '0'):
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
            raise Forbidden('The groups that a project begins with cannot be deleted.')
        project_of(call, connection, 'delete')
        for table, column in ((role, role.c.role), (group_right, group_right.c.key), (user_group, user_group.c.key)):
            connection.execute(table.delete().where(table.c.project == row.id, column == key))
        return _table(call, connection, row.id)


_USERS, _GROUPS = '/data/projects/{project}/users', '/data/projects/{project}/groups/{name?}/{*}'
ROUTES = (
    Route('GET', f'{_USERS}/{{first?}}', _users, 'List the users of a project; below `true` also those who are disabled.'),
    Route('GET', f'{_USERS}/{{group}}/{{logins}}/{{*}}', _users, 'List the users of a project.'),
    Route('PUT', f'{_USERS}/{{group}}/{{logins}}/{{*}}', _change_users, 'Add users to a group; an unknown address is invited.', Access.LOGIN),
    Route('DELETE', f'{_USERS}/{{group}}/{{logins}}/{{*}}', _change_users, 'Take users out of a group.', Access.LOGIN),
    Route('GET', _GROUPS, _get, 'List the groups of a project, or return one.'),
    Route('POST', _GROUPS, _post, 'Change a group.'),
    Route('PUT', _GROUPS, _put, 'Make or change a group by `xdat:userGroup/displayname` and rights.'),
    Route('DELETE', _GROUPS, _delete, 'Delete a group.'),
)
