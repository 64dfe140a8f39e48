"""Tests of network failures: the right data or a specific error.

Never wrong data, a repeated write or a long wait.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from pyxnat.http.connection import Timeouts
from tests.conftest import DEEP
from tests.support import faults
from tests.support.faults import (
    LOGIN_PAGE,
    Fault,
    FaultProxy,
    after,
    answers_with,
    cut,
    raw_head,
    says,
    wrong_length,
)
from tests.support.waiting import GENEROUS_S

CONTENT = bytes(range(256)) * 40
TIMEOUT_S = 0.4
LONGEST_S = GENEROUS_S
"""Longer than all retries of a stalled request, and shorter than the wait for a response that never
comes."""


class Operation(NamedTuple):
    """An action of a program, and the check of its result."""

    run: Callable[[pyxnat.Interface, Path], Any]
    is_right: Callable[[Any, Path], bool]
    applies: Callable[[str, str], bool] = lambda method, uri: True
    writes: bool = False


def _file(interface: pyxnat.Interface) -> Any:
    return interface.select(
        '/projects/FAULTS/subjects/S/experiments/E/scans/1/resources/R/files/a.*'
    ).first()


def _to_cache(interface: pyxnat.Interface, folder: Path) -> bytes:
    return Path(_file(interface).get()).read_bytes()


def _to_place(interface: pyxnat.Interface, folder: Path) -> bytes:
    return Path(_file(interface).get(folder / 'place.bin')).read_bytes()


def _unzipped(interface: pyxnat.Interface, folder: Path) -> dict[str, bytes]:
    resource = interface.select('/projects/FAULTS/subjects/S/experiments/E/scans/1/resources/R')
    return {
        Path(path).name: Path(path).read_bytes()
        for path in resource.get(folder / 'zip', extract=True)
    }


def _put(interface: pyxnat.Interface, folder: Path) -> Any:
    file = interface.select(f'/projects/FAULTS/resources/NEW/files/{folder.name}.bin')
    file.put(CONTENT)
    return interface, file.parent()


def _create(interface: pyxnat.Interface, folder: Path) -> Any:
    interface.select.project('FAULTS').subject(folder.name[-30:]).create()
    return interface, folder.name[-30:]


def _is_put_once(result: Any, folder: Path) -> bool:
    interface, resource = result
    rows = [
        row
        for row in interface._get_json(f'{resource._uri}/files')
        if row['Name'] == f'{folder.name}.bin'
    ]
    return len(rows) == 1 and interface.get(rows[0]['URI']).content == CONTENT


def _is_there_once(result: Any, folder: Path) -> bool:
    interface, label = result
    return [row['label'] for row in interface._get_json('/data/projects/FAULTS/subjects')].count(
        label
    ) == 1


def _created(level: str) -> Callable[[pyxnat.Interface, Path], Any]:
    """Create an element whose answer has no body."""

    def run(interface: pyxnat.Interface, folder: Path) -> Any:
        name = folder.name.replace('_', '-')[-30:]
        if level == 'project':
            return interface.select.project(name).create()
        return interface.select('/projects/FAULTS/subjects/S2/experiments/E2').scan(name).create()

    return run


def _delete(interface: pyxnat.Interface, folder: Path) -> Any:
    name = folder.name.replace('_', '-')[-30:]
    subject = interface.select.project('FAULTS').subject(f'D{name}')
    if not subject.exists():
        subject.create()
    subject.delete()
    return subject


def _put_proved(interface: pyxnat.Interface, folder: Path) -> Any:
    """Put a second file: the first one has shown that this login may."""
    resource = interface.select('/projects/FAULTS/resources/NEW')
    interface.transfer.proved.add(('/projects/FAULTS', 'projects'))
    resource.file(f'{folder.name}.bin').put(CONTENT)
    return interface, resource


def _bulk(interface: pyxnat.Interface, folder: Path) -> dict[str, bytes]:
    interface.select('/projects/FAULTS/subjects/S/experiments/E').download(
        folder / 'bulk', progress=False
    )
    return {path.name: path.read_bytes() for path in (folder / 'bulk').rglob('*.bin')}


def _search(interface: pyxnat.Interface, folder: Path) -> list[str]:
    return (
        interface.select('/projects/FAULTS/subjects')
        .where([('xnat:subjectData/PROJECT', '=', 'FAULTS')])
        .get('label')
    )


def _is_file(method: str, uri: str) -> bool:
    return '/files/' in uri


OPERATIONS = {
    'listing': Operation(
        lambda i, f: [
            row['ID'] for row in i._get_json('/data/projects/FAULTS/subjects/S/experiments/E/scans')
        ],
        lambda r, f: r == ['1'],
    ),
    'exists': Operation(lambda i, f: i.select.project('FAULTS').exists(), lambda r, f: r is True),
    'item': Operation(
        lambda i, f: i.select.project('FAULTS').get(),
        lambda r, f: b'ID="FAULTS"' in r and r.rstrip().endswith(b'>'),
    ),
    'search': Operation(_search, lambda r, f: 'S' in r, lambda method, uri: 'search' in uri),
    'to cache': Operation(_to_cache, lambda r, f: r == CONTENT, _is_file),
    'to place': Operation(_to_place, lambda r, f: r == CONTENT, _is_file),
    'zip': Operation(
        _unzipped,
        lambda r, f: r == {'a.bin': CONTENT, 'b.bin': CONTENT},
        lambda method, uri: 'format=zip' in uri,
    ),
    'put': Operation(_put, _is_put_once, lambda method, uri: method == 'PUT', True),
    'create': Operation(_create, _is_there_once, lambda method, uri: method == 'PUT', True),
    'create project': Operation(
        _created('project'), lambda r, f: r.exists(), lambda method, uri: method == 'PUT', True
    ),
    'create scan': Operation(
        _created('scan'), lambda r, f: r.exists(), lambda method, uri: method == 'PUT', True
    ),
    'put proved': Operation(_put_proved, _is_put_once, lambda method, uri: method == 'PUT', True),
    'delete': Operation(
        _delete, lambda r, f: not r.exists(), lambda method, uri: method == 'DELETE', True
    ),
    'document': Operation(
        lambda i, f: i.select('/projects/FAULTS/subjects/S/experiments/E').get(),
        lambda r, f: b'<xnat:MRSession' in r and r.rstrip().endswith(b'</xnat:MRSession>'),
        lambda method, uri: 'format=xml' in uri,
    ),
    'table': Operation(
        lambda i, f: list(i.select('/projects/FAULTS/subjects/S/experiments/*').table(['label'])),
        lambda r, f: [row['label'] for row in r] == ['E'],
    ),
    'bulk': Operation(_bulk, lambda r, f: r == {'a.bin': CONTENT, 'b.bin': CONTENT}),
}
"""Fault -> the requests that it affects."""

NETWORK = errors.NetworkError
PAGES: dict[str, tuple[bytes, list[str]]] = {
    'a comment first': (b'<!-- proxy 1.2 --><p>Welcome</p><html>', ['Content-Type: text/html']),
    'XHTML': (b'<?xml version="1.0"?>\n<!DOCTYPE html><html xmlns="x">Welcome</html>', []),
    'a script': (b'<script>location = "/login"</script>', []),
    'a refresh': (b'<meta http-equiv="refresh" content="0; url=/portal">', []),
    'a title': (b'<title>Welcome</title>', ['Content-Type: application/octet-stream']),
    'blanks': (b' \r\n' * 3000 + b'<html>Welcome</html>', []),
    'UTF-16': ('<html>Welcome</html>'.encode('utf-16'), ['Content-Type: text/html; charset=x']),
}
HEADS = {
    'two lengths': (b'Content-Length: 5', b'Content-Length: 5'),
    'a list of lengths': (b'Content-Length: 5, 5',),
    'an odd length': (b'Content-Length: 1_0',),
    'a length and chunks': (b'Content-Length: 5', b'Transfer-Encoding: chunked'),
    'a negative chunk': (b'Transfer-Encoding: chunked', b'', b'-5'),
}
FAULTS: dict[str, tuple[Fault, int, tuple[type[Exception], ...]]] = {
    # a search is a POST, which is not repeated once a byte of it is sent; the response of an
    # upload is not read, but its listing is
    'reset': (faults.reset, 1, ()),
    'reset for ever': (faults.reset, 99, (NETWORK,)),
    'reset after': (faults.reset_after, 1, ()),
    'stall': (faults.stall, 1, (errors.NetworkTimeout,)),
    'stall in the body': (faults.stall_after, 1, (errors.NetworkTimeout,)),
    'drip': (faults.drip, 1, ()),
    'cut at 0': (cut(lambda length: 0), 1, ()),
    'cut in the head': (cut(lambda length: 20), 1, (NETWORK,)),
    'cut at the end': (cut(lambda length: length - 1), 1, (NETWORK,)),
    'cut in the middle': (cut(lambda length: length // 2), 1, (NETWORK,)),
    'announced too long': (wrong_length(7), 1, (NETWORK,)),
    'announced too short': (wrong_length(-3), 1, (errors.DatabaseError,)),
    '500': (says(500, b'<h3>out of memory</h3>'), 1, (errors.InternalError,)),
    '502': (says(502, b'<html>bad gateway</html>'), 1, ()),
    '503 with Retry-After': (says(503, b'', 'Retry-After: 0'), 1, ()),
    '429 for ever': (says(429), 99, (errors.BusyError,)),
    '401 in mid-session': (says(401, b'<html>please log in</html>'), 1, ()),
    'a login page with 200': (says(200, LOGIN_PAGE), 1, (errors.AuthenticationError,)),
    'a portal with 200': (
        says(200, b'<html>Welcome to the hotel</html>'),
        1,
        (errors.UnexpectedAnswer,),
    ),
    **{
        f'a portal: {name}': (says(200, page, *headers), 1, (errors.UnexpectedAnswer,))
        for name, (page, headers) in PAGES.items()
    },
    'a compressed login page': (
        says(200, gzip.compress(LOGIN_PAGE), 'Content-Encoding: gzip'),
        1,
        (errors.AuthenticationError,),
    ),
    **{f'head with {name}': (raw_head(*lines), 99, (NETWORK,)) for name, lines in HEADS.items()},
    'an interim response': (after(b'HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'), 1, ()),
    'endless interim responses': (after(b'HTTP/1.1 100 Continue\r\n\r\n' * 50), 99, (NETWORK,)),
    'gzip bomb': (faults.bomb, 99, (errors.DatabaseError,)),
    'garbage': (faults.garbage, 99, (errors.DatabaseError,)),
    '200 without a body': (says(200), 99, (errors.UnexpectedAnswer, errors.DataError)),
    **{
        f'{status} without a body': (says(status), 99, (errors.UnexpectedAnswer,))
        for status in (201, 202, 203, 204, 205, 206, 207, 299, 304)
    },
    **{
        f'{status} in place of 200': (answers_with(status), 1, (errors.UnexpectedAnswer,))
        for status in (202, 203, 206, 226)
    },
    'redirect loop': (faults.redirect_loop, 99, (errors.UnexpectedAnswer,)),
}
"""Affected requests, their number in a row, and the errors that may occur instead of the right
data."""


@pytest.fixture(scope='module')
def archive(server: Any) -> Any:
    with pyxnat.Interface(server.url, server.user, server.password) as interface:
        scan = interface.select.project('FAULTS').subject('S').experiment('E').scan('1').create()
        interface.select.project('FAULTS').subject('S2').experiment('E2').create()
        for name in ('a.bin', 'b.bin'):
            scan.resource('R').file(name).put(CONTENT)
    return server


@pytest.fixture
def proxy(archive: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.005)
    with FaultProxy(archive.url) as running:
        yield running


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a unique name, so that names of uploaded files are unique, too."""
    return tmp_path_factory.mktemp('faults')


