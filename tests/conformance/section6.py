"""Section 6: prearchive, imports, pipelines and workflows, services, configuration, custom
variables."""

from __future__ import annotations

import json
import re
from functools import cache
from urllib.parse import quote

from tests.support.dicoms import STUDY_UID, content, members
from tests.support.plain import FORM, XML, Answer, image, multipart, zipped

from .facts import Facts, delete, get, made, post, put
from .world import Case

facts = Facts()
IMPORT = '/data/services/import'
COLUMNS = (
    'project,timestamp,lastmod,uploaded,scan_date,scan_time,subject,folderName,name,tag,status,url,'
    'autoarchive,prevent_anon,'
    'prevent_auto_commit,SOURCE,VISIT,PROTOCOL,TIMEZONE'
)


@cache
def study() -> bytes:
    """Return a zip of one study of an MR scanner: six images in three series."""
    return zipped(members())


def upload(case: Case, query: str, body: bytes | None = None, by: str = 'admin') -> Answer:
    """Import a study, or another body."""
    body = study() if body is None else body
    kind = 'application/zip' if body[:2] == b'PK' else 'application/octet-stream'
    return case.client(by).post(f'{IMPORT}?inbody=true&{query}', body, **{'Content-Type': kind})


def waiting(case: Case, label: str = 'W', by: str = 'admin', more: str = '') -> str:
    """Return the URI, without ``/data``, of a session in the prearchive of this fact's project."""
    answer = upload(
        case, f'dest=/prearchive/projects/{case.p_id}&subject=SUB&session={label}{more}', by=by
    )
    assert answer.status == 200 and answer.text.endswith('\r\n'), answer.body
    return answer.text.strip().removeprefix('/data')


def listed(case: Case, by: str = 'admin', query: str = '') -> list[dict[str, str]]:
    return case.client(by).get(f'/data/prearchive/projects/{case.p_id}{query}').rows


# -- 6.1 the prearchive


@facts.shown('6.1/1', 'ST', 'the table of all sessions that the caller may see')
def all_sessions(case: Case) -> None:
    uri = waiting(case)
    for login, seen in (('admin', True), ('owner', True), ('member', True), ('outsider', False)):
        assert (
            uri in {row['url'] for row in case.client(login).get('/data/prearchive').rows}
        ) is seen, login


@facts.shown(
    '6.1/2',
    'ST',
    'sessions of projects: 403 for one that cannot be read; those of no project for administrators',
)
def sessions_of_projects(case: Case) -> None:
    uri, other = waiting(case), f'/data/prearchive/projects/{case.p_id},{case.q_id}'
    assert (
        [row['url'] for row in listed(case)]
        == [uri]
        == [row['url'] for row in case.owner.get(other).rows]
    )
    assert case.outsider.get(f'/data/prearchive/projects/{case.p_id}').status == 403
    paths = '/data/prearchive/projects/Unassigned'
    assert (case.admin.get(paths).status, case.owner.get(paths).status) == (200, 403)


facts.row(
    '6.1/3', 'SM', 'columns and their order', get('/data/prearchive?format=csv', columns=COLUMNS)
)


@facts.shown('6.1/4', 'ST', 'contents of the columns')
def values_of_sessions(case: Case) -> None:
    uri = waiting(case)
    row = listed(case)[0]
    assert (
        re.fullmatch(r'\d{8}_\d{9}', row['timestamp'])
        and row['url'] == uri == f'/prearchive/projects/{case.p_id}/{row["timestamp"]}/W'
    )
    assert (
        all(
            re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+', row[name])
            for name in ('lastmod', 'uploaded')
        )
        and row['tag'] == STUDY_UID
    )
    assert (row['project'], row['subject'], row['folderName'], row['name'], row['status']) == (
        case.p_id,
        'SUB',
        'W',
        'W',
        'READY',
    )


facts.row(
    '6.1/5',
    'SM',
    'neither title nor totalRecords',
    get('/data/prearchive', meta={'title': None, 'totalRecords': None}),
)


@facts.shown('6.1/6', 'S', 'tag: sessions of a study')
def sessions_of_a_study(case: Case) -> None:
    waiting(case)
    assert [len(listed(case, query=f'?tag={uid}')) for uid in (STUDY_UID, '1.2.3')] == [1, 0]


@facts.shown('6.1/7', 'SM', 'PUT reads the disk again: for administrators')
def rescan(case: Case) -> None:
    folder = (
        case.world.closed.archive.folder
        / 'prearchive'
        / case.p_id
        / '20200101_000000000'
        / 'FOUND'
        / 'SCANS'
        / '1'
        / 'DICOM'
    )
    folder.mkdir(parents=True)
    (folder / 'i.dcm').write_bytes(content('MR_small.dcm'))
    assert case.owner.put(f'/data/prearchive/projects/{case.p_id}').status == 404
    assert case.admin.put(f'/data/prearchive/projects/{case.p_id}').status == 200
    assert [row['folderName'] for row in listed(case)] == ['FOUND']


