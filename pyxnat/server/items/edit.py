"""Fields of an item read from a request, and their validation.

Fields come from an XML document or a form, and from the query, which takes precedence. Invalid
values and missing required fields are refused with a list of reasons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from ...model.schemas import Field, canonical
from ...model.xml import Node, parse_xml
from ..context import Context
from ..db.json_keys import join, name_of, pick_of_name, steps, storage_key
from ..db.store import fields_of
from ..db.types import Model
from ..db.values import normalise, unless_null
from ..errors import BadRequest, ExpectationFailed, UnprocessableEntity
from .settings import CORE, Settings, read_settings

__all__ = [
    'TYPE_LEAF',
    'Document',
    'check_complete',
    'check_kept',
    'complete_document',
    'filled',
    'kept',
    'merged',
    'parse_item',
    'part_of',
    'text_of',
    'validated',
]

XSI_TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'
TYPE_LEAF = 'xsi:type'
"""Last step of the key that stores the type of a repeated element."""
_LINES = re.compile(r'\n*[^\n]+|\n+')
_ISO_DATE = re.compile(r'\d{4}-\d\d?-\d\d?')
_NAMED_TYPE = re.compile(r'@xsi:type=([^\]]+)')
_VARIABLE = re.compile(r'fields/field\[name=[^\]]*\]/field')
_EMPTIED = 'demographics/'
"""Start of the fields of a subject that a complete document clears."""


@dataclass
class Document:
    """Content of a request for one item."""

    xsi_type: str = ''
    fields: dict[str, str] = field(default_factory=dict)
    """Storage key to text; the empty text clears a field."""
    core: dict[str, str] = field(default_factory=dict)
    """ID, label, project, subject_ID."""
    children: list[tuple[str, Document]] = field(default_factory=list)
    """Level and document of the child items."""
    share: dict[str, str] = field(default_factory=dict)
    """Project to share the item into, and its label there, if a query sets them as fields."""
    complete: bool = False
    """Whether it replaces the item's fields (``allowDataDeletion``) instead of being merged."""
    exact: bool = False
    """Whether the item gets these fields and keeps no other; only in requests of this process."""
    from_xml: bool = False
    is_inside: bool = False
    """Whether it is in another item's document: it needs an ID, and no unknown attributes."""
    links: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and attributes of the resources and shares in the document."""
    is_named: bool = False
    """Whether the request has the type itself, and not only in paths."""
    elements: set[str] = field(default_factory=set)
    """Names of the elements directly below the root."""


def complete_document(
    context: Context,
    document: Document,
    form: list[tuple[str, str]],
    where: str,
    known: Any = None,
    short: bool = True,
) -> Document:
    """Add the settings of a form and of the query to a document; return it.

    Parameters
    ----------
    context : Context
        The request.
    document : Document
        Document in the body; empty without one.
    form : list of tuple
        Names and values of a form's fields.
    where : str
        Level of the item.
    known : Any
        Row of the existing item, if any.
    short : bool
        Whether short names count in the query: they do not on routes of experiments without a
        subject.

    Raises
    ------
    BadRequest
        For an unknown type.
    """
    model = context.archive.model
    document.complete = document.from_xml and context.flag('allowDataDeletion')
    known_type = str(known.xsi_type) if known is not None else ''
    is_named = any(name in ('xsiType', 'ELEMENT_0') for name, _ in context.query)
    default = '' if short or is_named else model.default_type(where)
    _choose_type(model, document, form + context.query, where, known_type or default)
    kind = document.xsi_type or model.base_of(where)
    before = {**(fields_of(known) if known is not None else {}), **document.fields}
    for pairs, names in ((form + context.query if form else [], False), (context.query, short)):
        is_new = known is None or where == 'scan'  # XNAT does not read a scan before it writes it
        has_type = document.is_named or bool(model.default_type(where))
        _apply(document, read_settings(model, kind, where, pairs, before, names), is_new, has_type)
        before.update(document.fields)
    return document


def parse_item(model: Model, body: bytes) -> Document:
    """Parse the XML document of an item.

    Parameters
    ----------
    model : Model
        The data types.
    body : bytes
        The document.

    Raises
    ------
    UnprocessableEntity
        For invalid XML, and for XML that is not of an item.
    """
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document is not valid XML: {error}') from error
    return _from_xml(model, root)


def _choose_type(
    model: Model, document: Document, settings: list[tuple[str, str]], where: str, known_type: str
) -> None:
    """Choose the data type of a document.

    In order of precedence: the XML root, xsiType, the existing item, the default of the level, the
    first full path.
    """
    if document.xsi_type:
        return
    named = next(
        (value for name, value in settings if name in ('xsiType', 'ELEMENT_0') and value), ''
    )
    document.is_named = bool(named)
    named = (
        named
        or known_type
        or model.default_type(where)
        or next((name.partition('/')[0] for name, _ in settings if ':' in name and '/' in name), '')
    )
    found = model.name(named) if named else ''
    if found is None:
        raise BadRequest(f'Element not found: {named!r}')
    document.xsi_type = found


def _apply(document: Document, found: Settings, is_new: bool, has_type: bool) -> None:
    """Add settings to a document; if reading them stopped, none to a new item."""
    if found.is_broken and is_new and not document.from_xml:
        if not has_type:
            raise ExpectationFailed(
                'Need PUT Contents: name the type with xsiType, and paths that the type has.'
            )
        document.fields.update(found.forced)
        return
    document.fields.update(found.fields)
    document.core.update(found.core)
    document.share.update(found.share)


def validated(model: Model, document: Document) -> dict[str, str]:
    """Return the fields in stored form; empty texts for those to clear.

    Raises `BadRequest` for invalid values, with all reasons.

    Parameters
    ----------
    model : Model
        The data types.
    document : Document
        The document.
    """
    values: dict[str, str] = {}
    wrong: list[str] = []
    for key, value in document.fields.items():
        row = None if key.endswith(TYPE_LEAF) else model.field(document.xsi_type, key)
        if row is None:
            values[key] = value
            continue
        try:
            if (
                document.from_xml
                and row.kind == 'date'
                and unless_null(value)
                and not _ISO_DATE.match(value.strip())
            ):
                raise ValueError(f'{value!r} Must Be A Valid Date: write yyyy-MM-dd in documents')
            values[key] = (
                '' if unless_null(value) is None and not row.choices else normalise(row, value)
            )
        except ValueError as error:
            wrong.append(_complaint(document.xsi_type, row, str(error)))
    if wrong:
        raise BadRequest(' '.join(wrong))
    return values


def check_complete(model: Model, xsi_type: str, fields: dict[str, str]) -> None:
    """Check that all required fields of an item have values.

    Those of a nested element are required only if the element exists. Raises `BadRequest` with all
    missing fields.

    Parameters
    ----------
    model : Model
        The data types.
    xsi_type : str
        Data type of the item.
    fields : dict[str, str]
        Storage key to value.
    """
    required = (
        row
        for row in model.registry.fields(xsi_type)
        if row.required and row.kind and canonical(row.path) not in CORE
    )
    wrong = [
        _complaint(xsi_type, row, 'Required Field') for row in required if _is_missing(row, fields)
    ]
    if wrong:
        raise BadRequest(' '.join(wrong))


def _complaint(xsi_type: str, row: Field, text: str) -> str:
    name = canonical(row.path).rpartition('/')[2]
    return (
        f"The content of element '{xsi_type}' is not complete. "
        f'\'{{"{row.namespaces[-1]}":{name}}}\' {text}'
    )


def _is_missing(row: Field, fields: dict[str, str]) -> bool:
    """Whether a field lacks a value in one of the elements that need it."""
    above, _, name = canonical(row.path).rpartition('/')
    if not above:
        return not fields.get(name)
    depth = above.count('/') + 1
    there = {
        join(steps(key)[:depth])
        for key, value in fields.items()
        if value and canonical(key).startswith(above + '/')
    }
    return any(
        not fields.get(f'{one}/{name}') and not (name == 'name' and name_of(steps(one)[-1].pick))
        for one in there
    )


# -- XML documents


def _from_xml(model: Model, root: Node) -> Document:
    name = etree.QName(root)
    declared = root.get(XSI_TYPE)
    row = (
        model.registry.get(_prefixed(model, root, declared))
        if declared
        else model.registry.by_root(name.namespace or '', name.localname)
    )
    row = row or model.registry.get(
        f'{model.registry.prefixes.get(name.namespace or "", "xnat")}:{name.localname}'
    )
    row = row or next(
        (one for one in model.registry if not name.namespace and one.root == name.localname), None
    )
    if row is None:
        raise UnprocessableEntity(f"Invalid Element '{name.namespace}:{name.localname}'")
    return _element(model, root, row.name)


def _prefixed(model: Model, node: Node, name: str) -> str:
    prefix, _, local = name.rpartition(':')
    return f'{model.registry.prefixes.get(node.nsmap.get(prefix or None) or "", prefix)}:{local}'


def _element(model: Model, node: Node, xsi_type: str, is_inside: bool = False) -> Document:
    document = Document(xsi_type, from_xml=True, is_inside=is_inside)
    _Reader(model, document).read(node, '')
    return document


def part_of(model: Model, node: Node, xsi_type: str, key: str) -> Document:
    """Read the document of one nested element of an item.

    Parameters
    ----------
    model : Model
        The data types.
    node : Node
        The element.
    xsi_type : str
        Data type of the item.
    key : str
        Storage key of the nested element.
    """
    document = Document(xsi_type, from_xml=True)
    _Reader(model, document).read(node, key)
    return document


class _Reader:
    """Reader of one item's document into `Document.fields` and children."""

    def __init__(self, model: Model, document: Document) -> None:
        self._model = model
        self._document = document
        self._kind = document.xsi_type

    def read(self, node: Node, key: str, types: frozenset[str] = frozenset()) -> None:
        """Read the attributes and children of a node.

        Parameters
        ----------
        node : Node
            The node.
        key : str
            Its storage key.
        types : frozenset[str]
            Types that elements above the node, or the node, declare.
        """
        for name, value in _attributes(node):
            if (
                value
                and not self._store(f'{key}/{name}'.lstrip('/'), value, types)
                and (key or self._document.is_inside)
            ):
                raise UnprocessableEntity(
                    f"Invalid attribute '{name}' of '{self._kind}/{canonical(key)}'"
                )
        used: set[str] = set()
        for child in node.iterchildren(tag=etree.Element):
            self._child(child, f'{key}/{etree.QName(child).localname}'.lstrip('/'), used, types)

    def _child(self, child: Node, here: str, used: set[str], types: frozenset[str]) -> None:
        self._document.elements.add(here.partition('/')[0])
        where = self._model.child_at(self._kind, here)
        if where:
            self._document.children.append((where, _child(self._model, child, where)))
            return
        if self._model.is_link(self._kind, here):
            self._document.links.append((canonical(here), dict(_attributes(child))))
            return
        if self._model.registry.repeats(self._kind, here):
            here = self._repeated_key(child, here, used)
        declared = child.get(XSI_TYPE)
        if declared:
            types |= {_prefixed(self._model, child, declared)}
        if declared and '[' in here:
            self._document.fields[f'{here}/{TYPE_LEAF}'] = _prefixed(self._model, child, declared)
        self._text(child, here, types)
        self.read(child, here, types)

    def _text(self, child: Node, here: str, types: frozenset[str]) -> None:
        text = text_of(child)
        if not text:
            return
        row = self._model.registry.text_of(self._kind, here)
        leaf = f'/{row.path.rpartition("/")[2]}' if row is not None and row.text else ''
        if row is None or not self._store(here + leaf, text, types):
            raise UnprocessableEntity(f"Invalid field '{canonical(here).rpartition('/')[2]}'")

    def _repeated_key(self, child: Node, here: str, used: set[str]) -> str:
        """Return the key of a repeated element, by unique name or by number."""
        name = child.get('name') or ''
        pick = pick_of_name(name) if name and name != 'NULL' else ''
        found = f'{here}[{pick}]'
        if not pick or found in used:
            number = sum(1 for one in used if one.rpartition('[')[0] == here)
            found = f'{here}[{number}]'
        used.add(found)
        return found

    def _store(self, key: str, value: str, types: frozenset[str]) -> bool:
        """Store a value; return False if the type has no such field."""
        plain = canonical(key)
        if plain in CORE:
            self._document.core[plain] = value
            return True
        if key.endswith('/name') and name_of(steps(key)[-2].pick):
            return True
        row = self._model.field(self._kind, plain)
        if row is None or not row.kind or not set(_NAMED_TYPE.findall(row.path)) <= types:
            return False
        self._document.fields[storage_key(row, key)] = value
        return True


