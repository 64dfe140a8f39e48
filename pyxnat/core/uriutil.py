"""Functions on URIs of pyxnat 1.x, beside those of :mod:`pyxnat.model.uris`."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.levels import LEVELS
from ..model.uris import *  # noqa: F403 - the names of the new module

__all__ = [
    'extract_uri',
    'inv_translate_uri',
    'join_uri',
    'make_uri',
    'translate_uri',
    'uri_grandparent',
    'uri_last',
    'uri_nextlast',
    'uri_parent',
    'uri_segment',
    'uri_split',
]

_SIDES = [
    (f'{side}_{name}', f'{side}/{name}')
    for side in ('in', 'out')
    for name in ('resources', 'files', 'resource', 'file')
]
_SESSION_LENGTH = 9
"""Segments of the URI of a listing below a session, the empty one before ``/data`` included."""


def translate_uri(uri: str) -> str:
    """Replace ``in_resources`` by ``in/resources`` in the last two segments.

    Likewise ``out_resources`` and files of them.

    >>> translate_uri('/data/experiments/E/assessors/A/out_resources')
    '/data/experiments/E/assessors/A/out/resources'
    """
    last = uri.split('/')[-2:]
    for name, segments in _SIDES:
        if name in last:
            uri = uri.replace(name, segments)
    return uri


def inv_translate_uri(uri: str) -> str:
    """Replace ``/in/resources`` by ``/in_resources``, and its likes."""
    for name, segments in _SIDES:
        uri = uri.replace(f'/{segments}', f'/{name}')
    return uri


def join_uri(uri: str, *segments: str) -> str:
    """Append segments to a URI, without doubled or trailing slashes.

    Parameters
    ----------
    uri : str
        Beginning.
    *segments : str
        Encoded segments.

    Examples
    --------
    >>> join_uri('/data/projects', '/P', 'subjects/')
    '/data/projects/P/subjects'
    """
    return '/'.join([uri, *(segment.lstrip('/') for segment in segments)]).rstrip('/')


def uri_last(uri: str) -> str:
    """Return the last segment.

    >>> uri_last('/data/projects/P')
    'P'
    """
    return uri.rpartition('/')[2]


def uri_nextlast(uri: str) -> str:
    """Return the last segment but one; ``files`` for a file in any folder."""
    return 'files' if '/files/' in uri else uri.split('/')[-2]


def uri_split(uri: str) -> list[str]:
    """Return the URI one segment up, and the last segment."""
    return uri.rsplit('/', 1)


def uri_parent(uri: str) -> str:
    """Return the URI one segment up; of a file in any folder, that of the listing.

    >>> uri_parent('/data/experiments/E/resources/1/files/a/b.txt')
    '/data/experiments/E/resources/1/files'
    """
    before, mark, _ = uri.partition('/files/')
    return f'{before}/files' if mark else uri_split(uri)[0]


def uri_grandparent(uri: str) -> str:
    """Return the URI two segments up."""
    return uri_parent(uri_parent(uri))


def uri_segment(uri: str, start: int | None = None, end: int | None = None) -> str:
    """Return a range of segments, beginning with a slash.

    Parameters
    ----------
    uri : str
        A URI.
    start, end : int, optional
        As for slices of a list. Without both, the URI itself.

    Examples
    --------
    >>> uri_segment('/data/projects/P', -2)
    '/projects/P'
    """
    if start is None and end is None:
        return uri
    return '/' + '/'.join(uri.split('/')[start:end])


def make_uri(_dict: Mapping[str, str]) -> str:
    """Return the path of an element from its names by level, from the project down.

    >>> make_uri({'subjects': 'S', 'projects': 'P'})
    '/projects/P/subjects/S'
    """
    return ''.join(f'/{row.plural}/{_dict[row.plural]}' for row in LEVELS if row.plural in _dict)


def extract_uri(uri: str) -> tuple[str, str, str] | None:
    """Return project, subject and experiment of a listing below a session.

    None for other URIs.

    >>> extract_uri('/data/projects/P/subjects/S/experiments/E/scans')
    ('P', 'S', 'E')
    """
    parts = uri.split('/')
    return (parts[3], parts[5], parts[7]) if len(parts) == _SESSION_LENGTH else None
