"""What an upload is given: files on this computer, each with its name in the layout."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Union

from ... import errors
from ...files import zips
from ...files.disk import PART, digest_of
from .manifest import LOCK, MANIFEST, Manifest

__all__ = ['Member', 'Source', 'members_of']

Source = Union[str, 'os.PathLike[str]', Mapping[str, 'str | os.PathLike[str]'], Iterable['tuple[str, str | os.PathLike[str]]']]
"""A folder, a manifest ``MD5SUMS``, or names in the layout with the paths of files."""


_SOURCES = f"a folder, an {MANIFEST}, or names with paths, such as {{'1/DICOM/a.dcm': 'a.dcm'}}"


class Member(NamedTuple):
    """One file to be sent."""

    name: str
    """Path in the layout, with ``/``."""
    path: Path


def members_of(source: Source) -> list[Member]:
    """The files of a folder; those that a manifest names, if they are as it says; or those that are named one by one.

    Raises
    ------
    DataError
        A file or folder is not there, or is not as the manifest says.
    """
    if isinstance(source, (str, os.PathLike)):
        root = Path(source).expanduser()
        if root.is_dir():
            return [Member(name, path) for name, path in zips.below(root) if name not in (MANIFEST, LOCK) and not _is_temporary(path)]
        if root.name == MANIFEST and root.is_file():
            return _of_manifest(root)
        what = f'{root} is a file' if root.exists() else f'there is no {root}'
        raise errors.DataError(f'{what}, and no folder to upload', remedy=f'Give {_SOURCES}.')
    pairs = source.items() if isinstance(source, Mapping) else source
    try:
        found = [Member(str(name), Path(path).expanduser()) for name, path in pairs]
    except (TypeError, ValueError) as error:
        raise errors.ProgrammingError(f'{source!r:.200} names no files to upload ({error})', remedy=f'Give {_SOURCES}.') from error
    missing = [str(member.path) for member in found if not member.path.is_file()]
    if missing:
        raise errors.DataError(f'{len(missing)} files are not there: {", ".join(missing[:5])}', remedy='Correct their paths; nothing was sent.')
    return found


def _is_temporary(path: Path) -> bool:
    """Whether a download that is on its way, or was killed, has put it there."""
    return path.name.startswith('.') and path.name.endswith(PART)


def _of_manifest(manifest: Path) -> list[Member]:
    root = manifest.parent
    lines = Manifest(root).read()
    wrong = [name for name, md5 in lines.items() if not (root / name).is_file() or digest_of(root / name) != md5]
    if wrong:
        what = f'{len(wrong)} files are not as {MANIFEST} says: {", ".join(wrong[:5])}'
        raise errors.DataError(what, remedy='Complete the download, or give the folder to send what is there.')
    return [Member(name, root / name) for name in lines]
