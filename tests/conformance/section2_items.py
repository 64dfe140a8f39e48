"""Sections 2.8 to 2.12: PUT, POST and DELETE of items, their IDs, representations and sub-paths."""

from __future__ import annotations

import re

from lxml import etree

from tests.support.plain import FORM, XML, multipart

from .facts import POSTED, Ask, Facts, delete, get, made, post, put
from .section2_tables import files_of_deleted_items
from .world import Case

facts = Facts()
P = '/data/projects/P'
S1 = f'{P}/subjects/S1'
M1 = f'{S1}/experiments/M1'
NS = {
    'xnat': 'http://nrg.wustl.edu/xnat',
    'xsi': 'http://www.w3.org/2001/XMLSchema-instance',
    'prov': 'http://www.nbirn.net/prov',
}
XSI_TYPE = f'{{{NS["xsi"]}}}type'
SUBJECT_ID, EXPERIMENT_ID = r'^XNAT_S\d{5}$', r'^XNAT_E\d{5}$'


def document(root: str, inner: str = '', attributes: str = '') -> str:
    """Return a document of XNAT's namespace."""
    spaces = ' '.join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items())
    return f'<xnat:{root} {spaces} {attributes}>{inner}</xnat:{root}>'


# -- 2.8 parameters and bodies of requests

