"""Provenance of assessors and reconstructions: their processing steps."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lxml import etree

from ..errors import InvalidArgument, NotSupportedError
from ..model.xml import Node, parse_xml

if TYPE_CHECKING:
    from .base import Element

__all__ = ['Provenance']

_PROV = 'http://www.nbirn.net/prov'
_XNAT = 'http://nrg.wustl.edu/xnat'

_FIELDS = (
    'program',
    'timestamp',
    'cvs',
    'user',
    'machine',
    'platform',
    'platform_version',
    'compiler',
    'compiler_version',
)
"""Elements of a step, in the order of XNAT's schema."""

_PARENT_ATTRIBUTES = {
    'program_version': ('program', 'version'),
    'program_arguments': ('program', 'arguments'),
    'platform_version': ('platform', 'version'),
    'compiler_version': ('compiler', 'version'),
}


class Provenance:
    """The processing steps of an element."""

    def __init__(self, element: Element) -> None:
        self._element = element

    def __repr__(self) -> str:
        return f'<Provenance of {self._element!r}>'

    def get(self) -> list[dict[str, str]]:
        """Return the steps, in order. One request.

        Each is a dict with the keys of `set` that are known.
        """
        return [
            _read_step(step)
            for step in parse_xml(self._element.get()).iter(f'{{{_PROV}}}processStep')
        ]

    def set(
        self,
        process_steps: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        overwrite: bool = False,
    ) -> None:
        """Add processing steps. Two requests.

        Parameters
        ----------
        process_steps : dict or list of dict
            Each has ``program`` and optionally ``program_version``, ``program_arguments``,
            ``timestamp``, ``user``, ``machine``, ``platform``, ``platform_version``, ``compiler``,
            ``compiler_version``. Defaults for time, user, machine and platform: now and this
            computer.
        overwrite : bool
            Replace the present steps; one more request verifies that they are deleted.

        Raises
        ------
        NotSupportedError
            XNAT kept the present steps, as it does for reconstructions.
        """
        self._element.check_owner()
        root = parse_xml(self._element.get())
        holder = _provenance_node(root)
        if overwrite:
            for old in list(holder):
                holder.remove(old)
        for step in [process_steps] if isinstance(process_steps, Mapping) else process_steps:
            _write_step(holder, {**_here_and_now(), **step})
        self._element.put_document(etree.tostring(root), {'allowDataDeletion': overwrite})
        if overwrite:
            self._check_count(len(holder))

    def delete(self) -> None:
        """Delete all steps. Three requests; one if there are none.

        Raises
        ------
        NotSupportedError
            XNAT kept them, as it does for reconstructions.
        """
        self._element.check_owner()
        root = parse_xml(self._element.get())
        holders = list(root.iter(f'{{{_XNAT}}}provenance'))
        if not holders:
            return
        for holder in holders:
            parent = holder.getparent()
            if parent is not None:
                parent.remove(holder)
        self._element.put_document(etree.tostring(root), {'allowDataDeletion': True})
        self._check_count(0)

    def _check_count(self, wanted: int) -> None:
        there = len(self.get())
        if there > wanted:
            raise NotSupportedError(
                f'XNAT kept {there - wanted} steps of the {self._element.level.singular} '
                f'{self._element.path_name}',
                uri=self._element.connection.server + self._element.uri,
                remedy='Delete the element and create it again.',
            )


def _here_and_now() -> dict[str, str]:
    """Return the default values of a step: time, user and computer."""
    from getpass import getuser

    system = os.uname() if hasattr(os, 'uname') else None
    return {
        'timestamp': datetime.datetime.now().replace(microsecond=0).isoformat(),
        'user': getuser(),
        'machine': system.machine
        if system
        else os.environ.get('PROCESSOR_ARCHITECTURE', 'unknown'),
        'platform': system.sysname if system else sys.platform,
        'platform_version': system.release if system else os.environ.get('OS', 'unknown'),
    }


def _provenance_node(root: Node) -> Node:
    """Return the ``provenance`` element of a document, creating it if missing.

    A new one is inserted in the order of the schema.
    """
    found = root.find(f'{{{_XNAT}}}provenance')
    if found is not None:
        return found
    made = etree.Element(f'{{{_XNAT}}}provenance', nsmap={'prov': _PROV})
    later = (
        {f'{{{_XNAT}}}{name}' for name in ('in', 'out', 'imageSession_ID', 'parameters')}
        if root.tag != f'{{{_XNAT}}}ReconstructedImage'
        else set()
    )
    place = next((index for index, child in enumerate(root) if child.tag in later), len(root))
    root.insert(place, made)
    return made


def _write_step(holder: Node, step: Mapping[str, Any]) -> None:
    known = [*_FIELDS, *(name for name in _PARENT_ATTRIBUTES if name not in _FIELDS)]
    unknown = sorted(set(step) - set(known))
    if unknown or not step.get('program'):
        raise InvalidArgument(
            f'a step needs a program; unknown keys: {", ".join(unknown) or "none"}',
            remedy=f'Give the key program. Known keys: {", ".join(known)}.',
        )
    node = etree.SubElement(holder, f'{{{_PROV}}}processStep')
    for name in _FIELDS:
        if name in step and name not in _PARENT_ATTRIBUTES:
            value = step[name]
            etree.SubElement(node, f'{{{_PROV}}}{name}').text = (
                value.isoformat() if hasattr(value, 'isoformat') else str(value)
            )
    for name, (parent, attribute) in _PARENT_ATTRIBUTES.items():
        child = node.find(f'{{{_PROV}}}{parent}')
        if name in step and child is not None:
            child.set(attribute, str(step[name]))


def _text_of(node: Node) -> str:
    """Return the text of an XML element without its comments."""
    return ''.join([node.text or '', *(child.tail or '' for child in node)]).strip()


def _read_step(step: Node) -> dict[str, str]:
    found = {
        etree.QName(child).localname: _text_of(child)
        for child in step
        if isinstance(child.tag, str)
    }
    for name, (parent, attribute) in _PARENT_ATTRIBUTES.items():
        child = step.find(f'{{{_PROV}}}{parent}')
        if child is not None and child.get(attribute):
            found[name] = str(child.get(attribute))
    return found
