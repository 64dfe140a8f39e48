"""Listings of projects, subjects, experiments, scans, assessors and reconstructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, false, func, literal, or_
from werkzeug.exceptions import BadRequest, Forbidden

from ..names import short_name, short_names
from ..structure import level
from .auth import OTHER, Caller, readable, readable_in, rights, visible
from .calls import Call
from .locate import Place
from .model import Model, split_path
from .project_lists import with_right
from .respond import order_asked
from .routes import Route
from .scope import Expression, Scope
from .store import alias, share
from .tables import BATCH, Table
from .values import parse_date

__all__ = ['listing']

_DEFAULT_LIMIT = 100
_OWN_PARAMETERS = frozenset({'format', 'columns', 'xsiType', 'sortBy', 'sortOrder', 'limit', 'offset', 'fields', 'XNAT_CSRF'})
_TITLES = {('projects', 'subjects'): 'Project Subjects', ('experiments',): 'Matching experiments'}
_ASSESSORS = 'Project Subject Experiment Assessors'
_RECENT = 'Recent Experiments'
_RECENT_DAYS = 60

_SHORTENED = {'xnat:subjectassessordata/subject_id': 'subject_ID', 'xnat:imagesessiondata/id': 'session_ID'}
"""Full paths that a listing of the whole site answers under a short name; so recorded by clients of live servers."""


@dataclass
class _Column:
    key: str
    sql: Any


def listing(call: Call, connection: Connection, route: Route, place: Place) -> Table:
    """The table of a collection, as the query wants it."""
    where = route.last.level.singular
    if call.has('fields'):
        base = call.archive.model.base_of(where)
        rows = [(name, f'{found.of or base}/{found.path}') for name, found in short_names(where).items()]
        return Table(['key', 'xpath'], rows)
    maker = _Listing(call, connection, route, place, where)
    return maker.table()


class _Listing:
    def __init__(self, call: Call, connection: Connection, route: Route, place: Place, where: str) -> None:
        self.call = call
        self.connection = connection
        self.route = route
        self.place = place
        self.where = where
        self.model: Model = call.archive.model
        self.caller: Caller = call.caller
        self.types = self._types()
        root = self.types[0] if len(self.types) == 1 else self.model.base_of(where)
        if where == 'experiment' and not self.types:
            root = 'xnat:experimentData'
        self.scope = Scope(self.model, self.caller, root)
        self.root = self.scope.root
        self.shared: Any = None

    def _types(self) -> list[str]:
        names = [name for value in self.call.all('xsiType') for name in value.split(',') if name]
        found = [self.model.name(name) for name in names]
        if None in found:
            raise BadRequest(f'{names[found.index(None)]} is not a data type of this archive.')
        return [name for name in found if name]

    # -- the table

    def table(self) -> Table:
        """All columns, the rows streamed."""
        conditions = self._conditions()
        columns = self._columns()
        conditions += self._filters()  # before the query: what they speak of is joined
        query = self.scope.select(*(column.sql.label(f'c{number}') for number, column in enumerate(columns)))
        query = query.where(and_(*conditions))
        if self.scope.many:
            query = query.distinct() if self.call.has('columns') else query.group_by(self.root.c.pk)
        paged = self.call.has('limit') or self.call.has('offset')
        query = query.order_by(*order_asked(self.call, {column.key: column.sql for column in columns}), *self._order())
        title = _RECENT if self._recent else _ASSESSORS if self.where == 'assessor' else _TITLES.get(self.route.names)
        rows = self.connection.execute(self._page(query) if paged else query).yield_per(BATCH)
        return Table([column.key for column in columns], rows, {'title': title} if title else {}, count=not paged, ordered=True)

    @property
    def _recent(self) -> bool:
        """Whether what changed last is asked for: ``/experiments?recent=true``."""
        return self.route.names == ('experiments',) and self.call.flag('recent')

    def _order(self) -> list[Any]:
        """The order of rows that are alike in what is asked for."""
        if self._recent:
            return [self.root.c.last_modified.desc(), self.root.c.pk]
        if self.where in ('scan', 'reconstruction'):
            return [self.root.c.id.op('+')(0), self.root.c.id, self.root.c.pk]  # 2 before 10, as people number scans
        return [self.root.c.id, self.root.c.pk]

    def _page(self, query: Any) -> Any:
        limit = self.call.get('limit', str(_DEFAULT_LIMIT))
        offset = self.call.get('offset', '0')
        if not (limit == '*' or limit.isdigit()) or not offset.isdigit():
            raise BadRequest('limit and offset are numbers; limit may be *.')
        return (query if limit == '*' else query.limit(int(limit))).offset(int(offset))

    # -- rows

    def _conditions(self) -> list[ColumnElement[bool]]:
        table = self.root
        wide = self.place.row is None or any(self.model.level_of(name) == 'assessor' for name in self.types)
        levels = ('experiment', 'assessor') if self.where == 'experiment' and wide else (self.where,)
        found: list[ColumnElement[bool]] = [table.c.level.in_(levels)]
        if self.types:
            names = [name for one in self.types for name in self.model.registry.subtypes(one)]
            found.append(table.c.xsi_type.in_(names))
        if self._recent:
            found.append(table.c.last_modified >= f'{datetime.now() - timedelta(_RECENT_DAYS):%Y-%m-%d}')
        return [*found, *self._placed(table)]

    def _placed(self, table: Any) -> list[ColumnElement[bool]]:
        row = self.place.row
        if self.where == 'project':
            restricted = with_right(self.call, self.connection, self.call.get('restrict')) if self.call.has('restrict') else None
            allowed = [] if restricted is None else [table.c.id.in_([one.id for one in restricted])]
            return [visible(self.caller, table.c.id, seeing=True), *allowed]
        if row is None:
            return [readable(self.caller, table)]
        if self.place.project is not None and row.level in ('project', 'subject'):
            found = [*self._may_read(table), self._in_project(table)]
            return found if row.level == 'project' else [*found, table.c.parent == row.pk]
        own = table.c.parent == row.pk
        if self.where != 'assessor':
            return [own]
        if self.place.project is not None:
            self._join_shares(table)
        return [own, readable(self.caller, table)]

    def _may_read(self, table: Any) -> list[ColumnElement[bool]]:
        """Nothing more than the project's own right, unless that is given by a group whose rights go by type.

        Experiments are for those who may read subjects. A mixed listing has the types that may be read in this project, whatever may be in another.
        """
        project = self.place.project or ''
        if 'read' not in rights(self.connection, self.caller, project, 'xnat:subjectData' if self.where == 'experiment' else ''):
            raise Forbidden(f'Unable to read {self.route.last.level.plural} for Project: {project}')
        if 'read' in rights(self.connection, self.caller, project, OTHER):
            return []
        mixed = self.where == 'experiment' and not self.types
        return [readable_in(self.caller, literal(project), table) if mixed else readable(self.caller, table)]

    def _in_project(self, table: Any) -> ColumnElement[bool]:
        self._join_shares(table)
        return or_(table.c.project == self.place.project, self.shared.c.pk.is_not(None))

    def _join_shares(self, table: Any) -> None:
        """What the route's project calls an item that another project owns."""
        self.shared = alias(share, 'shown')
        self.scope.join(self.shared, and_(self.shared.c.item == table.c.pk, self.shared.c.project == self.place.project), ('shown',))

    # -- columns

    def _columns(self) -> list[_Column]:
        asked = [name for value in self.call.all('columns') for name in value.split(',') if name]
        if asked:
            found = [one for one in map(self._asked, asked) if one is not None]
            if not any(one.key == 'ID' for one in found):
                found.append(self._short('ID'))
            if self._is_wide:
                kind = f'{self.types[0].lower()}/id'
                found += [_Column(_SHORTENED.get(kind, kind), self.root.c.id), self._short('xsiType')]
            unique = {one.key: one for one in found if one.key != 'URI'}
            return [*unique.values(), _Column('URI', self._uri())]
        return [_Column('URI', self._uri()) if name == 'URI' else self._default(name) for name in self._default_names()]

    @property
    def _is_wide(self) -> bool:
        """Whether one type of experiment is listed for the whole site: XNAT then answers with its ID and type besides what is asked for."""
        return self.where == 'experiment' and self.place.row is None and len(self.types) == 1

    def _default_names(self) -> list[str]:
        names = list(level(self.where).columns)
        if self.where == 'scan' and len(self.types) == 1:
            return [f'{self.types[0].lower()}/id', *names]
        if self.where != 'experiment':
            return names
        if self.place.row is None:
            names.remove('xnat:subjectassessordata/id')
        if len(self.types) == 1:
            kind = self.types[0]
            names = [name for name in names if '/' not in name]
            names.insert(0, f'{kind.lower()}/id')
            registry = self.model.registry
            if registry.is_a(kind, 'xnat:subjectAssessorData'):
                names[-1:-1] = ['subject_ID', 'subject_label']
            elif registry.is_a(kind, 'xnat:imageAssessorData'):
                names[-1:-1] = ['session_ID', 'session_label']
        return names

    def _default(self, name: str) -> _Column:
        if '/' in name:
            return _Column(name, self.root.c.id)
        return self._short(name)

    def _short(self, name: str) -> _Column:
        return _Column(name, self._expression(name).sql)

    def _asked(self, name: str) -> _Column | None:
        """A column asked for: short names keep their case, full paths come back in lower case, unknown short names not at all."""
        if split_path(name) is None:
            return _Column(name, self._expression(name).sql) if short_name(self.where, name) else None
        key = name.lower()
        whole_site = self.where == 'experiment' and self.place.row is None
        return _Column(_SHORTENED.get(key, key) if whole_site else key, self._full(name).sql)

    def _expression(self, name: str) -> Expression:
        """The expression of a short name, as the route's project shows it."""
        if self.shared is not None and name in ('label', 'project'):
            return self._shown(name)
        if self.shared is not None and name == 'subject_label' and self.where != 'subject':
            return self._subject_shown()
        found = short_name(self.where, name)
        if found is None:
            raise BadRequest(f'{name} is not a field of a {self.where}.')
        expression = self._path(found.of or self.scope.root_type, found.path)
        return expression if expression is not None else Expression(func.nullif(1, 1))

    def _shown(self, name: str) -> Expression:
        own = self.root.c[name]
        if name == 'label':
            return Expression(func.coalesce(self.shared.c.label, own))
        if self.where == 'subject':
            return Expression(own)
        return Expression(case((self.shared.c.pk.is_not(None), self.shared.c.project), else_=own))

    def _subject_shown(self) -> Expression:
        """The label of the subject in the route's project."""
        owner = self.scope.alias('xnat:subjectData')
        other = alias(share, 'subject_shown')
        self.scope.join(other, and_(other.c.item == owner.c.pk, other.c.project == self.place.project), ('subject_shown',))
        return Expression(func.coalesce(other.c.label, owner.c.label))

    def _full(self, name: str) -> Expression:
        kind, path = split_path(name) or ('', '')
        found = self.model.name(kind)
        if found is None:
            raise BadRequest(f'{kind} is not a data type of this archive.')
        expression = self._path(found, path)
        if expression is None:
            raise BadRequest(f'{name} is not a field.')
        return expression

    def _path(self, kind: str, path: str) -> Expression | None:
        try:
            return self.scope.path(kind, path)
        except LookupError as error:
            raise BadRequest(str(error)) from error

    def _uri(self) -> Any:
        if self.where in ('project', 'subject', 'experiment', 'assessor'):
            plural = {'project': 'projects', 'subject': 'subjects'}.get(self.where, 'experiments')
            return f'/data/{plural}/' + self.root.c.id
        base = f'/data/experiments/{self.place.row.id}/{level(self.where).plural}/'
        return base + self.root.c.id

    # -- filters

    def _filters(self) -> Iterator[ColumnElement[bool]]:
        for name, value in self.call.query:
            if name in _OWN_PARAMETERS or value == '':
                continue
            full = split_path(name)
            if full is None and short_name(self.where, name) is None:
                continue
            expression = self._full(name) if full else self._expression(name)
            yield or_(*(_matches(expression, part) for part in value.split(','))) if value else false()
            if full:
                yield from self._promoted(full[0])

    def _promoted(self, kind: str) -> Iterator[ColumnElement[bool]]:
        """A filter on a narrower type than the root's narrows the root."""
        name = self.model.name(kind)
        registry = self.model.registry
        if name and name != self.scope.root_type and registry.is_a(name, self.scope.root_type):
            yield self.root.c.xsi_type.in_(registry.subtypes(name))


