"""The grammar of ``select``: parser for paths of levels and names.

::

    path     = ['/data' | '/REST'] ['/archive'] { '/' part | '//' part } ['/']
    part     = level [ '/' name ]
    level    = a plural or singular name of :data:`pyxnat.model.levels.LEVELS`
             | ('in' | 'out') '/' ('resources' | 'files')
    name     = an ID or a label, with '*' (any text) and '?' (any character) as wildcards

A level without a name selects all of its elements. ``//`` stands for every route from one level to
the next; below a project it also reaches sessions that are there without their subject. After
``files``, slashes are part of the name. ``files`` directly below any level but a resource selects
the files of all resources.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

import six

from ..errors import ProgrammingError
from ..model import uris
from ..model.labels import CHECKED, needs_id, why_not_sent
from ..model.levels import GAPS, LEVELS, SERVER, Chain, Level, chains, children, level, level_names
from ..model.wildcards import ANY, is_wildcard

__all__ = [
    'Path',
    'Selection',
    'Step',
    'below',
    'chain_of',
    'is_as_routed',
    'parse',
    'read',
    'routes_below',
    'spell',
    'uri_of',
]

_DIRECTIONS = {row.side: row.plural for row in LEVELS if row.side}
_LAST = {(row.plural, 'resources') for row in LEVELS if row.has_sides}
"""Pairs that ``//`` keeps at the end of a path, as the only route to ``resources``."""
_NOT_EXPANDED = {('projects', 'experiments'), *_LAST}
"""Pairs of levels that ``//`` skips: it reaches the same elements through subjects or ``out``.

XNAT lists the ``out`` resources for a path without a side.
"""


class Step(NamedTuple):
    """One level of a path, with the name or pattern of its elements."""

    level: str
    """Plural name."""
    name: str
    """An ID, a label or, unless `literal`, a pattern."""
    literal: bool
    """Whether the name has no wildcard."""
    of: str = ''
    """For projects: URI of an element; selects the projects that it is shared into."""
    passable: bool = False
    """For subjects between a project and sessions: also selects sessions without a subject there.

    ``//`` sets it: a session may be shared or moved into a project without its subject.
    """


_level_of, _is_literal = attrgetter('level'), attrgetter('literal')
_REMEMBERED = 1024
"""Results kept of each cached function. They depend on the arguments alone: none gets stale."""

Path = tuple[Step, ...]
"""The steps from the server down."""


class Selection(NamedTuple):
    """The result of parsing a path."""

    paths: tuple[Path, ...]
    """One for each route that ``//`` allows."""

    @property
    def is_element(self) -> bool:
        """Whether the selection is one element, not a collection."""
        return len(self.paths) == 1 and all(map(_is_literal, self.paths[0]))


def chain_of(path: Path) -> tuple[str, ...]:
    """Return the levels of a path."""
    return tuple(map(_level_of, path))


@lru_cache(_REMEMBERED)
def uri_of(path: Path) -> str:
    """Return the URI of a path of literal steps, from the entry point.

    >>> uri_of((Step('projects', 'P', True), Step('resources', 'a b', True)))
    '/data/projects/P/resources/a%20b'
    """
    parts = [uris.ENTRY]
    for step in path:
        quoted = uris.quote_path(step.name) if level(step.level).is_file else uris.quote(step.name)
        parts += [level(step.level).segment, quoted]
    return uris.join(*parts)


