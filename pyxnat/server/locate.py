"""From a route to the rows it names, as far as the caller may see them.

XNAT tries the accession ID before the label, except on PUT, where a label wins. Items at the root of the tree (``/subjects/S``,
``/experiments/E``) answer to their ID only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, or_, select
from werkzeug.exceptions import Forbidden, NotFound

from ..structure import level
from .auth import Caller, readable, rights
from .routes import Step
from .store import item, share

__all__ = ['Place', 'find', 'find_many', 'find_project', 'has_alias', 'in_project', 'kind_of', 'labelled', 'need', 'need_on']

_PARTS = frozenset({'scans', 'reconstructions'})
"""Levels whose items are read by whoever may read their session."""
_LEVELS = {'experiments': ('experiment', 'assessor')}


@dataclass
class Place:
    """What a route's elements are."""

    project: str | None = None
    """ID of the project the route goes through."""
    rows: dict[str, Any] = field(default_factory=dict)
    """Singular level name to the item's row."""
    row: Any = None
    """The last item; None at the root."""
    missing: Step | None = None
    """The last element where it does not exist and the caller asked to be told rather than refused."""

    @property
    def owner(self) -> str:
        """ID of the project whose rights decide: the owner of the last item, else the project of the route."""
        return str(self.row.project) if self.row is not None else self.project or ''


def in_project(project: Any) -> ColumnElement[bool]:
    """The condition that an item is owned by a project or shared into it."""
    return or_(item.c.project == project, item.c.pk.in_(select(share.c.item).where(share.c.project == project)))


def labelled(project: Any, label: Any) -> ColumnElement[bool]:
    """The condition that an item bears a label in a project."""
    shared = select(share.c.item).where(share.c.project == project, func.coalesce(share.c.label, item.c.label) == label)
    return or_(and_(item.c.project == project, item.c.label == label), item.c.pk.in_(shared))


def find(
    connection: Connection, caller: Caller, steps: Sequence[Step], method: str = 'GET', *, may_miss: bool = False, inside: bool = False
) -> Place:
    """Resolve the elements of a route; `NotFound` or `Forbidden` where one is not there or not to be seen.

    With `may_miss` the last element may be absent: it is then in `Place.missing`. `inside` says that what lies in the last element is
    wanted: of a protected project everybody may see the project and read its own resources, and change neither.
    """
    place = Place()
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        row = _one(connection, caller, place, step, method)
        if row is None:
            if may_miss and last:
                place.missing = step
                return place
            raise NotFound(f'Unable to find the specified {step.level.singular}: {step.id}')
        if row.level == 'project':
            _enter(connection, caller, row, last and (not inside or method == 'GET'))
            place.project = row.id
        place.rows[step.level.singular] = row
        place.row = row
    return place


def find_many(connection: Connection, caller: Caller, steps: Sequence[Step]) -> list[Place]:
    """As `find` for reading files: subjects, experiments and scans may be comma lists, scans also a type, ``ALL``, ``*`` or ``NULL``."""
    places = [Place()]
    for number, step in enumerate(steps, 1):
        found: list[Place] = []
        for place in places:
            for row in _several(connection, caller, place, step):
                if row.level == 'project':
                    _enter(connection, caller, row, number == len(steps))
                project = row.id if row.level == 'project' else place.project
                found.append(Place(project, {**place.rows, step.level.singular: row}, row))
        if not found:
            raise NotFound(f'Unable to find the specified {step.level.singular}: {step.id}')
        places = found
    return places


def need(connection: Connection, caller: Caller, project: str, right: str, kind: str = '') -> None:
    """`Forbidden` unless the caller has a right (read, create, edit, delete) in a project, on items of a data type."""
    if right not in rights(connection, caller, project, kind):
        raise Forbidden(f'Insufficient privileges: {right} in project {project}.')


def need_on(connection: Connection, caller: Caller, row: Any, right: str) -> None:
    """`Forbidden` unless the caller has a right on an item, in the project that owns it."""
    need(connection, caller, row.project, right, kind_of(connection, row))


def kind_of(connection: Connection, row: Any) -> str:
    """The data type that rights on an item go by: its own; that of the session for its scans and reconstructions; none for a project."""
    if row.level == 'project':
        return ''
    if row.level not in ('scan', 'reconstruction'):
        return str(row.xsi_type)
    return str(connection.scalar(select(item.c.xsi_type).where(item.c.pk == row.parent)))


