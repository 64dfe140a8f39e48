"""The layers of the package: which folder may import which.

One table for the client and one for the server, from the lowest layer to the highest. A
module imports only from layers below its own and from its own folder. ``docs/design.rst``
shows both as a picture, ``tests/test_layers.py`` checks them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'pyxnat'

CLIENT: list[dict[str, str]] = [
    {'patterns': 'regular expressions', 'version': 'the version'},
    {'errors': 'the error classes'},
    {'model': 'facts about XNAT: levels, fields, names, URIs, documents'},
    {'tables': 'tables of rows, CSV, JSON', 'files': 'the local disk, zip archives'},
    {'query': 'paths, criteria, search documents, plans', 'cache': 'stored answers and files'},
    {'http': 'connections, sessions, requests, downloads'},
    {'compat': 'what only old scripts need', 'resources': 'elements and collections'},
    {'services': 'select, search, transfer, inspect, manage, bulk'},
    {'interface': 'assembles everything below'},
    {'apps': 'programs on the public methods', 'demo': 'the demo', 'core': 'old module names'},
]
"""Module or folder below ``pyxnat`` -> its task, a dict for each layer, lowest first."""

SERVER: list[dict[str, str]] = [
    {
        'errors': 'refusals, by status',
        'table': 'rows and columns of an answer',
        'disk_names': 'names of folders',
        'private_files': 'files that others cannot read',
    },
    {'db': 'tables, values, types, access rights'},
    {'storage': 'files, DICOM headers'},
    {'archive': 'one archive: its database, files, types'},
    {'context': 'a question: archive, caller, options'},
    {'items': 'find, read and write items'},
    {'search': 'criteria, fields and results as SQL'},
    {'jobs': 'pipelines, their log, the log of changes'},
    {'prearchive': 'sessions not archived yet'},
    {'upkeep': 'check, repair and backup'},
    {'http': 'requests, responses, the router'},
    {'routes': 'handlers below /data'},
    {'xapi': 'handlers below /xapi'},
    {'app': 'the WSGI application'},
    {'startup': 'opens an archive for serving', 'web': 'the HTTP server: heads, bodies, workers'},
    {'presence': 'tells programs of the owner where the server is'},
    {'serving': 'threads and sockets'},
    {'local': 'an archive without a server'},
]
"""The same for ``pyxnat.server``."""

GATES = {
    ('pyxnat.http.folder', 'pyxnat.server.local'),
    ('pyxnat.http.folder', 'pyxnat.apps.sync.lazy'),
}
"""Imports of a higher layer, in functions: the module that imports, and the module imported.

An archive in a folder is opened by the server, and the files of a mirror are fetched by the mirror.
"""

IMPORTERS = {'import_module': '', '__import__': '', 'function': 'pyxnat.', 'service': 'pyxnat.'}
"""Function whose first argument names a module -> where the name begins.

