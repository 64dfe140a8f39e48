"""XNAT's search engine: tables by criteria, and accession IDs for conditions."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from .. import errors
from ..model import uris
from ..model.forms import display_field, find_field
from ..model.kinds import TEXT, Kind, kinds_of_search
from ..model.near import near, one_of
from ..patterns import pattern
from ..query import search_xml
from ..query.criteria import Constraint, Field, Group, Saved, parse_where
from ..query.search_xml import Bundle
from ..resources.host import Host
from ..tables.arrow import Typed, write_parquet
from ..tables.json_stream import ResultSet
from ..tables.table import JsonTable, Row
from .manage.saved_searches import SearchManager

__all__ = ['Search', 'SearchEngine', 'SearchManager', 'expected_key', 'keys_of']

log = logging.getLogger('pyxnat')

_URI = f'{uris.ENTRY}/search'
_LONGEST_KEY = 63
"""Characters of a key in XNAT's database; a longer one becomes ``df_alias_N``."""
_SUBJECT = 'xnat:subjectData'
_NO_EXPERIMENT = pattern(r'xnat:(subjectData|projectData|reconstructedImageData)|.*[sS]canData')
"""Types above and below experiments; names of scan types follow a convention."""
_ID_FIELDS = {
    _SUBJECT: 'SUBJECT_ID',
    **{f'xnat:{kind}SessionData': 'SESSION_ID' for kind in ('mr', 'pet', 'ct')},
}
"""Display field of the accession ID; EXPT_ID without a display document."""
_REMEDY = (
    'Check that the fields exist (interface.inspect.datatypes) and that each value is of the kind '
    'of its field: a number, a date.'
)


