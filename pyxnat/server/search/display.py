"""Display fields of types (``SUBJECT_LABEL``, ``AGE``), and their versions.

A search requests fields by these IDs, and a version selects some of them. The fields of a type come
from its display document, if a folder of schemas has one; from XNAT's own types; and, for all other
simple fields of the schema, from their paths, as XNAT generates documents for types without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..db.types import Model
from .display_fields import DisplayField
from .display_sql import Source
from .display_versions import DisplayVersion, own_versions
from .display_xml import DisplayDocument, read_display
from .field_sql import Expression, Scope
from .generated_fields import generated
from .own_display_fields import own_fields

__all__ = ['Displays', 'expression']


class Displays:
    """Display fields and versions of all data types.

    Parameters
    ----------
    model : Model
        The data types.
    folders : Iterable[Path]
        Folders of schemas that may have display documents.
    """

    def __init__(self, model: Model, folders: Iterable[Path] = ()) -> None:
        self._model = model
        self._documents = dict(_documents(model, folders))
        self._known: dict[str, dict[str, DisplayField]] = {}
        self._aliases: dict[str, str] = {}

    def fields(self, type_name: str) -> dict[str, DisplayField]:
        """Return the fields of a type by ID, in order."""
        if type_name not in self._known:
            self._known[type_name] = self._build_fields(type_name)
        return self._known[type_name]

    def of_path(self, type_name: str, path: str) -> DisplayField | None:
        """Return the field that shows the value at a path unchanged.

        Of several, the first in XNAT's hash table of names.

        Parameters
        ----------
        type_name : str
            Name of the type.
        path : str
            Path below the type.
        """
        plain, fields = path.lower(), self.fields(type_name)
        shown = [
            one for one in fields.values() if one.path.lower() == plain and not one.requires_value
        ]
        size = _table_size(len(fields))
        return max(shown, key=lambda one: _hash(one.id) % size, default=None)

    def alias(self, key: str) -> str:
        """Return the short name of a column whose key is too long."""
        return self._aliases.setdefault(key, f'df_alias_{len(self._aliases)}')

    def versions(self, type_name: str) -> dict[str, DisplayVersion]:
        """Return the display versions of a type by name.

        Columns that the archive cannot compute are left out.
        """
        document = self._documents.get(type_name)
        found = (
            document.versions
            if document is not None and document.versions
            else own_versions(self._model, type_name, self.fields(type_name))
        )
        known = {one.name: one for one in found}
        for name, version in known.items():
            supported = (
                ref for ref in version.fields if ref.id in self.fields(ref.element or type_name)
            )
            known[name] = replace(version, fields=tuple(supported))
        return known

    def version(self, type_name: str, name: str) -> DisplayVersion:
        """Return a version by name; ``listing`` if there is none.

        Parameters
        ----------
        type_name : str
            Name of the type.
        name : str
            Name of the version.
        """
        found = self.versions(type_name)
        return found.get(name) or found['listing']

    def first_version(self, type_name: str) -> DisplayVersion:
        """Return the version that XNAT uses by default.

        It is the first in XNAT's hash table of names.
        """
        found = self.versions(type_name)
        return next(
            found[name]
            for name in ('brief', 'detailed', 'full', 'listing')
            if name in found and found[name].fields
        )

    def _build_fields(self, type_name: str) -> dict[str, DisplayField]:
        own = {one.id: one for one in own_fields(self._model, type_name)}
        document = self._documents.get(type_name)
        found = document.fields_of(self._model, own) if document is not None else {}
        found |= {name: one for name, one in own.items() if name not in found}
        found |= {one.id: one for one in generated(self._model, type_name, found)}
        return {name: self._typed(type_name, one) for name, one in found.items()}

    def _typed(self, type_name: str, one: DisplayField) -> DisplayField:
        """Return the field with its kind, by default that in the schema."""
        held = (
            self._model.registry.field(type_name, one.path) if one.path and not one.kind else None
        )
        kind = one.kind or (held.kind if held is not None else '') or 'string'
        named = (
            'UNKNOWN' if one.image else held.type if held is not None and kind == 'float' else kind
        )
        return replace(
            one,
            kind=kind,
            type=one.type or named,
            description=one.description or one.header or one.id,
        )


def _documents(model: Model, folders: Iterable[Path]) -> Iterator[tuple[str, DisplayDocument]]:
    """Yield the display documents with the names of their types."""
    for path in (path for folder in folders for path in sorted(folder.rglob('*_display.xml'))):
        try:
            found = read_display(path.read_bytes())
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        name = model.name(found.type_name) if found is not None else None
        if found is not None and name is not None:
            yield name, found


def _table_size(names: int) -> int:
    """Return the size of a Java ``Hashtable`` with a number of names.

    Its iteration order is from the last slot to the first.
    """
    size = 11
    while names > size * 3 // 4:
        size = 2 * size + 1
    return size


def _hash(name: str) -> int:
    """Return the positive hash code of a name in Java's ``Hashtable``."""
    number = 0
    for letter in name:
        number = (31 * number + ord(letter)) & 0xFFFFFFFF
    return number & 0x7FFFFFFF


def expression(
    field: DisplayField, scope: Scope, table: object, type_name: str, value: str
) -> Expression:
    """Return the SQL of a display field for an item.

    Parameters
    ----------
    field : DisplayField
        The display field.
    scope : Scope
        The query.
    table : object
        Alias of the item table.
    type_name : str
        Data type of the item.
    value : str
        Value of the field, if it requires one.
    """
    return Expression(
        field.make(Source(scope, table, type_name, value)), field.kind, schema_field=False
    )
