"""Resources of items and their files: how a route finds them, and URIs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from sqlalchemy import Connection, bindparam, select

from ...model.levels import level, parts_of_session
from ..archive import Archive
from ..context import Context
from ..db.rows import file_rows, resources_of
from ..db.store import fields_of, file, item
from ..storage.file_area import FileArea
from .holders import holders_of
from .locate import Place, find_parts
from .uris import ItemPath, Step

__all__ = [
    'Held',
    'Kept',
    'chosen',
    'described',
    'file_uri',
    'files_in',
    'files_of',
    'kept_at',
    'paths_of',
    'resources_at',
    'side_of',
    'split',
    'with_parts',
]

_ABOVE = (level('experiments'), *parts_of_session())
_FILE = select(file).where(file.c.resource == bindparam('key'), file.c.path == bindparam('path'))


@dataclass
class Kept:
    """A resource, and its item."""

    row: Any
    place: Place
    folder: Path
    uri: str
    """URI in the scope that XNAT uses for it."""
    described: str = ''
    """Type of the item, in words."""
    subject: str = ''
    """Label of the subject of a session, if requested."""
    among_all: bool = False
    """Whether it was found among all resources of a session (``all=true``)."""


@dataclass
class Held:
    """A file, and its resource."""

    file: Any
    kept: Kept

    @property
    def resource(self) -> Any:
        """Row of the resource."""
        return self.kept.row

    @property
    def place(self) -> Place:
        """Item of the resource."""
        return self.kept.place

    @cached_property
    def path(self) -> Path:
        """Path on disk."""
        return FileArea.file_path(self.kept.folder, self.file.path)


def split(route: ItemPath) -> tuple[Sequence[Step], Step, Step | None]:
    """Split a route into items, resource and files; the last may be None."""
    steps = route.steps
    if steps[-1].level.is_file:
        return steps[:-2], steps[-2], steps[-1]
    return steps[:-1], steps[-1], None


def side_of(holder: Any, plural: str) -> str:
    """Return the side of an item that a level of resources is on.

    Assessors and reconstructions have ``in`` and ``out``, and ``out`` is the default.

    Parameters
    ----------
    holder : Any
        Row of the item.
    plural : str
        Plural name of the level.
    """
    return level(plural).side or 'out' if level(holder.level).has_sides else ''


def resources_at(connection: Connection, holder: Any, step: Step) -> list[Any]:
    """Return the resources of an item that a step names, or all on its side.

    Parameters
    ----------
    connection : Connection
        The database.
    holder : Any
        Row of the item.
    step : Step
        Step of the resource: labels and numbers, separated by commas, or None for all.
    """
    side = side_of(holder, step.level.plural)
    sides = ('', 'out') if side == 'out' else (side,)
    rows = [row for row in resources_of(connection, holder.pk) if row.side in sides]
    return rows if step.id is None else _select_named(rows, step.id)


def _select_named(rows: Iterable[Any], name: str) -> list[Any]:
    """Those that a list of labels and numbers names."""
    names = re.split(r'\s*,\s*', name)
    return [row for row in rows if row.label in names or str(row.pk) in names]


def paths_of(archive: Archive, connection: Connection, holder: Any) -> Iterator[Path]:
    """Yield the paths on disk of all files of an item.

    Parameters
    ----------
    archive : Archive
        The archive.
    connection : Connection
        The database.
    holder : Any
        Row of the item.
    """
    for row in resources_of(connection, holder.pk):
        folder = archive.files.resource_folder(connection, row, holder)
        for one in file_rows(connection, row.pk):
            yield archive.files.file_path(folder, one.path)


def with_parts(connection: Connection, context: Context, place: Place) -> list[Place]:
    """Return an item and, for a session, its readable parts with resources.

    The parts are scans, reconstructions and assessors.

    Parameters
    ----------
    connection : Connection
        The database.
    context : Context
        The request.
    place : Place
        The item.
    """
    places = [place]
    for below in parts_of_session() if place.row.level == 'experiment' else ():
        step = Step(below, 'ALL')
        rows = find_parts(connection, context.caller, place, step, 'ALL')
        places += [
            Place(place.project, {**place.rows, step.level.singular: row}, row) for row in rows
        ]
    return places


def kept_at(
    context: Context, connection: Connection, route: ItemPath, *, strict: bool = False
) -> list[Kept]:
    """Return the resources that a route names.

    The URI of a single named resource has the scope of the route; otherwise each has its own.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    route : ItemPath
        Items, a resource, optionally files.
    strict : bool
        Whether the route must name exactly one item, as in a HEAD request.
    """
    steps, step, _ = split(route)
    places = holders_of(connection, context.caller, steps, 'HEAD' if strict else 'GET')
    among_all = context.flag('all') and all(place.row.level == 'experiment' for place in places)
    if among_all:
        places = [one for place in places for one in with_parts(connection, context, place)]
    rows = [(row, place) for place in places for row in resources_at(connection, place.row, step)]
    is_zip = context.get('format').lower() in ('zip', 'tar', 'tar.gz')
    scope = (
        _route_uri(connection, places, step)
        if step.id is not None and len(rows) == 1 and not is_zip
        else ''
    )
    found = []
    for row, place in rows:
        folder = context.archive.files.resource_folder(connection, row, place.row)
        uri = f'{scope or _holder_uri(connection, place, row)}/resources/{row.pk}'
        subject = _subject_label(connection, place) if context.flag('subjectIncludedInPath') else ''
        found.append(
            Kept(row, place, folder, uri, described(context, place.row), subject, among_all)
        )
    return found


def described(context: Context, holder: Any) -> str:
    """Return XNAT's description of the item of a resource.

    The type of a scan or reconstruction, the name of an assessor's data type, otherwise a blank.

    Parameters
    ----------
    context : Context
        The request.
    holder : Any
        Row of the item.
    """
    if level(holder.level).is_part:
        return str(fields_of(holder).get('type', ''))
    return context.archive.model.singular(holder.xsi_type) if holder.level == 'assessor' else ' '


def _subject_label(connection: Connection, place: Place) -> str:
    session = place.rows.get('experiment')
    return str(
        connection.scalar(select(item.c.label).where(item.c.pk == session.parent))
        if session is not None
        else ''
    )


def _route_uri(connection: Connection, places: Sequence[Place], step: Step) -> str:
    """Return the URI of the route with IDs in place of labels."""
    first = places[0]
    parts = ['/data']
    if 'experiment' not in first.rows:
        return _top_uri(connection, first)
    if first.project and 'subject' in first.rows:
        parts += ['projects', first.project, 'subjects', first.rows['subject'].id]
    for above in _ABOVE:
        found = [place.rows[above.singular] for place in places if above.singular in place.rows]
        rows = {row.pk: row.id for row in found}
        if rows:
            parts += [above.plural, ','.join(rows.values())]
    if any(level(name).has_sides for name in first.rows):
        parts.append(side_of(first.row, step.level.plural))
    return '/'.join(parts)


def _top_uri(connection: Connection, place: Place) -> str:
    row = place.row
    if row.level == 'project':
        return f'/data/projects/{row.id}'
    return f'/data/projects/{place.project or row.project}/subjects/{row.id}'


def _holder_uri(connection: Connection, place: Place, row: Any) -> str:
    """Return the URI of a resource's item in XNAT's own scope."""
    holder = place.row
    if holder.level in ('project', 'subject'):
        return f'/data/projects/{holder.project or holder.id}' + (
            f'/subjects/{holder.id}' if holder.level == 'subject' else ''
        )
    if holder.level == 'experiment':
        return f'/data/experiments/{holder.id}'
    session = connection.scalar(select(item.c.id).where(item.c.pk == holder.parent))
    facts = level(holder.level)
    side = ('/' + (row.side or 'out')) if facts.has_sides else ''
    return f'/data/experiments/{session}/{facts.plural}/{holder.id}{side}'


def file_uri(held: Held) -> str:
    """Return the URI of a file, not encoded, as in XNAT."""
    return f'{held.kept.uri}/files/{held.file.path}'


def files_of(
    context: Context,
    connection: Connection,
    route: ItemPath,
    *,
    path: str | None = None,
    strict: bool = False,
) -> list[Held]:
    """Return the files that a route names and the filters select.

    Parameters
    ----------
    context : Context
        The request; its parameters ``file_content`` and ``file_format`` filter.
    connection : Connection
        The database.
    route : ItemPath
        Items, a resource, optionally files.
    path : str, optional
        Only files with this path.
    strict : bool
        Whether the route must name exactly one item, as in a HEAD request.
    """
    found: list[Held] = []
    for kept in kept_at(context, connection, route, strict=strict):
        rows = (
            file_rows(connection, kept.row.pk)
            if path is None
            else connection.execute(_FILE, {'key': kept.row.pk, 'path': path})
        )
        found += [Held(one, kept) for one in rows]
    contents, formats = context.all('file_content'), context.all('file_format')
    return (
        [one for one in found if _passes_filters(one.file, contents, formats)]
        if contents or formats
        else found
    )


def files_in(connection: Connection, kept: Kept) -> list[Held]:
    """Return the files of a resource.

    Parameters
    ----------
    connection : Connection
        The database.
    kept : Kept
        The resource.
    """
    return [
        Held(one, kept)
        for one in connection.execute(
            select(file).where(file.c.resource == kept.row.pk).order_by(file.c.path)
        )
    ]


def _passes_filters(row: Any, contents: Sequence[str], formats: Sequence[str]) -> bool:
    """Whether a file passes the filters file_content and file_format.

    ``NULL`` selects files without content, but never files without format.
    """
    return (
        not contents or row.content in contents or (not row.content and 'NULL' in contents)
    ) and (not formats or row.format in formats)


def chosen(held: list[Held], asked: str, recursive: bool = True) -> list[Held]:
    """Return the files at a path, or below a folder with a trailing ``/``.

    The path is compared as sent, then decoded.

    Parameters
    ----------
    held : list[Held]
        Files to choose from.
    asked : str
        Path as sent.
    recursive : bool
        Whether files directly in the folder are included; XNAT's other listing has only those below
        them.
    """
    exact = [one for one in held if one.file.path == asked] or [
        one for one in held if one.file.path == unquote_plus(asked)
    ]
    if exact or not asked.endswith('/'):
        return exact
    below = [one for one in held if one.file.path.startswith(asked)]
    return below if recursive else [one for one in below if '/' in one.file.path[len(asked) + 1 :]]
