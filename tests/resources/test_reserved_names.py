"""Tests of names that mean something else to XNAT: several elements, no element, other projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.archive import put_each

WORDS = ['scans', 'files', 'resources', 'experiments', 'subjects', 'projects', 'in', 'out', 'data']
QC = {'assessors': 'xnat:qcManualAssessorData', 'xnat:qcManualAssessorData/pass': '1'}


@pytest.fixture
def session(xnat: pyxnat.Interface, project: Any) -> Any:
    put_each(
        xnat,
        f'/projects/{project.id()}/subjects/S/experiments/E',
        {
            '?xsiType=xnat:mrSessionData': None,
            '/scans/1?xsiType=xnat:mrScanData&type=T1': None,
            '/scans/2?xsiType=xnat:mrScanData&type=T1': None,
            '/scans/1/resources/R/files/f?inbody=true': b'x',
            '/scans/2/resources/R/files/f?inbody=true': b'x',
            f'/assessors/A?xsiType={QC["assessors"]}&{QC["assessors"]}/pass=1': None,
            f'/reconstructions/{project.id()}_R': None,
        },
    )
    return project.subject('S').experiment('E')


def folder(path: Path) -> Path:
    (path / 'sent').mkdir(exist_ok=True)
    (path / 'sent' / 'new.txt').write_text('x')
    return path / 'sent'


WRITES = {
    'create': lambda one, path: one.create(),
    'set': lambda one, path: one.attrs.set('note', 'x'),
    'delete': lambda one, path: one.delete(),
    'resource': lambda one, path: one.resource('NEW').create(),
    'delete a resource': lambda one, path: one.resource('R').delete(),
    'put': lambda one, path: one.resource('R').file('g').put(b'x'),
    'put_dir': lambda one, path: one.resource('R').put_dir(folder(path)),
    'upload': lambda one, path: one.resource('R').upload(folder(path)).check(),
    'delete a file': lambda one, path: one.resource('R').file('f').delete(),
}


def content(session: Any) -> Any:
    return (
        sorted((scan.id(), scan.attrs.get('type')) for scan in session.scans()),
        sorted(file.uri for file in session.scans().resources().files()),
        session.assessors().get('label'),
        session.reconstructions().get(),
    )


@pytest.mark.sample(3)
@pytest.mark.parametrize('write', WRITES)
@pytest.mark.parametrize('name', ['ALL', 'all', 'All', '*', '1,2', '1,'])
def test_several_scans_are_not_written_to_as_one(
    name: str, write: str, session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    xnat.cache.expiration = 0
    before = content(session)
    for scan in (session.scan(name), xnat.select.experiment(session.id()).scan(name)):
        with (
            xnat.trace() as trace,
            pytest.raises((errors.ProgrammingError, errors.DataError, errors.NotFoundError)),
        ):
            WRITES[write](scan, tmp_path)
        assert {record.method for record in trace} <= {'GET'}
    assert content(session) == before


@pytest.mark.parametrize('level', ['assessor', 'reconstruction'])
@pytest.mark.parametrize('write', ['create', 'set', 'delete'])
def test_all_assessors_or_reconstructions_are_not_written_to_as_one(
    level: str, write: str, session: Any, xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    xnat.cache.expiration = 0
    before = content(session)
    with xnat.trace() as trace, pytest.raises(errors.DatabaseError):
        WRITES[write](getattr(session, level)('ALL'), tmp_path)
    assert {record.method for record in trace} <= {'GET'}
    assert content(session) == before


def test_the_scan_all_cannot_come_from_a_table_and_can_still_be_read(session: Any) -> None:
    report = session.scans().insert([{'ID': 'ALL'}, {'ID': '3'}])
    assert [failure.what.rpartition('/')[2] for failure in report.failed] == ['ALL']
    assert sorted(session.scans().get()) == ['1', '2', '3']
    assert len(session.scan('ALL').resources().files().get()) == 2


@pytest.mark.parametrize('name', ['NULL', 'null'])
def test_an_element_named_null_is_refused(
    name: str, session: Any, project: Any, xnat: pyxnat.Interface
) -> None:
    for element in (
        project.subject(name),
        project.subject('S').experiment(name),
        session.scan(name),
        session.reconstruction(name),
        session.resource(name),
        session.scan('1').resource(name),
        xnat.select.project(name),
    ):
        with xnat.trace() as trace, pytest.raises((errors.ProgrammingError, errors.DataError)):
            element.create()
        assert {record.method for record in trace} <= {'GET'}


@pytest.mark.parametrize('word', WORDS)
def test_words_of_paths_are_names_like_others(word: str, project: Any, xnat: Any) -> None:
    xnat.cache.expiration = 0
    subject = project.subject(word).create(group='g')
    session = subject.experiment(f'{word}_E').create(note='n')
    other = project.subject('S').experiment(word).create(note='o')
    resource = session.resource(word).create()
    resource.file(word).put(b'content')
    assert (subject.attrs.get('group'), session.attrs.get('note')) == ('g', 'n')
    assert other.attrs.get('note') == 'o' and resource.files().get() == [word]
    assert project.subjects().get('label').count(word) == 1
    resource.file(word).delete()
    assert resource.files().get() == [] and session.exists()
    subject.delete()
    assert sorted(project.subjects().get('label')) == ['S'] and other.exists()


@pytest.mark.parametrize('level', ['subject', 'experiment', 'assessor'])
def test_a_rename_through_a_project_that_only_shares_is_refused(
    level: str, session: Any, project: Any, xnat: pyxnat.Interface
) -> None:
    xnat.cache.expiration = 0
    other = xnat.select.project(f'{project.id()}_O').create()
    subject, assessor = project.subject('S'), session.assessor('A')
    for element, label in ((subject, 'SX'), (session, 'EX'), (assessor, 'AX')):
        element.share(other.id(), label)
    shared = {
        'subject': other.subject('SX'),
        'experiment': other.subject('SX').experiment('EX'),
        'assessor': other.subject('SX').experiment('EX').assessor('AX'),
    }[level]
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match=f'belongs to project {project.id()}'),
    ):
        shared.rename('NEW')
    assert {record.method for record in trace} == {'GET'}
    own = {'subject': subject, 'experiment': session, 'assessor': assessor}[level]
    own.rename('NEW')
    assert own.label() == 'NEW' and shared.exists()


OTHER_CASE = {
    'create': lambda project: project.create(),
    'set': lambda project: project.attrs.set('description', 'x'),
    'delete': lambda project: project.delete(),
    'subject': lambda project: project.subject('NEW').create(),
    'session': lambda project: project.subject('S').experiment('NEW').create(),
    'file': lambda project: project.resource('R').file('f').put(b'x'),
    'insert': lambda project: project.subjects().insert([{'label': 'NEW'}]).check(),
    'delete a subject': lambda project: project.subject('S').delete(),
}


@pytest.mark.parametrize('write', OTHER_CASE)
@pytest.mark.parametrize('case', [str.lower, str.title, str.swapcase])
def test_a_project_in_another_letter_case_is_not_written_to(
    case: Any, write: str, project: Any, xnat: pyxnat.Interface
) -> None:
    xnat.cache.expiration = 0
    project.subject('S').create(group='g')
    wrong = xnat.select.project(case(project.id()))
    with xnat.trace() as trace, pytest.raises(errors.DatabaseError):
        OTHER_CASE[write](wrong)
    assert {record.method for record in trace} <= {'GET'}
    assert project.subjects().get('label') == ['S'] and project.attrs.get('description') == ''
    assert project.resources().get() == [] and not wrong.exists()


@pytest.mark.parametrize('primary', [False, True])
def test_a_share_into_the_own_project_in_another_case_is_refused(
    primary: bool, project: Any, xnat: pyxnat.Interface
) -> None:
    subject = project.subject('S').create()
    with pytest.raises(errors.DatabaseError):
        subject.share(project.id().lower(), primary=primary)
    assert project.subjects().get('label') == ['S']


def test_a_project_is_checked_once(project: Any, xnat: pyxnat.Interface) -> None:
    xnat.cache.expiration = 0
    new = xnat.select.project(f'{project.id()}_New')
    for requests in (2, 1):
        with xnat.trace() as trace:
            new.create()
        assert trace.requests == requests