@facts.shown('6.1/8', 'S', 'words for the status')
def status_of_sessions(case: Case) -> None:
    assert (
        upload(
            case, f'import-handler=gradual-DICOM&project={case.p_id}', content('MR_small.dcm')
        ).status
        == 200
    )
    assert listed(case)[0]['status'] == 'RECEIVING'
    case.admin.ok('POST', f'/data{listed(case)[0]["url"]}?action=build')
    assert listed(case)[0]['status'] == 'READY'


@facts.shown('6.1/9', 'ST', 'a session: a row, a document or its files')
def one_session(case: Case) -> None:
    path = f'/data{waiting(case)}'
    assert [row['folderName'] for row in case.admin.get(f'{path}?format=json').rows] == ['W']
    document = case.admin.get(f'{path}?format=xml')
    assert (document.headers['Content-Type'] or '').startswith(
        'text/xml'
    ) and '<xnat:MRSession' in document.text
    assert len(case.admin.get(f'{path}?format=zip').names) >= 6


@facts.shown('6.1/10', 'ST', 'POST action: build, reset, move, commit, set; 400 without one')
def actions(case: Case) -> None:
    path = f'/data{waiting(case)}'
    queries = ('?action=build', '?action=reset', '?action=set&status=READY', '', '?action=x')
    assert [case.admin.post(f'{path}{query}').status for query in queries] == [
        200,
        200,
        200,
        400,
        400,
    ]
    moved = case.admin.post(f'{path}?action=move&newProject={case.q_id}')
    assert moved.status == 301 and f'/prearchive/projects/{case.q_id}/' in moved.text
    path = '/data' + moved.text.strip().removeprefix('/data')
    assert case.admin.post(f'{path}?action=commit').status == 200
    done = case.admin.post(f'{path}?action=commit&AA=true')
    assert (
        done.status == 301
        and done.text.strip() == f'/data/archive/projects/{case.q_id}/subjects/SUB/experiments/W'
    )


@facts.shown('6.1/11', 'ST', 'DELETE: 403 without the right, 400 with more path, 404 for none')
def delete_a_session(case: Case) -> None:
    path = f'/data{waiting(case)}'
    assert [case.client(login).delete(path).status for login in ('outsider', 'collaborator')] == [
        403,
        403,
    ]
    assert [case.admin.delete(one).status for one in (f'{path}/scans', path, path)] == [
        400,
        200,
        404,
    ]


@facts.shown(
    '6.1/12', 'ST', 'resources, scans and files of a session, in tables as those of the archive'
)
def parts_of_a_session(case: Case) -> None:
    path = f'/data{waiting(case)}'
    assert [row['ID'] for row in case.admin.get(f'{path}/scans').rows] == ['1', '2', '700']
    assert [row['label'] for row in case.admin.get(f'{path}/scans/2/resources').rows] == ['DICOM']
    assert [row['file_count'] for row in case.admin.get(f'{path}/resources').rows] == [
        '1',
        '3',
        '2',
    ]
    assert len(case.admin.get(f'{path}/scans/2/resources/DICOM/files').rows) == 3


@facts.shown('6.1/13', 'S', 'the history of a session')
def logs_of_a_session(case: Case) -> None:
    path = f'/data{waiting(case)}'
    assert case.admin.get(f'{path}/logs').rows and case.admin.get(f'{path}/logs/last').status == 200


facts.row(
    '6.1/14',
    'SM',
    'recent sessions',
    get('/data/prearchive/experiments', 400),
    get('/data/prearchive/experiments?recent=true'),
)


def batch(case: Case, verb: str, more: str = '') -> None:
    """Check the common behaviour of services on several sessions."""
    service, first, second = (
        f'/data/services/prearchive/{verb}',
        waiting(case, 'A'),
        waiting(case, 'B'),
    )
    query = more.replace('{q}', case.q_id)
    assert case.admin.get(f'{service}?src={first}{query}').status == 405
    assert case.admin.post(f'{service}?src=nothing{query}').status == 400
    assert case.admin.post(f'{service}?src={first[:-1]}NONE{query}').status == 404
    assert case.outsider.post(f'{service}?src={first}{query}').status == 403
    answer = case.admin.post(
        f'{service}?format=csv',
        f'src={first}&src=/data{second}&async=false{query}'.encode(),
        **FORM,
    )
    assert (answer.status, answer.header, [row['folderName'] for row in answer.csv]) == (
        200,
        COLUMNS.split(','),
        ['A', 'B'],
    )


@facts.shown('6.1/15', 'ST', 'move several: the table; 403, 404, 400, 409 for one in use; no GET')
def move_several(case: Case) -> None:
    batch(case, 'move', '&newProject={q}')
    assert (
        listed(case) == []
        and len(case.admin.get(f'/data/prearchive/projects/{case.q_id}').rows) == 2
    )


