"""Zip archives as XNAT sends and accepts them.

Members are streamed, never held whole, and names in an archive are not trusted.
"""

from __future__ import annotations

import errno
import lzma
import os
import re
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .. import errors
from ..model.uris import meaning
from ..patterns import pattern
from .bounds import Bounds
from .disk import CHUNK, alike, names_on, publish, safe_name

__all__ = [
    'check',
    'date_of',
    'decode_distinct',
    'entry_name',
    'has_content',
    'have_same_files',
    'inner_path',
    'missing',
    'named',
    'pack',
    'repack',
    'same_places',
    'unpack',
    'write_member',
]

_FILES = pattern(r'(?:^|/)resources/[^/]+/files/(.+)$', re.DOTALL)
_UTF8 = 0x800
_FIRST, _LAST = (1980, 1, 1, 0, 0, 0), (2107, 12, 31, 23, 59, 59)
"""Dates of the format."""
_SAMPLE = 1 << 12
"""Bytes from the middle of a file that tell whether it can be compressed."""

_Date = tuple[int, int, int, int, int, int]
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""Errors that `zipfile` raises for damaged, encrypted and unknown data."""
_NO_PLACE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_DEEPEST = 255
"""Most folders of a path; creating them takes a call for each."""
_RETRY = 'Try again, or download the files one by one.'


def inner_path(entry: str) -> str:
    """Return the path below its resource of an entry in XNAT's layout.

    An entry in another layout keeps its whole name.

    >>> inner_path('S1_MR/scans/1-T1/resources/NIFTI/files/run1/files/a.img')
    'run1/files/a.img'
    """
    found = _FILES.search(entry)
    return found.group(1) if found else entry


def named(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return files with their paths relative to their common folder.

    Files on several drives get their own names.
    """
    found = [path.absolute() for path in paths]
    try:
        root = os.path.commonpath([path.parent for path in found])
    except ValueError:
        root = ''
    return [(path.relative_to(root).as_posix() if root else path.name, path) for path in found]


def pack(members: Iterable[tuple[str, Path]], compression: int = 1) -> IO[bytes]:
    """Return an open temporary zip of files; closing it deletes it.

    Parameters
    ----------
    members : iterable of (str, Path)
        Name in the zip and path of each file.
    compression : int
        Deflate level; 0 stores the files uncompressed. Files that do not shrink are stored, too.
    """
    packed = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(packed, 'w') as archive:
            for name, path in members:
                with path.open('rb') as file:
                    known = os.fstat(file.fileno())
                    date, size = date_of(known.st_mtime), known.st_size
                    level = compression if compression and _shrinks(file, size) else 0
                    write_member(archive, name, date, size, file, level)
    except BaseException:
        packed.close()
        raise
    packed.seek(0)
    return packed


