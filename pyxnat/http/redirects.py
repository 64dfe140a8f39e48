"""Redirects: their target, and whether credentials may be sent there."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from .. import errors

__all__ = ['MOST_REDIRECTS', 'REDIRECTS', 'Target', 'target_of']

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10
_PORTS = {'http': 80, 'https': 443}
_READING = ('GET', 'HEAD')


class Target(NamedTuple):
    """The target of a redirect."""

    url: str
    trusted: bool
    """Same server, or same host over https: credentials may be sent."""


def target_of(method: str, url: str, status: int, location: str, *, rewinds: bool) -> Target | None:
    """Return the target of a redirect; `None` for any other response.

    GET and HEAD follow to any server. Other requests are repeated only on the same server, and
    only for 307 and 308, which keep the method.

    Parameters
    ----------
    method : str
        Method of the request.
    url : str
        URL of the request.
    status : int
        Status of the response.
    location : str
        ``Location`` header of the response.
    rewinds : bool
        Whether the body can be sent again.

    Raises
    ------
    AuthenticationError
        The target is the login page.
    UnexpectedAnswer
        The target is http after https, or a write is redirected to another server.
    """
    if status not in REDIRECTS or not location:
        return None
    target = urljoin(url, location)
    source, found = urlsplit(url), urlsplit(target)
    if 'login.vm' in found.path.lower():
        raise errors.AuthenticationError(
            'the server redirects to its login page',
            uri=url,
            method=method,
            status=status,
            remedy='Check user and password.',
        )
    trusted = _origin(source) == _origin(found) or (
        source.hostname == found.hostname and (source.scheme, found.scheme) == ('http', 'https')
    )
    if found.scheme not in _PORTS or (source.scheme == 'https' and found.scheme == 'http'):
        raise _refused(method, url, status, found, 'which is not secure')
    if method not in _READING and not (trusted and rewinds and status in (307, 308)):
        raise _refused(method, url, status, found, 'where nothing was written')
    return Target(target, trusted)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _refused(
    method: str, url: str, status: int, found: SplitResult, reason: str
) -> errors.UnexpectedAnswer:
    place = f'{found.scheme}://{found.netloc.rpartition("@")[2]}{found.path}'
    remedy = 'If that is the server you mean, give its URL in place of this one.'
    return errors.UnexpectedAnswer(
        f'the server redirects to {place}, {reason}',
        uri=url,
        method=method,
        status=status,
        remedy=remedy,
    )
