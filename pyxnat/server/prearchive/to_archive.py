"""Transfer of sessions from the prearchive into the archive, with checks.

A session is archived in one transaction. Its items are created by the code of PUT, its images
become the files of a resource DICOM in each scan, and its folder is renamed by the task table after
the commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from ..archive import Archive
from ..db.access import Caller
from ..db.store import arrival, arrival_file, fields_of, file, item, now, resource
from ..errors import BadRequest, Conflict, Forbidden, Refusal
from ..items.edit import Document
from ..items.locate import in_project, labelled
from ..items.scan_types import usual_types
from ..items.settings import read_settings
from ..items.writer import Writer
from ..jobs.pipeline_engine import Pipelines
from ..jobs.workflow_log import record
from .build import build
from .sessions import BUSY, clean_label, folder_of, images_of, relocate, scans_of, set_status

__all__ = ['Notice', 'Policy', 'archive_session', 'notices', 'uri_of']

LABEL = 'DICOM'
_SETTING = re.compile(r'\w+:\w+/')
_IDENTITY = re.compile(r'^[^/]+/(ID|label|project|subject_ID)$', re.IGNORECASE)
_OF_SCAN = re.compile(r'^[^/]+/scans/scan\[(\d+)\](?:\[@xsi:type=[^\]]+\])?/(.+)$')
_EXISTS = 'Session already exists, retry with overwrite enabled'


class Policy(NamedTuple):
    """Target of a session, and rights to change an existing one."""

    merge: bool = False
    """Whether an existing session may take the new scans (``overwrite=append``)."""
    override: bool = False
    """Whether existing files and values may be replaced (``overwrite=delete``)."""
    project: str = ''
    """ID of the project; by default that of the session."""
    subject: str = ''
    label: str = ''
    trigger: bool = True
    """Whether automatic pipelines are started (``triggerPipelines``)."""
    settings: tuple[tuple[str, str], ...] = ()
    """Full paths of the session's type and their values."""

    def telling(self, query: Iterable[tuple[str, str]]) -> Policy:
        """Return the policy with the full paths among request parameters.

        Their label and subject are used only if the policy has none.
        """
        paths = tuple((name, value) for name, value in query if _SETTING.match(name))
        ends = {name.partition('/')[2].lower(): value for name, value in paths}
        subject, label = (
            self.subject or ends.get('subject_id', ''),
            self.label or ends.get('label', ''),
        )
        return self._replace(
            subject=subject,
            label=label,
            settings=tuple(pair for pair in paths if not _IDENTITY.search(pair[0])),
        )

    @classmethod
    def of(cls, overwrite: str, overwrite_files: bool = False) -> Policy:
        """Return the policy of ``overwrite`` and ``overwrite_files``.

        Parameters
        ----------
        overwrite : str
            ``append`` merges; ``delete`` and ``override`` merge and replace; anything else does
            neither.
        overwrite_files : bool
            Whether existing files may be replaced.
        """
        override = overwrite in ('delete', 'override')
        return cls(merge=override or overwrite == 'append', override=override or overwrite_files)


class Notice(NamedTuple):
    """Obstacle to archiving a session, or a warning."""

    code: int
    """As in XNAT's PrearcSessionValidator."""
    type: str
    """CONFLICT: possible with overwriting; FAIL: impossible; WARN: a warning."""
    message: str


class _Target(NamedTuple):
    project: str
    label: str
    subject_label: str
    subject: Any
    session: Any


