"""Fields set by a query string or a form, parsed as XNAT's item class does.

Full paths are applied in order; the first that the type does not have ends parsing, and the rest is
ignored. Short names stand for full paths and come last. Paths are split at ``/``, ``.`` and ``@``
everywhere, even in the name of a custom variable. A text is stored HTML-escaped; an empty value is
ignored, and the word NULL clears.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

from ...model import item_xml
from ...model.levels import level
from ...model.schemas import Field, canonical
from ...model.short_names import READ_ONLY, short_name
from ..db.json_keys import Step, join, pick_of_name, steps
from ..db.types import Model
from ..errors import BadRequest

__all__ = ['CORE', 'Settings', 'escaped', 'read_settings']

CORE = item_xml.CORE | {level('scans').key_field}
"""Paths that have a column, or follow from the tree."""
_SHARE = 'sharing/share/'
_PREDICATE = re.compile(r'(.*?)\[([^\[]*)\]$', re.DOTALL)
_TYPED = re.compile(r'([A-Za-z_][\w.-]*:[\w-]+)(/.*)', re.DOTALL)
_FORCED = {
    ('subject', 'gender'): 'demographics/gender',
    ('scan', 'type'): 'type',
    ('reconstruction', 'type'): 'type',
}


class Settings:
    """Changes of an item by the parameters of one request.

    Parameters
    ----------
    model : Model
        The data types.
    kind : str
        Data type of the item.
    before : Mapping[str, str]
        Fields of the item, by storage key.
    """

    def __init__(self, model: Model, kind: str, before: Mapping[str, str]) -> None:
        self._model = model
        self._kind = kind
        self._before = dict(before)
        self.fields: dict[str, str] = {}
        """Storage key to text; the empty text clears a field."""
        self.core: dict[str, str] = {}
        self.share: dict[str, str] = {}
        """Project to share the item into, and its label there."""
        self.forced: dict[str, str] = {}
        """Fields that are set even if parsing ended before them."""
        self.is_broken = False
        """Whether parsing ended at a path that the type does not have."""

    def set(self, path: str, value: str) -> bool:
        """Set the value at a path; return False if the type has no such field.

        Parameters
        ----------
        path : str
            Path in the type.
        value : str
            The value.

        Raises
        ------
        BadRequest
            For ``custom_fields``, and for a field of another item.
        """
        parts = [_Part.of(text) for text in _split_path(path)]
        plain = '/'.join(part.name for part in parts)
        if {'[', ']'} & set(plain):  # a name was split
            return False
        if plain in CORE:
            self.core[plain] = value
            return True
        if plain.startswith(_SHARE):
            self.share[plain[len(_SHARE) :]] = value
            return True
        if plain == 'custom_fields':
            raise BadRequest(
                'custom_fields cannot be set by a query string; use /xapi/custom-fields.'
            )
        field = self._model.registry.field(self._kind, plain)
        if (
            field is None
            or not field.kind
            or parts[-1].predicates
            or not self._is_typed(field, parts)
        ):
            return False
        if self._model.field(self._kind, plain) is None:
            raise BadRequest(f'{path} is a field of another item; set it there.')
        key = self._key(field, parts)
        if key is None:
            return False
        if key.endswith('/name') and pick_of_name('') in key.rpartition('/')[0]:
            key = f'{key.rpartition("[")[0]}[{pick_of_name(value)}]/name'
        self.fields[key] = value
        return True

    def _known(self) -> Iterator[tuple[str, str]]:
        """Yield the storage keys and values that are set so far."""
        for key, value in {**self._before, **self.fields}.items():
            if value:
                yield key, value

    def _is_typed(self, field: Field, parts: list[_Part]) -> bool:
        """Whether the type of each abstract element on a path is known.

        The path names it, or the item has an element there.
        """
        for place, step in enumerate(steps(field.path)):
            if step.pick.startswith('@xsi:type=') and not parts[place].type_name:
                holder = '/'.join(part.name for part in parts[: place + 1]).lower() + '/'
                if not any(canonical(key).lower().startswith(holder) for key, _ in self._known()):
                    return False
        return True

    def _key(self, field: Field, parts: list[_Part]) -> str | None:
        """Return the storage key of a path.

        None if an instance is selected by a field that it does not have.
        """
        found: list[Step] = []
        for step, part in zip(steps(canonical(field.path)), parts, strict=True):
            found.append(step)
            holder = '/'.join(one.name for one in found)
            if holder in field.holders:
                if (
                    part.where
                    and self._model.registry.field(
                        self._kind, f'{holder}/{part.where.partition("=")[0]}'
                    )
                    is None
                ):
                    return None
                found[-1] = Step(step.name, self._pick(field, [*found[:-1], Step(step.name)], part))
        return join(found)

    def _pick(self, field: Field, holder: list[Step], part: _Part) -> str:
        """Return the instance for a part of a path, by field value or number."""
        there = self._instances(join(holder))
        if part.where:
            name, _, value = part.where.partition('=')
            return self._picked_by(there, name, value, join(holder))
        if part.number < len(there):
            return list(there)[part.number]
        return self._next(there)

    def _picked_by(
        self, there: dict[str, dict[str, str]], name: str, value: str, holder: str
    ) -> str:
        if name == 'name' and value != 'NULL':
            return pick_of_name(value)
        if name == 'name':  # the name NULL selects unnamed instances
            return next((pick for pick in there if pick.isdecimal()), self._next(there))
        for pick, leaves in there.items():
            if leaves.get(name) == value:
                return pick
        pick = self._next(there)
        self.fields[f'{holder}[{pick}]/{name}'] = value
        return pick

    @staticmethod
    def _next(there: Iterable[str]) -> str:
        used = set(there)
        return next(str(number) for number in range(len(used) + 1) if str(number) not in used)

    def _instances(self, holder: str) -> dict[str, dict[str, str]]:
        """Return the values of a repeated element's instances, by pick."""
        found: dict[str, dict[str, str]] = {}
        start = holder + '['
        for key, value in self._known():
            if key.startswith(start):
                pick, _, leaf = key[len(start) :].partition(']')
                found.setdefault(pick, {})[leaf.lstrip('/')] = value
        return found


