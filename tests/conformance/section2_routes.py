"""Sections 2.1 to 2.3: routes of data elements, identifiers, shared data."""

from __future__ import annotations

from tests.support.plain import Client, image

from .facts import POSTED, Ask, Facts, delete, get, made, post, put
from .world import Case

facts = Facts()
P = '/data/projects/P'
S1 = f'{P}/subjects/S1'
M1 = f'{S1}/experiments/M1'
HIDDEN = (403, 404)


def only(path: str, *methods: str) -> list[Ask]:
    """Return requests with the methods that a route lacks: 405."""
    return [
        Ask(method, path, 405)
        for method in ('GET', 'PUT', 'POST', 'DELETE')
        if method not in methods
    ]


# -- 2.1 routes

facts.row(
    '2.1/1',
    'SM',
    'projects: listed, created',
    get('/data/projects'),
    post('/data/projects?ID={new}'),
    *only('/data/projects', 'GET', 'POST'),
)
facts.row(
    '2.1/2',
    'SM',
    'a project: read, put, deleted',
    get('{p}?format=json'),
    put('{p}?name=x{new}'),
    *only('{p}', 'GET', 'PUT', 'DELETE'),
    delete('{p}'),
)
facts.row(
    '2.1/3',
    'SM',
    'settings of a project: text, set by the path; one cannot be read, none be deleted',
    *(
        get(f'{{p}}/{name}', type='text/html')
        for name in ('prearchive_code', 'quarantine_code', 'current_arc')
    ),
    get('{p}/scan_type_mapping', 400),
    put('{p}/prearchive_code/0'),
    put('{p}/quarantine_code/1'),
    put('{p}/current_arc/arc001'),
    put('{p}/scan_type_mapping/true'),
    post('{p}/prearchive_code', 405),
    delete('{p}/prearchive_code', 400),
)
facts.row(
    '2.1/4',
    'SM',
    'accessibility',
    get('{p}/accessibility'),
    put('{p}/accessibility/public'),
    *only('{p}/accessibility', 'GET', 'PUT'),
)
facts.row(
    '2.1/5',
    'SM',
    'users of a project',
    get('{p}/users'),
    get('{p}/users/true'),
    *only('{p}/users', 'GET'),
)
facts.row(
    '2.1/6',
    'SM',
    'a user in a group: added, removed',
    put('{p}/users/member/outsider'),
    delete('{p}/users/member/outsider'),
    *only('{p}/users/member/outsider', 'GET', 'PUT', 'DELETE'),
)
facts.row(
    '2.1/7',
    'SM',
    'groups: list, PUT, DELETE; the ID of a new one is formed from its display name, not from '
    'the path',
    get('{p}/groups', type='text/xml'),
    put('{p}/groups/TECH?xdat:userGroup/displayname=Technicians', like='>{p_id}_Technicians<'),
    get('{p}/groups/{p_id}_member', like='displayName="Members"'),
    delete('{p}/groups/TECH', 404),
    delete('{p}/groups/{p_id}_Technicians'),
)
facts.row(
    '2.1/8',
    'SM',
    'searches of a project: stored ones',
    *(
        ask(f'{P}/searches/@xnat:subjectData{more}', status)
        for ask, more, status in (
            (get, '?format=csv', 404),
            (put, '', 422),
            (post, '', 405),
            (delete, '', 200),
        )
    ),
)
facts.row(
    '2.1/9',
    'SM',
    'how a project is archived',
    get('{p}/archive_spec', type='text/xml'),
    *only('{p}/archive_spec', 'GET'),
)
facts.row(
    '2.1/10',
    'SM',
    'protocols',
    get('{p}/protocols/NONE', (404, 500)),
    delete('{p}/protocols/NONE', 404),
    *only('{p}/protocols/NONE', 'GET', 'PUT', 'DELETE'),
)
facts.row(
    '2.1/11',
    'SM',
    'pipelines of a project',
    get('{p}/pipelines?format=json'),
    *only('{p}/pipelines', 'GET', 'DELETE'),
)
facts.row(
    '2.1/12',
    'SM',
    'a pipeline is started for a session',
    made('{e}'),
    post('{p}/pipelines/fixScanTypes/experiments/E'),
)


