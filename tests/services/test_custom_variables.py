"""Tests of columns and criteria that name one custom variable, whatever its name."""

from __future__ import annotations

from typing import Any

import pytest

import pyxnat
from pyxnat import errors
from tests.support.archive import new_project

NAMES = [
    'plain',
    'two words',
    'a,b',
    'a[b',
    'a]b',
    'a[1]',
    '[x]',
    'a,b[c],d',
    "a'b",
    'a"b',
    'a/b',
    'x]/y',
    '[name=q]',
    'a]/field',
    'a;b',
    'a%b',
    '(a)',
    ' lead',
    'UPPER',
    'é',
]
SUBJECT = 'xnat:subjectData/fields/field[name={}]/field'
SESSION = 'xnat:mrSessionData/fields/field[name={}]/field'
PARAMETER = 'xnat:mrScanData/parameters/addParam[name={}]/addField'


def value(name: str, number: int | str) -> str:
    """Return the value of a variable of subject, session or scan 1 or 2."""
    return f'v{NAMES.index(name)} of {number}'


@pytest.fixture(scope='module')
def kept(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_project(server, tmp_path_factory.mktemp('cache'), 'CUSTOM_VARIABLES', fill)


@pytest.fixture
def filled(xnat: pyxnat.Interface, kept: str) -> Any:
    """Return a project that no test changes."""
    return xnat.select.project(kept)


def fill(project: Any) -> None:
    """Create subjects S1 and S2, each with a session and a scan, and variables of all names."""
    for number in (1, 2):
        session = project.subject(f'S{number}').experiment(f'E{number}')
        scan = session.scan('1').create()
        for element, path in (
            (project.subject(f'S{number}'), SUBJECT),
            (session, SESSION),
            (scan, PARAMETER),
        ):
            element.attrs.mset({path.format(name): value(name, number) for name in NAMES})


@pytest.mark.parametrize('name', NAMES)
def test_a_column_holds_one_variable_of_each_element(name: str, filled: Any) -> None:
    expected = [[f'S{number}', value(name, number)] for number in (1, 2)]
    path = SUBJECT.format(name)
    subjects = filled.subjects()
    assert sorted(subjects.mget(['label', path])) == expected
    assert sorted(subjects.table(['label', path]).items()) == [tuple(row) for row in expected]
    assert {row[path] for row in subjects.rows([path])} == {row[1] for row in expected}
    for element in subjects.with_columns('label', path):
        assert element.attrs.get(path) == value(name, element.label()[1])


@pytest.mark.parametrize('name', ['plain', 'a,b', 'a[1]', 'x]/y'])
def test_variables_of_several_levels_are_columns_of_one_table(name: str, filled: Any) -> None:
    columns = ['label', SUBJECT.format(name), SESSION.format(name)]
    expected = [[f'E{n}', value(name, n), value(name, n)] for n in (1, 2)]
    assert sorted(filled.experiments().mget(columns)) == expected
    assert sorted(filled.subjects().experiments().mget(columns)) == expected
    scans = filled.subjects().experiments().scans()
    columns = ['ID', PARAMETER.format(name), SUBJECT.format(name), SESSION.format(name)]
    assert sorted(scans.mget(columns)) == [['1', *[value(name, n)] * 3] for n in (1, 2)]


@pytest.mark.parametrize(
    'path', [SUBJECT, SESSION, 'xnat:petSessionData/fields/field[name={}]/field']
)
def test_a_variable_that_an_element_lacks_is_empty(path: str, filled: Any) -> None:
    assert filled.experiments().mget([path.format('missing')]) == [[''], ['']]


def test_a_variable_of_a_level_below_is_an_error(filled: Any) -> None:
    with pytest.raises(errors.ProgrammingError, match='subject has no field'):
        filled.subjects().mget([SESSION.format('plain')])


def test_a_table_with_variables_takes_a_request_for_each_element(
    filled: Any, xnat: pyxnat.Interface
) -> None:
    columns = ['label', *map(SUBJECT.format, NAMES)]
    with xnat.trace() as trace:
        assert len(filled.subjects().mget(columns)) == 2
    documents = [record for record in trace if 'format=xml' in record.uri]
    assert len(documents) == 2 and trace.requests <= 4


@pytest.mark.parametrize('name', NAMES)
def test_a_criterion_compares_one_variable(name: str, filled: Any) -> None:
    subjects, path = filled.subjects(), SUBJECT.format(name)
    if name != name.strip():
        with pytest.raises(errors.ProgrammingError, match='blanks'):
            subjects.where([(path, '=', value(name, 1))])
        return
    assert [one.label() for one in subjects.where([(path, '=', value(name, 1))])] == ['S1']
    other = NAMES[NAMES.index(name) - 1]
    assert subjects.where([(path, '=', value(other, 1))]).get() == []
