"""Rows of resources and files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from ..db.rows import resources_of
from ..db.store import fields_of, file, now, resource, touch
from ..errors import Conflict
from ..storage.file_area import Staged

__all__ = [
    'NewFile',
    'add_resource',
    'changes_statistics',
    'count_files',
    'delete_file',
    'find_files',
    'labelled_resources',
    'mark_counted',
    'put_on_side',
    'write_file_rows',
    'write_notes',
]

FEW = 100
"""Number of paths up to which only their files are looked up."""

# Building these statements takes longer than running them.
_INSERT = resource.insert().returning(resource)
_COUNTED = resource.update().where(resource.c.pk == bindparam('key')).values(counted=True)
_STATISTICS = select(func.count(), func.sum(file.c.size)).where(file.c.resource == bindparam('key'))
_ALL_FILES = select(file.c.path, file.c.pk, file.c.size, file.c.digest).where(
    file.c.resource == bindparam('key')
)
_SOME_FILES = _ALL_FILES.where(file.c.path.in_(bindparam('paths', expanding=True)))
_INSERT_FILE = file.insert()


class NewFile(NamedTuple):
    """Row of a file to be written."""

    path: str
    known: int | None
    """Key of the file that it replaces; None for a new file."""
    values: Mapping[str, Any]
    """Further columns."""


def labelled_resources(connection: Connection, holder: Any, name: str) -> list[Any]:
    """Return the resources of an item with a label, or else a number.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : Any
        Row of the item; both sides are searched.
    name : str
        Label or number; empty for resources without a label.
    """
    rows = resources_of(connection, holder.pk)
    return [row for row in rows if (row.label or '') == name] or [
        row for row in rows if str(row.pk) == name
    ]


def add_resource(
    connection: Connection,
    holder: Any,
    side: str,
    label: str | None,
    login: str,
    values: Mapping[str, str | None],
) -> Any:
    """Add a resource to an item; return its row.

    The first resource of a scan with a type, and one with format DICOM, gets the content RAW by
    default.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    holder : Any
        Row of the item.
    side : str
        ``in``, ``out`` or empty.
    label : str | None
        The label.
    login : str
        The user.
    values : Mapping[str, str | None]
        format, content, description and tags; None for no value.
    """
    values = dict(values)
    if holder.level == 'scan' and (values['format'] == 'DICOM' or _is_first(connection, holder)):
        values['content'] = values['content'] or 'RAW'
    made = {'side': side, 'label': label, 'insert_date': now(), 'insert_user': login}
    touch(connection, holder.pk)
    return connection.execute(_INSERT, {'item': holder.pk, **made, **values}).one()


def _is_first(connection: Connection, scan: Any) -> bool:
    """Whether a typed scan has no resource: XNAT treats the first as raw."""
    return bool(fields_of(scan).get('type')) and not resources_of(connection, scan.pk)


def mark_counted(connection: Connection, pk: int) -> None:
    """Record that a resource has had files, so that it has statistics.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the resource.
    """
    connection.execute(_COUNTED, {'key': pk})


def count_files(connection: Connection, holder: int) -> tuple[int, int | None]:
    """Return number and bytes of a resource's files; None bytes if empty.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    """
    count, size = connection.execute(_STATISTICS, {'key': holder}).one()
    return count, size


def find_files(connection: Connection, holder: int, paths: Collection[str]) -> dict[str, Any]:
    """Return key, size and digest of a resource's files by path.

    The paths have no trailing slash.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : int
        Key of the resource.
    paths : Collection[str]
        Paths in the resource; if they are many, all files are returned.
    """
    values: dict[str, Any] = {'key': holder}
    if len(paths) <= FEW:
        bare = {path.rstrip('/') for path in paths}
        values['paths'] = [*bare, *(f'{path}/' for path in bare)]
    rows = connection.execute(_SOME_FILES if 'paths' in values else _ALL_FILES, values)
    return {row.path.rstrip('/'): row for row in rows}


def changes_statistics(
    connection: Connection, fresh: Mapping[str, tuple[Staged, int | None]]
) -> bool:
    """Whether an upload changes number or bytes of a resource's files.

    Only then does XNAT change ``last_modified`` of the item.

    Parameters
    ----------
    connection : Connection
        The database.
    fresh : Mapping[str, tuple[Staged, int | None]]
        Path to the uploaded file and the key of the file that it replaces.
    """
    replaced = [pk for _, pk in fresh.values() if pk is not None]
    if len(replaced) < len(fresh):
        return True
    sizes = [
        connection.scalar(select(func.sum(file.c.size)).where(file.c.pk.in_(some))) or 0
        for some in (replaced[at : at + FEW] for at in range(0, len(replaced), FEW))
    ]
    return sum(sizes) != sum(one.size for one, _ in fresh.values())


def put_on_side(connection: Connection, row: Any, side: str) -> Any:
    """Put a resource without files on a side of its item; return its row.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    row : Any
        Row of the resource.
    side : str
        ``in``, ``out`` or empty.

    Raises
    ------
    Conflict
        It has files, and is on the other side.
    """
    if (row.side or (side and 'out')) == side:
        return row
    if connection.execute(_STATISTICS, {'key': row.pk}).one()[0]:
        raise Conflict(
            f'There are files in a resource {row.label} on the side {row.side or "out"}.'
        )
    changed = resource.update().where(resource.c.pk == row.pk).values(side=side)
    return connection.execute(changed.returning(resource)).one()


def write_file_rows(
    connection: Connection, holder: int, login: str, files: Iterable[NewFile]
) -> None:
    """Write the rows of files after `FileArea.place`.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    holder : int
        Key of the resource.
    login : str
        The user.
    files : Iterable[NewFile]
        The files; all with the same columns.
    """
    made = {'resource': holder, 'insert_date': now(), 'insert_user': login}
    changed = {'modified_date': made['insert_date'], 'modified_user': login}
    new, old = [], []
    for path, known, values in files:
        if known is None:
            new.append({'path': path, **values, **made})
        else:
            old.append({'known': known, 'path': path, **values, **changed})
    if new:
        connection.execute(_INSERT_FILE, new)
    if old:
        columns: dict[str, Any] = {name: bindparam(name) for name in old[0] if name != 'known'}
        connection.execute(
            file.update().where(file.c.pk == bindparam('known')).values(columns), old
        )


def write_notes(
    connection: Connection,
    holder: int,
    notes: Mapping[str, str] | None,
    files: Mapping[str, Mapping[str, str]],
) -> None:
    """Write format, content and tags of a resource, and of files of it.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    holder : int
        Key of the resource.
    notes : mapping or None
        Those of the resource; None leaves them.
    files : mapping
        Path of each file -> its notes.
    """
    if notes is not None:
        connection.execute(
            resource.update().where(resource.c.pk == holder).values(_all_notes(notes))
        )
    for path, found in files.items():
        one = file.update().where(file.c.resource == holder, file.c.path == path)
        connection.execute(one.values(_all_notes(found)))


def _all_notes(notes: Mapping[str, str]) -> dict[str, str | None]:
    return {name: notes.get(name) or None for name in ('format', 'content', 'tags')}


def delete_file(connection: Connection, pk: int) -> None:
    """Delete the row of a file.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int
        Key of the file.
    """
    connection.execute(file.delete().where(file.c.pk == pk))
