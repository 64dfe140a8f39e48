"""Build, verify and archive the sessions of completely sent studies.

The server has confirmed their files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ... import errors
from ...model import uris
from ...model.short_names import cell
from ...resources.host import Host
from ...resources.imported import ARCHIVED, GONE, UNKNOWN
from ...resources.prearchive import FINAL, UNASSIGNED, PrearchiveSession
from .journal import Journal, Place
from .report import INCOMPLETE, ImportedStudy

__all__ = ['Finisher']

_CONFLICT = 'CONFLICT'
_AUTO = (4, 5)
"""Settings of a project that archive incoming sessions."""


class Finisher:
    """Builds, verifies and archives sessions.

    Parameters
    ----------
    interface : Interface
        The Interface that it makes its requests with.
    journal : Journal
        Files and sessions of the import.
    dest : str or None
        ``archive``, ``prearchive``, or None for the setting of the project.
    overwrite : str
        Treatment of a session that is in the archive: ``none``, ``append`` or ``delete``.
    timeout_s : float
        Seconds to wait for a session.
    """

    def __init__(
        self,
        interface: Host,
        journal: Journal,
        dest: str | None,
        overwrite: str,
        timeout_s: float,
    ) -> None:
        self._host = interface
        self._journal = journal
        self._dest, self._overwrite = dest, overwrite
        self._timeout_s = timeout_s
        self._codes: dict[str, int] = {}

    # -- before anything is sent

    def present(self, project: str | None, studies: Iterable[str]) -> Iterator[ImportedStudy]:
        """Yield the results of studies that are not sent: the project has them.

        One request, and one for the files of each.

        Parameters
        ----------
        project : str or None
            The project; None if the headers name it: then there are none.
        studies : iterable of str
            UIDs of the studies.
        """
        if project is None or self._overwrite != 'none':
            return
        uri = uris.join(uris.ENTRY, 'projects', uris.quote(project), 'experiments')
        rows = self._host.connection.iter_rows(f'{uri}?columns=ID,UID')
        wanted = set(studies)
        found = {row.get('UID', ''): cell(row, 'URI') for row in rows if row.get('UID') in wanted}
        for study, uri in found.items():
            known = [place.archived for place in self._journal.places(study)]
            if not all(known):
                continue  # its own import was interrupted while it was archived
            element = self._host.select(known[0] if known else uri)
            missing = self._journal.compare(study, self._names_in_archive(element.uri)).missing
            count = len(missing)
            if known:  # its import was finished: others are new or changed
                count = self._journal.count(study, is_sent=False)
            why = f'it is in the archive, without {count} of the files' if count else ''
            status = _CONFLICT if why else ARCHIVED
            yield ImportedStudy(element.uri, status, element, study, why, tuple(missing))

    # -- once all is sent

    def build(self, study: str) -> Sequence[str]:
        """Build the sessions of a study, and return the files that they lack."""
        names = []
        for place in self._journal.places(study):
            if place.archived:
                names.append(self._names_in_archive(place.archived))
                continue
            session = self._waiting(place)
            status = self._built(session)
            if status in FINAL:
                row = session.row
                known = (row.get('project', ''), row.get('subject', ''), row.get('name', ''))
                self._journal.put_place(study, Place(place.path, *known))
                names.append(file.path_name for file in session.files())
            elif not status and (experiment := self._experiment(study, place)) is not None:
                self._journal.put_place(study, place._replace(archived=experiment.uri))
                names.append(self._names_in_archive(experiment.uri))
            else:
                return ()  # finish() reports its status
        return self._journal.compare(study, _chained(names)).missing

    def finish(self, study: str) -> Iterator[ImportedStudy]:
        """Archive and verify the built sessions of a study; yield the results."""
        waiting = [place for place in self._journal.places(study) if not place.archived]
        results = [self._finish(study, place) for place in waiting]
        left = [result for result in results if result is not None]
        archived = {place.archived for place in self._journal.places(study) if place.archived}
        names = [self._names_in_archive(uri) for uri in sorted(archived)]
        missing, doubled = self._journal.compare(study, _chained(names))
        missing = [] if left else missing  # those wait in the prearchive
        why = ''
        if missing or doubled:
            why = f'{len(missing)} files are missing, {len(doubled)} are there twice'
        for uri in sorted(archived):
            status = INCOMPLETE if why else ARCHIVED
            yield ImportedStudy(uri, status, self._host.select(uri), study, why, tuple(missing))
        yield from left

    def _finish(self, study: str, place: Place) -> ImportedStudy | None:
        """Archive a session as wanted; return its result if it stays in the prearchive."""
        session = self._waiting(place)
        status = self._status(session)
        if status == 'ERROR':
            return ImportedStudy(session.uri, status, session, study, session.log().strip())
        if status != 'READY' or not self._is_to_be_archived(place):
            why = '' if status == 'READY' else 'it is not ready'
            return ImportedStudy(session.uri, status, session, study, why)
        why = self._mixed(study, place)
        try:
            if not why:
                experiment = session.archive(overwrite=self._overwrite)
                self._journal.put_place(study, place._replace(archived=experiment.uri))
        except errors.IntegrityError as error:
            why = str(error)
        return ImportedStudy(session.uri, _CONFLICT, session, study, why) if why else None

    def unfinished(
        self, study: str, status: str, why: str, missing: Sequence[str] = ()
    ) -> Iterator[ImportedStudy]:
        """Yield the sessions of a study that is not complete.

        Parameters
        ----------
        study : str
            UID of the study.
        status, why : str
            Status and reason.
        missing : sequence of str
            Files that the server lacks.
        """
        sessions = [self._waiting(place) for place in self._journal.places(study)]
        for session in sessions:
            yield ImportedStudy(session.uri, status, session, study, why, tuple(missing))
        if not sessions:
            yield ImportedStudy('', status, None, study, why, tuple(missing))

    def _mixed(self, study: str, place: Place) -> str:
        """Return a reason if a session would be mixed with that of another study."""
        others = self._journal.others_at(study, place)
        if others:
            return f'another study has the label {place.label}: {others[0]}'
        if self._overwrite == 'none':
            return ''  # the server refuses it
        experiment = self._host.select.project(place.project).experiment(place.label)
        if not experiment.exists(consistent=True):
            return ''
        uid = experiment.attrs.get('UID')
        return '' if uid in ('', study) else f'{place.label} in the archive is of study {uid}'

    # -- the server

    def _waiting(self, place: Place) -> PrearchiveSession:
        session: PrearchiveSession = self._host.select(place.path)
        return session

    def _built(self, session: PrearchiveSession) -> str:
        """Build a session, and return its status; empty if it is no longer there.

        ``action=build`` archives nothing; the service ``rebuild`` may, if the project says so.
        """
        uri = uris.with_query(session.uri, {'action': 'build'})
        try:
            if session.status() != 'ARCHIVING':
                self._host.connection.request(uri, 'POST')
        except errors.NotFoundError:
            return ''
        except errors.PermissionDenied:
            return UNKNOWN
        except (errors.NetworkTimeout, errors.DuplicateError):
            pass  # still building, or in use: the status tells
        return session.wait(self._timeout_s)

    def _status(self, session: PrearchiveSession) -> str:
        try:
            return session.status()
        except errors.NotFoundError:
            return GONE
        except errors.PermissionDenied:
            return UNKNOWN

    def _is_to_be_archived(self, place: Place) -> bool:
        if place.project in ('', UNASSIGNED):
            return False
        if self._dest is not None:
            return self._dest == 'archive'
        if place.project not in self._codes:
            project = self._host.select.project(place.project)
            self._codes[place.project] = int(project.prearchive_code())
        return self._codes[place.project] in _AUTO

    def _experiment(self, study: str, place: Place) -> Any:
        """Return the experiment that a session of the prearchive has become, or None."""
        if not place.label:
            return None
        experiment = self._host.select.project(place.project).experiment(place.label)
        if not experiment.exists(consistent=True):
            return None
        found = self._host.select.experiment(experiment.id())  # XNAT has no scans below the other
        if experiment.attrs.get('UID') in ('', study):
            return found
        missing = self._journal.compare(study, self._names_in_archive(found.uri)).missing
        return None if missing else found  # a script of the site may have changed its UID

    def _names_in_archive(self, uri: str) -> Iterator[str]:
        rows = self._host.connection.iter_rows(f'{uri}/scans/ALL/files')
        return (cell(row, 'Name').rpartition('/')[2] for row in rows)


def _chained(listings: Iterable[Iterable[str]]) -> Iterator[str]:
    for names in listings:
        yield from names
