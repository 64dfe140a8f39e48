"""Measure the shape of the code: folders, imports, privacy, words, lengths, calls.

``python -m tests.support.measure_code [ROOT]`` prints a table for the checkout in ROOT
(default: this one). With ``--walks`` it also traces the ten everyday calls of
:mod:`tests.support.trace_calls`.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
WIDEST = 100
"""Columns of the longest line allowed."""
SHORT = 3
"""Lines of a body that a helper used once should have more of."""
_WHAT = re.compile(r'\bwhat\b', re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
_PUBLIC = frozenset({'_asdict', '_fields', '_mapping', '_replace'})
"""Documented attributes of named tuples and of SQLAlchemy's rows."""
_QUESTION = re.compile(r'[^.?!]*\?')


class Source(NamedTuple):
    """One parsed module."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        """Lines of the text, without their ends."""
        return self.text.splitlines()

    def functions(self) -> Iterator[Function]:
        """Yield all functions and methods, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def prose(self) -> str:
        """Return docstrings and comments, joined."""
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, documented))
        texts = [ast.get_docstring(node) or '' for node in nodes]
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
        return '\n'.join(texts + comments)


def read(folder: Path) -> list[Source]:
    """Parse all modules below a folder."""
    found = []
    for path in sorted(folder.rglob('*.py')):
        text = path.read_text(encoding='utf-8')
        found.append(Source(path, text, ast.parse(text)))
    return found


def foreign_privates(tree: ast.Module) -> list[ast.Attribute]:
    """List uses of underscore attributes of anything but ``self``, ``cls`` and ``super()``."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    private = (
        node for node in nodes if re.match(r'_(?!_)', node.attr) and node.attr not in _PUBLIC
    )
    return [node for node in private if ast.unparse(node.value) not in ('self', 'cls', 'super()')]


def own_names(tree: ast.Module) -> set[str]:
    """Return the names of functions, methods and attributes that a module defines."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, Function):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def arguments(function: Function) -> list[str]:
    """Names of the arguments, without ``self`` and ``cls``."""
    spec = function.args
    given = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return [argument.arg for argument in given if argument.arg not in ('self', 'cls')]


def wants_parameters(function: Function) -> bool:
    """Whether a public function takes two arguments or more and has a docstring of its own.

    Methods that override another one, and those of protocols, have none. The docstring of a
    command is its help.
    """
    is_public = not function.name.startswith('_') and ast.get_docstring(function) is not None
    return is_public and not is_command(function) and len(arguments(function)) > 1


def is_command(function: Function) -> bool:
    """Whether click makes a command of a function: a decorator calls ``command`` or ``group``."""
    return any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in ('command', 'group')
        for decorator in function.decorator_list
    )


def has_parameters(function: Function) -> bool:
    """Whether the docstring has a NumPy section for the arguments."""
    return bool(re.search(r'^Parameters\n-{10}$', ast.get_docstring(function) or '', re.MULTILINE))


def body_lines(function: Function) -> int:
    """Lines of a function without signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def code_lines(text: str) -> int:
    """Count the lines of a module that hold code: no docstring, comment or blank line."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    found: set[int] = set()
    begins = True
    for token in tokens:
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            begins = True
        elif token.type not in skipped and token.type != tokenize.ENDMARKER:
            is_docstring = begins and token.type == tokenize.STRING
            if not is_docstring:
                found.update(range(token.start[0], token.end[0] + 1))
            begins = False
    return len(found)


def length(function: Function) -> int:
    """Lines of a function with its signature."""
    return (function.end_lineno or 0) - function.lineno + 1


def used_once(sources: list[Source]) -> list[str]:
    """Name private functions of a few lines that one place alone uses."""
    uses: Counter[str] = Counter()
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name):
                uses[node.id] += 1
            elif isinstance(node, ast.Attribute):
                uses[node.attr] += 1
    return [
        f'{source.path.name}:{function.name}'
        for source in sources
        for function in source.functions()
        if re.match(r'_(?!_)', function.name)
        and not function.decorator_list
        and uses[function.name] == 1
        and body_lines(function) <= SHORT
    ]


