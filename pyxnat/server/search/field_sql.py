"""Paths of XNAT fields as SQL expressions.

A `Scope` stands for one query: it has a root type and joins what a path needs on the way: the subject of a session, the scans below
it, its shares, its resources. Joins are outer joins, so a root item without the other element stays.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import Float

from ...model.schemas import Field, canonical
from ..db.access import Caller, readable
from ..db.json_keys import is_complete, join, name_of, steps, storage_key
from ..db.store import alias, counted, file, item, resource, share
from ..db.types import TREE, Model

__all__ = ['Expression', 'Scope']

_CORE = {'id': 'id', 'label': 'label', 'project': 'project'}
_META = {
    'meta/insert_date': ('insert_date', 'dateTime'),
    'insert_date': ('insert_date', 'dateTime'),
    'meta/insert_user': ('insert_user', 'string'),
    'insert_user': ('insert_user', 'string'),
    'meta/insert_user/login': ('insert_user', 'string'),
    'meta/row_last_modified': ('last_modified', 'dateTime'),
    'meta/activation_date': ('insert_date', 'dateTime'),
    'meta/status': ('status', 'string'),
    'extension_item/element_name': ('xsi_type', 'string'),
    'xsi:type': ('xsi_type', 'string'),
    'xnat_imagescandata_id': ('pk', 'integer'),
    'xnat_reconstructedimagedata_id': ('pk', 'integer'),
}
_MARKS = ('meta/last_modified', 'last_modified')
_RESOURCE_PATHS = ('resources/resource', 'out/file', 'in/file', 'file')
_RESOURCE_COLUMNS = {
    'label': 'label', 'format': 'format', 'content': 'content', 'description': 'description', 'xnat_abstractresource_id': 'pk',
}  # fmt: skip


class Expression(NamedTuple):
    """A value of a row: its SQL and the kind of field it comes from."""

    sql: ColumnElement[Any]
    kind: str = 'string'
    schema_field: bool = True
    """Whether it is a field of the schema, not one that a search derives: NULL compares otherwise in the two."""

    @property
    def comparable(self) -> ColumnElement[Any]:
        """The value as SQL should compare and sort it: numbers as numbers, dates by the day, moments to the millisecond."""
        if self.kind in ('integer', 'float'):
            return sql_cast(self.sql, Float)
        if self.kind == 'date':
            return func.substr(self.sql, 1, 10)
        return func.strftime('%Y-%m-%d %H:%M:%f', self.sql) if self.kind == 'dateTime' else self.sql

    def ordered(self, descending: bool = False) -> ColumnElement[Any]:
        """What to sort by, as PostgreSQL does: NULL is more than all else."""
        return self.comparable.desc().nulls_first() if descending else self.comparable.asc().nulls_last()


class Scope:
    """Root and joins of one query."""

    def __init__(self, model: Model, caller: Caller, root_type: str) -> None:
        self.model = model
        self.caller = caller
        self.root_type = root_type
        self.level = model.level_of(root_type)
        self.root = alias(item, 'root')
        self.many = False
        """Whether a join can give several rows for one root item."""
        self.told_apart: list[Any] = []
        """What tells several rows for one root item from each other: the items, shares, resources and instances that were joined."""
        self._source: FromClause = self.root
        self._known: dict[tuple[str, ...], Any] = {}
        self.joined: dict[str, Any] = {}
        """Types to the aliases of the items that were joined below or beside the root: those a row may have several of."""
        self.sessions: list[str] = []
        """Types of experiments that the query speaks of: scans and assessors that it speaks of too are theirs."""

    # -- joins

    def select(self, *columns: Any) -> Select[Any]:
        """A query for columns of root and joined items; ask for it after all expressions were made."""
        return select(*columns).select_from(self._source)

    def join(self, target: Any, condition: ColumnElement[bool], key: tuple[str, ...]) -> Any:
        """Outer join a table once under a key."""
        self._source = self._source.outerjoin(target, condition)
        self._known[key] = target
        return target

    def alias(self, type_name: str) -> Any:
        """The items of a type as this query sees them; `LookupError` where the type is no item of the tree."""
        registry = self.model.registry
        if registry.is_a(self.root_type, type_name) or registry.is_a(type_name, self.root_type):
            return self.root
        where = self.model.level_of(type_name)
        if not where or not self.level or where == 'project':  # XNAT joins no projects
            raise LookupError(f'{type_name} cannot be joined with {self.root_type}')
        session = self._session_of(type_name)
        if self.level == 'experiment' and session and self.alias(session) is not self.root:
            return self._descend(self.alias(session), where, type_name)
        up = _line(self.level)
        down = _line(where)
        common = next(one for one in up if one in down and not one == self.level == where)  # beside: one up and down again
        current = self._climb(up[: up.index(common) + 1])
        for step in reversed(down[: down.index(common)]):
            current = self._descend(current, step, type_name if step == where else self._between(step, type_name))
        return current

    def _between(self, where: str, type_name: str) -> str:
        """Type of the items on the way down to those of a type: where it can be, the session that the query speaks of."""
        if where != 'experiment':
            return self.model.base_of(where)
        return self._session_of(type_name) or (self.sessions[0] if len(self.sessions) == 1 else self.model.base_of(where))

    def _session_of(self, type_name: str) -> str:
        """The type of sessions that a type of scans goes with by its name, if the query speaks of them."""
        stem = type_name.removesuffix('ScanData') + 'SessionData'
        return stem if stem in self.sessions else ''

    def parent(self, table: Any, where: str) -> Any:
        """The ancestor of a joined item, one level up; none for an item that has another level above it."""
        key = ('up', table.name, where)
        if key in self._known:
            return self._known[key]
        above = alias(item, f'{table.name}_{where}')
        return self.join(above, and_(above.c.pk == table.c.parent, above.c.level == where), key)

    def subject_of(self, table: Any, type_name: str) -> Any:
        """The subject that an item belongs to."""
        return self.related(table, type_name, 'xnat:subjectData')

    def related(self, table: Any, type_name: str, other: str) -> Any:
        """The item of another type that belongs to a joined item: one above it, else as `alias` finds it."""
        line, wanted = _line(self.model.level_of(type_name)), self.model.level_of(other)
        if wanted not in line:
            return self.alias(other)
        for where in line[1 : line.index(wanted) + 1]:
            table = self.parent(table, where)
        return table

    def _climb(self, line: list[str]) -> Any:
        current = self.root
        for where in line[1:]:
            current = self.parent(current, where)
        return current

    def _descend(self, table: Any, where: str, type_name: str) -> Any:
        key = ('down', table.name, type_name)
        if key in self._known:
            return self._known[key]
        below = alias(item, f'{table.name}_{re.sub("[^A-Za-z0-9]", "_", type_name)}')
        belongs = below.c.parent == table.c.pk
        if where == 'subject':
            shared = select(share.c.item).where(share.c.project == table.c.id)
            belongs = or_(belongs, below.c.pk.in_(shared))
        condition = and_(below.c.level == where, belongs, readable(self.caller, below) if where not in ('scan', 'reconstruction') else literal(True))
        if type_name != self.model.base_of(where):
            condition = and_(condition, below.c.xsi_type.in_(self.model.registry.subtypes(type_name)))
        self._several(below.c.pk)
        self.joined[type_name] = below
        if where in ('experiment', 'scan', 'reconstruction') or (where == 'assessor' and self.level != 'project'):
            self._known['up', below.name, TREE[where]] = table  # it is below this one, also where there is none: ages fall back on the subject's
        return self.join(below, condition, key)

    def distance(self, type_name: str, signed: bool = False) -> ColumnElement[Any] | None:
        """Days between the root and a joined item beside it, such as another session of the subject; None where there are no dates."""
        if not self.level == self.model.level_of(type_name) == 'experiment':
            return None
        first, second = (func.julianday(func.json_extract(one.c.fields, '$."date"')) for one in (self.root, self.joined[type_name]))
        found: ColumnElement[Any] = first - second
        return found if signed else func.abs(found)

    # -- paths

    def path(self, type_name: str, path: str) -> Expression | None:
        """The expression of a full path; None where the type has no such field."""
        return self.value(self.alias(type_name), type_name, path)

    def value(self, table: Any, type_name: str, path: str) -> Expression | None:
        """The expression of a path from an item's alias; None where its type has no such field."""
        child = self.model.child_level(type_name, path)
        if child:
            where, rest = child
            base = self.model.base_of(where)
            return self.value(self._descend(table, where, base), base, rest)
        plain = canonical(path).lower()
        for find in (self._core, self._shared, self._resource):
            found = find(table, type_name, plain)
            if found is not None:
                return found
        return self._stored(table, type_name, path)

    def _core(self, table: Any, type_name: str, path: str) -> Expression | None:
        where = self.model.level_of(type_name)
        if path in _MARKS:
            return Expression(_mark(table, type_name), 'dateTime')
        if path in _META:
            column, kind = _META[path]
            return Expression(table.c[column], kind)
        if path in _CORE and not (path == 'label' and where in ('scan', 'reconstruction', 'project')) and (path, where) != ('project', 'project'):
            told = path == 'project' and where == 'scan'
            return Expression(func.nullif(func.coalesce(table.c.told_project, table.c.project), '') if told else table.c[_CORE[path]])
        if path == 'subject_id' and where in ('experiment', 'assessor'):
            owner = self.parent(table, 'subject') if where == 'experiment' else self.parent(self.parent(table, 'experiment'), 'subject')
            return Expression(owner.c.id)
        if path in ('image_session_id', 'imagesession_id') and where in ('scan', 'assessor', 'reconstruction'):
            return Expression(self.parent(table, 'experiment').c.id)
        return None

    def _shared(self, table: Any, type_name: str, path: str) -> Expression | None:
        column = {'sharing/share/project': 'project', 'sharing/share/label': 'label'}.get(path)
        if column is None:
            return None
        key = ('share', table.name)
        found = self._known.get(key)
        if found is None:
            found = alias(share, f'{table.name}_share')
            self._several(found.c.pk)
            found = self.join(found, found.c.item == table.c.pk, key)
        return Expression(found.c[column])

    def _resource(self, table: Any, type_name: str, path: str) -> Expression | None:
        prefix = next((one for one in _RESOURCE_PATHS if path.startswith(one + '/')), None)
        if prefix is None:
            return None
        name = path[len(prefix) + 1 :]
        key = ('resource', table.name, prefix)
        found = self._known.get(key)
        if found is None:
            found = alias(resource, f'{table.name}_{prefix.replace("/", "_")}')
            side = {'in/file': 'in', 'out/file': 'out'}.get(prefix, '')
            self._several(found.c.pk)
            found = self.join(found, and_(found.c.item == table.c.pk, found.c.side == side), key)
        if name in ('file_count', 'file_size'):
            measures = (func.count(), func.coalesce(func.sum(file.c.size), 0))
            count, size = (select(one).where(file.c.resource == found.c.pk).correlate(found).scalar_subquery() for one in measures)
            return Expression(counted(found, count, size)[name == 'file_size'], 'integer')
        column = _RESOURCE_COLUMNS.get(name)
        return Expression(found.c[column]) if column else None

    def _stored(self, table: Any, type_name: str, path: str) -> Expression | None:
        field = self._field(type_name, path)
        if field is None or not field.kind:
            return None
        key = storage_key(field, path)
        if '"' in key or ('[' in path and '[' not in key and field.repeated):
            return None
        if not is_complete(field, key):
            return Expression(self._repeated(table, field, key), field.kind)
        if key.endswith(']/name'):
            return Expression(self._name(table, key), field.kind)
        return Expression(func.json_extract(table.c.fields, f'$."{key}"'), field.kind)

    def _name(self, table: Any, key: str) -> Any:
        """The name of an instance that is picked by it: NULL where the item has no such instance."""
        holder = key.removesuffix('/name')
        each = func.json_each(table.c.fields).table_valued('key', 'value')
        name = name_of(holder.rpartition('[')[2][:-1])
        return select(literal(name)).select_from(each).where(_begins(each.c.key, literal(holder + '/'))).limit(1).correlate(table).scalar_subquery()

    def _repeated(self, table: Any, field: Field, key: str) -> Any:
        """The value in every instance of a repeated element: one row each, fields of the same instance on the same row."""
        prefix: Any = literal('')
        holder: list[Any] = []
        here: list[str] = []
        for step in steps(key):
            here.append(step.name)
            holder.append(step)
            if '/'.join(here) in field.holders:
                before = prefix + (join(holder[:-1]) + '/' if len(holder) > 1 else '') + step.name + '['
                prefix = before + f'{step.pick}]/' if step.pick else self._each(table, before, '/'.join(here))
                holder = []
        leaf = join(holder)
        if leaf == 'name':
            return func.coalesce(_value(table, prefix + leaf), _named(prefix))
        return _value(table, prefix + leaf if leaf else func.rtrim(prefix, '/'))

    def _each(self, table: Any, before: Any, name: str) -> Any:
        """Join the instances of a repeated element; the start of their keys, up to and with the ``]/``."""
        key = ('each', table.name, name)
        each = self._known.get(key)
        if each is None:
            alias = f'{table.name}_{re.sub("[^A-Za-z0-9]", "_", name)}'
            each = func.json_each(table.c.fields).table_valued('key', 'value', name=alias)
            self.join(each, _begins(each.c.key, before), key)
            self._several(_instance(each, before))
        return _instance(each, before) + '/'

    def _several(self, identity: Any) -> None:
        """Note that something was joined that a root item can have several of."""
        self.many = True
        self.told_apart.append(identity)

    def _field(self, type_name: str, path: str) -> Field | None:
        """The field, of the type or of a type that extends it."""
        found = (self.model.field(name, path) for name in (type_name, *self.model.registry.subtypes(type_name)))
        return next((one for one in found if one is not None), None)


