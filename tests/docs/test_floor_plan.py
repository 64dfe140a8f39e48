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
