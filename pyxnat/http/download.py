"""Download response bodies, resuming with Range after a dropped connection."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from .. import errors
from ..cache import Incoming, is_proof
from ..model.rows import size_of
from ..patterns import pattern
from .connection import Stream
from .encodings import coding_of, has_own_coding
from .progress import progress_bar
from .transport import Transport
from .validation import PART, file_kind, kind_of

__all__ = ['Expected', 'fetch']

log = logging.getLogger('pyxnat.http')

_Target = Callable[[Mapping[str, str]], AbstractContextManager[Any]]
"""Function from the headers of the response to a context manager of the file to write to.

The context manager commits the file if the block ends without an exception.
"""

_CONTENT_RANGE = pattern(r'bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)')


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
        return cls(size_of(size), row.get('digest', '').lower(), look_again)

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
                        receiving = _Receiving(transport, uri, stream, file, expected)
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

    Parameters
    ----------
    transport : Transport
        Sends the requests that resume it.
    uri : str
        URI of the body; the first response may come from another place.
    stream : Stream
        The first response.
    file : Any
        Open file.
    expected : Expected
        Size and digest of the listing.

    Attributes
    ----------
    broken : NetworkError or None
        Error that interrupted it and was not resolved by resuming.
    """

    def __init__(
        self, transport: Transport, uri: str, stream: Stream, file: Any, expected: Expected
    ) -> None:
        self._transport = transport
        self._uri = uri
        self._first = stream
        self._file = (
            file if isinstance(file, Incoming) else Incoming(file, None if expected.md5 else 0)
        )
        self._expected = expected
        self._is_encoded = 'content-encoding' in stream.headers and _is_encoded(
            uri, stream, expected.size
        )
        self._total = None if self._is_encoded else stream.length
        self._bar: Any = None
        self.broken: errors.NetworkError | None = None
        if expected.size is not None:
            stream.most_bytes = expected.size

    def run(self) -> None:
        """Receive the body, resuming as often as necessary, and check it."""
        total = self._total if self._expected.size is None else self._expected.size
        with progress_bar(total, name=self._uri) as self._bar:
            self._receive()
        if self._expected.size is not None or self._expected.md5:
            self._check()

    def _receive(self) -> None:
        self.broken = self._copy(iter(self._first) if self._is_encoded else self._first.as_sent())
        attempt = 1
        while self.broken is not None:
            if attempt > self._transport.retries or not self._can_resume:
                raise self.broken
            self._transport.pause(attempt)
            before = self._file.size
            self.broken = self._resumed(self.broken)
            attempt = attempt + 1 if self._file.size == before else 1

    def _copy(self, pieces: Iterator[bytes]) -> errors.NetworkError | None:
        """Write the body as it arrives; return the error that broke it off."""
        while True:
            try:
                piece = next(pieces, b'')
            except errors.NetworkError as error:
                return error
            if not piece:
                return None
            self._file.write(piece)
            self._bar.update(len(piece))

    @property
    def _can_resume(self) -> bool:
        return (
            self._file.size > 0
            and not self._first.is_encoded
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
        """Request and write the rest; return the error that broke it off.

        A server may send fewer bytes than requested, and is then asked for the others.
        """
        error = None
        while error is None and (self._total is None or self._file.size < self._total):
            begin = self._file.size
            headers = {'range': f'bytes={begin}-', 'if-range': self._validator}
            try:
                with self._transport.stream('GET', self._uri, None, headers, kind=PART) as stream:
                    part = _part_of(stream, self._first, begin, self._total)
                    if part is None:
                        self.broken = broken
                        raise broken  # the file has changed: start again
                    log.info('%s: resumed at byte %d', self._uri, begin)
                    self._total = part.total if self._total is None else self._total
                    error = self._copy(stream.as_sent()) or self._lacks(stream, part, broken)
            except errors.NetworkError as network_error:
                if network_error is broken:
                    raise
                error = network_error
        return error

    def _lacks(
        self, stream: Stream, part: _Part, broken: errors.NetworkError
    ) -> errors.NetworkError | None:
        """Return the error for a part that is too short, or raise for one too long."""
        if self._file.size > part.end + 1:
            self.broken = broken
            raise broken  # the bytes so far are of no use: start again
        if self._file.size == part.end + 1:
            return None
        return errors.TransferError(
            f'the response is incomplete: it ends at byte {self._file.size}, not at {part.end + 1}',
            uri=stream.uri,
            method=stream.method,
            status=stream.status,
            remedy='Try again.',
        )

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


def _is_encoded(uri: str, stream: Stream, size: int | None) -> bool:
    """Return whether a body is compressed for the transfer only.

    A file may be stored compressed. A file that is stored compressed has the size of the listing.
    Otherwise, a ``.gz`` file with the coding gzip is taken as stored, unless it holds another gzip.
    """
    if not stream.is_encoded or (size is not None and size == stream.length):
        return False
    if not has_own_coding(uri.partition('?')[0], coding_of(stream.headers)):
        return True
    return stream.begin().startswith(b'\x1f\x8b') and stream.begin() != stream.peek()


class _Part(NamedTuple):
    """The range of a file that a response with status 206 announces."""

    end: int
    """Last byte."""
    total: int | None
    """Bytes of the whole file; `None` if the response does not say."""


def _part_of(stream: Stream, first: Stream, begin: int, total: int | None) -> _Part | None:
    """Return the announced range, if a response continues the same file; else `None`.

    XNAT serves the range of the current file, even if it has changed.

    Parameters
    ----------
    stream : Stream
        Response to a request for a range.
    first : Stream
        The response with the begin of the file.
    begin : int
        First byte that was requested.
    total : int or None
        Bytes of the whole file, if known.
    """
    found = _CONTENT_RANGE.fullmatch(stream.headers.get('content-range', ''))
    if stream.status != 206 or found is None or stream.is_encoded:
        return None
    start, end = int(found[1]), int(found[2])
    part = _Part(end, None if found[3] == '*' else int(found[3]))
    known = part.total if total is None else total
    fits = (
        start == begin <= end
        and known is not None
        and end < known
        and part.total in (None, known)
        and stream.length in (None, end - begin + 1)
    )
    return part if fits and _is_same(first.headers, stream.headers) else None


def _is_same(first: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Return whether two responses are of the same version of a file.

    All validators that both have must be equal, and they must have a strong one.
    """
    pairs = {
        name: (first[name], other[name])
        for name in ('etag', 'last-modified')
        if name in first and name in other
    }
    is_strong = 'last-modified' in pairs or first.get('etag', '').startswith('"')
    return bool(pairs) and is_strong and all(one == another for one, another in pairs.values())
