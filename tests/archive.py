"""Fixtures: an embedded archive on a real socket, connections to it, and projects of their own for tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

import pyxnat
from pyxnat.server import serve

_numbers = itertools.count(1)


@pytest.fixture(scope='session')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One archive for the whole run. Tests keep to projects of their own."""
    with serve(tmp_path_factory.mktemp('archive')) as running:
        yield running


@pytest.fixture
def xnat(server: Any, tmp_path: Any) -> Iterator[pyxnat.Interface]:
    """The administrator's connection, with a cache of its own."""
    with pyxnat.Interface(server.url, server.user, server.password, tmp_path / 'cache') as interface:
        yield interface


@pytest.fixture
def project(xnat: pyxnat.Interface) -> Any:
    """A new project."""
    return xnat.select.project(f'TEST_{next(_numbers):03}').create()


@pytest.fixture
def scan(project: Any) -> Any:
    """A new MR scan in a new project: subject S1, session S1_MR, scan 1."""
    return project.subject('S1').experiment('S1_MR').scan('1').create(type='T1')
