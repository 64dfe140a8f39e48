"""Settings of projects for received data."""

from __future__ import annotations

from sqlalchemy import Connection, select

from .store import project_setting

__all__ = ['DEFAULTS', 'put_setting_of', 'setting_of']

DEFAULTS = {
    'prearchive_code': '4',
    'quarantine_code': '0',
    'current_arc': 'arc001',
    'scan_type_mapping': 'true',
}
"""Default values; prearchive_code 4 archives received data automatically."""


def setting_of(connection: Connection, project: str, name: str) -> str:
    """Return a setting of a project, or its default.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    name : str
        A name in `DEFAULTS`.
    """
    query = select(project_setting.c.value)
    found = connection.scalar(
        query.where(project_setting.c.project == project, project_setting.c.name == name)
    )
    return DEFAULTS[name] if found is None else str(found)


def put_setting_of(connection: Connection, project: str, name: str, value: str) -> None:
    """Set a setting of a project.

    Parameters
    ----------
    connection : Connection
        The database.
    project : str
        ID of the project.
    name : str
        A name in `DEFAULTS`.
    value : str
        The value.
    """
    known = (project_setting.c.project == project) & (project_setting.c.name == name)
    connection.execute(project_setting.delete().where(known))
    connection.execute(project_setting.insert().values(project=project, name=name, value=value))
