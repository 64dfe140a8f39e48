"""``/xapi/archive``: downloads of chosen parts of sessions, which are prepared first, and the refreshing of catalogues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from lxml import etree
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ...model.levels import level
from ...model.xml import write_xml
from ..db.store import fields_of
from ..errors import Forbidden, InternalServerError, NotFound, Refusal, UnsupportedMediaType
from ..http.request import Call
from ..http.responses import send
from ..http.router import Access, Route
from ..items.find_files import Held, Kept, files_in, resources_at, with_parts
from ..items.holders import holders_of
from ..items.locate import Place
from ..items.represent import CAT
from ..items.uris import Step
from ..items.zip_tar import pack_named
from ..routes import refresh_catalogue
from .json_body import json_body

__all__ = ['ROUTES']

_GROUPS = {'scan': 'RAW', 'experiment': 'RESOURCES', 'assessor': 'ASSESSORS', 'reconstruction': 'RECONSTRUCTIONS'}
_ORDER = ('assessor', 'reconstruction', 'experiment', 'scan')
"""In which they come in the zip."""


class _Session(NamedTuple):
    """A session of a download."""

    project: str
    subject: str
    """As it was asked for."""
    label: str
    place: Place


class _Part(NamedTuple):
    """A resource of a download, and its folder in the zip."""

    session: _Session
    kept: Kept
    folder: str

    @property
    def group(self) -> str:
        """What holds it."""
        return str(self.kept.place.row.level)


class _Download(NamedTuple):
    """What was asked for, by whom."""

    login: str
    asked: dict[str, Any]

    @property
    def options(self) -> list[str]:
        return self.asked.get('options') or []


def _prepare(call: Call) -> Response:
    """Keep what is wanted under an ID; within a second all have the same, and the last counts, as on XNAT."""
    body, status = _prepared(call)
    return Response(body, status, mimetype='text/plain' if status == 204 else 'application/xml')


def _prepared(call: Call) -> tuple[str, int]:
    asked = json_body(call)
    if 'projectIds' not in asked:
        raise InternalServerError('There was an error in the request: name the projects in projectIds.')
    download = _Download(call.caller.login, asked)
    with call.archive.store.read() as connection:
        sessions = list(_sessions(call, connection, download))
    if not sessions:
        return '', 204
    name = f'{call.caller.login}-{time.strftime("%Y%m%d_%H%M%S")}'
    call.archive.downloads[name] = download
    return name, 200


def _prepare_with_size(call: Call) -> Any:
    name, status = _prepared(call)
    if status == 204:
        return None
    with call.archive.store.read() as connection:
        parts = list(_parts(call, connection, call.archive.downloads[name]))
        size = sum(one.file.size for part in parts for one in files_in(connection, part.kept))
    return {'size': str(size), 'id': name, 'resourcesOfUnknownSize': '0'}


def _sessions(call: Call, connection: Connection, download: _Download) -> Iterator[_Session]:
    """The sessions of ``PROJECT:SUBJECT:LABEL:ID``; `Forbidden` for one that is not there or may not be read."""
    for text in download.asked.get('sessions') or ():
        parts = str(text).split(':')
        if len(parts) != 4:
            raise InternalServerError('There was an error in the request: a session is PROJECT:SUBJECT:LABEL:ID.')
        project, subject, label, identity = parts
        try:
            steps = [Step(level('projects'), project), Step(level('experiments'), identity)]
            place = holders_of(connection, call.caller, steps)[0]
        except Refusal as error:
            raise Forbidden from error
        if place.row.level != 'experiment':
            raise Forbidden
        yield _Session(project, subject, label, place)


def _parts(call: Call, connection: Connection, download: _Download) -> Iterator[_Part]:
    for session in _sessions(call, connection, download):
        for place in with_parts(connection, call, session.place):
            plural = 'resources' if place.row.level in ('experiment', 'scan') else 'out_resources'
            for row in resources_at(connection, place.row, Step(level(plural), None)):
                if _is_wanted(place.row, row, download.asked):
                    kept = Kept(row, place, call.archive.files.resource_folder(connection, row, place.row), '')
                    yield _Part(session, kept, _folder(session, place.row, row, download.options))


def _is_wanted(holder: Any, row: Any, asked: dict[str, Any]) -> bool:
    """Whether the filters name a resource; those of scans need both a type and a format."""
    if holder.level == 'scan':
        kinds, formats = asked.get('scan_types') or (), asked.get('scan_formats') or ()
        return fields_of(holder).get('type', '') in kinds and (row.label in formats or row.format in formats)
    if holder.level == 'experiment':
        return row.label in (asked.get('resources') or ())
    if holder.level == 'assessor':
        return holder.xsi_type in (asked.get('assessors') or ())
    return fields_of(holder).get('type', '') in (asked.get('reconstructions') or ())


def _folder(session: _Session, holder: Any, row: Any, options: list[str]) -> str:
    name = row.label or str(row.pk)
    kind = ''.join(char if char.isalnum() or char == '_' else '_' for char in fields_of(holder).get('type', ''))
    simple = 'simplified' in options
    inner = {
        'experiment': [], 'assessor': ['assessors', holder.label or holder.id], 'reconstruction': ['reconstructions', holder.id],
        'scan': ['scans', holder.id if simple or not kind else f'{holder.id}-{kind}'],
    }[holder.level]  # fmt: skip
    before = [session.project] if 'projectIncludedInPath' in options else []
    before += [session.subject] if 'subjectIncludedInPath' in options else []
    middle = inner[1:] if simple else [*inner, 'resources']
    return '/'.join([*before, session.label, *middle, name])


def _found(call: Call, name: str) -> _Download:
    download: _Download | None = call.archive.downloads.get(name)
    if download is None:
        raise NotFound(f'There is no download {name}.')
    if download.login != call.caller.login:
        raise Forbidden
    return download


def _zip(call: Call, name: str) -> Response:
    """The files of a download; those of scans without their folders, unless it is simplified. Where two get one name XNAT's zip ends."""
    download = _found(call, name)
    with call.archive.store.read() as connection:
        found = reversed([*_parts(call, connection, download)])
        parts = sorted(found, key=lambda part: _ORDER.index(part.group))
        entries = list(_entries(connection, parts, 'simplified' in download.options))
    return send(pack_named(name, entries))


