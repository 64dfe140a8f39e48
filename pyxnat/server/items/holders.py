"""The items whose resources a route names, as XNAT finds them.

A session is looked for in the project of the route, by ID or label, whatever the subject there. What is named below and is not there, or may
not be read, does not end a GET: it is answered for the subject, else the project, that the route goes through. All other verbs want exactly
one of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ..db.access import Caller
from ..errors import Forbidden, InternalServerError, NotFound
from .locate import Place, find, found_below, found_one
from .uris import Step

__all__ = ['holder_of', 'holders_of', 'need_project']

_BELOW = ('scans', 'reconstructions', 'assessors')


def holder_of(connection: Connection, caller: Caller, steps: Sequence[Step]) -> Place:
    """The one item that a route to change something names; `NotFound` where it is not there, or where there are several."""
    return holders_of(connection, caller, steps, 'PUT')[0]


def holders_of(connection: Connection, caller: Caller, steps: Sequence[Step], method: str = 'GET') -> list[Place]:
    """The items that a route names; `NotFound` where there is not even a subject or project to fall back to."""
    top = [step for step in steps if step.level.plural in ('projects', 'subjects')]
    base = find(connection, caller, top, inside=True) if top else Place()
    step = next((one for one in steps if one.level.plural == 'experiments'), None)
    if step is None:
        return [base]
    found = _sessions(connection, caller, base, step)
    _check_count(found, step, method)
    below = next((one for one in steps if one.level.plural in _BELOW), None)
    if below is not None:
        found = [place for session in found for place in _parts(connection, caller, session, below)]
        _check_count(found, below, method)
    if not found and base.row is None:
        raise NotFound(f'Unable to find the specified experiment: {step.id}')
    return found or [base]


def need_project(place: Place) -> None:
    """`InternalServerError` for a subject that was named without its project: XNAT has routes for what is done there, and fails in them."""
    if place.row.level == 'subject' and place.project is None:
        raise InternalServerError('XNAT cannot do that without a project in the path: /data/projects/P/subjects/S')


def _check_count(found: Sequence[Place], step: Step, method: str) -> None:
    if method != 'GET' and len(found) != 1:
        raise NotFound(f'Unable to identify {step.level.singular}')


def _sessions(connection: Connection, caller: Caller, base: Place, step: Step) -> list[Place]:
    project = Place(base.project, base.rows, base.rows.get('project'))
    rows: dict[int, Any] = {}
    for name in (step.id or '').split(','):
        try:
            row = found_one(connection, caller, project, Step(step.level, name.strip()))
        except (NotFound, Forbidden):
            continue
        if row is not None:
            rows.setdefault(row.pk, row)
    return [Place(base.project, {**base.rows, 'experiment': row}, row) for row in rows.values()]


def _parts(connection: Connection, caller: Caller, session: Place, step: Step) -> list[Place]:
    rows: dict[int, Any] = {}
    for name in (step.id or '').split(','):
        part = name.strip().replace('[SLASH]', '/').replace('[COMMA]', ',')
        for row in found_below(connection, caller, session, step, part):
            rows.setdefault(row.pk, row)
    return [Place(session.project, {**session.rows, step.level.singular: row}, row) for row in rows.values()]
