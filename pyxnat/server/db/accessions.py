"""Accession IDs of new subjects, sessions and assessors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select

from .store import deleted_id, item

__all__ = ['Accessions', 'deleted_child_ids', 'taken']


def taken(connection: Connection, levels: Sequence[str], accession: str) -> Any:
    """Return the item that has an ID, anywhere on the site; None for none.

    Parameters
    ----------
    connection : Connection
        The database.
    levels : Sequence[str]
        Levels of the items that share the ID.
    accession : str
        The ID.
    """
    return connection.execute(_of_id(tuple(levels)), {'id': accession}).first()


@lru_cache(maxsize=8)
def _of_id(levels: tuple[str, ...]) -> Any:
    """Return the query of `taken`; building takes longer than running it."""
    return select(item).where(
        or_(*(item.c.level == one for one in levels)), item.c.id == bindparam('id')
    )


_WAS_DELETED = select(deleted_id.c.id).where(
    deleted_id.c.kind == bindparam('kind'), deleted_id.c.id == bindparam('id')
)


def deleted_child_ids(connection: Connection, parent: int, level: str) -> set[str]:
    """Return the IDs of deleted scans or reconstructions of a session.

    Parameters
    ----------
    connection : Connection
        The database.
    parent : int
        Key of the session.
    level : str
        Level of the children.
    """
    of_session = deleted_id.c.kind == f'{level} {parent}'
    return set(connection.scalars(select(deleted_id.c.id).where(of_session)))


class Accessions:
    """Generator of IDs within write transactions of one process.

    An ID that an item has, or had before it was deleted, is skipped, whoever chose it. XNAT gives
    an ID again that a client chose since the start, and loses the item that has it.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def give(self, connection: Connection, prefix: str, levels: Sequence[str]) -> str:
        """Generate an ID like ``<PREFIX>_S00001``.

        Parameters
        ----------
        connection : Connection
            Write transaction.
        prefix : str
            Start of the IDs of the site.
        levels : Sequence[str]
            Levels of the items that share the ID.
        """
        kind = 'subject' if 'subject' in levels else 'experiment'
        if kind not in self._last:
            self._last[kind] = _count(connection, kind, levels)
        while True:
            self._last[kind] += 1
            found = f'{prefix}_{kind[0].upper()}{self._last[kind]:05d}'
            values = {'kind': kind, 'id': found}
            if taken(connection, levels, found) is None and not connection.scalar(
                _WAS_DELETED, values
            ):
                return found


def _count(connection: Connection, kind: str, levels: Sequence[str]) -> int:
    """Return how many IDs were given, deleted ones included."""
    there = select(func.count()).select_from(item).where(item.c.level.in_(levels))
    gone = select(func.count()).select_from(deleted_id).where(deleted_id.c.kind == kind)
    return int(connection.scalar(there) or 0) + int(connection.scalar(gone) or 0)
