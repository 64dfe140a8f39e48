"""Search criteria: parser for lists of tuples, and the inverse.

Criteria are a list of constraints ``(field, operator, value)``, nested lists, and one ``'AND'``
or ``'OR'`` that joins them (default: AND)::

    [('xnat:mrSessionData/AGE', '>', 80),
     [('xnat:subjectData/GENDER', '=', 'female'),
      ('xnat:subjectData/HANDEDNESS', '=', 'left'),
      'OR'],
     'AND']

Values are text, numbers, booleans, dates and times, `None` (with ``=``: is empty, with ``!=``: is
not empty) and lists (with ``IN``, ``NOT IN``, ``BETWEEN``). Operators that XNAT's engine supports
for some fields only are rewritten to those that it supports for all: lists to ``=`` joined by OR,
ranges to two comparisons. Values that the engine would refuse or misread are an error.

Source: ``DisplayCriteria``, ``SearchCriteria`` and ``PoolDBUtils.HackCheck`` in XNAT 1.8.
"""

from __future__ import annotations

import datetime
import math
import numbers
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Union

import six

from ..errors import ProgrammingError
from ..model.forms import PREFIX, is_form_name
from ..patterns import pattern
from .criteria_text import parse_text
from .operators import OPERATORS, Operator, find_operator, find_rewritten

__all__ = [
    'Constraint',
    'Field',
    'Group',
    'Saved',
    'is_rewriting',
    'list_values',
    'parse',
    'parse_where',
    'spell',
]

_FIELD = re.compile(r'(?:([A-Za-z_][\w-]*:[A-Za-z_]\w*)(?:[/.]|$))?(.*)', re.DOTALL)
_VARIABLE = pattern(r'fields/field\[@?name\s*=(.*)\]/field', re.DOTALL)
_PLAIN_NAME = pattern(r'\w([\w .,:-]*\w)?')
_DISPLAY_FIELD = re.compile(
    r'[A-Z][A-Z0-9_]*(:[A-Z0-9]+_CUSTOM-FORM_[A-Z0-9_-]+)?(=.*)?', re.DOTALL
)
_BLANK = ' \t\r\n'
_HARMLESS = pattern(r'[A-Za-z0-9 _.;]*')
_SQL = pattern(r'(SELECT|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE) ')


class Field(NamedTuple):
    """A column or criterion: a data type and one of its fields."""

    datatype: str
    """``xnat:subjectData``; ``form:`` for a field of a custom form, whose type is looked up."""
    name: str
    """ID of a display field or path of the schema.

    ``AGE``, with an argument ``SUB_PROJECT_IDENTIFIER=P``; ``demographics/age``.
    """

    @classmethod
    def parse(cls, text: str, default: str = '') -> Field:
        """Parse a field such as ``xnat:mrSessionData/AGE``.

        Parameters
        ----------
        text : str
            Data type and name, joined by a slash or, as XNAT writes it, a dot.
        default : str
            Data type of a field without one.

        Raises
        ------
        ProgrammingError
            The data type or the name is missing.

        Notes
        -----
        XNAT fails for a path into demographics without their type: ``demographics/age`` becomes
        ``demographics[@xsi:type=xnat:demographicData]/age``. A custom variable of a subject whose
        name has brackets, slashes or other special characters becomes its display field.
        """
        if is_form_name(text):
            return cls(PREFIX, text.removeprefix(PREFIX))
        match = _FIELD.fullmatch(text)
        datatype, name = (match.group(1) or default, match.group(2)) if match else ('', '')
        if not datatype or not name:
            raise ProgrammingError(
                f'{text!r} is not a field',
                remedy="Write data type and field, such as 'xnat:mrSessionData/AGE'.",
            )
        return cls(datatype, _typed(datatype, name))

    @property
    def is_display_field(self) -> bool:
        """Whether the name is an ID of a display field (in capitals)."""
        return _DISPLAY_FIELD.fullmatch(self.name) is not None

    @property
    def field_id(self) -> str:
        """``field_ID`` in search documents: schema paths include the type."""
        return self.name if self.is_display_field else str(self)

    @property
    def is_text(self) -> bool:
        """Whether the values are text, judged by the name; those of forms are, to XNAT."""
        last = self.name.rpartition('/')[2]
        return self.is_of_form or not (
            _NO_TEXT if self.is_display_field else _NO_TEXT_AT
        ).fullmatch(last)

    @property
    def is_of_form(self) -> bool:
        """Whether it is a field of a custom form, by title and key."""
        return self.datatype == PREFIX

    def __str__(self) -> str:
        return f'{self.datatype}{self.name}' if self.is_of_form else f'{self.datatype}/{self.name}'


