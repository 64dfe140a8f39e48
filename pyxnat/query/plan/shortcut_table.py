"""Table of the short cuts, with the conditions under which each applies."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple

from ...model.levels import LEVELS, Level, level
from ...model.wildcards import ANY
from ..paths import Path, chain_of
from .file_shortcuts import ListDerivedFiles, ListFiles, ListFilesOfScans, ListOwnFiles
from .found import Conditions
from .listings import Columns
from .session_shortcuts import (
    KeepWhereAny,
    ListResources,
    ListScansTogether,
    is_listed_with_sessions,
)
from .site_shortcuts import ListOfAll, ListScansOfAll, is_listed_by_site
from .stages import ListSessions, Stage

__all__ = ['PROBE', 'SHORT_CUTS', 'ShortCut', 'probe_before', 'short_cut']


_RESOURCES = tuple(row.plural for row in LEVELS if row.is_resource)
_DERIVED = tuple(row.plural for row in LEVELS if row.has_sides)


class ShortCut(NamedTuple):
    """A stage that can replace the walk over several levels or elements."""

    stage: type[Stage]
    covers: Callable[[Path, Path, Columns], int]
    """Number of levels that it covers; 0 if it does not apply.

    Arguments: the part of the path that is planned, the rest, and the columns wanted.
    """
    levels: tuple[str, ...]
    """Levels that the rest has to begin with."""


def _sessions(done: Path, rest: Path, columns: Columns) -> int:
    fits = chain_of(done) == ('projects',) and chain_of(rest)[:2] == ('subjects', 'experiments')
    return 2 if fits and not rest[0].literal else 0


def _is_of_all_projects(done: Path) -> bool:
    """Return whether the path selects all projects.

    For a subset, a listing of the site could hold many more rows than needed.
    """
    return done != () and done[0].level == 'projects' and done[0].name == ANY


def _of_all(done: Path, rest: Path, columns: Columns) -> int:
    if not (_is_of_all_projects(done) and len(done) == 1 and is_listed_by_site(columns)):
        return 0
    is_level = rest[0].level in ('subjects', 'experiments') and not rest[0].literal
    return _sessions(done, rest, columns) or int(is_level)


def _files_of_scans(done: Path, rest: Path, columns: Columns) -> int:
    return (
        3
        if chain_of(rest) == ('scans', 'resources', 'files')
        and not rest[0].literal
        and _is_listed_with_files(columns)
        and not (columns.get('scans') and _scans(done, rest, columns))
        else 0
    )


def _files_of_listed_scans(done: Path, rest: Path, columns: Columns) -> int:
    """Cover files of scans that are listed for their columns."""
    has_many = len(done) > 1 and not done[-1].literal and not done[-2].literal
    return _own_files(done, rest, columns) if has_many and done[-1].level == 'scans' else 0


def _resources(done: Path, rest: Path, columns: Columns) -> int:
    has_many = done != () and done[-1].level == 'experiments' and not done[-1].literal
    is_default = {*columns.get('resources', ())} <= {*level('resources').columns}
    return 1 if has_many and is_default else 0


def _derived_files(done: Path, rest: Path, columns: Columns) -> int:
    """Cover files of derived data, if no column of the assessors is wanted.

    Rows of files have only the ID of the assessor or reconstruction.
    """
    holder = rest[0].level
    fits = (
        len(rest) == 3
        and _is_listed_for_all(level(holder), level(rest[1].level))
        and rest[0].name == ANY
        and level(rest[2].level).is_file
    )
    below = done != () and done[-1].level == 'experiments'
    return 3 if fits and below and _is_listed_with_files(columns) and not columns.get(holder) else 0


def _is_listed_for_all(holder: Level, resources: Level) -> bool:
    """Return whether one request lists such resources of all elements of a level."""
    return bool(resources.side) or (resources.is_resource and not holder.is_part)


def _own_files(done: Path, rest: Path, columns: Columns) -> int:
    holder = done[-1].level if done else ''
    is_files_of = len(rest) == 2 and level(rest[0].level).is_resource
    own = is_files_of and not level(rest[0].level).side and not level(holder).has_sides
    directed = is_files_of and bool(level(rest[0].level).side)
    is_shorter = not rest[0].literal or (holder == 'experiments' and not done[-1].literal)
    return 2 if (own or directed) and is_shorter and _is_listed_with_files(columns) else 0


def _is_listed_with_files(columns: Columns) -> bool:
    """Return whether rows of files have the wanted columns of resources."""
    wanted = {name for plural in _RESOURCES for name in columns.get(plural, ())}
    return wanted <= {'xnat_abstractresource_id', 'label'}


def _scans(done: Path, rest: Path, columns: Columns) -> int:
    fits = (
        done[-1:] != ()
        and done[-1].level == 'experiments'
        and done[0].level == 'projects'
        and not any(step.literal for step in done[1:])
    )
    has_columns = all(is_listed_with_sessions(name) for name in columns.get('scans', ()))
    return 1 if fits and has_columns and rest[0].level == 'scans' and not rest[0].literal else 0


def _scans_of_all(done: Path, rest: Path, columns: Columns) -> int:
    return _scans(done, rest, columns) if _is_of_all_projects(done) else 0


PROBE = 'elements that have any'
"""Name of the short cut that drops elements without children.