def _matches(expression: Expression, value: str) -> ColumnElement[bool]:
    """One value of a filter: a range where numbers or dates are, a pattern with ``*`` or ``%``, else equality.

    Dates are read as ``MM/dd/yyyy``. XNAT splits an ISO date at its first ``-`` and finds nothing; here it is taken for that day.
    """
    if '*' in value or '%' in value:
        pattern = f'%{value.replace("*", "%").strip("%")}%'
        return func.lower(expression.sql).like(pattern.lower())
    if expression.kind in ('integer', 'float'):
        return _number_matches(expression, value)
    if expression.kind in ('date', 'dateTime'):
        return _date_matches(expression, value)
    if expression.kind == 'boolean':
        return expression.sql == {'true': '1', 'false': '0'}.get(value.lower(), value)
    return expression.sql == value


def _number_matches(expression: Expression, value: str) -> ColumnElement[bool]:
    try:
        if '-' in value[1:]:
            low, _, high = value.partition('-') if value[0] != '-' else (value, '', value)
            return expression.comparable.between(float(low), float(high))
        return expression.comparable == float(value)
    except ValueError as error:
        raise BadRequest(f'{value!r} is not a number or a range of numbers.') from error


def _date_matches(expression: Expression, value: str) -> ColumnElement[bool]:
    whole = parse_date(value)
    low, high = (whole, whole) if whole else (parse_date(part) for part in (value.split('-', 1) * 2)[:2])
    if low is None or high is None:
        raise BadRequest(f'{value!r} is not a date or a range of dates; use MM/dd/yyyy or MM/dd/yyyy-MM/dd/yyyy.')
    return func.substr(expression.sql, 1, 10).between(low.isoformat(), high.isoformat())
