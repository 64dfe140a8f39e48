"""Columns of spreadsheets: their elements, and the values of their cells."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import ProgrammingError
from ...model import uris
from ...model.forms import as_cell
from ...model.item_xml import CORE, is_picked
from ...model.levels import Level
from ...model.schemas import Field
from ...patterns import pattern
from ...query.plan import columns_of
from ...resources.base import class_of
from ...resources.forms import LEVELS_WITH_FORMS, FormColumn, form_columns
from ...resources.host import Host
from ...resources.writing import Fields
from .diff import Checker

__all__ = ['LEVELS', 'Columns', 'cell_text', 'element_of', 'key_columns', 'uri_of_row']

LEVELS = LEVELS_WITH_FORMS
"""Levels whose elements can be rows of a spreadsheet: those with fields that people edit."""
_OWNER = 'experiment/ID'
_BELOW_SESSIONS = ('scans', 'assessors')
_NUMBER = pattern(r'[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?')
_WHOLE = pattern(r'[+-]?[0-9]+')
_ISO_DAY = pattern(r'\d{4}-\d\d-\d\d.*')
_TRUTH = {'1': True, 'true': True, '0': False, 'false': False}


def key_columns(row: Level) -> list[str]:
    """Return the columns that make an element's URI, and those needed to write."""
    typed = ['xsiType'] if 'xsiType' in row.columns else []
    places = {'experiments': ['project', 'subject_ID'], 'scans': [_OWNER], 'assessors': [_OWNER]}
    return ['ID', *places.get(row.plural, ()), *typed]


def uri_of_row(row: Level, cells: Mapping[str, Any]) -> str:
    """Return the URI of an element with accession IDs.

    Parameters
    ----------
    row : Level
        Level of the element.
    cells : mapping
        Its `key_columns`.
    """
    own = uris.quote(str(cells['ID']))
    if row.plural in _BELOW_SESSIONS:
        owner = uris.quote(str(cells[_OWNER]))
        return uris.join(uris.ENTRY, 'experiments', owner, row.plural, own)
    return uris.join(uris.ENTRY, row.plural, own)


def cell_text(value: Any) -> str:
    """Return a value of a row as the text of a cell."""
    return ', '.join(map(str, value)) if isinstance(value, list) else as_cell(value)


def element_of(host: Host, row: Level, uri: str, cells: Mapping[str, Any]) -> Any:
    """Return the element of a row, with the columns that writing needs. No request.

    Parameters
    ----------
    host : Host
        The Interface.
    row : Level
        Level of the element.
    uri : str
        Its URI, by `uri_of_row`.
    cells : mapping
        Its `key_columns`.
    """
    known = {name: str(cells[name]) for name in key_columns(row) if '/' not in name}
    above = {'experiments': {'ID': str(cells[_OWNER])}} if _OWNER in cells else {}
    return class_of(row.plural).element_at(uri, host, known, above)


class Columns:
    """Columns of a spreadsheet of a collection.

    One request for the forms, if any column is a field of one and they were not fetched within the
    last minute.

    Parameters
    ----------
    collection : Collection
        The elements.
    names : iterable of str
        Names of the columns.
    """

    def __init__(self, collection: Any, names: Iterable[str]) -> None:
        self.host: Host = collection.host
        self.level: Level = collection.level
        self.names = list(names)
        self.forms: dict[str, FormColumn] = form_columns(self.host, self.names, collection.routes)
        self.picked = [name for name in self.names if is_picked(name)]
        plain = [name for name in self.names if name not in self.forms and name not in self.picked]
        resolved = columns_of(collection.routes, plain)
        self._of_others = {column.name for column in resolved if column.level != self.level.plural}
        self._of_others |= {
            name for name, form in self.forms.items() if form.level != self.level.plural
        }
        self._checkers: dict[tuple[str, str], Checker] = {}

    @property
    def listed(self) -> list[str]:
        """Columns to request: those of forms together, custom variables left out."""
        plain = [name for name in self.names if name not in self.forms and name not in self.picked]
        return list(dict.fromkeys([*plain, *(form.requested for form in self.forms.values())]))

    @property
    def documents(self) -> set[str]:
        """Those of the requested columns that have the values of forms."""
        return {form.requested for form in self.forms.values()}

    def checker(self, name: str, element: Any) -> Checker:
        """Return the values that a column may hold for the elements of one type.

        Parameters
        ----------
        name : str
            The column.
        element : Element
            An element of that type.
        """
        kind = element.datatype()
        if (name, kind) not in self._checkers:
            self._checkers[name, kind] = self._made(name, element, kind)
        return self._checkers[name, kind]

    def _made(self, name: str, element: Any, kind: str) -> Checker:
        if _is_identity(name) or name in self._of_others:
            remedy = (
                f'Change it on the {self._owner_of(name)}.'
                if name in self._of_others
                else 'Rename with rename(); a new element is created by insert().'
            )
            return _read_only(ProgrammingError(f'{name!r} is read-only', remedy=remedy))
        if name in self.forms:
            return _of_form(self.forms[name])
        try:
            fields = Fields(element, kind, {name: ''})
        except ProgrammingError as error:
            return _read_only(error)
        field = fields.settings[0].field if fields.settings else Field(name)
        return _of_field(name, field, element)

    def _owner_of(self, name: str) -> str:
        return name.partition('/')[0] if '/' in name else 'element above'

    def is_editable(self, name: str, element: Any) -> bool:
        """Whether a column can be changed for elements of one type.

        Parameters
        ----------
        name : str
            The column.
        element : Element
            An element of that type.
        """
        return self.checker(name, element).kind != 'none'


