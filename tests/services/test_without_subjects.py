"""Sessions that are in a project without their subject: ``//`` finds them and all below them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.query.plan import SHORT_CUTS


@pytest.fixture(scope='module')
def projects(server: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the IDs of an owner and of a project that it shares sessions into.

    No test changes them.
    """
    cache = tmp_path_factory.mktemp('cache')
    with pyxnat.Interface(server.url, server.user, server.password, cache) as interface:
        owner = interface.select.project('WITHOUT_SUBJECTS').create()
        other = interface.select.project('WITHOUT_SUBJECTS_B').create()
        fill(owner, other)
        return owner.id(), other.id()


def fill(owner: Any, other: Any) -> None:
    """Create sessions in both projects, and share some with and without their subjects."""
    for number, (home, subject, session) in enumerate(
        [(owner, 'S1', 'E1'), (owner, 'S2', 'E2'), (owner, 'S3', 'E3'), (other, 'T', 'OWN')]
    ):
        element = home.subject(subject).experiment(session)
        element.create(experiments='xnat:mrSessionData', date=f'2020-01-0{number + 1}')
        element.scan('1').create(type='T1').resource('R').file('s.txt').put(session.encode())
        element.resource('OWN').file('o.txt').put(session.encode())
        element.assessor(f'A_{session}').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        )
        element.assessor(f'A_{session}').out_resource('D').file('a.txt').put(session.encode())
    owner.subject('S1').experiment('E1').share(other.id(), 'SHARED')  # without its subject
    owner.subject('S2').share(other.id(), 'S2B')
    owner.subject('S2').experiment('E2').share(other.id(), 'WITH')


WITHOUT = [frozenset[str](), frozenset(SHORT_CUTS), *(frozenset({name}) for name in SHORT_CUTS)]
SESSIONS = ['OWN', 'SHARED', 'WITH']


@pytest.mark.sample(3)
@pytest.mark.parametrize('without', WITHOUT, ids=lambda names: '+'.join(sorted(names)) or 'none')
@pytest.mark.parametrize('jobs', [1, 4])
def test_everything_below_them_is_selected(
    xnat: pyxnat.Interface, projects: tuple[str, str], without: frozenset[str], jobs: int
) -> None:
    _, other = projects
    xnat.walker.without, xnat.walker.jobs = without, jobs
    top = f'/projects/{other}'
    assert sorted(xnat.select(f'{top}//experiments').get('label')) == SESSIONS
    assert xnat.select(f'{top}//scans').get() == ['1'] * 3
    assert len(xnat.select(f'{top}//scans/1').get()) == 3
    table = xnat.select(f'{top}//scans').table(['experiment/label'])
    assert sorted(row['experiment/label'] for row in table) == SESSIONS
    files = list(xnat.select(f'{top}//files'))
    contents = sorted(Path(file.get()).read_text() for file in files)
    assert contents == sorted(['E1', 'E2', 'OWN'] * 3)
    assert len(xnat.select(f'{top}//assessors').get()) == 3
    assert len(xnat.select(f'{top}//resources').get()) == 9


@pytest.mark.parametrize('label', ['SHARED', 'E1', 'SH*', '*'])
def test_one_of_them_is_selected_by_its_label_there(
    xnat: pyxnat.Interface, projects: tuple[str, str], label: str
) -> None:
    _, other = projects
    expected = {'SHARED': ['SHARED'], 'E1': [], 'SH*': ['SHARED'], '*': SESSIONS}[label]
    found = xnat.select(f'/projects/{other}//experiments/{label}')
    assert sorted(found.get('label')) == expected
    for session in found:
        assert session.exists() and session.scans().get() == ['1']
        assert session.attrs.get('date').startswith('2020-01-0')


def test_conditions_hold_for_them(xnat: pyxnat.Interface, projects: tuple[str, str]) -> None:
    owner, other = projects
    found = xnat.select(f'/projects/{other}//experiments')
    late = found.where([('xnat:mrSessionData/date', '<', '2020-01-03')], level='experiment')
    assert sorted(late.get('label')) == ['SHARED', 'WITH']
    identity = xnat.select(f'/projects/{owner}/subjects/S1').id()
    of_subject = found.where([('xnat:subjectData/ID', '=', identity)], level='subject')
    assert of_subject.get('label') == ['SHARED']


def test_paths_that_name_the_subjects_do_not_have_them(
    xnat: pyxnat.Interface, projects: tuple[str, str]
) -> None:
    _, other = projects
    for path in ('subjects/*/experiments', 'subjects//experiments', 'subjects/experiments'):
        found = xnat.select(f'/projects/{other}/{path}')
        assert sorted(found.get('label')) == ['OWN', 'WITH']
    assert sorted(xnat.select.project(other).experiments().get('label')) == SESSIONS


def test_they_cost_no_request(xnat: pyxnat.Interface, projects: tuple[str, str]) -> None:
    owner, other = projects
    xnat.cache.expiration = 0
    for path in ('experiments', 'scans', 'files'):
        with xnat.trace() as without:
            len(xnat.select(f'/projects/{owner}//{path}'))
        with xnat.trace() as having:
            len(xnat.select(f'/projects/{other}//{path}'))
        assert having.requests <= without.requests, path


def test_all_projects_have_them(xnat: pyxnat.Interface, projects: tuple[str, str]) -> None:
    owner, other = projects
    rows = xnat.select(f'/projects/{owner}*//experiments').table(['project/ID', 'label'])
    assert sorted(row for row in rows.items() if row[0] == other) == [
        (other, name) for name in SESSIONS
    ]
