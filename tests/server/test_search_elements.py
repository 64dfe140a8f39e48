"""Tests of ``/data/search/elements``, searchable types and fields (facts 4.5 and 4.9)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pyxnat.server import Server

from .conftest import Client
from .searches import QC, SCAN, M, P, S, T, criterion, document, run

ELEMENTS = '/data/search/elements'
PROTOCOL = """<xnat:datatypeProtocol xmlns:xnat="http://nrg.wustl.edu/xnat"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:type="xnat:datatypeProtocol" ID="P_xnat_subjectData" name="Subjects"
  data-type="xnat:subjectData"><xnat:definitions>
  <xnat:definition ID="default" data-type="xnat:subjectData"><xnat:fields>
  <xnat:field name="Dose" datatype="float" type="custom"
  xmlPath="xnat:subjectData/fields/field[name=dose]/field"/>
  </xnat:fields></xnat:definition></xnat:definitions></xnat:datatypeProtocol>"""


@pytest.fixture(autouse=True)
def _filled(filled: dict[str, str]) -> None:
    pass


def fields(client: Client, element: str, query: str = '') -> dict[str, dict[str, str]]:
    return {
        row['FIELD_ID']: row for row in client.get(f'{ELEMENTS}/{element}?format=json{query}').rows
    }


def test_4_5_1_types(admin: Client) -> None:
    rows = {row['ELEMENT_NAME']: row for row in admin.get(ELEMENTS).rows}
    assert len(rows) == 12 and SCAN not in rows and 'xnat:usSessionData' not in rows, (
        'those that XNAT is set up with'
    )
    assert rows[M] == {
        'ELEMENT_NAME': M,
        'SINGULAR': 'MR Session',
        'PLURAL': 'MR Sessions',
        'SECURED': 'true',
        'COUNT': '2',
    }
    assert rows['xnat:investigatorData']['SECURED'] == 'false'
    assert rows[QC]['PLURAL'] == 'Manual QCs'


def test_4_5_2_filters(admin: Client, client_of: Callable[[str | None], Client]) -> None:
    def names(client: Client, query: str) -> set[str]:
        return {row['ELEMENT_NAME'] for row in client.get(f'{ELEMENTS}?{query}').rows}

    assert names(admin, 'used=true') == names(admin, 'used=true&secured=true') == {P, S, M, T, QC}
    assert names(admin, 'readable=true') == names(admin, '')
    outsider = client_of('outsider')
    assert names(outsider, 'readable=true') == names(admin, '')
    assert (
        next(row for row in outsider.get(ELEMENTS).rows if row['ELEMENT_NAME'] == M)['COUNT'] == '2'
    ), 'of the site'
    assert (
        next(
            row
            for row in outsider.get(f'{ELEMENTS}?readable=true').rows
            if row['ELEMENT_NAME'] == M
        )['COUNT']
        == '0'
    )


def test_4_5_4_fields_are_xml_by_default(admin: Client) -> None:
    answer = admin.get(f'{ELEMENTS}/{M}')
    assert etree.fromstring(answer.body).tag == 'ResultSet'
    assert (
        admin.get(f'{ELEMENTS}/xnat:nothing').status
        == admin.get(f'{ELEMENTS}/xnat:validationData').status
        == 400
    )
    assert admin.get(f'{ELEMENTS}/xnat%3AmrSessionData').status == 400, (
        'names are taken as they are written'
    )


def test_4_5_6_the_description_of_a_field(admin: Client) -> None:
    found = fields(admin, M)
    assert found['AGE'] == {
        'FIELD_ID': 'AGE',
        'HEADER': 'Age',
        'SUMMARY': f'{M}.AGE',
        'TYPE': 'float',
        'REQUIRES_VALUE': 'false',
        'DESC': 'Age',
        'ELEMENT_NAME': M,
        'SRC': '0',
    }
    assert 'MR_PROJECT_IDENTIFIER=P' in found and 'MR_PROJECT_IDENTIFIER=*' in found
    assert found['SCAN_COUNT_TYPE']['REQUIRES_VALUE'] == 'true'
    hidden = (
        'RPT VIEW URI LABEL PROJECTS SCANNER OPERATOR MR_NOTES DATE_CHAR WORKFLOW_STATUS '
        'MR_PROJECT_IDENTIFIER XNAT_MRSESSIONDATA_FIELD_MAP'
    )
    assert not set(hidden.split()) & set(found), 'only what the display document calls searchable'
    body = json.loads(admin.get(f'{ELEMENTS}/{M}?format=json').body)['ResultSet']
    assert (body['title'], body['element_name'], 'totalRecords' in body) == (
        'Search Fields',
        M,
        False,
    )
    assert 'listing' in [version['name'] for version in body['versions']['versions']]


def test_4_5_8_several_types(admin: Client) -> None:
    assert {row['ELEMENT_NAME'] for row in admin.get(f'{ELEMENTS}/{M},{S}?format=json').rows} == {
        M,
        S,
    }


def test_4_5_10_labels_and_custom_variables(
    admin: Client, client_of: Callable[[str | None], Client]
) -> None:
    admin.ok(
        'PUT',
        '/data/projects/P/subjects/S1?xnat:subjectData/fields/field%5Bname%3DScore%5D/field=7',
    )
    admin.ok('PUT', '/data/projects/P/protocols/P_xnat_subjectData', PROTOCOL.encode())
    found = fields(admin, S)
    assert (
        found['SUB_PROJECT_IDENTIFIER=P']['SRC'] == found['SUB_PROJECT_IDENTIFIER=Q']['SRC'] == '2'
    )
    assert found['SUB_PROJECT_IDENTIFIER=P']['SUMMARY'] == 'Label within the P project.'
    assert 'XNAT_SUBJECTDATA_FIELD_MAP=score' not in found, 'only those that a protocol defines'
    defined = found['XNAT_SUBJECTDATA_FIELD_MAP=dose']
    assert (defined['HEADER'], defined['TYPE'], defined['SUMMARY'], defined['SRC']) == (
        'Dose',
        'float',
        'Custom Variable: Dose',
        '1',
    )
    in_q = fields(admin, S, '&projectScope=Q')
    assert 'SUB_PROJECT_IDENTIFIER=P' in in_q and 'XNAT_SUBJECTDATA_FIELD_MAP=dose' not in in_q
    assert 'SUB_PROJECT_IDENTIFIER=P' not in fields(client_of('outsider'), S)
    assert [
        row['xnat_subjectdata_field_map_score']
        for row in run(admin, S, ['SUBJECT_LABEL', 'XNAT_SUBJECTDATA_FIELD_MAP=score'])
    ] == ['7', '']
    assert fields(admin, T)['XNAT_PETSESSIONDATA_PROJECT_IDENTIFIER=P']['SRC'] == '2'


@pytest.mark.parametrize('kind', [P, S, M])
def test_all_listed_fields_can_be_columns_without_a_value(admin: Client, kind: str) -> None:
    """pyxnat 1.6 requests them when it shows a project; fields that need a value and have none are
    empty."""
    found = fields(admin, kind)
    rows = admin.post('/data/search?format=csv', document(kind, list(found))).csv
    needy = [key.lower() for key, row in found.items() if row['REQUIRES_VALUE'] == 'true']
    assert rows and {row[key] for row in rows for key in needy} <= {''}


def test_every_listed_field_can_be_requested(admin: Client) -> None:
    for name in [row['ELEMENT_NAME'] for row in admin.get(f'{ELEMENTS}?used=true').rows]:
        found = fields(admin, name)
        asked = [
            key if row['REQUIRES_VALUE'] == 'false' else f'{key}=P' for key, row in found.items()
        ]
        answer = admin.post('/data/search?format=csv', document(name, asked))
        assert answer.status == 200, (name, answer.body)
        assert answer.csv, name


def test_4_5_13_versions(admin: Client) -> None:
    found = json.loads(admin.get(f'{ELEMENTS}/{M}/versions?format=json').body)['DisplayVersions']
    assert found['element_name'] == M
    versions = {version['name']: version for version in found['versions']}
    assert {'listing', 'listing_csv', 'project_bundle', 'root', 'brief', 'detailed', 'all'} <= set(
        versions
    )
    listing = versions['listing']
    assert {name: listing[name] for name in listing if name != 'fields'} == {
        'name': 'listing',
        'orderBy': 'DATE',
        'darkColor': 'DEDEDE',
        'lightColor': 'FFFFFF',
        'defaultSortOrder': 'DESC',
    }
    first = {
        'id': 'LABEL',
        'element_name': M,
        'header': 'Label',
        'type': 'string',
        'value': 'null',
        'visible': 'true',
    }
    assert listing['fields'][0] == first
    assert (listing['fields'][3]['id'], listing['fields'][3]['element_name']) == (
        'SUBJECT_LABEL',
        S,
    )
    role = next(
        one
        for one in json.loads(admin.get(f'{ELEMENTS}/{P}/versions?format=json').body)[
            'DisplayVersions'
        ]['versions'][0]['fields']
        if one.get('value', 'null') != 'null'
    )
    assert (role['id'], role['value'], 'visible' in role) == ('USER_ROLE', '{XDAT_USER_ID}', False)
    root = etree.fromstring(admin.get(f'{ELEMENTS}/{M}/versions').body)
    assert (
        root.tag == 'DisplayVersions'
        and root.find('versions/version[@name="listing"]/fields/field').get('id') == 'LABEL'
    )
    assert root.findall('versions/version')[-1].get('name') == 'all'


TOLD = {
    S: 'INSERT_DATE INSERT_USER GENDER_TEXT HANDEDNESS_TEXT DOB EDUC SES INVEST_CSV PROJECTS '
    'PROJECT SUB_GROUP ADD_IDS RACE ETHNICITY',
    M: 'SESSION_ID SUBJECT_ID SUBJECT_LABEL DATE VISIT INVEST_SEARCH INVEST TYPE OPERATOR_CSV '
    'SCANNER_CSV MARKER_CSV STABILIZATION_CSV GEN_AGE AGE'
    ' DTI_COUNT INSERT_DATE INSERT_USER LAST_MODIFIED MR_SCAN_COUNT_AGG PROJECT SCAN_COUNT_TYPE '
    'SCAN_COUNT_DESC SCAN_COUNT_CLASS SCAN_COUNT_L_TYPE'
    ' SCAN_COUNT_L_DESC SCAN_COUNT_L_CLASS',
    T: 'SUBJECT_ID SESSION_ID EXPT_ID DATE AGE PROJECT INSERT_DATE INSERT_USER STABILIZATION '
    'STUDYTYPE PATIENTID PATIENTNAME TRACER_DOSE_UNITS'
    ' TRACER_DOSE TRACER_SPECIFICACTIVITY TRACER_TOTALMASS_UNITS TRACER_TOTALMASS '
    'TRACER_INTERMEDIATE_UNITS TRACER_INTERMEDIATE'
    ' TRACER_ISOTOPE_HALF_LIFE TRACER_ISOTOPE TRACER_TRANSMISSIONS_STARTTIME TRACER_TRANSMISSIONS '
    'TRACER_NAME TRACER_STARTTIME UID'
    ' PET_SCAN_COUNT_AGG SCAN_COUNT_TYPE SCAN_COUNT_DESC SCAN_COUNT_CLASS SCAN_COUNT_L_TYPE '
    'SCAN_COUNT_L_DESC SCAN_COUNT_L_CLASS',
    'xnat:crSessionData': 'SUBJECT_ID EXPT_ID DATE AGE PROJECT INSERT_DATE INSERT_USER',
    P: 'INSERT_DATE INSERT_USER ID NAME NAME_CSV DESCRIPTION DESCRIPTION_CSV SECONDARY_ID KEYWORDS '
    'PI PROJECT_INVS PROJECT_ACCESS PROJECT_USERS'
    ' PROJECT_OWNERS PROJECT_MEMBERS PROJECT_COLLABS PROJECT_LAST_WORKFLOW PROJECT_LAST_ACCESS '
    'PROJECT_FAV PROJ_MR_COUNT PROJ_CT_COUNT'
    ' PROJ_PET_COUNT PROJ_UT_COUNT',
}
"""Fields that XNAT 1.8 lists for its types: without those that need a value, labels and fields that
its pages do not offer."""


def test_4_9_fields_of_xnat_s_own_types(admin: Client) -> None:
    for element, names in TOLD.items():
        assert {name for name in fields(admin, element) if '=' not in name} == set(names.split()), (
            element
        )
    kinds = {
        (M, 'AGE'): 'float',
        (M, 'INSERT_DATE'): 'date',
        (T, 'INSERT_DATE'): 'string',
        ('xnat:ctSessionData', 'AGE'): 'integer',
        (S, 'DOB'): 'integer',
        (SCAN, 'STARTTIME'): 'time',
        (SCAN, 'PARAMETERS_PIXELBANDWIDTH'): 'double',
        (SCAN, 'FRAMES'): 'integer',
        (T, 'TRACER_STARTTIME'): 'dateTime',
    }
    assert {key: fields(admin, key[0])[key[1]]['TYPE'] for key in kinds} == kinds


UNTOLD = {
    S: 'SUBJECT_ID SUBJECTID SUBJECT_LABEL SHARED_LABEL GENDER HANDEDNESS MR_COUNT URI '
    'SUB_PROJECT_IDENTIFIER=P XNAT_SUBJECTDATA_FIELD_MAP=x',
    M: 'LABEL PROJECTS DATE_CHAR SCANNER OPERATOR MARKER STABILIZATION INVEST_ID INVEST_CSV '
    'MR_NOTES MR_NOTES_CSV WORKFLOW_STATUS RPT VIEW URI'
    ' MR_PROJECT_IDENTIFIER=P MR_EXPT_COUNT=x XNAT_MRSESSIONDATA_FIELD_MAP=x FIELDSTRENGTH coil',
    T: 'LABEL PROJECTS RPT URI XNAT_PETSESSIONDATA_PROJECT_IDENTIFIER=P',
    P: 'URI PROJ_QUARANTINE PROJ_PREARCHIVE_CODE USER_ROLE=1 LAST_ACCESSED=1',
}


@pytest.mark.parametrize(
    ('kind', 'name'), [(kind, name) for kind, names in UNTOLD.items() for name in names.split()]
)
def test_unlisted_fields_can_be_columns_and_criteria(admin: Client, kind: str, name: str) -> None:
    assert name.partition('=')[0] not in fields(admin, kind)
    column = name if '=' in name or name.isupper() else f'{kind}/{name}'
    found = admin.post(
        '/data/search?format=csv',
        document(kind, [name], criterion(f'{kind}/{name}', 'IS NOT NULL', '')),
    )
    assert found.status == 200 and len(found.header) > 1, column


ROOTS = [
    P,
    S,
    M,
    T,
    SCAN,
    QC,
    'xnat:imageSessionData',
    'xnat:experimentData',
    'xnat:imageScanData',
    'xnat:reconstructedImageData',
    'xnat:resourceCatalog',
]
VALUES = [
    '1',
    'P',
    '2020-01-02',
    '%a%',
    'NULL',
    "'x'",
    '(1,2)',
    '1 AND 2',
    '2020-01-01 AND 2021-01-01',
    '',
    '*',
    '08:00:00',
    'true',
    "it's",
    'a,"b,c"',
]
OPERATORS = [
    '=',
    '!=',
    '<',
    '>=',
    'LIKE',
    'NOT LIKE',
    'IN',
    'NOT IN',
    'BETWEEN',
    'IS NULL',
    'IS NOT',
    '?',
]


@given(st.data())
def test_no_document_gives_a_server_error(
    admin: Client, server: Server, data: st.DataObject
) -> None:
    """For any fields of any types there is a response, or a refusal that names the error."""

    def field() -> tuple[str, str]:
        element = data.draw(st.sampled_from(ROOTS))
        known = server.archive.displays.fields(element)
        paths = [one.path for one in server.archive.model.registry.fields(element)]
        name = data.draw(st.sampled_from([*known, *paths]))
        asks = name in known and known[name].requires_value
        return element, f'{name}={data.draw(st.sampled_from(["P", M, "T1", ""]))}' if asks else name

    columns = [
        f'{element}.{name}'
        for element, name in (field() for _ in range(data.draw(st.integers(0, 4))))
    ]
    criteria = []
    for _ in range(data.draw(st.integers(0, 3))):
        element, name = field()
        operator, value = data.draw(st.sampled_from(OPERATORS)), data.draw(st.sampled_from(VALUES))
        criteria.append(
            criterion(
                f'{element}{data.draw(st.sampled_from("./"))}{name}',
                operator,
                value,
                data.draw(st.integers(0, 1)),
            )
        )
    body = document(
        data.draw(st.sampled_from(ROOTS)),
        columns,
        *criteria,
        method=data.draw(st.sampled_from(['AND', 'OR'])),
    )
    answer = admin.post(f'/data/search?format={data.draw(st.sampled_from(["csv", "json"]))}', body)
    assert answer.status in (200, 400), answer.text


def test_the_fields_of_every_listed_type_can_be_requested(admin: Client) -> None:
    for row in admin.get('/data/search/elements?format=json').rows:
        assert (
            admin.get(f'/data/search/elements/{row["ELEMENT_NAME"]}?format=json').status == 200
        ), row
        assert (
            admin.get(f'/data/search/elements/{row["ELEMENT_NAME"]}/versions?format=json').status
            == 200
        ), row
