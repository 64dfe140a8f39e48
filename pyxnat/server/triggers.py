"""What a client can have the server do with a session: read the headers of its images, fill in types of scans, start its pipelines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select
from werkzeug.exceptions import NotImplemented as Unavailable

from .calls import Call
from .store import fields_of, file, item, now, resource, workflow
from .values import normalise

__all__ = ['NAMES', 'run']

NAMES = ('pullDataFromHeaders', 'fixScanTypes', 'triggerPipelines')
"""The parameters, in the order they are worked on: types are filled in from descriptions that the headers hold."""

_SESSION = {
    'date': 'StudyDate', 'time': 'StudyTime', 'UID': 'StudyInstanceUID', 'operator': 'OperatorsName', 'scanner': 'StationName',
    'scanner/manufacturer': 'Manufacturer', 'scanner/model': 'ManufacturerModelName', 'dcmPatientId': 'PatientID',
    'dcmPatientName': 'PatientName', 'dcmAccessionNumber': 'AccessionNumber', 'fieldStrength': 'MagneticFieldStrength',
}  # fmt: skip
_SCAN = {
    'UID': 'SeriesInstanceUID', 'series_description': 'SeriesDescription', 'startTime': 'SeriesTime', 'modality': 'Modality',
    'scanner': 'StationName', 'scanner/manufacturer': 'Manufacturer', 'scanner/model': 'ManufacturerModelName',
    'fieldStrength': 'MagneticFieldStrength', 'parameters/tr': 'RepetitionTime', 'parameters/te': 'EchoTime',
    'parameters/ti': 'InversionTime', 'parameters/flip': 'FlipAngle', 'parameters/sequence': 'SequenceName',
}  # fmt: skip


def run(call: Call, session: Any) -> None:
    """Do what the query asks for with a session that the caller may edit."""
    wanted = [name for name in NAMES if call.flag(name)]
    read = dict(_headers(call, session)) if 'pullDataFromHeaders' in wanted else {}  # before the transaction: files may be many
    if not wanted:
        return
    with call.archive.store.write() as connection:
        for pk, values in read.items():
            _fill(call, connection, pk, values)
        if 'fixScanTypes' in wanted:
            _fix_types(connection, session)
        for name in wanted:
            _record(call, connection, session, name)


# -- headers


def _headers(call: Call, session: Any) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Values for the session, by the first image found, and for each scan that has an image."""
    told = False
    for scan, paths in _images(call, session):
        dataset = next((found for found in map(_read, paths) if found is not None), None)
        if dataset is None:
            continue
        yield scan.pk, _values(dataset, _SCAN)
        if not told:
            told = True
            yield session.pk, _values(dataset, _SESSION)


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


def _read(path: Path) -> Any:
    """The header of a DICOM file; None for any other file."""
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError as error:
        raise Unavailable('This server cannot read DICOM: pydicom is not installed.') from error
    try:
        return pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, KeyError):
        return None


def _values(dataset: Any, names: Mapping[str, str]) -> dict[str, str]:
    found = {path: _text(name, dataset.get(name)) for path, name in names.items()}
    return {path: text for path, text in found.items() if text}


def _text(name: str, value: Any) -> str:
    text = str(value).strip() if value is not None else ''
    if name.endswith('Time') and len(text) >= 6 and text[:6].isdigit():
        return f'{text[:2]}:{text[2:4]}:{text[4:6]}'
    return text


def _fill(call: Call, connection: Connection, pk: int, values: Mapping[str, str]) -> None:
    """Set the fields that the item's type has and that can hold the value; headers hold anything."""
    row = connection.execute(select(item).where(item.c.pk == pk)).first()
    if row is None:
        return
    fields = fields_of(row)
    for path, text in values.items():
        field = call.archive.model.field(row.xsi_type, path)
        if field is None:
            continue
        try:
            fields[path] = normalise(field, text)
        except ValueError:
            continue
    _store(connection, row, fields)


# -- types


def _fix_types(connection: Connection, session: Any) -> None:
    """Give scans without a type the one that most scans of the same description have in the project."""
    kind = func.json_extract(item.c.fields, '$."type"')
    described = func.json_extract(item.c.fields, '$."series_description"')
    query = select(described, kind).where(item.c.level == 'scan', item.c.project == session.project, kind.is_not(None), described.is_not(None))
    known: dict[str, Counter[str]] = {}
    for text, name in connection.execute(query):
        known.setdefault(text, Counter())[name] += 1
    for scan in connection.execute(select(item).where(item.c.parent == session.pk, item.c.level == 'scan', kind.is_(None))).all():
        fields = fields_of(scan)
        counts = known.get(fields.get('series_description', ''))
        if counts:
            _store(connection, scan, {**fields, 'type': counts.most_common(1)[0][0]})


def _store(connection: Connection, row: Any, fields: Mapping[str, str]) -> None:
    values = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    connection.execute(item.update().where(item.c.pk == row.pk).values(**values))


def _record(call: Call, connection: Connection, session: Any, name: str) -> None:
    """A workflow entry that says what was done; there are no pipelines to be started."""
    values = {'item': session.id, 'project': session.project, 'data_type': session.xsi_type, 'pipeline_name': name}
    connection.execute(workflow.insert().values(**values, status='Complete', launch_time=now(), login=call.caller.login))
