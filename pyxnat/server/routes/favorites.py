"""``/users/favorites/TYPE[/ID]``: items that a user keeps at hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from ..db.access import readable, rights
from ..db.store import favorite, item
from ..errors import Forbidden, MethodNotAllowed, NotFound
from ..http.request import Call
from ..http.responses import no_table, table_response
from ..items.locate import find_project
from ..table import Table

__all__ = ['answer']


def answer(call: Call) -> Response:
    """GET lists the favourites of a type, PUT and DELETE of one keep it and forget it."""
    if call.caller.guest:
        raise Forbidden('A guest has no favourites.')
    rest = [part for part in call.parts if part][2:]
    methods = {0: (), 1: ('GET',), 2: ('PUT', 'DELETE')}[len(rest)]
    if not methods:
        raise NotFound('Name the type: users/favorites/Project.')
    if call.method not in methods:
        raise MethodNotAllowed([*methods])
    if len(rest) == 1:
        return _list(call)
    with call.archive.store.write() as connection:
        row = _item(call, connection, rest[1])
        values = {'login': call.caller.login, 'type': rest[0], 'id': row.id if row is not None else rest[1]}
        same = [favorite.c[name] == value for name, value in values.items()]
        connection.execute(favorite.delete().where(*same))
        if call.method == 'PUT':
            if row is None:
                raise NotFound(f'There is no {rest[0]} {rest[1]}.')
            connection.execute(favorite.insert().values(**values))
        return _table(call, connection, rest[0])


def _list(call: Call) -> Response:
    """XNAT reads the type from the query, not from the path: without ``DATA_TYPE=`` there is no table."""
    if not call.has('DATA_TYPE'):
        return no_table()
    with call.archive.store.read() as connection:
        return _table(call, connection, call.get('DATA_TYPE'))


def _table(call: Call, connection: Connection, kind: str) -> Response:
    query = select(favorite.c.id).where(favorite.c.login == call.caller.login, favorite.c.type == kind).order_by(favorite.c.id)
    found = [(row.id, kind) for name in connection.scalars(query) if (row := _item(call, connection, name)) is not None]
    return table_response(call, Table(('id', 'datatype'), found, {'title': 'User Favorites'}, count=False))


def _item(call: Call, connection: Connection, name: str) -> Any:
    """The project, or other item, with an ID; None where the caller cannot see it."""
    row = find_project(connection, name)
    if row is not None:
        return row if 'see' in rights(connection, call.caller, row.id) else None
    return connection.execute(select(item).where(item.c.id == name, item.c.level != 'project', readable(call.caller, item)).limit(1)).first()
