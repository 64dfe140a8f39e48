"""Collect examples with ``>>>`` from the modules that have any.

pytest would import all modules, in each process of tests, to look for them.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path,
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Leave out the examples of a file without any; its tests stay."""
    found = yield
    if found and '>>> ' not in file_path.read_text(encoding='utf-8'):
        return [one for one in found if type(one) is pytest.Module]
    return found
