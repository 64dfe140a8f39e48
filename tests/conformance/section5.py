"""Section 5: groups and rights of a project, visibility."""

from __future__ import annotations

from .facts import Ask, Facts, delete, get, made, post, put
from .section1 import groups_of_a_user
from .world import Case

facts = Facts()
HIDDEN = (403, 404)

# -- 5.1 groups


def rights(caller: str, *, create: int, edit: int, delete: int, manage: int) -> list[Ask]:
    """Return the statuses of a caller's requests in a project; every caller here can read."""
    return [
        made('{e}'),
        made('{p}/subjects/DOOMED'),
        get('{e}?format=json', by=caller),
        get('{p}/subjects', by=caller),
        put('{p}/subjects/NEW', create, by=caller),
        put('{e}?note=n', edit, by=caller),
        put('{s}?group=g', edit, by=caller),
        Ask('DELETE', '{p}/subjects/DOOMED', delete, caller),
        put('{p}/accessibility/public', manage, by=caller),
        put('{p}/users/member/outsider', manage, by=caller),
    ]


facts.row(
    '5.1/1',
    'STM',
    'owners: everything',
    *rights('owner', create=201, edit=200, delete=200, manage=200),
)
facts.row(
    '5.1/2',
    'STM',
    'members: read, create, edit',
    *rights('member', create=201, edit=200, delete=403, manage=403),
)
facts.row(
    '5.1/3',
    'STM',
    'collaborators: read',
    *rights('collaborator', create=403, edit=403, delete=403, manage=403),
)


@facts.shown('5.1/4', 'SM', 'a custom group: rights by data type, without the right to manage')
def a_group_of_ones_own(case: Case) -> None:
    case.admin.ok('PUT', case.e)
    given = {'xnat:subjectData': 'R', 'xnat:mrSessionData': 'RE'}
    query = '&'.join(
        f'{kind}_{kind}/project_{case.p_id}_{right}=true'
        for kind, held in given.items()
        for right in held
    )
    assert (
        case.admin.put(
            f'{case.p}/groups/TECH?xdat:userGroup/displayname=Technicians&{query}'
        ).status
        == 200
    )
    assert (
        case.admin.put(f'{case.p}/users/{case.p_id}_TECH/outsider').status == 404
    )  # the ID uses the display name
    case.admin.ok('PUT', f'{case.p}/users/{case.p_id}_Technicians/outsider')
    assert case.outsider.get(f'{case.s}?format=json').status == 200
    assert case.outsider.put(f'{case.e}?note=n').status == 200
    assert case.outsider.put(f'{case.s}?group=g').status == 403
    assert case.outsider.delete(case.e).status == 403
    assert case.outsider.put(f'{case.p}/accessibility/public').status == 403


# -- 5.2 requests


@facts.shown(
    '5.2/1',
    'STM',
    'PUT users/GROUP/USER: by group ID, role or display name; by login or number; out of the other '
    'group; the table',
)
def adding_users(case: Case) -> None:
    row = next(row for row in case.admin.get('/data/users').rows if row['login'] == 'outsider')
    for group in (f'{case.p_id}_member', 'member', 'Members'):
        for name in (row['xdat_user_id'], 'outsider'):
            rows = case.owner.put(f'{case.p}/users/{group}/{name}').rows
            assert [
                (one['GROUP_ID'], one['displayname']) for one in rows if one['login'] == 'outsider'
            ] == [(f'{case.p_id}_member', 'Members')]
            assert set(rows[0]) == {
                'GROUP_ID',
                'displayname',
                'login',
                'firstname',
                'lastname',
                'email',
            }
            rows = case.owner.put(f'{case.p}/users/Collaborators/outsider?sendemail=false').rows
            assert [one['GROUP_ID'] for one in rows if one['login'] == 'outsider'] == [
                f'{case.p_id}_collaborator'
            ]
    assert case.owner.put(f'{case.p}/users/members/outsider').status == 404
    for name in (
        'nobody-knows',
        *([row['email']] if row['email'] else []),
    ):  # they have no effect
        status = case.owner.put(f'{case.p}/users/member/{name}').status
        assert status == 200 or ('@' in name and status == 409)  # the archive: not verified
        rows = case.owner.get(f'{case.p}/users').rows
        assert [one['GROUP_ID'] for one in rows if one['login'] == 'outsider'] == [
            f'{case.p_id}_collaborator'
        ]
    assert len(case.owner.put(f'{case.p}/users/member/outsider,member').rows) == 5
    assert case.member.put(f'{case.p}/users/owner/member').status == 403


