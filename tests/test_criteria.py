"""Search criteria: what tuples mean, and the document that says so to XNAT."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pyxnat.criteria import NAMESPACE, OPERATORS, Constraint, Field, Group, parse, search_document
from pyxnat.errors import ProgrammingError

AGE, GENDER, HAND = 'xnat:mrSessionData/AGE', 'xnat:subjectData/GENDER', 'xnat:subjectData/HANDEDNESS'
FIELD = Field('xnat:mrSessionData', 'AGE')


def one(*constraint: Any) -> Constraint | Group:
    """What a single constraint means."""
    (member,) = parse([constraint]).members
    return member


def plain(member: Constraint | Group) -> Any:
    """Without field names, for comparing: ``('AND', ('=', '1'), …)``."""
    if isinstance(member, Constraint):
        return member.operator, member.value
    return (member.method, *map(plain, member.members))


# -- operators and values ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize('operator', ['=', '!=', '<', '<=', '>', '>=', 'LIKE', 'NOT LIKE'])
def test_an_operator_stays_as_it_is(operator: str) -> None:
    assert one(AGE, operator, 80) == Constraint(FIELD, operator, '80')


@pytest.mark.parametrize(('written', 'meant'), [('==', '='), ('<>', '!='), ('like', 'LIKE'), (' not   like ', 'NOT LIKE'), ('is not', '!=')])
def test_an_operator_may_be_spelled_otherwise(written: str, meant: str) -> None:
    assert plain(one(AGE, written, 'x')) == (meant, 'x')


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ('female', 'female'),
        ('', ''),
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


def test_a_star_is_a_wildcard_of_like_alone() -> None:
    assert plain(one(GENDER, 'LIKE', 'f*')) == ('LIKE', 'f%')
    assert plain(one(GENDER, 'NOT LIKE', '*f%')) == ('NOT LIKE', '%f%')
    assert plain(one(GENDER, '=', 'f*')) == ('=', 'f*')


@pytest.mark.parametrize('constraint', [('=', None), ('IS', None), ('IS NULL', None), ('IS NULL',), ('=', 'NULL'), ('is', 'null')])
def test_nothing_is_asked_for_as_null(constraint: tuple[Any, ...]) -> None:
    assert one(AGE, *constraint) == Constraint(FIELD, 'IS NULL', 'NULL', raw=True)


@pytest.mark.parametrize('constraint', [('!=', None), ('IS NOT', None), ('IS NOT NULL',), ('<>', 'NULL')])
def test_something_is_asked_for_as_not_null(constraint: tuple[Any, ...]) -> None:
    assert one(AGE, *constraint) == Constraint(FIELD, 'IS NOT NULL', 'NULL', raw=True)


# -- lists and ranges -------------------------------------------------------------------------------------------------------------------------


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
        ('BETWEEN', (datetime.date(2009, 1, 1), datetime.date(2009, 12, 31)), ('AND', ('>=', '2009-01-01'), ('<=', '2009-12-31'))),
    ],
)
def test_lists_and_ranges_are_rewritten_to_comparisons(operator: str, value: Any, meant: Any) -> None:
    group = one(AGE, operator, value)
    assert plain(group) == meant
    assert isinstance(group, Group) and group.is_rewritten
    assert {constraint.field for constraint in group.constraints()} == {FIELD}


# -- nesting ----------------------------------------------------------------------------------------------------------------------------------


def test_constraints_are_joined_by_and_unless_or_is_said() -> None:
    both = [(AGE, '>', 80), (GENDER, '=', 'female')]
    assert parse(both) == parse([*both, 'AND']) == parse(['and', *both])
    assert parse([*both, 'or']).method == 'OR'


def test_a_nested_list_is_a_group_of_its_own() -> None:
    group = parse([(AGE, '>', 80), [(GENDER, '=', 'female'), (HAND, '=', 'left'), 'OR'], 'AND'])
    assert plain(group) == ('AND', ('>', '80'), ('OR', ('=', 'female'), ('=', 'left')))
    assert not any(member.is_rewritten for member in group.members if isinstance(member, Group))
    assert [str(constraint.field) for constraint in group.constraints()] == [AGE, GENDER, HAND]


def test_lists_nest_as_deep_as_wanted() -> None:
    criteria: Any = [(AGE, '=', 0)]
    for _ in range(50):
        criteria = [criteria, 'OR']
    assert len(list(parse(criteria).constraints())) == 1


def test_tuples_may_stand_for_lists() -> None:
    assert parse(((AGE, '>', 80), (GENDER, '=', 'female'), 'OR')) == parse([(AGE, '>', 80), (GENDER, '=', 'female'), 'OR'])
    assert parse([((AGE, '>', 80), 'AND')]) == parse([[(AGE, '>', 80), 'AND']])


def test_one_constraint_may_stand_by_itself() -> None:
    assert parse((AGE, '>', 80)) == parse([(AGE, '>', 80)])


def test_parsing_leaves_the_criteria_as_they_were() -> None:
    criteria = [(AGE, 'IN', [1, 2]), [(GENDER, '=', None), 'OR'], 'AND']
    before = repr(criteria)
    parse(criteria)
    assert repr(criteria) == before


# -- fields -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'default', 'field', 'field_id'),
    [
        ('xnat:subjectData/AGE', '', ('xnat:subjectData', 'AGE'), 'AGE'),
        ('AGE', 'xnat:subjectData', ('xnat:subjectData', 'AGE'), 'AGE'),
        ('demographics/age', 'xnat:subjectData', ('xnat:subjectData', 'demographics/age'), 'xnat:subjectData/demographics/age'),
        ('xnat:mrSessionData/label', 'xnat:subjectData', ('xnat:mrSessionData', 'label'), 'xnat:mrSessionData/label'),
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
def test_a_field_is_a_data_type_and_a_name(text: str, default: str, field: tuple[str, str], field_id: str) -> None:
    found = Field.parse(text, default)
    assert (found.datatype, found.name) == field
    assert found.field_id == field_id
    assert Field.parse(str(found)) == found


# -- what cannot be ---------------------------------------------------------------------------------------------------------------------------


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
        [(AGE, '=', object())],
        [(GENDER, '=', 'back\\')],
    ],
    ids=repr,
)
def test_criteria_that_cannot_be_are_an_error_with_a_remedy(criteria: Any) -> None:
    with pytest.raises(ProgrammingError) as caught:
        parse(criteria)
    assert caught.value.remedy and str(caught.value)


def test_the_error_names_the_part() -> None:
    with pytest.raises(ProgrammingError, match='xnat:subjectData/GENDER.*CONTAINS'):
        parse([(AGE, '>', 80), [(GENDER, 'CONTAINS', 'x')]])


def test_a_comparison_needs_a_value() -> None:
    with pytest.raises(ProgrammingError):
        parse([(AGE, '=')])


def test_bytes_that_are_no_text_are_an_error_of_the_library() -> None:
    with pytest.raises(ProgrammingError):
        parse([(AGE, '=', b'\xff')])


def test_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip('numpy')
    assert plain(one(AGE, '>', numpy.float64(80))) == ('>', '80.0')


def test_whole_numbers_of_numpy_are_numbers() -> None:
    numpy = pytest.importorskip('numpy')
    assert plain(one(AGE, '>', numpy.int64(80))) == ('>', '80')


# -- the document -----------------------------------------------------------------------------------------------------------------------------

XDAT = f'{{{NAMESPACE}}}'


def document(criteria: Any = None, fields: tuple[str, ...] = (AGE,), root: str = 'xnat:mrSessionData') -> etree._Element:
    group = parse(criteria) if criteria is not None else None
    return etree.fromstring(search_document(root, [Field.parse(text) for text in fields], group))


def texts(node: etree._Element, name: str) -> list[str | None]:
    return [found.text for found in node.iter(XDAT + name)]


def test_the_document_is_as_xnat_reads_it() -> None:
    body = search_document(
        'xnat:mrSessionData',
        [Field.parse('xnat:mrSessionData/AGE'), Field.parse('xnat:mrSessionData/scanner/model')],
        parse([(AGE, '>', 80), [(GENDER, '=', 'female'), (HAND, '=', None), 'OR'], 'AND']),
    )
    expected = """<?xml version='1.0' encoding='UTF-8'?>
    <xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="" allow-diff-columns="0" secure="false">
      <xdat:root_element_name>xnat:mrSessionData</xdat:root_element_name>
      <xdat:search_field>
        <xdat:element_name>xnat:mrSessionData</xdat:element_name>
        <xdat:field_ID>AGE</xdat:field_ID>
        <xdat:sequence>0</xdat:sequence>
        <xdat:type>string</xdat:type>
        <xdat:header>AGE</xdat:header>
      </xdat:search_field>
      <xdat:search_field>
        <xdat:element_name>xnat:mrSessionData</xdat:element_name>
        <xdat:field_ID>xnat:mrSessionData/scanner/model</xdat:field_ID>
        <xdat:sequence>1</xdat:sequence>
        <xdat:type>string</xdat:type>
        <xdat:header>scanner/model</xdat:header>
      </xdat:search_field>
      <xdat:search_where method="AND">
        <xdat:criteria override_value_formatting="0">
          <xdat:schema_field>xnat:mrSessionData/AGE</xdat:schema_field>
          <xdat:comparison_type>&gt;</xdat:comparison_type>
          <xdat:value>80</xdat:value>
        </xdat:criteria>
        <xdat:child_set method="OR">
          <xdat:criteria override_value_formatting="0">
            <xdat:schema_field>xnat:subjectData/GENDER</xdat:schema_field>
            <xdat:comparison_type>=</xdat:comparison_type>
            <xdat:value>female</xdat:value>
          </xdat:criteria>
          <xdat:criteria override_value_formatting="1">
            <xdat:schema_field>xnat:subjectData/HANDEDNESS</xdat:schema_field>
            <xdat:comparison_type>IS NULL</xdat:comparison_type>
            <xdat:value>NULL</xdat:value>
          </xdat:criteria>
        </xdat:child_set>
      </xdat:search_where>
    </xdat:bundle>"""
    wanted = etree.fromstring(expected.encode(), etree.XMLParser(remove_blank_text=True))
    assert etree.tostring(etree.fromstring(body), method='c14n') == etree.tostring(wanted, method='c14n')


def test_without_criteria_the_document_has_no_where() -> None:
    assert document().find(XDAT + 'search_where') is None


def test_the_document_has_no_id_that_xnat_could_have_an_older_answer_for() -> None:
    assert document([(AGE, '>', 80)]).get('ID') == ''


def test_fields_keep_their_order() -> None:
    names = ('xnat:mrSessionData/LABEL', AGE, 'xnat:subjectData/SUBJECT_LABEL', 'xnat:mrSessionData/DATE')
    node = document(fields=names)
    assert texts(node, 'sequence') == ['0', '1', '2', '3']
    assert [f'{a}/{b}' for a, b in zip(texts(node, 'element_name'), texts(node, 'field_ID'), strict=True)] == list(names)


def test_a_field_with_an_argument_carries_it_as_a_value() -> None:
    (field,) = document(fields=('xnat:subjectData/SUB_PROJECT_IDENTIFIER=a=b',)).findall(XDAT + 'search_field')
    assert texts(field, 'field_ID') == ['SUB_PROJECT_IDENTIFIER=a=b'] and texts(field, 'value') == ['a=b']


def test_only_null_is_written_as_sql() -> None:
    criteria = [(AGE, operator, 1) for operator in ('=', '!=', '<', '<=', '>', '>=')] + [(AGE, 'IN', [1, 2]), (AGE, 'BETWEEN', (1, 2))]
    nodes = document([*criteria, (GENDER, 'LIKE', "x' OR 1=1 --"), (GENDER, '!=', None)]).iter(XDAT + 'criteria')
    raw = {texts(node, 'value')[0] for node in nodes if node.get('override_value_formatting') == '1'}
    assert raw == {'NULL'}


def test_the_engine_gets_only_operators_that_it_has_for_all_fields() -> None:
    values: dict[str, Any] = {'IN': [1, 2], 'NOT IN': [1, 2], 'BETWEEN': (1, 2)}
    node = document([(AGE, operator, values.get(operator, '1')) for operator in OPERATORS])
    assert set(texts(node, 'comparison_type')) == {'=', '!=', '<', '<=', '>', '>=', 'LIKE', 'NOT LIKE', 'IS NULL', 'IS NOT NULL'}


@pytest.mark.parametrize('value', ['\x00', 'a\x08b', '\x1f', '\ufffe', '\ud800'], ids=ascii)
def test_a_character_that_xml_cannot_carry_is_an_error(value: str) -> None:
    with pytest.raises(ProgrammingError, match='XML cannot carry'):
        search_document('xnat:subjectData', [], parse([(GENDER, '=', value)]))


nasty = st.one_of(
    st.sampled_from(['<', '&', ']]>', '<![CDATA[x]]>', '<!--', '"\'', '%', '&amp;', '\r', '\r\n', '\t', ' x ', '\u2028', '\x85', "' OR 1=1", '日本']),
    st.text(),
).filter(lambda text: not text.endswith('\\') and text.upper() != 'NULL')


@given(nasty, st.sampled_from(['=', '!=', '<', '>=']))
def test_any_value_stands_in_the_document_as_it_is_or_is_an_error(value: str, operator: str) -> None:
    try:
        body = search_document('xnat:subjectData', [Field.parse(GENDER)], parse([(GENDER, operator, value)]))
    except ProgrammingError:
        assert any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 or ord(char) in (0xFFFE, 0xFFFF) for char in value)
        return
    node = etree.fromstring(body)
    (criteria,) = node.iter(XDAT + 'criteria')
    assert [child.tag for child in criteria] == [XDAT + 'schema_field', XDAT + 'comparison_type', XDAT + 'value']
    assert (texts(criteria, 'value')[0] or '', texts(criteria, 'comparison_type')[0]) == (value, operator)


@given(st.lists(nasty.filter(lambda text: '"' not in text), min_size=1))
def test_any_list_keeps_its_values(values: list[str]) -> None:
    group = one(GENDER, 'IN', values)
    assert isinstance(group, Group)
    assert [constraint.value for constraint in group.constraints()] == values


shapes = st.recursive(
    st.tuples(st.sampled_from([AGE, GENDER]), st.sampled_from(['=', '>']), st.integers()),
    lambda inner: st.tuples(st.lists(inner, min_size=1, max_size=3), st.sampled_from(['AND', 'OR'])).map(lambda pair: [*pair[0], pair[1]]),
    max_leaves=12,
).filter(lambda shape: isinstance(shape, list))


@given(shapes)
def test_the_document_nests_as_the_criteria_do(shape: Any) -> None:
    def written(part: Any) -> Any:
        return (part[-1], *map(written, part[:-1])) if isinstance(part, list) else (part[1], str(part[2]))

    def read(node: etree._Element) -> Any:
        if node.tag == XDAT + 'criteria':
            return texts(node, 'comparison_type')[0], texts(node, 'value')[0]
        return (node.get('method'), *map(read, node))

    where = document(shape).find(XDAT + 'search_where')
    assert where is not None and read(where) == written(shape)
