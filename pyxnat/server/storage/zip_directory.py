"""Size of a zip's directory, before the zip is opened.

:mod:`zipfile` reads the whole directory into memory, as an object for each entry.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from ..errors import RequestEntityTooLarge

__all__ = ['MAX_ENTRIES', 'check_directory']

MAX_ENTRIES = 100_000
"""Most entries of a zip or tar. Large imaging sessions have some ten thousand files; the directory
of a hundred thousand takes half a second and 60 MB."""
MAX_DIRECTORY = 64 * 2**20
"""Largest directory in bytes."""
_END = b'PK\5\6'
_END_SIZE = 22
_LOCATOR = b'PK\6\7'
_LOCATOR_SIZE = 20
_END_64_SIZE = 56
_ENTRY = b'PK\1\2'
_ENTRY_SIZE = 46


def check_directory(path: Path, most: int = MAX_ENTRIES) -> None:
    """Check the number of entries of a zip. Other files pass.

    The entries are counted, as the number that the zip states can be wrong.

    Parameters
    ----------
    path : Path
        The zip.
    most : int
        Most entries.

    Raises
    ------
    RequestEntityTooLarge
        For more entries, or a directory above `MAX_DIRECTORY` bytes.
    """
    with path.open('rb') as source:
        start, size = _directory(source)
        if size > MAX_DIRECTORY:
            raise RequestEntityTooLarge(
                f'The directory of the archive is larger than {MAX_DIRECTORY} bytes.'
            )
        if size // _ENTRY_SIZE <= most:
            return
        source.seek(max(0, start))
        count = 0
        while count <= most and (entry := source.read(_ENTRY_SIZE))[:4] == _ENTRY:
            count += 1
            source.seek(sum(struct.unpack('<3H', entry[28:34])), 1)
    if count > most:
        raise RequestEntityTooLarge(f'The archive has more than {most} entries.')


def _directory(source: IO[bytes]) -> tuple[int, int]:
    """Return offset and size of the directory, as `zipfile` reads them."""
    length = source.seek(0, 2)
    source.seek(max(0, length - _END_SIZE - _LOCATOR_SIZE - _END_64_SIZE - 2**16))
    tail = source.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        return 0, 0
    end, size = length - len(tail) + at, int.from_bytes(tail[at + 12 : at + 16], 'little')
    big = at - _LOCATOR_SIZE - _END_64_SIZE
    if big >= 0 and tail[at - _LOCATOR_SIZE : at].startswith(_LOCATOR):
        size = int.from_bytes(tail[big + 40 : big + 48], 'little')
        end -= _LOCATOR_SIZE + _END_64_SIZE
    return end - size, size
