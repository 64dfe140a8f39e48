"""Display documents (``*_display.xml``) of a site or plug-in.

Supported are fields that show one field of the schema, also of another type that can be joined, and
two common expressions: a label that falls back to the ID, and a date as text. A field computed by
other PostgreSQL expressions or views is replaced by the server's own field with that ID, under the
document's header; if there is none, the field is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree
from sqlalchemy import func

from ...model.xml import Node, parse_xml
from ..db.types import Model
from .display_fields import DisplayField
from .display_sql import DEMOGRAPHICS, Maker, Source, path
from .display_versions import DisplayVersion, FieldRef

__all__ = ['DisplayDocument', 'read_display']

_KINDS = {
    'string': 'string',
    'integer': 'integer',
    'float': 'float',
    'date': 'date',
    'time': 'time',
    'timestamp': 'dateTime',
    'boolean': 'boolean',
}


@dataclass(frozen=True)
class DisplayDocument:
    """Display document of one type."""

    type_name: str
    nodes: tuple[Node, ...]
    versions: tuple[DisplayVersion, ...]

    def fields_of(self, model: Model, own: Mapping[str, DisplayField]) -> dict[str, DisplayField]:
        """Return the supported fields by ID, in the order of the document.

        Parameters
        ----------
        model : Model
            The data types.
        own : Mapping[str, DisplayField]
            The server's own fields of the type, by ID.
        """
        found: dict[str, DisplayField] = {}
        for node in self.nodes:
            one = _field(model, self.type_name, node, own.get(node.get('id', '')))
            if one is not None:
                found[one.id] = one
        return found


def read_display(text: bytes) -> DisplayDocument | None:
    """Parse a display document; None for XML of another kind.

    `ValueError` for invalid XML.
    """
    root = parse_xml(text)
    if root.tag != 'Displays' or not root.get('schema-element'):
        return None
    nodes = tuple(root.findall('DisplayField'))
    return DisplayDocument(
        root.get('schema-element', ''),
        nodes,
        tuple(_version(node) for node in root.findall('DisplayVersion')),
    )


def _version(node: Node) -> DisplayVersion:
    refs = (
        FieldRef(
            one.get('id', ''),
            one.get('element_name', ''),
            one.get('value', ''),
            one.get('visible', 'true') != 'false',
            one.get('header', ''),
        )
        for one in node.findall('DisplayFieldRef')
    )
    texts = [
        node.get(name, '')
        for name in ('default-order-by', 'default-sort-order', 'dark-color', 'light-color')
    ]
    return DisplayVersion(node.get('versionName', ''), tuple(refs), *texts)


def _field(
    model: Model, type_name: str, node: Node, own: DisplayField | None
) -> DisplayField | None:
    image = node.get('image') == 'true'
    searchable = node.get('searchable') == 'true'
    attributes: dict[str, Any] = {
        'header': node.get('header', ''),
        'image': image,
        'searchable': searchable,
    }
    if node.findtext('description'):
        attributes['description'] = node.findtext('description', '').strip()
    kind, content = (
        _KINDS.get(node.get('data-type', ''), ''),
        ' '.join((node.findtext('Content') or _PLAIN).split()),
    )
    shown = _shown(model, node) if node.find('SubQuery') is None and content in _READ else []
    if not shown:
        return replace(own, **attributes, kind=kind or own.kind) if own is not None else None
    element, plain = shown[0] if len(shown) == 1 and content == _PLAIN else ('', '')
    if element and element != type_name:
        held = model.field(element, plain)
        kind, plain = kind or (held.kind if held is not None else ''), ''
    elif own is not None and content != _PLAIN:
        kind = kind or own.kind
    make = _READ[content]([_maker(type_name, *one) for one in shown])
    links, secured = (own.links, own.secured) if own is not None else ((), ())
    return DisplayField(
        node.get('id', ''),
        kind=kind,
        make=make,
        path=plain,
        links=links,
        secured=secured,
        **attributes,
    )


def _shown(model: Model, node: Node) -> list[tuple[str, str]]:
    """Return type and path of each schema field that a display field shows.

    Empty if one is from a view, or from a type without items.
    """
    found = []
    for one in node.findall('DisplayFieldElement'):
        kind, _, rest = re.sub(r'[./]', '/', one.get('schema-element', ''), count=1).partition('/')
        name, plain = model.name(kind), rest.replace('.', '/').removesuffix('/login')
        if name is not None and model.registry.is_a(name, 'xnat:demographicData'):
            name, plain = 'xnat:subjectData', DEMOGRAPHICS + plain
        if name is None or not plain or not model.level_of(name):
            return []
        found.append((name, plain))
    return found


def _maker(type_name: str, of: str, name: str) -> Maker:
    if of == type_name:
        return path(name)

    def build(source: Source) -> Any:
        found = source.scope.related(source.table, type_name, of)
        return path(name)(source._replace(table=found, type_name=of))

    return build


def _alone(makers: list[Maker]) -> Maker:
    return makers[0]


def _coalesced(*places: int) -> Any:
    def read(makers: list[Maker]) -> Maker:
        return lambda source: func.coalesce(*(makers[place](source) for place in places))

    return read


_PLAIN = '@Field1'
_READ: dict[str, Any] = {
    _PLAIN: _alone,
    'CAST(@Field1 AS VARCHAR)': _alone,
    'COALESCE(@Field1, @Field2)': _coalesced(0, 1),
    'COALESCE(@Field2, @Field1)': _coalesced(1, 0),
}
"""Supported expressions, by their text."""


def write_versions(name: str, versions: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a document of the display versions of a type.

    Parameters
    ----------
    name : str
        The data type.
    versions : Iterable[Mapping[str, Any]]
        The versions: texts are attributes, ``fields`` are the fields.
    """
    root = etree.Element('DisplayVersions', element_name=name)
    holder = etree.SubElement(root, 'versions')
    for version in versions:
        node = etree.SubElement(
            holder,
            'version',
            {key: value for key, value in version.items() if isinstance(value, str)},
        )
        fields = etree.SubElement(node, 'fields')
        for one in version['fields']:
            etree.SubElement(fields, 'field', one)
    found: bytes = etree.tostring(root, xml_declaration=True, encoding='UTF-8')
    return found
