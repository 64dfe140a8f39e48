"""Thread pool that collects failures and stops on a fatal one."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from ... import errors
from ..isolation import is_fatal
from .report import Report

if TYPE_CHECKING:
    from ...http.transport import Transport

__all__ = ['Stopped', 'WorkerPool', 'check_compression', 'check_jobs', 'is_fatal']

_T = TypeVar('_T')

_NOTICE_S = 0.2
"""Seconds that threads have to stop, before their requests are aborted."""
_GRACE_S = 3.0
"""Seconds that threads have to clean up after that."""
_FATAL_IN_A_ROW = 12
"""Consecutive failures of network or server that are fatal."""


class Stopped(Exception):
    """Raised in a thread because another one failed or the user interrupted."""


def check_compression(compression: int) -> None:
    """Raise ProgrammingError unless a level of compression is from 0 to 9."""
    if compression not in range(10):
        raise errors.ProgrammingError(
            f'compression={compression!r} is not a number from 0 to 9', remedy='Give 0 for none.'
        )


def check_jobs(jobs: int) -> None:
    """Raise ProgrammingError if `jobs` is no number of threads."""
    if not isinstance(jobs, int) or jobs < 1:
        raise errors.ProgrammingError(
            f'jobs={jobs!r} is not a number of threads', remedy='Give 1 or more.'
        )


class WorkerPool:
    """Threads that work on many items, and record results in a report.

    Parameters
    ----------
    report : Report
        Receives successes and failures.
    jobs : int
        Number of threads.
    *transports : Transport
        Transports of the items' requests; they are aborted on a fatal error.

    Attributes
    ----------
    stopping : threading.Event
        Set when the threads must stop.
    """

    def __init__(self, report: Report, jobs: int, *transports: Transport) -> None:
        check_jobs(jobs)
        self.report = report
        self._jobs = jobs
        self._transports = transports
        self._in_a_row = 0
        self.stopping = threading.Event()

    def each(self, work: Callable[[_T], Any], items: Iterable[_T]) -> None:
        """Call a function with each item; the first exception stops all.

        Parameters
        ----------
        work : callable
            Function of one item.
        items : iterable
            Items, started in this order.

        Raises
        ------
        BaseException
            The first exception of `work`.
        """
        todo = deque(items)

        def take_items() -> None:
            while not self.stopping.is_set():
                try:
                    item = todo.popleft()
                except IndexError:
                    return
                work(item)

        if min(self._jobs, len(todo)) > 1:
            self._in_threads(take_items, min(self._jobs, len(todo)))
        else:
            take_items()

    def _in_threads(self, work: Callable[[], None], count: int) -> None:
        """Run a function in several threads; stop all on the first exception.

        Requests of threads that do not stop by themselves are aborted.
        """
        from concurrent.futures import ThreadPoolExecutor, as_completed

        threads: set[threading.Thread] = set()

        def registered() -> None:
            threads.add(threading.current_thread())
            work()

        pool = ThreadPoolExecutor(count, 'pyxnat-bulk')
        try:
            contexts = [contextvars.copy_context() for _ in range(count)]
            for future in as_completed([pool.submit(one.run, registered) for one in contexts]):
                future.result()
        except BaseException:  # also an interrupt while the threads are started
            self.stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            if not _have_ended(threads, _NOTICE_S):
                for transport in self._transports:
                    transport.abort(list(threads))
                _have_ended(threads, _GRACE_S)
            raise
        pool.shutdown()

    def add_success(self, item: str, size: int = 0) -> None:
        """Record a success.

        Parameters
        ----------
        item : str
            Path or URI.
        size : int
            Bytes transferred.
        """
        self._in_a_row = 0
        self.report.add_success(item, size)

    def add_failure(self, item: str, error: BaseException) -> None:
        """Record a failure, or raise it if it is fatal.

        Parameters
        ----------
        item : str
            Path or URI.
        error : BaseException
            Its cause.
        """
        is_of_server = isinstance(
            error,
            (errors.NetworkError, errors.BusyError, errors.InternalError, errors.UnexpectedAnswer),
        )
        self._in_a_row = self._in_a_row + 1 if is_of_server else 0
        if is_fatal(error) or self._in_a_row >= _FATAL_IN_A_ROW:
            raise error
        self.report.add_failure(item, error)


def _have_ended(threads: set[threading.Thread], timeout_s: float) -> bool:
    """Wait for threads to end; return whether they did in time."""
    end = time.monotonic() + timeout_s
    for thread in list(threads):
        thread.join(max(0.0, end - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