@facts.shown(
    '2.1/13',
    'SM',
    'requests for access: of a project, of the caller, single ones, which can be accepted or '
    'declined',
)
def requests_for_access(case: Case) -> None:
    address = f'{case.new}@example.org'
    told = case.admin.put(f'{case.p}/users/member/{address}')
    assert told.status == 200
    row = case.admin.get(f'{case.p}/pars').rows[0]
    assert (row['proj_id'], row['email'], row['login'], row['approved']) == (
        case.p_id,
        address,
        'admin',
        '',
    )
    assert row['level'] == f'{case.p_id}_member'
    assert case.collaborator.get(f'{case.p}/pars').status == 403
    case.world.closed.add_user(case.new, 'word', email=address)
    invited = Client(case.world.closed, case.new, 'word')
    assert [one['par_id'] for one in invited.get('/data/pars').rows] == [row['par_id']]
    assert invited.get(f'/data/pars/{row["par_id"]}').rows[0]['level'] == f'{case.p_id}_member'
    assert (
        case.outsider.get(f'/data/pars/{row["par_id"]}').status == 403
        and case.admin.get('/data/pars/99999').status == 404
    )
    link = told.headers.get('X-Invitation', f' /data/pars/{row["par_id"]}').split(' ')[1]
    assert invited.put(f'{link}?accept=true').status == 200  # XNAT mails a link, too
    assert case.new in case.admin.get(f'{case.p}/users').text
    assert (
        invited.put(f'{link}?decline=true').status == 409 and invited.get('/data/pars').rows == []
    )
    invited.close()


facts.row(
    '2.1/14',
    'SM',
    'scan types, scanners, investigators',
    *(
        ask
        for path in (f'{P}/scan_types', '/data/scan_types', '/data/scanners', '/data/investigators')
        for ask in (get(path), *only(path, 'GET'))
    ),
)
facts.row(
    '2.1/15',
    'SM',
    'subjects: listed, created',
    get('{p}/subjects'),
    post('{p}/subjects?label=X', like=POSTED),
    *only('{p}/subjects', 'GET', 'POST'),
)
facts.row(
    '2.1/16',
    'SM',
    'subjects of the site: listed',
    get('/data/subjects'),
    *only('/data/subjects', 'GET'),
)
facts.row(
    '2.1/17',
    'SM',
    'a subject: read, put, deleted',
    made('{p}/subjects/S', keep='id'),
    get('/data/subjects/{id}?format=json'),
    put('/data/subjects/{id}?group=g'),
    *only('{p}/subjects/S', 'GET', 'PUT', 'DELETE'),
    *only('/data/subjects/{id}', 'GET', 'PUT', 'DELETE'),
    delete('/data/subjects/{id}'),
)
facts.row(
    '2.1/18',
    'SM',
    'experiments of a project: listed; a POST without a document creates none',
    get('{p}/experiments'),
    post('{p}/experiments', 417),
    *only('{p}/experiments', 'GET', 'POST'),
)
facts.row(
    '2.1/19',
    'SM',
    'experiments of a subject: listed, created',
    get('{s}/experiments'),
    post('{s}/experiments?label=X&xsiType=xnat:mrSessionData', like=POSTED),
    *only('{s}/experiments', 'GET', 'POST'),
)
facts.row(
    '2.1/20',
    'SM',
    'experiments of the site: listed',
    get('/data/experiments'),
    *only('/data/experiments', 'GET'),
)
facts.row(
    '2.1/21',
    'SM',
    'an experiment: read, put, deleted',
    get('{e}?format=json'),
    put('{e}'),
    *only('{e}', 'GET', 'PUT', 'DELETE'),
    delete('{e}'),
)
facts.row(
    '2.1/22',
    'SM',
    'an experiment by project or by ID: read, changed, deleted',
    made('{e}', keep='id'),
    get('{p}/experiments/E?format=json'),
    put('{p}/experiments/E?note=n'),
    put('/data/experiments/{id}?note=n'),
    *(post(path, (405, 500)) for path in ('/data/experiments/{id}', '{p}/experiments/E')),
    delete('/data/experiments/{id}'),
)
facts.row(
    '2.1/23',
    'SM',
    'scans: listed, created, by session path and by ID',
    made('{e}', keep='id'),
    *(
        ask
        for path in ('{e}/scans', '/data/experiments/{id}/scans')
        for ask in (
            get(path),
            post(f'{path}?xsiType=xnat:mrScanData', like=POSTED),
            *only(path, 'GET', 'POST'),
        )
    ),
)
facts.row(
    '2.1/24',
    'SM',
    'a scan: read, put, deleted',
    get('{n}?format=json'),
    put('{n}'),
    *only('{n}', 'GET', 'PUT', 'DELETE'),
    delete('{n}'),
)


