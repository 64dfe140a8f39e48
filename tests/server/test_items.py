"""Creating, reading, changing, sharing and deleting items."""

from __future__ import annotations

import json

import pytest
from lxml import etree

from .conftest import Client

NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'xsi': 'http://www.w3.org/2001/XMLSchema-instance'}


@pytest.fixture(autouse=True)
def projects(admin: Client) -> None:
    admin.put('/data/projects/I')
    admin.put('/data/projects/J')


def fields(client: Client, path: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(client.get(path + '?format=json').body)['items'][0]['data_fields']
    return found


def test_2_8_statuses_and_bodies(admin: Client) -> None:
    steps = [
        ('PUT', '/data/projects/N1', 200, ''),
        ('PUT', '/data/projects/N1', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A', 201, 'XNAT_S'),
        ('PUT', '/data/projects/N1/subjects/A?group=g', 200, 'XNAT_S'),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E', 417, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E?xsiType=xnat:mrSessionData', 201, 'XNAT_E'),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E?date=2020-01-01', 200, 'XNAT_E'),
        ('PUT', '/data/projects/N1/subjects/NEW/experiments/E2?xsiType=xnat:ctSessionData', 201, 'XNAT_E'),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1', 400, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1?xsiType=xnat:imageScanData', 400, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1?xsiType=xnat:mrScanData', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1?type=T1', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1?xsiType=xnat:petScanData', 409, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/scans/1?xnat:petScanData/type=T1', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A/experiments/NONE/scans/1?xsiType=xnat:mrScanData', 404, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/reconstructions/R?type=x', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/assessors/Q?xsiType=xnat:qcManualAssessorData', 201, 'XNAT_E'),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/resources/L', 200, ''),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/resources/L', 409, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/E/resources/123', 403, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/X?xsiType=xnat:nothingData', 400, None),
        ('PUT', '/data/projects/N1/subjects/A/experiments/X?xsiType=xnat:subjectData', 400, None),
        ('PUT', '/data/projects/bad%20id', 417, None),
        ('PUT', '/data/projects/n1?name=other', 200, ''),
        ('PUT', '/data/projects/N3?name=N1', 409, None),
        ('POST', '/data/projects?ID=N4', 200, '/data/projects/N4'),
        ('POST', '/data/projects?ID=N4', 409, None),
        ('POST', '/data/projects/N1/subjects?label=B', 200, '/data/subjects/XNAT_S'),
        ('POST', '/data/projects/N1/subjects?label=b%C3%A9', 417, None),
        ('POST', '/data/projects/N1/subjects/B/experiments?label=BE&xsiType=xnat:mrSessionData', 200, '/data/experiments/XNAT_E'),
        ('POST', '/data/projects/N1/subjects/NOBODY/experiments?label=BF&xsiType=xnat:mrSessionData', 404, None),
        ('POST', '/data/projects/N1/subjects/A/experiments/E/scans?xsiType=xnat:mrScanData', 200, '/data/'),
    ]
    for method, path, status, body in steps:
        answer = admin(method, path)
        assert answer.status == status, (method, path, answer.status, answer.body)
        if body is not None:
            assert answer.text.startswith(body) and (body != '' or answer.text == ''), (path, answer.text)
            assert not answer.text.endswith('\n')


def test_fields_are_set_read_and_cleared(admin: Client) -> None:
    path = '/data/projects/I/subjects/F'
    admin.ok('PUT', f'{path}?gender=female&yob=1980&xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/handedness=left')
    admin.ok('PUT', f'{path}?xnat:subjectData/fields/field[name=Score]/field=7&src=here&nonsense=1&xnat:mrSessionData/coil=x')
    row = admin.get('/data/projects/I/subjects?label=F&columns=gender,yob,handedness,src').rows[0]
    assert (row['gender'], row['yob'], row['handedness'], row['src']) == ('female', '1980', 'left', 'here')
    assert admin.get('/data/projects/I/subjects?label=F&columns=xnat:subjectData/fields/field[name=score]/field').csv is not None
    children = json.loads(admin.get(path + '?format=json').body)['items'][0]['children']
    assert {child['field'] for child in children} == {'demographics', 'fields/field'}
    assert next(child for child in children if child['field'] == 'fields/field')['items'][0]['data_fields'] == {'field': '7', 'name': 'score'}
    admin.ok('PUT', path + '?src=')
    assert 'src' not in fields(admin, path)