_TYPES = {'demographics': 'xnat:demographicData', 'metadata': 'xnat:subjectMetadata'}
"""Element of a subject whose type is abstract -> the concrete type to name in its path."""
_NO_TEXT = pattern(
    r'AGE|GEN_AGE|DOB|EDUC|SES|DATE|\w+_DATE|LAST_MODIFIED|LAUNCH_TIME|\w+_COUNT|SCAN_COUNT_\w+=.*|'
    r'CNT_\w+=.*'
)
"""Display fields of XNAT's own documents that hold numbers, dates or times."""
_NO_TEXT_AT = pattern(
    r'age|yob|dob|date|time|insert_date|last_modified|launch_time|startTime|frames'
)
"""Last steps of schema paths that hold numbers, dates or times."""


def _typed(datatype: str, name: str) -> str:
    is_field = datatype == 'xnat:subjectData' and name.startswith('fields/')
    variable = _VARIABLE.fullmatch(name) if is_field else None
    if variable is not None and variable.group(1).strip(_BLANK) != variable.group(1):
        raise ProgrammingError(
            f'{variable.group(1)!r} cannot be a criterion: XNAT ignores blanks around the name',
            remedy='Read it as a column of table(), and compare there.',
        )
    if variable is not None and not _PLAIN_NAME.fullmatch(variable.group(1)):
        return f'XNAT_SUBJECTDATA_FIELD_MAP={variable.group(1)}'
    first, slash, rest = name.partition('/')
    return (
        f'{first}[@xsi:type={_TYPES[first]}]/{rest}'
        if slash and datatype == 'xnat:subjectData' and first in _TYPES
        else name
    )


class Constraint(NamedTuple):
    """One comparison, as XNAT's engine takes it."""

    field: Field
    operator: str
    value: str
    raw: bool = False
    """The value is SQL, not to be quoted by the engine (only for NULL)."""


class Group(NamedTuple):
    """Constraints and groups joined by AND or OR."""

    method: str
    """``AND`` or ``OR``."""
    members: tuple[Union[Constraint, Group], ...]
    """Constraints first, the order of XNAT's documents."""
    is_rewritten: bool = False
    """The caller wrote one constraint (a list, a range), not a nested list."""

    def constraints(self) -> Iterator[Constraint]:
        """Yield all constraints, including those of nested groups."""
        for member in self.members:
            if isinstance(member, Constraint):
                yield member
            else:
                yield from member.constraints()

    def with_fields(self, fields: Mapping[Field, Field]) -> Group:
        """Return the same criteria with other fields in place of some."""
        members = [
            member._replace(field=fields.get(member.field, member.field))
            if isinstance(member, Constraint)
            else member.with_fields(fields)
            for member in self.members
        ]
        return self._replace(members=tuple(members))


class Saved(NamedTuple):
    """Reference to a saved search, or to a saved template with its values."""

    name: str
    values: tuple[tuple[str, Any], ...] | None = None
    """Keys of a template with their values; `None` for a search."""


