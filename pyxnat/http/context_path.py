"""Wrong URLs of a server: a context path such as ``/xnat`` that is missing or superfluous."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from urllib.parse import urlsplit, urlunsplit

from .. import errors
from .connection import Stream

__all__ = ['MOST_CANDIDATES', 'PROBE', 'candidates', 'is_root', 'may_be_elsewhere']

PROBE = '/data/projects?format=json'
"""A path that every XNAT answers, at least with a challenge to log in."""
MOST_CANDIDATES = 2


def candidates(server: str, location: str = '') -> Iterator[str]:
    """Yield other URLs at which the XNAT of a server may be.

    Parameters
    ----------
    server : str
        URL without a slash at its end.
    location : str
        ``Location`` header of its response.

    Examples
    --------
    >>> list(candidates('https://host/xnat')), list(candidates('https://host'))
    (['https://host'], ['https://host/xnat'])
    >>> list(candidates('https://host/app/template/Login.vm', '/lab/login'))
    ['https://host/lab', 'https://host']
    """
    parts = urlsplit(server)
    root = urlunsplit((parts.scheme, parts.netloc, '', '', ''))
    first = urlsplit(location).path.split('/')[1:2] if location.startswith(('/', root)) else []
    led = f'{root}/{first[0]}' if first and first[0] not in ('', 'app', 'data') else ''
    found = dict.fromkeys((led, root, f'{root}/xnat'))
    usual = [url for url in found if url and url != server]
    yield from islice(usual, MOST_CANDIDATES)


def may_be_elsewhere(status: int, begin: bytes, error: errors.DatabaseError) -> bool:
    """Return whether a response seems not to be of an XNAT at all.

    A redirect, or a page that is not one of XNAT's own, which have their message in ``<h3>``.

    Parameters
    ----------
    status : int
        Its status.
    begin : bytes
        The begin of its body.
    error : DatabaseError
        The error for it.
    """
    if isinstance(error, errors.AuthenticationError):
        return False
    page = begin.lower()
    return isinstance(error, errors.UnexpectedAnswer) or (
        status == 404 and (b'http status' in page or b'<h3' not in page)
    )


def is_root(stream: Stream) -> bool:
    """Return whether a response to `PROBE` without a login is of an XNAT."""
    if stream.status == 401:
        return stream.headers.get('www-authenticate', '').lower().startswith('basic')
    return stream.status == 200 and stream.begin().lstrip().startswith(b'{"ResultSet"')
