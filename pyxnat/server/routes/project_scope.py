"""Routes below ``projects/P`` that are no data elements: the project that is meant, and what follows it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from ..db.access import rights
from ..errors import NotFound
from ..http.request import Call
from ..items.locate import find_project, need

__all__ = ['project_of', 'rest_of']


def _parts(call: Call) -> list[str]:
    """The segments from ``projects`` on."""
    parts = [part for part in call.parts if part]
    return parts[1:] if parts[:1] == ['archive'] else parts


def rest_of(call: Call) -> list[str]:
    """The segments after ``projects/P/<name>``."""
    return _parts(call)[3:]


def project_of(call: Call, connection: Connection, right: str = '') -> Any:
    """The row of the project; `NotFound` where the caller cannot see it, `Forbidden` without a right in it."""
    name = _parts(call)[1]
    row = find_project(connection, name)
    if row is None or 'see' not in rights(connection, call.caller, row.id):
        raise NotFound(f'Unable to find the specified project: {name}')
    if right:
        need(connection, call.caller, row.id, right)
    return row
