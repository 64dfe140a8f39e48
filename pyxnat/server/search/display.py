"""Display fields: what a search can ask for by a short ID (``SUBJECT_LABEL``, ``AGE``), and the versions that choose among them.

What a type has comes from its display document, where a folder of schemas holds one; from what this server knows of XNAT's own types; and
for every other simple field of the schema from its path, as XNAT generates documents for types that have none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from ..db.types import Model
from .display_fields import DisplayField, generated, own_fields
from .display_versions import DisplayVersion, own_versions
from .display_xml import DisplayDocument, read_display
from .field_sql import Expression, Scope

__all__ = ['Displays', 'expression']


class Displays:
    """The display fields and versions of a model's types."""

    def __init__(self, model: Model, folders: Iterable[Path] = ()) -> None:
        """Displays for a model, and for the display documents in folders of schemas."""
        self._model = model
        self._documents = dict(_documents(model, folders))
        self._known: dict[str, dict[str, DisplayField]] = {}
        self._aliases: dict[str, str] = {}

    def fields(self, type_name: str) -> dict[str, DisplayField]:
        """The fields of a type by their IDs, in order."""
        if type_name not in self._known:
            self._known[type_name] = self._make(type_name)
        return self._known[type_name]

    def of_path(self, type_name: str, path: str) -> DisplayField | None:
        """The field that shows what stands at a path of a type as it is; of several, the first in XNAT's table of names."""
        plain, fields = path.lower(), self.fields(type_name)
        shown = [one for one in fields.values() if one.path.lower() == plain and not one.requires_value]
        size = _table_size(len(fields))
        return max(shown, key=lambda one: _hash(one.id) % size, default=None)

    def alias(self, key: str) -> str:
        """The short name of a column whose key is too long for one."""
        return self._aliases.setdefault(key, f'df_alias_{len(self._aliases)}')

    def versions(self, type_name: str) -> dict[str, DisplayVersion]:
        """The display versions of a type by their names; only columns that the archive can answer."""
        document = self._documents.get(type_name)
        found = document.versions if document is not None and document.versions else own_versions(self._model, type_name, self.fields(type_name))
        return {one.name: self._answerable(one, type_name) for one in found}

    def version(self, type_name: str, name: str) -> DisplayVersion:
        """A version by its name, else ``listing``."""
        found = self.versions(type_name)
        return found.get(name) or found['listing']

    def first_version(self, type_name: str) -> DisplayVersion:
        """The version that XNAT shows where none is asked for: no order but that of its table of names makes it the first."""
        found = self.versions(type_name)
        return next(found[name] for name in ('brief', 'detailed', 'full', 'listing') if name in found and found[name].fields)

    def _answerable(self, version: DisplayVersion, type_name: str) -> DisplayVersion:
        return replace(version, fields=tuple(one for one in version.fields if one.id in self.fields(one.element or type_name)))

    def _make(self, type_name: str) -> dict[str, DisplayField]:
        own = {one.id: one for one in own_fields(self._model, type_name)}
        document = self._documents.get(type_name)
        found = document.fields_of(self._model, own) if document is not None else {}
        found |= {name: one for name, one in own.items() if name not in found}
        found |= {one.id: one for one in generated(self._model, type_name, found)}
        return {name: self._typed(type_name, one) for name, one in found.items()}

    def _typed(self, type_name: str, one: DisplayField) -> DisplayField:
        """The field with the kind of the schema's, where it has none of its own."""
        held = self._model.registry.field(type_name, one.path) if one.path and not one.kind else None
        kind = one.kind or (held.kind if held is not None else '') or 'string'
        named = 'UNKNOWN' if one.image else held.type if held is not None and kind == 'float' else kind
        return replace(one, kind=kind, type=one.type or named, description=one.description or one.header or one.id)


def _documents(model: Model, folders: Iterable[Path]) -> Iterator[tuple[str, DisplayDocument]]:
    """The documents by the names of their types."""
    for path in (path for folder in folders for path in sorted(folder.rglob('*_display.xml'))):
        try:
            found = read_display(path.read_bytes())
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        name = model.name(found.type_name) if found is not None else None
        if found is not None and name is not None:
            yield name, found


def _table_size(names: int) -> int:
    """Places of a Java ``Hashtable`` that came to hold so many names; it is walked from the last place to the first."""
    size = 11
    while names > size * 3 // 4:
        size = 2 * size + 1
    return size


def _hash(name: str) -> int:
    """What Java's ``Hashtable`` makes of a name before it takes the remainder."""
    number = 0
    for letter in name:
        number = (31 * number + ord(letter)) & 0xFFFFFFFF
    return number & 0x7FFFFFFF


def expression(field: DisplayField, scope: Scope, table: object, type_name: str, value: str) -> Expression:
    """The SQL of a display field for an item's alias."""
    return Expression(field.make(scope, table, type_name, value), field.kind, schema_field=False)
