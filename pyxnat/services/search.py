"""XNAT's search engine: tables by criteria, and the IDs that conditions on a selection stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

from .. import errors
from ..model import uris
from ..query import search_xml
from ..query.criteria import Constraint, Field, Group, Saved, given
from ..query.search_xml import Bundle
from ..resources.host import Host
from ..tables.json_stream import ResultSet
from ..tables.table import JsonTable, Row
from .manage.saved_searches import SearchManager

__all__ = ['Search', 'SearchEngine', 'SearchManager', 'expected_key', 'keys_of']

_URI = f'{uris.ENTRY}/search'
_SUBJECT = 'xnat:subjectData'
_NO_EXPERIMENT = re.compile(r'xnat:(subjectData|projectData|reconstructedImageData)|.*[sS]canData')
"""Types above and below experiments; scan types are called so by convention."""
_ID_FIELDS = {_SUBJECT: 'SUBJECT_ID', **{f'xnat:{kind}SessionData': 'SESSION_ID' for kind in ('mr', 'pet', 'ct')}}
"""The display field with the accession ID; types without a display document of their own have EXPT_ID."""
_REMEDY = 'Check that the fields exist (interface.inspect.datatypes) and that each value is of the kind of its field: a number, a date.'


class SearchEngine:
    """Asks the search engine of one server."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def table(self, root: str, columns: Iterable[str], criteria: Group | Saved | None) -> JsonTable:
        """The table of a search. One request.

        Parameters
        ----------
        root : str
            The type that makes a row.
        columns : iterable of str
            Fields.
        criteria : Group, Saved or None
            `None` for all rows. Those that are saved on the server take two requests more.

        Raises
        ------
        ProgrammingError
            When the engine does not answer with a column that was asked for.
        """
        keys, rows = self._found(root, columns, criteria)
        return JsonTable(rows, keys)

    def rows(self, root: str, columns: Iterable[str], criteria: Group | Saved | None) -> Iterator[Row]:
        """The rows of a search one at a time: memory holds a few. One request, when the first is taken; as `table`."""
        _, rows = self._found(root, self.fields(root, columns), criteria)
        yield from rows

    def _found(self, root: str, columns: Iterable[str], criteria: Group | Saved | None) -> tuple[list[str], Iterator[Row]]:
        """The keys of columns, and the rows with these alone."""
        fields = list(dict.fromkeys(Field.parse(column, root) for column in columns))
        wanted = self.resolved(criteria)
        found = self._posted(Bundle(root, fields, wanted))
        rows = iter(found if found.is_long else list(found))
        first = list(islice(rows, 1))
        keys = keys_of(_columns(found), fields, root, first[0] if first else {})
        return keys, ({key: row[key] for key in keys} for row in chain(first, rows))

    def _posted(self, bundle: Bundle, query: Mapping[str, Any] | None = None) -> ResultSet:
        uri = uris.with_query(_URI, query) if query else _URI
        with _explained([*bundle.fields, *(one.field for one in bundle.criteria.constraints())] if bundle.criteria else bundle.fields):
            return self._host.connection.result_set(uri, 'POST', search_xml.write(bundle), search_xml.HEADERS)

    def distinct(self, field: Field) -> list[str] | None:
        """The different values of a field: two requests, for a search that the server keeps, and for what is in its column.

        None where the server does not keep searches, or does not tell values.
        """
        found = self._posted(Bundle(field.datatype, [field], None), {'cache': 'true', 'refresh': 'true'})
        list(found)
        identity, columns = found.members.get('ID'), _columns(found)
        if not identity or not columns:
            return None
        (key,) = keys_of(columns, [field], field.datatype, {})
        try:
            rows = self._host.connection.rows(f'{_URI}/{uris.quote(str(identity))}/{uris.quote(key)}')
        except (errors.DatabaseError, errors.NotFoundError):
            return None
        values = [{name.lower(): value for name, value in row.items()}.get('values') for row in rows]
        return None if None in values else [value for value in values if value]

    def saved(self, identity: str) -> JsonTable:
        """The table of a saved search, with every column that the server gives. One request.

        The server runs it by its ID. Posted, a document with an ID could be answered with an older result.
        """
        uri = uris.with_query(f'{uris.ENTRY}/search/saved/{uris.quote(identity)}/results', {'format': 'json'})
        with _explained(()):
            found = self._host.connection.result_set(uri)
        rows = list(found)
        return JsonTable(rows, _shown(_columns(found)))

    def fields(self, root: str, columns: Iterable[str]) -> list[str]:
        """The fields that columns stand for; all of the type where there are none.

        One request for a type whose fields must be looked up: one with a column of one word in small letters, and the root if there are no columns.
        """
        given = [Field.parse(column, root) for column in ([columns] if isinstance(columns, str) else columns)]
        if not given:
            return self._host.inspect.datatypes(root)
        types = dict.fromkeys(field.datatype for field in given if _may_be_display_field(field))
        known = frozenset(one for datatype in types for one in self._host.inspect.datatypes(datatype, '*'))
        return [_as_display_field(field, known) for field in given]

    def resolved(self, criteria: Group | Saved | None) -> Group | None:
        """Criteria themselves. Two requests for those that are saved on the server, none for others."""
        return self._host.manage.search.criteria(criteria) if isinstance(criteria, Saved) else criteria

    def ids(self, criteria: Group | Saved, level: str) -> frozenset[str]:
        """Accession IDs of the subjects, experiments or assessors that satisfy criteria: one request for the list, one for each nested list.

        Constraints that stand in one list hold for the same item; each nested list is a search of its own, and the results are intersected
        (AND) or united (OR).
        """
        group = self.resolved(criteria)
        if group is None:
            raise errors.ProgrammingError('where: the saved search has no criteria', remedy='Leave the condition out.')
        types = _experiment_types(group)
        return self._ids(group, level, types[0] if len(types) == 1 else '')

    def _ids(self, criteria: Group, level: str, usual: str) -> frozenset[str]:
        plain = tuple(member for member in criteria.members if isinstance(member, Constraint) or member.is_rewritten)
        nested = [member for member in criteria.members if isinstance(member, Group) and not member.is_rewritten]
        sets = [self._ids(member, level, usual) for member in nested]
        if plain:
            own = Group(criteria.method, plain)
            sets.append(self._asked(own, _SUBJECT if level == 'subject' else _experiment_type(own, level, usual)))
        return frozenset.intersection(*sets) if criteria.method == 'AND' else frozenset.union(*sets)

    def _asked(self, criteria: Group, root: str) -> frozenset[str]:
        rows = self.table(root, [f'{root}/{_ID_FIELDS.get(root, "EXPT_ID")}'], criteria)
        return frozenset(value for row in rows for value in row.values() if value)


