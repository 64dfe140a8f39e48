"""Fields are written by document where there is one: it is stored as it is sent. Query strings stay for clearing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import errors
from ..model import item_xml, uris
from ..model.item_xml import Setting
from ..model.schemas import Registry
from ..model.short_names import LEVELS_WITH_NAMES
from ..model.xml import parse_xml

if TYPE_CHECKING:
    from .base import Element

__all__ = ['XML', 'Fields', 'divide', 'fields_above', 'is_field', 'read_fields', 'write_fields', 'write_picked']

XML = {'content-type': 'text/xml; charset=UTF-8'}
_ESCAPED = frozenset('&<>"\'')


class Fields:
    """Values of fields of one type, checked against its schema before anything is sent.

    Parameters
    ----------
    kind : str
        The type of the item.
    values : dict
        Values by short name or full path.

    Raises
    ------
    ProgrammingError
        A name that the type does not have, or a value that it cannot hold.
    """

    def __init__(self, element: Element, kind: str, values: Mapping[str, Any]) -> None:
        self.kind = kind
        self.values = dict(values)
        self.registry, self.settings = _settings(element, kind, values)

    @property
    def is_checked(self) -> bool:
        """Whether there was a schema to check them by."""
        return self.registry is not None

    def document(self, inner: Sequence[Any] = ()) -> bytes | None:
        """The document that sets them; None where there is nothing to set by one."""
        settings = [one for one in self.settings if one.is_document]
        if self.registry is None or not (settings or inner):
            return None
        return item_xml.write_document(self.registry, self.kind, settings, inner)

    def query(self) -> dict[str, str]:
        """What goes in the query string: fields to be cleared, and what no document can carry.

        Raises
        ------
        ProgrammingError
            XNAT cannot clear the field, or would store the value otherwise.
        """
        if self.registry is None:
            return {name: item_xml.as_text(value) for name, value in self.values.items()}
        rest = (one for one in self.settings if not one.is_document)
        return {f'{self.kind}/{one.query}' if '[' in one.query and '[@' not in one.query else one.name: _in_query(one) for one in rest}

    def as_inner(self, element: Element) -> list[Any]:
        """A new scan as it stands in the document of its session; empty for what cannot stand there."""
        if element.level.singular != 'scan' or self.registry is None or not self.registry.is_a(self.kind, 'xnat:imageScanData'):
            return []
        return [item_xml.write_inner(self.registry, self.kind, element.path_name, self.settings)]

    def check_new(self) -> None:
        """Refuse a new item that lacks what its type requires."""
        if self.registry is not None:
            item_xml.check_required(self.registry, self.kind, self.settings)


def _settings(element: Element, kind: str, values: Mapping[str, Any]) -> tuple[Registry | None, list[Setting]]:
    """The settings of values, by the types that every XNAT has, else by those of the server; no registry where neither knows the type."""
    where = element.level.singular
    known = item_xml.bundled()
    if kind in known:
        try:
            return known, item_xml.settings_of(known, kind, where, values)
        except errors.ProgrammingError:
            served = _served(element)
            if served is None or kind not in served:
                raise
            return served, item_xml.settings_of(served, kind, where, values)
    served = _served(element)
    if served is None or kind not in served:
        return None, []
    return served, item_xml.settings_of(served, kind, where, values)


def _served(element: Element) -> Registry | None:
    """The schemas of the server, fetched once for a login; None where it does not give them."""
    served: Registry | None = element.host.manage.schemas.served()
    return served


def _in_query(setting: Setting) -> str:
    if any(char in name for name in setting.picks for char in '[]/.@=\'"') or any(name != name.rstrip() for name in setting.picks):
        raise errors.ProgrammingError(
            f'{setting.name!r} cannot be cleared', remedy='XNAT clears by query strings alone, which cannot hold this name.'
        )
    if setting.value:
        if _ESCAPED & set(setting.value):
            raise errors.ProgrammingError(f'{setting.name}: XNAT cannot keep {setting.value!r}', remedy='Leave out blank lines, or & < > and quotes.')
        return setting.value
    if setting.field.choices:
        raise errors.ProgrammingError(f'{setting.name} cannot be cleared', remedy=f'XNAT wants one of {", ".join(setting.field.choices)}.')
    return 'NULL'


def divide(element: Element, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the item, and parameters of the request."""
    if element.level.singular not in LEVELS_WITH_NAMES:
        return {}, dict(fields)
    own = {name: value for name, value in fields.items() if is_field(name)}
    return own, {name: value for name, value in fields.items() if name not in own}


