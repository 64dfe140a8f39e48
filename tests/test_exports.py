"""Tests of the public names, and of the cost of importing the package."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pyxnat

ROOT = Path(__file__).parents[1]
NOT_EXPORTED = {'log', 'E'}
"""Loggers and type variables: module-level names that nobody should import."""


def client_modules() -> list[str]:
    found = []
    for path in sorted((ROOT / 'pyxnat').rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[1] not in ('server', 'demo'):
            found.append('.'.join(part for part in parts if part != '__init__'))
    return found


each_client_module = pytest.mark.parametrize('name', client_modules())


def order(name: str) -> tuple[int, str]:
    """Return the sort key of ruff (RUF022) for ``__all__``: constants, classes, the rest."""
    if len(name) > 1 and name.isupper():
        return 0, name
    return (1, name) if name[:1].isupper() else (2, name)


def made_in(name: str) -> set[str]:
    """Return the public names that a module defines itself, from its source."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding='utf-8'))
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {one for one in found if not one.startswith('_')} - NOT_EXPORTED


@each_client_module
def test_all_is_sorted_and_correct(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, '__all__', [])
    assert exported == sorted(set(exported), key=order)
    assert [one for one in exported if not hasattr(module, one)] == []


@each_client_module
def test_no_public_name_is_missing_in_all(name: str) -> None:
    module = importlib.import_module(name)
    assert made_in(name) - set(getattr(module, '__all__', [])) == set()


def test_the_package_exports_these_names() -> None:
    assert pyxnat.__all__ == [
        'Error',
        'Inspector',
        'Interface',
        'JsonTable',
        'Lock',
        'Mirror',
        'SearchManager',
        'Select',
        'Sites',
        'Users',
        '__version__',
        'core',
    ]


def test_the_package_has_no_public_name_that_is_neither_exported_nor_a_module() -> None:
    public = {name for name in dir(pyxnat) if not name.startswith('_')} - set(pyxnat.__all__)
    assert {name for name in public if not isinstance(getattr(pyxnat, name), ModuleType)} == set()


def test_every_generated_class_is_exported_by_resources() -> None:
    from pyxnat import resources
    from pyxnat.model.levels import LEVELS

    names = {name for row in LEVELS for name in (row.element_class, row.collection_class)}
    assert set(resources.__all__) == names | {'Element', 'Collection'}


# -- importing -------------------------------------------------------------------------------------

SCRIPT = """
import json, sys, time
import httplib2, lxml.etree, six
before = set(sys.modules)
started = time.process_time()
import pyxnat
seconds = time.process_time() - started
new = sorted(set(sys.modules) - before)
print(json.dumps({'seconds': seconds, 'before': sorted(before), 'new': new}))
"""

LOADED = {'core', 'version'}
"""Modules of the library that importing it may load; others are loaded when a name of them is first
used."""

HEAVY = {
    'asyncio',
    'concurrent',
    'doctest',
    'multiprocessing',
    'pydoc',
    'sqlite3',
    'tkinter',
    'unittest',
    'xmlrpc',
}
"""Parts of the standard library that ``import pyxnat`` must not load."""


@pytest.fixture(scope='module')
def fresh() -> dict[str, Any]:
    """Return the measurements of ``import pyxnat`` in a new interpreter; the best time of three."""
    runs = [
        json.loads(
            subprocess.run(
                [sys.executable, '-c', SCRIPT], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout
        )
        for _ in range(3)
    ]
    return min(runs, key=lambda run: run['seconds'])


def test_importing_loads_no_library_but_the_three(fresh: dict[str, Any]) -> None:
    tops = {name.split('.')[0] for name in fresh['new']}
    assert tops - set(sys.stdlib_module_names) - {'pyxnat'} == set()


def test_importing_loads_these_modules_of_the_library(fresh: dict[str, Any]) -> None:
    loaded = {name.split('.')[1] for name in fresh['new'] if name.startswith('pyxnat.')}
    assert loaded == LOADED


def test_importing_loads_no_heavy_part_of_the_standard_library(fresh: dict[str, Any]) -> None:
    assert {name.split('.')[0] for name in fresh['new']} & HEAVY == set()


def test_importing_is_fast(fresh: dict[str, Any]) -> None:
    assert (
        fresh['seconds'] < 0.1
    )  # processor time, compiling included; the limit is 15 % of the time of its three libraries


def test_a_misspelled_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Interfase'"):
        pyxnat.Interfase  # noqa: B018
