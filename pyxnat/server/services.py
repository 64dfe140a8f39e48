"""Routes that are no data elements: sessions, users, project access, version, schemas."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select
from werkzeug.exceptions import BadRequest, Forbidden, MethodNotAllowed, NotFound, PreconditionFailed, Unauthorized
from werkzeug.wrappers import Response

from .auth import rights
from .calls import Call, text
from .locate import find_project, need
from .respond import table_response
from .store import item, role, user
from .tables import Table
from .writer import ACCESS

__all__ = ['find', 'login', 'schema', 'xapi']

Handler = Callable[[Call], Response]
_GROUPS = {'owner': 'Owners', 'member': 'Members', 'collaborator': 'Collaborators'}
VERSION = '1.8.3'
"""The XNAT whose behaviour this archive follows, as far as it follows one."""


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is no data element."""
    plain = [part for part in parts if part]
    head = tuple(plain[:1])
    if plain[:1] == ['archive']:
        plain = plain[1:]
    if len(plain) >= 3 and plain[0] == 'projects' and plain[2] in _PROJECT:
        return _PROJECT[plain[2]]
    return _ROOT.get(head) if head in _ROOT and len(parts) <= 2 else None


def _allow(call: Call, *methods: str) -> None:
    if call.method not in methods:
        raise MethodNotAllowed(list(methods))


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
    return f'; XNAT_CSRF={secrets.token_hex(16)}' if call.flag('CSRF') else ''


def _auth(call: Call) -> Response:
    _allow(call, 'GET', 'PUT', 'POST')
    return text(f"User '{call.caller.login}' is logged in{_csrf(call)}")


def _users(call: Call) -> Response:
    _allow(call, 'GET')
    if call.caller.guest:
        raise Forbidden('A guest cannot list users.')
    query = select(user.c.pk, user.c.login, user.c.firstname, user.c.lastname, user.c.email).where(user.c.enabled).order_by(user.c.lastname)
    with call.archive.store.read() as connection:
        rows = connection.execute(query).all()
    return table_response(call, Table(['xdat_user_id', 'login', 'firstname', 'lastname', 'email'], rows, {'title': 'Projects'}))


# -- who may do what in a project


def _project(call: Call, connection: Connection) -> Any:
    parts = [part for part in call.parts if part != 'archive' and part]
    row = find_project(connection, parts[1])
    if row is None or 'see' not in rights(connection, call.caller, row.id):
        raise NotFound(f'Unable to find the specified project: {parts[1]}')
    return row


def _accessibility(call: Call) -> Response:
    _allow(call, 'GET', 'PUT')
    parts = [part for part in call.parts if part]
    value = parts[parts.index('accessibility') + 1 :]
    if call.method == 'GET':
        with call.archive.store.read() as connection:
            return text(_project(call, connection).access)
    if not value or value[0] not in ACCESS:
        raise BadRequest(f'Name one of {", ".join(ACCESS)}.')
    with call.archive.store.write() as connection:
        row = _project(call, connection)
        need(connection, call.caller, row.id, 'delete')
        connection.execute(item.update().where(item.c.pk == row.pk).values(access=value[0]))
    return text(value[0])


def _project_users(call: Call) -> Response:
    """``/projects/P/users[/GROUP/USER]``: the table of users; PUT and DELETE change it first."""
    _allow(call, 'GET', 'PUT', 'DELETE')
    parts = [part for part in call.parts if part]
    rest = parts[parts.index('users') + 1 :]
    if call.method == 'GET':
        with call.archive.store.read() as connection:
            return _user_table(call, connection, _project(call, connection).id)
    if len(rest) < 2:
        raise MethodNotAllowed(['GET'])
    if call.caller.guest:
        raise PreconditionFailed('A guest cannot change who may use a project.')
    with call.archive.store.write() as connection:
        row = _project(call, connection)
        need(connection, call.caller, row.id, 'delete')
        group = _group(row.id, rest[0])
        for name in rest[1].split(','):
            _change_role(connection, row.id, group, name, call.method == 'PUT')
        return _user_table(call, connection, row.id)


def _group(project: str, name: str) -> str:
    for key, title in _GROUPS.items():
        if name.lower() in (key, title.lower(), f'{project}_{key}'.lower()):
            return key
    raise NotFound(f'Unable to find the specified group: {name}')


def _change_role(connection: Connection, project: str, group: str, name: str, add: bool) -> None:
    login = connection.scalar(select(user.c.login).where((user.c.login == name) | (user.c.email == name)))
    if login is None and name.isdigit():
        login = connection.scalar(select(user.c.login).where(user.c.pk == int(name)))
    if login is None:
        raise NotFound(f'Unable to find the specified user: {name}')
    gone = role.delete().where(role.c.project == project, role.c.login == login)
    connection.execute(gone if add else gone.where(role.c.role == group))
    if add:
        connection.execute(role.insert().values(project=project, login=login, role=group))


def _user_table(call: Call, connection: Connection, project: str) -> Response:
    query = select(role.c.role, user.c.login, user.c.firstname, user.c.lastname, user.c.email).select_from(
        role.join(user, user.c.login == role.c.login)
    )
    query = query.where(role.c.project == project).order_by(user.c.login)
    rows = [(f'{project}_{row.role}', _GROUPS[row.role], *row[1:]) for row in connection.execute(query)]
    columns = ['GROUP_ID', 'displayname', 'login', 'firstname', 'lastname', 'email']
    return table_response(call, Table(columns, rows, {'title': 'Projects'}))


# -- beside the data


def xapi(call: Call) -> Response:
    """The few Spring routes that clients ask for: version, own name, schemas."""
    path = '/'.join(part for part in call.parts if part)
    _allow(call, 'GET')
    answers: dict[str, Callable[[], Any]] = {
        'siteConfig/buildInfo': lambda: _build_info(),
        'siteConfig/buildInfo/version': lambda: VERSION,
        'siteConfig/siteId': lambda: call.archive.site,
        'siteConfig/archivePath': lambda: str(call.archive.files.root),
        'siteConfig/requireLogin': lambda: call.archive.require_login,
        'users': lambda: _logins(call),
        'schemas': lambda: sorted(call.archive.model.registry.prefixes.values()),
        'schemas/datatypes': lambda: sorted(call.archive.model.registry.names()),
    }
    if path == 'users/username':
        return text(call.caller.login)
    if path not in answers:
        raise NotFound(f'There is nothing at /xapi/{path}.')
    return Response(json.dumps(answers[path]()), mimetype='application/json')


def _build_info() -> dict[str, str]:
    return {'version': VERSION, 'buildNumber': 'pyxnat', 'buildDate': '', 'commit': '', 'timestamp': '0'}


def _logins(call: Call) -> list[str]:
    with call.archive.store.read() as connection:
        return [str(name) for name in connection.scalars(select(user.c.login).order_by(user.c.login))]


def schema(call: Call) -> Response:
    """``/schemas/xnat/xnat.xsd``: the documents that the data types come from."""
    _allow(call, 'GET')
    name = call.parts[-1] if call.parts else ''
    for document in call.archive.model.documents:
        prefix = call.archive.model.prefix_of(document)
        if name == f'{prefix}.xsd':
            return Response(document, mimetype='text/xml')
    raise NotFound(f'There is no schema {name}.')


_PROJECT: dict[str, Handler] = {'accessibility': _accessibility, 'users': _project_users}
_ROOT: dict[tuple[str, ...], Handler] = {('JSESSION',): _jsession, ('auth',): _auth, ('users',): _users}
