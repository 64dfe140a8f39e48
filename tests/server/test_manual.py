"""docs/server.rst is complete, and true of what is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyxnat.server.__main__ import _parser
from pyxnat.server.db.preferences import DEFAULTS
from pyxnat.server.storage.file_area import FileArea

from .conftest import Client

PAGE = (Path(__file__).parents[2] / 'docs' / 'server.rst').read_text(encoding='utf-8')
SECTIONS = dict(re.findall(r'^(\S.*)\n=+\n\n((?:.*\n)*?)(?=^\S.*\n=+\n\n|\Z)', PAGE, re.MULTILINE))
LEFT_OUT = re.findall(r'``(GET|POST|PUT|DELETE) (/\S+)``', SECTIONS['What is left out'])


def test_it_tells_of_every_option() -> None:
    options = {name for action in _parser()._actions for name in action.option_strings if name.startswith('--')} - {'--help'}
    assert set(re.findall(r'^``(--[\w-]+)``', SECTIONS['Starting'], re.MULTILINE)) == options


def test_it_tells_of_every_setting_that_is_heeded() -> None:
    told = re.findall(r'^``([\w.-]+)`` {2,}(\S+(?: \S+)?) {2,}', SECTIONS['Settings of the site'], re.MULTILINE)
    assert dict(told) == {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in DEFAULTS.items()}


def test_it_tells_of_every_folder(tmp_path: Path) -> None:
    folders = {path.name for path in vars(FileArea(tmp_path)).values() if isinstance(path, Path) and path != tmp_path} - {'root'}
    assert {name for name in folders if f'``{name}``' not in SECTIONS['The folder']} == set()


@pytest.mark.parametrize(('verb', 'path'), LEFT_OUT)
def test_what_is_said_to_be_left_out_is(admin: Client, verb: str, path: str) -> None:
    assert admin(verb, path).status == 404
