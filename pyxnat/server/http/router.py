"""Table of routes: handler, methods and access of each path.

A route is one row. Its pattern is a path of these segments:

- ``projects``: the word itself
- ``{project}``: one segment, passed to the handler by that name
- ``{name?}``: an optional segment, empty if missing; only optional segments or a rest can follow
- ``{name!}``: one segment, passed without decoding
- ``{path*}``: the rest of the path, of any length, also empty; only as the last segment
- ``{*}``: a rest that is not passed to the handler

A pattern that begins with ``…/`` stands below every place of its level: ``…/scans/{scan}`` is
``/data/experiments/{experiment}/scans/{scan}`` and the same below subjects of projects.

A path is split before it is decoded, so an encoded character never ends a segment. Of all rows
without a rest that match a path, the first with the method of the request is used; words come
before names. If none of them has the method, the response is 405. If no row without a rest matches,
the rows with a rest and the longest pattern are used.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, SERVER, chains, children, level
from ..db.guards import Guard, recording
from ..errors import (
    Forbidden,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    Refusal,
    Unauthorized,
    by_container,
)
from ..items.uris import NO_FILES
from .error_pages import page, plain_refusal
from .request import Call

__all__ = [
    'ANYWHERE',
    'METHODS',
    'Access',
    'Match',
    'Route',
    'Router',
    'answer_as',
    'guarded',
    'places',
]

_log = logging.getLogger(__name__)
ANYWHERE = '…'
"""First segment of a pattern that stands below every place of its level."""
METHODS = ('GET', 'POST', 'PUT', 'DELETE')
"""Methods in the order of an ``Allow`` header."""
_READS = frozenset({'GET', 'OPTIONS'})
_ARCHIVED = frozenset({
    *(row.segment for row in children(SERVER)), 'scan_types', 'scanners', 'investigators',
})  # fmt: skip
"""First segments that are also valid below ``/data/archive``."""


class Access(Enum):
    """Who may use a route."""

    PUBLIC = 'anybody, even if the site admits no guests'
    ANYBODY = 'anybody who may use the site'
    LOGIN = 'users who have logged in'
    SELF = 'administrators, or the user in the path'
    ADMIN = 'administrators'


class Route(NamedTuple):
    """One row of the table."""

    methods: str
    """Methods, separated by blanks; HEAD goes with GET."""
    pattern: str
    handler: Callable[..., Any]
    """Called with the request and, by name, the segments in braces.

    A `Response` is sent unchanged, a str as the body, None as an empty body, and anything
    else as JSON.
    """
    doc: str
    """One sentence for the documentation."""
    access: Access = Access.ANYBODY
    writes: bool = False
    """Whether GET changes data, as it does in XNAT for tokens."""
    guard: Guard | None = None
    """Guards that the handler calls before it succeeds.

    `Guard.NOTHING` where it touches no object of a user or project. None is for rows whose access
    is one user's or the administrators' own.
    """

    @property
    def is_decided(self) -> bool:
        """Whether the row says who decides about its objects."""
        return self.guard is not None or self.access in (Access.SELF, Access.ADMIN)

    def patterns(self) -> list[str]:
        """Return the pattern at every place where it stands."""
        if not self.pattern.startswith(ANYWHERE):
            return [self.pattern]
        below = self.pattern.removeprefix(f'{ANYWHERE}/')
        segment = next(row.segment for row in LEVELS if f'{below}/'.startswith(f'{row.segment}/'))
        return [place + below.removeprefix(segment) for place in places(segment)]


Rows = dict[str, tuple[Route, tuple[str, ...]]]
"""Method to route and the names of its segments in braces."""


class Match(NamedTuple):
    """The rows that match a path."""

    candidates: Sequence[tuple[Rows, tuple[int, ...]]]
    """Best first, with the positions of the segments in braces."""
    raw_parts: Sequence[str]
    parts: Sequence[str]
    tail: str = ''
    """Rest of the path, for patterns that end with one."""

    @property
    def is_public(self) -> bool:
        """Whether nobody has to log in."""
        pairs = (pair for rows, _ in self.candidates for pair in rows.values())
        return any(route.access is Access.PUBLIC for route, _ in pairs)

    def writes(self, method: str) -> bool:
        """Whether a request of a method changes data."""
        pair = self.of(method)
        return method not in _READS or (pair is not None and pair[0].writes)

    @property
    def methods(self) -> list[str]:
        """The methods of the path, in the order of `METHODS`."""
        return [method for method in METHODS if any(method in rows for rows, _ in self.candidates)]

    def of(self, method: str) -> tuple[Route, dict[str, str]] | None:
        """Return the row of a method and its segments by name, or None."""
        for rows, places in self.candidates:
            if method in rows:
                route, names = rows[method]
                return route, self._named(names, places)
        return None

    def _named(self, names: tuple[str, ...], places: tuple[int, ...]) -> dict[str, str]:
        """Return the segments by name; missing ones get the rest of the path."""
        found = dict.fromkeys(names[len(places) :], self.tail)
        for name, place in zip(names, places, strict=False):
            if name[-1] == '!':
                found[name[:-1]] = self.raw_parts[place]
            else:
                found[name] = self.parts[place]
        return found


def guarded(guard: Guard, routes: Iterable[Route]) -> tuple[Route, ...]:
    """Return rows that all need a guard, unless they name others or only an access.

    Parameters
    ----------
    guard : Guard
        The guards.
    routes : Iterable[Route]
        The rows.
    """
    return tuple(row if row.is_decided else row._replace(guard=guard) for row in routes)


def places(segment: str) -> list[str]:
    """Return the patterns of a level's collections, the shortest first.

    Parameters
    ----------
    segment : str
        Segment of the level in URIs: ``scans``, ``in/resources``.
    """
    row = next(row for row in LEVELS if row.segment == segment)
    found = [_pattern(names) for names in chains() if names[-1] == row.plural]
    if row.is_file:  # those of all resources of an item
        holders = (names for names in chains() if level(names[-1]).is_resource)
        patterns = (_pattern(names) for names in holders if names[:-1] != NO_FILES)
        found += [pattern.removesuffix('resources') + 'files' for pattern in patterns]
    return found


def _pattern(names: Sequence[str]) -> str:
    *above, last = (level(name) for name in names)
    elements = (f'{row.segment}/{{{row.singular}}}' for row in above)
    return '/'.join(('/data', *elements, last.segment))


def prefix_length(parts: Sequence[str]) -> int:
    """Return the number of prefix segments: ``REST``, ``data/archive``.

    >>> prefix_length(['REST', 'archive', 'projects']), prefix_length(['xapi', 'users'])
    (2, 0)
    """
    if not parts or parts[0] not in ('data', 'REST'):
        return 0
    return 2 if len(parts) > 2 and parts[1] == 'archive' and parts[2] in _ARCHIVED else 1


class _Node:
    """Node in the tree of segments."""

    __slots__ = ('exact', 'names', 'rest', 'words')

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.names: _Node | None = None
        self.exact: Rows = {}
        """Rows whose pattern ends here."""
        self.rest: Rows = {}
        """Rows whose pattern ends here with a rest."""

    def below(self, segment: str) -> _Node:
        """Return the child node of a pattern's segment; create it if missing."""
        if not segment.startswith('{'):
            return self.words.setdefault(segment, _Node())
        if self.names is None:
            self.names = _Node()
        return self.names


