"""Manifest ``MD5SUMS`` of a download folder, in the format of ``md5sum``.

Lines are written when a run ends, unless it is killed. A file whose digest is not in the listing
gets its line before it is moved into place, so that the next run can recognize it. Files with a
line that do not exist are missing. The last line of a file counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ... import errors
from ...files.disk import digest_of, fcntl, publish
from ...patterns import pattern

__all__ = ['LOCK', 'MANIFEST', 'Manifest', 'Verification', 'lock_folder', 'verify']

MANIFEST = 'MD5SUMS'
"""Name of the manifest."""

LOCK = '.MD5SUMS.lock'
"""Name of the file that is locked while the manifest is written."""

_LINE = pattern(r'([0-9a-f]{32}) [ *](.+)')


@contextmanager
def lock_folder(folder: Path) -> Iterator[bool]:
    """Lock a download folder (shared); yield whether it is the only lock.

    Other runs, on this or another machine, hold a lock as well.
    """
    if fcntl is None:
        yield True  # Windows does not remove files that another run has open
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _is_only_lock(handle)
    finally:
        os.close(handle)


def _is_only_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another run, or a file system without locks
        is_only = False
    else:
        is_only = True
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)  # an exclusive lock would block other runs
    return is_only


class Verification(NamedTuple):
    """Result of comparing a folder with its manifest."""

    ok: tuple[str, ...]
    """Files that are unchanged."""
    changed: tuple[str, ...]
    """Files with other content."""
    missing: tuple[str, ...]
    """Files that do not exist."""

    def __repr__(self) -> str:
        return (
            f'<Verification: {len(self.ok)} ok, {len(self.changed)} changed, {len(self.missing)} '
            'missing>'
        )

    @property
    def is_clean(self) -> bool:
        """Whether all files exist and are unchanged."""
        return not (self.changed or self.missing)


class Manifest:
    """Manifest of one folder.

    Parameters
    ----------
    folder : Path
        An existing folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST
        self._lock_path = folder / LOCK
        self._threads = threading.Lock()

    def read(self) -> dict[str, str]:
        """Return place -> MD5, ignoring incomplete lines."""
        try:
            content = self.path.read_bytes().decode('utf-8', 'surrogateescape')
        except FileNotFoundError:
            return {}
        lines = (_LINE.fullmatch(line) for line in content.split('\n'))
        return {line.group(2): line.group(1) for line in lines if line}

    def add(self, place: str, md5: str) -> None:
        """Append a line.

        Parameters
        ----------
        place : str
            Path of the file below the folder.
        md5 : str
            Its digest, in hexadecimal.
        """
        with self._locked(), self.path.open('ab+') as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b'\n':
                    file.write(b'\n')  # a run was killed while it wrote
            file.write(_line(place, md5))

    def rewrite(self, known: dict[str, str]) -> None:
        """Write all lines, sorted, one per place.

        Parameters
        ----------
        known : dict
            Place -> MD5 of verified files, which may have no line yet.
        """
        with self._locked():
            lines = {**self.read(), **known}
            content = b''.join(_line(place, lines[place]) for place in sorted(lines))
            if not self.path.exists() or self.path.read_bytes() != content:
                with publish(self.path) as file:
                    file.write(content)

    def rename(self, moves: Mapping[str, str]) -> None:
        """Change places of files, from the keys to the values."""
        with self._locked():
            lines = {moves.get(place, place): md5 for place, md5 in self.read().items()}
            with publish(self.path) as file:
                file.write(b''.join(_line(place, lines[place]) for place in sorted(lines)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the manifest against other threads and processes."""
        with self._threads, self._lock_path.open('ab') as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _line(place: str, md5: str) -> bytes:
    return f'{md5}  {place}\n'.encode('utf-8', 'surrogateescape')


def verify(folder: str | os.PathLike[str]) -> Verification:
    """Compare the files of a folder with its manifest. No request.

    Raises
    ------
    DataError
        If there is no manifest.
    """
    root = Path(folder).expanduser()
    lines = Manifest(root).read()
    if not lines and not (root / MANIFEST).exists():
        raise errors.DataError(
            f'there is no {MANIFEST} in {root}', remedy='Give the folder of a download.'
        )
    places: dict[str, list[str]] = {'ok': [], 'changed': [], 'missing': []}
    for place in sorted(lines):
        path = root / place
        state = (
            'missing'
            if not path.is_file()
            else 'ok'
            if digest_of(path) == lines[place]
            else 'changed'
        )
        places[state].append(place)
    return Verification(*(tuple(places[name]) for name in Verification._fields))