@pytest.fixture
def interface(archive: Any, proxy: FaultProxy, tmp_path: Path) -> Iterator[pyxnat.Interface]:
    interface = pyxnat.Interface(
        proxy.url,
        archive.user,
        archive.password,
        tmp_path / 'cache',
        timeout=2 * LONGEST_S,
        retries=2,
    )
    interface._exec('/data/projects')  # logs in
    interface.cache.expiration = 0
    yield interface
    proxy.faults.clear()
    interface.disconnect()


@pytest.mark.sample(8)
@pytest.mark.parametrize('fault', FAULTS)
@pytest.mark.parametrize('operation', OPERATIONS)
def test_a_fault_gives_the_right_data_or_a_specific_error(
    operation: str, fault: str, interface: pyxnat.Interface, proxy: FaultProxy, tmp_path: Path
) -> None:
    done, (what, times, allowed) = OPERATIONS[operation], FAULTS[fault]
    proxy.applies, proxy.faults, proxy.writes[:] = done.applies, [what] * times, []
    patient = interface._transport.timeouts
    if 'stall' in fault:
        interface._transport.timeouts = Timeouts(TIMEOUT_S, TIMEOUT_S)
    started = time.monotonic()
    try:
        result = done.run(interface, tmp_path)
    except errors.DatabaseError as error:
        more = (
            (NETWORK, errors.BusyError)
            if operation == 'search'
            else (errors.PermissionDenied,)
            if operation == 'put'
            else ()
        )
        assert isinstance(error, allowed + more), f'{type(error).__name__}: {error}'
        assert error.uri and error.remedy and 'JSESSIONID' not in str(error)
        assert not (tmp_path / 'place.bin').exists()
    else:
        proxy.faults.clear()
        interface._transport.timeouts = patient
        assert done.is_right(result, tmp_path)
    assert time.monotonic() - started < LONGEST_S
    assert not any(write.startswith('POST') for write in proxy.writes)
    proxy.faults.clear()
    interface._transport.timeouts = patient
    if not done.writes:  # and no temporary file is left
        assert done.is_right(done.run(interface, tmp_path), tmp_path)


