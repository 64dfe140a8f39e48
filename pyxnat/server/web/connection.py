"""One connection.

Its socket, bytes received but not used, and bytes not sent yet. The socket never blocks. The thread
of the selector (:mod:`.front`) calls `Connection.advance` until a whole head is there; then a
worker reads the body and writes the response, and only there may a read or write wait for the
client, with a deadline.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any

from .heads import HeadError, end_of_head, short_response
from .limits import Limits

__all__ = ['CLOSED', 'READ', 'READY', 'WRITE', 'Connection', 'SlowClient']

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
READY = 4
"""A whole head is there."""
CLOSED = 8
"""The client closed the connection, or it has to be closed."""
PIECE = 16 * 2**10
"""Bytes that are received at a time outside workers; the largest record of TLS."""
KEPT_BACK = 64 * 2**10
"""Bytes of a response that are sent later, without a worker."""
TURN = 2**20
"""Bytes that are discarded before other connections have their turn."""
_HANDSHAKE = b'\x16'
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SlowClient(OSError):
    """The client did not send or read within the deadline."""


class Connection:
    """Connection of a client.

    Parameters
    ----------
    sock : socket.socket
        The accepted socket.
    address : tuple[Any, ...]
        Address of the client.
    limits : Limits
        Sizes and deadlines.
    stalling : Callable[[Connection], AbstractContextManager[None]]
        Context of a worker's wait for the client.
    tls : ssl.SSLContext | None
        For https.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        limits: Limits,
        stalling: Callable[[Connection], AbstractContextManager[None]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.remote_addr, self.remote_port = address[:2]
        self.ssl_env: dict[str, str] = {}
        self.limits = limits
        self.since = time.monotonic()
        """When the connection was accepted, or its last request was finished."""
        self.deadline = self.since + limits.head_s
        self.is_corked = False
        """Whether bytes are sent together with the next ones: headers with the body."""
        self._stalling = stalling
        self._is_lingering = False
        self._keeps_alive = True
        self._tls = tls
        self._in = bytearray()
        self._out = bytearray()
        self._checked = 0
        self._head = 0
        self._left = limits.discarded
        self._step = self._receive if tls is None else self._greet

    # -- in the thread of the selector

    def advance(self) -> int:
        """Do all that is possible without waiting.

        Returns
        -------
        int
            `READ` or `WRITE` to wait for; `READY` for a whole head, `CLOSED` for the end.
        """
        try:
            return self._step()
        except ssl.SSLWantWriteError:
            return WRITE
        except ssl.SSLWantReadError:
            return READ
        except BlockingIOError:
            return WRITE if self._step == self._flush else READ
        except HeadError as error:
            return self.refuse(error.status, error.reason)
        except OSError:  # a broken connection, or TLS; there is nobody to tell
            return CLOSED

    def _greet(self) -> int:
        """Begin TLS; a client that speaks plain HTTP gets a response that says so."""
        first = self.socket.recv(1, socket.MSG_PEEK)
        if first[:1] not in (_HANDSHAKE, b''):
            raise HeadError(400, 'This server speaks only https on this port.')
        if not first or self._tls is None:
            return CLOSED
        self.socket = self._tls.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        self._step = self._shake_hands
        return self._shake_hands()

    def _shake_hands(self) -> int:
        assert isinstance(self.socket, ssl.SSLSocket)
        self.socket.do_handshake()
        self.ssl_env = {'wsgi.url_scheme': 'https', 'HTTPS': 'on'}
        self._step = self._receive
        return self._receive()

    def _receive(self) -> int:
        while not (head := end_of_head(self._in, self._checked, self.limits)):
            self._checked = len(self._in)
            piece = self.socket.recv(PIECE)
            if not piece:
                return CLOSED
            if not self._in:
                self.deadline = min(self.deadline, time.monotonic() + self.limits.head_s)
            self._in += piece
        self._head = head
        return READY

    def _flush(self) -> int:
        while self._out:
            sent = self.socket.send(self._out[:PIECE] if self.ssl_env else self._out)
            del self._out[:sent]
        if self._is_lingering:
            self.socket.shutdown(socket.SHUT_WR)
            self._step = self._discard
            return self._discard()
        if not self._keeps_alive:
            return CLOSED
        self._await_next()
        return self._receive()

    def _await_next(self) -> None:
        self._step = self._receive
        self.deadline = self.since + (self.limits.head_s if self._in else self.limits.idle_s)

    def _discard(self) -> int:
        """Discard the rest of the request.

        Closing at once could lose the client the response.
        """
        stop = self._left - TURN
        while self._left > max(stop, 0):
            piece = self.socket.recv(PIECE)
            if not piece:
                return CLOSED
            self._left -= len(piece)
        return READ if self._left > 0 else CLOSED

    def refuse(self, status: int, reason: str) -> int:
        """Answer without a worker, and close.

        Parameters
        ----------
        status : int
            HTTP status.
        reason : str
            Text of the response.

        Returns
        -------
        int
            As `advance`.
        """
        self._in.clear()
        self._out += short_response(status, reason)
        self.end(keep=False, linger=True)
        return self.advance()

    def expire(self) -> int:
        """Answer an unfinished head with 408; otherwise return `CLOSED`."""
        if self._step == self._receive and self._in:
            return self.refuse(408, f'The head took longer than {self.limits.head_s:g} seconds.')
        return CLOSED

    def close(self) -> None:
        """Close the socket."""
        self.abort()
        self.socket.close()

    def abort(self) -> None:
        """End both directions.

        A thread that waits for the client continues with an error.
        """
        with suppress(OSError):  # it may not be connected any more
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # past TLS, which could wait

    # -- in a worker

    def take_head(self) -> bytes:
        """Return the head, and make room for the body."""
        head = bytes(self._in[: self._head])
        del self._in[: self._head]
        self._checked = self._head = 0
        return head

    def end(self, keep: bool, linger: bool = False) -> None:
        """End a request: `advance` sends the rest of the response.

        Parameters
        ----------
        keep : bool
            Whether further requests may follow.
        linger : bool
            Whether the client may still be sending; then the connection is closed.
        """
        self.since = time.monotonic()
        self._keeps_alive, self._is_lingering = keep and not linger, linger
        self.deadline = self.since + self.limits.linger_s
        self._step = self._flush
        if self.is_idle:
            self._await_next()

    @property
    def is_idle(self) -> bool:
        """Whether all is sent, and nothing of a next request is there."""
        return not (self._out or self._in) and self._keeps_alive

    def buffered(self) -> int:
        """Return the number of bytes that can be read without the socket."""
        return len(self._in)

    def read_into(self, view: memoryview, pace: Pace) -> int:
        """Read bytes of a body; 0 at the end of the connection.

        Parameters
        ----------
        view : memoryview
            Where to put them.
        pace : Pace
            Least rate.

        Raises
        ------
        SlowClient
            If the client sends too slowly.
        """
        if self._in:
            count = min(len(view), len(self._in))
            view[:count] = self._in[:count]
            del self._in[:count]
            return count
        try:
            count = self.socket.recv_into(view)
        except _WOULD_BLOCK:
            count = self._waiting(lambda: self.socket.recv_into(view), pace)
        pace.count += count
        return count

    def read_line(self, most: int, pace: Pace) -> bytes:
        """Read a line of a chunked body; shorter at the end, or if it is too long.

        Parameters
        ----------
        most : int
            Largest number of bytes.
        pace : Pace
            Least rate.
        """
        while (end := self._in.find(b'\n', 0, most)) < 0 and len(self._in) < most:
            piece = bytearray(PIECE)
            kept, self._in = self._in, bytearray()
            count = self.read_into(memoryview(piece), pace)
            self._in = kept + piece[:count]
            if not count:
                break
        line = bytes(self._in[: end + 1 if end >= 0 else most])
        del self._in[: len(line)]
        return line

    def write(self, data: bytes) -> None:
        """Send bytes of a response; the last ones may be sent after the request.

        Raises
        ------
        SlowClient
            If the client does not read.
        """
        if self._out or self.is_corked:
            self._out += data
            if self.is_corked:
                return
            data = bytes(self._out)
            self._out.clear()
        view = memoryview(data)
        pace = Pace(self.limits.unread_s, 0)
        while view:
            part = view[:PIECE] if self.ssl_env else view
            try:
                sent = self.socket.send(part)
            except _WOULD_BLOCK:
                if len(view) <= KEPT_BACK:
                    self._out += view
                    return
                sent = self._waiting(lambda: self.socket.send(part), pace)  # noqa: B023
                pace = Pace(self.limits.unread_s, 0)
            view = view[sent:]

    def _waiting(self, action: Callable[[], int], pace: Pace) -> int:
        """Return the result of an action of the socket, waiting for the client."""
        with self._stalling(self):
            while True:
                started = time.monotonic()
                self.socket.settimeout(pace.left_s)
                try:
                    return action()
                except TimeoutError:
                    pass  # `pace` says whether it was too long
                finally:
                    self.socket.settimeout(0)
                    pace.waited(time.monotonic() - started)


class Pace:
    """Least rate of a client, while the server waits for it.

    Parameters
    ----------
    seconds : float
        Time of waiting in which the bytes are counted.
    least : int
        Bytes per second.
    """

    def __init__(self, seconds: float, least: int) -> None:
        self.left_s = self._seconds = seconds
        self.count = 0
        self._least = seconds * least

    def waited(self, seconds: float) -> None:
        """Count a wait.

        Raises
        ------
        SlowClient
            If the time is over, and less than the least bytes came.
        """
        self.left_s -= seconds
        if self.left_s > 0:
            return
        if self.count <= self._least:
            raise SlowClient('The client is too slow.')
        self.left_s, self.count = self._seconds, 0
