"""Items in XNAT's XML."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from lxml import etree

from ...model.levels import level
from ...model.schemas import Field, Registry, canonical
from ...model.xml import Node, write_xml
from ..db.json_keys import Step, name_of, steps
from ..db.types import Model
from .edit import TYPE_LEAF, XSI_TYPE
from .nested import SHARE_TYPES, key_names, number_of, type_of

__all__ = ['XSI', 'write', 'write_part']

XSI = 'http://www.w3.org/2001/XMLSchema-instance'


_NAMESPACES = {
    'arc': 'http://nrg.wustl.edu/arc',
    'val': 'http://nrg.wustl.edu/val',
    'pipe': 'http://nrg.wustl.edu/pipe',
    'icr': 'http://icr.ac.uk/icr',
    'wrk': 'http://nrg.wustl.edu/workflow',
    'scr': 'http://nrg.wustl.edu/scr',
    'xdat': 'http://nrg.wustl.edu/security',
    'cat': 'http://nrg.wustl.edu/catalog',
    'prov': 'http://www.nbirn.net/prov',
    'xnat': 'http://nrg.wustl.edu/xnat',
    'xnat_a': 'http://nrg.wustl.edu/xnat_assessments',
}
"""Namespaces that XNAT declares in every document."""
_PLACES = {
    'http://nrg.wustl.edu/workflow': 'workflow',
    'http://nrg.wustl.edu/catalog': 'catalog',
    'http://nrg.wustl.edu/pipe': 'repository',
    'http://nrg.wustl.edu/scr': 'screeningAssessment',
    'http://nrg.wustl.edu/arc': 'project',
    'http://icr.ac.uk/icr': 'roi',
    'http://nrg.wustl.edu/val': 'protocolValidation',
    'http://nrg.wustl.edu/xnat': 'xnat',
    'http://nrg.wustl.edu/xnat_assessments': 'assessments',
    'http://www.nbirn.net/prov': 'birnprov',
    'http://nrg.wustl.edu/security': 'security',
}
"""Path of each namespace's schema below ``/schemas`` in XNAT, without extension."""


class DocumentSource(Protocol):
    """Interface of `represent.Representer` for documents."""

    model: Model
    site_url: str
    resource_uri: Callable[[Any, Any], str]

    def key_name(self, row: Any) -> str:
        """Return the name of the key of an item without accession ID."""

    def values(self, row: Any) -> dict[str, str]:
        """Return the simple fields of an item, by storage key."""

    def children(self, row: Any) -> list[tuple[str, list[Any]]]:
        """Return the child items, by the field that holds them."""

    def resource_path(self, row: Any, side: str) -> str:
        """Return the field that holds the resources of an item.

        Parameters
        ----------
        row : Any
            Row of the item.
        side : str
            ``in`` or ``out`` of an assessor or reconstruction.
        """

    def resources(self, row: Any, side: str = '') -> list[Any]:
        """Return the resources of an item.

        Parameters
        ----------
        row : Any
            Row of the item.
        side : str
            ``in`` or ``out`` of an assessor or reconstruction.
        """

    def shares(self, row: Any) -> list[Any]:
        """Return the shares of an item."""


def write(source: DocumentSource, row: Any, conceal: bool) -> bytes:
    """Return the document of an item with its children.

    Parameters
    ----------
    source : DocumentSource
        DocumentSource of values, children, resources and shares.
    row : Any
        Row of the item.
    conceal : bool
        Whether the comments with database keys are left out.
    """
    registry = source.model.registry
    found = registry.get(row.xsi_type)
    namespace = found.namespace if found else ''
    spaces = {**_NAMESPACES, **{prefix: uri for uri, prefix in registry.prefixes.items()}}
    name = (found.root if found else '') or row.xsi_type.partition(':')[2]
    root = etree.Element(f'{{{namespace}}}{name}', nsmap={**spaces, 'xsi': XSI})
    _Writer(source, conceal).fill(root, row)
    for node in root.iter(etree.Element):  # XNAT writes the type last
        kind = node.get(XSI_TYPE)
        if kind is not None:
            del node.attrib[XSI_TYPE]
            node.set(XSI_TYPE, kind)
    _name_schemas(root, source.model, source.site_url)
    return write_xml(root)


def _name_schemas(root: Node, model: Model, site_url: str) -> None:
    """Set the schemaLocation of a document."""
    known = {uri: f'{name}.xsd' for uri, name in _PLACES.items()}
    known.update((uri, path) for uri, path in model.places.items() if uri not in known)
    root.set(
        f'{{{XSI}}}schemaLocation',
        ' '.join(f'{uri} {site_url}/schemas/{path}' for uri, path in known.items()),
    )


