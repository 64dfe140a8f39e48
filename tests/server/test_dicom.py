"""Tests of reading DICOM files, with any content."""

from __future__ import annotations

import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.server.storage.dicom_headers import MAX_HEADER, MAX_TEXT, NotDicom, dump, read
from tests.support.dicoms import content

FILES = (
    'MR_small.dcm',
    'CT_small.dcm',
    'image_dfl.dcm',
    'rtplan.dcm',
    'MR_small_bigendian.dcm',
    'no_meta.dcm',
    'liver_1frame.dcm',
    'badVR.dcm',
)
pytestmark = pytest.mark.filterwarnings('ignore')


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('dicom') / 'file.dcm'


def opened(path: Path, body: bytes) -> None:
    """Read a file in all possible ways: it may be refused as not DICOM, with no other error."""
    path.write_bytes(body)
    for reader in (read, lambda one: list(dump(one))):
        with suppress(NotDicom):
            reader(path)  # type: ignore[operator]


@given(
    name=st.sampled_from(FILES),
    cut=st.floats(0, 1),
    changes=st.lists(
        st.tuples(st.integers(0, 3000), st.binary(min_size=1, max_size=8)), max_size=20
    ),
)
def test_broken_files_are_refused_or_read(
    path: Path, name: str, cut: float, changes: list[tuple[int, bytes]]
) -> None:
    body = bytearray(content(name))
    for place, piece in changes:
        body[place : place + len(piece)] = piece
    opened(path, bytes(body[: int(len(body) * cut) or 1]))


@given(st.binary(max_size=400), st.booleans())
def test_bytes_are_refused_or_read(path: Path, body: bytes, preamble: bool) -> None:
    opened(path, bytes(128) + b'DICM' + body if preamble else body)


def without_pixels(body: bytes) -> bytes:
    return body[: body.index(b'\xe0\x7f\x10\x00')]


def element(tag: int, kind: bytes, value: bytes) -> bytes:
    """Return an element in explicit little endian, with a long form of its length."""
    return struct.pack('<HH2sHI', tag >> 16, tag & 0xFFFF, kind, 0, len(value)) + value


def test_a_long_value_is_not_read(path: Path) -> None:
    """Neither if an import requests it, nor for the dump."""
    body = without_pixels(content('MR_small.dcm'))
    path.write_bytes(
        body
        + element(0x00104000, b'UT', b'long' * MAX_TEXT)
        + element(0x7FDF0010, b'UN', bytes(8 * MAX_TEXT))
    )
    header = read(path)
    assert header.modality == 'MR' and 'PatientComments' not in header.values
    assert not {'(0010,4000)', '(7FDF,0010)'} & {row[0] for row in dump(path)}
    path.write_bytes(body + element(0x00104000, b'UT', b'short'))
    assert read(path).values['PatientComments'] == 'short'


def test_no_more_is_read_than_a_header_can_hold(path: Path) -> None:
    inner = element(0x00091010, b'OB', bytes(MAX_HEADER))
    item = (
        struct.pack('<HHI', 0xFFFE, 0xE000, 0xFFFFFFFF)
        + inner
        + struct.pack('<HHI', 0xFFFE, 0xE00D, 0)
    )
    sequence = (
        struct.pack('<HH2sHI', 0x0009, 0x1011, b'SQ', 0, 0xFFFFFFFF)
        + item
        + struct.pack('<HHI', 0xFFFE, 0xE0DD, 0)
    )
    path.write_bytes(without_pixels(content('MR_small.dcm')) + sequence)
    for reader in (read, lambda one: list(dump(one))):
        with pytest.raises(NotDicom, match='header is longer than'):
            reader(path)  # type: ignore[operator]


def test_endless_elements_are_read_in_limited_time(path: Path) -> None:
    path.write_bytes(without_pixels(content('MR_small.dcm')) + bytes(2**25))
    started = time.process_time()
    assert read(path).modality == 'MR'
    assert time.process_time() - started < 2


def test_a_deflated_file_is_unpacked_only_as_far_as_its_header_can_reach(path: Path) -> None:
    body = content('image_dfl.dcm')
    start = 132 + 12 + int.from_bytes(body[140:144], 'little')
    inner = without_pixels(zlib.decompress(body[start:], -zlib.MAX_WBITS))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    begin = packer.compress(inner) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**24)) + packer.flush(
        zlib.Z_FULL_FLUSH
    )  # independent of the data before it
    bomb = begin + again * 64 + packer.flush()
    path.write_bytes(body[:start] + bomb)
    assert len(bomb) < 2**21
    started = time.process_time()
    opened(path, path.read_bytes())
    assert time.process_time() - started < 5
