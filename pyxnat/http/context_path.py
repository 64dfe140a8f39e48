"""Wrong URLs of a server.

A context path such as ``/xnat`` that is missing or superfluous.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from .. import errors
from .connection import Answer
from .session import Session
from .validation import ANY

__all__ = ['MOST_CANDIDATES', 'PROBE', 'candidates', 'may_be_elsewhere', 'other_root']

log = logging.getLogger('pyxnat.http')

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


def other_root(transport: Any, location: str) -> str:
    """Return a remedy if XNAT is at another path of the host, else an empty text.

    Two requests at most, without the login.

    Parameters
    ----------
    transport : Transport
        Transport of the server that seems to be wrong.
    location : str
        ``Location`` header of its response.
    """
    for root in candidates(transport.server, location):
        probe = transport.twin()
        probe.session, probe.server, probe.retries = Session(root, None), root, 0
        try:
            answer = probe.request('GET', PROBE, kind=ANY)
        except errors.DatabaseError as error:
            log.info('no XNAT at %s: %s', root, error)
            continue
        finally:
            probe.close_connections()
        if _is_of_xnat(answer):
            return f'There is no XNAT at {transport.server}, but at {root}: correct the URL.'
    return ''


def _is_of_xnat(answer: Answer) -> bool:
    if answer.status == 401:
        return answer.headers.get('www-authenticate', '').lower().startswith('basic')
    return answer.status == 200 and answer.body.lstrip().startswith(b'{"ResultSet"')
