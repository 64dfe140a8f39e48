"""Sections 2.4 to 2.7: query parameters, filters, short names, columns and formats of listings."""

from __future__ import annotations

from urllib.parse import quote

from lxml import etree

from tests.support.plain import FORM, XML, image

from .facts import Ask, Facts, get, made, post, put
from .section4 import no_table
from .world import Case

facts = Facts()
P = '/data/projects/P'
S1 = f'{P}/subjects/S1'
M1 = f'{S1}/experiments/M1'
SCAN = f'{M1}/scans/1'

# -- 2.4 parameters

facts.row(
    '2.4/1',
    'SM',
    'format: in any case, by name or MIME type, before Accept',
    *(
        get(f'/data/projects?format={form}', headers={'Accept': 'text/html'}, type=kind)
        for form, kind in (
            ('CSV', 'text/csv'),
            ('Json', 'application/json'),
            ('xml', 'text/xml'),
            ('text/xml', 'text/xml'),
            ('text/csv', 'text/csv'),
        )
    ),
    get('/data/projects?format=html', type='text/html'),
    get('/data/projects?format=xList', type='text/html'),
    get(f'{M1}/files?format=zip', type='application/zip'),
    get(f'{M1}/files?format=tar', like='M1/'),
    get(f'{M1}/files?format=tar.gz'),
    get(f'{M1}/scans/ALL/files?format=xcat', type='application/xcat'),
    get('{e}?format=JSON', type='application/json'),
    get('/data/projects?format=search_xml', like='root_element_name'),
)
facts.row(
    '2.4/2',
    'SRM',
    'a table without format: by Accept among JSON, HTML, XML; JSON for anything; 406 for no other',
    get('/data/projects', type='application/json'),
    *(
        get('/data/projects', headers={'Accept': accept}, type=kind)
        for accept, kind in (
            ('*/*', 'application/json'),
            ('text/html', 'text/html'),
            ('text/xml', 'text/xml'),
            ('application/json, text/plain, */*', 'application/json'),
        )
    ),
    *(
        get('/data/projects', 406, headers={'Accept': accept})
        for accept in ('application/xml', 'image/png')
    ),
)
facts.row(
    '2.4/3',
    'SM',
    'an item without format: a page, for any Accept; XML if that is requested',
    get(S1, type='text/html'),
    get(S1, headers={'Accept': '*/*'}, type='text/html'),
    get(S1, headers={'Accept': 'text/xml'}, type='text/xml'),
)
facts.row(
    '2.4/4',
    'STM',
    'columns: short names and full paths in place of the default columns; key columns come along',
    get(
        f'{P}/subjects?columns=label,gender,xnat:subjectData/'
        'demographics%5B@xsi:type%3Dxnat:demographicData%5D/handedness&format=csv',
        columns='ID,label,gender,handedness,URI',
        rows={'gender': ['female', 'male']},
    ),
    get(
        f'{P}/subjects?columns=label,xnat:subjectData/demographics/handedness', (400, 500)
    ),  # the element is abstract
    *(
        get(f'{path}?columns=ID&format=csv', columns=columns)
        for path, columns in (
            ('/data/projects', 'ID,URI'),
            ('/data/subjects', 'ID,URI'),
            (f'{P}/experiments', 'xnat:subjectassessordata/id,ID,xsiType,project,URI'),
            ('/data/experiments', 'ID,xsiType,project,URI'),
            (f'{M1}/assessors', 'xnat:imageassessordata/id,ID,URI'),
            (f'{M1}/scans', 'xnat_imagescandata_id,ID,URI'),
            (f'{M1}/reconstructions', 'xnat_reconstructedimagedata_id,ID,URI'),
        )
    ),
)
facts.row(
    '2.4/5',
    'SM',
    'fields: the short names there are',
    get(f'{P}/subjects?fields=true&format=csv', columns='key,xpath', like=r'(?m)^group,.*group$'),
    get(f'{M1}/scans?fields=x', keys='key,xpath'),
)
facts.row(
    '2.4/6',
    'STM',
    'xsiType on a listing: one type, which becomes the root; several by commas do not restrict it',
    get(
        f'{P}/experiments?xsiType=xnat:petSessionData',
        rows={'label': ['T1']},
        like='xnat:petsessiondata/id',
    ),
    get(f'{P}/experiments?xsiType=xnat:imageSessionData', rows={'label': ['M1', 'M2', 'T1']}),
    get(
        f'{P}/experiments?xsiType=xnat:petSessionData,xnat:ctSessionData',
        rows={'label': ['M1', 'M2', 'T1']},
    ),
)
facts.row(
    '2.4/7',
    'STM',
    'xsiType on PUT and POST: the type of the new item',
    put('{s}/experiments/X?xsiType=xnat:ctSessionData', 201),
    get('{s}/experiments/X?format=json', like='xnat:ctSessionData'),
    post('{s}/experiments?label=Y&xsiType=xnat:petSessionData'),
    get('{s}/experiments', rows={'xsiType': ['xnat:ctSessionData', 'xnat:petSessionData']}),
)
facts.row(
    '2.4/8',
    'STM',
    'short names and full paths filter',
    get(f'{P}/subjects?gender=female', rows={'label': ['S1']}),
    get(f'{P}/experiments?xnat:mrSessionData/fieldStrength=3.0', rows={'label': ['M2']}),
)
facts.row(
    '2.4/9',
    'STM',
    'and set fields',
    put('{s}?group=g&xnat:subjectData/src=here'),
    get('{s}?format=json', item={'group': 'g', 'src': 'here'}),
)
facts.row(
    '2.4/10',
    'SM',
    'req_format: the type as which the body is read',
    made('{s}'),
    put(
        '{s}?req_format=form',
        send='xnat:subjectData/group=f',
        headers={'Content-Type': 'text/plain'},
    ),
    get('{s}?format=json', item={'group': None}),
    put('{s}?req_format=form', send='xnat:subjectData/group=form', headers=FORM),
    get('{s}?format=json', item={'group': 'form'}),
    put('{s}?req_format=qs&src=qs', send='xnat:subjectData/group=b', headers=FORM),
    get('{s}?format=json', item={'group': 'form', 'src': 'qs'}),
    put(
        '{s}?req_format=xml',
        send='<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="xml"/>',
        headers={'Content-Type': 'text/plain'},
    ),
    get('{s}?format=json', item={'group': 'xml'}),
    put(
        '{s}?req_format=inbody',
        send='<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="inbody"/>',
        headers={'Content-Type': 'text/plain'},
    ),
    get('{s}?format=json', item={'group': 'xml'}),
)
facts.row(
    '2.4/11',
    'STM',
    'inbody: the body is the file',
    put('{s}/resources/R/files/f?inbody=true', send=b'x'),
    get('{s}/resources/R/files/f', body=b'x'),
)
facts.row(
    '2.4/12',
    'SM',
    'sortBy: column keys; sorted on the finished table',
    get(f'{P}/experiments?sortBy=date', ordered={'label': ['M1', 'T1', 'M2']}),
    get(f'{P}/experiments?sortBy=xsiType,date', ordered={'label': ['M1', 'M2', 'T1']}),
    get('/data/users?sortBy=login', like='(?s)admin.*collaborator.*member'),
    get(f'{M1}/resources?sortBy=label'),
)
facts.row(
    '2.4/13',
    'SM',
    'sortOrder: ASC unless DESC',
    get(f'{P}/experiments?sortBy=date&sortOrder=DESC', ordered={'label': ['M2', 'T1', 'M1']}),
    get(f'{P}/experiments?sortBy=date&sortOrder=ASC', ordered={'label': ['M1', 'T1', 'M2']}),
)


