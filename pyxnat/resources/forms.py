"""Fields of custom forms as columns and attributes of elements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import DataError, ProgrammingError, UnexpectedAnswer
from ..model import uris
from ..model.forms import (
    CUSTOM_FIELDS,
    Form,
    FormField,
    find_field,
    is_form_name,
    matching_fields,
    value_at,
    with_value,
)
from ..model.item_xml import bundled, is_picked
from ..model.levels import LEVELS, Level, level
from ..patterns import pattern
from ..query.paths import Path
from ..query.plan import level_of_type, levels_of
from ..tables.table import Row
from .host import Host
from .writable import Writable

__all__ = [
    'LEVELS_WITH_FORMS',
    'FormColumn',
    'documents_column',
    'fields_uri',
    'form_columns',
    'forms_of',
    'own_documents',
    'project_of',
    'read_document',
    'rows_with_forms',
    'split_forms',
    'write_forms',
]

_BY_UUID = pattern(r'form:[0-9a-f]{8}-[0-9a-f-]{27}/')
_JSON = {'Content-Type': 'application/json'}

LEVELS_WITH_FORMS = ('projects', 'subjects', 'experiments', 'scans', 'assessors')
"""Plural names of the levels whose items can have forms."""


class FormColumn(NamedTuple):
    """A column, and the field of a form that it stands for."""

    name: str
    """Name given by the caller."""
    form: Form
    field: FormField
    level: str
    """Plural name of the level whose items have the form."""

    @property
    def requested(self) -> str:
        """Column of a listing that has the values of all forms."""
        return documents_column(self.level)

    def read(self, document: Mapping[str, Any]) -> Any:
        """Return the value in the JSON object of an item; empty text if there is none."""
        found = value_at(document, self.form.uuid, self.field.path)
        return '' if found is None else found


def documents_column(plural: str) -> str:
    """Return the column of a listing that has the values of all forms of its items."""
    return f'{level(plural).declaring}/{CUSTOM_FIELDS}'


def own_documents(names: Iterable[str], own: Level) -> list[str]:
    """Return the columns of a listing, with one for all forms of its elements.

    Parameters
    ----------
    names : iterable of str
        Columns; those that name an instance, such as custom variables, are left out.
    own : Level
        Level of the elements.
    """
    listed = [
        documents_column(own.plural) if is_form_name(name) else name
        for name in names
        if not is_picked(name)
    ]
    return list(dict.fromkeys(listed))


def form_columns(host: Host, names: Iterable[str], routes: Sequence[Path]) -> dict[str, FormColumn]:
    """Return the columns among names that are fields of forms.

    One request for the forms, unless they were fetched within the last minute. Elements below one
    project have its forms, and any that is named by its UUID; others the forms of any project.

    Parameters
    ----------
    host : Host
        The Interface.
    names : iterable of str
        Names of columns.
    routes : sequence of Path
        Paths of the elements. Of several levels that may have a form, the nearest counts.

    Raises
    ------
    ProgrammingError
        There is no such form, or it is for items of other levels.
    NotSupportedError
        The server has no custom forms.
    """
    wanted = list(filter(is_form_name, names))
    return _find(host, wanted, levels_of(routes), project_of(routes)) if wanted else {}


def _find(
    host: Host, wanted: list[str], levels: Sequence[str], project: str
) -> dict[str, FormColumn]:
    """Return the fields of forms with given names; the first level counts."""
    places = [plural for plural in levels if plural in LEVELS_WITH_FORMS]
    forms = host.manage.forms.known(project)
    if project and any(
        _BY_UUID.match(name) and not matching_fields(forms, name) for name in wanted
    ):
        forms = host.manage.forms.known()  # a form of the owner of shared items
    level_of = {form.uuid: _level_of(form, places) for form in forms}
    found = {}
    for name in wanted:
        nearest = next(
            (
                some
                for place in places
                if (some := [form for form in forms if level_of[form.uuid] == place])
                and matching_fields(some, name)
            ),
            forms,
        )
        form, field = find_field(nearest, name)
        if not level_of[form.uuid]:
            raise ProgrammingError(
                f'the form {form.title!r} is for {form.datatype}',
                remedy=f'Here are {", ".join(places) or "no items with forms"}.',
            )
        found[name] = FormColumn(name, form, field, level_of[form.uuid])
    return found


def _level_of(form: Form, levels: Sequence[str]) -> str:
    """Return the level of the items that a form is for.

    Empty if it is none of `levels`.
    """
    known = bundled()
    if form.datatype not in known:
        return level_of_type(form.datatype, levels)
    of_type = {row.plural for row in LEVELS if row.base and known.is_a(form.datatype, row.base)}
    narrowest = 'assessors' if 'assessors' in of_type else next(iter(of_type), '')
    return narrowest if narrowest in levels else ''


def project_of(routes: Iterable[Path]) -> str:
    """Return the project that all paths are below, or the empty text."""
    names = {
        route[0].name if route[0].level == 'projects' and route[0].literal else ''
        for route in routes
    }
    return names.pop() if len(names) == 1 else ''


def rows_with_forms(
    rows: Iterable[Row], names: Sequence[str], columns: Mapping[str, FormColumn]
) -> Iterator[Row]:
    """Yield rows with fields of forms in place of the JSON objects that have them.

    Parameters
    ----------
    rows : iterable of dict
        Rows with the columns `FormColumn.requested`.
    names : sequence of str
        Columns of the result.
    columns : mapping
        The fields of forms among them, by name.
    """
    requested = {column.requested for column in columns.values()}
    for row in rows:
        documents = {name: read_document(row[name]) for name in requested}
        yield {
            name: columns[name].read(documents[columns[name].requested])
            if name in columns
            else row[name]
            for name in names
        }


def read_document(text: Any) -> dict[str, Any]:
    """Return the JSON object in a cell of a listing; an empty one for an empty cell."""
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as error:
        raise UnexpectedAnswer(f'custom fields are no JSON: {text!r:.80}') from error
    return found if isinstance(found, dict) else {}


def fields_uri(plural: str, own: str, session: str = '') -> str:
    """Return the URI of the values of all forms of an item.

    It names no project: below a project, XNAT finds none of the items that others share into it.

    Parameters
    ----------
    plural : str
        Plural name of the item's level.
    own : str
        Its ID.
    session : str
        Accession ID of the session of a scan or assessor.
    """
    place = ('experiments', session, plural, own) if session else (plural, own)
    return uris.join('/xapi/custom-fields', *map(uris.quote, place), 'fields')


def _uri_of(element: Writable) -> str:
    """Return the URI of an element's values. A request for each ID that is not known."""
    is_below = element.level.plural in ('scans', 'assessors')
    session = element.parent_on_path() if is_below else None
    return fields_uri(element.level.plural, element.id(), session.id() if session else '')