@pytest.mark.parametrize(
    ('setting', 'read'),
    [
        ('date=2020-02-30', None),
        ('date=02/01/2020', '2020-02-01'),
        ('date=20200201', '2020-02-01'),
        ('time=25:00:00', None),
        ('time=08:52:11', '08:52:11'),
        ('xnat:mrSessionData/age=forty', None),
        ('xnat:mrSessionData/age=42', 42.0),
        ('note=' + 'n' * 2501, None),
        ('scanner=' + 'n' * 256, None),
        ('pi_firstname=' + 'n' * 26, None),
    ],
)
def test_8_3_values(admin: Client, setting: str, read: object) -> None:
    admin.put('/data/projects/I/subjects/V/experiments/V?xsiType=xnat:mrSessionData')
    answer = admin.put(f'/data/projects/I/subjects/V/experiments/V?{setting}')
    assert answer.status == (400 if read is None else 200), answer.body
    if read is not None:
        name = setting.partition('=')[0].rpartition('/')[2]
        assert fields(admin, '/data/projects/I/experiments/V')[name] == read


def test_2_11_2_an_element_of_a_type_of_its_own_is_a_child(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/PI1?xnat:projectData/PI/lastname=Curie&xnat:projectData/PI/firstname=Marie')
    found = json.loads(admin.get('/data/projects/PI1?format=json').body)['items'][0]
    (child,) = found['children']
    assert child['field'] == 'PI' and child['items'][0]['data_fields'] == {'lastname': 'Curie', 'firstname': 'Marie'}
    assert child['items'][0]['meta']['xsi:type'] == 'xnat:investigatorData' and not any('PI' in name for name in found['data_fields'])


def test_the_site_wide_listing_names_the_subject_shortly(admin: Client, filled: dict[str, str]) -> None:
    """yaxil asks for the full path and reads the short name."""
    (row,) = admin.get('/data/experiments?columns=ID,xnat:subjectassessordata/subject_id,subject_label&label=M1&project=P').rows
    assert (row['subject_ID'], row['subject_label']) == (filled['S1'], 'S1')


def test_xml_is_declared_as_java_declares_it(admin: Client, filled: dict[str, str]) -> None:
    """A client takes a catalogue for one by its first bytes."""
    assert admin.get(f'/data/experiments/{filled["M1"]}?format=xml').body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<')
    catalogue = admin.get(f'/data/experiments/{filled["M1"]}/resources/DATA?format=json').body
    assert catalogue.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog')


@pytest.mark.parametrize('setting', ['gender=nobody', 'handedness=both', 'education=31', 'age=1.5', 'dob=yesterday'])
def test_8_3_demographics(admin: Client, setting: str) -> None:
    answer = admin.put(f'/data/projects/I/subjects/D?{setting}')
    assert answer.status == 400
    assert setting.partition('=')[0] in answer.text
    assert admin.get('/data/projects/I/subjects/D?format=json').status == 404


def test_2_11_json(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/J1/experiments/J1?xsiType=xnat:mrSessionData&xnat:mrSessionData/scanner/model=X&fieldStrength=3.0')
    admin.ok('PUT', '/data/projects/I/subjects/J1/experiments/J1/scans/2?xsiType=xnat:mrScanData&frames=176')
    admin.ok('PUT', '/data/projects/I/subjects/J1/experiments/J1/scans/2/resources/R/files/f?inbody=true', b'12345')
    item = json.loads(admin.get('/data/projects/I/subjects/J1/experiments/J1?format=json').body)['items'][0]
    assert item['meta']['xsi:type'] == 'xnat:mrSessionData' and item['meta']['isHistory'] is False
    data = item['data_fields']
    assert (data['ID'], data['scanner/model'], data['fieldStrength'], data['project'], data['label']) == (data['id'], 'X', '3.0', 'I', 'J1')
    scan = item['children'][0]['items'][0]
    assert item['children'][0]['field'] == 'scans/scan'
    assert scan['data_fields']['frames'] == 176
    assert scan['data_fields']['xnat_imagescandata_id'] == scan['data_fields']['xnat_imageScanData_id']
    resource = scan['children'][0]
    assert resource['field'] == 'file'
    assert (resource['items'][0]['data_fields']['file_count'], resource['items'][0]['data_fields']['file_size']) == (1, 5)


def test_2_11_xml_and_its_round_trip(admin: Client) -> None:
    path = '/data/projects/I/subjects/X1'
    admin.ok('PUT', f'{path}?gender=male&age=40&xnat:subjectData/fields/field[name=a]/field=b')
    admin.ok('PUT', f'{path}/experiments/X1?xsiType=xnat:mrSessionData&date=2020-01-01')
    admin.ok('PUT', f'{path}/experiments/X1/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/parameters/voxelRes/x=1&note=a%26b')
    answer = admin.get(path + '?format=xml')
    assert answer.headers['Content-Type'].startswith('text/xml')
    root = etree.fromstring(answer.body)
    assert root.tag == '{http://nrg.wustl.edu/xnat}Subject'
    assert list(root.attrib)[:3] == ['ID', 'project', 'label']
    assert root.findtext('.//xnat:demographics/xnat:gender', namespaces=NS) == 'male'
    scan = root.find('.//xnat:scan', NS)
    assert scan is not None and scan.get(f'{{{NS["xsi"]}}}type') == 'xnat:mrScanData'
    assert 'hidden_fields[xnat_imageScanData_id' in answer.text
    assert 'hidden_fields' not in admin.get(path + '?format=xml&concealHiddenFields=true').text
    assert admin.put(path, answer.body, **{'Content-Type': 'text/xml'}).status == 200
    assert admin.get(path + '?format=xml').body == answer.body
    changed = answer.body.replace(b'>male<', b'>female<').replace(b'<xnat:age>40</xnat:age>', b'')
    assert admin.put(path + '?allowDataDeletion=true', changed, **{'Content-Type': 'text/xml'}).status == 200
    again = etree.fromstring(admin.get(path + '?format=xml').body)
    assert again.findtext('.//xnat:gender', namespaces=NS) == 'female'
    assert again.find('.//xnat:demographics/xnat:age', NS) is None


def test_an_item_is_created_from_xml(admin: Client) -> None:
    body = (
        '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<xnat:date>2019-05-01</xnat:date><xnat:scanner manufacturer="M">Big</xnat:scanner><xnat:scans>'
        '<xnat:scan ID="4" type="T1" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality>'
        '<xnat:parameters><xnat:tr>2.5</xnat:tr><xnat:addParam name="p">v</xnat:addParam></xnat:parameters></xnat:scan>'
        '</xnat:scans></xnat:MRSession>'
    )
    assert admin.put('/data/projects/I/subjects/XC/experiments/XC', body, **{'Content-Type': 'text/xml'}).status == 201
    found = fields(admin, '/data/projects/I/experiments/XC')
    assert (found['date'], found['scanner'], found['scanner/manufacturer']) == ('2019-05-01', 'Big', 'M')
    scan = json.loads(admin.get('/data/projects/I/subjects/XC/experiments/XC/scans/4?format=json').body)['items'][0]
    assert scan['data_fields']['parameters/tr'] == 2.5
    assert scan['children'][0]['items'][0]['data_fields'] == {'addField': 'v', 'name': 'p'}


@pytest.mark.parametrize(
    ('body', 'status'),
    [
        ('<a', 422),
        ('<a/>', 422),
        ('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', 422),
        ('<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"/>', 422),
    ],
)
def test_hostile_and_wrong_xml(admin: Client, body: str, status: int) -> None:
    answer = admin.put('/data/projects/I/subjects/Z9', body, **{'Content-Type': 'text/xml'})
    assert answer.status == status, answer.body
    assert 'Traceback' not in answer.text


def test_form_fields_count_like_the_query(admin: Client) -> None:
    answer = admin.put('/data/projects/I/subjects/FF', 'gender=male&group=g', **{'Content-Type': 'application/x-www-form-urlencoded'})
    assert answer.status == 201
    assert admin.get('/data/projects/I/subjects?label=FF&columns=gender,group').rows[0]['group'] == 'g'


def test_rename(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/OLD')
    admin.ok('PUT', '/data/projects/I/subjects/OTHER')
    admin.ok('PUT', '/data/projects/I/subjects/OLD/experiments/OE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', '/data/projects/I/subjects/OLD/experiments/OE/resources/R/files/f?inbody=true', b'x')
    assert admin.put('/data/projects/I/subjects/OLD?label=OTHER').status == 409
    assert admin.put('/data/projects/I/subjects/OLD?label=a%20b').status == 417
    answer = admin.put('/data/projects/I/subjects/OLD?label=NEW')
    assert (answer.status, answer.body) == (200, b'')
    assert admin.get('/data/projects/I/subjects/OLD?format=json').status == 404
    assert admin.put('/data/projects/I/subjects/NEW/experiments/OE?label=NE').status == 200
    assert admin.get('/data/projects/I/subjects/NEW/experiments/NE/resources/R/files/f').body == b'x'


def test_2_3_sharing(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/SH')
    admin.ok('PUT', '/data/projects/I/subjects/SH/experiments/SHE?xsiType=xnat:mrSessionData')
    assert admin.put('/data/projects/I/subjects/SH/projects/NOWHERE').status == 404
    assert admin.put('/data/projects/I/subjects/SH/projects/J?label=SJ').body == b''
    assert admin.put('/data/projects/I/subjects/SH/projects/J').status == 409
    assert admin.put('/data/projects/I/experiments/SHE/projects/J?label=EJ').status == 200
    row = admin.get('/data/projects/J/subjects').rows[0]
    assert (row['label'], row['project']) == ('SJ', 'I')
    row = admin.get('/data/projects/J/experiments?columns=label,project,subject_label').rows[0]
    assert (row['label'], row['project']) == ('EJ', 'J')
    assert admin.get('/data/projects/J/subjects/SJ/experiments/EJ?format=json').status == 200
    assert [row['ID'] for row in admin.get('/data/projects/I/subjects/SH/projects').rows] == ['I', 'J']
    assert admin.delete('/data/projects/J/subjects/SJ').status == 200
    assert admin.get('/data/projects/I/subjects/SH?format=json').status == 200
    assert admin.get('/data/projects/J/subjects').rows == []
    assert admin.delete('/data/projects/I/experiments/SHE/projects/J').status == 200
    assert admin.get('/data/projects/J/experiments').rows == []


def test_2_3_3_moving(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/MV/experiments/MVE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', '/data/projects/I/subjects/MV/experiments/MVE/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', '/data/projects/I/subjects/MV/experiments/MVE/scans/1/resources/R/files/f?inbody=true', b'moved')
    assert admin.put('/data/projects/I/subjects/MV/projects/J?primary=true').status == 200
    assert admin.get('/data/projects/I/subjects/MV?format=json').status == 404
    assert admin.get('/data/projects/J/subjects/MV/experiments/MVE/scans/1/resources/R/files/f').body == b'moved'


def test_2_10_deleting(admin: Client) -> None:
    base = '/data/projects/DEL/subjects/D'
    admin.ok('PUT', '/data/projects/DEL')
    session = admin.ok('PUT', f'{base}/experiments/DE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{base}/experiments/DE/scans/1?xsiType=xnat:mrScanData')
    assert admin.delete(f'{base}/experiments/DE/scans/9').status == 404
    assert admin.delete(f'{base}/experiments/DE/scans/1').status == 200
    assert admin.delete(base).status == 200
    assert admin.get(f'/data/experiments/{session}?format=json').status == 404
    assert admin.delete('/data/projects/DEL').status == 200
    assert admin.delete('/data/projects/DEL').status == 404
    assert admin.put('/data/projects/DEL').status == 403
    assert admin.put('/data/projects/del').status == 403


def test_a_deleted_item_leaves_no_files(admin: Client, server: object, folder: object) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/DF/experiments/DFE?xsiType=xnat:mrSessionData')
    admin.ok('PUT', '/data/projects/I/subjects/DF/experiments/DFE/resources/R/files/deep/f?inbody=true', b'x')
    path = folder / 'archive/I/arc001/DFE'  # type: ignore[operator]
    assert (path / 'RESOURCES/R/deep/f').is_file()
    admin.ok('DELETE', '/data/projects/I/subjects/DF')
    assert not path.exists()


def test_status(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/I/subjects/ST')
    assert admin.get('/data/projects/I/subjects/ST/status').text == 'active'
    admin.ok('PUT', '/data/projects/I/subjects/ST?quarantine=true')
    assert admin.get('/data/projects/I/subjects/ST/status').text == 'quarantine'


def test_accession_ids_given_by_the_client(admin: Client) -> None:
    assert admin.put('/data/projects/I/subjects/OWN?ID=MY_ID').text == 'MY_ID'
    assert admin.put('/data/projects/I/subjects/OWN2?ID=MY_ID').status == 409
    assert admin.put('/data/projects/I/subjects/OWN?ID=OTHER_ID').status == 400


@pytest.mark.parametrize(
    'path',
    [
        '/data/projects/..',
        '/data/projects/%2e%2e',
        '/data/projects/a%00b',
        '/data/projects/I/subjects/..%2f..',
        '/data/projects/%ff',
        '/data/' + 'a' * 9000,
    ],
)
def test_hostile_paths(admin: Client, path: str) -> None:
    answer = admin.put(path)
    assert 400 <= answer.status < 500, answer.status
    assert 'Traceback' not in answer.text


def test_sharing_by_a_field(admin: Client) -> None:
    query = 'xnat:subjectData/sharing/share/project=J&xnat:subjectData/sharing/share/label=BYFIELD'
    for _ in range(2):
        admin.ok('PUT', f'/data/projects/I/subjects/FIELD?{query}')
    assert [row['label'] for row in admin.get('/data/projects/I/subjects/FIELD/projects').rows] == ['FIELD', 'BYFIELD']
    assert admin.put('/data/projects/I/subjects/FIELD?xnat:subjectData/sharing/share/project=NOWHERE').status == 404
