"""Zip and tar archives of other programs, for a server that unpacks them.

XNAT unpacks a zip with Java's `ZipInputStream` and a tar member by member: names are UTF-8, zips
are read from their beginning, members are stored or deflated, a hard link becomes an empty file,
and the end of the file name tells the format. An archive of another kind is packed again as a zip,
so that each server stores the same files.
"""

from __future__ import annotations

import lzma
import posixpath
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from .. import errors
from ..patterns import pattern
from .zips import date_of, entry_name, write_member

__all__ = ['Unpackable', 'unpackable']

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    KeyError,
)
"""Errors that the standard library raises for damaged archives."""
_ENCRYPTED, _LENGTH_BEHIND, _UTF8 = 0x1, 0x8, 0x800
_FOR_JAVA = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LONGEST_IN_TAR = 100
"""Bytes of a name in a tar without extensions."""
_DRIVE = pattern(r'[A-Za-z]:')


class Unpackable(NamedTuple):
    """An archive that every server unpacks to the same files."""

    source: Any
    """Path of the archive, or the open file of its copy."""
    ending: str
    """End of its name: ``.zip``, ``.tar`` or ``.tar.gz``."""
    sizes: dict[str, int]
    """Bytes of each file, by its path below the resource."""


class _Member(NamedTuple):
    """A file of an archive."""

    name: str
    """Path below the resource."""
    size: int
    date: tuple[int, int, int, int, int, int]
    open: Callable[[], Any]
    """Opens the content."""


@contextmanager
def unpackable(path: Path) -> Iterator[Unpackable]:
    """Yield an archive as it is, or a copy of it that every server can unpack.

    Parameters
    ----------
    path : Path
        A zip, or a tar of any compression that Python reads.

    Raises
    ------
    DataError
        The file is neither, is damaged or encrypted, or has a member that cannot be stored.
    """
    with tempfile.TemporaryFile() as copy:
        with _reading(path):
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    ready = _ready(path, *_of_zip(archive, path), copy)
            else:
                with tarfile.open(path) as packed:
                    ready = _ready(path, *_of_tar(packed, path), copy)
        yield ready


def _ready(path: Path, members: list[_Member], ending: str, copy: IO[bytes]) -> Unpackable:
    """Return an archive, or its copy as a zip if its own format has no ending."""
    sizes = {member.name: member.size for member in members}
    if ending:
        return Unpackable(path, ending, sizes)
    with zipfile.ZipFile(copy, 'w') as target:
        for member in members:
            with member.open() as source:
                write_member(target, member.name, member.date, member.size, source)
    copy.seek(0)
    return Unpackable(copy, '.zip', sizes)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise errors.DataError(
            f'{path} is not a readable zip or tar ({error})',
            remedy='Use extract=False to store it as it is.',
        ) from error


def _of_zip(archive: zipfile.ZipFile, path: Path) -> tuple[list[_Member], str]:
    """Return the files of a zip, and its ending if Java reads it as Python does."""
    found: dict[str, _Member] = {}
    with path.open('rb') as file:
        is_plain = file.read(4) in (b'PK\x03\x04', b'PK\x05\x06')
    for entry in archive.infolist():
        if entry.is_dir():
            continue
        if entry.flag_bits & _ENCRYPTED:
            raise _refused(path, f'{entry.filename} is encrypted')
        stored = entry_name(entry)
        name = _clean(stored, path)
        if name in found:
            raise _refused(path, f'two members would be the file {name}')
        is_plain = (
            is_plain
            and name == entry.filename
            and (name.isascii() or bool(entry.flag_bits & _UTF8))
            and entry.compress_type in _FOR_JAVA
            and not (entry.flag_bits & _LENGTH_BEHIND and not entry.compress_type)
        )
        opener = partial(archive.open, entry)
        found[name] = _Member(name, entry.file_size, entry.date_time, opener)
    return list(found.values()), '.zip' if is_plain else ''


def _of_tar(archive: tarfile.TarFile, path: Path) -> tuple[list[_Member], str]:
    """Return the files of a tar, and its ending if XNAT reads it as Python does.

    Of members with one name the last counts, as for tar itself.
    """
    found: dict[str, _Member] = {}
    ending = _ending_of_tar(path)
    for entry in archive:
        if entry.isdir():
            continue
        name = _clean(entry.name, path)
        content = entry
        if entry.islnk() or entry.issym():
            content = _target(archive, entry, path)
        elif not entry.isfile():
            raise _refused(path, f'{entry.name} is neither a file nor a folder')
        is_simple = content is entry and not entry.issparse() and entry.name.isascii()
        if not is_simple or len(entry.name) > _LONGEST_IN_TAR or name in found:
            ending = ''
        ending = ending if entry.name in (name, f'./{name}') else ''
        opener = partial(_opened, archive, content)
        found[name] = _Member(name, content.size, date_of(entry.mtime), opener)
    return list(found.values()), ending


def _target(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> tarfile.TarInfo:
    """Return the file that a link in a tar leads to.

    Raises
    ------
    DataError
        It leads to no file of the tar.
    """
    seen = set()
    while entry.islnk() or entry.issym():
        seen.add(entry.name)
        folder = posixpath.dirname(entry.name) if entry.issym() else ''
        target = _member(archive, posixpath.normpath(posixpath.join(folder, entry.linkname)))
        if target is None or target.name in seen:
            raise _refused(path, f'{entry.name} is a link to {entry.linkname}, which is not in it')
        entry = target
    if not entry.isfile():
        raise _refused(path, f'a link leads to {entry.name}, which is no file')
    return entry


def _member(archive: tarfile.TarFile, name: str) -> tarfile.TarInfo | None:
    """Return the member of a name, which may be stored as ``./name``."""
    for stored in (name, f'./{name}'):
        with suppress(KeyError):
            return archive.getmember(stored)
    return None


def _opened(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(entry)
    if content is None:
        raise KeyError(entry.name)
    return content


def _ending_of_tar(path: Path) -> str:
    """Return the ending that tells XNAT the compression of a tar.

    Empty if XNAT reads none.
    """
    with path.open('rb') as file:
        begin = file.read(6)
    if begin.startswith(b'\x1f\x8b'):
        return '.tar.gz'
    is_packed = begin.startswith((b'BZh', b'\xfd7zXZ', b'(\xb5/\xfd', b'\x5d\0\0'))
    return '' if is_packed else '.tar'


def _clean(name: str, path: Path) -> str:
    """Return the path of a member below the resource.

    Raises
    ------
    DataError
        It leads out of the resource, or is empty.
    """
    parts = [part for part in name.replace('\\', '/').split('/') if part not in ('', '.')]
    if not parts or '..' in parts or name.startswith(('/', '\\')) or _DRIVE.fullmatch(parts[0]):
        raise _refused(path, f'{name!r} is no path below a resource')
    return '/'.join(parts)


def _refused(path: Path, reason: str) -> errors.DataError:
    return errors.DataError(
        f'{path} cannot be unpacked by the server: {reason}',
        remedy='Unpack it and upload the folder, or use extract=False to store it as it is.',
    )
