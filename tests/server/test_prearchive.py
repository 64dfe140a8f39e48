"""Tests of ``/data/prearchive`` and the services for its sessions (facts 6.1)."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import time
import urllib.parse
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import select

from pyxnat.server import Server, serve
from pyxnat.server.db.store import arrival, put_setting
from pyxnat.server.prearchive.auto_archive import tend
from pyxnat.server.prearchive.sessions import claim
from tests.support.dicoms import OTHER_STUDY, STUDY, STUDY_UID, content, members, zipped

from .conftest import Answer, Client

COLUMNS = [
    'project',
    'timestamp',
    'lastmod',
    'uploaded',
    'scan_date',
    'scan_time',
    'subject',
    'folderName',
    'name',
    'tag',
    'status',
    'url',
    'autoarchive',
    'prevent_anon',
    'prevent_auto_commit',
    'SOURCE',
    'VISIT',
    'PROTOCOL',
    'TIMEZONE',
]
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}
_numbers = itertools.count(1)


@pytest.fixture
def P(admin: Client) -> str:
    name = f'PREARC{next(_numbers)}'
    admin.ok('PUT', f'/data/projects/{name}')
    admin.ok('PUT', f'/data/projects/{name}/prearchive_code/0')
    for login in ('owner', 'member', 'collaborator'):
        admin.ok('PUT', f'/data/projects/{name}/users/{login}/{login}')
    return name


@pytest.fixture
def uri(admin: Client, P: str) -> str:
    """Return a waiting session, as in the listings."""
    return upload(admin, P)


def upload(client: Client, project: str, study: dict[str, str] = STUDY, more: str = '') -> str:
    answer = client.post(
        f'/data/services/import?inbody=true&dest=/prearchive/projects/{project}{more}',
        zipped(members(study)),
    )
    assert answer.status == 200, answer.text
    return answer.text.strip().removeprefix('/data')


def service(client: Client, name: str, **parameters: str | list[str]) -> Answer:
    pairs = [
        (key, one)
        for key, value in parameters.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    return client(
        'POST',
        f'/data/services/{name}',
        '&'.join(f'{key}={value}' for key, value in pairs).encode(),
        FORM,
    )


def files_below(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()
    )


def test_6_1_columns_and_values(admin: Client, P: str, uri: str) -> None:
    answer = admin.get(f'/data/prearchive/projects/{P}?format=csv')
    assert answer.header == COLUMNS
    (row,) = answer.csv
    assert row['url'] == uri == f'/prearchive/projects/{P}/{row["timestamp"]}/{row["folderName"]}'
    assert time.strptime(row['timestamp'][:15], '%Y%m%d_%H%M%S') and len(row['timestamp']) == 18
    assert {
        name: row[name]
        for name in ('project', 'status', 'autoarchive', 'prevent_anon', 'prevent_auto_commit')
    } == {
        'project': P,
        'status': 'READY',
        'autoarchive': 'Manual',
        'prevent_anon': 'false',
        'prevent_auto_commit': 'false',
    }
    assert time.strptime(row['lastmod'].partition('.')[0], '%Y-%m-%d %H:%M:%S')
    found = json.loads(admin.get(f'/data/prearchive/projects/{P}').body)['ResultSet']
    assert list(found) == ['Result'] and set(found['Result'][0]) == set(COLUMNS)


def test_the_recorded_response_has_these_columns(reference: Path) -> None:
    rows = json.loads((reference / 'recorded/xnatpy/prearchive_projects.fixture.json').read_text())[
        'ResultSet'
    ]['Result']
    assert all(set(row) == set(COLUMNS) for row in rows)


def test_6_1_filters_and_several_projects(admin: Client, P: str, uri: str) -> None:
    upload(admin, P, OTHER_STUDY)
    assert [
        row['tag'] for row in admin.get(f'/data/prearchive/projects/{P}?tag={STUDY_UID}').rows
    ] == [STUDY_UID]
    admin.ok('PUT', f'/data/projects/{P}B')
    upload(admin, f'{P}B')
    assert len(admin.get(f'/data/prearchive/projects/{P},{P}B').rows) == 3
    assert admin.get(f'/data/prearchive/projects/{P}?limit=x').status == 200


def test_6_1_rights(admin: Client, client_of: Callable[..., Client], P: str, uri: str) -> None:
    assert [
        row['url']
        for row in client_of('member').get('/data/prearchive').rows
        if row['project'] == P
    ] == [uri]
    assert [
        row for row in client_of('outsider').get('/data/prearchive').rows if row['project'] == P
    ] == []
    assert client_of('outsider').get(f'/data/prearchive/projects/{P}').status == 403
    assert client_of('outsider').get('/data/prearchive/projects/NOSUCH').status == 403
    assert client_of('outsider').get(f'/data{uri}?format=json').status == 403
    assert client_of('collaborator').get('/data/prearchive').rows == []
    assert [
        row['url'] for row in client_of('collaborator').get(f'/data/prearchive/projects/{P}').rows
    ] == [uri]
    assert client_of('collaborator').get(f'/data{uri}?format=json').status == 403
    assert client_of('member').get(f'/data{uri}?format=json').status == 200
    assert client_of('collaborator').put('/data/prearchive').status == 404
    for verb, path in (('DELETE', f'/data{uri}'), ('POST', f'/data{uri}?action=build')):
        assert client_of('collaborator')(verb, path).status == 403
    for name in (
        'prearchive/move',
        'prearchive/delete',
        'prearchive/rebuild',
        'archive',
        'validate-archive',
    ):
        assert service(client_of('collaborator'), name, src=uri, newProject=P).status == 403
    assert admin.get(f'/data/prearchive/projects/{P}').rows[0]['status'] == 'READY'


def test_6_1_one_session(admin: Client, P: str, uri: str) -> None:
    assert [row['url'] for row in admin.get(f'/data{uri}?format=json').rows] == [uri]
    root = etree.fromstring(admin.get(f'/data{uri}?format=xml').body)
    assert etree.QName(root).localname == 'MRSession'
    assert (root.get('project'), root.get('label'), root.get('UID')) == (P, '98890234', STUDY_UID)
    space = {'x': 'http://nrg.wustl.edu/xnat'}
    assert [node.get('ID') for node in root.findall('x:scans/x:scan', space)] == ['1', '2', '700']
    assert [node.get('file_count') for node in root.findall('x:scans/x:scan/x:file', space)] == [
        '1',
        '3',
        '2',
    ]
    assert [node.text for node in root.findall('x:subject_ID', space)] == ['Doe_Peter']
    answer = admin.get(f'/data{uri}?format=zip')
    names = zipfile.ZipFile(io.BytesIO(answer.body)).namelist()
    assert sorted(names) == sorted(
        f'98890234/SCANS/{name.partition("/")[0][2:]}/DICOM/{name.partition("/")[2]}'
        for name in STUDY
    )
    assert '<table' in admin.get(f'/data{uri}').text
    assert admin.get(f'/data{uri[:-1]}x?format=json').status == 404


def test_6_1_contents_of_a_session(admin: Client, uri: str) -> None:
    assert admin.get(f'/data{uri}/scans?format=csv').header == [
        'ID',
        'xsiType',
        'series_description',
    ]
    scans = admin.get(f'/data{uri}/scans').rows
    assert [(row['ID'], row['xsiType']) for row in scans] == [
        (name, 'xnat:mrScanData') for name in ('1', '2', '700')
    ]
    assert all(row['series_description'] for row in scans)
    assert [
        (row['label'], row['cat_id'], row['file_count'])
        for row in admin.get(f'/data{uri}/resources').rows
    ] == [
        ('DICOM', '1', '1'),
        ('DICOM', '2', '3'),
        ('DICOM', '700', '2'),
    ]
    assert admin.get(f'/data{uri}/resources?format=csv').header == [
        'category',
        'cat_id',
        'label',
        'file_count',
        'file_size',
    ]
    assert [
        (row['label'], row['file_count']) for row in admin.get(f'/data{uri}/scans/2/resources').rows
    ] == [('DICOM', '3')]
    files = admin.get(f'/data{uri}/scans/2/resources/DICOM/files').rows
    assert [row['Name'] for row in files] == ['6273', '6605', '6935']
    assert admin.get(files[0]['URI']).body == content(STUDY['MR2/6273'])
    assert [
        admin.get(f'/data{uri}/{path}').status
        for path in ('scans/3/resources', 'scans/2/resources/X/files', 'nothing')
    ] == [404, 404, 400]
    assert 'Built with 3 scans.' in admin.get(f'/data{uri}/logs/last').text
    (entry,) = admin.get(f'/data{uri}/logs').rows
    assert entry['entry'] in admin.get(f'/data{uri}/logs/{entry["id"]}').text


def test_6_1_delete(admin: Client, P: str, uri: str, folder: Path) -> None:
    assert admin.delete(f'/data{uri}/scans').status == 400
    assert admin.delete(f'/data{uri}').status == 200
    assert admin.delete(f'/data{uri}').status == 404
    assert not (folder / 'prearchive' / P).exists()
    assert admin.get(f'/data/prearchive/projects/{P}').rows == []


def test_6_1_actions(admin: Client, P: str, uri: str, folder: Path) -> None:
    assert admin.post(f'/data{uri}').status == 400
    assert admin.post(f'/data{uri}?action=nothing').status == 400
    assert admin.post(f'/data{uri}?action=build&VISIT=v1&SOURCE=here').text == f'/data{uri}'
    assert [admin.get(f'/data{uri}?format=json').rows[0][name] for name in ('VISIT', 'SOURCE')] == [
        'v1',
        'here',
    ]
    assert admin.post(f'/data{uri}?action=set&status=ERROR').status == 200
    assert admin.get(f'/data{uri}?format=json').rows[0]['status'] == 'ERROR'
    assert admin.post(f'/data{uri}?action=set&status=ARCHIVING').status == 400
    assert admin.post(f'/data{uri}?action=reset').text == f'/data{uri}'
    assert admin.get(f'/data{uri}?format=json').rows[0]['status'] == 'READY'
    assert admin.post(f'/data{uri}?action=move').status == 400
    assert admin.post(f'/data{uri}?action=move&newProject=NOSUCH').status == 404
    admin.ok('PUT', f'/data/projects/{P}B')
    moved = admin.post(f'/data{uri}?action=move&newProject={P}B')
    assert moved.status == 301
    new = uri.replace(P, f'{P}B')
    assert moved.text.strip() == f'/data{new}'
    assert len(files_below(folder / new[1:].replace('prearchive/projects', 'prearchive'))) == 6
    assert admin.get(f'/data{uri}?format=json').status == 404
    assert admin.post(f'/data{new}?action=commit').status == 200
    done = admin.post(f'/data{new}?action=commit&AA=true')
    assert (done.status, done.text.strip()) == (
        301,
        f'/data/archive/projects/{P}B/subjects/Doe_Peter/experiments/98890234',
    )


def test_services_move_delete_rebuild(admin: Client, P: str, uri: str) -> None:
    other = upload(admin, P, OTHER_STUDY)
    admin.ok('PUT', f'/data/projects/{P}B')
    assert admin.get('/data/services/prearchive/move').status == 405
    assert (
        service(admin, 'prearchive/rebuild', src=[uri, f'/data{other}'], **{'async': 'false'}).rows[
            1
        ]['url']
        == other
    )
    moved = service(admin, 'prearchive/move', src=[uri, other], newProject=f'{P}B').rows
    assert [row['url'] for row in moved] == [one.replace(P, f'{P}B') for one in (uri, other)]
    assert [row['status'] for row in moved] == ['READY', 'READY']
    assert service(admin, 'prearchive/delete', src=uri).status == 404
    assert service(admin, 'prearchive/delete', src='/archive/projects/P').status == 400
    assert service(admin, 'prearchive/delete').status == 400
    assert len(service(admin, 'prearchive/delete', src=[row['url'] for row in moved]).rows) == 2
    assert admin.get(f'/data/prearchive/projects/{P}B').rows == []


def test_a_move_of_several_is_complete_or_not_done(admin: Client, P: str, uri: str) -> None:
    admin.ok('PUT', f'/data/projects/{P}B')
    assert service(admin, 'prearchive/move', src=[uri, uri + 'x'], newProject=f'{P}B').status == 404
    assert [row['url'] for row in admin.get(f'/data/prearchive/projects/{P}').rows] == [uri]


def test_service_archive(admin: Client, P: str, uri: str, folder: Path) -> None:
    answer = service(
        admin, 'archive', src=uri, dest=f'/archive/projects/{P}/subjects/S/experiments/E'
    )
    assert (answer.status, answer.text) == (
        200,
        f'/data/archive/projects/{P}/subjects/S/experiments/E\r\n',
    )
    assert answer.headers['Content-Type'].startswith('text/uri-list')
    assert files_below(folder / 'archive' / P) == sorted(
        f'arc001/E/SCANS/{name.partition("/")[0][2:]}/DICOM/{name.partition("/")[2]}'
        for name in STUDY
    )
    assert not (folder / 'prearchive' / P).exists()
    workflows = admin.get('/data/services/workflows/Transfer?display=ALL&format=json').rows
    assert P in {row['ExternalID'] for row in workflows}
    again = upload(admin, P)
    project, timestamp, session = again.split('/')[-3:]
    answer = service(
        admin, 'archive', project=project, timestamp=timestamp, session=session, overwrite='none'
    )
    assert (answer.status, answer.text) == (
        200,
        f'/data/archive/projects/{P}/subjects/Doe_Peter/experiments/98890234\r\n',
    )
    third = upload(admin, P)
    assert service(admin, 'archive', src=third).status == 409
    assert admin.get(f'/data{third}?format=json').rows[0]['status'] == 'CONFLICT'
    assert service(admin, 'archive', src=third, overwrite='delete', redirect='true').status == 303


@pytest.mark.parametrize('form', [True, False])
def test_archiving_accepts_full_paths(admin: Client, P: str, uri: str, form: bool) -> None:
    """As in XNAT's own test of archiving: label and subject by path, and fields of the session and
    its scans."""
    label = f'{P}_BY_PATH'
    told = {
        'src': uri,
        'xnat:mrSessionData/project': P,
        'xnat:mrSessionData/subject_id': 'BY_PATH',
        'xnat:mrSessionData/label': label,
        'xnat:imageSessionData/operator': 'someone',
        'xnat:mrSessionData/scans/scan[0][@xsi:type=xnat:mrScanData]/type': 'FIRST',
        'xnat:mrSessionData/scans/scan[1]/note': 'second',
        'xnat:petSessionData/tracer/name': 'none',
    }
    query = urllib.parse.urlencode(told)
    answer = (
        admin('POST', '/data/services/archive', query, FORM)
        if form
        else admin.post(f'/data/services/archive?{query}')
    )
    base = f'/data/archive/projects/{P}/subjects/BY_PATH/experiments/{label}'
    assert (answer.status, answer.text.strip()) == (200, base)
    assert admin.get(f'{base}?format=json').item['data_fields']['operator'] == 'someone'
    rows = admin.get(f'{base}/scans?format=json').rows
    assert [row['type'] for row in rows].count('FIRST') == 1 and [
        row['note'] for row in rows
    ].count('second') == 1
    assert {row['ID'] for row in rows if row['type'] == 'FIRST'} != {
        row['ID'] for row in rows if row['note'] == 'second'
    }


@pytest.mark.parametrize('path', ['nonsense', 'scans/scan[0]/nonsense'])
def test_archiving_refuses_unknown_paths(admin: Client, P: str, uri: str, path: str) -> None:
    answer = admin.post(
        '/data/services/archive?'
        + urllib.parse.urlencode({'src': uri, f'xnat:mrSessionData/{path}': '1'})
    )
    assert answer.status == 400 and 'unable to map parameters' in answer.text


def test_importing_into_the_archive_accepts_full_paths(admin: Client, P: str) -> None:
    query = urllib.parse.urlencode(
        {
            'dest': f'/archive/projects/{P}',
            'subject': 'S',
            'session': f'{P}_E',
            'xnat:mrSessionData/note': 'told',
        }
    )
    answer = admin.post(f'/data/services/import?inbody=true&{query}', zipped(members(STUDY)))
    assert answer.status == 200, answer.text
    assert admin.get(f'{answer.text.strip()}?format=json').item['data_fields']['note'] == 'told'


def test_service_archive_of_several(admin: Client, P: str, uri: str) -> None:
    other = upload(admin, P, OTHER_STUDY, '&session=OTHER')
    rows = service(admin, 'archive', src=[uri, other]).rows
    assert [row['url'] for row in rows] == [uri, other]
    assert sorted(row['label'] for row in admin.get(f'/data/projects/{P}/experiments').rows) == [
        '98890234',
        'OTHER',
    ]
    assert len(admin.get(f'/data/projects/{P}/subjects').rows) == 1


def test_service_validate(admin: Client, P: str, uri: str) -> None:
    assert [row['code'] for row in service(admin, 'validate-archive', src=uri).rows] == ['12']
    service(admin, 'archive', src=uri)
    again = upload(admin, P)
    found = service(admin, 'validate-archive', src=again).rows
    assert [(row['code'], row['type']) for row in found] == [
        ('1', 'CONFLICT'),
        *[('14', 'CONFLICT')] * 3,
        *[('16', 'CONFLICT')] * 3,
    ]
    assert admin.get(f'/data{again}?format=json').rows[0]['status'] == 'READY'


def test_archiving_needs_the_right_to_create(
    client_of: Callable[..., Client], admin: Client, P: str, uri: str
) -> None:
    admin.ok('PUT', f'/data/projects/{P}Q')
    assert (
        service(client_of('member'), 'archive', src=uri, dest=f'/archive/projects/{P}Q').status
        == 403
    )
    assert service(client_of('member'), 'archive', src=uri).status == 200
    session = admin.get(f'/data/projects/{P}/experiments?columns=insert_user').rows[0]
    assert session['insert_user'] == 'member'


def test_scan_types_are_taken_from_the_project(admin: Client, P: str, uri: str) -> None:
    service(admin, 'archive', src=uri)
    session = admin.get(f'/data/projects/{P}/experiments').rows[0]['URI']
    admin.ok('PUT', f'{session}/scans/1?type=LOC')
    service(admin, 'archive', src=upload(admin, P, more='&session=SECOND'))
    second = next(
        row['URI']
        for row in admin.get(f'/data/projects/{P}/experiments').rows
        if row['label'] == 'SECOND'
    )
    assert {row['ID']: row['type'] for row in admin.get(f'{second}/scans').rows}['1'] == 'LOC'


def test_6_1_a_rescan_adds_files_from_the_disk(
    admin: Client, P: str, uri: str, folder: Path
) -> None:
    home = folder / uri[1:].replace('prearchive/projects', 'prearchive')
    (home / 'SCANS/1/DICOM/5641').unlink()
    (home / 'SCANS/2/DICOM/extra').write_bytes(content(OTHER_STUDY['MR2/4950']))
    by_hand = folder / 'prearchive' / P / '20200101_010101001' / 'HAND'
    by_hand.mkdir(parents=True)
    shutil.copy(home / 'SCANS/700/DICOM/4467', by_hand / 'loose')
    assert admin.put('/data/prearchive').status == 200
    rows = {row['folderName']: row for row in admin.get(f'/data/prearchive/projects/{P}').rows}
    assert set(rows) == {'98890234', 'HAND'} and rows['HAND']['status'] == 'READY'
    assert [
        (row['cat_id'], row['file_count']) for row in admin.get(f'/data{uri}/resources').rows
    ] == [('2-MR1', '1'), ('2-MR2', '3'), ('700', '2')]
    assert files_below(by_hand) == ['SCANS/700/DICOM/loose']
    assert admin.put(f'/data/prearchive/projects/{P}').status == 200


def test_deleting_a_project_deletes_its_waiting_sessions(
    admin: Client, P: str, uri: str, folder: Path
) -> None:
    """Fact 2.10.4."""
    assert admin.delete(f'/data/projects/{P}').status == 200
    assert not (folder / 'prearchive' / P).exists()
    assert uri not in {row['url'] for row in admin.get('/data/prearchive').rows}


def test_after_a_crash_files_and_rows_agree(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        uri = upload(client, 'P')
        # as a killed process leaves it
        server.archive.close = lambda: server.archive.store.close()  # type: ignore[method-assign]
    home = tmp_path / uri[1:].replace('prearchive/projects', 'prearchive')
    (home / 'SCANS/1/DICOM/5641').unlink()
    (home / 'SCANS/2/DICOM/stray').write_bytes(b'no row')
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        assert [
            (row['cat_id'], row['file_count']) for row in client.get(f'/data{uri}/resources').rows
        ] == [('2', '3'), ('700', '2')]
        assert files_below(tmp_path / 'prearchive') == [
            path for path in files_below(tmp_path / 'prearchive') if '/stray' not in path
        ]
        assert service(client, 'archive', src=uri).status == 200


def test_sessions_without_new_files_are_built_and_archived(tmp_path: Path) -> None:
    """Fact 6.2: built after idle time; the project decides whether it is archived then."""
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        for code in '045':
            client.ok('PUT', f'/data/projects/P{code}')
            client.ok('PUT', f'/data/projects/P{code}/prearchive_code/{code}')
            body = zipped(members())
            for more in (
                ('', '', '&session=HELD&prevent_auto_commit=true') if code == '5' else ('',)
            ):
                study = zipped(members(OTHER_STUDY)) if more else body
                answer = client.post(
                    '/data/services/import?inbody=true&import-handler=DICOM-zip&'
                    f'project=P{code}{more}',
                    study,
                    **{'Content-Type': 'application/zip'},
                )
                assert '/prearchive/' in answer.text
        tend(server.archive)
        assert {row['status'] for row in client.get('/data/prearchive').rows} == {'RECEIVING'}
        server.archive.preferences.put('sessionXmlRebuilderInterval', 0)
        time.sleep(0.01)
        tend(server.archive)
        assert [
            (row['project'], row['name'], row['status'])
            for row in client.get('/data/prearchive').rows
        ] == [
            ('P0', '98890234', 'READY'),
            ('P5', 'HELD', 'RECEIVING'),
        ]
        assert [row['project'] for row in client.get('/data/experiments').rows] == ['P4', 'P5']
        path = '/data/services/import?inbody=true&import-handler=DICOM-zip&project=P4'
        assert client.post(path, body, **{'Content-Type': 'application/zip'}).status == 200
        tend(server.archive)
        assert [row['status'] for row in client.get('/data/prearchive/projects/P4').rows] == [
            'CONFLICT'
        ]


def test_a_session_in_use_is_not_built(admin: Client, P: str, uri: str, server: Server) -> None:
    pk = _pk(server, uri)
    with server.archive.store.write() as connection:
        claim(connection, pk, 'BUILDING')
    assert service(admin, 'prearchive/move', src=uri, newProject=P).status == 409
    assert service(admin, 'prearchive/delete', src=uri).status == 409
    assert admin.delete(f'/data{uri}').status == 409
    assert service(admin, 'archive', src=uri).status == 403
    answer = admin.post(f'/data/services/import?inbody=true&dest={uri}', zipped(members()))
    assert answer.status == 409
    assert admin.get(f'/data{uri}?format=json').rows[0]['status'] == 'BUILDING'
    assert admin.post(f'/data{uri}?action=reset').status == 200
    assert service(admin, 'archive', src=uri).status == 200


def _pk(server: Server, uri: str) -> int:
    with server.archive.store.read() as connection:
        return int(
            connection.scalar(select(arrival.c.pk).where(arrival.c.timestamp == uri.split('/')[-2]))
            or 0
        )


def test_an_interrupted_build_is_repeated_at_the_next_start(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        client.ok('PUT', '/data/projects/P')
        uri = upload(client, 'P')
        with server.archive.store.write() as connection:
            claim(connection, _pk(server, uri), 'BUILDING')
        # as a killed process leaves it
        server.archive.close = lambda: server.archive.store.close()  # type: ignore[method-assign]
    with serve(tmp_path, password='p') as server:
        client = Client(server, 'admin', 'p')
        assert client.get(f'/data{uri}?format=json').rows[0]['status'] == 'RECEIVING'
        assert service(client, 'archive', src=uri).status == 200


def test_a_timestamp_is_not_given_again_when_the_clock_is_set_back(
    server: Server, admin: Client, P: str
) -> None:
    with server.archive.store.write() as connection:
        put_setting(connection, 'last_prearchive_timestamp', '20990101_000000999')
    given = []
    for _ in range(2):
        path = f'/data/services/import?inbody=true&dest=/prearchive/projects/{P}'
        uri = admin.ok('POST', path, zipped(members())).strip()
        given.append(uri.split('/')[-2])
        admin.ok('DELETE', uri)
    assert given == ['20990101_000001000', '20990101_000001001']
    with server.archive.store.write() as connection:
        put_setting(connection, 'last_prearchive_timestamp', '')
