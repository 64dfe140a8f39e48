"""Searches for ``wrk:workflowData``: operations on items, with times.

They include deletions, so the result is a feed of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, literal, select
from sqlalchemy.sql.elements import ColumnElement

from ..context import Context
from ..db.access import Caller
from ..db.guards import Guard, record
from ..db.store import item, user, workflow
from ..db.users import shown_email
from ..db.workflow_access import seen_by
from ..db.workflow_fields import WORKFLOW_FIELDS, WORKFLOW_TYPE
from ..errors import BadRequest, Forbidden
from ..table import Table
from .columns import identifier
from .criteria import condition
from .field_sql import Expression
from .search_xml import SearchDocument, SearchField

__all__ = ['FIELDS', 'is_root', 'table']

_COLUMNS = {
    'id': workflow.c.item,
    'externalid': workflow.c.project,
    'wrk_workflowdata_id': workflow.c.pk,
    'create_user': workflow.c.login,
    'data_type': workflow.c.data_type,
    'pipeline_name': workflow.c.pipeline_name,
    'status': workflow.c.status,
    'scan_id': workflow.c.scan_id,
    'launch_time': workflow.c.launch_time,
    'meta/insert_date': workflow.c.launch_time,
    'meta/last_modified': workflow.c.launch_time,
}
"""Paths, in lower case, that have a column."""
_KINDS = {
    'wrk_workflowdata_id': 'integer',
    **dict.fromkeys(('launch_time', 'current_step_launch_time', 'meta/insert_date'), 'dateTime'),
}
_COLOURS = {
    'Complete': 'green',
    'In Progress': 'yellow',
    'Running': 'yellow',
    'Queued': 'orange',
    'Failed': 'red',
}


def _path(path: str) -> Expression | None:
    """Return the field at a path; None if workflows do not have it."""
    lower = path.lower()
    if lower in _COLUMNS:
        return Expression(_COLUMNS[lower], _KINDS.get(lower, 'string'))
    name = next((name for name in WORKFLOW_FIELDS if name.lower() == lower), '')
    return (
        Expression(func.json_extract(workflow.c.fields, f'$.{name}'), _KINDS.get(lower, 'string'))
        if name
        else None
    )


def _of_item(column: str) -> ColumnElement[Any]:
    query = select(item.c[column]).where(item.c.id == workflow.c.item, item.c.level == 'experiment')
    return query.limit(1).correlate(workflow).scalar_subquery()


def _of_subject() -> ColumnElement[Any]:
    session, owner = item.alias('session'), item.alias('owner')
    query = (
        select(owner.c.label)
        .select_from(session.join(owner, owner.c.pk == session.c.parent))
        .where(session.c.id == workflow.c.item)
    )
    return query.where(owner.c.level == 'subject').limit(1).correlate(workflow).scalar_subquery()


def _of_user(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return (
        select(value).where(user.c.login == workflow.c.login).correlate(workflow).scalar_subquery()
    )


def _status() -> ColumnElement[Any]:
    """Return the status as HTML in its colour, as on the web site."""
    colour = case(
        *((workflow.c.status == name, colour) for name, colour in _COLOURS.items()), else_='orange'
    )
    found: ColumnElement[Any] = (
        literal('<B><FONT COLOR=') + colour + '>' + workflow.c.status + '</FONT></B>'
    )
    return found


class _Field(NamedTuple):
    """Display field of workflows."""

    id: str
    header: str
    kind: str
    path: str = ''
    """Path of the field; empty for a computed field."""
    sql: Callable[[Caller], ColumnElement[Any]] | None = None

    def value(self, caller: Caller) -> Expression:
        if self.sql is not None:
            return Expression(self.sql(caller), self.kind, schema_field=False)
        found = _path(self.path)
        assert found is not None, self.path
        return Expression(
            found.sql, 'dateTime' if found.kind == 'dateTime' else self.kind, schema_field=False
        )


def _path_field(name: str, kind: str = 'string') -> _Field:
    """Return a field with the name of its path."""
    return _Field(name.upper(), name, kind, name)


FIELDS = (
    _path_field('data_type'),
    _Field('WORKFLOW_ID', 'Workflow ID', 'integer', 'wrk_workflowdata_id'),
    _path_field('ID'),
    _path_field('ExternalID'),
    _path_field('current_step_launch_time', 'dateTime'),
    _path_field('current_step_id'),
    _Field('STATUS', 'status', 'string', sql=lambda caller: _status()),
    _path_field('pipeline_name'),
    _path_field('next_step_id'),
    _path_field('step_description'),
    _path_field('launch_time', 'date'),
    _path_field('percentageComplete'),
    _Field('JOB_ID', 'Job ID', 'string', 'jobID'),
    _Field('LAST_MODIFIED', 'Modified', 'date', sql=lambda caller: workflow.c.launch_time),
    _Field('SESSION_LABEL', 'Session', 'string', sql=lambda caller: _of_item('label')),
    _Field('PROJECT', 'Project', 'string', sql=lambda caller: _of_item('project')),
    _Field('SUBJECT_LABEL', 'Subject', 'string', sql=lambda caller: _of_subject()),
    _Field(
        'USERFULLNAME',
        'Userfullname',
        'string',
        sql=lambda caller: _of_user(user.c.firstname + ' ' + user.c.lastname),
    ),
    _Field('USERLOGIN', 'Userlogin', 'string', sql=lambda caller: workflow.c.login),
    _Field('USEREMAIL', 'Useremail', 'string', sql=lambda caller: _of_user(shown_email(caller))),
)
"""Display fields, in XNAT's order."""
_BY_ID = {field.id: field for field in FIELDS}
_BY_PATH = {field.path.lower(): field for field in FIELDS if field.path}


