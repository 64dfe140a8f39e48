"""Tests of sizes: forms, documents, searches and archives that are too large, and full disks."""

from __future__ import annotations

import io
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pyxnat.server import serve
from pyxnat.server.web.limits import Limits
from tests.conftest import DEEP
from tests.support.plain import Client, zipped
from tests.support.served import PASSWORD, Served, served

from .searches import criterion, document
from .test_raw_requests import answer, statuses

needs_proc = pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads /proc')
SIZE = 200 if DEEP else 60
"""MiB of a bomb."""
ENTRIES = 200_000


@pytest.fixture(scope='module')
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp('archive')) as running:
        admin = Client(running, 'admin', PASSWORD)
        admin.ok('PUT', '/data/projects/P')
        admin.ok('PUT', '/data/projects/P/resources/R/files/x?inbody=true', b'x')
        admin.close()
        yield running


@pytest.fixture
def admin(at: Served) -> Iterator[Client]:
    client = Client(at, 'admin', PASSWORD)
    yield client
    client.close()


def bomb(at: Served, head: bytes) -> tuple[bytes, float]:
    """Send a head and many bytes; return the answer and the seconds until it came."""
    found: list[bytes] = []
    with socket.create_connection((at.host, at.port), 20) as one:
        started = time.perf_counter()

        def send() -> None:
            with suppress(OSError):
                one.sendall(head)
                for _ in range(SIZE):
                    one.sendall(b'x' * 2**20)

        sender = threading.Thread(target=send)
        sender.start()
        found.append(one.recv(2**16))
        taken = time.perf_counter() - started
        sender.join()
    return found[0], taken


@needs_proc
@pytest.mark.parametrize(
    ('head', 'status'),
    [
        (b'GET /', 414),
        (b'GET / HTTP/1.1\r\nX: ', 431),
        (
            b'POST /data/services/auth HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded'
            b'\r\nContent-Length: %d\r\n\r\nusername=' % (SIZE * 2**20 + 9),
            413,
        ),
        (
            b'POST /data/services/auth HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b'
            b'\r\nContent-Length: %d\r\n\r\n--b\r\n' % (SIZE * 2**20 + 5),
            413,
        ),
        (b'PUT /data/services/auth HTTP/1.1\r\nContent-Length: %d\r\n\r\n' % (SIZE * 2**20), 413),
        (b'PUT /data/projects/P HTTP/1.1\r\nContent-Length: %d\r\n\r\n' % (SIZE * 2**20), 401),
    ],
    ids=['line', 'header', 'form', 'multipart', 'document', 'upload'],
)
def test_bombs_before_a_login(at: Served, head: bytes, status: int) -> None:
    before = at.memory()
    found, taken = min((bomb(at, head) for _ in range(2)), key=lambda pair: pair[1])
    assert statuses(found) in ([status], [405], [400]) and statuses(found) != [200]
    if b'PUT /data/services' not in head:
        assert statuses(found) == [status]
    assert taken < 1
    assert at.memory(peak=True) - before < 40


def many_entries(entries: int) -> bytes:
    """Return a zip of empty files and folders."""
    data, directory = bytearray(), bytearray()
    for number in range(entries):
        name = b'%d/' % number if number % 2 else b'%d' % number
        rest = struct.pack('<5H3L2H', 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0)
        place = struct.pack('<4H2L', 0, 0, 0, 0, 0, len(data))[2:]
        directory += b'PK\1\2' + struct.pack('<H', 20) + rest + b'\0\0' + place[2:] + name
        data += b'PK\3\4' + rest + name
    size, start = len(directory), len(data)
    big = struct.pack('<Q2H2L4Q', 44, 45, 45, 0, 0, entries, entries, size, start)
    locator = struct.pack('<LQL', 0, start + size, 1)
    count = min(entries, 0xFFFF)
    end = struct.pack('<4H2LH', 0, 0, count, count, size, start, 0)
    return bytes(data + directory) + b'PK\6\6' + big + b'PK\6\7' + locator + b'PK\5\6' + end


def many_in_tar(entries: int) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode='w:gz', compresslevel=1) as packed:
        for number in range(entries):
            packed.addfile(tarfile.TarInfo(str(number)))
    return target.getvalue()


def test_the_zips_of_this_file_are_zips() -> None:
    for entries in (3, 66_000):
        with zipfile.ZipFile(io.BytesIO(many_entries(entries))) as found:
            assert len(found.infolist()) == entries and found.read('2') == b''