class _Part(NamedTuple):
    """One part of a path as sent."""

    name: str
    number: int = 0
    where: str = ''
    type_name: str = ''
    predicates: bool = False

    @classmethod
    def of(cls, text: str) -> _Part:
        """Parse a part with its predicates, which are at its end.

        The last opening bracket is read first.
        """
        found, rest = cls(text.partition('[')[0] if text.endswith(']') else text), text
        while matched := _PREDICATE.match(rest):
            rest, inner = matched.groups()
            found = _add_predicate(found, inner)._replace(predicates=True)
        return found


def _add_predicate(part: _Part, inner: str) -> _Part:
    if inner.strip().isdecimal():
        return part._replace(number=int(inner))
    name, equals, value = inner.partition('=')
    if equals and name == '@xsi:type':
        return part._replace(type_name=value.replace("'", '').strip())
    if equals and not name.startswith('@'):
        return part._replace(where=f'{name}={value}'.replace("'", '').strip())
    return part


def _split_path(path: str) -> list[str]:
    plain = path.replace('.', '/').replace('[@', '[*').replace('@', '/').replace('[*', '[@')
    return plain.split('/')


def escaped(text: str) -> str:
    """Return a value of a query string or form as XNAT stores it."""
    return escape(text, {'"': '&quot;', "'": '&apos;'})


def read_settings(
    model: Model,
    kind: str,
    where: str,
    pairs: list[tuple[str, str]],
    before: Mapping[str, str],
    short: bool,
) -> Settings:
    """Return the changes of an item by parameters.

    Parameters
    ----------
    model : Model
        The data types.
    kind : str
        Data type of the item.
    where : str
        Level of the item.
    pairs : list[tuple[str, str]]
        Names and values of the parameters.
    before : Mapping[str, str]
        Fields of the item, by storage key.
    short : bool
        Whether short names count.
    """
    found = Settings(model, kind, before)
    for path, value in [
        *_full_paths(model, kind, pairs),
        *(_short_paths(model, kind, where, pairs) if short else ()),
    ]:
        if not found.set(path, escaped(value)):
            found.is_broken = True
            break
    if short:
        found.forced = {
            key: escaped(value)
            for name, value in _first_values(pairs)
            if (key := _FORCED.get((where, name)))
        }
        found.fields.update(found.forced)
    return found


def _first_values(pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the first value of each name, unless it is empty."""
    seen: set[str] = set()
    for name, value in pairs:
        if name not in seen and value:
            yield name, value
        seen.add(name)


def _full_paths(model: Model, kind: str, pairs: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield paths of the item's type, or of types that it extends."""
    for name, value in _first_values(pairs):
        found = _TYPED.fullmatch(name)
        if found is not None and (
            found.group(1).lower() == kind.lower() or model.registry.is_a(kind, found.group(1))
        ):
            yield found.group(2)[1:], value


def _short_paths(
    model: Model, kind: str, where: str, pairs: list[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Yield the paths of short names that the item's type has."""
    for name, value in _first_values(pairs):
        known = short_name(where, name) if name not in READ_ONLY else None
        if (
            known is not None
            and not known.of
            and model.registry.field(kind, known.path) is not None
        ):
            yield known.path, value
