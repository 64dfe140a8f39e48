"""Writes that are sent again: whether an earlier attempt has done them.

A server may do a write whose response is lost, or replaced by a gateway's 502. The next attempt is
then refused: the element is gone already, or there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import errors

__all__ = ['accept_if_done']


@contextmanager
def accept_if_done(is_done: Callable[[], bool]) -> Iterator[None]:
    """Accept the refusal of a repeated write if an earlier attempt has done it.

    Parameters
    ----------
    is_done : callable
        Looks whether the write is done. Called only if a repeated write was refused.
    """
    try:
        yield
    except errors.NetworkError:
        raise
    except errors.DatabaseError as error:
        if error.attempts == 1 or not _looks_done(is_done):
            raise


def _looks_done(is_done: Callable[[], bool]) -> bool:
    """Return whether a write is done; False if that cannot be seen."""
    try:
        return is_done()
    except errors.DatabaseError:  # the error of the write is raised
        return False
