"""What elements and collections do with many files at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..layouts import LAYOUT

if TYPE_CHECKING:
    from ..interface import Interface

__all__ = ['Downloadable']


class Downloadable:
    """An element with files below it, or a collection of such."""

    _intf: Interface

    def download(
        self, dest: str | os.PathLike[str], *, layout: str = LAYOUT, jobs: int = 4, existing: str = 'refresh', progress: bool | None = None
    ) -> Any:
        """Download all files below, into a folder.

        A run that was interrupted, at whatever byte, is completed by running it again: what is there and right is not asked for again. A file
        appears in its place whole and verified, or not at all.

        Parameters
        ----------
        dest : path
            A folder; made if needed. Nothing in it is touched but the places of the files, and the manifest ``MD5SUMS``, which ``md5sum -c`` reads.
        layout : str
            Where in it the files lie, in fields in braces: ``project``, ``subject``, ``experiment``, ``scan`` (of what belongs to an assessor or
            reconstruction its label, unless the layout names those), ``assessor``, ``reconstruction``, ``side`` (``in``, ``out``), ``resource``,
            ``path`` and ``name`` (its last part). A part without a value is left out. Names that could lead out of the folder are encoded.
        jobs : int
            How many requests at a time.
        existing : {'refresh', 'keep', 'replace', 'error'}
            Of what is there: fetch what differs from the listing by size or digest (where the site keeps no checksums: by size, or from what was
            downloaded); leave it, whatever it is; fetch all anew; or refuse to begin if something differs.
        progress : bool, optional
            Whether to show a bar, which takes the extra ``progress``; by default if there is a terminal.

        Returns
        -------
        Report
            What was downloaded (``ok``), was there (``skipped``) and ``failed``, with reasons.

        Raises
        ------
        DataError
            Two files would have one place; nothing is fetched.
        AuthenticationError, NetworkError
            The login is wrong, or the server cannot be reached. What failed of single files is in the report.

        Notes
        -----
        Requests: those of listing the files (``explain()`` of the selection's ``files``), up to three for labels, one zip for up to 64 MB of small
        files, one for each file of 16 MiB and more, and for each file that is missing where fewer than 50 are.
        """
        return self._intf.bulk.download(self, dest, layout=layout, jobs=jobs, existing=existing, progress=progress)
