"""Whose a session, an assessor or a reconstruction is, looked up before something is put there.

XNAT does not compare the subject in a path with that of the session: a PUT of a session below another subject moves it, a PUT below such a path
goes into the session of the other. Labels of assessors are one space for the project, IDs of reconstructions one for the site: a PUT below another
session moves them. So the client looks first: once a project and minute for sessions, once for assessors, each time for a reconstruction.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import errors, uris
from ..tables import Row

if TYPE_CHECKING:
    from ..interface import Interface
    from .base import Element

__all__ = ['FRESH_S', 'Owners']

FRESH_S = 60.0
"""How long a look at the sessions of a project serves, in seconds."""
_SESSIONS = {'columns': 'ID,label,subject_ID,subject_label'}
_ASSESSORS = {'xsiType': 'xnat:imageAssessorData', 'columns': 'ID,label,session_ID,session_label'}
_ON_THE_WAY = ('projects', 'subjects', 'experiments')


class _Look(NamedTuple):
    """The rows of a listing by label and by ID, and when it was asked."""

    labels: dict[str, Row]
    ids: dict[str, Row]
    at: float


class Owners:
    """What one login knows of whose things are."""

    def __init__(self, interface: Interface) -> None:
        self._intf = interface
        self._looks: dict[tuple[str, str], _Look] = {}
        self._lock = threading.Lock()

    # -- looking

    def session(self, project: str, name: str, fresh: bool = False) -> Row | None:
        """The row of a session by label or ID, with ``subject_ID`` and ``subject_label``; `NotFoundError` where the project is not seen."""
        return self._find(project, name, 'sessions', _SESSIONS, fresh)

    def assessor(self, project: str, name: str, fresh: bool = False) -> Row | None:
        """The row of an assessor by label or ID, with ``session_ID`` and ``session_label``."""
        return self._find(project, name, 'assessors', _ASSESSORS, fresh)

    def _find(self, project: str, name: str, kind: str, query: dict[str, str], fresh: bool) -> Row | None:
        with self._lock:
            look = self._looks.get((project, kind))
            if fresh or look is None or time.monotonic() - look.at > FRESH_S:
                look = self._looks[project, kind] = self._ask(project, query)
        return look.labels.get(name) or look.ids.get(name)  # a PUT takes a label first

    def _ask(self, project: str, query: dict[str, str]) -> _Look:
        rows = self._intf._get_json(uris.with_query(uris.join(uris.ENTRY, 'projects', uris.quote(project), 'experiments'), query))
        return _Look({row.get('label', ''): row for row in rows}, {row.get('ID', ''): row for row in rows}, time.monotonic())

    def learn(self, element: Element) -> None:
        """Keep whose a session is that was just put, or an assessor."""
        names = _names(element)
        kind, above = {'experiments': ('sessions', 'subject'), 'assessors': ('assessors', 'session')}.get(element._urt, ('', ''))
        with self._lock:
            look = self._looks.get((names.get('projects', ''), kind))
            if look is not None and len(element._path) > 2:
                name = element._path[-2].name
                row = {'ID': element._known.get('ID', ''), 'label': element._urn, f'{above}_ID': name, f'{above}_label': name}
                look.labels[element._urn] = look.ids[row['ID']] = row

    def forget(self) -> None:
        """Look again before the next PUT: something was renamed, moved or deleted."""
        with self._lock:
            self._looks.clear()

    # -- refusing

    def check(self, element: Element, move: bool = False) -> bool | None:
        """Refuse to write to a path that names another owner than the element's, unless it is to `move` there.

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
        there = self._check_session(element, move)
        if there is not False and element._urt in ('assessors', 'reconstructions') and not move and not _was_listed(element, element._urt):
            {'assessors': self._check_assessor, 'reconstructions': self._check_reconstruction}[element._urt](element)
        return there

    def _check_session(self, element: Element, move: bool) -> bool | None:
        names = _names(element)
        if not all(level in names for level in _ON_THE_WAY) or _was_listed(element, 'experiments'):
            return None
        project, subject, session = (names[level] for level in _ON_THE_WAY)
        if move and element._urt == 'experiments':
            return True
        row = None
        for fresh in (False, True):
            row = self.session(project, session, fresh)
            if row is None or subject in (row.get('subject_ID'), row.get('subject_label')):
                return row is not None
        assert row is not None
        owner = f'{row.get("subject_label")} ({row.get("subject_ID")})'
        what = f'session {session} of project {project} is that of subject {owner}, not of {subject}'
        raise self._refusal(element, what, f'/projects/{project}/subjects/{row.get("subject_label")}/experiments/{session}')

    def _check_assessor(self, element: Element) -> None:
        session = self._session_id(element)
        project = _names(element).get('projects') or self._project_of(element)
        row = None
        for fresh in (False, True):
            row = self.assessor(project, element._urn, fresh)
            if row is None or row.get('session_ID') in (session, element._path[-2].name):
                return
        assert row is not None
        what = f'assessor {element._urn} of project {project} is that of session {row.get("session_label")} ({row.get("session_ID")})'
        raise self._refusal(element, what, f'/experiments/{row.get("session_ID")}/assessors/{element._urn}')

    def _check_reconstruction(self, element: Element) -> None:
        try:
            item = json.loads(self._intf._exec(uris.with_query(element._uri, {'format': 'json'}), 'GET', expiration=0))
        except errors.NotFoundError:
            return
        owner = _field(item, 'image_session_ID')
        if owner and owner != self._session_id(element):
            what = f'reconstruction {element._urn} is that of session {owner}: its ID is one for the whole site'
            raise self._refusal(element, what, f'/experiments/{owner}/reconstructions/{element._urn}')

    def _session_id(self, element: Element) -> str:
        """The accession ID of the session that a path names."""
        session = element._path[-2].name
        known = element._above.get('experiments', {}).get('ID')
        names = _names(element)
        row = None if known or 'projects' not in names else self.session(names['projects'], session)
        return known or (row or {}).get('ID') or session

    def _project_of(self, element: Element) -> str:
        """The project that owns the session above, where the path does not name one. One request."""
        above = element._above_it()
        return above._known_or_asked('project') if above is not None else ''

    def _refusal(self, element: Element, what: str, path: str) -> errors.IntegrityError:
        remedy = f'Use {path}, or create(move=True) to move it.' if element._path[-1].name in path else f'Use what is below {path}.'
        return errors.IntegrityError(f'{what}; XNAT would not keep them apart', uri=self._intf._server + element._uri, method='PUT', remedy=remedy)

    def check_id(self, element: Element, identity: Any) -> None:
        """Refuse to give a new element an ID that another has: XNAT would change that one. One request."""
        if element._urt not in ('subjects', 'experiments') or not identity or str(identity) == element._known.get('ID'):
            return
        uri = uris.with_query(uris.join(uris.ENTRY, element._level.segment), {'ID': str(identity), 'columns': 'ID,label,project'})
        for row in self._intf._get_json(uri):
            if row.get('ID') == str(identity) and element._urn not in (row.get('label'), row.get('ID')):
                what = f'{identity} is the ID of {element._level.singular} {row.get("label")} in project {row.get("project")}'
                remedy = 'Leave the ID out: XNAT gives one.'
                raise errors.DuplicateError(what, uri=self._intf._server + element._uri, method='PUT', remedy=remedy)


def _names(element: Element) -> dict[str, str]:
    """The names on an element's path, by level."""
    return {step.level: step.name for step in element._path}


def _was_listed(element: Element, level: str) -> bool:
    """Whether a listing led to the element of a level, so that its path is true."""
    if element._urt == level:
        return element._heard is not None or 'ID' in element._known
    return bool(element._above.get(level))


def _field(item: Any, name: str) -> str:
    """A field of an item as XNAT's JSON has it."""
    try:
        return str(item['items'][0]['data_fields'].get(name, ''))
    except (KeyError, IndexError, TypeError, AttributeError):
        return ''
