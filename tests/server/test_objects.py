"""Attacks on objects of other users and projects: every route to one asks the same function.

Each attack is sent by all its roads: other prefixes and doubled slashes, other formats, HEAD, and
POST with ``method=``.
"""

from __future__ import annotations

import itertools
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pyxnat.server import Server, serve
from tests.support.dicoms import STUDY, members
from tests.support.plain import FORM, Answer, Client, zipped

from .searches import M, S, criterion, document

USERS = ('owner', 'member', 'reader', 'outsider', 'stranger')
PRIVATE, PUBLIC, OWN = 'PRIVATE', 'PUBLIC', 'OWN'
SAVED = '/data/search/saved'
JSON = {'Content-Type': 'application/json'}
_numbers = itertools.count(1)
ClientOf = Callable[[str], Client]


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp('archive'), password='root') as running:
        for login in USERS:
            running.add_user(login, login, email=f'{login}@here.example')
        yield running


@pytest.fixture(scope='module')
def client_of(server: Server) -> Iterator[ClientOf]:
    made = {login: Client(server, login, login) for login in USERS}
    made['admin'] = Client(server, 'admin', 'root')
    yield made.__getitem__
    for client in made.values():
        client.close()


@pytest.fixture(scope='module')
def admin(client_of: ClientOf) -> Client:
    return client_of('admin')


@pytest.fixture(scope='module', autouse=True)
def ids(admin: Client, client_of: ClientOf) -> dict[str, str]:
    """Create a private project, a public one, and the outsider's own; return IDs of sessions."""
    found = {}
    for name, access in ((PRIVATE, 'private'), (PUBLIC, 'public')):
        admin.ok('PUT', f'/data/projects/{name}?accessibility={access}')
        for role, login in (('owner', 'owner'), ('member', 'member'), ('collaborator', 'reader')):
            admin.ok('PUT', f'/data/projects/{name}/users/{role}/{login}')
        found[f'{name} S'] = admin.ok('PUT', f'/data/projects/{name}/subjects/S')
        found[name] = admin.ok(
            'PUT', f'/data/projects/{name}/subjects/S/experiments/E?xsiType=xnat:mrSessionData'
        )
        admin.ok(
            'PUT', f'/data/projects/{name}/subjects/S/experiments/E/scans/1?xsiType=xnat:mrScanData'
        )
    client_of('outsider').ok('PUT', f'/data/projects/{OWN}?accessibility=private')
    return found


def roads(method: str, path: str) -> list[tuple[str, str]]:
    """Return requests that mean the same as one below ``/data``."""
    rest = path.removeprefix('/data')
    mark = '&' if '?' in path else '?'
    found = [(method, path), (method, f'/REST{rest}'), (method, f'/data/{rest}')]
    if rest.startswith(('/projects', '/experiments', '/subjects')):
        found.append((method, f'/data/archive{rest}'))
    if method == 'GET':
        forms = ('json', 'xml', 'csv', 'html')
        return [*found, ('HEAD', path), *((method, f'{path}{mark}format={one}') for one in forms)]
    return [*found, ('POST', f'{path}{mark}method={method}')]


def sent(client: Client, method: str, path: str, body: Any = None) -> list[Answer]:
    return [client(*road, body) for road in roads(method, path) if '//' not in road[1]]


def refused(client: Client, method: str, path: str, body: Any = None) -> bool:
    """Whether all roads are refused."""
    for road in roads(method, path):
        answer = client(*road, body)
        most = 501 if '//' in road[1] else 500  # XNAT's firewall answers these with 500
        assert 400 <= answer.status < most, (*road, answer.status, answer.body[:300])
    return True


def roles(admin: Client, project: str = PRIVATE) -> dict[str, str]:
    rows = admin.get(f'/data/projects/{project}/users').rows
    return {row['login']: row['GROUP_ID'] for row in rows}


def update(client: Client, **values: str) -> Answer:
    return client.put('/xapi/users/update', json.dumps(values), **JSON)


@pytest.fixture
def new_user(server: Server) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(login: str, email: str = '') -> Client:
        server.add_user(login, login, email=email)
        made.append(Client(server, login, login))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def address() -> str:
    return f'invited{next(_numbers)}@away.example'


def invited(owner: Client, address: str, role: str = 'owner') -> tuple[str, str]:
    """Invite an address; return the number and the secret of the invitation."""
    answer = owner.put(f'/data/projects/{PRIVATE}/users/{role}/{address}')
    assert answer.status == 200
    told, link = answer.headers['X-Invitation'].split(' ')
    assert told == address and re.fullmatch(r'/data/pars/[\w-]{32}', link)
    rows = owner.get(f'/data/projects/{PRIVATE}/pars').rows
    number = next(row['par_id'] for row in rows if row['email'] == address and not row['approved'])
    return number, link.rpartition('/')[2]