@needs_proc
def test_a_zip_of_many_entries_is_refused_at_once(
    at: Served, admin: Client, tmp_path: Path
) -> None:
    body = many_entries(ENTRIES)
    path = '/data/projects/P/resources/R/files'
    before = at.memory()
    started = time.perf_counter()
    got = admin.put(f'{path}/z.zip?extract=true&inbody=true', body)
    assert (got.status, time.perf_counter() - started < 2) == (413, True)
    got = admin(
        'POST', '/data/services/import?project=P', body, {'Content-Type': 'application/zip'}
    )
    assert got.status == 413
    admin.ok('PUT', f'{path}/z.zip?inbody=true', body)
    assert admin.get(f'{path}/z.zip?listContents=true').status == 413
    assert admin.get(f'{path}/z.zip!/7').status in (404, 413)
    assert at.memory(peak=True) - before < 80


def test_the_number_of_entries_is_counted_not_believed(tmp_path: Path) -> None:
    with serve(tmp_path, password='p', limits=Limits(entries=50)) as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        path = '/data/projects/P/resources/R/files/z?extract=true&inbody=true'
        body = many_entries(60)
        at = body.rindex(b'PK\5\6')
        lying = body[: at + 8] + b'\1\0\1\0' + body[at + 12 :]
        prefixed = b'x' * 1000 + body
        for wrong in (body, lying, prefixed, many_in_tar(60)):
            assert client.put(path, wrong).status == 413
        assert client.put(path, many_entries(50)).status == 200
        assert list((tmp_path / 'staging').iterdir()) == []


@pytest.mark.parametrize('name', ['a\\b', '\\a', 'a/b\\c', '..\\a', 'C:\\a', 'a\\'])
def test_names_with_backslashes_are_refused(at: Served, admin: Client, name: str) -> None:
    path = '/data/projects/P/resources/BACK/files'
    assert admin.put(f'{path}/z?extract=true&inbody=true', zipped({name: b'x'})).status == 400
    assert admin.put(f'{path}/{name.replace(chr(92), "%5C")}?inbody=true', b'x').status == 400
    assert admin.get('/data/projects/P/resources').csv is not None
    assert 'BACK' not in admin.get('/data/projects/P/resources').text


DOCUMENT = '/data/projects/P/subjects/S'


@pytest.mark.parametrize(
    ('method', 'path', 'kind', 'body', 'status'),
    [
        ('PUT', DOCUMENT, 'text/xml', b'<a>' + b' ' * 17 * 2**20 + b'</a>', 413),
        ('PUT', DOCUMENT, 'text/xml', b'<a>' * 400 + b'</a>' * 400, 422),
        ('POST', '/data/search', 'text/xml', b'<a>' + b' ' * 3 * 2**20 + b'</a>', 413),
        ('PUT', '/xapi/users/x', 'application/json', b'{"a": "' + b'x' * 5 * 2**20 + b'"}', 413),
        (
            'PUT',
            f'{DOCUMENT}?req_format=form',
            'application/x-www-form-urlencoded',
            bytes(2**21),
            413,
        ),
    ],
    ids=['xml', 'deep xml', 'search', 'json', 'form'],
)
def test_documents_have_limits(
    admin: Client, method: str, path: str, kind: str, body: bytes, status: int
) -> None:
    assert admin(method, path, body, {'Content-Type': kind}).status == status


def test_searches_have_limits(admin: Client) -> None:
    one = criterion('xnat:subjectData/ID', '=', 'x')
    operators = ('=', '!=', '<', '>', 'LIKE')
    for values, sets, status in ((3000, 1, 200), (1, 100, 200), (1, 201, 413)):
        kinds = operators if sets > 1 else operators[:1]
        several = [
            criterion('xnat:subjectData/ID', kind, str(value))
            for kind in kinds
            for value in range(values)
        ]
        nested = f'<xdat:child_set method="OR">{"".join(several)}</xdat:child_set>' * sets
        body = document('xnat:subjectData', ['SUBJECT_ID'], nested, method='OR')
        got = admin.post('/data/search', body)
        assert got.status == status, (values, sets, got.text)
    body = document('xnat:subjectData', ['SUBJECT_ID'] * 1001)
    assert admin.post('/data/search', body).status == 413
    for depth, status in ((60, 200), (150, 400), (240, 400), (3000, 422)):
        nested = f'{"<xdat:child_set>" * depth}{one}{"</xdat:child_set>" * depth}'
        body = document('xnat:subjectData', ['SUBJECT_ID'], nested)
        assert admin.post('/data/search', body).status == status


