"""Where a redirect leads, and whether the login may go along."""

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
    """The end of a redirect."""

    url: str
    trusted: bool
    """It is the same server, or the same host over https: the login may go along."""


def target_of(method: str, url: str, status: int, location: str, *, rewinds: bool) -> Target | None:
    """Where to ask instead; `None` for an answer that does not lead on.

    Reading is led anywhere. A body is sent again only to the same server, and only where the status says that the method stays.

    Parameters
    ----------
    url : str
        What was asked.
    location : str
        The header of the answer.
    rewinds : bool
        Whether the body can be sent again.

    Raises
    ------
    AuthenticationError
        It leads to the login page.
    UnexpectedAnswer
        It leads from https to http, or a write elsewhere.
    """
    if status not in REDIRECTS or not location:
        return None
    target = urljoin(url, location)
    asked, found = urlsplit(url), urlsplit(target)
    if 'login.vm' in found.path.lower():
        raise errors.AuthenticationError(
            'the server sends to its login page', uri=url, method=method, status=status, remedy='Check user and password.'
        )
    trusted = _origin(asked) == _origin(found) or (asked.hostname == found.hostname and (asked.scheme, found.scheme) == ('http', 'https'))
    if found.scheme not in _PORTS or (asked.scheme == 'https' and found.scheme == 'http'):
        raise _refused(method, url, status, found, 'which is not secure')
    if method not in _READING and not (trusted and rewinds and status in (307, 308)):
        raise _refused(method, url, status, found, 'where nothing was written')
    return Target(target, trusted)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _refused(method: str, url: str, status: int, found: SplitResult, what: str) -> errors.UnexpectedAnswer:
    place = f'{found.scheme}://{found.netloc.rpartition("@")[2]}{found.path}'
    remedy = 'If that is the server you mean, give its URL in place of this one.'
    return errors.UnexpectedAnswer(f'the server sends to {place}, {what}', uri=url, method=method, status=status, remedy=remedy)
