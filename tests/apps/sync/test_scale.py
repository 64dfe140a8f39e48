"""Pulls of many subjects: requests, transactions of the folder, memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.sides import Side, always_fresh
from pyxnat.server import Server, serve
from pyxnat.server.db.store import item
from tests.conftest import DEEP
from tests.support.loading import loading

from .test_pull import ROOT

SUBJECTS = 25_000 if DEEP else 20
SESSIONS = 4 if DEEP else 2


def fill(server: Server, project: str, subjects: int) -> None:
    """Create a project of subjects with sessions, each with a scan."""
    with pyxnat.Interface(server.url, 'admin', 'admin') as xnat:
        xnat.select.project(project).create()
    with server.archive.store.read() as connection:
        above = connection.scalar(select(item.c.pk).where(item.c.id == project))
    with loading(server.archive) as loader:
        for at in range(subjects):
            name = f'{project}{at:06}'
            gender = {'demographics/gender': ('female', 'male')[at % 2]}
            subject = loader.add(
                'xnat:subjectData',
                f'XNAT_S{name}',
                above,
                project=project,
                label=f'S{name}',
                fields=gender,
            )
            for number in range(SESSIONS):
                session = loader.add(
                    'xnat:mrSessionData',
                    f'XNAT_E{name}_{number}',
                    subject,
                    project=project,
                    label=f'E{name}_{number}',
                    fields={'date': f'20{at % 20:02}-01-02', 'fieldStrength': '3.0'},
                )
                scan = {'type': 'T1', 'quality': 'usable'}
                loader.add('xnat:mrScanData', '1', session, project=project, fields=scan)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serve(tmp_path / 'archive', users={'admin': 'admin'}) as opened:
        yield opened


@contextmanager
def counted(xnat: pyxnat.Interface) -> Iterator[Counter[str]]:
    """Count requests, and write transactions of the archives of this process."""
    found: Counter[str] = Counter()

    def count(_connection: Any) -> None:  # what only reads is rolled back
        found['transactions'] += 1

    event.listen(Engine, 'commit', count)
    try:
        with xnat.trace() as trace:
            yield found
    finally:
        event.remove(Engine, 'commit', count)
    found['requests'] = len(trace)


def documents(xnat: pyxnat.Interface, project: str) -> dict[str, dict[str, str]]:
    """Return the fields of all items of a project."""
    side = Side(xnat)
    with always_fresh(xnat):
        return {
            key: part.values
            for unit, _ in side.units(project).values()
            for key, part in side.parts(unit).items()
        }


def test_a_new_subject_costs_one_request_and_one_transaction(
    server: Server, tmp_path: Path
) -> None:
    fill(server, 'FIRST', 0)
    fill(server, 'A', 2)
    fill(server, 'B', 5)
    cost = {}
    with (
        pyxnat.Interface(server.url, 'admin', 'admin') as xnat,
        pyxnat.Mirror(tmp_path / 'study', remote=xnat) as mirror,
    ):
        mirror.pull('/projects/FIRST', files='none').check()
        for project in 'AB':
            with counted(xnat) as cost[project]:
                mirror.pull(f'/projects/{project}', files='none').check()
            assert documents(mirror.local, project) == documents(xnat, project)
        assert cost['B']['requests'] - cost['A']['requests'] == 3
        assert 2 <= cost['B']['transactions'] - cost['A']['transactions'] <= 4
        with counted(xnat) as again:
            mirror.pull('/projects/B', files='none').check()
        assert again == {'requests': 4}
        assert mirror.status(ask_remote=False).ahead == []


SPACE = 'xmlns:xnat="http://nrg.wustl.edu/xnat"'
SUBJECT = f'<xnat:Subject {SPACE}/>'.encode()
SESSION = f'<xnat:MRSession {SPACE}/>'.encode()
WRONG = f'<xnat:Subject {SPACE}><xnat:unknown>1</xnat:unknown></xnat:Subject>'.encode()
REFUSED = {
    'ID of a subject': [('s', '', 'subject', 'S1', 'NEW', SUBJECT, {})],
    'label of a subject': [('s', '', 'subject', 'S2', 'S', SUBJECT, {})],
    'no field': [('s', '', 'subject', 'S2', 'NEW', WRONG, {})],
    'ID of a session': [
        ('s', '', 'subject', 'S2', 'NEW', SUBJECT, {}),
        ('e', 's', 'experiment', 'E1', 'NEW', SESSION, {}),
    ],
    'label of a session': [
        ('s', '', 'subject', 'S2', 'NEW', SUBJECT, {}),
        ('e', 's', 'experiment', 'E2', 'E', SESSION, {}),
    ],
}


def test_nothing_is_created_if_one_item_is_refused(tmp_path: Path) -> None:
    with pyxnat.open(tmp_path / 'archive', create=True) as xnat:
        xnat.put('/data/projects/P').raise_for_status()
        folder = xnat.connection.transport.folder
        assert folder is not None
        items: list[tuple[Any, ...]] = [
            ('s', '', 'subject', 'S1', 'S', SUBJECT, {'form': {'a': 1}}),
            ('e', 's', 'experiment', 'E1', 'E', SESSION, {}),
        ]
        folder.create_items('P', items)
        before = documents(xnat, 'P')
        assert list(before)[1:] == ['subjects/S1', 'experiments/E1']
        assert before['subjects/S1']['@form form'] == '{"a": 1}'
        for name, refused in REFUSED.items():
            with pytest.raises(errors.DatabaseError):
                folder.create_items('P', refused)
            assert documents(xnat, 'P') == before, name
        with pytest.raises(errors.NotFoundError):
            folder.create_items('Q', items)


PULL = textwrap.dedent("""
    import json, re, sys, time
    import pyxnat
    from pathlib import Path

    def table(xnat):
        start = time.perf_counter()
        sessions = xnat.select('/projects/P/subjects/*/experiments/*')
        rows = sessions.where([('xnat:mrSessionData/DATE', '>', '2015-01-01')]).table(
            ['label', 'xnat:mrSessionData/date'])
        return time.perf_counter() - start, len(rows), str(sorted(map(str, rows)))[-500:]

    def timed(call, *arguments, **options):
        start = time.perf_counter()
        call(*arguments, **options)
        return time.perf_counter() - start

    with pyxnat.Interface(sys.argv[1], 'admin', 'admin') as xnat:
        with pyxnat.Mirror(sys.argv[2], remote=xnat) as mirror:
            with xnat.trace() as trace:
                first = timed(mirror.pull, '/projects/P', files='none')
            peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])
            found = {'requests': len(trace), 'first': first, 'peak': peak / 1024}
            found |= {'again': timed(mirror.pull), 'status': timed(mirror.status)}
            found |= {'there': table(xnat), 'here': table(mirror.local)}
    print(json.dumps(found))
""")


@pytest.mark.skipif(not DEEP, reason='PYXNAT_DEEP=1 pulls 100,000 sessions')
def test_memory_of_a_large_pull_is_flat_and_the_next_takes_seconds(tmp_path: Path) -> None:
    found = {}
    for subjects in (SUBJECTS // 10, SUBJECTS):
        with serve(tmp_path / f'archive-{subjects}', users={'admin': 'admin'}) as server:
            fill(server, 'P', subjects)
            folder = str(tmp_path / f'study-{subjects}')
            command = [sys.executable, '-c', PULL, server.url, folder]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
        found[subjects] = json.loads(done.stdout)
    few, many = found[SUBJECTS // 10], found[SUBJECTS]
    assert many['requests'] - few['requests'] == SUBJECTS - SUBJECTS // 10
    assert many['peak'] < few['peak'] + 150
    assert many['again'] < 60 and many['status'] < 60
    assert many['there'][1:] == many['here'][1:]
    assert many['here'][0] < 2 * many['there'][0] + 1
