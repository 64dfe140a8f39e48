"""Tests of the HTTP server with clients that are slow, silent, or never read."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from pyxnat.server import Server, serve
from pyxnat.server.web.limits import Limits
from tests.conftest import DEEP
from tests.support.plain import Client
from tests.support.served import Served, served
from tests.support.waiting import wait_until

SILENT, HALF, STALLED = (500, 100, 40) if DEEP else (60, 20, 20)
BASIC = 'Authorization: Basic ' + base64.b64encode(b'admin:secret').decode()
WRONG = 'Authorization: Basic ' + base64.b64encode(b'admin:wrong').decode()
HEALTH = b'GET /data/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
needs_proc = pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='reads /proc')


@contextmanager
def connections(at: Served | Server, count: int, data: bytes = b'') -> Iterator[None]:
    """Open connections that send a text and then nothing."""
    with ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection((at.host, at.port), 10))
            one.sendall(data)
        yield


def health_s(at: Served | Server) -> float:
    """Return the seconds that a request without a login takes."""
    started = time.perf_counter()
    with socket.create_connection((at.host, at.port), 10) as one:
        one.sendall(HEALTH)
        assert one.recv(2**16).startswith(b'HTTP/1.1 401')
    return time.perf_counter() - started


def upload(label: str, size: int) -> bytes:
    """Return the head and the first bytes of an upload."""
    return (
        f'PUT /data/projects/P/resources/R/files/{label}?inbody=true HTTP/1.1\r\nHost: x\r\n'
        f'{BASIC}\r\nContent-Length: {size}\r\n\r\nhalf'
    ).encode()


@needs_proc
def test_slow_clients_hold_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as at:
        admin = Client(at, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        health_s(at)
        before = at.memory()
        with (
            connections(at, SILENT),
            connections(at, HALF, b'GET /data/projects HTTP/1.1\r\nHost: x\r\nX: ' + b'y' * 999),
            connections(at, STALLED, upload('f', 10**6)),
        ):
            slowest = max(health_s(at) for _ in range(30 if DEEP else 10))
            started = time.perf_counter()
            admin.ok('PUT', '/data/projects/P/resources/R/files/g?inbody=true', b'x' * 10**5)
            assert len(admin.get('/data/projects/P/resources/R/files').rows) == 1
            assert time.perf_counter() - started < 2
            assert slowest < 1
            assert at.memory() - before < 100


@pytest.mark.skipif(sys.platform == 'win32', reason='uses ulimit')
def test_few_file_descriptors_are_enough(tmp_path: Path) -> None:
    shell = ('sh', '-c', 'ulimit -n 256; exec "$@"', 'sh')
    with served(tmp_path, before=shell) as at:
        admin = Client(at, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        with connections(at, 400), connections(at, 20, upload('f', 10**6)):
            assert max(health_s(at) for _ in range(5)) < 1
            client = Client(at, 'admin', 'secret')
            client.ok('PUT', '/data/projects/P/resources/R/files/g?inbody=true', b'x' * 10**5)
            assert client.get('/data/projects/P/resources/R/files/g').status == 200
            client.close()
        admin.close()


@contextmanager
def small(folder: Path, **limits: float) -> Iterator[Server]:
    with serve(folder, password='secret', limits=Limits(**limits)) as server:  # type: ignore[arg-type]
        yield server


def rest(at: Server, data: bytes, seconds: float = 20) -> bytes:
    """Send bytes, and return all that comes until the server closes."""
    with socket.create_connection((at.host, at.port), seconds) as one:
        with suppress(ConnectionError):
            one.sendall(data)
        return everything(one)


def everything(one: socket.socket) -> bytes:
    found = b''
    with suppress(ConnectionError):
        while piece := one.recv(2**16):
            found += piece
    return found


def test_a_head_has_a_deadline(tmp_path: Path) -> None:
    with small(tmp_path, head_s=0.3) as server:
        assert rest(server, b'') == b'', 'nothing was asked'
        assert rest(server, b'GET / HT').startswith(b'HTTP/1.1 408 ')
        assert rest(server, HEALTH[:-2]).startswith(b'HTTP/1.1 408 ')
        with socket.create_connection((server.host, server.port), 20) as one:
            one.setblocking(False)
            found = b''
            for letter in b'GET /' + b'x' * 2000:  # a letter from time to time does not help
                with suppress(BlockingIOError):
                    found += one.recv(2**16)
                if found:
                    break
                one.send(bytes([letter]))
                time.sleep(0.01)
            assert found.startswith(b'HTTP/1.1 408 ')


def test_a_body_has_a_least_rate(tmp_path: Path) -> None:
    with small(tmp_path, stall_s=0.3) as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
        assert rest(server, upload('f', 10**6)).startswith(b'HTTP/1.1 408 ')
        assert not list((tmp_path / 'staging').iterdir())
        chunked = upload('f', 1).replace(b'Content-Length: 1', b'Transfer-Encoding: chunked')
        form = chunked.replace(b'?inbody=true', b'?extract=true')
        assert rest(server, form.replace(b'half', b'1')).startswith(b'HTTP/1.1 408 ')


def test_a_client_that_never_reads_holds_no_worker(tmp_path: Path) -> None:
    with small(tmp_path, workers=2, most_workers=4, spare_s=0.1) as server:
        admin = Client(server, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        admin.ok('PUT', '/data/projects/P/resources/R/files/f?inbody=true', b'x' * 2**24)
        get = '/data/projects/P/resources/R/files/f HTTP/1.1\r\nHost: x\r\n'
        with connections(server, 8, f'GET {get}{BASIC}\r\n\r\n'.encode()):
            assert max(health_s(server) for _ in range(10)) < 2
            admin.ok('PUT', '/data/projects/P/subjects/S')  # no reader holds the database


def test_a_client_that_never_reads_has_a_deadline(tmp_path: Path) -> None:
    with small(tmp_path, unread_s=0.3) as server:
        admin = Client(server, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        admin.ok('PUT', '/data/projects/P/resources/R/files/f?inbody=true', b'x' * 2**25)
        get = f'/data/projects/P/resources/R/files/f HTTP/1.1\r\nHost: x\r\n{BASIC}\r\n\r\n'
        with socket.create_connection((server.host, server.port), 20) as one:
            one.sendall(f'GET {get}'.encode())
            wait_until(lambda: server._http.requests.idle < 16, 'the request to begin')
            wait_until(lambda: server._http.requests.idle == 16, 'the worker to be free')
            assert len(everything(one)) < 2**25


def test_a_slow_reader_gets_everything(tmp_path: Path) -> None:
    with small(tmp_path, unread_s=5) as server:
        admin = Client(server, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        admin.ok('PUT', '/data/projects/P/resources/R/files/f?inbody=true', b'x' * 2**23)
        get = f'/data/projects/P/resources/R/files/f HTTP/1.1\r\nHost: x\r\n{BASIC}\r\n'
        with socket.create_connection((server.host, server.port), 20) as one:
            one.sendall(f'GET {get}Connection: close\r\n\r\n'.encode())
            found = one.recv(100)
            time.sleep(0.5)
            found += everything(one)
        assert found.endswith(b'x' * 2**23)


def test_the_login_is_decided_before_the_body(tmp_path: Path) -> None:
    with small(tmp_path) as server:
        for headers in ('', f'{WRONG}\r\n'):
            head = f'PUT /data/projects/P/resources/R/files/f HTTP/1.1\r\nHost: x\r\n{headers}'
            for more in ('Content-Length: 1000000', 'Transfer-Encoding: chunked'):
                for expect in ('', 'Expect: 100-continue\r\n'):
                    with socket.create_connection((server.host, server.port), 20) as one:
                        one.sendall(f'{head}{expect}{more}\r\n\r\n'.encode())
                        answer = one.recv(2**16)
                    assert answer.startswith(b'HTTP/1.1 401 ')
                    assert b'Connection: close' in answer


def test_a_refusal_is_read_by_a_client_that_sends_all_first(tmp_path: Path) -> None:
    with small(tmp_path) as server:
        head = 'PUT /data/projects/P/resources/R/files/f HTTP/1.1\r\nHost: x\r\nContent-Length: '
        size = 20 * 2**20
        assert rest(server, f'{head}{size}\r\n\r\n'.encode() + bytes(size)).startswith(
            b'HTTP/1.1 401 '
        )


def test_continue_is_sent_when_the_body_is_read(tmp_path: Path) -> None:
    with small(tmp_path) as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
        head = upload('f', 4).removesuffix(b'\r\n\r\nhalf') + b'\r\nExpect: 100-continue\r\n\r\n'
        with socket.create_connection((server.host, server.port), 20) as one:
            for _ in range(2):
                one.sendall(head.replace(b'?inbody', b'?overwrite=true&inbody'))
                assert one.recv(2**16) == b'HTTP/1.1 100 Continue\r\n\r\n'
                one.sendall(b'half')
                assert one.recv(2**16).startswith(b'HTTP/1.1 200 ')


def test_requests_in_one_packet_are_answered_in_order(tmp_path: Path) -> None:
    with small(tmp_path) as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
        ask = f'HEAD /data/projects HTTP/1.1\r\nHost: x\r\n{BASIC}\r\n\r\n'.encode()
        put = upload('f', 4).replace(b'?inbody', b'?overwrite=true&inbody')
        found = rest(server, ask + put + ask + put + HEALTH)
        statuses = [int(one) for one in re.findall(rb'HTTP/1\.1 (\d+)', found)]
        assert statuses == [200, 200, 200, 200, 401]


def test_many_requests_of_a_client_that_reads_none_hold_no_worker(tmp_path: Path) -> None:
    with small(tmp_path, workers=2, most_workers=4) as server:
        ask = HEALTH.replace(b'close', b'keep-alive') * 300
        with connections(server, 12, ask):
            assert max(health_s(server) for _ in range(5)) < 2


def test_connections_beyond_the_limit_close_the_oldest(tmp_path: Path) -> None:
    with (
        small(tmp_path, connections=20) as server,
        socket.create_connection((server.host, server.port), 20) as oldest,
        connections(server, 30),
    ):
        assert everything(oldest) == b''
        assert health_s(server) < 1


def test_the_server_stops_fast_with_idle_connections(tmp_path: Path) -> None:
    def stop_s() -> float:
        server = serve(tmp_path, password='secret')
        Client(server, 'admin', 'secret').get('/data/projects')
        with connections(server, 500 if DEEP else 100), connections(server, 5, HEALTH[:-2]):
            health_s(server)
            started = time.perf_counter()
            server.stop()
            return time.perf_counter() - started

    assert min(stop_s() for _ in range(3)) < 0.3


def test_the_server_stops_with_stalled_clients(tmp_path: Path) -> None:
    server = serve(tmp_path, password='secret')
    Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
    with connections(server, 20, upload('f', 10**6)):
        wait_until(lambda: len(list((tmp_path / 'staging').iterdir())) >= 16, 'uploads')
        started = time.perf_counter()
        server.stop()
        assert time.perf_counter() - started < 2


def test_a_flood_of_uploads_and_a_busy_pool(tmp_path: Path) -> None:
    with small(tmp_path, workers=2, most_workers=4, spare_s=0.1) as server:
        Client(server, 'admin', 'secret').ok('PUT', '/data/projects/P')
        with connections(server, 12, upload('f', 10**6)):
            assert health_s(server) < 5
        answers: list[int] = []

        def put(number: int) -> None:
            client = Client(server, 'admin', 'secret')
            path = f'/data/projects/P/resources/R/files/{number}?inbody=true'
            answers.append(client.put(path, bytes(10**6)).status)
            client.close()

        threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8


@pytest.fixture(scope='module')
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('tls')
    files = folder / 'cert.pem', folder / 'key.pem'
    command = 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext'
    extra = ['subjectAltName=DNS:localhost,IP:127.0.0.1', '-out', files[0], '-keyout', files[1]]
    try:
        subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip('needs openssl')
    return files


@contextmanager
def tls_client(server: Server, certificate: Path) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(certificate))
    raw = socket.create_connection((server.host, server.port), 20)
    with context.wrap_socket(raw, server_hostname='localhost') as wrapped:
        yield wrapped


def test_https(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    limits = Limits(head_s=2)
    with serve(tmp_path, password='secret', certificate=cert, key=key, limits=limits) as server:
        assert server.url.startswith('https://')
        with connections(server, 30), connections(server, 5, b'\x16\x03\x01\x02\x00\x01'):
            with tls_client(server, cert) as one:
                one.sendall(HEALTH)
                assert one.recv(2**16).startswith(b'HTTP/1.1 401 ')
            with tls_client(server, cert) as one:
                put = f'PUT /data/projects/P HTTP/1.1\r\nHost: x\r\n{BASIC}\r\n\r\n'.encode()
                one.sendall(put)
                assert one.recv(2**16).startswith(b'HTTP/1.1 200 ')
                one.sendall(upload('f', 2**22)[:-4] + bytes(2**22))
                assert one.recv(2**16).startswith(b'HTTP/1.1 200 ')
                one.sendall(upload('f', 0).replace(b'PUT', b'GET').replace(b'half', b'') * 3)
                size = 0
                while size < 3 * 2**22:
                    size += len(one.recv(2**20))
            assert b'400' in rest(server, HEALTH) and b'https' in rest(server, HEALTH)
            assert rest(server, b'\x16\x03\x01\x00\x05hello').find(b'HTTP') < 0
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(cert)
        with pytest.warns(DeprecationWarning):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            pytest.raises(OSError),
            socket.create_connection((server.host, server.port), 20) as raw,
        ):
            old.wrap_socket(raw, server_hostname='localhost')


def test_other_machines_need_tls_or_a_decision(
    tmp_path: Path, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    for host in ('0.0.0.0', '::', '192.0.2.1', 'example.invalid'):
        with pytest.raises(ValueError, match='--certificate FILE --key FILE.*insecure=True'):
            serve(tmp_path / 'a', host=host)
    assert not (tmp_path / 'a').exists()
    with serve(tmp_path / 'a', host='0.0.0.0', insecure=True):
        assert 'unencrypted' in caplog.text
    caplog.clear()
    cert, key = certificate
    with serve(tmp_path / 'a', host='0.0.0.0', certificate=cert, key=key):
        assert not caplog.text
    for wrong in ({'key': key}, {'certificate': key, 'key': cert}):
        with pytest.raises(ValueError, match='certificate'):
            serve(tmp_path / 'a', **wrong)  # type: ignore[arg-type]
    with pytest.raises(OSError):
        serve(tmp_path / 'a', certificate=tmp_path / 'none')
