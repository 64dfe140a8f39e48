"""Requests for access to a project: who is no user yet is invited by e-mail address, and says yes or no once he is one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select
from werkzeug.wrappers import Response

from ..db.store import fields_of, invitation, item, now, role, user
from ..errors import Conflict, Forbidden, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route
from ..items.locate import need
from ..table import Table
from .project_scope import project_of

__all__ = ['ROUTES', 'invite']

_OF_PROJECT = ('par_id', 'proj_id', 'level', 'create_date', 'email', 'login', 'secondary_id', 'approved', 'approval_date')
_OWN = ('par_id', 'proj_id', 'level', 'create_date', 'login', 'firstname', 'lastname', 'secondary_id', 'name', 'id', 'description', '?column?')
_ONE = ('id', 'proj_id', 'create_date', 'level')


def invite(connection: Connection, login: str, project: str, group: str, address: str) -> None:
    """Invite an e-mail address into a group of a project. No mail is sent: this archive has no mail server."""
    same = invitation.c.project == project, func.lower(invitation.c.email) == address.lower(), invitation.c.approval_date.is_(None)
    connection.execute(invitation.delete().where(*same))
    connection.execute(invitation.insert().values(project=project, level=group, email=address, create_date=now(), login=login))


def _of_project(call: Call, project: str) -> Response:
    """``projects/P/pars``: who was invited, for whoever may edit the project."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        need(connection, call.caller, row.id, 'edit')
        name = fields_of(row).get('secondary_ID', '')
        query = select(invitation).where(invitation.c.project == row.id).order_by(invitation.c.pk)
        rows = [
            (one.pk, one.project, f'{one.project}_{one.level}', one.create_date, one.email, one.login, name, one.approved, one.approval_date)
            for one in connection.execute(query)
        ]
    return table_response(call, Table(_OF_PROJECT, rows, count=False))


def _answer(call: Call, number: str) -> Response:
    """``pars``: the caller's open invitations; ``pars/ID``: the same in short; PUT with ``accept`` or ``decline`` answers one."""
    with call.archive.store.write() if call.method == 'PUT' else call.archive.store.read() as connection:
        address = connection.scalar(select(user.c.email).where(user.c.login == call.caller.login)) or ''
        if number:
            row = _one(call, connection, number, address)
            if call.method == 'PUT':
                _settle(call, connection, row)
            return table_response(
                call,
                Table(
                    _ONE, [(one.pk, one.project, one.create_date, f'{one.project}_{one.level}') for one in _open(connection, address)], count=False
                ),
            )
        return table_response(call, Table(_OWN, [_described(connection, one) for one in _open(connection, address)]))


def _open(connection: Connection, address: str) -> list[Any]:
    mine = func.lower(invitation.c.email) == address.lower(), invitation.c.approval_date.is_(None)
    return list(connection.execute(select(invitation).where(*mine).order_by(invitation.c.pk))) if address else []


def _one(call: Call, connection: Connection, text: str, address: str) -> Any:
    row = connection.execute(select(invitation).where(invitation.c.pk == int(text))).first() if text.isdecimal() else None
    if row is None:
        raise NotFound(f'There is no request for access {text}.')
    if not call.caller.admin and row.email.lower() != address.lower():
        need(connection, call.caller, row.project, 'edit')
    return row


def _settle(call: Call, connection: Connection, row: Any) -> None:
    if row.approval_date is not None:
        raise Conflict('This project invitation has been answered already.')
    accepted = call.has('accept')
    if not accepted and not call.has('decline'):
        return
    login = connection.scalar(select(user.c.login).where(func.lower(user.c.email) == row.email.lower()))
    if login is None:
        raise Forbidden(f'There is no user with the address {row.email} yet.')
    connection.execute(invitation.update().where(invitation.c.pk == row.pk).values(approved=accepted, approval_date=now()))
    if accepted:
        connection.execute(role.delete().where(role.c.project == row.project, role.c.login == login))
        connection.execute(role.insert().values(project=row.project, login=login, role=row.level))


def _described(connection: Connection, one: Any) -> tuple[Any, ...]:
    project = connection.execute(select(item).where(item.c.level == 'project', item.c.id == one.project)).first()
    fields = fields_of(project) if project is not None else {}
    inviter = connection.execute(select(user.c.firstname, user.c.lastname).where(user.c.login == one.login)).first() or ('', '')
    told = (fields.get('secondary_ID', ''), fields.get('name', ''), one.project, fields.get('description', '')[:300])
    return (one.pk, one.project, f'{one.project}_{one.level}', one.create_date, one.login, *inviter, *told, '')


ROUTES = (
    Route('GET', '/data/pars/{number?}', _answer, "List the caller's open invitations; one of them in short."),
    Route('PUT', '/data/pars/{number}', _answer, 'Take an invitation with `accept`, or refuse it with `decline`.'),
    Route('GET', '/data/projects/{project}/pars/{*}', _of_project, 'List the invitations to a project.'),
)
