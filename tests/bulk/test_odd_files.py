"""Odd files of a local folder: each is sent, or named as not sent."""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.services.bulk.report import Report

pytestmark = pytest.mark.skipif(os.name == 'nt', reason='POSIX files')

DATES = [-1e9, -1, 0, 3e8, 1.7e9, 4354819199, 4e10]
"""Before 1970, before 1980, now, the end of 2107, and far after it."""


def fifo(place: Path) -> None:
    os.mkfifo(place)


def unix_socket(place: Path) -> None:
    here = os.getcwd()
    os.chdir(place.parent)  # paths of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(place.name)
    finally:
        os.chdir(here)


def link_to_folder(place: Path) -> None:
    elsewhere = place.parents[2] / 'elsewhere'
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / 'hidden.txt').write_text('hidden')
    place.symlink_to(elsewhere)


def circle(place: Path) -> None:
    place.symlink_to(place.parent)


def dangling(place: Path) -> None:
    place.symlink_to(place.parent / 'nowhere')


def itself(place: Path) -> None:
    place.symlink_to(place)


NO_DATA = [fifo, unix_socket, link_to_folder, circle]
LOST_DATA = [dangling, itself]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / 'source'
    (root / 'sub').mkdir(parents=True)
    (root / 'a.txt').write_text('a')
    (root / 'sub/b.txt').write_text('b')
    (root / 'linked.txt').symlink_to(root / 'a.txt')
    return root


GOOD = ['a.txt', 'linked.txt', 'sub/b.txt']


@pytest.mark.parametrize('make', [*NO_DATA, *LOST_DATA], ids=lambda make: make.__name__)
@pytest.mark.parametrize('at', ['odd', 'sub/odd'])
def test_an_upload_names_what_cannot_be_sent(
    scan: Any, folder: Path, make: Callable[[Path], None], at: str
) -> None:
    make(folder / at)
    report = scan.resource('R').upload(folder)
    assert sorted(report.ok) == GOOD and [failure.what for failure in report.failed] == [at]
    assert at in str(report) and not report.is_complete
    assert sorted(scan.resource('R').files().get()) == GOOD


@pytest.mark.parametrize('make', NO_DATA, ids=lambda make: make.__name__)
def test_put_dir_warns_of_what_has_no_data(
    scan: Any, folder: Path, make: Callable[[Path], None]
) -> None:
    make(folder / 'sub/odd')
    with pytest.warns(UserWarning, match='sub/odd'):
        scan.resource('R').put_dir(folder)
    assert sorted(scan.resource('R').files().get()) == GOOD


@pytest.mark.parametrize('make', LOST_DATA, ids=lambda make: make.__name__)
@pytest.mark.parametrize('extract', [True, False])
def test_put_dir_stores_the_others_and_raises_for_lost_data(
    scan: Any, folder: Path, make: Callable[[Path], None], extract: bool
) -> None:
    make(folder / 'sub/odd')
    with pytest.raises(errors.DataError, match='sub/odd'):
        scan.resource('R').put_dir(folder, extract=extract)
    assert sorted(scan.resource('R').files().get()) == (GOOD if extract else ['R.zip'])
    (folder / 'sub/odd').unlink()
    if extract:
        scan.resource('R').put_dir(folder)


@pytest.mark.skipif(sys.platform == 'darwin', reason='names are UTF-8 there')
@pytest.mark.parametrize('name', [b'caf\xe9.dcm', b'\xff', b'sub/\xe9.txt', b'd\xe9/x.txt'])
def test_names_that_are_not_utf8_are_named_and_the_others_stored(
    xnat: pyxnat.Interface, scan: Any, folder: Path, name: bytes
) -> None:
    place = Path(os.fsdecode(os.fsencode(folder) + b'/' + name))
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b'odd')
    report = scan.resource('R').upload(folder)
    assert sorted(report.ok) == GOOD
    assert [os.fsencode(failure.what) for failure in report.failed] == [name]
    str(report).encode()  # can be printed
    with pytest.raises(errors.DataError, match='UTF-8') as caught:
        scan.resource('DIR').put_dir(folder)
    str(caught.value).encode()
    assert sorted(scan.resource('DIR').files().get()) == GOOD
    with xnat.trace() as trace, pytest.raises(errors.DataError, match='cannot be the name'):
        scan.resource('PUT').put([place, folder / 'a.txt'])
    assert trace.requests == 0
    with pytest.raises(errors.DataError, match='cannot be the name') as caught:
        scan.resource('PUT').file(os.fsdecode(name)).put(b'content')
    str(caught.value).encode()


@pytest.mark.parametrize('seconds', DATES)
@pytest.mark.parametrize('way', ['upload', 'put', 'put_dir'])
def test_files_of_any_date_are_stored(scan: Any, tmp_path: Path, seconds: float, way: str) -> None:
    root = tmp_path / 'source'
    root.mkdir()
    for name in ('old.txt', 'new.txt'):
        (root / name).write_text(name)
    os.utime(root / 'old.txt', (seconds, seconds))
    resource = scan.resource('R')
    if way == 'upload':
        resource.upload(root).check()
    elif way == 'put':
        resource.put(sorted(root.iterdir()))
    else:
        resource.put_dir(root)
    assert sorted(resource.files().get()) == ['new.txt', 'old.txt']
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        paths = resource.get(tmp_path / 'dest', extract=True)
    assert {Path(path).read_text() for path in paths} == {'old.txt', 'new.txt'}


def test_an_import_refuses_lost_data_and_sends_nothing(
    xnat: pyxnat.Interface, project: Any, folder: Path
) -> None:
    dangling(folder / 'odd')
    with xnat.trace() as trace, pytest.raises(errors.DataError, match="'odd'"):
        xnat.manage.import_dicom(folder, project._urn)
    assert trace.requests == 0


@pytest.mark.parametrize('text', ['\x1b[2J', '\x9b2J', '\u202e', '\ud800', '\x07'])
def test_a_report_sends_no_commands_to_a_terminal(text: str) -> None:
    report = Report('downloaded', f'to {text}')
    report.add_failure(f'a{text}', ValueError(f'b{text}'))
    report.add_note(f'c{text}')
    for shown in (str(report), str(report.failed[0]), repr(report)):
        assert text not in shown and shown.encode()
