"""Earlier states of items, with user and reason of each change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from ..context import Context
from ..db.store import fields_of, now, version
from ..errors import Forbidden

__all__ = ['Event', 'record', 'versions']

_KEPT = ('label', 'project', 'status', 'access')
"""Columns of an item that are recorded beside its fields."""

# Building these statements takes longer than running them.
_INSERT = version.insert()
_LAST = (
    select(version.c.end_date)
    .where(version.c.item == bindparam('key'))
    .order_by(version.c.pk.desc())
    .limit(1)
)


class Event(NamedTuple):
    """Login, action and reason of a change."""

    login: str
    action: str = ''
    reason: str = ''
    comment: str = ''

    @classmethod
    def of(cls, context: Context) -> Event:
        """Read the event from a request.

        Raises
        ------
        Forbidden
            If the site requires a reason and the request has none.
        """
        reason = context.get('event_reason')
        if not reason and context.archive.preferences.flag('requireChangeJustification'):
            raise Forbidden('This site requires a reason for a change: add event_reason.')
        return cls(
            context.caller.login,
            context.get('event_action') or context.get('event_type'),
            reason,
            context.get('event_comment'),
        )


def record(connection: Connection, before: Any, after: Any, event: Event) -> None:
    """Record the state of an item before a change, if anything changed.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    before : Any
        Row before the change.
    after : Any
        Row after the change.
    event : Event
        User and reason of the change.
    """
    state = _state(before)
    if state == _state(after):
        return
    last = connection.scalar(_LAST, {'key': before.pk})
    values = {
        'start_date': last or before.insert_date,
        'end_date': now(),
        'state': json.dumps(state, ensure_ascii=False),
    }
    connection.execute(_INSERT, {'item': before.pk, **values, **event._asdict()})


def _state(row: Any) -> dict[str, str]:
    return {
        **fields_of(row),
        **{name: getattr(row, name) for name in _KEPT if getattr(row, name) is not None},
    }


def versions(connection: Connection, row: Any) -> Iterator[Any]:
    """Yield the earlier states of an item, latest first.

    Each is read like the item's row, with ``start_date`` and ``end_date``.

    Parameters
    ----------
    connection : Connection
        The database.
    row : Any
        Row of the item.
    """
    for one in connection.execute(
        select(version).where(version.c.item == row.pk).order_by(version.c.pk.desc())
    ):
        state = json.loads(one.state)
        known = {name: state.pop(name, None) for name in _KEPT}
        yield _Version(
            {**row._mapping, **known, 'fields': json.dumps(state)},
            one.start_date,
            one.end_date,
            one.pk,
        )


class _Version:
    """Earlier state of an item, read like its row."""

    def __init__(self, values: dict[str, Any], start_date: str, end_date: str, event: int) -> None:
        self.__dict__.update(values)
        self.start_date = start_date
        self.end_date = end_date
        self.event = event
        """Number of the change that ended it."""
