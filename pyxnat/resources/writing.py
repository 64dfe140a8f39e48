"""Write fields of elements as XML documents.

XNAT stores text of documents unchanged; query strings are used only to clear fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import errors
from ..model import item_xml, uris
from ..model.item_xml import Setting
from ..model.levels import parts_of_session
from ..model.schemas import Registry
from ..model.short_names import LEVELS_WITH_NAMES
from ..model.xml import parse_xml
from .writable import Writable

__all__ = [
    'XML',
    'Fields',
    'is_field',
    'new_fields',
    'paths_of_type',
    'read_fields',
    'read_instances',
    'split_parameters',
    'write_fields',
    'write_picked',
]

XML = {'content-type': 'text/xml; charset=UTF-8'}
_ESCAPED = frozenset('&<>"\'')


class Fields:
    """Values for the fields of one type, checked against its schema.

    The check needs no request, unless the type is outside the standard XNAT schemas.

    Parameters
    ----------
    element : Writable
        The element to write to.
    kind : str
        The type of the item.
    values : dict
        Values by short name or full path.

    Raises
    ------
    ProgrammingError
        The type has no such field, or the field cannot hold the value.
    """

    def __init__(self, element: Writable, kind: str, values: Mapping[str, Any]) -> None:
        self.kind = kind
        self.values = dict(values)
        for name, value in values.items():
            item_xml.check_single(name, value)
        self.registry, self.settings = _settings(element, kind, values)

    @property
    def is_checked(self) -> bool:
        """Whether a schema of the type is known."""
        return self.registry is not None

    def document(self, inner: Sequence[Any] = ()) -> bytes | None:
        """Return the XML document that sets the fields, or None."""
        settings = [setting for setting in self.settings if setting.is_document]
        if self.registry is None or not (settings or inner):
            return None
        return item_xml.write_document(self.registry, self.kind, settings, inner)

    def query(self) -> dict[str, str]:
        """Return query parameters for fields that a document cannot set.

        These are fields to clear, and all fields of a type without a schema.

        Raises
        ------
        ProgrammingError
            XNAT cannot clear the field, or would store the value changed.
        """
        if self.registry is None:
            return {name: item_xml.as_text(value) or 'NULL' for name, value in self.values.items()}
        rest = (setting for setting in self.settings if not setting.is_document)
        return {self._parameter(setting): _in_query(setting) for setting in rest}

    def _parameter(self, setting: Setting) -> str:
        """Return the name of the query parameter that sets a field."""
        is_picked = '[' in setting.query and '[@' not in setting.query
        return f'{self.kind}/{setting.query}' if is_picked else setting.name

    def as_inner(self, element: Writable) -> list[Any]:
        """Return a new scan as part of its session's document.

        Empty for elements that the document cannot hold.
        """
        if (
            not (element.level.is_part and element.level.has_types)
            or self.registry is None
            or not self.registry.is_a(self.kind, element.level.base)
        ):
            return []
        return [item_xml.write_inner(self.registry, self.kind, element.path_name, self.settings)]

    def check_new(self) -> None:
        """Raise an error if a new item lacks a required field."""
        if self.registry is not None:
            item_xml.check_required(self.registry, self.kind, self.settings)


def _settings(
    element: Writable, kind: str, values: Mapping[str, Any]
) -> tuple[Registry | None, list[Setting]]:
    """Return checked settings, by the standard or the server's schemas.

    No registry and no settings if neither has the type.
    """
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


def paths_of_type(element: Writable) -> list[str]:
    """Return the full paths of the fields of an element's type, by its schema.

    Empty for a type without a schema. No request for types of the standard schemas, but for the
    type itself if not known.
    """
    kind = element.datatype()
    registry: Registry | None = item_xml.bundled()
    if registry is None or kind not in registry:
        registry = _served(element)
    if registry is None or kind not in registry:
        return []
    return [f'{kind}/{field.path}' for field in registry.fields(kind)]


def _served(element: Writable) -> Registry | None:
    """Return the schemas of the server; None without access to them.

    They are fetched once per login.
    """
    served: Registry | None = element.host.manage.schemas.served()
    return served


def _in_query(setting: Setting) -> str:
    if any(char in name for name in setting.picks for char in '[]/.@=\'"') or any(
        name != name.rstrip() for name in setting.picks
    ):
        raise errors.ProgrammingError(
            f'{setting.name!r} cannot be cleared',
            remedy='XNAT clears fields only by query string, which cannot hold this name.',
        )
    if setting.value:
        if _ESCAPED & set(setting.value):
            raise errors.ProgrammingError(
                f'{setting.name}: XNAT cannot store {setting.value!r}',
                remedy='Remove blank lines, or & < > and quotes.',
            )
        return setting.value
    if setting.field.choices:
        raise errors.ProgrammingError(
            f'{setting.name} cannot be cleared',
            remedy=f'Set one of: {", ".join(setting.field.choices)}.',
        )
    return 'NULL'


def split_parameters(
    element: Writable, fields: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keyword arguments into fields of the item and query parameters.

    Parameters
    ----------
    element : Writable
        The element to write to.
    fields : mapping
        Keyword arguments of `create` or ``attrs.set``.

    Returns
    -------
    tuple of dict
        The fields, and the query parameters.
    """
    if element.level.singular not in LEVELS_WITH_NAMES:
        return {}, dict(fields)
    own = {name: value for name, value in fields.items() if is_field(name)}
    return own, {name: value for name, value in fields.items() if name not in own}


