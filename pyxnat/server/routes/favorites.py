"""``/users/favorites/TYPE[/ID]``: favourite items of a user."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from ..db.access import rights
from ..db.favorites import add_favorite, favorites, remove_favorite
from ..db.guards import Guard
from ..db.store import Connection
from ..errors import NotFound
from ..http.request import Call
from ..http.responses import no_table, table_response
from ..http.router import Access, Route, guarded
from ..items.locate import find_project
from ..items.rows import find_readable
from ..table import Table

__all__ = ['ROUTES']


def _change(call: Call, kind: str, name: str) -> Response:
    """Add a favourite on PUT, remove it on DELETE."""
    with call.archive.store.write() as connection:
        row = _item(call, connection, name)
        name = row.id if row is not None else name
        remove_favorite(connection, call.caller, kind, name)
        if call.method == 'PUT':
            if row is None:
                raise NotFound(f'There is no {kind} {name}.')
            add_favorite(connection, call.caller, kind, name)
        return _table(call, connection, kind)


def _list(call: Call, kind: str) -> Response:
    """Return the favourites of the type in the parameter ``DATA_TYPE``.

    As in XNAT, the type in the path is ignored, and without the parameter there is no table.
    """
    with call.archive.store.read() as connection:
        table = _table(call, connection, call.get('DATA_TYPE'))
    return table if call.has('DATA_TYPE') else no_table()


def _table(call: Call, connection: Connection, kind: str) -> Response:
    names = favorites(connection, call.caller, kind)
    found = [(row.id, kind) for name in names if (row := _item(call, connection, name)) is not None]
    return table_response(
        call, Table(('id', 'datatype'), found, {'title': 'User Favorites'}, count=False)
    )


def _item(call: Call, connection: Connection, name: str) -> Any:
    """Return the project or other item of an ID, or None if not visible."""
    row = find_project(connection, name)
    if row is not None:
        return row if 'see' in rights(connection, call.caller, row.id) else None
    return find_readable(connection, call.caller, name)


ROUTES = guarded(
    Guard.FAVORITE,
    (
        Route(
            'GET',
            '/data/users/favorites/{kind}',
            _list,
            "List the caller's favourites of the type in `DATA_TYPE`.",
            Access.LOGIN,
        ),
        Route(
            'PUT DELETE',
            '/data/users/favorites/{kind}/{name}',
            _change,
            'Add or remove a favourite.',
            Access.LOGIN,
        ),
    ),
)
