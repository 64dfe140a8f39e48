"""The examples of the README work."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pyxnat.apps.shell import main
from pyxnat.server import serve

README = Path(__file__).parents[2] / 'README.rst'
TEXT = README.read_text(encoding='utf-8')


def test_the_ten_lines_print_what_the_readme_says_also_a_second_time(tmp_path: Path) -> None:
    code = re.search(
        r'\.\. code-block:: python\n\n(.*?)\n\nIt prints::\n\n    (.*?)\n', TEXT, re.DOTALL
    )
    assert code, 'the README has no example'
    program = re.sub(r'^    ', '', code.group(1), flags=re.MULTILINE)
    env = {'PYTHONPATH': str(README.parent), 'PYXNAT_CACHEDIR': str(tmp_path / 'cache'), 'PATH': ''}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, '-c', program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            env=env,
            check=False,
        )
        assert done.stdout.strip() == code.group(2).strip(), done.stderr


def test_the_commands_of_the_readme_work_on_the_archive_of_its_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = re.search(r'code-block:: python\n\n(.*?)\n\nIt prints', TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('PYXNAT_CACHEDIR', str(tmp_path / 'cache'))
    exec(textwrap.dedent(code[1]), {})
    (tmp_path / 'ids.csv').write_text('label\nS01_MR\n', encoding='ascii')
    commands = re.findall(r'^    pyxnat (.*?)(?:  +#.*)?$', TEXT, re.MULTILINE)
    assert len(commands) == 5
    with serve('archive', durable=False) as server:
        login = {'HOST': server.url, 'USER': server.user, 'PASS': server.password}
        for name, value in login.items():
            monkeypatch.setenv(f'XNAT_{name}', value)
        for command in commands:
            if not command.startswith('login'):
                assert main(shlex.split(command)) == 0
    assert sorted(path.name for path in (tmp_path / 'images').rglob('head*')) == ['head.txt']
