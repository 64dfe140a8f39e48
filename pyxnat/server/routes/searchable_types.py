"""``/data/search/elements``: searchable types, their fields and versions."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from ..db.guards import Guard
from ..db.workflow_fields import WORKFLOW_TYPE
from ..errors import BadRequest
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route, guarded
from ..search import workflow_search
from ..search.display import Displays
from ..search.display_fields import DisplayField
from ..search.display_versions import DisplayVersion
from ..search.display_xml import write_versions
from ..search.found_fields import fields_of_projects, type_counts
from ..table import Table

__all__ = ['ROUTES']


def _list(call: Call) -> Response:
    return table_response(call, _types(call))


def _fields_of(call: Call, types: str, part: str) -> Response:
    """Return the fields of some types, or the display versions of one."""
    if workflow_search.is_root(types):
        return table_response(call, _of_workflows(), default='xml')
    names = [
        call.archive.model.name(name) or _LISTED.get(name.lower()) for name in types.split(',')
    ]
    known = [
        name
        for name in names
        if name is not None and (call.archive.model.level_of(name) or name in _LISTED.values())
    ]
    if len(known) != len(names):
        raise BadRequest(f'{types} is not a data type of this archive that can be searched.')
    if part == 'versions':
        return _versions(call, known[0])
    return table_response(call, _fields(call, known), default='xml')


# -- types


_SET_UP = (
    ('xnat:projectData', 'Project', 'Projects'),
    ('xnat:subjectData', 'Subject', 'Subjects'),
    ('xnat:mrSessionData', 'MR Session', 'MR Sessions'),
    ('xnat:petSessionData', 'PET Session', 'PET Sessions'),
    ('xnat:petmrSessionData', 'PET MR Session', 'PET MR Sessions'),
    ('xnat:ctSessionData', 'CT Session', 'CT Sessions'),
    ('xnat:crSessionData', 'CR Session', 'CR Sessions'),
    ('xnat:qcManualAssessorData', 'Manual QC', 'Manual QCs'),
    ('xnat:qcAssessmentData', 'Auto QC', 'Auto QCs'),
    ('xnat:pVisitData', 'Visit', 'Visits'),
    ('xnat:investigatorData', 'Investigator', 'Investigator'),
    ('val:protocolData', 'Protocol Validation', 'Protocol Validations'),
)
"""Types that a new XNAT lists, with singular and plural; other types can be searched, too."""
_LISTED = {name.lower(): name for name, _, _ in _SET_UP}
_UNSECURED = 'xnat:investigatorData'


def _types(call: Call) -> Table:
    """Return the types that XNAT lists initially and those of plug-ins.

    ``secured=`` restricts them to secured ones, ``used=`` to used ones; with ``readable=`` only
    items are counted that the caller may read.
    """
    model = call.archive.model
    with call.archive.store.read() as connection:
        counts = type_counts(connection, call.caller if call.flag('readable') else None)
    brought = (
        (name, model.singular(name), model.plural(name))
        for name in model.searchable
        if not name.startswith(('xnat:', 'val:'))
    )
    rows = []
    for name, singular, plural in (*_SET_UP, *brought):
        secured = name != _UNSECURED
        if (call.flag('secured') and not secured) or (call.flag('used') and name not in counts):
            continue
        rows.append((name, singular, plural, str(secured).lower(), counts.get(name, 0)))
    return Table(
        ['ELEMENT_NAME', 'SINGULAR', 'PLURAL', 'SECURED', 'COUNT'],
        rows,
        {'title': 'Data-Types'},
        count=False,
    )


# -- fields


_COLUMNS = (
    'FIELD_ID',
    'HEADER',
    'SUMMARY',
    'TYPE',
    'REQUIRES_VALUE',
    'DESC',
    'ELEMENT_NAME',
    'SRC',
)


def _fields(call: Call, names: list[str]) -> Table:
    rows: list[tuple[Any, ...]] = []
    with call.archive.store.read() as connection:
        for name in filter(call.archive.model.level_of, names):  # other types have no fields
            rows += [
                _row(one, name)
                for one in call.archive.part(Displays).fields(name).values()
                if one.searchable
            ]
            rows += [
                _row(one, name, source)
                for one, source in fields_of_projects(call, connection, name)
            ]
    meta = {
        'title': 'Search Fields',
        'element_name': ','.join(names),
        'versions': {'element_name': names[0], 'versions': _versions_of(call, names[0])},
    }
    return Table(list(_COLUMNS), rows, meta, count=False)


def _of_workflows() -> Table:
    """Return the fields of workflows, which have no display document here."""
    name = WORKFLOW_TYPE
    fields = [
        (one.id, one.header, f'{name}/{one.path}' if one.path else f'{name}.{one.id}', one.kind)
        for one in workflow_search.FIELDS
    ]
    rows = [(*field, 'false', field[1], name, 0) for field in fields]
    return Table(
        list(_COLUMNS), rows, {'title': 'Search Fields', 'element_name': name}, count=False
    )


def _row(field: DisplayField, element: str, source: int = 0) -> tuple[Any, ...]:
    summary = (
        field.description
        if source
        else f'{element}/{field.path}'
        if field.path
        else f'{element}.{field.id}'
    )
    return (
        field.id,
        field.header,
        summary,
        field.type,
        str(field.requires_value).lower(),
        field.description,
        element,
        source,
    )


# -- versions


def _versions(call: Call, name: str) -> Response:
    """Return the display versions of a type, as JSON or by default as XML."""
    found = _versions_of(call, name)
    if call.get('format').lower() == 'json':
        text = json.dumps(
            {'DisplayVersions': {'element_name': name, 'versions': found}}, ensure_ascii=False
        )
        return Response(text, mimetype='application/json')
    return Response(write_versions(name, found), mimetype='text/xml')


def _versions_of(call: Call, name: str) -> list[dict[str, Any]]:
    if not call.archive.model.level_of(name):
        return []
    versions = [
        _version(call, name, one) for one in call.archive.part(Displays).versions(name).values()
    ]
    plain = (
        one
        for one in call.archive.part(Displays).fields(name).values()
        if not one.requires_value and not one.image
    )
    return [*versions, {'name': 'all', 'fields': [_entry(one, name) for one in plain]}]


def _version(call: Call, name: str, version: DisplayVersion) -> dict[str, Any]:
    fields = []
    for ref in version.fields:
        element = ref.element or name
        entry = _entry(call.archive.part(Displays).fields(element)[ref.id], element)
        entry |= {'header': ref.header} if ref.header else {}
        entry |= {'value': ref.value or 'null'}
        fields.append(
            entry
            if ref.visible
            else {key: value for key, value in entry.items() if key != 'visible'}
        )
    about = {
        'orderBy': version.order_by,
        'darkColor': version.dark_color,
        'lightColor': version.light_color,
        'defaultSortOrder': version.sort_order,
    }
    return {'name': version.name, **about, 'fields': fields}


def _entry(field: DisplayField, element: str) -> dict[str, str]:
    return {
        'id': field.id,
        'element_name': element,
        'header': field.header,
        'type': field.type,
        'visible': 'true',
    }


ROUTES = guarded(
    Guard.NOTHING,
    (
        Route('GET', '/data/search/elements', _list, 'List the data types that can be searched.'),
        Route(
            'GET',
            '/data/search/elements/{types!}/{part?}/{*}',
            _fields_of,
            'List the search fields of types, or the display `versions` of one.',
        ),
    ),
)
