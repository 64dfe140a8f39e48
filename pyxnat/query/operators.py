"""Operators of search criteria: one row each.

Criteria as tuples and as text, search documents and the archive read this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

__all__ = [
    'BY_SPELLING',
    'LONG_OPERATORS',
    'OPERATORS',
    'Operator',
    'find_operator',
    'find_rewritten',
]

_Kind = Literal['equal', 'order', 'pattern', 'list', 'range', 'null']


class Operator(NamedTuple):
    """One operator."""

    name: str
    """Its spelling in tuples, in text and in XNAT's search documents."""

    kind: _Kind
    """``equal`` and ``order`` compare with one value, ``pattern`` with wildcards, ``list`` with
    any number of values, ``range`` with two, ``null`` with none."""

    is_negated: bool = False
    """Whether it finds the rows that its counterpart does not find."""

    aliases: tuple[str, ...] = ()
    """Other spellings in tuples and in text."""

    each: tuple[str, ...] = ()
    """The operators for single values that XNAT is sent instead: one for all values of a list,
    one for each end of a range. XNAT refuses lists and ranges on paths of its schema."""

    method: str = ''
    """How these comparisons are joined: ``AND`` or ``OR``."""


_TABLE = (
    Operator('=', 'equal', aliases=('==', 'IS')),
    Operator('!=', 'equal', True, aliases=('<>', 'IS NOT')),
    Operator('<', 'order'),
    Operator('<=', 'order'),
    Operator('>', 'order'),
    Operator('>=', 'order'),
    Operator('LIKE', 'pattern', aliases=('ILIKE',)),  # XNAT's LIKE ignores case
    Operator('NOT LIKE', 'pattern', True, aliases=('NOT ILIKE',)),
    Operator('IN', 'list', each=('=',), method='OR'),
    Operator('NOT IN', 'list', True, each=('!=',), method='AND'),
    Operator('BETWEEN', 'range', each=('>=', '<='), method='AND'),
    Operator('IS NULL', 'null'),
    Operator('IS NOT NULL', 'null', True),
)

OPERATORS: dict[str, Operator] = {row.name: row for row in _TABLE}
"""Name -> operator."""

BY_SPELLING: dict[str, Operator] = {
    spelling: row for row in _TABLE for spelling in (row.name, *row.aliases)
}
"""Name or alias -> operator."""

LONG_OPERATORS = frozenset(
    ' '.join(words[:count])
    for words in (spelling.split() for spelling in BY_SPELLING)
    for count in range(2, len(words) + 1)
)
"""Spellings of several words, and their beginnings of two words or more."""


def find_operator(spelling: Any) -> Operator | None:
    """Return the operator of a spelling, in any case and with any white space.

    >>> find_operator('not  like').name
    'NOT LIKE'
    """
    return BY_SPELLING.get(' '.join(str(spelling).upper().split()))


def find_rewritten(names: Sequence[str], method: str) -> Operator | None:
    """Return the list or range operator that was rewritten to these comparisons.

    Parameters
    ----------
    names : sequence of str
        Operators of the comparisons, in order.
    method : str
        ``AND`` or ``OR``, which joins them.
    """
    for row in OPERATORS.values():
        if not row.each or row.method != method:
            continue
        if set(names) == set(row.each) if row.kind == 'list' else tuple(names) == row.each:
            return row
    return None
