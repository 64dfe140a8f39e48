"""Marks of the last changes of a project, its subjects and their items.

For the owner's programs: no rights are checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
)

from ...model.levels import LEVELS, level
from ..db.accessions import taken
from ..db.store import file, item, resource
from ..errors import PreconditionFailed
from .item_changes import levels_with_shared_ids

__all__ = ['Compared', 'UnitMark', 'item_mark', 'row_of_key', 'unit_marks']


class UnitMark(NamedTuple):
    """A project or subject, with a mark that changes with it."""

    where: str
    """Its level."""
    id: str
    label: str
    mark: str
    """``last_modified``, and digests of the files and of the items of the unit.

    Of the files of the item and, of subjects, of all below it: a file that is replaced by one of
    the same size changes it, too, and so do its tags. Of the items below a subject that can move to
    another one, as ``last_modified`` changes at their new place alone.
    """


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
    tops = 'subject' if subject else 'units'
    names = {'project': project, 'subject': subject}
    rows = connection.execute(_units(tops), names).all()
    digests = _digests(connection, tops, names)
    return [UnitMark(row.level, row.id, row.label or row.id, _mark(row, digests)) for row in rows]


def _mark(row: Any, digests: Mapping[tuple[str, str], list[str]]) -> str:
    return ' '.join([str(row.last_modified), *digests.get((row.level, row.id), ())])


def _is_top(tops: str) -> ColumnElement[bool]:
    """Return the condition of ``units``, one ``subject``, or one ``item``."""
    if tops == 'item':
        return item.c.pk == bindparam('top')
    project: BindParameter[str] = bindparam('project')
    is_subject = and_(item.c.level == 'subject', item.c.project == project)
    if tops == 'subject':
        return and_(is_subject, item.c.id == bindparam('subject'))
    return or_(is_subject, and_(item.c.level == 'project', item.c.id == project))


@lru_cache
def _units(tops: str) -> Select[Any]:
    columns = select(item.c.level, item.c.id, item.c.label, item.c.last_modified)
    return columns.where(_is_top(tops)).order_by(item.c.pk)


def _digests(
    connection: Connection, tops: str, names: Mapping[str, object]
) -> dict[tuple[str, str], list[str]]:
    """Return level and ID of each top, with digests of its files and items.

    A top without files or such items has no digest of them.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for query in _queries(tops):
        for key, rows in groupby(connection.execute(query, names), lambda row: (row[0], row[1])):
            found.setdefault(key, []).append(_digest(row[2:] for row in rows))
    return found


_MOVABLE = tuple(row.singular for row in LEVELS if row.can_move)
_DIGESTED = (
    resource.c.pk,
    file.c.path,
    func.lower(file.c.digest),
    *(func.coalesce(column, '') for column in (file.c.format, file.c.content, file.c.tags)),
)
"""Columns of a file that count in a mark."""


def _digest(files: Iterable[Sequence[Any]]) -> str:
    """Return one digest of rows, such as files with their `_DIGESTED` columns."""
    digest = hashlib.md5(usedforsecurity=False)
    for row in files:
        digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()


@lru_cache
def _queries(tops: str) -> tuple[Select[Any], Select[Any]]:
    """Return the queries of the files of tops, and of items that can move."""
    columns = (item.c.pk, item.c.level, item.c.id, item.c.level.label('own'))
    below = select(*columns).where(_is_top(tops)).cte('below', recursive=True)
    deeper = select(item.c.pk, below.c.level, below.c.id, item.c.level).join(
        below, item.c.parent == below.c.pk
    )
    if tops != 'item':  # the subjects of a project are tops themselves
        deeper = deeper.where(below.c.level == 'subject')
    below = below.union_all(deeper)
    top = below.c.level, below.c.id
    return (
        select(*top, *_DIGESTED)
        .join(resource, resource.c.item == below.c.pk)
        .join(file, file.c.resource == resource.c.pk)
        .order_by(*top, resource.c.pk, file.c.path),
        select(*top, below.c.pk).where(below.c.own.in_(_MOVABLE)).order_by(*top, below.c.pk),
    )


def row_of_key(connection: Connection, key: str) -> Any:
    """Return an item by its key; None for none.

    Parameters
    ----------
    connection : Connection
        The database.
    key : str
        Levels and IDs, such as ``subjects/XNAT_S00001`` or ``experiments/XNAT_E00001/scans/1``.
    """
    plural, name, *part = key.split('/')
    row = taken(connection, levels_with_shared_ids(level(plural).singular), name)
    if row is None or not part:
        return row
    query = select(item).where(
        item.c.parent == row.pk, item.c.level == level(part[0]).singular, item.c.id == part[1]
    )
    return connection.execute(query).first()


def item_mark(connection: Connection, row: Any) -> str:
    """Return a mark of an item and all below it.

    That of a subject is its `UnitMark.mark`.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the item; None for a missing one, whose mark is empty.
    """
    if row is None:
        return ''
    return _mark(row, _digests(connection, 'item', {'top': row.pk}))


class Compared:
    """Units that a program has read to compare them.

    A `Condition` of what it then writes.
    """

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str, str, str], list[Any]] = {}

    def add(
        self, connection: Connection, where: str, project: str, accession: str, label: str = ''
    ) -> None:
        """Note the state of a unit, in the transaction in which it is read first.

        Parameters
        ----------
        connection : Connection
            The database.
        where : str
            Its level.
        project, accession : str
            IDs of the project and of the unit.
        label : str
            Label that no other unit may get, if the unit is missing.
        """
        place = where, project, accession, label
        self._marks.setdefault(place, _state(connection, place))

    def check(self, connection: Connection) -> None:
        """Raise `PreconditionFailed` if another program changed one of the units."""
        for place, mark in self._marks.items():
            if _state(connection, place) != mark:
                raise PreconditionFailed(f'Another program has changed the {place[0]} {place[2]}.')

    def renew(self, connection: Connection) -> None:
        """Note the state after a write of the program itself."""
        self._marks = {place: _state(connection, place) for place in self._marks}


def _state(connection: Connection, place: tuple[str, str, str, str]) -> list[Any]:
    where, project, accession, label = place
    names = {'where': where, 'project': project, 'accession': accession, 'label': label}
    return [tuple(row) for row in connection.execute(_units_at(), names)]


@lru_cache
def _units_at() -> CompoundSelect[Any]:
    """Return the query of `_state`.

    Each half uses an index; SQLite uses none for an OR.
    """
    columns = item.c.pk, item.c.id, item.c.project, item.c.last_modified, item.c.access
    of_level = select(*columns).where(item.c.level == bindparam('where'))
    is_labelled = and_(item.c.project == bindparam('project'), item.c.label == bindparam('label'))
    return (
        of_level.where(item.c.id == bindparam('accession'))
        .union(of_level.where(is_labelled))
        .order_by('pk')
    )