def is_root(name: str) -> bool:
    """Whether a search is for workflows."""
    return name.lower() == WORKFLOW_TYPE.lower()


def table(
    context: Context, connection: Connection, document: SearchDocument, keyed: bool = False
) -> Table:
    """Return the workflows that the caller may see.

    Unlike XNAT, which leaks all workflows to everybody.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    document : SearchDocument
        The search.
    keyed : bool
        Whether a last column ``key`` has the numbers of the workflows.

    Raises
    ------
    Forbidden
        For a guest.
    """
    if context.caller.guest:
        raise Forbidden(f'You cannot read {WORKFLOW_TYPE} in any project.')
    record(Guard.RESULT)
    criterion = partial(_criterion, context.caller)
    columns = _columns(document, context.caller)
    where = condition(document.where, criterion)
    shown = [value.sql.label(f'c{number}') for number, (_, value) in enumerate(columns.values())]
    query = select(*shown, literal('active'), *([workflow.c.pk] if keyed else [])).where(
        seen_by(context.caller)
    )
    query = query if where is None else query.where(where)
    rows = connection.execute(
        query.order_by(_order(document, criterion, *next(iter(columns.values()))), workflow.c.pk)
    )
    names = [*columns, 'quarantine_status', *(['key'] if keyed else [])]
    descriptions = [*(one for one, _ in columns.values() if one), {'key': 'quarantine_status'}]
    return Table(names, iter(rows), {'rootElementName': WORKFLOW_TYPE}, descriptions, ordered=True)


def _columns(
    document: SearchDocument, caller: Caller
) -> dict[str, tuple[dict[str, Any], Expression]]:
    """Return descriptions and values of the columns, by key.

    The status has the step as a helper column, which has no description.
    """
    columns = {}
    asked = [found for one in document.fields if (found := _column(one, caller)) is not None]
    for description, value in asked or [_named(one, caller) for one in FIELDS[:12]]:
        columns[description['key']] = description, value
        if description['id'] == 'STATUS':
            columns.setdefault('current_step_id', ({}, _BY_ID['CURRENT_STEP_ID'].value(caller)))
    return columns


def _order(
    document: SearchDocument,
    criterion: Callable[[str], Expression],
    description: dict[str, Any],
    first: Expression,
) -> ColumnElement[Any]:
    if document.sort_by is not None:
        return criterion('.'.join(document.sort_by)).ordered()
    return first.ordered(descending=description.get('type') == 'date')


def _column(asked: SearchField, caller: Caller) -> tuple[dict[str, Any], Expression] | None:
    """Return description and value of a column; None for an unknown field."""
    if asked.element and not is_root(asked.element):
        return None
    path = asked.field_id.removeprefix(f'{WORKFLOW_TYPE}/')
    field = _BY_ID.get(asked.field_id) or _BY_PATH.get(path.lower())
    if field is not None:
        return _named(field, caller, asked.header)
    value = _path(path)
    if value is None:
        return None
    name = identifier(f'{WORKFLOW_TYPE}/{path}')
    return _describe(name, asked.header or path, value.kind), value


def _named(field: _Field, caller: Caller, header: str = '') -> tuple[dict[str, Any], Expression]:
    return _describe(field.id, header or field.header, field.kind), field.value(caller)


def _describe(name: str, header: str, kind: str) -> dict[str, Any]:
    return {
        'key': name.lower(),
        'type': kind,
        'xPATH': f'{WORKFLOW_TYPE}.{name}',
        'element_name': WORKFLOW_TYPE,
        'header': header,
        'id': name,
    }


def _criterion(caller: Caller, name: str) -> Expression:
    path = (
        name[len(WORKFLOW_TYPE) + 1 :]
        if name.lower().startswith((f'{WORKFLOW_TYPE.lower()}/', f'{WORKFLOW_TYPE.lower()}.'))
        else name
    )
    found = _path(path) if '.' not in name else None
    if found is None and path in _BY_ID:
        found = _BY_ID[path].value(caller)
    if found is None:
        raise BadRequest(f'{name} is not a field of {WORKFLOW_TYPE}.')
    return found
