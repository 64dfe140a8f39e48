"""Tests of what the server refuses to show, which is no deletion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.support.faults import FaultProxy, says

from .test_pull import MR, content, pulled
from .test_push import pushed

LISTINGS = {
    'all': r'/files(\?|$)',
    'subject': r'/subjects/[^/]+/(resources/[^/]+/)?files\?',
    'session': r'/experiments/[^/]+/(resources/[^/]+/)?files\?',
    'scan': r'/scans/.*files\?',
    'assessor': r'/assessors/.*(files|resources)\?',
    'resources': r'/resources\?',
}
"""Item -> requests that list its files."""


@pytest.fixture
def gateway(server: Any) -> Iterator[FaultProxy]:
    """Return a proxy that refuses what a test tells it to."""
    with FaultProxy(server.url) as proxy:
        yield proxy


def refuse(gateway: FaultProxy, pattern: str, status: int) -> None:
    gateway.applies = lambda method, uri: method == 'GET' and bool(re.search(pattern, uri))
    gateway.faults = [says(status, b'refused')] * 100


@pytest.fixture
def behind(
    gateway: FaultProxy, server: Any, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> Iterator[pyxnat.Mirror]:
    """Return a mirror whose server is behind the proxy."""
    xnat.select.project(P).subject('S').resource('R').file('s.txt').put(b's')
    with (
        pyxnat.Interface(gateway.url, server.user, server.password, tmp_path / 'own') as remote,
        pyxnat.Mirror(tmp_path / 'study', remote=remote) as mirror,
    ):
        yield mirror


@pytest.mark.sample(8)
@pytest.mark.parametrize('status', [403, 404])
@pytest.mark.parametrize('item', LISTINGS)
@pytest.mark.parametrize('is_first', [False, True])
def test_a_refused_listing_of_files_is_no_deletion(
    is_first: bool,
    item: str,
    status: int,
    gateway: FaultProxy,
    behind: pyxnat.Mirror,
    xnat: pyxnat.Interface,
    P: str,
) -> None:
    if not is_first:
        pulled(behind, f'/projects/{P}')
        xnat.select.project(P).subject('S').attrs.set('group', 'changed')
    before = files_of(behind, P)
    refuse(gateway, LISTINGS[item], status)
    report = behind.pull(f'/projects/{P}')
    gateway.faults = []
    assert before <= files_of(behind, P)
    assert report.failed or content(behind.local, P) == content(xnat, P)
    assert bool(report.failed) == (item != 'resources'), 'it was listed in another way'
    pulled(behind)
    assert content(behind.local, P) == content(xnat, P)
    assert behind.status() == ([], [], [])


@pytest.mark.sample(2)
@pytest.mark.parametrize('item', ['all', 'scan'])
def test_a_push_below_refused_listings_keeps_the_files(
    item: str, gateway: FaultProxy, behind: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    pulled(behind, f'/projects/{P}')
    behind.local.select.project(P).subject('S').attrs.set('group', 'mine')
    before = files_of(behind, P)
    refuse(gateway, LISTINGS[item], 403)
    assert behind.push().failed
    gateway.faults = []
    assert files_of(behind, P) == before
    assert behind.pull().conflicts == []
    pushed(behind)
    assert content(behind.local, P) == content(xnat, P)


def test_nothing_is_deleted_whose_files_cannot_be_listed(
    gateway: FaultProxy, behind: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    pulled(behind, f'/projects/{P}')
    behind.local.select(f'/projects/{P}/subjects/S/experiments/E/scans/1').delete()
    scan = xnat.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
    scan.resource('NEW').file('new.txt').put(b'new')
    refuse(gateway, LISTINGS['scan'], 403)
    assert behind.push(delete=True).failed
    gateway.faults = []
    assert scan.exists()


def files_of(mirror: pyxnat.Mirror, project: str) -> set[str]:
    found = content(mirror.local, project) if mirror.local.select.project(project).exists() else {}
    return {key for _, files in found.values() for key in files}


# -- what a login may not see any more -------------------------------------------------------------

QC = 'xnat:qcManualAssessorData'
TYPES = ('xnat:projectData', 'xnat:subjectData', MR, QC, 'xnat:ctSessionData')


def allow(xnat: pyxnat.Interface, project: str, types: Sequence[str]) -> None:
    """Give the group of the reader the right to read some data types alone."""
    rights = '&'.join(f'{kind}_{kind}/project_{project}_R=1' for kind in types)
    uri = f'/data/projects/{project}/groups/Reader?xdat:userGroup/displayname=Reader&{rights}'
    xnat.put(uri).raise_for_status()


@pytest.mark.parametrize('check', ['marks', 'files'])
@pytest.mark.parametrize('lost', [MR, QC])
@pytest.mark.sample(4)
def test_a_lost_right_to_a_data_type_is_no_deletion(
    lost: str, check: Any, server: Any, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    server.add_user('reader', 'secret')
    project = xnat.select.project(P)
    for label in ('T', 'U'):
        session = project.subject(label).experiment(f'E_{label}').create(experiments=MR)
        session.assessor(f'A_{label}').create(assessors=QC, **{f'{QC}/pass': '1'})
        session.scan('1').resource('R').file('a.txt').put(b'a')
    project.subject('S').experiment('CT').create(experiments='xnat:ctSessionData')
    allow(xnat, P, TYPES)
    xnat.put(f'/data/projects/{P}/users/{P}_Reader/reader').raise_for_status()
    with (
        pyxnat.Interface(server.url, 'reader', 'secret', tmp_path / 'own') as reader,
        pyxnat.Mirror(tmp_path / 'study', remote=reader) as mirror,
    ):
        pulled(mirror, f'/projects/{P}')
        before = {key: items.keys() for key, (items, _) in content(mirror.local, P).items()}
        allow(xnat, P, [kind for kind in TYPES if kind != lost])
        project.subject('S').attrs.set('group', 'changed')
        for _ in range(2):
            report = mirror.pull(check=check)
            assert report.deleted == []
            assert any(lost in str(one.error) for one in report.failed) or report.notes
            after = {key: items.keys() for key, (items, _) in content(mirror.local, P).items()}
            assert after == before
        assert mirror.local.select.project(P).subject('S').attrs.get('group') == 'changed'
        allow(xnat, P, TYPES)
        pulled(mirror)
        assert content(mirror.local, P) == content(reader, P)
        assert mirror.status() == ([], [], [])


@pytest.mark.sample(3)
@pytest.mark.parametrize('deleted', ['subject', 'session', 'assessor'])
def test_what_is_refused_by_its_id_was_not_deleted(
    deleted: str, gateway: FaultProxy, behind: pyxnat.Mirror, xnat: pyxnat.Interface, P: str
) -> None:
    paths = {
        'subject': 'S',
        'session': 'S/experiments/E',
        'assessor': 'S/experiments/E/assessors/A',
    }
    xnat.select.project(P).subject('T').create()
    pulled(behind, f'/projects/{P}')
    here = behind.local.select(f'/projects/{P}/subjects/{paths[deleted]}')
    name = here.id()
    xnat.select(f'/projects/{P}/subjects/{paths[deleted]}').delete()
    refuse(gateway, rf'^/data/\w+/{name}\?format=xml', 403)
    for _ in range(2):
        report = pulled(behind)
        assert report.deleted == [] and here.exists()
        assert [note.partition(' ')[0].endswith(name) for note in report.notes] == [True]
    gateway.faults = []
    assert [key.endswith(name) for key in pulled(behind).deleted] == [True]
    assert not here.exists()
    assert content(behind.local, P) == content(xnat, P)
    assert behind.status() == ([], [], [])


@pytest.mark.sample(2)
@pytest.mark.parametrize('moved', ['session', 'subject'])
def test_what_went_where_the_mirror_has_nothing_stays(
    moved: str, mirror: pyxnat.Mirror, xnat: pyxnat.Interface, P: str, tmp_path: Path
) -> None:
    there = xnat.select.project(P)
    xnat.put(f'/data/projects/{P}_2').raise_for_status()
    there.subject('T').create()
    with pyxnat.Mirror(tmp_path / 'some', remote=xnat) as some:
        path = f'/projects/{P}/subjects/S' if moved == 'session' else f'/projects/{P}'
        pulled(some, path)
        if moved == 'session':
            xnat.put(f'/data/projects/{P}/subjects/T/experiments/E?xsiType={MR}').raise_for_status()
        else:
            there.subject('S').experiment('E').share(f'{P}_2', primary=True)
            there.subject('S').share(f'{P}_2', primary=True)
        for _ in range(2):
            report = pulled(some)
            assert report.deleted == [] and 'stays as it was' in report.notes[-1]
            scan = some.local.select(f'/projects/{P}/subjects/S/experiments/E/scans/1')
            assert len(scan.resources().files().get()) == 2
        for project in (P, f'{P}_2'):
            pulled(some, f'/projects/{project}')
        assert pulled(some).notes == []
        for project in (P, f'{P}_2'):
            assert content(some.local, project) == content(xnat, project)


def test_many_missing_sessions_stay_and_real_deletions_are_named(
    mirror: pyxnat.Mirror, xnat: pyxnat.Interface, there: Any, here: Any
) -> None:
    subject = there.subject('S')
    for number in range(3):
        subject.experiment(f'E{number}').create(experiments=MR)
    subject.experiment('CT').create(experiments='xnat:ctSessionData')
    pulled(mirror)
    with xnat.trace() as trace:
        identity = subject.experiment('CT').id()
        subject.experiment('CT').delete()
        report = pulled(mirror)
    assert report.deleted == [f'experiments/{identity}'], len(trace)
    for number in range(3):
        subject.experiment(f'E{number}').delete()
    subject.attrs.set('group', 'changed')
    report = mirror.pull()
    assert report.deleted == [] and len(report.failed) == 3
    assert f'3 of 4 {MR}' in str(report.failed[0].error)
    assert here.subject('S').attrs.get('group') == 'changed'
    assert len(here.subject('S').experiments().get()) == 4
    assert len(pulled(mirror, max_delete=1).deleted) == 3
    assert content(mirror.local, there.id()) == content(xnat, there.id())
