"""Many processes on one cache, some of them killed: no wrong byte, no error, and nothing damaged in the end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests import cache_worker
from tests.conftest import DEEP, ROOT

PROCESSES, SECONDS = (16, 60) if DEEP else (4, 4)


@pytest.mark.skipif(sys.platform == 'win32', reason='processes are killed with SIGKILL')
def test_many_processes_read_write_and_prune_while_others_are_killed(server: Any, xnat: pyxnat.Interface, tmp_path: Path) -> None:
    resource = xnat.select.project('SHARED').create().resource('R')
    for name in cache_worker.NAMES:
        resource.file(name).put(cache_worker.content_of(name))
    cachedir = tmp_path / 'shared'

    def start(seconds: float) -> subprocess.Popen[str]:
        words = [sys.executable, '-m', 'tests.cache_worker', server.url, server.user, server.password, str(cachedir), str(max(seconds, 1))]
        return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    chance = random.Random(5)
    until = time.monotonic() + SECONDS
    workers = [start(SECONDS) for _ in range(PROCESSES)]
    ended, killed = [], 0
    while (left := until - time.monotonic()) > 1:
        time.sleep(chance.uniform(0.1, 0.5))
        victim = workers.pop(chance.randrange(len(workers)))
        if victim.poll() is None:
            victim.send_signal(signal.SIGKILL)
        ended.append(victim)
        killed += 1
        workers.append(start(left))
    outcomes = [(worker, *worker.communicate(timeout=120)) for worker in [*ended, *workers]]
    for worker, _, said in outcomes:
        assert worker.returncode in (0, -signal.SIGKILL), said
    done = sum(int(output) for worker, output, _ in outcomes if worker.returncode == 0)
    assert killed >= 3 and done > 50, (killed, done)

    with pyxnat.Interface(server.url, server.user, server.password, cachedir) as interface:
        assert interface.cache.verify().is_clean
        assert not interface.cache.verify().foreign
        for file in interface.select(f'{cache_worker.RESOURCE}/files'):
            assert Path(file.get()).read_bytes() == cache_worker.content_of(file.label())
