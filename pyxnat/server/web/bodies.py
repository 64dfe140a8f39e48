"""Bodies of requests as WSGI applications read them: of known length, or chunked."""

from __future__ import annotations

import io
import re
from typing import Any

from werkzeug.exceptions import BadRequest, RequestTimeout

from .connection import Connection, Pace, SlowClient

__all__ = ['Body', 'ChunkedBody']

_CHUNK = re.compile(rb'([0-9A-Fa-f]{1,15})[ \t]*(;[^\x00\r\n]*)?\r\n')
_TRAILER = re.compile(rb'[!#$%&\'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*\r\n')
LINE = 1024
"""Longest line of a chunk's size, with its extension, and of a trailer."""
EXTRA = 16 * 2**10
"""Bytes of chunk extensions and trailers of a body."""
SMALL = 64 * 2**10
"""Bytes of an unread body that are worth a wait, to keep the connection."""
SMALL_S = 1
CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'


class Body(io.RawIOBase):
    """Body of known length.

    ``100 Continue`` is sent when it is first read, so a request that is refused for its head is
    refused before its body is sent.

    Parameters
    ----------
    connection : Connection
        The connection.
    length : int
        Length of the body.
    expects : bool
        Whether the client waits for ``100 Continue``.
    """

    def __init__(self, connection: Connection, length: int, expects: bool = False) -> None:
        self._connection = connection
        self.remaining = length
        self._expects = expects
        limits = connection.limits
        self._pace = Pace(limits.stall_s, limits.least_rate)
        self.is_broken = False

    @property
    def is_finished(self) -> bool:
        """Whether all of the body was read."""
        return self.remaining == 0 and not self.is_broken

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Read up to a number of bytes; fewer only at the end.

        Raises
        ------
        BadRequest
            If the body is malformed.
        RequestTimeout
            If the client sends it too slowly.
        """
        if size is None or size < 0:
            return self.readall() or b''
        buffer = bytearray(size if self.remaining < 0 else min(size, self.remaining))
        view, got = memoryview(buffer), 0
        while got < len(view) and (count := self.readinto(view[got:])):
            got += count
        return bytes(view[:got])

    def readinto(self, buffer: Any) -> int:
        """Read the bytes that have come into a buffer; 0 at the end."""
        if self._expects:
            self._expects = False
            if self.remaining and not self._connection.buffered():
                self._connection.write(CONTINUE)
        try:
            return self._fill(memoryview(buffer).cast('B'))
        except SlowClient as error:
            self.is_broken = True
            raise RequestTimeout('The body was sent too slowly.') from error
        except OSError as error:
            self.is_broken = True
            raise BadRequest('The connection broke before the end of the body.') from error

    def _fill(self, view: memoryview) -> int:
        count = self._take(view[: self.remaining])
        self.remaining -= count
        return count

    def _take(self, view: memoryview) -> int:
        count = self._connection.read_into(view, self._pace) if view else 0
        self.is_broken = self.is_broken or (count == 0 and len(view) > 0)
        return count

    def finish(self, may_wait: bool) -> bool:
        """Discard the rest of a small body.

        Parameters
        ----------
        may_wait : bool
            Whether to wait for it for a moment.

        Returns
        -------
        bool
            Whether the next request can be read.
        """
        if self.is_finished:
            return True
        most = SMALL if may_wait else self._connection.buffered()
        if self._expects or self.is_broken or self.remaining > most:
            return False
        self._pace = Pace(SMALL_S, SMALL)
        try:
            self.read(most)
        except (BadRequest, RequestTimeout):
            return False
        return self.is_finished


class ChunkedBody(Body):
    """Body in chunks.

    Parameters
    ----------
    connection : Connection
        The connection.
    expects : bool
        Whether the client waits for ``100 Continue``.
    """

    def __init__(self, connection: Connection, expects: bool = False) -> None:
        super().__init__(connection, -1, expects)
        self._chunk = 0
        self._extra = EXTRA

    def _fill(self, view: memoryview) -> int:
        if not self._chunk and self.remaining:
            self._begin_chunk()
        if not (self._chunk and view):
            return 0
        count = self._take(view[: self._chunk])
        if not count:
            raise self._malformed('The body ended in a chunk.')
        self._chunk -= count
        if not self._chunk and self._line() != b'\r\n':
            raise self._malformed('A chunk does not end with CRLF.')
        return count

    def _begin_chunk(self) -> None:
        line = self._line()
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise self._malformed('The size of a chunk is malformed.')
        self._spend(len(match[2] or b''))
        self._chunk = int(match[1], 16)
        if not self._chunk:
            self._end()

    def _end(self) -> None:
        while (line := self._line()) != b'\r\n':
            self._spend(len(line))
            if not _TRAILER.fullmatch(line):
                raise self._malformed('A trailer is malformed.')
        self.remaining = 0

    def _line(self) -> bytes:
        return self._connection.read_line(LINE, self._pace)

    def _spend(self, count: int) -> None:
        self._extra -= count
        if self._extra < 0:
            raise self._malformed('Chunk extensions and trailers are too long.')

    def _malformed(self, reason: str) -> BadRequest:
        self.is_broken = True
        return BadRequest(reason)
