"""XNAT's descriptions of data types: names, and own fields by short name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...model.schemas import DataType, Registry
from ...model.xml import Node

__all__ = ['described']

_XS = '{http://www.w3.org/2001/XMLSchema}'


def described(registry: Registry, row: DataType, sql_name: str) -> dict[str, Any]:
    """Return names, key and own fields of a type.

    Inherited fields are represented by one field, with the base type.

    Parameters
    ----------
    registry : Registry
        The data types.
    row : DataType
        The type.
    sql_name : str
        Name of its table.
    """
    prefix, _, local = row.name.partition(':')
    names = {
        'label': local,
        'name': local,
        'sqlName': sql_name,
        'formattedName': sql_name,
        'xmlName': row.name,
        'type': row.name,
    }
    spaces = {'namespacePrefix': prefix, 'namespaceURI': row.namespace}
    fields: dict[str, dict[str, str]] = {}
    for path, kind in _fields(registry, row):
        name = path.rpartition('/')[2]
        fields[name if name not in fields else path.replace('/', '_')] = {
            'prefix': prefix,
            'xmlPath': path,
            'xmlType': kind,
        }
    return {
        **names,
        **spaces,
        'properName': row.root or row.name,
        'defaultKey': {f'{sql_name}_id': 'xs:integer'},
        'fields': fields,
    }


def _fields(registry: Registry, row: DataType) -> Iterator[tuple[str, str]]:
    """Yield paths and types."""
    if row.base:
        yield row.base.partition(':')[2], row.base
    yield from _below(registry, row, row.node, '')
    yield 'meta', f'{row.name}_meta_data'


def _below(registry: Registry, row: DataType, node: Node, above: str) -> Iterator[tuple[str, str]]:
    """Yield paths and types of attributes and elements in a complex type.

    An element with an anonymous type is replaced by its content, unless it repeats.
    """
    for child in node:
        name = child.get('name')
        if child.tag not in (f'{_XS}element', f'{_XS}attribute') or not name:
            if isinstance(child.tag, str) and child.tag != f'{_XS}annotation':
                yield from _below(registry, row, child, above)
            continue
        path = f'{above}/{name}'.lstrip('/')
        inner = child.find(f'{_XS}complexType')
        if inner is None:
            yield path, _type_of(registry, child)
        elif child.get('maxOccurs', '1') in ('0', '1'):
            yield from _below(registry, row, inner, path)
        else:
            yield path, f'{row.name}_{name}'


def _type_of(registry: Registry, node: Node) -> str:
    """Return the type of an element or attribute, as XNAT writes it.

    For an anonymous type, the type that it restricts.
    """
    restricted = node.find(f'{_XS}simpleType/{_XS}restriction')
    named = node.get('type') if restricted is None else restricted.get('base')
    prefix, _, local = (named or 'xs:string').rpartition(':')
    uri = node.nsmap.get(prefix or None) or ''
    return f'{"xs" if uri == _XS[1:-1] else registry.prefixes.get(uri, prefix)}:{local}'
