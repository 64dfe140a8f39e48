"""Selected parts of sessions for download, as a zip and as a catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from lxml import etree
from sqlalchemy import Connection

from ...model.levels import LEVELS, level
from ...model.xml import Node, write_xml
from ..context import Context
from ..db.guards import Guard, record
from ..db.store import fields_of
from ..errors import Forbidden, InternalServerError, Refusal
from .find_files import Held, Kept, files_in, resources_at, with_parts
from .holders import holders_of
from .locate import Place
from .represent import CAT
from .uris import Step

__all__ = ['ORDER', 'Part', 'Session', 'entries_of', 'parts_of', 'sessions_of', 'write_catalogue']

_SCAN, _SESSION, *_OTHERS = sorted(
    (row for row in LEVELS if row.download_group), key=lambda row: row.singular != 'scan'
)
GROUPS = {row.singular: row.download_group for row in (_SCAN, _SESSION, *_OTHERS)}
ORDER = tuple(row.singular for row in (*_OTHERS, _SESSION, _SCAN))
"""Order of levels in the zip."""


class Session(NamedTuple):
    """Session of a download."""

    project: str
    subject: str
    """As in the request."""
    label: str
    place: Place


class Part(NamedTuple):
    """Resource of a download, and its folder in the zip."""

    session: Session
    kept: Kept
    folder: str

    @property
    def group(self) -> str:
        """Level of the resource's item."""
        return str(self.kept.place.row.level)


def sessions_of(
    context: Context, connection: Connection, asked: Mapping[str, Any]
) -> Iterator[Session]:
    """Yield the sessions of a download.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    asked : Mapping[str, Any]
        The download; its ``sessions`` are texts like ``PROJECT:SUBJECT:LABEL:ID``.

    Raises
    ------
    Forbidden
        For a session that does not exist, or is not readable.
    """
    record(Guard.ITEM)  # each session is found with the rights of the caller
    for text in asked.get('sessions') or ():
        parts = str(text).split(':')
        if len(parts) != 4:
            raise InternalServerError(
                'There was an error in the request: a session is PROJECT:SUBJECT:LABEL:ID.'
            )
        project, subject, label, identity = parts
        try:
            steps = [Step(level('projects'), project), Step(level('experiments'), identity)]
            place = holders_of(connection, context.caller, steps)[0]
        except Refusal as error:
            raise Forbidden from error
        if place.row.level != 'experiment':
            raise Forbidden
        yield Session(project, subject, label, place)


def parts_of(context: Context, connection: Connection, asked: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the resources of a download.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    asked : Mapping[str, Any]
        The download: sessions, filters and options.
    """
    for session in sessions_of(context, connection, asked):
        for place in with_parts(connection, context, session.place):
            plural = 'out_resources' if level(place.row.level).has_sides else 'resources'
            for row in resources_at(connection, place.row, Step(level(plural), None)):
                if _is_wanted(place.row, row, asked):
                    kept = Kept(
                        row,
                        place,
                        context.archive.files.resource_folder(connection, row, place.row),
                        '',
                    )
                    yield Part(
                        session, kept, _folder(session, place.row, row, asked.get('options') or [])
                    )


def _is_wanted(holder: Any, row: Any, asked: Mapping[str, Any]) -> bool:
    """Whether the filters select a resource; for scans, both type and format."""
    if holder.level == 'scan':
        kinds, formats = asked.get('scan_types') or (), asked.get('scan_formats') or ()
        return fields_of(holder).get('type', '') in kinds and (
            row.label in formats or row.format in formats
        )
    if holder.level == 'experiment':
        return row.label in (asked.get('resources') or ())
    if holder.level == 'assessor':
        return holder.xsi_type in (asked.get('assessors') or ())
    wanted = asked.get(level(holder.level).plural) or ()
    return fields_of(holder).get('type', '') in wanted


def _folder(session: Session, holder: Any, row: Any, options: list[str]) -> str:
    name = row.label or str(row.pk)
    kind = ''.join(
        char if char.isalnum() or char == '_' else '_' for char in fields_of(holder).get('type', '')
    )
    simple = 'simplified' in options
    facts = level(holder.level)
    described = f'-{kind}' if facts == _SCAN and kind and not simple else ''
    inner = (
        [facts.zip_folder, f'{holder.label or holder.id}{described}'] if facts.zip_folder else []
    )
    before = [session.project] if 'projectIncludedInPath' in options else []
    before += [session.subject] if 'subjectIncludedInPath' in options else []
    middle = inner[1:] if simple else [*inner, 'resources']
    return '/'.join([*before, session.label, *middle, name])


def entries_of(
    connection: Connection, parts: Iterable[Part], is_whole: bool
) -> Iterator[tuple[str, Held]]:
    """Yield the files of resources with their names in the zip.

    As in XNAT, it ends after a scan with two files of the same name.

    Parameters
    ----------
    connection : Connection
        The database.
    parts : Iterable[Part]
        The resources.
    is_whole : bool
        Whether files of scans keep their folders.
    """
    for part in parts:
        held = [one for one in files_in(connection, part.kept) if one.path.is_file()]
        if is_whole or part.group != 'scan':
            yield from ((f'{part.folder}/{one.file.path}', one) for one in held)
            continue
        names = {PurePosixPath(one.file.path).name: one for one in held}
        yield from ((f'{part.folder}/{name}', one) for name, one in names.items())
        if len(names) < len(held):
            return


def write_catalogue(
    name: str, options: Sequence[str], sessions: Iterable[Session], parts: Sequence[Part]
) -> bytes:
    """Return the catalogue of a download.

    Parameters
    ----------
    name : str
        ID of the download.
    options : Sequence[str]
        Its options.
    sessions : Iterable[Session]
        Its sessions.
    parts : Sequence[Part]
        Its resources.
    """
    root = _node(
        None, 'Catalog', ID=name, **({'description': ', '.join(options)} if options else {})
    )
    _node(_node(root, 'metaFields'), 'metaField', name='PROJECT')
    sets = _node(root, 'sets')
    for session in sessions:
        _add_session(
            sets,
            session,
            [part for part in parts if part.session.place.row.pk == session.place.row.pk],
        )
    return write_xml(root)


def _add_session(sets: Node, session: Session, parts: list[Part]) -> None:
    described = f'Project: {session.project}, subject: {session.subject}, label: {session.label}'
    found = _node(sets, 'entrySet', ID=session.place.row.id, description=described)
    inner = _node(found, 'sets') if parts else found
    for kind, group in GROUPS.items():
        of_kind = [part for part in parts if part.group == kind]
        if not of_kind:
            continue
        entries = _node(
            _node(inner, 'entrySet', ID=group, description=f'{described} {group}'), 'entries'
        )
        for part in of_kind:
            row, holder = part.kept.row, part.kept.place.row
            facts = level(kind)
            below = f'/{facts.plural}/{holder.id}' if facts.zip_folder else ''
            below += '/out' if facts.has_sides else ''
            uri = (
                f'/archive/experiments/{session.place.row.id}{below}/resources/'
                f'{row.label or row.pk}/files'
            )
            _node(entries, 'entry', URI=uri, name=part.folder)


def _node(above: Node | None, tag: str, **attributes: str) -> Node:
    name = f'{{{CAT}}}{tag}'
    return (
        etree.Element(name, attributes, nsmap={'cat': CAT})
        if above is None
        else etree.SubElement(above, name, attributes)
    )
