"""Request bodies: measured, streamed in pieces, and rewound for a retry."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, Union

import six

from .. import errors
from ..files.disk import CHUNK

__all__ = ['Body', 'Form', 'Payload']

Body = Union[None, bytes, str, 'os.PathLike[str]', IO[bytes], IO[str], Iterable[bytes]]
"""Types of request bodies.

Text is sent as UTF-8, a path object as the content of the file, an open file from its position.
"""

_IDEMPOTENT = frozenset({'GET', 'HEAD', 'DELETE', 'PUT', 'OPTIONS'})


class Payload:
    """A request body.

    Parameters
    ----------
    source : Body
        A `str` is content, never the name of a file.
    length : int, optional
        Bytes of an iterable or pipe, if known.

    Attributes
    ----------
    length : int or None
        Bytes; `None` for an iterable or pipe of unknown length, which is sent in chunks.
    sent : int
        Bytes passed to the network so far, in the current attempt.
    watch : callable or None
        Called with the number of bytes of each piece that is sent, and with the negative number of
        those of an attempt that is repeated.
    """

    watch: Callable[[int], object] | None = None

    def __init__(self, source: Body = None, length: int | None = None) -> None:
        self.sent = 0
        self._given = source  # a text file closes its buffer when it is garbage-collected
        self._source: Any = None if source is None else _plain(source)
        self._start = 0
        self._used = False
        self.length = 0 if source is None else self._measure()
        self._can_rewind = self.length is not None
        self.length = self.length if length is None else length

    def __repr__(self) -> str:
        return f'<Payload of {"unknown length" if self.length is None else f"{self.length} bytes"}>'

    def _measure(self) -> int | None:
        if isinstance(self._source, bytes):
            return len(self._source)
        if isinstance(self._source, Path):
            return int(self._source.stat().st_size)
        seekable = getattr(self._source, 'seekable', None)
        if not (seekable and seekable()):
            return None
        self._start = self._source.tell()
        end = self._source.seek(0, io.SEEK_END)
        self._source.seek(self._start)
        return max(int(end) - self._start, 0)

    @property
    def is_empty(self) -> bool:
        """Whether the request has no body at all."""
        return self._source is None

    @property
    def is_chunked(self) -> bool:
        """Whether it is sent in chunks, without a ``Content-Length``."""
        return self.length is None

    @property
    def is_small(self) -> bool:
        """Whether it is sent in one piece."""
        return self.length is not None and self.length <= CHUNK

    @property
    def untouched(self) -> bool:
        """Whether no byte of the request was passed to the network."""
        return not self._used

    @property
    def rewinds(self) -> bool:
        """Whether it can be sent from its start (again)."""
        return not self._used or self._can_rewind

    def may_repeat(self, method: str) -> bool:
        """Return whether a request that may have arrived can be retried."""
        return method in _IDEMPOTENT and self._can_rewind

    def open(self) -> bytes | Iterator[bytes] | None:
        """Return the body from its start, for one attempt."""
        self._begin()
        if self._source is None:
            return None
        if isinstance(self._source, bytes) and self.watch is None:
            self.sent = len(self._source)
            return self._source
        return self._counted()

    def _begin(self) -> None:
        if self.watch is not None:
            self.watch(-self.sent)
        self.sent = 0
        self._used = True

    def _count(self, piece: bytes) -> None:
        self.sent += len(piece)
        if self.watch is not None:
            self.watch(len(piece))

    def _counted(self) -> Iterator[bytes]:
        for piece in self._pieces():
            if self.length is not None and self.sent + len(piece) > self.length:
                raise errors.DataError(
                    f'the file grew while it was sent (it had {self.length} bytes)',
                    remedy='Send it again when it is complete.',
                )
            self._count(piece)
            yield piece
        if self.length is not None and self.sent < self.length:
            raise errors.DataError(
                f'the file shrank while it was sent ({self.sent} of {self.length} bytes)',
                remedy='Send it again.',
            )

    def spool(self, file: IO[bytes]) -> Payload:
        """Write the body to a file; return one of known length from it."""
        for piece in self._pieces():
            file.write(piece)
        file.seek(0)
        return Payload(file)

    def write_to(self, file: IO[bytes]) -> None:
        """Write the body from its start to a file."""
        for piece in self.open_pieces():
            file.write(piece)

    def open_pieces(self) -> Iterator[bytes]:
        """Return the body from its start, in pieces."""
        body = self.open()
        return iter([body] if isinstance(body, bytes) else body or ())

    def _pieces(self) -> Iterator[bytes]:
        if isinstance(self._source, bytes):
            yield from _read(io.BytesIO(self._source))
        elif isinstance(self._source, Path):
            with self._source.open('rb') as file:
                yield from _read(file)
        elif hasattr(self._source, 'read'):
            if self._can_rewind:
                self._source.seek(self._start)
            yield from _read(self._source)
        else:
            yield from self._source


class Form(Payload):
    """A body as the only file of a multipart form.

    In a form, XNAT accepts empty files, and names that a path cannot hold.

    Parameters
    ----------
    inner : Payload
        Content of known length.
    name : str
        Name of the file, without a folder.
    """

    def __init__(self, inner: Payload, name: str) -> None:
        self._boundary = secrets.token_hex(16)
        about = (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\n'
        )
        self._head = six.ensure_binary(f'{about}Content-Type: application/octet-stream\r\n\r\n')
        self._tail = six.ensure_binary(f'\r\n--{self._boundary}--\r\n')
        super().__init__(b'')
        self._inner = inner
        self._can_rewind = inner._can_rewind
        self.length = len(self._head) + (inner.length or 0) + len(self._tail)

    @property
    def content_type(self) -> str:
        """Value of the ``Content-Type`` header."""
        return f'multipart/form-data; boundary={self._boundary}'

    def open(self) -> Iterator[bytes]:
        """Return the body from its start, for one attempt."""
        self._begin()
        return self._parts()

    def _parts(self) -> Iterator[bytes]:
        for piece in chain([self._head], self._inner.open_pieces(), [self._tail]):
            self._count(piece)
            yield piece


def _plain(source: Any) -> Any:
    if isinstance(source, io.StringIO):
        return six.ensure_binary(source.read())
    if isinstance(source, (bytes, Path)) or hasattr(source, 'read'):
        return _binary(source) if isinstance(source, io.TextIOWrapper) else source
    if isinstance(source, (str, bytearray, memoryview)):
        return six.ensure_binary(source) if isinstance(source, str) else bytes(source)
    if isinstance(source, os.PathLike):
        return Path(source)
    if isinstance(source, Iterable):
        return source
    raise TypeError(
        'a body is bytes, text, a path, an open file or an iterable of bytes, not '
        f'{type(source).__name__}'
    )


def _binary(text: io.TextIOWrapper) -> Any:
    """Return the binary file of an open text file, at the same position."""
    if text.seekable():
        text.seek(text.tell())  # undoes read-ahead
    return text.buffer


def _read(file: Any) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield six.ensure_binary(piece)
