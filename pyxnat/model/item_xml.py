"""XML documents that set fields of an item: a schema and values in, bytes out.

XNAT merges a document field by field and stores its text unchanged. Text in a query string is
stored HTML-escaped, and one unknown path there silently drops other fields. A document cannot
carry an empty value, nor text that XNAT's parser would shorten; `Setting.is_document` is False
for these.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from ..errors import ProgrammingError
from ..patterns import pattern
from .levels import LEVELS
from .near import did_you_mean, near, one_of
from .schemas import Field, Registry, canonical
from .short_names import READ_ONLY, short_name, short_names
from .xml import Node

__all__ = [
    'CORE',
    'Setting',
    'as_text',
    'bundled',
    'check_required',
    'check_single',
    'find_setting',
    'is_list',
    'is_picked',
    'is_same',
    'read_values',
    'settings_of',
    'write_document',
    'write_inner',
]

_XSI_TYPE = '{http://www.w3.org/2001/XMLSchema-instance}type'
_NAMED = pattern(r'\[@?name\s*=\s*(?:\'([^\']*)\'|"([^"]*)"|(.*?))\](?=/|$)')
_ONE_NAME = pattern(r'\[@?name\s*=\s*(?:\'([^\']*)\'|"([^"]*)"|(.*))\](?=/|$)')
_TYPE = pattern(r'\[@xsi:type=([^\]]+)\]')
_FULL = pattern(r'([A-Za-z_][\w.-]*:[\w-]+)/(.+)', re.DOTALL)
_LINES = pattern(r'\n*[^\n]+|\n+')
_ENTITIES = pattern(r'[&<>\]]')
_NO_XML = pattern('[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]')
_SCHEMAS = Path(__file__).parents[1] / 'server' / 'schemas'
CORE = frozenset(
    {'ID', 'label', 'project', *(row.parent_field for row in LEVELS if row.parent_field)}
)
"""Fields that identify the item; in a document they override the path of the request."""


class Setting(NamedTuple):
    """Field of an item and its new value."""

    name: str
    """Name of the field as the caller spelt it."""
    field: Field
    picks: tuple[str, ...]
    """Names of the instances of the repeated elements in the path, outermost first."""
    value: str
    """The new value; the empty string clears the field."""

    @property
    def query(self) -> str:
        """The full path for a query string, without its type."""
        names, parts = iter(self.picks), []
        for path in _steps(self.field.path):
            parts.append(path)
            if canonical('/'.join(parts)) in self.field.holders:
                name = next(names, '')
                parts[-1] = f'{path}[name={name}]' if name else path
        return '/'.join(parts)

    @property
    def is_document(self) -> bool:
        """Whether a document can carry this setting."""
        return (
            bool(self.value)
            and len(self.picks) == len(self.field.holders)
            and (self.field.attribute or bool(_survives(self.value)))
        )


@lru_cache(maxsize=1)
def bundled() -> Registry:
    """Return the types that every XNAT has.

    They come from the schemas of the embedded archive.
    """
    return Registry([path.read_bytes() for path in sorted(_SCHEMAS.rglob('*.xsd'))])


def as_text(value: Any) -> str:
    """Convert a value to XNAT's text form.

    Booleans become ``1`` and ``0``, dates and times ISO text, `None` the empty string.
    """
    if value is None:
        return ''
    if isinstance(value, bool):
        return '1' if value else '0'
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep='T')
    return (
        str(value.isoformat())
        if hasattr(value, 'isoformat')
        else value.decode()
        if isinstance(value, bytes)
        else str(value)
    )


def is_list(value: Any) -> bool:
    """Whether a value has several parts, of which no field could hold all."""
    return hasattr(value, '__iter__') and not isinstance(value, (str, bytes))


def check_single(name: str, value: Any) -> None:
    """Reject a list, or another value of several parts, for a field.

    Parameters
    ----------
    name : str
        Name of the field, for the error text.
    value : object
        The new value.

    Raises
    ------
    ProgrammingError
        The value is a list, tuple, set, mapping, array or iterator.
    """
    if is_list(value):
        kind = type(value).__name__
        raise ProgrammingError(
            f'{name}: {kind} {value!r:.60} is not a single value',
            remedy='A field holds one text, number, date or boolean.',
        )


def is_same(wanted: str, stored: Any) -> bool:
    """Whether XNAT stores a value as another text, such as ``3.0`` for ``3``.

    Parameters
    ----------
    wanted : str
        The value as it was sent.
    stored : str or list
        The value, or several values, as XNAT returns it.
    """
    if isinstance(stored, list):
        return wanted in stored
    try:
        return str(stored) == wanted or float(stored) == float(wanted)
    except ValueError:
        return False


def find_setting(registry: Registry, kind: str, where: str, name: str, value: Any) -> Setting:
    """Look up a field by its name and check the new value.

    Parameters
    ----------
    registry : Registry
        Schemas of the data types.
    kind : str
        Data type of the item: ``xnat:mrSessionData``.
    where : str
        Singular name of the item's level, whose short names are accepted.
    name : str
        Short name, or full path with its type: ``xnat:subjectData/group``.
    value : object
        The new value; converted by `as_text`.

    Raises
    ------
    ProgrammingError
        The type has no such field, the field is read-only or belongs to a nested item, or the
        value does not fit.
    """
    check_single(name, value)
    path = _path(registry, kind, where, name)
    names = _ONE_NAME if path.count('[name') + path.count('[@name') == 1 else _NAMED
    plain = canonical(names.sub('', path))
    field = registry.field(kind, plain)
    if field is None or not field.kind:
        raise _unknown(registry, kind, where, name, plain)
    key = field.key
    holders = [
        one for one in registry.fields(kind) if one.item_type and key.startswith(one.key + '/')
    ]
    if any(_is_item(registry, one) for one in holders):
        raise ProgrammingError(
            f'{name!r} is a field of a nested element', remedy='Set it on that element.'
        )
    picks = tuple(
        next(part for part in found if part) if any(found) else '' for found in names.findall(path)
    )
    return Setting(name, field, picks, _checked(field, name, as_text(value)))


def _path(registry: Registry, kind: str, where: str, name: str) -> str:
    """Return the path in the type that a short name or full path stands for."""
    full = _FULL.fullmatch(name)
    if full is None:
        known = short_name(where, name)
        if known is None or known.of or name in READ_ONLY:
            fault = 'read-only' if name in READ_ONLY else 'no short name'
            remedy = (
                f'{did_you_mean(name, short_names(where))}Short names are case-sensitive; a full '
                'path looks like xnat:subjectData/group.'
            )
            raise ProgrammingError(f'{where}: {name!r} is {fault}', remedy=remedy)
        return known.path
    if not registry.is_a(kind, full.group(1)):
        raise ProgrammingError(
            f'{name!r} is no field of {kind}', remedy='XNAT silently ignores fields of other types.'
        )
    return full.group(2)


def _unknown(registry: Registry, kind: str, where: str, name: str, plain: str) -> ProgrammingError:
    paths = {one.key: f'{kind}/{one.path}' for one in registry.fields(kind)}
    similar = [paths.get(key, key) for key in near(plain, [*paths, *short_names(where)])]
    remedy = f'{one_of(similar)}inspect.datatypes lists its fields.'
    return ProgrammingError(f'{kind} has no field {name!r}', remedy=remedy)


def _is_item(registry: Registry, field: Field) -> bool:
    bases = (
        'xnat:experimentData',
        'xnat:imageScanData',
        'xnat:reconstructedImageData',
        'xnat:abstractResource',
    )
    return any(registry.is_a(field.item_type, base) for base in bases)


# -- values


def _checked(field: Field, name: str, value: str) -> str:
    """Return a value unless XNAT would store another one for it.

    XNAT parses dates leniently, and fails with some times.
    """
    if not value:
        return ''
    try:
        if field.kind == 'date':
            return _day(value).isoformat()
        if field.kind == 'time':
            datetime.time.fromisoformat(value)
        if field.kind == 'dateTime':
            datetime.datetime.fromisoformat(value)
    except ValueError as error:
        form = {'date': '2020-01-31', 'time': '10:20:30', 'dateTime': '2020-01-31T10:20:30'}[
            field.kind
        ]
        raise ProgrammingError(
            f'{name}: {value!r} is no {field.kind}', remedy=f'Give it as {form}.'
        ) from error
    if _NO_XML.search(value) is not None:
        raise ProgrammingError(
            f'{name}: {value!r} has characters that XML does not allow',
            remedy='Remove control characters.',
        )
    return value


def _day(value: str) -> datetime.date:
    american = re.fullmatch(r'(\d\d?)/(\d\d?)/(\d{4})', value)
    if american is not None:
        month, day, year = map(int, american.groups())
        return datetime.date(year, month, day)
    return datetime.date.fromisoformat(value.partition('T')[0] if 'T' in value else value)


def _survives(value: str) -> str:
    """Return the notation that keeps text intact in XNAT's parser.

    The parser drops blank pieces. The result is ``text``, ``cdata``, or empty where neither works.
    """
    if '\r' in value:
        return ''
    lines = _LINES.findall(value)
    if all(
        piece.strip() for line in lines for piece in _ENTITIES.split(line) if piece
    ) and not re.search(r'\n[&<>\]]', value):
        return 'text'
    return 'cdata' if all(line.strip() for line in lines) and ']]>' not in value else ''


# -- documents


def write_document(
    registry: Registry, kind: str, settings: Iterable[Setting], inner: Sequence[Node] = ()
) -> bytes:
    """Write the document of an item with some of its fields and nested scans.

    Parameters
    ----------
    registry : Registry
        Schemas of the data types.
    kind : str
        Data type of the item.
    settings : iterable of Setting
        The fields.
    inner : sequence of Node
        Scans written by `write_inner`.

    Raises
    ------
    ProgrammingError
        There is no such data type.
    """
    row = registry.get(kind)
    if row is None:
        raise ProgrammingError(f'{kind} is no data type', remedy='inspect.datatypes lists them.')
    name = row.root or row.name.partition(':')[2]
    spaces = {prefix: uri for uri, prefix in registry.prefixes.items()}
    root = etree.Element(
        f'{{{row.namespace}}}{name}', nsmap={**spaces, 'xsi': _XSI_TYPE[1:].partition('}')[0]}
    )
    _fill(root, registry, kind, settings)
    holder = (
        etree.SubElement(root, f'{{{etree.QName(inner[0]).namespace}}}scans') if inner else root
    )
    holder.extend(inner)
    return etree.tostring(root, encoding='UTF-8', xml_declaration=True)


def read_values(root: Node, setting: Setting) -> list[str]:
    """Return the values of a field in the document of an item.

    Names of instances match exactly if one does, otherwise ignoring case.

    Parameters
    ----------
    root : Node
        Root element of the document.
    setting : Setting
        The field, with the names of instances.
    """
    field, names = setting.field, iter(setting.picks)
    parts = _steps(field.path)
    inner = parts[:-1] if field.attribute or field.text else parts
    nodes = [root]
    for place, part in enumerate(inner):
        picked = next(names, '') if canonical('/'.join(parts[: place + 1])) in field.holders else ''
        kind = _TYPE.search(part)
        tag = f'{{{field.namespaces[place]}}}{_TYPE.sub("", part)}'
        below = [
            node
            for above in nodes
            for node in above.iterchildren(tag)
            if kind is None or node.get(_XSI_TYPE) == kind.group(1)
        ]
        nodes = _picked(below, picked) if picked else below
    if field.attribute:
        return [node.get(parts[-1], '') for node in nodes]
    return [
        ''.join(
            piece
            for piece in (node.text, *(child.tail for child in node))
            if piece and piece.strip()
        )
        for node in nodes
    ]


def _picked(nodes: list[Node], name: str) -> list[Node]:
    exact = [node for node in nodes if node.get('name') == name]
    return exact or [node for node in nodes if (node.get('name') or '').lower() == name.lower()]


def is_picked(name: str) -> bool:
    """Whether a full path names one instance of a repeated element.

    An example is ``fields/field[name=smoker]/field``.
    """
    return '[' in name and _ONE_NAME.search(name) is not None


def write_inner(registry: Registry, kind: str, identity: str, settings: Iterable[Setting]) -> Node:
    """Write a scan as an element of its session's document.

    Parameters
    ----------
    registry : Registry
        Schemas of the data types.
    kind : str
        Data type of the scan.
    identity : str
        ID of the scan.
    settings : iterable of Setting
        The fields.
    """
    base = registry.get('xnat:imageScanData')
    node = etree.Element(f'{{{base.namespace if base is not None else ""}}}scan')
    node.set('ID', identity)
    _fill(node, registry, kind, settings)
    node.set(_XSI_TYPE, kind)
    return node


def check_required(registry: Registry, kind: str, settings: Iterable[Setting]) -> None:
    """Reject a new item that lacks a required field of its type.

    Parameters
    ----------
    registry : Registry
        Schemas of the data types.
    kind : str
        Data type of the item.
    settings : iterable of Setting
        The fields given.

    Raises
    ------
    ProgrammingError
        A required field is missing; XNAT would refuse the item.
    """
    given = {setting.field.key for setting in settings if setting.value}
    lacking = [
        f'{kind}/{one.path}'
        for one in registry.fields(kind)
        if one.required and one.kind and one.path not in CORE and _lacks(one, given)
    ]
    if lacking:
        raise ProgrammingError(
            f'a new {kind} needs {", ".join(lacking)}', remedy='Pass it as a field.'
        )


def _lacks(field: Field, given: set[str]) -> bool:
    above, _, _ = field.key.rpartition('/')
    if field.holders:
        return False
    return field.key not in given and (
        not above or any(key.startswith(above + '/') for key in given)
    )


def _fill(root: Node, registry: Registry, kind: str, settings: Iterable[Setting]) -> None:
    order = registry.positions(kind)
    nodes: dict[str, Node] = {'': root}
    for setting in sorted(settings, key=lambda one: order.get(one.field.key, len(order))):
        _put(nodes, setting)


def _put(nodes: dict[str, Node], setting: Setting) -> None:
    """Write one value, and the missing elements in its path."""
    field, names = setting.field, iter(setting.picks)
    parts = _steps(field.path)
    inner = parts[:-1] if field.attribute or field.text else parts
    key = ''
    for place, part in enumerate(inner):
        above, name = nodes[key], _TYPE.sub('', part)
        picked = next(names) if canonical('/'.join(parts[: place + 1])) in field.holders else ''
        key = f'{key}/{part}[{picked}]'
        if key not in nodes:
            nodes[key] = etree.SubElement(above, f'{{{field.namespaces[place]}}}{name}')
            _mark(nodes[key], part, picked)
    if field.attribute:
        nodes[key].set(parts[-1], setting.value)
    else:
        nodes[key].text = (
            etree.CDATA(setting.value) if _survives(setting.value) == 'cdata' else setting.value
        )


def _mark(node: Node, part: str, picked: str) -> None:
    kind = _TYPE.search(part)
    if kind is not None:
        node.set(_XSI_TYPE, kind.group(1))
    if picked:
        node.set('name', picked)


def _steps(path: str) -> list[str]:
    """Return the elements of a schema's path, with their type predicates."""
    return list(_split(path))


def _split(path: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, char in enumerate(path):
        depth += (char == '[') - (char == ']')
        if char == '/' and not depth:
            yield path[start:place]
            start = place + 1
    yield path[start:]


def settings_of(
    registry: Registry, kind: str, where: str, values: Mapping[str, Any]
) -> list[Setting]:
    """Look up several fields and check their values, as `find_setting`.

    Parameters
    ----------
    registry : Registry
        Schemas of the data types.
    kind : str
        Data type of the item.
    where : str
        Singular name of the item's level.
    values : mapping
        Short name or full path of each field -> new value.
    """
    return [find_setting(registry, kind, where, name, value) for name, value in values.items()]
