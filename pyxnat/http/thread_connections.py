"""Connections of a transport: one for each thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from weakref import WeakSet

from .connection import Http
from .folder import FolderHttp

__all__ = ['ThreadConnections']


class _Aborted(Exception):
    """The thread was aborted and sends no more requests."""


class ThreadConnections:
    """Connection per thread, kept alive.

    A new thread takes over the connection of one that has ended. A forked child starts without
    connections.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._of: dict[threading.Thread, Http | FolderHttp] = {}
        self._broken: WeakSet[threading.Thread] = WeakSet()

    def mine(self, connect: Callable[[], Http | FolderHttp]) -> Http | FolderHttp:
        """Return the connection of the calling thread.

        Parameters
        ----------
        connect : callable
            Returns a new connection, for a thread that has none and can take over none.
        """
        if self._pid != os.getpid():
            self.__init__()  # type: ignore[misc]
        mine = threading.current_thread()
        if mine in self._broken:
            raise _Aborted
        http = self._of.get(mine)
        if http is None:
            with self._lock:
                http = self._of[mine] = (self._inherited() if self._of else None) or connect()
        return http

    def _inherited(self) -> Http | FolderHttp | None:
        """Return the connection of a thread that has ended, if one is free.

        A connection with an unread body is left out: another thread may be reading it.
        """
        for thread in list(self._of):
            if thread.is_alive():
                continue
            http = self._of.pop(thread)
            if http.raw is None or http.raw.isclosed():
                return http
        return None

    def has_mine(self) -> bool:
        """Whether the calling thread has a connection."""
        return threading.current_thread() in self._of

    def drop(self) -> None:
        """Close the connection of the calling thread."""
        http = self._of.get(threading.current_thread())
        if http is not None:
            http.close()

    def abort(self, threads: Iterable[threading.Thread]) -> None:
        """Close the connections of threads, and refuse them new ones."""
        for thread in threads:
            self._broken.add(thread)
            http = self._of.get(thread)
            if http is not None:
                http.abort()

    def close(self) -> None:
        """Close the connections of all threads.

        Those in use are closed after their present response.
        """
        for http in list(self._of.values()):
            http.close_idle()