@pytest.mark.parametrize('operation', ['listing', 'to cache', 'to place', 'zip'])
def test_a_response_truncated_at_any_byte_is_never_accepted(
    operation: str, interface: pyxnat.Interface, proxy: FaultProxy, tmp_path: Path
) -> None:
    done = OPERATIONS[operation]
    proxy.applies = done.applies
    for tenths in range(0, 1000, 7 if DEEP else 97):
        interface.cache.clear()
        proxy.faults = [cut(lambda length, tenths=tenths: length * tenths // 1000)] * 2  # type: ignore[misc]
        folder = tmp_path / str(tenths)
        folder.mkdir()
        assert done.is_right(done.run(interface, folder), folder)


@pytest.mark.parametrize('is_listed', [True, False])
@pytest.mark.parametrize('page', [b'<html>Welcome to the hotel</html>', LOGIN_PAGE])
@pytest.mark.parametrize('dest', [None, 'place.html'])
def test_a_portal_is_not_the_page_that_is_stored(
    dest: str | None,
    page: bytes,
    is_listed: bool,
    interface: pyxnat.Interface,
    proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    stored = b'<!DOCTYPE html><html><form><input type="password"></form>my report</html>'
    resource = interface.select.project('FAULTS').resource('PAGES')
    name = f'{tmp_path.name}.html'
    resource.file(name).put(stored)
    file = resource.files(name).first() if is_listed else resource.file(name)
    target = () if dest is None else (tmp_path / dest,)
    proxy.applies = lambda method, uri: uri.endswith(name)
    proxy.faults = [says(200, page, 'Content-Type: text/html')] * 9
    with pytest.raises(errors.OperationalError):
        file.get(*target)
    assert not (tmp_path / 'place.html').exists()
    proxy.faults.clear()
    assert Path(file.get(*target)).read_bytes() == stored
