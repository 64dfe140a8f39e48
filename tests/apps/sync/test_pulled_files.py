"""Tests of the files of a pull: requests, and lazy files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.sync.file_rows import Files
from pyxnat.http import transport
from pyxnat.server import serve

from .test_names import put_names
from .test_pull import content, pulled


@pytest.fixture
def mirror(tmp_path: Path, xnat: pyxnat.Interface) -> Iterator[pyxnat.Mirror]:
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as opened:
        yield opened


def test_files_come_in_zips_and_are_not_listed_again_in_the_folder(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    session = f'/data/projects/{P}/subjects/S/experiments/E'
    xnat.connection.request(f'{session}/scans/2?xsiType=xnat:mrScanData', 'PUT')
    for scan in ('1', '2'):
        place = f'/projects/{P}/subjects/S/experiments/E/scans/{scan}/resources/MANY'
        put_names(xnat, place, [f'{number}.txt' for number in range(30)])
    with xnat.trace() as trace, mirror.local.trace() as local:
        pulled(mirror, f'/projects/{P}')
    uris = [request.uri.partition('?')[0] for request in trace]
    packed = [request.uri for request in trace if 'format=zip' in request.uri]
    assert len(packed) == 2 and any('/scans/ALL/files' in uri for uri in packed), packed
    assert not any('/MANY/files/' in uri for uri in uris)
    listings = [request.uri for request in local if '/files' in request.uri]
    assert len(trace) < 23 and listings == []
    assert content(mirror.local, P) == content(xnat, P)


LABELS = [['A', 'B'], ('B', 'A', 'B'), {'A'}, 'A', ['A', 'x-1'], ['B.C', 'A'], []]


@pytest.mark.parametrize('wanted', LABELS, ids=str)
@pytest.mark.sample(7)
def test_later_pulls_and_pushes_have_the_same_resources(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, wanted: Any
) -> None:
    here, there = (one.select.project(P).subject('S') for one in (mirror.local, xnat))
    labels = ['A', 'B', 'B.C', 'x-1']
    for label in labels:
        there.resource(label).file('a.txt').put(b'1')
    pulled(mirror, f'/projects/{P}', files=wanted)
    for label in labels:
        there.resource(label).file('a.txt').put(b'2', overwrite=True)
        there.resource(label).file('new.txt').put(b'new')
    pulled(mirror)
    for label in labels:
        files = {Path(file.get()).read_bytes() for file in here.resource(label).files()}
        assert files == ({b'2', b'new'} if label in wanted else set())
    for label in set(wanted):
        here.resource(label).file('a.txt').put(b'from here', overwrite=True)
    mirror.push().check()
    assert all(there.resource(one).file('a.txt').size() == '9' for one in set(wanted))
    pulled(mirror, f'/projects/{P}', files=wanted)
    assert mirror.status() == ([], [], [])


def test_texts_of_older_mirrors_are_read() -> None:
    for text, has in [
        ('A, B', 'AB'),
        ('A', 'A'),
        ('["A", "B"]', 'AB'),
        ('all', 'AB'),
        ('none', ''),
    ]:
        files = Files.of(text)
        assert [one for one in 'AB' if files.has({'collection': one})] == [*has]
        assert Files.of(files.text).text == files.text


@pytest.mark.parametrize('wanted', [5, None, ['A', 5], ['all'], ('NIFTI', 'lazy'), 'A, none', b'A'])
def test_other_files_are_refused(mirror: pyxnat.Mirror, P: str, wanted: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match='a list of labels'):
        mirror.pull(f'/projects/{P}', files=wanted)


LEVELS = [
    'resources/R/files/a.txt',
    'subjects/S/resources/R/files/a b.txt',
    'subjects/S/experiments/E/scans/1/resources/R/files/sub/a.txt',
    'subjects/S/experiments/E/assessors/A/out/resources/R/files/a.txt',
]


@pytest.fixture
def filled(xnat: pyxnat.Interface, P: str) -> str:
    """Return the ID of a project with a file of one name on each level."""
    for place in LEVELS:
        xnat.select(f'/projects/{P}/{place}').put(place.encode())
    return P


def test_lazy_files_are_fetched_when_they_are_read(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, filled: str, tmp_path: Path
) -> None:
    with xnat.trace() as trace:
        assert pulled(mirror, f'/projects/{filled}', files='lazy').bytes == 0
    assert not any('/files/' in request.uri for request in trace)
    assert content(mirror.local, filled) == content(xnat, filled)
    assert mirror.status() == ([], [], [])
    for place in LEVELS:
        file = mirror.local.select(f'/projects/{filled}/{place}')
        assert Path(file.get()).read_bytes() == place.encode()
    with xnat.trace() as trace:
        for place in LEVELS:
            mirror.local.select(f'/projects/{filled}/{place}').get(tmp_path / 'again')
        report = mirror.local.select(f'/projects/{filled}/subjects').download(tmp_path / 'all')
    assert len(report.check().ok) == 8
    assert not any('/R/files/' in request.uri for request in trace)
    assert mirror.status() == ([], [], []) and pulled(mirror).ok == []
    assert content(mirror.local, filled) == content(xnat, filled)


def test_lazy_files_need_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = '/projects/P/resources/R/files'
    with (
        serve(tmp_path / 'other', durable=False) as other,
        pyxnat.Interface(other.url, other.user, other.password, tmp_path / 'c') as remote,
        pyxnat.Mirror(tmp_path / 'study', remote=remote) as mirror,
    ):
        remote.select(f'{place}/100.txt').put(b'1')
        pulled(mirror, '/projects/P', files='lazy')
        remote.select(f'{place}/b.txt').put(b'2')
        with pytest.raises(errors.NotFoundError):
            mirror.local.select(f'{place}/b.txt').get()
        remote.select(f'{place}/100.txt').put(b'3', overwrite=True)
        with pytest.raises(errors.DataError, match='the server has another 100.txt'):
            mirror.local.select(f'{place}/100.txt').get()
        pulled(mirror)
    del mirror
    monkeypatch.setattr(transport, 'BACKOFF_S', 0)
    for name, value in (('HOST', other.url), ('USER', other.user), ('PASS', other.password)):
        monkeypatch.setenv(f'XNAT_{name}', value)
    with pyxnat.open(tmp_path / 'study') as local:
        file = local.select(f'{place}/100.txt')
        assert file.size() == '1'
        for read in (file.get, lambda: local.select('/projects/P/resources/R').get(tmp_path)):
            with pytest.raises(
                errors.OfflineError, match=r"mirror.pull\('/projects/P', files='R'\)"
            ):
                read()


def test_lazy_files_are_fetched_by_a_later_pull(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, filled: str
) -> None:
    pulled(mirror, f'/projects/{filled}', files='lazy')
    size = sum(map(len, LEVELS))
    assert pulled(mirror, f'/projects/{filled}', files='R').bytes == size
    with xnat.trace() as trace:
        file = mirror.local.select(f'/projects/{filled}/{LEVELS[2]}')
        assert Path(file.get()).read_bytes() == LEVELS[2].encode()
    assert len(trace) == 0
    xnat.select(f'/projects/{filled}/{LEVELS[2]}').put(b'new', overwrite=True)
    pulled(mirror, f'/projects/{filled}', files='lazy')
    assert Path(file.get()).read_bytes() == b'new'
    mirror.local.select(f'/projects/{filled}/{LEVELS[1]}').put(b'mine', overwrite=True)
    assert mirror.push().failed == []
    assert content(mirror.local, filled) == content(xnat, filled)


PARTS = [('assessor', 'xnat:qcAssessmentData'), ('reconstruction', 'xnat:reconstructedImageData')]


@pytest.mark.parametrize('empty', ['before the pull', 'after it', 'with the wrong side', ''])
@pytest.mark.parametrize('name, datatype', PARTS)
@pytest.mark.sample(8)
def test_inputs_stay_inputs(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, name: str, datatype: str, empty: str
) -> None:
    def of(interface: pyxnat.Interface) -> Any:
        session = interface.select.project(P).subject('S').experiment('E')
        return getattr(session, name)(f'INPUTS_{P}')

    of(xnat).create(**{f'{name}s': datatype})
    pulled(mirror, f'/projects/{P}')
    for label, side in (('IN', of(xnat).in_resource), ('OUT', of(xnat).out_resource)):
        side(label).file('a.txt').put(b'1')
        if empty == 'before the pull':
            side(label).file('a.txt').delete()
        pulled(mirror)
        if empty == 'after it':
            side(label).file('a.txt').delete()
        if empty == 'with the wrong side':
            getattr(of(mirror.local), f'{label.lower()}_resource')(label).delete()
            side(label).file('a.txt').delete()
            wrong = {'IN': of(mirror.local).out_resource, 'OUT': of(mirror.local).in_resource}
            wrong[label](label).file('a.txt').put(b'1')
            wrong[label](label).file('a.txt').delete()
        pulled(mirror)
        side(label).file('b.txt').put(b'2')
        pulled(mirror)
        assert content(mirror.local, P) == content(xnat, P) and mirror.status() == ([], [], [])
    of(mirror.local).in_resource('IN').file('b.txt').put(b'from here', overwrite=True)
    mirror.push(delete=True).check()
    assert of(xnat).in_resource('IN').file('b.txt').size() == '9'
    assert not of(xnat).out_resource('IN').exists()
    assert mirror.status() == ([], [], [])
