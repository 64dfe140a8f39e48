"""Tests of a download that is killed at any moment and run again until it is complete.

The bytes are the same, and no published file is requested twice.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.services.bulk import verify
from tests.conftest import DEEP
from tests.support.faults import Exchange, FaultProxy
from tests.support.waiting import GENEROUS_S, wait_until

pytestmark = pytest.mark.skipif(
    not hasattr(signal, 'SIGKILL'), reason='processes are killed as POSIX does it'
)

FILES, KILLS = (2000, 50) if DEEP else (200, 3)
SCANS = 4
LONGEST_S = 1.5 if DEEP else 0.6
"""Longest time of a run in seconds, before it is killed."""

CLIENT = """
import sys, pyxnat
url, user, password, folder = sys.argv[1:]
with pyxnat.Interface(url, user, password, folder + '-cache') as interface:
    print('begun', flush=True)
    scans = interface.select('/projects/KILLED/subjects/S/experiments/E/scans')
    report = scans.download(folder, layout='{scan}/{path}')
    sys.exit(0 if report.is_complete else 3)
"""


def content_of(scan: int, number: int) -> bytes:
    return random.Random(f'{scan}/{number}').randbytes(3000 + number * 7)


@pytest.fixture
def archive(server: Any, tmp_path: Path) -> Any:
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path / 'cache'
    ) as interface:
        folder = tmp_path / 'source'
        for scan in range(1, SCANS + 1):
            (folder / f'{scan}/DICOM').mkdir(parents=True)
            for number in range(FILES // SCANS):
                (folder / f'{scan}/DICOM/{number}.dcm').write_bytes(content_of(str(scan), number))
        session = interface.select.project('KILLED').create().subject('S').experiment('E')
        assert session.upload(folder).is_complete
    return server


def published(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob('[0-9]*.dcm')}


def run(proxy: FaultProxy, server: Any, folder: Path, kill_after_s: float | None) -> int:
    process = subprocess.Popen(
        [sys.executable, '-c', CLIENT, proxy.url, server.user, server.password, str(folder)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        try:
            return process.wait(kill_after_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            return process.wait()


def asked_singly(seen: list[str]) -> set[str]:
    found = (re.search(r'/scans/([^/]+)/resources/[^/]+/files/(.+)', line) for line in seen)
    return {f'{one[1]}/{one[2]}' for one in found if one}


def asked_whole(seen: list[str]) -> set[str]:
    """Return the scans that were requested as zips."""
    found = [re.search(r'/scans/([^/?]+)/.*format=zip', line) for line in seen]
    names = {name for one in found if one for name in one[1].split(',')}
    return {str(scan) for scan in range(1, SCANS + 1)} if 'ALL' in names else names


def test_a_killed_download_completes_when_it_is_run_again(archive: Any, tmp_path: Path) -> None:
    folder, chance, kills = tmp_path / 'd', random.Random(7), 0
    everything = {
        f'{scan}/{number}.dcm' for scan in range(1, SCANS + 1) for number in range(FILES // SCANS)
    }
    with FaultProxy(archive.url) as proxy:
        while kills < KILLS:
            before = published(folder)
            proxy.seen.clear()
            kills += run(proxy, archive, folder, chance.uniform(0.02, LONGEST_S)) < 0
            singly, zipped = asked_singly(proxy.seen), asked_whole(proxy.seen)
            assert singly & before == set()
            assert zipped <= {name.partition('/')[0] for name in everything - before}
            assert len(singly) < 50 or not zipped
            assert all(
                (folder / name).read_bytes() == content_of(*place(name))
                for name in published(folder)
            )
            if published(folder) == everything:  # restart with part of the files
                for name in chance.sample(sorted(everything), FILES * 3 // 4):
                    (folder / name).unlink()
        assert run(proxy, archive, folder, None) == 0
    assert (
        published(folder) == everything
        and verify(folder).is_clean
        and len(verify(folder).ok) == FILES
    )
    assert [path.name for path in folder.rglob('.*.part')] == []


INTERRUPTED = """
import signal, sys, pyxnat
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell ignores it
url, user, password, folder, jobs = sys.argv[1:]
with pyxnat.Interface(url, user, password, folder + '-cache') as interface:
    scans = '/projects/KILLED/subjects/S/experiments/E/scans'
    files = interface.select(scans + '/*/resources/*/files/*.dcm')
    try:
        files.download(folder, layout='{scan}/{path}', jobs=int(jobs))
    except KeyboardInterrupt:
        print('interrupted', flush=True)
        raise
