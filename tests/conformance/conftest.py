"""The served archive and the plain HTTP client of the server's tests; each test here is named by the fact that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.conftest import Answer, Client, admin, client_of, filled, folder, server

__all__ = ['Answer', 'Client', 'admin', 'client_of', 'filled', 'folder', 'item_of', 'server']


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
    found: dict[str, Any] = json.loads(client.get(f'{path}?format=json').body)['items'][0]
    return found
