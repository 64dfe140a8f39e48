"""Items whose resources a route names, found as in XNAT.

A session is searched in the project of the route, by ID or label, whatever the subject. A GET with
a missing or unreadable item below is answered for the subject, else the project, of the route. All
other methods need exactly one item at each level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ...model.levels import parts_of_session
from ..db.access import Caller
from ..errors import Forbidden, InternalServerError, NotFound
from .locate import Place, find, find_element, find_parts
from .uris import Step

__all__ = ['holder_of', 'holders_of', 'need_project']


def holder_of(connection: Connection, caller: Caller, steps: Sequence[Step]) -> Place:
    """Return the single item that a route names.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    steps : Sequence[Step]
        Steps of the route.

    Raises
    ------
    NotFound
        If there is none, or more than one.
    """
    return holders_of(connection, caller, steps, 'PUT')[0]


def holders_of(
    connection: Connection, caller: Caller, steps: Sequence[Step], method: str = 'GET'
) -> list[Place]:
    """Return the items that a route names.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    steps : Sequence[Step]
        Steps of the route.
    method : str
        HTTP method; all but GET need exactly one item.

    Raises
    ------
    NotFound
        If there is no item, and no subject or project to fall back to.
    """
    top = [step for step in steps if step.level.plural in ('projects', 'subjects')]
    base = find(connection, caller, top, inside=True) if top else Place()
    step = next((one for one in steps if one.level.plural == 'experiments'), None)
    if step is None:
        return [base]
    found = _sessions(connection, caller, base, step)
    _check_count(found, step, method)
    below = next((one for one in steps if one.level in parts_of_session()), None)
    if below is not None:
        found = [place for session in found for place in _parts(connection, caller, session, below)]
        _check_count(found, below, method)
    if not found and base.row is None:
        raise NotFound(f'Unable to find the specified experiment: {step.id}')
    return found or [base]


def need_project(place: Place) -> None:
    """Refuse a subject that was named without its project.

    Raises
    ------
    InternalServerError
        In that case; XNAT has such routes, but fails on them.
    """
    if place.row.level == 'subject' and place.project is None:
        raise InternalServerError(
            'XNAT cannot do this without a project in the path: /data/projects/P/subjects/S'
        )


def _check_count(found: Sequence[Place], step: Step, method: str) -> None:
    if method != 'GET' and len(found) != 1:
        raise NotFound(f'Unable to identify {step.level.singular}')


def _sessions(connection: Connection, caller: Caller, base: Place, step: Step) -> list[Place]:
    project = Place(base.project, base.rows, base.rows.get('project'))
    rows: dict[int, Any] = {}
    for name in (step.id or '').split(','):
        try:
            row = find_element(connection, caller, project, Step(step.level, name.strip()))
        except (NotFound, Forbidden):
            continue
        if row is not None:
            rows.setdefault(row.pk, row)
    return [Place(base.project, {**base.rows, 'experiment': row}, row) for row in rows.values()]


def _parts(connection: Connection, caller: Caller, session: Place, step: Step) -> list[Place]:
    rows: dict[int, Any] = {}
    for name in (step.id or '').split(','):
        part = name.strip().replace('[SLASH]', '/').replace('[COMMA]', ',')
        for row in find_parts(connection, caller, session, step, part):
            rows.setdefault(row.pk, row)
    return [
        Place(session.project, {**session.rows, step.level.singular: row}, row)
        for row in rows.values()
    ]
