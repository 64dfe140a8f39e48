"""Journal of an import, ``import.sqlite`` in its folder.

It has the UIDs of each file, whether the server has confirmed it, and the sessions that the server
made. Every confirmation is on disk before the next request, so that a run after a break sends the
rest.
"""

from __future__ import annotations

import filecmp
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from .headers import Header, NotDicom, read_header

__all__ = ['Batch', 'Comparison', 'Journal', 'Member', 'Place', 'Skipped', 'name_of']

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    study TEXT NOT NULL, series TEXT NOT NULL, instance TEXT NOT NULL,
    why_not TEXT NOT NULL, is_sent INTEGER NOT NULL, batch INTEGER, run INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS file_study ON file (study, series, path);
CREATE INDEX IF NOT EXISTS file_batch ON file (batch);
CREATE TABLE IF NOT EXISTS place (
    study TEXT NOT NULL, path TEXT NOT NULL, project TEXT NOT NULL, subject TEXT NOT NULL,
    label TEXT NOT NULL, archived TEXT NOT NULL, PRIMARY KEY (study, path)) WITHOUT ROWID;
"""
_ROWS = 1000
"""Rows written in one transaction."""
_LARGEST = 2**28
"""Bytes after which a batch ends."""
_TWICE = 'it is the same object as'
_DIFFERS = 'it has the SOPInstanceUID, but not the content, of'


class Member(NamedTuple):
    """File of a batch."""

    path: Path
    size: int
    instance: str


class Batch(NamedTuple):
    """Files of one request, all of one study."""

    number: int
    study: str


class Place(NamedTuple):
    """Session that the server made of a study."""

    path: str
    """Its path in the prearchive when it was received."""
    project: str = ''
    subject: str = ''
    label: str = ''
    """Its future label; empty until it is known."""
    archived: str = ''
    """URI of the experiment; empty until it is archived."""


class Skipped(NamedTuple):
    """File that is not sent."""

    path: Path
    why_not: str


class Comparison(NamedTuple):
    """Difference between the files of a study and a listing of the server."""

    missing: list[str]
    """Paths of files that the server lacks."""
    doubled: list[str]
    """Names that the server has more than once."""


def name_of(instance: str) -> str:
    """Return the name that a file gets on the server.

    It depends on the object alone: a file that is sent twice replaces itself, and two objects of a
    scan never have one name, also if the server writes both at a time.
    """
    return f'{instance}.dcm'


class Journal:
    """Journal of one import.

    Parameters
    ----------
    folder : Path
        The folder; created if missing.
    order : mapping of str to str
        Source and destination, which tell one import from another.

    Raises
    ------
    DataError
        The folder belongs to another import.
    """

    def __init__(self, folder: Path, order: Mapping[str, str]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            folder / 'import.sqlite', timeout=60, check_same_thread=False
        )
        self._connection.execute('PRAGMA synchronous = FULL')
        with self._transaction() as connection:
            connection.executescript(_TABLES)
            known = dict(connection.execute('SELECT name, value FROM about'))
            self._run = int(known.pop('run', '0')) + 1
            if known and known != dict(order):
                raise DataError(
                    f'{folder} is the state of another import: {_differences(known, order)}',
                    remedy='Give another folder as state.',
                )
            rows = [*order.items(), ('run', str(self._run))]
            connection.executemany('REPLACE INTO about VALUES (?, ?)', rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._connection as connection:
            yield connection

    # -- files

    def scan(self, paths: Iterable[Path], read: Callable[[Path], Header] = read_header) -> None:
        """Record the files of the source; headers of known files are not read again.

        A file that has changed since it was sent will be sent again.

        Parameters
        ----------
        paths : iterable of Path
            The files.
        read : callable
            Returns the UIDs of a file, or raises NotDicom.
        """
        left = iter(paths)
        while some := list(islice(left, _ROWS)):
            with self._transaction() as connection:
                for path in some:
                    self._record(connection, path, read)
        with self._transaction() as connection:
            connection.execute('DELETE FROM file WHERE run < ? AND is_sent = 0', (self._run,))
        self._mark_doubles()

    def _record(
        self, connection: sqlite3.Connection, path: Path, read: Callable[[Path], Header]
    ) -> None:
        stat = path.stat()
        now = (stat.st_size, stat.st_mtime_ns)
        query = 'SELECT size, mtime_ns FROM file WHERE path = ?'
        if connection.execute(query, (str(path),)).fetchone() == now:
            connection.execute('UPDATE file SET run = ? WHERE path = ?', (self._run, str(path)))
            return
        try:
            header, why_not = read(path), ''
        except NotDicom as error:
            header, why_not = Header('', '', ''), str(error)
        connection.execute(
            'REPLACE INTO file VALUES (?, ?, ?, ?, ?, ?, ?, 0, NULL, ?)',
            (str(path), *now, *header, why_not, self._run),
        )

    def _mark_doubles(self) -> None:
        """Let only one of several files with one object be sent.

        The one that was sent stays.
        """
        with self._transaction() as connection:
            doubles = connection.execute(
                'SELECT path, kept FROM (SELECT path, why_not, first_value(path) OVER ('
                'PARTITION BY study, instance ORDER BY is_sent DESC, path) AS kept '
                "FROM file WHERE instance != '') WHERE path != kept AND why_not = ''"
            ).fetchall()
            for path, kept in doubles:
                is_same = filecmp.cmp(path, kept, shallow=False)
                why_not = f'{_TWICE if is_same else _DIFFERS} {kept}'
                connection.execute('UPDATE file SET why_not = ? WHERE path = ?', (why_not, path))

    def skipped(self) -> list[Skipped]:
        """Return the files that are not sent, by path."""
        query = "SELECT path, why_not FROM file WHERE why_not != '' ORDER BY path"
        with self._transaction() as connection:
            return [Skipped(Path(path), why) for path, why in connection.execute(query)]

    def others(self) -> list[Skipped]:
        """Return the files that are no DICOM images, by path."""
        query = "SELECT path, why_not FROM file WHERE instance = '' ORDER BY path"
        with self._transaction() as connection:
            return [Skipped(Path(path), why) for path, why in connection.execute(query)]

    def count(self, study: str = '', *, is_sent: bool | None = None) -> int:
        """Return the number of files to send, or sent.

        Parameters
        ----------
        study : str
            UID of a study; by default all.
        is_sent : bool, optional
            Only those that the server has confirmed, or has not; by default both.
        """
        query = (
            "SELECT COUNT(*) FROM file WHERE why_not = '' AND ?1 IN (study, '') "
            'AND (?2 IS NULL OR is_sent = ?2)'
        )
        with self._transaction() as connection:
            return int(connection.execute(query, (study, is_sent)).fetchone()[0])

    def studies(self) -> list[str]:
        """Return the UIDs of the studies, in the order of their first files."""
        query = "SELECT study FROM file WHERE why_not = '' GROUP BY study ORDER BY MIN(path)"
        with self._transaction() as connection:
            return [study for (study,) in connection.execute(query)]

    # -- batches

    def plan(self, studies: Iterable[str], size: int) -> list[Batch]:
        """Divide the unconfirmed files of studies into batches, series by series.

        Parameters
        ----------
        studies : iterable of str
            UIDs of the studies.
        size : int
            Most files of a batch.
        """
        batches: list[Batch] = []
        with self._transaction() as connection:
            connection.execute('UPDATE file SET batch = NULL WHERE batch IS NOT NULL')
            for study in studies:
                first = len(batches)
                rows = connection.execute(
                    "SELECT path, size FROM file WHERE study = ? AND why_not = '' "
                    'AND NOT is_sent ORDER BY series, path',
                    (study,),
                )
                count = length = 0
                for path, file_size in rows.fetchall():
                    if first == len(batches) or count >= size or length >= _LARGEST:
                        batches.append(Batch(len(batches), study))
                        count = length = 0
                    count, length = count + 1, length + file_size
                    connection.execute(
                        'UPDATE file SET batch = ? WHERE path = ?', (batches[-1].number, path)
                    )
        return batches

    def members(self, batch: Batch) -> list[Member]:
        """Return the files of a batch."""
        query = 'SELECT path, size, instance FROM file WHERE batch = ? ORDER BY series, path'
        with self._transaction() as connection:
            rows = connection.execute(query, (batch.number,))
            return [Member(Path(path), size, instance) for path, size, instance in rows]

    def confirm(self, batch: Batch, places: Iterable[str]) -> None:
        """Record that the server has the files of a batch.

        Parameters
        ----------
        batch : Batch
            The batch.
        places : iterable of str
            Paths of the sessions that they are in.
        """
        with self._transaction() as connection:
            connection.execute('UPDATE file SET is_sent = 1 WHERE batch = ?', (batch.number,))
            connection.executemany(
                "INSERT OR IGNORE INTO place VALUES (?, ?, '', '', '', '')",
                [(batch.study, path) for path in places],
            )

    def send_again(self, study: str, paths: Iterable[str] | None = None) -> None:
        """Forget that files of a study were sent.

        Parameters
        ----------
        study : str
            UID of the study.
        paths : iterable of str, optional
            The files; by default all of the study, whose sessions are forgotten, too.
        """
        with self._transaction() as connection:
            if paths is None:
                connection.execute('UPDATE file SET is_sent = 0 WHERE study = ?', (study,))
                connection.execute('DELETE FROM place WHERE study = ?', (study,))
            else:
                connection.executemany(
                    'UPDATE file SET is_sent = 0 WHERE path = ?', [(path,) for path in paths]
                )

    # -- sessions

    def places(self, study: str) -> list[Place]:
        """Return the sessions that the server made of a study."""
        query = (
            'SELECT path, project, subject, label, archived FROM place WHERE study = ? '
            'ORDER BY path'
        )
        with self._transaction() as connection:
            return [Place(*row) for row in connection.execute(query, (study,))]

    def put_place(self, study: str, place: Place) -> None:
        """Store the state of a session.

        Parameters
        ----------
        study : str
            UID of its study.
        place : Place
            The session.
        """
        with self._transaction() as connection:
            connection.execute('REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)', (study, *place))

    def others_at(self, study: str, place: Place) -> list[str]:
        """Return the UIDs of other studies whose sessions have the same label.

        Parameters
        ----------
        study : str
            UID of the study.
        place : Place
            Its session.
        """
        query = 'SELECT study FROM place WHERE project = ? AND label = ? AND study != ?'
        with self._transaction() as connection:
            rows = connection.execute(query, (place.project, place.label, study))
            return [other for (other,) in rows]

    def compare(self, study: str, names: Iterable[str]) -> Comparison:
        """Compare the files of a study with names in a listing.

        Parameters
        ----------
        study : str
            UID of the study.
        names : iterable of str
            Names of files on the server.
        """
        with self._transaction() as connection:
            connection.execute('DROP TABLE IF EXISTS temp.listed')
            connection.execute('CREATE TEMP TABLE listed (name TEXT)')
            connection.executemany('INSERT INTO listed VALUES (?)', ((name,) for name in names))
            connection.execute('CREATE INDEX temp.listed_name ON listed (name)')
            ours = "FROM file WHERE study = ? AND why_not = ''"
            named = f"instance || '{name_of('')}'"
            missing = connection.execute(
                f'SELECT path {ours} AND {named} NOT IN (SELECT name FROM listed) ORDER BY path',
                (study,),
            )
            doubled = connection.execute(
                f'SELECT name FROM listed WHERE name IN (SELECT {named} {ours}) '
                'GROUP BY name HAVING COUNT(*) > 1 ORDER BY name',
                (study,),
            )
            return Comparison([row[0] for row in missing], [row[0] for row in doubled])


def _differences(known: Mapping[str, str], order: Mapping[str, str]) -> str:
    return ', '.join(
        f'{name} {json.dumps(known.get(name, ""))} instead of {json.dumps(order.get(name, ""))}'
        for name in sorted({*known, *order})
        if known.get(name) != order.get(name)
    )
