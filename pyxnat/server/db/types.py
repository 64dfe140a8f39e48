"""The data types an archive knows, and where each stands in the tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from ...model.levels import level
from ...model.schemas import Field, Registry, canonical
from ...model.xml import parse_xml

__all__ = ['TREE', 'Model', 'split_path']

TREE = {'project': '', 'subject': 'project', 'experiment': 'subject', 'scan': 'experiment', 'assessor': 'experiment', 'reconstruction': 'experiment'}
"""Level of an item to the level of its parent."""

_LEVEL_BASES = (
    ('project', 'xnat:projectData'),
    ('subject', 'xnat:subjectData'),
    ('assessor', 'xnat:imageAssessorData'),
    ('experiment', 'xnat:experimentData'),
    ('scan', 'xnat:imageScanData'),
    ('reconstruction', 'xnat:reconstructedImageData'),
)
_CHILD_PATHS = {
    'experiments/experiment': 'experiment',
    'scans/scan': 'scan',
    'reconstructions/reconstructedimage': 'reconstruction',
    'assessors/assessor': 'assessor',
}
_CALLED = {'xnat:qcManualAssessorData': 'Manual QC', 'xnat:qcAssessmentData': 'Auto QC'}
_FULL_PATH = re.compile(r'([A-Za-z_][\w.-]*:[\w.-]+)/(.+)$')
_TYPES = re.compile(r'\[@xsi:type=([^\]]+)\]')
_MOST_REMEMBERED = 10_000
_OF_ALL = ('meta/', 'custom_fields')
"""How paths begin that every item has, whatever the schema says."""
_OF_SEVERAL = ('experiment', 'assessor', 'scan')
"""Levels whose items are of several types."""
SCHEMAS = Path(__file__).parents[1] / 'schemas'


def split_path(text: str) -> tuple[str, str] | None:
    """``xnat:mrSessionData/scans/scan/ID`` as type and path; None for what is no full path."""
    found = _FULL_PATH.match(text)
    return (found.group(1), found.group(2)) if found else None


class Model:
    """The registry of data types together with the levels they live on."""

    def __init__(self, documents: Iterable[bytes] | None = None, further: Iterable[Path] = ()) -> None:
        self.named: dict[str, bytes] = {}
        """The schema documents by their path without ending, ``xnat`` standing for ``xnat/xnat``."""
        for folder in (SCHEMAS, *further) if documents is None else further:
            self.named.update(_documents(folder))
        self.documents = [*(documents or ()), *self.named.values()]
        self.registry = Registry(self.documents)
        self._levels: dict[str, str] = {}
        self._linked: dict[tuple[str, str], bool] = {}
        self._declared: dict[tuple[str, str], bool] = {}

    def name(self, text: str) -> str | None:
        """A type's name as the schema writes it, by that or by its element's, ``xnat:MRSession``; None for an unknown one."""
        row = self.registry.get(text) or self.registry.by_element(text)
        return row.name if row else None

    def level_of(self, name: str) -> str:
        """Singular name of the level that items of a type stand on; empty for a type that is no item of the tree."""
        if name not in self._levels:
            found = (where for where, base in _LEVEL_BASES if self.registry.is_a(name, base))
            self._levels[name] = next(found, '')
        return self._levels[name]

    def base_of(self, where: str) -> str:
        """The most general type of a level."""
        return dict(_LEVEL_BASES)[where]

    def can_hold(self, name: str) -> bool:
        """Whether items of this very type exist: XNAT's schema leaves most general types concrete in words and abstract in use."""
        row = self.registry.get(name)
        return row is not None and not row.abstract and row.name not in dict(_LEVEL_BASES[2:5]).values()

    def field(self, name: str, path: str) -> Field | None:
        """A field whose value an item of a type keeps itself; None for those of items below it, of shares and of resources."""
        found = self.registry.field(name, path)
        return None if found is None or self._is_linked(name, found.key) else found

    def declares(self, name: str, path: str) -> bool:
        """Return True if XNAT can make SQL of a path: the type or one that it extends has a field there.

        An element of an abstract type wants its type named, and the fields of types that extend that of a repeated element are not
        there: ``scans/scan/parameters/tr`` is a field of MR scans alone.
        """
        known = self._declared.get((name, path))
        if known is None:
            if len(self._declared) > _MOST_REMEMBERED:
                self._declared.clear()
            known = self._declared[name, path] = self._finds(name, path)
        return known

    def _finds(self, name: str, path: str) -> bool:
        plain, types = canonical(path).lower(), {found.lower() for found in _TYPES.findall(path)}
        if plain.startswith(_OF_ALL) or self._is_kept_with_all(name, plain):
            return True
        for one in self.registry.fields(name):
            if one.kind and one.key == plain and {found.lower() for found in _TYPES.findall(one.path)} <= types:
                return True
            if one.item_type and plain.startswith(one.key + '/'):
                depth = one.key.count('/') + 1
                return self._finds(_named_type(path, depth) or one.item_type, _after(path, depth))
        return False

    def _is_kept_with_all(self, name: str, plain: str) -> bool:
        """Whether a path is that of the type kept with an item of one of several, or of the key of one that the schema gives none."""
        if plain == 'extension_item/element_name':
            return self.level_of(name) in _OF_SEVERAL
        return any(plain == f'{self.sql_name(one)}_id'.lower() for one in self.registry.ancestry(name))

    def _is_linked(self, name: str, key: str) -> bool:
        known = self._linked.get((name, key))
        if known is None:
            parts = key.split('/')
            above = ['/'.join(parts[:number]) for number in range(1, len(parts) + 1)]
            known = self._linked[name, key] = any(self.is_link(name, one) for one in above)
        return known

    def is_link(self, name: str, path: str) -> bool:
        """Whether what stands at a path of a type is kept elsewhere: an item of the tree, a share, a resource."""
        if canonical(path).lower() == 'sharing/share':
            return True
        held = self.registry.field(name, path)
        kind = held.item_type if held is not None else ''
        return bool(kind) and (bool(self.level_of(kind)) or self.registry.is_a(kind, 'xnat:abstractResource'))

    def child_at(self, name: str, path: str) -> str:
        """Level of the items that stand at a path of a type; empty where there are none."""
        where = _CHILD_PATHS.get(canonical(path).lower(), '')
        held = self.registry.field(name, path) if where else None
        return where if held is None or self.level_of(held.item_type) else ''

    def child_level(self, name: str, path: str) -> tuple[str, str] | None:
        """``scans/scan/parameters/tr`` of a session as (``scan``, ``parameters/tr``); None where the path stays on its own item."""
        plain = canonical(path).lower()
        for prefix in _CHILD_PATHS:
            if plain.startswith(prefix + '/') and (where := self.child_at(name, prefix)):
                return where, _after(path, prefix.count('/') + 1)
        return None

    def is_unclear(self, name: str, path: str) -> bool:
        """Whether a path goes through an element of a general type to a field that only special ones have, and does not say which."""
        first, slash, rest = path.partition('/')
        kind = self.registry.element_type(name, first) if slash and '[' not in first else ''
        general = kind.partition(':')[2].startswith('abstract')
        return general and self.registry.field(name, path) is not None and self.registry.field(kind, rest) is None

    def default_type(self, where: str) -> str:
        """The type of an element of a level that is created without one; empty where XNAT wants one named."""
        return level(where).datatype if where in ('project', 'subject', 'reconstruction') else ''

    @cached_property
    def searchable(self) -> list[str]:
        """Concrete types that searches may be rooted at."""
        return [row.name for row in self.registry if self.level_of(row.name) and self.can_hold(row.name)]

    @cached_property
    def places(self) -> dict[str, str]:
        """Namespace to the path of the document that it is described in, as it is served."""
        named = ((parse_xml(text).get('targetNamespace', ''), name) for name, text in reversed(self.named.items()))
        return {uri: f'{name if "/" in name else f"{name}/{name}"}.xsd' for uri, name in named}

    def singular(self, name: str) -> str:
        """What one item of a type is called: ``MR Session``."""
        if name in _CALLED:
            return _CALLED[name]
        row = self.registry.get(name)
        root = (row.root if row else '') or name.partition(':')[2].removesuffix('Data')
        return re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', ' ', root[:1].upper() + root[1:])

    def plural(self, name: str) -> str:
        """What several are called: ``MR Sessions``."""
        singular = self.singular(name)
        return singular if singular.endswith('s') else singular + 's'

    def sql_name(self, name: str) -> str:
        """The name that XNAT's database gives a type's table: ``xnat_mrSessionData``."""
        return name.replace(':', '_')


def _documents(folder: Path) -> dict[str, bytes]:
    """The schema documents in a folder, or the one that is named, by their path without ending and without repetition."""
    found = [folder] if folder.is_file() else sorted(folder.rglob('*.xsd'))
    if not found:
        raise ValueError(f'{folder} holds no XSD file')
    parts = {one: one.relative_to(folder.parent if folder.is_file() else folder).with_suffix('').parts for one in found}
    return {'/'.join(dict.fromkeys(parts[one])): one.read_bytes() for one in found}


def _after(path: str, steps: int) -> str:
    """A path without its first steps, minding slashes in predicates."""
    depth = 0
    for place, char in enumerate(path):
        depth += (char == '[') - (char == ']')
        if char == '/' and depth == 0:
            steps -= 1
            if steps == 0:
                return path[place + 1 :]
    return ''


def _named_type(path: str, depth: int) -> str:
    """The type that a path names at its step number `depth`; empty where it names none."""
    rest = _after(path, depth)
    head = path[: len(path) - len(rest)].rstrip('/')
    found = _TYPES.search(head, head.rfind('['))
    return found.group(1) if found and head.endswith(found.group()) else ''
