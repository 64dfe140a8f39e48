"""Tests of an interrupt that comes while threads are started, or get their items."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from pyxnat.apps.file_system.system import XnatFileSystem
from pyxnat.services.bulk import mapping
from pyxnat.services.bulk.report import Report
from pyxnat.services.bulk.workers import WorkerPool
from tests.support.waiting import wait_until

JOBS, ITEMS = 4, 200
Work = Callable[[Any], None]


def in_a_map(work: Work, items: Iterable[int]) -> None:
    todo: Any = ((item, item) for item in items)
    list(mapping._run(todo, work, JOBS, None))


def in_a_file_system(work: Work, items: Iterable[int]) -> None:
    files = XnatFileSystem.__new__(XnatFileSystem)
    files._jobs = JOBS
    files._each(work, items)


def interrupted() -> Iterator[int]:
    yield from range(ITEMS)
    raise KeyboardInterrupt


@pytest.mark.parametrize('run', [in_a_map, in_a_file_system])
def test_the_items_that_wait_are_left(run: Callable[[Work, Iterable[int]], None]) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(0.01)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        run(work, interrupted())
    assert len(done) < ITEMS / 2


@pytest.mark.parametrize('number', range(JOBS))
def test_the_threads_of_a_transfer_have_ended(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, done = WorkerPool(Report('done', ''), JOBS), list[int]()
    start, count = threading.Thread.start, iter(range(1000))

    def interrupted_start(self: threading.Thread) -> None:
        start(self)
        if next(count) == number:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, 'start', interrupted_start)

    def work(item: int) -> None:
        pool.stopping.wait(0.05)
        done.append(item)

    with pytest.raises(KeyboardInterrupt):
        pool.each(work, range(ITEMS))
    assert pool.stopping.is_set() and len(done) < ITEMS
    wait_until(lambda: not running(), 'the thread that was just started')


def running() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith('pyxnat-bulk')]
