"""Tests of the files of a pull: requests, and lazy files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pyxnat

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
    assert len(trace) < 20 and len(local) < 12
    assert content(mirror.local, P) == content(xnat, P)
