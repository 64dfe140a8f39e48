"""Rows of users."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, literal, or_, select

from .access import Caller
from .guards import Guard, record
from .store import role, user

__all__ = [
    'active_users',
    'add_user',
    'address_holders',
    'administrators',
    'all_users',
    'change_user',
    'find_user',
    'full_name_of',
    'is_address_of',
    'is_last_administrator',
    'login_by_name',
    'own_user',
    'shown_email',
    'shown_user',
]

_NAMES = (user.c.login, user.c.firstname, user.c.lastname)


def shown_email(caller: Caller) -> ColumnElement[str]:
    """Return the SQL of a user's email address, empty if the caller may not see it.

    Administrators see all addresses, users their own, and owners of a project those of the users of
    that project.
    """
    record(Guard.USER)
    if caller.admin:
        return user.c.email.label('email')
    own, shared = role.alias('own_role'), role.alias('shared_role')
    owned = select(own.c.project).where(own.c.login == caller.login, own.c.role == 'owner')
    theirs = select(shared.c.login).where(shared.c.project.in_(owned))
    may_see = or_(user.c.login == caller.login, user.c.login.in_(theirs))
    return case((may_see, user.c.email), else_=literal('')).label('email')


def _shown(caller: Caller) -> list[ColumnElement[Any]]:
    """Return the columns of a user without the password, as a caller may see them."""
    hidden = ('password', 'email')
    return [*(one for one in user.c if one.name not in hidden), shown_email(caller)]


def all_users(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return all users as a caller may see them, by login.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who asks.
    """
    return connection.execute(select(*_shown(caller)).order_by(user.c.login)).all()


def shown_user(connection: Connection, caller: Caller, login: str) -> Any:
    """Return a user as a caller may see it; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who asks.
    login : str
        The login of the other.
    """
    return connection.execute(select(*_shown(caller)).where(user.c.login == login)).first()


def own_user(connection: Connection, caller: Caller) -> Any:
    """Return the whole row of the caller.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    record(Guard.USER)
    return connection.execute(select(user).where(user.c.login == caller.login)).one()


def active_users(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return key, login, names and address of enabled users, by last name.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who asks.
    """
    query = select(user.c.pk, *_NAMES, shown_email(caller)).where(user.c.enabled)
    return connection.execute(query.order_by(user.c.lastname)).all()


def administrators(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return the administrators as a caller may see them, oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who asks.
    """
    query = select(*_shown(caller)).where(user.c.admin)
    return connection.execute(query.order_by(user.c.pk)).all()


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


def address_holders(connection: Connection, address: str) -> Sequence[Any]:
    """Return the users with an email address; older archives may have several.

    Parameters
    ----------
    connection : Connection
        The database.
    address : str
        The email address; case is ignored. Nobody has an empty one.
    """
    query = select(user).where(func.lower(user.c.email) == address.lower())
    return connection.execute(query).all() if address else []


def is_address_of(row: Any) -> bool:
    """Whether a user has confirmed the address, and may log in."""
    return bool(row.enabled and row.verified and row.email_verified)


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
