"""A level that XNAT does not have, added to a copy of the package: its row is all that it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEEP

ROOT = Path(__file__).parents[2]
ROW = """\
    Level(
        plural='samples',
        singular='sample',
        segment='samples',
        parents=('experiments',),
        no_route_below=(('projects', 'experiments'),),
        id_column='ID',
        label_column='ID',
        columns=('xnat_sampledata_id', 'ID', 'type', 'note', 'URI'),
        doc='a specimen taken during an imaging session',
        is_part=True,
        datatype='xnat:sampleData',
        base='xnat:sampleData',
        short_names=({name: name for name in ('xnat_sampledata_id', 'ID', 'type', 'note')},),
        resources=('resources',),
        category='samples',
        layout_doc='ID of the sample',
        zip_folder='samples',
        download_group='SAMPLES',
        disk_folder='SAMPLES',
        path_in_parent='samples/sample',
        parent_field='image_session_ID',
        key_field='xnat_sampleData_id',
    ),
"""
END_OF_ROWS = ')\n\n\ndef _resources('
TYPE = """\
  <xs:element name="Sample" type="xnat:sampleData"/>
  <xs:complexType name="sampleData">
    <xs:sequence>
      <xs:element name="note" type="xs:string" minOccurs="0"/>
      <xs:element name="resources" minOccurs="0">
        <xs:complexType>
          <xs:sequence>
            <xs:element name="resource" type="xnat:abstractResource" minOccurs="0"
                        maxOccurs="unbounded"/>
          </xs:sequence>
        </xs:complexType>
      </xs:element>
    </xs:sequence>
    <xs:attribute name="ID" type="xs:string"/>
    <xs:attribute name="type" type="xs:string"/>
    <xs:attribute name="image_session_ID" type="xs:string"/>
  </xs:complexType>
</xs:schema>
"""
HOLDER = """\
        <xs:element name="samples" minOccurs="0">
          <xs:complexType>
            <xs:sequence>
              <xs:element name="sample" type="xnat:sampleData" minOccurs="0" maxOccurs="unbounded"/>
            </xs:sequence>
          </xs:complexType>
        </xs:element>
        <xs:element name="regions" minOccurs="0">
"""


def replace(path: Path, before: str, after: str) -> None:
    text = path.read_text(encoding='utf-8')
    assert text.count(before) == 1, f'{path}: {before!r}'
    path.write_text(text.replace(before, after), encoding='utf-8')


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, 'PYTHONPATH': str(copy)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def walk(copy: Path) -> subprocess.CompletedProcess[str]:
    """Take the level through the package, and compare stubs and tables of the copy."""
    tests = ('tests/model/test_every_level.py', 'tests/resources/test_stubs.py')
    return run(copy, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-k', 'sample', *tests)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, its tests and the programs of its documentation."""
    left_out = shutil.ignore_patterns('__pycache__', 'benchmarks')
    for folder in ('pyxnat', 'tests', 'docs'):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=left_out)
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    schema = tmp_path / 'pyxnat' / 'server' / 'schemas' / 'xnat' / 'xnat.xsd'
    replace(schema, '</xs:schema>\n', TYPE)
    replace(schema, '        <xs:element name="regions" minOccurs="0">\n', HOLDER)
    return tmp_path


def test_a_row_is_all_that_a_level_needs(copy: Path) -> None:
    table = copy / 'pyxnat' / 'model' / 'levels.py'
    replace(table, END_OF_ROWS, ROW + END_OF_ROWS)
    made = run(copy, 'docs/make_stubs.py')
    assert made.returncode == 0, made.stdout + made.stderr
    done = walk(copy)
    assert done.returncode == 0, done.stdout
    assert ' passed' in done.stdout
    if DEEP:
        check_removal(copy, table)


def check_removal(copy: Path, table: Path) -> None:
    """Check that the package is as before after the row is removed."""
    replace(table, ROW, '')
    assert table.read_bytes() == (ROOT / 'pyxnat' / 'model' / 'levels.py').read_bytes()
    assert run(copy, 'docs/make_stubs.py').returncode == 0
    assert walk(copy).returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    for path in ('pyxnat/resources/__init__.pyi', 'pyxnat/model/levels.py'):
        assert (copy / path).read_bytes() == (ROOT / path).read_bytes()
