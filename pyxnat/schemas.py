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
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import cached_property
from typing import Any

from lxml import etree

__all__ = ['DEFAULT_LENGTH', 'DataType', 'Field', 'Registry', 'canonical', 'normalise', 'parse_date', 'parse_stamp', 'parse_xml']

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


@dataclass(frozen=True)
class Field:
    """One field of a data type."""

    path: str
    """Path from the type, without the type's name."""
    kind: str = 'string'
    """``string``, ``integer``, ``float``, ``boolean``, ``date``, ``time`` or ``dateTime``; empty when the field holds items."""
    attribute: bool = False
    """Whether it is written as an attribute in XML."""
    repeated: bool = False
    """Whether an item can hold several."""
    required: bool = False
    item_type: str = ''
    """Name of the data type of the items it holds (``xnat:imageScanData``), where it holds items."""
    max_length: int | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def key(self) -> str:
        """The path without predicates, in lower case: what look-ups go by."""
        return canonical(self.path).lower()


@dataclass(frozen=True)
class DataType:
    """One complex type, by its prefixed name (``xnat:mrSessionData``)."""

    name: str
    base: str
    """Name of the type it extends; empty where it extends none."""
    abstract: bool
    root: str
    """Name of its root element (``MRSession``); empty where it has none."""
    namespace: str
    node: etree._Element = field(repr=False, compare=False)


def canonical(path: str) -> str:
    """A path without ``[…]`` predicates: ``demographics[@xsi:type=xnat:demographicData]/age`` is ``demographics/age``."""
    return re.sub(r'\[[^\]]*\]', '', path)


