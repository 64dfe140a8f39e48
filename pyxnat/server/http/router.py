"""One table of routes: which handler answers a path, by which methods, for whom.

A route is one row. Its pattern is a path whose segments are

``projects``
    the word itself;
``{project}``
    one segment, given to the handler by that name;
``{name?}``
    the same where it is there, and an empty text where it is not; only such segments or a
    rest can follow;
``{name!}``
    one segment as it was sent, without decoding it;
``{path*}``
    the rest of the path, however long, also none; only the last segment can be one. ``{*}`` is
    a rest that the handler does not get.

A pattern that begins with ``…/`` stands below every place of its level:
``…/scans/{scan}`` is ``/data/experiments/{experiment}/scans/{scan}`` and the same below
subjects of projects.

A path is split before it is decoded, so an encoded character never ends a segment. All rows
without a rest that fit a path count together: that of the method answers, words come before
names, and a method that none of them has is a 405. Where none of them fits, those with a rest
count whose pattern is the longest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ...model.levels import LEVELS, chains, level
from ..errors import Forbidden, MethodNotAllowed, NotFound, Refusal, Unauthorized, by_container
from ..items.uris import NO_FILES
from .error_pages import page, plain_refusal
from .request import Call

__all__ = ['ANYWHERE', 'METHODS', 'Access', 'Match', 'Route', 'Router', 'answer_as', 'places']

ANYWHERE = '…'
"""First segment of a pattern that stands below every place of its level."""
METHODS = ('GET', 'POST', 'PUT', 'DELETE')
"""Methods in the order of an ``Allow`` header."""
_ARCHIVED = frozenset({
    'projects', 'subjects', 'experiments', 'scan_types', 'scanners', 'investigators',
})  # fmt: skip
"""First segments below ``/data`` that are below ``/data/archive``, too."""


class Access(Enum):
    """Who may ask."""

    PUBLIC = 'anybody, even where the site lets no guests in'
    ANYBODY = 'anybody whom the site lets in'
    LOGIN = 'who has logged in'
    SELF = 'an administrator, or the user whom the path names'
    ADMIN = 'an administrator'


class Route(NamedTuple):
    """One row of the table."""

    methods: str
    """Methods, separated by blanks; HEAD goes with GET."""
    pattern: str
    handler: Callable[..., Any]
    """Called with the request and, by name, the segments in braces.

    A `Response` is sent as it is, a text as JSON without quotes, None as an empty body, and
    anything else as JSON.
    """
    doc: str
    """What it does, in one line, for the documentation."""
    access: Access = Access.ANYBODY

    def patterns(self) -> list[str]:
        """Return the pattern at every place where it stands."""
        if not self.pattern.startswith(ANYWHERE):
            return [self.pattern]
        below = self.pattern.removeprefix(f'{ANYWHERE}/')
        segment = next(row.segment for row in LEVELS if f'{below}/'.startswith(f'{row.segment}/'))
        return [place + below.removeprefix(segment) for place in places(segment)]


Rows = dict[str, tuple[Route, tuple[str, ...]]]
"""By method: a route, and the names of its segments in braces."""


class Match(NamedTuple):
    """The rows that fit a path."""

    found: Sequence[tuple[Rows, tuple[int, ...]]]
    """Best first, with the places of the segments in braces."""
    raw_parts: Sequence[str]
    parts: Sequence[str]
    tail: str = ''
    """What follows, for rows that take a rest."""

    @property
    def is_public(self) -> bool:
        """Whether nobody has to log in."""
        pairs = (pair for rows, _ in self.found for pair in rows.values())
        return any(route.access is Access.PUBLIC for route, _ in pairs)

    @property
    def methods(self) -> list[str]:
        """The methods that the path has."""
        return [method for method in METHODS if any(method in rows for rows, _ in self.found)]

    def of(self, method: str) -> tuple[Route, dict[str, str]] | None:
        """Return the row of a method and the segments by name; None where it has none."""
        for rows, places in self.found:
            if method in rows:
                route, names = rows[method]
                return route, self._named(names, places)
        return None

    def _named(self, names: tuple[str, ...], places: tuple[int, ...]) -> dict[str, str]:
        """Segments by name; names beyond those are of the rest, or of what the path lacks."""
        found = dict.fromkeys(names[len(places) :], self.tail)
        for name, place in zip(names, places, strict=False):
            if name[-1] == '!':
                found[name[:-1]] = self.raw_parts[place]
            else:
                found[name] = self.parts[place]
        return found


def places(segment: str) -> list[str]:
    """Return the patterns of a level's collections, the shortest first.

    Parameters
    ----------
    segment : str
        What stands for the level in a URI: ``scans``, ``in/resources``.
    """
    plural = segment.replace('/', '_')
    found = [_pattern(names) for names in chains() if names[-1] == plural]
    if plural == 'files':  # those of all resources of an item
        holders = (names for names in chains() if names[-1].endswith('resources'))
        patterns = (_pattern(names) for names in holders if names[:-1] != NO_FILES)
        found += [pattern.removesuffix('resources') + 'files' for pattern in patterns]
    return found


def _pattern(names: Sequence[str]) -> str:
    *above, last = (level(name) for name in names)
    elements = (f'{row.segment}/{{{row.singular}}}' for row in above)
    return '/'.join(('/data', *elements, last.segment))


def prefix_length(parts: Sequence[str]) -> int:
    """Return how many segments stand for ``data``: ``REST``, ``data/archive``.

    >>> prefix_length(['REST', 'archive', 'projects']), prefix_length(['xapi', 'users'])
    (2, 0)
    """
    if not parts or parts[0] not in ('data', 'REST'):
        return 0
    return 2 if len(parts) > 2 and parts[1] == 'archive' and parts[2] in _ARCHIVED else 1


class _Node:
    """A place in the tree of segments."""

    __slots__ = ('exact', 'names', 'rest', 'words')

    def __init__(self) -> None:
        self.words: dict[str, _Node] = {}
        self.names: _Node | None = None
        self.exact: Rows = {}
        """Those that end here."""
        self.rest: Rows = {}
        """Those that take whatever follows."""

    def below(self, segment: str) -> _Node:
        """Return the place below for a segment of a pattern; make it where it is missing."""
        if not segment.startswith('{'):
            return self.words.setdefault(segment, _Node())
        if self.names is None:
            self.names = _Node()
        return self.names


class Router:
    """Finds the row for a request, sees that the caller may ask, and calls the handler.

    Parameters
    ----------
    routes : iterable of Route
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
        for segments, has_rest in _variants([part for part in pattern.split('/') if part]):
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
            Segments as they were sent, which words are compared with, and decoded, for the
            handler; from ``data`` or ``xapi`` on, none of them empty.
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

    def answer(self, call: Call, found: Match) -> Response:
        """Answer a request by the row of its method.

        Parameters
        ----------
        call : Call
        found : Match
            What `match` found for its path.

        Raises
        ------
        Refusal
            Of the handler or of the route, as a page; below ``/xapi`` it is answered here, in
            plain text.
        """
        try:
            return self._answer(call, found)
        except Refusal as error:
            if call.base != 'xapi':
                raise
            return _plain(error, call)

    def _answer(self, call: Call, found: Match) -> Response:
        pair = found.of(call.method)
        if pair is None and found.found and call.method == 'OPTIONS':
            return _options(found)
        if pair is None:
            raise _refusal(call, found)
        route, call.names = pair
        _admit(route, call)
        return answer_as(route.handler(call, **call.names))


