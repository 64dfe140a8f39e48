"""How old an answer is, and whether it may be given again: functions of values alone."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..model import uris

__all__ = ['Moment', 'age_s', 'is_kept', 'is_write']

_PASSING = ('JSESSION', 'auth', 'services', 'prearchive', 'status', 'workflows', 'user')
"""First segments of what is never kept: sessions, tokens, services, and what others change by the second."""


class Moment(NamedTuple):
    """A point in time by two clocks, since one of them can be set."""

    wall: float
    """Seconds since 1970."""
    monotonic: float
    """Seconds since the machine was started; suspended time may be missing."""
    boot: str = ''
    """Which start of which machine that was; empty where the system does not tell."""

    @classmethod
    def now(cls) -> Moment:
        """This moment."""
        return cls(time.time(), time.monotonic(), _boot())


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()
    except (OSError, ValueError):
        return ''


def age_s(received: Moment, now: Moment) -> float:
    """Seconds between two moments: the longer of what the clocks say, infinite where one of them was set back in between."""
    ages = [now.wall - received.wall]
    if received.boot and received.boot == now.boot:
        ages.append(now.monotonic - received.monotonic)
    return math.inf if min(ages) < 0 else max(ages)


def is_kept(method: str, uri: str) -> bool:
    """Whether the answer to a request may be given again: GET of data, and searches.

    >>> is_kept('GET', '/data/projects'), is_kept('POST', '/data/search?format=json'), is_kept('GET', '/data/services/tokens/issue')
    (True, True, False)
    """
    head = _head(uri)
    if method == 'POST':
        return head == ['search']
    return method == 'GET' and head[:1] != [] and head[0] not in _PASSING and 'active' not in head


def is_write(method: str, uri: str) -> bool:
    """Whether a request may change what others are answered.

    >>> is_write('PUT', '/data/projects/P'), is_write('POST', '/data/search'), is_write('DELETE', '/data/JSESSION')
    (True, False, False)
    """
    if method in ('GET', 'HEAD', 'OPTIONS'):
        return False
    head = _head(uri)
    return head[:1] not in (['JSESSION'], ['auth']) and head[:2] != ['services', 'auth'] and not (method == 'POST' and head == ['search'])


def _head(uri: str) -> list[str]:
    return uris.segments(uri)[:4]
