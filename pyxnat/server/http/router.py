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
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

from werkzeug.wrappers import Response

from ...model.levels import chains, level, level_names
from ..errors import Forbidden, MethodNotAllowed, NotFound, Refusal, Unauthorized, by_container
from ..items.uris import NO_FILES
from .error_pages import page, plain_refusal
from .request import Call

__all__ = ['ANYWHERE', 'METHODS', 'Access', 'Match', 'Route', 'Router', 'answer_as', 'places']

ANYWHERE = '…'
"""First segment of a pattern that stands below every place of its level."""
METHODS = ('GET', 'POST', 'PUT', 'DELETE')
"""Methods in the order of an ``Allow`` header."""
_ARCHIVED = frozenset({'projects', 'subjects', 'experiments', 'scan_types', 'scanners', 'investigators'})
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
        segments = self.pattern.split('/')[1:]
        found = next(number for number in range(len(segments), 0, -1) if _is_level('/'.join(segments[:number])))
        rest = '/'.join(segments[found:])
        return [f'{place}/{rest}'.rstrip('/') for place in places('/'.join(segments[:found]))]


class Match(NamedTuple):
    """The rows that fit a path, best first, each with the segments in braces by name."""

    found: Sequence[tuple[Route, dict[str, str]]]

    @property
    def is_public(self) -> bool:
        """Whether nobody has to log in."""
        return any(route.access is Access.PUBLIC for route, _ in self.found)

    @property
    def methods(self) -> list[str]:
        """The methods that the path has."""
        held = {method for route, _ in self.found for method in route.methods.split()}
        return [method for method in METHODS if method in held]

    def of(self, method: str) -> tuple[Route, dict[str, str]] | None:
        """Return the row of a method and the names for its handler; None where it has none."""
        return next((pair for pair in self.found if method in pair[0].methods.split()), None)


def _is_level(segment: str) -> bool:
    return segment.replace('/', '_') in level_names()


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
        holders = (names for names in chains() if names[-1].endswith('resources') and names[:-1] != NO_FILES)
        found += [_pattern(names).removesuffix('resources') + 'files' for names in holders]
    return found


def _pattern(names: Sequence[str]) -> str:
    *above, last = (level(name) for name in names)
    return ''.join(('/data', *(f'/{row.segment}/{{{row.singular}}}' for row in above), f'/{last.segment}'))


