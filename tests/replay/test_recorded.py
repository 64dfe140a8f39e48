"""Every recorded file is answered here as it was there, but for what is different on purpose."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .playing import play

FOLDER = Path(os.environ.get('XNAT_REFERENCE', ROOT.parent / 'shared')) / 'recorded'
FILES = sorted(FOLDER.rglob('*.jsonl'))
EXPECTED_OPEN: frozenset[str] = frozenset()
"""Files with differences that are still to be mended."""


def each() -> list[object]:
    """A parameter a file."""
    return [
        pytest.param(path, id=f'{path.parent.name}-{path.stem}', marks=marks_of(path.stem))
        for path in FILES
    ]


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """What is known of a file before it is played."""
    return (
        [pytest.mark.xfail(raises=AssertionError, strict=True, reason='still to be mended')]
        if name in EXPECTED_OPEN
        else []
    )


@pytest.mark.parametrize('path', each())
def test_nothing_is_different_that_is_not_meant_to_be(path: Path) -> None:
    outcomes = play(path)
    different = [
        f'{outcome.exchange.place} {outcome.exchange.method} {outcome.exchange.path}: '
        f'{"; ".join(map(str, outcome.differences))}'
        for outcome in outcomes
        if not outcome.alike and not outcome.reason
    ]
    assert different == []
    assert outcomes, 'a file without a single exchange'
