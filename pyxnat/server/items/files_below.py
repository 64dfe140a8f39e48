"""All files of a subject and of items below, or of a project's own resources.

For the owner's programs: no rights are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ...model import uris
from ...model.levels import level
from ..archive import Archive
from ..db.rows import children_of, item_row, resources_of
from ..db.store import file, item, resource
from ..errors import NotFound
from ..storage.file_area import UNFETCHED
from .find_files import Held

__all__ = ['FileBelow', 'fetch_missing', 'fetch_missing_below', 'files_below', 'lost_files']


class FileBelow(NamedTuple):
    """A file, by IDs."""

    place: str
    """URI of the resources of its item."""
    label: str
    """Label of its resource; its number if it has none."""
    path: str
    """Path in the resource."""
    row: dict[str, str]
    """Columns of a listing of files."""


def files_below(connection: Connection, project: str, subject: str = '') -> list[FileBelow]:
    """Return all files of a subject, or those of a project itself.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    subject : str
        ID of the subject; empty for the project.
    """
    items = _items_below(connection, project, subject)
    return [one for place, row in items for one in _files_of(connection, place, row)]


def lost_files(
    archive: Archive, connection: Connection, project: str, subject: str = ''
) -> list[FileBelow]:
    """Return the files of a subject that are missing on the disk.

    Or that have another size there than in their rows.

    A look at each file on the disk; none is read.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    project : str
        ID of the project.
    subject : str
        ID of the subject; empty for the project.
    """
    area, found = archive.files, list[FileBelow]()
    for place, row in _items_below(connection, project, subject):
        files = _files_of(connection, place, row)
        folders = {
            one.pk: area.resource_folder(connection, one, item_row(connection, row.pk))
            for one in (resources_of(connection, row.pk) if files else ())
        }
        for one in files:
            path = area.file_path(folders[int(one.row['cat_ID'])], one.path)
            is_there = path.is_file() and path.stat().st_size == int(one.row['Size'])
            found += [one] if one.row['is_fetched'] and not is_there else []
    return found


def _items_below(connection: Connection, project: str, subject: str) -> Iterator[tuple[str, Any]]:
    """Yield the URI and row of a subject and of all items below it, or of a project."""
    home = uris.join(uris.ENTRY, 'projects', uris.quote(project))
    columns = select(item.c.pk, item.c.parent, item.c.level, item.c.id)
    items = columns.where(item.c.level == 'project', item.c.id == project)
    if subject:
        is_top = (item.c.level == 'subject') & (item.c.project == project) & (item.c.id == subject)
        below = columns.where(is_top).cte('below', recursive=True)
        items = select(below.union_all(columns.join(below, item.c.parent == below.c.pk)))
    places: dict[int, str] = {}
    for row in connection.execute(items).all():  # outer ones first
        plural = level(row.level).plural
        above = places.get(row.parent, home)
        places[row.pk] = home if not subject else uris.join(above, plural, uris.quote(row.id))
        yield places[row.pk], row


def _files_of(connection: Connection, place: str, row: Any) -> list[FileBelow]:
    query = select(file, resource.c.side, resource.c.label, resource.c.pk.label('number')).join(
        resource, file.c.resource == resource.c.pk
    )
    found = []
    for one in connection.execute(query.where(resource.c.item == row.pk)):
        side = [one.side or 'out'] if level(row.level).has_sides else []
        columns = {
            'Name': one.path.rstrip('/').rpartition('/')[2],
            'Size': str(one.size),
            'digest': one.digest,
            'collection': one.label or '',
            'cat_ID': str(one.number),
            'is_fetched': '' if one.mtime_ns == UNFETCHED else 'true',
            **{f'file_{name}': getattr(one, name) or '' for name in ('format', 'content', 'tags')},
        }
        label = one.label or str(one.number)
        found.append(FileBelow(uris.join(place, *side, 'resources'), label, one.path, columns))
    return found


def fetch_missing(archive: Archive, held: Iterable[Held]) -> None:
    """Fetch those of some files that are listed without content.

    Parameters
    ----------
    archive : Archive
        The archive.
    held : iterable of Held
        Files that a response sends.

    Raises
    ------
    NotFound
        Nothing fetches files here.
    """
    missing = [one for one in held if one.file.mtime_ns == UNFETCHED and not one.path.is_file()]
    _fetch(archive, [(one.place.row, one.resource, one.file) for one in missing])


def fetch_missing_below(archive: Archive, row: Any) -> None:
    """Fetch the files of an item and its children that are listed without content.

    Parameters
    ----------
    archive : Archive
        The archive.
    row : Any
        Row of the item.

    Raises
    ------
    NotFound
        Nothing fetches files here.
    """
    with archive.store.read() as connection:
        missing = [
            (holder, kept, one)
            for holder in (row, *children_of(connection, row.pk))
            for kept in resources_of(connection, holder.pk)
            for one in connection.execute(
                select(file).where(file.c.resource == kept.pk, file.c.mtime_ns == UNFETCHED)
            )
        ]
    _fetch(archive, missing)


def _fetch(archive: Archive, missing: Sequence[tuple[Any, Any, Any]]) -> None:
    """Fetch files; each with the rows of its item and resource."""
    if not missing:
        return
    with archive.store.read() as connection:
        files = [
            (_place_of(connection, row, kept.side), kept.label, one.path, one.digest)
            for row, kept, one in missing
        ]
    if archive.fetch is None:
        row, kept, one = missing[0]
        project = row.id if row.level == 'project' else row.project
        raise NotFound(
            f'{one.path} is listed in this mirror, and was not fetched; its owner can pull it: '
            f"mirror.pull('/projects/{project}', files={kept.label!r})."
        )
    archive.fetch(files)


def _place_of(connection: Connection, holder: Any, side: str | None) -> str:
    """Return the URI of the resources of an item, by IDs, as in `files_below`."""
    row = holder
    steps = [*([side or 'out'] if level(row.level).has_sides else []), 'resources']
    while row is not None and row.level != 'project':
        steps = [level(row.level).plural, uris.quote(row.id), *steps]
        row = item_row(connection, row.parent)
    project = holder.id if holder.level == 'project' else holder.project
    return uris.join(uris.ENTRY, 'projects', uris.quote(project), *steps)
