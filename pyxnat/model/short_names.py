"""XNAT's short names of fields, for ``columns=``, filters and query settings.

The names are those of XNAT's XMLPathShortcuts. They are case-sensitive, unlike full paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ..errors import ProgrammingError, UnexpectedAnswer
from ..patterns import pattern
from .levels import LEVELS, level
from .short_name_tables import ShortName

__all__ = [
    'LEVELS_WITH_NAMES',
    'READ_ONLY',
    'ShortName',
    'cell',
    'check_settable',
    'find_column',
    'full_paths',
    'is_label',
    'key_of',
    'list_of_names',
    'short_name',
    'short_names',
    'types_with',
]


_PREDICATES = pattern(r'\[[^\]]*\]')

READ_ONLY = frozenset(
    {
        'insert_date',
        'insert_user',
        'last_modified',
        'xsiType',
        'subject_label',
        'subject_project',
        'session_ID',
        'session_label',
        'session_project',
        'xnat_imagescandata_id',
        'xnat_reconstructedimagedata_id',
        'URI',
    }
)

LEVELS_WITH_NAMES = frozenset(row.singular for row in LEVELS if row.short_names)
"""Singular names of the levels that have short names."""


@lru_cache(maxsize=8)
def short_names(where: str) -> dict[str, ShortName]:
    """Return the short names of a level."""
    row = level(where)
    own = {name: ShortName(path) for table in row.short_names for name, path in table.items()}
    return {**own, **row.short_names_above}


@lru_cache(maxsize=8)
def full_paths(where: str) -> dict[str, str]:
    """Return the short names of a level with their full paths.

    Each path begins with the type that declares the field. A listing returns one of these paths
    under its short name, and any other path under the path in lower case.

    >>> full_paths('experiment')['fieldStrength']
    'xnat:mrSessionData/fieldStrength'
    """
    return {
        name: f'{_declaring(where, name, found)}/{found.path}'
        for name, found in short_names(where).items()
    }


def _declaring(where: str, name: str, found: ShortName) -> str:
    if found.of:
        return found.of
    if name == 'subject_ID':
        return 'xnat:subjectAssessorData'
    narrower = types_with(where, name)
    return narrower[0] if narrower else level(where).declaring


def short_name(where: str, name: str) -> ShortName | None:
    """Return the field that a short name stands for on a level.

    Parameters
    ----------
    where : str
        Singular name of the level.
    name : str
        Short name, case-sensitive.

    Returns
    -------
    ShortName or None
        None if the level has no such name.
    """
    return short_names(where).get(name)


@lru_cache(1024)
def types_with(where: str, name: str) -> tuple[str, ...]:
    """Return the types that a short name is limited to on a level.

    Parameters
    ----------
    where : str
        Singular name of the level.
    name : str
        Short name.

    Returns
    -------
    tuple of str
        Empty if all items of the level have the field.
    """
    return tuple(kind for names, kind in level(where).short_names_of_types if name in names)


def key_of(name: str) -> str:
    """Return the column name in a response: full paths in lower case.

    >>> key_of('xnat:subjectData/group'), key_of('subject_ID')
    ('xnat:subjectdata/group', 'subject_ID')
    """
    return name.lower() if '/' in name else name


def is_label(name: str) -> bool:
    """Whether a name is the label, as short name or full path.

    >>> is_label('label'), is_label('xnat:mrSessionData/label'), is_label('scans/scan/label')
    (True, True, False)
    """
    return name == 'label' or (':' in name and name.partition('/')[2] == 'label')


def find_column(columns: Iterable[str], name: str) -> str | None:
    """Find the column of a response for a short name or full path.

    XNAT returns a full path under the short name of its field if the path names the type that
    declares it, and otherwise under the path in lower case. A listing of one type names its ID
    column after that type, or ``session_ID`` for image sessions in general.

    Parameters
    ----------
    columns : iterable of str
        Columns of the response.
    name : str
        Short name or full path.

    Returns
    -------
    str or None
        None if there is no such column.

    Examples
    --------
    >>> find_column(['ID', 'group', 'URI'], 'xnat:subjectData/group')
    'group'
    >>> find_column(['xnat:mrsessiondata/id', 'xnat:mrsessiondata/date'], 'date')
    'xnat:mrsessiondata/date'
    >>> find_column(['session_ID', 'scanner'], 'ID')
    'session_ID'
    """
    there = list(columns)
    if name in there:
        return name
    if key_of(name) in there:
        return key_of(name)
    paths, shorts = _meanings(name)
    by_case = {key.lower(): key for key in reversed(there)}
    found = [by_case[short] for short in shorts if short in by_case]
    found += [key for key in there if ':' in key and _plain(key.partition('/')[2]) in paths]
    found += [key for key in there if key == 'session_ID' and 'id' in paths]
    return next(iter(found), None)


def cell(row: Mapping[str, str], name: str) -> str:
    """Return the cell of a row in a column that must exist.

    Parameters
    ----------
    row : mapping
        Row of a response.
    name : str
        Short name or full path of the column.

    Raises
    ------
    UnexpectedAnswer
        The row has no such column.
    """
    if name in row:
        return row[name]
    key = find_column(row, name)
    if key is None:
        raise UnexpectedAnswer(f'the listing has no column {name!r}; it has: {", ".join(row)}')
    return row[key]


def _plain(path: str) -> str:
    """Return a path in lower case, without its predicates."""
    return _PREDICATES.sub('', path).lower()


@lru_cache
def _meanings(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the paths of a field, and the short names it may come under.

    The paths start below the type; all is in lower case.
    """
    kind, slash, path = name.partition('/')
    if slash and ':' in kind:
        plain = _plain(path)
        related = {'xnat:imagesessiondata': 'session_', 'xnat:subjectdata': 'subject_'}.get(
            kind.lower()
        )
        return frozenset({plain}), (
            plain,
            *_names_of(plain),
            *([related + plain] if related else []),
        )
    paths = {path for path, short in _by_path() if short == name}
    return frozenset(paths or {name.lower()}), ()


