"""Tests of introspection: the tree, types in use at each level, fields, schema documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.model.levels import chains, level
from pyxnat.services.inspector import Structure
from tests.support.scripted import Reply, Request, ScriptedServer


@pytest.fixture
def mixed(project: Any) -> Any:
    """Create a project with an MR and a PET session.

    The MR session has scans of two types, a reconstruction and an assessor.
    """
    session = project.subject('S1').experiment('S1_MR').create(experiments='xnat:mrSessionData')
    session.scan('1').create(scans='xnat:mrScanData')
    session.scan('2').create(scans='xnat:otherDicomScanData')
    session.reconstruction(f'R_{project.id()}').create()
    session.assessor('A').create(
        assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
    )
    project.subject('S2').experiment('S2_PET').create(experiments='xnat:petSessionData')
    return project


# -- the tree --------------------------------------------------------------------------------------


def test_the_structure_is_the_tree_of_levels(xnat: pyxnat.Interface) -> None:
    with xnat.trace() as trace:
        structure = xnat.inspect.structure()
    lines = str(structure).splitlines()
    assert repr(structure) == str(structure) and len(trace) == 0
    assert lines[:4] == ['- PROJECTS', '  + SUBJECTS', '    + EXPERIMENTS', '      + SCANS']
    assert len(lines) == len(chains())


def test_the_structure_has_a_path_for_each_route() -> None:
    paths = list(Structure())
    assert set(paths) == {
        ''.join(f'/{level(name).segment}' for name in chain) for chain in chains()
    }
    assert all(
        any(path.startswith(f'{above}/') for above in paths[:place])
        for place, path in enumerate(paths)
        if path.count('/') > 1
    )
    assert '/experiments/assessors/out/resources/files' in paths


# -- types in use ----------------------------------------------------------------------------------


def test_types_are_listed_for_their_level(xnat: pyxnat.Interface, mixed: Any) -> None:
    inspect, project = xnat.inspect, mixed.id()
    with xnat.trace() as trace:
        assert inspect.experiment_types(project) == ['xnat:mrSessionData', 'xnat:petSessionData']
        assert inspect.scan_types(project) == ['xnat:mrScanData', 'xnat:otherDicomScanData']
        assert inspect.assessor_types(project) == ['xnat:qcManualAssessorData']
        assert inspect.reconstruction_types(project) == ['xnat:reconstructedImageData']
    assert len(trace) == 4


def test_types_of_the_whole_archive_are_those_of_all_projects(
    xnat: pyxnat.Interface, mixed: Any
) -> None:
    for ask in (
        xnat.inspect.experiment_types,
        xnat.inspect.scan_types,
        xnat.inspect.assessor_types,
        xnat.inspect.reconstruction_types,
    ):
        everywhere = ask()
        assert set(ask(mixed.id())) <= set(everywhere) and everywhere == sorted(everywhere)


def test_a_project_has_the_types_of_items_shared_into_it(
    xnat: pyxnat.Interface, mixed: Any
) -> None:
    other = xnat.select.project(f'{mixed.id()}_OTHER').create()
    assert xnat.inspect.experiment_types(other.id()) == xnat.inspect.scan_types(other.id()) == []
    mixed.subject('S1').share(other.id())
    mixed.subject('S1').experiment('S1_MR').share(other.id())
    assert xnat.inspect.experiment_types(other.id()) == ['xnat:mrSessionData']
    assert xnat.inspect.scan_types(other.id()) == ['xnat:mrScanData', 'xnat:otherDicomScanData']


def test_types_of_a_missing_project_are_an_error(xnat: pyxnat.Interface) -> None:
    with pytest.raises(pyxnat.errors.NotFoundError):
        xnat.inspect.experiment_types('NOBODYS')


def test_set_autolearn_gives_a_warning_and_does_nothing(xnat: pyxnat.Interface) -> None:
    with pytest.warns(DeprecationWarning, match='request the types from the server'):
        xnat.inspect.set_autolearn(True, tick=30)


# -- fields ----------------------------------------------------------------------------------------


def test_fields_of_a_type_match_with_and_without_the_type(xnat: pyxnat.Interface) -> None:
    fields = xnat.inspect.fields('xnat:subjectData')
    assert len(fields) == len(set(fields)) and any('=' in field for field in fields)
    assert (
        xnat.inspect.fields('xnat:subjectData', 'GEND*')
        == xnat.inspect.fields('xnat:subjectData', '*/GEND*')
        != []
    )


def test_fields_as_columns_need_no_argument(xnat: pyxnat.Interface) -> None:
    columns = xnat.inspect.datatypes('xnat:subjectData')
    assert columns == [
        field for field in xnat.inspect.fields('xnat:subjectData') if '=' not in field
    ]
    own = [column for column in columns if 'CUSTOM-FORM' not in column]  # forms of other tests
    assert len(xnat.select('xnat:subjectData', own).all().headers()) == len(own)
    assert xnat.inspect.datatypes('xnat:subject*', '*PROJECT_IDENTIFIER*') == []


# -- schemas ---------------------------------------------------------------------------------------


def test_a_schema_is_found_by_any_form_of_its_address(xnat: pyxnat.Interface) -> None:
    schemas = xnat.manage.schemas
    assert schemas() == []
    for address in (
        'xnat',
        'xnat.xsd',
        'xnat/xnat.xsd',
        'schemas/xnat/xnat.xsd',
        f'{xnat._server}/schemas/xnat/xnat.xsd',
    ):
        assert schemas.add(address) == ['xnat'] == schemas()
        schemas.remove(address)
        assert schemas() == []


def test_all_schemas_of_the_server_are_added_at_once(xnat: pyxnat.Interface) -> None:
    available = xnat.manage.schemas.available()
    assert 'xnat' in available and xnat.manage.schemas.add() == available == xnat.manage.schemas()


def test_data_types_are_listed_though_no_search_has_them(xnat: pyxnat.Interface) -> None:
    names, searchable = xnat.manage.schemas.datatypes(), xnat.inspect.datatypes()
    assert 'xnat:mrSessionData' in names and 'xnat:mrSessionData' in searchable
    assert 'xnat:usSessionData' in names and 'xnat:usSessionData' not in searchable


def test_a_missing_schema_is_an_error_and_changes_nothing(xnat: pyxnat.Interface) -> None:
    xnat.manage.schemas.add('xnat')
    with pytest.raises(pyxnat.errors.NotFoundError):
        xnat.manage.schemas.add('nobodys')
    with pytest.raises(pyxnat.errors.NotFoundError, match='There are: xnat'):
        xnat.manage.schemas.remove('nobodys')
    assert xnat.manage.schemas() == ['xnat']


def test_nothing_is_fetched_twice(xnat: pyxnat.Interface) -> None:
    xnat.inspect.schemas()
    with xnat.trace() as trace:
        assert xnat.inspect.schemas.look_for('gender', 'xnat:subjectData')
    assert len(trace) == 0 and xnat.manage.schemas() == xnat.manage.schemas.available()


def test_the_found_paths_can_be_read_and_set(xnat: pyxnat.Interface, project: Any) -> None:
    subject = project.subject('S').create()
    [path] = xnat.inspect.schemas.look_for('Gender', 'xnat:subjectData')
    subject.attrs.set(path, 'female')
    assert subject.attrs.get(path) == subject.attrs.get('gender') == 'female'


def test_a_field_is_searched_in_all_types_that_have_documents(xnat: pyxnat.Interface) -> None:
    everywhere = xnat.inspect.schemas.look_for('fieldStrength')
    assert {'xnat:mrSessionData/fieldStrength', 'xnat:mrScanData/fieldStrength'} <= set(everywhere)
    assert all(path.endswith('/fieldStrength') for path in everywhere)
    assert (
        xnat.inspect.schemas.look_for('*strength', 'xnat:mr*Data')
        and xnat.inspect.schemas.look_for('nothing') == []
    )


def test_types_are_shown_in_one_line_each_and_one_type_with_its_fields(
    xnat: pyxnat.Interface,
) -> None:
    types = xnat.inspect.schemas('xnat:mr*Data')
    assert len(types) == len(repr(types).splitlines()) > 3
    assert 'xnat:mrSessionData' in list(
        types
    ) and 'xnat:mrSessionData (extends xnat:imageSessionData)' in str(types)
    one = str(xnat.inspect.schemas('xnat:mrSessionData')).splitlines()
    assert (
        '  fieldStrength: string' in one and '  scans/scan: xnat:imageScanData, any number' in one
    )
    assert str(xnat.inspect.schemas('nobodys:*')) == 'no such type'


# -- schemas of other servers ----------------------------------------------------------------------


@pytest.fixture
def documents(reference: Path) -> dict[str, bytes]:
    """Return XNAT's own schema documents by their names in its list."""
    folder = reference / 'xnat-schemas'
    found = {
        path.relative_to(folder).with_suffix('').as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*.xsd'))
    }
    return {
        name.partition('/')[0] if len(set(name.split('/'))) == 1 else name: text
        for name, text in found.items()
    }