@contextmanager
def _explained(fields: Iterable[Field]) -> Iterator[None]:
    """What the engine refuses says what to look at: XNAT answers a wrong field or value with any of 400, 422 and 500."""
    try:
        yield
    except (errors.ProgrammingError, errors.InternalError) as error:
        if error.status is not None:
            error.remedy = ' '.join([*_alternatives(fields), _REMEDY])
        raise


_INSTEAD = {
    'xnat:subjectData/AGE': "criteria take 'xnat:subjectData/demographics/age' or 'xnat:mrSessionData/AGE', columns 'xnat:mrSessionData/AGE'",
    'xnat:subjectData/YOB': "criteria take 'xnat:subjectData/demographics/yob', columns 'xnat:subjectData/DOB', which is the year",
    'xnat:subjectData/GROUP': "use 'xnat:subjectData/SUB_GROUP'",
    'xnat:subjectData/LABEL': "use 'xnat:subjectData/SUBJECT_LABEL'",
    'xnat:subjectData/ID': "use 'xnat:subjectData/SUBJECT_ID'",
}
"""Fields that are often looked for and that a stock XNAT 1.8 does not have as columns or criteria."""


def _alternatives(fields: Iterable[Field]) -> list[str]:
    """What to use in place of fields that XNAT may not have."""
    found = [f'For {field}: {_INSTEAD[str(field)]}.' for field in dict.fromkeys(fields) if str(field) in _INSTEAD]
    paths = [str(field) for field in dict.fromkeys(fields) if '[' in field.name]
    return [*found, *(f"As a column {path} is not to be had: XNAT's searches leave out paths with '['." for path in paths)]


