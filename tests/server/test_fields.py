"""Tests of parameters, custom variables and provenance: repeated parts of an item (fact 8.2)."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from lxml import etree

from tests.server import fresh
from tests.support.plain import Client

server, client_of, admin = fresh.server, fresh.client_of, fresh.admin
"""Each test has an archive of its own."""

S = '/data/projects/F/subjects/S'
E = f'{S}/experiments/E'
NS = {'xnat': 'http://nrg.wustl.edu/xnat', 'prov': 'http://www.nbirn.net/prov'}


@pytest.fixture(autouse=True)
def _made(admin: Client) -> None:
    admin.ok('PUT', '/data/projects/F')
    admin.ok('PUT', f'{E}?xsiType=xnat:mrSessionData')
    admin.ok('PUT', f'{E}/scans/1?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{E}/scans/2?xsiType=xnat:mrScanData')
    admin.ok('PUT', f'{E}/assessors/A?xsiType=xnat:mrAssessorData')
    admin.ok(
        'PUT', f'{E}/assessors/Q?xsiType=xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=1'
    )
    admin.ok('PUT', f'{E}/reconstructions/R')


def text(node: etree._Element) -> str:
    """Return the text of an element, without the comment that holds the key of its row."""
    return ''.join(node.itertext()).strip()


PARAMETERS = {
    'scan': (f'{E}/scans/1', 'xnat:mrScanData', f'{E}/scans'),
    'assessor': (f'{E}/assessors/Q', 'xnat:qcManualAssessorData', f'{E}/assessors'),
    'default assessor': (f'{E}/assessors/A', 'xnat:mrAssessorData', f'{E}/assessors'),
    'reconstruction': (
        f'{E}/reconstructions/R',
        'xnat:reconstructedImageData',
        f'{E}/reconstructions',
    ),
}


@pytest.mark.parametrize('name', PARAMETERS)
def test_8_2_parameters(admin: Client, name: str) -> None:
    path, kind, listing = PARAMETERS[name]
    base = f'{kind}/parameters/addParam'
    admin.ok(
        'PUT', f'{path}?{base}%5Bname%3DKey%5D/addField=v%3D1&{base}%5Bname%3Dtwo%5D/addField=2'
    )
    rows = admin.get(f'{listing}?columns=ID,{base}%5Bname%3DKey%5D/addField').rows
    assert sorted(
        value for row in rows for name, value in row.items() if 'addparam' in name and value
    ) == ['2', 'v=1']  # for any requested name
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert {node.get('name'): text(node) for node in root.iterfind('.//xnat:addParam', NS)} == {
        'Key': 'v=1',
        'two': '2',
    }
    admin.ok('PUT', f'{path}?{base}%5Bname%3DKey%5D/addField=NULL')
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [node.get('name') for node in root.iterfind('.//xnat:addParam', NS)] == ['two']


def test_a_name_with_any_character_is_kept(admin: Client) -> None:
    path = f'{E}/scans/1'
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    parameters = root.find('xnat:parameters', NS)
    holder = (
        parameters
        if parameters is not None
        else etree.SubElement(root, f'{{{NS["xnat"]}}}parameters')
    )
    node = etree.SubElement(holder, f'{{{NS["xnat"]}}}addParam', name='odd ]["\' name')
    node.text = 'kept'
    assert admin.put(path, etree.tostring(root), **{'Content-Type': 'text/xml'}).status == 200
    again = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [
        text(one)
        for one in again.iterfind('.//xnat:addParam', NS)
        if one.get('name') == 'odd ]["\' name'
    ] == ['kept']


def variables(admin: Client) -> dict[str, str]:
    root = etree.fromstring(admin.get(f'{E}?format=xml').body)
    return {
        node.get('name') or '': text(node) for node in root.iterfind('xnat:fields/xnat:field', NS)
    }


@pytest.mark.parametrize('predicate', ['name=Quoted', "name='Quoted'", 'name=Quoted '])
def test_6_5_1_spellings_of_the_predicate(admin: Client, predicate: str) -> None:
    path = f'xnat:mrSessionData/fields/field%5B{quote(predicate, safe="")}%5D/field'
    admin.ok('PUT', f'{E}?{path}={len(predicate)}')
    assert variables(admin)['Quoted'] == str(len(predicate))


@pytest.mark.parametrize('predicate', ['%5B@name%3Dother%5D', '', '%5B0%5D', '%5Bother%5D'])
def test_6_5_1_a_malformed_predicate_means_the_first(admin: Client, predicate: str) -> None:
    admin.ok('PUT', f'{E}?xnat:mrSessionData/fields/field%5Bname%3DQuoted%5D/field=x')
    first = next(iter(variables(admin)))
    admin.ok('PUT', f'{E}?xnat:mrSessionData/fields/field{predicate}/field=of{len(predicate)}')
    assert variables(admin)[first] == f'of{len(predicate)}' and 'other' not in variables(admin)


@pytest.mark.parametrize(
    'predicate', ['%5Bname=lost%5D', '%5Bname%3Da/b%5D', '%5Bname%3Da.b%5D', '%5Bname%3Da@b%5D']
)
def test_6_5_1_paths_that_cannot_be_parsed_set_nothing_without_an_error(
    admin: Client, predicate: str
) -> None:
    before = variables(admin)
    admin.ok('PUT', f'{E}?xnat:mrSessionData/fields/field{predicate}/field=x&note=lost')
    assert variables(admin) == before and admin.item(E)['data_fields'].get('note') != 'lost'


def test_a_predicate_that_selects_nothing_is_an_error(admin: Client) -> None:
    assert (
        admin.put(f'{E}/scans/1?xnat:mrScanData/parameters/addParam%5BID%3D3%5D/addField=1').status
        == 417
    )
    assert (
        admin.get(
            f'{E}/scans?columns=xnat:mrScanData/parameters/addParam%5BID%3D3%5D/addField'
        ).status
        == 500
    )


def step(program: str, **more: str) -> etree._Element:
    node = etree.Element(f'{{{NS["prov"]}}}processStep')
    for name, text in {
        'program': program,
        'timestamp': '2011-03-01T12:01:01.5',
        'user': 'u',
        'machine': 'm',
        'platform': 'linux',
        **more,
    }.items():
        child = etree.SubElement(node, f'{{{NS["prov"]}}}{name}')
        child.text = text
        if name == 'program':
            child.set('version', '1.0')
            child.set('arguments', '-a "b"')
    return node


def put_provenance(
    admin: Client, path: str, *steps: etree._Element, query: str = '', multipart: bool = True
) -> None:
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    for old in root.findall('xnat:provenance', NS):
        root.remove(old)
    holder = etree.Element(f'{{{NS["xnat"]}}}provenance')
    holder.extend(list(steps))
    if steps:
        root.insert(0, holder)
    body, headers = etree.tostring(root), {'Content-Type': 'text/xml'}
    if multipart:
        head = (
            b'--XX\r\nContent-Disposition: form-data; name="prov.xml"; '
            b'filename="prov.xml"\r\nContent-Type: text/xml\r\n\r\n'
        )
        body, headers = (
            head + body + b'\r\n--XX--\r\n',
            {'Content-Type': 'multipart/form-data; boundary=XX'},
        )
    answer = admin('PUT', f'{path}{query}', body, headers)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize('name', ['assessor', 'default assessor', 'reconstruction'])
@pytest.mark.parametrize('multipart', [True, False])
def test_8_2_provenance(admin: Client, name: str, multipart: bool) -> None:
    path, kind, listing = PARAMETERS[name]
    path = f'{path.rpartition("/")[0]}/{name[0]}{multipart}'
    admin.ok(
        'PUT',
        f'{path}?xsiType={kind}'
        + ('&xnat:qcManualAssessorData/pass=1' if name == 'assessor' else ''),
    )
    put_provenance(
        admin,
        path,
        step('one', cvs='c', library='l'),
        step('two'),
        query='?allowDataDeletion=true',
        multipart=multipart,
    )
    names = [
        'program',
        'program/version',
        'program/arguments',
        'timestamp',
        'cvs',
        'user',
        'platform',
    ]
    columns = ','.join([f'{kind}/ID', *(f'{kind}/provenance/processStep/{one}' for one in names)])
    before = f'{kind.lower()}/provenance/processstep/'
    rows = [
        row for row in admin.get(f'{listing}?columns={columns}').rows if row[before + 'program']
    ]
    found = [tuple(row[before + one] for one in names) for row in rows]
    assert sorted(found) == [
        ('one', '1.0', '-a "b"', '2011-03-01 12:01:01.5', 'c', 'u', 'linux'),
        ('two', '1.0', '-a "b"', '2011-03-01 12:01:01.5', '', 'u', 'linux'),
    ]
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [
        node.text for node in root.findall('xnat:provenance/prov:processStep/prov:program', NS)
    ] == ['one', 'two']
    assert [text(node) for node in root.iterfind('.//prov:library', NS)] == ['l']
    put_provenance(admin, path, step('three'), multipart=multipart)  # merged: one more
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert [node.text for node in root.iterfind('.//prov:program', NS)] == ['one', 'two', 'three']
    put_provenance(admin, path, query='?allowDataDeletion=true', multipart=multipart)
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    assert len(root.findall('xnat:provenance/prov:processStep', NS)) == (
        3 if name == 'reconstruction' else 0
    )
    admin.ok('DELETE', path)


def test_8_2_repeated_items_of_a_named_type(admin: Client) -> None:
    path = f'{E}/assessors/Q'
    body = (
        '<xnat:QCManualAssessment xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><xnat:scans>'
        '<xnat:scan '
        'xsi:type="xnat:mrQcScanData"><xnat:imageScan_ID>1</xnat:imageScan_ID><xnat:motion>2</'
        'xnat:motion></xnat:scan>'
        '<xnat:scan '
        'xsi:type="xnat:mrQcScanData"><xnat:imageScan_ID>2</xnat:imageScan_ID></xnat:scan></'
        'xnat:scans></xnat:QCManualAssessment>'
    )
    assert admin.put(path, body, **{'Content-Type': 'text/xml'}).status == 200
    root = etree.fromstring(admin.get(f'{path}?format=xml').body)
    scans = root.findall('xnat:scans/xnat:scan', NS)
    assert [scan.findtext('xnat:imageScan_ID', namespaces=NS) for scan in scans] == ['1', '2']
    assert {scan.get('{http://www.w3.org/2001/XMLSchema-instance}type') for scan in scans} == {
        'xnat:mrQcScanData'
    }
    column = 'xnat:qcManualAssessorData/scans/scan/imageScan_ID'
    rows = admin.get(f'{E}/assessors?columns={column}').rows
    assert sorted(row[column.lower()] for row in rows if row[column.lower()]) == ['1', '2']


LEVELS = {
    'project': '/data/projects/F',
    'subject': S,
    'session': E,
    'scan': f'{E}/scans/2',
    'assessor': f'{E}/assessors/A',
    'qc': f'{E}/assessors/Q',
    'reconstruction': f'{E}/reconstructions/R',
}


@pytest.mark.parametrize('name', LEVELS)
@pytest.mark.parametrize('query', ['', '?allowDataDeletion=true'])
def test_2_11_19_a_document_from_get_can_be_put(admin: Client, name: str, query: str) -> None:
    path = LEVELS[name]
    if name in ('assessor', 'reconstruction'):
        put_provenance(admin, path, step('p', library='l'), step('q'))
    before = admin.get(f'{path}?format=xml').body
    answer = admin.put(path + query, before, **{'Content-Type': 'text/xml'})
    assert answer.status == 200, answer.body
    assert admin.get(f'{path}?format=xml').body == before


@pytest.mark.parametrize('char', '[]{}|^`"<>')
def test_characters_that_must_be_quoted_are_refused_everywhere(admin: Client, char: str) -> None:
    before = admin.item(E)
    assert admin.put(f'{E}?note=a{char}').status == admin.get(f'{E}/scans/a{char}').status == 400
    assert (
        admin.get(
            f'/data/projects/F/subjects?columns=label,xnat:subjectData/fields/field{char}'
        ).status
        == 400
    )
    assert admin.item(E) == before


@pytest.mark.parametrize('name', ['n', 'two words', 'a=b'])
def test_a_cleared_variable_keeps_its_name(admin: Client, name: str) -> None:
    path = f'xnat:mrSessionData/fields/field%5Bname%3D{quote(name)}%5D/field'
    admin.ok('PUT', f'{E}?{path}=1')
    admin.ok('PUT', f'{E}?{path}=NULL')
    [held] = [one for one in admin.item(E)['children'] if one['field'] == 'fields/field']
    [left] = [one['data_fields'] for one in held['items'] if one['data_fields']['name'] == name]
    assert 'field' not in left and 'xnat_experimentData_field_id' in left
    found = etree.fromstring(admin.get(f'{E}?format=xml').body).xpath(
        '//x:fields/x:field[@name=$name]', namespaces={'x': NS['xnat']}, name=name
    )
    assert [''.join(one.itertext(etree.Element)).strip() for one in found] == ['']
    admin.ok('PUT', f'{E}?{path}=2')
    [held] = [one for one in admin.item(E)['children'] if one['field'] == 'fields/field']
    assert [
        one['data_fields']['field'] for one in held['items'] if one['data_fields']['name'] == name
    ] == ['2']


@pytest.mark.parametrize('gone', ['', '<xnat:gender/>'])
def test_a_complete_document_cannot_empty_the_demographics(admin: Client, gone: str) -> None:
    admin.ok('PUT', f'{S}?gender=female')
    start = (
        f'<xnat:Subject xmlns:xnat="{NS["xnat"]}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" label="S">'
    )
    start += '<xnat:demographics xsi:type="xnat:demographicData">'
    end = '</xnat:demographics></xnat:Subject>'
    for query, status in (('', 200), ('?allowDataDeletion=true', 400)):
        assert (
            admin('PUT', f'{S}{query}', f'{start}{gone}{end}', {'Content-Type': 'text/xml'}).status
            == status
        )
        assert 'female' in admin.get(f'{S}?format=xml').text
    assert (
        admin(
            'PUT',
            f'{S}?allowDataDeletion=true',
            f'{start}<xnat:yob>1980</xnat:yob>{end}',
            {'Content-Type': 'text/xml'},
        ).status
        == 200
    )
    assert 'female' not in admin.get(f'{S}?format=xml').text


@pytest.mark.parametrize(
    'inner',
    [
        '',
        '<xnat:addID name="MRN">77</xnat:addID>',
        '<xnat:fields><xnat:field name="a">1</xnat:field></xnat:fields>',
    ],
)
def test_a_complete_document_without_demographics_keeps_them(admin: Client, inner: str) -> None:
    admin.ok('PUT', f'{S}?gender=female&yob=1980&group=g')
    text = f'<xnat:Subject xmlns:xnat="{NS["xnat"]}">{inner}</xnat:Subject>'
    assert (
        admin('PUT', f'{S}?allowDataDeletion=true', text, {'Content-Type': 'text/xml'}).status
        == 200
    )
    [row] = [
        row
        for row in admin.get(f'{S.rpartition("/")[0]}?columns=label,gender,yob,group').rows
        if row['label'] == S.rpartition('/')[2]
    ]
    assert (row['gender'], row['yob'], row['group']) == ('female', '1980', 'g')


def test_a_study_protocol_has_no_definitions(admin: Client) -> None:
    inner = (
        '<xnat:definitions><xnat:definition ID="x" '
        'data-type="xnat:subjectData"/></xnat:definitions>'
    )
    for root, status in (('studyProtocol', 422), ('datatypeProtocol', 200)):
        text = (
            f'<xnat:{root} xmlns:xnat="{NS["xnat"]}" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            'xsi:type="xnat:datatypeProtocol"'
        )
        text += f' ID="F_x" data-type="xnat:subjectData">{inner}</xnat:{root}>'
        assert (
            admin(
                'PUT', '/data/projects/F/protocols/F_x', text, {'Content-Type': 'text/xml'}
            ).status
            == status
        )