# -- invitations


def test_a_changed_address_accepts_no_invitation(
    client_of: ClientOf, admin: Client, new_user: Callable[..., Client], address: str
) -> None:
    number, _ = invited(client_of('owner'), address)
    thief = new_user(f'thief{number}')
    assert update(thief, email=address, currentPassword=f'thief{number}').status == 200
    assert all(not answer.rows for answer in sent(thief, 'GET', '/data/pars')[:2])
    assert refused(thief, 'GET', f'/data/pars/{number}')
    for answer in ('accept', 'accept=true', 'decline=true', 'accept=&par=1'):
        assert refused(thief, 'PUT', f'/data/pars/{number}?{answer}')
    assert f'thief{number}' not in roles(admin)


@pytest.mark.parametrize('login', ['member', 'reader'])
def test_a_member_does_not_raise_himself(
    client_of: ClientOf, admin: Client, address: str, login: str
) -> None:
    number, _ = invited(client_of('owner'), address)
    client, before = client_of(login), roles(admin)
    assert refused(client, 'PUT', f'/data/projects/{PRIVATE}/users/owner/{address}')
    assert refused(client, 'GET', f'/data/projects/{PRIVATE}/pars')
    assert update(client, email=address, currentPassword=login).status == 200
    assert refused(client, 'PUT', f'/data/pars/{number}?accept=true')
    assert update(client, email=f'{login}@here.example', currentPassword=login).status == 200
    assert roles(admin) == before


def test_the_secret_and_the_address_accept_an_invitation_once(
    client_of: ClientOf, admin: Client, new_user: Callable[..., Client], address: str
) -> None:
    owner = client_of('owner')
    number, secret = invited(owner, address, 'member')
    guest, other = f'guest{number}', new_user(f'other{number}', f'other{number}@away.example')
    assert refused(other, 'PUT', f'/data/pars/{secret}?accept=true')
    client = new_user(guest, address.upper())
    assert [row['par_id'] for row in client.get('/data/pars').rows] == [number]
    assert client.get(f'/data/pars/{number}').rows[0]['proj_id'] == PRIVATE
    assert refused(client, 'PUT', f'/data/pars/{number}?accept=true')
    assert refused(client, 'PUT', f'/data/pars/{secret[:-1]}?accept=true')
    assert client.put(f'/data/pars/{secret}?accept=true').status == 200
    assert roles(admin)[guest] == f'{PRIVATE}_member'
    assert client.put(f'/data/pars/{secret}?accept=true').status == 409
    assert owner.put(f'/data/pars/{number}?decline=true').status == 409
    admin.ok('DELETE', f'/data/projects/{PRIVATE}/users/member/{guest}')


def test_a_secret_proves_a_changed_address(
    client_of: ClientOf, admin: Client, new_user: Callable[..., Client], address: str
) -> None:
    number, secret = invited(client_of('owner'), address, 'collaborator')
    client = new_user(f'late{number}')
    assert update(client, email=address, currentPassword=f'late{number}').status == 200
    assert client.put(f'/data/pars/{secret}?accept=true').status == 200
    assert roles(admin)[f'late{number}'] == f'{PRIVATE}_collaborator'
    admin.ok('DELETE', f'/data/projects/{PRIVATE}/users/collaborator/late{number}')


def test_the_secret_of_an_invitation_is_told_once_and_not_stored(
    client_of: ClientOf, server: Server, admin: Client, address: str
) -> None:
    owner = client_of('owner')
    _, secret = invited(owner, address)
    for client in (owner, admin):
        for path in ('/data/pars', f'/data/projects/{PRIVATE}/pars'):
            for answer in sent(client, 'GET', path):
                assert secret not in answer.text + str(answer.headers)
    for path in server.archive.folder.glob('archive.sqlite*'):
        assert secret.encode() not in path.read_bytes()


def test_who_may_withdraw_an_invitation(
    client_of: ClientOf, admin: Client, new_user: Callable[..., Client], address: str
) -> None:
    owner = client_of('owner')
    number, secret = invited(owner, address)
    for login in ('member', 'reader', 'outsider', 'stranger'):
        assert refused(client_of(login), 'PUT', f'/data/pars/{number}?decline=true')
        assert refused(client_of(login), 'GET', f'/data/pars/{secret}')
    assert refused(owner, 'PUT', f'/data/pars/{number}?accept=true')
    assert owner.put(f'/data/pars/{number}?decline=true').status == 200
    client = new_user(f'gone{number}', address)
    assert client.put(f'/data/pars/{secret}?accept=true').status == 409
    number, _ = invited(owner, f'x{address}')
    assert refused(admin, 'PUT', f'/data/pars/{number}?accept=true')
    new_user(f'late{number}', f'x{address}')
    assert admin.put(f'/data/pars/{number}?accept=true').status == 200
    assert roles(admin)[f'late{number}'] == f'{PRIVATE}_owner'
    admin.ok('DELETE', f'/data/projects/{PRIVATE}/users/owner/late{number}')


