"""Rows of resources and of the files in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from ..db.rows import resources_of
from ..db.store import fields_of, file, now, resource, touch
from ..storage.file_area import Staged

__all__ = [
    'add_resource', 'changes_statistics', 'count_files', 'delete_file', 'find_file', 'labelled_resources',
    'mark_counted', 'put_file',
]  # fmt: skip


def labelled_resources(connection: Connection, holder: Any, name: str) -> list[Any]:
    """Return the resources of an item that have a label, or else a number, on whichever side.

    Parameters
    ----------
    connection : Connection
        The database.
    holder
        The item.
    name : str
        Label or number; the empty text is no label.
    """
    rows = resources_of(connection, holder.pk)
    return [row for row in rows if (row.label or '') == name] or [row for row in rows if str(row.pk) == name]


def add_resource(connection: Connection, holder: Any, side: str, label: str | None, login: str, values: Mapping[str, str | None]) -> Any:
    """Add a resource to an item; return its row.

    The first resource of a scan of some type, and one of DICOM, is raw data unless its content is given.

    Parameters
    ----------
    connection : Connection
        The database.
    holder
        The item.
    side : str
        in, out or empty.
    label : str or None
        The label.
    login : str
        The user.
    values : mapping
        format, content, description and tags; None where one is not given.
    """
    values = dict(values)
    if holder.level == 'scan' and (values['format'] == 'DICOM' or _is_first(connection, holder)):
        values['content'] = values['content'] or 'RAW'
    made = {'side': side, 'label': label, 'insert_date': now(), 'insert_user': login}
    touch(connection, holder.pk)
    return connection.execute(resource.insert().values(item=holder.pk, **made, **values).returning(resource)).one()


def _is_first(connection: Connection, scan: Any) -> bool:
    """Whether a scan of some type has no resource yet: XNAT takes the first for its raw data."""
    query = select(resource.c.pk).where(resource.c.item == scan.pk)
    return bool(fields_of(scan).get('type')) and connection.scalar(query) is None


def mark_counted(connection: Connection, pk: int) -> None:
    """Mark that a resource has had files, so that there are statistics of it.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the resource.
    """
    connection.execute(resource.update().where(resource.c.pk == pk).values(counted=True))


def count_files(connection: Connection, holder: int) -> tuple[int, int | None]:
    """Return the number of files of a resource and their bytes, None without any.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    """
    query = select(func.count(), func.sum(file.c.size)).where(file.c.resource == holder)
    count, size = connection.execute(query).one()
    return count, size


def find_file(connection: Connection, holder: int, paths: Iterable[str]) -> int | None:
    """Return the key of a file of a resource that has one of some paths; None where there is none.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    paths : iterable of str
        Paths in the resource.
    """
    return connection.scalar(select(file.c.pk).where(file.c.resource == holder, file.c.path.in_(list(paths))))


def changes_statistics(connection: Connection, fresh: Mapping[str, tuple[Staged, int | None]]) -> bool:
    """Whether an upload changes the number of files or of bytes of a resource.

    Only then XNAT's mark of its holder moves.

    Parameters
    ----------
    connection : Connection
        The database.
    fresh : mapping
        Path to the uploaded file, and the key of the file that it replaces.
    """
    replaced = [pk for _, pk in fresh.values() if pk is not None]
    if len(replaced) < len(fresh):
        return True
    sizes = [connection.scalar(select(file.c.size).where(file.c.pk == pk)) or 0 for pk in replaced]
    return sum(sizes) != sum(one.size for one, _ in fresh.values())


def put_file(connection: Connection, holder: int, path: str, known: int | None, login: str, values: Mapping[str, Any]) -> None:
    """Write the row of a file that was placed.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    path : str
        Path in the resource.
    known : int or None
        Key of the file that it replaces.
    login : str
        The user.
    values : mapping
        Further columns.
    """
    if known is None:
        made = {'insert_date': now(), 'insert_user': login}
        connection.execute(file.insert().values(resource=holder, path=path, **values, **made))
    else:
        changed = {'modified_date': now(), 'modified_user': login}
        connection.execute(file.update().where(file.c.pk == known).values(path=path, **values, **changed))


def delete_file(connection: Connection, pk: int) -> None:
    """Delete the row of a file.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the file.
    """
    connection.execute(file.delete().where(file.c.pk == pk))