facts.row(
    '2.8/1',
    'SM',
    'step 1: XML by its Content-Type or by req_format; of a form, the part that is XML',
    put('{p}/subjects/A', 201, send=document('Subject', attributes='group="a"'), headers=XML),
    put('{p}/subjects/B?req_format=xml', 201, send=document('Subject', attributes='group="b"')),
    put(
        '{p}/subjects/C',
        201,
        send=multipart(('subject.xml', document('Subject', attributes='group="c"').encode()))[0],
        headers=multipart()[1],
    ),
    get(
        '{p}/subjects?columns=label,group',
        rows={'label': ['A', 'B', 'C'], 'group': ['a', 'b', 'c']},
    ),
)
facts.row(
    '2.8/2',
    'SM',
    'step 2: fields of a form, as full paths, with req_format=form; an urlencoded body alone '
    'counts for nothing',
    put('{s}?src=q', send='xnat:subjectData/group=f', headers=FORM),
    get('{s}?format=json', item={'group': None, 'src': 'q'}),
    put('{s}?req_format=form', send='xnat:subjectData/group=f&src=r', headers=FORM),
    get('{s}?format=json', item={'group': 'f', 'src': 'q'}),
)
facts.row(
    '2.8/3',
    'SM',
    'step 3: fields of the query replace those of the document',
    put(
        '{s}?group=query',
        send=document('Subject', attributes='group="body" src="body"'),
        headers=XML,
    ),
    get('{s}?format=json', item={'group': 'query', 'src': 'body'}),
)
facts.row(
    '2.8/4',
    'SM',
    'step 4: the type is that of the XML, else xsiType, else that of the first full path, else of '
    'the route',
    put(
        '{s}/experiments/A?xsiType=xnat:petSessionData',
        201,
        send=document('CTSession'),
        headers=XML,
    ),
    put('{s}/experiments/B?ELEMENT_0=xnat:petSessionData', 201),
    put('{s}/experiments/C?xnat:mrSessionData/coil=c', 201),
    get(
        '{s}/experiments',
        rows={'xsiType': ['xnat:ctSessionData', 'xnat:petSessionData', 'xnat:mrSessionData']},
    ),
    put('{e}/reconstructions/{new}', 200),
    get('{e}/reconstructions/{new}?format=json', like='xnat:reconstructedImageData'),
)
facts.row(
    '2.8/5',
    'SM',
    'step 5: no such field: ignored; no such type: 400; no XML: 422',
    put('{s}?xnat:subjectData/nonsense=1&nonsense=1', 200),
    put('{s}/experiments/X?xsiType=xnat:nonsenseData', 400),
    put('{s}', 422, send='<a', headers=XML),
)
facts.row(
    '2.8/6',
    'SM',
    'step 6: an empty value clears nothing, the word NULL does',
    put('{s}?group=g&src=h'),
    put('{s}?group='),
    get('{s}?format=json', item={'group': 'g', 'src': 'h'}),
    put('{s}?group=NULL'),
    get('{s}?format=json', item={'group': None, 'src': 'h'}),
)
facts.row(
    '2.8/7',
    'STM',
    'PUT of a project: 200 and nothing, new or not',
    put('/data/projects/{new}', text=''),
    put('/data/projects/{new}', text=''),
)
facts.row(
    '2.8/8',
    'SM',
    'POST of a project: its whole URL; 409 if it exists, 417 without an ID or with a bad one',
    post(
        '/data/projects?ID={new}',
        like=f'{POSTED}projects/{{new}}$',
        header={'Location': f'{POSTED}projects/{{new}}\\?ID={{new}}'},
        type='text/plain',
    ),
    post('/data/projects?ID={new}', 409),
    post('/data/projects', 417),
    post('/data/projects?ID=a%20b', 417),
)
facts.row(
    '2.8/9',
    'STM',
    'PUT of a subject: its ID, 201 when new, else 200; a label is sufficient',
    put('{p}/subjects/S', 201, like=SUBJECT_ID, type='text/plain', keep='id'),
    put('{p}/subjects/S?group=g', 200, text='{id}'),
)
facts.row(
    '2.8/10',
    'SM',
    'POST of a subject: its whole URL; the label from the query or the XML, an ID alone is not '
    'enough',
    post(
        '{p}/subjects?label=A',
        like=rf'{POSTED}projects/{{p_id}}/subjects/XNAT_S\d{{5}}$',
        header={'Location': rf'{POSTED}.*\?label=A$'},
    ),
    post('{p}/subjects', send=document('Subject', attributes='label="B"'), headers=XML),
    post('{p}/subjects?ID={new}_S', (417, 500)),
    get('{p}/subjects?sortBy=label', rows={'label': ['A', 'B']}),
)
facts.row(
    '2.8/11',
    'STM',
    'PUT of an experiment: its ID, 201 or 200; a type is required; a missing subject is created',
    put('{p}/subjects/NEW/experiments/E', 417),
    put(
        '{p}/subjects/NEW/experiments/E?xsiType=xnat:mrSessionData',
        201,
        like=EXPERIMENT_ID,
        keep='id',
    ),
    put('{p}/subjects/NEW/experiments/E?date=2020-01-01', 200, text='{id}'),
    get('{p}/subjects', rows={'label': ['NEW']}),
    put('{p}/subjects/MORE/experiments/X?xsiType=xnat:mrSessionData', 403, by='collaborator'),
)
facts.row(
    '2.8/12',
    'SM',
    'POST of an experiment: its whole URL; no such subject: 404',
    post(
        '{s}/experiments?label=E&xsiType=xnat:mrSessionData',
        like=rf'{POSTED}.*/subjects/S/experiments/XNAT_E\d{{5}}$',
        header={'Location': POSTED},
    ),
    post('{p}/subjects/NOBODY/experiments?label=E&xsiType=xnat:mrSessionData', 404),
)
facts.row(
    '2.8/13',
    'SM',
    'PUT at /experiments/E: 200, its ID, and short names set nothing; with a type the project is '
    'missing: 422',
    made('{e}', keep='id'),
    put('/data/experiments/{id}?note=n', text='{id}'),
    get('{e}?format=json', item={'note': None}),
    put('/data/experiments/NONE?xsiType=xnat:mrSessionData', 422),
    put('/data/experiments/{id}?xsiType=xnat:mrSessionData&note=n', 422),
    put('/data/experiments/{id}?xnat:mrSessionData/note=n', 422),
)
facts.row(
    '2.8/14',
    'STM',
    'PUT of an assessor: its ID, 201 or 200; a type is needed',
    put('{e}/assessors/A', (400, 417)),
    put('{e}/assessors/A?{qc}', 201, like=EXPERIMENT_ID, keep='id'),
    put('{e}/assessors/A?date=2020-01-01', 200, text='{id}'),
)
facts.row(
    '2.8/15',
    'SM',
    'POST of an assessor: its whole URL',
    post('{e}/assessors?label=A&{qc}', like=rf'{POSTED}.*/assessors/XNAT_E\d{{5}}$'),
)
facts.row(
    '2.8/16',
    'STM',
    'PUT of a scan: 200 and nothing, new or not',
    put('{e}/scans/1?xsiType=xnat:mrScanData', text=''),
    put('{e}/scans/1?type=T1', text=''),
)
facts.row(
    '2.8/17',
    'SM',
    'POST of a scan: its whole URL; without an ID the next number',
    post('{e}/scans?xsiType=xnat:mrScanData', like=f'{POSTED}.*/scans/1$'),
    post('{e}/scans?xsiType=xnat:mrScanData&ID=x', like='/scans/x$'),
    post('{e}/scans?xsiType=xnat:mrScanData', like='/scans/2$'),
    get('{e}/scans', count=3),
)
facts.row(
    '2.8/18',
    'SM',
    'PUT of a reconstruction: 200 and nothing',
    put('{e}/reconstructions/{new}?type=x', text=''),
    put('{e}/reconstructions/{new}', text=''),
)
facts.row(
    '2.8/19',
    'ST',
    'PUT of a resource: 200 and nothing when new, else 409; description, format, content, tags',
    put('{e}/resources/L?format=F&content=C&tags=a,b&description=why%20not', text=''),
    put('{e}/resources/L', 409),
    get('{e}/resources', rows={'format': ['F'], 'content': ['C'], 'tags': ['a,b']}),
    get('{e}?format=json', like='"description": "why not"'),
)
facts.row(
    '2.8/20',
    'SM',
    'POST of a resource: its whole URL',
    post(
        '{e}/resources?label=L',
        like=rf'{POSTED}.*/subjects/S/experiments/E/resources/\d+$',
        header={'Location': POSTED},
    ),
)
facts.row(
    '2.8/21',
    'STM',
    'PUT or POST of a file: 200 and nothing, or the duplicates',
    put('{e}/resources/R/files/f?inbody=true', text='', send=b'1'),
    post('{e}/resources/R/files/g?inbody=true', text='', send=b'1'),
    put('{e}/resources/R/files/f?inbody=true', json={'duplicates': ['f']}, send=b'2'),
)
facts.row(
    '2.8/22',
    'STM',
    'PUT X/projects/Q: 200 and a table',
    put('{s}/projects/{q_id}?format=json', rows={'ID': ['{p_id}']}),
)
facts.row(
    '2.8/a',
    'SM',
    'PUT with a label alone renames, to any label: 200 and nothing; 409 taken, 403 not allowed, '
    '422 not seen; files go with it',
    made('{e}/resources/R/files/f?inbody=true', send=b'x'),
    made('{p}/subjects/OTHER'),
    put('{s}?label=OTHER', 409),
    made('{s}', keep='sid'),
    put('{s}?label=a%20b', text=''),
    put('{p}/subjects/{sid}?label=S', text=''),
    put('{s}?label=NEW', (403, 417), by='collaborator'),
    put('{p}?accessibility=private'),
    put('{s}?label=NEW', 422, by='outsider'),
    put('{s}?label=NEW', text=''),
    get('{s}?format=json', 404),
    put('{p}/subjects/NEW/experiments/E?label=NE', text=''),
    get('{p}/subjects/NEW/experiments/NE/resources/R/files/f', body=b'x'),
)
facts.row('2.8/b', 'SM', 'the ID has no line end', put('{p}/subjects/X', 201, like=r'\A\w+\Z'))

