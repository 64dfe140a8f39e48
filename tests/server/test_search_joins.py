"""Tests of searches over several elements, their joins and rights (facts 4.2.5, 4.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pyxnat.server import Server, serve
from tests.support.loading import loading

from .conftest import Client
from .searches import QC, SCAN, M, P, S, T, criterion, document, run

AGE = 'xnat:mrSessionData/age'


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Create three subjects.

    A has MR sessions of 2020, 2022 and one without a date, and PET sessions of 2021 and early 2022.
    B has only MR sessions. C is in a project of its own.
    """
    with serve(
        tmp_path_factory.mktemp('archive'),
        password='secret',
        users={'reader': 'r', 'outsider': 'o'},
    ) as running:
        with loading(running.archive) as loader:
            one, two = (
                loader.project('ONE', fields={'name': 'First', 'keywords': 'brain'}),
                loader.project('TWO'),
            )
            loader.project('SEEN', access='protected')
            a = loader.add(
                S, 'A', one, project='ONE', label='a', fields={'demographics/gender': 'female'}
            )
            b = loader.add(
                S, 'B', one, project='ONE', label='b', fields={'demographics/gender': 'male'}
            )
            c = loader.add(
                S, 'C', two, project='TWO', label='c', fields={'demographics/gender': 'female'}
            )
            for subject, kind, name, project, date in (
                (a, M, 'MA20', 'ONE', '2020-05-01'),
                (a, M, 'MA22', 'ONE', '2022-05-01'),
                (a, M, 'MA', 'ONE', ''),
                (a, T, 'TA21', 'ONE', '2021-01-01'),
                (a, T, 'TA22', 'ONE', '2022-04-01'),
                (b, M, 'MB', 'ONE', '2020-01-01'),
                (c, M, 'MC', 'TWO', '2020-01-01'),
                (c, T, 'TC', 'TWO', '2020-01-11'),
            ):
                session = loader.add(
                    kind,
                    name,
                    subject,
                    project=project,
                    label=name,
                    fields={'date': date} if date else {},
                )
                for scan, quality in (
                    ('1', 'usable'),
                    ('2', 'questionable' if name == 'MA22' else 'usable'),
                ):
                    loader.add(
                        SCAN if kind == M else 'xnat:petScanData',
                        scan,
                        session,
                        project=project,
                        fields={'type': f'{name}-{scan}', 'quality': quality},
                    )
                if name in ('MA20', 'MC'):
                    loader.add(
                        QC,
                        f'Q{name}',
                        session,
                        project=project,
                        label=f'Q{name}',
                        fields={'date': '2020-06-01', 'rater': 'jd'},
                    )
            loader.share(c, 'ONE', 'guest')
        admin = Client(running, running.user, running.password)
        admin.ok('PUT', '/data/projects/ONE/users/collaborator/reader')
        admin.close()
        yield running


@pytest.fixture(scope='module')
def admin(server: Server) -> Iterator[Client]:
    yield from client_of(server, server.user, server.password)


@pytest.fixture(scope='module')
def reader(server: Server) -> Iterator[Client]:
    """Return a user who may read project ONE."""
    yield from client_of(server, 'reader', 'r')


@pytest.fixture(scope='module')
def outsider(server: Server) -> Iterator[Client]:
    yield from client_of(server, 'outsider', 'o')


def client_of(server: Server, login: str, password: str) -> Iterator[Client]:
    client = Client(server, login, password)
    yield client
    client.close()


def values(rows: list[dict[str, str]], *keys: str) -> list[tuple[str, ...]]:
    return [tuple(row[key] for key in keys) for row in rows]


