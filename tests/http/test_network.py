"""Tests of TLS, redirects, resumed downloads, and full disks."""

from __future__ import annotations

import datetime
import os
import shutil
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from tests.support.faults import FaultProxy
from tests.support.scripted import Reply, Request, ScriptedServer, table

COOKIE = {'Set-Cookie': 'JSESSIONID=A1; Path=/'}
CONTENT = bytes(range(256)) * 40
MODIFIED = formatdate(1_600_000_000, usegmt=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.005)


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / 'ca.pem')
    return str(tmp_path / 'ca.pem')


def secured(
    server: Any, certificate: trustme.LeafCert, clients: trustme.CA | None = None
) -> FaultProxy:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return FaultProxy(server.url, context)


def test_a_site_with_its_own_authority_is_verified_with_its_bundle(
    server: Any, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    with secured(server, authority.issue_cert('127.0.0.1')) as proxy:
        assert (
            pyxnat.Interface(
                proxy.url, server.user, server.password, tmp_path, verify=bundle
            ).whoami()
            == server.user
        )
        assert (
            pyxnat.Interface(
                proxy.url, server.user, server.password, tmp_path, verify=False
            ).whoami()
            == server.user
        )
        with pytest.raises(errors.NetworkError, match='certificate cannot be trusted.*verify='):
            pyxnat.Interface(proxy.url, server.user, server.password, tmp_path).whoami()


@pytest.mark.parametrize(
    ('wrong', 'remedy'),
    [('name', 'for another name'), ('address', 'for another name'), ('expired', 'has expired')],
)
def test_a_wrong_certificate_is_refused_at_once(
    wrong: str, remedy: str, server: Any, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    past = datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc)
    certificate = (
        authority.issue_cert('example.org')
        if wrong == 'name'
        else authority.issue_cert('127.0.0.2')
        if wrong == 'address'
        else authority.issue_cert('127.0.0.1', not_after=past)
    )
    with secured(server, certificate) as proxy:
        with pytest.raises(errors.NetworkError, match=f'certificate cannot be trusted.*{remedy}'):
            pyxnat.Interface(
                proxy.url, server.user, server.password, tmp_path, verify=bundle
            ).whoami()
        assert proxy.seen == []


def test_a_server_that_requires_a_client_certificate_gets_it(
    server: Any, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    own = authority.issue_cert('client@example.org')
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / 'client.pem')
    with secured(server, authority.issue_cert('127.0.0.1'), clients=authority) as proxy:
        given = {'verify': bundle, 'cert': tmp_path / 'client.pem'}
        assert (
            pyxnat.Interface(proxy.url, server.user, server.password, tmp_path, **given).whoami()
            == server.user
        )
        with pytest.raises(errors.NetworkError):
            pyxnat.Interface(
                proxy.url, server.user, server.password, tmp_path, verify=bundle, retries=0
            ).whoami()
    with pytest.raises(errors.ConfigurationError, match='certificate'):
        pyxnat.Interface(server.url, 'me', 'x', cert=tmp_path / 'missing.pem')


def test_a_client_certificate_is_shown_to_the_configured_host_alone(
    server: Any, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    own = authority.issue_cert('client@example.org')
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / 'client.pem')
    certificate = authority.issue_cert('127.0.0.1')
    with secured(server, certificate, clients=authority) as storage:
        target = f'{storage.url}/data/auth'
        moved = Reply(302, b'', {'Location': target})
        with (
            ScriptedServer(lambda request: moved) as plain,
            FaultProxy(plain.url, _context(certificate)) as proxy,
        ):
            given = {'verify': bundle, 'cert': tmp_path / 'client.pem', 'retries': 0}
            interface = pyxnat.Interface(proxy.url, 'me', 'x', tmp_path, **given)
            with pytest.raises(errors.DatabaseError):
                interface.select.project('P').resource('R').file('f').get(tmp_path / 'f')
        assert storage.seen == []


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(errors.NetworkError, match=r'host is not known|no connection') as caught:
        pyxnat.Interface('https://xnat.invalid', 'me', 'secret').whoami()
    assert 'xnat.invalid' in str(caught.value)


# -- redirects -------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda request: Reply(200, CONTENT)) as server:
        yield server


def led_to(location: str, status: int = 302) -> ScriptedServer:
    def script(request: Request) -> Reply:
        if '/there' in request.uri:
            return Reply(200, CONTENT, COOKIE)
        return Reply(status, b'', {**COOKIE, 'Location': location})

    return ScriptedServer(script)


def test_a_redirect_on_the_same_server_is_followed_with_the_session(tmp_path: Path) -> None:
    with led_to('/data/there') as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
        assert interface._exec('/data/projects') == CONTENT
        assert server.requests[-1].headers['cookie'] == 'JSESSIONID=A1'


def test_another_host_gets_neither_password_nor_cookie(
    elsewhere: ScriptedServer, tmp_path: Path
) -> None:
    with led_to(f'{elsewhere.url}/bucket/key?signature=s3cret') as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
        with interface.trace() as trace:
            path = interface.select('/projects/P/resources/R/files/f').get()
        assert Path(path).read_bytes() == CONTENT
        (request,) = elsewhere.requests
        assert not {'cookie', 'authorization'} & set(request.headers)
        assert 's3cret' not in str(trace)


@pytest.mark.parametrize(
    ('location', 'error'),
    [
        ('/data/projects', errors.UnexpectedAnswer),
        ('/app/template/Login.vm', errors.AuthenticationError),
        ('ftp://example.org/x', errors.UnexpectedAnswer),
        ('file:///etc/passwd', errors.UnexpectedAnswer),
    ],
)
def test_an_unusable_redirect_is_an_error(
    location: str, error: type[Exception], tmp_path: Path
) -> None:
    with led_to(location) as server, pytest.raises(error):
        pyxnat.Interface(server.url, 'me', 'secret', tmp_path)._exec('/data/projects')
    assert len(server.requests) <= 12


@pytest.mark.parametrize(('status', 'sent'), [(302, 0), (307, 1), (308, 1)])
def test_a_write_is_sent_again_only_if_the_status_keeps_the_method(
    status: int, sent: int, tmp_path: Path
) -> None:
    with led_to('/data/there', status) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
        if sent:
            interface._exec('/data/projects/P', 'PUT', b'<x/>')
        else:
            with pytest.raises(errors.UnexpectedAnswer, match='nothing was written'):
                interface._exec('/data/projects/P', 'PUT', b'<x/>')
        assert [request.body for request in server.requests if '/there' in request.uri] == [
            b'<x/>'
        ] * sent


def test_a_write_is_never_redirected_to_another_host(
    elsewhere: ScriptedServer, tmp_path: Path
) -> None:
    with (
        led_to(f'{elsewhere.url}/data/projects/P', 307) as server,
        pytest.raises(errors.UnexpectedAnswer, match='nothing was written'),
    ):
        pyxnat.Interface(server.url, 'me', 'secret', tmp_path)._exec(
            '/data/projects/P', 'PUT', b'<x/>'
        )
    assert elsewhere.requests == []


# -- resumed downloads -----------------------------------------------------------------------------


class Breaking:
    """Serves a file in pieces with dropped connections, with or without Range."""

    def __init__(self, *, ranges: bool, changes: bool = False) -> None:
        self.ranges = ranges
        self.changes = changes
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        wanted = request.headers.get('range', '')
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.ranges and not self.changes else 0
        body = CONTENT[start:]
        dates = {
            'Last-Modified': MODIFIED,
            'Date': formatdate(usegmt=True),
            'Accept-Ranges': 'bytes' if self.ranges else 'none',
        }
        if start:
            dates['Content-Range'] = f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'
        cut = body if len(self.asked) > 3 else body[: len(body) // 2]
        return Reply(206 if start else 200, cut, {**COOKIE, **dates}, length=len(body), close=True)


@pytest.mark.parametrize('dest', [None, 'place'])
def test_a_dropped_download_is_resumed_at_the_last_byte(dest: str | None, tmp_path: Path) -> None:
    script = Breaking(ranges=True)
    with ScriptedServer(script) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache').select(
            '/projects/P/resources/R/files/f'
        )
        path = file.get(*(tmp_path / dest,) if dest else ())
    assert Path(path).read_bytes() == CONTENT
    assert script.asked == ['', 'bytes=5120-', 'bytes=7680-', 'bytes=8960-']


@pytest.mark.parametrize(('ranges', 'changes'), [(False, False), (True, True)])
def test_a_download_that_cannot_be_resumed_starts_again(
    ranges: bool, changes: bool, tmp_path: Path
) -> None:
    script = Breaking(ranges=ranges, changes=changes)
    with ScriptedServer(script) as server:
        path = (
            pyxnat.Interface(server.url, 'me', 'secret', tmp_path)
            .select('/projects/P/resources/R/files/f')
            .get()
        )
    assert Path(path).read_bytes() == CONTENT
    assert script.asked[-1] == '' or changes


def test_a_download_that_always_fails_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with ScriptedServer(
        lambda request: Reply(200, CONTENT[:100], COOKIE, length=1000, close=True)
    ) as server:
        file = pyxnat.Interface(server.url, 'me', 'secret', tmp_path / 'cache', retries=2).select(
            '/projects/P/resources/R/files/f'
        )
        for dest in ((), (tmp_path / 'place',)):
            with pytest.raises(errors.TransferError, match='100 of 1000'):
                file.get(*dest)
        assert len(server.requests) == 6
    assert not [
        path
        for path in tmp_path.rglob('*')
        if path.is_file() and path.name not in ('stamp', 'looked')
    ]


def test_retry_after_may_be_a_date(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pauses: list[float] = []
    monkeypatch.setattr('time.sleep', pauses.append)
    answers = iter(['120', formatdate(0, usegmt=True), 'soon'])

    def script(request: Request) -> Reply:
        retry_after = next(answers, None)
        return (
            Reply(503, b'', {'Retry-After': retry_after})
            if retry_after
            else Reply(200, table(), COOKIE)
        )

    with ScriptedServer(script) as server:
        pyxnat.Interface(server.url, 'me', 'secret', tmp_path)._get_json('/data/projects')
    assert pauses[0] == transport.MAX_RETRY_AFTER_S and all(0 < pause < 1 for pause in pauses[1:])


# -- disks -----------------------------------------------------------------------------------------

FULL = """
import sys, pyxnat
from pyxnat import errors
url, user, password, disk, outcome = sys.argv[1:]
interface = pyxnat.Interface(url, user, password, disk + '/cache')
assert interface.select.project('DISK').exists()
file = interface.select('/projects/DISK/resources/R/files/big.bin')
for dest, error in ((None, errors.ConfigurationError), (disk + '/place.bin', OSError)):
    try:
        file.get(*([dest] if dest else []))
    except error as caught:
        assert outcome in str(caught) and disk in str(caught), caught
    else:
        raise AssertionError(dest)
assert interface.select.project('DISK').exists()
small = interface.select('/projects/DISK/resources/R/files/small.txt')
if outcome.startswith('No space'):
    assert open(small.get()).read() == 'small'
interface.disconnect()
import os
names = [name for _, _, found in os.walk(disk) for name in found]
left = [name for name in names if name.endswith('.part') or 'big' in name or 'place' in name]
assert left == [], left
print('well')
"""


@pytest.mark.skipif(
    not shutil.which('unshare') or sys.platform != 'linux', reason='needs name spaces of Linux'
)
@pytest.mark.parametrize(('mount', 'outcome'), [('size=2m', 'No space left'), ('ro', 'Read-only')])
def test_a_full_or_read_only_disk_is_an_error_that_says_so(
    mount: str, outcome: str, server: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    if subprocess.run(['unshare', '-rm', 'true'], check=False).returncode:
        pytest.skip('name spaces are not allowed here')
    project = xnat.select.project('DISK')
    if not project.exists():
        project.resource('R').file('big.bin').put(os.urandom(4_000_000))
        project.resource('R').file('small.txt').put(b'small')
    disk = tmp_path / 'disk'
    disk.mkdir()
    command = f'mount -t tmpfs -o {mount} none "$1" && exec "$2" -c "$3" "$4" "$5" "$6" "$1" "$7"'
    words = [
        'unshare',
        '-rm',
        'sh',
        '-c',
        command,
        'sh',
        str(disk),
        sys.executable,
        textwrap.dedent(FULL),
    ]
    done = subprocess.run(
        [*words, server.url, server.user, server.password, outcome],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == 'well\n', done.stderr
