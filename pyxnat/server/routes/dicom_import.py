"""``services/import``: DICOM objects that arrive, alone or in a zip or tar, as sessions in the prearchive or on into the archive.

Three of XNAT's handlers are there. The session importer (SI, the default) makes a new session of an upload, passes over files that are no
DICOM, and archives it where the request or the project says so. DICOM-zip and gradual-DICOM add to the session of the same study that
waits already; it is built by ``action=commit``, by a ``dest``, or after nothing came for a while.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ..db.access import ANY, Caller, rights
from ..db.project_settings import setting_of
from ..db.store import Connection
from ..errors import BadRequest, Conflict, Forbidden, InternalServerError, NotFound, Refusal
from ..http.request import Call, text
from ..http.router import Access, Route
from ..items import zip_tar
from ..items.locate import find_project
from ..prearchive.sessions import BUSY, NO_LABEL, UNASSIGNED, Object, Wish, add, build, clean_label, new
from ..prearchive.to_archive import Policy, archive_session, uri_of
from ..prearchive.waiting import find_place, find_study
from ..storage.dicom_headers import Header, NotDicom, read
from ..storage.file_area import Staged
from .file_writes import received
from .progress import Reporter
from .user_cache import find_file

__all__ = ['ROUTES', 'auto_code', 'prearchive_uri']

_HANDLERS = ('SI', 'DICOM-zip', 'gradual-DICOM')
_CODES = {'0': 'Manual', '4': 'AutoArchive', '5': 'AutoArchiveOverwrite'}
_ARCHIVE = '1'
"""The prearchive_code of XNAT's upload page for 'archive': merge, overwriting only where the project overwrites."""
_DEST = re.compile(
    r'(?:/data)?/(?:archive(?:/projects/(?P<project>[^/]+)(?:/subjects/(?P<subject>[^/]+)(?:/experiments/(?P<label>[^/]+))?)?)?'
    r'|prearchive(?:/projects/(?P<into>[^/]+)(?:/(?P<timestamp>\d{8}_\d{6,9})/(?P<folder>[^/]+))?)?)/?$'
)
_ASSIGNED = r'(?:^|[\s,;]){}\s*:\s*([\w-]+)\s*(?:$|[\s,;])'
_COMMENTS = ('PatientComments', 'StudyComments', 'AdditionalPatientHistory')
_COLUMNS = {
    'SOURCE': 'source', 'VISIT': 'visit', 'PROTOCOL': 'protocol', 'TIMEZONE': 'timezone', 'prevent_anon': 'prevent_anon',
    'prevent_auto_commit': 'prevent_auto_commit',
}  # fmt: skip


class _Order(NamedTuple):
    """What a request says of where its objects are to go."""

    handler: str
    project: str
    subject: str
    label: str
    timestamp: str
    folder: str
    dest: str
    """``archive``, ``prearchive`` or empty."""
    auto: bool | None
    """Whether to archive; None where the project's setting decides."""
    commit: bool


def _import(call: Call) -> Response:
    """Import a body: the URIs of the sessions it became, one a line."""
    area, tell = call.archive.files, Reporter(call)
    if call.mimetype == 'application/x-www-form-urlencoded':
        call.query += call.form()
    staged: list[tuple[str, Staged]] = []
    try:
        for one in _bodies(call):
            staged.append(one)
        order = _order(call)
        tell('PROCESSING', 'Beginning import')
        if len(staged) != 1:
            raise BadRequest('Unable to identify upload format.' if not staged else 'Importing several files at once is not supported.')
        members = _members(call, order, *staged[0])
        staged += members
        objects = list(_objects(call, order, members))
        tell('PROCESSING', f'Importing {len(objects)} objects')
        uris = _Import(call, order).run(objects)
    except Refusal as error:
        tell('FAILED', str(error.description), True)
        raise
    finally:
        area.discard(one for _, one in staged)
    where = 'Archive' if any(uri.startswith('/data/archive') for uri in uris) else 'Prearchive'
    tell('COMPLETED', f'{where}:{";".join(uris)}', True)
    return text(''.join(f'{uri}\r\n' for uri in uris), mimetype='text/uri-list')


def prearchive_uri(row: Any) -> str:
    """The URI of a session in the prearchive, as imports answer it: listings tell it without ``/data``."""
    return f'/data/prearchive/projects/{row.project or UNASSIGNED}/{row.timestamp}/{row.folder}'


# -- the request