See :class:`pyxnat.query.plan.KeepWhereAny`.
"""

SHORT_CUTS: dict[str, ShortCut] = {
    'levels of all projects': ShortCut(ListOfAll, _of_all, ('subjects', 'experiments')),
    'sessions of a project': ShortCut(ListSessions, _sessions, ('subjects',)),
    'files of scans': ShortCut(ListFiles, _files_of_scans, ('scans',)),
    'files of derived data': ShortCut(ListDerivedFiles, _derived_files, _DERIVED),
    'files of listed scans': ShortCut(ListFilesOfScans, _files_of_listed_scans, ('resources',)),
    'files of an element': ShortCut(ListOwnFiles, _own_files, _RESOURCES),
    'scans of all projects': ShortCut(ListScansOfAll, _scans_of_all, ('scans',)),
    'scans of a project': ShortCut(ListScansTogether, _scans, ('scans',)),
    'resources of sessions': ShortCut(ListResources, _resources, ('resources',)),
    PROBE: ShortCut(KeepWhereAny, lambda done, rest, columns: 0, ()),  # stands before others
}
"""Name -> short cut, in order of precedence. Each can be switched off by its name."""


def short_cut(
    done: Path, rest: Path, conditions: Conditions, without: Container[str], columns: Columns
) -> Stage | None:
    """Return the first short cut that applies to the rest of a path, if any.

    Parameters
    ----------
    done : Path
        Part of the path that is planned.
    rest : Path
        Remaining part.
    conditions : mapping
        Level -> accession IDs that its elements must have.
    without : container of str
        Names of short cuts not to use.
    columns : mapping
        Columns wanted, by level.
    """
    for name, (kind, covers, levels) in SHORT_CUTS.items():
        covered = covers(done, rest, columns) if rest[0].level in levels else 0
        if covered and name not in without:
            stage = kind(rest[:covered], conditions, columns)
            has_batches = (
                done[-1:] != () and done[-1].level == stage.batch_level and not done[-1].literal
            )
            return stage if has_batches else stage.unbatched()
    return None


def probe_before(
    done: Path, rest: Path, without: Container[str], both: bool
) -> KeepWhereAny | None:
    """Return the stage that drops elements without children, if worthwhile.

    Parameters
    ----------
    done : Path
        Part of the path that is planned.
    rest : Path
        Remaining part; its first step is the level of the children.
    without : container of str
        Names of short cuts not to use.
    both : bool
        Whether the walk wants assessors and reconstructions of one session: one request shows
        both.
    """
    step, at = rest[0], done[-1] if done else None
    if at is None or PROBE in without or step.name != ANY:
        return None
    if at.level == 'subjects':
        fits = chain_of(rest) == ('resources', 'files') and len(done) > 1
    else:
        fits = at.level == 'experiments' and step.level in _DERIVED
    if not fits or (at.literal and not both) or not (at.literal or done[0].level == 'projects'):
        return None
    return KeepWhereAny(step.level, for_one=both or (at.level == 'experiments' and len(rest) > 1))