def test_elements_above_are_joined(admin: Client) -> None:
    rows = run(admin, M, ['LABEL', f'{S}.SUBJECT_LABEL'], criterion(f'{S}/GENDER', '=', 'female'))
    assert values(rows, 'label', 'xnat_subjectdata_subject_label') == [
        ('MA', 'a'),
        ('MA20', 'a'),
        ('MA22', 'a'),
        ('MC', 'c'),
    ]
    for body in (
        document(M, ['LABEL', f'{P}.NAME']),
        document(M, ['LABEL'], criterion(f'{P}/ID', '=', 'ONE')),
    ):
        assert admin.post('/data/search', body).status == 400, 'XNAT joins no projects'
    rows = run(
        admin,
        SCAN,
        ['TYPE', f'{M}.LABEL', f'{S}.SUBJECT_LABEL'],
        criterion(f'{S}/GENDER', '=', 'male'),
    )
    assert values(rows, 'type', 'xnat_mrsessiondata_label', 'xnat_subjectdata_subject_label') == [
        ('MB-1', 'MB', 'b'),
        ('MB-2', 'MB', 'b'),
    ]
    assert values(
        run(admin, QC, ['LABEL', f'{M}.LABEL', f'{S}.SUBJECT_LABEL']),
        'label',
        'xnat_mrsessiondata_label',
    ) == [
        ('QMA20', 'MA20'),
        ('QMC', 'MC'),
    ]


def test_elements_below_are_joined_into_one_row(admin: Client) -> None:
    rows = run(
        admin,
        S,
        ['SUBJECT_LABEL', f'{M}.LABEL', f'{SCAN}.TYPE'],
        criterion(f'{SCAN}.QUALITY', '=', 'questionable'),
    )
    assert values(rows, 'subject_label', 'xnat_mrsessiondata_label', 'xnat_mrscandata_type') == [
        ('a', 'MA22', 'MA22-2')
    ]
    assert values(run(admin, S, ['SUBJECT_LABEL', f'{M}.LABEL']), 'subject_label') == [
        ('a',),
        ('b',),
        ('c',),
    ]
    rows = run(admin, P, ['ID', f'{S}.SUBJECT_LABEL'], criterion(f'{M}.LABEL', '=', 'MB'))
    assert values(rows, 'id', 'xnat_subjectdata_subject_label') == [('ONE', 'b')]


def test_elements_below_and_beside_are_joined_through_elements_above(admin: Client) -> None:
    rows = run(admin, QC, ['LABEL', f'{SCAN}.TYPE'], criterion(f'{SCAN}.TYPE', 'LIKE', '%-2'))
    assert values(rows, 'label', 'xnat_mrscandata_type') == [('QMA20', 'MA20-2'), ('QMC', 'MC-2')]
    assert values(
        run(admin, SCAN, ['TYPE', f'{QC}.RATER'], criterion(f'{QC}.RATER', '=', 'jd')), 'type'
    ) == [
        ('MA20-1',),
        ('MA20-2',),
        ('MC-1',),
        ('MC-2',),
    ]


def test_scans_and_assessors_belong_to_the_named_session(admin: Client) -> None:
    columns = ['SUBJECT_LABEL', f'{M}.LABEL', f'{SCAN}.TYPE', f'{T}.LABEL', 'xnat:petScanData.TYPE']
    rows = run(
        admin,
        S,
        columns,
        criterion(f'{SCAN}.TYPE', '=', 'MA22-1'),
        criterion('xnat:petScanData.TYPE', '=', 'TA22-2'),
    )
    keys = (
        'subject_label',
        'xnat_mrsessiondata_label',
        'xnat_mrscandata_type',
        'xnat_petsessiondata_label',
        'xnat_petscandata_type',
    )
    assert values(rows, *keys) == [('a', 'MA22', 'MA22-1', 'TA22', 'TA22-2')]
    rows = run(
        admin,
        M,
        ['LABEL', f'{T}.LABEL', 'xnat:petScanData.TYPE', f'{SCAN}.TYPE'],
        criterion('xnat:petScanData.TYPE', '=', 'TA21-1'),
    )
    keys = ('label', 'xnat_petsessiondata_label', 'xnat_petscandata_type', 'xnat_mrscandata_type')
    assert values(rows, *keys)[-1] == ('MA22', 'TA21', 'TA21-1', 'MA22-1')
    assert (
        run(
            admin,
            S,
            ['SUBJECT_LABEL'],
            criterion(f'{M}.LABEL', '=', 'MA22'),
            criterion(f'{QC}.RATER', '=', 'jd'),
        )
        == []
    ), 'of another session'
    assert values(
        run(admin, S, ['SUBJECT_LABEL'], criterion(f'{QC}.RATER', '=', 'jd')), 'subject_label'
    ) == [('a',), ('c',)]


