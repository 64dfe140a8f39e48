"""Tests of downloads without a network, from what was prefetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyxnat import errors

SELECTIONS: dict[str, str] = {
    'project': '',
    'subject': '/subjects/S',
    'session': '/subjects/S/experiments/E',
    'scan': '/subjects/S/experiments/E/scans/1',
    'assessor': '/subjects/S/experiments/E/assessors/A',
    'resource': '/subjects/S/experiments/E/scans/1/resources/NIFTI',
    'subjects': '/subjects/*',
    'sessions': '/subjects/*/experiments/*',
    'resources': '/subjects/S/experiments/E/scans/*/resources/*',
    'files': '/subjects/S//files',
}


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files of a download with their content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and '.xnat' not in path.parts
    }


@pytest.mark.sample(2)
@pytest.mark.parametrize('name', SELECTIONS)
def test_a_prefetched_selection_is_downloaded_offline(
    name: str, xnat: Any, P: str, tmp_path: Path
) -> None:
    selected = xnat.select(f'/projects/{P}{SELECTIONS[name]}')
    xnat.prefetch(selected)
    xnat.cache.mode = 'offline'
    with xnat.trace() as trace:
        report = selected.download(tmp_path / 'offline')
        again = selected.download(tmp_path / 'offline')
    assert trace.requests == 0 and report.ok and not report.failed
    assert not again.ok and len(again.skipped) == len(report.ok)
    xnat.cache.mode = 'online'
    selected.download(tmp_path / 'online')
    assert files_in(tmp_path / 'offline') == files_in(tmp_path / 'online')


WALKS: dict[str, Callable[[Any], Any]] = {
    'session': lambda subject: subject.experiments()['E'],
    'scan': lambda subject: subject.experiments()[0].scans()[0],
    'resource': lambda subject: subject.experiments()[0].scans()[0].resources()[0],
    'assessor': lambda subject: subject.experiments()[0].assessors()['A'],
}


@pytest.mark.parametrize('name', WALKS)
def test_an_element_below_a_prefetched_one_is_downloaded_offline(
    name: str, xnat: Any, P: str, tmp_path: Path
) -> None:
    subject = xnat.select.project(P).subject('S')
    xnat.prefetch(subject)
    xnat.cache.mode = 'offline'
    assert WALKS[name](subject).download(tmp_path).check().ok


def test_single_files_and_zips_come_from_the_cache(xnat: Any, P: str, tmp_path: Path) -> None:
    resource = xnat.select(f'/projects/{P}{SELECTIONS["resource"]}')
    scan = xnat.select(f'/projects/{P}{SELECTIONS["scan"]}')
    xnat.prefetch(scan)
    listed = resource.files().get()
    xnat.cache.mode = 'offline'
    assert len(listed) == 2
    assert Path(resource.file('T1.nii.gz').get(tmp_path / 'x')).read_bytes() == bytes(2000)
    found = resource.get(tmp_path / 'zip', extract=True)
    assert sorted(Path(path).name for path in found) == ['T1.nii.gz', 'x.json']


def test_what_is_missing_offline_is_named_with_the_remedy(
    xnat: Any, P: str, tmp_path: Path
) -> None:
    resource = xnat.select(f'/projects/{P}{SELECTIONS["resource"]}')
    resource.file('T1.nii.gz').get()
    xnat.bulk.rehearse(resource)
    xnat.cache.mode = 'offline'
    with pytest.raises(errors.OfflineError, match=r'x\.json.*interface\.prefetch'):
        resource.download(tmp_path / 'some')
    assert files_in(tmp_path / 'some') == {}
    with pytest.raises(errors.OfflineError, match=r'interface\.prefetch'):
        xnat.select(f'/projects/{P}{SELECTIONS["session"]}').download(tmp_path / 'none')
    with pytest.raises(errors.OfflineError, match='jobs=4'):
        xnat.select(f'/projects/{P}{SELECTIONS["session"]}/scans').download(tmp_path / 'zip')


def test_listed_files_come_from_the_cache_offline(xnat: Any, P: str, tmp_path: Path) -> None:
    kept, *others = xnat.select(f'/projects/{P}{SELECTIONS["scan"]}//files')
    kept.get()
    xnat.cache.mode = 'offline'
    assert xnat.bulk.fetch({'kept': kept}, tmp_path, beside=others).check().ok == ['kept']
    assert (tmp_path / 'kept').stat().st_size == int(kept.row['Size'])
    places = {f'place-{number}': file for number, file in enumerate(others)}
    with pytest.raises(errors.OfflineError, match=r'place-0.*interface\.prefetch'):
        xnat.bulk.fetch({'kept': kept, **places}, tmp_path)
