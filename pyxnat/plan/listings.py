"""Listings with the columns that are wanted: what to ask for, and one row an element of what is answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from .. import uris
from ..errors import ProgrammingError, UnexpectedAnswer
from ..names import LEVELS_WITH_NAMES, short_name, types_with
from ..structure import level
from ..tables import Row

__all__ = ['Columns', 'Tables', 'cell', 'key_of', 'listings', 'may_repeat', 'merged', 'names_asked', 'typed']

Columns = Mapping[str, tuple[str, ...]]
"""Level -> the columns that are wanted of it besides those of its listing."""

Tables = Sequence[Iterable[Row]]
"""Answers, each to be gone through as often as one likes; a long one is read each time."""

_BASES = {
    'projects': ('xnat:projectData',),
    'subjects': ('xnat:subjectData',),
    'experiments': ('xnat:experimentData', 'xnat:subjectAssessorData'),
    'assessors': ('xnat:experimentData', 'xnat:imageAssessorData', 'xnat:derivedData'),
    'scans': ('xnat:imageScanData',),
    'reconstructions': ('xnat:reconstructedImageData',),
}
"""The types that all elements of a level have."""


def typed(plural: str, columns: Columns) -> dict[str, list[str]]:
    """The columns of single types that are wanted of a level: type -> full paths or short names."""
    found: dict[str, list[str]] = {}
    for name in columns.get(plural, ()):
        for kind in _types_with(plural, name):
            found.setdefault(kind, []).append(name)
    return found


def _types_with(plural: str, name: str) -> tuple[str, ...]:
    """The types whose listing has a column; nothing where that of the level has it."""
    kind = name.partition('/')[0]
    if ':' in kind:
        return () if kind in _BASES.get(plural, ()) else (kind,)
    return types_with(level(plural).singular, name)


def listings(uri: str, plural: str, columns: Columns, needed: Iterable[str] = ()) -> tuple[str, ...]:
    """The URIs of a listing with the columns that are wanted of its level: one, and one for each single type among them.

    Parameters
    ----------
    needed : iterable of str
        Columns that the plan itself needs.
    """
    asked = {'columns': ','.join(names)} if (names := names_asked(plural, columns, needed)) else {}
    of_types = typed(plural, columns).items()
    return uris.with_query(uri, asked), *(uris.with_query(uri, {'xsiType': kind, 'columns': ','.join(['ID', *names])}) for kind, names in of_types)


def names_asked(plural: str, columns: Columns, needed: Iterable[str] = ()) -> list[str]:
    """The columns to ask of a listing of a level; nothing where it has what is wanted by default."""
    own = [name for name in level(plural).columns if '/' not in name and name != 'URI']
    names = list(dict.fromkeys([*own, *needed, *_general(plural, columns)]))
    return names if len(names) > len(own) else []


def _general(plural: str, columns: Columns) -> list[str]:
    """What of the columns all elements of a level have."""
    return [name for name in columns.get(plural, ()) if not _types_with(plural, name)]


def merged(plural: str, columns: Columns, tables: Tables) -> Iterable[Row]:
    """One row an element: of a listing, and of those of single types. A path that is repeated in it has a list of its values.

    The rows of the listing are passed on as they come, unless a column may be repeated: then all of them are held. What single types have is held.

    Raises
    ------
    ProgrammingError
        A column that was asked for is not in the answer.
    """
    if not columns.get(plural) or level(plural).singular not in LEVELS_WITH_NAMES:
        return tables[0]
    general = _general(plural, columns)
    repeated = may_repeat(plural, columns)
    rows: Iterable[Row] = _grouped(plural, tables[0], general).values() if repeated else _with_columns(plural, tables[0], general)
    of_types = [(names, _grouped(plural, table, names)) for names, table in zip(typed(plural, columns).values(), tables[1:], strict=True)]
    return _completed(plural, rows, of_types) if of_types else rows


def may_repeat(plural: str, columns: Columns) -> bool:
    """Whether an element may have several values of what is asked of all: short names have one, but for aliases; of other paths nothing is known."""
    found = [short_name(level(plural).singular, name) for name in _general(plural, columns)]
    return any(one is None or one.path.startswith('aliases/') for one in found)


def _completed(plural: str, rows: Iterable[Row], of_types: Sequence[tuple[Sequence[str], Mapping[str, Row]]]) -> Iterator[Row]:
    """Rows with what the listings of single types say of them."""
    for row in rows:
        identity = cell(row, level(plural).id_column)
        more = {key: row.get(key) or found.get(identity, {}).get(key, '') for names, found in of_types for key in map(key_of, names)}
        yield {**row, **more}


def _with_columns(plural: str, table: Iterable[Row], names: Sequence[str]) -> Iterator[Row]:
    """The rows of a listing, if the first has the columns that were asked for."""
    rows = iter(table)
    first = list(islice(rows, 1))
    for row in first:
        missing = [name for name in names if key_of(name) not in row]
        if missing:
            what = f'{level(plural).plural} have no column {", ".join(map(repr, missing))}'
            raise ProgrammingError(what, remedy=f'Short names are told apart by case. The answer has: {", ".join(row)}.')
    return chain(first, rows)


def _grouped(plural: str, table: Iterable[Row], names: Sequence[str]) -> dict[str, Row]:
    """The rows of each ID as one; as often as a repeated path has values, there are rows."""
    found: dict[str, list[Row]] = {}
    for row in _with_columns(plural, table, names):
        found.setdefault(cell(row, level(plural).id_column), []).append(row)
    keys = [key_of(name) for name in names]
    return {identity: {**rows[0], **{key: _values(rows, key) for key in keys}} for identity, rows in found.items()}


def _values(rows: list[Row], key: str) -> Any:
    several = list(dict.fromkeys(row[key] for row in rows))
    return several[0] if len(several) == 1 else several


def key_of(name: str) -> str:
    """What XNAT calls a column that is asked for: full paths in lower case.

    >>> key_of('xnat:subjectData/group'), key_of('subject_ID')
    ('xnat:subjectdata/group', 'subject_ID')
    """
    return name.lower() if '/' in name else name


def cell(row: Row, column: str) -> str:
    """A column that a listing must have."""
    if column not in row:
        raise UnexpectedAnswer(f'the listing has no column {column!r}; it has: {", ".join(row)}')
    return row[column]
