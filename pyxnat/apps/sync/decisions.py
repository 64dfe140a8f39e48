"""Three-way comparison of both sides with their common base.

Functions of values alone. A thing is an item with its fields, or a file with its digest. Each of
the three versions is a dict of fields, or None where the thing does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .parts import TYPE

__all__ = [
    'BOTH',
    'CREATED_TWICE',
    'GONE_HERE',
    'LABEL_TAKEN',
    'PATH_TAKEN',
    'SHARE_NEEDED',
    'Decision',
    'Values',
    'decide',
    'is_alike',
    'is_retyped',
    'merged',
]

Values = Mapping[str, str]

BOTH = 'changed on both sides'
CREATED_TWICE = 'created on both sides'
LABEL_TAKEN = 'its label is that of another item there'
_GONE_THERE = 'deleted there, changed here'
_RETYPED = 'created again there with another type, changed here'
GONE_HERE = 'deleted here, changed there'
PATH_TAKEN = 'a file there is a folder here, or a folder there a file here'
SHARE_NEEDED = 'its share ended or was renamed here, and sessions need it there'


_CHANGED_HERE = ('keep', 'merge', 'conflict')


class Decision(NamedTuple):
    """Decision of a pull about one part.

    ``same``: nothing, both sides are equal. ``take``: ours becomes theirs; one of another type is
    deleted and created. ``keep``: only ours was changed. ``merge``: both were changed, in different
    fields. ``conflict``: neither is touched. ``hold``: as the item above, which is a conflict.
    """

    key: str
    action: str
    reason: str = ''

    @property
    def is_conflict(self) -> bool:
        """Whether neither side is touched."""
        return self.action == 'conflict'


def decide(
    base: Mapping[str, Values],
    ours: Mapping[str, Values],
    theirs: Mapping[str, Values],
    above: Mapping[str, str] | None = None,
) -> list[Decision]:
    """Compare all things of a unit.

    Parameters
    ----------
    base, ours, theirs : mapping
        Key of each thing to its values.
    above : mapping, optional
        Key of each thing to that of the thing above it.
    """
    keys = dict.fromkeys([*theirs, *ours, *base])
    found = {
        key: Decision(key, *_decide(base.get(key), ours.get(key), theirs.get(key))) for key in keys
    }
    parents = above or {}
    for key in reversed(keys):
        upper = found.get(parents.get(key, ''))
        if upper is None or upper.action != 'take':
            continue
        is_other = is_retyped(ours.get(upper.key), theirs.get(upper.key))
        if (is_other or upper.key not in theirs) and found[key].action in _CHANGED_HERE:
            reason = _RETYPED if is_other else _GONE_THERE
            found[upper.key] = Decision(upper.key, 'conflict', f'{reason}: {key}')
    for key in keys:
        upper = found.get(parents.get(key, ''))
        if upper is None or key not in theirs or found[key].action != 'take':
            continue
        if upper.key not in ours and (upper.action != 'take' or upper.key not in theirs):
            found[key] = Decision(key, 'conflict', GONE_HERE)
    for key in keys:
        upper = found.get(parents.get(key, ''))
        if upper is None or found[key].action != 'take' or upper.action not in ('conflict', 'hold'):
            continue
        is_gone = key in ours and key not in theirs and upper.key not in theirs
        if is_gone or is_retyped(ours.get(upper.key), theirs.get(upper.key)):
            found[key] = Decision(key, 'hold')
    return list(found.values())


def _decide(base: Values | None, ours: Values | None, theirs: Values | None) -> tuple[str, str]:
    if ours == theirs:
        return 'same', ''
    if ours == base:
        return 'take', ''
    if theirs == base:
        return 'keep', ''
    if ours is None:
        return 'conflict', GONE_HERE
    if theirs is None:
        return 'conflict', _GONE_THERE
    if base is None:
        return 'conflict', CREATED_TWICE
    if merged(base, ours, theirs) is None:
        return 'conflict', _RETYPED if is_retyped(base, theirs) else BOTH
    return 'merge', ''


def is_retyped(ours: Values | None, theirs: Values | None) -> bool:
    """Return whether both sides have an item, with different data types.

    Parameters
    ----------
    ours, theirs : mapping or None
        Its values.
    """
    return bool(ours and theirs and ours.get(TYPE) != theirs.get(TYPE))


def merged(base: Values, ours: Values, theirs: Values) -> dict[str, str] | None:
    """Return the fields with the changes of both sides.

    None if they contradict each other. So they do if their types differ.

    Parameters
    ----------
    base, ours, theirs : mapping
        Fields of the three versions.

    Examples
    --------
    >>> merged({'a': '1', 'b': '1'}, {'a': '2', 'b': '1'}, {'a': '1'})
    {'a': '2'}
    >>> merged({'a': '1'}, {'a': '2'}, {'a': '3'}) is None
    True
    """
    if is_retyped(ours, theirs):
        return None
    found: dict[str, str] = {}
    for path in dict.fromkeys([*theirs, *ours]):
        before, here, there = base.get(path), ours.get(path), theirs.get(path)
        if here != there and before not in (here, there):
            return None
        value = there if here == before else here
        if value is not None:
            found[path] = value
    return found


def is_alike(sent: str | None, stored: str | None) -> bool:
    """Return whether a server that writes values its own way has stored a value.

    Parameters
    ----------
    sent, stored : str or None
        Texts of a field.

    Examples
    --------
    >>> is_alike('3', '3.0'), is_alike('true', '1'), is_alike('a', 'b'), is_alike('a', None)
    (True, True, False, False)
    """
    if sent is None or stored is None:
        return sent == stored
    return sent == stored or _plain(sent) == _plain(stored)


def _plain(text: str) -> object:
    word = {'true': '1', 'false': '0'}.get(text.strip().lower(), text.strip())
    try:
        return float(word)
    except ValueError:
        return word
