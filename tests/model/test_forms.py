"""Tests of custom forms as values: fields of a document, names, JSON and text."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.model import forms
from pyxnat.model.forms import Form, FormField

UUID = '89ce5943-5721-482d-afd4-ad2e9061d235'


def component(key: str, kind: str = 'textfield', **more: Any) -> dict[str, Any]:
    return {'key': key, 'type': kind, 'label': key.title(), 'input': True, **more}


def holder(kind: str, **inner: Any) -> dict[str, Any]:
    return {'key': kind, 'type': kind, 'input': kind == 'container', **inner}


@pytest.mark.parametrize(
    ('components', 'names'),
    [
        ([component('a'), component('b', 'number')], ['a', 'b']),
        ([holder('panel', components=[component('a')]), component('b')], ['a', 'b']),
        ([holder('columns', columns=[{'components': [component('a')]}])], ['a']),
        ([holder('table', rows=[[{'components': [component('a')]}]])], ['a']),
        ([holder('tabs', components=[{'key': 't', 'components': [component('a')]}])], ['a']),
        ([holder('container', components=[component('a')])], ['container/a']),
        (
            [holder('panel', components=[holder('container', components=[component('a.b')])])],
            ['container/a/b'],
        ),
        ([component('grid', 'datagrid', components=[component('a')])], ['grid']),
        ([component('send', 'button'), {'key': 'note', 'type': 'content', 'input': False}], []),
        ([None, 'text', component('a')], ['a']),
    ],
    ids=['flat', 'panel', 'columns', 'table', 'tabs', 'container', 'nested', 'grid', 'none', 'bad'],
)
def test_fields_of_a_document(components: list[Any], names: list[str]) -> None:
    assert [one.name for one in forms.form_fields({'components': components})] == names


def enrolment(title: str = 'Enrolment', uuid: str = UUID, *names: str) -> Form:
    fields = [
        FormField(tuple(name.split('/')), 'textfield') for name in names or ('date', 'v/site')
    ]
    return Form(uuid, title, 'xnat:subjectData', tuple(fields))


@pytest.mark.parametrize(
    ('name', 'path'),
    [
        ('form:Enrolment/date', ('date',)),
        (f'form:{UUID}/date', ('date',)),
        ('form:Enrolment/v/site', ('v', 'site')),
        ('form:Enrolment/v.site', ('v', 'site')),
        ('form:Visit 1/2/x', ('x',)),
    ],
)
def test_names_of_fields(name: str, path: tuple[str, ...]) -> None:
    known = [enrolment(), enrolment('Visit 1/2', 'u2', 'x'), enrolment('Visit 1', 'u3', '2')]
    assert forms.find_field(known, name)[1].path == path


@pytest.mark.parametrize(
    ('name', 'problem', 'remedy'),
    [
        ('form:Enrolmnt/date', "no form 'Enrolmnt'", 'Forms: Enrolment'),
        ('form:Enrolment/dat', "no field 'dat'", 'fields: date'),
        ('form:Enrolment', 'names no field', 'form:Enrolment/date'),
        ('form:Twice/date', '2 forms have the field', 'form:u2/date, form:u3/date'),
    ],
)
def test_names_of_no_field(name: str, problem: str, remedy: str) -> None:
    known = [enrolment(), enrolment('Twice', 'u2'), enrolment('Twice', 'u3')]
    with pytest.raises(errors.ProgrammingError) as caught:
        forms.find_field(known, name)
    assert problem in str(caught.value) and remedy in str(caught.value)


@pytest.mark.parametrize(
    ('field', 'given', 'value'),
    [
        (component('a'), 'text', 'text'),
        (component('a'), 3, '3'),
        (component('a'), datetime.date(2020, 1, 2), '2020-01-02'),
        (component('a'), '', None),
        (component('a', 'number'), '3', 3),
        (component('a', 'number'), '-3.50', -3.5),
        (component('a', 'number'), 1e5, 100000.0),
        (component('a', 'checkbox'), 'TRUE', True),
        (component('a', 'checkbox'), 0, False),
        (component('a', 'datetime'), '2020-01-02T10:00:00Z', '2020-01-02T10:00:00Z'),
        (component('a', 'selectboxes'), '{"x": true}', {'x': True}),
        (component('a', multiple=True), ('x', 'y'), ['x', 'y']),
        (component('a', 'radio', values=[{'value': '1'}, {'value': 'x'}]), '1', 1),
        (component('a', 'radio', dataType='string', values=[{'value': '1'}]), '1', '1'),
        (component('a', 'select', data={'values': [{'value': 'x'}]}), 'x', 'x'),
    ],
    ids=repr,
)
def test_values_are_stored_as_by_web_pages(field: Any, given: Any, value: Any) -> None:
    (found,) = forms.form_fields({'components': [field]})
    assert found.value(given) == value and type(found.value(given)) is type(value)


@pytest.mark.parametrize(
    ('field', 'given', 'problem'),
    [
        (component('a', 'number'), '3,5', 'is no number'),
        (component('a', 'number'), '1_000', 'is no number'),
        (component('a', 'number'), 'nan', 'is no number'),
        (component('a', 'number'), True, 'is no number'),
        (component('a', 'checkbox'), 'maybe', 'is no truth value'),
        (component('a', 'datetime'), '32.1.2020', 'is no date'),
        (component('a'), ['x'], 'is no single value'),
        (component('a', multiple=True), 'x', 'is no list'),
        (component('a', 'selectboxes'), False, 'is no list or object'),
        (component('a', 'select', data={'values': [{'value': 'x'}]}), 'y', 'is no choice'),
    ],
    ids=repr,
)
def test_values_that_do_not_fit(field: Any, given: Any, problem: str) -> None:
    (found,) = forms.form_fields({'components': [field]})
    with pytest.raises(errors.ProgrammingError, match=problem):
        found.value(given)


KEYS = st.text('abü./', min_size=1, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(KEYS, JSON), st.lists(KEYS, min_size=1, max_size=3), JSON)
def test_a_value_is_set_and_the_others_stay(
    document: dict[str, Any], path: list[str], value: Any
) -> None:
    before = json.dumps(document)
    made = forms.with_value(document, path, value)
    assert forms.value_at({'f': made}, 'f', path) == value
    assert {key: made[key] for key in made if key != path[0]} == {
        key: document[key] for key in document if key != path[0]
    }
    assert json.dumps(document) == before


@given(st.sampled_from(['textfield', 'number', 'checkbox', 'selectboxes']), JSON)
def test_the_text_of_a_stored_value_is_that_value(kind: str, value: Any) -> None:
    field = FormField(('a',), kind)
    try:
        stored = field.value(value)
    except errors.ProgrammingError:
        return
    assert field.value(forms.as_cell(stored)) == stored or stored in (None, [], {})
