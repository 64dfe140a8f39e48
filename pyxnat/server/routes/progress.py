"""``/data/status/ID``: what a long request tells of itself while it runs, to its own login session. In memory."""

from __future__ import annotations

import html
import json
import threading
from collections import OrderedDict
from typing import NamedTuple

from werkzeug.wrappers import Response

from ..errors import BadRequest, MethodNotAllowed, NotFound
from ..http.request import Call, text

__all__ = ['Message', 'Progress', 'Reporter', 'answer']

STATUSES = ('PROCESSING', 'WARNING', 'COMPLETED', 'FAILED')
MAX_LOGS = 1000
MAX_MESSAGES = 1000


class Message(NamedTuple):
    """One line of a log."""

    status: str
    text: str
    terminal: bool = False


class Progress:
    """The logs of all sessions; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._logs: OrderedDict[tuple[str, str], list[Message]] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, session: str, name: str, message: Message) -> None:
        """Add a line to a log."""
        with self._lock:
            log = self._logs.setdefault((session, name), [])
            del log[: max(0, len(log) + 1 - MAX_MESSAGES)]
            log.append(message)
            while len(self._logs) > MAX_LOGS:
                self._logs.popitem(last=False)

    def of(self, session: str, name: str) -> list[Message]:
        """The lines of a log; none for one that nothing was told in."""
        with self._lock:
            return list(self._logs.get((session, name), ()))

    def forget(self, session: str, name: str) -> None:
        """Remove a log."""
        with self._lock:
            self._logs.pop((session, name), None)


class Reporter:
    """Tells of one request, if that names a log by ``http-session-listener``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, status: str, message: str, terminal: bool = False) -> None:
        name = self._call.get('http-session-listener')
        if name:
            self._call.archive.progress.tell(self._call.session, name, Message(status, message, terminal))


def answer(call: Call) -> Response:
    """Read a log as text, JSON or HTML; add to it (POST status, message); remove it."""
    _, name, *_ = [*filter(None, call.parts), '']
    if not name:
        raise NotFound('Name the log: status/ID.')
    if call.method == 'POST':
        told = dict(call.query + call.form())
        if told.get('status') not in STATUSES:
            raise BadRequest(f'{told.get("status")} is not a valid Status.')
        call.archive.progress.tell(call.session, name, Message(told['status'], told.get('message', '')))
        return text()
    if call.method == 'DELETE':
        call.archive.progress.forget(call.session, name)
        return text()
    if call.method != 'GET':
        raise MethodNotAllowed(['GET', 'HEAD', 'POST', 'DELETE'])
    log = call.archive.progress.of(call.session, name)
    form = call.get('format').lower()
    if form == 'json':  # XNAT's JSON has a list in the list
        return Response(
            json.dumps({'msgs': [[{'status': one.status, 'msg': one.text, 'terminal': one.terminal} for one in log]]}), mimetype='application/json'
        )
    if form in ('html', 'xml'):
        rows = ''.join(f"<tr><td class='s{one.status}'>{one.status}</td><td>{html.escape(one.text)}</td></tr>\n" for one in log)
        return text(f'<html><body><table>{rows}</table></body></html>', mimetype='text/html')
    return text('StatusLog' + ''.join(f'{one.status}: {one.text}\n' for one in log))
