"""Columns of tables over elements: their own, and those of levels above."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from operator import add, itemgetter
from typing import Any, NamedTuple

from ...errors import ProgrammingError
from ...model.levels import LEVELS, level, level_names
from ...model.near import did_you_mean
from ...model.short_names import LEVELS_WITH_NAMES, key_of, list_of_names, short_names
from ...tables.table import Row
from ..paths import Path, chain_of
from .found import Found, Listed
from .listings import Columns

__all__ = [
    'Column',
    'Join',
    'columns_of',
    'level_of_type',
    'levels_of',
    'subject_columns',
    'table_rows',
    'wanted_columns',
]

_LEVEL_OF_TYPE = {row.base: row.plural for row in LEVELS if row.is_item and not row.has_types}

_TOGETHER = 500
"""Rows of a listing that are converted at once."""


class Column(NamedTuple):
    """A column of a table over elements."""

    name: str
    """Name given by the caller, and key in the table."""
    level: str
    """Plural name of the level that has the column."""
    requested: str
    """Name in the request to XNAT."""

    @property
    def key(self) -> str:
        """Key in the rows that XNAT returns."""
        return key_of(self.requested)


def columns_of(routes: Sequence[Path], names: Iterable[str]) -> tuple[Column, ...]:
    """Resolve names of columns.

    Parameters
    ----------
    routes : sequence of Path
        Paths of the elements.
    names : iterable of str
        Each is ``subject/age`` (a level and its column), a full path (``xnat:subjectData/group``),
        or a short name. A short name means a column of the elements themselves, else of the
        nearest level above that has one.

    Raises
    ------
    ProgrammingError
        No level on the paths has such a column, or `names` is a single text.
    """
    given = dict.fromkeys(list_of_names(names))
    if not given:
        return ()
    levels = levels_of(routes)
    return tuple([_column(name, levels) for name in given])


def wanted_columns(columns: Iterable[Column], route: Path) -> Columns:
    """Return the columns to request for each level of a path.

    Parameters
    ----------
    columns : iterable of Column
        Columns of the table; those of levels that are not on the path are left out.
    route : Path
        Path of the elements. Below experiments, subjects count as a level of it.
    """
    chain = {*chain_of(route)}
    chain |= {'subjects'} if 'experiments' in chain else set()
    wanted: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.level in chain and column.requested not in ('path', 'URI'):
            wanted[column.level] = (*wanted.get(column.level, ()), column.requested)
    return wanted


Join = Callable[[Sequence[Row]], Iterable[tuple[Any, ...]]]
"""Function from rows of experiments to the columns of their subjects, in the table's order."""


def table_rows(
    founds: Iterable[Found], columns: Sequence[Column], plural: str, join: Join | None = None
) -> Iterator[Row]:
    """Return the rows of a table over elements of a level.

    Cells come from the listings of the elements and of the elements above them. A column of a
    level that is not on the path of an element is empty.

    Parameters
    ----------
    founds : iterable of Found
        Elements.
    columns : sequence of Column
        Columns of the table.
    plural : str
        Level of the elements.
    join : callable, optional
        For experiments of one listing: supplies the columns of their subjects.
    """
    if isinstance(founds, Listed):
        return chain.from_iterable(_listed_rows(founds, columns, plural, join))
    getters = [(column.name, _getter(column, plural)) for column in columns]
    return ({name: get(found.row, found.above) for name, get in getters} for found in founds)


