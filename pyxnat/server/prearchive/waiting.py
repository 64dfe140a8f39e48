"""Queries on sessions in the prearchive, their images and logs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from ..db.access import ANY, Caller, rights
from ..db.guards import Guard, record
from ..db.store import arrival, arrival_file, arrival_log, role
from ..errors import Forbidden

__all__ = [
    'count_images',
    'find_place',
    'find_study',
    'handled_by',
    'image_paths',
    'image_rows',
    'log_of',
    'may_handle',
    'need_waiting',
    'waiting_sessions',
]


def need_waiting(
    connection: Connection, caller: Caller, project: str | None, right: str = 'edit'
) -> None:
    """Check that a caller has access to a project's sessions in the prearchive.

    Only administrators have access to those without a project.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str or None
        ID of the project; None for sessions without one.
    right : str
        Right on any type in the project: ``edit`` for one session, also to read it, ``create`` to
        put one there, ``read`` to list them, which needs a role in the project, public or not.

    Raises
    ------
    Forbidden
        Without the right.
    """
    if not may_handle(connection, caller, project, right):
        where = project or 'Unassigned'
        raise Forbidden(f'Insufficient privileges: {right} in the prearchive of {where}.')


def may_handle(
    connection: Connection, caller: Caller, project: str | None, right: str = 'edit'
) -> bool:
    """Whether a caller has access to a project's sessions, as `need_waiting` says.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str or None
        ID of the project; None for sessions without one.
    right : str
        ``edit``, ``create`` or ``read``.
    """
    record(Guard.WAITING)
    granted = rights(connection, caller, project or '', ANY)
    if project is None or caller.admin:
        return caller.admin
    held = select(role.c.role).where(role.c.project == project, role.c.login == caller.login)
    if right == 'read' and connection.scalar(held) is None:
        return False
    return right in granted


def handled_by(connection: Connection, caller: Caller, rows: Sequence[Any]) -> list[Any]:
    """Return the sessions that a caller may edit, of all projects.

    XNAT lists other sessions only in requests for their project.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    rows : sequence of Row
        The sessions.
    """
    record(Guard.WAITING)
    mine = {name: may_handle(connection, caller, name) for name in {row.project for row in rows}}
    return [row for row in rows if mine[row.project]]


def waiting_sessions(
    connection: Connection, projects: Collection[str | None] | None = None, tag: str = ''
) -> Sequence[Any]:
    """Return sessions in the prearchive, the oldest first.

    Parameters
    ----------
    connection : Connection
        The database.
    projects : collection of str or None, optional
        IDs of projects; None among them stands for sessions without a project. By default all.
    tag : str
        UID of the study; by default any.
    """
    query = select(arrival).order_by(arrival.c.pk)
    if projects is not None:
        known = arrival.c.project.in_([name for name in projects if name is not None])
        query = query.where(known | arrival.c.project.is_(None) if None in projects else known)
    return connection.execute(query.where(arrival.c.tag == tag) if tag else query).all()


def find_place(connection: Connection, project: str | None, timestamp: str, folder: str) -> Any:
    """Return the session in a folder of the prearchive, or None.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str or None
        ID of the project; None for sessions without one.
    timestamp, folder : str
        Names of the folders.
    """
    query = select(arrival).where(
        _of_project(project), arrival.c.timestamp == timestamp, arrival.c.folder == folder
    )
    return connection.execute(query).first()


def find_study(connection: Connection, project: str | None, study: str, name: str) -> Any:
    """Return the oldest session of a study and name in a project's prearchive.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str or None
        ID of the project; None for sessions without one.
    study : str
        UID of the study.
    name : str
        Name of the session.
    """
    query = select(arrival).where(
        _of_project(project), arrival.c.tag == study, arrival.c.name == name
    )
    return connection.execute(query.order_by(arrival.c.pk)).first()


def _of_project(project: str | None) -> Any:
    return arrival.c.project == project if project else arrival.c.project.is_(None)


def log_of(connection: Connection, pk: int) -> Sequence[Any]:
    """Return the log of a session, the oldest entry first.

    Parameters
    ----------
    connection : Connection
        The database.
    pk : int
        Key of the session.
    """
    return connection.execute(
        select(arrival_log).where(arrival_log.c.arrival == pk).order_by(arrival_log.c.pk)
    ).all()


def count_images(connection: Connection, scan: int) -> Any:
    """Return ``file_count`` and ``file_size`` (bytes) of a scan's images.

    Parameters
    ----------
    connection : Connection
        The database.
    scan : int
        Key of the scan.
    """
    size = func.coalesce(func.sum(arrival_file.c.size), 0).label('file_size')
    return connection.execute(
        select(func.count().label('file_count'), size).where(arrival_file.c.scan == scan)
    ).one()


def image_rows(connection: Connection, scan: int) -> Sequence[Any]:
    """Return the images of a scan, sorted by path.

    Parameters
    ----------
    connection : Connection
        The database.
    scan : int
        Key of the scan.
    """
    return connection.execute(
        select(arrival_file).where(arrival_file.c.scan == scan).order_by(arrival_file.c.path)
    ).all()


def image_paths(connection: Connection, scan: int, path: str, limit: int) -> Sequence[str]:
    """Return the paths of images of a scan, sorted.

    Parameters
    ----------
    connection : Connection
        The database.
    scan : int
        Key of the scan.
    path : str
        Only this path; if empty, the first ones.
    limit : int
        Largest number of paths without `path`.
    """
    query = (
        select(arrival_file.c.path).where(arrival_file.c.scan == scan).order_by(arrival_file.c.path)
    )
    query = query.where(arrival_file.c.path == path) if path else query.limit(limit)
    return connection.scalars(query).all()
