"""``/data/search``: ad-hoc and saved searches, and what can be searched."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement
from werkzeug.exceptions import BadRequest, Forbidden, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from .auth import readable, visible
from .calls import Call, text
from .criteria import SearchDocument, SearchField, condition, parse_document
from .display import DisplayField, Displays, expression
from .model import Model, split_path
from .respond import table_response
from .scope import Expression, Scope
from .store import item
from .store import search as saved
from .tables import Table

__all__ = ['Search', 'find']

Handler = Callable[[Call], Response]
MAX_KEY = 63
"""Characters of a column's name in XNAT's database: longer keys are replaced."""


def find(parts: Sequence[str]) -> Handler | None:
    """The handler of a path below ``/data`` that begins with ``search``."""
    plain = [part for part in parts if part]
    if plain[:1] != ['search']:
        return None
    if len(plain) == 1:
        return _post
    return {'elements': _elements, 'saved': _saved}.get(plain[1], _unknown)


def _unknown(call: Call) -> Response:
    raise NotFound(f'There is no search {call.parts[1]}.')


def _post(call: Call) -> Response:
    if call.method != 'POST':
        raise MethodNotAllowed(['POST'])
    document = parse_document(_body(call))
    with call.archive.store.read() as connection:
        return table_response(call, Search(call, connection, document).table())


def _body(call: Call) -> bytes:
    """The document: the body, or the first part of a form."""
    if call.mimetype == 'multipart/form-data':
        _, files = call.request.form, call.request.files
        part = next(iter(files.values()), None)
        if part is None:
            raise BadRequest('The form holds no document.')
        return bytes(part.read())
    return call.document()


class Search:
    """One search, compiled to one SQL query.

    Elements that a root item can have several of (sessions of a subject) are joined: criteria on the same element hold for the same
    session, as in XNAT's SQL. One row is answered for a root item, with values of the first matching one.
    """

    def __init__(self, call: Call, connection: Connection, document: SearchDocument) -> None:
        self._call = call
        self._connection = connection
        self._document = document
        self._model: Model = call.archive.model
        self._displays: Displays = call.archive.displays
        root = self._model.name(document.root)
        if root is None or not self._model.level_of(root):
            raise BadRequest(f'{document.root} cannot be searched.')
        self._root = root
        self._scope = Scope(self._model, call.caller, root)
        self._keys: dict[str, str] = {}

    def table(self) -> Table:
        """The result."""
        columns = self._columns()
        where = condition(self._document.where, self._criterion)
        order = self._order(columns)
        root = self._scope.root
        labelled = [found.sql.label(f'c{number}') for number, (_, _, found) in enumerate(columns)]
        guarded = and_(*self._guard())  # before the query: it may join
        query = self._scope.select(*labelled, root.c.status).where(guarded)
        if where is not None:
            query = query.where(where)
        if self._scope.many:
            firsts = [func.min(one.c.pk) for one in self._scope.joined[:1]]
            query = query.add_columns(*firsts).group_by(root.c.pk)
        rows = self._connection.execute(query.order_by(*order, root.c.id, root.c.pk)).all()
        width = len(columns) + 1
        names = [key for key, _, _ in columns] + ['quarantine_status']
        described = [entry for _, entry, _ in columns] + [{'key': 'quarantine_status'}]
        values = [_texts(row[:width], columns) for row in rows]
        return Table(names, values, {'rootElementName': self._root, 'totalRecords': str(len(values))}, described)

    def _guard(self) -> list[ColumnElement[bool]]:
        """Only items of the root's type that the caller may read."""
        root, caller = self._scope.root, self._call.caller
        level = self._scope.level
        found = [root.c.level == level, root.c.xsi_type.in_(self._model.registry.subtypes(self._root))]
        if level == 'project':
            return [*found, visible(caller, root.c.id, seeing=True)]
        if level in ('scan', 'reconstruction'):
            return [*found, readable(caller, self._scope.parent(root, 'experiment'))]
        return [*found, readable(caller, root)]

    # -- columns

    def _columns(self) -> list[tuple[str, dict[str, Any], Expression]]:
        """Key, description and SQL of each column; without any the type's default listing. A field named twice is one column."""
        fields = self._document.fields or [SearchField(element, name) for element, name in self._displays.default(self._root)]
        found: dict[str, tuple[str, dict[str, Any], Expression]] = {}
        for asked in fields:
            element = self._model.name(asked.element or self._root)
            if element is None:
                raise BadRequest(f'{asked.element} is not a data type of this archive.')
            name = self._field_id(asked)
            key = self._key(element, name)
            if key in found:
                continue
            value = self._resolve(element, name)
            found[key] = (key, self._describe(asked, element, name, key, value), value)
        return list(found.values())

    def _field_id(self, asked: SearchField) -> str:
        """The field's ID with its argument, which may stand in an element of its own."""
        known = self._displays.fields(self._model.name(asked.element or self._root) or '')
        display = known.get(asked.field_id)
        return f'{asked.field_id}={asked.value}' if display is not None and display.requires_value and asked.value else asked.field_id

    def _describe(self, asked: SearchField, element: str, name: str, key: str, value: Expression) -> dict[str, Any]:
        known = self._displays.fields(element).get(name.partition('=')[0])
        identifier = _identifier(name)
        header = asked.header or (known.header if known else name.rpartition('/')[2])
        entry = {'key': key, 'type': value.kind, 'xPATH': f'{element}.{identifier}', 'element_name': element, 'header': header, 'id': identifier}
        return entry if asked.visible else {**entry, 'visible': 'false'}

    def _key(self, element: str, name: str) -> str:
        """The column's name: the field's ID in lower case, with the table's name before it for another element than the root."""
        key = _identifier(name).lower()
        if element != self._root:
            key = f'{self._model.sql_name(element).lower()}_{key}'
        if len(key) <= MAX_KEY:
            return key
        return self._keys.setdefault(key, f'df_alias_{len(self._keys)}')

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
        identifier, equals, value = name.partition('=')
        known = self._displays.fields(element).get(identifier)
        if known is not None:
            if known.requires_value and not equals:
                raise BadRequest(f'{identifier} needs a value: {identifier}=…')
            return expression(known, self._scope, table, element, value)
        return self._scope.path(element, name) or self._by_identifier(element, name)

    def _by_identifier(self, element: str, name: str) -> Expression | None:
        """A path by the ID that the server itself makes of it: ``XNAT_COL_MRSESSIONDATALABEL``."""
        for found in self._model.registry.fields(element):
            paths = [f'{element}/{found.path}']
            if found.path == 'sharing/share':
                paths = [f'{element}/sharing/share/project', f'{element}/sharing/share/label']
            for path in paths:
                if _identifier(path) == name.upper():
                    return self._scope.path(element, path.partition('/')[2])
        return None

    def _criterion(self, schema_field: str) -> Expression:
        """The expression of a criterion's ``type/path``, ``type.FIELD`` or ``type/FIELD=value``."""
        found = re.match(r'([^/.]+)[/.](.+)$', schema_field)
        element = self._model.name(found.group(1)) if found else None
        if found is None or element is None:
            raise BadRequest(f'{schema_field!r} names no field of a data type of this archive.')
        return self._resolve(element, found.group(2))

    def _order(self, columns: list[tuple[str, dict[str, Any], Expression]]) -> list[Any]:
        """By ``sort_by``, else by the first column, as XNAT's defaultToSortedListings has it."""
        if self._document.sort_by is not None:
            element, name = self._document.sort_by
            full = self._model.name(element)
            if full is None:
                raise BadRequest(f'{element} is not a data type of this archive.')
            return [self._resolve(full, name).comparable]
        return [found.comparable for _, _, found in columns[:1]]