# -- 2.8.1 projects

facts.row(
    '2.8.1/1',
    'SM',
    'guests: 403',
    put('/data/projects/{new}', 403, by='guest'),
    put('/data/projects/public?name=x', 403, by='guest'),
)


@facts.shown(
    '2.8.1/2', 'SM', 'uiAllowNonAdminProjectCreation off: only administrators create projects'
)
def who_makes_projects(case: Case) -> None:
    archive, outsider = case.world.open.archive, case.client('open outsider')
    assert outsider.put(f'/data/projects/{case.new}a').status == 200
    archive.prefer('uiAllowNonAdminProjectCreation', False)
    try:
        assert outsider.put(f'/data/projects/{case.new}b').status == 403
        assert outsider.post(f'/data/projects?ID={case.new}c').status == 403
        assert outsider.put(f'/data/projects/{case.new}a?description=d').status == 200
        assert case.client('open admin').put(f'/data/projects/{case.new}b').status == 200
    finally:
        archive.prefer('uiAllowNonAdminProjectCreation', True)


facts.row(
    '2.8.1/3',
    'SM',
    'no edit right: 403',
    put('{p}?name=x', 403, by='collaborator'),
    put('{p}?name=x', 403, by='outsider'),
)
facts.row(
    '2.8.1/4',
    'SM',
    'another ID in the body: 417; its case does not count',
    put('{p}', 417, send=document('Project', attributes='ID="OTHER"'), headers=XML),
    put(
        '{p}',
        200,
        send=document('Project', attributes='ID="f{new}"').replace('f{new}', '{new}'),
        headers=XML,
    ),
)
facts.row(
    '2.8.1/5',
    'SM',
    'an ID of other characters: 417',
    *(
        ask
        for bad in ('a%20b', 'a.b', '%C3%A9')
        for ask in (put(f'/data/projects/{bad}', 417), post(f'/data/projects?ID={bad}', 417))
    ),
)


@facts.shown('2.8.1/6', 'SM', 'the ID of a deleted project: 403, in its exact case')
def ids_are_not_used_again(case: Case) -> None:
    archive, admin, path = (
        case.world.open.archive,
        case.client('open admin'),
        f'/data/projects/{case.new}',
    )
    admin.ok('PUT', path)
    admin.ok('DELETE', path)
    archive.prefer('security.allowProjectIdReuse', True)  # removes no restriction
    try:
        assert admin.put(path).status == 403
        assert admin.put(path.lower()).status == 200
    finally:
        archive.prefer('security.allowProjectIdReuse', False)


facts.row(
    '2.8.1/7',
    'STM',
    'an ID, running title, title or alias of another project, in any case: 409',
    made('/data/projects/{new}?secondary_ID=sec_{new}&name=name_{new}&alias=alias_{new}'),
    *(
        put(f'/data/projects/{{new}}x?{field}={value}_{{new}}', (403, 409))
        for field in ('name', 'secondary_ID', 'alias')
        for value in ('SEC', 'Name', 'ALIAS')
    ),
    put('/data/projects/{new}x?name={new}', (403, 409)),
    get('/data/projects/{new}x?format=json', 404),
)
facts.row(
    '2.8.1/8',
    'SM',
    'running title and title are the ID where none is given',
    get('{p}?format=json', item={'secondary_ID': '{p_id}', 'name': '{p_id}'}),
)
facts.row('2.8.1/9', 'SM', 'a new project is protected', get('{p}/accessibility', text='protected'))
facts.row(
    '2.8.1/10',
    'SM',
    'accessibility=… on creation and on update',
    *(
        ask
        for value in ('private', 'public', 'protected')
        for ask in (
            put(f'/data/projects/{{new}}?accessibility={value}'),
            get('/data/projects/{new}/accessibility', text=value),
        )
    ),
)
facts.row(
    '2.8.1/11',
    'SM',
    'three groups are created, and the creator is an owner',
    put('/data/projects/{new}', by='outsider'),
    get(
        '/data/projects/{new}/groups?format=json',
        rows={'id': [f'{{new}}_{role}' for role in ('owner', 'member', 'collaborator')]},
    ),
    get('/data/projects/{new}/users', rows={'login': ['outsider'], 'GROUP_ID': ['{new}_owner']}),
    delete('/data/projects/{new}', by='outsider'),
)
SETTINGS = (
    ('prearchive_code', '4', '5'),
    ('quarantine_code', '0', '1'),
    ('current_arc', 'arc001', 'arc001/sub'),
)
facts.row(
    '2.8.1/12',
    'STM',
    'settings of the archive by sub-path: text for all who see the project, called HTML; 200 when '
    'set, 400 for others',
    *(
        ask
        for name, default, value in SETTINGS
        for ask in (
            get(f'{{p}}/{name}', text=default, type='text/html'),
            put(f'{{p}}/{name}/{value}', text=''),
            get(f'{{p}}/{name}', text=value),
            put(f'{{p}}/{name}/{default}', 403, by='collaborator'),
            get(f'{{p}}/{name}', by='outsider', text=value),
        )
    ),
    put('{p}/scan_type_mapping/false'),
    get('{p}/scan_type_mapping', 400),
    put('{p}/prearchive_code/four', 400),
    put('{p}/prearchive_code', 400),
    put('{p}/nonsense/1', 400),
    get('{p}/nonsense', 400),
)

# -- 2.8.2 scans

