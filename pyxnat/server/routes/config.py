"""``/data/config``, ``/data/projects/P/config``: versioned texts of tools.

A configuration has a tool, a path and optionally a project; each change adds a version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug.wrappers import Response

from ..db import config_store
from ..db.config_store import ConfigPlace
from ..db.guards import Guard
from ..db.store import Connection
from ..errors import BadRequest, Forbidden, NotFound
from ..http.json_text import parse_json
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..table import Table
from .project_scope import project_of

__all__ = ['ROUTES']

COLUMNS = (
    'tool',
    'path',
    'project',
    'user',
    'create_date',
    'reason',
    'contents',
    'unversioned',
    'version',
    'status',
)
_STATUS = {'enabled': 'enabled', 'true': 'enabled', 'disabled': 'disabled', 'false': 'disabled'}


def _place(call: Call, connection: Connection) -> ConfigPlace:
    """Return the project, tool and path of a request.

    `NotFound` for a project that the caller cannot see; `Forbidden` without the right to read it,
    or to write without owning it.
    """
    project, tool, path = '', call.names['tool'], call.names['path']
    writing = call.method != 'GET'
    if 'project' in call.names:
        project = _project(call, connection, writing)
    config_store.need_config(connection, call.caller, project, change=writing)
    if writing and not path:
        raise BadRequest('Name the tool and the path.')
    return ConfigPlace(project, tool, path)


def _project(call: Call, connection: Connection, writing: bool) -> str:
    """Return the ID of the project; to write into a hidden one is `Forbidden`."""
    try:
        return str(project_of(call, connection).id)
    except NotFound:
        if call.caller.admin or not writing:
            raise
        raise Forbidden('User does not have privileges to modify config for this project') from None


# -- reading


def _get(call: Call, **names: str) -> Response:
    with call.archive.store.read() as connection:
        place = _place(call, connection)
        if not place.tool:
            return table_response(
                call, Table(('tool',), config_store.tools(connection, place.project), count=False)
            )
        if not place.path:
            return _listed(
                call, COLUMNS, [_row(one) for one in config_store.latest(connection, place)], place
            )
        found = list(config_store.versions(connection, place))
        if not found and call.flag('defaultToSiteWide'):
            found = list(config_store.versions(connection, place._replace(project='')))
    if call.get('action').lower() == 'gethistory':
        return _listed(call, COLUMNS, [_row(one) for one in reversed(found)], place)
    if call.get('version').isdecimal():
        found = [one for one in found if one.version == int(call.get('version'))]
    contents, meta = call.flag('contents'), call.flag('meta')
    if contents and not meta:
        if not found or found[0].status == 'disabled':
            return _missing(call, place)
        return text(found[0].contents)
    return _listed(
        call, COLUMNS, [_row(one, hide=meta and not contents) for one in found[:1]], place
    )


def _row(config: Any, hide: bool = False) -> tuple[Any, ...]:
    flag = 'true' if config.unversioned else 'false'
    contents = None if hide else config.contents
    return (
        config.tool,
        config.path,
        config.project,
        config.login,
        config.created,
        config.reason,
        contents,
        flag,
        config.version,
        config.status,
    )


def _listed(
    call: Call, columns: Sequence[str], rows: Sequence[Any], place: ConfigPlace
) -> Response:
    return (
        table_response(call, Table(columns, rows, count=False)) if rows else _missing(call, place)
    )


def _missing(call: Call, place: ConfigPlace) -> Response:
    if call.flag('accept-not-found'):
        return Response(status=204, mimetype='application/json')
    whose = f'of project {place.project}' if place.project else 'of the site'
    raise NotFound(f'There is no configuration {place.tool}/{place.path} {whose}.')


# -- writing


def _put(call: Call, **names: str) -> Response:
    """Write a configuration or set its status.

    The status is 201 for a new one, else 200. An unchanged one has no new version.
    """
    with call.archive.store.read() as connection:  # refuse before the body is read
        place = _place(call, connection)
    options, contents = _body(call)
    status = options.get('status') or call.get('status')
    if status and status.lower() not in _STATUS:
        raise BadRequest(
            'Only valid values for the status flag are enabled or true and disabled or false: '
            f'{status}'
        )
    if not status and contents is None:
        raise BadRequest('Give a status in the query or a configuration in the body.')
    if contents is not None and not contents.strip():
        raise BadRequest('No contents provided')
    wanted = _STATUS[status.lower()] if status else 'enabled'
    with call.archive.store.write() as connection:
        place = _place(call, connection)
        known = (config_store.versions(connection, place) or [None])[0]
        if contents is None:
            if known is None:
                return _missing(call, place)
            contents = known.contents
        if known is None or (known.contents, known.status) != (contents, wanted):
            _write(call, connection, place, known, contents, wanted)
    return text(status=201 if known is None else 200)


def _body(call: Call) -> tuple[Mapping[str, str], str | None]:
    """Return the members of a JSON body and the contents.

    The contents are a member of the JSON body, the file of a form, or the body itself.
    """
    if call.mimetype == 'multipart/form-data':
        parts = call.multipart()[1]
        if len(parts) != 1:
            raise BadRequest(
                'Config contents are limited to a single file' if parts else 'No body contents.'
            )
        return {}, _decoded(parts[0][2])
    body = call.document() if call.has_body else b''
    if call.mimetype == 'application/json' and body:
        found = parse_json(body)
        if not isinstance(found, dict) or not all(
            isinstance(value, str) for value in found.values()
        ):
            raise BadRequest(
                'A JSON body may only have the texts contents and status; send other JSON as '
                'text/plain.'
            )
        return found, found.get('contents')
    return {}, _decoded(body) if body else None


def _decoded(body: bytes) -> str:
    try:
        return body.decode('utf-8')
    except UnicodeDecodeError as error:
        raise BadRequest('The contents are not UTF-8.') from error


def _write(
    call: Call, connection: Connection, place: ConfigPlace, known: Any, contents: str, status: str
) -> None:
    """Add a version; an unversioned configuration keeps only one."""
    unversioned = call.flag('unversioned', default=bool(known is not None and known.unversioned))
    values = {
        'login': call.caller.login,
        'reason': call.get('reason') or call.get('event_reason'),
        'contents': contents,
        'status': status,
    }
    config_store.add_version(connection, place, known, unversioned=unversioned, **values)


def _delete(call: Call, **names: str) -> Response:
    """Disable a configuration and keep its versions."""
    with call.archive.store.write() as connection:
        place = _place(call, connection)
        known = (config_store.versions(connection, place) or [None])[0]
        if known is None:
            return _missing(call, place)
        if known.status != 'disabled':
            _write(call, connection, place, known, known.contents, 'disabled')
    return text()


ROUTES = guarded(
    Guard.CONFIG,
    (
        Route(method, f'/data{place}/config/{{tool?}}/{{path*}}', handler, doc)
        for place in ('', '/projects/{project}')
        for method, handler, doc in (
            (
                'GET',
                _get,
                'List the tools that are configured, the configurations of one, or return one.',
            ),
            ('PUT', _put, 'Write a configuration, or enable or disable it.'),
            ('DELETE', _delete, 'Disable a configuration.'),
        )
    ),
)
