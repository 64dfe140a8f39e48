"""Criteria of a search as SQL conditions.

The comparisons follow XNAT. Equality is exact. LIKE ignores case, is for texts only, and means
"contains" on a schema field. ``!=`` matches NULL on a display field but not on a schema field;
``<>`` never does. IN is for display fields inside a ``child_set``, NOT IN for nothing, and BETWEEN
for display fields and numbers. All values are bound parameters. A value that XNAT would insert
verbatim into its SQL is parsed as literals only: numbers, texts in single quotes, NULL, TRUE and
FALSE; for BETWEEN two of them with AND between.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from ..db.values import parse_date, parse_stamp, parse_time
from ..errors import BadRequest, InternalServerError
from .field_sql import Expression
from .search_xml import CriteriaSet, Criterion

__all__ = ['condition']

Resolve = Callable[[str], Expression]
"""Function from a criterion's ``schema_field`` to its expression."""
_MOST_SIDE_BY_SIDE = 200
"""Conditions in one AND or OR: SQLite limits expressions to a depth of 1,000."""


def condition(sets: Sequence[CriteriaSet], resolve: Resolve) -> ColumnElement[bool] | None:
    """Return the condition of all sets; None if they are empty.

    Parameters
    ----------
    sets : Sequence[CriteriaSet]
        Sets of criteria, joined by AND.
    resolve : Resolve
        Returns the expression of a field.

    Raises
    ------
    BadRequest
        For a comparison that XNAT does not support on the field.
    """
    return _joined('AND', [_set_condition(part, resolve, inside=False) for part in sets])


def _set_condition(
    part: Criterion | CriteriaSet, resolve: Resolve, inside: bool
) -> ColumnElement[bool] | None:
    """Return the condition of a set, or of a criterion.

    IN is a valid comparison only `inside` another set.
    """
    if isinstance(part, Criterion):
        if part.comparison == 'IN' and not inside:
            raise BadRequest('IN works only inside a child_set.')
        return _compare(resolve(part.schema_field), part)
    if inside and not part.parts:
        raise BadRequest('A child_set needs a criterion.')
    return _joined(
        part.method,
        [
            _set_condition(inner, resolve, inside or isinstance(inner, CriteriaSet))
            for inner in part.parts
        ],
    )


def _joined(method: str, parts: Sequence[ColumnElement[bool] | None]) -> ColumnElement[bool] | None:
    found = [part for part in parts if part is not None]
    join = and_ if method == 'AND' else or_
    while len(found) > _MOST_SIDE_BY_SIDE:
        # A function call, because SQLAlchemy flattens nested conditions.
        found = [
            func.coalesce(join(*found[at : at + _MOST_SIDE_BY_SIDE]), false())
            for at in range(0, len(found), _MOST_SIDE_BY_SIDE)
        ]
    return join(*found) if found else None


def _compare(expression: Expression, criterion: Criterion) -> ColumnElement[bool]:
    name, value = criterion.comparison, criterion.value
    _check_value(value)
    if name in ('IS NULL', 'IS NOT NULL', 'IS', 'IS NOT'):
        return _null(expression, criterion)
    if name in ('LIKE', 'NOT LIKE') and expression.kind != 'string':
        raise BadRequest(
            f'{name} works on texts only; the field holds values of the kind {expression.kind}.'
        )
    if criterion.override and expression.schema_field:
        return _raw(expression, name, value)
    if criterion.override and "'" in value:
        raise BadRequest(
            f'Remove the quotes from {value!r}: values of display fields are quoted by the server.'
        )
    if value.strip() == '*' and name not in ('LIKE', 'NOT LIKE'):
        return _is_filled(expression)
    if name in ('LIKE', 'NOT LIKE'):
        pattern = f'%{value.replace("*", "%").strip("%")}%' if expression.schema_field else value
        return _like(expression, pattern, name)
    return _listed(expression, name, value)


