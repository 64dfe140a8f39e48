"""Listings with additional columns: their requests, one row per element."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ...errors import ProgrammingError
from ...model import uris
from ...model.levels import level
from ...model.near import did_you_mean
from ...model.rows import ListedRow
from ...model.short_names import (
    LEVELS_WITH_NAMES,
    cell,
    find_column,
    key_of,
    short_names,
    types_with,
)
from ...tables.table import Row

__all__ = ['Columns', 'Listing', 'Tables']

Columns = Mapping[str, tuple[str, ...]]
"""Level -> columns wanted in addition to those of its listing."""

Tables = Sequence[Iterable[Row]]
"""Rows of responses, one iterable per request; each can be iterated repeatedly.

A long response is read from disk each time.
"""

_OF_SUBJECTS = level('experiments').root
_EXPERIMENTS_OF_SITE = uris.join(uris.ENTRY, 'experiments')
"""Listing of the whole site; it includes assessors."""

_ABSTRACT = {
    'xnat:subjectData/demographics/': 'xnat:subjectData/'
    'demographics[@xsi:type=xnat:demographicData]/'
}
"""Beginnings of paths that XNAT fails for -> the same with a concrete type."""


class Listing:
    """A listing of a level with additional columns.

    One request lists all elements. For a column of a single data type XNAT returns only the
    elements of that type, so each such type takes a further request; the rows are joined by ID.

    Parameters
    ----------
    uri : str
        URI of the listing.
    plural : str
        Level.
    columns : mapping
        Columns wanted, by level.
    needed : iterable of str
        Columns that the plan itself needs.
    datatype : str
        Lists elements of this type only; empty for all.
    """

    def __init__(
        self,
        uri: str,
        plural: str,
        columns: Columns,
        needed: Iterable[str] = (),
        datatype: str = '',
    ) -> None:
        self._uri, self._plural, self._datatype = uri, plural, datatype
        self._has_assessors = (
            plural == 'experiments'
            and uri.partition('?')[0] == _EXPERIMENTS_OF_SITE
            and not datatype
        )
        self._id = level(plural).id_column
        self._wanted = frozenset(columns.get(plural, ()))
        self._general: list[str] = []
        self._typed: dict[str, list[str]] = {}
        # XNAT fails for xsiType on levels with a single type.
        constant = {'xsiType'} - {*level(plural).columns}
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
        """Return the types that have a column; empty if every type has it."""
        kind = name.partition('/')[0]
        if self._has_assessors and (kind == _OF_SUBJECTS or name.startswith('subject_')):
            return (_OF_SUBJECTS,)
        if ':' in kind:
            row = level(self._plural)
            return () if kind in (row.base, *row.further_bases) else (kind,)
        return types_with(level(self._plural).singular, name)

    @property
    def uris(self) -> tuple[str, ...]:
        """URIs to request: the listing of all, then one per single type."""
        if not (self._general or self._typed or self._datatype):
            return (self._uri,)
        each = [
            (self._datatype, self.names),
            *((kind, [self._id, *names]) for kind, names in self._typed.items()),
        ]
        return tuple(
            [
                uris.with_query(
                    self._uri, {'xsiType': kind or None, 'columns': _joined(names) or None}
                )
                for kind, names in each
            ]
        )

    @property
    def types(self) -> list[str]:
        """Single types that have wanted columns."""
        return list(self._typed)

    @property
    def names(self) -> list[str]:
        """Columns to request of the listing of all; empty for the defaults."""
        own = [name for name in level(self._plural).columns if '/' not in name and name != 'URI']
        names = list(dict.fromkeys([*own, *self._general]))
        return names if len(names) > len(own) else []

    def rows(self, tables: Tables) -> Iterable[Row]:
        """Return one row per element, joined from the responses.

        A path with several values in an element has a list of them. The rows of the first response
        are streamed, unless a column may have several values: then they are held in memory. The
        rows of single types are always held.

        Raises
        ------
        ProgrammingError
            A requested column is not in the response.
        """
        if (
            not (self._general or self._typed)
            or level(self._plural).singular not in LEVELS_WITH_NAMES
        ):
            return tables[0]
        rows: Iterable[Row] = (
            self._grouped(tables[0], self._general).values()
            if self.may_repeat
            else self._named(tables[0], self._general)
        )
        of_types = [
            (names, self._grouped(table, names))
            for names, table in zip(self._typed.values(), tables[1:], strict=True)
        ]
        return self._completed(rows, of_types) if of_types else rows

    @property
    def may_repeat(self) -> bool:
        """Whether a requested column may have several values in an element.

        Any full path may; of the short names, only those of aliases.
        """
        known = short_names(level(self._plural).singular)
        several = [
            name
            for name in self._general
            if name not in known or known[name].path.startswith('aliases/')
        ]
        return several != []

    def _completed(
        self, rows: Iterable[Row], of_types: Sequence[tuple[Sequence[str], Mapping[str, Row]]]
    ) -> Iterator[Row]:
        """Yield rows with the columns of single types added."""
        for row in rows:
            identity = cell(row, self._id)
            more = {
                key: row.get(key) or found.get(identity, {}).get(key, '')
                for names, found in of_types
                for key in map(key_of, names)
            }
            yield ListedRow({**row, **more})

    def _named(self, table: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
        """Return the rows of a response, with columns under their own keys.

        XNAT may return a column under another key; the first row shows which.
        """
        rows = iter(table)
        first = next(rows, None)
        if first is None:
            return iter(())
        columns = {name: find_column(first, name) for name in [self._id, *names]}
        missing = [name for name in names if columns[name] is None and name in self._wanted]
        if missing:
            singular = level(self._plural).singular
            known = [*(short_names(singular) if singular in LEVELS_WITH_NAMES else ()), *first]
            hints = ''.join(did_you_mean(name, known) for name in missing)
            raise ProgrammingError(
                f'{level(self._plural).plural} have no column {", ".join(map(repr, missing))}',
                remedy=f'{hints}Short names are case-sensitive. The response has: '
                f'{", ".join(first)}.',
            )
        keys = {key_of(name): column for name, column in columns.items()}
        others = {key: column for key, column in keys.items() if column and column != key}
        rows = chain([first], rows)
        return (
            (
                ListedRow({**row, **{key: cell(row, found) for key, found in others.items()}})
                for row in rows
            )
            if others
            else rows
        )

    def _grouped(self, table: Iterable[Row], names: Sequence[str]) -> dict[str, Row]:
        """Merge the rows of each ID: XNAT returns one per value of a path."""
        groups: dict[str, list[Row]] = {}
        for row in self._named(table, names):
            groups.setdefault(cell(row, self._id), []).append(row)
        keys = [key_of(name) for name in names]
        return {
            identity: {**rows[0], **{key: _values(rows, key) for key in keys}}
            for identity, rows in groups.items()
        }


def _joined(names: Iterable[str]) -> str:
    """Return the value of the query parameter ``columns``."""
    begins = tuple(_ABSTRACT)
    return ','.join([name if not name.startswith(begins) else _typed_path(name) for name in names])


def _typed_path(name: str) -> str:
    for begin, other in _ABSTRACT.items():
        name = name.replace(begin, other)
    return name


def _values(rows: Iterable[Row], key: str) -> Any:
    """Return the value or list of values that rows of one element have."""
    several = list(dict.fromkeys(cell(row, key) for row in rows))
    return several[0] if len(several) == 1 else several
