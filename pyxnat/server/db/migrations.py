"""Versions of an archive's database, and the steps between them.

``PRAGMA user_version`` of ``archive.sqlite`` is the number of the last step that was carried out.
A new archive is created by `schema` with the last number. Each step is one transaction that also
sets the number, so an interrupted migration continues at the next start. A step moves files by rows
of the task table: they are carried out after the commit, and again after a crash.

Steps are SQL of their time, without the modules that describe today's tables: a step that has been
released never changes. ``CONTRIBUTING.rst`` has the recipe for a new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine

from ...version import __version__
from ..disk_names import safe_name
from .new_tables import create_tables
from .schema import METADATA, setting

__all__ = ['STEPS', 'VERSION', 'ArchiveTooNew', 'create', 'migrate', 'version_of']

_FIRST = Path(__file__).with_name('first_schema.sql')


class ArchiveTooNew(RuntimeError):
    """A later version of pyxnat wrote this archive."""


class Step(NamedTuple):
    """Migration from the version before."""

    doc: str
    run: Callable[[sqlite3.Connection], None]


def version_of(path: Path) -> int:
    """Return the version of a database: 0 before versions were numbered."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute('PRAGMA user_version').fetchone()[0])


def create(engine: Engine) -> None:
    """Create the tables of the last version in an empty database."""
    with engine.begin() as connection:
        create_tables(connection, METADATA)
        connection.execute(setting.insert().values(name='layout', value='2'))
        connection.exec_driver_sql(f'PRAGMA user_version = {VERSION}')


