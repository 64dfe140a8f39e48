"""Safe parsing of XML documents, and writing in XNAT's format."""

from __future__ import annotations

from typing import TypeAlias

from lxml import etree

from ..errors import MalformedDocument

__all__ = ['Node', 'parse_xml', 'write_xml']

Node: TypeAlias = etree._Element
"""Element of an XML document; lxml's class has no public name."""


def parse_xml(text: bytes | str) -> Node:
    """Parse a document and return its root element.

    Comments stay. No entity is expanded, no network or file is accessed, and lxml's limits on depth
    and size apply.

    Raises
    ------
    MalformedDocument
        The document is malformed or has a DOCTYPE.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )
    data = text.encode('utf-8') if isinstance(text, str) else text
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedDocument(f'not well-formed XML: {error}') from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise MalformedDocument('a document with a DOCTYPE is not accepted')
    return root


def write_xml(root: Node) -> bytes:
    """Write a document with line breaks.

    The declaration is in double quotes, as Java writes it: clients compare the first bytes.
    """
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(
        root, encoding='UTF-8', xml_declaration=False, pretty_print=True
    )
