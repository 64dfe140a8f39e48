"""Accession IDs of new subjects, sessions and assessors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from .store import item

__all__ = ['Accessions', 'taken']


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
    return connection.execute(
        select(item).where(item.c.level.in_(levels), item.c.id == accession)
    ).first()


class Accessions:
    """Generator of IDs within write transactions of one process.

    It knows the IDs that existed at its first call and those that it generated. As in XNAT, an ID
    that a client chose after that is generated again.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def give(
        self,
        connection: Connection,
        prefix: str,
        levels: Sequence[str],
        xsi_type: str,
        project: str,
    ) -> tuple[str, Any]:
        """Generate an ID like ``<PREFIX>_S00001``.

        IDs of items of another type or project are skipped: XNAT's behaviour in that case is
        unknown.

        Parameters
        ----------
        connection : Connection
            Write transaction.
        prefix : str
            Start of the IDs of the site.
        levels : Sequence[str]
            Levels of the items that share the ID.
        xsi_type : str
            Data type of the new item.
        project : str
            ID of its project.

        Returns
        -------
        tuple[str, Any]
            The ID, and the item of the same type and project that already has it, which the new
            item is merged into; None for none.
        """
        letter = 'S' if 'subject' in levels else 'E'
        if letter not in self._known:
            self._known[letter] = set(
                connection.scalars(select(item.c.id).where(item.c.level.in_(levels)))
            )
        known = self._known[letter]
        number = len(known)
        while True:
            number += 1
            found = f'{prefix}_{letter}{number:05d}'
            if found in known:
                continue
            known.add(found)
            row = taken(connection, levels, found)
            if row is None or (row.xsi_type, row.project) == (xsi_type, project):
                return found, row
