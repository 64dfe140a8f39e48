"""Rescan of the prearchive folders: update rows to match the files on disk."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from ..archive import Archive
from ..db.store import arrival, arrival_file, arrival_scan
from ..items.zip_tar import BLOCK
from ..storage.dicom_headers import NotDicom, read
from ..storage.file_area import safe_name
from .build import build
from .receive import Object, add
from .sessions import UNASSIGNED, Wish, clean_label, folder_of, images_of, new, scans_of

__all__ = ['rebuild', 'rescan']


def rescan(archive: Archive, login: str, project: str | None, everywhere: bool) -> None:
    """Read the session folders of one project, or of all.

    A folder without DICOM objects is left alone.

    Parameters
    ----------
    archive : Archive
        The archive.
    login : str
        Login of the user who becomes the uploader of new sessions.
    project : str or None
        ID of the project; None for sessions without one.
    everywhere : bool
        Whether to read the folders of all projects.
    """
    root = archive.files.prearchive
    for above in (
        sorted(root.iterdir()) if everywhere else [root / safe_name(project or UNASSIGNED)]
    ):
        for folder in sorted(path for path in above.glob('*/*') if path.is_dir()):
            _take_in(archive, login, folder)


def rebuild(
    archive: Archive, login: str, row: Any, columns: Mapping[str, str] | None = None
) -> Any:
    """Read a session's folder, build the session and return its row.

    Parameters
    ----------
    archive : Archive
        The archive.
    login : str
        Login of the user.
    row
        The session.
    columns : Mapping[str, str] or None
        Columns to set, as for `build`.
    """
    _take_in(archive, login, folder_of(archive.files, row))
    return build(archive, row.pk, columns)


def _take_in(archive: Archive, login: str, folder: Path) -> None:
    area = archive.files
    with archive.store.read() as connection:
        row = connection.execute(
            select(arrival).where(
                arrival.c.timestamp == folder.parent.name, arrival.c.folder == folder.name
            )
        ).first()
        known = _known(archive, connection, row)
    stale = [
        image
        for path, image in known.items()
        if not path.is_file() or not _is_unchanged(path, image)
    ]
    fresh = [
        path
        for path in sorted(folder.rglob('*'))
        if path.is_file() and not (path in known and _is_unchanged(path, known[path]))
    ]
    objects, taken = [], []
    for path in fresh:
        try:
            header = read(path)
        except NotDicom:
            continue
        taken.append(path)
        with path.open('rb') as source:
            staged = area.stage(iter(partial(source.read, BLOCK), b''))
            objects.append(Object(path.name, staged, header))
    if not objects and not stale:
        return
    try:
        with archive.store.write() as connection:
            for image in stale:
                connection.execute(arrival_file.delete().where(arrival_file.c.pk == image.pk))
            if row is None:
                row = new(connection, login, _wish_of_folder(folder), objects[0].header.study)
            placed = add(archive, connection, row, objects)
            connection.execute(
                arrival_scan.delete().where(arrival_scan.c.pk.not_in(select(arrival_file.c.scan)))
            )
            area.remove(path for path in taken if path not in placed)
    finally:
        area.discard(one.staged for one in objects)
    build(archive, row.pk)


def _known(archive: Archive, connection: Connection, row: Any) -> dict[Path, Any]:
    """Return the images of a session by their paths on disk."""
    found = {}
    for scan in scans_of(connection, row.pk) if row is not None else ():
        home = images_of(archive.files, row, scan.id)
        for image in connection.execute(select(arrival_file).where(arrival_file.c.scan == scan.pk)):
            found[archive.files.file_path(home, image.path)] = image
    return found


def _is_unchanged(path: Path, image: Any) -> bool:
    state = path.stat()
    return (state.st_size, state.st_mtime_ns) == (image.size, image.mtime_ns)


def _wish_of_folder(folder: Path) -> Wish:
    project = folder.parent.parent.name
    return Wish(
        None if project == UNASSIGNED else project,
        clean_label(folder.name),
        folder=folder.name,
        timestamp=folder.parent.name,
    )
