"""Tests of maps with executors: partitions, pools, dask, submitit, killed workers, memory."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.conftest import DEEP
from tests.support import mapped as functions
from tests.support.archive import put_each
from tests.support.many_scans import serve_scans

COUNT = 8
SPAWN = multiprocessing.get_context('spawn')
deep = pytest.mark.skipif(not DEEP, reason='starts processes of a cluster')


@pytest.fixture
def subjects(project: Any, xnat: pyxnat.Interface) -> Any:
    """Create the subjects S0 to S7; S5 has no year."""
    rows = {
        f'/subjects/S{number}' + (f'?yob={1980 + number}' if number != 5 else ''): None
        for number in range(COUNT)
    }
    put_each(xnat, f'/projects/{project.id()}', rows)
    return project.subjects()


@pytest.fixture
def login(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the login into the environment, where workers find it."""
    monkeypatch.setenv('XNAT_HOST', server.url)
    monkeypatch.setenv('XNAT_USER', server.user)
    monkeypatch.setenv('XNAT_PASS', server.password)
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parents[2]))


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


# -- partitions


def scans(xnat: pyxnat.Interface, *counts: int) -> list[Any]:
    """Return scans of several sessions; nothing is requested."""
    return [
        xnat.select(f'/projects/P/subjects/S/experiments/E{session}/scans/{number}')
        for session, count in enumerate(counts)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ('size', 'by', 'wanted'),
    [
        (4, 'experiment', [4, 2, 7]),
        (6, 'experiment', [6, 7]),
        (1, 'experiment', [3, 1, 2, 7]),
        (100, 'subject', [13]),
        (4, None, [4, 4, 4, 1]),
        (5, 'assessor', [5, 5, 3]),
    ],
)
def test_parts_keep_experiments_together(
    xnat: pyxnat.Interface, size: int, by: str | None, wanted: list[int]
) -> None:
    elements = scans(xnat, 3, 1, 2, 7)
    parts = list(xnat.bulk.partitions(elements, size, by))
    assert list(map(len, parts)) == wanted
    assert [element for part in parts for element in part] == elements


def test_wrong_sizes_and_levels_are_errors(subjects: Any) -> None:
    for how in ((0,), (5, 'session')):
        with pytest.raises(errors.ProgrammingError):
            subjects.partitions(*how)


def test_an_element_of_a_part_knows_its_listing(subjects: Any, xnat: pyxnat.Interface) -> None:
    (part,) = subjects.with_columns('yob').partitions()
    part = pickle.loads(pickle.dumps(part))
    with xnat.trace() as trace:
        labels = sorted(element.label() for element in part)
        years = sorted(element.row['yob'] for element in part)
    assert (labels[0], years[-1], len(trace)) == ('S0', '1987', 0)


def contents(part: Any) -> bytes:
    """Return all bytes of a pickle of a partition, those that are compressed, too."""
    return pickle.dumps(part) + zlib.decompress(part.packed.text)


def test_no_pickle_and_no_graph_has_a_secret(
    subjects: Any, xnat: pyxnat.Interface, server: Any
) -> None:
    parts = list(subjects.partitions(3))
    texts = [*map(contents, parts), pickle.dumps(xnat.without_secrets())]
    if sys.modules.get('dask') or DEEP:
        graph = pytest.importorskip('dask.bag') and subjects.to_dask_bag(3).dask
        texts.append(pickle.dumps(dict(graph)))
    secrets = [server.password, *xnat.connection.transport.session.cookies().values()]
    assert len(secrets) > 1
    assert [text for text in texts for secret in secrets if secret.encode() in text] == []
    assert max(len(pickle.dumps(part)) for part in parts) < 2000


def test_tokens_take_no_request(subjects: Any, xnat: pyxnat.Interface) -> None:
    parts = list(subjects.partitions(3))
    again = xnat.select(f'/projects/{subjects.routes[0][0].name}/subjects')
    criteria = [('xnat:subjectData/GENDER', '=', 'male')]
    with xnat.trace() as trace:
        tokens = {
            str(one.__dask_tokenize__())
            for one in (
                xnat,
                subjects,
                again,
                subjects.where(criteria),
                again.where(criteria),
                subjects.with_columns('yob'),
                xnat.select.project('P'),
                *parts,
                *pickle.loads(pickle.dumps(parts)),
            )
        }
    assert (len(tokens), len(trace)) == (5 + len(parts), 0)


# -- executors


