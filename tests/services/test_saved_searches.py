"""Tests of saved searches and templates."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

import pyxnat
from pyxnat import errors
from pyxnat.query.criteria import Field, parse
from pyxnat.query.search_xml import Bundle, read, write

AGE, GENDER, LABEL = (
    'xnat:mrSessionData/AGE',
    'xnat:subjectData/GENDER',
    'xnat:subjectData/SUBJECT_LABEL',
)
ROW, COLUMNS = 'xnat:subjectData', [LABEL, GENDER]
MALE = [(GENDER, '=', 'male'), 'AND']


@pytest.fixture(scope='module')
def colleagues(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp('colleagues')
    for name in ('alice', 'bob'):
        server.add_user(name, 'secret')
    with (
        pyxnat.Interface(server.url, 'alice', 'secret', folder / 'a') as alice,
        pyxnat.Interface(server.url, 'bob', 'secret', folder / 'b') as bob,
    ):
        project = alice.select.project('SAVED').create(accessibility='public')
        for label, gender, ages in (
            ('S1', 'male', (79, 82)),
            ('S2', 'female', (82,)),
            ('S3', 'male', ()),
        ):
            subject = project.subject(label).create(gender=gender)
            for number, age in enumerate(ages):
                subject.experiment(f'{label}_{number}').create(**{'xnat:mrSessionData/age': age})
        yield alice, bob


@pytest.fixture
def alice(colleagues: Any, xnat: pyxnat.Interface) -> Any:
    yield colleagues[0]
    for row in xnat._get_json('/data/search/saved?all=true'):
        xnat._exec(f'/data/search/saved/{quote(row["id"], safe="")}', 'DELETE')


@pytest.fixture
def bob(colleagues: Any) -> Any:
    return colleagues[1]


def in_project(criteria: list[Any]) -> list[Any]:
    return [('xnat:subjectData/PROJECT', '=', 'SAVED'), criteria, 'AND']


# -- searches --------------------------------------------------------------------------------------


def test_a_search_is_saved_listed_run_and_deleted(alice):
    searches = alice.manage.search
    searches.save('men', ROW, COLUMNS, in_project(MALE), description='of all ages')
    assert searches.saved() == ['men'] and searches.saved(with_description=True) == [
        ('men', 'of all ages')
    ]
    table = searches.get('men')
    assert isinstance(table, pyxnat.JsonTable) and table.headers()[:2] == [
        'subject_label',
        'gender',
    ]
    assert sorted(table['subject_label']) == ['S1', 'S3']
    searches.delete('men')
    assert searches.saved() == []


def test_a_saved_search_is_read_back_unchanged(alice):
    criteria = [
        (AGE, 'IN', ['79', '82']),
        [(GENDER, '=', 'male'), (LABEL, 'LIKE', 'S%'), 'OR'],
        [(AGE, '=', '79'), (AGE, '=', '82'), 'OR'],
        'AND',
    ]
    alice.manage.search.save('all of it', ROW, COLUMNS, criteria, ['bob'], 'what it is for')
    query = alice.manage.search.get('all of it', 'query')
    sharing = query.pop('sharing')
    assert query == {
        'row': ROW,
        'columns': COLUMNS,
        'constraints': criteria,
        'description': 'what it is for',
    }
    assert sorted(sharing) == ['alice', 'bob']
    alice.manage.search.save('again', **alice.manage.search.get('all of it', 'query'))
    assert alice.manage.search.get('again', 'query')['constraints'] == criteria
    document = alice.manage.search.get('all of it', 'xml')
    assert isinstance(document, bytes) and read(document).name == 'all of it'


@pytest.mark.parametrize('sharing', ['private', 'public'])
def test_sharing_is_read_back_unchanged(alice, sharing):
    alice.manage.search.save('x', ROW, COLUMNS, None, sharing)
    assert alice.manage.search.get('x', 'query')['sharing'] == sharing
    assert alice.manage.search.get('x', 'query')['constraints'] is None


def test_the_allowed_users_of_a_search_are_set_when_it_is_saved(alice, bob):
    alice.manage.search.save('mine', ROW, COLUMNS, MALE)
    alice.manage.search.save('ours', ROW, COLUMNS, in_project(MALE), ['bob'])
    alice.manage.search.save("everybody's", ROW, COLUMNS, in_project(MALE), 'public')
    assert alice.manage.search.saved() == ["everybody's", 'mine', 'ours']
    assert bob.manage.search.saved() == ["everybody's", 'ours']
    for name in ("everybody's", 'ours'):
        assert sorted(bob.manage.search.get(name)['subject_label']) == ['S1', 'S3']
    with pytest.raises(errors.NotFoundError, match="everybody's, ours"):
        bob.manage.search.get('mine')


@pytest.mark.parametrize(
    'name',
    [
        'with blanks',
        'a/b',
        "it's",
        '"quoted"',
        '100 %',
        'ünï',
        '日本',
        'a&b=c?d#e',
        '<x>',
        '..',
        '.',
        'x.xml',
        '@xnat:subjectData',
        'n' * 300,
    ],
)
def test_a_search_can_have_any_name(alice, name):
    alice.manage.search.save(name, ROW, COLUMNS, in_project(MALE))
    assert alice.manage.search.saved() == [name]
    assert len(alice.manage.search.get(name)) == 2 and alice.manage.search.get(name, 'query')[
        'constraints'
    ] == in_project(MALE)
    alice.manage.search.delete(name)
    assert alice.manage.search.saved() == []


def test_different_names_are_different_searches(alice):
    names = ['a b', 'a_b', 'a  b', 'A b', 'a/b']
    for number, name in enumerate(names):
        alice.manage.search.save(name, ROW, COLUMNS, [(AGE, '=', number)])
    assert alice.manage.search.saved() == sorted(names)
    assert [alice.manage.search.get(name, 'query')['constraints'][0][2] for name in names] == [
        '0',
        '1',
        '2',
        '3',
        '4',
    ]


@pytest.mark.parametrize('name', ['', '  ', 'template_x', None])
def test_an_invalid_name_is_an_error_before_any_request(alice, name):
    with alice.trace() as trace, pytest.raises(errors.ProgrammingError):
        alice.manage.search.save(name, ROW, COLUMNS, MALE)
    assert trace.requests == 0


@pytest.mark.parametrize('sharing', ['bob', 'Public', [1]])
def test_invalid_sharing_is_an_error(alice, sharing):
    with pytest.raises(errors.ProgrammingError, match='private'):
        alice.manage.search.save('x', ROW, COLUMNS, MALE, sharing)
    assert alice.manage.search.saved() == []


def test_saving_under_an_existing_name_does_not_replace_the_search(alice):
    searches = alice.manage.search
    searches.save('x', ROW, COLUMNS, MALE, 'public')
    searches.save('x', ROW, COLUMNS, MALE, 'public')  # the same once more
    for other in (
        (ROW, COLUMNS, [(GENDER, '=', 'female')]),
        (ROW, COLUMNS[:1], MALE),
        ('xnat:mrSessionData', COLUMNS, MALE),
    ):
        with pytest.raises(errors.DuplicateError, match=r"another search 'x'.*overwrite=True"):
            searches.save('x', *other, 'public')
    assert searches.get('x', 'query')['constraints'] == MALE
    searches.save('x', ROW, COLUMNS, [(GENDER, '=', 'female')], overwrite=True)
    assert searches.saved() == ['x'] and searches.get('x', 'query')['constraints'] == [
        (GENDER, '=', 'female'),
        'AND',
    ]


def test_nobody_changes_or_deletes_a_search_that_is_shared_with_some_users(alice, bob):
    alice.manage.search.save('x', ROW, COLUMNS, MALE, ['bob'])
    for change in (
        lambda: alice.manage.search.save('x', ROW, COLUMNS, [(AGE, '>', 80)], overwrite=True),
        lambda: bob.manage.search.save(
            'x', ROW, COLUMNS, [(AGE, '>', 81)], ['bob'], overwrite=True
        ),
        lambda: alice.manage.search.delete('x'),
    ):
        with pytest.raises(errors.PermissionDenied, match='not of one user alone'):
            change()
    assert bob.manage.search.get('x', 'query')['constraints'] == MALE


@pytest.mark.parametrize('sharing', ['private', 'public', ['carol']])
def test_a_name_of_another_user_is_an_error(alice, bob, sharing):
    bob.manage.search.save('taken', ROW, COLUMNS, MALE, sharing)
    with pytest.raises((errors.PermissionDenied, errors.DuplicateError)) as caught:
        alice.manage.search.save('taken', ROW, COLUMNS, [(AGE, '>', 80)])
    assert 'taken' in str(caught.value) and 'another' in str(caught.value)
    with pytest.raises(
        (errors.PermissionDenied, errors.DuplicateError), match='[Uu]se another name'
    ):
        alice.manage.search.save('taken', ROW, COLUMNS, [(AGE, '>', 80)], overwrite=True)
    assert bob.manage.search.get('taken', 'query')['constraints'] == MALE


def test_deleting_a_search_of_another_user_is_an_error(alice, bob):
    bob.manage.search.save("bob's", ROW, COLUMNS, MALE, 'public')
    with pytest.raises(errors.PermissionDenied):
        alice.manage.search.delete("bob's")
    assert bob.manage.search.saved() == ["bob's"]


@pytest.mark.parametrize(
    'ask',
    [
        lambda searches: searches.get('nope'),
        lambda searches: searches.get('nope', 'xml'),
        lambda searches: searches.delete('nope'),
        lambda searches: searches.get_template('nope'),
        lambda searches: searches.use_template('nope', {}),
        lambda searches: searches.delete_template('nope'),
    ],
)
def test_a_missing_search_is_an_error_that_names_the_existing_ones(alice, ask):
    alice.manage.search.save('here', ROW, COLUMNS, MALE)
    alice.manage.search.save_template('there', ROW, COLUMNS, MALE)
    with pytest.raises(errors.NotFoundError, match=r"'nope'.*There are: t?here"):
        ask(alice.manage.search)


def test_an_unknown_format_is_an_error(alice):
    with pytest.raises(errors.ProgrammingError, match='results, xml, query'):
        alice.manage.search.get('x', 'json')


def test_a_search_of_another_program_is_found_by_name_and_by_id(alice):
    document = write(Bundle(ROW, [Field.parse(LABEL)], parse(in_project(MALE)), 'Made elsewhere'))
    alice._exec('/data/search/saved/xs1234', 'PUT', document, {'content-type': 'text/xml'})
    for name in ('Made elsewhere', 'xs1234'):
        assert sorted(alice.manage.search.get(name)['subject_label']) == ['S1', 'S3']
    assert alice.manage.search.saved() == ['Made elsewhere']
    alice._exec(
        '/data/search/saved/xs1235',
        'PUT',
        document.replace(b'male', b'female'),
        {'content-type': 'text/xml'},
    )
    if len(alice.manage.search.saved()) > 1:
        with pytest.raises(errors.ProgrammingError, match='xs1234, xs1235'):
            alice.manage.search.get('Made elsewhere')


def test_saved_searches_take_the_documented_requests(alice, monkeypatch):
    monkeypatch.setattr(alice.cache, 'expiration', 0)
    searches = alice.manage.search
    for ask, cost in (
        (lambda: searches.save('x', ROW, COLUMNS, MALE), ['GET', 'GET', 'PUT']),
        (lambda: searches.saved(), ['GET']),
        (lambda: searches.get('x'), ['GET', 'GET']),
        (lambda: searches.get('x', 'query'), ['GET', 'GET']),
        (lambda: alice.select(ROW, COLUMNS).where(query='x'), ['GET', 'GET', 'POST']),
        (lambda: searches.delete('x'), ['GET', 'DELETE']),
        (lambda: searches.save_template('x', ROW, COLUMNS, MALE), ['GET', 'GET', 'PUT']),
        (lambda: searches.use_template('x', {'male': 'male'}), ['GET', 'GET', 'POST']),
    ):
        with alice.trace() as trace:
            ask()
        assert [record.method for record in trace] == cost
    assert not any('results' in record.uri for record in trace)


def test_a_posted_document_has_no_id_that_could_give_an_older_response(alice, monkeypatch):
    alice.manage.search.save('x', ROW, COLUMNS, MALE)
    assert read(alice.manage.search.get('x', 'xml')).criteria == parse(MALE)
    bodies, send = [], alice.connection.result_set
    monkeypatch.setattr(
        alice.connection,
        'result_set',
        lambda uri, method, body, headers: bodies.append(body) or send(uri, method, body, headers),
    )
    alice.select(ROW, COLUMNS).where(query='x')
    assert b' ID=""' in bodies[-1] and b' ID="x"' in alice.manage.search.get('x', 'xml')


# -- templates -------------------------------------------------------------------------------------

OF = [
    (GENDER, '=', 'gender'),
    [(AGE, '>', 'low'), (AGE, '<=', 'high'), (LABEL, 'LIKE', 'label'), 'AND'],
    'AND',
]


def test_a_template_is_saved_listed_used_and_deleted(alice):
    searches = alice.manage.search
    searches.save_template(
        'of', ROW, COLUMNS, in_project([(GENDER, '=', '%(gender)s')]), 'public', 'by gender'
    )
    assert searches.saved_templates() == ['of'] and searches.saved() == []
    assert searches.saved_templates(with_description=True) == [('of', 'by gender')]
    assert sorted(searches.use_template('of', {'gender': 'male'})['subject_label']) == ['S1', 'S3']
    assert len(searches.use_template('of', {'gender': ['male', 'female']})) == 3
    assert len(searches.use_template('of', {'gender': None})) == 0
    searches.delete_template('of')
    assert searches.saved_templates() == []


def test_a_template_comes_back_with_its_keys(alice):
    alice.manage.search.save_template('of', ROW, COLUMNS, OF, description='d')
    row, columns, constraints, description = alice.manage.search.get_template('of')
    assert (row, columns, description) == (ROW, COLUMNS, 'd')
    assert constraints[0] == (GENDER, '=', '%(gender)s') and (AGE, '>', '%(low)s') in constraints[1]
    alice.manage.search.save_template('of 2', row, columns, constraints)
    assert alice.manage.search.get_template('of 2')[2] == constraints
    assert b'%(gender)s' in alice.manage.search.get_template('of', as_xml=True)


def test_values_of_a_template_are_not_parsed_as_criteria(alice):
    alice.manage.search.save_template('of', ROW, COLUMNS, in_project(OF))
    values = {'gender': 'male', 'low': 80, 'high': '82', 'label': 's*'}
    alice.manage.search.delete_template('of')
    alice.manage.search.save_template(
        'of', ROW, COLUMNS, [('xnat:subjectData/PROJECT', '=', 'project'), OF, 'AND']
    )
    assert (
        alice.manage.search.use_template('of', {**values, 'project': 'SAVED'})['subject_label']
        == 'S1'
    )
    assert len(alice.manage.search.use_template('of', {**values, 'project': "x' OR '1'='1"})) == 0


@pytest.mark.parametrize(
    'values',
    [{}, {'gender': 'male'}, {'gender': 'a', 'low': 1, 'high': 2, 'label': 'x', 'more': 3}],
)
def test_a_missing_or_surplus_key_is_an_error_that_names_it(alice, values):
    alice.manage.search.save_template('of', ROW, COLUMNS, OF)
    with (
        alice.trace() as trace,
        pytest.raises(errors.ProgrammingError, match='gender, low, high, label'),
    ):
        alice.manage.search.use_template('of', values)
    assert [record.method for record in trace] == ['GET', 'GET']


def test_a_search_and_a_template_can_have_the_same_name(alice):
    alice.manage.search.save('x', ROW, COLUMNS, MALE)
    alice.manage.search.save_template('x', ROW, COLUMNS, [(GENDER, '=', 'g')])
    assert alice.manage.search.saved() == alice.manage.search.saved_templates() == ['x']
    alice.manage.search.delete('x')
    assert alice.manage.search.saved_templates() == ['x']


# -- where -----------------------------------------------------------------------------------------


def test_saved_criteria_choose_rows_and_elements(alice):
    alice.manage.search.save(
        'twice', 'xnat:mrSessionData', [AGE], [[(AGE, '=', 79)], [(AGE, '=', 82)], 'AND']
    )
    alice.manage.search.save_template('at', 'xnat:mrSessionData', [AGE], [(AGE, '=', 'age')])
    subjects = alice.select('/projects/SAVED/subjects')
    assert subjects.where(query='twice').get('label') == ['S1']
    assert sorted(subjects.where(template=('at', {'age': 82})).get('label')) == ['S1', 'S2']
    assert sorted(
        subjects.where(template=('at', {'age': [79, 82]})).experiments().get('label')
    ) == ['S1_0', 'S1_1', 'S2_0']
    sessions = alice.select('/projects/SAVED/subjects/*/experiments')
    assert sessions.where(template=('at', {'age': 79}), level='experiment').get('label') == ['S1_0']
    table = alice.select(ROW, [LABEL]).where(template=('at', {'age': 79}))
    assert table.headers() == ['subject_label'] and table['subject_label'] == 'S1'


def test_saved_criteria_are_read_when_the_collection_is_iterated(alice):
    subjects = alice.select('/projects/SAVED/subjects')
    with alice.trace() as trace:
        chosen = subjects.where(query='later')
        assert 'later' in chosen.explain() and chosen == subjects.where(
            query='later'
        ) != subjects.where(query='other')
        hash(chosen)
    assert trace.requests == 0
    with pytest.raises(errors.NotFoundError, match="'later'"):
        chosen.get()
    alice.manage.search.save('later', ROW, COLUMNS, [(GENDER, '=', 'female')])
    with alice.trace() as trace:
        assert chosen.get('label') == ['S2']
    assert [record.method for record in trace] == ['GET', 'GET', 'POST', 'GET']


def test_a_saved_search_without_criteria_is_an_error_in_where(alice):
    alice.manage.search.save('all', ROW, COLUMNS, None)
    with pytest.raises(errors.ProgrammingError, match='no criteria'):
        alice.select('/projects/SAVED/subjects').where(query='all').get()
    assert len(alice.select(ROW, [LABEL]).where(query='all')) >= 3


def test_text_of_criteria_becomes_tuples(alice):
    assert alice.manage.search.eval_rpn_exp(f'{AGE} > 80 AND') == [(AGE, '>', '80')]


def test_the_class_has_its_old_place(alice):
    assert pyxnat.SearchManager is pyxnat.core.search.SearchManager is type(alice.manage.search)
    assert repr(pyxnat.SearchManager(alice)) == repr(alice.manage.search)
