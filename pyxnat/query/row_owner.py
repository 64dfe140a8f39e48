"""Detect rows of resources or files that belong to another element.

For a session, scan, assessor or reconstruction that does not exist or may not be read, XNAT lists
the resources or files of its subject or project instead. The rows show it: files by their URI,
resources by their category.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from ..model.levels import listed_levels, parts_of_session
from ..tables.table import Row
from .paths import Path, chain_of, read

__all__ = ['is_own', 'may_be_of_others', 'own_rows']

_HOLDERS = (*(row.plural for row in parts_of_session()), 'experiments')
_CATEGORIES = {
    plural: frozenset(row.category for row in listed_levels(plural)) for plural in _HOLDERS
}


def _holder(path: Path) -> str:
    """Return the level that owns the resources of a path.

    Empty for projects and subjects: XNAT answers 404 for those that do not exist.
    """
    chain = chain_of(path)
    for plural in _HOLDERS:
        if plural in chain:
            return plural
    return ''


def may_be_of_others(path: Path) -> bool:
    """Return whether XNAT may answer a path with rows of an element above."""
    return bool(_holder(path)) and path[0].level != 'experiments'


def is_own(path: Path, row: Row) -> bool:
    """Return whether a row belongs to the element that a path names.

    Parameters
    ----------
    path : Path
        Path of the listing.
    row : Row
        Row of a listing of resources or files; one without a known URI counts as its own.
    """
    holder = _holder(path)
    if not holder:
        return True
    if 'category' in row:
        return row['category'] in _CATEGORIES[holder] and not (
            holder == 'experiments' and row['category'] == 'resources' and not row.get('cat_id')
        )
    try:
        chain = chain_of(read(row.get('URI', '')))
    except errors.ProgrammingError:
        return True
    return holder in chain or (holder == 'experiments' and 'assessors' in chain)


def own_rows(path: Path, rows: Iterable[Row]) -> list[Row]:
    """Return the rows that belong to the element that a path names.

    Parameters
    ----------
    path : Path
        Path of the listing.
    rows : iterable of Row
        Rows of a listing of resources or files.
    """
    return [row for row in rows if is_own(path, row)]