def archive_session(archive: Archive, caller: Caller, pk: int, policy: Policy) -> Any:
    """Archive a session and return its new row.

    Parameters
    ----------
    archive : Archive
        The archive.
    caller : Caller
        The user.
    pk : int
        Key of the session in the prearchive.
    policy : Policy
        Target, and rights to change an existing session.

    Raises
    ------
    Conflict
        If an existing session does not allow it; the status becomes CONFLICT.
    BadRequest
        Without a project or subject; the status becomes ERROR.
    Forbidden
        Without the right to create there.
    """
    with archive.store.read() as connection:
        status = connection.scalar(select(arrival.c.status).where(arrival.c.pk == pk))
    if status in ('RECEIVING', 'ERROR'):
        build(archive, pk)
    try:
        with archive.store.write() as connection:
            row = connection.execute(select(arrival).where(arrival.c.pk == pk)).one()
            if row.status in BUSY:
                raise Forbidden(f'The session {row.folder} is locked: {row.status}.')
            if row.status == 'ERROR':
                raise BadRequest(
                    f'The session {row.folder} cannot be built; see its log for the reason.'
                )
            session = _Transfer(archive, connection, caller, row, policy).run()
            started = (
                archive.part(Pipelines).launch_auto(connection, session, caller.login)
                if policy.trigger
                else []
            )
    except Refusal as error:
        with archive.store.write() as connection:
            if not isinstance(error, Forbidden):
                set_status(
                    connection,
                    pk,
                    'CONFLICT' if isinstance(error, Conflict) else 'ERROR',
                    f'Not archived: {error.description}',
                )
        raise
    for path, launch in started:
        archive.part(Pipelines).start(path, launch)
    return session


def uri_of(connection: Connection, session: Any) -> str:
    """Return the URI of an archived session, as XNAT does.

    Parameters
    ----------
    connection : Connection
        The database.
    session
        The session.
    """
    subject = connection.execute(select(item).where(item.c.pk == session.parent)).one()
    return (
        f'/data/archive/projects/{session.project}/subjects/{subject.label or subject.id}/'
        f'experiments/{session.label}'
    )


# -- checks


def _target(connection: Connection, row: Any, policy: Policy) -> _Target:
    project = policy.project or row.project or ''
    label = clean_label(policy.label or row.name)
    fields = fields_of(row)
    wanted = policy.subject or row.subject or fields.get('dcmPatientName', '')
    subject_label = clean_label(wanted)
    known = select(item).where(item.c.level == 'subject', in_project(project))
    named = (
        (item.c.id == wanted)
        | labelled(['subject'], project, subject_label)
        | (func.lower(item.c.label) == subject_label.lower())
    )
    subject = (
        connection.execute(
            known.where(named).order_by(item.c.label != subject_label, item.c.pk)
        ).first()
        if project and subject_label
        else None
    )
    has_id = (item.c.id == label) & (item.c.project == project)
    query = select(item).where(
        has_id & (item.c.level == 'experiment') | labelled(['experiment'], project, label)
    )
    return _Target(
        project,
        label,
        subject_label,
        subject,
        connection.execute(query).first() if project else None,
    )


def notices(connection: Connection, row: Any, policy: Policy) -> list[Notice]:
    """Return the obstacles to archiving a session, by code.

    Parameters
    ----------
    connection : Connection
        The database.
    row
        The session.
    policy : Policy
        Target, and rights to change an existing session.
    """
    target = _target(connection, row, policy)
    found = []
    if not target.project:
        found.append(Notice(6, 'FAIL', 'unable to identify destination project'))
    if not target.label:
        found.append(Notice(8, 'FAIL', 'unable to deduce session label'))
    if not target.subject_label:
        found.append(Notice(11, 'FAIL', 'Unable to identify subject.'))
    elif target.subject is None:
        found.append(Notice(12, 'WARN', f'Subject {target.subject_label} will be created.'))
    if target.session is not None:
        found += _against(connection, row, target)
    return sorted(found)


def _against(connection: Connection, row: Any, target: _Target) -> Iterable[Notice]:
    session = target.session
    yield Notice(1, 'CONFLICT', _EXISTS)
    if session.project != target.project:
        yield Notice(3, 'FAIL', 'Invalid modification of session project via archive process.')
    if target.subject is None or target.subject.pk != session.parent:
        yield Notice(
            4,
            'FAIL',
            f'Invalid modification of session subject via archive process.: {session.label} '
            'Already Exists for another Subject',
        )
    uid = fields_of(session).get('UID', '')
    if uid and row.tag and uid != row.tag:
        yield Notice(5, 'CONFLICT', 'Invalid modification of session UID via archive process.')
    if session.xsi_type != row.xsi_type:
        yield Notice(
            19,
            'FAIL',
            'Invalid modification of session modality via archive process.  Data may require a '
            'manual merge.',
        )
    for scan in scans_of(connection, row.pk):
        known = _matching(connection, session.pk, scan)
        if known is None and _scan(connection, session.pk, scan.id) is not None:
            yield Notice(
                17,
                'CONFLICT',
                f'Session already contains a scan ({scan.id}) with the same number, but a '
                'different UID.',
            )
        elif known is not None and known.id != scan.id:
            yield Notice(
                18,
                'CONFLICT',
                f'Session already contains a scan ({known.id}) with the same UID, but a different '
                'number.',
            )
        elif known is not None:
            yield Notice(
                16,
                'CONFLICT',
                f'Session already contains a scan ({known.id}) with the same UID and number.',
            )
        both = _shared_names(connection, known, scan) if known is not None else set()
        if both:
            yield Notice(
                14, 'CONFLICT', f'Scan {known.id} has {len(both)} of the files already: {min(both)}'
            )


