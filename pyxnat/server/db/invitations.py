"""Invitations of email addresses to groups of projects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from .store import invitation, now

__all__ = ['answer_invitation', 'find_invitation', 'invitations_to', 'invite', 'open_invitations']


def invite(connection: Connection, login: str, project: str, group: str, address: str) -> None:
    """Invite an email address, replacing an open invitation.

    No email is sent.

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
    """
    same = (
        invitation.c.project == project,
        func.lower(invitation.c.email) == address.lower(),
        invitation.c.approval_date.is_(None),
    )
    connection.execute(invitation.delete().where(*same))
    values = {
        'project': project,
        'level': group,
        'email': address,
        'create_date': now(),
        'login': login,
    }
    connection.execute(invitation.insert().values(**values))


def invitations_to(connection: Connection, project: str) -> list[Any]:
    """Return all invitations to a project, oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    query = select(invitation).where(invitation.c.project == project)
    return list(connection.execute(query.order_by(invitation.c.pk)))


def open_invitations(connection: Connection, address: str) -> list[Any]:
    """Return the open invitations of an email address.

    Parameters
    ----------
    connection : Connection
        The database.
    address : str
        The email address; empty for none.
    """
    mine = func.lower(invitation.c.email) == address.lower(), invitation.c.approval_date.is_(None)
    query = select(invitation).where(*mine).order_by(invitation.c.pk)
    return list(connection.execute(query)) if address else []


def find_invitation(connection: Connection, number: str) -> Any:
    """Return the invitation with a key; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    number : str
        The key as text; None is returned if it is not a number.
    """
    query = select(invitation).where(invitation.c.pk == int(number)) if number.isdecimal() else None
    return connection.execute(query).first() if query is not None else None


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
