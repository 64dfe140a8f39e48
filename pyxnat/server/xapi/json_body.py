"""JSON bodies of requests below ``/xapi``."""

from __future__ import annotations

from typing import Any

from ..errors import BadRequest, UnsupportedMediaType
from ..http.json_text import parse_json
from ..http.request import Call

__all__ = ['json_body']


def json_body(call: Call, kind: type[dict[str, Any]] | type[list[Any]] = dict) -> Any:
    """Return the JSON body of a request.

    Parameters
    ----------
    call : Call
        The request.
    kind : type[dict[str, Any]] or type[list[Any]]
        The required type: dict or list.

    Raises
    ------
    UnsupportedMediaType
        If the media type is not ``application/json``.
    BadRequest
        If the body is not JSON, or of another type.
    """
    if call.mimetype != 'application/json':
        raise UnsupportedMediaType('Send application/json.')
    found = parse_json(call.document())
    if not isinstance(found, kind):
        raise BadRequest(f'The body must be a JSON {"object" if kind is dict else "list"}.')
    return found
