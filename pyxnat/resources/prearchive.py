"""The prearchive: sessions that were received and are not archived yet.

Prearchive sessions are no level of :data:`pyxnat.model.levels.LEVELS`: a session is addressed by
project, timestamp and folder, has a status, and is archived, moved, rebuilt or deleted as a
whole. They have classes of their own.

Source of routes, columns, statuses and services: XNAT's packages ``restlet.resources.prearchive``
and ``restlet.services`` (1.7, 1.8).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any
from urllib.parse import urlencode

from .. import errors
from ..files.disk import safe_name
from ..model import uris
from ..model.wildcards import ANY, is_wildcard, matches
from ..patterns import pattern
from ..tables.json_stream import parse_result_set
from ..tables.table import Row
from .host import Host
from .prearchive_files import (
    PrearchiveCollection,
    PrearchiveElement,
    PrearchiveGroup,
    PrearchiveResource,
    PrearchiveScan,
)
from .repeated import accept_if_done

__all__ = [
    'FINAL',
    'UNASSIGNED',
    'PrearchiveSession',
    'PrearchiveSessions',
    'path_of_session',
    'select_prearchive',
]

_ROOT = f'{uris.ENTRY}/prearchive'

UNASSIGNED = 'Unassigned'
"""Project name of sessions that XNAT could assign to no project."""

FINAL = ('READY', 'CONFLICT', 'ERROR')
"""Statuses that stay until a user acts; others (RECEIVING, BUILDING, …) end by themselves."""

_FORM = {'content-type': 'application/x-www-form-urlencoded'}
_REPLACED = '_replaced'
"""Added to the label of a session while another one takes its place."""
_OVERWRITE = ('none', 'append', 'delete', 'replace')
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_REMEDY = 'Example: /prearchive/projects/P/20240131_120000123/S01_MR.'


_ARCHIVED = pattern(r'/(?:archive/)?(?:projects/[^/]+/)?(?:subjects/[^/]+/)?experiments/[^/?#]+')
_WAITING = pattern(r'/prearchive/projects/[^/]+/[^/]+/[^/?#]+')


def path_of_session(line: str) -> str:
    """Return the path of the session that a line of a response names.

    Parameters
    ----------
    line : str
        URI of an experiment, or of a session in the prearchive.

    Raises
    ------
    UnexpectedAnswer
        The line is anything else.
    """
    path = uris.strip_entry(uris.unquote(line.strip()))
    if _ARCHIVED.fullmatch(path) or _WAITING.fullmatch(path):
        return path
    raise errors.UnexpectedAnswer(
        f'the response is not the URI of a session: {line[:60]!r}',
        remedy='Look at manage.prearchive.get() and the project before you send it again.',
    )


class PrearchiveSession(PrearchiveElement):
    """A session that waits to be archived.

    Examples
    --------
    ::

        for session in interface.select('/prearchive/projects/P'):
            if session.status() == 'READY':
                session.archive()
    """

    _id_column = 'folderName'

    @classmethod
    def of(
        cls, interface: Host, project: str, timestamp: str, name: str, known: Row | None = None
    ) -> PrearchiveSession:
        """Return the session of a project, timestamp and folder. No request.

        Parameters
        ----------
        interface : Interface
            The Interface that it makes its requests with.
        project, timestamp, name : str
            The parts of its path; `name` is its folder.
        known : dict, optional
            Its row in a listing.
        """
        return cls(
            uris.join(_ROOT, 'projects', *map(uris.quote, (project, timestamp, name))),
            interface,
            known,
        )

    @classmethod
    def of_row(cls, interface: Host, row: Row) -> PrearchiveSession:
        """Return the session of a row in a listing. No request.

        Parameters
        ----------
        interface : Interface
            The Interface that it makes its requests with.
        row : dict
            A row with the column ``url``.
        """
        parts = row['url'].split('/')[-3:]
        if len(parts) != 3 or not all(parts):
            raise errors.UnexpectedAnswer(
                f'{row["url"]!r} is no session of the prearchive',
                remedy='Check the URL of the server.',
            )
        return cls.of(interface, parts[0], parts[1], parts[2], row)

    @property
    def triple(self) -> tuple[str, str, str]:
        """Project, timestamp and folder, which identify a session."""
        project, timestamp, name = uris.segments(self.uri)[-3:]
        return project, timestamp, name

    def fetch_row(self) -> Row:
        """Fetch its row in the listing of the prearchive. One request."""
        rows = self.connection.rows(self.uri)
        if not rows:
            raise errors.NotFoundError(
                'not in the prearchive',
                uri=self.connection.server + self.uri,
                remedy='It may be archived, moved or deleted.',
            )
        self.row = rows[0]
        return self.row

    def _cell(self, column: str) -> str:
        return self.row[column] if column in self.row else self.fetch_row()[column]

    def status(self) -> str:
        """Return its present status. One request.

        ``READY``, ``CONFLICT``, ``ERROR``, ``RECEIVING``, ``BUILDING``, …

        Raises
        ------
        NotFoundError
            It is not in the prearchive (any more).
        """
        return self.fetch_row()['status']

    def project(self) -> str:
        """Return the ID of its project, or ``Unassigned``. No request."""
        return self.triple[0]

    def subject(self) -> str:
        """Return the label of its future subject. One request if not known."""
        return self._cell('subject')

    def name(self) -> str:
        """Return its future label. One request if not known."""
        return self._cell('name')

    label = name

    def get(self) -> bytes:
        """Return its XML document, built from the image headers.

        One request.
        """
        document: bytes = self.connection.request(uris.with_query(self.uri, {'format': 'xml'}))
        return document

    def log(self) -> str:
        """Return its latest log, such as the reason for ERROR. One request."""
        return self.connection.request(f'{self.uri}/logs/last').decode('utf-8', 'replace')

    def scan(self, ID: str) -> PrearchiveScan:  # noqa: N803 - XNAT's word
        """Return a scan by its ID. No request."""
        return PrearchiveScan(f'{self.uri}/scans/{uris.quote(ID)}', self.host)

    def scans(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return its scans. One request when iterated."""
        return self.below('scans', id_filter)

    def resources(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the resources of its scans. One request when iterated."""
        return self.below('resources', id_filter)

    def files(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Return the files of its scans.

        When iterated, one request and one for each resource.
        """
        return self.below('files', id_filter)

    def members(self, plural: str) -> Iterator[PrearchiveElement]:
        if plural == 'scans':
            for row in self._rows('scans'):
                yield PrearchiveScan(f'{self.uri}/scans/{uris.quote(row["ID"])}', self.host, row)
            return
        for row in self._rows('resources'):
            holder = ('scans', uris.quote(row['cat_id'])) if row.get('category') == 'scans' else ()
            resource = PrearchiveResource(
                uris.join(self.uri, *holder, 'resources', uris.quote(row['label'])), self.host, row
            )
            yield from [resource] if plural == 'resources' else resource.members(plural)

    def download(self, dest_dir: str | os.PathLike[str], extract: bool = False) -> Any:
        """Download all of its files as one zip. One request.

        Parameters
        ----------
        dest_dir : path
            A folder; created if needed.
        extract : bool
            Unpack the zip there.

        Returns
        -------
        str or list of str
            Path of the zip ``<dest_dir>/<folder>.zip``, or of the unpacked files.
        """
        target = FilePath(dest_dir).expanduser() / f'{safe_name(self.path_name)}.zip'
        return self.host.transfer.zips.of_files(
            self.uri, target, extract, keep=not extract, is_listed=False
        )

    def archive(
        self,
        project: str | None = None,
        subject: str | None = None,
        session: str | None = None,
        overwrite: str = 'none',
    ) -> Any:
        """Move the session into the archive.

        Parameters
        ----------
        project, subject, session : str, optional
            Destination. Default: its project, and the subject and label from the image headers.
        overwrite : {'none', 'append', 'delete', 'replace'}
            How to treat an existing session: raise an error; add missing scans and files; merge,
            and let files of this one overwrite (XNAT's ``delete``, which keeps all other scans and
            files); or archive this one, and then delete the existing one with everything below.
            Until then that has ``_replaced`` after its label; if this one cannot be archived, it
            gets its label back.

        Returns
        -------
        Experiment

        Raises
        ------
        DuplicateError
            The session exists, the two do not match, or this one is in use.
        ProgrammingError
            It is unassigned, and no project was given.
        IntegrityError
            With ``replace``: the existing session belongs to another project or subject, or this
            one cannot be archived; nothing is deleted.

        Notes
        -----
        One request, which the server answers after archiving. If that takes longer than the timeout
        of the Interface, the requests of `wait`, too. ``replace`` takes up to ten requests more.
        """
        if overwrite not in _OVERWRITE:
            raise errors.ProgrammingError(
                f'unknown overwrite={overwrite!r}', remedy=f'Use one of: {", ".join(_OVERWRITE)}.'
            )
        if self.project() == UNASSIGNED and project is None:
            raise errors.ProgrammingError(
                f'{self!r} belongs to no project', remedy='Pass project=, or move() it first.'
            )
        form = {'src': self.path, 'overwrite': overwrite}
        if project or subject or session:
            form['dest'] = self._destination(project or self.project(), subject, session)
        if overwrite != 'replace':
            return self.host.select(self._archive(form))
        existing = self._existing(project or self.project(), subject, session)
        return self._replace(existing, {**form, 'overwrite': 'delete'})

    def _replace(self, existing: Any, form: dict[str, str]) -> Any:
        """Archive this session, then delete the existing one, which is renamed meanwhile."""
        if existing is None:
            return self.host.select(self._archive(form))
        label = existing.label()
        existing.rename(f'{label}{_REPLACED}')
        try:
            new = self.host.select(self._archive(form))
        except BaseException as error:
            try:
                existing.rename(label)
            except errors.DatabaseError as reason:
                message = f'{error}; the session to replace is now {existing.label()!r}: {reason}'
                remedy = 'Check both sessions, then delete one or rename.'
                raise errors.IntegrityError(message, uri=existing.url, remedy=remedy) from error
            raise
        existing.delete()
        return new

    def _existing(self, project: str, subject: str | None, session: str | None) -> Any:
        """Return the session of the archive that this one is to replace, or None."""
        existing = self.host.select.project(project).experiment(session or self.name())
        if not existing.exists(consistent=True):
            return None
        status = self.status()
        owner, label = existing.shares().get()[0], existing.attrs.get('subject_label')
        reason = ''
        if status not in ('READY', 'CONFLICT'):
            reason = f'the session in the prearchive is {status}'
        elif owner != project:
            reason = f'it belongs to project {owner}'
        elif label != (subject or self.subject()):
            reason = f'it belongs to subject {label}'
        if reason:
            raise errors.IntegrityError(
                f'{existing!r} is not replaced: {reason}',
                uri=existing.url,
                method='DELETE',
                remedy='Give project=, subject= and session= of the one to replace.',
            )
        return existing

    def _archive(self, form: dict[str, str]) -> str:
        """Send the request, and return the path of the experiment."""
        home = form.get('dest', '').removeprefix('/archive') or f'/projects/{self.project()}'
        try:
            response = self.connection.request(
                f'{uris.ENTRY}/services/archive', 'POST', urlencode(form), _FORM
            )
        except errors.NetworkTimeout:
            if self.wait() or 'name' not in self.row:
                raise
            parts = home.split('/')
            return '/'.join(
                parts
                + ['subjects', self.row['subject'], 'experiments', self.row['name']][
                    len(parts) - 3 :
                ]
            )
        return path_of_session(response.decode('utf-8', 'replace'))

    def _destination(self, project: str, subject: str | None, session: str | None) -> str:
        below = ('subjects', subject or self.subject()) if subject or session else ()
        label = ('experiments', session) if session else ()
        return '/'.join(('/archive/projects', project, *below, *label))

    def move(self, project: str) -> PrearchiveSession:
        """Move the session to another project, within the prearchive.

        Returns the session at its new place. One request, and those of `wait` if the server needs
        longer.
        """
        rows = self._call_service('move', newProject=project, async_='false')
        if len(rows) != 1:
            raise errors.UnexpectedAnswer(
                f'the server lists {len(rows)} moved sessions in place of one',
                uri=self.connection.server + self.uri,
                method='POST',
                remedy='Look at manage.prearchive.get().',
            )
        [row] = rows
        moved = self.of_row(self.host, row)
        if row.get('status') not in FINAL:
            moved.wait()
        return moved

    def rebuild(self) -> str:
        """Read the image headers again, and return the new status.

        One request, and those of `wait`.
        """
        self._call_service('rebuild')
        return self.wait()

    def reset(self) -> None:
        """Remove the lock of an interrupted job, so that it can be rebuilt.

        One request.
        """
        self.connection.request(uris.with_query(self.uri, {'action': 'reset'}), 'POST')

    def delete(self) -> None:
        """Delete the session with its files. One request.

        Raises
        ------
        NotFoundError
            It is not in the prearchive.
        """
        with accept_if_done(self._is_gone):
            self.connection.request(self.uri, 'DELETE')
        self.row.clear()

    def _is_gone(self) -> bool:
        try:
            self.fetch_row()
        except errors.NotFoundError:
            return True
        return False

    def _call_service(self, name: str, **form: str) -> list[Row]:
        fields = {'src': self.path, **{key.rstrip('_'): value for key, value in form.items()}}
        uri = f'{uris.ENTRY}/services/prearchive/{name}?format=json'
        return parse_result_set(self.connection.request(uri, 'POST', urlencode(fields), _FORM))

    def wait(self, timeout_s: float = 600) -> str:
        """Poll the status until it is final, 0.2 to 5 s apart.

        Parameters
        ----------
        timeout_s : float
            Seconds to wait at most.

        Returns
        -------
        str
            ``READY``, ``CONFLICT`` (some of it is already archived) or ``ERROR``; empty if it is no
            longer in the prearchive.

        Raises
        ------
        NetworkTimeout
            The status is not final after `timeout_s`.
        """
        end, pause_s = time.monotonic() + timeout_s, _FIRST_PAUSE_S
        while True:
            try:
                status = self.status()
            except errors.NotFoundError:
                return ''
            if status in FINAL:
                return status
            if time.monotonic() + pause_s > end:
                uri = self.connection.server + self.uri
                raise errors.NetworkTimeout(
                    f'still {status} after {timeout_s:g} s', uri=uri, remedy='Increase timeout_s.'
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class PrearchiveSessions(PrearchiveGroup):
    """Sessions of the prearchive. One request when iterated.

    Parameters
    ----------
    project, timestamp, name : str
        Patterns (``*``, ``?``). `name` matches the folder or the future label of a session.
    """

    def __init__(
        self, interface: Host, project: str = ANY, timestamp: str = ANY, name: str = ANY
    ) -> None:
        self.host = interface
        self._wanted = (project, timestamp, name)
        self.path = '/'.join(('/prearchive/projects', *self._wanted))

    def _fetch(self, ahead: str) -> Iterator[PrearchiveSession]:
        project, timestamp, name = self._wanted
        uri = _ROOT if is_wildcard(project) else uris.join(_ROOT, 'projects', uris.quote(project))
        for row in self.connection.rows(uri):
            session = PrearchiveSession.of_row(self.host, row)
            found = session.triple
            if (
                matches(project, found[0])
                and matches(timestamp, found[1])
                and matches(name, found[2], row['name'])
            ):
                yield session


_PLURALS = {
    name: plural for plural in ('scans', 'resources', 'files') for name in (plural, plural[:-1])
}


def select_prearchive(path: str, interface: Host) -> Any:
    """Return the element or collection of a ``/prearchive`` path. No request.

    ::

        /prearchive [/projects [/P [/TIMESTAMP [/FOLDER {/scans|resources|files [/NAME]}]]]]

    Parameters
    ----------
    path : str
        The path, with or without ``/data``.
    interface : Interface
        The Interface that it makes its requests with.

    Raises
    ------
    ProgrammingError
        A part of the path is invalid; the message names it.
    """
    tokens = [token for token in uris.strip_entry(path).split('/') if token][1:]
    if tokens and tokens.pop(0) not in ('projects', 'project'):
        raise errors.ProgrammingError(
            f'in {path!r}: only projects are allowed below /prearchive', remedy=_REMEDY
        )
    project, timestamp, name = [*tokens[:3], ANY, ANY, ANY][:3]
    some = any(map(is_wildcard, (project, timestamp, name)))
    here: Any = (PrearchiveSessions if some else PrearchiveSession.of)(
        interface, project, timestamp, name
    )
    rest = tokens[3:]
    while rest:
        token = rest.pop(0)
        if token not in _PLURALS:
            raise errors.ProgrammingError(
                f'in {path!r}: {token!r} is no level of the prearchive',
                remedy='Use scans, resources or files.',
            )
        plural = _PLURALS[token]
        below = (
            '/'.join(rest)
            if plural == 'files'
            else rest[0]
            if rest and rest[0] not in _PLURALS
            else ''
        )
        del rest[: len(rest) if plural == 'files' else bool(below)]
        accessor = None if not below or is_wildcard(below) else getattr(here, plural[:-1], None)
        here = accessor(below) if accessor else here.below(plural, below or ANY)
    return here
