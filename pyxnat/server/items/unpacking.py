"""Unpacking of uploaded zip and tar archives into the staging folder.

Members with absolute paths, backslashes or ``..``, links and devices are refused, and so are
archives with more than `FileArea.max_entries` entries, or that unpack to more than `MAX_RATIO`
times their size.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from ..errors import BadRequest, RequestEntityTooLarge, is_full
from ..storage.file_area import FileArea, Staged, check_path
from ..storage.zip_directory import check_directory
from .zip_tar import BLOCK

__all__ = ['unpack']

MAX_RATIO = 200
"""Limit of unpacked to packed size of an upload, above `FREE_BYTES`."""
FREE_BYTES = 2**30
"""Bytes that any upload may unpack to."""


def unpack(area: FileArea, staged: Staged) -> Iterator[tuple[str, Staged]]:
    """Yield the files of a staged zip or tar, by name, each staged.

    All or none: on an error the staged files are removed.

    Parameters
    ----------
    area : FileArea
        Folders of the archive.
    staged : Staged
        The zip or tar.

    Raises
    ------
    BadRequest
        For a broken archive, and for invalid names.
    RequestEntityTooLarge
        For too many members, or too large ones.
    OSError
        If the disk is full.
    """
    found: list[tuple[str, Staged]] = []
    budget = _Budget(max(FREE_BYTES, staged.size * MAX_RATIO))
    try:
        for name, source in _members(staged, area.max_entries):
            found.append((check_path(name), area.stage(budget.pieces(source))))
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as error:
        area.discard(one for _, one in found)
        if is_full(error):
            raise
        raise BadRequest(f'The archive cannot be unpacked: {error}') from error
    except BaseException:
        area.discard(one for _, one in found)
        raise
    yield from found


class _Budget:
    """Limit of unpacked bytes: stops a zip bomb, whatever its headers say."""

    def __init__(self, size: int) -> None:
        self.left = size

    def pieces(self, source: IO[bytes]) -> Iterator[bytes]:
        """Yield a member in pieces."""
        with source:
            while piece := source.read(BLOCK):
                self.left -= len(piece)
                if self.left < 0:
                    raise RequestEntityTooLarge(
                        f'The archive unpacks to more than {MAX_RATIO} times its size.'
                    )
                yield piece


def _members(staged: Staged, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    reader: Callable[[Staged, int], Iterator[tuple[str, IO[bytes]]]] = (
        _zip_members if zipfile.is_zipfile(staged.path) else _tar_members
    )
    return reader(staged, most)


def _zip_members(staged: Staged, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    check_directory(staged.path, most)
    with zipfile.ZipFile(staged.path) as source:
        for info in source.infolist():
            if not info.is_dir():
                yield info.filename, source.open(info)


def _tar_members(staged: Staged, most: int) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(staged.path, 'r:*') as source:
        for number, info in enumerate(source):
            source.members.clear()  # type: ignore[attr-defined]  # would keep all headers
            if number >= most:
                raise RequestEntityTooLarge(f'The archive has more than {most} entries.')
            if info.isdir():
                continue
            member = source.extractfile(info) if info.isreg() else None
            if member is None:
                is_link = info.issym() or info.islnk()
                kind = f'a link to {info.linkname!r}' if is_link else 'neither a file nor a folder'
                raise BadRequest(f'{info.name!r} is {kind}. Send files.')
            yield info.name, member
