"""Writes ``pyxnat/resources/__init__.pyi``: what type checkers and editors see of the classes that are made when pyxnat is imported.

::

    python docs/make_stubs.py            # write it
    python docs/make_stubs.py --check    # say whether it is as it would be written; nothing is written

What the table of levels adds is written out: accessors, the elements that a collection gives, the parents. The rest is inherited from the
hand-written classes, whose own annotations a checker reads; only methods of theirs that return the element itself are repeated, with its class.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pyxnat import resources
from pyxnat.model.levels import LEVELS, SERVER, Level, children, level
from pyxnat.resources.base import Element
from pyxnat.resources.collection import Collection
from pyxnat.resources.sharing import SharedElement

STUB = Path(__file__).parents[1] / 'pyxnat' / 'resources' / '__init__.pyi'

_WIDTH = 146
"""Longest line of a class's body, in characters: the 150 of the project without the indent."""

HEADER = '''\
# Written by docs/make_stubs.py from the table of levels; not to be edited. tests/test_stubs.py keeps it in step.
# ruff: noqa: A002, N801, N803 - XNAT's words
"""{doc}"""

'''

_KNOWN = {
    'Any': 'typing',
    'Body': '..payload',
    'Iterable': 'collections.abc',
    'Iterator': 'collections.abc',
    'Literal': 'typing',
    'Mapping': 'collections.abc',
    'Self': 'typing_extensions',
    'overload': 'typing',
}
"""Where the names that annotations use come from."""

_COLLECTION = """\
def __iter__(self) -> Iterator[{element}]: ...
@overload
def __getitem__(self, index: slice) -> list[{element}]: ...
@overload
def __getitem__(self, index: int | str) -> {element}: ...
def first(self) -> {element} | None: ...
def fetchone(self) -> {element} | None: ...
def fetchmany(self, size: int = 1) -> list[{element}]: ...
@overload
def get(self) -> list[str]: ...
@overload
def get(self, what: Literal['id', 'label'], /) -> list[str]: ...
@overload
def get(self, what: Literal['obj', ''], /) -> list[{element}]: ...
@overload
def get(self, *what: str) -> list[Any]: ...
@overload
def fetchall(self) -> list[str]: ...
@overload
def fetchall(self, what: Literal['id', 'label'], /) -> list[str]: ...
@overload
def fetchall(self, what: Literal['obj', ''], /) -> list[{element}]: ...
@overload
def fetchall(self, *what: str) -> list[Any]: ...
def where(
    self,
    constraints: Any = None,
    template: Any = None,
    query: str | None = None,
    *,
    level: Literal['subject', 'experiment', 'assessor'] = 'subject',
) -> Self: ..."""
"""What a collection gives, as `Collection` has it."""


def stub() -> str:
    """The text of the stub."""
    made = [*(_element(row) for row in LEVELS), *(_collection(row) for row in LEVELS)]
    classes = '\n\n'.join(made)
    listed = ',\n'.join(f'    {name!r}' for name in resources.__all__)
    return f'{HEADER.format(doc=resources.__doc__)}{_imports(classes)}\n\n__all__ = [\n{listed},\n]\n\n{classes}\n'


def _imports(classes: str) -> str:
    """The import statements that the classes need, as ruff sorts them."""
    used = {node.id for node in ast.walk(ast.parse(classes)) if isinstance(node, ast.Name)}
    used |= {part.id for node in ast.walk(ast.parse(classes)) if isinstance(node, ast.Attribute) and isinstance(part := node.value, ast.Name)}
    found: dict[str, set[str]] = {}
    for name in used & set(_KNOWN):
        found.setdefault(_KNOWN[name], set()).add(name)
    for cls in _handwritten():
        if cls.__name__ in used and cls not in (Element, Collection):
            found.setdefault(f'.{cls.__module__.rpartition(".")[2]}', set()).add(cls.__name__)
    found['.base'] = {'Element as Element'}
    found['.collection'] = {'Collection as Collection'}
    groups = [
        [*(['import os'] if 'os' in used else []), *_from(found, lambda module: not module.startswith('.') and module != 'typing_extensions')],
        _from(found, lambda module: module == 'typing_extensions'),
        _from(found, lambda module: module.startswith('.')),
    ]
    return '\n\n'.join('\n'.join(group) for group in groups if group)


