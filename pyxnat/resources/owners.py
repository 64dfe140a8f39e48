"""Owners of sessions, assessors and reconstructions, checked before a write.

XNAT does not compare the subject in a path with the subject of the session. A PUT of a session
below another subject moves the session, and a PUT below such a path changes the other subject's
session. Labels of assessors are unique per project and IDs of reconstructions per site, so a PUT
below another session moves them.

The client therefore fetches the owner before each write that could move or delete an item,
without the cache. A write below a session goes to the session of that label, whoever owns it, so
a lookup of the last minute is sufficient. A batch shares one lookup
(`Owners.reuse_lookups`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import errors
from ..cache import Moment, age_s
from ..model import labels, uris
from ..query.paths import read
from ..tables.json_stream import parse_item, parse_result_set
from ..tables.table import Row
from .host import Host

if TYPE_CHECKING:
    from .base import Element

__all__ = ['FRESH_S', 'Owners']

FRESH_S = 60.0
"""Seconds that a lookup is valid for batches and for writes below a session.

Elements that came from a listing are not looked up for the same time.
"""
_BATCH_START: ContextVar[float | None] = ContextVar('batch_start', default=None)
"""Monotonic time at which the batch of the present thread began."""
_SESSIONS = {'columns': 'ID,label,subject_ID,subject_label'}
_ASSESSORS = {'xsiType': 'xnat:imageAssessorData', 'columns': 'ID,label,session_ID,session_label'}
_on_the_way = itemgetter('projects', 'subjects', 'experiments')


class _Lookup(NamedTuple):
    """A listing of owners.

    Rows by label and by ID, the time of the request, and the times at which single rows were
    fetched again.
    """

    labels: dict[str, Row]
    ids: dict[str, Row]
    fetched_at: float
    refetched: dict[str, float]


class Owners:
    """Owners of sessions, assessors and reconstructions, for one login."""

    def __init__(self, interface: Host) -> None:
        self.host = interface
        self._lookups: dict[tuple[str, str], _Lookup] = {}
        self._projects: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def check_project(self, element: Element) -> None:
        """Raise an error if a path names a project in another letter case.

        Some versions of XNAT would write to that project, others would create a second one. No
        request for a project that was checked before. One for the project itself, and for an
        element below if this login has written to a project of the same name in another case.

        Parameters
        ----------
        element : Element
            The element to write to.

        Raises
        ------
        IntegrityError
            There is no such project, but one whose ID differs in case only.
        """
        first = element.steps[0]
        name = first.name if first.level == 'projects' else ''
        known = self._projects.setdefault(name.lower(), set())
        if not name or name in known:
            return
        if known or element.level.plural == 'projects':
            projects = self._project_ids()
            other = next((one for one in projects if one.lower() == name.lower()), name)
            if name not in projects and other != name:
                message = f'there is no project {name}, but {other}: XNAT may write to that one'
                remedy = f'Write {other}, or choose another ID.'
                raise errors.IntegrityError(message, uri=element.url, method='PUT', remedy=remedy)
        known.add(name)

    def _project_ids(self) -> set[str]:
        """Return the IDs of all projects that this login sees; one request."""
        uri = uris.with_query(uris.join(uris.ENTRY, 'projects'), {'format': 'json'})
        connection = self.host.connection
        rows = parse_result_set(connection.request(uri, 'GET'), connection.server + uri)
        return {row.get('ID', '') for row in rows}

    @contextmanager
    def reuse_lookups(self) -> Iterator[None]:
        """Share the lookups of this block for up to a minute.

        Applies to this thread and to the threads of a `WorkerPool` started in it.
        """
        token = _BATCH_START.set(
            time.monotonic() if _BATCH_START.get() is None else _BATCH_START.get()
        )
        try:
            yield
        finally:
            _BATCH_START.reset(token)

    def session(self, project: str, name: str, since: float) -> Row | None:
        """Return the row of a session, with its subject.

        Its columns are ``ID``, ``label``, ``subject_ID`` and ``subject_label``.

        Parameters
        ----------
        project : str
            ID of the project.
        name : str
            Label or ID of the session.
        since : float
            Monotonic time; older lookups are fetched again.

        Returns
        -------
        dict or None
            None if the project lists no such session.

        Raises
        ------
        NotFoundError
            The project does not exist, or is hidden from this login.
        """
        return self._find(project, name, 'sessions', _SESSIONS, since)

    def assessor(self, project: str, name: str, since: float) -> Row | None:
        """Return the row of an assessor, with its session.

        Its columns are ``ID``, ``label``, ``session_ID`` and ``session_label``.

        Parameters
        ----------
        project : str
            ID of the project.
        name : str
            Label or ID of the assessor.
        since : float
            Monotonic time; older lookups are fetched again.

        Returns
        -------
        dict or None
            None if the project lists no such assessor.
        """
        return self._find(project, name, 'assessors', _ASSESSORS, since)

    def _find(
        self, project: str, name: str, kind: str, query: dict[str, str], since: float
    ) -> Row | None:
        with self._lock:
            lookup = self._lookups.get((project, kind))
            known_at = (
                max(lookup.fetched_at, lookup.refetched.get(name, 0.0))
                if lookup is not None
                else 0.0
            )
            is_expired = lookup is not None and time.monotonic() - lookup.fetched_at > FRESH_S
            if (
                lookup is None
                or is_expired
                or (known_at < since and not self._is_unchanged(project, lookup, name))
            ):
                lookup = self._lookups[project, kind] = self._fetch(project, query)
        return lookup.labels.get(name) or lookup.ids.get(name)  # a PUT matches labels first

    def _is_unchanged(self, project: str, lookup: _Lookup, name: str) -> bool:
        """Whether a session of an older lookup is unchanged.

        One request with a response of one row.
        """
        row = lookup.labels.get(name)
        if (
            row is None
            or not row.get('ID')
            or 'subject_ID' not in row
            or labels.why_not_new('experiments', name)
        ):
            return False
        columns, now = ('ID', 'label', 'subject_ID'), time.monotonic()
        rows = self._rows(project, {'label': name, 'columns': ','.join(columns)})
        is_unchanged = [[found.get(column) for column in columns] for found in rows] == [
            [row[column] for column in columns]
        ]
        if is_unchanged:
            lookup.refetched[name] = now
        return is_unchanged

    def _rows(self, project: str, query: dict[str, str], plural: str = 'experiments') -> list[Row]:
        """Fetch experiments or subjects of a project, without the cache."""
        uri = uris.with_query(
            uris.join(uris.ENTRY, 'projects', uris.quote(project), plural),
            {**query, 'format': 'json'},
        )
        return parse_result_set(
            self.host.connection.request(uri, 'GET', expiration=0),
            self.host.connection.server + uri,
        )

    def _fetch(self, project: str, query: dict[str, str]) -> _Lookup:
        at, rows = time.monotonic(), self._rows(project, query)
        return _Lookup(
            {row.get('label', ''): row for row in rows},
            {row.get('ID', ''): row for row in rows},
            at,
            {},
        )

    def store(self, element: Element) -> None:
        """Store the owner of a session or assessor after its PUT."""
        names = _names(element)
        kind, above = {
            'experiments': ('sessions', 'subject'),
            'assessors': ('assessors', 'session'),
        }.get(element.level.plural, ('', ''))
        with self._lock:
            lookup = self._lookups.get((names.get('projects', ''), kind))
            if lookup is not None and len(element.steps) > 2:
                name = element.steps[-2].name
                row = {
                    'ID': element.row.get('ID', ''),
                    'label': element.path_name,
                    f'{above}_label': name,
                }
                known = lookup.labels.get(element.path_name, {})
                if known.get('ID') != row['ID'] or name not in (
                    known.get(f'{above}_ID'),
                    known.get(f'{above}_label'),
                ):
                    lookup.labels[element.path_name] = lookup.ids[row['ID']] = row

    def invalidate(self) -> None:
        """Discard all lookups, after an item was renamed, moved or deleted."""
        with self._lock:
            self._lookups.clear()

    def check(self, element: Element, move: bool = False, fresh: bool = False) -> bool | None:
        """Raise an error if the path of an element names a wrong owner.

        Parameters
        ----------
        element : Element
            The element to write to or delete.
        move : bool
            Accept a wrong owner: the element is moved.
        fresh : bool
            Ignore lookups of the last minute; set before a delete.

        Returns
        -------
        bool or None
            Whether the session on the path exists; None if the path does not name both subject and
            session, or the element came from a listing.

        Raises
        ------
        IntegrityError
            The item on the path has another owner; the message names it.
        NotFoundError
            The project does not exist, or is hidden from this login.
        """
        now = time.monotonic()
        since = now if fresh or element.level.can_move else now - FRESH_S
        there = self._check_session(element, move, now, since)
        if (
            there is not False
            and element.level.plural in ('assessors', 'reconstructions')
            and not move
            and not _is_certain(element, element.level.plural)
        ):
            {'assessors': self._check_assessor, 'reconstructions': self._check_reconstruction}[
                element.level.plural
            ](element, now)
        return there

    @staticmethod
    def _find_current(
        find: Callable[[float], Row | None],
        is_right: Callable[[Row], bool],
        now: float,
        since: float,
    ) -> Row | None:
        """Return a row of a lookup since a time.

        If its owner is wrong, the row is fetched again.
        """
        batch_start = _BATCH_START.get()
        row = find(since if batch_start is None else min(batch_start, since))
        return row if row is None or is_right(row) else find(now)

    def _check_session(self, element: Element, move: bool, now: float, since: float) -> bool | None:
        names = _names(element)
        if not {'subjects', 'experiments'} <= names.keys() or _is_certain(element, 'experiments'):
            return None
        if 'projects' not in names:
            names = {step.level: step.name for step in read(element.uri)}
        project, subject, session = _on_the_way(names)
        if move and element.level.plural == 'experiments':
            return True

        def is_right(row: Row) -> bool:
            return subject in (row.get('subject_ID'), row.get('subject_label'))

        row = self._find_current(
            lambda moment: self.session(project, session, moment), is_right, now, since
        )
        if row is None or is_right(row) or self._is_subject(project, subject, row):
            self._store_identity(element, 'experiments', row, self._lookups[project, 'sessions'])
            return row is not None
        owner = f'{row.get("subject_label")} ({row.get("subject_ID")})'
        message = (
            f'session {session} of project {project} belongs to subject {owner}, not to {subject}'
        )
        raise self._refusal(
            element,
            message,
            f'/projects/{project}/subjects/{row.get("subject_label")}/experiments/{session}',
        )

    def _is_subject(self, project: str, subject: str, row: Row) -> bool:
        """Whether the subject of a session has a label in a project. One request.

        Rows of sessions have the label in the subject's own project; it may be shared with another.
        """
        query = {'ID': row.get('subject_ID', ''), 'columns': 'ID,label'}
        return query['ID'] != '' and any(
            one.get('label') == subject for one in self._rows(project, query, 'subjects')
        )

    def _check_assessor(self, element: Element, now: float) -> None:
        session = self._session_id(element, now)
        project = _names(element).get('projects') or self._project_of(element)

        def is_right(row: Row) -> bool:
            return bool(
                {row.get('session_ID'), row.get('session_label')}
                & {session, element.steps[-2].name}
            )

        row = self._find_current(
            lambda moment: self.assessor(project, element.path_name, moment), is_right, now, now
        )
        if row is None or is_right(row):
            self._store_identity(element, 'assessors', row, self._lookups[project, 'assessors'])
            return
        message = (
            f'assessor {element.path_name} of project {project} belongs to session '
            f'{row.get("session_label")} ({row.get("session_ID")})'
        )
        raise self._refusal(
            element, message, f'/experiments/{row.get("session_ID")}/assessors/{element.path_name}'
        )

    @staticmethod
    def _store_identity(element: Element, level: str, row: Row | None, lookup: _Lookup) -> None:
        """Store ID and label in an element whose name is unambiguous."""
        identity = element.row.get('ID', row.get('ID')) if row is not None else None
        if (
            row is not None
            and element.level.plural == level
            and identity == row.get('ID')
            and lookup.ids.get(element.path_name, row) is row
        ):
            element.row.update({name: row[name] for name in ('ID', 'label') if row.get(name)})

    def _check_reconstruction(self, element: Element, now: float) -> None:
        try:
            body = self.host.connection.request(
                uris.with_query(element.uri, {'format': 'json'}), 'GET', expiration=0
            )
        except errors.NotFoundError:
            return
        fields = parse_item(body, self.host.connection.server + element.uri)
        owner = str(fields.get('image_session_ID', ''))
        if owner and owner != self._session_id(element, now):
            message = (
                f'reconstruction {element.path_name} belongs to session {owner}: its ID is unique '
                'on the server'
            )
            raise self._refusal(
                element, message, f'/experiments/{owner}/reconstructions/{element.path_name}'
            )

    def _session_id(self, element: Element, now: float) -> str:
        """Return the accession ID of the session on the path."""
        session = element.steps[-2].name
        known = element.above.get('experiments', {}).get('ID')
        names = _names(element)
        batch_start = _BATCH_START.get()
        row = (
            None
            if known or 'projects' not in names
            else self.session(
                names['projects'], session, now if batch_start is None else batch_start
            )
        )
        return known or (row or {}).get('ID') or session

    def _project_of(self, element: Element) -> str:
        """Return the project that owns the session on the path.

        One request.
        """
        above = element.parent_on_path()
        return above.value_of('project') if above is not None else ''

    def _refusal(self, element: Element, message: str, path: str) -> errors.IntegrityError:
        remedy = (
            f'Use {path}, or create(move=True) to move it.'
            if element.steps[-1].name in path
            else f'Use a path below {path}.'
        )
        return errors.IntegrityError(
            f'{message}; XNAT would ignore the difference',
            uri=element.url,
            method='PUT',
            remedy=remedy,
        )

    def check_id(self, element: Element, identity: Any) -> None:
        """Raise an error if another element has the ID of a new element.

        XNAT would change that other element. One request.

        Parameters
        ----------
        element : Element
            The new element.
        identity : str or None
            The ID that it is created with.

        Raises
        ------
        DuplicateError
            Another element has this ID.
        """
        level = element.level
        if not level.has_label or not identity or str(identity) == element.row.get('ID'):
            return
        query = {'ID': str(identity), 'columns': 'ID,label,project'}
        if level.plural == 'assessors':
            query['xsiType'] = _ASSESSORS['xsiType']
        segment = 'subjects' if level.plural == 'subjects' else 'experiments'
        uri = uris.with_query(uris.join(uris.ENTRY, segment), query)
        for row in self.host.connection.rows(uri):
            if row.get('ID') == str(identity) and element.path_name not in (
                row.get('label'),
                row.get('ID'),
            ):
                message = (
                    f'{identity} is the ID of {element.level.singular} {row.get("label")} in '
                    f'project {row.get("project")}'
                )
                remedy = 'Omit the ID: XNAT assigns one.'
                raise errors.DuplicateError(message, uri=element.url, method='PUT', remedy=remedy)


def _names(element: Element) -> dict[str, str]:
    """Return the names on an element's path, by level."""
    return {step.level: step.name for step in element.steps}


def _is_certain(element: Element, level: str) -> bool:
    """Whether the element of a level needs no lookup.

    It came from a listing of the last minute, or the path below it names it by accession ID.
    """
    if element.level.plural == level:
        return element.listed is not None and age_s(element.listed.received, Moment.now()) < FRESH_S
    name = next(step.name for step in element.steps if step.level == level)
    return element.above.get(level, {}).get('ID') == name
