"""Tests of ``POST /data/search`` and of searchable fields."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .conftest import Client
from .searches import M, S, T, criterion, document, inside, run


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str]) -> None:
    pass


def test_4_4_keys_and_columns(admin: Client) -> None:
    body = document(
        M,
        [
            'LABEL',
            f'{S}.SUBJECT_LABEL',
            'xnat:mrSessionData/label',
            f'{S}.SUB_PROJECT_IDENTIFIER=P',
        ],
        criterion(f'{M}/label', '=', 'M1'),
    )
    found = json.loads(admin.post('/data/search?format=json', body).body)['ResultSet']
    described = {
        'label': 'Label',
        'xnat_subjectdata_subject_label': 'Subject',
        'xnat_col_mrsessiondatalabel': 'label',
        'xnat_subjectdata_sub_project_identifier_p': 'Subject',
    }
    of_label = ['session_id', 'insert_user', 'insert_date']
    of_subject = [
        f'xnat_subjectdata_{name}' for name in ('subjectid', 'insert_user', 'insert_date')
    ]
    label, subject, path, here = described
    keys = [label, *of_label, subject, *of_subject, path, here, 'quarantine_status']
    assert [column['key'] for column in found['Columns']] == keys
    assert {
        column['key']: column['header'] for column in found['Columns'] if 'id' in column
    } == described
    helpers = {column['key']: column for column in found['Columns'] if 'id' not in column}
    assert helpers['session_id'] == {'key': 'session_id', 'xPATH': 'session_id'}
    assert helpers[of_subject[0]] == {'key': of_subject[0], 'xPATH': f'{S}.{of_subject[0]}'}
    assert helpers['quarantine_status'] == {'key': 'quarantine_status'}
    link = found['Columns'][-2]['linkProps'][0]
    assert link['inserts'] == [
        {'name': 'Field2', 'value': '@P'},
        {'name': 'Field1', 'value': of_subject[0]},
    ]
    rows = [
        label,
        *of_label,
        'projects',
        'project',
        subject,
        *of_subject,
        'xnat_subjectdata_projects',
        'xnat_subjectdata_project',
        path,
        here,
    ]
    assert (
        list(found['Result'][0])
        == [*rows, 'quarantine_status']
        == admin.post('/data/search?format=csv', body).header
    )
    assert [found['Result'][0][key] for key in (*described, 'quarantine_status')] == [
        'M1',
        'S1',
        'M1',
        'S1',
        'active',
    ]
    assert (found['rootElementName'], found['totalRecords']) == (M, '1')
    plain = json.loads(admin.post('/data/search', body).body)['ResultSet']
    assert [column['key'] for column in plain['Columns']] == [*described, 'quarantine_status']
    assert not any('linkProps' in column for column in plain['Columns']) and list(
        plain['Result'][0]
    ) == list(found['Result'][0])


COLUMNS = [
    (S, ['SUBJECT_ID'], 'subject_id'),
    (S, ['SUBJECTID'], 'subjectid subject_id'),
    (S, ['ADD_IDS'], 'add_ids subjectid'),
    (S, ['SUB_PROJECT_IDENTIFIER'], 'sub_project_identifier subjectid projects project'),
    (
        S,
        ['SUBJECT_LABEL', 'PROJECTS'],
        'subject_label subjectid insert_user insert_date projects project',
    ),
    (M, ['SESSION_ID'], 'session_id projects'),
    (M, ['RPT'], 'rpt session_id insert_user insert_date'),
    (M, ['VIEW'], 'view session_id'),
    (
        M,
        ['xnat:mrSessionData/date', 'xnat:mrSessionData/project', 'xnat:mrSessionData/ID'],
        'date project session_id projects',
    ),
    (
        M,
        ['xnat:mrSessionData/age', 'age', 'fieldStrength'],
        'xnat_col_mrsessiondataage xnat_col_mrsessiondatafieldstrength',
    ),
    (
        M,
        ['LABEL', 'NONSENSE', f'{S}.YOB'],
        'label session_id insert_user insert_date projects project',
    ),
    (
        M,
        [
            'DATE',
            'xnat:petSessionData/date',
            'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/age',
        ],
        'date',
    ),
    (M, ['DATE', 'XNAT_COL_MRSESSIONDATASCANNERMODEL'], 'date xnat_col_mrsessiondatascannermodel'),
    (S, ['GENDER', 'XNAT_COL_MRSESSIONDATAAGE'], 'gender xnat_col_mrsessiondataage'),
    (S, ['GENDER', 'XNAT_SUBJECTDATA_FIELD_MAP=Color'], 'gender xnat_subjectdata_field_map_color'),
    ('xnat:qcManualAssessorData', ['ID'], 'expt_id'),
    ('xnat:projectData', ['NAME', 'NAME_CSV'], 'name id name_csv'),
    (
        'xnat:projectData',
        ['xnat:projectData/name', 'ID'],
        'name_csv id',
    ),  # two fields have this name: the first in XNAT's table of names counts
    ('xnat:projectData', ['name'], 'name_csv id'),
    (S, ['xnat:subjectData/ID'], 'subjectid subject_id'),
    (
        S,
        ['NOTHING'],
        'subject_label subjectid insert_user insert_date projects project gender handedness dob '
        'educ ses',
    ),
    (
        M,
        ['LABEL', f'{T}.DATE'],
        'label session_id insert_user insert_date projects project xnat_petsessiondata_date',
    ),
]


@pytest.mark.parametrize(('root', 'columns', 'expected'), COLUMNS)
def test_4_4_columns_that_are_added_or_left_out(
    admin: Client, root: str, columns: list[str], expected: str
) -> None:
    fields = ''
    for number, one in enumerate(columns):
        element, name = (root, one) if '/' in one or '.' not in one else one.split('.')
        fields += (
            f'<xdat:search_field><xdat:element_name>{element}</'
            f'xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>'
        )
        fields += f'<xdat:sequence>{number}</xdat:sequence></xdat:search_field>'
    body = document(root, []).replace(b'</xdat:bundle>', f'{fields}</xdat:bundle>'.encode())
    header = admin.post('/data/search?format=csv', body).header
    assert header[: header.index('quarantine_status')] == expected.split()
    beside = ['xnat_mrsessiondata_xnat_petsessiondata_diff'] if f'{T}.DATE' in columns else []
    assert header[header.index('quarantine_status') + 1 :] == beside


def test_4_4_9_a_long_key_has_a_short_name_only_in_rows(admin: Client) -> None:
    body = document(S, ['GENDER', f'XNAT_SUBJECTDATA_FIELD_MAP={"x" * 70}'])
    found = json.loads(admin.post('/data/search', body).body)['ResultSet']
    (long,) = (column['key'] for column in found['Columns'] if 'field_map' in column['key'])
    (short,) = (name for name in found['Result'][0] if name.startswith('df_alias_'))
    assert long == f'xnat_subjectdata_field_map_{"x" * 70}' and list(found['Result'][0]) == [
        'gender',
        short,
        'quarantine_status',
    ]


def test_a_repeated_path_gives_a_row_for_each_value(admin: Client) -> None:
    kinds = [
        (row['label'], row['xnat_col_mrsessiondatascansscantype'])
        for row in run(admin, M, ['LABEL', 'scans/scan/type'])
    ]
    assert sorted(kinds) == [('M1', 'T1 w'), ('M1', 'T2'), ('M2', '')]


COMPARISONS = [
    (S, 'SUBJECT_LABEL', (f'{S}/SUBJECT_LABEL', '=', 'S1'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', '=', 's1'), []),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', '!=', 'S1'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '!=', 'control'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}/group', '!=', 'control'), []),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', 'LIKE', 's%'), ['S1', 'S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.GENDER', 'LIKE', 'ale'), []),
    (
        S,
        'SUBJECT_LABEL',
        (f'{S}/demographics[@xsi:type=xnat:demographicData]/gender', 'LIKE', 'EMA'),
        ['S1'],
    ),
    (S, 'SUBJECT_LABEL', (f'{S}.GENDER', 'NOT LIKE', 'f%'), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUBJECT_LABEL', 'IN', 'S1,"S2"'), ['S1', 'S2']),
    (
        S,
        'SUBJECT_LABEL',
        (f'{S}/demographics[@xsi:type=xnat:demographicData]/age', '>', '80'),
        ['S1'],
    ),
    (
        S,
        'SUBJECT_LABEL',
        (f'{S}/demographics[@xsi:type=xnat:demographicData]/age', 'BETWEEN', '81 and 81'),
        ['S1'],
    ),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', 'IS NULL', 'NULL', 1), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', 'IS NOT', 'NULL', 1), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', ''), ['S2']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', '*'), ['S1']),
    (S, 'SUBJECT_LABEL', (f'{S}.SUB_GROUP', '=', 'control', 1), ['S1']),
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
    (M, 'LABEL', (f'{M}/GEN_AGE', '>', '79.5'), ['M2']),
    ('xnat:qcManualAssessorData', 'LABEL', (f'{M}/label', '=', 'M1'), ['A1']),
    ('xnat:mrScanData', 'ID', ('xnat:mrScanData/type', '=', 'T2'), ['2']),
    ('xnat:projectData', 'ID', ('xnat:projectData/ID', '=', 'P'), ['P']),
]


@pytest.mark.parametrize(('root', 'column', 'wanted', 'expected'), COMPARISONS)
def test_4_3_comparisons(
    admin: Client, root: str, column: str, wanted: tuple[str, str, str], expected: list[str]
) -> None:
    assert [
        row[column.lower()] for row in run(admin, root, [column], inside(criterion(*wanted)))
    ] == expected


def test_nested_and_or(admin: Client) -> None:
    inner = (
        '<xdat:child_set '
        f'method="OR">{criterion(f"{M}/label", "=", "M1")}{criterion(f"{M}/label", "=", "M2")}</'
        'xdat:child_set>'
    )
    assert [
        row['label'] for row in run(admin, M, ['LABEL'], criterion(f'{M}/AGE', '>', '80'), inner)
    ] == ['M2']
    assert [
        row['label']
        for row in run(admin, M, ['LABEL'], criterion(f'{M}/AGE', '>', '80'), inner, method='OR')
    ] == ['M1', 'M2']


def test_criteria_on_one_element_apply_to_the_same_item(admin: Client) -> None:
    both = criterion(f'{M}/AGE', '=', '79'), criterion(f'{M}/AGE', '=', '82')
    assert run(admin, S, ['SUBJECT_LABEL'], *both) == []
    assert [
        row['subject_label'] for row in run(admin, S, ['SUBJECT_LABEL'], *both, method='OR')
    ] == ['S1']
    row = run(
        admin, S, ['SUBJECT_LABEL', f'{M}.LABEL', f'{M}.AGE'], criterion(f'{M}/AGE', '>', '80')
    )[0]
    assert (row['xnat_mrsessiondata_label'], row['xnat_mrsessiondata_age']) == ('M2', '82')


def test_4_9_display_fields(admin: Client) -> None:
    columns = ['GENDER_TEXT', 'HANDEDNESS_TEXT', 'DOB', 'MR_COUNT', 'CNT_XNAT_MRSESSIONDATA=P']
    first, second = run(admin, S, columns)
    assert list(first.values()) == ['F', 'L', '', '2', '2', 'active']
    assert list(second.values()) == ['M', '', '1950', '', '', 'active']
    columns = ['MR_SCAN_COUNT_AGG', 'PROJECTS', 'AGE', 'GEN_AGE', 'SUBJECT_ID', 'URI']
    row = run(admin, M, columns, criterion(f'{M}/label', '=', 'M1'))[0]
    assert (row['mr_scan_count_agg'], row['projects'], row['age'], row['gen_age']) == (
        'T1 w(1), T2(1)',
        '<P>',
        '79',
        '79.00',
    )
    assert row['uri'].startswith('/archive/experiments/')


def test_ages_are_derived(admin: Client) -> None:
    assert [row['age'] for row in run(admin, T, ['AGE'])] == ['70']
    over = criterion(f'{M}/AGE', '>', '60')
    assert 'S2' in [
        row['subject_label']
        for row in run(admin, S, ['SUBJECT_LABEL'], criterion(f'{T}/AGE', '>', '60'))
    ]
    assert [row['subject_label'] for row in run(admin, S, ['SUBJECT_LABEL'], over)] == [
        'S1'
    ]  # S2 has no age of its own, and no MR session


def test_sort_by_and_default_columns(admin: Client) -> None:
    sort = (
        '<xdat:sort_by><xdat:element_name>{0}</xdat:element_name><xdat:field_ID>DATE</'
        'xdat:field_ID>{1}</xdat:sort_by>'
    )
    assert [row['label'] for row in run(admin, M, ['LABEL'], extra=sort.format(M, ''))] == [
        'M1',
        'M2',
    ]
    order = sort.format(M, '<xdat:order>desc</xdat:order>')
    assert admin.post('/data/search', document(M, ['LABEL'], extra=order)).status == 422
    assert (
        admin.post('/data/search', document(M, [])).status == 400
    )  # XNAT fails: it sorts by a field that does not exist
    assert 'ses' in run(admin, S, [])[0]


@pytest.mark.parametrize(
    ('sort_by', 'status'), [('LABEL', 200), ('DATE,LABEL', 200), ('label', 500), ('nothing', 500)]
)
def test_4_1_8_sort_by_in_the_query_needs_display_fields(
    admin: Client, sort_by: str, status: int
) -> None:
    answer = admin.post(
        f'/data/search?format=csv&sortOrder=DESC&sortBy={sort_by}', document(M, ['LABEL'])
    )
    assert answer.status == status
    if status == 200:
        assert [row['label'] for row in answer.csv] == ['M2', 'M1']


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        (b'nonsense', 422),
        (b'<other/>', 422),
        (b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><search>&e;</search>', 422),
        (document('xnat:nothing', ['X']), 403),
        (document(M, ['NOTHING']), 400),
        (document(M, ['LABEL'], criterion(f'{M}/AGE', '>', 'old')), 400),
        (document(M, ['LABEL'], criterion(f'{M}/AGE', 'BETWEEN', '1')), 400),
        (
            document(S, ['SUBJECT_LABEL'], criterion(f'{S}.SUB_GROUP', '=', "'1; DROP TABLE item")),
            500,
        ),
        (document(S, ['SUBJECT_LABEL'], criterion('nonsense', '=', '1')), 400),
    ],
)
def test_4_1_refusals(admin: Client, body: bytes, status: int) -> None:
    answer = admin.post('/data/search', body)
    assert answer.status == status, answer.body
    assert 'Traceback' not in answer.text


def test_4_4_18_only_readable_items_are_found(
    client_of: Callable[[str | None], Client], admin: Client
) -> None:
    outsider = client_of('outsider')
    assert run(outsider, S, ['SUBJECT_LABEL']) == []
    assert [row['id'] for row in run(outsider, 'xnat:projectData', ['ID'])] == ['P', 'Q']
    admin.ok('PUT', '/data/projects/Q/users/member/outsider')
    admin.ok('PUT', '/data/projects/P/subjects/S2/projects/Q')
    assert [row['subject_label'] for row in run(outsider, S, ['SUBJECT_LABEL'])] == ['S2']
    assert run(outsider, M, ['LABEL']) == []
    admin.ok('DELETE', '/data/projects/P/subjects/S2/projects/Q')
    admin.ok('DELETE', '/data/projects/Q/users/member/outsider')