class SearchEngine:
    """Client of the search engine of one server."""

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def table(self, root: str, columns: Iterable[str], criteria: Group | Saved | None) -> JsonTable:
        """Run a search, and return its table. One request.

        Parameters
        ----------
        root : str
            Data type that a row stands for.
        columns : iterable of str
            Fields.
        criteria : Group, Saved or None
            `None` for all rows. Criteria saved on the server take two more requests.

        Raises
        ------
        ProgrammingError
            If the response lacks one of the columns.
        """
        names, kinds, rows = self.typed_rows(root, columns, criteria)
        return JsonTable(rows, names, kinds)

    def rows(
        self, root: str, columns: Iterable[str], criteria: Group | Saved | None
    ) -> Iterator[Row]:
        """Yield the rows of a search; memory holds only a few of them.

        Requests are made when the first row is taken: one, and those of `fields`.

        Parameters
        ----------
        root : str
            Data type that a row stands for.
        columns : iterable of str
            Fields; all of the type if empty.
        criteria : Group, Saved or None
            As in `table`.
        """
        _, _, rows = self.typed_rows(root, self.fields(root, columns), criteria)
        yield from rows

    def typed_rows(
        self, root: str, columns: Iterable[str], criteria: Group | Saved | None
    ) -> tuple[list[str], dict[str, Kind], Iterator[Row]]:
        """Run a search. One request.

        Parameters
        ----------
        root : str
            Data type that a row stands for.
        columns : iterable of str
            Fields.
        criteria : Group, Saved or None
            As in `table`.

        Returns
        -------
        tuple of list, dict and iterator
            Name of the column of each field: fields that are the same to XNAT have one column. Its
            kind by name. The rows.
        """
        return self._run(root, columns, self.resolved(criteria))

    def _run(
        self, root: str, columns: Iterable[str], criteria: Group | None
    ) -> tuple[list[str], dict[str, Kind], Iterator[Row]]:
        """Run a search as `typed_rows` does, by criteria whose fields the server knows."""
        given = [Field.parse(column, root) for column in columns]
        wanted = list(dict.fromkeys(given))
        fields = self.known_fields(wanted)
        result = self._post(Bundle(root, fields, criteria))
        rows = iter(result if result.is_long else list(result))
        first = list(islice(rows, 1))
        there = _columns(result)
        try:
            found = keys_of(there, fields, root, first[0] if first else {})
        except errors.ProgrammingError as error:
            self._name_near_fields(error, fields)
            raise
        key_of = dict(zip(wanted, found, strict=True))
        names = [str(field) if field.is_of_form else key_of[field] for field in given]
        keys = {name: key_of[field] for name, field in zip(names, given, strict=True)}
        of_columns = kinds_of_search(there)
        kinds = {name: of_columns.get(key, TEXT) for name, key in keys.items()}
        pairs = list(keys.items())
        return names, kinds, ({name: row[key] for name, key in pairs} for row in chain(first, rows))

    def _post(self, bundle: Bundle, query: Mapping[str, Any] | None = None) -> ResultSet:
        uri = uris.with_query(_URI, query) if query else _URI
        try:
            return self._host.connection.result_set(
                uri, 'POST', search_xml.write(bundle), search_xml.HEADERS
            )
        except (errors.ProgrammingError, errors.InternalError) as error:
            constraints = bundle.criteria.constraints() if bundle.criteria else ()
            fields = [*bundle.fields, *(constraint.field for constraint in constraints)]
            _add_remedy(error, fields)
            self._name_near_fields(error, fields)
            raise

    def _name_near_fields(self, error: errors.DatabaseError, fields: Iterable[Field]) -> None:
        """Add fields of similar names to an error.

        One request for each type of the fields.
        """
        hints = ''.join(map(self._near_fields, dict.fromkeys(fields)))
        error.remedy = f'{hints}{error.remedy or ""}'

    def _near_fields(self, field: Field) -> str:
        """Return a sentence with fields of similar names, empty for a field that exists."""
        try:
            known = self._host.inspect.datatypes(field.datatype, '*')
        except errors.DatabaseError as error:
            log.info('no similar fields of %s: %s', field, error)
            return ''
        names = [name.partition('/')[2] for name in known]
        names += [name.removesuffix('_TEXT') for name in names]  # XNAT lists GENDER_TEXT alone
        if field.name in names:
            return ''
        return one_of([f'{field.datatype}/{name}' for name in near(field.name, names)])

    def distinct(self, field: Field) -> list[str] | None:
        """Return the distinct values of a field. Two requests.

        The first runs a search that the server caches, the second fetches the values of its
        column. `None` if the server does not cache searches or does not list values.
        """
        result = self._post(
            Bundle(field.datatype, [field], None), {'cache': 'true', 'refresh': 'true'}
        )
        list(result)
        identity, columns = result.members.get('ID'), _columns(result)
        if not identity or not columns:
            return None
        (key,) = keys_of(columns, [field], field.datatype, {})
        try:
            rows = self._host.connection.rows(
                f'{_URI}/{uris.quote(str(identity))}/{uris.quote(key)}'
            )
        except (*errors.REFUSED, *errors.HIDDEN):
            return None
        values = [
            {name.lower(): value for name, value in row.items()}.get('values') for row in rows
        ]
        return None if None in values else [value for value in values if value]

    def saved(self, identity: str) -> JsonTable:
        """Return the table of a saved search, with all columns. One request.

        The server runs it by its ID: for a posted document with an ID it may send an older result.
        """
        uri = uris.with_query(
            f'{uris.ENTRY}/search/saved/{uris.quote(identity)}/results', {'format': 'json'}
        )
        try:
            result = self._host.connection.result_set(uri)
        except (errors.ProgrammingError, errors.InternalError) as error:
            _add_remedy(error, ())
            raise
        rows = list(result)
        columns = _columns(result)
        return JsonTable(rows, _shown(columns), kinds_of_search(columns))

    def fields(self, root: str, columns: Iterable[str]) -> list[str]:
        """Return the fields that columns stand for.

        One request for each type with a column of one word in lower case (``name``), whose display
        fields are looked up; one request if there are no columns.

        Parameters
        ----------
        root : str
            Data type of columns that are given without one.
        columns : iterable of str
            Display fields or paths. If empty: all fields of the type, without those of custom
            forms if there are several, as XNAT does not tell their columns apart.
        """
        parsed = [
            Field.parse(column, root)
            for column in ([columns] if isinstance(columns, str) else columns)
        ]
        if not parsed:
            return _without_long(self._host.inspect.datatypes(root), root)
        types = dict.fromkeys([field.datatype for field in parsed if _may_be_display_field(field)])
        if not types:
            return list(map(str, parsed))
        known = frozenset(
            name for datatype in types for name in self._host.inspect.datatypes(datatype, '*')
        )
        return [_as_display_field(field, known) for field in parsed]

    def known_fields(self, fields: Sequence[Field]) -> list[Field]:
        """Return fields that the server knows: display fields for those of custom forms.

        One request for the forms, if fields name some that were not fetched within the last minute.
        """
        of_forms = self._fields_of_forms(fields)
        return [of_forms.get(field, field) for field in fields]

    def resolved(self, criteria: Group | Saved | None) -> Group | None:
        """Return criteria with fields that the server knows.

        Two requests if they are saved on the server. One for the forms if the criteria name fields
        of forms, and these were not fetched within the last minute.
        """
        found: Group | None = (
            self._host.manage.search.criteria(criteria) if isinstance(criteria, Saved) else criteria
        )
        if found is None:
            return None
        of_forms = self._fields_of_forms([each.field for each in found.constraints()])
        return found.with_fields(of_forms) if of_forms else found

    def _fields_of_forms(self, fields: Iterable[Field]) -> dict[Field, Field]:
        """Return the display fields of those that are fields of custom forms."""
        wanted = [field for field in fields if field.is_of_form]
        forms = self._host.manage.forms.known() if wanted else []
        found = {}
        for field in wanted:
            form, inner = find_field(forms, str(field))
            found[field] = Field(form.datatype, display_field(form, inner))
        return found

    def ids(self, criteria: Group | Saved, level: str) -> frozenset[str]:
        """Return the accession IDs of the elements that satisfy criteria.

        One request for the list, and one for each nested list. The constraints of one list hold
        for the same element; each nested list is a search of its own, and their results are
        intersected (AND) or united (OR).

        Parameters
        ----------
        criteria : Group or Saved
            Criteria; saved ones take two more requests.
        level : {'subject', 'experiment', 'assessor'}
            Level of the elements.

        Raises
        ------
        ProgrammingError
            If a list names fields of no type or of several types of experiment, or a saved search
            has no criteria.
        """
        group = self.resolved(criteria)
        if group is None:
            raise errors.ProgrammingError(
                'where: the saved search has no criteria', remedy='Leave the condition out.'
            )
        types = _experiment_types(group) if level != 'subject' else []
        return self._ids(group, level, types[0] if len(types) == 1 else '')

    def _ids(self, criteria: Group, level: str, default_type: str) -> frozenset[str]:
        plain = tuple(
            member
            for member in criteria.members
            if isinstance(member, Constraint) or member.is_rewritten
        )
        nested = [
            member
            for member in criteria.members
            if isinstance(member, Group) and not member.is_rewritten
        ]
        sets = [self._ids(member, level, default_type) for member in nested]
        if plain:
            own = Group(criteria.method, plain)
            root = _SUBJECT if level == 'subject' else _experiment_type(own, level, default_type)
            _, _, rows = self._run(root, [f'{root}/{_ID_FIELDS.get(root, "EXPT_ID")}'], own)
            sets.append(frozenset(value for row in rows for value in row.values() if value))
        return frozenset.intersection(*sets) if criteria.method == 'AND' else frozenset.union(*sets)


