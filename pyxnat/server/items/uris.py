"""Parser of URIs, with the table of REST levels.

A path is split before it is decoded, and XNAT decodes little: IDs of scans and reconstructions, and
the path of a file if it contains ``%20`` or ``%2B``. All other names are used as sent. Below a
known element, segments that name no level are its tail, which XNAT passes to the item and often
ignores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus, unquote_to_bytes

from ...model.levels import SERVER, Chain, Level, chains, children, level
from ..errors import BadRequest, BareRefusal, InternalServerError

__all__ = [
    'NO_FILES',
    'ItemPath',
    'Step',
    'admit_path',
    'admit_target',
    'archived_parts',
    'decoded',
    'parse',
    'segments',
]

MAX_PATH = 8192
"""Bytes of a request's path; longer paths are refused."""
_MALFORMED = re.compile(r'%2f|%5c|%00|\\|\0', re.IGNORECASE)
_FORBIDDEN = re.compile(r'%25|%3b|;|//|/(\.|%2e){1,2}(/|$)', re.IGNORECASE)
NO_FILES = ('projects', 'experiments')
"""Experiments by project alone: their files are not listed over all resources."""
_CHAINS = frozenset(chains())


class Step(NamedTuple):
    """One level of a path."""

    level: Level
    id: str | None
    """ID or label of the element; None for the collection."""


class ItemPath(NamedTuple):
    """Levels of a path from the root down, and the tail after the last."""

    steps: tuple[Step, ...]
    tail: tuple[str, ...] = ()

    @property
    def last(self) -> Step:
        """The requested collection or element."""
        return self.steps[-1]

    @property
    def names(self) -> Chain:
        """Plural names of the levels."""
        return tuple(step.level.plural for step in self.steps)


_UNQUOTED = re.compile(r'["<>\[\]^`{|}]')


def admit_path(method: str, raw_path: str) -> None:
    """Refuse a path that does not reach XNAT.

    The firewall before XNAT refuses an encoded ``%`` or ``;`` and a path that is not normalized:
    with 405 and no body, or 500 for a GET. An encoded slash, a backslash and a NUL are answered
    with 400.

    Parameters
    ----------
    method : str
        HTTP method.
    raw_path : str
        Path as sent.

    Raises
    ------
    BadRequest
        For an encoded slash, a backslash, a NUL or a path over `MAX_PATH`.
    InternalServerError
        For a GET or HEAD that the firewall refuses.
    BareRefusal
        For another method that the firewall refuses.
    """
    if len(raw_path) > MAX_PATH:
        raise BadRequest(f'The path is longer than {MAX_PATH} bytes.')
    if _MALFORMED.search(raw_path):
        raise BadRequest('The path contains an encoded slash, a backslash or a NUL.')
    if not _FORBIDDEN.search(raw_path):
        return
    if method in ('GET', 'HEAD'):
        raise InternalServerError(
            'The path contains %25, a semicolon, an empty segment or dots, and is refused.'
        )
    raise BareRefusal(405)


def admit_target(raw: str) -> None:
    """Refuse a request target with a character that must be encoded.

    Tomcat refuses brackets and the like, also in a query.
    """
    found = _UNQUOTED.search(raw)
    if found is not None:
        raise BadRequest(
            f'Invalid character found in the request target [{raw}]: quote {found.group()}.'
        )


def segments(raw_path: str) -> list[str]:
    """Split a raw path; an empty last segment means a trailing slash."""
    return raw_path.split('/')[1:] if raw_path.startswith('/') else raw_path.split('/')


def decoded(parts: Sequence[str]) -> list[str]:
    """Decode segments; `BadRequest` if they are not UTF-8."""
    return [_decode(part) for part in parts]


def _decode(part: str) -> str:
    try:
        return unquote_to_bytes(part).decode('utf-8')
    except UnicodeDecodeError as error:
        raise BadRequest('The path is not UTF-8.') from error


def _name(plural: str, text: str) -> str:
    """Return the name that XNAT reads from a segment."""
    row = level(plural)
    if row.is_part:
        return unquote(text)
    if row.is_file:
        return unquote_plus(text) if re.search('%2[0Bb]', text) else text
    return text.replace("'", '&apos;') if row.is_resource else text


def parse(parts: Sequence[str]) -> ItemPath | None:
    """Parse the segments below ``/data``; None if the first is not a level."""
    trailing = len(parts) > 1 and parts[-1] == ''
    rest = [part for part in parts if part]
    steps: list[Step] = []
    while rest and not (steps and steps[-1].id is None):
        found = _next(tuple(step.level.plural for step in steps), rest)
        if found is None:
            break
        rest = rest[found[0].level.segment.count('/') + 1 :]
        last = found[-1].level
        if last.is_file:
            name = '/'.join(rest) + ('/' if trailing and rest else '')
            rest = []
        else:
            name = rest.pop(0) if rest else ''
        steps += [*found[:-1], Step(last, _name(last.plural, name) or None)]
    return ItemPath(tuple(steps), tuple(decoded(rest))) if steps else None


def _next(chain: Chain, rest: list[str]) -> list[Step] | None:
    """Return the step that the next segments name.

    Two steps for files of all resources of an element.
    """
    parent = chain[-1] if chain else SERVER
    below = children(parent)
    for row in below:
        words = row.segment.split('/')
        if rest[: len(words)] == words and (*chain, row.plural) in _CHAINS:
            return [Step(row, None)]
    for row in below:
        words = [*row.segment.split('/')[:-1], 'files']
        if row.is_resource and rest[: len(words)] == words and chain != NO_FILES:
            return [Step(row, None), Step(level('files'), None)]
    return None


def archived_parts(uri: str) -> list[str]:
    """Return the segments of a URI in the archive, below ``/data``.

    Raises
    ------
    BadRequest
        For any other URI.
    """
    parts = [part for part in uri.split('/') if part]
    parts = parts[1:] if parts[:1] == ['data'] else parts
    parts = parts[1:] if parts[:1] == ['archive'] else parts
    if not uri.startswith('/') or parts[:1] not in [[row.segment] for row in children(SERVER)]:
        raise BadRequest(f'{uri!r} is not the URI of an item.')
    return parts