@facts.shown(
    '2.4/14',
    'SM',
    'limit and offset page listings, whose rows have no order; with * there is no limit and no '
    'offset; no totalRecords in pages',
)
def pages_of_a_listing(case: Case) -> None:
    pages = [case.admin.get(f'{P}/experiments?limit=2&offset={start}').result for start in (0, 2)]
    assert sorted(row['label'] for page in pages for row in page['Result']) == ['M1', 'M2', 'T1']
    assert [len(page['Result']) for page in pages] == [2, 1] and not any(
        'totalRecords' in page for page in pages
    )
    assert len(case.admin.get(f'{P}/experiments?offset=1').rows) == 2
    assert len(case.admin.get(f'{P}/experiments?limit=*&offset=2').rows) == 3
    assert (
        len(case.admin.get(f'{P}/subjects?limit=1&offset=1').rows)
        == len(case.admin.get('/data/subjects?limit=1&project=P').rows)
        == 1
    )
    assert [
        row['label']
        for row in case.admin.get(
            '/data/experiments?limit=1&project=P&xsiType=xnat:petSessionData'
        ).rows
    ] == ['T1']
    assert case.admin.get(f'{P}/experiments').result['totalRecords'] == '3'


@facts.shown('2.4/15', 'SM', 'limit and offset page a cached search')
def pages_of_a_search(case: Case) -> None:
    body = (
        '<xdat:search '
        'xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>xnat:mrSessionData</'
        'xdat:root_element_name>'
        '<xdat:search_field><xdat:element_name>xnat:mrSessionData</'
        'xdat:element_name><xdat:field_ID>LABEL</xdat:field_ID></xdat:search_field>'
        '</xdat:search>'
    )
    found = case.admin('POST', '/data/search?cache=true&format=json', body, XML).result
    assert (
        case.admin.get(f'/data/search/{found["ID"]}?offset=0&limit=1&format=json').result['Result']
        != []
    )
    assert len(case.admin.get(f'/data/search/{found["ID"]}?offset=1&limit=1&format=json').rows) == 1


facts.row(
    '2.4/16',
    'SM',
    'concealHiddenFields: XML without the comments of database keys',
    get(f'{M1}?format=xml', like='hidden_fields'),
    get(f'{M1}?format=xml&concealHiddenFields=true', unlike='hidden_fields'),
)


@facts.shown(
    '2.4/17',
    'S',
    'includeHistory and includeHeaders: earlier states of an item, names of its fields',
)
def history_of_an_item(case: Case) -> None:
    for value in ('one', 'two', 'three'):
        case.admin.ok('PUT', f'{case.s}?group={value}')
    assert len(case.admin.get(f'{case.s}?format=json').json['items']) == 1
    found = case.admin.get(f'{case.s}?format=json&includeHistory=true').json['items']
    assert [(one['meta']['isHistory'], one['data_fields'].get('group')) for one in found[:3]] == [
        (False, 'three'),
        (True, 'two'),
        (True, 'one'),
    ]
    assert found[1]['meta']['end_date'] and 'end_date' not in found[0]['meta']
    assert 'group' in case.admin.get(f'{case.s}?format=json&includeHeaders=true').json['headers']


facts.row(
    '2.4/18',
    'S',
    'handler: another representation of an item, by name',
    get(
        f'{S1}?handler=values&columns=xnat:subjectData/group,label&format=json',
        rows={'label': ['S1'], 'xnat:subjectData/group': ['control']},
    ),
    get(f'{S1}?handler=values&columns=group', type='text/html'),
    get(f'{S1}?handler=values&columns=group&asValue=true', text='control'),
    get(f'{S1}?handler=values', 400),
    get(f'{S1}?handler=nothing', 400),
)
facts.unseen(
    '2.4/19',
    'S',
    'requested_screen: another page of the web site',
    'the archive has no web site; clients of the REST API request data',
)


@facts.shown(
    '2.4/20', 'STM', 'removeFiles: files go too; with items they stay out of reach without it'
)
def files_of_deleted_items(case: Case) -> None:
    for query in ('', '?removeFiles=true'):
        case.admin.ok('PUT', f'{case.fill("{s}")}/experiments/X?xsiType=xnat:mrSessionData')
        case.admin.ok('PUT', f'{case.s}/experiments/X/resources/R/files/f?inbody=true', b'x')
        assert case.admin.delete(f'{case.s}/experiments/X{query}').status == 200
        case.admin.ok('PUT', f'{case.s}/experiments/X?xsiType=xnat:mrSessionData')
        assert case.admin.get(f'{case.s}/experiments/X/files').rows == []
        case.admin.ok('DELETE', f'{case.s}/experiments/X')


@facts.shown(
    '2.4/21',
    'STM',
    'allowDataDeletion: parts that the document lacks are removed; without it, documents are '
    'merged',
)
def documents_that_replace(case: Case) -> None:
    for number in '12':
        case.admin.ok('PUT', f'{case.e}/scans/{number}?xsiType=xnat:mrScanData')
    case.admin.ok('PUT', f'{case.s}?group=g&gender=male')
    root = etree.fromstring(case.admin.get(f'{case.e}?format=xml').body)
    holder = root.find('{*}scans')
    assert holder is not None
    holder.remove(holder[0])
    assert case.admin('PUT', case.e, etree.tostring(root), XML).status == 200
    assert len(case.admin.get(f'{case.e}/scans').rows) == 2
    assert (
        case.admin('PUT', f'{case.e}?allowDataDeletion=true', etree.tostring(root), XML).status
        == 200
    )
    assert [row['ID'] for row in case.admin.get(f'{case.e}/scans').rows] == ['2']
    case.admin.ok(
        'PUT', f'{case.s}?allowDataDeletion=true&src=x'
    )  # no document: nothing is removed
    row = case.admin.get(f'{case.p}/subjects?columns=group,gender,src').rows[0]
    assert (row['group'], row['gender'], row['src']) == ('g', 'male', 'x')


facts.row(
    '2.4/22',
    'STM',
    'label alone renames',
    put('{s}?label=NEW', text=''),
    get('{p}/subjects/NEW?format=json'),
    get('{p}/subjects/S?format=json', 404),
)
facts.row(
    '2.4/23',
    'ST',
    'primary: the owner changes',
    made('{e}'),
    put('{e}/projects/{q_id}?primary=true'),
    get('{q}/experiments/E?format=json', item={'project': '{q_id}'}),
)
facts.row(
    '2.4/24',
    'SM',
    'activate, quarantine, _lock, _unlock, _obsolete set the status; not without that right',
    *(
        ask
        for name, status in (
            ('quarantine', 'quarantine'),
            ('activate', 'active'),
            ('_lock', 'locked'),
            ('_unlock', 'active'),
            ('_obsolete', 'obsolete'),
        )
        for ask in (put(f'{{s}}?{name}=true'), get('{s}/status', text=status))
    ),
    put('{e}?quarantine=true', 403, by='collaborator'),
    put('{e}?quarantine=true', by='member'),
    put('{e}?quarantine=true', by='owner'),
)


