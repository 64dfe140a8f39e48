"""Tests of data types and display documents of a folder of schemas (``schemas=``), and of XNAT
1.8.3."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyxnat.model.item_xml import CORE
from pyxnat.server import Server, serve
from pyxnat.server.db.types import Model
from pyxnat.server.search.display import Displays
from pyxnat.server.search.query import GENERAL
from tests.conftest import DEEP

from .conftest import Client
from .searches import QC, SCAN, M, S, criterion, document, run

XNAT = (
    Path(os.environ.get('XNAT_REFERENCE') or Path(__file__).parents[3] / 'shared') / 'xnat-schemas'
)
with_xnat = pytest.mark.skipif(
    not XNAT.is_dir(), reason='XNAT_REFERENCE names no folder with the schemas of a real XNAT'
)

SCHEMA = """<?xml version="1.0"?>
<xs:schema targetNamespace="http://example.org/mood" xmlns:mood="http://example.org/mood"
  xmlns:xnat="http://nrg.wustl.edu/xnat"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
  <xs:element name="Mood" type="mood:moodData"/>
  <xs:complexType name="moodData"><xs:complexContent>
    <xs:extension base="xnat:subjectAssessorData"><xs:sequence>
    <xs:element name="total" type="xs:integer" minOccurs="0"/>
    <xs:element name="rating" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="calm" type="xs:double" minOccurs="0"/>
      </xs:sequence></xs:complexType></xs:element>
    <xs:element name="by" type="xs:string" minOccurs="0"/>
  </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
</xs:schema>"""
DISPLAY = """<?xml version="1.0"?>
<Displays schema-element="mood:moodData" full-description="Mood" brief-description="Mood">
  <DisplayField id="LABEL" header="Mood Label" data-type="string">
    <DisplayFieldElement name="Field1" schema-element="mood:moodData.ID"/>
    <DisplayFieldElement name="Field2" schema-element="mood:moodData.label"/>
    <Content type="sql">COALESCE(@Field2, @Field1)</Content></DisplayField>
  <DisplayField id="SCORE" header="Score" searchable="true">
    <DisplayFieldElement name="Field1" schema-element="mood:moodData/total"/>
    <description>Sum of all answers</description></DisplayField>
  <DisplayField id="CALM" header="Calmness" searchable="true">
    <DisplayFieldElement name="Field1" schema-element="mood:moodData.rating.calm"/></DisplayField>
  <DisplayField id="SEX" header="Sex" searchable="true" data-type="string">
    <DisplayFieldElement name="Field1" schema-element="xnat:demographicData.gender"/></DisplayField>
  <DisplayField id="SUBJECT" header="Subject" searchable="false" data-type="string">
    <DisplayFieldElement name="Field1" schema-element="xnat:subjectData.label"/></DisplayField>
  <DisplayField id="PROJECTS" header="In Projects" data-type="string">
    <DisplayFieldElement name="Field1" viewName="MOOD_PROJECTS" viewColumn="PROJECTS"/>
  </DisplayField>
  <DisplayField id="SMILEY" header="Smiley" data-type="string" image="true">
    <Content type="sql">'smile.gif'::text</Content></DisplayField>
  <DisplayField id="VIEWED" header="Viewed" data-type="string">
    <DisplayFieldElement name="Field1" viewName="MOOD_VIEW" viewColumn="X"/></DisplayField>
  <DisplayVersion versionName="listing" default-order-by="SCORE" default-sort-order="ASC"
    brief-description="Mood" dark-color="1" light-color="2">
    <DisplayFieldRef id="LABEL"/>
    <DisplayFieldRef id="SUBJECT_LABEL" element_name="xnat:subjectData"/>
    <DisplayFieldRef id="SCORE" header="Total"/><DisplayFieldRef id="CALM" visible="false"/>
    <DisplayFieldRef id="VIEWED"/>
  </DisplayVersion>