def without_prefix(parts: Sequence[str]) -> int:
    """Return how many segments stand before the path of the table: ``REST``, ``data/archive``.

    Examples
    --------
    >>> without_prefix(['REST', 'archive', 'projects']), without_prefix(['data', 'archive', 'services'])
    (2, 1)
    >>> without_prefix(['xapi', 'users'])
    0
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
        self.exact: list[tuple[Route, tuple[str, ...]]] = []
        """Rows that end here, with the names of their segments in braces."""
        self.rest: list[tuple[Route, tuple[str, ...]]] = []
        """Rows that take whatever follows."""


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
        for segments in _variants([part for part in pattern.split('/') if part]):
            node = self._root
            names: list[str] = []
            for segment in segments:
                if segment.endswith('*}'):
                    _append(node.rest, route, (*names, *filter(None, [segment[1:-2]])), pattern)
                    break
                if segment.startswith('{'):
                    names.append(segment[1:-1])
                    node.names = node = node.names or _Node()
                else:
                    node = node.words.setdefault(segment, _Node())
            else:
                _append(node.exact, route, (*names, *_left_out(pattern, segments)), pattern)

    def match(self, raw_parts: Sequence[str], parts: Sequence[str]) -> Match:
        """Find the rows for a path.

        Parameters
        ----------
        raw_parts, parts : sequence of str
            Segments as they were sent, which words are compared with, and decoded, for the
            handler; from ``data`` or ``xapi`` on, none of them empty.
        """
        exact: list[tuple[Route, dict[str, str]]] = []
        rest: list[tuple[int, list[tuple[Route, tuple[str, ...]]], tuple[int, ...]]] = []
        pending: list[tuple[_Node, int, tuple[int, ...]]] = [(self._root, 0, ())]
        size = len(parts)
        while pending:
            node, depth, places = pending.pop()
            if node.rest:
                rest.append((depth, node.rest, places))
            if depth == size:
                exact += [(route, _named(names, places, raw_parts, parts)) for route, names in node.exact]
                continue
            if node.names is not None:
                pending.append((node.names, depth + 1, (*places, depth)))
            below = node.words.get(raw_parts[depth])
            if below is not None:
                pending.append((below, depth + 1, places))
        if exact or not rest:
            return Match(exact)
        depth, rows, places = max(rest, key=lambda one: one[0])
        tail = '/'.join(parts[depth:])
        return Match([(route, _named(names, places, raw_parts, parts, tail)) for route, names in rows])

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
        if pair is None:
            return _options(call, found) if found.found and call.method == 'OPTIONS' else _refuse(call, found)
        route, call.names = pair
        _admit(route, call)
        return answer_as(route.handler(call, **call.names))


def _variants(segments: list[str]) -> Iterator[list[str]]:
    """A pattern with all of its optional segments, with one less, and so on."""
    needed = next((number for number, segment in enumerate(segments) if segment.endswith('?}')), len(segments))
    plain = [segment.replace('?}', '}') for segment in segments]
    yield plain
    yield from (plain[:length] for length in range(needed, len(segments)) if segments[length].endswith('?}'))


def _left_out(pattern: str, segments: Sequence[str]) -> list[str]:
    """The names of the optional segments and the rest that a variant of a pattern lacks."""
    every = [part for part in pattern.split('/') if part]
    return [name for part in every[len(segments) :] if (name := part.strip('{?*!}'))]


def _append(rows: list[tuple[Route, tuple[str, ...]]], route: Route, names: tuple[str, ...], pattern: str) -> None:
    taken = {method for other, _ in rows for method in other.methods.split()} & {*route.methods.split()}
    if taken:
        raise ValueError(f'{pattern} has two handlers of {", ".join(sorted(taken))}.')
    rows.append((route, names))


def _named(names: Sequence[str], places: Sequence[int], raw_parts: Sequence[str], parts: Sequence[str], tail: str = '') -> dict[str, str]:
    """Segments by name; names beyond those are of segments that the path lacks, or of the rest."""
    found = dict.fromkeys(names[len(places) :], tail)
    for name, place in zip(names, places, strict=False):
        if name.endswith('!'):
            found[name[:-1]] = raw_parts[place]
        else:
            found[name] = parts[place]
    return found


def _refuse(call: Call, found: Match) -> Response:
    """`MethodNotAllowed` for a path with other methods, else `NotFound`, with the page of the framework that answers there."""
    path = call.request.environ.get('PATH_INFO', '')
    error = MethodNotAllowed(_allowed(call, found)) if found.found else NotFound(f'There is nothing at {path}.')
    raise error if call.base in ('data', 'schemas') else by_container(error)


def _options(call: Call, found: Match) -> Response:
    allowed = found.methods + ['HEAD'] * ('GET' in found.methods)
    return Response(headers={'Allow': ', '.join([*allowed, 'OPTIONS'])})


def _allowed(call: Call, found: Match) -> list[str]:
    """The methods of a path; below ``/xapi`` without those that every path has."""
    more = [] if call.base == 'xapi' else [*['HEAD'] * ('GET' in found.methods), 'OPTIONS']
    return found.methods + more


def _admit(route: Route, call: Call) -> None:
    """`Unauthorized`, below ``/data`` `Forbidden`, for a guest, and `Forbidden` for a user who may not ask."""
    if route.access in (Access.PUBLIC, Access.ANYBODY) or call.caller.admin:
        return
    if call.caller.guest:
        raise (Unauthorized if call.base == 'xapi' else Forbidden)('Log in: guests may not ask for this.')
    if route.access is Access.ADMIN or (route.access is Access.SELF and call.names.get('username') != call.caller.login):
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
