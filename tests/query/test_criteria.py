"""Tests of search criteria: from tuples to values, and back."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as given_
from hypothesis import strategies as st

from pyxnat.errors import ProgrammingError
from pyxnat.query.criteria import (
    Constraint,
    Field,
    Group,
    Saved,
    is_rewriting,
    parse,
    parse_where,
    spell,
)

AGE, GENDER, HAND = (
    'xnat:mrSessionData/AGE',
    'xnat:subjectData/GENDER',
    'xnat:subjectData/HANDEDNESS',
)
FIELD = Field('xnat:mrSessionData', 'AGE')


def one(*constraint: Any) -> Constraint | Group:
    """Return the parsed form of a single constraint."""
    (member,) = parse([constraint]).members
    return member


def plain(member: Constraint | Group) -> Any:
    """Return a form without field names for comparing: ``('AND', ('=', '1'), …)``."""
    if isinstance(member, Constraint):
        return member.operator, member.value
    return (member.method, *map(plain, member.members))


# -- operators and values --------------------------------------------------------------------------


@pytest.mark.parametrize('operator', ['=', '!=', '<', '<=', '>', '>='])
def test_an_operator_is_unchanged(operator: str) -> None:
    assert one(AGE, operator, 80) == Constraint(FIELD, operator, '80')


NO_TEXTS = (
    AGE,
    'xnat:mrSessionData/GEN_AGE',
    'xnat:mrSessionData/DATE',
    'xnat:mrSessionData/INSERT_DATE',
    'xnat:mrSessionData/LAST_MODIFIED',
    'xnat:mrSessionData/date',
    'xnat:mrSessionData/time',
    'xnat:mrSessionData/age',
    'xnat:mrSessionData/meta/insert_date',
    'xnat:mrSessionData/scans/scan/frames',
    'xnat:subjectData/DOB',
    'xnat:subjectData/demographics/yob',
    'xnat:subjectData/MR_COUNT',
    'xnat:mrSessionData/SCAN_COUNT_TYPE=T1',
    'wrk:workflowData/LAUNCH_TIME',
)
TEXTS = (
    GENDER,
    'xnat:subjectData/SUBJECT_LABEL',
    'xnat:mrSessionData/DATE_CHAR',
    'xnat:mrSessionData/scanner',
    'xnat:mrSessionData/label',
    'xnat:subjectData/XNAT_SUBJECTDATA_FIELD_MAP=age',
    'xnat:subjectData/fields/field[name=age]/field',
    'xnat:mrSessionData/scans/scan/type',
)


@pytest.mark.parametrize('operator', ['LIKE', 'NOT LIKE'])
def test_like_is_accepted_only_for_texts(operator: str) -> None:
    for field in TEXTS:
        assert one(field, operator, 80) == Constraint(Field.parse(field), operator, '80')
    for field in NO_TEXTS:
        with pytest.raises(ProgrammingError, match='is for texts'):
            parse([(field, operator, 80)])


@pytest.mark.parametrize(
    ('written', 'meant'),
    [('==', '='), ('<>', '!='), ('like', 'LIKE'), (' not   like ', 'NOT LIKE'), ('is not', '!=')],
)
def test_an_operator_may_have_another_spelling(written: str, meant: str) -> None:
    assert plain(one(GENDER, written, 'x')) == (meant, 'x')


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ('female', 'female'),
        (' x ', ' x '),
        ('SELECT all of it', 'SELECT all of it'),
        ('select, from', 'select, from'),
        (Fraction(1, 4), '0.25'),
        (80, '80'),
        (-1, '-1'),
        (1.5, '1.5'),
        (Decimal('0.10'), '0.10'),
        (True, '1'),
        (False, '0'),
        (datetime.date(2009, 6, 8), '2009-06-08'),
        (datetime.datetime(2009, 6, 8, 14, 30, 5), '2009-06-08 14:30:05'),
        (datetime.time(14, 30), '14:30:00'),
        ('ä'.encode(), 'ä'),
        ("O'Neil", "O'Neil"),
    ],
    ids=repr,
)
def test_a_value_becomes_text(value: Any, text: str) -> None:
    assert plain(one(AGE, '=', value)) == ('=', text)


def test_a_star_is_a_wildcard_only_with_like() -> None:
    assert plain(one(GENDER, 'LIKE', 'f*')) == ('LIKE', 'f%')
    assert plain(one(GENDER, 'NOT LIKE', '*f%')) == ('NOT LIKE', '%f%')
    assert plain(one(GENDER, '=', 'f*')) == ('=', 'f*')


@pytest.mark.parametrize(
    'constraint',
    [
        ('=', None),
        ('IS', None),
        ('IS NULL', None),
        ('IS NULL',),
        ('=', 'NULL'),
        ('is', 'null'),
        ('=', ''),
        ('=', b' '),
    ],
)
def test_none_is_sent_as_null(constraint: tuple[Any, ...]) -> None:
    assert one(AGE, *constraint) == Constraint(FIELD, 'IS NULL', 'NULL', raw=True)


@pytest.mark.parametrize(
    'constraint',
    [
        ('!=', None),
        ('IS NOT', None),
        ('IS NOT NULL',),
        ('<>', 'NULL'),
        ('IS', 'not null'),
        ('!=', ''),
        ('=', '*'),
        ('=', ' * '),
    ],
)
def test_not_none_is_sent_as_not_null(constraint: tuple[Any, ...]) -> None:
    assert one(AGE, *constraint) == Constraint(FIELD, 'IS NOT NULL', 'NULL', raw=True)


# -- lists and ranges ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('operator', 'value', 'meant'),
    [
        ('IN', ['a', 'b'], ('OR', ('=', 'a'), ('=', 'b'))),
        ('in', ('a',), ('OR', ('=', 'a'))),
        ('IN', 'a, b', ('OR', ('=', 'a'), ('=', 'b'))),
        ('IN', '"a, b",c', ('OR', ('=', 'a, b'), ('=', 'c'))),
        ('IN', 5, ('OR', ('=', '5'))),
        ('IN', range(2), ('OR', ('=', '0'), ('=', '1'))),
        ('IN', ['a', None], ('OR', ('=', 'a'), ('IS NULL', 'NULL'))),
        ('=', ['a', 'b'], ('OR', ('=', 'a'), ('=', 'b'))),
        ('NOT IN', ['a', 'b'], ('AND', ('!=', 'a'), ('!=', 'b'))),
        ('!=', ['a', 'b'], ('AND', ('!=', 'a'), ('!=', 'b'))),
        ('BETWEEN', (70, 80), ('AND', ('>=', '70'), ('<=', '80'))),
        ('between', '70 and 80', ('AND', ('>=', '70'), ('<=', '80'))),
        (
            'BETWEEN',
            (datetime.date(2009, 1, 1), datetime.date(2009, 12, 31)),
            ('AND', ('>=', '2009-01-01'), ('<=', '2009-12-31')),
        ),
    ],
)
def test_lists_and_ranges_are_rewritten_to_comparisons(
    operator: str, value: Any, meant: Any
) -> None:
    group = one(AGE, operator, value)
    assert plain(group) == meant
    assert isinstance(group, Group) and group.is_rewritten
    assert {constraint.field for constraint in group.constraints()} == {FIELD}


# -- nesting ---------------------------------------------------------------------------------------


def test_constraints_are_joined_by_and_by_default() -> None:
    both = [(AGE, '>', 80), (GENDER, '=', 'female')]
    assert parse(both) == parse([*both, 'AND']) == parse(['and', *both])
    assert parse([*both, 'or']).method == 'OR'


def test_a_nested_list_is_a_separate_group() -> None:
    group = parse([[(GENDER, '=', 'female'), (HAND, '=', 'left'), 'OR'], (AGE, '>', 80), 'AND'])
    assert plain(group) == ('AND', ('>', '80'), ('OR', ('=', 'female'), ('=', 'left')))
    assert not any(member.is_rewritten for member in group.members if isinstance(member, Group))
    assert [str(constraint.field) for constraint in group.constraints()] == [AGE, GENDER, HAND]


def test_lists_can_be_nested_to_any_depth() -> None:
    criteria: Any = [(AGE, '=', 0)]
    for _ in range(50):
        criteria = [criteria, 'OR']
    assert len(list(parse(criteria).constraints())) == 1


def test_tuples_can_replace_lists() -> None:
    assert parse(((AGE, '>', 80), (GENDER, '=', 'female'), 'OR')) == parse(
        [(AGE, '>', 80), (GENDER, '=', 'female'), 'OR']
    )
    assert parse([((AGE, '>', 80), 'AND')]) == parse([[(AGE, '>', 80), 'AND']])


def test_a_single_constraint_needs_no_list() -> None:
    assert parse((AGE, '>', 80)) == parse([(AGE, '>', 80)])


def test_parsing_does_not_change_the_criteria() -> None:
    criteria = [(AGE, 'IN', [1, 2]), [(GENDER, '=', None), 'OR'], 'AND']
    before = repr(criteria)
    parse(criteria)
    assert repr(criteria) == before


# -- fields ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'default', 'field', 'field_id'),
    [
        ('xnat:subjectData/AGE', '', ('xnat:subjectData', 'AGE'), 'AGE'),
        ('xnat:subjectData.AGE', '', ('xnat:subjectData', 'AGE'), 'AGE'),
        ('AGE', 'xnat:subjectData', ('xnat:subjectData', 'AGE'), 'AGE'),
        (
            'demographics/age',
            'xnat:subjectData',
            ('xnat:subjectData', 'demographics[@xsi:type=xnat:demographicData]/age'),
            'xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/age',
        ),
        (
            'xnat:subjectData/demographics[@xsi:type=my:demographicData]/iq',
            '',
            ('xnat:subjectData', 'demographics[@xsi:type=my:demographicData]/iq'),
            'xnat:subjectData/demographics[@xsi:type=my:demographicData]/iq',
        ),
        (
            'xnat:subjectData/'
            'XNAT:SUBJECTDATA_CUSTOM-FORM_89CE5943-5721-482D-AFD4-AD2E9061D235_MOOD',
            '',
            (
                'xnat:subjectData',
                'XNAT:SUBJECTDATA_CUSTOM-FORM_89CE5943-5721-482D-AFD4-AD2E9061D235_MOOD',
            ),
            'XNAT:SUBJECTDATA_CUSTOM-FORM_89CE5943-5721-482D-AFD4-AD2E9061D235_MOOD',
        ),
        (
            'xnat:mrSessionData/label',
            'xnat:subjectData',
            ('xnat:mrSessionData', 'label'),
            'xnat:mrSessionData/label',
        ),
        (
            'xnat:mrSessionData/sharing/share/project',
            '',
            ('xnat:mrSessionData', 'sharing/share/project'),
            'xnat:mrSessionData/sharing/share/project',
        ),
        (
            'xnat:subjectData/SUB_PROJECT_IDENTIFIER=my_project',
            '',
            ('xnat:subjectData', 'SUB_PROJECT_IDENTIFIER=my_project'),
            'SUB_PROJECT_IDENTIFIER=my_project',
        ),
    ],
)
def test_a_field_is_a_data_type_and_a_name(
    text: str, default: str, field: tuple[str, str], field_id: str
) -> None:
    found = Field.parse(text, default)
    assert (found.datatype, found.name) == field
    assert found.field_id == field_id
    assert Field.parse(str(found)) == found


# -- invalid criteria ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'criteria',
    [
        [],
        ['AND'],
        [[]],
        None,
        'xnat:mrSessionData/AGE >',
        {AGE: 80},
        [AGE, '>', 80],
        [(AGE, '>', 80), 'AND', 'OR'],
        [(AGE, '>', 80), 'XOR'],
        [(AGE, '>', 80, 'extra')],
        [(AGE,)],
        [()],
        [5],
        [(AGE, '=>', 80)],
        [(AGE, 'CONTAINS', 'x')],
        [(AGE, None, 80)],
        [('AGE', '>', 80)],
        [('xnat:mrSessionData', '>', 80)],
        [('xnat:mrSessionData/', '>', 80)],
        [('', '=', 1)],
        [(AGE, 'BETWEEN', 80)],
        [(AGE, 'BETWEEN', (1, 2, 3))],
        [(AGE, 'BETWEEN', (None, 3))],
        [(AGE, 'BETWEEN', '70-80')],
        [(AGE, 'IN', [])],
        [(AGE, 'NOT IN', '')],
        [(AGE, '<', [1, 2])],
        [(GENDER, 'LIKE', ['a'])],
        [(AGE, '<', None)],
        [(AGE, '=', object)],
        [(GENDER, '=', 'back\\')],
        [(GENDER, 'LIKE', '%\\')],
        [(GENDER, 'IN', ['a', 'back\\'])],
        [(GENDER, '=', "it's SELECT me")],
        [(GENDER, 'LIKE', 'DROP it*')],
        [(GENDER, 'BETWEEN', ('a', 'RECREATE -x'))],
        [(GENDER, '!=', '*')],
        [(AGE, '<', '*')],
        [(GENDER, 'IN', ['*', 'a'])],
        [(GENDER, 'IN', [['a']])],
        [(AGE, '<', '')],
        [(GENDER, 'LIKE', ' ')],
        [(AGE, '=', float('nan'))],
        [(AGE, '<', float('inf'))],
        [(AGE, '=', 1j)],
        [(AGE, '=', datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))],
    ],
    ids=repr,
)
def test_invalid_criteria_are_an_error_with_a_remedy(criteria: Any) -> None:
    with pytest.raises(ProgrammingError) as caught:
        parse(criteria)
    assert caught.value.remedy and str(caught.value)


def test_the_error_names_the_wrong_part() -> None:
    with pytest.raises(ProgrammingError, match='xnat:subjectData/GENDER.*CONTAINS'):
        parse([(AGE, '>', 80), [(GENDER, 'CONTAINS', 'x')]])


def test_a_comparison_needs_a_value() -> None:
    with pytest.raises(ProgrammingError):
        parse([(AGE, '=')])


def test_bytes_that_are_not_utf8_are_an_error_of_the_library() -> None:
    with pytest.raises(ProgrammingError):
        parse([(AGE, '=', b'\xff')])


def test_numbers_of_numpy_are_accepted() -> None:
    numpy = pytest.importorskip('numpy')
    assert plain(one(AGE, '>', numpy.float64(80))) == ('>', '80.0')


def test_integers_of_numpy_are_accepted() -> None:
    numpy = pytest.importorskip('numpy')
    assert plain(one(AGE, '>', numpy.int64(80))) == ('>', '80')


@pytest.mark.parametrize(
    ('value', 'remedy'),
    [
        ('back\\', 'LIKE, with .* backslash'),
        ("DROP 'x", 'LIKE, with .* blank'),
        ('*', "'=' or '!=' with None"),
    ],
)
def test_a_value_that_xnat_would_refuse_is_an_error_with_a_remedy(value: str, remedy: str) -> None:
    with pytest.raises(ProgrammingError, match='GENDER') as caught:
        parse([(GENDER, '!=', value)])
    assert value in str(caught.value).replace('\\\\', '\\')
    assert re.search(remedy, caught.value.remedy or '')


def test_the_remedies_work() -> None:
    assert plain(one(GENDER, 'LIKE', 'DROP_x;')) == ('LIKE', 'DROP_x;')
    assert plain(one(GENDER, 'LIKE', 'back_')) == ('LIKE', 'back_')


def test_a_missing_time_of_pandas_is_null() -> None:
    pandas = pytest.importorskip('pandas')
    assert plain(one(AGE, '=', pandas.Timestamp(2020, 1, 2))) == ('=', '2020-01-02 00:00:00')
    with pytest.raises(ProgrammingError, match='NaT'):
        parse([(AGE, '=', pandas.NaT)])


# -- and back --------------------------------------------------------------------------------------

values = (
    st.none()
    | st.integers()
    | st.dates()
    | st.text(min_size=1).filter(
        lambda text: (
            text.strip() not in ('', '*')
            and not text.endswith('\\')
            and not re.search('[A-Z]{4} ', text)
        )
    )
)
constraints = st.one_of(
    st.tuples(st.sampled_from([AGE, GENDER]), st.sampled_from(['=', '!=']), values),
    st.tuples(
        st.sampled_from([AGE, GENDER]),
        st.sampled_from(['<', '<=', '>', '>=']),
        values.filter(lambda value: value is not None),
    ),
    st.tuples(
        st.just(GENDER),
        st.sampled_from(['LIKE', 'NOT LIKE']),
        values.filter(lambda value: value is not None),
    ),
    st.tuples(
        st.sampled_from([AGE, GENDER]),
        st.sampled_from(['IN', 'NOT IN']),
        st.lists(values, min_size=1, max_size=3),
    ),
    st.tuples(
        st.sampled_from([AGE, GENDER]), st.just('BETWEEN'), st.tuples(st.integers(), st.integers())
    ),
)


def lists(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.lists(inner, min_size=1, max_size=3), st.sampled_from(['AND', 'OR'])).map(
        lambda pair: [*pair[0], pair[1]]
    )


criteria = lists(st.recursive(constraints, lists, max_leaves=10))


@given_(criteria)
def test_criteria_can_be_converted_back_to_tuples(written: Any) -> None:
    group = parse(written)
    assert parse(spell(group)) == group


def test_a_rewritten_list_is_recognized_by_its_members() -> None:
    for operator, value in (
        ('IN', [1, None]),
        ('IN', [1]),
        ('NOT IN', [1, 2, None]),
        ('BETWEEN', (1, 2)),
    ):
        group = one(AGE, operator, value)
        assert isinstance(group, Group) and is_rewriting(group)
    for other in (
        [(AGE, '=', 1), (GENDER, '=', 1), 'OR'],
        [(AGE, '=', 1)],
        [(AGE, '<=', 1), (AGE, '>=', 2)],
        [(AGE, '>', 1)],
        [[(AGE, '!=', 1)]],
    ):
        assert not is_rewriting(parse(other))


# -- arguments of where ----------------------------------------------------------------------------


def test_where_takes_criteria_or_the_name_of_saved_criteria() -> None:
    assert parse_where([('AGE', '>', 80)], default='xnat:subjectData') == parse(
        [('xnat:subjectData/AGE', '>', 80)]
    )
    assert parse_where(query='old') == Saved('old')
    assert parse_where(template=('of', {'g': ['a', 'b'], 'n': None})) == Saved(
        'of', (('g', ('a', 'b')), ('n', None))
    )
    assert hash(parse_where(template=('of', {'g': ['a', 'b']})))


@pytest.mark.parametrize(
    'wrong',
    [
        {},
        {'constraints': [(AGE, '=', 1)], 'query': 'x'},
        {'template': 'x'},
        {'template': ('x',)},
        {'template': ('x', ['y'])},
        {'query': 1},
    ],
)
def test_any_other_argument_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProgrammingError) as caught:
        parse_where(**wrong)
    assert caught.value.remedy
