"""Nested elements of an item: data type in XNAT, and key of the row."""

from __future__ import annotations

from functools import lru_cache

from ...model.levels import LEVELS
from ...model.schemas import Registry, canonical

__all__ = ['SHARE_TYPES', 'key_names', 'number_of', 'type_of']

SHARE_TYPES = {row.singular: row.share_type for row in LEVELS if row.share_type}
"""Level of an item to the type of its shares."""
_XS = '{http://www.w3.org/2001/XMLSchema}'
_ROOM = 1000
"""Numbers reserved for the nested elements of one item."""


@lru_cache(maxsize=4096)
def type_of(registry: Registry, kind: str, holder: str) -> str:
    """Return the type of a nested element.

    Its own, if it has a name; otherwise named after the type that declares it: ``fields/field`` of
    an MR session is an ``xnat:experimentData_field``, ``parameters/addParam`` of an MR scan an
    ``xnat:addField``.

    Parameters
    ----------
    registry : Registry
        The data types.
    kind : str
        Data type of the item.
    holder : str
        Path of the nested element.
    """
    plain = canonical(holder)
    declaring = next(
        (one for one in reversed(registry.ancestry(kind)) if _declares(registry, one, plain)), kind
    )
    name = plain.rpartition('/')[2]
    row = registry.get(declaring)
    for node in row.node.iter(_XS + 'element') if row is not None else ():
        if node.get('name') == name and node.get('type'):
            found = registry.get(node.get('type', ''))
            return found.name if found is not None else f'{declaring}_{name}'
    return f'{declaring}_{name}'


def _declares(registry: Registry, kind: str, plain: str) -> bool:
    return any(
        canonical(one.path) == plain or canonical(one.path).startswith(plain + '/')
        for one in registry.fields(kind)
    )


@lru_cache(maxsize=1024)
def key_names(registry: Registry, kind: str) -> tuple[str, ...]:
    """Return the names of the key of a nested element's row.

    That of its most general type; if it extends one, the name in lower case, too.

    Parameters
    ----------
    registry : Registry
        The data types.
    kind : str
        Type of the nested element.
    """
    base = registry.ancestry(kind)[-1] if kind in registry else kind
    name = f'{base.replace(":", "_")}_id'
    return (name,) if base == kind else (name, name.lower())


def number_of(pk: int, place: int) -> int:
    """Return a number for a nested element; unique among all items.

    Parameters
    ----------
    pk : int
        Key of the item.
    place : int
        Number of the element in the item.
    """
    return pk * _ROOM + place