def _attributes(node: Node) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a node that are fields."""
    for name, value in node.attrib.items():
        if not str(name).startswith('{'):
            yield str(name), str(value)


def text_of(node: Node) -> str:
    """Return the text of an element as XNAT's parser reads it.

    The parser returns a piece per line and comment; blank pieces are lost, others are unchanged.
    """
    pieces = [
        node.text or '',
        *(child.tail or '' for child in node if not isinstance(child.tag, str)),
    ]
    return ''.join(line for piece in pieces for line in _LINES.findall(piece) if line.strip())


def _child(model: Model, node: Node, where: str) -> Document:
    declared = node.get(XSI_TYPE)
    name = model.name(_prefixed(model, node, declared)) if declared else model.base_of(where)
    if not name or model.level_of(name) != where:
        raise UnprocessableEntity(f'{declared} is not a data type of a {where}.')
    return _element(model, node, name, True)


# -- lists in documents


def merged(fields: dict[str, str], document: Document, values: dict[str, str]) -> dict[str, str]:
    """Return the fields of an item updated with those of a document.

    As in XNAT, an unnamed repeated element in a document is added, unless an equal one exists.
    Settings in a query, and all other values, replace.

    Parameters
    ----------
    fields : dict[str, str]
        Fields of the item, by storage key.
    document : Document
        The document.
    values : dict[str, str]
        Validated fields of the document.
    """
    found = dict(fields)
    if not document.from_xml:
        return {**found, **values}
    known = _repeated_values(fields)
    for (holder, pick), leaves in _repeated_values(values).items():
        if not pick.isdecimal():
            found.update({f'{holder}[{pick}]{leaf}': value for leaf, value in leaves.items()})
            continue
        siblings = {other: inner for (name, other), inner in known.items() if name == holder}
        if leaves in siblings.values():
            continue
        number = len(siblings)
        known[holder, str(number)] = leaves
        found.update({f'{holder}[{number}]{leaf}': value for leaf, value in leaves.items()})
    found.update({key: value for key, value in values.items() if '[' not in key})
    return found


def filled(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields to store: those with a value, and custom variables.

    The name of a custom variable stays when its value is cleared.
    """
    return {key: value for key, value in fields.items() if value != '' or _VARIABLE.fullmatch(key)}


