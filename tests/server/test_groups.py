"""Tests of groups of a project, and the rights of their members (facts 5.1, 5.2)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from pyxnat.server import Server
from tests.support.dicoms import content

from .conftest import Client

FORM = {'Content-Type': 'application/x-www-form-urlencoded'}
_numbers = itertools.count(1)


@pytest.fixture
def P(admin: Client, server: Server) -> Iterator[str]:
    """Create a private project with a subject, an MR and a PET session.

    Its user ``outsider`` may edit MR sessions and read subjects.
    """
    name = f'GR_OUP{next(_numbers)}'
    admin.ok('PUT', f'/data/projects/{name}?accessibility=private')
    admin.ok('PUT', f'/data/projects/{name}/subjects/S')
    for label, kind in (('MR', 'mr'), ('PET', 'pet')):
        admin.ok(
            'PUT',
            f'/data/projects/{name}/subjects/S/experiments/{label}?xsiType=xnat:{kind}SessionData',
        )
        admin.ok(
            'PUT',
            f'/data/projects/{name}/subjects/S/experiments/{label}/scans/'
            f'1?xsiType=xnat:{kind}ScanData',
        )
        admin.ok(
            'PUT',
            f'/data/projects/{name}/subjects/S/experiments/{label}/scans/1/resources/R/files/'
            'f?inbody=true',
            b'x',
        )
    give(admin, name, {'xnat:subjectData': 'R', 'xnat:mrSessionData': 'RE'})
    admin.ok('PUT', f'/data/projects/{name}/users/Technicians/outsider')
    yield name
    admin.ok('DELETE', f'/data/projects/{name}')


def give(client: Client, project: str, rights: dict[str, str]) -> None:
    query = '&'.join(
        f'{kind}_{kind}/project_{project}_{right}=1'
        for kind, held in rights.items()
        for right in held
    )
    client.ok(
        'PUT',
        f'/data/projects/{project}/groups/{project}_ANY?xdat:userGroup/displayname=Technicians&'
        f'{query}',
    )


def test_5_1_items_that_members_can_read(client_of: Callable[..., Client], P: str) -> None:
    user = client_of('outsider')
    base = f'/data/projects/{P}'
    assert P in {row['ID'] for row in user.get('/data/projects').rows}
    assert user.get(f'{base}?format=json').status == 200
    assert [row['label'] for row in user.get(f'{base}/subjects').rows] == ['S']
    assert [row['label'] for row in user.get(f'{base}/experiments').rows] == ['MR']
    assert [row['label'] for row in user.get(f'/data/experiments?project={P}').rows] == ['MR']
    assert user.get(f'{base}/subjects/S/experiments/MR?format=json').status == 200
    assert user.get(f'{base}/subjects/S/experiments/PET?format=json').status == 404
    assert user.get(f'{base}/subjects/S/experiments/MR/scans/1/resources/R/files/f').body == b'x'
    assert user.get(f'{base}/subjects/S/experiments/PET/scans/1/resources/R/files/f').status == 404
    children = json.loads(user.get(f'{base}/subjects/S?format=json').body)['items'][0]['children']
    assert [one['data_fields']['label'] for one in children[0]['items']] == ['MR']


def test_5_1_items_that_members_can_change(client_of: Callable[..., Client], P: str) -> None:
    user = client_of('outsider')
    base = f'/data/projects/{P}/subjects/S'
    assert user.put(f'{base}/experiments/MR?note=n').status == 200
    assert user.put(f'{base}/experiments/NEW?xsiType=xnat:mrSessionData').status == 201
    assert user.put(f'{base}/experiments/NEW/scans/1?xsiType=xnat:mrScanData').status == 200
    assert (
        user.put(f'{base}/experiments/MR/scans/1/resources/R/files/g?inbody=true', b'y').status
        == 200
    )
    assert user.put(f'{base}/experiments/MR?label=RENAMED').status == 200
    for path in (
        f'{base}?group=g',
        f'/data/projects/{P}/subjects/T',
        f'{base}/experiments/NEW2?xsiType=xnat:petSessionData',
        f'/data/projects/{P}?note=n',
        f'{base}/resources/R/files/f?inbody=true',
    ):
        assert user.put(path, b'x' if 'inbody' in path else None).status == 403, path
    for path in (
        f'{base}/experiments/NEW',
        f'{base}/experiments/NEW/scans/1',
        base,
        f'/data/projects/{P}',
        f'/data/projects/{P}/groups/Technicians',
    ):
        assert user.delete(path).status == 403, path
    assert user.delete(f'{base}/experiments/RENAMED/scans/1/resources/R/files/f').status == 403
    assert user.put(f'/data/projects/{P}/users/owner/outsider').status == 403
    assert user.put(f'/data/projects/{P}/accessibility/public').status == 403
    assert user.put(f'/data/projects/{P}/groups/MINE?xdat:userGroup/displayname=Mine').status == 403


def test_5_1_rights_are_replaced(admin: Client, client_of: Callable[..., Client], P: str) -> None:
    user = client_of('outsider')
    give(admin, P, {'xnat:petSessionData': 'D'})
    assert user.get(f'/data/projects/{P}/subjects').rows == []
    (session,) = [
        row['URI']
        for row in user.get(f'/data/experiments?project={P}').rows
        if row['label'] == 'PET'
    ]
    assert user.put(f'{session}?note=n').status == 403
    assert user.delete(session).status == 200


def test_2_3_10_experiments_of_a_project_are_listed_only_with_the_right_on_subjects(
    admin: Client, client_of: Callable[..., Client], P: str
) -> None:
    give(admin, P, {'xnat:petSessionData': 'R'})
    assert client_of('outsider').get(f'/data/projects/{P}/experiments').status == 403


def test_2_3_11_a_mixed_listing_has_only_the_types_that_may_be_read_in_the_project(
    admin: Client, client_of: Callable[..., Client], P: str
) -> None:
    user, other = client_of('outsider'), f'{P}_OPEN'
    admin.ok('PUT', f'/data/projects/{other}?accessibility=public')
    admin.ok('PUT', f'/data/projects/{P}/subjects/S/experiments/PET/projects/{other}')
    for listing, labels in (
        (f'projects/{P}/experiments', ['MR']),
        (f'projects/{other}/experiments', ['PET']),
    ):
        assert [row['label'] for row in user.get(f'/data/{listing}').rows] == labels
    assert {
        row['label'] for row in user.get('/data/experiments?xsiType=xnat:petSessionData').rows
    } == {'PET'}
    admin.ok('DELETE', f'/data/projects/{other}')


def test_5_1_a_subject_is_deleted_only_with_the_right_on_the_items_below(
    admin: Client, client_of: Callable[..., Client], P: str
) -> None:
    user = client_of('outsider')
    give(admin, P, {'xnat:subjectData': 'D', 'xnat:mrSessionData': 'D'})
    assert user.delete(f'/data/projects/{P}/subjects/S').status == 403
    give(admin, P, {'xnat:subjectData': 'D', 'xnat:mrSessionData': 'D', 'xnat:petSessionData': 'D'})
    assert user.delete(f'/data/projects/{P}/subjects/S').status == 200


def test_5_1_shared_items_can_be_read_by_type(
    admin: Client, client_of: Callable[..., Client], P: str
) -> None:
    admin.ok('PUT', f'/data/projects/{P}O?accessibility=private')
    for label, kind in (('MR2', 'mr'), ('PET2', 'pet')):
        identifier = admin.ok(
            'PUT',
            f'/data/projects/{P}O/subjects/S2/experiments/{label}?xsiType=xnat:{kind}SessionData',
        )
        admin.ok('PUT', f'/data/projects/{P}O/subjects/S2/experiments/{label}/projects/{P}')
        assert client_of('outsider').get(f'/data/experiments/{identifier}?format=json').status == (
            200 if kind == 'mr' else 404
        )
    assert sorted(
        row['label'] for row in client_of('outsider').get(f'/data/projects/{P}/experiments').rows
    ) == ['MR', 'MR2']
    admin.ok('DELETE', f'/data/projects/{P}O')


def test_5_1_imports_need_the_right_on_the_type(
    client_of: Callable[..., Client], admin: Client, P: str
) -> None:
    user = client_of('outsider')
    dest = f'/archive/projects/{P}/subjects/S/experiments'
    assert (
        user.post(
            f'/data/services/import?inbody=true&dest={dest}/IN', content('MR_small.dcm')
        ).status
        == 200
    )
    assert (
        user.post(
            f'/data/services/import?inbody=true&dest={dest}/CT', content('CT_small.dcm')
        ).status
        == 403
    )
    assert [row['status'] for row in admin.get(f'/data/prearchive/projects/{P}').rows] == ['READY']


def test_5_2_groups(admin: Client, client_of: Callable[..., Client], P: str) -> None:
    base = f'/data/projects/{P}/groups'
    rows = admin.get(f'{base}?format=json').rows
    assert [(row['id'], row['displayname'], row['users']) for row in rows] == [
        (f'{P}_Technicians', 'Technicians', '1'),
        (f'{P}_owner', 'Owners', '1'),
        (f'{P}_member', 'Members', '0'),
        (f'{P}_collaborator', 'Collaborators', '0'),
    ]
    assert len({row['xdat_usergroup_id'] for row in rows}) == 4
    assert [
        row['displayname']
        for row in admin.get(f'/data/projects/{P}/users').rows
        if row['login'] == 'outsider'
    ] == ['Technicians']
    assert admin.get(base).headers.get_content_type() == 'text/xml'
    for name in (f'{P}_Technicians', 'Technicians'):
        fields = json.loads(admin.get(f'{base}/{name}?format=json').body)['items'][0]['data_fields']
        assert fields == {'ID': f'{P}_Technicians', 'displayName': 'Technicians', 'tag': P}
    assert b'displayName="Technicians"' in admin.get(f'{base}/Technicians').body
    assert admin('POST', base, b'xdat:userGroup/displayname=Read Only', FORM).status == 404
    assert admin.put(f'{base}/any?xdat:userGroup/displayname=Read%20Only').status == 200
    assert f'{P}_ReadOnly' in {row['id'] for row in admin.get(f'{base}?format=json').rows}
    assert admin.get(f'{base}/technicians').status == 404
    assert admin.get(f'{base}/none').status == 404
    assert admin.delete(f'{base}/none').status == 404
    assert admin.delete(f'{base}/Technicians').status == 200
    assert client_of('outsider').get(f'/data/projects/{P}?format=json').status == 404


@pytest.mark.parametrize(
    ('name', 'query', 'status'),
    [
        ('X', '', 400), ('X', 'xdat:userGroup/displayname=a_b', 400),
        ('X', 'xdat:userGroup/displayname=Owners', 403),
        ('X', 'xdat:userGroup/displayname=X&no:type_no:type/project_{P}_R=1', 400),
    ],
)  # fmt: skip
def test_5_2_invalid_groups_are_refused(
    admin: Client, P: str, name: str, query: str, status: int
) -> None:
    assert admin.put(f'/data/projects/{P}/groups/{name}?{query.format(P=P)}').status == status
    assert len(admin.get(f'/data/projects/{P}/groups?format=json').rows) == 4


def test_5_2_groups_of_a_user(admin: Client, P: str) -> None:
    assert f'{P}_Technicians' in json.loads(admin.get('/xapi/users/outsider/groups').body)
    assert admin.delete(f'/xapi/users/outsider/groups/{P}_Technicians').status == 200
    assert admin.put(f'/xapi/users/outsider/groups/{P}_Technicians').status == 200
    assert f'{P}_Technicians' in json.loads(admin.get('/xapi/users/outsider/groups').body)


def test_5_2_favourites(admin: Client, client_of: Callable[..., Client], P: str) -> None:
    base = '/data/users/favorites/Project'
    member = client_of('member')
    assert admin.put(f'{base}/{P}').status == 200
    assert admin.put(f'{base}/{P}').status == 200
    assert [row['id'] for row in admin.get(f'{base}?DATA_TYPE=Project').rows] == [P]
    assert (admin.get(base).status, admin.get(base).body) == (200, b'')
    assert member.get(f'{base}?DATA_TYPE=Project').rows == []
    assert member.put(f'{base}/{P}').status == 404
    assert admin.get(f'{base}/{P}').status == 405
    assert admin.delete(f'{base}/{P}').status == 200
    assert admin.get(f'{base}?DATA_TYPE=Project').rows == []
