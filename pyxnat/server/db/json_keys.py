"""Storage keys: the path of a value in an item's JSON.

A key is the schema's own path, without predicates of type, with the instance that is meant after each repeated element:
``fields/field[name=x]/field``, ``provenance/processStep[0]/program``. Any name can be picked: characters that divide keys are
percent-encoded in it.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from ...model.schemas import Field, canonical

__all__ = ['Step', 'is_complete', 'join', 'name_of', 'pick_of', 'pick_of_name', 'steps', 'storage_key']

_STEP = re.compile(r'([^/\[\]]+)(?:\[([^\]]*)\])?(?:/|$)')
_NAMED = re.compile(r'name=(?![\'"])()(.*)$|\s*@?name\s*=\s*([\'"]?)(.*)\3\s*$', re.DOTALL)
_HOSTILE = re.compile(r'[\[\]"\\/%]')


class Step(NamedTuple):
    """One element of a key."""

    name: str
    pick: str = ''
    """Which one of several: ``name=x`` or a number from 0; empty where there is one."""


def steps(key: str) -> list[Step]:
    """The elements of a key or path."""
    return [Step(found.group(1), found.group(2) or '') for found in _STEP.finditer(key)]


def join(parts: list[Step]) -> str:
    """The key of elements."""
    return '/'.join(f'{step.name}[{step.pick}]' if step.pick else step.name for step in parts)


def pick_of_name(name: str) -> str:
    """The pick of the instance that bears a name.

    >>> pick_of_name('a[b/c')
    'name=a%5Bb%2Fc'
    """
    return 'name=' + _HOSTILE.sub(lambda found: f'%{ord(found.group()):02X}', name)


def name_of(pick: str) -> str:
    """The name that a pick picks by; empty where it picks by number.

    >>> name_of('name=a%5Bb%2Fc'), name_of('0')
    ('a[b/c', '')
    """
    return unquote(pick[5:]) if pick.startswith('name=') else ''


def pick_of(predicate: str) -> str:
    """The pick of a predicate (``@name="x"``, ``0``) at a repeated element; empty for one that picks nothing."""
    named = _NAMED.match(predicate)
    if named is not None:
        name = unquote(named.group(2) or named.group(4) or '')
        return pick_of_name(name) if name else ''
    return str(int(predicate)) if predicate.strip().isdecimal() else ''


def storage_key(field: Field, path: str, default: str = '') -> str:
    """The key of a field, with the picks of the path that was asked for; `default` where a repeated element has none."""
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
    """Whether a key says of each repeated element which one is meant."""
    return key.count('[') == len(field.holders)
