"""Cached results of searches, as tables that are paged, sorted and counted where they lie.

They are in a database of their own, which is made anew at every start: like XNAT's, they are gone after a while, and a client that asks
for one that is gone is told so (410). What is kept is bounded in number, rows and age; the one unused for the longest goes first.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Float, ForeignKey, Integer, MetaData, String, Text, cast, func, select
from sqlalchemy import Table as SqlTable

from ..db.store import open_engine
from ..errors import Gone, UnprocessableEntity
from ..table import BATCH, Table, cell

__all__ = ['View', 'Views']

MAX_AGE_S = 8 * 3600
"""How long a result is kept after it was last asked for."""
MAX_VIEWS = 200
MAX_ROWS = 2_000_000
"""Rows of all results together. One result may have more, alone."""
_ROWS_AT_ONCE = 2 * BATCH
_METADATA = MetaData()

_view = SqlTable(
    'view',
    _METADATA,
    Column('pk', Integer, primary_key=True),
    Column('id', String, nullable=False, unique=True),
    Column('login', String, nullable=False),
    Column('search', String, nullable=False),  # ID of the document; empty for an ad-hoc search
    Column('header', Text, nullable=False),  # JSON: columns, their description, meta
    Column('size', Integer, nullable=False),  # -1 while it is being written
    Column('last_access', Float, nullable=False),  # seconds since 1970
    sqlite_autoincrement=True,
)
_row = SqlTable(
    'row',
    _METADATA,
    Column('view', ForeignKey('view.pk', ondelete='CASCADE'), primary_key=True),
    Column('number', Integer, primary_key=True),
    Column('cells', Text, nullable=False),  # JSON list of texts
    sqlite_with_rowid=False,
)


class View:
    """One cached result."""

    def __init__(self, row: Any) -> None:
        self.pk, self.id, self.login, self.size, self.last_access = row.pk, row.id, row.login, row.size, row.last_access
        header = json.loads(row.header)
        self.columns: list[str] = header['columns']
        self.described: list[dict[str, Any]] = header['described']
        self.meta: dict[str, Any] = header['meta']

    def cell(self, name: str) -> Any:
        """The SQL of a column's values; `UnprocessableEntity` for an unknown one."""
        lower = [one.lower() for one in self.columns]
        if name.lower() not in lower:
            raise UnprocessableEntity(f'There is no column {name!r}.')
        return func.json_extract(_row.c.cells, f'$[{lower.index(name.lower())}]')


def _cells(row: Sequence[Any]) -> str:
    return json.dumps([cell(value) for value in row], ensure_ascii=False)


class Views:
    """The cached results of one archive."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        path = folder / 'searches.sqlite'
        for old in folder.glob(path.name + '*'):
            old.unlink()
        self._clock = clock
        self._lock = threading.Lock()
        self._engine = open_engine(path)
        _METADATA.create_all(self._engine)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    # -- making and finding

    def make(self, login: str, search: str, table: Table) -> View:
        """Keep a result, in place of an earlier one of the same search and user. Rows are written a thousand at a time, so that
        others can page in between; nobody finds the result before it is whole."""
        header = json.dumps({'columns': list(table.columns), 'described': table.described, 'meta': table.meta})
        with self._write() as connection:
            values = {
                'id': self._free(connection, '_'.join(('', *filter(None, (search, login))))),
                'login': login,
                'search': search,
                'header': header,
                'size': -1,
                'last_access': self._clock(),
            }
            pk = int(connection.execute(_view.insert().values(**values)).inserted_primary_key[0])  # type: ignore[index]
        size, rows = 0, iter(table.rows)
        try:
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                with self._write() as connection:
                    connection.execute(_row.insert(), [{'view': pk, 'number': size + at, 'cells': _cells(row)} for at, row in enumerate(batch)])
                size += len(batch)
        except BaseException:
            with self._write() as connection:
                connection.execute(_view.delete().where(_view.c.pk == pk))
            raise
        return self._publish(pk, size, login, search)

    def _free(self, connection: Connection, start: str) -> str:
        """An ID that no result has: whose it is, and when it was made in milliseconds since 1970."""
        moment = int(self._clock() * 1000)
        while connection.execute(select(_view.c.pk).where(_view.c.id == f'{start}_{moment}')).first() is not None:
            moment += 1
        return f'{start}_{moment}'

    def _publish(self, pk: int, size: int, login: str, search: str) -> View:
        with self._write() as connection:
            if search:
                connection.execute(_view.delete().where(_view.c.login == login, _view.c.search == search, _view.c.pk != pk))
            connection.execute(_view.update().where(_view.c.pk == pk).values(size=size, last_access=self._clock()))
            self._evict(connection, pk)
            return View(connection.execute(select(_view).where(_view.c.pk == pk)).one())

    def _evict(self, connection: Connection, kept: int) -> None:
        """Forget what is too old, then the least used until the rest is in bounds."""
        connection.execute(_view.delete().where(_view.c.last_access < self._clock() - MAX_AGE_S))
        others = select(_view.c.pk, _view.c.size).where(_view.c.pk != kept, _view.c.size >= 0).order_by(_view.c.last_access.desc())
        rows = connection.execute(others).all()
        total = connection.scalar(select(_view.c.size).where(_view.c.pk == kept)) or 0
        for number, row in enumerate(rows, 2):
            total += row.size
            if number > MAX_VIEWS or total > MAX_ROWS:
                connection.execute(_view.delete().where(_view.c.pk == row.pk))

    def find(self, name: str) -> View:
        """A result by its ID; `Gone` for one that is no more or never was. Being asked for keeps it."""
        found = self._used(_view.c.id == name)
        if found is None:
            raise Gone(f'There is no cached search {name} any more; post the search again.')
        return found

    def of_search(self, login: str, search: str) -> View | None:
        """A user's result of the search with an ID."""
        return self._used(_view.c.login == login, _view.c.search == search) if search else None

    def _used(self, *conditions: Any) -> View | None:
        with self._write() as connection:
            young = _view.c.last_access >= self._clock() - MAX_AGE_S
            row = connection.execute(select(_view).where(young, _view.c.size >= 0, *conditions)).first()
            if row is None:
                return None
            connection.execute(_view.update().where(_view.c.pk == row.pk).values(last_access=self._clock()))
            return View(row)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._lock, self._engine.connect().execution_options(pyxnat_begin='BEGIN IMMEDIATE') as connection, connection.begin():
            yield connection

    # -- reading

    @contextmanager
    def page(self, view: View, order: Sequence[Any], limit: int | None, offset: int) -> Iterator[Table]:
        """Some rows in an order given by columns of `View.cell`; all after the offset without a limit."""
        query = select(*(view.cell(name) for name in view.columns)).where(_row.c.view == view.pk).order_by(*order, _row.c.number)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(-1 if limit is None else limit).offset(offset)).yield_per(BATCH)
            meta = {**view.meta, 'ID': view.id, 'totalRecords': str(view.size)}
            yield Table(view.columns, rows, meta, view.described, ordered=True)

    def values(self, view: View, name: str) -> Table:
        """The distinct values of a column and how often each is there; `Gone` for an unknown column."""
        try:
            value = view.cell(name)
        except UnprocessableEntity as error:
            raise Gone(str(error.description)) from error
        query = select(value, cast(func.count(), String)).where(_row.c.view == view.pk).group_by(value).order_by(value)
        with self._engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return Table(['values', 'count'], rows, {'ID': view.id, 'COLUMN': name}, count=False)