facts.row(
    '2.8.2/1',
    'SM',
    'no such session: 404 or 417',
    put('{s}/experiments/NONE/scans/1?xsiType=xnat:mrScanData', (404, 417)),
)
facts.row(
    '2.8.2/2',
    'SM',
    'a new scan without a type: 417; of the general type: 400, with the remedy',
    put('{e}/scans/1', 417),
    put('{e}/scans/1?xsiType=xnat:imageScanData', 400, like='xnat:mrScanData'),
)
facts.row(
    '2.8.2/3',
    'ST',
    'another type than that of the scan: 409',
    put('{n}?xsiType=xnat:petScanData', 409, like='xnat:mrScanData'),
)
facts.row(
    '2.8.2/4',
    'STM',
    'no type, for an existing scan: 200',
    put('{n}?quality=usable', text=''),
    get('{n}?format=json', item={'quality': 'usable'}),
)
facts.row(
    '2.8.2/5',
    'TM',
    'a full path of another type: ignored, 200',
    put('{n}?xnat:petScanData/note=x', 200),
    get('{n}?format=json', item={'note': None}),
)
facts.row(
    '2.8.2/6',
    'SM',
    'a type that is not one of scans: 400',
    put('{e}/scans/1?xsiType=xnat:subjectData', 400),
    put('{e}/scans/1?xsiType=xnat:mrSessionData', 400),
)

# -- 2.8.3 refusals

facts.row(
    '2.8.3/1',
    'STM',
    'a label of other characters: 417 or 500 on POST and PUT; a rename takes it; NULL is stored as '
    'none',
    put('{p}/subjects/NULL', 201),
    get('{p}/subjects/NULL?format=json', 404),
    get('{p}/subjects?columns=label', rows={'label': ['']}),
    post('{p}/subjects?label=b%C3%A9', (417, 500)),
    put('{p}/subjects/a%20b', (417, 500)),
    put('{s}/experiments/a%20b?xsiType=xnat:mrSessionData', (417, 500)),
    put('{e}?label=a%20b', text=''),
    put('{s}?label=b%C3%A9', text=''),
)
facts.row(
    '2.8.3/2',
    'SM',
    'a label that is taken: 409 on rename and where a share names it; PUT changes the one that '
    'bears it',
    made('{s}', keep='id'),
    made('{p}/subjects/OTHER'),
    put('{p}/subjects/OTHER?label=S', 409),
    made('{q}/subjects/S'),
    put('{s}/projects/{q_id}?label=S', 409),
    put('{s}/projects/{q_id}'),
    put('{s}?group=g', 200, text='{id}'),
)
facts.row(
    '2.8.3/3',
    'SM',
    'another accession ID in the body: 400',
    put('{s}', 400, send=document('Subject', attributes='ID="OTHER"'), headers=XML),
)
facts.row(
    '2.8.3/4',
    'SM',
    "another project in the body than the item's: 409",
    put('{s}', 409, send=document('Subject', attributes='project="{q_id}"'), headers=XML),
)
facts.row(
    '2.8.3/5',
    'SM',
    'an item of no project: 422',
    put(
        '/data/subjects/{new}_S', 422, send=document('Subject', attributes='label="X"'), headers=XML
    ),
    put(
        '/data/subjects/{new}_S',
        201,
        send=document('Subject', attributes='project="{p_id}"'),
        headers=XML,
    ),
    get('{p}/subjects', count=1),
)
facts.row(
    '2.8.3/6',
    'SM',
    'a document of another level: 422',
    put('{p}/subjects/X', 422, send=document('MRSession'), headers=XML),
    put('{s}/experiments/X', 422, send=document('Subject'), headers=XML),
)


@facts.shown(
    '2.8.3/7',
    'STM',
    'values that the schema does not allow: 400 with the fault; many forms of dates are accepted',
)
def values_are_checked(case: Case) -> None:
    wrong = {
        case.e: (
            'date=2020',
            'date=someday',
            'time=25:00:00',
            'xnat:mrSessionData/age=forty',
            'note=' + 'n' * 2501,
            'scanner=' + 'n' * 256,
            'pi_firstname=' + 'n' * 26,
        ),
        case.s: ('gender=nobody', 'handedness=both', 'education=31', 'age=1.5', 'dob=yesterday'),
    }
    for path, settings in wrong.items():
        for setting in settings:
            answer = case.admin.put(f'{path}?{setting}')
            assert answer.status == 400, setting
            assert (
                setting.partition('=')[0].removeprefix('pi_').rpartition('/')[2] in answer.text
            ), answer.text
    answer = case.admin.put(f'{case.p}/subjects/X?gender=nobody&education=31')
    assert answer.status == 400 and 'gender' in answer.text and 'education' in answer.text
    assert case.admin.get(f'{case.p}/subjects/X?format=json').status == 404