@facts.shown('6.1/16', 'ST', 'delete several')
def delete_several(case: Case) -> None:
    batch(case, 'delete')
    assert listed(case) == []


@facts.shown('6.1/17', 'ST', 'rebuild several')
def rebuild_several(case: Case) -> None:
    batch(case, 'rebuild')
    assert [row['status'] for row in listed(case)] == ['READY', 'READY']


@facts.shown(
    '6.1/18',
    'ST',
    'archive: one URI, or 303 to it; a table of several; 400 of no project, 403, 409 if it exists',
)
def archive_sessions(case: Case) -> None:
    service, uri = '/data/services/archive', waiting(case)
    done = case.admin.post(service, f'src={uri}'.encode(), **FORM)
    assert (done.status, (done.headers['Content-Type'] or '').partition(';')[0]) == (
        200,
        'text/uri-list',
    )
    assert done.text == f'/data/archive/projects/{case.p_id}/subjects/SUB/experiments/W\r\n'
    again = waiting(case)
    assert case.admin.post(f'{service}?src={again}').status == 409
    assert case.collaborator.post(f'{service}?src={again}').status == 403
    _, _, _, timestamp, name = again.strip('/').split('/')
    query = (
        f'project={case.p_id}&timestamp={timestamp}&session={name}&dest=/archive/projects/'
        f'{case.p_id}/subjects/SUB/experiments/W2&redirect=true'
    )
    assert case.admin.post(f'{service}?{query}').status == 303
    pair = '&'.join(f'src={waiting(case, label)}' for label in ('X', 'Y'))
    assert len(case.admin.post(f'{service}?{pair}').rows) == 2
    nobodys = upload(case, 'dest=/prearchive').text.strip()
    assert 'Unassigned' in nobodys and case.admin.post(f'{service}?src={nobodys}').status == 400
    case.admin.ok('DELETE', nobodys)


@facts.shown('6.1/19', 'S', 'validate-archive: reasons against archiving')
def validate(case: Case) -> None:
    service, uri = '/data/services/validate-archive', waiting(case)
    assert [row['type'] for row in case.admin.post(f'{service}?src={uri}').rows] == [
        'WARN'
    ]  # that the subject will be created
    case.admin.ok('POST', f'/data/services/archive?src={uri}')
    assert 'CONFLICT' in {
        row['type'] for row in case.admin.post(f'{service}?src={waiting(case)}').rows
    }


# -- 6.2 imports


@facts.shown('6.2/1', 'ST', 'the body: a form with one file, or inbody; several or no file 400')
def bodies(case: Case) -> None:
    query = f'?dest=/prearchive/projects/{case.p_id}'
    one, two = multipart(('a.zip', study())), multipart(('a.zip', study()), ('b.zip', study()))
    assert case.admin.post(IMPORT + query, one[0], **one[1]).status == 200
    assert case.admin.post(f'{IMPORT}{query}&inbody=true', study()).status == 200
    assert case.admin.post(IMPORT + query, two[0], **two[1]).status == 400
    nothing = case.admin.post(IMPORT + query)
    assert nothing.status == 400 and 'Unable to identify upload format.' in nothing.text


@facts.shown('6.2/2', 'ST', 'import-handler: SI, DICOM-zip, gradual-DICOM; 404 for an unknown one')
def handlers(case: Case) -> None:
    dest = f'dest=/prearchive/projects/{case.p_id}'
    for handler, body in (
        ('SI', study()),
        ('DICOM-zip', study()),
        ('gradual-DICOM', content('MR_small.dcm')),
    ):
        assert upload(case, f'{dest}&import-handler={handler}', body).status == 200, handler
    assert upload(case, f'{dest}&import-handler=none').status == 404


@facts.shown('6.2/3', 'ST', 'dest: the archive or the prearchive, a project, a subject, a session')
def destinations(case: Case) -> None:
    archive, prearchive = f'/archive/projects/{case.p_id}', f'/prearchive/projects/{case.p_id}'
    assert (
        upload(case, f'dest=/archive&project={case.p_id}&session=A')
        .text.strip()
        .startswith(f'/data{archive}/subjects/')
    )
    assert upload(case, f'dest={archive}&session=B').text.strip().endswith('/experiments/B')
    assert (
        upload(case, f'dest={archive}/subjects/ONE/experiments/C').text.strip()
        == f'/data{archive}/subjects/ONE/experiments/C'
    )
    assert upload(case, f'dest=/prearchive&project={case.p_id}').text.startswith(
        f'/data{prearchive}/'
    )
    assert upload(case, f'dest={prearchive}/20200101_000000/D').text.strip().endswith('/D')