def _texts(row: Sequence[Any], columns: list[tuple[str, dict[str, Any], Expression]]) -> list[Any]:
    """Values as XNAT prints them: whole numbers plain, floats with a fraction."""
    values = list(row)
    for place, (_, _, found) in enumerate(columns):
        value = values[place]
        if value is not None and not isinstance(value, str):
            values[place] = repr(float(value)) if found.kind == 'float' else str(int(value)) if found.kind == 'integer' else str(value)
    return values


def _identifier(name: str) -> str:
    """A field's ID in capitals: of a path the ``:`` becomes ``_COL_``, a ``,`` ``_COM_``, and ``/`` is dropped."""
    if '/' in name:
        name = name.replace(':', '_COL_').replace(',', '_COM_').replace('/', '')
        return re.sub(r'[^A-Za-z0-9_-]', '', name.replace('=', '_')).upper()
    identifier, equals, value = name.partition('=')
    return f'{identifier}_{re.sub("[^A-Za-z0-9_]", "_", value)}'.upper() if equals else identifier.upper()


# -- what can be searched


def _elements(call: Call) -> Response:
    if call.method != 'GET':
        raise MethodNotAllowed(['GET'])
    plain = [part for part in call.parts if part]
    if len(plain) == 2:
        return table_response(call, _element_table(call))
    names = [call.archive.model.name(name) for name in plain[2].split(',')]
    if None in names:
        raise BadRequest(f'{plain[2]} is not a data type of this archive.')
    return table_response(call, _field_table(call, [name for name in names if name]), default='xml')