@facts.shown('2.1/25', 'S', 'a DICOMDIR of the images of a scan')
def dicomdir(case: Case) -> None:
    case.admin.ok('PUT', f'{case.n}/resources/DICOM/files/1.dcm?inbody=true', image())
    answer = case.admin.get(f'{case.n}/DICOMDIR')
    assert (
        answer.status == 200
        and answer.body[128:132] == b'DICM'
        and b'DICOMDIR' not in answer.headers['Content-Type'].encode()
    )
    assert case.admin.put(f'{case.n}/DICOMDIR').status == 405


facts.row(
    '2.1/26',
    'SM',
    'reconstructions: listed, created, read, put, deleted',
    get('{e}/reconstructions'),
    post('{e}/reconstructions?ID={new}a', like=POSTED),
    put('{e}/reconstructions/{new}'),
    get('{e}/reconstructions/{new}?format=json'),
    *only('{e}/reconstructions', 'GET', 'POST'),
    *only('{e}/reconstructions/{new}', 'GET', 'PUT', 'DELETE'),
    delete('{e}/reconstructions/{new}'),
)
facts.row(
    '2.1/27',
    'SM',
    'assessors: listed, created, read, put, deleted',
    get('{e}/assessors'),
    post('{e}/assessors?label=B&{qc}', like=POSTED),
    made('{e}/assessors/A?{qc}'),
    get('{e}/assessors/A?format=json'),
    *only('{e}/assessors', 'GET', 'POST'),
    *only('{e}/assessors/A', 'GET', 'PUT', 'DELETE'),
    delete('{e}/assessors/A'),
)

HOLDERS = (
    '{p}',
    '{s}',
    '/data/subjects/{sid}',
    '{p}/experiments/E',
    '{e}',
    '/data/experiments/{eid}',
    '{n}',
    '/data/experiments/{eid}/scans/1',
    '{e}/reconstructions/{new}',
    '{e}/assessors/A',
)
HELD = [
    made('{s}', keep='sid'),
    made('{e}', keep='eid'),
    made('{n}'),
    made('{e}/reconstructions/{new}'),
    made('{e}/assessors/A?{qc}'),
]
SIDES = [f'{holder}/{side}' for holder in HOLDERS[-2:] for side in ('in', 'out')]