def test_a_new_invitation_ends_the_one_before(
    client_of: ClientOf, new_user: Callable[..., Client], address: str
) -> None:
    _, old = invited(client_of('owner'), address)
    number, _ = invited(client_of('owner'), address, 'collaborator')
    client = new_user(f'twice{number}', address)
    assert refused(client, 'PUT', f'/data/pars/{old}?accept=true')


# -- addresses


@pytest.mark.parametrize('same', [str, str.upper, str.title])
def test_an_address_belongs_to_one_user(
    client_of: ClientOf, admin: Client, server: Server, same: Callable[[str], str]
) -> None:
    taken = same('owner@here.example')
    values = {'username': 'second', 'password': 'x', 'firstName': 'A', 'lastName': 'B'}
    answer = admin.post('/xapi/users', json.dumps({**values, 'email': taken}), **JSON)
    assert answer.status == 409
    assert admin.put('/xapi/users/member', json.dumps({'email': taken}), **JSON).status == 409
    assert update(client_of('member'), email=taken, currentPassword='member').status == 409
    with pytest.raises(ValueError, match='address'):
        server.add_user('second', 'x', email=taken)


@pytest.mark.parametrize('word', [None, '', 'wrong', 'owner', 'MEMBER'])
def test_a_user_changes_the_address_with_the_present_password_only(
    client_of: ClientOf, admin: Client, word: str | None
) -> None:
    values = {'email': 'new@here.example', **({} if word is None else {'currentPassword': word})}
    assert update(client_of('member'), **values).status == 400
    assert admin.get('/xapi/users/member').json['email'] == 'member@here.example'


def test_only_a_verified_address_of_one_user_counts(
    client_of: ClientOf,
    admin: Client,
    new_user: Callable[..., Client],
    address: str,
    server: Server,
) -> None:
    owner, path = client_of('owner'), f'/data/projects/{PRIVATE}/users/member'
    squatter = new_user('squatter')
    assert update(squatter, email=address, currentPassword='squatter').status == 200
    before = roles(admin)
    assert refused(owner, 'PUT', f'{path}/{address}')
    assert refused(owner, 'PUT', f'{path}/reader,{address.upper()}')
    assert roles(admin) == before, 'nothing of a refused list is done'
    new_user(f'a{address}')  # the login of one user, and the address of another
    admin.put('/xapi/users/squatter', json.dumps({'email': f'a{address}'}), **JSON)
    assert refused(owner, 'PUT', f'{path}/a{address}')
    with server.archive.store.write() as connection:  # of an archive before addresses were unique
        connection.exec_driver_sql(
            "update user set email = 'two@here.example' where login in ('squatter', 'stranger')"
        )
    assert refused(owner, 'PUT', f'{path}/two@here.example')
    with server.archive.store.write() as connection:
        connection.exec_driver_sql(
            "update user set email = login || '@here.example' where login in "
            "('squatter', 'stranger')"
        )
    assert roles(admin) == before


LISTS = (
    '/data/users',
    f'/data/projects/{PUBLIC}/users',
    f'/data/projects/{PUBLIC}/users/true',
    f'/data/projects/{PUBLIC}/users?includeAllDataAccess=true',
    f'/data/projects/{PRIVATE}/users',
    f'/data/projects/{PUBLIC}/pars',
    f'/data/projects/{PUBLIC}',
    f'/data/projects/{PUBLIC}/subjects/S/experiments/E',
    f'/data/projects/{PUBLIC}/subjects/S/experiments/E/history',
    '/data/pars',
    '/data/user',
    '/data/user/owner',
    '/data/services/workflows?display=ALL',
    '/data/services/audit/xnat:projectData/PUBLIC',
    '/data/projects',
    '/data/experiments',
    '/xapi/users/profiles',
    '/xapi/users/current',
    '/xapi/users/profile/owner',
    '/xapi/users/owner',
    '/xapi/users/authDetails/owner',
    '/xapi/siteConfig',
)
SEEN = {
    'outsider': {'outsider'},
    'stranger': {'stranger'},
    'reader': {'reader'},
    'member': {'member'},
    'owner': {'owner', 'member', 'reader'},
}
"""Whose addresses each user may see."""


@pytest.mark.sample(3)
@pytest.mark.parametrize('login', SEEN)
@pytest.mark.parametrize('path', LISTS)
def test_addresses_are_shown_to_their_users_owners_and_administrators(
    client_of: ClientOf, login: str, path: str
) -> None:
    client = client_of(login)
    answers = sent(client, 'GET', path) if path.startswith('/data') else [client.get(path)]
    for answer in answers:
        seen = set(re.findall(r'(\w+)@here\.example', answer.body.decode('latin-1')))
        assert seen <= SEEN[login], path


