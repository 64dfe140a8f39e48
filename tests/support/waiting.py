"""Waiting in tests: for something to have happened, with no guess at how long it takes, and for the
quickest of some runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar('Found')
GENEROUS_S = 60.0
"""What anything may take on a machine that is busy with other things."""


def wait_until(condition: Callable[[], Found], what: str, seconds: float = GENEROUS_S) -> Found:
    """Look until a condition holds, and give what it found.

    Parameters
    ----------
    condition : callable
        Gives something true once it holds.
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
    """Seconds of the quickest of some runs: other work on the machine makes some slow, but not all.
    Ends with one that was quick enough."""
    best = float('inf')
    for _ in range(times):
        started = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - started)
        if best <= enough_s:
            break
    return best
