"""Bulk insert of elements from a table."""

from __future__ import annotations

import datetime
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...model import labels
from ...model.forms import is_form_name
from ...model.item_xml import is_list
from ...model.levels import LEVELS, level
from ...model.short_names import LEVELS_WITH_NAMES, check_settable, short_names
from ...model.wildcards import ANY, matches
from ...query.paths import Path, Step, spell, uri_of
from ...resources.base import class_of
from ...resources.forms import forms_of
from ...resources.host import Host
from ...resources.writing import XML, Fields, is_field, new_fields, split_parameters
from ...tables.csv_file import read_csv_file
from ..isolation import some_names
from .report import Report
from .workers import WorkerPool

__all__ = ['EXISTING', 'insert', 'rows_of']

EXISTING = ('keep', 'update', 'error')
"""Treatments of elements that exist already."""


_LEVEL_NAMES = frozenset(row.singular for row in LEVELS)
_LEVEL_NAMES_PLURAL = frozenset(row.plural for row in LEVELS)


class _Row(NamedTuple):
    """A row of the table: its number, the path of the element, and its fields.

    A row of a CSV file has its line beside its number.
    """

    number: str
    path: Path
    fields: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.path)


def insert(
    interface: Host, collection: Any, table: Any, *, existing: str, jobs: int, progress: bool | None
) -> Report:
    """Create the elements that a table names.

    Parameters
    ----------
    collection : Collection
        Destination.
    table, existing, jobs, progress
        As in :meth:`pyxnat.resources.bulk.Mappable.insert`.
    """
    if existing not in EXISTING:
        raise errors.ProgrammingError(
            f'existing={existing!r} is not known', remedy=f'Use one of: {", ".join(EXISTING)}.'
        )
    rows = _parse_rows(collection, rows_of(table))
    _check_forms(interface, rows)
    pool = WorkerPool(
        Report('inserted', f'in {spell(collection.routes[0])}'),
        jobs,
        interface.connection.transport,
    )
    existing_names = _existing_names(collection) if rows else set()
    if existing == 'error':
        _refuse([row for row in rows if row.names in existing_names])
    groups: dict[tuple[str, ...], list[_Row]] = defaultdict(list)
    for row in rows:
        # One thread works on a group, so that a missing parent is created once.
        groups[row.names[:2]].append(row)
    with progress_bar(len(rows), level(collection.level.plural).singular, progress) as bar:

        def put(group: list[_Row]) -> None:
            for rows in _by_document(group, existing_names):
                if len(rows) > 1:
                    _put_scans(interface, rows, existing, pool)
                else:
                    _put(interface, rows[0], rows[0].names in existing_names, existing, pool)
                bar.update(len(rows))

        pool.each(put, groups.values())
    return pool.report.finish()


def _check_forms(interface: Host, rows: list[_Row]) -> None:
    """Raise an error if a column is named as a field of a form, and there is none."""
    names = {name for row in rows for name in row.fields if is_form_name(name)}
    if names:
        forms_of(
            class_of(rows[0].path[-1].level).element_at(uri_of(rows[0].path), interface), names
        )


def _put(interface: Host, row: _Row, exists: bool, existing: str, pool: WorkerPool) -> None:
    uri = uri_of(row.path)
    if exists and (existing == 'keep' or not row.fields):
        pool.report.add_skipped(uri)
        return
    element = class_of(row.path[-1].level).element_at(uri, interface)
    try:
        if exists:
            element.attrs.mset(
                {
                    name: value
                    for name, value in row.fields.items()
                    if is_field(name) and name not in _LEVEL_NAMES_PLURAL
                }
            )
        else:
            element.create(**row.fields)
    except errors.DatabaseError as error:
        pool.add_failure(uri, error)
    else:
        pool.add_success(uri)


def _by_document(group: list[_Row], existing_names: set[tuple[str, ...]]) -> list[list[_Row]]:
    """Group the rows that one document can hold: new scans of one session."""
    groups: dict[tuple[Any, ...], list[_Row]] = {}
    for row in group:
        is_new_scan = (
            row.path[-1].level == 'scans' and len(row.path) > 1 and row.names not in existing_names
        )
        groups.setdefault(row.names[:-1] if is_new_scan else (row.number,), []).append(row)
    return list(groups.values())