def _mark(table: Any, type_name: str) -> ColumnElement[Any]:
    """When an item was changed, as XNAT keeps it with its own type; with a general one it keeps when its own fields were."""
    return case((table.c.xsi_type == type_name, table.c.last_modified), else_=table.c.own_modified)


def _instance(each: Any, before: Any) -> Any:
    """The start of a key up to the ``]`` of an instance."""
    rest = func.substr(each.c.key, func.length(before) + 1)
    return before + func.substr(rest, 1, func.instr(rest, ']'))


def _begins(key: Any, text: Any) -> ColumnElement[bool]:
    """The condition that a key begins with a text, which may hold any character."""
    found: ColumnElement[bool] = func.substr(key, 1, func.length(text)) == text
    return found


def _value(table: Any, key: Any) -> Any:
    """The value under a computed key."""
    each = func.json_each(table.c.fields).table_valued('key', 'value')
    return select(each.c.value).select_from(each).where(each.c.key == key).limit(1).correlate_except(each).scalar_subquery()


def _named(prefix: Any) -> Any:
    """The name in the start of an instance's keys: ``x`` of ``fields/field[name=x]/``."""
    mark = '[name='
    at = func.instr(prefix, mark)
    name: Any = func.rtrim(func.substr(prefix, at + len(mark)), ']/')
    for char in '[]"\\/%':  # as `pick_of_name` has encoded them, the percent sign last
        name = func.replace(name, f'%{ord(char):02X}', char)
    return case((at > 0, name))


def _line(where: str) -> list[str]:
    """A level and those above it."""
    line = [where]
    while TREE[line[-1]]:
        line.append(TREE[line[-1]])
    return line
