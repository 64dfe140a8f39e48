"""Tests of docs/server.rst: all options, settings and folders, and no existing request called
missing."""

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
LEFT_OUT = re.findall(r'``(GET|POST|PUT|DELETE) (/\S+)``', SECTIONS['Missing requests'])


def test_every_option_is_documented() -> None:
    options = {
        name
        for action in _parser()._actions
        for name in action.option_strings
        if name.startswith('--')
    } - {'--help'}
    assert (
        set(re.findall(r'^   \* - ``(--[\w-]+)``', SECTIONS['Starting'], re.MULTILINE)) == options
    )


def test_every_setting_with_an_effect_is_documented() -> None:
    rows = r'^   \* - ``([\w.-]+)``\n     - (.+)$'
    documented = dict(re.findall(rows, SECTIONS['Settings of the site'], re.MULTILINE))
    defaults = {name: str(value) for name, value in DEFAULTS.items()}
    flags = {
        name: str(value).lower() for name, value in DEFAULTS.items() if isinstance(value, bool)
    }
    assert documented == {**defaults, **flags}


def test_every_folder_is_documented(tmp_path: Path) -> None:
    folders = {
        path.name
        for path in vars(FileArea(tmp_path)).values()
        if isinstance(path, Path) and path != tmp_path
    } - {'root'}
    assert {name for name in folders if f'``{name}``' not in SECTIONS['The folder']} == set()


@pytest.mark.parametrize(('verb', 'path'), LEFT_OUT)
def test_a_request_listed_as_missing_is_answered_with_404(
    admin: Client, verb: str, path: str
) -> None:
    assert admin(verb, path).status == 404