def parse_xml(text: bytes | str) -> etree._Element:
    """The root element of a document; `ValueError` for one that is malformed or has a DOCTYPE.

    Comments stay; no entity is expanded, no network or file is touched, and lxml's limits on depth and size hold.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True)
    data = text.encode('utf-8') if isinstance(text, str) else text
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f'not well-formed XML: {error}') from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise ValueError('a document with a DOCTYPE is not accepted')
    return root


class Registry:
    """The data types of a set of schema documents."""

    def __init__(self, documents: Iterable[bytes | str]) -> None:
        roots = [parse_xml(document) for document in documents]
        self.prefixes: dict[str, str] = {}
        """Namespace to the prefix that type names carry."""
        for root in roots:
            self._learn_prefix(root)
        self._simple: dict[str, etree._Element] = {}
        self._types: dict[str, DataType] = {}
        for root in roots:
            self._read(root)
        self._by_lower = {name.lower(): name for name in self._types}
        self._fields: dict[str, tuple[Field, ...]] = {}
        self._keys: dict[str, dict[str, Field]] = {}

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

    @cached_property
    def _by_root(self) -> dict[tuple[str, str], DataType]:
        return {(row.namespace, row.root): row for row in self if row.root}

    def ancestry(self, name: str) -> list[str]:
        """The type and its bases, the nearest first."""
        found = []
        row = self.get(name)
        while row is not None and row.name not in found:
            found.append(row.name)
            row = self.get(row.base)
        return found

    def is_a(self, name: str, base: str) -> bool:
        """Whether a type is another or extends it."""
        wanted = self.get(base)
        return wanted is not None and wanted.name in self.ancestry(name)

    def subtypes(self, base: str) -> list[str]:
        """The type and all that extend it."""
        return [row.name for row in self if self.is_a(row.name, base)]

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
        """A field by its path, case and predicates ignored; None where the type has none such."""
        row = self.get(name)
        if row is None:
            return None
        if row.name not in self._keys:
            keys: dict[str, Field] = {}
            for one in self.fields(row.name):
                keys.setdefault(one.key, one)
            self._keys[row.name] = keys
        return self._keys[row.name].get(canonical(path).lower())

    # -- reading

    def _learn_prefix(self, root: etree._Element) -> None:
        namespace = root.get('targetNamespace', '')
        for prefix, uri in root.nsmap.items():
            if uri == namespace and prefix:
                self.prefixes.setdefault(namespace, prefix)

    def _read(self, root: etree._Element) -> None:
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

    def _resolve(self, node: etree._Element, name: str | None) -> str:
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
        yield from self._content(row.node, '', row.name.partition(':')[2], seen | {row.name}, False)

    def _content(self, node: etree._Element, path: str, text_name: str, seen: frozenset[str], repeated: bool) -> Iterator[Field]:
        """Fields below a complex type's node: its attributes, its text, its elements."""
        extension = _first(node, 'simpleContent/extension')
        body = _first(node, 'complexContent/extension') if extension is None else extension
        body = node if body is None else body
        if extension is not None:
            name = f'{path}/{text_name}' if repeated else path
            yield self._simple_field(extension, name or text_name, extension.get('base'), repeated=repeated)
        for attribute in body.findall(_XS + 'attribute'):
            if attribute.get('name'):
                yield replace(self._leaf(attribute, _join(path, attribute.get('name', ''))), attribute=True, repeated=repeated,
                              required=attribute.get('use') == 'required')  # fmt: skip
        for child in body.iterfind('.//' + _XS + 'element'):
            if _owner(child) is body:
                yield from self._element(child, path, seen, repeated)

    def _element(self, node: etree._Element, path: str, seen: frozenset[str], repeated: bool) -> Iterator[Field]:
        name = node.get('name')
        if not name:
            return
        here = _join(path, name)
        many = repeated or node.get('maxOccurs', '1') not in ('0', '1')
        inner = _first(node, 'complexType')
        if inner is not None:
            yield from self._content(inner, here, name, seen, many)
            return
        row = self.get_exact(self._resolve(node, node.get('type'))) if node.get('type') else None
        if row is None:
            if self._is_simple(node):
                yield replace(self._leaf(node, here), repeated=many)
        elif many or row.name in seen:
            yield from self._items(row, here, seen, many)
        else:
            yield from self._nested(row, here, seen)

    def get_exact(self, name: str) -> DataType | None:
        """A type by its exact name."""
        return self._types.get(name)

    def _items(self, row: DataType, path: str, seen: frozenset[str], many: bool) -> Iterator[Field]:
        """A repeated element of a named type: its own fields follow where the type is a plain value, not an item."""
        if _first(row.node, 'simpleContent/extension') is not None:
            yield from self._content(row.node, path, row.name.partition(':')[2], seen | {row.name}, many)
        else:
            yield Field(path, kind='', repeated=many, item_type=row.name)

    def _nested(self, row: DataType, path: str, seen: frozenset[str]) -> Iterator[Field]:
        concrete = [row] if not row.abstract and not self._stands_for(row) else self._stands_for(row)
        for one in concrete:
            where = path if one is row else f'{path}[@xsi:type={one.name}]'
            if one.base and _first(one.node, 'simpleContent/extension') is None:
                inner: Iterator[Field] = self._expand(one, seen | {row.name})
                yield from (replace(item, path=_join(where, item.path)) for item in inner)
            else:
                yield from self._content(one.node, where, one.name.partition(':')[2], seen | {row.name, one.name}, False)

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

    def _is_simple(self, node: etree._Element) -> bool:
        name = self._resolve(node, node.get('type')) if node.get('type') else ''
        return not name or name.startswith('xs:') or name in self._simple or _first(node, 'simpleType') is not None

    def _leaf(self, node: etree._Element, path: str) -> Field:
        inline = _first(node, 'simpleType/restriction')
        if inline is not None:
            return self._simple_field(inline, path, inline.get('base'))
        return self._simple_field(node, path, node.get('type') or 'xs:string')

    def _simple_field(self, node: etree._Element, path: str, type_name: str | None, repeated: bool = False) -> Field:
        """A field of a simple type, with what restricts it."""
        name = self._resolve(node, type_name)
        named = self._simple.get(name)
        restriction = _first(named, 'restriction') if named is not None else None
        base = self._simple_field(restriction, path, restriction.get('base')) if restriction is not None else _builtin(path, name.partition(':')[2])
        return replace(base, repeated=repeated, **_facets(node if node.tag == _XS + 'restriction' else None))


def _builtin(path: str, local: str) -> Field:
    kind = _KINDS.get(local, 'string')
    limit = DEFAULT_LENGTH if kind == 'string' and local in _KINDS and local not in _UNLIMITED else None
    return Field(path, kind=kind, max_length=limit)


def _facets(node: etree._Element | None) -> dict[str, Any]:
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


def _first(node: etree._Element, *paths: str) -> etree._Element | None:
    for path in paths:
        found = node.find('/'.join(_XS + step for step in path.split('/')))
        if found is not None:
            return found
    return None