facts.row(
    '2.1/28',
    'SM',
    'resources of every holder: listed, created by POST and PUT, without a label by PUT only',
    *HELD,
    *(get(f'{holder}/resources') for holder in (*HOLDERS, *SIDES)),
    *(
        post(f'{holder}/resources?label=X{number}', (200, 201))
        for number, holder in enumerate((*HOLDERS, *SIDES))
    ),
    *(ask for holder in HOLDERS for ask in only(f'{holder}/resources', 'GET', 'POST', 'PUT')),
)
facts.row(
    '2.1/29',
    'SM',
    'a resource: its catalogue (not below /subjects), created, deleted; without a file it is '
    'created on the out side',
    *HELD,
    *(
        ask
        for number, path in enumerate(f'{holder}/resources/X' for holder in (*HOLDERS, *SIDES))
        for there in (f'{path}{number}'.replace('/in/', '/out/'),)
        for ask in (
            put(f'{path}{number}'),
            get(there, 500) if path.startswith('/data/subjects') else get(there, type='text/xml'),
            *only(f'{path}{number}', 'GET', 'PUT', 'POST', 'DELETE'),
            delete(there),
        )
    ),
)
facts.row(
    '2.1/30',
    'SM',
    'files of a resource: listed, uploaded, read, deleted (not below /subjects)',
    *HELD,
    *(
        ask
        for number, path in enumerate(f'{holder}/resources/X' for holder in (*HOLDERS, *SIDES))
        for ask in (
            put(f'{path}{number}/files/f?inbody=true', send=b'1'),
            post(f'{path}{number}/files/g?inbody=true', send=b'2'),
            get(f'{path}{number}/files', rows={'Name': ['f', 'g']}),
            get(f'{path}{number}/files/g', body=b'2'),
            delete(f'{path}{number}/files/f', 500 if path.startswith('/data/subjects') else 200),
        )
    ),
)
facts.row(
    '2.1/31',
    'SM',
    'files over all resources of a holder: listed, uploaded, read',
    *HELD,
    *(
        ask
        for path in (
            f'{holder}/files' for holder in (*HOLDERS, *SIDES) if holder != '{p}/experiments/E'
        )
        for ask in (
            put(f'{path}/f?inbody=true&overwrite=true', send=b'1'),
            get(path, like='"f"'),
            get(f'{path}/f', body=b'1'),
        )
    ),
)
facts.row(
    '2.1/32',
    'SM',
    'the folder of a session, and the session as a XAR',
    get('/data/experiments/{M1}/DIR?format=zip', type='application/zip'),
    get('/data/experiments/{M1}/XAR', named='.'),
    get(f'{P}/experiments/M1/XAR', named='.'),
    get(f'{P}/experiments/M1/DIR', type='text/xml'),
    *only('/data/experiments/{M1}/XAR', 'GET'),
)
facts.row(
    '2.1.1',
    'SM',
    'scans, assessors and reconstructions are not below /projects/P/experiments/E',
    get(f'{P}/experiments/M1/scans/1?format=json', item={'ID': '{M1}'}),
    put(f'{P}/experiments/M1/scans/99?xsiType=xnat:mrScanData', (400, 404, 405)),
)
facts.row(
    '2.1.2',
    'SM',
    'there, /scans answers the experiment',
    get(f'{P}/experiments/M1/scans?format=json', item={'ID': '{M1}'}),
)
facts.row(
    '2.1.3',
    'SM',
    'there, /resources and its files are routes, and /files is none',
    get(f'{P}/experiments/M1/resources', rows={'label': ['DATA']}),
    get(f'{P}/experiments/M1/resources/DATA/files', rows={'Name': ['one.txt']}),
    get(f'{P}/experiments/M1/files?format=json', item={'ID': '{M1}'}),
)
facts.row(
    '2.1.4',
    'SM',
    '/subjects/S/experiments is not a listing',
    get('/data/subjects/{S1}/experiments?format=json', (200, 400), unlike='ResultSet'),
)
facts.row(
    '2.1.5',
    'SM',
    '/projects/P/experiments takes no PUT, and no POST without a document',
    put('{p}/experiments', 405),
    post('{p}/experiments?label=X', 417),
)

# -- 2.2 identifiers

facts.row(
    '2.2.1',
    'SB',
    'a project by its ID in any case, else by an alias; the stored ID keeps its case',
    made('/data/projects/{new}_Up?alias=nick_{new}'),
    made('/data/projects/{new}_Up?xnat:projectData/aliases/alias%5B1%5D/alias=other_{new}'),
    *(
        get(f'/data/projects/{name}?format=json', item={'ID': '{new}_Up'})
        for name in ('{new}_Up', '{new}_uP', 'nick_{new}', 'other_{new}')
    ),
    put('/data/projects/nick_{new}/subjects/S', 201),
    get('/data/projects/{new}_Up/subjects', rows={'label': ['S'], 'project': ['{new}_Up']}),
    get('/data/projects?columns=alias&ID={new}_Up', rows={'alias': ['nick_{new}', 'other_{new}']}),
)


