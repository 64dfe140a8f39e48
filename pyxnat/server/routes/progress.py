"""``/data/status/ID``: what a long request tells of itself while it runs, to its own login session. In memory."""

from __future__ import annotations

import html
import json

from werkzeug.wrappers import Response

from ..errors import BadRequest
from ..http.request import Call, text
from ..http.router import Route
from ..jobs.progress import STATUSES, Message, Progress

__all__ = ['ROUTES', 'Reporter']


class Reporter:
    """Tells of one request, if that names a log by ``http-session-listener``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, status: str, message: str, terminal: bool = False) -> None:
        name = self._call.get('http-session-listener')
        if name:
            self._call.archive.part(Progress).tell(self._call.session, name, Message(status, message, terminal))


def _post(call: Call, name: str) -> Response:
    told = dict(call.query + call.form())
    if told.get('status') not in STATUSES:
        raise BadRequest(f'{told.get("status")} is not a valid Status.')
    call.archive.part(Progress).tell(call.session, name, Message(told['status'], told.get('message', '')))
    return text()


def _delete(call: Call, name: str) -> Response:
    call.archive.part(Progress).forget(call.session, name)
    return text()


def _get(call: Call, name: str) -> Response:
    """A log as text, JSON or HTML."""
    log = call.archive.part(Progress).of(call.session, name)
    form = call.get('format').lower()
    if form == 'json':  # XNAT's JSON has a list in the list
        return Response(
            json.dumps({'msgs': [[{'status': one.status, 'msg': one.text, 'terminal': one.terminal} for one in log]]}), mimetype='application/json'
        )
    if form in ('html', 'xml'):
        rows = ''.join(f"<tr><td class='s{one.status}'>{one.status}</td><td>{html.escape(one.text)}</td></tr>\n" for one in log)
        return text(f'<html><body><table>{rows}</table></body></html>', mimetype='text/html')
    return text('StatusLog' + ''.join(f'{one.status}: {one.text}\n' for one in log))


ROUTES = (
    Route('GET', '/data/status/{name}', _get, 'Return the log of a request that named it in `http-session-listener`.'),
    Route('POST', '/data/status/{name}', _post, 'Add a message to a log.'),
    Route('DELETE', '/data/status/{name}', _delete, 'Delete a log.'),
)
