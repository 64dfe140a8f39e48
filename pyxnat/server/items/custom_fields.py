"""Custom fields of items: JSON values by name, stored in one field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from ..db.store import custom_field, fields_of, item, now, touch
from .history import Event, record

__all__ = ['custom_fields_of', 'put_custom_fields', 'stored_forms']

_FIELD = 'custom_fields'


def custom_fields_of(connection: Connection, row: Any) -> dict[str, Any]:
    """Return the custom fields of an item.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the item.
    """
    query = select(custom_field.c.name, custom_field.c.value).where(
        custom_field.c.item == row.pk
    )  # of older archives
    found = {one.name: json.loads(one.value) for one in connection.execute(query)}
    return {**found, **json.loads(fields_of(row).get(_FIELD) or '{}')}


def put_custom_fields(
    connection: Connection, row: Any, values: Mapping[str, Any], event: Event
) -> dict[str, Any]:
    """Replace the custom fields of an item.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    row : Any
        Row of the item.
    values : Mapping[str, Any]
        Values by name.
    event : Event
        User and reason of the change.

    Returns
    -------
    dict[str, Any]
        The custom fields in PostgreSQL's order: short names first.
    """
    ordered = _ordered(values)
    fields = {**fields_of(row), **stored_forms(values)}
    if not ordered:
        fields.pop(_FIELD, None)
    connection.execute(custom_field.delete().where(custom_field.c.item == row.pk))
    touch(connection, row.parent)
    changed = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    after = connection.execute(
        item.update().where(item.c.pk == row.pk).values(**changed).returning(item)
    ).one()
    record(connection, row, after, event)
    return ordered


def stored_forms(values: Mapping[str, Any]) -> dict[str, str]:
    """Return custom fields as they are stored among the fields of an item.

    Empty for none.
    """
    return {_FIELD: json.dumps(_ordered(values), ensure_ascii=False)} if values else {}


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: values[name] for name in sorted(values, key=lambda name: (len(name.encode()), name))
    }
