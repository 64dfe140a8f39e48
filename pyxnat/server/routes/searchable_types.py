"""``/data/search/elements``: the types that can be searched, their fields and display versions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lxml import etree
from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement
from werkzeug.wrappers import Response

from ..db.access import readable, visible
from ..db.store import custom_form, item
from ..errors import BadRequest
from ..http.request import Call
from ..http.responses import table_response
from ..http.router import Route
from ..search import workflow_search
from ..search.display import Displays
from ..search.display_fields import DisplayField
from ..search.display_versions import DisplayVersion
from ..table import Table

__all__ = ['ROUTES']

_DEFINED = re.compile(r'(?P<field>(?P<protocol>studyProtocol\[[^\]]*\])/definitions/definition\[[^\]]*\]/fields/field\[name=(?P<name>[^\]]*)\])/type')
"""The key of the type of a field that a project's protocol defines."""


def _list(call: Call) -> Response:
    return table_response(call, _types(call))


def _fields_of(call: Call, types: str, what: str) -> Response:
    """The fields of some types, or the display versions of one."""
    if workflow_search.is_root(types):
        return table_response(call, _of_workflows(), default='xml')
    names = [call.archive.model.name(name) or _LISTED.get(name.lower()) for name in types.split(',')]
    known = [name for name in names if name is not None and (call.archive.model.level_of(name) or name in _LISTED.values())]
    if len(known) != len(names):
        raise BadRequest(f'{types} is not a data type of this archive that can be searched.')
    if what == 'versions':
        return _versions(call, known[0])
    return table_response(call, _fields(call, known), default='xml')


# -- types


_SET_UP = (
    ('xnat:projectData', 'Project', 'Projects'), ('xnat:subjectData', 'Subject', 'Subjects'), ('xnat:mrSessionData', 'MR Session', 'MR Sessions'),
    ('xnat:petSessionData', 'PET Session', 'PET Sessions'), ('xnat:petmrSessionData', 'PET MR Session', 'PET MR Sessions'),
    ('xnat:ctSessionData', 'CT Session', 'CT Sessions'), ('xnat:crSessionData', 'CR Session', 'CR Sessions'),
    ('xnat:qcManualAssessorData', 'Manual QC', 'Manual QCs'), ('xnat:qcAssessmentData', 'Auto QC', 'Auto QCs'),
    ('xnat:pVisitData', 'Visit', 'Visits'), ('xnat:investigatorData', 'Investigator', 'Investigator'),
    ('val:protocolData', 'Protocol Validation', 'Protocol Validations'),
)  # fmt: skip
"""The types that a new XNAT lists, and what it calls one and several. The others can be searched all the same."""
_LISTED = {name.lower(): name for name, _, _ in _SET_UP}
_UNSECURED = 'xnat:investigatorData'


def _types(call: Call) -> Table:
    """Only secured ones with ``secured=``, used ones with ``used=``, and with ``readable=`` counts of what the caller may read.

    They are those that XNAT is set up with, and all that plug-ins bring.
    """
    model = call.archive.model
    with call.archive.store.read() as connection:
        counted = select(item.c.xsi_type, func.count().label('n')).group_by(item.c.xsi_type)
        counts = {row.xsi_type: row.n for row in connection.execute(counted.where(_listed(call)) if call.flag('readable') else counted)}
    brought = ((name, model.singular(name), model.plural(name)) for name in model.searchable if not name.startswith(('xnat:', 'val:')))
    rows = []
    for name, singular, plural in (*_SET_UP, *brought):
        secured = name != _UNSECURED
        if (call.flag('secured') and not secured) or (call.flag('used') and name not in counts):
            continue
        rows.append((name, singular, plural, str(secured).lower(), counts.get(name, 0)))
    return Table(['ELEMENT_NAME', 'SINGULAR', 'PLURAL', 'SECURED', 'COUNT'], rows, {'title': 'Data-Types'}, count=False)


def _listed(call: Call) -> ColumnElement[bool]:
    """What the caller may read; projects count when they are listed at all."""
    return or_(readable(call.caller, item), and_(item.c.level == 'project', visible(call.caller, item.c.id, seeing=True)))


# -- fields


_COLUMNS = ('FIELD_ID', 'HEADER', 'SUMMARY', 'TYPE', 'REQUIRES_VALUE', 'DESC', 'ELEMENT_NAME', 'SRC')


def _fields(call: Call, names: list[str]) -> Table:
    rows: list[tuple[Any, ...]] = []
    with call.archive.store.read() as connection:
        for name in filter(call.archive.model.level_of, names):  # no field of the others is told
            rows += [_row(one, name) for one in call.archive.part(Displays).fields(name).values() if one.searchable]
            rows += [_row(one, name, source) for one, source in _found(call, connection, name)]
    meta = {
        'title': 'Search Fields',
        'element_name': ','.join(names),
        'versions': {'element_name': names[0], 'versions': _versions_of(call, names[0])},
    }
    return Table(list(_COLUMNS), rows, meta, count=False)


def _of_workflows() -> Table:
    """The fields of workflows, which no display document of this archive has."""
    name = workflow_search.TYPE
    fields = [(one.id, one.header, f'{name}/{one.path}' if one.path else f'{name}.{one.id}', one.kind) for one in workflow_search.FIELDS]
    rows = [(*field, 'false', field[1], name, 0) for field in fields]
    return Table(list(_COLUMNS), rows, {'title': 'Search Fields', 'element_name': name}, count=False)


