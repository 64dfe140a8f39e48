"""Tests of pulls with unusual names, and with labels that change places."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.apps.sync.resolver import free_name
from pyxnat.model import uris

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


@pytest.mark.sample(2)
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


@pytest.mark.sample(3)
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
    item.connection.request(uris.with_query(item.uri, {'label': label}), 'PUT')


@pytest.mark.sample(8)
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


LABELS = ['sub-01.a', 'a b', 'Ünï', 'a#1, [2]']
STRANGE = [*LABELS, 'a%20b', 'a/b;c', "it's"]


def item_at(xnat: pyxnat.Interface, project: str, kind: str) -> Any:
    """Return the subject S, its session E or the assessor A, by their IDs."""
    subject = xnat.select.project(project).subject('S')
    session = subject.experiment('E')
    if kind == 'subjects':
        return xnat.select(f'/subjects/{subject.id()}')
    home = f'/experiments/{session.id()}'
    return xnat.select(
        home if kind == 'experiments' else f'{home}/assessors/{session.assessor("A").id()}'
    )


def filled(project: Any) -> None:
    """Create a subject with a session, an assessor and files."""
    session = project.subject('S').experiment('E')
    session.create(experiments=MR)
    session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '0'}
    )
    for item in (project.subject('S'), session):
        item.resource('R').file('a.txt').put(b'a')


def is_equal(mirror: pyxnat.Mirror, xnat: pyxnat.Interface, name: str) -> bool:
    assert content(mirror.local, name) == content(xnat, name)
    assert mirror.status() == ([], [], [])
    return True


@pytest.mark.sample(11)
@pytest.mark.parametrize('label', STRANGE)
@pytest.mark.parametrize('kind', ['subjects', 'experiments', 'assessors'])
def test_labels_that_a_rename_gives_are_pulled_and_pushed(
    mirror: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    project: Any,
    kind: str,
    label: str,
    tmp_path: Path,
) -> None:
    filled(project)
    name = project.id()
    pulled(mirror, f'/projects/{name}')
    item, mine = item_at(xnat, name, kind), item_at(mirror.local, name, kind)
    rename(item, label)
    field = 'group' if kind == 'subjects' else 'xnat:experimentData/note'
    mine.attrs.set(field, 'mine')
    pulled(mirror)
    assert mirror.push().failed == [] and item.attrs.get(field) == 'mine'
    assert is_equal(mirror, xnat, name)
    item.attrs.set(field, 'theirs')
    pulled(mirror)
    assert is_equal(mirror, xnat, name)
    rename(mine, 'mine.2')
    assert mirror.push().failed == []
    assert is_equal(mirror, xnat, name)
    assert xnat.select(item.uri.removeprefix('/data')).label() == 'mine.2'
    with pyxnat.Mirror(tmp_path / 'other', remote=xnat) as fresh:
        pulled(fresh, f'/projects/{name}')
        assert is_equal(fresh, xnat, name)


@pytest.mark.sample(3)
@pytest.mark.parametrize('label', LABELS)
def test_new_items_get_labels_that_only_a_rename_gives(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any, label: str
) -> None:
    project.subject('OLD').create()
    name = project.id()
    pulled(mirror, f'/projects/{name}')
    filled(mirror.local.select.project(name))
    mine = [item_at(mirror.local, name, kind) for kind in ('assessors', 'experiments', 'subjects')]
    for number, item in enumerate(mine):
        rename(item, f'{label}{number}')
    assert mirror.push().failed == []
    assert {one.label() for one in project.subjects()} == {'OLD', f'{label}2'}
    assert is_equal(mirror, xnat, name)
    assert mirror.push().ok == []


@pytest.mark.sample(9)
@pytest.mark.parametrize('label', LABELS[:3])
@pytest.mark.parametrize('kind', ['subjects', 'experiments', 'assessors'])
def test_both_versions_of_an_item_with_any_label_are_kept(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, project: Any, kind: str, label: str
) -> None:
    filled(project)
    name = project.id()
    item = item_at(xnat, name, kind)
    rename(item, label)
    pulled(mirror, f'/projects/{name}')
    field = 'group' if kind == 'subjects' else 'xnat:experimentData/note'
    item.attrs.set(field, 'theirs')
    mirror.local.select(item.uri.removeprefix('/data')).attrs.set(field, 'mine')
    mirror.pull()
    mirror.resolve(mirror.conflicts(), 'both')
    pulled(mirror)
    assert mirror.push().failed == []
    assert is_equal(mirror, xnat, name)
    found = {
        values['@label']: values['/@group' if kind == 'subjects' else '/note']
        for items, _ in content(xnat, name).values()
        for key, values in items.items()
        if key.startswith(f'{kind}/') and key.count('/') == 1
    }
    assert found == {label: 'theirs', free_name(label, lambda name: False): 'mine'}
