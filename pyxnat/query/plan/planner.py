"""Planner: turns a path, columns and conditions into stages."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from ...errors import ProgrammingError
from ...model import uris
from ...model.labels import needs_id
from ...model.levels import GAPS, Chain, level, parts_of_session
from ..paths import Path, chain_of, read, spell
from .found import Conditions, Found, element_uri
from .listings import Columns
from .shortcut_table import probe_before, short_cut
from .stages import (
    JoinSubjects,
    ListLevel,
    ListNamed,
    ListSessions,
    ListShares,
    Name,
    Rebase,
    Stage,
)

__all__ = ['Explanation', 'answerable', 'explain', 'first_requests', 'plan', 'plan_below', 'plans']


def plan(
    path: Path,
    conditions: Conditions | None = None,
    without: Container[str] = frozenset(),
    columns: Columns | None = None,
    *,
    both: bool = False,
) -> tuple[Stage, ...]:
    """Return the stages for one path.

    Parameters
    ----------
    path : Path
        Levels and names of the elements.
    conditions : mapping, optional
        Level -> accession IDs that its elements must have (``subjects``, ``experiments``).
    without : container of str
        Names of short cuts not to use.
    columns : mapping, optional
        Level -> columns wanted in addition to those of its listing. Columns of subjects may be
        wanted for a path with experiments but no subjects.
    both : bool, optional
        Whether the walk wants assessors and reconstructions of one session: one on this path,
        the other on another.
    """
    conditions, columns = conditions or {}, columns or {}
    chain = chain_of(path)
    joined = bool(columns.get('subjects')) and 'subjects' not in chain and 'experiments' in chain
    if joined:
        columns = {
            **columns,
            'experiments': tuple(dict.fromkeys([*columns.get('experiments', ()), 'subject_ID'])),
        }
    stages: list[Stage] = []
    done: Path = ()
    while len(done) < len(path):
        rest = path[len(done) :]
        stage = short_cut(done, rest, conditions, without, columns) or _plain(
            path, chain, len(done), conditions, columns
        )
        probe = probe_before(done, rest, without, both)
        done = path[: len(done) + len(stage.steps)]
        if isinstance(stage, Name) and stages and isinstance(stages[-1], Name):
            stage = Name((*stages.pop().steps, *stage.steps))
        stages += [probe, stage] if probe else [stage]
        if joined and done[-1].level == 'experiments':
            stages.append(JoinSubjects((), None, columns))
        if _is_gap(chain, len(done)):
            stages.append(Rebase(()))
    return tuple(stages)


def plans(
    routes: Sequence[Path],
    conditions: Conditions | None = None,
    without: Container[str] = frozenset(),
    columns: Sequence[Columns] = (),
) -> list[tuple[Stage, ...]]:
    """Return the stages for each of several paths of one walk.

    Parameters
    ----------
    routes : sequence of Path
        Paths.
    conditions : mapping, optional
        Level -> accession IDs that its elements must have.
    without : container of str
        Names of short cuts not to use.
    columns : sequence of mapping
        Columns wanted, for each path.
    """
    if len(routes) == 1:
        return [plan(routes[0], conditions, without, *columns)]
    below: dict[Path, set[str]] = {}
    ends = list(map(_past_session, routes))
    for route, at in zip(routes, ends, strict=True):
        below.setdefault(route[:at], set()).update(
            [step.level for step in route[at : at + 1] if at]
        )
    derived = {row.plural for row in parts_of_session() if row.has_sides}
    both = [below[route[:at]] >= derived for route, at in zip(routes, ends, strict=True)]
    arguments = zip(routes, columns, both, strict=True)
    return [
        plan(route, conditions, without, wanted, both=has_both)
        for route, wanted, has_both in arguments
    ]


def _past_session(route: Path) -> int:
    """Return the number of steps to a single session; 0 if there is none."""
    for end, step in enumerate(route, 1):
        if not step.literal:
            break
        if step.level == 'experiments':
            return end
    return 0


def first_requests(stages: Sequence[Stage]) -> tuple[str, ...]:
    """Return the URIs that a plan requests first."""
    founds = [Found(uris.ENTRY)]
    for stage in stages:
        if stage.has_requests:
            return tuple(uri for at in founds for uri in stage.requests(at))
        founds = [found for at in founds for found in stage.rows(at, ())]
    return ()


def plan_below(uri: str, refused: Stage) -> tuple[Stage, ...]:
    """Return the walk that replaces a short cut the server refused.

    Parameters
    ----------
    uri : str
        URI of the element above.
    refused : Stage
        Short cut to replace.
    """
    conditions, columns = refused.conditions, refused.columns
    above = chain_of(read(uri))
    return tuple(
        ListLevel(
            (step,), _relevant(step.level, above + chain_of(refused.steps), conditions), columns
        )
        for step in refused.steps
    )


def _is_gap(chain: Chain, at: int) -> bool:
    """Return whether XNAT routes the level at index `at` at the root only."""
    return at < len(chain) and chain[: at + 1] in GAPS


def answerable(routes: Sequence[Path], conditions: Conditions) -> tuple[Path, ...]:
    """Return the paths that conditions apply to.

    Elements that belong to no subject or experiment satisfy no condition on those.

    Parameters
    ----------
    routes : sequence of Path
        Paths.
    conditions : mapping
        Level -> accession IDs that its elements must have.

    Raises
    ------
    ProgrammingError
        The conditions apply to none of the paths.
    """
    if not conditions:
        return tuple(routes)
    needed = [{'subjects', 'experiments'} if name == 'subjects' else {name} for name in conditions]
    kept = tuple(
        route for route in routes if all(levels & set(chain_of(route)) for levels in needed)
    )
    if not kept:
        levels = next(
            (name for name in conditions if name != 'subjects'), 'subjects or experiments'
        )
        raise ProgrammingError(
            f'where: {", ".join(map(spell, routes))} has no {levels}',
            remedy=f'Select {levels}, or elements below them.',
        )
    return kept


def _plain(path: Path, chain: Chain, at: int, conditions: Conditions, columns: Columns) -> Stage:
    """Return the stage for a step of a path that no short cut begins with."""
    step = path[at]
    if step.of:
        return ListShares((step,))
    if step.passable:  # sessions without their subject in the project, too
        return ListSessions(path[at : at + 2], conditions, columns)
    relevant = _relevant(step.level, chain[:at], conditions)
    must_look_up = at > 0 and needs_id(step.level, step.name)
    is_usable = not level(step.level).is_resource or uris.is_label(step.name)
    needs_no_listing = (
        is_usable and not relevant and not columns.get(step.level) and not must_look_up
    )
    is_on_the_way = step.literal and at + 1 < len(path)
    if is_on_the_way and needs_no_listing and not _is_gap(chain, at + 1):
        return Name((step,))
    kind = ListNamed if is_on_the_way else ListLevel
    return kind((step,), relevant, columns)


def _relevant(plural: str, above: tuple[str, ...], conditions: Conditions) -> Conditions:
    """Return the conditions to check at a level.

    Conditions on subjects are checked at experiments if the path has no subjects.
    """
    if not conditions:
        return conditions
    mine = {plural} | (
        {'subjects'} if plural == 'experiments' and 'subjects' not in above else set()
    )
    return {name: ids for name, ids in conditions.items() if name in mine}


class Explanation(str):
    """Text of the requests of a plan, which IPython shows as print does."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def explain(path: Path, stages: Sequence[Stage], shown: set[str] | None = None) -> str:
    """Describe a plan: the requests of each stage, number and assumption.

    Names that are known only during the walk are shown as ``{ID}``.

    Parameters
    ----------
    path : Path
        Path of the elements.
    stages : sequence of Stage
        Its plan.
    shown : set of str, optional
        Request lines already shown for other paths of the walk, which sends each request once.
        The lines of this path are added to it.
    """
    lines, shown = [f'{spell(path)}'], set() if shown is None else shown
    uri, parents = uris.ENTRY, ''
    for stage in stages:
        requests = {f'  GET {uris.unquote(request)}': request for request in _templates(stage, uri)}
        about = f'({stage.bound(parents, len(requests))}; {stage.assumption})'
        lines += [
            f'{line}   {"(requested above)" if line in shown else about}' for line in requests
        ]
        shown |= {line for line in requests if not line.endswith('/files')}
        if isinstance(stage, Rebase):
            home = ('projects', '{project}') if uri.split('/')[-2] == 'subjects' else ()
            uri = uris.join(uris.ENTRY, *home, *uri.split('/')[-2:])
        for step in stage.steps:
            uri = (
                element_uri(uri, step.level, step.name)
                if step.literal and not requests
                else uris.join(uri, level(step.level).segment, '{ID}')
            )
            parents = parents if step.literal else step.level
    return '\n'.join(lines)


def _templates(stage: Stage, uri: str) -> tuple[str, ...]:
    """Return the requests of a stage, with names not known yet in braces."""
    if stage.batch_size == 1 or not uri.endswith('{ID}'):
        return stage.requests(Found(uri))
    project = uris.segments(uri)[1] if '/projects/' in uri else '{project}'
    row = {'project': project, 'subject_ID': '{subject_ID}'}
    names = ('{ID}', '{ID}…')
    return stage.batch_requests(
        [
            Found(uri.replace('{ID}', name), {'ID': name, **row}, plural=read(uri)[-1].level)
            for name in names
        ]
    )
