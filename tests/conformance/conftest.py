"""The archives of the conformance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.server.conftest import Answer, Client, admin, client_of, filled, folder, server

from .world import World

__all__ = ['Answer', 'Client', 'admin', 'client_of', 'filled', 'folder', 'item_of', 'server']


@pytest.fixture(scope='session')
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp('conformance')) as found:
        yield found


@pytest.fixture(scope='module')
def member(client_of: Callable[[str | None], Client]) -> Client:
    return client_of('member')


@pytest.fixture(scope='module')
def collaborator(client_of: Callable[[str | None], Client]) -> Client:
    return client_of('collaborator')


@pytest.fixture(scope='module')
def owner(client_of: Callable[[str | None], Client]) -> Client:
    return client_of('owner')


@pytest.fixture(scope='module')
def outsider(client_of: Callable[[str | None], Client]) -> Client:
    return client_of('outsider')


def item_of(client: Client, path: str) -> dict[str, Any]:
    """The item's JSON."""
    found: dict[str, Any] = client.item(path)
    return found
