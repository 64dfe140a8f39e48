"""Fixtures of the conformance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .world import World


@pytest.fixture(scope='session')
def world() -> Iterator[World]:
    with World() as found:
        yield found