"""


def whole(exchange: Exchange) -> None:
    exchange.client.sendall(exchange.forward())


def half_of_it(released: threading.Event) -> Callable[[Exchange], None]:
    """Send half of a response, and the rest only after `release`."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        exchange.client.sendall(answer[: len(answer) // 2])
        assert released.wait(GENEROUS_S)
        exchange.client.sendall(answer[len(answer) // 2 :])

    return fault


@pytest.mark.parametrize('jobs', [1, 4])
def test_an_interrupt_ends_the_run_soon_and_leaves_no_partial_file(
    archive: Any, tmp_path: Path, jobs: int
) -> None:
    folder, released = tmp_path / 'd', threading.Event()
    with FaultProxy(archive.url) as proxy:
        proxy.applies, proxy.faults = (
            (lambda method, uri: 'format=zip' in uri),
            [whole, *[half_of_it(released)] * (SCANS - 1)],
        )
        words = [
            sys.executable,
            '-c',
            INTERRUPTED,
            proxy.url,
            archive.user,
            archive.password,
            str(folder),
            str(jobs),
        ]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                wait_until(lambda: len(published(folder)) >= 5, 'five files to be downloaded')
                process.send_signal(signal.SIGINT)
                assert (
                    process.stdout is not None
                    and process.stdout.readline() == 'interrupted\n'
                    and not released.is_set()
                )
                released.set()
                _, said = process.communicate(timeout=GENEROUS_S)
            finally:
                released.set()
                process.kill()
        assert said.rstrip().endswith('KeyboardInterrupt'), said
    there = published(folder)
    assert 5 <= len(there) < FILES and [path.name for path in folder.rglob('.*.part')] == [], said
    assert len(verify(folder).ok) == len(there) and verify(folder).is_clean
    with FaultProxy(archive.url) as proxy:
        assert run(proxy, archive, folder, None) == 0
        assert asked_singly(proxy.seen) & there == set()
    assert len(published(folder)) == FILES and verify(folder).is_clean


def nothing_of_it(released: threading.Event) -> Callable[[Exchange], None]:
    """Send no response before `release`."""

    def fault(exchange: Exchange) -> None:
        assert released.wait(GENEROUS_S)
        exchange.client.sendall(exchange.forward())

    return fault


@pytest.mark.parametrize('stalled', [half_of_it, nothing_of_it])
@pytest.mark.parametrize('jobs', [1, 2])
def test_an_interrupt_ends_any_wait_at_once(
    archive: Any, tmp_path: Path, jobs: int, stalled: Any
) -> None:
    folder, released = tmp_path / 'd', threading.Event()
    with FaultProxy(archive.url) as proxy:
        proxy.applies = lambda method, uri: (
            method == 'GET' and ('format=zip' in uri or '/files/' in uri)
        )
        proxy.faults = [whole, *[stalled(released)] * (2 * SCANS)]
        words = [
            sys.executable,
            '-c',
            INTERRUPTED,
            proxy.url,
            archive.user,
            archive.password,
            str(folder),
            str(jobs),
        ]
        with subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                wait_until(
                    lambda: len(published(folder)) >= 5 and len(proxy.faults) <= 2 * SCANS - jobs,
                    'all to be stalled',
                )
                begun = time.monotonic()
                process.send_signal(signal.SIGINT)
                _, said = process.communicate(timeout=GENEROUS_S)
                took_s = time.monotonic() - begun
            finally:
                released.set()
                process.kill()
        assert said.rstrip().endswith('KeyboardInterrupt'), said
    assert took_s < 3, took_s  # about half a second without load
    assert [path.name for path in folder.rglob('.*.part')] == [] and verify(folder).is_clean


def place(name: str) -> tuple[str, int]:
    scan, _, file = name.partition('/')
    return scan, int(file.partition('.')[0])


@pytest.mark.parametrize(
    'left',
    ['.MD5SUMS', '.xnat/.files.jsonl', '.xnat/.documents.jsonl', '.xnat/documents/.session.xml'],
)
def test_the_next_run_removes_temporaries_of_manifest_and_notes(
    left: str, project: Any, tmp_path: Path
) -> None:
    session = project.subject('S').experiment('E').create()
    session.resource('R').file('a.txt').put(b'a')
    folder = tmp_path / 'images'
    session.download(folder)
    temporary = folder / f'{left}.0123456789abcdef.part'
    temporary.write_bytes(b'half')
    os.utime(temporary, (1e9, 1e9))
    (folder / '.own.0123456789abcdef.part').write_bytes(b'of the user')
    assert session.download(folder).is_complete
    assert not temporary.exists() and (folder / '.own.0123456789abcdef.part').exists()
