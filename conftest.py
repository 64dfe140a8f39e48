"""Collect examples with ``>>>`` from the modules that have any.

pytest would import all modules, in each process of tests, to look for them.
"""

from __future__ import annotations

from collections.abc import Generator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path,
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Leave out the examples of a file without any; its tests stay."""
    found = yield
    if not found:
        return found
    if '>>> ' not in file_path.read_text(encoding='utf-8'):
        return [one for one in found if type(one) is pytest.Module]
    parts = file_path.relative_to(ROOT).with_suffix('').parts
    if parts[0] == 'pyxnat' and parts[-1] != '__main__':
        # pytest would import a module once more that its package has imported: two of each class
        import_module('.'.join(part for part in parts if part != '__init__'))
    return found