def test_the_list_of_requests_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(tmp_path, password='p') as server:
        head = b'GET /data/projects?' + b'x' * 8000 + b' HTTP/1.1\r\nHost: x\r\n\r\n'
        last = head.replace(b'Host', b'Connection: close\r\nHost')
        for _ in range(6):
            assert statuses(answer(server, head * 199 + last)) == [401] * 200
        seen = server.requests
        assert 0 < sum(len(path) for _, path, _ in seen) <= 8 * 2**20
        server.clear_requests()
        answer(server, last)
        assert len(server.requests) == 1


# -- full disks


FULL = """
import os, sys, pathlib
sys.path.insert(0, sys.argv[2])
from pyxnat.server import serve
from tests.support.plain import Client, zipped
folder = pathlib.Path(sys.argv[1])
with serve(folder / 'archive', password='p') as server:
    client = Client(server, 'admin', 'p')
    client.ok('PUT', '/data/projects/P')
    files = '/data/projects/P/resources/R/files'
    client.ok('PUT', f'{files}/kept?inbody=true', b'kept')
    def state():
        rows = [row['Name'] for row in client.get(files).rows]
        disk = [one.name for one in (folder / 'archive' / 'archive').rglob('*') if one.is_file()]
        return rows, disk, list((folder / 'archive' / 'staging').iterdir())
    before = state()
    big = os.urandom(6_000_000)
    form = (b'--b\\r\\nContent-Disposition: form-data; name="f"; filename="f"\\r\\n\\r\\n' + big
            + b'\\r\\n--b--\\r\\n')
    multipart = {'Content-Type': 'multipart/form-data; boundary=b'}
    many = zipped({str(number): os.urandom(100_000) for number in range(40)})
    for answer in (
        client('PUT', f'{files}/big?inbody=true', big),
        client('PUT', f'{files}/kept?inbody=true&overwrite=true', big),
        client('PUT', f'{files}/form', form, multipart),
        client('PUT', f'{files}/z?extract=true&inbody=true', many[:2_000_000] and many),
        client('POST', '/data/services/import?project=P', big, {'Content-Type': 'application/zip'}),
        client('PUT', '/data/user/cache/resources/c/files/big?inbody=true', big),
    ):
        assert answer.status == 507, (answer.status, answer.body)
        assert state() == before, state()
    filler = folder / 'filler'
    with filler.open('wb', buffering=0) as target:
        try:
            while target.write(b'x' * 512):
                pass
        except OSError:
            pass
    note = 'x' * 4000
    subjects = [f'/data/projects/P/subjects/S{n}?note={note}' for n in range(20)]
    statuses = {client('PUT', subject).status for subject in subjects}
    assert statuses <= {200, 201, 507} and 507 in statuses, statuses
    assert client.get(f'{files}/kept').body == b'kept'
    filler.unlink()
    client.ok('PUT', f'{files}/new?inbody=true', b'new')
    client.ok('PUT', '/data/projects/P/subjects/T')
    client.close()
print('well')
"""


@pytest.mark.skipif(
    not shutil.which('unshare') or sys.platform != 'linux', reason='needs name spaces of Linux'
)
def test_a_full_disk_stores_nothing(tmp_path: Path) -> None:
    if subprocess.run(['unshare', '-rm', 'true'], check=False).returncode:
        pytest.skip('name spaces are not allowed here')
    disk = tmp_path / 'disk'
    disk.mkdir()
    command = 'mount -t tmpfs -o size=4m none "$1" && exec "$2" -c "$3" "$1" "$4"'
    root = str(Path(__file__).parents[2])
    words = ['unshare', '-rm', 'sh', '-c', command, 'sh', str(disk), sys.executable, FULL, root]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=root)
    assert done.stdout == 'well\n', done.stderr[-3000:]


