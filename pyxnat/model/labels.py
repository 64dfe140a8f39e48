"""What XNAT takes as a name, level by level: one table, looked at before anything is sent, so that an error can name the characters.

Measured with XNAT 1.8.11. It answers a new subject, session or scan with another name by a bare 500, and what no path can hold by a 405 or a 400
without words. A rename takes any characters, so names that are there already are only checked for what no path can hold.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ProgrammingError

__all__ = ['NAMES', 'NameRule', 'check_label', 'check_new', 'check_sent', 'needs_id', 'why_not_new', 'why_not_sent']


class NameRule(NamedTuple):
    """What a new name on a level may be."""

    allowed: re.Pattern[str]
    """Matches a character that it may hold."""
    words: str
    """Those characters, in words."""
    longest: int
    """Characters; 0 for no limit."""
    never: frozenset[str] = frozenset()
    """Whole names that are not taken, in any case."""


_WORD = re.compile(r'[A-Za-z0-9_-]')
_IN_A_PATH = re.compile(r'[^%;/\\\x00]')
_WORDS = 'letters from a to z, digits, "_" and "-"'
_ANY = 'anything but % ; / \\ and NUL'
_LABEL = NameRule(_WORD, _WORDS, 255, frozenset({'NULL'}))
_RESOURCE = NameRule(re.compile(r'[A-Za-z0-9_.~-]'), 'letters from a to z, digits and _ . ~ - (others are stored quoted)', 65)

NAMES: dict[str, NameRule] = {
    'projects': NameRule(_WORD, _WORDS, 200),
    'subjects': _LABEL,
    'experiments': _LABEL,
    'assessors': _LABEL,
    'scans': _LABEL,
    'reconstructions': NameRule(_IN_A_PATH, _ANY, 255, frozenset({'NULL'})),
    'resources': _RESOURCE,
    'in_resources': _RESOURCE,
    'out_resources': _RESOURCE,
    'files': NameRule(re.compile(r'[^%;\\\x00]'), 'anything but % ; \\ and NUL', 0),
}
"""Plural name of a level -> what a new name there may be. Case counts. The names of files are paths, of which each step obeys the rule."""

_REFUSED = {
    '%': 'XNAT refuses every path that holds it (405)',
    ';': 'XNAT refuses every path that holds it (405)',
    '/': 'XNAT refuses it quoted (400), and divides the path at it otherwise',
    '\\': 'XNAT refuses it (400)',
    '\x00': 'XNAT refuses it (400)',
}
"""Characters that no path can hold, and why."""
_STEPS = frozenset({'', '.', '..'})
_LABELLED = frozenset({'subjects', 'experiments', 'assessors'})
_UNQUOTED = re.compile(r'[A-Za-z0-9._~-]+')


def needs_id(plural: str, name: str) -> bool:
    """Whether XNAT finds what has this label by its ID alone: it compares labels with the path as it was sent, quoted."""
    return plural in _LABELLED and not _UNQUOTED.fullmatch(name)


def why_not_sent(name: str) -> str:
    """Why a name cannot stand in a path at all; empty where it can."""
    if name in _STEPS:
        return f'{name!r} is no step of a path: XNAT refuses it (405)'
    return '; '.join(f'{char!r}: {why}' for char, why in _REFUSED.items() if char in name)


def why_not_new(plural: str, name: str) -> str:
    """Why XNAT does not take a name for something new on a level; empty where it does."""
    rule = NAMES[plural]
    steps = name.split('/') if plural == 'files' else [name]
    refused = [why for why in map(why_not_sent, steps) if why]
    if refused:
        return refused[0]
    wrong = dict.fromkeys(char for step in steps for char in step if not rule.allowed.fullmatch(char))
    if wrong:
        return f'it holds {", ".join(map(repr, wrong))}, and XNAT takes {rule.words}'
    if name.upper() in rule.never:
        return f'XNAT stores {name} as nothing'
    if plural.endswith('resources') and name.isdecimal():
        return 'XNAT takes a number for that of another resource'
    return f'it has {len(name)} characters, and XNAT takes {rule.longest}' if rule.longest and len(name) > rule.longest else ''


def check_sent(what: str, name: str, uri: str) -> None:
    """Refuse a name that no path can hold.

    Raises
    ------
    ProgrammingError
        It holds ``%``, ``;``, ``/``, ``\\`` or NUL, or is no step of a path.
    """
    why = why_not_sent(name)
    if why:
        raise ProgrammingError(f'{name!r} cannot be the name of a {what} in a request: {why}', uri=uri, remedy='Use its ID, if it has one.')


def check_label(what: str, label: str, uri: str) -> None:
    """Refuse a label that no path can hold, or that XNAT would store otherwise: it takes one from the query, whose text it stores HTML-escaped.

    Raises
    ------
    ProgrammingError
        As `check_sent`, or it holds ``&``, ``<``, ``>``, ``"`` or ``'``.
    """
    check_sent(what, label, uri)
    escaped = [char for char in '&<>"\'' if char in label]
    if escaped:
        what = f'{label!r} cannot be the label of a {what}: XNAT would store {", ".join(escaped)} HTML-escaped'
        raise ProgrammingError(what, uri=uri, remedy='Leave those characters out.')


def check_new(plural: str, what: str, name: str, uri: str) -> None:
    """Refuse a name that XNAT does not take for something new.

    Raises
    ------
    ProgrammingError
        The name, with the characters that are wrong with it and those that are right.
    """
    why = why_not_new(plural, name)
    if why:
        raise ProgrammingError(f'{name!r} cannot be the name of a new {what}: {why}', uri=uri, remedy='Give it another name.')
