"""Thread of the selector.

Accepts connections, and gives those with a whole head to the workers.
"""

from __future__ import annotations

import errno
import selectors
import socket
import ssl
import threading
import time
from typing import Any

from .connection import CLOSED, READ, READY, Connection
from .limits import Limits
from .workers import Workers

__all__ = ['Front']

TICK_S = 0.05
"""Longest time until stalled workers are looked at, and until `Front.stop` returns."""
EXPIRY_S = 0.25
"""Time between two looks at the deadlines."""
AT_ONCE = 64
"""Connections that are accepted before others have their turn."""
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Front:
    """Connections that wait for their clients.

    It has the methods that cheroot calls of its own manager of connections.

    Parameters
    ----------
    listener : socket.socket
        The listening socket.
    workers : Workers
        Where connections with a whole head go.
    limits : Limits
        Sizes and deadlines.
    tls : ssl.SSLContext | None
        For https.
    """

    can_add_keepalive_connection = True

    def __init__(
        self,
        listener: socket.socket,
        workers: Workers,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._workers = workers
        self._limits = limits
        self._tls = tls
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, READ)
        self._lock = threading.Lock()
        self._held: dict[int, Connection] = {}
        self._count = 0
        self._is_paused = self._is_closed = False
        self._stop = threading.Event()
        self._stopped = threading.Event()

    def run(self, _interval: float = TICK_S) -> None:
        """Serve until `stop`."""
        self._stopped.clear()
        looked = time.monotonic()
        try:
            while not self._stop.is_set():
                for key, _ in self._selector.select(TICK_S):
                    if key.data is None:
                        self._accept()
                    else:
                        self._advance(key.data, key.fd)
                self._workers.relieve()
                if time.monotonic() - looked > EXPIRY_S:
                    self._expire()
                    looked = time.monotonic()
        finally:
            self._stopped.set()

    def put(self, connection: Connection) -> None:
        """Take a connection back from a worker, at the end of a request."""
        # TLS may have received more than it returned
        at_rest = connection.is_idle and not connection.ssl_env
        outcome = READ if at_rest else connection.advance()
        self._settle(connection, outcome)

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
        self._stopped.wait(1)

    def close(self) -> None:
        """Close the connections that wait."""
        with self._lock:
            self._is_closed = True
            held = list(self._held.values())
            self._held.clear()
        for connection in held:
            connection.close()
        self._selector.close()

    # -- new connections

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            if self._count >= self._limits.connections and not self._evict():
                self._pause()
                return
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS and not self._evict():
                    self._pause()
                    return
                continue  # the client has gone
            self._welcome(sock, address)

    def _welcome(self, sock: socket.socket, address: tuple[Any, ...]) -> None:
        with self._lock:
            self._count += 1
        connection = Connection(sock, address, self._limits, self._workers.stalling, self._tls)
        self._settle(connection, READ)

    def _evict(self) -> bool:
        """Close the connection that has waited longest; False if none waits."""
        with self._lock:
            fd = min(self._held, key=lambda fd: self._held[fd].since, default=None)
            if fd is None:
                return False
            connection = self._take(fd)
        self._drop(connection)
        return True

    def _pause(self) -> None:
        """Accept nothing until a connection ends: new ones queue in the system."""
        self._selector.unregister(self._listener)
        self._is_paused = True

    # -- those that wait

    def _advance(self, connection: Connection, fd: int) -> None:
        with self._lock:
            if self._held.get(fd) is not connection:
                return
            self._take(fd)
        self._settle(connection, connection.advance())

    def _settle(self, connection: Connection, outcome: int) -> None:
        if outcome == READY:
            self._workers.put(connection)
        elif outcome == CLOSED or not self._hold(connection, outcome):
            self._drop(connection)

    def _hold(self, connection: Connection, events: int) -> bool:
        with self._lock:
            if self._is_closed:
                return False
            fd = connection.socket.fileno()
            self._held[fd] = connection
            self._selector.register(fd, events, connection)
        return True

    def _take(self, fd: int) -> Connection:
        self._selector.unregister(fd)
        return self._held.pop(fd)

    def _drop(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self._count -= 1

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            late = [fd for fd, connection in self._held.items() if connection.deadline < now]
            connections = [self._take(fd) for fd in late]
        for connection in connections:
            self._settle(connection, connection.expire())
        if self._is_paused and (self._held or self._count < self._limits.connections):
            self._is_paused = False
            self._selector.register(self._listener, READ)
