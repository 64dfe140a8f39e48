"""Tests of search documents: from criteria to XML, and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pyxnat.errors import ProgrammingError, UnexpectedAnswer
from pyxnat.query import search_xml
from pyxnat.query.criteria import Field, Group, parse, spell
from pyxnat.query.operators import OPERATORS
from pyxnat.query.search_xml import NAMESPACE, Bundle

AGE, GENDER, HAND = (
    'xnat:mrSessionData/AGE',
    'xnat:subjectData/GENDER',
    'xnat:subjectData/HANDEDNESS',
)

XDAT = f'{{{NAMESPACE}}}'


def document(
    criteria: Any = None, fields: tuple[str, ...] = (AGE,), root: str = 'xnat:mrSessionData'
) -> etree._Element:
    group = parse(criteria) if criteria is not None else None
    return etree.fromstring(
        search_xml.write(Bundle(root, [Field.parse(text) for text in fields], group))
    )


def texts(node: etree._Element, name: str) -> list[str | None]:
    return [found.text for found in node.iter(XDAT + name)]


def test_the_document_has_the_form_that_xnat_reads() -> None:
    columns = [
        Field.parse('xnat:mrSessionData/AGE'),
        Field.parse('xnat:mrSessionData/scanner/model'),
    ]
    criteria = parse([(AGE, '>', 80), [(GENDER, '=', 'female'), (HAND, '=', None), 'OR'], 'AND'])
    body = search_xml.write(Bundle('xnat:mrSessionData', columns, criteria))
    expected = """<?xml version='1.0' encoding='UTF-8'?>
    <xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="" allow-diff-columns="0" secure="0">
      <xdat:root_element_name>xnat:mrSessionData</xdat:root_element_name>
      <xdat:search_field>
        <xdat:element_name>xnat:mrSessionData</xdat:element_name>
        <xdat:field_ID>AGE</xdat:field_ID>
        <xdat:sequence>0</xdat:sequence>
        <xdat:type>string</xdat:type>
        <xdat:header>xnat:mrSessionData/AGE</xdat:header>
      </xdat:search_field>
      <xdat:search_field>
        <xdat:element_name>xnat:mrSessionData</xdat:element_name>
        <xdat:field_ID>xnat:mrSessionData/scanner/model</xdat:field_ID>
        <xdat:sequence>1</xdat:sequence>
        <xdat:type>string</xdat:type>
        <xdat:header>xnat:mrSessionData/scanner/model</xdat:header>
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
    assert etree.tostring(etree.fromstring(body), method='c14n') == etree.tostring(
        wanted, method='c14n'
    )


def test_without_criteria_the_document_has_no_where() -> None:
    assert document().find(XDAT + 'search_where') is None


def test_the_document_has_no_id_that_could_give_an_older_response() -> None:
    assert document([(AGE, '>', 80)]).get('ID') == ''


def test_fields_keep_their_order() -> None:
    names = (
        'xnat:mrSessionData/LABEL',
        AGE,
        'xnat:subjectData/SUBJECT_LABEL',
        'xnat:mrSessionData/DATE',
    )
    node = document(fields=names)
    assert texts(node, 'sequence') == ['0', '1', '2', '3']
    assert [
        f'{a}/{b}'
        for a, b in zip(texts(node, 'element_name'), texts(node, 'field_ID'), strict=True)
    ] == list(names)


def test_a_field_with_an_argument_has_it_as_a_value() -> None:
    (field,) = document(fields=('xnat:subjectData/SUB_PROJECT_IDENTIFIER=a=b',)).findall(
        XDAT + 'search_field'
    )
    assert texts(field, 'field_ID') == ['SUB_PROJECT_IDENTIFIER=a=b'] and texts(field, 'value') == [
        'a=b'
    ]


def test_only_null_is_written_as_sql() -> None:
    criteria = [(AGE, operator, 1) for operator in ('=', '!=', '<', '<=', '>', '>=')] + [
        (AGE, 'IN', [1, 2]),
        (AGE, 'BETWEEN', (1, 2)),
    ]
    nodes = document([*criteria, (GENDER, 'LIKE', "x' OR 1=1 --"), (GENDER, '!=', None)]).iter(
        XDAT + 'criteria'
    )
    raw = {
        texts(node, 'value')[0] for node in nodes if node.get('override_value_formatting') == '1'
    }
    assert raw == {'NULL'}


def test_the_search_engine_gets_only_operators_that_it_supports_on_all_fields() -> None:
    values: dict[str, Any] = {'list': [1, 2], 'range': (1, 2)}
    node = document(
        [
            (HAND if row.kind == 'pattern' else AGE, name, values.get(row.kind, '1'))
            for name, row in OPERATORS.items()
        ]
    )
    assert set(texts(node, 'comparison_type')) == {
        '=',
        '!=',
        '<',
        '<=',
        '>',
        '>=',
        'LIKE',
        'NOT LIKE',
        'IS NULL',
        'IS NOT NULL',
    }


