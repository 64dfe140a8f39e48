"""Tests that every recorded file is answered as it was recorded, except for intended
differences."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .playing import play

FOLDER = Path(os.environ.get('XNAT_REFERENCE', ROOT.parent / 'shared')) / 'recorded'
FILES = sorted(FOLDER.rglob('*.jsonl'))
EXPECTED_OPEN: frozenset[str] = frozenset()
"""Files with differences that are not mended yet."""


def each() -> list[object]:
    """Return a parameter for each file."""
    return [
        pytest.param(path, id=f'{path.parent.name}-{path.stem}', marks=marks_of(path.stem))
        for path in FILES
    ]


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """Return the known facts about a file before it is played."""
    return (
        [pytest.mark.xfail(raises=AssertionError, strict=True, reason='still to be mended')]
        if name in EXPECTED_OPEN
        else []
    )


@pytest.mark.parametrize('path', each())
def test_every_difference_is_intended(path: Path) -> None:
    outcomes = play(path)
    different = [
        f'{outcome.exchange.place} {outcome.exchange.method} {outcome.exchange.path}: '
        f'{"; ".join(map(str, outcome.differences))}'
        for outcome in outcomes
        if not outcome.alike and not outcome.reason
    ]
    assert different == []
    assert outcomes, 'a file without a single exchange'
