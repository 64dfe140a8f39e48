"""Downloaded files with their real names, in a folder shared by processes.

``<cachedir>/<server>/<login>/files/<URI path>``: files of a resource lie side by side, as programs
expect of ``.img`` and ``.hdr``. The folders are writable, the files read-only. A file appears
complete, by a rename. Its modification time is the server's ``Last-Modified``, with which it is
revalidated before it is handed out again.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigurationError, DataError, Error
from ..files.disk import digest_of, http_time, publish, safe_name
from ..model.uris import segments
from .file_index import FileIndex, FileRecord, identity_of

__all__ = ['HANDED_OUT_S', 'FileStore', 'Incoming', 'is_proof']

HANDED_OUT_S = 24 * 3600.0
"""A file handed out within this time is not evicted, because a program may be reading it."""

_DIGESTED_BYTES = 64 * 2**20
"""Files up to this size get a digest during the download; larger ones when it is needed."""


class Incoming:
    """File that is being written; counts the bytes and computes their digest.

    Parameters
    ----------
    file : file
        Open for writing.
    most_digested : int or None
        Bytes up to which a digest is computed; `None` for no limit.

    Attributes
    ----------
    size : int
        Bytes written.
    """

    def __init__(self, file: IO[bytes], most_digested: int | None) -> None:
        self._file = file
        self._most_digested = most_digested
        self._digest: Any = hashlib.md5(usedforsecurity=False) if most_digested != 0 else None
        self.size = 0

    def write(self, piece: bytes) -> int:
        """Append bytes."""
        self.size += len(piece)
        if self._digest is not None:
            self._digest.update(piece)
            if self._most_digested is not None and self.size > self._most_digested:
                self._digest = None
        return self._file.write(piece)

    @property
    def md5(self) -> str:
        """MD5 of the bytes written; empty if none was computed."""
        return str(self._digest.hexdigest()) if self._digest is not None else ''


class FileStore:
    """Files of one login on one server.

    Parameters
    ----------
    folder : Path
        Created with the first file.
    index : FileIndex
        Index of the store's own files.
    grew : callable
        Called with the size of each new file, in bytes.
    """

    def __init__(self, folder: Path, index: FileIndex, grew: Callable[[int], None]) -> None:
        self.folder = folder
        self.index = index
        self._grew = grew

    def __repr__(self) -> str:
        return f'<FileStore {self.folder}>'

    def path(self, uri: str) -> Path:
        """Return the path of a URI's file, whether it exists or not."""
        return self.folder / _place(uri)

    def record(self, uri: str) -> FileRecord | None:
        """Return the record of a URI's file; `None` if the file is not intact."""
        place = _place(uri)
        record = self.index.read(place)
        if record is None or not record.identity:
            return None
        path = self.folder / place
        identity = identity_of(path)
        if identity == record.identity:
            return record
        # renamed, copied, or only touched
        if (
            identity
            and record.md5
            and path.stat().st_size == record.size
            and digest_of(path) == record.md5
        ):
            record = record._replace(identity=identity_of(path), modified='')
            self.index.write(record)
            return record
        return None

    def holds(self, uri: str, record: FileRecord | None, size: str, digest: str) -> bool:
        """Whether the stored file has this size and MD5.

        A matching file that another program put there is adopted.

        Parameters
        ----------
        uri : str
            URI of the file.
        record : FileRecord or None
            Its record, if there is one.
        size : str
            Bytes, as text.
        digest : str
            MD5; if empty, the result is False.
        """
        path, place = self.path(uri), _place(uri)
        identity = identity_of(path)
        if not identity or not digest or str(path.stat().st_size) != size:
            return False
        md5 = record.md5 if record is not None and record.md5 else digest_of(path)
        if md5 != digest.lower():
            return False
        if record is None or not record.md5:
            modified = record.modified if record is not None else ''
            self.index.write(FileRecord(uri, place, int(size), md5, modified, identity))
        return True

    def paths_by_md5(self) -> dict[str, Path]:
        """Return the paths of the intact files by MD5. Reads the whole index."""
        return {
            record.md5: self.folder / record.place
            for record, _ in self.index.records()
            if record.md5 and identity_of(self.folder / record.place) == record.identity
        }

    def use(self, uri: str) -> bool:
        """Mark a file as handed out; return `False` if it no longer exists."""
        return self.index.use(_place(uri)) and self.path(uri).exists()

    @contextmanager
    def writing(
        self, uri: str, headers: Mapping[str, str], digested: bool = False
    ) -> Iterator[Incoming]:
        """Open a file that becomes the stored one if the block succeeds.

        Parameters
        ----------
        uri : str
            URI of the file.
        headers : mapping
            Headers of the response, names in lower case.
        digested : bool
            Whether to compute a digest, whatever the size.

        Raises
        ------
        ConfigurationError
            The cache is not writable.
        DataError
            A file of another program is in the way.
        """
        path, place = self.path(uri), _place(uri)
        if identity_of(path):
            if not self.index.owns(place):
                raise _in_the_way(path, uri)
        elif _is_blocked(path):
            self._make_way(path, uri)
        entering = _Entering(self.index, uri, place)
        modified = http_time(headers.get('last-modified'))
        time_s = int(time.time()) if modified is None else modified
        try:
            with publish(path, time_s, mode=0o400, before=entering.enter, private=True) as file:
                entering.incoming = Incoming(file, None if digested else _DIGESTED_BYTES)
                yield entering.incoming
            entering.settle(path, formatdate(time_s, usegmt=True) if is_proof(headers) else '')
        except OSError as error:
            if isinstance(error, Error):
                raise  # from the network
            raise ConfigurationError(
                f'the cache {self.folder} is not writable ({error}): pass cachedir=, or set '
                'PYXNAT_CACHEDIR'
            ) from error
        self._grew(entering.incoming.size)

    def _make_way(self, path: Path, uri: str) -> None:
        """Remove files that need a path as folder, or are where it needs one: older ones."""
        above = [one for one in path.parents if self.folder in one.parents]
        below = sorted(path.rglob('*')) if path.is_dir() else []
        for one in (one for one in (*above, *below) if one.is_file()):
            record = self.index.read(one.relative_to(self.folder).as_posix())
            if record is None:
                raise _in_the_way(one, uri)
            self.remove(record, math.inf)
        for folder in (one for one in (*reversed(below), path) if one.is_dir()):
            with suppress(OSError):  # another process writes there: an error follows
                folder.rmdir()

    def owns(self, path: Path) -> bool:
        """Whether a file below the folder was put there by this library."""
        return self.index.owns(path.relative_to(self.folder).as_posix())

    def remove(self, record: FileRecord, unused_before: float) -> int:
        """Remove a file that was not used since a given time.

        Parameters
        ----------
        record : FileRecord
            Its record.
        unused_before : float
            Seconds since 1970.

        Returns
        -------
        int
            Bytes freed; 0 if the file stays.
        """
        claim = self.index.claim(record.place, unused_before)
        if claim is None:
            return 0
        (self.folder / record.place).unlink(missing_ok=True)
        self.index.settle(claim)
        return record.size