@facts.shown('6.2/4', 'ST', 'project, subject and session by either name')
def overrides(case: Case) -> None:
    for number, names in enumerate(
        (('project', 'subject', 'session'), ('PROJECT_ID', 'SUBJECT_ID', 'EXPT_LABEL'))
    ):
        query = '&'.join(
            f'{name}={value}'
            for name, value in zip(names, (case.p_id, 'SUB', f'E{number}'), strict=True)
        )
        assert (
            upload(case, f'{query}&dest=/archive').text.strip()
            == f'/data/archive/projects/{case.p_id}/subjects/SUB/experiments/E{number}'
        )


@facts.shown('6.2/5', 'ST', 'overwrite: none, append, delete')
def overwriting(case: Case) -> None:
    dest = f'dest=/archive/projects/{case.p_id}/subjects/S1/experiments/E1'
    first = zipped({name: body for name, body in members().items() if not name.startswith('MR700')})
    rest = zipped({name: body for name, body in members().items() if name.startswith('MR700')})
    assert [upload(case, dest + query, first).status for query in ('', '', '&overwrite=none')] == [
        200,
        409,
        409,
    ]
    assert upload(case, f'{dest}&overwrite=append', rest).status == 200
    assert sorted(
        row['ID'] for row in case.admin.get(f'{case.p}/subjects/S1/experiments/E1/scans').rows
    ) == ['1', '2', '700']
    assert [upload(case, f'{dest}&overwrite={how}').status for how in ('append', 'delete')] == [
        409,
        200,
    ]


@facts.shown('6.2/6', 'S', 'prearchive_code, auto-archive, AA and commit decide where it ends')
def policies(case: Case) -> None:
    for number, query in enumerate(('prearchive_code=1', 'auto-archive=true', 'AA=true')):
        answer = upload(case, f'project={case.p_id}&session=P{number}&{query}')
        assert answer.text.startswith('/data/archive/'), query
    assert upload(case, f'project={case.p_id}&session=P9&prearchive_code=0').text.startswith(
        '/data/prearchive/'
    )


@facts.shown('6.2/7', 'S', 'Ignore-Unparsable, SOURCE, TIMEZONE and others')
def sources(case: Case) -> None:
    uri = waiting(case, more='&SOURCE=uploader&TIMEZONE=Europe/Berlin')
    row = next(row for row in listed(case) if row['url'] == uri)
    assert (row['SOURCE'], row['TIMEZONE']) == ('uploader', 'Europe/Berlin')
    mixed, dest = (
        zipped({**members(), 'readme.txt': b'no image'}),
        f'dest=/prearchive/projects/{case.p_id}&import-handler=DICOM-zip',
    )
    assert upload(case, f'{dest}&Ignore-Unparsable=true', mixed).status == 200


@facts.shown('6.2/8', 'S', 'src: a file of the cache of the user')
def from_the_cache(case: Case) -> None:
    path = f'/user/cache/resources/{case.new}/files/x.zip'
    case.admin.ok('PUT', f'/data{path}?inbody=true', study())
    assert (
        case.admin.post(f'{IMPORT}?src={path}&dest=/prearchive/projects/{case.p_id}').status == 200
    )


@facts.shown('6.2/9', 'S', 'http-session-listener: progress')
def progress(case: Case) -> None:
    waiting(case, more='&http-session-listener=one')
    assert json.loads(case.admin.get('/data/status/one?format=json').body)['msgs']


@facts.shown('6.2/10', 'ST', 'the answer: a URI a line')
def answers(case: Case) -> None:
    assert re.fullmatch(rf'/prearchive/projects/{case.p_id}/\d{{8}}_\d{{9}}/W', waiting(case))
    answer = upload(case, f'dest=/archive/projects/{case.p_id}/subjects/S1/experiments/E1')
    assert answer.text == f'/data/archive/projects/{case.p_id}/subjects/S1/experiments/E1\r\n'


@facts.shown('6.2/11', 'ST', 'an existing session: 409, of DICOM-zip 400')
def sessions_that_are_there(case: Case) -> None:
    dest = f'dest=/archive/projects/{case.p_id}/subjects/S1/experiments/E1'
    assert [upload(case, dest + more).status for more in ('', '', '&import-handler=DICOM-zip')] == [
        200,
        409,
        400,
    ]


@facts.shown('6.2/12', 'ST', 'no right in the project: 403')
def without_the_right(case: Case) -> None:
    for where in ('archive', 'prearchive'):
        assert [
            upload(case, f'dest=/{where}/projects/{case.p_id}', by=login).status
            for login in ('collaborator', 'outsider')
        ] == [403, 403]


@facts.shown('6.2/13', 'S', 'unreadable files: 500')
def unreadable(case: Case) -> None:
    assert upload(case, f'dest=/prearchive/projects/{case.p_id}', study()[:5000]).status == 500


# -- 6.3 pipelines and workflows


def pipeline(case: Case, name: str = 'Convert', enabled: bool = True) -> str:
    """Return the name of a pipeline of this fact's project."""
    pipelines, name = case.world.closed.archive.pipelines, f'{name}{case.world.number()}'
    pipelines.add(f'/pipelines/{name}.xml', 'xnat:mrSessionData', name=name)
    if enabled:
        pipelines.enable(case.p_id, f'/pipelines/{name}.xml')
    return name