def new_fields(element: Writable, kind: str, fields: Mapping[str, Any]) -> Fields:
    """Return the fields of a new element, checked against its schema.

    Parameters
    ----------
    element : Writable
        The element.
    kind : str
        Its type, such as ``xnat:mrScanData``.
    fields : mapping
        Values by short name or full path; empty ones are ignored.

    Raises
    ------
    ProgrammingError
        The type has no such field, a value does not fit, or a required field is missing.
    """
    checked = Fields(
        element, kind, {name: value for name, value in fields.items() if value not in (None, '')}
    )
    checked.check_new()
    return checked


def is_field(name: str) -> bool:
    """Whether a name is a field, not a parameter like ``event_reason``."""
    return name not in _PARAMETERS and not name.startswith('event_')


_PARAMETERS = frozenset(
    {
        'xsiType',
        'ID',
        'label',
        'format',
        'req_format',
        'inbody',
        'allowDataDeletion',
        'accessibility',
        'activate',
        'quarantine',
        'overwrite',
        'triggerPipelines',
        'fixScanTypes',
        'pullDataFromHeaders',
        'XNAT_CSRF',
        '_lock',
        '_unlock',
        '_obsolete',
        'primary',
        'subject_ID',
    }
)


def write_fields(
    element: Writable,
    values: Mapping[str, Any],
    query: Mapping[str, Any],
    *,
    read_back: bool = True,
) -> None:
    """Set fields of an existing element.

    One request, and one more if fields are cleared: they are read back.

    Parameters
    ----------
    element : Writable
        The element.
    values : mapping
        Values by short name or full path.
    query : mapping
        Further query parameters.
    read_back : bool
        Whether to read cleared fields back; False if the caller reads those of many elements at
        once.

    Raises
    ------
    DataError
        XNAT did not clear a field.
    """
    fields = Fields(element, element.datatype(), values)
    settings = _write(element, fields, query)
    if read_back:
        _check_stored(element, fields, settings)


def write_picked(element: Writable, path: str, name: str, value: Any) -> None:
    """Set a field of one named instance. Requests as for `write_fields`.

    Parameters
    ----------
    element : Writable
        The element.
    path : str
        Full path, with ``{}`` after the repeated element.
    name : str
        Name of the instance; any text.
    value : str, number, bool or date
        The value.
    """
    fields = Fields(element, element.datatype(), {path.format(''): value})
    if fields.is_checked:
        full = path.format(f'[name={name}]')
        fields.values, fields.settings = (
            {full: value},
            [setting._replace(name=full, picks=(name,)) for setting in fields.settings],
        )
        _check_stored(element, fields, _write(element, fields, {}))
    else:
        write_fields(element, {path.format(f'[name={name}]'): value}, {})


