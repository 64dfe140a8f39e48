"""Regular expressions that are compiled on first use."""

from __future__ import annotations

import copy
import re
from importlib import import_module
from pathlib import Path

import pytest

import pyxnat
from pyxnat.patterns import pattern

PACKAGE = Path(pyxnat.__file__).parent
MODULES = [
    '.'.join(path.relative_to(PACKAGE.parent).with_suffix('').parts)
    for path in sorted(PACKAGE.rglob('*.py'))
    if 'patterns import pattern' in path.read_text(encoding='utf-8')
]
PATTERN: type = type(pattern(''))


def test_an_expression_is_compiled_when_it_is_used() -> None:
    wrong = pattern('(')
    with pytest.raises(re.error):
        wrong.match('')


@pytest.mark.parametrize('text', ['a+', b'a+'])
def test_it_has_the_methods_of_a_compiled_expression(text: str | bytes) -> None:
    ours, theirs = pattern(text, re.IGNORECASE), re.compile(text, re.IGNORECASE)
    subject = text[:1] * 2
    for _ in range(2):
        found = ours.fullmatch(subject)
        assert found is not None and found.span() == (0, 2)
        assert ours.sub(text[:0], subject) == text[:0]
    assert (ours.pattern, ours.flags) == (theirs.pattern, theirs.flags)


def test_it_can_be_copied() -> None:
    assert copy.deepcopy(pattern('a')).match('a') is not None


@pytest.mark.parametrize('name', MODULES)
def test_the_expressions_of_each_module_are_right(name: str) -> None:
    found = [value for value in vars(import_module(name)).values() if isinstance(value, PATTERN)]
    assert all(isinstance(value.pattern, (str, bytes)) for value in found)
