"""``/xapi/custom-fields``: JSON values of any kind on items, by name.

Projects, subjects, experiments, assessors and scans can have them. They are neither custom
variables nor schema fields: an item stores them as one JSON text in its field ``custom_fields``.
Values of a custom form are below its UUID.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

from ..db.access import rights
from ..db.guards import Guard
from ..db.store import Connection
from ..errors import Forbidden, NotFound
from ..http.json_text import parse_json
from ..http.request import Call, text
from ..http.router import Access, Route, guarded
from ..items.custom_fields import custom_fields_of, put_custom_fields
from ..items.history import Event
from ..items.locate import find, kind_of
from ..items.rows import assessor_id
from ..items.uris import parse

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
    """Return the row of the item in the path.

    No path leads below a project's session, so the session is found first, then its scan or
    assessor. Below a project, items that others share into it are not found, as in XNAT.
    `Forbidden` where the caller lacks `right` on the item.
    """
    row = _find(
        call,
        connection,
        [(level, names[level]) for level in ('project', 'subject', 'experiment') if level in names],
    )
    if names.get('project', row.project) != row.project:
        name = names.get('experiment') or names.get('subject')
        raise NotFound(f'Unable to identify experiment: {name}')
    below = [(level, names[level]) for level in ('scan', 'assessor') if level in names]
    if below:
        row = _find(
            call,
            connection,
            [
                ('experiment', row.id),
                *((level, _id_below(connection, row, name)) for level, name in below),
            ],
        )
    if right and right not in rights(
        connection, call.caller, row.project, kind_of(connection, row)
    ):
        raise Forbidden(f'Insufficient privileges: {right} in project {row.project}.')
    return row


def _id_below(connection: Connection, session: Any, name: str) -> str:
    """Return the ID of a session's scan or assessor, by ID or label.

    Without a project, XNAT's other routes accept no labels.
    """
    return assessor_id(connection, session, name) or name


def _find(call: Call, connection: Connection, steps: list[tuple[str, str]]) -> Any:
    path = parse(list(chain.from_iterable((f'{level}s', name) for level, name in steps)))
    if path is None or path.tail or path.last.id is None:
        raise NotFound('Unable to find the item.')
    return find(connection, call.caller, path.steps).row


def _get(call: Call, **names: str) -> dict[str, Any]:
    with call.archive.store.read() as connection:
        found = custom_fields_of(connection, _item(call, connection, names))
    wanted = [name for value in call.all('fieldNames') for name in value.split(',') if name]
    return {name: value for name, value in found.items() if not wanted or name in wanted}


def _get_one(call: Call, field: str, **names: str) -> Any:
    """Return a field: a text unchanged, another value as JSON."""
    found = _get(call, **names)
    if field not in found:
        raise NotFound(f'Unable to find requested file or resource: Field {field} does not exist.')
    value = found[field]
    return text(value if isinstance(value, str) else json.dumps(value))


def _put(call: Call, **names: str) -> dict[str, Any]:
    """Set fields and return all; a body that is not an object changes nothing."""
    wanted = parse_json(call.document())
    with call.archive.store.write() as connection:
        row = _item(call, connection, names, 'edit')
        known = custom_fields_of(connection, row)
        return (
            put_custom_fields(connection, row, {**known, **wanted}, Event.of(call))
            if isinstance(wanted, dict)
            else known
        )


def _delete(call: Call, field: str, **names: str) -> dict[str, Any]:
    """Delete a field and return the others."""
    with call.archive.store.write() as connection:
        row = _item(call, connection, names, 'edit')
        known = custom_fields_of(connection, row)
        if field not in known:
            raise NotFound(
                f'Unable to find requested file or resource: Field {field} does not exist.'
            )
        return put_custom_fields(
            connection,
            row,
            {name: value for name, value in known.items() if name != field},
            Event.of(call),
        )


ROUTES = guarded(
    Guard.ITEM,
    (
        Route(method, f'/xapi/custom-fields/{place}/fields{field}', handler, doc, access)
        for place in _PLACES
        for method, field, handler, doc, access in (
            ('GET', '', _get, 'Return the custom fields of an item.', Access.ANYBODY),
            ('PUT', '', _put, 'Set custom fields of an item.', Access.LOGIN),
            ('GET', '/{field}', _get_one, 'Return the value of a custom field.', Access.ANYBODY),
            ('DELETE', '/{field}', _delete, 'Delete a custom field.', Access.LOGIN),
        )
    ),
)
