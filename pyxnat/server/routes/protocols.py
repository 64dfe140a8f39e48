"""``/projects/P/protocols/ID``: custom variables of a project by data type.

They are stored in the project as its study protocols.
"""

from __future__ import annotations

from werkzeug.wrappers import Response

from ..db.access import rights
from ..db.guards import Guard
from ..db.store import fields_of
from ..errors import BadRequest, InternalServerError, NotFound
from ..http.request import Call, text
from ..http.router import Route, guarded
from ..items.locate import find_project, need
from ..items.protocols import find_protocol, put_protocol, without_protocol, write_protocol
from ..items.rows import put_fields

__all__ = ['ROUTES']


def _protocol(call: Call, project: str, name: str) -> Response:
    """Put or delete a protocol; GET fails, as in XNAT.

    The protocols are in the XML of the project.
    """
    body = call.document() if call.method == 'PUT' else b''
    store = call.archive.store
    with store.read() if call.method == 'GET' else store.write() as connection:
        row = find_project(connection, project)
        if row is None or 'see' not in rights(connection, call.caller, row.id):
            raise NotFound(f'Unable to find the specified project: {project}')
        if 'edit' not in rights(connection, call.caller, row.id) and call.method != 'GET':
            raise NotFound(f'You cannot change protocol {name}: you may not edit the project.')
        if not name:
            raise BadRequest('Name the protocol by its ID.')
        fields = fields_of(row)
        pick = find_protocol(fields, name, call.get('dataType'))
        if call.method == 'PUT':
            pick, fields = put_protocol(call.archive.model, fields, pick, name, body)
            put_fields(connection, row, fields)
        elif pick is None:
            raise NotFound(f'Project {row.id} has no protocol {name}.')
        if call.method == 'GET':
            need(connection, call.caller, row.id, 'read')
            raise InternalServerError(
                f'XNAT cannot return a single protocol: {name} is in '
                f'/data/projects/{row.id}?format=xml'
            )
        if call.method == 'DELETE':
            put_fields(connection, row, without_protocol(fields, str(pick)))
            return text()
        body = write_protocol(
            call.archive.model, fields, str(pick), call.request.host_url.rstrip('/')
        )
        return Response(body, mimetype='text/xml')


ROUTES = guarded(
    Guard.ITEM,
    (
        Route(
            'GET PUT DELETE',
            '/data/projects/{project}/protocols/{name?}/{*}',
            _protocol,
            'Put or delete a protocol of a project; XNAT returns none.',
        ),
    ),
)
