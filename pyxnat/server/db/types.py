"""Data types of an archive, and the level of each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from ...model.levels import base_levels, level
from ...model.schemas import Field, Registry, canonical
from ...model.xml import parse_xml

__all__ = ['TREE', 'Model', 'split_path']

TREE = {
    row.singular: level(row.parents[0]).singular if row.parents[0] else '' for row in base_levels()
}
"""Level of an item to the level of its parent."""

_CHILD_PATHS = {
    row.path_in_parent.lower(): row.singular for row in base_levels() if row.path_in_parent
}
_CALLED = {'xnat:qcManualAssessorData': 'Manual QC', 'xnat:qcAssessmentData': 'Auto QC'}
_FULL_PATH = re.compile(r'([A-Za-z_][\w.-]*:[\w.-]+)/(.+)$')
_TYPES = re.compile(r'\[@xsi:type=([^\]]+)\]')
_MOST_REMEMBERED = 10_000
_OF_ALL = ('meta/', 'custom_fields')
"""Start of paths that every item has, independent of the schema."""
SCHEMAS = Path(__file__).parents[1] / 'schemas'


def split_path(text: str) -> tuple[str, str] | None:
    """Split ``xnat:mrSessionData/scans/scan/ID`` into type and path.

    None for a text that is not a full path.
    """
    found = _FULL_PATH.match(text)
    return (found.group(1), found.group(2)) if found else None


class Model:
    """Registry of data types, with the level of each.

    Parameters
    ----------
    documents : Iterable[bytes] | None
        Schema documents; by default those of XNAT.
    further : Iterable[Path]
        Further XSD files, or folders of them.
    """

    def __init__(
        self, documents: Iterable[bytes] | None = None, further: Iterable[Path] = ()
    ) -> None:
        self.named: dict[str, bytes] = {}
        """Schema documents by their path without extension; ``xnat`` for ``xnat/xnat``."""
        for folder in (SCHEMAS, *further) if documents is None else further:
            self.named.update(_documents(folder))
        self.documents = [*(documents or ()), *self.named.values()]
        self.registry = Registry(self.documents)
        self._levels: dict[str, str] = {}
        self._linked: dict[tuple[str, str], bool] = {}
        self._declared: dict[tuple[str, str], bool] = {}

    def name(self, text: str) -> str | None:
        """Return the name of a type as the schema spells it; None if unknown.

        The type is given by name or by element (``xnat:MRSession``).
        """
        row = self.registry.get(text) or self.registry.by_element(text)
        return row.name if row else None

    def level_of(self, name: str) -> str:
        """Return the singular name of the level of a type; empty for none."""
        if name not in self._levels:
            found = (row for row in base_levels() if self.registry.is_a(name, row.base))
            self._levels[name] = next((row.singular for row in found), '')
        return self._levels[name]

    def base_of(self, where: str) -> str:
        """Return the most general type of a level."""
        return level(where).base

    def can_hold(self, name: str) -> bool:
        """Whether items of exactly this type exist.

        XNAT's schema does not declare most of its general types abstract, although they are.
        """
        row = self.registry.get(name)
        return (
            row is not None
            and not row.abstract
            and row.name not in {one.base for one in base_levels() if one.has_types}
        )

    def field(self, name: str, path: str) -> Field | None:
        """Return a field whose value is stored in an item of a type.

        None for fields of child items, shares and resources.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        found = self.registry.field(name, path)
        return None if found is None or self._is_linked(name, found.key) else found

    def declares(self, name: str, path: str) -> bool:
        """Whether XNAT can translate a path to SQL.

        The type, or one that it extends, must have the field. A path through an element of an
        abstract type must name a type, and fields of types that extend the type of a repeated
        element do not count: ``scans/scan/parameters/tr`` is a field of MR scans only.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        known = self._declared.get((name, path))
        if known is None:
            if len(self._declared) > _MOST_REMEMBERED:
                self._declared.clear()
            known = self._declared[name, path] = self._find_declared(name, path)
        return known

    def _find_declared(self, name: str, path: str) -> bool:
        plain, types = canonical(path).lower(), {found.lower() for found in _TYPES.findall(path)}
        if plain.startswith(_OF_ALL) or self._is_kept_with_all(name, plain):
            return True
        for one in self.registry.fields(name):
            if (
                one.kind
                and one.key == plain
                and {found.lower() for found in _TYPES.findall(one.path)} <= types
            ):
                return True
            if one.item_type and plain.startswith(one.key + '/'):
                depth = one.key.count('/') + 1
                return self._find_declared(
                    _named_type(path, depth) or one.item_type, _after(path, depth)
                )
        return False

    def _is_kept_with_all(self, name: str, plain: str) -> bool:
        """Whether a path is that of an item's type, or of a key of the database alone."""
        if plain == 'extension_item/element_name':
            where = self.level_of(name)
            return bool(where) and level(where).has_types
        return any(
            plain == f'{self.sql_name(one)}_id'.lower() for one in self.registry.ancestry(name)
        )

    def _is_linked(self, name: str, key: str) -> bool:
        """Whether a path is on or below a link; see `is_link`."""
        known = self._linked.get((name, key))
        if known is None:
            parts = key.split('/')
            above = ['/'.join(parts[:number]) for number in range(1, len(parts) + 1)]
            known = self._linked[name, key] = any(self.is_link(name, one) for one in above)
        return known

    def is_link(self, name: str, path: str) -> bool:
        """Whether a path leads to an item, a share or a resource.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        if canonical(path).lower() == 'sharing/share':
            return True
        held = self.registry.field(name, path)
        kind = held.item_type if held is not None else ''
        return bool(kind) and (
            bool(self.level_of(kind)) or self.registry.is_a(kind, 'xnat:abstractResource')
        )

    def child_at(self, name: str, path: str) -> str:
        """Return the level of the items at a path; empty for none.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        where = _CHILD_PATHS.get(canonical(path).lower(), '')
        held = self.registry.field(name, path) if where else None
        return where if held is None or self.level_of(held.item_type) else ''

    def child_level(self, name: str, path: str) -> tuple[str, str] | None:
        """Split a path into the level of child items and the path below them.

        ``scans/scan/parameters/tr`` of a session is (``scan``, ``parameters/tr``). None for a path
        of the item itself.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        plain = canonical(path).lower()
        for prefix in _CHILD_PATHS:
            if plain.startswith(prefix + '/') and (where := self.child_at(name, prefix)):
                return where, _after(path, prefix.count('/') + 1)
        return None

    def is_unclear(self, name: str, path: str) -> bool:
        """Whether a path is ambiguous: it needs a type in a predicate.

        It leads through an element of a general type to a field that only some specific types have.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path below the type.
        """
        first, slash, rest = path.partition('/')
        kind = self.registry.element_type(name, first) if slash and '[' not in first else ''
        general = kind.partition(':')[2].startswith('abstract')
        return (
            general
            and self.registry.field(name, path) is not None
            and self.registry.field(kind, rest) is None
        )

    def default_type(self, where: str) -> str:
        """Return the default type of new items of a level.

        Empty for a level where XNAT requires a type.
        """
        row = level(where)
        return '' if row.has_types else row.datatype

    @cached_property
    def searchable(self) -> list[str]:
        """Concrete types that a search may have as root."""
        return [
            row.name for row in self.registry if self.level_of(row.name) and self.can_hold(row.name)
        ]

    @cached_property
    def places(self) -> dict[str, str]:
        """Namespace to the path of its schema document below ``/schemas``."""
        named = (
            (parse_xml(text).get('targetNamespace', ''), name)
            for name, text in reversed(self.named.items())
        )
        return {uri: f'{name if "/" in name else f"{name}/{name}"}.xsd' for uri, name in named}

    def singular(self, name: str) -> str:
        """Return the name of a type for users: ``MR Session``."""
        if name in _CALLED:
            return _CALLED[name]
        row = self.registry.get(name)
        root = (row.root if row else '') or name.partition(':')[2].removesuffix('Data')
        return re.sub(
            r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', ' ', root[:1].upper() + root[1:]
        )

    def plural(self, name: str) -> str:
        """Return the plural name of a type for users: ``MR Sessions``."""
        singular = self.singular(name)
        return singular if singular.endswith('s') else singular + 's'

    def sql_name(self, name: str) -> str:
        """Return the table name of a type in XNAT's database.

        ``xnat_mrSessionData``, for example.
        """
        return name.replace(':', '_')


def _documents(folder: Path) -> dict[str, bytes]:
    """Read schema documents from a folder or file, by path without extension.

    A repeated part of the path is left out.
    """
    found = [folder] if folder.is_file() else sorted(folder.rglob('*.xsd'))
    if not found:
        raise ValueError(f'{folder} contains no XSD file')
    parts = {
        one: one.relative_to(folder.parent if folder.is_file() else folder).with_suffix('').parts
        for one in found
    }
    return {'/'.join(dict.fromkeys(parts[one])): one.read_bytes() for one in found}


def _after(path: str, steps: int) -> str:
    """Return a path without its first steps, ignoring slashes in predicates."""
    depth = 0
    for place, char in enumerate(path):
        depth += (char == '[') - (char == ']')
        if char == '/' and depth == 0:
            steps -= 1
            if steps == 0:
                return path[place + 1 :]
    return ''


def _named_type(path: str, depth: int) -> str:
    """Return the type that step number `depth` of a path names, or empty."""
    rest = _after(path, depth)
    head = path[: len(path) - len(rest)].rstrip('/')
    found = _TYPES.search(head, head.rfind('['))
    return found.group(1) if found and head.endswith(found.group()) else ''
