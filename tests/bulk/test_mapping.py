"""Tests of mapping a function over elements: in threads, processes and a cluster, with a log."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP


@pytest.fixture
def subjects(project: Any) -> Any:
    project.subjects().insert(
        [{'label': f'S{number}', 'yob': 1980 + number} for number in range(8)], jobs=1
    )
    return project.subjects()


def numbers(subjects: Any) -> list[int]:
    """Return the numbers of the subjects, in the order of XNAT's listing."""
    return [int(label[1:]) for label in subjects.get('label')]


def year_of(subject: Any) -> int:
    """A function in a module, so that it can be pickled."""
    return int(subject.attrs.get('yob'))


def year_and_process(subject: Any) -> tuple[int, int]:
    return year_of(subject), os.getpid()


def test_results_come_in_order_with_their_elements(subjects: Any) -> None:
    mapped = subjects.map(year_of)
    assert [(outcome.element.label(), outcome.result) for outcome in mapped] == [
        (f'S{number}', 1980 + number) for number in numbers(subjects)
    ]
    assert (
        mapped.results == [1980 + number for number in numbers(subjects)]
        and mapped.is_complete
        and len(mapped) == 8
        and mapped[2].ok
    )


def test_the_requested_number_of_threads_works(subjects: Any) -> None:
    together = threading.Barrier(4, timeout=20)
    assert subjects.map(lambda subject: together.wait() is not None, jobs=4).results == [True] * 8


def test_processes_share_the_login_session(subjects: Any) -> None:
    mapped = subjects.map(year_and_process, processes=2)
    assert [result[0] for result in mapped.results] == [
        1980 + number for number in numbers(subjects)
    ]
    assert os.getpid() not in {result[1] for result in mapped.results}


def test_failures_are_collected(subjects: Any) -> None:
    def fails_for_some(subject: Any) -> str:
        if subject.label() in ('S1', 'S3'):
            raise ValueError(f'no {subject.label()}')
        return subject.label()

    mapped = subjects.map(fails_for_some)
    assert mapped.results == [
        None if number in (1, 3) else f'S{number}' for number in numbers(subjects)
    ]
    assert (
        sorted(str(failure.error) for failure in mapped.failed) == ['no S1', 'no S3']
        and not mapped.is_complete
    )
    assert 'no S1' in str(mapped) and isinstance(
        mapped[numbers(subjects).index(1)].error, ValueError
    )


@pytest.mark.parametrize('error', [errors.AuthenticationError('wrong'), KeyboardInterrupt()])
def test_an_error_that_affects_all_elements_stops_the_run(
    error: BaseException, subjects: Any
) -> None:
    def fails(subject: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        subjects.map(fails)


def test_elements_in_the_log_are_skipped(subjects: Any, tmp_path: Path) -> None:
    log, done = tmp_path / 'log.jsonl', []

    def once(subject: Any) -> str:
        done.append(subject.label())
        if subject.label() == 'S5' and len(done) <= 8:
            raise ValueError('not yet')
        return subject.label()

    assert not subjects.map(once, log=log).is_complete
    entries = {entry['uri']: entry for entry in map(json.loads, log.read_text().splitlines())}
    assert len(entries) == 8 and [
        entry['error'] for entry in entries.values() if not entry['ok']
    ] == ['ValueError: not yet']
    mapped = subjects.map(once, log=log)
    assert (
        done[8:] == ['S5']
        and mapped.is_complete
        and mapped.results == [f'S{number}' for number in numbers(subjects)]
    )
    assert (len(mapped.ok), len(mapped.skipped)) == (1, 7) and mapped[
        numbers(subjects).index(0)
    ].is_earlier


def test_an_element_whose_log_line_was_truncated_is_repeated(subjects: Any, tmp_path: Path) -> None:
    log = tmp_path / 'log.jsonl'
    subjects.map(year_of, log=log)
    log.write_bytes(log.read_bytes()[:-20])
    assert len(subjects.map(year_of, log=log).ok) == 1
    assert len(subjects.map(year_of, log=log).ok) == 0


def test_elements_whose_results_json_cannot_represent_count_as_done(
    subjects: Any, tmp_path: Path
) -> None:
    log = tmp_path / 'log.jsonl'
    assert {type(result) for result in subjects.map(lambda subject: object(), log=log).results} == {
        object
    }
    assert subjects.map(lambda subject: object(), log=log).results == [None] * 8


def test_zero_workers_are_an_error(subjects: Any) -> None:
    for how in ({'jobs': 0}, {'processes': 0}):
        with pytest.raises(errors.ProgrammingError):
            subjects.map(year_of, **how)


def test_a_function_that_cannot_be_called_or_pickled_is_an_error_at_once(
    subjects: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    with pytest.raises(errors.ProgrammingError, match='cannot be called'):
        subjects.map('year')
    with pytest.raises(
        errors.ProgrammingError, match='cannot be sent to other processes.*Define it in a module'
    ):
        subjects.map(lambda subject: subject.label(), processes=2, log=tmp_path / 'log')
    assert not (tmp_path / 'log').exists()


@pytest.mark.skipif(not DEEP, reason='starts processes of a cluster')
def test_elements_can_be_tasks_of_a_cluster(subjects: Any, xnat: pyxnat.Interface) -> None:
    distributed = pytest.importorskip('distributed')
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        results = client.gather(client.map(year_and_process, list(iter(subjects))))
    assert [year for year, _ in results] == [1980 + number for number in numbers(subjects)]
    assert os.getpid() not in {process for _, process in results}
