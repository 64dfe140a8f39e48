"""``/xapi/schemas``: schema documents and their data types."""

from __future__ import annotations

import time
from typing import Any

from werkzeug.wrappers import Response

from ...model.schemas import DataType
from ..db.descriptions import described
from ..db.guards import Guard
from ..errors import BadRequest, NotFound
from ..http.request import Call
from ..http.router import Access, Route, guarded
from .json_body import json_body

__all__ = ['ROUTES']


def _document(call: Call, path: str) -> Response:
    """Return a schema document: ``/schemas/xnat/xnat.xsd``, ``/schemas/xnat.xsd``.

    XML documents refer to schemas at these places, which are not below ``/xapi``.
    """
    folder, _, name = path.rpartition('/')
    if not name.endswith('.xsd'):
        raise NotFound(f'There is no schema {name}.')
    found = _schema(call, name.removesuffix('.xsd'), folder)
    found.headers['Cache-Control'] = 'private'  # the same for every user, so it may be stored
    return found


def _schema(call: Call, name: str, folder: str = '') -> Response:
    path = name if folder in ('', name) else f'{folder}/{name}'
    found = call.archive.model.named.get(path)
    if found is None:
        raise NotFound(f'There is no schema {path}.')
    return Response(found, mimetype='application/xml')


# -- data types


def _names(row: DataType) -> list[str]:
    """Return the names of a type, by type and by root element.

    Each is there with the prefix, with the prefix as in SQL, and with the namespace.
    """
    prefix, _, local = row.name.partition(':')
    return sorted(
        {
            f'{place}{one}'
            for place in (f'{prefix}:', f'{prefix}_', f'{row.namespace}:')
            for one in (local, row.root or local)
        }
    )


def _described(call: Call, row: DataType) -> dict[str, Any]:
    return described(call.archive.model.registry, row, call.archive.model.sql_name(row.name))


def _type(call: Call, name: str) -> DataType:
    """Return a type by any of its names."""
    registry = call.archive.model.registry
    for row in registry:
        if name in (row.name, call.archive.model.sql_name(row.name), *_names(row)):
            return row
    raise NotFound(f'There is no data type {name}.')


def _all_names(call: Call) -> dict[str, list[str]]:
    model = call.archive.model
    opened = time.time() - (time.monotonic() - call.archive.started)
    return {
        'timestamp': [str(int(opened * 1000))],
        **{model.sql_name(row.name): _names(row) for row in model.registry},
    }


def _names_of(call: Call, name: str) -> dict[str, list[str]]:
    row = _type(call, name)
    return {call.archive.model.sql_name(row.name): _names(row)}


def _element(call: Call, name: str) -> dict[str, Any]:
    row = _type(call, name)
    return {call.archive.model.sql_name(row.name): _described(call, row)}


def _requested(call: Call) -> list[str]:
    """Return the names of types in a posted object or form."""
    if call.mimetype == 'application/x-www-form-urlencoded':
        return [value for name, value in call.form() if name in ('dataType', 'dataTypes')]
    body = json_body(call)
    single, several = body.get('dataType'), body.get('dataTypes') or []
    if not isinstance(several, list):
        raise BadRequest('dataTypes must be a list.')
    return [str(name) for name in [*several, *([single] if single else [])]]


def _asked_names(call: Call) -> dict[str, list[str]]:
    return {key: names for name in _requested(call) for key, names in _names_of(call, name).items()}


def _asked_elements(call: Call) -> dict[str, Any]:
    return {
        key: description
        for name in _requested(call)
        for key, description in _element(call, name).items()
    }


def _elements(call: Call) -> dict[str, Any]:
    model = call.archive.model
    return {model.sql_name(row.name): _described(call, row) for row in model.registry}


def _searchable(call: Call) -> list[str]:
    """Return the image sessions that can be roots of searches."""
    model = call.archive.model
    return sorted(
        name for name in model.searchable if model.registry.is_a(name, 'xnat:imageSessionData')
    )


ROUTES = guarded(
    Guard.NOTHING,
    (
        Route(
            'GET',
            '/schemas/{path*}',
            _document,
            'Return a schema document, where XML documents say that it is.',
        ),
        Route(
            'GET',
            '/xapi/schemas',
            lambda call: sorted(call.archive.model.named),
            'List the schema documents.',
        ),
        Route(
            'GET',
            '/xapi/schemas/datatypes',
            lambda call: sorted(call.archive.model.registry.names()),
            'List the data types.',
        ),
        Route('GET', '/xapi/schemas/datatypes/elements/all', _elements, 'Describe all data types.'),
        Route('GET', '/xapi/schemas/datatypes/elements/{name}', _element, 'Describe a data type.'),
        Route(
            'POST',
            '/xapi/schemas/datatypes/elements',
            _asked_elements,
            'Describe the data types of a list.',
        ),
        Route(
            'POST',
            '/xapi/schemas/datatypes/names',
            _asked_names,
            'Return all names of the data types of a list.',
        ),
        Route(
            'GET',
            '/xapi/schemas/datatypes/names/all',
            _all_names,
            'Return all names of all data types.',
        ),
        Route(
            'GET',
            '/xapi/schemas/datatypes/names/{name}',
            _names_of,
            'Return all names of a data type.',
        ),
        Route(
            'GET',
            '/xapi/schemas/datatypes/searchable',
            _searchable,
            'List the image sessions that searches can be rooted at.',
            Access.LOGIN,
        ),
        Route('GET', '/xapi/schemas/{name}', _schema, 'Return a schema document.'),
        Route(
            'GET',
            '/xapi/schemas/{folder}/{name}',
            _schema,
            'Return a schema document by folder and name.',
        ),
    ),
)
