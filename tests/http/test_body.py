"""Tests of request bodies: their length, reading in chunks, and repeated reading."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import DataError
from pyxnat.files.disk import CHUNK
from pyxnat.http.body import Payload

CONTENT = b'some content ' * 100


def sent(payload: Payload) -> bytes:
    """Return the bytes that are sent over the connection."""
    body = payload.open()
    return body if isinstance(body, bytes) else b''.join(body or ())


def file_of(content: bytes, folder: Path) -> Path:
    path = folder / 'source'
    path.write_bytes(content)
    return path


class _PathLike:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


class _Pipe(io.RawIOBase):
    """An open file without seek."""

    def __init__(self, content: bytes) -> None:
        self.rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.rest.readinto(buffer)


SEEKABLE: dict[str, Callable[[Path], Any]] = {
    'bytes': lambda folder: CONTENT,
    'bytearray': lambda folder: bytearray(CONTENT),
    'memoryview': lambda folder: memoryview(CONTENT),
    'str': lambda folder: CONTENT.decode(),
    'Path': lambda folder: file_of(CONTENT, folder),
    'PathLike': lambda folder: _PathLike(file_of(CONTENT, folder)),
    'open file': lambda folder: file_of(CONTENT, folder).open('rb'),
    'open text file': lambda folder: file_of(CONTENT, folder).open(encoding='utf-8'),
    'unbuffered file': lambda folder: file_of(CONTENT, folder).open('rb', buffering=0),
    'BytesIO': lambda folder: io.BytesIO(CONTENT),
    'StringIO': lambda folder: io.StringIO(CONTENT.decode()),
}
ONCE: dict[str, Callable[[Path], Any]] = {
    'pipe': lambda folder: _Pipe(CONTENT),
    'generator': lambda folder: (CONTENT[start : start + 7] for start in range(0, len(CONTENT), 7)),
    'list': lambda folder: [CONTENT[:5], b'', CONTENT[5:]],
}


@pytest.mark.parametrize('kind', SEEKABLE)
def test_a_source_of_known_length_is_measured_and_can_be_sent_again(
    kind: str, tmp_path: Path
) -> None:
    source = SEEKABLE[kind](tmp_path)
    payload = Payload(source)
    assert payload.length == len(CONTENT) and not payload.is_chunked and not payload.is_empty
    for _ in range(2):
        assert sent(payload) == CONTENT
        assert payload.sent == len(CONTENT)
    assert payload.rewinds


@pytest.mark.parametrize('kind', ONCE)
def test_a_source_of_unknown_length_is_sent_in_chunks_once(kind: str, tmp_path: Path) -> None:
    payload = Payload(ONCE[kind](tmp_path))
    assert payload.length is None and payload.is_chunked
    assert payload.untouched and payload.rewinds
    assert sent(payload) == CONTENT and payload.sent == len(CONTENT)
    assert not payload.untouched and not payload.rewinds


def test_none_is_no_body() -> None:
    payload = Payload(None)
    assert (
        payload.is_empty
        and payload.length == 0
        and payload.open() is None
        and payload.may_repeat('GET')
    )


def test_an_empty_body_is_a_body() -> None:
    payload = Payload(b'')
    assert not payload.is_empty and payload.length == 0 and payload.open() == b''


@pytest.mark.parametrize('wrong', [5, 1.5, object(), True])
def test_an_unsupported_body_is_a_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match=type(wrong).__name__):
        Payload(wrong)


def test_text_is_content_and_not_a_file_name(tmp_path: Path) -> None:
    path = file_of(CONTENT, tmp_path)
    assert sent(Payload(str(path))) == str(path).encode()


@given(st.text(st.characters(exclude_categories=['Cs'])))
def test_text_is_sent_as_utf8(text: str) -> None:
    payload = Payload(text)
    assert sent(payload) == text.encode() and payload.length == len(text.encode())


@pytest.mark.parametrize('text', ['ä', 'one\r\ntwo'])
def test_text_in_memory_is_sent_as_utf8(text: str) -> None:
    assert sent(Payload(io.StringIO(text, newline=''))) == text.encode()


@given(st.binary(max_size=200), st.integers(0, 250))
def test_an_open_file_is_sent_from_its_position(content: bytes, position: int) -> None:
    file = io.BytesIO(content)
    file.seek(position)
    payload = Payload(file)
    assert payload.length == len(content[position:])
    assert sent(payload) == sent(payload) == content[position:]


def test_an_open_text_file_is_sent_from_its_position(tmp_path: Path) -> None:
    with file_of(b'first line\nsecond line\n', tmp_path).open(encoding='utf-8') as file:
        file.readline()
        assert sent(Payload(file)) == b'second line\n'


def test_a_temporary_file_is_sent() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(CONTENT)
        file.seek(0)
        assert sent(Payload(file)) == CONTENT


def test_a_large_file_is_read_in_chunks(tmp_path: Path) -> None:
    path = tmp_path / 'big'
    with path.open('wb') as file:
        file.truncate(3 * CHUNK + 5)
    for source in (path, path.open('rb')):
        pieces = Payload(source).open()
        assert [len(piece) for piece in pieces or ()] == [CHUNK, CHUNK, CHUNK, 5]


def test_sent_bytes_are_counted_while_they_are_sent(tmp_path: Path) -> None:
    path = tmp_path / 'big'
    path.write_bytes(b'x' * (2 * CHUNK))
    payload = Payload(path)
    pieces = payload.open()
    assert isinstance(pieces, Iterator) and payload.sent == 0
    next(pieces)
    assert payload.sent == CHUNK
    assert sent(payload) and payload.sent == 2 * CHUNK, 'a new attempt counts from nothing'


def test_a_file_is_opened_only_when_it_is_sent(tmp_path: Path) -> None:
    path = file_of(CONTENT, tmp_path)
    payload = Payload(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        sent(payload)


@pytest.mark.parametrize('by', [1, CHUNK, 3 * CHUNK])
def test_a_growing_file_is_an_error_and_no_extra_byte_is_sent(by: int, tmp_path: Path) -> None:
    path = file_of(b'x' * (2 * CHUNK), tmp_path)
    payload = Payload(path)
    with path.open('ab') as file:
        file.write(b'y' * by)
    got = bytearray()
    with pytest.raises(DataError, match='grew'):
        for piece in payload.open() or ():
            got += piece  # type: ignore[arg-type]
    assert len(got) <= 2 * CHUNK and payload.sent == len(got)


@pytest.mark.parametrize('size', [0, 1, CHUNK, 2 * CHUNK - 1])
def test_a_shrinking_file_is_an_error(size: int, tmp_path: Path) -> None:
    path = file_of(b'x' * (2 * CHUNK), tmp_path)
    payload = Payload(path)
    os.truncate(path, size)
    with pytest.raises(DataError, match=f'shrank.*{size} of {2 * CHUNK}') as caught:
        sent(payload)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ('method', 'known', 'unknown'),
    [
        ('GET', True, False),
        ('HEAD', True, False),
        ('DELETE', True, False),
        ('PUT', True, False),
        ('OPTIONS', True, False),
        ('POST', False, False),
        ('PATCH', False, False),
    ],
)
def test_a_request_is_repeatable_if_it_is_idempotent_and_its_body_rewinds(
    method: str, known: bool, unknown: bool
) -> None:
    for source in (None, b'x', io.BytesIO(b'x')):
        assert Payload(source).may_repeat(method) is known
    assert Payload(iter([b'x'])).may_repeat(method) is unknown


def test_the_repr_of_a_body_shows_its_length_and_not_its_content() -> None:
    assert repr(Payload(b'secret')) == '<Payload of 6 bytes>'
    assert repr(Payload(iter([b'secret']))) == '<Payload of unknown length>'
