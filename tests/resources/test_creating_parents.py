"""Tests that fields and types of missing elements above a new one are kept, or refused.

Nothing is sent if one of them cannot be kept.
"""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat import errors

GROUP = {'xnat:subjectData/group': 'g1 & <g2>'}
GENDER = {'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender': 'female'}
SMOKER = {'xnat:subjectData/fields/field[name=smoker, now]/field': 'yes'}
PET = {
    'experiments': 'xnat:petSessionData',
    'xnat:petSessionData/tracer/name': 'FDG',
    'xnat:petSessionData/date': '2020-01-02',
    'xnat:imageSessionData/fields/field[name=site]/field': 'B[1]',
}
SCAN = {'scans': 'xnat:petScanData', 'xnat:imageScanData/quality': 'usable'}
QC = {'assessors': 'xnat:qcManualAssessorData', 'xnat:qcManualAssessorData/pass': '1'}
PROJECT = {'xnat:projectData/description': 'made on the way'}

TARGETS = {
    'experiment': lambda project: project.subject('S').experiment('E'),
    'scan': lambda project: project.subject('S').experiment('E').scan('1'),
    'assessor': lambda project: project.subject('S').experiment('E').assessor('A'),
    'reconstruction': lambda project: project.subject('S').experiment('E').reconstruction('REC'),
    'resource': lambda project: project.subject('S').experiment('E').resource('R'),
    'scan resource': lambda project: project.subject('S').experiment('E').scan('1').resource('R'),
    'assessor resource': lambda project: (
        project.subject('S').experiment('E').assessor('A').out_resource('R')
    ),
}


def own_fields(target: str) -> dict[str, str]:
    """Return the fields of the elements below the session."""
    return {**(SCAN if 'scan' in target else {}), **(QC if 'assessor' in target else {})}


def check_kept(element: Any, fields: dict[str, str]) -> None:
    """Compare the fields of an element with those given, its type included."""
    named = {name: value for name, value in fields.items() if '/' in name}
    assert element.attrs.mget(named) == list(named.values())
    types = [value for name, value in fields.items() if '/' not in name]
    assert not types or element.datatype() == types[0]


@pytest.mark.parametrize('is_project_there', [True, False])
@pytest.mark.parametrize('target', TARGETS)
def test_fields_and_types_of_missing_elements_above_are_kept(
    target: str, is_project_there: bool, project: Any, xnat: pyxnat.Interface
) -> None:
    xnat.cache.expiration = 0
    if not is_project_there:
        project = xnat.select.project(f'{project.id()}_NEW')
    above = PROJECT if not is_project_there else {}
    made = TARGETS[target](project)
    made.create(**GROUP, **GENDER, **SMOKER, **PET, **above, **own_fields(target))
    assert made.exists()
    check_kept(project.subject('S'), {**GROUP, **GENDER, **SMOKER})
    session = project.subject('S').experiment('E')
    check_kept(session, PET)
    if 'scan' in target:
        check_kept(session.scan('1'), SCAN)
    if 'assessor' in target:
        check_kept(session.assessor('A'), QC)
    if above:
        check_kept(project, PROJECT)


@pytest.mark.parametrize('target', TARGETS)
def test_an_existing_element_above_must_have_the_values_given(
    target: str, project: Any, xnat: pyxnat.Interface
) -> None:
    xnat.cache.expiration = 0
    project.subject('S').create(**GROUP, **GENDER)
    with xnat.trace() as trace, pytest.raises(errors.IntegrityError, match=r'subject S exists.*g1'):
        TARGETS[target](project).create(**{'xnat:subjectData/group': 'new'}, **PET)
    assert {record.method for record in trace} == {'GET'}
    made = TARGETS[target](project)
    made.create(**GROUP, **PET, **own_fields(target))
    check_kept(project.subject('S').experiment('E'), PET)
    if 'resource' not in target:  # XNAT refuses to create a resource again
        made.create(**GROUP, **PET, **own_fields(target))
    with pytest.raises(errors.IntegrityError, match='session|experiment E exists'):
        project.subject('S').experiment('E').scan('9').create(
            scans='xnat:petScanData', **{**PET, 'xnat:petSessionData/tracer/name': 'other'}
        )
    check_kept(project.subject('S').experiment('E'), PET)


