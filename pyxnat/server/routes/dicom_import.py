"""``services/import``: upload of DICOM objects, single or in a zip or tar.

Three of XNAT's import handlers are supported. The session importer (SI, the default) creates a new
session, skips files that are not DICOM, and archives the session if the request or the project says
so. DICOM-zip and gradual-DICOM add to a waiting session of the same study. It is built by
``action=commit``, by a ``dest``, or once no more files arrive for a while.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ..db.access import Caller
from ..db.guards import Guard, record
from ..db.project_settings import setting_of
from ..db.store import Connection
from ..errors import BadRequest, Conflict, Forbidden, InternalServerError, NotFound, Refusal
from ..http.request import Call, text
from ..http.router import Access, Route, guarded
from ..items.locate import find_project
from ..items.unpacking import unpack
from ..items.zip_tar import BLOCK
from ..prearchive.build import build
from ..prearchive.receive import Object, add
from ..prearchive.sessions import BUSY, NO_LABEL, UNASSIGNED, Wish, clean_label, new
from ..prearchive.to_archive import Policy, archive_session, uri_of
from ..prearchive.waiting import find_place, find_study, may_handle
from ..storage.dicom_headers import Header, NotDicom, read
from ..storage.file_area import Staged
from .file_writes import received
from .progress import Reporter
from .user_cache import find_file

__all__ = ['ROUTES', 'auto_code', 'prearchive_uri']

_HANDLERS = ('SI', 'DICOM-zip', 'gradual-DICOM')
_CODES = {'0': 'Manual', '4': 'AutoArchive', '5': 'AutoArchiveOverwrite'}
_ARCHIVE = '1'
"""prearchive_code of XNAT's upload page for 'archive': merge; overwrite only if the project does.
"""
_ARCHIVE_TYPES = ('application/zip', 'application/x-tar', 'application/x-gtar')
_DEST = re.compile(
    r'(?:/data)?/(?:archive(?:/projects/(?P<project>[^/]+)(?:/subjects/(?P<subject>[^/]+)(?:/'
    r'experiments/(?P<label>[^/]+))?)?)?'
    r'|prearchive(?:/projects/(?P<into>[^/]+)(?:/(?P<timestamp>\d{8}_\d{6,9})/(?P<folder>[^/'
    r']+))?)?)/?$'
)
_ASSIGNED = r'(?:^|[\s,;]){}\s*:\s*([\w-]+)\s*(?:$|[\s,;])'
_COMMENTS = ('PatientComments', 'StudyComments', 'AdditionalPatientHistory')
_COLUMNS = {
    'SOURCE': 'source',
    'VISIT': 'visit',
    'PROTOCOL': 'protocol',
    'TIMEZONE': 'timezone',
    'prevent_anon': 'prevent_anon',
    'prevent_auto_commit': 'prevent_auto_commit',
}


class _Order(NamedTuple):
    """Destination and options of an import."""

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
    """Import a body and return the URIs of its sessions, one per line."""
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
            raise BadRequest(
                'Unable to identify upload format.'
                if not staged
                else 'Importing several files at once is not supported.'
            )
        _check_format(call, order)
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
    """Return the URI of a session in the prearchive, as imports return it.

    Listings have it without ``/data``.
    """
    return f'/data/prearchive/projects/{row.project or UNASSIGNED}/{row.timestamp}/{row.folder}'


# -- the request


def _order(call: Call) -> _Order:
    handler = call.get('import-handler') or (
        'gradual-DICOM' if call.mimetype == 'application/dicom' else 'SI'
    )
    if handler not in _HANDLERS:
        raise NotFound(f'Unknown import-handler: {handler}. There are {", ".join(_HANDLERS)}.')
    found = _DEST.match(call.get('dest')) if call.get('dest') else None
    if call.get('dest') and found is None:
        raise BadRequest(f'Parameter dest format error: {call.get("dest")}')
    target = {name: value or '' for name, value in found.groupdict().items()} if found else {}
    dest = (
        ('prearchive' if 'prearchive' in found.group(0).split('/')[:3] else 'archive')
        if found
        else ''
    )

    def first(*names: str) -> str:
        return next((call.get(name) for name in names if call.get(name)), '')

    return _Order(
        handler=handler,
        project=target.get('project') or target.get('into') or first('project', 'PROJECT_ID'),
        subject=target.get('subject') or first('subject', 'SUBJECT_ID'),
        label=target.get('label') or first('session', 'EXPT_LABEL', 'label'),
        timestamp=target.get('timestamp', ''),
        folder=target.get('folder', ''),
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
        raise BadRequest(f'{code!r} is not one of the codes {", ".join(_CODES)}.')
    return code != '0' if code else None


def _bodies(call: Call) -> Iterator[tuple[str, Staged]]:
    """Yield the uploaded file, or the file of the user cache in ``src``."""
    if call.get('src'):
        path = find_file(call, call.get('src'))
        with path.open('rb') as source:
            yield path.name, call.archive.files.stage(iter(lambda: source.read(BLOCK), b''))
    elif call.mimetype == 'multipart/form-data':
        yield from received(call, 'upload/', folder=True)
    elif call.has_body and call.mimetype != 'application/x-www-form-urlencoded':
        yield from received(call, 'upload')


def _check_format(call: Call, order: _Order) -> None:
    """Refuse a body without the type of an archive, as DICOM-zip does.

    Measured on 1.8.11. XNAT tells the format from a file name, which a body without a form has from
    its type alone.
    """
    is_body = call.has_body and call.mimetype != 'multipart/form-data' and not call.get('src')
    if is_body and order.handler == 'DICOM-zip' and call.mimetype not in _ARCHIVE_TYPES:
        raise BadRequest('Unsupported format UNKNOWN')


def _members(call: Call, order: _Order, name: str, staged: Staged) -> list[tuple[str, Staged]]:
    """Return the files of an archive; another file is its own only member."""
    packed = (
        zipfile.is_zipfile(staged.path) or tarfile.is_tarfile(staged.path) or _starts_as_zip(staged)
    )
    if not packed and not re.search(r'\.(zip|tar|tgz|tar\.gz)$', name, re.IGNORECASE):
        return [(name, staged)]
    try:
        return list(unpack(call.archive.files, staged))
    except BadRequest as error:
        if order.handler == 'SI' and 'cannot be unpacked' in str(error.description):
            raise InternalServerError(
                str(error.description)
            ) from error  # as XNAT for unreadable archives
        raise


def _starts_as_zip(staged: Staged) -> bool:
    """Whether a file begins as a zip, also a truncated one."""
    with staged.path.open('rb') as source:
        return source.read(4) == b'PK\x03\x04'


def _objects(call: Call, order: _Order, members: list[tuple[str, Staged]]) -> Iterator[Object]:
    """Yield the DICOM objects among files.

    Other files are skipped by the session importer, and by the others with ``Ignore-Unparsable``.
    """
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
        if header.study in studies:  # the values of the study are those of its first object
            header = header._replace(values={})
        studies.add(header.study)
        yield Object('' if call.flag('rename') or name == 'upload' else name, staged, header)
    if not studies:
        raise BadRequest(
            'Upload did not include parsable files for session generation.'
            + (f' ({refused})' if refused else '')
        )


# -- where a study goes


class _Import:
    """Import of the objects of one request."""

    def __init__(self, call: Call, order: _Order) -> None:
        self._call = call
        self._order = order

    def run(self, objects: list[Object]) -> list[str]:
        """Store the objects, build and archive sessions, and return their URIs."""
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
        """Return the session that takes the objects of a study, or None.

        It is the one that ``dest`` names, or a waiting one of the same project and label (XNAT's
        PrearcDatabase): labels keep several uploads of one study apart as different sessions.
        """
        if wish.timestamp:
            return find_place(connection, wish.project, wish.timestamp, wish.folder)
        if self._order.handler == 'SI':
            return None
        return find_study(connection, wish.project, study, wish.name)

    def _wish(self, connection: Connection, header: Header) -> Wish:
        order = self._order
        project = self._project(connection, header)
        label = order.label or _assigned('Session', header) or header.values.get('PatientID', '')
        name = clean_label(label) or clean_label(order.folder) or NO_LABEL
        subject = (
            order.subject or _assigned('Subject', header) or header.values.get('PatientName', '')
        )
        more = {
            column: self._call.get(name)
            for name, column in _COLUMNS.items()
            if self._call.get(name)
        }
        folder = clean_label(order.folder) or name
        return Wish(
            project,
            name,
            clean_label(subject),
            folder,
            order.timestamp,
            self._code(connection, project, header),
            more,
        )

    def _project(self, connection: Connection, header: Header) -> str | None:
        """Return the ID of the project, or None for Unassigned.

        It is that of the request, else one in the header in which the caller may create.
        """
        caller = self._call.caller
        asked = self._order.project
        if asked and asked != UNASSIGNED:
            row = find_project(connection, asked)
            if row is None and caller.admin:
                raise NotFound(f'Unable to find the specified project: {asked}')
            if row is None or not may_handle(connection, caller, row.id, 'create'):
                raise Forbidden(f'Insufficient privileges: create in project {asked}.')
            return str(row.id)
        record(Guard.WAITING)  # every user may upload without a project, and see no more of it
        return None if asked else _project_of(connection, caller, header)

    def _code(self, connection: Connection, project: str | None, header: Header) -> str:
        if self._order.auto is not None:
            code = self._call.get('prearchive_code')
            if code == _ARCHIVE and auto_code(connection, project) == _CODES['5']:
                return _CODES['5']
            return _CODES.get(code, 'AutoArchive') if self._order.auto else 'Manual'
        assigned = _assigned('AA', header).lower()
        if assigned in ('true', 'false'):
            return 'AutoArchive' if assigned == 'true' else 'Manual'
        return auto_code(connection, project)

    def _wanted(self, row: Any) -> bool:
        """Whether to archive a session.

        By default, XNAT leaves sessions without a project in the prearchive.
        """
        if row.status != 'READY':
            return False
        return (
            self._order.auto
            if self._order.auto is not None
            else bool(row.project) and row.autoarchive != 'Manual'
        )

    def _archived(self, row: Any) -> str:
        append = 'append' if self._call.get('prearchive_code') == _ARCHIVE else 'none'
        overwrite = self._call.get('overwrite') or (
            'delete' if row.autoarchive == 'AutoArchiveOverwrite' else append
        )
        policy = Policy.of(overwrite, self._call.flag('overwrite_files'))
        trigger = self._call.flag('triggerPipelines', default=True)
        policy = policy._replace(
            subject=self._order.subject, label=self._order.label, trigger=trigger
        ).telling(self._call.query)
        try:
            session = archive_session(self._call.archive, self._call.caller, row.pk, policy)
        except Conflict as error:
            if self._order.handler == 'SI':
                raise
            raise BadRequest(
                f'unable to archive for the Prearchive session: {error.description}'
            ) from error
        with self._call.archive.store.read() as connection:
            return uri_of(connection, session)


def auto_code(connection: Connection, project: str | None) -> str:
    """Return a project's auto-archive setting.

    It is Manual, AutoArchive or AutoArchiveOverwrite.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str or None
        ID of the project; None for none.
    """
    return (
        _CODES.get(setting_of(connection, project, 'prearchive_code'), 'Manual')
        if project
        else 'Manual'
    )


def _project_of(connection: Connection, caller: Caller, header: Header) -> str | None:
    """Return the project that a header names, or None.

    It is ``Project:x`` in comments, else the study description or accession number, as in XNAT's
    Xnat15DicomProjectIdentifier.
    """
    values: Mapping[str, str] = header.values
    named = [_assigned('Project', header, (keyword,)) for keyword in _COMMENTS]
    for name in [*named, values.get('StudyDescription', ''), values.get('AccessionNumber', '')]:
        row = find_project(connection, name)
        if row is not None and may_handle(connection, caller, row.id, 'create'):
            return str(row.id)
    return None


def _assigned(name: str, header: Header, keywords: tuple[str, ...] = _COMMENTS[:2]) -> str:
    """Return the value of ``<name>:<value>`` in the comments of a study."""
    for keyword in keywords:
        found = re.search(
            _ASSIGNED.format(name), header.values.get(keyword, ''), re.IGNORECASE | re.MULTILINE
        )
        if found:
            return found.group(1)
    return ''


ROUTES = guarded(
    Guard.WAITING,
    (
        Route(
            'POST',
            '/data/services/import',
            _import,
            'Import DICOM files, in a zip or one at a time.',
            Access.LOGIN,
        ),
    ),
)
