"""Tests of criteria as text: each form is parsed, and all lists of tuples can be written as text.

The text may be infix or postfix.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat.errors import ProgrammingError
from pyxnat.query.criteria import Constraint, Group, parse
from pyxnat.query.criteria_text import parse_text

A, B, C, D = [(f'a:b/{name}', '=', name.lower()) for name in 'ABCD']


@pytest.mark.parametrize(
    ('text', 'meant'),
    [
        ('a:b/A = a', [A]),
        ('a:b/A = a AND', [A]),
        ('a:b/A = a or', [A]),
        ('a:b/A = a AND a:b/B = b', [A, B, 'AND']),
        ('a:b/A = a and a:b/B = b AND', [A, B, 'AND']),
        ('a:b/A = a a:b/B = b AND', [A, B, 'AND']),
        ('a:b/A = a AND a:b/B = b OR a:b/C = c', [[A, B, 'AND'], C, 'OR']),
        ('a:b/A = a OR a:b/B = b AND a:b/C = c', [A, [B, C, 'AND'], 'OR']),
        ('a:b/A = a OR a:b/B = b AND a:b/C = c OR', [A, [B, C, 'AND'], 'OR']),
        ('(a:b/A = a OR a:b/B = b) AND a:b/C = c', [[A, B, 'OR'], C, 'AND']),
        ('a:b/A = a a:b/B = b AND a:b/C = c OR', [[A, B, 'AND'], C, 'OR']),
        ('a:b/A = a a:b/B = b AND a:b/C = c AND', [A, B, C, 'AND']),
        ('a:b/A = a a:b/B = b a:b/C = c OR AND', [A, [B, C, 'OR'], 'AND']),
        ('a:b/A = a a:b/B = b a:b/C = c AND', [A, B, C, 'AND']),
        ('a:b/A = a a:b/B = b', [A, B, 'AND']),
        ('a:b/A = a (a:b/B = b OR a:b/C = c) AND', [A, [B, C, 'OR'], 'AND']),
        ('a:b/A = a AND (a:b/B = b AND a:b/C = c)', [A, [B, C, 'AND'], 'AND']),
        ('((a:b/A = a))', [A]),
        ('\n a:b/A\t=  a  ', [A]),
    ],
)
def test_text_is_parsed_into_a_list(text: str, meant: list[Any]) -> None:
    assert parse_text(text) == meant
    assert parse(text) == parse(meant) == parse(text.encode())


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ("'x y'", 'x y'),
        ('"x y"', 'x y'),
        ("'it''s'", "it's"),
        ('"say ""no"""', 'say "no"'),
        ("''", ''),
        ("'AND'", 'AND'),
        ("'(x)'", '(x)'),
        ("o'neil", "o'neil"),
        ('f(x)', 'f(x)'),
        ('%', '%'),
        ('a/b', 'a/b'),
        ('-1.5', '-1.5'),
        ('ü', 'ü'),
    ],
)
@pytest.mark.parametrize(
    'frame', ['a:b/A = {}', 'a:b/A = {} AND', '(a:b/A = {})', 'a:b/A = {} AND a:b/A = {}']
)
def test_values_can_be_quoted(frame: str, text: str, value: str) -> None:
    assert parse_text(frame.replace('{}', text))[0] == ('a:b/A', '=', value)


@pytest.mark.parametrize(
    ('text', 'meant'),
    [
        ('a:b/A >= 80', ('a:b/A', '>=', '80')),
        ('a:b/A like x%', ('a:b/A', 'LIKE', 'x%')),
        ('a:b/A not  like x%', ('a:b/A', 'NOT LIKE', 'x%')),
        ('a:b/A IN (1, \'b, c\' ,"d")', ('a:b/A', 'IN', ['1', 'b, c', 'd'])),
        ('a:b/A not in (1)', ('a:b/A', 'NOT IN', ['1'])),
        ('a:b/A IN 1,2', ('a:b/A', 'IN', '1,2')),
        ('a:b/A BETWEEN 1 AND 2', ('a:b/A', 'BETWEEN', ['1', '2'])),
        ('a:b/A is null', ('a:b/A', 'IS NULL', None)),
        ('a:b/A IS NOT NULL', ('a:b/A', 'IS NOT NULL', None)),
        ('a:b/SUB=P = x', ('a:b/SUB=P', '=', 'x')),
        (
            'a:b/demographics[@xsi:type=a:c]/age = 3',
            ('a:b/demographics[@xsi:type=a:c]/age', '=', '3'),
        ),
    ],
)
def test_operators_are_read(text: str, meant: Any) -> None:
    assert parse_text(text) == [meant]
    assert (
        parse_text(f'{text} AND a:b/A = a')
        == [meant, A, 'AND']
        == parse_text(f'{text} a:b/A = a AND')
    )


