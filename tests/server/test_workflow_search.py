"""Tests of searches for workflows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.plain import XML, Client

from . import fresh
from .searches import criterion, document

server, client_of, admin = fresh.server, fresh.client_of, fresh.admin
"""Each test has an archive of its own."""

ClientOf = Callable[[str | None], Client]
W = 'wrk:workflowData'
PROJECT = f'{W}/ExternalID'


def shown(colour: str, status: str) -> str:
    return f'<B><FONT COLOR={colour}>{status}</FONT></B>'


def put(
    client: Client, item: str, name: str, launched: str, status: str = 'Complete', **more: str
) -> None:
    told = {
        'id': item,
        'ExternalID': 'WF',
        'data_type': 'xnat:subjectData',
        'pipeline_name': name,
        'launch_time': launched,
        'status': status,
        **more,
    }
    client.ok(
        'PUT', '/data/workflows?' + '&'.join(f'{W}/{key}={value}' for key, value in told.items())
    )


@pytest.fixture
def subject(admin: Client) -> str:
    """Create a subject with three workflows, whose pipelines begin with a common word; return its
    ID."""
    admin.ok('PUT', '/data/projects/WF')
    admin.ok('PUT', '/data/projects/WF?accessibility=private')
    admin.ok('PUT', '/data/projects/WF/accessibility/private')
    identity = admin.ok('PUT', '/data/projects/WF/subjects/S').rpartition('/')[2]
    put(admin, identity, 'MyAdd', '2020-01-01T10:00:00', category='DATA')
    put(admin, identity, 'MyChange', '2020-01-02T10:00:00', 'Failed')
    put(admin, identity, 'MyRemove', '2020-01-03T10:00:00', 'Queued')
    return identity


def ask(
    client: Client, columns: list[str], *where: str, form: str = 'json'
) -> list[dict[str, str]]:
    ours = criterion(f'{W}/pipeline_name', 'LIKE', 'My')
    answer = client(
        'POST',
        f'/data/search?format={form}',
        document(W, columns, criterion(PROJECT, '=', 'WF'), ours, *where),
        XML,
    )
    assert answer.status == 200, answer.body
    return answer.csv if form == 'csv' else answer.rows


def test_workflows_since_a_time_are_found(admin: Client, subject: str) -> None:
    columns = ['LAUNCH_TIME', 'ID', 'PIPELINE_NAME', 'STATUS', 'EXTERNALID']
    rows = ask(
        admin, columns, criterion(f'{W}/launch_time', '>', '2020-01-01 12:00:00'), form='csv'
    )
    assert list(rows[0]) == [
        'launch_time',
        'id',
        'pipeline_name',
        'status',
        'current_step_id',
        'externalid',
        'quarantine_status',
    ]
    assert [(row['id'], row['pipeline_name']) for row in rows] == [
        (subject, 'MyRemove'),
        (subject, 'MyChange'),
    ], 'the newest first'
    assert {row['externalid'] for row in rows} == {'WF'}


@pytest.mark.parametrize(
    ('field', 'key', 'values'),
    [
        (
            'STATUS',
            'status',
            [shown('green', 'Complete'), shown('red', 'Failed'), shown('orange', 'Queued')],
        ),
        (f'{W}/status', 'wrk_col_workflowdatastatus', ['Complete', 'Failed', 'Queued']),
        (f'{W}/category', 'wrk_col_workflowdatacategory', ['', '', 'DATA']),
        (f'{W}/pipeline_name', 'pipeline_name', ['MyAdd', 'MyChange', 'MyRemove']),
        ('USERLOGIN', 'userlogin', ['admin'] * 3),
        ('DATA_TYPE', 'data_type', ['xnat:subjectData'] * 3),
        ('SESSION_LABEL', 'session_label', [''] * 3),
    ],
)
def test_columns_by_id_and_by_path(
    admin: Client, subject: str, field: str, key: str, values: list[str]
) -> None:
    assert sorted(row[key] for row in ask(admin, ['PIPELINE_NAME', field])) == sorted(values)


def test_numbers_of_workflows_and_unknown_fields(admin: Client, subject: str) -> None:
    rows = ask(admin, ['PIPELINE_NAME', f'{W}/wrk_workflowdata_id', 'NOTHING'])
    assert all(row['workflow_id'].isdecimal() for row in rows) and 'nothing' not in rows[0]
    assert admin(
        'POST', '/data/search', document(W, ['ID'], criterion(f'{W}/nothing', '=', '1')), XML
    ).status in (400, 500)


def test_only_workflows_of_readable_items_are_found(
    admin: Client, client_of: ClientOf, subject: str
) -> None:
    assert ask(client_of('outsider'), ['PIPELINE_NAME']) == []
    admin.ok('PUT', '/data/projects/WF/users/Collaborators/collaborator')
    assert len(ask(client_of('collaborator'), ['PIPELINE_NAME'])) == 3


def test_deletions_are_visible_to_users_who_may_read_the_project(
    admin: Client, client_of: ClientOf, subject: str
) -> None:
    gone = admin.ok('PUT', '/data/projects/WF/subjects/GONE').rpartition('/')[2]
    put(admin, gone, 'MyGone', '2020-01-04T10:00:00')
    admin.ok('PUT', '/data/projects/WF/users/Collaborators/collaborator')
    admin.ok('DELETE', '/data/projects/WF/subjects/GONE')
    where = criterion(f'{W}/ID', '=', gone)
    assert [
        row['pipeline_name'] for row in ask(client_of('collaborator'), ['PIPELINE_NAME'], where)
    ] == ['MyGone']
    assert ask(client_of('outsider'), ['PIPELINE_NAME'], where) == []


def test_a_cached_search_of_workflows(admin: Client, subject: str) -> None:
    body = document(
        W,
        ['PIPELINE_NAME'],
        criterion(PROJECT, '=', 'WF'),
        criterion(f'{W}/pipeline_name', 'LIKE', 'MyA'),
    )
    kept = admin('POST', '/data/search?cache=true&format=json', body, XML).result
    assert [row['pipeline_name'] for row in admin.get(f'/data/search/{kept["ID"]}').rows] == [
        'MyAdd'
    ]


def test_the_fields_of_workflows_are_listed(admin: Client) -> None:
    rows = {
        row['FIELD_ID']: row for row in admin.get(f'/data/search/elements/{W}?format=json').rows
    }
    assert (rows['LAUNCH_TIME']['TYPE'], rows['WORKFLOW_ID']['HEADER'], len(rows)) == (
        'date',
        'Workflow ID',
        20,
    )
