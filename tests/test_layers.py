"""Tests of the layers, and of rules for all modules. The source is read, nothing is imported."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support import layers
from tests.support.layers import CLIENT, GATES, PACKAGE, ROOT, SERVER, Module, forbidden, read
from tests.support.measure_code import body_lines, code_lines, foreign_privates, own_names

MODULES = read()
KNOWN = frozenset(module.name for module in MODULES)
PARTS = sorted({module.part for module in MODULES})

RUN_TIME = {'httplib2', 'lxml', 'six'}
EXTRAS = {'werkzeug', 'cheroot', 'sqlalchemy', 'pydicom', 'nibabel', 'numpy', 'PIL'}
"""Libraries of the extras ``server`` and ``demo``."""
OPTIONAL = {
    'model': {'difflib'},
    'tables': {'openpyxl', 'pandas', 'pyarrow'},
    'http': {'getpass', 'netrc', 'tqdm', 'urllib'},
    'resources': {'getpass'},
    'services': {'concurrent', 'dask', 'matplotlib', 'networkx', 'pydicom', 'sqlite3'},
    'apps': {'click', 'fsspec', 'keyring', 'rich'},
}
"""Part of the client -> libraries that its functions may import: optional or slow ones."""

PLUGIN = 'pyxnat.apps.pytest_plugin'
"""pytest loads it at every start, so its functions import the rest of the package."""
LATE = ('pyxnat.server', 'pyxnat.interface')
"""Modules that the functions of demo and plugin import: optional or slow ones."""

COMPUTED = {
    'pyxnat': 'its public names, and the modules that 1.x had there',
    'pyxnat.core': 'the modules of 1.x',
    'pyxnat.services.deferred': 'for others, whose calls are read',
    'pyxnat.services.bulk.bids': 'modules of its own folder',
    'pyxnat.apps.shell.command_line': 'modules of its own folder',
    'pyxnat.apps.shell.verbs.local': 'the programs of server and demo',
    'pyxnat.demo.images': 'libraries of the extra ``demo``',
}
"""Modules that import by a name which no test of the source can read -> what they import."""

MOST_LINES_OF_A_FILE = 500
"""Lines of code; docstrings, comments and blank lines are not counted."""
MOST_LINES_OF_A_FUNCTION = 60
LONGEST_SUMMARY = 79
"""Columns of the first line of a docstring, without its indentation."""


def is_of_server(module: Module) -> bool:
    return module.part.startswith('server')


def test_every_module_has_a_layer() -> None:
    parts = {module.part for module in MODULES} - {
        '',
        'server',
        'server.__main__',
        'server.schemas',
    }
    assert {part for part in parts if layers.rank(part) is None} == set()


def test_every_layer_has_a_module() -> None:
    named = {part for layer in CLIENT for part in layer} | {
        f'server.{part}' for layer in SERVER for part in layer
    }
    assert named - {module.part for module in MODULES} == set()


def test_a_module_imports_only_lower_layers_and_its_own() -> None:
    assert forbidden(MODULES, KNOWN) == []


def tables() -> set[str]:
    """Return the names of the tables of the database."""
    schema = next(module for module in MODULES if module.name == 'pyxnat.server.db.schema')
    return {
        target.id
        for node in schema.tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@pytest.mark.parametrize('part', ['server.http', 'server.routes', 'server.xapi', 'server.app'])
def test_handlers_import_no_table_of_the_database(part: str) -> None:
    names, wrong = tables(), []
    for module in (module for module in MODULES if module.part == part):
        froms = [
            node
            for node in module.nodes
            if isinstance(node, ast.ImportFrom) and 'db.s' in (node.module or '')
        ]
        wrong += [
            f'{module.name} imports {alias.name}'
            for node in froms
            for alias in node.names
            if alias.name in names
        ]
    assert 'item' in names and wrong == []


@pytest.mark.parametrize(
    ('path', 'line'),
    [
        ('model/uris.py', 'from ..http import transport'),
        ('query/paths.py', 'import httplib2'),
        ('tables/table.py', 'def f():\n    from ..interface import Interface'),
        (
            'resources/base.py',
            'from typing import TYPE_CHECKING\n'
            'if TYPE_CHECKING:\n    from ..services import walker',
        ),
        ('http/session.py', 'from .. import server'),
        ('http/session.py', 'from ..server import local'),
        ('http/folder.py', 'from ..server import serving'),
        ('server/db/store.py', 'from ..items import locate'),
        ('server/routes/users.py', 'from sqlalchemy import select'),
        ('server/items/edit.py', 'import werkzeug.exceptions'),
        ('server/search/query.py', 'from ...http import transport'),
        ('services/select.py', "hidden = function('apps.session_mirror.main')"),
        ('services/manage/__init__.py', "hidden: object = service('apps.copying.Copy', host='x')"),
        ('model/near.py', "import_module('pyxnat.interface')"),
        ('model/near.py', "def f():\n    importlib.import_module('..http.client', __package__)"),
        ('query/paths.py', "_PLACE = 'pyxnat.services.walker'\nimport_module(_PLACE)"),
        ('tables/table.py', "_PLACE: str = '..http'\n[import_module(_PLACE, __package__)]"),
        ('http/session.py', "__import__('pyxnat.server')"),
        ('query/paths.py', "parse = function('services.walker.Walker')"),
        ('server/items/edit.py', "import_module('werkzeug.exceptions')"),
    ],
)
def test_a_forbidden_import_is_found_in_a_modified_copy(
    tmp_path: Path, path: str, line: str
) -> None:
    original = next(module for module in MODULES if module.path == PACKAGE / path)
    copy = tmp_path / original.path.name
    copy.write_text(f'{original.path.read_text(encoding="utf-8")}\n{line}\n', encoding='utf-8')
    modified = Module(copy, original.name)
    assert forbidden([original], KNOWN) == []
    [found] = forbidden([modified], KNOWN)
    assert found.startswith(f'{original.name}:')


def test_there_are_no_import_cycles() -> None:
    graph = {
        module.name: {found.module for found in module.imports(KNOWN) if not found.by_name}
        & KNOWN - {module.name}
        for module in MODULES
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f'a circle of imports: {" -> ".join(error.args[1])}')


def late_imports(module: Module) -> list[str]:
    """Return imports in functions, but for optional libraries."""
    allowed = (
        EXTRAS
        if is_of_server(module) or module.part == 'demo'
        else OPTIONAL.get(module.part, set())
    )
    hidden = [
        found
        for found in module.imports(KNOWN)
        if found.in_function and not found.by_name and found.module.split('.')[0] not in allowed
    ]
    if module.part == 'demo' or module.name == PLUGIN:
        hidden = [found for found in hidden if not found.module.startswith(LATE)]
    hidden = [found for found in hidden if (module.name, found.module) not in GATES]
    return [f'{found.line} imports {found.module} in a function' for found in hidden]


def computed_imports(module: Module) -> list[str]:
    """Return imports by a name that is not written there, but for those in `COMPUTED`."""
    lines = [] if module.name in COMPUTED else module.computed()
    return [f'{line} imports by a computed name' for line in lines]


def test_each_module_that_may_import_by_a_computed_name_does() -> None:
    assert {module.name for module in MODULES if [*module.computed()]} == set(COMPUTED)


def third_party(modules: list[Module]) -> set[str]:
    tops = {found.module.split('.')[0] for module in modules for found in module.imports(KNOWN)}
    return tops - set(sys.stdlib_module_names) - {'pyxnat'}


def test_the_client_imports_exactly_its_three_libraries() -> None:
    imported = third_party(
        [
            module
            for module in MODULES
            if not is_of_server(module) and module.part != 'demo' and module.name != PLUGIN
        ]
    )
    assert imported - set().union(*OPTIONAL.values()) == RUN_TIME


def test_server_and_demo_import_only_their_extras_in_addition() -> None:
    assert (
        third_party([module for module in MODULES if is_of_server(module) or module.part == 'demo'])
        <= RUN_TIME | EXTRAS
    )


def test_setup_requires_what_the_client_imports() -> None:
    text = (ROOT / 'setup.py').read_text(encoding='utf-8')
    required = re.search(r'install_requires=(\[[^\]]*\])', text)
    assert required is not None
    assert {
        re.split(r'[<>=!~ ]', name)[0] for name in ast.literal_eval(required.group(1))
    } == RUN_TIME


def broad(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches everything and does not raise it again."""
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return 'Exception' in names or ('BaseException' in names and not passes_on)