@facts.shown('2.2.2', 'SM', 'a subject in a project: by ID first; on PUT by label first')
def subject_by_id_or_label(case: Case) -> None:
    base, admin = f'{case.p}/subjects', case.admin
    first, second = (
        admin.ok('PUT', f'{base}/first?group=first'),
        admin.ok('PUT', f'{base}/second?group=second'),
    )
    assert admin.put(f'{base}/second?label={first}').status == 200
    assert admin.item(f'{base}/{first}')['data_fields']['ID'] == first
    assert admin.ok('PUT', f'{base}/{first}?src=put') == second
    assert admin.item(f'/data/subjects/{second}')['data_fields']['src'] == 'put'
    assert admin.delete(f'{base}/{first}').status == 200
    assert admin.get(f'/data/subjects/{first}?format=json').status == 404
    assert admin.item(f'{base}/{first}')['data_fields']['ID'] == second


facts.row(
    '2.2.3',
    'SM',
    'at the root: by ID only, also an assessor below it, but not for the contents of that',
    get('/data/experiments/{M1}/assessors/A1?format=json', 404),
    get('/data/experiments/{M1}/assessors/{A1}?format=json'),
    get('/data/experiments/{M1}/assessors/A1/files'),
    get('/data/subjects/S1?format=json', 404),
    get('/data/experiments/M1?format=json', 404),
    get('/data/subjects/{S1}?format=json'),
    get('/data/experiments/{M1}?format=json'),
    get('/data/experiments/{A1}?format=json'),
)


@facts.shown('2.2.4', 'SM', 'an experiment in a project: the same rule')
def experiment_by_id_or_label(case: Case) -> None:
    base, admin = f'{case.s}/experiments', case.admin
    first, second = (
        admin.ok('PUT', f'{base}/{label}?xsiType=xnat:mrSessionData')
        for label in ('first', 'second')
    )
    assert admin.put(f'{base}/second?label={first}').status == 200
    for path in (f'{base}/{first}', f'{case.p}/experiments/{first}'):
        assert admin.item(path)['data_fields']['ID'] == first
        assert admin.ok('PUT', f'{path}?note=put') == second
    assert admin.delete(f'{base}/{first}').status == 200
    assert admin.item(f'{base}/{first}')['data_fields']['ID'] == second


@facts.shown(
    '2.2.5',
    'SM',
    'lists of experiments and scans for files: by commas, type, ALL; [SLASH] and [COMMA] in names; '
    'not of subjects',
)
def lists_of_items(case: Case) -> None:
    for number, kind in ((1, 'T1'), (2, 'T2'), (3, 'T1'), (4, 'a,b'), (5, 'a/b'), (6, '')):
        case.admin.ok('PUT', f'{case.e}/scans/{number}?xsiType=xnat:mrScanData&type={kind}')
        case.admin.ok(
            'PUT', f'{case.e}/scans/{number}/resources/DICOM/files/{number}.dcm?inbody=true', b'x'
        )
    expected = {'ALL': '123456', '*': '123456', '1,3': '13', 'T1': '13', '2': '2', 'T2,1': '12'}
    expected |= {'a%5BCOMMA%5Db': '4', 'a%5BSLASH%5Db': '5'}
    for asked, numbers in expected.items():
        rows = case.admin.get(f'{case.e}/scans/{asked}/resources/DICOM/files').rows
        assert ''.join(sorted(row['Name'][0] for row in rows)) == numbers, asked
        assert (
            ''.join(
                sorted(
                    row['cat_id']
                    for row in case.admin.get(f'{case.e}/scans/{asked}/resources').rows
                )
            )
            == numbers
        ), asked
    assert (
        case.admin.get(f'{case.e}/scans/8,9/resources/DICOM/files').rows == []
    )  # those of the subject
    case.admin.ok('PUT', f'{case.p}/subjects/S2/experiments/E2?xsiType=xnat:mrSessionData')
    case.admin.ok(
        'PUT', f'{case.p}/subjects/S2/experiments/E2/resources/DICOM/files/7.dcm?inbody=true', b'x'
    )
    case.admin.ok('PUT', f'{case.e}/resources/DICOM/files/8.dcm?inbody=true', b'x')
    assert (
        case.admin.get(f'{case.p}/subjects/S,S2/experiments/E,E2/resources/DICOM/files').status
        == 404
    )
    assert {
        row['Name']
        for row in case.admin.get(f'{case.s}/experiments/E,E2/resources/DICOM/files').rows
    } == {'7.dcm', '8.dcm'}


