"""Many staged files as one folder, which takes its place in one rename.

Moving thousands of files inside a transaction would hold all other writers.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..private_files import make_folder
from .file_area import FileArea, Staged, Unfetched

__all__ = ['Bundle', 'bundled']

MANY = 50
"""Number of files from which they are bundled."""


class Bundle:
    """Folder of an upload below the staging folder.

    The files are as in their resource.

    Parameters
    ----------
    area : FileArea
        Folders of the archive.
    staged : Iterable[tuple[str, Staged]]
        Paths in the resource and staged files; they are moved.
    """

    def __init__(self, area: FileArea, staged: Iterable[tuple[str, Staged]]) -> None:
        self.folder = area.staging / uuid.uuid4().hex
        self._area = area
        self._moved: dict[str, tuple[Staged, int]] = {}
        self._folders: set[Path] = set()
        make_folder(self.folder)
        for path, one in staged:
            self._move(path, one)
        for one, _ in self._moved.values():
            if one.written is not None:
                one.written.result()
        area.sync.folders(self._folders)

    def _move(self, path: str, one: Staged) -> None:
        """Move a file; one that conflicts with another stays where it is."""
        target = self._area.file_path(self.folder, path)
        try:
            if target.parent not in self._folders:
                make_folder(target.parent)
                self._folders |= {target.parent, *target.parent.parents} - {
                    self._area.staging,
                    *self._area.staging.parents,
                }
            if target.exists():
                return
            os.replace(one.path, target)
        except (FileExistsError, NotADirectoryError):
            return
        one.path = target
        self._moved[path] = one, target.stat().st_mtime_ns

    def fits(self, files: Mapping[str, tuple[Staged, int | None]], target: Path) -> bool:
        """Whether it holds some files and no others, and its place is free.

        Parameters
        ----------
        files : Mapping[str, tuple[Staged, int | None]]
            Paths, staged files, and the keys of the files that they replace.
        target : Path
            Folder of the resource.
        """
        return not target.exists() and {path: one for path, (one, _) in files.items()} == {
            path: one for path, (one, _) in self._moved.items()
        }

    def place(self, target: Path) -> dict[str, int]:
        """Move the folder to its place, in a transaction.

        Parameters
        ----------
        target : Path
            Folder of the resource.

        Returns
        -------
        dict[str, int]
            Times of modification in nanoseconds, by path.
        """
        self._area.place_folder(self.folder, target)
        return {path: mtime_ns for path, (_, mtime_ns) in self._moved.items()}


@contextmanager
def bundled(area: FileArea, staged: list[tuple[str, Staged]]) -> Iterator[Bundle | None]:
    """Bundle files if they are many; None for few. The rest of it is removed.

    Parameters
    ----------
    area : FileArea
        Folders of the archive.
    staged : list[tuple[str, Staged]]
        Paths in the resource and staged files.
    """
    if len(staged) < MANY or any(isinstance(one, Unfetched) for _, one in staged):
        yield None
        return
    bundle = Bundle(area, staged)
    try:
        yield bundle
    finally:
        if bundle.folder.exists():
            shutil.rmtree(bundle.folder)
