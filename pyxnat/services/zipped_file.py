"""Download of a single file that no request can name.

XNAT sends it in zips alone.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from .. import errors
from ..model import uris
from ..resources import Element
from ..resources.host import Host

__all__ = ['fetch_from_zip', 'is_in_zips_alone']

_PART = 'file'


def is_in_zips_alone(file: Any) -> bool:
    """Whether XNAT refuses requests for a file, because of its name."""
    return isinstance(file, Element) and not uris.is_reachable(file.path_name)


def fetch_from_zip(host: Host, file: Any, place: AbstractContextManager[Any]) -> None:
    """Download a file from the zip of its resource, verified. A listing and the zip.

    Parameters
    ----------
    host : Interface
        Connection to the server.
    file : File
        The file.
    place : context manager
        Yields the file to write, and keeps it if the block succeeds.

    Raises
    ------
    NotFoundError
        The file does not exist.
    TransferError
        The zip does not have it as it is listed.
    """
    listed = {one.path_name: one for one in file.parent().files()}
    wanted = listed.pop(file.path_name, None)
    if wanted is None:
        raise errors.NotFoundError(
            'there is no such file',
            uri=host.connection.server + file.uri,
            remedy='Check the spelling.',
        )
    with tempfile.TemporaryDirectory(prefix='pyxnat-') as folder:
        report = host.bulk.fetch({_PART: wanted}, folder, beside=listed.values(), jobs=1)
        report.check()
        with open(Path(folder, _PART), 'rb') as source, place as target:
            shutil.copyfileobj(source, target)