facts.row(
    '2.2.6',
    'SM',
    'nothing is written to a list',
    made('{n}'),
    made('{e}/scans/2?xsiType=xnat:mrScanData'),
    put('{e}/scans/ALL/resources/NEW', 404),
    put('{e}/scans/1,2/resources/NEW/files/f?inbody=true', 404, send=b'x'),
)


@facts.shown('2.2.7', 'ST', 'a resource by label, by number, or several')
def resources_by_label_or_number(case: Case) -> None:
    for label in ('DICOM', 'NIFTI'):
        case.admin.ok('PUT', f'{case.n}/resources/{label}/files/{label}?inbody=true', b'x')
    row = case.admin.get(f'{case.n}/resources').rows[0]
    files = f'{case.n}/resources/{{}}/files'
    for asked, names in (
        (row['xnat_abstractresource_id'], [row['label']]),
        ('DICOM,NIFTI', ['DICOM', 'NIFTI']),
        ('NIFTI', ['NIFTI']),
    ):
        assert [one['Name'] for one in case.admin.get(files.format(asked)).rows] == names


facts.row(
    '2.2.8',
    'SBM',
    'path segments are taken as they were sent; an encoded % is refused; + is a +',
    put('{n}/resources/R/files/a+b%2520c.txt?inbody=true', 405, send=b'x'),
    put('{n}/resources/R/files/a+b.txt?inbody=true', send=b'x'),
    get('{n}/resources/R/files', rows={'Name': ['a+b.txt']}),
    get('{p}/subjects/%53', 404),
    put('{p}/subjects/a%2Fb', 400),
)

# -- 2.3 sharing

SHARED = [
    made('{e}/assessors/A?{qc}', keep='aid'),
    made('{s}', keep='sid'),
    made('{e}', keep='eid'),
    put('{s}/projects/{q_id}?label=S_IN_Q', type='text/html'),
    put('{e}/projects/{q_id}?label=E_IN_Q', text='{eid}'),
    put('{e}/assessors/A/projects/{q_id}?label=A_IN_Q', type='text/html'),
]
THERE = '{q}/subjects/S_IN_Q/experiments/E_IN_Q'

facts.row(
    '2.3.1',
    'STM',
    'PUT X/projects/Q shares, with an optional label: 200 and a table of the former place, for a '
    'session its ID',
    *SHARED,
    *(
        get(f'{path}?format=json')
        for path in ('{q}/subjects/S_IN_Q', THERE, f'{THERE}/assessors/A_IN_Q')
    ),
)
facts.row(
    '2.3.2',
    'SM',
    'refused: shared already or label taken 409, no create right or no such item 403, no such '
    'project 404; any label is taken',
    made('{s}'),
    made('{q}/subjects/TAKEN'),
    made('{p}/subjects/OTHER'),
    put('{s}/projects/{q_id}?label=S_IN_Q'),
    put('{s}/projects/{q_id}', 409),
    put('{s}/projects/{p_id}?format=json', rows={'ID': ['{p_id}', '{q_id}']}),
    put('{p}/subjects/OTHER/projects/{q_id}', 403, by='collaborator'),
    put('{p}/subjects/OTHER/projects/{q_id}?label=TAKEN', 409),
    put('{p}/subjects/OTHER/projects/{q_id}?label=S_IN_Q', 409),
    put('{p}/subjects/OTHER/projects/{q_id}?label=a%20b'),
    put('{p}/subjects/OTHER/projects/NOWHERE', 404),
    put('{p}/subjects/NOBODY/projects/{q_id}', 403),
    put('{p}/subjects/OTHER/projects/{q_id}', 409, by='collaborator'),
)


