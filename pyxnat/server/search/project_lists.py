"""Projects selected by roles, rights, activity and favorites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, false, func, or_, select, true

from ..context import Context
from ..db.access import ANY, Caller, rights, visible
from ..db.store import favorite, item, role
from ..db.values import parse_date
from ..errors import BadRequest

__all__ = ['chosen_projects', 'owned_by', 'projects_with_right']

_ROOT = 'xnat:projectData'
_RIGHTS = frozenset({'read', 'create', 'edit', 'delete', 'activate'})


def chosen_projects(context: Context, connection: Connection) -> list[str]:
    """Return the IDs of the projects that query parameters select, sorted.

    Only those that the caller may see.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    """
    return sorted(
        connection.scalars(
            select(item.c.id).where(
                item.c.level == 'project',
                visible(context.caller, item.c.id, seeing=True),
                *_conditions(context),
            )
        )
    )


def _conditions(context: Context) -> Iterator[ColumnElement[bool]]:
    mine = select(role.c.project).where(role.c.login == context.caller.login)
    project, everything = item.c.id, true() if context.caller.admin else false()
    ways = {
        'readable': or_(project.in_(mine), item.c.access == 'public'),
        'writable': project.in_(mine.where(role.c.role != 'collaborator')),
    }
    if context.has('data'):
        if context.get('data').lower() not in ways:
            raise BadRequest(f'{context.get("data")!r} must be one of {", ".join(ways)}.')
        yield or_(everything, ways[context.get('data').lower()])
    if context.has('accessible'):
        open_to_all = item.c.access.in_(('public', 'protected'))
        yield (
            or_(everything, project.in_(mine), open_to_all)
            if context.flag('accessible')
            else project.not_in(mine)
        )
    if context.has('activeSince'):
        yield _active_since(context.get('activeSince'))
    chosen = list(_chosen(context, mine))
    if chosen:
        yield or_(*chosen)


def _chosen(context: Context, mine: Any) -> Iterator[ColumnElement[bool]]:
    """Yield conditions joined by OR: the caller's roles and favorites."""
    for name in ('owner', 'member', 'collaborator'):
        if context.has(name):
            yield (
                item.c.id.in_(mine.where(role.c.role == name))
                if context.flag(name)
                else item.c.id.not_in(mine)
            )
    if context.flag('recent'):
        yield false()  # XNAT counts visits of its web pages only, and this archive has none
    if context.flag('favorite'):
        kept = (
            favorite.c.login == context.caller.login,
            func.lower(favorite.c.type).in_(('project', _ROOT.lower())),
        )
        yield item.c.id.in_(select(favorite.c.id).where(*kept))
    if context.flag('admin'):
        yield true() if context.caller.admin else false()


def _active_since(text: str) -> ColumnElement[bool]:
    day = parse_date(text.partition(' ')[0])  # a time of day is ignored
    if day is None:
        raise BadRequest(f'{text!r} is not a date; use MM/dd/yyyy.')
    below = item.alias('active')
    return item.c.id.in_(select(below.c.project).where(below.c.last_modified >= day.isoformat()))


def owned_by(caller: Caller, project: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a user owns a project.

    Parameters
    ----------
    caller : Caller
        The user.
    project : ColumnElement[str]
        Column with the ID of the project.
    """
    return project.in_(
        select(role.c.project).where(role.c.login == caller.login, role.c.role == 'owner')
    )


# -- by right


def projects_with_right(
    connection: Connection, caller: Caller, right: str, kind: str = ANY
) -> Iterator[Any]:
    """Yield the projects in which a caller has a right, by ID.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    right : str
        Read, create, edit, delete or activate.
    kind : str
        Data type of the items that the right is for.

    Raises
    ------
    BadRequest
        For any other right.
    """
    if right not in _RIGHTS:
        raise BadRequest(f'{right!r} must be one of {", ".join(sorted(_RIGHTS))}.')
    wanted = 'delete' if right == 'activate' else right
    query = (
        select(item)
        .where(item.c.level == 'project', visible(caller, item.c.id, seeing=True))
        .order_by(item.c.id)
    )
    for row in connection.execute(query).all():
        if wanted in rights(connection, caller, row.id, kind):
            yield row
