"""Names near to one that does not exist, for the remedies of errors."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ['did_you_mean', 'near', 'one_of']

_MOST_COMPARED = 3000
"""Names that are compared: comparing takes about 10 microseconds for each."""


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known names that are most like a name, ignoring case.

    Parameters
    ----------
    name : str
        The name that does not exist.
    known : iterable of str
        The names that do; the first 3,000 are compared.
    most : int
        Number of names to return.

    Examples
    --------
    >>> near('xnat:subjectData/gender', ['xnat:subjectData/GENDER', 'xnat:subjectData/DOB'], 1)
    ['xnat:subjectData/GENDER']
    >>> near('AG99', ['AG09', 'AG90', 'XY01'])
    ['AG90', 'AG09']
    """
    from difflib import get_close_matches  # slow to import, and only for errors

    spelled: dict[str, str] = {}
    for other in islice(known, _MOST_COMPARED):
        spelled.setdefault(other.lower(), other)
    return [spelled[match] for match in get_close_matches(name.lower(), spelled, most)]


def one_of(names: list[str]) -> str:
    """Return a question that offers names; empty if there is none.

    >>> one_of(['a', 'b', 'c']), one_of([])
    ("Did you mean 'a', 'b' or 'c'? ", '')
    """
    *others, last = list(map(repr, names)) or ['']
    return f'Did you mean {", ".join(others)}{" or " if others else ""}{last}? ' if last else ''


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that offers the names near to a name; empty if there is none.

    Parameters
    ----------
    name : str
        The name that does not exist.
    known : iterable of str
        The names that do.

    Examples
    --------
    >>> did_you_mean('gendr', ['gender', 'group'])
    "Did you mean 'gender'? "
    """
    return one_of(near(name, known))