@lru_cache(_REMEMBERED)
def read(uri: str) -> Path:
    """Parse an element's URI into steps: the inverse of :func:`uri_of`.

    >>> spell(read('/data/experiments/E1/assessors/A/out/resources/12/files/a%20b.txt'))
    '/experiments/E1/assessors/A/out/resources/12/files/a b.txt'

    Raises
    ------
    ProgrammingError
        The text is not the URI of an element.
    """
    parts = uris.segments(uri)
    steps: list[Step] = []
    while len(parts) >= 2:
        segment = parts.pop(0)
        if segment in _DIRECTIONS and parts[0] == 'resources':
            segment = f'{segment}/{parts.pop(0)}'
        row = _child(steps[-1].level if steps else SERVER, segment)
        if row is None or not parts:
            break
        steps.append(Step(row.plural, '/'.join(parts) if row.is_file else parts[0], True))
        del parts[: len(parts) if row.is_file else 1]
    if parts or not steps:
        raise ProgrammingError(
            'not the URI of an element',
            uri=uri,
            remedy='Give one such as /data/projects/P/subjects/S.',
        )
    return tuple(steps)


@lru_cache(_REMEMBERED)
def _child(plural: str, segment: str) -> Level | None:
    """Return the level that a segment of a URI means below another, if any."""
    return next((row for row in children(plural) if row.segment == segment), None)


@lru_cache(_REMEMBERED)
def is_as_routed(path: Path) -> bool:
    """Return whether XNAT takes a path of literal steps as it is.

    It can be sent then, has no gap, and no name on it has to be replaced by an ID.
    """
    chain = chain_of(path)
    for end, step in enumerate(path, 1):
        if chain[:end] in GAPS or (end > 1 and needs_id(step.level, step.name)):
            return False
        if step.level in CHECKED and step.literal and why_not_sent(step.name):
            return False
        if level(step.level).is_resource and not uris.is_label(step.name):
            return False
    return True


def spell(path: Path) -> str:
    """Return a path as text, in full and unquoted."""
    return ''.join(f'/{level(step.level).segment}/{step.name}' for step in path)


@lru_cache(_REMEMBERED)
def parse(text: str | bytes) -> Selection:
    """Parse a path for ``select``. No request; the elements need not exist.

    Raises
    ------
    ProgrammingError
        The path is invalid; the message names the part.

    Examples
    --------
    >>> [spell(path) for path in parse('/project/P//scans').paths]
    ['/projects/P/subjects/*/experiments/*/scans/*']
    >>> parse('/data/projects/P/subject/S').is_element
    True
    """
    text = six.ensure_text(text)
    if not text.startswith('/'):
        raise ProgrammingError(
            f'the path {text!r} does not begin with a slash',
            remedy="Write it as in '/projects/P/subjects'.",
        )
    return Selection(tuple(_Parser(text).run()))


