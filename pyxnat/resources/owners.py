"""Whose a session, an assessor or a reconstruction is, looked up before something is put there.

XNAT does not compare the subject in a path with that of the session: a PUT of a session below another subject moves it, a PUT below such a path
goes into the session of the other. Labels of assessors are one space for the project, IDs of reconstructions one for the site: a PUT below another
session moves them. So the client looks at the server before each write that could move something or delete it, whatever the cache holds. A write of
what stands below a session reaches the session of that label, whoever owns it by now: a look of the last minute is enough for it. Work on many items
at once looks once for all of them (`Owners.reuse_lookups`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import errors
from ..cache import Moment, age_s
from ..model import labels, uris
from ..query.paths import read
from ..tables.json_stream import parse_result_set
from ..tables.table import Row
from .host import Host

if TYPE_CHECKING:
    from .base import Element

__all__ = ['FRESH_S', 'Owners']

FRESH_S = 60.0
"""How long a look serves writes below a session and work on many items, and a listing what it led to, in seconds."""
_OWNED = frozenset({'experiments', 'assessors', 'reconstructions'})
"""Levels whose items a write can move."""
_BEGUN: ContextVar[float | None] = ContextVar('begun', default=None)
"""When the work on many items began that this thread does a part of."""
_SESSIONS = {'columns': 'ID,label,subject_ID,subject_label'}
_ASSESSORS = {'xsiType': 'xnat:imageAssessorData', 'columns': 'ID,label,session_ID,session_label'}
_ON_THE_WAY = ('projects', 'subjects', 'experiments')


class _Look(NamedTuple):
    """The rows of a listing by label and by ID, when it was asked, and when single rows were asked for again."""

    labels: dict[str, Row]
    ids: dict[str, Row]
    at: float
    again: dict[str, float]


class Owners:
    """What one login knows of whose things are."""

    def __init__(self, interface: Host) -> None:
        self.host = interface
        self._looks: dict[tuple[str, str], _Look] = {}
        self._lock = threading.Lock()

    # -- looking

    @contextmanager
    def reuse_lookups(self) -> Iterator[None]:
        """Work on many items, in this thread and those of an `Undertaking`: what is seen within it serves all of them, for a minute."""
        token = _BEGUN.set(time.monotonic() if _BEGUN.get() is None else _BEGUN.get())
        try:
            yield
        finally:
            _BEGUN.reset(token)

    def session(self, project: str, name: str, since: float) -> Row | None:
        """The row of a session by label or ID, with ``subject_ID`` and ``subject_label``, as the server had it at a time or later.

        `NotFoundError` where the project is not seen.
        """
        return self._find(project, name, 'sessions', _SESSIONS, since)

    def assessor(self, project: str, name: str, since: float) -> Row | None:
        """The row of an assessor by label or ID, with ``session_ID`` and ``session_label``; as `session`."""
        return self._find(project, name, 'assessors', _ASSESSORS, since)

    def _find(self, project: str, name: str, kind: str, query: dict[str, str], since: float) -> Row | None:
        with self._lock:
            look = self._looks.get((project, kind))
            seen = max(look.at, look.again.get(name, 0.0)) if look is not None else 0.0
            if look is None or time.monotonic() - look.at > FRESH_S or (seen < since and not self._is_still_so(project, look, name)):
                look = self._looks[project, kind] = self._ask(project, query)
        return look.labels.get(name) or look.ids.get(name)  # a PUT takes a label first

    def _is_still_so(self, project: str, look: _Look, name: str) -> bool:
        """Whether what an older look has of a session that was there is so now: a request with an answer of one row."""
        row = look.labels.get(name)
        if row is None or not row.get('ID') or 'subject_ID' not in row or labels.why_not_new('experiments', name):
            return False
        columns, now = ('ID', 'label', 'subject_ID'), time.monotonic()
        rows = self._rows(project, {'label': name, 'columns': ','.join(columns)})
        is_so = [[one.get(column) for column in columns] for one in rows] == [[row[column] for column in columns]]
        if is_so:
            look.again[name] = now
        return is_so

    def _rows(self, project: str, query: dict[str, str]) -> list[Row]:
        """Rows of experiments of a project as the server has them now, whatever the cache holds."""
        uri = uris.with_query(uris.join(uris.ENTRY, 'projects', uris.quote(project), 'experiments'), {**query, 'format': 'json'})
        return parse_result_set(self.host.connection.request(uri, 'GET', expiration=0), self.host.connection.server + uri)

    def _ask(self, project: str, query: dict[str, str]) -> _Look:
        at, rows = time.monotonic(), self._rows(project, query)
        return _Look({row.get('label', ''): row for row in rows}, {row.get('ID', ''): row for row in rows}, at, {})

    def learn(self, element: Element) -> None:
        """Keep whose a session is that was just put, or an assessor."""
        names = _names(element)
        kind, above = {'experiments': ('sessions', 'subject'), 'assessors': ('assessors', 'session')}.get(element.level.plural, ('', ''))
        with self._lock:
            look = self._looks.get((names.get('projects', ''), kind))
            if look is not None and len(element.steps) > 2:
                name = element.steps[-2].name
                row = {'ID': element.row.get('ID', ''), 'label': element.path_name, f'{above}_label': name}
                known = look.labels.get(element.path_name, {})
                if known.get('ID') != row['ID'] or name not in (known.get(f'{above}_ID'), known.get(f'{above}_label')):
                    look.labels[element.path_name] = look.ids[row['ID']] = row

    def forget(self) -> None:
        """Look again before the next PUT: something was renamed, moved or deleted."""
        with self._lock:
            self._looks.clear()

    # -- refusing

    def check(self, element: Element, move: bool = False, fresh: bool = False) -> bool | None:
        """Refuse to write to a path that names another owner than the element's, unless it is to `move` there.

        Parameters
        ----------
        fresh : bool
            Whether to look now, although what is written stands below a session: something is deleted.

        Returns
        -------
        bool or None
            Whether the session on the path is there; `None` where the path names no subject and session, or a listing led to it.

        Raises
        ------
        IntegrityError
            What is on the path belongs elsewhere; the owner is named.
        NotFoundError
            The project is not there, or not to be seen.
        """
        now = time.monotonic()
        since = now if fresh or element.level.plural in _OWNED else now - FRESH_S
        there = self._check_session(element, move, now, since)
        if (
            there is not False
            and element.level.plural in ('assessors', 'reconstructions')
            and not move
            and not _is_sure(element, element.level.plural)
        ):
            {'assessors': self._check_assessor, 'reconstructions': self._check_reconstruction}[element.level.plural](element, now)
        return there

    @staticmethod
    def _seen(find: Callable[[float], Row | None], is_right: Callable[[Row], bool], now: float, since: float) -> Row | None:
        """A row as a look since a time has it; what an older look has of another owner is looked up again."""
        begun = _BEGUN.get()
        row = find(since if begun is None else min(begun, since))
        return row if row is None or is_right(row) else find(now)

    def _check_session(self, element: Element, move: bool, now: float, since: float) -> bool | None:
        names = _names(element)
        if not {'subjects', 'experiments'} <= names.keys() or _is_sure(element, 'experiments'):
            return None
        if 'projects' not in names:
            names = {step.level: step.name for step in read(element.uri)}
        project, subject, session = (names[level] for level in _ON_THE_WAY)
        if move and element.level.plural == 'experiments':
            return True

        def is_right(row: Row) -> bool:
            return subject in (row.get('subject_ID'), row.get('subject_label'))

        row = self._seen(lambda moment: self.session(project, session, moment), is_right, now, since)
        if row is None or is_right(row):
            self._tell(element, 'experiments', row, self._looks[project, 'sessions'])
            return row is not None
        owner = f'{row.get("subject_label")} ({row.get("subject_ID")})'
        what = f'session {session} of project {project} is that of subject {owner}, not of {subject}'
        raise self._refusal(element, what, f'/projects/{project}/subjects/{row.get("subject_label")}/experiments/{session}')

    def _check_assessor(self, element: Element, now: float) -> None:
        session = self._session_id(element, now)
        project = _names(element).get('projects') or self._project_of(element)

        def is_right(row: Row) -> bool:
            return bool({row.get('session_ID'), row.get('session_label')} & {session, element.steps[-2].name})

        row = self._seen(lambda moment: self.assessor(project, element.path_name, moment), is_right, now, now)
        if row is None or is_right(row):
            self._tell(element, 'assessors', row, self._looks[project, 'assessors'])
            return
        what = f'assessor {element.path_name} of project {project} is that of session {row.get("session_label")} ({row.get("session_ID")})'
        raise self._refusal(element, what, f'/experiments/{row.get("session_ID")}/assessors/{element.path_name}')

    @staticmethod
    def _tell(element: Element, level: str, row: Row | None, look: _Look) -> None:
        """Let an element know its ID and label, where its name means nothing else."""
        identity = element.row.get('ID', row.get('ID')) if row is not None else None
        if row is not None and element.level.plural == level and identity == row.get('ID') and look.ids.get(element.path_name, row) is row:
            element.row.update({name: row[name] for name in ('ID', 'label') if row.get(name)})

    def _check_reconstruction(self, element: Element, now: float) -> None:
        try:
            item = json.loads(self.host.connection.request(uris.with_query(element.uri, {'format': 'json'}), 'GET', expiration=0))
        except errors.NotFoundError:
            return
        owner = _field(item, 'image_session_ID')
        if owner and owner != self._session_id(element, now):
            what = f'reconstruction {element.path_name} is that of session {owner}: its ID is one for the whole site'
            raise self._refusal(element, what, f'/experiments/{owner}/reconstructions/{element.path_name}')

    def _session_id(self, element: Element, now: float) -> str:
        """The accession ID of the session that a path names."""
        session = element.steps[-2].name
        known = element.above.get('experiments', {}).get('ID')
        names = _names(element)
        begun = _BEGUN.get()
        row = None if known or 'projects' not in names else self.session(names['projects'], session, now if begun is None else begun)
        return known or (row or {}).get('ID') or session

    def _project_of(self, element: Element) -> str:
        """The project that owns the session above, where the path does not name one. One request."""
        above = element._parent_on_path()
        return above.value_of('project') if above is not None else ''

    def _refusal(self, element: Element, what: str, path: str) -> errors.IntegrityError:
        remedy = f'Use {path}, or create(move=True) to move it.' if element.steps[-1].name in path else f'Use what is below {path}.'
        return errors.IntegrityError(f'{what}; XNAT would not keep them apart', uri=element.url, method='PUT', remedy=remedy)

    def check_id(self, element: Element, identity: Any) -> None:
        """Refuse to give a new element an ID that another has: XNAT would change that one. One request."""
        if element.level.plural not in ('subjects', 'experiments') or not identity or str(identity) == element.row.get('ID'):
            return
        uri = uris.with_query(uris.join(uris.ENTRY, element.level.segment), {'ID': str(identity), 'columns': 'ID,label,project'})
        for row in self.host.connection.rows(uri):
            if row.get('ID') == str(identity) and element.path_name not in (row.get('label'), row.get('ID')):
                what = f'{identity} is the ID of {element.level.singular} {row.get("label")} in project {row.get("project")}'
                remedy = 'Leave the ID out: XNAT gives one.'
                raise errors.DuplicateError(what, uri=element.url, method='PUT', remedy=remedy)


def _names(element: Element) -> dict[str, str]:
    """The names on an element's path, by level."""
    return {step.level: step.name for step in element.steps}


def _is_sure(element: Element, level: str) -> bool:
    """Whether the element of a level needs no look: a listing led to it within a minute, or the path to what is below it has its accession ID."""
    if element.level.plural == level:
        return element.listed is not None and age_s(element.listed.received, Moment.now()) < FRESH_S
    name = next(step.name for step in element.steps if step.level == level)
    return element.above.get(level, {}).get('ID') == name


def _field(item: Any, name: str) -> str:
    """A field of an item as XNAT's JSON has it."""
    try:
        return str(item['items'][0]['data_fields'].get(name, ''))
    except (KeyError, IndexError, TypeError, AttributeError):
        return ''
