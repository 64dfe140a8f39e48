"""Streaming reader of zip archives, with one chunk in memory and no disk.

A zip is normally read from its end, where its directory is. XNAT's streams can be read from the
beginning: each file has its name before it, and its length before it or in a descriptor (checksum
and length) after it. Deflated data mark their own end. For a stored file with a descriptor, the
caller must know the length.

Source: PKWARE's APPNOTE, sections 4.3 to 4.5; the descriptor comes with or without its signature,
and with lengths of 4 or 8 bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

from .. import errors
from .bounds import Bounds
from .disk import CHUNK

__all__ = ['Unzipping', 'unzip']

_LOCAL, _DESCRIPTOR = b'PK\x03\x04', b'PK\x07\x08'
_END = (b'PK\x01\x02', b'PK\x05\x06', b'PK\x06\x06', b'PK\x06\x08')
_HEADER = struct.Struct('<4x5H3L2H')
_ENCRYPTED, _BEHIND, _UTF8 = 0x1, 0x8, 0x800
_STORED, _DEFLATED = 0, 8
_ZIP64 = 0x0001
_UNKNOWN = 0xFFFFFFFF
_PACKED = 16 * 1024
"""Bytes inflated at a time; the ones after the end of a file are copied."""


def unzip(
    pieces: Iterable[bytes],
    length_of: Callable[[str], int | None] = lambda name: None,
    uri: str = '',
) -> Iterator[Unzipping]:
    """Yield the files of a zip in order.

    Each file must be read before the next one is requested; its unread rest is skipped.

    Parameters
    ----------
    pieces : iterable of bytes
        The zip, in chunks of any size.
    length_of : callable
        Returns the bytes of a file by its name in the zip, or `None` if unknown; called for stored
        files with a descriptor.
    uri : str
        Source of the zip, for error texts.

    Raises
    ------
    TransferError
        The data are no zip, damaged or truncated; files yielded before are complete.
    """
    source = _Source(pieces, uri)
    while True:
        signature = source.take(4)
        if signature in _END:
            source.drain()
            return
        if signature != _LOCAL:
            raise source.error(
                'it is no zip' if source.at == 4 else f'no file header at byte {source.at - 4}'
            )
        entry = _entry(source, length_of)
        if not entry.name.endswith('/') or entry.name == '/':
            yield entry
        entry.finish()


class Unzipping:
    """File of a zip that is being read.

    Attributes
    ----------
    name : str
        Its path in the zip.
    sums : bool
        Whether to verify the checksum; a caller that has a digest can turn it off.
    """

    def __init__(
        self,
        source: _Source,
        name: str,
        method: int,
        flags: int,
        crc: int,
        lengths: tuple[int, int],
        known: int | None,
    ) -> None:
        self.name = name
        self._source = source
        self._behind = bool(flags & _BEHIND)
        self._crc, self._lengths = crc, lengths
        self._running_crc = self._size = self._packed = 0
        self._checked = False
        self.sums = True
        stored_length = lengths[0] if not self._behind else known
        self._content = self._inflated() if method == _DEFLATED else self._copied(stored_length)

    def __repr__(self) -> str:
        return f'<Unzipping {self.name}>'

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in chunks, then verify checksum and length."""
        for piece in self._content:
            if self.sums:
                self._running_crc = zlib.crc32(piece, self._running_crc)
            self._size += len(piece)
            self._source.unpacked(len(piece))
            yield piece
        if not self._checked:
            self._check()

    def finish(self) -> None:
        """Read and discard the rest."""
        for _ in self:
            pass

    def _check(self) -> None:
        expected = (self._crc, *self._lengths)
        if self._behind:
            expected = self._source.descriptor(self._packed, self._size)
        self._checked = True
        if expected != (self._running_crc if self.sums else expected[0], self._packed, self._size):
            raise self._source.error(f'{self.name} does not match its checksum or its length')

    def _copied(self, length: int | None) -> Iterator[bytes]:
        if length is None:
            raise self._source.error(f'the length of {self.name} is unknown')
        while self._packed < length:
            piece = self._source.some(length - self._packed)
            self._packed += len(piece)
            yield piece

    def _inflated(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        while not inflater.eof:
            packed = inflater.unconsumed_tail or self._source.some(_PACKED)
            try:
                piece = inflater.decompress(packed, CHUNK)
            except zlib.error as error:
                raise self._source.error(f'{self.name} is damaged ({error})') from error
            # after the end, unconsumed_tail is that of the call before
            left = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            self._packed += len(packed) - len(left)
            if piece:
                yield piece
        self._source.give_back(inflater.unused_data)


class _Source:
    """Forward-only reader over chunks, with push-back."""

    def __init__(self, pieces: Iterable[bytes], uri: str) -> None:
        self._pieces = iter(pieces)
        self._held, self._next = b'', 0
        self._uri = uri
        self.at = 0
        self._unpacked = 0
        self._bounds = Bounds.of_environment()

    def unpacked(self, count: int) -> None:
        """Count unpacked bytes; raise an error beyond the limits."""
        self._unpacked += count
        self._bounds.check(self._unpacked, self.at, self._uri)

    def error(self, reason: str) -> errors.TransferError:
        return errors.TransferError(
            f'the zip cannot be read: {reason}',
            uri=self._uri,
            remedy='Try again, or download the files one by one.',
        )

    def some(self, most: int) -> bytes:
        """Return between one and `most` bytes."""
        while self._next >= len(self._held):
            piece = next(self._pieces, None)
            if piece is None:
                raise self.error(f'it is truncated at byte {self.at}')
            self._held, self._next = piece, 0
        taken = self._held[self._next : self._next + most]
        self._next += len(taken)
        self.at += len(taken)
        return taken

    def take(self, count: int) -> bytes:
        """Return exactly `count` bytes."""
        taken = b''
        while len(taken) < count:
            taken += self.some(count - len(taken))
        return taken

    def give_back(self, last: bytes) -> None:
        """Push back the last bytes returned."""
        self.at -= len(last)
        if self._next >= len(last):
            self._next -= len(last)
        else:
            self._held, self._next = last + self._held[self._next :], 0

    def drain(self) -> None:
        """Read to the end, so that the connection can be reused."""
        for _ in self._pieces:
            pass

    def descriptor(self, packed: int, size: int) -> tuple[int, int, int]:
        """Return the checksum and lengths after a file.

        The descriptor has four forms; the one that fits the counted lengths is used.

        Parameters
        ----------
        packed, size : int
            Bytes read, and bytes after inflating.
        """
        first = self.take(4)
        signed = first == _DESCRIPTOR
        head = self.take(12) if signed else first + self.take(8)
        crc, *lengths = struct.unpack('<3L', head)
        if lengths == [packed & _UNKNOWN, size & _UNKNOWN] and not self._continues_long(
            packed, size
        ):
            return crc, packed, size
        more = self.take(8)
        long = struct.unpack('<2Q', head[4:] + more)
        return crc, long[0], long[1]

    def _continues_long(self, packed: int, size: int) -> bool:
        """Whether lengths that fit as 4-byte numbers are 8-byte numbers.

        Only possible if both halves are equal, as for an empty file.
        """
        if packed > _UNKNOWN or size > _UNKNOWN:
            return True
        ahead = self.take(4)
        self.give_back(ahead)
        return ahead != _LOCAL and ahead not in _END


def _entry(source: _Source, length_of: Callable[[str], int | None]) -> Unzipping:
    _, flags, method, _, _, crc, packed, size, name_length, extra_length = _HEADER.unpack(
        b'    ' + source.take(26)
    )
    raw, extra = source.take(name_length), source.take(extra_length)
    name = raw.decode('utf-8' if flags & _UTF8 else _encoding_of(raw), 'surrogateescape')
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
        raise source.error(f'{name} is encrypted or has an unknown compression (method {method})')
    if size == _UNKNOWN or packed == _UNKNOWN:
        packed, size = _long_lengths(extra, packed, size)
    known = length_of(name) if method == _STORED and flags & _BEHIND else None
    return Unzipping(source, name, method, flags, crc, (packed, size), known)


def _encoding_of(raw: bytes) -> str:
    """Return the encoding of a name without the UTF-8 flag.

    The standard says cp437, but some programs write UTF-8; a name that decodes as UTF-8 is that.
    """
    try:
        raw.decode('utf-8')
    except UnicodeDecodeError:
        return 'cp437'
    return 'utf-8'


def _long_lengths(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    while len(extra) >= 4:
        kind, length = struct.unpack_from('<2H', extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _ZIP64:
            values = list(struct.unpack(f'<{len(body) // 8}Q', body[: len(body) // 8 * 8]))
            size = values.pop(0) if size == _UNKNOWN and values else size
            packed = values.pop(0) if packed == _UNKNOWN and values else packed
    return packed, size
