"""XSD documents read as XNAT reads them: data types and their fields.

A field is addressed by its path from the type: attributes and elements alike, single nested elements joined by ``/``
(``parameters/voxelRes/x``). Where an element's type is abstract the path says which concrete type is meant
(``demographics[@xsi:type=xnat:demographicData]/age``), and one instance of a repeated element is picked by its name
(``fields/field[name=x]/field``). The text of a repeated element that has attributes bears the element's own name
(``fields/field/field``), or that of its named type (``parameters/addParam/addField``), as in XNAT.

Pure: text in, values out. Documents with a DTD or entities are refused, and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from .xml import Node, parse_xml

__all__ = ['DEFAULT_LENGTH', 'DataType', 'Field', 'Registry', 'canonical']

DEFAULT_LENGTH = 255
"""Characters that a string without a limit of its own may have: XNAT stores it in a column of this width."""

_XS = '{http://www.w3.org/2001/XMLSchema}'
_KINDS = {
    'string': 'string', 'anyURI': 'string', 'token': 'string', 'normalizedString': 'string', 'NMTOKEN': 'string', 'ID': 'string',
    'integer': 'integer', 'int': 'integer', 'long': 'integer', 'short': 'integer', 'positiveInteger': 'integer',
    'nonNegativeInteger': 'integer', 'float': 'float', 'double': 'float', 'decimal': 'float', 'boolean': 'boolean',
    'date': 'date', 'time': 'time', 'dateTime': 'dateTime', 'duration': 'string',
}  # fmt: skip
_UNLIMITED = frozenset({'anyURI', 'duration'})


class Field(NamedTuple):
    """One field of a data type."""

    path: str
    """Path from the type, without the type's name."""
    kind: str = 'string'
    """``string``, ``integer``, ``float``, ``boolean``, ``date``, ``time`` or ``dateTime``; empty when the field holds items."""
    type: str = 'string'
    """Name of the type in XML Schema that it comes down to: ``double`` and ``decimal`` are of the kind ``float``."""
    attribute: bool = False
    """Whether it is written as an attribute in XML."""
    holders: tuple[str, ...] = ()
    """Paths of the elements on the way that an item can hold several of, the outermost first, without predicates."""
    namespaces: tuple[str, ...] = ()
    """Namespace of each step of the path in XML."""
    text: bool = False
    """Whether it is the text of a repeated element, which has a step of its own in the path."""
    required: bool = False
    item_type: str = ''
    """Name of the data type of the items it holds (``xnat:imageScanData``), where it holds items."""
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def repeated(self) -> bool:
        """Whether an item can hold several."""
        return bool(self.holders)

    def around(self, inner: Field) -> Field:
        """A field of the items that this one holds, as a field of the type that has this one."""
        below = canonical(self.path)
        return inner._replace(
            path=_join(self.path, inner.path),
            holders=self.holders + tuple(_join(below, path) for path in inner.holders),
            namespaces=self.namespaces + inner.namespaces,
        )

    @property
    def key(self) -> str:
        """The path without predicates, in lower case: what look-ups go by."""
        return canonical(self.path).lower()


class DataType(NamedTuple):
    """One complex type, by its prefixed name (``xnat:mrSessionData``)."""

    name: str
    base: str
    """Name of the type it extends; empty where it extends none."""
    abstract: bool
    root: str
    """Name of its root element (``MRSession``); empty where it has none."""
    namespace: str
    node: Node
    """Where it is declared."""


def canonical(path: str) -> str:
    """A path without ``[…]`` predicates: ``demographics[@xsi:type=xnat:demographicData]/age`` is ``demographics/age``."""
    return re.sub(r'\[[^\]]*\]', '', path)


class _Here(NamedTuple):
    """Where the reading of a type stands: path, namespaces and repeated elements so far."""

    path: str = ''
    namespaces: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()

    def step(self, node: Node, name: str) -> _Here:
        """One element or attribute further, declared at a node."""
        return _Here(_join(self.path, name), (*self.namespaces, _namespace(node)), self.holders)

    def many(self) -> _Here:
        """The same element, of which there may be several."""
        return self._replace(holders=(*self.holders, canonical(self.path)))

    @property
    def is_many(self) -> bool:
        return self.holders[-1:] == (canonical(self.path),)

    def mark(self, row: Field, **more: Any) -> Field:
        """A field that stands here."""
        return row._replace(path=self.path, namespaces=self.namespaces, holders=self.holders, **more)