facts.row(
    '2.8.3/8',
    'TM',
    'a resource URI in a document that leads out of the project, or has a blank: 400',
    *(
        put(
            '{e}',
            400,
            headers=XML,
            send=document(
                'MRSession',
                '<xnat:resources><xnat:resource xsi:type="xnat:resource" '
                f'URI="{uri}"/></xnat:resources>',
            ),
        )
        for uri in ('/etc/pass wd', '../../x', '/etc/passwd')
    ),
)
facts.row(
    '2.8.3/9', 'TM', 'a DOCTYPE: refused',
    put('{s}', (400, 422), send='<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', headers=XML),
    put('{s}', (400, 422), send='<!DOCTYPE xnat:Subject>' + document('Subject'), headers=XML),
)  # fmt: skip
facts.row(
    '2.8.3/10', 'TM', 'form fields do not count like the query',
    put('{p}/subjects/F', 201, send='gender=male&group=g', headers=FORM),
    get('{p}/subjects?columns=gender,group', rows={'gender': [''], 'group': ['']}),
)  # fmt: skip
facts.row(
    '2.8.3/11',
    'STM',
    'no right to create or edit: 403',
    put('{s}?group=g', 403, by='collaborator'),
    put('{p}/subjects/X', 403, by='collaborator'),
    put('{s}/experiments/X?xsiType=xnat:mrSessionData', 403, by='collaborator'),
    put('{e}?note=n', 403, by='collaborator'),
)
facts.row(
    '2.8.3/12',
    'STM',
    'subject_ID: the experiment is moved to that subject, which is created if missing; the '
    'subject in the path is not compared',
    made('{e}/resources/R/files/f?inbody=true', send=b'kept'),
    made('{p}/subjects/TO', keep='to'),
    put('{e}?subject_ID={to}'),
    get('{e}?format=json', item={'subject_ID': '{to}'}),
    get('{p}/subjects/TO/experiments/E/resources/R/files/f', body=b'kept'),
    put('{p}/subjects/TO/experiments/E?subject_ID=NOBODY'),
)

# -- 2.9 IDs

facts.row(
    '2.9.1',
    'SRM',
    '<PREFIX>_S and five digits, _E for experiments and assessors',
    put('{p}/subjects/X', 201, like=SUBJECT_ID),
    put('{s}/experiments/X?xsiType=xnat:mrSessionData', 201, like=EXPERIMENT_ID),
    put('{e}/assessors/Y?{qc}', 201, like=EXPERIMENT_ID),
)


@facts.shown(
    '2.9.2', 'S', 'the prefix is the site ID without blanks, quotes and carets, with _ for -'
)
def prefix_of_ids(case: Case) -> None:
    admin = case.world.connect(case.world.below, 'admin')  # its site ID is "A ^b-c'"
    admin.ok('PUT', f'/xnat/data/projects/{case.new}')
    assert re.fullmatch(
        r'Ab_c_S\d{5}', admin.ok('PUT', f'/xnat/data/projects/{case.new}/subjects/S')
    )
    admin.close()


@facts.shown(
    '2.9.3',
    'SM',
    'numbers go up, and do not skip one that a client chose since the start: the new item falls '
    'onto that one',
    left_out='the item with that ID would be lost: the archive gives no ID twice',
)
def numbers_of_ids(case: Case) -> None:
    first, second = (case.admin.ok('PUT', f'{case.p}/subjects/{label}') for label in 'AB')
    assert int(second[-5:]) == int(first[-5:]) + 1
    ahead = f'{second[:-5]}{int(second[-5:]) + 2:05d}'
    case.admin.ok('PUT', f'{case.p}/subjects/C?ID={ahead}')
    more = [case.admin.ok('PUT', f'{case.p}/subjects/{label}') for label in 'DE']
    assert more == [f'{second[:-5]}{int(second[-5:]) + 1:05d}', ahead]
    assert sorted(row['label'] for row in case.admin.get(f'{case.p}/subjects').rows) == [
        'A',
        'B',
        'D',
        'E',
    ]


facts.row(
    '2.9.4',
    'SM',
    'scans have the ID that they are given, of letters, digits, _ and -',
    *(put(f'{{e}}/scans/{name}?xsiType=xnat:mrScanData') for name in ('7-MR1', '-a', 'a_b')),
    *(
        put(f'{{e}}/scans/{name}?xsiType=xnat:mrScanData', (417, 500))
        for name in ('a.b', 'x%20y', 'NULL', '%C3%A9')
    ),
    get('{e}/scans?sortBy=ID', rows={'ID': ['-a', 'a_b', '7-MR1']}),
)
facts.row(
    '2.9.5',
    'SM',
    'reconstructions: unique on the site; PUT of an ID that is taken moves it',
    put('{e}/reconstructions/{new}'),
    made('{s}/experiments/F?xsiType=xnat:mrSessionData'),
    put('{s}/experiments/F/reconstructions/{new}', text=''),
    get('{e}/reconstructions', count=0),
    get('{s}/experiments/F/reconstructions', count=1),
)


@facts.shown('2.9.6', 'SRM', 'numbers of resources: one sequence for the site')
def numbers_of_resources(case: Case) -> None:
    numbers = []
    for holder in (case.p, case.s, case.e, case.n):
        case.admin.ok('PUT', f'{holder}/resources/R')
        numbers += [
            int(row['xnat_abstractresource_id'])
            for row in case.admin.get(f'{holder}/resources').rows
        ]
    assert numbers == sorted(set(numbers))


facts.row(
    '2.9.7',
    'SM',
    'an ID given by the client, unique on the site: PUT with the ID of an item changes that item',
    put('{p}/subjects/A?ID=own_{new}', 201, text='own_{new}'),
    put('{p}/subjects/B?ID=own_{new}', text='own_{new}'),
    get('{p}/subjects/B?format=json', item={'ID': 'own_{new}'}),
    get('{p}/subjects/A?format=json', 404),
    put(
        '{s}/experiments/A?xsiType=xnat:mrSessionData&xnat:mrSessionData/ID=exp_{new}',
        201,
        text='exp_{new}',
    ),
)

# -- 2.10 DELETE

facts.row(
    '2.10.1',
    'STM',
    '200 and nothing',
    *(delete(path, text='') for path in ('{n}', '{e}', '{s}', '{p}')),
)
facts.row(
    '2.10.2',
    'SM',
    'missing items: 404; projects 400 or 404, resources 404 or 200',
    delete('{p}/subjects/NONE', 404),
    delete('{s}/experiments/NONE', 404),
    delete('{e}/scans/NONE', 404),
    delete('/data/projects/NONE', (400, 404)),
    delete('{e}/resources/NONE', (200, 404)),
)
facts.row(
    '2.10.3',
    'SM',
    'without the right: 403, with the reason',
    delete('{s}', 403, by='member', like='(?i)delete'),
    delete('{p}', 403, by='member'),
)


