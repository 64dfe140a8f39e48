"""Many things at once: in threads, with failures collected, until one comes that ends it all."""

from __future__ import annotations

import contextvars
import errno
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from ... import errors
from ...http.connection import is_lasting
from .report import Report

if TYPE_CHECKING:
    from ...http.transport import Transport

__all__ = ['Stopped', 'Undertaking', 'check_compression', 'is_final', 'meter']

_T = TypeVar('_T')

_NOTICE_S = 0.2
"""How long those who are to stop are given to notice it, before what they wait for is broken off."""
_GRACE_S = 3.0
"""How long they are given then, to clear up after them."""
_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, 'EDQUOT', errno.ENOSPC)}
_PATIENCE = 12
"""So many failures of network or server in a row, with nothing done in between, are taken for an end."""


class Stopped(Exception):
    """Another thread has failed, or the user interrupts."""


def is_final(error: BaseException) -> bool:
    """Whether it would befall everything else, too: a wrong login, nobody there, a full disk."""
    if isinstance(error, errors.NetworkTimeout):
        return False
    if isinstance(error, errors.NetworkError):
        return isinstance(error, errors.OfflineError) or (error.__cause__ is not None and is_lasting(error.__cause__))
    if isinstance(error, errors.DatabaseError):
        return isinstance(error, errors.AuthenticationError)
    return (isinstance(error, OSError) and error.errno in _FULL) or not isinstance(error, Exception)


def check_compression(compression: int) -> None:
    """See that it is one that zips have."""
    if compression not in range(10):
        raise errors.ProgrammingError(f'compression={compression!r}: it is a number from 0 to 9', remedy='Give 0 for none.')


def _is_of_the_server(error: BaseException) -> bool:
    return isinstance(error, (errors.NetworkError, errors.BusyError, errors.InternalError, errors.UnexpectedAnswer))


class Undertaking:
    """Work on many items, in threads.

    Parameters
    ----------
    report : Report
        Takes what is done and what fails.
    jobs : int
        How many at a time.
    transport : Transport
        What they ask by.
    """

    def __init__(self, report: Report, jobs: int, transport: Transport) -> None:
        if not isinstance(jobs, int) or jobs < 1:
            raise errors.ProgrammingError(f'jobs={jobs!r}: it is how many work at a time', remedy='Give 1 or more.')
        self.report = report
        self._jobs = jobs
        self._transport = transport
        self._in_a_row = 0
        self.ended = threading.Event()

    def each(self, work: Callable[[_T], Any], items: Iterable[_T]) -> None:
        """Call a function with each item. The first exception stops all, and is raised."""
        todo = deque(items)

        def go_on() -> None:
            while not self.ended.is_set():
                try:
                    item = todo.popleft()
                except IndexError:
                    return
                work(item)

        if min(self._jobs, len(todo)) > 1:
            self._in_threads(go_on, min(self._jobs, len(todo)))
        else:
            go_on()

    def _in_threads(self, work: Callable[[], None], count: int) -> None:
        """In the end all have stopped; what a server keeps them waiting for is broken off."""
        from concurrent.futures import ThreadPoolExecutor, as_completed, wait

        threads: set[threading.Thread] = set()

        def known() -> None:
            threads.add(threading.current_thread())
            work()

        pool = ThreadPoolExecutor(count, 'pyxnat-bulk')
        futures = [pool.submit(contextvars.copy_context().run, known) for _ in range(count)]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            self.ended.set()
            if wait(futures, _NOTICE_S).not_done:
                self._transport.break_off(list(threads))
                wait(futures, _GRACE_S)
            pool.shutdown(wait=False)
            raise
        pool.shutdown()

    def did(self, what: str, size: int = 0) -> None:
        """Note that something was done."""
        self._in_a_row = 0
        self.report.did(what, size)

    def failed(self, what: str, error: BaseException) -> None:
        """Note that something failed; raised instead if that is the end of all."""
        self._in_a_row = self._in_a_row + 1 if _is_of_the_server(error) else 0
        if is_final(error) or self._in_a_row >= _PATIENCE:
            raise error
        self.report.fail(what, error)


def meter(total: int, unit: str, show: bool | None) -> AbstractContextManager[Any]:
    """A progress bar on the terminal; something that takes ``update(count)`` and shows nothing where none is wanted.

    Parameters
    ----------
    show : bool or None
        Whether to; `None` for where standard error is a terminal, and there is tqdm.
    """
    if not total or show is False or (show is None and not sys.stderr.isatty()):
        return nullcontext(_Silence())
    try:
        from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        if show:
            raise ImportError("tqdm is missing, which bars need: pip install 'pyxnat[progress]'", name='tqdm') from error
        return nullcontext(_Silence())
    return tqdm(total=total, unit=unit, unit_scale=True)  # type: ignore[no-any-return]


class _Silence:
    def update(self, count: int) -> None:
        """Nothing."""