@facts.shown(
    '2.4/25', 'S', 'values of event_… parameters are recorded; a site may require a reason'
)
def events_are_recorded(case: Case) -> None:
    told = (
        'event_type=WEB_SERVICE&event_action=Changed%20it&event_reason=because&'
        'event_comment=a%20comment'
    )
    case.admin.ok('PUT', f'{case.s}?group=g&{told}')
    identifier = case.admin.item(case.s)['data_fields']['ID']
    text = case.admin.get(f'/data/services/audit/xnat:subjectData/{identifier}').text
    assert all(word in text for word in ('Changed it', 'because', 'a comment'))
    archive = case.world.open.archive
    admin = case.client('open admin')
    archive.prefer('requireChangeJustification', True)
    try:
        assert admin.put('/data/projects/public/subjects/S?group=r').status == 403
        assert (
            admin.put(
                f'/data/projects/public/resources/R/files/{case.new}?inbody=true', b'x'
            ).status
            == 403
        )
        assert (
            admin.put('/data/projects/public/subjects/S?group=r&event_reason=because').status == 200
        )
    finally:
        archive.prefer('requireChangeJustification', False)


@facts.shown(
    '2.4/26', 'S', 'triggerPipelines, fixScanTypes, pullDataFromHeaders, supressEmail on a session'
)
def jobs_of_a_session(case: Case) -> None:
    identifier = case.admin.ok('PUT', f'{case.e}?triggerPipelines=true&supressEmail=true')
    case.admin.ok(
        'PUT', f'{case.e}/scans/1?xsiType=xnat:mrScanData&type=ANATOMY&series_description=t1_mpr'
    )
    case.admin.ok('PUT', f'{case.e}/scans/2?xsiType=xnat:mrScanData')
    case.admin.ok('PUT', f'{case.e}/scans/2/resources/DICOM/files/1.dcm?inbody=true', image())
    assert (
        case.admin.ok('PUT', f'{case.e}?fixScanTypes=true&pullDataFromHeaders=true') == identifier
    )
    assert [row['type'] for row in case.admin.get(f'{case.e}/scans').rows] == ['ANATOMY', 'ANATOMY']
    assert case.admin.item(case.e)['data_fields']['dcmPatientId'] == 'pid'
    assert case.collaborator.put(f'{case.e}?triggerPipelines=true').status == 403


facts.row(
    '2.4/27',
    'SM',
    'populateFromDB and loadExisting are not fields',
    put('{s}?populateFromDB=true&loadExisting=true&group=g'),
    get('{s}?format=json', item={'group': 'g'}),
)
facts.row(
    '2.4/28',
    'STM',
    'parameters of uploads',
    put(
        '{s}/resources/R/files/f?inbody=true&format=F&content=C&tags=t&description=d&'
        'update-stats=false',
        send=b'1',
    ),
    put('{s}/resources/R/files/f?inbody=true&overwrite=true', send=b'2'),
    get('{s}/resources/R/files/f', body=b'2'),
    get(
        '{s}/resources/R/files',
        rows={'file_format': ['F'], 'file_content': ['C'], 'file_tags': ['t']},
    ),
)
facts.row(
    '2.4/29',
    'SM',
    'parameters of file listings; compression is the method of the zip',
    get(f'{M1}/files?file_content=notes&file_format=TEXT', rows={'Name': ['one.txt']}),
    get(f'{M1}/files?index=0', body=b'one'),
    get(f'{M1}/files?locator=absolutePath', like='/arc001/M1/'),
    get(
        f'{M1}/files?format=zip&structure=improved&compression=8',
        named='^resources/XNAT_E[0-9]+_ /DATA/a/one.txt$',
    ),
    get(f'{M1}/files?format=zip&compression=9', (400, 500)),
)
facts.row(
    '2.4/30',
    'S',
    'parameters of resource listings',
    get(
        f'{M1}/resources?all=true&file_stats=true&cache_file_stats=true',
        rows={'file_count': ['1', '1', '1', '1'], 'label': ['DATA', 'DATA', 'DATA', 'OUT']},
    ),
)
facts.row(
    '2.4/31',
    'SM',
    'accept-not-found: 204 in place of 404',
    get(f'{M1}/resources/DATA/files/none?accept-not-found=true', 204, body=b''),
)
facts.row(
    '2.4/32',
    'SM',
    'parameters of the project listing',
    *(get(f'/data/projects?{name}=true') for name in ('accessible', 'owner', 'recent', 'users')),
)
facts.row(
    '2.4/a',
    'SM',
    'a boolean is true with any value but false, 0 and none',
    *(
        put(f'{{s}}/resources/R/files/f?inbody=true&overwrite={value}', send=b'x', like=like)
        for value, like in (
            ('yes', '^$'),
            ('0', 'duplicates'),
            ('FALSE', 'duplicates'),
            ('1', '^$'),
            ('', 'duplicates'),
        )
    ),
)
facts.row(
    '2.4/b',
    'SM',
    'guest has no effect on listings',
    get(f'{P}/subjects?guest=true', rows={'label': ['S1', 'S2']}),
)

# -- 2.4.1 filters


def filtered(
    number: str, evidence: str, words: str, *cases: tuple[str, list[str]], left_out: str = ''
) -> None:
    """Add a row about the labels in the listings of P under filters."""
    facts.row(
        number,
        evidence,
        words,
        *(get(f'{P}/{path}', rows={'label': labels}) for path, labels in cases),
        left_out=left_out,
    )


