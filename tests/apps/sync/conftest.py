"""Fixtures: a mirror of project P, and the project on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat


@pytest.fixture
def mirror(tmp_path: Path, xnat: pyxnat.Interface, P: str) -> Iterator[pyxnat.Mirror]:
    """Return a mirror of project P."""
    with pyxnat.Mirror(tmp_path / 'study', remote=xnat) as opened:
        opened.pull(f'/projects/{P}').check()
        yield opened


@pytest.fixture
def there(xnat: pyxnat.Interface, P: str) -> Any:
    """Return the project at the server."""
    return xnat.select.project(P)


@pytest.fixture
def here(mirror: pyxnat.Mirror, P: str) -> Any:
    """Return the project in the folder."""
    return mirror.local.select.project(P)
