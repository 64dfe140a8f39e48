"""``/data/status/ID``: progress log of a long request; in memory.

Only the login session that wrote a log can read it.
"""

from __future__ import annotations

import html
import json

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..errors import BadRequest
from ..http.request import Call, text
from ..http.router import Route, guarded
from ..jobs.progress import STATUSES, Message, Progress

__all__ = ['ROUTES', 'Reporter']


class Reporter:
    """Writes progress to the log of a request's ``http-session-listener``.

    Without that parameter nothing is written.
    """

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, status: str, message: str, terminal: bool = False) -> None:
        name = self._call.get('http-session-listener')
        if name:
            self._call.archive.part(Progress).tell(
                self._call.session, name, Message(status, message, terminal)
            )


def _post(call: Call, name: str) -> Response:
    fields = dict(call.query + call.form())
    if fields.get('status') not in STATUSES:
        raise BadRequest(f'{fields.get("status")} is not a valid Status.')
    call.archive.part(Progress).tell(
        call.session, name, Message(fields['status'], fields.get('message', ''))
    )
    return text()


def _delete(call: Call, name: str) -> Response:
    call.archive.part(Progress).forget(call.session, name)
    return text()


def _get(call: Call, name: str) -> Response:
    """Return a log as text, JSON or HTML."""
    log = call.archive.part(Progress).of(call.session, name)
    form = call.get('format').lower()
    if form == 'json':  # XNAT's JSON has a list in the list
        return Response(
            json.dumps(
                {
                    'msgs': [
                        [
                            {'status': one.status, 'msg': one.text, 'terminal': one.terminal}
                            for one in log
                        ]
                    ]
                }
            ),
            mimetype='application/json',
        )
    if form in ('html', 'xml'):
        rows = ''.join(
            f"<tr><td class='s{one.status}'>{one.status}</td><td>{html.escape(one.text)}</td></"
            'tr>\n'
            for one in log
        )
        return text(f'<html><body><table>{rows}</table></body></html>', mimetype='text/html')
    return text('StatusLog' + ''.join(f'{one.status}: {one.text}\n' for one in log))


ROUTES = guarded(
    Guard.PROGRESS,
    (
        Route(
            'GET',
            '/data/status/{name}',
            _get,
            'Return the log of a request that named it in `http-session-listener`.',
        ),
        Route('POST', '/data/status/{name}', _post, 'Add a message to a log.'),
        Route('DELETE', '/data/status/{name}', _delete, 'Delete a log.'),
    ),
)