def _order(call: Call) -> _Order:
    handler = call.get('import-handler') or ('gradual-DICOM' if call.mimetype == 'application/dicom' else 'SI')
    if handler not in _HANDLERS:
        raise NotFound(f'Unknown import-handler: {handler}. There are {", ".join(_HANDLERS)}.')
    found = _DEST.match(call.get('dest')) if call.get('dest') else None
    if call.get('dest') and found is None:
        raise BadRequest(f'Parameter dest format error: {call.get("dest")}')
    told = {name: value or '' for name, value in found.groupdict().items()} if found else {}
    dest = ('prearchive' if 'prearchive' in found.group(0).split('/')[:3] else 'archive') if found else ''

    def first(*names: str) -> str:
        return next((call.get(name) for name in names if call.get(name)), '')

    return _Order(
        handler=handler,
        project=told.get('project') or told.get('into') or first('project', 'PROJECT_ID'),
        subject=told.get('subject') or first('subject', 'SUBJECT_ID'),
        label=told.get('label') or first('session', 'EXPT_LABEL', 'label'),
        timestamp=told.get('timestamp', ''),
        folder=told.get('folder', ''),
        dest=dest,
        auto=_auto(call, dest),
        commit=bool(dest) or handler == 'SI' or call.get('action') == 'commit',
    )


def _auto(call: Call, dest: str) -> bool | None:
    if dest:
        return dest == 'archive'
    for name in ('AA', 'auto-archive'):
        if call.has(name):
            return call.flag(name)
    code = call.get('prearchive_code')
    if code and code not in (*_CODES, _ARCHIVE):
        raise BadRequest(f'{code!r} is none of the codes {", ".join(_CODES)}.')
    return code != '0' if code else None


def _bodies(call: Call) -> Iterator[tuple[str, Staged]]:
    """The uploaded file, or the one of the user's cache that ``src`` names."""
    if call.get('src'):
        path = find_file(call, call.get('src'))
        with path.open('rb') as source:
            yield path.name, call.archive.files.stage(iter(lambda: source.read(zip_tar.BLOCK), b''))
    elif call.mimetype == 'multipart/form-data':
        yield from received(call, 'upload/', folder=True)
    elif call.has_body and call.mimetype != 'application/x-www-form-urlencoded':
        yield from received(call, 'upload')


def _members(call: Call, order: _Order, name: str, staged: Staged) -> list[tuple[str, Staged]]:
    """The files of an archive; a file that is none is its own only member."""
    packed = zipfile.is_zipfile(staged.path) or tarfile.is_tarfile(staged.path) or _starts_as_zip(staged)
    if not packed and not re.search(r'\.(zip|tar|tgz|tar\.gz)$', name, re.IGNORECASE):
        return [(name, staged)]
    try:
        return list(zip_tar.unpack(call.archive.files, staged))
    except BadRequest as error:
        if order.handler == 'SI' and 'cannot be unpacked' in str(error.description):
            raise InternalServerError(str(error.description)) from error  # what XNAT answers where reading fails
        raise


def _starts_as_zip(staged: Staged) -> bool:
    """Also of a zip whose end is missing."""
    with staged.path.open('rb') as source:
        return source.read(4) == b'PK\x03\x04'


def _objects(call: Call, order: _Order, members: list[tuple[str, Staged]]) -> Iterator[Object]:
    """The DICOM objects among files. The session importer passes over others, and so do the rest with ``Ignore-Unparsable``."""
    ignoring = order.handler == 'SI' or call.flag('Ignore-Unparsable')
    studies: set[str] = set()
    refused = ''
    for name, staged in members:
        try:
            header = read(staged.path)
        except NotDicom as error:
            refused = f'{name}: {error}'
            if ignoring:
                continue
            raise BadRequest(refused) from error
        if header.study in studies:  # what the study as a whole says is known by its first object
            header = header._replace(values={})
        studies.add(header.study)
        yield Object('' if call.flag('rename') or name == 'upload' else name, staged, header)
    if not studies:
        raise BadRequest('Upload did not include parsable files for session generation.' + (f' ({refused})' if refused else ''))


# -- where a study goes


