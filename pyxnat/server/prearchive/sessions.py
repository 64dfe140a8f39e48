"""Sessions in the prearchive: their rows and their folders.

A session is stored in ``prearchive/<project>/<timestamp>/<session>/SCANS/<scan>/DICOM``, as in
XNAT. A file is renamed to its place in the transaction that writes its row. Folders are renamed and
removed by the task table after the commit. `mend` repairs the remains of a crash when the archive
is opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.store import arrival, arrival_file, arrival_log, arrival_scan, now
from ..errors import Conflict, NotFound
from ..storage.dicom_headers import (
    Header,
    NotDicom,
    fields_for,
    lead_modality,
    read,
    scan_type,
    scan_values,
    session_type,
    session_values,
)
from ..storage.file_area import FileArea, Staged, safe_name

__all__ = [
    'BUSY',
    'UNASSIGNED',
    'Object',
    'Wish',
    'add',
    'build',
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
NO_LABEL = 'dicom_upload'
"""Default label of a session (XNAT's GradualDicomImporter)."""
_MAX_NAME = 200


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


class Object(NamedTuple):
    """DICOM object of an upload."""

    name: str
    staged: Staged
    header: Header


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


# -- receiving


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
    moment = datetime.now()
    used = select(arrival.c.pk)
    wanted = wish.timestamp or stamp(moment)
    while connection.scalar(used.where(arrival.c.timestamp == wanted)) is not None:
        moment += timedelta(milliseconds=1)
        wanted = stamp(moment)
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


def add(archive: Archive, connection: Connection, row: Any, objects: Sequence[Object]) -> set[Path]:
    """Add objects to a session and write their rows.

    An object with the name and instance UID of another replaces it, as in XNAT.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    row
        The session.
    objects : Sequence[Object]
        The objects; their staged files are moved.

    Returns
    -------
    set[Path]
        The paths of the new files before the commit.
    """
    area = archive.files
    homes = _scan_folders(archive, connection, row, objects)
    names = {pk: _used_names(connection, pk) for pk, _ in homes.values()}
    rows: list[dict[str, Any]] = []
    placed = set()
    for received in objects:
        scan, home = homes[received.header.series]
        path, known = _file_name(received, names[scan])
        target = area.file_path(home, path)
        mtime_ns = area.place(received.staged, target)
        placed.add(target)
        header = received.header
        values = {
            'scan': scan,
            'path': path,
            'size': received.staged.size,
            'digest': received.staged.digest,
            'mtime_ns': mtime_ns,
        }
        values |= {
            name: getattr(header, name)
            for name in ('instance', 'sop_class', 'modality', 'place', 'frames')
        }
        if known:
            connection.execute(
                arrival_file.delete().where(
                    arrival_file.c.scan == scan, arrival_file.c.path == path
                )
            )
            rows = [other for other in rows if (other['scan'], other['path']) != (scan, path)]
        rows.append(values)
        names[scan][path.casefold()] = (path, header.instance)
    if rows:
        connection.execute(arrival_file.insert(), rows)
    connection.execute(
        arrival.update().where(arrival.c.pk == row.pk).values(status='RECEIVING', lastmod=now())
    )
    return placed


def _used_names(connection: Connection, scan: int) -> dict[str, tuple[str, str]]:
    query = select(arrival_file.c.path, arrival_file.c.instance).where(arrival_file.c.scan == scan)
    return {path.casefold(): (path, instance) for path, instance in connection.execute(query)}


def _file_name(one: Object, taken: Mapping[str, tuple[str, str]]) -> tuple[str, bool]:
    """Return an object's name in its scan, and whether it replaces a file.

    It is the object's own name, unless another object has that.
    """
    instance = one.header.instance
    name = re.sub(
        r'[\x00-\x1f/\\\ud800-\udfff]', '_', one.name.replace('\\', '/').rpartition('/')[2]
    ).lstrip('.')[:_MAX_NAME]
    while len(name.encode()) > _MAX_NAME:
        name = name[:-1]
    number = 0
    name = name or f'{instance}.dcm'
    while (known := taken.get(name.casefold())) is not None and known != (name, instance):
        number += 1
        name = f'{instance}.dcm' if number == 1 else f'{instance}-{number}.dcm'
    return name, known is not None


def _scan_folders(
    archive: Archive, connection: Connection, row: Any, objects: Iterable[Object]
) -> dict[str, tuple[int, Path]]:
    """Return the scan and image folder of each series; create missing scans.

    A scan whose ID changes here still gets its images in the old folder, which is renamed as a
    whole after the commit.
    """
    before = {one.uid: one for one in scans_of(connection, row.pk)}
    fresh: dict[str, list[Header]] = {}
    for one in objects:
        fresh.setdefault(one.header.series, []).append(one.header)
    wanted = {
        uid: (headers[0].number, lead_modality(header.modality for header in headers))
        for uid, headers in fresh.items()
    }
    ids = _scan_ids(
        before,
        {uid: found for uid, found in wanted.items() if uid not in before},
        _modalities(connection, before),
    )
    homes = {}
    for uid, known in before.items():
        homes[uid] = (known.pk, images_of(archive.files, row, known.id))
        if ids[uid] != known.id:
            connection.execute(
                arrival_scan.update().where(arrival_scan.c.pk == known.pk).values(id=ids[uid])
            )
            relocate(
                archive,
                connection,
                homes[uid][1].parent,
                images_of(archive.files, row, ids[uid]).parent,
            )
    for uid, (number, _) in wanted.items():
        if uid not in before:
            query = (
                arrival_scan.insert()
                .values(arrival=row.pk, id=ids[uid], uid=uid, number=number)
                .returning(arrival_scan.c.pk)
            )
            homes[uid] = (
                connection.execute(query).scalar_one(),
                images_of(archive.files, row, ids[uid]),
            )
    return homes


def _modalities(connection: Connection, scans: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for uid, row in scans.items():
        query = select(arrival_file.c.modality).where(arrival_file.c.scan == row.pk).distinct()
        found[uid] = lead_modality(connection.scalars(query))
    return found


def _scan_ids(
    known: Mapping[str, Any], fresh: Mapping[str, tuple[str, str]], modalities: Mapping[str, str]
) -> dict[str, str]:
    """Return the scan IDs by series UID.

    The ID is the series number. If several series have one number, it is
    ``<number>-<modality><n>``, as in XNAT's DICOMSessionBuilder, in the order of the UIDs. Here an
    ID with a suffix stays when another series arrives.
    """
    groups: dict[str, list[str]] = {}
    for uid, number in [
        *((uid, row.number) for uid, row in known.items()),
        *((uid, found[0]) for uid, found in fresh.items()),
    ]:
        groups.setdefault(number, []).append(uid)
    ids = {
        uid: row.id
        for uid, row in known.items()
        if len(groups[row.number]) == 1 or row.id != row.number
    }
    for number, uids in groups.items():
        for uid in sorted(uid for uid in uids if uid not in ids):
            stem = (
                number
                if len(uids) == 1
                else f'{number}-{modalities[uid] if uid in known else fresh[uid][1]}'
            )
            count = 0 if len(uids) == 1 else 1
            while (found := f'{stem}{count or ""}') in ids.values():
                count += 1
            ids[uid] = found
    return ids


# -- building


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


def build(archive: Archive, pk: int, columns: Mapping[str, str] | None = None) -> Any:
    """Set the types and fields of a session and its scans; return its row.

    They are read from the first image of each scan. A session whose images cannot be read gets the
    status ERROR, and its log has the reason.

    Parameters
    ----------
    archive : Archive
        The archive.
    pk : int
        Key of the session.
    columns : Mapping[str, str] or None
        Columns to set: visit, protocol, timezone, source.

    Raises
    ------
    Conflict
        If another operation has the session.
    NotFound
        If it does not exist.
    """
    with archive.store.write() as connection:
        row = claim(connection, pk, 'BUILDING')
        scans = [(scan, _images(connection, scan.pk)) for scan in scans_of(connection, pk)]
    try:
        found = [
            (
                scan,
                rows,
                read(archive.files.file_path(images_of(archive.files, row, scan.id), rows[0].path)),
            )
            for scan, rows in scans
            if rows
        ]
        if not found:
            raise NotDicom('The session holds no DICOM object.')
    except NotDicom as error:
        with archive.store.write() as connection:
            set_status(connection, pk, 'ERROR', f'The session could not be built: {error}')
            return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()
    with archive.store.write() as connection:
        for scan, rows, header in found:
            connection.execute(
                arrival_scan.update()
                .where(arrival_scan.c.pk == scan.pk)
                .values(**_scan_columns(archive, rows, header))
            )
        values = _session_columns(
            archive, [rows for _, rows, _ in found], [header for _, _, header in found]
        )
        connection.execute(
            arrival.update().where(arrival.c.pk == pk).values(**values, **(columns or {}))
        )
        set_status(connection, pk, 'READY', f'Built with {len(found)} scans.')
        return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()


def _images(connection: Connection, scan: int) -> Sequence[Any]:
    order = (arrival_file.c.place, arrival_file.c.path)
    return connection.execute(
        select(arrival_file).where(arrival_file.c.scan == scan).order_by(*order)
    ).all()


def _scan_columns(archive: Archive, rows: Sequence[Any], header: Header) -> dict[str, str]:
    kind = scan_type(archive.model, {row.sop_class for row in rows})
    values = scan_values(header) | {'frames': str(sum(row.frames for row in rows))}
    return {
        'xsi_type': kind,
        'fields': json.dumps(fields_for(archive.model, kind, values), ensure_ascii=False),
    }


def _session_columns(
    archive: Archive, images: Iterable[Sequence[Any]], headers: Sequence[Header]
) -> dict[str, str]:
    every = [row for rows in images for row in rows]
    kind = session_type(
        archive.model, {row.sop_class for row in every}, {row.modality for row in every}
    )
    fields = fields_for(archive.model, kind, session_values(headers))
    return {
        'xsi_type': kind,
        'fields': json.dumps(fields, ensure_ascii=False),
        'tag': headers[0].study,
    }


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
                        for image in _images(connection, scan.pk)
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
