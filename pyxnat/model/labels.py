"""Names that XNAT accepts on each level, checked before a request is sent.

Measured with XNAT 1.8.11. For a new subject, session or scan with another name it sends a bare
500, and for a name that no path can hold a bare 405 or 400; the errors here name the characters.
A rename accepts any characters, so names of existing elements are only checked for characters
that no path can hold.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import ProgrammingError

__all__ = [
    'CHECKED',
    'NAMES',
    'NameRule',
    'check_label',
    'check_new',
    'check_sent',
    'needs_id',
    'why_not_new',
    'why_not_sent',
]


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
_IN_A_PATH = re.compile(r'[^%;/\\\x00]')
_WORDS = 'letters from a to z, digits, "_" and "-"'
_ANY = 'anything but % ; / \\ and NUL'
_LABEL = NameRule(_WORD, _WORDS, 255, frozenset({'NULL'}))
_RESOURCE = NameRule(
    re.compile(r'[A-Za-z0-9_.~-]'),
    'letters from a to z, digits and _ . ~ - (others are stored encoded)',
    65,
)

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
"""Plural name of a level -> rule for new names there.

Names are case-sensitive. A file's name is a path, and each of its segments obeys the rule.
"""

_REFUSED = {
    '%': 'XNAT refuses every path with it (405)',
    ';': 'XNAT refuses every path with it (405)',
    '/': 'XNAT refuses it encoded (400), and otherwise splits the path there',
    '\\': 'XNAT refuses it (400)',
    '\x00': 'XNAT refuses it (400)',
}
"""Character that no path can hold -> reason."""
_STEPS = frozenset({'', '.', '..'})
CHECKED = frozenset(
    {'projects', 'subjects', 'experiments', 'assessors', 'scans', 'reconstructions'}
)
"""Levels whose names are checked before they are sent; resources and files check their own."""
_LABELLED = frozenset({'subjects', 'experiments', 'assessors'})
_UNQUOTED = re.compile(r'[A-Za-z0-9._~-]+')


def needs_id(plural: str, name: str) -> bool:
    """Whether XNAT finds an element with this label only by its ID.

    XNAT compares a label with the path as it was sent, percent-encoded.

    Parameters
    ----------
    plural : str
        Plural name of the level.
    name : str
        The label.
    """
    return plural in _LABELLED and not _UNQUOTED.fullmatch(name)


def why_not_sent(name: str) -> str:
    """Return why a name cannot stand in a path; empty if it can."""
    if not _REFUSED.keys().isdisjoint(name):
        return '; '.join(f'{char!r}: {why}' for char, why in _REFUSED.items() if char in name)
    return f'{name!r} is no segment of a path: XNAT refuses it (405)' if name in _STEPS else ''


def why_not_new(plural: str, name: str) -> str:
    """Return why XNAT rejects a new element's name; empty if it does not.

    Parameters
    ----------
    plural : str
        Plural name of the level.
    name : str
        The new name.
    """
    rule = NAMES[plural]
    steps = name.split('/') if plural == 'files' else [name]
    refused = [why for why in map(why_not_sent, steps) if why]
    if refused:
        return refused[0]
    wrong = dict.fromkeys(
        char for step in steps for char in step if not rule.allowed.fullmatch(char)
    )
    if wrong:
        return f'it has {", ".join(map(repr, wrong))}, and XNAT accepts {rule.words}'
    if name.upper() in rule.never:
        return f'XNAT stores {name} as an empty value'
    if plural.endswith('resources') and name.isdecimal():
        return 'XNAT takes a number for the ID of another resource'
    return (
        f'it has {len(name)} characters, and XNAT accepts {rule.longest}'
        if rule.longest and len(name) > rule.longest
        else ''
    )


def check_sent(singular: str, name: str, uri: str) -> None:
    """Reject a name that no path can hold.

    Parameters
    ----------
    singular : str
        Singular name of the level, for the error text.
    name : str
        The name.
    uri : str
        URI of the element, for the error text.

    Raises
    ------
    ProgrammingError
        The name holds ``%``, ``;``, ``/``, a backslash or NUL, or is empty, ``.`` or ``..``.
    """
    why = why_not_sent(name)
    if why:
        raise ProgrammingError(
            f'{name!r} cannot be the name of a {singular} in a request: {why}',
            uri=uri,
            remedy='Use its ID, if it has one.',
        )


def check_label(singular: str, label: str, uri: str) -> None:
    """Reject a label that no path can hold or that XNAT would store changed.

    XNAT takes the label from the query string, and stores such text HTML-escaped.

    Parameters
    ----------
    singular : str
        Singular name of the level, for the error text.
    label : str
        The new label.
    uri : str
        URI of the element, for the error text.

    Raises
    ------
    ProgrammingError
        As `check_sent`, or the label holds ``&``, ``<``, ``>``, ``"`` or ``'``.
    """
    check_sent(singular, label, uri)
    escaped = [char for char in '&<>"\'' if char in label]
    if escaped:
        message = (
            f'{label!r} cannot be the label of a {singular}: XNAT would store {", ".join(escaped)} '
            'HTML-escaped'
        )
        raise ProgrammingError(message, uri=uri, remedy='Leave those characters out.')


def check_new(plural: str, singular: str, name: str, uri: str) -> None:
    """Reject a name that XNAT does not accept for a new element.

    Parameters
    ----------
    plural : str
        Plural name of the level.
    singular : str
        Singular name of the level, for the error text.
    name : str
        The new name.
    uri : str
        URI of the element, for the error text.

    Raises
    ------
    ProgrammingError
        Names the wrong characters and the allowed ones.
    """
    why = why_not_new(plural, name)
    if why:
        raise ProgrammingError(
            f'{name!r} cannot be the name of a new {singular}: {why}',
            uri=uri,
            remedy='Give it another name.',
        )