def _enter(connection: Connection, caller: Caller, row: Any, last: bool) -> None:
    held = rights(connection, caller, row.id)
    if 'see' not in held:
        raise NotFound(f'Unable to find the specified project: {row.id}')
    if not last and 'read' not in held:
        raise Forbidden(f'Insufficient privileges: read in project {row.id}.')


def _one(connection: Connection, caller: Caller, place: Place, step: Step, method: str) -> Any:
    plural = step.level.plural
    if plural == 'projects':
        return find_project(connection, step.id or '')
    above = place.row.level if place.row is not None else ''
    values = {'text': step.id or '', 'project': place.project, 'pk': place.row.pk if place.row is not None else None, 'caller': caller.login}
    for way in _ways(plural, above, bool(place.project), method):
        row = connection.execute(_statement(plural, above, way, caller.admin), values).first()
        if row is not None:
            return row
    return None


def _ways(plural: str, above: str, in_a_project: bool, method: str) -> Sequence[str]:
    """How an element is looked for, the first way first."""
    if not above or plural in _PARTS:
        return ('id',)
    label = 'label' if in_a_project else 'own label'
    both = ('id', label) if method != 'PUT' else (label, 'id')
    return both if above == 'project' else (*both, 'own label')


@lru_cache(maxsize=256)
def _statement(plural: str, above: str, way: str, admin: bool) -> Any:
    """The query for one element: built once, as building takes longer than running it."""
    text: Any = bindparam('text')
    project: Any = bindparam('project')
    condition = item.c.id == text if way == 'id' else labelled(project, text) if way == 'label' else item.c.label == text
    query = _base(plural, above, bindparam('pk'), project).where(condition)
    if plural not in _PARTS:
        query = query.where(readable(Caller(bindparam('caller'), admin), item))  # type: ignore[arg-type]
    return query.order_by(item.c.pk).limit(1)


def _base(plural: str, above: str, pk: Any, project: Any) -> Any:
    """Items of a level below an item."""
    query = select(item).where(item.c.level.in_(_LEVELS.get(plural, (level(plural).singular,))))
    if not above:
        return query
    return query.where(in_project(project) if above == 'project' else item.c.parent == pk)


@lru_cache(maxsize=4)
def _project_statement(way: str) -> Any:
    text: Any = bindparam('text')
    found = {'id': item.c.id == text, 'case': func.lower(item.c.id) == func.lower(text), 'alias': has_alias([text])}
    return select(item).where(item.c.level == 'project', found[way])


def find_project(connection: Connection, text: str) -> Any:
    """A project by ID, its case ignored where that is no other's; else by alias."""
    for way in ('id', 'case', 'alias') if text else ():
        row = connection.execute(_project_statement(way), {'text': text}).first()
        if row is not None:
            return row
    return None


def has_alias(names: Sequence[Any]) -> ColumnElement[bool]:
    """The condition that one of a project's aliases is among names, whatever their case."""
    each = func.json_each(item.c.fields).table_valued('key', 'value', name='each_alias')
    known = each.c.key.like('aliases/alias[%') & each.c.key.like('%/alias')
    return select(each.c.value).select_from(each).where(known, func.lower(each.c.value).in_([func.lower(name) for name in names])).exists()


def _several(connection: Connection, caller: Caller, place: Place, step: Step) -> list[Any]:
    found = _one(connection, caller, place, step, 'GET')
    if found is not None:
        return [found]
    if step.level.plural not in ('subjects', 'experiments', 'scans', 'assessors', 'reconstructions'):
        return []
    parts = [part.replace('[SLASH]', '/').replace('[COMMA]', ',') for part in (step.id or '').split(',')]
    rows: dict[int, Any] = {}
    for part in parts:
        for row in _named(connection, caller, place, step, part):
            rows.setdefault(row.pk, row)
    return list(rows.values())


def _named(connection: Connection, caller: Caller, place: Place, step: Step, part: str) -> list[Any]:
    above, pk = (place.row.level, place.row.pk) if place.row is not None else ('', None)
    query = _base(step.level.plural, above, pk, place.project).order_by(item.c.pk)
    if step.level.plural not in _PARTS:
        query = query.where(readable(caller, item))
    if part in ('ALL', '*') and place.row is not None:
        return list(connection.execute(query))
    found = _one(connection, caller, place, Step(step.level, part), 'GET')
    if found is not None:
        return [found]
    if step.level.plural not in ('scans', 'reconstructions'):
        return []
    kind = func.json_extract(item.c.fields, '$."type"')
    return list(connection.execute(query.where(kind.is_(None) if part == 'NULL' else kind == part)))
