"""The picture and the tables of layers in the documentation agree with the enforced layers."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.layers import CLIENT, ROOT, SERVER

DESIGN = (ROOT / 'docs' / 'design.rst').read_text(encoding='utf-8')
_LAYERS, _, _REST = DESIGN.partition('Layers of the server\n')
PARTS = [(_LAYERS, part) for layer in CLIENT for part in layer]
PARTS += [(_REST, part) for layer in SERVER for part in layer]


def test_the_picture_of_the_layers_is_up_to_date() -> None:
    command = [sys.executable, 'docs/make_floor_plan.py', '--check']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize(('section', 'part'), PARTS, ids=[part for _, part in PARTS])
def test_every_part_of_a_layer_has_a_sentence_in_the_design(section: str, part: str) -> None:
    assert f'``{part}``' in section


FOLDERS = (ROOT, ROOT / 'pyxnat', ROOT / 'pyxnat' / 'server')
GUIDES = DESIGN + (ROOT / 'CONTRIBUTING.rst').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', sorted(set(re.findall(r'``([\w./]+\.(?:py|rst))``', GUIDES))))
def test_a_file_that_the_design_or_contributing_names_exists(name: str) -> None:
    at = [folder / name for folder in FOLDERS] + [*ROOT.glob(f'pyxnat/**/{name}')]
    assert any(path.exists() for path in at)


RECIPES = (ROOT / 'CONTRIBUTING.rst').read_text(encoding='utf-8')


def shown() -> list[tuple[str, str]]:
    """Return file and text of each piece of code that a recipe shows as if it were new.

    Pieces are separated by empty lines; empty lines within the file are not compared.
    """
    found = []
    path = ''
    for line in RECIPES.splitlines():
        if match := re.fullmatch(r' {4}# (\w[\w/.]+\.py)', line):
            path = match[1]
            found.append((path, ''))
        elif path and line.startswith('   +'):
            found[-1] = (path, f'{found[-1][1]}{line[4:].rstrip()}\n'.replace('\n\n', '\n'))
        elif found and found[-1][1]:
            found.append((path, ''))
        if line and not line.startswith(' '):
            path = ''
    return [(path, text) for path, text in found if text]


@pytest.mark.parametrize(('path', 'text'), shown())
def test_code_that_a_recipe_shows_as_existing_is_there(path: str, text: str) -> None:
    source = re.sub(r'\n\n+', '\n', (ROOT / path).read_text(encoding='utf-8'))
    assert text in source


def test_recipes_with_existing_code_are_found() -> None:
    assert len({path for path, _ in shown()}) >= 5
