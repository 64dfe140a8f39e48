"""Resources of items and the files in them: how a route finds them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, select
from werkzeug.exceptions import NotFound

from .archive import Archive
from .calls import Call
from .files import FileArea
from .locate import Place, find_many
from .routes import Route, Step
from .store import file, resource

__all__ = ['SIDES', 'Held', 'chosen', 'file_uri', 'files_of', 'paths_of', 'resources_at', 'split', 'uri_of']

SIDES = {'resources': '', 'in_resources': 'in', 'out_resources': 'out'}
"""Level of resources to the side of an assessor or reconstruction that they are on."""


@dataclass
class Held:
    """A file, the resource it is in and the item that holds it."""

    file: Any
    resource: Any
    place: Place
    folder: Path
    """Of the resource."""
    uri: str
    """Of the resource, in the scope its item was asked in."""

    @cached_property
    def path(self) -> Path:
        """Where it lies."""
        return FileArea.file_path(self.folder, self.file.path)


def split(route: Route) -> tuple[Sequence[Step], Step, Step | None]:
    """The steps of the holder, the resource's step and, on a route of files, theirs."""
    steps = route.steps
    if steps[-1].level.plural == 'files':
        return steps[:-2], steps[-2], steps[-1]
    return steps[:-1], steps[-1], None


def resources_at(connection: Connection, holder: Any, step: Step, every_side: bool = False) -> list[Any]:
    """Resources of an item on the side of a step, all or those it names by label or number."""
    query = select(resource).where(resource.c.item == holder.pk).order_by(resource.c.pk)
    side = SIDES[step.level.plural]
    if not (every_side and side == ''):
        query = query.where(resource.c.side == side)
    rows = list(connection.execute(query))
    if step.id is None:
        return rows
    names = [step.id] if any(row.label == step.id for row in rows) else step.id.split(',')
    return [row for row in rows if row.label in names or str(row.pk) in names]


def paths_of(archive: Archive, connection: Connection, holder: Any) -> Iterator[Path]:
    """Where the files of all resources of an item lie."""
    for row in connection.execute(select(resource).where(resource.c.item == holder.pk).order_by(resource.c.pk)).all():
        folder = archive.files.resource_folder(connection, row, holder)
        for path in connection.scalars(select(file.c.path).where(file.c.resource == row.pk).order_by(file.c.path)).all():
            yield archive.files.file_path(folder, path)


def uri_of(place: Place, row: Any) -> str:
    """The URI of a resource in the scope its item was asked in, with IDs and the resource's number, as XNAT answers it."""
    rows, parts = place.rows, ['/data']
    if place.project:
        parts += ['projects', quote(place.project, safe='')]
    for name in ('subject', 'experiment', 'scan', 'reconstruction', 'assessor'):
        if name in rows:
            parts += [f'{name}s', quote(rows[name].id, safe='')]
    return '/'.join([*parts, *([row.side] if row.side else []), 'resources', str(row.pk)])


def file_uri(held: Held) -> str:
    """The URI of a file in the scope its item was asked in."""
    return f'{held.uri}/files/{quote(held.file.path)}'


def files_of(call: Call, connection: Connection, route: Route, *, find_places: Any = find_many, path: str | None = None) -> list[Held]:
    """The files that a route names, after the filters of the query; only those of a path, where one is given."""
    steps, step, _ = split(route)
    found: list[Held] = []
    named = False
    for place in find_places(connection, call.caller, steps):
        for row in resources_at(connection, place.row, step, every_side=True):
            named = True
            folder = call.archive.files.resource_folder(connection, row, place.row)
            query = select(file).where(file.c.resource == row.pk).order_by(file.c.path)
            query = query if path is None else query.where(file.c.path == path)
            found += [Held(one, row, place, folder, uri_of(place, row)) for one in connection.execute(query)]
    if step.id is not None and not named:
        raise NotFound(f'Unable to find the specified resource: {step.id}')
    contents, formats = call.all('file_content'), call.all('file_format')
    return [one for one in found if _wanted(one.file, contents, formats)] if contents or formats else found


def _wanted(row: Any, contents: Sequence[str], formats: Sequence[str]) -> bool:
    """The filters file_content and file_format; ``NULL`` is a file without content, but no file is without format to it."""
    return (not contents or row.content in contents or (not row.content and 'NULL' in contents)) and (not formats or row.format in formats)


def chosen(held: list[Held], asked: str) -> list[Held]:
    """Files by path; else below a folder with a trailing ``/``; by pattern with a trailing ``*``."""
    exact = [one for one in held if one.file.path == asked]
    if exact:
        return exact
    if asked.endswith('/'):
        return [one for one in held if one.file.path.startswith(asked)]
    if asked.endswith('*'):
        return [one for one in held if fnmatch.fnmatchcase(one.file.path, asked)]
    return []
