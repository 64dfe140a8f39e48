"""Answers of a server, as they came: one file each, whole or not there."""

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
"""How exactly the time of last use is kept."""
IN_MEMORY = 2**20
"""Bytes up to which an answer is read whole; a longer one is read from disk, in pieces."""
_PIECE = 2**18
_NO_CHECKSUM = b'........\n'


class Body:
    """The body of an answer, in memory: to be read whole, or in pieces, as often as one likes and by several at once.

    Attributes
    ----------
    size : int
        Bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._content] if self._content else [])

    def read(self) -> bytes:
        """All of it."""
        return self._content


class LongBody(Body):
    """The body of an answer on disk.

    Parameters
    ----------
    file : file
        Open for reading; nobody else reads it.
    start : int
        Where in it the body begins.
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
        """All of it."""
        return b''.join(self)


class Entry(NamedTuple):
    """What is known of an answer."""

    method: str
    uri: str
    status: int
    """200, or 403 and 404: that something is not there is an answer as well."""
    message: str
    """The server's own words with 403 and 404."""
    stamp: str
    """The stamp under which it was asked for."""
    asked: Moment
    """When the request was sent."""
    received: Moment
    """When the answer was here, whole."""

    def line(self) -> bytes:
        """As a line of text."""
        return json.dumps(self).encode('ascii') + b'\n'

    @classmethod
    def of(cls, line: bytes) -> Entry:
        """From such a line."""
        method, uri, status, message, stamp, asked, received = json.loads(line)
        return cls(method, uri, status, message, stamp, Moment(*asked), Moment(*received))


def _checksum(line: bytes, body: Body, copy: IO[bytes] | None = None) -> bytes:
    """The line that tells whether what follows it is damaged, as the checksums in a zip do; what follows is copied on the way."""
    checksum = 0
    for piece in chain([line], body):
        checksum = zlib.crc32(piece, checksum)
        if copy is not None:
            copy.write(piece)
    return b'%08x\n' % checksum


def _read(file: IO[bytes]) -> tuple[Entry, Body] | None:
    """What was put into a file; `None` where that is damaged."""
    if os.fstat(file.fileno()).st_size <= IN_MEMORY:
        with file:
            checksum, _, content = file.read().partition(b'\n')
        line, _, rest = content.partition(b'\n')
        return (Entry.of(line), Body(rest)) if line and checksum == b'%08x' % zlib.crc32(content) else None
    checksum, line = file.readline(), file.readline()
    body = LongBody(file, file.tell())
    return (Entry.of(line), body) if line and checksum == _checksum(line, body) else None


def key_of(method: str, uri: str, body: bytes = b'') -> str:
    """What an answer is found by.

    Parameters
    ----------
    uri : str
        Below the server, with its query.
    body : bytes
        Of a search.
    """
    return hashlib.blake2b(b'\n'.join([method.encode(), uri.encode(), body]), digest_size=20).hexdigest()


class AnswerStore:
    """A folder of answers, with the three methods that httplib2 asks of a store: many processes may use it at once.

    Parameters
    ----------
    folder : Path
        Made with the first answer.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f'<AnswerStore {self.folder}>'

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def get(self, key: str) -> bytes | None:
        """What is stored; `None` where there is nothing."""
        file = self._opened(key)
        if file is None:
            return None
        with file:
            return file.read()

    def _opened(self, key: str) -> IO[bytes] | None:
        """The file of what is stored, which counts as used now."""
        try:
            file = open(self._path(key), 'rb')  # noqa: SIM115 - closed by the caller
        except OSError:  # not there, or not readable: it is asked for again
            return None
        if time.time() - os.fstat(file.fileno()).st_mtime > _TOUCHED_EVERY_S:
            with suppress(OSError):
                os.utime(self._path(key))
        return file

    def set(self, key: str, value: bytes) -> None:
        """Store, in place of what was there.

        Raises
        ------
        OSError
            The disk is full, or the folder cannot be written.
        """
        with publish(self._path(key), mode=0o600, private=True) as file:
            file.write(value)

    def put(self, key: str, entry: Entry, body: Body) -> int:
        """Store an answer in a way that tells when it is damaged; the bytes that it takes. Errors as `set`."""
        path, line = self._path(key), entry.line()
        with publish(path, mode=0o600, private=True) as file:
            file.write(_NO_CHECKSUM)
            checksum = _checksum(line, body, file)
            size = file.tell()
            file.seek(0)
            file.write(checksum)
            return size

    def delete(self, key: str) -> None:
        """Remove what is stored, if anything is."""
        self._path(key).unlink(missing_ok=True)

    def entry(self, key: str) -> tuple[Entry, Body] | None:
        """The answer under a key and its body, which is left on disk if it is long; a damaged one is removed."""
        file = self._opened(key)
        if file is None:
            return None
        found = _read(file)
        if found is None:
            self.delete(key)
        return found

    def is_sound(self, key: str) -> bool:
        """Whether what is under a key is as it was put there, or nothing."""
        file = self._opened(key)
        return file is None or _read(file) is not None

    def paths(self) -> Iterator[Path]:
        """The file of each answer."""
        for path in self.folder.glob('??/*'):
            if not path.name.endswith(PART):
                yield path

    def __getstate__(self) -> dict[str, Any]:
        return {'folder': self.folder}
