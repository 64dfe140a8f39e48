"""Tests of many processes with one cache, some of them killed: no wrong byte, error or damage."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.conftest import DEEP, ROOT
from tests.support import cache_worker
from tests.support.waiting import GENEROUS_S, wait_until

PROCESSES, KILLS, TASKS = (16, 120, 20_000) if DEEP else (4, 5, 100)


@pytest.mark.skipif(sys.platform == 'win32', reason='processes are killed with SIGKILL')
def test_processes_read_write_and_prune_while_others_are_killed(
    server: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    resource = xnat.select.project('SHARED').create().resource('R')
    for name in cache_worker.NAMES:
        resource.file(name).put(cache_worker.content_of(name))
    cachedir, told, stop = tmp_path / 'shared', tmp_path / 'told', tmp_path / 'stop'
    words = [
        sys.executable,
        '-m',
        'tests.support.cache_worker',
        server.url,
        server.user,
        server.password,
        str(cachedir),
        str(stop),
    ]
    chance, workers, ended = random.Random(5), [], []
    with told.open('ab') as output:

        def start() -> None:
            workers.append(
                subprocess.Popen(words, cwd=ROOT, stdout=output, stderr=subprocess.PIPE, text=True)
            )

        def see_done(count: int) -> None:
            """Wait until this number of tasks was done, or until a process has ended.

            The error of that process shows later.
            """
            wait_until(
                lambda: (
                    told.stat().st_size >= count
                    or any(worker.poll() is not None for worker in workers)
                ),
                f'{count} tasks to be done',
            )

        for _ in range(PROCESSES):
            start()
        for _ in range(KILLS):
            see_done(told.stat().st_size + chance.randrange(1, 2 * TASKS // KILLS))
            victim = workers.pop(chance.randrange(len(workers)))
            victim.send_signal(signal.SIGKILL)
            ended.append(victim)
            start()
        see_done(TASKS)
        stop.touch()
        for worker in [*ended, *workers]:
            _, said = worker.communicate(timeout=2 * GENEROUS_S)
            assert worker.returncode == (-signal.SIGKILL if worker in ended else 0), said

    with pyxnat.Interface(server.url, server.user, server.password, cachedir) as interface:
        assert interface.cache.verify().is_clean
        assert not interface.cache.verify().foreign
        for file in interface.select(f'{cache_worker.RESOURCE}/files'):
            assert Path(file.get()).read_bytes() == cache_worker.content_of(file.label())
