"""Data types and their fields, parsed from XSD documents as XNAT does.

A field is addressed by its path from the type: attributes and elements alike, single nested
elements joined by ``/`` (``parameters/voxelRes/x``). If an element's type is abstract, a predicate
names the concrete type (``demographics[@xsi:type=xnat:demographicData]/age``). An instance of a
repeated element is selected by its name (``fields/field[name=x]/field``). The text of a repeated
element with attributes has the element's own name (``fields/field/field``), or that of its named
type (``parameters/addParam/addField``), as in XNAT.

No I/O: text in, values out. Documents with a DTD or entities are refused, and nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from .fields import DataType, Field, Position, canonical
from .xml import Node, parse_xml

__all__ = ['DEFAULT_LENGTH', 'DataType', 'Field', 'Registry', 'canonical']

DEFAULT_LENGTH = 255
"""Characters of a string without a limit of its own: the width of XNAT's column."""

_XS = '{http://www.w3.org/2001/XMLSchema}'
_KINDS = {
    'string': 'string',
    'anyURI': 'string',
    'token': 'string',
    'normalizedString': 'string',
    'NMTOKEN': 'string',
    'ID': 'string',
    'integer': 'integer',
    'int': 'integer',
    'long': 'integer',
    'short': 'integer',
    'positiveInteger': 'integer',
    'nonNegativeInteger': 'integer',
    'float': 'float',
    'double': 'float',
    'decimal': 'float',
    'boolean': 'boolean',
    'date': 'date',
    'time': 'time',
    'dateTime': 'dateTime',
    'duration': 'string',
}
_UNLIMITED = frozenset({'anyURI', 'duration'})


