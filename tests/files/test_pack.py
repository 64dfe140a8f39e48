"""Tests of zips for uploads."""

from __future__ import annotations

import os
import random
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.files import zips

RANDOM = random.Random(1).randbytes


@pytest.mark.parametrize(
    ('content', 'is_stored'),
    [
        (b'', False),
        (RANDOM(4096), False),
        (RANDOM(4097), True),
        (RANDOM(1 << 20), True),
        (zlib.compress(os.urandom(1 << 16)), True),
        (b'text ' * 10_000, False),
        (b'\0' * 132 + b'DICM' + b'head ' * 400 + RANDOM(1 << 18), True),
        (RANDOM(2048) + bytes(1 << 18), False),
    ],
    ids=['empty', 'small', 'random', 'long', 'gzip', 'text', 'compressed image', 'plain image'],
)
def test_files_that_do_not_shrink_are_stored(
    content: bytes, is_stored: bool, tmp_path: Path
) -> None:
    (tmp_path / 'a').write_bytes(content)
    with zips.pack([('a', tmp_path / 'a')]) as packed, zipfile.ZipFile(packed) as archive:
        assert archive.read('a') == content
        assert (archive.getinfo('a').compress_type == zipfile.ZIP_STORED) == is_stored


@given(
    contents=st.lists(
        st.tuples(st.binary(max_size=300), st.integers(1, 100), st.integers(0, 9000)), max_size=4
    ),
    level=st.integers(0, 9),
)
def test_contents_are_the_same_at_each_level(
    contents: list[tuple[bytes, int, int]], level: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp('packed')
    texts = [some * count + RANDOM(length) for some, count, length in contents]
    members = [(f'{number}/x', folder / str(number)) for number in range(len(texts))]
    for (_, path), text in zip(members, texts, strict=True):
        path.write_bytes(text)
    with zips.pack(members, level) as packed, zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == [name for name, _ in members]
        assert [archive.read(name) for name, _ in members] == texts
        if not level:
            assert all(not entry.compress_type for entry in archive.infolist())
