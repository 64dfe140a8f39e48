"""Search documents: XNAT's stored searches in XML.

A document is posted (``xdat:bundle`` or ``xdat:search``), saved under an ID, or made by the server
as the default listing of a type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lxml import etree

from ...model.xml import Node, parse_xml
from ..errors import BadRequest, RequestEntityTooLarge, UnprocessableEntity

__all__ = [
    'CriteriaSet',
    'Criterion',
    'SearchDocument',
    'SearchField',
    'in_projects',
    'parse_document',
    'write_document',
]

XDAT = 'http://nrg.wustl.edu/security'
XSI = 'http://www.w3.org/2001/XMLSchema-instance'
MAX_CRITERIA = 1_000
"""Most criteria of a search, and most of its fields. A list of values of one field, which clients
send as a criterion for each, counts as one."""
MAX_SEARCH = 2 * 2**20
"""Largest document of a search in bytes."""
MAX_DEPTH = 100
"""Deepest nesting of criteria."""
_ROOTS = frozenset({'bundle', 'search', 'Search', 'stored_search'})


@dataclass(frozen=True)
class SearchField:
    """Column of a search."""

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
    """Search as posted."""

    root: str
    """Name of the root element."""
    attributes: dict[str, str] = field(default_factory=dict)
    """ID, description, tag, secure, brief-description, allow-diff-columns, layered_sequence."""
    fields: list[SearchField] = field(default_factory=list)
    where: list[CriteriaSet] = field(default_factory=list)
    sort_by: tuple[str, str] | None = None
    users: tuple[str, ...] = ()
    """Logins of the users who may use the search."""
    groups: tuple[str, ...] = ()
    tag: str = 'bundle'
    """Name of the outer element: ``bundle`` or ``Search``."""

    @property
    def id(self) -> str:
        """ID; empty for an ad-hoc search."""
        return self.attributes.get('ID', '')

    def flag(self, name: str) -> bool:
        """Return a boolean attribute."""
        return _is_true(self.attributes.get(name, '0'))

    def elements(self) -> Iterator[str]:
        """Yield the data types in fields and criteria."""
        yield from (one.element for one in self.fields)
        yield from (
            re.split('[./]', one.schema_field)[0] for part in self.where for one in _criteria(part)
        )


def _criteria(part: CriteriaSet) -> Iterator[Criterion]:
    for one in part.parts:
        yield from _criteria(one) if isinstance(one, CriteriaSet) else (one,)


def _is_true(text: str) -> bool:
    return text.strip().lower() in ('1', 'true')


# -- reading


def parse_document(body: bytes | str) -> SearchDocument:
    """Parse the XML document of a search.

    Raises
    ------
    BadRequest
        If criteria are nested deeper than `MAX_DEPTH`.
    RequestEntityTooLarge
        For more than `MAX_CRITERIA` criteria or fields, and above `MAX_SEARCH` bytes.
    UnprocessableEntity
        For invalid XML, and for XML that is not a search.
    """
    if len(body) > MAX_SEARCH:
        raise RequestEntityTooLarge(f'A search can have {MAX_SEARCH} bytes.')
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The search is not valid XML: {error}') from error
    if etree.QName(root).localname not in _ROOTS:
        raise UnprocessableEntity(f'{etree.QName(root).localname} is not the root of a search.')
    _check_size(root)
    name = _text(root, 'root_element_name')
    if not name:
        raise UnprocessableEntity('The search has no root_element_name.')
    found = SearchDocument(
        name,
        {
            str(key): str(value)
            for key, value in root.attrib.items()
            if not str(key).startswith('{')
        },
    )
    found.tag = 'bundle' if etree.QName(root).localname == 'bundle' else 'Search'
    found.fields = [_field(node) for node in sorted(_children(root, 'search_field'), key=_sequence)]
    found.where = [_set(node) for node in _children(root, 'search_where')]
    for node in _children(root, 'sort_by'):
        for child in node.iterchildren(tag=etree.Element):
            if etree.QName(child).localname not in ('element_name', 'field_ID'):
                raise UnprocessableEntity(f'sort_by has no element {etree.QName(child).localname}.')
        found.sort_by = (_text(node, 'element_name'), _text(node, 'field_ID'))
    found.users = tuple(_texts(root, 'allowed_user', 'login'))
    found.groups = tuple(_texts(root, 'allowed_groups', 'groupID'))
    return found


def _check_size(root: Node) -> None:
    criteria = {
        (node.getparent(), _text(node, 'schema_field'), _text(node, 'comparison_type'))
        for node in root.iter('{*}criteria')
    }
    fields = sum(1 for _ in root.iter('{*}search_field'))
    for count, name in ((len(criteria), 'criteria'), (fields, 'fields')):
        if count > MAX_CRITERIA:
            raise RequestEntityTooLarge(f'A search can have {MAX_CRITERIA} {name}, not {count}.')
    for node in root.iter('{*}child_set'):
        if sum(1 for _ in node.iterancestors()) > MAX_DEPTH:
            raise BadRequest(f'The criteria are nested deeper than {MAX_DEPTH} levels.')


def _children(node: Node, *names: str) -> list[Node]:
    return [
        child
        for child in node.iterchildren(tag=etree.Element)
        if etree.QName(child).localname in names
    ]


def _text(node: Node, name: str) -> str:
    return next(((child.text or '') for child in _children(node, name)), '').strip()


def _texts(root: Node, holder: str, name: str) -> list[str]:
    """Return the distinct texts of elements in holders with a name."""
    found = [
        (child.text or '').strip()
        for node in _children(root, holder)
        for child in _children(node, name)
    ]
    return list(dict.fromkeys(text for text in found if text))


def _sequence(node: Node) -> int:
    text = _text(node, 'sequence')
    return int(text) if re.fullmatch(r'-?\d{1,9}', text) else 0


def _field(node: Node) -> SearchField:
    visible = node.get('visible', '1').lower() not in ('0', 'false')
    element, name, header, kind, value = (
        _text(node, one) for one in ('element_name', 'field_ID', 'header', 'type', 'value')
    )
    return SearchField(element, name, header, kind, value, visible)


def _set(node: Node) -> CriteriaSet:
    parts: list[Criterion | CriteriaSet] = []
    for child in _children(node, 'criteria', 'child_set'):
        if etree.QName(child).localname == 'child_set':
            parts.append(_set(child))
            continue
        value = next(((one.text or '') for one in _children(child, 'value')), '')
        override = _is_true(child.get('override_value_formatting', '0'))
        parts.append(
            Criterion(
                _text(child, 'schema_field'),
                ' '.join(_text(child, 'comparison_type').upper().split()),
                value,
                override,
            )
        )
    method = node.get('method', 'AND').upper()
    if method not in ('AND', 'OR'):
        raise UnprocessableEntity(f'The method {method!r} must be AND or OR.')
    return CriteriaSet(method, tuple(parts))


# -- writing


def in_projects(root: str, projects: Iterable[str]) -> CriteriaSet:
    """Return the criteria for items owned by some projects, or shared.

    They are written as in XNAT's own searches.

    Parameters
    ----------
    root : str
        Data type of the root.
    projects : Iterable[str]
        IDs of the projects.
    """
    paths = (f'{root}/sharing/share/project', f'{root}/PROJECT')
    return CriteriaSet(
        'OR', tuple(Criterion(path, '=', project) for project in projects for path in paths)
    )


def write_document(document: SearchDocument, places: str = '') -> bytes:
    """Write a search as XML, in the order of the schema.

    Parameters
    ----------
    document : SearchDocument
        The search.
    places : str
        Value of the schemaLocation; empty for none.
    """
    root = etree.Element(
        f'{{{XDAT}}}{document.tag}', nsmap={'xdat': XDAT, **({'xsi': XSI} if places else {})}
    )
    if places:
        root.set(f'{{{XSI}}}schemaLocation', places)
    for name, value in document.attributes.items():
        flag = name in ('secure', 'allow-diff-columns')
        root.set(name, str(int(_is_true(value))) if flag else value)
    _put(root, 'root_element_name', document.root)
    for number, one in enumerate(document.fields):
        _write_field(root, one, number)
    for part in document.where:
        _write_set(root, 'search_where', part)
    if document.sort_by is not None:
        node = _put(root, 'sort_by')
        _put(node, 'element_name', document.sort_by[0])
        _put(node, 'field_ID', document.sort_by[1])
    for login in document.users:
        _put(_put(root, 'allowed_user'), 'login', login)
    if document.groups:
        holder = _put(root, 'allowed_groups')
        for name in document.groups:
            _put(holder, 'groupID', name)
    found: bytes = etree.tostring(root, xml_declaration=True, encoding='UTF-8', pretty_print=True)
    return found


def _put(parent: Node, name: str, text: str = '') -> Node:
    node = etree.SubElement(parent, f'{{{XDAT}}}{name}')
    node.text = text or None
    return node


def _write_field(root: Node, one: SearchField, number: int) -> None:
    node = _put(root, 'search_field')
    if not one.visible:
        node.set('visible', '0')
    _put(node, 'element_name', one.element)
    _put(node, 'field_ID', one.field_id)
    _put(node, 'sequence', str(number))
    for name, text in (('type', one.type), ('header', one.header), ('value', one.value)):
        if text:
            _put(node, name, text)


def _write_set(parent: Node, name: str, part: CriteriaSet) -> None:
    node = _put(parent, name)
    node.set('method', part.method)
    for one in part.parts:
        if isinstance(one, CriteriaSet):
            _write_set(node, 'child_set', one)
            continue
        criterion = _put(node, 'criteria')
        criterion.set('override_value_formatting', str(int(one.override)))
        _put(criterion, 'schema_field', one.schema_field)
        _put(criterion, 'comparison_type', one.comparison)
        _put(criterion, 'value', one.value)