def test_unpacking_many_files_does_not_hold_other_writers(tmp_path: Path) -> None:
    number = 15_000 if DEEP else 2_000
    body = zipped({f'{number % 10}/{number}': b'x' for number in range(number)})
    with serve(tmp_path, password='p') as server:
        writer = Client(server, 'admin', 'p')
        session = writer.get('/data/JSESSION').text
        other = Client(server, headers={'Cookie': f'JSESSIONID={session}'})
        writer.ok('PUT', '/data/projects/P')
        other.ok('PUT', '/data/projects/Q')
        waits: list[float] = []
        done = threading.Event()

        def write() -> None:
            while not done.is_set():
                started = time.perf_counter()
                other.ok('PUT', f'/data/projects/Q/subjects/S{len(waits) % 20}')
                waits.append(time.perf_counter() - started)

        thread = threading.Thread(target=write)
        thread.start()
        started = time.perf_counter()
        writer.ok('PUT', '/data/projects/P/resources/R/files/z?extract=true&inbody=true', body)
        taken = time.perf_counter() - started
        done.set()
        thread.join()
        assert max(waits) < max(1, 0.8 * taken), (max(waits), taken)
        assert len(writer.get('/data/projects/P/resources/R/files').rows) == number
        writer.close()
        other.close()


def test_a_bundle_of_files_is_stored_as_single_files_are(tmp_path: Path) -> None:
    files = {f'{number % 7}/{number}.txt': str(number).encode() for number in range(60)}
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        path = '/data/projects/P/resources/{}/files'

        def put(label: str, more: dict[str, bytes], options: str = '') -> int:
            there = f'{path.format(label)}/z?extract=true&inbody=true{options}'
            return client.put(there, zipped({**files, **more})).status

        def stored(label: str) -> dict[str, bytes]:
            rows = client.get(path.format(label)).rows
            return {row['Name']: client.get(row['URI']).body for row in rows}

        bare = {name.rpartition('/')[2]: body for name, body in files.items()}
        assert put('NEW', {}) == 200
        assert stored('NEW') == bare
        assert put('NEW', {'0/0.txt': b'other'}) == 200, 'duplicates are kept'
        assert stored('NEW') == bare
        assert put('NEW', {'0/0.txt': b'other', 'x': b'x'}, '&overwrite=true') == 200
        assert stored('NEW') == {**bare, '0.txt': b'other', 'x': b'x'}
        for wrong in ({'1': b'a file'}, {'0/0.txt/x': b'below a file'}, {'BAD_catalog.xml': b'x'}):
            assert put('BAD', wrong) == 400
            assert client.get(path.format('BAD')).status in (200, 404)
            assert not (tmp_path / 'archive/P/resources/BAD').exists()
        assert put('SLASH', {'d/': b''}) == 200
        with sqlite3.connect(tmp_path / 'archive.sqlite') as database:
            database.execute(
                "CREATE TRIGGER no BEFORE INSERT ON file WHEN NEW.path = '3/59.txt' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        database.close()
        assert put('UNDONE', {}) == 500
        assert not (tmp_path / 'archive/P/resources/UNDONE').exists()
        assert list((tmp_path / 'staging').iterdir()) == []


def test_no_item_is_moved_below_itself(tmp_path: Path) -> None:
    """A cycle would never end a recursive query, with the lock of the database held."""
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        session = '/data/projects/P/subjects/S/experiments/E'
        client.ok('PUT', f'{session}?xsiType=xnat:mrSessionData')
        for label in ('A1', 'A2'):
            client.ok('PUT', f'{session}/assessors/{label}?xsiType=xnat:qcAssessmentData')
        ids = {row['label']: row['ID'] for row in client.get(f'{session}/assessors').rows}
        for path in (
            f'{session}/assessors/E',
            f'/data/experiments/{ids["A1"]}/assessors/A1',
            f'{session}/assessors/A1/assessors/A2',
        ):
            assert client.put(path).status >= 400
        client.put(f'/data/experiments/{ids["A1"]}/assessors/A2')
        client.put(f'/data/experiments/{ids["A2"]}/assessors/A1')
        client.ok('PUT', f'{session}?note=x')
        assert client.get(f'{session}?format=xml').status == 200
        with sqlite3.connect(tmp_path / 'archive.sqlite') as database:
            pk = "(SELECT pk FROM item WHERE label = 'E')"
            database.execute(f"UPDATE item SET parent = {pk} WHERE label = 'E'")
        database.close()
        client.put('/data/experiments/' + ids['A1'] + '?note=y')  # an archive that has one already
        client.ok('PUT', '/data/projects/P/subjects/T')