class _Parser:
    """Parser that reads a path part by part and keeps every route so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = uris.strip_entry(text).split('/')[1:]
        while self.tokens and not self.tokens[-1]:
            self.tokens.pop()
        self.paths: list[Path] = [()]

    def run(self) -> Iterator[Path]:
        if not self.tokens:
            raise ProgrammingError(
                f'{self.text!r} names no level', remedy=f'Begin with one of: {_names(SERVER)}.'
            )
        while self.tokens:
            anywhere = self._skip_empty()
            self._take_level(self._level_name(), anywhere)
            if self.tokens:
                self._take_name()
        return iter(self.paths)

    def _skip_empty(self) -> bool:
        anywhere = False
        while self.tokens and not self.tokens[0]:
            self.tokens.pop(0)
            anywhere = True
        return anywhere

    def _level_name(self) -> str:
        token = self.tokens.pop(0)
        if token in _DIRECTIONS and self.tokens:
            following = self.tokens[0]
            if following in ('resources', 'resource'):
                self.tokens.pop(0)
            elif following not in ('files', 'file'):
                raise self._error(
                    f'{token}/{following}', "after 'in' and 'out' come 'resources' or 'files'"
                )
            return _DIRECTIONS[token]
        if token not in level_names():
            here = self.paths[0][-1].level if self.paths[0] else SERVER
            raise self._error(
                token,
                f'not a level; {f"below {here}" if here else "at the top"} there are: '
                f'{_names(here)}',
            )
        return level(token).plural

    def _take_level(self, name: str, anywhere: bool) -> None:
        found = [
            longer
            for path in self.paths
            for longer in (routes_below(path, name) if anywhere else below(path, name))
        ]
        if not found:
            here = self.paths[0][-1].level if self.paths[0] else SERVER
            raise self._error(
                name,
                f'not {"anywhere " if anywhere else ""}{f"below {here}" if here else "at the top"};'
                f' there are: {_names(here)}',
            )
        self.paths = found

    def _take_name(self) -> None:
        here = self.paths[0][-1].level
        following = self.tokens[0]
        is_file = level(here).is_file
        if not following or (not is_file and self._is_level_below(here)):
            return
        name = '/'.join(self.tokens) if is_file else following
        del self.tokens[: len(self.tokens) if is_file else 1]
        if {'.', '..'} & set(name.split('/')):
            raise self._error(name, 'no name can be "." or ".."')
        step = Step(here, name, not is_wildcard(name))
        self.paths = [(*path[:-1], step) for path in self.paths]

    def _is_level_below(self, here: str) -> bool:
        token = self.tokens[0]
        if token in _DIRECTIONS:
            return (
                any(row.plural == _DIRECTIONS[token] for row in children(here))
                and len(self.tokens) > 1
            )
        return token in level_names() and any(below((Step(here, ANY, False),), level(token).plural))

    def _error(self, part: str, why: str) -> ProgrammingError:
        return ProgrammingError(
            f'in {self.text!r}: {part!r}: {why}', remedy='Correct that part of the path.'
        )


def below(path: Path, name: str) -> list[Path]:
    """Return the path extended by a level; nothing where XNAT has no route.

    ``files`` below a level with resources adds two steps, ``resources`` and ``files``.

    Parameters
    ----------
    path : Path
        Path to extend.
    name : str
        Plural name of the level.
    """
    here = path[-1].level if path else SERVER
    names = _names_below(here)
    if name in names:
        return [(*path, Step(name, ANY, False))]
    if name == 'files' and 'resources' in names:
        return [(*path, Step('resources', ANY, False), Step(name, ANY, False))]
    return []


@cache
def _names_below(plural: str) -> frozenset[str]:
    return frozenset(row.plural for row in children(plural))


def routes_below(path: Path, name: str) -> Iterator[Path]:
    """Yield every route from a path to a level below it, shortest first.

    Parameters
    ----------
    path : Path
        Path to extend; each route starts with it.
    name : str
        Plural name of the level to reach.
    """
    for suffix in _suffixes(path[-1].level if path else SERVER, name):
        chain = (*chain_of(path[-1:]), *suffix)
        steps = [Step(plural, ANY, False) for plural in suffix]
        at = _subjects_between(chain) - len(path[-1:])
        if at >= 0:
            steps[at] = steps[at]._replace(passable=True)
        yield (*path, *steps)


def _subjects_between(chain: Chain) -> int:
    """Return the index of subjects between a project and sessions; -1 without them."""
    ways = [chain[at : at + 3] for at in range(len(chain))]
    way = ('projects', 'subjects', 'experiments')
    return ways.index(way) + 1 if way in ways else -1


@cache
def _suffixes(here: str, name: str) -> tuple[Chain, ...]:
    """Return the levels of every route between two levels, shortest first."""
    found = [
        _suffix(chain, here) for chain in chains() if chain[-1] == name and not _doubles(chain)
    ]
    return tuple(dict.fromkeys(filter(None, found)))


def _suffix(chain: Chain, here: str) -> Chain:
    """Return the part of a chain below a level; empty without that level."""
    if here == SERVER:
        return chain if chain[0] == 'projects' else ()
    return chain[chain.index(here) + 1 :] if here in chain[:-1] else ()


def _doubles(chain: tuple[str, ...]) -> bool:
    return not _NOT_EXPANDED.isdisjoint(pairwise(chain)) and chain[-2:] not in _LAST


def _names(plural: str) -> str:
    return ', '.join(row.segment for row in children(plural)) or 'none'
