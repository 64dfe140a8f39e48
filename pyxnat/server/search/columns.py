"""Columns of a search: requested fields, and helper columns of their links.

XNAT leaves out unknown fields. A path of the root type that a display field shows is returned as
that display field; a path with ``[``, and one of another type, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import case, cast, func, select

from ..db.store import item
from ..db.types import Model, split_path
from ..errors import BadRequest
from .display import Displays, expression
from .display_fields import DisplayField, Link
from .field_sql import Expression, Scope
from .search_xml import SearchField

__all__ = ['NO_VALUE', 'Column', 'Columns', 'find_field', 'identifier']

MAX_KEY = 63
"""Characters of a column name in XNAT's database; longer keys are replaced."""
NO_VALUE = '@WHERE'
"""Value of a field that requires one, as XNAT sends it if none is given; it matches nothing."""


@dataclass(frozen=True)
class Column:
    """One column of the result."""

    key: str
    """Name in the description."""
    name: str
    """Name in the rows: the key, or a short name for a long key."""
    value: Expression
    described: dict[str, Any] | None = None
    """Description of a requested column in JSON and XML; None for a helper column."""
    helper: dict[str, Any] | None = None
    """Description of a helper column with ``format=json``; None for one that only rows have."""
    repeats: bool = False
    """Whether an item may have several values, with a row for each."""


@dataclass(frozen=True)
class _Match:
    """Field that a search field stands for."""

    element: str
    name: str
    display: DisplayField | None
    path: str = ''


class Columns:
    """Columns of one search, in order.

    Parameters
    ----------
    scope : Scope
        The query.
    displays : Displays
        Display fields of the archive.
    model : Model
        The data types.
    linked : bool
        Whether links and helper columns are described.
    """

    def __init__(self, scope: Scope, displays: Displays, model: Model, linked: bool) -> None:
        self._scope = scope
        self._displays = displays
        self._model = model
        self._linked = linked
        self._columns: dict[str, Column] = {}

    def all(self) -> list[Column]:
        """Return the columns so far."""
        return list(self._columns.values())

    def add(self, asked: SearchField, user: int) -> bool:
        """Add the column of a field and its helper columns.

        A field that is added twice is one column.

        Parameters
        ----------
        asked : SearchField
            The field.
        user : int
            Key of the caller, for ``{XDAT_USER_ID}``.

        Returns
        -------
        bool
            Whether the field exists.

        Raises
        ------
        BadRequest
            For an unknown type, or one that cannot be joined with the root.
        """
        element = self._model.name(asked.element or self._scope.root_type)
        if element is None:
            raise BadRequest(f'{asked.element} is not a data type of this archive.')
        found = self._find(element, self._name(element, asked, user))
        try:
            value = self._value(found) if found is not None else None
        except LookupError as error:
            raise BadRequest(str(error)) from error
        if found is None or value is None:
            return False
        key = self._key(found)
        while (
            key in self._columns
            and (known := self._columns[key].described)
            and known['id'] != self._id(found)
        ):
            key += '_1'  # values that differ only in characters a key cannot have
        described = self._describe(asked, found, key, value)
        repeats = found.display is None and _repeats(self._model, self._scope.root_type, found.path)
        column = Column(key, self._short(key), value, described, repeats=repeats)
        known_column = self._columns.get(key)
        self._columns[key] = (
            replace(known_column, described=described) if known_column is not None else column
        )
        self._add_helpers(found)
        return True

    def _name(self, element: str, asked: SearchField, user: int) -> str:
        """Return the field's ID with its value, possibly a separate element."""
        display = self._displays.fields(element).get(asked.field_id)
        name = (
            f'{asked.field_id}={asked.value}'
            if display is not None and display.requires_value and asked.value
            else asked.field_id
        )
        return name.replace('{XDAT_USER_ID}', str(user))

    def _find(self, element: str, name: str) -> _Match | None:
        display = self._displays.fields(element).get(name.partition('=')[0])
        if display is not None:
            return _Match(element, name, display)
        root = self._scope.root_type
        full = split_path(name)
        if '[' in name or (full is not None and self._model.name(full[0]) != root):
            return None
        path = full[1] if full is not None else name
        shown = self._displays.of_path(root, path) if element == root else None
        if shown is not None:
            return _Match(root, shown.id, shown)
        return _Match(element, name, None, path)

    def _value(self, found: _Match) -> Expression | None:
        table = self._scope.alias(found.element)
        if found.display is not None:
            return expression(
                found.display,
                self._scope,
                table,
                found.element,
                found.name.partition('=')[2] or NO_VALUE,
            )
        root = self._scope.root_type
        return self._scope.path(root, found.path) or find_field(
            self._scope, self._model, found.element, found.name
        )

    def _add_helpers(self, found: _Match) -> None:
        """Add the columns that the links of a column need.

        They are described if links are; columns for access checks only appear in rows.
        """
        if found.display is None:
            return
        linked = {name for link in found.display.links for _, name in link.inserts}
        for name in found.display.helpers():
            field = self._displays.fields(found.element).get(name)
            helper = _Match(found.element, name, field)
            key = self._key(helper)
            if field is None or key in self._columns:
                continue
            value = self._value(helper)
            root = found.element == self._scope.root_type
            description = (
                {'key': key, 'xPATH': key if root else f'{found.element}.{key}'}
                if name in linked
                else None
            )
            if value is not None:
                self._columns[key] = Column(key, self._short(key), value, helper=description)

    # -- descriptions of columns

    def _describe(
        self, asked: SearchField, found: _Match, key: str, value: Expression
    ) -> dict[str, Any]:
        display = found.display
        header = asked.header or (display.header if display else found.name.rpartition('/')[2])
        entry: dict[str, Any] = {'key': key}
        if self._linked and display is not None and display.links:
            links = [
                self._link(found.element, link, found.name.partition('=')[2])
                for link in display.links
            ]
            entry |= {'clickable': 'true', 'linkProps': links}
        name = self._id(found)
        kind = display.type if display else value.kind
        entry |= {
            'type': kind,
            'xPATH': f'{found.element}.{name.partition("=")[0]}',
            'element_name': found.element,
            'header': header,
            'id': name,
        }
        entry |= {'imgRoot': '/'} if display and display.image else {}
        return entry if asked.visible else {**entry, 'visible': 'false'}

    def _link(self, element: str, link: Link, value: str) -> dict[str, Any]:
        inserts = [
            {
                'name': one,
                'value': f'@{value}'
                if field.startswith('@')
                else self._key(_Match(element, field, None)),
            }
            for one, field in link.inserts
        ]
        return {'name': link.name, 'value': link.value, 'inserts': inserts}

    def _id(self, found: _Match) -> str:
        if found.display is not None:
            return found.name if found.display.requires_value else found.display.id
        if found.path and self._scope.path(self._scope.root_type, found.path) is not None:
            return identifier(f'{self._scope.root_type}/{found.path}')
        return found.name

    def _key(self, found: _Match) -> str:
        """Return the key of a field: its ID in lower case.

        The table name precedes the ID for a type other than the root.
        """
        key = identifier(self._id(found) if found.path or found.display else found.name).lower()
        return (
            key
            if found.element == self._scope.root_type
            else f'{self._model.sql_name(found.element).lower()}_{key}'
        )

    def _short(self, key: str) -> str:
        """Return a key, or a numbered alias for one over `MAX_KEY` characters."""
        return key if len(key) <= MAX_KEY else self._displays.alias(key)


