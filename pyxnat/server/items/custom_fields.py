"""Custom fields of items: values of any JSON kind by name, kept in one field of the item as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from ..db.store import custom_field, fields_of, item, now, touch
from .history import Event, record

__all__ = ['custom_fields_of', 'put_custom_fields']

_FIELD = 'custom_fields'


def custom_fields_of(connection: Connection, row: Any) -> dict[str, Any]:
    """Return the custom fields of an item.

    Parameters
    ----------
    connection : Connection
        The database.
    row
        The item.
    """
    query = select(custom_field.c.name, custom_field.c.value).where(custom_field.c.item == row.pk)  # where older archives have them
    found = {one.name: json.loads(one.value) for one in connection.execute(query)}
    return {**found, **json.loads(fields_of(row).get(_FIELD) or '{}')}


def put_custom_fields(connection: Connection, row: Any, values: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """Write the custom fields of an item; return them as PostgreSQL orders them: short names first.

    Parameters
    ----------
    connection : Connection
        The database.
    row
        The item.
    values : mapping
        Name to value; they take the place of all that it has.
    event : Event
        Who changes it, and why.
    """
    ordered = {name: values[name] for name in sorted(values, key=lambda name: (len(name.encode()), name))}
    fields = {**fields_of(row), _FIELD: json.dumps(ordered, ensure_ascii=False)}
    if not ordered:
        del fields[_FIELD]
    connection.execute(custom_field.delete().where(custom_field.c.item == row.pk))
    touch(connection, row.parent)
    changed = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    after = connection.execute(item.update().where(item.c.pk == row.pk).values(**changed).returning(item)).one()
    record(connection, row, after, event)
    return ordered
