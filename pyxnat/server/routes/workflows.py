"""Workflows: what was done with items and what is being done, as ``wrk:workflowData``.

XNAT's pipeline engine keeps the workflow of a run up to date by PUT; so can any client for work of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lxml import etree
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from ...model.xml import parse_xml
from ..db.access import readable, visible
from ..db.store import item, now, workflow
from ..db.values import parse_stamp
from ..errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, UnprocessableEntity
from ..http.request import Call, text
from ..http.responses import table_response
from ..table import Table

__all__ = ['answer', 'put_status', 'record', 'table']

NAMESPACE = 'http://nrg.wustl.edu/workflow'
_TYPE = 'wrk:workflowData'
_COLUMNS = {
    'ID': 'item', 'ExternalID': 'project', 'data_type': 'data_type', 'pipeline_name': 'pipeline_name', 'status': 'status',
    'launch_time': 'launch_time', 'scan_id': 'scan_id', 'create_user': 'login',
}  # fmt: skip
"""Fields that have a column of their own."""
_MORE = (
    'src', 'type', 'category', 'current_step_launch_time', 'current_step_id', 'next_step_id', 'step_description', 'percentageComplete', 'jobID',
    'comments', 'details', 'justification', 'description',
)  # fmt: skip
_ELEMENTS = ('comments', 'details', 'justification', 'description')
_NEEDED = ('ID', 'launch_time', 'pipeline_name', 'data_type')
_FIELDS = {name.lower(): name for name in (*_COLUMNS, *_MORE)}
_TIMES = ('launch_time', 'current_step_launch_time')


def record(connection: Connection, row: Any, name: str, login: str, status: str = 'Complete', **fields: str) -> int:
    """Write down that something is done with an item; the number of the workflow."""
    values = {'item': row.id, 'project': row.project, 'data_type': row.xsi_type, 'pipeline_name': name, 'status': status, 'login': login}
    query = workflow.insert().values(**values, launch_time=now(), fields=json.dumps(fields, ensure_ascii=False)).returning(workflow.c.pk)
    return int(connection.execute(query).scalar_one())


def put_status(connection: Connection, pk: int, status: str, **fields: str) -> None:
    """Say how a workflow goes on."""
    row = connection.execute(select(workflow).where(workflow.c.pk == pk)).one()
    told = json.dumps(json.loads(row.fields) | fields, ensure_ascii=False)
    connection.execute(workflow.update().where(workflow.c.pk == pk).values(status=status, fields=told))


# -- one workflow


def answer(call: Call) -> Response:
    """``workflows[/ID]``: a workflow by its number, or by what tells it from others; PUT makes it or changes it."""
    if call.method not in ('GET', 'PUT'):
        raise MethodNotAllowed(['GET', 'HEAD', 'PUT'])
    if call.caller.guest:
        raise Forbidden('A guest has no part in workflows.')
    rest = [part for part in call.parts if part][1:]
    told = _told(call)
    store = call.archive.store
    with store.read() if call.method == 'GET' else store.write() as connection:
        found = _find(connection, rest[0] if rest else '', told)
        if call.method == 'PUT':
            _put(call, connection, found, told, bool(rest))
            return text()
        if found is None or not _may_see(call, connection, found):
            raise NotFound('Unable to find the specified workflow.')
    if call.get('format').lower() == 'json':
        return Response(json.dumps({'items': [_as_json(found)]}, ensure_ascii=False), content_type='application/json')
    return Response(_as_xml(found), content_type='text/xml')


def _told(call: Call) -> dict[str, str]:
    """Fields in a document, a form and the query, by their names."""
    settings = list(call.query)
    found: dict[str, str] = {}
    if call.has_body and call.mimetype == 'application/x-www-form-urlencoded':
        settings = call.form() + settings
    elif call.has_body:
        found = _from_xml(call.document())
    for name, value in settings:
        kind, _, path = name.rpartition('/')
        if kind.lower() in ('', _TYPE.lower()) and path.lower() in _FIELDS:
            found[_FIELDS[path.lower()]] = value
    for name in _TIMES:
        if found.get(name):
            found[name] = _moment(name, found[name])
    return found


def _moment(name: str, value: str) -> str:
    moment = parse_stamp(value)
    if moment is None:
        raise BadRequest(f'{name}: {value!r} is not a date and time; use yyyy-MM-ddTHH:mm:ss')
    return f'{moment:%Y-%m-%d %H:%M:%S}.{(f"{moment.microsecond // 1000:03d}".rstrip("0") or "0")}'


def _from_xml(body: bytes) -> dict[str, str]:
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document cannot be read: {error}') from error
    if etree.QName(root).localname.lower() not in ('workflow', 'workflowdata'):
        raise BadRequest('Only workflow documents can be PUT here.')
    found = {_FIELDS[str(name).lower()]: str(value) for name, value in root.attrib.items() if str(name).lower() in _FIELDS}
    for child in root.iterchildren(tag=etree.Element):
        name = etree.QName(child).localname
        if name in _ELEMENTS:
            found[name] = child.text or ''
    return found


def _find(connection: Connection, number: str, told: Mapping[str, str]) -> Any:
    """The workflow of a number; without one, that of the same pipeline, item, scan and launch."""
    if number:
        return connection.execute(select(workflow).where(workflow.c.pk == int(number))).first() if number.isdecimal() else None
    keys = {name: told.get(name, '') for name in ('pipeline_name', 'ID', 'scan_id', 'launch_time')}
    same = [workflow.c[_COLUMNS[name]] == value for name, value in keys.items()]
    return connection.execute(select(workflow).where(*same).order_by(workflow.c.pk.desc())).first()


def _may_see(call: Call, connection: Connection, row: Any) -> bool:
    """Whoever made a workflow sees it, and whoever may read its item."""
    if call.caller.admin or row.login == call.caller.login:
        return True
    return connection.scalar(select(item.c.pk).where(item.c.id == row.item, readable(call.caller, item)).limit(1)) is not None


def _put(call: Call, connection: Connection, row: Any, told: Mapping[str, str], by_number: bool) -> None:
    if row is None and by_number:
        raise NotFound('Unable to find the specified workflow.')
    if row is not None and not call.caller.admin and row.login != call.caller.login:
        raise Forbidden('You are not allowed to make changes to this workflow.')
    if row is None and not all(told.get(name) for name in _NEEDED):
        raise BadRequest('Id, launch_time, data_type and pipeline_name are all required (scan_id may be specified when appropriate).')
    values = {_COLUMNS[name]: value for name, value in told.items() if name in _COLUMNS and name != 'create_user'}
    more = {name: value for name, value in told.items() if name in _MORE}
    if row is None:
        owner = connection.execute(select(item.c.project).where(item.c.id == told['ID'], readable(call.caller, item)).limit(1)).first()
        if owner is None and not call.caller.admin:
            raise Forbidden(f'Insufficient privileges: {told["ID"]} cannot be read.')
        values = {'status': 'Queued', 'project': str(owner.project) if owner is not None else '', **values, 'login': call.caller.login}
        connection.execute(workflow.insert().values(**values, fields=json.dumps(more, ensure_ascii=False)))
        return
    fields = json.dumps(json.loads(row.fields) | more, ensure_ascii=False)
    connection.execute(workflow.update().where(workflow.c.pk == row.pk).values(**values, fields=fields))


def _values(row: Any) -> dict[str, str]:
    found = {name: str(getattr(row, column)) for name, column in _COLUMNS.items()} | json.loads(row.fields)
    return {name: value for name, value in found.items() if value}


def _as_json(row: Any) -> dict[str, Any]:
    moment = datetime.fromisoformat(row.launch_time[:19]).astimezone()
    meta = {'create_event_id': row.pk, 'xsi:type': _TYPE, 'isHistory': False, 'start_date': f'{moment:%a %b %d %H:%M:%S %Z %Y}'}
    fields: dict[str, Any] = {'wrk_workflowData_id': row.pk, **_values(row)}
    return {'children': [], 'meta': meta, 'data_fields': {**fields, 'id': row.item}}


def _as_xml(row: Any) -> bytes:
    values = _values(row)
    for name in _TIMES:
        if name in values:
            values[name] = values[name].replace(' ', 'T', 1)
    root = etree.Element(f'{{{NAMESPACE}}}Workflow', nsmap={'wrk': NAMESPACE})
    root.append(etree.Comment(f'hidden_fields[wrk_workflowData_id="{row.pk}"]'))
    for name, value in values.items():
        if name in _ELEMENTS:
            etree.SubElement(root, f'{{{NAMESPACE}}}{name}').text = value
        else:
            root.set(name, value)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8', pretty_print=True)


# -- tables of them


_ENVIRONMENT = 'executionEnvironment'
_TABLE = (
    'wrk_workflowData_id', f'{_ENVIRONMENT.lower()}_wrk_abstractexecutionenvironment_id', 'comments', 'details', 'justification', 'description',
    'src', 'type', 'category', 'data_type', 'ID', 'scan_id', 'ExternalID', 'current_step_launch_time', 'current_step_id', 'status',
    'create_user', 'pipeline_name', 'next_step_id', 'step_description', 'launch_time', 'percentageComplete', 'jobID',
    f'{_ENVIRONMENT}/extension', f'{_ENVIRONMENT}/wrk_abstractExecutionEnvironment_id', f'{_ENVIRONMENT}/extension_item/element_name',
    f'{_ENVIRONMENT}/extension_item/xdat_meta_element_id',
)  # fmt: skip


def table(call: Call) -> Response:
    """``services/workflows[/NAME,…]?experiment=&project=&status=&display=``: workflows of pipelines.

    With ``display=ALL`` a table of those whose name holds one of the names. Otherwise the latest: of an experiment as an item, of others,
    whose name must be told whole, as a table of one for each item.
    """
    if call.method != 'GET':
        raise MethodNotAllowed(['GET', 'HEAD'])
    rest = [part for part in call.parts if part][2:]
    latest = call.get('display', 'LATEST').upper() == 'LATEST'
    by_number = rest[:1] == ['workflowid'] and len(rest) == 2
    with call.archive.store.read() as connection:
        if by_number:
            rows: Sequence[Any] = [_seen(call, connection, rest[1])]
        else:
            rows = _rows(call, connection, rest[0].split(',') if rest else [], latest)
    if latest and not rows:
        raise NotFound(f'Unable to find workflow entry with pipeline_name {"/".join(rest) or "null"} {call.get("experiment")}'.strip())
    if by_number or (latest and call.get('experiment')):
        return _item(call, rows[0])
    return _listed(call, rows)


def _item(call: Call, row: Any) -> Response:
    if call.get('format').lower() in ('xml', 'text/xml'):
        return Response(_as_xml(row), content_type='text/xml')
    if call.get('format').lower() in ('', 'json'):
        return Response(json.dumps({'items': [_as_json(row)]}, ensure_ascii=False), content_type='application/json')
    return _listed(call, [row])


def _listed(call: Call, rows: Sequence[Any]) -> Response:
    """The table; CSV where nothing else is asked, and called a spreadsheet then."""
    cells = [tuple({'wrk_workflowData_id': row.pk, **_values(row), 'create_user': ''}.get(name, '') for name in _TABLE) for row in rows]
    response = table_response(call, Table(_TABLE, cells, {'title': 'All workflows'}), default='csv')
    if not call.get('format') and response.mimetype == 'text/csv':
        response.content_type = 'application/vnd.ms-excel'
    return response


def _seen(call: Call, connection: Connection, number: str) -> Any:
    found = _find(connection, number, {})
    if found is None or not _may_see(call, connection, found):
        raise NotFound('Unable to find the specified workflow.')
    return found


def _rows(call: Call, connection: Connection, names: Sequence[str], latest: bool) -> list[Any]:
    query = select(workflow).where(visible(call.caller, workflow.c.project) | (workflow.c.login == call.caller.login))
    experiment = call.get('experiment')
    if experiment:
        labelled = select(item.c.id).where(item.c.label == experiment, item.c.project == call.get('project'))
        query = query.where((workflow.c.item == experiment) | workflow.c.item.in_(labelled))
    for column, value in ((workflow.c.project, call.get('project')), (workflow.c.status, call.get('status'))):
        query = query.where(column == value) if value else query
    rows = connection.execute(query.order_by(workflow.c.launch_time.desc(), workflow.c.pk.desc())).all()
    if latest and not experiment:
        found = [row for row in rows if row.pipeline_name in names]
    else:
        found = [row for row in rows if not names or any(name.lower() in row.pipeline_name.lower() for name in names)]
    if not latest:
        return found
    first: dict[str, Any] = {}
    for row in found:
        first.setdefault(row.item, row)
    return list(first.values())[:1] if experiment else list(first.values())
