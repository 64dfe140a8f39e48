"""A search document as one SQL query."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, and_, cast, func, or_, select, true
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.elements import ColumnElement
from werkzeug.exceptions import BadRequest, Forbidden

from .auth import ROLES, Caller, readable, visible
from .calls import Call
from .criteria import condition
from .display import Displays, expression
from .display_fields import DisplayField
from .model import Model, split_path
from .respond import order_asked
from .scope import Expression, Scope
from .search_documents import SearchDocument, SearchField
from .store import group_right, item, role
from .tables import BATCH, Table

__all__ = ['Search', 'may_query']

MAX_KEY = 63
"""Characters of a column's name in XNAT's database: longer keys are replaced."""
STATUS = 'quarantine_status'
NO_VALUE = '@WHERE'
"""Where XNAT puts the value of a field that asks for one; it stays there when none is given, and is nobody's."""
_TOO_MUCH = re.compile(r'too (many|large|deep)|at most \d+ tables|overflow', re.IGNORECASE)


class Column(NamedTuple):
    """One column of the result."""

    name: str
    """The field, with its argument."""
    described: dict[str, Any]
    value: Expression


class Search:
    """One search, compiled to one SQL query.

    Elements that a root item can have several of (sessions of a subject) are joined: criteria on the same element hold for the same
    session, as in XNAT's SQL, and scans and assessors are those of that session. One row is answered for a root item, with the values
    of the first that matches, or of the one nearest in time where the element stands beside the root (another session of the subject).
    With ``allow-diff-columns`` there is a row for each.
    """

    def __init__(self, call: Call, connection: Connection, document: SearchDocument) -> None:
        self._call = call
        self._connection = connection
        self._document = document
        self._model: Model = call.archive.model
        self._displays: Displays = call.archive.displays
        self.root = root_of(call, document)
        if not may_query(call, connection, self.root):
            raise Forbidden(f'You may read {self.root} in no project.')
        self._scope = Scope(self._model, call.caller, self.root)
        self._scope.sessions = self._named('experiment')
        self._columns: dict[str, Column] = {}
        self._aliases: dict[str, str] = {}

    def table(self, keyed: bool = False) -> Table:
        """The result, its rows still to be fetched; with the root items' own IDs in a column ``key`` if it is `keyed`."""
        query = self.query(keyed)
        names = [*self._columns, *(['key'] if keyed else []), STATUS]
        described = [*(found.described for found in self._columns.values()), *({'key': name} for name in names[len(self._columns) :])]
        return Table(names, self._rows(query, len(names)), {'rootElementName': self.root}, described, ordered=True)

    def query(self, keyed: bool = False) -> Select[Any]:
        """The SQL: the columns, the root item's ID if it is `keyed`, its status."""
        for asked in self._document.fields or self._listing():
            self._add(asked)
        root = self._scope.root
        where = condition(self._document.where, self._criterion)
        self._add_helpers()
        order = order_asked(self._call, self._comparable()) or self._order()
        conditions = [*self._guard(), *([] if where is None else [where])]  # before the query: they may join
        self._add_distances()
        shown = [found.value.sql.label(f'c{number}') for number, found in enumerate(self._columns.values())]
        ends = [root.c.id, root.c.status] if keyed else [root.c.status]
        return self._reduced(self._scope.select(*shown, *ends).where(and_(*conditions))).order_by(*order, root.c.id, root.c.pk)

    def _rows(self, query: Select[Any], width: int) -> Iterator[Sequence[Any]]:
        try:
            result = self._connection.execute(query)
        except OperationalError as error:
            if _TOO_MUCH.search(str(error.orig)):
                raise BadRequest(f'The search is more than the database takes in one query: {error.orig}.') from error
            raise
        rows: Iterator[Sequence[Any]] = iter(result.yield_per(BATCH))
        return rows if len(result.keys()) == width else (row[:width] for row in rows)

    def _reduced(self, query: Select[Any]) -> Select[Any]:
        """The query with one row for a root item."""
        if not self._scope.many:
            return query
        if self._document.flag('allow-diff-columns'):
            return query.distinct()
        for element, below in list(self._scope.joined.items())[:1]:  # SQLite takes the other values from the row with the least
            distance = self._scope.distance(element)
            query = query.add_columns(func.min(below.c.pk if distance is None else distance))
        return query.group_by(self._scope.root.c.pk)

    def _guard(self) -> list[ColumnElement[bool]]:
        """Only items of the root's type that the caller may read."""
        root, caller, level = self._scope.root, self._call.caller, self._scope.level
        kinds = self._model.registry.subtypes(self.root)
        levels = {self._model.level_of(kind) for kind in kinds} - {''}
        found = [root.c.level.in_(sorted(levels)), root.c.xsi_type.in_(kinds), _unless_quarantined(caller, root)]
        if level == 'project':
            return [*found, visible(caller, root.c.id, seeing=True)]
        held = self._scope.parent(root, 'experiment') if level in ('scan', 'reconstruction') else root
        return [*found, readable(caller, held)]

    def _named(self, level: str) -> list[str]:
        """The types of a level that the document names, in fields or criteria."""
        named = (self._model.name(text) for text in self._document.elements())
        return list(dict.fromkeys(name for name in named if name and self._model.level_of(name) == level))

    # -- columns

    def _listing(self) -> list[SearchField]:
        """The columns of the type's version ``listing``."""
        refs = self._displays.version(self.root, 'listing').fields
        return [SearchField(one.element or self.root, one.id, value=one.value, visible=one.visible) for one in refs]

    def _add(self, asked: SearchField) -> None:
        """A column for a field; a field named twice is one column."""
        element = self._model.name(asked.element or self.root)
        if element is None:
            raise BadRequest(f'{asked.element} is not a data type of this archive.')
        name = self._field_id(element, asked)
        key = self._key(element, name)
        while key in self._columns and self._columns[key].name != name:
            key += '_1'  # arguments that differ in what a key cannot hold
        if key not in self._columns:
            value = self._resolve(element, name)
            self._columns[key] = Column(name, self._describe(asked, element, name, key, value), value)

    def _field_id(self, element: str, asked: SearchField) -> str:
        """The field's ID with its argument, which may stand in an element of its own."""
        display = self._displays.fields(element).get(asked.field_id)
        name = f'{asked.field_id}={asked.value}' if display is not None and display.requires_value and asked.value else asked.field_id
        return name.replace('{XDAT_USER_ID}', str(self._call.caller.pk))

    def _describe(self, asked: SearchField, element: str, name: str, key: str, value: Expression) -> dict[str, Any]:
        known = self._display_field(element, name)
        header = asked.header or (known.header if known else name.rpartition('/')[2])
        plain = name if known and known.requires_value else identifier(name)
        entry: dict[str, Any] = {'key': key}
        if known and known.links and self._call.get('format').lower() == 'json':
            entry |= {'clickable': True, 'linkProps': [self._link(element, *one) for one in known.links]}
        kind = known.type if known else {'dateTime': 'timestamp'}.get(value.kind, value.kind)
        entry |= {'type': kind, 'xPATH': f'{element}.{identifier(name)}', 'element_name': element, 'header': header, 'id': plain}
        entry |= {'imgRoot': '/'} if known and known.image else {}
        return entry if asked.visible else {**entry, 'visible': 'false'}

    def _link(self, element: str, title: str, value: str, inserts: Sequence[tuple[str, str]]) -> dict[str, Any]:
        return {'name': title, 'value': value, 'inserts': [{'name': one, 'value': self._key(element, field)} for one, field in inserts]}

    def _display_field(self, element: str, name: str) -> DisplayField | None:
        return self._displays.fields(element).get(name.partition('=')[0])

    def _key(self, element: str, name: str) -> str:
        """The column's name: the field's ID in lower case, with the table's name before it for another element than the root."""
        key = identifier(name).lower()
        if element != self.root:
            key = f'{self._model.sql_name(element).lower()}_{key}'
        return self._short(key)

    def _short(self, key: str) -> str:
        """A key that fits into a name of XNAT's database, under a number where it does not."""
        if len(key) <= MAX_KEY:
            return key
        return self._aliases.setdefault(key, f'df_alias_{len(self._aliases)}')

    def _add_helpers(self) -> None:
        """Invisible columns with what the links of visible ones need."""
        for column in list(self._columns.values()):
            for insert in (one for link in column.described.get('linkProps', ()) for one in link['inserts']):
                element = column.described['element_name']
                fields = (name for name in self._displays.fields(element) if self._key(element, name) == insert['value'])
                found = next(fields, None)
                if found is not None and insert['value'] not in self._columns:
                    described = {'key': insert['value'], 'xPATH': f'{element}.{found}', 'visible': 'false'}
                    self._columns[insert['value']] = Column(found, described, self._resolve(element, found))

    def _add_distances(self) -> None:
        """With ``allow-diff-columns``: how many days the items beside the root are from it."""
        for element in self._scope.joined if self._document.flag('allow-diff-columns') else ():
            distance = self._scope.distance(element)
            if distance is not None:
                key = self._short(f'{self._model.sql_name(self.root)}_{self._model.sql_name(element)}_diff'.lower())
                self._columns[key] = Column(key, {'key': key, 'visible': 'false'}, Expression(cast(distance, Integer), 'integer'))

    # -- fields

    def _resolve(self, element: str, name: str) -> Expression:
        """A field by display ID, with its value, or by path; `BadRequest` where there is none."""
        try:
            found = self._find(element, name)
        except LookupError as error:
            raise BadRequest(str(error)) from error
        if found is None:
            raise BadRequest(f'{element} has no field {name}.')
        return found

    def _find(self, element: str, name: str) -> Expression | None:
        table = self._scope.alias(element)
        full = split_path(name)
        if full is not None:
            kind = self._model.name(full[0])
            return self._scope.path(kind, full[1]) if kind else None
        known, value = self._display_field(element, name), name.partition('=')[2]
        if known is None:
            return self._scope.path(element, name) or self._by_identifier(element, name)
        return expression(known, self._scope, table, element, value or NO_VALUE)

    def _by_identifier(self, element: str, name: str) -> Expression | None:
        """A path by the ID that the server itself makes of it: ``XNAT_COL_MRSESSIONDATALABEL``."""
        for found in self._model.registry.fields(element):
            paths = [f'{element}/{found.path}']
            if found.path == 'sharing/share':
                paths = [f'{element}/sharing/share/project', f'{element}/sharing/share/label']
            for path in paths:
                if identifier(path) == name.upper():
                    return self._scope.path(element, path.partition('/')[2])
        return None

    def _criterion(self, schema_field: str) -> Expression:
        """The expression of a criterion's ``type/path``, ``type.FIELD`` or ``type/FIELD=value``."""
        found = re.match(r'([^/.]+)[/.](.+)$', schema_field)
        element = self._model.name(found.group(1)) if found else None
        if found is None or element is None:
            raise BadRequest(f'{schema_field!r} names no field of a data type of this archive.')
        known, name = self._display_field(element, found.group(2)), found.group(2)
        if known is not None and known.requires_value and not name.partition('=')[2]:
            raise BadRequest(f'{known.id} needs a value: {known.id}=…')
        return self._resolve(element, name)

    def _comparable(self) -> dict[str, ColumnElement[Any]]:
        return {key: found.value.sql for key, found in self._columns.items()}

    def _order(self) -> list[Any]:
        """By ``sort_by``, else by the first column where the site wants sorted listings."""
        if self._document.sort_by is not None:
            element, name = self._document.sort_by
            full = self._model.name(element)
            if full is None:
                raise BadRequest(f'{element} is not a data type of this archive.')
            return [self._resolve(full, name).comparable]
        columns = list(self._columns.values()) if self._call.archive.preferences.flag('defaultToSortedListings') else []
        return [found.value.comparable for found in columns[:1]]


