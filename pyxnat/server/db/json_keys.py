"""Storage keys: the path of a value in an item's JSON.

A key is the path in the schema, without predicates for types, and with an instance after each
repeated element: ``fields/field[name=x]/field``, ``provenance/processStep[0]/program``. Characters
of names that separate keys are percent-encoded.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from ...model.schemas import Field, canonical

__all__ = [
    'Step',
    'is_complete',
    'join',
    'name_of',
    'pick_of',
    'pick_of_name',
    'steps',
    'storage_key',
]

_STEP = re.compile(r'([^/\[\]]+)(?:\[([^\]]*)\])?(?:/|$)')
_NAMED = re.compile(r'name=(?![\'"])()(.*)$|\s*@?name\s*=\s*([\'"]?)(.*)\3\s*$', re.DOTALL)
_HOSTILE = re.compile(r'[\[\]"\\/%]')


class Step(NamedTuple):
    """One element of a key."""

    name: str
    pick: str = ''
    """Instance of a repeated element: ``name=x`` or a number from 0; else empty."""


def steps(key: str) -> list[Step]:
    """Split a key or path into its elements."""
    return [Step(found.group(1), found.group(2) or '') for found in _STEP.finditer(key)]


def join(parts: list[Step]) -> str:
    """Join elements to a key."""
    return '/'.join(f'{step.name}[{step.pick}]' if step.pick else step.name for step in parts)


def pick_of_name(name: str) -> str:
    """Return the pick of the instance with a name.

    >>> pick_of_name('a[b/c')
    'name=a%5Bb%2Fc'
    """
    return 'name=' + _HOSTILE.sub(lambda found: f'%{ord(found.group()):02X}', name)


def name_of(pick: str) -> str:
    """Return the name in a pick; empty for a number.

    >>> name_of('name=a%5Bb%2Fc'), name_of('0')
    ('a[b/c', '')
    """
    return unquote(pick[5:]) if pick.startswith('name=') else ''


def pick_of(predicate: str) -> str:
    """Return the pick of a predicate, ``@name="x"`` or ``0``.

    Empty for a predicate that selects no instance.
    """
    named = _NAMED.match(predicate)
    if named is not None:
        name = unquote(named.group(2) or named.group(4) or '')
        return pick_of_name(name) if name else ''
    return str(int(predicate)) if predicate.strip().isdecimal() else ''


def storage_key(field: Field, path: str, default: str = '') -> str:
    """Return the storage key of a field, with the instances of a path.

    Parameters
    ----------
    field : Field
        The field.
    path : str
        Path with predicates.
    default : str
        Instance of a repeated element that has none in the path.
    """
    asked = steps(path)
    found: list[Step] = []
    here = ''
    for place, step in enumerate(steps(canonical(field.path))):
        here = f'{here}/{step.name}'.lstrip('/')
        predicate = asked[place].pick if place < len(asked) else ''
        pick = pick_of(predicate) if predicate else default
        found.append(Step(step.name, pick if here in field.holders else ''))
    return join(found)


def is_complete(field: Field, key: str) -> bool:
    """Whether a key has an instance for each repeated element.

    Parameters
    ----------
    field : Field
        The field.
    key : str
        Its key.
    """
    return key.count('[') == len(field.holders)