@pytest.mark.parametrize('value', ['\x00', 'a\x08b', '\x1f', '\ufffe', '\ud800'], ids=ascii)
def test_a_character_that_xml_cannot_carry_is_an_error(value: str) -> None:
    with pytest.raises(ProgrammingError, match='XML does not allow'):
        search_xml.write(Bundle('xnat:subjectData', [], parse([(GENDER, '=', value)])))


nasty = st.one_of(
    st.sampled_from(
        [
            '<',
            '&',
            ']]>',
            '<![CDATA[x]]>',
            '<!--',
            '"\'',
            '%',
            '&amp;',
            '\r',
            '\r\n',
            '\t',
            ' x ',
            '\u2028',
            '\x85',
            "' OR 1=1",
            '日本',
        ]
    ),
    st.text(),
).filter(lambda text: text.strip() not in ('', '*') and text.upper() != 'NULL')


@given(nasty, st.sampled_from(['=', '!=', '<', '>=']))
def test_any_value_is_unchanged_in_the_document_or_an_error(value: str, operator: str) -> None:
    try:
        body = search_xml.write(
            Bundle('xnat:subjectData', [Field.parse(GENDER)], parse([(GENDER, operator, value)]))
        )
    except ProgrammingError:
        unwritable = any(
            ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 or ord(char) in (0xFFFE, 0xFFFF)
            for char in value
        )
        assert unwritable or value.endswith('\\') or re.search('[A-Z] ', value)
        return
    node = etree.fromstring(body)
    (criteria,) = node.iter(XDAT + 'criteria')
    assert [child.tag for child in criteria] == [
        XDAT + 'schema_field',
        XDAT + 'comparison_type',
        XDAT + 'value',
    ]
    assert (texts(criteria, 'value')[0] or '', texts(criteria, 'comparison_type')[0]) == (
        value,
        operator,
    )


# -- and back --------------------------------------------------------------------------------------

leaf = st.one_of(
    st.tuples(st.just(GENDER), st.just('LIKE'), st.sampled_from(['1', 'a, "b"', ' < & '])),
    st.tuples(
        st.sampled_from([AGE, GENDER]),
        st.sampled_from(['=', '!=', '>=', '<=']),
        st.sampled_from(['1', '2', 'a, "b"', ' < & ']),
    ),
    st.tuples(st.sampled_from([AGE, GENDER]), st.sampled_from(['=', '!=']), st.none()),
    st.tuples(
        st.sampled_from([AGE, GENDER]),
        st.sampled_from(['IN', 'NOT IN']),
        st.lists(st.sampled_from(['1', '2', None]), min_size=1, max_size=3),
    ),
    st.tuples(
        st.sampled_from([AGE, GENDER]),
        st.just('BETWEEN'),
        st.tuples(st.sampled_from(['1', '2']), st.sampled_from(['1', '2'])),
    ),
)


def joined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.lists(inner, min_size=1, max_size=2), st.sampled_from(['AND', 'OR'])).map(
        lambda pair: [*pair[0], pair[1]]
    )


searches = st.builds(
    Bundle,
    st.just('xnat:subjectData'),
    st.lists(
        st.sampled_from(
            [
                Field.parse(AGE),
                Field.parse('xnat:subjectData/SUB_PROJECT_IDENTIFIER=P'),
                Field('xnat:subjectData', 'a/b'),
            ]
        )
    ),
    st.none() | joined(st.recursive(leaf, joined, max_leaves=6)).map(parse),
    st.text(st.characters(exclude_categories=['Cs', 'Cc']), min_size=1),
    st.text(st.characters(exclude_categories=['Cs', 'Cc'])),
    st.booleans(),
    st.lists(st.sampled_from(['anna', 'bert'])),
)


@given(searches)
def test_a_search_is_recovered_from_its_document(search: Bundle) -> None:
    assert search_xml.read(search_xml.write(search)) == search


@given(joined(st.recursive(leaf, joined, max_leaves=6)))
def test_criteria_can_be_converted_back_to_tuples(criteria: Any) -> None:
    found = search_xml.read(
        search_xml.write(Bundle('xnat:subjectData', [], parse(criteria)))
    ).criteria
    assert found is not None and parse(spell(found)) == found == parse(criteria)


@pytest.mark.parametrize(
    'nested',
    [
        [(AGE, '=', '1'), (AGE, '=', '2'), 'OR'],
        [(AGE, 'IN', ['1', '2']), 'AND'],
        [[(AGE, 'IN', ['1', '2']), 'AND'], 'AND'],
        [[(AGE, '=', '1'), (AGE, '=', '2'), 'OR'], 'AND'],
        [(AGE, 'BETWEEN', ['1', '2']), 'AND'],
        [(AGE, '>=', '1'), (AGE, '<=', '2'), 'AND'],
        [(AGE, '!=', '1'), 'AND'],
    ],
)
def test_a_list_and_an_equal_nested_list_are_distinguished(nested: Any) -> None:
    found = search_xml.read(
        search_xml.write(
            Bundle('xnat:subjectData', [], parse([(GENDER, '=', 'female'), nested, 'AND']))
        )
    )
    assert found.criteria is not None and spell(found.criteria) == [
        (GENDER, '=', 'female'),
        nested,
        'AND',
    ]