@lru_cache(maxsize=1)
def _by_path() -> list[tuple[str, str]]:
    """Return plain path and short name of all fields."""
    return [
        (_plain(path), name)
        for row in LEVELS
        for table in row.short_names
        for name, path in table.items()
    ]


def _names_of(plain: str) -> list[str]:
    return [name.lower() for path, name in _by_path() if path == plain]


def check_settable(singular: str, name: str) -> None:
    """Reject a short name that XNAT would silently ignore.

    Parameters
    ----------
    singular : str
        Singular name of the level.
    name : str
        Short name; a full path is not checked.

    Raises
    ------
    ProgrammingError
        The name is read-only, or the level has none such.
    """
    if '/' in name or singular not in LEVELS_WITH_NAMES:
        return
    if name in READ_ONLY or name not in short_names(singular):
        raise ProgrammingError(
            f'{singular}: {name!r} is {"read-only" if name in READ_ONLY else "no short name"}',
            remedy='Short names are case-sensitive; a full path looks like xnat:subjectData/group.',
        )


def list_of_names(names: Iterable[str]) -> list[str]:
    """Return several names as a list.

    Raises
    ------
    ProgrammingError
        `names` is a single string, which would be split into letters, or not a list of texts.
    """
    if isinstance(names, str):
        raise ProgrammingError(
            f'{names!r} is one name, not a list of names', remedy=f'Pass [{names!r}].'
        )
    found = list(names) if isinstance(names, Iterable) else [names]
    wrong = [name for name in found if not isinstance(name, str)]
    if wrong:
        raise ProgrammingError(f'{wrong[0]!r} is not a name', remedy='Pass a list of texts.')
    return found
