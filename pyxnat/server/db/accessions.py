"""Accession IDs of new subjects, sessions and assessors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from .store import item

__all__ = ['Accessions', 'taken']


def taken(connection: Connection, levels: Sequence[str], accession: str) -> Any:
    """The item of some levels that has an ID, wherever on the site it is; None where there is none."""
    return connection.execute(select(item).where(item.c.level.in_(levels), item.c.id == accession)).first()


class Accessions:
    """Gives IDs within write transactions of one process.

    It knows the IDs that were there at its first question and those that it gave. As in XNAT, one that a client chose since then is given
    again.
    """

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def give(self, connection: Connection, prefix: str, levels: Sequence[str], xsi_type: str, project: str) -> tuple[str, Any]:
        """A new ID, ``<PREFIX>_S00001``, and the item of this type and project that has it already: the new one falls onto that.

        An ID that an item of another type or project has is passed over: what XNAT does there was never seen.
        """
        letter = 'S' if 'subject' in levels else 'E'
        if letter not in self._known:
            self._known[letter] = set(connection.scalars(select(item.c.id).where(item.c.level.in_(levels))))
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
