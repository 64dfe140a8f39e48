"""Carries plans out: asks what their stages want asked, ahead of need and in parallel where all of it is wanted, and keeps the order of the walk."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

from .. import errors
from ..cache import Entry
from ..model import uris
from ..query import plan
from ..query.criteria import Group, Saved
from ..query.paths import Path
from ..query.plan import Column, Found, JoinSubjects, Stage
from ..resources.host import Host
from ..tables.table import Row

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


__all__ = ['Condition', 'Walker']

log = logging.getLogger('pyxnat.services.walker')

_HIDDEN = (errors.NotFoundError, errors.PermissionDenied)
_REFUSED = (errors.DataError, errors.ProgrammingError, errors.InternalError, errors.NotSupportedError, errors.UnexpectedAnswer)
_SEEN_THROUGH = 4
"""A loop that has come to the end of so many elements will want the rest."""


class Condition(Protocol):
    """A condition on a collection."""

    criteria: Group | Saved
    level: str


class Walker:
    """Walks selections of one Interface.

    Attributes
    ----------
    jobs : int
        How many requests are under way at once; 1 makes one after the other.
    without : frozenset of str
        Names of short cuts (:data:`pyxnat.query.plan.SHORT_CUTS`) that are not to be used.
    """

    def __init__(self, interface: Host, jobs: int = 4) -> None:
        if jobs < 1:
            raise errors.ProgrammingError(f'jobs={jobs}: at least one must ask', remedy='Give 1 or more.')
        self._host = interface
        self.jobs = jobs
        self.without: frozenset[str] = frozenset()

    def walk(
        self, routes: tuple[Path, ...], conditions: tuple[Condition, ...] = (), columns: tuple[Column, ...] = (), *, ahead: str = 'some'
    ) -> Iterator[tuple[Found, Entry | None]]:
        """The elements of some paths, in the order of the walk, each with the moment it was asked for, as an answer of the cache's has it.

        Parameters
        ----------
        columns : tuple of Column, optional
            What is wanted of them, and of what is above them, besides the columns of the listings.
        ahead : {'none', 'some', 'all'}
            How far to ask ahead of what is taken: not at all, more with each element that was taken, or all at once.
        """
        with closing(self._walks(routes, conditions, columns, ahead)) as walks:
            for walk, stages in walks:
                for chunk in walk.run(stages, _start()):
                    for found in chunk.founds:
                        yield found, chunk.heard

    def rows(self, routes: tuple[Path, ...], conditions: tuple[Condition, ...], columns: tuple[Column, ...]) -> Iterator[Row]:
        """The rows of a table over the elements of some paths, in the order of the walk."""
        plural = routes[0][-1].level
        with closing(self._walks(routes, conditions, columns, 'all')) as walks:
            for walk, stages in walks:
                for rows in walk.tables(stages, columns, plural):
                    yield from rows

    def _walks(
        self, routes: tuple[Path, ...], conditions: tuple[Condition, ...], columns: tuple[Column, ...], ahead: str
    ) -> Generator[tuple[_Walk, tuple[Stage, ...]], None, None]:
        """The walk of each path, with its stages."""
        wanted = self._ids(conditions)
        plans = self._plans(plan.answerable(routes, wanted), wanted, columns)
        with _Asked(self._host, self.jobs if ahead != 'none' else 1, keep=len(plans) > 1) as asked:
            if ahead == 'all' and self.jobs > 1:
                asked.foresee(uri for stages in plans for uri in plan.first_requests(stages))
            for stages in plans:
                yield _Walk(self._host, asked, ahead), stages

    def _plans(self, routes: Sequence[Path], wanted: dict[str, frozenset[str]], columns: tuple[Column, ...]) -> list[tuple[Stage, ...]]:
        return plan.plans(routes, wanted, self.without, [plan.wanted_columns(columns, route) for route in routes])

    def _ids(self, conditions: tuple[Condition, ...]) -> dict[str, frozenset[str]]:
        """The IDs that conditions let pass, by level."""
        wanted: dict[str, frozenset[str]] = {}
        for condition in conditions:
            name = f'{condition.level}s'
            ids = self._host.search.ids(condition.criteria, condition.level)
            wanted[name] = wanted[name] & ids if name in wanted else ids
        return wanted

    def explain(self, routes: tuple[Path, ...], conditions: tuple[Condition, ...] = (), columns: tuple[Column, ...] = ()) -> str:
        """What walking will ask, in words."""
        pretended = {f'{condition.level}s': frozenset[str]() for condition in conditions}
        lines = [line for condition in conditions for line in _searches(condition)]
        answerable = plan.answerable(routes, pretended)
        told: set[str] = set()
        lines += [plan.explain(route, stages, told) for route, stages in zip(answerable, self._plans(answerable, pretended, columns), strict=True)]
        return '\n'.join(lines)


def _searches(condition: Condition) -> Iterator[str]:
    """What a condition asks, in words."""
    if isinstance(condition.criteria, Saved):
        yield f'GET {uris.ENTRY}/search/saved   (for the ID of {condition.criteria.name!r})'
        yield f'GET {uris.ENTRY}/search/saved/{{ID}}'
    yield f'POST {uris.ENTRY}/search   (for each list of criteria, nested ones too)'


class _Answer:
    """The rows of a listing, which may be on their way.

    Attributes
    ----------
    begun : Entry
        The moment before it was asked for.
    """

    def __init__(self, interface: Host, uri: str, begun: Entry, pool: ThreadPoolExecutor | None) -> None:
        self._host, self._uri, self.begun = interface, uri, begun
        self._future: Future[Iterable[Row]] | None = pool.submit(interface.connection.iter_rows, uri) if pool else None
        self._rows: Iterable[Row] | None = None

    def rows(self) -> Iterable[Row]:
        if self._rows is None:
            self._rows = self._future.result() if self._future else self._host.connection.iter_rows(self._uri)
        return self._rows


class _Asked:
    """The listings of one walk, asked by several threads. Routes that begin alike ask for theirs once."""

    def __init__(self, interface: Host, jobs: int, keep: bool) -> None:
        self._host = interface
        self.jobs = jobs
        self._keep = keep
        self._kept: dict[str, _Answer] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> _Asked:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def foresee(self, uris: Iterable[str]) -> None:
        """Ask now, at once, for what several routes will want first."""
        several, begun = dict.fromkeys(uris), self._host.cache.moment()
        if len(several) > 1:
            self._kept.update({uri: self._answer(uri, begun, at_once=True) for uri in several})

    def begin(self, uri: str, begun: Entry, at_once: bool = False) -> _Answer:
        """Ask for a listing: now, by another thread, or when its rows are wanted."""
        answer = self._kept.pop(uri, None) or self._answer(uri, begun, at_once)
        if self._keep and not uri.endswith('/files'):
            self._kept[uri] = answer
        return answer

    def _answer(self, uri: str, begun: Entry, at_once: bool) -> _Answer:
        if self._pool is None and at_once:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self.jobs, 'pyxnat-walk')
        return _Answer(self._host, uri, begun, self._pool if at_once else None)


class _Chunk(NamedTuple):
    """The elements of one listing, or of several that were asked for at once."""

    founds: Iterable[Found]
    heard: Entry | None = None
    """When they were asked for."""


def _start() -> Iterator[_Chunk]:
    """Where a walk begins."""
    return iter([_Chunk([Found(uris.ENTRY)])])


class _Source:
    """Elements that come a chunk at a time."""

    def __init__(self, chunks: Iterator[_Chunk]) -> None:
        self._chunks = chunks
        self._next: list[Found] = []
        self._rest: Iterator[Found] = iter(())

    def take(self, most: int, ahead: bool) -> list[Found]:
        """The next elements: with `ahead` as many as there are, else those that nothing needs to be asked for, but one if there is any."""
        taken = self._pull(most)
        while len(taken) < (most if ahead else min(most, 1)):
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest = iter(chunk.founds)
            taken += self._pull(most - len(taken))
        return taken

    def _pull(self, most: int) -> list[Found]:
        """Of the chunk that is begun; one more is made, to know whether there is one."""
        taken = list(islice(chain(self._next, self._rest), most))
        self._next = list(islice(self._rest, 1)) if taken else self._next
        return taken

    @property
    def is_at_hand(self) -> bool:
        """Whether the next element is known without asking."""
        return bool(self._next)


class _Unit(NamedTuple):
    """Elements that are asked for at once, and what was asked."""

    stage: Stage
    founds: list[Found]
    answers: list[_Answer]
    begun: Entry


class _Walk:
    """One path, walked stage by stage; each stage takes from the one before no more than it is asked for, or as far ahead as it may."""

    def __init__(self, interface: Host, asked: _Asked, ahead: str) -> None:
        self._host = interface
        self._asked = asked
        self._lazy = ahead == 'none'
        self._eager = ahead == 'all'

    def run(self, stages: Iterable[Stage], chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """What is found by some stages, one after the other."""
        for stage in stages:
            if isinstance(stage, JoinSubjects):
                chunks = self._join(stage, chunks)
            else:
                chunks = self._run(stage, _Source(chunks)) if stage.has_requests else self._pass(stage, chunks)
        return chunks

    def tables(self, stages: Sequence[Stage], columns: Sequence[Column], plural: str) -> Iterator[Iterable[Row]]:
        """The rows of a table, a listing at a time."""
        *before, last = stages
        if not isinstance(last, JoinSubjects):
            return (plan.table_rows(chunk.founds, columns, plural) for chunk in self.run(stages, _start()))
        return self._ahead(self._joined(chunk, last, columns, plural) for chunk in self.run(before, _start()))

    def _ahead(self, tables: Iterator[Iterable[Row]]) -> Iterator[Iterable[Row]]:
        """Tables, of which some are begun before they are wanted."""
        begun: deque[Iterable[Row]] = deque()
        for table in tables:
            begun.append(table)
            if len(begun) == self._window(0):
                yield begun.popleft()
        yield from begun

    def _joined(self, chunk: _Chunk, join: JoinSubjects, columns: Sequence[Column], plural: str) -> Iterable[Row]:
        """The rows of some experiments, with what is wanted of their subjects."""
        founds = chunk.founds
        if not isinstance(founds, plan.Listed):
            return chain.from_iterable(plan.table_rows(joined.founds, columns, plural) for joined in self._join(join, iter([chunk])))
        if founds.is_empty():
            return ()
        keys = [column.key for column in plan.subject_columns(columns)]
        subjects = _Subjects(self._host, self._asked, join, founds.at.uri, lambda row: tuple(row.get(key, '') for key in keys))
        return plan.table_rows(founds, columns, plural, lambda rows: subjects.of(rows, ('',) * len(keys)))

    def _join(self, stage: JoinSubjects, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Experiments with what is known of their subjects."""
        subjects: dict[str, _Subjects[Row | None]] = {}
        for chunk in chunks:
            yield chunk._replace(founds=self._with_subjects(stage, subjects, chunk.founds))

    def _with_subjects(self, stage: JoinSubjects, subjects: dict[str, _Subjects[Row | None]], founds: Iterable[Found]) -> Iterator[Found]:
        for home, run in groupby(founds, lambda found: uris.parent(uris.parent(found.uri))):
            if home not in subjects:
                subjects[home] = _Subjects(self._host, self._asked, stage, home, lambda row: row)
            while some := list(islice(run, stage.most_ids)):
                rows = subjects[home].of([found.row for found in some], None)
                for found, row in zip(some, rows, strict=True):
                    yield found._replace(above={**found.above, 'subjects': row}) if row else found

    def _pass(self, stage: Stage, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Through a stage that asks nothing."""
        for chunk in chunks:
            yield chunk._replace(founds=chain.from_iterable(stage.rows(at, ()) for at in chunk.founds))

    def _run(self, stage: Stage, source: _Source) -> Iterator[_Chunk]:
        passed = 0
        under_way: deque[_Unit] = deque()
        while True:
            window = self._window(passed)
            while len(under_way) < window and (self._eager or source.is_at_hand or not under_way):
                begun = list(self._begin(stage, source, passed, window - len(under_way), bool(under_way)))
                under_way.extend(begun)
                if not begun:
                    break
            if not under_way:
                return
            unit = under_way.popleft()
            yield _Chunk(self._end(unit), unit.begun)
            passed += 1

    def _window(self, passed: int) -> int:
        """How many questions may be under way at once, for elements of one stage."""
        if self._lazy or self._asked.jobs == 1:
            return 1
        return 2 * self._asked.jobs if self._eager else min(passed + 1, self._asked.jobs)

    def _begin(self, stage: Stage, source: _Source, passed: int, room: int, others: bool) -> Iterator[_Unit]:
        """Ask what comes next; by threads of their own where there is more than one thing to ask."""
        together = stage.batch_size > 1 and (self._eager or (passed >= _SEEN_THROUGH and not self._lazy))
        founds = source.take(stage.batch_size if together else room, self._eager)
        units = list(stage.batches(founds)) if together else [[found] for found in founds]
        begun = self._host.cache.moment()
        for unit in units:
            asked = stage.batch_requests(unit) if len(unit) > 1 else stage.requests(unit[0])
            at_once = not self._lazy and self._asked.jobs > 1 and (others or len(units) > 1 or len(asked) > 1)
            answers = [self._asked.begin(uri, begun, at_once) for uri in asked]
            yield _Unit(stage, unit, answers, answers[0].begun if answers else begun)

    def _end(self, unit: _Unit) -> Iterable[Found]:
        """What was found; the elements of a single listing, and of long ones, are made as they are taken."""
        stage, founds, answers, _ = unit
        if len(founds) > 1:
            return self._together(stage, founds, answers)
        (at,) = founds
        try:
            tables = [answer.rows() for answer in answers]
            found = stage.rows(at, tables)
            if isinstance(found, plan.Listed):
                return found
            below = iter(found)
            first = list(below if all(isinstance(table, list) for table in tables) else islice(below, 1))
            return chain(first, below)
        except (*_REFUSED, *_HIDDEN, errors.OfflineError) as error:
            if len(stage.steps) != 1:
                log.info('walking %s: the short cut was refused (%s)', at.uri, error)
                return self._all(plan.plan_below(at.uri, stage), [at])
            if at.guessed and isinstance(error, _HIDDEN):
                log.info('passed over, not visible: %s', error)
                return []
            raise

    def _all(self, stages: Iterable[Stage], founds: list[Found]) -> list[Found]:
        return [found for chunk in self.run(stages, iter([_Chunk(founds)])) for found in chunk.founds]

    def _together(self, stage: Stage, founds: list[Found], answers: list[_Answer]) -> list[Found]:
        try:
            below = stage.batch_rows(founds, [answer.rows() for answer in answers])
        except (*_REFUSED, *_HIDDEN, errors.OfflineError) as error:
            log.info('asking one by one: a listing of several was refused (%s)', error)
            return self._all(stage.fallback(), founds)
        return self._completed(stage, founds, below)

    def _completed(self, stage: Stage, founds: list[Found], below: list[list[Found] | None]) -> list[Found]:
        """What was found, with that of elements which have to be asked by themselves."""
        found: list[Found] = []
        for is_missing, pairs in groupby(zip(founds, below, strict=True), lambda pair: pair[1] is None):
            some = list(pairs)
            found += self._all([stage.unbatched()], [at for at, _ in some]) if is_missing else [one for _, several in some for one in several or ()]
        return found


_T = TypeVar('_T')


class _Subjects(Generic[_T]):
    """What is wanted of the subjects of experiments: of those that are listed beside them, and of guests, which are asked for by their IDs.

    Attributes
    ----------
    keep : callable
        What of a row is kept.
    """

    def __init__(self, interface: Host, asked: _Asked, join: JoinSubjects, home: str, keep: Callable[[Row], _T]) -> None:
        self._host, self._asked, self._stage = interface, asked, join
        self.keep = keep
        self._listed = self._begin(join.beside(home), asked.jobs > 1)
        self._known: dict[str, _T] | None = None

    def _begin(self, uris: Iterable[str], at_once: bool = False) -> list[_Answer]:
        begun = self._host.cache.moment()
        return [self._asked.begin(uri, begun, at_once) for uri in uris]

    def _read(self, answers: Sequence[_Answer]) -> dict[str, _T]:
        try:
            tables = [answer.rows() for answer in answers]
        except _HIDDEN as error:
            log.info('passed over, not visible: %s', error)
            return {}
        return {identity: self.keep(row) for identity, row in self._stage.subjects(tables)}

    def of(self, rows: Sequence[Row], nothing: _T) -> list[_T]:
        """What is kept of the subject of each of some experiments."""
        if self._known is None:
            self._known = self._read(self._listed)
            self._listed = []
        ids = [row.get('subject_ID', '') for row in rows]
        missing = [identity for identity in dict.fromkeys(ids) if identity and identity not in self._known]
        for number in range(0, len(missing), self._stage.most_ids):
            some = missing[number : number + self._stage.most_ids]
            self._known.update({**dict.fromkeys(some, nothing), **self._read(self._begin(self._stage.named(some)))})
        return [self._known.get(identity, nothing) for identity in ids]
