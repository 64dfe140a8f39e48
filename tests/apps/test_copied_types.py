"""Tests of copies with types that one site has and another one lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.apps.copying import copy_items
from pyxnat.server import serve
from tests.support.random_projects import NUMBERS

SCHEMA = b"""<xs:schema targetNamespace="http://lab.org/lab" xmlns:lab="http://lab.org/lab"
  xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:import namespace="http://nrg.wustl.edu/xnat" schemaLocation="../xnat/xnat.xsd"/>
  %s
</xs:schema>"""
TYPE = b"""<xs:element name="%s" type="lab:%s"/>
  <xs:complexType name="%s"><xs:complexContent><xs:extension base="xnat:%s"/>
  </xs:complexContent></xs:complexType>"""
TYPES = {
    'session': ('lab:labSessionData', 'imageSessionData'),
    'visit': ('lab:labVisitData', 'subjectAssessorData'),
    'scan': ('lab:labScanData', 'imageScanData'),
    'assessor': ('lab:labAssessorData', 'imageAssessorData'),
}
"""Item -> its type, which only one archive has, and the base of that."""


@pytest.fixture(scope='module')
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pyxnat.Interface]:
    """Return a connection to an archive that has these types."""
    folder = tmp_path_factory.mktemp('lab')
    path = folder / 'lab' / 'lab.xsd'
    path.parent.mkdir()
    names = [(name.partition(':')[2].encode(), base.encode()) for name, base in TYPES.values()]
    path.write_bytes(
        SCHEMA % b''.join(TYPE % (name.title(), name, name, base) for name, base in names)
    )
    with (
        serve(folder / 'archive', durable=False, schemas=[path]) as server,
        pyxnat.Interface(server.url, server.user, server.password, folder / 'cache') as interface,
    ):
        yield interface


def filled(interface: pyxnat.Interface, kind: str) -> Any:
    """Create a project of two subjects; S1 has a session, and an item of a type of the lab."""
    project = interface.select.project(f'LAB{next(NUMBERS)}').create()
    subject = project.subject('S1').create()
    session = subject.experiment('MR').create(experiments='xnat:mrSessionData')
    session.scan('1').create().resource('R').file('f').put(b'f')
    datatype, _ = TYPES[kind]
    if kind == 'scan':
        session.scan('2').create(scans=datatype)
    elif kind == 'assessor':
        session.assessor('A').create(assessors=datatype)
    else:
        subject.experiment('OTHER').create(experiments=datatype)
    project.subject('S2').create()
    return project


SOURCES = {
    'a project': lambda project: project,
    'subjects': lambda project: project.subjects(),
    'a subject': lambda project: project.subject('S1'),
    'sessions': lambda project: project.experiments(),
}


@pytest.mark.parametrize('dry_run', [True, False])
@pytest.mark.parametrize('source', SOURCES)
@pytest.mark.parametrize('kind', ['session', 'visit'])
@pytest.mark.sample(2)
def test_nothing_is_sent_with_a_type_of_sessions_that_the_destination_lacks(
    lab: pyxnat.Interface, dest: pyxnat.Interface, kind: str, source: str, dry_run: bool
) -> None:
    project = filled(lab, kind)
    target = dest.select.project(project.id())
    if source != 'a project':
        target.create()
    with pytest.raises(errors.NotSupportedError, match=f'does not have the types {TYPES[kind][0]}'):
        copy_items(SOURCES[source](project), target, dry_run=dry_run)
    assert target.exists() == (source != 'a project')
    assert source == 'a project' or target.subjects().get() == []


@pytest.mark.parametrize('source', SOURCES)
@pytest.mark.parametrize('kind', ['scan', 'assessor'])
def test_nothing_is_sent_of_a_unit_with_a_type_that_the_destination_lacks(
    lab: pyxnat.Interface, dest: pyxnat.Interface, kind: str, source: str
) -> None:
    project = filled(lab, kind)
    target = dest.select.project(project.id()).create()
    (failure,) = copy_items(SOURCES[source](project), target).failed
    assert f'does not have the types {TYPES[kind][0]}' in str(failure)
    assert target.subjects().get('label') == (['S2'] if source in ('a project', 'subjects') else [])


@pytest.mark.sample(4)
@pytest.mark.parametrize('kind', TYPES)
def test_types_that_both_have_are_copied(lab: pyxnat.Interface, kind: str) -> None:
    project = filled(lab, kind)
    copy = lab.select.project(f'{project.id()}_COPY')
    copy_items(project, copy).check()
    for level in ('experiments', 'experiments/*/scans', 'experiments/*/assessors'):
        types = [
            sorted(one.datatype() for one in lab.select(f'/projects/{name}/{level}'))
            for name in (project.id(), copy.id())
        ]
        assert types[0] == types[1]


def test_types_that_no_search_has_are_copied(project: Any, dest: pyxnat.Interface) -> None:
    subject = project.subject('S').create()
    for kind in ('us', 'xa', 'meg', 'otherDicom'):
        subject.experiment(kind).create(experiments=f'xnat:{kind}SessionData')
    subject.experiment('variables').create(experiments='xnat:subjectVariablesData')
    target = dest.select.project(f'{project.id()}_TYPES')
    copy_items(project, target).check()
    copied = {one.label(): one.datatype() for one in target.experiments()}
    assert copied == {one.label(): one.datatype() for one in project.experiments()}


def test_types_do_not_depend_on_the_projects_of_the_login(
    project: Any, other_server: Any, tmp_path: Path
) -> None:
    project.subject('S').create().experiment('E').create(experiments='xnat:mrSessionData')
    other_server.add_user('new', 'secret')
    with pyxnat.Interface(other_server.url, 'new', 'secret', tmp_path / 'new') as interface:
        copy_items(project, interface.select.project(f'{project.id()}_NEW')).check()
