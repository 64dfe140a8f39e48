"""State of a mirror, in ``mirror/state.sqlite`` of its folder.

It has the base of every item and file: the version that both sides had in common last. If it is
lost, the next pull compares both sides without a base, and overwrites neither.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import BusyError, DataError
from .feed import Feed
from .parts import PARENT, PROJECT, SHARE

__all__ = ['Conflict', 'State', 'Unit']

_VERSION = '1'
_OF_DISK = {
    'disk is full': errno.ENOSPC,
    'disk I/O error': errno.EIO,
    'readonly database': errno.EROFS,
    'unable to open': errno.ENOENT,
}
"""Words of SQLite's errors, and the number that the system has for them."""
_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS unit (
    key TEXT PRIMARY KEY, project TEXT NOT NULL, id TEXT NOT NULL, label TEXT NOT NULL,
    there TEXT NOT NULL, here TEXT NOT NULL, files TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS thing (
    unit TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, fields TEXT NOT NULL,
    PRIMARY KEY (unit, kind, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS thing_key ON thing (key);
CREATE TABLE IF NOT EXISTS conflict (
    unit TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
    ours TEXT NOT NULL, theirs TEXT NOT NULL, PRIMARY KEY (unit, kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    unit TEXT NOT NULL, project TEXT NOT NULL, PRIMARY KEY (unit, project)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstone (unit TEXT PRIMARY KEY, label TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS feed (
    project TEXT PRIMARY KEY, since TEXT NOT NULL, entries TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS selection (path TEXT PRIMARY KEY, options TEXT NOT NULL);
"""


class Unit(NamedTuple):
    """A subject with all below it, or the fields and resources of a project."""

    key: str
    """``projects/P`` or ``subjects/XNAT_S00001``."""
    project: str
    id: str
    label: str
    there: str = ''
    """``last_modified`` at the remote when it was pulled; empty if not all of it was."""
    here: str = ''
    """``last_modified`` in the folder after that; empty if it has other content since."""
    files: str = ''
    """Files that are wanted, as `Files.text`."""

    @property
    def is_project(self) -> bool:
        """Whether it is the project itself."""
        return self.id == self.project

    @property
    def subject(self) -> str:
        """ID of the subject; empty for the project itself."""
        return '' if self.is_project else self.id


class Conflict(NamedTuple):
    """An item or file that both sides changed; neither was touched."""

    key: str
    """Key of the item, or URI of the file."""
    kind: str
    """``item`` or ``file``."""
    unit: str
    reason: str
    ours: dict[str, str]
    """Fields, or digest, in the folder; empty if it was deleted."""
    theirs: dict[str, str]
    """The same at the remote."""

    @property
    def id(self) -> str:
        """Accession ID of the item, or ID of the project; the key for scans and files."""
        _, _, name = self.key.partition('/')
        return name if name and '/' not in name else self.key


class State:
    """State of the mirror in one folder.

    Parameters
    ----------
    folder : Path
        The folder ``mirror``; created if missing.

    Attributes
    ----------
    before_change : callable or None
        Called before the base of a unit or item is replaced.

    Raises
    ------
    DataError
        A later version of pyxnat wrote it, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / 'state.sqlite'
        self._held = threading.local()
        self.before_change: Callable[[], None] | None = None
        with self._connected() as connection:
            connection.execute('PRAGMA journal_mode = WAL')
            connection.executescript(_TABLES)
        self.about = self._about()
        if self.about.setdefault('version', _VERSION) != _VERSION:
            raise DataError(
                f'{folder} is of version {self.about["version"]}, which this pyxnat does not know',
                remedy='Use the pyxnat that wrote it, or a later one.',
            )
        self._name(str(self._path.stat().st_ino))
        self.tell(**self.about)

    def _name(self, inode: str) -> None:
        """Give the mirror an ID of its own, and a copy of it another one.

        The number of its file shows a copy, as a renamed folder keeps it. That of the disk is left
        out: it may change when a machine starts.
        """
        if self.about.get('inode', inode) != inode:
            self.about['copy_of'] = self.about.pop('id')
        self.about.setdefault('id', uuid.uuid4().hex)
        self.about['inode'] = inode

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        held: sqlite3.Connection | None = getattr(self._held, 'connection', None)
        is_part = getattr(self._held, 'is_whole', False)
        with (
            self._explained(),
            nullcontext(held) if held else closing(self._connect()) as connection,
            nullcontext() if is_part else connection,
        ):
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Raise errors that name the file, or the remedy, in place of those of SQLite."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            for words, number in _OF_DISK.items():
                if words in str(error):
                    raise OSError(number, str(error), str(self._path)) from error
            if 'locked' in str(error):
                raise BusyError(
                    f'{self._path} is being written by another program', remedy='Try again later.'
                ) from error
            if not _is_damage(error):
                raise
            raise DataError(
                f'{self._path} is damaged: {error}',
                remedy='Delete it, and pull each project again with its path: both sides are '
                'compared then, and neither is overwritten.',
            ) from error

    def _connect(self) -> sqlite3.Connection:
        """Return a new connection; its commits do not wait for the disk.

        After a power cut the last ones may be missing, and both sides are compared again.
        """
        with self._explained():
            connection = sqlite3.connect(self._path, timeout=30)
            connection.execute('PRAGMA synchronous = NORMAL')
            return connection

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Use one connection for all calls of this thread while the block runs."""
        with closing(self._connect()) as connection:
            self._held.connection = connection
            try:
                yield
            finally:
                del self._held.connection

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Store all changes of the block at its end, and none after an error.

        Those of this thread.
        """
        with self.kept_open(), self._connected():
            self._held.is_whole = True
            try:
                yield
            finally:
                self._held.is_whole = False

    def _about(self) -> dict[str, str]:
        with self._connected() as connection:
            return dict(connection.execute('SELECT name, value FROM about'))

    def tell(self, **values: str) -> None:
        """Store facts about the mirror.

        URL and login of the remote, its own ID, and so on.
        """
        self.about |= values
        with self._connected() as connection:
            connection.executemany('REPLACE INTO about VALUES (?, ?)', list(values.items()))

    def units(self, project: str = '') -> dict[str, Unit]:
        """Return the units of a project, or all, by key."""
        query = (
            'SELECT key, project, id, label, there, here, files FROM unit '
            "WHERE ?1 IN (project, '') ORDER BY key"
        )
        with self._connected() as connection:
            return {row[0]: Unit(*row) for row in connection.execute(query, (project,))}

    def waiting(self, project: str) -> list[Unit]:
        """Return the units with shares into a project that the folder did not have."""
        query = (
            'SELECT key, project, id, label, there, here, files FROM unit '
            'WHERE key IN (SELECT unit FROM waiting WHERE waiting.project = ?) ORDER BY key'
        )
        with self._connected() as connection:
            return [Unit(*row) for row in connection.execute(query, (project,))]

    def unit_of(self, key: str) -> Unit | None:
        """Return the unit whose base has an item."""
        query = (
            'SELECT key, project, id, label, there, here, files FROM unit '
            "WHERE key IN (SELECT unit FROM thing WHERE kind = 'item' AND thing.key = ?)"
        )
        with self._connected() as connection:
            found = connection.execute(query, (key,)).fetchone()
        return None if found is None else Unit(*found)

    def base(self, unit: str, kind: str) -> dict[str, dict[str, str]]:
        """Return the base of the items or files of a unit.

        Parameters
        ----------
        unit : str
            Key of the unit.
        kind : str
            ``item``, ``file``, ``access`` (who may read a project), or ``mark``, of an item of the
            folder when it was found in conflict.
        """
        with self._connected() as connection:
            rows = connection.execute(
                'SELECT key, fields FROM thing WHERE unit = ? AND kind = ?', (unit, kind)
            )
            return {key: json.loads(fields) for key, fields in rows}

    def put(
        self,
        unit: Unit,
        bases: Mapping[str, Mapping[str, Mapping[str, str]]],
        conflicts: Iterable[Conflict],
        waiting: Iterable[str] = (),
    ) -> None:
        """Store a unit with its base and its conflicts, in place of those before.

        Parameters
        ----------
        unit : Unit
            The unit.
        bases : mapping
            Kind -> key -> fields. The base of a kind that is missing stays.
        conflicts : iterable of Conflict
            All conflicts of the unit.
        waiting : iterable of str
            Projects that the folder does not have, into which its items are shared.
        """
        if self.before_change is not None:
            self.before_change()
        with self._connected() as connection:
            connection.execute('REPLACE INTO unit VALUES (?, ?, ?, ?, ?, ?, ?)', unit)
            for kind, things in bases.items():
                connection.execute(
                    'DELETE FROM thing WHERE unit = ? AND kind = ?', (unit.key, kind)
                )
                connection.executemany(
                    'INSERT INTO thing VALUES (?, ?, ?, ?)',
                    [(unit.key, kind, key, json.dumps(dict(f))) for key, f in things.items()],
                )
            _take_from_others(connection, unit.key)
            for table in ('conflict', 'waiting'):
                connection.execute(f'DELETE FROM {table} WHERE unit = ?', (unit.key,))
            connection.executemany(
                'INSERT INTO waiting VALUES (?, ?)', [(unit.key, project) for project in waiting]
            )
            _add_conflicts(connection, conflicts)
            connection.execute('DELETE FROM tombstone WHERE unit = ?', (unit.key,))

    def rebase(self, unit: str, kind: str, key: str, fields: Mapping[str, str] | None) -> None:
        """Store the base of one item or file, and end its conflict.

        Parameters
        ----------
        unit : str
            Key of its unit.
        kind : str
            ``item`` or ``file``.
        key : str
            Its key.
        fields : mapping or None
            The base; None for one that neither side has.
        """
        place = (unit, kind, key)
        if self.before_change is not None:
            self.before_change()
        with self._connected() as connection:
            for table in ('thing', 'conflict'):
                connection.execute(
                    f'DELETE FROM {table} WHERE unit = ? AND kind = ? AND key = ?', place
                )
            if fields is not None:
                connection.execute(
                    'INSERT INTO thing VALUES (?, ?, ?, ?)', (*place, json.dumps(dict(fields)))
                )
                _take_from_others(connection, unit)

    def rebase_field(self, key: str, name: str, text: str | None) -> None:
        """Change a field of an item in its base; nothing if the item has none.

        Parameters
        ----------
        key : str
            Key of the item.
        name : str
            Name of the field.
        text : str or None
            Its text; None removes it.
        """
        unit = self.unit_of(key)
        if unit is not None:
            fields = self.base(unit.key, 'item')[key]
            fields.pop(name, None)
            fields |= {} if text is None else {name: text}
            with self._connected() as connection:
                connection.execute(
                    "UPDATE thing SET fields = ? WHERE unit = ? AND kind = 'item' AND key = ?",
                    (json.dumps(fields), unit.key, key),
                )

    def move(self, unit: Unit, project: str) -> None:
        """Record that a subject has moved to another project, with its sessions.

        Parameters
        ----------
        unit : Unit
            The subject before.
        project : str
            ID of the project that has it now.
        """
        start, after = f'/data/projects/{unit.project}/', f'/data/projects/{project}/'
        moved = [
            (json.dumps({**fields, PROJECT: project}), unit.key, key)
            for key, fields in self.base(unit.key, 'item').items()
            if fields.get(PROJECT) == unit.project
        ]
        with self._connected() as connection:
            connection.execute('UPDATE unit SET project = ? WHERE key = ?', (project, unit.key))
            connection.execute(
                "UPDATE thing SET key = ? || substr(key, ?) WHERE unit = ? AND kind = 'file'",
                (after, len(start) + 1, unit.key),
            )
            connection.executemany(
                "UPDATE thing SET fields = ? WHERE unit = ? AND kind = 'item' AND key = ?", moved
            )

    def forget_bases(self) -> None:
        """Remove the base of all units: the next pull compares them without one."""
        with self._connected() as connection:
            connection.execute('DELETE FROM thing')
            connection.execute("UPDATE unit SET there = '', here = ''")

    def recompare(self, unit: str) -> None:
        """Let the next push compare a unit, whatever its mark in the folder."""
        with self._connected() as connection:
            connection.execute("UPDATE unit SET here = '' WHERE key = ?", (unit,))

    def forget(self, unit: str) -> None:
        """Remove a unit with its base: for the next pull or push it is new."""
        with self._connected() as connection:
            _forget(connection, unit)

    def forget_project(self, project: str) -> None:
        """Remove all units of a project, and what other units have of it.

        Its sessions, and shares into it: these wait for it, as if it had never been there.

        Parameters
        ----------
        project : str
            ID of the project.
        """
        for key in self.units(project):
            self.forget(key)
        with self._connected() as connection:
            rows = connection.execute("SELECT unit, key, fields FROM thing WHERE kind = 'item'")
            found = [(unit, key, json.loads(fields)) for unit, key, fields in rows]
            share = f'{SHARE}{project}'
            gone = {(unit, key) for unit, key, fields in found if fields.get(PROJECT) == project}
            gone |= {
                (unit, key) for unit, key, fields in found if (unit, fields.get(PARENT)) in gone
            }
            shared = [one for one in found if share in one[2] and one[:2] not in gone]
            for unit, key in gone:
                _remove(connection, unit, key)
            for unit, key, fields in shared:
                del fields[share]
                connection.execute(
                    "UPDATE thing SET fields = ? WHERE unit = ? AND kind = 'item' AND key = ?",
                    (json.dumps(fields), unit, key),
                )
            units = {unit for unit, _ in gone} | {unit for unit, *_ in shared}
            connection.executemany(
                'REPLACE INTO waiting VALUES (?, ?)', [(unit, project) for unit in units]
            )

    def bury(self, unit: Unit) -> None:
        """Replace a unit that the remote deleted by a tombstone."""
        with self._connected() as connection:
            _forget(connection, unit.key)
            connection.execute('REPLACE INTO tombstone VALUES (?, ?)', (unit.key, unit.label))

    def select(self, path: str, options: Mapping[str, object]) -> None:
        """Store a selection, for pulls without arguments.

        Parameters
        ----------
        path : str
            Its path.
        options : mapping
            Its ``where`` and ``files``.
        """
        with self._connected() as connection:
            connection.execute(
                'REPLACE INTO selection VALUES (?, ?)', (path, json.dumps(dict(options)))
            )

    def deselect(self, path: str) -> None:
        """Remove a selection."""
        with self._connected() as connection:
            connection.execute('DELETE FROM selection WHERE path = ?', (path,))

    def selections(self) -> dict[str, dict[str, Any]]:
        """Return the options of each stored selection, by its path."""
        with self._connected() as connection:
            rows = connection.execute('SELECT path, options FROM selection ORDER BY path')
            return {path: json.loads(options) for path, options in rows}

    def feed(self, project: str) -> Feed | None:
        """Return the feed of changes from which the next pull goes on.

        None for the first.
        """
        query = 'SELECT since, entries FROM feed WHERE project = ?'
        with self._connected() as connection:
            found = connection.execute(query, (project,)).fetchone()
        return None if found is None else Feed(found[0], frozenset(json.loads(found[1])))

    def put_feed(self, project: str, feed: Feed, changed: Iterable[str]) -> None:
        """Store the feed from which the next pull goes on.

        Parameters
        ----------
        project : str
            ID of the project.
        feed : Feed
            The feed.
        changed : iterable of str
            Units that it names: they lose their marks, and so are pulled, also by a later pull if
            this one is interrupted.
        """
        with self._connected() as connection:
            entries = json.dumps(sorted(feed.entries))
            connection.execute('REPLACE INTO feed VALUES (?, ?, ?)', (project, feed.since, entries))
            _unmark(connection, changed)

    def want(self, files: Mapping[str, str]) -> None:
        """Store which files units get.

        Those that had others are pulled, also by a later pull.

        Parameters
        ----------
        files : mapping
            Key of each unit to its `Unit.files`.
        """
        with self._connected() as connection:
            connection.executemany(
                "UPDATE unit SET files = ?1, there = '' WHERE key = ?2 AND files <> ?1",
                [(text, key) for key, text in files.items()],
            )

    def unmark(self, units: Iterable[str]) -> None:
        """Remove the marks of units at the server, so that the next pull compares them."""
        with self._connected() as connection:
            _unmark(connection, units)

    def units_of(self, ids: Iterable[str]) -> set[str]:
        """Return the keys of units whose base has sessions or assessors of these IDs."""
        query = (
            "SELECT unit FROM thing WHERE kind = 'item' "
            "AND key IN ('experiments/' || ?1, 'assessors/' || ?1)"
        )
        with self._connected() as connection:
            return {unit for name in ids for (unit,) in connection.execute(query, (name,))}

    def assessors(self) -> dict[str, tuple[str, str]]:
        """Return key and project of the unit of each assessor that has a base, by ID."""
        query = (
            'SELECT thing.key, unit.key, unit.project FROM thing JOIN unit ON unit.key = unit '
            "WHERE kind = 'item' AND thing.key GLOB 'assessors/*'"
        )
        with self._connected() as connection:
            rows = connection.execute(query)
            return {key.partition('/')[2]: (unit, project) for key, unit, project in rows}

    def experiments(self, project: str) -> set[str]:
        """Return the IDs of the sessions and assessors of a project that have a base."""
        query = (
            "SELECT key, fields FROM thing WHERE kind = 'item' AND key NOT GLOB '*/*/*' "
            "AND (key GLOB 'experiments/*' OR key GLOB 'assessors/*')"
        )
        with self._connected() as connection:
            return {
                key.partition('/')[2]
                for key, fields in connection.execute(query)
                if json.loads(fields).get(PROJECT) == project
            }

    def tombstones(self) -> dict[str, str]:
        """Return the label of each unit that the remote deleted, by key."""
        with self._connected() as connection:
            return dict(connection.execute('SELECT unit, label FROM tombstone'))

    def add_conflicts(self, conflicts: Iterable[Conflict]) -> None:
        """Store conflicts beside those of earlier pulls."""
        with self._connected() as connection:
            _add_conflicts(connection, conflicts)

    def end_conflicts(self, key: str, reason: str) -> None:
        """Remove the conflicts of an item for a reason, of all units.

        Parameters
        ----------
        key : str
            Key of the item.
        reason : str
            The reason.
        """
        with self._connected() as connection:
            connection.execute('DELETE FROM conflict WHERE key = ? AND reason = ?', (key, reason))

    def conflicts(self) -> list[Conflict]:
        """Return all conflicts, in the order of their keys."""
        query = 'SELECT key, kind, unit, reason, ours, theirs FROM conflict ORDER BY key'
        with self._connected() as connection:
            return [
                Conflict(*row[:4], *map(json.loads, row[4:])) for row in connection.execute(query)
            ]


def _forget(connection: sqlite3.Connection, unit: str) -> None:
    for table in ('thing', 'conflict', 'waiting'):
        connection.execute(f'DELETE FROM {table} WHERE unit = ?', (unit,))
    connection.execute('DELETE FROM unit WHERE key = ?', (unit,))


def _add_conflicts(connection: sqlite3.Connection, conflicts: Iterable[Conflict]) -> None:
    connection.executemany(
        'REPLACE INTO conflict VALUES (?, ?, ?, ?, ?, ?)',
        [(one.unit, one.kind, one.key, one.reason, *map(json.dumps, one[4:])) for one in conflicts],
    )


def _unmark(connection: sqlite3.Connection, units: Iterable[str]) -> None:
    connection.executemany("UPDATE unit SET there = '' WHERE key = ?", [(key,) for key in units])


def _take_from_others(connection: sqlite3.Connection, unit: str) -> None:
    """Remove a unit's items, and its sessions' files, from the base of other units.

    An item has one base, also after it has moved.
    """
    moved = connection.execute(
        "SELECT unit, key FROM thing WHERE kind = 'item' AND unit <> ?1 AND key IN "
        "(SELECT key FROM thing WHERE unit = ?1 AND kind = 'item')",
        (unit,),
    ).fetchall()
    for other, key in moved:
        _remove(connection, other, key)


def _remove(connection: sqlite3.Connection, unit: str, key: str) -> None:
    """Remove an item of a unit, and all files below it, with their conflicts."""
    for table in ('thing', 'conflict'):
        connection.execute(
            f'DELETE FROM {table} WHERE unit = ? '
            "AND (kind = 'item' AND key = ? OR kind = 'file' AND instr(key, ?))",
            (unit, key, f'/{key}/'),
        )


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether an error shows that a file is none of SQLite's, or of others.

    A file of others has other tables.
    """
    if isinstance(error, sqlite3.OperationalError):  # or a lock, or a full disk
        return any(words in str(error) for words in ('no such', 'no column', ' columns but '))
    return type(error) is sqlite3.DatabaseError