filtered(
    '2.4.1/1',
    'SM',
    'a value: equal, with its case',
    ('subjects?label=S1', ['S1']),
    ('subjects?label=s1', []),
)
filtered(
    '2.4.1/2',
    'SM',
    'a,b: any of them',
    ('subjects?gender=female,male', ['S1', 'S2']),
    ('subjects?gender=female,none', ['S1']),
)
filtered(
    '2.4.1/3',
    'SM',
    'with * or %: contains, whatever the case',
    ('subjects?label=s*', ['S1', 'S2']),
    ('subjects?gender=MAL%25', ['S1', 'S2']),
    ('subjects?gender=*fem', ['S1']),
)
filtered(
    '2.4.1/4',
    'SM',
    'a-b on a number: the range, ends included',
    ('subjects?age=81-90', ['S1']),
    ('subjects?age=70-81', ['S1']),
    ('subjects?age=70-80', []),
)
filtered(
    '2.4.1/5',
    'SM',
    'a-b on a date: the range',
    ('experiments?date=1/31/2020-5/5/2021', ['M1', 'T1']),
    ('experiments?date=1/1/2021-12/31/2023', ['M2', 'T1']),
)
filtered(
    '2.4.1/6',
    'SM',
    'MM/dd/yyyy: that day',
    ('experiments?date=1/31/2020', ['M1']),
    ('experiments?date=05/05/2021', ['T1']),
)
facts.row(
    '2.4.1/7',
    'SBM',
    'an ISO date is split at its first -, and the query fails: nothing',
    get(f'{P}/experiments?date=2020-01-31', body=b''),
)
facts.row(
    '2.4.1/8',
    'SM',
    'times and date-times like dates; booleans as they are',
    put('{e}?date=2020-01-31&time=10:20:30'),
    get('{s}/experiments?time=10:20:30', rows={'label': ['E']}),
    get('{s}/experiments?insert_date=1/1/2000-12/31/2100', rows={'label': ['E']}),
    get('{s}/experiments?insert_date=1/1/2000', rows={'label': []}),
)
filtered('2.4.1/9', 'BM', 'nothing: no filter', ('subjects?gender=', ['S1', 'S2']))
filtered(
    '2.4.1/10',
    'SM',
    'an unknown short name: no filter',
    ('subjects?nonsense=1', ['S1', 'S2']),
    ('subjects?GENDER=male', ['S1', 'S2']),
)
filtered(
    '2.4.1/11',
    'STM',
    'a full path, whose type may narrow the listing',
    ('experiments?xnat:mrSessionData/label=M1', ['M1']),
    ('experiments?xnat:petSessionData/label=M1', []),
    ('experiments?XNAT:mrsessiondata/LABEL=M1', ['M1']),
)
facts.row(
    '2.4.1/12',
    'BM',
    'a value that the type cannot hold: the query fails, which is an error for subjects and '
    'nothing for experiments',
    get(f'{P}/subjects?age=old', (400, 500)),
    get(f'{P}/experiments?date=someday', body=b''),
)
filtered(
    '2.4.1/13',
    'SM',
    'a,b on a number or date: any of them',
    ('subjects?age=80,81', ['S1']),
    ('experiments?date=1/31/2020,2/19/2023', ['M1', 'M2']),
)

# -- 2.5 short names

NAMES = {
    'subject': (
        'subjects?',
        """
        project label ID group src pi_firstname pi_lastname dob yob age gender handedness
        ses education educationDesc race ethnicity weight height gestational_age
        post_menstrual_age birth_weight insert_date insert_user last_modified
        """,
    ),
    'experiment (any)': (
        'experiments?',
        """
        ID visit_id visit protocol date time note pi_firstname pi_lastname validation_method
        validation_status validation_date validation_notes project label subject_ID
        subject_label subject_project insert_date insert_user last_modified xsiType
        """,
    ),
    'image session': (
        'experiments?',
        """
        scanner operator dcmAccessionNumber dcmPatientId dcmPatientName session_type
        modality UID studyInstanceUID
        """,
    ),
    'MR session': (
        'experiments?xsiType=xnat:mrSessionData&',
        """
        coil fieldStrength marker stabilization
        """,
    ),
    'PET session': (
        'experiments?xsiType=xnat:petSessionData&',
        """
        studyType patientID patientName stabilization scan_start_time injection_start_time
        tracer_name tracer_startTime tracer_dose tracer_sa tracer_totalmass
        tracer_intermediate tracer_isotope tracer_transmissions tracer_transmissions_start
        """,
    ),
    'scan': (
        'subjects/S1/experiments/M1/scans?',
        """
        ID type UID note quality condition series_description documentation scanner modality
        frames validation_method validation_status validation_date validation_notes scanTime
        coil fieldStrength marker stabilization orientation originalFileName systemType
        fileType transaxialFOV acqType facility numPlanes numFrames numGates planeSeparation
        binSize dataType xnat_imagescandata_id insert_date insert_user last_modified xsiType
        """,
    ),
    'reconstruction': (
        'subjects/S1/experiments/M1/reconstructions?',
        """
        ID type baseScanType xnat_reconstructedimagedata_id xsiType insert_date insert_user
        last_modified
        """,
    ),
    'assessor': (
        'subjects/S1/experiments/M1/assessors?',
        """
        ID visit_id visit protocol date time note validation_status project label session_ID
        session_label session_project insert_date insert_user last_modified xsiType
        """,
    ),
}
NAMES_OF_PROJECTS = 'ID secondary_ID name description keywords alias pi_firstname pi_lastname note'

MORE = {
    'subject': ('', ''),
    'experiment (any)': ('xnat:subjectassessordata/id', ''),
    'image session': ('session_ID', 'xsiType project'),
    'MR session': ('xnat:mrsessiondata/id', ''),
    'PET session': ('xnat:petsessiondata/id', ''),
    'scan': ('xnat:mrscandata/xnat_imagescandata_id xnat:mrscandata/image_session_id', ''),
    'assessor': ('xnat:imageassessordata/id', ''),
}
"""Additional columns of a response: before and after the requested columns."""
UNKNOWN = {'image session': ('studyInstanceUID',), 'assessor': ('visit', 'protocol')}
"""Names that give no column: the path has another name, or belongs to another level."""
for place, (what, (listing, names)) in enumerate(NAMES.items(), 1):
    if what == 'reconstruction':
        continue
    wanted = [name for name in names.split() if name not in UNKNOWN.get(what, ())]
    header = {*wanted, *(name for part in MORE[what] for name in part.split()), 'URI'}
    facts.row(
        f'2.5/{place}',
        'SM',
        f'short names of: {what}',
        get(f'{P}/{listing}columns={",".join(names.split())}', keys=','.join(header)),
    )
facts.row(
    '2.5/7',
    'SM',
    'short names of: reconstruction; those of its making are ignored, and it has no type',
    get(
        f'{M1}/reconstructions?columns=ID,type,baseScanType,xnat_reconstructedimagedata_id,'
        'insert_date,insert_user,last_modified&format=csv',
        columns='xnat_reconstructedimagedata_id,ID,type,baseScanType,URI',
    ),
    get(f'{M1}/reconstructions?columns=ID,xsiType', (400, 500)),
)
facts.row(
    '2.5/9',
    'SM',
    'short names of: project',
    put(
        '{p}?description=d&keywords=k&alias=a_{new}&pi_firstname=A&pi_lastname=B&'
        'secondary_ID=s_{new}&name=n_{new}&note=n'
    ),
    get(
        f'/data/projects?columns={",".join(NAMES_OF_PROJECTS.split())}&ID={{new}}',
        rows={
            'secondary_ID': ['s_{new}'],
            'name': ['n_{new}'],
            'description': ['d'],
            'keywords': ['k'],
            'alias': ['a_{new}'],
            'pi_firstname': ['A'],
            'pi_lastname': ['B'],
            'note': ['n'],
        },
    ),
)


