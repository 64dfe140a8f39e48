"""Tests of what a server can do to the disk and the terminal of its client."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.files import bounds, zips
from pyxnat.files.unzip_stream import unzip
from pyxnat.tables import JsonTable


def packed(size: int, count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for number in range(count):
            archive.writestr(f'S/resources/R/files/{number}', bytes(size))
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    (folder / 'x.zip').write_bytes(content)
    zips.unpack(folder / 'x.zip', folder / 'out')


def stream(content: bytes, folder: Path) -> None:
    for entry in unzip([content]):
        for _ in entry:
            pass


@pytest.mark.parametrize('way', [unpack, stream])
@pytest.mark.parametrize(('size', 'count'), [(10**6, 1), (50_000, 20)])
def test_a_small_zip_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Any, size: int, count: int
) -> None:
    monkeypatch.setattr(bounds, 'ALLOWED_BYTES', 10_000)
    content = packed(size, count)
    with pytest.raises(errors.TransferError, match='PYXNAT_UNPACK_RATIO=') as raised:
        way(content, tmp_path)
    assert not (tmp_path / 'out').exists()
    enough = raised.value.remedy.partition('RATIO=')[2].split()[0]
    monkeypatch.setenv('PYXNAT_UNPACK_RATIO', str(10 * int(enough)))
    way(content, tmp_path)
    monkeypatch.setenv('PYXNAT_UNPACK_GB', '0.0001')
    with pytest.raises(errors.TransferError, match='PYXNAT_UNPACK_GB='):
        way(content, tmp_path)
    monkeypatch.setenv('PYXNAT_UNPACK_GB', 'much')
    with pytest.raises(errors.ConfigurationError, match='not a number'):
        way(content, tmp_path)


@pytest.mark.parametrize('way', [unpack, stream])
def test_usual_zips_are_unpacked(tmp_path: Path, way: Any) -> None:
    way(packed(10**6, 5), tmp_path)


@pytest.mark.parametrize('size', [1, 2**18 - 1, 2**18, 2**18 + 1, 10**6, 5 * 2**20])
@pytest.mark.parametrize('most', [1, 7, 16 * 1024, 10**9])
def test_well_compressed_files_are_read_to_their_end(size: int, most: int) -> None:
    content = packed(size, 2)
    pieces = [content[at : at + most] for at in range(0, len(content), most)]
    sizes = [sum(len(piece) for piece in entry) for entry in unzip(pieces)]
    assert sizes == [size, size]


ESCAPES = ['\x1b[2J', '\x1b]0;title\x07', '\x9b31m', '\r', '\x08\x08', '\x7f', '\u202e', '\x00']


@pytest.mark.parametrize('escape', ESCAPES, ids=range(len(ESCAPES)))
def test_escapes_do_not_reach_the_terminal(tmp_path: Path, escape: str) -> None:
    text = f'a{escape}b'
    nobody = pyxnat.Interface('http://127.0.0.1:9', 'me', 'x', tmp_path)
    element = pyxnat.resources.Subject('/data/projects/P/subjects/S', nobody)
    element.steps = (*element.steps[:-1], element.steps[-1]._replace(name=text))
    row = {'xnat_abstractresource_id': '1', 'label': text, 'file_count': text}
    resource = pyxnat.resources.Resource('/data/projects/P/resources/R', nobody, row)
    for shown in (
        str(errors.DatabaseError(text, uri=f'/data/{text}', remedy=text)),
        str(JsonTable([{text: text}])),
        repr(element),
        repr(resource),
    ):
        assert escape not in shown and 'a' in shown


@given(st.text())
def test_printable_text_has_no_commands_and_keeps_the_rest(text: str) -> None:
    shown = errors.printable(text)
    assert errors.printable(shown) == shown
    assert not any(ord(char) < 32 and char not in '\t\n' for char in shown)
    if text.isprintable():
        assert shown == text
