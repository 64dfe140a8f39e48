"""From a path, the columns and the conditions to stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from .. import uris
from ..errors import ProgrammingError
from ..paths import ANY, Path, chain_of, read, spell
from ..structure import GAPS, level
from .files import ListDerivedFiles, ListFiles, ListFilesTogether, ListOwnFiles, ListOwnFilesTogether
from .listings import Columns
from .short_cuts import ListDerivedFilesWhereAny, ListIfAny, ListScansTogether, ListWhereAny, is_told_by_sessions
from .sites import ListExperimentsOfAll, ListScansOfAll, ListSessionsOfAll, ListSubjectsOfAll, is_told_by_sites
from .stages import Conditions, Found, JoinGuests, JoinSubjects, ListLevel, ListNamed, ListSessions, ListShares, Name, Rebase, Stage, element_uri

__all__ = ['SHORT_CUTS', 'ShortCut', 'answerable', 'explain', 'first_requests', 'plan', 'plan_below', 'plans', 'without_join']


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


_LOOKS = 'sessions that have any'

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
    _LOOKS: ShortCut(ListWhereAny, _where_any),
}
"""Each can be switched off by its name. The first that fits is taken."""


def plan(
    path: Path, conditions: Conditions | None = None, without: frozenset[str] = frozenset(), columns: Columns | None = None
) -> tuple[Stage, ...]:
    """The stages of one path.

    Parameters
    ----------
    conditions : mapping, optional
        Accession IDs that subjects or experiments must have to pass.
    without : frozenset of str
        Names of short cuts not to use.
    columns : mapping, optional
        What is wanted of the levels of the path besides the columns of their listings; also of subjects, where the path has experiments alone.
    """
    conditions, columns = conditions or {}, columns or {}
    joined = bool(columns.get('subjects')) and 'subjects' not in chain_of(path) and 'experiments' in chain_of(path)
    if joined:
        columns = {**columns, 'experiments': tuple(dict.fromkeys([*columns.get('experiments', ()), 'subject_ID']))}
    stages: list[Stage] = []
    done: Path = ()
    while len(done) < len(path):
        rest = path[len(done) :]
        stage = _short_cut(done, rest, conditions, without, columns) or _single(done, rest, conditions, columns)
        stages.append(stage)
        done = path[: len(done) + len(stage.steps)]
        if joined and done[-1].level == 'experiments':
            stages += [JoinSubjects((), None, columns), JoinGuests((), None, columns)]
        if _is_gap(done, path[len(done) :]):
            stages.append(Rebase(()))
    return tuple(stages)


def plans(
    routes: Sequence[Path], conditions: Conditions | None = None, without: frozenset[str] = frozenset(), columns: Sequence[Columns] = ()
) -> list[tuple[Stage, ...]]:
    """The stages of several paths, with what they ask in common.

    Parameters
    ----------
    columns : sequence of mapping
        For each path.
    """
    each = [plan(route, conditions, without, wanted) for route, wanted in zip(routes, columns, strict=True)]
    below: dict[Path, set[str]] = {}
    for route in routes:
        at = _past_session(route)
        below.setdefault(route[:at], set()).update(step.level for step in route[at : at + 1] if at)
    for number, route in enumerate(routes):
        at = _past_session(route)
        if below[route[:at]] >= {'assessors', 'reconstructions'} and _LOOKS not in without:
            each[number] = tuple(_looked_for(stage) if stage.steps[:1] == route[at : at + 1] else stage for stage in each[number])
    return each


def _past_session(route: Path) -> int:
    """How many steps of a path lead to one session; 0 where it leads to none, or to several."""
    end = next((end for end, step in enumerate(route, 1) if step.level == 'experiments'), 0)
    return end if all(step.literal for step in route[:end]) else 0


def _looked_for(stage: Stage) -> Stage:
    fits = type(stage) in (ListLevel, ListDerivedFiles) and stage.steps[0].level in ('assessors', 'reconstructions') and not stage.steps[0].literal
    return ListIfAny(stage.steps, stage.conditions, stage.columns) if fits else stage


def without_join(stages: Sequence[Stage]) -> tuple[Sequence[Stage], tuple[JoinSubjects, JoinGuests] | None]:
    """A plan, and what it ends with if that is what gives experiments their subjects."""
    match stages[-2:]:
        case [JoinSubjects() as join, JoinGuests() as guests]:
            return stages[:-2], (join, guests)
    return stages, None


def first_requests(stages: Sequence[Stage]) -> tuple[str, ...]:
    """What a plan asks first."""
    founds = [Found(uris.ENTRY)]
    for stage in stages:
        if stage.asks:
            return tuple(uri for at in founds for uri in stage.requests(at))
        founds = [found for at in founds for found in stage.rows(at, ())]
    return ()


def plan_below(uri: str, refused: Stage) -> tuple[Stage, ...]:
    """The walk that stands for a short cut a server refused."""
    conditions, columns = refused.conditions, refused.columns
    above = chain_of(read(uri))
    return tuple(ListLevel((step,), _relevant(step.level, above + chain_of(refused.steps), conditions), columns) for step in refused.steps)


def _is_gap(done: Path, rest: Path) -> bool:
    """Whether the next level has no route below this one, but has one below the server."""
    return bool(rest) and (*chain_of(done), rest[0].level) in GAPS


def answerable(routes: Sequence[Path], conditions: Conditions) -> tuple[Path, ...]:
    """Those of some paths that conditions can be asked of: what belongs to no subject satisfies none.

    Raises
    ------
    ProgrammingError
        When there is none.
    """
    if not conditions:
        return tuple(routes)
    needed = [{'subjects', 'experiments'} if name == 'subjects' else {name} for name in conditions]
    kept = tuple(route for route in routes if all(levels & set(chain_of(route)) for levels in needed))
    if not kept:
        what = next((name for name in conditions if name != 'subjects'), 'subjects or experiments')
        raise ProgrammingError(f'where: {", ".join(map(spell, routes))} has no {what}', remedy=f'Select {what}, or something below them.')
    return kept


def _single(done: Path, rest: Path, conditions: Conditions, columns: Columns) -> Stage:
    step = rest[0]
    if step.of:
        return ListShares((step,))
    relevant = _relevant(step.level, chain_of(done), conditions)
    is_told = not relevant and not columns.get(step.level)
    if step.literal and len(rest) > 1 and is_told and not _is_gap((*done, step), rest[1:]):
        return Name((step,))
    kind = ListNamed if step.literal and len(rest) > 1 else ListLevel
    return kind((step,), relevant, columns)


def _relevant(plural: str, above: tuple[str, ...], conditions: Conditions) -> Conditions:
    """The conditions to check at a level: those on subjects are checked on experiments where the path has no subjects."""
    mine = {plural} | ({'subjects'} if plural == 'experiments' and 'subjects' not in above else set())
    return {name: ids for name, ids in conditions.items() if name in mine}


def _short_cut(done: Path, rest: Path, conditions: Conditions, without: frozenset[str], columns: Columns) -> Stage | None:
    for name, short_cut in SHORT_CUTS.items():
        covered = 0 if name in without else short_cut.covers(done, rest, columns)
        if covered:
            return short_cut.stage(rest[:covered], conditions, columns)
    return None


_PROOFS = {False: 'it is first compared with the walk of a few', True: 'all are walked, and that is compared with it if anything is shared'}


def explain(path: Path, stages: Sequence[Stage]) -> str:
    """The plan in words: what is asked at each stage, literally where it is known before asking, and how often."""
    lines = [f'{spell(path)}']
    uri, parents = uris.ENTRY, ''
    for stage in stages:
        asked = False
        for part, bound in _parts(stage, parents):
            requests = [uris.unquote(request) for request in _templates(part, uri)]
            proof = f'; where that was not seen to be true yet, {_PROOFS[part.of_site]}' if part.belief else ''
            lines += [f'  GET {request}   ({bound}; {part.rests_on}{proof})' for request in requests]
            asked |= bool(requests)
        if isinstance(stage, Rebase):
            home = ('projects', '{project}') if uri.split('/')[-2] == 'subjects' else ()
            uri = uris.join(uris.ENTRY, *home, *uri.split('/')[-2:])
        for step in stage.steps:
            uri = element_uri(uri, step.level, step.name) if step.literal and not asked else uris.join(uri, level(step.level).segment, '{ID}')
            parents = parents if step.literal else step.level
    return '\n'.join(lines)


def _parts(stage: Stage, parents: str) -> Iterator[tuple[Stage, str]]:
    """A stage, and what is asked besides where it tells only what is to be asked; with their bounds."""
    yield stage, stage.bound(parents)
    alone = stage.alone()
    if alone is not stage and not stage.belief:
        yield alone, f'{alone.bound(parents)}{" that have any" if parents else ", if it has any"}'


def _templates(stage: Stage, uri: str) -> tuple[str, ...]:
    """The requests of a stage, with names that are not known yet in braces."""
    if stage.at_most == 1:
        return stage.requests(Found(uri))
    project = uris.segments(uri)[1] if '/projects/' in uri else '{project}'
    row = {'project': project, 'subject_ID': '{subject_ID}'}
    names = ('{ID}', '{ID}…')
    return stage.together([Found(uri.replace('{ID}', name), {'ID': name, **row}, plural=read(uri)[-1].level) for name in names])
