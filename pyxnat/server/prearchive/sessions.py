"""Sessions in the prearchive: their rows and their folders.

A session is stored in ``prearchive/<project>/<timestamp>/<session>/SCANS/<scan>/DICOM``, as in
XNAT. A file is renamed to its place in the transaction that writes its row. Folders are renamed and
removed by the task table after the commit. `mend` repairs the remains of a crash when the archive
is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.store import (
    arrival,
    arrival_file,
    arrival_log,
    arrival_scan,
    get_setting,
    now,
    put_setting,
)
from ..errors import Conflict, NotFound
from ..storage.file_area import FileArea, safe_name
from .waiting import image_rows

__all__ = [
    'BUSY',
    'UNASSIGNED',
    'Wish',
    'claim',
    'clean_label',
    'discard',
    'discard_all',
    'folder_of',
    'images_of',
    'mend',
    'move',
    'new',
    'note',
    'relocate',
    'scans_of',
    'set_status',
    'stamp',
]

UNASSIGNED = 'Unassigned'
"""XNAT's project of sessions without a project."""
BUSY = frozenset({'BUILDING', 'ARCHIVING', 'MOVING', 'DELETING'})
_LAST = 'last_prearchive_timestamp'
NO_LABEL = 'dicom_upload'
"""Default label of a session (XNAT's GradualDicomImporter)."""


class Wish(NamedTuple):
    """Target and options of a new session."""

    project: str | None
    name: str
    subject: str = ''
    folder: str = ''
    timestamp: str = ''
    autoarchive: str = 'Manual'
    more: Mapping[str, str] = {}
    """Further columns: source, visit, protocol, timezone, prevent_anon, prevent_auto_commit."""


def clean_label(text: str) -> str:
    """Return a text as a label: characters not in ``A-Za-z0-9_-`` become ``_``."""
    return re.sub(r'[^A-Za-z0-9_-]', '_', text.strip())[:64]


def stamp(moment: datetime) -> str:
    """Return a time as a prearchive folder name: ``yyyyMMdd_HHmmssSSS``."""
    return f'{moment:%Y%m%d_%H%M%S}{moment.microsecond // 1000:03d}'


# -- places


def folder_of(area: FileArea, row: Any) -> Path:
    """Return the folder of a session.

    Parameters
    ----------
    area : FileArea
        The file storage.
    row
        The session.
    """
    return (
        area.prearchive
        / safe_name(row.project or UNASSIGNED)
        / safe_name(row.timestamp)
        / safe_name(row.folder)
    )


def images_of(area: FileArea, row: Any, scan: str) -> Path:
    """Return the folder of a scan's images.

    Parameters
    ----------
    area : FileArea
        The file storage.
    row
        The session.
    scan : str
        ID of the scan.
    """
    return folder_of(area, row) / 'SCANS' / safe_name(scan) / 'DICOM'


def scans_of(connection: Connection, pk: int) -> Sequence[Any]:
    """Return the scans of a session in natural order of their IDs.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the session.
    """
    rows = connection.execute(select(arrival_scan).where(arrival_scan.c.arrival == pk)).all()
    return sorted(
        rows,
        key=lambda row: (
            [int(part) if part.isdecimal() else -1 for part in re.split(r'(\d+)', row.id)]
            + [row.pk]
        ),
    )


def relocate(archive: Archive, connection: Connection, source: Path, target: Path) -> None:
    """Schedule a rename after the commit.

    If the target folder exists, the members of the source are moved one by one.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    source, target : Path
        Paths of a folder or file.
    """
    if source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            relocate(archive, connection, child, target / child.name)
    elif source.exists():
        archive.store.later(
            connection, archive.files.relative(source), archive.files.relative(target)
        )


# -- creating


def new(connection: Connection, login: str, wish: Wish, tag: str) -> Any:
    """Create a session without images and return its row.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        Login of the uploader.
    wish : Wish
        Target and options. Its timestamp is used if it is free, else the current time.
    tag : str
        UID of the study.
    """
    wanted = wish.timestamp
    if not wanted or _is_used(connection, wanted):
        wanted = _new_timestamp(connection)
    values = {
        'project': wish.project,
        'timestamp': wanted,
        'folder': wish.folder or wish.name,
        'name': wish.name,
        'subject': wish.subject,
    }
    values |= {
        'tag': tag,
        'status': 'RECEIVING',
        'uploaded': now(),
        'lastmod': now(),
        'login': login,
        'autoarchive': wish.autoarchive,
    }
    return connection.execute(
        arrival.insert().values(**values, **wish.more).returning(arrival)
    ).one()


