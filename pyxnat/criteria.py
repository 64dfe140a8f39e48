"""Search criteria: from tuples to XNAT's search document and back.

Criteria are a list of constraints ``(field, operator, value)``, of nested lists, and of one ``'AND'`` or ``'OR'`` that joins them; without one, AND
is meant::

    [('xnat:mrSessionData/AGE', '>', 80),
     [('xnat:subjectData/GENDER', '=', 'female'), ('xnat:subjectData/HANDEDNESS', '=', 'left'), 'OR'],
     'AND']

Values are text, numbers, booleans, dates, `None` (with ``=``, ``!=``: is empty, is not) and lists (with ``IN``, ``NOT IN``, ``BETWEEN``). What XNAT's
engine offers for some fields only is rewritten to what it has for all: lists to ``=`` joined by OR, ranges to two comparisons.

Sources: the search document is XNAT's own schema (``security.xsd``, stored_search); the behaviour is that of ``DisplaySearch`` and
``SearchCriteria`` in XNAT 1.8.
"""

from __future__ import annotations

import datetime
import numbers
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Union

import six
from lxml import etree

from .errors import ProgrammingError
from .expressions import read

__all__ = ['NAMESPACE', 'OPERATORS', 'Constraint', 'Field', 'Group', 'parse', 'search_document']

NAMESPACE = 'http://nrg.wustl.edu/security'
"""XML namespace of search documents."""

OPERATORS = ('=', '!=', '<', '<=', '>', '>=', 'LIKE', 'NOT LIKE', 'IN', 'NOT IN', 'BETWEEN', 'IS NULL', 'IS NOT NULL')
"""Operators that criteria may use, in any case."""

_ALIASES = {'==': '=', '<>': '!=', 'IS': '=', 'IS NOT': '!='}
_DATATYPE = re.compile(r'[A-Za-z_][\w-]*:[A-Za-z_]\w*')
_DISPLAY_FIELD = re.compile(r'[A-Z][A-Z0-9_]*(=.*)?', re.DOTALL)


class Field(NamedTuple):
    """A column or criterion: a data type and one of its fields."""

    datatype: str
    """``xnat:subjectData``."""
    name: str
    """An ID of a display field (``AGE``; with an argument ``SUB_PROJECT_IDENTIFIER=P``) or a path of the schema (``demographics/age``)."""

    @classmethod
    def parse(cls, text: str, default: str = '') -> Field:
        """From ``xnat:subjectData/AGE``; without a data type the default is meant.

        Raises
        ------
        ProgrammingError
            When there is no data type or no field.
        """
        datatype, slash, name = text.partition('/')
        if not _DATATYPE.fullmatch(datatype):
            datatype, slash, name = default, '/', text
        if not datatype or not slash or not name:
            raise ProgrammingError(f'{text!r} is not a field', remedy="Write data type and field, such as 'xnat:subjectData/AGE'.")
        return cls(datatype, name)

    @property
    def is_display_field(self) -> bool:
        """Whether the name is an ID of the type's display document (capitals) and not a path of its schema."""
        return _DISPLAY_FIELD.fullmatch(self.name) is not None

    @property
    def field_id(self) -> str:
        """As the document's ``field_ID``: paths of the schema go with their data type."""
        return self.name if self.is_display_field else str(self)

    def __str__(self) -> str:
        return f'{self.datatype}/{self.name}'


class Constraint(NamedTuple):
    """One comparison, in the words of XNAT's engine."""

    field: Field
    operator: str
    value: str
    raw: bool = False
    """The value is SQL and is not quoted by the engine (only for NULL)."""


class Group(NamedTuple):
    """Constraints and groups that hold together (AND) or of which one holds (OR)."""

    method: str
    members: tuple[Union[Constraint, Group], ...]
    is_rewritten: bool = False
    """It stands for one constraint of the caller's (a list, a range), not for a nested list."""

    def constraints(self) -> Iterator[Constraint]:
        """All of them, nested ones too."""
        for member in self.members:
            if isinstance(member, Constraint):
                yield member
            else:
                yield from member.constraints()


