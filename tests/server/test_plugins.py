"""Tests of data types of plug-ins: additional schema documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from pyxnat.server import serve
from tests.support.plain import Client

FS = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:fs="http://example.org/fs"
           xmlns:xnat="http://nrg.wustl.edu/xnat"
           targetNamespace="http://example.org/fs" elementFormDefault="qualified">
  <xs:element name="Freesurfer" type="fs:fsData"/>
  <xs:complexType name="fsData">
    <xs:complexContent><xs:extension base="xnat:mrAssessorData"><xs:sequence>
    <xs:element name="fs_version" type="xs:string" minOccurs="0"/>
    <xs:element name="measures" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="region" type="fs:region" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="region">
    <xs:sequence><xs:element name="NVoxels" type="xs:float" minOccurs="0"/></xs:sequence>
    <xs:attribute name="name" type="xs:string"/></xs:complexType>
</xs:schema>
"""
A = '/data/projects/P/subjects/S/experiments/E/assessors'


def test_a_type_of_a_plugin_can_be_used(tmp_path: Path) -> None:
    (tmp_path / 'xsd').mkdir()
    (tmp_path / 'xsd' / 'fs.xsd').write_text(FS)
    with serve(tmp_path / 'archive', password='secret', schemas=[tmp_path / 'xsd']) as server:
        admin = Client(server, 'admin', 'secret')
        admin.ok('PUT', '/data/projects/P')
        admin.ok('PUT', '/data/projects/P/subjects/S/experiments/E?xsiType=xnat:mrSessionData')
        region = 'fs:fsData/measures/region'
        admin.ok(
            'PUT',
            f'{A}/A?xsiType=fs:fsData&date=2020-01-01&fs:fsData/fs_version=5.3&'
            f'{region}%5Bname%3DLeft-Hippocampus%5D/NVoxels=12',
        )
        row = admin.get(
            f'{A}?xsiType=fs:fsData&columns=date,fs:fsData/fs_version,'
            f'{region}%5Bname%3DLeft-Hippocampus%5D/NVoxels'
        ).rows[0]
        assert (
            row['date'],
            row['fs:fsdata/fs_version'],
            row['fs:fsdata/measures/region[name=left-hippocampus]/nvoxels'],
        ) == (
            '2020-01-01',
            '5.3',
            '12.0',
        )
        body = admin.get(f'{A}/A?format=xml').body
        root = etree.fromstring(body)
        assert root.tag == '{http://example.org/fs}Freesurfer'
        assert root.find('{http://nrg.wustl.edu/xnat}date') is not None
        assert (
            root.find('{http://example.org/fs}measures/{http://example.org/fs}region').get('name')
            == 'Left-Hippocampus'
        )  # type: ignore[union-attr]
        assert admin.put(f'{A}/A', body, **{'Content-Type': 'text/xml'}).status == 200
        assert admin.get(f'{A}/A?format=xml').body == body
        assert admin.get('/schemas/fs/fs.xsd').status == 200
        assert 'fs:fsData' in [
            row['ELEMENT_NAME'] for row in admin.get('/data/search/elements').rows
        ]
        admin.close()


def test_a_folder_without_schemas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='contains no XSD file'):
        serve(tmp_path / 'archive', schemas=[tmp_path])
