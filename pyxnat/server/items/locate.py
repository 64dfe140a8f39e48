"""Rows that a route names, as far as the caller may see them.

XNAT tries the accession ID before the label, except on PUT, and except for a subject above the
requested item, where a label wins. Items at the root (``/subjects/S``, ``/experiments/E``) are
found by ID only, and so is an assessor below ``/experiments/E``; only its files are also found by
its label. A session is searched in the project of the path, not below its subject, and an assessor
in that project, not below its session. An item shared without a label is found in the other project
by ID only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select, union_all

from ...model.levels import level, listed_levels
from ..db.access import Caller, readable, rights
from ..db.guards import Guard, record
from ..db.store import alias, item, share
from ..errors import Forbidden, NotFound
from .uris import Step

__all__ = [
    'Place',
    'find',
    'find_element',
    'find_parts',
    'find_project',
    'has_alias',
    'in_project',
    'kind_of',
    'labelled',
    'need',
    'need_on',
]


@dataclass
class Place:
    """Rows of a route's elements."""

    project: str | None = None
    """ID of the project in the route."""
    rows: dict[str, Any] = field(default_factory=dict)
    """Singular level name to the item's row."""
    row: Any = None
    """Row of the last item; None at the root."""
    missing: Step | None = None
    """Last element, if it does not exist and `find` may miss it."""

    @property
    def owner(self) -> str:
        """ID of the project whose rights apply.

        The owner of the last item, else the project of the route.
        """
        return str(self.row.project) if self.row is not None else self.project or ''


def in_project(project: Any) -> ColumnElement[bool]:
    """Return the condition that a project owns an item, or shares it."""
    return or_(
        item.c.project == project,
        item.c.pk.in_(select(share.c.item).where(share.c.project == project)),
    )


def labelled(levels: Iterable[str], project: Any, label: Any) -> ColumnElement[bool]:
    """Return the condition that an item of some levels has a label in a project.

    SQLite finds such items by indices only if no other condition of the query names the level.

    Parameters
    ----------
    levels : iterable of str
        The levels.
    project : Any
        ID of the project.
    label : Any
        The label.
    """
    one = alias(item, 'labelled')
    of_levels = or_(*(one.c.level == name for name in levels))
    own = select(one.c.pk).where(of_levels, one.c.project == project, one.c.label == label)
    shared = (
        select(one.c.pk)
        .join(share, share.c.item == one.c.pk)
        .where(share.c.project == project, share.c.label == label, of_levels)
    )
    return item.c.pk.in_(union_all(own, shared))


def find(
    connection: Connection,
    caller: Caller,
    steps: Sequence[Step],
    method: str = 'GET',
    *,
    may_miss: bool = False,
    inside: bool = False,
) -> Place:
    """Resolve the elements of a route.

    Everybody may see a protected project and read its own resources, but not change them.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    steps : Sequence[Step]
        Steps of the route.
    method : str
        HTTP method.
    may_miss : bool
        Whether the last element may be missing: it is then in `Place.missing`.
    inside : bool
        Whether something in the last element is requested, such as a resource.

    Raises
    ------
    NotFound
        If an element does not exist, or is hidden from the caller.
    Forbidden
        If the caller may see a project, but lacks the right to read it.
    """
    place = Place()
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        row = _select_element(connection, caller, place, step, method, holds=inside or not last)
        if row is None:
            if may_miss and last:
                place.missing = step
                return place
            raise NotFound(f'Unable to find the specified {step.level.singular}: {step.id}')
        if row.level == 'project':
            _check_project(connection, caller, row, not (last and inside) or method == 'GET')
            place.project = row.id
        place.rows[step.level.singular] = row
        place.row = row
    return place


def need(connection: Connection, caller: Caller, project: str, right: str, kind: str = '') -> None:
    """Check that the caller has a right in a project.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project.
    right : str
        Read, create, edit or delete.
    kind : str
        Data type of the item; empty for the project itself.

    Raises
    ------
    Forbidden
        Without the right.
    """
    if right not in rights(connection, caller, project, kind):
        raise Forbidden(f'Insufficient privileges: {right} in project {project}.')


