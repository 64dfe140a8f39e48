"""Responses of http.client, with strict rules for where a head and a body end.

http.client takes much that is no HTTP: lengths such as ``1_0``, negative sizes of chunks, a second
response after an interim one. Each would give a part of one response, or the response to another
request.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
from email.errors import (
    FirstHeaderLineIsContinuationDefect,
    InvalidHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)
from typing import Any

from ..patterns import pattern

__all__ = ['HEAD_S', 'FramingError', 'Response']

HEAD_S = 30.0
"""Longest time from the first byte of a head to its end, in seconds; less with shorter timeouts."""

_MOST_INTERIM = 10
_MOST_LINES = 100
"""Lines of an interim head, or of a trailer."""
_LONGEST_LINE = 2**16
_INTERIM = (b'HTTP/1.0 1', b'HTTP/1.1 1')
"""First bytes of an interim response, which another response follows."""
_STATUS_LINE = re.compile(r'HTTP/1\.1 ([2-5][0-9]{2})( [^\r\n]*)?')
_HEADER_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)")
_WITHOUT_BODY = (http.client.NO_CONTENT, http.client.NOT_MODIFIED)
_LENGTH = pattern(r'[0-9]{1,18}')
_CHUNK_SIZE = pattern(rb'([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n')
_DEFECTS = (
    FirstHeaderLineIsContinuationDefect,
    InvalidHeaderDefect,
    MissingHeaderBodySeparatorDefect,
)


class FramingError(http.client.HTTPException):
    """A head or body whose end is not clear."""


class _LineReader:
    """File of a response that reads lines in a total time.

    It detects truncated ones. http.client takes the end of the connection for the end of the
    headers.

    Parameters
    ----------
    file : BufferedReader
        File of the response.
    sock : socket
        Its socket; its timeout is the time for all lines, at most `HEAD_S`.
    """

    def __init__(self, file: Any, sock: socket.socket) -> None:
        self._file = file
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._limit_s = HEAD_S if self._timeout is None else min(HEAD_S, self._timeout)
        self._end = time.monotonic() + self._limit_s
        self.was_cut = False

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line, and note whether it is complete."""
        line = bytearray()
        most = limit if limit >= 0 else _LONGEST_LINE + 1
        try:
            while len(line) < most and not line.endswith(b'\n'):
                ready = self._ready()
                if not ready:
                    break
                end = ready.find(b'\n') + 1 or len(ready)
                line += self._file.read(min(end, most - len(line)))
        finally:
            self._sock.settimeout(self._timeout)
        self.was_cut = self.was_cut or not line.endswith(b'\n')
        _check_line(line.rstrip(b'\r\n'))
        return bytes(line)

    def _ready(self) -> bytes:
        """Return bytes that have arrived, after at most one read."""
        left_s = self._end - time.monotonic()
        if left_s > 0:
            self._sock.settimeout(left_s)
            ready: bytes = self._file.peek(1)
            return ready
        raise TimeoutError(f'its head did not end within {self._limit_s:g} s')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Response(http.client.HTTPResponse):
    """Response whose head and body end where they say.

    Attributes
    ----------
    has_excess : bool
        More bytes than the announced length arrived.
    ended : float
        Monotonic time at which the last byte was read; 0 before.
    """

    has_excess = False
    ended = 0.0
    _is_last_chunk = False

    def begin(self) -> None:
        """Read the head, and check that it tells the length of the body."""
        file: Any = self.fp
        first: bytes = file.peek()
        end = first.find(b'\r\n\r\n')
        if end >= 0 and not first.startswith(_INTERIM):
            if b'\r' in (head := first[:end].replace(b'\r\n', b'')) or b'\0' in head:
                _check_line(head)
            if self._take_head(first[:end]):
                file.read(end + 4)
            else:
                super().begin()  # all of the head has come
        else:
            self._begin_slowly(file)
        self._check_length()

    def _take_head(self, head: bytes) -> bool:
        """Set the attributes that `begin` sets.

        Return False for a head that is not plain. Plain is a final status of HTTP/1.1, and a line
        for each header. http.client parses a head as an e-mail, which is a tenth of the processor
        time of a small request.
        """
        first, *lines = head.decode('iso-8859-1').split('\r\n')
        status = _STATUS_LINE.fullmatch(first)
        if status is None or len(lines) >= _MOST_LINES or len(head) > _LONGEST_LINE:
            return False
        headers = http.client.HTTPMessage()
        for line in lines:
            header = _HEADER_LINE.fullmatch(line)
            if header is None:
                return False
            headers[header[1]] = header[2]
        self.code = self.status = int(status[1])
        self.reason = (status[2] or '').strip()
        self.version = 11
        self.headers = self.msg = headers
        self.chunked = headers.get('transfer-encoding', '').lower() == 'chunked'
        self.chunk_left = None
        length = headers.get('content-length', '').strip(' \t')
        self.length = int(length) if _LENGTH.fullmatch(length) and not self.chunked else None
        if self.status in _WITHOUT_BODY or self._method == 'HEAD':  # type: ignore[attr-defined]
            self.length = 0
        is_open_ended = self.length is None and not self.chunked
        self.will_close = is_open_ended or 'close' in headers.get('connection', '').lower()
        return True

    def _begin_slowly(self, file: Any) -> None:
        sock = self._socket
        reader: Any = _LineReader(file, sock)
        self._read_status = self._read_final_status
        self.fp = reader
        try:
            super().begin()
        finally:
            self.fp = file if self.fp is reader else self.fp
        if reader.was_cut:
            raise http.client.RemoteDisconnected('the response ended in its headers')

    def _read_final_status(self) -> tuple[str, int, str]:
        for _ in range(_MOST_INTERIM):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if status == http.client.SWITCHING_PROTOCOLS:
                raise FramingError('it switches to another protocol')
            if status >= http.client.OK:
                return version, status, reason
            self._skip_lines(self.fp)
        raise FramingError(f'more than {_MOST_INTERIM} interim responses')

    @staticmethod
    def _skip_lines(file: Any) -> None:
        """Read the lines up to an empty one, or to the end of the connection."""
        for _ in range(_MOST_LINES):
            if file.readline(_LONGEST_LINE) in (b'\r\n', b'\n', b''):
                return
        raise FramingError(f'more than {_MOST_LINES} lines of headers')

    @property
    def _socket(self) -> Any:
        return getattr(getattr(self.fp, 'raw', None), '_sock', None)

    def _check_length(self) -> None:
        headers = self.headers
        if any(isinstance(defect, _DEFECTS) for defect in headers.defects):
            raise FramingError('a line of its head is no header')
        lengths, codings = (
            headers.get_all('content-length') or (),
            headers.get_all('transfer-encoding') or (),
        )
        if codings and lengths:
            raise FramingError('it has both Content-Length and Transfer-Encoding')
        if len(lengths) > 1 or len(codings) > 1:
            raise FramingError('Content-Length or Transfer-Encoding is given twice')
        if lengths and not _LENGTH.fullmatch(lengths[0].strip(' \t')):
            raise FramingError(f'Content-Length is {lengths[0][:40]!r}')
        if codings and codings[0].lower() != 'chunked':
            raise FramingError(f'Transfer-Encoding is {codings[0][:40]!r}')

    def _get_chunk_left(self) -> int | None:
        """Return the unread bytes of the current chunk; `None` after the last one."""
        if self.chunk_left:
            return self.chunk_left
        if self.chunk_left is not None:
            after = self._safe_read(2)  # type: ignore[attr-defined]
            if after != b'\r\n':
                raise FramingError('a chunk is longer than its size')
        size = self._read_next_chunk_size()
        if size == 0:
            self._read_and_discard_trailer()
            self._is_last_chunk = True
            self._close_conn()
        self.chunk_left = size or None
        return self.chunk_left

    def _read_next_chunk_size(self) -> int:
        file: Any = self.fp
        ready: bytes = file.peek(1)
        end = ready.find(b'\n', 0, 64) + 1
        line = file.read(end) if end else _LineReader(file, self._socket).readline()
        found = _CHUNK_SIZE.fullmatch(line)
        if found is not None:
            return int(found.group(1), 16)
        if not line.endswith(b'\n'):
            raise http.client.IncompleteRead(b'')
        raise FramingError(f'the size of a chunk is {line[:40]!r}')

    def _read_and_discard_trailer(self) -> None:
        self._skip_lines(_LineReader(self.fp, self._socket))

    def _close_conn(self) -> None:
        is_at_end = self.length == 0 or self._is_last_chunk
        if is_at_end and self.fp is not None and not isinstance(self.fp, _LineReader):
            self.has_excess = self._can_read_on()
        self.ended = time.monotonic()
        super()._close_conn()  # type: ignore[misc]

    def _can_read_on(self) -> bool:
        """Return whether more bytes are in the buffer or on the socket."""
        sock, file = self._socket, self.fp
        if sock is None:
            return False
        timeout = sock.gettimeout()
        sock.settimeout(0)
        try:
            return bool(file.peek(1))
        except OSError:
            return False
        finally:
            sock.settimeout(timeout)


def _check_line(line: bytes | bytearray) -> None:
    """Raise an error for bytes that end a line for some programs and not for others."""
    if b'\r' in line or b'\0' in line:
        raise FramingError('its head has a lone CR or NUL')
