"""The prearchive: sessions that a server has received and not archived yet.

They are no level of :data:`pyxnat.model.levels.LEVELS`: a session is addressed by project, timestamp and folder, has a status, and is not edited but
archived, moved, rebuilt or deleted as a whole. So the prearchive has a small tree of its own.

Facts: routes, columns, statuses and services are those of XNAT's own ``restlet.resources.prearchive`` and ``restlet.services`` (1.7, 1.8).
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
from ..tables.json_stream import parse_result_set
from ..tables.table import Row
from .host import Host
from .prearchive_files import PrearchiveCollection, PrearchiveElement, PrearchiveGroup, PrearchiveResource, PrearchiveScan

__all__ = ['FINAL', 'UNASSIGNED', 'PrearchiveSession', 'PrearchiveSessions', 'select_prearchive']

_ROOT = f'{uris.ENTRY}/prearchive'

UNASSIGNED = 'Unassigned'
"""What XNAT calls the project of sessions that it could not tell one for."""

FINAL = ('READY', 'CONFLICT', 'ERROR')
"""Statuses that a session stays in until somebody does something; others (RECEIVING, BUILDING, QUEUED_MOVING, …) pass by themselves."""

_FORM = {'content-type': 'application/x-www-form-urlencoded'}
_OVERWRITE = ('none', 'append', 'delete')
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_REMEDY = 'Select such as /prearchive/projects/P/20240131_120000123/S01_MR.'


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
    def of(cls, interface: Host, project: str, timestamp: str, name: str, known: Row | None = None) -> PrearchiveSession:
        return cls(uris.join(_ROOT, 'projects', *map(uris.quote, (project, timestamp, name))), interface, known)

    @classmethod
    def of_row(cls, interface: Host, row: Row) -> PrearchiveSession:
        project, timestamp, name = row['url'].split('/')[-3:]
        return cls.of(interface, project, timestamp, name, row)

    @property
    def triple(self) -> tuple[str, str, str]:
        """Project, timestamp and folder: what a session of the prearchive is known by."""
        project, timestamp, name = uris.segments(self.uri)[-3:]
        return project, timestamp, name

    def _fetch_row(self) -> Row:
        rows = self.connection.rows(self.uri)
        if not rows:
            raise errors.NotFoundError('not in the prearchive', uri=self.connection.server + self.uri, remedy='It may be archived, moved or deleted.')
        self.row = rows[0]
        return self.row

    def _cell(self, column: str) -> str:
        return self.row[column] if column in self.row else self._fetch_row()[column]

    def status(self) -> str:
        """``READY``, ``CONFLICT``, ``ERROR``, ``RECEIVING``, ``BUILDING``, …, as it is now. One request.

        Raises
        ------
        NotFoundError
            It is not in the prearchive (any more).
        """
        return self._fetch_row()['status']

    def project(self) -> str:
        """ID of the project that it is for, or ``Unassigned``. No request."""
        return self.triple[0]

    def subject(self) -> str:
        """Label of the subject that it will have. One request if not known."""
        return self._cell('subject')

    def name(self) -> str:
        """The label that it will have. One request if not known."""
        return self._cell('name')

    label = name

    def get(self) -> bytes:
        """Its XML document, as the headers of its images gave it when it was built. One request."""
        document: bytes = self.connection.request(uris.with_query(self.uri, {'format': 'xml'}))
        return document

    def log(self) -> str:
        """What the server wrote of it last, such as why it is in ERROR. One request."""
        return self.connection.request(f'{self.uri}/logs/last').decode('utf-8', 'replace')

    def scan(self, ID: str) -> PrearchiveScan:  # noqa: N803 - XNAT's word
        """A scan by its ID. No request."""
        return PrearchiveScan(f'{self.uri}/scans/{uris.quote(ID)}', self.host)

    def scans(self, id_filter: str = ANY) -> PrearchiveCollection:
        """Its scans. One request when iterated."""
        return self._below('scans', id_filter)

    def resources(self, id_filter: str = ANY) -> PrearchiveCollection:
        """The resources of its scans. One request when iterated."""
        return self._below('resources', id_filter)

    def files(self, id_filter: str = ANY) -> PrearchiveCollection:
        """The files of its scans. One request and one for each resource, when iterated."""
        return self._below('files', id_filter)

    def members(self, plural: str) -> Iterator[PrearchiveElement]:
        if plural == 'scans':
            for row in self._rows('scans'):
                yield PrearchiveScan(f'{self.uri}/scans/{uris.quote(row["ID"])}', self.host, row)
            return
        for row in self._rows('resources'):
            holder = ('scans', uris.quote(row['cat_id'])) if row.get('category') == 'scans' else ()
            resource = PrearchiveResource(uris.join(self.uri, *holder, 'resources', uris.quote(row['label'])), self.host, row)
            yield from [resource] if plural == 'resources' else resource.members(plural)

    def download(self, dest_dir: str | os.PathLike[str], extract: bool = False) -> Any:
        """Download all of its files as one zip ``<dest_dir>/<folder>.zip``; with `extract`, unpack it there. One request; path or paths."""
        target = FilePath(dest_dir).expanduser() / f'{safe_name(self.path_name)}.zip'
        return self.host.transfer.download_level(self.uri, target, extract, keep=not extract)

    # -- what can be done with it

    def archive(self, project: str | None = None, subject: str | None = None, session: str | None = None, overwrite: str = 'none') -> Any:
        """Move it into the archive.

        Parameters
        ----------
        project, subject, session : str, optional
            Where to: by default the project it waits in, the subject and label that its images name.
        overwrite : {'none', 'append', 'delete'}
            What becomes of a session that is there already: it is an error; gets what it has not; is replaced.

        Returns
        -------
        Experiment

        Raises
        ------
        DuplicateError
            There is such a session, or the two do not fit together; or this one is in use.
        ProgrammingError
            It is unassigned, and no project was given.

        Notes
        -----
        One request, which is answered when it is archived; where that takes longer than the Interface's timeout, also those of `wait`.
        """
        if overwrite not in _OVERWRITE:
            raise errors.ProgrammingError(f'overwrite={overwrite!r} is not known', remedy=f'There are: {", ".join(_OVERWRITE)}.')
        if self.project() == UNASSIGNED and project is None:
            raise errors.ProgrammingError(f'{self!r} belongs to no project', remedy='Give project=, or move() it first.')
        form = {'src': self.spelt, 'overwrite': overwrite}
        if project or subject or session:
            form['dest'] = self._destination(project or self.project(), subject, session)
        return self.host.select(self._archive(form))

    def _archive(self, form: dict[str, str]) -> str:
        """Have it archived; the path of the experiment."""
        home = form.get('dest', '').removeprefix('/archive') or f'/projects/{self.project()}'
        try:
            said = self.connection.request(f'{uris.ENTRY}/services/archive', 'POST', urlencode(form), _FORM)
        except errors.NetworkTimeout:
            if self.wait() or 'name' not in self.row:
                raise
            parts = home.split('/')
            return '/'.join(parts + ['subjects', self.row['subject'], 'experiments', self.row['name']][len(parts) - 3 :])
        return uris.strip_entry(uris.unquote(said.decode().split()[0]))

    def _destination(self, project: str, subject: str | None, session: str | None) -> str:
        below = ('subjects', subject or self.subject()) if subject or session else ()
        label = ('experiments', session) if session else ()
        return '/'.join(('/archive/projects', project, *below, *label))

    def move(self, project: str) -> PrearchiveSession:
        """Give it to another project, still in the prearchive; it as it is there. One request, and those of `wait` where the server takes time."""
        [row] = self._service('move', newProject=project, async_='false')
        project, timestamp, name = row['url'].split('/')[-3:]
        moved = self.of(self.host, project, timestamp, name, row)
        if row.get('status') not in FINAL:
            moved.wait()
        return moved

    def rebuild(self) -> str:
        """Read the headers of its images anew, and see whether it fits the archive; its status. One request, and those of `wait`."""
        self._service('rebuild')
        return self.wait()

    def reset(self) -> None:
        """Free it of a lock that an interrupted job left: then it can be rebuilt. One request."""
        self.connection.request(uris.with_query(self.uri, {'action': 'reset'}), 'POST')

    def delete(self) -> None:
        """Delete it, with its files. One request.

        Raises
        ------
        NotFoundError
            It is not in the prearchive.
        """
        self.connection.request(self.uri, 'DELETE')
        self.row.clear()

    def _service(self, name: str, **form: str) -> list[Row]:
        fields = {'src': self.spelt, **{key.rstrip('_'): value for key, value in form.items()}}
        uri = f'{uris.ENTRY}/services/prearchive/{name}?format=json'
        return parse_result_set(self.connection.request(uri, 'POST', urlencode(fields), _FORM))

    def wait(self, timeout_s: float = 600) -> str:
        """Wait until the server has done with it, asking now and then.

        Parameters
        ----------
        timeout_s : float
            Seconds to wait at most.

        Returns
        -------
        str
            ``READY``, ``CONFLICT`` (something of it is in the archive already) or ``ERROR``; empty where it is not in the prearchive any more.

        Raises
        ------
        NetworkTimeout
            The time is over.
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
                raise errors.NetworkTimeout(f'still {status} after {timeout_s:g} s', uri=uri, remedy='Wait for longer, with timeout_s.')
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class PrearchiveSessions(PrearchiveGroup):
    """Sessions of the prearchive. Iterating takes one request, whatever the patterns.

    Parameters
    ----------
    project, timestamp, name : str
        Patterns (``*``, ``?``); a session's name is its folder or the label that it will have.
    """

    def __init__(self, interface: Host, project: str = ANY, timestamp: str = ANY, name: str = ANY) -> None:
        self.host = interface
        self._wanted = (project, timestamp, name)
        self.spelt = '/'.join(('/prearchive/projects', *self._wanted))

    def _fetch(self, ahead: str) -> Iterator[PrearchiveSession]:
        project, timestamp, name = self._wanted
        uri = _ROOT if is_wildcard(project) else uris.join(_ROOT, 'projects', uris.quote(project))
        for row in self.connection.rows(uri):
            session = PrearchiveSession.of_row(self.host, row)
            found = session.triple
            if matches(project, found[0]) and matches(timestamp, found[1]) and matches(name, found[2], row['name']):
                yield session


