"""Every public object has a docstring, and the documentation names or shows it."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
import os
import re
import stat
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import core, resources
from pyxnat.compat.requests_response import Response
from pyxnat.http.tracing import Trace
from pyxnat.model.levels import LEVELS, Level
from pyxnat.resources.attributes import Attributes
from pyxnat.resources.cursor import Cursor
from pyxnat.resources.provenance import Provenance
from pyxnat.services.arrays import ArrayData
from pyxnat.services.inspector import Inspector, SchemaInspector
from pyxnat.services.manage import Manager
from pyxnat.services.manage.saved_searches import SearchManager
from pyxnat.services.manage.schemas import Schemas
from pyxnat.services.manage.users import Users
from pyxnat.services.search import Search, SearchEngine
from pyxnat.services.select import Select
from pyxnat.services.xpath_store import XpathStore
from pyxnat.tables.table import JsonTable

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'
NOT_WRITTEN = ('_build', '_templates', 'reference/api')
"""Folders of the documentation that have no pages of their own."""
PAGES = [
    path
    for path in sorted(DOCS.rglob('*.rst'))
    if not path.relative_to(DOCS).as_posix().startswith(NOT_WRITTEN)
]
TEXTS = [ROOT / 'README.rst', *PAGES]

GENERATED = [
    getattr(resources, name) for row in LEVELS for name in (row.element_class, row.collection_class)
]
PUBLIC = [pyxnat.Interface, resources.Element, resources.Collection, *GENERATED]
PUBLIC += [
    Select,
    Search,
    SearchEngine,
    Inspector,
    JsonTable,
    Trace,
    Attributes,
    ArrayData,
    Manager,
    Cursor,
    Provenance,
    Response,
]
PUBLIC += [SchemaInspector, Schemas, SearchManager, Users, XpathStore]
each_class = pytest.mark.parametrize('cls', PUBLIC, ids=lambda cls: cls.__name__)


def members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Return the public methods and properties of a class and of its bases."""
    for name in dir(cls):
        if not name.startswith('_'):
            yield name, inspect.getattr_static(cls, name)