def fields_above(kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by full paths of types that a type is none of: those of the elements above a new one, which may have to be made."""
    known = item_xml.bundled()
    types = {name: name.partition('/')[0] for name in fields if '/' in name and ':' in name.partition('/')[0]}
    return {name: fields[name] for name, other in types.items() if kind in known and other in known and not known.is_a(kind, other)}


def is_field(name: str) -> bool:
    """Whether a name is meant as that of a field: parameters of requests are such as ``event_reason``."""
    return name not in _PARAMETERS and not name.startswith('event_')


_PARAMETERS = frozenset(
    {'xsiType', 'ID', 'label', 'format', 'req_format', 'inbody', 'allowDataDeletion', 'accessibility', 'activate', 'quarantine', 'overwrite',
     'triggerPipelines', 'fixScanTypes', 'pullDataFromHeaders', 'XNAT_CSRF', '_lock', '_unlock', '_obsolete', 'primary', 'subject_ID'}
)  # fmt: skip


def write_fields(element: Element, values: Mapping[str, Any], query: Mapping[str, Any]) -> None:
    """Set fields of an element that exists. One request, and one more to see that what was to be cleared is.

    Raises
    ------
    DataError
        XNAT did not clear a field.
    """
    _write(element, Fields(element, element.datatype(), values), query)


def write_picked(element: Element, path: str, name: str, value: Any) -> None:
    """Set a field of the instance of a name, which may be any text; `path` has braces behind the repeated element. Requests as `write_fields`."""
    fields = Fields(element, element.datatype(), {path.format(''): value})
    if fields.is_checked:
        full = path.format(f'[name={name}]')
        fields.values, fields.settings = {full: value}, [one._replace(name=full, picks=(name,)) for one in fields.settings]
        _write(element, fields, {})
    else:
        write_fields(element, {path.format(f'[name={name}]'): value}, {})


def _write(element: Element, fields: Fields, query: Mapping[str, Any]) -> None:
    uri = element.writing_uri()
    document, settings = fields.document(), fields.query()
    if document is None and not fields.is_checked:
        settings = {'xsiType': fields.kind, **settings} if element.level.singular in ('scan', 'assessor') else settings
    if document is not None:
        element.connection.request(uris.with_query(uri, {**settings, **query}), 'PUT', document, XML)
    elif settings or query:
        element.connection.request(uris.with_query(uri, {**settings, **query}), 'PUT')
    _check_stored(element, fields, settings)


def read_fields(element: Element, names: Sequence[str]) -> dict[str, str]:
    """Fields as the document of an element has them, those that its type is known to have; of several values the first. One request."""
    _, settings = _settings(element, element.datatype(), dict.fromkeys(names))
    if not settings:
        return {}
    root = parse_xml(element.get())
    return {one.name: next(iter(item_xml.read_values(root, one)), '') for one in settings}


def _check_stored(element: Element, fields: Fields, sent: Mapping[str, str]) -> None:
    """Read back what went by query string: XNAT may have dropped it without a word."""
    names = list(fields.values) if not fields.is_checked else [one.name for one in fields.settings if not one.is_document]
    if not names or not sent:
        return
    wanted = {name: item_xml.as_text(fields.values[name]) for name in names}
    stored = dict(zip(names, element.attrs.mget(names), strict=True))
    lost = [name for name in names if not _same(wanted[name], stored[name])]
    if lost:
        raise errors.DataError(
            f'{element.level.singular} {element.path_name}: {", ".join(lost)} {"was" if len(lost) == 1 else "were"} not stored',
            uri=element.connection.server + element.uri, method='PUT', remedy='See what the type has with attrs().',
        )  # fmt: skip


def _same(wanted: str, stored: Any) -> bool:
    if isinstance(stored, list):
        return wanted in stored
    try:
        return str(stored) == wanted or float(stored) == float(wanted)
    except ValueError:
        return False
