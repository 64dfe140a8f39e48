"""URIs read against the table of REST levels.

A path is split before it is decoded, and each segment is decoded once. Below an element that XNAT knows, segments that name no level
are its sub-path: XNAT hands those to the item, which often ignores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from werkzeug.exceptions import BadRequest

from ..structure import SERVER, Chain, Level, chains, children, level

__all__ = ['Route', 'Step', 'parse', 'segments']

MAX_PATH = 8192
"""Bytes of a request's path; longer ones are refused."""
_NO_FILES = ('projects', 'experiments')
_CHAINS = frozenset(chains())


class Step(NamedTuple):
    """One level of a path."""

    level: Level
    id: str | None
    """ID or label of the element; None for the collection."""


class Route(NamedTuple):
    """A path as levels from the root down, and what follows the last element."""

    steps: tuple[Step, ...]
    tail: tuple[str, ...] = ()

    @property
    def last(self) -> Step:
        """The collection or element that is meant."""
        return self.steps[-1]

    @property
    def names(self) -> Chain:
        """Plural names of the levels."""
        return tuple(step.level.plural for step in self.steps)


def segments(raw_path: str) -> list[str]:
    """The decoded segments of a raw path; an empty last one tells a trailing slash. `BadRequest` for what no path can hold."""
    if len(raw_path) > MAX_PATH:
        raise BadRequest(f'The path is longer than {MAX_PATH} bytes.')
    parts = raw_path.split('/')[1:] if raw_path.startswith('/') else raw_path.split('/')
    return [_decode(part) for part in parts]


def _decode(part: str) -> str:
    try:
        text = unquote_to_bytes(part).decode('utf-8')
    except UnicodeDecodeError as error:
        raise BadRequest('The path is not UTF-8.') from error
    if '\0' in text:
        raise BadRequest('The path holds a NUL.')
    return text


def parse(parts: Sequence[str]) -> Route | None:
    """The route of decoded segments below ``/data``; None where the first is no level."""
    trailing = len(parts) > 1 and parts[-1] == ''
    rest = [part for part in parts if part]
    steps: list[Step] = []
    while rest and not (steps and steps[-1].id is None):
        found = _next(tuple(step.level.plural for step in steps), rest)
        if found is None:
            break
        rest = rest[found[-1].level.segment.count('/') + 1 if len(found) == 1 else _width(found) :]
        last = found[-1].level
        if last.plural == 'files':
            name = '/'.join(rest) + ('/' if trailing and rest else '')
            rest = []
        else:
            name = rest.pop(0) if rest else ''
        steps += [*found[:-1], Step(last, name or None)]
    return Route(tuple(steps), tuple(rest)) if steps else None


def _next(chain: Chain, rest: list[str]) -> list[Step] | None:
    """The step that the next segments name; two where files are asked for over all resources of an element."""
    parent = chain[-1] if chain else SERVER
    below = children(parent)
    for row in below:
        words = row.segment.split('/')
        if rest[: len(words)] == words and (*chain, row.plural) in _CHAINS:
            return [Step(row, None)]
    for row in below:
        words = [*row.segment.split('/')[:-1], 'files']
        if row.plural.endswith('resources') and rest[: len(words)] == words and chain != _NO_FILES:
            return [Step(row, None), Step(level('files'), None)]
    return None


def _width(found: list[Step]) -> int:
    return found[0].level.segment.count('/') + 1