def _add_remedy(error: errors.DatabaseError, fields: Iterable[Field]) -> None:
    """Add a remedy to an error of the search engine.

    XNAT responds to a wrong field or value with any of the statuses 400, 422 and 500.
    """
    if error.status is not None:
        error.remedy = ' '.join([*_alternatives(fields), _REMEDY])


_REPLACEMENTS = {
    'xnat:subjectData/AGE': "criteria take 'xnat:subjectData/demographics/age' or "
    "'xnat:mrSessionData/AGE', columns 'xnat:mrSessionData/AGE'",
    'xnat:subjectData/YOB': "criteria take 'xnat:subjectData/demographics/yob', columns "
    "'xnat:subjectData/DOB', which is the year",
    'xnat:subjectData/GROUP': "use 'xnat:subjectData/SUB_GROUP'",
    'xnat:subjectData/LABEL': "use 'xnat:subjectData/SUBJECT_LABEL'",
    'xnat:subjectData/ID': "use 'xnat:subjectData/SUBJECT_ID'",
}
"""Replacements of fields that XNAT 1.8 has neither as columns nor as criteria."""


def _alternatives(fields: Iterable[Field]) -> list[str]:
    """Return remedies for fields that XNAT may not have."""
    replacements = [
        f'For {field}: {_REPLACEMENTS[str(field)]}.'
        for field in dict.fromkeys(fields)
        if str(field) in _REPLACEMENTS
    ]
    paths = [str(field) for field in dict.fromkeys(fields) if '[' in field.name]
    return [
        *replacements,
        *(
            f"{path} cannot be a column: XNAT's searches leave out paths with '['."
            for path in paths
        ),
    ]


