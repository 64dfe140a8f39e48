"""Workflows, ``wrk:workflowData``: finished or running actions on items."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from ..context import Context
from ..db.access import Caller
from ..db.store import item, now, workflow
from ..db.workflow_access import need_log, seen_by
from ..db.workflow_fields import WORKFLOW_FIELDS
from ..errors import Forbidden

__all__ = [
    'COLUMNS',
    'FIELDS',
    'change',
    'find',
    'find_all',
    'of_deleted_item',
    'of_item',
    'put_status',
    'record',
    'record_foreign',
    'values_of',
]

COLUMNS = {
    'ID': 'item',
    'ExternalID': 'project',
    'data_type': 'data_type',
    'pipeline_name': 'pipeline_name',
    'status': 'status',
    'launch_time': 'launch_time',
    'scan_id': 'scan_id',
    'create_user': 'login',
}
"""Fields with a database column to its name; the others are stored as JSON."""
FIELDS = {name.lower(): name for name in (*COLUMNS, *WORKFLOW_FIELDS)}
"""Lower-case names of fields to their spelling."""


def record(
    connection: Connection, row: Any, name: str, login: str, status: str = 'Complete', **fields: str
) -> int:
    """Record an action on an item and return the key of the workflow.

    Parameters
    ----------
    connection : Connection
        The database.
    row
        The item.
    name : str
        Name of the pipeline or action.
    login : str
        Login of the user.
    status : str
        Status of the workflow.
    **fields : str
        Further fields.
    """
    values = {
        'item': row.id,
        'project': row.project,
        'data_type': row.xsi_type,
        'pipeline_name': name,
        'status': status,
        'login': login,
    }
    query = (
        workflow.insert()
        .values(**values, launch_time=now(), fields=json.dumps(fields, ensure_ascii=False))
        .returning(workflow.c.pk)
    )
    return int(connection.execute(query).scalar_one())


def put_status(connection: Connection, pk: int, status: str, **fields: str) -> None:
    """Set the status of a workflow.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the workflow.
    status : str
        The new status.
    **fields : str
        Further fields to set.
    """
    row = connection.execute(select(workflow).where(workflow.c.pk == pk)).one()
    merged = json.dumps(json.loads(row.fields) | fields, ensure_ascii=False)
    connection.execute(
        workflow.update().where(workflow.c.pk == pk).values(status=status, fields=merged)
    )


def find(connection: Connection, caller: Caller, number: str, fields: Mapping[str, str]) -> Any:
    """Return a workflow that a caller may see, or None.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    number : str
        Number of the workflow; if empty, the newest of the same pipeline, item, scan and launch
        time is returned.
    fields : Mapping[str, str]
        Field to value, used without a number.
    """
    query = select(workflow).where(seen_by(caller)).order_by(workflow.c.pk.desc())
    if number:
        named = query.where(workflow.c.pk == int(number)) if number.isdecimal() else None
        return connection.execute(named).first() if named is not None else None
    keys = {
        name: fields.get(name, '') for name in ('pipeline_name', 'ID', 'scan_id', 'launch_time')
    }
    same = [workflow.c[COLUMNS[name]] == value for name, value in keys.items()]
    return connection.execute(query.where(*same)).first()


def record_foreign(connection: Connection, caller: Caller, fields: Mapping[str, str]) -> None:
    """Record a workflow that a client keeps itself.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who creates it.
    fields : Mapping[str, str]
        Field to value; ``ID`` is that of an item.

    Raises
    ------
    Forbidden
        If the caller cannot edit the item.
    """
    project = need_log(connection, caller, fields['ID'], fields.get('ExternalID', ''))
    values = {'status': 'Queued', **_columns_of(fields), 'project': project, 'login': caller.login}
    connection.execute(
        workflow.insert().values(**values, fields=json.dumps(_more_of(fields), ensure_ascii=False))
    )


def change(connection: Connection, caller: Caller, row: Any, fields: Mapping[str, str]) -> None:
    """Set fields of a workflow of the caller; administrators change all.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    row
        The workflow.
    fields : Mapping[str, str]
        Field to value; the others stay.

    Raises
    ------
    Forbidden
        For a workflow of another user, and without the right to edit its item.
    """
    if not caller.admin and row.login != caller.login:
        raise Forbidden('You are not allowed to make changes to this workflow.')
    need_log(connection, caller, fields.get('ID', row.item), fields.get('ExternalID', row.project))
    more = json.dumps(json.loads(row.fields) | _more_of(fields), ensure_ascii=False)
    connection.execute(
        workflow.update().where(workflow.c.pk == row.pk).values(**_columns_of(fields), fields=more)
    )


def _columns_of(fields: Mapping[str, str]) -> dict[str, str]:
    return {
        COLUMNS[name]: value
        for name, value in fields.items()
        if name in COLUMNS and name != 'create_user'
    }


def _more_of(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name in WORKFLOW_FIELDS}


def values_of(row: Any) -> dict[str, str]:
    """Return the fields of a workflow that have a value."""
    found = {name: str(getattr(row, column)) for name, column in COLUMNS.items()} | json.loads(
        row.fields
    )
    return {name: value for name, value in found.items() if value}


def of_item(connection: Connection, caller: Caller, row: Any) -> list[Any]:
    """Return the workflows of an item in its own project, the newest first.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    row
        The item.
    """
    same = (
        seen_by(caller),
        workflow.c.item == row.id,
        workflow.c.project == row.project,
        workflow.c.data_type == row.xsi_type,
    )
    return list(connection.execute(select(workflow).where(*same).order_by(workflow.c.pk.desc())))


def of_deleted_item(connection: Connection, caller: Caller, xsi_type: str, name: str) -> list[Any]:
    """Return the workflows of a deleted item, the newest first.

    Only users who see its project get them; an existing item has none here.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    xsi_type : str
        Data type of the item.
    name : str
        ID of the item.
    """
    if (
        connection.scalar(
            select(item.c.pk).where(item.c.id == name, item.c.xsi_type == xsi_type).limit(1)
        )
        is not None
    ):
        return []
    same = (
        workflow.c.item == name,
        workflow.c.data_type == xsi_type,
        seen_by(caller),
    )
    return list(connection.execute(select(workflow).where(*same).order_by(workflow.c.pk.desc())))


def find_all(
    context: Context, connection: Connection, names: Sequence[str], latest: bool
) -> list[Any]:
    """Return the workflows that match the options, the newest first.

    The options are ``experiment``, ``project`` and ``status``.

    Parameters
    ----------
    context : Context
        The request context with these options.
    connection : Connection
        The database.
    names : Sequence[str]
        Names of pipelines, or parts of them.
    latest : bool
        Whether to return only the newest of each item.
    """
    query = select(workflow).where(seen_by(context.caller))
    experiment = context.get('experiment')
    if experiment:
        labelled = select(item.c.id).where(
            item.c.label == experiment, item.c.project == context.get('project')
        )
        query = query.where((workflow.c.item == experiment) | workflow.c.item.in_(labelled))
    for column, value in (
        (workflow.c.project, context.get('project')),
        (workflow.c.status, context.get('status')),
    ):
        query = query.where(column == value) if value else query
    rows = connection.execute(
        query.order_by(workflow.c.launch_time.desc(), workflow.c.pk.desc())
    ).all()
    if latest and not experiment:
        found = [row for row in rows if row.pipeline_name in names]
    else:
        found = [
            row
            for row in rows
            if not names or any(name.lower() in row.pipeline_name.lower() for name in names)
        ]
    if not latest:
        return found
    first: dict[str, Any] = {}
    for row in found:
        first.setdefault(row.item, row)
    return list(first.values())[:1] if experiment else list(first.values())
