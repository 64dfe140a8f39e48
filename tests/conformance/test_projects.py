"""Routes and settings of projects (facts 2.1, 2.8.1, 5.2, 6.5.5) and what a session can be told to do (fact 2.4, triggers)."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from lxml import etree

from .conftest import Client, item_of

P = '/data/projects/PR'
NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'arc': 'http://nrg.wustl.edu/arc'}


@pytest.fixture(autouse=True, scope='module')
def _made(admin: Client) -> None:
    admin.ok('PUT', P)
    for name in ('owner', 'member', 'collaborator'):
        admin.ok('PUT', f'{P}/users/{name}/{name}')
    admin.ok('PUT', f'{P}/subjects/S/experiments/E?xsiType=xnat:mrSessionData')


@pytest.mark.parametrize(
    ('name', 'default', 'value'),
    [('prearchive_code', '4', '5'), ('quarantine_code', '0', '1'), ('current_arc', 'arc001', 'arc001/sub'), ('scan_type_mapping', 'true', 'false')],
)
def test_2_8_1_settings(admin: Client, collaborator: Client, outsider: Client, name: str, default: str, value: str) -> None:
    answer = admin.get(f'{P}/{name}')
    assert (answer.status, answer.text) == (200, default)
    assert answer.headers['Content-Type'].startswith('text/plain')
    answer = admin.put(f'/data/archive/projects/PR/{name}/{value}')
    assert (answer.status, answer.body) == (200, b'')
    assert collaborator.get(f'/REST/projects/PR/{name}').text == value
    assert collaborator.put(f'{P}/{name}/{default}').status == 403
    assert outsider.get(f'{P}/{name}').status in (403, 404)


def test_2_8_1_bad_settings(admin: Client) -> None:
    assert admin.put(f'{P}/prearchive_code/four').status == 400
    assert admin.put(f'{P}/prearchive_code').status == 400
    assert admin.put(f'{P}/nonsense/1').status == 400
    assert admin.get(f'{P}/nonsense').status == 400
    assert admin.delete(f'{P}/prearchive_code').status == 405


def test_5_2_accessibility(admin: Client, owner: Client, member: Client, outsider: Client) -> None:
    assert admin.get(f'{P}/accessibility').text == 'protected'
    for value in ('private', 'public', 'protected'):
        answer = owner.put(f'{P}/accessibility/{value}')
        assert (answer.status, answer.text) == (200, value)
        assert owner.get(f'{P}/accessibility').text == value
    assert owner.put(f'{P}/accessibility/open').status == 400
    assert member.put(f'{P}/accessibility/public').status == 403
    assert outsider.put(f'{P}/accessibility/public').status == 403
    assert outsider.get(f'{P}/accessibility').text == 'protected'
    owner.ok('PUT', f'{P}/accessibility/private')
    assert outsider.get(f'{P}/accessibility').status == 404
    owner.ok('PUT', f'{P}?accessibility=protected')


@pytest.mark.parametrize('group', ['PR_member', 'member', 'Members', 'members'])
def test_5_2_groups_by_id_suffix_and_name(admin: Client, group: str) -> None:
    rows = admin.put(f'{P}/users/{group}/outsider').rows
    assert [(row['GROUP_ID'], row['displayname']) for row in rows if row['login'] == 'outsider'] == [('PR_member', 'Members')]
    assert set(rows[0]) == {'GROUP_ID', 'displayname', 'login', 'firstname', 'lastname', 'email'}
    rows = admin.put(f'{P}/users/Collaborators/outsider').rows  # out of his other group
    assert [row['GROUP_ID'] for row in rows if row['login'] == 'outsider'] == ['PR_collaborator']
    assert 'outsider' in [row['login'] for row in admin.delete(f'{P}/users/{group}/outsider').rows]  # not in that one
    assert 'outsider' not in [row['login'] for row in admin.delete(f'{P}/users/Collaborators/outsider').rows]


def test_5_2_users(admin: Client, owner: Client, member: Client, server: object) -> None:
    assert [row['login'] for row in admin.get(f'{P}/users').rows] == ['admin', 'collaborator', 'member', 'owner']
    assert [row['login'] for row in admin.get(f'{P}/users/true').rows] == ['admin', 'collaborator', 'member', 'owner']
    number = next(row['xdat_user_id'] for row in admin.get('/data/users').rows if row['login'] == 'outsider')
    assert 'outsider' in [row['login'] for row in owner.put(f'{P}/users/member/{number}').rows]
    assert 'outsider' not in [row['login'] for row in owner.delete(f'{P}/users/member/outsider').rows]
    assert len(owner.put(f'{P}/users/member/outsider,member').rows) == 5
    owner.ok('DELETE', f'{P}/users/member/outsider')
    assert member.put(f'{P}/users/owner/member').status == 403
    assert owner.put(f'{P}/users/kings/member').status == 404
    assert owner.put(f'{P}/users/owner/nobody').status == 404
    assert owner.put('/data/projects/NONE/users/owner/member').status == 404


def test_5_1_groups(admin: Client) -> None:
    answer = admin.get(f'{P}/groups?format=csv')
    assert answer.header == ['id', 'displayname', 'tag', 'xdat_usergroup_id', 'users']
    assert [(row['id'], row['displayname'], row['users']) for row in answer.csv] == [
        ('PR_owner', 'Owners', '2'), ('PR_member', 'Members', '1'), ('PR_collaborator', 'Collaborators', '1'),
    ]  # fmt: skip
    assert admin.delete(f'{P}/groups/PR_member').status == 403


def test_2_2_1_aliases(admin: Client) -> None:
    admin.ok('PUT', f'{P}?alias=nick')
    admin.ok('PUT', f'{P}?xnat:projectData/aliases/alias[1]/alias=other')
    rows = admin.get('/data/projects?columns=alias&format=csv').csv
    assert sorted(row['alias'] for row in rows if row['ID'] == 'PR') == ['nick', 'other']
    for name in ('nick', 'other', 'pr'):
        assert item_of(admin, f'/data/projects/{name}')['data_fields']['ID'] == 'PR'
        assert admin.get(f'/data/projects/{name}/subjects').rows[0]['project'] == 'PR'
    admin.ok('PUT', '/data/projects/nick/subjects/BYALIAS')
    assert item_of(admin, f'{P}/subjects/BYALIAS')['data_fields']['project'] == 'PR'
    for clash in ('alias=NICK', 'name=Other', 'alias=PR'):
        assert admin.put(f'/data/projects/CLASH?{clash}').status == 409, clash
    assert admin.put('/data/projects/Other').status == 200  # addresses PR
    assert admin.get('/data/projects/CLASH?format=json').status == 404


def test_2_5_project_fields(admin: Client) -> None:
    query = 'description=a%20study%20%26%20more&keywords=k1%20k2&pi_firstname=A&pi_lastname=B&secondary_ID=SEC&name=Title&note=n'
    admin.ok('PUT', f'{P}?{query}')
    names = ['description', 'keywords', 'pi_firstname', 'pi_lastname', 'secondary_ID', 'name', 'note', 'insert_user']
    row = next(row for row in admin.get(f'/data/projects?columns={",".join(names)}').rows if row['ID'] == 'PR')
    assert [row[name] for name in names] == ['a study & more', 'k1 k2', 'A', 'B', 'SEC', 'Title', 'n', 'admin']
    row = next(row for row in admin.get('/data/projects').rows if row['ID'] == 'PR')
    assert (row['secondary_ID'], row['pi_lastname'], row['URI']) == ('SEC', 'B', '/data/projects/PR')
    assert {'firstname': 'A', 'lastname': 'B'}.items() <= admin.get('/data/investigators').rows[0].items()


def test_archive_spec_and_pipelines(admin: Client, collaborator: Client) -> None:
    root = etree.fromstring(admin.get(f'{P}/archive_spec').body)
    assert root.tag == '{http://nrg.wustl.edu/arc}project' and root.get('id') == 'PR'
    assert admin.get(f'{P}/pipelines?format=json').rows == []
    assert collaborator.get(f'{P}/pipelines').status == 403
    assert admin.post(f'{P}/pipelines/NONE/experiments/E').status == 404
    assert admin.post(f'{P}/pipelines/fixScanTypes/experiments/E').status == 200


PROTOCOL = (
    '<xnat:studyProtocol xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' ID="PR_xnat_subjectData" data-type="xnat:subjectData" name="Subjects" xsi:type="xnat:datatypeProtocol"><xnat:definitions>'
    '<xnat:definition ID="group1" data-type="xnat:subjectData" project-specific="1"><xnat:fields>'
    '<xnat:field name="Foo" datatype="string" type="custom" xmlPath="xnat:subjectData/fields/field[name=foo]/field"/>'
    '<xnat:field name="Bar" datatype="integer" type="custom" required="0"><xnat:possibleValues><xnat:possibleValue display="one">1'
    '</xnat:possibleValue></xnat:possibleValues></xnat:field>'
    '</xnat:fields></xnat:definition></xnat:definitions></xnat:studyProtocol>'
)


def test_6_5_6_protocols(admin: Client, collaborator: Client) -> None:
    path = f'{P}/protocols/PR_xnat_subjectData'
    assert admin.get(path).status == 404
    assert admin.put(path, '<a').status == 422
    assert admin.put(path, '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat"/>').status == 406
    assert collaborator.put(path, PROTOCOL).status == 403
    assert admin.put(path, PROTOCOL).status == 200
    assert admin.put('/data/projects/NONE/protocols/x', PROTOCOL).status == 404
    for asked in (path, f'{P}/protocols?dataType=xnat:subjectData'):
        root = etree.fromstring(admin.get(asked).body)
        assert (root.get('name'), root.get('data-type')) == ('Subjects', 'xnat:subjectData')
        fields = root.findall('xnat:definitions/xnat:definition/xnat:fields/xnat:field', NS)
        assert [(one.get('name'), one.get('datatype')) for one in fields] == [('Foo', 'string'), ('Bar', 'integer')]
        assert root.findtext('.//xnat:possibleValue', namespaces=NS) == '1'


def test_6_5_5_the_protocol_is_in_the_document_of_the_project(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/PP')
    root = etree.fromstring(admin.get('/data/projects/PP?format=xml').body)
    root.append(etree.fromstring(PROTOCOL.replace('PR_', 'PP_')))
    assert admin.put('/data/projects/PP', etree.tostring(root), **{'Content-Type': 'text/xml'}).status == 200
    before = admin.get('/data/projects/PP?format=xml').body
    root = etree.fromstring(before)
    protocol = root.find('xnat:studyProtocol', NS)
    assert protocol is not None and protocol.get('name') == 'Subjects' and protocol.get('ID') == 'PP_xnat_subjectData'
    assert [one.get('name') for one in protocol.iterfind('.//xnat:field', NS)] == ['Foo', 'Bar']
    assert admin.put('/data/projects/PP?allowDataDeletion=true', before, **{'Content-Type': 'text/xml'}).status == 200
    assert admin.get('/data/projects/PP?format=xml').body == before
    assert admin.get('/data/projects/PP/protocols/PP_xnat_subjectData').status == 200


STEPS = [
    ('PUT', f'{P}/subjects/LM?group=g'),
    ('PUT', f'{P}/subjects/LM/experiments/LME?xsiType=xnat:mrSessionData'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1?xsiType=xnat:mrScanData'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1?type=T1'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R'),
    ('PUT', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R/files/f?inbody=true'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME/scans/1/resources/R/files/f'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME/scans/1'),
    ('DELETE', f'{P}/subjects/LM/experiments/LME'),
]


def test_last_modified_of_a_subject_follows_what_is_below(admin: Client) -> None:
    seen = []
    for method, path in STEPS:
        admin.ok(method, path, b'x' if 'inbody' in path else None)
        seen.append(admin.get(f'{P}/subjects?columns=last_modified&label=LM').rows[0]['last_modified'])
    assert len(set(seen)) == len(STEPS)


# -- triggers


def test_triggers_are_accepted_and_recorded(admin: Client, collaborator: Client) -> None:
    path = f'{P}/subjects/S/experiments/E'
    identifier = admin.ok('PUT', f'{path}?triggerPipelines=true')
    assert admin.ok('PUT', f'{path}?triggerPipelines=true&fixScanTypes=true&pullDataFromHeaders=true') == identifier
    assert collaborator.put(f'{path}?triggerPipelines=true').status == 403
    rows = admin.get(f'/data/services/workflows/triggerPipelines?display=ALL&experiment={identifier}').rows
    assert [row['status'] for row in rows] == ['Complete', 'Complete']


def test_fix_scan_types(admin: Client) -> None:
    known, new = f'{P}/subjects/S/experiments/KNOWN', f'{P}/subjects/S/experiments/NEW'
    for path in (known, new):
        admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{known}/scans/1?xsiType=xnat:mrScanData&type=ANATOMY&series_description=t1_mpr')
    for number, described in enumerate(('t1_mpr', 'unheard_of'), 1):
        admin.ok('PUT', f'{new}/scans/{number}?xsiType=xnat:mrScanData&series_description={described}')
    admin.ok('PUT', f'{new}?fixScanTypes=true')
    assert [row['type'] for row in admin.get(f'{new}/scans').rows] == ['ANATOMY', '']
    assert ('ANATOMY', 't1_mpr') in [(row['type'], row['series_descriptions']) for row in admin.get(f'{P}/scan_types').rows]


def dicom(path: Path) -> bytes:
    pydicom = pytest.importorskip('pydicom')
    dataset = pydicom.Dataset()
    values = {'PatientID': 'pid', 'PatientName': 'A^B', 'StudyDate': '20200131', 'StudyTime': '081530.5', 'StudyInstanceUID': '1.2.3',
              'SeriesInstanceUID': '1.2.3.4', 'SeriesDescription': 't1_mpr', 'Modality': 'MR', 'Manufacturer': 'M', 'MagneticFieldStrength': 3,
              'RepetitionTime': 2300, 'SOPClassUID': '1.2.840.10008.5.1.4.1.1.4', 'SOPInstanceUID': '1.2.3.4.5'}  # fmt: skip
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    target = io.BytesIO()
    pydicom.dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()


def test_pull_data_from_headers(admin: Client, tmp_path: Path) -> None:
    path = f'{P}/subjects/S/experiments/DCM'
    admin.ok('PUT', f'{path}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{path}/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{path}/scans/1/resources/DICOM/files/1.dcm?inbody=true', dicom(tmp_path))
    admin.ok('PUT', f'{path}/scans/2?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{path}/scans/2/resources/DICOM/files/no.dcm?inbody=true', b'this is no DICOM')
    admin.ok('PUT', f'{path}?pullDataFromHeaders=true')
    fields = item_of(admin, path)['data_fields']
    assert (fields['date'], fields['time'], fields['dcmPatientId'], fields['dcmPatientName']) == ('2020-01-31', '08:15:30', 'pid', 'A^B')
    scan = item_of(admin, f'{path}/scans/1')['data_fields']
    assert (scan['UID'], scan['series_description'], scan['parameters/tr']) == ('1.2.3.4', 't1_mpr', 2300.0)
    assert json.loads(admin.get(f'{path}/scans/2?format=json').body)['items'][0]['data_fields'].get('UID') is None


def test_6_1_the_prearchive_is_empty(admin: Client, outsider: Client) -> None:
    for path in ('/data/prearchive', '/data/prearchive/projects/PR'):
        result = json.loads(admin.get(f'{path}?format=json').body)['ResultSet']
        assert result == {'Result': []}
        assert admin.get(f'{path}?format=csv').header[:3] == ['project', 'timestamp', 'lastmod']
    assert outsider.get('/data/prearchive/projects/PR').status == 403
