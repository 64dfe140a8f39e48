"""Services on prearchive sessions by URI: move, delete, rebuild, archive.

XNAT queues most of these and answers at once. Here they are done before the response, so ``async``
has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.store import Connection
from ..errors import BadRequest
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Access, Route, guarded
from ..items.locate import find_project
from ..prearchive import sessions
from ..prearchive.rescan import rebuild
from ..prearchive.sessions import UNASSIGNED
from ..prearchive.to_archive import Policy, archive_session, notices, uri_of
from ..table import Table
from .prearchive import COLUMNS, by_uri, find_waiting, overwrite_of, session_rows, target_of

__all__ = ['ROUTES', 'read_form']

_DEST = re.compile(
    r'(?:/data)?/archive(?:/projects/([^/]+)(?:/subjects/([^/]+)(?:/experiments/([^/]+))?)?)?/?$'
)


def read_form(call: Call) -> None:
    """Add the fields of a form to the parameters of the query."""
    if call.mimetype == 'application/x-www-form-urlencoded':
        call.query += call.form()
    elif call.mimetype == 'multipart/form-data':
        call.query += call.multipart()[0]


def _sessions(call: Call, connection: Connection) -> Sequence[Any]:
    """Return the sessions of ``src``, or of project, timestamp and session."""
    if call.all('src'):
        return [by_uri(connection, call.caller, uri) for uri in call.all('src')]
    found = [call.get(name) for name in ('project', 'timestamp', 'session')]
    if not all(found):
        raise BadRequest(
            'Name the sessions: src=/prearchive/projects/P/TIMESTAMP/SESSION, which may be '
            'repeated.'
        )
    return [find_waiting(connection, call.caller, *found)]


def _table(call: Call, rows: Sequence[Any]) -> Response:
    return table_response(call, Table(COLUMNS, session_rows(rows), count=False))


def _move(call: Call) -> Response:
    read_form(call)
    with call.archive.store.write() as connection:
        rows = _sessions(call, connection)
        target = target_of(connection, call.caller, call.get('newProject'))
        return _table(
            call, [sessions.move(call.archive, connection, row.pk, target) for row in rows]
        )


def _delete(call: Call) -> Response:
    read_form(call)
    with call.archive.store.write() as connection:
        return _table(
            call,
            [
                sessions.discard(call.archive, connection, row.pk)
                for row in _sessions(call, connection)
            ],
        )


def _rebuild(call: Call) -> Response:
    read_form(call)
    with call.archive.store.read() as connection:
        rows = _sessions(call, connection)
    return _table(call, [rebuild(call.archive, call.caller.login, row) for row in rows])


def _policy(call: Call, connection: Connection, row: Any) -> Policy:
    """Return the target of a session, and rights to change an existing one.

    They are those of the request, else of the session's project.
    """
    dest = call.get('dest')
    found = _DEST.match(dest) if dest else None
    if dest and found is None:
        raise BadRequest(f'Parameter dest format error: {dest}')
    project, subject, label = found.groups() if found else (None, None, None)
    named = find_project(connection, project) if project else None
    if project and named is None:
        raise BadRequest(f'Unable to find the specified project: {project}')
    policy = Policy.of(call.get('overwrite') or overwrite_of(row), call.flag('overwrite_files'))
    by_place = not call.all('src')
    subject = subject or call.get('subject')
    label = label or ('' if by_place else call.get('session')) or call.get('label')
    trigger = call.flag('triggerPipelines', default=True)
    policy = policy._replace(
        project=named.id if named is not None else '', subject=subject, label=label, trigger=trigger
    )
    return policy.telling(call.query)


def _archive(call: Call) -> Response:
    """Archive sessions; return the URI of one, or the table of several."""
    read_form(call)
    with call.archive.store.read() as connection:
        rows = _sessions(call, connection)
        orders = [(row, _policy(call, connection, row)) for row in rows]
    for row, policy in orders:
        if row.project is None and not policy.project:
            raise BadRequest(f'{row.folder} is {UNASSIGNED}: move it to a project first.')
    done = [archive_session(call.archive, call.caller, row.pk, policy) for row, policy in orders]
    with call.archive.store.read() as connection:
        uris = [uri_of(connection, session) for session in done]
    if len(uris) > 1:
        return _table(call, rows)
    if call.flag('redirect'):
        return Response(status=303, headers={'Location': uris[0]})
    return text(f'{uris[0]}\r\n', mimetype='text/uri-list')


def _validate(call: Call) -> Response:
    """Return obstacles to archiving a session: code, type and message.

    They follow XNAT's PrearcSessionValidator; nothing is archived.
    """
    read_form(call)
    with call.archive.store.read() as connection:
        rows = _sessions(call, connection)
        if len(rows) != 1:
            raise BadRequest('Cannot validate multiple sessions in one request.')
        found = notices(connection, rows[0], _policy(call, connection, rows[0]))
    return table_response(call, Table(('code', 'type', 'message'), found))


ROUTES = guarded(
    Guard.WAITING,
    (
        Route(
            'POST',
            '/data/services/prearchive/move',
            _move,
            'Move sessions of the prearchive to another project.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            '/data/services/prearchive/delete',
            _delete,
            'Delete sessions of the prearchive.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            '/data/services/prearchive/rebuild',
            _rebuild,
            'Build sessions of the prearchive from their files.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            '/data/services/archive',
            _archive,
            'Archive sessions of the prearchive.',
            Access.LOGIN,
        ),
        Route(
            'POST',
            '/data/services/validate-archive',
            _validate,
            'List the obstacles to archiving a session.',
            Access.LOGIN,
        ),
    ),
)
