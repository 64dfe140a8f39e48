"""Check that the rows and files of an archive agree.

It only reads, and may run beside a server. Then a finding counts only if it is still there later: a
file may be on its way while the check looks.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import DatabaseError

from ..db.migrations import VERSION
from ..db.schema import task
from ..db.store import ArchiveBusy, folder_lock
from ..storage.file_area import FileArea, md5_of
from .inventory import DATABASE, Stored, opened, stored_files
from .references import dangling, twins

__all__ = ['Finding', 'Report', 'check', 'is_served', 'scan']

AGAIN_S = 0.2
"""Seconds until findings beside a server are looked at again."""
LOOKS = 3


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
    report, looks = scan(folder, deep), 1
    while report.findings and looks < LOOKS and is_served(folder):
        time.sleep(AGAIN_S)
        again = scan(folder, deep, {one.place for one in report.findings})
        known = {one[:2] for one in report.findings}
        report = again._replace(findings=[one for one in again.findings if one[:2] in known])
        looks += 1
    return report


def scan(folder: Path, deep: bool, only: set[str] | None = None) -> Report:
    """Look at an archive once.

    Parameters
    ----------
    folder : Path
        Its folder.
    deep : bool
        Whether digests are compared.
    only : set[str] | None
        Paths whose digests are compared; None for all.
    """
    try:
        with opened(folder) as engine, engine.connect() as connection:
            area = FileArea(folder)
            found = [*_of_database(connection)]
            files = list(stored_files(connection, area))
            if not is_served(folder):
                found += _unfinished(connection, area)
    except (sqlite3.DatabaseError, DatabaseError) as error:
        damaged = Finding('damaged database', DATABASE, f'{error}: restore a backup')
        return Report(str(folder), VERSION, 0, [damaged])
    found += _of_files(area, files, deep, only)
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
    area: FileArea, files: Iterable[Stored], deep: bool, only: set[str] | None
) -> Iterator[Finding]:
    expected: dict[Path, Stored] = {}
    for one in files:
        name = area.relative(one.path)
        if one.path in expected:
            yield _finding('two rows', name, 'another row has the same place', one.table, one.row)
            continue
        expected[one.path] = one
        yield from _of_file(one, name, deep and (only is None or name in only))
    for root in (area.root, area.prearchive):
        for path in _below(root):
            if path not in expected:
                yield Finding('file without a row', area.relative(path), _bytes(path))


def _below(root: Path) -> Iterator[Path]:
    for above, _, names in os.walk(root):
        yield from (Path(above, name) for name in sorted(names))


def _bytes(path: Path) -> str:
    try:
        return f'{path.stat().st_size} bytes'
    except FileNotFoundError:
        return 'gone since'


def _of_file(one: Stored, name: str, deep: bool) -> Iterator[Finding]:
    row = one.row
    try:
        size = one.path.stat().st_size if one.path.is_file() else None
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
