"""Custom forms.

Their fields, the names of these as columns, and values as JSON and as text. A form is a Form.io
document. An item holds the values of all its forms in one JSON object, by the UUID of the form,
then by the key of the field; fields in a container are one object deeper. XNAT checks no value
against its form, so `FormField.value` does.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ProgrammingError
from ..patterns import pattern
from .near import did_you_mean

__all__ = [
    'CUSTOM_FIELDS',
    'PREFIX',
    'Form',
    'FormField',
    'as_cell',
    'display_field',
    'find_field',
    'form_fields',
    'is_form_name',
    'matching_fields',
    'named_values',
    'read_forms',
    'value_at',
    'with_value',
]

PREFIX = 'form:'
"""Beginning of the names of form fields: ``form:TITLE/KEY`` or ``form:UUID/KEY``."""
CUSTOM_FIELDS = 'custom_fields'
"""Path of the JSON object in an item."""

_NUMBERS = frozenset({'number', 'currency'})
_OBJECTS = frozenset(
    {'selectboxes', 'datagrid', 'editgrid', 'datamap', 'tree', 'address', 'survey', 'file', 'tags'}
)
"""Types whose value is an object or a list."""
_GRIDS = frozenset({'datagrid', 'editgrid', 'datamap', 'tree', 'address'})
"""Types whose components are not fields of the form; XNAT cannot search them."""
_TRUE = frozenset({'true', '1', 'yes'})
_FALSE = frozenset({'false', '0', 'no'})
_NUMBER = pattern(r'[+-]?([0-9]+|[0-9]*\.[0-9]+|[0-9]+\.)([eE][+-]?[0-9]{1,3})?')


class FormField(NamedTuple):
    """Field of a form."""

    path: tuple[str, ...]
    """Keys of the containers around it, and its own."""
    type: str
    """Type of the Form.io component: ``textfield``, ``number``, ``checkbox``, ``datetime``."""
    label: str = ''
    choices: tuple[str, ...] = ()
    """Texts of the values that it can have; empty for any."""
    is_multiple: bool = False
    """Whether its value is a list."""
    guesses_type: bool = False
    """Whether web pages store a number for a choice such as ``1``."""

    @property
    def name(self) -> str:
        """The path as in column names: ``visit/date``."""
        return '/'.join(self.path)

    @property
    def kind(self) -> str:
        """``number``, ``boolean``, ``json``, ``datetime`` or ``string``."""
        if self.is_multiple or self.type in _OBJECTS:
            return 'json'
        if self.type in _NUMBERS:
            return 'number'
        return {'checkbox': 'boolean', 'datetime': 'datetime'}.get(self.type, 'string')

    @property
    def is_searchable(self) -> bool:
        """Whether XNAT has a search field for it."""
        return self.type not in _GRIDS

    def value(self, given: Any) -> Any:
        """Return a value as the JSON that web pages store for it.

        `None` for an empty one.

        Parameters
        ----------
        given : object
            Text, as in a spreadsheet, or a value of Python.

        Raises
        ------
        ProgrammingError
            The field cannot hold the value.
        """
        if given is None or given == '':
            return None
        made = _MAKERS[self.kind](given)
        if made is None:
            raise ProgrammingError(
                f'{self.name}: {given!r:.60} is no {_WORDS[self.kind]}',
                remedy=f'Give it as {_EXAMPLES[self.kind]}.',
            )
        values = made if isinstance(made, list) else [made]
        if self.kind in ('string', 'json') and self.choices and not isinstance(made, dict):
            unknown = [one for one in values if as_cell(one) not in self.choices]
            if unknown:
                raise ProgrammingError(
                    f'{self.name}: {unknown[0]!r:.60} is no choice',
                    remedy=f'The choices are: {", ".join(self.choices)}.',
                )
            if self.guesses_type and not isinstance(made, list):
                return _guessed(made)
        return made


class Form(NamedTuple):
    """A custom form."""

    uuid: str
    title: str
    datatype: str
    """Type of the items that it is for: ``xnat:subjectData``."""
    fields: tuple[FormField, ...]
    is_enabled: bool = True
    """Whether it is enabled on the site or in a project."""
    places: tuple[str, ...] = ()
    """IDs of its projects; ``Site`` for all."""

    @property
    def columns(self) -> list[str]:
        """Names of its fields as columns."""
        return [f'{PREFIX}{self.title}/{field.name}' for field in self.fields]


def is_form_name(name: str) -> bool:
    """Whether the name of a column is that of a form's field."""
    return name.startswith(PREFIX)


