"""Groups of projects: members, and rights of custom groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from ..errors import Forbidden
from .access import ROLES, Caller, rights
from .guards import Guard, record
from .store import group_right, role, user, user_group
from .users import shown_email

__all__ = [
    'delete_group',
    'group_numbers',
    'groups_of',
    'members',
    'need_groups',
    'need_move',
    'own_groups',
    'remove_member',
    'save_group',
    'set_member',
    'sizes',
]


def need_groups(connection: Connection, caller: Caller, project: str, change: bool = False) -> None:
    """Check that a caller may see the groups and users of a project, or change them.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project, which everybody sees who sees the project.
    change : bool
        Whether to change them, which owners may.

    Raises
    ------
    Forbidden
        Without the right.
    """
    record(Guard.GROUP)
    if ('delete' if change else 'see') not in rights(connection, caller, project):
        right = 'delete' if change else 'read'
        raise Forbidden(f'Insufficient privileges: {right} in project {project}.')


def need_move(connection: Connection, caller: Caller, project: str, login: str, add: bool) -> None:
    """Check that a caller may add a user to a group, or take it out.

    Owners of the project may; a user may leave.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project.
    login : str
        The user to add or to take out.
    add : bool
        Whether to add.

    Raises
    ------
    Forbidden
        Without the right.
    """
    record(Guard.GROUP)
    is_owner = 'delete' in rights(connection, caller, project)
    if not is_owner and (add or login != caller.login):
        raise Forbidden(f'Only an owner of {project} may change the members of its groups.')


def own_groups(connection: Connection, project: str) -> dict[str, str]:
    """Return the custom groups of a project: key to display name.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    query = select(user_group.c.key, user_group.c.displayname).where(
        user_group.c.project == project
    )
    return {row.key: row.displayname for row in connection.execute(query.order_by(user_group.c.pk))}


def group_numbers(connection: Connection, project: str) -> dict[str, int]:
    """Return the numbers of a project's groups, by key.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    numbers = {name: number for number, name in enumerate(ROLES, 1)}
    for row in connection.execute(select(user_group).where(user_group.c.project == project)):
        numbers[row.key] = len(ROLES) + row.pk
    return numbers


def sizes(connection: Connection, project: str) -> dict[str, int]:
    """Return the number of members of each group, by key.

    Empty groups are left out.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    """
    query = (
        select(role.c.role, func.count().label('n'))
        .where(role.c.project == project)
        .group_by(role.c.role)
    )
    return {row.role: row.n for row in connection.execute(query)}


def members(
    connection: Connection, caller: Caller, project: str, everybody: bool = False
) -> Sequence[Any]:
    """Return the members of a project's groups.

    Rows of key of the group, login, names, and the email address if the caller may see it.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user who asks.
    project : str
        ID of the project.
    everybody : bool
        Whether disabled users are included.
    """
    columns = (role.c.role, user.c.login, user.c.firstname, user.c.lastname, shown_email(caller))
    query = (
        select(*columns)
        .select_from(role.join(user, user.c.login == role.c.login))
        .where(role.c.project == project)
    )
    return connection.execute(
        (query if everybody else query.where(user.c.enabled)).order_by(user.c.login)
    ).all()


def groups_of(connection: Connection, login: str) -> dict[str, str]:
    """Return the projects of a user: ID to key of the user's group.

    Parameters
    ----------
    connection : Connection
        The database.
    login : str
        The user.
    """
    record(Guard.GROUP)  # of the caller, or for administrators
    rows = connection.execute(
        select(role.c.project, role.c.role).where(role.c.login == login).order_by(role.c.project)
    )
    return {row.project: row.role for row in rows}


def set_member(connection: Connection, project: str, login: str, key: str) -> None:
    """Move a user to a group of a project.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    login : str
        The user.
    key : str
        Key of the group.
    """
    connection.execute(role.delete().where(role.c.project == project, role.c.login == login))
    connection.execute(role.insert().values(project=project, login=login, role=key))


def remove_member(connection: Connection, project: str, login: str, key: str) -> None:
    """Remove a user from a group of a project.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    login : str
        The user.
    key : str
        Key of the group.
    """
    same = (role.c.project == project, role.c.login == login, role.c.role == key)
    connection.execute(role.delete().where(*same))


def save_group(
    connection: Connection, project: str, key: str, title: str, rights: Mapping[str, set[str]]
) -> None:
    """Add or change a custom group of a project.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    key : str
        Key of the group.
    title : str
        Display name.
    rights : Mapping[str, set[str]]
        Data type to some of ``R``, ``E`` and ``D``; ``R`` is implied.
    """
    same = (user_group.c.project == project) & (user_group.c.key == key)
    if connection.execute(user_group.update().where(same).values(displayname=title)).rowcount == 0:
        connection.execute(user_group.insert().values(project=project, key=key, displayname=title))
    connection.execute(
        group_right.delete().where(group_right.c.project == project, group_right.c.key == key)
    )
    for kind, held in rights.items():
        values = {'read': True, 'edit': 'E' in held, 'delete': 'D' in held}
        connection.execute(
            group_right.insert().values(project=project, key=key, xsi_type=kind, **values)
        )


def delete_group(connection: Connection, project: str, key: str) -> None:
    """Delete a custom group of a project, with its rights and memberships.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    project : str
        ID of the project.
    key : str
        Key of the group.
    """
    for table, column in (
        (role, role.c.role),
        (group_right, group_right.c.key),
        (user_group, user_group.c.key),
    ):
        connection.execute(table.delete().where(table.c.project == project, column == key))
