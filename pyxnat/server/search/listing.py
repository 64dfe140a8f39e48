"""Listings of projects, subjects, experiments, scans, assessors and the like.

Rows have an arbitrary but stable order, so that pages do not overlap; XNAT's rows have no order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, or_, select

from ...model.levels import level, listed_levels, parts_of_session
from ...model.short_names import full_paths
from ..context import Context
from ..db.access import OTHER, Caller, readable, readable_in, rights, visible
from ..db.store import alias, item, share
from ..db.types import Model
from ..errors import Forbidden, InternalServerError
from ..items.locate import Place
from ..items.uris import ItemPath
from ..table import BATCH, Table
from .field_sql import Scope
from .listing_columns import Asked, ListingFails, Path, sql_name
from .listing_filters import expression_of, filters
from .project_lists import owned_by
from .recent import recent_table

__all__ = ['listing']

_DEFAULT_LIMIT = 100
_SILENT = tuple(row.singular for row in listed_levels('experiments'))
"""Levels with an empty listing, status 200, below a project if XNAT's query fails."""
_SHUFFLE = 2654435761
"""Knuth's hash factor: rows are ordered by key times this, so that neighbours are separated."""


def listing(
    context: Context, connection: Connection, route: ItemPath, place: Place
) -> Table | None:
    """Return the table of a collection; None for XNAT's empty response.

    Parameters
    ----------
    context : Context
        The request: columns, filters, ``limit`` and ``offset``.
    connection : Connection
        The database.
    route : ItemPath
        The collection.
    place : Place
        Item above it.

    Raises
    ------
    InternalServerError
        If XNAT's query fails with an error.
    """
    where = route.last.level.singular
    if context.has('fields'):
        return Table(['key', 'xpath'], list(full_paths(where).items()), count=False)
    if route.names == ('experiments',) and context.get('recent'):
        return recent_table(context, connection)
    try:
        return _Listing(context, connection, route, place, where).table()
    except ListingFails as error:
        if where in _SILENT and route.names != ('experiments',):
            return None
        raise InternalServerError(str(error)) from error