class Registry:
    """The data types of a set of schema documents."""

    def __init__(self, documents: Iterable[bytes | str]) -> None:
        roots = [parse_xml(document) for document in documents]
        self.prefixes: dict[str, str] = {}
        """Namespace to the prefix that type names carry."""
        for root in roots:
            self._learn_prefix(root)
        self._simple: dict[str, Node] = {}
        self._types: dict[str, DataType] = {}
        for root in roots:
            self._read(root)
        self._by_lower = {name.lower(): name for name in self._types}
        self._fields: dict[str, tuple[Field, ...]] = {}
        self._keys: dict[str, dict[str, Field]] = {}
        self._subtypes: dict[str, list[str]] = {}

    # -- types

    def names(self) -> list[str]:
        """Names of all types, in the order of the documents."""
        return list(self._types)

    def get(self, name: str) -> DataType | None:
        """A type by its name, case ignored; None where there is none."""
        return self._types.get(self._by_lower.get(name.lower(), ''))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_lower

    def __iter__(self) -> Iterator[DataType]:
        return iter(self._types.values())

    def by_root(self, namespace: str, root: str) -> DataType | None:
        """The type of a document's root element."""
        return self._by_root.get((namespace, root))

    def by_element(self, name: str) -> DataType | None:
        """The type of the element of a name, whatever its prefix; None where there is none, or one in several namespaces."""
        return self._by_element.get(name.rpartition(':')[2])

    @cached_property
    def _by_element(self) -> dict[str, DataType | None]:
        found: dict[str, DataType | None] = {}
        for (_, root), row in self._by_root.items():
            found[root] = None if root in found else row
        return found

    @cached_property
    def _by_root(self) -> dict[tuple[str, str], DataType]:
        return {(row.namespace, row.root): row for row in self if row.root}

    def ancestry(self, name: str) -> list[str]:
        """The type and its bases, the nearest first."""
        row = self.get(name)
        return self.ancestry_exact(row) if row is not None else []

    def is_a(self, name: str, base: str) -> bool:
        """Whether a type is another or extends it."""
        wanted = self.get(base)
        row = self.get(name)
        return wanted is not None and row is not None and row.name in self.subtypes(wanted.name)

    def subtypes(self, base: str) -> list[str]:
        """The type and all that extend it."""
        row = self.get(base)
        if row is None:
            return []
        if row.name not in self._subtypes:
            self._subtypes[row.name] = [one.name for one in self if row.name in self.ancestry_exact(one)]
        return self._subtypes[row.name]

    # -- fields

    def fields(self, name: str) -> tuple[Field, ...]:
        """Fields of a type in schema order, the base's first; `KeyError` for an unknown type."""
        row = self.get(name)
        if row is None:
            raise KeyError(name)
        if row.name not in self._fields:
            self._fields[row.name] = tuple(self._expand(row, frozenset()))
        return self._fields[row.name]

    def field(self, name: str, path: str) -> Field | None:
        """A field by its path, case and predicates ignored, also one of the items that the type holds; None where there is none such."""
        row = self.get(name)
        if row is None:
            return None
        keys = self._by_key(row.name)
        plain = canonical(path).lower()
        if plain not in keys:
            found = next(self._inside(row.name, plain), None)
            if found is None:
                return None
            keys[plain] = found
        return keys[plain]

    def repeats(self, name: str, path: str) -> bool:
        """Whether an item of a type can hold several of the element at a path."""
        plain = canonical(path).lower()
        found = self.field(name, path)
        if found is not None and found.holders and found.holders[-1].lower() == plain:
            return True
        below = plain + '/'
        depth = plain.count('/')
        fields = self.fields(name) if name in self else ()
        if any(holder.lower() == plain for one in fields for holder in one.holders if holder.count('/') == depth):
            return True
        held = (one for one in fields if one.item_type and below.startswith(one.key + '/') and one.key != plain)
        return any(self.repeats(kind, plain[len(one.key) + 1 :]) for one in held for kind in self.subtypes(one.item_type))

    def text_of(self, name: str, path: str) -> Field | None:
        """The field that the text of an element goes to."""
        found = self.field(name, path)
        if found is not None and found.kind:
            return found
        last = path.rpartition('/')[2]
        named = (self.field(name, f'{path}/{text}') for text in (canonical(last), *self._text_names))
        return next((one for one in named if one is not None and one.text), None)

    def element_type(self, name: str, element: str) -> str:
        """The data type of a single element that a type, or one it extends, declares; empty where it has none of its own."""
        for row in filter(None, map(self.get_exact, self.ancestry(name))):
            for node in row.node.iter(_XS + 'element'):
                if node.get('name') == element and node.get('type') and _holder(node) is row.node:
                    kind = self.get_exact(self._resolve(node, node.get('type')))
                    return kind.name if kind is not None and _first(kind.node, 'simpleContent/extension') is None else ''
        return ''

    def _by_key(self, name: str) -> dict[str, Field]:
        if name not in self._keys:
            keys: dict[str, Field] = {}
            for one in self.fields(name):
                keys.setdefault(one.key, one)
            self._keys[name] = keys
        return self._keys[name]

    def _inside(self, name: str, plain: str) -> Iterator[Field]:
        """A field of the items that a type holds, or of a type that extends theirs."""
        for one in self.fields(name):
            if one.item_type and plain.startswith(one.key + '/'):
                rest = plain[len(one.key) + 1 :]
                found = (self.field(kind, rest) for kind in self.subtypes(one.item_type))
                yield from (one.around(inner) for inner in found if inner is not None)

    @cached_property
    def _text_names(self) -> tuple[str, ...]:
        """Names of the types that are a text with attributes: the text of a repeated element of theirs bears the type's name."""
        return tuple(row.name.partition(':')[2] for row in self if _first(row.node, 'simpleContent/extension') is not None)

    # -- reading

    def _learn_prefix(self, root: Node) -> None:
        namespace = root.get('targetNamespace', '')
        for prefix, uri in root.nsmap.items():
            if uri == namespace and prefix:
                self.prefixes.setdefault(namespace, prefix)

    def _read(self, root: Node) -> None:
        namespace = root.get('targetNamespace', '')
        prefix = self.prefixes.get(namespace, '')
        roots = {self._resolve(node, node.get('type')): node.get('name') for node in reversed(root.findall(_XS + 'element')) if node.get('type')}
        for node in root.findall(_XS + 'simpleType'):
            self._simple[f'{prefix}:{node.get("name")}'] = node
        for node in root.findall(_XS + 'complexType'):
            name = f'{prefix}:{node.get("name")}'
            extension = _first(node, 'complexContent/extension', 'simpleContent/extension')
            base = self._resolve(extension, extension.get('base')) if extension is not None else ''
            base = '' if base.startswith('xs:') else base
            abstract = node.get('abstract') == 'true'
            self._types[name] = DataType(name, base, abstract, roots.get(name) or '', namespace, node)

    def _resolve(self, node: Node, name: str | None) -> str:
        """A type's name as written at a node, with the prefix this registry uses; ``xs:`` for XML Schema's own."""
        prefix, _, local = (name or '').rpartition(':')
        uri = node.nsmap.get(prefix or None, '')
        if uri == _XS[1:-1]:
            return 'xs:' + local
        return f'{self.prefixes.get(uri, prefix)}:{local}'

    def _expand(self, row: DataType, seen: frozenset[str]) -> Iterator[Field]:
        base = self.get(row.base)
        if base is not None and base.name not in seen:
            yield from self._expand(base, seen | {row.name})
        yield from self._content(row.node, _Here(), row.name.partition(':')[2], seen | {row.name})

    def _content(self, node: Node, here: _Here, text_name: str, seen: frozenset[str]) -> Iterator[Field]:
        """Fields below a complex type's node: its attributes, its text, its elements."""
        extension = _first(node, 'simpleContent/extension')
        body = _first(node, 'complexContent/extension') if extension is None else extension
        body = node if body is None else body
        if extension is not None:
            at = here.step(node, text_name) if here.is_many or not here.path else here
            yield at.mark(self._simple_field(extension, at.path, extension.get('base')), text=here.is_many)
        for attribute in body.findall(_XS + 'attribute'):
            if attribute.get('name'):
                at = here.step(node, attribute.get('name', ''))
                yield at.mark(self._leaf(attribute, at.path), attribute=True, required=attribute.get('use') == 'required')
        for child in body.iterfind('.//' + _XS + 'element'):
            if _owner(child) is body:
                yield from self._element(child, here, seen)

    def _element(self, node: Node, above: _Here, seen: frozenset[str]) -> Iterator[Field]:
        name = node.get('name')
        if not name:
            return
        here = above.step(node, name)
        if node.get('maxOccurs', '1') not in ('0', '1'):
            here = here.many()
        inner = _first(node, 'complexType')
        if inner is not None:
            yield from self._content(inner, here, name, seen)
            return
        row = self.get_exact(self._resolve(node, node.get('type'))) if node.get('type') else None
        if row is None:
            if self._is_simple(node):
                yield here.mark(self._leaf(node, here.path), required=_is_required(node) and not here.is_many)
        elif here.is_many or row.name in seen:
            yield from self._items(row, here, seen)
        else:
            yield from self._nested(row, here, seen)

    def get_exact(self, name: str) -> DataType | None:
        """A type by its exact name."""
        return self._types.get(name)

    def _items(self, row: DataType, here: _Here, seen: frozenset[str]) -> Iterator[Field]:
        """A repeated element of a named type: its own fields follow where the type is a plain value, not an item."""
        if _first(row.node, 'simpleContent/extension') is not None:
            yield from self._content(row.node, here, row.name.partition(':')[2], seen | {row.name})
        else:
            yield here.mark(Field(here.path, kind='', item_type=row.name))

    def _nested(self, row: DataType, here: _Here, seen: frozenset[str]) -> Iterator[Field]:
        concrete = [row] if not row.abstract and not self._stands_for(row) else self._stands_for(row)
        for one in concrete:
            at = here if one is row else here._replace(path=f'{here.path}[@xsi:type={one.name}]')
            if one.base and _first(one.node, 'simpleContent/extension') is None:
                outer = at.mark(Field(at.path))
                yield from (outer.around(inner) for inner in self._expand(one, seen | {row.name}))
            else:
                yield from self._content(one.node, at, one.name.partition(':')[2], seen | {row.name, one.name})

    def _stands_for(self, row: DataType) -> list[DataType]:
        """The types that may stand where an abstract one is declared; XNAT's own schema marks few as abstract, but names them so."""
        if not (row.abstract or row.name.partition(':')[2].startswith('abstract')):
            return []
        return [one for one in self if one.name != row.name and row.name in self.ancestry_exact(one)]

    def ancestry_exact(self, row: DataType) -> list[str]:
        """As `ancestry`, usable while the registry is still being read."""
        found: list[str] = []
        current: DataType | None = row
        while current is not None and current.name not in found:
            found.append(current.name)
            current = self._types.get(current.base)
        return found

    def _is_simple(self, node: Node) -> bool:
        name = self._resolve(node, node.get('type')) if node.get('type') else ''
        return not name or name.startswith('xs:') or name in self._simple or _first(node, 'simpleType') is not None

    def _leaf(self, node: Node, path: str) -> Field:
        inline = _first(node, 'simpleType/restriction')
        if inline is not None:
            return self._simple_field(inline, path, inline.get('base'))
        return self._simple_field(node, path, node.get('type') or 'xs:string')

    def _simple_field(self, node: Node, path: str, type_name: str | None) -> Field:
        """A field of a simple type, with what restricts it."""
        name = self._resolve(node, type_name)
        named = self._simple.get(name)
        restriction = _first(named, 'restriction') if named is not None else None
        base = self._simple_field(restriction, path, restriction.get('base')) if restriction is not None else _builtin(path, name.partition(':')[2])
        return base._replace(**_facets(node if node.tag == _XS + 'restriction' else None))


