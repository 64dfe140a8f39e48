"""Archives of other programs: what the server stores is what is in them."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors

CONTENT = b'content of the file'


def stored(resource: Any) -> dict[str, bytes]:
    return {file.path_name: Path(file.get()).read_bytes() for file in resource.files()}


def zip_of(path: Path, names: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, 'w', how) as archive:
        for name, content in names.items():
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return path


def without_flag(path: Path, name: bytes, flag: int = 0) -> Path:
    """A zip with one name in the given bytes, not marked as UTF-8."""
    held = 'x' * len(name)
    zip_of(path, {held: CONTENT})
    path.write_bytes(path.read_bytes().replace(held.encode(), name))
    return path


@pytest.mark.parametrize(
    'name, expected',
    [
        ('ü.txt'.encode(), 'ü.txt'),
        ('日本/é è.txt'.encode(), '日本/é è.txt'),
        ('ü.txt'.encode('cp437'), 'ü.txt'),
        (b'a\\b.txt', 'a/b.txt'),
        (b'./a.txt', 'a.txt'),
        (b'x//a.txt', 'x/a.txt'),
        (b'x/./y/../a.txt', None),
        (b'/abs.txt', None),
        (b'C:\\x.txt', None),
        (b'../up.txt', None),
        (b'50%.txt', None),
    ],
)
def test_a_name_in_a_zip_is_stored_as_meant_or_refused(
    xnat: pyxnat.Interface, scan: Any, tmp_path: Path, name: bytes, expected: str | None
) -> None:
    packed = without_flag(tmp_path / 'others.zip', name)
    if expected is None:
        with xnat.trace() as trace, pytest.raises(errors.DataError):
            scan.resource('R').put_zip(packed)
        assert trace.requests == 0
    else:
        scan.resource('R').put_zip(packed)
        assert stored(scan.resource('R')) == {expected: CONTENT}


def test_an_ordinary_archive_is_sent_as_it_is(
    xnat: pyxnat.Interface, scan: Any, tmp_path: Path
) -> None:
    packed = zip_of(tmp_path / 'plain.zip', {'a.txt': CONTENT, 'd/ü.txt': CONTENT})
    with tarfile.open(tmp_path / 'plain.tgz', 'w:gz') as archive:
        archive.add(packed, 'd/p.zip')
    for path in (packed, tmp_path / 'plain.tgz'):
        with xnat.trace() as trace:
            scan.resource(path.suffix[1:]).put_zip(path)
        assert [record.method for record in trace] == ['PUT', 'GET']
        assert next(iter(trace)).sent == path.stat().st_size


@pytest.mark.parametrize('how', [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_compression_of_a_zip_is_unpacked(scan: Any, tmp_path: Path, how: int) -> None:
    scan.resource('R').put_zip(zip_of(tmp_path / 'p.zip', {'a/b.txt': CONTENT}, how))
    assert stored(scan.resource('R')) == {'a/b.txt': CONTENT}


def test_a_zip_that_was_streamed_or_has_something_before_it_is_unpacked(
    scan: Any, tmp_path: Path
) -> None:
    sink = io.BytesIO()
    sink.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(sink, 'w') as archive:  # type: ignore[arg-type]
        archive.writestr('a.txt', CONTENT)
    (tmp_path / 'streamed.zip').write_bytes(sink.getvalue())
    (tmp_path / 'prefixed.zip').write_bytes(b'#!/bin/sh\n' + sink.getvalue())
    for name in ('streamed', 'prefixed'):
        scan.resource(name).put_zip(tmp_path / f'{name}.zip')
        assert stored(scan.resource(name)) == {'a.txt': CONTENT}


def tar_of(path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name in ('./a.txt', 'd/b.txt', 'd//é.txt', 'long/' * 30 + 'c.txt'):
            entry = tarfile.TarInfo(name)
            entry.size = len(CONTENT)
            archive.addfile(entry, io.BytesIO(CONTENT))
        for name, kind, target in (
            ('hard.txt', tarfile.LNKTYPE, 'd/b.txt'),
            ('hard2.txt', tarfile.LNKTYPE, './a.txt'),
            ('d/soft.txt', tarfile.SYMTYPE, 'b.txt'),
            ('soft2.txt', tarfile.SYMTYPE, 'hard.txt'),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)
    return path


@pytest.mark.parametrize(
    'name, mode',
    [
        ('x.tar', 'w'),
        ('x.tar.gz', 'w:gz'),
        ('x.tgz', 'w:gz'),
        ('x.tar.bz2', 'w:bz2'),
        ('x.tar.xz', 'w:xz'),
        ('x.tbz', 'w:bz2'),
        ('noending', 'w:xz'),
        ('wrong.zip', 'w:gz'),
    ],
)
def test_a_tar_of_any_compression_is_stored_with_its_links(
    scan: Any, tmp_path: Path, name: str, mode: str
) -> None:
    scan.resource('R').put_zip(tar_of(tmp_path / name, mode))
    names = ['a.txt', 'd/b.txt', 'd/é.txt', 'long/' * 30 + 'c.txt']
    links = ['hard.txt', 'hard2.txt', 'd/soft.txt', 'soft2.txt']
    assert stored(scan.resource('R')) == dict.fromkeys([*names, *links], CONTENT)


@pytest.mark.parametrize(
    'kind, target',
    [
        (tarfile.SYMTYPE, '../../etc/passwd'),
        (tarfile.SYMTYPE, '/etc/passwd'),
        (tarfile.SYMTYPE, 'l'),
        (tarfile.LNKTYPE, 'nowhere'),
        (tarfile.FIFOTYPE, ''),
        (tarfile.CHRTYPE, ''),
    ],
)
def test_a_member_without_content_is_refused_before_a_request(
    xnat: pyxnat.Interface, scan: Any, tmp_path: Path, kind: bytes, target: str
) -> None:
    with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
        entry = tarfile.TarInfo('l')
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    with xnat.trace() as trace, pytest.raises(errors.DataError, match='cannot be unpacked'):
        scan.resource('R').put_zip(tmp_path / 'x.tar')
    assert trace.requests == 0


def test_two_members_for_one_file_are_refused_in_a_zip_and_the_last_counts_in_a_tar(
    scan: Any, tmp_path: Path
) -> None:
    with pytest.raises(errors.DataError, match='two members'):
        scan.resource('R').put_zip(zip_of(tmp_path / 'x.zip', {'a/b': b'1', 'a//b': b'2'}))
    with tarfile.open(tmp_path / 'x.tar', 'w') as archive:
        for content in (b'first', b'second'):
            entry = tarfile.TarInfo('a')
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    scan.resource('R').put_zip(tmp_path / 'x.tar')
    assert stored(scan.resource('R')) == {'a': b'second'}


def test_an_encrypted_zip_is_refused(scan: Any, tmp_path: Path) -> None:
    path = zip_of(tmp_path / 'x.zip', {'a': CONTENT})
    body = bytearray(path.read_bytes())
    body[6] |= 1
    body[body.index(b'PK\x01\x02') + 8] |= 1
    path.write_bytes(bytes(body))
    with pytest.raises(errors.DataError, match='encrypted'):
        scan.resource('R').put_zip(path)


@pytest.mark.skipif(os.name == 'nt', reason='POSIX dates')
def test_members_of_any_date_are_stored(scan: Any, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / 'x.tar.xz', 'w:xz') as archive:
        for number, seconds in enumerate((-1e9, 0, 9e9, 1e18)):
            entry = tarfile.TarInfo(f'f{number}')
            entry.size, entry.mtime = len(CONTENT), seconds
            archive.addfile(entry, io.BytesIO(CONTENT))
    scan.resource('R').put_zip(tmp_path / 'x.tar.xz')
    assert len(stored(scan.resource('R'))) == 4


PARTS = (
    st.text('abü日 .-_', min_size=1, max_size=6)
    .map(str.strip)
    .filter(lambda text: text.strip('. ') != '')
)
NAMES = st.lists(PARTS, min_size=1, max_size=3)


@settings(max_examples=25)
@given(
    st.dictionaries(st.tuples(PARTS, PARTS), st.binary(max_size=40), min_size=1, max_size=4),
    st.sampled_from(['/', '\\', '//', '/./']),
    st.booleans(),
)
def test_any_names_are_stored_as_meant(
    project: Any, tmp_path: Path, files: dict[Any, bytes], separator: str, dotted: bool
) -> None:
    resource = project.resource('R')
    packed = tmp_path / 'any.zip'
    names = {
        ('./' if dotted else '') + separator.join(parts): content
        for parts, content in files.items()
    }
    zip_of(packed, names)
    if resource.exists():
        resource.delete()
    resource.put_zip(packed)
    assert stored(resource) == {'/'.join(parts): content for parts, content in files.items()}
