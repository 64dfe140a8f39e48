"""Feed of changes.

Operations that XNAT recorded, with files that were overwritten. XNAT marks no file that was
overwritten by one of the same size, but it records the operation (measured on 1.8.11). Entries are
compared with those that were read before, by the times that the server wrote; the clock of this
machine does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from ... import errors
from ...interface import Interface

__all__ = ['Feed', 'read_feed']

_ROOT = 'wrk:workflowData'
_COLUMNS = ('ID', 'PIPELINE_NAME', 'LAUNCH_TIME')
_OVERLAP = timedelta(hours=2)
"""Entries before the last one that are read again: one has the time of its operation's begin, and
clocks of servers are set back by an hour."""


class Feed(NamedTuple):
    """Entries of one project since a time."""

    since: str = ''
    """Time of the server from which they were read; empty for all."""
    entries: frozenset[str] = frozenset()
    """Time, ID of the item and name of each operation."""
    changed: frozenset[str] = frozenset()
    """IDs of items with entries that were not read before."""
    refusal: str = ''
    """Why it cannot be read; empty if it can."""

    def ended(self) -> Feed:
        """Return the feed from which the next one goes on."""
        since = _earlier(max(self.entries, default=''))
        return Feed(since, frozenset(entry for entry in self.entries if entry >= since))


def read_feed(
    interface: Interface, project: str, before: Feed | None, marks: Iterable[str]
) -> Feed:
    """Read the operations on items of a project. One request.

    Parameters
    ----------
    interface : Interface
        Connection to the server.
    project : str
        ID of the project.
    before : Feed or None
        The one to go on from; None for the first time.
    marks : iterable of str
        Times of last changes at the server, for the first time: the feed begins with the last.
    """
    since = _earlier(max(marks, default='')) if before is None else before.since
    criteria = [(f'{_ROOT}/ExternalID', '=', project)]
    if since:
        criteria.append((f'{_ROOT}/launch_time', '>=', since))
    columns = [f'{_ROOT}/{name}' for name in _COLUMNS]
    try:
        rows = [tuple(row.values()) for row in interface.select(_ROOT, columns).where(criteria)]
    except errors.DatabaseError as error:
        is_refused = error.status is not None and not isinstance(error, errors.AuthenticationError)
        if not is_refused:
            raise
        return Feed(since, refusal=str(error))
    if not rows:
        return Feed(since, refusal='the server has no entries that this login may read')
    entries = {f'{time} {item} {name}': item for item, name, time in rows}
    seen = frozenset(entries) if before is None else before.entries
    changed = frozenset(item for entry, item in entries.items() if entry not in seen)
    return Feed(since, frozenset(entries), changed)


def _earlier(text: str) -> str:
    """Return a time of the server, less the overlap; empty for no time."""
    try:
        return (datetime.fromisoformat(text[:19]) - _OVERLAP).isoformat(' ')
    except ValueError:
        return ''