@facts.shown(
    '6.3/1',
    'S',
    'the pipelines of a project: a table, a document; 403 without the right; those to add',
)
def pipelines_of_a_project(case: Case) -> None:
    name, other = pipeline(case), pipeline(case, enabled=False)
    path = f'{case.p}/pipelines'
    assert [row['Name'] for row in case.owner.get(f'{path}?format=json').rows] == [name]
    assert '<arc:project' in case.owner.get(f'{path}?format=xml').text.lower()
    assert case.collaborator.get(f'{path}?format=json').status == 403
    assert other in case.owner.get(f'{path}?format=json&additional=true').text


@facts.shown('6.3/2', 'S', 'DELETE takes one from a project')
def delete_a_pipeline(case: Case) -> None:
    name = pipeline(case)
    path = f'{case.p}/pipelines'
    assert (
        case.owner.delete(
            f'{path}?path={quote(f"/pipelines/{name}.xml")}&datatype=xnat:mrSessionData'
        ).status
        == 200
    )
    assert case.owner.get(f'{path}?format=json').rows == []


@facts.shown('6.3/3', 'S', 'details of a pipeline')
def details_of_a_pipeline(case: Case) -> None:
    name = pipeline(case)
    assert isinstance(case.owner.get(f'{case.p}/pipelines/{name}/details').json, dict)


@facts.shown(
    '6.3/4', 'S', 'launches, and actions of the server; 404 for no pipeline, 403 without the right'
)
def launches(case: Case) -> None:
    name = pipeline(case)
    case.admin.ok('PUT', case.e)
    statuses = [
        case.owner.post(f'{case.p}/pipelines/{step}/experiments/E').status
        for step in (name, 'triggerPipelines', 'fixScanTypes', 'none')
    ]
    assert statuses == [200, 200, 200, 404]
    assert case.outsider.post(f'{case.p}/pipelines/{name}/experiments/E').status in (403, 404)


@facts.shown(
    '6.3/5',
    'S',
    'GET of a launch: the launched pipeline, as in the source; the reference says its workflow',
)
def launched(case: Case) -> None:
    name = pipeline(case)
    case.admin.ok('PUT', case.e)
    assert (
        f'<arc:location>/pipelines/{name}.xml<'
        in case.owner.get(f'{case.p}/pipelines/{name}/experiments/E').text
    )


def workflow(case: Case, status: str = 'Running', by: str = 'owner', leave: str = '') -> Answer:
    told = {
        'id': case.admin.item(case.e)['data_fields']['ID'],
        'data_type': 'xnat:mrSessionData',
        'pipeline_name': 'Run',
        'launch_time': '2020-01-31T08:15:30',
        'status': status,
        'ExternalID': case.p_id,
        'step_description': 'half',
        'percentageComplete': '50',
    }
    query = '&'.join(
        f'wrk:workflowData/{name}={quote(value)}' for name, value in told.items() if name != leave
    )
    return case.client(by).put(f'/data/workflows?{query}')


@facts.shown(
    '6.3/6',
    'STM',
    'PUT of a workflow creates or changes it; 400 without its fields, 403 without the right',
)
def workflows(case: Case) -> None:
    assert [
        workflow(case, leave=name).status
        for name in ('pipeline_name', 'data_type', 'launch_time', 'id')
    ] == [400] * 4
    assert [workflow(case, by=login).status for login in ('owner', 'outsider')] == [200, 403]
    assert [workflow(case, status).status for status in ('Running', 'Complete')] == [200, 200]


@facts.shown('6.3/7', 'STM', 'a workflow by its number')
def one_workflow(case: Case) -> None:
    assert workflow(case).status == 200
    identifier = case.admin.item(case.e)['data_fields']['ID']
    row = case.owner.get(
        f'/data/services/workflows/Run?display=ALL&experiment={identifier}&format=json'
    ).rows[0]
    number = next(
        value for name, value in row.items() if 'workflow' in name.lower() and value.isdecimal()
    )
    told = case.owner.get(f'/data/workflows/{number}?format=json').item['data_fields']
    assert told['status'] == 'Running' and str(told['wrk_workflowData_id']) == number
    assert (str(told['percentageComplete']), told['step_description']) == ('50', 'half')


@facts.shown(
    '6.3/8',
    'SM',
    'the table of workflows of a pipeline: CSV with the media type of a spreadsheet, unless '
    'another format is requested',
)
def table_of_workflows(case: Case) -> None:
    assert workflow(case).status == 200
    identifier = case.admin.item(case.e)['data_fields']['ID']
    answer = case.owner.get(f'/data/services/workflows/Run?display=ALL&experiment={identifier}')
    assert answer.headers['Content-Type'] == 'application/vnd.ms-excel' and [
        row['pipeline_name'] for row in answer.csv
    ] == ['Run']
    assert 'wrk_workflowData_id' in answer.csv[0] and answer.csv[0]['ID'] == identifier
    assert (
        case.owner.get(
            f'/data/services/workflows/Other?display=ALL&experiment={identifier}&format=json'
        ).rows
        == []
    )


