"""The prearchive, with the methods of pyxnat 1.x: ``manage.prearchive``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ... import errors
from ...model.wildcards import ANY
from ...resources.host import Host
from ...resources.prearchive import PrearchiveSession, PrearchiveSessions
from ...tables.table import JsonTable

if TYPE_CHECKING:
    Which = str | Sequence[str] | PrearchiveSession

__all__ = ['Prearchive']


class Prearchive:
    """Sessions received and not archived yet.

    The other methods are those of pyxnat 1.x; each session has its own, see `sessions` and
    :class:`pyxnat.resources.prearchive.PrearchiveSession`. A *triple* is
    ``[project, timestamp, folder]``, as in the result of `get`; the URI of a session, or the
    session itself, is accepted too.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Prearchive of {self._host.connection.server}>'

    def sessions(self, project: str = ANY) -> PrearchiveSessions:
        """Return the sessions of all projects or of one.

        One request when iterated.
        """
        return PrearchiveSessions(self._host, project)

    def session(self, which: Which) -> PrearchiveSession:
        """Return a session by triple or URI. No request."""
        if isinstance(which, PrearchiveSession):
            return which
        parts = which.rstrip('/').split('/')[-3:] if isinstance(which, str) else list(which)
        if len(parts) != 3:
            raise errors.ProgrammingError(
                f'{which!r} is no session of the prearchive',
                remedy='Give [project, timestamp, folder] or its URI.',
            )
        return PrearchiveSession.of(self._host, parts[0], parts[1], parts[2])

    def get(self) -> list[list[str]]:
        """Return the triples of all sessions. One request."""
        return [list(session.triple) for session in self.sessions()]

    def status(self, triple: Which) -> str:
        """Return the status: ``READY``, ``CONFLICT``, … One request."""
        return self.session(triple).status()

    def get_uri(self, triple: Which) -> str:
        """Return the URI of a session, beginning with ``/data``. No request."""
        return self.session(triple).uri

    def get_scans(self, triple: Which) -> list[str]:
        """Return the IDs of the scans. One request."""
        return self.session(triple).scans().get()

    def get_resources(self, triple: Which, scan_id: str) -> list[str]:
        """Return the labels of the resources of a scan. One request.

        Parameters
        ----------
        triple : str, sequence of str or PrearchiveSession
            The session.
        scan_id : str
            ID of one of its scans.
        """
        return self.session(triple).scan(scan_id).resources().get()

    def get_files(self, triple: Which, scan_id: str, resource_id: str) -> list[str]:
        """Return the paths of the files of a resource. One request.

        Parameters
        ----------
        triple : str, sequence of str or PrearchiveSession
            The session.
        scan_id : str
            ID of one of its scans.
        resource_id : str
            Label of a resource of the scan.
        """
        return self.session(triple).scan(scan_id).resource(resource_id).files().get()

    def table(self, project: str = ANY) -> JsonTable:
        """Return a row per session with all columns it has. One request."""
        return JsonTable(session.row for session in self.sessions(project))

    def archive(self, sessions: Which | Iterable[Which], overwrite: str = 'none') -> list[Any]:
        """Archive sessions, and return the experiments. One request each.

        Parameters
        ----------
        sessions : session or iterable of sessions
            Triples, URIs or sessions. Each is archived under the names in its images.
        overwrite : {'none', 'append', 'delete', 'replace'}
            Treatment of a session that is in the archive already, as in
            :meth:`pyxnat.resources.prearchive.PrearchiveSession.archive`.

        Raises
        ------
        DatabaseError
            For the first session that cannot be archived; those before it are archived.
        """
        return [session.archive(overwrite=overwrite) for session in self._several(sessions)]

    def move(self, uris: Which | Iterable[Which], new_project: str) -> list[PrearchiveSession]:
        """Move sessions to another project, and return them. One request each.

        Parameters
        ----------
        uris : session or iterable of sessions
            Triples, URIs or sessions.
        new_project : str
            ID of the project.
        """
        return [session.move(new_project) for session in self._several(uris)]

    def rebuild(self, sessions: Which | Iterable[Which]) -> list[str]:
        """Rebuild sessions from their files' headers, and return the statuses.

        One request for each session, and several while waiting for it.
        """
        return [session.rebuild() for session in self._several(sessions)]

    def reset(self, triple: Which) -> None:
        """Remove the lock that an interrupted job left. One request."""
        self.session(triple).reset()

    def delete(self, uri: Which) -> None:
        """Delete a session with its files. One request."""
        self.session(uri).delete()

    def _several(self, which: Which | Iterable[Which]) -> list[PrearchiveSession]:
        """Return one session or several as a list; a triple is one session."""
        if isinstance(which, (str, PrearchiveSession)):
            return [self.session(which)]
        members = list(which)
        if len(members) == 3 and all(
            isinstance(member, str) and '/' not in member for member in members
        ):
            return [self.session([str(member) for member in members])]
        return [self.session(member) for member in members]
