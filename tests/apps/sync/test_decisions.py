"""Tests of the three-way comparison, on random versions."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from pyxnat.apps.sync.decisions import decide, merged

FIELDS = st.dictionaries(st.sampled_from('ab'), st.sampled_from('12'), max_size=2)
THINGS = st.dictionaries(st.sampled_from(['p', 'p/x', 'p/y', 'q']), FIELDS, max_size=4)
ABOVE = {'p/x': 'p', 'p/y': 'p'}


def closed(things: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return the things whose parent is among them."""
    return {key: one for key, one in things.items() if key not in ABOVE or ABOVE[key] in things}


def applied(
    base: dict[str, dict[str, str]],
    ours: dict[str, dict[str, str]],
    theirs: dict[str, dict[str, str]],
) -> dict[str, dict[str, str]]:
    """Return our side after a pull."""
    found = dict(ours)
    for one in decide(base, ours, theirs, ABOVE):
        if one.action == 'take':
            found.pop(one.key, None)
            found |= {one.key: theirs[one.key]} if one.key in theirs else {}
        elif one.action == 'merge':
            found[one.key] = merged(base[one.key], ours[one.key], theirs[one.key]) or {}
    return found


@given(THINGS, THINGS, THINGS)
@example({'p': {}, 'p/x': {}}, {'p': {}, 'p/x': {'a': '1'}}, {})
@example({'p': {}}, {}, {'p': {}, 'p/x': {}})
@example({'p': {}, 'p/x': {}}, {'p': {}, 'p/x': {}, 'p/y': {}}, {})
def test_no_change_is_lost_without_a_conflict(
    base: dict[str, dict[str, str]],
    ours: dict[str, dict[str, str]],
    theirs: dict[str, dict[str, str]],
) -> None:
    base, ours, theirs = closed(base), closed(ours), closed(theirs)
    after = applied(base, ours, theirs)
    decisions = decide(base, ours, theirs, ABOVE)
    conflicts = {one.key for one in decisions if one.action in ('conflict', 'hold')}
    for key in {*base, *ours, *theirs} - conflicts:
        before, here, there, now = (one.get(key) for one in (base, ours, theirs, after))
        assert now in (here, there) or (here != before != there), 'made up'
        if here != before and there == before:
            assert now == here, 'a change of ours was lost'
        if there != before and here == before:
            assert now == there, 'a change of theirs was not taken'
        if before is not None and here is not None and there is not None and now is not None:
            for path in {*before, *here, *there}:
                values = {before.get(path), here.get(path), there.get(path)}
                assert len(values) < 3, 'both changed the field, and it is no conflict'
    for key in conflicts:
        assert after.get(key) == ours.get(key), 'a conflict touches nothing'
    for one in decisions:
        assert one.action != 'hold' or ABOVE[one.key] in conflicts, 'held for nothing'
    assert closed(after) == after, 'an item lost its parent'


@given(THINGS, THINGS)
def test_equal_sides_need_nothing_whatever_the_base(
    base: dict[str, dict[str, str]], both: dict[str, dict[str, str]]
) -> None:
    both = closed(both)
    assert {one.action for one in decide(base, both, both, ABOVE)} <= {'same'}


@given(THINGS, THINGS)
def test_without_a_base_nothing_is_overwritten_or_deleted(
    ours: dict[str, dict[str, str]], theirs: dict[str, dict[str, str]]
) -> None:
    ours, theirs = closed(ours), closed(theirs)
    after = applied({}, ours, theirs)
    assert {key: after[key] for key in ours} == ours
    assert {*after} == {*ours, *theirs}
