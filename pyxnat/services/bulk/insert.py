"""Many new elements from a table: one request each, after those that tell what is there."""

from __future__ import annotations

import csv
import datetime
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ... import errors
from ...model.levels import LEVELS, level
from ...model.short_names import check_settable
from ...model.wildcards import ANY, matches
from ...query.paths import Path, Step, spell, uri_of
from ...resources.base import class_of
from ...resources.host import Host
from ...resources.writing import XML, Fields, is_field
from .report import Report
from .workers import Undertaking, meter

__all__ = ['EXISTING', 'insert', 'rows_of']

EXISTING = ('keep', 'update', 'error')
"""What may be done about elements that are there already."""


_LEVEL_NAMES = frozenset(row.singular for row in LEVELS)
_LEVEL_NAMES_PLURAL = frozenset(row.plural for row in LEVELS)


class _Row(NamedTuple):
    """A row of the table: the element that it names, and its fields."""

    number: int
    path: Path
    fields: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.path)


def insert(interface: Host, collection: Any, table: Any, *, existing: str, jobs: int, progress: bool | None) -> Report:
    """Create the elements that a table names. See :meth:`pyxnat.resources.bulk.Mappable.insert`."""
    if existing not in EXISTING:
        raise errors.ProgrammingError(f'existing={existing!r} is not known', remedy=f'There are {", ".join(EXISTING)}.')
    rows = _named(collection, rows_of(table))
    undertaking = Undertaking(Report('inserted', f'in {spell(collection.routes[0])}'), jobs, interface.connection.transport)
    there = _names_there(collection) if rows else set()
    if existing == 'error':
        _refuse([row for row in rows if row.names in there])
    families: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        families[row.names[:2]].append(row)  # what is missing above them is created once
    with meter(len(rows), level(collection.level.plural).singular, progress) as bar:

        def put(family: list[_Row]) -> None:
            for rows in _together(family, there):
                if len(rows) > 1:
                    _put_scans(interface, rows, existing, undertaking)
                else:
                    _put(interface, rows[0], rows[0].names in there, existing, undertaking)
                bar.update(len(rows))

        undertaking.each(put, families.values())
    return undertaking.report.end()


def _put(interface: Host, row: _Row, is_there: bool, existing: str, undertaking: Undertaking) -> None:
    uri = uri_of(row.path)
    if is_there and (existing == 'keep' or not row.fields):
        undertaking.report.skip(uri)
        return
    element = class_of(row.path[-1].level).element_at(uri, interface)
    try:
        if is_there:
            element.attrs.mset({name: value for name, value in row.fields.items() if is_field(name) and name not in _LEVEL_NAMES_PLURAL})
        else:
            element.create(**row.fields)
    except errors.DatabaseError as error:
        undertaking.failed(uri, error)
    else:
        undertaking.did(uri)


def _together(family: list[_Row], there: set[tuple[str, ...]]) -> list[list[_Row]]:
    """The rows that go in one document: new scans of one session."""
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for row in family:
        is_new_scan = row.path[-1].level == 'scans' and len(row.path) > 1 and row.names not in there
        groups.setdefault(row.names[:-1] if is_new_scan else (row.number,), []).append(row)
    return list(groups.values())


def _put_scans(interface: Host, rows: list[_Row], existing: str, undertaking: Undertaking) -> None:
    """Create scans of one session by one document, with the session and its subject where they are not there; one by one where that is refused."""
    session = class_of('experiments').element_at(uri_of(rows[0].path[:-1]), interface)
    try:
        inner = [node for row in rows for node in _inner(interface, row)]
        if len(inner) < len(rows):
            raise errors.ProgrammingError('not all fields go by document', remedy='Insert one by one.')
        if session.exists():
            document = Fields(session, session.datatype(), {}).document(inner)
            interface.connection.request(session.writing_uri(), 'PUT', document, XML)
        else:
            session._create({'experiments': str(rows[0].fields['experiments'])} if 'experiments' in rows[0].fields else {}, {}, inner=inner)
    except errors.DatabaseError:
        for row in rows:
            _put(interface, row, False, existing, undertaking)
    else:
        for row in rows:
            undertaking.did(uri_of(row.path))


def _inner(interface: Host, row: _Row) -> list[Any]:
    """A row as a scan in the document of its session; empty where not all of it goes by document."""
    element = class_of('scans').element_at(uri_of(row.path), interface)
    fields = {name: value for name, value in row.fields.items() if name not in _LEVEL_NAMES_PLURAL}
    made = element._fields_of_new(str(fields.get('xsiType') or element.level.datatype), fields)
    return made.as_inner(element) if not made.query() and not fields.keys() - {'xsiType'} - made.values.keys() else []


