"""Scan types by series description, and images of scans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from ..archive import Archive
from ..db.access import Caller, readable
from ..db.store import fields_of, file, item, resource
from .rows import put_fields

__all__ = ['distinct_scan_values', 'first_images', 'fix_scan_types', 'usual_types']

_TRIED = 3
"""Files of a resource that may be read for a header."""


def usual_types(connection: Connection, project: str) -> dict[str, str]:
    """Return the most frequent scan type by series description.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project whose scans are counted.
    """
    kind = func.json_extract(item.c.fields, '$."type"')
    described = func.json_extract(item.c.fields, '$."series_description"')
    query = select(described, kind).where(
        item.c.level == 'scan', item.c.project == project, kind.is_not(None), described.is_not(None)
    )
    counts: dict[str, Counter[str]] = {}
    for text, name in connection.execute(query):
        counts.setdefault(text, Counter())[name] += 1
    return {text: names.most_common(1)[0][0] for text, names in counts.items()}


def fix_scan_types(connection: Connection, session: Any) -> None:
    """Set the type of untyped scans to the usual one for their description.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    session : Any
        Row of the session.
    """
    known = usual_types(connection, session.project)
    kind = func.json_extract(item.c.fields, '$."type"')
    for scan in connection.execute(
        select(item).where(item.c.parent == session.pk, item.c.level == 'scan', kind.is_(None))
    ).all():
        fields = fields_of(scan)
        found = known.get(fields.get('series_description', ''))
        if found:
            put_fields(connection, scan, {**fields, 'type': found})


def distinct_scan_values(
    connection: Connection, caller: Caller, names: Sequence[str], project: str | None
) -> list[tuple[str, ...]]:
    """Return the distinct values of fields of readable scans, sorted.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    names : Sequence[str]
        Names of the fields; a missing value is empty.
    project : str | None
        ID of a project; None for all.
    """
    session = item.alias('session')
    joined = item.join(session, session.c.pk == item.c.parent)
    values = [func.coalesce(func.json_extract(item.c.fields, f'$."{name}"'), '') for name in names]
    query = (
        select(*values)
        .select_from(joined)
        .where(item.c.level == 'scan', readable(caller, session))
        .distinct()
    )
    query = query if project is None else query.where(item.c.project == project)
    return [tuple(map(str, row)) for row in connection.execute(query.order_by(*values))]


def first_images(
    archive: Archive, connection: Connection, session: Any
) -> Iterator[tuple[Any, list[Path]]]:
    """Yield the scans of a session with the first files of their resources.

    At most three files per resource.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    session : Any
        Row of the session.
    """
    area = archive.files
    for scan in connection.execute(
        select(item).where(item.c.parent == session.pk, item.c.level == 'scan').order_by(item.c.pk)
    ).all():
        paths = []
        for one in connection.execute(select(resource).where(resource.c.item == scan.pk)).all():
            folder = area.resource_folder(connection, one, scan)
            query = (
                select(file.c.path)
                .where(file.c.resource == one.pk)
                .order_by(file.c.path)
                .limit(_TRIED)
            )
            paths += [area.file_path(folder, path) for path in connection.scalars(query)]
        yield scan, paths
