"""Settings of fields read from a request, and how they change an item.

Fields come from an XML document, an urlencoded form, and, on top of both, the query. What the item's type does not have is passed
over silently, as XNAT does; a value that a field cannot hold is refused with the list of reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree
from werkzeug.exceptions import BadRequest, UnprocessableEntity

from ..documents import parse_xml
from ..names import READ_ONLY, short_name
from ..schemas import canonical
from .calls import Call
from .keys import is_complete, pick_of, steps, storage_key
from .model import Model, split_path
from .values import normalise

__all__ = ['TYPE_LEAF', 'Document', 'merged', 'part_of', 'read_document', 'validated']

XSI_TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'
_SHARE = 'sharing/share/'
TYPE_LEAF = 'xsi:type'
"""Last step of the key that keeps the type of one of several nested elements."""
_XML = frozenset({'text/xml', 'application/xml'})
CORE = frozenset({'ID', 'label', 'project', 'subject_ID', 'image_session_ID', 'imageSession_ID', 'xnat_imageScanData_id'})
"""Paths that have a column of their own or follow from the tree."""
RESERVED = frozenset(
    {'format', 'xsiType', 'ELEMENT_0', 'req_format', 'inbody', 'event_id', 'event_type', 'event_action', 'event_reason', 'event_comment',
     'allowDataDeletion', 'removeFiles', 'triggerPipelines', 'fixScanTypes', 'pullDataFromHeaders', 'XNAT_CSRF', 'accessibility',
     'overwrite', 'primary', 'populateFromDB', 'loadExisting'}
)  # fmt: skip


@dataclass
class Document:
    """What a request says of one item."""

    xsi_type: str = ''
    fields: dict[str, str] = field(default_factory=dict)
    """Storage key to text; the empty text clears a field."""
    core: dict[str, str] = field(default_factory=dict)
    """ID, label, project, subject_ID."""
    children: list[tuple[str, Document]] = field(default_factory=list)
    """Level and document of the items inside."""
    share: dict[str, str] = field(default_factory=dict)
    """Project to share the item into, and its label there, where a query sets them as fields."""
    complete: bool = False
    """Whether it replaces the item's fields (``allowDataDeletion``) rather than being merged into them."""
    from_xml: bool = False


def read_document(call: Call, where: str, known_type: str = '') -> Document:
    """The document of a request for an item of a level; `known_type` is that of the existing item."""
    model = call.archive.model
    settings = list(call.query)
    document = Document()
    wanted = call.get('req_format').lower()
    if not call.has_body or wanted == 'qs':
        pass
    elif call.mimetype == 'multipart/form-data':
        told, parts = call.multipart()
        settings = told + settings
        body = next((data for name, kind, data in parts if name.lower().endswith('.xml') or kind in _XML), None)
        document = _from_xml(model, _parsed(body)) if body is not None else document
    elif wanted == 'form' or call.mimetype == 'application/x-www-form-urlencoded':
        settings = call.form() + settings
    elif call.mimetype in _XML or wanted in ('xml', 'inbody') or call.flag('inbody'):
        document = _from_xml(model, _parsed(call.document()))
    document.complete = document.from_xml and call.flag('allowDataDeletion')
    _choose_type(model, document, settings, where, known_type)
    _apply(model, document, settings, where)
    return document


def _parsed(body: bytes) -> etree._Element:
    try:
        return parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document cannot be read: {error}') from error


def _choose_type(model: Model, document: Document, settings: list[tuple[str, str]], where: str, known_type: str) -> None:
    """XML root, else xsiType, else the first full path, else what is there, else what the level has by default."""
    if document.xsi_type:
        return
    named = next((value for name, value in settings if name in ('xsiType', 'ELEMENT_0') and value), '')
    if not named and not known_type:
        paths = (split_path(name) for name, _ in settings)
        named = next((one[0] for one in paths if one), '')
        found = model.name(named)
        if found and not model.can_hold(found):
            named = ''
    if named:
        found = model.name(named)
        if found is None:
            raise BadRequest(f'{named} is not a data type of this archive.')
        named = found
    document.xsi_type = named or known_type or model.default_type(where)


def _apply(model: Model, document: Document, settings: Iterable[tuple[str, str]], where: str) -> None:
    kind = document.xsi_type or model.base_of(where)
    for name, value in settings:
        path = _setting_path(model, name, where, kind)
        if path is None:
            continue
        plain = canonical(path)
        if plain in CORE:
            document.core[plain] = value
            continue
        if plain.startswith(_SHARE):
            document.share[plain[len(_SHARE) :]] = value
            continue
        found = model.field(kind, path)
        if found is None or not found.kind:
            continue
        key = storage_key(found, path, default='0')
        if not is_complete(found, key):
            raise BadRequest(f'{name} does not tell which one: use [name=...] or a number from 0.')
        document.fields[key] = value


def _setting_path(model: Model, name: str, where: str, kind: str) -> str | None:
    """The path in the item's type that a parameter sets; None where it sets none."""
    full = split_path(name)
    if full is not None:
        return full[1] if model.registry.is_a(kind, full[0]) else None
    if name in RESERVED or name in READ_ONLY:
        return None
    short = short_name(where, name)
    return short.path if short is not None and not short.of else None


