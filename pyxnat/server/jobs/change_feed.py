"""Change feed: every change writes a workflow.

A workflow has the action, its channel, user and reason, in XNAT's words. Changes of scans,
reconstructions and files are recorded at the session, subject or project that contains them.
Workflows outlive their items, so a deletion has one, too. An item that is deleted together with its
parent gets none.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ...model.levels import parts_of_session
from ..context import Context
from ..db.rows import item_row
from ..db.store import item, now, workflow
from ..db.types import Model

__all__ = [
    'CREATED_RESOURCE',
    'REMOVED_FILE',
    'REMOVED_RESOURCE',
    'UPLOADED_FILE',
    'added',
    'modified',
    'note',
    'project_made',
    'refreshed',
    'removed',
    'shared',
]

UPLOADED_FILE, REMOVED_FILE = 'Uploaded File', 'Removed File'
CREATED_RESOURCE, REMOVED_RESOURCE = 'Created resource', 'Removed Resource Catalog'
SHARED = 'Configured project sharing'
REFRESHED = 'Catalog(s) Refreshed'
_PARTS = tuple(row.singular for row in parts_of_session() if row.is_part)
_INSERT = workflow.insert()
_MARK = select(item.c.last_modified).where(item.c.pk == bindparam('key'))


def note(
    context: Context, connection: Connection, row: Any, action: str, category: str = ''
) -> None:
    """Record an action on an item.

    The parameters ``event_action``, ``event_type``, ``event_reason`` and ``event_comment`` of the
    request override or extend the record.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The item.
    action : str
        Name of the action.
    category : str
        Category of the event; by default PROJECT_ADMIN for a project, else DATA.
    """
    whole = _whole(connection, row)
    details = {
        'justification': context.get('event_reason'),
        'comments': context.get('event_comment'),
    }
    kind = context.get('event_type') or 'WEB_SERVICE'
    category = category or ('PROJECT_ADMIN' if whole.level == 'project' else 'DATA')
    _write(
        connection,
        whole.id,
        whole.project,
        whole.xsi_type,
        context.get('event_action') or action,
        context.caller.login,
        kind,
        category,
        details,
    )


def _whole(connection: Connection, row: Any) -> Any:
    """Return the session of a scan or reconstruction, else the item itself."""
    return item_row(connection, row.parent) if row.level in _PARTS else row


def _write(
    connection: Connection,
    name: str,
    project: str,
    kind: str,
    action: str,
    login: str,
    how: str,
    category: str,
    details: dict[str, str],
) -> None:
    values = {
        'item': name,
        'project': project,
        'data_type': kind,
        'pipeline_name': action,
        'status': 'Complete',
        'login': login,
    }
    fields = {
        key: value for key, value in {'type': how, 'category': category, **details}.items() if value
    }
    values |= {'launch_time': now(), 'fields': json.dumps(fields, ensure_ascii=False)}
    connection.execute(_INSERT, values)


def _type_name(model: Model, row: Any) -> str:
    """Return the display name of an item's type; of a scan its element name."""
    if row.level not in _PARTS:
        return model.singular(row.xsi_type)
    known = model.registry.get(row.xsi_type)
    return (known.root if known is not None else '') or row.xsi_type.partition(':')[2]


def added(context: Context, connection: Connection, row: Any) -> None:
    """Record a new item; for a part, the change of its session.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The new item.
    """
    verb = 'Modified' if row.level in _PARTS else 'Added'
    note(context, connection, row, f'{verb} {_type_name(context.archive.model, row)}')


def modified(context: Context, connection: Connection, before: Any, row: Any) -> None:
    """Record the change of an item or its contents, if there was one.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    before
        The item before the request.
    row
        The item now.
    """
    mark = connection.scalar(_MARK, {'key': row.pk})
    if mark != before.last_modified:
        note(context, connection, row, f'Modified {_type_name(context.archive.model, row)}')


def removed(context: Context, connection: Connection, row: Any) -> None:
    """Record the deletion of an item, before it is deleted.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The item.
    """
    note(context, connection, row, f'Removed {_type_name(context.archive.model, row)}')


def shared(context: Context, connection: Connection, row: Any) -> None:
    """Record that the shares of an item changed, with one workflow per scan.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The item. The workflows of its scans name them by database key.
    """
    note(context, connection, row, SHARED)
    for scan in connection.execute(
        select(item).where(item.c.parent == row.pk, item.c.level == 'scan')
    ):
        _write(
            connection,
            str(scan.pk),
            row.project,
            scan.xsi_type,
            SHARED,
            context.caller.login,
            'WEB_SERVICE',
            'DATA',
            {},
        )


def refreshed(context: Context, connection: Connection, row: Any, uri: str) -> None:
    """Record the refresh of a resource; nothing for an item deleted meanwhile.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The item of the resource.
    uri : str
        URI of the resource.
    """
    if connection.scalar(select(item.c.pk).where(item.c.pk == row.pk)) is None:
        return
    whole = _whole(connection, row)
    details = {'justification': f'Refreshed catalog for resource {uri}'}
    _write(
        connection,
        whole.id,
        whole.project,
        whole.xsi_type,
        REFRESHED,
        context.caller.login,
        'PROCESS',
        'DATA',
        details,
    )


def project_made(context: Context, connection: Connection, row: Any) -> None:
    """Record a new project and its groups.

    Parameters
    ----------
    context : Context
        The request context: its user, options and archive.
    connection : Connection
        The database.
    row
        The project.
    """
    note(context, connection, row, 'unknown action', 'PROJECT_ADMIN')
    _write(
        connection,
        str(row.pk),
        row.id,
        'xdat:userGroup',
        'Initialized permissions',
        context.caller.login,
        'PROCESS',
        'PROJECT_ACCESS',
        {},
    )
