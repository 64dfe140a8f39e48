"""Fields and types that `create` is given for the elements above a new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .. import errors
from ..model import item_xml
from ..model.levels import Level, level
from .writable import Writable
from .writing import new_fields, read_fields

__all__ = ['FieldsAbove', 'check_types', 'create_above', 'is_full_path', 'split_fields']

FieldsAbove = dict[str, dict[str, Any]]
"""Plural name of a level -> fields of its element, by full path."""


class _Above(NamedTuple):
    """An element above a new one, its type, and the fields it was given."""

    element: Writable
    kind: str
    fields: dict[str, Any]

    def check(self) -> None:
        """Raise an error if a field cannot be set when the element is created."""
        new_fields(self.element, self.kind, self.fields)

    def check_equal(self) -> None:
        """Raise an error if the existing element has other values. One request."""
        wanted = {name: value for name, value in self.fields.items() if value not in (None, '')}
        stored = read_fields(self.element, list(wanted))
        changed = [
            f'{name} is {stored.get(name, "")!r}, not {item_xml.as_text(value)!r}'
            for name, value in wanted.items()
            if not item_xml.is_same(item_xml.as_text(value), stored.get(name, ''))
        ]
        if changed:
            raise errors.IntegrityError(
                f'{self.element.level.singular} {self.element.path_name} exists: '
                f'{"; ".join(changed)}',
                uri=self.element.url,
                method='PUT',
                remedy='Set its fields with attrs.mset, or leave them out.',
            )


def is_full_path(name: str) -> bool:
    """Whether a name begins with a type: ``xnat:subjectData/group``."""
    return ':' in name.partition('/')[0] and '/' in name


def split_fields(
    element: Writable,
    kind: str,
    types: Mapping[str, str],
    fields: Mapping[str, Any],
    *,
    is_any_type: bool = False,
) -> tuple[dict[str, Any], FieldsAbove]:
    """Split fields into those of a new element and those of the elements above it.

    A full path belongs to the element itself if its type derives from that of the path, else to
    the nearest element above whose type does.

    Parameters
    ----------
    element : Writable
        The new element.
    kind : str
        Its type; empty for a resource.
    types : mapping
        Plural names of levels to the types given.
    fields : mapping
        Fields by short name or full path, and parameters of the request.
    is_any_type : bool
        The element may be of any type of its level: a document tells it.

    Raises
    ------
    ProgrammingError
        The path of the element names no element with such a field.
    """
    if not any(map(is_full_path, fields)):
        return dict(fields), {}
    own: dict[str, Any] = {}
    above: FieldsAbove = {}
    kinds = [(row, types.get(row.plural) or row.datatype) for row in _levels_above(element)]
    known = item_xml.bundled()
    for name, value in fields.items():
        declared = name.partition('/')[0]
        is_own = _has(element.level, kind, declared) or (
            is_any_type and known.is_a(declared, element.level.base)
        )
        if not is_full_path(name) or is_own:
            own[name] = value
            continue
        place = next((row for row, other in kinds if _has(row, other, declared)), None)
        if place is not None:
            above.setdefault(place.plural, {})[name] = value
        elif kind and declared not in known:
            own[name] = value  # of a type of the server: its schema decides
        else:
            raise _refusal(element, name, [(element.level, kind), *kinds])
    return own, above


def _levels_above(element: Writable) -> Iterator[Level]:
    """Return the levels of the elements above, from the nearest."""
    for step in reversed(element.steps[:-1]):
        if level(step.level).is_item:
            yield level(step.level)


def _has(row: Level, kind: str, declared: str) -> bool:
    """Whether a type of a level derives from the type that declares a field."""
    known = item_xml.bundled()
    if not kind or declared == kind:
        return bool(kind)
    return known.is_a(kind if kind in known else row.base, declared)


def _refusal(
    element: Writable, name: str, kinds: list[tuple[Level, str]]
) -> errors.ProgrammingError:
    declared = name.partition('/')[0]
    known = item_xml.bundled()
    wide = next((row for row, _ in kinds if row.has_types and known.is_a(declared, row.base)), None)
    remedy = (
        f'Give the type, too: {wide.plural}={declared!r}.'
        if wide is not None
        else 'Set it on the element that it belongs to.'
    )
    types = ', '.join(f'{row.singular} ({kind})' for row, kind in kinds if kind)
    return errors.ProgrammingError(
        f'{name!r} is no field of the {element.level.singular} or of an element above it: {types}',
        uri=element.url,
        remedy=remedy,
    )


def check_types(element: Writable, types: Mapping[str, str]) -> None:
    """Raise an error for a type that no element on the path can have.

    Parameters
    ----------
    element : Writable
        The new element.
    types : mapping
        Plural names of levels to types.

    Raises
    ------
    ProgrammingError
        The path has no element of the level, or the type belongs to another level.
    """
    on_path = {step.level for step in element.steps}
    known = item_xml.bundled()
    for plural, kind in types.items():
        row = level(plural)
        if not row.is_item or (plural not in on_path and kind == row.datatype):
            continue
        if plural not in on_path:
            message = f'{plural}={kind!r}: the path names no {row.singular}'
            remedy = 'Leave it out, or use a path with one.'
            raise errors.ProgrammingError(message, uri=element.url, remedy=remedy)
        if kind in known and not known.is_a(kind, row.base):
            message = f'{plural}={kind!r}: that is no type of {plural}'
            remedy = f'Give one that extends {row.base}, such as {row.datatype}.'
            raise errors.ProgrammingError(message, uri=element.url, remedy=remedy)


def create_above(
    element: Writable, types: Mapping[str, str], above: FieldsAbove, lacks_session: bool
) -> dict[str, Any]:
    """Create the missing elements above that were given fields.

    All of them are checked before the first is sent. Requests: for each, the listing of its level,
    and its document if it exists or the request that creates it if not.

    Parameters
    ----------
    element : Writable
        The new element.
    types : mapping
        Plural names of levels to types.
    above : dict
        Fields by level.
    lacks_session : bool
        Whether a lookup showed that the session on the path is missing.

    Returns
    -------
    dict
        The fields of the session and of elements below it, if it is missing: they are sent in one
        document.

    Raises
    ------
    IntegrityError
        An element exists with other values.
    """
    missing: list[_Above] = []
    left: dict[str, Any] = {}
    place = element.parent_on_path() if above else None
    while place is not None:
        plural = place.level.plural
        if plural in above:
            kind = types.get(plural) or place.level.datatype
            given = _Above(place, kind, above[plural])
            given.check()
            if lacks_session and plural not in ('projects', 'subjects'):
                left.update(given.fields)
            elif place.exists():
                given.check_equal()
            else:
                missing.append(given)
        place = place.parent_on_path()
    for given in reversed(missing):
        given.element.create_with_parents(dict(types), given.fields)
    return left