def _variants(segments: list[str]) -> Iterator[tuple[list[str], bool]]:
    """A pattern in full, and without what may be missing; and whether a rest follows."""
    has_rest = bool(segments) and segments[-1].endswith('*}')
    yield segments[:-1] if has_rest else segments, has_rest
    for length, segment in enumerate(segments):
        if segment.endswith('?}'):
            yield segments[:length], False


def _refusal(call: Call, found: Match) -> Refusal:
    """`MethodNotAllowed` where the path has other methods, else `NotFound`."""
    error: Refusal = MethodNotAllowed(_allowed(call, found))
    if not found.found:
        error = NotFound(f'There is nothing at {call.request.environ.get("PATH_INFO", "")}.')
    return error if call.base in ('data', 'schemas') else by_container(error)


def _options(found: Match) -> Response:
    allowed = found.methods + ['HEAD'] * ('GET' in found.methods)
    return Response(headers={'Allow': ', '.join([*allowed, 'OPTIONS'])})


def _allowed(call: Call, found: Match) -> list[str]:
    """The methods of a path; below ``/xapi`` without those that every path has."""
    more = [] if call.base == 'xapi' else [*['HEAD'] * ('GET' in found.methods), 'OPTIONS']
    return found.methods + more


def _admit(route: Route, call: Call) -> None:
    """Refuse a caller who may not ask: a guest below ``/xapi`` with `Unauthorized`."""
    if route.access in (Access.PUBLIC, Access.ANYBODY) or call.caller.admin:
        return
    if call.caller.guest:
        refusal = Unauthorized if call.base == 'xapi' else Forbidden
        raise refusal('Log in: guests may not ask for this.')
    is_own = route.access is Access.SELF and call.names.get('username') == call.caller.login
    if route.access is not Access.LOGIN and not is_own:
        raise Forbidden(f'This is for {route.access.value}.')


def answer_as(found: Any, status: int = 200) -> Response:
    """Return what a handler returned as a response.

    Parameters
    ----------
    found : Response, str, None or anything that JSON has
    status : int
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
