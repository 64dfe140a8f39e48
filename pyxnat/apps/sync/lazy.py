"""Files that a mirror lists without content.

Fetched from its server when they are read. ``http/folder.py`` calls `fetch` by the name of this
module, for every `Interface` to the folder.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from ... import errors
from ...interface import Interface
from ...model import uris
from .file_pull import Download
from .file_rows import FileRow
from .folder_side import FolderSide
from .sides import Side
from .state import State

__all__ = ['fetch', 'register']

_MIRRORS: WeakValueDictionary[Path, Any] = WeakValueDictionary()
"""Mirrors of this process, whose connections are used."""
_REMOTES: dict[Path, Interface] = {}
"""Connections to the servers of other mirrors."""


def register(folder: Path, mirror: Any) -> None:
    """Use the connection of a mirror for the files of its folder.

    Parameters
    ----------
    folder : Path
        Folder of the mirror.
    mirror : Mirror
        The mirror.
    """
    _MIRRORS[folder] = mirror


def _remote(folder: Path) -> Interface:
    mirror = _MIRRORS.get(folder)
    if mirror is not None:
        connection: Interface = mirror.remote
        return connection
    if folder not in _REMOTES:
        about = State(folder / 'mirror').about
        if 'server' not in about:
            raise errors.ConfigurationError('it has no server: open Mirror(folder, remote=…) once')
        _REMOTES[folder] = Interface(about['server'], about['login'] or None)
    return _REMOTES[folder]


def fetch(folder: Path, files: Sequence[tuple[str, str, str, str]]) -> None:
    """Fetch files to the folder of a mirror.

    Requests: a listing for each resource, and one for each file or zip.

    Parameters
    ----------
    folder : Path
        Folder of the mirror.
    files : sequence of tuple
        URI of the resources of the item, label of the resource, path in it, MD5.

    Raises
    ------
    OfflineError
        The server cannot be reached.
    DataError
        The server has other files.
    """
    try:
        remote = _remote(folder)
        _fetch(folder, remote, files)
    except (
        errors.NetworkError,
        errors.AuthenticationError,
        errors.PermissionDenied,
        errors.ConfigurationError,
    ) as error:
        place, label, path, _ = files[0]
        project = place.split('/')[3]
        raise errors.OfflineError(
            f'{path} is listed in the mirror {folder}, and was not fetched: {error}',
            uri=uris.join(place, uris.quote(label), 'files', uris.quote_path(path)),
            remedy=f"When the server can be reached: mirror.pull('/projects/{project}', "
            f'files={label!r}).',
        ) from error


def _fetch(folder: Path, remote: Interface, files: Sequence[tuple[str, str, str, str]]) -> None:
    listed: dict[str, FileRow] = {}
    side = Side(remote)
    for place, label in dict.fromkeys((place, label) for place, label, *_ in files):
        listed |= side.resource_files(place, label)
    keys = []
    for place, label, path, digest in files:
        key = uris.join(place, uris.quote(label), 'files', uris.quote_path(path))
        if key not in listed or listed[key].values('digest')['digest'] not in ('', digest.lower()):
            raise errors.DataError(
                f'the server has another {path}, or none', uri=key, remedy='Pull again.'
            )
        keys.append(key)
    stage = folder / 'mirror' / f'fetch-{os.getpid()}-{uuid.uuid4().hex[:8]}'
    download = Download(side, stage, listed, 4)
    try:
        download.run(keys)
        for error in download.failed.values():
            raise error
        with Interface(folder.as_uri()) as local:
            side = FolderSide(local)
            for key, (*_, path, digest) in zip(keys, files, strict=True):
                one = [(listed[key], download.path(key))]
                side.put_files(*listed[key].place, one, {path: digest.lower()} if digest else {})
    finally:
        shutil.rmtree(stage, ignore_errors=True)