def foreign(*criteria: str, where: str = 'AND') -> bytes:
    """Return a document in the form of another program."""
    found = ''.join(criteria)
    return f"""<xdat:search xmlns:xdat="{NAMESPACE}" secure="1">
        <xdat:root_element_name>xnat:subjectData</xdat:root_element_name>
        <xdat:search_field><xdat:element_name>xnat:subjectData</xdat:element_name>
        <xdat:field_ID>SUB_PROJECT_IDENTIFIER</xdat:field_ID>
        <xdat:sequence>1</xdat:sequence><xdat:value>P</xdat:value></xdat:search_field>
        <xdat:search_field><xdat:field_ID>xnat:subjectData/group</xdat:field_ID>
        <xdat:sequence>0</xdat:sequence></xdat:search_field>
        <xdat:search_where method="{where}">{found}</xdat:search_where>
        <xdat:search_where method="AND"/></xdat:search>""".encode()


def criterion(field: str, comparison: str, value: str, override: int = 0) -> str:
    return (
        f'<xdat:criteria override_value_formatting="{override}"><!-- x --><xdat:schema_field> '
        f'{field} </xdat:schema_field>'
        f'<xdat:comparison_type> {comparison} '
        f'</xdat:comparison_type><xdat:value>{value}</xdat:value></xdat:criteria>'
    )


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        (criterion('xnat:subjectData.GENDER', 'LIKE', 'f%'), (GENDER, 'LIKE', 'f%')),
        (criterion(GENDER, 'IN', 'a,"b, c"'), (GENDER, 'IN', ['a', 'b, c'])),
        (criterion(GENDER, 'BETWEEN', 'a and b'), (GENDER, 'BETWEEN', ['a', 'b'])),
        (criterion(GENDER, 'IS', 'NULL', 1), (GENDER, '=', None)),
        (criterion(GENDER, 'IS', 'NOT NULL', 1), (GENDER, '!=', None)),
        (criterion(GENDER, 'IS NOT', 'NULL', 1), (GENDER, '!=', None)),
        (criterion(GENDER, 'IS NOT NULL', 'NULL', 1), (GENDER, '!=', None)),
        (criterion(GENDER, '=', "'it''s'", 1), (GENDER, '=', "it's")),
        (criterion(AGE, '&gt;', ' 3.5 ', 1), (AGE, '>', '3.5')),
        (criterion(GENDER, '=', ''), (GENDER, '=', None)),
        (criterion(GENDER, '=', '*'), (GENDER, '!=', None)),
    ],
)
def test_criteria_of_other_programs_become_tuples(written: str, meant: Any) -> None:
    found = search_xml.read(foreign(written, '<xdat:child_set method="OR"/>', where='or'))
    assert found.criteria is not None and spell(found.criteria) == [meant, 'OR']
    assert [str(field) for field in found.fields] == [
        'xnat:subjectData/group',
        'xnat:subjectData/SUB_PROJECT_IDENTIFIER=P',
    ]
    assert not found.is_public


def test_several_wheres_are_joined_by_and() -> None:
    body = foreign(criterion(GENDER, '=', 'a')).replace(b'<xdat:search_where method="AND"/>', b'')
    more = (
        '<xdat:search_where '
        f'method="OR">{criterion(GENDER, "=", "b")}</xdat:search_where></xdat:search>'
    ).encode()
    found = search_xml.read(body.replace(b'</xdat:search>', more)).criteria
    assert found == Group('AND', (parse([(GENDER, '=', 'a')]), parse([(GENDER, '=', 'b'), 'OR'])))


@pytest.mark.parametrize('body', [b'', b'nonsense', b'<search/>', foreign(where='XOR')])
def test_an_invalid_search_document_is_an_error(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match='search'):
        search_xml.read(body)


def test_criteria_in_sql_are_an_error() -> None:
    with pytest.raises(ProgrammingError, match='SQL'):
        search_xml.read(foreign(criterion(GENDER, '=', '(SELECT 1)', 1)))


def test_documents_of_real_sites_are_read(reference: Path) -> None:
    for path in sorted((reference / 'recorded' / 'xnat-rest-tests' / 'search').glob('*.xml')):
        found = search_xml.read(path.read_bytes())
        assert found.root and (found.fields or found.criteria), path.name
        if b'<xdat:search_where' in path.read_bytes() and 'default_project' in path.name:
            assert found.criteria is not None and len(list(found.criteria.constraints())) == 2
        again = search_xml.read(search_xml.write(found))
        assert (again.root, again.fields, again.criteria) == (
            found.root,
            found.fields,
            found.criteria,
        )