def _write(element: Writable, fields: Fields, query: Mapping[str, Any]) -> dict[str, str]:
    """Send fields; return the query parameters that set some of them."""
    uri = element.writing_uri()
    document, settings = fields.document(), fields.query()
    if document is None and not fields.is_checked:
        settings = (
            {'xsiType': fields.kind, **settings}
            if element.level.has_types and element.level in parts_of_session()
            else settings
        )
    if document is not None:
        element.connection.request(
            uris.with_query(uri, {**settings, **query}), 'PUT', document, XML
        )
    elif settings or query:
        element.connection.request(uris.with_query(uri, {**settings, **query}), 'PUT')
    return settings


def read_fields(element: Writable, names: Sequence[str]) -> dict[str, str]:
    """Read fields from an element's document. One request.

    Parameters
    ----------
    element : Writable
        The element.
    names : sequence of str
        Short names or full paths.

    Returns
    -------
    dict
        The first value of each field that the schema of the type has.
    """
    _, settings = _settings(element, element.datatype(), dict.fromkeys(names))
    if not settings:
        return {}
    root = parse_xml(element.get())
    return {
        setting.name: next(iter(item_xml.read_values(root, setting)), '') for setting in settings
    }


def read_instances(
    element: Any, names: Sequence[str], documents: dict[str, dict[str, str]]
) -> dict[str, str]:
    """Read fields of named instances of an element or of those above it.

    Parameters
    ----------
    element : Element
        The element.
    names : sequence of str
        Full paths.
    documents : dict
        Values of earlier calls by URI, and afterwards those of this call, too.

    Returns
    -------
    dict
        The value of each field; empty if the type of the element lacks it.

    Raises
    ------
    ProgrammingError
        No element of its level or of one above can have such a field.
    """
    known, found = item_xml.bundled(), {}
    for name in names:
        declared = name.partition('/')[0]
        place = element
        while place is not None and not _may_have(known, place, declared):
            place = place.parent()
        if place is None:
            raise errors.ProgrammingError(
                f'{element.level.singular} has no field {name!r}',
                uri=element.url,
                remedy='A full path begins with the type of the element or of one above it.',
            )
        if declared in known and not known.is_a(place.datatype(), declared):
            found[name] = ''
            continue
        values = documents.setdefault(place.uri, {})
        if name not in values:
            alike = [other for other in names if other.partition('/')[0] == declared]
            values |= dict.fromkeys(alike, '') | read_fields(place, alike)
        found[name] = values[name]
    return found


def _may_have(known: Registry, element: Any, declared: str) -> bool:
    """Whether some type of an element's level has the fields of a type."""
    base = element.level.base
    return declared not in known or known.is_a(declared, base) or known.is_a(base, declared)


def _check_stored(element: Writable, fields: Fields, sent: Mapping[str, str]) -> None:
    """Read back fields of the query string, which XNAT may ignore."""
    names = (
        list(fields.values)
        if not fields.is_checked
        else [setting.name for setting in fields.settings if not setting.is_document]
    )
    if not names or not sent:
        return
    wanted = {name: item_xml.as_text(fields.values[name]) for name in names}
    stored = dict(zip(names, element.attrs.mget(names), strict=True))
    lost = [name for name in names if not item_xml.is_same(wanted[name], stored[name])]
    if lost:
        raise errors.DataError(
            f'{element.level.singular} {element.path_name}: {", ".join(lost)} '
            f'{"was" if len(lost) == 1 else "were"} not stored',
            uri=element.connection.server + element.uri,
            method='PUT',
            remedy='attrs() lists the fields of the type.',
        )