@facts.shown('2.10.4', 'S', 'deleting a project deletes its own items; items shared into it stay')
def deleting_a_project(case: Case) -> None:
    session = case.admin.ok('PUT', case.e)
    case.admin.ok('PUT', f'{case.q}/subjects/FOREIGN')
    case.admin.ok('PUT', f'{case.q}/subjects/FOREIGN/projects/{case.p_id}')
    case.admin.ok('PUT', f'{case.p}/users/member/outsider')
    assert case.admin.delete(case.p).status == 200
    assert case.admin.get(f'/data/experiments/{session}?format=json').status == 404
    assert [
        row['ID'] for row in case.admin.get(f'{case.q}/subjects/FOREIGN/projects?format=json').rows
    ] == [case.q_id]
    assert f'{case.p_id}_member' not in case.admin.get('/xapi/users/outsider/groups').text


facts.row(
    '2.10.5',
    'S',
    'refused where it holds experiments of another project: 403',
    made('{e}'),
    put('{s}/projects/{q_id}'),
    put('{e}/projects/{q_id}?primary=true'),
    delete('{s}', 403),
    delete('{p}', 403),
    get('{s}?format=json'),
)
facts.row(
    '2.10.6',
    'ST',
    'deleting a subject deletes its experiments, with their scans and assessors',
    made('{e}', keep='eid'),
    made('{n}'),
    made('{e}/assessors/A?{qc}', keep='aid'),
    delete('{s}'),
    get('/data/experiments/{eid}?format=json', 404),
    get('/data/experiments/{aid}?format=json', 404),
    get('/data/experiments/{eid}/scans', 404),
)
facts.shown('2.10.7', 'SM', 'without removeFiles files stay on disk, and nothing reaches them')(
    files_of_deleted_items
)
facts.row(
    '2.10.8',
    'STM',
    'through a project that only shares the item: unshared, by the name that it has there',
    made('{e}'),
    made('{e}', keep='id'),
    put('{e}/projects/{q_id}'),
    delete('{q}/experiments/E', 404),
    delete('{q}/experiments/{id}'),
    get('{q}/experiments', count=0),
    get('{e}?format=json'),
)
facts.row(
    '2.10.9',
    'STM',
    'at /experiments/E: sessions and assessors',
    made('{e}', keep='eid'),
    made('{e}/assessors/A?{qc}', keep='aid'),
    delete('/data/experiments/{aid}'),
    get('{e}/assessors', count=0),
    delete('/data/experiments/{eid}'),
    get('{e}?format=json', 404),
)


@facts.shown('2.10.10', 'S', 'security.prevent-data-deletion: nothing is deleted')
def deletion_is_prevented(case: Case) -> None:
    archive, admin, path = (
        case.world.open.archive,
        case.client('open admin'),
        f'/data/projects/{case.new}',
    )
    admin.ok('PUT', f'{path}/')
    admin.ok('PUT', f'{path}/subjects/S/experiments/E?xsiType=xnat:mrSessionData')
    archive.prefer('security.prevent-data-deletion', True)
    try:
        for one in (f'{path}/subjects/S/experiments/E', f'{path}/subjects/S', path):
            assert admin.delete(one).status == 403, one
    finally:
        archive.prefer('security.prevent-data-deletion', False)


# -- 2.11 representations


def parts(item: dict[str, object]) -> dict[str, list[dict[str, object]]]:
    """Return the children of an item by field."""
    return {child['field']: child['items'] for child in item['children']}  # type: ignore[attr-defined,index]