</Displays>"""
MOOD = 'mood:moodData'


def client_of(server: Server) -> Iterator[Client]:
    client = Client(server, server.user, server.password)
    client.ok('PUT', '/data/projects/P')
    client.ok('PUT', '/data/projects/P/subjects/S?gender=female')
    yield client
    client.close()


@pytest.fixture(scope='module')
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp('schemas')
    (folder / 'mood/display').mkdir(parents=True)
    (folder / 'mood/mood.xsd').write_text(SCHEMA)
    (folder / 'mood/display/mood_moodData_display.xml').write_text(DISPLAY)
    (folder / 'mood/display/other_display.xml').write_text('<Something/>')
    with serve(tmp_path_factory.mktemp('archive'), password='secret', schemas=[folder]) as running:
        yield from client_of(running)


@pytest.fixture(scope='module', autouse=True)
def _moods(admin: Client) -> None:
    for number in range(3):
        values = f'{MOOD}/total={number * 7}&{MOOD}/rating/calm={number}.5'
        admin.ok(
            'PUT', f'/data/projects/P/subjects/S/experiments/m{number}?xsiType={MOOD}&{values}'
        )


def test_a_type_of_a_plugin_can_be_searched_at_once(admin: Client) -> None:
    rows = {row['ELEMENT_NAME']: row for row in admin.get('/data/search/elements?used=true').rows}
    assert (rows[MOOD]['SINGULAR'], rows[MOOD]['SECURED'], rows[MOOD]['COUNT']) == (
        'Mood',
        'true',
        '3',
    )
    item = json.loads(admin.get('/data/projects/P/subjects/S/experiments/m1?format=json').body)[
        'items'
    ][0]
    assert item['data_fields']['total'] == 7
    assert len(admin.get(f'/data/projects/P/experiments?xsiType={MOOD}').rows) == 3
    assert [
        row['label'] for row in run(admin, MOOD, ['LABEL'], criterion(f'{MOOD}/total', '>', '6'))
    ] == ['m1', 'm2']


def test_fields_of_its_display_document(admin: Client) -> None:
    found = {
        row['FIELD_ID']: row for row in admin.get(f'/data/search/elements/{MOOD}?format=json').rows
    }
    assert {
        name: (found[name]['HEADER'], found[name]['TYPE'], found[name]['DESC'])
        for name in ('SCORE', 'CALM', 'SEX')
    } == {
        'SCORE': ('Score', 'integer', 'Sum of all answers'),
        'CALM': ('Calmness', 'double', 'Calmness'),
        'SEX': ('Sex', 'string', 'Sex'),
    }
    assert not {'LABEL', 'PROJECTS', 'VIEWED', 'SMILEY', 'SUBJECT'} & set(found), (
        'only what the document calls searchable is told'
    )
    assert {'TOTAL', 'BY', 'EXPT_ID', 'INSERT_DATE', 'MOOD_MOODDATA_PROJECT_IDENTIFIER=P'} <= set(
        found
    ), 'what is generated stays'
    row = run(
        admin,
        MOOD,
        ['LABEL', 'SCORE', 'CALM', 'SEX', 'SUBJECT', 'PROJECTS'],
        criterion(f'{MOOD}.SCORE', 'BETWEEN', '7 AND 8'),
    )[0]
    names = ('label', 'score', 'calm', 'sex', 'subject', 'projects')
    assert [row[name] for name in names] == ['m1', '7', '1.5', 'female', 'S', '<P>'], (
        'a view that this server computes itself'
    )


def test_versions_of_its_display_document(admin: Client) -> None:
    answer = admin.get(f'/data/search/saved/@{MOOD}/results?format=json')
    columns = json.loads(answer.body)['ResultSet']['Columns']
    assert [column['key'] for column in columns if 'id' in column][:3] == [
        'label',
        'xnat_subjectdata_subject_label',
        'score',
    ]
    assert next(column['header'] for column in columns if column['key'] == 'score') == 'Total'
    assert next(column for column in columns if column['key'] == 'calm')['visible'] == 'false'


def test_an_error_in_a_document_names_the_document(tmp_path: Path) -> None:
    (tmp_path / 'mood.xsd').write_text(SCHEMA)
    (tmp_path / 'mood_display.xml').write_text('<Displays')
    with pytest.raises(ValueError, match='mood_display.xml'):
        Displays(Model(further=[tmp_path]), [tmp_path])


# -- the whole of XNAT 1.8.3


@pytest.fixture(scope='module')
def xnat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serve(tmp_path_factory.mktemp('archive'), password='secret', schemas=[XNAT]) as running:
        yield from client_of(running)


@with_xnat
def test_the_schemas_of_xnat_load_in_little_time_and_memory() -> None:
    start = time.process_time()
    model = Model(further=[XNAT])
    displays = Displays(model, [XNAT])
    for name in model.searchable:
        displays.versions(name)
    assert time.process_time() - start < 2
    tracemalloc.start()
    model = Model(further=[XNAT])
    displays = Displays(model, [XNAT])
    for name in model.searchable[::8]:  # tracing takes time
        displays.versions(name)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(model.searchable) > 80
    assert held < 40 * 2**20


SOME = [
    'xnat:mrSessionData',
    'xnat:petmrSessionData',
    'xnat:dx3DCraniofacialSessionData',
    'xnat:subjectVariablesData',
    'xnat:pVisitData',
    'xnat:ctScanData',
    'xnat:petScanData',
    'xnat:reconstructedImageData',
    'xnat:qcAssessmentData',
    'icr:roiCollectionData',
    'xnat_a:updrs3Data',
    'scr:screeningAssessment',
    'val:protocolData',
]
ALL = Model(further=[XNAT]).searchable if XNAT.is_dir() else []


@with_xnat
@pytest.mark.parametrize(
    'name',
    [
        one
        for one in ALL
        if one not in ('xnat:projectData', 'xnat:subjectData') and (DEEP or one in SOME)
    ],
)
def test_every_type_of_xnat_can_be_put_listed_and_searched(xnat: Client, name: str) -> None:
    session, label = '/data/projects/P/subjects/S/experiments/E', name.replace(':', '_')
    xnat.ok('PUT', f'{session}?xsiType={M}')
    model = Model(further=[XNAT])
    level = model.level_of(name)
    required = [
        one
        for one in model.registry.fields(name)
        if one.required and '/' not in one.path and one.path not in CORE
    ]
    values = {
        one.path: one.choices[0] if one.choices else '2020-01-31' if one.kind == 'date' else '1'
        for one in required
    }
    given = ''.join(f'&{name}/{path}={value}' for path, value in values.items())
    path = (
        f'/data/projects/P/subjects/S/experiments/{label}'
        if level == 'experiment'
        else f'{session}/{level}s/{label}'
    )
    assert xnat.put(f'{path}?xsiType={name}{given}').status in (200, 201)
    assert json.loads(xnat.get(f'{path}?format=json').body)['items'][0]['meta']['xsi:type'] == name
    assert xnat.get(f'{path}?format=xml').status == 200
    assert xnat.get(f'{path.rpartition("/")[0]}?xsiType={name}&format=json').rows
    fields = xnat.get(f'/data/search/elements/{name}?format=json').rows
    asked = [
        row['FIELD_ID'] if row['REQUIRES_VALUE'] == 'false' else f'{row["FIELD_ID"]}=P'
        for row in fields
    ]
    answer = xnat.post('/data/search?format=csv', document(name, asked))
    if name in GENERAL:  # a real XNAT fails with 500
        assert answer.status == 400 and 'cannot be searched' in answer.text
        return
    assert answer.status == 200 and answer.csv, answer.body
    assert xnat.get(f'/data/search/saved/@{name}/results?format=csv').status == 200
    assert xnat.get(f'/data/search/elements/{name}/versions?format=json').status == 200


@with_xnat
def test_every_field_of_the_display_documents_of_xnat_exists() -> None:
    """Fields from views or from PostgreSQL functions have a replacement here."""
    model = Model(further=[XNAT])
    displays = Displays(model, [XNAT])
    left_out = {
        f'{name}.{node.get("id")}'
        for name, document in displays._documents.items()
        if model.level_of(name)
        for node in document.nodes
        if node.get('id') not in displays.fields(name)
    }
    assert left_out == set()


@with_xnat
def test_headers_and_kinds_are_those_of_xnat_with_and_without_its_documents() -> None:
    """The server's own description of XNAT's types equals their display documents."""
    model = Model(further=[XNAT])
    own, real = Displays(model), Displays(model, [XNAT])
    for name in (
        S,
        M,
        'xnat:petSessionData',
        'xnat:ctSessionData',
        'xnat:projectData',
        SCAN,
        QC,
        'xnat:crSessionData',
    ):
        nodes = {node.get('id'): node for node in real._documents[name].nodes}
        for field, node in nodes.items():
            if field != 'INVEST_ID':  # a number of XNAT's database
                ours, theirs = own.fields(name)[field], real.fields(name)[field]
                same = [
                    (one.header, one.requires_value, one.image, one.searchable)
                    for one in (ours, theirs)
                ]
                assert same[0] == same[1], (name, field)
                assert ours.type == theirs.type, (name, field, node.get('data-type'))
        ours, theirs = own.versions(name), real.versions(name)
        for version in ('listing', 'project_bundle'):
            if version in ours and version in theirs and name != SCAN:
                assert [one.id for one in ours[version].fields] == [
                    one.id for one in theirs[version].fields
                ], (name, version)
