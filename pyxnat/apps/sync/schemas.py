"""Schema documents of a mirror's server, so that the folder knows its types.

They are stored below ``mirror/schemas``, where every program that opens the folder finds them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ... import errors
from ...files.disk import publish, safe_name
from ...interface import Interface
from ...model.schemas import Registry

__all__ = ['pull_schemas']

_LIST = '/xapi/schemas'


def pull_schemas(remote: Interface, local: Interface, folder: Path) -> str:
    """Store the schema documents of a server that the folder does not have.

    Requests: one, and one for each document.

    Parameters
    ----------
    remote, local : Interface
        The server and the folder.
    folder : Path
        Folder for the documents; what it has is replaced.

    Returns
    -------
    str
        Why the documents could not be read; empty if they could.
    """
    try:
        names = [str(name) for name in json.loads(remote.connection.request(_LIST))]
        documents = {name: remote.connection.request(f'{_LIST}/{name}') for name in names}
        own = [str(name) for name in json.loads(local.connection.request(_LIST))]
        known = {name: local.connection.request(f'{_LIST}/{name}') for name in own}
        Registry({**known, **documents}.values())
    except (errors.DatabaseError, ValueError) as error:
        if isinstance(error, (errors.NetworkError, errors.AuthenticationError)):
            raise
        return str(error)
    new = {name: text for name, text in documents.items() if known.get(name) != text}
    _store(folder, {**_stored(folder, documents), **new})
    if new:
        local.disconnect()  # the next request opens the archive with them
    return ''


def _path(folder: Path, name: str) -> Path:
    return folder.joinpath(*map(safe_name, name.split('/'))).with_suffix('.xsd')


def _stored(folder: Path, documents: dict[str, bytes]) -> dict[str, bytes]:
    """Return the stored documents that the server still has."""
    return {name: text for name, text in documents.items() if _path(folder, name).exists()}


def _store(folder: Path, documents: dict[str, bytes]) -> None:
    """Replace a folder of documents by others."""
    fresh = folder.with_name(f'{folder.name}-new')
    shutil.rmtree(fresh, ignore_errors=True)
    for name, text in documents.items():
        path = _path(fresh, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish(path) as file:
            file.write(text)
    shutil.rmtree(folder, ignore_errors=True)
    if documents:
        fresh.rename(folder)
