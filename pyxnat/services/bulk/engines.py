"""Map a function over elements with any executor.

A pool, a cluster, a batch system. Elements are sent in partitions, some ahead of the results, so
that memory does not grow with their number. Only this process writes the log, as the results of a
partition arrive; so each element has one line in it, even if an engine runs a partition twice
because a worker died.
"""

from __future__ import annotations

import os
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from ... import errors
from ...http.progress import progress_bar
from ...resources.host import Host
from .map_log import MapLog, entry_of
from .outcomes import NOT_SENDABLE, EngineMapped, Recorded
from .partitions import Connect, Partition, Recipe, partitions
from .workers import is_fatal

__all__ = ['map_on']

_AHEAD = 256
"""Partitions that are submitted before the results of the first are taken."""
_POLL_S = 0.5
"""Seconds between looks at the jobs of engines that do not call back."""
_LOST_IN_A_ROW = 12
"""Partitions that were lost one after the other, after which the engine counts as broken."""


# -- in a worker -----------------------------------------------------------------------------------


class _Returned(NamedTuple):
    """Result of a function for one element, as a worker sends it."""

    result: Any
    error: BaseException | None
    seconds: float


def _run(function: Callable[[Any], Any], partition: Partition) -> list[_Returned]:
    """Call a function with each element; a fatal error is the last result."""
    returned: list[_Returned] = []
    for element in partition:
        started = time.monotonic()
        result: Any = None
        error: BaseException | None = None
        try:
            result = function(element)
        except Exception as raised:  # noqa: BLE001 - of the user's function, raised at the client
            error = _sendable(raised)
        returned.append(_Returned(result, error, time.monotonic() - started))
        if error is not None and _stops(error):
            break
    return returned


def _sendable(error: BaseException) -> BaseException:
    """Return an error, or one with its text if it would be lost on the way."""
    try:
        pickle.loads(pickle.dumps(error))
    except (*NOT_SENDABLE, ValueError):
        return errors.OperationalError(f'{type(error).__name__}: {error}')
    return error


def _stops(error: BaseException) -> bool:
    return is_fatal(error) or isinstance(error, errors.ConfigurationError)


# -- at the client ---------------------------------------------------------------------------------


class _Batch:
    """A partition, and the outcomes of its elements."""

    def __init__(
        self, start: int, elements: list[Any], recipe: Recipe, mapped: EngineMapped
    ) -> None:
        self.start = start
        self.part = Partition(elements, recipe)
        self.uris = [element.uri for element in elements]
        self.outcomes = [mapped.earlier(uri) for uri in self.uris]
        todo = [at for at, outcome in enumerate(self.outcomes) if outcome is None]
        self.all = _Task(self, todo)

    @property
    def is_complete(self) -> bool:
        """Whether all outcomes are known."""
        return None not in self.outcomes


class _Task:
    """Elements of a batch that one worker gets."""

    def __init__(self, batch: _Batch, places: list[int]) -> None:
        self.batch, self.places = batch, places

    def partition(self, recipe: Recipe, host: Host) -> Partition:
        """Return the elements for the worker.

        Parameters
        ----------
        recipe : Recipe
            How the worker connects.
        host : Interface
            The Interface of this process.
        """
        batch = self.batch
        if len(self.places) == len(batch.part):
            return batch.part
        elements = list(batch.part.packed.elements(host))
        return Partition([elements[place] for place in self.places], recipe)

    def singles(self) -> list[_Task]:
        """Return a task for each element."""
        return [_Task(self.batch, [place]) for place in self.places]