def _builtin(path: str, local: str) -> Field:
    kind = _KINDS.get(local, 'string')
    limit = DEFAULT_LENGTH if kind == 'string' and local in _KINDS and local not in _UNLIMITED else None
    return Field(path, kind=kind, type=local, max_length=limit)


def _facets(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    facets: dict[str, Any] = {}
    choices = tuple(one.get('value', '') for one in node.findall(_XS + 'enumeration'))
    if choices:
        facets['choices'] = choices
    for tag, name, convert in (('maxLength', 'max_length', int), ('minInclusive', 'minimum', float), ('maxInclusive', 'maximum', float)):
        found = node.find(_XS + tag)
        if found is not None:
            facets[name] = convert(found.get('value', ''))
    return facets


def _first(node: Node, *paths: str) -> Node | None:
    for path in paths:
        found = node.find('/'.join(_XS + step for step in path.split('/')))
        if found is not None:
            return found
    return None


def _owner(node: Node) -> Node | None:
    """The complex type or extension that an element is declared in, past sequences, choices and groups."""
    parent = node.getparent()
    while parent is not None and parent.tag in (_XS + 'sequence', _XS + 'choice', _XS + 'all'):
        parent = parent.getparent()
    return parent


def _is_required(node: Node) -> bool:
    """Whether an element must be there: it is no choice, and nothing says that there may be none."""
    parent = node.getparent()
    return node.get('minOccurs', '1') != '0' and (parent is None or parent.tag != _XS + 'choice')


def _holder(node: Node) -> Node | None:
    """The complex type that an element is declared in."""
    owner = _owner(node)
    return next(owner.iterancestors(_XS + 'complexType'), None) if owner is not None and owner.tag == _XS + 'extension' else owner


def _namespace(node: Node) -> str:
    """The target namespace of the document that a node is in."""
    return node.getroottree().getroot().get('targetNamespace', '')


def _join(path: str, name: str) -> str:
    return f'{path}/{name}' if path else name
