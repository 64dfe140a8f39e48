"""Rows that refer to nothing, and rows that must differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Table, func, literal_column, select

from ..db.custom_forms import SITE
from ..db.schema import METADATA
from ..db.store import custom_form_use, favorite, item, resource, role, share, user, user_group

__all__ = ['dangling', 'twins']

_LOGS = frozenset({'workflow', 'version', 'config', 'invitation'})
"""Tables whose login or project is a record of an event."""
_ROWID: Any = literal_column('rowid')
_OF_SITE = ('', None)
"""Project of rows that belong to the site, or to no project yet."""


def dangling(connection: Connection) -> Iterator[tuple[Table, int, str]]:
    """Yield the rows that refer to nothing: table, rowid, and the missing value.

    Parameters
    ----------
    connection : Connection
        The database.
    """
    tables = METADATA.tables
    for name, rowid, target, _ in connection.exec_driver_sql('PRAGMA foreign_key_check'):
        if name in tables:
            yield tables[name], rowid, f'row of {target}'
    projects = select(item.c.id).where(item.c.level == 'project').scalar_subquery()
    logins = select(user.c.login).scalar_subquery()
    for table in METADATA.sorted_tables:
        if 'project' in table.c and table.name not in _LOGS - {'config', 'invitation'}:
            yield from _without(connection, table, table.c.project, projects)
        if 'login' in table.c and table is not user and table.name not in _LOGS:
            yield from _without(connection, table, table.c.login, logins)
    rows = connection.execute(
        select(_ROWID, favorite.c.id).where(
            func.lower(favorite.c.type) == 'project', favorite.c.id.not_in(projects)
        )
    )
    for rowid, value in rows:
        yield favorite, rowid, f'project {value}'
    uses = select(_ROWID, custom_form_use.c.entity).where(
        custom_form_use.c.entity != SITE, custom_form_use.c.entity.not_in(projects)
    )
    for rowid, value in connection.execute(uses):
        yield custom_form_use, rowid, f'project {value}'
    for rowid, name in connection.execute(_groups_that_are_gone()):
        yield role, rowid, f'group {name}'
    for row in connection.execute(
        select(item.c.pk, item.c.level).where(item.c.parent.is_(None), item.c.level != 'project')
    ):
        yield item, row.pk, f'parent of the {row.level}'


def _groups_that_are_gone() -> Any:
    """Return the query for roles of users in custom groups that do not exist."""
    there = select(user_group.c.pk).where(
        user_group.c.project == role.c.project, user_group.c.key == role.c.role
    )
    return select(literal_column('role.rowid'), role.c.role).where(
        role.c.role.not_in(('owner', 'member', 'collaborator')), ~there.exists()
    )


def _without(
    connection: Connection, table: Table, column: Column[Any], wanted: Any
) -> Iterator[tuple[Table, int, str]]:
    query = select(_ROWID, column).where(column.not_in(wanted))
    for rowid, value in connection.execute(query):
        if value not in _OF_SITE:
            yield table, rowid, f'{column.name} {value}'


def twins(connection: Connection) -> Iterator[tuple[Table, str]]:
    """Yield values of several rows that only one may have: table and description.

    Parameters
    ----------
    connection : Connection
        The database.
    """
    own = item.c.level.in_(('subject', 'experiment', 'assessor'))
    kind = func.iif(item.c.level == 'subject', 'subject', 'experiment')
    rules: tuple[tuple[Table, str, tuple[Any, ...], tuple[Any, ...]], ...] = (
        (item, 'ID of projects', (item.c.id,), (item.c.level == 'project',)),
        (item, 'ID', (kind, item.c.id), (own,)),
        (item, 'label', (kind, item.c.project, item.c.label), (own, item.c.label.is_not(None))),
        (
            item,
            'ID in a session',
            (item.c.level, item.c.parent, item.c.id),
            (item.c.level.in_(('scan', 'reconstruction')),),
        ),
        (
            resource,
            'label of resources',
            (resource.c.item, resource.c.side, resource.c.label),
            (resource.c.label.is_not(None),),
        ),
        (share, 'share', (share.c.item, share.c.project), ()),
    )
    for table, name, columns, where in rules:
        query = select(*columns).where(*where).group_by(*columns).having(func.count() > 1)
        for row in connection.execute(query):
            yield table, f'{name}: {" ".join(map(str, row))}'
