"""Store of responses, one file each, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..files.disk import PART, publish
from .freshness import Moment

__all__ = ['IN_MEMORY', 'AnswerStore', 'Body', 'Entry', 'LongBody', 'key_of']

_TOUCHED_EVERY_S = 3600.0
"""Precision of the time of last use."""
IN_MEMORY = 2**20
"""Bytes up to which a response is read into memory; a longer one is streamed from disk."""
_PIECE = 2**18
_NO_CHECKSUM = b'........\n'


class Body:
    """Body of a response in memory; several readers can share it.

    Parameters
    ----------
    content : bytes
        The whole body.

    Attributes
    ----------
    size : int
        Length in bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._content] if self._content else [])

    def read(self) -> bytes:
        """Return the whole body."""
        return self._content


class LongBody(Body):
    """Body of a response on disk; several readers can share it.

    Parameters
    ----------
    file : file
        Open for reading; owned by the body.
    start : int
        Offset of the body in the file.
    """

    def __init__(self, file: IO[bytes], start: int = 0) -> None:
        self._file = file
        self._start = start
        self._lock = threading.Lock()
        self.size = file.seek(0, os.SEEK_END) - start

    def __del__(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        at = self._start
        while piece := self._read(at):
            yield piece
            at += len(piece)

    def _read(self, at: int) -> bytes:
        with self._lock:
            self._file.seek(at)
            return self._file.read(_PIECE)

    def read(self) -> bytes:
        """Return the whole body."""
        return b''.join(self)


class Entry(NamedTuple):
    """Metadata of a response."""

    method: str
    uri: str
    status: int
    """200, or 403 and 404: that something does not exist is cached as well."""
    message: str
    """The server's own words with 403 and 404."""
    stamp: str
    """Write marker at the time of the request."""
    asked: Moment
    """Time when the request was sent."""
    received: Moment
    """Time when the response was complete."""

    def line(self) -> bytes:
        """Return the metadata as a line of JSON."""
        return json.dumps(self).encode('ascii') + b'\n'

    @classmethod
    def of(cls, line: bytes) -> Entry:
        """Return the metadata in a line written by `line`."""
        method, uri, status, message, stamp, asked, received = json.loads(line)
        return cls(method, uri, status, message, stamp, Moment(*asked), Moment(*received))


def _checksum(key: str, line: bytes, body: Body, copy: IO[bytes] | None = None) -> bytes:
    """Return the checksum line (CRC-32) of a request's key and its response.

    The response is copied to `copy`.
    """
    checksum = zlib.crc32(key.encode())
    for piece in chain([line], body):
        checksum = zlib.crc32(piece, checksum)
        if copy is not None:
            copy.write(piece)
    return b'%08x\n' % checksum


def _read(file: IO[bytes], key: str) -> tuple[Entry, Body] | None:
    """Return the response in a file; `None` if it is damaged, or of another request."""
    if os.fstat(file.fileno()).st_size <= IN_MEMORY:
        with file:
            checksum, _, content = file.read().partition(b'\n')
        line, _, rest = content.partition(b'\n')
        return (
            (Entry.of(line), Body(rest))
            if line and checksum == b'%08x' % zlib.crc32(content, zlib.crc32(key.encode()))
            else None
        )
    checksum, line = file.readline(), file.readline()
    body = LongBody(file, file.tell())
    return (Entry.of(line), body) if line and checksum == _checksum(key, line, body) else None


def key_of(method: str, uri: str, body: bytes = b'') -> str:
    """Return the key of a response in the store.

    Parameters
    ----------
    method : str
        HTTP method.
    uri : str
        Relative to the server, with its query.
    body : bytes
        Body of a search request.
    """
    return hashlib.blake2b(
        b'\n'.join([method.encode(), uri.encode(), body]), digest_size=20
    ).hexdigest()


class AnswerStore:
    """Folder of responses, safe for several processes.

    It has the three methods (``get``, ``set``, ``delete``) of httplib2's cache interface.

    Parameters
    ----------
    folder : Path
        Created with the first response.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f'<AnswerStore {self.folder}>'

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def get(self, key: str) -> bytes | None:
        """Return the stored bytes of a key; `None` if there are none."""
        file = self._opened(key)
        if file is None:
            return None
        with file:
            return file.read()

    def _opened(self, key: str) -> IO[bytes] | None:
        """Open the file of a key and update its time of last use."""
        try:
            file = open(self._path(key), 'rb')  # noqa: SIM115 - closed by the caller
        except OSError:  # absent or unreadable: fetched again
            return None
        if time.time() - os.fstat(file.fileno()).st_mtime > _TOUCHED_EVERY_S:
            with suppress(OSError):
                os.utime(self._path(key))
        return file

    def set(self, key: str, value: bytes) -> None:
        """Store bytes under a key, replacing earlier ones.

        Parameters
        ----------
        key : str
            Result of `key_of`.
        value : bytes
            The content.

        Raises
        ------
        OSError
            The disk is full, or the folder is not writable.
        """
        with publish(self._path(key), mode=0o600, private=True) as file:
            file.write(value)

    def put(self, key: str, entry: Entry, body: Body) -> int:
        """Store a response with a checksum.

        Parameters
        ----------
        key : str
            Result of `key_of`.
        entry : Entry
            Metadata.
        body : Body
            Body of the response.

        Returns
        -------
        int
            Bytes used on disk.

        Raises
        ------
        OSError
            The disk is full, or the folder is not writable.
        """
        path, line = self._path(key), entry.line()
        with publish(path, mode=0o600, private=True) as file:
            file.write(_NO_CHECKSUM)
            checksum = _checksum(key, line, body, file)
            size = file.tell()
            file.seek(0)
            file.write(checksum)
            return size

    def delete(self, key: str) -> None:
        """Remove the entry of a key, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def entry(self, key: str) -> tuple[Entry, Body] | None:
        """Return a response and its body; remove a damaged one.

        A body above `IN_MEMORY` stays on disk.
        """
        file = self._opened(key)
        if file is None:
            return None
        found = _read(file, key)
        if found is None:
            self.delete(key)
        return found

    def is_sound(self, key: str) -> bool:
        """Whether the entry of a key is intact or absent."""
        file = self._opened(key)
        return file is None or _read(file, key) is not None

    def paths(self) -> Iterator[Path]:
        """Yield the file of each response."""
        for path in self.folder.glob('??/*'):
            if not path.name.endswith(PART):
                yield path

    def __getstate__(self) -> dict[str, Any]:
        return {'folder': self.folder}
