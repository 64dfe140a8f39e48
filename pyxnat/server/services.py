"""Routes that are no data elements: sessions, users, workflows, version, schemas."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from werkzeug.exceptions import Forbidden, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.wrappers import Response

from . import projects, tokens, usercache
from .auth import visible
from .calls import Call, text
from .locate import find_project, need
from .respond import table_response
from .store import user, workflow
from .tables import Table

__all__ = ['find', 'login', 'schema', 'xapi']

_PREARCHIVE = (
    'project', 'timestamp', 'lastmod', 'uploaded', 'scan_date', 'scan_time', 'subject', 'folderName', 'name', 'tag', 'status', 'url',
    'autoarchive', 'prevent_anon', 'prevent_auto_commit', 'SOURCE', 'VISIT', 'PROTOCOL', 'TIMEZONE',
)  # fmt: skip
Handler = Callable[[Call], Response]
VERSION = '1.8.3'
"""The XNAT whose behaviour this archive follows, as far as it follows one."""


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that is no data element."""
    plain = [part for part in parts if part]
    head = tuple(plain[:1])
    if plain[:1] == ['archive']:
        plain = plain[1:]
    found = projects.handler(plain)
    if found is not None:
        return found
    if plain[:2] == ['services', 'tokens']:
        return tokens.answer
    if plain[:2] == ['services', 'workflows']:
        return _workflows
    if plain[:1] == ['prearchive'] and len(plain) in (1, 3):
        return _prearchive
    if plain[:3] == ['user', 'cache', 'resources']:
        return usercache.answer
    if len(plain) == 1 and plain[0] in _LISTS:
        return _LISTS[plain[0]]
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


# -- what the server did


def _workflows(call: Call) -> Response:
    """``services/workflows[/NAME]?experiment=E``: what was done with an item, the latest first."""
    _allow(call, 'GET')
    name = call.parts[2] if len(call.parts) > 2 else ''
    table = workflow.c
    query = select(table.pk, table.pipeline_name, table.status, table.launch_time, table.item, table.data_type, table.project, table.login)
    for column, wanted in ((table.item, call.get('experiment')), (table.pipeline_name, name), (table.project, call.get('project'))):
        query = query.where(column == wanted) if wanted else query
    query = query.where(visible(call.caller, table.project)).order_by(table.pk.desc())
    if call.get('display', 'LATEST').upper() == 'LATEST':
        query = query.limit(1)
    with call.archive.store.read() as connection:
        rows = connection.execute(query).all()
    columns = ['wrk_workflowdata_id', 'pipeline_name', 'status', 'launch_time', 'id', 'data_type', 'externalid', 'user']
    return table_response(call, Table(columns, rows, {'title': 'Workflows'}))


def _prearchive(call: Call) -> Response:
    """``prearchive[/projects/P]``: sessions that wait to be archived. What arrives here is archived at once, so there are none."""
    _allow(call, 'GET')
    if len(call.parts) > 2:
        with call.archive.store.read() as connection:
            for name in call.parts[2].split(','):
                row = find_project(connection, name)
                need(connection, call.caller, row.id if row is not None else name, 'read')
    return table_response(call, Table(_PREARCHIVE, [], count=False))


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


_LISTS: dict[str, Handler] = {'scan_types': projects.scan_types, 'scanners': projects.scanners, 'investigators': projects.investigators}
_ROOT: dict[tuple[str, ...], Handler] = {('JSESSION',): _jsession, ('auth',): _auth, ('users',): _users}
