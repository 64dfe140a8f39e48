"""The examples of the README work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / 'README.rst'


def test_the_ten_lines_print_what_the_readme_says_also_a_second_time(tmp_path):
    text = README.read_text(encoding='utf-8')
    code = re.search(
        r'\.\. code-block:: python\n\n(.*?)\n\nIt prints::\n\n    (.*?)\n', text, re.DOTALL
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