def _experiment_types(criteria: Group) -> list[str]:
    """The types of experiment that criteria name; an assessor is an experiment, too."""
    types = {constraint.field.datatype for constraint in criteria.constraints()}
    return sorted(name for name in types if not _NO_EXPERIMENT.fullmatch(name))


def _experiment_type(criteria: Group, level: str, usual: str) -> str:
    types = _experiment_types(criteria) or [usual]
    if len(types) > 1 or not types[0]:
        raise errors.ProgrammingError(
            f"where(level='{level}'): the criteria name {', '.join(filter(None, types)) or f'no type of {level}'}",
            remedy=f'Name fields of one type of {level} in each list.',
        )
    return types[0]


def _columns(found: ResultSet) -> list[dict[str, Any]]:
    """What an answer says of its columns, as far as it was read."""
    columns = found.members.get('Columns') or []
    return [column for column in columns if 'key' in column]


def keys_of(columns: list[dict[str, Any]], fields: list[Field], root: str, row: Row) -> list[str]:
    """The key of each field in the rows: the answer itself says which column it is of, by its header or its ID, never by its place.

    XNAT names them ``subject_label``, ``xnat_subjectdata_subject_label`` (of a type that is not the root), ``xnat_col_mrsessiondatalabel``
    (a path of the schema), as a display field where that shows what is at a path (``date``), and ``df_alias_N`` where that would be longer
    than 63 characters; fields that it does not know are left out without a word.

    Raises
    ------
    ProgrammingError
        When there is no column for a field.
    """
    said = {str(column.get('header', '')): str(column['key']) for column in columns if 'id' in column}
    by_id = {(column.get('element_name', ''), str(column.get('id', '')).upper()): str(column['key']) for column in columns}
    keys = [said.get(str(one)) or by_id.get((one.datatype, _said_id(one))) or _in_row(expected_key(one, root), row, columns) for one in fields]
    missing = [field for field, key in zip(fields, keys, strict=True) if not key]
    if missing:
        there = ', '.join(said) or ', '.join(row) or 'none'
        remedy = ' '.join([*_alternatives(missing), f'It has the columns {there}.'])
        raise errors.ProgrammingError(f'the search answered without {", ".join(map(str, missing))}', remedy=remedy)
    return _shortened([str(key) for key in keys], fields, row)


def _in_row(key: str, row: Row, columns: list[dict[str, Any]]) -> str | None:
    """A key by XNAT's rule, where a row has it, or where the answer says nothing of its columns and has no rows."""
    return key if key in row or not (row or columns) else None


def _shortened(keys: list[str], fields: list[Field], row: Row) -> list[str]:
    """Keys as rows have them: one that is too long for a database stands there under a number, which nothing tells."""
    long = [number for number, key in enumerate(keys) if row and key not in row]
    numbered = [name for name in row if re.fullmatch(r'df_alias_\d+', name) and name not in keys]
    if not long:
        return keys
    if len(long) != len(numbered) or len(long) > 1:
        names = ', '.join(str(fields[number]) for number in long)
        raise errors.ProgrammingError(f'the search answered {names} under short names', remedy='Ask for one field with a long name at a time.')
    keys[long[0]] = numbered[0]
    return keys


def _shown(columns: list[dict[str, Any]]) -> list[str]:
    """Keys of the columns that were asked for: the others have no ID, or are hidden."""
    return [str(column['key']) for column in columns if 'id' in column and column.get('visible') != 'false']


