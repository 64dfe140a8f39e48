"""Worker threads: more of them while some wait for their clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from .connection import Connection
from .limits import Limits

__all__ = ['Workers']


class Workers:
    """Pool of threads that handle connections.

    It has `Limits.workers` threads. A thread that waits for its client does not count, up to
    `Limits.most_workers`; if all of those are busy, `relieve` drops stalled clients.

    Parameters
    ----------
    handle : Callable[[Connection], None]
        Handles the next request of a connection.
    limits : Limits
        Number of threads.
    """

    def __init__(self, handle: Callable[[Connection], None], limits: Limits) -> None:
        self._handle = handle
        self._limits = limits
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._busy: set[Connection] = set()
        self._stalled: dict[Connection, float] = {}
        self._stopping = False

    @property
    def idle(self) -> int:
        """Number of threads without a request."""
        return len(self._threads) - len(self._busy)

    @property
    def qsize(self) -> int:
        """Number of connections that wait for a worker."""
        return self._queue.qsize()

    def start(self) -> None:
        """Start the usual number of threads."""
        with self._lock:
            for _ in range(self._limits.workers):
                self._add()

    def put(self, connection: Connection) -> None:
        """Queue a connection with a whole head."""
        self._queue.put(connection)
        self._grow()

    @contextmanager
    def stalling(self, connection: Connection) -> Iterator[None]:
        """Mark a worker as waiting for its client."""
        with self._lock:
            self._stalled[connection] = time.monotonic()
            if self._stopping:
                connection.abort()
        self._grow()
        try:
            yield
        finally:
            with self._lock:
                del self._stalled[connection]

    def relieve(self) -> None:
        """Drop the client that has stalled longest if others wait and no worker is left."""
        if self._queue.empty() or self.idle > 0:
            return
        self._grow()
        with self._lock:
            if len(self._threads) < self._limits.most_workers or not self._stalled:
                return
            connection, since = min(self._stalled.items(), key=lambda pair: pair[1])
            if time.monotonic() - since > self._limits.spare_s:
                connection.abort()

    def stop(self, timeout: float) -> None:
        """End all threads.

        Parameters
        ----------
        timeout : float
            Seconds that requests have to finish. Those that wait for their clients have none.
        """
        with self._lock:
            self._stopping = True
            threads = list(self._threads)
            _abort(self._stalled)
        self._close_queued()
        for _ in threads:
            self._queue.put(None)
        _join(threads, timeout)
        _abort(self._busy)
        _join(threads, timeout)

    def _close_queued(self) -> None:
        with suppress(Empty):
            while (connection := self._queue.get_nowait()) is not None:
                connection.close()

    def _grow(self) -> None:
        if self._queue.empty():
            return
        with self._lock:
            running = len(self._threads) - len(self._stalled)
            if (
                not self._stopping
                and running < self._limits.workers
                and len(self._threads) < self._limits.most_workers
                and len(self._busy) + self._queue.qsize() > len(self._threads)
            ):
                self._add()

    def _add(self) -> None:
        thread = threading.Thread(target=self._work, name='pyxnat.server.worker', daemon=True)
        self._threads.add(thread)
        thread.start()

    def _work(self) -> None:
        while not self._is_spare():
            connection = self._queue.get()
            if connection is None:
                break
            self._busy.add(connection)
            try:
                self._handle(connection)
            finally:
                self._busy.discard(connection)
        self._threads.discard(threading.current_thread())

    def _is_spare(self) -> bool:
        return len(self._threads) - len(self._stalled) > self._limits.workers


def _join(threads: Iterable[threading.Thread], timeout: float) -> None:
    end = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))


def _abort(connections: Iterable[Connection]) -> None:
    for connection in list(connections):
        connection.abort()
