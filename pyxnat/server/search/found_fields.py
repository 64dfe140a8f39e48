"""Counts of items by data type, and search fields of projects and forms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, and_, func, or_, select

from ...model.forms import Form, display_field, form_fields
from ..context import Context
from ..db.access import Caller, readable, visible
from ..db.custom_forms import forms_of_type
from ..db.store import item
from ..items.rows import visible_projects
from .display import Displays
from .display_fields import DisplayField

__all__ = ['fields_of_projects', 'type_counts']

_DEFINED = re.compile(
    r'(?P<field>(?P<protocol>studyProtocol\[[^\]]*\])/definitions/definition\[[^\]]*\]/fields/'
    r'field\[name=(?P<name>[^\]]*)\])/type'
)
"""Key of the type of a field in a project's protocol."""


def type_counts(connection: Connection, caller: Caller | None) -> dict[str, int]:
    """Return the number of items of each data type.

    Parameters
    ----------
    connection : Connection
        The database.
    caller : Caller | None
        The user who must be able to read the items, or see the projects; None for all items.
    """
    query = select(item.c.xsi_type, func.count().label('n')).group_by(item.c.xsi_type)
    if caller is not None:
        project = and_(item.c.level == 'project', visible(caller, item.c.id, seeing=True))
        query = query.where(or_(readable(caller, item), project))
    return {row.xsi_type: row.n for row in connection.execute(query)}


def fields_of_projects(
    context: Context, connection: Connection, element: str
) -> Iterator[tuple[DisplayField, int]]:
    """Yield search fields of projects, each with a number for its source.

    1 for custom variables, 2 for labels in projects.

    Parameters
    ----------
    context : Context
        The request; its parameter ``projectScope`` selects the project of the custom variables.
    connection : Connection
        The database.
    element : str
        The data type.
    """
    fields = context.archive.part(Displays).fields(element)
    for variables in [one for name, one in fields.items() if name.endswith('_FIELD_MAP')]:
        for name, kind in _defined(context, connection, element, context.get('projectScope')):
            about = f'Custom Variable: {name}'
            found = replace(variables, id=f'{variables.id}={name.lower()}', header=name, type=kind)
            yield replace(found, requires_value=False, description=about), 1
    yield from ((one, 1) for one in _of_forms(connection, context.caller, element, fields))
    for labels in [one for name, one in fields.items() if name.endswith('_PROJECT_IDENTIFIER')][:1]:
        for name in ('*', *visible_projects(connection, context.caller)):
            about = f'Label within the {name} project.'
            yield (
                replace(
                    labels,
                    id=f'{labels.id}={name}',
                    header=name,
                    requires_value=False,
                    description=about,
                ),
                2,
            )


def _of_forms(
    connection: Connection, caller: Caller, element: str, fields: dict[str, DisplayField]
) -> Iterator[DisplayField]:
    """Yield the fields of the custom forms of a type, enabled or not.

    XNAT drops those of a deleted form.
    """
    plain = next((one for one in fields.values() if one.searchable), None)
    for form in forms_of_type(connection, caller, element):
        known = Form(form.uuid, '', element, tuple(form_fields(json.loads(form.contents))))
        for field in known.fields:
            if plain is not None and field.is_searchable:
                about = f'{field.label or field.path[-1]}[{form.uuid}]'
                yield replace(
                    plain,
                    id=display_field(known, field),
                    header=field.path[-1],
                    type='string',
                    requires_value=False,
                    description=about,
                )


def _defined(
    context: Context, connection: Connection, element: str, scope: str
) -> Iterator[tuple[str, str]]:
    """Yield the distinct custom fields in protocols of projects for a type."""
    query = select(item.c.fields).where(
        item.c.level == 'project',
        item.c.fields.contains('studyProtocol['),
        visible(context.caller, item.c.id),
    )
    known: set[str] = set()
    for text in connection.scalars(query.where(item.c.id == scope) if scope else query):
        fields: dict[str, str] = json.loads(text)
        for found in filter(None, map(_DEFINED.fullmatch, fields)):
            fits = (
                fields.get(f'{found["protocol"]}/data-type') == element
                and fields[found.string] == 'custom'
            )
            if fits and found['name'].lower() not in known:
                known.add(found['name'].lower())
                yield found['name'], fields.get(f'{found["field"]}/datatype', 'string')
