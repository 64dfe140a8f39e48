"""Resources that the files of a download folder belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ... import errors
from ...model import uris
from ...model.levels import LEVELS, children, level
from ...query.paths import read
from .members import Member
from .sidecar import FileNote, Sidecar

__all__ = ['by_notes', 'removed_files', 'resource_below']

_LEVELS = tuple(row.singular for row in LEVELS if row.layout_doc)
_SIDES = {row.side: row.singular for row in LEVELS if row.is_resource}
_SHOWN = 5


def by_notes(
    target: Any, sidecar: Sidecar, members: Iterable[Member]
) -> dict[Any, dict[str, Member]]:
    """Return resource -> path -> file, as the server had them.

    A file that was added to the folder belongs to the resource of the files beside it.

    Parameters
    ----------
    target : Element
        Element that takes the place of the one that was downloaded.
    sidecar : Sidecar
        The notes of the download.
    members : iterable of Member
        Files of the folder.

    Raises
    ------
    DataError
        A file has no place, or the files come from several elements of the level of the target;
        nothing is sent.
    """
    notes = sidecar.files()
    members = list(members)
    _check_target(target, list(notes.values()))
    folders = _folders(notes.values())
    grouped: dict[Any, dict[str, Member]] = defaultdict(dict)
    stored = {_spelled(note) + f'/{note.path}' for note in notes.values()}
    for member in members:
        note = notes.get(member.name) or _added(member, folders)
        if note is None:
            raise errors.DataError(
                f'{member.path} is not of the download, and has no place in it',
                remedy='Move it beside the files of its resource, or give layout=.',
            )
        resource = resource_below(target, _values(target, note))
        grouped[resource][_path_of(note, stored)] = member._replace(
            notes=tuple(sorted(note.notes.items()))
        )
    return grouped


def _path_of(note: FileNote, stored: Collection[str]) -> str:
    """Return the path that a file gets.

    Its own, decoded if XNAT takes no encoded one. The encoded path stays if the resource has a file
    of the decoded one, too; it will be refused.
    """
    meant = uris.meaning(note.path)
    is_free = f'{_spelled(note)}/{meant}' not in stored
    return meant if is_free and uris.why_unreachable(note.path) else note.path


def removed_files(sidecar: Sidecar, members: Iterable[Member]) -> list[str]:
    """Return the downloaded files that were removed from the folder since.

    Parameters
    ----------
    sidecar : Sidecar
        The notes of the download.
    members : iterable of Member
        Files of the folder.

    Raises
    ------
    DataError
        Files were never downloaded: they are in the notes, but not in the manifest.
    """
    missing = sorted(sidecar.files().keys() - {member.name for member in members})
    fetched = sidecar.fetched() if missing else set()
    never = [place for place in missing if place not in fetched]
    if never:
        raise errors.DataError(
            f'{len(never)} files of the download are missing: {", ".join(never[:_SHOWN])}',
            remedy='Complete the download, or give the files that you want as a mapping.',
        )
    return missing


def _check_target(target: Any, notes: Collection[FileNote]) -> None:
    """Check that all files come from one element of the target's level.

    Raises
    ------
    DataError
        They come from several, or from none.
    """
    if target.level.plural.endswith('resources'):
        names = {_spelled(note) for note in notes}
    elif target.level.plural == 'projects':
        names = {note.above.get('project', '') for note in notes}
    else:
        names = {note.above.get(target.level.singular, '') for note in notes}
        if '' in names:
            lacking = next(note for note in notes if not note.above.get(target.level.singular))
            raise errors.DataError(
                f'{lacking.place} is no file of a {target.level.singular}: it belongs to '
                f'{_spelled(lacking)}',
                remedy='Upload the folder to the element that it was downloaded from.',
            )
    if len(names) > 1:
        raise errors.DataError(
            f'the folder holds files of several {target.level.plural}: '
            f'{", ".join(sorted(names)[:_SHOWN])}',
            remedy='Upload it to the element above them.',
        )


def _spelled(note: FileNote) -> str:
    """Return the names that lead to the resource of a file: ``P/S1/E1/1/DICOM``."""
    names = [note.above[name] for name in (*_LEVELS, 'side') if note.above.get(name)]
    return '/'.join([*names, note.resource])


def _values(target: Any, note: FileNote) -> dict[str, str]:
    """Return the names below the target that lead to a resource.

    Raises
    ------
    DataError
        The download did not learn the label of an element on the way.
    """
    singular = target.level.singular
    passed = _LEVELS[: _LEVELS.index(singular) + 1] if singular in _LEVELS else _LEVELS
    on_the_way = {level(step.level).singular for step in read(note.uri)[:-2]}
    if 'experiment' in on_the_way:
        on_the_way.add('subject')
    unknown = on_the_way - {*passed, *note.above}
    if unknown:
        raise errors.DataError(
            f'the notes of the download do not tell the {" and ".join(sorted(unknown))} of '
            f'{note.place}',
            remedy='Upload it to the element that it was downloaded from, or give layout=.',
        )
    names = {name: value for name, value in note.above.items() if name not in passed}
    return {**names, 'resource': uris.meaning(note.resource)}


def _folders(notes: Iterable[FileNote]) -> dict[str, FileNote]:
    """Return folder of a resource -> the note of one of its files.

    A folder that has files of several resources is left out.
    """
    found: dict[str, FileNote | None] = {}
    for note in notes:
        end = '/' + uris.meaning(note.path)
        if note.place.endswith(end):
            folder = note.place[: -len(end)]
            other = found.setdefault(folder, note)
            if other is not None and (other.above, other.resource) != (note.above, note.resource):
                found[folder] = None
    return {folder: note for folder, note in found.items() if note is not None}


def _added(member: Member, folders: Mapping[str, FileNote]) -> FileNote | None:
    """Return the note of a file that was added to the folder of a resource."""
    parts = member.name.split('/')
    for end in range(len(parts) - 1, 0, -1):
        note = folders.get('/'.join(parts[:end]))
        if note is not None:
            return note._replace(place=member.name, path='/'.join(parts[end:]))
    return None


def resource_below(target: Any, values: Mapping[str, str]) -> Any:
    """Return the resource below an element that names by level lead to.

    Parameters
    ----------
    target : Element
        The element; a resource is returned as it is.
    values : mapping
        Level -> name, with ``resource``, and ``side`` (``in`` or ``out``).

    Raises
    ------
    ProgrammingError
        The element has no such level below it.
    """
    if target.level.plural.endswith('resources'):
        return target
    for name in _LEVELS:
        if name not in values:
            continue
        if name not in {row.singular for row in children(target.level.plural)}:
            raise errors.ProgrammingError(
                f'{target!r} has no {name} below it', remedy='Leave that field out of the layout.'
            )
        target = getattr(target, name)(values[name])
    return getattr(target, _SIDES[values.get('side', '')])(values['resource'])
