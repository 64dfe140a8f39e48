"""What XNAT takes as a name at each level, and that others are refused before anything is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyxnat import errors, labels
from pyxnat.structure import LEVELS

STRICT = ('projects', 'subjects', 'experiments', 'assessors', 'scans')
WORD = 'ABCXYZabcxyz0189_-'


def test_the_table_has_a_row_for_each_level():
    assert set(labels.NAMES) == {row.plural for row in LEVELS}


@given(st.sampled_from(STRICT), st.text(WORD, min_size=1, max_size=200).filter(lambda name: name.upper() != 'NULL'))
def test_letters_digits_and_dashes_are_taken(plural, name):
    assert labels.why_not_new(plural, name) == ''


@given(
    st.sampled_from(STRICT),
    st.text(WORD, max_size=5),
    st.characters().filter(lambda char: char not in WORD and not (char.isascii() and char.isalnum())),
)
def test_any_other_character_is_named(plural, start, char):
    name = f'x{start}{char}y'
    assert repr(char) in labels.why_not_new(plural, name) or char in labels.why_not_sent(name)


@pytest.mark.parametrize(
    ('plural', 'name', 'why'),
    [
        ('projects', 'x' * 201, '200'),
        ('subjects', 'x' * 256, '255'),
        ('scans', 'x' * 256, '255'),
        ('scans', 'NULL', 'nothing'),
        ('subjects', 'null', 'nothing'),
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
def test_what_is_not_taken_says_why(plural, name, why):
    assert why.replace('\\.', '.') in labels.why_not_new(plural, name)


@pytest.mark.parametrize(
    ('plural', 'name'), [('resources', 'DICOM.1'), ('files', 'a b/é (1).txt'), ('reconstructions', 'a b'), ('subjects', '-_1'), ('scans', 'ALL')]
)
def test_what_is_taken(plural, name):
    assert labels.why_not_new(plural, name) == ''


NEW = {
    'subject': lambda project, name: project.subject(name),
    'experiment': lambda project, name: project.subject('S').experiment(name),
    'scan': lambda project, name: project.subject('S').experiment('E').scan(name),
    'assessor': lambda project, name: project.subject('S').experiment('E').assessor(name),
}


@pytest.mark.parametrize('level', NEW)
@pytest.mark.parametrize('name', ['a b', 'a.b', 'é', 'a:b', 'a,b', 'x' * 256])
def test_nothing_is_made_of_a_name_that_xnat_does_not_take(xnat, project, level, name):
    project.subject('S').experiment('E').create()
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match=f'new {level}.*takes'):
        NEW[level](project, name).create()
    assert [record.method for record in trace] == ['GET']  # it might be there: a rename takes any name


@pytest.mark.parametrize('level', NEW)
@pytest.mark.parametrize('name', ['a%b', 'a;b', 'a\\b'])
def test_what_no_path_can_hold_is_not_sent(xnat, project, level, name):
    with xnat.trace() as trace:
        for act in ('create', 'exists', 'delete', 'id'):
            with pytest.raises(errors.ProgrammingError, match='cannot be the name of .* in a request.*XNAT refuses'):
                getattr(NEW[level](project, name), act)()
    assert trace.requests == 0


@pytest.mark.parametrize('label', ['a.b', 'a~b'])
def test_a_rename_takes_any_name_and_what_bears_it_is_found(xnat, project, label):
    session = project.subject('S').experiment('E').create()
    session.rename(label)
    found = project.subject('S').experiment(label)
    assert found.exists() and found.id() == session.id()
    found.create(note='changed')
    assert found.attrs.get('note') == 'changed' and len(project.experiments().get()) == 1
    found.scan('1').create()
    assert found.scans().get() == ['1']


@pytest.mark.parametrize('label', ['a%b', 'a;b', 'a/b', 'a\\b'])
def test_a_rename_to_what_no_path_can_hold_is_refused(xnat, project, label):
    subject = project.subject('S').create()
    with xnat.trace() as trace, pytest.raises(errors.ProgrammingError, match='XNAT refuses'):
        subject.rename(label)
    assert trace.requests == 0
