"""Items by the caller's rights, and updates of their fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from ..db.access import Caller, readable, visible
from ..db.store import item, now

__all__ = ['find_of_type', 'put_fields']


def find_of_type(connection: Connection, caller: Caller, xsi_types: Iterable[str], name: str) -> Any:
    """Return the item of some types with an ID; None if the caller sees none.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    xsi_types : Iterable[str]
        Data types.
    name : str
        ID of the item.
    """
    project = and_(item.c.level == 'project', visible(caller, item.c.id))
    query = select(item).where(item.c.id == name, item.c.xsi_type.in_(list(xsi_types)))
    return connection.execute(query.where(or_(project, and_(item.c.level != 'project', readable(caller, item))))).first()


def put_fields(connection: Connection, row: Any, fields: Mapping[str, str]) -> None:
    """Replace the fields of an item.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    row : Any
        Row of the item.
    fields : Mapping[str, str]
        Storage key to value.
    """
    values = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    connection.execute(item.update().where(item.c.pk == row.pk).values(**values))