class _Listing:
    def __init__(
        self, context: Context, connection: Connection, route: ItemPath, place: Place, where: str
    ) -> None:
        self.context = context
        self.connection = connection
        self.route = route
        self.place = place
        self.where = where
        self.model: Model = context.archive.model
        self.caller: Caller = context.caller
        self.asked = Asked(self.model, where, place.row is None, context)
        self.scope = Scope(self.model, self.caller, self.asked.root)
        self.root = self.scope.root
        self.shared: Any = None
        self.columns = self.asked.columns()

    # -- the table

    def table(self) -> Table:
        """Return all columns; rows are fetched while they are read."""
        conditions = [*self._conditions(), *self._filters()]
        values = [self._value(one) for one in self.columns]
        uri = self._uri()
        query = self.scope.select(
            *(value.label(f'c{number}') for number, value in enumerate([*values, uri]))
        ).where(and_(*conditions))
        query = query.order_by((self.root.c.pk * _SHUFFLE) % 2**32)
        paged = self._page()
        rows = self._rows(
            query.limit(paged[0]).offset(paged[1]) if paged else query, len(values) + 1
        )
        title = {'title': 'Matching experiments'} if self.route.names == ('experiments',) else {}
        found = Table([*(one.key for one in self.columns), 'URI'], rows, title, count=not paged)
        return self._headed(found) if self.where in _SILENT else found

    def _rows(self, query: Select[Any], width: int) -> Iterable[Sequence[Any]]:
        """Return the rows in batches.

        If an item has several values, it has a row for each, even if the rows are equal.
        """
        if not self.scope.many:
            return self.connection.execute(query).yield_per(BATCH)
        apart = query.add_columns(self.root.c.pk, *self.scope.row_keys).distinct()
        return (row[:width] for row in self.connection.execute(apart).yield_per(BATCH))

    def _headed(self, table: Table) -> Table:
        """Return the table, with SQL names as columns if it is empty.

        XNAT replaces these names only if there are rows.
        """
        rows = iter(table.rows)
        first = next(rows, None)
        if first is None:
            table.columns, table.rows = [sql_name(self.model, one) for one in self.columns], []
        else:
            table.rows = chain([first], rows)
        return table

    def _page(self) -> tuple[int, int] | None:
        """Return limit and offset; None for all rows, and for unpaged levels."""
        if not (self.context.get('limit') or self.context.get('offset')) or self.where not in (
            'subject',
            'experiment',
        ):
            return None
        limit, offset = (
            self._number(name, default)
            for name, default in (('limit', _DEFAULT_LIMIT), ('offset', 0))
        )
        return (
            (limit, offset)
            if limit is not None and offset is not None and (limit > 0 or offset > 0)
            else None
        )

    def _number(self, name: str, default: int) -> int | None:
        """Return a number in the query; None for ``*``, which disables paging."""
        text = self.context.get(name)
        if text == '*':
            return None
        if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise ListingFails(f'{name} must be a whole number, not {text!r}.')
        return int(text) if text else default

    # -- rows

    def _conditions(self) -> list[ColumnElement[bool]]:
        table = self.root
        kinds = self.model.registry.subtypes(self.asked.root)
        levels = [row.singular for row in listed_levels(self.where)]
        return [table.c.level.in_(levels), table.c.xsi_type.in_(kinds), *self._placed(table)]

    def _placed(self, table: Any) -> list[ColumnElement[bool]]:
        row = self.place.row
        if self.where == 'project':
            owned = self.context.get('restrict') in ('edit', 'delete') and not self.caller.admin
            return [
                visible(self.caller, table.c.id, seeing=True),
                *([owned_by(self.caller, table.c.id)] if owned else []),
            ]
        if row is None:
            return [readable(self.caller, table)]
        if self.place.project is not None and row.level in ('project', 'subject'):
            found = [*self._may_read(table), self._in_project(table)]
            return found if row.level == 'project' else [*found, self._below(table, row)]
        own = table.c.parent == row.pk
        if self.where != 'assessor':
            return [own]
        self._join_shares(table, self.place.project or row.project)
        return [own, readable(self.caller, table)]

    def _below(self, table: Any, row: Any) -> ColumnElement[bool]:
        """Return the condition for sessions of a subject, or their assessors."""
        if self.model.level_of(self.asked.root) != 'assessor':
            return table.c.parent == row.pk  # type: ignore[no-any-return]
        sessions = select(item.c.pk).where(item.c.level == 'experiment', item.c.parent == row.pk)
        return table.c.parent.in_(sessions)  # type: ignore[no-any-return]

    def _may_read(self, table: Any) -> list[ColumnElement[bool]]:
        """Return conditions for items of a project that the caller may read.

        Empty if the right does not depend on the type, as it does in custom groups. Experiments
        need the right to read subjects. A mixed listing includes the types readable in this
        project, whatever is readable in others. `Forbidden` without the right to read in the
        project.
        """
        project = self.place.project or ''
        if 'read' not in rights(
            self.connection,
            self.caller,
            project,
            'xnat:subjectData' if self.where == 'experiment' else '',
        ):
            raise Forbidden(f'Unable to read {self.route.last.level.plural} for Project: {project}')
        if 'read' in rights(self.connection, self.caller, project, OTHER):
            return []
        mixed = self.where == 'experiment' and not self.asked.secured
        return [
            readable_in(self.caller, literal(project), table)
            if mixed
            else readable(self.caller, table)
        ]

    def _in_project(self, table: Any) -> ColumnElement[bool]:
        self._join_shares(table, self.place.project or '')
        return or_(table.c.project == self.place.project, self.shared.c.pk.is_not(None))

    def _join_shares(self, table: Any, project: str) -> None:
        """Join the shares into a project, for the labels of items there."""
        self.shared = alias(share, 'shown')
        self.scope.join(
            self.shared,
            and_(self.shared.c.item == table.c.pk, self.shared.c.project == project),
            ('shown',),
        )

    def _filters(self) -> Iterator[ColumnElement[bool]]:
        """Yield the filters; listings below a session have none."""
        if level(self.where) in parts_of_session():
            return
        yield from filters(self.context, self.asked, self.scope)

    # -- columns

    def _value(self, one: Path) -> ColumnElement[Any]:
        """Return the SQL of a column in the project of the route."""
        expression = expression_of(self.scope, one)
        shown = self._shown(one.key) if self._shows_project else None
        if shown is not None:
            return shown
        return _to_the_millisecond(expression.sql) if expression.kind == 'time' else expression.sql

    @property
    def _shows_project(self) -> bool:
        """Whether label and project are those of the route's project.

        XNAT uses those if the columns include the root's key and a label.
        """
        keys = {one.key for one in self.columns}
        found = 'ID' if self.where == 'subject' else f'{self.asked.root}/ID'.lower()
        return self.shared is not None and {'label', found} <= keys

    def _shown(self, key: str) -> ColumnElement[Any] | None:
        if key == 'label':
            return func.coalesce(func.nullif(self.shared.c.label, ''), self.root.c.label)
        if self.where != 'experiment':
            return None
        if key == 'project':
            return case(
                (self.shared.c.pk.is_not(None), self.shared.c.project), else_=self.root.c.project
            )
        return self._subject_shown() if key == 'subject_label' else None

    def _subject_shown(self) -> ColumnElement[Any]:
        """Return the label of a session's subject in the route's project.

        Only a shared session has the label there.
        """
        owner = self.scope.alias('xnat:subjectData')
        other = alias(share, 'subject_shown')
        condition = and_(
            other.c.item == owner.c.pk,
            other.c.project == self.place.project,
            self.shared.c.pk.is_not(None),
        )
        self.scope.join(other, condition, ('subject_shown',))
        shown: ColumnElement[Any] = func.coalesce(func.nullif(other.c.label, ''), owner.c.label)
        return shown

    def _uri(self) -> ColumnElement[Any]:
        facts = level(self.where)
        if not facts.is_part:
            return self._below_path(f'/data/{facts.listed_with or facts.plural}/')
        if not any(one.key == 'ID' for one in self.columns):
            raise ListingFails('XNAT needs ID among the columns of this listing.')
        return self._below_path(
            f'/data/experiments/{self.place.row.id}/{level(self.where).plural}/'
        )

    def _below_path(self, path: str) -> ColumnElement[Any]:
        found: ColumnElement[Any] = literal(path) + self.root.c.id
        return found


def _to_the_millisecond(time: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a time of day as in tables: ``08:05:09.000``."""
    return case((time.is_(None), time), (func.instr(time, '.') > 0, time), else_=time + '.000')
