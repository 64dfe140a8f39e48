"""Tests of the table of xnatctl's verbs in ``docs/howto/shell.rst``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from pyxnat.apps.shell.command_line import VERBS, cli

PAGE = Path(__file__).parents[2] / 'docs' / 'howto' / 'shell.rst'
SECTION = PAGE.read_text(encoding='utf-8').partition('\nVerbs of xnatctl\n')[2]
ROWS = dict(re.findall(r'^   ([a-z_ -]+?) \| (.+)$', SECTION, re.MULTILINE))
COMMANDS = sorted(
    {command for text in ROWS.values() for command in re.findall('``(pyxnat .+?)``', text)}
)


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the verbs of a command and of its groups."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield ' '.join(path)


def test_the_table_has_exactly_the_verbs_of_xnatctl() -> None:
    main = pytest.importorskip('xnatctl.cli.main')
    assert sorted(ROWS) == sorted(leaves(main.cli)) and len(ROWS) == 142


def test_each_verb_has_a_command_or_a_reason() -> None:
    for verb, text in ROWS.items():
        assert text.startswith(('``pyxnat ', 'no: ')), verb


@pytest.mark.parametrize('command', COMMANDS)
def test_each_command_of_the_table_exists_with_its_options(command: str) -> None:
    program, verb, *words = command.split()
    assert program == 'pyxnat' and verb in VERBS
    found: Any = cli.get_command(None, verb)  # type: ignore[arg-type]
    if isinstance(found, click.Group):
        found = found.commands[words.pop(0)]
    options = {name for one in (*found.params, *cli.params) for name in one.opts}
    assert {word for word in words if word.startswith('-')} <= options
    found.make_context(verb, words, resilient_parsing=False)
