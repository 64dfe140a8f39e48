"""Rows of users."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from .store import user

__all__ = [
    'active_users',
    'add_user',
    'administrators',
    'all_users',
    'change_user',
    'email_of',
    'find_user',
    'full_name_of',
    'is_last_administrator',
    'login_by_email',
    'login_by_name',
]

_NAMES = (user.c.login, user.c.firstname, user.c.lastname, user.c.email)


def all_users(connection: Connection) -> Sequence[Any]:
    """Return all users, by login."""
    return connection.execute(select(user).order_by(user.c.login)).all()


def active_users(connection: Connection) -> Sequence[Any]:
    """Return key, login, names and address of enabled users, by last name."""
    query = select(user.c.pk, *_NAMES).where(user.c.enabled)
    return connection.execute(query.order_by(user.c.lastname)).all()


def administrators(connection: Connection) -> Sequence[Any]:
    """Return the administrators, oldest first."""
    return connection.execute(select(user).where(user.c.admin).order_by(user.c.pk)).all()


def find_user(connection: Connection, login: str) -> Any:
    """Return the user with a login; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        The login.
    """
    return connection.execute(select(user).where(user.c.login == login)).first()


def login_by_name(connection: Connection, name: str) -> str | None:
    """Return the login of a user; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    name : str
        Login or key of the user.
    """
    found = connection.scalar(select(user.c.login).where(user.c.login == name))
    if found is None and name.isdecimal():
        found = connection.scalar(select(user.c.login).where(user.c.pk == int(name)))
    return found


def login_by_email(connection: Connection, address: str) -> str | None:
    """Return the login of the user with an email address, or None.

    Parameters
    ----------
    connection : Connection
        The database.
    address : str
        The email address; case is ignored.
    """
    return connection.scalar(
        select(user.c.login).where(func.lower(user.c.email) == address.lower())
    )


def email_of(connection: Connection, login: str) -> str:
    """Return the email address of a user; empty without one.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        The user.
    """
    return connection.scalar(select(user.c.email).where(user.c.login == login)) or ''


def full_name_of(connection: Connection, login: str) -> tuple[str, str]:
    """Return first and last name; empty for an unknown user.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        The user.
    """
    found = connection.execute(
        select(user.c.firstname, user.c.lastname).where(user.c.login == login)
    ).first()
    return (found.firstname, found.lastname) if found is not None else ('', '')


def add_user(connection: Connection, login: str, values: Mapping[str, Any]) -> None:
    """Add a user without administrator rights.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    login : str
        The login.
    values : Mapping[str, Any]
        Values by column; without ``password`` the user cannot log in.
    """
    connection.execute(user.insert().values(login=login, admin=False, **{'password': '', **values}))


def change_user(connection: Connection, pk: int, values: Mapping[str, Any]) -> None:
    """Set columns of a user, and the time of the change.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the user.
    values : Mapping[str, Any]
        Values by column.
    """
    changed = {'modified': int(time.time() * 1000), **values}
    connection.execute(user.update().where(user.c.pk == pk).values(**changed))


def is_last_administrator(connection: Connection, pk: int) -> bool:
    """Whether no other administrator can log in.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the administrator.
    """
    others = select(func.count()).select_from(user)
    return (
        connection.scalar(
            others.where(user.c.admin, user.c.enabled, user.c.verified, user.c.pk != pk)
        )
        == 0
    )