def migrate(path: Path, steps: Sequence[Step] = ()) -> bool:
    """Carry out the missing steps on an existing database.

    Parameters
    ----------
    path : Path
        The file. Nothing else may have it open.
    steps : Sequence[Step]
        All steps from the first; by default `STEPS`.

    Returns
    -------
    bool
        Whether the database has tables: if not, `create` makes them.

    Raises
    ------
    ArchiveTooNew
        If a later version of pyxnat wrote the database.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        version = int(connection.execute('PRAGMA user_version').fetchone()[0])
        steps = steps or STEPS
        if version > len(steps):
            raise ArchiveTooNew(
                f'{path.parent} is of version {version}, and this pyxnat ({__version__}) knows '
                f'versions up to {len(steps)}. Install the pyxnat that wrote it, or a later one '
                "(pip install --upgrade 'pyxnat[server]'), or restore a backup."
            )
        if not connection.execute('SELECT 1 FROM sqlite_master').fetchone():
            return False
        connection.execute('PRAGMA foreign_keys = OFF')  # to replace a table that others refer to
        connection.execute('PRAGMA legacy_alter_table = ON')
        for number, step in enumerate(steps[version:], version + 1):
            _carry_out(connection, number, step)
    return True


def _carry_out(connection: sqlite3.Connection, number: int, step: Step) -> None:
    connection.execute('BEGIN IMMEDIATE')
    try:
        step.run(connection)
        connection.execute(f'PRAGMA user_version = {number}')
        connection.execute('COMMIT')
    except BaseException:
        connection.execute('ROLLBACK')
        raise


# -- steps


def _first_schema(connection: sqlite3.Connection) -> None:
    """Bring the tables of any earlier archive to those of ``first_schema.sql``."""
    text = _FIRST.read_text(encoding='utf-8')
    with closing(sqlite3.connect(':memory:')) as wanted:
        wanted.executescript(text)
        tables = dict(
            wanted.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
        )
        indexes = dict(
            wanted.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            )
        )
    for name, sql in tables.items():
        _define(connection, name, sql)
    for name, sql in indexes.items():
        connection.execute(f'DROP INDEX IF EXISTS {name}')
        connection.execute(sql)


def _define(connection: sqlite3.Connection, name: str, sql: str) -> None:
    """Create a table, or give an existing one another definition.

    Rows and the next automatic number are kept, and new columns are NULL, or empty if they may not
    be NULL.

    Parameters
    ----------
    connection : sqlite3.Connection
        Write transaction, with foreign keys off.
    name : str
        Name of the table.
    sql : str
        Its statement ``CREATE TABLE``, as SQLite keeps it.
    """
    known = connection.execute('SELECT sql FROM sqlite_master WHERE name = ?', (name,)).fetchone()
    if known is not None and known['sql'].split() == sql.split():
        return
    if known is None:
        connection.execute(sql)
        return
    old = [row['name'] for row in connection.execute(f'PRAGMA table_info("{name}")')]
    last = _last_number(connection, name)
    connection.execute(f'ALTER TABLE "{name}" RENAME TO "{name}_before"')
    connection.execute(sql)
    _copy_rows(connection, name, old)
    connection.execute(f'DROP TABLE "{name}_before"')
    if last > _last_number(connection, name):
        connection.execute('DELETE FROM sqlite_sequence WHERE name = ?', (name,))
        connection.execute('INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)', (name, last))


def _copy_rows(connection: sqlite3.Connection, name: str, old: list[str]) -> None:
    copied, values = [], []
    for column in connection.execute(f'PRAGMA table_info("{name}")').fetchall():
        if column['name'] in old:
            copied.append(column['name'])
            values.append(f'"{column["name"]}"')
        elif column['notnull'] and column['dflt_value'] is None:
            copied.append(column['name'])
            values.append("''")
    names = ', '.join(f'"{one}"' for one in copied)
    connection.execute(
        f'INSERT INTO "{name}" ({names}) SELECT {", ".join(values)} FROM "{name}_before"'
    )


def _last_number(connection: sqlite3.Connection, name: str) -> int:
    """Return the highest automatic number that a table has ever given; 0 for none."""
    counted = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
    if connection.execute(counted).fetchone() is None:
        return 0
    row = connection.execute('SELECT seq FROM sqlite_sequence WHERE name = ?', (name,)).fetchone()
    return int(row['seq']) if row is not None else 0


def _folders_as_in_xnat(connection: sqlite3.Connection) -> None:
    """Schedule the moves of files of assessors and reconstructions to XNAT's folders.

    Before, an assessor's folder was named by its label, with sides of both in ``IN`` and ``OUT``,
    and other resources in ``RESOURCES``. All folders are first moved aside: the new place of one
    may be the old place of another.
    """
    done = connection.execute("SELECT 1 FROM setting WHERE name = 'layout' AND value = '2'")
    if done.fetchone():
        return
    moves = [(pk, old, new) for pk, old, new in _resource_folders(connection) if old != new]
    _move(connection, [(old, f'archive/.moving/{pk}') for pk, old, _ in moves])
    _move(connection, [(f'archive/.moving/{pk}', new) for pk, _, new in moves])
    connection.execute("INSERT OR REPLACE INTO setting (name, value) VALUES ('layout', '2')")


def _resource_folders(connection: sqlite3.Connection) -> Iterator[tuple[int, str, str]]:
    """Yield the number of each resource to move, with its old and its new folder."""
    taken: set[str] = set()
    query = (
        'SELECT resource.*, part.level, part.id, part.label AS own_label, session.project, '
        'coalesce(session.label, session.id) AS session FROM resource '
        'JOIN item AS part ON part.pk = resource.item JOIN item AS session '
        'ON session.pk = part.parent WHERE part.level IN (?, ?) '
        'ORDER BY part.pk, resource.side DESC, resource.pk'
    )
    for row in connection.execute(query, ('assessor', 'reconstruction')).fetchall():
        above = f'archive/{safe_name(row["project"])}/arc001/{safe_name(row["session"])}'
        name = safe_name(row['label']) if row['label'] else str(row['pk'])
        if row['level'] == 'assessor':
            home = f'{above}/ASSESSORS'
            old = f'{home}/{safe_name(row["own_label"] or row["id"])}'
            new = f'{home}/{safe_name(row["id"])}/{row["side"] or "out"}'
        else:
            old = new = f'{above}/PROCESSED/{safe_name(row["id"])}'
        place = f'{new}/{name}'
        if place in taken:  # the same label on both sides, which was possible
            place = f'{place}%{row["pk"]}'
            connection.execute(
                'UPDATE resource SET folder = ? WHERE pk = ?',
                (place.rpartition('/')[2], row['pk']),
            )
        taken.add(place)
        yield row['pk'], f'{old}/{row["side"].upper() or "RESOURCES"}/{name}', place


def _move(connection: sqlite3.Connection, moves: list[tuple[str, str]]) -> None:
    connection.executemany('INSERT INTO task (source, target) VALUES (?, ?)', moves)


def _ids_of_deleted_items(connection: sqlite3.Connection) -> None:
    """Keep the IDs of deleted items: those that are known from workflows."""
    connection.execute(
        'CREATE TABLE deleted_id '
        '(kind VARCHAR NOT NULL, id VARCHAR NOT NULL, PRIMARY KEY (kind, id))'
    )
    connection.execute(
        'INSERT OR IGNORE INTO deleted_id (kind, id) SELECT CASE data_type WHEN '
        "'xnat:subjectData' THEN 'subject' ELSE 'experiment' END, item FROM workflow "
        "WHERE data_type != 'xnat:projectData' AND item NOT IN (SELECT id FROM item)"
    )
    connection.execute(
        """CREATE TRIGGER item_deleted AFTER DELETE ON item
