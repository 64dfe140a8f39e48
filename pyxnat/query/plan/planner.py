"""From a path, the columns and the conditions to stages."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ...errors import ProgrammingError
from ...model import uris
from ...model.labels import needs_id
from ...model.levels import GAPS, level
from ..paths import Path, chain_of, read, spell
from .listings import Columns
from .shortcut_table import probe_before, short_cut
from .stages import Conditions, Found, JoinSubjects, ListLevel, ListNamed, ListShares, Name, Rebase, Stage, element_uri

__all__ = ['answerable', 'explain', 'first_requests', 'plan', 'plan_below', 'plans']


def plan(
    path: Path,
    conditions: Conditions | None = None,
    without: Container[str] = frozenset(),
    columns: Columns | None = None,
    *,
    both: bool = False,
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
    both : bool, optional
        Whether assessors and reconstructions of one session are wanted, on this path and on another.
    """
    conditions, columns = conditions or {}, columns or {}
    joined = bool(columns.get('subjects')) and 'subjects' not in chain_of(path) and 'experiments' in chain_of(path)
    if joined:
        columns = {**columns, 'experiments': tuple(dict.fromkeys([*columns.get('experiments', ()), 'subject_ID']))}
    stages: list[Stage] = []
    done: Path = ()
    while len(done) < len(path):
        rest = path[len(done) :]
        stage = short_cut(done, rest, conditions, without, columns) or _single(done, rest, conditions, columns)
        look = probe_before(done, rest, without, both)
        stages += [look, stage] if look else [stage]
        done = path[: len(done) + len(stage.steps)]
        if joined and done[-1].level == 'experiments':
            stages.append(JoinSubjects((), None, columns))
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
    below: dict[Path, set[str]] = {}
    for route in routes:
        at = _past_session(route)
        below.setdefault(route[:at], set()).update(step.level for step in route[at : at + 1] if at)
    both = [below[route[: _past_session(route)]] >= {'assessors', 'reconstructions'} for route in routes]
    return [plan(route, conditions, without, wanted, both=looks) for route, wanted, looks in zip(routes, columns, both, strict=True)]


def _past_session(route: Path) -> int:
    """How many steps of a path lead to one session; 0 where it leads to none, or to several."""
    end = next((end for end, step in enumerate(route, 1) if step.level == 'experiments'), 0)
    return end if all(step.literal for step in route[:end]) else 0


def first_requests(stages: Sequence[Stage]) -> tuple[str, ...]:
    """What a plan asks first."""
    founds = [Found(uris.ENTRY)]
    for stage in stages:
        if stage.has_requests:
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
    is_odd = needs_id(step.level, step.name) if done else False
    is_told = not relevant and not columns.get(step.level) and not is_odd and (not step.level.endswith('resources') or uris.is_label(step.name))
    if step.literal and len(rest) > 1 and is_told and not _is_gap((*done, step), rest[1:]):
        return Name((step,))
    kind = ListNamed if step.literal and len(rest) > 1 else ListLevel
    return kind((step,), relevant, columns)


def _relevant(plural: str, above: tuple[str, ...], conditions: Conditions) -> Conditions:
    """The conditions to check at a level: those on subjects are checked on experiments where the path has no subjects."""
    mine = {plural} | ({'subjects'} if plural == 'experiments' and 'subjects' not in above else set())
    return {name: ids for name, ids in conditions.items() if name in mine}


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
        requests = {f'  GET {uris.unquote(request)}': request for request in _templates(stage, uri)}
        about = f'({stage.bound(parents, len(requests))}; {stage.assumption})'
        lines += [f'{line}   {"(asked above)" if line in told else about}' for line in requests]
        told |= {line for line in requests if not line.endswith('/files')}
        if isinstance(stage, Rebase):
            home = ('projects', '{project}') if uri.split('/')[-2] == 'subjects' else ()
            uri = uris.join(uris.ENTRY, *home, *uri.split('/')[-2:])
        for step in stage.steps:
            uri = element_uri(uri, step.level, step.name) if step.literal and not requests else uris.join(uri, level(step.level).segment, '{ID}')
            parents = parents if step.literal else step.level
    return '\n'.join(lines)


def _templates(stage: Stage, uri: str) -> tuple[str, ...]:
    """The requests of a stage, with names that are not known yet in braces."""
    if stage.batch_size == 1 or not uri.endswith('{ID}'):
        return stage.requests(Found(uri))
    project = uris.segments(uri)[1] if '/projects/' in uri else '{project}'
    row = {'project': project, 'subject_ID': '{subject_ID}'}
    names = ('{ID}', '{ID}…')
    return stage.batch_requests([Found(uri.replace('{ID}', name), {'ID': name, **row}, plural=read(uri)[-1].level) for name in names])
