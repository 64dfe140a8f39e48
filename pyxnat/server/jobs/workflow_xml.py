"""Workflows as XML, read and written."""

from __future__ import annotations

from typing import Any

from lxml import etree

from ...model.xml import parse_xml
from ..errors import BadRequest, UnprocessableEntity
from .workflow_log import FIELDS, values_of

__all__ = ['TIMES', 'parse_workflow', 'write_workflow']

NAMESPACE = 'http://nrg.wustl.edu/workflow'
_ELEMENTS = ('comments', 'details', 'justification', 'description')
TIMES = ('launch_time', 'current_step_launch_time')
"""Fields with a date and time."""


def parse_workflow(body: bytes) -> dict[str, str]:
    """Return the fields of a workflow document.

    Parameters
    ----------
    body : bytes
        The document.

    Raises
    ------
    UnprocessableEntity
        If the body is not XML.
    BadRequest
        For a document of another type.
    """
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document cannot be read: {error}') from error
    if etree.QName(root).localname.lower() not in ('workflow', 'workflowdata'):
        raise BadRequest('Only workflow documents can be PUT here.')
    found = {
        FIELDS[str(name).lower()]: str(value)
        for name, value in root.attrib.items()
        if str(name).lower() in FIELDS
    }
    for child in root.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        if name in _ELEMENTS:
            found[name] = child.text or ''
    return found


def write_workflow(row: Any) -> bytes:
    """Return a workflow as a document."""
    values = values_of(row)
    for name in TIMES:
        if name in values:
            values[name] = values[name].replace(' ', 'T', 1)
    root = etree.Element(f'{{{NAMESPACE}}}Workflow', nsmap={'wrk': NAMESPACE})
    root.append(etree.Comment(f'hidden_fields[wrk_workflowData_id="{row.pk}"]'))
    for name, value in values.items():
        if name in _ELEMENTS:
            etree.SubElement(root, f'{{{NAMESPACE}}}{name}').text = value
        else:
            root.set(name, value)
    found: bytes = etree.tostring(root, xml_declaration=True, encoding='UTF-8', pretty_print=True)
    return found