@pytest.mark.parametrize('login', SEEN)
def test_a_search_of_workflows_shows_and_finds_no_other_address(
    client_of: ClientOf, login: str
) -> None:
    kind = 'wrk:workflowData'
    for writer in ('owner', 'member'):
        path = f'/data/projects/{PUBLIC}/subjects/S/experiments/E?{M}/note={writer}{login}'
        client_of(writer).ok('PUT', path)
    columns = ['ID', 'USERLOGIN', 'USEREMAIL']
    rows = client_of(login).post('/data/search?format=csv', document(kind, columns)).csv
    seen = {row['useremail'].partition('@')[0] for row in rows}
    assert seen <= SEEN[login] | {''} and {'owner', 'member'} <= {row['userlogin'] for row in rows}
    wanted = criterion(f'{kind}.USEREMAIL', 'LIKE', '%owner@%')
    found = client_of(login).post('/data/search?format=csv', document(kind, columns, wanted))
    assert bool(found.csv) == ('owner' in SEEN[login])


def test_owners_and_administrators_see_addresses(client_of: ClientOf, admin: Client) -> None:
    for client in (client_of('owner'), admin):
        rows = client.get(f'/data/projects/{PUBLIC}/users').rows
        found = {row['login']: row['email'] for row in rows}
        assert found['reader'] == 'reader@here.example'
    assert 'stranger@here.example' in admin.get('/data/users').text
    assert 'stranger@here.example' in admin.get('/xapi/users/profiles').text


@pytest.mark.parametrize(
    'query',
    ['', 'accessible=false', 'accessible=true', 'data=readable', 'owner=false', 'prearc_code=true'],
)
def test_the_search_for_projects_names_no_hidden_one(client_of: ClientOf, query: str) -> None:
    for login in ('outsider', 'stranger'):
        for form in ('search_xml', 'json', 'csv'):
            answer = client_of(login).get(f'/data/projects?format={form}&{query}')
            assert PRIVATE not in answer.text
    assert PRIVATE in client_of('reader').get('/data/projects?format=search_xml').text


# -- saved searches


@pytest.fixture
def search(client_of: ClientOf, admin: Client) -> Iterator[str]:
    """Save a search of the member, secure, with a telling title."""
    name = f'secret{next(_numbers)}'
    body = document(
        M, ['LABEL'], criterion(f'{M}/note', '=', 'telling'), secure='1', brief_description=name
    )
    client_of('member').ok('PUT', f'{SAVED}/{name}', body)
    yield name
    admin.ok('DELETE', f'{SAVED}/{name}')


PLACES = (SAVED, f'/data/projects/{PRIVATE}/searches', f'/data/projects/{PUBLIC}/searches')


@pytest.mark.parametrize('login', ['owner', 'reader', 'outsider', 'stranger'])
@pytest.mark.parametrize('place', [*PLACES, f'/data/projects/{OWN}/searches'])
def test_the_saved_search_of_another_is_not_read(
    client_of: ClientOf, search: str, login: str, place: str
) -> None:
    client = client_of(login)
    assert refused(client, 'GET', f'{place}/{search}')
    assert refused(client, 'GET', f'{place}/@{search}')
    assert refused(client, 'GET', f'{SAVED}/{search}/results')
    for query in ('', '?all=true', '?includeTag=true', '?user=member', f'?includeTag={PUBLIC}'):
        for answer in sent(client, 'GET', f'{SAVED}{query}'):
            assert search not in answer.text and 'telling' not in answer.text


@pytest.mark.parametrize('login', ['owner', 'reader', 'outsider'])
def test_the_saved_search_of_another_is_not_changed(
    client_of: ClientOf, admin: Client, search: str, login: str
) -> None:
    client, before = client_of(login), admin.get(f'{SAVED}/{search}').body
    mine = document(M, ['LABEL'], secure='0', brief_description=search)
    for query in ('', '?saveAs=true', '?saveAs=true&format=xml'):
        assert refused(client, 'PUT', f'{SAVED}/{search}{query}', mine)
    assert refused(client, 'DELETE', f'{SAVED}/{search}')
    for place in PLACES[1:]:
        for answer in sent(client, 'DELETE', f'{place}/{search}'):
            assert answer.status >= 400
    assert admin.get(f'{SAVED}/{search}').body == before
    assert client_of('member').get(f'{SAVED}/{search}/results').status == 200


