"""Tests of saved searches, and of the listings that the server generates (fact 4.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lxml import etree

from .conftest import Client
from .searches import M, S, criterion, document

Clients = Callable[[str | None], Client]
SAVED = '/data/search/saved'


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str], admin: Client) -> Iterator[None]:
    admin.ok('PUT', '/data/projects/P/users/owner/owner')
    admin.ok('PUT', '/data/projects/P/users/member/member')
    admin.ok('PUT', '/data/projects/P/users/collaborator/collaborator')
    yield
    for row in admin.get(f'{SAVED}?all=true').rows:
        admin.ok('DELETE', f'{SAVED}/{row["id"]}')


def of(label: str, **attributes: str) -> bytes:
    return document(M, ['LABEL'], criterion(f'{M}/label', '=', label), **attributes)


def listed(client: Client, query: str = '') -> list[str]:
    return [row['id'] for row in client.get(f'{SAVED}?{query}').rows]


def labels(client: Client, path: str) -> list[str]:
    return [row['label'] for row in client.get(f'{path}?format=csv').csv]


def logins(client: Client, name: str) -> list[str]:
    return [
        node.text or ''
        for node in etree.fromstring(client.get(f'{SAVED}/{name}').body).findall(
            '{*}allowed_user/{*}login'
        )
    ]


def test_put_get_list_results_delete(admin: Client) -> None:
    assert (
        admin.put(
            f'{SAVED}/mine', of('M2', brief_description='two', description='the second', secure='1')
        ).status
        == 200
    )
    row = next(row for row in admin.get(SAVED).rows if row['id'] == 'mine')
    assert set(row) == {
        'id',
        'description',
        'root_element_name',
        'brief_description',
        'tag',
        'secure',
        'layeredsequence',
        'allow_diff_columns',
        'sort_by_element_name',
        'sort_by_field_id',
        'users',
        'stored_search_info',
        'extension',
    }
    assert (
        row['description'],
        row['brief_description'],
        row['root_element_name'],
        row['users'],
    ) == ('the second', 'two', M, '{admin}')
    found = etree.fromstring(admin.get(f'{SAVED}/mine').body)
    assert found.get('ID') == 'mine'
    assert labels(admin, f'{SAVED}/mine/results') == ['M2']
    assert admin.get(f'{SAVED}/mine/results?format=json').rows[0]['quarantine_status'] == 'active'
    assert admin.delete(f'{SAVED}/mine').status == 200
    assert listed(admin) == []


def test_an_unknown_search_is_not_found(admin: Client) -> None:
    assert admin.get(f'{SAVED}/none').status == 404
    assert admin.get(f'{SAVED}/none/results').status == 404
    assert admin.delete(f'{SAVED}/none').status == 200


def test_a_saved_document_is_read_back_with_the_same_meaning(admin: Client) -> None:
    extra = (
        f'<xdat:sort_by><xdat:element_name>{M}</xdat:element_name><xdat:field_ID>DATE</'
        'xdat:field_ID></xdat:sort_by>'
    )
    either = criterion(f'{M}/AGE', '<', '80') + criterion(f'{M}/LABEL', 'LIKE', 'a & <b>', 0)
    inner = f'<xdat:child_set method="OR">{either}</xdat:child_set>'
    body = document(
        M,
        ['LABEL', 'xnat:subjectData.SUB_PROJECT_IDENTIFIER=P'],
        inner,
        criterion(f'{M}.DATE', 'IS NULL', 'NULL', 1),
        extra=extra,
    )
    admin.ok('PUT', f'{SAVED}/full', body)
    once = admin.get(f'{SAVED}/full').body
    admin.ok('PUT', f'{SAVED}/full', once)
    assert admin.get(f'{SAVED}/full').body == once
    root = etree.fromstring(once)
    assert [etree.QName(node).localname for node in root] == [
        'root_element_name',
        'search_field',
        'search_field',
        'search_where',
        'sort_by',
        'allowed_user',
    ]
    assert root.findtext('.//{*}child_set/{*}criteria[2]/{*}value') == 'a & <b>'
    assert root.find('{*}search_where/{*}criteria').get('override_value_formatting') == '1'


@pytest.mark.parametrize(
    ('path', 'body', 'status'),
    [
        ('x', b'nonsense', 422),
        ('x', b'<other/>', 422),
        ('x', document('xnat:nothing', ['A']), 403),
        (f'@{M}', of('M1'), 400),
    ],
)
def test_a_document_that_cannot_be_saved_is_refused(
    admin: Client, path: str, body: bytes, status: int
) -> None:
    assert admin.put(f'{SAVED}/{path}', body).status == status


@pytest.mark.parametrize('name', ['a%20b', 'a%0Ab', '%40x', 'caf%C3%A9', 'a+b', '%61'])
def test_an_id_is_saved_as_it_was_sent(admin: Client, name: str) -> None:
    admin.ok('PUT', f'{SAVED}/{name}', of('M2'))
    assert listed(admin) == [name]
    assert labels(admin, f'{SAVED}/{name}/results') == ['M2']
    admin.ok('DELETE', f'{SAVED}/{name.replace("%", "")}x')
    assert listed(admin) == [name]


@pytest.mark.parametrize('at', ['%40', '%2540'])
@pytest.mark.parametrize('path', [SAVED, '/data/projects/P/searches'])
def test_the_listing_of_a_type_has_a_plain_at_sign(admin: Client, path: str, at: str) -> None:
    assert admin.get(f'{path}/@{M}').status == 200
    assert admin.get(f'{path}/{at}{M}').status == (404 if at == '%40' else 500)


def test_a_secure_search_is_visible_only_to_its_allowed_users(
    admin: Client, client_of: Clients
) -> None:
    member, collaborator = client_of('member'), client_of('collaborator')
    member.ok('PUT', f'{SAVED}/open', of('M1', secure='0'))
    member.ok('PUT', f'{SAVED}/closed', of('M1', secure='1'))
    group = '<xdat:allowed_groups><xdat:groupID>P_collaborator</xdat:groupID></xdat:allowed_groups>'
    member.ok('PUT', f'{SAVED}/grouped', document(M, ['LABEL'], extra=group, secure='1'))
    assert listed(member) == ['closed', 'grouped', 'open']
    assert listed(collaborator) == ['open'], 'groups let nobody in'
    assert listed(client_of('outsider')) == ['open']
    assert (
        collaborator.get(f'{SAVED}/closed').status
        == collaborator.get(f'{SAVED}/closed/results').status
        == 403
    )
    assert collaborator.get(f'{SAVED}/grouped').status == 403
    assert client_of('outsider').get(f'{SAVED}/open').status == 200
    assert labels(client_of('outsider'), f'{SAVED}/open/results') == []
    assert listed(admin) == ['open']
    assert listed(admin, 'all=true') == ['closed', 'grouped', 'open']
    assert listed(member, 'all=true') == ['closed', 'grouped', 'open']
    assert listed(collaborator, 'all=true') == ['open']


def test_a_search_of_another_user_is_neither_replaced_nor_deleted(client_of: Clients) -> None:
    member, collaborator = client_of('member'), client_of('collaborator')
    member.ok('PUT', f'{SAVED}/hers', of('M1', secure='0'))
    assert collaborator.delete(f'{SAVED}/hers').status == 403
    for query in ('', '?saveAs=true'):
        assert collaborator.put(f'{SAVED}/hers{query}', of('M2', secure='0')).status == 403
    assert labels(member, f'{SAVED}/hers/results') == ['M1'] and logins(member, 'hers') == [
        'member'
    ]


def test_only_administrators_change_a_shared_search(admin: Client, client_of: Clients) -> None:
    member, owner = client_of('member'), client_of('owner')
    both = '<xdat:allowed_user><xdat:login>owner</xdat:login></xdat:allowed_user>'
    member.ok('PUT', f'{SAVED}/ours', document(M, ['LABEL'], extra=both, secure='1'))
    assert sorted(logins(admin, 'ours')) == ['member', 'owner']
    assert listed(member) == listed(owner) == ['ours'] and labels(
        owner, f'{SAVED}/ours/results'
    ) == ['M1', 'M2']
    for client in (member, owner):
        assert (
            client.delete(f'{SAVED}/ours').status
            == client.put(f'{SAVED}/ours', of('M1')).status
            == 403
        )
    admin.ok('DELETE', f'{SAVED}/ours')
    assert admin.get(f'{SAVED}/ours').status == 404


def test_saving_again_keeps_the_allowed_users(client_of: Clients, admin: Client) -> None:
    member = client_of('member')
    member.ok('PUT', f'{SAVED}/mine', of('M1', secure='1'))
    admin.ok('PUT', f'{SAVED}/mine', of('M2', secure='1'))
    assert logins(admin, 'mine') == ['member']
    assert labels(member, f'{SAVED}/mine/results') == ['M2']


def test_save_as_replaces_an_existing_search(admin: Client, client_of: Clients) -> None:
    member = client_of('member')
    member.ok('PUT', f'{SAVED}/one', of('M1', secure='0', brief_description='a'))
    member.ok('PUT', f'{SAVED}/one?saveAs=true', of('M2', secure='0', brief_description='b'))
    assert [(row['id'], row['brief_description']) for row in admin.get(SAVED).rows] == [
        ('one', 'b')
    ]


def test_a_search_put_below_a_project_is_not_saved(admin: Client) -> None:
    assert admin.put('/data/projects/P/searches/mine', of('M1')).status == 200
    assert (
        admin.get('/data/projects/P/searches/mine').status
        == admin.get(f'{SAVED}/mine').status
        == 404
    )


def test_tags_are_projects(admin: Client, client_of: Clients) -> None:
    member = client_of('member')
    member.ok('PUT', f'{SAVED}/plain', of('M1', secure='0'))
    member.ok('PUT', f'{SAVED}/tagged', of('M1', secure='0', tag='P', brief_description='mine'))
    assert listed(member) == ['plain']
    assert listed(member, 'includeTag=true') == ['tagged']
    assert listed(member, 'includeTag=P') == ['tagged'] and listed(member, 'includeTag=Q') == []
    assert member.get(f'{SAVED}?includeTag=NONE').status == 400
    member.ok('PUT', f'{SAVED}/other', of('M2', secure='0', tag='P', brief_description='mine'))
    assert listed(member, 'includeTag=P') == ['tagged'], 'same tag and title: the same search'
    assert labels(member, f'{SAVED}/tagged/results') == ['M2']


# -- listings that the server generates


def test_the_listing_of_a_type_on_the_site(admin: Client) -> None:
    root = etree.fromstring(admin.get(f'{SAVED}/@{M}').body)
    assert root.get('ID') == f'@{M}' and root.find('{*}search_where') is None
    fields = [node.findtext('{*}field_ID') for node in root.findall('{*}search_field')]
    assert fields[:3] == ['LABEL', 'PROJECT', 'DATE']
    assert labels(admin, f'{SAVED}/@{M}/results') == ['M1', 'M2']
    assert admin.get(f'{SAVED}/@{M}?format=json').status == 404, 'a document, not a table'
    assert admin.get(f'{SAVED}/@xnat:nothing').status == 400
    detailed = etree.fromstring(admin.get(f'{SAVED}/@{M}?dv=detailed').body)
    assert [node.findtext('{*}field_ID') for node in detailed.findall('{*}search_field')][:3] == [
        'MR_NOTES',
        'LABEL',
        'OPERATOR',
    ]


def test_the_listing_of_a_type_in_a_project(admin: Client, client_of: Clients) -> None:
    path = f'/data/projects/P/searches/@{S}'
    root = etree.fromstring(admin.get(path).body)
    assert (root.get('ID'), root.get('tag'), root.get('brief-description')) == (
        f'P_{S}',
        'P',
        'Subjects',
    )
    counts = [node.findtext('{*}field_ID') for node in root.findall('{*}search_field')][4:]
    assert counts == ['CNT_XNAT_MRSESSIONDATA=P', 'CNT_XNAT_PETSESSIONDATA=P']
    rows = admin.post('/data/search?format=csv', admin.get(path).body).csv
    assert [(row['sub_project_identifier_p'], row['cnt_xnat_mrsessiondata_p']) for row in rows] == [
        ('S1', '2'),
        ('S2', ''),
    ]
    assert admin.get(f'/data/archive/projects/P/searches/@{S}?format=json').status == 404
    assert client_of('outsider').get(path).status == 403, 'protected'
    assert admin.get(f'/data/projects/NONE/searches/@{S}').status == 404
    assert admin.get('/data/projects/P/searches/none').status == 404


def test_an_owner_can_replace_the_listing_of_the_project(admin: Client, client_of: Clients) -> None:
    own = document(
        S,
        ['SUBJECT_LABEL'],
        criterion(f'{S}/PROJECT', '=', 'P'),
        ID=f'P_{S}',
        tag='P',
        brief_description='Subjects',
        secure='0',
    )
    assert client_of('collaborator').put(f'{SAVED}/P_{S}', own).status == 403
    client_of('owner').ok('PUT', f'{SAVED}/P_{S}', own)
    assert admin.get(f'/data/projects/P/searches/@{S}?format=csv').header[-1] == 'quarantine_status'
