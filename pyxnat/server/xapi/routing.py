"""Routes of ``/xapi``: which handler answers, who may ask it, and how its answer and its refusals are written.

A handler is called with the request and, by name, the segments that stand in braces in its pattern. What it returns becomes JSON; a text
is sent as it is, without quotes, and None is an empty answer: so Spring writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ..errors import BadRequest, Forbidden, MethodNotAllowed, NotFound, Refusal, Unauthorized, UnsupportedMediaType, by_container
from ..http.error_pages import page
from ..http.request import Call

__all__ = ['Access', 'Route', 'answer_as', 'answer_from', 'json_body']


class Access(Enum):
    """Who may ask."""

    ANYBODY = 'anybody whom the site lets in'
    LOGIN = 'who has logged in'
    SELF = 'an administrator, or the user whom the path names'
    ADMIN = 'an administrator'


class Route(NamedTuple):
    """One row of the table. The first that fits a path counts, so literal segments stand before braces."""

    method: str
    pattern: str
    access: Access
    handler: Callable[..., Any]

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """The segments in braces by name; None where the path is another."""
        wanted = self.pattern.split('/')
        if len(wanted) != len(parts):
            return None
        found = {}
        for name, part in zip(wanted, parts, strict=True):
            if name.startswith('{'):
                found[name[1:-1]] = part
            elif name != part:
                return None
        return found


def answer_from(routes: Sequence[Route], call: Call) -> Response:
    """The answer of the route that a request is for; refusals are plain text, but for those of the container."""
    try:
        route, names = _find(routes, call)
        _admit(route, call, names.get('username'))
        return answer_as(route.handler(call, **names))
    except Refusal as error:
        return _refusal(error, call)


def _find(routes: Sequence[Route], call: Call) -> tuple[Route, dict[str, str]]:
    parts = [part for part in call.parts if part]
    allowed = []
    for route in routes:
        names = route.match(parts)
        if names is not None and route.method == call.method:
            return route, names
        if names is not None:
            allowed.append(route.method)
    if allowed:
        raise by_container(MethodNotAllowed(sorted(set(allowed))))
    raise by_container(NotFound(f'There is nothing at /xapi/{"/".join(parts)}.'))


def _admit(route: Route, call: Call, username: str | None) -> None:
    """`Unauthorized` for a guest and `Forbidden` for a user who may not ask."""
    if route.access is Access.ANYBODY or call.caller.admin:
        return
    if call.caller.guest:
        raise Unauthorized('Log in: guests may not ask for this.')
    if route.access is Access.ADMIN or (route.access is Access.SELF and username != call.caller.login):
        raise Forbidden(f'This is for {route.access.value}.')


def answer_as(found: Any, status: int = 200) -> Response:
    """What a handler returned, as a response."""
    if isinstance(found, Response):
        return found
    if found is None:
        response = Response(status=status)
        del response.headers['Content-Type']
        return response
    body = found if isinstance(found, str) else json.dumps(found)
    return Response(body, status=status, mimetype='application/json')


def _refusal(error: Refusal, call: Call) -> Response:
    if isinstance(error, (Unauthorized, MethodNotAllowed)) or error.is_by_container:
        return page(error, call.archive.prefix)
    return Response(f'{error.description or error.name}', status=error.status, mimetype='text/plain')


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