@pytest.mark.parametrize(
    ('text', 'named'),
    [
        ('', 'a constraint is missing'),
        ('AND', 'AND and OR stand'),
        ('AND a:b/A = a', 'AND and OR stand'),
        ('a:b/A = a AND OR a:b/B = b', 'AND and OR stand'),
        ('a:b/A = a AND a:b/B = b OR', 'set parentheses'),
        ('a:b/A = a a:b/B = b AND a:b/C = c a:b/D = d OR', 'more constraints'),
        ('AND a:b/A = a a:b/B = b', 'nothing before it'),
        ('a:b/A', 'an operator is missing'),
        ('a:b/A>3', 'an operator is missing'),
        ('a:b/A =', 'a value is missing'),
        ('a:b/A = AND', 'a value is missing'),
        ('a:b/A = x y', 'an operator is missing'),
        ('(a:b/A = a', 'not closed'),
        ('a:b/A = a)', 'no parenthesis to close'),
        ('()', 'a constraint is missing'),
        ('a:b/A IN (1', 'a list is written'),
        ('a:b/A IN ()', 'a list is written'),
        ('a:b/A BETWEEN 1 2', 'BETWEEN is written'),
        ('(' * 60 + 'a:b/A = a' + ')' * 60, 'too deeply'),
    ],
)
def test_invalid_text_is_an_error_that_shows_the_place(text: str, named: str) -> None:
    with pytest.raises(ProgrammingError, match=named):
        parse_text(text)


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(['a:b/A', '=', 'x', "'", '(', ')', 'AND', 'OR', 'IN', ' ', ','])
    ).map(' '.join)
)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse_text(text)
    except ProgrammingError:
        return
    assert isinstance(found, list) and found


values = st.text(st.characters(exclude_categories=['Cs', 'Cc']), max_size=8) | st.sampled_from(
    ['AND', "'", '"', '(x', 'or', 'a b', '']
)


def can_be(constraint: Any) -> bool:
    """Whether XNAT accepts a value with an operator: NULL, for example, is not smaller than a
    value."""
    try:
        return bool(parse([constraint]))
    except ProgrammingError:
        return False


leaves = st.tuples(
    st.sampled_from(['a:b/A', 'a:b/B', 'c:d/e/f']),
    st.sampled_from(['=', '!=', '<', 'LIKE', 'NOT LIKE']),
    values,
).filter(can_be)
joiners = st.sampled_from(['AND', 'OR'])
trees = st.recursive(
    leaves,
    lambda inner: st.tuples(st.lists(inner, min_size=2, max_size=3), joiners).map(
        lambda made: [*made[0], made[1]]
    ),
)


def quoted(value: str, quote: str) -> str:
    return quote + value.replace(quote, quote * 2) + quote


def infix(tree: Any, quote: str) -> str:
    if isinstance(tree, tuple):
        return f'{tree[0]} {tree[1]} {quoted(tree[2], quote)}'
    return f' {tree[-1]} '.join(
        f'({infix(one, quote)})' if isinstance(one, list) else infix(one, quote)
        for one in tree[:-1]
    )


def postfix(tree: Any, quote: str) -> str:
    if isinstance(tree, tuple):
        return infix(tree, quote)
    first, *rest = [postfix(one, quote) for one in tree[:-1]]
    return ' '.join([first, *(f'{one} {tree[-1]}' for one in rest)])


def bare(tree: Any, quote: str) -> str:
    """Write as infix, with parentheses only where precedence needs them."""
    if isinstance(tree, tuple):
        return infix(tree, quote)
    needs = [isinstance(one, list) and tree[-1] == 'AND' and one[-1] == 'OR' for one in tree[:-1]]
    parts = [
        f'({bare(one, quote)})' if need else bare(one, quote)
        for one, need in zip(tree[:-1], needs, strict=True)
    ]
    return f' {tree[-1].lower()} '.join(parts)


def fits(part: Any, row: dict[Any, bool]) -> bool:
    """Whether a row satisfies criteria, by brute force over the truth of their constraints."""
    if isinstance(part, Constraint):
        return row[part]
    results = [fits(one, row) for one in part.members]
    return all(results) if part.method == 'AND' else any(results)


def truths(group: Group, data: st.DataObject) -> dict[Any, bool]:
    return {one: data.draw(st.booleans()) for one in dict.fromkeys(group.constraints())}


@given(trees, st.sampled_from('\'"'))
def test_parentheses_can_express_any_list(tree: Any, quote: str) -> None:
    meant = tree if isinstance(tree, list) else [tree]
    assert parse_text(infix(tree, quote)) == meant
    assert parse(
        infix(tree, quote) + f' {tree[-1] if isinstance(tree, list) else "AND"}', 'x:y'
    ) == parse(meant)


@given(trees, st.sampled_from('\'"'), st.data())
def test_all_ways_to_write_a_list_are_equal(tree: Any, quote: str, data: st.DataObject) -> None:
    meant = parse(tree if isinstance(tree, list) else [tree])
    row = truths(meant, data)
    for write in (infix, postfix, bare):
        assert fits(parse(write(tree, quote)), row) == fits(meant, row)