def _owner(node: etree._Element) -> etree._Element | None:
    """The complex type or extension that an element is declared in, past sequences, choices and groups."""
    parent = node.getparent()
    while parent is not None and parent.tag in (_XS + 'sequence', _XS + 'choice', _XS + 'all'):
        parent = parent.getparent()
    return parent


def _join(path: str, name: str) -> str:
    return f'{path}/{name}' if path else name


# -- values

_DATES = ('%Y-%m-%d', '%m/%d/%Y', '%m.%d.%Y', '%Y%m%d', '%a %b %d %H:%M:%S %Z %Y')
_STAMPS = ('%Y-%m-%d %H:%M:%S', '%Y-%m-%d %H:%M:%S.%f', '%m/%d/%Y %H:%M:%S', '%Y-%m-%d %H:%M')
_BOOLEANS = {'true': '1', '1': '1', 'false': '0', '0': '0'}


def normalise(row: Field, text: str) -> str:
    """A value in the form XNAT answers it; `ValueError`, with the reason, where the field cannot hold it.

    Dates are read as ``yyyy-MM-dd``, ``MM/dd/yyyy``, ``MM.dd.yyyy`` and ``yyyyMMdd``, and become ``yyyy-MM-dd``; a float 42 becomes
    ``42.0``; a boolean ``1`` or ``0``.
    """
    value = text.strip() if row.kind != 'string' else text
    value = _READ.get(row.kind, _string)(row, value)
    if row.choices and value not in row.choices:
        raise ValueError(f'{row.path}: {text!r} is none of {", ".join(row.choices)}')
    return value


def _string(row: Field, value: str) -> str:
    if row.max_length is not None and len(value) > row.max_length:
        raise ValueError(f'{row.path}: longer than {row.max_length} characters')
    return value


def _integer(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?\d{1,18}', value):
        raise ValueError(f'{row.path}: {value!r} is not an integer')
    return _ranged(row, str(int(value)))


def _float(row: Field, value: str) -> str:
    if not re.fullmatch(r'[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?', value):
        raise ValueError(f'{row.path}: {value!r} is not a number')
    return _ranged(row, repr(float(value)))


def _ranged(row: Field, value: str) -> str:
    number = float(value)
    if (row.minimum is not None and number < row.minimum) or (row.maximum is not None and number > row.maximum):
        raise ValueError(f'{row.path}: {value} is outside {row.minimum} to {row.maximum}')
    return value


def _boolean(row: Field, value: str) -> str:
    if value.lower() not in _BOOLEANS:
        raise ValueError(f'{row.path}: {value!r} is not a boolean')
    return _BOOLEANS[value.lower()]


def parse_date(value: str) -> date | None:
    """A day in any of the forms XNAT reads; None where it is none."""
    for form in _DATES:
        try:
            return datetime.strptime(value, form).date()
        except ValueError:
            continue
    return None


def _date(row: Field, value: str) -> str:
    found = parse_date(value) or parse_date(value[:10])
    if found is None:
        raise ValueError(f'{row.path}: {value!r} is not a date; use yyyy-MM-dd')
    return found.isoformat()


def _time(row: Field, value: str) -> str:
    try:
        found = time.fromisoformat(value if value.count(':') == 2 else value + ':00')
    except ValueError:
        raise ValueError(f'{row.path}: {value!r} is not a time; use HH:mm:ss') from None
    return found.replace(tzinfo=None).isoformat()


def parse_stamp(value: str) -> datetime | None:
    """A moment in any of the forms XNAT reads; None where it is none."""
    plain = re.sub(r'Z$|[+-]\d\d:\d\d$', '', value.replace('T', ' '))
    for form in _STAMPS:
        try:
            return datetime.strptime(plain, form)
        except ValueError:
            continue
    day = parse_date(plain)
    return datetime(day.year, day.month, day.day) if day else None


def _datetime(row: Field, value: str) -> str:
    found = parse_stamp(value)
    if found is None:
        raise ValueError(f'{row.path}: {value!r} is not a date and time')
    fraction = f'{found.microsecond:06d}'.rstrip('0') or '0'
    return f'{found:%Y-%m-%d %H:%M:%S}.{fraction}'


_READ = {
    'string': _string, 'integer': _integer, 'float': _float, 'boolean': _boolean,
    'date': _date, 'time': _time, 'dateTime': _datetime,
}  # fmt: skip
