"""Tests of reading XSD documents, and of the included core model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lxml import etree

from pyxnat.model.schemas import Field, Registry, canonical, parse_xml
from pyxnat.server.db.types import SCHEMAS, Model
from pyxnat.server.db.values import normalise

REFERENCE = (
    Path(os.environ.get('XNAT_REFERENCE') or Path(__file__).parents[3] / 'shared')
    / 'xnat-schemas/xnat/xnat.xsd'
)

BASES = {
    'xnat:mrSessionData': 'xnat:imageSessionData',
    'xnat:imageSessionData': 'xnat:subjectAssessorData',
    'xnat:subjectAssessorData': 'xnat:experimentData',
    'xnat:qcManualAssessorData': 'xnat:imageAssessorData',
    'xnat:imageAssessorData': 'xnat:derivedData',
    'xnat:derivedData': 'xnat:experimentData',
    'xnat:mrScanData': 'xnat:imageScanData',
    'xnat:resourceCatalog': 'xnat:resource',
}
FIELDS = {
    'xnat:subjectData': 'ID project group label src initials '
    'demographics[@xsi:type=xnat:demographicData]/gender fields/field/name',
    'xnat:mrSessionData': 'ID label date note subject_ID age session_type scanner '
    'scanner/manufacturer scans/scan dcmPatientName coil fieldStrength',
    'xnat:mrScanData': 'ID type quality series_description parameters/voxelRes/x parameters/tr '
    'parameters/addParam/name dcmValidation/status',
    'xnat:petSessionData': 'tracer/dose tracer/dose/units tracer/isotope/half-life start_time_scan',
    'xnat:projectData': 'ID secondary_ID name description keywords PI/firstname '
    'investigators/investigator',
    'xnat:reconstructedImageData': 'ID type baseScanType image_session_ID in/file out/file',
}
LEVELS = {
    'xnat:projectData': 'project',
    'xnat:subjectData': 'subject',
    'xnat:mrSessionData': 'experiment',
    'xnat:subjectVariablesData': 'experiment',
    'xnat:qcManualAssessorData': 'assessor',
    'xnat:otherDicomScanData': 'scan',
    'xnat:reconstructedImageData': 'reconstruction',
    'xnat:investigatorData': '',
}


@pytest.fixture(scope='module')
def model() -> Model:
    return Model()


def test_the_core_model_is_a_valid_schema() -> None:
    for path in SCHEMAS.glob('*.xsd'):
        etree.XMLSchema(etree.parse(str(path)))


@pytest.mark.parametrize(('name', 'base'), list(BASES.items()))
def test_8_1_inheritance(model: Model, name: str, base: str) -> None:
    row = model.registry.get(name)
    assert row is not None and row.base == base
    assert model.registry.is_a(name, base) and not model.registry.is_a(base, name)


@pytest.mark.parametrize(('name', 'paths'), list(FIELDS.items()))
def test_8_2_fields(model: Model, name: str, paths: str) -> None:
    known = [field.path for field in model.registry.fields(name)]
    assert [path for path in known if path in paths.split()] == paths.split()


@pytest.mark.parametrize(('name', 'where'), list(LEVELS.items()))
def test_levels(model: Model, name: str, where: str) -> None:
    assert model.level_of(name) == where


def test_look_ups_ignore_case(model: Model) -> None:
    found = model.registry.field('XNAT:mrsessiondata', 'SCANNER/Manufacturer')
    assert found is not None and found.path == 'scanner/manufacturer' and found.attribute
    assert 'xnat:MRSESSIONDATA' in model.registry
    assert canonical('a[@xsi:type=x]/b[name=y]/c') == 'a/b/c'
    root = model.registry.by_root('http://nrg.wustl.edu/xnat', 'PETSession')
    assert root is not None and root.name == 'xnat:petSessionData'


def test_repeated_and_items(model: Model) -> None:
    found = model.registry.field('xnat:mrSessionData', 'scans/scan')
    assert (
        found is not None
        and found.repeated
        and found.item_type == 'xnat:imageScanData'
        and found.kind == ''
    )
    found = model.registry.field('xnat:subjectData', 'fields/field[name=x]/field')
    assert found is not None and found.repeated and found.kind == 'string'


@pytest.mark.parametrize(
    ('field', 'text', 'value'),
    [
        (Field('f', 'float'), '42', '42.0'),
        (Field('f', 'float'), 'nan', None),
        (Field('f', 'integer'), '007', '7'),
        (Field('f', 'integer', minimum=0, maximum=30), '31', None),
        (Field('f', 'boolean'), 'TRUE', '1'),
        (Field('f', 'date'), '06/08/2009', '2009-06-08'),
        (Field('f', 'date'), '2009-13-01', '2010-01-01'),
        (Field('f', 'date'), 'June', None),
        (Field('f', 'time'), '8:00', None),
        (Field('f', 'dateTime'), '2020-01-31T13:05:00Z', '2020-01-31 13:05:00.0'),
        (Field('f', choices=('a', 'b')), 'c', None),
        (Field('f', max_length=3), 'four', None),
    ],
)
def test_values(field: Field, text: str, value: str | None) -> None:
    if value is None:
        with pytest.raises(ValueError, match='Must '):
            normalise(field, text)
    else:
        assert normalise(field, text) == value


@pytest.mark.skipif(
    not REFERENCE.exists(), reason='XNAT_REFERENCE names no folder with the schemas of a real XNAT'
)
def test_single_elements_have_types_of_their_own_as_in_xnat(model: Model) -> None:
    real = Registry(
        [REFERENCE.read_bytes(), (REFERENCE.parents[1] / 'birn/birnprov.xsd').read_bytes()]
    )
    for row in model.registry:
        for name in {
            field.path.split('/')[0].split('[')[0]
            for field in model.registry.fields(row.name)
            if not field.holders
        }:
            assert (row.name, name, model.registry.element_type(row.name, name)) == (
                row.name,
                name,
                real.element_type(row.name, name),
            )


@pytest.mark.parametrize(
    'text',
    [
        '<a>',
        '',
        '<!DOCTYPE a []><a/>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    ],
)
def test_hostile_documents(text: str) -> None:
    with pytest.raises(ValueError):
        parse_xml(text)


@pytest.mark.skipif(
    not REFERENCE.exists(), reason='XNAT_REFERENCE names no folder with the schemas of a real XNAT'
)
def test_the_core_model_agrees_with_xnat(model: Model) -> None:
    """Every type and field of the core model exists in XNAT, with the same kind."""
    real = Registry(
        [REFERENCE.read_bytes(), (REFERENCE.parents[1] / 'birn/birnprov.xsd').read_bytes()]
    )
    for row in model.registry:
        theirs = real.get(row.name)
        assert theirs is not None, row.name
        assert theirs.base in (row.base, 'xdat:LONGVARCHAR'), row.name
        paths = [field.key for field in real.fields(row.name)]
        for field in model.registry.fields(row.name):
            found = real.field(row.name, field.path)
            if field.path == 'custom_fields':  # of newer schemas
                assert found is None
            elif found is None:  # shares are of an unnamed type there
                assert field.kind == '' and any(
                    path.startswith(field.key + '/') for path in paths
                ), (row.name, field.path)
            else:
                expected = (
                    found.kind,
                    found.repeated,
                    found.choices,
                    found.minimum,
                    found.maximum,
                    found.item_type,
                )
                assert (
                    field.kind,
                    field.repeated,
                    field.choices,
                    field.minimum,
                    field.maximum,
                    field.item_type,
                ) == expected, (row.name, field)


@pytest.mark.skipif(
    not REFERENCE.exists(), reason='XNAT_REFERENCE names no folder with the schemas of a real XNAT'
)
def test_the_core_model_has_all_types_of_xnat(model: Model) -> None:
    """Every type of XNAT 1.8.3 exists, with all its fields and the same required fields."""
    real = Registry(
        [REFERENCE.read_bytes(), (REFERENCE.parents[1] / 'birn/birnprov.xsd').read_bytes()]
    )
    for row in real:
        ours = model.registry.get(row.name)
        assert ours is not None and (
            ours.root,
            ours.base.replace('xnat:longText', 'xdat:LONGVARCHAR'),
        ) == (row.root, row.base), row.name
        for field in real.fields(row.name):
            found = model.registry.field(row.name, field.path)
            if (
                field.key.startswith('sharing/share/') or '@xsi:type=' in field.path
            ):  # of an unnamed type there; of one of several types
                continue
            assert found is not None and found.required == field.required, (row.name, field.path)