def test_all_schemas_of_xnat_are_read(documents: dict[str, bytes], tmp_path: Path) -> None:
    def xnat_1_8(request: Request) -> Reply:
        name = request.uri.partition('?')[0].removeprefix('/xapi/schemas').strip('/')
        return Reply(body=documents[name] if name else json.dumps(sorted(documents)).encode())

    with ScriptedServer(xnat_1_8) as server:
        interface = pyxnat.Interface(server.url, 'me', 'x', tmp_path / 'cache')
        types = interface.inspect.schemas()
        assert len(server.requests) == 1 + len(documents) and interface.manage.schemas() == sorted(
            documents
        )
        assert {'xnat:mrSessionData', 'arc:project'} <= set(types) and len(types) > 100
        assert interface.inspect.schemas.look_for('stepId', 'arc:project')


@pytest.mark.parametrize('which', ['', '/birn/birnprov'])
@pytest.mark.parametrize(
    ('reply', 'error'),
    [
        *((Reply(status), None) for status in (400, 403, 404, 500)),
        (Reply(body=b'<html><body>'), None),
        (Reply(silent=True), pyxnat.errors.NetworkError),
        (Reply(503), pyxnat.errors.BusyError),
    ],
    ids=['400', '403', '404', '500', 'page', 'silent', '503'],
)
def test_schemas_are_hidden_only_if_the_server_refuses_them(
    documents: dict[str, bytes], which: str, reply: Reply, error: type[Exception] | None
) -> None:
    names = ['xnat', 'birn/birnprov']
    is_broken = True

    def answer(request: Request) -> Reply:
        name = request.uri.partition('?')[0].partition('schemas')[2].removesuffix('.xsd')
        if is_broken and name == which:
            return reply
        return Reply(body=documents[name.strip('/')] if name else json.dumps(names).encode())

    with ScriptedServer(answer) as server:
        schemas = pyxnat.Interface(server.url, 'me', 'x', retries=0).manage.schemas
        if error is None:
            assert schemas.served() is None is schemas.served()
            return
        with pytest.raises(error):
            schemas.served()
        is_broken = False
        assert schemas.served() is not None


def test_a_server_before_1_7_returns_schemas_only_by_name(
    xnat: pyxnat.Interface, tmp_path: Path
) -> None:
    document = xnat.get('/schemas/xnat/xnat.xsd').content
    with ScriptedServer(
        lambda request: (
            Reply(body=document) if request.uri == '/schemas/xnat/xnat.xsd' else Reply(404)
        )
    ) as server:
        old = pyxnat.Interface(server.url, 'me', 'x', tmp_path / 'old')
        with pytest.raises(pyxnat.errors.NotSupportedError, match=r"add\('xnat'\)"):
            old.manage.schemas.add()
        assert old.manage.schemas.add('xnat') == ['xnat'] and old.inspect.schemas.look_for(
            'gender', 'xnat:subjectData'
        )


def test_an_invalid_schema_is_not_added(tmp_path: Path) -> None:
    with ScriptedServer(lambda request: Reply(body=b'no XML')) as server:
        interface = pyxnat.Interface(server.url, 'me', 'x', tmp_path / 'cache')
        with pytest.raises(pyxnat.errors.DataError, match='not a schema'):
            interface.manage.schemas.add('xnat')
        assert interface.manage.schemas() == []
