"""How an assessor or reconstruction came to be: the processing steps that XNAT keeps with it."""

from __future__ import annotations

import datetime
import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lxml import etree

from ..errors import NotSupportedError
from ..model.xml import Node, parse_xml

if TYPE_CHECKING:
    from .base import Element

__all__ = ['Provenance']

_PROV = 'http://www.nbirn.net/prov'
_XNAT = 'http://nrg.wustl.edu/xnat'

_FIELDS = ('program', 'timestamp', 'cvs', 'user', 'machine', 'platform', 'platform_version', 'compiler', 'compiler_version')
"""What a step may say, in the order of XNAT's schema."""

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
        """The steps, in order, each with ``program``, ``timestamp``, ``user``, ``machine``, ``platform`` and what else is known. One request."""
        return [_read(step) for step in parse_xml(self._element.get()).iter(f'{{{_PROV}}}processStep')]

    def set(self, steps: Mapping[str, Any] | Sequence[Mapping[str, Any]], overwrite: bool = False) -> None:
        """Add steps. Two requests.

        Parameters
        ----------
        steps : dict or list of dict
            Each with ``program`` and, as far as known, ``program_version``, ``program_arguments``, ``timestamp``, ``user``, ``machine``,
            ``platform``, ``platform_version``, ``compiler``, ``compiler_version``. Time, user, machine and platform are those of here and now
            where they are not given.
        overwrite : bool
            Replace the steps that are there; one more request, to see that they are gone.

        Raises
        ------
        NotSupportedError
            XNAT kept the steps that were to be replaced: it does so with those of a reconstruction.
        """
        self._element.check_owner()
        root = parse_xml(self._element.get())
        holder = _holder(root)
        if overwrite:
            for old in list(holder):
                holder.remove(old)
        for step in [steps] if isinstance(steps, Mapping) else steps:
            _write(holder, {**_here_and_now(), **step})
        self._element.put_document(etree.tostring(root), {'allowDataDeletion': overwrite})
        if overwrite:
            self._check_count(len(holder))

    def delete(self) -> None:
        """Remove all steps. Three requests, one where there are none.

        Raises
        ------
        NotSupportedError
            XNAT kept them: it does so with those of a reconstruction.
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
                f'XNAT kept {there - wanted} steps of the {self._element.level.singular} {self._element.path_name}',
                uri=self._element.connection.server + self._element.uri,
                remedy='Create it anew to be rid of them.',
            )


def _here_and_now() -> dict[str, str]:
    """What can be said of this computer."""
    system = os.uname() if hasattr(os, 'uname') else None
    return {
        'timestamp': datetime.datetime.now().replace(microsecond=0).isoformat(),
        'user': getpass.getuser(),
        'machine': system.machine if system else os.environ.get('PROCESSOR_ARCHITECTURE', 'unknown'),
        'platform': system.sysname if system else sys.platform,
        'platform_version': system.release if system else os.environ.get('OS', 'unknown'),
    }


def _holder(root: Node) -> Node:
    """The ``provenance`` element; made where there is none, before what the schema has after it."""
    found = root.find(f'{{{_XNAT}}}provenance')
    if found is not None:
        return found
    made = etree.Element(f'{{{_XNAT}}}provenance', nsmap={'prov': _PROV})
    later = (
        {f'{{{_XNAT}}}{name}' for name in ('in', 'out', 'imageSession_ID', 'parameters')} if root.tag != f'{{{_XNAT}}}ReconstructedImage' else set()
    )
    place = next((index for index, child in enumerate(root) if child.tag in later), len(root))
    root.insert(place, made)
    return made


def _write(holder: Node, step: Mapping[str, Any]) -> None:
    known = [*_FIELDS, *(name for name in _PARENT_ATTRIBUTES if name not in _FIELDS)]
    unknown = sorted(set(step) - set(known))
    if unknown or not step.get('program'):
        raise ValueError(f'a step has a program, and of {", ".join(known)}; not {", ".join(unknown) or "none"}')
    node = etree.SubElement(holder, f'{{{_PROV}}}processStep')
    for name in _FIELDS:
        if name in step and name not in _PARENT_ATTRIBUTES:
            value = step[name]
            etree.SubElement(node, f'{{{_PROV}}}{name}').text = value.isoformat() if hasattr(value, 'isoformat') else str(value)
    for name, (parent, attribute) in _PARENT_ATTRIBUTES.items():
        child = node.find(f'{{{_PROV}}}{parent}')
        if name in step and child is not None:
            child.set(attribute, str(step[name]))


def _text(node: Node) -> str:
    """The text of an element without that of comments."""
    return ''.join([node.text or '', *(child.tail or '' for child in node)]).strip()


def _read(step: Node) -> dict[str, str]:
    found = {etree.QName(child).localname: _text(child) for child in step if isinstance(child.tag, str)}
    for name, (parent, attribute) in _PARENT_ATTRIBUTES.items():
        child = step.find(f'{{{_PROV}}}{parent}')
        if child is not None and child.get(attribute):
            found[name] = str(child.get(attribute))
    return found
