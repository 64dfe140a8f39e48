"""Definitions of custom variables in the XML document of a project.

These functions make no requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from ..errors import InvalidArgument
from ..model.xml import Node, parse_xml

__all__ = ['Definitions', 'add_definitions', 'read_definitions']

Definitions = Mapping[str, Mapping[str, Mapping[str, str]]]

_NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'xsi': 'http://www.w3.org/2001/XMLSchema-instance'}


def _tag(name: str) -> str:
    return f'{{{_NS["xnat"]}}}{name}'


def read_definitions(document: bytes) -> dict[str, dict[str, dict[str, str]]]:
    """Return the custom fields of a project.

    Nested dicts: protocol -> group -> field -> type.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for protocol in parse_xml(document).iter(_tag('studyProtocol')):
        for group in protocol.iter(_tag('definition')):
            fields = {
                field.get('name', ''): field.get('datatype', '')
                for field in group.iter(_tag('field'))
                if field.get('type') == 'custom'
            }
            found.setdefault(protocol.get('name', ''), {})[group.get('ID', '')] = fields
    return found


def add_definitions(document: bytes, wanted: Definitions) -> bytes | None:
    """Add definitions of custom variables to a project's document.

    Parameters
    ----------
    document : bytes
        XML document of the project.
    wanted : mapping
        Protocol -> group -> field -> type.

    Returns
    -------
    bytes or None
        The new document; None if nothing changes.

    Raises
    ------
    InvalidArgument
        The project has no such protocol.
    """
    root = parse_xml(document)
    protocols = {
        protocol.get('name', ''): protocol for protocol in root.iter(_tag('studyProtocol'))
    }
    changed = False
    for name, groups in wanted.items():
        if name not in protocols:
            known = ', '.join(protocols) or 'none'
            raise InvalidArgument(
                f'the project has no protocol {name!r}; there are: {known}',
                remedy='They exist after the first use of the web page for custom variables.',
            )
        for group, fields in groups.items():
            changed = _add_fields(protocols[name], group, fields) or changed
    return etree.tostring(root) if changed else None


def _add_fields(protocol: Node, group: str, fields: Mapping[str, str]) -> bool:
    """Add missing fields to a group, and return whether there were any.

    XNAT rejects definitions that list their projects, so the projects are left out.
    """
    datatype = protocol.get('data-type', '')
    definition = protocol.find(f'.//xnat:definition[@ID="{group}"]', _NS)
    if definition is None:
        definitions = protocol.find('xnat:definitions', _NS)
        parent = (
            definitions
            if definitions is not None
            else etree.SubElement(protocol, _tag('definitions'))
        )
        attributes = {
            'ID': group,
            'data-type': datatype,
            'description': '',
            'project-specific': '1',
        }
        definition = etree.SubElement(parent, _tag('definition'), attributes)
    found = definition.find('xnat:fields', _NS)
    holder = found if found is not None else etree.SubElement(definition, _tag('fields'))
    missing = {
        name: kind
        for name, kind in fields.items()
        if name not in {field.get('name') for field in holder}
    }
    for sequence, (name, kind) in enumerate(missing.items(), start=len(holder)):
        path = f'{datatype}/fields/field[name={name.lower()}]/field'
        etree.SubElement(
            holder,
            _tag('field'),
            {
                'name': name,
                'datatype': kind,
                'type': 'custom',
                'required': '0',
                'sequence': str(sequence),
                'xmlPath': path,
            },
        )
    return bool(missing)