def _experiment_types(criteria: Group) -> list[str]:
    """Return the types of experiments, assessors included, that criteria name."""
    types = {constraint.field.datatype for constraint in criteria.constraints()}
    return sorted(name for name in types if not _NO_EXPERIMENT.fullmatch(name))


def _experiment_type(criteria: Group, level: str, default_type: str) -> str:
    types = _experiment_types(criteria) or [default_type]
    if len(types) > 1 or not types[0]:
        raise errors.ProgrammingError(
            f"where(level='{level}'): the criteria name "
            f'{", ".join(filter(None, types)) or f"no type of {level}"}',
            remedy=f'Name fields of one type of {level} in each list.',
        )
    return types[0]


def _columns(result: ResultSet) -> list[dict[str, Any]]:
    """Return the columns' descriptions, as far as the response was read."""
    columns = result.members.get('Columns') or []
    return [column for column in columns if 'key' in column]


def keys_of(columns: list[dict[str, Any]], fields: list[Field], root: str, row: Row) -> list[str]:
    """Return the key of each field in the rows of a search.

    The column of a field is found by its header or its ID, never by its position. XNAT forms keys
    such as ``subject_label``; ``xnat_subjectdata_subject_label`` for a type that is not the root;
    ``xnat_col_mrsessiondatalabel`` for a path of the schema, or the key of a display field that
    shows the path (``date``); and ``df_alias_N`` if the key would be longer than 63 characters.
    It leaves out unknown fields silently.

    Parameters
    ----------
    columns : list of dict
        Descriptions of the columns in the response.
    fields : list of Field
        Fields of the request.
    root : str
        Data type that a row stands for.
    row : dict
        First row of the response; empty if there is none.

    Raises
    ------
    ProgrammingError
        If a field has no column.
    """
    by_header = {
        str(column.get('header', '')): str(column['key']) for column in columns if 'id' in column
    }
    by_id = {
        (column.get('element_name', ''), str(column.get('id', '')).upper()): str(column['key'])
        for column in columns
    }
    keys = []
    for field in fields:
        key = by_header.get(str(field)) or by_id.get((field.datatype, _column_id(field)))
        if not key:
            expected = expected_key(field, root)
            key = expected if expected in row or not (row or columns) else None
        keys.append(key)
    missing = [field for field, key in zip(fields, keys, strict=True) if not key]
    if missing:
        existing = ', '.join(by_header) or ', '.join(row) or 'none'
        remedy = ' '.join([*_alternatives(missing), f'The result has the columns {existing}.'])
        raise errors.ProgrammingError(
            f'the result of the search comes without {", ".join(map(str, missing))}', remedy=remedy
        )
    return _with_aliases([str(key) for key in keys], fields, row)


