"""`pyxnat.open`: the archive in a folder, without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..http import folder as folders
from ..interface import Interface

__all__ = ['open']


def open(  # noqa: A001  (pyxnat.open, as gzip.open)
    folder: str | os.PathLike[str],
    *,
    create: bool = False,
    site: str = 'LOCAL',
    **options: Any,
) -> Interface:
    """Return an Interface to the archive in a folder.

    The archive runs in this process; no server and no network is needed. Other processes of the
    same user may have it open, too. If a server has it, requests go there.

    Parameters
    ----------
    folder : path
        The folder.
    create : bool
        Whether to create an archive if the folder is empty or does not exist.
    site : str
        Site ID of a new archive; its accession IDs start with it.
    **options
        Further arguments of `Interface`. Without `user`, requests are those of the first
        administrator.

    Raises
    ------
    ConfigurationError
        The folder has no archive, belongs to another user, or cannot be written; the extra
        ``server`` is not installed.

    Examples
    --------
    ::

        with pyxnat.open('study', create=True) as study:
            study.select.project('P').subject('S1').create()
    """
    path = Path(folder).expanduser().resolve()
    if create:
        folders.create(path, site)
    return Interface(path.as_uri(), **options)
