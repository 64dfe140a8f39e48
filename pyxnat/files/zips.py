"""Zip archives as XNAT sends and takes them: packed without holding them, unpacked without trusting them."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

from .. import errors
from ..model.uris import meaning
from .disk import CHUNK, publish, safe_name

__all__ = ['below', 'check', 'inner_path', 'missing', 'named', 'pack', 'repack', 'sizes', 'told_apart', 'unpack']

_FILES = re.compile(r'(?:^|/)resources/[^/]+/files/(.+)$', re.DOTALL)


def inner_path(entry: str) -> str:
    """The path below its resource of an entry in XNAT's own layout; the whole name where it has another.

    >>> inner_path('S1_MR/scans/1-T1/resources/NIFTI/files/run1/files/a.img')
    'run1/files/a.img'
    """
    found = _FILES.search(entry)
    return found.group(1) if found else entry


def below(folder: Path) -> list[tuple[str, Path]]:
    """The files of a folder and of all folders in it, under their paths relative to it."""
    return [(path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob('*')) if path.is_file()]


def named(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Files under their paths from the folder that holds them all; under their own names where they lie on several drives."""
    found = [path.absolute() for path in paths]
    try:
        root = os.path.commonpath([path.parent for path in found])
    except ValueError:
        root = ''
    return [(path.relative_to(root).as_posix() if root else path.name, path) for path in found]


def pack(members: Iterable[tuple[str, Path]], compression: int = 1) -> IO[bytes]:
    """An open temporary zip of files under the names given; it goes when it is closed. With a compression of 0 they are stored as they are."""
    packed = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(packed, 'w', zipfile.ZIP_DEFLATED if compression else zipfile.ZIP_STORED, compresslevel=compression) as archive:
            for name, path in members:
                archive.write(path, name)
    except BaseException:
        packed.close()
        raise
    packed.seek(0)
    return packed


def check(path: Path, uri: str) -> None:
    """See that a zip is one, and has its end."""
    if not zipfile.is_zipfile(path):
        raise errors.TransferError('what came is not a zip, or was cut', uri=uri, remedy='Ask again; download the files singly.')


def sizes(path: Path) -> dict[str, int]:
    """Name and bytes of each file in a zip or tar.

    Raises
    ------
    DataError
        It is neither, or is damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return {entry.filename: entry.file_size for entry in archive.infolist() if not entry.is_dir()}
        with tarfile.open(path) as packed:
            return {entry.name.removeprefix('./'): entry.size for entry in packed if entry.isfile()}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, tarfile.TarError) as error:
        raise errors.DataError(
            f'{path} is no zip and no tar that can be read ({error})', remedy='With extract=False it is stored as it is.'
        ) from error


def missing(listed: Iterable[str], path: Path | None) -> list[str]:
    """Those of the listed files of a resource that its zip has not."""
    if path is None:
        return list(listed)
    with zipfile.ZipFile(path) as archive:
        found = {inner_path(name) for name in archive.namelist()}
    return [name for name in listed if name not in found]


def repack(path: Path, target: Path, uri: str = '') -> None:
    """Write a zip anew with each file under its path below the resource, so that uploading it again gives the same files.

    Raises
    ------
    TransferError
        An entry is damaged; nothing is written.
    """
    try:
        with zipfile.ZipFile(path) as archive, publish(target) as file, zipfile.ZipFile(file, 'w') as copy:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                same = zipfile.ZipInfo(inner_path(entry.filename), entry.date_time)
                same.compress_type, same.external_attr, same.file_size = entry.compress_type, entry.external_attr, entry.file_size
                with archive.open(entry) as source, copy.open(same, 'w') as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise errors.TransferError(f'the zip is damaged: {error}', uri=uri, remedy='Ask again; download the files singly.') from error


def told_apart(paths: list[str]) -> list[str]:
    """Paths by their meaning; those that another has as its own, or means as well, as they are.

    >>> told_apart(['a%26b', 'c%20d', 'c d'])
    ['a&b', 'c%20d', 'c d']
    """
    meant = [meaning(path) for path in paths]
    count = Counter(meant)
    return [one if count[one] == 1 or one == path else path for one, path in zip(meant, paths, strict=True)]


def unpack(path: Path, dest: Path, place: Callable[[str], str] = inner_path, uri: str = '') -> list[str]:
    """Write the files of a zip below a folder; nothing else there is touched.

    Parameters
    ----------
    place : callable
        From an entry's name to the file's path below `dest`. Parts that would lead out of it are percent-encoded.

    Returns
    -------
    list of str
        Paths of the files, in the order of the zip.

    Raises
    ------
    TransferError
        An entry is damaged, or two would have one place. Files before it stay; they are whole.
    """
    written: dict[Path, str] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            meant = told_apart([place(entry.filename) for entry in entries])
            for entry, name in zip(entries, meant, strict=True):
                target = dest.joinpath(*(safe_name(part) for part in name.split('/') if part))
                if target in written:
                    raise errors.TransferError(f'two files of the zip would be {target}', uri=uri, remedy='Download the files singly.')
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, publish(target) as file:
                    while piece := source.read(CHUNK):
                        file.write(piece)
                written[target] = entry.filename
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise errors.TransferError(f'the zip is damaged: {error}', uri=uri, remedy='Ask again; download the files singly.') from error
    return [str(target) for target in written]
