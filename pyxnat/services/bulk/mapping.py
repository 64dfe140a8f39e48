"""A function of one's own on every element of a selection, in threads or processes, resumable by its log."""

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
from .report import Report
from .workers import is_final, meter

__all__ = ['Mapped', 'Outcome', 'map_elements']


class Outcome(NamedTuple):
    """What a function gave for one element."""

    element: Any
    result: Any = None
    """What it returned. Of what an earlier run did: what its log has, which is nothing for results that JSON cannot hold."""
    error: BaseException | None = None
    """What it raised."""
    is_earlier: bool = False
    """Whether an earlier run did it."""

    @property
    def ok(self) -> bool:
        """Whether it returned."""
        return self.error is None


class Mapped(Report):
    """What became of each element: a report, and the outcomes in the order of the elements.

    Attributes
    ----------
    outcomes : list of Outcome
        One for each element, in order. Iterating gives them, too.
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
        """What the function returned, in the order of the elements; `None` where it failed."""
        return [outcome.result for outcome in self.outcomes]


class _Log:
    """A line of JSON for each element that was done."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._path = Path(path).expanduser() if path is not None else None
        self._lock = threading.Lock()

    def done(self) -> dict[str, Any]:
        """URI -> result, of what succeeded. A line that was not written whole counts for nothing."""
        found: dict[str, Any] = {}
        if self._path is None or not self._path.exists():
            return found
        for line in self._path.read_text('utf-8').split('\n'):
            try:
                entry = json.loads(line)
                if entry['ok']:
                    found[entry['uri']] = entry.get('result')
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def add(self, uri: str, outcome: Outcome, seconds: float) -> None:
        """Note an outcome, on the disk."""
        if self._path is None:
            return
        entry = {'uri': uri, 'ok': outcome.ok, 'seconds': round(seconds, 3), 'at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}
        entry |= {'result': outcome.result} if outcome.ok else {'error': f'{type(outcome.error).__name__}: {outcome.error}'}
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
    """Call a function with each element. See :meth:`pyxnat.resources.bulk.Mappable.map`."""
    if jobs < 1 or (processes is not None and processes < 1):
        raise errors.ProgrammingError('at least one thread or process must work', remedy='Give jobs= or processes= of 1 or more.')
    _check(function, processes is not None)
    journal = _Log(log)
    earlier = journal.done()
    outcomes = {at: Outcome(element, earlier[element.uri], None, True) for at, element in enumerate(elements) if element.uri in earlier}
    mapped = Mapped()
    todo = [(at, element) for at, element in enumerate(elements) if at not in outcomes]
    with meter(len(todo), 'element', progress) as bar:
        for at, outcome, seconds in _run(todo, function, jobs, processes):
            outcomes[at] = outcome
            journal.add(outcome.element.uri, outcome, seconds)
            bar.update(1)
    mapped.outcomes = [outcomes[at] for at in range(len(elements))]
    for outcome in mapped:
        _note(mapped, outcome)
    mapped.end()
    return mapped


def _check(function: Callable[[Any], Any], pickles: bool) -> None:
    if not callable(function):
        raise errors.ProgrammingError(f'{function!r} cannot be called', remedy='Give a function of one element.')
    if pickles:
        try:
            pickle.dumps(function)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            what = f'{function!r} cannot be sent to other processes ({error})'
            raise errors.ProgrammingError(what, remedy='Define it in a module, or use jobs= for threads.') from error


def _note(report: Report, outcome: Outcome) -> None:
    if outcome.error is not None:
        report.fail(outcome.element.uri, outcome.error)
    elif outcome.is_earlier:
        report.skip(outcome.element.uri)
    else:
        report.did(outcome.element.uri)


def _run(todo: list[tuple[int, Any]], function: Callable[[Any], Any], jobs: int, processes: int | None) -> Iterator[tuple[int, Outcome, float]]:
    """Place, outcome and seconds of each element, as they end."""
    from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed

    pool: Any = ProcessPoolExecutor(processes) if processes is not None else ThreadPoolExecutor(jobs, 'pyxnat-map')
    with pool:
        futures = {pool.submit(_timed, function, element): (at, element) for at, element in todo}
        try:
            for future in as_completed(futures):
                at, element = futures[future]
                error = future.exception()
                if error is not None and (is_final(error) or isinstance(error, BrokenExecutor)):
                    raise error
                result, seconds = future.result() if error is None else (None, 0.0)
                yield at, Outcome(element, result, error), seconds
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _timed(function: Callable[[Any], Any], element: Any) -> tuple[Any, float]:
    started = time.monotonic()
    result = function(element)
    return result, time.monotonic() - started