def attributes(cls: type[Any]) -> set[str]:
    """Return the public attributes that the class sets on its instances, or loads for them."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    loaded = [
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == 'service'
    ]
    stores = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return {
        node.attr
        for node in stores
        if isinstance(node.value, ast.Name)
        and node.value.id == 'self'
        and not node.attr.startswith('_')
    } | {*loaded}


@each_class
def test_every_public_method_has_a_docstring(cls: type[Any]) -> None:
    assert cls.__doc__
    assert [
        name
        for name, member in members(cls)
        if not (getattr(member, '__doc__', None) or '').strip()
    ] == []


@pytest.mark.parametrize(
    'cls', [cls for cls in PUBLIC if cls not in GENERATED], ids=lambda cls: cls.__name__
)
def test_every_public_attribute_is_named_in_the_docstring_of_its_class(cls: type[Any]) -> None:
    assert {
        name for name in attributes(cls) if not re.search(rf'\b{name}\b', cls.__doc__ or '')
    } == set()


# -- the pages -------------------------------------------------------------------------------------


@functools.cache
def pages() -> str:
    return '\n'.join(path.read_text(encoding='utf-8') for path in PAGES)


@functools.cache
def shown() -> set[str]:
    """Return the qualified names that have a place in the reference.

    They are the exports of each module with a page of its own, and the classes with one.
    """
    found = {name for name in listed(with_page=True) if name not in modules()}
    for name in listed(with_page=True) - found:
        module = importlib.import_module(name)
        found |= {
            f'{getattr(module, export).__module__}.{export}'
            for export in module.__all__
            if hasattr(getattr(module, export), '__module__')
        }
    return found


@functools.cache
def listed(with_page: bool) -> set[str]:
    """Return the names in the tables of the reference, with or without a page of their own."""
    found: set[str] = set()
    for path in (ROOT / 'docs' / 'reference').glob('*.rst'):
        tables = re.findall(
            r'^\.\. autosummary::\n((?:   :.*\n)*)\n((?:   .*\n)+)',
            path.read_text(encoding='utf-8'),
            re.MULTILINE,
        )
        for options, names in tables:
            if (':toctree:' in options) == with_page:
                found |= set(names.split())
    return found


def is_documented(cls: Any) -> bool:
    if inspect.ismodule(cls):
        return cls.__name__ in listed(with_page=True) | listed(with_page=False)
    return f'{cls.__module__}.{cls.__qualname__}' in shown()


def is_mentioned(name: str) -> bool:
    return re.search(rf'(?<![\w/]){re.escape(name)}(?!\w)', pages()) is not None


@pytest.mark.parametrize('name', [name for name in pyxnat.__all__ if not name.startswith('__')])
def test_every_exported_name_is_documented(name: str) -> None:
    assert is_documented(getattr(pyxnat, name)) or is_mentioned(name)


@pytest.mark.parametrize('row', LEVELS, ids=lambda row: row.plural)
def test_every_level_is_documented(row: Level) -> None:
    assert all(
        is_documented(getattr(resources, name))
        for name in (row.element_class, row.collection_class)
    )
    assert row.segment in pages()


@pytest.mark.parametrize(
    'cls', [pyxnat.Interface, resources.Collection, resources.File], ids=lambda cls: cls.__name__
)
def test_every_method_is_documented(cls: type[Any]) -> None:
    undocumented = [
        name
        for name, member in members(cls)
        if not (is_documented(cls) and member.__doc__) and not is_mentioned(name)
    ]
    assert undocumented == []


@functools.cache
def modules() -> list[str]:
    """Return the modules of the client, except folders that have only a docstring."""
    names = []
    for path in sorted((ROOT / 'pyxnat').rglob('*.py')):
        if path.name == '__init__.py' and len(ast.parse(path.read_text(encoding='utf-8')).body) < 2:
            continue
        parts = [
            part for part in path.relative_to(ROOT).with_suffix('').parts if part != '__init__'
        ]
        if len(parts) > 1 and parts[1] not in ('server', 'demo', 'version'):
            names.append('.'.join(parts))
    return names


@pytest.mark.parametrize('name', modules())
def test_every_module_is_in_the_reference(name: str) -> None:
    assert name in listed(with_page=True) ^ listed(with_page=False), (
        'add it to a table of docs/reference: with a page (:toctree: api), or to a table of parts, '
        'if another page shows its names'
    )


def blocks() -> list[Any]:
    """Return the Python blocks of the pages."""
    found = []
    for path in TEXTS:
        text = path.read_text(encoding='utf-8')
        for number, block in enumerate(
            re.findall(
                r'^\.\. code-block:: python\n\n((?:[ \t]+\S.*\n|\s*\n)+)', text, re.MULTILINE
            ),
            1,
        ):
            found.append(
                pytest.param(textwrap.dedent(block), id=f'{path.relative_to(ROOT)}:{number}')
            )
    return found


@pytest.mark.parametrize('block', blocks())
def test_python_in_the_documentation_compiles(block: str) -> None:
    compile(block, 'block', 'exec')


def test_the_readme_has_python_code_and_the_two_commands() -> None:
    text = (ROOT / 'README.rst').read_text(encoding='utf-8')
    first_screen = '\n'.join(text.splitlines()[:45])
    assert (
        '.. code-block:: python' in first_screen
        and 'make demo' in first_screen
        and 'make test' in first_screen
    )


# -- coming from 1.6: the statements of the page ---------------------------------------------------

COMING = (ROOT / 'docs' / 'coming-from-1.6.rst').read_text(encoding='utf-8')


def test_the_page_names_all_old_modules() -> None:
    kept, gone = (
        re.findall(r'``(?:pyxnat\.core)?\.(\w+)``', row)
        for row in re.findall(r'\* - (``pyxnat\.core\.[^-]*)', COMING)
    )
    assert set(kept) == set(core.OLD_NAMES)
    assert {
        name
        for name in gone
        if importlib.util.find_spec(f'pyxnat.core.{name}') or hasattr(core, name)
    } == set()


@pytest.mark.parametrize('table', re.findall(r'\.\. list-table::\n((?:[ ]{3}.*\n|\n)+)', COMING))
def test_every_row_of_the_page_has_all_cells(table: str) -> None:
    rows = re.split(r'^   \* - ', table, flags=re.MULTILINE)[1:]
    assert len({len(re.findall(r'^     -', row, re.MULTILINE)) for row in rows}) == 1


def test_failures_are_errors_and_not_empty_results(server: Any) -> None:
    wrong = pyxnat.Interface(server.url, server.user, 'wrong')
    nobody = pyxnat.Interface('http://127.0.0.1:1', 'me', 'x', retries=0)
    for interface, error in (
        (wrong, pyxnat.errors.AuthenticationError),
        (nobody, pyxnat.errors.NetworkError),
    ):
        for ask in (
            lambda it: it.select.projects().get(),
            lambda it: it.select.project('P').exists(),
        ):
            with pytest.raises(error):
                ask(interface)


def test_collections_are_as_the_page_says(project: Any) -> None:
    project.subject('S1').create()
    subjects, none = project.subjects(), project.subjects('nobody')
    assert list(zip(*subjects.get('id', 'label'), strict=True)) == [tuple(subjects.get()), ('S1',)]
    assert isinstance(subjects[:1], list) and subjects and not none and none.first() is None
    for kind in (pyxnat.errors.NoElementError, IndexError, StopIteration):
        with pytest.raises(kind):
            _ = none[0]
    with pytest.raises(pyxnat.errors.NotFoundError):
        project.subject('nobody').label()


def test_files_are_as_the_page_says(scan: Any, tmp_path: Path) -> None:
    file = scan.resource('NIFTI').file('a.txt')
    with pytest.raises(pyxnat.errors.DataError, match='no file'):
        file.put('mistyped.txt')
    for number, text in enumerate(('two\nlines', '{"a": 1}', '[1]', '<a/>')):
        assert (
            Path(scan.resource('NIFTI').file(f'{number}.txt').put(text).get()).read_text() == text
        )
    assert Path(scan.resource('NIFTI').file('empty.txt').put(b'').get()).read_bytes() == b''
    with pytest.warns(UserWarning, match='nonsense'):
        assert file.put(b'content', nonsense=1) is file
    assert not os.stat(file.get()).st_mode & stat.S_IWRITE
    assert file.format() == file.content() == file.tags() == '' and file.delete() is None


def test_settings_are_texts_and_numbers(project: Any) -> None:
    project.set_prearchive_code('4')
    project.set_quarantine_code(1)
    project.set_subfolder_in_current_arc('more')
    assert (project.accessibility(), project.prearchive_code(), project.quarantine_code()) == (
        'protected',
        4,
        1,
    )
    assert project.current_arc().endswith('more') and isinstance(project.get(), bytes)