def test_a_search_of_a_project_is_saved_and_seen_by_those_who_read_it(
    client_of: ClientOf, admin: Client
) -> None:
    body = document(M, ['LABEL'], secure='0', tag=PRIVATE, brief_description='of PRIVATE')
    for login in ('outsider', 'stranger'):
        assert refused(client_of(login), 'PUT', f'{SAVED}/tagged', body)
    client_of('reader').ok('PUT', f'{SAVED}/tagged', body)
    assert client_of('member').get(f'{SAVED}/tagged').status == 200
    assert refused(client_of('member'), 'PUT', f'{SAVED}/another', body), 'same tag and title'
    for login in ('outsider', 'stranger'):
        assert refused(client_of(login), 'GET', f'{SAVED}/tagged')
        assert refused(client_of(login), 'GET', f'{PLACES[2]}/tagged')
        for query in ('?includeTag=true', f'?includeTag={PRIVATE}'):
            for answer in sent(client_of(login), 'GET', f'{SAVED}{query}'):
                assert 'of PRIVATE' not in answer.text
    assert refused(client_of('stranger'), 'GET', f'{SAVED}?includeTag={PRIVATE}'), 'as unknown'
    admin.ok('DELETE', f'{SAVED}/tagged')


def test_the_listing_of_a_project_belongs_to_it(client_of: ClientOf, admin: Client) -> None:
    name = f'{PRIVATE}_{S}'
    body = document(S, ['SUBJECT_LABEL'], tag=PRIVATE, secure='1', brief_description='Subjects')
    for login in ('member', 'reader', 'outsider'):
        assert refused(client_of(login), 'PUT', f'{SAVED}/{name}', body)
    client_of('owner').ok('PUT', f'{SAVED}/{name}', body)
    path = f'/data/projects/{PRIVATE}/searches/@{S}'
    assert client_of('reader').get(path).body.count(b'search_field') == 2
    assert refused(client_of('reader'), 'DELETE', f'{SAVED}/{name}')
    assert refused(client_of('stranger'), 'GET', path)
    assert refused(client_of('stranger'), 'GET', f'{SAVED}/{name}')
    client_of('owner').ok('DELETE', f'{SAVED}/{name}')


def test_the_cached_result_of_another_is_empty(client_of: ClientOf) -> None:
    body = document(M, ['LABEL'])
    found = client_of('member').post('/data/search?cache=true&format=json', body).result
    for login in ('owner', 'reader', 'outsider', 'admin'):
        for road in (f'/data/search/{found["ID"]}', f'/data/search/{found["ID"]}/label'):
            for answer in sent(client_of(login), 'GET', road):
                assert answer.body == b''
    assert client_of('member').get(f'/data/search/{found["ID"]}').rows


# -- tokens


def test_the_token_of_another_is_neither_told_nor_ended(client_of: ClientOf, admin: Client) -> None:
    token = client_of('member').get('/data/services/tokens/issue').json
    for login in ('owner', 'outsider', 'admin'):
        for answer in sent(client_of(login), 'GET', '/data/services/tokens/show'):
            assert token['alias'] not in answer.text and token['secret'] not in answer.text
    for client in (client_of('member'), client_of('owner')):
        for path in ('show', 'show/member', 'show/user/member'):  # wrong secrets are slowed
            for answer in sent(client, 'GET', f'/data/services/tokens/{path}'):
                assert token['secret'] not in answer.text
    for login in ('owner', 'outsider'):
        client = client_of(login)
        assert refused(client, 'GET', '/data/services/tokens/issue/user/member')
        assert refused(client, 'GET', f'/data/services/tokens/invalidate/{token["alias"]}')
        path = f'/data/services/tokens/validate/{token["alias"]}/wrong'
        assert client.get(path).json == {}
    by_token = f'/data/services/tokens/validate/{token["alias"]}/{token["secret"]}'
    assert admin.get(by_token).json == {'valid': 'member'}


# -- workflows


def flow(name: str, **more: str) -> str:
    values = {
        'ID': name,
        'data_type': M,
        'pipeline_name': f'forged{next(_numbers)}',
        'launch_time': '2020-01-02T03:04:05',
        'status': 'Complete',
        **more,
    }
    return '&'.join(f'wrk:workflowData/{key}={value}' for key, value in values.items())


@pytest.mark.parametrize('login', ['reader', 'outsider', 'stranger'])
@pytest.mark.parametrize('project', [PRIVATE, PUBLIC])
def test_who_may_not_edit_an_item_writes_no_workflow(
    client_of: ClientOf, admin: Client, ids: dict[str, str], login: str, project: str
) -> None:
    client = client_of(login)
    for name in (ids[project], ids[f'{project} S'], project):
        assert refused(client, 'PUT', f'/data/workflows?{flow(name)}')
        assert refused(client, 'PUT', f'/data/workflows?{flow(name, ExternalID=OWN)}')
    assert 'forged' not in admin.get(f'/data/experiments/{ids[project]}/history').text
    document = (
        f'<wrk:Workflow xmlns:wrk="http://nrg.wustl.edu/workflow" ID="{ids[project]}" '
        f'data_type="{M}" launch_time="2020-01-02T03:04:05" pipeline_name="forged" '
        'status="Complete"/>'
    )
    answer = client.put('/data/workflows', document.encode(), **{'Content-Type': 'text/xml'})
    assert answer.status == 403, answer.text


