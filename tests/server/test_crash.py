"""Tests that kill the server repeatedly: files and rows agree, and confirmed writes are stored."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import create_engine, select

from pyxnat.server.__main__ import main
from pyxnat.server.db.store import arrival, arrival_file, arrival_scan, file, item, resource, task
from pyxnat.server.prearchive.sessions import BUSY, images_of, scans_of
from pyxnat.server.storage.file_area import FileArea
from tests.support.dicoms import OTHER_STUDY, members, zipped
from tests.support.waiting import wait_until

from .conftest import Client

ROOT = Path(__file__).parents[2]
KILLS = 100 if os.environ.get('PYXNAT_DEEP') == '1' else 2
WORKERS = 4
STUDIES = [zipped(members()), zipped(members(OTHER_STUDY))]
SERVICES = (
    'archive?',
    'archive?overwrite=append&',
    'prearchive/move?newProject=Q&',
    'prearchive/delete?',
    'prearchive/rebuild?',
)
_numbers = itertools.count(1)


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """Start a server process and return its URL; it is killed at the end in any case."""
    command = [sys.executable, '-m', 'pyxnat.server', str(folder), '--port', '0']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYXNAT_SERVER_PASSWORD': 'p'}
    with (folder.parent / 'server.log').open('a') as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith('Serving')), '')
        assert line, (folder.parent / 'server.log').read_text()
        yield (
            process,
            SimpleNamespace(host='127.0.0.1', port=int(line.split('127.0.0.1:')[1].split()[0])),
        )
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Work:
    """Send requests as clients until the server has gone, and record the confirmed ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.stored: dict[str, str] = {}
        """URI to MD5 of files that nothing touches again."""
        self.archived: dict[str, int] = {}
        """URI of sessions that nothing touches again, and how many images they have."""
        self.done = 0

    def until_killed(self, where: Any, number: int) -> None:
        client = Client(where, 'admin', 'p')
        choices: list[Callable[[Client, int], None]] = [
            self.upload,
            self.rewrite,
            self.extract,
            self.put,
            self.take_in,
            self.prearchive,
            self.undo,
        ]
        try:
            while True:
                self.random.choice(choices)(client, number)
                self.done += 1
        except (OSError, http.client.HTTPException):
            pass
        finally:
            client.close()

    def upload(self, client: Client, number: int) -> None:
        path = f'/data/projects/P/resources/UP{number}/files/{next(_numbers)}'
        body = self.random.randbytes(self.random.choice((10, 10_000, 3_000_000)))
        if client.put(f'{path}?inbody=true', body).status == 200:
            self.stored[path] = hashlib.md5(body).hexdigest()

    def rewrite(self, client: Client, number: int) -> None:
        body = self.random.randbytes(self.random.choice((10, 300_000)))
        client.put(
            f'/data/projects/P/resources/AGAIN/files/{self.random.randrange(3)}?inbody=true&'
            'overwrite=true',
            body,
        )

    def extract(self, client: Client, number: int) -> None:
        folder = next(_numbers)
        body = {
            f'{folder}/{name}/f{name}': self.random.randbytes(1000 * name) for name in range(1, 8)
        }
        path = f'/data/projects/P/resources/ZIP{number}/files'
        if client.put(f'{path}/x.zip?inbody=true&extract=true', zipped(body)).status == 200:
            self.stored.update(
                {
                    f'{path}/{name}': hashlib.md5(content).hexdigest()
                    for name, content in body.items()
                }
            )

    def put(self, client: Client, number: int) -> None:
        session = f'/data/projects/P/subjects/S{number}/experiments/M{next(_numbers)}'
        client.put(f'{session}?xsiType=xnat:mrSessionData')
        client.put(f'{session}/scans/1/resources/R/files/f?inbody=true', b'x' * 1000)
        client.put(f'{session}/scans/1?xsiType=xnat:mrScanData')
        client.put(f'{session}/resources/R/files/f?inbody=true', b'x' * 1000)
        client.put(f'{session}?label=N{next(_numbers)}')

    def take_in(self, client: Client, number: int) -> None:
        handler = self.random.choice(('SI', 'DICOM-zip'))
        label = f'A{next(_numbers)}'
        query = (
            f'inbody=true&import-handler={handler}&dest=/archive/projects/P/subjects/D{number}/'
            f'experiments/{label}'
        )
        if client.post(f'/data/services/import?{query}', STUDIES[0]).status == 200:
            self.archived[f'/data/projects/P/subjects/D{number}/experiments/{label}'] = 6

    def prearchive(self, client: Client, number: int) -> None:
        more = self.random.choice(('&import-handler=DICOM-zip', '&dest=/prearchive/projects/P'))
        uri = client.post(
            f'/data/services/import?inbody=true&project=P&session=W{next(_numbers)}{more}',
            self.random.choice(STUDIES),
        ).text.strip()
        todo = self.random.choice(SERVICES)
        client.post(f'/data/services/{todo}src={uri}')

    def undo(self, client: Client, number: int) -> None:
        rows = client.get('/data/projects/P/experiments').rows
        gone = [row['URI'] for row in rows if row['label'].startswith('W')]
        if gone:
            client.delete(f'{self.random.choice(gone)}?removeFiles=true')
        client.delete('/data/projects/P/resources/AGAIN')


