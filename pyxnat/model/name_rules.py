"""Rules for new names.

The rows of :data:`pyxnat.model.levels.LEVELS` refer to them. Measured with XNAT 1.8.11.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..patterns import pattern

__all__ = ['FILE', 'LABEL', 'PROJECT', 'RECONSTRUCTION', 'RESOURCE', 'NameRule']


class NameRule(NamedTuple):
    """Rule for new names on a level."""

    allowed: re.Pattern[str]
    """Matches one allowed character."""
    words: str
    """The allowed characters, in words for error texts."""
    longest: int
    """Maximum length in characters; 0 for no limit."""
    never: frozenset[str] = frozenset()
    """Reserved names, in upper case; rejected in any case."""


_WORD = re.compile(r'[A-Za-z0-9_-]')
_IN_A_PATH = pattern(r'[^%;/\\\x00]')
_WORDS = 'letters from a to z, digits, "_" and "-"'
_ANY = 'anything but % ; / \\ and NUL'
LABEL = NameRule(_WORD, _WORDS, 255, frozenset({'NULL'}))
RESOURCE = NameRule(
    pattern(r'[A-Za-z0-9_.~-]'),
    'letters from a to z, digits and _ . ~ - (others are stored encoded)',
    65,
    frozenset({'NULL'}),
)
PROJECT = NameRule(_WORD, _WORDS, 200, frozenset({'NULL'}))
RECONSTRUCTION = NameRule(_IN_A_PATH, _ANY, 255, frozenset({'NULL'}))
FILE = NameRule(pattern(r'[^%;\\\x00]'), 'anything but % ; \\ and NUL', 0)
