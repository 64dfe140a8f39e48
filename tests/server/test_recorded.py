"""Tests of recorded responses of real servers and expectations of XNAT's own tests.

The items are loaded into an archive, and the same requests are sent. Members of JSON objects have
no order in XNAT; lists and CSV have.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from pyxnat.server import Server, serve
from tests.support.loading import Loader, loading

from .conftest import Client

RECORDED = (
    Path(os.environ.get('XNAT_REFERENCE') or Path(__file__).parents[3] / 'shared') / 'recorded'
)
SEARCHES = RECORDED / 'xnat-rest-tests/search'
ROI = RECORDED.parent / 'xnat-schemas/roi/roi.xsd'
pytestmark = pytest.mark.skipif(
    not RECORDED.is_dir(), reason='XNAT_REFERENCE names no folder with recorded answers'
)

P, S, M, SCAN, QC = (
    'REC',
    'xnat:subjectData',
    'xnat:mrSessionData',
    'xnat:mrScanData',
    'xnat:qcManualAssessorData',
)
PLUGINS = """<?xml version="1.0"?>
<xs:schema targetNamespace="http://example.org/{prefix}" xmlns:{prefix}="http://example.org/{prefix}"
  xmlns:xnat="http://nrg.wustl.edu/xnat"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
  <xs:element name="{element}" type="{prefix}:{type}"/>
  <xs:complexType name="{type}"><xs:complexContent><xs:extension base="xnat:{base}">
  <xs:sequence>{fields}</xs:sequence></xs:extension></xs:complexContent></xs:complexType>
