"""Classes of ``pyxnat.core.manage`` of pyxnat 1.x, under their old names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..services.manage import Callback, Manager
from ..services.manage.prearchive import Prearchive
from ..services.manage.saved_searches import SearchManager
from ..services.manage.schemas import Schemas
from ..services.manage.tags import Tags
from ..services.manage.users import Users

if TYPE_CHECKING:
    from ..resources import Project

__all__ = [
    'Callback',
    'GlobalManager',
    'Manager',
    'PreArchive',
    'ProjectManager',
    'SchemaManager',
    'SearchManager',
    'Tags',
    'Users',
]

GlobalManager = Manager
PreArchive = Prearchive
SchemaManager = Schemas


def ProjectManager(project_id: str, interface: Any) -> Project:  # noqa: N802 - the name of 1.x
    """Return a project, which has all methods of the manager of pyxnat 1.x.

    No request.

    Parameters
    ----------
    project_id : str
        ID of the project.
    interface : Interface
        Its Interface.
    """
    project: Project = interface.select.project(project_id)
    return project