def read_forms(rows: Iterable[Mapping[str, Any]]) -> list[Form]:
    """Return the forms in a response of ``/xapi/customforms``."""
    found = []
    for row in rows:
        stored = row.get('contents') or '{}'
        contents = json.loads(stored) if isinstance(stored, str) else stored
        uses = row.get('appliesToList') or ()
        found.append(
            Form(
                str(row['formUUID']),
                str(contents.get('title', '')),
                str(row.get('path', '')).partition('/')[2],
                tuple(form_fields(contents)),
                any(use.get('status') == 'enabled' for use in uses),
                tuple(str(use.get('entityId', '')) for use in uses),
            )
        )
    return found


def form_fields(contents: Mapping[str, Any]) -> Iterator[FormField]:
    """Yield the fields of a Form.io document, in its order."""
    yield from _fields(contents.get('components') or (), ())


def _fields(components: Any, above: tuple[str, ...]) -> Iterator[FormField]:
    """Yield the fields of components.

    Panels, columns, tables and tabs only arrange theirs.
    """
    if isinstance(components, list):
        for component in components:
            yield from _fields(component, above)
    if not isinstance(components, dict):
        return
    kind, key = components.get('type', ''), str(components.get('key', ''))
    inner = [components.get(name) for name in ('columns', 'rows', 'components')]
    is_holder = any(isinstance(one, list) for one in inner) and kind not in _GRIDS
    if is_holder:
        for one in inner:
            yield from _fields(one, (*above, key) if kind == 'container' else above)
    elif components.get('input') and key and kind != 'button':
        yield _field(components, (*above, *key.split('.')))


def _field(component: Mapping[str, Any], path: tuple[str, ...]) -> FormField:
    kind = str(component.get('type', ''))
    data = component.get('data')
    listed = data.get('values') if isinstance(data, dict) else component.get('values')
    choices = [
        as_cell(one['value'])
        for one in listed or ()
        if isinstance(one, dict) and one.get('value') not in (None, '')
    ]
    return FormField(
        path,
        kind,
        str(component.get('label', '')),
        tuple(choices) if kind in ('select', 'radio') else (),
        bool(component.get('multiple')),
        kind in ('select', 'radio') and component.get('dataType', 'auto') in ('', 'auto'),
    )


def find_field(forms: Sequence[Form], name: str) -> tuple[Form, FormField]:
    """Return the form and the field that a column stands for.

    Parameters
    ----------
    forms : sequence of Form
        The forms of the server, or of one project.
    name : str
        ``form:TITLE/KEY`` or ``form:UUID/KEY``; keys of containers come before the key, separated
        by ``/`` or ``.``.

    Raises
    ------
    ProgrammingError
        There is no such form or field, or several forms have the title and the field.
    """
    found = matching_fields(forms, name)
    if len(found) == 1:
        return found[0]
    if found:
        uuids = ', '.join(f'{PREFIX}{form.uuid}/{field.name}' for form, field in found)
        raise ProgrammingError(
            f'{len(found)} forms have the field {name!r}', remedy=f'Name one by its UUID: {uuids}.'
        )
    named = _named(forms, name)
    if not named:
        raise _no_form(forms, name.removeprefix(PREFIX))
    form, key = named[0]
    names = [field.name for field in form.fields]
    question = did_you_mean(key.replace('.', '/'), names)
    raise ProgrammingError(
        f'the form {form.title!r} has no field {key!r}',
        remedy=f'{question}Its fields: {", ".join(names)}.',
    )


def matching_fields(forms: Iterable[Form], name: str) -> list[tuple[Form, FormField]]:
    """Return the forms and fields that the name of a column could mean.

    Parameters
    ----------
    forms : iterable of Form
        The forms.
    name : str
        As for `find_field`.
    """
    return [
        (form, field)
        for form, key in _named(forms, name)
        for field in form.fields
        if field.path == tuple(re.split(r'[/.]', key))
    ]


def _named(forms: Iterable[Form], name: str) -> list[tuple[Form, str]]:
    """Return the forms that a name begins with, and the rest of the name."""
    rest = name.removeprefix(PREFIX)
    return [
        (form, rest[len(start) + 1 :])
        for form in forms
        for start in (form.title, form.uuid)
        if rest.startswith(f'{start}/')
    ]


def _no_form(forms: Sequence[Form], rest: str) -> ProgrammingError:
    titles = list(dict.fromkeys(form.title for form in forms))
    if not titles:
        return ProgrammingError(
            f'there is no form {rest.partition("/")[0]!r}, nor any other',
            remedy='Forms are made on the web pages of XNAT, by its administrator.',
        )
    if rest in titles or '/' not in rest:
        problem = f'{PREFIX}{rest} names no field of a form'
        columns = [name for form in forms for name in form.columns]
        return ProgrammingError(problem, remedy=f'Fields are such as {", ".join(columns[:3])}.')
    question = did_you_mean(rest.rpartition('/')[0], titles)
    return ProgrammingError(
        f'there is no form {rest.partition("/")[0]!r}',
        remedy=f'{question}Forms: {", ".join(titles)}. manage.forms() lists them.',
    )


