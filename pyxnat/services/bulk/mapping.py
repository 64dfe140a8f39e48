"""Map a function over elements, in threads or processes, resumable by a log."""

from __future__ import annotations

import json
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
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


class _Log:
    """Log with a line of JSON for each element."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = Path(path).expanduser() if path is not None else None
        self._lock = threading.Lock()

    def done(self) -> dict[str, Any]:
        """Return URI -> result of successes, ignoring incomplete lines."""
        results: dict[str, Any] = {}
        if self._path is None or not self._path.exists():
            return results
        for line in self._path.read_text('utf-8').split('\n'):
            try:
                entry = json.loads(line)
                if entry['ok']:
                    results[entry['uri']] = entry.get('result')
            except (ValueError, KeyError, TypeError):
                continue
        return results

    def add(self, uri: str, outcome: Outcome, seconds: float) -> None:
        """Append an outcome.

        Parameters
        ----------
        uri : str
            URI of the element.
        outcome : Outcome
            Its outcome; a result that JSON cannot hold is left out.
        seconds : float
            Duration of the function.
        """
        if self._path is None:
            return
        entry = {
            'uri': uri,
            'ok': outcome.ok,
            'seconds': round(seconds, 3),
            'at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
        }
        entry |= (
            {'result': outcome.result}
            if outcome.ok
            else {'error': f'{type(outcome.error).__name__}: {outcome.error}'}
        )
        with self._lock, self._path.open('ab+') as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b'\n':
                    file.write(b'\n')  # a run was killed while it wrote
            file.write(_json(entry).encode() + b'\n')


def _json(entry: dict[str, Any]) -> str:
    try:
        return json.dumps(entry)
    except (TypeError, ValueError):
        entry.pop('result', None)
        return json.dumps(entry)


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
    journal = _Log(log)
    earlier = journal.done()
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
            journal.add(outcome.element.uri, outcome, seconds)
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
    with pool:
        futures = {pool.submit(_timed, function, element): (at, element) for at, element in todo}
        try:
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
