"""Database of an archive: SQLite through SQLAlchemy Core.

The tables are defined in `schema`; other modules import them from here. Use `Store.read` to read
and `Store.write` to write in one transaction (BEGIN IMMEDIATE). Writers of this process queue on a
lock, and those of processes that share the folder on its :class:`~.folder_locks.Turns`, so SQLite's
busy timeout applies only to other programs that open the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    PoolProxiedConnection,
    Table,
    bindparam,
    case,
    create_engine,
    event,
    or_,
    select,
)
from sqlalchemy.exc import DatabaseError

from ..errors import InsufficientStorage
from ..private_files import create_file, make_folder, tighten
from .folder_locks import FolderLock, Turns
from .migrations import create, migrate
from .schema import (
    arrival,
    arrival_file,
    arrival_log,
    arrival_scan,
    config,
    custom_field,
    custom_form,
    custom_form_use,
    deleted_id,
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
    'DATABASE_ERRORS',
    'Condition',
    'Connection',
    'Store',
    'Table',
    'alias',
    'arrival',
    'arrival_file',
    'arrival_log',
    'arrival_scan',
    'config',
    'connect_to_write',
    'counted',
    'custom_field',
    'custom_form',
    'custom_form_use',
    'deleted_id',
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

OPEN = 'open'
"""Setting that says whether the archive is open, and begin of those of sharing processes."""
_MARKS = (setting.c.name == OPEN) | setting.c.name.startswith(f'{OPEN} ', autoescape=True)
_BEGIN = 'begin'
"""Key of a connection's `info`: the statement that begins its next transaction."""
DATABASE_ERRORS = (sqlite3.DatabaseError, DatabaseError)
"""Errors of a database that cannot be read, of SQLite itself and of SQLAlchemy."""
BUSY_TIMEOUT_S = 30
"""Seconds to wait for a lock that another program holds on the database."""


class Condition(Protocol):
    """What a program has read, and others must not have changed when it writes."""

    def check(self, connection: Connection) -> None:
        """Raise a `Refusal` if it was changed."""

    def renew(self, connection: Connection) -> None:
        """Accept the changes of a write that ends now."""