def display_field(form: Form, field: FormField) -> str:
    """Return the ID of the search field that XNAT makes for a form's field.

    Its values are texts. XNAT leaves out the containers around a field.

    Parameters
    ----------
    form : Form
        The form.
    field : FormField
        The field.

    Raises
    ------
    ProgrammingError
        XNAT has no search field for it.
    """
    if not field.is_searchable:
        raise ProgrammingError(
            f'{field.name!r} of the form {form.title!r} is a {field.type}: XNAT cannot search it',
            remedy='Read it as a column of table(), and compare there.',
        )
    key = re.sub('[^A-Za-z0-9_]', '', field.path[-1])
    return f'{form.datatype}_CUSTOM-FORM_{form.uuid}_{key}'.upper()


# -- values


def value_at(document: Mapping[str, Any], form: str, path: Sequence[str]) -> Any:
    """Return the value of a form's field in the JSON object of an item.

    Parameters
    ----------
    document : mapping
        The object.
    form : str
        UUID of the form.
    path : sequence of str
        Path of the field.

    Returns
    -------
    object
        `None` if there is none.
    """
    found: Any = document
    for key in (form, *path):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def named_values(document: Mapping[str, Any], forms: Iterable[Form]) -> dict[str, Any]:
    """Return the values of all forms of an item by the names of columns.

    Parameters
    ----------
    document : mapping
        The JSON object of the item.
    forms : iterable of Form
        The forms of the server. Values of other forms, and those of none, are left out.
    """
    return {
        column: value
        for form in forms
        for column, field in zip(form.columns, form.fields, strict=True)
        if (value := value_at(document, form.uuid, field.path)) not in (None, '')
    }


def with_value(values: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Return the values of a form with another value for one field.

    Parameters
    ----------
    values : mapping
        Values of the form; unchanged.
    path : sequence of str
        Path of the field.
    value : object
        New value; `None` removes the field.
    """
    made = dict(values)
    key, below = path[0], path[1:]
    if below:
        inner = made.get(key)
        made[key] = with_value(inner if isinstance(inner, Mapping) else {}, below, value)
    elif value is None:
        made.pop(key, None)
    else:
        made[key] = value
    return made


def as_cell(value: Any) -> str:
    """Return a JSON value as text.

    A text as it is, nothing as the empty text, others as JSON.

    >>> as_cell('a'), as_cell(None), as_cell(True), as_cell([1, 'ü'])
    ('a', '', 'true', '[1, "ü"]')
    """
    if value is None:
        return ''
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(given: Any) -> str | None:
    if isinstance(given, (list, tuple, dict, set)):
        return None
    if isinstance(given, (datetime.date, datetime.time)):
        return given.isoformat()
    return as_cell(given)


def _number(given: Any) -> Any:
    text = '' if isinstance(given, bool) else str(given).strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    return int(text) if text.lstrip('+-').isdigit() else float(text)


def _boolean(given: Any) -> bool | None:
    word = as_cell(given).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _moment(given: Any) -> str | None:
    """Return a date, with or without a time, as ISO text."""
    text = _text(given) or ''
    try:
        datetime.datetime.fromisoformat(re.sub(r'Z$', '+00:00', text.strip()))
    except ValueError:
        return None
    return text.strip()


def _json(given: Any) -> Any:
    try:
        found = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return None
    if isinstance(found, tuple):
        return list(found)
    return found if isinstance(found, (list, dict)) else None


def _guessed(value: Any) -> Any:
    """Return a choice as Form.io stores it: numbers and truth values as such."""
    if value in ('true', 'false'):
        return value == 'true'
    number = _number(value) if isinstance(value, str) else None
    return value if number is None else number


_MAKERS = {
    'string': _text,
    'number': _number,
    'boolean': _boolean,
    'datetime': _moment,
    'json': _json,
}
_WORDS = {
    'string': 'single value',
    'number': 'number',
    'boolean': 'truth value',
    'datetime': 'date',
    'json': 'list or object',
}
_EXAMPLES = {
    'string': 'one text',
    'number': '3 or 3.5',
    'boolean': 'true or false',
    'datetime': '2020-01-31 or 2020-01-31T10:20:30',
    'json': 'JSON, such as ["a", "b"]',
}
