"""Ask several sites at once, each in a thread of its own."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from ...errors import Error, NetworkTimeout

__all__ = ['Failures', 'Questions', 'ask', 'listed']

_T = TypeVar('_T')
Failures = dict[str, Exception]
"""Name of a site -> the error that it failed with."""
Questions = Mapping[str, Callable[[], Iterable[_T]]]
"""Name of a site -> function that gives its items."""

_TOGETHER = 200
"""Items that a thread hands over at a time."""


class _Message(NamedTuple):
    """Items of a site, its end, or the exception that ended it."""

    site: str
    items: list[Any] = []
    is_last: bool = False
    error: BaseException | None = None


def ask(
    questions: Questions[_T], failures: Failures, timeout: float | None = None
) -> Iterator[tuple[str, list[_T]]]:
    """Yield the items of all sites as they come, in lists.

    Closing the generator stops the threads at their next item.

    Parameters
    ----------
    questions : mapping of str to callable
        Functions that give the items, one of each site; called in a thread each.
    failures : dict
        Gets the error of each site that fails; its items until then have been yielded. Only errors
        of pyxnat and of the operating system count as failures, others are raised.
    timeout : float, optional
        Seconds to wait for the next items of a site, after which it fails with `NetworkTimeout`.
        Default: no limit of its own.
    """
    messages: queue.Queue[_Message] = queue.Queue(maxsize=2 * len(questions) or 1)
    stopping = threading.Event()
    for name, question in questions.items():
        run = contextvars.copy_context().run  # a trace records the requests of the thread, too
        work = (_work, name, question, messages, stopping)
        threading.Thread(target=run, args=work, name=f'pyxnat-{name}', daemon=True).start()
    try:
        yield from _received(_Waiting(questions, timeout), messages, failures)
    finally:
        stopping.set()
        while not messages.empty():
            messages.get_nowait()  # a thread that waits for room ends


def _work(
    name: str,
    question: Callable[[], Iterable[Any]],
    messages: queue.Queue[_Message],
    stopping: threading.Event,
) -> None:
    try:
        items = iter(question())
        while not stopping.is_set() and (some := list(islice(items, _TOGETHER))):
            messages.put(_Message(name, some))
        last = _Message(name, is_last=True)
    except BaseException as error:  # noqa: BLE001 - raised in the thread that asked
        last = _Message(name, is_last=True, error=error)
    if not stopping.is_set():
        messages.put(last)


class _Waiting:
    """Sites that have not sent all, and how long each has been waited for."""

    def __init__(self, sites: Iterable[str], timeout: float | None) -> None:
        self.seconds = dict.fromkeys(sites, 0.0)
        self._timeout = timeout

    def next_of(self, messages: queue.Queue[_Message]) -> _Message | None:
        """Return the next message; `None` if a site's time ended first."""
        start = time.monotonic()
        longest = max(self.seconds.values())
        left = None if self._timeout is None else max(self._timeout - longest, 0)
        try:
            message = messages.get(timeout=left)
        except queue.Empty:
            message = None
        waited = time.monotonic() - start
        for name in self.seconds:
            self.seconds[name] += waited
        return message

    def late(self) -> Failures:
        """Remove the sites whose time has ended; return an error for each."""
        names = [name for name, waited in self.seconds.items() if waited >= (self._timeout or 0)]
        for name in names:
            del self.seconds[name]
        return {
            name: NetworkTimeout(
                f'no answer in {self._timeout:g} seconds',
                remedy='Give a longer timeout, or leave the site out.',
            )
            for name in names
        }


def _received(
    waiting: _Waiting, messages: queue.Queue[_Message], failures: Failures
) -> Iterator[tuple[str, list[Any]]]:
    while waiting.seconds:
        message = waiting.next_of(messages)
        if message is None:
            failures |= waiting.late()
            continue
        if message.site not in waiting.seconds:
            continue  # it came too late
        waiting.seconds[message.site] = 0.0
        if message.items:
            yield message.site, message.items
        if message.is_last:
            del waiting.seconds[message.site]
        if isinstance(message.error, (Error, OSError)):
            failures[message.site] = message.error
        elif message.error is not None:
            raise message.error


def listed(
    questions: Questions[_T], failures: Failures, timeout: float | None = None
) -> dict[str, list[_T]]:
    """Return all items of the sites that succeed, in the order of the sites.

    Parameters
    ----------
    questions, failures, timeout
        As of `ask`.
    """
    found: dict[str, list[_T]] = {name: [] for name in questions}
    for name, items in ask(questions, failures, timeout):
        found[name] += items
    return {name: items for name, items in found.items() if name not in failures}