@facts.shown(
    '2.3.3',
    'ST',
    'primary=true gives the item to the other project; sessions of a subject stay; delete right is '
    'needed',
)
def moving(case: Case) -> None:
    admin, there = case.admin, case.q_id
    admin.ok('PUT', f'{case.e}/resources/R/files/f?inbody=true', b'moved')
    admin.ok('PUT', f'{case.s}/projects/{there}?label=S2')
    assert case.member.put(f'{case.s}/projects/{there}?primary=true').status == 403
    assert admin.put(f'{case.s}/projects/{there}?primary=true').status == 200
    for path in (case.s, f'{case.q}/subjects/S2'):  # its label there was removed with the share
        assert admin.get(f'{path}?format=json').status == 404
    assert admin.item(f'{case.q}/subjects/S')['data_fields']['project'] == there
    assert admin.item(f'{case.p}/experiments/E')['data_fields']['project'] == case.p_id
    assert admin.get(f'{case.p}/experiments/E/resources/R/files/f').body == b'moved'
    admin.ok('PUT', f'{case.p}/subjects/T/experiments/TE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{case.p}/subjects/T/projects/{there}?label=T')
    assert (
        admin.put(
            f'{case.p}/subjects/T/experiments/TE/projects/{there}?primary=true&label=NEWNAME'
        ).status
        == 200
    )
    assert admin.get(f'{case.p}/experiments/TE?format=json').status == 404
    assert admin.item(f'{case.q}/subjects/T/experiments/NEWNAME')['data_fields']['project'] == there


facts.row(
    '2.3.4',
    'BM',
    'sharing needs the right to read; a session may be shared before its subject',
    made('{e}'),
    put('{e}/projects/{q_id}'),
    get('{q}/experiments', rows={'label': ['E']}),
    put('{p}/subjects/S/projects/Q', HIDDEN, by='outsider'),
)
facts.row(
    '2.3.5',
    'STM',
    "unsharing, by X/projects/Q or by Q's own route, keeps the data; a subject takes its "
    'sessions along',
    *SHARED,
    delete('{q}/subjects/S_IN_Q', 403, by='collaborator'),
    delete('{q}/subjects/S_IN_Q'),
    get('{e}/projects?format=json', rows={'ID': ['{p_id}']}),
    delete('{e}/projects/{q_id}', text=''),
    get('{s}?format=json'),
    get('{e}?format=json'),
    get('{q}/subjects/S_IN_Q?format=json', 404),
    get('{q}/experiments/E_IN_Q?format=json', 404),
)
facts.row(
    '2.3.6',
    'SM',
    'X/projects: where it is, the owner first',
    *SHARED,
    *(
        get(
            f'{path}/projects?format=csv',
            columns='label,ID,Secondary_ID,Name',
            rows={'label': [own, there], 'ID': ['{p_id}', '{q_id}']},
        )
        for path, own, there in (
            ('{s}', 'S', 'S_IN_Q'),
            ('{e}', 'E', 'E_IN_Q'),
            ('{e}/assessors/A', 'A', 'A_IN_Q'),
        )
    ),
)
facts.row(
    '2.3.7',
    'SM',
    'a scan is shared together with its session, and not by itself taken out',
    made('{n}'),
    get('{q}/experiments/E?format=json', 404),
    put('{n}/projects/{q_id}'),
    get('{e}/projects?format=json', rows={'ID': ['{p_id}', '{q_id}']}),
    put('{n}/projects/{q_id}', 409),
    get('{e}/projects', type='text/html'),
    delete('{n}/projects/{q_id}', 400),
)
facts.row(
    '2.3.8',
    'SM',
    'the subject listing has the label in this project, and the owner',
    *SHARED,
    get(
        '{q}/subjects',
        rows={'label': ['S_IN_Q'], 'project': ['{p_id}'], 'URI': ['/data/subjects/{sid}']},
    ),
    get('/data/subjects?ID={sid}', rows={'label': ['S']}),
)
facts.row(
    '2.3.9',
    'SM',
    'the experiment listing has labels and project of this project; a filter compares the '
    "owner's label",
    *SHARED,
    *(
        ask
        for scope in ('{q}', '{q}/subjects/S_IN_Q')
        for ask in (
            get(
                f'{scope}/experiments?columns=ID,label,subject_label,project,subject_ID',
                rows={
                    'ID': ['{eid}'],
                    'label': ['E_IN_Q'],
                    'subject_label': ['S_IN_Q'],
                    'project': ['{q_id}'],
                    'subject_ID': ['{sid}'],
                },
            ),
            get(f'{scope}/experiments', rows={'label': ['E_IN_Q'], 'project': ['{q_id}']}),
            get(f'{scope}/experiments?label=E_IN_Q', count=0),
            get(f'{scope}/experiments?label=E', rows={'label': ['E_IN_Q']}),
            get(
                f'{scope}/experiments?columns=ID,project', rows={'project': ['{p_id}']}
            ),  # no label among the columns
        )
    ),
    get(f'{THERE}/assessors', rows={'ID': ['{aid}'], 'label': ['A_IN_Q'], 'project': ['{p_id}']}),
)
facts.row(
    '2.3.10',
    'SM',
    'the experiment listing of a project that may not be read: 403; of none: 404',
    get(f'{P}/experiments', 403, by='outsider'),
    get('/data/projects/NOWHERE/experiments', 404),
)


