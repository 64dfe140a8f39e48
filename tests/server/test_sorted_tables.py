"""Tests of tables that are sorted by ``sortBy``, in memory or on the disk."""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import pytest

from pyxnat.server.table import RUN, Table

VALUES = (None, '', 'b', 'a', 'ä', '10', '9', 9, 1.5, '-3', True, 'x' * 50)
AS_SORTED = ['', '', '-3', '1', '1.5', '9', '9', '10', 'a', 'b', 'x' * 50, 'ä']
"""The same: empty ones, numbers, texts."""


@pytest.mark.parametrize('descending', [False, True])
@pytest.mark.parametrize('count', [0, 1, 12, RUN - 1, RUN, RUN + 1, 3 * RUN + 7])
def test_rows_are_in_order_whatever_their_number(
    tmp_path: Path, count: int, descending: bool
) -> None:
    chance = random.Random(count)
    rows = [(number, chance.choice(VALUES), chance.randrange(5)) for number in range(count)]
    table = Table(['number', 'Value', 'n'], iter(rows))
    found = list(table.sorted(['value', 'N', 'unknown'], descending, str(tmp_path)).rows)
    texts = ['' if one is None else '1' if one is True else str(one) for _, one, _ in rows]
    order = [(AS_SORTED.index(text), n) for text, (_, _, n) in zip(texts, rows, strict=True)]
    wanted = sorted(range(count), key=lambda number: order[number], reverse=descending)
    assert [row[0] for row in found] == wanted, 'equal rows keep their order'
    assert all(tuple(row) == rows[row[0]] for row in found)
    assert os.listdir(tmp_path) == []


def test_many_rows_take_as_much_memory_as_a_few(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        rows = ((str((number * 7919) % count), 'x' * 100 + str(number)) for number in range(count))
        tracemalloc.start()
        found = sum(1 for _ in Table(['a', 'b'], rows).sorted(['a'], False, str(tmp_path)).rows)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == count
        return most

    assert peak(20 * RUN) < 2 * peak(2 * RUN)
