"""Names that XNAT accepts on each level, checked before a request is sent.

Measured with XNAT 1.8.11. For a new subject, session or scan with another name it sends a bare
500, and for a name that no path can hold a bare 405 or 400; the errors here name the characters.
A rename accepts any characters, so names of existing elements are only checked for characters
that no path can hold.
"""

from __future__ import annotations

import re

from ..errors import ProgrammingError
from .levels import LEVELS, level
from .name_rules import NameRule

__all__ = [
    'CHECKED',
    'NAMES',
    'NameRule',
    'check_label',
    'check_new',
    'check_sent',
    'check_single',
    'needs_id',
    'why_not_new',
    'why_not_sent',
]

NAMES: dict[str, NameRule] = {row.plural: row.name_rule for row in LEVELS}
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
CHECKED = frozenset(row.plural for row in LEVELS if row.is_item)
"""Levels whose names are checked before they are sent; resources and files check their own."""
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
    return level(plural).has_label and not _UNQUOTED.fullmatch(name)


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
    steps = name.split('/') if level(plural).is_file else [name]
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
    if level(plural).is_resource and name.isdecimal():
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


def check_single(plural: str, name: str, uri: str) -> None:
    """Reject a name that means several elements to XNAT, before a write.

    Parameters
    ----------
    plural : str
        Plural name of the level.
    name : str
        The name.
    uri : str
        URI of the element, for the error text.

    Raises
    ------
    ProgrammingError
        The name is ``ALL``, in any case, of a scan, assessor or reconstruction, or ``*`` or a list
        with commas of a scan.
    """
    is_list = plural == 'scans' and (name == '*' or ',' in name)
    if is_list or (level(plural).zip_folder and name.upper() == 'ALL'):
        raise ProgrammingError(
            f'{name!r} cannot be written to: XNAT takes {name} for several {plural}',
            uri=uri,
            remedy='Select one of them, or loop over the collection.',
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