def _scan(connection: Connection, session: int, name: str) -> Any:
    return connection.execute(
        select(item).where(item.c.level == 'scan', item.c.parent == session, item.c.id == name)
    ).first()


def _matching(connection: Connection, session: int, scan: Any) -> Any:
    """Return the scan of a session that a series belongs to, or None.

    It is the one with the same UID, or with the same ID and no UID.
    """
    uid = func.json_extract(item.c.fields, '$."UID"')
    query = select(item).where(item.c.level == 'scan', item.c.parent == session)
    found = connection.execute(query.where(uid == scan.uid)).first()
    return (
        found
        if found is not None
        else connection.execute(query.where(item.c.id == scan.id, uid.is_(None))).first()
    )


def _dicom_of(connection: Connection, scan: int) -> Any:
    return connection.execute(
        select(resource).where(
            resource.c.item == scan, resource.c.side == '', resource.c.label == LABEL
        )
    ).first()


def _shared_names(connection: Connection, known: Any, scan: Any) -> set[str]:
    holder = _dicom_of(connection, known.pk)
    if holder is None:
        return set()
    there = set(connection.scalars(select(file.c.path).where(file.c.resource == holder.pk)))
    return there & set(
        connection.scalars(select(arrival_file.c.path).where(arrival_file.c.scan == scan.pk))
    )


# -- transfer


