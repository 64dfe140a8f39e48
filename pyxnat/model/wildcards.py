"""Name patterns: ``*`` matches any text, ``?`` one character."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ['ANY', 'is_wildcard', 'matches']

ANY = '*'
"""Pattern that matches every name."""


def is_wildcard(name: str) -> bool:
    """Whether a name contains ``*`` or ``?``; square brackets are literal."""
    return '*' in name or '?' in name


def matches(pattern: str, *names: str) -> bool:
    """Whether a pattern matches one of the names (ID, label).

    The comparison is case-sensitive.

    >>> matches('S?_*', 'XNAT_S00001', 'S1_base')
    True
    """
    return pattern == ANY or any(map(_expression(pattern).fullmatch, names))


@lru_cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(
        ''.join({'*': '.*', '?': '.'}.get(char) or re.escape(char) for char in pattern), re.DOTALL
    )
