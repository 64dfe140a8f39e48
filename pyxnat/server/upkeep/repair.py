"""Mend an archive whose rows and files disagree.

Nothing is thrown away: files without a row are moved to ``recovered``, and rows that are deleted or
changed are written to a file there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, literal_column, select

from ..archive import Archive
from ..db.rows import update_row
from ..db.schema import METADATA
from ..prearchive import sessions
from ..private_files import make_folder, open_private
from ..storage.file_area import md5_of
from .checking import Finding, Report, check, scan

__all__ = ['repair']

_ROUNDS = 5
"""Rounds at most: a deleted row may leave files without a row."""
_OTHER = ('size differs', 'digest differs')
_GONE = ('missing file', 'dangling row')


def repair(folder: Path, deep: bool = False) -> Report:
    """Mend an archive, and report all that was mended and all that could not be.

    Parameters
    ----------
    folder : Path
        Its folder.
    deep : bool
        Whether files are read, and their digests compared.

    Raises
    ------
    ArchiveBusy
        If a server serves it.
    FileNotFoundError
        If the folder has no archive.
    ValueError
        If it has to be migrated first.
    """
    before = check(folder, deep)
    if any(one.kind == 'damaged database' for one in before.findings):
        return before
    archive = Archive(folder)  # finishes the work of a process that was killed
    try:
        if archive.was_crashed:
            sessions.mend(archive)
        left = scan(folder, deep)
        for _ in range(_ROUNDS):
            if not _mend(archive, left.findings):
                break
            left = scan(folder, deep)
    finally:
        archive.close()
    after = check(folder, deep)
    known = {one[:2] for one in after.findings}
    return after._replace(mended=[one for one in before.findings if one[:2] not in known])


def _mend(archive: Archive, findings: Sequence[Finding]) -> bool:
    """Mend the findings that can be; return whether any was."""
    rows: list[dict[str, Any]] = []
    done = False
    with archive.store.write() as connection:
        for one in findings:
            if one.kind == 'file without a row':
                archive.files.recover(archive.folder / one.place)
                done = True
            elif one.kind in _GONE or one.kind in _OTHER:
                rows.append(_mend_row(archive, connection, one))
        if rows:
            _keep(archive.files.recovered, rows)
    return done or bool(rows)


def _mend_row(archive: Archive, connection: Connection, one: Finding) -> dict[str, Any]:
    """Delete or change a row; return it as it was."""
    table: Table = METADATA.tables[one.table]
    rowid = literal_column('rowid') == one.pk
    row = connection.execute(select(table).where(rowid)).mappings().first()
    if one.kind in _OTHER:
        path = archive.folder / one.place
        with path.open('rb') as content:
            digest = md5_of(content)
        state = path.stat()
        values = {'size': state.st_size, 'mtime_ns': state.st_mtime_ns, 'digest': digest}
        update_row(connection, table, one.pk, **values)
    else:
        connection.execute(table.delete().where(rowid))
    return {'table': one.table, 'why': one.kind, 'row': dict(row or {})}


def _keep(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    make_folder(folder)
    path = folder / f'rows-{datetime.now():%Y%m%d_%H%M%S_%f}.json'
    with open_private(path, 'wb') as target:
        target.write(json.dumps(rows, indent=1, default=str).encode('utf-8'))
