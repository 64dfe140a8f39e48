"""Cached results of searches: tables in SQLite, to be paged and sorted.

They are in a separate database that is recreated at each start. As in XNAT, results expire, and a
request for an expired result is answered with 410. Number, total rows and age of results are
limited; the least recently used is evicted first.
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

from sqlalchemy import (
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
    cast,
    func,
    select,
)
from sqlalchemy import Table as SqlTable

from ..db.guards import Guard, record
from ..db.new_tables import create_tables
from ..db.store import connect_to_write, open_engine
from ..errors import Gone, UnprocessableEntity
from ..private_files import create_file
from ..table import BATCH, Table, cell

__all__ = ['View', 'Views']

MAX_AGE_S = 8 * 3600
"""Seconds that a result is kept after the last request for it."""
MAX_VIEWS = 200
MAX_ROWS = 2_000_000
"""Rows of all results together. A single result may have more."""
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
        self.pk, self.id, self.login, self.size, self.last_access = (
            row.pk,
            row.id,
            row.login,
            row.size,
            row.last_access,
        )
        header = json.loads(row.header)
        self.columns: list[str] = header['columns']
        self.described: list[dict[str, Any]] = header['described']
        self.meta: dict[str, Any] = header['meta']

    def cell(self, name: str) -> Any:
        """Return the SQL of a column's values.

        Raises
        ------
        UnprocessableEntity
            For an unknown column.
        """
        lower = [one.lower() for one in self.columns]
        if name.lower() not in lower:
            raise UnprocessableEntity(f'There is no column {name!r}.')
        return func.json_extract(_row.c.cells, f'$[{lower.index(name.lower())}]')


def _cells(row: Sequence[Any]) -> str:
    return json.dumps([cell(value) for value in row], ensure_ascii=False)


class Views:
    """Cached results of one archive.

    Parameters
    ----------
    folder : Path
        Folder of the database; a database of an earlier process is deleted.
    clock : Callable[[], float]
        Clock in seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        path = folder / 'searches.sqlite'
        for old in folder.glob(path.name + '*'):
            old.unlink()
        self._clock = clock
        self._lock = threading.Lock()
        create_file(path)
        self._engine = open_engine(path)
        with self._engine.begin() as connection:
            create_tables(connection, _METADATA)

    def close(self) -> None:
        """Close the database."""
        self._engine.dispose()

    # -- storing and finding

    def add(self, login: str, search: str, table: Table) -> View:
        """Store a result, replacing that of the same search and user.

        Rows are written in batches of 1,000, so that other results can be read in between. The
        result can be found when it is complete.

        Parameters
        ----------
        login : str
            Login of the user.
        search : str
            ID of the search; empty for an ad-hoc search.
        table : Table
            The result.
        """
        header = json.dumps(
            {'columns': list(table.columns), 'described': table.described, 'meta': table.meta}
        )
        with self._write() as connection:
            values = {
                'id': self._free(connection, '_'.join(('', *filter(None, (search, login))))),
                'login': login,
                'search': search,
                'header': header,
                'size': -1,
                'last_access': self._clock(),
            }
            done = connection.execute(_view.insert().values(**values))
            pk = int(done.inserted_primary_key[0])  # type: ignore[index]
        size, rows = 0, iter(table.rows)
        try:
            while batch := list(islice(rows, _ROWS_AT_ONCE)):
                with self._write() as connection:
                    connection.execute(
                        _row.insert(),
                        [
                            {'view': pk, 'number': size + at, 'cells': _cells(row)}
                            for at, row in enumerate(batch)
                        ],
                    )
                size += len(batch)
        except BaseException:
            with self._write() as connection:
                connection.execute(_view.delete().where(_view.c.pk == pk))
            raise
        return self._publish(pk, size, login, search)

    def _free(self, connection: Connection, start: str) -> str:
        """Return a new ID: user and search, and milliseconds since 1970."""
        moment = int(self._clock() * 1000)
        while (
            connection.execute(select(_view.c.pk).where(_view.c.id == f'{start}_{moment}')).first()
            is not None
        ):
            moment += 1
        return f'{start}_{moment}'

    def _publish(self, pk: int, size: int, login: str, search: str) -> View:
        with self._write() as connection:
            if search:
                connection.execute(
                    _view.delete().where(
                        _view.c.login == login, _view.c.search == search, _view.c.pk != pk
                    )
                )
            connection.execute(
                _view.update().where(_view.c.pk == pk).values(size=size, last_access=self._clock())
            )
            self._evict(connection, pk)
            return View(connection.execute(select(_view).where(_view.c.pk == pk)).one())

    def _evict(self, connection: Connection, kept: int) -> None:
        """Delete expired results, then the least recently used above limits."""
        connection.execute(_view.delete().where(_view.c.last_access < self._clock() - MAX_AGE_S))
        others = (
            select(_view.c.pk, _view.c.size)
            .where(_view.c.pk != kept, _view.c.size >= 0)
            .order_by(_view.c.last_access.desc())
        )
        rows = connection.execute(others).all()
        total = connection.scalar(select(_view.c.size).where(_view.c.pk == kept)) or 0
        for number, row in enumerate(rows, 2):
            total += row.size
            if number > MAX_VIEWS or total > MAX_ROWS:
                connection.execute(_view.delete().where(_view.c.pk == row.pk))

    def find(self, login: str, name: str) -> View | None:
        """Return a result by ID, and keep it from expiring; None if it is another user's.

        Parameters
        ----------
        login : str
            The user.
        name : str
            ID of the result.

        Raises
        ------
        Gone
            For an expired or unknown result.
        """
        record(Guard.RESULT)
        found = self._used(_view.c.id == name, _view.c.login == login)
        if found is None and self._is_known(name):
            return None
        if found is None:
            raise Gone(f'The cached search {name} does not exist any more; post the search again.')
        return found

    def _is_known(self, name: str) -> bool:
        young = _view.c.last_access >= self._clock() - MAX_AGE_S
        with self._engine.connect() as connection:
            known = select(_view.c.pk).where(young, _view.c.size >= 0, _view.c.id == name)
            return connection.execute(known).first() is not None

    def of_search(self, login: str, search: str) -> View | None:
        """Return a user's result of a saved search; None if there is none.

        Parameters
        ----------
        login : str
            Login of the user.
        search : str
            ID of the search.
        """
        record(Guard.RESULT)
        return self._used(_view.c.login == login, _view.c.search == search) if search else None

    def _used(self, *conditions: Any) -> View | None:
        with self._write() as connection:
            young = _view.c.last_access >= self._clock() - MAX_AGE_S
            row = connection.execute(
                select(_view).where(young, _view.c.size >= 0, *conditions)
            ).first()
            if row is None:
                return None
            connection.execute(
                _view.update().where(_view.c.pk == row.pk).values(last_access=self._clock())
            )
            return View(row)

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with (
            self._lock,
            connect_to_write(self._engine) as connection,
            connection.begin(),
        ):
            yield connection

    # -- reading

    @contextmanager
    def page(
        self, view: View, order: Sequence[Any], limit: int | None, offset: int
    ) -> Iterator[Table]:
        """Read some rows of a result.

        Parameters
        ----------
        view : View
            The result.
        order : Sequence[Any]
            Sort keys, made of `View.cell`.
        limit : int | None
            Number of rows; None for all.
        offset : int
            Number of rows to skip.
        """
        query = (
            select(*(view.cell(name) for name in view.columns))
            .where(_row.c.view == view.pk)
            .order_by(*order, _row.c.number)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(
                query.limit(-1 if limit is None else limit).offset(offset)
            ).yield_per(BATCH)
            meta = {**view.meta, 'ID': view.id, 'totalRecords': str(view.size)}
            yield Table(view.columns, rows, meta, view.described, ordered=True)

    def values(self, view: View, name: str) -> Table:
        """Return the distinct values of a column, with their counts.

        Parameters
        ----------
        view : View
            The result.
        name : str
            Name of the column.

        Raises
        ------
        Gone
            For an unknown column.
        """
        try:
            value = view.cell(name)
        except UnprocessableEntity as error:
            raise Gone(str(error.description)) from error
        query = (
            select(value, cast(func.count(), String))
            .where(_row.c.view == view.pk)
            .group_by(value)
            .order_by(value)
        )
        with self._engine.connect() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return Table(['values', 'count'], rows, {'ID': view.id, 'COLUMN': name}, count=False)
