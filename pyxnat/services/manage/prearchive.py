"""The prearchive as a list, and in the words of pyxnat 1.x: ``interface.manage.prearchive``."""

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
    """Sessions that were received and not archived yet.

    The sessions themselves can do all of it: see `sessions`, and :class:`pyxnat.resources.prearchive.PrearchiveSession`. What is here besides are the
    methods of pyxnat 1.x. A *triple* is ``[project, timestamp, folder]``, as `get` gives it; the URI of a session, or the session, does as well.
    """

    def __init__(self, interface: Host) -> None:
        self._host = interface

    def __repr__(self) -> str:
        return f'<Prearchive of {self._host.connection.server}>'

    def sessions(self, project: str = ANY) -> PrearchiveSessions:
        """The sessions, of all projects or of one. One request when iterated."""
        return PrearchiveSessions(self._host, project)

    def session(self, which: Which) -> PrearchiveSession:
        """One session. No request."""
        if isinstance(which, PrearchiveSession):
            return which
        parts = which.rstrip('/').split('/')[-3:] if isinstance(which, str) else list(which)
        if len(parts) != 3:
            raise errors.ProgrammingError(f'{which!r} is no session of the prearchive', remedy='Give [project, timestamp, folder], or a URI of one.')
        return PrearchiveSession.of(self._host, parts[0], parts[1], parts[2])

    def get(self) -> list[list[str]]:
        """The triples of all sessions. One request."""
        return [list(session.triple) for session in self.sessions()]

    def status(self, triple: Which) -> str:
        """``READY``, ``CONFLICT``, … One request."""
        return self.session(triple).status()

    def get_uri(self, triple: Which) -> str:
        """The URI of a session, from ``/data`` on. No request."""
        return self.session(triple).uri

    def get_scans(self, triple: Which) -> list[str]:
        """IDs of its scans. One request."""
        return self.session(triple).scans().get()

    def get_resources(self, triple: Which, scan_id: str) -> list[str]:
        """Labels of the resources of a scan. One request."""
        return self.session(triple).scan(scan_id).resources().get()

    def get_files(self, triple: Which, scan_id: str, resource_id: str) -> list[str]:
        """Paths of the files of a resource. One request."""
        return self.session(triple).scan(scan_id).resource(resource_id).files().get()

    def table(self, project: str = ANY) -> JsonTable:
        """All that the server tells of the sessions: a row each. One request."""
        return JsonTable(session.row for session in self.sessions(project))

    def archive(self, sessions: Which | Iterable[Which], overwrite: str = 'none') -> list[Any]:
        """Archive sessions, each as its images name it; the experiments. One request for each.

        The first that cannot be is an error; those before it are archived.
        """
        return [session.archive(overwrite=overwrite) for session in self._several(sessions)]

    def move(self, uris: Which | Iterable[Which], new_project: str) -> list[PrearchiveSession]:
        """Give sessions to another project; they as they are there. One request for each."""
        return [session.move(new_project) for session in self._several(uris)]

    def rebuild(self, sessions: Which | Iterable[Which]) -> list[str]:
        """Read the headers of sessions anew; their statuses. One request for each, and those of waiting."""
        return [session.rebuild() for session in self._several(sessions)]

    def reset(self, triple: Which) -> None:
        """Free a session of a lock that an interrupted job left. One request."""
        self.session(triple).reset()

    def delete(self, uri: Which) -> None:
        """Delete a session, with its files. One request."""
        self.session(uri).delete()

    def _several(self, which: Which | Iterable[Which]) -> list[PrearchiveSession]:
        """One session, or each of several: a triple is one."""
        if isinstance(which, (str, PrearchiveSession)):
            return [self.session(which)]
        members = list(which)
        if len(members) == 3 and all(isinstance(member, str) and '/' not in member for member in members):
            return [self.session([str(member) for member in members])]
        return [self.session(member) for member in members]
