"""Sessions that were received and are not archived yet: their rows, and their folders below ``prearchive``.

A session lies in ``prearchive/<project>/<timestamp>/<session>/SCANS/<scan>/DICOM``, as in XNAT. A file is renamed to its place in the
transaction that writes its row; folders are renamed and removed by the task table once a transaction is committed. What a crash leaves is
mended when the archive is opened: `mend`.
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
from ..storage.dicom_headers import Header, NotDicom, fields_for, lead_modality, read, scan_type, scan_values, session_type, session_values
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
"""What XNAT calls the project of sessions that name none."""
BUSY = frozenset({'BUILDING', 'ARCHIVING', 'MOVING', 'DELETING'})
NO_LABEL = 'dicom_upload'
"""The label of a session whose images name none (XNAT's GradualDicomImporter)."""
_MAX_NAME = 200


class Wish(NamedTuple):
    """What is to become of a session."""

    project: str | None
    name: str
    subject: str = ''
    folder: str = ''
    timestamp: str = ''
    autoarchive: str = 'Manual'
    more: Mapping[str, str] = {}
    """Columns that the request tells: source, visit, protocol, timezone, prevent_anon, prevent_auto_commit."""


class Object(NamedTuple):
    """A DICOM object that was received."""

    name: str
    staged: Staged
    header: Header


def clean_label(text: str) -> str:
    """A text as a label: what no label can hold becomes ``_``."""
    return re.sub(r'[^A-Za-z0-9_-]', '_', text.strip())[:64]


def stamp(moment: datetime) -> str:
    """A moment as the name of a prearchive folder: ``yyyyMMdd_HHmmssSSS``."""
    return f'{moment:%Y%m%d_%H%M%S}{moment.microsecond // 1000:03d}'


# -- where things lie


def folder_of(area: FileArea, row: Any) -> Path:
    """The folder of a session."""
    return area.prearchive / safe_name(row.project or UNASSIGNED) / safe_name(row.timestamp) / safe_name(row.folder)


def images_of(area: FileArea, row: Any, scan: str) -> Path:
    """The folder of a scan's images."""
    return folder_of(area, row) / 'SCANS' / safe_name(scan) / 'DICOM'


def scans_of(connection: Connection, pk: int) -> Sequence[Any]:
    """The scans of a session by ID, numbers as numbers."""
    rows = connection.execute(select(arrival_scan).where(arrival_scan.c.arrival == pk)).all()
    return sorted(rows, key=lambda row: [int(part) if part.isdecimal() else -1 for part in re.split(r'(\d+)', row.id)] + [row.pk])


def relocate(archive: Archive, connection: Connection, source: Path, target: Path) -> None:
    """Have a folder or file renamed once the transaction is committed; into a folder that is there, its members one by one."""
    if source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            relocate(archive, connection, child, target / child.name)
    elif source.exists():
        archive.store.later(connection, archive.files.relative(source), archive.files.relative(target))


# -- receiving


def new(connection: Connection, login: str, wish: Wish, tag: str) -> Any:
    """A session without images. Its timestamp is the wished one where that is free, else that of this moment."""
    moment = datetime.now()
    used = select(arrival.c.pk)
    wanted = wish.timestamp or stamp(moment)
    while connection.scalar(used.where(arrival.c.timestamp == wanted)) is not None:
        moment += timedelta(milliseconds=1)
        wanted = stamp(moment)
    values = {'project': wish.project, 'timestamp': wanted, 'folder': wish.folder or wish.name, 'name': wish.name, 'subject': wish.subject}
    values |= {'tag': tag, 'status': 'RECEIVING', 'uploaded': now(), 'lastmod': now(), 'login': login, 'autoarchive': wish.autoarchive}
    return connection.execute(arrival.insert().values(**values, **wish.more).returning(arrival)).one()


def add(archive: Archive, connection: Connection, row: Any, objects: Sequence[Object]) -> set[Path]:
    """Place objects in a session and write their rows; where they lie until the commit.

    One of the same name and instance as another replaces it, as in XNAT.
    """
    area = archive.files
    homes = _homes(archive, connection, row, objects)
    names = {pk: _names(connection, pk) for pk, _ in homes.values()}
    rows: list[dict[str, Any]] = []
    placed = set()
    for one in objects:
        scan, home = homes[one.header.series]
        path, known = _name(one, names[scan])
        target = area.file_path(home, path)
        mtime_ns = area.place(one.staged, target)
        placed.add(target)
        told = one.header
        values = {'scan': scan, 'path': path, 'size': one.staged.size, 'digest': one.staged.digest, 'mtime_ns': mtime_ns}
        values |= {'instance': told.instance, 'sop_class': told.sop_class, 'modality': told.modality, 'place': told.place, 'frames': told.frames}
        if known:
            connection.execute(arrival_file.delete().where(arrival_file.c.scan == scan, arrival_file.c.path == path))
            rows = [other for other in rows if (other['scan'], other['path']) != (scan, path)]
        rows.append(values)
        names[scan][path.casefold()] = (path, told.instance)
    if rows:
        connection.execute(arrival_file.insert(), rows)
    connection.execute(arrival.update().where(arrival.c.pk == row.pk).values(status='RECEIVING', lastmod=now()))
    return placed


def _names(connection: Connection, scan: int) -> dict[str, tuple[str, str]]:
    query = select(arrival_file.c.path, arrival_file.c.instance).where(arrival_file.c.scan == scan)
    return {path.casefold(): (path, instance) for path, instance in connection.execute(query)}


def _name(one: Object, taken: Mapping[str, tuple[str, str]]) -> tuple[str, bool]:
    """The name of an object in its scan, and whether that is a file to replace: its own name, unless that is another object's."""
    instance = one.header.instance
    name = re.sub(r'[\x00-\x1f/\\\ud800-\udfff]', '_', one.name.replace('\\', '/').rpartition('/')[2]).lstrip('.')[:_MAX_NAME]
    while len(name.encode()) > _MAX_NAME:
        name = name[:-1]
    number = 0
    name = name or f'{instance}.dcm'
    while (known := taken.get(name.casefold())) is not None and known != (name, instance):
        number += 1
        name = f'{instance}.dcm' if number == 1 else f'{instance}-{number}.dcm'
    return name, known is not None


def _homes(archive: Archive, connection: Connection, row: Any, objects: Iterable[Object]) -> dict[str, tuple[int, Path]]:
    """Series UID to its scan's row and the folder to place its images in; scans are made and numbered as needed.

    A scan whose ID changes here still gets its images in the old folder, which is renamed as a whole after the commit.
    """
    before = {one.uid: one for one in scans_of(connection, row.pk)}
    fresh: dict[str, list[Header]] = {}
    for one in objects:
        fresh.setdefault(one.header.series, []).append(one.header)
    wanted = {uid: (headers[0].number, lead_modality(header.modality for header in headers)) for uid, headers in fresh.items()}
    ids = _numbered(before, {uid: found for uid, found in wanted.items() if uid not in before}, _modalities(connection, before))
    homes = {}
    for uid, known in before.items():
        homes[uid] = (known.pk, images_of(archive.files, row, known.id))
        if ids[uid] != known.id:
            connection.execute(arrival_scan.update().where(arrival_scan.c.pk == known.pk).values(id=ids[uid]))
            relocate(archive, connection, homes[uid][1].parent, images_of(archive.files, row, ids[uid]).parent)
    for uid, (number, _) in wanted.items():
        if uid not in before:
            query = arrival_scan.insert().values(arrival=row.pk, id=ids[uid], uid=uid, number=number).returning(arrival_scan.c.pk)
            homes[uid] = (connection.execute(query).scalar_one(), images_of(archive.files, row, ids[uid]))
    return homes


def _modalities(connection: Connection, scans: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for uid, row in scans.items():
        query = select(arrival_file.c.modality).where(arrival_file.c.scan == row.pk).distinct()
        found[uid] = lead_modality(connection.scalars(query))
    return found


def _numbered(known: Mapping[str, Any], fresh: Mapping[str, tuple[str, str]], modalities: Mapping[str, str]) -> dict[str, str]:
    """Scan IDs by series UID: the series number; where several series have one number, each ``<number>-<modality><n>``.

    So XNAT's DICOMSessionBuilder does, in the order of the UIDs. Here an ID with a suffix stays when a further series comes.
    """
    groups: dict[str, list[str]] = {}
    for uid, number in [*((uid, row.number) for uid, row in known.items()), *((uid, found[0]) for uid, found in fresh.items())]:
        groups.setdefault(number, []).append(uid)
    ids = {uid: row.id for uid, row in known.items() if len(groups[row.number]) == 1 or row.id != row.number}
    for number, uids in groups.items():
        for uid in sorted(uid for uid in uids if uid not in ids):
            stem = number if len(uids) == 1 else f'{number}-{modalities[uid] if uid in known else fresh[uid][1]}'
            count = 0 if len(uids) == 1 else 1
            while (found := f'{stem}{count or ""}') in ids.values():
                count += 1
            ids[uid] = found
    return ids


# -- building


def claim(connection: Connection, pk: int, status: str) -> Any:
    """Take a session for an operation; `Conflict` where another has it, `NotFound` where it is gone."""
    row = connection.execute(select(arrival).where(arrival.c.pk == pk)).first()
    if row is None:
        raise NotFound('The session is not in the prearchive any more.')
    if row.status in BUSY:
        raise Conflict(f'The session {row.folder} is in use: {row.status}.')
    set_status(connection, pk, status)
    return row


def set_status(connection: Connection, pk: int, status: str, entry: str = '') -> None:
    """Set what is being done with a session, and tell it in its log."""
    connection.execute(arrival.update().where(arrival.c.pk == pk).values(status=status, lastmod=now()))
    if entry:
        note(connection, pk, entry)


def note(connection: Connection, pk: int, entry: str) -> None:
    """Write a line of a session's log."""
    connection.execute(arrival_log.insert().values(arrival=pk, time=now(), entry=entry))


def build(archive: Archive, pk: int, told: Mapping[str, str] | None = None) -> Any:
    """Fill in the types and fields of a session and its scans, by the header of the first image of each; its row.

    `told` are columns to set: visit, protocol, timezone, source.

    A session whose images cannot be read any more gets the status ERROR, and its log says why.
    """
    with archive.store.write() as connection:
        row = claim(connection, pk, 'BUILDING')
        scans = [(scan, _images(connection, scan.pk)) for scan in scans_of(connection, pk)]
    try:
        found = [(scan, rows, read(archive.files.file_path(images_of(archive.files, row, scan.id), rows[0].path))) for scan, rows in scans if rows]
        if not found:
            raise NotDicom('The session holds no DICOM object.')
    except NotDicom as error:
        with archive.store.write() as connection:
            set_status(connection, pk, 'ERROR', f'The session could not be built: {error}')
            return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()
    with archive.store.write() as connection:
        for scan, rows, header in found:
            connection.execute(arrival_scan.update().where(arrival_scan.c.pk == scan.pk).values(**_scan_columns(archive, rows, header)))
        values = _session_columns(archive, [rows for _, rows, _ in found], [header for _, _, header in found])
        connection.execute(arrival.update().where(arrival.c.pk == pk).values(**values, **(told or {})))
        set_status(connection, pk, 'READY', f'Built with {len(found)} scans.')
        return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()


def _images(connection: Connection, scan: int) -> Sequence[Any]:
    order = (arrival_file.c.place, arrival_file.c.path)
    return connection.execute(select(arrival_file).where(arrival_file.c.scan == scan).order_by(*order)).all()


def _scan_columns(archive: Archive, rows: Sequence[Any], header: Header) -> dict[str, str]:
    kind = scan_type(archive.model, {row.sop_class for row in rows})
    values = scan_values(header) | {'frames': str(sum(row.frames for row in rows))}
    return {'xsi_type': kind, 'fields': json.dumps(fields_for(archive.model, kind, values), ensure_ascii=False)}


def _session_columns(archive: Archive, images: Iterable[Sequence[Any]], headers: Sequence[Header]) -> dict[str, str]:
    every = [row for rows in images for row in rows]
    kind = session_type(archive.model, {row.sop_class for row in every}, {row.modality for row in every})
    fields = fields_for(archive.model, kind, session_values(headers))
    return {'xsi_type': kind, 'fields': json.dumps(fields, ensure_ascii=False), 'tag': headers[0].study}


# -- moving and removing


def move(archive: Archive, connection: Connection, pk: int, project: str | None) -> Any:
    """Give a session that waits to another project; its row."""
    row = claim(connection, pk, 'MOVING')
    moved = connection.execute(arrival.update().where(arrival.c.pk == pk).values(project=project, status=row.status).returning(arrival)).one()
    note(connection, pk, f'Moved from {row.project or UNASSIGNED} to {project or UNASSIGNED}.')
    relocate(archive, connection, folder_of(archive.files, row), folder_of(archive.files, moved))
    return moved


def discard(archive: Archive, connection: Connection, pk: int) -> Any:
    """Remove a session that waits, with its images."""
    row = claim(connection, pk, 'DELETING')
    connection.execute(arrival.delete().where(arrival.c.pk == pk))
    archive.store.later(connection, archive.files.relative(folder_of(archive.files, row)), None)
    return row


def discard_all(archive: Archive, connection: Connection, project: str) -> None:
    """Remove all that waits for a project."""
    for pk in connection.scalars(select(arrival.c.pk).where(arrival.c.project == project)).all():
        discard(archive, connection, pk)


# -- mending


def mend(archive: Archive) -> None:
    """After a crash: make files and rows agree, and let sessions that were being built be built again."""
    area = archive.files
    with archive.store.write() as connection:
        expected: dict[Path, Any] = {}
        for row in connection.execute(select(arrival)).all():
            for scan in scans_of(connection, row.pk):
                home = images_of(area, row, scan.id)
                expected.update({area.file_path(home, image.path): image for image in _images(connection, scan.pk)})
        area.reconcile(connection, area.prearchive, arrival_file, expected)
        full = select(arrival_file.c.scan)
        connection.execute(arrival_scan.delete().where(arrival_scan.c.pk.not_in(full)))
        connection.execute(arrival.delete().where(arrival.c.pk.not_in(select(arrival_scan.c.arrival))))
        connection.execute(arrival.update().where(arrival.c.status.in_(BUSY)).values(status='RECEIVING'))
