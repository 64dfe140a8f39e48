"""Tests of pulls with unusual names, and with labels that change places."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat

from .test_pull import MR, content, pulled

NAMES = [
    '100%.txt',
    'a%.txt',
    'a b.txt',
    'a%20b.txt',
    'a%28b%29.txt',
    'a%2Fb.txt',
    'a+b.txt',
    'a;b.txt',
    'sub dir/é.txt',
    'a#b?.txt',
    "it's &co.txt",
    '[x], =.txt',
    '.hidden',
    'A.txt',
    'a.txt',
    'a.txt.bak',
]


@pytest.fixture
def mirror(tmp_path: Path, xnat: pyxnat.Interface) -> Iterator[pyxnat.Mirror]:
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as opened:
        yield opened


def put_names(xnat: pyxnat.Interface, resource: str, names: list[str]) -> None:
    """Store files in a zip, which alone takes names of any characters."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, 'w') as packed:
        for name in names:
            packed.writestr(name, f'content of {name}')
    uri = f'/data{resource}/files?extract=true&inbody=true&overwrite=true'
    xnat.connection.request(uri, 'PUT', body.getvalue(), {'content-type': 'application/zip'})


@pytest.mark.parametrize('place', ['resources/R', 'subjects/S/experiments/E/scans/1/resources/R'])
def test_names_of_any_characters_are_pulled(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any, place: str
) -> None:
    name = project.id()
    project.subject('S').experiment('E').create(experiments=MR)
    project.subject('S').experiment('E').scan('1').create()
    put_names(xnat, f'/projects/{name}/{place}', NAMES)
    pulled(mirror, f'/projects/{name}')
    assert content(mirror.local, name) == content(xnat, name)
    assert mirror.status() == ([], [], [])


@pytest.mark.parametrize('name', ['a.txt', 'a', 'a%20b.txt'])
def test_only_the_file_that_the_server_deleted_is_deleted(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any, name: str
) -> None:
    project.subject('S').create()
    at = f'/projects/{project.id()}/subjects/S/resources/R'
    others = [f'{name}.bak', f'{name}x/b', f'b{name}']
    put_names(xnat, at, [name, *others])
    pulled(mirror, f'/projects/{project.id()}')
    assert len(mirror.local.select(f'{at}/files').get()) == 4
    xnat.select(at).delete()
    put_names(xnat, at, others)
    pulled(mirror)
    assert content(mirror.local, project.id()) == content(xnat, project.id())
    assert len(mirror.local.select(f'{at}/files').get()) == 3


def test_a_deletion_outside_of_the_wanted_files_is_remembered(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any
) -> None:
    subject = f'/projects/{project.id()}/subjects/S'
    for label in ('A', 'B'):
        xnat.select(f'{subject}/resources/{label}/files/a.txt').put(b'a')
    pulled(mirror, f'/projects/{project.id()}')
    mirror.local.select(f'{subject}/resources/B/files/a.txt').delete()
    xnat.select(subject).attrs.set('group', 'new')
    pulled(mirror, f'/projects/{project.id()}', files='A')
    xnat.select(f'{subject}/resources/A/files/b.txt').put(b'b')
    pulled(mirror, f'/projects/{project.id()}')
    assert not mirror.local.select(f'{subject}/resources/B/files/a.txt').exists()
    assert mirror.push(delete=True).failed == []
    assert not xnat.select(f'{subject}/resources/B/files/a.txt').exists()
    assert mirror.status() == ([], [], [])


def rename(item: Any, label: str) -> None:
    item.attrs.set('label', label)


@pytest.mark.sample(3)
@pytest.mark.parametrize('count', [2, 3])
@pytest.mark.parametrize('kind', ['subjects', 'sessions', 'sessions of others', 'assessors'])
def test_labels_that_change_places_take_one_pull(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any, kind: str, count: int
) -> None:
    items = []
    for number in range(count):
        subject = project.subject(f'S{number}' if kind.endswith(('subjects', 'others')) else 'S')
        session = subject.experiment('E' if kind == 'assessors' else f'E{number}')
        if not session.exists():
            session.create(experiments=MR)
        assessor = session.assessor(f'A{number}')
        if kind == 'assessors':
            assessor.create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '0'}
            )
        items.append({'subjects': subject, 'assessors': assessor}.get(kind, session))
    pulled(mirror, f'/projects/{project.id()}')
    labels = [item.label() for item in items]
    ids = [xnat.select(item.uri.removeprefix('/data')).id() for item in items]
    uris = [item.uri for item in items]
    rename(items[0], 'TEMPORARY')
    for uri, label in zip(uris[1:], labels[:-1], strict=True):
        rename(xnat.select(uri.removeprefix('/data')), label)
    last = uris[0].rpartition('/')[0] + '/TEMPORARY'
    rename(xnat.select(last.removeprefix('/data')), labels[-1])
    assert mirror.status().behind
    pulled(mirror)
    assert content(mirror.local, project.id()) == content(xnat, project.id())
    assert mirror.status() == ([], [], [])
    assert len(set(ids)) == count
