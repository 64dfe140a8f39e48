"""Tests of templates: criteria with keys in place of values."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from pyxnat.errors import ProgrammingError
from pyxnat.query.criteria import parse
from pyxnat.query.templates import add_keys, fill_keys, keys

AGE, GENDER, LABEL = (
    'xnat:mrSessionData/AGE',
    'xnat:subjectData/GENDER',
    'xnat:subjectData/SUBJECT_LABEL',
)


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        ([(GENDER, '=', 'gender'), 'AND'], [(GENDER, '=', '%(gender)s'), 'AND']),
        ((GENDER, '=', 'gender'), [(GENDER, '=', '%(gender)s')]),
        (
            f'{GENDER} = gender AND {AGE} > age',
            [(GENDER, '=', '%(gender)s'), (AGE, '>', '%(age)s'), 'AND'],
        ),
        (
            [(AGE, '>', 80), (GENDER, '=', None), (LABEL, 'LIKE', 'label')],
            [(AGE, '>', 80), (GENDER, '=', None), (LABEL, 'LIKE', '%(label)s')],
        ),
        ([(AGE, 'BETWEEN', ('low', 'high'))], [(AGE, 'BETWEEN', ['%(low)s', '%(high)s'])]),
        (
            [[(GENDER, 'IN', ['a', 'b']), 'OR'], 'AND'],
            [[(GENDER, 'IN', ['%(a)s', '%(b)s']), 'OR'], 'AND'],
        ),
        (
            [(GENDER, '=', 'male'), (LABEL, '=', '%(label)s')],
            [(GENDER, '=', 'male'), (LABEL, '=', '%(label)s')],
        ),
        ([(LABEL, 'LIKE', 'S%(number)s%')], [(LABEL, 'LIKE', 'S%(number)s%')]),
        ([(LABEL, '=', 'first name')], [(LABEL, '=', '%(first name)s')]),
    ],
)
def test_values_become_keys(written: Any, meant: Any) -> None:
    assert add_keys(written) == meant
    assert add_keys(add_keys(written)) == meant


@pytest.mark.parametrize(
    'wrong',
    [
        [(AGE, '>', 80)],
        [(GENDER, '=', None)],
        [(GENDER, '=', 'a(b')],
        [(GENDER, '=', '5%')],
        [(GENDER, '=', '')],
        [],
    ],
)
def test_keys_of_a_template_need_names(wrong: Any) -> None:
    with pytest.raises(ProgrammingError) as caught:
        add_keys(wrong)
    assert caught.value.remedy


def test_keys_are_listed_once_in_their_order() -> None:
    assert keys(
        [
            (GENDER, '=', '%(b)s'),
            [(AGE, 'IN', ['%(a)s', '%(b)s']), 'OR'],
            (LABEL, 'LIKE', '%(c)s-%(d)s'),
        ]
    ) == ['b', 'a', 'c', 'd']


@pytest.mark.parametrize(
    ('template', 'values', 'meant'),
    [
        ([(GENDER, '=', '%(g)s')], {'g': 'male'}, [(GENDER, '=', 'male')]),
        ([(GENDER, '=', '%(g)s')], {'g': None}, [(GENDER, '=', None)]),
        ([(GENDER, '=', '%(g)s')], {'g': ['male', 'female']}, [(GENDER, 'IN', ['male', 'female'])]),
        ([(GENDER, '!=', '%(g)s')], {'g': ('a', None)}, [(GENDER, 'NOT IN', ['a', None])]),
        ([(GENDER, 'IN', ['%(g)s', 'x'])], {'g': ['a', 'b']}, [(GENDER, 'IN', ['a', 'b', 'x'])]),
        (
            [(AGE, '>', '%(low)s'), (AGE, '<', '%(high)s'), 'AND'],
            {'low': 1, 'high': 2.5},
            [(AGE, '>', 1), (AGE, '<', 2.5)],
        ),
        (
            [(AGE, '>', '%(n)s'), [(AGE, '<', '%(n)s'), 'OR'], 'OR'],
            {'n': 3},
            [(AGE, '>', 3), [(AGE, '<', 3), 'OR'], 'OR'],
        ),
        (
            [(AGE, 'BETWEEN', ['%(a)s', '%(b)s'])],
            {'a': datetime.date(2020, 1, 2), 'b': '3'},
            [(AGE, 'BETWEEN', ('2020-01-02', '3'))],
        ),
        ([(LABEL, 'LIKE', '%(l)s')], {'l': 'S*'}, [(LABEL, 'LIKE', 'S%')]),
        ([(LABEL, 'LIKE', 'S%(n)s%')], {'n': 4}, [(LABEL, 'LIKE', 'S4%')]),
        ([(LABEL, '=', '%(l)s')], {'l': '100%(l)s & "more"'}, [(LABEL, '=', '100%(l)s & "more"')]),
    ],
)
def test_values_replace_keys(template: Any, values: dict[str, Any], meant: Any) -> None:
    before = repr(template)
    assert parse(fill_keys(template, values)) == parse(meant)
    assert repr(template) == before


def test_the_error_names_missing_and_surplus_values() -> None:
    template = [(GENDER, '=', '%(gender)s'), (AGE, '>', '%(age)s')]
    with pytest.raises(ProgrammingError, match=r"no value for 'age', no key 'aeg'.*gender, age"):
        fill_keys(template, {'gender': 'male', 'aeg': 3})
