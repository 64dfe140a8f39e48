"""Age of responses and which requests are cached: pure functions."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..model import uris

__all__ = ['Moment', 'age_s', 'is_kept', 'is_write']

_PASSING = ('JSESSION', 'auth', 'services', 'prearchive', 'status', 'workflows', 'user')
"""First path segments that are never cached: sessions, tokens, services, and states that other
users change by the second.
"""


class Moment(NamedTuple):
    """Point in time by two clocks, because the wall clock can be set."""

    wall: float
    """Seconds since 1970."""
    monotonic: float
    """Seconds since the machine was started; suspended time may be missing."""
    boot: str = ''
    """ID of the boot that the monotonic clock counts from; empty if the system has none."""

    @classmethod
    def now(cls) -> Moment:
        """Return the current time."""
        return cls(time.time(), time.monotonic(), _boot())


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path('/proc/sys/kernel/random/boot_id').read_bytes().decode('ascii').strip()
    except (OSError, ValueError):
        return ''


def age_s(received: Moment, now: Moment) -> float:
    """Return the seconds between two moments.

    If both clocks are usable, the larger difference counts. The result is infinite if a clock was
    set back in between.

    Parameters
    ----------
    received, now : Moment
        Start and end.
    """
    ages = [now.wall - received.wall]
    if received.boot and received.boot == now.boot:
        ages.append(now.monotonic - received.monotonic)
    return math.inf if min(ages) < 0 else max(ages)


def is_kept(method: str, uri: str) -> bool:
    """Whether the response to a request may be cached: GET of data, searches.

    Parameters
    ----------
    method : str
        HTTP method.
    uri : str
        Relative to the server.

    Examples
    --------
    >>> is_kept('GET', '/data/projects'), is_kept('POST', '/data/search?format=json')
    (True, True)
    >>> is_kept('GET', '/data/services/tokens/issue')
    False
    """
    head = _head(uri.partition('?')[0])
    if method == 'POST':
        return head == ('search',)
    return method == 'GET' and head != () and head[0] not in _PASSING and 'active' not in head


def is_write(method: str, uri: str) -> bool:
    """Whether a request may change the data that other requests return.

    Parameters
    ----------
    method : str
        HTTP method.
    uri : str
        Relative to the server.

    Examples
    --------
    >>> is_write('PUT', '/data/projects/P'), is_write('POST', '/data/search')
    (True, False)
    >>> is_write('DELETE', '/data/JSESSION')
    False
    """
    if method in ('GET', 'HEAD', 'OPTIONS'):
        return False
    head = _head(uri.partition('?')[0])
    return (
        head[:1] not in (('JSESSION',), ('auth',))
        and head[:2] != ('services', 'auth')
        and not (method == 'POST' and head == ('search',))
    )


@lru_cache(1024)
def _head(path: str) -> tuple[str, ...]:
    return tuple(uris.segments(path)[:4])
