"""Invitations of email addresses to groups of projects.

The link of an invitation has a secret, of which only the digest is stored. Who accepts needs the
secret and the address that was invited: a number can be guessed, and an address can be changed.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Connection, func, select

from ..errors import Conflict, Forbidden, NotFound
from .access import Caller, digest_of, rights
from .guards import Guard, record
from .rows import project_row
from .store import invitation, now
from .users import address_holders, find_user, is_address_of

__all__ = [
    'answer_invitation',
    'invitations_to',
    'invite',
    'need_invitation',
    'open_invitations',
    'user_to_add',
]


def invite(connection: Connection, login: str, project: str, group: str, address: str) -> str:
    """Invite an email address, replacing an open invitation.

    No email is sent: the inviter passes the link on.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    login : str
        User who invites.
    project : str
        ID of the project.
    group : str
        Key of the group.
    address : str
        The email address.

    Returns
    -------
    str
        The secret of the link, which is not stored.
    """
    same = (
        invitation.c.project == project,
        func.lower(invitation.c.email) == address.lower(),
        invitation.c.approval_date.is_(None),
    )
    connection.execute(invitation.delete().where(*same))
    secret = secrets.token_urlsafe(24)
    values = {
        'project': project,
        'level': group,
        'email': address,
        'create_date': now(),
        'login': login,
        'digest': digest_of(secret),
    }
    connection.execute(invitation.insert().values(**values))
    return secret


def invitations_to(connection: Connection, caller: Caller, project: str) -> list[Any]:
    """Return all invitations to a project, oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project.

    Raises
    ------
    Forbidden
        If the caller does not own the project.
    """
    _need_owner(connection, caller, project)
    query = select(invitation).where(invitation.c.project == project)
    return list(connection.execute(query.order_by(invitation.c.pk)))


def open_invitations(connection: Connection, caller: Caller) -> list[Any]:
    """Return the open invitations of a caller's address.

    None if the address is not known to be the caller's.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    record(Guard.INVITATION)
    row = find_user(connection, caller.login)
    if row is None or not row.email or not is_address_of(row):
        return []
    mine = func.lower(invitation.c.email) == row.email.lower(), invitation.c.approval_date.is_(None)
    return list(connection.execute(select(invitation).where(*mine).order_by(invitation.c.pk)))


def need_invitation(connection: Connection, caller: Caller, name: str) -> tuple[Any, bool]:
    """Return an invitation, and whether the caller may accept it.

    Who has its secret and its address may; others may only read and withdraw it: owners of the
    project, and a user who has confirmed that address.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    name : str
        Secret of the link, or number.

    Raises
    ------
    NotFound
        If there is none.
    Forbidden
        For an invitation of another address, unless the caller owns the project.
    """
    record(Guard.INVITATION)
    linked = select(invitation).where(invitation.c.digest == digest_of(name))
    row = connection.execute(linked).first()
    by_secret = row is not None
    if row is None and name.isdecimal():
        row = connection.execute(select(invitation).where(invitation.c.pk == int(name))).first()
    if row is None or project_row(connection, row.project) is None:
        raise NotFound(f'There is no request for access {name}.')
    own = find_user(connection, caller.login)
    mine = own is not None and bool(own.email) and own.email.lower() == row.email.lower()
    if mine and by_secret and not caller.guest:
        return row, True
    if not (mine and is_address_of(own)):
        _need_owner(connection, caller, row.project)
    return row, False


def _need_owner(connection: Connection, caller: Caller, project: str) -> None:
    record(Guard.INVITATION)
    if 'delete' not in rights(connection, caller, project):
        raise Forbidden(f'Only an owner of {project} has access to its invitations.')


def user_to_add(connection: Connection, address: str) -> Any:
    """Return the user with an address, or None for an address to invite.

    Parameters
    ----------
    connection : Connection
        The database.
    address : str
        The email address.

    Raises
    ------
    Conflict
        For the address of several users, and for one that is not known to be the user's.
    """
    record(Guard.INVITATION)
    rows = address_holders(connection, address)
    if len(rows) > 1 or not all(map(is_address_of, rows)):
        raise Conflict(
            f'{address} cannot be added by address: it is not verified, or several users have it. '
            'Use the login.'
        )
    return rows[0] if rows else None


def answer_invitation(connection: Connection, pk: int, accepted: bool) -> None:
    """Accept or decline an invitation.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the invitation.
    accepted : bool
        Whether it is accepted.
    """
    values = {'approved': accepted, 'approval_date': now()}
    connection.execute(invitation.update().where(invitation.c.pk == pk).values(**values))
