"""``/projects/P/protocols/ID``: what custom variables a project has for a data type, kept in the project as its study protocols."""

from __future__ import annotations

import json
from typing import Any

from lxml import etree
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from ...model.schemas import canonical
from ...model.xml import parse_xml
from ..db.access import rights
from ..db.store import fields_of, item, now
from ..errors import BadRequest, InternalServerError, NotAcceptable, NotFound, UnprocessableEntity
from ..http.request import Call, text
from ..http.router import Route
from ..items.edit import TYPE_LEAF, Document, part_of, validated
from ..items.locate import find_project, need
from ..items.xml import XSI, write_part

__all__ = ['ROUTES']

_HOLDER = 'studyProtocol'
_TYPE = 'xnat:datatypeProtocol'


def _protocol(call: Call, project: str, name: str) -> Response:
    """PUT and DELETE of one protocol by ID. XNAT fails in telling one: they are in the XML of the project."""
    body = call.document() if call.method == 'PUT' else b''
    store = call.archive.store
    with store.read() if call.method == 'GET' else store.write() as connection:
        row = find_project(connection, project)
        if row is None or 'see' not in rights(connection, call.caller, row.id):
            raise NotFound(f'Unable to find the specified project: {project}')
        if 'edit' not in rights(connection, call.caller, row.id) and call.method != 'GET':
            raise NotFound(f'There is no protocol {name} for you to change.')
        if not name:
            raise BadRequest('Name the protocol by its ID.')
        fields = fields_of(row)
        pick = _pick(fields, name, call.get('dataType'))
        if call.method == 'PUT':
            pick, fields = _put(call, fields, pick, name, body)
            _save(connection, row, fields)
        elif pick is None:
            raise NotFound(f'Project {row.id} has no protocol {name}.')
        if call.method == 'GET':
            need(connection, call.caller, row.id, 'read')
            raise InternalServerError(f'XNAT cannot tell a protocol by itself: {name} is in /data/projects/{row.id}?format=xml')
        if call.method == 'DELETE':
            _save(connection, row, {key: value for key, value in fields.items() if not key.startswith(f'{_HOLDER}[{pick}]/')})
            return text()
        return Response(write_part(call.archive.model, _TYPE, f'{_HOLDER}[{pick}]', fields, call.request.host_url.rstrip('/')), mimetype='text/xml')


def _pick(fields: dict[str, str], name: str, datatype: str) -> str | None:
    """Which of the project's protocols is meant; None where it is not there."""
    for key, value in fields.items():
        holder, _, leaf = key.rpartition('/')
        if holder.startswith(f'{_HOLDER}[') and ((leaf == 'ID' and value == name) or (datatype and leaf == 'data-type' and value == datatype)):
            return holder[len(_HOLDER) + 1 : -1]
    return None


def _put(call: Call, fields: dict[str, str], pick: str | None, name: str, body: bytes) -> tuple[str, dict[str, str]]:
    """The project's fields with the protocol of a document in them."""
    try:
        root = parse_xml(body)
    except ValueError as error:
        raise UnprocessableEntity(f'The document cannot be read: {error}') from error
    kind = root.get(f'{{{XSI}}}type', '') or f'xnat:{etree.QName(root).localname}'
    if etree.QName(root).localname == _HOLDER:
        _check_study(call, root)
    if not call.archive.model.registry.is_a(kind, _TYPE):
        if pick is None:
            raise NotAcceptable(f'{kind} is not a protocol.')
        return pick, fields  # as XNAT: the protocol stays as it is, and the answer tells it
    used = {key.partition('[')[2].partition(']')[0] for key in fields if key.startswith(f'{_HOLDER}[')}
    wanted = pick or next(str(number) for number in range(len(used) + 1) if str(number) not in used)
    document: Document = part_of(call.archive.model, root, 'xnat:projectData', f'{_HOLDER}[{wanted}]')
    values: dict[str, Any] = validated(call.archive.model, document)
    values.setdefault(f'{_HOLDER}[{wanted}]/ID', name)
    values[f'{_HOLDER}[{wanted}]/{TYPE_LEAF}'] = _TYPE
    kept = {key: value for key, value in fields.items() if not key.startswith(f'{_HOLDER}[{wanted}]/')}
    return wanted, {**kept, **values}


def _check_study(call: Call, root: etree._Element) -> None:
    """Refuse what a study protocol cannot hold: XNAT reads a document by the name of its root, whatever type it says."""
    known = [canonical(found.path) for found in call.archive.model.registry.fields(f'xnat:{_HOLDER}')]
    for node in root.iterdescendants(etree.Element):
        names = [etree.QName(one).localname for one in (*reversed([*node.iterancestors()][:-1]), node)]
        path = '/'.join(names)
        wrong = next((name for name in map(str, node.attrib) if not name.startswith('{') and f'{path}/{name}' not in known), None)
        if wrong is not None:
            raise UnprocessableEntity(f"org.xml.sax.SAXException: Invalid attribute '{wrong}' of 'xnat:{_HOLDER}/{path}'")


def _save(connection: Connection, row: Any, fields: dict[str, str]) -> None:
    values = {'fields': json.dumps(fields, ensure_ascii=False), 'last_modified': now()}
    connection.execute(item.update().where(item.c.pk == row.pk).values(**values))


ROUTES = (
    Route('GET PUT DELETE', '/data/projects/{project}/protocols/{name?}/{*}', _protocol, 'Put or delete a protocol of a project; XNAT returns none.'),
)
