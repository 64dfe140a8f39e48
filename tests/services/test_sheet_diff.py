"""Tests of the three-way comparison of spreadsheets. No requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import ProgrammingError
from pyxnat.services.sheets.diff import Checker, compare, edited_columns, looks_rewritten
from pyxnat.tables.sheet import KEY, Sheet, SheetRow

URI = '/data/subjects/X'
VALUES = st.sampled_from(['', '1', '1.0', '2', 'x'])


def _check(text: str) -> str:
    if text == 'x':
        raise ProgrammingError('no number')
    return text


def _normal(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


NUMBER = Checker(_check, _normal, 'float')


def sheet_of(cells: dict[str, str], exported: dict[str, str] | None, uri: str = URI) -> Sheet:
    row = SheetRow('2', {KEY: uri, **cells}, exported and {KEY: uri, **exported})
    return Sheet([KEY, *cells], [row], {})


@given(VALUES, VALUES, VALUES)
def test_a_cell_is_compared_with_the_exported_and_the_present_value(
    exported: str, edited: str, present: str
) -> None:
    (diff,) = compare(
        sheet_of({'a': edited}, {'a': exported}),
        {URI: {'a': present}},
        lambda uri, name: NUMBER,
        ['a'],
    )
    values = [_normal(text) for text in (exported, edited, present)]
    if values[0] == values[1]:
        expected: list[str] = []
    elif values[1] == values[2]:
        expected = ['same']
    elif edited == 'x':
        expected = ['refused']
    else:
        expected = ['change' if values[0] == values[2] else 'conflict']
    assert [cell.status for cell in diff.cells] == expected
    assert [cell.edited for cell in diff.changes] == [edited] * expected.count('change')


@given(VALUES, VALUES)
def test_without_an_exported_value_only_equal_cells_pass(edited: str, present: str) -> None:
    (diff,) = compare(
        sheet_of({'a': edited}, None), {URI: {'a': present}}, lambda uri, name: NUMBER, ['a']
    )
    is_same = _normal(edited) == _normal(present)
    assert [cell.status for cell in diff.cells] == ([] if is_same else ['refused'])


def test_columns_with_edited_cells() -> None:
    rows = [
        SheetRow('2', {KEY: 'u', 'a': '1', 'b': '1', 'new': 'x'}, {KEY: 'u', 'a': '1', 'b': '2'}),
        SheetRow('3', {KEY: 'v', 'a': '1', 'b': '', 'new': ''}, {KEY: 'v', 'a': '1', 'b': ''}),
    ]
    assert edited_columns(Sheet([KEY, 'a', 'b', 'new'], rows, {})) == ['b']


@pytest.mark.parametrize(
    ('exported', 'edited', 'kind', 'is_rewritten'),
    [
        ('007', '7', 'string', True),
        ('1E5', '100000', 'string', True),
        ('1E5', '1.00E+05', 'string', True),
        ('12345678901234', '1.23457E+13', 'string', True),
        ('3.0', '3', 'string', True),
        ('3.5', '3,5', 'float', True),
        ('true', 'TRUE', 'boolean', True),
        ('2020-01-31', '31.01.2020', 'date', True),
        ('2020-01-31', '1/31/20', 'date', True),
        ('2020-01-31 10:20:30.5', '31/01/2020 10:20', 'none', True),
        ('2020-01-31', '1/31/2020 12:00:00 AM', 'date', True),
        ('2020-01-31', 'on 31.01.2020', 'string', False),
        ('2020-01-31', '31.01.2020, late', 'string', False),
        ('1.5', '2', 'string', False),
        ('2.89', '3', 'float', False),
        ('1234', '1200', 'string', False),
        ('2020-01-02', '2020-02-01', 'date', False),
        ('2020-01-31', '30.01.2020', 'date', False),
        ('007', '', 'string', False),
        ('a1', 'a2', 'string', False),
        ('', '7', 'string', False),
    ],
)
def test_cells_that_a_program_rewrote(
    exported: str, edited: str, kind: str, is_rewritten: bool
) -> None:
    assert looks_rewritten(exported, edited, kind) is is_rewritten