@facts.shown(
    '2.5/a',
    'SM',
    'on PUT a short name is one of the route, set unless it can only be read; its case counts, '
    'that of full paths does not',
)
def short_names_on_put(case: Case) -> None:
    case.admin.ok(
        'PUT',
        f'{case.e}?age=40&coil=c&Coil=d&insert_user=x&XNAT:mrsessiondata/FIELDSTRENGTH=3.0&'
        'studyInstanceUID=1.2',
    )
    found = case.admin.item(case.e)['data_fields']
    assert (found.get('age'), found['coil'], found['fieldStrength'], found['UID']) == (
        None,
        'c',
        '3.0',
        '1.2',
    )
    pet = f'{case.s}/experiments/PET'
    case.admin.ok(
        'PUT',
        f'{pet}?xsiType=xnat:petSessionData&tracer_name=FDG&tracer_dose=1.5&tracer_isotope=109.8&'
        'stabilization=s',
    )
    assert {
        'tracer/name': 'FDG',
        'tracer/dose': 1.5,
        'stabilization': 's',
    }.items() <= case.admin.item(pet)['data_fields'].items()
    case.admin.ok(
        'PUT',
        f'{case.e}/scans/5?xsiType=xnat:petScanData&numFrames=4&numPlanes=3&scanTime=10:00:00',
    )
    assert {'parameters/numPlanes': 3, 'startTime': '10:00:00'}.items() <= case.admin.item(
        f'{case.e}/scans/5'
    )['data_fields'].items()


# -- 2.6 columns

EXPERIMENT = 'ID,project,date,xsiType,label,insert_date'
FILES = 'Name,Size,URI,collection,file_tags,file_format,file_content,cat_ID,digest'
RESOURCES = (
    'xnat_abstractresource_id,label,element_name,category,cat_id,cat_desc,file_count,file_size,'
    'tags,content,format'
)


def columns(
    number: str, evidence: str, words: str, wanted: str, *paths: str | Ask, title: str | None = ''
) -> None:
    """Add a row about the default columns of a listing, in order in CSV, as members in JSON.

    A title of None means that the table has no title.
    """
    asked = [
        f'{path}{"&" if "?" in path else "?"}format=' for path in paths if isinstance(path, str)
    ]
    told = [get(f'{path}json', meta={'title': title}) for path in asked if title != '']
    facts.row(
        number,
        evidence,
        words,
        *(get(f'{path}csv', columns=wanted) for path in asked),
        *told,
        *(one for one in paths if isinstance(one, Ask)),
    )


columns(
    '2.6/1',
    'SM',
    'projects',
    'ID,secondary_ID,name,description,pi_firstname,pi_lastname,URI',
    '/data/projects',
    title=None,
)
columns(
    '2.6/2',
    'SRM',
    'subjects',
    'ID,project,label,insert_date,insert_user,URI',
    f'{P}/subjects',
    '/data/subjects',
)
facts.row(
    '2.6/2a',
    'SM',
    'subjects have no title',
    get(f'{P}/subjects', meta={'title': None}),
    get('/data/subjects', meta={'title': None}),
)
columns(
    '2.6/3',
    'SRM',
    'experiments below a project or subject',
    f'xnat:subjectassessordata/id,{EXPERIMENT},URI',
    f'{P}/experiments',
    f'{S1}/experiments',
    title=None,
)
facts.row(
    '2.6/4',
    'RM',
    'scans of one type: the first column is the key of that type',
    get(f'{M1}/scans?xsiType=xnat:mrScanData', like='"xnat:mrscandata/xnat_imagescandata_id"'),
)
columns(
    '2.6/5',
    'SBM',
    'experiments of one type in a project',
    f'xnat:mrsessiondata/id,{EXPERIMENT},URI',
    f'{P}/experiments?xsiType=xnat:mrSessionData',
)
columns(
    '2.6/6',
    'SM',
    'experiments of the site',
    f'{EXPERIMENT},URI',
    '/data/experiments',
    get('/data/experiments?recent=true', meta={'title': 'Recent Experiments'}),
    title='Matching experiments',
)
columns(
    '2.6/7', 'SM', 'of one type that belongs to subjects',
    'xnat:mrsessiondata/id,xnat:mrsessiondata/subject_id,subject_label,subject_ID,'
    f'{EXPERIMENT},URI',
    '/data/experiments?xsiType=xnat:mrSessionData', title='Matching experiments',
)  # fmt: skip
columns(
    '2.6/8',
    'SM',
    'of one type that belongs to sessions',
    f'xnat:qcmanualassessordata/id,session_ID,session_label,{EXPERIMENT},URI',
    '/data/experiments?xsiType=xnat:qcManualAssessorData',
    title='Matching experiments',
)
columns(
    '2.6/9',
    'SRM',
    'scans',
    'xnat_imagescandata_id,ID,type,quality,xsiType,note,series_description,URI',
    f'{M1}/scans',
    title=None,
)
columns(
    '2.6/10',
    'SM',
    'reconstructions',
    'xnat_reconstructedimagedata_id,ID,type,baseScanType,URI',
    f'{M1}/reconstructions',
    title=None,
)
columns(
    '2.6/11',
    'SM',
    'assessors',
    'xnat:imageassessordata/id,session_ID,session_label,ID,project,label,date,xsiType,insert_date,'
    'URI',
    f'{M1}/assessors',
    title=None,
)
columns(
    '2.6/12',
    'STM',
    'resources',
    RESOURCES,
    f'{SCAN}/resources',
    f'{P}/resources',
    title='Resources',
)
columns(
    '2.6/13', 'STM', 'files', FILES, f'{SCAN}/files', f'{SCAN}/resources/DATA/files', title='Files'
)
columns(
    '2.6/14',
    'SM',
    'projects of an item',
    'label,ID,Secondary_ID,Name',
    f'{M1}/projects',
    f'{S1}/projects',
)
columns(
    '2.6/15',
    'SM',
    'users of a project',
    'GROUP_ID,displayname,login,firstname,lastname,email',
    f'{P}/users',
    title='Projects',
)
columns(
    '2.6/16',
    'SM',
    'groups of a project',
    'id,displayname,tag,xdat_usergroup_id,users',
    f'{P}/groups',
    title='Projects',
)
columns(
    '2.6/17',
    'SM',
    'users',
    'xdat_user_id,login,firstname,lastname,email',
    '/data/users',
    title='Projects',
)
columns(
    '2.6/18',
    'SM',
    'investigators',
    'firstname,lastname,institution,department,email,xnat_investigatordata_id,login',
    '/data/investigators',
    title='Investigators',
)
columns(
    '2.6/19',
    'SM',
    'scan types',
    'series_descriptions,type',
    '/data/scan_types',
    f'{P}/scan_types',
    title='Scan Types',
)
columns('2.6/20', 'SM', 'scanners', 'scanner', '/data/scanners', title='Scanners')
PREARCHIVE = (
    'project,timestamp,lastmod,uploaded,scan_date,scan_time,subject,folderName,name,tag,status,url,'
    'autoarchive,prevent_anon,'
    'prevent_auto_commit,SOURCE,VISIT,PROTOCOL,TIMEZONE'
)
columns(
    '2.6/21',
    'SM',
    'the prearchive',
    PREARCHIVE,
    '/data/prearchive',
    '/data/prearchive/projects/P',
    title=None,
)
facts.row(
    '2.6/22', 'SM', 'saved searches', get('/data/search/saved', meta={'title': 'Stored Searches'})
)
columns(
    '2.6/23',
    'SM',
    'data types',
    'ELEMENT_NAME,SINGULAR,PLURAL,SECURED,COUNT',
    '/data/search/elements',
    title='Data-Types',
)
columns(
    '2.6/24',
    'SM',
    'fields of a data type',
    'FIELD_ID,HEADER,SUMMARY,TYPE,REQUIRES_VALUE,DESC,ELEMENT_NAME,SRC',
    '/data/search/elements/xnat:subjectData',
    title='Search Fields',
)
facts.row(
    '2.6/25',
    'SM',
    "a user's cache: no table at all where nothing is in it",
    get('/data/user/cache/resources', text='', by='outsider'),
    made('/data/user/cache/resources/{new}'),
    get('/data/user/cache/resources?format=csv', columns='Resource,URI'),
)
facts.row(
    '2.6/26',
    'S',
    'files there',
    made('/data/user/cache/resources/{new}'),
    get('/data/user/cache/resources/{new}/files?format=csv', columns='Name,Size,URI'),
)
facts.row(
    '2.6/27',
    'SM',
    'tools with a configuration',
    put(
        '/data/config/{new}/a?inbody=true',
        (200, 201),
        send='x',
        headers={'Content-Type': 'text/plain'},
    ),
    get('/data/config?format=csv', columns='tool'),
)
facts.row(
    '2.6/28',
    'SM',
    'a configuration',
    put(
        '/data/config/{new}/a?inbody=true',
        (200, 201),
        send='x',
        headers={'Content-Type': 'text/plain'},
    ),
    get(
        '/data/config/{new}/a?format=csv',
        columns='tool,path,project,user,create_date,reason,contents,unversioned,version,status',
    ),
)
STAMP = r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,3}'
facts.row(
    '2.6/29',
    'RM',
    'a row of subjects',
    get(
        f'{P}/subjects?label=S1',
        rows={
            'project': ['P'],
            'ID': ['{S1}'],
            'label': ['S1'],
            'insert_user': ['admin'],
            'URI': ['/data/subjects/{S1}'],
        },
        like=f'"insert_date": ?"{STAMP}"',
    ),
)
facts.row(
    '2.6/30',
    'RM',
    'a row of experiments',
    get(
        f'{S1}/experiments?label=M2',
        like=f'"insert_date": ?"{STAMP}"',
        rows={
            'date': ['2023-02-19'],
            'xsiType': ['xnat:mrSessionData'],
            'xnat:subjectassessordata/id': ['{M2}'],
            'project': ['P'],
            'ID': ['{M2}'],
            'label': ['M2'],
            'URI': ['/data/experiments/{M2}'],
        },
    ),
)
facts.row('2.6/31', 'RM', 'no date: the empty text', get(f'{M1}/assessors', rows={'date': ['']}))
facts.row(
    '2.6/32',
    'RM',
    'rows of scans, to which filters do not apply',
    get(
        f'{M1}/scans?ID=1',
        like='"xnat_imagescandata_id": ?"[0-9]+"',
        rows={
            'xsiType': ['xnat:mrScanData'] * 2,
            'note': [''] * 2,
            'series_description': ['', 't2'],
            'ID': ['1', '2'],
            'type': ['T1 w', 'T2'],
            'URI': [f'/data/experiments/{{M1}}/scans/{number}' for number in '12'],
            'quality': ['usable', 'questionable'],
        },
    ),
)


