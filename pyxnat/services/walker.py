"""Execution of plans: prefetch listings in parallel, yield elements in order."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, groupby, islice
from typing import Generic, NamedTuple, Protocol, TypeVar

from .. import errors
from ..cache import Entry
from ..model import uris
from ..model.levels import level
from ..query import plan
from ..query.criteria import Group, Saved
from ..query.paths import Path, uri_of
from ..query.plan import Column, Found, JoinSubjects, Stage
from ..query.row_owner import may_be_of_others
from ..resources.base import class_of
from ..resources.host import Host
from ..tables.table import Row
from .pending import Listings, PendingListing

__all__ = ['Condition', 'Walker']

log = logging.getLogger('pyxnat.services.walker')

_BATCH_AFTER = 4
"""Elements taken one by one before the rest are requested in batches."""


class Condition(Protocol):
    """A condition on a collection."""

    criteria: Group | Saved
    level: str


class Walker:
    """Walks selections of one Interface.

    Attributes
    ----------
    jobs : int
        Concurrent requests; with 1, each waits for the one before.
    without : frozenset of str
        Names of short cuts (:data:`pyxnat.query.plan.SHORT_CUTS`) that are switched off.
    """

    def __init__(self, interface: Host, jobs: int = 4) -> None:
        if jobs < 1:
            raise errors.ProgrammingError(f'jobs={jobs} is too small', remedy='Give 1 or more.')
        self._host = interface
        self.jobs = jobs
        self.without: frozenset[str] = frozenset()

    def walk(
        self,
        routes: tuple[Path, ...],
        conditions: tuple[Condition, ...] = (),
        columns: tuple[Column, ...] = (),
        *,
        ahead: str = 'some',
        meanwhile: Callable[[], object] | None = None,
    ) -> Iterator[tuple[Found, Entry | None]]:
        """Yield the elements of paths in order, with the time of request.

        Parameters
        ----------
        routes : tuple of Path
            Paths to walk, one after the other.
        conditions : tuple of Condition, optional
            Conditions that elements must satisfy.
        columns : tuple of Column, optional
            Columns of the elements and of those above, in addition to the default columns of
            listings.
        ahead : {'none', 'some', 'all'}
            How far to prefetch: not at all, further with each element taken, or everything.
        meanwhile : callable, optional
            Called while other threads prefetch everything, if they do.

        Yields
        ------
        tuple of Found and Entry
            The element, and the time before its listing was requested, as the cache records it.
        """
        with closing(self._walks(routes, conditions, columns, ahead, meanwhile)) as walks:
            for walk, stages, route in walks:
                is_empty = True
                for chunk in walk.run(stages, _server()):
                    for found in chunk.founds:
                        is_empty = False
                        yield found, chunk.requested
                if is_empty and not conditions:
                    self._require_holder(route)

    def rows(
        self,
        routes: tuple[Path, ...],
        conditions: tuple[Condition, ...],
        columns: tuple[Column, ...],
    ) -> Iterator[Row]:
        """Yield the rows of a table over the elements of paths, in order.

        Parameters
        ----------
        routes : tuple of Path
            Paths to walk, one after the other.
        conditions : tuple of Condition
            Conditions that elements must satisfy.
        columns : tuple of Column
            Columns of the table.
        """
        plural = routes[0][-1].level
        with closing(self._walks(routes, conditions, columns, 'all')) as walks:
            for walk, stages, route in walks:
                is_empty = True
                for rows in walk.tables(stages, columns, plural):
                    for row in rows:
                        is_empty = False
                        yield row
                if is_empty and not conditions:
                    self._require_holder(route)

    def _require_holder(self, route: Path) -> None:
        """Raise an error if a session or part of one that a path names does not exist.

        XNAT lists no resources and files for those, and neither for a resource that is missing in
        one that exists.

        Raises
        ------
        NotFoundError
            It does not exist, or this login may not see it.
        """
        holder = _named_holder(route)
        if not holder:
            return
        element = class_of(holder[-1].level).element_at(uri_of(holder), self._host)
        if not element.exists():
            raise errors.NotFoundError(
                f'no {element.level.singular} {element.path_name!r}',
                uri=element.url,
                remedy='Check the spelling; items hidden from this login are not listed.',
            )

    def _walks(
        self,
        routes: tuple[Path, ...],
        conditions: tuple[Condition, ...],
        columns: tuple[Column, ...],
        ahead: str,
        meanwhile: Callable[[], object] | None = None,
    ) -> Generator[tuple[_Walk, tuple[Stage, ...], Path], None, None]:
        """Yield the walk of each path, with its stages."""
        ids = self._ids(conditions)
        answerable = plan.answerable(routes, ids)
        plans = self._plans(answerable, ids, columns)
        with Listings(
            self._host, self.jobs if ahead != 'none' else 1, keep=len(plans) > 1
        ) as listings:
            if ahead == 'all' and self.jobs > 1 and len(plans) > 1:
                listings.prefetch(uri for stages in plans for uri in plan.first_requests(stages))
                if meanwhile is not None:
                    meanwhile()
            for stages, route in zip(plans, answerable, strict=True):
                yield _Walk(self._host, listings, ahead), stages, route

    def _plans(
        self, routes: Sequence[Path], ids: dict[str, frozenset[str]], columns: tuple[Column, ...]
    ) -> list[tuple[Stage, ...]]:
        return plan.plans(
            routes,
            ids,
            self.without,
            [plan.wanted_columns(columns, route) if columns else {} for route in routes],
        )

    def _ids(self, conditions: tuple[Condition, ...]) -> dict[str, frozenset[str]]:
        """Return the IDs that satisfy conditions, by level."""
        passing: dict[str, frozenset[str]] = {}
        for condition in conditions:
            name = f'{condition.level}s'
            ids = self._host.search.ids(condition.criteria, condition.level)
            passing[name] = passing[name] & ids if name in passing else ids
        return passing

    def explain(
        self,
        routes: tuple[Path, ...],
        conditions: tuple[Condition, ...] = (),
        columns: tuple[Column, ...] = (),
    ) -> str:
        """Describe the requests of a walk. No request.

        Parameters
        ----------
        routes, conditions, columns
            As in `walk`.
        """
        no_ids = {f'{condition.level}s': frozenset[str]() for condition in conditions}
        lines = [line for condition in conditions for line in _searches(condition)]
        answerable = plan.answerable(routes, no_ids)
        shown: set[str] = set()
        lines += [
            plan.explain(route, stages, shown)
            for route, stages in zip(
                answerable, self._plans(answerable, no_ids, columns), strict=True
            )
        ]
        return plan.Explanation('\n'.join(lines))


def _named_holder(path: Path) -> Path:
    """Return the path of the item whose resources or files a path lists.

    Empty if the path has a wildcard above them, or if XNAT itself answers 404 for a missing item.
    """
    if level(path[-1].level).is_item or not may_be_of_others(path):
        return ()
    above = path[:-1]
    while above and not level(above[-1].level).is_item:
        above = above[:-1]
    return above if all(step.literal for step in path[:-1]) else ()


def _searches(condition: Condition) -> Iterator[str]:
    """Describe the requests that evaluate a condition."""
    if isinstance(condition.criteria, Saved):
        yield f'GET {uris.ENTRY}/search/saved   (for the ID of {condition.criteria.name!r})'
        yield f'GET {uris.ENTRY}/search/saved/{{ID}}'
    yield f'POST {uris.ENTRY}/search   (for each list of criteria, nested ones too)'


class _Chunk(NamedTuple):
    """Elements of one listing, or of several that were fetched together."""

    founds: Iterable[Found]
    requested: Entry | None = None
    """Time before the request."""


def _server() -> Iterator[_Chunk]:
    """Return the server itself, where each walk begins."""
    return iter([_Chunk([Found(uris.ENTRY)])])


class _Source:
    """Reads elements from chunks."""

    def __init__(self, chunks: Iterator[_Chunk]) -> None:
        self._chunks = chunks
        self._next: list[Found] = []
        self._rest: Iterator[Found] = iter(())

    def take(self, most: int, ahead: bool) -> list[Found]:
        """Return the next elements.

        Parameters
        ----------
        most : int
            Limit.
        ahead : bool
            Whether to make requests for them. Otherwise elements of the chunk in progress are
            returned, and a request is made only if it is exhausted.
        """
        taken = self._pull(most)
        while len(taken) < (most if ahead else min(most, 1)):
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest = iter(chunk.founds)
            taken += self._pull(most - len(taken))
        return taken

    def _pull(self, most: int) -> list[Found]:
        """Take elements of the current chunk; read one ahead for `is_at_hand`."""
        taken = list(islice(chain(self._next, self._rest), most))
        self._next = list(islice(self._rest, 1)) if taken else self._next
        return taken

    @property
    def is_at_hand(self) -> bool:
        """Whether the next element needs no request."""
        return bool(self._next)


class _Batch(NamedTuple):
    """Elements of a stage with the listings requested for them."""

    stage: Stage
    founds: list[Found]
    listings: list[PendingListing]
    requested: Entry
    """Time before the first request."""


class _Walk:
    """Walk of one path, stage by stage.

    Each stage pulls elements from the one before: as many as are taken from itself, or further
    ahead if `ahead` allows.
    """

    def __init__(self, interface: Host, listings: Listings, ahead: str) -> None:
        self._host = interface
        self._listings = listings
        self._lazy = ahead == 'none'
        self._eager = ahead == 'all'

    def run(self, stages: Iterable[Stage], chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Run stages one after the other, and return the chunks of the last.

        Parameters
        ----------
        stages : iterable of Stage
            Stages of the path.
        chunks : iterator of _Chunk
            Elements that the first stage starts from.
        """
        for stage in stages:
            if isinstance(stage, JoinSubjects):
                chunks = self._join(stage, chunks)
            else:
                chunks = (
                    self._run(stage, _Source(chunks))
                    if stage.has_requests
                    else self._pass(stage, chunks)
                )
        return chunks

    def tables(
        self, stages: Sequence[Stage], columns: Sequence[Column], plural: str
    ) -> Iterator[Iterable[Row]]:
        """Return the rows of a table, one iterable per listing.

        Parameters
        ----------
        stages : sequence of Stage
            Stages of the path.
        columns : sequence of Column
            Columns of the table.
        plural : str
            Level of the elements.
        """
        *before, last = stages
        if not isinstance(last, JoinSubjects):
            return (
                plan.table_rows(chunk.founds, columns, plural)
                for chunk in self.run(stages, _server())
            )
        return self._ahead(
            self._joined(chunk, last, columns, plural) for chunk in self.run(before, _server())
        )

    def _ahead(self, tables: Iterator[Iterable[Row]]) -> Iterator[Iterable[Row]]:
        """Yield tables in order, with the next ones requested ahead."""
        waiting: deque[Iterable[Row]] = deque()
        for table in tables:
            waiting.append(table)
            if len(waiting) == self._window(0):
                yield waiting.popleft()
        yield from waiting

    def _joined(
        self, chunk: _Chunk, join: JoinSubjects, columns: Sequence[Column], plural: str
    ) -> Iterable[Row]:
        """Return the rows of experiments with the columns of their subjects."""
        founds = chunk.founds
        if not isinstance(founds, plan.Listed):
            return chain.from_iterable(
                plan.table_rows(joined.founds, columns, plural)
                for joined in self._join(join, iter([chunk]))
            )
        if founds.is_empty():
            return ()
        keys = [column.key for column in plan.subject_columns(columns)]
        subjects = _SubjectRows(
            self._host,
            self._listings,
            join,
            founds.at.uri,
            lambda row: tuple(row.get(key, '') for key in keys),
        )
        return plan.table_rows(
            founds, columns, plural, lambda rows: subjects.of_experiments(rows, ('',) * len(keys))
        )

    def _join(self, stage: JoinSubjects, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Add the rows of their subjects to experiments."""
        subjects: dict[str, _SubjectRows[Row | None]] = {}
        for chunk in chunks:
            yield chunk._replace(founds=self._with_subjects(stage, subjects, chunk.founds))

    def _with_subjects(
        self,
        stage: JoinSubjects,
        subjects: dict[str, _SubjectRows[Row | None]],
        founds: Iterable[Found],
    ) -> Iterator[Found]:
        for home, run in groupby(founds, lambda found: uris.parent(uris.parent(found.uri))):
            if home not in subjects:
                subjects[home] = _SubjectRows(
                    self._host, self._listings, stage, home, lambda row: row
                )
            while part := list(islice(run, stage.most_ids)):
                rows = subjects[home].of_experiments([found.row for found in part], None)
                for found, row in zip(part, rows, strict=True):
                    yield found._replace(above={**found.above, 'subjects': row}) if row else found

    def _pass(self, stage: Stage, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        """Run a stage that makes no request."""
        for chunk in chunks:
            yield chunk._replace(
                founds=chain.from_iterable(stage.rows(at, ()) for at in chunk.founds)
            )

    def _run(self, stage: Stage, source: _Source) -> Iterator[_Chunk]:
        """Run a stage with several batches in flight, and yield them in order."""
        passed, has_more = 0, True
        in_flight: deque[_Batch] = deque()
        while True:
            window = self._window(passed)
            while (
                has_more
                and len(in_flight) < window
                and (self._eager or source.is_at_hand or not in_flight)
            ):
                batches = self._start(
                    stage, source, passed, window - len(in_flight), bool(in_flight)
                )
                in_flight.extend(batches)
                has_more = bool(batches)
            if not in_flight:
                return
            batch = in_flight.popleft()
            yield _Chunk(self._finish(batch), batch.requested)
            passed += 1

    def _window(self, passed: int) -> int:
        """Return how many batches may be in flight after `passed` batches."""
        if self._lazy or self._listings.jobs == 1:
            return 1
        return 2 * self._listings.jobs if self._eager else min(passed + 1, self._listings.jobs)

    def _start(
        self, stage: Stage, source: _Source, passed: int, room: int, others: bool
    ) -> list[_Batch]:
        """Request the next batches, with threads if there are several."""
        batched = stage.batch_size > 1 and (
            self._eager or (passed >= _BATCH_AFTER and not self._lazy)
        )
        founds = source.take(stage.batch_size if batched else room, self._eager)
        if not founds:
            return []
        batches = list(stage.batches(founds)) if batched else [[found] for found in founds]
        now = self._host.cache.moment()
        started = []
        for batch in batches:
            requests = stage.batch_requests(batch) if len(batch) > 1 else stage.requests(batch[0])
            at_once = (
                not self._lazy
                and self._listings.jobs > 1
                and (others or len(batches) > 1 or len(requests) > 1)
            )
            listings = [self._listings.get(uri, now, at_once) for uri in requests]
            requested = listings[0].requested if listings else now
            started.append(_Batch(stage, batch, listings, requested))
        return started

    def _finish(self, batch: _Batch) -> Iterable[Found]:
        """Return the elements below a batch.

        The rows of one listing, or of a listing on disk, become elements only when they are taken.
        """
        stage, founds, listings, _ = batch
        if len(founds) > 1:
            return self._finish_batch(stage, founds, listings)
        (at,) = founds
        try:
            tables = [listing.rows() for listing in listings]
            elements = stage.rows(at, tables)
            if isinstance(elements, plan.Listed):
                return elements
            below = iter(elements)
            first = list(
                below if all(isinstance(table, list) for table in tables) else islice(below, 1)
            )
            return chain(first, below)
        except (*errors.REFUSED, *errors.HIDDEN, errors.OfflineError) as error:
            if len(stage.steps) != 1:
                log.info('walking %s: the server refused the short cut (%s)', at.uri, error)
                return self._run_all(plan.plan_below(at.uri, stage), [at])
            if at.guessed and isinstance(error, errors.HIDDEN):
                log.info('skipped, not visible: %s', error)
                return []
            raise

    def _run_all(self, stages: Iterable[Stage], founds: list[Found]) -> list[Found]:
        return [
            found for chunk in self.run(stages, iter([_Chunk(founds)])) for found in chunk.founds
        ]

    def _finish_batch(
        self, stage: Stage, founds: list[Found], listings: list[PendingListing]
    ) -> Iterable[Found]:
        try:
            below = stage.batch_rows(founds, [listing.rows() for listing in listings])
        except (*errors.REFUSED, *errors.HIDDEN, errors.OfflineError) as error:
            log.info('falling back to single requests: the server refused a batch (%s)', error)
            return self._run_all(stage.fallback(), founds)
        return self._with_unbatched(stage, founds, below)

    def _with_unbatched(
        self, stage: Stage, founds: list[Found], below: Sequence[Iterable[Found] | None]
    ) -> Iterator[Found]:
        """Yield the elements of a batch, with those that need own requests."""
        for is_missing, group in groupby(
            zip(founds, below, strict=True), lambda pair: pair[1] is None
        ):
            if is_missing:
                yield from self._run_all([stage.unbatched()], [at for at, _ in group])
            else:
                for _, part in group:
                    yield from part or ()


_T = TypeVar('_T')


class _SubjectRows(Generic[_T]):
    """Rows of the subjects of experiments.

    They come from the listing of the project's subjects; subjects of shared experiments that it
    lacks are fetched by their IDs.

    Attributes
    ----------
    keep : callable
        Returns the part of a row that is kept.
    """

    def __init__(
        self,
        interface: Host,
        listings: Listings,
        join: JoinSubjects,
        home: str,
        keep: Callable[[Row], _T],
    ) -> None:
        self._host, self._listings, self._stage = interface, listings, join
        self.keep = keep
        self._pending = self._request(join.beside(home), listings.jobs > 1)
        self._known: dict[str, _T] | None = None

    def _request(self, uris: Iterable[str], at_once: bool = False) -> list[PendingListing]:
        now = self._host.cache.moment()
        return [self._listings.get(uri, now, at_once) for uri in uris]

    def _read(self, listings: Sequence[PendingListing]) -> dict[str, _T]:
        try:
            tables = [listing.rows() for listing in listings]
        except errors.HIDDEN as error:
            log.info('skipped, not visible: %s', error)
            return {}
        return {identity: self.keep(row) for identity, row in self._stage.subjects(tables)}

    def of_experiments(self, rows: Sequence[Row], default: _T) -> list[_T]:
        """Return the kept part of the subject of each experiment.

        Parameters
        ----------
        rows : sequence of Row
            Rows of experiments with ``subject_ID``.
        default : object
            Value for experiments without a visible subject.
        """
        if self._known is None:
            self._known = self._read(self._pending)
            self._pending = []
        ids = [row.get('subject_ID', '') for row in rows]
        missing = [
            identity for identity in dict.fromkeys(ids) if identity and identity not in self._known
        ]
        for number in range(0, len(missing), self._stage.most_ids):
            part = missing[number : number + self._stage.most_ids]
            self._known.update(
                {
                    **dict.fromkeys(part, default),
                    **self._read(self._request(self._stage.named(part))),
                }
            )
        return [self._known.get(identity, default) for identity in ids]
