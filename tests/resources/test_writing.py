"""Tests of writing fields as XML documents: any text, name, level and type.

Values that XNAT would lose are an error before any request.
"""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyxnat
from pyxnat import errors
from pyxnat.http.tracing import Trace
from pyxnat.model.item_xml import as_text, bundled, find_setting, settings_of, write_document

TEXTS = [
    'a & b',
    '<b>',
    '"q" \'a\'',
    'Zürich é',
    'a\nb',
    'two  blanks',
    '🧠',
    '50%+1;c',
    ' lead and trail ',
    'x > < y',
    ']]> end',
    '&amp;',
    'NULLS',
    '[1]',
]
NAMES = [
    'plain',
    'two words',
    'a,b',
    'a[b',
    'a]b',
    "a'b",
    'a"b',
    'a/b',
    'a=b',
    'a.b',
    'a@b',
    'é',
    'a&b',
    'a+b',
    'a%b',
    'a<b',
    'UPPER',
    '*',
    '1',
    'trail ',
]
"""Names of variables that XNAT was measured to keep."""
FIELDS = {
    'project': ('description', 'xnat:projectData/fields/field[name={}]/field'),
    'subject': ('group', 'xnat:subjectData/fields/field[name={}]/field'),
    'experiment': ('note', 'xnat:experimentData/fields/field[name={}]/field'),
    'scan': ('note', 'xnat:mrScanData/parameters/addParam[name={}]/addField'),
    'assessor': ('note', 'xnat:qcManualAssessorData/parameters/addParam[name={}]/addField'),
    'reconstruction': ('type', 'xnat:reconstructedImageData/parameters/addParam[name={}]/addField'),
}


@pytest.fixture
def elements(project: Any, xnat: pyxnat.Interface) -> dict[str, Any]:
    """Create an element of each level."""
    xnat.cache.expiration = 0
    session = project.subject('S').experiment('E')
    return {
        'project': project,
        'scan': session.scan('1').create(),
        'subject': project.subject('S'),
        'experiment': session,
        'assessor': session.assessor('A').create(
            assessors='xnat:qcManualAssessorData', **{'xnat:qcManualAssessorData/pass': '1'}
        ),
        'reconstruction': session.reconstruction(f'R_{project.id()}').create(),
    }


def writes(trace: Trace) -> list[str]:
    return [record.uri for record in trace if record.method != 'GET']


def stored(element: Any, name: str) -> str:
    """Return the text of a variable or parameter in the element's document."""
    (node,) = (
        one for one in element.xpath('//xnat:field|//xnat:addParam') if one.get('name') == name
    )
    return ''.join(node.itertext()).removeprefix('\n')


@pytest.mark.parametrize('level', FIELDS)
def test_any_text_is_stored_unchanged(level: str, elements: dict[str, Any]) -> None:
    element, (name, _) = elements[level], FIELDS[level]
    for value in TEXTS:
        element.attrs.set(name, value)
        assert (
            element.attrs.get(name) == ' '.join(value.split('\n'))
            or element.attrs.get(name) == value
        )


@pytest.mark.parametrize('level', FIELDS)
def test_any_name_of_a_variable_is_kept(level: str, elements: dict[str, Any]) -> None:
    element, (_, path) = elements[level], FIELDS[level]
    element.attrs.mset(
        {path.format(name): f'{number} & {name}' for number, name in enumerate(NAMES)}
    )
    assert {name: stored(element, name) for name in NAMES} == {
        name: f'{number} & {name}' for number, name in enumerate(NAMES)
    }
    found = element.attrs.mget(
        [*(path.format(name) for name in NAMES), path.format('missing'), FIELDS[level][0]]
    )
    assert found == [*(f'{number} & {name}' for number, name in enumerate(NAMES)), '', '']


