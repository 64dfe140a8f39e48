"""Tests of a login that may read no project: XNAT fails for subjects, and lists nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.server import serve
from tests.support.faults import FaultProxy, says

QUESTIONS: dict[str, Callable[[Any], Any]] = {
    'subjects': lambda xnat: xnat.select('/subjects').get(),
    'first': lambda xnat: [one for one in [xnat.select.subjects().first()] if one is not None],
    'columns': lambda xnat: xnat.select.subjects().get('id', 'label'),
    'table': lambda xnat: list(xnat.select('/subjects').table(['ID', 'gender', 'project'])),
    'fields': lambda xnat: xnat.select('/subjects').mget(['gender', 'xnat:subjectData/group']),
    'sessions below': lambda xnat: xnat.select('/subjects/*/experiments').get(),
    'experiments': lambda xnat: xnat.select('/experiments').get(),
    'of projects': lambda xnat: xnat.select('/projects/*/subjects/*/experiments/*').get(),
    'joined': lambda xnat: list(xnat.select('/experiments').table(['ID', 'subject/gender'])),
    'one': lambda xnat: (
        [xnat.select.subject('XNAT_S00001')] if xnat.select.subject('XNAT_S00001').exists() else []
    ),
}


@pytest.fixture(scope='module', params=['none', 'private', 'protected'])
def archive(request: Any, tmp_path_factory: Any) -> Iterator[Any]:
    """Serve an archive that the user may not read: no project, or one with a subject and a
    session."""
    with serve(tmp_path_factory.mktemp('archive'), users={'alone': 'pw'}) as server:
        if request.param != 'none':
            with pyxnat.Interface(server.url, server.user, server.password) as admin:
                project = admin.select.project('P').create()
                project.set_accessibility(request.param)
                project.subject('S').experiment('E').create()
        yield server


@pytest.mark.parametrize('question', QUESTIONS)
def test_nothing_is_listed(archive: Any, tmp_path: Any, question: str) -> None:
    with pyxnat.Interface(archive.url, 'alone', 'pw', tmp_path) as alone:
        assert QUESTIONS[question](alone) == []


def test_a_failure_with_another_cause_is_an_error(archive: Any, tmp_path: Any) -> None:
    with (
        FaultProxy(archive.url) as proxy,
        pyxnat.Interface(proxy.url, archive.user, archive.password, tmp_path) as admin,
    ):
        project = admin.select.project('ANY')
        project.create()
        proxy.applies = lambda method, uri: uri.startswith('/data/subjects')
        for question in ('subjects', 'columns', 'table', 'one'):
            proxy.faults = [says(500)] * 9
            with pytest.raises(errors.InternalError):
                QUESTIONS[question](admin)
        project.delete()
