"""Files of the archive in a local folder, as XNAT mounts them.

It does so for JupyterHub and containers. Below the mount are the folders of the archive, by project
(seen in the source of XNAT's JupyterHub plugin, 1.3)::

    projects/P/experiments/SESSION/SCANS/1/DICOM/…
    projects/P/experiments/SESSION/RESOURCES/LABEL/…
    projects/P/resources/LABEL/…
    projects/P/subjects/SUBJECT/LABEL/…           of a single subject: subject-resources/SUBJECT/…

A selection's own folders are there, and no others.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..model.levels import level
from ..model.rows import size_of

__all__ = ['Mount']


class Mount:
    """A folder with files of the archive.

    Parameters
    ----------
    folder : path
        The folder that has ``projects``: ``$XNAT_DATA``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).resolve()

    def __repr__(self) -> str:
        return f'Mount({str(self.folder)!r})'

    def find(
        self, above: Mapping[str, str], resource: str, path: str, size: int | None
    ) -> Path | None:
        """Return the path of a file, None if it is not there with the listed size.

        A symbolic link that leads out of the mount is not followed. No request.

        Parameters
        ----------
        above : mapping
            Labels of the elements above it by level (``project``, ``subject``, ``experiment``,
            ``scan``, ``assessor``), and the ``side`` of an assessor's resource.
        resource : str
            Label of the resource.
        path : str
            Path below the resource.
        size : int or None
            Bytes, from the listing; without them no file is taken.
        """
        if not above.get('project') or not resource or size is None:
            return None
        for folder in _folders(above):
            place = (
                self.folder / 'projects' / above['project'] / folder / resource / path
            ).resolve()
            if not place.is_relative_to(self.folder):
                continue
            try:
                found = place.stat()
            except OSError:  # not mounted, or not for this user
                continue
            if stat.S_ISREG(found.st_mode) and found.st_size == size and os.access(place, os.R_OK):
                return place
        return None

    def find_element(self, file: Any) -> Path | None:
        """Return the path of a file element.

        Parameters
        ----------
        file : File
            The file. One request for its row, and for each label above it, as far as not known.
        """
        row = file.row if 'Size' in file.row else file.fetch_row()
        above: dict[str, str] = {}
        holder = file.parent_on_path().parent_on_path()
        while holder is not None:
            above[holder.level.singular] = holder.label()
            if holder.level.plural in ('subjects', 'experiments') and 'project' not in above:
                above['project'] = holder.value_of('project')  # its own, if it is shared
            holder = holder.parent_on_path()
        above['side'] = file.parent_on_path().level.side
        resource = row.get('collection') or row.get('cat_ID', '')
        return self.find(above, resource, file.path_name, size_of(row.get('Size', '')))


def _folders(above: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders that may have the resources of an element.

    They are below that of its project.
    """
    if above.get('experiment'):
        home = f'experiments/{above["experiment"]}'
        part = next(
            (name for name in ('scan', 'assessor', 'reconstruction') if above.get(name)), ''
        )
        if not part:
            yield f'{home}/{level("experiments").resources_folder}'
            return
        facts = level(f'{part}s')
        side = above.get('side') or 'out' if facts.has_side_folders else facts.resources_folder
        yield '/'.join(filter(None, (home, facts.disk_folder, above[part], side)))
    elif above.get('subject'):
        yield f'subjects/{above["subject"]}'
        yield f'subject-resources/{above["subject"]}'
    else:
        yield 'resources'