def parse_where(
    constraints: Any = None, template: Any = None, query: str | None = None, default: str = ''
) -> Group | Saved:
    """Read the arguments of ``where``, of which exactly one must be given.

    Parameters
    ----------
    constraints : list or str, optional
        Criteria.
    template : pair, optional
        Name of a saved template and a dictionary of values for its keys.
    query : str, optional
        Name of a saved search.
    default : str
        Data type of fields without one.

    Returns
    -------
    Group or Saved
        Parsed criteria, or a reference to a search or template on the server.

    Raises
    ------
    ProgrammingError
        Not exactly one argument is given, or the criteria are invalid.
    """
    ways = [
        name
        for name, way in (('constraints', constraints), ('template', template), ('query', query))
        if way is not None
    ]
    if len(ways) != 1:
        remedy = (
            "Give criteria, or template=(name, {key: value}), or query='the name of a saved "
            "search'."
        )
        raise ProgrammingError(f'where: {" and ".join(ways) or "nothing"} was given', remedy=remedy)
    if constraints is not None:
        return parse(constraints, default)
    if query is not None:
        return Saved(_name(query))
    if not (
        isinstance(template, (tuple, list))
        and len(template) == 2
        and isinstance(template[1], Mapping)
    ):
        raise ProgrammingError(
            f'where: {template!r} is not a template',
            remedy='Give a pair of its name and a dictionary of values.',
        )
    return Saved(
        _name(template[0]),
        tuple(
            (key, tuple(value) if isinstance(value, list) else value)
            for key, value in template[1].items()
        ),
    )


def _name(name: Any) -> str:
    if not isinstance(name, (str, bytes)):
        raise ProgrammingError(
            f'where: {name!r} is not the name of a search', remedy='Give its name, as text.'
        )
    return six.ensure_text(name)


def parse(criteria: Any, default: str = '') -> Group:
    """Parse criteria.

    Parameters
    ----------
    criteria : list, tuple or str
        A list as the module describes it, a single constraint, or text
        (:mod:`pyxnat.query.criteria_text`).
    default : str
        Data type of fields without one.

    Raises
    ------
    ProgrammingError
        The criteria are invalid; the message names the part.
    """
    if isinstance(criteria, (str, bytes)):
        criteria = parse_text(six.ensure_text(criteria))
    if isinstance(criteria, tuple) and len(criteria) in (2, 3) and isinstance(criteria[0], str):
        criteria = [criteria]
    if not isinstance(criteria, (list, tuple)):
        raise ProgrammingError(
            f'criteria are a list, not {type(criteria).__name__}', remedy=_REMEDY
        )
    methods = {member.upper() for member in criteria if isinstance(member, str)}
    if not methods <= {'AND', 'OR'}:
        word = next(
            member
            for member in criteria
            if isinstance(member, str) and member.upper() not in ('AND', 'OR')
        )
        raise ProgrammingError(
            f'{word!r} is neither AND nor OR; a constraint is a tuple, not a list', remedy=_REMEDY
        )
    if len(methods) > 1:
        raise ProgrammingError(
            'one list of criteria is joined by AND or by OR, not by both', remedy=_REMEDY
        )
    unsorted = [_member(member, default) for member in criteria if not isinstance(member, str)]
    members = tuple(sorted(unsorted, key=lambda member: isinstance(member, Group)))
    if not members:
        raise ProgrammingError('the criteria hold no constraint', remedy=_REMEDY)
    return Group(methods.pop() if methods else 'AND', members)


_REMEDY = (
    "Write them as [('xnat:mrSessionData/AGE', '>', 80), ('xnat:subjectData/GENDER', '=', "
    "'female'), 'AND']; nest lists to mix AND and OR."
)


def _member(member: Any, default: str) -> Constraint | Group:
    if isinstance(member, list) or (
        isinstance(member, tuple) and member and not isinstance(member[0], str)
    ):
        return parse(list(member), default)
    if not isinstance(member, tuple) or len(member) not in (2, 3):
        raise ProgrammingError(
            f'{member!r} is not a constraint',
            remedy='A constraint is a tuple of field, operator and value.',
        )
    field = Field.parse(member[0], default)
    operator = find_operator(member[1])
    if len(member) == 2 and (operator is None or operator.kind != 'null'):
        raise ProgrammingError(
            f'{field} {member[1]}: there is no value to compare with',
            remedy='Give a value; use None for an empty one.',
        )
    return _constraint(field, member[1], member[2] if len(member) == 3 else None)