@facts.shown('2.6/33', 'R', 'a row of dicomdump')
def a_row_of_dicomdump(case: Case) -> None:
    case.admin.ok(
        'PUT', f'{case.n}/resources/DICOM/files/1.dcm?inbody=true', image(EchoTime='2.008')
    )
    source = f'/archive/projects/{case.p_id}/subjects/S/experiments/E/scans/1'
    rows = case.admin.get(f'/data/services/dicomdump?src={source}&field=00180081&format=json').rows
    assert rows == [
        {'tag1': '(0018,0081)', 'vr': 'DS', 'value': '2.008', 'tag2': '', 'desc': 'Echo Time'}
    ]


facts.row(
    '2.6.a',
    'SM',
    'the key of a short name is the name; scans are listed only with their ID',
    get(
        f'{M1}/scans?columns=ID,type,quality&format=csv',
        columns='xnat_imagescandata_id,ID,type,quality,URI',
    ),
    get(f'{M1}/scans?columns=type,fieldStrength,numPlanes', (400, 500)),
)
facts.row(
    '2.6.b',
    'STM',
    'the key of a full path is in lower case, or its short name; its type may limit the list, '
    'and has its key then',
    get(
        f'{P}/experiments?columns=xnat:mrSessionData/scans/scan/ID,xnat:imageSessionData/label&'
        'format=csv',
        columns='xnat:mrsessiondata/id,xnat:mrsessiondata/scans/scan/id,session_label,URI',
        rows={'session_label': ['M1', 'M1', 'M2']},
    ),
)
facts.row(
    '2.6.c',
    'STM',
    'the ID of projects and subjects is always included; for others it has the key of the root',
    get(f'{P}/subjects?columns=label', keys='label,ID,URI'),
    get('/data/projects?columns=name', keys='name,ID,URI'),
    get(
        f'{P}/experiments?xsiType=xnat:mrSessionData&columns=label',
        keys='xnat:mrsessiondata/id,label,URI',
    ),
    get(f'{M1}/assessors?columns=label', keys='xnat:imageassessordata/id,label,URI'),
)
facts.row(
    '2.6.d',
    'STM',
    'URI comes last',
    get(f'{P}/subjects?columns=URI,ID,label&format=csv', columns='ID,label,URI'),
)
facts.row(
    '2.6.e',
    'SBM',
    'unknown short names are ignored; with an unknown full path the query fails',
    get(f'{P}/subjects?columns=label,nonsense,LABEL&format=csv', columns='ID,label,URI'),
    get(f'{P}/subjects?columns=xnat:subjectData/nonsense', (400, 500)),
    get(f'{P}/experiments?columns=label,xnat:imageSessionData/scans/scan/parameters/tr', body=b''),
)
facts.unseen(
    '2.6.f',
    'S',
    'types that are not secured may have more columns',
    'the reference states that it is possible, but not when',
)


@facts.shown('2.6.g', 'TM', 'a repeated path gives a row for each item and value')
def repeated_values(case: Case) -> None:
    answer = case.admin.get(
        f'{P}/experiments?format=csv&columns=label,xnat:mrSessionData/scans/scan/ID'
    )
    assert sorted(
        (row['label'], row['xnat:mrsessiondata/scans/scan/id']) for row in answer.csv
    ) == [('M1', '1'), ('M1', '2'), ('M2', '')]
    base = 'xnat:mrScanData/parameters/addParam'
    case.admin.ok(
        'PUT', f'{case.n}?{base}%5Bname%3Da%5D/addField=1&{base}%5Bname%3Db%5D/addField=2'
    )
    rows = case.admin.get(f'{case.e}/scans?columns=ID,{base}/name,{base}/addField').rows
    assert sorted(
        (row[f'{base.lower()}/name'], row[f'{base.lower()}/addfield']) for row in rows
    ) == [('a', '1'), ('b', '2')]
    assert [
        row['ID'] for row in case.admin.get(f'{case.e}/scans?{base}/addField=2&columns=ID').rows
    ] == ['1']