class _Import:
    """The objects of one request on their way."""

    def __init__(self, call: Call, order: _Order) -> None:
        self._call = call
        self._order = order

    def run(self, objects: list[Object]) -> list[str]:
        """Store the objects, build what is to be built, archive what is to be archived; the URIs."""
        studies: dict[str, list[Object]] = {}
        for one in objects:
            studies.setdefault(one.header.study, []).append(one)
        rows = [self._store(found) for found in studies.values()]
        if not self._order.commit:
            return [prearchive_uri(row) for row in rows]
        rows = [build(self._call.archive, row.pk) for row in rows]
        if self._order.handler == 'SI' and self._order.dest != 'prearchive' and len(rows) > 1:
            raise BadRequest('Upload included files for multiple imaging sessions.')
        return [self._archived(row) if self._wanted(row) else prearchive_uri(row) for row in rows]

    def _store(self, objects: list[Object]) -> Any:
        archive, caller = self._call.archive, self._call.caller
        study = objects[0].header.study
        with archive.store.write() as connection:
            wish = self._wish(connection, objects[0].header)
            row = self._waiting(connection, wish, study)
            if row is None:
                row = new(connection, caller.login, wish, study)
            elif row.status in BUSY:
                raise Conflict(f'The session {row.folder} is in use: {row.status}.')
            add(archive, connection, row, objects)
        return row

    def _waiting(self, connection: Connection, wish: Wish, study: str) -> Any:
        """The session that takes the objects of a study: the one that ``dest`` names, or one of the same project that waits.

        A label that the request tells keeps apart uploads of one study as different sessions.
        """
        if wish.timestamp:
            return find_place(connection, wish.project, wish.timestamp, wish.folder)
        if self._order.handler == 'SI':
            return None
        return find_study(connection, wish.project, study, wish.name if self._order.label else '')

    def _wish(self, connection: Connection, header: Header) -> Wish:
        order = self._order
        project = self._project(connection, header)
        label = order.label or _assigned('Session', header) or header.values.get('PatientID', '')
        name = clean_label(label) or clean_label(order.folder) or NO_LABEL
        subject = order.subject or _assigned('Subject', header) or header.values.get('PatientName', '')
        more = {column: self._call.get(name) for name, column in _COLUMNS.items() if self._call.get(name)}
        folder = clean_label(order.folder) or name
        return Wish(project, name, clean_label(subject), folder, order.timestamp, self._code(connection, project, header), more)

    def _project(self, connection: Connection, header: Header) -> str | None:
        """ID of the project: the one asked for, else the one that the header names and the caller may create in; None: Unassigned."""
        caller = self._call.caller
        asked = self._order.project
        if asked and asked != UNASSIGNED:
            row = find_project(connection, asked)
            if row is None and caller.admin:
                raise NotFound(f'Unable to find the specified project: {asked}')
            if row is None or 'create' not in rights(connection, caller, row.id, ANY):
                raise Forbidden(f'Insufficient privileges: create in project {asked}.')
            return str(row.id)
        return None if asked else _project_of(connection, caller, header)

    def _code(self, connection: Connection, project: str | None, header: Header) -> str:
        if self._order.auto is not None:
            code = self._call.get('prearchive_code')
            if code == _ARCHIVE and auto_code(connection, project) == _CODES['5']:
                return _CODES['5']
            return _CODES.get(code, 'AutoArchive') if self._order.auto else 'Manual'
        told = _assigned('AA', header).lower()
        if told in ('true', 'false'):
            return 'AutoArchive' if told == 'true' else 'Manual'
        return auto_code(connection, project)

    def _wanted(self, row: Any) -> bool:
        """Whether a session is to be archived. XNAT leaves one without a project in the prearchive unless it is told otherwise."""
        if row.status != 'READY':
            return False
        return self._order.auto if self._order.auto is not None else bool(row.project) and row.autoarchive != 'Manual'

    def _archived(self, row: Any) -> str:
        append = 'append' if self._call.get('prearchive_code') == _ARCHIVE else 'none'
        overwrite = self._call.get('overwrite') or ('delete' if row.autoarchive == 'AutoArchiveOverwrite' else append)
        policy = Policy.of(overwrite, self._call.flag('overwrite_files'))
        trigger = self._call.flag('triggerPipelines', default=True)
        policy = policy._replace(subject=self._order.subject, label=self._order.label, trigger=trigger).telling(self._call.query)
        try:
            session = archive_session(self._call.archive, self._call.caller, row.pk, policy)
        except Conflict as error:
            if self._order.handler == 'SI':
                raise
            raise BadRequest(f'unable to archive for the Prearchive session: {error.description}') from error
        with self._call.archive.store.read() as connection:
            return uri_of(connection, session)


def auto_code(connection: Connection, project: str | None) -> str:
    """What a project does with what arrives: Manual, AutoArchive or AutoArchiveOverwrite."""
    return _CODES.get(setting_of(connection, project, 'prearchive_code'), 'Manual') if project else 'Manual'


def _project_of(connection: Connection, caller: Caller, header: Header) -> str | None:
    """By ``Project:x`` in comments, else the study's description or accession number where that is a project (Xnat15DicomProjectIdentifier)."""
    values: Mapping[str, str] = header.values
    named = [_assigned('Project', header, (keyword,)) for keyword in _COMMENTS]
    for name in [*named, values.get('StudyDescription', ''), values.get('AccessionNumber', '')]:
        row = find_project(connection, name)
        if row is not None and 'create' in rights(connection, caller, row.id, ANY):
            return str(row.id)
    return None


def _assigned(name: str, header: Header, keywords: tuple[str, ...] = _COMMENTS[:2]) -> str:
    """The value of ``<name>:<value>`` in the comments of a study."""
    for keyword in keywords:
        found = re.search(_ASSIGNED.format(name), header.values.get(keyword, ''), re.IGNORECASE | re.MULTILINE)
        if found:
            return found.group(1)
    return ''


ROUTES = (Route('POST', '/data/services/import', _import, 'Import DICOM files, in a zip or one at a time.', Access.LOGIN),)
