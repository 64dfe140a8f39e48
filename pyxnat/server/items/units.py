"""Marks of the last changes of a project, its subjects and their items.

For the owner's programs: no rights are checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
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
    names = {'project': project, 'subject': subject}
    is_one = subject != ''
    rows = connection.execute(_units(is_one), names).all()
    files = _digests(connection, _files(is_one), names)
    items = _digests(connection, _movable(is_one), names)
    return [
        UnitMark(
            row.level,
            row.id,
            row.label or row.id,
            _mark(row, *(found.get((row.level, row.id), '') for found in (files, items))),
        )
        for row in rows
    ]


def _mark(row: Any, *digests: str) -> str:
    """Return the mark of an item, of its time and the digests that are not empty."""
    return ' '.join([str(row.last_modified), *filter(None, digests)])


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


def _digests(
    connection: Connection, query: Select[Any], names: dict[str, str]
) -> dict[tuple[str, str], str]:
    """Return level and ID of each unit of a query, with the digest of its rows."""
    by_unit = groupby(connection.execute(query, names), lambda row: (row[0], row[1]))
    return {key: _digest(row[2:] for row in rows) for key, rows in by_unit}


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


def _below(is_one: bool) -> CTE:
    """Return the items of the units: their key and level, and those of the unit."""
    columns = (item.c.pk, item.c.level, item.c.id, item.c.level.label('own'))
    below = select(*columns).where(_is_unit(is_one)).cte('below', recursive=True)
    return below.union_all(
        select(item.c.pk, below.c.level, below.c.id, item.c.level)
        .join(below, item.c.parent == below.c.pk)
        .where(below.c.level == 'subject')
    )


@lru_cache
def _movable(is_one: bool) -> Select[Any]:
    below = _below(is_one)
    return (
        select(below.c.level, below.c.id, below.c.pk)
        .where(below.c.own.in_(_MOVABLE))
        .order_by(below.c.level, below.c.id, below.c.pk)
    )


@lru_cache
def _files(is_one: bool) -> Select[Any]:
    below = _below(is_one)
    return (
        select(below.c.level, below.c.id, *_DIGESTED)
        .join(resource, resource.c.item == below.c.pk)
        .join(file, file.c.resource == resource.c.pk)
        .order_by(below.c.level, below.c.id, resource.c.pk, file.c.path)
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
    top = {'top': row.pk}
    files = connection.execute(_files_below(), top).all()
    items = connection.execute(_movable_below(), top).all()
    return _mark(row, *(_digest(rows) if rows else '' for rows in (files, items)))


def _below_one() -> CTE:
    """Return an item and all below it, with their levels."""
    below = select(item.c.pk, item.c.level.label('own')).where(item.c.pk == bindparam('top'))
    found = below.cte('below', recursive=True)
    return found.union_all(select(item.c.pk, item.c.level).join(found, item.c.parent == found.c.pk))


@lru_cache
def _movable_below() -> Select[Any]:
    below = _below_one()
    return select(below.c.pk).where(below.c.own.in_(_MOVABLE)).order_by(below.c.pk)


@lru_cache
def _files_below() -> Select[Any]:
    below = _below_one()
    return (
        select(*_DIGESTED)
        .join(below, resource.c.item == below.c.pk)
        .join(file, file.c.resource == resource.c.pk)
        .order_by(resource.c.pk, file.c.path)
    )


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
