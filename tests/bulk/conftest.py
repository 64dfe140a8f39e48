"""Fixtures of the tests of bulk operations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyxnat
from pyxnat.http import transport
from tests.support.faults import FaultProxy
from tests.support.waiting import GENEROUS_S


@pytest.fixture
def through(
    server: Any, project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, FaultProxy]]:
    """Return a session behind a proxy that damages chosen responses, and the proxy."""
    monkeypatch.setattr(transport, 'BACKOFF_S', 0.005)
    with (
        FaultProxy(server.url) as proxy,
        pyxnat.Interface(
            proxy.url,
            server.user,
            server.password,
            tmp_path / 'other',
            timeout=GENEROUS_S,
            retries=1,
        ) as interface,
    ):
        interface.cache.expiration = 0
        yield interface.select.project(project._urn).subject('S').experiment('E').create(), proxy
        proxy.faults.clear()
