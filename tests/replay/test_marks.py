"""Tests of change marks: each change moves the marks that it moved on the recorded server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from .playing import Outcome, play

FOLDER = Path(os.environ.get('XNAT_REFERENCE', '../shared')) / 'recorded/xnat-1.8.11/capabilities'
RECORDING = FOLDER / 'A2-marks-of-types.jsonl'
MARK = 'last_modified'
REFUSED_THERE = ('CHANGE-label-of-subject-back',)
"""Changes that the recorded build made and answered with 500, by a defect of its older classes."""


def rows(body: bytes | None) -> list[Mapping[str, str]]:
    try:
        found: list[Mapping[str, str]] = json.loads(body or b'')['ResultSet']['Result']
    except (ValueError, KeyError):
        return []
    return found


def marks(place: str, body: bytes | None) -> dict[tuple[str, str, str], str]:
    """Return the marks of a listing: kind, item and column -> mark."""
    kind = place.rpartition('-')[2]
    return {
        (kind, row.get('label') or row.get('ID', ''), key): row[key]
        for row in rows(body)
        for key in row
        if MARK in key
    }


def moved(
    outcomes: list[Outcome],
) -> Iterator[tuple[str, set[tuple[str, str, str]], set[tuple[str, str, str]]]]:
    """Yield each change with the marks that changed: recorded, here."""
    change = 'setup'
    known: tuple[dict[tuple[str, str, str], str], dict[tuple[str, str, str], str]] = ({}, {})
    seen: tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]] = (set(), set())
    for outcome in outcomes:
        if 'CHANGE' in outcome.exchange.place:
            yield change, *seen
            change, seen = outcome.exchange.place, (set(), set())
        elif 'marks-after' in outcome.exchange.place and outcome.answer is not None:
            for side, body in enumerate((outcome.exchange.body, outcome.answer.body)):
                for key, mark in marks(outcome.exchange.place, body).items():
                    if known[side].get(key) != mark:
                        known[side][key] = mark
                        seen[side].add(key)
    yield change, *seen


@pytest.fixture(scope='module')
def outcomes() -> list[Outcome]:
    if not RECORDING.is_file():
        pytest.skip('the recorded answers are not here')
    return play(RECORDING)


def test_a_change_moves_the_same_marks_as_on_the_recorded_server(
    outcomes: list[Outcome],
) -> None:
    found = list(moved(outcomes))
    assert len(found) > 60
    differing = [
        (change, sorted(there - here), sorted(here - there))
        for change, there, here in found
        if there != here
    ]
    assert [one for one in differing if not one[0].endswith(REFUSED_THERE)] == []


def test_marks_are_exact_to_the_microsecond(outcomes: list[Outcome]) -> None:
    bodies = [
        (outcome.exchange.place, outcome.answer.body)
        for outcome in outcomes
        if outcome.answer is not None
    ]
    texts = [mark for place, body in bodies for mark in marks(place, body).values()]
    assert any(len(text.rpartition('.')[2]) > 3 for text in texts)
