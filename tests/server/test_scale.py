"""Tests of large archives: a search is as fast as its SQL, and no response is whole in memory.

``PYXNAT_DEEP=1`` runs it at full size, 100,000 sessions with 400,000 scans;
``--log-cli-level=INFO`` shows the figures.
"""

from __future__ import annotations

import base64
import csv
import http.client
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy.dialects import sqlite

from pyxnat.server.context import Context
from pyxnat.server.db.access import Caller
from pyxnat.server.search.query import Search
from pyxnat.server.search.search_xml import parse_document
from pyxnat.server.startup import ServedArchive
from tests.conftest import DEEP
from tests.support.loading import loading

from .searches import SCAN, M, S, criterion, document

log = logging.getLogger(__name__)
SESSIONS = 100_000 if DEEP else 3_000
SCANS = 4
A_SESSION = 'age', 'date', 'fieldStrength', 'note', 'scanner'
A_REQUEST_S = 0.03
"""Seconds that a request may take in addition to its SQL."""
LITTLE = 12 * 2**20
"""Bytes by which the server may grow during a response of any length."""


def fill(archive: ServedArchive) -> None:
    """Create subjects with ten sessions each, in ten projects."""
    with loading(archive) as loader:
        projects = [loader.project(f'P{number}') for number in range(10)]
        for number in range(SESSIONS):
            if number % 10 == 0:
                at = number // 10
                project, gender = f'P{at % 10}', ('male', 'female')[at % 2]
                fields = {
                    'demographics/gender': gender,
                    'demographics/dob': f'{1930 + at % 60}-06-30',
                }
                subject = loader.add(
                    S,
                    f'X_S{at:06}',
                    projects[at % 10],
                    project=project,
                    label=f's{at}',
                    fields=fields,
                )
            date = f'{2010 + number % 10}-0{1 + number % 9}-1{number % 10}'
            values = [
                f'{20 + number % 60}.0',
                date,
                '3.0',
                'a note, with "quotes"' if number % 50 == 0 else 'a note',
                'Trio',
            ]
            fields = dict(zip(A_SESSION, values, strict=True))
            session = loader.add(
                M,
                f'X_E{number:06}',
                subject,
                project=project,
                label=f's{at}_{number}',
                fields=fields,
            )
            for scan in range(SCANS):
                kind, quality = (
                    ('T1', 'T2', 'BOLD', 'DTI')[scan % 4],
                    ('usable', 'questionable')[number % 2],
                )
                loader.add(
                    SCAN,
                    str(scan + 1),
                    session,
                    project=project,
                    fields={'type': kind, 'quality': quality, 'parameters/tr': '2.3'},
                )


COLUMNS = ['LABEL', 'PROJECT', 'DATE', f'{S}.SUBJECT_LABEL', f'{S}.GENDER', 'AGE']
WITH_SUBJECTS = document(
    M,
    COLUMNS,
    criterion(f'{M}/DATE', '>=', '2012-01-01'),
    criterion(f'{S}/GENDER', 'LIKE', '%male'),
    criterion(f'{M}/AGE', '>=', '25'),
)
WITH_SCANS = document(
    M,
    [*COLUMNS[:3], 'SCANNER', f'{SCAN}.TYPE', f'{SCAN}.QUALITY'],
    criterion(f'{M}/DATE', '>=', '2012-01-01'),
    criterion(f'{SCAN}/TYPE', '=', 'T1'),
    criterion(f'{SCAN}/QUALITY', '=', 'usable'),
)


def sql_of(archive: ServedArchive, body: bytes) -> str:
    """Return a search as SQL with literal values."""
    context = Context(archive, [('format', 'csv')], Caller('admin', True, 1))
    with archive.store.read() as connection:
        query = Search(context, connection, parse_document(body)).query()
        return str(query.compile(dialect=sqlite.dialect(), compile_kwargs={'literal_binds': True}))


