"""Who may import whom (docs/design.rst, Layers), and what no module may hold. Read from the source; nothing is imported."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'pyxnat'

RANKS = {
    'errors': 0, 'labels': 0, 'names': 0, 'structure': 0, 'version': 0,
    'uris': 1, 'tables': 1, 'paths': 1, 'belongings': 1, 'plan': 1, 'criteria': 1, 'expressions': 1, 'bundles': 1, 'templates': 1, 'documents': 1,
    'schemas': 1, 'item_documents': 1, 'tracing': 1, 'result_sets': 1,
    'config': 2, 'cache': 2, 'payload': 2, 'carriers': 2, 'forms': 2, 'proxies': 2, 'zips': 2, 'session': 2, 'wire': 2, 'transport': 2, 'verbs': 2,
    'xpass': 2, 'cached': 2, 'downloads': 2, 'redirects': 2, 'layouts': 2,
    'resources': 3,
    'search': 4, 'arrays': 4, 'classic': 4, 'select': 4, 'inspector': 4, 'transfer': 4, 'manage': 4, 'xpath_store': 4, 'draw': 4, 'bulk': 4,
    'walking': 4,
    'interface': 5, 'core': 5, '': 5,
    'demo': 6, 'mirror': 6,
}  # fmt: skip
"""Module or package right below pyxnat -> its layer; the empty name is pyxnat itself."""

FOR_THE_SERVER = {'errors', 'names', 'structure', 'version', 'uris', 'tables', 'paths', 'plan', 'criteria', 'documents', 'expressions', 'schemas'}
"""What the archive server may share with the client."""

RUN_TIME = {'httplib2', 'lxml', 'six'}
EXTRAS = {'werkzeug', 'cheroot', 'sqlalchemy', 'pydicom', 'nibabel', 'numpy'}
"""Libraries of the extras ``server`` and ``demo``."""
OPTIONAL = {'tables': {'pandas'}, 'draw': {'matplotlib', 'networkx'}, 'bulk': {'concurrent', 'tqdm'}, 'walking': {'concurrent'}}
"""Module of the client -> what it may import in a function: what need not be installed, and what is too heavy to be loaded for nothing."""

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_FUNCTION = 60


class Import(NamedTuple):
    """One import statement's target."""

    module: str
    line: int
    in_function: bool


class Module(NamedTuple):
    """One source file."""

    path: Path
    name: str

    @property
    def tree(self) -> ast.Module:
        """What it says; parsed when a test looks, not where tests are collected."""
        return parsed(self.path)

    @property
    def part(self) -> str:
        """What of pyxnat it belongs to: ``plan``, ``server``."""
        return part_of(self.name)

    def imports(self) -> Iterator[Import]:
        """What it imports at run time, in functions too."""
        yield from self._imports(self.tree, False)

    def _imports(self, node: ast.AST, in_function: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and 'TYPE_CHECKING' in ast.unparse(child.test):
                yield from (found for other in child.orelse for found in self._imports(other, in_function))
            elif isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, in_function) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                yield from (Import(target, child.lineno, in_function) for target in self._targets(child))
            else:
                yield from self._imports(child, in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))

    def _targets(self, node: ast.ImportFrom) -> set[str]:
        """The modules a ``from`` statement loads: a name may be a module itself."""
        package = self.name if self.path.name == '__init__.py' else self.name.rpartition('.')[0]
        above = package.rsplit('.', node.level - 1)[0] if node.level else ''
        base = '.'.join(filter(None, (above, node.module)))
        found = {f'{base}.{alias.name}' if f'{base}.{alias.name}' in NAMES else base for alias in node.names}
        return found - {package} if node.level and node.module is None else found


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def part_of(name: str) -> str:
    return [*name.split('.'), ''][1]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


FILES = sorted(PACKAGE.rglob('*.py'))
NAMES = {name_of(path) for path in FILES}
MODULES = [Module(path, name_of(path)) for path in FILES]
each_module = pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)


def test_every_module_has_a_layer() -> None:
    known = {*RANKS, 'server'}
    assert {module.name for module in MODULES if module.part not in known} == set()


@each_module
def test_a_module_imports_only_lower_layers_and_its_own(module: Module) -> None:
    if module.part == 'server':
        return
    wrong = []
    for found in module.imports():
        if found.module.split('.')[0] != 'pyxnat':
            continue
        part = part_of(found.module)
        extra = module.part == 'demo' and part == 'server' and found.in_function
        if not extra and (part == 'server' or RANKS[part] > RANKS[module.part]):
            wrong.append(f'{module.path.name}:{found.line} imports {found.module}')
    assert wrong == []


