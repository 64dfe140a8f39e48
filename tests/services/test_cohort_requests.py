"""Tables of files with columns of scans, and resources of sessions: few requests, same rows."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat.query.plan import SHORT_CUTS


@pytest.fixture(scope='module')
def cohort(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A project with sessions of several shapes, one of them shared into it."""
    with pyxnat.Interface(
        server.url, server.user, server.password, tmp_path_factory.mktemp('cohort')
    ) as xnat:
        project = xnat.select.project('COHORT_REQUESTS').create()
        other = xnat.select.project('COHORT_OWNER').create()
        for number in range(7):
            home = other if number == 6 else project
            session = home.subject(f'S{number}').experiment(f'E{number}').create()
            for scan in range(number % 4):
                element = session.scan(f'{scan}').create(type=f'T{scan}', quality='usable')
                for name in ('DICOM', 'NIFTI')[: scan + 1]:
                    element.resource(name).file(f'{name}{number}.dat').put(b'x' * (scan + 1))
            for name in ('A', 'B')[: number % 3]:
                session.resource(name).file(f'd/{number}.txt').put(b'own')
        session.share('COHORT_REQUESTS', 'SHARED')
        return 'COHORT_REQUESTS'


PATHS = {
    'experiments/*/scans/*/resources/*/files': ['path', 'Size', 'scan/type', 'experiment/label'],
    'subjects/*/experiments/*/scans/*/resources/*/files': ['path', 'scan/quality', 'subject/label'],
    'experiments/*/scans/*/resources/NIFTI/files': ['path', 'scan/type', 'resource/label'],
    'experiments/*/scans/T1/resources/*/files/*3*': ['path', 'scan/type'],
    '/scans//files': ['path', 'scan/type', 'scan/ID', 'experiment/label'],
    'experiments/*/resources': ['label', 'file_count', 'file_size', 'experiment/label'],
    'experiments/*/resources/A': ['label', 'file_count', 'experiment/label'],
    'subjects/*/experiments/E[0-9]/resources': ['label', 'experiment/label'],
    '/resources': ['label', 'file_count'],
}


def rows_of(xnat: pyxnat.Interface, path: str, columns: list[str]) -> list[tuple[str, ...]]:
    table = xnat.select(path).table(columns)
    return sorted(tuple(str(row[column]) for column in columns) for row in table)


@pytest.mark.sample(3)
@pytest.mark.parametrize('path', list(PATHS))
@pytest.mark.parametrize('without', ['', *SHORT_CUTS])
def test_the_rows_are_those_of_the_walk(
    xnat: pyxnat.Interface, cohort: str, path: str, without: str
) -> None:
    uri, columns = f'/projects/{cohort}/{path}', PATHS[path]
    xnat.walker.without = frozenset({without} - {''})
    found = rows_of(xnat, uri, columns)
    elements = sorted(str(element.uri) for element in xnat.select(uri))
    xnat.walker.without = frozenset(SHORT_CUTS)
    assert found == rows_of(xnat, uri, columns)
    assert len(elements) == len(list(xnat.select(uri)))


@pytest.mark.parametrize(
    'path, most',
    [
        ('experiments/*/scans/*/resources/*/files', 4),
        ('subjects/*/experiments/*/scans/*/resources/*/files', 5),
        ('experiments/*/resources', 3),
        ('subjects/*/experiments/*/resources', 4),
    ],
)
def test_no_request_is_sent_for_each_session(
    xnat: pyxnat.Interface, cohort: str, path: str, most: int
) -> None:
    xnat.cache.expiration = 0
    columns = ['path', 'scan/type'] if 'files' in path else ['label', 'file_count']
    with xnat.trace() as trace:
        assert len(xnat.select(f'/projects/{cohort}/{path}').table(columns)) > 4
    assert trace.requests <= most
    assert 'per 50' in xnat.select(f'/projects/{cohort}/{path}').explain()
