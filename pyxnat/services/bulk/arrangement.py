"""How the files of a download are arranged in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ...query.layouts import Layout
from .manifest import LOCK, MANIFEST
from .members import Member
from .report import Report
from .sidecar import SIDECAR
from .wanted import RemoteFile, distinct_places, files_below

__all__ = ['Arrangement', 'Grouping']


class Arrangement:
    """The arrangement of a layout: each file has its own place.

    Parameters
    ----------
    layout : Layout
        The layout; its fields are in `RemoteFile.above` of the listed files.
    """

    own: tuple[str, ...] = (MANIFEST, LOCK, SIDECAR)
    """Names in the download folder that no file may have."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def files(self, selection: Any) -> Any:
        """Return the collection of the files to list. No request."""
        return files_below(selection)

    def arrange(self, listed: Sequence[RemoteFile], folder: Path) -> list[RemoteFile]:
        """Return the files to download, with their places.

        Parameters
        ----------
        listed : sequence of RemoteFile
            All files of the selection.
        folder : Path
            The download folder, which may not exist yet.
        """
        return distinct_places(listed)

    def prepare(self, folder: Path, listed: Sequence[RemoteFile]) -> None:
        """Bring the files of an earlier download into this arrangement.

        Parameters
        ----------
        folder : Path
            The download folder.
        listed : sequence of RemoteFile
            The files of this download, with their places.
        """

    def complete(self, folder: Path, report: Report) -> None:
        """Write the documents of the arrangement, beside the files.

        Parameters
        ----------
        folder : Path
            The download folder, with the files that could be fetched.
        report : Report
            Receives notes and failures.
        """


class Grouping(Protocol):
    """How the files of a folder are divided among resources, for an upload."""

    def group(self, target: Any, members: Iterable[Member]) -> dict[Any, dict[str, Member]]:
        """Return resource -> path -> file.

        Parameters
        ----------
        target : Element
            Destination of the upload.
        members : iterable of Member
            The files.
        """
        ...