def _listed(expression: Expression, name: str, value: str) -> ColumnElement[bool]:
    """Return a condition for IN, BETWEEN, or a comparison with one value."""
    if name == 'IN' and expression.schema_field:
        raise BadRequest('IN works on display fields only, not on paths of the schema.')
    if (
        name == 'BETWEEN'
        and expression.schema_field
        and expression.kind not in ('integer', 'float')
    ):
        raise BadRequest(
            'BETWEEN works on display fields and on numbers, not on a path whose values are of '
            f'the kind {expression.kind}.'
        )
    if name == 'IN':
        return expression.comparable.in_(
            [_operand(expression, part.strip()) for part in _parts(value)]
        )
    if name == 'BETWEEN':
        return _between(expression, re.split(r'\s+AND\s+', value.strip(), flags=re.IGNORECASE))
    if value.strip() == '':
        return _compare_with_empty(expression, name)
    return _compare_with(expression, name, value)


def _parts(value: str) -> list[str]:
    """Split a list at commas; values with commas are in double quotes."""
    try:
        return next(csv.reader([value], skipinitialspace=True), [])
    except csv.Error as error:
        raise BadRequest(f'The list of values cannot be parsed: {error}.') from error


_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    '=': lambda left, right: left == right,
    '!=': lambda left, right: left != right,
    '<>': lambda left, right: left != right,
    '<': lambda left, right: left < right,
    '<=': lambda left, right: left <= right,
    '>': lambda left, right: left > right,
    '>=': lambda left, right: left >= right,
}


def _operator(name: str) -> Callable[[Any, Any], ColumnElement[bool]]:
    if name not in _OPERATORS:
        raise BadRequest(f'{name!r} is not a comparison.')
    return _OPERATORS[name]


def _compare_with(expression: Expression, name: str, value: str) -> ColumnElement[bool]:
    found = _operator(name)(expression.comparable, _operand(expression, value))
    return (
        or_(found, expression.sql.is_(None))
        if name == '!=' and not expression.schema_field
        else found
    )


def _compare_with_empty(expression: Expression, name: str) -> ColumnElement[bool]:
    """Return a comparison with an empty value: ``=`` finds empty fields."""
    _operator(name)
    filled = _is_filled(expression)
    return (
        filled if name in ('!=', '<>') else not_(filled) if name in ('=', '<=', '>=') else false()
    )


def _left(expression: Expression) -> ColumnElement[Any]:
    return expression.comparable


def _operand(expression: Expression, text: str) -> Any:
    """Return a value in the form that its field compares by.

    `BadRequest` for a value of another kind.
    """
    read = _OPERANDS.get(expression.kind)
    return text if read is None else read(text.strip())


def _number(value: str) -> float:
    """Return a number.

    A date is arithmetic to XNAT, which does not quote it: 2020-01-02 is 2017.
    """
    if re.fullmatch(r'\d{1,9}(-\d{1,9})+', value):
        first, *others = map(int, value.split('-'))
        return float(first - sum(others))
    if not re.fullmatch(r'[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?', value):
        raise BadRequest(f'{value!r} is not a number.')
    return float(value)


def _day(value: str) -> str:
    day = parse_date(value) or parse_date(value[:10])
    if day is None:
        raise BadRequest(f'{value!r} is not a date; use yyyy-MM-dd or MM/dd/yyyy.')
    return day.isoformat()


def _moment(value: str) -> str:
    moment = parse_stamp(value)
    if moment is None:
        raise BadRequest(
            f'{value!r} is not a date and time; use yyyy-MM-dd HH:mm:ss or MM/dd/yyyy HH:mm:ss.'
        )
    return f'{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}'


def _clock(value: str) -> str:
    time = parse_time(value)
    if time is None:
        raise BadRequest(f'{value!r} is not a time; use HH:mm:ss.')
    return time.isoformat()


def _boolean(value: str) -> str:
    return {'true': '1', 'false': '0'}.get(value.lower(), value)


_OPERANDS: dict[str, Callable[[str], Any]] = {
    'integer': _number,
    'float': _number,
    'date': _day,
    'dateTime': _moment,
    'time': _clock,
    'boolean': _boolean,
}