def _element_table(call: Call) -> Table:
    model: Model = call.archive.model
    with call.archive.store.read() as connection:
        counted = select(item.c.xsi_type, func.count().label('n')).where(_listed(call)).group_by(item.c.xsi_type)
        counts = {row.xsi_type: row.n for row in connection.execute(counted)}
    rows = []
    for name in model.searchable:
        secured = model.level_of(name) not in ('scan', 'reconstruction')
        if (call.flag('secured') and not secured) or (call.flag('used') and name not in counts):
            continue
        singular = _words(model, name)
        rows.append((name, singular, _plural(singular), str(secured).lower(), counts.get(name, 0)))
    return Table(['ELEMENT_NAME', 'SINGULAR', 'PLURAL', 'SECURED', 'COUNT'], rows, {'title': 'Data-Types'})


def _listed(call: Call) -> ColumnElement[bool]:
    """What the caller may read; projects count when they are listed at all."""
    return or_(readable(call.caller, item), and_(item.c.level == 'project', visible(call.caller, item.c.id, seeing=True)))


def _words(model: Model, name: str) -> str:
    """``MR Session`` of the root element MRSession."""
    row = model.registry.get(name)
    root = (row.root if row else '') or name.partition(':')[2].removesuffix('Data')
    return re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', ' ', root[:1].upper() + root[1:])


def _plural(singular: str) -> str:
    return singular + 's' if not singular.endswith('s') else singular


def _field_table(call: Call, names: list[str]) -> Table:
    rows: list[tuple[Any, ...]] = []
    with call.archive.store.read() as connection:
        for name in names:
            rows += [_field_row(one, name) for one in call.archive.displays.fields(name).values() if one.searchable]
            rows += [_field_row(one, name, source) for one, source in _found_fields(call, connection, name)]
    columns = ['FIELD_ID', 'HEADER', 'SUMMARY', 'TYPE', 'REQUIRES_VALUE', 'DESC', 'ELEMENT_NAME', 'SRC']
    return Table(columns, rows, {'title': 'Search Fields', 'element_name': ','.join(names)})


def _field_row(field: DisplayField, element: str, source: int = 0) -> tuple[Any, ...]:
    kind = {'dateTime': 'timestamp'}.get(field.kind, field.kind)
    return (field.id, field.header, f'{element}.{field.id}', kind, str(field.requires_value).lower(), field.header or field.id, element, source)