def _with_aliases(keys: list[str], fields: list[Field], row: Row) -> list[str]:
    """Replace the key that is too long for the database by ``df_alias_N``.

    XNAT does not tell which field an alias stands for, so only one can be replaced.
    """
    long = [number for number, key in enumerate(keys) if row and key not in row]
    if not long:
        return keys
    aliases = [name for name in row if re.fullmatch(r'df_alias_\d+', name) and name not in keys]
    if len(long) != len(aliases) or len(long) > 1:
        names = ', '.join(str(fields[number]) for number in long)
        raise errors.ProgrammingError(
            f'the names of {names} are too long to tell their columns apart',
            remedy='Use one of them at a time, or table() of a collection.',
        )
    keys[long[0]] = aliases[0]
    return keys


def _without_long(names: list[str], root: str) -> list[str]:
    """Leave out fields whose key is too long for the database, if there are several."""
    long = {
        name for name in names if len(expected_key(Field.parse(name, root), root)) > _LONGEST_KEY
    }
    return [name for name in names if name not in long] if len(long) > 1 else names


def _shown(columns: list[dict[str, Any]]) -> list[str]:
    """Return the keys of the columns that have an ID and are not hidden."""
    return [
        str(column['key'])
        for column in columns
        if 'id' in column and column.get('visible') != 'false'
    ]


def _column_id(field: Field) -> str:
    """Return the ID that XNAT gives the column of a field."""
    return (
        field.name.upper()
        if field.is_display_field
        else str(field).replace(':', '_COL_').replace('/', '').upper()
    )


def expected_key(field: Field, root: str) -> str:
    """Return the key that XNAT forms for a field, in lower case.

    Parameters
    ----------
    field : Field
        Field of the request.
    root : str
        Data type that a row stands for.

    Examples
    --------
    >>> expected_key(Field('xnat:subjectData', 'SUBJECT_LABEL'), 'xnat:mrSessionData')
    'xnat_subjectdata_subject_label'
    """
    name = _column_id(field).replace('=', '_').replace(',', '_COM_')
    own = field.datatype == root
    return (name if own else f'{field.datatype.replace(":", "_")}_{name}').lower()