</xs:schema>"""
TYPES = {'string': 'xs:string', 'integer': 'xs:integer'}


def plugin(folder: Path, name: str, base: str, **fields: str) -> Path:
    """Return an XSD file with one type."""
    prefix, _, plain = name.partition(':')
    texts = ''.join(
        f'<xs:element name="{field}" type="{TYPES[kind]}" minOccurs="0"/>'
        for field, kind in fields.items()
    )
    path = folder / f'{prefix}.xsd'
    path.write_text(
        PLUGINS.format(
            prefix=prefix, type=plain, element=plain.capitalize(), base=base, fields=texts
        )
    )
    return path


def kind_of(values: set[str]) -> str:
    return (
        'integer' if values and all(re.fullmatch(r'-?\d+', value) for value in values) else 'string'
    )


@pytest.fixture(scope='module')
def audit() -> list[dict[str, str]]:
    """Return the rows of a search of 2010."""
    with (RECORDED / 'pyxnat/results.csv').open(newline='') as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope='module')
def server(
    tmp_path_factory: pytest.TempPathFactory, audit: list[dict[str, str]]
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp('schemas')
    mark = 'psytool_audit_parentdata_'
    names = [name for name in audit[0] if name.startswith(mark)]
    kinds = {
        name.removeprefix(mark): kind_of({row[name] for row in audit} - {''}) for name in names
    }
    schemas = [
        plugin(folder, 'psytool:audit_parentData', 'subjectAssessorData', **kinds),
        plugin(folder, 'sets:definition', 'experimentData', description='string'),
    ]
    with serve(
        tmp_path_factory.mktemp('archive'), password='secret', schemas=[*schemas, ROI]
    ) as running:
        with loading(running.archive) as loader:
            load_nose(loader, audit, mark)
            load_ohif(loader)
            load_rest_tests(loader)
            sandbox = loader.project('sandbox')
            loader.add(
                M,
                'SB_E1',
                loader.add(S, 'SB_S1', sandbox, project='sandbox', label='one'),
                project='sandbox',
                label='test',
            )
        yield running


def load_nose(loader: Loader, rows: list[dict[str, str]], mark: str) -> None:
    project = loader.project('NOSE')
    for row in rows[:300]:
        dates = {'insert_date': row['insert_date']}
        subject = loader.add(
            S, row['subjectid'], project, project='NOSE', label=row['subject_label'], **dates
        )
        for number in range(int(row['mr_count'] or 0)):
            name = f'{row["subjectid"]}_MR{number}'
            loader.add(M, name, subject, project='NOSE', label=name)
        fields = {
            name.removeprefix(mark): value
            for name, value in row.items()
            if name.startswith(mark) and value != ''
        }
        loader.add(
            'psytool:audit_parentData',
            f'{row["subjectid"]}_A',
            subject,
            project='NOSE',
            label=f'{row["subjectid"]}_A',
            fields=fields,
        )


def ohif(number: str) -> Any:
    return json.loads(next((RECORDED / 'ohif-viewer-xnat').glob(f'{number}_*.json')).read_text())


def load_ohif(loader: Loader) -> None:
    """Load two projects with their subjects and sessions; a third project owns one of the
    subjects."""
    projects = {}
    for row in ohif('09')['ResultSet']['Result']:
        given = {
            'name': row['name'],
            'secondary_ID': row['secondary_ID'],
            'description': row['description'],
        }
        projects[row['ID']] = loader.project(
            row['ID'], fields={name: value for name, value in given.items() if value}
        )
    projects['TestParentProject'] = loader.project('TestParentProject')
    subjects = {}
    for number, project in (('06', 'ITCRdemo'), ('08', 'TEST_Viewer')):
        for row in ohif(number)['ResultSet']['Result']:
            own = {
                'project': row['project'],
                'label': row['label'],
                'insert_date': row['insert_date'],
            }
            subjects[row['ID']] = loader.add(S, row['ID'], projects[row['project']], **own)
            if row['project'] != project:
                loader.share(subjects[row['ID']], project)
    sessions = {}
    for number, subject in (
        ('04', 'XNAT_JPETTS_S00011'),
        ('05', 'XNAT_JPETTS_S00012'),
        ('07', 'XNAT_JPETTS_S00032'),
    ):
        for row in ohif(number)['ResultSet']['Result']:
            owner = 'TestParentProject' if subject == 'XNAT_JPETTS_S00012' else row['project']
            own = {'project': owner, 'label': row['label'], 'insert_date': row['insert_date']}
            sessions[row['ID']] = loader.add(
                row['xsiType'],
                row['ID'],
                subjects[subject],
                fields={'date': row['date']} if row['date'] else {},
                **own,
            )
            if owner != row['project']:
                loader.share(sessions[row['ID']], row['project'])
    for row, number in zip(ohif('01')['ResultSet']['Result'], ('02', '03'), strict=True):
        values = ohif(number)['items'][0]['data_fields']
        fields = {
            name: values[name]
            for name in ('date', 'time', 'UID', 'collectionType', 'name', 'subjectID')
            if name in values
        }
        own = {'project': row['project'], 'label': row['label'], 'insert_date': row['insert_date']}
        loader.add(row['xsiType'], row['ID'], sessions[row['session_ID']], fields=fields, **own)


MR_FIELDS = {
    'note': 'late arrival',
    'operator': 'Miller',
    'scanner': 'TRIO1',
    'marker': 'vitamin',
    'stabilization': 'cushion',
    'session_type': 'research',
    'date': '2020-01-31',
    'age': '79.0',
}
SCAN_FIELDS = {
    'type': 'T1',
    'note': 'good',
    'quality': 'usable',
    'condition': 'rest',
    'series_description': 'MPRAGE',
    'bodyPartExamined': 'HEAD',
    'startTime': '12:30:00',
    'frames': '176',
    'coil': '32ch',
    'fieldStrength': '3.0',
    'modality': 'MR',
    'UID': '1.2.3',
    'parameters/voxelRes/x': '1.0',
    'parameters/fov/x': '256',
    'parameters/tr': '2300.0',
    'parameters/pixelBandwidth': '240.0',
    'dcmValidation/status': '1',
}
QC_FIELDS = {
    'rater': 'jd',
    'stereotacticMarker': '1',
    'incidentalFindings': 'none',
    'comments': 'ok',
    'pass': '1',
    'payable': '1',
    'rescan': '0',
    'retrain': '0',
}
SUBJECT_FIELDS = {
    'demographics/gender': 'female',
    'demographics/handedness': 'left',
    'demographics/yob': '1941',
    'demographics/education': '16',
    'demographics/ses': '2',
    'metadata/cohort': 'control',
}


def load_rest_tests(loader: Loader) -> None:
    """Create an item of each kind, and a second project whose items must not be found in the
    first."""
    for name in (P, 'OTHER'):
        project = loader.project(name)
        subject = loader.add(
            S, f'{name}_S1', project, project=name, label='subj', fields=SUBJECT_FIELDS
        )
        session = loader.add(M, f'{name}_E1', subject, project=name, label='sess', fields=MR_FIELDS)
        loader.add(SCAN, '4', session, project=name, fields=SCAN_FIELDS)
        loader.add(
            QC,
            f'{name}_Q1',
            session,
            project=name,
            label='qc',
            fields={**QC_FIELDS, 'date': '2020-02-01'},
        )
    project = loader.project('NOMR')
    loader.add(S, 'NOMR_S1', project, project='NOMR', label='subj')


@pytest.fixture(scope='module')
def admin(server: Server) -> Iterator[Client]:
    client = Client(server, server.user, server.password)
    yield client
    client.close()


# -- searches that XNAT makes itself


def shape(text: bytes) -> Any:
    """Return a document without comments and blanks: name, attributes, text and children."""

    def of(node: etree._Element) -> Any:
        attributes = {
            str(name): value for name, value in node.attrib.items() if not str(name).startswith('{')
        }
        return (
            etree.QName(node).localname,
            attributes,
            (node.text or '').strip(),
            [of(child) for child in node.iterchildren(tag=etree.Element)],
        )

    return of(etree.fromstring(text))


BUNDLES = {
    'default_site_subject_search': f'/data/search/saved/@{S}',
    'default_site_mr_session_search': f'/data/search/saved/@{M}',
    'default_site_mr_scan_search': f'/data/search/saved/@{SCAN}',
    'default_site_manual_qc_search': f'/data/search/saved/@{QC}',
    'default_site_dataset_defn_search': '/data/search/saved/@sets:definition',
    'default_project_datatype_search': '/data/search/saved/@xnat:projectData',
    'default_project_subject_search': f'/data/projects/NOMR/searches/@{S}',
    'default_project_subject_with_mr_search': f'/data/projects/{P}/searches/@{S}',
    'default_project_mr_session_search': f'/data/projects/{P}/searches/@{M}',
    'default_project_mr_scan_search': f'/data/projects/{P}/searches/@{SCAN}',
    'default_project_manual_qc_search': f'/data/projects/{P}/searches/@{QC}',
    'default_project_dataset_defn_search': f'/data/projects/{P}/searches/@sets:definition',
}


@pytest.mark.parametrize('name', BUNDLES)
def test_the_default_listing_of_a_type(admin: Client, name: str) -> None:
    wanted = (
        (SEARCHES / f'{name}.xml')
        .read_bytes()
        .replace(b'%PROJECT_ID%', b'NOMR' if 'NOMR' in BUNDLES[name] else P.encode())
    )
    if 'sets' in BUNDLES[name]:  # sites set their own singular and plural
        wanted = wanted.replace(b'Dataset Definitions', b'Definitions')
    later = (
        rb'mrScanData(</'
        rb'xdat:element_name>\s*<xdat:field_ID>)SESSION_LABEL(.*?<xdat:header>)Session Label'
    )
    wanted = re.sub(later, rb'mrSessionData\1LABEL\2Label', wanted, flags=re.DOTALL)
    wanted = re.sub(
        rb'(PARAMETERS_FLIP<.*?<xdat:type>)float', rb'\1integer', wanted, flags=re.DOTALL
    )  # of a later schema than 1.8.3's
    answer = admin.get(f'{BUNDLES[name]}?format=xml')
    assert answer.status == 200, answer.body
    assert shape(answer.body) == shape(wanted)


# -- documents that clients post


def fields_of(text: bytes) -> list[tuple[str, str]]:
    root = etree.fromstring(text)
    holders = root.findall('{*}search_field')
    return [(node.findtext('{*}element_name'), node.findtext('{*}field_ID')) for node in holders]


SEARCHED = sorted(path.stem for path in SEARCHES.glob('*.xml')) if RECORDED.is_dir() else []
VALUES = {
    (S, 'SUBJECT_LABEL'): 'subj',
    (S, 'GENDER'): 'female',
    (S, 'GENDER_TEXT'): 'F',
    (S, 'HANDEDNESS'): 'left',
    (S, 'HANDEDNESS_TEXT'): 'L',
    (S, 'DOB'): '1941',
    (S, 'EDUC'): '16',
    (S, 'SES'): '2',
    (S, 'MR_COUNT'): '1',
    (M, 'LABEL'): 'sess',
    (M, 'PROJECT'): P,
    (M, 'DATE'): '2020-01-31',
    (M, 'AGE'): '79',
    (M, 'TYPE'): 'research',
    (M, 'SCANNER'): 'TRIO1',
    (M, 'MR_SCAN_COUNT_AGG'): 'T1(1)',
    (M, 'MR_NOTES'): 'late arri',
    (M, 'OPERATOR'): 'Mille',
    (M, 'MARKER'): 'vitam',
    (M, 'STABILIZATION'): 'cushi',
    (SCAN, 'PROJECT'): P,
    (SCAN, 'SUBJECT_ID'): f'{P}_S1',
    (SCAN, 'ID'): '4',
    (SCAN, 'MR_DATE'): '2020-01-31',
    (SCAN, 'STARTTIME'): '12:30:00',
    (SCAN, 'FRAMES'): '176',
    (SCAN, 'PARAMETERS_TR'): '2300.0',
    (SCAN, 'PARAMETERS_FOV_X'): '256',
    (SCAN, 'DCMVALIDATION_STATUS'): '1',
    (SCAN, 'QUALITY'): 'usable',
    (SCAN, 'SERIES_DESCRIPTION'): 'MPRAGE',
    (QC, 'PROJECT'): P,
    (QC, 'LABEL'): 'qc',
    (QC, 'EXPT_ID'): f'{P}_Q1',
    (QC, 'DATE'): '2020-02-01',
    (QC, 'RATER'): 'jd',
    (QC, 'PASS'): 'Pass',
    (QC, 'RETRAIN'): 'No',
    (QC, 'COMMENTS'): 'ok',
}


LATER = {(SCAN, 'SESSION_LABEL'), (S, 'COHORT')}
"""Fields that are newer than 1.8.3, so a search ignores them."""


def key_of(root: str, element: str, field: str) -> str:
    key = field.replace('=', '_').lower()
    key = 'user_role_1' if key == 'user_role' else key  # the value is the number of the user
    return key if element == root else f'{element.replace(":", "_").lower()}_{key}'


@pytest.mark.parametrize('name', SEARCHED)
def test_a_document_that_a_client_posts_is_accepted(admin: Client, name: str) -> None:
    body = (SEARCHES / f'{name}.xml').read_bytes().replace(b'%PROJECT_ID%', P.encode())
    root = etree.fromstring(body).findtext('{*}root_element_name') or ''
    answer = admin.post('/data/search?format=csv', body)
    assert answer.status == 200, answer.body
    asked = [
        (element, field)
        for element, field in fields_of(body)
        if element and field and (element, field) not in LATER
    ]
    assert {*(key_of(root, *one) for one in asked), 'quarantine_status'} <= set(answer.header), (
        'and what links need'
    )
    if 'sets' in root:
        assert answer.csv == []
        return
    mine = {P, f'{P}_S1', f'{P}_E1', f'{P}_Q1'}
    own = [
        row for row in answer.csv if mine & set(row.values()) or 'PROJECT_ID' in str(row)
    ] or answer.csv
    expected = {key_of(root, *one): VALUES[one] for one in asked if one in VALUES}
    assert any({key: row[key] for key in expected} == expected for row in own), (expected, own[:2])


def columns_of(admin: Client, name: str) -> dict[str, Any]:
    body = (SEARCHES / f'{name}.xml').read_bytes().replace(b'%PROJECT_ID%', P.encode())
    found = json.loads(admin.post('/data/search?format=json', body).body)['ResultSet']
    assert {column['key'] for column in found['Columns']} <= set(found['Result'][0])
    return {column['key']: column for column in found['Columns']}


@pytest.mark.parametrize('name', ['mr_scan_all_columns_subset', 'mr_session_detailed_columns'])
@pytest.mark.parametrize(
    'document', ['subject_session_scan_qc_search', 'qc_subject_session_scan_search']
)
def test_columns_of_joined_elements(admin: Client, name: str, document: str) -> None:
    found = columns_of(admin, document)
    for wanted in json.loads((SEARCHES / f'{name}.json').read_text()):
        plain = {key: value for key, value in wanted.items() if value is not None}
        told = dict(found[wanted['key']])
        if wanted['key'] == 'xnat_mrscandata_id':  # a link came later than 1.8.3
            del plain['clickable'], plain['linkProps']
        assert told.pop('clickable', None) == ('true' if plain.pop('clickable', None) else None), (
            'a text, which Java takes for a boolean'
        )
        assert told == plain
        needed = {one['value'] for link in plain.get('linkProps', ()) for one in link['inserts']}
        assert needed <= set(found), 'what a link needs is in the rows'


# -- responses


def test_a_search_of_2010(admin: Client, audit: list[dict[str, str]]) -> None:
    element = 'psytool:audit_parentData'
    names = [
        name.removeprefix('psytool_audit_parentdata_').upper()
        for name in audit[0]
        if name.startswith('psytool')
    ]
    wanted = [
        (S, name)
        for name in ('SUBJECT_LABEL', 'SUBJECTID', 'INSERT_DATE', 'PROJECTS', 'PROJECT', 'MR_COUNT')
    ] + [(element, name) for name in names]
    fields = ''.join(
        f'<search_field><element_name>{kind}</element_name><field_ID>{name}</field_ID></'
        'search_field>'
        for kind, name in wanted
    )
    where = (
        f'<criteria><schema_field>{S}/PROJECT</schema_field><comparison_type>=</'
        'comparison_type><value>NOSE</value></criteria>'
    )
    text = (
        f'<search><root_element_name>{S}</root_element_name>{fields}<search_where '
        f'method="AND">{where}</search_where></search>'
    )
    answer = admin.post('/data/search?format=csv', text.encode())
    found = {row['subjectid']: {name: row[name] for name in audit[0]} for row in answer.csv}
    assert found == {row['subjectid']: row for row in audit[:300]}


@pytest.mark.parametrize('form', ['json', 'csv'])
def test_a_search_of_xnatpy(admin: Client, form: str) -> None:
    fields = [(M, 'PROJECT', 'url'), (M, f'{M}/label', 'url')]
    columns = ''.join(
        f'<xdat:search_field><xdat:element_name>{element}</'
        f'xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>'
        f'<xdat:sequence>{number}</xdat:sequence><xdat:type>string</'
        f'xdat:type><xdat:header>{header}</xdat:header></xdat:search_field>'
        for number, (element, name, header) in enumerate(fields)
    )
    where = (
        '<xdat:criteria '
        f'override_value_formatting="0"><xdat:schema_field>{M}/label</xdat:schema_field>'
    )
    where += (
        '<xdat:comparison_type>=</xdat:comparison_type><xdat:value>test</xdat:value></'
        'xdat:criteria>'
    )
    text = (
        '<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="" description="" secure="0">'
    )
    text += (
        f'<xdat:root_element_name>{M}</xdat:root_element_name>{columns}<xdat:search_where '
        f'method="AND">{where}</xdat:search_where></xdat:bundle>'
    )
    answer = admin.post(f'/data/search?format={form}', text.encode())
    wanted = (RECORDED / f'xnatpy/search_mrSessionData.{form}').read_text()
    assert (answer.text if form == 'csv' else json.loads(answer.text)) == (
        wanted if form == 'csv' else json.loads(wanted)
    )


OHIF = (
    {
        number: {
            row['file'][:2]: row['request']
            for row in json.loads((RECORDED / 'ohif-viewer-xnat/INDEX.json').read_text())['files']
        }[number]
        for number in ('01', '02', '03', '04', '05', '06', '07', '08', '09')
    }
    if RECORDED.is_dir()
    else {}
)


@pytest.mark.parametrize('number', OHIF)
def test_the_requests_of_a_viewer(admin: Client, number: str) -> None:
    answer = admin.get(OHIF[number].removeprefix('GET '))
    assert answer.status == 200, answer.body
    wanted, found = ohif(number), json.loads(answer.body)
    if 'items' in wanted:
        values = wanted['items'][0]['data_fields']
        assert {name: found['items'][0]['data_fields'].get(name) for name in values} == values
        return
    ids = {row['ID'] for row in wanted['ResultSet']['Result']}
    rows = [
        row for row in found['ResultSet']['Result'] if row['ID'] in ids
    ]  # the viewer's user saw two projects
    assert sorted(rows, key=lambda row: row['ID']) == sorted(
        wanted['ResultSet']['Result'], key=lambda row: row['ID']
    )
    if number != '09':
        assert found['ResultSet']['totalRecords'] == wanted['ResultSet']['totalRecords']