facts.row('6.3/9', 'BM', 'POST /xapi/workflows: not yet', post('/xapi/workflows', 404, send='{}'))


# -- 6.4 other services


@facts.shown(
    '6.4/1',
    'SM',
    'refresh/catalog: 200 and nothing, of an unknown resource and of none; several; options in one '
    'or one by one; 403',
)
def refresh(case: Case) -> None:
    service, path = '/data/services/refresh/catalog', case.e.removeprefix('/data')
    case.admin.ok('PUT', f'{case.e}/resources/R/files/a?inbody=true', b'a')
    home = next((case.world.closed.archive.folder / 'archive' / case.p_id).rglob('R'))
    (home / 'b').write_bytes(b'b')
    answer = case.admin.post(
        f'{service}?resource=/archive{path}&resource=/archive{path}/resources/R&options=append,'
        'checksum'
    )
    assert (answer.status, answer.body) == (200, b'')
    assert [row['Name'] for row in case.admin.get(f'{case.e}/resources/R/files').rows] == ['a', 'b']
    (home / 'b').unlink()
    assert (
        case.member.post(f'{service}?resource=/archive{path}/resources/R&delete=true').status == 200
    )
    assert [row['Name'] for row in case.admin.get(f'{case.e}/resources/R/files').rows] == ['a']
    assert case.admin.post(f'{service}?resource=/archive{path}/resources/NONE').status == 200
    assert case.collaborator.post(f'{service}?resource=/archive{path}').status == 403
    assert case.admin.post(service).status == 200


@facts.shown('6.4/2', 'SM', 'audit: the changes of an item')
def audit(case: Case) -> None:
    identifier = case.admin.item(case.e)['data_fields']['ID']
    case.member.ok('PUT', f'{case.e}?note=n&event_reason=why')
    told = json.loads(
        case.member.get(f'/data/services/audit/xnat:mrSessionData/{identifier}').body
    )['events']
    assert (told[0]['event_user'], told[0]['event_reason']) == ('member', 'why')


facts.row(
    '6.4/3',
    'SR',
    'dicomdump: elements of a header, all or some',
    made('{n}/resources/DICOM/files/i?inbody=true', image(EchoTime='2.008')),
    get(
        '/data/services/dicomdump?src=/archive/projects/{p_id}/subjects/S/experiments/E/scans/1&'
        'field=00180081',
        rows={
            'tag1': ['(0018,0081)'],
            'tag2': [''],
            'vr': ['DS'],
            'value': ['2.008'],
            'desc': ['Echo Time'],
        },
    ),
    get('/data/services/dicomdump', 400),
)
facts.row(
    '6.4/4',
    'S',
    'move-files: from the cache into a resource',
    made('/data/user/cache/resources/{new}'),
    made('/data/user/cache/resources/{new}/files/f?inbody=true', b'x'),
    made('{e}'),
    post(
        '/data/services/move-files?src=/user/cache/resources/{new}/files/f&dest=/archive/projects/'
        '{p_id}/subjects/S/experiments/E/resources/R/files/g'
    ),
    get('{e}/resources/R/files/g', body=b'x'),
    get('/data/user/cache/resources/{new}/files/f', 404),
    post('/data/services/move-files', 400),
)
facts.row(
    '6.4/5',
    'SM',
    'mail/send: without its fields 400',
    post('/data/services/mail/send', 400, send='x'),
)
facts.row(
    '6.4/6',
    'SM',
    'features: a table, as a page by default; of a project JSON with the media type of a text',
    get('/data/services/features', type='text/html'),
    get('/data/services/features?format=json', meta={}),
    get('/data/services/features?tag={p_id}', like='onByDefault', type='text/plain'),
)


@facts.shown('6.4/7', 'S', 'status: the progress of an import or of archiving')
def status(case: Case) -> None:
    case.admin.ok('POST', f'/data/services/archive?src={waiting(case)}&http-session-listener=two')
    assert json.loads(case.admin.get('/data/status/two?format=json').body)['msgs']