@facts.shown(
    '2.3.11',
    'S',
    'in the mixed listing, rows of types that may not be read are dropped, so that a page may be '
    'shorter than its limit',
)
def types_that_may_not_be_read(case: Case) -> None:
    project = case.p_id
    case.admin.ok('PUT', case.e)
    case.admin.ok('PUT', f'{case.s}/experiments/PET?xsiType=xnat:petSessionData')
    rights = '&'.join(
        f'{kind}_{kind}/project_{project}_R=true'
        for kind in ('xnat:subjectData', 'xnat:petSessionData')
    )
    assert (
        case.admin.put(f'{case.p}/groups/ANY?xdat:userGroup/displayname=Pets&{rights}').status
        == 200
    )
    case.admin.ok('PUT', f'{case.p}/users/{project}_Pets/outsider')
    assert [row['label'] for row in case.outsider.get(f'{case.p}/experiments').rows] == ['PET']
    assert len(case.outsider.get(f'{case.p}/experiments?limit=1').rows) <= 1
    assert case.outsider.get(f'{case.e}?format=json').status in HIDDEN


@facts.shown(
    '2.3/a',
    'SM',
    'a shared item is read through the other project, without a label by ID only; items not '
    'shared are not',
)
def what_is_shared_is_seen(case: Case) -> None:
    admin, owning, there = case.admin, case.p, case.q
    case.admin.ok('PUT', f'{owning}?accessibility=private')
    admin.ok('PUT', f'{there}?accessibility=private')
    name = case.q_id
    ids = {
        'E': admin.ok('PUT', case.e),
        'S': admin.ok('PUT', case.s),
        'F': admin.ok('PUT', f'{case.s}/experiments/F?xsiType=xnat:mrSessionData'),
    }
    admin.ok('PUT', f'{case.n}/resources/R/files/f?inbody=true', b'shared')
    ids['A'], ids['B'] = (
        admin.ok(
            'PUT',
            f'{case.e}/assessors/{label}?xsiType=xnat:qcManualAssessorData&'
            'xnat:qcManualAssessorData/pass=1',
        )
        for label in 'AB'
    )
    for path in (case.s, case.e, f'{case.e}/assessors/A'):
        admin.ok('PUT', f'{path}/projects/{name}')
    admin.ok('PUT', f'{there}/users/member/outsider')
    session = f'{there}/subjects/{ids["S"]}/experiments/{ids["E"]}'
    for path in (
        f'{there}/subjects/{ids["S"]}',
        session,
        f'{session}/scans/1',
        f'{session}/assessors/{ids["A"]}',
        f'/data/experiments/{ids["E"]}',
        f'/data/subjects/{ids["S"]}',
    ):
        assert case.outsider.get(f'{path}?format=json').status == 200, path
    for path in (
        f'{there}/subjects/S',
        f'{there}/experiments/E',
        f'{there}/subjects/{ids["S"]}/experiments/E',
        f'{session}/assessors/A',
    ):
        assert case.outsider.get(f'{path}?format=json').status == 404, path
    assert case.outsider.get(f'{session}/scans/1/resources/R/files/f').body == b'shared'
    for path in (
        f'{there}/subjects/S/experiments/F',
        f'{session}/assessors/B',
        f'/data/experiments/{ids["B"]}',
        case.e,
    ):
        assert case.outsider.get(f'{path}?format=json').status in HIDDEN, path
    children = case.outsider.item(f'{there}/subjects/{ids["S"]}')['children']
    experiments = next(child for child in children if child['field'] == 'experiments/experiment')[
        'items'
    ]
    assert [one['data_fields']['ID'] for one in experiments] == [ids['E']]
