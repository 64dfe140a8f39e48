"""Operations on a session at a client's request.

They read image headers, fill in scan types and start the automatic pipelines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..db.rows import item_row
from ..db.store import Connection, fields_of
from ..http.request import Call
from ..items.files_below import fetch_missing_below
from ..items.rows import put_fields
from ..items.scan_types import first_images, fix_scan_types
from ..jobs.pipeline_engine import Pipelines
from ..jobs.workflow_log import record
from ..storage.dicom_fields import fields_for, scan_values, session_values
from ..storage.dicom_headers import Header, NotDicom, read

__all__ = ['NAMES', 'run']

NAMES = ('pullDataFromHeaders', 'fixScanTypes', 'triggerPipelines')
"""Parameters, in the order of the work: types need descriptions that are read from headers."""


def run(call: Call, session: Any) -> None:
    """Perform the operations in the query.

    Parameters
    ----------
    call : Call
        The request.
    session
        The session, which the caller may edit.
    """
    wanted = [name for name in NAMES if call.flag(name)]
    headers = (
        dict(_headers(call, session)) if 'pullDataFromHeaders' in wanted else {}
    )  # before the transaction: files may be many
    if not wanted:
        return
    with call.archive.store.write() as connection:
        for pk, values in headers.items():
            _fill(call, connection, pk, values)
        if 'fixScanTypes' in wanted:
            fix_scan_types(connection, session)
        started = (
            call.archive.part(Pipelines).launch_auto(connection, session, call.caller.login)
            if 'triggerPipelines' in wanted
            else []
        )
        for name in wanted:
            record(connection, session, name, call.caller.login)
    for path, launch in started:
        call.archive.part(Pipelines).start(path, launch)


# -- headers


def _headers(call: Call, session: Any) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield values for the session and for each scan that has an image.

    Those of the session are from the first image.
    """
    has_session_values = False
    for scan, paths in _images(call, session):
        header = next((found for found in map(_header, paths) if found is not None), None)
        if header is None:
            continue
        yield scan.pk, scan_values(header.values)
        if not has_session_values:
            has_session_values = True
            yield session.pk, session_values([header.values])


def _images(call: Call, session: Any) -> list[tuple[Any, list[Path]]]:
    fetch_missing_below(call.archive, session)
    with call.archive.store.read() as connection:
        return list(first_images(call.archive, connection, session))


def _header(path: Path) -> Header | None:
    try:
        return read(path)
    except NotDicom:
        return None


def _fill(call: Call, connection: Connection, pk: int, values: Mapping[str, str]) -> None:
    """Set the fields that the item's type has and that can hold the value."""
    row = item_row(connection, pk)
    if row is None:
        return
    put_fields(
        connection, row, fields_of(row) | fields_for(call.archive.model, row.xsi_type, values)
    )
