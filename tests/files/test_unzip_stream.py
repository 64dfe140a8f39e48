"""Tests of unpacking zips while they arrive, compared with the standard library."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.files.unzip_stream import unzip

NAMES = st.text(
    st.characters(exclude_categories=('Cs', 'Cc'), exclude_characters='/\\'), min_size=1, max_size=8
)
FILES = st.dictionaries(
    NAMES,
    st.tuples(
        st.binary(max_size=300) | st.integers(1, 9).map(lambda n: bytes(n * 10_000)), st.booleans()
    ),
    max_size=5,
)


class Pipe(io.RawIOBase):
    """A file without seek: zips written to it have lengths after the files."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.written += data
        return len(data)


def packed(files: dict[str, tuple[bytes, bool]], *, streamed: bool, long: bool) -> bytes:
    pipe, buffer = Pipe(), io.BytesIO()
    with zipfile.ZipFile(pipe if streamed else buffer, 'w') as archive:
        for name, (content, deflated) in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            with archive.open(info, 'w', force_zip64=long) as member:
                member.write(content)
    return bytes(pipe.written) if streamed else buffer.getvalue()


def cut_up(body: bytes, step: int) -> Iterator[bytes]:
    return (body[start : start + step] for start in range(0, len(body), step))


@given(FILES, st.booleans(), st.booleans(), st.integers(1, 4000))
def test_unpacked_files_equal_the_packed_files(
    files: dict[str, tuple[bytes, bool]], streamed: bool, long: bool, step: int
) -> None:
    body = packed(files, streamed=streamed, long=long)
    found = {
        one.name: b''.join(one)
        for one in unzip(cut_up(body, step), lambda name: len(files[name][0]))
    }
    assert found == {name: content for name, (content, _) in files.items()}


@given(FILES.filter(bool), st.booleans(), st.integers(0, 10**9))
def test_a_zip_truncated_anywhere_gives_whole_files_and_then_an_error(
    files: dict[str, tuple[bytes, bool]], streamed: bool, at: int
) -> None:
    body = packed(files, streamed=streamed, long=False)
    body = body[: at % body.index(b'PK\x01\x02')]
    found = {}
    with pytest.raises(errors.TransferError):
        for one in unzip(iter([body] if body else []), lambda name: len(files[name][0])):
            found[one.name] = b''.join(one)
    assert found.items() <= {name: content for name, (content, _) in files.items()}.items()


@given(
    FILES.filter(lambda files: any(len(content) > 3 for content, _ in files.values())), st.data()
)
def test_a_changed_byte_of_content_is_detected(
    files: dict[str, tuple[bytes, bool]], data: st.DataObject
) -> None:
    name = data.draw(
        st.sampled_from([name for name, (content, _) in files.items() if len(content) > 3])
    )
    body = bytearray(packed({name: (files[name][0], False)}, streamed=False, long=False))
    body[30 + len(name.encode()) + 1] ^= 1
    with pytest.raises(errors.TransferError, match='checksum'):
        list(map(b''.join, unzip(iter([bytes(body)]))))


@pytest.mark.parametrize('signed', [True, False])
@pytest.mark.parametrize('form', ['<3L', '<L2Q'])
def test_descriptors_of_all_four_forms_are_read(signed: bool, form: str) -> None:
    content = b'content'
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    deflated = squeeze.compress(content) + squeeze.flush()
    head = b'PK\x03\x04' + struct.pack('<5H3L2H', 20, 8, 8, 0, 0, 0, 0, 0, 1, 0) + b'a'
    descriptor = (b'PK\x07\x08' if signed else b'') + struct.pack(
        form, zlib.crc32(content), len(deflated), len(content)
    )
    body = head + deflated + descriptor + b'PK\x05\x06' + bytes(18)
    assert [b''.join(one) for one in unzip(iter([body]))] == [content]


def test_files_that_are_not_read_are_skipped() -> None:
    body = packed({'a': (b'1' * 5000, True), 'b': (b'2', False)}, streamed=False, long=False)
    assert [one.name for one in unzip(cut_up(body, 7))] == ['a', 'b']


def test_a_body_that_is_not_a_zip_is_an_error() -> None:
    with pytest.raises(errors.TransferError, match='no zip'):
        next(unzip(iter([b'<html>login</html>'])), None)


def test_encryption_is_an_error() -> None:
    body = b'PK\x03\x04' + struct.pack('<5H3L2H', 20, 1, 0, 0, 0, 0, 0, 0, 1, 0) + b'a'
    with pytest.raises(errors.TransferError, match='unknown compression'):
        next(unzip(iter([body])))
