"""Filters of a listing: parameters of its query as conditions on the root.

Values are separated by commas. Texts may have ``*`` and ``%`` as wildcards; numbers and dates may
be ranges with a ``-``. Dates are read as ``MM/dd/yyyy`` only, because an ISO date contains a ``-``.
Timestamps are compared with the start of a day.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, false, func, or_

from ..context import Context
from ..db.values import parse_date
from .field_sql import Expression, Scope
from .listing_columns import Asked, ListingFails, Path

__all__ = ['expression_of', 'filters']


def filters(context: Context, asked: Asked, scope: Scope) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions of a listing's query; unknown fields are ignored.

    Parameters
    ----------
    context : Context
        The request.
    asked : Asked
        Root and columns of the listing.
    scope : Scope
        The query.
    """
    for name, value in context.query:
        found = asked.read(name) if name != 'xsiType' and value else None
        if found is not None and scope.model.declares(found.kind, found.path):
            yield _condition(asked, scope, found, value)


def _condition(asked: Asked, scope: Scope, one: Path, value: str) -> ColumnElement[bool]:
    """Return the condition of a filter.

    If an item has several values, one of them must match.
    """
    apart = Scope(scope.model, scope.caller, asked.root)
    found = _any_of(expression_of(apart, one), value)
    if not apart.many:
        return _any_of(expression_of(scope, one), value)
    items = apart.select(apart.root.c.pk).where(found).correlate(None)
    return scope.root.c.pk.in_(items)  # type: ignore[no-any-return]


def _any_of(expression: Expression, value: str) -> ColumnElement[bool]:
    return or_(false(), *(_matches(expression, part) for part in value.split(',') if part))


def _matches(expression: Expression, value: str) -> ColumnElement[bool]:
    if expression.kind in ('integer', 'float'):
        return _number_matches(expression, value)
    if expression.kind in ('date', 'dateTime'):
        return _date_matches(expression, value)
    if expression.kind == 'boolean':
        return expression.sql == {'true': '1', 'false': '0'}.get(value.lower(), value)
    if '*' in value or '%' in value:
        pattern = f'%{value.replace("*", "%").strip("%")}%'
        return func.lower(expression.sql).like(pattern.lower())
    return expression.sql == value


def _number_matches(expression: Expression, value: str) -> ColumnElement[bool]:
    low, dash, high = value.partition('-')
    numbers = [_number(part) for part in ((low, high) if dash else (value,))]
    if dash:
        return and_(expression.comparable >= numbers[0], expression.comparable <= numbers[1])
    return expression.comparable == numbers[0]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ListingFails(
            f'{text!r} is not a number; negative numbers are not supported.'
        ) from error


def _date_matches(expression: Expression, value: str) -> ColumnElement[bool]:
    if value == 'NULL':
        return false()
    low, dash, high = value.partition('-')
    days = [_day(part) for part in ((low, high) if dash else (value,))]
    compared = func.substr(expression.sql, 1, 10) if expression.kind == 'date' else expression.sql
    if dash:
        return and_(compared >= days[0], compared <= days[1])
    return compared == days[0]


def _day(text: str) -> str:
    """Return a date in ISO form; a time of day after it is ignored."""
    found = parse_date(text.strip().split(' ')[0])
    if found is None:
        raise ListingFails(f'{text!r} is not a date: use MM/dd/yyyy.')
    return found.isoformat()


def expression_of(scope: Scope, one: Path) -> Expression:
    """Return the SQL of a path.

    Parameters
    ----------
    scope : Scope
        The query.
    one : Path
        The path.

    Raises
    ------
    ListingFails
        If XNAT cannot translate it to SQL.
    """
    if not scope.model.declares(one.kind, one.path):
        raise ListingFails(f'{one.kind}/{one.path} is not a field.')
    if scope.model.level_of(one.kind) == 'subject' and scope.root_type in (
        'xnat:experimentData',
        'xnat:imageAssessorData',
    ):
        raise ListingFails(
            f'{scope.root_type} is not joined with {one.kind}; add a single xsiType.'
        )
    try:
        found = scope.path(one.kind, one.path)
    except LookupError as error:
        raise ListingFails(str(error)) from error
    if found is None:
        raise ListingFails(f'{one.kind}/{one.path} is not a field.')
    return found
