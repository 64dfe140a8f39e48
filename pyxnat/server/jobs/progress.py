"""Progress logs of long requests, by login session and name; in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import NamedTuple

from ..db.guards import Guard, record

__all__ = ['STATUSES', 'Message', 'Progress']

STATUSES = ('PROCESSING', 'WARNING', 'COMPLETED', 'FAILED')
MAX_LOGS = 1000
MAX_MESSAGES = 1000


class Message(NamedTuple):
    """Line of a progress log."""

    status: str
    text: str
    terminal: bool = False


class Progress:
    """Progress logs of all sessions, the oldest evicted first.

    At most `MAX_LOGS` logs of `MAX_MESSAGES` lines are kept.
    """

    def __init__(self) -> None:
        self._logs: OrderedDict[tuple[str, str], list[Message]] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, session: str, name: str, message: Message) -> None:
        """Add a line to a log.

        Parameters
        ----------
        session : str
            Key of the login session.
        name : str
            Name of the log.
        message : Message
            The line.
        """
        record(Guard.PROGRESS)
        with self._lock:
            log = self._logs.setdefault((session, name), [])
            del log[: max(0, len(log) + 1 - MAX_MESSAGES)]
            log.append(message)
            while len(self._logs) > MAX_LOGS:
                self._logs.popitem(last=False)

    def of(self, session: str, name: str) -> list[Message]:
        """Return the lines of a log; none for an unknown one.

        Parameters
        ----------
        session : str
            Key of the login session.
        name : str
            Name of the log.
        """
        record(Guard.PROGRESS)
        with self._lock:
            return list(self._logs.get((session, name), ()))

    def forget(self, session: str, name: str) -> None:
        """Remove a log.

        Parameters
        ----------
        session : str
            Key of the login session.
        name : str
            Name of the log.
        """
        record(Guard.PROGRESS)
        with self._lock:
            self._logs.pop((session, name), None)
