"""Tests of the benchmarks: a wrong result is detected, and the page shows the measured figures."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.benchmarks import commands
from tests.benchmarks.__main__ import bench, main
from tests.benchmarks.filling import TINY
from tests.benchmarks.running import OURS, PEERS, Client, far
from tests.benchmarks.tasks import TASKS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'docs' / 'performance'
BY_NAME = {task.name: task for task in TASKS}


def generator() -> Any:
    """Return the module ``docs/make_performance.py``, which is not part of the package."""
    spec = importlib.util.spec_from_file_location(
        'make_performance', ROOT / 'docs' / 'make_performance.py'
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


pages = generator()

# -- figures and page


def test_the_tables_of_the_page_show_the_measured_figures() -> None:
    measured = pages.Bench.read()
    assert (FOLDER / 'tables.inc').read_text(encoding='utf-8') == pages.tables(measured), (
        'run: python docs/make_performance.py'
    )


def test_the_page_has_the_figures_of_all_commands() -> None:
    text = (FOLDER / 'commands.inc').read_text(encoding='utf-8')
    rows = [line.split(' | ') for line in text.splitlines() if ' | ' in line]
    counts = [int(count.replace(',', '')) for count in re.findall('list ([0-9,]+) subjects', text)]
    jobs = commands.jobs(counts)
    assert counts and [row[0].strip() for row in rows] == [job.title for job in jobs]
    assert all(program in text for program in commands.PROGRAMS)
    for job, row in zip(jobs, rows, strict=True):
        measured = [cell for cell in row[1:] if re.match(r'[0-9.]+ s', cell)]
        assert len(measured) == len(job.commands) and len(row) == 1 + len(commands.PROGRAMS)


def test_the_plot_shows_the_measured_figures() -> None:
    assert pages.Bench.read().digest in (FOLDER / 'plot.svg').read_text(encoding='utf-8'), (
        'run: python docs/make_performance.py'
    )


def test_the_page_lists_the_tasks_in_which_another_client_is_faster() -> None:
    assert (FOLDER / 'losses.inc').read_text(encoding='utf-8') == pages.listed(
        pages.Bench.read()
    ), 'run: python docs/make_performance.py'


def test_all_tasks_and_clients_were_measured_and_ours_was_right() -> None:
    measured = pages.Bench.read()
    assert list(measured.titles) == list(BY_NAME)
    assert {row['delay_ms'] for row in measured.rows} == {0, 20, 100}
    assert measured.clients == ['pyxnat 2', 'pyxnat 1.6.4', 'xnatpy 0.8.1', 'xnatctl 0.6.0', 'curl']
    ours = [row for row in measured.rows if row['client'] == pages.OURS]
    assert all(map(pages.is_right, ours))
    assert {(row['task'], row['delay_ms']) for row in ours} == {
        (task.name, delay) for task in TASKS for delay in (0, 20, 100) if task.is_far or not delay
    }


def test_the_tests_that_the_page_names_exist() -> None:
    named = re.findall(
        r'``([\w/]+\.py)``:\s+``(test_\w+)``',
        (ROOT / 'docs' / 'performance.rst').read_text(encoding='utf-8'),
    )
    assert len(named) > 10
    assert [
        name
        for file, name in named
        if f'def {name}(' not in (ROOT / 'tests' / file).read_text(encoding='utf-8')
    ] == []


def row(client: str, task: str = 'many', delay_ms: int = 0, **figures: Any) -> dict[str, Any]:
    return {
        'client': client,
        'task': task,
        'delay_ms': delay_ms,
        'asked': 2,
        'found': 2,
        'wrong': 0,
        'requests': 3,
        'seconds': 1.0,
        'cpu_s': 0.5,
    } | figures


@pytest.mark.parametrize(
    ('ours', 'other', 'lost'),
    [
        ({}, {}, []),
        ({}, {'requests': 2}, ['many at 0 ms: 3 requests, other 2']),
        ({}, {'requests': 2, 'found': 1}, []),
        ({'seconds': 1.09}, {}, []),
        (
            {'seconds': 1.2},
            {},
            ['many at 0 ms: 1.200 s (0.500 s CPU), other 1.000 s (0.500 s CPU): 1.20x'],
        ),
        ({'seconds': 1.2, 'delay_ms': 20}, {'delay_ms': 20}, []),
        (
            {'seconds': 1.2, 'delay_ms': 20},
            {'delay_ms': 20, 'requests': 4},
            ['many at 20 ms: 1.200 s (0.500 s CPU), other 1.000 s (0.500 s CPU): 1.20x'],
        ),
        ({'found': 1}, {}, ['many at 0 ms: wrong, 1 of 2 found, 0 others']),
    ],
)
def test_a_slower_or_heavier_result_counts_as_a_loss(
    ours: dict[str, Any], other: dict[str, Any], lost: list[str]
) -> None:
    measured = pages.Bench(
        {}, {'many': 'many'}, [row(pages.OURS, **ours), row('other', **other)], ''
    )
    assert list(pages.losses(measured)) == lost


@pytest.mark.parametrize(('seconds', 'loses'), [(1.19, False), (1.21, True)])
def test_many_files_are_compared_with_curl(seconds: float, loses: bool) -> None:
    measured = pages.Bench(
        {}, {'many': 'many'}, [row(pages.OURS, seconds=seconds), row(pages.CURL, requests=1)], ''
    )
    assert bool(list(pages.losses(measured))) is loses


def test_tables_show_missing_and_wrong_results() -> None:
    rows = [
        row(pages.OURS, seconds=2.0),
        row('fast', seconds=1.0, found=1),
        row('other', task='else', seconds=1.0),
    ]
    lines = pages.table(
        pages.Bench({}, {'many': '', 'else': ''}, rows, ''),
        0,
        'Seconds',
        lambda one: f'{one["seconds"]:.1f}',
        lambda one: one['seconds'],
    )
    assert lines.splitlines()[-2:] == [
        '   "``many``", "**2.0**", "1.0 †", "–"',
        '   "``else``", "–", "–", "**1.0**"',
    ]


# -- the program


def test_our_client_is_measured_on_a_tiny_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / 'bench.json'
    words = [
        '--tiny',
        '--delays',
        '5',
        '--rounds',
        '1',
        '--tasks',
        'connect,sessions,many',
        '--clients',
        OURS.name,
        '--json',
        str(target),
    ]
    monkeypatch.setattr(sys, 'argv', ['bench', *words])
    assert main() == 0
    measured = pages.Bench.read(target)
    rows = {row['task']: row for row in measured.rows}
    assert list(rows) == list(measured.titles) == ['connect', 'sessions', 'many']
    assert all(
        pages.is_right(row) and row['seconds'] > 0 and row['cpu_s'] > 0 for row in rows.values()
    )
    assert (rows['connect']['requests'], rows['sessions']['asked']) == (
        0,
        TINY.projects * TINY.subjects * 2 + 1,
    )
    assert rows['many']['received'] > TINY.many * 4096
    assert capsys.readouterr().out.count(OURS.name) == 3


PEER = f"""
import http.client, sys
sys.path.insert(0, {str(PEERS)!r})
from common import run

