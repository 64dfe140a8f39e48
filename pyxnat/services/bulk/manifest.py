"""The manifest of a folder: a line for each file with its digest, which ``md5sum -c MD5SUMS`` reads, too.

Lines are written when a run ends, however it does but by being killed; of a file whose digest no listing tells, before it takes its place, so that
the next run knows it for right. What a line promises and is not there is missing. A later line counts more than an earlier one.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import digest_of, fcntl, publish

__all__ = ['LOCK', 'MANIFEST', 'Manifest', 'Verification', 'running', 'verify']

MANIFEST = 'MD5SUMS'
"""Name of the manifest."""

LOCK = '.MD5SUMS.lock'
"""Name of the file that runs lock, to write the manifest by turns."""

_LINE = re.compile(r'([0-9a-f]{32}) [ *](.+)')


@contextmanager
def running(folder: Path) -> Iterator[bool]:
    """Hold a folder as one that is being downloaded to; whether no other run, on this or another machine, is known to be alive in it."""
    if fcntl is None:
        yield True  # what another run has open cannot be removed on Windows
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _is_alone(handle)
    finally:
        os.close(handle)


def _is_alone(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another run, or a file system without locks
        alone = False
    else:
        alone = True
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)  # who has it for himself gives it back at once
    return alone


class Verification(NamedTuple):
    """What comparing a folder with its manifest showed."""

    ok: tuple[str, ...]
    """Files that are as they were put there."""
    changed: tuple[str, ...]
    """Files with other content."""
    missing: tuple[str, ...]
    """Files that are gone."""

    def __repr__(self) -> str:
        return f'<Verification: {len(self.ok)} ok, {len(self.changed)} changed, {len(self.missing)} missing>'

    @property
    def is_clean(self) -> bool:
        """Whether all are there and unchanged."""
        return not (self.changed or self.missing)


class Manifest:
    """The manifest of one folder.

    Parameters
    ----------
    folder : Path
        It must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST
        self._lock_path = folder / LOCK
        self._threads = threading.Lock()

    def read(self) -> dict[str, str]:
        """Place -> MD5. Lines that are not whole count for nothing."""
        try:
            text = self.path.read_bytes().decode('utf-8', 'surrogateescape')
        except FileNotFoundError:
            return {}
        lines = (_LINE.fullmatch(line) for line in text.split('\n'))
        return {found.group(2): found.group(1) for found in lines if found}

    def note(self, place: str, md5: str) -> None:
        """Add a line."""
        with self._alone(), self.path.open('ab+') as file:
            end = file.seek(0, os.SEEK_END)
            if end and _last_byte(file) != b'\n':
                file.write(b'\n')  # a run was killed while it wrote
            file.write(_line(place, md5))

    def settle(self, known: dict[str, str]) -> None:
        """Write it anew, sorted, each place once.

        Parameters
        ----------
        known : dict
            Place -> MD5 of files that were found right, and may have no line.
        """
        with self._alone():
            lines = {**self.read(), **known}
            text = b''.join(_line(place, lines[place]) for place in sorted(lines))
            if not self.path.exists() or self.path.read_bytes() != text:
                with publish(self.path) as file:
                    file.write(text)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other thread, and no other process that can be told, writes it."""
        with self._threads, self._lock_path.open('ab') as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _last_byte(file: object) -> bytes:
    file.seek(-1, os.SEEK_END)  # type: ignore[attr-defined]
    last: bytes = file.read(1)  # type: ignore[attr-defined]
    return last


def _line(place: str, md5: str) -> bytes:
    return f'{md5}  {place}\n'.encode('utf-8', 'surrogateescape')


def verify(folder: str | os.PathLike[str]) -> Verification:
    """Read the files of a folder again, and compare them with its manifest. No request.

    Raises
    ------
    DataError
        There is no manifest.
    """
    root = Path(folder).expanduser()
    lines = Manifest(root).read()
    if not lines and not (root / MANIFEST).exists():
        raise errors.DataError(f'there is no {MANIFEST} in {root}', remedy='Give the folder that was downloaded to.')
    found: dict[str, list[str]] = {'ok': [], 'changed': [], 'missing': []}
    for place in sorted(lines):
        path = root / place
        state = 'missing' if not path.is_file() else 'ok' if digest_of(path) == lines[place] else 'changed'
        found[state].append(place)
    return Verification(*(tuple(found[name]) for name in Verification._fields))
