"""``POST /data/search`` and what can be searched."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .conftest import Client
from .searches import M, S, T, criterion, document, run


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str]) -> None:
    pass


def test_4_4_keys_and_columns(admin: Client) -> None:
    body = document(
        M, ['LABEL', f'{S}.SUBJECT_LABEL', 'xnat:mrSessionData/label', f'{S}.SUB_PROJECT_IDENTIFIER=P'], criterion(f'{M}/label', '=', 'M1')
    )
    found = json.loads(admin.post('/data/search?format=json', body).body)['ResultSet']
    keys = [
        'label',
        'xnat_subjectdata_subject_label',
        'xnat_col_mrsessiondatalabel',
        'xnat_subjectdata_sub_project_identifier_p',
        'quarantine_status',
    ]
    assert [column['key'] for column in found['Columns'] if column.get('visible') != 'false'] == keys
    helpers = [column['key'] for column in found['Columns'] if column.get('visible') == 'false']
    assert 'session_id' in helpers and 'xnat_subjectdata_subject_id' in helpers
    assert found['Columns'][-1] == {'key': 'quarantine_status'}
    assert found['Columns'][2]['xPATH'] == 'xnat:mrSessionData.XNAT_COL_MRSESSIONDATALABEL'
    assert {key: found['Result'][0][key] for key in keys} == dict(zip(keys, ['M1', 'S1', 'M1', 'S1', 'active'], strict=True))
    assert list(found['Result'][0]) == [column['key'] for column in found['Columns']]
    assert (found['rootElementName'], found['totalRecords']) == (M, '1')
    assert admin.post('/data/search?format=csv', body).header == keys


COMPARISONS = [
    (S, 'SUBJECT_LABEL', (f'{S}/SUBJECT_LABEL', '=', 'S1'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', '=', 's1'), []),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', '!=', 'S1'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '!=', 'control'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}/group', '!=', 'control'), []),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', 'LIKE', 's%'), ['S1', 'S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.GENDER', 'LIKE', 'ale'), []),
    (S, 'SUBJECT_LABEL', (f'{S}/demographics[@xsi:type=xnat:demographicData]/gender', 'LIKE', 'EMA'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.GENDER', 'NOT LIKE', 'f%'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', 'IN', 'S1,"S2"'), ['S1', 'S2']),
    (S, 'SUBJECT_LABEL', (f'{S}/AGE', '>', '80'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}/AGE', 'BETWEEN', '81 and 81'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', 'IS NULL', 'NULL', 1), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', 'IS NOT', 'NULL', 1), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', ''), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', '*'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', "'control'", 1), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', '=', "x' OR '1'='1"), []),
    (S, 'SUBJECT_LABEL', (f'{S}.INSERT_DATE', '>', '2000-01-01'), ['S1', 'S2']),
    (S, 'SUBJECT_LABEL', (f'{M}/AGE', '>', '80'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{T}/TRACER_NAME', '=', 'FDG'), ['S2']),
    (M, 'LABEL', (f'{M}/DATE', '=', '01/31/2020'), ['M1']),
    (M, 'LABEL', (f'{M}/date', '>', '2020-01-31'), ['M2']),
    (M, 'LABEL', (f'{M}/AGE', '>=', '79'), ['M1', 'M2']),
    (M, 'LABEL', (f'{S}/GENDER', '=', 'female'), ['M1', 'M2']),
    (M, 'LABEL', (f'{M}.SCAN_COUNT_TYPE=T2', '=', '1'), ['M1']),
    (M, 'LABEL', (f'{M}/scans/scan/quality', '=', 'questionable'), ['M1']),
    (M, 'LABEL', ('xnat:mrScanData/parameters/tr', '>', '2'), ['M1']),
    (M, 'LABEL', (f'{M}/sharing/share/project', '=', 'Q'), []),
    (T, 'LABEL', (f'{T}/AGE', '>', '70.5'), []),
    (T, 'LABEL', (f'{T}/GEN_AGE', '>', '70.5'), ['T1']),
    ('xnat:qcManualAssessorData', 'LABEL', (f'{M}/label', '=', 'M1'), ['A1']),
    ('xnat:mrScanData', 'ID', ('xnat:mrScanData/type', '=', 'T2'), ['2']),
    ('xnat:projectData', 'ID', ('xnat:projectData/ID', '=', 'P'), ['P']),
]


@pytest.mark.parametrize(('root', 'column', 'wanted', 'expected'), COMPARISONS)
def test_4_3_comparisons(admin: Client, root: str, column: str, wanted: tuple[str, str, str], expected: list[str]) -> None:
    assert [row[column.lower()] for row in run(admin, root, [column], criterion(*wanted))] == expected


def test_nested_and_or(admin: Client) -> None:
    inner = f'<xdat:child_set method="OR">{criterion(f"{M}/label", "=", "M1")}{criterion(f"{M}/label", "=", "M2")}</xdat:child_set>'
    assert [row['label'] for row in run(admin, M, ['LABEL'], criterion(f'{M}/AGE', '>', '80'), inner)] == ['M2']
    assert [row['label'] for row in run(admin, M, ['LABEL'], criterion(f'{M}/AGE', '>', '80'), inner, method='OR')] == ['M1', 'M2']


def test_criteria_on_one_element_hold_for_the_same_item(admin: Client) -> None:
    both = criterion(f'{M}/AGE', '=', '79'), criterion(f'{M}/AGE', '=', '82')
    assert run(admin, S, ['SUBJECT_LABEL'], *both) == []
    assert [row['subject_label'] for row in run(admin, S, ['SUBJECT_LABEL'], *both, method='OR')] == ['S1']
    row = run(admin, S, ['SUBJECT_LABEL', f'{M}.LABEL', f'{M}.AGE'], criterion(f'{M}/AGE', '>', '80'))[0]
    assert (row['xnat_mrsessiondata_label'], row['xnat_mrsessiondata_age']) == ('M2', '82')


def test_4_9_display_fields(admin: Client) -> None:
    columns = ['SUBJECT_LABEL', 'GENDER_TEXT', 'HANDEDNESS_TEXT', 'DOB', 'AGE', 'MR_COUNT', 'PROJECTS', 'CNT_XNAT_MRSESSIONDATA=P']
    first, second = run(admin, S, columns)
    expected = ['S1', 'F', 'L', '', '81', '2', ',<P>', '2', 'active']
    assert list(first.values()) == expected
    assert (second['gender_text'], second['handedness_text'], second['dob'], second['mr_count']) == ('M', 'U', '1950', '')
    row = run(admin, M, ['LABEL', 'MR_SCAN_COUNT_AGG', 'PROJECTS', 'AGE', 'SUBJECT_ID'], criterion(f'{M}/label', '=', 'M1'))[0]
    assert (row['mr_scan_count_agg'], row['projects'], row['age']) == ('T1 w(1), T2(1)', '<P>', '79')


def test_age_is_derived(admin: Client) -> None:
    row = run(admin, T, ['AGE', 'GEN_AGE'])[0]
    assert row['age'] == '70'
    assert 70.8 < float(row['gen_age']) < 70.9


def test_sort_by_and_default_columns(admin: Client) -> None:
    extra = f'<xdat:sort_by><xdat:element_name>{M}</xdat:element_name><xdat:field_ID>DATE</xdat:field_ID></xdat:sort_by>'
    assert [row['label'] for row in run(admin, M, [], extra=extra)] == ['M1', 'M2']
    assert list(run(admin, S, [])[0]) == ['subject_label', 'gender', 'handedness', 'dob', 'educ', 'ses', 'mr_count', 'quarantine_status']


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        (b'nonsense', 422),
        (b'<other/>', 422),
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><search>&e;</search>', 422),
        (document('xnat:nothing', ['X']), 400),
        (document(S, ['NOTHING']), 400),
        (document(S, ['SUBJECT_LABEL'], criterion(f'{S}/AGE', '>', 'old')), 400),
        (document(S, ['SUBJECT_LABEL'], criterion(f'{S}/AGE', 'BETWEEN', '1')), 400),
        (document(S, ['SUBJECT_LABEL'], criterion(f'{S}.SUB_GROUP', '=', '1; DROP TABLE item', 1)), 500),
        (document(S, ['SUBJECT_LABEL'], criterion('nonsense', '=', '1')), 400),
    ],
)
def test_4_1_refusals(admin: Client, body: bytes, status: int) -> None:
    answer = admin.post('/data/search', body)
    assert answer.status == status, answer.body
    assert 'Traceback' not in answer.text


def test_4_4_18_only_what_may_be_read(client_of: Callable[[str | None], Client], admin: Client) -> None:
    outsider = client_of('outsider')
    assert outsider.post('/data/search', document(S, ['SUBJECT_LABEL'])).status == 403
    assert [row['id'] for row in run(outsider, 'xnat:projectData', ['ID'])] == ['P', 'Q']
    admin.ok('PUT', '/data/projects/Q/users/member/outsider')
    admin.ok('PUT', '/data/projects/P/subjects/S2/projects/Q')
    assert [row['subject_label'] for row in run(outsider, S, ['SUBJECT_LABEL'])] == ['S2']
    assert run(outsider, M, ['LABEL']) == []
    admin.ok('DELETE', '/data/projects/P/subjects/S2/projects/Q')
    admin.ok('DELETE', '/data/projects/Q/users/member/outsider')