def parse(criteria: Any, default: str = '') -> Group:
    """What criteria mean.

    Parameters
    ----------
    criteria : list or str
        See the module, and :mod:`pyxnat.expressions` for text. One constraint may stand by itself.
    default : str
        The data type of fields without one.

    Raises
    ------
    ProgrammingError
        Naming the part that cannot be.
    """
    if isinstance(criteria, (str, bytes)):
        criteria = read(six.ensure_text(criteria))
    if isinstance(criteria, tuple) and len(criteria) in (2, 3) and isinstance(criteria[0], str):
        criteria = [criteria]
    if not isinstance(criteria, (list, tuple)):
        raise ProgrammingError(f'criteria are a list, not {type(criteria).__name__}', remedy=_REMEDY)
    methods = {member.upper() for member in criteria if isinstance(member, str)}
    if not methods <= {'AND', 'OR'} or len(methods) > 1:
        raise ProgrammingError(f'one list of criteria is joined by one of AND and OR, not by {", ".join(sorted(methods))}', remedy=_REMEDY)
    members = tuple(_member(member, default) for member in criteria if not isinstance(member, str))
    if not members:
        raise ProgrammingError('the criteria hold no constraint', remedy=_REMEDY)
    return Group(methods.pop() if methods else 'AND', members)


_REMEDY = "Write them as [('xnat:mrSessionData/AGE', '>', 80), ('xnat:subjectData/GENDER', '=', 'female'), 'AND']; nest lists to mix AND and OR."


def _member(member: Any, default: str) -> Constraint | Group:
    if isinstance(member, list) or (isinstance(member, tuple) and member and not isinstance(member[0], str)):
        return parse(list(member), default)
    if not isinstance(member, tuple) or len(member) not in (2, 3):
        raise ProgrammingError(f'{member!r} is not a constraint', remedy='A constraint is a tuple of field, operator and value.')
    field = Field.parse(member[0], default)
    if len(member) == 2 and ' '.join(str(member[1]).upper().split()) not in ('IS NULL', 'IS NOT NULL'):
        raise ProgrammingError(f'{field} {member[1]}: compared with what?', remedy='Give a value; None means that there is none.')
    return _constraint(field, member[1], member[2] if len(member) == 3 else None)


def _constraint(field: Field, operator: Any, value: Any) -> Constraint | Group:
    name = ' '.join(str(operator).upper().split())
    name = _ALIASES.get(name, name)
    if name == '=' and str(operator).upper().strip() == 'IS' and ' '.join(str(value).upper().split()) == 'NOT NULL':
        name, value = '!=', None
    if name not in OPERATORS:
        raise ProgrammingError(f'{field}: {operator!r} is not an operator', remedy=f'There are: {", ".join(OPERATORS)}.')
    if name in ('IN', 'NOT IN', 'BETWEEN') or _is_list(value):
        return _of_list(field, name, value)
    if name in ('IS NULL', 'IS NOT NULL') or value is None or (name in ('=', '!=') and str(value).upper() == 'NULL'):
        return _null(field, name)
    text = _text(field, value)
    return Constraint(field, name, text.replace('*', '%') if name.endswith('LIKE') else text)


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _of_list(field: Field, operator: str, value: Any) -> Constraint | Group:
    values = _list(operator, value)
    if operator == 'BETWEEN':
        if len(values) != 2:
            raise ProgrammingError(f'{field}: BETWEEN takes two values, not {len(values)}', remedy="Give a pair, or text 'a AND b'.")
        return Group('AND', (Constraint(field, '>=', _text(field, values[0])), Constraint(field, '<=', _text(field, values[1]))), True)
    if operator not in ('IN', 'NOT IN', '=', '!='):
        raise ProgrammingError(f'{field}: {operator} does not take several values', remedy='Use IN, NOT IN or BETWEEN.')
    if not values:
        raise ProgrammingError(f'{field}: {operator} an empty list fits nothing, or everything', remedy='Leave the constraint out, or ask nothing.')
    each, method = ('!=', 'AND') if operator in ('NOT IN', '!=') else ('=', 'OR')
    return Group(method, tuple(_constraint(field, each, one) for one in values), True)


