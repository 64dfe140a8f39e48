"""Every row of the table of levels, taken through the whole package.

Nothing here names a level but the root: a new row is walked as well, and fails where the row does
not suffice.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import resources
from pyxnat.apps.session_mirror import mirror_session
from pyxnat.model.levels import LEVELS, Chain, Level, chains, children, level, parts_of_session
from pyxnat.model.short_names import full_paths, types_with
from pyxnat.query.layouts import FIELDS, default_for
from pyxnat.query.paths import Step, parse, read, spell, uri_of
from pyxnat.server import serve
from pyxnat.server.app import ROUTES
from tests.support.plain import Client

ROOT = Path(__file__).parents[2]
CONTENT = b'content'
ITEMS = [row for row in LEVELS if row.is_item]

each_row = pytest.mark.parametrize('row', LEVELS, ids=lambda row: row.plural)
each_item = pytest.mark.parametrize('row', ITEMS, ids=lambda row: row.plural)
each_holder = pytest.mark.parametrize(
    'row', [row for row in ITEMS if row.resources], ids=lambda row: row.plural
)


def name_on(plural: str) -> str:
    """Name of the element of each level in the archive of these tests."""
    return 'folder/name.txt' if level(plural).is_file else f'{level(plural).singular}_1'


def steps_of(chain: Chain) -> tuple[Step, ...]:
    return tuple(Step(plural, name_on(plural), True) for plural in chain)


def way_to(row: Level) -> Chain:
    """The longest way from the projects down."""
    return max((chain for chain in chains() if chain[-1] == row.plural), key=len)


def element_on(project: Any, chain: Chain) -> Any:
    element = project
    for plural in chain[1:]:
        element = getattr(element, level(plural).singular)(name_on(plural))
    return element


@pytest.fixture(scope='module')
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(tmp_path_factory.mktemp('levels')) as server:
        yield server


@pytest.fixture(scope='module')
def project(running: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project with one element on each level, and a file in each of their resources."""
    cache = tmp_path_factory.mktemp('cache')
    with pyxnat.Interface(running.url, running.user, running.password, cache) as interface:
        found = interface.select.project(name_on('projects'))
        for row in ITEMS:
            element = element_on(found, way_to(row))
            element.create(**{row.plural: row.datatype})
            for below in row.resources:
                file = getattr(element, level(below).singular)(name_on(below)).file(
                    name_on('files')
                )
                file.put(CONTENT)
        yield found


@pytest.fixture(scope='module')
def plain(running: Any) -> Iterator[Client]:
    connection = Client(running, running.user, running.password)
    yield connection
    connection.close()


