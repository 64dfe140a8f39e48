"""Downloads that are resumed: the rest is that of the same file, or the download starts again."""

from __future__ import annotations

import gzip
import itertools
import tempfile
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.http import transport
from tests.support.scripted import Reply, Request, ScriptedServer

CONTENT = bytes(range(256)) * 20
OTHER = CONTENT[::-1]
COOKIE = {'Set-Cookie': 'JSESSIONID=A1; Path=/'}
OLD, NEWER = formatdate(1e9, usegmt=True), formatdate(1.1e9, usegmt=True)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.001)


class Serving:
    """Serves `CONTENT`, half of it in the first response; `change` alters responses to ranges."""

    def __init__(self, change: Callable[[int, Reply], None], **headers: str) -> None:
        self.change = change
        self.headers = {
            **COOKIE,
            'Accept-Ranges': 'bytes',
            'Date': formatdate(usegmt=True),
            'ETag': '"v1"',
            'Last-Modified': OLD,
            **headers,
        }
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Reply:
        wanted = request.headers.get('range', '')
        self.asked.append(wanted)
        if not wanted:
            is_first = self.asked.count('') == 1
            body = CONTENT[: len(CONTENT) // 2] if is_first else CONTENT
            return Reply(200, body, dict(self.headers), length=len(CONTENT), close=is_first)
        start = int(wanted.removeprefix('bytes=').removesuffix('-'))
        reply = Reply(206, CONTENT[start:], dict(self.headers))
        reply.headers['Content-Range'] = f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'
        self.change(start, reply)
        return reply


def download(script: Any, folder: Path, name: str = 'f', **row: str) -> bytes:
    with ScriptedServer(script) as server:
        interface = pyxnat.Interface(server.url, 'me', 'secret', folder / 'cache', retries=3)
        file = interface.select(f'/projects/P/resources/R/files/{name}')
        file.row.update(row)
        return Path(file.get(folder / 'place')).read_bytes()


def shortened(start: int, reply: Reply) -> None:
    reply.body = reply.body[:700]
    end = start + len(reply.body) - 1
    reply.headers['Content-Range'] = f'bytes {start}-{end}/{len(CONTENT)}'


def test_a_server_that_sends_less_than_requested_is_asked_for_the_others(tmp_path: Path) -> None:
    script = Serving(shortened)
    assert download(script, tmp_path) == CONTENT
    assert script.asked == ['', *(f'bytes={start}-' for start in range(2560, 5120, 700))]


def changed(**headers: str) -> Callable[[int, Reply], None]:
    """Another version of the file."""

    def change(start: int, reply: Reply) -> None:
        reply.body = OTHER[start:]
        reply.headers.update({name.replace('_', '-'): value for name, value in headers.items()})

    return change


def with_range(form: str, body: Callable[[int], bytes] = lambda start: OTHER[start:]) -> Any:
    def change(start: int, reply: Reply) -> None:
        reply.body = body(start)
        reply.headers['Content-Range'] = form.format(
            start=start, end=len(CONTENT) - 1, total=len(CONTENT), before=start - 1, less=start - 9
        )

    return change


def without_validators(start: int, reply: Reply) -> None:
    reply.body = OTHER[start:]
    del reply.headers['ETag'], reply.headers['Last-Modified']


def compressed(start: int, reply: Reply) -> None:
    reply.body = gzip.compress(OTHER)[: len(CONTENT) - start]
    reply.headers['Content-Encoding'] = 'gzip'


WRONG = {
    'another ETag': changed(ETag='"v2"'),
    'a weak ETag': changed(ETag='W/"v1"'),
    'another date': changed(Last_Modified=NEWER),
    'neither ETag nor date': without_validators,
    'another total': with_range('bytes {start}-{end}/99999'),
    'another start': with_range('bytes {before}-{end}/{total}'),
    'the range of the begin': with_range('bytes 0-{before}/{total}'),
    'an end behind the total': with_range('bytes {start}-99999/{total}'),
    'a negative range': with_range('bytes {start}-{less}/{total}', lambda start: b''),
    'an empty part': with_range('bytes {start}-{before}/{total}', lambda start: b''),
    'no bytes': with_range('bytes {start}-{end}/{total}', lambda start: b''),
    'too many bytes': with_range('bytes {start}-{end}/{total}', lambda start: OTHER),
    'no range': with_range(''),
    'no number': with_range('bytes {start}-²/{total}'),
    'units of its own': with_range('items {start}-{end}/{total}'),
    'compressed': compressed,
}


@pytest.mark.parametrize('name', WRONG)
def test_what_is_not_the_rest_is_never_joined(name: str, tmp_path: Path) -> None:
    script = Serving(WRONG[name])
    assert download(script, tmp_path) == CONTENT
    assert script.asked[0] == script.asked[-1] == ''


@pytest.mark.parametrize('status', [200, 202, 203, 204, 304, 404, 416, 500])
def test_another_status_is_not_the_rest(status: int, tmp_path: Path) -> None:
    def change(start: int, reply: Reply) -> None:
        reply.status, reply.body = status, b'' if status in (204, 304) else OTHER[start:]

    try:
        assert download(Serving(change), tmp_path) == CONTENT
    except errors.DatabaseError as error:
        assert error.uri
        assert not (tmp_path / 'place').exists()


@pytest.mark.parametrize('total', ['{total}', '*'])
def test_a_total_may_be_left_out(total: str, tmp_path: Path) -> None:
    change = with_range('bytes {start}-{end}/' + total, lambda start: CONTENT[start:])
    script = Serving(change)
    assert download(script, tmp_path) == CONTENT
    assert len(script.asked) == 2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(50, 2000), min_size=1, max_size=4))
