"""Download response bodies, resuming with Range after a dropped connection."""

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
from .validation import PART, file_kind, kind_of

__all__ = ['Expected', 'fetch']

log = logging.getLogger('pyxnat.http')

_Target = Callable[[Mapping[str, str]], AbstractContextManager[Any]]
"""Function from the headers of the response to a context manager of the file to write to.

The context manager commits the file if the block ends without an exception.
"""

_CONTENT_RANGE = re.compile(r'bytes (\d+)-(\d+)/(\d+|\*)')


class Expected(NamedTuple):
    """Size and digest of a file, from a listing."""

    size: int | None = None
    """Bytes; `None` if unknown."""
    md5: str = ''
    """Hexadecimal digest; empty if unknown."""
    look_again: Callable[[], Mapping[str, str]] | None = None
    """Fetches the current row of the file."""

    @classmethod
    def of(
        cls, row: Mapping[str, str], look_again: Callable[[], Mapping[str, str]] | None = None
    ) -> Expected:
        """Create from a row of a listing of files.

        Parameters
        ----------
        row : mapping
            Row, or an empty mapping if the file was not listed.
        look_again : callable, optional
            Fetches the current row of the file.
        """
        size = row.get('Size', '')
        return cls(int(size) if size.isdigit() else None, row.get('digest', '').lower(), look_again)

    def differs(self, size: int, md5: str) -> str:
        """Describe the difference to a downloaded file; empty if none.

        Parameters
        ----------
        size : int
            Bytes of the file.
        md5 : str
            Its hexadecimal digest; empty if it was not computed.
        """
        if self.size is not None and self.size != size:
            return f'{size} bytes came, the listing says {self.size}'
        return (
            'its MD5 is not the one in the listing' if self.md5 and md5 and self.md5 != md5 else ''
        )


def fetch(
    transport: Transport,
    uri: str,
    target: _Target,
    expected: Expected = Expected(),  # noqa: B008 - a tuple
    *,
    headers: Mapping[str, str] | None = None,
    accept: frozenset[int] = frozenset(),
) -> int:
    """Download the body of a GET and return the status of the response.

    One request, and one for each time that the connection breaks within the body. The download is
    resumed where it broke if the server supports ranges and the file has not changed, else it
    starts again. It fails after `Transport.retries` attempts without progress.

    Parameters
    ----------
    transport : Transport
        Sends the requests.
    uri : str
        Encoded, below the server's URL.
    target : callable
        Opens the file to write to, from the headers of the response. Called for a status of 200.
    expected : Expected
        Size and digest of the listing, which the body must have.
    headers : mapping, optional
        Headers of the request.
    accept : frozenset of int
        Further statuses that are right, such as 304; nothing is written for them.

    Raises
    ------
    TransferError
        Size or digest of the body are wrong.
    DatabaseError
        As :meth:`pyxnat.http.transport.Transport.stream`.
    """
    attempt, kind = 1, kind_of('GET', uri)
    if expected.size is not None and kind.content == 'file':
        kind = file_kind(uri, expected.size)
    kind = kind._replace(statuses=kind.statuses | accept)
    while True:
        receiving = None
        try:
            with transport.stream('GET', uri, None, headers, kind=kind) as stream:
                if stream.status == 200:
                    with target(stream.headers) as file:
                        receiving = _Receiving(transport, stream, file, expected)
                        receiving.run()
                return stream.status
        except errors.NetworkError as error:
            if receiving is None or error is not receiving.broken or attempt > transport.retries:
                raise
            log.info('%s: download starts again: %s', uri, error.message)
        transport.pause(attempt)
        attempt += 1


class _Receiving:
    """The download of one body into an open file.

    Attributes
    ----------
    broken : NetworkError or None
        Error that interrupted it and was not resolved by resuming.
    """

    def __init__(self, transport: Transport, stream: Stream, file: Any, expected: Expected) -> None:
        self._transport = transport
        self._first = stream
        self._file = (
            file if isinstance(file, Incoming) else Incoming(file, None if expected.md5 else 0)
        )
        self._expected = expected
        self.broken: errors.NetworkError | None = None

    def run(self) -> None:
        """Receive the body, resuming as often as necessary, and check it."""
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
        """Write the body as it arrives; return the error that broke it off."""
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
        """Whether the body is compressed for the transfer.

        A file that is stored compressed has the size of the listing.
        """
        stream, size = self._first, self._expected.size
        stream.most_bytes = size if size is not None else stream.most_bytes
        return 'content-encoding' in stream.headers and (size is None or size != stream.length)

    @property
    def _can_resume(self) -> bool:
        return (
            self._file.size > 0
            and not self._is_encoded
            and self._first.headers.get('accept-ranges') == 'bytes'
            and bool(self._validator)
        )

    @property
    def _validator(self) -> str:
        """Value for ``If-Range``: a strong ETag, or a date old enough."""
        headers = self._first.headers
        tag = headers.get('etag', '')
        if tag.startswith('"'):
            return tag
        return headers.get('last-modified', '') if is_proof(headers) else ''

    def _resumed(self, broken: errors.NetworkError) -> errors.NetworkError | None:
        """Request and write the rest; return the error that broke it off."""
        size = self._file.size
        headers = {'range': f'bytes={size}-', 'if-range': self._validator}
        try:
            with self._transport.stream('GET', self._first.uri, None, headers, kind=PART) as stream:
                if stream.status != 206 or not self._is_rest(stream, size):
                    self.broken = broken
                    raise broken  # the file has changed: start again
                log.info('%s: resumed at byte %d', self._first.uri, size)
                return self._copy(stream)
        except errors.NetworkError as error:
            if error is broken:
                raise
            return error

    def _is_rest(self, stream: Stream, size: int) -> bool:
        """Return whether a 206 response is the rest of the same file.

        XNAT serves the range of the current file, even if it has changed.
        """
        begin, total = _range_of(stream)
        dates = [headers.get('last-modified') for headers in (self._first.headers, stream.headers)]
        return begin == size and total in (None, self._first.length) and dates[0] == dates[1]

    def _check(self) -> None:
        """Compare with the listing, and if that differs, with a new one.

        The file may have been replaced since it was listed.
        """
        size, md5 = self._file.size, self._file.md5
        wrong = self._expected.differs(size, md5)
        if wrong and self._expected.look_again is not None:
            wrong = Expected.of(self._expected.look_again()).differs(size, md5)
        if wrong:
            stream = self._first
            raise errors.TransferError(
                wrong,
                uri=stream.uri,
                method=stream.method,
                status=stream.status,
                remedy='Download it again.',
            )


def _range_of(stream: Stream) -> tuple[int | None, int | None]:
    """Return first byte and total size of a ``Content-Range``, or `None`s."""
    match = _CONTENT_RANGE.fullmatch(stream.headers.get('content-range', ''))
    return (
        (int(match.group(1)), int(match.group(3)) if match.group(3).isdigit() else None)
        if match
        else (None, None)
    )