@pytest.mark.parametrize('level', FIELDS)
def test_one_field_or_several_take_one_request(
    level: str, elements: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    looks = {'experiment': 1, 'assessor': 2, 'reconstruction': 2}.get(
        level, 0
    )  # the owner of the session, and its document
    element, (name, path) = elements[level], FIELDS[level]
    element.id(), element.datatype(), element.attrs.set(name, 'first')
    with xnat.trace() as trace:
        element.attrs.set(name, 'second')
    assert trace.requests == 1 + looks, trace
    with xnat.trace() as trace:
        element.attrs.mset({name: 'third', path.format('x'): '1', path.format('y'): '2'})
    assert trace.requests == 1 + looks, trace
    assert element.attrs.get(name) == 'third' and stored(element, 'y') == '2'


@pytest.mark.parametrize('empty', ['', None])
@pytest.mark.parametrize('level', [level for level in FIELDS if level != 'reconstruction'])
def test_a_field_is_cleared(level: str, empty: str | None, elements: dict[str, Any]) -> None:
    element, (name, path) = elements[level], FIELDS[level]
    element.attrs.mset({name: 'x', path.format('k'): 'v', path.format('other'): 'w'})
    element.attrs.mset({name: empty, path.format('other'): 'new'})
    assert (element.attrs.get(name), stored(element, 'k'), stored(element, 'other')) == (
        '',
        'v',
        'new',
    )


def test_a_field_that_cannot_be_cleared_is_an_error_before_any_request(
    elements: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    subject = elements['subject']
    subject.attrs.mset({'gender': 'male', 'yob': 1980, 'dob': '1980-02-03'})
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match='gender cannot be cleared'),
    ):
        subject.attrs.set('gender', None)
    with pytest.raises(errors.ProgrammingError, match='cannot be cleared'):
        subject.attrs.set('xnat:subjectData/fields/field[name=a/b]/field', '')
    assert writes(trace) == []
    subject.attrs.mset({'yob': '', 'dob': None})
    assert subject.attrs.mget(['gender', 'yob', 'dob']) == ['male', '', '']


@pytest.mark.parametrize(
    'path',
    [
        '/projects/{p}/subjects/S/experiments/E',
        '/projects/{p}/experiments/E',
        '/experiments/{id}',
        '/projects/{p}/experiments/{id}',
    ],
)
def test_a_session_is_written_below_its_subject_however_it_was_selected(
    path: str, elements: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    session = xnat.select(path.format(p=elements['project'].id(), id=elements['experiment'].id()))
    with xnat.trace() as trace:
        session.attrs.mset(
            {
                'note': 'n',
                'xnat:mrSessionData/fieldStrength': '3.0',
                'date': datetime.date(2020, 1, 31),
            }
        )
    (uri,) = writes(trace)
    assert '/projects/' in uri and '/subjects/' in uri
    assert elements['experiment'].attrs.mget(['note', 'fieldStrength', 'date', 'label']) == [
        'n',
        '3.0',
        '2020-01-31',
        'E',
    ]


@pytest.mark.parametrize(
    ('level', 'name', 'value', 'message'),
    [
        ('subject', 'nonsense', 1, "'nonsense' is no short name"),
        ('subject', 'Gender', 'male', 'gender'),
        ('subject', 'xnat:subjectData/nonsense', 1, 'has no field'),
        ('subject', 'xnat:mrSessionData/date', '2020-01-01', 'no field of xnat:subjectData'),
        ('subject', 'insert_date', '2020-01-01', 'read-only'),
        ('experiment', 'xnat:mrSessionData/fieldStrengh', 3, 'xnat:mrSessionData/fieldStrength'),
        ('experiment', 'xnat:petSessionData/tracer/name', 'FDG', 'no field of xnat:mrSessionData'),
        ('experiment', 'xnat:mrSessionData/scans/scan/type', 'T1', 'nested element'),
        ('experiment', 'date', '2020-02-30', 'Give it as 2020-01-31'),
        ('experiment', 'date', '31.01.2020', 'no date'),
        ('experiment', 'time', '25:00:00', 'no time'),
        ('scan', 'note', 'a\x07b', 'characters'),
    ],
)
def test_an_invalid_value_is_an_error_before_any_request(
    level: str,
    name: str,
    value: Any,
    message: str,
    elements: dict[str, Any],
    xnat: pyxnat.Interface,
) -> None:
    elements[level].datatype()
    elements[level].attrs.mset({'note' if level != 'subject' else 'group': 'kept'})
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match=message):
        elements[level].attrs.mset({'note' if level != 'subject' else 'group': 'lost', name: value})
    assert writes(trace) == []
    assert elements[level].attrs.get('note' if level != 'subject' else 'group') == 'kept'