def _list(operator: str, value: Any) -> list[Any]:
    if not isinstance(value, str):
        return list(value) if _is_list(value) else [value]
    if operator == 'BETWEEN':
        return re.split(r'\s+AND\s+', value.strip(), flags=re.IGNORECASE)
    return [quoted or plain.strip() for quoted, plain in re.findall(r'\s*(?:"([^"]*)"|([^,]+))\s*(?:,|$)', value)]


def _null(field: Field, operator: str) -> Constraint:
    if operator in ('=', 'IS NULL'):
        return Constraint(field, 'IS NULL', 'NULL', raw=True)
    if operator in ('!=', 'IS NOT NULL'):
        return Constraint(field, 'IS NOT NULL', 'NULL', raw=True)
    raise ProgrammingError(f'{field}: {operator} does not compare with nothing', remedy="Use '=' or '!=' with None.")


def _text(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return '1' if value else '0'
    if isinstance(value, datetime.datetime):
        return value.strftime('%Y-%m-%d %H:%M:%S')
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, numbers.Number):
        if value != value:  # NaN is the number that differs from itself
            raise ProgrammingError(f'{field}: NaN is not a value', remedy='Use None for a missing value.')
        return str(value)
    if isinstance(value, bytes):
        value = _decoded(field, value)
    if not isinstance(value, str):
        raise ProgrammingError(f'{field}: {type(value).__name__} is not a value', remedy='Use text, a number, a date, None or a list.')
    if value.endswith('\\'):
        raise ProgrammingError(f'{field}: XNAT refuses a value that ends in a backslash', remedy="Use LIKE and '%'.")
    return value


def _decoded(field: Field, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProgrammingError(f'{field}: {value!r} is not text in UTF-8', remedy='Give text.') from error


def search_document(root: str, fields: Sequence[Field], criteria: Group | None = None) -> bytes:
    """The XML document of a search.

    Parameters
    ----------
    root : str
        The data type that makes a row: ``xnat:subjectData``.
    fields : sequence of Field
        The columns.
    criteria : Group, optional
        Without them every row of the type is meant.

    Notes
    -----
    The document has no ID: XNAT would answer with an older result that it has under the same ID, whatever the criteria now say.
    """
    document = etree.Element(f'{{{NAMESPACE}}}bundle', nsmap={'xdat': NAMESPACE})
    document.set('ID', '')
    document.set('allow-diff-columns', '0')
    document.set('secure', 'false')
    _leaf(document, 'root_element_name', root)
    for sequence, field in enumerate(fields):
        _search_field(document, sequence, field)
    if criteria is not None:
        _fill(etree.SubElement(document, f'{{{NAMESPACE}}}search_where', method=criteria.method), criteria)
    return etree.tostring(document, xml_declaration=True, encoding='UTF-8')


def _search_field(document: etree._Element, sequence: int, field: Field) -> None:
    node = etree.SubElement(document, f'{{{NAMESPACE}}}search_field')
    _leaf(node, 'element_name', field.datatype)
    _leaf(node, 'field_ID', field.field_id)
    _leaf(node, 'sequence', str(sequence))
    _leaf(node, 'type', 'string')
    _leaf(node, 'header', field.name)
    if field.is_display_field and '=' in field.name:
        _leaf(node, 'value', field.name.partition('=')[2])


def _fill(node: etree._Element, group: Group) -> None:
    for member in group.members:
        if isinstance(member, Group):
            _fill(etree.SubElement(node, f'{{{NAMESPACE}}}child_set', method=member.method), member)
            continue
        criteria = etree.SubElement(node, f'{{{NAMESPACE}}}criteria')
        criteria.set('override_value_formatting', '1' if member.raw else '0')
        _leaf(criteria, 'schema_field', str(member.field))
        _leaf(criteria, 'comparison_type', member.operator)
        _leaf(criteria, 'value', member.value)


def _leaf(parent: etree._Element, name: str, text: str) -> None:
    node = etree.SubElement(parent, f'{{{NAMESPACE}}}{name}')
    try:
        node.text = text
    except ValueError as error:
        raise ProgrammingError(f'{text!r} holds a character that XML cannot carry', remedy='Leave out control characters.') from error
