"""Index of the files in the cache, one record per file.

A file without a record was put there by another program, and is left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..files.disk import PART, publish

__all__ = ['FileIndex', 'FileRecord', 'identity_of']

_CLAIMED = '.claimed.'
_DEAD_S = 5.0
"""Removing a file takes less time: an older claim belongs to a killed process."""
_POLL_S = 0.005


class FileRecord(NamedTuple):
    """Record of one file."""

    uri: str
    place: str
    """Path of the file below the store's folder."""
    size: int
    md5: str = ''
    """Empty until it is needed."""
    modified: str = ''
    """The server's ``Last-Modified`` if it proves the content.

    It does not if the file was fetched within the second of its last change, because it may have
    changed again in that second.
    """
    identity: str = ''
    """`identity_of` the file when it was stored; differs once anyone writes, renames or touches
    it.
    """


def identity_of(path: Path) -> str:
    """Return a text that changes when a file is written, replaced or touched.

    Empty if the file is missing or not a regular file.
    """
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ''
    return (
        f'{found.st_size}:{found.st_ino}:{found.st_mtime_ns}:{found.st_ctime_ns}'
        if stat.S_ISREG(found.st_mode)
        else ''
    )


class FileIndex:
    """Records of a store's files, one small file each.

    The modification time of a record is when its file was last handed out.

    Parameters
    ----------
    folder : Path
        Created with the first record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, place: str) -> Path:
        """Return the path of the record of a file."""
        name = hashlib.blake2b(place.encode('utf-8', 'surrogateescape'), digest_size=16).hexdigest()
        return self.folder / name[:2] / name

    def read(self, place: str) -> FileRecord | None:
        """Return the record of a file; `None` if missing or damaged."""
        record = _read(self.path(place))
        return record if record is not None and record.place == place else None

    def write(self, record: FileRecord) -> None:
        """Write the record of a file, marked as used now."""
        with publish(self.path(record.place), mode=0o600, private=True) as file:
            file.write(json.dumps(record).encode('ascii'))

    def use(self, place: str) -> bool:
        """Mark a file as handed out; return `False` if it was evicted."""
        try:
            os.utime(self.path(place))
        except FileNotFoundError:
            return False
        return True

    def owns(self, place: str) -> bool:
        """Whether a file is the store's, even one that is being evicted."""
        path = self.path(place)
        return path.exists() or bool(_claims(path)) or path.exists()

    def claim(self, place: str, unused_before: float) -> Path | None:
        """Take the record of a file away in order to evict the file.

        From now on the file counts as missing, and a process that fetches it again waits for
        `settle`.

        Parameters
        ----------
        place : str
            Path of the file below the store's folder.
        unused_before : float
            Seconds since 1970; a file used since then is kept, and its record restored.

        Returns
        -------
        Path or None
            The claim; `None` if the file was used, or another process claimed it.
        """
        path = self.path(place)
        claim = path.with_name(
            f'{path.name}{_CLAIMED}{time.time_ns()}.{os.getpid()}.{threading.get_ident()}'
        )
        given_up = [one for one in _claims(path) if _is_given_up(one)]
        try:
            os.replace(given_up[0] if given_up and not path.exists() else path, claim)
        except FileNotFoundError:
            return None
        with suppress(
            FileExistsError, FileNotFoundError
        ):  # fetched again meanwhile, or ended by others
            if claim.stat().st_mtime < unused_before:
                return claim
            os.link(claim, path)
        self.settle(claim)
        return None

    @staticmethod
    def settle(claim: Path) -> None:
        """End a claim."""
        claim.unlink(missing_ok=True)

    def await_settled(self, place: str) -> None:
        """Wait for the end of all claims on a file.

        Claims of killed processes are removed.
        """
        path = self.path(place)
        while claims := _claims(path):
            for claim in claims:
                if _is_given_up(claim):
                    claim.unlink(missing_ok=True)
            time.sleep(_POLL_S)

    def records(self) -> Iterator[tuple[FileRecord, float]]:
        """Yield every record with its time of last use, in seconds since 1970.

        Records of claims that were not ended are included.
        """
        for path in self.folder.glob('??/*'):
            if path.name.endswith(PART):
                continue
            record = _read(path)
            if record is None or self.path(record.place).name != path.name.partition(_CLAIMED)[0]:
                continue
            with suppress(FileNotFoundError):
                used = path.stat().st_mtime
                yield record, used


def _claims(path: Path) -> list[Path]:
    """Return the claims on a record.

    Each is a file of its own, so that two processes that evict at once do not interfere.
    """
    return [*path.parent.glob(f'{path.name}{_CLAIMED}*')]


def _is_given_up(claim: Path) -> bool:
    """Whether a claim is so old that its process must have been killed.

    The claim's name contains its time.
    """
    began = claim.name.partition(_CLAIMED)[2].partition('.')[0]
    return not began.isdigit() or abs(time.time_ns() - int(began)) > _DEAD_S * 1e9


def _read(path: Path) -> FileRecord | None:
    """Return the record in a file; None if it is missing or damaged."""
    try:
        record = FileRecord(*json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    *texts, size = (*record[:2], *record[3:], record.size)
    is_sound = {*map(type, texts)} == {str} and type(size) is int and size >= 0
    return record if is_sound else None
