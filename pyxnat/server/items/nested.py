"""Nested elements of an item: the data type that XNAT keeps each as, and the key of its row."""

from __future__ import annotations

from functools import lru_cache

from ...model.schemas import Registry, canonical

__all__ = ['SHARE_TYPES', 'key_names', 'number_of', 'type_of']

SHARE_TYPES = {
    'subject': 'xnat:projectParticipant', 'experiment': 'xnat:experimentData_share', 'assessor': 'xnat:experimentData_share',
    'scan': 'xnat:imageScanData_share',
}  # fmt: skip
"""Level of an item to the type of its shares."""
_XS = '{http://www.w3.org/2001/XMLSchema}'
_ROOM = 1000
"""Numbers that the nested elements of one item have for themselves."""


@lru_cache(maxsize=4096)
def type_of(registry: Registry, kind: str, holder: str) -> str:
    """The type of a nested element: its own where it has a name, else one called by the type that declares it.

    ``fields/field`` of an MR session is an ``xnat:experimentData_field``, ``parameters/addParam`` of an MR scan an ``xnat:addField``.
    """
    plain = canonical(holder)
    declaring = next((one for one in reversed(registry.ancestry(kind)) if _declares(registry, one, plain)), kind)
    name = plain.rpartition('/')[2]
    row = registry.get(declaring)
    for node in row.node.iter(_XS + 'element') if row is not None else ():
        if node.get('name') == name and node.get('type'):
            found = registry.get(node.get('type', ''))
            return found.name if found is not None else f'{declaring}_{name}'
    return f'{declaring}_{name}'


def _declares(registry: Registry, kind: str, plain: str) -> bool:
    return any(canonical(one.path) == plain or canonical(one.path).startswith(plain + '/') for one in registry.fields(kind))


@lru_cache(maxsize=1024)
def key_names(registry: Registry, kind: str) -> tuple[str, ...]:
    """Names of the key of a nested element's row: that of the type, or of the one it extends, then in lower case, too."""
    base = registry.ancestry(kind)[-1] if kind in registry else kind
    name = f'{base.replace(":", "_")}_id'
    return (name,) if base == kind else (name, name.lower())


def number_of(pk: int, place: int) -> int:
    """A number for the nested element at a place of an item: no other item's has it."""
    return pk * _ROOM + place