def _from(found: dict[str, set[str]], belongs: Any) -> list[str]:
    names = sorted(filter(belongs, found), key=lambda module: (not module.startswith('..'), module))
    return [f'from {module} import {", ".join(sorted(found[module]))}' for module in names]


def _handwritten() -> set[type[Any]]:
    """The classes that generated ones derive from."""
    made = [getattr(resources, name) for row in LEVELS for name in (row.element_class, row.collection_class)]
    return {base for cls in made for base in cls.__mro__[1:] if base.__module__.startswith('pyxnat.')}


def _class(row: Level, name: str, body: Iterable[str]) -> str:
    cls: type[Any] = getattr(resources, name)
    base = cls.__bases__[0]
    parent = f'Collection[{row.element_class}]' if base is Collection else base.__name__
    return f'class {name}({parent}):\n    """{cls.__doc__}"""\n\n' + textwrap.indent('\n'.join(body).rstrip(), '    ')


def _element(row: Level) -> str:
    cls: type[Any] = getattr(resources, row.element_class)
    shares = ["def shares(self, id_filter: str = '*') -> Projects: ..."] if issubclass(cls, SharedElement) else []
    body = [*_returning_itself(cls), _parent(row), *shares]
    for below in children(row.plural):
        body.append(_accessor(cls, below.singular, 'ID: str', below.element_class))
        body.append(_accessor(cls, below.plural, "id_filter: str = '*'", below.collection_class))
    return _class(row, row.element_class, body)


def _collection(row: Level) -> str:
    cls: type[Any] = getattr(resources, row.collection_class)
    accessors = (_accessor(cls, below.plural, "id_filter: str = '*'", below.collection_class) for below in children(row.plural))
    return _class(row, row.collection_class, [_COLLECTION.format(element=row.element_class), *accessors])


def _accessor(cls: type[Any], name: str, argument: str, returns: str) -> str:
    sentence = (inspect.getdoc(getattr(cls, name)) or '').partition('. ')[0]
    return f'def {name}(self, {argument}) -> {returns}:\n    """{sentence}."""\n'


def _parent(row: Level) -> str:
    """What stands above: nothing above a project, nothing either above what can be selected from the server itself."""
    if row.plural == 'experiments':  # its subject, whatever it was selected by
        return 'def parent(self) -> Subject: ...'
    above = [level(plural).element_class for plural in row.parents if plural != SERVER]
    return f'def parent(self) -> {" | ".join([*above, *(["None"] if SERVER in row.parents else [])])}: ...'


def _returning_itself(cls: type[Any]) -> Iterator[str]:
    """Methods of the hand-written classes whose result is the element itself, and their other names."""
    names = {'create': 'create', 'insert': 'create'}
    for base in reversed(cls.__mro__[1:-1]):
        for name, member in vars(base).items():
            if inspect.isfunction(member) and name[:1] != '_' and member.__annotations__.get('return') == base.__name__:
                names[name] = member.__name__
    for name in sorted(names, key=lambda name: (names[name], name != names[name])):
        yield _redeclared(getattr(cls, name)) if name == names[name] else f'{name} = {names[name]}'


def _redeclared(function: Any) -> str:
    """The signature of a method, as its source has it, returning its own class."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    arguments = ast.unparse(definition.args).replace('=', ' = ')
    line = f'def {definition.name}({arguments}) -> Self: ...'
    return line if len(line) <= _WIDTH else f'def {definition.name}(\n    {arguments}\n) -> Self: ...'


def main() -> int:
    """Write the stub, or compare it."""
    if '--check' in sys.argv[1:]:
        return int(not STUB.exists() or STUB.read_text(encoding='utf-8') != stub())
    STUB.write_text(stub(), encoding='utf-8')
    return 0


if __name__ == '__main__':
    sys.exit(main())