def generator(name: str) -> Any:
    """A program of the documentation, which is no part of the package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / 'docs' / f'{name}.py')
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@each_row
def test_it_has_classes_with_methods(row: Level) -> None:
    element = getattr(resources, row.element_class)
    collection = getattr(resources, row.collection_class)
    assert element.level is collection.level is row
    for parent in filter(None, row.parents):
        above = getattr(resources, level(parent).element_class)
        assert getattr(above, row.singular).__doc__ and getattr(above, row.plural).__doc__
    for method in ('rows', 'table', 'first', 'explain', 'download'):
        assert getattr(collection, method).__doc__


@each_row
def test_its_paths_are_read_and_printed(row: Level) -> None:
    for chain in (chain for chain in chains() if chain[-1] == row.plural):
        path = steps_of(chain)
        assert parse(spell(path)).paths == (path,)
        assert read(uri_of(path)) == path


@each_row
def test_its_plan_names_its_listing(project: Any, row: Level) -> None:
    for chain in (chain for chain in chains() if chain[-1] == row.plural):
        path = f'{spell(steps_of(chain[:-1]))}/{row.segment}'
        plan = project.host.select(path).explain()
        assert f'/{row.segment}' in plan and 'GET' in plan


@each_row
def test_it_is_listed(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    answer = plain.get(f'{element.uri.rpartition(f"/{row.segment}/")[0]}/{row.segment}?format=csv')
    assert answer.status == 200
    assert {*answer.header} == {*row.columns}
    names = {element.path_name, element.id()}
    assert any(
        {cell for name, cell in line.items() if name in (row.id_column, row.label_column, 'Name')}
        & {*names, element.path_name.rpartition('/')[2]}
        for line in answer.csv
    )
    if row.plural != 'projects':
        collection = getattr(element.parent(), row.plural)()
        assert element.id() in [found.id() for found in collection]


@each_item
def test_its_columns_have_short_names(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    names = [
        name
        for name in full_paths(row.singular)
        if name in row.short_names[0] and not types_with(row.singular, name)
    ]
    if not row.has_types and 'xsiType' in names:
        names.remove('xsiType')  # XNAT fails for it on a level of one type
    uri = f'{element.uri.rpartition("/")[0]}?format=csv&columns={",".join(["ID", *names])}'
    answer = plain.get(uri)
    assert answer.status == 200 and answer.csv
    assert len(answer.header) >= len({'ID', *names})
    assert names or row.short_names == ()


@each_item
def test_an_element_is_created_changed_and_deleted(project: Any, row: Level) -> None:
    element = element_on(project, way_to(row))
    other = (
        getattr(element.parent(), row.singular)('other')
        if len(element.steps) > 1
        else project.host.select.project('other')
    )
    assert element.exists() and not other.exists()
    other.create(**{row.plural: row.datatype})
    assert other.exists()
    assert other.datatype() == row.datatype
    name = next(
        name for table in row.short_names for name in table if name in ('note', 'type', 'group')
    )
    other.attrs.set(name, 'changed')
    assert other.attrs.get(name) == 'changed'
    other.delete()
    assert not other.exists() and element.exists()


@each_item
def test_it_has_a_document(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    item = plain.item(element.uri)
    assert item['meta']['xsi:type'] == row.datatype
    if row.key_field:
        assert row.key_field in item['data_fields']
    if row.parent_field:
        assert item['data_fields'][row.parent_field] == element.parent().id()
    document = element.get()
    assert b'http://nrg.wustl.edu/xnat' in document and document.startswith(b'<?xml')


@pytest.mark.parametrize(
    'row', [row for row in ITEMS if row.path_in_parent], ids=lambda row: row.plural
)
def test_it_stands_in_the_document_of_its_parent(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    fields = [child['field'] for child in plain.item(element.parent().uri)['children']]
    assert row.path_in_parent in fields
    first, _, last = row.path_in_parent.partition('/')
    document = element.parent().get()
    assert f'<xnat:{first}>'.encode() in document and f'<xnat:{last} '.encode() in document


@each_holder
def test_its_files_are_put_and_got(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    for below in row.resources:
        resource = getattr(element, level(below).singular)(name_on(below))
        assert plain.get(resource.file(name_on('files')).uri).body == CONTENT
        assert [file.path_name for file in resource.files()] == [name_on('files')]
    lines = plain.get(f'{element.uri}/{level(row.resources[-1]).segment}?format=csv').csv
    assert {line['category'] for line in lines} == {row.category}


@each_holder
def test_its_files_have_a_folder_on_disk(running: Any, project: Any, row: Level) -> None:
    root = running.archive.files.root
    element = element_on(project, way_to(row))
    folders = [path.relative_to(root).parent for path in root.rglob('name.txt')]
    for name in {element.path_name, element.id()}:
        own = '/'.join(filter(None, (row.disk_folder, name, row.resources_folder)))
        if any(f'/{own}/' in f'/{folder.as_posix()}/' for folder in folders):
            return
    pytest.fail(f'no folder {row.disk_folder}/{element.path_name} among {folders}')


@each_holder
def test_its_files_come_in_a_zip(project: Any, plain: Client, row: Level) -> None:
    element = element_on(project, way_to(row))
    for below in row.resources:
        uri = f'{element.uri}/{level(below).segment}/{name_on(below)}/files?format=zip'
        answer = plain.get(uri)
        assert answer.status == 200
        names = answer.names
        assert len(names) == 1 and names[0].endswith(f'files/{name_on("files")}')
        assert row.listed_with or f'/{row.zip_folder}' in f'/{names[0]}'
        assert not level(below).side or f'/{level(below).side}/' in names[0]


@each_holder
def test_its_files_have_a_place_in_a_download(project: Any, tmp_path: Path, row: Level) -> None:
    assert row.singular in FIELDS
    element, below = element_on(project, way_to(row)), level(row.resources[-1])
    fields = ''.join(f'{{{one.singular}}}/' for one in ITEMS)
    element.download(tmp_path, layout=f'{fields}{{side}}/{{resource}}/{{path}}')
    names = [name_on(plural) for plural in way_to(row)]
    place = '/'.join(filter(None, [*names, below.side, name_on(below.plural), name_on('files')]))
    assert (tmp_path / place).read_bytes() == CONTENT


@pytest.fixture(scope='module')
def mirrored(project: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The session of the project, copied to another archive."""
    session = element_on(project, way_to(level('experiments')))
    with (
        serve(tmp_path_factory.mktemp('other')) as other,
        pyxnat.Interface(
            other.url, other.user, other.password, tmp_path_factory.mktemp('other-cache')
        ) as dest,
    ):
        dest.select.project('copy').create()
        mirror_session(project.host, dest, session.id(), 'copy')
        subject = dest.select.project('copy').subject(name_on('subjects'))
        yield subject.experiment(name_on('experiments'))


@pytest.mark.parametrize('row', parts_of_session(), ids=lambda row: row.plural)
def test_it_is_copied_with_its_session(mirrored: Any, row: Level) -> None:
    element = getattr(mirrored, row.singular)(name_on(row.plural))
    assert element.exists() and element.datatype() == row.datatype
    for below in row.resources:
        resource = getattr(element, level(below).singular)(name_on(below))
        assert [file.path_name for file in resource.files()] == [name_on('files')]


@each_row
def test_it_is_in_the_tree_of_levels(project: Any, row: Level) -> None:
    assert f' {row.plural.upper()}\n' in str(project.host.inspect.structure())


@each_row
def test_it_has_a_default_layout(row: Level) -> None:
    assert default_for(row.plural).endswith('{path}')
    assert f'{{{row.singular}}}' not in default_for(row.plural)


@each_row
def test_it_is_in_the_reference(row: Level) -> None:
    assert row.element_class in resources.__all__ and row.collection_class in resources.__all__
    stub = generator('make_stubs').stub()
    assert f'class {row.element_class}(' in stub and f'class {row.collection_class}(' in stub
    pytest.importorskip('sphinx')
    routes = generator('routes_page').page(ROUTES)
    assert f'/{row.segment}``' in routes and f'* - {row.plural}\n' in routes


@each_row
def test_its_children_are_below_it(row: Level) -> None:
    assert {*row.resources} == {below.plural for below in children(row.plural) if below.is_resource}