def test_a_workflow_is_not_moved_into_the_history_of_another_item(
    client_of: ClientOf, admin: Client, ids: dict[str, str]
) -> None:
    outsider = client_of('outsider')
    mine = outsider.ok('PUT', f'/data/projects/{OWN}/subjects/S/experiments/W?xsiType={M}')
    assert refused(outsider, 'PUT', f'/data/workflows?{flow(mine, ExternalID=PRIVATE)}')
    outsider.ok('PUT', f'/data/workflows?{flow(mine, pipeline_name="moved")}')
    rows = outsider.get('/data/services/workflows/moved?display=ALL&format=json').rows
    number = rows[0]['wrk_workflowData_id']
    for change in (
        f'ID={ids[PUBLIC]}',
        f'ID={ids[PRIVATE]}',
        f'ExternalID={PRIVATE}',
        f'ExternalID={PUBLIC}',
    ):
        assert refused(outsider, 'PUT', f'/data/workflows/{number}?wrk:workflowData/{change}')
    outsider.ok('PUT', f'/data/workflows/{number}?status=Failed')
    for login in ('member', 'owner', 'stranger'):
        for method in ('GET', 'PUT'):
            assert refused(client_of(login), method, f'/data/workflows/{number}?status=Complete')


def test_workflows_are_seen_with_their_items(
    client_of: ClientOf, admin: Client, ids: dict[str, str]
) -> None:
    admin.ok('PUT', f'/data/workflows?{flow(ids[PRIVATE], pipeline_name="hidden")}')
    rows = admin.get('/data/services/workflows/hidden?display=ALL&format=json').rows
    number = rows[0]['wrk_workflowData_id']
    for login in ('outsider', 'stranger'):
        client = client_of(login)
        assert refused(client, 'GET', f'/data/workflows/{number}')
        for path in (
            '/data/services/workflows?display=ALL',
            f'/data/services/workflows?experiment={ids[PRIVATE]}&display=ALL',
            '/data/services/workflows/hidden?display=ALL',
            f'/data/services/workflows/hidden?project={PRIVATE}',
            f'/data/services/workflows/workflowid/{number}',
            f'/data/services/audit/{M}/{ids[PRIVATE]}',
            f'/data/experiments/{ids[PRIVATE]}/history',
        ):
            for answer in sent(client, 'GET', path):
                assert ids[PRIVATE] not in answer.text or answer.status >= 400, path
                assert PRIVATE not in answer.text.replace(path, '') or answer.status >= 400, path
    assert client_of('reader').get(f'/data/workflows/{number}').status == 200


def test_a_project_with_the_id_of_an_item_opens_no_history(
    client_of: ClientOf, admin: Client
) -> None:
    outsider = client_of('outsider')
    name = admin.ok(
        'PUT', f'/data/projects/{PRIVATE}/subjects/S/experiments/NAMED?xsiType=xnat:mrSessionData'
    )
    outsider.put(f'/data/projects/{name}?accessibility=private')
    for answer in sent(outsider, 'GET', '/data/services/workflows?display=ALL'):
        assert PRIVATE not in answer.text
    assert refused(outsider, 'PUT', f'/data/workflows?{flow(name)}')
    assert refused(outsider, 'PUT', f'/data/workflows?{flow(name, ExternalID=name)}')
    columns = ['ID', 'ExternalID', 'pipeline_name']
    rows = outsider.post('/data/search?format=csv', document('wrk:workflowData', columns)).csv
    assert PRIVATE not in {row['externalid'] for row in rows}


# -- sharing


@pytest.mark.parametrize('login', ['outsider', 'reader'])
def test_items_are_shared_by_those_who_may_edit_them(
    client_of: ClientOf, admin: Client, ids: dict[str, str], login: str
) -> None:
    client = client_of(login)
    target = f'{OWN}_{login}'
    client.put(f'/data/projects/{target}?accessibility=private')
    for source in (PUBLIC, PRIVATE):
        base = f'/data/projects/{source}/subjects/S'
        for path in (
            f'{base}/projects/{target}?label=S',
            f'{base}/experiments/E/projects/{target}?label=E',
            f'{base}/experiments/E/projects/{target}?primary=true',
            f'/data/experiments/{ids[source]}/projects/{target}',
            f'/data/experiments/{ids[source]}/scans/1/projects/{target}',
            f'{base}?xnat:subjectData/sharing/share/project={target}',
        ):
            assert refused(client, 'PUT', path)
    assert client.get(f'/data/projects/{target}/experiments').rows == []
    assert admin.get(f'/data/projects/{PUBLIC}/subjects/S/projects?format=json').rows[1:] == []