@each_module
def test_the_server_imports_of_the_client_only_facts_and_pure_modules(module: Module) -> None:
    if module.part != 'server':
        return
    ours = [found for found in module.imports() if found.module.split('.')[0] == 'pyxnat']
    assert [
        f'{module.path.name}:{found.line} imports {found.module}' for found in ours if part_of(found.module) not in FOR_THE_SERVER | {'server'}
    ] == []


def test_nothing_imports_itself_in_a_circle() -> None:
    graph = {module.name: {found.module for found in module.imports()} & NAMES - {module.name} for module in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f'a circle of imports: {" -> ".join(error.args[1])}')


@each_module
def test_imports_stand_at_the_top_of_a_module_unless_they_are_an_extra(module: Module) -> None:
    allowed = EXTRAS if module.part in ('demo', 'server') else OPTIONAL.get(module.part, set())
    hidden = [found for found in module.imports() if found.in_function and found.module.split('.')[0] not in allowed]
    if module.part == 'demo':
        hidden = [found for found in hidden if part_of(found.module) != 'server']
    assert [f'{module.path.name}:{found.line} imports {found.module} in a function' for found in hidden] == []


def third_party(modules: list[Module]) -> set[str]:
    tops = {found.module.split('.')[0] for module in modules for found in module.imports()}
    return tops - set(sys.stdlib_module_names) - {'pyxnat'}


def test_the_client_imports_exactly_its_three_libraries() -> None:
    imported = third_party([module for module in MODULES if module.part not in ('server', 'demo')])
    assert imported - set().union(*OPTIONAL.values()) == RUN_TIME


def test_server_and_demo_import_only_their_extras_besides() -> None:
    assert third_party([module for module in MODULES if module.part in ('server', 'demo')]) <= RUN_TIME | EXTRAS


def test_setup_requires_what_the_client_imports() -> None:
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    required = re.search(r'install_requires=(\[[^\]]*\])', text)
    assert required is not None
    assert {re.split(r'[<>=!~ ]', name)[0] for name in ast.literal_eval(required.group(1))} == RUN_TIME


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything, and does not pass it on."""
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return 'Exception' in names or ('BaseException' in names and not passes_on)


@each_module
def test_no_except_catches_everything(module: Module) -> None:
    handlers = [node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler) and broad(node)]
    allowed = 1 if module.name == 'pyxnat.server.app' else 0  # a server's last resort: logged, and answered with 500
    assert [f'{module.path.name}:{handler.lineno}' for handler in handlers][allowed:] == []


@each_module
def test_the_library_does_not_print(module: Module) -> None:
    if module.part == 'demo' or module.name == 'pyxnat.server.__main__':
        return
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    assert [f'{module.path.name}:{call.lineno}' for call in calls if isinstance(call.func, ast.Name) and call.func.id == 'print'] == []


@each_module
def test_functions_and_files_are_short(module: Module) -> None:
    functions = [node for node in ast.walk(module.tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    lengths = {function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION} == {}
    assert len(module.path.read_text(encoding='utf-8').splitlines()) <= MOST_LINES_OF_A_FILE


SAMPLES = {
    'import six\ndef f():\n    import numpy': [('six', False), ('numpy', True)],
    'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .interface import Interface': [('typing', False)],
    'from . import errors, plan': [('pyxnat.errors', False), ('pyxnat.query.plan', False)],
    'from .resources.base import Element': [('pyxnat.resources.base', False)],
    'import os.path as p': [('os.path', False)],
}


@pytest.mark.parametrize('text', SAMPLES)
def test_imports_are_read_as_python_reads_them(text: str, tmp_path: Path) -> None:
    (tmp_path / 'sample.py').write_text(text, encoding='utf-8')
    sample = Module(tmp_path / 'sample.py', 'pyxnat.sample')
    assert sorted((found.module, found.in_function) for found in sample.imports()) == sorted(SAMPLES[text])


@pytest.mark.parametrize(
    ('handler', 'expected'),
    [
        ('except:\n    pass', True),
        ('except Exception:\n    raise', True),
        ('except (ValueError, Exception):\n    pass', True),
        ('except BaseException:\n    pass', True),
        ('except BaseException:\n    close()\n    raise', False),
        ('except ValueError:\n    pass', False),
    ],
)
def test_a_broad_except_is_known(handler: str, expected: bool) -> None:
    tree = ast.parse(f'try:\n    f()\n{handler}')
    assert [broad(node) for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)] == [expected]
