"""Local files to upload, each with its path in the layout."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Union

from ... import errors
from ...files.disk import digest_of, is_temporary
from ...files.local import Entry, entries
from .manifest import LOCK, MANIFEST, Manifest
from .sidecar import SIDECAR, Sidecar

__all__ = ['Member', 'Source', 'check_is_no_download', 'members_of', 'sidecar_of']

Source = Union[
    str,
    'os.PathLike[str]',
    Mapping[str, 'str | os.PathLike[str]'],
    Iterable['tuple[str, str | os.PathLike[str]]'],
]
"""A folder, a manifest ``MD5SUMS``, or paths in the layout with local paths."""


_SOURCES = f"a folder, an {MANIFEST}, or a mapping such as {{'1/DICOM/a.dcm': 'a.dcm'}}"


class Member(NamedTuple):
    """A local file to upload."""

    name: str
    """Path in the layout, with ``/``."""
    path: Path
    notes: tuple[tuple[str, str], ...] = ()
    """Its ``format``, ``content`` and ``tags`` on the server, as pairs."""


def members_of(source: Source, listed: Collection[str] = ()) -> tuple[list[Member], list[Entry]]:
    """Return the files of a folder, manifest or mapping, and the unsendable ones.

    Parameters
    ----------
    source : str, path, mapping or iterable of pairs
        The folder, the manifest or the mapping.
    listed : collection of str
        Paths of downloaded files: they are sent whatever their names are.

    Raises
    ------
    DataError
        If a file or folder is missing, or a file differs from the manifest.
    ProgrammingError
        If `source` is none of these.
    """
    if isinstance(source, (str, os.PathLike)):
        root = Path(source).expanduser()
        if root.is_dir():
            found = [entry for entry in entries(root) if entry.name in listed or not _is_own(entry)]
            members = [Member(entry.name, entry.path) for entry in found if not entry.why_not]
            return members, [entry for entry in found if entry.why_not]
        if root.name == MANIFEST and root.is_file():
            return _of_manifest(root), []
        problem = (
            f'{root} is a file, not a folder' if root.exists() else f'there is no folder {root}'
        )
        raise errors.DataError(f'{problem} to upload', remedy=f'Give {_SOURCES}.')
    pairs = source.items() if isinstance(source, Mapping) else source
    try:
        members = [Member(str(name), Path(path).expanduser()) for name, path in pairs]
    except (TypeError, ValueError) as error:
        raise errors.ProgrammingError(
            f'{source!r:.200} names no files to upload ({error})', remedy=f'Give {_SOURCES}.'
        ) from error
    missing = [str(member.path) for member in members if not member.path.is_file()]
    if missing:
        raise errors.DataError(
            f'{len(missing)} files are not there: {", ".join(missing[:5])}',
            remedy='Correct their paths; nothing was sent.',
        )
    return members, []


def _is_own(entry: Entry) -> bool:
    """Return whether a file is of the download itself.

    Temporary files of an unfinished download are so, too.
    """
    is_of_run = entry.name in (MANIFEST, LOCK) or is_temporary(entry.path.name)
    return is_of_run or entry.name.startswith(f'{SIDECAR}/')


def sidecar_of(source: Source) -> Sidecar | None:
    """Return the notes of the download that a folder is, or is a part of.

    `None` without any.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    root = Path(source).expanduser()
    return Sidecar.of(root.parent if root.name == MANIFEST and root.is_file() else root)


def check_is_no_download(source: Source) -> None:
    """Refuse a download folder without notes.

    Raises
    ------
    DataError
        It has a manifest, so that its files lie in the layout of its download, which is not known.
    """
    if isinstance(source, (str, os.PathLike)) and (Path(source).expanduser() / MANIFEST).is_file():
        raise errors.DataError(
            f'{source} is a download without its folder {SIDECAR}: it does not tell which names '
            'are scans, assessors or resources',
            remedy='Download once more into the folder, or give layout=.',
        )


def _of_manifest(manifest: Path) -> list[Member]:
    root = manifest.parent
    lines = Manifest(root).read()
    wrong = [
        name
        for name, md5 in lines.items()
        if not (root / name).is_file() or digest_of(root / name) != md5
    ]
    if wrong:
        problem = f'{len(wrong)} files differ from {MANIFEST}: {", ".join(wrong[:5])}'
        raise errors.DataError(
            problem,
            remedy='Complete the download, or give the folder to upload the files as they are.',
        )
    return [Member(name, root / name) for name in lines]
