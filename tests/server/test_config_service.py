"""The configuration service (facts 6.4)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from .conftest import Client

TEXT = {'Content-Type': 'text/plain'}
JSON = {'Content-Type': 'application/json'}
COLUMNS = [
    'tool',
    'path',
    'project',
    'user',
    'create_date',
    'reason',
    'contents',
    'unversioned',
    'version',
    'status',
]
_numbers = itertools.count(1)


@pytest.fixture(params=['site', 'project'])
def base(request: pytest.FixtureRequest, admin: Client) -> str:
    """Return a unique tool: of the site, or of a project."""
    number = next(_numbers)
    if request.param == 'site':
        return f'/data/config/tool{number}'
    admin.ok('PUT', f'/data/projects/CONFIG{number}')
    for login in ('owner', 'member', 'collaborator'):
        admin.ok('PUT', f'/data/projects/CONFIG{number}/users/{login}/{login}')
    return f'/data/projects/CONFIG{number}/config/tool'


def test_put_get_and_versions(admin: Client, base: str) -> None:
    assert admin('PUT', f'{base}/a/b', b'one', TEXT).status == 201
    assert admin('PUT', f'{base}/a/b', b'one', TEXT).status == 200
    assert admin('PUT', f'{base}/a/b?inbody=true', 'zwei ü'.encode(), TEXT).status == 200
    assert admin.get(f'{base}/a/b?contents=true').text == 'zwei ü'
    assert admin.get(f'{base}/a/b?contents=true&version=1').text == 'one'
    assert admin.get(f'{base}/a/b?contents=true&version=3').status == 404
    answer = admin.get(f'{base}/a/b?format=csv')
    assert answer.header == COLUMNS
    project = base.split('/')[3] if 'projects' in base else ''
    told = [answer.csv[0][name] for name in COLUMNS[1:] if name not in ('create_date', 'reason')]
    assert told == ['a/b', project, 'admin', 'zwei ü', 'false', '2', 'enabled']
    assert [row['contents'] for row in admin.get(f'{base}/a/b?action=getHistory').rows] == [
        'one',
        'zwei ü',
    ]
    assert admin.get(f'{base}/a/b?meta=true').rows[0]['contents'] == ''
    assert admin.get(f'{base}/a/b?meta=true&contents=true').rows[0]['contents'] == 'zwei ü'
    admin.ok('PUT', f'{base}/c', b'x')
    assert [(row['path'], row['version']) for row in admin.get(base).rows] == [
        ('a/b', '2'),
        ('c', '1'),
    ]
    tool = base.rpartition('/')[2]
    assert tool in {row['tool'] for row in admin.get(base.rpartition('/')[0]).rows}


def test_json_bodies(admin: Client, base: str) -> None:
    assert (
        admin(
            'PUT',
            f'{base}/a',
            json.dumps({'contents': '{"x": 1}', 'status': 'disabled'}).encode(),
            JSON,
        ).status
        == 201
    )
    assert admin.get(f'{base}/a').rows[0]['status'] == 'disabled'
    assert admin('PUT', f'{base}/a', json.dumps({'status': 'enabled'}).encode(), JSON).status == 200
    assert admin.get(f'{base}/a?contents=true').text == '{"x": 1}'
    for body in (b'{"contents": {"x": 1}}', b'[1]', b'{', b'{}'):
        assert admin('PUT', f'{base}/a', body, JSON).status == 400
    assert admin('PUT', f'{base}/b', b'{"x": 1}', TEXT).status == 201


def test_status(admin: Client, base: str) -> None:
    assert admin.put(f'{base}/a?status=enabled').status == 404
    admin.ok('PUT', f'{base}/a', b'text')
    assert admin.put(f'{base}/a?status=disabled').status == 200
    assert admin.get(f'{base}/a?contents=true').status == 404
    assert admin.get(f'{base}/a?contents=true&accept-not-found=true').status == 204
    assert admin.get(f'{base}/a').rows[0]['status'] == 'disabled'
    assert admin.put(f'{base}/a?status=true').status == 200
    assert admin.get(f'{base}/a?contents=true').text == 'text'
    assert admin.delete(f'{base}/a').status == 200
    assert admin.get(f'{base}/a?contents=true').status == 404
    admin.ok('PUT', f'{base}/a', b'text')
    assert admin.get(f'{base}/a').rows[0]['status'] == 'enabled'


def test_unversioned(admin: Client, base: str) -> None:
    admin.ok('PUT', f'{base}/a?unversioned=true', b'one')
    admin.ok('PUT', f'{base}/a', b'two')
    assert [
        (row['contents'], row['version']) for row in admin.get(f'{base}/a?action=getHistory').rows
    ] == [('two', '1')]


def test_refusals(admin: Client, base: str) -> None:
    assert admin.put(f'{base}/a').status == 400
    assert admin.put(f'{base}/a?status=perhaps').status == 400
    assert admin('PUT', f'{base}/a', b'  ', TEXT).status == 400
    assert admin('PUT', f'{base}/a', b'\xff\xfe', TEXT).status == 400
    assert admin('PUT', base, b'x', TEXT).status == 400
    assert admin.get(f'{base}/a').status == 404
    assert admin.get(base).status == 404
    assert admin.get(f'{base}/a?accept-not-found=true').status == 204
    assert admin.delete(f'{base}/a').status == 404
    assert admin.post(f'{base}/a').status == 405


def test_rights(admin: Client, client_of: Callable[..., Client], base: str) -> None:
    admin.ok('PUT', f'{base}/a', b'x')
    owner, member = client_of('owner'), client_of('member')
    assert owner('PUT', f'{base}/a', b'y', TEXT).status == (200 if 'projects' in base else 403)
    assert member('PUT', f'{base}/a', b'z', TEXT).status == 403
    assert member.delete(f'{base}/a').status == 403
    assert client_of('collaborator').get(f'{base}/a?contents=true').status == 200
    if 'projects' in base:
        assert client_of('outsider').get(f'{base}/a').status == 403
        admin.ok('PUT', base.partition('/config')[0] + '/accessibility/private')
        assert client_of('outsider').get(f'{base}/a').status == 404
        for place in (
            f'{base}/a',
            '/data/projects/NOSUCH/config/t/a',
        ):  # a caller without the right to write does not learn the content
            assert client_of('outsider')('PUT', place, b'x', TEXT).status == 403
        assert admin.get('/data/projects/NOSUCH/config/t/a').status == 404
        assert admin('PUT', '/data/projects/NOSUCH/config/t/a', b'x', TEXT).status == 404


def test_a_project_falls_back_to_the_site(admin: Client) -> None:
    number = next(_numbers)
    admin.ok('PUT', f'/data/projects/CONFIG{number}')
    admin.ok('PUT', f'/data/config/fall{number}/a', b'site')
    path = f'/data/projects/CONFIG{number}/config/fall{number}/a?contents=true'
    assert admin.get(path).status == 404
    assert admin.get(f'{path}&defaultToSiteWide=true').text == 'site'
    admin.ok('PUT', path.partition('?')[0], b'own')
    assert admin.get(f'{path}&defaultToSiteWide=true').text == 'own'
    assert (
        admin.get(f'/data/archive/projects/CONFIG{number}/config/fall{number}/a?contents=true').text
        == 'own'
    )
    admin.ok('DELETE', f'/data/projects/CONFIG{number}')
    assert admin.get(path).status == 404
