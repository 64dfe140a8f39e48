"""Files on disk: safe names, atomic writes, digests and times."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any

from ..patterns import pattern

try:
    import fcntl as _fcntl
except ImportError:  # Windows
    fcntl: Any = None
else:
    fcntl = _fcntl

__all__ = [
    'CHUNK',
    'PART',
    'alike',
    'copy_file',
    'digest_of',
    'http_time',
    'is_temporary',
    'md5_of',
    'names_on',
    'private_folder',
    'publish',
    'remove_older',
    'safe_name',
    'temporaries_in',
]

CHUNK = 256 * 1024
"""Bytes per read or write, on disk and network."""

PART = '.part'
"""Suffix of temporary files; their names begin with a dot."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0)

_FICLONE = 0x40049409
"""Linux ioctl that makes a file share the bytes of another (linux/fs.h)."""

_NAME_BYTES = 200
"""Maximum length of a file name in bytes of UTF-8: 255 in file systems, less the affixes of
temporary files.
"""

_UNSAFE = re.compile(
    r'[\x00-\x1f\x7f/\\]|\A%\Z|%(?=[0-9A-Fa-f]{2})|~(?=[0-9a-f]{16}(\.|$))'
    + (r'|[<>:"|?*]|[. ]$' if os.name == 'nt' else '')
)

_TEMPORARY = pattern(r'\..*([0-9a-f]{16}|\.moved)\.part', re.DOTALL)

_DEVICE = pattern(r'(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def safe_name(name: str) -> str:
    """Return a server's name as a safe name of one file or folder.

    The name is unchanged unless it is impossible or dangerous on disk. Different names stay
    different: unsafe characters are percent-encoded, and a long name is shortened and ends in a
    digest.

    >>> safe_name('T1 (1).nii.gz'), safe_name('..'), safe_name('a/b')
    ('T1 (1).nii.gz', '%2E%2E', 'a%2Fb')
    """
    if name in ('', '.', '..'):
        return '%2E' * len(name) or '%'
    safe = _UNSAFE.sub(lambda found: f'%{ord(found.group()):02X}', name)
    if os.name == 'nt' and _DEVICE.match(safe):
        safe = f'%{ord(safe[0]):02X}{safe[1:]}'
    if len(safe.encode('utf-8', 'surrogateescape')) <= _NAME_BYTES:
        return safe
    digest = hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:16]
    suffix = ''.join(Path(safe[-20:]).suffixes[-2:])
    kept = safe.encode('utf-8', 'replace')[
        : _NAME_BYTES - 17 - len(suffix.encode('utf-8', 'replace'))
    ].decode('utf-8', 'ignore')
    return f'{kept}~{digest}{suffix}'


def remove_older(path: Path, before: float) -> None:
    """Remove a file that was last written before a time; none if it does not exist.

    Parameters
    ----------
    path : Path
        The file.
    before : float
        Seconds since 1970.
    """
    with suppress(FileNotFoundError):
        if path.stat().st_mtime < before:
            path.unlink()


def is_temporary(name: str) -> bool:
    """Return whether a name has the form of those of temporary files.

    >>> is_temporary('.a.dcm.0123456789abcdef.part'), is_temporary('.a.part')
    (True, False)
    """
    return _TEMPORARY.fullmatch(name) is not None


def temporaries_in(folder: Path) -> list[Path]:
    """Return the temporary files of `publish` in a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    return [folder / name for name in names if name.startswith('.') and name.endswith(PART)]


@contextmanager
def publish(
    path: Path,
    modified: float | None = None,
    mode: int | None = None,
    before: Callable[[Path], None] | None = None,
    *,
    private: bool = False,
) -> Iterator[IO[bytes]]:
    """Write a temporary file that replaces `path` when the block succeeds.

    The replacement is atomic; after an exception `path` is unchanged.

    Parameters
    ----------
    path : Path
        File to create or replace.
    modified : float, optional
        Modification time, in seconds since 1970.
    mode : int, optional
        Permissions; by default those of new files.
    before : callable, optional
        Called with the complete temporary file just before the replacement.
    private : bool
        Whether to create a missing folder, as `private_folder` does.

    Returns
    -------
    context manager
        Gives the temporary file, open for writing bytes.
    """
    temporary = path.with_name(f'.{path.name[:50]}.{secrets.token_hex(8)}{PART}')
    access = 0o666 if mode is None else 0o600
    try:  # an interrupt may come as soon as the file exists
        try:
            opened = os.open(temporary, _NEW, access)
        except FileNotFoundError:
            if not private:
                raise
            private_folder(path.parent)
            opened = os.open(temporary, _NEW, access)
        with os.fdopen(opened, 'wb') as file:
            yield file
        if modified is not None:
            os.utime(temporary, (modified, modified))
        if mode not in (None, access):
            temporary.chmod(mode)
        if before is not None:
            before(temporary)
        if os.name == 'nt' and path.exists():
            path.chmod(0o600)  # Windows does not replace a read-only file
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # missing when the disk is full
        raise


def alike(name: str) -> str:
    """Fold a name so that names some file system considers equal are equal.

    Such names differ in case or in the encoding of accents.
    """
    return unicodedata.normalize('NFC', name).casefold()


def names_on(folder: Path) -> Callable[[str], str]:
    """Return the function that folds names as a folder's file system does.

    A file is created in the folder for a moment to test this.
    """
    name = f'.\u00e9{secrets.token_hex(8)}{PART}'
    (folder / name).touch(exist_ok=False)
    try:
        folds_case, folds_forms = (
            (folder / name.upper()).exists(),
            (folder / unicodedata.normalize('NFD', name)).exists(),
        )
    finally:
        (folder / name).unlink()
    if folds_case:
        return alike if folds_forms else str.casefold
    return (lambda name: unicodedata.normalize('NFC', name)) if folds_forms else str


def copy_file(source: Path, target: Path) -> None:
    """Copy content and modification time.

    If the file system can, both files share their bytes until one is changed.

    Parameters
    ----------
    source, target : Path
        Existing file, and file to create or replace.
    """
    with source.open('rb') as original, publish(target, source.stat().st_mtime) as copy:
        if not _clone(original, copy):
            shutil.copyfileobj(original, copy, 2**20)


def _clone(original: IO[bytes], copy: IO[bytes]) -> bool:
    """Share the bytes if the file system can; return whether it did."""
    if fcntl is None or sys.platform != 'linux':
        return False
    try:
        fcntl.ioctl(copy.fileno(), _FICLONE, original.fileno())
    except OSError:  # different file systems, or no support
        return False
    return True


def digest_of(path: Path) -> str:
    """Return the MD5 of a file in hexadecimal, as XNAT lists it."""
    with path.open('rb') as file:
        return md5_of(iter(lambda: file.read(2**18), b''))


def md5_of(pieces: Iterable[bytes]) -> str:
    """Return the MD5 of chunks in hexadecimal, as XNAT lists it."""
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def http_time(text: str | None) -> float | None:
    """Convert an HTTP date to seconds since 1970; `None` if it is invalid."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        return None


def private_folder(path: Path) -> Path:
    """Create a folder and its missing parents with mode 0700."""
    try:
        path.mkdir(exist_ok=True, mode=0o700)
    except FileNotFoundError:
        for folder in [*reversed(path.parents), path]:
            folder.mkdir(exist_ok=True, mode=0o700)
    return path
