"""Configurations: versioned texts of tools, by project, tool and path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from ..errors import Forbidden
from .access import Caller, rights
from .guards import Guard, record
from .store import config, now

__all__ = ['ConfigPlace', 'add_version', 'latest', 'need_config', 'tools', 'versions']


class ConfigPlace(NamedTuple):
    """Key of a configuration."""

    project: str
    """ID of the project; empty for the site."""
    tool: str
    path: str


def need_config(connection: Connection, caller: Caller, project: str, change: bool = False) -> None:
    """Check that a caller may read the configurations of a project, or change them.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller
        The user.
    project : str
        ID of the project; empty for the site, whose configurations everybody may read.
    change : bool
        Whether to change them: owners of the project, and administrators those of the site.

    Raises
    ------
    Forbidden
        Without the right.
    """
    record(Guard.CONFIG)
    if not project and change and not caller.admin:
        raise Forbidden('Only an administrator can change the configuration of the site.')
    right = 'delete' if change else 'read'
    if project and right not in rights(connection, caller, project):
        raise Forbidden(f'Insufficient privileges: {right} in project {project}.')


def tools(connection: Connection, project: str) -> Sequence[Any]:
    """Return the tools with configurations, as rows of one column.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project; empty for the site.
    """
    query = (
        select(config.c.tool).where(config.c.project == project).distinct().order_by(config.c.tool)
    )
    return connection.execute(query).all()


def latest(connection: Connection, place: ConfigPlace) -> list[Any]:
    """Return the latest version of each configuration of a tool.

    Parameters
    ----------
    connection : Connection
        The database.
    place : ConfigPlace
        Key with project and tool.
    """
    query = select(config).where(config.c.project == place.project, config.c.tool == place.tool)
    rows = connection.execute(query.order_by(config.c.path, config.c.pk))
    return list({row.path: row for row in rows}.values())


def versions(connection: Connection, place: ConfigPlace) -> Sequence[Any]:
    """Return the versions of a configuration, latest first.

    Parameters
    ----------
    connection : Connection
        The database.
    place : ConfigPlace
        Key of the configuration.
    """
    same = (
        config.c.project == place.project,
        config.c.tool == place.tool,
        config.c.path == place.path,
    )
    return connection.execute(select(config).where(*same).order_by(config.c.pk.desc())).all()


def add_version(
    connection: Connection, place: ConfigPlace, known: Any, *, unversioned: bool, **values: Any
) -> None:
    """Add a version of a configuration.

    Parameters
    ----------
    connection : Connection
        Write transaction.
    place : ConfigPlace
        Key of the configuration.
    known : Any
        Row of the latest version; None for a new configuration.
    unversioned : bool
        Whether the new version replaces the latest.
    **values
        login, reason, contents, status.
    """
    number = 1 if known is None else known.version + (0 if unversioned else 1)
    if unversioned and known is not None:
        connection.execute(config.delete().where(config.c.pk == known.pk))
    row = {**place._asdict(), 'created': now(), 'unversioned': unversioned, 'version': number}
    connection.execute(config.insert().values(**row, **values))
