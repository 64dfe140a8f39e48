"""Items by the caller's rights, and updates of their fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from ..db.access import Caller, readable, visible
from ..db.store import item, now, share

__all__ = [
    'INVESTIGATOR_FIELDS',
    'assessor_id',
    'child_ids',
    'find_investigators',
    'find_of_type',
    'find_readable',
    'put_fields',
    'set_access',
    'visible_projects',
    'visible_shares',
]

INVESTIGATOR_FIELDS = ('firstname', 'lastname', 'institution', 'department', 'email')


def find_of_type(
    connection: Connection, caller: Caller, xsi_types: Iterable[str], name: str
) -> Any:
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
    return connection.execute(
        query.where(or_(project, and_(item.c.level != 'project', readable(caller, item))))
    ).first()


def find_readable(connection: Connection, caller: Caller, name: str) -> Any:
    """Return the item with an ID, except projects.

    None if it does not exist, or the caller may not read it.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    name : str
        ID of the item.
    """
    query = select(item).where(item.c.id == name, item.c.level != 'project', readable(caller, item))
    return connection.execute(query.limit(1)).first()


def visible_projects(connection: Connection, caller: Caller) -> Sequence[str]:
    """Return the IDs of the projects that a caller may read, sorted.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    query = select(item.c.id).where(item.c.level == 'project', visible(caller, item.c.id))
    return connection.scalars(query.order_by(item.c.id)).all()


def find_investigators(connection: Connection, caller: Caller) -> Sequence[Any]:
    """Return the distinct principal investigators of readable projects.

    Rows of `INVESTIGATOR_FIELDS`.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    """
    values = [func.json_extract(item.c.fields, f'$."PI/{name}"') for name in INVESTIGATOR_FIELDS]
    query = (
        select(*values)
        .where(item.c.level == 'project', visible(caller, item.c.id), values[1].is_not(None))
        .distinct()
    )
    return connection.execute(query.order_by(values[1], values[0])).all()


def child_ids(connection: Connection, row: Any, level: str) -> set[str]:
    """Return the IDs of the child items of a level.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the item.
    level : str
        Level of the children.
    """
    return set(
        connection.scalars(select(item.c.id).where(item.c.parent == row.pk, item.c.level == level))
    )


def assessor_id(connection: Connection, session: Any, label: str) -> str | None:
    """Return the ID of a session's assessor; None if there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    session : Any
        Row of the session.
    label : str
        Label in the assessor's own project.
    """
    labelled = item.c.parent == session.pk, item.c.level == 'assessor', item.c.label == label
    return connection.scalar(select(item.c.id).where(*labelled))


def set_access(connection: Connection, row: Any, access: str) -> None:
    """Set the accessibility of a project.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    row : Any
        Row of the project.
    access : str
        Private, protected or public.
    """
    connection.execute(item.update().where(item.c.pk == row.pk).values(access=access))


def visible_shares(connection: Connection, caller: Caller, row: Any) -> Sequence[Any]:
    """Return the projects that share an item, with its labels there.

    Projects that the caller may not read are left out.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    row : Any
        Row of the item.
    """
    query = select(share.c.project, share.c.label).where(
        share.c.item == row.pk, visible(caller, share.c.project)
    )
    return connection.execute(query.order_by(share.c.pk)).all()


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