def need_on(connection: Connection, caller: Caller, row: Any, right: str) -> None:
    """Check that the caller has a right on an item.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    row : Any
        Row of the item; the rights in its own project apply.
    right : str
        Read, create, edit or delete.

    Raises
    ------
    Forbidden
        Without the right.
    """
    need(connection, caller, row.project, right, kind_of(connection, row))


def kind_of(connection: Connection, row: Any) -> str:
    """Return the data type that decides the rights on an item.

    Its own; that of the session for scans and reconstructions; empty for a project.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the item.
    """
    if row.level == 'project':
        return ''
    if not level(row.level).is_part:
        return str(row.xsi_type)
    return str(connection.scalar(_KIND_OF, {'session': row.parent}))


_KIND_OF = select(item.c.xsi_type).where(item.c.pk == bindparam('session'))


def _check_project(connection: Connection, caller: Caller, row: Any, looks: bool) -> None:
    """Refuse a hidden project, and one that is not readable unless `looks`.

    The items in it may be readable in another project.
    """
    held = rights(connection, caller, row.id)
    if 'see' not in held:
        raise NotFound(f'Unable to find the specified project: {row.id}')
    if not looks and 'read' not in held:
        raise Forbidden(f'Insufficient privileges: read in project {row.id}.')


def _select_element(
    connection: Connection, caller: Caller, place: Place, step: Step, method: str, holds: bool
) -> Any:
    """Return the item that a step names.

    `holds`: whether something in the item is requested.
    """
    plural = step.level.plural
    if plural == 'projects':
        return find_project(connection, step.id or '')
    above = place.row.level if place.row is not None else ''
    project = place.row.project if above == 'experiment' and not place.project else place.project
    values = {
        'text': step.id or '',
        'project': project,
        'pk': place.row.pk if place.row is not None else None,
        'caller': caller.login,
    }
    record(Guard.ITEM)  # the statements are cached, with `readable` in them
    for way in _ways(plural, above, method, holds, bool(place.project)):
        row = connection.execute(_statement(plural, above, way, caller.admin), values).first()
        if row is not None:
            return row
    return None


def _ways(plural: str, above: str, method: str, holds: bool, has_project: bool) -> Sequence[str]:
    """Return the ways to search for an element, in order.

    `has_project`: whether the path names a project, in which labels are unique.
    """
    if not above:
        return ('site ID',)
    if level(plural).is_part:
        return ('site ID',) if plural == 'reconstructions' and not holds else ('child ID',)
    if plural == 'assessors' and not (holds or has_project or method == 'PUT'):
        return ('site ID',)
    found = (
        ('label', 'id') if method == 'PUT' or (plural == 'subjects' and holds) else ('id', 'label')
    )
    return (*found, 'child ID', 'child label') if plural == 'assessors' and holds else found


@lru_cache(maxsize=256)
def _statement(plural: str, above: str, way: str, admin: bool) -> Any:
    """Return the query for one element; building takes longer than running it."""
    text: Any = bindparam('text')
    project: Any = bindparam('project')
    pk: Any = bindparam('pk')
    is_at = _is_at(plural, above)
    query = select(item).where({
        'site ID': and_(is_at, item.c.id == text),
        'id': and_(is_at, item.c.id == text, in_project(project)),
        'label': labelled(_levels(plural, above), project, text),
        'child ID': and_(is_at, item.c.id == text, item.c.parent == pk),
        'child label': and_(is_at, item.c.label == text, item.c.parent == pk),
    }[way])  # fmt: skip
    caller = Caller(bindparam('caller'), admin)  # type: ignore[arg-type]
    if not level(plural).is_part:
        query = query.where(readable(caller, item))
    elif way == 'site ID':
        session = alias(item, 'session')
        query = query.where(
            item.c.parent.in_(select(session.c.pk).where(readable(caller, session)))
        )
    return query.order_by(item.c.pk).limit(1)