def root_of(call: Call, document: SearchDocument) -> str:
    """The data type that a search is rooted at; `BadRequest` where there is none such."""
    root = call.archive.model.name(document.root)
    if root is None or not call.archive.model.level_of(root):
        raise BadRequest(f'{document.root} cannot be searched.')
    return root


def may_query(call: Call, connection: Connection, root: str) -> bool:
    """Whether the caller may search a type at all: secured ones need a project where items of the type can be read."""
    model, login = call.archive.model, call.caller.login
    if call.caller.admin or model.level_of(root) in ('project', 'scan', 'reconstruction'):
        return True
    public = select(item.c.pk).where(item.c.level == 'project', item.c.access == 'public')
    whole = select(role.c.project).where(role.c.login == login, role.c.role.in_(tuple(ROLES)))
    held = role.join(group_right, and_(group_right.c.project == role.c.project, group_right.c.key == role.c.role))
    typed = select(role.c.project).select_from(held).where(role.c.login == login, group_right.c.xsi_type.in_(model.registry.subtypes(root)))
    return any(connection.execute(query.limit(1)).first() is not None for query in (whole, public, typed))


def _unless_quarantined(caller: Caller, table: Any) -> ColumnElement[bool]:
    """Items in quarantine are for owners of their project."""
    if caller.admin:
        return true()
    owned = select(role.c.project).where(role.c.login == caller.login, role.c.role == 'owner')
    return or_(table.c.status != 'quarantine', table.c.project.in_(owned))


def identifier(name: str) -> str:
    """A field's ID in capitals: of a path the ``:`` becomes ``_COL_``, a ``,`` ``_COM_``, and ``/`` is dropped."""
    if '/' in name:
        name = name.replace(':', '_COL_').replace(',', '_COM_').replace('/', '')
        return re.sub(r'[^A-Za-z0-9_-]', '', name.replace('=', '_')).upper()
    field, equals, value = name.partition('=')
    plain = re.sub('[^A-Za-z0-9_]', '_', value.replace(',', '_COM_'))
    return f'{field}_{plain}'.upper() if equals else field.upper()
