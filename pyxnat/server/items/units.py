"""Marks of the last changes of a project and its subjects.

For the owner's programs: no rights are checked.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from ..db.store import file, item, resource

__all__ = ['UnitMark', 'unit_marks']


class UnitMark(NamedTuple):
    """A project or subject, with a mark that changes with it."""

    where: str
    """Its level."""
    id: str
    label: str
    mark: str
    """``last_modified``, and one digest of the files of the item and, of subjects, of all below it:
    a file that is replaced by one of the same size changes it, too."""


def unit_marks(connection: Connection, project: str, subject: str = '') -> list[UnitMark]:
    """Return a project and its subjects, without those that others share into it.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    subject : str
        ID of the only subject of interest; empty for the project and all subjects.
    """
    names = {'project': project, 'subject': subject}
    is_one = subject != ''
    rows = connection.execute(_units(is_one), names).all()
    digests = _file_digests(connection, is_one, names)
    return [
        UnitMark(
            row.level,
            row.id,
            row.label or row.id,
            f'{row.last_modified} {digests.get((row.level, row.id), "")}'.strip(),
        )
        for row in rows
    ]


def _is_unit(is_one: bool) -> ColumnElement[bool]:
    """Return the condition for one subject, or for a project and its subjects."""
    project: BindParameter[str] = bindparam('project')
    is_subject = and_(item.c.level == 'subject', item.c.project == project)
    if is_one:
        return and_(is_subject, item.c.id == bindparam('subject'))
    return or_(is_subject, and_(item.c.level == 'project', item.c.id == project))


@lru_cache
def _units(is_one: bool) -> Select[Any]:
    columns = select(item.c.level, item.c.id, item.c.label, item.c.last_modified)
    return columns.where(_is_unit(is_one)).order_by(item.c.pk)


def _file_digests(
    connection: Connection, is_one: bool, names: dict[str, str]
) -> dict[tuple[str, str], str]:
    """Return level and ID of each unit with files, with the digest of them."""
    digests = {}
    files = connection.execute(_files(is_one), names)
    for key, rows in groupby(files, lambda row: (row[0], row[1])):
        digest = hashlib.md5(usedforsecurity=False)
        for row in rows:
            digest.update(repr(tuple(row[2:])).encode())
        digests[key] = digest.hexdigest()
    return digests


@lru_cache
def _files(is_one: bool) -> Select[Any]:
    is_top = _is_unit(is_one)
    below = select(item.c.pk, item.c.level, item.c.id).where(is_top).cte('below', recursive=True)
    below = below.union_all(
        select(item.c.pk, below.c.level, below.c.id)
        .join(below, item.c.parent == below.c.pk)
        .where(below.c.level == 'subject')
    )
    return (
        select(below.c.level, below.c.id, resource.c.pk, file.c.path, func.lower(file.c.digest))
        .join(resource, resource.c.item == below.c.pk)
        .join(file, file.c.resource == resource.c.pk)
        .order_by(below.c.level, below.c.id, resource.c.pk, file.c.path)
    )