def _is_used(connection: Connection, timestamp: str) -> bool:
    query = select(arrival.c.pk).where(arrival.c.timestamp == timestamp)
    return connection.scalar(query) is not None


def _new_timestamp(connection: Connection) -> str:
    """Return the current time, or the next after the last one that was given.

    A session that has gone was known by its timestamp, and the clock may have been set back.
    """
    moment, last = datetime.now(), get_setting(connection, _LAST)
    if last and stamp(moment) <= last:
        moment = datetime.strptime(f'{last}000', '%Y%m%d_%H%M%S%f') + timedelta(milliseconds=1)
    while _is_used(connection, stamp(moment)):
        moment += timedelta(milliseconds=1)
    put_setting(connection, _LAST, stamp(moment))
    return stamp(moment)


# -- status and log


def claim(connection: Connection, pk: int, status: str) -> Any:
    """Lock a session for an operation and return its row.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the session.
    status : str
        Status during the operation, one of `BUSY`.

    Raises
    ------
    Conflict
        If another operation has it.
    NotFound
        If it does not exist.
    """
    row = connection.execute(select(arrival).where(arrival.c.pk == pk)).first()
    if row is None:
        raise NotFound('The session is no longer in the prearchive.')
    if row.status in BUSY:
        raise Conflict(f'The session {row.folder} is in use: {row.status}.')
    set_status(connection, pk, status)
    return row


def set_status(connection: Connection, pk: int, status: str, entry: str = '') -> None:
    """Set the status of a session and add a line to its log.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the session.
    status : str
        The new status.
    entry : str
        The line; by default none.
    """
    connection.execute(
        arrival.update().where(arrival.c.pk == pk).values(status=status, lastmod=now())
    )
    if entry:
        note(connection, pk, entry)


def note(connection: Connection, pk: int, entry: str) -> None:
    """Add a line to a session's log.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the session.
    entry : str
        The line.
    """
    connection.execute(arrival_log.insert().values(arrival=pk, time=now(), entry=entry))


# -- moving and removing


def move(archive: Archive, connection: Connection, pk: int, project: str | None) -> Any:
    """Move a session to another project and return its row.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    pk : int
        Key of the session.
    project : str or None
        ID of the project; None for none.
    """
    row = claim(connection, pk, 'MOVING')
    moved = connection.execute(
        arrival.update()
        .where(arrival.c.pk == pk)
        .values(project=project, status=row.status)
        .returning(arrival)
    ).one()
    note(connection, pk, f'Moved from {row.project or UNASSIGNED} to {project or UNASSIGNED}.')
    relocate(archive, connection, folder_of(archive.files, row), folder_of(archive.files, moved))
    return moved


def discard(archive: Archive, connection: Connection, pk: int) -> Any:
    """Remove a session with its images, and return its row.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    pk : int
        Key of the session.
    """
    row = claim(connection, pk, 'DELETING')
    connection.execute(arrival.delete().where(arrival.c.pk == pk))
    archive.store.later(connection, archive.files.relative(folder_of(archive.files, row)), None)
    return row


def discard_all(archive: Archive, connection: Connection, project: str) -> None:
    """Remove all sessions of a project.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    for pk in connection.scalars(select(arrival.c.pk).where(arrival.c.project == project)).all():
        discard(archive, connection, pk)


# -- mending


def mend(archive: Archive) -> None:
    """Make files and rows agree after a crash.

    Interrupted operations are undone: their sessions are RECEIVING again.
    """
    area = archive.files
    with archive.store.write() as connection:
        expected: dict[Path, Any] = {}
        for row in connection.execute(select(arrival)).all():
            for scan in scans_of(connection, row.pk):
                home = images_of(area, row, scan.id)
                expected.update(
                    {
                        area.file_path(home, image.path): image
                        for image in image_rows(connection, scan.pk)
                    }
                )
        area.reconcile(connection, area.prearchive, arrival_file, expected)
        full = select(arrival_file.c.scan)
        connection.execute(arrival_scan.delete().where(arrival_scan.c.pk.not_in(full)))
        connection.execute(
            arrival.delete().where(arrival.c.pk.not_in(select(arrival_scan.c.arrival)))
        )
        connection.execute(
            arrival.update().where(arrival.c.status.in_(BUSY)).values(status='RECEIVING')
        )
