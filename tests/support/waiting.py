"""Waiting in tests: for a condition, without a guess of the time, and for the fastest of some
runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar('Found')
GENEROUS_S = 60.0
"""Limit for any wait, also on a busy machine."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = GENEROUS_S) -> Found:
    """Wait until a condition holds, and return its value.

    Parameters
    ----------
    condition : callable
        Returns a true value when it holds.
    what : str
        What is waited for, as the error says it: ``the upload to begin``.
    seconds : float
        How long to wait.

    Raises
    ------
    AssertionError
        It did not happen in time; with what the condition gave last.
    """
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f'waited {seconds:g} s for {what}; last seen: {found!r}'
        time.sleep(0.01)
    return found


def quickest_s(act: Callable[[], object], enough_s: float = 0.0, times: int = 10) -> float:
    """Return the seconds of the fastest of some runs.

    Other processes make some runs slow, but not all. The first fast enough run ends it.
    """
    best = float('inf')
    for _ in range(times):
        started = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - started)
        if best <= enough_s:
            break
    return best