class _InFlight:
    """Submitted tasks, taken as they complete."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._futures: dict[_Task, Any] = {}
        self._completed: queue.SimpleQueue[_Task] = queue.SimpleQueue()
        self._polls = False

    def __len__(self) -> int:
        return len(self._futures)

    def submit(self, task: _Task, function: Callable[[Any], Any], part: Partition) -> None:
        """Submit a task.

        Parameters
        ----------
        task : _Task
            The task.
        function : callable
            Function of an element.
        part : Partition
            Its elements.
        """
        future = self._futures[task] = self._executor.submit(_run, function, part)
        if hasattr(future, 'add_done_callback'):
            future.add_done_callback(lambda _: self._completed.put(task))
        else:
            self._polls = True  # jobs of submitit do not call back

    def next(self) -> tuple[_Task, Any]:
        """Return a completed task and its future, waiting for it."""
        while True:
            with suppress(queue.Empty):
                task = self._completed.get(timeout=_POLL_S if self._polls else None)
                return task, self._futures.pop(task)
            self._look()

    def stop(self) -> Iterator[tuple[_Task, Any]]:
        """Cancel tasks that have not begun; yield complete ones, and wait for none."""
        for future in self._futures.values():
            future.cancel()
        self._look()
        while not self._completed.empty():
            task = self._completed.get()
            yield task, self._futures.pop(task)

    def _look(self) -> None:
        """Look at jobs that do not call back."""
        for task, future in self._futures.items() if self._polls else ():
            if not hasattr(future, 'add_done_callback') and future.done():
                self._completed.put(task)


class _Run:
    """One run over the elements.

    Parameters
    ----------
    mapped : EngineMapped
        Receives the outcomes.
    log : MapLog
        Receives a line for each.
    function : callable
        Function of an element.
    executor : Executor
        The engine.
    recipe : Recipe
        How workers connect.
    host : Interface
        The Interface of this process.
    """

    def __init__(
        self,
        mapped: EngineMapped,
        log: MapLog,
        function: Callable[[Any], Any],
        executor: Any,
        recipe: Recipe,
        host: Host,
    ) -> None:
        self._mapped, self._log, self._function = mapped, log, function
        self._recipe, self._host = recipe, host
        self._in_flight = _InFlight(executor)
        self._again: deque[_Task] = deque()
        self._lost = 0
        self._returned_any = False

    def work(self, groups: Iterable[list[Any]], update: Callable[[int], Any]) -> None:
        """Send all groups, and take the results.

        Parameters
        ----------
        groups : iterable of list of Element
            The elements of each partition.
        update : callable
            Called with the number of elements that are done.
        """
        tasks = self._tasks(groups, update)
        try:
            self._submit(tasks)
            while len(self._in_flight):
                update(self._take(*self._in_flight.next()))
                self._submit(tasks)
        except BaseException:
            self._stop()
            raise

    def _submit(self, tasks: Iterator[_Task]) -> None:
        from concurrent.futures import BrokenExecutor

        while len(self._in_flight) < _AHEAD:
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return
            part = task.partition(self._recipe, self._host)
            try:
                self._in_flight.submit(task, self._function, part)
            except (BrokenExecutor, *NOT_SENDABLE) as error:
                self._lose(task, error)

    def _stop(self) -> None:
        """Record complete tasks, so that the next run does not repeat them."""
        for task, future in self._in_flight.stop():
            if _error_of(future) is None:
                self._store(task, future.result())

    def _tasks(self, groups: Iterable[list[Any]], update: Callable[[int], Any]) -> Iterator[_Task]:
        start = 0
        for elements in groups:
            batch = _Batch(start, elements, self._recipe, self._mapped)
            start += len(elements)
            if batch.all.places:
                yield batch.all
            else:
                self._complete(batch)
            update(len(elements) - len(batch.all.places))

    def _take(self, task: _Task, future: Any) -> int:
        """Record the results of a completed task, and return their number."""
        error = _error_of(future)
        if error is None:
            self._lost, self._returned_any = 0, True
            return self._record(task, future.result())
        return self._lose(task, error)

    def _record(self, task: _Task, returned: list[_Returned]) -> int:
        """Record results, and return their number, or raise a fatal error among them."""
        count = self._store(task, returned)
        if count < len(returned) and returned[-1].error is not None:
            raise returned[-1].error
        if task.batch.is_complete:
            self._complete(task.batch)
        return count

    def _store(self, task: _Task, returned: list[_Returned]) -> int:
        """Write results to the log, but not a fatal error, and return their number."""
        kept = [one for one in returned if one.error is None or not _stops(one.error)]
        batch, places = task.batch, task.places[: len(kept)]
        self._log.add(
            entry_of(batch.uris[place], one.result, one.error, one.seconds)
            for place, one in zip(places, kept, strict=True)
        )
        for place, one in zip(places, kept, strict=True):
            batch.outcomes[place] = Recorded(one.result, one.error)
        return len(kept)

    def _complete(self, batch: _Batch) -> None:
        outcomes = [outcome for outcome in batch.outcomes if outcome is not None]
        self._mapped.add_part(batch.start, batch.part.packed, batch.uris, outcomes)

    def _lose(self, task: _Task, error: BaseException) -> int:
        """Run the elements of a lost task again one by one.

        An only one is reported as failed.
        """
        from concurrent.futures import BrokenExecutor

        self._lost += 1
        is_unsendable = isinstance(error, NOT_SENDABLE)
        if is_unsendable and not self._returned_any:
            raise errors.ProgrammingError(
                f'{self._function!r} or its result cannot be sent to workers ({error})',
                remedy='Define it in a module that the workers can import; return plain values.',
            ) from error
        if _stops(error):
            raise error
        if isinstance(error, BrokenExecutor) or self._lost >= _LOST_IN_A_ROW:
            raise errors.OperationalError(
                f'the executor is broken: {type(error).__name__}: {error}',
                remedy='Run it again with the same log and a new executor: elements that succeeded '
                'are skipped.',
            ) from error
        if len(task.places) > 1 and not is_unsendable:
            self._again.extend(task.singles())
            return 0
        return self._record(task, [_Returned(None, _sendable(error), 0.0)] * len(task.places))


def _error_of(future: Any) -> BaseException | None:
    """Return why a task was lost; `None` if it returned."""
    from concurrent.futures import CancelledError

    try:
        error: BaseException | None = future.exception()
    except CancelledError as cancelled:
        return cancelled
    return error


def map_on(
    host: Host,
    executor: Any,
    elements: Iterable[Any],
    function: Callable[[Any], Any],
    *,
    batch: int,
    by: str | None,
    connect: Connect | None,
    log: str | os.PathLike[str] | None,
    progress: bool | None,
) -> EngineMapped:
    """Call a function with each element, in the tasks of an executor.

    Parameters
    ----------
    host : Host
        Interface of the elements.
    executor : Executor
        The engine.
    elements : iterable of Element
        The elements.
    function, batch, by, connect, log, progress
        As in :meth:`pyxnat.resources.bulk.Mappable.map`.
    """
    if not callable(function):
        raise errors.ProgrammingError(
            f'{function!r} cannot be called', remedy='Give a function of one element.'
        )
    groups = partitions(elements, batch, by)
    mapped, journal = EngineMapped(host), MapLog(log)
    mapped.read_log(journal)
    run = _Run(mapped, journal, function, executor, Recipe(host, connect), host)
    with progress_bar(None, 'element', progress) as bar:
        run.work(groups, bar.update)
    mapped.finish()
    return mapped
