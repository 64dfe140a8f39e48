"""Who may see workflows, and who may write them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, or_, select, true

from ...model.levels import parts_of_session
from ..errors import Forbidden
from .access import Caller, readable, rights
from .guards import Guard, record
from .store import item, share, workflow

__all__ = ['need_log', 'seen_by']

_PARTS = tuple(row.singular for row in parts_of_session() if row.is_part)
"""Levels without workflows of their own; their IDs are unique in a session only."""


def seen_by(caller: Caller) -> ColumnElement[bool]:
    """Return the condition for workflows that a caller may see.

    Those of the caller, those of readable items, and those of deleted items of readable projects.
    Unlike XNAT, which shows all to all users.
    """
    record(Guard.WORKFLOW)
    if caller.admin:
        return true()
    one, project = item.alias('one'), item.alias('project_of_one')
    same = and_(
        one.c.id == workflow.c.item,
        one.c.level.not_in(_PARTS),
        or_(one.c.level != 'project', one.c.id == workflow.c.project),
    )
    of_item = select(one.c.pk).where(same, readable(caller, one)).correlate(workflow).exists()
    there = select(one.c.pk).where(same).correlate(workflow).exists()
    at_home = and_(
        project.c.level == 'project',
        project.c.id == workflow.c.project,
        readable(caller, project),
    )
    of_project = select(project.c.pk).where(at_home).correlate(workflow).exists()
    return or_(workflow.c.login == caller.login, of_item, and_(~there, of_project))


def need_log(connection: Connection, caller: Caller, name: str, project: str = '') -> str:
    """Return the project of an item in whose history a caller may write.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    name : str
        ID of the item.
    project : str
        ID of the project that the workflow names; by default that of the item.

    Raises
    ------
    Forbidden
        Without the right to edit the item, or if the project does not show it.
    """
    record(Guard.WORKFLOW)
    if caller.admin:
        own = connection.scalar(select(item.c.project).where(item.c.id == name).limit(1))
        return project or str(own or '')
    named = select(item).where(item.c.id == name, item.c.level.not_in(_PARTS))
    rows = connection.execute(named).all()
    if rows and all(_may_write(connection, caller, row, project) for row in rows):
        return project or str(rows[0].project)
    raise Forbidden(f'Insufficient privileges: you cannot write into the history of {name}.')


def _may_write(connection: Connection, caller: Caller, row: Any, project: str) -> bool:
    """Whether the caller may edit an item that a project owns or shares."""
    kind = '' if row.level == 'project' else row.xsi_type
    shown = select(share.c.pk).where(share.c.item == row.pk, share.c.project == project)
    is_here = project in ('', row.project) or connection.execute(shown).first() is not None
    return is_here and 'edit' in rights(connection, caller, row.project, kind)
