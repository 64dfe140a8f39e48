"""Tests of the change feed: workflows for changes, their content, and who sees them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from pyxnat.server import Server
from pyxnat.server.db.store import workflow
from tests.support.plain import Client

_numbers = itertools.count(1)


@pytest.fixture
def project(admin: Client) -> str:
    name = f'FEED{next(_numbers)}'
    admin.ok('PUT', f'/data/projects/{name}?accessibility=private')
    return name


def feed(server: Server, project: str) -> list[tuple[str, str, str]]:
    """Return item, type and name of the workflows of a project, in the order of writing."""
    with server.archive.store.read() as connection:
        rows = connection.execute(
            select(workflow).where(workflow.c.project == project).order_by(workflow.c.pk)
        )
        return [(row.item, row.data_type, row.pipeline_name) for row in rows]


def events(client: Client, kind: str, name: str) -> list[dict[str, Any]]:
    return list(json.loads(client.get(f'/data/services/audit/{kind}/{name}').body)['events'])


def test_every_change_of_a_session_writes_a_workflow_of_the_session(
    server: Server, admin: Client, project: str
) -> None:
    subject = admin.ok('PUT', f'/data/projects/{project}/subjects/S')
    path = f'/data/projects/{project}/subjects/S/experiments/E'
    session = admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    file = f'{path}/scans/1/resources/R/files/f'
    admin.ok('PUT', f'{path}/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{file}?inbody=true', b'one')
    admin.ok('PUT', f'{file}?inbody=true', b'dup')  # exists already: nothing changes
    admin.ok('PUT', f'{file}?inbody=true&overwrite=true', b'two')  # of the same size
    admin.ok('DELETE', file)
    admin.ok('PUT', f'{path}?note=n')
    admin.ok('DELETE', f'{path}/scans/1')
    admin.ok('DELETE', path)
    kind = 'xnat:mrSessionData'
    assert feed(server, project)[2:] == [
        (subject, 'xnat:subjectData', 'Added Subject'),
        (session, kind, 'Added MR Session'),
        (session, kind, 'Modified MRScan'),
        (session, kind, 'Uploaded File'),
        (session, kind, 'Uploaded File'),
        (session, kind, 'Removed File'),
        (session, kind, 'Modified MR Session'),
        (session, kind, 'Removed MRScan'),
        (session, kind, 'Removed MR Session'),
    ]
    told = [event['event_action'] for event in events(admin, kind, session)]
    assert len(told) == 8 and {'Added MR Session', 'Removed MR Session'} <= set(told), (
        'they outlive the session'
    )


def test_a_project_is_created_with_its_groups(server: Server, project: str) -> None:
    (item, kind, name), (_, other, permissions) = feed(server, project)
    assert (item, kind, name) == (project, 'xnat:projectData', 'unknown action')
    assert (other, permissions) == ('xdat:userGroup', 'Initialized permissions')


def test_items_deleted_with_a_subject_have_no_row(
    server: Server, admin: Client, project: str
) -> None:
    admin.ok(
        'PUT', f'/data/projects/{project}/subjects/S/experiments/E?xsiType=xnat:petSessionData'
    )
    admin.ok('DELETE', f'/data/projects/{project}/subjects/S')
    names = [name for _, _, name in feed(server, project)]
    assert 'Removed Subject' in names and 'Removed PET Session' not in names


def test_sharing_writes_a_workflow_of_the_item_and_its_scans(
    server: Server, admin: Client, project: str
) -> None:
    path = f'/data/projects/{project}/subjects/S/experiments/E'
    session = admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{path}/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'/data/projects/{project}Q')
    admin.ok('PUT', f'{path}/projects/{project}Q?label=X')
    shared = [
        (item, kind)
        for item, kind, name in feed(server, project)
        if name == 'Configured project sharing'
    ]
    assert (session, 'xnat:mrSessionData') in shared and [kind for _, kind in shared].count(
        'xnat:mrScanData'
    ) == 1


def test_a_request_can_give_a_reason(admin: Client, project: str) -> None:
    subject = admin.ok('PUT', f'/data/projects/{project}/subjects/S')
    admin.ok(
        'PUT',
        f'/data/projects/{project}/subjects/S?group=g&event_reason=because&event_comment=c&'
        'event_action=Sorted&event_type=SCRIPT',
    )
    event = next(
        event
        for event in events(admin, 'xnat:subjectData', subject)
        if event['event_action'] == 'Sorted'
    )
    assert (
        event['event_reason'],
        event['event_comment'],
        event['event_type'],
        event['event_status'],
    ) == ('because', 'c', 'SCRIPT', 'Complete')


def test_a_request_that_changes_nothing_writes_no_workflow(admin: Client, project: str) -> None:
    subject = admin.ok('PUT', f'/data/projects/{project}/subjects/S?group=g')
    assert admin.get(f'/data/projects/{project}/subjects/S?format=json').status == 200
    assert [event['event_action'] for event in events(admin, 'xnat:subjectData', subject)] == [
        'Added Subject'
    ]


def test_others_see_nothing_of_a_private_project(
    admin: Client, client_of: Callable[..., Client], project: str
) -> None:
    subject = admin.ok('PUT', f'/data/projects/{project}/subjects/S')
    assert (
        client_of('outsider').get(f'/data/services/audit/xnat:subjectData/{subject}').status == 404
    )
    admin.ok('DELETE', f'/data/projects/{project}/subjects/S')
    assert (
        client_of('outsider').get(f'/data/services/audit/xnat:subjectData/{subject}').status == 404
    )
    assert [event['event_action'] for event in events(admin, 'xnat:subjectData', subject)] == [
        'Removed Subject',
        'Added Subject',
    ]
