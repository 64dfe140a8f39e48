"""Templates: criteria with keys such as ``%(key)s`` in place of values.

A text value of the criteria is the name of a key, unless some value is written as a key already:
then only those are keys, and the other values stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import six

from ..errors import ProgrammingError
from ..patterns import pattern
from .criteria_text import parse_text

__all__ = ['add_keys', 'fill_keys', 'keys']

_KEY = pattern(r'%\(([^()]*)\)s')
_NAME = pattern(r'[^()%]+')


def add_keys(criteria: Any) -> list[Any]:
    """Replace the text values of criteria by keys.

    Criteria that contain keys already are returned as they are.

    >>> add_keys([('xnat:subjectData/GENDER', '=', 'gender'), ('xnat:mrSessionData/AGE', '>', 80)])
    [('xnat:subjectData/GENDER', '=', '%(gender)s'), ('xnat:mrSessionData/AGE', '>', 80)]

    Raises
    ------
    ProgrammingError
        No value is a key, or the name of a key is invalid.
    """
    given = (
        parse_text(six.ensure_text(criteria))
        if isinstance(criteria, (str, bytes))
        else [criteria]
        if _is_constraint(criteria)
        else criteria
    )
    template = given if keys(given) else _mapped(given, _as_key)
    if not keys(template):
        raise ProgrammingError(
            'the template has no key',
            remedy='Give names of keys as values, or save it as a search.',
        )
    return list(template)


def _as_key(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not _NAME.fullmatch(value):
        raise ProgrammingError(
            f'{value!r} is not the name of a key', remedy='Name keys without parentheses and "%".'
        )
    return f'%({value})s'


def keys(criteria: Any) -> list[str]:
    """Return the names of the keys in criteria, each once, in order."""
    return list(
        dict.fromkeys(
            key
            for value in _values(criteria)
            if isinstance(value, str)
            for key in _KEY.findall(value)
        )
    )


def fill_keys(criteria: Any, values: Mapping[str, Any]) -> list[Any]:
    """Fill in the keys of criteria.

    Parameters
    ----------
    criteria : list
        Criteria with keys.
    values : mapping
        Key -> text, number, date, `None` or list, as in any criteria.

    Raises
    ------
    ProgrammingError
        A key has no value, or a value no key.

    Examples
    --------
    >>> fill_keys([('xnat:subjectData/GENDER', '=', '%(gender)s')], {'gender': ['male', 'female']})
    [('xnat:subjectData/GENDER', '=', ['male', 'female'])]
    """
    if not isinstance(values, Mapping):
        raise ProgrammingError(
            f'the values of a template are a dictionary, not {type(values).__name__}',
            remedy='Give {key: value}.',
        )
    names = keys(criteria)
    missing, surplus = (
        [name for name in names if name not in values],
        [name for name in values if name not in names],
    )
    wrong = [
        *(f'no value for {name!r}' for name in missing),
        *(f'no key {name!r}' for name in surplus),
    ]
    if wrong:
        raise ProgrammingError(
            f'the template: {", ".join(wrong)}', remedy=f'Its keys are: {", ".join(names)}.'
        )
    return list(_mapped(criteria, lambda value: _filled(value, values)))


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    whole = _KEY.fullmatch(value)
    return (
        values[whole.group(1)] if whole else _KEY.sub(lambda key: str(values[key.group(1)]), value)
    )


def _is_constraint(part: Any) -> bool:
    return isinstance(part, tuple) and bool(part) and isinstance(part[0], str)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _values(part: Any) -> Iterator[Any]:
    """Yield the values of all constraints, and each value of a list."""
    if _is_constraint(part):
        for value in part[2:]:
            yield from value if _is_list(value) else (value,)
    elif _is_list(part):
        for inner in part:
            yield from _values(inner)


def _mapped(part: Any, change: Callable[[Any], Any]) -> Any:
    """Change each value of criteria.

    A list that replaces a value of a list is merged into it.
    """
    if _is_constraint(part):
        return (*part[:2], *(_mapped_value(value, change) for value in part[2:]))
    return [_mapped(inner, change) for inner in part] if _is_list(part) else part


def _mapped_value(value: Any, change: Callable[[Any], Any]) -> Any:
    if not _is_list(value):
        return change(value)
    changed = map(change, value)
    return [item for part in changed for item in (part if _is_list(part) else [part])]