def rows_of(table: Any) -> list[dict[str, Any]]:
    """The rows of a CSV file (UTF-8, with a header), of a DataFrame, or of mappings. Cells without a value are left out."""
    if isinstance(table, (str, os.PathLike)):
        with FilePath(table).expanduser().open(encoding='utf-8-sig', newline='') as file:
            return [_cells(row) for row in csv.DictReader(file)]
    rows = list(table.to_dict('records') if hasattr(table, 'to_dict') else table)
    if not all(isinstance(row, Mapping) for row in rows):
        raise errors.ProgrammingError('a table is rows of columns and values', remedy="Give a list of such as {'label': 'S1', 'gender': 'male'}.")
    return [_cells(row) for row in rows]


def _cells(row: Mapping[Any, Any]) -> dict[str, Any]:
    cells = {str(column): _value(value) for column, value in row.items() if column is not None}
    return {column: value for column, value in cells.items() if value is not None and value != ''}


def _value(value: Any) -> Any:
    """A cell as XNAT takes it: times at midnight are dates, whole numbers are written so, what equals nothing (NaN, NaT) is no value."""
    if value is None or value != value:
        return None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    if isinstance(value, float) and value.is_integer():
        return int(value)  # of a column with empty cells
    return value


def _named(collection: Any, table: list[dict[str, Any]]) -> list[_Row]:
    """The rows with their elements; anything wrong is an error before the first request."""
    if len(collection.routes) != 1 or collection.conditions:
        raise errors.ProgrammingError(
            'it is not told where to insert', remedy="Use such as project.subjects() or '/projects/P/subjects/*/experiments'."
        )
    [route], rows, taken = collection.routes, [], dict[tuple[str, ...], int]()
    for number, fields in enumerate(table, 1):
        path = tuple(_step(step, fields, number, step is route[-1]) for step in route)
        row = _Row(number, path, _settable(fields, path, number))
        if row.names in taken:
            raise errors.DataError(f'rows {taken[row.names]} and {number} are both {spell(path)}', remedy='Leave one of them.')
        taken[row.names] = number
        rows.append(row)
    return rows


def _step(step: Step, fields: dict[str, Any], number: int, is_last: bool) -> Step:
    """The element of a level that a row names; its cell is taken out of the row."""
    if step.literal:
        return step
    row = level(step.level)
    columns = [row.singular, *((row.label_column, row.id_column) if is_last else ())]
    column = next((column for column in columns if column in fields), None)
    if column is None:
        raise errors.DataError(f'row {number} names no {row.singular}', remedy=f'Give the table a column {" or ".join(dict.fromkeys(columns))}.')
    name = str(fields.pop(column))
    if step.name != ANY and not matches(step.name, name):
        raise errors.DataError(f'row {number}: {name} does not fit {step.name}', remedy='Insert into the whole collection.')
    return Step(step.level, name, True)


def _settable(fields: dict[str, Any], path: Path, number: int) -> dict[str, Any]:
    """The cells of a row that are fields; what XNAT would ignore without a word is an error."""
    names = {level(step.level).singular: step.name for step in path}
    own = level(path[-1].level)
    names[own.label_column] = path[-1].name
    settable = {}
    for column, value in fields.items():
        if column in names:
            if str(value) != names[column]:
                raise errors.DataError(f'row {number}: {column} {value} where {names[column]} is inserted', remedy='Leave one of them out.')
        elif column in _LEVEL_NAMES:
            where = f'Insert into the {level(column).plural} themselves, or leave it out.'
            raise errors.DataError(f'row {number}: the column {column} names nothing above a {own.singular}', remedy=where)
        else:
            if column not in ('xsiType', *(step.level for step in path)) and not column.startswith('event_'):
                check_settable(own.singular, column)
            settable[column] = value
    return settable


def _names_there(collection: Any) -> set[tuple[str, ...]]:
    """What the collection has, by labels and by IDs, with the names of the levels above."""
    found = set()
    [route] = collection.routes
    try:
        for element in collection:
            steps = element.steps[-len(route) :]
            labels = []
            for wanted, step in zip(route, steps, strict=False):
                known = element.row if step is steps[-1] else element.above.get(step.level, {})
                labels.append(wanted.name if wanted.literal else known.get(level(step.level).label_column, step.name))
            found |= {tuple(labels), tuple(wanted.name if wanted.literal else step.name for wanted, step in zip(route, steps, strict=False))}
    except errors.NotFoundError:
        return set()  # nothing is there, not even what is above
    return found


def _refuse(rows: Iterable[_Row]) -> None:
    there = [spell(row.path) for row in rows]
    if there:
        what = f'{len(there)} are there already: {", ".join(there[:5])}{" …" if len(there) > 5 else ""}'
        raise errors.DuplicateError(what, remedy="existing='keep' leaves them as they are, 'update' sets their fields.")
