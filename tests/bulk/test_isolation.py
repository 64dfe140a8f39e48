"""Files that a server or gateway refuses: all others are stored, and each reason has its file."""

from __future__ import annotations

import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from tests.support.faults import Exchange, says

NUMBERS = itertools.count(1)


@pytest.fixture
def through(through: Any) -> Any:
    """Return a session, and a proxy that damages only responses to uploads."""
    _, proxy = through
    proxy.applies = lambda method, uri: method == 'PUT' and '/files' in uri
    return through


def names_in(exchange: Exchange) -> list[str]:
    """The files of an upload."""
    if zipfile.is_zipfile(io.BytesIO(exchange.body)):
        return zipfile.ZipFile(io.BytesIO(exchange.body)).namelist()
    return [exchange.uri.partition('/files/')[2].partition('?')[0]]


def refusing(is_refused: Callable[[Exchange], bool], status: int = 400) -> Any:
    """A gateway that refuses some uploads."""

    def fault(exchange: Exchange) -> None:
        if is_refused(exchange):
            says(status, b'refused by the gateway')(exchange)
        else:
            exchange.client.sendall(exchange.forward())

    return fault


def folder_of(tmp_path: Path, names: list[str], size: int = 50) -> Path:
    folder = tmp_path / f'source{next(NUMBERS)}'
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(bytes(number * 37 + at * 11 & 255 for at in range(size)))
    return folder


def upload(resource: Any, folder: Path) -> dict[str, str]:
    """Reasons by file."""
    report = resource.upload(folder)
    return {failure.what: str(failure.error) for failure in report.failed}


def put_dir(resource: Any, folder: Path) -> dict[str, str]:
    return _reasons(lambda: resource.put_dir(folder), folder)


def put(resource: Any, folder: Path) -> dict[str, str]:
    return _reasons(lambda: resource.put(sorted(folder.glob('*'))), folder)


def _reasons(act: Callable[[], Any], folder: Path) -> dict[str, str]:
    try:
        act()
    except errors.DatabaseError as error:
        return {path.name: str(error) for path in folder.glob('*') if path.name in str(error)}
    return {}


WAYS = pytest.mark.parametrize('way', [upload, put_dir, put])
NAMES = [f'f{number:02}.dcm' for number in range(9)]


@pytest.mark.sample(2)
@WAYS
@pytest.mark.parametrize('status', [400, 403, 413, 422, 500, 504])
@pytest.mark.parametrize('bad', [['f00.dcm'], ['f04.dcm', 'f08.dcm']])
def test_a_refused_file_fails_alone_and_a_rerun_sends_only_that(
    through: Any, tmp_path: Path, way: Any, status: int, bad: list[str]
) -> None:
    session, proxy = through
    folder, resource = folder_of(tmp_path, NAMES), session.resource('R')
    proxy.faults = [refusing(lambda exchange: bool({*bad} & {*names_in(exchange)}), status)] * 99
    reasons = way(resource, folder)
    assert sorted(reasons) == bad
    assert all('refused by the gateway' in reason for reason in reasons.values())
    assert sorted(resource.files().get()) == sorted({*NAMES} - {*bad})
    sent: list[str] = []

    def watched(exchange: Exchange) -> None:
        sent.extend(names_in(exchange))
        exchange.client.sendall(exchange.forward())

    proxy.faults = [watched] * 99
    assert way(resource, folder) == {}
    assert sorted(sent) == bad and sorted(resource.files().get()) == NAMES


@WAYS
@pytest.mark.parametrize('limit', [300, 700, 1500])
def test_a_size_limit_of_a_proxy_divides_the_zip(
    through: Any, tmp_path: Path, way: Any, limit: int
) -> None:
    session, proxy = through
    folder, resource = folder_of(tmp_path, NAMES, 60), session.resource('R')
    proxy.faults = [refusing(lambda exchange: len(exchange.body) > limit, 413)] * 99
    assert way(resource, folder) == {}
    assert sorted(resource.files().get()) == NAMES


@WAYS
def test_a_completed_upload_in_a_new_session_is_no_error(
    through: Any, xnat: pyxnat.Interface, tmp_path: Path, way: Any
) -> None:
    session, proxy = through
    folder, resource = folder_of(tmp_path, NAMES), session.resource('R')
    proxy.faults = [refusing(lambda exchange: 'f03.dcm' in names_in(exchange))] * 99
    assert sorted(way(resource, folder)) == ['f03.dcm']
    again = xnat.select(session.uri).resource('R')
    assert way(again, folder) == {} and sorted(again.files().get()) == NAMES


@pytest.mark.parametrize('way', [put_dir, put])
def test_other_content_is_never_taken_for_a_completed_upload(
    xnat: pyxnat.Interface, scan: Any, tmp_path: Path, way: Any
) -> None:
    folder, resource = folder_of(tmp_path, NAMES[:3]), scan.resource('R')
    resource.file('f01.dcm').put(b'other')
    assert sorted(way(resource, folder)) == ['f01.dcm']
    assert sorted(resource.files().get()) == NAMES[:3]
    assert Path(resource.file('f01.dcm').get()).read_bytes() == b'other'


@WAYS
@pytest.mark.parametrize('status', [403, 500])
def test_a_refusal_of_everything_takes_few_requests(
    through: Any, tmp_path: Path, way: Any, status: int
) -> None:
    session, proxy = through
    names = [f'g{number:03}' for number in range(11)]
    folder, resource = folder_of(tmp_path, names), session.resource('R')
    proxy.faults = [says(status, b'refused by the gateway')] * 999
    proxy.seen.clear()
    assert sorted(way(resource, folder))[:5] == names[:5]
    assert len([line for line in proxy.seen if line.startswith('PUT')]) < 20


@pytest.mark.parametrize('status', [400, 500])
def test_many_refused_files_are_reported_and_the_others_stored(
    through: Any, tmp_path: Path, status: int
) -> None:
    session, proxy = through
    names = [f'{kind}{number:02}' for number in range(15) for kind in ('bad', 'fine')]
    folder = folder_of(tmp_path, names)
    for name in names:  # a resource for each file
        (folder / f'R{name}').mkdir()
        (folder / name).rename(folder / f'R{name}' / name)
    proxy.faults = [refusing(lambda exchange: '/Rbad' in exchange.uri, status)] * 999
    report = session.upload(folder, layout='{resource}/{path}')
    assert sorted(failure.what[-5:] for failure in report.failed) == sorted(names)[:15]
    assert len(report.ok) == 15


@settings(max_examples=12)
@given(st.sets(st.integers(0, 12)), st.sampled_from([400, 413, 500]))
def test_any_refused_files_are_the_only_ones_that_fail(
    through: Any, tmp_path: Path, refused: set[int], status: int
) -> None:
    session, proxy = through
    names = [f'h{number:02}' for number in range(13)]
    folder = folder_of(tmp_path, names)
    resource = session.resource(f'R{next(NUMBERS)}')
    bad = {names[number] for number in refused if status == 400 or number % 3 == 0}
    proxy.faults = [refusing(lambda exchange: bool(bad & {*names_in(exchange)}), status)] * 999
    report = resource.upload(folder)
    assert {failure.what for failure in report.failed} == bad
    assert {*report.ok} == {*names} - bad
    proxy.faults = []