@pytest.mark.parametrize(
    ('target', 'fields', 'message'),
    [
        ('experiment', {'xnat:subjectData/nonsense': 'x'}, 'no field'),
        ('experiment', {'xnat:petSessionData/tracer/name': 'x'}, 'petSessionData'),
        ('experiment', {'xnat:mrScanData/quality': 'x'}, 'no field'),
        ('experiment', {'scans': 'xnat:petScanData'}, 'names no scan'),
        ('experiment', {'experiments': 'xnat:petScanData'}, 'no type of experiments'),
        ('experiment', {'subjects': 'xnat:projectData'}, 'no type of subjects'),
        ('experiment', {**GROUP, 'xnat:projectData/nonsense': 'x'}, 'no field'),
        ('scan', {'xnat:petSessionData/tracer/name': 'x'}, "experiments='xnat:petSessionData'"),
        ('scan', {'experiments': 'xnat:mrSessionData', **dict([*PET.items()][1:2])}, 'no field'),
        ('scan', {**GROUP, 'xnat:experimentData/date': '2020-13-01'}, 'date'),
        ('scan', {**PET, 'xnat:petSessionData/date': ['2020-01-01']}, 'not a single value'),
        ('assessor', {**QC, 'xnat:petSessionData/tracer/name': 'x'}, 'no field'),
        ('resource', {'xnat:mrScanData/quality': 'x'}, 'no field'),
        ('resource', {**GROUP, 'xnat:petSessionData/tracer/name': 'x'}, 'no field'),
        ('scan resource', {'xnat:petScanData/quality': 'x'}, "scans='xnat:petScanData'"),
    ],
)
def test_a_field_or_type_without_a_place_is_an_error_before_anything_is_sent(
    target: str, fields: dict[str, Any], message: str, project: Any, xnat: pyxnat.Interface
) -> None:
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match=message):
        TARGETS[target](project).create(**fields)
    assert {record.method for record in trace} <= {'GET'}


@pytest.mark.parametrize('path', ['/projects/{}/experiments/E/scans/2', '/experiments/{}/scans/2'])
def test_a_path_without_a_subject_takes_no_fields_of_it(
    path: str, project: Any, xnat: pyxnat.Interface
) -> None:
    session = project.subject('S').experiment('E').create()
    name = project.id() if 'projects' in path else session.id()
    scan = xnat.select(path.format(name))
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='no field'):
        scan.create(**GROUP)
    assert trace.requests == 0
    session.attrs.set('date', '2020-01-02')
    scan.create(type='T1', **{'xnat:experimentData/date': '2020-01-02'})
    assert scan.attrs.get('type') == 'T1'


def test_a_document_and_fields_of_the_subject_are_both_kept(project: Any, tmp_path: Any) -> None:
    document = tmp_path / 'session.xml'
    document.write_text(
        '<xnat:PETSession xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:note>from the file'
        '</xnat:note></xnat:PETSession>'
    )
    session = project.subject('S').experiment('E')
    session.create(xml=document, experiments='xnat:petSessionData', **GROUP)
    check_kept(project.subject('S'), GROUP)
    assert session.attrs.get('note') == 'from the file'


@pytest.mark.parametrize('how', ['put', 'put_dir', 'upload'])
def test_an_upload_refuses_fields_of_elements_above(
    how: str, project: Any, xnat: pyxnat.Interface, tmp_path: Any
) -> None:
    (tmp_path / 'sent').mkdir()
    (tmp_path / 'sent' / 'f.txt').write_text('x')
    resource = project.subject('S').experiment('E').resource('R')
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='cannot set'):
        if how == 'put':
            resource.file('f.txt').put(b'x', **GROUP)
        else:
            getattr(resource, how)(tmp_path / 'sent', **GROUP)
    assert {record.method for record in trace} <= {'GET'}


def test_a_table_keeps_columns_of_elements_above(project: Any, xnat: pyxnat.Interface) -> None:
    xnat.cache.expiration = 0
    sessions = project.subjects().experiments()
    rows = [
        {'subject': f'S{number % 2}', 'label': f'E{number}', 'xnat:subjectData/group': 'g'}
        for number in range(3)
    ]
    assert sessions.insert(rows).is_complete
    assert [list(row) for row in project.subjects().mget(['group'])] == [['g'], ['g']]
    report = sessions.insert([{**rows[0], 'label': 'E9', 'xnat:subjectData/group': 'other'}])
    assert len(report.failed) == 1 and 'E9' not in project.experiments().get('label')


@pytest.mark.parametrize('name', ['E1', 'E2'])
def test_the_session_of_an_existing_subject_takes_two_requests_more(
    name: str, project: Any, xnat: pyxnat.Interface
) -> None:
    project.subject('S').create(**GROUP)
    with xnat.trace() as trace:
        project.subject('S').experiment(name).create()
    plain = trace.requests
    with xnat.trace() as trace:
        project.subject('S').experiment(f'{name}_B').create(**GROUP)
    assert trace.requests <= plain + 2
