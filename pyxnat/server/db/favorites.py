"""Favorites of users, by type and ID."""

from __future__ import annotations

from sqlalchemy import Connection, select

from .access import Caller
from .guards import Guard, record
from .store import favorite

__all__ = ['add_favorite', 'favorites', 'remove_favorite']


def favorites(connection: Connection, caller: Caller, kind: str) -> list[str]:
    """Return the IDs of a user's favorites of a type.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    kind : str
        The type as clients write it: ``Project``.
    """
    record(Guard.FAVORITE)
    query = select(favorite.c.id).where(favorite.c.login == caller.login, favorite.c.type == kind)
    return list(connection.scalars(query.order_by(favorite.c.id)))


def remove_favorite(connection: Connection, caller: Caller, kind: str, name: str) -> None:
    """Remove a favorite, if it exists.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    caller : Caller
        The user.
    kind : str
        The type.
    name : str
        ID of the item.
    """
    same = (favorite.c.login == caller.login, favorite.c.type == kind, favorite.c.id == name)
    connection.execute(favorite.delete().where(*same))


def add_favorite(connection: Connection, caller: Caller, kind: str, name: str) -> None:
    """Add a favorite.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    kind : str
        The type.
    name : str
        ID of the item.
    """
    connection.execute(favorite.insert().values(login=caller.login, type=kind, id=name))
