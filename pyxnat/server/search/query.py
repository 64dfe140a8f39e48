"""Search documents as SQL queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Select, and_, cast, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql.elements import ColumnElement

from ...model.levels import level as facts_of
from ..context import Context
from ..db.access import ROLES, readable, visible
from ..db.guards import Guard, record
from ..db.store import group_right, item, role
from ..db.types import Model
from ..db.workflow_fields import WORKFLOW_TYPE
from ..errors import BadRequest, Forbidden, InternalServerError
from ..table import BATCH, Table
from . import workflow_search
from .columns import NO_VALUE, Columns, find_field
from .criteria import condition
from .display import Displays, expression
from .field_sql import Expression, Scope
from .order import order_asked
from .search_xml import SearchDocument, SearchField

__all__ = ['Search', 'may_query', 'root_of', 'run_search']

STATUS = 'quarantine_status'
_TOO_MUCH = re.compile(r'too (many|large|deep)|at most \d+ tables|overflow', re.IGNORECASE)


def run_search(
    context: Context, connection: Connection, document: SearchDocument, keyed: bool = False
) -> Table:
    """Run a search and return its table.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    document : SearchDocument
        The search.
    keyed : bool
        Whether a last column ``key`` has the IDs of the items.
    """
    if workflow_search.is_root(document.root):
        return workflow_search.table(context, connection, document, keyed)
    return Search(context, connection, document).table(keyed)


class Search:
    """One search, compiled to one SQL query.

    Items that a root item can have several of (sessions of a subject) are joined: criteria on the
    same type must match the same session, as in XNAT's SQL, and scans and assessors are those of
    that session. A root item has one row, with the values of the newest match, or of the nearest in
    time for another session of the subject. Only a path of the root type that can have several
    values has a row for each.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    document : SearchDocument
        The search.

    Raises
    ------
    Forbidden
        For an unknown root, or one that the caller may not search.
    BadRequest
        For a root that cannot be searched.
    """

    def __init__(self, context: Context, connection: Connection, document: SearchDocument) -> None:
        self._context = context
        self._connection = connection
        self._document = document
        self._model: Model = context.archive.model
        self._displays: Displays = context.archive.part(Displays)
        self.root = root_of(context, document)
        if not may_query(context, connection, self.root):
            raise Forbidden(f'You cannot read {self.root} in any project.')
        self._scope = Scope(self._model, context.caller, self.root)
        record(Guard.RESULT)  # the scope has the rows that the caller may read
        self._scope.sessions = self._named('experiment')
        self._linked = context.get('format').lower() == 'json'
        self._columns = Columns(self._scope, self._displays, self._model, self._linked)
        self._asked = 0
        self._beside: list[str] = []

    def table(self, keyed: bool = False) -> Table:
        """Return the result; its rows are fetched while they are read.

        Parameters
        ----------
        keyed : bool
            Whether a last column ``key`` has the IDs of the root items.
        """
        query = self.query(keyed)
        columns = self._columns.all()
        diffs = [self._diff(element) for element in self._beside]
        names = [*(one.name for one in columns), STATUS, *diffs, *(['key'] if keyed else [])]
        columns_shown = [] if self._document.fields and not self._asked else columns
        described = [
            entry
            for one in columns_shown
            if (entry := one.described or (one.helper if self._linked else None))
        ]
        attributes = {one.name: one.described for one in columns if one.described}
        meta = {'rootElementName': self.root}
        return Table(
            names,
            self._rows(query, len(names)),
            meta,
            [*described, {'key': STATUS}],
            ordered=True,
            attributes=attributes,
        )

    def query(self, keyed: bool = False) -> Select[Any]:
        """Return the SQL of the search.

        Columns: fields, status of the root item, distances in days, and its ID.

        Parameters
        ----------
        keyed : bool
            Whether the ID is included.
        """
        self._asked = [
            self._columns.add(one, self._context.caller.pk) for one in self._document.fields
        ].count(True)
        if not self._asked:
            self._add_listing()
        root = self._scope.root
        beside = list(self._scope.joined)
        where = condition(self._document.where, self._criterion)
        order = self._sorted() or self._order()
        conditions = [
            *self._guard(),
            *([] if where is None else [where]),
        ]  # before the query, because they may add joins
        self._beside = [element for element in beside if self._scope.distance(element) is not None]
        shown = [
            found.value.sql.label(f'c{number}') for number, found in enumerate(self._columns.all())
        ]
        ends = [
            root.c.status,
            *(cast(self._scope.distance(one, signed=True), Integer) for one in self._beside),
            *([root.c.id] if keyed else []),
        ]
        return self._reduced(
            self._scope.select(*shown, *ends).where(and_(*conditions)), shown
        ).order_by(*order, root.c.id, root.c.pk)

    def _rows(self, query: Select[Any], width: int) -> Iterator[Sequence[Any]]:
        try:
            result = self._connection.execute(query)
        except OperationalError as error:
            if _TOO_MUCH.search(str(error.orig)):
                raise BadRequest(
                    f'The search is too large for one query of the database: {error.orig}.'
                ) from error
            raise
        rows: Iterator[Sequence[Any]] = iter(result.yield_per(BATCH))
        return rows if len(result.keys()) == width else (row[:width] for row in rows)

    def _reduced(self, query: Select[Any], shown: Sequence[Any]) -> Select[Any]:
        """Group a query by root item, and by values of repeated paths."""
        if not self._scope.many:
            return query
        repeated = [
            one for one, column in zip(shown, self._columns.all(), strict=True) if column.repeats
        ]
        for element, below in list(self._scope.joined.items())[:1] if not repeated else ():
            # SQLite takes the other values from the row with the minimum or maximum.
            distance, day = (
                self._scope.distance(element),
                func.json_extract(below.c.fields, '$."date"'),
            )
            query = query.add_columns(
                func.max(func.coalesce(day, '') + func.printf('%020d', below.c.pk))
                if distance is None
                else func.min(distance)
            )
        return query.group_by(self._scope.root.c.pk, *repeated)

    def _guard(self) -> list[ColumnElement[bool]]:
        """Return the conditions for readable items of the root type."""
        root, caller, level = self._scope.root, self._context.caller, self._scope.level
        kinds = self._model.registry.subtypes(self.root)
        levels = {self._model.level_of(kind) for kind in kinds} - {''}
        found = [root.c.level.in_(sorted(levels)), root.c.xsi_type.in_(kinds)]
        if level == 'project':
            return [*found, visible(caller, root.c.id, seeing=True)]
        held = self._scope.parent(root, 'experiment') if facts_of(level).is_part else root
        return [*found, readable(caller, held)]

    def _named(self, level: str) -> list[str]:
        """Return the types of a level in fields or criteria of the document."""
        named = (self._model.name(text) for text in self._document.elements())
        return list(
            dict.fromkeys(name for name in named if name and self._model.level_of(name) == level)
        )

    # -- columns

    def _add_listing(self) -> None:
        """Add the columns of the default version, for a search without fields.

        Also for a search whose fields are all unknown.
        """
        if (
            self.root == 'xnat:mrSessionData'
        ):  # XNAT fails: it sorts by a field missing from its display document
            raise BadRequest(
                f'A search of {self.root} needs search_field elements with its fields.'
            )
        for one in self._displays.first_version(self.root).fields:
            self._columns.add(
                SearchField(one.element or self.root, one.id, value=one.value, visible=one.visible),
                self._context.caller.pk,
            )

    def _diff(self, element: str) -> str:
        """Return the name of the column with the days to another session."""
        return f'{self._model.sql_name(self.root)}_{self._model.sql_name(element)}_diff'.lower()

    # -- fields

    def _resolve(self, element: str, name: str) -> Expression:
        """Return the SQL of a field, given by display ID or path.

        `BadRequest` for an unknown field.
        """
        try:
            found = self._find(element, name)
        except LookupError as error:
            raise BadRequest(str(error)) from error
        if found is None:
            raise BadRequest(f'{element} has no field {name}.')
        return found

    def _find(self, element: str, name: str) -> Expression | None:
        table = self._scope.alias(element)
        known, value = (
            self._displays.fields(element).get(name.partition('=')[0]),
            name.partition('=')[2],
        )
        if known is not None:
            return expression(known, self._scope, table, element, value or NO_VALUE)
        if self._model.is_unclear(element, name):
            raise BadRequest(f'{element}/{name} is ambiguous: name the type as …[@xsi:type=…]/….')
        return self._scope.path(element, name) or find_field(
            self._scope, self._model, element, name
        )

    def _criterion(self, schema_field: str) -> Expression:
        """Return the SQL of a field in a criterion.

        It is written ``type/path``, ``type.FIELD`` or ``type/FIELD=value``.
        """
        found = re.match(r'([^/.]+)[/.](.+)$', schema_field)
        element = self._model.name(found.group(1)) if found else None
        if found is None or element is None:
            raise BadRequest(f'{schema_field!r} is not a field of a data type of this archive.')
        name = found.group(2)
        known = self._displays.fields(element).get(name.partition('=')[0])
        if known is not None and known.requires_value and not name.partition('=')[2]:
            raise BadRequest(f'{known.id} needs a value: {known.id}=…')
        return self._resolve(element, name)

    def _sorted(self) -> list[Any]:
        """Return the sort keys of ``sortBy``.

        Columns of a cached search, or else IDs of display fields of the root.
        """
        if self._context.get('cache').lower() == 'true':
            return order_asked(
                self._context, {one.name: one.value.sql for one in self._columns.all()}
            )
        known = self._displays.fields(self.root)
        wanted = [
            name for value in self._context.all('sortBy') for name in value.split(',') if name
        ]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise InternalServerError(
                f'sortBy needs IDs of display fields of {self.root}; {unknown[0]!r} is not one.'
            )
        return [
            self._resolve(self.root, name).ordered(self._context.get('sortOrder').upper() == 'DESC')
            for name in wanted
        ]

    def _order(self) -> list[Any]:
        """Return the sort keys of ``sort_by``, or of the first column.

        The latter if the site has sorted listings: dates in descending order, all else ascending.
        """
        if self._document.sort_by is not None:
            element, name = self._document.sort_by
            full = self._model.name(element)
            if full is None:
                raise BadRequest(f'{element} is not a data type of this archive.')
            return [self._resolve(full, name).ordered()]
        columns = (
            self._columns.all()
            if self._context.archive.preferences.flag('defaultToSortedListings')
            else []
        )
        return [
            found.value.ordered((found.described or {}).get('type') == 'date')
            for found in columns[:1]
        ]


GENERAL = frozenset(
    {
        'xnat:experimentData',
        'xnat:subjectAssessorData',
        'xnat:imageSessionData',
        'xnat:imageAssessorData',
        'xnat:imageScanData',
    }
)
"""General types: XNAT has no display documents for them, and fails."""


def root_of(context: Context, document: SearchDocument) -> str:
    """Return the data type of a search's root.

    Parameters
    ----------
    context : Context
        The request.
    document : SearchDocument
        The search.

    Raises
    ------
    Forbidden
        For an unknown type.
    BadRequest
        For a type that cannot be searched.
    """
    if workflow_search.is_root(document.root):
        return WORKFLOW_TYPE
    root = context.archive.model.name(document.root)
    if root is None:
        raise Forbidden(f'{document.root} is not a data type of this archive.')
    if root in GENERAL or not context.archive.model.level_of(root):
        raise BadRequest(
            f'{document.root} cannot be searched; use a type with items, such as '
            'xnat:mrSessionData.'
        )
    return root


def may_query(context: Context, connection: Connection, root: str) -> bool:
    """Whether the caller may search a type.

    Users may always, and find the items that they may read; guests need a project that grants the
    type.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    root : str
        Name of the type.
    """
    if not context.caller.guest:
        return True
    model, login = context.archive.model, context.caller.login
    where = model.level_of(root)
    if where == 'project' or (where and facts_of(where).is_part):
        return True
    public = select(item.c.pk).where(item.c.level == 'project', item.c.access == 'public')
    whole = select(role.c.project).where(role.c.login == login, role.c.role.in_(tuple(ROLES)))
    held = role.join(
        group_right, and_(group_right.c.project == role.c.project, group_right.c.key == role.c.role)
    )
    typed = (
        select(role.c.project)
        .select_from(held)
        .where(role.c.login == login, group_right.c.xsi_type.in_(model.registry.subtypes(root)))
    )
    return any(
        connection.execute(query.limit(1)).first() is not None for query in (whole, public, typed)
    )
