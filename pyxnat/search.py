"""XNAT's search engine: tables by criteria, and the IDs that conditions on a selection stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import errors, uris
from .criteria import Constraint, Field, Group, parse, search_document
from .tables import JsonTable, parse_result_set

if TYPE_CHECKING:
    from .interface import Interface

__all__ = ['Search', 'SearchEngine', 'expected_key']

_SUBJECT = 'xnat:subjectData'
_HEADERS = {'content-type': 'text/xml; charset=UTF-8'}


class SearchEngine:
    """Asks the search engine of one server."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface

    def table(self, root: str, columns: Iterable[str], criteria: Group | None) -> JsonTable:
        """The table of a search. One request.

        Parameters
        ----------
        root : str
            The type that makes a row.
        columns : iterable of str
            Fields.
        criteria : Group or None
            `None` for all rows.

        Raises
        ------
        ProgrammingError
            When the engine does not answer with a column that was asked for.
        """
        fields = [Field.parse(column, root) for column in columns]
        body = self._ask(root, fields, criteria)
        keys = _keys(body, fields, root)
        rows = parse_result_set(body)
        missing = [str(field) for field, key in zip(fields, keys, strict=True) if rows and key not in rows[0]]
        if missing:
            said = ', '.join(rows[0])
            raise errors.ProgrammingError(f'the search answered without {", ".join(missing)}', remedy=f'It has the columns {said}.')
        return JsonTable(({key: row[key] for key in keys} for row in rows), keys)

    def _ask(self, root: str, fields: list[Field], criteria: Group | None) -> bytes:
        uri = uris.with_query(f'{uris.ENTRY}/search', {'format': 'json'})
        body: bytes = self._intf._exec(uri, 'POST', search_document(root, fields, criteria), _HEADERS)
        return body

    def ids(self, criteria: Group, level: str) -> frozenset[str]:
        """Accession IDs of the subjects or experiments that satisfy criteria: one request for the list, one for each nested list.

        Constraints that stand in one list hold for the same item; each nested list is a search of its own, and the results are intersected
        (AND) or united (OR).
        """
        plain = tuple(member for member in criteria.members if isinstance(member, Constraint) or member.is_rewritten)
        sets = [self.ids(member, level) for member in criteria.members if member not in plain and isinstance(member, Group)]
        if plain:
            sets.append(self._ids(Group(criteria.method, plain), level))
        return frozenset.intersection(*sets) if criteria.method == 'AND' else frozenset.union(*sets)

    def _ids(self, criteria: Group, level: str) -> frozenset[str]:
        root = _SUBJECT if level == 'subject' else _experiment_type(criteria)
        name = 'SUBJECT_ID' if level == 'subject' else 'SESSION_ID' if root.endswith('SessionData') else 'EXPT_ID'
        field = Field(root, name)
        rows = self.table(root, [str(field)], criteria)
        return frozenset(value for row in rows for value in row.values() if value)


def _experiment_type(criteria: Group) -> str:
    types = sorted({constraint.field.datatype for constraint in criteria.constraints()} - {_SUBJECT, 'xnat:projectData'})
    if len(types) != 1:
        raise errors.ProgrammingError(
            f"where(level='experiment'): the criteria name {', '.join(types) or 'no type of experiment'}",
            remedy='Name fields of one type of experiment in each list.',
        )
    return types[0]


def _keys(body: bytes, fields: list[Field], root: str) -> list[str]:
    """The key of each field in the rows: the answer itself says which column it is of.

    XNAT names them ``subject_label``, ``xnat_subjectdata_subject_label`` (of a type that is not the root), ``xnat_col_mrsessiondatalabel``
    (a path of the schema), and ``df_alias_N`` where that would be longer than 63 characters.
    """
    try:
        columns = json.loads(body)['ResultSet'].get('Columns', []) if body.strip() else []
    except (ValueError, KeyError, AttributeError):
        columns = []  # parse_result_set says what is wrong with the body
    said = {(column.get('element_name', ''), str(column.get('id', '')).upper()): str(column['key']) for column in columns}
    return [said.get((field.datatype, _said_id(field)), expected_key(field, root)) for field in fields]


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
    root : str
        The type that makes a row.
    columns : list of str
        Fields such as ``xnat:mrSessionData/AGE`` (of a display document) or ``xnat:mrSessionData/scanner/model`` (of the schema). One word in small
        letters (``xnat:projectData/name``) is looked up among the display fields first, which takes one request more.
    """

    def __init__(self, root: str, columns: Iterable[str], interface: Interface) -> None:
        self._root = root
        self._columns = tuple(columns)
        self._intf = interface

    def __repr__(self) -> str:
        return f'<Search of {self._root}: {", ".join(self._columns) or "all fields"}>'

    def where(self, criteria: Any) -> JsonTable:
        """The rows that satisfy criteria. One request (two where no columns were given).

        Raises
        ------
        ProgrammingError
            Criteria that cannot be, or that the engine refuses.
        """
        return self._intf.search.table(self._root, self._fields(), parse(criteria, self._root))

    def all(self) -> JsonTable:
        """All rows of the type that this login may see. One request (two where no columns were given)."""
        return self._intf.search.table(self._root, self._fields(), None)

    def _fields(self) -> list[str]:
        if self._columns:
            fields = [Field.parse(column, self._root) for column in self._columns]
            types = dict.fromkeys(field.datatype for field in fields if _may_be_display_field(field))
            known = frozenset(one for datatype in types for one in self._intf.inspect.datatypes(datatype, '*'))
            return [_as_display_field(field, known) for field in fields]
        return [field for field in self._intf.inspect.datatypes(self._root, '*') if '=' not in field]


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
