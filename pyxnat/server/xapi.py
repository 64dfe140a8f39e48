"""Routes beside ``/data``: the few of ``/xapi`` that clients ask for, and the schema documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from .calls import Call, text
from .store import user

__all__ = ['schema', 'xapi']

VERSION = '1.8.3'
"""The XNAT whose behaviour this archive follows, as far as it follows one."""


def xapi(call: Call) -> Response:
    """Any request below ``/xapi``."""
    if call.method != 'GET':
        raise MethodNotAllowed(['GET'])
    path = '/'.join(part for part in call.parts if part)
    if path not in _ROUTES:
        raise NotFound(f'There is nothing at /xapi/{path}.')
    found = _ROUTES[path](call)
    return found if isinstance(found, Response) else Response(json.dumps(found), mimetype='application/json')


def _build_info(call: Call) -> dict[str, str]:
    return {'version': VERSION, 'buildNumber': 'pyxnat', 'buildDate': '', 'commit': '', 'timestamp': '0'}


def _logins(call: Call) -> list[str]:
    with call.archive.store.read() as connection:
        return [str(name) for name in connection.scalars(select(user.c.login).order_by(user.c.login))]


def schema(call: Call) -> Response:
    """``/schemas/xnat/xnat.xsd``: the documents that the data types come from."""
    if call.method != 'GET':
        raise MethodNotAllowed(['GET'])
    name = call.parts[-1] if call.parts else ''
    for document in call.archive.model.documents:
        prefix = call.archive.model.prefix_of(document)
        if name == f'{prefix}.xsd':
            return Response(document, mimetype='text/xml')
    raise NotFound(f'There is no schema {name}.')


_ROUTES: dict[str, Callable[[Call], Any]] = {
    'siteConfig/buildInfo': _build_info,
    'siteConfig/buildInfo/version': lambda call: VERSION,
    'siteConfig/siteId': lambda call: call.archive.site,
    'siteConfig/archivePath': lambda call: str(call.archive.files.root),
    'siteConfig/requireLogin': lambda call: call.archive.require_login,
    'users': _logins,
    'users/username': lambda call: text(call.caller.login),
    'schemas': lambda call: sorted(call.archive.model.registry.prefixes.values()),
    'schemas/datatypes': lambda call: sorted(call.archive.model.registry.names()),
}
