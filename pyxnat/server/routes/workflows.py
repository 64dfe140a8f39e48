"""Workflows, ``wrk:workflowData``: finished and running actions on items.

XNAT's pipeline engine updates the workflow of a run by PUT; any client can do so for its own work.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.store import Connection
from ..db.values import parse_stamp
from ..db.workflow_fields import WORKFLOW_TYPE
from ..errors import BadRequest, NotFound
from ..http.request import Call, text
from ..http.responses import table_response
from ..http.router import Access, Route, guarded
from ..jobs import workflow_log
from ..jobs.workflow_xml import TIMES, parse_workflow, write_workflow
from ..table import Table

__all__ = ['ROUTES']

_NEEDED = ('ID', 'launch_time', 'pipeline_name', 'data_type')

# -- one workflow


def _workflow(call: Call, number: str) -> Response:
    """Return, create or change a workflow: ``workflows[/ID]``.

    Without an ID its identifying fields are in the parameters.
    """
    fields = _fields_of(call)
    store = call.archive.store
    with store.read() if call.method == 'GET' else store.write() as connection:
        found = workflow_log.find(connection, call.caller, number, fields)
        if call.method == 'PUT':
            _put(call, connection, found, fields, bool(number))
            return text()
        if found is None:
            raise NotFound('Unable to find the specified workflow.')
    if call.get('format').lower() == 'json':
        return Response(
            json.dumps({'items': [_as_json(found)]}, ensure_ascii=False),
            content_type='application/json',
        )
    return Response(write_workflow(found), content_type='text/xml')


def _fields_of(call: Call) -> dict[str, str]:
    """Return the fields in the document, form and query, by their names."""
    settings = list(call.query)
    found: dict[str, str] = {}
    if call.has_body and call.mimetype == 'application/x-www-form-urlencoded':
        settings = call.form() + settings
    elif call.has_body:
        found = parse_workflow(call.document())
    for name, value in settings:
        kind, _, path = name.rpartition('/')
        if kind.lower() in ('', WORKFLOW_TYPE.lower()) and path.lower() in workflow_log.FIELDS:
            found[workflow_log.FIELDS[path.lower()]] = value
    for name in TIMES:
        if found.get(name):
            found[name] = _moment(name, found[name])
    return found


def _moment(name: str, value: str) -> str:
    moment = parse_stamp(value)
    if moment is None:
        raise BadRequest(f'{name}: {value!r} is not a date and time; use yyyy-MM-ddTHH:mm:ss')
    return f'{moment:%Y-%m-%d %H:%M:%S}.{(f"{moment.microsecond // 1000:03d}".rstrip("0") or "0")}'


def _put(
    call: Call, connection: Connection, row: Any, fields: Mapping[str, str], by_number: bool
) -> None:
    if row is None and by_number:
        raise NotFound('Unable to find the specified workflow.')
    if row is None and not all(fields.get(name) for name in _NEEDED):
        raise BadRequest(
            'Id, launch_time, data_type and pipeline_name are all required (scan_id may be '
            'specified when appropriate).'
        )
    if row is None:
        workflow_log.record_foreign(connection, call.caller, fields)
    else:
        workflow_log.change(connection, call.caller, row, fields)


def _as_json(row: Any) -> dict[str, Any]:
    moment = datetime.fromisoformat(row.launch_time[:19]).astimezone()
    meta = {
        'create_event_id': row.pk,
        'xsi:type': WORKFLOW_TYPE,
        'isHistory': False,
        'start_date': f'{moment:%a %b %d %H:%M:%S %Z %Y}',
    }
    fields: dict[str, Any] = {'wrk_workflowData_id': row.pk, **workflow_log.values_of(row)}
    return {'children': [], 'meta': meta, 'data_fields': {**fields, 'id': row.item}}


# -- tables


_ENVIRONMENT = 'executionEnvironment'
_TABLE = (
    'wrk_workflowData_id',
    f'{_ENVIRONMENT.lower()}_wrk_abstractexecutionenvironment_id',
    'comments',
    'details',
    'justification',
    'description',
    'src',
    'type',
    'category',
    'data_type',
    'ID',
    'scan_id',
    'ExternalID',
    'current_step_launch_time',
    'current_step_id',
    'status',
    'create_user',
    'pipeline_name',
    'next_step_id',
    'step_description',
    'launch_time',
    'percentageComplete',
    'jobID',
    f'{_ENVIRONMENT}/extension',
    f'{_ENVIRONMENT}/wrk_abstractExecutionEnvironment_id',
    f'{_ENVIRONMENT}/extension_item/element_name',
    f'{_ENVIRONMENT}/extension_item/xdat_meta_element_id',
)


def _listing(call: Call, names: str, number: str) -> Response:
    """Return workflows of pipelines.

    The URI is ``services/workflows[/NAME,…]?experiment=&project=&status=&display=``.
    ``display=ALL`` gives a table of those whose name contains one of the names. Otherwise only the
    newest are returned: of an experiment as an item, of others, by whole names, as a table with one
    per item.
    """
    latest = call.get('display', 'LATEST').upper() == 'LATEST'
    by_number = names == 'workflowid' and bool(number)
    with call.archive.store.read() as connection:
        if by_number:
            rows: Sequence[Any] = [_seen(call, connection, number)]
        else:
            rows = workflow_log.find_all(
                call, connection, names.split(',') if names else [], latest
            )
    if latest and not rows:
        asked = '/'.join(filter(None, (names, number))) or 'null'
        text = f'Unable to find workflow entry with pipeline_name {asked} {call.get("experiment")}'
        raise NotFound(text.strip())
    if by_number or (latest and call.get('experiment')):
        return _item(call, rows[0])
    return _listed(call, rows)


def _item(call: Call, row: Any) -> Response:
    if call.get('format').lower() in ('xml', 'text/xml'):
        return Response(write_workflow(row), content_type='text/xml')
    if call.get('format').lower() in ('', 'json'):
        return Response(
            json.dumps({'items': [_as_json(row)]}, ensure_ascii=False),
            content_type='application/json',
        )
    return _listed(call, [row])


def _listed(call: Call, rows: Sequence[Any]) -> Response:
    """Return the table; by default as CSV, with a spreadsheet's media type."""
    cells = [
        tuple(
            {'wrk_workflowData_id': row.pk, **workflow_log.values_of(row), 'create_user': ''}.get(
                name, ''
            )
            for name in _TABLE
        )
        for row in rows
    ]
    response = table_response(call, Table(_TABLE, cells, {'title': 'All workflows'}), default='csv')
    if not call.get('format') and response.mimetype == 'text/csv':
        response.content_type = 'application/vnd.ms-excel'
    return response


def _seen(call: Call, connection: Connection, number: str) -> Any:
    found = workflow_log.find(connection, call.caller, number, {})
    if found is None:
        raise NotFound('Unable to find the specified workflow.')
    return found


ROUTES = guarded(
    Guard.WORKFLOW,
    (
        Route(
            'GET',
            '/data/workflows/{number?}',
            _workflow,
            'Return a workflow by its number or by parameters.',
            Access.LOGIN,
        ),
        Route(
            'PUT',
            '/data/workflows/{number?}',
            _workflow,
            'Create or change a workflow.',
            Access.LOGIN,
        ),
        Route(
            'GET',
            '/data/services/workflows/{names?}/{number?}',
            _listing,
            'List the workflows of pipelines, the latest of each item or with `display=ALL` all.',
        ),
    ),
)