WHEN OLD.level IN ('subject', 'experiment', 'assessor')
OR EXISTS (SELECT 1 FROM item WHERE pk = OLD.parent AND OLD.level IN ('scan', 'reconstruction'))
BEGIN INSERT OR IGNORE INTO deleted_id (kind, id) VALUES (CASE OLD.level
WHEN 'subject' THEN 'subject' WHEN 'scan' THEN 'scan ' || OLD.parent
WHEN 'reconstruction' THEN 'reconstruction ' || OLD.parent ELSE 'experiment' END, OLD.id); END"""
    )


def _addresses_and_links(connection: sqlite3.Connection) -> None:
    """Mark addresses of users as verified or not, and keep digests of invitations.

    No address is verified at first: before, users could set any. An invitation of before has no
    link.
    """
    for name, sql in (('user', _USER), ('invitation', _INVITATION)):
        _define(connection, name, sql)


_USER = """CREATE TABLE user (
    pk INTEGER NOT NULL, login VARCHAR NOT NULL, password VARCHAR NOT NULL,
    firstname VARCHAR NOT NULL, lastname VARCHAR NOT NULL, email VARCHAR NOT NULL,
    enabled BOOLEAN NOT NULL, admin BOOLEAN NOT NULL, verified BOOLEAN DEFAULT '1' NOT NULL,
    email_verified BOOLEAN DEFAULT '0' NOT NULL, modified INTEGER DEFAULT '0' NOT NULL,
    PRIMARY KEY (pk), UNIQUE (login) )"""
_INVITATION = """CREATE TABLE invitation (
    pk INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, project VARCHAR NOT NULL,
    level VARCHAR NOT NULL, email VARCHAR NOT NULL, create_date VARCHAR NOT NULL,
    login VARCHAR NOT NULL, digest VARCHAR DEFAULT '' NOT NULL, approved BOOLEAN,
    approval_date VARCHAR )"""


STEPS: tuple[Step, ...] = (
    Step('The tables of archives before versions were numbered', _first_schema),
    Step('Files of assessors and reconstructions in the folders of XNAT', _folders_as_in_xnat),
    Step('IDs of deleted items', _ids_of_deleted_items),
    Step('Verified addresses, and the digests of links of invitations', _addresses_and_links),
)
"""The steps by number, from 1."""
VERSION = len(STEPS)
"""The version of new archives."""