class Router:
    """Finds the row for a request, checks access and calls the handler.

    Parameters
    ----------
    routes : Iterable[Route]
        The table. Two rows for one method and pattern are an error.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            for pattern in route.patterns():
                self._add(route, pattern)

    def _add(self, route: Route, pattern: str) -> None:
        names = tuple(re.findall(r'\{([^}?*]+)', pattern))
        for segments, has_rest in _without_optional([part for part in pattern.split('/') if part]):
            node = self._root
            for segment in segments:
                node = node.below(segment)
            rows = node.rest if has_rest else node.exact
            for method in route.methods.split():
                if method in rows:
                    raise ValueError(f'{pattern} has two handlers of {method}.')
                rows[method] = (route, names)

    def match(self, raw_parts: Sequence[str], parts: Sequence[str]) -> Match:
        """Find the rows for a path.

        Parameters
        ----------
        raw_parts, parts : sequence of str
            Segments as sent, compared with words, and decoded, for the handler; from ``data`` or
            ``xapi`` on, none of them empty.
        """
        exact: list[tuple[Rows, tuple[int, ...]]] = []
        rest: tuple[Rows, tuple[int, ...]] | None = None
        rest_depth = -1
        pending: list[tuple[_Node, int, tuple[int, ...]]] = [(self._root, 0, ())]
        size = len(parts)
        while pending:
            node, depth, places = pending.pop()
            if node.rest and depth > rest_depth:
                rest, rest_depth = (node.rest, places), depth
            if depth == size:
                if node.exact:
                    exact.append((node.exact, places))
                continue
            if node.names is not None:
                pending.append((node.names, depth + 1, (*places, depth)))
            below = node.words.get(raw_parts[depth])
            if below is not None:
                pending.append((below, depth + 1, places))
        if exact or rest is None:
            return Match(exact, raw_parts, parts)
        return Match([rest], raw_parts, parts, '/'.join(parts[rest_depth:]))

    def answer(self, call: Call, match: Match) -> Response:
        """Call the handler of a request and return its response.

        Parameters
        ----------
        call : Call
            The request.
        match : Match
            Result of `match` for its path.

        Raises
        ------
        Refusal
            If the route or the handler refuses the request, and `InternalServerError` if the
            handler succeeds without a call of the row's guards: nothing is sent then. Below
            ``/xapi`` most refusals are returned as responses in plain text instead.
        """
        try:
            return self._call_handler(call, match)
        except Refusal as error:
            if call.base != 'xapi':
                raise
            return _plain(error, call)

    def _call_handler(self, call: Call, match: Match) -> Response:
        pair = match.of(call.method)
        if pair is None and match.candidates and call.method == 'OPTIONS':
            return _options(match)
        if pair is None:
            raise _refusal(call, match)
        route, call.names = pair
        _admit(route, call)
        with recording() as record:
            response = answer_as(route.handler(call, **call.names))
        missing = (route.guard or Guard.NOTHING) & ~record.called
        if missing and response.status_code < 400:
            response.close()
            _log.error('%s %s called no guard of %s', call.method, route.pattern, missing)
            raise InternalServerError('The server failed; see its log for the reason.')
        return response


def _without_optional(segments: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Yield a pattern with and without its optional segments.

    Each comes with a boolean: whether a rest follows.
    """
    has_rest = bool(segments) and segments[-1].endswith('*}')
    yield segments[:-1] if has_rest else segments, has_rest
    for length, segment in enumerate(segments):
        if segment.endswith('?}'):
            yield segments[:length], False