def _put_scans(interface: Host, rows: list[_Row], existing: str, pool: WorkerPool) -> None:
    """Create scans with one document, and the session and subject if missing.

    Falls back to one request per scan if the server refuses the document.
    """
    session = class_of('experiments').element_at(uri_of(rows[0].path[:-1]), interface)
    try:
        inner = [node for row in rows for node in _scan_nodes(interface, row)]
        if len(inner) < len(rows):
            raise errors.ProgrammingError(
                'a document cannot hold all fields', remedy='Insert one by one.'
            )
        if session.exists():
            document = Fields(session, session.datatype(), {}).document(inner)
            interface.connection.request(session.writing_uri(), 'PUT', document, XML)
        else:
            session.create_with_parents(
                {'experiments': str(rows[0].fields['experiments'])}
                if 'experiments' in rows[0].fields
                else {},
                {},
                inner=inner,
            )
    except errors.DatabaseError:
        for row in rows:
            _put(interface, row, False, existing, pool)
    else:
        for row in rows:
            pool.add_success(uri_of(row.path))


def _scan_nodes(interface: Host, row: _Row) -> list[Any]:
    """Return the XML of a scan; empty if it cannot hold all fields."""
    element = class_of('scans').element_at(uri_of(row.path), interface)
    labels.check_single('scans', row.path[-1].name, element.url)
    labels.check_new('scans', 'scan', row.path[-1].name, element.url)
    fields = {name: value for name, value in row.fields.items() if name not in _LEVEL_NAMES_PLURAL}
    own, _ = split_parameters(element, fields)
    new = new_fields(element, str(fields.get('xsiType') or element.level.datatype), own)
    return (
        new.as_inner(element)
        if not new.query() and not fields.keys() - {'xsiType'} - new.values.keys()
        else []
    )


