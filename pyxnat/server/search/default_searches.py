"""Search documents made by the server: the default listings of a type."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ..context import Context
from ..db.guards import Guard, record
from ..db.store import item
from ..errors import BadRequest
from ..items.locate import in_project
from .display import Displays
from .display_versions import FieldRef
from .search_xml import CriteriaSet, SearchDocument, SearchField, in_projects

__all__ = ['of_project', 'of_site']


def of_site(context: Context, type_name: str, version: str) -> SearchDocument:
    """Return the listing of a type over all projects.

    Parameters
    ----------
    context : Context
        The request.
    type_name : str
        Name of the type.
    version : str
        Display version whose columns are used.

    Raises
    ------
    BadRequest
        For a type without items.
    """
    record(Guard.SEARCH)  # generated, for everybody
    name = _name(context, type_name)
    refs = context.archive.part(Displays).version(name, version).fields
    return SearchDocument(name, {'ID': f'@{name}'}, [_field(context, name, ref) for ref in refs])


def of_project(
    context: Context, connection: Connection, type_name: str, project: str
) -> SearchDocument:
    """Return the listing of a type in a project.

    The listing of subjects counts their experiments, by each type in the project.

    Parameters
    ----------
    context : Context
        The request.
    connection : Connection
        The database.
    type_name : str
        Name of the type.
    project : str
        ID of the project.

    Raises
    ------
    BadRequest
        For a type without items.
    """
    record(Guard.SEARCH)  # for all who may read the project
    name, model = _name(context, type_name), context.archive.model
    refs = list(context.archive.part(Displays).version(name, 'project_bundle').fields)
    if model.level_of(name) == 'subject':
        kinds = connection.scalars(
            select(item.c.xsi_type)
            .where(item.c.level == 'experiment', in_project(project))
            .distinct()
        )
        counts = (f'CNT_{model.sql_name(kind).upper()}' for kind in sorted(kinds))
        refs += [
            FieldRef(one) for one in counts if one in context.archive.part(Displays).fields(name)
        ]
    attributes = {
        'ID': f'{project}_{name}',
        'allow-diff-columns': '0',
        'secure': '0',
        'brief-description': model.plural(name),
        'tag': project,
    }
    where = [CriteriaSet('AND', (in_projects(name, [project]),))]
    return SearchDocument(
        name, attributes, [_field(context, name, ref, project) for ref in refs], where
    )


def _name(context: Context, type_name: str) -> str:
    found = context.archive.model.name(type_name)
    if found is None or not context.archive.model.level_of(found):
        raise BadRequest(f'{type_name} cannot be searched.')
    return found


def _field(context: Context, type_name: str, ref: FieldRef, project: str = '') -> SearchField:
    element = ref.element or type_name
    known = context.archive.part(Displays).fields(element)[ref.id]
    here = project if known.requires_value and not ref.value else ''
    name = f'{ref.id}={here}' if here else ref.id
    return SearchField(
        element, name, ref.header or known.header, known.type, ref.value or here, ref.visible
    )
