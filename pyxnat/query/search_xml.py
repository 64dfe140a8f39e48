"""Search documents (``xdat:bundle``): XML that describes a search to XNAT.

A list or a range (``IN``, ``BETWEEN``) is one ``child_set`` of comparisons with one field. A nested
list that looks like one is wrapped in a further ``child_set``, so that reading the document gives
the same tuples; for XNAT the criteria mean the same.

Source: XNAT's schema ``security.xsd`` (stored_search), and documents of real sites.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lxml import etree

from ..errors import ProgrammingError, UnexpectedAnswer
from ..model.rows import size_of
from ..model.xml import Node, parse_xml
from .criteria import Constraint, Field, Group, is_rewriting, parse

__all__ = ['HEADERS', 'NAMESPACE', 'Bundle', 'read', 'write']

NAMESPACE = 'http://nrg.wustl.edu/security'
"""XML namespace of search documents."""

HEADERS = {'content-type': 'text/xml; charset=UTF-8'}
"""Headers of a request whose body is a search document."""

_XDAT = f'{{{NAMESPACE}}}'
_CRITERIA, _SET = f'{_XDAT}criteria', f'{_XDAT}child_set'
_NOTHING = Group('AND', ())


class Bundle(NamedTuple):
    """A search, with the name and the access rights of a saved one."""

    root: str
    """Data type of a row, such as ``xnat:subjectData``."""
    fields: Sequence[Field] = ()
    """Columns."""
    criteria: Group | None = None
    """`None` selects every row of the type."""
    name: str = ''
    description: str = ''
    is_public: bool = True
    users: Sequence[str] = ()
    """Logins that may use a search that is not public."""


def write(bundle: Bundle, identity: str = '') -> bytes:
    """Write a search as a document.

    Parameters
    ----------
    bundle : Bundle
        Search to write.
    identity : str
        ID of a search to save. Leave it empty for a search to run: XNAT would return an older
        result kept under the same ID, even with other criteria.

    Raises
    ------
    ProgrammingError
        A text holds a character that XML does not allow.
    """
    document = etree.Element(f'{_XDAT}bundle', nsmap={'xdat': NAMESPACE})
    _set(document, 'ID', identity)
    document.set('allow-diff-columns', '0')
    document.set('secure', '0' if bundle.is_public else '1')
    if bundle.name:
        _set(document, 'brief-description', bundle.name)
        _set(document, 'description', bundle.description)
    _leaf(document, 'root_element_name', bundle.root)
    for sequence, field in enumerate(bundle.fields):
        _write_field(document, sequence, field, field.name if bundle.name else str(field))
    if bundle.criteria is not None:
        _fill(
            etree.SubElement(document, f'{_XDAT}search_where', method=bundle.criteria.method),
            bundle.criteria,
        )
    for login in bundle.users:
        _leaf(etree.SubElement(document, f'{_XDAT}allowed_user'), 'login', login)
    return etree.tostring(document, xml_declaration=True, encoding='UTF-8')


def _write_field(document: Node, sequence: int, field: Field, header: str) -> None:
    """Write a column.

    XNAT returns its header as the key of the column in the rows: for a search that is not saved,
    the full field, so that no two columns share a key.
    """
    node = etree.SubElement(document, f'{_XDAT}search_field')
    _leaf(node, 'element_name', field.datatype)
    _leaf(node, 'field_ID', field.field_id)
    _leaf(node, 'sequence', str(sequence))
    _leaf(node, 'type', 'string')
    _leaf(node, 'header', header)
    if field.is_display_field and '=' in field.name:
        _leaf(node, 'value', field.name.partition('=')[2])


def _fill(node: Node, group: Group) -> None:
    for member in group.members:
        if isinstance(member, Group):
            _write_set(node, member)
            continue
        criteria = etree.SubElement(node, _CRITERIA)
        criteria.set('override_value_formatting', '1' if member.raw else '0')
        _leaf(criteria, 'schema_field', str(member.field))
        _leaf(criteria, 'comparison_type', member.operator)
        _leaf(criteria, 'value', member.value)


def _write_set(node: Node, group: Group) -> None:
    """Write a group inside another.

    If the group looks like a rewritten list or range, the number of ``child_set`` elements around
    it is even for a rewritten one and odd for a nested list.
    """
    lists, inner = _unwrapped(group)
    around = (
        lists if not is_rewriting(inner) else 2 * lists if inner.is_rewritten else 2 * lists + 1
    )
    for _ in range(around):
        node = etree.SubElement(node, _SET, method='AND')
    _fill(etree.SubElement(node, _SET, method=inner.method), inner)


def _unwrapped(group: Group) -> tuple[int, Group]:
    """Return the number of groups around a single group, and that group."""
    lists = 0
    while group.method == 'AND' and len(group.members) == 1 and isinstance(group.members[0], Group):
        group, lists = group.members[0], lists + 1
    return lists, group


def _leaf(parent: Node, name: str, text: str) -> None:
    node = etree.SubElement(parent, f'{_XDAT}{name}')
    try:
        node.text = text
    except ValueError as error:
        raise _unwritable(text) from error


def _set(node: Node, name: str, text: str) -> None:
    try:
        node.set(name, text)
    except ValueError as error:
        raise _unwritable(text) from error


def _unwritable(text: str) -> ProgrammingError:
    return ProgrammingError(
        f'{text!r} holds a character that XML does not allow',
        remedy='Leave out control characters.',
    )


def read(body: bytes) -> Bundle:
    """Read a search document, written by this library or another program.

    Raises
    ------
    UnexpectedAnswer
        The body is not a search document.
    ProgrammingError
        The criteria have no form as tuples, for example because they contain SQL.
    """
    try:
        document = parse_xml(body)
    except ValueError as error:
        raise UnexpectedAnswer(
            f'not a search: {error}', remedy='Look at the document itself: it is not XML.'
        ) from error
    root = _child_text(document, 'root_element_name')
    if not root:
        raise UnexpectedAnswer(
            f'{document.tag} is not a search',
            remedy='Look at the document itself: it names no type.',
        )
    return Bundle(
        root,
        [
            _read_field(node, root)
            for node in sorted(document.iterfind(f'{_XDAT}search_field'), key=_sequence)
        ],
        _read_where(list(document.iterfind(f'{_XDAT}search_where'))),
        document.get('brief-description', ''),
        document.get('description', ''),
        document.get('secure', '0') in ('0', 'false'),
        [_child_text(node, 'login') for node in document.iterfind(f'{_XDAT}allowed_user')],
    )


def _child_text(node: Node, name: str) -> str:
    return (node.findtext(f'{_XDAT}{name}') or '').strip()


def _sequence(node: Node) -> int:
    text = _child_text(node, 'sequence')
    return size_of(text) or 0


def _read_field(node: Node, root: str) -> Field:
    name, value = _child_text(node, 'field_ID'), _child_text(node, 'value')
    field = Field.parse(name, _child_text(node, 'element_name') or root)
    return (
        field._replace(name=f'{name}={value}')
        if value and field.is_display_field and '=' not in name
        else field
    )


def _read_where(nodes: list[Node]) -> Group | None:
    groups = [group for group in map(_read_group, nodes) if group.members]
    if len(groups) > 1:
        return Group('AND', tuple(groups))
    return groups[0] if groups else None


def _read_group(node: Node) -> Group:
    method = node.get('method', 'AND').upper()
    if method not in ('AND', 'OR'):
        raise UnexpectedAnswer(f'not a search: its criteria are joined by {method!r}')
    members = [*map(_read_criteria, node.iterfind(_CRITERIA)), *map(_read_set, node.iterfind(_SET))]
    kept = (member for member in members if member is not _NOTHING)
    return Group(method, tuple(sorted(kept, key=lambda member: isinstance(member, Group))))


def _read_set(node: Node) -> Constraint | Group:
    """Read a group: the inverse of `_write_set`."""
    around = 0
    while (
        node.find(_CRITERIA) is None
        and len(sets := node.findall(_SET)) == 1
        and node.get('method', 'AND').upper() == 'AND'
    ):
        node, around = sets[0], around + 1
    group = _read_group(node)
    if not group.members:
        return _NOTHING
    if is_rewriting(group):
        around, is_list = divmod(around, 2)
        group = group._replace(is_rewritten=not is_list)
    for _ in range(around):
        group = Group('AND', (group,))
    return group


def _read_criteria(node: Node) -> Constraint | Group:
    field = str(Field.parse(_child_text(node, 'schema_field')))
    operator = ' '.join(_child_text(node, 'comparison_type').upper().split())
    value: str | None = node.findtext(f'{_XDAT}value') or ''
    if operator.startswith('IS'):
        negated = f'{operator} {value}'.upper().split().count('NOT') == 1
        operator, value = '!=' if negated else '=', None
    elif node.get('override_value_formatting', '0').lower() in ('1', 'true'):
        value = _plain(field, value or '')
    (member,) = parse([(field, operator, value)]).members
    return member


def _plain(field: str, value: str) -> str:
    """Return the value of an SQL literal, a number or a text."""
    literal = re.fullmatch(r"\s*'((?:[^']|'')*)'\s*|\s*([+-]?\d+(?:\.\d+)?)\s*", value)
    if literal is None:
        raise ProgrammingError(
            f'{field} is compared with {value!r}, which is SQL',
            remedy='Fetch the results of the search, or its document.',
        )
    return literal.group(2) or literal.group(1).replace("''", "'")
