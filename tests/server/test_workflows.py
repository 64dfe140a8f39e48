"""Tests of pipelines of projects, their launches, and workflows (facts 6.3)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from pyxnat.server import Server, serve
from pyxnat.server.jobs.pipeline_engine import Launch
from tests.support.dicoms import members, zipped
from tests.support.waiting import wait_until

from . import fresh
from .conftest import Answer, Client

server, client_of, admin = fresh.server, fresh.client_of, fresh.admin
"""Each test has an archive of its own."""

PATH = '/data/xnat/pipeline/catalog/nifti/DicomToNifti.xml'
SPACE = {'arc': 'http://nrg.wustl.edu/arc', 'wrk': 'http://nrg.wustl.edu/workflow'}
E = '/data/projects/PP/subjects/S/experiments/E'
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


def convert(launch: Launch) -> None:
    launch.tell('converting', 50)
    if launch.parameters.get('fail'):
        raise RuntimeError('no slices')


@pytest.fixture
def session(server: Server, admin: Client) -> Iterator[str]:
    """Return the ID of an MR session in a project that has one pipeline, twice."""
    admin.ok('PUT', '/data/projects/PP')
    for login in ('owner', 'member', 'collaborator'):
        admin.ok('PUT', f'/data/projects/PP/users/{login}/{login}')
    pipelines = server.archive.pipelines
    pipelines.add(
        PATH,
        'xnat:imageSessionData',
        description='Makes NIfTI',
        steps={'1': 'Convert'},
        generates=['xnat:qcAssessmentData'],
        version='1.0',
        run=convert,
    )
    pipelines.add('Idle.xml', 'xnat:petSessionData')
    pipelines.enable(
        'PP',
        PATH,
        parameters=[
            {'name': 'overwrite', 'csvValues': 'N', 'description': 'Again?'},
            {'name': 's', 'schemaLink': 'xnat:x/y'},
        ],
    )
    pipelines.enable('PP', PATH, step='again')
    yield admin.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')
    pipelines.close()


def until(look: Callable[[], Answer], status: str) -> Answer:
    """Return the response when its first row has the status."""

    def found() -> Answer | None:
        answer = look()
        return answer if answer.rows and answer.rows[0]['status'] == status else None

    answer = wait_until(found, f'a workflow to be {status}')
    assert answer is not None
    return answer


@pytest.mark.usefixtures('session')
def test_6_3_the_pipelines_of_a_project(admin: Client, client_of: Callable[..., Client]) -> None:
    answer = admin.get('/data/projects/PP/pipelines?format=csv')
    assert answer.header == ['Applies To', 'Generates', 'Name', 'Description', 'Path', 'Datatype']
    assert [(row['Name'], row['Path'], row['Datatype']) for row in answer.csv] == [
        ('DicomToNifti', PATH, 'xnat:imageSessionData')
    ] * 2
    assert [
        row['Path'] for row in admin.get('/data/projects/PP/pipelines?additional=true').rows
    ] == ['Idle.xml']
    root = etree.fromstring(admin.get('/data/projects/PP/pipelines?format=xml').body)
    found = root.findall(
        'arc:pipelines/arc:descendants/arc:descendant[@xsiType="xnat:imageSessionData"]/'
        'arc:pipeline',
        SPACE,
    )
    assert [
        (node.get('stepId'), node.findtext('arc:location', namespaces=SPACE)) for node in found
    ] == [('DicomToNifti', PATH), ('again', PATH)]
    assert (
        len(
            etree.fromstring(admin.get('/data/projects/PP/archive_spec').body).findall(
                './/arc:pipeline', SPACE
            )
        )
        == 2
    )
    assert client_of('owner').get('/data/projects/PP/pipelines').status == 200
    assert [
        client_of(login).get('/data/projects/PP/pipelines').status
        for login in ('member', 'collaborator')
    ] == [403, 403]
    assert client_of('outsider').get('/data/projects/NOSUCH/pipelines').status == 404


@pytest.mark.usefixtures('session')
@pytest.mark.parametrize('tail', ['DicomToNifti', 'again/details'])
def test_6_3_details(admin: Client, tail: str) -> None:
    told = json.loads(admin.get(f'/data/projects/PP/pipelines/{tail}').body)
    assert (told['path'], told['description'], told['version']) == (PATH, 'Makes NIfTI', '1.0')
    assert told['steps'] == [{'id': '1', 'description': 'Convert'}]
    expected = [
        {'name': 'overwrite', 'description': 'Again?', 'values': {'csv': 'N'}},
        {'name': 's', 'values': {'schemaLink': 'xnat:x/y'}},
    ]
    assert told['inputParameters'] == (expected if tail == 'DicomToNifti' else [])
    assert admin.get('/data/projects/PP/pipelines/none').status == 404


def test_6_3_a_launch_is_a_workflow(admin: Client, session: str) -> None:
    assert (
        admin.post(
            f'/data/projects/PP/pipelines/DicomToNifti/experiments/{session}?overwrite=Y'
        ).status
        == 200
    )
    uri = f'/data/services/workflows/DicomToNifti?experiment={session}&display=ALL&format=json'
    (row,) = until(lambda: admin.get(uri), 'Complete').rows
    assert {
        name: row[name]
        for name in (
            'ID',
            'ExternalID',
            'data_type',
            'pipeline_name',
            'percentageComplete',
            'step_description',
        )
    } == {
        'ID': session,
        'ExternalID': 'PP',
        'data_type': 'xnat:mrSessionData',
        'pipeline_name': PATH,
        'percentageComplete': '100.0',
        'step_description': 'converting',
    }
    fields = json.loads(
        admin.get(f'/data/workflows/{row["wrk_workflowData_id"]}?format=json').body
    )['items'][0]['data_fields']
    assert (fields['status'], fields['percentageComplete']) == ('Complete', '100.0')
    assert json.loads(fields['details']) == {'overwrite': 'Y'}
    item = json.loads(
        admin.get(f'/data/services/workflows/DicomToNifti?experiment={session}').body
    )['items'][0]
    assert item['data_fields'] == fields
    assert admin.get(f'/data/services/workflows/Other?experiment={session}').status == 404
    assert (
        admin.get(
            f'/data/services/workflows/Other?experiment={session}&display=ALL&format=json'
        ).rows
        == []
    )


def test_6_3_failed_and_refused_launches(
    admin: Client, client_of: Callable[..., Client], session: str
) -> None:
    base = '/data/projects/PP/pipelines'
    assert admin('POST', f'{base}/again/experiments/E', b'fail=1', FORM).status == 200
    failed = until(
        lambda: admin.get(
            f'/data/services/workflows?experiment={session}&display=ALL&format=json&status=Failed'
        ),
        'Failed',
    ).rows[0]
    assert (
        'no slices'
        in admin.get(f'/data/workflows/{failed["wrk_workflowData_id"]}?format=json').text
    )
    document = (
        b'<Pipelines><parameter><name>fail</name><values><unique>1</unique></values></parameter></'
        b'Pipelines>'
    )
    assert (
        admin('POST', f'{base}/again/experiments/E', document, {'Content-Type': 'text/xml'}).status
        == 200
    )
    assert admin.post(f'{base}/none/experiments/E').status == 404
    assert admin.post(f'{base}/again/experiments/none').status == 404
    assert client_of('collaborator').post(f'{base}/again/experiments/E').status == 403
    assert client_of('outsider').post(f'{base}/again/experiments/E').status in (403, 404)
    assert etree.fromstring(admin.get(f'{base}/again/experiments/E').body).get('stepId') == 'again'
    admin.ok('PUT', '/data/projects/PP/subjects/S/experiments/OTHER?xsiType=xnat:genericData')
    assert admin.post(f'{base}/again/experiments/OTHER').status == 404
    assert admin.post(f'{base}/fixScanTypes/experiments/E').status == 200


def test_6_3_a_pipeline_is_removed_from_a_project(
    server: Server, admin: Client, client_of: Callable[..., Client]
) -> None:
    admin.ok('PUT', '/data/projects/PR')
    admin.ok('PUT', '/data/projects/PR/users/member/member')
    server.archive.pipelines.add('Gone.xml', 'xnat:mrSessionData')
    server.archive.pipelines.enable('PR', 'Gone.xml')
    gone = '/data/projects/PR/pipelines?path=Gone.xml&datatype=xnat:mrSessionData'
    assert client_of('member').delete(gone).status == 403
    assert admin.delete('/data/projects/PR/pipelines?path=Gone.xml').status == 417
    assert len(admin.get('/data/projects/PR/pipelines').rows) == 1
    assert admin.delete(gone).rows == []
    with pytest.raises(ValueError, match='add it first'):
        server.archive.pipelines.enable('PR', 'None.xml')
    with pytest.raises(ValueError, match='not a data type'):
        server.archive.pipelines.add('None.xml', 'xnat:none')


def test_pipelines_that_start_automatically(server: Server, admin: Client) -> None:
    """Archiving starts them, unless ``triggerPipelines=false``; so does the trigger."""
    admin.ok('PUT', '/data/projects/PA')
    server.archive.pipelines.add('Auto.xml', 'xnat:mrSessionData')
    server.archive.pipelines.enable('PA', 'Auto.xml', auto=True)
    for label, more in (('ONE', ''), ('TWO', '&triggerPipelines=false')):
        admin.ok(
            'POST',
            '/data/services/import?inbody=true&dest=/archive/projects/PA/subjects/S/experiments/'
            f'{label}{more}',
            zipped(members()),
        )
    runs = '/data/services/workflows/Auto?project=PA&display=ALL&format=json'
    ids = {row['label']: row['ID'] for row in admin.get('/data/projects/PA/experiments').rows}
    assert [(row['ID'], row['status']) for row in admin.get(runs).rows] == [(ids['ONE'], 'Queued')]
    admin.ok('POST', '/data/projects/PA/pipelines/triggerPipelines/experiments/TWO')
    assert {row['ID'] for row in admin.get(runs).rows} == set(ids.values())


def workflow(**more: str) -> str:
    told = {
        'id': '',
        'data_type': 'xnat:mrSessionData',
        'pipeline_name': 'mine',
        'launch_time': '2020-01-02T03:04:05',
        'status': 'Queued',
        **more,
    }
    return '&'.join(
        f'wrk:workflowData/{name}={value.replace(" ", "%20")}' for name, value in told.items()
    )


def test_6_3_workflows_of_clients(
    admin: Client, client_of: Callable[..., Client], session: str
) -> None:
    member = client_of('member')
    assert member.put(f'/data/workflows?{workflow(id=session)}').status == 200
    running = {'status': 'Running', 'percentageComplete': '40.0', 'step_description': 'half way'}
    assert member.put(f'/data/workflows?{workflow(id=session, **running)}').status == 200
    rows = admin.get(
        f'/data/services/workflows/mine?experiment={session}&display=ALL&format=json'
    ).rows
    assert [(row['status'], row['launch_time'], row['create_user']) for row in rows] == [
        ('Running', '2020-01-02 03:04:05.0', '')
    ]
    number = rows[0]['wrk_workflowData_id']
    assert member.put(f'/data/workflows/{number}?status=Complete').status == 200
    fields = json.loads(member.get(f'/data/workflows/{number}?format=json').body)['items'][0][
        'data_fields'
    ]
    assert (
        fields['status'],
        fields['percentageComplete'],
        fields['step_description'],
        fields['ExternalID'],
    ) == (
        'Complete',
        '40.0',
        'half way',
        'PP',
    )
    assert fields['wrk_workflowData_id'] == int(number)
    root = etree.fromstring(member.get(f'/data/workflows/{number}').body)
    assert (root.tag, root.get('status'), root.get('launch_time')) == (
        f'{{{SPACE["wrk"]}}}Workflow',
        'Complete',
        '2020-01-02T03:04:05.0',
    )
    assert (
        member.put(
            '/data/workflows',
            etree.tostring(root).replace(b'Complete', b'Failed'),
            **{'Content-Type': 'text/xml'},
        ).status
        == 200
    )
    assert etree.fromstring(member.get(f'/data/workflows/{number}').body).get('status') == 'Failed'
    assert (
        json.loads(admin.get(f'/data/workflows?format=json&{workflow(id=session)}').body)['items'][
            0
        ]['data_fields']['status']
        == 'Failed'
    )


def test_6_3_invalid_workflows_are_refused(
    admin: Client, client_of: Callable[..., Client], session: str
) -> None:
    admin.ok('PUT', f'/data/workflows?{workflow(id=session, pipeline_name="owned")}')
    number = admin.get(
        f'/data/services/workflows/owned?experiment={session}&display=ALL&format=json'
    ).rows[0]['wrk_workflowData_id']
    assert client_of('owner').put(f'/data/workflows/{number}?status=Complete').status == 403
    assert client_of('owner').get(f'/data/workflows/{number}').status == 200
    assert client_of('outsider').get(f'/data/workflows/{number}').status == 404
    assert client_of('outsider').put(f'/data/workflows?{workflow(id=session)}').status == 403
    for name in ('id', 'data_type', 'pipeline_name', 'launch_time'):
        assert (
            admin.put(
                f'/data/workflows?{workflow(**{"id": session, "pipeline_name": "new", name: ""})}'
            ).status
            == 400
        )
    assert admin.put(f'/data/workflows?{workflow(id=session, launch_time="soon")}').status == 400
    assert admin.put('/data/workflows/999999?status=Complete').status == 404
    assert admin.get('/data/workflows/999999').status == 404
    assert admin.get('/data/workflows/abc').status == 404
    assert admin.delete(f'/data/workflows/{number}').status == 405
    assert admin.put('/data/workflows', b'<broken', **{'Content-Type': 'text/xml'}).status == 422


def test_runs_end_before_the_archive_is_closed(tmp_path: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    def run(launch: Launch) -> None:
        begun.set()
        assert release.wait(10)

    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        client.ok('PUT', '/data/projects/P/subjects/S/experiments/E?xsiType=xnat:mrSessionData')
        server.archive.pipelines.add('Slow.xml', 'xnat:mrSessionData', run=run)
        server.archive.pipelines.enable('P', 'Slow.xml')
        client.ok('POST', '/data/projects/P/pipelines/Slow/experiments/E')
        assert begun.wait(10)
        assert [
            row['status']
            for row in client.get('/data/services/workflows/Slow?display=ALL&format=json').rows
        ] == ['Running']
        release.set()
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        assert [
            row['status']
            for row in client.get('/data/services/workflows/Slow?display=ALL&format=json').rows
        ] == ['Complete']
        assert [row['Name'] for row in client.get('/data/projects/P/pipelines').rows] == ['Slow']