def _shrinks(file: IO[bytes], size: int) -> bool:
    """Return whether compression takes more than a tenth off the middle of a file."""
    if size <= _SAMPLE:
        return True
    file.seek((size - _SAMPLE) // 2)
    sample = file.read(_SAMPLE)
    file.seek(0)
    return len(zlib.compress(sample, 1)) < 0.9 * len(sample)


def write_member(
    archive: zipfile.ZipFile,
    name: str,
    date: _Date,
    size: int,
    source: IO[bytes],
    compression: int = 1,
) -> None:
    """Add a file to a zip.

    Parameters
    ----------
    archive : ZipFile
        The zip, open for writing.
    name : str
        Name in the zip.
    date : tuple
        Year, month, day, hour, minute and second.
    size : int
        Bytes expected, which tell whether the format for large files is needed.
    source : file
        Content.
    compression : int
        Deflate level; 0 stores the file uncompressed.
    """
    entry = zipfile.ZipInfo(name, date)
    entry.external_attr = 0o644 << 16
    entry.file_size = size
    entry.compress_type = zipfile.ZIP_DEFLATED if compression else zipfile.ZIP_STORED
    level = 'compress_level' if hasattr(entry, 'compress_level') else '_compresslevel'
    setattr(entry, level, compression)  # compress_level since Python 3.13
    with archive.open(entry, 'w') as target:
        shutil.copyfileobj(source, target, CHUNK)


def date_of(seconds: float) -> _Date:
    """Return a local time as zips have it: from 1980 to 2107, the nearest for others.

    >>> date_of(-1e12)
    (1980, 1, 1, 0, 0, 0)
    """
    try:
        date = time.localtime(seconds)[:6]
    except (OverflowError, OSError, ValueError):
        return _LAST if seconds > 0 else _FIRST
    return max(_FIRST, min(date, _LAST))


def entry_name(entry: zipfile.ZipInfo) -> str:
    """Return the name of an entry.

    Names without the flag for UTF-8 should be in cp437, but many programs write UTF-8; a name that
    decodes as UTF-8 is that.
    """
    if entry.flag_bits & _UTF8:
        return entry.filename
    try:
        return entry.filename.encode('cp437').decode('utf-8')
    except UnicodeError:
        return entry.filename


def check(path: Path, uri: str) -> None:
    """Check that a file is a zip and has its end.

    Parameters
    ----------
    path : Path
        The file.
    uri : str
        Its source, for the error text.

    Raises
    ------
    TransferError
        The file is not a zip, or is truncated.
    """
    if not zipfile.is_zipfile(path):
        raise errors.TransferError(
            'the response is not a zip, or is truncated', uri=uri, remedy=_RETRY
        )


def missing(listed: Iterable[str], path: Path | None, uri: str = '') -> list[str]:
    """Return the listed files that a zip lacks.

    Parameters
    ----------
    listed : iterable of str
        Paths below their resources; one path of several resources is there several times.
    path : Path or None
        The zip; `None` if there is none, and all are missing.
    uri : str
        Source of the zip, for the error text.

    Raises
    ------
    TransferError
        The zip is damaged.
    """
    if path is None:
        return list(listed)
    with _reading(uri), zipfile.ZipFile(path) as archive:
        found = Counter(inner_path(name) for name in archive.namelist())
    return list((Counter(listed) - found).elements())


def repack(path: Path, target: Path, uri: str = '') -> None:
    """Copy a zip, naming each file by its path below the resource.

    Uploading the copy gives the same files.

    Parameters
    ----------
    path, target : Path
        The zip, and the file to create or replace.
    uri : str
        Source of the zip, for the error text.

    Raises
    ------
    TransferError
        An entry is damaged; nothing is written.
    """
    with (
        _reading(uri),
        zipfile.ZipFile(path) as archive,
        publish(target) as file,
        zipfile.ZipFile(file, 'w') as copy,
    ):
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            same = zipfile.ZipInfo(inner_path(entry.filename), entry.date_time)
            same.compress_type, same.external_attr, same.file_size = (
                entry.compress_type,
                entry.external_attr,
                entry.file_size,
            )
            with archive.open(entry) as source, copy.open(same, 'w') as sink:
                shutil.copyfileobj(source, sink, CHUNK)


def decode_distinct(paths: list[str]) -> list[str]:
    """Return the decoded paths, keeping those that would collide encoded.

    >>> decode_distinct(['a%26b', 'c%20d', 'c d'])
    ['a&b', 'c%20d', 'c d']
    """
    meant = [meaning(path) for path in paths]
    count = Counter(meant)
    return [
        one if count[one] == 1 or one == path else path
        for one, path in zip(meant, paths, strict=True)
    ]


def unpack(
    path: Path,
    dest: Path,
    place: Callable[[str], str] = inner_path,
    uri: str = '',
    before: Callable[[dict[Path, zipfile.ZipInfo]], object] = dict,
) -> list[str]:
    """Extract the files of a zip below a folder.

    Other files there are not touched.

    Parameters
    ----------
    path : Path
        The zip.
    dest : Path
        The folder; missing folders are created.
    place : callable
        Maps an entry's name to the file's path below `dest`. Segments that would lead out of it are
        percent-encoded.
    uri : str
        Source of the zip, for the error text.
    before : callable
        Receives path -> entry of all files before any is written; its exceptions are raised.

    Returns
    -------
    list of str
        Paths of the files, in the order of the zip.

    Raises
    ------
    TransferError
        An entry is damaged or encrypted; files extracted before stay and are complete. Or the
        content exceeds :mod:`pyxnat.files.bounds`, or two entries cannot both be on a disk, or a
        path is too long for one; then nothing is written.
    """
    with _reading(uri), zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        size = sum(entry.file_size for entry in entries)
        Bounds.of_environment().check(size, path.stat().st_size, uri)
        meant = decode_distinct([place(entry.filename) for entry in entries])
        targets = [
            dest.joinpath(*(safe_name(part) for part in name.split('/') if part)) for name in meant
        ]
        _check_targets(targets, dest, uri)
        before(dict(zip(targets, entries, strict=True)))
        for entry, target in zip(entries, targets, strict=True):
            with _placing(target, uri):
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, publish(target) as file:
                    while piece := source.read(CHUNK):
                        file.write(piece)
    return [str(target) for target in targets]


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Convert the errors that `zipfile` raises for a damaged or encrypted zip."""
    try:
        yield
    except _DAMAGED as error:
        raise errors.TransferError(
            f'the zip is damaged or encrypted: {error}', uri=uri, remedy=_RETRY
        ) from error


@contextmanager
def _placing(target: Path, uri: str) -> Iterator[None]:
    """Convert errors of a disk that cannot have a file at a place."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE or isinstance(error, errors.Error):
            raise
        raise errors.DataError(
            f'a file of the zip cannot be at {target} ({error.strerror})',
            uri=uri,
            remedy='Unpack into an empty folder with a shorter path.',
        ) from error


def _check_targets(targets: list[Path], dest: Path, uri: str) -> None:
    """Raise an error if the files of a zip cannot be on a disk together."""
    remedy = 'Download the files one by one.'
    names = [target.relative_to(dest).parts for target in targets]
    files = set(names)
    if len(files) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise errors.TransferError(
            f'two files of the zip map to {dest.joinpath(*twice)}', uri=uri, remedy=remedy
        )
    for name in names:
        if len(name) > _DEEPEST:
            raise errors.TransferError(
                f'a path in the zip has {len(name)} folders', uri=uri, remedy=remedy
            )
        for end in range(len(name)):
            if name[:end] in files:
                raise errors.TransferError(
                    f'the zip has {"/".join(name[:end])!r} as a file and as a folder',
                    uri=uri,
                    remedy=remedy,
                )
    _check_distinct(targets, dest, uri)


def _check_distinct(targets: list[Path], dest: Path, uri: str) -> None:
    """Check that a disk can have all files of a zip, before any is written.

    Names that differ in case, or in the form of accents, may be one name on the disk.
    """
    names = [target.relative_to(dest).as_posix() for target in targets]
    if len({alike(name) for name in names}) == len(names):
        return
    dest.mkdir(parents=True, exist_ok=True)
    twice = same_places(names, names_on(dest))
    if twice:
        raise errors.TransferError(
            f'two files of the zip map to {dest / twice[0]}: {" and ".join(twice)}',
            uri=uri,
            remedy='Download the files one by one, to different folders.',
        )


def has_content(path: Path, entry: zipfile.ZipInfo) -> bool:
    """Return whether a file has the size and checksum of an entry.

    Parameters
    ----------
    path : Path
        The file.
    entry : ZipInfo
        Entry of a zip.
    """
    if path.stat().st_size != entry.file_size:
        return False
    checksum = 0
    with path.open('rb') as file:
        while piece := file.read(CHUNK):
            checksum = zlib.crc32(piece, checksum)
    return checksum == entry.CRC


def have_same_files(one: Path | None, other: Path) -> bool:
    """Return whether two zips have the same files, by path, size and checksum.

    Parameters
    ----------
    one : Path or None
        A zip; `None` for one without files.
    other : Path
        Another file, which may be no zip.
    """
    try:
        return (_files_in(one) if one else set()) == _files_in(other)
    except _DAMAGED:
        return False


def _files_in(path: Path) -> set[tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        return {
            (inner_path(entry.filename), entry.file_size, entry.CRC)
            for entry in archive.infolist()
            if not entry.is_dir()
        }


def same_places(names: list[str], name_of: Callable[[str], str]) -> list[str]:
    """Return the first names that are one name on a disk; empty if there are none.

    Parameters
    ----------
    names : list of str
        Paths below a folder.
    name_of : callable
        Returns the same text for names that the disk treats as equal.

    >>> same_places(['a/B', 'a/b', 'c'], str.casefold)
    ['a/B', 'a/b']
    """
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name_of(name), name)
        if other is not name:
            return [other, name]
    return []