Those of ``services/deferred.py`` get a name in the module, below ``pyxnat``.
"""

SHARED = {'patterns', 'errors', 'version', 'model', 'query'}
"""Parts of the client that the server may import."""

LIBRARIES = {
    'httplib2': {'http', 'compat'},
    'lxml': {
        'model',
        'query',
        'resources',
        'services',
        'apps',
        'server.items',
        'server.search',
        'server.jobs',
    },
    'werkzeug.security': {'server.db', 'server.xapi'},  # hashes of passwords, no HTTP
    'werkzeug': {
        'server.http',
        'server.routes',
        'server.xapi',
        'server.app',
        'server.web',
        'server.serving',
    },
    'cheroot': {'server.web'},
    'fsspec': {'apps'},
    'sqlalchemy': {
        'server.db',
        'server.items',
        'server.search',
        'server.prearchive',
        'server.jobs',
        'server.upkeep',
    },
    'openpyxl': {'tables'},
    'pyarrow': {'tables'},
    'dask': {'services'},
    'pydicom': {'services', 'server.storage', 'server.routes', 'server.xapi', 'demo'},
}
"""Library, or a module of one -> the parts that may import it."""


class Import(NamedTuple):
    """The target of an import statement, or of a call that imports a module by its name."""

    module: str
    line: int
    in_function: bool
    by_name: bool = False


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path
    name: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed source."""
        return ast.parse(self.path.read_text(encoding='utf-8'))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All nodes of the tree."""
        return tuple(ast.walk(self.tree))

    @property
    def part(self) -> str:
        """Its place in the tables: ``query``, ``server.items``."""
        return part_of(self.name)

    def imports(self, known: frozenset[str]) -> Iterator[Import]:
        """Yield its imports, those in functions and for type checking included."""
        yield from self._imports(self.tree, known, False)

    def _imports(self, node: ast.AST, known: frozenset[str], inside: bool) -> Iterator[Import]:
        function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, inside) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                targets = sorted(self._targets(child, known))
                yield from (Import(target, child.lineno, inside) for target in targets)
            else:
                if isinstance(child, ast.Call) and (target := self._named(child)):
                    yield Import(target, child.lineno, inside, by_name=True)
                yield from self._imports(child, known, inside or isinstance(child, function))

    def computed(self) -> Iterator[int]:
        """Yield the lines of imports whose name is neither a text nor a constant of the module."""
        for node in self.nodes:
            if (
                isinstance(node, ast.Call)
                and _called(node) in ('import_module', '__import__')
                and not self._named(node)
            ):
                yield node.lineno

    @cached_property
    def _texts(self) -> dict[str, str]:
        """The constants of the module that are texts."""
        return {
            target.id: node.value.value
            for node in self.tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }

    @property
    def _package(self) -> str:
        return self.name if self.path.name == '__init__.py' else self.name.rpartition('.')[0]

    def _named(self, call: ast.Call) -> str:
        """Return the module that a call imports by its name; empty for any other call."""
        function = _called(call)
        if function not in IMPORTERS or not call.args:
            return ''
        argument = call.args[0]
        if isinstance(argument, ast.Name):
            name = self._texts.get(argument.id, '')
        else:
            name = str(argument.value) if isinstance(argument, ast.Constant) else ''
        if name and IMPORTERS[function]:
            name = IMPORTERS[function] + name.rpartition('.')[0]
        return resolve_name(name, self._package) if name else ''

    def _targets(self, node: ast.ImportFrom, known: frozenset[str]) -> set[str]:
        """Name the modules of a ``from`` statement; an imported name may be a module itself."""
        package = self._package
        above = package.rsplit('.', node.level - 1)[0] if node.level else ''
        base = '.'.join(filter(None, (above, node.module)))
        full = [f'{base}.{alias.name}' for alias in node.names]
        found = {name if name in known else base for name in full}
        return found - {package} if node.level and node.module is None else found


def _called(call: ast.Call) -> str:
    """Return the name of the function that is called, without the object before it."""
    return ast.unparse(call.func).rpartition('.')[2]


def part_of(name: str) -> str:
    """Return the part of the package that a module belongs to; empty for the package itself.

    >>> part_of('pyxnat.query.plan.stages'), part_of('pyxnat.server.db.store'), part_of('pyxnat')
    ('query', 'server.db', '')
    """
    parts = name.split('.')[1:3]
    return '.'.join(parts) if parts[:1] == ['server'] else ''.join(parts[:1])


def read(folder: Path = PACKAGE) -> list[Module]:
    """Return the modules of a package; each is parsed when it is needed."""
    found = []
    for path in sorted(folder.rglob('*.py')):
        parts = path.relative_to(folder.parent).with_suffix('').parts
        name = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
        found.append(Module(path, name))
    return found


def rank(part: str) -> int | None:
    """Return the number of a part's layer in its table, None where it is in none."""
    side, name = (SERVER, part.partition('.')[2]) if part.startswith('server') else (CLIENT, part)
    return next((number for number, layer in enumerate(side) if name in layer), None)


def is_allowed(importer: str, imported: str) -> bool:
    """Whether one part may import another.

    Parameters
    ----------
    importer, imported : str
        Parts, as `part_of` names them.
    """
    if importer == imported:
        return True
    if importer.startswith('server'):
        if not imported.startswith('server'):
            return imported in SHARED
        own = importer in ('server', 'server.__main__')
        return own or _is_below(imported, importer)
    if imported.startswith('server'):
        return importer in ('apps', 'demo')
    return importer == '' or _is_below(imported, importer)


def _is_below(lower: str, higher: str) -> bool:
    below, above = rank(lower), rank(higher)
    return below is not None and above is not None and below < above


def library_of(module: str) -> str:
    """Return the longest name in `LIBRARIES` that a module is or is below; empty for others.

    >>> library_of('werkzeug.security'), library_of('werkzeug.http'), library_of('json')
    ('werkzeug.security', 'werkzeug', '')
    """
    return max(
        (name for name in LIBRARIES if f'{module}.'.startswith(f'{name}.')), key=len, default=''
    )


def forbidden(modules: list[Module], known: frozenset[str]) -> list[str]:
    """List the imports that the tables do not allow, by place.

    Parameters
    ----------
    modules : list of Module
        Modules to check.
    known : frozenset of str
        Names of all modules of the package.
    """
    found = []
    for module in modules:
        for target in module.imports(known):
            place = f'{module.name}:{target.line} imports {target.module}'
            library = library_of(target.module)
            if (
                target.module.split('.')[0] == 'pyxnat'
                and (module.name, target.module) not in GATES
                and not is_allowed(module.part, part_of(target.module))
            ):
                found.append(place)
            if library and module.part not in LIBRARIES[library]:
                found.append(place)
    return found