def _constraint(field: Field, spelling: Any, value: Any) -> Constraint | Group:
    operator = find_operator(spelling)
    if operator is None:
        raise ProgrammingError(
            f'{field}: {spelling!r} is not an operator',
            remedy=f'There are: {", ".join(OPERATORS)}.',
        )
    if f'{spelling} {value}'.upper().split() == ['IS', 'NOT', 'NULL']:
        operator, value = OPERATORS['!='], None
    if operator.kind in ('list', 'range') or _is_list(value):
        return _of_list(field, operator, value)
    is_null = operator.kind == 'equal' and str(value).upper() == 'NULL'
    if operator.kind == 'null' or _is_empty(value) or is_null:
        return _null(field, operator)
    text = _value_text(field, value)
    if operator.kind == 'pattern':
        if not field.is_text:
            raise ProgrammingError(
                f'{field}: {operator.name} is for texts, and fails for numbers and dates',
                remedy='Use BETWEEN, or < and >.',
            )
        text = text.replace('*', '%')
    elif text.strip(_BLANK) == '*':
        return _any_value(field, operator)
    return Constraint(field, operator.name, _allowed(field, text))


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes))


def _is_empty(value: Any) -> bool:
    text = value.decode('utf-8', 'replace') if isinstance(value, bytes) else value
    return text is None or (isinstance(text, str) and not text.strip(_BLANK))


def _of_list(field: Field, operator: Operator, value: Any) -> Group:
    values = list_values(operator, value)
    if operator.kind == 'range':
        if len(values) != len(operator.each):
            raise ProgrammingError(
                f'{field}: {operator.name} takes two values, not {len(values)}',
                remedy="Give a pair, or text 'a AND b'.",
            )
        ends = zip(operator.each, values, strict=True)
        return Group(
            operator.method, tuple(_compared(field, each, value) for each, value in ends), True
        )
    if operator.kind == 'equal':
        operator = OPERATORS['NOT IN' if operator.is_negated else 'IN']
    if operator.kind != 'list':
        raise ProgrammingError(
            f'{field}: {operator.name} does not take several values',
            remedy='Use IN, NOT IN or BETWEEN.',
        )
    if not values:
        raise ProgrammingError(
            f'{field}: {operator.name} with an empty list matches no row or every row',
            remedy='Leave the constraint out, or do not search.',
        )
    (each,) = operator.each
    return Group(operator.method, tuple(_compared(field, each, value) for value in values), True)


def _compared(field: Field, operator: str, value: Any) -> Constraint:
    """Return a comparison with a single value of a list."""
    if _is_list(value) or (isinstance(value, str) and value.strip(_BLANK) == '*'):
        raise ProgrammingError(
            f'{field}: {value!r} is not a value of a list',
            remedy='Give text, numbers, dates or None.',
        )
    constraint = _constraint(field, operator, value)
    assert isinstance(constraint, Constraint)
    return constraint


def list_values(operator: Operator, value: Any) -> list[Any]:
    """Return the values of a list or range; text is divided at commas, or at AND.

    Parameters
    ----------
    operator : Operator
        The operator.
    value : object
        Its value as the caller gave it.
    """
    if not isinstance(value, str):
        return list(value) if _is_list(value) else [value]
    if operator.kind == 'range':
        return re.split(r'\s+AND\s+', value.strip(), flags=re.IGNORECASE)
    return [
        quoted or plain.strip()
        for quoted, plain in re.findall(r'\s*(?:"([^"]*)"|([^,]+))\s*(?:,|$)', value)
    ]


def _null(field: Field, operator: Operator) -> Constraint:
    if operator.kind not in ('equal', 'null'):
        raise ProgrammingError(
            f'{field}: {operator.name} does not compare with an empty value',
            remedy="Use '=' or '!=' with None.",
        )
    return Constraint(field, 'IS NOT NULL' if operator.is_negated else 'IS NULL', 'NULL', raw=True)