class Served(NamedTuple):
    """Start a server in a process of its own."""

    folder: Path
    host: str
    port: int
    pid: int
    sql: dict[bytes, str]

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, int]:
        """Return status and length of a response, read in chunks."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=600)
        secret = base64.b64encode(b'admin:secret').decode()
        connection.request(method, path, body, {'Authorization': f'Basic {secret}'})
        response = connection.getresponse()
        size = 0
        while piece := response.read(2**18):
            size += len(piece)
        connection.close()
        return response.status, size

    def processor_s(self) -> float:
        """Return the processor seconds of the server, which do not depend on other processes."""
        return time.clock_gettime(~self.pid << 3 | 2)  # clock_getcpuclockid(3) of Linux

    def peak(self) -> int:
        """Return the peak memory of the server in bytes."""
        status = Path(f'/proc/{self.pid}/status').read_text()
        return next(
            int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith('VmHWM')
        )


@pytest.fixture(scope='module')
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp('archive')
    archive = ServedArchive(folder)
    archive.users.add('admin', 'secret', admin=True)
    fill(archive)
    sql = {body: sql_of(archive, body) for body in (WITH_SUBJECTS, WITH_SCANS)}
    archive.close()
    command = [sys.executable, '-m', 'pyxnat.server', str(folder), '--port', '0']
    environment = {
        **os.environ,
        'PYXNAT_SERVER_PASSWORD': 'secret',
        'MALLOC_ARENA_MAX': '1',
    }  # not the number of threads that had a turn
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if 'http://' in line)
        host, _, port = line.partition('http://')[2].split()[0].partition(':')
        try:
            yield Served(folder, host, int(port), process.pid, sql)
        finally:
            process.terminate()


@pytest.mark.skipif(
    sys.platform != 'linux', reason='the clock of another process is read as Linux has it'
)
@pytest.mark.parametrize('body', [WITH_SUBJECTS, WITH_SCANS], ids=['subjects', 'scans'])
def test_a_search_takes_at_most_twice_the_time_of_its_sql(
    served: Served, tmp_path: Path, body: bytes
) -> None:
    def plain() -> None:
        connection = sqlite3.connect(served.folder / 'archive.sqlite')
        with (tmp_path / 'plain.csv').open('w', newline='') as file:
            csv.writer(file).writerows(connection.execute(served.sql[body]))
        connection.close()

    sizes, bare, whole = [], [], []
    for _ in range(5):
        before = time.process_time()
        plain()
        bare.append(time.process_time() - before)
        before = served.processor_s()
        sizes.append(served.ask('POST', '/data/search?format=csv', body))
        whole.append(served.processor_s() - before)
    rows = sum(1 for _ in (tmp_path / 'plain.csv').open())
    log.info(
        '%d rows: sqlite3 and csv %.3f s, the server %.3f s, %d bytes',
        rows,
        min(bare),
        min(whole),
        sizes[0][1],
    )
    assert rows > SESSIONS // 4
    assert sizes[0][0] == 200
    assert min(whole) <= 2 * min(bare) + A_REQUEST_S, (bare, whole)


LONG = [
    ('GET', '/data/experiments?format=csv', None),
    ('GET', '/data/experiments?format=json&sortBy=label&sortOrder=DESC', None),
    ('GET', '/data/experiments?format=xml', None),
    ('GET', '/data/projects/P1/experiments?format=json', None),
    ('POST', '/data/search?format=json', WITH_SUBJECTS),
    ('POST', '/data/search?format=csv&sortBy=DATE', WITH_SCANS),
    ('POST', '/data/search?format=json&cache=true&limit=*', WITH_SUBJECTS),
]


@pytest.mark.skipif(
    not Path('/proc/self/status').exists(),
    reason='the memory of another process is read from /proc',
)
def test_no_response_is_whole_in_memory(served: Served) -> None:
    for method, path, body in LONG:  # a short search first, so that all modules are loaded
        served.ask(
            method,
            path.replace('limit=*', 'limit=1') + '&limit=1' * (method == 'GET'),
            body and body.replace(b'2012-01-01', b'2090-01-01'),
        )
    before = served.peak()
    for method, path, body in LONG:
        status, size = served.ask(method, path, body)
        log.info(
            '%s %s: %d bytes, the server at %.0f MiB, %.0f before',
            method,
            path,
            size,
            served.peak() / 2**20,
            before / 2**20,
        )
        assert status == 200
        assert served.peak() - before < LITTLE, path