facts.row(
    '2.6.h',
    'SM',
    'nothing found: no rows, a total of 0',
    get('{p}/subjects', count=0, meta={'totalRecords': '0'}),
    get('{p}/experiments', count=0),
)
facts.row(
    '2.6/b',
    'SM',
    'only items that the caller may read are listed, shared ones included',
    made('{p}/subjects/S'),
    put('{p}?accessibility=private'),
    put('{p}/subjects/S/projects/{q_id}'),
    get('{q}/subjects', rows={'label': ['S']}),
    made(
        '/data/projects/{new}c?accessibility=public'
    ),  # a user without any readable project gets an error
    get('/data/subjects?project={p_id}', by='outsider', count=0),
    get('/data/subjects?project={p_id}', count=1),
)

# -- 2.6.1 variants of the project listing

BY_ROLE = [
    made('{p}?accessibility=private'),
    put('{p}/users/owner/outsider'),
    put('{q}/users/member/outsider'),
    made('/data/projects/{new}c?accessibility=private'),
    put('/data/projects/{new}c/users/collaborator/outsider'),
]
OWNED, JOINED, READ = '"{p_id}"', '"{q_id}"', '"{new}c"'


def listed(query: str, *names: str, key: str = 'id') -> Ask:
    """Request the outsider's projects: of the three with a role, only these are listed."""
    others = [name for name in (OWNED, JOINED, READ) if name not in names]
    return get(
        f'/data/projects?{query}',
        by='outsider',
        like='(?s)' + ''.join(f'(?=.*"{key}": ?{name})' for name in names),
        unlike='|'.join(others) or '^$',
    )


facts.row(
    '2.6.1/1',
    'STM',
    'all visible projects: own, public, protected; no private ones of others',
    *BY_ROLE,
    made('/data/projects/{new}a?accessibility=private'),
    made('/data/projects/{new}b?accessibility=public'),
    made('/data/projects/{new}d'),
    listed('', OWNED, JOINED, READ, key='ID'),
    get(
        '/data/projects', by='outsider', like='(?s)(?=.*"{new}b")(?=.*"{new}d")', unlike='"{new}a"'
    ),
)
facts.row(
    '2.6.1/2',
    'SM',
    'accessible: with access to data',
    *BY_ROLE,
    listed('accessible=true', OWNED, JOINED, READ),
)
facts.row(
    '2.6.1/3',
    'SM',
    'owner, member, collaborator: with that role',
    *BY_ROLE,
    listed('owner=true', OWNED),
    listed('member=true', JOINED),
    listed('collaborator=true', READ),
    listed('owner=true&collaborator=true', OWNED, READ),
)
facts.row(
    '2.6.1/4',
    'SM',
    'data: readable or writable',
    *BY_ROLE,
    listed('data=writable', OWNED, JOINED),
    listed('data=readable', OWNED, JOINED, READ),
    get('/data/projects?data=nonsense', (400, 500), by='outsider'),
)
facts.row(
    '2.6.1/5',
    'SM',
    'recent (by the pages alone), favorite, activeSince, users, admin, prearc_code',
    *BY_ROLE,
    get('{p}?format=json', by='outsider'),
    get('/data/projects?recent=true', by='outsider', count=0),
    listed('favorite=true'),
    put('/data/users/favorites/Project/{q_id}', by='outsider'),
    listed('favorite=true', JOINED),
    listed('activeSince=1/1/2000', OWNED, JOINED, READ),
    listed('activeSince=1/1/2100'),
    get('/data/projects?prearc_code=true', by='outsider', like='"proj_prearchive_code"'),
    get('/data/projects?admin=true', like='"{p_id}"'),
    get('/data/projects?users=true', by='outsider', like='{p_id}'),
)


@facts.shown(
    '2.6.1/6', 'SM', 'any of these answers a table of the search engine, with keys in lower case'
)
def projects_by_search(case: Case) -> None:
    number = next(
        row['xdat_user_id'] for row in case.admin.get('/data/users').rows if row['login'] == 'admin'
    )
    answer = case.admin.get('/data/projects?accessible=true&format=csv')
    assert answer.header == [
        'id',
        'name',
        'description',
        'secondary_id',
        'pi',
        'project_invs',
        'project_access',
        'project_access_img',
        'insert_date',
        'insert_user',
        f'user_role_{number}',
        f'last_accessed_{number}',
        'quarantine_status',
    ]
    found = case.admin.get('/data/projects?accessible=true').result
    assert (found['title'], found['xdat_user_id']) == ('Projects', number)
    row = next(row for row in found['Result'] if row['id'] == 'P')
    assert (row['name'], row['pi'], row['project_access'], row[f'user_role_{number}']) == (
        'P',
        'Ada Long',
        'protected',
        'Owners',
    )
    assert (
        'proj_quarantine'
        in case.admin.get('/data/projects?accessible=true&prearc_code=true&format=csv').header
    )
    root = etree.fromstring(case.admin.get('/data/projects?format=search_xml').body)
    assert root.findtext('{*}root_element_name') == 'xnat:projectData'


facts.row(
    '2.6.1/7',
    'SM',
    'permissions: projects with a right on a data type, as id and secondary_id; without the type '
    'an error',
    *BY_ROLE,
    get('/data/projects?permissions=edit', (400, 500), by='outsider'),
    *(
        listed(f'permissions={right}&dataType=xnat:mrSessionData', *names)
        for right, names in (
            ('edit', (OWNED, JOINED)),
            ('read', (OWNED, JOINED, READ)),
            ('delete', (OWNED,)),
        )
    ),
    get(
        '/data/projects?permissions=edit&dataType=xnat:mrSessionData&format=csv',
        columns='id,secondary_id',
    ),
)
facts.row(
    '2.6.1/8',
    'SM',
    'creatableTypes: projects where the caller may create',
    *BY_ROLE,
    listed('creatableTypes=true', OWNED, JOINED),
    listed('creatableTypes=true&data-type=xnat:subjectData', OWNED, JOINED),
    get(
        '/data/projects?creatableTypes=true&format=csv', columns='id,name,description,secondary_id'
    ),
)
facts.row(
    '2.6.1/9',
    'SM',
    'restrict: edit and delete are the projects that the caller owns',
    *BY_ROLE,
    listed('restrict=edit', OWNED, key='ID'),
    listed('restrict=delete', OWNED, key='ID'),
)

# -- 2.6.2 resources and files