def _found_fields(call: Call, connection: Connection, element: str) -> list[tuple[DisplayField, int]]:
    """Fields with a value that the archive holds: custom variables (1) and labels in projects (2)."""
    fields = call.archive.displays.fields(element)
    found: list[tuple[DisplayField, int]] = []
    variables = next((one for name, one in fields.items() if name.endswith('_FIELD_MAP')), None)
    if variables is not None:
        keys = func.json_each(item.c.fields).table_valued('key', name='each_field')
        query = select(keys.c.key).select_from(item.join(keys, keys.c.key.like('fields/field[name=%'))).distinct().order_by(keys.c.key)
        query = query.where(item.c.xsi_type == element, readable(call.caller, item))
        names = [str(key)[len('fields/field[name=') :].rpartition(']')[0] for key in connection.scalars(query)]
        found += [(replace(variables, id=f'{variables.id}={name}', header=name, requires_value=False), 1) for name in names]
    labels = next((one for name, one in fields.items() if name.endswith('_PROJECT_IDENTIFIER')), None)
    if labels is not None:
        projects = select(item.c.id).where(item.c.level == 'project', visible(call.caller, item.c.id)).order_by(item.c.id)
        wanted = call.get('projectScope')
        names = [name for name in connection.scalars(projects) if not wanted or name == wanted]
        found += [(replace(labels, id=f'{labels.id}={name}', header=name, requires_value=False), 2) for name in names]
    return found


# -- saved searches


def _saved(call: Call) -> Response:
    plain = [part for part in call.parts if part][2:]
    if not plain:
        return _saved_list(call)
    if plain[1:] == ['results'] and call.method == 'GET':
        document = parse_document(_saved_row(call, plain[0]).document.encode('utf-8'))
        with call.archive.store.read() as connection:
            return table_response(call, Search(call, connection, document).table())
    handlers: dict[str, Callable[[Call, str], Response]] = {'GET': _saved_get, 'PUT': _saved_put, 'DELETE': _saved_delete}
    if call.method not in handlers or len(plain) != 1:
        raise MethodNotAllowed(list(handlers))
    return handlers[call.method](call, plain[0])


def _saved_list(call: Call) -> Response:
    if call.method != 'GET':
        raise MethodNotAllowed(['GET'])
    with call.archive.store.read() as connection:
        query = select(saved).order_by(saved.c.id)
        if not call.caller.admin or not call.flag('all'):
            query = query.where(saved.c.login == call.caller.login)
        rows = [(row.id, parse_document(row.document.encode('utf-8')).root, row.login) for row in connection.execute(query)]
    return table_response(call, Table(['id', 'root_element_name', 'user'], rows, {'title': 'Stored Searches'}))


def _saved_row(call: Call, name: str) -> Any:
    with call.archive.store.read() as connection:
        row = connection.execute(select(saved).where(saved.c.id == name)).first()
    if row is None:
        raise NotFound(f'There is no saved search {name}.')
    if row.login != call.caller.login and not call.caller.admin:
        raise Forbidden(f'The saved search {name} is not yours.')
    return row


def _saved_get(call: Call, name: str) -> Response:
    return Response(_saved_row(call, name).document, mimetype='text/xml')


def _saved_put(call: Call, name: str) -> Response:
    body = _body(call)
    parse_document(body)
    with call.archive.store.write() as connection:
        row = connection.execute(select(saved).where(saved.c.id == name)).first()
        if row is not None and row.login != call.caller.login and not call.caller.admin:
            raise Forbidden(f'The saved search {name} is not yours.')
        connection.execute(saved.delete().where(saved.c.id == name))
        connection.execute(saved.insert().values(id=name, login=call.caller.login, document=body.decode('utf-8')))
    return text()


def _saved_delete(call: Call, name: str) -> Response:
    with call.archive.store.write() as connection:
        row = connection.execute(select(saved).where(saved.c.id == name)).first()
        if row is not None and row.login != call.caller.login and not call.caller.admin:
            raise Forbidden(f'The saved search {name} is not yours.')
        connection.execute(saved.delete().where(saved.c.id == name))
    return text()