def _levels(plural: str, above: str) -> Sequence[str]:
    """Return the levels of the items that a level of a route includes.

    An experiment may be an assessor, but not below a subject.
    """
    rows = listed_levels(plural) if above != 'subject' else (level(plural),)
    return tuple(row.singular for row in rows)


def _is_at(plural: str, above: str) -> ColumnElement[bool]:
    """Return the condition that an item is of a level.

    SQLAlchemy would write the list of an ``IN`` again for each execution.
    """
    return or_(*(item.c.level == name for name in _levels(plural, above)))


@lru_cache(maxsize=4)
def _project_statement(way: str) -> Any:
    text: Any = bindparam('text')
    found = {
        'id': item.c.id == text,
        'case': func.lower(item.c.id) == func.lower(text),
        'alias': has_alias([func.lower(text)]),
    }
    return select(item).where(item.c.level == 'project', found[way])


def find_project(connection: Connection, text: str) -> Any:
    """Find a project by ID, by ID without case if that is unique, or by alias.

    Parameters
    ----------
    connection : Connection
        The database.
    text : str
        ID or alias.

    Returns
    -------
    Any
        Row of the project; None if there is none.
    """
    for way in ('id', 'case', 'alias') if text else ():
        row = connection.execute(_project_statement(way), {'text': text}).first()
        if row is not None:
            return row
    return None


def has_alias(names: Any) -> ColumnElement[bool]:
    """Return the condition that a project has one of some aliases.

    Case is ignored: the names are in lower case.
    """
    each = func.json_each(item.c.fields).table_valued('key', 'value', name='each_alias')
    known = each.c.key.like('aliases/alias[%') & each.c.key.like('%/alias')
    return (
        select(each.c.value)
        .select_from(each)
        .where(known, func.lower(each.c.value).in_(names))
        .exists()
    )


def find_element(connection: Connection, caller: Caller, place: Place, step: Step) -> Any:
    """Find an element in a place, as a GET does.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    place : Place
        Items above the element.
    step : Step
        The element.

    Returns
    -------
    Any
        Row of the item; None if it does not exist or is hidden from the caller.
    """
    return _select_element(connection, caller, place, step, 'GET', holds=True)


def find_parts(
    connection: Connection, caller: Caller, place: Place, step: Step, name: str
) -> list[Any]:
    """Find the parts of a session that a name selects.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    place : Place
        The session.
    step : Step
        Level of the parts: scans, reconstructions or assessors.
    name : str
        ID, label or type, or ``ALL``, ``*`` or ``NULL``.

    Returns
    -------
    list of Row
        Rows of the parts.
    """
    is_part = step.level.is_part
    if not is_part:
        record(Guard.ITEM)  # the statements are cached, with `readable` in them
    values = {'pk': place.row.pk, 'text': name, 'caller': caller.login}
    if name in ('ALL', '*'):
        query = _parts_statement(step.level.plural, 'all', caller.admin)
        return list(connection.execute(query, values))
    found = _select_element(connection, caller, place, Step(step.level, name), 'GET', holds=True)
    way = 'no type' if name == 'NULL' and is_part else 'type'
    query = _parts_statement(step.level.plural, way, caller.admin)
    others = connection.execute(query, values)
    return ([found] if found is not None else []) + [
        row for row in others if found is None or row.pk != found.pk
    ]


@lru_cache(maxsize=32)
def _parts_statement(plural: str, way: str, admin: bool) -> Any:
    """Return the query for the parts of a session.

    All, those of a type, or those without one.
    """
    is_part = level(plural).is_part
    kind = func.json_extract(item.c.fields, '$."type"') if is_part else item.c.xsi_type
    query = select(item).where(_is_at(plural, 'experiment'), item.c.parent == bindparam('pk'))
    if not is_part:
        caller = Caller(bindparam('caller'), admin)  # type: ignore[arg-type]
        query = query.where(readable(caller, item))
    if way != 'all':
        query = query.where(kind.is_(None) if way == 'no type' else kind == bindparam('text'))
    return query.order_by(item.c.pk)