def subject_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that a join supplies."""
    return [column for column in columns if column.level == 'subjects']


def _listed_rows(
    listed: Listed, columns: Sequence[Column], plural: str, join: Join | None
) -> Iterator[list[Row]]:
    """Yield the rows of a table over one listing, 500 at a time.

    No elements are created, and the cells of levels above are computed once: all elements of a
    listing share them.
    """
    own = [column for column in columns if column.level == plural]
    joined = subject_columns(columns) if join is not None else []
    above = [column for column in columns if column not in own and column not in joined]
    values, getters = (
        _cells([column.key for column in own]),
        [_getter(column, plural) for column in own],
    )
    same = tuple(_getter(column, plural)({}, listed.above) for column in above)
    names = [column.name for column in columns]
    order = [[*own, *joined, *above].index(column) for column in columns]
    rows = listed.rows()
    while some := list(islice(rows, _TOGETHER)):
        try:
            cells: Iterable[tuple[Any, ...]] = list(map(values, some))
        except KeyError:  # a column that the listing does not have
            cells = [tuple(get(row, {}) for get in getters) for row in some]
        if join is not None:
            cells = map(add, cells, join(some))
        if same:
            cells = map(add, cells, repeat(same))
        if order != sorted(order):
            cells = map(_cells(order), cells)
        yield list(map(dict, map(zip, repeat(names), cells)))


def _cells(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that picks the values of keys as a tuple."""
    if len(keys) == 1:
        (key,) = keys
        return lambda row: (row[key],)
    return itemgetter(*keys) if keys else lambda row: ()


def _getter(column: Column, plural: str) -> Callable[[Row, Mapping[str, Row]], Any]:
    """Return a function that reads a column from a row and those above it."""
    key, above = column.key, column.level
    if above != plural:
        return lambda row, rows: rows[above].get(key, '') if above in rows else ''
    default = level(plural).datatype if column.requested == 'xsiType' else ''
    return lambda row, rows: row.get(key, default)


def levels_of(routes: Sequence[Path]) -> list[str]:
    """Return the levels of paths, lowest first; experiments imply subjects."""
    present = {step.level for route in routes for step in route}
    present |= {'subjects'} if 'experiments' in present else set()
    own = routes[0][-1].level
    return [
        own,
        *(row.plural for row in reversed(LEVELS) if row.plural in present and row.plural != own),
    ]


def _column(name: str, levels: Sequence[str]) -> Column:
    head, slash, rest = name.partition('/')
    tried, where = name, levels
    if slash and head in level_names() and rest:
        plural = level(head).plural
        tried, where = (rest, [plural]) if plural in levels else (name, levels)
        if plural in levels and (':' in rest.partition('/')[0] or rest in _names(plural)):
            return Column(name, plural, rest)
    elif slash and ':' in head:
        plural = level_of_type(head, levels)
        if plural:
            return Column(name, plural, name)
    else:
        plural = next((plural for plural in levels if name in _names(plural)), '')
        if plural:
            return Column(name, plural, name)
    raise ProgrammingError(f'there is no column {name!r} here', remedy=_remedy(tried, where))


def _names(plural: str) -> set[str]:
    """Return the names of columns that a level has, short names included."""
    row = level(plural)
    return {
        *row.columns,
        row.id_column,
        row.label_column,
        *(short_names(row.singular) if row.singular in LEVELS_WITH_NAMES else ()),
    }


def level_of_type(kind: str, levels: Sequence[str]) -> str:
    """Guess the level of a data type from its name; empty if not in `levels`.

    A type of unknown name is taken for one of experiments or assessors.

    Parameters
    ----------
    kind : str
        The data type.
    levels : sequence of str
        Plural names of levels.
    """
    known = _LEVEL_OF_TYPE.get(kind)
    if known is None and kind.endswith('ScanData'):
        known = 'scans'
    if known is None and (kind.endswith('SessionData') or kind == 'xnat:subjectAssessorData'):
        known = 'experiments'
    if known is not None:
        return known if known in levels else ''
    return next((plural for plural in levels if plural in ('experiments', 'assessors')), '')


def _remedy(name: str, levels: Sequence[str]) -> str:
    candidates = [other for plural in levels for other in sorted(_names(plural))]
    own = level(levels[0])
    names = sorted(short_names(own.singular)) if own.singular in LEVELS_WITH_NAMES else own.columns
    above = ', '.join(level(plural).singular for plural in levels[1:])
    more = f'; those of {above} as in {level(levels[1]).singular}/label' if above else ''
    return (
        f'{did_you_mean(name, candidates)}Columns of {own.plural}: {", ".join(names)}, and full '
        f'paths such as xnat:subjectData/group{more}. Fields of forms: form:TITLE/KEY.'
    )
