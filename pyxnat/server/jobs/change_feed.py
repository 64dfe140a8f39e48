"""The change feed: a workflow is written for every change, with what changed, how, by whom and why, in XNAT's own words.

What is done to scans, reconstructions and files is told of the session, subject or project that they are in. Workflows outlive what
they tell of: a deletion has one, too. What goes with something else that is deleted has none.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, select

from ..context import Context
from ..db.store import item, now, workflow
from ..db.types import Model

__all__ = [
    'CREATED_RESOURCE', 'REMOVED_FILE', 'REMOVED_RESOURCE', 'UPLOADED_FILE', 'added', 'modified', 'note', 'project_made', 'refreshed', 'removed',
    'shared',
]  # fmt: skip

UPLOADED_FILE, REMOVED_FILE = 'Uploaded File', 'Removed File'
CREATED_RESOURCE, REMOVED_RESOURCE = 'Created resource', 'Removed Resource Catalog'
SHARED = 'Configured project sharing'
REFRESHED = 'Catalog(s) Refreshed'
_PARTS = ('scan', 'reconstruction')


def note(context: Context, connection: Connection, row: Any, action: str, category: str = '') -> None:
    """Write down that something was done to an item; ``event_action`` and the like of the request say more of it."""
    whole = _whole(connection, row)
    told = {'justification': context.get('event_reason'), 'comments': context.get('event_comment')}
    kind = context.get('event_type') or 'WEB_SERVICE'
    category = category or ('PROJECT_ADMIN' if whole.level == 'project' else 'DATA')
    _write(connection, whole.id, whole.project, whole.xsi_type, context.get('event_action') or action, context.caller.login, kind, category, told)


def _whole(connection: Connection, row: Any) -> Any:
    """The session of a scan or reconstruction; any other item is told of by itself."""
    return connection.execute(select(item).where(item.c.pk == row.parent)).one() if row.level in _PARTS else row


def _write(
    connection: Connection, name: str, project: str, kind: str, action: str, login: str, how: str, category: str, told: dict[str, str]
) -> None:
    values = {'item': name, 'project': project, 'data_type': kind, 'pipeline_name': action, 'status': 'Complete', 'login': login}
    fields = {key: value for key, value in {'type': how, 'category': category, **told}.items() if value}
    connection.execute(workflow.insert().values(**values, launch_time=now(), fields=json.dumps(fields, ensure_ascii=False)))


def _called(model: Model, row: Any) -> str:
    """What the type of an item is called; that of a scan by its element."""
    if row.level not in _PARTS:
        return model.singular(row.xsi_type)
    known = model.registry.get(row.xsi_type)
    return (known.root if known is not None else '') or row.xsi_type.partition(':')[2]


def added(context: Context, connection: Connection, row: Any) -> None:
    """Write down that an item is new; of a part, its session was modified."""
    note(context, connection, row, f'{"Modified" if row.level in _PARTS else "Added"} {_called(context.archive.model, row)}')


def modified(context: Context, connection: Connection, before: Any, row: Any) -> None:
    """Write down that an item, or what is in it, changed, if it did."""
    mark = connection.scalar(select(item.c.last_modified).where(item.c.pk == row.pk))
    if mark != before.last_modified:
        note(context, connection, row, f'Modified {_called(context.archive.model, row)}')


def removed(context: Context, connection: Connection, row: Any) -> None:
    """Write down that an item is deleted, before it is."""
    note(context, connection, row, f'Removed {_called(context.archive.model, row)}')


def shared(context: Context, connection: Connection, row: Any) -> None:
    """Write down that the projects which show an item changed, and its scans with it: these are told by their numbers."""
    note(context, connection, row, SHARED)
    for scan in connection.execute(select(item).where(item.c.parent == row.pk, item.c.level == 'scan')):
        _write(connection, str(scan.pk), row.project, scan.xsi_type, SHARED, context.caller.login, 'WEB_SERVICE', 'DATA', {})


def refreshed(context: Context, connection: Connection, row: Any, uri: str) -> None:
    """Write down that files were looked for again on the disk, changed or not; nothing of an item that is gone meanwhile."""
    if connection.scalar(select(item.c.pk).where(item.c.pk == row.pk)) is None:
        return
    whole = _whole(connection, row)
    told = {'justification': f'Refreshed catalog for resource {uri}'}
    _write(connection, whole.id, whole.project, whole.xsi_type, REFRESHED, context.caller.login, 'PROCESS', 'DATA', told)


def project_made(context: Context, connection: Connection, row: Any) -> None:
    """Write down that a project is new, and has groups."""
    note(context, connection, row, 'unknown action', 'PROJECT_ADMIN')
    _write(connection, str(row.pk), row.id, 'xdat:userGroup', 'Initialized permissions', context.caller.login, 'PROCESS', 'PROJECT_ACCESS', {})
