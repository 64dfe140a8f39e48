"""Fixtures of files whose tests change what others would see: an archive for each test.

A file imports ``server``, ``client_of`` and ``admin`` from here; they replace those of the folder,
which serve one archive to all tests of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pyxnat.server import Server, serve
from tests.server.conftest import PASSWORDS, clients
from tests.support.plain import Client

__all__ = ['admin', 'client_of', 'server']


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp('archive'), password='secret', users=PASSWORDS) as running:
        yield running


@pytest.fixture
def client_of(server: Server) -> Iterator[Callable[[str | None], Client]]:
    yield from clients(server)


@pytest.fixture
def admin(client_of: Callable[[str | None], Client], server: Server) -> Client:
    return client_of(server.user)