class _Transfer:
    """Archiving of one session, in one transaction."""

    def __init__(
        self, archive: Archive, connection: Connection, caller: Caller, row: Any, policy: Policy
    ) -> None:
        self.archive = archive
        self.connection = connection
        self.writer = Writer(archive, connection, caller)
        self.row = row
        self.policy = policy
        self.target = _target(connection, row, policy)
        self.source = folder_of(archive.files, row)
        self.types = usual_types(connection, self.target.project)
        of_scans = [
            (found, value) for name, value in policy.settings if (found := _OF_SCAN.match(name))
        ]
        self.scan_settings = [
            (int(found.group(1)), found.group(2), value) for found, value in of_scans
        ]
        self.settings = self._set(
            row, [pair for pair in policy.settings if not _OF_SCAN.match(pair[0])]
        )

    def run(self) -> Any:
        """Create the items and files, schedule renames and return the session."""
        self._check()
        existing = self.target.session
        session = self._create() if existing is None else self._merge(existing)
        homes = [
            (scan, self._scan(session, scan, number))
            for number, scan in enumerate(scans_of(self.connection, self.row.pk))
        ]
        for scan, home in homes:
            relocate(
                self.archive,
                self.connection,
                images_of(self.archive.files, self.row, scan.id),
                home,
            )
        self.archive.store.later(self.connection, self.archive.files.relative(self.source), None)
        self.connection.execute(arrival.delete().where(arrival.c.pk == self.row.pk))
        record(
            self.connection,
            session,
            'Transfer' if existing is None else 'Merge',
            self.writer.caller.login,
        )
        return session

    def _set(self, row: Any, pairs: list[tuple[str, str]]) -> dict[str, str]:
        """Return the fields of an item, updated with full paths of the request.

        `BadRequest` for a path that its type does not have.
        """
        found = read_settings(
            self.archive.model, row.xsi_type, '', pairs, fields_of(row), short=False
        )
        if found.is_broken:
            raise BadRequest(
                'unable to map parameters to valid xml path: '
                f'{", ".join(name for name, _ in pairs)}'
            )
        return found.fields

    def _check(self) -> None:
        for notice in notices(self.connection, self.row, self.policy):
            if notice.type == 'FAIL' and notice.code in (6, 8, 11):
                raise BadRequest(notice.message)
            if (
                notice.type == 'FAIL'
                or (notice.code == 1 and not self.policy.merge)
                or (notice.code in (5, 14) and not self.policy.override)
            ):
                raise Conflict(notice.message)

    def _create(self) -> Any:
        project = self.connection.execute(
            select(item).where(item.c.level == 'project', item.c.id == self.target.project)
        ).one()
        subject = self.target.subject
        if subject is None:
            subject = self.writer.create(
                'subject',
                self.target.subject_label,
                project,
                project.id,
                Document('xnat:subjectData'),
            )
        fields = fields_of(self.row) | {'prearchivePath': str(self.source)} | self.settings
        return self.writer.create(
            'experiment',
            self.target.label,
            subject,
            project.id,
            Document(self.row.xsi_type, fields),
        )

    def _merge(self, session: Any) -> Any:
        return self.writer.update(
            session,
            Document(session.xsi_type, self._added(session, fields_of(self.row)) | self.settings),
        )

    def _added(self, row: Any, fields: dict[str, str]) -> dict[str, str]:
        """Return the fields to set; existing ones only if overridable."""
        return (
            fields
            if self.policy.override
            else {name: value for name, value in fields.items() if name not in fields_of(row)}
        )

    def _scan(self, session: Any, scan: Any, place: int) -> Path:
        """Create or update the scan of a series and its file rows.

        Returns
        -------
        Path
            The folder for the files.
        """
        known = _matching(self.connection, session.pk, scan)
        scan_settings = self._set(
            scan,
            [
                (f'{scan.xsi_type}/{path}', value)
                for number, path, value in self.scan_settings
                if number == place
            ],
        )
        fields = fields_of(scan) | scan_settings
        if known is None:
            name, number = scan.id, 0
            while _scan(self.connection, session.pk, name) is not None:
                number += 1
                name = f'{scan.id}_{number}'
            kind = self.types.get(fields.get('series_description', '')) or fields.get(
                'series_description', ''
            )
            values = {**({'type': kind} if kind else {}), 'quality': 'usable', **fields}
            known = self.writer.create(
                'scan',
                name,
                session,
                session.project,
                Document(scan.xsi_type, values, core={'ID': name}),
            )
        else:
            both = _shared_names(self.connection, known, scan)
            fields['frames'] = str(
                int(fields_of(known).get('frames') or 0) + self._frames(scan, both)
            )
            self.writer.update(
                known,
                Document(
                    known.xsi_type,
                    {**self._added(known, fields), **scan_settings, 'frames': fields['frames']},
                ),
            )
        return self._files(known, scan)

    def _frames(self, scan: Any, but: set[str]) -> int:
        rows = self.connection.execute(
            select(arrival_file.c.path, arrival_file.c.frames).where(arrival_file.c.scan == scan.pk)
        )
        return sum(row.frames for row in rows if row.path not in but)

    def _files(self, holder: Any, scan: Any) -> Path:
        found = _dicom_of(self.connection, holder.pk)
        if found is None:
            common = {
                'format': LABEL,
                'content': 'RAW',
                'insert_date': now(),
                'insert_user': self.writer.caller.login,
            }
            query = (
                resource.insert()
                .values(item=holder.pk, side='', label=LABEL, **common)
                .returning(resource)
            )
            found = self.connection.execute(query).one()
        rows: Sequence[Any] = self.connection.execute(
            select(arrival_file).where(arrival_file.c.scan == scan.pk)
        ).all()
        for start in range(0, len(rows), 500):
            paths = [row.path for row in rows[start : start + 500]]
            self.connection.execute(
                file.delete().where(file.c.resource == found.pk, file.c.path.in_(paths))
            )
        common = {
            'resource': found.pk,
            'format': LABEL,
            'insert_date': now(),
            'insert_user': self.writer.caller.login,
        }
        if rows:
            values = [
                {
                    'path': row.path,
                    'size': row.size,
                    'digest': row.digest,
                    'mtime_ns': row.mtime_ns,
                    **common,
                }
                for row in rows
            ]
            self.connection.execute(file.insert(), values)
        return self.archive.files.resource_folder(self.connection, found, holder)