def test_a_member_shares_into_an_own_project(client_of: ClientOf, admin: Client) -> None:
    member = client_of('member')
    member.ok('PUT', '/data/projects/MEMBERS?accessibility=private')
    path = f'/data/projects/{PRIVATE}/subjects/S/projects/MEMBERS'
    member.ok('PUT', f'{path}?label=S')
    admin.ok('DELETE', path)


# -- projects: settings, configurations, forms


@pytest.mark.parametrize('name', ['prearchive_code', 'quarantine_code', 'current_arc'])
@pytest.mark.parametrize('login', ['member', 'reader', 'outsider'])
def test_only_owners_set_the_codes_of_a_project(
    client_of: ClientOf, admin: Client, name: str, login: str
) -> None:
    for project in (PRIVATE, PUBLIC):
        path = f'/data/projects/{project}/{name}'
        before = admin.get(path).text
        assert refused(client_of(login), 'PUT', f'{path}/5')
        client_of(login).put(f'/data/projects/{project}?{name}=5')
        client_of(login).put(f'/data/projects/{project}?arc:project/{name}=5')
        assert admin.get(path).text == before


def test_configurations_of_a_private_project_are_its_own(
    client_of: ClientOf, admin: Client
) -> None:
    admin.ok('PUT', f'/data/projects/{PRIVATE}/config/tool/path', b'confidential')
    for login in ('outsider', 'stranger'):
        for tail in (
            '',
            '/tool',
            '/tool/path',
            '/tool/path?contents=true',
            '/tool?action=getHistory',
        ):
            assert refused(client_of(login), 'GET', f'/data/projects/{PRIVATE}/config{tail}')
            for answer in sent(client_of(login), 'GET', f'/data/config{tail}'):
                assert 'confidential' not in answer.text
    for login in ('member', 'reader', 'outsider'):
        for method in ('PUT', 'DELETE'):
            path = f'/data/projects/{PRIVATE}/config/tool/path?status=disabled'
            assert refused(client_of(login), method, path)
            assert refused(client_of(login), method, '/data/config/tool/path?status=disabled')
    path = f'/data/projects/{PRIVATE}/config/tool/path?contents=true'
    assert client_of('reader').get(path).text == 'confidential'


def test_forms_of_a_private_project_are_its_own(client_of: ClientOf, admin: Client) -> None:
    about = {
        'isThisASiteWideConfiguration': 'No',
        'xnatDatatype': {'value': M},
        'xnatProject': [{'value': PRIVATE}],
        'zIndex': 10,
    }
    builder = {
        'title': 'Confidential',
        'components': [{'key': 'confidential', 'type': 'textfield', 'input': True, 'label': 'c'}],
    }
    body = json.dumps({'submission': {'data': about}, 'builder': builder})
    form = admin.put('/xapi/customforms/save', body, **JSON).text
    (use,) = [one for one in admin.get('/xapi/customforms').json if one['formUUID'] == form]
    reference = use['appliesToList'][0]['idCustomVariableFormAppliesTo']
    for login in ('outsider', 'stranger'):
        client = client_of(login)
        for path in (
            '/xapi/customforms',
            f'/xapi/customforms?projectId={PRIVATE}',
            f'/xapi/customforms/element?xsiType={M}&projectId={PRIVATE}',
            f'/data/search/elements/{M}?format=json',
        ):
            answer = client.get(path)
            assert form not in answer.text and PRIVATE not in answer.text
            assert 'onfidential' not in answer.text
        assert client.get(f'/xapi/customforms/hasdata/{reference}').status == 404
        assert client.put('/xapi/customforms/save', body, **JSON).status == 403
        uses = json.dumps([{'entityId': PRIVATE, 'idCustomVariableFormAppliesTo': reference}])
        assert client.post('/xapi/customforms/disable', uses, **JSON).status == 403
    assert form in client_of('reader').get('/xapi/customforms').text
    assert client_of('reader').get(f'/xapi/customforms/hasdata/{reference}').json is False


# -- the prearchive, the user cache, downloads


