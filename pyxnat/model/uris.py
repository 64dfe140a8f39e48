"""URIs of XNAT, as values: taking apart and putting together, nothing else.

A URI here is the part that a listing's ``URI`` column shows: it begins with ``/data``, has no host and no context path, and is percent-encoded.
A *path* is what a person writes: no prefix needed, not encoded.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote as _quote
from urllib.parse import unquote as _unquote
from urllib.parse import urlencode, urlsplit, urlunsplit

import six

from ..errors import ConfigurationError

__all__ = [
    'ENTRY',
    'as_sent',
    'file_path',
    'file_row',
    'is_carried',
    'is_label',
    'is_plain',
    'join',
    'meaning',
    'normalise_server',
    'parent',
    'quote',
    'quote_path',
    'segments',
    'strip_entry',
    'unquote',
    'why_unreachable',
    'with_query',
]

ENTRY = '/data'
"""The entry point of the REST application since XNAT 1.5; ``/REST`` is its older name."""

_ENTRIES = re.compile(r'^(/(data|REST)(/archive)?|/archive)(?=/|$)')


_FILE = re.compile(r'^(.*?/resources/[^/]+/files/)(.+)$', re.DOTALL)
_PLAIN = "/-._~!$&'()*+,=:@"
"""What, beside letters and digits, stands in a path as it is."""
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


def file_row(row: Mapping[str, str]) -> dict[str, str]:
    """A row of a listing of files with its URI encoded, and with ``path``: where it is in its resource. XNAT's URIs are not encoded.

    >>> file_row({'Name': 'a b#.nii', 'URI': '/data/experiments/E1/resources/12/files/d/a b#.nii'})['path']
    'd/a b#.nii'
    """
    raw, name = row.get('URI', ''), row.get('Name', '')
    found = _FILE.match(raw)
    if found is None:
        return {**row, 'path': name}
    holder, path = found.groups()
    if path.rstrip('/').rpartition('/')[2] != name:  # a server that encodes them
        path = unquote(path)
    return {**row, 'URI': _quote(holder, safe='/%:,', errors=_ERRORS) + quote_path(path), 'path': path}


def as_sent(uri: str) -> str:
    """A URI of ours as XNAT has to be asked.

    It decodes the path of a file where that holds ``%20`` or ``%2B``, and otherwise takes it as it was sent: so what need not be encoded is sent as
    it is, and so is what is stored encoded.

    >>> as_sent('/data/experiments/E1/resources/12/files/a%28b%29.txt'), as_sent('/data/experiments/E1/resources/12/files/a%20%28b%29.txt')
    ('/data/experiments/E1/resources/12/files/a(b).txt', '/data/experiments/E1/resources/12/files/a%20%28b%29.txt')
    """
    whole, mark, query = uri.partition('?')
    found = _FILE.match(whole)
    return f'{found[1]}{_carried(unquote(found[2]))}{mark}{query}' if found else uri


def _carried(path: str) -> str:
    if _is_decoded(path):
        return _quote(path, safe='/', errors=_ERRORS)
    return re.sub('%25(?=[0-9A-Fa-f]{2})', '%', _quote(path, safe=_PLAIN, errors=_ERRORS))


def _is_decoded(path: str) -> bool:
    """Whether XNAT decodes a path: it does where it was sent something that needs it."""
    return ' ' in path or ('+' in path and not is_plain(path))


def is_label(name: str) -> bool:
    """Whether a name is one that XNAT stores as the label of a resource as it is; others it stores encoded as they were sent."""
    return bool(re.fullmatch(r'[A-Za-z0-9._-]+', name))


def is_plain(path: str) -> bool:
    """Whether nothing of a path need be encoded."""
    return all(char.isascii() and (char.isalnum() or char in _PLAIN) for char in path)


def is_carried(path: str) -> bool:
    """Whether a file that is sent to a path is stored under it; if not, its name has to come another way, as in a form or an archive."""
    return is_plain(path) or _is_decoded(path)


def why_unreachable(path: str) -> str:
    """What of a path keeps XNAT from giving the file that is stored there; empty where nothing does."""
    found = sorted({char for char in path if char in '%;\\' or ord(char) < 32 or ord(char) == 127})
    return ', '.join(map(repr, found))


def meaning(text: str) -> str:
    """What a name or path means that XNAT stored as it was sent, encoded.

    >>> meaning('my%20res'), meaning('x%26y.dcm'), meaning('100%')
    ('my res', 'x&y.dcm', '100%')
    """
    plain = html.unescape(unquote(text)) if '%' in text or '&' in text else text
    is_sound = plain.isprintable() and plain.count('/') == text.count('/') and not {'.', '..', ''} & set(plain.split('/'))
    return plain if is_sound else text


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