@facts.shown('6.4/8', 'STM', 'configuration: of the site and of projects, by tool and path')
def configuration(case: Case) -> None:
    path = f'{case.p}/config/tool{case.world.number()}/one'
    assert [case.owner.put(f'{path}?inbody=true', body).status for body in (b'a', b'b')] == [
        201,
        200,
    ]
    assert case.owner.put(path).status == 400
    assert (
        case.member.get(f'{path}?contents=true').text == 'b'
        and '"contents"' in case.member.get(path).text
    )
    assert [
        case.client(login).put(f'{path}?inbody=true', b'c').status
        for login in ('member', 'outsider')
    ] == [403, 403]
    case.owner.ok('PUT', f'{path}?status=disabled')
    assert [
        case.owner.get(path + query).status
        for query in ('?contents=true', '?contents=true&accept-not-found=true')
    ] == [404, 204]
    case.owner.ok('PUT', f'{path}?status=enabled')
    assert case.owner.get(f'{path}?contents=true').text == 'b'
    assert case.admin.get('/data/projects/NONE/config/tool/one').status == 404
    assert case.owner.delete(path).status == 200


# -- 6.5 custom variables and fields

NAMESPACE = 'xmlns:xnat="http://nrg.wustl.edu/xnat"'

facts.row(
    '6.5.1',
    'STM',
    'a value by its path',
    put('{s}?xnat:subjectData/fields/field%5Bname%3Dx%5D/field=1'),
    put('{e}?xnat:mrSessionData/fields/field%5Bname%3Dx%5D/field=2'),
    put('{e}?xnat:experimentData/fields/field%5Bname%3Dy%5D/field=3'),
    put('{p}?xnat:projectData/fields/field%5Bname%3Dx%5D/field=4'),
    get('{s}?format=xml', like=r'<xnat:field name="x">\s*(<!--.*-->)?1'),
    get('{e}?format=xml', like='name="y">'),
    get('{p}?format=xml', like='name="x">'),
)
facts.row(
    '6.5.2',
    'STM',
    'fields in documents and in JSON',
    put(
        '{s}',
        send=f'<xnat:Subject {NAMESPACE}><xnat:fields><xnat:field '
        'name="x">v</xnat:field></xnat:fields></xnat:Subject>',
        headers=XML,
    ),
    get('{s}?format=json', like=r'"fields/field"'),
    get('{s}?format=json', like=r'"field": ?"v"'),
    get('{s}?format=json', like=r'"name": ?"x"'),
)
facts.row(
    '6.5.3',
    'STM',
    'one value a name, whose case counts',
    put('{s}?xnat:subjectData/fields/field%5Bname%3DColor%5D/field=red'),
    put('{s}?xnat:subjectData/fields/field%5Bname%3Dcolor%5D/field=blue'),
    put('{s}?xnat:subjectData/fields/field%5Bname%3Dcolor%5D/field=green'),
    get('{s}?format=xml', unlike='blue'),
    get('{s}?format=xml', like='(?s)name="Color".*red'),
    get('{s}?format=xml', like='(?s)name="color".*green'),
)
facts.row(
    '6.5.4',
    'SM',
    'values are text',
    put('{s}?xnat:subjectData/fields/field%5Bname%3Dcount%5D/field=not%20a%20number'),
    get('{s}?format=xml', like='not a number'),
)
DEFINED = (
    f'<xnat:datatypeProtocol {NAMESPACE} ID="{{p_id}}_xnat_subjectData" '
    'data-type="xnat:subjectData" name="Subjects"><xnat:definitions>'
    '<xnat:definition ID="set" data-type="xnat:subjectData" description="a set" shareable="true" '
    'project-specific="true"><xnat:fields>'
    '<xnat:field name="x" type="custom" datatype="string" required="false" sequence="0" '
    'xmlPath="xnat:subjectData/fields/field[name=x]/field"/></xnat:fields></xnat:definition></'
    'xnat:definitions></xnat:datatypeProtocol>'
)
PROTOCOL = '{p}/protocols/{p_id}_xnat_subjectData'
facts.row(
    '6.5.5',
    'STM',
    'definitions in the study protocol of a project, and in its XML only',
    put(PROTOCOL, send=DEFINED, headers=XML),
    get(PROTOCOL, 500),
    get('{p}?format=xml', like=r'(?s)studyProtocol.*ID="set"'),
)
facts.row(
    '6.5.6',
    'SM',
    'protocols: PUT and DELETE; 404 without the right, another type changes nothing, 422 '
    'malformed; GET fails',
    put(PROTOCOL, send=DEFINED, headers=XML, type='text/xml'),
    get('{p}/protocols?dataType=xnat:subjectData', 400),
    put(PROTOCOL, 404, send=DEFINED, headers=XML, by='collaborator'),
    put(PROTOCOL, 422, send='<xnat', headers=XML),
    put(
        PROTOCOL,
        send='<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"/>',
        headers=XML,
        like='ID="set"',
    ),
    get('/data/projects/NONE/protocols/x', 404),
    delete(PROTOCOL),
    get(PROTOCOL, (404, 500)),
)
facts.row(
    '6.5.7',
    'STM',
    'values need no definition',
    put('{s}?xnat:subjectData/fields/field%5Bname%3Dfree%5D/field=1'),
    get('{s}?format=xml', like='free'),
)


