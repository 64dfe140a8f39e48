"""Rows of items, resources and files by their keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from .store import file, item, resource

__all__ = [
    'delete_row',
    'file_rows',
    'item_row',
    'items_of_level',
    'rename_resource_folder',
    'resource_rows',
    'resources_of',
    'resources_with_holders',
    'update_row',
]  # fmt: skip


def item_row(connection: Connection, pk: int | None) -> Any:
    """Return the item with a key; None where there is none."""
    return connection.execute(select(item).where(item.c.pk == pk)).first()


def items_of_level(connection: Connection, *levels: str) -> Sequence[Any]:
    """Return the items of some levels, by their keys."""
    return connection.execute(select(item).where(item.c.level.in_(levels)).order_by(item.c.pk)).all()


def resources_of(connection: Connection, holder: int) -> Sequence[Any]:
    """Return the resources of the item with a key, by their keys."""
    return connection.execute(select(resource).where(resource.c.item == holder).order_by(resource.c.pk)).all()


def resource_rows(connection: Connection) -> Sequence[Any]:
    """Return all resources."""
    return connection.execute(select(resource)).all()


def resources_with_holders(connection: Connection) -> Iterator[tuple[Any, Any]]:
    """Yield all resources, each with the item that has it."""
    for row in resource_rows(connection):
        yield row, item_row(connection, row.item)


def rename_resource_folder(connection: Connection, pk: int, name: str) -> None:
    """Give a resource another folder name.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the resource.
    name : str
        Name of the folder.
    """
    connection.execute(resource.update().where(resource.c.pk == pk).values(folder=name))


def file_rows(connection: Connection, holder: int) -> Sequence[Any]:
    """Return the files of the resource with a key, by their paths."""
    return connection.execute(select(file).where(file.c.resource == holder).order_by(file.c.path)).all()


def delete_row(connection: Connection, table: Table, pk: int) -> None:
    """Delete the row of a table with a key.

    Parameters
    ----------
    connection : Connection
        The database.
    table : Table
        A table with the column ``pk``.
    pk : int
        The key.
    """
    connection.execute(table.delete().where(table.c.pk == pk))


def update_row(connection: Connection, table: Table, pk: int, **values: Any) -> None:
    """Set columns of the row of a table with a key.

    Parameters
    ----------
    connection : Connection
        The database.
    table : Table
        A table with the column ``pk``.
    pk : int
        The key.
    **values
        Column to value.
    """
    connection.execute(table.update().where(table.c.pk == pk).values(**values))