def _is_filled(expression: Expression) -> ColumnElement[bool]:
    found = expression.sql.is_not(None)
    return and_(found, expression.sql != '') if expression.kind == 'string' else found


def _null(expression: Expression, criterion: Criterion) -> ColumnElement[bool]:
    words = f'{criterion.comparison} {criterion.value.strip().upper()}'.split()
    if set(words) - {'IS', 'NOT', 'NULL'} or 'NULL' not in words:
        raise BadRequest(f'{criterion.comparison} needs NULL or NOT NULL, not {criterion.value!r}.')
    return _is_filled(expression) if 'NOT' in words else not_(_is_filled(expression))


def _like(expression: Expression, pattern: str, name: str) -> ColumnElement[bool]:
    """Return a LIKE condition that ignores case.

    SQLite's own ``lower`` is faster, but for ASCII patterns only.
    """
    lower = func.lower if pattern.isascii() else func.unicode_lower
    left = lower(expression.sql)
    return (
        left.not_like(pattern.lower(), escape='\\')
        if name.startswith('NOT')
        else left.like(pattern.lower(), escape='\\')
    )


def _between(expression: Expression, parts: Sequence[str]) -> ColumnElement[bool]:
    if len(parts) != 2:
        raise BadRequest('BETWEEN needs "low AND high".')
    low, high = (_operand(expression, part) for part in parts)
    return expression.comparable.between(low, high)


# -- values that XNAT inserts verbatim into its SQL

_LITERAL = r"'(?:[^']|'')*'|[+-]?\d+(?:\.\d+)?|NULL|TRUE|FALSE"
_ONE = re.compile(rf'\s*({_LITERAL})\s*', re.IGNORECASE)
_LIST = re.compile(rf'\s*\(((?:\s*(?:{_LITERAL})\s*,)*\s*(?:{_LITERAL})\s*)\)\s*', re.IGNORECASE)
_RANGE = re.compile(rf'\s*({_LITERAL})\s+AND\s+({_LITERAL})\s*', re.IGNORECASE)


def _raw(expression: Expression, name: str, value: str) -> ColumnElement[bool]:
    """Return a comparison with literals; `BadRequest` for any other SQL."""
    if name in ('IN', 'NOT IN'):
        texts = re.findall(_LITERAL, _match(_LIST, name, value).group(1), re.IGNORECASE)
        found = expression.comparable.in_(
            [_operand(expression, text) for text in map(_literal, texts) if text is not None]
        )
        return not_(found) if name == 'NOT IN' else found
    if name == 'BETWEEN':
        texts = [_literal(text) for text in _match(_RANGE, name, value).groups()]
        return (
            false()
            if None in texts
            else _between(expression, [text for text in texts if text is not None])
        )
    text = _literal(_match(_ONE, name, value).group(1))
    if text is None:
        return false()  # comparisons with NULL are never true
    return (
        _like(expression, text, name)
        if name in ('LIKE', 'NOT LIKE')
        else _compare_with(expression, name, text)
    )


def _match(pattern: re.Pattern[str], name: str, value: str) -> re.Match[str]:
    found = pattern.fullmatch(value)
    if found is None:
        raise BadRequest(
            f'{value!r} is not a literal for {name}: use numbers, or texts in single quotes.'
        )
    return found


def _literal(text: str) -> str | None:
    """Return the value of a literal; None for NULL."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return None if text.upper() == 'NULL' else {'TRUE': '1', 'FALSE': '0'}.get(text.upper(), text)


_HARMLESS = re.compile(r'[A-Za-z0-9 _.;]*')
_SUSPECT = re.compile(r'(SELECT|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE) |\\$')


def _check_value(value: str) -> None:
    """Refuse a value that XNAT takes for an attack, with XNAT's status.

    This is for the fidelity of scripts; all values are bound parameters, so none is dangerous here.
    """
    if not _HARMLESS.fullmatch(value) and _SUSPECT.search(value):
        raise InternalServerError(
            f'XNAT refuses the value {value!r}: it ends with a backslash or contains a word of SQL '
            'in capitals.'
        )
