"""Listings with the columns that are wanted: what to ask for, and one row an element of what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ...errors import ProgrammingError
from ...model import uris
from ...model.levels import level
from ...model.short_names import LEVELS_WITH_NAMES, cell, find_column, key_of, short_name, types_with
from ...tables.table import Row

__all__ = ['Columns', 'Listing', 'Tables']

Columns = Mapping[str, tuple[str, ...]]
"""Level -> the columns that are wanted of it besides those of its listing."""

Tables = Sequence[Iterable[Row]]
"""Answers, each to be gone through as often as one likes; a long one is read each time."""

_EXPERIMENT, _OF_SUBJECTS = 'xnat:experimentData', 'xnat:subjectAssessorData'
_BASES = {
    'projects': ('xnat:projectData',),
    'subjects': ('xnat:subjectData',),
    'experiments': (_EXPERIMENT, _OF_SUBJECTS),
    'assessors': (_EXPERIMENT, 'xnat:imageAssessorData', 'xnat:derivedData'),
    'scans': ('xnat:imageScanData',),
    'reconstructions': ('xnat:reconstructedImageData',),
}
"""The types that all elements of a level have."""

_EXPERIMENTS_OF_SITE = uris.join(uris.ENTRY, 'experiments')
"""Its listing has assessors, too."""

_ABSTRACT = {'xnat:subjectData/demographics/': 'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/'}
"""Paths that XNAT fails for -> the same with the type that is meant."""


class Listing:
    """A listing of a level with the columns that are wanted of it: one of all elements, and one for each type that only some of them are of.

    XNAT answers a column of a single type with the elements of that type alone, so those are listings of their own, and put together by ID.

    Parameters
    ----------
    uri : str
        Of the level's listing.
    needed : iterable of str
        Columns that the plan itself needs.
    datatype : str
        What is listed at all, if not everything.
    """

    def __init__(self, uri: str, plural: str, columns: Columns, needed: Iterable[str] = (), datatype: str = '') -> None:
        self._uri, self._plural, self._datatype = uri, plural, datatype
        self._has_assessors = plural == 'experiments' and uri.partition('?')[0] == _EXPERIMENTS_OF_SITE and not datatype
        self._id = level(plural).id_column
        self._wanted = frozenset(columns.get(plural, ()))
        self._general: list[str] = []
        self._typed: dict[str, list[str]] = {}
        constant = {'xsiType'} - {*level(plural).columns}  # XNAT fails for it where there is one type alone
        for name in dict.fromkeys([*needed, *columns.get(plural, ())]):
            kinds = self._types_with(name)
            kinds = () if datatype in kinds else kinds
            for kind in kinds:
                self._typed.setdefault(kind, []).append(name)
            if not kinds and name not in constant:
                self._general.append(name)

    def __len__(self) -> int:
        return 1 + len(self._typed)

    def _types_with(self, name: str) -> tuple[str, ...]:
        """The types whose listing has a column; nothing where that of the level has it."""
        kind = name.partition('/')[0]
        if self._has_assessors and (kind == _OF_SUBJECTS or name.startswith('subject_')):
            return (_OF_SUBJECTS,)
        if ':' in kind:
            return () if kind in _BASES.get(self._plural, ()) else (kind,)
        return types_with(level(self._plural).singular, name)

    @property
    def uris(self) -> tuple[str, ...]:
        """What to ask for."""
        each = [(self._datatype, self.names), *((kind, [self._id, *names]) for kind, names in self._typed.items())]
        return tuple(uris.with_query(self._uri, {'xsiType': kind or None, 'columns': _joined(names) or None}) for kind, names in each)

    @property
    def types(self) -> list[str]:
        """The single types that columns are of."""
        return list(self._typed)

    @property
    def names(self) -> list[str]:
        """The columns to ask of the listing of all; nothing where it has what is wanted by default."""
        own = [name for name in level(self._plural).columns if '/' not in name and name != 'URI']
        names = list(dict.fromkeys([*own, *self._general]))
        return names if len(names) > len(own) else []

    def rows(self, tables: Tables) -> Iterable[Row]:
        """One row an element: of all, and of single types. A path that is repeated in it has a list of its values.

        The rows of the listing are passed on as they come, unless a column may be repeated: then all of them are held. What single types have is
        held.

        Raises
        ------
        ProgrammingError
            A column that was asked for is not in the answer.
        """
        if not (self._general or self._typed) or level(self._plural).singular not in LEVELS_WITH_NAMES:
            return tables[0]
        rows: Iterable[Row] = self._grouped(tables[0], self._general).values() if self.may_repeat else self._named(tables[0], self._general)
        of_types = [(names, self._grouped(table, names)) for names, table in zip(self._typed.values(), tables[1:], strict=True)]
        return self._completed(rows, of_types) if of_types else rows

    @property
    def may_repeat(self) -> bool:
        """Whether an element may have several values of what is asked of all: short names have one, but for aliases; of paths nothing is known."""
        found = [short_name(level(self._plural).singular, name) for name in self._general]
        return any(one is None or one.path.startswith('aliases/') for one in found)

    def _completed(self, rows: Iterable[Row], of_types: Sequence[tuple[Sequence[str], Mapping[str, Row]]]) -> Iterator[Row]:
        """Rows with what the listings of single types say of them."""
        for row in rows:
            identity = cell(row, self._id)
            more = {key: row.get(key) or found.get(identity, {}).get(key, '') for names, found in of_types for key in map(key_of, names)}
            yield {**row, **more}

    def _named(self, table: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
        """The rows of a listing with their ID, and what was asked for under its own name, if the first has it."""
        rows = iter(table)
        first = next(rows, None)
        if first is None:
            return iter(())
        keys = {key_of(name): find_column(first, name) for name in [self._id, *names]}
        missing = [name for name in names if keys[key_of(name)] is None and name in self._wanted]
        if missing:
            what = f'{level(self._plural).plural} have no column {", ".join(map(repr, missing))}'
            raise ProgrammingError(what, remedy=f'Short names are told apart by case. The answer has: {", ".join(first)}.')
        others = {key: found for key, found in keys.items() if found and found != key}
        rows = chain([first], rows)
        return ({**row, **{key: cell(row, found) for key, found in others.items()}} for row in rows) if others else rows

    def _grouped(self, table: Iterable[Row], names: Sequence[str]) -> dict[str, Row]:
        """The rows of each ID as one; as often as a repeated path has values, there are rows."""
        found: dict[str, list[Row]] = {}
        for row in self._named(table, names):
            found.setdefault(cell(row, self._id), []).append(row)
        keys = [key_of(name) for name in names]
        return {identity: {**rows[0], **{key: _values(rows, key) for key in keys}} for identity, rows in found.items()}


def _joined(names: Iterable[str]) -> str:
    """Columns as XNAT takes them."""
    begins = tuple(_ABSTRACT)
    return ','.join(name if not name.startswith(begins) else _typed_path(name) for name in names)


def _typed_path(name: str) -> str:
    for begin, other in _ABSTRACT.items():
        name = name.replace(begin, other)
    return name


def _values(rows: Iterable[Row], key: str) -> Any:
    """What several rows of one element have in a column: text, or a list of what differs."""
    several = list(dict.fromkeys(cell(row, key) for row in rows))
    return several[0] if len(several) == 1 else several
