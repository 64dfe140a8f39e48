"""From a path, the columns and the conditions to stages."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from .. import uris
from ..errors import ProgrammingError
from ..paths import Path, chain_of, read, spell
from ..structure import GAPS, level
from .choosing import LOOKS, SHORT_CUTS
from .files import ListDerivedFiles
from .listings import Columns
from .short_cuts import ListIfAny
from .stages import Conditions, Found, JoinGuests, JoinSubjects, ListLevel, ListNamed, ListShares, Name, Rebase, Stage, element_uri

__all__ = ['answerable', 'explain', 'first_requests', 'plan', 'plan_below', 'plans', 'without_join']


def plan(
    path: Path, conditions: Conditions | None = None, without: Container[str] = frozenset(), columns: Columns | None = None
) -> tuple[Stage, ...]:
    """The stages of one path.

    Parameters
    ----------
    conditions : mapping, optional
        Accession IDs that subjects or experiments must have to pass.
    without : container of str
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
    routes: Sequence[Path], conditions: Conditions | None = None, without: Container[str] = frozenset(), columns: Sequence[Columns] = ()
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
        if below[route[:at]] >= {'assessors', 'reconstructions'} and LOOKS not in without:
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


def _short_cut(done: Path, rest: Path, conditions: Conditions, without: Container[str], columns: Columns) -> Stage | None:
    for name, short_cut in SHORT_CUTS.items():
        covered = short_cut.covers(done, rest, columns)
        if covered and name not in without:
            return short_cut.stage(rest[:covered], conditions, columns)
    return None


_PROOFS = {False: 'it is first compared with the walk of a few', True: 'all are walked, and that is compared with it if anything is shared'}


def explain(path: Path, stages: Sequence[Stage], told: set[str] | None = None) -> str:
    """The plan in words: what is asked at each stage, literally where it is known before asking, and how often.

    Parameters
    ----------
    told : set of str, optional
        Lines of other paths of the same walk, which asks once for what they have in common. Those of this one are added.
    """
    lines, told = [f'{spell(path)}'], set() if told is None else told
    uri, parents = uris.ENTRY, ''
    for stage in stages:
        asked = False
        for part, bound in _parts(stage, parents):
            requests = [uris.unquote(request) for request in _templates(part, uri)]
            proof = f'; where that was not seen to be true yet, {_PROOFS[part.of_site]}' if part.belief else ''
            told_now = {f'  GET {request}': f'({bound}; {part.rests_on}{proof})' for request in requests}
            lines += [f'{request}   {"(asked above)" if request in told else about}' for request, about in told_now.items()]
            told |= {request for request in told_now if not request.endswith('/files')}
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