@facts.shown('2.11.1', 'SR', 'JSON: items, of which there is one')
@facts.shown('2.11.2', 'SR', 'children by field, relative to the item')
@facts.shown('2.11.3', 'R', 'meta: event, type, whether it is history, the date as Java prints it')
@facts.shown('2.11.4', 'R', 'data_fields: fields with values, nested elements separated by /')
@facts.shown('2.11.5', 'R', 'the key appears in both spellings')
@facts.shown('2.11.6', 'R', 'numbers are numbers, texts are texts')
@facts.shown('2.11.7', 'R', 'the IDs of the items above it')
@facts.shown(
    '2.11.8',
    'RM',
    'resources with the path of their catalogue, and counts of files once they have any',
)
def items_in_json(case: Case) -> None:
    subject = case.admin.ok('PUT', f'{case.s}?gender=female')
    session = case.admin.ok(
        'PUT',
        f'{case.e}?xnat:mrSessionData/scanner/model=X&fieldStrength=3.0&date=2023-02-19'
        '&modality=MR',
    )
    case.admin.ok('PUT', f'{case.n}?frames=176')
    case.admin.ok('PUT', f'{case.n}/resources/R/files/f?inbody=true&tags=a&format=NIFTI', b'12345')
    case.admin.ok(
        'PUT',
        f'{case.e}/assessors/A?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1',
    )
    case.admin.ok('PUT', f'{case.e}/resources/L')
    case.admin.ok('PUT', f'{case.s}?xnat:subjectData/fields/field%5Bname%3Dx%5D/field=1')
    for path in (case.s, case.e):
        case.admin.ok('PUT', f'{path}/projects/{case.q_id}')
    answer = case.admin.get(f'{case.e}?format=json').json
    assert set(answer) == {'items'} and len(answer['items']) == 1
    item = answer['items'][0]
    assert set(item) == {'children', 'meta', 'data_fields'}
    assert set(parts(item)) == {
        'scans/scan',
        'assessors/assessor',
        'resources/resource',
        'sharing/share',
    }
    assert isinstance(item['meta']['create_event_id'], int)
    assert (item['meta']['xsi:type'], item['meta']['isHistory']) == ('xnat:mrSessionData', False)
    assert re.fullmatch(r'\w{3} \w{3} \d\d \d\d:\d\d:\d\d \S+ \d{4}', item['meta']['start_date'])
    told = {
        'ID': session,
        'id': session,
        'subject_ID': subject,
        'project': case.p_id,
        'label': 'E',
        'scanner/model': 'X',
        'fieldStrength': '3.0',
        'date': '2023-02-19',
        'modality': 'MR',
    }
    assert item['data_fields'] == told
    scan = parts(item)['scans/scan'][0]
    fields = scan['data_fields']
    assert fields['frames'] == 176 and fields['image_session_ID'] == session  # type: ignore[index]
    assert fields['xnat_imagescandata_id'] == fields['xnat_imageScanData_id']  # type: ignore[index]
    assert 'file_count' not in parts(item)['resources/resource'][0]['data_fields']
    resource = parts(scan)['file'][0]
    fields = resource['data_fields']
    assert fields['xnat_abstractresource_id'] == fields['xnat_abstractResource_id']  # type: ignore[index]
    assert {
        'label': 'R',
        'format': 'NIFTI',
        'file_count': 1,
        'file_size': 5,
    }.items() <= fields.items()  # type: ignore[attr-defined]
    assert re.fullmatch(r'(/|[A-Z]:).*R_catalog\.xml', fields['URI'])  # type: ignore[index]
    assert [one['data_fields']['tag'] for one in parts(resource)['tags/tag']] == ['a']  # type: ignore[index]
    subject_parts = parts(case.admin.item(case.s))
    assert set(subject_parts) == {
        'demographics',
        'experiments/experiment',
        'fields/field',
        'sharing/share',
    }
    assert {'name': 'x', 'field': '1'}.items() <= subject_parts['fields/field'][0][
        'data_fields'
    ].items()  # type: ignore[attr-defined]


facts.unseen('2.11.9', 'B', 'items in JSON since 1.6.5', 'this archive answers as 1.8')
ROOTS = (
    ('{p}', 'Project', ''),
    ('{s}', 'Subject', ''),
    ('{e}', 'MRSession', ''),
    ('{n}', 'MRScan', ''),
    ('{s}/experiments/PET', 'PETSession', 'xnat:petSessionData'),
    ('{s}/experiments/CT', 'CTSession', 'xnat:ctSessionData'),
    ('{s}/experiments/OT', 'OtherDicomSession', 'xnat:otherDicomSessionData'),
    ('{e}/scans/2', 'PETScan', 'xnat:petScanData'),
    ('{e}/scans/3', 'CTScan', 'xnat:ctScanData'),
    ('{e}/scans/4', 'OtherDicomScan', 'xnat:otherDicomScanData'),
    ('{e}/reconstructions/{new}', 'ReconstructedImage', 'xnat:reconstructedImageData'),
    (
        '{e}/assessors/A',
        'QCManualAssessment',
        'xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1',
    ),
)
facts.row(
    '2.11.10',
    'SRM',
    'XML: the root has the name that the schema gives it',
    *(
        ask
        for path, root, kind in ROOTS
        for ask in ([made(f'{path}?xsiType={kind}')] if kind else [made(path)])
        + [get(f'{path}?format=xml', like=f'<xnat:{root} ')]
    ),
)


@facts.shown(
    '2.11.11', 'SRM', 'its attributes come first, then namespaces and locations of the schemas'
)
@facts.shown('2.11.12', 'SRM', 'the namespaces')
def root_of_a_document(case: Case) -> None:
    body = case.admin.get(f'{P}/subjects/S2?format=xml')
    root = etree.fromstring(body.body)
    assert list(root.attrib)[:3] == ['ID', 'project', 'label']
    wanted = {
        'xnat': 'http://nrg.wustl.edu/xnat',
        'xdat': 'http://nrg.wustl.edu/security',
        'arc': 'http://nrg.wustl.edu/arc',
        'cat': 'http://nrg.wustl.edu/catalog',
        'wrk': 'http://nrg.wustl.edu/workflow',
        'pipe': 'http://nrg.wustl.edu/pipe',
        'prov': 'http://www.nbirn.net/prov',
        'val': 'http://nrg.wustl.edu/val',
        'scr': 'http://nrg.wustl.edu/scr',
        'xnat_a': 'http://nrg.wustl.edu/xnat_assessments',
        'xsi': NS['xsi'],
    }
    assert {prefix: root.nsmap.get(prefix) for prefix in wanted} == wanted
    pairs = root.get(f'{{{NS["xsi"]}}}schemaLocation', '').split()
    assert pairs[0::2] and all(
        re.fullmatch(r'http://[^/]+/schemas/.*\.xsd', place) for place in pairs[1::2]
    )
    assert list(root.attrib)[-1].endswith('schemaLocation')


facts.row(
    '2.11.13',
    'SRM',
    'a comment after a start tag has database keys',
    get(f'{M1}?format=xml', like=r'<!--hidden_fields\[xnat_imageScanData_id="\d+"'),
)