def _row(field: DisplayField, element: str, source: int = 0) -> tuple[Any, ...]:
    summary = field.description if source else f'{element}/{field.path}' if field.path else f'{element}.{field.id}'
    return (field.id, field.header, summary, field.type, str(field.requires_value).lower(), field.description, element, source)


def _found(call: Call, connection: Connection, element: str) -> Iterator[tuple[DisplayField, int]]:
    """Fields with their value, for what projects hold: custom variables that they define (1) and labels in projects (2)."""
    fields = call.archive.part(Displays).fields(element)
    for variables in [one for name, one in fields.items() if name.endswith('_FIELD_MAP')]:
        for name, kind in _defined(call, connection, element, call.get('projectScope')):
            about = f'Custom Variable: {name}'
            found = replace(variables, id=f'{variables.id}={name.lower()}', header=name, type=kind)
            yield replace(found, requires_value=False, description=about), 1
    yield from ((one, 1) for one in _of_forms(connection, element, fields))
    for labels in [one for name, one in fields.items() if name.endswith('_PROJECT_IDENTIFIER')][:1]:
        projects = select(item.c.id).where(item.c.level == 'project', visible(call.caller, item.c.id)).order_by(item.c.id)
        for name in ('*', *connection.scalars(projects)):
            about = f'Label within the {name} project.'
            yield replace(labels, id=f'{labels.id}={name}', header=name, requires_value=False, description=about), 2


def _of_forms(connection: Connection, element: str, fields: dict[str, DisplayField]) -> Iterator[DisplayField]:
    """The fields of the custom forms of a type, whether enabled or not: XNAT drops those of a form that is deleted."""
    plain = next((one for one in fields.values() if one.searchable), None)
    for form in connection.execute(select(custom_form).where(custom_form.c.datatype == element).order_by(custom_form.c.pk)):
        for one in json.loads(form.contents).get('components', ()):
            if plain is not None and one.get('input') and one.get('key'):
                about = f'{one.get("label", one["key"])}[{form.uuid}]'
                name = f'{element}_CUSTOM-FORM_{form.uuid}_{one["key"]}'.upper()
                yield replace(plain, id=name, header=one['key'], type='string', requires_value=False, description=about)


def _defined(call: Call, connection: Connection, element: str, scope: str) -> Iterator[tuple[str, str]]:
    """The custom fields of the protocols that projects have for a type, each name once."""
    query = select(item.c.fields).where(item.c.level == 'project', item.c.fields.contains('studyProtocol['), visible(call.caller, item.c.id))
    known: set[str] = set()
    for text in connection.scalars(query.where(item.c.id == scope) if scope else query):
        fields: dict[str, str] = json.loads(text)
        for found in filter(None, map(_DEFINED.fullmatch, fields)):
            fits = fields.get(f'{found["protocol"]}/data-type') == element and fields[found.string] == 'custom'
            if fits and found['name'].lower() not in known:
                known.add(found['name'].lower())
                yield found['name'], fields.get(f'{found["field"]}/datatype', 'string')


# -- versions


def _versions(call: Call, name: str) -> Response:
    """The display versions of a type, as JSON or by default as XML."""
    found = _versions_of(call, name)
    if call.get('format').lower() == 'json':
        text = json.dumps({'DisplayVersions': {'element_name': name, 'versions': found}}, ensure_ascii=False)
        return Response(text, mimetype='application/json')
    root = etree.Element('DisplayVersions', element_name=name)
    holder = etree.SubElement(root, 'versions')
    for version in found:
        node = etree.SubElement(holder, 'version', {key: value for key, value in version.items() if isinstance(value, str)})
        fields = etree.SubElement(node, 'fields')
        for one in version['fields']:
            etree.SubElement(fields, 'field', one)
    return Response(etree.tostring(root, xml_declaration=True, encoding='UTF-8'), mimetype='text/xml')


def _versions_of(call: Call, name: str) -> list[dict[str, Any]]:
    if not call.archive.model.level_of(name):
        return []
    versions = [_version(call, name, one) for one in call.archive.part(Displays).versions(name).values()]
    plain = (one for one in call.archive.part(Displays).fields(name).values() if not one.requires_value and not one.image)
    return [*versions, {'name': 'all', 'fields': [_entry(one, name) for one in plain]}]


def _version(call: Call, name: str, version: DisplayVersion) -> dict[str, Any]:
    fields = []
    for ref in version.fields:
        element = ref.element or name
        entry = _entry(call.archive.part(Displays).fields(element)[ref.id], element)
        entry |= {'header': ref.header} if ref.header else {}
        entry |= {'value': ref.value or 'null'}
        fields.append(entry if ref.visible else {key: value for key, value in entry.items() if key != 'visible'})
    about = {'orderBy': version.order_by, 'darkColor': version.dark_color, 'lightColor': version.light_color, 'defaultSortOrder': version.sort_order}
    return {'name': version.name, **about, 'fields': fields}


def _entry(field: DisplayField, element: str) -> dict[str, str]:
    return {'id': field.id, 'element_name': element, 'header': field.header, 'type': field.type, 'visible': 'true'}


ROUTES = (
    Route('GET', '/data/search/elements', _list, 'List the data types that can be searched.'),
    Route('GET', '/data/search/elements/{types!}/{what?}/{*}', _fields_of, 'List the search fields of types, or the display `versions` of one.'),
)