def _is_identity(name: str) -> bool:
    """Whether a name, or the last part of a full path, identifies an element."""
    head, slash, path = name.partition('/')
    return (path if slash and ':' in head else name) in {*CORE, 'xsiType'}


def _read_only(error: ProgrammingError) -> Checker:
    def check(text: str) -> str:
        raise error

    return Checker(check, _lines, 'none')


def _of_form(column: FormColumn) -> Checker:
    field = column.field

    def check(text: str) -> str:
        return as_cell(field.value(text))

    def normal(text: str) -> object:
        try:
            return as_cell(field.value(text))
        except ProgrammingError:
            return _lines(text)

    return Checker(check, normal, 'float' if field.kind == 'number' else field.kind)


def _of_field(name: str, field: Field, element: Any) -> Checker:
    def check(text: str) -> str:
        value = text.strip() if field.kind != 'string' else text.replace('\r\n', '\n')
        _check_value(name, field, value)
        Fields(element, element.datatype(), {name: value}).query()
        return value

    def normal(text: str) -> object:
        return _meaning(field.kind, text.strip())

    return Checker(check, normal if field.kind != 'string' else _lines, field.kind)


def _check_value(name: str, field: Field, text: str) -> None:
    """Raise ProgrammingError if a field cannot hold a text."""
    if not text:
        return
    expected = {
        'date': (_ISO_DAY, '2020-01-31'),
        'dateTime': (_ISO_DAY, '2020-01-31T10:20:30'),
        'float': (_NUMBER, '3 or 3.5'),
        'integer': (_WHOLE, '3'),
    }.get(field.kind)
    if expected is not None and not expected[0].fullmatch(text):
        raise ProgrammingError(
            f'{name}: {text!r} is no {field.kind}', remedy=f'Give it as {expected[1]}.'
        )
    if field.kind == 'boolean' and text.lower() not in _TRUTH:
        raise ProgrammingError(f'{name}: {text!r} is no boolean', remedy='Give it as 1 or 0.')
    if field.choices and text not in field.choices:
        remedy = f'Use one of: {", ".join(field.choices)}.'
        raise ProgrammingError(f'{name}: {text!r} is no choice', remedy=remedy)
    if field.max_length is not None and len(text) > field.max_length:
        raise ProgrammingError(
            f'{name}: {text[:40]!r} has {len(text)} characters',
            remedy=f'It can have {field.max_length}.',
        )
    if field.kind in ('float', 'integer'):
        low, high = field.minimum, field.maximum
        if (low is not None and float(text) < low) or (high is not None and float(text) > high):
            remedy = f'It is from {low} to {high}.'
            raise ProgrammingError(f'{name}: {text} is out of range', remedy=remedy)


def _meaning(kind: str, text: str) -> object:
    """Return a value that is equal for texts of the same meaning."""
    if kind in ('float', 'integer') and _NUMBER.fullmatch(text):
        return float(text)
    if kind == 'boolean':
        return _TRUTH.get(text.lower(), text)
    if kind in ('date', 'dateTime') and _ISO_DAY.fullmatch(text):
        try:
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            return text
    return text


def _lines(text: str) -> str:
    """Return a text with LF as line ends: programs write others."""
    return text.replace('\r\n', '\n').replace('\r', '\n')