def test_another_session_of_the_subject_is_the_nearest_in_time(admin: Client) -> None:
    rows = run(admin, M, ['LABEL', f'{T}.LABEL'])
    assert values(rows, 'label', 'xnat_petsessiondata_label')[1:] == [
        ('MA20', 'TA21'),
        ('MA22', 'TA22'),
        ('MB', ''),
        ('MC', 'TC'),
    ]
    assert rows[0]['xnat_petsessiondata_label'] in ('TA21', 'TA22'), 'without a date any'
    rows = run(admin, M, ['LABEL', f'{T}.DATE'], criterion(f'{T}.DATE', '<', '2021-06-01'))
    assert values(rows, 'label', 'xnat_petsessiondata_date') == [
        ('MA', '2021-01-01'),
        ('MA20', '2021-01-01'),
        ('MA22', '2021-01-01'),
        ('MC', '2020-01-11'),
    ]


@pytest.mark.parametrize('more', ['0', '1'])
def test_4_4_16_the_distance_to_the_nearest_session_in_days(admin: Client, more: str) -> None:
    rows = run(admin, M, ['DATE', f'{T}.DATE'], allow_diff_columns=more)
    key = 'xnat_mrsessiondata_xnat_petsessiondata_diff'
    assert list(rows[0]) == ['date', 'xnat_petsessiondata_date', 'quarantine_status', key]
    nearest = [
        ('', '', ''),
        ('2020-01-01', '', ''),
        ('2020-01-01', '2020-01-11', '-10'),
        ('2020-05-01', '2021-01-01', '-245'),
    ]
    assert sorted(values(rows, 'date', 'xnat_petsessiondata_date', key))[1:] == [
        *nearest[1:],
        ('2022-05-01', '2022-04-01', '30'),
    ]
    rows = run(admin, S, ['SUBJECT_LABEL', f'{M}.LABEL'], allow_diff_columns=more)
    found = sorted(values(rows, 'subject_label', 'xnat_mrsessiondata_label'))
    assert found == [('a', 'MA22'), ('b', 'MB'), ('c', 'MC')], 'of a subject the newest'


def test_4_4_18_rows_without_the_right_to_read(
    reader: Client, outsider: Client, admin: Client
) -> None:
    assert values(run(reader, S, ['SUBJECT_LABEL']), 'subject_label') == [('a',), ('b',), ('c',)], (
        'c is shared into ONE'
    )
    assert values(run(reader, M, ['LABEL']), 'label') == [('MA',), ('MA20',), ('MA22',), ('MB',)]
    rows = run(
        reader,
        S,
        ['SUBJECT_LABEL', f'{M}.LABEL', 'MR_COUNT'],
        criterion(f'{S}.SUBJECT_LABEL', '=', 'c'),
    )
    assert values(rows, 'subject_label', 'xnat_mrsessiondata_label', 'mr_count') == [
        ('c', '', '')
    ], 'nor joined, nor counted'
    assert run(reader, S, ['SUBJECT_LABEL'], criterion(f'{M}.LABEL', '=', 'MC')) == [], (
        'nor found by'
    )
    assert (
        values(run(reader, SCAN, ['TYPE'], criterion(f'{SCAN}.TYPE', 'LIKE', 'MC%')), 'type') == []
    )
    rows = run(reader, S, ['SUB_PROJECT_IDENTIFIER=ONE', 'PROJECTS'])
    assert values(rows, 'sub_project_identifier_one', 'projects') == [
        ('a', ',<ONE>'),
        ('b', ',<ONE>'),
        ('guest', ',<TWO>,<ONE>'),
    ]
    for root in (S, M, QC):
        assert run(outsider, root, ['PROJECT']) == []
    assert values(run(outsider, P, ['ID']), 'id') == [('SEEN',)]
    assert run(outsider, SCAN, ['ID']) == []
    assert len(run(admin, M, ['LABEL'])) == 5


