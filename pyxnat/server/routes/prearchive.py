"""``/data/prearchive``: listings of waiting sessions, and the sessions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from ..db.access import Caller
from ..db.guards import Guard
from ..db.store import Connection, fields_of
from ..errors import BadRequest, NotFound
from ..http.request import Call, text
from ..http.responses import send, table_response
from ..http.router import Access, Route, guarded
from ..items.locate import find_project
from ..items.zip_tar import pack_folder
from ..prearchive import sessions
from ..prearchive.build import build
from ..prearchive.document import document_of_session
from ..prearchive.rescan import rebuild, rescan
from ..prearchive.sessions import UNASSIGNED, folder_of, images_of, scans_of
from ..prearchive.to_archive import Policy, archive_session, uri_of
from ..prearchive.waiting import (
    count_images,
    find_place,
    handled_by,
    image_rows,
    log_of,
    need_waiting,
    waiting_sessions,
)
from ..table import Table
from .dicom_import import prearchive_uri

__all__ = [
    'COLUMNS',
    'ROUTES',
    'by_uri',
    'find_waiting',
    'overwrite_of',
    'session_rows',
    'target_of',
]

COLUMNS = (
    'project',
    'timestamp',
    'lastmod',
    'uploaded',
    'scan_date',
    'scan_time',
    'subject',
    'folderName',
    'name',
    'tag',
    'status',
    'url',
    'autoarchive',
    'prevent_anon',
    'prevent_auto_commit',
    'SOURCE',
    'VISIT',
    'PROTOCOL',
    'TIMEZONE',
)
_URI = re.compile(r'(?:/(?:data|REST))?/prearchive/projects/([^/]+)/([^/]+)/([^/]+)/?$')
_STATUSES = ('READY', 'RECEIVING', 'CONFLICT', 'ERROR')
"""Statuses that users can set; the others belong to operations."""


def _recent(call: Call) -> Response:
    if not call.has('recent'):
        raise BadRequest('Please set the "recent" parameter')
    return _list(call)


def _list(call: Call, projects: str = '') -> Response:
    """Return the sessions of some projects, or of all that the caller may edit."""
    with call.archive.store.read() as connection:
        wanted = None
        if projects:
            wanted = [
                _readable_project(connection, call.caller, name) for name in projects.split(',')
            ]
        rows = waiting_sessions(connection, wanted, call.get('tag'))
        if not projects:
            rows = handled_by(connection, call.caller, rows)
        return table_response(call, Table(COLUMNS, session_rows(rows), count=False))


def _readable_project(connection: Connection, caller: Caller, name: str) -> str | None:
    """Return the ID of a project of the request; None for Unassigned.

    Only administrators may see Unassigned.
    """
    if name == UNASSIGNED and caller.admin:
        need_waiting(connection, caller, None)
        return None
    row = find_project(connection, name)
    need_waiting(connection, caller, row.id if row is not None else name, 'read')
    if row is None:
        raise NotFound(f'Unable to find the specified project: {name}')
    return str(row.id)


def session_rows(rows: Any) -> list[tuple[Any, ...]]:
    """Return sessions as rows of a table with `COLUMNS`."""
    found = []
    for row in rows:
        fields = fields_of(row)
        url = prearchive_uri(row).removeprefix('/data')
        start = (
            row.project or UNASSIGNED,
            row.timestamp,
            row.lastmod,
            row.uploaded,
            fields.get('date'),
            fields.get('time'),
        )
        more = (
            row.autoarchive,
            row.prevent_anon,
            row.prevent_auto_commit,
            row.source,
            row.visit,
            row.protocol,
            row.timezone,
        )
        found.append((*start, row.subject, row.folder, row.name, row.tag, row.status, url, *more))
    return found


def find_waiting(
    connection: Connection, caller: Caller, project: str, timestamp: str, folder: str
) -> Any:
    """Return the session in a folder of the prearchive.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project, or ``Unassigned``.
    timestamp, folder : str
        Names of the folders.

    Raises
    ------
    NotFound
        If there is none.
    Forbidden
        Without the right to edit, which reading requires, too.
    """
    if project == UNASSIGNED:
        owner = None
    else:
        row = find_project(connection, project)
        owner = row.id if row is not None else project
    need_waiting(connection, caller, owner)
    found = find_place(connection, owner, timestamp, folder)
    if found is None:
        raise NotFound(
            'Unable to find the specified session: '
            f'/prearchive/projects/{project}/{timestamp}/{folder}'
        )
    return found


def by_uri(connection: Connection, caller: Caller, uri: str) -> Any:
    """Return the session of a URI, with or without ``/data``.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    uri : str
        URI of the session.

    Raises
    ------
    BadRequest
        If it is not the URI of a session.
    """
    found = _URI.match(uri)
    if found is None:
        raise BadRequest(
            f'{uri!r} is not a session of the prearchive: /prearchive/projects/P/TIMESTAMP/SESSION'
        )
    return find_waiting(connection, caller, *found.groups())


# -- one session


def _on_session(handler: Callable[[Call, Any], Response]) -> Callable[..., Response]:
    """Return a route handler that calls `handler` with the path's session."""

    def handle(call: Call, project: str, timestamp: str, session: str) -> Response:
        return handler(call, _row(call, project, timestamp, session))

    return handle


