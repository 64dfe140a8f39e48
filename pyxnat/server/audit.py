"""What was done to an item and what became of it: ``/services/audit/XSITYPE/ID``, and the history of an item (facts 2.12, 6.4)."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Connection, and_, or_, select
from werkzeug.exceptions import BadRequest, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from .auth import readable, visible
from .calls import Call
from .history import changes
from .store import item, workflow
from .values import parse_stamp

__all__ = ['answer', 'history']


def answer(call: Call) -> Response:
    """What was done to a project, subject or experiment, the latest first."""
    if call.method != 'GET':
        raise MethodNotAllowed(['GET', 'HEAD'])
    kind, name = ([part for part in call.parts if part] + ['', ''])[2:4]
    if not re.fullmatch(r'[A-Za-z0-9_:.]+', kind) or not re.fullmatch(r'[A-Za-z0-9_.-]+', name):
        raise BadRequest('Invalid value')
    model = call.archive.model
    if model.level_of(kind) not in ('project', 'subject', 'experiment', 'assessor'):
        raise BadRequest(f'{kind} is no data type of items.')
    project = and_(item.c.level == 'project', visible(call.caller, item.c.id))
    query = select(item).where(item.c.id == name, item.c.xsi_type.in_(model.registry.subtypes(kind)))
    with call.archive.store.read() as connection:
        row = connection.execute(query.where(or_(project, and_(item.c.level != 'project', readable(call.caller, item))))).first()
        if row is None:
            raise NotFound(f'Unable to find the specified {kind}: {name}')
        return history(connection, row)


def history(connection: Connection, row: Any) -> Response:
    """The events of an item: its changes, and the workflows that were run on it."""
    events = [_change(one) for one in changes(connection, row)]
    if row.level not in ('scan', 'reconstruction'):  # the IDs of those are told apart in their session only
        query = select(workflow).where(workflow.c.item == row.id, workflow.c.project == row.project)
        events += [_workflow(one) for one in connection.execute(query)]
    events.sort(key=lambda one: one['event_date'], reverse=True)
    return Response(json.dumps({'events': events}, ensure_ascii=False), mimetype='application/json')


def _change(told: dict[str, Any]) -> dict[str, Any]:
    return {
        'event_id': told['event_id'],
        'event_action': told['action'],
        'event_date': _milliseconds(told['date']),
        'event_user': told['username'],
        'event_type': '',
        'event_reason': told['reason'],
        'event_comment': told['comment'],
        'event_category': 'DATA',
        'event_status': 'Complete',
        'changesets': told['changes'],
    }


def _workflow(row: Any) -> dict[str, Any]:
    told = json.loads(row.fields)
    return {
        'event_id': row.pk,
        'event_action': row.pipeline_name,
        'event_date': _milliseconds(row.launch_time),
        'event_user': row.login,
        'event_type': told.get('type', ''),
        'event_reason': told.get('justification', ''),
        'event_comment': told.get('comments', ''),
        'event_category': told.get('category', ''),
        'event_status': row.status,
        'changesets': [],
    }


def _milliseconds(stamp: str) -> int:
    moment = parse_stamp(stamp)
    return int(moment.timestamp() * 1000) if moment else 0