def _said_id(field: Field) -> str:
    return field.name.upper() if field.is_display_field else str(field).replace(':', '_COL_').replace('/', '').upper()


def expected_key(field: Field, root: str) -> str:
    """The key of a field by XNAT's rule, lower case.

    >>> expected_key(Field('xnat:subjectData', 'SUBJECT_LABEL'), 'xnat:mrSessionData')
    'xnat_subjectdata_subject_label'
    """
    name = _said_id(field).replace('=', '_').replace(',', '_COM_')
    own = field.datatype == root
    return (name if own else f'{field.datatype.replace(":", "_")}_{name}').lower()


class Search:
    """A search for a table, not run yet: ``select('xnat:mrSessionData', columns).where(criteria)``.

    Parameters
    ----------
    row : str
        The type that makes a row.
    columns : list of str
        Fields such as ``xnat:mrSessionData/AGE`` (of a display document) or ``xnat:mrSessionData/scanner/model`` (of the schema). One word in small
        letters (``xnat:projectData/name``) is looked up among the display fields first, which takes one request more, as do no columns: all of them.

    Notes
    -----
    Columns of the table have the engine's own keys, in the order of the fields: the ID in lower case (``subject_label``), of another type than the
    row's behind the type (``xnat_subjectdata_subject_label``), with an argument behind ``_`` (``sub_project_identifier_p``), of a path
    ``xnat_col_mrsessiondatascannermodel``, and ``df_alias_0`` where that would be longer than 63 characters.
    """

    def __init__(self, row: str, columns: Iterable[str], interface: Host) -> None:
        self._row = row
        self._columns = (columns,) if isinstance(columns, str) else tuple(columns)
        self._host = interface

    def __repr__(self) -> str:
        return f'<Search of {self._row}: {", ".join(self._columns) or "all fields"}>'

    def where(self, constraints: Any = None, template: Any = None, query: str | None = None) -> JsonTable:
        """The rows that satisfy criteria. One request, and two for what is saved on the server.

        Parameters
        ----------
        constraints : list or str, optional
            Criteria as :mod:`pyxnat.query.criteria` has them.
        template : pair of str and dict, optional
            Name of a saved template, and values for its keys: its criteria are meant, not its columns.
        query : str, optional
            Name of a saved search: its criteria are meant, not its columns.

        Raises
        ------
        ProgrammingError
            Criteria that cannot be, or that the engine refuses.
        NotFoundError
            No such search or template.
        """
        criteria = given(constraints, template, query, self._row)
        return self._host.search.table(self._row, self._fields(), criteria)

    def all(self) -> JsonTable:
        """All rows of the type that this login may see. One request."""
        return self._host.search.table(self._row, self._fields(), None)

    def rows(self, constraints: Any = None, template: Any = None, query: str | None = None) -> Iterator[Row]:
        """The rows that satisfy criteria, or all, one at a time: a table of any length takes the memory of a few rows.

        Parameters, rows and errors are those of `where`; requests are made when the first row is asked for.
        """
        everything = constraints is None and template is None and query is None
        criteria = None if everything else given(constraints, template, query, self._row)
        return self._host.search.rows(self._row, self._columns, criteria)

    def _fields(self) -> list[str]:
        return self._host.search.fields(self._row, self._columns)


def _may_be_display_field(field: Field) -> bool:
    return '/' not in field.name and not field.is_display_field


def _as_display_field(field: Field, known: frozenset[str]) -> str:
    """A column of one word in small letters, as programs write it: ``xnat:projectData/name`` is the display field NAME, if there is one.

    Where there is another with its unabridged text, NAME_CSV, that is meant, as pyxnat 1.x had it. What is no display field is a path of the
    schema.
    """
    if not _may_be_display_field(field):
        return str(field)
    upper = f'{field.datatype}/{field.name.upper()}'
    return next((name for name in (f'{upper}_CSV', upper) if name in known), str(field))