def test_members_of_a_custom_group_find_its_types(admin: Client, outsider: Client) -> None:
    given = '&'.join(f'{kind}_{kind}/project_ONE_R=true' for kind in (M, QC))
    admin.ok('PUT', f'/data/projects/ONE/groups/ANY?xdat:userGroup/displayname=Technicians&{given}')
    admin.ok('PUT', '/data/projects/ONE/users/ONE_Technicians/outsider')
    assert values(run(outsider, M, ['LABEL', f'{T}.LABEL']), 'label', 'xnat_petsessiondata_label')[
        -1
    ] == ('MB', '')
    assert all(
        row['xnat_petsessiondata_label'] == '' for row in run(outsider, M, ['LABEL', f'{T}.LABEL'])
    )
    assert len(run(outsider, SCAN, ['TYPE'])) == 8
    assert run(outsider, S, ['SUBJECT_LABEL']) == run(outsider, T, ['LABEL']) == []
    counts = {
        row['ELEMENT_NAME']: row['COUNT']
        for row in outsider.get('/data/search/elements?readable=true').rows
    }
    assert (counts[M], counts[QC], counts[T], counts[S]) == ('4', '1', '0', '0')
    number = next(
        row['xdat_user_id'] for row in admin.get('/data/users').rows if row['login'] == 'outsider'
    )
    roles = run(admin, P, ['ID', f'USER_ROLE={number}'])
    assert values(roles, 'id', f'user_role_{number}') == [
        ('ONE', 'Technicians'),
        ('SEEN', ''),
        ('TWO', ''),
    ]
    admin.ok('DELETE', '/data/projects/ONE/users/ONE_Technicians/outsider')


def test_items_in_quarantine_are_shown_with_their_status(admin: Client, reader: Client) -> None:
    admin.ok('PUT', '/data/experiments/MB?quarantine=true')
    assert values(
        run(reader, M, ['LABEL'], criterion(f'{M}.LABEL', '=', 'MB')), 'label', 'quarantine_status'
    ) == [('MB', 'quarantine')]
    admin.ok('PUT', '/data/experiments/MB?activate=true')


def test_4_2_6_projects_that_own_or_share_an_item(admin: Client) -> None:
    shared, owned = (
        criterion(f'{S}/{field}', '=', 'ONE') for field in ('sharing/share/project', 'PROJECT')
    )
    inner = shared + owned
    rows = run(admin, S, ['SUBJECT_LABEL'], f'<xdat:child_set method="OR">{inner}</xdat:child_set>')
    assert values(rows, 'subject_label') == [('a',), ('b',), ('c',)]
    assert values(
        run(admin, S, ['SUBJECT_LABEL'], criterion(f'{S}.PROJECTS', 'LIKE', '%<ONE>%')),
        'subject_label',
    ) == [('a',), ('b',), ('c',)]


def test_4_1_8_and_4_4_17_order(admin: Client) -> None:
    sort_by = (
        f'<xdat:sort_by><xdat:element_name>{M}</xdat:element_name><xdat:field_ID>DATE</'
        'xdat:field_ID></xdat:sort_by>'
    )
    assert values(run(admin, M, ['LABEL', 'DATE'], extra=sort_by), 'label') == [
        ('MB',),
        ('MC',),
        ('MA20',),
        ('MA22',),
        ('MA',),
    ], 'none is last'
    body = document(M, ['LABEL', 'DATE'], extra=sort_by)
    found = admin.post('/data/search?format=csv&sortBy=DATE,LABEL&sortOrder=DESC', body).csv
    assert values(found, 'label') == [('MA',), ('MA22',), ('MA20',), ('MC',), ('MB',)]
    assert admin.post('/data/search?sortBy=date', body).status == 500