def test_results_are_in_the_order_of_the_elements(subjects: Any, tmp_path: Path) -> None:
    log = tmp_path / 'log.jsonl'
    with ThreadPoolExecutor(3) as pool:
        done = subjects.map(functions.year_of, executor=pool, batch=3, log=log)
        names = [element.label() for element in subjects]
        assert [outcome.element.label() for outcome in done] == names
        assert [outcome.result for outcome in done if outcome.ok] == [
            1980 + int(name[1:]) for name in names if name != 'S5'
        ]
        assert (len(done), len(done.ok), len(done.skipped), len(done.failed)) == (8, 7, 0, 1)
        assert repr(done) == '<EngineMapped: 7 done, 0 skipped, 1 failed>'
        failed = names.index('S5')
        assert isinstance(done[failed].error, ValueError)
        assert done[failed - COUNT].element == done[failed].element
        assert [outcome.element for outcome in done[2:4]] == [*subjects][2:4]
        assert Counter(line['ok'] for line in lines(log)) == {True: 7, False: 1}
        subjects[failed].attrs.set('yob', '1985')
        again = subjects.map(functions.year_of, executor=pool, batch=3, log=log)
        assert (len(again.ok), len(again.skipped), len(again.failed)) == (1, 7, 0)
        assert again.results == [1980 + int(name[1:]) for name in names]
        assert list(again.ok) == [subjects[failed].uri]
        assert len(list(again.skipped)) == 7 and again[0].is_earlier is (failed != 0)
    assert Counter(line['uri'] for line in lines(log) if line['ok']) == Counter(
        subject.uri for subject in subjects
    )


def test_threads_may_return_anything(subjects: Any) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = subjects.map(
            lambda subject: (subject.label(), lambda: None),
            executor=pool,
            connect=lambda: pyxnat.Interface(),
        )
    assert [name for name, _ in done.results] == [element.label() for element in subjects]


def test_processes_have_a_session_each(subjects: Any, xnat: pyxnat.Interface, login: None) -> None:
    with ProcessPoolExecutor(2 if DEEP else 1, SPAWN) as pool:
        done = subjects.map(functions.process_and_session, executor=pool, batch=1)
    found = {outcome.result for outcome in done if outcome.ok}
    processes, sessions = map(set, zip(*found, strict=True))
    assert len(found) == len(processes) == len(sessions) <= 2
    assert os.getpid() not in processes
    assert xnat.connection.transport.session.cookies()['JSESSIONID'] not in sessions
    assert {str(outcome.error)[:18] for outcome in done if not outcome.ok} == {'invalid literal fo'}


