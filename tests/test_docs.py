"""Every public thing has a docstring, and the documentation names it or shows it."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat import resources
from pyxnat.inspector import Inspector
from pyxnat.resources.attributes import Attributes
from pyxnat.search import Search, SearchEngine
from pyxnat.select import Select
from pyxnat.structure import LEVELS, Level
from pyxnat.tables import JsonTable
from pyxnat.tracing import Trace

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / 'docs').rglob('*.rst'))
TEXTS = [ROOT / 'README.rst', *PAGES]

GENERATED = [getattr(resources, name) for row in LEVELS for name in (row.element_class, row.collection_class)]
PUBLIC = [pyxnat.Interface, resources.Element, resources.Collection, *GENERATED]
PUBLIC += [Select, Search, SearchEngine, Inspector, JsonTable, Trace, Attributes]
each_class = pytest.mark.parametrize('cls', PUBLIC, ids=lambda cls: cls.__name__)


def members(cls: type[Any]) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of a class, its bases' too."""
    for name in dir(cls):
        if not name.startswith('_'):
            yield name, inspect.getattr_static(cls, name)


def attributes(cls: type[Any]) -> set[str]:
    """Public attributes that the class itself sets on its instances."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    stores = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)]
    return {node.attr for node in stores if isinstance(node.value, ast.Name) and node.value.id == 'self' and not node.attr.startswith('_')}


@each_class
def test_every_public_method_has_a_docstring(cls: type[Any]) -> None:
    assert cls.__doc__
    assert [name for name, member in members(cls) if not (getattr(member, '__doc__', None) or '').strip()] == []


@pytest.mark.parametrize('cls', [cls for cls in PUBLIC if cls not in GENERATED], ids=lambda cls: cls.__name__)
def test_every_public_attribute_is_named_in_the_docstring_of_its_class(cls: type[Any]) -> None:
    assert {name for name in attributes(cls) if not re.search(rf'\b{name}\b', cls.__doc__ or '')} == set()


# -- the pages --------------------------------------------------------------------------------------------------------------------------------


@functools.cache
def pages() -> str:
    return '\n'.join(path.read_text(encoding='utf-8') for path in PAGES)


@functools.cache
def shown() -> set[str]:
    """Qualified names that autodoc shows: what an ``automodule`` with ``:members:`` exports."""
    found = set()
    for name in re.findall(r'^\.\. automodule:: (\S+)\n\s+:members:', pages(), re.MULTILINE):
        module = importlib.import_module(name)
        found |= {f'{getattr(module, one).__module__}.{one}' for one in module.__all__ if hasattr(getattr(module, one), '__module__')}
    return found


def is_documented(cls: type[Any]) -> bool:
    return f'{cls.__module__}.{cls.__qualname__}' in shown()


def is_mentioned(name: str) -> bool:
    return re.search(rf'(?<![\w/]){re.escape(name)}(?!\w)', pages()) is not None


@pytest.mark.parametrize('name', [name for name in pyxnat.__all__ if not name.startswith('__')])
def test_every_exported_name_is_documented(name: str) -> None:
    assert is_documented(getattr(pyxnat, name)) or is_mentioned(name)


@pytest.mark.parametrize('row', LEVELS, ids=lambda row: row.plural)
def test_every_level_is_documented(row: Level) -> None:
    assert all(is_documented(getattr(resources, name)) for name in (row.element_class, row.collection_class))
    assert row.segment in pages()


@pytest.mark.parametrize('cls', [pyxnat.Interface, resources.Collection, resources.File], ids=lambda cls: cls.__name__)
def test_every_method_is_documented(cls: type[Any]) -> None:
    undocumented = [name for name, member in members(cls) if not (is_documented(cls) and member.__doc__) and not is_mentioned(name)]
    assert undocumented == []


def blocks() -> list[Any]:
    """The Python blocks of the pages."""
    found = []
    for path in TEXTS:
        text = path.read_text(encoding='utf-8')
        for number, block in enumerate(re.findall(r'^\.\. code-block:: python\n\n((?:[ \t]+\S.*\n|\s*\n)+)', text, re.MULTILINE), 1):
            found.append(pytest.param(textwrap.dedent(block), id=f'{path.relative_to(ROOT)}:{number}'))
    return found


@pytest.mark.parametrize('block', blocks())
def test_python_in_the_documentation_compiles(block: str) -> None:
    compile(block, 'block', 'exec')


def test_the_readme_has_python_and_the_two_commands() -> None:
    text = (ROOT / 'README.rst').read_text(encoding='utf-8')
    first_screen = '\n'.join(text.splitlines()[:45])
    assert '.. code-block:: python' in first_screen and 'make demo' in first_screen and 'make test' in first_screen
