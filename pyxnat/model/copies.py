"""Items read from XML documents, and documents that create copies of them.

A document of XNAT has its accession IDs, its project, its shares and the addresses of its files. A
document with these left out creates the same item at another place, or in another archive. Nothing
here makes requests.

Source: the requests by which a real XNAT 1.8 accepted copies that compared equal.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lxml import etree

from .levels import LEVELS
from .levels import level as level_row
from .xml import Node, parse_xml

__all__ = [
    'Item',
    'ResourceNote',
    'copy_document',
    'differences',
    'keep_fields',
    'read_item',
    'values_of',
    'values_of_item',
]

_XSI_TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'

_MARKS = (_XSI_TYPE, '{http://www.w3.org/2001/XMLSchema-instance}schemaLocation')
_PATHS = {row.plural: tuple(row.path_in_parent.split('/')) for row in LEVELS if row.path_in_parent}
"""Level -> the node that holds its items in a document, and the node of each."""
_WITH_PROJECT = ('subjects', 'experiments')
"""Levels whose items belong to a project; assessors follow their session."""
_NESTED = {node: plural for plural, (_, node) in _PATHS.items()}
_LISTS = frozenset(holder for holder, _ in _PATHS.values())
_OWNER_IDS = tuple(dict.fromkeys(row.parent_field for row in LEVELS if row.parent_field))
_LEFT_OUT = frozenset(
    {
        *_LISTS,
        *_OWNER_IDS,
        *(row.side for row in LEVELS if row.side),
        *(row.resource_path.partition('/')[0] for row in LEVELS if row.resource_path),
        'sharing',
        'resources',
        'custom_fields',
        'prearchivePath',
    }
)
"""Children of an item that belong to its archive, or are copied by requests of their own."""
_NOTES = ('format', 'content', 'description')


class ResourceNote(NamedTuple):
    """A resource that a document mentions."""

    level: str
    """``resources``, ``in_resources`` or ``out_resources``."""
    label: str
    notes: dict[str, str]
    """Its ``format``, ``content``, ``tags`` and ``description``, as far as they are set."""
    files: int = 0
    """Number of its files, as far as the document has it."""


class Item(NamedTuple):
    """An item of a document."""

    level: str
    """Plural name of its level."""
    id: str
    """Accession ID; ID of a project, scan or reconstruction."""
    label: str
    """Label in the project that owns it; the ID where there is none."""
    project: str
    """ID of the project that owns it; empty where the document has none."""
    parent: str
    """Accession ID of the subject or session that it belongs to; empty if unknown."""
    node: Node
    below: tuple[Item, ...] = ()
    """Items nested in it."""

    def all(self) -> Iterator[Item]:
        """Yield the item and all items below it, outer ones first."""
        yield self
        for item in self.below:
            yield from item.all()

    @property
    def datatype(self) -> str:
        """Type of an item nested in another one; that of its level for a root."""
        return self.node.get(_XSI_TYPE) or level_row(self.level).datatype

    def label_in(self, project: str) -> str:
        """Return its label in a project that owns it or shares it."""
        return self.label if project == self.project else self.shares.get(project, self.label)

    def is_in(self, project: str) -> bool:
        """Whether a project owns or shares it, or the item that it is a part of.

        The document of a subject also has sessions that other projects own.
        """
        return self.level not in _WITH_PROJECT or project in (self.project, *self.shares)

    @property
    def shares(self) -> dict[str, str]:
        """Project that it is shared into -> its label there."""
        return {project: label or self.label for project, label in self.own_shares.items()}

    @property
    def own_shares(self) -> dict[str, str]:
        """Project that it is shared into -> the label that the share has; empty for none."""
        return {
            share.get('project', ''): share.get('label', '')
            for sharing in _children(self.node, 'sharing')
            for share in _children(sharing, 'share')
        }

    @property
    def type(self) -> str:
        """Data type of an item that is nested in another one; the root has it as name.

        XNAT writes none where the level has only one.
        """
        return self.node.get(_XSI_TYPE, '') or level_row(self.level).datatype

    @property
    def custom_fields(self) -> str:
        """Values of custom forms, as JSON; empty if there are none."""
        return next((_text(node) for node in _children(self.node, 'custom_fields')), '')

    @property
    def resources(self) -> list[ResourceNote]:
        """Its own resources, not those of the items below."""
        found = [
            ('resources', node)
            for holder in _children(self.node, 'resources')
            for node in _elements(holder)
        ]
        found += [('resources', node) for node in _children(self.node, 'file')]
        found += [
            (row.plural, node)
            for row in LEVELS
            if row.side
            for holder in _children(self.node, row.side)
            for node in _elements(holder)
        ]
        return [
            ResourceNote(level, node.get('label', ''), _notes(node), _number_of_files(node))
            for level, node in found
        ]


def read_item(document: bytes, level: str) -> Item:
    """Return the item of a document, with all items nested in it.

    Parameters
    ----------
    document : bytes
        XML of an item.
    level : str
        Plural name of the level of its root.

    Raises
    ------
    ValueError
        The document is not well-formed.
    """
    return _item(parse_xml(document), level, '')


def _item(node: Node, level: str, parent: str) -> Item:
    identity = node.get('ID', '')
    label = node.get('label', '') if level_row(level).has_label else ''
    children = [(_name(child), child) for child in _elements(node)]
    owner = next((_text(child) for name, child in children if name in _OWNER_IDS), '')
    below = tuple(
        _item(child, _NESTED.get(_name(child), name), identity)
        for name, holder in children
        if name in _LISTS
        for child in _elements(holder)
    )
    return Item(
        level,
        identity,
        label or identity,
        identity if level == 'projects' else node.get('project', ''),
        owner or parent,
        node,
        below,
    )


def copy_document(
    item: Item, *, session: str = '', name: str = '', scans: Iterable[str] | None = None
) -> bytes:
    """Write the document that creates a copy of an item.

    Accession IDs, label, project, shares, files and custom fields are left out, and so are the
    items below, except for the scans of a session.

    Parameters
    ----------
    item : Item
        Item to copy.
    session : str
        Accession ID of the session that the copy of an assessor or reconstruction belongs to.
    name : str
        ID of the copy of a project, scan or reconstruction; by default the old one. It replaces
        the ID of a project also in its title and running title, which have to be unique on a site.
    scans : iterable of str, optional
        IDs of the scans to write into the document of a session; by default all.
    """
    root = _copy_element(item, session, name, scans)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')


def values_of_item(item: Item) -> dict[str, str]:
    """Return the fields of an item as `values_of` those of its copy.

    The items below are left out.
    """
    found: dict[str, str] = {}
    _collect(_copy_element(item, '', '', ()), '', found)
    return found


def _copy_element(item: Item, session: str, name: str, scans: Iterable[str] | None) -> Node:
    """Return the root of the document that `copy_document` writes."""
    root = _copy_without_items(item.node)
    wanted = None if scans is None else set(scans)
    row = level_row(item.level)
    _strip(
        root, ('project', *(() if row.is_part else ('ID',)), *(('label',) if row.has_label else ()))
    )
    if item.level == 'projects' and name:
        _rename_project(root, item.id, name)
    elif row.is_part and name:
        root.set('ID', name)
    inner = [
        copy.deepcopy(node)
        for holder in _children(item.node, 'scans')
        for node in _elements(holder)
        if item.level == 'experiments' and (wanted is None or node.get('ID') in wanted)
    ]
    if inner:
        holder = etree.SubElement(root, f'{{{_space(root)}}}scans')
        for node in inner:
            node.tail = None
            _strip(node, ('project',))
            holder.append(node)
    if session and item.level != 'scans':
        owner = etree.Element(f'{{{_space(root)}}}{row.parent_field}')
        owner.text = session
        root.insert(0, owner)
    _strip_comments(root)
    return _as_root(root, row.datatype)


def _copy_without_items(node: Node) -> Node:
    """Return a copy of a node without the lists of the items below it."""
    spaces: Any = node.nsmap  # the default namespace has no prefix
    root = etree.Element(node.tag, nsmap=spaces)
    for name, value in node.attrib.items():
        root.set(name, value)
    root.text = node.text
    root.extend(copy.deepcopy(child) for child in node if _name(child) not in _LISTS)
    return root


def _rename_project(root: Node, old: str, new: str) -> None:
    root.set('ID', new)
    if root.get('secondary_ID') == old:
        root.set('secondary_ID', new)
    for child in _children(root, 'name'):
        if child.text == old:
            child.text = new


def _strip(node: Node, attributes: tuple[str, ...]) -> None:
    """Remove attributes of one node, and the children that belong to its archive."""
    for name in attributes:
        node.attrib.pop(name, '')
    for child in list(node):
        if _name(child) in _LEFT_OUT:
            node.remove(child)


def _strip_comments(root: Node) -> None:
    """Remove all comments.

    XNAT writes a line break and a comment before the text of a node: they are no part of it.
    """
    for comment in list(root.iter(etree.Comment)):
        parent = comment.getparent()
        if parent is not None and parent.text is not None and not parent.text.strip():
            parent.text = None
    etree.strip_tags(root, etree.Comment)


def _as_root(node: Node, datatype: str) -> Node:
    """Return a nested item as a root, which is named by its type.

    XNAT writes no type where the level has only one, which is `datatype`.
    """
    if _name(node) not in _NESTED:
        return node
    kind = str(node.attrib.pop(_XSI_TYPE, '')) or datatype
    prefix, _, local = kind.rpartition(':')
    spaces = {known: space for known, space in node.nsmap.items() if known}
    root = etree.Element(f'{{{spaces.get(prefix, _space(node))}}}{local}', nsmap=spaces)
    for name, value in node.attrib.items():
        root.set(name, value)
    root.text = node.text
    root.extend(list(node))
    return root


def values_of(document: bytes) -> dict[str, str]:
    """Return the fields of a document: path -> text.

    A repeated node is distinguished by its ``name`` or ``ID``, else by its number.
    """
    found: dict[str, str] = {}
    _collect(parse_xml(document), '', found)
    return found


def _collect(node: Node, path: str, found: dict[str, str]) -> None:
    """Add the fields of a node, and of those below.

    A node with a name alone is none: XNAT keeps it for a custom variable that was cleared.
    """
    for name, value in node.attrib.items():
        if value and str(name) not in _MARKS:
            found[f'{path}/@{name!s}'] = str(value)
    text = (node.text or '').strip()
    if text:
        found[path] = text
    for child, place in _places_below(node, path):
        if child.attrib.keys() != ['name'] or _elements(child) or _text(child):
            _collect(child, place, found)


def _places_below(node: Node, path: str) -> Iterator[tuple[Node, str]]:
    """Yield the children of a node with their paths."""
    count: dict[str, int] = {}
    for child in _elements(node):
        name = _name(child)
        key = str(child.get('name') or child.get('ID') or '')
        count[name] = count.get(name, 0) + 1
        mark = f'[{key}]' if key else f'[{count[name]}]' if count[name] > 1 else ''
        yield child, f'{path}/{name}{mark}'


def keep_fields(document: bytes, paths: Iterable[str]) -> bytes:
    """Return a document with some of its fields, for a PUT that merges it.

    Parameters
    ----------
    document : bytes
        XML, as `copy_document` returns.
    paths : iterable of str
        Paths of the fields to keep, as `values_of` returns.
    """
    root = parse_xml(document)
    _keep(root, '', frozenset(paths))
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')


def _keep(node: Node, path: str, wanted: frozenset[str]) -> bool:
    """Remove other fields from a node; return whether one is left."""
    found = path in wanted
    if not found:
        node.text = None
    for name in list(node.attrib):
        if f'{path}/@{name!s}' in wanted:
            found = True
        elif str(name) not in _MARKS and name not in ('name', 'ID'):
            del node.attrib[name]
    for child, place in list(_places_below(node, path)):
        if _keep(child, place, wanted):
            found = True
        else:
            node.remove(child)
    return found


def differences(
    wanted: Mapping[str, str], present: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Compare the fields of two documents.

    Parameters
    ----------
    wanted, present : mapping
        Path -> text, as `values_of` returns.

    Returns
    -------
    tuple of list
        Fields that are missing, and fields that have another value. Fields that only `present` has
        are in neither.
    """
    missing = [path for path in wanted if path not in present]
    other = [path for path in wanted if path in present and present[path] != wanted[path]]
    return missing, other


def _notes(resource: Node) -> dict[str, str]:
    tags = [_text(tag) for holder in _children(resource, 'tags') for tag in _elements(holder)]
    notes = {name: resource.get(name, '') for name in _NOTES} | {'tags': ','.join(tags)}
    return {name: value for name, value in notes.items() if value}


def _number_of_files(resource: Node) -> int:
    count = resource.get('file_count', '')
    return int(count) if count.isdecimal() else 0


def _children(node: Node, name: str) -> list[Node]:
    return [child for child in _elements(node) if _name(child) == name]


def _elements(node: Node) -> list[Node]:
    return [child for child in node if isinstance(child.tag, str)]


def _text(node: Node) -> str:
    """Return the text of a node; XNAT writes it behind a comment."""
    return str(node.xpath('string()')).strip()


def _name(node: Node) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ''


def _space(node: Node) -> str:
    return etree.QName(node).namespace or ''
