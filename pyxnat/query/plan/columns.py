"""Whose a column is: of the elements themselves, or of those above them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat
from operator import add, itemgetter
from typing import Any, NamedTuple

from ...errors import ProgrammingError
from ...model.levels import LEVELS, level, level_names
from ...model.short_names import LEVELS_WITH_NAMES, key_of, list_of_names, short_names
from ...tables.table import Row
from ..paths import Path, chain_of
from .listings import Columns
from .stages import Found, Listed

__all__ = ['Column', 'Join', 'columns_of', 'subject_columns', 'table_rows', 'wanted_columns']

_LEVEL_OF_TYPE = {'xnat:projectData': 'projects', 'xnat:subjectData': 'subjects', 'xnat:reconstructedImageData': 'reconstructions'}

_TOGETHER = 500


class Column(NamedTuple):
    """A column of a table over elements."""

    name: str
    """As it was asked for."""
    level: str
    """Plural name of the level whose it is."""
    asked: str
    """What XNAT is asked for."""

    @property
    def key(self) -> str:
        """What XNAT answers it under."""
        return key_of(self.asked)


def columns_of(routes: Sequence[Path], names: Iterable[str]) -> tuple[Column, ...]:
    """The columns that names mean.

    A name is ``subject/age`` (a level and a column of it), a full path (``xnat:subjectData/group``), or a short name, which is the elements' own
    where they have such a column, else that of the nearest level above that does.

    Parameters
    ----------
    routes : sequence of Path
        Where the elements are.

    Raises
    ------
    ProgrammingError
        There is no such column there, or it is one name alone.
    """
    levels = _levels(routes)
    return tuple(_column(name, levels) for name in dict.fromkeys(list_of_names(names)))


def wanted_columns(columns: Iterable[Column], route: Path) -> Columns:
    """What is to be asked of the levels of one route; columns of others are not there."""
    chain = {*chain_of(route), *(['subjects'] if 'experiments' in chain_of(route) else [])}
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.level in chain and column.asked not in ('path', 'URI'):
            found[column.level] = (*found.get(column.level, ()), column.asked)
    return found


Join = Callable[[Sequence[Row]], Iterable[tuple[Any, ...]]]
"""Gives, for rows of experiments, the columns of their subjects that a table has, in its order."""


def table_rows(founds: Iterable[Found], columns: Sequence[Column], plural: str, join: Join | None = None) -> Iterator[Row]:
    """The rows of a table over elements of a level: what listings said of them, and of what is above them.

    A column of a level that is not on the way to an element is empty.

    Parameters
    ----------
    join : callable, optional
        For experiments of one listing: what tells of their subjects, of which nothing is known yet.
    """
    if isinstance(founds, Listed):
        return chain.from_iterable(_listed_rows(founds, columns, plural, join))
    getters = [(column.name, _getter(column, plural)) for column in columns]
    return ({name: get(found.row, found.above) for name, get in getters} for found in founds)


def subject_columns(columns: Iterable[Column]) -> list[Column]:
    """Those that a join gives."""
    return [column for column in columns if column.level == 'subjects']


def _listed_rows(listed: Listed, columns: Sequence[Column], plural: str, join: Join | None) -> Iterator[list[Row]]:
    """The same of a listing, whose elements need not be made: all of them have the same above them. Some at a time, since that is quicker."""
    own = [column for column in columns if column.level == plural]
    joined = subject_columns(columns) if join is not None else []
    above = [column for column in columns if column not in own and column not in joined]
    values, getters = _cells([column.key for column in own]), [_getter(column, plural) for column in own]
    same = tuple(_getter(column, plural)({}, listed.above) for column in above)
    names = [column.name for column in columns]
    order = [[*own, *joined, *above].index(column) for column in columns]
    rows = listed.rows()
    while some := list(islice(rows, _TOGETHER)):
        try:
            cells: Iterable[tuple[Any, ...]] = list(map(values, some))
        except KeyError:  # rows of one table have the same columns, but for those that a listing does not have at all
            cells = [tuple(get(row, {}) for get in getters) for row in some]
        if join is not None:
            cells = map(add, cells, join(some))
        if same:
            cells = map(add, cells, repeat(same))
        if order != sorted(order):
            cells = map(_cells(order), cells)
        yield list(map(dict, map(zip, repeat(names), cells)))


def _cells(keys: Sequence[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """What takes several things out of one."""
    return itemgetter(*keys) if len(keys) > 1 else lambda row: tuple(row[key] for key in keys)


def _getter(column: Column, plural: str) -> Callable[[Row, Mapping[str, Row]], Any]:
    """What gives a column, of what is known of an element and of what is above it."""
    key, above = column.key, column.level
    if above != plural:
        return lambda row, rows: rows[above].get(key, '') if above in rows else ''
    default = level(plural).datatype if column.asked == 'xsiType' else ''
    return lambda row, rows: row.get(key, default)


def _levels(routes: Sequence[Path]) -> list[str]:
    """The levels of some routes, lowest first; experiments have subjects, whether the path names them or not."""
    there = {step.level for route in routes for step in route}
    there |= {'subjects'} if 'experiments' in there else set()
    own = routes[0][-1].level
    return [own, *(row.plural for row in reversed(LEVELS) if row.plural in there and row.plural != own)]


def _column(name: str, levels: Sequence[str]) -> Column:
    head, slash, rest = name.partition('/')
    asked, where = name, levels
    if slash and head in level_names() and rest:
        plural = level(head).plural
        asked, where = (rest, [plural]) if plural in levels else (name, levels)
        if plural in levels and (':' in rest.partition('/')[0] or _has(plural, rest)):
            return Column(name, plural, rest)
    elif slash and ':' in head:
        plural = _level_of_type(head, levels)
        if plural:
            return Column(name, plural, name)
    else:
        plural = next((one for one in levels if _has(one, name)), '')
        if plural:
            return Column(name, plural, name)
    raise ProgrammingError(f'there is no column {name!r} here', remedy=_remedy(asked, where))


def _has(plural: str, name: str) -> bool:
    return name in _names(plural)


def _names(plural: str) -> set[str]:
    """The columns that a level has by a name."""
    row = level(plural)
    return {*row.columns, row.id_column, row.label_column, *(short_names(row.singular) if row.singular in LEVELS_WITH_NAMES else ())}


def _level_of_type(kind: str, levels: Sequence[str]) -> str:
    """The level that elements of a type are on, as far as its name tells; nothing where that is not among some."""
    known = _LEVEL_OF_TYPE.get(kind)
    if known is None and kind.endswith('ScanData'):
        known = 'scans'
    if known is None and (kind.endswith('SessionData') or kind == 'xnat:subjectAssessorData'):
        known = 'experiments'
    if known is not None:
        return known if known in levels else ''
    return next((one for one in levels if one in ('experiments', 'assessors')), '')


def _remedy(name: str, levels: Sequence[str]) -> str:
    meant = next((other for one in levels for other in sorted(_names(one)) if other.lower() == name.lower()), '')
    case = f'Upper and lower case are told apart: {meant!r}. ' if meant else ''
    own = level(levels[0])
    names = sorted(short_names(own.singular)) if own.singular in LEVELS_WITH_NAMES else own.columns
    above = ', '.join(level(one).singular for one in levels[1:])
    more = f'; those of {above} as in {level(levels[1]).singular}/label' if above else ''
    return f'{case}Columns of {own.plural}: {", ".join(names)}, and full paths such as xnat:subjectData/group{more}.'
