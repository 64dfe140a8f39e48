"""File descriptors of this process.

Each connection takes one, and open files need others.
"""

from __future__ import annotations

import sys

if sys.platform != 'win32':
    import resource

__all__ = ['for_connections', 'raise_limit']

WANTED = 4096
"""Descriptors that a server asks for, if the system lets it."""


def for_connections(wanted: int) -> int:
    """Return how many connections there may be: half of the descriptors at most."""
    if sys.platform == 'win32':
        return wanted
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft // 2))


def raise_limit() -> None:
    """Raise the limit of this process to `WANTED`, or as far as the system lets it."""
    if sys.platform == 'win32':
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