@facts.shown('6.5.8', 'STM', 'custom fields: a map of JSON by item')
def custom_fields(case: Case) -> None:
    case.admin.ok('PUT', case.n)
    json_body = {'Content-Type': 'application/json'}
    for below in ('', '/subjects/S', '/experiments/E', '/experiments/E/scans/1'):
        path = f'/xapi/custom-fields/projects/{case.p_id}{below}/fields'
        assert case.owner.put(path, b'{"a": "1", "n": 2}', **json_body).status == 200, path
        assert case.owner.put(path, b'{"b": [1]}', **json_body).json == {
            'a': '1',
            'n': 2,
            'b': [1],
        }, path
        assert case.owner.get(f'{path}/a').text.strip('"') == '1'
        assert [case.owner.delete(f'{path}/a').status, case.owner.get(f'{path}/a').status] == [
            200,
            404,
        ]
        assert case.collaborator.put(path, b'{"b": 1}', **json_body).status == 403
        assert case.owner.put(path, b'nothing', **json_body).status in (400, 500)


@facts.shown('6.5/a', 'S', 'a PUT replaces the values of a form as a whole, and merges forms')
def forms_are_replaced(case: Case) -> None:
    case.admin.ok('PUT', case.n)
    path = f'/xapi/custom-fields/projects/{case.p_id}/subjects/S/fields'
    first, second = _FORM_UUID, _FORM_UUID.replace('8', '9')
    for body in ({first: {'a': 1, 'b': 2}}, {second: {'c': 3}}, {first: {'b': 4}}):
        answer = case.owner.put(path, json.dumps(body).encode(), **_JSON)
    assert answer.json == {first: {'b': 4}, second: {'c': 3}}


@facts.shown('6.5/b', 'STM', 'a column of a listing has the values of all forms, as JSON')
def forms_are_a_column(case: Case) -> None:
    case.admin.ok('PUT', case.n)
    for place, kind in (('subjects', 'xnat:subjectData'), ('experiments', 'xnat:experimentData')):
        name = 'S' if place == 'subjects' else 'E'
        path = f'/xapi/custom-fields/projects/{case.p_id}/{place}/{name}/fields'
        assert case.owner.put(path, b'{"k": [1, {"a": null}]}', **_JSON).status == 200
        columns = f'label,{kind}/custom_fields'
        answer = case.owner.get(f'/data/projects/{case.p_id}/{place}?columns={columns}&format=json')
        values = {row['label']: row[f'{kind.lower()}/custom_fields'] for row in answer.rows}
        assert json.loads(values.pop(name)) == {'k': [1, {'a': None}]}
        assert set(values.values()) <= {''}


@facts.shown('6.5/c', 'S', 'search fields of a form: those in containers, none of grids')
def fields_of_forms(case: Case) -> None:
    def one(key: str, kind: str = 'textfield', **more: object) -> dict[str, object]:
        return {'key': key, 'type': kind, 'input': kind != 'panel', 'label': key, **more}

    components = [
        one('panel', 'panel', components=[one('inpanel')]),
        one('box', 'container', components=[one('inbox', 'checkbox')]),
        one('grid', 'datagrid', components=[one('ingrid')]),
    ]
    choice = {'label': 'xnat:subjectData', 'value': 'xnat:subjectData'}
    about = {
        'idCustomVariableFormAppliesTo': '-1_-1',
        'xnatDatatype': choice,
        'isThisASiteWideConfiguration': 'yes',
    }
    builder = {'display': 'form', 'title': 'Of a test', 'components': components}
    body = json.dumps({'submission': {'data': about}, 'builder': builder}).encode()
    uuid = case.admin.put('/xapi/customforms/save', body, **_JSON).text
    start = f'xnat:subjectData_CUSTOM-FORM_{uuid}_'.upper()
    listed = case.admin.get('/data/search/elements/xnat:subjectData?format=json').rows
    found = {row['FIELD_ID'] for row in listed if row['FIELD_ID'].startswith(start)}
    assert found == {f'{start}INPANEL', f'{start}INBOX'}


@facts.shown('6.5/d', 'S', 'custom fields below a project: only its own items, none shared')
def fields_of_shared_items(case: Case) -> None:
    session = case.admin.ok('PUT', case.e)
    subject = case.admin.ok('PUT', f'{case.s}?group=g')
    case.admin.ok('PUT', f'{case.s}/projects/{case.q_id}')
    case.admin.ok('PUT', f'{case.e}/projects/{case.q_id}')
    for place in (f'subjects/{subject}', f'experiments/{session}'):
        found = [
            case.admin.put(
                f'/xapi/custom-fields{above}/{place}/fields', b'{"a": 1}', **_JSON
            ).status
            for above in ('', f'/projects/{case.p_id}', f'/projects/{case.q_id}')
        ]
        assert found == [200, 200, 404], place


_FORM_UUID = '89ce5943-5721-482d-afd4-ad2e9061d235'
_JSON = {'Content-Type': 'application/json'}
