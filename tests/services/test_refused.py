"""Tests of short cuts that a server refuses: the walk replaces them with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.query.plan import SHORT_CUTS
from pyxnat.server import Server, serve


class Other(pyxnat.Interface):
    """A connection to a server that refuses some requests."""

    refused = ''
    error: errors.DatabaseError | None = None

    def _exec(self, uri: str, *rest: Any, **more: Any) -> bytes:
        if self.error is not None and self.refused in uri:
            raise self.error
        return super()._exec(uri, *rest, **more)


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve a separate archive: a walk over all projects takes two requests for each."""
    with serve(tmp_path_factory.mktemp('archive')) as running:
        yield running


@pytest.fixture(scope='module')
def filled(server: Any) -> None:
    """Create a project of full sessions and a project of empty ones.

    Full ones have scans, assessors and files.
    """
    with pyxnat.Interface(server.url, server.user, server.password) as interface:
        project = interface.select.project('REFUSED')
        for name in ('A', 'B', 'C'):
            session = project.subject(f'S{name}').experiment(name)
            for scan in ('1', '2'):
                session.scan(scan).create(type=f'T{scan}', quality='good')
            session.scan('1').resource('R').file('scan.txt').put(b'a')
            session.resource('R').file('own.txt').put(b'b')
            session.assessor(f'Q{name}').create(
                assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
            )
            session.assessor(f'Q{name}').out_resource('R').file('out.txt').put(b'c')
            project.subject(f'S{name}').resource('R').file('subject.txt').put(b'd')
            interface.select.project('BARE').subject('S').experiment(f'BARE{name}').create()


@pytest.fixture
def xnat(server: Any, filled: None, tmp_path: Path) -> Iterator[Other]:
    with Other(server.url, server.user, server.password, tmp_path) as interface:
        interface.cache.expiration = 0
        yield interface


PATHS = {
    'imageSessionData': '/projects/REFUSED/experiments/*/scans/*',
    'scans/ALL/files': '/projects/REFUSED/subjects/*/experiments/*/scans/*/resources/*/files',
    'assessors/ALL': '/projects/REFUSED/subjects/*/experiments/*/assessors/*/out/resources/*/files',
    ',': '/projects/REFUSED/experiments/*/resources/*/files',
    'subjects?columns=': '/projects/REFUSED/subjects/*/resources/*/files',
    'assessor/ID': '/projects/REFUSED/experiments/*/assessors/*',
    'sharing/share': '/projects/*/subjects/*/experiments/*',
}
"""Refused requests -> a path that needs them."""
ERRORS = [
    errors.DataError('what?', status=400),
    errors.PermissionDenied('not you', status=403),
    errors.NotFoundError('not here', status=404),
    errors.InternalError('an accident', status=500),
    errors.UnexpectedAnswer('nothing'),
]


@pytest.mark.sample(3)
@pytest.mark.parametrize('error', ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize('refused', PATHS)
def test_a_refused_short_cut_is_walked(
    xnat: Other, refused: str, error: errors.DatabaseError
) -> None:
    xnat.walker.without = frozenset(SHORT_CUTS)
    walked = [one._uri for one in xnat.select(PATHS[refused])]
    xnat.walker.without = frozenset()
    assert [one._uri for one in xnat.select(PATHS[refused])] == walked != []
    xnat.refused, xnat.error = refused, error
    for _ in range(2):
        assert (
            xnat.select(PATHS[refused]).get('obj')
            and [one._uri for one in xnat.select(PATHS[refused]).get('obj')] == walked
        )


def test_a_network_failure_is_an_error_and_not_a_refusal(xnat: Other) -> None:
    xnat.refused, xnat.error = 'imageSessionData', errors.NetworkError('gone')
    with pytest.raises(errors.NetworkError):
        xnat.select(PATHS['imageSessionData']).get()


def test_a_column_that_the_server_does_not_know_is_an_error(xnat: Other) -> None:
    with pytest.raises(errors.DatabaseError):
        xnat.select(PATHS['imageSessionData']).table(['ID', 'xnat:imageScanData/nothing'])


def test_a_refused_list_of_sessions_without_scans_costs_one_request(xnat: Other) -> None:
    xnat.refused, xnat.error = 'scans/ALL/files', errors.InternalError('none has scans', status=500)
    with xnat.trace() as trace:
        assert (
            xnat.select('/projects/BARE/subjects/*/experiments/*/scans/*/resources/*/files').get()
            == []
        )
    assert trace.requests == 2 + 1  # a refused request does not reach the server
