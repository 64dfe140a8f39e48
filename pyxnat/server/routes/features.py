"""``/services/features``: switches of the web pages by site and group.

The format is fact 6.4. No features are defined here, so all lists are empty.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard, record
from ..db.store import Connection
from ..errors import BadRequest, Forbidden, NotFound, PreconditionFailed
from ..http.json_text import parse_json
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..items.locate import find_project, need
from ..items.rows import visible_projects
from ..table import Table
from .groups import titles

__all__ = ['ROUTES']


def _get(call: Call) -> Response:
    """Return the features; with ``tag`` or ``type`` those of groups.

    ``tag=P,…`` gives the groups of projects, ``type=`` kinds of groups.
    """
    if call.has('tag'):
        with call.archive.store.read() as connection:
            return _json(
                [_project(call, connection, name) for name in call.get('tag').split(',') if name]
            )
    if call.has('type'):
        with call.archive.store.read() as connection:
            names = visible_projects(connection, call.caller)
            kinds = sorted({title for name in names for title in titles(connection, name).values()})
        return _json(
            [
                _owner(
                    '__site__',
                    [
                        {'id': kind, 'display': kind, 'features': [], 'blocked': []}
                        for kind in kinds
                    ],
                )
            ]
        )
    if call.has('group'):
        raise BadRequest('Use tag= for the features of groups.')
    record(Guard.ITEM)  # the archive has no features
    return table_response(
        call,
        Table(('key', 'name', 'description', 'enabled', 'banned'), [], count=False),
        default='html',
    )


def _json(owners: list[dict[str, Any]]) -> Response:
    return text(json.dumps(owners))


def _owner(name: str, groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {'id': name, 'banned': [], 'onByDefault': [], 'groups': groups}


def _project(call: Call, connection: Connection, name: str) -> dict[str, Any]:
    row = find_project(connection, name)
    if row is None:
        raise NotFound(f'Unable to find the specified project: {name}')
    need(connection, call.caller, row.id, 'read')
    none: dict[str, list[str]] = {
        'features': [],
        'blocked': [],
        'inherited_features': [],
        'inherited_banned': [],
    }
    groups = [
        {'id': f'{row.id}_{key}', 'display': title, **none}
        for key, title in titles(connection, row.id).items()
    ]
    return _owner(row.id, groups)


def _set(call: Call) -> Response:
    if not call.has_body:
        raise PreconditionFailed('Name the feature in a document: {"key": …, "enabled": true}')
    if not call.caller.admin:
        raise Forbidden('Only administrators can switch features.')
    try:
        key = parse_json(call.document())['key']
    except (TypeError, KeyError) as error:
        raise BadRequest('Invalid JSON content') from error
    raise NotFound(f'There is no feature {key}.')


ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'GET',
            '/data/services/features',
            _get,
            'List the features; by `tag` those of the groups of projects, by `type` those of '
            'kinds of groups.',
        ),
        Route('POST', '/data/services/features', _set, 'Switch a feature; the archive has none.'),
    ),
)