def rows_of(table: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the rows of a CSV file, a DataFrame or mappings, with their numbers.

    Empty cells are left out.
    """
    if isinstance(table, (str, os.PathLike)):
        return [(row.place, _cells(row.cells, row.place)) for row in read_csv_file(table)]
    if hasattr(table, 'to_dict'):
        twice = [str(name) for name, count in Counter(table.columns).items() if count > 1]
        if twice:
            raise errors.DataError(
                f'the table has the columns {", ".join(twice)} more than once',
                remedy='Rename or remove all but one of each.',
            )
    rows = list(table.to_dict('records') if hasattr(table, 'to_dict') else table)
    if not all(isinstance(row, Mapping) for row in rows):
        raise errors.ProgrammingError(
            'the rows of the table are not mappings',
            remedy="Give a list such as [{'label': 'S1', 'gender': 'male'}].",
        )
    return [(str(number), _cells(row, str(number))) for number, row in enumerate(rows, 1)]


def _cells(row: Mapping[Any, Any], number: str) -> dict[str, Any]:
    """Return the filled cells of a row by the names of their columns.

    `csv.DictReader` puts cells beyond the header under the name `None`.
    """
    cells = [(column, _value(value)) for column, value in row.items()]
    filled = [
        (column, value) for column, value in cells if value is not None and not _is_empty(value)
    ]
    for column, value in filled:
        if column is None or is_list(value):
            name = 'no column' if column is None else f'the column {column}'
            raise errors.DataError(
                f'row {number}: {value!r} is for {name}',
                remedy='Give one value for each column of the header, and a column for each value.',
            )
    named = {str(column).strip(): value for column, value in filled}
    if len(named) < len(filled):
        raise errors.DataError(
            f'row {number} has two columns of one name', remedy='Rename or remove one of them.'
        )
    return named


def _is_empty(value: Any) -> bool:
    return isinstance(value, str) and not value


def _value(value: Any) -> Any:
    """Convert a cell for XNAT.

    Times at midnight become dates, whole floats become integers, NaN, NA and NaT become `None`.
    """
    if value is None or type(value).__name__ == 'NAType':  # pandas' NA has no truth value
        return None
    if is_list(value):
        return value
    if value != value:
        return None
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date()
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pandas has floats in a column with empty cells
    return value


def _parse_rows(collection: Any, table: list[tuple[str, dict[str, Any]]]) -> list[_Row]:
    """Return the rows with the paths of their elements.

    Errors in the table are raised here, before the first request.
    """
    if len(collection.routes) != 1 or collection.conditions:
        raise errors.ProgrammingError(
            'the selection does not tell where to insert',
            remedy="Use one such as project.subjects() or '/projects/P/subjects/*/experiments'.",
        )
    [route], rows, taken = collection.routes, [], dict[tuple[str, ...], str]()
    known = _known_columns(route)
    for number, cells in table:
        fields = _with_known_names(cells, known, number)
        path = tuple(_named_step(step, fields, number, step is route[-1]) for step in route)
        row = _Row(number, path, _settable(fields, path, number))
        if row.names in taken:
            raise errors.DataError(
                f'rows {taken[row.names]} and {number} are both {spell(path)}',
                remedy='Remove one of them.',
            )
        taken[row.names] = number
        rows.append(row)
    return rows


def _known_columns(route: Path) -> dict[str, str]:
    """Return the columns of a table by their names in lower case.

    Names that differ only in case are left out.
    """
    own = level(route[-1].level)
    names = {
        'xsiType',
        own.label_column,
        own.id_column,
        *(level(step.level).singular for step in route),
        *(short_names(own.singular) if own.singular in LEVELS_WITH_NAMES else ()),
    }
    count = Counter(name.lower() for name in names)
    return {name.lower(): name for name in names if count[name.lower()] == 1}


def _with_known_names(
    cells: dict[str, Any], known: Mapping[str, str], number: str
) -> dict[str, Any]:
    """Return the cells of a row with column names as XNAT spells them.

    ``Label`` as ``label``, ``id`` as ``ID``, and so on.
    """
    found: dict[str, Any] = {}
    for column, value in cells.items():
        name = known.get(column.lower(), column)
        if name in found:
            raise errors.DataError(
                f'row {number} has two columns for {name}', remedy='Remove one of them.'
            )
        found[name] = value
    return found


def _named_step(step: Step, fields: dict[str, Any], number: str, is_last: bool) -> Step:
    """Return the step with the name in a row; remove the cell from the row."""
    if step.literal:
        return step
    row = level(step.level)
    columns = [row.singular, *((row.label_column, row.id_column) if is_last else ())]
    column = next((column for column in columns if column in fields), None)
    if column is None:
        raise errors.DataError(
            f'row {number} names no {row.singular}',
            remedy=f'Give the table a column {" or ".join(dict.fromkeys(columns))}.',
        )
    name = str(fields.pop(column))
    if step.name != ANY and not matches(step.name, name):
        raise errors.DataError(
            f'row {number}: {name} does not fit {step.name}',
            remedy='Insert into the whole collection.',
        )
    return Step(step.level, name, True)


def _settable(fields: dict[str, Any], path: Path, number: str) -> dict[str, Any]:
    """Return the cells of a row that are fields.

    Columns that XNAT would ignore silently are errors.
    """
    names = {level(step.level).singular: step.name for step in path}
    own = level(path[-1].level)
    names[own.label_column] = path[-1].name
    settable = {}
    for column, value in fields.items():
        if column in names:
            if str(value) != names[column]:
                raise errors.DataError(
                    f'row {number}: {column} is {value}, but the element is {names[column]}',
                    remedy='Remove one of them.',
                )
        elif column in _LEVEL_NAMES:
            remedy = f'Insert into the {level(column).plural} themselves, or remove the column.'
            raise errors.DataError(
                f'row {number}: the column {column} names nothing above a {own.singular}',
                remedy=remedy,
            )
        else:
            if column not in ('xsiType', *(step.level for step in path)) and not column.startswith(
                'event_'
            ):
                check_settable(own.singular, column)
            settable[column] = value
    return settable


def _existing_names(collection: Any) -> set[tuple[str, ...]]:
    """Return the names of existing elements and of those above.

    One tuple with labels and one with IDs for each element.
    """
    names = set()
    [route] = collection.routes
    try:
        for element in collection:
            steps = element.steps[-len(route) :]
            labels = []
            for selected, step in zip(route, steps, strict=False):
                row = element.row if step is steps[-1] else element.above.get(step.level, {})
                labels.append(
                    selected.name
                    if selected.literal
                    else row.get(level(step.level).label_column, step.name)
                )
            ids = tuple(
                selected.name if selected.literal else step.name
                for selected, step in zip(route, steps, strict=False)
            )
            names |= {tuple(labels), ids}
    except errors.NotFoundError:
        return set()  # not even the parent exists
    return names


def _refuse(rows: Iterable[_Row]) -> None:
    duplicates = [spell(row.path) for row in rows]
    if duplicates:
        problem = f'{len(duplicates)} exist already: {some_names(duplicates)}'
        raise errors.DuplicateError(
            problem, remedy="existing='keep' leaves them as they are, 'update' sets their fields."
        )
