"""``/xapi/custom-fields``: values of any JSON kind, by name, on projects, subjects, experiments, assessors and scans.

They are not the fields of a data type, nor custom variables: names keep their case, values their kind, and items do not show them.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

from sqlalchemy import Connection, select
from werkzeug.exceptions import Forbidden, NotFound

from ..auth import rights
from ..calls import Call, text
from ..locate import find, kind_of
from ..routes import parse
from ..store import custom_field, touch
from .routing import Access, Route, json_body

__all__ = ['ROUTES']

_PLACES = (
    'projects/{project}',
    'projects/{project}/subjects/{subject}',
    'subjects/{subject}',
    *(
        f'{above}experiments/{{experiment}}{below}'
        for above in ('', 'projects/{project}/', 'projects/{project}/subjects/{subject}/')
        for below in ('', '/scans/{scan}', '/assessors/{assessor}')
    ),
)


def _item(call: Call, connection: Connection, names: dict[str, str], right: str = '') -> Any:
    """The row that the names in the path lead to; `Forbidden` where the caller lacks a right on it.

    No route leads below a project's session: its scans and assessors are looked for once the session is found.
    """
    row = _find(call, connection, [(level, names[level]) for level in ('project', 'subject', 'experiment') if level in names])
    below = [(level, names[level]) for level in ('scan', 'assessor') if level in names]
    if below:
        row = _find(call, connection, [('experiment', row.id), *below])
    if right and right not in rights(connection, call.caller, row.project, kind_of(connection, row)):
        raise Forbidden(f'Insufficient privileges: {right} in project {row.project}.')
    return row


def _find(call: Call, connection: Connection, steps: list[tuple[str, str]]) -> Any:
    route = parse(list(chain.from_iterable((f'{level}s', name) for level, name in steps)))
    if route is None or route.tail or route.last.id is None:
        raise NotFound('Unable to find the item.')
    return find(connection, call.caller, route.steps).row


def _values(connection: Connection, item: Any) -> dict[str, Any]:
    query = select(custom_field.c.name, custom_field.c.value).where(custom_field.c.item == item.pk).order_by(custom_field.c.name)
    return {row.name: json.loads(row.value) for row in connection.execute(query)}


def _get(call: Call, **names: str) -> dict[str, Any]:
    with call.archive.store.read() as connection:
        found = _values(connection, _item(call, connection, names))
    wanted = [name for value in call.all('fieldNames') for name in value.split(',') if name]
    return {name: value for name, value in found.items() if not wanted or name in wanted}


def _get_one(call: Call, field: str, **names: str) -> Any:
    """A text as it is; another value as JSON."""
    found = _get(call, **names)
    if field not in found:
        raise NotFound(f'Field {field} does not exist.')
    value = found[field]
    return text(value if isinstance(value, str) else json.dumps(value))


def _put(call: Call, **names: str) -> dict[str, Any]:
    """Add fields, or give those that are there another value; the answer has all."""
    wanted = json_body(call)
    with call.archive.store.write() as connection:
        item = _item(call, connection, names, 'edit')
        for name, value in wanted.items():
            _drop(connection, item, name)
            connection.execute(custom_field.insert().values(item=item.pk, name=name, value=json.dumps(value)))
        touch(connection, item.pk)
        return _values(connection, item)


def _delete(call: Call, field: str, **names: str) -> dict[str, Any]:
    """Take a field away, if it is there; the answer has the others."""
    with call.archive.store.write() as connection:
        item = _item(call, connection, names, 'edit')
        _drop(connection, item, field)
        touch(connection, item.pk)
        return _values(connection, item)


def _drop(connection: Connection, item: Any, name: str) -> None:
    connection.execute(custom_field.delete().where(custom_field.c.item == item.pk, custom_field.c.name == name))


ROUTES = tuple(
    Route(method, f'custom-fields/{place}/fields{field}', Access.ANYBODY if method == 'GET' else Access.LOGIN, handler)
    for place in _PLACES
    for method, field, handler in (('GET', '', _get), ('PUT', '', _put), ('GET', '/{field}', _get_one), ('DELETE', '/{field}', _delete))
)
