"""Build sessions of the prearchive: types and fields from their images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.store import arrival, arrival_file, arrival_scan
from ..storage.dicom_fields import fields_for, scan_values, session_values
from ..storage.dicom_headers import Header, NotDicom, read
from ..storage.dicom_types import scan_type, session_type
from .sessions import claim, images_of, scans_of, set_status

__all__ = ['build']


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
        readable = [
            (
                scan,
                rows,
                read(archive.files.file_path(images_of(archive.files, row, scan.id), rows[0].path)),
            )
            for scan, rows in scans
            if rows
        ]
        if not readable:
            raise NotDicom('The session holds no DICOM object.')
    except NotDicom as error:
        with archive.store.write() as connection:
            set_status(connection, pk, 'ERROR', f'The session could not be built: {error}')
            return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()
    with archive.store.write() as connection:
        for scan, rows, header in readable:
            connection.execute(
                arrival_scan.update()
                .where(arrival_scan.c.pk == scan.pk)
                .values(**_scan_columns(archive, rows, header))
            )
        values = _session_columns(
            archive, [rows for _, rows, _ in readable], [header for _, _, header in readable]
        )
        connection.execute(
            arrival.update().where(arrival.c.pk == pk).values(**values, **(columns or {}))
        )
        set_status(connection, pk, 'READY', f'Built with {len(readable)} scans.')
        return connection.execute(select(arrival).where(arrival.c.pk == pk)).one()


def _images(connection: Connection, scan: int) -> Sequence[Any]:
    order = (arrival_file.c.place, arrival_file.c.path)
    return connection.execute(
        select(arrival_file).where(arrival_file.c.scan == scan).order_by(*order)
    ).all()


def _scan_columns(archive: Archive, rows: Sequence[Any], header: Header) -> dict[str, str]:
    kind = scan_type(archive.model, {row.sop_class for row in rows})
    values = scan_values(header.values) | {'frames': str(sum(row.frames for row in rows))}
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
    fields = fields_for(archive.model, kind, session_values(header.values for header in headers))
    return {
        'xsi_type': kind,
        'fields': json.dumps(fields, ensure_ascii=False),
        'tag': headers[0].study,
    }
