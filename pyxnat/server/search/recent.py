"""``/experiments?recent=…``: experiments with recent operations.

Columns and order are those of a database function of XNAT.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from ..context import Context
from ..db.access import readable
from ..db.store import fields_of, item, workflow
from ..table import Table

__all__ = ['recent_table']

_DAYS = 60
_ROWS = 60
_COLUMNS = (
    'id',
    'label',
    'project',
    'date',
    'status',
    'workflow_status',
    'element_name',
    'type_desc',
    'insert_date',
    'activation_date',
    'last_modified',
    'workflow_date',
    'pipeline_name',
    'action_date',
    'scanner',
)


def recent_table(context: Context, connection: Connection) -> Table:
    """Return the experiments of the last ``recent`` days, latest first.

    60 days if it is not a number, and at most ``limit`` rows, 60 by default.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    """
    days, rows = _number(context.get('recent'), _DAYS), _number(context.get('limit'), _ROWS)
    since = datetime.now() - timedelta(days)
    last = (
        select(workflow.c.item, func.max(workflow.c.pk).label('pk'))
        .group_by(workflow.c.item)
        .subquery()
    )
    moment = func.coalesce(workflow.c.launch_time, item.c.insert_date)
    query = select(
        item,
        workflow.c.status.label('workflow_status'),
        workflow.c.launch_time,
        workflow.c.pipeline_name,
        moment.label('moment'),
    )
    query = query.select_from(
        item.outerjoin(last, last.c.item == item.c.id).outerjoin(
            workflow, workflow.c.pk == last.c.pk
        )
    )
    query = query.where(
        item.c.level == 'experiment', moment >= f'{since:%Y-%m-%d}', readable(context.caller, item)
    )
    found = connection.execute(query.order_by(moment.desc(), item.c.pk).limit(rows))
    return Table(_COLUMNS, [_row(context, one) for one in found], {'title': 'Recent Experiments'})


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else default


def _row(context: Context, one: Any) -> tuple[Any, ...]:
    fields = fields_of(one)
    kind = context.archive.model.singular(one.xsi_type).removesuffix(' Session')
    done = one.workflow_status or 'Complete'
    return (
        one.id,
        one.label,
        one.project,
        fields.get('date'),
        one.status,
        done,
        one.xsi_type,
        kind,
        one.insert_date,
        one.insert_date,
        one.last_modified,
        one.moment,
        one.pipeline_name or 'Added',
        one.moment,
        fields.get('scanner'),
    )
