"""Tests of what the server refuses to show, which is no deletion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from tests.support.faults import FaultProxy, says

from .test_pull import content, pulled
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


@pytest.mark.sample(4)
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