class Search:
    """A search that was not run yet, with the columns of its table.

    ``select('xnat:mrSessionData', columns).where(criteria)`` runs one.

    Parameters
    ----------
    row : str
        Data type that a row stands for.
    columns : list of str
        Display fields (``xnat:mrSessionData/AGE``) or paths of the schema
        (``xnat:mrSessionData/scanner/model``). One word in lower case (``xnat:projectData/name``)
        is looked up among the display fields first, with one more request. If empty: all display
        fields, with one more request, but none of custom forms if there are several.

    Notes
    -----
    Columns of the table have the engine's keys, in the order of the fields: the field ID in lower
    case (``subject_label``), after the type if that is not the row's
    (``xnat_subjectdata_subject_label``), with an argument after ``_``
    (``sub_project_identifier_p``); for a path ``xnat_col_mrsessiondatascannermodel``; and
    ``df_alias_0`` if the key would be longer than 63 characters.
    """

    def __init__(self, row: str, columns: Iterable[str], interface: Host) -> None:
        self._row = row
        self._columns = (columns,) if isinstance(columns, str) else tuple(columns)
        self._host = interface

    def __repr__(self) -> str:
        return f'<Search of {self._row}: {", ".join(self._columns) or "all fields"}>'

    def where(
        self, constraints: Any = None, template: Any = None, query: str | None = None
    ) -> JsonTable:
        """Return the rows that satisfy criteria. One request.

        Saved searches and templates take two more.

        Parameters
        ----------
        constraints : list or str, optional
            Criteria of :mod:`pyxnat.query.criteria`.
        template : pair of str and dict, optional
            Name of a saved template, and values for its keys. Its criteria are used, not its
            columns.
        query : str, optional
            Name of a saved search. Its criteria are used, not its columns.

        Raises
        ------
        ProgrammingError
            If the criteria are not valid, or the engine refuses them.
        NotFoundError
            If there is no such search or template.
        """
        criteria = parse_where(constraints, template, query, self._row)
        return self._host.search.table(self._row, self._fields(), criteria)

    def all(self) -> JsonTable:
        """Return all rows that this login may see. One request."""
        return self._host.search.table(self._row, self._fields(), None)

    def rows(
        self, constraints: Any = None, template: Any = None, query: str | None = None
    ) -> Iterator[Row]:
        """Yield the rows that satisfy criteria, or all rows.

        Memory holds only a few rows, however long the table is. Requests are made when the first
        row is taken.

        Parameters
        ----------
        constraints, template, query : optional
            As in `where`, which also has the errors. Default: all rows.
        """
        criteria = self._criteria(constraints, template, query)
        return self._host.search.rows(self._row, self._columns, criteria)

    def _criteria(self, constraints: Any, template: Any, query: str | None) -> Group | Saved | None:
        everything = constraints is None and template is None and query is None
        return None if everything else parse_where(constraints, template, query, self._row)

    def to_arrow(
        self,
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> Any:
        """Return the rows that satisfy criteria, or all rows, as typed Arrow batches.

        The search runs at once: its response tells the types of the columns. Memory holds 2,000
        rows.

        Parameters
        ----------
        constraints, template, query : optional
            As in `where`, which also has the errors. Default: all rows.
        unfit, as_text : optional
            As of :meth:`pyxnat.resources.typed.ToArrow.to_arrow`, which also has the types.

        Returns
        -------
        pyarrow.RecordBatchReader
        """
        criteria = self._criteria(constraints, template, query)
        names, kinds, rows = self._host.search.typed_rows(self._row, self._fields(), criteria)
        return Typed(lambda: rows, names, kinds, unfit=unfit, as_text=as_text).reader()

    def to_parquet(
        self,
        path: str | os.PathLike[str],
        constraints: Any = None,
        template: Any = None,
        query: str | None = None,
        *,
        partition_by: Iterable[str] = (),
        unfit: str = 'error',
        as_text: Iterable[str] = (),
    ) -> int:
        """Write the rows that satisfy criteria, or all rows, to Parquet.

        Return their number.

        Parameters
        ----------
        path, partition_by
            As of :meth:`pyxnat.resources.typed.ToArrow.to_parquet`.
        constraints, template, query, unfit, as_text : optional
            As in `to_arrow`.
        """
        reader = self.to_arrow(constraints, template, query, unfit=unfit, as_text=as_text)
        return write_parquet(reader, path, partition_by)

    def _fields(self) -> list[str]:
        return self._host.search.fields(self._row, self._columns)


def _may_be_display_field(field: Field) -> bool:
    return '/' not in field.name and not field.is_display_field


def _as_display_field(field: Field, known: frozenset[str]) -> str:
    """Return the display field for a column of one word in lower case.

    ``xnat:projectData/name`` stands for NAME_CSV, the full text, as in pyxnat 1.x; else for NAME;
    if neither exists, it is a path of the schema.
    """
    if not _may_be_display_field(field):
        return str(field)
    upper = f'{field.datatype}/{field.name.upper()}'
    return next((name for name in (f'{upper}_CSV', upper) if name in known), str(field))
