"""The archive's database: SQLite through SQLAlchemy Core.

Its tables are in `relations`; other modules take them from here. A read uses `Store.read`, a write `Store.write`, which is one
transaction begun IMMEDIATE; writers of this process queue on a lock, so that SQLite's busy time-out only ever meets another program
that looks into the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Table, bindparam, case, create_engine, event, inspect, or_, select
from sqlalchemy.schema import CreateColumn

from .schema import (
    METADATA,
    arrival,
    arrival_file,
    arrival_log,
    arrival_scan,
    config,
    custom_field,
    custom_form,
    custom_form_use,
    favorite,
    file,
    group_right,
    invitation,
    item,
    pipeline,
    project_pipeline,
    project_setting,
    project_visit,
    resource,
    retired,
    role,
    search,
    setting,
    share,
    task,
    token,
    user,
    user_group,
    version,
    workflow,
)

__all__ = [
    'ArchiveBusy',
    'Connection',
    'Store',
    'Table',
    'alias',
    'arrival',
    'arrival_file',
    'arrival_log',
    'arrival_scan',
    'config',
    'counted',
    'custom_field',
    'custom_form',
    'custom_form_use',
    'favorite',
    'file',
    'group_right',
    'invitation',
    'item',
    'mark',
    'now',
    'open_engine',
    'pipeline',
    'project_pipeline',
    'project_setting',
    'project_visit',
    'resource',
    'retired',
    'role',
    'search',
    'setting',
    'share',
    'stamp',
    'token',
    'touch',
    'user',
    'user_group',
    'version',
    'workflow',
]

BUSY_TIMEOUT_S = 30
_LAST = 'last ID '
"""Begins the names of the facts that say which IDs were made."""


class ArchiveBusy(RuntimeError):
    """Another process serves this archive."""


class Store:
    """The database of one archive folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._tasks = False
        self.perform: Callable[[str, str | None], None] | None = None
        """What carries out a row of the task table; the archive sets it."""
        self.settle: Callable[[bool], None] | None = None
        """What ends a transaction for files that were placed in it, with whether it was committed; the archive sets it."""
        self._serving = _lock_folder(folder)
        try:
            is_new = not (folder / 'archive.sqlite').exists()
            self._engine = open_engine(folder / 'archive.sqlite')
            METADATA.create_all(self._engine)
            if not is_new:
                _add_columns(self._engine)
        except BaseException:
            self._serving.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the archive."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A connection in a write transaction, committed at the end and rolled back on an exception."""
        with self._lock:
            done = False
            try:
                with self._engine.connect().execution_options(pyxnat_begin='BEGIN IMMEDIATE') as connection, connection.begin():
                    yield connection
                done = True
            finally:
                if self.settle is not None:
                    self.settle(done)
            if self._tasks:
                self._carry_out()

    def later(self, connection: Connection, source: str, target: str | None) -> None:
        """Have a folder renamed, or removed, once the transaction is committed."""
        connection.execute(task.insert().values(source=source, target=target))
        self._tasks = True

    def resume(self) -> None:
        """Do what an earlier process committed and did not get to do."""
        with self._lock:
            self._carry_out()

    def _carry_out(self) -> None:
        with self._engine.connect() as connection:
            rows = connection.execute(select(task).order_by(task.c.pk)).all()
        for row in rows:
            if self.perform is not None:
                self.perform(row.source, row.target)
            with self._engine.connect().execution_options(pyxnat_begin='BEGIN IMMEDIATE') as connection, connection.begin():
                connection.execute(task.delete().where(task.c.pk == row.pk))
        self._tasks = False

    def close(self) -> None:
        """Let another process serve the folder."""
        self._engine.dispose()
        self._serving.close()


