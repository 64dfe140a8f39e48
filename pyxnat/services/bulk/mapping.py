"""Map a function over elements, in threads or processes, resumable by a log."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from .map_log import MapLog, entry_of
from .report import Report
from .workers import is_fatal

__all__ = ['Mapped', 'Outcome', 'map_elements']


class Outcome(NamedTuple):
    """Result of a function for one element."""

    element: Any
    result: Any = None
    """Return value; after an earlier run that of its log (`None` if not JSON)."""
    error: BaseException | None = None
    """Exception raised by the function."""
    is_earlier: bool = False
    """Whether the result is from the log of an earlier run."""

    @property
    def ok(self) -> bool:
        """Whether the function returned."""
        return self.error is None


class Mapped(Report):
    """Report of a map, and the outcome of each element.

    Attributes
    ----------
    outcomes : list of Outcome
        One for each element, in order. Iterating gives the same.
    """

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__('done')
        self.outcomes: list[Outcome] = list(outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __len__(self) -> int:
        return len(self.outcomes)

    def __getitem__(self, index: int) -> Outcome:
        return self.outcomes[index]

    @property
    def results(self) -> list[Any]:
        """Return values, in the order of the elements; `None` for failures."""
        return [outcome.result for outcome in self.outcomes]


def map_elements(
    elements: Sequence[Any],
    function: Callable[[Any], Any],
    *,
    jobs: int,
    processes: int | None,
    log: str | os.PathLike[str] | None,
    progress: bool | None,
) -> Mapped:
    """Call a function with each element.

    Parameters
    ----------
    elements : sequence of Element
        Arguments of the calls.
    function, jobs, processes, log, progress
        As in :meth:`pyxnat.resources.bulk.Mappable.map`.
    """
    if jobs < 1 or (processes is not None and processes < 1):
        raise errors.ProgrammingError(
            f'jobs={jobs!r}, processes={processes!r}: at least one is needed',
            remedy='Give 1 or more.',
        )
    _check(function, processes is not None)
    journal = MapLog(log)
    earlier = dict(journal.successes())
    outcomes = {
        at: Outcome(element, earlier[element.uri], None, True)
        for at, element in enumerate(elements)
        if element.uri in earlier
    }
    mapped = Mapped()
    todo = [(at, element) for at, element in enumerate(elements) if at not in outcomes]
    with progress_bar(len(todo), 'element', progress) as bar:
        for at, outcome, seconds in _run(todo, function, jobs, processes):
            outcomes[at] = outcome
            journal.add([entry_of(outcome.element.uri, outcome.result, outcome.error, seconds)])
            bar.update(1)
    mapped.outcomes = [outcomes[at] for at in range(len(elements))]
    for outcome in mapped:
        _add(mapped, outcome)
    mapped.finish()
    return mapped


def _check(function: Callable[[Any], Any], pickles: bool) -> None:
    if not callable(function):
        raise errors.ProgrammingError(
            f'{function!r} cannot be called', remedy='Give a function of one element.'
        )
    if pickles:
        try:
            pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            problem = f'{function!r} cannot be sent to other processes ({error})'
            raise errors.ProgrammingError(
                problem, remedy='Define it in a module, or use jobs= for threads.'
            ) from error


def _add(report: Report, outcome: Outcome) -> None:
    if outcome.error is not None:
        report.add_failure(outcome.element.uri, outcome.error)
    elif outcome.is_earlier:
        report.add_skipped(outcome.element.uri)
    else:
        report.add_success(outcome.element.uri)


def _run(
    todo: list[tuple[int, Any]], function: Callable[[Any], Any], jobs: int, processes: int | None
) -> Iterator[tuple[int, Outcome, float]]:
    """Yield index, outcome and seconds of each element when it completes."""
    from concurrent.futures import (
        BrokenExecutor,
        ProcessPoolExecutor,
        ThreadPoolExecutor,
        as_completed,
    )

    pool: Any = (
        ProcessPoolExecutor(processes)
        if processes is not None
        else ThreadPoolExecutor(jobs, 'pyxnat-map')
    )
    try:
        futures = {pool.submit(_timed, function, one): (at, one) for at, one in todo}
        for future in as_completed(futures):
            at, element = futures[future]
            error = future.exception()
            if error is not None and (is_fatal(error) or isinstance(error, BrokenExecutor)):
                raise error
            result, seconds = future.result() if error is None else (None, 0.0)
            yield at, Outcome(element, result, error), seconds
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _timed(function: Callable[[Any], Any], element: Any) -> tuple[Any, float]:
    started = time.monotonic()
    result = function(element)
    return result, time.monotonic() - started