def broad_handlers(module: Module) -> list[str]:
    """Return handlers of any exception.

    Allowed are a server's last resorts, which answer with 500, and a thread or worker that hands
    its exception to the one that asked.
    """
    handlers = [
        node for node in module.nodes if isinstance(node, ast.ExceptHandler) and broad(node)
    ]
    resorts = (
        'pyxnat.server.app',
        'pyxnat.server.web.server',
        'pyxnat.apps.sites.together',
        'pyxnat.services.bulk.engines',
    )
    allowed = 1 if module.name in resorts else 0
    return [f'{handler.lineno} catches everything' for handler in handlers][allowed:]


def prints(module: Module) -> list[str]:
    """Return calls of ``print``, but for programs."""
    if module.part == 'demo' or module.name == 'pyxnat.server.__main__':
        return []
    calls = [node for node in module.nodes if isinstance(node, ast.Call)]
    return [
        f'{call.lineno} prints'
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == 'print'
    ]


def long_parts(module: Module) -> list[str]:
    """Return functions that are too long, and the file if it is."""
    functions = [
        node for node in module.nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = {function.name: body_lines(function) for function in functions}
    found = [
        f'{name} has {length} lines'
        for name, length in lengths.items()
        if length > MOST_LINES_OF_A_FUNCTION
    ]
    lines = code_lines(module.path.read_text(encoding='utf-8'))
    return found + [f'{lines} lines of code'] * (lines > MOST_LINES_OF_A_FILE)


def long_summaries(module: Module) -> list[str]:
    """Return docstrings whose first line is too long."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    summaries = [
        (getattr(node, 'lineno', 1), (ast.get_docstring(node) or '').partition('\n')[0])
        for node in module.nodes
        if isinstance(node, documented)
    ]
    return [
        f'{line} has a first line of {len(summary)} columns: {summary}'
        for line, summary in summaries
        if len(summary) > LONGEST_SUMMARY
    ]


def uses_of_privates(module: Module) -> list[str]:
    """Return uses of underscore attributes outside the module that defines them."""
    own = own_names(module.tree)
    foreign = [
        f'{use.lineno} uses {ast.unparse(use)}'
        for use in foreign_privates(module.tree)
        if use.attr not in own
    ]
    if module.name == 'pyxnat.model.xml':  # lxml's class of elements has no public name
        foreign = [use for use in foreign if not use.endswith(' etree._Element')]
    return foreign


@pytest.mark.parametrize('part', PARTS)
@pytest.mark.parametrize(
    'rule',
    [
        late_imports,
        computed_imports,
        broad_handlers,
        prints,
        long_parts,
        long_summaries,
        uses_of_privates,
    ],
    ids=lambda rule: rule.__name__,
)
def test_each_module_keeps_the_rules(rule: Callable[[Module], list[str]], part: str) -> None:
    modules = [module for module in MODULES if module.part == part]
    assert [f'{module.path}:{fault}' for module in modules for fault in rule(module)] == []


def test_underscore_attributes_of_other_modules_are_found() -> None:
    text = 'def f(other):\n    return other._hidden, self._mine, super()._base, row._asdict()'
    tree = ast.parse(text)
    assert [use.attr for use in foreign_privates(tree)] == ['_hidden']
    assert own_names(
        ast.parse('class A:\n    _b: int\n    def _c(self):\n        self._d = 1')
    ) == {
        '_b',
        '_c',
        '_d',
    }


SAMPLES = {
    'import six\ndef f():\n    import numpy': [('six', False), ('numpy', True)],
    'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .interface import Interface': [
        ('pyxnat.interface', False),
        ('typing', False),
    ],
    'from . import errors, query': [('pyxnat.errors', False), ('pyxnat.query', False)],
    'from .resources.base import Element': [('pyxnat.resources.base', False)],
    'import os.path as p': [('os.path', False)],
    "import_module('.query.paths', __package__)": [('pyxnat.query.paths', False)],
    "_P = 'pyxnat.http'\ndef f():\n    importlib.import_module(_P)": [('pyxnat.http', True)],
    "a, b = function('files.disk.save'), function(b)": [('pyxnat.files.disk', False)],
    "def f():\n    service('files.disk.Disk', host='h')": [('pyxnat.files.disk', True)],
}


@pytest.mark.parametrize('text', SAMPLES)
def test_imports_are_resolved_as_in_python(text: str, tmp_path: Path) -> None:
    path = tmp_path / 'sample.py'
    path.write_text(text, encoding='utf-8')
    sample = Module(path, 'pyxnat.sample')
    assert sorted((found.module, found.in_function) for found in sample.imports(KNOWN)) == sorted(
        SAMPLES[text]
    )


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
def test_a_broad_except_is_detected(handler: str, expected: bool) -> None:
    tree = ast.parse(f'try:\n    f()\n{handler}')
    assert [broad(node) for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)] == [
        expected
    ]