def open_engine(path: Path, timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An SQLite database whose transactions are ours."""
    engine = create_engine(
        f'sqlite:///{path.as_posix()}', pool_size=32, max_overflow=32, connect_args={'timeout': timeout_s, 'check_same_thread': False}
    )

    @event.listens_for(engine, 'connect')
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: sqlite3's own would be deferred
        connection.create_function('unicode_lower', 1, _lower, deterministic=True)
        connection.execute('PRAGMA foreign_keys = ON')
        connection.execute('PRAGMA journal_mode = TRUNCATE')
        connection.execute('PRAGMA synchronous = NORMAL')

    @event.listens_for(engine, 'begin')
    def _begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get('pyxnat_begin', 'BEGIN'))

    return engine


def _lower(value: Any) -> Any:
    """A text in lower case: SQLite's own ``lower`` knows only ASCII."""
    return value.lower() if isinstance(value, str) else value


def _add_columns(engine: Engine) -> None:
    """Give the tables of an older archive the columns that they lack; each has a default."""
    known = inspect(engine)
    with engine.begin() as connection:
        for table in METADATA.sorted_tables:
            there = {column['name'] for column in known.get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    written = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ADD COLUMN {written}')


def _lock_folder(folder: Path) -> sqlite3.Connection:
    """Hold an exclusive SQLite lock on a file of its own: it works alike on all systems and ends with the process."""
    connection = sqlite3.connect(folder / 'serving.lock', timeout=0.2, isolation_level=None, check_same_thread=False)
    try:
        connection.execute('BEGIN EXCLUSIVE')
    except sqlite3.OperationalError as error:
        connection.close()
        if 'locked' not in str(error):
            raise
        raise ArchiveBusy(f'{folder} is being served by another process; stop that one first') from error
    return connection


def now() -> str:
    """The moment as a Java Timestamp prints it: at least one digit of fraction, no trailing zeros."""
    return stamp(datetime.now())


def stamp(moment: datetime) -> str:
    """A moment in that form."""
    fraction = f'{moment.microsecond // 1000:03d}'.rstrip('0') or '0'
    return f'{moment:%Y-%m-%d %H:%M:%S}.{fraction}'


def mark() -> str:
    """The moment as a mark of change: to the microsecond, without trailing zeros."""
    moment = datetime.now()
    return f'{moment:%Y-%m-%d %H:%M:%S}.{f"{moment.microsecond:06d}".rstrip("0") or "0"}'


@lru_cache(maxsize=512)
def alias(table: Table, name: str) -> Any:
    """A table under another name; one object a name, as making it takes as long as a short query."""
    return table.alias(name)


def counted(table: FromClause, count: ColumnElement[int], size: ColumnElement[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """How many files a resource has, and of how many bytes; while it never had one, what the document said that named it."""
    was_filled = or_(count > 0, table.c.counted)
    return case((was_filled, count), else_=table.c.told_count), case((was_filled, size), else_=table.c.told_size)


def touch(connection: Connection, pk: int | None, below: bool = False) -> None:
    """Say of an item and of those above it, up to the subject, that they changed.

    A project changes with its own fields and resources alone, so not by what is `below` it.
    """
    if pk is not None:
        connection.execute(_touching(), {'touched': pk, 'moment': mark(), 'own': 0 if below else pk})


@lru_cache(maxsize=1)
def _touching() -> Any:
    """The statement of `touch`: making it takes longer than running it."""
    line = select(item.c.pk, item.c.parent).where(item.c.pk == bindparam('touched')).cte('line', recursive=True)
    line = line.union_all(select(item.c.pk, item.c.parent).join(line, item.c.pk == line.c.parent))
    wanted = item.c.pk.in_(select(line.c.pk))
    return item.update().where(wanted, or_(item.c.level != 'project', item.c.pk == bindparam('own'))).values(last_modified=bindparam('moment'))


def fields_of(row: Any) -> dict[str, str]:
    """The JSON fields of an item's row."""
    found: dict[str, str] = json.loads(row.fields)
    return found


def get_setting(connection: Connection, name: str, default: str = '') -> str:
    """A fact about the archive."""
    found = connection.scalar(select(setting.c.value).where(setting.c.name == name))
    return default if found is None else str(found)


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Remember a fact about the archive."""
    connection.execute(setting.delete().where(setting.c.name == name))
    connection.execute(setting.insert().values(name=name, value=value))
