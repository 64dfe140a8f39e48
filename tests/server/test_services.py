"""Tests of smaller services: catalogues, audits, DICOM headers, user cache, features (facts
6.4)."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dicoms import content

from .conftest import Client

_numbers = itertools.count(1)
FORM = {'Content-Type': 'application/x-www-form-urlencoded'}


@pytest.fixture
def E(admin: Client) -> str:
    """Create a session with a scan of one DICOM file and a resource of two other files."""
    project = f'SERV{next(_numbers)}'
    admin.ok('PUT', f'/data/projects/{project}?accessibility=private')
    for login in ('owner', 'member', 'collaborator'):
        admin.ok('PUT', f'/data/projects/{project}/users/{login}/{login}')
    base = f'/projects/{project}/subjects/S/experiments/E'
    admin.ok('PUT', f'/data/projects/{project}/subjects/S')
    admin.ok('PUT', f'/data{base}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'/data{base}/scans/1?xsiType=xnat:mrScanData')
    admin.ok(
        'PUT',
        f'/data{base}/scans/1/resources/DICOM/files/i.dcm?inbody=true',
        content('MR_small.dcm'),
    )
    admin.ok('PUT', f'/data{base}/resources/R/files/a.txt?inbody=true', b'a')
    admin.ok('PUT', f'/data{base}/resources/R/files/d/b.txt?inbody=true', b'b')
    return base


def where(folder: Path, E: str, below: str) -> Path:
    """Return the folder of a resource of the session."""
    return next(path.parent for path in (folder / 'archive' / E.split('/')[2]).rglob(below))


def files(client: Client, E: str) -> dict[str, dict[str, str]]:
    return {row['Name']: row for row in client.get(f'/data{E}/resources/R/files').rows}


# -- refresh/catalog


def refresh(client: Client, uri: str, more: str = '') -> int:
    answer = client.post(f'/data/services/refresh/catalog?resource={uri}{more}')
    assert answer.status != 200 or answer.body == b''
    return answer.status


@pytest.mark.parametrize(
    'more', ['', '&options=append', '&append=true', '&options=populateStats,append']
)
def test_6_4_append(admin: Client, folder: Path, E: str, more: str) -> None:
    home = where(folder, E, 'a.txt')
    (home / 'd' / 'new.txt').write_bytes(b'new one')
    assert refresh(admin, f'/archive{E}', more) == 200
    row = files(admin, E)['new.txt']
    assert (row['Size'], row['digest']) == ('7', hashlib.md5(b'new one').hexdigest())
    assert admin.get(f'/data{E}/resources/R/files/d/new.txt').body == b'new one'
    resource = next(row for row in admin.get(f'/data{E}/resources').rows if row['label'] == 'R')
    assert (resource['file_count'], resource['file_size']) == ('3', '9')


@pytest.mark.parametrize(
    'more', ['', '&options=delete', '&delete=true', '&options=checksum&options=delete']
)
def test_6_4_delete(admin: Client, folder: Path, E: str, more: str) -> None:
    (where(folder, E, 'a.txt') / 'a.txt').unlink()
    assert refresh(admin, f'/archive{E}/resources/R', more) == 200
    assert list(files(admin, E)) == ['b.txt']


@pytest.mark.parametrize('more', ['', '&options=checksum', '&checksum=true'])
def test_6_4_checksum(admin: Client, folder: Path, E: str, more: str) -> None:
    (where(folder, E, 'a.txt') / 'a.txt').write_bytes(b'changed')
    assert refresh(admin, f'/data/archive{E}/resources/R', more) == 200
    row = files(admin, E)['a.txt']
    assert (row['Size'], row['digest']) == ('7', hashlib.md5(b'changed').hexdigest())


def test_6_4_only_the_requested_actions_are_done(admin: Client, folder: Path, E: str) -> None:
    home = where(folder, E, 'a.txt')
    (home / 'new.txt').write_bytes(b'new')
    (home / 'a.txt').unlink()
    before = files(admin, E)
    assert refresh(admin, f'/archive{E}', '&options=populateStats') == 200
    assert refresh(admin, f'/archive{E}', '&append=false') == 200
    assert files(admin, E) == before
    assert refresh(admin, f'/archive{E}', '&options=append') == 200
    assert sorted(files(admin, E)) == ['a.txt', 'b.txt', 'new.txt']


def test_6_4_a_session_with_its_scans_and_several(admin: Client, folder: Path, E: str) -> None:
    (where(folder, E, 'i.dcm') / 'j.dcm').write_bytes(content('MR_small.dcm'))
    (where(folder, E, 'a.txt') / 'new.txt').write_bytes(b'new')
    assert refresh(admin, f'/archive{E}/scans/1', f'&resource=/archive{E}/resources/R') == 200
    assert [row['Name'] for row in admin.get(f'/data{E}/scans/1/files').rows] == ['i.dcm', 'j.dcm']
    assert 'new.txt' in files(admin, E)
    (where(folder, E, 'i.dcm') / 'k.dcm').write_bytes(content('MR_small.dcm'))
    assert (
        admin.post(
            '/data/services/refresh/catalog',
            f'resource=/archive{E}&options=append'.encode(),
            **FORM,
        ).status
        == 200
    )
    assert len(admin.get(f'/data{E}/scans/1/files').rows) == 3


def test_6_4_files_outside_of_a_resource_are_left_alone(
    admin: Client, folder: Path, E: str, tmp_path: Path
) -> None:
    home = where(folder, E, 'a.txt')
    (tmp_path / 'outside').write_bytes(b'outside')
    (home / 'link').symlink_to(tmp_path / 'outside')
    (home / 'links').symlink_to(tmp_path)
    assert refresh(admin, f'/archive{E}') == 200
    assert sorted(files(admin, E)) == ['a.txt', 'b.txt']


def events_of(client: Client, E: str) -> list[dict[str, str]]:
    name = client.item(f'/data{E}')['data_fields']['ID']
    told: list[dict[str, str]] = client.get(f'/data/services/audit/xnat:mrSessionData/{name}').json[
        'events'
    ]
    return [one for one in told if one['event_action'] == 'Catalog(s) Refreshed']


@pytest.mark.parametrize(
    'below', ['', '/resources/R', '/resources/NONE', '/scans/1', '/scans/1/resources/DICOM']
)
def test_a_refresh_writes_a_workflow_of_the_session(
    admin: Client, client_of: Callable[[str | None], Client], E: str, below: str
) -> None:
    assert refresh(admin, f'/archive{E}{below}') == 200
    [told] = events_of(admin, E)
    assert (told['event_type'], told['event_category'], told['event_user']) == (
        'PROCESS',
        'DATA',
        'admin',
    )
    assert f'{E}{below}' in told['event_reason']
    _, _, project, *_, label = E.split('/')
    recent = [
        row for row in admin.get('/data/experiments?recent=1').rows if row['project'] == project
    ]
    assert [(row['label'], row['pipeline_name']) for row in recent] == [
        (label, 'Catalog(s) Refreshed')
    ]
    assert refresh(client_of('collaborator'), f'/archive{E}{below}') == 403
    assert refresh(admin, f'/archive{E}{below}', f'&resource=/archive{E}') == 200
    assert len(events_of(admin, E)) == 3


def test_a_refresh_without_resources_does_nothing(admin: Client, E: str) -> None:
    assert admin.post('/data/services/refresh/catalog').status == 200
    assert admin.post('/data/services/refresh/catalog?options=delete').status == 200
    assert events_of(admin, E) == []


def test_6_4_refusals(admin: Client, client_of: Callable[[str | None], Client], E: str) -> None:
    project = '/'.join(E.split('/')[:3])
    for uri, status in (
        (f'/archive{E}X', 404),
        (f'/archive{E}/resources/NONE', 200),
        ('/archive/projects/NONE/subjects/S', 404),
        ('/prearchive/projects/P', 400),
        ('nothing', 400),
        ('/archive/projects', 400),
        (f'/archive{E}/resources/R/files/a.txt', 400),
    ):
        assert refresh(admin, uri) == status, uri
    assert admin.get(f'/data/services/refresh/catalog?resource=/archive{E}').status == 405
    assert refresh(admin, f'/archive{E}', '&options=nothing') == 400
    for login, status in (
        ('owner', 200),
        ('member', 200),
        ('collaborator', 403),
        ('outsider', 404),
        (None, 401),
    ):
        assert refresh(client_of(login), f'/archive{E}') == status, login
    assert refresh(client_of('collaborator'), f'/archive{E}/resources/R') == 403
    assert refresh(admin, f'/archive{project}') == 200


# -- dicomdump


def test_6_4_dicomdump(admin: Client, E: str) -> None:
    answer = admin.get(f'/data/services/dicomdump?src=/archive{E}/scans/1')
    assert answer.json['ResultSet']['Result'][0].keys() == {'tag1', 'tag2', 'vr', 'value', 'desc'}
    rows = {row['tag1']: row for row in answer.rows}
    assert rows['(0018,0081)'] == {
        'tag1': '(0018,0081)',
        'tag2': '',
        'vr': 'DS',
        'value': '240.0000',
        'desc': 'Echo Time',
    }
    assert rows['(0002,0010)']['vr'] == 'UI' and '(7FE0,0010)' not in rows


@pytest.mark.parametrize(
    'below',
    [
        '',
        '/scans/1',
        '/scans/ALL',
        '/scans/1/resources/DICOM',
        '/scans/1/resources/DICOM/files/i.dcm',
    ],
)
def test_6_4_dicomdump_of(admin: Client, E: str, below: str) -> None:
    _, _, project, _, _, _, session = E.split('/')
    for place in (
        E,
        f'/projects/{project}/experiments/{session}',
    ):  # clients use the latter, too
        rows = admin.get(
            f'/data/services/dicomdump?src=/archive{place}{below}&field=00180081&field=Modality'
        ).rows
        assert [(row['tag1'], row['value']) for row in rows] == [
            ('(0008,0060)', 'MR'),
            ('(0018,0081)', '240.0000'),
        ]


def test_6_4_dicomdump_of_sequences(admin: Client, E: str) -> None:
    admin.ok('PUT', f'/data{E}/scans/2?xsiType=xnat:ctScanData')
    admin.ok('PUT', f'/data{E}/scans/2/resources/DICOM/files/x.txt?inbody=true', b'no image')
    admin.ok(
        'PUT',
        f'/data{E}/scans/2/resources/DICOM/files/y.dcm?inbody=true',
        content('liver_1frame.dcm'),
    )
    rows = admin.get(f'/data/services/dicomdump?src=/archive{E}/scans/2').rows
    inner = [row for row in rows if row['tag2']]
    assert inner and {row['tag1'] for row in inner} <= {
        row['tag1'] for row in rows if row['vr'] == 'SQ' and not row['tag2']
    }


def test_6_4_dicomdump_of_the_prearchive(
    admin: Client, client_of: Callable[[str | None], Client], E: str
) -> None:
    project = E.split('/')[2]
    told = f'inbody=true&dest=/prearchive/projects/{project}&prearchive_code=0'
    uri = (
        admin.post(f'/data/services/import?{told}', content('MR_small.dcm'))
        .text.strip()
        .removeprefix('/data')
    )
    name = admin.get(f'/data{uri}/scans/1/resources/DICOM/files').rows[0]['Name']
    for below in ('', '/scans/1', f'/scans/1/resources/DICOM/files/{name}'):
        rows = admin.get(f'/data/services/dicomdump?src={uri}{below}&field=00180081').rows
        assert [row['value'] for row in rows] == ['240.0000'], below
    assert admin.get(f'/data/services/dicomdump?src={uri}/scans/9').status == 404
    assert client_of('outsider').get(f'/data/services/dicomdump?src={uri}').status == 403


def test_6_4_dicomdump_refusals(
    admin: Client, client_of: Callable[[str | None], Client], E: str
) -> None:
    dump = '/data/services/dicomdump'
    assert admin.get(dump).status == 400
    for source, status in (
        ('nothing', 400),
        (f'/archive{E}/scans/9', 404),
        (f'/archive{E}/resources/R', 404),
        (f'/archive{E}/resources/R/files/c', 404),
        ('/archive/projects', 400),
        (f'/archive/projects/{E.split("/")[2]}', 400),
    ):
        assert admin.get(f'{dump}?src={source}').status == status, source
    assert admin.post(f'{dump}?src=/archive{E}').status == 405
    assert client_of('collaborator').get(f'{dump}?src=/archive{E}/scans/1').status == 200
    assert client_of('outsider').get(f'{dump}?src=/archive{E}/scans/1').status == 404


# -- move-files


def cached(client: Client, *names: str) -> str:
    home = f'/user/cache/resources/C{next(_numbers)}'
    client.ok('PUT', f'/data{home}')
    for name in names:
        client.ok('PUT', f'/data{home}/files/{name}?inbody=true', name.encode())
    return home


def test_6_4_move_files(admin: Client, E: str) -> None:
    home = cached(admin, 'a.txt', 'b.txt', 'd/c.txt')
    move = '/data/services/move-files'
    told = (
        f'src={home}/files/a.txt&dest=/archive{E}/resources/NEW/files/x/y.txt&format=TEXT&content=C'
    )
    answer = admin.post(f'{move}?{told}')
    assert (answer.status, answer.body) == (200, b'')
    assert admin.get(f'/data{E}/resources/NEW/files/x/y.txt').body == b'a.txt'
    row = admin.get(f'/data{E}/resources/NEW/files').rows[0]
    assert (row['file_format'], row['file_content']) == ('TEXT', 'C')
    assert admin.get(f'/data{home}/files/a.txt').status == 404
    pairs = (
        f'{home}/files/b.txt=/archive{E}/resources/NEW/files/b.txt&{home}/files/d=/archive{E}/'
        'scans/1/resources/D/files'
    )
    assert admin.post(move, pairs.encode(), **FORM).status == 200
    assert admin.get(f'/data{E}/resources/NEW/files/b.txt').body == b'b.txt'
    assert admin.get(f'/data{E}/scans/1/resources/D/files/c.txt').body == b'd/c.txt'


def test_6_4_move_a_whole_resource(admin: Client, E: str) -> None:
    home, other = cached(admin, 'a.txt', 'd/b.txt'), cached(admin)
    assert (
        admin.post(f'/data/services/move-files?src={home}&dest=/archive{E}/resources/NEW').status
        == 200
    )
    assert admin.get(f'/data{E}/resources/NEW/files/d/b.txt').body == b'd/b.txt'
    left = {row['Resource'] for row in admin.get('/data/user/cache/resources').rows}
    assert home.rpartition('/')[2] not in left
    assert other.rpartition('/')[2] in left


def test_6_4_moved_files_replace_others_only_with_overwrite(admin: Client, E: str) -> None:
    home = cached(admin, 'a.txt')
    move = f'/data/services/move-files?src={home}/files/a.txt&dest=/archive{E}/resources/R/files/'
    assert admin.post(move).status == 409
    assert admin.get(f'/data{E}/resources/R/files/a.txt').body == b'a'
    assert admin.get(f'/data{home}/files/a.txt').body == b'a.txt'
    assert admin.post(f'{move}&overwrite=true').status == 200
    assert admin.get(f'/data{E}/resources/R/files/a.txt').body == b'a.txt'


def test_6_4_move_files_refusals(
    admin: Client, client_of: Callable[[str | None], Client], E: str
) -> None:
    home, move = cached(admin, 'a.txt'), '/data/services/move-files'
    dest = f'/archive{E}/resources/R/files/z'
    for told, status in (
        ('', 400),
        (f'?src={home}/files/a.txt', 400),
        (f'?src=/nothing&dest={dest}', 400),
        (f'?src={home}/files/b&dest={dest}', 404),
        (f'?src={home}/files/a.txt&dest=/archive{E}', 400),
        (f'?src={home}/files/a.txt&dest=/archive{E}X/resources/R/files/z', 404),
        (f'?src={home}/files/../../a&dest={dest}', 400),
        (f'?{home}/files/a.txt=/nothing', 400),
    ):
        assert admin.post(f'{move}{told}').status == status, told
    assert admin.get(f'{move}?src={home}/files/a.txt&dest={dest}').status == 405
    reader = client_of('collaborator')
    mine = cached(reader, 'a.txt')
    assert reader.post(f'{move}?src={mine}/files/a.txt&dest={dest}').status == 403
    assert reader.get(f'/data{mine}/files/a.txt').body == b'a.txt'
    assert (
        reader.post(f'{move}?src={home}/files/a.txt&dest={dest}').status == 404
    )  # the cache of another user
    assert client_of(None).post(f'{move}?src={home}/files/a.txt&dest={dest}').status == 401
    assert admin.get(f'/data{home}/files/a.txt').body == b'a.txt'


# -- audit, features, paths with additional segments


def events(client: Client, kind: str, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        client.get(f'/data/services/audit/{kind}/{name}').body
    )['events']
    return found


def test_6_4_audit(admin: Client, client_of: Callable[[str | None], Client], E: str) -> None:
    identifier = admin.item(f'/data{E}')['data_fields']['ID']
    client_of('member').ok(
        'PUT', f'/data{E}?note=changed&event_reason=a%20reason&event_action=Noted'
    )
    told = (
        f'wrk:workflowData/ID={identifier}&wrk:workflowData/data_type=xnat:mrSessionData&'
        'wrk:workflowData/pipeline_name=Run'
    )
    told += (
        '&wrk:workflowData/launch_time=2001-02-03T04:05:06&wrk:workflowData/status=Complete&'
        f'wrk:workflowData/ExternalID={E.split("/")[2]}'
    )
    admin.ok('PUT', f'/data/workflows?{told}')
    found = events(admin, 'xnat:mrSessionData', identifier)
    assert found == events(admin, 'xnat:imageSessionData', identifier)
    assert found == json.loads(admin.get(f'/data{E}/history').body)['events']
    (changed,) = (event for event in found if event['event_user'] == 'member')
    assert (changed['event_user'], changed['event_reason'], changed['event_action']) == (
        'member',
        'a reason',
        'Noted',
    )
    assert (changed['changesets'], changed['event_category'], changed['event_type']) == (
        [],
        'DATA',
        'WEB_SERVICE',
    )
    assert found[-1]['event_action'] == 'Run' and found[-1]['event_status'] == 'Complete'
    assert sorted((one['event_date'] for one in found), reverse=True) == [
        one['event_date'] for one in found
    ]
    subject = admin.item(f'/data{E.rpartition("/experiments")[0]}')['data_fields']['ID']
    assert [one['event_user'] for one in events(admin, 'xnat:subjectData', subject)] == ['admin']
    assert events(admin, 'xnat:projectData', E.split('/')[2])


def test_6_4_audit_refusals(
    admin: Client, client_of: Callable[[str | None], Client], E: str
) -> None:
    identifier = admin.item(f'/data{E}')['data_fields']['ID']
    for path, status in (
        (f'xnat:petSessionData/{identifier}', 404),
        ('xnat:mrSessionData/NONE', 404),
        ('no:such/X', 400),
        ('xnat:mrSessionData', 400),
        ('xnat:mrScanData/1', 400),
        ('', 400),
        ('xnat:mrSessionData/a%27b', 400),
    ):
        assert admin.get(f'/data/services/audit/{path}').status == status, path
    assert (
        client_of('collaborator')
        .get(f'/data/services/audit/xnat:mrSessionData/{identifier}')
        .status
        == 200
    )
    assert (
        client_of('outsider').get(f'/data/services/audit/xnat:mrSessionData/{identifier}').status
        == 404
    )


def test_6_4_features(admin: Client, client_of: Callable[[str | None], Client], E: str) -> None:
    path, project = '/data/services/features', E.split('/')[2]
    assert admin.get(f'{path}?format=csv').header == [
        'key',
        'name',
        'description',
        'enabled',
        'banned',
    ]
    found = json.loads(admin.get(f'{path}?tag={project}').body)
    assert [one['display'] for one in found[0]['groups']] == [
        'Owners',
        'Members',
        'Collaborators',
    ] and found[0]['id'] == project
    assert {
        one['display'] for one in json.loads(admin.get(f'{path}?type=Owners').body)[0]['groups']
    } >= {'Owners', 'Members', 'Collaborators'}
    assert (admin.get(f'{path}?group=x').status, admin.get(f'{path}?tag=NONE').status) == (400, 404)
    assert client_of('outsider').get(f'{path}?tag={project}').status == 403
    assert [
        admin.post(path, body).status for body in (None, b'x', b'{"key": "f", "enabled": true}')
    ] == [412, 400, 404]
    assert client_of('owner').post(path, b'{"key": "f", "enabled": true}').status == 403


@pytest.mark.parametrize(
    'path',
    [
        'refresh',
        'refresh/catalog/more',
        'dicomdump/more',
        'move-files/more',
        'features/more',
        'nothing',
        'mail',
    ],
)
def test_6_4_unknown_paths_are_404(admin: Client, path: str) -> None:
    assert admin.get(f'/data/services/{path}').status == 404
