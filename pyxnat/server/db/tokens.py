"""Alias tokens: an alias and a secret that replace login and password."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from ..errors import Forbidden, NotFound
from .access import Caller, digest_of
from .guards import Guard, record
from .store import token

__all__ = ['delete_token', 'issue_token', 'need_issue', 'need_token', 'tokens_of', 'user_of_token']


def issue_token(connection: Connection, login: str, lifetime_s: int) -> tuple[Any, str]:
    """Issue a token; return its row and its secret, which is not stored.

    Expired tokens are deleted.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    login : str
        The user.
    lifetime_s : int
        Seconds until it expires.
    """
    connection.execute(token.delete().where(token.c.expires <= int(time.time())))
    secret = secrets.token_hex(32)
    created = int(time.time())
    times = {'created': created, 'expires': created + lifetime_s}
    values = {'alias': str(uuid.uuid4()), 'digest': digest_of(secret), 'login': login, **times}
    return connection.execute(token.insert().values(**values).returning(token)).one(), secret


def need_issue(caller: Caller, login: str) -> None:
    """Check that a caller may issue tokens for a user.

    Parameters
    ----------
    caller : Caller
        The user who asks.
    login : str
        The user of the token.

    Raises
    ------
    Forbidden
        For a token of another user, unless the caller is an administrator.
    """
    record(Guard.TOKEN)
    if login != caller.login and not caller.admin:
        raise Forbidden('Only an administrator can issue tokens for other users.')


def tokens_of(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return the caller's valid tokens, newest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    record(Guard.TOKEN)
    query = select(token).where(token.c.login == caller.login, token.c.expires > int(time.time()))
    return connection.execute(query.order_by(token.c.pk.desc())).all()


def need_token(connection: Connection, caller: Caller, alias: str) -> Any:
    """Return the token with an alias, also if it is expired.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    alias : str
        The alias.

    Raises
    ------
    NotFound
        If there is none.
    Forbidden
        For a token of another user, unless the caller is an administrator.
    """
    record(Guard.TOKEN)
    row = connection.execute(select(token).where(token.c.alias == alias)).first()
    if row is None:
        raise NotFound(f'There is no token {alias}.')
    if row.login != caller.login and not caller.admin:
        raise Forbidden('The token is not yours.')
    return row


def user_of_token(connection: Connection, alias: str, secret: str) -> str | None:
    """Return the user of a valid token; None for a wrong secret.

    Who has the secret may know its user.

    Parameters
    ----------
    connection : Connection
        The database.
    alias : str
        The alias.
    secret : str
        The secret.

    Raises
    ------
    NotFound
        If there is no such token.
    """
    record(Guard.TOKEN)
    query = select(token).where(token.c.alias == alias, token.c.expires > int(time.time()))
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f'There is no token {alias}.')
    return str(row.login) if secrets.compare_digest(row.digest, digest_of(secret)) else None


def delete_token(connection: Connection, pk: int) -> None:
    """Delete a token.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the token.
    """
    connection.execute(token.delete().where(token.c.pk == pk))