def test_too_many_elements_are_a_clear_refusal(admin: Client, server: Server) -> None:
    kinds = [name for name in server.archive.model.searchable if name.endswith('SessionData')] + [
        'xnat:ctScanData',
        'xnat:petScanData',
    ]
    columns = [f'{kind}.{"LABEL" if kind.endswith("SessionData") else "ID"}' for kind in kinds]
    few = admin.post('/data/search?format=csv', document(S, ['SUBJECT_LABEL', *columns[:10]]))
    assert few.status == 200 and len(few.csv) == 3
    answer = admin.post(
        '/data/search',
        document(
            S, columns, *(criterion(f'{kind}/scans/scan/type', '=', 'x') for kind in kinds[:-2])
        ),
    )
    assert answer.status == 400 and 'too large for one query of the database' in answer.text


def test_4_2_4_a_search_without_columns_is_a_listing(admin: Client) -> None:
    answer = admin.post('/data/search?format=csv', document(P, []))
    assert answer.header == [
        'id',
        'name',
        'description',
        'secondary_id',
        'keywords',
        'proj_mr_count',
        'proj_pet_count',
        'proj_ct_count',
        'user_role_1',
        'project_access',
        'quarantine_status',
    ]
    assert values(answer.csv, 'id', 'proj_mr_count', 'proj_pet_count') == [
        ('ONE', '4', '2'),
        ('SEEN', '', ''),
        ('TWO', '1', '1'),
    ]


def test_4_4_2_columns_of_json(admin: Client) -> None:
    header = (
        '<xdat:search_field '
        'visible="0"><xdat:element_name>xnat:subjectData</xdat:element_name><xdat:field_ID>GENDER</'
        'xdat:field_ID>'
    )
    header += '<xdat:header>Sex &amp; more</xdat:header></xdat:search_field>'
    body = document(M, ['DATE', 'SCAN_COUNT_TYPE=MA20-1'], extra=header)
    columns = {
        column['key']: column
        for column in json.loads(admin.post('/data/search?format=json', body).body)['ResultSet'][
            'Columns'
        ]
    }
    assert columns['date'] == {
        'key': 'date',
        'type': 'date',
        'xPATH': f'{M}.DATE',
        'element_name': M,
        'header': 'Date',
        'id': 'DATE',
    }
    counted = columns['scan_count_type_ma20_1']
    assert (counted['id'], counted['xPATH']) == ('SCAN_COUNT_TYPE=MA20-1', f'{M}.SCAN_COUNT_TYPE')
    gender = columns['xnat_subjectdata_gender']
    assert (gender['header'], gender['visible'], gender['xPATH']) == (
        'Sex & more',
        'false',
        f'{S}.GENDER',
    )
    assert list(columns)[-1] == 'quarantine_status'


def test_a_form_can_have_a_document(admin: Client) -> None:
    body = document(P, ['ID'])
    text = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="search.xml"\r\nContent-Type: '
        b'text/xml\r\n\r\n' + body + b'\r\n--x--\r\n'
    )
    answer = admin.post(
        '/data/search?format=csv', text, **{'Content-Type': 'multipart/form-data; boundary=x'}
    )
    assert values(answer.csv, 'id') == [('ONE',), ('SEEN',), ('TWO',)]
    empty = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n--x--\r\n'
    assert (
        admin.post(
            '/data/search', empty, **{'Content-Type': 'multipart/form-data; boundary=x'}
        ).status
        == 400
    )
    assert admin.get('/data/search').status == 405


def test_arguments_with_the_same_key_are_two_columns(admin: Client) -> None:
    answer = admin.post(
        '/data/search?format=csv',
        document(
            M,
            ['DATE', 'SCAN_COUNT_TYPE=MA20-1', 'SCAN_COUNT_TYPE=MA20_1', 'SCAN_COUNT_TYPE=MA20-1'],
        ),
    )
    assert answer.header == [
        'date',
        'scan_count_type_ma20_1',
        'scan_count_type_ma20_1_1',
        'quarantine_status',
    ]
    assert (
        next(row for row in answer.csv if row['date'] == '2020-05-01')['scan_count_type_ma20_1']
        == '1'
    )
