"""URIs of XNAT, as values: taking apart and putting together, nothing else.

A URI here is the part that a listing's ``URI`` column shows: it begins with ``/data``, has no host and no context path, and is percent-encoded.
A *path* is what a person writes: no prefix needed, not encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote as _quote
from urllib.parse import unquote as _unquote
from urllib.parse import urlencode, urlsplit, urlunsplit

import six

from .errors import ConfigurationError

__all__ = ['ENTRY', 'file_path', 'join', 'normalise_server', 'parent', 'quote', 'quote_path', 'segments', 'strip_entry', 'unquote', 'with_query']

ENTRY = '/data'
"""The entry point of the REST application since XNAT 1.5; ``/REST`` is its older name."""

_ENTRIES = re.compile(r'^(/(data|REST)(/archive)?|/archive)(?=/|$)')


_ERRORS = 'surrogateescape'
"""Bytes in a URI that are not UTF-8 come back as they were, as Python has it for file names."""


def unquote(text: str) -> str:
    """The name that a part of a URI stands for: the inverse of `quote`."""
    return _unquote(text, errors=_ERRORS)


def quote(segment: str | bytes) -> str:
    """One name as one segment of a URI: everything but letters, digits and ``-._~:,`` is percent-encoded as UTF-8, ``/`` too.

    XNAT takes a quoted colon for a part of the name in some places, and fails for a quoted comma in lists.

    >>> quote('a/b c%'), quote('xnat:mrSessionData')
    ('a%2Fb%20c%25', 'xnat:mrSessionData')
    """
    return _quote(six.ensure_text(segment), safe=':,', errors=_ERRORS)


def quote_path(path: str | bytes) -> str:
    """A path below ``files/``: as :func:`quote`, but ``/`` separates folders.

    >>> quote_path('run 1/a+b.nii')
    'run%201/a%2Bb.nii'
    """
    return _quote(six.ensure_text(path), safe='/:,', errors=_ERRORS)


def join(*parts: str) -> str:
    """Encoded parts put together with single slashes.

    >>> join('/data', 'projects/', 'P')
    '/data/projects/P'
    """
    lead = '/' if parts and parts[0].startswith('/') else ''
    return lead + '/'.join(part.strip('/') for part in parts if part.strip('/'))


def segments(uri: str) -> list[str]:
    """The decoded segments of a URI below its entry point.

    >>> segments('/data/projects/P/resources/1/files/a%20b')
    ['projects', 'P', 'resources', '1', 'files', 'a b']
    """
    return [unquote(part) for part in strip_entry(uri.partition('?')[0]).split('/') if part]


def strip_entry(path: str) -> str:
    """A path without ``/data``, ``/REST`` and a following ``/archive``: XNAT answers alike below each of them.

    >>> strip_entry('/REST/archive/projects/P')
    '/projects/P'
    """
    return _ENTRIES.sub('', path, count=1) or '/'


def parent(uri: str) -> str:
    """The URI one segment up."""
    return uri.rstrip('/').rpartition('/')[0]


def file_path(uri: str) -> str | None:
    """The decoded path of a file below its resource, or `None` where the URI is not one of a file.

    The first ``files`` behind a resource counts, so folders called ``files`` are kept.

    >>> file_path('/data/experiments/E1/resources/12/files/files/a%20b.nii')
    'files/a b.nii'
    """
    encoded = re.search(r'/resources/[^/]+/files/(.+)$', uri.partition('?')[0])
    return unquote(encoded.group(1)) if encoded else None


def with_query(uri: str, query: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> str:
    """A URI with more query parameters; those that are `None` are left out, booleans become ``true`` and ``false``, dates ISO text.

    >>> with_query('/data/projects?a=1', {'format': 'json', 'all': True, 'x': None})
    '/data/projects?a=1&format=json&all=true'
    """
    pairs = query.items() if isinstance(query, Mapping) else (query or ())
    encoded = urlencode([(name, _text(value)) for name, value in pairs if value is not None], quote_via=_quote, safe='/:,*@')
    if not encoded:
        return uri
    return f'{uri}{"&" if "?" in uri else "?"}{encoded}'


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if hasattr(value, 'isoformat'):
        return str(value.isoformat())
    return six.ensure_text(value) if isinstance(value, bytes) else str(value)


def normalise_server(server: str) -> str:
    """The URL of a server as it is used everywhere: a scheme, no trailing slash, no query, no user or password.

    Without a scheme, ``https`` is meant, except for a loopback host.

    >>> normalise_server('central.xnat.org/')
    'https://central.xnat.org'
    """
    text = server.strip()
    if '://' not in text:
        host = re.split(r'[:/]', text, maxsplit=1)[0]
        text = f'{"http" if host in ("localhost", "127.0.0.1") else "https"}://{text}'
    if '@' in text.partition('://')[2].partition('/')[0]:
        raise ConfigurationError('Credentials in the URL of the server end up in logs: give user= and password=')
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ConfigurationError(f'{server!r} is not the URL of a server ({error}): give one such as https://xnat.example.org') from error
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise ConfigurationError(f'{server!r} is not the URL of a server: give one such as https://xnat.example.org')
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip('/'), '', ''))
