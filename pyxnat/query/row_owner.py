"""Whose a row of a listing of resources or files is.

XNAT answers for a session, scan, assessor or reconstruction that is not there, or may not be read, as if the subject, or the project, had been asked.
The rows tell: those of files by their URIs, those of resources by the category of what has them.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from ..tables.table import Row
from .paths import Path, chain_of, read

__all__ = ['is_own', 'may_be_of_others', 'own_rows']

_HOLDERS = ('scans', 'assessors', 'reconstructions', 'experiments')
_CATEGORIES = {
    'scans': frozenset({'scans'}),
    'assessors': frozenset({'assessors'}),
    'reconstructions': frozenset({'reconstructions'}),
    'experiments': frozenset({'resources', 'assessors'}),
}


def _holder(path: Path) -> str:
    """The level of what has resources on a path; empty for projects and subjects, which are there or not."""
    chain = chain_of(path)
    return next((plural for plural in _HOLDERS if plural in chain), '')


def may_be_of_others(path: Path) -> bool:
    """Whether what is asked for on a path may be answered for what stands above: there is something to fall back to."""
    return bool(_holder(path)) and path[0].level != 'experiments'


def is_own(path: Path, row: Row) -> bool:
    """Whether a row of a listing of resources or files on a path is of what the path names."""
    holder = _holder(path)
    if not holder:
        return True
    if 'category' in row:
        return row['category'] in _CATEGORIES[holder] and not (holder == 'experiments' and row['category'] == 'resources' and not row.get('cat_id'))
    try:
        chain = chain_of(read(row.get('URI', '')))
    except errors.ProgrammingError:
        return True
    return holder in chain or (holder == 'experiments' and 'assessors' in chain)


def own_rows(path: Path, rows: Iterable[Row]) -> list[Row]:
    """The rows that are of what a path names."""
    return [row for row in rows if is_own(path, row)]
