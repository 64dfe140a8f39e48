"""Whose a column is: of the elements themselves, or of those above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import ProgrammingError
from ..names import LEVELS_WITH_NAMES, list_of_names, short_names
from ..paths import Path, chain_of
from ..structure import LEVELS, level, level_names
from .stages import Columns, key_of

__all__ = ['Column', 'columns_of', 'wanted_of']

_LEVEL_OF_TYPE = {'xnat:projectData': 'projects', 'xnat:subjectData': 'subjects', 'xnat:reconstructedImageData': 'reconstructions'}


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


def wanted_of(columns: Iterable[Column], route: Path) -> Columns:
    """What is to be asked of the levels of one route; columns of others are not there."""
    chain = {*chain_of(route), *(['subjects'] if 'experiments' in chain_of(route) else [])}
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        if column.level in chain and column.asked not in ('path', 'URI'):
            found[column.level] = (*found.get(column.level, ()), column.asked)
    return found


def _levels(routes: Sequence[Path]) -> list[str]:
    """The levels of some routes, lowest first; experiments have subjects, whether the path names them or not."""
    there = {step.level for route in routes for step in route}
    there |= {'subjects'} if 'experiments' in there else set()
    own = routes[0][-1].level
    return [own, *(row.plural for row in reversed(LEVELS) if row.plural in there and row.plural != own)]


def _column(name: str, levels: Sequence[str]) -> Column:
    head, slash, rest = name.partition('/')
    if slash and head in level_names() and rest:
        plural = level(head).plural
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
    raise ProgrammingError(f'there is no column {name!r} here', remedy=_remedy(levels))


def _has(plural: str, name: str) -> bool:
    row = level(plural)
    names = {*row.columns, row.id_column, row.label_column}
    return name in names or (row.singular in LEVELS_WITH_NAMES and name in short_names(row.singular))


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


def _remedy(levels: Sequence[str]) -> str:
    own = level(levels[0])
    names = sorted(short_names(own.singular)) if own.singular in LEVELS_WITH_NAMES else own.columns
    above = ', '.join(level(one).singular for one in levels[1:])
    more = f'; those of {above} as in {level(levels[1]).singular}/label' if above else ''
    return f'Columns of {own.plural}: {", ".join(names)}, and full paths such as xnat:subjectData/group{more}.'