@facts.shown('2.11.14', 'SM', 'children in the order of the schema; empty ones are left out')
@facts.shown('2.11.15', 'SRM', 'xsi:type on elements that may be of several types')
@facts.shown(
    '2.11.16',
    'SRM',
    'a subject holds its experiments, those scans, assessors and resources; a project no subjects',
)
def children_of_a_document(case: Case) -> None:
    root = etree.fromstring(case.admin.get(f'{S1}?format=xml').body)
    assert [etree.QName(node).localname for node in root.iterchildren(tag=etree.Element)] == [
        'resources',
        'demographics',
        'experiments',
    ]
    kinds = {
        './/xnat:experiment': 'xnat:mrSessionData',
        './/xnat:scan': 'xnat:mrScanData',
        './/xnat:assessor': 'xnat:qcManualAssessorData',
        'xnat:demographics': 'xnat:demographicData',
        './/xnat:resource': 'xnat:resourceCatalog',
    }
    for path, kind in kinds.items():
        node = root.find(path, NS)
        assert node is not None and node.get(XSI_TYPE) == kind, path
    assert [
        node.get('label') for node in root.iterfind('xnat:experiments/xnat:experiment', NS)
    ] == ['M1', 'M2']
    session = root.find('xnat:experiments/xnat:experiment', NS)
    assert session is not None
    names = [etree.QName(node).localname for node in session.iterchildren(tag=etree.Element)]
    assert names == [
        'date',
        'resources',
        'subject_ID',
        'age',
        'scans',
        'reconstructions',
        'assessors',
    ]
    assert (
        etree.fromstring(case.admin.get(f'{P}?format=xml').body).find('.//xnat:subject', NS) is None
    )


@facts.shown('2.11.17', 'T', 'date-times in XML with a T; read with a blank, T or T…Z')
def moments_in_xml(case: Case) -> None:
    path = f'{case.e}/assessors/A'
    case.admin.ok('PUT', f'{path}?xsiType=xnat:mrAssessorData')
    for text in ('2020-01-31 13:05:00', '2020-01-31T13:05:00', '2020-01-31T13:05:00Z'):
        step = (
            f'<prov:processStep><prov:program>p</prov:program><prov:timestamp>{text}</'
            'prov:timestamp></prov:processStep>'
        )
        body = document(
            'MRAssessor',
            f'<xnat:provenance>{step}</xnat:provenance>',
            'xsi:type="xnat:mrAssessorData"',
        )
        answer = case.admin('PUT', f'{path}?allowDataDeletion=true', body, XML)
        assert answer.status == 200, answer.body
        assert '<prov:timestamp>2020-01-31T13:05:00' in case.admin.get(f'{path}?format=xml').text


facts.row('2.11.18', 'SM', 'Content-Type text/xml', get(f'{M1}?format=xml', type='text/xml'))


@facts.shown('2.11.19', 'TM', 'a document from GET can be PUT')
def documents_go_back(case: Case) -> None:
    case.admin.ok(
        'PUT', f'{case.s}?gender=male&age=40&xnat:subjectData/fields/field%5Bname%3Da%5D/field=b'
    )
    case.admin.ok('PUT', f'{case.n}?xnat:mrScanData/parameters/voxelRes/x=1&note=a%26b')
    case.admin.ok(
        'PUT',
        f'{case.e}/assessors/A?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1',
    )
    for path in (case.p, case.s, case.e, case.n, f'{case.e}/assessors/A'):
        for query in ('', '?allowDataDeletion=true'):
            before = case.admin.get(f'{path}?format=xml').body
            answer = case.admin('PUT', path + query, before, XML)
            assert answer.status == 200, (path, answer.body)
            assert case.admin.get(f'{path}?format=xml').body == before


facts.row('2.11/a', 'SM', 'an item is a page by default', get(M1, type='text/html'))

# -- 2.12 sub-paths

facts.row(
    '2.12/1',
    'SM',
    'status: one word, called HTML',
    get('{e}/status', text='active', type='text/html'),
    get('{s}/status', text='active'),
    put('{s}?quarantine=true'),
    get('{s}/status', text='quarantine'),
)


@facts.shown(
    '2.12/2',
    'SM',
    'history of a session: its events; below a subject there is none, so that is the subject',
)
def history_of_changes(case: Case) -> None:
    case.admin.ok('PUT', case.e)
    case.member.ok('PUT', f'{case.e}?note=two&event_reason=why')
    events = case.admin.get(f'{case.e}/history?format=json').json['events']
    assert {'Added MR Session', 'Modified MR Session'} == {
        event['event_action'] for event in events
    }
    (event,) = (event for event in events if event['event_user'] == 'member')
    names = {
        'event_action',
        'event_id',
        'event_type',
        'event_date',
        'event_reason',
        'changesets',
        'event_user',
        'event_category',
        'event_status',
    }
    assert set(event) == names and (event['event_reason'], event['event_category']) == (
        'why',
        'DATA',
    )
    assert case.admin.get(f'{case.s}/history?format=json').item['data_fields']['label'] == 'S'


facts.row(
    '2.12/3',
    'SM',
    'projects: where it is',
    get(f'{M1}/projects?format=json', rows={'ID': ['P'], 'label': ['M1']}),
)
facts.row(
    '2.12/4',
    'STM',
    'projects/Q: shared, then unshared; unshared again: no change; from its own project: deleted',
    made('{e}'),
    put('{e}/projects/{q_id}'),
    delete('{e}/projects/{q_id}'),
    delete('{e}/projects/{q_id}', text=''),
    delete('{e}/projects/{p_id}'),
    get('{e}?format=json', 404),
)
facts.row(
    '2.12/5',
    'SM',
    'anything else below an experiment: the experiment',
    get(f'{M1}/nonsense/at/all?format=json', item={'ID': '{M1}'}),
)
facts.row(
    '2.12/6',
    'SM',
    'anything else below a subject: 400 for PUT and DELETE',
    put('{s}/nonsense', 400),
    delete('{s}/nonsense', 400),
)
facts.row(
    '2.12/7',
    'SM',
    'anything else below a project: 400',
    *(Ask(method, '{p}/nonsense', 400) for method in ('GET', 'PUT', 'DELETE')),
)
