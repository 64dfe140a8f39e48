"""Tests of the number of client functions that an everyday call passes through."""

from __future__ import annotations

import pytest

from tests.support.trace_calls import WALKS, Walk, trace_all

MOST: dict[str, tuple[int, int]] = {
    'select(path).get()': (286, 1),
    'where': (465, 2),
    'attrs.get': (210, 1),
    'attrs.set': (318, 2),
    'file.get': (291, 2),
    'file.get again': (143, 1),
    'file.put': (421, 3),
    'create': (320, 2),
    'download': (2880, 6),
    'search': (205, 1),
    'table': (315, 1),
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