ALL = f'{M1}/resources?all=true'
facts.row(
    '2.6.2/1',
    'SM',
    'category, ID and description of the holder',
    get(
        ALL,
        values={
            'category': ['resources', 'scans', 'scans', 'assessors'],
            'cat_id': ['', '1', '2', '{A1}'],
            'cat_desc': ['', 'T1 w', 'T2', ''],
        },
    ),
    get(f'{M1}/resources', rows={'cat_id': ['{M1}'], 'cat_desc': [' ']}),
    get('/data/experiments/{A1}/resources', rows={'cat_id': ['{A1}'], 'cat_desc': ['Manual QC']}),
)
facts.row(
    '2.6.2/2',
    'STM',
    'for a session only its own; all=true adds those of its parts; totalRecords counts resources',
    get(f'{M1}/resources', count=1, meta={'totalRecords': '1'}),
    get(ALL, count=4, meta={'totalRecords': '4'}),
    get(f'{ALL}&file_stats=true', meta={'totalRecords': '4'}),
)
facts.row(
    '2.6.2/3',
    'SM',
    'file_stats: counts and sizes are there',
    get(f'{M1}/resources?file_stats=true', rows={'file_count': ['1'], 'file_size': ['3']}),
)
facts.row(
    '2.6.2/4',
    'SM',
    'tags are joined by commas',
    put('{p}/resources/R?tags=a,b'),
    get('{p}/resources', rows={'tags': ['a,b']}),
)
facts.row('2.6.2/5', 'SM', 'no URI column', get(f'{M1}/resources', unlike='"URI"'))
facts.row(
    '2.6.2/6',
    'SM',
    'element_name',
    get(f'{M1}/resources', rows={'element_name': ['xnat:resourceCatalog']}),
)


@facts.shown(
    '2.6.2/7',
    'STM',
    'files: name without folder, URI with it, label and number of the resource, MD5',
)
@facts.shown(
    '2.6.2/8',
    'STM',
    'the URI has IDs and the number of the resource, and is not quoted; for one named resource '
    'it is that of the request',
)
def rows_of_files(case: Case) -> None:
    session, subject = case.admin.ok('PUT', case.e), case.admin.ok('PUT', case.s)
    case.admin.ok('PUT', f'{case.n}/resources/UP/files/a/b%20c.dat?inbody=true', b'12345')
    tail = '/scans/1/resources/{}/files/a/b c.dat'
    for path, start in (
        (case.e, f'{case.p}/subjects/{subject}/experiments/{session}'),
        (f'/data/experiments/{session}', f'/data/experiments/{session}'),
    ):
        row = case.admin.get(f'{path}/scans/1/resources/UP/files').rows[0]
        assert (row['Name'], row['Size'], row['collection'], row['digest']) == (
            'b c.dat',
            '5',
            'UP',
            '827ccb0eea8a706c4c34a16891f84e7b',
        )
        assert row['cat_ID'].isdigit() and row['URI'] == start + tail.format(row['cat_ID'])
        assert case.admin.get(quote(row['URI'])).body == b'12345'
        row = case.admin.get(f'{path}/scans/1/files').rows[0]
        assert row['URI'] == f'/data/experiments/{session}' + tail.format(row['cat_ID'])


@facts.shown(
    '2.6.2/9',
    'SM',
    'the JSON of files has Columns, whose URI names the server root, and no totalRecords',
)
def columns_of_files(case: Case) -> None:
    found = case.admin.get(f'{M1}/files').result
    assert (found['title'], found.get('totalRecords')) == ('Files', None)
    assert found['Columns'] == [{'key': 'URI', 'serverRoot': ''}]


# -- 2.7 formats


@facts.shown('2.7.1', 'SR', 'JSON: a ResultSet with Result, and its description')
@facts.shown('2.7.2', 'SR', 'all values are texts, nothing is the empty text')
@facts.shown('2.7.3', 'STR', 'totalRecords is digits in a text')
def tables_in_json(case: Case) -> None:
    for path in (
        '/data/projects',
        f'{P}/subjects?columns=age,dob',
        f'{P}/experiments',
        f'{M1}/scans?columns=ID,frames',
        f'{M1}/resources',
    ):
        found = case.admin.get(path).json
        assert set(found) == {'ResultSet'} and {'Result', 'totalRecords'} <= set(found['ResultSet'])
        assert all(
            isinstance(value, str) for row in found['ResultSet']['Result'] for value in row.values()
        ), path
        assert found['ResultSet']['totalRecords'] == str(len(found['ResultSet']['Result']))


facts.row(
    '2.7.3b',
    'R',
    'a float reads 42.0, an integer 42',
    put('{e}?xnat:mrSessionData/age=42'),
    put('{n}?frames=42'),
    get(
        '{s}/experiments?columns=xnat:mrSessionData/age', rows={'xnat:mrsessiondata/age': ['42.0']}
    ),
    get('{e}/scans?columns=ID,frames', rows={'frames': ['42']}),
)
facts.row(
    '2.7.4',
    'SRM',
    'dates, timestamps with at least a digit of fraction, times to the millisecond',
    put('{e}?date=2020-01-31&time=08:05:09'),
    get(
        '{s}/experiments?columns=date,time', rows={'date': ['2020-01-31'], 'time': ['08:05:09.000']}
    ),
    get('{s}/experiments', like=f'"insert_date": ?"{STAMP}"'),
)
facts.row(
    '2.7.5',
    'SM',
    'the type of a table without a charset',
    get('/data/projects', header={'Content-Type': 'application/json$'}),
    *(
        get(f'/data/projects?format={form}', header={'Content-Type': f'text/{form}$'})
        for form in ('csv', 'xml', 'html')
    ),
)
facts.row(
    '2.7.6',
    'SRM',
    'CSV: quoted where needed, line breaks as blanks, lines end with LF; quotes of a query are '
    'stored escaped',
    put('{p}?description=a,%22b%22%0Ac&name=%22{new}%22'),
    get(
        '/data/projects?ID={new}&format=csv',
        type='text/csv',
        text='ID,secondary_ID,name,description,pi_firstname,pi_lastname,URI\n'
        '{new},{new},&quot;{new}&quot;,"a,&quot;b&quot; c",,,/data/projects/{new}\n',
    ),
)
facts.unseen('2.7.7', 'R', 'CSV of 1.4 to 1.6 quotes every text', 'this archive answers as 1.8')
facts.row(
    '2.7.8',
    'SM',
    'CSV has no total',
    get(f'{M1}/resources?format=csv', unlike='totalRecords|Resources'),
)


@facts.shown('2.7.9', 'SM', 'XML: the description as attributes, then columns, rows and cells')
def tables_in_xml(case: Case) -> None:
    root = etree.fromstring(case.admin.get(f'{P}/subjects?format=xml').body)
    assert (root.tag, root.get('title'), root.get('totalRecords')) == ('ResultSet', None, '2')
    assert [node.text for node in root.findall('results/columns/column')] == [
        'ID',
        'project',
        'label',
        'insert_date',
        'insert_user',
        'URI',
    ]
    assert (
        sorted(str(row[2].text) for row in root.findall('results/rows/row')) == ['S1', 'S2']
        and root.find('results/rows/row')[0].tag == 'cell'
    )  # type: ignore[index]


facts.row(
    '2.7.10',
    'SM',
    'HTML: a table of a class; xList: the same page, its cells without marks',
    get('/data/projects?format=html', like='<table[^>]*class="x_rs_t"'),
    get('/data/projects?format=xList', like='(?s)<html.*\nPP', unlike='<td'),
    get('/data/projects?format=nonsense', type='text/html'),
)
facts.shown('2.7.11', 'SM', 'a listing that could not build its table: 200 and nothing')(no_table)