def test_parts_of_any_size_give_the_file(sizes: list[int]) -> None:
    count = itertools.count()

    def change(start: int, reply: Reply) -> None:
        reply.body = reply.body[: sizes[next(count) % len(sizes)]]
        end = start + len(reply.body) - 1
        reply.headers['Content-Range'] = f'bytes {start}-{end}/{len(CONTENT)}'

    with tempfile.TemporaryDirectory() as folder:
        assert download(Serving(change), Path(folder)) == CONTENT


def test_a_redirected_download_is_resumed_from_its_own_uri(tmp_path: Path) -> None:
    script = Serving(lambda start, reply: None)
    with ScriptedServer(script) as elsewhere:

        def lead(request: Request) -> Reply:
            return Reply(
                302, b'', {**COOKIE, 'Location': f'{elsewhere.url}/bucket/key?signature=x'}
            )

        assert download(lead, tmp_path) == CONTENT
    assert script.asked == ['', 'bytes=2560-']


# -- codings ---------------------------------------------------------------------------------------


def served(body: bytes, coding: str = 'gzip', **headers: str) -> Callable[[Request], Reply]:
    return lambda request: Reply(200, body, {**COOKIE, 'Content-Encoding': coding, **headers})


def members(count: int, content: bytes = CONTENT) -> bytes:
    step = len(content) // count
    pieces = [content[index * step : (index + 1) * step] for index in range(count - 1)]
    return b''.join(map(gzip.compress, [*pieces, content[(count - 1) * step :]]))


@pytest.mark.parametrize('count', [1, 2, 7, 100])
@pytest.mark.parametrize('padding', [b'', bytes(512)])
def test_gzip_of_several_members_is_read_to_its_end(
    count: int, padding: bytes, tmp_path: Path
) -> None:
    body = members(count) + padding
    assert download(served(body), tmp_path, 'f.nii', Size=str(len(CONTENT))) == CONTENT


@pytest.mark.parametrize('cut', [1, 5, 12, 300, -1, -9])
def test_gzip_that_ends_early_is_an_error(cut: int, tmp_path: Path) -> None:
    body = members(3)[:cut]
    with pytest.raises(errors.TransferError, match='compression'):
        download(served(body), tmp_path, 'f.nii')
    assert not (tmp_path / 'place').exists()


@pytest.mark.parametrize(
    'after',
    [b'more', gzip.compress(b'x', mtime=0)[:-4], b'\x1f\x8b'],
    ids=['text', 'cut', 'magic'],
)
def test_what_follows_gzip_is_an_error_unless_it_is_gzip(after: bytes, tmp_path: Path) -> None:
    with pytest.raises(errors.TransferError, match='compression'):
        download(served(members(1) + after), tmp_path, 'f.nii')


@pytest.mark.parametrize('name', ['f.nii.gz', 'F.NII.GZ', 'f.tgz', 'f.svgz'])
@pytest.mark.parametrize('is_listed', [True, False])
@pytest.mark.parametrize('coding', ['gzip', 'x-gzip', 'GZIP'])
def test_a_file_that_is_stored_compressed_keeps_its_own_bytes(
    name: str, is_listed: bool, coding: str, tmp_path: Path
) -> None:
    stored = members(2)
    row = {'Size': str(len(stored))} if is_listed else {}
    assert download(served(stored, coding), tmp_path, name, **row) == stored


@pytest.mark.parametrize('is_listed', [True, False])
def test_a_compressed_file_that_a_gateway_compresses_again(is_listed: bool, tmp_path: Path) -> None:
    stored = gzip.compress(CONTENT)
    row = {'Size': str(len(stored))} if is_listed else {}
    assert download(served(gzip.compress(stored)), tmp_path, 'f.nii.gz', **row) == stored


@pytest.mark.parametrize('coding', ['br', 'zstd', 'gzip, gzip', 'compress', 'nonsense'])
def test_a_coding_that_nobody_asked_for_is_an_error(coding: str, tmp_path: Path) -> None:
    with pytest.raises(errors.DatabaseError, match='compress'):
        download(served(CONTENT, coding), tmp_path, 'f.nii')


def test_a_file_is_asked_for_as_it_is(tmp_path: Path) -> None:
    asked = []

    def script(request: Request) -> Reply:
        asked.append(request.headers['accept-encoding'])
        return Reply(200, CONTENT, {**COOKIE, 'Content-Encoding': 'identity'})

    assert download(script, tmp_path, 'f.nii.gz') == CONTENT
    assert asked == ['identity']


@pytest.mark.parametrize('name', ['f.nii', 'f.nii.gz', 'f.dcm'])
def test_a_compressed_page_is_a_page(name: str, tmp_path: Path) -> None:
    page = gzip.compress(b'<html><form><input type="password"></form></html>')
    with pytest.raises(errors.AuthenticationError):
        download(served(page), tmp_path, name)