class Registry:
    """Data types of a set of schema documents.

    Parameters
    ----------
    documents : iterable of bytes or str
        XSD documents.
    """

    def __init__(self, documents: Iterable[bytes | str]) -> None:
        roots = [parse_xml(document) for document in documents]
        self.prefixes: dict[str, str] = {}
        """Namespace -> prefix of its type names."""
        for root in roots:
            self._learn_prefix(root)
        self._simple: dict[str, Node] = {}
        self._types: dict[str, DataType] = {}
        for root in roots:
            self._read(root)
        self._by_lower = {name.lower(): name for name in self._types}
        self._fields: dict[str, tuple[Field, ...]] = {}
        self._keys: dict[str, dict[str, Field]] = {}
        self._positions: dict[str, dict[str, int]] = {}
        self._subtypes: dict[str, list[str]] = {}

    # -- types

    def names(self) -> list[str]:
        """Return the names of all types, in the order of the documents."""
        return list(self._types)

    def get(self, name: str) -> DataType | None:
        """Return a type by its name, ignoring case; None if there is none."""
        return self._types.get(self._by_lower.get(name.lower(), ''))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_lower

    def __iter__(self) -> Iterator[DataType]:
        return iter(self._types.values())

    def by_root(self, namespace: str, root: str) -> DataType | None:
        """Return the type of a document's root element.

        Parameters
        ----------
        namespace : str
            Namespace of the element.
        root : str
            Name of the element.

        Returns
        -------
        DataType or None
            None if no type has this root.
        """
        return self._by_root.get((namespace, root))

    def by_element(self, name: str) -> DataType | None:
        """Return the type of a root element by its name without the prefix.

        None if there is none, or if several namespaces have one.
        """
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
        """Return the names of a type and its bases, nearest first."""
        row = self.get(name)
        return self.ancestry_exact(row) if row is not None else []

    def is_a(self, name: str, base: str) -> bool:
        """Whether a type is another or extends it.

        Parameters
        ----------
        name, base : str
            Names of the type and of the possible base; case is ignored.
        """
        wanted = self.get(base)
        row = self.get(name)
        return wanted is not None and row is not None and row.name in self.subtypes(wanted.name)

    def subtypes(self, base: str) -> list[str]:
        """Return the names of a type and of all that extend it."""
        row = self.get(base)
        if row is None:
            return []
        if row.name not in self._subtypes:
            self._subtypes[row.name] = [
                one.name for one in self if row.name in self.ancestry_exact(one)
            ]
        return self._subtypes[row.name]

    # -- fields

    def fields(self, name: str) -> tuple[Field, ...]:
        """Return the fields of a type in schema order, the base's first.

        Raises
        ------
        KeyError
            There is no such type.
        """
        row = self.get(name)
        if row is None:
            raise KeyError(name)
        if row.name not in self._fields:
            self._fields[row.name] = tuple(self._expand(row, frozenset()))
        return self._fields[row.name]

    def field(self, name: str, path: str) -> Field | None:
        """Return a field by its path, also of the items that the type holds.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path of the field; case and predicates are ignored.

        Returns
        -------
        Field or None
            None if there is no such type or field.
        """
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
        """Whether an item can have several elements at a path.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path of the element; case and predicates are ignored.
        """
        plain = canonical(path).lower()
        found = self.field(name, path)
        if found is not None and found.holders and found.holders[-1].lower() == plain:
            return True
        below = plain + '/'
        depth = plain.count('/')
        fields = self.fields(name) if name in self else ()
        if any(
            holder.lower() == plain
            for one in fields
            for holder in one.holders
            if holder.count('/') == depth
        ):
            return True
        held = (
            one
            for one in fields
            if one.item_type and below.startswith(one.key + '/') and one.key != plain
        )
        return any(
            self.repeats(kind, plain[len(one.key) + 1 :])
            for one in held
            for kind in self.subtypes(one.item_type)
        )

    def text_of(self, name: str, path: str) -> Field | None:
        """Return the field that holds the text of an element.

        Parameters
        ----------
        name : str
            Name of the type.
        path : str
            Path of the element.

        Returns
        -------
        Field or None
            None if the element has no text.
        """
        found = self.field(name, path)
        if found is not None and found.kind:
            return found
        last = path.rpartition('/')[2]
        named = (
            self.field(name, f'{path}/{text}') for text in (canonical(last), *self._text_names)
        )
        return next((one for one in named if one is not None and one.text), None)

    def element_type(self, name: str, element: str) -> str:
        """Return the data type of a single element of a type.

        Parameters
        ----------
        name : str
            Name of the type; elements declared by its bases are included.
        element : str
            Name of the element.

        Returns
        -------
        str
            Empty if the element has no data type.
        """
        for row in filter(None, map(self.get_exact, self.ancestry(name))):
            for node in row.node.iter(_XS + 'element'):
                if node.get('name') == element and node.get('type') and _holder(node) is row.node:
                    kind = self.get_exact(self._resolve(node, node.get('type')))
                    return (
                        kind.name
                        if kind is not None and _first(kind.node, 'simpleContent/extension') is None
                        else ''
                    )
        return ''

    def positions(self, name: str) -> dict[str, int]:
        """Return key -> position of the fields of a type; errors as for `fields`."""
        if name not in self._positions:
            self._positions[name] = {one.key: place for place, one in enumerate(self.fields(name))}
        return self._positions[name]

    def _by_key(self, name: str) -> dict[str, Field]:
        if name not in self._keys:
            keys: dict[str, Field] = {}
            for one in self.fields(name):
                keys.setdefault(one.key, one)
            self._keys[name] = keys
        return self._keys[name]

    def _inside(self, name: str, plain: str) -> Iterator[Field]:
        """Yield the fields at a path of the items that a type holds.

        Fields of types that extend the items' type are included.
        """
        for one in self.fields(name):
            if one.item_type and plain.startswith(one.key + '/'):
                rest = plain[len(one.key) + 1 :]
                found = (self.field(kind, rest) for kind in self.subtypes(one.item_type))
                yield from (one.around(inner) for inner in found if inner is not None)

    @cached_property
    def _text_names(self) -> tuple[str, ...]:
        """Names of the types that are text with attributes.

        The text of a repeated element of such a type has the type's name.
        """
        return tuple(
            row.name.partition(':')[2]
            for row in self
            if _first(row.node, 'simpleContent/extension') is not None
        )

    # -- reading

    def _learn_prefix(self, root: Node) -> None:
        namespace = root.get('targetNamespace', '')
        for prefix, uri in root.nsmap.items():
            if uri == namespace and prefix:
                self.prefixes.setdefault(namespace, prefix)

    def _read(self, root: Node) -> None:
        namespace = root.get('targetNamespace', '')
        prefix = self.prefixes.get(namespace, '')
        roots = {
            self._resolve(node, node.get('type')): node.get('name')
            for node in reversed(root.findall(_XS + 'element'))
            if node.get('type')
        }
        for node in root.findall(_XS + 'simpleType'):
            self._simple[f'{prefix}:{node.get("name")}'] = node
        for node in root.findall(_XS + 'complexType'):
            name = f'{prefix}:{node.get("name")}'
            extension = _first(node, 'complexContent/extension', 'simpleContent/extension')
            base = self._resolve(extension, extension.get('base')) if extension is not None else ''
            base = '' if base.startswith('xs:') else base
            abstract = node.get('abstract') == 'true'
            self._types[name] = DataType(
                name, base, abstract, roots.get(name) or '', namespace, node
            )

    def _resolve(self, node: Node, name: str | None) -> str:
        """Return the name of a type at a node, with the registry's prefix.

        The prefix ``xs:`` stands for XML Schema's own types.
        """
        prefix, _, local = (name or '').rpartition(':')
        uri = node.nsmap.get(prefix or None, '')
        if uri == _XS[1:-1]:
            return 'xs:' + local
        return f'{self.prefixes.get(uri, prefix)}:{local}'

    def _expand(self, row: DataType, seen: frozenset[str]) -> Iterator[Field]:
        base = self.get(row.base)
        if base is not None and base.name not in seen:
            yield from self._expand(base, seen | {row.name})
        yield from self._content(
            row.node, Position(), row.name.partition(':')[2], seen | {row.name}
        )

    def _content(
        self, node: Node, here: Position, text_name: str, seen: frozenset[str]
    ) -> Iterator[Field]:
        """Yield the fields of a complex type: attributes, text, elements."""
        extension = _first(node, 'simpleContent/extension')
        body = _first(node, 'complexContent/extension') if extension is None else extension
        body = node if body is None else body
        if extension is not None:
            at = here.step(node, text_name) if here.is_many or not here.path else here
            yield at.mark(
                self._simple_field(extension, at.path, extension.get('base')), text=here.is_many
            )
        for attribute in body.findall(_XS + 'attribute'):
            if attribute.get('name'):
                at = here.step(node, attribute.get('name', ''))
                yield at.mark(
                    self._leaf(attribute, at.path),
                    attribute=True,
                    required=attribute.get('use') == 'required',
                )
        for child in body.iterfind('.//' + _XS + 'element'):
            if _owner(child) is body:
                yield from self._element(child, here, seen)

    def _element(self, node: Node, above: Position, seen: frozenset[str]) -> Iterator[Field]:
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
                yield here.mark(
                    self._leaf(node, here.path), required=_is_required(node) and not here.is_many
                )
        elif here.is_many or row.name in seen:
            yield from self._items(row, here, seen)
        else:
            yield from self._nested(row, here, seen)

    def get_exact(self, name: str) -> DataType | None:
        """Return a type by its exact name."""
        return self._types.get(name)

    def _items(self, row: DataType, here: Position, seen: frozenset[str]) -> Iterator[Field]:
        """Yield the field of a repeated element of a named type.

        If the type is text with attributes, yield the fields of its parts instead.
        """
        if _first(row.node, 'simpleContent/extension') is not None:
            yield from self._content(row.node, here, row.name.partition(':')[2], seen | {row.name})
        else:
            yield here.mark(Field(here.path, kind='', item_type=row.name))

    def _nested(self, row: DataType, here: Position, seen: frozenset[str]) -> Iterator[Field]:
        concrete = (
            [row] if not row.abstract and not self._stands_for(row) else self._stands_for(row)
        )
        for one in concrete:
            at = here if one is row else here._replace(path=f'{here.path}[@xsi:type={one.name}]')
            if one.base and _first(one.node, 'simpleContent/extension') is None:
                outer = at.mark(Field(at.path))
                yield from (outer.around(inner) for inner in self._expand(one, seen | {row.name}))
            else:
                yield from self._content(
                    one.node, at, one.name.partition(':')[2], seen | {row.name, one.name}
                )

    def _stands_for(self, row: DataType) -> list[DataType]:
        """Return the concrete types for an abstract one.

        XNAT's own schema marks few types as abstract, but their names begin with "abstract".
        """
        if not (row.abstract or row.name.partition(':')[2].startswith('abstract')):
            return []
        return [
            one for one in self if one.name != row.name and row.name in self.ancestry_exact(one)
        ]

    def ancestry_exact(self, row: DataType) -> list[str]:
        """Return the names of a type and its bases, nearest first.

        In contrast to `ancestry` it works while the registry is still being filled.
        """
        found: list[str] = []
        current: DataType | None = row
        while current is not None and current.name not in found:
            found.append(current.name)
            current = self._types.get(current.base)
        return found

    def _is_simple(self, node: Node) -> bool:
        name = self._resolve(node, node.get('type')) if node.get('type') else ''
        return (
            not name
            or name.startswith('xs:')
            or name in self._simple
            or _first(node, 'simpleType') is not None
        )

    def _leaf(self, node: Node, path: str) -> Field:
        inline = _first(node, 'simpleType/restriction')
        if inline is not None:
            return self._simple_field(inline, path, inline.get('base'))
        return self._simple_field(node, path, node.get('type') or 'xs:string')

    def _simple_field(self, node: Node, path: str, type_name: str | None) -> Field:
        """Return a field of a simple type, with its restrictions."""
        name = self._resolve(node, type_name)
        named = self._simple.get(name)
        restriction = _first(named, 'restriction') if named is not None else None
        base = (
            self._simple_field(restriction, path, restriction.get('base'))
            if restriction is not None
            else _builtin(path, name.partition(':')[2])
        )
        return base._replace(**_facets(node if node.tag == _XS + 'restriction' else None))


