"""URIs of XNAT: parsing, joining and encoding, without I/O.

A URI here is the part in a listing's ``URI`` column: it begins with ``/data``, has no host and no
context path, and is percent-encoded. A *path* is written by a person: no prefix, not encoded.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterable, Mapping
from operator import methodcaller
from typing import Any
from urllib.parse import quote as _quote
from urllib.parse import unquote as _unquote
from urllib.parse import urlencode, urlsplit, urlunsplit

import six

from ..errors import ConfigurationError
from ..patterns import pattern
from .rows import ListedRow

__all__ = [
    'ENTRY',
    'as_sent',
    'file_path',
    'file_row',
    'is_carried',
    'is_label',
    'is_plain',
    'is_reachable',
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
"""Entry point of the REST application since XNAT 1.5; ``/REST`` is its older name."""

_ENTRIES = pattern(r'^(/(data|REST)(/archive)?|/archive)(?=/|$)')


_FILE = pattern(r'^(.*?/resources/[^/]+/files/)(.+)$', re.DOTALL)
_PLAIN = "/-._~!$&'()*+,=:@"
"""Characters, apart from letters and digits, that a path may hold unencoded."""
_LABEL = re.compile(r'[A-Za-z0-9._-]+')
_ENCODED_TWICE = pattern('%25(?=[0-9A-Fa-f]{2})')
_ALL_PLAIN = re.compile(f'[A-Za-z0-9{re.escape(_PLAIN)}]*')
_without_slashes = methodcaller('strip', '/')
_ERRORS = 'surrogateescape'
"""Error handler that keeps bytes that are not UTF-8, as Python does for file names."""


def unquote(text: str) -> str:
    """Decode a segment of a URI: the inverse of `quote`."""
    return _unquote(text, errors=_ERRORS)


def quote(segment: str | bytes) -> str:
    """Encode one name as one segment of a URI.

    Everything but letters, digits and ``-._~:,`` is percent-encoded as UTF-8, ``/`` too. XNAT takes
    an encoded colon for a part of the name in some places, and fails for an encoded comma in lists.

    >>> quote('a/b c%'), quote('xnat:mrSessionData')
    ('a%2Fb%20c%25', 'xnat:mrSessionData')
    """
    return _quote(six.ensure_text(segment), safe=':,', errors=_ERRORS)


def quote_path(path: str | bytes) -> str:
    """Encode a path below ``files/``: as :func:`quote`, but keep ``/``.

    >>> quote_path('run 1/a+b.nii')
    'run%201/a%2Bb.nii'
    """
    return _quote(six.ensure_text(path), safe='/:,', errors=_ERRORS)


def join(*parts: str) -> str:
    """Join encoded parts with single slashes.

    >>> join('/data', 'projects/', 'P')
    '/data/projects/P'
    """
    lead = '/' if parts and parts[0].startswith('/') else ''
    return lead + '/'.join(filter(None, map(_without_slashes, parts)))


def segments(uri: str) -> list[str]:
    """Return the decoded segments of a URI below its entry point.

    >>> segments('/data/projects/P/resources/1/files/a%20b')
    ['projects', 'P', 'resources', '1', 'files', 'a b']
    """
    parts = filter(None, _ENTRIES.sub('', uri.partition('?')[0], count=1).split('/'))
    return list(map(unquote, parts) if '%' in uri else parts)


def strip_entry(path: str) -> str:
    """Remove ``/data`` or ``/REST`` and a following ``/archive``.

    XNAT responds alike below each of them.

    >>> strip_entry('/REST/archive/projects/P')
    '/projects/P'
    """
    return _ENTRIES.sub('', path, count=1) or '/'


def parent(uri: str) -> str:
    """Return the URI one segment up."""
    return uri.rstrip('/').rpartition('/')[0]


def file_path(uri: str) -> str | None:
    """Return the decoded path of a file below its resource.

    `None` for the URI of anything but a file. The first ``files`` after a resource counts, so
    folders named ``files`` are kept.

    >>> file_path('/data/experiments/E1/resources/12/files/files/a%20b.nii')
    'files/a b.nii'
    """
    encoded = re.search(r'/resources/[^/]+/files/(.+)$', uri.partition('?')[0])
    return unquote(encoded.group(1)) if encoded else None


def file_row(row: Mapping[str, str]) -> dict[str, str]:
    """Encode the URI in a row of a listing of files, and add ``path``.

    ``path`` is the file's path in its resource. XNAT's own URIs are not encoded.

    >>> file_row({'Name': 'a b.nii', 'URI': '/data/projects/P/resources/1/files/d/a b.nii'})['path']
    'd/a b.nii'
    """
    raw, name = row.get('URI', ''), row.get('Name', '')
    found = _FILE.match(raw)
    if found is None:
        return ListedRow({**row, 'path': name})
    holder, path = found.groups()
    if path.rstrip('/').rpartition('/')[2] != name:  # this server encodes URIs
        path = unquote(path)
    return ListedRow(
        {
            **row,
            'URI': _quote(holder, safe='/%:,', errors=_ERRORS) + quote_path(path),
            'path': path,
        }
    )


def as_sent(uri: str) -> str:
    """Encode the URI of a file as XNAT expects it in a request.

    XNAT decodes the path of a file if it holds ``%20`` or ``%2B``, and otherwise takes it as sent.
    So characters that need no encoding are sent plain, and paths that are stored encoded are sent
    encoded.

    >>> as_sent('/data/projects/P/resources/1/files/a%28b%29.txt')
    '/data/projects/P/resources/1/files/a(b).txt'
    >>> as_sent('/data/projects/P/resources/1/files/a%20%28b%29.txt')
    '/data/projects/P/resources/1/files/a%20%28b%29.txt'
    """
    whole, mark, query = uri.partition('?')
    found = _FILE.match(whole)
    if found is None:
        return uri
    path = unquote(found[2])
    if _is_decoded(path):
        encoded = _quote(path, safe='/', errors=_ERRORS)
    else:
        encoded = _quote(path, safe=_PLAIN, errors=_ERRORS)
        if '%25' in encoded:
            encoded = _ENCODED_TWICE.sub('%', encoded)
    return f'{found[1]}{encoded}{mark}{query}'


def _is_decoded(path: str) -> bool:
    """Whether XNAT decodes a path: only one with a space or an encoded plus."""
    return ' ' in path or ('+' in path and not is_plain(path))


def is_label(name: str) -> bool:
    """Whether XNAT stores a name unchanged as the label of a resource.

    Other names it stores percent-encoded, as they were sent.
    """
    return _LABEL.fullmatch(name) is not None


def is_plain(path: str) -> bool:
    """Whether no character of a path needs encoding."""
    return _ALL_PLAIN.fullmatch(path) is not None


def is_carried(path: str) -> bool:
    """Whether XNAT stores a file under the path that it is sent to.

    If not, its name must be sent in a form or an archive.
    """
    return is_plain(path) or _is_decoded(path)


def is_reachable(path: str) -> bool:
    """Whether a request can name a stored file. Others are in zips alone.

    >>> is_reachable('a b.nii'), is_reachable('a%28b%29.txt')
    (True, True)
    >>> is_reachable('50%.txt'), is_reachable('a%20b.txt'), is_reachable('a;b.txt')
    (False, False, False)
    """
    if is_plain(path):
        return True
    sent = as_sent(f'/data/projects/P/resources/1/files/{quote_path(path)}')
    is_changed = '%' in path and re.search('%(25|20|2B)', sent, re.IGNORECASE) is not None
    return not (is_changed or why_unreachable(path.replace('%', '')))


def why_unreachable(path: str) -> str:
    """Return the characters that keep XNAT from serving a stored file.

    Empty if there are none.
    """
    found = {char for char in path if char in '%;\\' or ord(char) < 32 or ord(char) == 127}
    found |= {char for char in path if '\ud800' <= char <= '\udfff'}  # bytes that are no UTF-8
    return ', '.join(map(ascii, sorted(found)))


def meaning(text: str) -> str:
    """Decode a name or path that XNAT stored percent-encoded.

    Return it unchanged if decoding would alter its segments or yield unprintable characters.

    >>> meaning('my%20res'), meaning('x%26y.dcm'), meaning('100%')
    ('my res', 'x&y.dcm', '100%')
    """
    plain = html.unescape(unquote(text)) if '%' in text or '&' in text else text
    is_sound = (
        plain.isprintable()
        and plain.count('/') == text.count('/')
        and not {'.', '..', ''} & set(plain.split('/'))
    )
    return plain if is_sound else text


def with_query(uri: str, query: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> str:
    """Append query parameters to a URI.

    Parameters
    ----------
    uri : str
        URI, possibly with a query.
    query : mapping or iterable of pairs, optional
        Values that are `None` are omitted, booleans become ``true`` and ``false``, dates ISO text.

    Examples
    --------
    >>> with_query('/data/projects?a=1', {'format': 'json', 'all': True, 'x': None})
    '/data/projects?a=1&format=json&all=true'
    """
    pairs = query.items() if isinstance(query, Mapping) else (query or ())
    given = [
        (name, value if isinstance(value, str) else _text(value))
        for name, value in pairs
        if value is not None
    ]
    if not given:
        return uri
    encoded = urlencode(given, quote_via=_quote, safe='/:,*@')
    return f'{uri}{"&" if "?" in uri else "?"}{encoded}'


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if hasattr(value, 'isoformat'):
        return str(value.isoformat())
    return six.ensure_text(value) if isinstance(value, bytes) else str(value)


def normalise_server(server: str) -> str:
    """Return the URL of a server in the form used throughout.

    It has a scheme, and no trailing slash, query, user or password. The default scheme is
    ``https``, and ``http`` for a loopback host.

    >>> normalise_server('central.xnat.org/'), normalise_server('file:///data/study/')
    ('https://central.xnat.org', 'file:///data/study')

    Raises
    ------
    ConfigurationError
        The URL is invalid, or has credentials.
    """
    text = server.strip()
    if text.startswith('file:'):
        return _normalise_folder(text)
    if '://' not in text:
        host = re.split(r'[:/]', text, maxsplit=1)[0]
        text = f'{"http" if host in ("localhost", "127.0.0.1") else "https"}://{text}'
    if '@' in text.partition('://')[2].partition('/')[0]:
        raise ConfigurationError(
            'credentials in the URL of the server end up in logs: pass user= and password='
        )
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ConfigurationError(
            f'{server!r} is not the URL of a server ({error}): pass one such as '
            'https://xnat.example.org'
        ) from error
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        raise ConfigurationError(
            f'{server!r} is not the URL of a server: pass one such as https://xnat.example.org'
        )
    return urlunsplit((parts.scheme, parts.netloc.lower(), parts.path.rstrip('/'), '', ''))


def _normalise_folder(server: str) -> str:
    parts = urlsplit(server)
    path = posixpath.normpath(_unquote(parts.path))
    is_whole = path.startswith('/') and path not in ('/', '//')
    if parts.netloc not in ('', 'localhost') or not is_whole or parts.query:
        raise ConfigurationError(
            f'{server!r} is not the URL of a folder: pass one with three slashes and its whole '
            "path, such as file:///data/study, or use pyxnat.open('study')"
        )
    return f'file://{_quote(path)}'
