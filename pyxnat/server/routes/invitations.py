"""Invitations to projects by e-mail address, for people without a login.

Who invites gets the link, and passes it on. The invited accept or decline once they are users.
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from ..db.groups import set_member
from ..db.guards import Guard
from ..db.invitations import (
    answer_invitation,
    invitations_to,
    need_invitation,
    open_invitations,
    user_to_add,
)
from ..db.rows import project_row
from ..db.store import Connection, fields_of
from ..db.users import change_user, find_user, full_name_of
from ..errors import Conflict, Forbidden
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..table import Table
from .groups import key_of
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
    """Return the invitations to a project, for its owners."""
    with call.archive.store.read() as connection:
        row = project_of(call, connection)
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
            for one in invitations_to(connection, call.caller, row.id)
        ]
    return table_response(call, Table(_OF_PROJECT, rows, count=False))


def _own_invitations(call: Call, number: str) -> Response:
    """Return the caller's open invitations, or accept or decline one.

    With the secret or number of one the table is shorter. PUT has the parameter ``accept`` or
    ``decline``.
    """
    with (
        call.archive.store.write()
        if call.method == 'PUT'
        else call.archive.store.read() as connection
    ):
        if number:
            row, may_accept = need_invitation(connection, call.caller, number)
            if call.method == 'PUT':
                _settle(call, connection, row, may_accept)
        found = open_invitations(connection, call.caller)
        if number:
            rows = [
                (one.pk, one.project, one.create_date, f'{one.project}_{one.level}')
                for one in found
            ]
            return table_response(call, Table(_ONE, rows, count=False))
        return table_response(
            call,
            Table(_OWN, [_described(connection, one) for one in found]),
        )


def _settle(call: Call, connection: Connection, row: Any, may_accept: bool) -> None:
    if row.approval_date is not None:
        raise Conflict('This project invitation has been answered already.')
    accepted = call.has('accept')
    if not accepted and not call.has('decline'):
        return
    if accepted:
        invited = _invited(call, connection, row, may_accept)
        key_of(connection, row.project, row.level)
        set_member(connection, row.project, invited.login, row.level)
    answer_invitation(connection, row.pk, accepted)


def _invited(call: Call, connection: Connection, row: Any, may_accept: bool) -> Any:
    """Return the user who gets the role.

    The caller with the secret of the link, which also proves that the address is the caller's.
    Administrators accept for the user of the address.
    """
    if may_accept:
        invited = find_user(connection, call.caller.login)
        change_user(connection, invited.pk, {'email_verified': True})
        return invited
    invited = user_to_add(connection, row.email) if call.caller.admin else None
    if invited is None:
        raise Forbidden(
            'An invitation is accepted with the secret of its link, by the user with its address.'
        )
    return invited


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


ROUTES = guarded(
    Guard.INVITATION,
    (
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
            'Accept an invitation by its secret with `accept`, or refuse it with `decline`.',
        ),
        Route(
            'GET',
            '/data/projects/{project}/pars/{*}',
            _of_project,
            'List the invitations to a project.',
        ),
    ),
)
