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

from ..schemas import Field, canonical
from .auth import Caller, readable
from .model import TREE, Model
from .store import file, item, resource, share

__all__ = ['Expression', 'Scope', 'storage_key']

_CORE = {'id': 'id', 'label': 'label', 'project': 'project'}
_META = {
    'meta/insert_date': ('insert_date', 'dateTime'),
    'insert_date': ('insert_date', 'dateTime'),
    'meta/insert_user': ('insert_user', 'string'),
    'insert_user': ('insert_user', 'string'),
    'meta/last_modified': ('last_modified', 'dateTime'),
    'last_modified': ('last_modified', 'dateTime'),
    'meta/status': ('status', 'string'),
    'extension_item/element_name': ('xsi_type', 'string'),
    'xsi:type': ('xsi_type', 'string'),
    'xnat_imagescandata_id': ('pk', 'integer'),
    'xnat_reconstructedimagedata_id': ('pk', 'integer'),
}
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
        """The value as SQL should compare and sort it."""
        return sql_cast(self.sql, Float) if self.kind in ('integer', 'float') else self.sql


class Scope:
    """Root and joins of one query."""

    def __init__(self, model: Model, caller: Caller, root_type: str) -> None:
        self.model = model
        self.caller = caller
        self.root_type = root_type
        self.level = model.level_of(root_type)
        self.root = item.alias('root')
        self.many = False
        """Whether a join can give several rows for one root item."""
        self._source: FromClause = self.root
        self._known: dict[tuple[str, ...], Any] = {}
        self.joined: list[Any] = []
        """Aliases of the items that were joined below or beside the root: those a row may have several of."""

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
        if not where or not self.level:
            raise LookupError(f'{type_name} cannot be joined with {self.root_type}')
        up = _line(self.level)
        down = _line(where)
        common = next(one for one in up if one in down)
        current = self._climb(up[: up.index(common) + 1])
        for step in reversed(down[: down.index(common)]):
            current = self._descend(current, step, type_name if step == where else self.model.base_of(step))
        return current

    def parent(self, table: Any, where: str) -> Any:
        """The ancestor of a joined item, one level up."""
        key = ('up', table.name, where)
        if key in self._known:
            return self._known[key]
        above = item.alias(f'{table.name}_{where}')
        return self.join(above, above.c.pk == table.c.parent, key)

    def subject_of(self, table: Any, type_name: str) -> Any:
        """The subject that an item belongs to."""
        line = _line(self.model.level_of(type_name))
        for where in line[1 : line.index('subject') + 1]:
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
        below = item.alias(f'{table.name}_{re.sub("[^A-Za-z0-9]", "_", type_name)}')
        belongs = below.c.parent == table.c.pk
        if where == 'subject':
            shared = select(share.c.item).where(share.c.project == table.c.id)
            belongs = or_(belongs, below.c.pk.in_(shared))
        condition = and_(below.c.level == where, belongs, readable(self.caller, below) if where not in ('scan', 'reconstruction') else literal(True))
        if type_name != self.model.base_of(where):
            condition = and_(condition, below.c.xsi_type.in_(self.model.registry.subtypes(type_name)))
        self.many = True
        self.joined.append(below)
        return self.join(below, condition, key)

    # -- paths

    def path(self, type_name: str, path: str) -> Expression | None:
        """The expression of a full path; None where the type has no such field."""
        return self.value(self.alias(type_name), type_name, path)

    def value(self, table: Any, type_name: str, path: str) -> Expression | None:
        """The expression of a path from an item's alias; None where its type has no such field."""
        child = self.model.child_level(path)
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
        if path in _META:
            column, kind = _META[path]
            return Expression(table.c[column], kind)
        if path in _CORE and not (path == 'label' and where in ('scan', 'reconstruction', 'project')):
            return Expression(table.c[_CORE[path]])
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
            found = share.alias(f'{table.name}_share')
            self.many = True
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
            found = resource.alias(f'{table.name}_{prefix.replace("/", "_")}')
            side = {'in/file': 'in', 'out/file': 'out'}.get(prefix, '')
            self.many = True
            found = self.join(found, and_(found.c.item == table.c.pk, found.c.side == side), key)
        if name in ('file_count', 'file_size'):
            measure = func.count() if name == 'file_count' else func.coalesce(func.sum(file.c.size), 0)
            counted = select(measure).where(file.c.resource == found.c.pk).correlate(found).scalar_subquery()
            return Expression(case((found.c.pk.is_not(None), counted)), 'integer')
        column = _RESOURCE_COLUMNS.get(name)
        return Expression(found.c[column]) if column else None

    def _stored(self, table: Any, type_name: str, path: str) -> Expression | None:
        field = self._field(type_name, path)
        if field is None or not field.kind:
            return None
        key = storage_key(field, path)
        if '"' in key or ('[' not in key and field.repeated):
            return None
        return Expression(func.json_extract(table.c.fields, f'$."{key}"'), field.kind)

    def _field(self, type_name: str, path: str) -> Field | None:
        """The field, of the type or of a type that extends it."""
        registry = self.model.registry
        found = registry.field(type_name, path)
        if found is not None:
            return found
        return next((one for one in (registry.field(name, path) for name in registry.subtypes(type_name)) if one is not None), None)


def _line(where: str) -> list[str]:
    """A level and those above it."""
    line = [where]
    while TREE[line[-1]]:
        line.append(TREE[line[-1]])
    return line


def storage_key(field: Field, path: str) -> str:
    """The key of a field's value in an item's JSON: the schema's own path with the ``[name=…]`` of the asked one.

    Names of custom variables are kept in lower case, as XNAT keeps them.
    """
    plain = canonical(field.path)
    picked = re.search(r'\[(?:@?name|ID)\s*=\s*[\'"]?([^\]\'"]*)[\'"]?\]', path)
    if not field.repeated or picked is None:
        return plain
    holder, _, leaf = plain.rpartition('/')
    name = picked.group(1)
    return f'{holder}[name={name.lower() if holder.lower() == "fields/field" else name}]/{leaf}'
