"""Pipelines of projects as XML in namespace ``arc``, and launch documents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from ...model.xml import Node, parse_xml, write_xml
from ..errors import ExpectationFailed

__all__ = ['parse_parameters', 'write_archive_spec', 'write_pipeline', 'write_pipelines']

ARC = 'http://nrg.wustl.edu/arc'


def write_pipelines(project: str, found: Iterable[Any]) -> bytes:
    """Return the pipelines of a project as a document.

    Parameters
    ----------
    project : str
        ID of the project.
    found : Iterable[Any]
        The pipelines.
    """
    root = etree.Element(f'{{{ARC}}}project', {'id': project}, nsmap={'arc': ARC})
    root.append(_list_element(found))
    return write_xml(root)


def write_pipeline(one: Any) -> bytes:
    """Return one pipeline as a document."""
    return write_xml(next(_list_element([one]).iter(f'{{{ARC}}}pipeline')))


def write_archive_spec(
    project: str, settings: Mapping[str, str], folder: str, found: Iterable[Any]
) -> bytes:
    """Return the storage settings of a project, as XNAT's ``arc:project``.

    Parameters
    ----------
    project : str
        ID of the project.
    settings : Mapping[str, str]
        Name to value.
    folder : str
        The folder of the project.
    found : Iterable[Any]
        The pipelines of the project.
    """
    root = etree.Element(f'{{{ARC}}}project', {'id': project, **settings}, nsmap={'arc': ARC})
    paths = etree.SubElement(root, f'{{{ARC}}}paths')
    etree.SubElement(paths, f'{{{ARC}}}archivePath').text = folder
    root.append(_list_element(found))
    return write_xml(root)


def parse_parameters(body: bytes) -> dict[str, str]:
    """Return the parameters in a launch document.

    It has elements ``parameter`` with ``name`` and ``values``.

    Parameters
    ----------
    body : bytes
        The document.

    Raises
    ------
    ExpectationFailed
        If the body is not XML.
    """
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise ExpectationFailed(f'The document cannot be read: {error}') from error
    found = {}
    for node in root.iter('{*}parameter'):
        texts = (
            (child.text or '').strip() for child in node.iter('{*}unique', '{*}list', '{*}value')
        )
        found[node.findtext('{*}name') or node.get('name') or ''] = ','.join(filter(None, texts))
    return found


def _list_element(found: Iterable[Any]) -> Node:
    """Return ``arc:pipelines``: those of the project, the others by data type."""
    root = etree.Element(f'{{{ARC}}}pipelines', nsmap={'arc': ARC})
    kinds: dict[str, list[Any]] = {}
    for one in found:
        kinds.setdefault(one.datatype, []).append(one)
    own = kinds.pop('xnat:projectData', [])
    if kinds:
        descendants = etree.SubElement(root, f'{{{ARC}}}descendants')
        for kind, rows in kinds.items():
            descendant = etree.SubElement(descendants, f'{{{ARC}}}descendant', xsiType=kind)
            for one in rows:
                _add_pipeline(descendant, one)
    for one in own:
        _add_pipeline(root, one)
    return root


def _add_pipeline(parent: Node, one: Any) -> None:
    step = getattr(one, 'step', '') or one.name
    node = etree.SubElement(parent, f'{{{ARC}}}pipeline', stepId=step, dependent='false')
    for name, value in (
        ('displayText', step),
        ('name', one.name),
        ('location', one.path),
        ('description', one.description),
    ):
        etree.SubElement(node, f'{{{ARC}}}{name}').text = value
    parameters = json.loads(getattr(one, 'parameters', '[]'))
    if parameters:
        holder = etree.SubElement(node, f'{{{ARC}}}parameters')
        for parameter in parameters:
            child = etree.SubElement(holder, f'{{{ARC}}}parameter', name=parameter['name'])
            for name in ('schemaLink', 'csvValues', 'description'):
                if parameter.get(name):
                    etree.SubElement(child, f'{{{ARC}}}{name}').text = str(parameter[name])
