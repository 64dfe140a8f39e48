"""Tests of the stub of the generated classes: it follows from the table, and type checkers use
it."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pyxnat import resources
from pyxnat.model.levels import LEVELS

ROOT = Path(__file__).parents[2]
STUB = ROOT / 'pyxnat' / 'resources' / '__init__.pyi'


def generator() -> Any:
    """Return the module ``docs/make_stubs.py``, which is not part of the package."""
    spec = importlib.util.spec_from_file_location('make_stubs', ROOT / 'docs' / 'make_stubs.py')
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stub_is_up_to_date() -> None:
    assert STUB.read_text(encoding='utf-8') == generator().stub(), 'run: python docs/make_stubs.py'


def test_the_stub_has_every_public_name_in_the_same_order() -> None:
    tree = ast.parse(STUB.read_text(encoding='utf-8'))
    listed = next(node.value for node in tree.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(listed) == resources.__all__


@pytest.mark.parametrize(
    'name', [name for row in LEVELS for name in (row.element_class, row.collection_class)]
)
def test_a_class_of_the_stub_has_the_members_and_arguments_of_the_real_one(name: str) -> None:
    tree = ast.parse(STUB.read_text(encoding='utf-8'))
    stubbed = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name
    )
    cls = getattr(resources, name)
    for member in stubbed.body:
        if isinstance(member, ast.FunctionDef) and member.decorator_list == []:
            written = [arg.arg for arg in (*member.args.args, *member.args.kwonlyargs)]
            assert [
                one
                for one in inspect.signature(getattr(cls, member.name)).parameters
                if one not in ('params', 'fields')
            ] == written
        elif isinstance(member, ast.Assign):
            assert hasattr(cls, member.targets[0].id)  # type: ignore[attr-defined]
    own = {one for one in vars(cls) if not one.startswith('_')} - {'level'}
    assert own <= {member.name for member in stubbed.body if isinstance(member, ast.FunctionDef)}


# -- messages of a checker -------------------------------------------------------------------------

SNIPPET = """
from pyxnat.resources import File, Project

def use(project: Project, file: File) -> None:
    reveal_type(project.subject('x'))  # Subject
    reveal_type(project.subjects())  # Subjects
    for subject in project.subjects('S*'):
        reveal_type(subject)  # Subject
        reveal_type(subject.parent())  # Project | None
    reveal_type(project.subjects().where([('xnat:mrSessionData/AGE', '>', 80)]))  # Subjects
    reveal_type(project.subjects().first())  # Subject | None
    reveal_type(project.subjects()[0])  # Subject
    reveal_type(project.subjects()[:3])  # list[Subject]
    reveal_type(project.subjects()['S01'])  # Subject
    reveal_type(project.subjects().get())  # list[str]
    reveal_type(project.subjects().get('label'))  # list[str]
    reveal_type(project.subjects().get('obj'))  # list[Subject]
    reveal_type(project.subjects().get('id', 'label'))  # list[Any]
    reveal_type(project.subjects().experiments().scans())  # Scans
    reveal_type(project.subject('S').create(gender='female'))  # Subject
    reveal_type(project.subject('S').experiment('E').scan('1').insert())  # Scan
    reveal_type(project.resource('DATA').put_dir('.').files())  # Files
    reveal_type(project.subject('S').shares())  # Projects
    reveal_type(project.accessibility())  # str
    reveal_type(file.get())  # str
    reveal_type(file.put(b'x'))  # File
    reveal_type(file.parent())  # Resource | In_Resource | Out_Resource
    project.subject_typo('x')
    project.subject(nonsense=1)
"""


@pytest.fixture(scope='module')
def mypy_output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the output of mypy for the snippet."""
    api = pytest.importorskip('mypy.api')
    folder = tmp_path_factory.mktemp('mypy')
    (folder / 'snippet.py').write_text(SNIPPET, encoding='utf-8')
    (folder / 'mypy.ini').write_text(
        f'[mypy]\nmypy_path = {ROOT}\nfollow_imports = silent\nignore_missing_imports = true\n',
        encoding='utf-8',
    )
    options = [
        '--config-file',
        str(folder / 'mypy.ini'),
        '--cache-dir',
        str(folder / 'cache'),
        '--python-executable',
        sys.executable,
    ]
    said, wrong, _ = api.run([*options, str(folder / 'snippet.py')])
    assert wrong == ''
    return str(said)


def test_a_checker_knows_what_generated_members_return(mypy_output: str) -> None:
    revealed = re.findall(r'Revealed type is "([^"]+)"', mypy_output)
    expected = re.findall(r'reveal_type.*# (.*)', SNIPPET)
    assert [
        re.sub(r'\b(?:pyxnat\.resources|builtins)\.', '', kind) for kind in revealed
    ] == expected


def test_a_checker_finds_misspelled_members_and_arguments(mypy_output: str) -> None:
    errors = re.findall(r'error: (.*)', mypy_output)
    assert len(errors) == 2 + mypy_output.count('Missing positional argument')
    assert 'subject_typo' in errors[0] and 'nonsense' in mypy_output
