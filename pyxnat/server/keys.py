"""Storage keys: the path of a value in an item's JSON.

A key is the schema's own path, without predicates of type, with the instance that is meant after each repeated element:
``fields/field[name=x]/field``, ``provenance/processStep[0]/program``. Names of custom variables are kept in lower case, as XNAT keeps
them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..schemas import Field, canonical

__all__ = ['Step', 'can_name', 'is_complete', 'join', 'pick_of', 'steps', 'storage_key']

_STEP = re.compile(r'([^/\[\]]+)(?:\[([^\]]*)\])?(?:/|$)')
_NAMED = re.compile(r'@?name\s*=\s*([\'"]?)(.*)\1$')
_HOSTILE = frozenset('[]"\\')
_LOWER = 'fields/field'


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


def can_name(text: str) -> bool:
    """Whether an instance can be picked by this name."""
    return bool(text) and not _HOSTILE & set(text)


def pick_of(holder: str, predicate: str) -> str:
    """The pick of a predicate (``@name="x"``, ``0``) at a repeated element; empty for one that picks nothing."""
    named = _NAMED.match(predicate.strip())
    if named is not None:
        name = named.group(2)
        return f'name={name.lower() if holder.lower() == _LOWER else name}' if can_name(name) else ''
    return str(int(predicate)) if predicate.strip().isdecimal() else ''


def storage_key(field: Field, path: str, default: str = '') -> str:
    """The key of a field, with the picks of the path that was asked for; `default` where a repeated element has none."""
    asked = steps(path)
    found: list[Step] = []
    here = ''
    for place, step in enumerate(steps(canonical(field.path))):
        here = f'{here}/{step.name}'.lstrip('/')
        predicate = asked[place].pick if place < len(asked) else ''
        pick = pick_of(here, predicate) if predicate else default
        found.append(Step(step.name, pick if here in field.holders else ''))
    return join(found)


def is_complete(field: Field, key: str) -> bool:
    """Whether a key says of each repeated element which one is meant."""
    return key.count('[') == len(field.holders)