def _row(call: Call, project: str, timestamp: str, session: str) -> Any:
    with call.archive.store.read() as connection:
        return find_waiting(connection, call.caller, project, timestamp, session)


def _part(call: Call, project: str, timestamp: str, session: str, path: str) -> Response:
    return _below(call, _row(call, project, timestamp, session), path.split('/'))


def _no_part(call: Call, project: str, timestamp: str, session: str, path: str) -> Response:
    _row(call, project, timestamp, session)
    raise BadRequest(f'{path} is not a part of a session in the prearchive.')


def _get(call: Call, row: Any) -> Response:
    form = call.get('format').lower()
    if form == 'zip':
        folder = folder_of(call.archive.files, row)
        return send(
            pack_folder(
                row.folder,
                folder.parent,
                sorted(path for path in folder.rglob('*') if path.is_file()),
            )
        )
    if form in ('xml', 'text/xml', 'application/xml'):
        with call.archive.store.read() as connection:
            site = call.request.host_url.rstrip('/')
            return Response(
                document_of_session(call, connection, row, site), content_type='text/xml'
            )
    return table_response(call, Table(COLUMNS, session_rows([row]), count=False), 'html')


def _post(call: Call, row: Any) -> Response:
    if call.mimetype == 'application/x-www-form-urlencoded':
        call.query += call.form()
    action = call.get('action')
    if action == 'build':
        return _uri(rebuild(call.archive, call.caller.login, row, _fields_to_set(call)))
    if action in ('reset', 'reset-status', 'set', 'set-status'):
        return _uri(
            _set_status(call, row, 'READY' if action.startswith('reset') else call.get('status'))
        )
    if action == 'move':
        with call.archive.store.write() as connection:
            target = target_of(connection, call.caller, call.get('newProject'))
            return _moved(prearchive_uri(sessions.move(call.archive, connection, row.pk, target)))
    if action == 'commit':
        row = build(call.archive, row.pk, _fields_to_set(call))
        auto = (
            call.flag('AA')
            or call.flag('auto-archive')
            or (row.autoarchive != 'Manual' and not (call.has('AA') or call.has('auto-archive')))
        )
        if not auto or row.status != 'READY':
            return _uri(row)
        session = archive_session(
            call.archive, call.caller, row.pk, Policy.of(call.get('overwrite') or overwrite_of(row))
        )
        with call.archive.store.read() as connection:
            return _moved(uri_of(connection, session))
    raise BadRequest(f'{action!r} is not one of the actions build, reset, set, move, commit.')


def _uri(row: Any) -> Response:
    return text(prearchive_uri(row), mimetype='text/uri-list')


def _fields_to_set(call: Call) -> dict[str, str]:
    """Return the parameters that set columns of a session."""
    return {
        name.lower(): call.get(name)
        for name in ('VISIT', 'PROTOCOL', 'TIMEZONE', 'SOURCE')
        if call.get(name)
    }


def _set_status(call: Call, row: Any, status: str) -> Any:
    """Set the status by hand, even during an operation."""
    if status not in _STATUSES:
        raise BadRequest(f'{status!r} is not one of {", ".join(_STATUSES)}.')
    if status == 'READY' and not row.xsi_type:
        raise BadRequest(f'The session {row.folder} has not been built yet.')
    with call.archive.store.write() as connection:
        sessions.set_status(connection, row.pk, status, f'Set to {status} by {call.caller.login}.')
    return row


def overwrite_of(row: Any) -> str:
    """Return the ``overwrite`` option of an auto-archived session."""
    return 'delete' if row.autoarchive == 'AutoArchiveOverwrite' else 'none'


def _moved(uri: str) -> Response:
    return Response(uri, status=301, mimetype='text/uri-list', headers={'Location': uri})


def target_of(connection: Connection, caller: Caller, name: str) -> str:
    """Return the ID of the project to move a session to.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    name : str
        ID of the project.

    Raises
    ------
    BadRequest
        Without a name.
    NotFound
        If there is no such project.
    Forbidden
        Without the right to create there.
    """
    row = find_project(connection, name) if name else None
    if not name:
        raise BadRequest('Name the project to move to, newProject=P.')
    if row is None:
        raise NotFound(f'Unable to find the specified project: {name}')
    need_waiting(connection, caller, row.id, 'create')
    return str(row.id)


def _delete(call: Call, row: Any) -> Response:
    with call.archive.store.write() as connection:
        sessions.discard(call.archive, connection, row.pk)
    return text()


def _rescan(call: Call, projects: str = '') -> Response:
    if not call.caller.admin:
        raise NotFound('Only an administrator can rescan the prearchive.')
    with call.archive.store.read() as connection:
        need_waiting(connection, call.caller, None)
        owner = _readable_project(connection, call.caller, projects) if projects else None
    rescan(call.archive, call.caller.login, owner, everywhere=not projects)
    return text()


