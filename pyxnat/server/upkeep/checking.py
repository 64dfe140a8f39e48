"""Check that the rows and files of an archive agree.

It changes nothing, and may run beside a server. A file may be on its way then, so findings of files
are looked at again with the write lock of the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select

from ..db.folder_locks import ArchiveBusy, folder_lock
from ..db.migrations import VERSION
from ..db.schema import task
from ..db.store import DATABASE_ERRORS, connect_to_write
from ..storage.file_area import FileArea, md5_of
from .inventory import DATABASE, Stored, files_below, is_unfetched, opened, stored_files
from .references import dangling, twins

__all__ = ['Finding', 'Report', 'check', 'is_served', 'scan']

TRIES, WAIT_S = 50, 0.1
"""How often, and how many seconds apart, work that follows a commit is waited for."""
_PASSING = frozenset(
    {'missing file', 'size differs', 'digest differs', 'file without a row', 'two rows'}
)
"""Findings that a server may cause for a moment."""


class Finding(NamedTuple):
    """One disagreement."""

    kind: str
    place: str
    """Path in the folder, or table and row."""
    detail: str
    table: str = ''
    pk: int = 0


class Report(NamedTuple):
    """Result of a check or repair."""

    folder: str
    version: int
    files: int
    findings: Sequence[Finding]
    mended: Sequence[Finding] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the report as values for JSON."""
        names = ('kind', 'place', 'detail')
        return {
            'folder': self.folder,
            'version': self.version,
            'files': self.files,
            **{
                part: [{name: getattr(one, name) for name in names} for one in found]
                for part, found in (('findings', self.findings), ('mended', self.mended))
            },
        }

    def as_text(self) -> str:
        """Return the report as lines."""
        lines = [f'mended: {one.kind}: {one.place}: {one.detail}' for one in self.mended]
        lines += [f'{one.kind}: {one.place}: {one.detail}' for one in self.findings]
        number = len(self.findings)
        count = f'{number} finding{"s" * (number != 1)}' if number else 'no findings'
        return '\n'.join(
            [*lines, f'{self.folder}: version {self.version}, {self.files} files: {count}']
        )


def is_served(folder: Path) -> bool:
    """Whether a process serves an archive."""
    try:
        folder_lock(folder).close()
    except ArchiveBusy:
        return True
    return False


def check(folder: Path, deep: bool = False) -> Report:
    """Check an archive.

    Parameters
    ----------
    folder : Path
        Its folder.
    deep : bool
        Whether files are read, and their digests compared.

    Raises
    ------
    FileNotFoundError
        If the folder has no archive.
    ValueError
        If it has to be migrated first.
    """
    report = scan(folder, deep)
    passing = {one.place for one in report.findings if one.kind in _PASSING}
    if not passing or not is_served(folder):
        return report
    stay = [one for one in report.findings if one.kind not in _PASSING]
    return report._replace(findings=stay + _locked_look(folder, deep, passing))


def _locked_look(folder: Path, deep: bool, places: set[str]) -> list[Finding]:
    """Look at some paths while no server moves files.

    The write lock of the database is held.
    """
    area = FileArea(folder)
    for _ in range(TRIES):
        with (
            opened(folder) as engine,
            connect_to_write(engine) as connection,
            connection.begin(),
        ):
            if connection.execute(select(task)).first() is None:
                return list(_of_files(area, stored_files(connection, area), deep, places))
        time.sleep(WAIT_S)
    return [Finding('unfinished work', DATABASE, 'folders wait to be moved')]


def scan(folder: Path, deep: bool) -> Report:
    """Look at an archive once.

    Parameters
    ----------
    folder : Path
        Its folder.
    deep : bool
        Whether digests are compared.
    """
    try:
        with opened(folder) as engine, engine.connect() as connection:
            area = FileArea(folder)
            found = [*_of_database(connection)]
            files = list(stored_files(connection, area))
            if not is_served(folder):
                found += _unfinished(connection, area)
    except DATABASE_ERRORS as error:
        damaged = Finding('damaged database', DATABASE, f'{error}: restore a backup')
        return Report(str(folder), VERSION, 0, [damaged])
    found += _of_files(area, files, deep, None)
    return Report(str(folder), VERSION, len(files), found)


def _of_database(connection: Connection) -> Iterator[Finding]:
    for (text,) in connection.exec_driver_sql('PRAGMA integrity_check'):
        if text != 'ok':
            yield Finding('damaged database', DATABASE, text)
    for table, rowid, missing in dangling(connection):
        place = f'{table.name} {rowid}'
        yield Finding('dangling row', place, f'{missing} does not exist', table.name, rowid)
    for table, text in twins(connection):
        yield Finding('duplicate', table.name, text)


def _unfinished(connection: Connection, area: FileArea) -> Iterator[Finding]:
    for row in connection.execute(select(task)):
        does = f'move to {row.target}' if row.target else 'remove'
        yield Finding('unfinished work', row.source, f'{does}: the next start does it')
    for path in sorted(area.staging.iterdir()):
        yield Finding('unfinished upload', area.relative(path), 'the next start removes it')


def _of_files(
    area: FileArea, files: Iterable[Stored], deep: bool, places: set[str] | None
) -> Iterator[Finding]:
    """Yield the findings of some paths, or of all for None."""
    expected: set[str] = set()
    for one in files:
        name = area.relative(one.path)
        if places is not None and name not in places:
            continue
        if name in expected:
            yield _finding('two rows', name, 'another row has the same place', one.table, one.row)
            continue
        expected.add(name)
        yield from _of_file(one, name, deep)
    unread: list[OSError] = []
    for path in _present(area, places, unread):
        if area.relative(path) not in expected:
            yield Finding('file without a row', area.relative(path), _bytes(path))
    for error in unread:
        yield Finding('unreadable folder', area.relative(Path(error.filename)), str(error.strerror))


def _present(area: FileArea, places: set[str] | None, unread: list[OSError]) -> Iterator[Path]:
    """Yield the files that are there; add the errors of folders that are unreadable."""
    if places is None:
        yield from files_below(area.root, unread.append)
        yield from files_below(area.prearchive, unread.append)
        return
    yield from (path for path in (area.folder / name for name in places) if path.is_file())


def _bytes(path: Path) -> str:
    try:
        return f'{path.stat().st_size} bytes'
    except FileNotFoundError:
        return 'gone since'


def _of_file(one: Stored, name: str, deep: bool) -> Iterator[Finding]:
    row = one.row
    try:
        size = one.path.stat().st_size if one.path.is_file() else None
        if size is None and is_unfetched(one):
            return
        if size is None:
            detail = f'its row has {row.size} bytes, MD5 {row.digest}'
            yield _finding('missing file', name, detail, one.table, row)
        elif size != row.size:
            detail = f'{size} bytes, its row has {row.size}'
            yield _finding('size differs', name, detail, one.table, row)
        elif deep:
            with one.path.open('rb') as content:
                digest = md5_of(content)
            if digest != row.digest:
                detail = f'MD5 {digest}, its row has {row.digest}'
                yield _finding('digest differs', name, detail, one.table, row)
    except FileNotFoundError:
        yield _finding('missing file', name, 'gone since', one.table, row)


def _finding(kind: str, name: str, detail: str, table: Table, row: Any) -> Finding:
    return Finding(kind, name, detail, table.name, row.pk)
