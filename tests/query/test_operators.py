"""Tests of the table of operators: each row through tuples, text, documents and the archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyxnat.query import operators
from pyxnat.query.criteria import Constraint, parse, spell
from pyxnat.query.criteria_text import parse_text
from pyxnat.query.operators import BY_SPELLING, OPERATORS, Operator, find_operator
from pyxnat.server.search.criteria import _OPERATORS as COMPARISONS

FIELD = 'xnat:mrSessionData/LABEL'
VALUES = {'null': None, 'list': ['a', 'b'], 'range': ['a', 'b']}
each_operator = pytest.mark.parametrize('operator', OPERATORS.values(), ids=list(OPERATORS))


PAGE = Path(__file__).parents[2] / 'docs' / 'searching.rst'
_, _, _SECTION = PAGE.read_text(encoding='utf-8').partition('* - operator\n')
TABLE, _, SPELLINGS = _SECTION.partition('Other spellings: ')
ALIASES = SPELLINGS.partition('\n\n')[0]


@each_operator
def test_the_page_names_every_operator_and_spelling(operator: Operator) -> None:
    cells = [line for line in TABLE.splitlines() if line.startswith('   * - ')]
    assert any(f'``{operator.name}``' in cell for cell in cells)
    assert [alias for alias in operator.aliases if f'``{alias}``' not in ALIASES] == []


def as_text(spelling: str, operator: Operator) -> str:
    value = {'null': '', 'list': "('a', 'b')", 'range': "'a' AND 'b'"}.get(operator.kind, "'a'")
    return f'{FIELD} {spelling} {value}'.strip()


@pytest.mark.parametrize(('spelling', 'operator'), BY_SPELLING.items())
def test_every_spelling_means_its_operator_in_tuples_and_in_text(
    spelling: str, operator: Operator
) -> None:
    value = VALUES.get(operator.kind, 'a')
    expected = parse([(FIELD, operator.name, value)])
    assert find_operator(spelling.lower()) is operator
    assert parse([(FIELD, spelling.lower(), value)]) == expected
    assert parse(parse_text(as_text(spelling, operator))) == expected


@each_operator
def test_an_operator_is_written_back_unchanged(operator: Operator) -> None:
    group = parse([(FIELD, operator.name, VALUES.get(operator.kind, 'a'))])
    assert parse(spell(group)) == group


@each_operator
def test_the_archive_computes_what_the_client_sends(operator: Operator) -> None:
    sent = {
        constraint.operator
        for constraint in parse(
            [(FIELD, operator.name, VALUES.get(operator.kind, 'a'))]
        ).constraints()
    }
    apart = {row.name for row in OPERATORS.values() if row.kind in ('pattern', 'null')}
    assert sent <= set(COMPARISONS) | apart, (
        'add the SQL to _OPERATORS in pyxnat/server/search/criteria.py'
    )


@each_operator
def test_lists_and_ranges_name_operators_for_single_values(operator: Operator) -> None:
    assert bool(operator.each) == bool(operator.method) == (operator.kind in ('list', 'range'))
    assert {OPERATORS[name].kind for name in operator.each} <= {'equal', 'order'}


def test_no_two_operators_are_rewritten_to_the_same_comparisons() -> None:
    rewritten = [(row.each, row.method) for row in OPERATORS.values() if row.each]
    assert len(rewritten) == len(set(rewritten)), 'make it one row with an alias'


def test_a_new_range_is_read_and_written_back(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Operator('NEW RANGE', 'range', each=('>', '<='), method='OR')
    monkeypatch.setitem(operators.BY_SPELLING, row.name, row)
    monkeypatch.setitem(operators.OPERATORS, row.name, row)
    monkeypatch.setattr(
        'pyxnat.query.criteria_text.LONG_OPERATORS', operators.LONG_OPERATORS | {row.name}
    )
    group = parse(parse_text('xnat:mrSessionData/AGE NEW RANGE 20 AND 80'))
    assert spell(group) == [('xnat:mrSessionData/AGE', 'NEW RANGE', ['20', '80']), 'AND']


def test_a_new_row_is_all_that_a_new_operator_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Operator('EXCEEDS', 'order', aliases=('IS ABOVE',))
    for spelling in (row.name, *row.aliases):
        monkeypatch.setitem(operators.BY_SPELLING, spelling, row)
    monkeypatch.setattr(
        'pyxnat.query.criteria_text.LONG_OPERATORS', operators.LONG_OPERATORS | {'IS ABOVE'}
    )
    (member,) = parse(parse_text('xnat:mrSessionData/AGE is above 80')).members
    assert isinstance(member, Constraint) and (member.operator, member.value) == ('EXCEEDS', '80')