def _repeats(model: Model, root: str, path: str) -> bool:
    """Whether an item can have several values at a path."""
    held = model.registry.field(root, path)
    return model.child_level(root, path) is not None or (held is not None and held.repeated)


def find_field(scope: Scope, model: Model, element: str, name: str) -> Expression | None:
    """Find a field by an ID that the server generates.

    Such IDs are of paths (``XNAT_COL_MRSESSIONDATALABEL``), or of forms.

    Parameters
    ----------
    scope : Scope
        The query.
    model : Model
        The data types.
    element : str
        Type of the field.
    name : str
        The ID.
    """
    form = _FORM.fullmatch(name.upper())
    if form is not None:
        return _form_value(scope.alias(element), form['form'].lower(), form['key'])
    for kind in (element, *model.searchable) if '_COL_' in name.upper() else ():
        for path in _paths(model, kind) if name.upper().startswith(identifier(f'{kind}/')) else ():
            if identifier(f'{kind}/{path}') == name.upper():
                return scope.path(kind, path)
    return None


_FORM = re.compile(r'[A-Z_]+:[A-Z0-9]+_CUSTOM-FORM_(?P<form>[0-9A-F-]{36})_(?P<key>.+)')


def _form_value(table: Any, form: str, key: str) -> Expression:
    """Return the value of an item under a key of a form, also within containers."""
    held = func.json_extract(table.c.fields, '$."custom_fields"')
    each = func.json_tree(func.coalesce(held, '{}'), f'$."{form}"').table_valued(
        'key', 'value', 'type'
    )
    is_bool = each.c.type.in_(('true', 'false'))  # SQLite's value of them is 1 or 0
    query = (
        select(case((is_bool, each.c.type), else_=cast(each.c.value, item.c.id.type)))
        .select_from(each)
        .where(func.upper(each.c.key) == key)
    )
    return Expression(query.limit(1).correlate_except(each).scalar_subquery(), schema_field=False)


def _paths(model: Model, kind: str) -> Iterator[str]:
    """Yield the paths of a type's fields, and of its nested items' fields."""
    for found in model.registry.fields(kind):
        if found.kind:
            yield found.path
        else:
            yield from (
                f'{found.path}/{inner.path}'
                for inner in model.registry.fields(found.item_type)
                if inner.kind
            )


def identifier(name: str) -> str:
    """Return a field's ID in capitals.

    In a path, ``:`` becomes ``_COL_``, ``,`` becomes ``_COM_``, and ``/`` is removed.
    """
    if '/' in name:
        name = name.replace(':', '_COL_').replace(',', '_COM_').replace('/', '')
        return re.sub(r'[^A-Za-z0-9_-]', '', name.replace('=', '_')).upper()
    field, equals, value = name.partition('=')
    plain = re.sub('[^A-Za-z0-9_]', '_', value.replace(',', '_COM_'))
    return f'{field}_{plain}'.upper() if equals else field.upper()
