"""Invitations to projects by e-mail address, for people without a login.

They accept or decline once they are users.
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from ..db.groups import set_member
from ..db.invitations import answer_invitation, find_invitation, invitations_to, open_invitations
from ..db.rows import project_row
from ..db.store import Connection, fields_of
from ..db.users import email_of, full_name_of, login_by_email
from ..errors import Conflict, Forbidden, NotFound
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route
from ..items.locate import need
from ..table import Table
from .project_scope import project_of

__all__ = ['ROUTES']

_OF_PROJECT = (
    'par_id',
    'proj_id',
    'level',
    'create_date',
    'email',
    'login',
    'secondary_id',
    'approved',
    'approval_date',
)
_OWN = (
    'par_id',
    'proj_id',
    'level',
    'create_date',
    'login',
    'firstname',
    'lastname',
    'secondary_id',
    'name',
    'id',
    'description',
    '?column?',
)
_ONE = ('id', 'proj_id', 'create_date', 'level')


def _of_project(call: Call, project: str) -> Response:
    """Return the invitations to a project, for users who may edit it."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
        need(connection, call.caller, row.id, 'edit')
        name = fields_of(row).get('secondary_ID', '')
        rows = [
            (
                one.pk,
                one.project,
                f'{one.project}_{one.level}',
                one.create_date,
                one.email,
                one.login,
                name,
                one.approved,
                one.approval_date,
            )
            for one in invitations_to(connection, row.id)
        ]
    return table_response(call, Table(_OF_PROJECT, rows, count=False))


def _own_invitations(call: Call, number: str) -> Response:
    """Return the caller's open invitations, or accept or decline one.

    With a number the table is shorter. PUT has the parameter ``accept`` or ``decline``.
    """
    with (
        call.archive.store.write()
        if call.method == 'PUT'
        else call.archive.store.read() as connection
    ):
        address = email_of(connection, call.caller.login)
        if number:
            row = _find(call, connection, number, address)
            if call.method == 'PUT':
                _settle(call, connection, row)
            found = open_invitations(connection, address)
            rows = [
                (one.pk, one.project, one.create_date, f'{one.project}_{one.level}')
                for one in found
            ]
            return table_response(call, Table(_ONE, rows, count=False))
        return table_response(
            call,
            Table(
                _OWN, [_described(connection, one) for one in open_invitations(connection, address)]
            ),
        )


def _find(call: Call, connection: Connection, text: str, address: str) -> Any:
    row = find_invitation(connection, text)
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
    login = login_by_email(connection, row.email)
    if login is None:
        raise Forbidden(f'There is no user with the address {row.email} yet.')
    answer_invitation(connection, row.pk, accepted)
    if accepted:
        set_member(connection, row.project, login, row.level)


def _described(connection: Connection, one: Any) -> tuple[Any, ...]:
    project = project_row(connection, one.project)
    fields = fields_of(project) if project is not None else {}
    inviter = full_name_of(connection, one.login)
    described = (
        fields.get('secondary_ID', ''),
        fields.get('name', ''),
        one.project,
        fields.get('description', '')[:300],
    )
    return (
        one.pk,
        one.project,
        f'{one.project}_{one.level}',
        one.create_date,
        one.login,
        *inviter,
        *described,
        '',
    )


ROUTES = (
    Route(
        'GET',
        '/data/pars/{number?}',
        _own_invitations,
        "List the caller's open invitations; one of them in short.",
    ),
    Route(
        'PUT',
        '/data/pars/{number}',
        _own_invitations,
        'Take an invitation with `accept`, or refuse it with `decline`.',
    ),
    Route(
        'GET',
        '/data/projects/{project}/pars/{*}',
        _of_project,
        'List the invitations to a project.',
    ),
)