def validated(model: Model, document: Document) -> dict[str, str]:
    """The fields in the form they are stored in; `BadRequest` with all that is wrong with them."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for key, value in document.fields.items():
        if key.endswith(TYPE_LEAF):
            values[key] = value
            continue
        row = model.field(document.xsi_type, key)
        if row is None:
            continue
        try:
            values[key] = normalise(row, value) if value not in ('', 'NULL') else ''
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise BadRequest('; '.join(wrong))
    return values


# -- XML documents


def _from_xml(model: Model, root: etree._Element) -> Document:
    name = etree.QName(root)
    declared = root.get(XSI_TYPE)
    row = model.registry.get(_prefixed(model, root, declared)) if declared else model.registry.by_root(name.namespace or '', name.localname)
    row = row or model.registry.get(f'{model.registry.prefixes.get(name.namespace or "", "")}:{name.localname}')
    if row is None:
        raise UnprocessableEntity(f'{name.text} is not the root of a document that this archive knows.')
    return _element(model, root, row.name)


def _prefixed(model: Model, node: etree._Element, name: str) -> str:
    prefix, _, local = name.rpartition(':')
    return f'{model.registry.prefixes.get(node.nsmap.get(prefix or None) or "", prefix)}:{local}'


def _element(model: Model, node: etree._Element, xsi_type: str) -> Document:
    document = Document(xsi_type, from_xml=True)
    _Reader(model, document).read(node, '')
    return document


def part_of(model: Model, node: etree._Element, xsi_type: str, key: str) -> Document:
    """What a document says of one nested element of an item, whose key is given."""
    document = Document(xsi_type, from_xml=True)
    _Reader(model, document).read(node, key)
    return document


class _Reader:
    """Reads the document of one item: its values into `Document.fields`, the items inside it into `Document.children`."""

    def __init__(self, model: Model, document: Document) -> None:
        self._model = model
        self._document = document
        self._kind = document.xsi_type

    def read(self, node: etree._Element, key: str) -> None:
        """Attributes and children of a node, whose key is given."""
        for name, value in node.attrib.items():
            if not str(name).startswith('{'):
                self._keep(f'{key}/{name!s}'.lstrip('/'), str(value))
        used: set[str] = set()
        for child in node.iterchildren(tag=etree.Element):
            self._child(child, f'{key}/{etree.QName(child).localname}'.lstrip('/'), used)

    def _child(self, child: etree._Element, here: str, used: set[str]) -> None:
        where = self._model.child_at(self._kind, here)
        if where:
            self._document.children.append((where, _child(self._model, child, where)))
            return
        if self._model.is_link(self._kind, here):
            return
        if self._model.registry.repeats(self._kind, here):
            here = self._picked(child, here, used)
        declared = child.get(XSI_TYPE)
        if declared and '[' in here:
            self._document.fields[f'{here}/{TYPE_LEAF}'] = _prefixed(self._model, child, declared)
        text = (child.text or '').strip()
        row = self._model.registry.text_of(self._kind, here) if text else None
        if row is not None:
            leaf = f'/{row.path.rpartition("/")[2]}' if row.text else ''
            self._keep(here + leaf, text)
        self.read(child, here)

    def _picked(self, child: etree._Element, here: str, used: set[str]) -> str:
        """The key of one of several elements: by its name, where it has one of its own, else by its number."""
        plain, name = canonical(here), child.get('name') or ''
        pick = pick_of(plain, f'name={name}') if name else ''
        found = f'{here}[{pick}]'
        if not pick or found in used:
            number = sum(1 for one in used if one.rpartition('[')[0] == here)
            found = f'{here}[{number}]'
        used.add(found)
        return found

    def _keep(self, key: str, value: str) -> None:
        plain = canonical(key)
        if plain in CORE:
            self._document.core[plain] = value
            return
        row = self._model.field(self._kind, plain)
        if row is None or not row.kind or (key.endswith('/name') and steps(key)[-2].pick.startswith('name=')):
            return
        self._document.fields[storage_key(row, key)] = value


def _child(model: Model, node: etree._Element, where: str) -> Document:
    declared = node.get(XSI_TYPE)
    name = model.name(_prefixed(model, node, declared)) if declared else model.default_type(where)
    if not name or model.level_of(name) != where:
        raise UnprocessableEntity(f'{declared or "an element without xsi:type"} is not a data type of a {where}.')
    return _element(model, node, name)


# -- lists in documents


def merged(fields: dict[str, str], document: Document, values: dict[str, str]) -> dict[str, str]:
    """An item's fields with those of a request on top.

    What a document says of a repeated element without a name is, as in XNAT, one more of them unless there is such a one already;
    settings in a query, and all else, replace.
    """
    found = dict(fields)
    if not document.from_xml:
        return {**found, **values}
    known = _lists(fields)
    for (holder, pick), leaves in _lists(values).items():
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


def _lists(fields: dict[str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """The values of repeated elements by holder and pick."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key, value in fields.items():
        holder, bracket, rest = key.partition('[')
        pick, _, leaf = rest.partition(']')
        if bracket:
            found.setdefault((holder, pick), {})[leaf] = value
    return found