def scans(url, *given):
    return [('E', '1', 'T1', 'usable')]

def table(url, *given):
    connection = http.client.HTTPConnection(url.removeprefix('http://'))
    for _ in range(2):
        connection.request('GET', '/data/version')
        connection.getresponse().read()

run(lambda url, user, password: url, vars())
"""


def test_wrong_results_are_marked_and_slow_clients_are_not_waited_for(tmp_path: Path) -> None:
    program = tmp_path / 'peer.py'
    program.write_text(PEER)
    tasks = [BY_NAME['scans'], BY_NAME['fields'], BY_NAME['table']]
    rows = list(bench(TINY, tasks, [Client('fast', str(program))], [0, 30_000], 1))
    assert [(row.task, row.delay_ms, row.is_right, row.is_reckoned) for row in rows] == [
        ('scans', 0, False, False),
        ('table', 0, False, False),
        ('scans', 30_000, False, False),
        ('table', 30_000, False, True),
    ]
    assert (rows[0].asked, rows[0].found, rows[0].wrong) == (2 * (2 * TINY.subjects + 1), 0, 1)
    assert (rows[1].requests, rows[1].asked, rows[1].found, rows[1].wrong) == (
        2,
        TINY.projects * (2 * TINY.subjects - 1),
        0,
        0,
    )
    assert rows[3] == rows[1]._replace(delay_ms=30_000, seconds=60.0, is_reckoned=True)


def test_the_proxy_adds_latency_and_counts(server: Any, tmp_path: Path) -> None:
    with far((server.url, server.user, server.password)) as proxy:
        proxy.delay(100)
        with pyxnat.Interface(proxy.url, server.user, server.password, tmp_path) as xnat:
            started = time.perf_counter()
            body = xnat.get('/data/projects').content
            took = time.perf_counter() - started
        assert took >= 0.2, 'once for the connection, and once for the request'
        counts = proxy.counts()
        assert counts['requests'] == 1 + 1, 'with the end of the session'
        assert counts['received'] > len(body) and counts['sent'] > 0
        assert proxy.counts()['requests'] == 0
