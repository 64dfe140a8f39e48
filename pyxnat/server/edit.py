"""Settings of fields read from a request, and how they change an item.

Fields come from an XML document, an urlencoded form, and, on top of both, the query. What the item's type does not have is passed
over silently, as XNAT does; a value that a field cannot hold is refused with the list of reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree
from werkzeug.exceptions import BadRequest, UnprocessableEntity

from ..schemas import Field, canonical, normalise, parse_xml
from .calls import Call
from .model import Model, split_path
from .names import READ_ONLY, short_name
from .scope import storage_key

__all__ = ['Document', 'read_document', 'validated']

XSI_TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'
_XML = frozenset({'text/xml', 'application/xml'})
CORE = frozenset({'ID', 'label', 'project', 'subject_ID', 'image_session_ID', 'imageSession_ID', 'xnat_imageScanData_id'})
"""Paths that have a column of their own or follow from the tree."""
_CHILD_LEVELS = {
    'experiments/experiment': 'experiment',
    'scans/scan': 'scan',
    'reconstructions/reconstructedImage': 'reconstruction',
    'assessors/assessor': 'assessor',
}
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
    complete: bool = False
    """Whether it replaces the item's fields (``allowDataDeletion``) rather than being merged into them."""


def read_document(call: Call, where: str, known_type: str = '') -> Document:
    """The document of a request for an item of a level; `known_type` is that of the existing item."""
    model = call.archive.model
    settings = list(call.query)
    document = Document()
    if call.has_body and _is_xml(call):
        document = _from_xml(model, _xml_body(call))
    elif call.has_body and call.mimetype in ('application/x-www-form-urlencoded', 'multipart/form-data'):
        settings = call.form() + settings
    document.complete = call.flag('allowDataDeletion')
    _choose_type(model, document, settings, where, known_type)
    _apply(model, document, settings, where)
    return document


def _is_xml(call: Call) -> bool:
    return call.mimetype in _XML or call.get('req_format') in ('xml', 'inbody') or call.flag('inbody')


def _xml_body(call: Call) -> etree._Element:
    try:
        return parse_xml(call.document())
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
        found = model.registry.field(kind, path)
        if found is not None and found.kind and _addressed(found, path):
            document.fields[storage_key(found, path)] = value


def _setting_path(model: Model, name: str, where: str, kind: str) -> str | None:
    """The path in the item's type that a parameter sets; None where it sets none."""
    full = split_path(name)
    if full is not None:
        return full[1] if model.registry.is_a(kind, full[0]) else None
    if name in RESERVED or name in READ_ONLY:
        return None
    short = short_name(where, name)
    return short.path if short is not None and not short.of else None


def _addressed(row: Field, path: str) -> bool:
    return not row.repeated or '[' in path


def validated(model: Model, document: Document) -> dict[str, str]:
    """The fields in the form they are stored in; `BadRequest` with all that is wrong with them."""
    values: dict[str, str] = {}
    wrong: list[str] = []
    for key, value in document.fields.items():
        row = model.registry.field(document.xsi_type, key)
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
    if row is None:
        raise UnprocessableEntity(f'{name.text} is not the root of a document that this archive knows.')
    return _element(model, root, row.name)


def _prefixed(model: Model, node: etree._Element, name: str) -> str:
    prefix, _, local = name.rpartition(':')
    return f'{model.registry.prefixes.get(node.nsmap.get(prefix or None) or "", prefix)}:{local}'


def _element(model: Model, node: etree._Element, xsi_type: str) -> Document:
    document = Document(xsi_type)
    for path, value in _walk(model, document, node, ''):
        plain = canonical(path)
        if plain in CORE:
            document.core[plain] = value
        elif (row := model.registry.field(xsi_type, path)) is not None and row.kind:
            document.fields[path] = value
    return document


def _walk(model: Model, document: Document, node: etree._Element, path: str) -> Iterator[tuple[str, str]]:
    """Paths and texts of a node; items inside go to the document's children."""
    for name, value in node.attrib.items():
        if not str(name).startswith('{'):
            yield f'{path}/{name!s}'.lstrip('/'), str(value)
    counted: dict[str, int] = {}
    for child in node.iterchildren(tag=etree.Element):
        local = etree.QName(child).localname
        here = f'{path}/{local}'.lstrip('/')
        where = _CHILD_LEVELS.get(canonical(here))
        if where is not None:
            document.children.append((where, _child(model, child, where)))
            continue
        number = counted[local] = counted.get(local, -1) + 1
        yield from _leaves(model, document, child, here, number)


def _leaves(model: Model, document: Document, child: etree._Element, here: str, number: int) -> Iterator[tuple[str, str]]:
    registry = model.registry
    text = (child.text or '').strip()
    own = [leaf for leaf in (here, f'{here}/{etree.QName(child).localname}', f'{here}/addField') if registry.field(document.xsi_type, leaf)]
    row: Any = registry.field(document.xsi_type, own[0]) if own else None
    repeated = row is not None and row.repeated
    if repeated and own[0] != here:
        name = child.get('name')
        picked = f'name={name.lower() if here.endswith("fields/field") else name}' if name is not None else str(number)
        leaf = own[0].rpartition('/')[2]
        yield f'{here}[{picked}]/{leaf}', text
        return
    if text and row is not None:
        yield (f'{here}[{number}]' if repeated else row.path if '@' not in row.path else canonical(row.path)), text
    yield from _walk(model, document, child, here)


def _child(model: Model, node: etree._Element, where: str) -> Document:
    declared = node.get(XSI_TYPE)
    name = model.name(_prefixed(model, node, declared)) if declared else model.default_type(where)
    if not name or model.level_of(name) != where:
        raise UnprocessableEntity(f'{declared or "an element without xsi:type"} is not a data type of a {where}.')
    return _element(model, node, name)
