"""Answers of a server, as they came: one file each, whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .disk import PART, private_folder, publish
from .freshness import Moment

__all__ = ['AnswerStore', 'Entry', 'key_of']

_DIGEST_BYTES = 16
_TOUCHED_EVERY_S = 3600.0
"""How exactly the time of last use is kept."""


class Entry(NamedTuple):
    """One answer."""

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
    body: bytes

    def pack(self) -> bytes:
        """As bytes that tell when they are damaged."""
        about = json.dumps(self[:-1]).encode('ascii') + b'\n' + self.body
        return _digest(about) + b'\n' + about

    @classmethod
    def unpack(cls, packed: bytes) -> Entry | None:
        """What was packed; `None` for anything else."""
        digest, _, about = packed.partition(b'\n')
        if digest != _digest(about):
            return None
        head, _, body = about.partition(b'\n')
        method, uri, status, message, stamp, asked, received = json.loads(head)
        return cls(method, uri, status, message, stamp, Moment(*asked), Moment(*received), body)


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest().encode('ascii')


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
        path = self._path(key)
        try:
            with open(path, 'rb') as file:
                content = file.read()
                if time.time() - os.fstat(file.fileno()).st_mtime > _TOUCHED_EVERY_S:
                    os.utime(path)
                return content
        except OSError:  # not there, or not readable: it is asked for again
            return None

    def set(self, key: str, value: bytes) -> None:
        """Store, in place of what was there.

        Raises
        ------
        OSError
            The disk is full, or the folder cannot be written.
        """
        path = self._path(key)
        private_folder(path.parent)
        with publish(path, mode=0o600) as file:
            file.write(value)

    def delete(self, key: str) -> None:
        """Remove what is stored, if anything is."""
        self._path(key).unlink(missing_ok=True)

    def entry(self, key: str) -> Entry | None:
        """The answer under a key; a damaged one is removed."""
        packed = self.get(key)
        entry = Entry.unpack(packed) if packed is not None else None
        if packed is not None and entry is None:
            self.delete(key)
        return entry

    def paths(self) -> Iterator[Path]:
        """The file of each answer."""
        for path in self.folder.glob('??/*'):
            if not path.name.endswith(PART):
                yield path

    def __getstate__(self) -> dict[str, Any]:
        return {'folder': self.folder}