def _entries(connection: Connection, parts: list[_Part], is_whole: bool) -> Iterator[tuple[str, Held]]:
    for part in parts:
        held = [one for one in files_in(connection, part.kept) if one.path.is_file()]
        if is_whole or part.group != 'scan':
            yield from ((f'{part.folder}/{one.file.path}', one) for one in held)
            continue
        names = {PurePosixPath(one.file.path).name: one for one in held}
        yield from ((f'{part.folder}/{name}', one) for name, one in names.items())
        if len(names) < len(held):
            return


def _catalogue(call: Call, name: str) -> Response:
    download = _found(call, name)
    with call.archive.store.read() as connection:
        parts = list(_parts(call, connection, download))
        root = _node(None, 'Catalog', ID=name, **({'description': ', '.join(download.options)} if download.options else {}))
        _node(_node(root, 'metaFields'), 'metaField', name='PROJECT')
        sets = _node(root, 'sets')
        for session in _sessions(call, connection, download):
            _add_session(sets, session, [part for part in parts if part.session.place.row.pk == session.place.row.pk])
    headers = {'Content-Disposition': f'attachment; filename="{name}.xml"'}
    return Response(write_xml(root), mimetype='application/xml', headers=headers)


def _add_session(sets: etree._Element, session: _Session, parts: list[_Part]) -> None:
    described = f'Project: {session.project}, subject: {session.subject}, label: {session.label}'
    found = _node(sets, 'entrySet', ID=session.place.row.id, description=described)
    inner = _node(found, 'sets') if parts else found
    for kind, group in _GROUPS.items():
        of_kind = [part for part in parts if part.group == kind]
        if not of_kind:
            continue
        entries = _node(_node(inner, 'entrySet', ID=group, description=f'{described} {group}'), 'entries')
        for part in of_kind:
            row, holder = part.kept.row, part.kept.place.row
            below = {'experiment': '', 'scan': f'/scans/{holder.id}', 'assessor': f'/assessors/{holder.id}/out'}.get(
                kind, f'/{kind}s/{holder.id}/out'
            )
            uri = f'/archive/experiments/{session.place.row.id}{below}/resources/{row.label or row.pk}/files'
            _node(entries, 'entry', URI=uri, name=part.folder)


def _node(above: etree._Element | None, tag: str, **attributes: str) -> etree._Element:
    name = f'{{{CAT}}}{tag}'
    return etree.Element(name, attributes, nsmap={'cat': CAT}) if above is None else etree.SubElement(above, name, attributes)


def _bare(call: Call, name: str) -> Response:
    raise UnsupportedMediaType('Ask for its zip or its xml.')


def _refresh(call: Call, operations: str = '') -> None:
    """Refresh the catalogues of the resources, or of all that the items have, that the body lists."""
    options = {name.lower() for name in operations.split(',') if name}
    if not options <= {'append', 'checksum', 'delete', 'populatestats'}:
        raise InternalServerError(f'There was an error in the request: there is no operation {operations}.')
    try:
        refresh_catalogue.refresh(call, [str(uri) for uri in json_body(call, list)], options or refresh_catalogue.OPTIONS)
    except Refusal as error:
        raise InternalServerError(f'There was an error in the request: {error.description}') from error


ROUTES = (
    Route('POST', '/xapi/archive/download', _prepare, 'Prepare a download of sessions, and return its name.', Access.LOGIN),
    Route('POST', '/xapi/archive/downloadwithsize', _prepare_with_size, 'Prepare a download, and return its name and size.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}', _bare, 'Say that a download is there.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/zip', _zip, 'Return a prepared download as a zip.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/test', _zip, 'Return the same zip.', Access.LOGIN),
    Route('GET', '/xapi/archive/download/{name}/xml', _catalogue, 'Return the catalogue of a prepared download.', Access.LOGIN),
    Route('PUT', '/xapi/archive/catalogs/refresh', _refresh, 'Make rows and digests of resources agree with the files on disk.', Access.LOGIN),
    Route('PUT', '/xapi/archive/catalogs/refresh/{operations}', _refresh, 'Do some of that.', Access.LOGIN),
)
