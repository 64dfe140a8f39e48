"""Bodies of files, brought over whole: a connection that breaks is taken up where it broke, or from the start."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from .. import errors
from ..cache import Incoming, is_proof
from .connection import Stream
from .transport import Transport

__all__ = ['Expected', 'fetch']

log = logging.getLogger('pyxnat.http')

_Target = Callable[[Mapping[str, str]], AbstractContextManager[Any]]
"""Opens what the body is written to, by the headers of the answer; leaving it well makes it the file."""

_CONTENT_RANGE = re.compile(r'bytes (\d+)-(\d+)/(\d+|\*)')


class Expected(NamedTuple):
    """What a listing said of a file."""

    size: int | None = None
    """Bytes."""
    md5: str = ''
    look_again: Callable[[], Mapping[str, str]] | None = None
    """Gives the file's row of the listing as it is now."""

    @classmethod
    def of(cls, row: Mapping[str, str], look_again: Callable[[], Mapping[str, str]] | None = None) -> Expected:
        """From a row of a listing of files, or from nothing known."""
        size = row.get('Size', '')
        return cls(int(size) if size.isdigit() else None, row.get('digest', '').lower(), look_again)

    def differs(self, size: int, md5: str) -> str:
        """What of a file is not as expected; empty where all is."""
        if self.size is not None and self.size != size:
            return f'{size} bytes came, the listing says {self.size}'
        return 'its MD5 is not the one in the listing' if self.md5 and md5 and self.md5 != md5 else ''


def fetch(
    transport: Transport,
    uri: str,
    target: _Target,
    expected: Expected = Expected(),  # noqa: B008 - a tuple
    *,
    headers: Mapping[str, str] | None = None,
    accept_pages: bool = False,
    accept_status: frozenset[int] = frozenset(),
) -> int:
    """Bring over the body of a GET; the status of the answer.

    One request; one more each time that the connection breaks in the body, which is taken up where it broke if the server can do that and says that
    the file is the same, and else from the start. `Transport.retries` times without any progress are the end.

    Parameters
    ----------
    target : callable
        Not called for a status other than 2xx.
    expected : Expected
        What the listing said: size and digest are checked against it.

    Raises
    ------
    TransferError
        The body is not what was announced.
    DatabaseError
        As :meth:`pyxnat.http.transport.Transport.stream`.
    """
    attempt = 1
    while True:
        receiving = None
        try:
            with transport.stream('GET', uri, None, headers, accept_pages=accept_pages, accept_status=accept_status) as stream:
                if 200 <= stream.status < 300:
                    with target(stream.headers) as file:
                        receiving = _Receiving(transport, stream, file, expected)
                        receiving.run()
                return stream.status
        except errors.NetworkError as error:
            if receiving is None or error is not receiving.broken or attempt > transport.retries:
                raise
            log.info('%s: from the start, since %s', uri, error.message)
        transport.pause(attempt)
        attempt += 1


class _Receiving:
    """One body on its way into an open file.

    Attributes
    ----------
    broken : NetworkError or None
        What ended it before its time.
    """

    def __init__(self, transport: Transport, stream: Stream, file: Any, expected: Expected) -> None:
        self._transport = transport
        self._first = stream
        self._file = file if isinstance(file, Incoming) else Incoming(file, None if expected.md5 else 0)
        self._expected = expected
        self.broken: errors.NetworkError | None = None

    def run(self) -> None:
        """Receive all of it, and check it."""
        self.broken = self._copy(self._first)
        attempt = 1
        while self.broken is not None:
            if attempt > self._transport.retries or not self._can_resume:
                raise self.broken
            self._transport.pause(attempt)
            before = self._file.size
            self.broken = self._resumed(self.broken)
            attempt = attempt + 1 if self._file.size == before else 1
        if self._expected.size is not None or self._expected.md5:
            self._check()

    def _copy(self, stream: Stream) -> errors.NetworkError | None:
        """Write the body as it comes; what broke it."""
        pieces = iter(stream) if self._is_encoded else stream.as_sent()
        while True:
            try:
                piece = next(pieces, b'')
            except errors.NetworkError as error:
                return error
            if not piece:
                return None
            self._file.write(piece)

    @property
    def _is_encoded(self) -> bool:
        """Whether the body is compressed for the journey; a file that is stored compressed is as long as the listing says."""
        stream, size = self._first, self._expected.size
        stream.most_bytes = size if size is not None else stream.most_bytes
        return 'content-encoding' in stream.headers and (size is None or size != stream.length)

    @property
    def _can_resume(self) -> bool:
        return self._file.size > 0 and not self._is_encoded and self._first.headers.get('accept-ranges') == 'bytes' and bool(self._validator)

    @property
    def _validator(self) -> str:
        """What tells this content from another: a strong tag, or a date that is old enough to."""
        headers = self._first.headers
        tag = headers.get('etag', '')
        if tag.startswith('"'):
            return tag
        return headers.get('last-modified', '') if is_proof(headers) else ''

    def _resumed(self, broken: errors.NetworkError) -> errors.NetworkError | None:
        """Ask for the rest, and receive it; what broke that."""
        size = self._file.size
        headers = {'range': f'bytes={size}-', 'if-range': self._validator}
        try:
            with self._transport.stream('GET', self._first.uri, None, headers, accept_pages=True) as stream:
                if stream.status != 206 or not self._is_rest(stream, size):
                    self.broken = broken
                    raise broken  # it is another file by now: from the start
                log.info('%s: taken up at byte %d', self._first.uri, size)
                return self._copy(stream)
        except errors.NetworkError as error:
            if error is broken:
                raise
            return error

    def _is_rest(self, stream: Stream, size: int) -> bool:
        """Whether an answer of status 206 is the rest of the same file: XNAT serves a range of whatever is there now."""
        begin, total = _range_of(stream)
        dates = [headers.get('last-modified') for headers in (self._first.headers, stream.headers)]
        return begin == size and total in (None, self._first.length) and dates[0] == dates[1]

    def _check(self) -> None:
        """Compare with the listing; where that differs, with a new one: the file may have been replaced since."""
        size, md5 = self._file.size, self._file.md5
        wrong = self._expected.differs(size, md5)
        if wrong and self._expected.look_again is not None:
            wrong = Expected.of(self._expected.look_again()).differs(size, md5)
        if wrong:
            stream = self._first
            raise errors.TransferError(wrong, uri=stream.uri, method=stream.method, status=stream.status, remedy='Download it again.')


def _range_of(stream: Stream) -> tuple[int | None, int | None]:
    """The first byte that an answer of status 206 holds, and the bytes of the whole, as far as it tells."""
    found = _CONTENT_RANGE.fullmatch(stream.headers.get('content-range', ''))
    return (int(found.group(1)), int(found.group(3)) if found.group(3).isdigit() else None) if found else (None, None)
