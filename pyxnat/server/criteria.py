"""Search documents read, and their criteria as SQL conditions.

The comparisons follow XNAT: equality is exact, LIKE ignores case and on a schema field means "contains", ``!=`` lets NULL through on a
display field and not on a schema field, IN and BETWEEN are for display fields, IS NULL wants ``override_value_formatting="1"``. All
values are bound parameters; a value that is to go into the SQL as it stands is read as a number or a quoted text, and nothing else.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from sqlalchemy import ColumnElement, and_, false, func, not_, or_
from werkzeug.exceptions import BadRequest, UnprocessableEntity

from ..documents import parse_xml
from .scope import Expression
from .values import parse_date, parse_stamp

__all__ = ['Criterion', 'SearchDocument', 'SearchField', 'condition', 'parse_document']

_ROOTS = frozenset({'bundle', 'search', 'stored_search'})


@dataclass(frozen=True)
class SearchField:
    """A column that a search asks for."""

    element: str
    field_id: str
    header: str = ''
    type: str = ''
    value: str = ''
    visible: bool = True


@dataclass(frozen=True)
class Criterion:
    """One comparison."""

    schema_field: str
    comparison: str
    value: str
    override: bool = False


@dataclass(frozen=True)
class CriteriaSet:
    """Comparisons and sets joined by AND or OR."""

    method: str
    parts: tuple[Criterion | CriteriaSet, ...]


@dataclass
class SearchDocument:
    """A search as posted."""

    id: str
    root: str
    fields: list[SearchField] = field(default_factory=list)
    where: list[CriteriaSet] = field(default_factory=list)
    sort_by: tuple[str, str] | None = None


def parse_document(body: bytes) -> SearchDocument:
    """The search of an XML document; `UnprocessableEntity` for one that is no search."""
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The search cannot be read: {error}') from error
    if etree.QName(root).localname not in _ROOTS:
        raise UnprocessableEntity(f'{etree.QName(root).localname} is not the root of a search.')
    name = _text(root, 'root_element_name')
    if not name:
        raise UnprocessableEntity('The search names no root element.')
    found = SearchDocument(root.get('ID', ''), name)
    fields = sorted(_children(root, 'search_field'), key=_sequence)
    found.fields = [_field(node) for node in fields]
    found.where = [_set(node) for node in _children(root, 'search_where')]
    for node in _children(root, 'sort_by'):
        found.sort_by = (_text(node, 'element_name'), _text(node, 'field_ID'))
    return found


def _children(node: etree._Element, *names: str) -> list[etree._Element]:
    return [child for child in node.iterchildren(tag=etree.Element) if etree.QName(child).localname in names]


def _text(node: etree._Element, name: str) -> str:
    return next(((child.text or '') for child in _children(node, name)), '').strip()


def _sequence(node: etree._Element) -> int:
    text = _text(node, 'sequence')
    return int(text) if text.lstrip('-').isdigit() else 0


def _field(node: etree._Element) -> SearchField:
    visible = node.get('visible', '1').lower() not in ('0', 'false')
    return SearchField(
        _text(node, 'element_name'), _text(node, 'field_ID'), _text(node, 'header'), _text(node, 'type'), _text(node, 'value'), visible
    )


def _set(node: etree._Element) -> CriteriaSet:
    parts: list[Criterion | CriteriaSet] = []
    for child in _children(node, 'criteria', 'child_set'):
        if etree.QName(child).localname == 'child_set':
            parts.append(_set(child))
            continue
        value = next(((one.text or '') for one in _children(child, 'value')), '')
        override = child.get('override_value_formatting', '0').lower() in ('1', 'true')
        parts.append(Criterion(_text(child, 'schema_field'), ' '.join(_text(child, 'comparison_type').upper().split()), value, override))
    method = node.get('method', 'AND').upper()
    if method not in ('AND', 'OR'):
        raise UnprocessableEntity(f'{method!r} is neither AND nor OR.')
    return CriteriaSet(method, tuple(parts))


# -- to SQL


def condition(sets: Sequence[CriteriaSet], resolve: Callable[[str], Expression]) -> ColumnElement[bool] | None:
    """The condition of all sets; None where they say nothing. `resolve` gives the expression of a schema_field."""
    found = [one for one in (_set_condition(part, resolve) for part in sets) if one is not None]
    return and_(*found) if found else None


def _set_condition(part: Criterion | CriteriaSet, resolve: Callable[[str], Expression]) -> ColumnElement[bool] | None:
    if isinstance(part, Criterion):
        return _compare(resolve(part.schema_field), part)
    found = [one for one in (_set_condition(inner, resolve) for inner in part.parts) if one is not None]
    if not found:
        return None
    return and_(*found) if part.method == 'AND' else or_(*found)


def _compare(expression: Expression, criterion: Criterion) -> ColumnElement[bool]:
    name, value = criterion.comparison, criterion.value
    if name in ('IS NULL', 'IS NOT NULL', 'IS', 'IS NOT'):
        return _null(expression, criterion)
    if value.strip() == '*' and name not in ('LIKE', 'NOT LIKE'):
        return _filled(expression)
    if criterion.override:
        value = _raw(value)
    if name in ('LIKE', 'NOT LIKE'):
        return _like(expression, value, name == 'NOT LIKE')
    if name == 'IN':
        return _in(expression, value)
    if name == 'BETWEEN':
        return _between(expression, value)
    if name not in _OPERATORS:
        raise BadRequest(f'{criterion.comparison!r} is not a comparison.')
    if value.strip() == '':
        empty = not_(_filled(expression))
        return _filled(expression) if name == '!=' else empty if name in ('=', '<=', '>=') else false()
    found = _OPERATORS[name](_left(expression), _operand(expression, value))
    return or_(found, expression.sql.is_(None)) if name == '!=' and not expression.schema_field else found


_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    '=': lambda left, right: left == right,
    '!=': lambda left, right: left != right,
    '<>': lambda left, right: left != right,
    '<': lambda left, right: left < right,
    '<=': lambda left, right: left <= right,
    '>': lambda left, right: left > right,
    '>=': lambda left, right: left >= right,
}


def _left(expression: Expression) -> ColumnElement[Any]:
    return expression.comparable


def _operand(expression: Expression, text: str) -> Any:
    """A value in the form its field compares by; `BadRequest` for one of another kind."""
    value = text.strip() if expression.kind != 'string' else text
    if expression.kind in ('integer', 'float'):
        try:
            return float(value)
        except ValueError as error:
            raise BadRequest(f'{value!r} is not a number.') from error
    if expression.kind == 'date':
        day = parse_date(value) or parse_date(value[:10])
        if day is None:
            raise BadRequest(f'{value!r} is not a date; use yyyy-MM-dd or MM/dd/yyyy.')
        return day.isoformat()
    if expression.kind == 'dateTime':
        moment = parse_stamp(value)
        if moment is None:
            raise BadRequest(f'{value!r} is not a date and time.')
        return f'{moment:%Y-%m-%d %H:%M:%S}'
    if expression.kind == 'boolean':
        return {'true': '1', 'false': '0'}.get(value.lower(), value)
    return value


def _filled(expression: Expression) -> ColumnElement[bool]:
    found = expression.sql.is_not(None)
    return and_(found, expression.sql != '') if expression.kind == 'string' else found


def _null(expression: Expression, criterion: Criterion) -> ColumnElement[bool]:
    if not criterion.override or not criterion.value.strip():
        raise BadRequest(f'{criterion.comparison} needs override_value_formatting="1" and a value that is not empty.')
    words = f'{criterion.comparison} {criterion.value.strip().upper()}'.split()
    negated = words.count('NOT') % 2 == 1
    return _filled(expression) if negated else not_(_filled(expression))


def _like(expression: Expression, value: str, negated: bool) -> ColumnElement[bool]:
    pattern = value
    if expression.schema_field:
        pattern = f'%{value.replace("*", "%").strip("%")}%'
    left = func.lower(expression.sql)
    return left.not_like(pattern.lower()) if negated else left.like(pattern.lower())


def _display_only(expression: Expression, name: str) -> None:
    if expression.schema_field:
        raise BadRequest(f'{name} works on display fields only, not on paths of the schema.')


def _in(expression: Expression, value: str) -> ColumnElement[bool]:
    _display_only(expression, 'IN')
    parts = next(csv.reader([value], skipinitialspace=True), [])
    return _left(expression).in_([_operand(expression, part.strip()) for part in parts])


def _between(expression: Expression, value: str) -> ColumnElement[bool]:
    _display_only(expression, 'BETWEEN')
    parts = re.split(r'\s+AND\s+', value.strip(), flags=re.IGNORECASE)
    if len(parts) != 2:
        raise BadRequest(f'BETWEEN wants "low AND high", not {value!r}.')
    low, high = (_operand(expression, part) for part in parts)
    return _left(expression).between(low, high)


def _raw(value: str) -> str:
    """A value that XNAT would put into its SQL as it stands: a number or a text in single quotes."""
    plain = value.strip()
    if re.fullmatch(r'[+-]?\d+(\.\d+)?', plain):
        return plain
    if re.fullmatch(r"'([^']|'')*'", plain):
        return plain[1:-1].replace("''", "'")
    raise BadRequest(f'{value!r} is neither a number nor a text in single quotes.')
