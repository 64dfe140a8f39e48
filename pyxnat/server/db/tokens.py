"""Alias tokens: an alias and a secret that replace login and password."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from .access import digest_of
from .store import token

__all__ = ['delete_token', 'find_token', 'issue_token', 'tokens_of']


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


def tokens_of(connection: Connection, login: str) -> Sequence[Any]:
    """Return the valid tokens of a user, newest first.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        The user.
    """
    query = select(token).where(token.c.login == login, token.c.expires > int(time.time()))
    return connection.execute(query.order_by(token.c.pk.desc())).all()


def find_token(connection: Connection, alias: str, expired: bool = False) -> Any:
    """Return the token with an alias; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    alias : str
        The alias.
    expired : bool
        Whether an expired token is returned.
    """
    query = select(token).where(token.c.alias == alias)
    query = query if expired else query.where(token.c.expires > int(time.time()))
    return connection.execute(query).first()


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