def write_part(
    model: Model, xsi_type: str, key: str, fields: dict[str, str], site_url: str
) -> bytes:
    """Return a nested element of a project as a document.

    Parameters
    ----------
    model : Model
        The data types.
    xsi_type : str
        Data type of the nested element.
    key : str
        Storage key of the nested element.
    fields : dict[str, str]
        Fields of the project, by storage key.
    site_url : str
        URL of the site.
    """
    namespace = next(
        (uri for uri, prefix in model.registry.prefixes.items() if prefix == 'xnat'), ''
    )
    root = etree.Element(
        f'{{{namespace}}}{xsi_type.partition(":")[2]}', nsmap={'xnat': namespace, 'xsi': XSI}
    )
    tree = _Tree(root, model.registry, xsi_type)
    name = steps(key)[-1].pick
    if name_of(name):
        root.set('name', name_of(name))
    for one, value in fields.items():
        if one.startswith(key + '/'):
            tree.put(one[len(key) + 1 :], value)
    root.attrib.pop(XSI_TYPE, '')
    _name_schemas(root, model, site_url)
    return write_xml(root)


class _Writer:
    def __init__(self, source: DocumentSource, conceal: bool) -> None:
        self._source = source
        self._registry: Registry = source.model.registry
        self._conceal = conceal

    def fill(self, node: Node, row: Any) -> None:
        """Write an item into its element, in the order of the schema.

        Parameters
        ----------
        node : Node
            The element.
        row : Any
            Row of the item.
        """
        if not self._conceal and (name := self._source.key_name(row)):
            _conceal(node, name, row.pk)
        values = self._source.values(row)
        groups = dict(self._source.children(row))
        places, holders = _schema_order(self._registry, row.xsi_type)
        tree = _Tree(node, self._registry, row.xsi_type, None if self._conceal else row.pk)
        pairs = ((_order(places, key), key) for key in values)
        ordered = deque(sorted(pairs, key=itemgetter(0)))
        for place, found in holders:
            while ordered and ordered[0][0][0] <= place:
                _, key = ordered.popleft()
                tree.put(key, values[key])
            self._items(node, found, row, groups)
        for _, key in ordered:
            tree.put(key, values[key])

    def _items(self, node: Node, found: Field, row: Any, groups: dict[str, list[Any]]) -> None:
        for one in groups.get(found.path, ()):
            child = _append_element(node, found)
            if level(one.level).has_types:
                child.set(XSI_TYPE, one.xsi_type)
            self.fill(child, one)
        side = found.path.partition('/')[0] if found.path in ('in/file', 'out/file') else ''
        if found.path == self._source.resource_path(row, side):
            for one in self._source.resources(row, side):
                self._resource(_append_element(node, found), one, row)
        if found.path == 'sharing/share':
            for shared in self._source.shares(row):
                self._share(_append_element(node, found), shared, row)

    def _share(self, node: Node, shared: Any, row: Any) -> None:
        """Write a share of an item into its node: project, label there, number.

        Parameters
        ----------
        node : Node
            Node of the share.
        shared : Any
            Row of the share.
        row : Any
            Row of the item.
        """
        for name in ('label', 'project'):
            if getattr(shared, name):
                node.set(name, getattr(shared, name))
        if row.level == 'subject':
            node.set('subject_ID', row.id)
        if not self._conceal:
            _conceal(node, f'{SHARE_TYPES[row.level].replace(":", "_")}_id', shared.pk)

    def _resource(self, node: Node, one: Any, holder: Any) -> None:
        node.set(XSI_TYPE, 'xnat:resourceCatalog')
        known = {
            name: getattr(one, name)
            for name in ('label', 'file_count', 'file_size', 'format', 'content', 'description')
        }
        known['URI'] = self._source.resource_uri(one, holder)
        for name in ('label', 'file_count', 'file_size', 'URI', 'format', 'content', 'description'):
            if known[name] is not None:
                node.set(name, str(known[name]))
        if not self._conceal:
            _conceal(node, 'xnat_abstractResource_id', one.pk)
        if one.tags:  # one tag, even with commas
            child = etree.SubElement(
                etree.SubElement(node, _tag_beside(node, 'tags')), _tag_beside(node, 'tag')
            )
            if not self._conceal:
                _conceal(child, 'xnat_abstractResource_tag_id', number_of(one.pk, 0))
            _set_text(child, one.tags)