facts.row(
    '5.2/2',
    'STM',
    'DELETE takes a user out of that group; the table',
    put('{p}/users/member/outsider'),
    delete('{p}/users/owner/outsider', like='outsider'),
    delete('{p}/users/member/outsider', 403, by='member'),
    delete('{p}/users/member/outsider', by='owner', unlike='outsider'),
)
facts.row('5.2/3', 'SBM', 'no such group: an error', put('{p}/users/kings/member', (404, 422)))
facts.row(
    '5.2/4',
    'SM',
    'no such project: 404',
    put('/data/projects/NONE/users/owner/member', 404),
    get('/data/projects/NONE/users', 404),
)
facts.row(
    '5.2/5',
    'SM',
    'guests: 403 on a change',
    put('/data/projects/public/users/owner/member', 403, by='guest'),
)


@facts.shown(
    '5.2/6',
    'STM',
    'GET users: the table; 403 where the site restricts lists of users and the caller may not edit',
)
def users_of_a_project(case: Case) -> None:
    assert {row['login'] for row in case.owner.get(f'{case.p}/users').rows} == {
        'admin',
        'owner',
        'member',
        'collaborator',
    }
    archive, path = case.world.closed.archive, f'{case.p}/users'
    archive.prefer('restrictUserListAccessToAdmins', True)
    try:
        assert case.collaborator.get(path).status == 403 and case.owner.get(path).status == 200
        assert case.outsider.get('/data/users').status == 403
    finally:
        archive.prefer('restrictUserListAccessToAdmins', False)


@facts.shown('5.2/7', 'SM', 'GET users/true: disabled users too')
def disabled_users(case: Case) -> None:
    login = f'u{case.world.number()}'
    case.world.closed.add_user(login, 'word')
    case.admin.ok('PUT', f'{case.p}/users/member/{login}')
    case.admin.ok('PUT', f'/xapi/users/{login}/enabled/false')
    assert (
        login not in case.admin.get(f'{case.p}/users').text
        and login in case.admin.get(f'{case.p}/users/true').text
    )


@facts.shown('5.2/8', 'SM', 'includeAllDataAccess adds those who may see all data')
def users_with_all_data(case: Case) -> None:
    assert case.client('outsider').put(f'/data/projects/{case.new}').status == 200
    path = f'/data/projects/{case.new}/users'
    assert [row['login'] for row in case.outsider.get(path).rows] == ['outsider']
    assert {
        row['login'] for row in case.outsider.get(f'{path}?includeAllDataAccess=true').rows
    } >= {'outsider', 'admin'}
    case.outsider.ok('DELETE', f'/data/projects/{case.new}')


facts.row(
    '5.2/9',
    'STM',
    'GET accessibility: one word',
    get('{p}/accessibility', text='protected', type='text/plain'),
)


@facts.shown(
    '5.2/10',
    'STM',
    'PUT accessibility/LEVEL: the word, any other is private; 403 without the right, 404 not seen, '
    '403 where the site allows private projects only',
)
def accessibility(case: Case) -> None:
    for value in ('private', 'public', 'protected'):
        answer = case.owner.put(f'{case.p}/accessibility/{value}')
        assert (answer.status, answer.text) == (200, value) and case.owner.get(
            f'{case.p}/accessibility'
        ).text == value
    assert case.member.put(f'{case.p}/accessibility/public').status == 403
    assert case.outsider.put(f'{case.p}/accessibility/public').status == 403
    answer = case.owner.put(f'{case.p}/accessibility/open')
    assert (answer.status, answer.text) == (200, 'private') and case.outsider.put(
        f'{case.p}/accessibility/public'
    ).status == 404
    assert case.admin.put('/data/projects/NONE/accessibility/public').status == 404
    archive = case.world.closed.archive
    archive.prefer('securityAllowNonPrivateProjects', False)
    try:
        assert case.owner.put(f'{case.p}/accessibility/public').status == 403
    finally:
        archive.prefer('securityAllowNonPrivateProjects', True)
    case.owner.ok('PUT', f'{case.p}/accessibility/private')
    assert case.outsider.get(f'{case.p}/accessibility').status == 404
    assert case.outsider.put(f'{case.p}/accessibility/public').status == 404


