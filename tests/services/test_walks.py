"""Tests of the number of client functions that an everyday call passes through."""

from __future__ import annotations

import pytest

from tests.support.trace_calls import WALKS, Walk, trace_all

MOST: dict[str, tuple[int, int]] = {
    'select(path).get()': (276, 1),
    'where': (431, 2),
    'attrs.get': (186, 1),
    'attrs.set': (303, 2),
    'file.get': (291, 2),
    'file.get again': (144, 1),
    'file.put': (396, 3),
    'create': (289, 2),
    'download': (2180, 5),
    'search': (190, 1),
    'table': (296, 1),
}
"""Call -> highest number of function calls, and number of requests."""


@pytest.fixture(scope='module')
def walks() -> dict[str, Walk]:
    return {walk.name: walk for walk in trace_all()}


@pytest.mark.parametrize('name', WALKS)
def test_an_everyday_call_passes_through_few_functions(walks: dict[str, Walk], name: str) -> None:
    most, requests = MOST[name]
    assert walks[name].calls <= most
    assert walks[name].requests == requests
