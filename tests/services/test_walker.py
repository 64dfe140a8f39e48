"""Tests of walks: parallel, in order, only as far as needed, and without leftover threads."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.query.plan import SHORT_CUTS
from tests.support.waiting import GENEROUS_S

SESSIONS = 6
ANSWER_S = 0.03


class Slow(pyxnat.Interface):
    """A connection that counts running requests, and fails on demand.

    Listings of scans are answered when `together` requests have run at one time, however late some
    threads start.
    """

    others: set[threading.Thread]

    def __init__(self, *given: Any, **more: Any) -> None:
        self.under_way, self.most, self.together, self.asked = 0, 0, 1, []  # type: ignore[var-annotated]
        self.broken = ''
        self.order: dict[str, list[str]] = {}
        self.changed = threading.Condition()
        super().__init__(*given, **more)

    def _exec(self, uri: str, *rest: Any, **more: Any) -> bytes:
        with self.changed:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.asked.append(uri)
            self.changed.notify_all()
            assert '/scans' not in uri or self.changed.wait_for(
                lambda: self.most >= self.together, GENEROUS_S
            ), f'alone: {uri}'
        try:
            time.sleep(ANSWER_S if '/scans' in uri else 0)
            if self.broken and self.broken in uri:
                raise errors.InternalError('broken', uri=uri)
            return super()._exec(uri, *rest, **more)
        finally:
            with self.changed:
                self.under_way -= 1

    def listings_of_scans(self) -> int:
        return sum('/scans' in uri for uri in self.asked)


@pytest.fixture(scope='module')
def filled(server: Any) -> str:
    """Create a project with a few sessions of two scans each."""
    with pyxnat.Interface(server.url, server.user, server.password) as interface:
        project = interface.select.project('WALKED').create()
        for number in range(SESSIONS):
            for scan in ('1', '2'):
                project.subject(f'S{number}').experiment(f'E{number}').scan(scan).create(
                    type=f'T{scan}'
                )
    return 'WALKED'


@pytest.fixture
def xnat(server: Any, filled: str, tmp_path: Any) -> Iterator[Slow]:
    with Slow(server.url, server.user, server.password, tmp_path) as interface:
        for row in interface._get_json('/data/projects/WALKED/experiments'):
            interface.order[row['label']] = [
                scan['ID'] for scan in interface._get_json(f'/data/experiments/{row["ID"]}/scans')
            ]
        assert sorted(interface.order) == [f'E{number}' for number in range(SESSIONS)] and {
            len(scans) for scans in interface.order.values()
        } == {2}
        interface.cache.expiration = 0
        interface.walker.jobs = 4
        interface.walker.without = frozenset(SHORT_CUTS)
        interface.asked.clear()
        interface.most = 0
        interface.others = threads()
        yield interface


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith('pyxnat-walk')}


def workers(xnat: Slow) -> set[threading.Thread]:
    """Return the threads of walks that began in this test."""
    return threads() - xnat.others


SCANS = '/projects/WALKED/experiments/*/scans/*'


def expected(xnat: Slow) -> list[tuple[str, str]]:
    """Return session and scan, in the order of the listings, which varies."""
    return [(session, scan) for session in xnat.order for scan in xnat.order[session]]


@pytest.mark.parametrize('jobs', [1, 3, 4])
def test_calls_on_a_whole_collection_are_parallel_and_keep_the_order(xnat: Slow, jobs: int) -> None:
    xnat.walker.jobs = xnat.together = jobs
    rows = xnat.select(SCANS).table(['experiment/label', 'ID'])
    assert [(row['experiment/label'], row['ID']) for row in rows] == expected(xnat)
    assert xnat.most == jobs and xnat.listings_of_scans() == SESSIONS
    assert not workers(xnat)


def test_the_number_of_jobs_is_an_argument_and_survives_a_pickle(
    server: Any, tmp_path: Any
) -> None:
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path, jobs=1) as interface:
        assert interface.walker.jobs == 1
        assert pickle.loads(pickle.dumps(interface)).walker.jobs == 1
    with pytest.raises(errors.ProgrammingError, match='jobs'):
        pyxnat.Interface(server.url, server.user, server.password, tmp_path, jobs=0)


@pytest.mark.parametrize(
    'look',
    [
        lambda c: c.first(),
        bool,
        lambda c: c[0],
        lambda c: c[1],
        lambda c: c[:2],
        lambda c: c.fetchmany(2),
    ],
)
def test_first_prefetches_nothing(xnat: Slow, look: Any) -> None:
    look(xnat.select(SCANS))
    assert len(xnat.asked) == 2 and xnat.most == 1


def test_the_next_session_is_requested_when_it_is_needed(xnat: Slow) -> None:
    assert xnat.select(SCANS)[2].parent().label() == list(xnat.order)[1]
    assert xnat.listings_of_scans() == 2


def test_a_loop_prefetches_more_the_longer_it_runs(xnat: Slow) -> None:
    seen = []
    for scan in xnat.select(SCANS):
        seen.append((scan.parent().label(), scan.id(), xnat.listings_of_scans()))
        xnat.together = 1 if len(seen) < 4 else 2
    assert [(session, scan) for session, scan, _ in seen] == expected(xnat)
    assert [asked for _, _, asked in seen[:2]] == [1, 1]  # no prefetch in the first session
    assert xnat.listings_of_scans() == SESSIONS and 1 < xnat.most <= 4


def test_a_stopped_loop_makes_no_more_requests_and_leaves_no_threads(xnat: Slow) -> None:
    scans = iter(xnat.select(SCANS))
    for _ in range(5):
        next(scans)
    assert workers(xnat)
    del scans
    asked = len(xnat.asked)
    assert not workers(xnat) and asked < SESSIONS + 1
    time.sleep(2 * ANSWER_S)
    assert len(xnat.asked) == asked


def test_an_error_is_raised_when_the_walk_reaches_it(xnat: Slow) -> None:
    third = xnat.select('/projects/WALKED/experiments')[2]
    xnat.broken = f'/{third.id()}/scans'
    with pytest.raises(errors.InternalError):
        xnat.select(SCANS).get()
    seen = []
    with pytest.raises(errors.InternalError):
        for scan in xnat.select(SCANS):
            seen.append(scan.parent().label())
    assert seen == [session for session, _ in expected(xnat)[:4]]
    with pytest.raises(errors.InternalError) as kept:
        xnat.select(SCANS).table(['experiment/label', 'ID'])
    assert kept.traceback  # the traceback keeps the frame of the walk
    assert not workers(xnat)


def test_len_list_and_two_loops_list_once_each(xnat: Slow) -> None:
    scans = xnat.select(SCANS)
    for consume in (list, len, tuple):
        xnat.asked.clear()
        assert consume(scans) if consume is len else len(consume(scans)) == 2 * SESSIONS
        assert xnat.listings_of_scans() == SESSIONS
    first, second = iter(scans), iter(scans)
    assert next(first) == next(second)
    assert len(scans) == 2 * SESSIONS  # a walk that has begun continues with its own responses
    assert next(first).id() == next(second).id() == expected(xnat)[1][1]


def test_nested_levels_are_prefetched_across_sessions(xnat: Slow) -> None:
    xnat.together = 4
    assert xnat.select(f'{SCANS}/resources/*/files').get() == []
    assert xnat.listings_of_scans() == SESSIONS + 2 * SESSIONS and xnat.most == 4


def test_an_exec_of_a_subclass_is_called_in_one_thread(server, tmp_path):
    class Old(pyxnat.Interface):
        def _exec(self, *args, **options):
            return super()._exec(*args, **options)

    with Old(server.url, server.user, server.password, tmp_path, jobs=8) as interface:
        assert interface.walker.jobs == 1
        assert isinstance(interface.select.projects().get(), list)