facts.row(
    '5.2/11',
    'SM',
    'groups: put and deleted, by an ID of their display name; one without _ is needed; the first '
    'three stay',
    put('{p}/groups/{p_id}_TECH?xdat:userGroup/displayname=Technicians'),
    get('{p}/groups', like='Technicians'),
    post(
        '{p}/groups',
        404,
        send='xdat:userGroup/displayname=Readers',
        headers={'Content-Type': 'application/x-www-form-urlencoded'},
    ),
    get('{p}/groups', unlike='Readers', type='text/xml'),
    delete('{p}/groups/{p_id}_TECH', 404),
    delete('{p}/groups/{p_id}_Technicians'),
    get('{p}/groups', unlike='Technicians'),
    put('{p}/groups/{p_id}_X', 400),
    put('{p}/groups/{p_id}_X?xdat:userGroup/displayname=a_b', 400),
    *(delete(f'{{p}}/groups/{{p_id}}_{role}', 403) for role in ('owner', 'member', 'collaborator')),
)
facts.row(
    '5.2/12',
    'SM',
    'GET favorites/TYPE: nothing, as XNAT reads DATA_TYPE of the query',
    get('/data/users/favorites/Project', unlike='{p_id}'),
)
facts.row(
    '5.2/13',
    'SM',
    'PUT and DELETE favorites/TYPE/P: 200; GET 405',
    made('{p}'),
    put('/data/users/favorites/Project/{p_id}'),
    get('/data/users/favorites/Project?DATA_TYPE=Project', like='{p_id}'),
    delete('/data/users/favorites/Project/{p_id}'),
    get('/data/users/favorites/Project?DATA_TYPE=Project', unlike='{p_id}'),
    get('/data/users/favorites/Project/{p_id}', 405),
)
facts.shown('5.2/14', 'STM', 'xapi: groups of a user')(groups_of_a_user)

# -- 5.3 visibility

SEARCH = (
    '<xdat:search '
    'xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>{0}</'
    'xdat:root_element_name>'
    '<xdat:search_field><xdat:element_name>{0}</xdat:element_name><xdat:field_ID>{1}</'
    'xdat:field_ID></xdat:search_field></xdat:search>'
)


def seen(
    access: str, *, listed: bool, item: int, data: int | tuple[int, ...], rows: bool, project: bool
) -> list[Ask]:
    """Return the parts of a project that an outsider sees."""
    found = {True: {'like': '"{p_id}"'}, False: {'unlike': '"{p_id}"'}}
    subject = {True: {'like': '"{sid}"'}, False: {'unlike': '"{sid}"'}}
    asks = [
        get(path, data, by='outsider')
        for path in (
            '{p}/subjects',
            '{s}?format=json',
            '{e}?format=json',
            '{e}/resources/R/files/f',
        )
    ]
    return [
        made('{s}', keep='sid'),
        made('{e}'),
        put('{e}/resources/R/files/f?inbody=true', send=b'x'),
        put(f'{{p}}/accessibility/{access}'),
        get('/data/projects', by='outsider', **found[listed]),
        get('{p}?format=json', item, by='outsider'),
        *asks,
        post(
            '/data/search?format=json',
            by='outsider',
            send=SEARCH.format('xnat:subjectData', 'SUBJECT_ID'),
            **subject[rows],
        ),
        post(
            '/data/search?format=json',
            by='outsider',
            send=SEARCH.format('xnat:projectData', 'ID'),
            **found[project],
        ),
        put('{s}?group=g', (*HIDDEN, 422), by='outsider'),
        delete('{e}', HIDDEN, by='outsider'),
    ]


facts.row(
    '5.3/1',
    'STM',
    'private: nothing',
    *seen('private', listed=False, item=404, data=HIDDEN, rows=False, project=False),
)
facts.row(
    '5.3/2',
    'STM',
    'protected: the project, not its data',
    *seen('protected', listed=True, item=200, data=HIDDEN, rows=False, project=True),
)
facts.row(
    '5.3/3',
    'STM',
    'public: everything, to read',
    *seen('public', listed=True, item=200, data=200, rows=True, project=True),
)
facts.row(
    '5.3/a',
    'BM',
    'a guest of an open site is an outsider; administrators do everything',
    get('/data/projects', by='guest', like='"public"', unlike='"private"'),
    get('/data/projects/private?format=json', 404, by='guest'),
    get('/data/projects/public/resources/R/files/f.txt', by='guest', body=b'x'),
    get('/data/projects/private?format=json', by='open admin'),
)
