"""Tests of ``/xapi`` and ``/schemas``.

Paths, statuses and rights follow XNAT 1.8's published description of its API.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pyxnat.server import Server, serve

from .conftest import Answer, Client
from .searches import run

JSON = {'Content-Type': 'application/json'}
ADA = {
    'username': 'ada',
    'firstName': 'Ada',
    'lastName': 'Lovelace',
    'email': 'ada@example.org',
    'password': 'engine',
}


def send(client: Client, method: str, path: str, value: Any) -> Answer:
    return client(method, path, json.dumps(value), JSON)


def get_json(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status == 200, (path, answer.status, answer.text)
    return json.loads(answer.body)


@pytest.fixture
def ada(admin: Client, server: Server) -> Iterator[Client]:
    """Return a client of a separate user, who is enabled and in no group."""
    if send(admin, 'POST', '/xapi/users', ADA).status == 409:
        admin.put('/xapi/users/ada/enabled/true')
        admin.put('/xapi/users/ada/verified/true')
        send(admin, 'PUT', '/xapi/users/ada', {'password': 'engine'})
        for group in get_json(admin, '/xapi/users/ada/groups'):
            assert admin.delete(f'/xapi/users/ada/groups/{group}').status == 200
    client = Client(server, 'ada', 'engine')
    yield client
    client.close()


# -- responses


def test_a_refusal_is_plain_text(admin: Client, client_of: Callable[[str | None], Client]) -> None:
    for path in ('/xapi/nothing', '/xapi'):
        answer = admin.get(path)
        assert (answer.status, answer.headers.get_content_type()) == (
            404,
            'text/html',
        ) and '<b>Message</b>' in answer.text
    for path, status in (('/xapi/users/nobody', 404), ('/xapi/schemas/nothing', 404)):
        answer = admin.get(path)
        assert (answer.status, answer.headers.get_content_type()) == (status, 'text/plain')
        assert '<' not in answer.text and answer.text.strip()
    refused = client_of('member').get('/xapi/users/active')
    assert (refused.status, 'administrator' in refused.text) == (403, True)


def test_an_empty_response_has_no_type(admin: Client) -> None:
    answer = admin.post('/xapi/siteConfig/sampleOfATest', b'x')
    assert (answer.status, answer.body, answer.headers['Content-Type']) == (200, b'', None)


def test_a_method_that_a_route_lacks_is_405(admin: Client) -> None:
    answer = admin.delete('/xapi/siteConfig')
    assert (answer.status, answer.headers['Allow']) == (405, 'GET, POST')


def test_a_body_must_be_json(admin: Client) -> None:
    assert admin('POST', '/xapi/users', 'x=1', {'Content-Type': 'text/plain'}).status == 415
    assert admin('POST', '/xapi/users', '{"x":', JSON).status == 400
    assert send(admin, 'POST', '/xapi/users', ['ada']).status == 400


def test_requests_without_a_login_are_401(server: Server) -> None:
    client = Client(server)
    for path in ('/xapi/users', '/xapi/siteConfig/buildInfo', '/xapi/schemas/xnat'):
        assert client.get(path).status == 401
    client.close()


def test_requests_that_guests_may_send(tmp_path: Path) -> None:
    with serve(tmp_path, password='p', require_login=False) as server:
        guest = Client(server)
        assert set(get_json(guest, '/xapi/siteConfig')) == {'siteId', 'siteUrl'}
        assert guest.get('/xapi/siteConfig/siteId').text == 'XNAT'
        assert get_json(guest, '/xapi/siteConfig/buildInfo')['version'] and 'xnat' in get_json(
            guest, '/xapi/schemas'
        )
        for path in (
            '/xapi/users',
            '/xapi/users/username',
            '/xapi/users/admin',
            '/xapi/users/active',
            '/xapi/siteConfig/sessionTimeout',
        ):
            answer = guest.get(path)
            assert (path, answer.status) == (path, 401) and answer.headers[
                'WWW-Authenticate'
            ] == 'Basic realm="XNAT"'
        assert guest.post('/xapi/siteConfig/siteId', b'mine').status == 401
        guest.close()


# -- site


def test_1_1_7_build_info(admin: Client) -> None:
    found = get_json(admin, '/xapi/siteConfig/buildInfo?format=json')
    assert {'version', 'buildNumber', 'buildDate', 'commit', 'timestamp'} <= set(found)
    assert admin.get('/xapi/siteConfig/buildInfo/version').text == found['version']
    assert get_json(admin, '/xapi/siteConfig/buildInfo/attributes') == {}


def test_1_1_8_uptime_increases(admin: Client) -> None:
    def seconds() -> float:
        found = get_json(admin, '/xapi/siteConfig/uptime')
        assert set(found) <= {'days', 'hours', 'minutes', 'seconds'}
        return float(found.get('minutes', 0)) * 60 + float(found['seconds'])

    before = time.monotonic()
    first = seconds()
    time.sleep(0.05)
    assert 0.04 < seconds() - first < time.monotonic() - before + 0.01
    assert admin.get('/xapi/siteConfig/uptime/display').text.endswith(' seconds')


def test_1_1_9_properties_are_visible_according_to_rights(
    admin: Client, client_of: Callable[[str | None], Client]
) -> None:
    wanted = {
        'sitewidePetTracers': 'PIB',
        'passwordComplexityMessage': 'long',
        'sampleOfATest': {'a': [1]},
    }
    assert send(admin, 'POST', '/xapi/siteConfig', wanted).status == 200
    assert wanted.items() <= get_json(admin, '/xapi/siteConfig').items()
    member = client_of('member')
    seen = get_json(member, '/xapi/siteConfig')
    assert (
        seen['siteId'] == 'XNAT'
        and seen['sitewidePetTracers'] == 'PIB'
        and seen['checksums'] is True
    )
    assert not {'passwordComplexityMessage', 'sampleOfATest', 'archivePath', 'requireLogin'} & set(
        seen
    )
    assert member.get('/xapi/siteConfig/sitewidePetTracers').text == 'PIB'
    assert member.get('/xapi/siteConfig/passwordComplexityMessage').status == 403
    assert get_json(member, '/xapi/siteConfig/values/siteId,checksums,siteNothing') == {
        'siteId': 'XNAT',
        'checksums': True,
    }
    assert member.get('/xapi/siteConfig/values/siteId,archivePath').status == 403
    assert admin.get('/xapi/siteConfig/nothing').status == 404
    for client in (member, client_of('owner')):
        assert client.post('/xapi/siteConfig/siteId', b'mine').status == 403
        assert send(client, 'POST', '/xapi/siteConfig', {'siteId': 'mine'}).status == 403
    assert admin.get('/xapi/siteConfig/siteId').text == 'XNAT'


def test_texts_have_no_quotes(admin: Client, server: Server) -> None:
    assert admin.get('/xapi/siteConfig/archivePath').text == str(server.archive.files.root)
    assert admin.get('/xapi/siteConfig/siteUrl').text == server.url
    assert admin.get('/xapi/siteConfig/requireLogin').text == 'true'


def test_preferences_with_an_effect(tmp_path: Path) -> None:
    with serve(tmp_path, password='p') as server:
        admin, guest = Client(server, 'admin', 'p'), Client(server)
        assert guest.get('/data/projects').status == 401
        assert admin.post('/xapi/siteConfig/requireLogin', b'false').status == 200
        assert guest.get('/data/projects').status == 200
        assert admin.post('/xapi/siteConfig/siteId', b'LAB').status == 200
        admin.ok('PUT', '/data/projects/P')
        assert admin.ok('PUT', '/data/projects/P/subjects/S') == 'LAB_S00001'
        assert admin.post('/xapi/siteConfig/sessionTimeout', b'soon').status == 400
        assert admin.post('/xapi/siteConfig/sessionTimeout', b'1 hour').status == 200
        assert server.archive.sessions.idle_limit_s == 3600
        for name, value in (
            ('archivePath', '/elsewhere'),
            ('requireLogin', 'maybe'),
            ('siteId', '  '),
        ):
            assert send(admin, 'POST', '/xapi/siteConfig', {name: value}).status == 400
        admin.close()
        guest.close()


def test_a_site_can_want_unsorted_results_and_tokens_for_an_hour(tmp_path: Path) -> None:
    asked = b"""<bundle xmlns="http://nrg.wustl.edu/security"><root_element_name>xnat:subjectData</root_element_name>
        <search_field><element_name>xnat:subjectData</element_name><field_ID>SUBJECT_LABEL</field_ID></search_field></bundle>"""
    with serve(tmp_path, password='p') as server:
        admin = Client(server, 'admin', 'p')
        admin.ok('PUT', '/data/projects/P')
        for label in ('B', 'A'):
            admin.ok('PUT', f'/data/projects/P/subjects/{label}')
        orders = []
        for wanted in (b'true', b'false'):
            assert admin.post('/xapi/siteConfig/defaultToSortedListings', wanted).status == 200
            found = json.loads(admin.post('/data/search?format=json', asked).body)
            orders.append([row['subject_label'] for row in found['ResultSet']['Result']])
        assert orders == [['A', 'B'], ['B', 'A']]
        assert admin.post('/xapi/siteConfig/aliasTokenTimeout', b'1 hour').status == 200
        token = get_json(admin, '/data/services/tokens/issue')
        assert token['estimatedExpirationTime'] - token['created'] == 3_600_000
        admin.close()


# -- users


def test_creating_a_user(admin: Client, server: Server) -> None:
    values = {**ADA, 'username': 'grace', 'email': 'grace@example.org'}
    answer = send(admin, 'POST', '/xapi/users', values)
    found = json.loads(answer.body)
    assert answer.status == 201
    assert {name: found[name] for name in ('username', 'firstName', 'lastName', 'email')} == {
        'username': 'grace',
        'firstName': 'Ada',
        'lastName': 'Lovelace',
        'email': 'grace@example.org',
    }
    assert (
        found['enabled'] and found['verified'] and found['secured'] and isinstance(found['id'], int)
    )
    assert (
        abs(admin.get('/xapi/users/grace').json['lastModified'] / 1000 - time.time()) < 60
        and 'engine' not in answer.text
    )
    assert send(admin, 'POST', '/xapi/users', values).status == 409
    grace = Client(server, 'grace', 'engine')
    assert grace.get('/xapi/users/username').text == 'grace'
    for client, path in ((grace, 'profile'), (admin, 'profile/grace'), (grace, 'grace')):
        again = get_json(client, f'/xapi/users/{path}')
        assert path == 'grace' or again.pop('lastSuccessfulLogin') >= again['lastModified']
        assert {name: value for name, value in again.items() if name != 'lastModified'} == found
    grace.close()


@pytest.mark.parametrize(
    'wrong',
    [
        {'username': ''},
        {'username': 'a:b'},
        {'username': 'a/b'},
        {'username': 'guest'},
        {'email': 'nowhere'},
        {'firstName': ''},
        {'lastName': '<b>'},
        {'enabled': 'yes'},
        {'username': 3},
    ],
)
def test_an_invalid_user_is_refused(admin: Client, wrong: dict[str, Any]) -> None:
    assert send(admin, 'POST', '/xapi/users', {**ADA, 'username': 'other', **wrong}).status == 400
    assert 'other' not in get_json(admin, '/xapi/users')


def test_a_user_without_a_password_cannot_log_in(admin: Client, server: Server) -> None:
    mute = {**ADA, 'username': 'mute', 'email': 'mute@example.org', 'password': None}
    assert send(admin, 'POST', '/xapi/users', mute).status == 201
    for word in ('', 'engine'):
        client = Client(server, 'mute', word)
        assert client.get('/data/projects').status == 401
        client.close()


def test_lists_of_users(admin: Client, ada: Client) -> None:
    assert {'admin', 'ada', 'owner', 'member'} <= set(get_json(ada, '/xapi/users'))
    own = get_json(admin, '/xapi/users/ada')['email']
    assert own in [row['email'] for row in get_json(ada, '/xapi/users/profiles')]
    admin.put('/xapi/users/ada/enabled/false')
    assert 'ada' not in [row['username'] for row in get_json(admin, '/xapi/users/current')]
    assert 'ada' in get_json(admin, '/xapi/users')


def test_the_list_of_users_can_be_for_administrators_only(tmp_path: Path) -> None:
    with serve(tmp_path, password='p', users={'u': 'p'}) as server:
        admin, user = Client(server, 'admin', 'p'), Client(server, 'u', 'p')
        assert admin.post('/xapi/siteConfig/restrictUserListAccessToAdmins', b'true').status == 200
        for path in (
            '/xapi/users',
            '/xapi/users/profiles',
            '/xapi/users/current',
            '/xapi/users/profile/admin',
            '/data/users',
        ):
            assert (path, user.get(path).status) == (path, 403)
            assert admin.get(path).status == 200
        assert (
            user.get('/xapi/users/profile/u').status
            == user.get('/xapi/users/profile').status
            == 200
        )
        admin.close()
        user.close()


def test_a_user_reads_only_their_own_account(admin: Client, ada: Client) -> None:
    for below in ('', '/enabled', '/verified', '/roles', '/groups', '/projects'):
        assert ada.get(f'/xapi/users/ada{below}').status == 200
        assert ada.get(f'/xapi/users/admin{below}').status == 403
        assert admin.get(f'/xapi/users/nobody{below}').status == 404
    for path in ('active', 'rolemap', 'roles', 'roles/Administrator'):
        assert ada.get(f'/xapi/users/{path}').status == 403
    for path in ('ada', 'ada/enabled/true', 'ada/roles/Administrator'):
        assert send(ada, 'PUT', f'/xapi/users/{path}', {'lastName': 'X'}).status == 403
    assert send(ada, 'POST', '/xapi/users', {**ADA, 'username': 'eve'}).status == 403


def test_changing_a_user(admin: Client, ada: Client) -> None:
    found = json.loads(
        send(
            admin, 'PUT', '/xapi/users/ada', {'lastName': 'Byron', 'email': 'byron@example.org'}
        ).body
    )
    assert (found['lastName'], found['email'], found['firstName']) == (
        'Byron',
        'byron@example.org',
        'Ada',
    )
    assert send(admin, 'PUT', '/xapi/users/ada', {'lastName': 'Byron'}).status == 304
    assert send(admin, 'PUT', '/xapi/users/ada', {'username': 'other'}).status == 400
    assert send(admin, 'PUT', '/xapi/users/ada', {'email': 'nowhere'}).status == 400
    assert send(admin, 'PUT', '/xapi/users/nobody', {'lastName': 'X'}).status == 404


def test_a_user_changes_address_and_password(ada: Client, server: Server) -> None:
    assert send(ada, 'PUT', '/xapi/users/update', {'password': 'new'}).status == 400
    assert (
        send(
            ada, 'PUT', '/xapi/users/update', {'password': 'new', 'currentPassword': 'wrong'}
        ).status
        == 400
    )
    found = send(
        ada,
        'PUT',
        '/xapi/users/update',
        {'password': 'new', 'currentPassword': 'engine', 'lastName': 'X'},
    )
    assert (found.status, json.loads(found.body)['lastName'] != 'X') == (200, True)
    for word, status in (('new', 200), ('engine', 401)):
        client = Client(server, 'ada', word)
        assert client.get('/data/projects').status == status
        client.close()


@pytest.mark.parametrize('flag', ['enabled', 'verified'])
def test_disabled_and_unverified_users_cannot_log_in(
    admin: Client, ada: Client, server: Server, flag: str
) -> None:
    key = ada.get('/data/JSESSION').text
    token = json.loads(ada.get('/data/services/tokens/issue').body)
    assert get_json(admin, f'/xapi/users/ada/{flag}') is True
    assert admin.put(f'/xapi/users/ada/{flag}/maybe').status == 400
    assert admin.put(f'/xapi/users/ada/{flag}/false').status == 200
    assert get_json(admin, f'/xapi/users/ada/{flag}') is False
    by_token, by_key = Client(server, token['alias'], token['secret']), Client(server)
    assert ada.get('/data/projects').status == by_token.get('/data/projects').status == 401
    assert by_key('GET', '/data/projects', headers={'Cookie': f'JSESSIONID={key}'}).status == 401
    admin.put(f'/xapi/users/ada/{flag}/true')
    assert ada.get('/data/projects').status == 200
    by_token.close()
    by_key.close()


def test_1_3_sessions_are_listed_and_ended(admin: Client, ada: Client, server: Server) -> None:
    key = ada.get('/data/JSESSION').text
    assert key in get_json(ada, '/xapi/users/active/ada')
    everybody = get_json(admin, '/xapi/users/active')
    assert key in everybody['ada']['sessions'] and everybody['ada']['count'] == len(
        everybody['ada']['sessions']
    )
    assert (
        ada.get('/xapi/users/active/admin').status
        == ada.delete('/xapi/users/active/admin').status
        == 403
    )
    assert key in json.loads(admin.delete('/xapi/users/active/ada').body)
    client = Client(server)
    assert client('GET', '/data/projects', headers={'Cookie': f'JSESSIONID={key}'}).status == 401
    client.close()
    assert (
        admin.delete('/xapi/users/active/ada').status
        == admin.get('/xapi/users/active/ada').status
        == 304
    )
    assert admin.delete('/xapi/users/active/nobody').status == 404


def test_the_administrator_role(admin: Client, ada: Client) -> None:
    assert (get_json(ada, '/xapi/users/ada/roles'), get_json(admin, '/xapi/users/admin/roles')) == (
        [],
        ['Administrator', 'DataManager', 'SiteUser'],
    )
    assert ada.get('/xapi/users/active').status == 403
    assert admin.put('/xapi/users/ada/roles/Administrator').status == 200
    roles = {'DataManager': ['admin'], 'SiteUser': ['admin', 'guest']}
    assert get_json(ada, '/xapi/users/rolemap') == {'Administrator': ['ada', 'admin'], **roles}, (
        'an open session has the role too'
    )
    assert get_json(ada, '/xapi/users/roles/Administrator') == ['ada', 'admin'] and get_json(
        ada, '/xapi/users/roles'
    ) == [
        'SiteUser',
        'DataManager',
        'Administrator',
    ]
    assert json.loads(send(admin, 'DELETE', '/xapi/users/ada/roles', ['Administrator']).body) == []
    answer = send(admin, 'PUT', '/xapi/users/ada/roles', ['Administrator', 'Nobody'])
    assert (answer.status, json.loads(answer.body)) == (202, ['Nobody'])
    assert admin.put('/xapi/users/ada/roles/Nobody').status == 400
    assert admin.delete('/xapi/users/ada/roles/Administrator').status == 200


def test_the_last_administrator_cannot_be_removed(admin: Client) -> None:
    assert admin.delete('/xapi/users/admin/roles/Administrator').status == 409
    assert admin.put('/xapi/users/admin/enabled/false').status == 409
    assert send(admin, 'PUT', '/xapi/users/admin', {'verified': False}).status == 409


def test_groups_of_projects(
    admin: Client, ada: Client, client_of: Callable[[str | None], Client]
) -> None:
    admin.ok('PUT', '/data/projects/G_1?accessibility=private')
    admin.ok('PUT', '/data/projects/G_1/users/owner/owner')
    owner = client_of('owner')
    assert ada.put('/xapi/users/ada/groups/G_1_member').status == 403
    assert owner.put('/xapi/users/ada/groups/G_1_member').status == 200
    assert get_json(ada, '/xapi/users/ada/groups') == ['G_1_member'] and get_json(
        ada, '/xapi/users/ada/projects'
    ) == {'G_1': 'member'}
    assert get_json(ada, '/xapi/users/projects') == ['G_1']
    assert owner.put('/xapi/users/ada/groups/G_1_collaborator').status == 200
    assert (
        get_json(ada, '/xapi/users/ada/groups') == ['G_1_collaborator']
        and get_json(ada, '/xapi/users/projects') == []
    )
    assert owner.put('/xapi/users/nobody/groups/G_1_member').status == 404
    assert (
        admin.put('/xapi/users/ada/groups/G_1_nothing').status
        == admin.put('/xapi/users/ada/groups/X_member').status
        == 404
    )
    assert send(admin, 'PUT', '/xapi/users/ada/groups', ['G_1_owner', 'X_owner']).status == 202
    assert ada.delete('/xapi/users/ada/groups/G_1_owner').status == 200
    assert get_json(ada, '/xapi/users/ada/groups') == []


def test_access_to_projects(admin: Client, ada: Client) -> None:
    admin.ok('PUT', '/data/projects/A1?name=First&secondary_ID=one&description=about')
    admin.ok('PUT', '/data/projects/A1/users/collaborator/ada')
    expected = {
        'ID': 'A1',
        'URI': '/data/projects/A1',
        'name': 'First',
        'secondary_ID': 'one',
        'description': 'about',
        'role': 'Collaborators',
        'group_id': 'A1_collaborator',
    }
    assert (
        get_json(ada, '/xapi/access/projects?format=json')
        == get_json(admin, '/xapi/access/ada/projects')
        == [expected]
    )
    assert ada.get('/xapi/access/admin/projects').status == 403


def test_how_users_log_in(admin: Client, ada: Client) -> None:
    assert get_json(ada, '/xapi/users/authProviders') == [
        {'providerId': 'localdb', 'name': 'Database', 'authMethod': 'localdb'}
    ]
    assert get_json(ada, '/xapi/users/authDetails/ada')[0]['authUser'] == 'ada'
    assert ada.get('/xapi/users/authDetails/admin').status == 403


# -- schemas


def test_4_6_schemas(admin: Client) -> None:
    names = get_json(admin, '/xapi/schemas?format=json')
    assert {'xnat', 'birn/birnprov'} <= set(names)
    for name in names:
        answer = admin.get(f'/xapi/schemas/{name}')
        assert (answer.status, answer.headers.get_content_type()) == (200, 'application/xml')
        assert '<xs:schema' in answer.text and 'xmlns:' in answer.text
        assert etree.fromstring(answer.body).tag == '{http://www.w3.org/2001/XMLSchema}schema'
    same = {
        admin.get(path).body
        for path in (
            '/xapi/schemas/xnat',
            '/xapi/schemas/xnat/xnat',
            '/schemas/xnat/xnat.xsd',
            '/schemas/xnat.xsd',
        )
    }
    assert len(same) == 1
    for path in ('/schemas/xnat', '/schemas/nothing.xsd', '/schemas/birn/xnat.xsd', '/schemas'):
        assert admin.get(path).status == 404


def test_documents_name_existing_schemas(admin: Client, filled: dict[str, str]) -> None:
    root = etree.fromstring(admin.get(f'/data/experiments/{filled["M1"]}?format=xml').body)
    places = root.get('{http://www.w3.org/2001/XMLSchema-instance}schemaLocation', '').split()
    for namespace, place in zip(places[::2], places[1::2], strict=True):
        answer = admin.get('/' + place.split('/', 3)[3])
        if namespace == 'http://nrg.wustl.edu/xnat':  # others are named by every XNAT
            assert (
                answer.status == 200
                and etree.fromstring(answer.body).get('targetNamespace') == namespace
            )


def test_data_types(admin: Client) -> None:
    assert {'xnat:mrSessionData', 'xnat:subjectData'} <= set(
        get_json(admin, '/xapi/schemas/datatypes')
    )
    names = get_json(admin, '/xapi/schemas/datatypes/names/all')
    assert {'xnat:mrSessionData', 'xnat:MRSession', 'http://nrg.wustl.edu/xnat:MRSession'} <= set(
        names['xnat_mrSessionData']
    )
    assert int(names['timestamp'][0]) <= time.time() * 1000
    for name in ('xnat:mrSessionData', 'xnat:MRSession', 'xnat_mrSessionData'):
        assert list(get_json(admin, f'/xapi/schemas/datatypes/names/{name}')) == [
            'xnat_mrSessionData'
        ]
    element = get_json(admin, '/xapi/schemas/datatypes/elements/xnat:mrSessionData')[
        'xnat_mrSessionData'
    ]
    assert (element['properName'], element['namespacePrefix']) == ('MRSession', 'xnat')
    assert element['fields']['imageSessionData'] == {
        'prefix': 'xnat',
        'xmlPath': 'imageSessionData',
        'xmlType': 'xnat:imageSessionData',
    }
    assert set(get_json(admin, '/xapi/schemas/datatypes/elements/all')) == set(names) - {
        'timestamp'
    }
    assert 'xnat:mrSessionData' in get_json(admin, '/xapi/schemas/datatypes/searchable')
    assert admin.get('/xapi/schemas/datatypes/names/xnat:nothing').status == 404


def test_there_are_no_plugins(admin: Client, client_of: Callable[..., Client]) -> None:
    assert get_json(admin, '/xapi/plugins') == {}
    assert admin.get('/xapi/plugins/ohifViewerPlugin').status == 404
    assert client_of(None).get('/xapi/plugins').status == 401


@pytest.mark.parametrize('which', ['elements', 'names'])
def test_data_types_of_a_request_body(admin: Client, which: str) -> None:
    path, names = f'/xapi/schemas/datatypes/{which}', ['xnat:mrSessionData', 'xnat:PETSession']
    expected = {
        key: value for name in names for key, value in get_json(admin, f'{path}/{name}').items()
    }
    assert set(expected) == {'xnat_mrSessionData', 'xnat_petSessionData'}
    form = {'Content-Type': 'application/x-www-form-urlencoded'}
    bodies = [({'dataTypes': names}, JSON), ({'dataTypes': names[:1], 'dataType': names[1]}, JSON)]
    for told_as, headers in [
        *((json.dumps(one), head) for one, head in bodies),
        ('&'.join(f'dataTypes={name}' for name in names), form),
    ]:
        answer = admin('POST', path, told_as, headers)
        assert (answer.status, answer.json) == (200, expected)
    assert admin('POST', path, '{"dataType": "xnat:nothing"}', JSON).status == 404
    assert admin('POST', path, '{"dataTypes": "xnat:mrSessionData"}', JSON).status == 400


@pytest.mark.parametrize(
    ('kind', 'name', 'path', 'xml_type'),
    [
        ('xnat:mrSessionData', 'coil', 'coil', 'xs:string'),
        ('xnat:petSessionData', 'tracer', '', ''),
        ('xnat:subjectData', 'demographics', 'demographics', 'xnat:abstractDemographicData'),
        ('xnat:projectData', 'alias', 'aliases/alias', 'xnat:projectData_alias'),
        ('xnat:imageSessionData', 'scan', 'scans/scan', 'xnat:imageScanData'),
        ('xnat:experimentData', 'date', 'date', 'xs:date'),
        ('xnat:mrScanData', 'tr', 'parameters/tr', 'xs:float'),
        ('xnat:mrScanData', 'meta', 'meta', 'xnat:mrScanData_meta_data'),
        ('xnat:mrScanData', 'quality', '', ''),
    ],
)
def test_a_type_is_described_by_its_own_fields(
    admin: Client, kind: str, name: str, path: str, xml_type: str
) -> None:
    found = get_json(admin, f'/xapi/schemas/datatypes/elements/{kind}')
    (described,) = found.values()
    wanted = {'prefix': 'xnat', 'xmlPath': path, 'xmlType': xml_type} if path else None
    assert described['fields'].get(name) == wanted
    assert described['defaultKey'] == {f'{next(iter(found))}_id': 'xs:integer'}


# -- custom fields

PLACES = (
    'projects/P',
    'projects/P/subjects/{S1}',
    'projects/P/subjects/S1',
    'subjects/{S1}',
    'projects/P/subjects/S1/experiments/M1',
    'projects/P/experiments/M1',
    'projects/P/experiments/{M1}',
    'experiments/{M1}',
    'projects/P/subjects/S1/experiments/M1/scans/1',
    'projects/P/experiments/M1/scans/2',
    'experiments/{M1}/scans/1',
    'projects/P/subjects/{S1}/experiments/M1/assessors/A1',
    'projects/P/experiments/M1/assessors/{A1}',
    'experiments/{M1}/assessors/A1',
)


@pytest.mark.parametrize('place', PLACES)
def test_6_5_8_custom_fields(admin: Client, filled: dict[str, str], place: str) -> None:
    path = f'/xapi/custom-fields/{place.format(**filled)}/fields'
    for name in get_json(admin, path):
        admin.delete(f'{path}/{name}')
    assert get_json(admin, path) == {}
    assert json.loads(send(admin, 'PUT', path, {'KEY1': 'VAL 001'}).body) == {'KEY1': 'VAL 001'}
    both = {'KEY1': 'VAL 001', 'key2': 1000}
    assert (
        json.loads(send(admin, 'PUT', path, {'key2': 1000}).body) == get_json(admin, path) == both
    )
    assert (
        get_json(admin, f'{path}?fieldNames=key2,DNE')
        == get_json(admin, f'{path}?fieldNames=key2&fieldNames=DNE')
        == {'key2': 1000}
    )
    assert (admin.get(f'{path}/KEY1').text, admin.get(f'{path}/key2').text) == ('VAL 001', '1000')
    assert admin.get(f'{path}/DNE').status == 404
    assert json.loads(send(admin, 'PUT', path, {'key2': 'new'}).body) == {**both, 'key2': 'new'}
    assert (
        json.loads(admin.delete(f'{path}/key2').body) == {'KEY1': 'VAL 001'}
        and admin.delete(f'{path}/DNE').status == 404
    )


def test_custom_fields_can_have_any_kind(admin: Client, filled: dict[str, str]) -> None:
    values = {
        'str': 's',
        'int': 100,
        'float': 100.5,
        'null': None,
        'arr': ['1', '2'],
        'obj': {'a': {'b': 1}},
        'ünï': 'ö',
    }
    path = '/xapi/custom-fields/projects/Q/fields'
    assert json.loads(send(admin, 'PUT', path, values).body) == get_json(admin, path) == values
    assert (
        json.loads(send(admin, 'PUT', path, ['a']).body) == values
        and admin('PUT', path, 'no JSON', JSON).status >= 400
    )
    assert json.loads(fields_of_item(admin, '/data/projects/Q')['custom_fields']) == values
    assert admin.put('/data/projects/Q?xnat:projectData/custom_fields=1').status >= 400


def fields_of_item(admin: Client, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(admin.get(f'{path}?format=json').body)['items'][0][
        'data_fields'
    ]
    return found


S, M = 'xnat:subjectData', 'xnat:mrSessionData'


def form(title: str, kind: str, *projects: str, **more: Any) -> dict[str, Any]:
    about = {
        'idCustomVariableFormAppliesTo': '-1_-1',
        'formTitle': title,
        'zIndex': 10,
        'xnatDatatype': {'label': kind, 'value': kind},
        'isThisASiteWideConfiguration': 'no' if projects else 'yes',
        'xnatProject': [{'label': one, 'value': one} for one in projects],
        **more,
    }
    components = [{'label': 'Mood', 'type': 'textfield', 'key': 'mood', 'input': True}]
    return {
        'submission': {'data': about},
        'builder': {'display': 'form', 'title': title, 'components': components},
    }


def test_custom_forms_are_saved_listed_switched_and_deleted(
    admin: Client, client_of: Callable[[str | None], Client], filled: dict[str, str]
) -> None:
    base = '/xapi/customforms'
    assert (
        get_json(admin, base) == []
        and get_json(admin, f'{base}/env')['siteHasProtocolsPluginDeployed'] is False
    )
    saved = [
        send(admin, 'PUT', f'{base}/save', form(*one))
        for one in (('Site', S), ('Of P', S, 'P'), ('MR', M, 'P', 'Q'))
    ]
    assert [answer.status for answer in saved] == [201, 201, 201]
    uuids = [answer.text for answer in saved]
    rows = get_json(admin, base)
    assert [(row['formUUID'], row['scope'], len(row['appliesToList'])) for row in rows] == list(
        zip(uuids, ('Site', 'Project', 'Project'), (1, 1, 2), strict=True)
    )
    assert [row['formUUID'] for row in get_json(admin, f'{base}?projectId=Q')] == [
        uuids[0],
        uuids[2],
    ]
    pages = get_json(admin, f'{base}/element?xsiType={S}&projectId=P')['components']
    assert [(page['title'], page['components'][0]['key']) for page in pages] == [
        ('Of P', uuids[1]),
        ('Site', uuids[0]),
    ]
    send(
        admin,
        'PUT',
        f'/xapi/custom-fields/subjects/{filled["S1"]}/fields',
        {uuids[0]: {'mood': 'good'}},
    )
    name = f'{S}_CUSTOM-FORM_{uuids[0]}_MOOD'.upper()
    assert name in {
        row['FIELD_ID'] for row in admin.get(f'/data/search/elements/{S}?format=json').rows
    }
    assert [
        row['subject_label']
        for row in run(admin, S, ['SUBJECT_LABEL', name])
        if 'good' in row.values()
    ] == ['S1']
    uses = [[row['appliesToList'][0]] for row in get_json(admin, base)]
    assert get_json(admin, f'{base}/hasdata/{uses[0][0]["idCustomVariableFormAppliesTo"]}') is True
    assert send(admin, 'POST', f'{base}/disable', uses[1]).text == 'Form disabled'
    assert [
        page['title']
        for page in get_json(admin, f'{base}/element?xsiType={S}&projectId=P')['components']
    ] == ['Site']
    assert send(admin, 'POST', f'{base}/enable', uses[1]).text == 'Form Enabled'
    assert [send(admin, 'DELETE', base, use).text for use in uses] == [
        'Form Site: disabled',
        'Form P: deleted',
        'Form P: deleted',
    ]
    assert [row['formUUID'] for row in get_json(admin, base)] == [uuids[0], uuids[2]]
    wrong: list[Any] = [
        {},
        form('X', S, isThisASiteWideConfiguration='maybe'),
        form('X', 'xnat:none'),
        form('X', S, 'NO_SUCH'),
    ]
    assert [send(admin, 'PUT', f'{base}/save', one).status for one in wrong] == [400] * 4
    assert (
        send(client_of('outsider'), 'PUT', f'{base}/save', form('X', S)).status == 403
        and client_of(None).get(base).status == 401
    )


def test_rights_to_read_and_set_custom_fields(
    admin: Client, client_of: Callable[[str | None], Client], filled: dict[str, str]
) -> None:
    admin.ok('PUT', '/data/projects/CF?accessibility=private')
    admin.ok('PUT', '/data/projects/CF/subjects/S')
    for name in ('member', 'collaborator'):
        admin.ok('PUT', f'/data/projects/CF/users/{name}/{name}')
    path = '/xapi/custom-fields/projects/CF/subjects/S/fields'
    assert send(client_of('member'), 'PUT', path, {'a': 1}).status == 200
    assert (
        send(client_of('collaborator'), 'PUT', path, {'a': 2}).status
        == client_of('collaborator').delete(f'{path}/a').status
        == 403
    )
    assert get_json(client_of('collaborator'), path) == {'a': 1}
    assert (
        client_of('outsider').get(path).status
        == send(client_of('outsider'), 'PUT', path, {'a': 3}).status
        == 404
    )
    for wrong in (
        'projects/X',
        'projects/CF/subjects/X',
        'projects/Q/subjects/S',
        f'projects/CF/experiments/{filled["M1"]}',
        'experiments/M1',
    ):
        assert admin.get(f'/xapi/custom-fields/{wrong}/fields').status == 404


def test_custom_fields_are_deleted_with_their_item(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/GONE')
    admin.ok('PUT', '/data/projects/GONE/subjects/S')
    path = '/xapi/custom-fields/projects/GONE/subjects/S/fields'
    send(admin, 'PUT', path, {'a': 1})
    admin.ok('DELETE', '/data/projects/GONE/subjects/S')
    admin.ok('PUT', '/data/projects/GONE/subjects/S')
    assert get_json(admin, path) == {}
