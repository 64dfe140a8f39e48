"""Redirects: their target, and whether credentials may be sent there."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from .. import errors

__all__ = ['MOST_REDIRECTS', 'REDIRECTS', 'Origin', 'Target', 'target_of']

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10
_PORTS = {'http': 80, 'https': 443}
_READING = ('GET', 'HEAD')


class Target(NamedTuple):
    """The target of a redirect."""

    url: str
    trusted: bool
    """Same server, or same host over https: credentials may be sent."""


class Origin(NamedTuple):
    """Facts that decide whether a request may be led to another server."""

    path: str = ''
    """Path of the request below the server's URL."""
    has_login: bool = False
    """A login was given, which another server would not know."""
    is_file: bool = False
    """The response is a file or an archive of files, which may be kept elsewhere."""


def target_of(
    method: str,
    url: str,
    status: int,
    location: str,
    *,
    rewinds: bool,
    origin: Origin = Origin(),  # noqa: B008 - a tuple
) -> Target | None:
    """Return the target of a redirect; `None` for any other response.

    GET and HEAD of a guest follow to any server. A login is never shown to another server, so with
    a login only files are fetched from there, from a path that is not the requested one: else the
    site has another URL, and would serve a guest. Other requests are repeated only on the same
    server, and only for 307 and 308, which keep the method.

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
    origin : Origin
        The request, and whether a login was given.

    Raises
    ------
    AuthenticationError
        The target is the login page.
    UnexpectedAnswer
        The target is no URL, or http after https; a write is redirected to another server; another
        server would not know the login.
    """
    if status not in REDIRECTS or not location:
        return None
    source = urlsplit(url)
    try:
        target = urljoin(url, location)
        found = urlsplit(target)
        is_same = _origin(source) == _origin(found)
    except ValueError as error:
        raise errors.UnexpectedAnswer(
            f'the server redirects to an invalid URL ({error})',
            uri=url,
            method=method,
            status=status,
            remedy='Check the URL of the server, and tell its administrators.',
        ) from error
    if 'login.vm' in found.path.lower():
        raise errors.AuthenticationError(
            'the server redirects to its login page',
            uri=url,
            method=method,
            status=status,
            remedy='Check user and password.',
        )
    trusted = is_same or (
        source.hostname == found.hostname and (source.scheme, found.scheme) == ('http', 'https')
    )
    if found.scheme not in _PORTS or (source.scheme == 'https' and found.scheme == 'http'):
        raise _refused(method, url, status, found, 'which is not secure')
    if method not in _READING and not (trusted and rewinds and status in (307, 308)):
        raise _refused(method, url, status, found, 'where nothing was written')
    if not trusted and origin.has_login:
        base = _base_of(found, origin.path)
        if base or not origin.is_file:
            reason, remedy = (
                'where the login would not be known',
                f'Give {base or _base_of(found, found.path)} as the URL of the server.',
            )
            raise _refused(method, url, status, found, reason, remedy)
    return Target(target, trusted)


def _base_of(found: SplitResult, path: str) -> str:
    """Return the URL of the server that has a path.

    Empty if the target has another path.
    """
    path = path.partition('?')[0]
    if not path or not found.path.endswith(path):
        return ''
    return f'{found.scheme}://{found.netloc.rpartition("@")[2]}{found.path.removesuffix(path)}'


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _refused(
    method: str,
    url: str,
    status: int,
    found: SplitResult,
    reason: str,
    remedy: str = 'If that is the server you mean, give its URL in place of this one.',
) -> errors.UnexpectedAnswer:
    place = f'{found.scheme}://{found.netloc.rpartition("@")[2]}{found.path}'
    return errors.UnexpectedAnswer(
        f'the server redirects to {place}, {reason}',
        uri=url,
        method=method,
        status=status,
        remedy=remedy,
    )
