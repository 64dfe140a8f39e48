"""Tests of feeds of changes, on values and on the state of a mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyxnat.apps.sync.feed import Feed
from pyxnat.apps.sync.state import State, Unit

LAST = '2026-10-25 02:30:00.5 XNAT_E00001 Uploaded File'


@pytest.mark.parametrize(
    ('entry', 'is_kept'),
    [
        ('2026-10-25 02:29:59.999 XNAT_E1 Uploaded File', True),
        ('2026-10-25 01:30:00.000 XNAT_E1 Uploaded File', True),  # the hour of the end of summer
        ('2026-10-25 00:30:00 XNAT_E1 Uploaded File', True),
        ('2026-10-25 00:29:59.999 XNAT_E1 Uploaded File', False),
        ('2026-10-24 12:00:00 XNAT_E1 Uploaded File', False),
    ],
)
def test_entries_of_the_last_two_hours_are_read_again(entry: str, is_kept: bool) -> None:
    feed = Feed(entries=frozenset([entry, LAST])).ended()
    assert feed.since == '2026-10-25 00:30:00'
    assert (entry in feed.entries) == is_kept and LAST in feed.entries


def test_a_feed_without_times_is_read_whole() -> None:
    assert Feed(entries=frozenset(['soon XNAT_E1 Uploaded File'])).ended().since == ''
    assert Feed().ended() == Feed()


def test_units_of_a_feed_stay_to_be_pulled(tmp_path: Path) -> None:
    state = State(tmp_path)
    unit = Unit('subjects/S1', 'P', 'S1', 'one', there='mark')
    state.put(unit, {'item': {'subjects/S1': {}, 'experiments/E1': {}, 'assessors/A1': {}}}, [])
    assert state.feed('P') is None
    assert state.units_of(['E1', 'NOPE']) == state.units_of(['A1']) == {'subjects/S1'}
    feed = Feed('2026-01-01 00:00:00', frozenset([LAST]))
    state.put_feed('P', feed, {'subjects/S1'})
    again = State(tmp_path)
    assert again.feed('P') == feed and again.units('P')['subjects/S1'].there == ''