def test_a_killed_worker_of_a_pool_loses_nothing(
    subjects: Any, login: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / 'log.jsonl'
    monkeypatch.setenv('MARKS', str(tmp_path))
    fork = multiprocessing.get_context('fork')  # starts faster, and shares the session
    for _ in range(2):
        with (
            ProcessPoolExecutor(1, fork) as pool,
            pytest.raises(errors.OperationalError, match='same log and a new executor'),
        ):
            subjects.map(functions.dies_once, executor=pool, batch=1, log=log)
    before = len(lines(log))
    with ProcessPoolExecutor(1, fork) as pool:
        done = subjects.map(functions.dies_once, executor=pool, batch=1, log=log)
    assert done.is_complete and len(done.skipped) == before < COUNT
    assert done.results == [element.label() for element in subjects]
    assert Counter(line['uri'] for line in lines(log)) == Counter(map(str, _uris(subjects)))


def _uris(elements: Any) -> list[str]:
    return [element.uri for element in elements]


class Lossy(ThreadPoolExecutor):
    """Loses the tasks of some elements, as an engine does whose workers die."""

    def __init__(self, *names: str) -> None:
        super().__init__(1)
        self._names = {*names}

    def submit(self, function: Any, /, *given: Any, **options: Any) -> Any:  # type: ignore[override]
        names = {element.label() for element in given[1]}
        if not names & self._names:
            return super().submit(function, *given, **options)
        return super().submit(self._lose)

    def _lose(self) -> None:
        raise RuntimeError('the worker died')


def test_lost_tasks_are_run_again_and_reported(subjects: Any, tmp_path: Path) -> None:
    log = tmp_path / 'log.jsonl'
    with Lossy('S2', 'S6') as pool:
        done = subjects.map(functions.name_of, executor=pool, batch=5, log=log)
    assert {done[at].element.label() for at in range(COUNT) if not done[at].ok} == {'S2', 'S6'}
    assert {str(failure.error) for failure in done.failed} == {'the worker died'}
    assert Counter(line['uri'] for line in lines(log)) == Counter(_uris(subjects))
    with (
        Lossy(*[f'S{number}' for number in range(COUNT)]) as pool,
        pytest.raises(errors.OperationalError, match='RuntimeError: the worker died'),
    ):
        subjects.map(functions.name_of, executor=pool, batch=1, log=tmp_path / 'other')
        subjects.map(functions.name_of, executor=pool, batch=2)


def test_a_function_that_cannot_be_sent_is_an_error(subjects: Any, login: None) -> None:
    with (
        ProcessPoolExecutor(1, SPAWN) as pool,
        pytest.raises(errors.ProgrammingError, match='cannot be sent to workers'),
    ):
        subjects.map(lambda subject: subject.label(), executor=pool)
    with pytest.raises(errors.ProgrammingError, match='cannot be called'):
        subjects.map('label', executor=pool)
    with pytest.raises(errors.ProgrammingError, match='Give one of them'):
        subjects.map(functions.name_of, executor=pool, processes=2)


def test_an_error_that_affects_all_elements_stops_the_run(subjects: Any, tmp_path: Path) -> None:
    log, done = tmp_path / 'log.jsonl', []

    def fails_at_last(subject: Any) -> str:
        if len(done) == 3:
            raise errors.AuthenticationError('the login ended')
        done.append(subject.uri)
        return ''

    with ThreadPoolExecutor(1) as pool, pytest.raises(errors.AuthenticationError):
        subjects.map(fails_at_last, executor=pool, batch=2, log=log)
    assert [line['uri'] for line in lines(log)] == done


def test_errors_that_cannot_be_pickled_are_reported(subjects: Any) -> None:
    class Odd(Exception):
        def __init__(self, one: str, other: str) -> None:
            super().__init__(one + other)

    def fails(subject: Any) -> None:
        raise Odd('a', 'b')

    with ThreadPoolExecutor(1) as pool:
        done = subjects.map(fails, executor=pool)
    assert {str(failure.error) for failure in done.failed} == {'Odd: ab'}


@deep
def test_workers_without_a_login_stop_the_run(
    subjects: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ('XNAT_HOST', 'XNAT_USER', 'XNAT_PASS'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    with (
        ProcessPoolExecutor(1, SPAWN) as pool,
        pytest.raises((errors.ConfigurationError, errors.AuthenticationError)),
    ):
        subjects.map(functions.year_of, executor=pool)


@deep
def test_workers_connect_by_a_function(
    subjects: Any, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv('BY_HAND_SERVER', server.url)
    monkeypatch.setenv('BY_HAND_USER', server.user)
    monkeypatch.setenv('BY_HAND_PASS', server.password)
    with ProcessPoolExecutor(2, SPAWN) as pool:
        done = subjects.map(
            functions.process_and_session,
            executor=pool,
            batch=1,
            connect=functions.connect_by_hand,
        )
    found = {outcome.result for outcome in done if outcome.ok}
    assert len({process for process, _ in found}) == len(found) > 0


# -- engines


@deep
def test_killed_workers_of_a_dask_cluster(
    subjects: Any, login: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip('distributed')
    log = tmp_path / 'log.jsonl'
    monkeypatch.setenv('MARKS', str(tmp_path))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        done = subjects.map(functions.dies_once, executor=client.get_executor(), batch=2, log=log)
        assert done.results == [element.label() for element in subjects]
        bag = subjects.to_dask_bag(3)
        assert bag.npartitions == 3
        assert bag.map(functions.name_of).compute() == [one.path_name for one in subjects]
    assert (tmp_path / 'S3').exists() and (tmp_path / 'S6').exists()
    assert Counter(line['uri'] for line in lines(log)) == Counter(_uris(subjects))


def test_dask_in_threads(subjects: Any) -> None:
    distributed = pytest.importorskip('distributed')
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
    ) as client:
        done = subjects.map(functions.name_of, executor=client.get_executor(), batch=3)
        assert done.results == [element.path_name for element in subjects]
        bag = subjects.to_dask_bag(3).map(functions.name_of)
        assert bag.compute() == done.results


@pytest.mark.parametrize('cluster', ['debug', pytest.param('local', marks=deep)])
def test_submitit(subjects: Any, login: None, tmp_path: Path, cluster: str) -> None:
    submitit = pytest.importorskip('submitit')
    executor = submitit.AutoExecutor(tmp_path / 'jobs', cluster=cluster)
    executor.update_parameters(timeout_min=2)
    done = subjects.map(functions.name_of, executor=executor, batch=5)
    assert done.results == [element.path_name for element in subjects]


CLIENT = """
import concurrent.futures, re, sys
import pyxnat
from tests.support.mapped import name_of
def peak_mib():
    with open('/proc/self/status') as file:
        return int(re.search(r'VmHWM:\\s+(\\d+)', file.read())[1]) / 2**10
url, folder = sys.argv[1:]
with (pyxnat.Interface(url, 'me', 'secret', folder + '/cache') as xnat,
      concurrent.futures.ThreadPoolExecutor(1) as pool):
    scans = xnat.select('/projects/P/experiments/*/scans')
    done = scans.map(name_of, executor=pool, log=folder + '/log.jsonl')
    first = len(done.ok)
    done = scans.map(name_of, executor=pool, log=folder + '/log.jsonl')
    print(first, len(done.skipped), sum(1 for one in done if one.ok), peak_mib())
"""
SCANS = 1_000_000 if DEEP else 1_000


@pytest.mark.skipif(sys.platform != 'linux', reason='peak memory is read where the system tells it')
def test_a_million_elements_take_little_memory(tmp_path: Path) -> None:
    with serve_scans(SCANS) as server:
        done = subprocess.run(
            [sys.executable, '-c', CLIENT, server.url, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert (done.returncode, done.stderr) == (0, '')
    *counts, peak = map(float, done.stdout.split())
    assert counts == [SCANS] * 3 and peak <= 200
