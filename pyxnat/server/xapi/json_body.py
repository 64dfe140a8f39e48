"""Bodies of requests below ``/xapi``, which are JSON."""

from __future__ import annotations

import json
from typing import Any

from ..errors import BadRequest, UnsupportedMediaType
from ..http.request import Call

__all__ = ['json_body']


def json_body(call: Call, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """The body of a request, which must be a JSON object, or a list where that is wanted."""
    if call.mimetype != 'application/json':
        raise UnsupportedMediaType('Send application/json.')
    try:
        found = json.loads(call.document())
    except ValueError as error:
        raise BadRequest(f'The body is no JSON: {error}') from error
    if not isinstance(found, kind):
        raise BadRequest(f'The body must be a JSON {"object" if kind is dict else "list"}.')
    return found
