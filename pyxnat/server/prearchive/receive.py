"""Add uploaded DICOM objects to sessions of the prearchive.

A scan is a series; a file has the name of its object, or its instance UID.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.store import arrival, arrival_file, arrival_scan, now
from ..storage.dicom_headers import Header
from ..storage.dicom_types import lead_modality
from ..storage.file_area import Staged
from .sessions import images_of, relocate, scans_of

__all__ = ['Object', 'add']

_MAX_NAME = 200


class Object(NamedTuple):
    """DICOM object of an upload."""

    name: str
    staged: Staged
    header: Header


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
    rows: dict[tuple[int, str], dict[str, Any]] = {}
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
        rows[scan, path] = values
        names[scan][path.casefold()] = (path, header.instance)
    if rows:
        connection.execute(arrival_file.insert(), list(rows.values()))
    connection.execute(
        arrival.update().where(arrival.c.pk == row.pk).values(status='RECEIVING', lastmod=now())
    )
    return placed


def _used_names(connection: Connection, scan: int) -> dict[str, tuple[str, str]]:
    query = select(arrival_file.c.path, arrival_file.c.instance).where(arrival_file.c.scan == scan)
    return {path.casefold(): (path, instance) for path, instance in connection.execute(query)}


def _file_name(received: Object, taken: Mapping[str, tuple[str, str]]) -> tuple[str, bool]:
    """Return an object's name in its scan, and whether it replaces a file.

    It is the object's own name, unless another object has that.
    """
    instance = received.header.instance
    name = re.sub(
        r'[\x00-\x1f/\\\ud800-\udfff]', '_', received.name.replace('\\', '/').rpartition('/')[2]
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
    before = {scan.uid: scan for scan in scans_of(connection, row.pk)}
    fresh: dict[str, list[Header]] = {}
    for received in objects:
        fresh.setdefault(received.header.series, []).append(received.header)
    wanted = {
        uid: (headers[0].number, lead_modality(header.modality for header in headers))
        for uid, headers in fresh.items()
    }
    ids = _scan_ids(
        before,
        {uid: series for uid, series in wanted.items() if uid not in before},
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
    modalities = {}
    for uid, row in scans.items():
        query = select(arrival_file.c.modality).where(arrival_file.c.scan == row.pk).distinct()
        modalities[uid] = lead_modality(connection.scalars(query))
    return modalities


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
        *((uid, number) for uid, (number, _) in fresh.items()),
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
            while (name := f'{stem}{count or ""}') in ids.values():
                count += 1
            ids[uid] = name
    return ids
