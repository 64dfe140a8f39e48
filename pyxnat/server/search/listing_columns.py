"""Root type and columns of a listing.

XNAT makes one query for a listing, with one data type as root. A single ``xsiType`` sets the root;
otherwise a column or filter of a more specific type than the listing's narrows it, so that rows of
other types disappear. The root's key is the first column, followed by its own fields, and then
those of other types, grouped by type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ...model.levels import level, listed_levels
from ...model.schemas import canonical
from ...model.short_names import full_paths
from ..context import Context
from ..db.types import Model, split_path

__all__ = ['Asked', 'ListingFails', 'Path', 'sql_name']

ELEMENT_NAME = 'xnat:experimentData/extension_item/element_name'
PROJECT = 'xnat:experimentData/project'
SUBJECT = 'xnat:subjectData'
_PASSED_OVER = re.compile(r'\[(?!@xsi:type=)[^\]]*\]')
"""Predicates that select an instance: XNAT's SQL ignores them and joins all instances."""


class ListingFails(Exception):
    """XNAT's query for this listing fails.

    Some lists then have an empty response, others an error.
    """


class Path(NamedTuple):
    """Full path in a query."""

    kind: str
    """Type before the path, spelled as in the schema."""
    path: str
    key: str
    """Name of the column in the listing."""

    @property
    def full(self) -> str:
        """The full path in lower case; equal paths are one column in SQL."""
        return f'{self.kind}/{canonical(self.path)}'.lower()


class Asked:
    """Root and columns of a listing of one level.

    Parameters
    ----------
    model : Model
        The data types.
    where : str
        Level of the listing.
    whole_site : bool
        Whether it is of the whole site, not of a project.
    context : Context
        The request.

    Raises
    ------
    ListingFails
        For an ``xsiType`` that is not of this level.
    """

    def __init__(self, model: Model, where: str, whole_site: bool, context: Context) -> None:
        self.where = where
        self.short = full_paths(where)
        self._model = model
        self._context = context
        self._site = where == 'experiment' and whole_site
        self.root = self._root()

    # -- the root

    def _root(self) -> str:
        """Return the root type."""
        kind = self._context.get('xsiType')
        if kind and ',' not in kind:
            name = self._model.name(kind)
            if name is None or self._model.level_of(name) not in self._levels:
                raise ListingFails(f'{kind} is not a data type of {level(self.where).plural}.')
            return name
        root = 'xnat:experimentData' if self._site else level(self.where).root
        for found in self._named():
            if found.kind != root and self._model.registry.is_a(found.kind, root):
                root = found.kind
        return root

    @property
    def _levels(self) -> tuple[str, ...]:
        return tuple(row.singular for row in listed_levels(self.where))

    def _named(self) -> Iterator[Path]:
        """Yield all paths of columns and filters, in the order of the query."""
        for name, value in self._context.query:
            yield from (
                map(self._read, value.split(',')) if name == 'columns' else [self._read(name)]
            )

    # -- columns

    @property
    def secured(self) -> bool:
        """Whether rights are checked on the root type.

        For a general type, XNAT checks the type and project of each row.
        """
        return self._model.can_hold(self.root)

    def columns(self) -> list[Path]:
        """Return the columns except the URI, each once, the key first."""
        names = [name for name in self._context.get('columns').split(',') if name]
        asked = list(self._paths(self._defaults() if names in ([], ['DEFAULT']) else names))
        if self.where == 'experiment' and not self.secured:
            asked += self._paths((ELEMENT_NAME, PROJECT))
        own = [found for found in asked if found.kind == self.root]
        others = [found for found in asked if found.kind != self.root]
        found: dict[str, Path] = {}
        for one in (self.key, *own, *self._links({one.kind for one in others}), *_by_type(others)):
            found[one.full] = one
        return list(found.values())

    @property
    def key(self) -> Path:
        """Primary key of the root."""
        return self._path(self.root, level(self.where).key_column or 'ID')

    def _links(self, kinds: set[str]) -> Iterator[Path]:
        """Yield the columns that join the root with items of other types.

        XNAT returns them if the listing has a join of its own.
        """
        registry = self._model.registry
        if (
            self.where == 'experiment'
            and SUBJECT in kinds
            and self.secured
            and registry.is_a(self.root, 'xnat:subjectAssessorData')
        ):
            yield self._path(self.root, 'subject_ID')
        if self.where == 'scan' and not all(registry.is_a(self.root, kind) for kind in kinds):
            yield self._path(self.root, 'image_session_ID')

    def _defaults(self) -> list[str]:
        names = [name for name in level(self.where).columns if '/' not in name and name != 'URI']
        if self._site:
            names += self._related('xnat:subjectAssessorData', 'subject_ID', 'subject_label')
            names += self._related('xnat:imageAssessorData', 'session_ID', 'session_label')
        return names

    def _related(self, kind: str, *names: str) -> tuple[str, ...]:
        return names if self._model.registry.is_a(self.root, kind) else ()

    def _paths(self, names: Iterable[str]) -> Iterator[Path]:
        """Yield the paths of names; unknown names are ignored."""
        return (found for found in map(self.read, names) if found is not None)

    # -- names

    def read(self, name: str) -> Path | None:
        """Return the path of a short name or full path; None if unknown."""
        kind, path = split_path(self.short.get(name, name)) or ('', '')
        known = self._model.name(kind) if kind else None
        return self._path(known, path) if known else None

    def _read(self, name: str) -> Path:
        return self.read(name) or Path('', '', '')

    def _path(self, kind: str, path: str) -> Path:
        full = f'{kind}/{path}'.lower()
        return Path(kind, _PASSED_OVER.sub('', path), _short_keys(self.where).get(full, full))


@lru_cache(maxsize=8)
def _short_keys(where: str) -> dict[str, str]:
    return {path.lower(): name for name, path in reversed(full_paths(where).items())}


# -- the order of columns, and their names in SQL


def _by_type(found: Iterable[Path]) -> list[Path]:
    """Sort paths of other types than the root, grouped by type.

    Types are in the order of Java's Hashtable.
    """
    return sorted(found, key=lambda one: -(_java_hash(one.kind) % 11))


def _java_hash(text: str) -> int:
    value = 0
    for char in text:
        value = (value * 31 + ord(char)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF


_SQL_NAMES = {
    'xnat:experimentdata/id': 'xnat_experimentdata10',
    'xnat:experimentdata/project': 'xnat_experimentdata11',
    'xnat:experimentdata/label': 'xnat_experimentdata17',
    'xnat:experimentdata/extension_item/element_name': 'xdat_meta_element137',
    'xnat:experimentdata/meta/insert_date': 'xnat_experimentdata_meta_data144',
    'xnat:experimentdata/date': 'xnat_experimentdata0',
    'xnat:imagesessiondata/label': 'xnat_experimentdata37',
    'xnat:subjectassessordata/subject_id': 'xnat_subjectassessordata1',
    'xnat:subjectdata/label': 'xnat_subjectdata7',
}


def sql_name(model: Model, one: Path) -> str:
    """Return the name of a column in XNAT's SQL: table name and number.

    An empty listing of experiments has it as header.

    Parameters
    ----------
    model : Model
        The data types.
    one : Path
        Path of the column.
    """
    fields = [field.key for field in model.registry.fields(one.kind) if field.kind]
    own = canonical(one.path).lower()
    place = 0 if own == 'id' else 1 + (fields.index(own) if own in fields else len(fields))
    return _SQL_NAMES.get(one.full, f'{model.sql_name(one.kind).lower()}{place}')
