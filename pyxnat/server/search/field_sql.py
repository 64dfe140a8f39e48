"""Paths of XNAT fields as SQL expressions.

A `Scope` is one query: it has a root type and joins the items that paths need: the subject of a
session, its scans, its shares, its resources. All are outer joins, so root items without the other
item stay.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.sql.selectable import FromClause
from sqlalchemy.types import Float

from ...model.levels import LEVELS, level, parts_of_session
from ...model.schemas import Field, canonical
from ..db.access import Caller, readable
from ..db.json_keys import is_complete, join, name_of, steps, storage_key
from ..db.store import alias, counted, file, item, resource, share
from ..db.types import TREE, Model

__all__ = ['Expression', 'Scope']

_SESSION_ID = {row.parent_field.lower() for row in parts_of_session()}
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
    **{row.key_column: ('pk', 'integer') for row in LEVELS if row.key_field},
}
_MARKS = ('meta/last_modified', 'last_modified')
_RESOURCE_PATHS = ('resources/resource', 'out/file', 'in/file', 'file')
_RESOURCE_COLUMNS = {
    'label': 'label',
    'format': 'format',
    'content': 'content',
    'description': 'description',
    'xnat_abstractresource_id': 'pk',
}


class Expression(NamedTuple):
    """SQL of a value, and the kind of its field."""

    sql: ColumnElement[Any]
    kind: str = 'string'
    schema_field: bool = True
    """Whether it is a field of the schema, not computed: comparisons with NULL differ."""

    @property
    def comparable(self) -> ColumnElement[Any]:
        """SQL for comparing and sorting.

        Numbers are compared as numbers, dates by day, timestamps to the millisecond.
        """
        if self.kind in ('integer', 'float'):
            return sql_cast(self.sql, Float)
        if self.kind == 'date':
            return func.substr(self.sql, 1, 10)
        return func.strftime('%Y-%m-%d %H:%M:%f', self.sql) if self.kind == 'dateTime' else self.sql

    def ordered(self, descending: bool = False) -> ColumnElement[Any]:
        """Return the sort key, with NULL greater than all else."""
        return (
            self.comparable.desc().nulls_first()
            if descending
            else self.comparable.asc().nulls_last()
        )


class Scope:
    """Root and joins of one query.

    Parameters
    ----------
    model : Model
        The data types.
    caller : Caller
        The user; items below the root must be readable.
    root_type : str
        Data type of the root.
    """

    def __init__(self, model: Model, caller: Caller, root_type: str) -> None:
        self.model = model
        self.caller = caller
        self.root_type = root_type
        self.level = model.level_of(root_type)
        self.root = alias(item, 'root')
        self.many = False
        """Whether a join can return several rows for one root item."""
        self.row_keys: list[Any] = []
        """Keys of joined items, shares, resources and instances, which identify rows."""
        self._source: FromClause = self.root
        self._known: dict[tuple[str, ...], Any] = {}
        self.joined: dict[str, Any] = {}
        """Types to aliases of joined items below or beside the root."""
        self.sessions: list[str] = []
        """Types of experiments in the query: scans and assessors in it belong to them."""

    # -- joins

    def select(self, *columns: Any) -> Select[Any]:
        """Return a query for columns; call it after all expressions were made."""
        return select(*columns).select_from(self._source)

    def join(self, target: Any, condition: ColumnElement[bool], key: tuple[str, ...]) -> Any:
        """Outer join a table once under a key.

        Parameters
        ----------
        target : Any
            Alias of the table.
        condition : ColumnElement[bool]
            Condition of the join.
        key : tuple[str, ...]
            Key of the join.
        """
        self._source = self._source.outerjoin(target, condition)
        self._known[key] = target
        return target

    def alias(self, type_name: str) -> Any:
        """Return the alias for items of a type, joined if necessary.

        Raises
        ------
        LookupError
            If the type has no level, or cannot be joined with the root.
        """
        registry = self.model.registry
        if registry.is_a(self.root_type, type_name) or registry.is_a(type_name, self.root_type):
            return self.root
        where = self.model.level_of(type_name)
        if not where or not self.level or where == 'project':  # XNAT joins no projects
            raise LookupError(f'{type_name} cannot be joined with {self.root_type}')
        session = self._session_of(type_name)
        if self.level == 'experiment' and session and self.alias(session) is not self.root:
            return self._descend(self.alias(session), where, type_name)
        up = _with_ancestors(self.level)
        down = _with_ancestors(where)
        common = next(
            one for one in up if one in down and not one == self.level == where
        )  # beside the root: up to the parent and down again
        current = self._climb(up[: up.index(common) + 1])
        for step in reversed(down[: down.index(common)]):
            current = self._descend(
                current, step, type_name if step == where else self._between(step, type_name)
            )
        return current

    def _between(self, where: str, type_name: str) -> str:
        """Return the type of items on the way down to items of another type.

        A session type in the query is preferred.
        """
        if where != 'experiment':
            return self.model.base_of(where)
        return self._session_of(type_name) or (
            self.sessions[0] if len(self.sessions) == 1 else self.model.base_of(where)
        )

    def _session_of(self, type_name: str) -> str:
        """Return the session type in the query with the name of a scan type."""
        stem = type_name.removesuffix('ScanData') + 'SessionData'
        return stem if stem in self.sessions else ''

    def parent(self, table: Any, where: str) -> Any:
        """Join the parent of an item.

        Parameters
        ----------
        table : Any
            Alias of the item.
        where : str
            Level of the parent; no row is joined for a parent of another level.
        """
        key = ('up', table.name, where)
        if key in self._known:
            return self._known[key]
        above = alias(item, f'{table.name}_{where}')
        return self.join(above, and_(above.c.pk == table.c.parent, above.c.level == where), key)

    def subject_of(self, table: Any, type_name: str) -> Any:
        """Join the subject of an item.

        Parameters
        ----------
        table : Any
            Alias of the item.
        type_name : str
            Data type of the item.
        """
        return self.related(table, type_name, 'xnat:subjectData')

    def related(self, table: Any, type_name: str, other: str) -> Any:
        """Join the item of another type that belongs to an item.

        An ancestor; else the item that `alias` returns.

        Parameters
        ----------
        table : Any
            Alias of the item.
        type_name : str
            Data type of the item.
        other : str
            Type of the item to join.
        """
        line, wanted = _with_ancestors(self.model.level_of(type_name)), self.model.level_of(other)
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
        condition = and_(
            below.c.level == where,
            belongs,
            readable(self.caller, below) if not level(where).is_part else literal(True),
        )
        if type_name != self.model.base_of(where):
            condition = and_(
                condition, below.c.xsi_type.in_(self.model.registry.subtypes(type_name))
            )
        self._record_several(below.c.pk)
        self.joined[type_name] = below
        if (
            where == 'experiment'
            or level(where).is_part
            or (where == 'assessor' and self.level != 'project')
        ):
            self._known['up', below.name, TREE[where]] = (
                # its parent is this item, even if no row is joined: ages fall back to the subject's
                table
            )
        return self.join(below, condition, key)

    def distance(self, type_name: str, signed: bool = False) -> ColumnElement[Any] | None:
        """Return the days between the root and another session of its subject.

        Parameters
        ----------
        type_name : str
            Type of the other session, which must be joined.
        signed : bool
            Whether the number is negative for a root before the other session.

        Returns
        -------
        ColumnElement[Any] | None
            SQL; None for levels other than experiments.
        """
        if not self.level == self.model.level_of(type_name) == 'experiment':
            return None
        first, second = (
            func.julianday(func.json_extract(one.c.fields, '$."date"'))
            for one in (self.root, self.joined[type_name])
        )
        found: ColumnElement[Any] = first - second
        return found if signed else func.abs(found)

    # -- paths

    def path(self, type_name: str, path: str) -> Expression | None:
        """Return the expression of a full path; None for an unknown field.

        Parameters
        ----------
        type_name : str
            Data type that the path starts with.
        path : str
            Path below the type.
        """
        return self.value(self.alias(type_name), type_name, path)

    def value(self, table: Any, type_name: str, path: str) -> Expression | None:
        """Return the expression of an item's path; None for an unknown field.

        Parameters
        ----------
        table : Any
            Alias of the item.
        type_name : str
            Data type of the item.
        path : str
            Path below the type.
        """
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
            return Expression(_last_modified(table, type_name), 'dateTime')
        if path in _META:
            column, kind = _META[path]
            return Expression(table.c[column], kind)
        if (
            path in _CORE
            and not (path == 'label' and where and not level(where).has_label)
            and (path, where) != ('project', 'project')
        ):
            may_differ = path == 'project' and where == 'scan'
            return Expression(
                func.nullif(func.coalesce(table.c.told_project, table.c.project), '')
                if may_differ
                else table.c[_CORE[path]]
            )
        if path == 'subject_id' and where in ('experiment', 'assessor'):
            owner = (
                self.parent(table, 'subject')
                if where == 'experiment'
                else self.parent(self.parent(table, 'experiment'), 'subject')
            )
            return Expression(owner.c.id)
        if path in _SESSION_ID and where in {row.singular for row in parts_of_session()}:
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
            self._record_several(found.c.pk)
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
            self._record_several(found.c.pk)
            found = self.join(found, and_(found.c.item == table.c.pk, found.c.side == side), key)
        if name in ('file_count', 'file_size'):
            measures = (func.count(), func.coalesce(func.sum(file.c.size), 0))
            count, size = (
                select(one).where(file.c.resource == found.c.pk).correlate(found).scalar_subquery()
                for one in measures
            )
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
        """Return the name of a named instance; NULL if the item has none."""
        holder = key.removesuffix('/name')
        each = func.json_each(table.c.fields).table_valued('key', 'value')
        name = name_of(holder.rpartition('[')[2][:-1])
        return (
            select(literal(name))
            .select_from(each)
            .where(_starts_with(each.c.key, literal(holder + '/')))
            .limit(1)
            .correlate(table)
            .scalar_subquery()
        )

    def _repeated(self, table: Any, field: Field, key: str) -> Any:
        """Return the value in each instance of a repeated element.

        One row per instance; fields of the same instance are on the same row.
        """
        prefix: Any = literal('')
        holder: list[Any] = []
        here: list[str] = []
        for step in steps(key):
            here.append(step.name)
            holder.append(step)
            if '/'.join(here) in field.holders:
                before = (
                    prefix + (join(holder[:-1]) + '/' if len(holder) > 1 else '') + step.name + '['
                )
                prefix = (
                    before + f'{step.pick}]/'
                    if step.pick
                    else self._each(table, before, '/'.join(here))
                )
                holder = []
        leaf = join(holder)
        if leaf == 'name':
            return func.coalesce(_value(table, prefix + leaf), _instance_name(prefix))
        return _value(table, prefix + leaf if leaf else func.rtrim(prefix, '/'))

    def _each(self, table: Any, before: Any, name: str) -> Any:
        """Join the instances of a repeated element.

        Returns the start of their keys, up to the ``]/``.
        """
        key = ('each', table.name, name)
        each = self._known.get(key)
        if each is None:
            alias = f'{table.name}_{re.sub("[^A-Za-z0-9]", "_", name)}'
            each = func.json_each(table.c.fields).table_valued('key', 'value', name=alias)
            self.join(each, _starts_with(each.c.key, before), key)
            self._record_several(_instance(each, before))
        return _instance(each, before) + '/'

    def _record_several(self, identity: Any) -> None:
        """Record a join that can return several rows for a root item."""
        self.many = True
        self.row_keys.append(identity)

    def _field(self, type_name: str, path: str) -> Field | None:
        """Return the field of a type, or of one that extends it."""
        found = (
            self.model.field(name, path)
            for name in (type_name, *self.model.registry.subtypes(type_name))
        )
        return next((one for one in found if one is not None), None)


def _last_modified(table: Any, type_name: str) -> ColumnElement[Any]:
    """Return the time of an item's last change.

    XNAT stores it with the item's own type; with a general type, it stores when the item's own
    fields changed.
    """
    return case((table.c.xsi_type == type_name, table.c.last_modified), else_=table.c.own_modified)


def _instance(each: Any, before: Any) -> Any:
    """Return the start of a key up to the ``]`` of an instance."""
    rest = func.substr(each.c.key, func.length(before) + 1)
    return before + func.substr(rest, 1, func.instr(rest, ']'))


def _starts_with(key: Any, text: Any) -> ColumnElement[bool]:
    """Return the condition that a key starts with a text.

    The text may contain any character, so LIKE does not work.
    """
    found: ColumnElement[bool] = func.substr(key, 1, func.length(text)) == text
    return found


def _value(table: Any, key: Any) -> Any:
    """Return the value under a computed key."""
    each = func.json_each(table.c.fields).table_valued('key', 'value')
    return (
        select(each.c.value)
        .select_from(each)
        .where(each.c.key == key)
        .limit(1)
        .correlate_except(each)
        .scalar_subquery()
    )


def _instance_name(prefix: Any) -> Any:
    """Return the name in the start of an instance's keys.

    ``x`` in ``fields/field[name=x]/``.
    """
    mark = '[name='
    at = func.instr(prefix, mark)
    name: Any = func.rtrim(func.substr(prefix, at + len(mark)), ']/')
    for char in '[]"\\/%':  # the reverse of `pick_of_name`, the percent sign last
        name = func.replace(name, f'%{ord(char):02X}', char)
    return case((at > 0, name))


def _with_ancestors(where: str) -> list[str]:
    """Return a level and the levels above it."""
    line = [where]
    while TREE[line[-1]]:
        line.append(TREE[line[-1]])
    return line
