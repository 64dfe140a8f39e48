"""Lookup of the project in a path."""

from __future__ import annotations

from typing import Any

from ..db.access import rights
from ..db.store import Connection
from ..errors import NotFound
from ..http.request import Call
from ..items.locate import find_project, need

__all__ = ['project_of']


def project_of(call: Call, connection: Connection, right: str = '') -> Any:
    """Return the row of the project in the path.

    Parameters
    ----------
    call : Call
        The request.
    connection : Connection
        The database.
    right : str
        Right in the project that the caller must have; by default only to see it.

    Raises
    ------
    NotFound
        If the caller cannot see the project.
    Forbidden
        Without the right.
    """
    name = call.names['project']
    row = find_project(connection, name)
    if row is None or 'see' not in rights(connection, call.caller, row.id):
        raise NotFound(f'Unable to find the specified project: {name}')
    if right:
        need(connection, call.caller, row.id, right)
    return row