def _any_value(field: Field, operator: Operator) -> Constraint:
    """Rewrite a single star, which XNAT reads as "any value"."""
    if operator.name != '=':
        raise ProgrammingError(
            f"{field} {operator.name} '*': a single star means any value for XNAT",
            remedy="Use '=' or '!=' with None, or LIKE.",
        )
    return _null(field, OPERATORS['IS NOT NULL'])


def _value_text(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return '1' if value else '0'
    if isinstance(value, datetime.datetime):
        return _moment(field, value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, numbers.Number) and not isinstance(value, complex):
        return _number(field, value)
    if isinstance(value, bytes):
        value = _decoded(field, value)
    if not isinstance(value, str):
        raise ProgrammingError(
            f'{field}: {type(value).__name__} is not a value',
            remedy='Use text, a number, a date, None or a list.',
        )
    return value


def _moment(field: Field, value: datetime.datetime) -> str:
    if value != value:  # pandas' NaT
        raise ProgrammingError(
            f'{field}: NaT is not a value', remedy='Use None for a missing value.'
        )
    if value.tzinfo is not None:
        raise ProgrammingError(
            f'{field}: {value} has a time zone',
            remedy="Give the server's local time, without a zone: XNAT stores none.",
        )
    return value.strftime('%Y-%m-%d %H:%M:%S')


def _number(field: Field, value: Any) -> str:
    if not math.isfinite(value):
        raise ProgrammingError(
            f'{field}: {value} is not a value', remedy='Use None for a missing value.'
        )
    is_fraction = isinstance(value, numbers.Rational) and not isinstance(value, numbers.Integral)
    return str(float(value) if is_fraction else value)


def _decoded(field: Field, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProgrammingError(
            f'{field}: {value!r} is not text in UTF-8', remedy='Give text.'
        ) from error


def _allowed(field: Field, text: str) -> str:
    """Check that XNAT does not refuse a value as an attack (``HackCheck``)."""
    if text.endswith('\\'):
        raise ProgrammingError(
            f'{field}: XNAT refuses {text!r}, which ends in a backslash',
            remedy="Use LIKE, with '_' in place of the backslash.",
        )
    word = _SQL.search(text)
    if word and not _HARMLESS.fullmatch(text):
        raise ProgrammingError(
            f'{field}: XNAT refuses {text!r} because of the SQL word {word.group(1)}',
            remedy="Use LIKE, with '_' in place of the blank after that word.",
        )
    return text


def spell(group: Group) -> list[Any]:
    """Return a group as a list of tuples: the inverse of `parse`.

    Values are text, lists of text and `None`.

    >>> spell(parse([('xnat:ctSessionData/AGE', 'in', [79, 82]), ('xnat:scanData/ID', '=', None)]))
    [('xnat:scanData/ID', '=', None), ('xnat:ctSessionData/AGE', 'IN', ['79', '82']), 'AND']
    """
    return [*map(_spelled, group.members), group.method]


def _spelled(member: Constraint | Group) -> Any:
    if isinstance(member, Constraint):
        return str(member.field), _NULLS.get(member.operator, member.operator), _value(member)
    if not member.is_rewritten:
        return spell(member)
    constraints = list(member.constraints())
    operator = _rewritten_from(constraints, member.method)
    assert operator is not None
    return str(constraints[0].field), operator.name, list(map(_value, constraints))


def _rewritten_from(constraints: list[Constraint], method: str) -> Operator | None:
    names = [_NULLS.get(constraint.operator, constraint.operator) for constraint in constraints]
    return find_rewritten(names, method)


def _value(constraint: Constraint) -> str | None:
    return None if constraint.operator in _NULLS else constraint.value


_NULLS = {'IS NULL': '=', 'IS NOT NULL': '!='}


def is_rewriting(group: Group) -> bool:
    """Return whether the members look like a rewritten list or range."""
    if not all(isinstance(member, Constraint) for member in group.members):
        return False
    constraints = list(group.constraints())
    alike = _rewritten_from(constraints, group.method) is not None
    return alike and len({constraint.field for constraint in constraints}) == 1