class Store:
    """Database of one archive folder.

    Parameters
    ----------
    folder : Path
        The folder; created if it does not exist.
    durable : bool
        Whether a commit waits until it is on disk.
    shared : bool
        Whether other processes may open the folder, too, after `share`.

    Raises
    ------
    ArchiveBusy
        If another process has the folder.
    """

    def __init__(self, folder: Path, durable: bool = True, shared: bool = False) -> None:
        make_folder(folder)
        tighten(folder)
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._tasks = False
        self._turns: Turns | None = None
        self._mark = f'{OPEN} {uuid.uuid4().hex}' if shared else OPEN
        self._is_marked = False
        self.perform: Callable[[str, str | None], None] | None = None
        """Carries out a row of the task table (source, target); set by the archive."""
        self.finish: Callable[[], None] | None = None
        """Called before a commit, to write files to disk; set by the archive."""
        self.settle: Callable[[bool], None] | None = None
        """Called at the end of a transaction with whether it was committed; set by the archive."""
        self.repair: Callable[[Connection], None] | None = None
        """Called in a write transaction after a process died in one; set by the archive."""
        self._folder_lock = FolderLock(folder, shared)
        try:
            if shared:
                self._turns = Turns(folder)
            create_file(folder / 'archive.sqlite')
            is_filled = not self.is_alone or migrate(folder / 'archive.sqlite')
            self._engine = open_engine(folder / 'archive.sqlite', durable=durable)
            if not is_filled:
                create(self._engine)
        except BaseException:
            self._release()
            raise

    @property
    def is_shared(self) -> bool:
        """Whether other processes may open the folder, too."""
        return self._turns is not None

    @property
    def is_alone(self) -> bool:
        """Whether no other process has the folder, until `share`."""
        return self._folder_lock.is_alone

    def share(self) -> None:
        """Let other processes open the folder.

        Raises
        ------
        ArchiveBusy
            If a server was faster.
        """
        self._folder_lock.share()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction for reading; it sees one state of the archive."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction: committed at the end, or rolled back.

        Afterwards, pending tasks are carried out.
        """
        condition: Condition | None = getattr(self._of_thread, 'condition', None)
        with self._lock, self._turn() as was_left:
            with (
                self._begun() as connection,
                self._settled(),
                connection.begin(),
                self._settled(is_last=False),  # files are restored before others may write
            ):
                if was_left and self.repair is not None:
                    self.repair(connection)
                if condition is not None:
                    condition.check(connection)
                yield connection
                if condition is not None:
                    condition.renew(connection)
                if self.finish is not None:
                    self.finish()
            if self._tasks:
                self._carry_out()

    @contextmanager
    def only_if(self, condition: Condition | None) -> Iterator[None]:
        """Check a condition in this thread's write transactions while the block runs."""
        before = getattr(self._of_thread, 'condition', None)
        self._of_thread.condition = condition
        try:
            yield
        finally:
            self._of_thread.condition = before

    def _begun(self) -> Connection:
        return connect_to_write(self._engine)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Wait for other processes; yield whether one died while it wrote."""
        if self._turns is None:
            yield False
            return
        with self._turns.turn() as was_left:
            if was_left:
                self._carry_out()
            if not self._is_marked:
                self._mark_first()
            yield was_left

    def was_left_open(self) -> bool:
        """Whether an earlier process did not close the archive."""
        with self.read() as connection:
            return '1' in connection.scalars(select(setting.c.value).where(_MARKS)).all()

    def mark(self, connection: Connection) -> None:
        """Mark the archive as open by this process alone.

        A process that shares the archive does so before each first write.
        """
        connection.execute(setting.delete().where(_MARKS))
        put_setting(connection, self._mark, '1')
        self._is_marked = True

    def _mark_first(self) -> None:
        with self._begun() as connection, connection.begin():
            put_setting(connection, self._mark, '1')
        self._is_marked = True

    @contextmanager
    def _settled(self, is_last: bool = True) -> Iterator[None]:
        """Restore replaced files after an error; drop them at the end of the transaction."""
        try:
            yield
        except BaseException:
            if self.settle is not None:
                self.settle(False)
            raise
        if is_last and self.settle is not None:
            self.settle(True)

    def later(self, connection: Connection, source: str, target: str | None) -> None:
        """Rename or remove a folder after the transaction is committed.

        Parameters
        ----------
        connection : Connection
            Write transaction.
        source : str
            Path relative to the archive's folder.
        target : str | None
            New path relative to the archive's folder; None to remove the source.
        """
        connection.execute(task.insert().values(source=source, target=target))
        self._tasks = True

    def resume(self) -> None:
        """Carry out tasks that an earlier process left after a commit."""
        with self._lock:
            self._carry_out()

    def _carry_out(self) -> None:
        with self._engine.connect() as connection:
            rows = connection.execute(select(task).order_by(task.c.pk)).all()
        for row in rows:
            if self.perform is not None:
                self.perform(row.source, row.target)
            with self._begun() as connection, connection.begin():
                connection.execute(task.delete().where(task.c.pk == row.pk))
        self._tasks = False

    def unmark(self) -> None:
        """Mark the archive as closed by this process."""
        if self._is_marked:
            with self._lock, self._begun() as connection, connection.begin():
                if self._turns is None:
                    put_setting(connection, self._mark, '0')
                else:
                    connection.execute(setting.delete().where(setting.c.name == self._mark))
            self._is_marked = False

    def close(self) -> None:
        """Close the database, and release the folder for other processes."""
        self._engine.dispose()
        self._release()

    def _release(self) -> None:
        if self._turns is not None:
            self._turns.close()
        self._folder_lock.close()


def open_engine(path: Path, timeout_s: float = BUSY_TIMEOUT_S, durable: bool = False) -> Engine:
    """Open an SQLite database whose transactions are begun explicitly.

    It has a write-ahead log: readers and the writer do not wait for each other, and a commit that
    waits for the disk waits once.

    Parameters
    ----------
    path : Path
        The database file.
    timeout_s : float
        Seconds to wait for a lock.
    durable : bool
        Whether a commit waits until it is on disk. Otherwise a power cut can lose the last ones;
        the end of the process cannot.
    """
    synchronous = 'FULL' if durable else 'OFF'
    engine = create_engine(
        URL.create('sqlite', database=str(path)),  # a text would be read as a URL, with % and ?
        pool_size=32,
        max_overflow=32,
        connect_args={'timeout': timeout_s, 'check_same_thread': False},
    )

    @event.listens_for(engine, 'connect')
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # BEGIN is explicit below: sqlite3's own would be deferred
        )
        connection.create_function('unicode_lower', 1, _lower, deterministic=True)
        connection.execute('PRAGMA foreign_keys = ON')
        connection.execute('PRAGMA journal_mode = WAL')
        connection.execute(f'PRAGMA synchronous = {synchronous}')

    @event.listens_for(engine, 'handle_error')
    def _failed(context: Any) -> None:
        if 'disk is full' in str(context.original_exception):
            raise InsufficientStorage from context.original_exception

    # A listener for 'begin' would let SQLAlchemy look for listeners at each statement.
    engine.dialect.do_begin = _begin  # type: ignore[method-assign, assignment]
    return engine


def _begin(connection: PoolProxiedConnection) -> None:
    connection.cursor().execute(connection.info.pop(_BEGIN, 'BEGIN'))


def connect_to_write(engine: Engine) -> Connection:
    """Return a connection of `open_engine` whose next transaction has the write lock."""
    connection = engine.connect()
    connection.info[_BEGIN] = 'BEGIN IMMEDIATE'
    return connection


def _lower(value: Any) -> Any:
    """Return a text in lower case; SQLite's ``lower`` knows only ASCII."""
    return value.lower() if isinstance(value, str) else value