def kept(model: Model, where: str, fields: dict[str, str], document: Document) -> dict[str, str]:
    """Return the fields that a document does not remove.

    Those of custom forms if it is exact, and all of them unless it is complete
    (``allowDataDeletion``). Then a subject loses its demographics if the document has that element;
    other items lose all fields except attributes and custom variables, and a reconstruction keeps
    its processing steps. A project loses nothing.

    Parameters
    ----------
    model : Model
        The data types.
    where : str
        Level of the item.
    fields : dict[str, str]
        Fields of the item, by storage key.
    document : Document
        The document.
    """
    if document.exact:
        return {key: value for key, value in fields.items() if key == 'custom_fields'}
    if not document.complete:
        return dict(fields)
    if where in ('project', 'subject'):
        return {
            key: value
            for key, value in fields.items()
            if not (key.startswith(_EMPTIED) and 'demographics' in document.elements)
        }
    stay = ('fields/field[', 'provenance/') if where == 'reconstruction' else ('fields/field[',)
    rows = {key: model.field(document.xsi_type, key) for key in fields}
    attributes = {
        key for key, row in rows.items() if row is not None and row.attribute and '/' not in key
    }
    return {
        key: value for key, value in fields.items() if key in attributes or key.startswith(stay)
    }


def check_kept(
    where: str, held: dict[str, str], fields: dict[str, str], document: Document
) -> None:
    """Check that a complete document does not clear all demographics.

    Raises `BadRequest` if it does: XNAT fails in that case and keeps them.

    Parameters
    ----------
    where : str
        Level of the item.
    held : dict[str, str]
        Fields of the item, by storage key.
    fields : dict[str, str]
        Fields with the document merged in.
    document : Document
        The document.
    """
    before, after = (
        [key for key, value in some.items() if key.startswith(_EMPTIED) and value]
        for some in (held, fields)
    )
    if document.complete and where == 'subject' and before and not after:
        raise BadRequest(
            'allowDataDeletion cannot clear all demographics of a subject: leave one of their '
            'fields in the document.'
        )


def _repeated_values(fields: dict[str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """Return the values of repeated elements, by holder and pick."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in fields.items():
        holder, bracket, rest = key.partition('[')
        pick, _, leaf = rest.partition(']')
        if bracket:
            found.setdefault((holder, pick), {})[leaf] = value
    return found
