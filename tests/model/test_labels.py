"""Tests of names at each level: those that XNAT accepts, and refusals before a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors
from pyxnat.model import labels
from pyxnat.model.levels import LEVELS

STRICT = ('projects', 'subjects', 'experiments', 'assessors', 'scans')
WORD = 'ABCXYZabcxyz0189_-'


def test_the_table_has_a_row_for_each_level():
    assert set(labels.NAMES) == {row.plural for row in LEVELS}


@given(
    st.sampled_from(STRICT),
    st.text(WORD, min_size=1, max_size=200).filter(lambda name: name.upper() != 'NULL'),
)
def test_letters_digits_and_dashes_are_accepted(plural, name):
    assert labels.why_not_new(plural, name) == ''


@given(
    st.sampled_from(STRICT),
    st.text(WORD, max_size=5),
    st.characters().filter(
        lambda char: char not in WORD and not (char.isascii() and char.isalnum())
    ),
)
def test_the_error_names_any_other_character(plural, start, char):
    name = f'x{start}{char}y'
    assert repr(char) in labels.why_not_new(plural, name) or char in labels.why_not_sent(name)


@pytest.mark.parametrize(
    ('plural', 'name', 'why'),
    [
        ('projects', 'x' * 201, '200'),
        ('subjects', 'x' * 256, '255'),
        ('scans', 'x' * 256, '255'),
        ('scans', 'NULL', 'empty value'),
        ('subjects', 'null', 'empty value'),
        ('scans', 'T1 a', "' '"),
        ('scans', '3.5', "'.'"),
        ('subjects', 'Müller:1', "'ü', ':'"),
        ('resources', '5', 'number'),
        ('resources', 'my res', "' '"),
        ('resources', 'x' * 66, '65'),
        ('files', 'a/../b', r"'\.\.'"),
        ('files', 'a//b', "''"),
        ('files', 'a;b', '405'),
        ('files', 'a%b', '405'),
        ('files', 'a\\b', '400'),
        ('reconstructions', 'a;b', '405'),
    ],
)
def test_a_refusal_gives_the_reason(plural, name, why):
    assert why.replace('\\.', '.') in labels.why_not_new(plural, name)


@pytest.mark.parametrize(
    ('plural', 'name'),
    [
        ('resources', 'DICOM.1'),
        ('files', 'a b/é (1).txt'),
        ('reconstructions', 'a b'),
        ('subjects', '-_1'),
        ('scans', 'ALL'),
    ],
)
def test_valid_names_are_accepted(plural, name):
    assert labels.why_not_new(plural, name) == ''


NEW = {
    'subject': lambda project, name: project.subject(name),
    'experiment': lambda project, name: project.subject('S').experiment(name),
    'scan': lambda project, name: project.subject('S').experiment('E').scan(name),
    'assessor': lambda project, name: project.subject('S').experiment('E').assessor(name),
}


@pytest.mark.parametrize('level', NEW)
@pytest.mark.parametrize('name', ['a b', 'a.b', 'é', 'a:b', 'a,b', 'x' * 256])
def test_nothing_is_created_with_a_name_that_xnat_does_not_accept(xnat, project, level, name):
    project.subject('S').experiment('E').create()
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match=f'new {level}.*accepts'),
    ):
        NEW[level](project, name).create()
    assert [record.method for record in trace] == [
        'GET'
    ]  # it might exist: a rename accepts any name


@pytest.mark.parametrize('level', NEW)
@pytest.mark.parametrize('name', ['a%b', 'a;b', 'a\\b'])
def test_a_name_that_no_path_can_hold_is_not_sent(xnat, project, level, name):
    with xnat.trace() as trace:
        for act in ('create', 'exists', 'delete', 'id'):
            with pytest.raises(
                errors.ProgrammingError, match='cannot be the name of .* in a request.*XNAT refuses'
            ):
                getattr(NEW[level](project, name), act)()
    assert trace.requests == 0


ODD = [
    'a.b',
    'a~b',
    'a b',
    ' a',
    'é',
    '日本',
    'a:b',
    'a,b',
    'a+b',
    'a=b',
    'a?b',
    'a(1)',
    'a@b#c',
    '[a]',
]
QC = {'assessors': 'xnat:qcManualAssessorData', 'xnat:qcManualAssessorData/pass': '1'}


@pytest.mark.sample(2)
@pytest.mark.parametrize('label', ODD)
def test_a_rename_accepts_any_name_and_the_element_is_found_by_it(xnat, project, label):
    session = project.subject('S').experiment('E').create()
    session.rename(label)
    found = project.subject('S').experiment(label)
    assert found.exists() and found.id() == session.id()
    found.create(note='changed')
    assert found.attrs.get('note') == 'changed' and len(project.experiments().get()) == 1
    found.scan('1').create()
    assert found.scans().get() == ['1']
    project.subject('S').rename(label)
    found = project.subject(label).experiment(label)
    found.attrs.set('note', 'again')
    found.scan('1').resource('R').file('f').put(b'content')
    found.assessor('A').create(**QC)
    found.assessor('A').rename(f'{label}x')
    found.assessor(f'{label}x').out_resource('R').file('g').put(b'out')
    assert found.attrs.get('note') == 'again' and found.assessor(f'{label}x').label() == f'{label}x'
    with open(found.scan('1').resource('R').file('f').get(), 'rb') as file:
        assert file.read() == b'content'
    path = f'/projects/{project._urn}/subjects/{label}'
    for of, below in (
        ('', 'experiments'),
        (f'/experiments/{label}', 'scans'),
        (f'/experiments/{label}', 'assessors'),
    ):
        assert [one.exists() for one in xnat.select(f'{path}{of}/{below}')] == [True]
        assert (
            len(
                xnat.select(f'{path}{of}/{below}').table(
                    ['ID', 'project' if below != 'scans' else 'type']
                )
            )
            == 1
        )
    if '?' not in label and '[' not in label:
        assert sorted(file._urn for file in xnat.select(f'{path}//files')) == ['f', 'g']
        assert [
            file._urn
            for file in xnat.select(
                f'{path}/experiments/{label}/assessors/{label}x/out/resources/*/files'
            )
        ] == ['g']
    found.delete()
    assert not found.exists() and not project.subject(label).experiments().get()
    project.subject(label).delete()
    assert project.subjects().get() == []


@pytest.mark.parametrize('label', ODD)
def test_a_name_that_is_no_label_of_an_item_does_not_exist(xnat, project, label):
    project.subject('S').experiment('E').create()
    for element in (
        project.subject(label),
        project.subject(label).experiment('E'),
        project.subject('S').experiment(label).scan('1'),
    ):
        assert not element.exists()
        for act in (
            element.id,
            element.delete,
            element.get,
            lambda element=element: element.attrs.get('ID'),
        ):
            with pytest.raises((errors.NotFoundError, errors.DatabaseError)):
                act()
    assert len(project.subjects().get()) == len(project.experiments().get()) == 1


def test_a_label_that_must_be_quoted_costs_one_listing(xnat, project):
    project.subject('S').create().rename('a b')
    with xnat.trace() as trace:
        subject = project.subject('a b')
        subject.get()
        subject.get()
    assert trace.requests == 2
    assert '/a%20b' not in ''.join(record.uri for record in trace)


@pytest.mark.parametrize('label', ['a%b', 'a;b', 'a/b', 'a\\b', 'a&b', "a'b", '<a>', 'a"b'])
def test_a_rename_to_a_name_that_xnat_cannot_keep_is_refused(xnat, project, label):
    subject = project.subject('S').create()
    with (
        xnat.trace() as trace,
        pytest.raises(errors.ProgrammingError, match='XNAT refuses|XNAT would store'),
    ):
        subject.rename(label)
    assert trace.requests == 0