def _builtin(path: str, local: str) -> Field:
    kind = _KINDS.get(local, 'string')
    limit = (
        DEFAULT_LENGTH if kind == 'string' and local in _KINDS and local not in _UNLIMITED else None
    )
    return Field(path, kind=kind, type=local, max_length=limit)


def _facets(node: Node | None) -> dict[str, Any]:
    if node is None:
        return {}
    facets: dict[str, Any] = {}
    choices = tuple(one.get('value', '') for one in node.findall(_XS + 'enumeration'))
    if choices:
        facets['choices'] = choices
    for tag, name, convert in (
        ('maxLength', 'max_length', int),
        ('minInclusive', 'minimum', float),
        ('maxInclusive', 'maximum', float),
    ):
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
    """Return the complex type or extension that declares an element.

    Sequences, choices and groups in between are skipped.
    """
    parent = node.getparent()
    while parent is not None and parent.tag in (_XS + 'sequence', _XS + 'choice', _XS + 'all'):
        parent = parent.getparent()
    return parent


def _is_required(node: Node) -> bool:
    """Whether an element is mandatory: no choice, and ``minOccurs`` is not 0."""
    parent = node.getparent()
    return node.get('minOccurs', '1') != '0' and (parent is None or parent.tag != _XS + 'choice')


def _holder(node: Node) -> Node | None:
    """Return the complex type that declares an element."""
    owner = _owner(node)
    return (
        next(owner.iterancestors(_XS + 'complexType'), None)
        if owner is not None and owner.tag == _XS + 'extension'
        else owner
    )