class _Tree:
    """Elements of an item, added as values are written."""

    def __init__(
        self, root: Node, registry: Registry, xsi_type: str, pk: int | None = None
    ) -> None:
        self._registry = registry
        self._type = xsi_type
        self._pk = pk
        """Key of the item, from which nested elements get numbers; None to write no keys."""
        self._count = 0
        self._known: dict[str, Node] = {'': root}

    def put(self, key: str, value: str) -> None:
        """Write a value as an attribute, or as the text of its element.

        Parameters
        ----------
        key : str
            Storage key.
        value : str
            The value.
        """
        parts = steps(key)
        if parts[-1].name == TYPE_LEAF:
            if len(parts) > 1:
                self._element(parts[:-1], None).set(XSI_TYPE, value)
            return
        found = self._registry.field(self._type, key)
        if found is not None and value == '' and name_of(parts[-2].pick if len(parts) > 1 else ''):
            self._element(parts[:-1], found)
        if found is None or value == '':
            return
        value = value.replace(' ', 'T', 1) if found.kind == 'dateTime' else value
        value = ''.join(char for char in value if char in '\t\n\r' or ord(char) >= 32)
        if found.attribute:
            self._element(parts[:-1], found).set(parts[-1].name, value)
        else:
            _set_text(self._element(parts[:-1] if found.text else parts, found), value)

    def _element(self, parts: list[Step], found: Field | None) -> Node:
        """Return the element at a key; create it if missing."""
        key, node = '', self._known['']
        for place, step in enumerate(parts):
            key += f'/{step.name}[{step.pick}]'
            if key not in self._known:
                space = (
                    found.namespaces[place]
                    if found is not None and place < len(found.namespaces)
                    else etree.QName(node).namespace
                )
                self._known[key] = child = _child(
                    node, f'{{{space}}}{step.name}', fresh=bool(step.pick)
                )
                if name_of(step.pick):
                    child.set('name', name_of(step.pick))
                kind = _type_at(found, place)
                if kind:
                    child.set(XSI_TYPE, kind)
                self._key(child, parts[: place + 1], kind)
            node = self._known[key]
        return node

    def _key(self, child: Node, parts: list[Step], kind: str) -> None:
        """Write the key of an element that XNAT stores in a row of its own.

        A repeated element, or one with a type of its own.
        """
        holder = '/'.join(step.name for step in parts)
        if parts[-1].pick:
            kind = kind or type_of(self._registry, self._type, holder)
        kind = kind or (self._registry.element_type(self._type, holder) if len(parts) == 1 else '')
        if self._pk is not None and kind:
            self._count += 1
            _conceal(child, key_names(self._registry, kind)[0], number_of(self._pk, self._count))


def _conceal(node: Node, name: str, number: int) -> None:
    """Write the key of a row as a comment."""
    node.text = '\n'
    node.append(etree.Comment(f'hidden_fields[{name}="{number}"]'))


def _set_text(node: Node, value: str) -> None:
    """Set the text of an element, after the comment with its key."""
    if len(node):
        node[-1].tail = value
    else:
        node.text = value


@lru_cache(maxsize=1024)
def _schema_order(registry: Registry, kind: str) -> tuple[dict[str, int], list[tuple[int, Field]]]:
    """Return the places of a type's fields, and those for items or resources."""
    fields = list(enumerate(registry.fields(kind)))
    return (
        {found.key: place for place, found in fields},
        [(place, found) for place, found in fields if not found.kind],
    )


def _order(places: dict[str, int], key: str) -> tuple[Any, ...]:
    """Return the sort key of a value: order of the schema.

    The values of a repeated element stay together.
    """
    plain = canonical(key).lower()
    holder, bracket, rest = key.partition('[')
    if not bracket:
        return (places.get(plain, len(places)), 0, '', 0)
    first = [
        place
        for name, place in places.items()
        if name == holder.lower() or name.startswith(holder.lower() + '/')
    ]
    pick = rest.partition(']')[0]
    number = int(pick) if pick.isdecimal() else -1
    return (
        min(first, default=len(places)),
        number,
        '' if number >= 0 else pick,
        places.get(plain, len(places)),
    )


def _type_at(found: Field | None, place: int) -> str:
    """Return the concrete type that a field's path has at a step, or empty."""
    if found is None:
        return ''
    parts = steps(found.path)
    return (
        parts[place].pick.removeprefix('@xsi:type=')
        if place < len(parts) and parts[place].pick.startswith('@xsi:type=')
        else ''
    )


def _tag_beside(node: Node, name: str) -> str:
    return f'{{{etree.QName(node).namespace}}}{name}'


def _child(node: Node, tag: str, fresh: bool) -> Node:
    existing = None if fresh else node.find(tag)
    return etree.SubElement(node, tag) if existing is None else existing


def _append_element(node: Node, found: Field) -> Node:
    """Add an element at the path of a field that holds items."""
    names = canonical(found.path).split('/')
    for place, name in enumerate(names):
        node = _child(node, f'{{{found.namespaces[place]}}}{name}', fresh=place == len(names) - 1)
    return node


def write_element(prefix: str, namespace: str, name: str, attributes: dict[str, str]) -> bytes:
    """Return a document of one element with attributes.

    Parameters
    ----------
    prefix : str
        Prefix of the namespace.
    namespace : str
        The namespace.
    name : str
        Local name of the element.
    attributes : dict[str, str]
        Values by name.
    """
    return write_xml(etree.Element(f'{{{namespace}}}{name}', attributes, nsmap={prefix: namespace}))
