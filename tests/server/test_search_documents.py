"""Tests of search documents, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from pyxnat.server.errors import UnprocessableEntity
from pyxnat.server.search.search_xml import (
    CriteriaSet,
    Criterion,
    SearchDocument,
    SearchField,
    in_projects,
    parse_document,
    write_document,
)

from .searches import M, S, criterion, document

TEXTS = st.text(
    st.characters(min_codepoint=32, exclude_categories=['Cs', 'Cn']), max_size=8
).filter(lambda text: text.isprintable())
PLAIN = TEXTS.map(str.strip)
NAMES = st.sampled_from([M, S, 'xnat:mrScanData'])
FIELDS = st.builds(SearchField, NAMES, PLAIN.filter(bool), PLAIN, PLAIN, PLAIN, st.booleans())
CRITERIA = st.builds(
    Criterion,
    PLAIN.filter(bool),
    st.sampled_from(['=', 'LIKE', 'IS NOT NULL', '<=']),
    TEXTS,
    st.booleans(),
)
PARTS = st.recursive(
    CRITERIA,
    lambda inner: st.builds(
        CriteriaSet, st.sampled_from(['AND', 'OR']), st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=6,
)
SETS = st.builds(
    CriteriaSet, st.sampled_from(['AND', 'OR']), st.lists(PARTS, max_size=3).map(tuple)
)
LOGINS = st.lists(PLAIN.filter(bool), max_size=2, unique=True).map(tuple)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(['ID', 'tag', 'description', 'brief-description']), TEXTS
)
DOCUMENTS = st.builds(
    SearchDocument,
    NAMES,
    ATTRIBUTES,
    st.lists(FIELDS, max_size=3),
    st.lists(SETS, max_size=2),
    st.none() | st.tuples(NAMES, PLAIN.filter(bool)),
    LOGINS,
    LOGINS,
)


@given(DOCUMENTS)
def test_a_written_document_is_read_back_unchanged(wanted: SearchDocument) -> None:
    found = parse_document(write_document(wanted))
    assert found == wanted
    assert write_document(found) == write_document(wanted)


def test_columns_have_the_order_of_their_sequence_numbers() -> None:
    fields = ''.join(
        f'<search_field><element_name>{M}</element_name><field_ID>{name}</'
        f'field_ID><sequence>{number}</sequence></search_field>'
        for name, number in (('C', 9), ('A', -1), ('B', 'x'))
    )
    found = parse_document(f'<search><root_element_name>{M}</root_element_name>{fields}</search>')
    assert [one.field_id for one in found.fields] == ['A', 'B', 'C']


def test_comparisons_are_read_with_any_blanks_and_case() -> None:
    found = parse_document(
        document(M, [], criterion(f'{M}/label', ' is \n not  null ', ' NULL ', 1))
    )
    assert found.where == [
        CriteriaSet('AND', (Criterion(f'{M}/label', 'IS NOT NULL', ' NULL ', True),))
    ]
    assert list(found.elements()) == [M]


def test_the_condition_on_a_project_has_the_form_of_xnat() -> None:
    parts = [
        (one.schema_field, one.value)
        for one in in_projects(S, ['A', 'B']).parts
        if isinstance(one, Criterion)
    ]
    assert parts == [
        (f'{S}/sharing/share/project', 'A'),
        (f'{S}/PROJECT', 'A'),
        (f'{S}/sharing/share/project', 'B'),
        (f'{S}/PROJECT', 'B'),
    ]


@pytest.mark.parametrize(
    'text',
    [
        '',
        'x',
        '<search/>',
        '<search><root_element_name> </root_element_name></search>',
        '<xdat:search/>',
        '<other><root_element_name>x</root_element_name></other>',
        '<!DOCTYPE search><search><root_element_name>x</root_element_name></search>',
        f'<search><root_element_name>{M}</root_element_name><search_where method="XOR"/></search>',
    ],
)
def test_an_invalid_document_is_refused(text: str) -> None:
    with pytest.raises(UnprocessableEntity):
        parse_document(text)


def test_the_namespace_must_be_that_of_xdat() -> None:
    root = etree.fromstring(write_document(SearchDocument(M)))
    assert etree.QName(root).namespace == 'http://nrg.wustl.edu/security' and root.prefix == 'xdat'