def now() -> str:
    """Return the current time as a Java Timestamp prints it.

    Milliseconds, with at least one digit of fraction and without trailing zeros.
    """
    return stamp(datetime.now())


def stamp(moment: datetime) -> str:
    """Return a time in the form of `now`."""
    fraction = f'{moment.microsecond // 1000:03d}'.rstrip('0') or '0'
    return f'{moment:%Y-%m-%d %H:%M:%S}.{fraction}'


def mark() -> str:
    """Return the current time for ``last_modified``, in microseconds.

    Without trailing zeros.
    """
    moment = datetime.now()
    return f'{moment:%Y-%m-%d %H:%M:%S}.{f"{moment.microsecond:06d}".rstrip("0") or "0"}'


@lru_cache(maxsize=512)
def alias(table: Table, name: str) -> Any:
    """Return a cached alias of a table.

    Making one takes as long as a short query.

    Parameters
    ----------
    table : Table
        The table.
    name : str
        Name of the alias.
    """
    found = table.alias(name)
    _ = found.c  # made at its first use, and before SQLAlchemy 2.0.38 not safe in several threads
    return found


def counted(
    table: FromClause, count: ColumnElement[int], size: ColumnElement[int]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return columns with the number of files of a resource, and their bytes.

    Until the resource has had a file, the values of the document that named it.

    Parameters
    ----------
    table : FromClause
        The resource table, or an alias of it.
    count : ColumnElement[int]
        Column with the number of files.
    size : ColumnElement[int]
        Column with their total size in bytes.
    """
    was_filled = or_(count > 0, table.c.counted)
    return case((was_filled, count), else_=table.c.told_count), case(
        (was_filled, size), else_=table.c.told_size
    )


def touch(connection: Connection, pk: int | None, below: bool = False) -> None:
    """Set ``last_modified`` of an item and of its ancestors up to the subject.

    A project is set only if it is the item itself, and `below` is false.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    pk : int | None
        Key of the item; None does nothing.
    below : bool
        Whether only something below the item changed.
    """
    if pk is not None:
        connection.execute(
            _touching(), {'touched': pk, 'moment': mark(), 'own': 0 if below else pk}
        )


@lru_cache(maxsize=1)
def _touching() -> Any:
    """Return the statement of `touch`; building takes longer than running it."""
    line = (
        select(item.c.pk, item.c.parent)
        .where(item.c.pk == bindparam('touched'))
        .cte('line', recursive=True)
    )
    line = line.union(select(item.c.pk, item.c.parent).join(line, item.c.pk == line.c.parent))
    wanted = item.c.pk.in_(select(line.c.pk))
    return (
        item.update()
        .where(wanted, or_(item.c.level != 'project', item.c.pk == bindparam('own')))
        .values(last_modified=bindparam('moment'))
    )


def fields_of(row: Any) -> dict[str, str]:
    """Return the JSON fields of an item's row."""
    found: dict[str, str] = json.loads(row.fields)
    return found


def get_setting(connection: Connection, name: str, default: str = '') -> str:
    """Return a setting of the archive.

    Parameters
    ----------
    connection : Connection
        The database.
    name : str
        Name of the setting.
    default : str
        Value if it is not set.
    """
    found = connection.scalar(select(setting.c.value).where(setting.c.name == name))
    return default if found is None else str(found)


def settings_like(connection: Connection, prefix: str) -> dict[str, str]:
    """Return the settings of the archive with a prefix.

    Parameters
    ----------
    connection : Connection
        The database.
    prefix : str
        Start of their names.

    Returns
    -------
    dict[str, str]
        Values by the rest of the name.
    """
    rows = connection.execute(
        select(setting).where(setting.c.name.startswith(prefix, autoescape=True))
    )
    return {row.name.removeprefix(prefix): row.value for row in rows}


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Store a setting of the archive.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    name : str
        Name of the setting.
    value : str
        The value.
    """
    connection.execute(setting.delete().where(setting.c.name == name))
    connection.execute(setting.insert().values(name=name, value=value))