@pytest.mark.parametrize('text', ['only\n \nblanks between', 'ends with a line break\n', '\r', ' '])
def test_text_that_the_parser_of_xnat_would_shorten_is_sent_in_another_way_or_refused(
    text: str, elements: dict[str, Any]
) -> None:
    session = elements['experiment']
    session.attrs.set('note', text)
    assert session.attrs.get('note').split() == text.split()
    with pytest.raises(errors.ProgrammingError, match='cannot store'):
        session.attrs.set('note', f'{text}&\n \n&')


@pytest.mark.parametrize(
    'kind', [f'xnat:{name}SessionData' for name in ('mr', 'pet', 'ct', 'us', 'otherDicom')]
)
def test_sessions_of_all_types_can_be_created_and_changed(kind: str, project: Any) -> None:
    session = (
        project.subject('S')
        .experiment('E')
        .create(experiments=kind, note='a & b', **{f'{kind}/scanner/model': '<M>'})
    )
    assert session.datatype() == kind and session.attrs.get('note') == 'a & b'
    assert session.xpath('//xnat:scanner/@model') == ['<M>']
    session.attrs.mset({'note': 'c & d', f'{kind}/fields/field[name=v]/field': '1'})
    assert (
        session.attrs.get('note') == 'c & d'
        and session.xpath('//xnat:scanner/@model') == ['<M>']
        and stored(session, 'v') == '1'
    )


def test_a_new_element_needs_the_required_fields_of_its_type(
    elements: dict[str, Any], xnat: pyxnat.Interface
) -> None:
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match='needs xnat:qcManualAssessorData/pass'),
    ):
        elements['experiment'].assessor('B').create(assessors='xnat:qcManualAssessorData')
    with pytest.raises(errors.ProgrammingError, match='investigator/lastname'):
        elements['project'].subject('T').create(pi_firstname='Marie')
    assert trace.requests == 0


def test_a_document_never_has_a_label_or_another_project() -> None:
    for kind, where, values in (
        ('xnat:subjectData', 'subject', {'group': 'g'}),
        ('xnat:mrSessionData', 'experiment', {'note': 'n'}),
    ):
        document = write_document(bundled(), kind, settings_of(bundled(), kind, where, values))
        assert not {b'label=', b'project=', b' ID='} & {
            part for part in (b'label=', b'project=', b' ID=') if part in document
        }


CHARACTERS = st.characters(exclude_categories=('Cs', 'Cc'))


@settings(max_examples=200)
@given(st.text(CHARACTERS, min_size=1, max_size=20), st.text(CHARACTERS, max_size=20))
def test_names_and_values_are_unchanged_by_a_document(name: str, value: str) -> None:
    def found(written: str) -> Any:
        path = f'xnat:subjectData/fields/field[name={written}]/field'
        return find_setting(bundled(), 'xnat:subjectData', 'subject', path, value)

    setting = found(name)
    assert setting.field.path == 'fields/field/field' and setting.value == value
    if not name.startswith(('"', "'")):
        assert setting.picks == (name.lstrip(),)  # blanks after "=" belong to the spelling
    if "'" not in name:
        assert found(f"'{name}'").picks == (name,)


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (True, '1'),
        (None, ''),
        (3.0, '3.0'),
        (datetime.date(2020, 1, 2), '2020-01-02'),
        (datetime.time(1, 2, 3), '01:02:03'),
        (b'x', 'x'),
        ('', ''),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert as_text(value) == text