@pytest.mark.parametrize('project', [PRIVATE, PUBLIC])
def test_sessions_that_wait_are_for_those_who_may_edit(client_of: ClientOf, project: str) -> None:
    answer = client_of('member').post(
        f'/data/services/import?inbody=true&dest=/prearchive/projects/{project}',
        zipped(members(STUDY)),
    )
    uri = answer.text.strip()
    name = uri.removeprefix('/data')
    for login in ('reader', 'outsider', 'stranger'):
        client = client_of(login)
        for tail in ('', '/scans', '/logs', '/scans/1/resources/DICOM/files', '/resources'):
            assert refused(client, 'GET', f'{uri}{tail}')
        for action in (
            'reset',
            'build',
            f'move&newProject={OWN}',
            'commit&AA=true',
            'set&status=ERROR',
        ):
            assert client.post(f'{uri}?action={action}').status == 403
        assert refused(client, 'DELETE', uri)
        for service in (
            'prearchive/move',
            'prearchive/delete',
            'prearchive/rebuild',
            'archive',
            'validate-archive',
        ):
            for prefix in ('/data', ''):
                form = f'src={prefix}{name}&newProject={OWN}&dest=/archive/projects/{OWN}'
                assert client.post(f'/data/services/{service}', form, **FORM).status == 403
        assert refused(client, 'GET', f'/data/services/dicomdump?src={name}')
        for answer in sent(client, 'GET', '/data/prearchive'):
            assert name not in answer.text
    for login in ('outsider', 'stranger'):
        assert refused(client_of(login), 'GET', f'/data/prearchive/projects/{project}')
        assert refused(client_of(login), 'GET', f'/data/prearchive/projects/{project},{OWN}')
    assert name in client_of('reader').get(f'/data/prearchive/projects/{project}').text
    assert client_of('member').delete(uri).status == 200


def test_a_user_cache_is_its_users(client_of: ClientOf) -> None:
    path = '/data/user/cache/resources/R/files/note.txt'
    client_of('member').ok('PUT', f'{path}?inbody=true', b'confidential')
    for login in ('owner', 'outsider', 'admin'):
        client = client_of(login)
        for wanted in (path, '/data/user/cache/resources/R', '/data/user/cache/resources/R/files'):
            assert refused(client, 'GET', wanted)
        for trick in ('..%2Fmember%2FR', '%2E%2E', 'R%2F..%2F..%2Fmember'):
            answer = client.get(f'/data/user/cache/resources/{trick}/files/note.txt')
            assert answer.status >= 400 and b'confidential' not in answer.body
        moved = client.post(
            f'/data/services/move-files?src=/user/cache/resources/R/files/note.txt&dest='
            f'/archive/projects/{OWN}/resources/X/files/note.txt'
        )
        assert moved.status >= 400
        source = '/data/user/cache/resources/R/files/note.txt'
        assert client.post(f'/data/services/import?src={source}').status >= 400
    assert client_of('member').get(path).body == b'confidential'


def test_a_prepared_download_is_its_users(client_of: ClientOf, ids: dict[str, str]) -> None:
    asked = {
        'projectIds': [PRIVATE],
        'sessions': [f'{PRIVATE}:S:E:{ids[PRIVATE]}'],
        'scan_formats': ['DICOM'],
        'scan_types': ['T1'],
    }
    name = client_of('member').post('/xapi/archive/download', json.dumps(asked), **JSON).text
    assert name.startswith('member-')
    for login in ('owner', 'reader', 'outsider', 'admin'):
        for tail in ('', '/zip', '/xml', '/test'):
            for verb in ('GET', 'HEAD'):
                status = client_of(login)(verb, f'/xapi/archive/download/{name}{tail}').status
                assert status in (403, 415)
    assert client_of('outsider').post(
        '/xapi/archive/download', json.dumps(asked), **JSON
    ).status in (
        204,
        403,
        404,
    )
    assert client_of('member').get(f'/xapi/archive/download/{name}/xml').status == 200


def test_the_progress_of_another_is_empty(client_of: ClientOf) -> None:
    client_of('member').ok('POST', '/data/status/log?status=PROCESSING&message=confidential')
    for login in ('owner', 'outsider', 'admin'):
        for answer in sent(client_of(login), 'GET', '/data/status/log'):
            assert 'confidential' not in answer.text


def test_an_older_archive_verifies_addresses_again(tmp_path: Path) -> None:
    """Before, a user could have set any address."""
    with serve(tmp_path, password='root') as running:
        running.add_user('old', 'old', email='old@here.example')
    with closing(sqlite3.connect(tmp_path / 'archive.sqlite')) as connection:
        connection.execute('alter table user drop column email_verified')
        connection.execute('pragma user_version = 3')
        connection.commit()
    with serve(tmp_path, password='root') as running:
        admin = Client(running, 'admin', 'root')
        admin.ok('PUT', '/data/projects/P')
        path = '/data/projects/P/users/member/old@here.example'
        assert admin.put(path).status == 409
        saved = json.dumps({'email': 'old@here.example'})
        assert admin.put('/xapi/users/old', saved, **JSON).status == 200
        assert admin.put(path).status == 200
        admin.close()