def whats_per_thousand(text: str) -> float:
    """Count "what" outside questions per 1,000 words."""
    plain = _QUESTION.sub(' ', text)
    return 1000 * len(_WHAT.findall(plain)) / max(1, len(_WORD.findall(text)))


def per_folder(sources: list[Source], top: Path) -> dict[str, int]:
    """Count the modules of each folder."""
    return dict(Counter(str(source.path.parent.relative_to(top)) for source in sources))


def report(top: Path, prose: str = '') -> dict[str, object]:
    """Measure the modules below a folder.

    Parameters
    ----------
    top : Path
        The folder of the package.
    prose : str
        More text whose words are counted: pages of the documentation.
    """
    sources = read(top)
    functions = [(source, function) for source in sources for function in source.functions()]
    lines = [line for source in sources for line in source.lines]
    wanting = [function for _, function in functions if wants_parameters(function)]
    longest = max(functions, key=lambda pair: length(pair[1]))
    once = used_once(sources)
    words = '\n'.join([prose, *(source.prose() for source in sources)])
    privates = sum(len(foreign_privates(source.tree)) for source in sources)
    return {
        'modules': len(sources),
        'lines': len(lines),
        'modules per folder': per_folder(sources, top),
        'private attributes of others': privates,
        'private attributes of others per 1,000 lines': round(1000 * privates / len(lines), 1),
        '"what" per 1,000 words': round(whats_per_thousand(words), 2),
        'public functions of two or more arguments': len(wanting),
        'of these without Parameters': sum(not has_parameters(function) for function in wanting),
        'lines over 100 columns, %': round(
            100 * sum(len(line) > WIDEST for line in lines) / len(lines), 1
        ),
        'functions': len(functions),
        'longest function': f'{longest[0].path.name}:{longest[1].name} {length(longest[1])} lines',
        'helpers of three lines used once, %': round(100 * len(once) / len(functions), 1),
    }


def pages(root: Path) -> str:
    """Return the text of README and documentation."""
    found = [
        root / 'README.rst',
        root / 'CONTRIBUTING.rst',
        *sorted((root / 'docs').rglob('*.rst')),
    ]
    return '\n'.join(path.read_text(encoding='utf-8') for path in found)


def find_missing(folder: Path) -> Iterator[str]:
    """Yield the places that break the rules for words, for one folder or file.

    Public functions of two or more arguments without Parameters; docstrings and comments
    with "what" outside a question; helpers of three lines that are used once.
    """
    sources = read(folder) if folder.is_dir() else read(folder.parent)
    sources = [source for source in sources if folder.is_dir() or source.path == folder]
    for source in sources:
        for function in source.functions():
            if wants_parameters(function) and not has_parameters(function):
                yield f'{source.path}:{function.lineno} {function.name} has no Parameters'
        for number, line in enumerate(source.lines, 1):
            if _WHAT.search(line) and '?' not in line:
                yield f'{source.path}:{number} {line.strip()}'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description='Measure the shape of the code.')
    here = Path(__file__).parents[2]
    parser.add_argument('root', nargs='?', type=Path, default=here)
    parser.add_argument('--walks', action='store_true', help='trace the ten everyday calls, too')
    parser.add_argument('--missing', type=Path, metavar='PATH', help='list places to mend there')
    options = parser.parse_args()
    if options.missing is not None:
        print(*find_missing(options.missing), sep='\n')
        return
    for name, value in report(options.root / 'pyxnat', pages(options.root)).items():
        print(f'{name:48}{value}')
    if options.walks:
        from tests.support.trace_calls import trace_all

        for walk in trace_all():
            print(
                f'{walk.name:20}{walk.calls:6} calls {walk.modules:4} modules {walk.requests:3} '
                'requests'
            )


if __name__ == '__main__':
    main()
