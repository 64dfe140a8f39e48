"""The short cuts, and where each of them fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..paths import ANY, Path, chain_of
from .files import ListDerivedFiles, ListFiles, ListFilesTogether, ListOwnFiles, ListOwnFilesTogether
from .listings import Columns
from .short_cuts import ListDerivedFilesWhereAny, ListScansTogether, ListWhereAny, is_told_by_sessions
from .sites import ListExperimentsOfAll, ListScansOfAll, ListSessionsOfAll, ListSubjectsOfAll, is_told_by_sites
from .stages import ListSessions, Stage

__all__ = ['LOOKS', 'SHORT_CUTS', 'ShortCut']


class ShortCut(NamedTuple):
    """A stage that may stand for the walk of several levels, or below several elements."""

    stage: type[Stage]
    covers: Callable[[Path, Path, Columns], int]
    """How many levels it covers of what is left of a path, after what is done; 0 where it does not fit."""


def _sessions(done: Path, rest: Path, columns: Columns) -> int:
    fits = chain_of(done) == ('projects',) and chain_of(rest)[:2] == ('subjects', 'experiments')
    return 2 if fits and not rest[0].literal else 0


def _in_all_projects(covers: Callable[[Path, Path, Columns], int]) -> Callable[[Path, Path, Columns], int]:
    """The same of all projects; of some of them, a listing of the site might hold much more than is wanted."""

    def fits(done: Path, rest: Path, columns: Columns) -> int:
        return covers(done, rest, columns) if done and done[0].level == 'projects' and done[0].name == ANY else 0

    return fits


def _level_of_all(plural: str) -> Callable[[Path, Path, Columns], int]:
    def covers(done: Path, rest: Path, columns: Columns) -> int:
        fits = len(done) == 1 and rest[0].level == plural and not rest[0].literal and is_told_by_sites(columns)
        return 1 if fits else 0

    return _in_all_projects(covers)


def _sessions_of_all(done: Path, rest: Path, columns: Columns) -> int:
    return _sessions(done, rest, columns) if is_told_by_sites(columns) else 0


def _files_of_scans(done: Path, rest: Path, columns: Columns) -> int:
    return 3 if chain_of(rest) == ('scans', 'resources', 'files') and not rest[0].literal and _is_told_by_files(columns) else 0


def _files_of_scans_of_several(done: Path, rest: Path, columns: Columns) -> int:
    return _files_of_scans(done, rest, columns) if _is_below_several(done, 'experiments') and not columns.get('scans') else 0


def _derived_files(done: Path, rest: Path, columns: Columns) -> int:
    """What was derived is known in files by its ID alone, so nothing else of it may be wanted."""
    kinds = {'assessors': ('resources', 'in_resources', 'out_resources'), 'reconstructions': ('in_resources', 'out_resources')}
    holder = rest[0].level
    fits = len(rest) == 3 and rest[1].level in kinds.get(holder, ()) and rest[0].name == ANY and rest[2].level == 'files'
    below = done != () and done[-1].level == 'experiments'
    return 3 if fits and below and _is_told_by_files(columns) and not columns.get(holder) else 0


def _derived_files_of_one(done: Path, rest: Path, columns: Columns) -> int:
    return _derived_files(done, rest, columns) if done != () and done[-1].literal else 0


def _derived_files_of_several(done: Path, rest: Path, columns: Columns) -> int:
    return _derived_files(done, rest, columns) if _is_below_several(done, 'experiments') and chain_of(done)[0] == 'projects' else 0


def _own_files(done: Path, rest: Path, columns: Columns) -> int:
    holder = done[-1].level if done else ''
    own = chain_of(rest) == ('resources', 'files') and holder in ('projects', 'subjects', 'experiments', 'scans')
    directed = chain_of(rest) in (('in_resources', 'files'), ('out_resources', 'files'))
    return 2 if (own or directed) and not rest[0].literal and _is_told_by_files(columns) else 0


def _own_files_of_several(done: Path, rest: Path, columns: Columns) -> int:
    several = _is_below_several(done, 'experiments') or (_is_below_several(done, 'subjects') and len(done) > 1)
    return 2 if chain_of(rest) == ('resources', 'files') and several and _is_told_by_files(columns) else 0


def _is_told_by_files(columns: Columns) -> bool:
    """Whether listings of files tell what is wanted of resources."""
    wanted = {name for plural in ('resources', 'in_resources', 'out_resources') for name in columns.get(plural, ())}
    return wanted <= {'xnat_abstractresource_id', 'label'}


def _scans(done: Path, rest: Path, columns: Columns) -> int:
    fits = _is_below_several(done, 'experiments') and chain_of(done)[0] == 'projects' and not any(step.literal for step in done[1:])
    told = all(is_told_by_sessions('scans', name) for name in columns.get('scans', ()))
    return 1 if fits and told and rest[0].level == 'scans' and not rest[0].literal else 0


def _where_any(done: Path, rest: Path, columns: Columns) -> int:
    fits = _is_below_several(done, 'experiments') and chain_of(done)[0] == 'projects'
    return 1 if fits and rest[0].level in ('assessors', 'reconstructions') and not rest[0].literal else 0


def _is_below_several(done: Path, plural: str) -> bool:
    return done != () and done[-1].level == plural and not done[-1].literal


LOOKS = 'sessions that have any'

SHORT_CUTS: dict[str, ShortCut] = {
    ListSessionsOfAll.belief: ShortCut(ListSessionsOfAll, _in_all_projects(_sessions_of_all)),
    'sessions of a project': ShortCut(ListSessions, _sessions),
    ListSubjectsOfAll.belief: ShortCut(ListSubjectsOfAll, _level_of_all('subjects')),
    ListExperimentsOfAll.belief: ShortCut(ListExperimentsOfAll, _level_of_all('experiments')),
    ListFilesTogether.belief: ShortCut(ListFilesTogether, _files_of_scans_of_several),
    'files of a session': ShortCut(ListFiles, _files_of_scans),
    'derived files of a session': ShortCut(ListDerivedFiles, _derived_files_of_one),
    'derived files of sessions that have any': ShortCut(ListDerivedFilesWhereAny, _derived_files_of_several),
    ListOwnFilesTogether.belief: ShortCut(ListOwnFilesTogether, _own_files_of_several),
    'files of an element': ShortCut(ListOwnFiles, _own_files),
    ListScansOfAll.belief: ShortCut(ListScansOfAll, _in_all_projects(_scans)),
    ListScansTogether.belief: ShortCut(ListScansTogether, _scans),
    LOOKS: ShortCut(ListWhereAny, _where_any),
}
"""Each can be switched off by its name. The first that fits is taken."""
