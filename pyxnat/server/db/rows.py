"""Rows of items, resources and files by primary key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select

from .schema import METADATA
from .store import custom_form_use, favorite, file, item, resource

__all__ = [
    'children_of',
    'delete_project_rows',
    'delete_row',
    'file_rows',
    'item_row',
    'items_of_level',
    'project_row',
    'resource_rows',
    'resources_of',
    'resources_with_holders',
    'update_row',
]

# Building these statements takes longer than running them.
_ITEM = select(item).where(item.c.pk == bindparam('key'))
_PROJECT = select(item).where(item.c.level == 'project', item.c.id == bindparam('name'))
_CHILDREN = select(item).where(item.c.parent == bindparam('key'))
_RESOURCES = select(resource).where(resource.c.item == bindparam('key')).order_by(resource.c.pk)
_FILES = select(file).where(file.c.resource == bindparam('key')).order_by(file.c.path)


def item_row(connection: Connection, pk: int | None) -> Any:
    """Return the item with a primary key; None if it does not exist.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int | None
        The key; None matches no item.
    """
    return connection.execute(_ITEM, {'key': pk}).first()


def project_row(connection: Connection, name: str) -> Any:
    """Return the project with an ID; None if it does not exist.

    Parameters
    ----------
    connection : Connection
        The database.
    name : str
        ID of the project.
    """
    return connection.execute(_PROJECT, {'name': name}).first()


def items_of_level(connection: Connection, *levels: str) -> Sequence[Any]:
    """Return the items of some levels, in the order of their keys.

    Parameters
    ----------
    connection : Connection
        The database.
    *levels
        Singular names of the levels.
    """
    return connection.execute(
        select(item).where(item.c.level.in_(levels)).order_by(item.c.pk)
    ).all()


def children_of(connection: Connection, parent: int) -> Sequence[Any]:
    """Return the child items of an item.

    Parameters
    ----------
    connection : Connection
        The database.
    parent : int
        Key of the item.
    """
    return connection.execute(_CHILDREN, {'key': parent}).all()


def resources_of(connection: Connection, holder: int) -> Sequence[Any]:
    """Return the resources of an item, in the order of their keys.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the item.
    """
    return connection.execute(_RESOURCES, {'key': holder}).all()


def resource_rows(connection: Connection) -> Sequence[Any]:
    """Return all resources."""
    return connection.execute(select(resource)).all()


def resources_with_holders(connection: Connection) -> Iterator[tuple[Any, Any]]:
    """Yield all resources, each with its item."""
    for row in resource_rows(connection):
        yield row, item_row(connection, row.item)


def file_rows(connection: Connection, holder: int) -> Sequence[Any]:
    """Return the files of a resource, in the order of their paths.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    """
    return connection.execute(_FILES, {'key': holder}).all()


def delete_project_rows(connection: Connection, project: str) -> None:
    """Delete all that refers to a project but its items and the log of workflows.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    """
    for table in METADATA.sorted_tables:
        if 'project' in table.c and table.name not in ('item', 'workflow'):
            connection.execute(table.delete().where(table.c.project == project))
    connection.execute(custom_form_use.delete().where(custom_form_use.c.entity == project))
    is_project = func.lower(favorite.c.type) == 'project'
    connection.execute(favorite.delete().where(is_project, favorite.c.id == project))


def delete_row(connection: Connection, table: Table, pk: int) -> None:
    """Delete a row by primary key.

    Parameters
    ----------
    connection : Connection
        The database.
    table : Table
        Table with the column ``pk``.
    pk : int
        The key.
    """
    connection.execute(table.delete().where(table.c.pk == pk))


def update_row(connection: Connection, table: Table, pk: int, **values: Any) -> None:
    """Set columns of a row by primary key.

    Parameters
    ----------
    connection : Connection
        The database.
    table : Table
        Table with the column ``pk``.
    pk : int
        The key.
    **values
        Values by column name.
    """
    connection.execute(table.update().where(table.c.pk == pk).values(**values))