_PLURALS = {name: plural for plural in ('scans', 'resources', 'files') for name in (plural, plural[:-1])}


def select_prearchive(path: str, interface: Host) -> Any:
    """The element or collection of a path that begins with ``/prearchive``. No request.

    ::

        /prearchive [/projects [/P [/TIMESTAMP [/FOLDER {/scans|resources|files [/NAME]}]]]]

    Raises
    ------
    ProgrammingError
        Naming the part that cannot be.
    """
    tokens = [token for token in uris.strip_entry(path).split('/') if token][1:]
    if tokens and tokens.pop(0) not in ('projects', 'project'):
        raise errors.ProgrammingError(f'in {path!r}: below the prearchive there are projects', remedy=_REMEDY)
    project, timestamp, name = [*tokens[:3], ANY, ANY, ANY][:3]
    some = any(map(is_wildcard, (project, timestamp, name)))
    here: Any = (PrearchiveSessions if some else PrearchiveSession.of)(interface, project, timestamp, name)
    rest = tokens[3:]
    while rest:
        token = rest.pop(0)
        if token not in _PLURALS:
            raise errors.ProgrammingError(f'in {path!r}: {token!r} is no level of the prearchive', remedy='There are: scans, resources, files.')
        plural = _PLURALS[token]
        below = '/'.join(rest) if plural == 'files' else rest[0] if rest and rest[0] not in _PLURALS else ''
        del rest[: len(rest) if plural == 'files' else bool(below)]
        one = None if not below or is_wildcard(below) else getattr(here, plural[:-1], None)
        here = one(below) if one else here._below(plural, below or ANY)
    return here
