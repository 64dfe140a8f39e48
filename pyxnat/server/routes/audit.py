"""``/services/audit/XSITYPE/ID`` and the history of an item (facts 2.12, 6.4)."""

from __future__ import annotations

import json
import re
from typing import Any

from werkzeug.wrappers import Response

from ...model.levels import level
from ..db.access import Caller
from ..db.guards import Guard
from ..db.store import Connection
from ..db.values import parse_stamp
from ..errors import BadRequest, NotFound
from ..http.request import Call
from ..http.router import Route, guarded
from ..items.rows import find_of_type
from ..jobs import workflow_log

__all__ = ['ROUTES', 'history']


def _audit(call: Call, kind: str, name: str) -> Response:
    """Return the events of a project, subject or experiment, the newest first."""
    if not re.fullmatch(r'[A-Za-z0-9_:.]+', kind) or not re.fullmatch(r'[A-Za-z0-9_.-]+', name):
        raise BadRequest('Invalid value')
    model = call.archive.model
    where = model.level_of(kind)
    if not where or level(where).is_part:
        raise BadRequest(f'{kind} is not a data type of items.')
    with call.archive.store.read() as connection:
        row = find_of_type(connection, call.caller, model.registry.subtypes(kind), name)
        if row is not None:
            return history(connection, call.caller, row)
        gone = workflow_log.of_deleted_item(connection, call.caller, kind, name)
        if not gone:
            raise NotFound(f'Unable to find the specified {kind}: {name}')
        return _events(gone)


def history(connection: Connection, caller: Caller, row: Any) -> Response:
    """Return the events of an item, the newest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    row
        The item. Scans and reconstructions have none.
    """
    if level(row.level).is_part:  # their events are recorded at their session
        return _events([])
    return _events(workflow_log.of_item(connection, caller, row))


def _events(rows: list[Any]) -> Response:
    events = sorted(
        (_event(row) for row in rows), key=lambda event: event['event_date'], reverse=True
    )
    return Response(json.dumps({'events': events}, ensure_ascii=False), mimetype='application/json')


def _event(row: Any) -> dict[str, Any]:
    fields = json.loads(row.fields)
    more = {
        'event_reason': fields.get('justification', ''),
        'event_comment': fields.get('comments', ''),
    }
    return {
        'event_action': row.pipeline_name,
        'event_id': row.pk,
        'event_type': fields.get('type', ''),
        'event_date': _milliseconds(row.launch_time),
        'changesets': [],
        'event_user': row.login,
        'event_category': fields.get('category', ''),
        'event_status': row.status,
        **{name: value for name, value in more.items() if value},
    }


def _milliseconds(stamp: str) -> int:
    moment = parse_stamp(stamp)
    return int(moment.timestamp() * 1000) if moment else 0


ROUTES = guarded(
    Guard.WORKFLOW,
    (
        Route(
            'GET',
            '/data/services/audit/{kind?}/{name?}',
            _audit,
            'List the changes of a project, subject or experiment by its type and ID.',
        ),
    ),
)