def _refusal(call: Call, match: Match) -> Refusal:
    """Return `MethodNotAllowed` for other methods of a path, else `NotFound`."""
    error: Refusal = MethodNotAllowed(_allowed(call, match))
    if not match.candidates:
        error = NotFound(f'There is nothing at {call.request.environ.get("PATH_INFO", "")}.')
    return error if call.base in ('data', 'schemas') else by_container(error)


def _options(match: Match) -> Response:
    allowed = match.methods + ['HEAD'] * ('GET' in match.methods)
    return Response(headers={'Allow': ', '.join([*allowed, 'OPTIONS'])})


def _allowed(call: Call, match: Match) -> list[str]:
    """Return a path's methods; below ``/xapi`` without HEAD and OPTIONS."""
    more = [] if call.base == 'xapi' else [*['HEAD'] * ('GET' in match.methods), 'OPTIONS']
    return match.methods + more


def _admit(route: Route, call: Call) -> None:
    """Refuse a caller without access: `Unauthorized` for guests below ``/xapi``.

    All others are refused with `Forbidden`.
    """
    if route.access in (Access.PUBLIC, Access.ANYBODY) or call.caller.admin:
        return
    if call.caller.guest:
        refusal = Unauthorized if call.base == 'xapi' else Forbidden
        raise refusal('Log in: guests have no access to this.')
    is_own = route.access is Access.SELF and call.names.get('username') == call.caller.login
    if route.access is not Access.LOGIN and not is_own:
        raise Forbidden(f'Access denied: this is for {route.access.value}.')


def answer_as(found: Any, status: int = 200) -> Response:
    """Return the result of a handler as a response.

    Parameters
    ----------
    found : Response, str, None or JSON value
        The result.
    status : int
        HTTP status, unless the result is a response.
    """
    if isinstance(found, Response):
        return found
    if found is None:
        response = Response(status=status)
        del response.headers['Content-Type']
        return response
    body = found if isinstance(found, str) else json.dumps(found)
    return Response(body, status=status, mimetype='application/json')


def _plain(error: Refusal, call: Call) -> Response:
    if isinstance(error, (Unauthorized, MethodNotAllowed)) or error.is_by_container:
        return page(error, call.archive.prefix)
    return plain_refusal(error)
