"""What a client can have the server do with a session: read the headers of its images, fill in types of scans, start its pipelines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from ..db.store import fields_of, file, item, now, resource
from ..http.request import Call
from ..storage.dicom_headers import Header, NotDicom, fields_for, read, scan_values, session_values
from .workflows import record

__all__ = ['NAMES', 'run', 'usual_types']

NAMES = ('pullDataFromHeaders', 'fixScanTypes', 'triggerPipelines')
"""The parameters, in the order they are worked on: types are filled in from descriptions that the headers hold."""


def run(call: Call, session: Any) -> None:
    """Do what the query asks for with a session that the caller may edit."""
    wanted = [name for name in NAMES if call.flag(name)]
    headers = dict(_headers(call, session)) if 'pullDataFromHeaders' in wanted else {}  # before the transaction: files may be many
    if not wanted:
        return
    with call.archive.store.write() as connection:
        for pk, values in headers.items():
            _fill(call, connection, pk, values)
        if 'fixScanTypes' in wanted:
            _fix_types(connection, session)
        started = call.archive.pipelines.launch_auto(connection, session, call.caller.login) if 'triggerPipelines' in wanted else []
        for name in wanted:
            record(connection, session, name, call.caller.login)
    for path, launch in started:
        call.archive.pipelines.start(path, launch)


# -- headers


def _headers(call: Call, session: Any) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Values for the session, by the first image found, and for each scan that has an image."""
    told = False
    for scan, paths in _images(call, session):
        header = next((found for found in map(_header, paths) if found is not None), None)
        if header is None:
            continue
        yield scan.pk, scan_values(header)
        if not told:
            told = True
            yield session.pk, session_values([header])


def _images(call: Call, session: Any) -> Iterator[tuple[Any, list[Path]]]:
    area = call.archive.files
    with call.archive.store.read() as connection:
        for scan in connection.execute(select(item).where(item.c.parent == session.pk, item.c.level == 'scan').order_by(item.c.pk)).all():
            paths = []
            for one in connection.execute(select(resource).where(resource.c.item == scan.pk)).all():
                folder = area.resource_folder(connection, one, scan)
                query = select(file.c.path).where(file.c.resource == one.pk).order_by(file.c.path).limit(3)
                paths += [area.file_path(folder, path) for path in connection.scalars(query)]
            yield scan, paths


def _header(path: Path) -> Header | None:
    try:
        return read(path)
    except NotDicom:
        return None


def _fill(call: Call, connection: Connection, pk: int, values: Mapping[str, str]) -> None:
    """Set the fields that the item's type has and that can hold the value; headers hold anything."""
    row = connection.execute(select(item).where(item.c.pk == pk)).first()
    if row is None:
        return
    _store(connection, row, fields_of(row) | fields_for(call.archive.model, row.xsi_type, values))


# -- types


def usual_types(connection: Connection, project: str) -> dict[str, str]:
    """The type that most scans of a description have in a project, by description."""
    kind = func.json_extract(item.c.fields, '$."type"')
    described = func.json_extract(item.c.fields, '$."series_description"')
    query = select(described, kind).where(item.c.level == 'scan', item.c.project == project, kind.is_not(None), described.is_not(None))
    counts: dict[str, Counter[str]] = {}
    for text, name in connection.execute(query):
        counts.setdefault(text, Counter())[name] += 1
    return {text: names.most_common(1)[0][0] for text, names in counts.items()}


def _fix_types(connection: Connection, session: Any) -> None:
    """Give scans without a type the usual one of their description."""
    known = usual_types(connection, session.project)
    kind = func.json_extract(item.c.fields, '$."type"')
    for scan in connection.execute(select(item).where(item.c.parent == session.pk, item.c.level == 'scan', kind.is_(None))).all():
        fields = fields_of(scan)
        found = known.get(fields.get('series_description', ''))
        if found:
            _store(connection, scan, {**fields, 'type': found})


def _store(connection: Connection, row: Any, fields: Mapping[str, str]) -> None:
    values = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    connection.execute(item.update().where(item.c.pk == row.pk).values(**values))