def _is_blocked(path: Path) -> bool:
    """Whether a path is that of a folder, or needs a folder where a file is."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return True


def _in_the_way(path: Path, uri: str) -> DataError:
    return DataError(
        f'{path} is not a file of the cache, and is in the way',
        uri=uri,
        remedy='Move it elsewhere.',
    )


class _Entering:
    """Record of a file that is about to be renamed into place.

    It is written first: a file always has a record, but a record may have no file.
    """

    incoming: Incoming

    def __init__(self, index: FileIndex, uri: str, place: str) -> None:
        self._index = index
        self._record = FileRecord(uri, place, 0)
        self._inode = 0

    def enter(self, temporary: Path) -> None:
        """Write the record, before the file is renamed."""
        self._inode = temporary.stat().st_ino
        self._record = self._record._replace(size=self.incoming.size, md5=self.incoming.md5)
        self._index.write(self._record)
        self._index.await_settled(self._record.place)

    def settle(self, path: Path, modified: str) -> None:
        """Complete the record after the rename.

        If another file has taken the path meanwhile, leave the record alone.

        Parameters
        ----------
        path : Path
            The stored file.
        modified : str
            ``Last-Modified``, or empty.
        """
        identity = identity_of(path)
        if identity and os.lstat(path).st_ino == self._inode:
            self._index.write(self._record._replace(modified=modified, identity=identity))


@lru_cache(1024)
def _place(uri: str) -> str:
    """Return the path of a URI's file below the store's folder."""
    return '/'.join(safe_name(part) for segment in segments(uri) for part in segment.split('/'))


def is_proof(headers: Mapping[str, str]) -> bool:
    """Whether ``Last-Modified`` distinguishes this content from a later one.

    HTTP dates have a resolution of one second: a file fetched within the second of its last change
    may change again in it.
    """
    modified, answered = http_time(headers.get('last-modified')), http_time(headers.get('date'))
    return modified is not None and answered is not None and answered - modified >= 2