# -- contents


def _below(call: Call, row: Any, rest: Sequence[str]) -> Response:
    with call.archive.store.read() as connection:
        if rest[0] == 'logs':
            return _logs(call, connection, row, rest[1:])
        if rest == ['scans']:
            return table_response(call, _scans(connection, row))
        scans = scans_of(connection, row.pk)
        if rest == ['resources']:
            return table_response(call, _resources(connection, scans))
        if len(rest) > 2 and rest[0] == 'scans' and rest[2] == 'resources':
            found = [scan for scan in scans if scan.id == rest[1]]
            if not found:
                raise NotFound(f'Unable to find the specified scan: {rest[1]}')
            return _scan_resources(call, connection, row, found[0], rest[3:])
    raise BadRequest(f'{"/".join(rest)} is not a part of a session in the prearchive.')


def _logs(call: Call, connection: Connection, row: Any, rest: Sequence[str]) -> Response:
    rows = log_of(connection, row.pk)
    if not rest:
        return table_response(
            call, Table(['id', 'date', 'entry'], [(one.pk, one.time, one.entry) for one in rows])
        )
    found = rows[-1:] if rest[0] == 'last' else [one for one in rows if str(one.pk) == rest[0]]
    if not found:
        raise NotFound(f'There is no log {rest[0]}.')
    return text(f'{found[0].time} {found[0].entry}')


def _scans(connection: Connection, row: Any) -> Table:
    rows = [
        (scan.id, scan.xsi_type, fields_of(scan).get('series_description'))
        for scan in scans_of(connection, row.pk)
    ]
    return Table(('ID', 'xsiType', 'series_description'), rows)


def _resources(connection: Connection, scans: Sequence[Any]) -> Table:
    rows = [('scans', scan.id, 'DICOM', *count_images(connection, scan.pk)) for scan in scans]
    return Table(('category', 'cat_id', 'label', 'file_count', 'file_size'), rows)


def _scan_resources(
    call: Call, connection: Connection, row: Any, scan: Any, rest: Sequence[str]
) -> Response:
    if not rest:
        return table_response(
            call,
            Table(
                ('label', 'file_count', 'file_size'),
                [('DICOM', *count_images(connection, scan.pk))],
            ),
        )
    if rest[0] != 'DICOM' or rest[1:2] not in ([], ['files']):
        raise NotFound(f'Unable to find the specified resource: {"/".join(rest)}')
    home = images_of(call.archive.files, row, scan.id)
    images = image_rows(connection, scan.pk)
    asked = '/'.join(rest[2:])
    if asked:
        if asked not in {image.path for image in images}:
            raise NotFound('Unable to find file.')
        return send_file(
            call.archive.files.file_path(home, asked),
            call.request.environ,
            mimetype='application/octet-stream',
            etag=False,
        )
    if call.get('format').lower() == 'zip':
        return send(
            pack_folder(
                row.folder,
                home,
                [call.archive.files.file_path(home, image.path) for image in images],
            )
        )
    base = f'{prearchive_uri(row)}/scans/{scan.id}/resources/DICOM/files'
    return table_response(
        call,
        Table(
            ['Name', 'Size', 'URI'],
            [(image.path, image.size, f'{base}/{image.path}') for image in images],
        ),
    )


_PREARCHIVE = '/data/prearchive'
_SESSION = f'{_PREARCHIVE}/projects/{{project}}/{{timestamp}}/{{session}}'
ROUTES = guarded(
    Guard.WAITING,
    (
        Route('GET', _PREARCHIVE, _list, 'List the sessions in the prearchive.', Access.LOGIN),
        Route(
            'PUT', _PREARCHIVE, _rescan, 'Read the whole prearchive from its folder.', Access.LOGIN
        ),
        Route(
            'GET',
            f'{_PREARCHIVE}/experiments',
            _recent,
            'List the sessions, with `recent`.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            f'{_PREARCHIVE}/projects/{{projects?}}',
            _list,
            'List the sessions of projects.',
            Access.LOGIN,
        ),
        Route(
            'PUT',
            f'{_PREARCHIVE}/projects/{{projects?}}',
            _rescan,
            'Read the prearchive of a project from its folder.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            _SESSION,
            _on_session(_get),
            'Return a session as a table, XML or zip.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            _SESSION,
            _on_session(_post),
            'Perform `action`: `build`, `reset`, `set`, `move`, `commit`.',
            Access.LOGIN,
        ),
        Route('DELETE', _SESSION, _on_session(_delete), 'Delete a session.', Access.LOGIN),
        Route(
            'GET',
            f'{_SESSION}/{{path*}}',
            _part,
            'Return `scans`, `resources`, `files` or `logs` of a session.',
            Access.LOGIN,
        ),
        Route(
            'PUT POST DELETE',
            f'{_SESSION}/{{path*}}',
            _no_part,
            'Refuse: parts of a session cannot be changed.',
            Access.LOGIN,
        ),
    ),
)