def _changed_forms(
    document: Mapping[str, Any], values: Mapping[FormColumn, Any]
) -> dict[str, dict[str, Any]]:
    """Return the forms that values change, complete: XNAT replaces a form as a whole.

    Parameters
    ----------
    document : mapping
        Present values of all forms.
    values : mapping
        New values, as JSON; `None` removes a value.
    """
    made: dict[str, dict[str, Any]] = {}
    for column, value in values.items():
        uuid = column.form.uuid
        known = made.get(uuid, document.get(uuid))
        made[uuid] = with_value(known if isinstance(known, dict) else {}, column.field.path, value)
    return made


def forms_of(element: Writable, names: Iterable[str]) -> dict[str, FormColumn]:
    """Return the fields of an element's forms among names.

    Requests as for `form_columns`.

    Parameters
    ----------
    element : Writable
        The element.
    names : iterable of str
        Names of fields.
    """
    wanted = list(filter(is_form_name, names))
    if not wanted:
        return {}
    project = project_of([element.steps]) or element.row.get('project', '')
    return _find(element.host, wanted, [element.level.plural], project)


def split_forms(
    element: Writable, values: Mapping[str, Any]
) -> tuple[dict[FormColumn, Any], dict[str, Any]]:
    """Return the fields of forms among values, as JSON, and the other values.

    Parameters
    ----------
    element : Writable
        The element.
    values : mapping
        Values by name.

    Raises
    ------
    ProgrammingError
        There is no such field, or it cannot hold its value.
    """
    forms = forms_of(element, values)
    if not forms:
        return {}, dict(values)
    made = {column: column.field.value(values[name]) for name, column in forms.items()}
    return made, {name: value for name, value in values.items() if name not in forms}


def write_forms(element: Writable, values: Mapping[FormColumn, Any]) -> None:
    """Set fields of forms. Two requests, and those for IDs that are not known.

    XNAT replaces a form as a whole, so the present values are read just before.

    Parameters
    ----------
    element : Writable
        The element.
    values : mapping
        New values, as JSON; `None` removes a value.

    Raises
    ------
    DataError
        The server did not store a value.
    """
    uri = _uri_of(element)
    document = json.loads(element.connection.request(uri, expiration=0))
    body = json.dumps(_changed_forms(document, values), ensure_ascii=False).encode()
    stored = json.loads(element.connection.request(uri, 'PUT', body, _JSON))
    lost = [
        column.name
        for column, value in values.items()
        if value_at(stored, column.form.uuid, column.field.path) != value
    ]
    if lost:
        raise DataError(
            f'{element.level.singular} {element.path_name}: {", ".join(lost)} not stored',
            uri=element.connection.server + uri,
            method='PUT',
            remedy='Retry; another program may have changed the form at the same time.',
        )