def disagreements(folder: Path) -> list[str]:
    """Return files without a row, rows without their file, wrong rows, and unfinished work."""
    area = FileArea(folder)
    engine = create_engine(f'sqlite:///{(folder / "archive.sqlite").as_posix()}')
    expected: dict[Path, Any] = {}
    with engine.connect() as connection:
        wrong = [f'to do: {row}' for row in connection.execute(select(task))]
        wrong += [
            f'in the middle: {row}'
            for row in connection.execute(select(arrival).where(arrival.c.status.in_(BUSY)))
        ]
        empty = select(arrival.c.pk).where(arrival.c.pk.not_in(select(arrival_scan.c.arrival)))
        wrong += [f'nothing in: {row}' for row in connection.execute(empty)]
        for one in connection.execute(select(resource)).all():
            holder = connection.execute(select(item).where(item.c.pk == one.item)).one()
            home = area.resource_folder(connection, one, holder)
            expected.update(
                {
                    area.file_path(home, row.path): row
                    for row in connection.execute(select(file).where(file.c.resource == one.pk))
                }
            )
        for one in connection.execute(select(arrival)).all():
            for scan in scans_of(connection, one.pk):
                home = images_of(area, one, scan.id)
                rows = connection.execute(
                    select(arrival_file).where(arrival_file.c.scan == scan.pk)
                )
                expected.update({area.file_path(home, row.path): row for row in rows})
    engine.dispose()
    there = {
        path for base in (area.root, area.prearchive) for path in base.rglob('*') if path.is_file()
    }
    wrong += [f'no row: {path}' for path in there - set(expected)]
    wrong += [f'no file: {path}' for path in set(expected) - there]
    for path in there & set(expected):
        if hashlib.md5(path.read_bytes()).hexdigest() != expected[path].digest:
            wrong.append(f'other content: {path}')
    return wrong + [f'staged: {path}' for path in area.staging.iterdir()]


def lost(where: Any, work: Work) -> list[str]:
    """Return the confirmed writes that are not stored."""
    client = Client(where, 'admin', 'p')
    wrong = [
        path
        for path, digest in work.stored.items()
        if hashlib.md5(client.get(path).body).hexdigest() != digest
    ]
    for uri, count in work.archived.items():
        answer = client.get(f'{uri}/scans/ALL/files?format=json')
        if answer.status != 200 or len(answer.rows) != count:
            wrong.append(uri)
    client.close()
    return wrong


def test_after_every_kill_files_and_rows_agree_and_no_confirmed_write_is_lost(
    tmp_path: Path,
) -> None:
    folder, delays, works = tmp_path / 'archive', random.Random(2), []
    with running(folder) as (_, where):
        client = Client(where, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        client.ok('PUT', '/data/projects/Q')
        client.close()
    for number in range(KILLS + 1):
        with running(folder) as (process, where):
            assert disagreements(folder) == [], f'after {number} kills'
            for work in works:
                assert lost(where, work) == [], f'after {number} kills'
            if number == KILLS:
                break
            work = Work(number)
            threads = [
                threading.Thread(target=work.until_killed, args=(where, worker))
                for worker in range(WORKERS)
            ]
            for thread in threads:
                thread.start()
            wait_until(
                lambda work=work, number=number: work.done >= min(number, WORKERS),
                'the clients to have done something',
            )  # type: ignore[misc]
            time.sleep(delays.random() * 0.7)
            process.kill()
            for thread in threads:
                thread.join()
            works = [*works[-2:], work]
    assert sum(work.done for work in works) >= min(KILLS, WORKERS)
    assert main([str(folder), '--repair', '--deep']) == 0  # the last server was killed, too
    assert main([str(folder), '--check', '--deep']) == 0
    assert not list(folder.glob('recovered/rows-*'))
    assert 'Traceback' not in (tmp_path / 'server.log').read_text()
